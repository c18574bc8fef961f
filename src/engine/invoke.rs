//! The invoker: what surrounds every call — role, state, cancel, budgets before it; counters, state
//! and the error value after it — and the choice of the path.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::compile::CompiledComponent;
use super::control::{Counters, State};
use super::fault::{self, Fault, Outcome};
use super::instance::{ComponentInstance, InstanceOptions, NONE, Running};
use super::link::{ImportBindings, LinkedComponent};
use super::log::Level;
use super::term::Term;
use super::traits::{ComponentInvoker, MemoryUsage, WasmEngine};
use crate::contract::host::{Breach, Host};
use crate::contract::ports::Ports;
use crate::contract::{
    BackpressureSignal, ComponentId, Function, OutputElement, ProcessErrorKind, ProcessResult, Role, StreamElement,
};
use crate::error::{Error, ErrorKind, Result};
use crate::native::NativeComponent;

impl WasmEngine for Engine {
    type Compiled = CompiledComponent;
    type Imports = ImportBindings;
    type Linked = LinkedComponent;
    type Instance = ComponentInstance;

    fn compile_component(&self, bytes: &[u8]) -> Result<CompiledComponent> {
        super::compile::compile(self, bytes)
    }

    fn serialize_component(&self, compiled: &CompiledComponent) -> Result<Vec<u8>> {
        super::artifact::write(compiled)
    }

    #[allow(unsafe_code)] // the trait's own contract, passed on
    unsafe fn deserialize_component(&self, bytes: &[u8]) -> Result<Option<CompiledComponent>> {
        // SAFETY: the caller keeps this method's contract, which is the same.
        unsafe { super::artifact::deserialize(self, bytes) }
    }

    fn link(&self, compiled: &CompiledComponent, imports: &ImportBindings) -> Result<LinkedComponent> {
        LinkedComponent::new(compiled, imports)
    }

    fn instantiate(
        &self,
        linked: &LinkedComponent,
        id: ComponentId,
        options: &InstanceOptions,
    ) -> Result<ComponentInstance> {
        ComponentInstance::new(linked, id, options)
    }

    fn set_fuel(&self, instance: &mut ComponentInstance, fuel: u64) -> Result<()> {
        let id = instance.id;
        let refuse = |kind, message| Err(Error::new(kind, message).at(id, None));
        if !instance.has_fuel() {
            let native = "a native component uses no fuel; `timeout_ns` is what ends its calls";
            let off = "fuel is off in this engine; set `fuel` in its configuration";
            return refuse(ErrorKind::FuelDisabled, if self.config().fuel { native } else { off });
        }
        let Some(store) = instance.running.store_mut() else {
            return refuse(ErrorKind::State, "the latest reset failed, so there is nothing to fuel; reset it again");
        };
        if store.set_fuel(fuel).is_err() {
            return refuse(ErrorKind::Internal, "the fuel was not set");
        }
        instance.fuel = NONE;
        Ok(())
    }

    fn fuel_remaining(&self, instance: &ComponentInstance) -> Option<u64> {
        // Where a reset failed nothing is left.
        instance.has_fuel().then(|| instance.running.store().map_or(0, |store| store.get_fuel().unwrap_or(0)))
    }

    fn memory_usage(&self, instance: &ComponentInstance) -> MemoryUsage {
        instance.memory_usage()
    }
}

impl Engine {
    /// A component of the program's own functions.
    pub fn native_component(&self, native: Arc<dyn NativeComponent>) -> CompiledComponent {
        CompiledComponent::from_native(self, native)
    }

    /// A component from an artifact file, mapped and run in place.
    ///
    /// # Safety
    ///
    /// As for [`WasmEngine::deserialize_component`]; and the file must not change while a handle
    /// made from it is alive.
    #[allow(unsafe_code)] // the method's own contract, passed on
    pub unsafe fn deserialize_component_file(&self, path: &std::path::Path) -> Result<Option<CompiledComponent>> {
        // SAFETY: the caller keeps this method's contract, which is the same.
        unsafe { super::artifact::deserialize_file(self, path) }
    }
}

/// Calls instances on whichever path they run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Invoker;

/// Runs a method of the same name on the instance's path.
macro_rules! on_path {
    ($instance:expr, $method:ident($($arg:expr),*)) => {
        match &mut $instance.running {
            Running::Direct(running) => running.$method($($arg),*),
            Running::General(running) => running.$method($($arg),*),
            Running::Native(running) => running.$method($($arg),*),
            Running::Gone => Err(Fault::Stopped(wasmtime::Error::msg("the instance has no store; reset it"))),
        }
    };
}

/// Writes down what memory an instance holds.
#[inline(always)]
pub(super) fn set_memory(counters: &Counters, host: &Host) {
    let held = host.handles.held();
    counters.buffer_bytes.set(held.now());
    counters.buffer_bytes_peak.raise(held.peak());
    counters.linear_bytes.set(host.limits.linear);
}

impl ComponentInstance {
    #[cold]
    fn refuse(&self, kind: ErrorKind, function: Function, message: String) -> Box<Error> {
        self.control.counters.refused.add(1);
        Error::new(kind, message).at(self.id, Some(function))
    }

    #[cold]
    fn wrong_state(&self, function: Function) -> Box<Error> {
        let state = self.control.state();
        let advice = match state {
            State::New => "call init first",
            State::Ready => "it was initialised already; reset it to begin again",
            State::Failed => "the component said fatal or failed to initialise; tear it down, reset or free it",
            State::Poisoned => "a trap, a budget, a cancel or a defect ended an earlier call; reset or free it",
            State::TornDown => "it was torn down; reset or free it",
        };
        self.refuse(ErrorKind::State, function, format!("called in state {}: {advice}", state.name()))
    }

    #[cold]
    fn not_exported(&self, function: Function) -> Box<Error> {
        let message = format!("the component does not export {}", function.role().interface());
        self.refuse(ErrorKind::NotExported, function, message)
    }

    /// Checks role and state of a call that needs `READY`, and arms the budgets.
    #[inline(always)]
    fn arm(&mut self, function: Function, flow_ns: u64) -> Result<()> {
        if !self.roles.has(function.role()) {
            return Err(self.not_exported(function));
        }
        if self.control.state() != State::Ready {
            return Err(self.wrong_state(function));
        }
        self.budget(function, flow_ns)
    }

    #[inline(always)]
    pub(super) fn budget(&mut self, function: Function, flow_ns: u64) -> Result<()> {
        if let Err(error) = self.room.check() {
            return Err(self.refuse(error.kind, function, error.message));
        }
        if self.control.is_cancelled() {
            self.control.spend_cancel();
            self.control.counters.cancels.add(1);
            let message = "cancelled before it began; the instance is as it was".into();
            return Err(self.refuse(ErrorKind::Cancelled, function, message));
        }
        let (timeout, fuel) = (self.timeout_ticks, self.fuel);
        if let Running::Native(running) = &mut self.running {
            if let Err(error) = running.call.arm(timeout, flow_ns) {
                return Err(self.refuse(error.kind, function, error.message));
            }
        } else {
            let Some(store) = self.running.store_mut() else { return Err(self.wrong_state(function)) };
            let host = store.data_mut();
            let mut ticks = timeout;
            if flow_ns != 0 {
                ticks = ticks.min(host.clock.ticks_for(flow_ns));
            }
            host.term = match host.clock.begin() {
                Ok(tick) => Term::new(tick, ticks),
                Err(error) => return Err(self.refuse(error.kind, function, error.message)),
            };
            if host.fuel {
                let before = if fuel == NONE { store.get_fuel() } else { store.set_fuel(fuel).map(|()| fuel) };
                self.fuel_before = before.unwrap_or(0);
            }
        }
        self.control.counters.calls.add(1);
        if self.options.timing {
            self.started = Some(Instant::now());
        }
        Ok(())
    }

    /// Keeps the books of a call that ran, and makes an error value of what it failed with. `function`
    /// is none for one outside of the contract.
    #[inline(always)]
    pub(super) fn settle<T>(&mut self, function: impl Into<Option<Function>>, outcome: Outcome<T>) -> Result<T> {
        let counters = &self.control.counters;
        if self.options.timing
            && let Some(started) = self.started.take()
        {
            counters.time_ns.add(started.elapsed().as_nanos() as u64);
        }
        if let Some(store) = self.running.store() {
            let host = store.data();
            set_memory(counters, host);
            if host.fuel {
                counters.fuel_used.add(self.fuel_before.saturating_sub(store.get_fuel().unwrap_or(0)));
            }
        }
        match outcome {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.failed(function.into(), fault)),
        }
    }

    /// The error value for a result that the system has no memory for: the call ran, and what it gave is
    /// lost.
    #[cold]
    pub fn no_memory(&self, function: Function, breach: Breach) -> Box<Error> {
        self.failed(Some(function), Fault::Stopped(breach.into()))
    }

    #[cold]
    fn failed(&self, function: Option<Function>, fault: Fault) -> Box<Error> {
        let counters = &self.control.counters;
        match fault {
            Fault::Guest(error) => {
                counters.guest_errors.add(1);
                let value = Error::new(ErrorKind::Guest(error.kind), error.text).at(self.id, function);
                if error.kind == ProcessErrorKind::Fatal || function == Some(Function::Init) {
                    self.control.set_state(State::Failed);
                    return value.fatal();
                }
                value
            }
            Fault::Stopped(error) => {
                self.control.set_state(State::Poisoned);
                counters.stopped.add(1);
                let error = fault::stopped(&error);
                match error.kind {
                    ErrorKind::Fuel => counters.out_of_fuel.add(1),
                    ErrorKind::Deadline => counters.deadlines.add(1),
                    ErrorKind::Cancelled => counters.cancels.add(1),
                    ErrorKind::Memory => counters.memory_limits.add(1),
                    ErrorKind::Internal => {} // a native function's answer that is none
                    _ => counters.traps.add(1),
                }
                let error = error.at(self.id, function).fatal();
                if function != Some(Function::Teardown) {
                    self.log_failure(Level::Debug, &error);
                }
                error
            }
        }
    }

    /// A failure of a call in the program's log.
    #[cold]
    fn log_failure(&self, level: Level, error: &Error) {
        let message = std::fmt::from_fn(|f| {
            write!(f, "{}", error.what())?;
            error.backtrace.iter().try_for_each(|frame| write!(f, ", in {frame}"))
        });
        self.linked().engine().log(level, Some(self.id), error.function, message);
    }

    /// A call with an element.
    #[inline(always)]
    fn arm_element(&mut self, function: Function, element: &StreamElement<'_>) -> Result<()> {
        self.arm(function, element.flow.map_or(0, |flow| flow.deadline_ns))?;
        self.control.counters.elements_in.add(1);
        Ok(())
    }

    #[inline(always)]
    fn count_out(&self, n: usize) {
        self.control.counters.elements_out.add(n as u64);
    }
}

impl ComponentInvoker for Invoker {
    type Instance = ComponentInstance;

    fn invoke_init(&self, instance: &mut ComponentInstance, config: &str) -> Result<()> {
        if !instance.roles.has(Role::Lifecycle) && instance.control.state() == State::Ready {
            return Ok(());
        }
        if instance.control.state() != State::New {
            return Err(instance.wrong_state(Function::Init));
        }
        instance.budget(Function::Init, 0)?;
        let outcome = on_path!(instance, init(config));
        instance.settle(Function::Init, outcome)?;
        instance.control.set_state(State::Ready);
        Ok(())
    }

    fn invoke_teardown(&self, instance: &mut ComponentInstance) -> Result<()> {
        let state = instance.control.state();
        if matches!(state, State::Poisoned | State::TornDown) {
            return Err(instance.wrong_state(Function::Teardown));
        }
        // Refused as any other call, and to be made again: nothing is wrong with the component.
        if let Some(busy) = instance.room.check().err().filter(|error| error.kind == ErrorKind::Busy) {
            return Err(instance.refuse(busy.kind, Function::Teardown, busy.message));
        }
        // What was to be stopped is over; the component may say good-bye.
        instance.control.spend_cancel();
        if instance.roles.has(Role::Lifecycle) && state != State::New {
            let ended = instance.budget(Function::Teardown, 0).and_then(|()| {
                let outcome = on_path!(instance, teardown());
                instance.settle(Function::Teardown, outcome)
            });
            // Never stops a shutdown.
            if let Err(error) = ended {
                instance.log_failure(Level::Error, &error);
            }
        }
        instance.control.set_state(State::TornDown);
        Ok(())
    }

    #[inline(always)]
    fn invoke_pull(&self, instance: &mut ComponentInstance) -> Result<Option<OutputElement>> {
        instance.arm(Function::Pull, 0)?;
        let outcome = on_path!(instance, pull());
        let element = instance.settle(Function::Pull, outcome)?;
        instance.count_out(usize::from(element.is_some()));
        Ok(element)
    }

    fn invoke_notify_backpressure(&self, instance: &mut ComponentInstance, signal: BackpressureSignal) -> Result<()> {
        instance.arm(Function::NotifyBackpressure, 0)?;
        let outcome = on_path!(instance, notify_backpressure(signal));
        instance.settle(Function::NotifyBackpressure, outcome)
    }

    #[inline(always)]
    fn invoke_process(&self, instance: &mut ComponentInstance, element: &StreamElement<'_>) -> Result<ProcessResult> {
        instance.arm_element(Function::Process, element)?;
        let outcome = on_path!(instance, process(element));
        let mut result = instance.settle(Function::Process, outcome)?;
        if let ProcessResult::Emit(output) = &mut result {
            // The host's values win (`types.wit`, `element-meta`).
            (output.sequence, output.timestamp_ns) = (element.sequence, element.timestamp_ns);
            instance.count_out(1);
        }
        Ok(result)
    }

    #[inline(always)]
    fn invoke_push(&self, instance: &mut ComponentInstance, element: &StreamElement<'_>) -> Result<BackpressureSignal> {
        instance.arm_element(Function::Push, element)?;
        let outcome = on_path!(instance, push(element));
        instance.settle(Function::Push, outcome)
    }

    fn invoke_complete(&self, instance: &mut ComponentInstance) -> Result<()> {
        instance.arm(Function::Complete, 0)?;
        let outcome = on_path!(instance, complete());
        instance.settle(Function::Complete, outcome)
    }

    #[inline(always)]
    fn invoke_evaluate(&self, instance: &mut ComponentInstance, element: &StreamElement<'_>) -> Result<bool> {
        instance.arm_element(Function::Evaluate, element)?;
        let outcome = on_path!(instance, evaluate(element));
        instance.settle(Function::Evaluate, outcome)
    }

    #[inline(always)]
    fn invoke_route<'i>(&self, instance: &'i mut ComponentInstance, element: &StreamElement<'_>) -> Result<&'i Ports> {
        instance.arm_element(Function::Route, element)?;
        let outcome = on_path!(instance, route(element));
        instance.settle(Function::Route, outcome)?;
        instance.running.ports().ok_or_else(|| Error::new(ErrorKind::Internal, "the instance is gone"))
    }

    #[inline(always)]
    fn invoke_ingest(
        &self,
        instance: &mut ComponentInstance,
        element: &StreamElement<'_>,
    ) -> Result<Option<OutputElement>> {
        instance.arm_element(Function::Ingest, element)?;
        let outcome = on_path!(instance, ingest(element));
        let mut result = instance.settle(Function::Ingest, outcome)?;
        if let Some(output) = &mut result {
            (output.sequence, output.timestamp_ns) = (element.sequence, element.timestamp_ns);
            instance.count_out(1);
        }
        Ok(result)
    }

    fn invoke_flush(&self, instance: &mut ComponentInstance) -> Result<Vec<OutputElement>> {
        instance.arm(Function::Flush, 0)?;
        let outcome = on_path!(instance, flush());
        let elements = instance.settle(Function::Flush, outcome)?;
        instance.count_out(elements.len());
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::EngineConfig;

    fn instance(config: EngineConfig, options: impl FnOnce(&mut InstanceOptions)) -> Result<ComponentInstance> {
        let engine = Engine::new(config)?;
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/upper-case.wasm");
        let compiled = engine.compile_component(&std::fs::read(path).unwrap())?;
        let linked = engine.link(&compiled, &ImportBindings::new(&engine))?;
        let mut given = InstanceOptions::of(engine.config());
        options(&mut given);
        engine.instantiate(&linked, ComponentId(7), &given)
    }

    #[test]
    fn after_a_reset_that_failed_fuel_is_on_and_none_is_left() {
        let mut instance = instance(EngineConfig { fuel: true, ..Default::default() }, |_| ()).unwrap();
        let engine = instance.linked().engine().clone();
        engine.set_fuel(&mut instance, 9).unwrap();
        assert_eq!(engine.fuel_remaining(&instance), Some(9));
        instance.running = Running::Gone;
        assert_eq!(engine.fuel_remaining(&instance), Some(0));
        assert_eq!(engine.set_fuel(&mut instance, 1).unwrap_err().kind, ErrorKind::State);
    }

    #[test]
    fn an_option_out_of_its_range_is_named() {
        type Case = (fn(&mut InstanceOptions), &'static str);
        let cases: [Case; 6] = [
            (|o| o.timeout_ns = 5, "timeout_ns"),
            (|o| o.memory_limit = 1, "memory_limit"),
            (|o| o.max_handles = 1, "max_handles"),
            (|o| o.max_files = 0, "max_files"),
            (|o| o.buffer_limit = 1, "buffer_limit"),
            (|o| o.instance_limit = 10_001, "instance_limit"),
        ];
        for (set, name) in cases {
            let error = instance(EngineConfig::default(), set).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Argument);
            assert!(error.message.contains(&format!("`options.{name}`")), "{}", error.message);
        }
        let pooling = Some(super::super::config::Pooling { instances: 1, keep_resident: 0 });
        let error = instance(EngineConfig { pooling, ..Default::default() }, |o| o.memory_limit = 1 << 30).unwrap_err();
        assert!(error.message.contains("slot"), "{}", error.message);
    }

    #[test]
    fn time_is_counted_where_it_is_asked_for() {
        for timing in [true, false] {
            let mut instance = instance(EngineConfig::default(), |o| o.timing = timing).unwrap();
            assert!(instance.control().begin());
            Invoker.invoke_process(&mut instance, &StreamElement { payload: b"x", ..Default::default() }).unwrap();
            assert_eq!(instance.control().counters.read().time_ns > 0, timing);
        }
    }
}
