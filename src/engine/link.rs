//! Binding a component to its imports.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::MutexGuard;
use wasmtime::component::{Component, Linker};

use super::Engine;
use super::compile::CompiledComponent;
use super::config::PathChoice;
use super::descriptors::Watched;
use super::fork;
use super::grants::Grants;
use super::mappings::{self, Mappings};
use super::stack::Room;
use crate::contract::host::Host;
use crate::contract::names;
use crate::direct::plan::ImportItem;
use crate::direct::shapes::{ALLOCATOR, CAPABILITIES, Import, TYPES};
use crate::direct::wasi_types;
use crate::error::{Error, ErrorKind, Result};
use crate::native::NativeComponent;
use crate::{direct, general};

/// What a component's imports are bound to besides the contract's own host side, which is always
/// there.
#[derive(Debug)]
pub struct ImportBindings {
    engine: Engine,
    grants: fork::Lock<Grants>,
}

impl ImportBindings {
    /// The contract's host side and nothing else.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), grants: Default::default() }
    }

    /// What is granted of WASI. What was linked before keeps what it had then.
    pub fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock()
    }

    /// The engine that it is for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// The way in which a component runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Core instances and the canonical ABI of this library.
    Direct,
    /// Wasmtime's component runtime.
    General,
    /// The program's own functions.
    Native,
}

#[derive(Debug)]
pub(super) enum Code {
    Direct(Arc<direct::run::Linked>),
    General(Arc<general::run::Linked>),
    Native(Arc<dyn NativeComponent>),
}

#[derive(Debug)]
struct Inner {
    // Before the component, which may hold the mapping that the code lies in.
    code: Code,
    component: CompiledComponent,
    /// What the memories of instances are made from.
    images: Watched,
    /// Linear memories of an instance.
    memories: u32,
    grants: Arc<Grants>,
    /// Why not on the direct path, where the link is to blame and not the component.
    reason: &'static str,
}

/// A component bound to its imports; instances of it are cheap. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkedComponent(Arc<Inner>);

/// Which of the contract's interfaces an import names.
fn contract(name: &str) -> bool {
    [TYPES, ALLOCATOR, CAPABILITIES].into_iter().any(|interface| names::matches(name, interface))
}

/// Whether an import of this name is of a WASI interface that is provided.
#[cfg(feature = "wasi")]
fn is_wasi(name: &str) -> bool {
    crate::wasi::provides(name)
}

#[cfg(not(feature = "wasi"))]
fn is_wasi(_: &str) -> bool {
    false
}

fn any_wasi(imports: &[ImportItem]) -> bool {
    imports.iter().any(|import| is_wasi(&import.name))
}

/// Whether the library itself provides the interface.
pub(super) fn provides(interface: &str) -> bool {
    contract(interface) || is_wasi(interface)
}

/// What is wrong with an import, where something is.
fn unresolved(import: &ImportItem, types: &str, grants: &Grants) -> Option<String> {
    if contract(&import.name) {
        let known = |item: &str| {
            ["buffer", "mutable-buffer", "flow-context"].contains(&item) || Import::find(&import.name, item).is_some()
        };
        let item = import.items.iter().find(|item| !known(item))?;
        return Some(format!("{}#{item}, which the contract does not have", import.name));
    }
    if is_wasi(&import.name) {
        let item = import.items.iter().find(|item| item.contains('#'))?;
        return Some(format!("{}#{item}, which WASI does not have", import.name));
    }
    if grants.defined.knows(&import.name) {
        let is_resource = |item: &str| types.lines().any(|line| line.strip_prefix("resource ") == Some(item));
        let item = grants.defined.missing(import, is_resource)?;
        return Some(format!("{}#{item} (others of its interface are defined)", import.name));
    }
    let item = import.items.first()?;
    let (base, version) = names::split(&import.name);
    let ours = [TYPES, ALLOCATOR, CAPABILITIES].contains(&base);
    let hint = match version {
        _ if base.starts_with("wasi:") && !cfg!(feature = "wasi") => {
            " (this build of libtorvyn has no WASI; it may be defined)".into()
        }
        _ if base.starts_with("wasi:") => {
            " (of WASI, 0.2 is provided without config and keyvalue; what else there is may be defined)".into()
        }
        Some(version) if ours => {
            format!(" (the host has @{}, which @{version} is not compatible with)", names::VERSION)
        }
        _ if item.is_empty() => String::new(),
        _ => format!(" (it uses `{}`)", import.items.join("`, `")),
    };
    Some(format!("{}{hint}", import.name))
}

impl LinkedComponent {
    /// Binds `component`. Fails with `WrongEngine`, `UnresolvedImport`, `TypeMismatch`, or what
    /// compiling for the path that the link needs fails with.
    pub fn new(component: &CompiledComponent, imports: &ImportBindings) -> Result<Self> {
        let engine = component.engine();
        if !engine.same(imports.engine()) {
            return Err(Error::new(ErrorKind::WrongEngine, "the component and the imports are of different engines"));
        }
        if let Some(native) = component.native() {
            let (code, grants) = (Code::Native(native.clone()), Arc::new(imports.grants().clone()));
            let (component, images) = (component.clone(), Watched::default());
            return Ok(Self(Arc::new(Inner { code, component, images, memories: 0, grants, reason: "" })));
        }
        let analysis = component.analysis();
        let grants = Arc::new(imports.grants().clone());
        // What the plan of an eligible component uses of WASI, the direct path answers.
        let plan = analysis.direct(engine.config().path);
        let defined = analysis.imports.iter().any(|import| grants.defined.knows(&import.name));
        let answered = plan.is_ok() && !defined;
        let imports_left = analysis.imports.iter().filter(|import| !(answered && wasi_types::is_wasi(&import.name)));
        let types = |import: &ImportItem| {
            let at = analysis.imports.iter().position(|known| known.name == import.name);
            at.and_then(|at| analysis.surface.imports.get(at)).map_or("", String::as_str)
        };
        let missing: Vec<_> = imports_left.filter_map(|import| unresolved(import, types(import), &grants)).collect();
        if !missing.is_empty() {
            let message = format!("nothing provides the component's import {}", missing.join("; nor "));
            return Err(Error::new(ErrorKind::UnresolvedImport, message));
        }
        if let Some(mismatch) = analysis.imports.iter().find_map(|import| import.mismatch.as_deref()) {
            return Err(Error::new(ErrorKind::TypeMismatch, format!("the component imports {mismatch}")));
        }
        let wasi = any_wasi(&analysis.imports);
        // What decides the path: the engine's wish, the component's shape, then the link's needs.
        let reason = match () {
            () if defined => "imports functions that the host defines",
            () if wasi && !grants.is_empty() => "runs with WASI that was granted to it",
            () => "",
        };
        let direct = match (plan, engine.config().path) {
            (Ok(plan), _) if reason.is_empty() => Some(plan),
            (plan, PathChoice::Direct) => {
                let why = plan.err().unwrap_or_else(|| reason.into());
                let message = format!("the direct path was asked for, but the component {why}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            _ => None,
        };
        let (code, images, memories) = match direct {
            Some(plan) => {
                let (code, images) = component.direct()?;
                let linked = direct::run::Linked::new(engine, plan, code)?;
                let memories = linked.memories();
                (Code::Direct(linked), images, memories)
            }
            None => {
                let (code, images) = component.general()?;
                let mut linker = Self::linker(engine, wasi.then_some(&code))?;
                if defined {
                    grants.defined.link(linker.to_mut(), &code)?;
                }
                let memories = code.resources_required().map_or(1, |required| required.num_memories);
                (Code::General(Arc::new(general::run::Linked::new(&linker, analysis, &code)?)), images, memories)
            }
        };
        Ok(Self(Arc::new(Inner { code, component: component.clone(), images, memories, grants, reason })))
    }

    /// All that is there for every component, and for `code`, which is one that imports WASI.
    #[cfg(feature = "wasi")]
    fn linker<'a>(engine: &'a Engine, code: Option<&Component>) -> Result<Cow<'a, Linker<Host>>> {
        let Some(code) = code else { return Ok(Cow::Borrowed(engine.general_linker())) };
        let failed = |e| Error::new(ErrorKind::Internal, format!("WASI was not provided: {e:#}"));
        let linker = engine.wasi().linker(engine).map_err(failed)?;
        crate::wasi::http::refuse(linker, code).map_err(failed)
    }

    #[cfg(not(feature = "wasi"))]
    fn linker<'a>(engine: &'a Engine, _: Option<&Component>) -> Result<Cow<'a, Linker<Host>>> {
        Ok(Cow::Borrowed(engine.general_linker()))
    }

    /// Whether its instances may wait in their imports, on a stack of their own.
    fn waits(&self) -> bool {
        #[cfg(feature = "wasi")]
        return matches!(self.code(), Code::General(_)) && crate::wasi::waits(&self.component().analysis().imports);
        #[cfg(not(feature = "wasi"))]
        false
    }

    /// What a thread needs that calls its instances.
    pub(super) fn room(&self) -> Room {
        match self.code() {
            Code::Native(_) => Room::ANY,
            _ if self.waits() => Room::of_others(),
            _ => Room::new(self.engine().config().guest_stack),
        }
    }

    /// What runs the calls of an instance that may wait in its imports.
    pub(super) fn waiter(&self) -> Result<Option<general::run::Waiter>> {
        #[cfg(feature = "wasi")]
        if self.waits() {
            let engine = self.engine();
            let runtime = engine.wasi().runtime.get(engine.config().wasi_threads, !self.0.grants.sockets.is_empty())?;
            return Ok(Some(general::run::Waiter::new(runtime, engine.config().guest_stack)));
        }
        Ok(None)
    }

    /// What a new instance has of WASI.
    #[cfg(feature = "wasi")]
    pub(super) fn wasi_state(
        &self,
        id: crate::contract::ComponentId,
        max_handles: u32,
        max_files: u32,
    ) -> Option<Box<crate::wasi::State>> {
        if self.path() == Path::Direct || !any_wasi(&self.component().analysis().imports) {
            return None;
        }
        Some(Box::new(crate::wasi::State::new(self.engine(), &self.0.grants, id, max_handles, max_files)))
    }

    /// The resource types that the program defined, each with its number.
    pub(super) fn resource_types(&self) -> Vec<(wasmtime::component::ResourceType, u32)> {
        self.0.grants.defined.resource_types()
    }

    /// What was granted.
    pub fn grants(&self) -> &Arc<Grants> {
        &self.0.grants
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        self.0.component.engine()
    }

    /// The component that was linked.
    pub fn component(&self) -> &CompiledComponent {
        &self.0.component
    }

    /// The way in which its instances run.
    pub fn path(&self) -> Path {
        match self.0.code {
            Code::Direct(_) => Path::Direct,
            Code::General(_) => Path::General,
            Code::Native(_) => Path::Native,
        }
    }

    /// Why not on the direct path; "" where they do.
    pub fn path_reason(&self) -> &str {
        match self.path() {
            Path::Direct => "",
            Path::General if self.component().path_reason().is_empty() => self.0.reason,
            Path::General | Path::Native => self.component().path_reason(),
        }
    }

    pub(super) fn code(&self) -> &Code {
        &self.0.code
    }

    /// The mappings of an instance; in a pool, those of one memory and of the stack are there already.
    pub(super) fn mappings(&self) -> Result<Mappings> {
        let memories = self.0.memories * mappings::MEMORY;
        let needed = match self.engine().slots() {
            None => memories + if self.waits() { mappings::STACK } else { 0 },
            Some(_) => memories.saturating_sub(mappings::MEMORY),
        };
        Mappings::take(needed).map_err(|few| {
            let message = format!("no instance can be made: {few}; free instances, or raise that limit");
            Error::new(ErrorKind::Instantiation, message)
        })
    }

    /// Fails where what an instance is made with was closed since: what lies at the numbers now would become
    /// its memory, or the directories that it was granted.
    pub(super) fn check_descriptors(&self) -> Result<()> {
        let after = "compile or load the component again, after that";
        self.0.images.check("from which the component's memory is filled", after)?;
        #[cfg(feature = "wasi")]
        for granted in &self.0.grants.preopens {
            granted.dir.known().check("a granted directory", "grant and link it again, after that")?;
        }
        Ok(())
    }
}
