//! What a component comes to when the components in it are instantiated: gone through as Wasmtime's
//! translation does, with each component as what it is where it is had from (an argument, an export,
//! the component around), within a budget of steps.

use std::collections::HashMap;

use wasmparser::{ComponentExternalKind, ComponentOuterAliasKind, ComponentTypeRef};

use super::{Extent, ITEMS, Module, NOTHING, at, external, typed};

/// The most steps, those that cost nothing among them.
const STEPS: usize = 1 << 20;

/// A step of a component.
pub enum Op<'a> {
    /// A core module.
    Module(Module),
    /// A component, by its body.
    Component(usize),
    /// Items that are nothing but their number.
    Count(u64),
    /// A type that holds nothing.
    Type,
    /// The type of an instance or a component, up to where it ends.
    TypeBegins,
    /// What it declares: an import, or an export of this name.
    Declared(Option<&'a str>, ComponentTypeRef),
    TypeEnds,
    Import(&'a str, ComponentTypeRef),
    Export(&'a str, ComponentExternalKind, u32),
    AliasExport(ComponentExternalKind, u32, &'a str),
    /// How many scopes up, and which.
    AliasOuter(ComponentOuterAliasKind, usize, u32),
    /// A module and the number of arguments, with one for the instance.
    CoreInstance(u32, u64),
    Instantiate(u32, Vec<(&'a str, ComponentExternalKind, u32)>),
    FromExports(Vec<(&'a str, ComponentExternalKind, u32)>),
}

/// A component as it is written down.
#[derive(Default)]
pub struct Body<'a> {
    pub ops: Vec<Op<'a>>,
    /// What it has of the components around it: how many up from the one that it stands in, and which.
    pub captures: Vec<(ComponentOuterAliasKind, usize, u32)>,
}

/// A component with what is around it.
#[derive(Clone, Copy)]
struct Component {
    /// None for one from outside of the whole, which cannot be instantiated.
    body: Option<usize>,
    /// The instance that it stands in.
    frame: usize,
    /// What is copied with it.
    copied: u64,
}

#[derive(Clone, Copy)]
enum Value {
    Component(Component),
    Module(Module),
    /// By its holding.
    Instance(u32),
    Type(u32),
    Other,
}

/// What an instance holds.
#[derive(Default)]
struct Holding<'a> {
    items: u64,
    /// What of it can be had again that matters.
    inner: HashMap<&'a str, Value>,
}

/// The index spaces of an instance of a component, or of a type.
#[derive(Default)]
struct Frame {
    /// Of what is around it.
    outer: usize,
    components: Vec<Component>,
    modules: Vec<Module>,
    instances: Vec<u32>,
    types: Vec<u32>,
}

/// An instantiation under way.
struct Call<'a, 'e> {
    ops: std::slice::Iter<'e, Op<'a>>,
    /// Of the type that it is at, else its own.
    frame: usize,
    /// None for the outermost.
    args: Option<HashMap<&'a str, Value>>,
    /// What it exports, then what the types hold that it is at; within those nothing is copied.
    holds: Vec<Holding<'a>>,
}

/// What a component comes to.
#[derive(Default)]
pub struct Total {
    pub items: u64,
    /// Of components, the outermost among them.
    pub instances: usize,
    pub memories: u64,
}

struct Inliner<'a, 'e> {
    extent: &'e Extent<'a>,
    frames: Vec<Frame>,
    holdings: Vec<Holding<'a>>,
    total: Total,
}

impl<'a> Extent<'a> {
    /// What the outermost component comes to; none where it is too much.
    pub(super) fn total(&self) -> Option<Total> {
        let mut inliner =
            Inliner { extent: self, frames: Vec::new(), holdings: vec![Holding::default()], total: Total::default() };
        let mut calls = vec![inliner.call(0, 0, None)];
        let mut steps = 0;
        while let Some(call) = calls.last_mut() {
            let Some(op) = call.ops.next() else {
                let mut ended = calls.pop()?;
                let holds = inliner.keep(ended.holds.pop()?);
                if let Some(outer) = calls.last() {
                    inliner.frames[outer.frame].instances.push(holds);
                }
                continue;
            };
            if let Some(inner) = inliner.step(call, op, &mut steps) {
                calls.push(inner);
            }
            steps += 1;
            if steps > STEPS || inliner.total.items > ITEMS {
                return None;
            }
        }
        Some(inliner.total)
    }
}

impl<'a, 'e> Inliner<'a, 'e> {
    fn call(&mut self, body: usize, outer: usize, args: Option<HashMap<&'a str, Value>>) -> Call<'a, 'e> {
        self.total.instances += 1;
        let frame = self.frame(outer);
        let ops = self.extent.bodies[body].ops.iter();
        Call { ops, frame, args, holds: vec![Holding::default()] }
    }

    fn frame(&mut self, outer: usize) -> usize {
        self.frames.push(Frame { outer, ..Frame::default() });
        self.frames.len() - 1
    }

    fn count(&mut self, items: u64) {
        self.total.items = self.total.items.saturating_add(items);
    }

    fn keep(&mut self, holding: Holding<'a>) -> u32 {
        if holding.items == 0 {
            return NOTHING;
        }
        self.holdings.push(holding);
        self.holdings.len() as u32 - 1
    }

    /// What naming it costs.
    fn cost(&self, value: Value) -> u64 {
        match value {
            Value::Component(component) => component.copied.saturating_add(1),
            Value::Instance(holds) | Value::Type(holds) => self.holdings[holds as usize].items.saturating_add(1),
            Value::Module(_) | Value::Other => 1,
        }
    }

    fn hold(&self, into: &mut Holding<'a>, name: &'a str, value: Value) {
        into.items = into.items.saturating_add(self.cost(value));
        if !matches!(value, Value::Other | Value::Instance(NOTHING) | Value::Type(NOTHING)) {
            into.inner.insert(name, value);
        }
    }

    fn get(&self, frame: usize, kind: ComponentExternalKind, index: u32) -> Value {
        let (frame, index) = (&self.frames[frame], index as usize);
        let found = match kind {
            ComponentExternalKind::Component => frame.components.get(index).copied().map(Value::Component),
            ComponentExternalKind::Module => frame.modules.get(index).copied().map(Value::Module),
            ComponentExternalKind::Instance => frame.instances.get(index).copied().map(Value::Instance),
            ComponentExternalKind::Type => frame.types.get(index).copied().map(Value::Type),
            ComponentExternalKind::Func | ComponentExternalKind::Value => None,
        };
        found.unwrap_or(Value::Other)
    }

    /// Takes an item into its index space, where it is one of a kind that matters.
    fn take(&mut self, frame: usize, kind: ComponentExternalKind, value: Value) {
        let widest = Module { imports: self.extent.widest, memories: 0 };
        let frame = &mut self.frames[frame];
        match (kind, value) {
            (ComponentExternalKind::Component, Value::Component(component)) => frame.components.push(component),
            (ComponentExternalKind::Component, _) => {
                frame.components.push(Component { body: None, frame: 0, copied: 0 });
            }
            (ComponentExternalKind::Module, Value::Module(module)) => frame.modules.push(module),
            (ComponentExternalKind::Module, _) => frame.modules.push(widest),
            (ComponentExternalKind::Instance, Value::Instance(holds)) => frame.instances.push(holds),
            (ComponentExternalKind::Instance, _) => frame.instances.push(NOTHING),
            (ComponentExternalKind::Type, Value::Type(holds)) => frame.types.push(holds),
            (ComponentExternalKind::Type, _) => frame.types.push(NOTHING),
            (ComponentExternalKind::Func | ComponentExternalKind::Value, _) => {}
        }
    }

    /// What is had from outside of the whole, or declared: what its type says.
    fn typed(&self, frame: usize, ty: ComponentTypeRef) -> Value {
        let holds = || typed(ty).map_or(NOTHING, |index| at(&self.frames[frame].types, index));
        match ty.kind() {
            ComponentExternalKind::Instance => Value::Instance(holds()),
            ComponentExternalKind::Type => Value::Type(holds()),
            _ => Value::Other,
        }
    }

    fn up(&self, frame: usize, count: usize) -> usize {
        (0..count).fold(frame, |frame, _| self.frames[frame].outer)
    }

    fn outer(&self, frame: usize, count: usize, kind: ComponentOuterAliasKind, index: u32) -> Value {
        external(kind).map_or(Value::Other, |kind| self.get(self.up(frame, count), kind, index))
    }

    /// One step; gives the instantiation that it begins.
    fn step(&mut self, call: &mut Call<'a, 'e>, op: &'e Op<'a>, steps: &mut usize) -> Option<Call<'a, 'e>> {
        let frame = call.frame;
        match op {
            Op::Module(module) => self.frames[frame].modules.push(*module),
            Op::Component(body) => {
                let captures = &self.extent.bodies[*body].captures;
                *steps += captures.len();
                let captured =
                    captures.iter().map(|(kind, up, index)| self.cost(self.outer(frame, *up, *kind, *index)));
                let copied = captured.fold(0, u64::saturating_add);
                self.count(copied);
                self.frames[frame].components.push(Component { body: Some(*body), frame, copied });
            }
            Op::Count(items) => self.count(*items),
            Op::Type => self.frames[frame].types.push(NOTHING),
            Op::TypeBegins => {
                call.frame = self.frame(frame);
                call.holds.push(Holding::default());
            }
            Op::Declared(name, ty) => {
                let value = self.typed(frame, *ty);
                self.take(frame, ty.kind(), value);
                let holds = call.holds.last_mut()?;
                match name {
                    Some(name) => self.hold(holds, name, value),
                    None => holds.items = holds.items.saturating_add(self.cost(value)),
                }
            }
            Op::TypeEnds => {
                let holds = self.keep(call.holds.pop()?);
                call.frame = self.frames[frame].outer;
                self.frames[call.frame].types.push(holds);
            }
            Op::Import(name, ty) => {
                let value = match &call.args {
                    Some(args) => args.get(name).copied().unwrap_or(Value::Other),
                    None => self.typed(frame, *ty),
                };
                self.take(frame, ty.kind(), value);
                self.count(self.cost(value));
            }
            Op::Export(name, kind, index) => {
                let value = self.get(frame, *kind, *index);
                self.hold(call.holds.first_mut()?, name, value);
                self.take(frame, *kind, value);
                self.count(self.cost(value));
            }
            Op::AliasExport(kind, instance, name) => {
                let holds = at(&self.frames[frame].instances, *instance);
                let value = self.holdings[holds as usize].inner.get(name).copied().unwrap_or(Value::Other);
                self.take(frame, *kind, value);
                self.count(if call.holds.len() > 1 { 0 } else { self.cost(value) });
            }
            Op::AliasOuter(kind, count, index) => {
                *steps += count;
                let value = self.outer(frame, *count, *kind, *index);
                if let Some(kind) = external(*kind) {
                    self.take(frame, kind, value);
                }
                self.count(match value {
                    _ if call.holds.len() > 1 => 0,
                    Value::Type(_) => 1,
                    _ => self.cost(value),
                });
            }
            Op::CoreInstance(module, items) => {
                let module = at(&self.frames[frame].modules, *module);
                self.count(items.saturating_add(module.imports));
                self.total.memories = self.total.memories.saturating_add(module.memories);
            }
            Op::Instantiate(component, args) => {
                let values: HashMap<_, _> =
                    args.iter().map(|(name, kind, index)| (*name, self.get(frame, *kind, *index))).collect();
                *steps += values.len();
                self.count(values.values().map(|value| self.cost(*value)).fold(1, u64::saturating_add));
                match self.frames[frame].components.get(*component as usize).copied() {
                    Some(Component { body: Some(body), frame: outer, .. }) => {
                        return Some(self.call(body, outer, Some(values)));
                    }
                    _ => self.frames[frame].instances.push(NOTHING),
                }
            }
            Op::FromExports(exports) => {
                *steps += exports.len();
                let mut holding = Holding::default();
                for (name, kind, index) in exports {
                    self.hold(&mut holding, name, self.get(frame, *kind, *index));
                }
                self.count(holding.items.saturating_add(1));
                let holds = self.keep(holding);
                self.frames[frame].instances.push(holds);
            }
        }
        None
    }
}
