//! From bytes to a compiled component.

use std::sync::Arc;

use wasmtime::component::Component;

use super::Engine;
use super::descriptors::Watched;
use super::fork::Lock;
use super::link::Path;
use super::mappings::Mappings;
use super::published::Mapping;
use super::{signals, system};
use crate::contract::Role;
use crate::direct::plan::Analysis;
use crate::direct::run::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::native::NativeComponent;

/// A component compiled for one engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CompiledComponent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // What holds machine code is dropped before the mapping that it may lie in.
    direct: Lock<Kept<Code>>,
    general: Lock<Kept<Component>>,
    mapping: Option<Mapping>,
    _mappings: Mappings,
    engine: Engine,
    analysis: Analysis,
    imports: Vec<String>,
    /// Why it does not run on the direct path; "" where it does.
    reason: String,
    digest: Option<[u8; 32]>,
    source: Option<Source>,
    /// Where it is this, it is nothing else.
    native: Option<Arc<dyn NativeComponent>>,
}

/// Code of one path, where it is there, and the images that its instances' memories are made from, once
/// there were to be instances.
#[derive(Debug)]
struct Kept<C> {
    code: Option<C>,
    images: Watched,
    has_images: bool,
}

impl<C: Clone> Kept<C> {
    fn new(code: Option<C>) -> Lock<Self> {
        Lock::new(Self { code, images: Watched::default(), has_images: false })
    }

    /// The code, compiled where it is not there yet, with its images.
    fn ready(
        &mut self,
        compile: impl FnOnce() -> Result<C>,
        make_images: impl FnOnce(&C) -> wasmtime::Result<()>,
    ) -> Result<(C, Watched)> {
        let code = match self.code.take() {
            Some(code) => code,
            None => compile()?,
        };
        let code = self.code.insert(code);
        if !self.has_images {
            self.images.images(|| signals::quiet(|| make_images(code))).map_err(|e| {
                let what = "what the component's memories start with cannot be kept ready";
                let told = system::refused(ErrorKind::Instantiation, what, &e);
                told.unwrap_or_else(|| {
                    Error::new(ErrorKind::Instantiation, format!("{what}: {e:#}").replace('\n', " "))
                })
            })?;
            self.has_images = true;
        }
        Ok((code.clone(), self.images.clone()))
    }

    /// Leaves the code where it is, for good.
    fn leak(&mut self) {
        std::mem::forget(self.code.take());
    }
}

impl Drop for Inner {
    /// Nothing else holds code by now. With it go the descriptors of its images, unless they are the program's.
    fn drop(&mut self) {
        let (mut direct, mut general) = (self.direct.lock(), self.general.lock());
        if direct.images.are_there() && general.images.are_there() {
            return;
        }
        direct.leak();
        general.leak();
        std::mem::forget(self.mapping.take());
    }
}

/// The component's own bytes, kept as long as a path may still have to be compiled.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Source {
    pub wasm: Vec<u8>,
    /// Its core modules, as ranges of `wasm`.
    pub modules: Vec<std::ops::Range<usize>>,
}

/// All that a compiled component is made of.
pub(super) struct Parts {
    pub analysis: Analysis,
    pub digest: [u8; 32],
    pub source: Option<Source>,
    pub direct: Option<Code>,
    pub general: Option<Component>,
    pub mapping: Option<Mapping>,
    pub mappings: Mappings,
}

impl CompiledComponent {
    pub(super) fn from_parts(engine: &Engine, parts: Parts) -> Self {
        let Parts { analysis, digest, source, direct, general, mapping, mappings } = parts;
        let imports = analysis.imports.iter().map(|import| import.name.clone()).collect();
        let reason = analysis.direct(engine.config().path).err().unwrap_or_default().into_owned();
        Self(Arc::new(Inner {
            direct: Kept::new(direct),
            general: Kept::new(general),
            mapping,
            _mappings: mappings,
            engine: engine.clone(),
            analysis,
            imports,
            reason,
            digest: Some(digest),
            source,
            native: None,
        }))
    }

    /// A component of the program's own functions.
    pub(super) fn from_native(engine: &Engine, native: Arc<dyn NativeComponent>) -> Self {
        let roles = native.roles();
        let interfaces = Role::ALL
            .map(|role| roles.has(role).then(|| format!("{}@{}", role.interface(), crate::contract::names::VERSION)));
        Self(Arc::new(Inner {
            direct: Kept::new(None),
            general: Kept::new(None),
            mapping: None,
            _mappings: Mappings::NONE,
            engine: engine.clone(),
            analysis: Analysis {
                roles,
                exports: interfaces.iter().flatten().cloned().collect(),
                interfaces,
                imports: Vec::new(),
                mismatch: None,
                other: None,
                initial_memory: 0,
                initial_elements: 0,
                surface: Default::default(),
                plan: Err("is native".into()),
            },
            imports: Vec::new(),
            reason: "is native".into(),
            digest: None,
            source: None,
            native: Some(native),
        }))
    }

    /// The program's own functions, where it is those.
    pub(super) fn native(&self) -> Option<&Arc<dyn NativeComponent>> {
        self.0.native.as_ref()
    }

    /// The engine that compiled it.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What is known of it.
    pub fn analysis(&self) -> &Analysis {
        &self.0.analysis
    }

    /// SHA-256 of the component's binary; none for a native one, which has none.
    pub fn digest(&self) -> Option<&[u8; 32]> {
        self.0.digest.as_ref()
    }

    /// The roles that it exports.
    pub fn roles(&self) -> crate::contract::Roles {
        self.0.analysis.roles
    }

    /// Names of its imports, in its order.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// Names of its exports, in its order.
    pub fn exports(&self) -> &[String] {
        &self.0.analysis.exports
    }

    /// The way in which it runs where nothing is granted.
    pub fn path(&self) -> Path {
        if self.0.native.is_some() {
            return Path::Native;
        }
        if self.0.reason.is_empty() { Path::Direct } else { Path::General }
    }

    /// Why not on the direct path: a clause that follows "the component"; "" where it does.
    pub fn path_reason(&self) -> &str {
        &self.0.reason
    }

    #[cfg(feature = "compiler")]
    pub(super) fn source(&self) -> Option<&Source> {
        self.0.source.as_ref()
    }

    /// The code of each path that is there already.
    #[cfg(feature = "compiler")]
    pub(super) fn compiled(&self) -> (Option<Code>, Option<Component>) {
        (self.0.direct.lock().code.clone(), self.0.general.lock().code.clone())
    }

    /// Code for the direct path, compiled where it is not there yet, and its images.
    pub(super) fn direct(&self) -> Result<(Code, Watched)> {
        let Inner { engine, analysis, source, direct, .. } = &*self.0;
        direct.lock().ready(|| compile_direct(engine, analysis, source.as_ref()), Code::make_images)
    }

    /// Code for the general path, compiled where it is not there yet, and its images.
    pub(super) fn general(&self) -> Result<(Component, Watched)> {
        let Inner { engine, source, general, .. } = &*self.0;
        let make_images = Component::initialize_copy_on_write_image;
        general.lock().ready(|| compile_general(engine, source.as_ref()), make_images)
    }
}

#[cfg(not(feature = "compiler"))]
fn no_compiler() -> Box<Error> {
    let message = "this build of libtorvyn has no compiler: load an artifact that holds the code that is needed";
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(not(feature = "compiler"))]
fn compile_direct(_: &Engine, _: &Analysis, _: Option<&Source>) -> Result<Code> {
    Err(no_compiler())
}

#[cfg(not(feature = "compiler"))]
fn compile_general(_: &Engine, _: Option<&Source>) -> Result<Component> {
    Err(no_compiler())
}

#[cfg(not(feature = "compiler"))]
pub(super) fn compile(_: &Engine, _: &[u8]) -> Result<CompiledComponent> {
    Err(no_compiler())
}

#[cfg(feature = "compiler")]
pub(super) use with_compiler::compile;
#[cfg(feature = "compiler")]
use with_compiler::{compile_direct, compile_general};

#[cfg(feature = "compiler")]
mod with_compiler {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use sha2::{Digest as _, Sha256};
    use wasmparser::types::Types;
    use wasmparser::{Parser, ValidPayload, Validator, WasmFeatures};
    use wasmtime::Module;

    use super::*;
    use crate::direct::{glue, plan};
    use crate::engine::config::PathChoice;
    use crate::engine::extent::Extent;
    use crate::engine::features;
    use crate::engine::file;
    use crate::engine::mappings;
    use crate::engine::sizes::Sizes;
    use crate::engine::surface::Surface;

    fn failed(e: &wasmtime::Error) -> Box<Error> {
        let refused = system::refused(ErrorKind::Internal, "the component was not compiled", e);
        refused.unwrap_or_else(|| {
            let message = format!("the component does not compile: {e:#}").replace('\n', " ");
            Error::new(ErrorKind::Compilation, message)
        })
    }

    fn source_gone() -> Box<Error> {
        let message = "the artifact holds no code for the path that this link needs, nor the component's own bytes";
        Error::new(ErrorKind::Unsupported, message)
    }

    /// Compiles for an engine, by one of Wasmtime's that ends with the work: as long as its engine lives,
    /// Wasmtime 48 keeps what its compiler took for the largest functions, on each thread, and that may be tens
    /// of MiB.
    struct Compiler<'e> {
        engine: &'e Engine,
        compiles: wasmtime::Engine,
    }

    impl<'e> Compiler<'e> {
        fn new(engine: &'e Engine) -> Result<Self> {
            Ok(Self { engine, compiles: engine.compiler().map_err(|e| failed(&e))? })
        }

        fn code(&self, compile: impl FnOnce(&wasmtime::Engine) -> wasmtime::Result<Vec<u8>> + Send) -> Result<Vec<u8>> {
            self.engine.compiling(|| compile(&self.compiles))?.map_err(|e| failed(&e))
        }

        #[allow(unsafe_code)] // loads code
        fn module(&self, wasm: &[u8]) -> Result<Module> {
            let code = self.code(|engine| engine.precompile_module(wasm))?;
            // SAFETY: Wasmtime made it just now, by the same configuration.
            unsafe { Module::deserialize(self.engine.wasmtime(), code) }.map_err(|e| failed(&e))
        }

        #[allow(unsafe_code)] // the same
        fn component(&self, wasm: &[u8]) -> Result<Component> {
            let code = self.code(|engine| engine.precompile_component(wasm))?;
            // SAFETY: as above.
            unsafe { Component::deserialize(self.engine.wasmtime(), code) }.map_err(|e| failed(&e))
        }
    }

    pub(super) fn compile_direct(engine: &Engine, analysis: &Analysis, source: Option<&Source>) -> Result<Code> {
        let (Ok(plan), Some(source)) = (&analysis.plan, source) else { return Err(source_gone()) };
        let compiler = Compiler::new(engine)?;
        let glued =
            |text: String| compiler.module(&wat::parse_str(text).map_err(|e| failed(&wasmtime::Error::new(e)))?);
        let modules = source.modules.iter().map(|range| compiler.module(&source.wasm[range.clone()]));
        Ok(Code {
            modules: modules.collect::<Result<_>>()?,
            scope: glued(glue::scope(plan))?,
            lowerings: glued(glue::lowerings(plan))?,
            entries: glued(glue::entries(plan))?,
        })
    }

    pub(super) fn compile_general(engine: &Engine, source: Option<&Source>) -> Result<Component> {
        Compiler::new(engine)?.component(&source.ok_or_else(source_gone)?.wasm)
    }

    /// The component's binary, where `bytes` are a component in binary or text.
    fn binary(bytes: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>> {
        let fail = |kind, message: &str| Err(Error::new(kind, message));
        if bytes.is_empty() {
            return fail(ErrorKind::NotComponent, "there are no bytes: expected a WebAssembly component");
        }
        let found = if bytes.starts_with(b"\0asm") {
            std::borrow::Cow::Borrowed(bytes)
        } else if file::may_be_component(bytes) {
            match wat::parse_bytes(bytes) {
                Ok(wasm) => std::borrow::Cow::Owned(wasm.into_owned()),
                Err(e) => {
                    let message = format!("the text is no WebAssembly component: {e}").replace('\n', " ");
                    return fail(ErrorKind::Malformed, &message);
                }
            }
        } else {
            let artifact = bytes.starts_with(&crate::engine::artifact::MAGIC);
            let hint =
                if artifact { "an artifact: use torvyn_component_deserialize_unchecked" } else { "something else" };
            let message = format!("the bytes are no WebAssembly component (neither binary nor text), but {hint}");
            return fail(ErrorKind::NotComponent, &message);
        };
        if found.len() < 8 {
            return fail(ErrorKind::Malformed, "the component is truncated: its header is not whole");
        }
        if Parser::is_core_wasm(&found) {
            let message =
                "the bytes are a core module, not a component: make one of it with `wasm-tools component new`";
            return fail(ErrorKind::CoreModule, message);
        }
        if !Parser::is_component(&found) {
            return fail(ErrorKind::NotComponent, "the bytes are WebAssembly of an unknown version, not a component");
        }
        Ok(found)
    }

    /// Compiles for the path that the engine's configuration and the component's shape give. All of
    /// it where there is a stack for what is nested deeply, which the caller's may not be.
    pub(in crate::engine) fn compile(engine: &Engine, bytes: &[u8]) -> Result<CompiledComponent> {
        engine.compiling(|| analyse_and_compile(engine, bytes))?
    }

    fn analyse_and_compile(engine: &Engine, bytes: &[u8]) -> Result<CompiledComponent> {
        let wasm = binary(bytes)?;
        let unsupported = |what| Error::new(ErrorKind::Unsupported, format!("the component {what}"));
        let config = engine.config();
        let features = features::compiled(config);
        let extent = Extent::read(&wasm).map_err(unsupported)?;
        let types = validate(&wasm, features)?;
        if let Some(what) = extent.too_much() {
            return Err(unsupported(what));
        }
        drop(extent);
        let translated = plan::analyse(&wasm, features).map_err(|e| invalid(&wasm, features, &e))?;
        if translated.memories > 1 && !features::allowed(config).multi_memory() {
            let off = features::off(WasmFeatures::MULTI_MEMORY);
            return Err(unsupported(format!("needs {off}: a module of it has {} memories", translated.memories)));
        }
        if let Some(what) = translated.too_much {
            return Err(unsupported(what));
        }
        let mut analysis = translated.analysis;
        if let Some(mismatch) = &analysis.mismatch {
            return Err(Error::new(ErrorKind::TypeMismatch, format!("the component exports {mismatch}")));
        }
        if analysis.roles == crate::contract::Roles::default() {
            return Err(Error::new(ErrorKind::NoRole, no_role(&analysis.exports)));
        }
        let names: Vec<_> = analysis.imports.iter().map(|import| import.name.as_str()).collect();
        let exports: Vec<_> = analysis.exports.iter().map(String::as_str).collect();
        analysis.surface = Surface::read(&types, &names, &exports);
        let digest = Sha256::digest(&wasm).into();
        drop(types);
        let source = Source { wasm: wasm.into_owned(), modules: translated.modules };
        // The analysis does not look at function bodies: what is wrong with one is found with the code.
        let judged = |e: Box<Error>| match Validator::new_with_features(features).validate_all(&source.wasm) {
            Err(found) if e.kind == ErrorKind::Compilation => invalid(&source.wasm, features, &found),
            Ok(_) if e.kind == ErrorKind::Compilation && engine.config().is_too_small(&analysis) => {
                let fields = "`memory_limit` and `table_limit` say what a slot of the engine's pool holds";
                Error::new(ErrorKind::Unsupported, format!("{}; {fields}", e.message))
            }
            _ => e,
        };
        let images = source.modules.len() as u32 + 3; // and the glue, or the one of the general path
        let mappings = Mappings::take(images * mappings::CODE).map_err(|few| {
            let message = format!("the component cannot be compiled: {few}; free instances, or raise that limit");
            Error::new(ErrorKind::Internal, message)
        })?;
        let (mut direct, mut general) = (None, None);
        match (analysis.direct(engine.config().path), engine.config().path) {
            (Err(why), PathChoice::Direct) => {
                let message = format!("the direct path was asked for, but the component {why}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            (Ok(_), _) => direct = Some(compile_direct(engine, &analysis, Some(&source)).map_err(judged)?),
            _ => general = Some(compile_general(engine, Some(&source)).map_err(judged)?),
        }
        // A component that only ever takes the general path needs its bytes no more.
        let source = direct.is_some().then_some(source);
        let parts = Parts { analysis, digest, source, direct, general, mapping: None, mappings };
        Ok(CompiledComponent::from_parts(engine, parts))
    }

    /// Finds a component valid, but for its function bodies, and its values no larger than they may be;
    /// gives the types of the outermost one.
    fn validate(wasm: &[u8], features: WasmFeatures) -> Result<Types> {
        let mut validator = Validator::new_with_features(features);
        let mut parser = Parser::new(0);
        parser.set_features(features);
        let (mut sizes, mut outermost) = (Sizes::default(), None);
        for payload in parser.parse_all(wasm) {
            let valid = counted(|| payload.and_then(|payload| validator.payload(&payload)))?;
            if let ValidPayload::End(types) = valid.map_err(|e| invalid(wasm, features, &e))? {
                if let Some(what) = sizes.too_large(types.as_ref()) {
                    return Err(Error::new(ErrorKind::Unsupported, format!("the component {what}")));
                }
                outermost = Some(types);
            }
        }
        outermost.ok_or_else(|| invalid(wasm, features, &"it does not end"))
    }

    /// What the validator says. It bounds how deep types are nested, but not instances, and panics where
    /// these are nested more deeply than it can count.
    fn counted<T>(work: impl FnOnce() -> T) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
            if !panic.downcast_ref::<&str>().is_some_and(|text| text.contains("MAX_DEPTH")) {
                resume_unwind(panic);
            }
            let message = "the component nests instances, with the types in them, more than 127 deep";
            Error::new(ErrorKind::Unsupported, message)
        })
    }

    /// Why a component does not compile that was found invalid, or impossible, for the reason `why`.
    fn invalid(wasm: &[u8], features: WasmFeatures, why: &dyn std::fmt::Display) -> Box<Error> {
        let uncounted = RefCell::new(None);
        let valid = |with| match counted(|| Validator::new_with_features(with).validate_all(wasm)) {
            Ok(found) => found.is_ok(),
            Err(error) => {
                uncounted.replace(Some(error));
                false
            }
        };
        if valid(features) {
            let message = format!("the component is valid, but has what Wasmtime does not implement: {why}");
            return Error::new(ErrorKind::Unsupported, message);
        }
        let needed = switched_off(valid, features);
        if !needed.is_empty() {
            let message = format!("the component needs {}: {why}", features::off(needed));
            return Error::new(ErrorKind::Unsupported, message);
        }
        // Nobody knows whether it is valid.
        if let Some(error) = uncounted.take() {
            return error;
        }
        let why = why.to_string();
        // The validator has bounds of its own, which a valid component may exceed.
        if ["exceeds limit", "exceeds the limit", "implementation limit"].iter().any(|limit| why.contains(limit)) {
            return Error::new(
                ErrorKind::Unsupported,
                format!("the component is larger than what is supported: {why}"),
            );
        }
        Error::new(ErrorKind::Malformed, format!("the component is not valid: {why}"))
    }

    /// The features that an invalid component is valid with: one, where one is enough.
    fn switched_off(valid: impl Fn(WasmFeatures) -> bool, features: WasmFeatures) -> WasmFeatures {
        let off = WasmFeatures::all() - features;
        if let Some(one) = off.iter().find(|one| valid(features | *one)) {
            return one;
        }
        if !valid(WasmFeatures::all()) {
            return WasmFeatures::empty();
        }
        // Each is left out that can be.
        let without = |needed: WasmFeatures, one| if valid(features | (needed - one)) { needed - one } else { needed };
        off.iter().fold(off, without)
    }

    fn no_role(exports: &[String]) -> String {
        if exports.is_empty() {
            return "the component is empty: it exports nothing, so it has no role".into();
        }
        let roles: Vec<_> = Role::ALL.iter().map(|role| role.interface()).collect();
        format!(
            "the component has no role: it exports {}, and none of {} at a version compatible with @{}",
            exports.join(", "),
            roles.join(", "),
            crate::contract::names::VERSION,
        )
    }
}
