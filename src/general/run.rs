//! Instances on the general path, and the calls.

use std::any::TypeId;

use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, Resource,
    TypedFunc,
};

use super::lower::Misfit;
use super::texts::{self, Elements, Names};
use super::types::{ElementIn, ElementOut, ErrorOut, MetaIn, ProcessOut, Signal};
use super::values::{self, Exported, Params, Results, Seen};
use super::views::lent;
use super::watch::{Limit, Watch};
use crate::contract::held;
use crate::contract::host::{CONTEXT, Host, PAYLOAD};
use crate::contract::lent::Loan;
use crate::contract::{BackpressureSignal, Function, OutputElement, ProcessResult, StreamElement};
use crate::direct::plan::Analysis;
use crate::engine::fault::{self, Fault, Outcome};
use crate::engine::fuel::charge;
use crate::engine::given::Key;
use crate::engine::other::NoCall;
use crate::engine::value::Value;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "wasi")]
pub use crate::wasi::runtime::Waiter;

/// Without WASI nothing waits.
#[cfg(not(feature = "wasi"))]
#[derive(Clone, Debug)]
pub enum Waiter {}

#[cfg(not(feature = "wasi"))]
impl Waiter {
    fn run<T>(&self, _: Limit, _: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
        match *self {}
    }

    fn is_of_a_parent(&self) -> bool {
        match *self {}
    }
}

/// A component whose imports are bound and whose exports are found.
pub struct Linked {
    pre: InstancePre<Host>,
    functions: Vec<(Function, ComponentExportIndex)>,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("general::Linked").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Linked {
    /// Binds what `linker` has and looks up every export.
    pub fn new(linker: &Linker<Host>, analysis: &Analysis, component: &Component) -> Result<Self> {
        let pre = linker.instantiate_pre(component).map_err(|e| {
            let message = format!("the component's imports do not fit the host's: {e:#}").replace('\n', " ");
            Error::new(ErrorKind::TypeMismatch, message)
        })?;
        let mut functions = Vec::new();
        for function in Function::ALL.into_iter().filter(|f| analysis.roles.has(f.role())) {
            let interface = analysis.interfaces[function.role() as usize].as_deref().unwrap_or_default();
            let index = component.get_export_index(None, interface);
            let index = index.and_then(|index| component.get_export_index(Some(&index), function.name()));
            let gone = || Error::new(ErrorKind::Internal, format!("{interface}#{} is gone", function.name()));
            functions.push((function, index.ok_or_else(gone)?));
        }
        Ok(Self { pre, functions })
    }

    /// Instantiates in `store`. A component that may wait in its imports needs a waiter.
    pub fn instantiate(&self, mut store: Store<Host>, waiter: Option<Waiter>) -> wasmtime::Result<Running> {
        let _watch = watch(store.data(), waiter.is_some());
        let instance = match &waiter {
            None => self.pre.instantiate(&mut store),
            Some(waiter) => waiter.run(Limit::of(store.data()), self.pre.instantiate_async(&mut store)),
        };
        let instance = instance.map_err(|error| fault::why(error, store.data().stopped))?;
        let mut functions = Functions::default();
        for (function, index) in &self.functions {
            functions.set(*function, &instance, index, &mut store)?;
        }
        Ok(Running { store, waiter, instance, functions })
    }
}

#[cfg(feature = "wasi")]
impl Drop for Running {
    /// Closes its files, unless their descriptors, or those of what it waits with, are the program's by now.
    fn drop(&mut self) {
        let wasi = &mut self.store.data_mut().wasi;
        let lost = wasi.as_ref().is_some_and(|wasi| wasi.lost_descriptors());
        if lost || self.waiter.as_ref().is_some_and(Waiter::lost_descriptors) {
            std::mem::forget(wasi.take());
        }
    }
}

/// Where the program's functions may be called, whose arguments are lifted by the clock; where something
/// is written by WASI's streams, or a result is `long`.
fn watch(host: &Host, long: bool) -> Option<Watch> {
    (long || !host.grants.defined.is_empty()).then(|| Watch::over(host))
}

type Answer<T> = (std::result::Result<T, ErrorOut>,);
type ElementFunc<T> = Option<TypedFunc<(ElementIn,), Answer<T>>>;

/// The contract's functions; each is there where its role is.
#[derive(Default)]
struct Functions {
    init: Option<TypedFunc<(&'static str,), Answer<()>>>,
    teardown: Option<TypedFunc<(), ()>>,
    pull: Option<TypedFunc<(), Answer<Option<ElementOut>>>>,
    notify: Option<TypedFunc<(Signal,), ()>>,
    process: ElementFunc<ProcessOut>,
    push: ElementFunc<Signal>,
    complete: Option<TypedFunc<(), Answer<()>>>,
    evaluate: ElementFunc<bool>,
    route: ElementFunc<Names>,
    ingest: ElementFunc<Option<ElementOut>>,
    flush: Option<TypedFunc<(), Answer<Elements>>>,
}

impl Functions {
    fn set(
        &mut self,
        function: Function,
        instance: &Instance,
        index: &ComponentExportIndex,
        store: &mut Store<Host>,
    ) -> wasmtime::Result<()> {
        fn find<P, R>(
            instance: &Instance,
            index: &ComponentExportIndex,
            store: &mut Store<Host>,
        ) -> wasmtime::Result<Option<TypedFunc<P, R>>>
        where
            P: ComponentNamedList + Lower,
            R: ComponentNamedList + Lift,
        {
            instance.get_typed_func(store, index).map(Some)
        }
        match function {
            Function::Init => self.init = find(instance, index, store)?,
            Function::Teardown => self.teardown = find(instance, index, store)?,
            Function::Pull => self.pull = find(instance, index, store)?,
            Function::NotifyBackpressure => self.notify = find(instance, index, store)?,
            Function::Process => self.process = find(instance, index, store)?,
            Function::Push => self.push = find(instance, index, store)?,
            Function::Complete => self.complete = find(instance, index, store)?,
            Function::Evaluate => self.evaluate = find(instance, index, store)?,
            Function::Route => self.route = find(instance, index, store)?,
            Function::Ingest => self.ingest = find(instance, index, store)?,
            Function::Flush => self.flush = find(instance, index, store)?,
        }
        Ok(())
    }
}

/// A running instance.
pub struct Running {
    /// The store; its data is the host side.
    pub store: Store<Host>,
    waiter: Option<Waiter>,
    instance: Instance,
    functions: Functions,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("general::Running").finish_non_exhaustive()
    }
}

/// Calls `func`, with what it waits with where it may wait.
fn enter<P, R>(
    store: &mut Store<Host>,
    waiter: Option<&Waiter>,
    func: &TypedFunc<P, R>,
    params: P,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift + 'static,
{
    let host = store.data_mut();
    host.stopped = None;
    #[cfg(feature = "wasi")]
    if let Some(wasi) = &mut host.wasi {
        wasi.call_begins();
    }
    match waiter {
        None => func.call(store, params),
        Some(waiter) => waiter.run(Limit::of(store.data()), func.call_async(store, params)),
    }
}

/// Calls `func`; none where the role is absent, which is refused before it gets here.
fn call<P, R>(store: &mut Store<Host>, waiter: Option<&Waiter>, func: Option<&TypedFunc<P, R>>, params: P) -> Outcome<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift + 'static,
{
    let absent = || Fault::Stopped(wasmtime::Error::msg("a function that the component does not export"));
    let func = func.ok_or_else(absent)?;
    let result = TypeId::of::<R>();
    let long = result == TypeId::of::<Answer<Elements>>() || result == TypeId::of::<Answer<Names>>();
    let running = texts::Running::new(store.data());
    let _watch = watch(store.data(), long || waiter.is_some());
    let result = enter(store, waiter, func, params);
    let result = result.and_then(|result| charge(&mut *store, running.copied()).map(|()| result));
    result.map_err(|error| Fault::Stopped(fault::why(error, store.data().stopped)))
}

fn answer<T>((result,): Answer<T>) -> Outcome<T> {
    result.map_err(|error| Fault::Guest(error.into()))
}

/// A lifted output, its buffer taken out of the table.
fn one(store: &mut Store<Host>, out: ElementOut) -> Outcome<OutputElement> {
    let taken = store.data_mut().handles.take_output(out.payload.rep(), &out.meta.content_type.0);
    let payload = taken.map_err(|breach| Fault::Stopped(breach.into()))?;
    Ok(OutputElement { sequence: out.meta.sequence, timestamp_ns: out.meta.timestamp_ns, payload })
}

/// The one output of a call.
fn taken(store: &mut Store<Host>, out: ElementOut) -> Outcome<OutputElement> {
    let output = one(store, out);
    store.data_mut().handles.let_go();
    output
}

/// A call outside of the contract for which nothing but the call is left to do.
pub struct Prepared {
    func: Exported,
    args: Vec<Value>,
    owned: Vec<Key>,
}

impl Running {
    /// Whether what it waits with is that of a process that forked this one.
    pub fn is_of_a_parent(&self) -> bool {
        self.waiter.as_ref().is_some_and(Waiter::is_of_a_parent)
    }

    /// A call that lends an element, also to `take`, which takes what the call gave.
    fn lend<T, R>(
        &mut self,
        find: fn(&Functions) -> &ElementFunc<T>,
        element: &StreamElement<'_>,
        take: impl FnOnce(&mut Store<Host>, T) -> Outcome<R>,
    ) -> Outcome<R>
    where
        Answer<T>: ComponentNamedList + Lift + 'static,
    {
        let params = ElementIn {
            meta: MetaIn {
                sequence: element.sequence,
                timestamp_ns: element.timestamp_ns,
                content_type: lent(element.content_type),
            },
            payload: Resource::new_borrow(PAYLOAD),
            context: Resource::new_borrow(CONTEXT),
        };
        let (func, waiter) = (find(&self.functions).as_ref(), self.waiter.as_ref());
        Loan::during(
            &mut self.store,
            |store| &mut store.data_mut().loan,
            element,
            |store| {
                charge(&mut *store, element.content_type.len()).map_err(Fault::Stopped)?;
                let given = answer(call(store, waiter, func, (params,))?)?;
                take(store, given)
            },
        )
    }

    /// Finds an exported function outside of the contract, by name, then has the `count` arguments read
    /// that it is to be called with, and checks them; within the call's time.
    pub fn prepare(
        &mut self,
        interface: &str,
        function: &str,
        count: usize,
        read: impl FnOnce(&Seen) -> std::result::Result<Vec<Value>, NoCall>,
    ) -> std::result::Result<Prepared, NoCall> {
        let Self { store, instance, .. } = self;
        let gone = |what: String| NoCall::Absent(format!("the component exports no {what}"));
        let place = match interface {
            "" => None,
            name => match instance.get_export_index(&mut *store, None, name) {
                Some(index) => Some(index),
                None => return Err(gone(format!("interface `{name}`"))),
            },
        };
        let index = instance.get_export_index(&mut *store, place.as_ref(), function);
        let func = index.and_then(|index| instance.get_func(&mut *store, index));
        let func = func.ok_or_else(|| gone(format!("function `{function}` there")))?;
        let (exported, seen) = values::exported(func, &*store).map_err(|e| NoCall::Unfit(format!("{e:#}")))?;
        if seen.params() != count {
            return Err(NoCall::Unfit(format!("it takes {} arguments, {count} were given", seen.params())));
        }
        let _watch = Watch::over(store.data());
        let args = read(&seen)?;
        let owned = seen.check(&args, &store.data().resources).map_err(|(i, misfit)| match misfit {
            Misfit::Type(reason) => {
                let ty = func.ty(&*store);
                let name = ty.params().nth(i).map_or("", |(name, _)| name);
                NoCall::Unfit(format!("`args[{i}]`, its parameter {name}: {reason}"))
            }
            Misfit::Other(error) => NoCall::Stopped(error),
        })?;
        store.data_mut().given.take(owned.iter().copied())?;
        Ok(Prepared { func: exported, args, owned })
    }

    /// Drops a call that was prepared; nothing runs.
    pub fn take_back(&mut self, call: Prepared) {
        call.owned.into_iter().for_each(|key| self.store.data_mut().given.back(key));
    }

    /// Makes a call that was prepared; `take` takes what it gave.
    pub fn call_other<R>(
        &mut self,
        call: Prepared,
        take: impl FnOnce(Option<Value>) -> wasmtime::Result<R>,
    ) -> Outcome<R> {
        let Self { store, waiter, .. } = self;
        let (func, params) = (call.func, Params(call.args));
        let _watch = Watch::over(store.data());
        let called = enter(store, waiter.as_ref(), &func, params);
        let taken = || {
            let Results(mut result) = called?;
            charge(&mut *store, result.copied)?;
            values::give_back(store.data_mut(), &result.resources)
                .map_err(|what| wasmtime::Error::msg(format!("the result is {what}")))?;
            take(result.values.pop())
        };
        let taken = taken();
        taken.map_err(|error| Fault::Stopped(fault::why(error, store.data().stopped)))
    }

    /// See `ComponentInvoker::invoke_init`, and so on for the rest.
    pub fn init(&mut self, config: &str) -> Outcome<()> {
        charge(&mut self.store, config.len()).map_err(Fault::Stopped)?;
        answer(call(&mut self.store, self.waiter.as_ref(), self.functions.init.as_ref(), (lent(config),))?)
    }

    /// `teardown`.
    pub fn teardown(&mut self) -> Outcome<()> {
        call(&mut self.store, self.waiter.as_ref(), self.functions.teardown.as_ref(), ())
    }

    /// `pull`.
    pub fn pull(&mut self) -> Outcome<Option<OutputElement>> {
        let out = answer(call(&mut self.store, self.waiter.as_ref(), self.functions.pull.as_ref(), ())?)?;
        out.map(|out| taken(&mut self.store, out)).transpose()
    }

    /// `notify-backpressure`.
    pub fn notify_backpressure(&mut self, signal: BackpressureSignal) -> Outcome<()> {
        call(&mut self.store, self.waiter.as_ref(), self.functions.notify.as_ref(), (signal.into(),))
    }

    /// `process`.
    pub fn process(&mut self, element: &StreamElement<'_>) -> Outcome<ProcessResult> {
        self.lend(
            |f| &f.process,
            element,
            |store, out| match out {
                ProcessOut::Emit(out) => taken(store, out).map(ProcessResult::Emit),
                ProcessOut::Drop => Ok(ProcessResult::Drop),
            },
        )
    }

    /// `push`.
    pub fn push(&mut self, element: &StreamElement<'_>) -> Outcome<BackpressureSignal> {
        self.lend(|f| &f.push, element, |_, signal| Ok(signal.into()))
    }

    /// `complete`.
    pub fn complete(&mut self) -> Outcome<()> {
        answer(call(&mut self.store, self.waiter.as_ref(), self.functions.complete.as_ref(), ())?)
    }

    /// `evaluate`.
    pub fn evaluate(&mut self, element: &StreamElement<'_>) -> Outcome<bool> {
        self.lend(|f| &f.evaluate, element, |_, passes| Ok(passes))
    }

    /// `route`: the names lie in `Canon::ports`.
    pub fn route(&mut self, element: &StreamElement<'_>) -> Outcome<()> {
        self.store.data_mut().handles.held().set_ports(0, 0);
        self.lend(
            |f| &f.route,
            element,
            |store, names| {
                let host = store.data_mut();
                let (count, bytes) = names.0.size();
                host.handles.held().set_ports(count, bytes);
                host.canon.ports = names.0;
                Ok(())
            },
        )
    }

    /// `ingest`.
    pub fn ingest(&mut self, element: &StreamElement<'_>) -> Outcome<Option<OutputElement>> {
        self.lend(|f| &f.ingest, element, |store, out| out.map(|out| taken(store, out)).transpose())
    }

    /// `flush`.
    pub fn flush(&mut self) -> Outcome<Vec<OutputElement>> {
        let outs = answer(call(&mut self.store, self.waiter.as_ref(), self.functions.flush.as_ref(), ())?)?;
        let mut elements = held::room(outs.0.len()).map_err(|breach| Fault::Stopped(breach.into()))?;
        let taken = outs.0.into_iter().try_for_each(|out| {
            elements.push(one(&mut self.store, out)?);
            Ok(())
        });
        self.store.data_mut().handles.let_go();
        taken.map(|()| elements)
    }
}
