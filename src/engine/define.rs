//! Host functions and resources: what the program defines for the interfaces that components import.

use std::fmt;
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use super::fuel::charge;
use super::given::Key;
use super::link;
use super::signature::{self, Named, Signature};
use super::value::Value;
use crate::contract::host::Host;
use crate::contract::{ComponentId, names};
use crate::direct::plan::ImportItem;
use crate::error::{Error, ErrorKind, Result};
use crate::general::lift::Lifted;
use crate::general::values::{self, Program};

/// Runs a host function: the instance's id and the arguments in; the result, where there is one, or
/// what went wrong out.
pub type Function = Arc<dyn Fn(ComponentId, Vec<Value>) -> std::result::Result<Option<Value>, NoResult> + Send + Sync>;

/// Why a host function gave no result.
#[derive(Debug)]
pub enum NoResult {
    /// It failed; its own words.
    Failed(String),
    /// The host could not do its part.
    Stopped(wasmtime::Error),
}

impl<E: Into<wasmtime::Error>> From<E> for NoResult {
    fn from(error: E) -> Self {
        Self::Stopped(error.into())
    }
}

/// Ends a resource of the host's.
pub type Destructor = Arc<dyn Fn(u32) + Send + Sync>;

/// A function of the host's.
#[derive(Clone)]
struct Defined {
    interface: String,
    name: String,
    text: String,
    signature: Signature,
    run: Function,
}

/// A resource type of the host's.
#[derive(Clone)]
struct Resource {
    interface: String,
    name: String,
    drop: Option<Destructor>,
}

/// Everything that the program defined.
#[derive(Clone, Default)]
pub struct Definitions {
    functions: Vec<Defined>,
    resources: Vec<Resource>,
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.functions.iter().map(|d| format!("{}#{}", d.interface, d.name));
        let resources = self.resources.iter().map(|d| format!("{}#{}", d.interface, d.name));
        f.debug_list().entries(functions.chain(resources)).finish()
    }
}

/// A host function that failed: the guest is trapped.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the host function {name} failed: {message}")]
pub struct Failed {
    name: String,
    message: String,
}

fn same(interface: &str, import: &str) -> bool {
    let ((a, av), (b, bv)) = (names::split(interface), names::split(import));
    a == b
        && match (av, bv) {
            (None, None) => true,
            (Some(a), Some(b)) => names::compatible(a, b),
            _ => false,
        }
}

fn failed(error: wasmtime::Error) -> Box<Error> {
    Error::new(ErrorKind::Internal, format!("a definition was refused: {error:#}"))
}

/// The component's own resource types that it imports: each under every name that it has, and which
/// of the program's it is, where it is one.
#[derive(Default)]
struct Bound {
    names: Vec<(String, String, ResourceType)>,
    types: Vec<(ResourceType, usize)>,
}

impl Bound {
    fn is_there(&self, ty: ResourceType) -> bool {
        self.names.iter().any(|(.., known)| *known == ty)
    }

    /// Which of the program's a type of the component's is.
    fn index(&self, ty: ResourceType) -> Option<usize> {
        self.types.iter().find(|(known, _)| *known == ty).map(|(_, index)| *index)
    }

    /// The names in `interface`, which is "" for those that are imported by themselves.
    fn within<'b>(&'b self, interface: &'b str) -> Within<'b> {
        Within { bound: self, interface }
    }
}

struct Within<'b> {
    bound: &'b Bound,
    interface: &'b str,
}

impl Within<'_> {
    /// What `interface` calls a type; what others do, where it has no name there.
    fn names(&self, ty: ResourceType) -> impl Iterator<Item = &str> {
        let of = move |own: bool| {
            let names =
                self.bound.names.iter().filter(move |(at, _, known)| *known == ty && (*at == self.interface) == own);
            names.map(|(_, name, _)| name.as_str())
        };
        let own = of(true).next().is_some();
        of(own)
    }
}

impl Named for Within<'_> {
    fn name(&self, ty: ResourceType) -> &str {
        self.names(ty).next().unwrap_or("resource")
    }

    fn is(&self, ty: ResourceType, name: &str) -> bool {
        self.bound.index(ty).is_some() && self.names(ty).any(|known| known == name)
    }
}

fn check_interface(interface: &str) -> Result<()> {
    if !interface.is_empty() && !names::is_interface(interface) {
        let message = format!(
            "`interface`: `{}` is no name of an interface, as `acme:db/lookup@1.0.0` and `lookup` are",
            interface.escape_default()
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    if link::provides(interface) {
        let message = format!("`interface`: the library itself provides `{interface}`");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    Ok(())
}

impl Definitions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.resources.is_empty()
    }

    /// Defines a function, in place of one of the same name.
    pub fn define(&mut self, interface: &str, name: &str, signature: &str, run: Function) -> Result<()> {
        check_interface(interface)?;
        if !names::is_function(name) {
            let message = format!("`name`: `{}` is no name of a function", name.escape_default());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let parsed = Signature::parse(signature).map_err(|e| {
            let message = format!("`signature`: `{}` is no WIT function type: {e}", signature.escape_default());
            Error::new(ErrorKind::Argument, message)
        })?;
        self.functions.retain(|known| known.interface != interface || known.name != name);
        let (interface, name, text) = (interface.to_owned(), name.to_owned(), signature.trim().to_owned());
        self.functions.push(Defined { interface, name, text, signature: parsed, run });
        Ok(())
    }

    /// Defines a resource type, in place of one of the same name.
    pub fn resource(&mut self, interface: &str, name: &str, drop: Option<Destructor>) -> Result<()> {
        check_interface(interface)?;
        if !names::is_kebab(name) {
            let message = format!("`name`: `{}` is no name of a resource", name.escape_default());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        self.resources.retain(|known| known.interface != interface || known.name != name);
        self.resources.push(Resource { interface: interface.to_owned(), name: name.to_owned(), drop });
        Ok(())
    }

    fn function(&self, import: &str, name: &str) -> Option<&Defined> {
        self.functions.iter().find(|d| same(&d.interface, import) && d.name == name)
    }

    /// The index of an interface's own resource type.
    fn resource_type(&self, import: &str, name: &str) -> Option<usize> {
        self.resources.iter().position(|d| same(&d.interface, import) && d.name == name)
    }

    /// Ends a resource of the program's.
    pub fn end(&self, (kind, rep): Key) {
        if let Some(Resource { drop: Some(drop), .. }) = self.resources.get(kind as usize) {
            drop(rep);
        }
    }

    /// Whether anything of an import's interface is defined here.
    pub fn knows(&self, import: &str) -> bool {
        let is = |interface: &str, name: &str| same(interface, import) || interface.is_empty() && name == import;
        self.functions.iter().any(|d| is(&d.interface, &d.name))
            || self.resources.iter().any(|d| is(&d.interface, &d.name))
    }

    /// Whether one of its interfaces has this name (for `has-capability`).
    pub fn has(&self, name: &str) -> bool {
        match name.split_once('#') {
            Some((interface, name)) => !interface.is_empty() && self.function(interface, name).is_some(),
            None => !name.is_empty() && self.knows(name),
        }
    }

    /// The first function of an import that is not defined. For its resources see [`Definitions::link`].
    pub fn missing<'i>(&self, import: &'i ImportItem, is_resource: impl Fn(&str) -> bool) -> Option<&'i str> {
        let defined = |item: &str| match item {
            "" => self.function("", &import.name).is_some() || self.resource_type("", &import.name).is_some(),
            item => is_resource(item) || self.function(&import.name, item).is_some(),
        };
        import.items.iter().map(String::as_str).find(|item| !defined(item))
    }

    /// Says which of the program's resource types each one is that `ty` imports.
    fn bind(&self, ty: &types::Component, engine: &wasmtime::Engine) -> Result<Bound> {
        let mut bound = Bound::default();
        for (name, item) in ty.imports(engine) {
            match item.ty {
                ComponentItem::Resource(ty) => self.bind_one(&mut bound, ("", name), self.knows(name), ty)?,
                ComponentItem::ComponentInstance(instance) => {
                    let known = self.knows(name);
                    for (item, ty) in instance.exports(engine) {
                        let ComponentItem::Resource(ty) = ty.ty else { continue };
                        self.bind_one(&mut bound, (name, item), known, ty)?;
                    }
                }
                _ => {}
            }
        }
        Ok(bound)
    }

    /// The same of one that an interface has, which is `known` or somebody else's.
    fn bind_one(
        &self,
        bound: &mut Bound,
        (interface, item): (&str, &str),
        known: bool,
        ty: ResourceType,
    ) -> Result<()> {
        // What an interface uses of another is the other's, and what it calls by a second name is what
        // has the first: both come first.
        if !bound.is_there(ty) {
            let index = self.resource_type(interface, item);
            if known && index.is_none() {
                let what = if interface.is_empty() { item.to_owned() } else { format!("{interface}#{item}") };
                let message = format!(
                    "nothing provides the component's import {what}, a resource (others of its interface are defined)"
                );
                return Err(Error::new(ErrorKind::UnresolvedImport, message));
            }
            bound.types.extend(index.map(|index| (ty, index)));
        }
        bound.names.push((interface.to_owned(), item.to_owned(), ty));
        Ok(())
    }

    /// Checks the types of what `component` imports and adds it to `linker`. Fails with
    /// `TypeMismatch`, and `UnresolvedImport` for a resource.
    pub fn link(&self, linker: &mut Linker<Host>, component: &Component) -> Result<()> {
        let engine = linker.engine().clone();
        let ty = component.component_type();
        let bound = self.bind(&ty, &engine)?;
        for (name, item) in ty.imports(&engine) {
            if !self.knows(name) {
                continue;
            }
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    let mut place = linker.instance(name).map_err(failed)?;
                    for (item, ty) in instance.exports(&engine) {
                        self.link_item(&mut place, (name, item), ty.ty, &bound)?;
                    }
                }
                item => self.link_item(&mut linker.root(), ("", name), item, &bound)?,
            }
        }
        Ok(())
    }

    /// The same of one item, a function or a resource, into `place`.
    fn link_item(
        &self,
        place: &mut LinkerInstance<'_, Host>,
        (interface, name): (&str, &str),
        item: ComponentItem,
        bound: &Bound,
    ) -> Result<()> {
        match item {
            ComponentItem::ComponentFunc(func) => {
                let Some(defined) = self.function(interface, name) else { return Ok(()) };
                defined.check(&func, &bound.within(interface))?;
                defined.add(place).map_err(failed)
            }
            ComponentItem::Resource(ty) => {
                let Some(index) = bound.index(ty) else { return Ok(()) };
                self.provide(place, name, index).map_err(failed)
            }
            _ => Ok(()),
        }
    }

    /// Adds the resource type `index` to `place` under `name`.
    fn provide(&self, place: &mut LinkerInstance<'_, Host>, name: &str, index: usize) -> wasmtime::Result<()> {
        let (drop, kind) = (self.resources[index].drop.clone(), index as u32);
        place.resource(name, ResourceType::host_dynamic(kind), move |mut cx: StoreContextMut<'_, Host>, rep| {
            // Where time is up the instance still holds it, and ends it.
            cx.data_mut().check_time()?;
            cx.data_mut().given.back((kind, rep));
            if let Some(drop) = &drop {
                drop(rep);
            }
            Ok(())
        })
    }

    /// The resource types, each with its number.
    pub fn resource_types(&self) -> Vec<(ResourceType, u32)> {
        (0..self.resources.len() as u32).map(|index| (ResourceType::host_dynamic(index), index)).collect()
    }
}

impl Defined {
    fn full_name(&self) -> String {
        if self.interface.is_empty() { self.name.clone() } else { format!("{}#{}", self.interface, self.name) }
    }

    fn check(&self, func: &types::ComponentFunc, named: &dyn Named) -> Result<()> {
        if self.signature.fits(func, named) {
            return Ok(());
        }
        let message = format!(
            "{}: the component imports `{}`, the host defines `{}`",
            self.full_name(),
            signature::text(func, named),
            self.text
        );
        Err(Error::new(ErrorKind::TypeMismatch, message))
    }

    fn add(&self, place: &mut LinkerInstance<'_, Host>) -> wasmtime::Result<()> {
        let runs = Runs { run: self.run.clone(), name: self.full_name(), gives: self.signature.gives() };
        values::define(place, &self.name, self.signature.counts(), Arc::new(runs))
    }
}

/// A host function as components call it.
struct Runs {
    run: Function,
    name: String,
    /// Whether it has a result.
    gives: bool,
}

impl Runs {
    fn failed(&self, message: String) -> wasmtime::Error {
        Failed { name: self.name.clone(), message }.into()
    }
}

impl Program for Runs {
    fn run(&self, cx: &mut StoreContextMut<'_, Host>, args: Lifted) -> wasmtime::Result<Option<Value>> {
        // A component that does nothing but call is stopped here.
        cx.data_mut().check_time()?;
        charge(&mut *cx, args.copied)?;
        values::give_back(cx.data_mut(), &args.resources)
            .map_err(|what| self.failed(format!("it was given {what}")))?;
        let result = (self.run)(cx.data().id, args.values).map_err(|none| match none {
            NoResult::Failed(message) => self.failed(message),
            NoResult::Stopped(error) => error,
        })?;
        match (&result, self.gives) {
            (None, true) => Err(self.failed("it has a result and gave none".into())),
            (Some(value), false) => Err(self.unfit(format!("it has no result and gave a {}", value.kind()))),
            _ => Ok(result),
        }
    }

    fn unfit(&self, reason: String) -> wasmtime::Error {
        self.failed(reason)
    }
}
