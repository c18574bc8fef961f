//! The seam between what drives components and what runs them: the engine knows bytes and
//! components, the invoker knows elements. Both are statically dispatched.
//!
//! Each method is cold (once in an instance's life, or rarer), warm (now and then) or hot (once
//! per element).

use crate::contract::ports::Ports;
use crate::contract::{BackpressureSignal, ComponentId, OutputElement, ProcessResult, StreamElement};
use crate::error::Result;

/// What an instance holds of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Linear memory of the guest, over all its memories.
    pub linear: u64,
    /// What the host holds for the guest (`contract::held`).
    pub buffers: u64,
}

/// Compiles components and makes instances of them.
pub trait WasmEngine {
    /// A compiled component; cheap to clone.
    type Compiled;
    /// What a component's imports are bound to.
    type Imports;
    /// A component bound to its imports, all look-ups done.
    type Linked;
    /// A running instance.
    type Instance;

    /// Compiles a component, binary or text. Cold. Fails with one of the kinds from `NotComponent`
    /// to `Compilation`.
    fn compile_component(&self, bytes: &[u8]) -> Result<Self::Compiled>;

    /// The compiled component as an artifact. Cold. Fails with `Internal`, or with `Unsupported`
    /// for a native one.
    fn serialize_component(&self, compiled: &Self::Compiled) -> Result<Vec<u8>>;

    /// A component from an artifact; none where the artifact is sound but made by another version
    /// or configuration. Cold. Fails with `Deserialization`.
    ///
    /// # Safety
    ///
    /// The artifact holds machine code that will be run: it must come from
    /// [`WasmEngine::serialize_component`] and from nobody else.
    #[allow(unsafe_code)] // the artifact is mapped and run
    unsafe fn deserialize_component(&self, bytes: &[u8]) -> Result<Option<Self::Compiled>>;

    /// Binds a component to its imports. Cold. Fails with `UnresolvedImport`, `TypeMismatch`.
    fn link(&self, compiled: &Self::Compiled, imports: &Self::Imports) -> Result<Self::Linked>;

    /// Makes an instance, exports resolved. Cold. Fails with `Argument` where an option is out of
    /// its range, with `Instantiation`, or with what stopped the guest's start function.
    fn instantiate(
        &self,
        linked: &Self::Linked,
        id: ComponentId,
        options: &super::instance::InstanceOptions,
    ) -> Result<Self::Instance>;

    /// Sets the fuel that is left. Warm. Fails with `FuelDisabled`, or with `State` after a reset
    /// that failed.
    fn set_fuel(&self, instance: &mut Self::Instance, fuel: u64) -> Result<()>;

    /// The fuel that is left; none where fuel is off. Hot.
    fn fuel_remaining(&self, instance: &Self::Instance) -> Option<u64>;

    /// What the instance holds of memory. Warm.
    fn memory_usage(&self, instance: &Self::Instance) -> MemoryUsage;
}

/// Calls the contract's functions on an instance. One call at a time: the caller has begun it on
/// the instance's `Control`.
///
/// Every method fails with the misuse kinds (`State`, `NotExported`; nothing ran), with what
/// stopped the guest (`Trap`, `Fuel`, `Deadline`, `Cancelled`, `Memory`, and `Internal` where a
/// native function answered what is none of its answers; the instance is poisoned), or with
/// `Guest(_)`, the guest's own verdict.
pub trait ComponentInvoker {
    /// What is called.
    type Instance;

    /// `lifecycle.init`; a success without effect where the component has no lifecycle. Cold.
    fn invoke_init(&self, instance: &mut Self::Instance, config: &str) -> Result<()>;

    /// `lifecycle.teardown`, at most once. Cold. The guest's failure goes to the log, not here.
    fn invoke_teardown(&self, instance: &mut Self::Instance) -> Result<()>;

    /// `source.pull`; none where the source has nothing, for now or ever. Hot.
    fn invoke_pull(&self, instance: &mut Self::Instance) -> Result<Option<OutputElement>>;

    /// `source.notify-backpressure`. Warm.
    fn invoke_notify_backpressure(&self, instance: &mut Self::Instance, signal: BackpressureSignal) -> Result<()>;

    /// `processor.process`. Hot.
    fn invoke_process(&self, instance: &mut Self::Instance, element: &StreamElement<'_>) -> Result<ProcessResult>;

    /// `sink.push`. Hot.
    fn invoke_push(&self, instance: &mut Self::Instance, element: &StreamElement<'_>) -> Result<BackpressureSignal>;

    /// `sink.complete`. Cold.
    fn invoke_complete(&self, instance: &mut Self::Instance) -> Result<()>;

    /// `filter.evaluate`. Hot.
    fn invoke_evaluate(&self, instance: &mut Self::Instance, element: &StreamElement<'_>) -> Result<bool>;

    /// `router.route`: the names of the ports, in storage of the instance that the next call on it
    /// reuses. Hot.
    fn invoke_route<'i>(&self, instance: &'i mut Self::Instance, element: &StreamElement<'_>) -> Result<&'i Ports>;

    /// `aggregator.ingest`. Hot.
    fn invoke_ingest(
        &self,
        instance: &mut Self::Instance,
        element: &StreamElement<'_>,
    ) -> Result<Option<OutputElement>>;

    /// `aggregator.flush`. Warm.
    fn invoke_flush(&self, instance: &mut Self::Instance) -> Result<Vec<OutputElement>>;
}
