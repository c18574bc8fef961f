//! How much there is to a component, found before anything is made of it.
//!
//! Wasmtime's validation takes memory by the square of the number of components in a component,
//! follows types as deep as they are nested, and copies all that the type of an instance holds where
//! one is named; its translation goes through a component each time that those around it instantiate
//! it, and copies all that an instance holds, too. Every level may double what there is, so that a few
//! hundred bytes come to more than memory holds.
//!
//! What validation would stumble over is found by [`Extent::read`], in bytes that may be anything; what
//! translation would, by [`Extent::too_much`], in a component that is valid by then.

mod inline;

use std::collections::HashMap;

use wasmparser::{
    BinaryReader, Chunk, ComponentAlias, ComponentExport, ComponentExternName, ComponentExternalKind, ComponentImport,
    ComponentInstance, ComponentOuterAliasKind, ComponentType, ComponentTypeRef, CoreType, Instance,
    ModuleTypeDeclaration, Parser, Payload, Result, TypeBounds,
};

use inline::{Body, Op};

/// The most components within a component, at any depth: as many as one may hold at the first.
const COMPONENTS: usize = 1000;

/// The most items that a component may come to: imports, aliases, functions, instances with their
/// arguments, exports, each counted as often as what it stands in is instantiated; and an instance
/// with all that it holds wherever it is named. Each may cost a kilobyte.
const ITEMS: u64 = 1 << 18;

/// The most items that a component may have written down, each counted once where it stands, and an
/// instance with all that its type holds.
const WRITTEN: u64 = 1 << 20;

/// The most resources that a component may have written down, wherever an instance is named or declared
/// that has them: each as often as it is deep in that one, which is what the validator keeps of it.
const RESOURCES: u64 = 1 << 18;

/// How deep the types of components and instances may be nested.
const DEPTH: usize = 100;

/// The most memories of a component that is made up of others: as many as one module has, which
/// Wasmtime makes to pass values between them.
const MEMORIES: u64 = 100;

/// What an instance holds, or says its type: how many items at any depth, and what is among them that
/// holds any itself.
#[derive(Default)]
struct Holding<'a> {
    items: u64,
    /// Resources, and the sum of how deep they are.
    resources: u64,
    depths: u64,
    inner: HashMap<&'a str, u32>,
}

/// The holding of whatever has none.
const NOTHING: u32 = 0;
/// The holding of a resource type.
const RESOURCE: u32 = 1;

/// What a core module says before it is looked into: imports, and memories of its own.
#[derive(Clone, Copy, Default)]
struct Module {
    imports: u64,
    memories: u64,
}

/// A component under way, or the type of one or of an instance.
#[derive(Default)]
struct Scope<'a> {
    parser: Parser,
    /// The component that it is, or that the type stands in.
    body: usize,
    is_type: bool,
    /// Its exports.
    holds: Holding<'a>,
    /// The index spaces, by holdings: of components those of their instances. Where an index is wrong,
    /// the validator says so.
    components: Vec<u32>,
    instances: Vec<u32>,
    types: Vec<u32>,
}

fn at<T: Copy + Default>(space: &[T], index: u32) -> T {
    space.get(index as usize).copied().unwrap_or_default()
}

impl<'a> Scope<'a> {
    /// The holding of an item.
    fn holding(&self, kind: ComponentExternalKind, index: u32) -> u32 {
        match kind {
            ComponentExternalKind::Component => at(&self.components, index),
            ComponentExternalKind::Instance => at(&self.instances, index),
            ComponentExternalKind::Type => at(&self.types, index),
            _ => NOTHING,
        }
    }

    /// Takes an item into its index space.
    fn take(&mut self, kind: ComponentExternalKind, holds: u32) {
        match kind {
            ComponentExternalKind::Component => self.components.push(holds),
            ComponentExternalKind::Instance => self.instances.push(holds),
            ComponentExternalKind::Type => self.types.push(holds),
            ComponentExternalKind::Module | ComponentExternalKind::Func | ComponentExternalKind::Value => {}
        }
    }

    /// The same for one of a type; gives its holding.
    fn take_typed(&mut self, ty: ComponentTypeRef) -> u32 {
        let holds = match ty {
            ComponentTypeRef::Type(TypeBounds::SubResource) => RESOURCE,
            ty => typed(ty).map_or(NOTHING, |index| at(&self.types, index)),
        };
        self.take(ty.kind(), holds);
        holds
    }
}

/// The kind that what an outer alias names has elsewhere; none for a core type.
fn external(kind: ComponentOuterAliasKind) -> Option<ComponentExternalKind> {
    match kind {
        ComponentOuterAliasKind::CoreModule => Some(ComponentExternalKind::Module),
        ComponentOuterAliasKind::Component => Some(ComponentExternalKind::Component),
        ComponentOuterAliasKind::Type => Some(ComponentExternalKind::Type),
        ComponentOuterAliasKind::CoreType => None,
    }
}

/// The type that says what an item holds.
fn typed(ty: ComponentTypeRef) -> Option<u32> {
    match ty {
        ComponentTypeRef::Instance(index)
        | ComponentTypeRef::Component(index)
        | ComponentTypeRef::Type(TypeBounds::Eq(index)) => Some(index),
        _ => None,
    }
}

/// What a component consists of.
#[derive(Default)]
pub struct Extent<'a> {
    /// From the outermost to the innermost.
    scopes: Vec<Scope<'a>>,
    /// What there is to hold.
    holdings: Vec<Holding<'a>>,
    /// The items that are written down, and the resources.
    items: u64,
    resources: u64,
    /// The component, then those in it.
    bodies: Vec<Body<'a>>,
    /// What they have of the components around them, all in all.
    captures: u64,
    too_deep: bool,
    /// The most imports of a core module.
    widest: u64,
}

impl<'a> Extent<'a> {
    /// Goes through bytes that are to be a component. Fails with what of it is too much to be
    /// validated: a clause that follows "the component". What is wrong with it otherwise is the
    /// validator's affair.
    pub fn read(wasm: &'a [u8]) -> std::result::Result<Self, String> {
        let mut extent = Self::default();
        let _ = extent.walk(wasm);
        if extent.too_deep {
            Err(format!("nests types more than {DEPTH} deep"))
        } else if extent.bodies.len() > COMPONENTS + 1 {
            Err(format!("holds more than {COMPONENTS} components"))
        } else if extent.resources > RESOURCES {
            Err(format!(
                "has more than {RESOURCES} resources, those of an instance wherever it is named and as deep as they are"
            ))
        } else if extent.items > WRITTEN {
            Err(format!("has more than {WRITTEN} items, an instance with all that its type holds wherever it is named"))
        } else {
            Ok(extent)
        }
    }

    /// What of a valid component is too much to be translated: a clause that follows "the component";
    /// none where nothing is.
    pub fn too_much(&self) -> Option<String> {
        let total = if self.captures > ITEMS { None } else { self.total() };
        match total {
            None => Some(format!("comes to more than {ITEMS} items when the components in it are instantiated")),
            Some(total) if total.instances > 1 && total.memories > MEMORIES => {
                Some(format!("comes to more than {MEMORIES} memories when the components in it are instantiated"))
            }
            Some(_) => None,
        }
    }

    fn count(&mut self, items: u64) {
        self.items = self.items.saturating_add(items);
    }

    /// Counts an item that has this holding.
    fn name(&mut self, holds: u32) {
        self.count(cost(&self.holdings, holds));
        self.deepen(holds);
    }

    /// Counts the resources of an item that has this holding.
    fn deepen(&mut self, holds: u32) {
        self.resources = self.resources.saturating_add(self.holdings[holds as usize].depths);
    }

    fn op(&mut self, op: Op<'a>) {
        if let Some(scope) = self.scopes.last() {
            self.bodies[scope.body].ops.push(op);
        }
    }

    fn walk(&mut self, wasm: &'a [u8]) -> Result<()> {
        self.holdings.push(Holding::default());
        self.holdings.push(Holding { resources: 1, ..Holding::default() });
        self.bodies.push(Body::default());
        self.scopes.push(Scope { parser: Parser::new(0), ..Scope::default() });
        let mut rest = wasm;
        while let Some(scope) = self.scopes.last_mut() {
            let Chunk::Parsed { consumed, payload } = scope.parser.parse(rest, true)? else { break };
            rest = &rest[consumed..];
            if self.items > WRITTEN || self.resources > RESOURCES {
                break;
            }
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    let Some((bytes, after)) = rest.split_at_checked(range.len()) else { break };
                    let module = module(bytes)?;
                    self.widest = self.widest.max(module.imports);
                    self.op(Op::Module(module));
                    rest = after;
                }
                Payload::ComponentSection { parser, .. } => {
                    let body = self.bodies.len();
                    if body > COMPONENTS {
                        self.bodies.push(Body::default());
                        break;
                    }
                    self.op(Op::Component(body));
                    self.bodies.push(Body::default());
                    self.scopes.push(Scope { parser, body, ..Scope::default() });
                }
                Payload::End(_) => {
                    let Some(ended) = self.scopes.pop() else { break };
                    let Some(outer) = self.scopes.last_mut() else { break };
                    outer.components.push(keep(&mut self.holdings, ended.holds));
                }
                Payload::CoreTypeSection(types) => {
                    for ty in types {
                        self.core_type(&ty?);
                    }
                }
                Payload::ComponentTypeSection(types) => {
                    let range = types.range();
                    let Some(section) = wasm.get(range.clone()) else { break };
                    self.types(&mut BinaryReader::new(section, range.start))?;
                    if self.too_deep {
                        break;
                    }
                }
                Payload::ComponentAliasSection(aliases) => {
                    for alias in aliases {
                        self.alias(&alias?);
                    }
                }
                Payload::ComponentImportSection(imports) => {
                    for import in imports {
                        let import = import?;
                        let Some(scope) = self.scopes.last_mut() else { break };
                        let holds = scope.take_typed(import.ty);
                        self.name(holds);
                        self.op(Op::Import(import.name.name, import.ty));
                    }
                }
                Payload::ComponentExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let Some(scope) = self.scopes.last_mut() else { break };
                        let holds = give(&self.holdings, scope, &export);
                        scope.take(export.kind, holds);
                        self.name(holds);
                        self.op(Op::Export(export.name.name, export.kind, export.index));
                    }
                }
                Payload::ComponentCanonicalSection(functions) => {
                    let count = functions.count().into();
                    self.count(count);
                    self.op(Op::Count(count));
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances {
                        let op = match instance? {
                            Instance::Instantiate { module_index, args } => {
                                Op::CoreInstance(module_index, 1 + args.len() as u64)
                            }
                            Instance::FromExports(exports) => Op::Count(1 + exports.len() as u64),
                        };
                        self.count(1);
                        self.op(op);
                    }
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        self.instance(instance?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn instance(&mut self, instance: ComponentInstance<'a>) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let mut named = Vec::new();
        let op = match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                let holds = at(&scope.components, component_index);
                named.push(holds);
                named.extend(args.iter().map(|arg| scope.holding(arg.kind, arg.index)));
                scope.instances.push(holds);
                Op::Instantiate(component_index, args.iter().map(|arg| (arg.name, arg.kind, arg.index)).collect())
            }
            ComponentInstance::FromExports(exports) => {
                let outer = std::mem::take(&mut scope.holds);
                named.extend(exports.iter().map(|export| give(&self.holdings, scope, export)));
                let holds = std::mem::replace(&mut scope.holds, outer);
                scope.instances.push(keep(&mut self.holdings, holds));
                Op::FromExports(exports.iter().map(|export| (export.name.name, export.kind, export.index)).collect())
            }
        };
        self.count(1);
        named.into_iter().for_each(|holds| self.name(holds));
        self.op(op);
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) {
        let Some(scope) = self.scopes.last_mut() else { return };
        match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let from = &self.holdings[at(&scope.instances, instance_index) as usize];
                let holds = from.inner.get(name).copied().unwrap_or(NOTHING);
                scope.take(kind, holds);
                self.name(holds);
                self.op(Op::AliasExport(kind, instance_index, name));
            }
            ComponentAlias::Outer { kind, count, index } => self.outer_alias(kind, count as usize, index),
            ComponentAlias::CoreInstanceExport { .. } => {
                self.count(1);
                self.op(Op::Count(1));
            }
        }
    }

    fn outer_alias(&mut self, kind: ComponentOuterAliasKind, count: usize, index: u32) {
        let Some(from) = self.scopes.len().checked_sub(count + 1) else { return };
        if let Some(kind) = external(kind) {
            let holds = self.scopes[from].holding(kind, index);
            let Some(scope) = self.scopes.last_mut() else { return };
            scope.take(kind, holds);
        }
        self.count(1);
        self.op(Op::AliasOuter(kind, count, index));
        if matches!(kind, ComponentOuterAliasKind::Component | ComponentOuterAliasKind::CoreModule) {
            // All between have it, too.
            for (up, scope) in self.scopes[from + 1..].iter().enumerate().filter(|(_, scope)| !scope.is_type) {
                self.captures += 1;
                if self.captures <= ITEMS {
                    self.bodies[scope.body].captures.push((kind, up, index));
                }
            }
        }
    }

    fn core_type(&mut self, ty: &CoreType<'_>) {
        if let CoreType::Module(declarations) = ty {
            let imports = declarations.iter().filter(|d| matches!(d, ModuleTypeDeclaration::Import(_))).count();
            self.widest = self.widest.max(imports as u64);
        }
    }

    /// The types of a section: without recursion, which is for as deep as the stack is.
    fn types(&mut self, reader: &mut BinaryReader<'a>) -> Result<()> {
        const COMPONENT: u8 = 0x41;
        const INSTANCE: u8 = 0x42;
        // Of each type that is under way how much there is to come; of the section at the first.
        let mut left = vec![reader.read_var_u32()?];
        while let Some(&more) = left.last() {
            if more == 0 {
                left.pop();
                if !left.is_empty()
                    && let Some(ended) = self.scopes.pop()
                    && let Some(outer) = self.scopes.last_mut()
                {
                    outer.types.push(keep(&mut self.holdings, ended.holds));
                    self.op(Op::TypeEnds);
                }
                continue;
            }
            let depth = left.len();
            left[depth - 1] -= 1;
            let Some(scope) = self.scopes.last_mut() else { break };
            match if depth == 1 { 0x01 } else { reader.read_u8()? } {
                0x00 => {
                    let ty = reader.read()?;
                    self.core_type(&ty);
                }
                0x01 if matches!(reader.clone().read_u8()?, COMPONENT | INSTANCE) => {
                    reader.read_u8()?;
                    left.push(reader.read_var_u32()?);
                    let body = scope.body;
                    self.op(Op::TypeBegins);
                    self.scopes.push(Scope { body, is_type: true, ..Scope::default() });
                    if depth > DEPTH {
                        self.too_deep = true;
                        break;
                    }
                }
                0x01 => {
                    let ty = reader.read::<ComponentType<'_>>()?;
                    scope.types.push(if matches!(ty, ComponentType::Resource { .. }) { RESOURCE } else { NOTHING });
                    self.op(Op::Type);
                }
                0x02 => {
                    let alias = reader.read()?;
                    self.alias(&alias);
                }
                0x03 => {
                    let import: ComponentImport<'a> = reader.read()?;
                    let holds = scope.take_typed(import.ty);
                    add(&self.holdings, &mut scope.holds, holds);
                    self.deepen(holds);
                    self.op(Op::Declared(None, import.ty));
                }
                _ => {
                    let (name, ty): (ComponentExternName<'a>, ComponentTypeRef) = (reader.read()?, reader.read()?);
                    let holds = scope.take_typed(ty);
                    hold(&self.holdings, &mut scope.holds, name.name, holds);
                    self.deepen(holds);
                    self.op(Op::Declared(Some(name.name), ty));
                }
            }
        }
        Ok(())
    }
}

/// What naming an item costs that has this holding.
fn cost(holdings: &[Holding<'_>], holds: u32) -> u64 {
    holdings[holds as usize].items.saturating_add(1)
}

/// Adds an item to what holds it.
fn add(holdings: &[Holding<'_>], into: &mut Holding<'_>, holds: u32) {
    into.items = into.items.saturating_add(cost(holdings, holds));
    let Holding { resources, depths, .. } = holdings[holds as usize];
    into.resources = into.resources.saturating_add(resources);
    into.depths = into.depths.saturating_add(depths).saturating_add(resources);
}

/// The same under a name by which it can be had again.
fn hold<'a>(holdings: &[Holding<'a>], into: &mut Holding<'a>, name: &'a str, holds: u32) {
    add(holdings, into, holds);
    if holds != NOTHING {
        into.inner.insert(name, holds);
    }
}

/// Adds an export to what the scope holds; gives its holding.
fn give<'a>(holdings: &[Holding<'a>], scope: &mut Scope<'a>, export: &ComponentExport<'a>) -> u32 {
    let holds = scope.holding(export.kind, export.index);
    hold(holdings, &mut scope.holds, export.name.name, holds);
    holds
}

fn keep<'a>(holdings: &mut Vec<Holding<'a>>, holding: Holding<'a>) -> u32 {
    if holding.items == 0 {
        return NOTHING;
    }
    holdings.push(holding);
    holdings.len() as u32 - 1
}

/// What a core module says first.
fn module(bytes: &[u8]) -> Result<Module> {
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(imports) => module.imports = imports.count().into(),
            Payload::MemorySection(memories) => {
                module.memories = memories.count().into();
                break;
            }
            Payload::Version { .. }
            | Payload::TypeSection(_)
            | Payload::FunctionSection(_)
            | Payload::TableSection(_)
            | Payload::CustomSection(_) => {}
            _ => break,
        }
    }
    Ok(module)
}

#[cfg(test)]
mod tests;
