//! Binding a component to its imports.

use std::sync::Arc;

use super::Engine;
use super::compile::CompiledComponent;
use super::config::PathChoice;
use crate::contract::names;
use crate::direct::plan::ImportItem;
use crate::direct::shapes::{ALLOCATOR, CAPABILITIES, Import, TYPES};
use crate::error::{Error, ErrorKind, Result};
use crate::native::NativeComponent;
use crate::{direct, general};

/// What a component's imports are bound to besides the contract's own host side, which is always
/// there.
#[derive(Clone, Debug)]
pub struct ImportBindings {
    engine: Engine,
}

impl ImportBindings {
    /// The contract's host side and nothing else.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone() }
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
    component: CompiledComponent,
    code: Code,
}

/// A component bound to its imports; instances of it are cheap. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkedComponent(Arc<Inner>);

/// Which of the contract's interfaces an import names.
fn contract(name: &str) -> bool {
    [TYPES, ALLOCATOR, CAPABILITIES].into_iter().any(|interface| names::matches(name, interface))
}

/// What is wrong with an import, where something is.
fn unresolved(import: &ImportItem) -> Option<String> {
    if contract(&import.name) {
        let known = |item: &str| {
            ["buffer", "mutable-buffer", "flow-context"].contains(&item)
                || Import::ALL.into_iter().any(|i| i.name().1 == item && names::matches(&import.name, i.name().0))
        };
        let item = import.items.iter().find(|item| !known(item))?;
        return Some(format!("{}#{item}, which the contract does not have", import.name));
    }
    let item = import.items.first()?;
    let (base, version) = names::split(&import.name);
    let ours = [TYPES, ALLOCATOR, CAPABILITIES].contains(&base);
    let hint = match version {
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
            let code = Code::Native(native.clone());
            return Ok(Self(Arc::new(Inner { component: component.clone(), code })));
        }
        let analysis = component.analysis();
        let served = analysis.plan.is_ok() && engine.config().path != PathChoice::General;
        let missing: Vec<_> = analysis
            .imports
            .iter()
            .filter(|import| !(served && import.name.starts_with("wasi:")))
            .filter_map(unresolved)
            .collect();
        if !missing.is_empty() {
            let message = format!("nothing provides the component's import {}", missing.join("; nor "));
            return Err(Error::new(ErrorKind::UnresolvedImport, message));
        }
        if let Some(mismatch) = analysis.imports.iter().find_map(|import| import.mismatch.as_deref()) {
            return Err(Error::new(ErrorKind::TypeMismatch, format!("the component imports {mismatch}")));
        }
        let code = match (&analysis.plan, engine.config().path) {
            (Ok(plan), PathChoice::Auto | PathChoice::Direct) => {
                Code::Direct(direct::run::Linked::new(engine, plan, component.direct()?)?)
            }
            (Err(why), PathChoice::Direct) => {
                let message = format!("the direct path was asked for, but the component {why}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            _ => Code::General(Arc::new(general::run::Linked::new(engine, analysis, &component.general()?)?)),
        };
        Ok(Self(Arc::new(Inner { component: component.clone(), code })))
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
        if self.path() == Path::Direct { "" } else { self.component().path_reason() }
    }

    pub(super) fn code(&self) -> &Code {
        &self.0.code
    }
}
