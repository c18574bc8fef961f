//! Instances on the direct path: a plan executed with core instances, and the calls.

use std::collections::HashSet;
use std::sync::Arc;

use wasmtime::{Extern, Instance, InstancePre, Module, ModuleExport, Store, TypedFunc, WasmParams};

use super::canon::{Lifted, Source};
use super::glue;
use super::imports::{drop_function, host_function};
use super::plan::{Arg, CoreRef, Plan, Step};
use super::wasi::Wasi;
use crate::contract::host::Host;
use crate::contract::lent::Loan;
use crate::contract::{BackpressureSignal, Function, OutputElement, ProcessResult, StreamElement};
use crate::engine::Engine;
use crate::engine::fault::{Fault, Outcome};
use crate::engine::fuel::charge;
use crate::error::{Error, ErrorKind, Result};

/// Compiled core modules of a component and of the glue around it.
#[derive(Clone, Debug)]
pub struct Code {
    /// The component's own, in its order.
    pub modules: Vec<Module>,
    /// [`glue::scope`].
    pub scope: Module,
    /// [`glue::lowerings`].
    pub lowerings: Module,
    /// [`glue::entries`].
    pub entries: Module,
}

impl Code {
    /// Makes ready what the memories of instances start with.
    pub fn make_images(&self) -> wasmtime::Result<()> {
        self.modules.iter().try_for_each(Module::initialize_copy_on_write_image)
    }
}

/// An argument of a core module, found.
enum Found {
    Export(usize, ModuleExport),
    Scoped(ModuleExport),
    Joined(usize, ModuleExport),
}

enum Ready {
    Instantiate(usize, Vec<Found>),
    Memory(usize, ModuleExport),
    Realloc(usize, ModuleExport),
}

/// What an entry of the glue imports, in its order.
enum Outer {
    Export(usize, ModuleExport),
    Realloc(usize),
    Scoped(ModuleExport),
}

/// A plan whose names are all looked up.
pub struct Linked {
    code: Code,
    scope: InstancePre<Host>,
    steps: Vec<Ready>,
    outer: Vec<Outer>,
    /// What the lowerings import of the scope, in their order.
    lowered: Vec<ModuleExport>,
    functions: Vec<Function>,
    glue: usize,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("direct::Linked").field("functions", &self.functions).finish_non_exhaustive()
    }
}

fn broken(what: &str) -> Box<Error> {
    Error::new(ErrorKind::Internal, format!("the component's plan names {what}, which its modules do not have"))
}

impl Linked {
    /// Looks up every name of the plan.
    pub fn new(engine: &Engine, plan: &Plan, code: Code) -> Result<Arc<Self>> {
        let mut instantiated: Vec<usize> = Vec::new();
        let export = |instantiated: &[usize], at: &CoreRef| -> Result<(usize, ModuleExport)> {
            let module = instantiated.get(at.instance as usize).and_then(|m| code.modules.get(*m));
            let export = module.and_then(|m| m.get_export_index(&at.name)).ok_or_else(|| broken(&at.name))?;
            Ok((at.instance as usize, export))
        };
        let scoped = |name: &str| code.scope.get_export_index(name).ok_or_else(|| broken(name));
        let joined = |realloc: &Option<u32>, name: &str| -> Result<Found> {
            let (Some(realloc), Some(export)) = (realloc, code.lowerings.get_export_index(name)) else {
                return Err(broken(name));
            };
            Ok(Found::Joined(*realloc as usize, export))
        };
        let nevers = glue::nevers(plan);
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            steps.push(match step {
                Step::Instantiate { module, args } => {
                    let found = args.iter().map(|arg| {
                        Ok(match arg {
                            Arg::Export(at) => {
                                let (instance, export) = export(&instantiated, at)?;
                                Found::Export(instance, export)
                            }
                            Arg::Drop(resource) => Found::Scoped(scoped(drop_function(*resource))?),
                            Arg::DropWasi(resource) => Found::Scoped(scoped(resource.drop_function())?),
                            Arg::Import(import, realloc) => match host_function(*import) {
                                (name, false) => Found::Scoped(scoped(name)?),
                                (name, true) => joined(realloc, name)?,
                            },
                            Arg::Wasi(wasi, realloc) => match (wasi.host_function(), wasi) {
                                (Some((name, _, false)), _) => Found::Scoped(scoped(&name)?),
                                (Some((name, _, true)), _) => joined(realloc, &name)?,
                                (None, Wasi::Never(core)) => {
                                    let n = nevers.iter().position(|never| never == core);
                                    Found::Scoped(scoped(&glue::never(n.ok_or_else(|| broken(core))?))?)
                                }
                                (None, Wasi::Answer(_)) => return Err(broken("an answer")),
                            },
                        })
                    });
                    let found = found.collect::<Result<_>>()?;
                    instantiated.push(*module as usize);
                    Ready::Instantiate(*module as usize, found)
                }
                Step::Memory(at) => {
                    let (instance, export) = export(&instantiated, at)?;
                    Ready::Memory(instance, export)
                }
                Step::Realloc(at) => {
                    let (instance, export) = export(&instantiated, at)?;
                    Ready::Realloc(instance, export)
                }
            });
        }
        let mut outer = Vec::new();
        let memory = plan.steps.iter().find_map(|step| if let Step::Memory(at) = step { Some(at) } else { None });
        let (instance, memory) = export(&instantiated, memory.ok_or_else(|| broken("memory"))?)?;
        outer.push(Outer::Export(instance, memory));
        for entry in &plan.entries {
            let (instance, target) = export(&instantiated, &entry.target)?;
            outer.push(Outer::Export(instance, target));
            if glue::has_string(entry.function) {
                outer.push(Outer::Realloc(entry.realloc.ok_or_else(|| broken("realloc"))? as usize));
            }
            if let Some(post_return) = &entry.post_return {
                let (instance, export) = export(&instantiated, post_return)?;
                outer.push(Outer::Export(instance, export));
            }
        }
        for name in glue::GLOBALS.into_iter().chain(["parameter", "lift", "settle"]) {
            outer.push(Outer::Scoped(scoped(name)?));
        }
        let lowered = glue::lowered(plan).iter().map(|name| scoped(name)).collect::<Result<_>>()?;
        let scope = engine.direct_linker().instantiate_pre(&code.scope).map_err(|e| {
            Error::new(ErrorKind::Internal, format!("the glue does not fit the host: {e:#}").replace('\n', " "))
        })?;
        let functions = plan.entries.iter().map(|entry| entry.function).collect();
        let args = steps.iter().flat_map(|step| if let Ready::Instantiate(_, args) = step { &args[..] } else { &[] });
        let joined = args.filter_map(|arg| if let Found::Joined(realloc, _) = arg { Some(*realloc) } else { None });
        // The scope, the entries, and lowerings for each realloc that some are joined to.
        let glue = 2 + joined.collect::<HashSet<_>>().len();
        Ok(Arc::new(Self { code, scope, steps, outer, lowered, functions, glue }))
    }

    /// Linear memories of an instance.
    pub fn memories(&self) -> u32 {
        let instantiated = self.steps.iter().filter_map(|step| match step {
            Ready::Instantiate(module, _) => self.code.modules.get(*module),
            _ => None,
        });
        instantiated.map(|module| module.resources_required().num_memories).sum()
    }

    /// Core instances that the library adds to the component's own.
    pub fn glue(&self) -> usize {
        self.glue
    }

    /// Runs the plan in `store`. Guest code may run: start functions.
    pub fn instantiate(&self, mut store: Store<Host>) -> wasmtime::Result<Running> {
        let gone = || wasmtime::Error::msg("an export that the plan names is gone");
        let scope = self.scope.instantiate(&mut store)?;
        let mut instances: Vec<Instance> = Vec::with_capacity(self.steps.len());
        let mut reallocs: Vec<(Extern, Option<Instance>)> = Vec::new();
        for step in &self.steps {
            match step {
                Ready::Instantiate(module, args) => {
                    let mut externs = Vec::with_capacity(args.len());
                    for arg in args {
                        externs.push(match arg {
                            Found::Export(instance, export) => {
                                instances[*instance].get_module_export(&mut store, export).ok_or_else(gone)?
                            }
                            Found::Scoped(export) => scope.get_module_export(&mut store, export).ok_or_else(gone)?,
                            Found::Joined(realloc, export) => {
                                let (function, joined) = reallocs.get_mut(*realloc).ok_or_else(gone)?;
                                let joined = match joined {
                                    Some(joined) => *joined,
                                    None => *joined.insert(self.lowerings(&mut store, &scope, function.clone())?),
                                };
                                joined.get_module_export(&mut store, export).ok_or_else(gone)?
                            }
                        });
                    }
                    instances.push(Instance::new(&mut store, &self.code.modules[*module], &externs)?);
                }
                Ready::Memory(instance, export) => {
                    let memory = instances[*instance].get_module_export(&mut store, export);
                    store.data_mut().canon.memory = memory.and_then(Extern::into_memory);
                }
                Ready::Realloc(instance, export) => {
                    let realloc = instances[*instance].get_module_export(&mut store, export).ok_or_else(gone)?;
                    reallocs.push((realloc, None));
                }
            }
        }
        let mut externs = Vec::with_capacity(self.outer.len());
        for outer in &self.outer {
            externs.push(match outer {
                Outer::Export(instance, export) => {
                    instances[*instance].get_module_export(&mut store, export).ok_or_else(gone)?
                }
                Outer::Realloc(realloc) => reallocs.get(*realloc).ok_or_else(gone)?.0.clone(),
                Outer::Scoped(export) => scope.get_module_export(&mut store, export).ok_or_else(gone)?,
            });
        }
        let glue = Instance::new(&mut store, &self.code.entries, &externs)?;
        let mut entries = Entries::default();
        for function in &self.functions {
            entries.set(*function, &glue, &mut store)?;
        }
        Ok(Running { store, entries })
    }

    fn lowerings(&self, store: &mut Store<Host>, scope: &Instance, realloc: Extern) -> wasmtime::Result<Instance> {
        let mut externs = Vec::with_capacity(self.lowered.len() + 2);
        externs.extend(store.data().canon.memory.map(Extern::Memory));
        externs.push(realloc);
        for export in &self.lowered {
            externs.extend(scope.get_module_export(&mut *store, export));
        }
        Instance::new(store, &self.code.lowerings, &externs)
    }
}

/// Sequence, timestamp; the content type's length and [`glue::by_value`]; the payload's length.
type Element = (u64, u64, u32, u64, u64, u32);

/// The glue's entries; each is there where its role is.
#[derive(Default)]
struct Entries {
    init: Option<TypedFunc<u32, u32>>,
    teardown: Option<TypedFunc<(), u32>>,
    pull: Option<TypedFunc<(), u32>>,
    notify: Option<TypedFunc<u32, u32>>,
    process: Option<TypedFunc<Element, u32>>,
    push: Option<TypedFunc<Element, u32>>,
    complete: Option<TypedFunc<(), u32>>,
    evaluate: Option<TypedFunc<Element, u32>>,
    route: Option<TypedFunc<Element, u32>>,
    ingest: Option<TypedFunc<Element, u32>>,
    flush: Option<TypedFunc<(), u32>>,
}

impl Entries {
    fn set(&mut self, function: Function, glue: &Instance, store: &mut Store<Host>) -> wasmtime::Result<()> {
        fn find<P: WasmParams>(
            function: Function,
            glue: &Instance,
            store: &mut Store<Host>,
        ) -> wasmtime::Result<Option<TypedFunc<P, u32>>> {
            glue.get_typed_func(store, function.name()).map(Some)
        }
        match function {
            Function::Init => self.init = find(function, glue, store)?,
            Function::Teardown => self.teardown = find(function, glue, store)?,
            Function::Pull => self.pull = find(function, glue, store)?,
            Function::NotifyBackpressure => self.notify = find(function, glue, store)?,
            Function::Process => self.process = find(function, glue, store)?,
            Function::Push => self.push = find(function, glue, store)?,
            Function::Complete => self.complete = find(function, glue, store)?,
            Function::Evaluate => self.evaluate = find(function, glue, store)?,
            Function::Route => self.route = find(function, glue, store)?,
            Function::Ingest => self.ingest = find(function, glue, store)?,
            Function::Flush => self.flush = find(function, glue, store)?,
        }
        Ok(())
    }
}

/// A running instance.
pub struct Running {
    /// The store; its data is the host side.
    pub store: Store<Host>,
    entries: Entries,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("direct::Running").finish_non_exhaustive()
    }
}

/// A result of another kind than the function's: cannot be, since `lift` knows the function.
#[cold]
fn unexpected() -> Fault {
    Fault::Stopped(wasmtime::Error::msg("a result of another kind than the function's"))
}

/// A function whose role the component lacks: refused before it gets here.
#[cold]
fn absent() -> Fault {
    Fault::Stopped(wasmtime::Error::msg("a function that the component does not export"))
}

/// The result that an entry gives itself.
#[inline]
fn plain(code: u32) -> Lifted {
    match code {
        glue::code::NOTHING => Lifted::Nothing,
        signal if signal < glue::code::VERDICT => {
            let pause = signal - glue::code::SIGNAL != 0;
            Lifted::Signal(if pause { BackpressureSignal::Pause } else { BackpressureSignal::Ready })
        }
        verdict => Lifted::Verdict(verdict != glue::code::VERDICT),
    }
}

impl Running {
    #[inline(always)]
    fn call<P: WasmParams>(
        store: &mut Store<Host>,
        entry: Option<&TypedFunc<P, u32>>,
        function: Function,
        params: P,
    ) -> Outcome<Lifted> {
        let entry = entry.ok_or_else(absent)?;
        let host = store.data_mut();
        host.canon.function = function;
        host.canon.source = Source::Parameter;
        let code = entry.call(&mut *store, params).map_err(Fault::Stopped)?;
        if code != 0 {
            return Ok(plain(code));
        }
        let lifted = &mut store.data_mut().canon.lifted;
        // The common one, moved without the rest.
        if matches!(lifted, Lifted::Element) {
            *lifted = Lifted::None;
            return Ok(Lifted::Element);
        }
        match std::mem::take(lifted) {
            Lifted::Error(error) => Err(Fault::Guest(error)),
            lifted => Ok(lifted),
        }
    }

    /// A call that lends an element. Made once for each function `F`, an index of [`Function::ALL`],
    /// so that each is inlined into its one caller.
    #[inline(always)]
    fn lend<const F: usize>(
        store: &mut Store<Host>,
        entry: Option<&TypedFunc<Element, u32>>,
        element: &StreamElement<'_>,
    ) -> Outcome<Lifted> {
        Loan::during(
            store,
            |store| &mut store.data_mut().loan,
            element,
            |store| {
                let content_type = element.content_type.as_bytes();
                charge(&mut *store, content_type.len()).map_err(Fault::Stopped)?;
                let (head, tail) = glue::by_value(content_type);
                let (len, bytes) = (content_type.len() as u32, element.payload.len() as u32);
                let params = (element.sequence, element.timestamp_ns, len, head, tail, bytes);
                Self::call(store, entry, Function::ALL[F], params)
            },
        )
    }

    /// See `ComponentInvoker::invoke_init`, and so on for the rest.
    pub fn init(&mut self, config: &str) -> Outcome<()> {
        // No content type: it is not for the guest to give one as long.
        let element = StreamElement { payload: config.as_bytes(), ..Default::default() };
        let entry = self.entries.init.as_ref();
        Loan::during(
            &mut self.store,
            |store| &mut store.data_mut().loan,
            &element,
            |store| {
                charge(&mut *store, config.len()).map_err(Fault::Stopped)?;
                Self::call(store, entry, Function::Init, config.len() as u32).map(drop)
            },
        )
    }

    /// `teardown`.
    pub fn teardown(&mut self) -> Outcome<()> {
        Self::call(&mut self.store, self.entries.teardown.as_ref(), Function::Teardown, ()).map(drop)
    }

    /// `pull`.
    #[inline(always)]
    pub fn pull(&mut self) -> Outcome<Option<OutputElement>> {
        let lifted = Self::call(&mut self.store, self.entries.pull.as_ref(), Function::Pull, ())?;
        self.element(lifted)
    }

    /// `notify-backpressure`.
    pub fn notify_backpressure(&mut self, signal: BackpressureSignal) -> Outcome<()> {
        let entry = self.entries.notify.as_ref();
        Self::call(&mut self.store, entry, Function::NotifyBackpressure, signal as u32).map(drop)
    }

    /// `process`.
    #[inline(always)]
    pub fn process(&mut self, input: &StreamElement<'_>) -> Outcome<ProcessResult> {
        match Self::lend::<{ Function::Process as usize }>(&mut self.store, self.entries.process.as_ref(), input)? {
            Lifted::Element => Ok(ProcessResult::Emit(taken(&mut self.store)?)),
            Lifted::Nothing => Ok(ProcessResult::Drop),
            _ => Err(unexpected()),
        }
    }

    /// `push`.
    #[inline(always)]
    pub fn push(&mut self, input: &StreamElement<'_>) -> Outcome<BackpressureSignal> {
        match Self::lend::<{ Function::Push as usize }>(&mut self.store, self.entries.push.as_ref(), input)? {
            Lifted::Signal(signal) => Ok(signal),
            _ => Err(unexpected()),
        }
    }

    /// `complete`.
    pub fn complete(&mut self) -> Outcome<()> {
        Self::call(&mut self.store, self.entries.complete.as_ref(), Function::Complete, ()).map(drop)
    }

    /// `evaluate`.
    #[inline(always)]
    pub fn evaluate(&mut self, input: &StreamElement<'_>) -> Outcome<bool> {
        match Self::lend::<{ Function::Evaluate as usize }>(&mut self.store, self.entries.evaluate.as_ref(), input)? {
            Lifted::Verdict(verdict) => Ok(verdict),
            _ => Err(unexpected()),
        }
    }

    /// `route`: the names lie in `Canon::ports`.
    #[inline(always)]
    pub fn route(&mut self, input: &StreamElement<'_>) -> Outcome<()> {
        self.store.data_mut().handles.held().set_ports(0, 0);
        match Self::lend::<{ Function::Route as usize }>(&mut self.store, self.entries.route.as_ref(), input)? {
            Lifted::Ports => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// `ingest`.
    #[inline(always)]
    pub fn ingest(&mut self, input: &StreamElement<'_>) -> Outcome<Option<OutputElement>> {
        let lifted = Self::lend::<{ Function::Ingest as usize }>(&mut self.store, self.entries.ingest.as_ref(), input)?;
        self.element(lifted)
    }

    /// `flush`.
    pub fn flush(&mut self) -> Outcome<Vec<OutputElement>> {
        match Self::call(&mut self.store, self.entries.flush.as_ref(), Function::Flush, ())? {
            Lifted::Elements(elements) => Ok(elements),
            _ => Err(unexpected()),
        }
    }

    #[inline(always)]
    fn element(&mut self, lifted: Lifted) -> Outcome<Option<OutputElement>> {
        match lifted {
            Lifted::Element => taken(&mut self.store).map(Some),
            Lifted::Nothing => Ok(None),
            _ => Err(unexpected()),
        }
    }
}

/// The element that was lifted.
#[inline(always)]
fn taken(store: &mut Store<Host>) -> Outcome<OutputElement> {
    let canon = &mut store.data_mut().canon;
    let payload = canon.payload.take().ok_or_else(unexpected)?;
    Ok(OutputElement { sequence: canon.sequence, timestamp_ns: canon.timestamp_ns, payload })
}
