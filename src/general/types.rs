//! The WIT types of the contract as Wasmtime's typed functions take and give them.

use wasmtime::component::{ComponentType, Lift, Lower, Resource};

use super::texts::{ContentType, ErrorText, Text};
use crate::contract::{BackpressureSignal, ProcessError, ProcessErrorKind};

/// Stands for the resource `buffer`.
pub enum Buffer {}
/// Stands for the resource `mutable-buffer`.
pub enum MutableBuffer {}
/// Stands for the resource `flow-context`.
pub enum FlowContext {}

#[derive(ComponentType, Lower)]
#[component(record)]
pub struct MetaIn {
    pub sequence: u64,
    #[component(name = "timestamp-ns")]
    pub timestamp_ns: u64,
    #[component(name = "content-type")]
    pub content_type: &'static str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub struct ElementIn {
    pub meta: MetaIn,
    pub payload: Resource<Buffer>,
    pub context: Resource<FlowContext>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub struct MetaOut {
    pub sequence: u64,
    #[component(name = "timestamp-ns")]
    pub timestamp_ns: u64,
    #[component(name = "content-type")]
    pub content_type: Text<ContentType>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub struct ElementOut {
    pub meta: MetaOut,
    pub payload: Resource<Buffer>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub enum ProcessOut {
    #[component(name = "emit")]
    Emit(ElementOut),
    #[component(name = "drop")]
    Drop,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub enum ErrorOut {
    #[component(name = "invalid-input")]
    InvalidInput(Text<ErrorText>),
    #[component(name = "unavailable")]
    Unavailable(Text<ErrorText>),
    #[component(name = "internal")]
    Internal(Text<ErrorText>),
    #[component(name = "deadline-exceeded")]
    DeadlineExceeded,
    #[component(name = "fatal")]
    Fatal(Text<ErrorText>),
}

impl From<ErrorOut> for ProcessError {
    fn from(error: ErrorOut) -> Self {
        let (kind, text) = match error {
            ErrorOut::InvalidInput(text) => (ProcessErrorKind::InvalidInput, text.0),
            ErrorOut::Unavailable(text) => (ProcessErrorKind::Unavailable, text.0),
            ErrorOut::Internal(text) => (ProcessErrorKind::Internal, text.0),
            ErrorOut::DeadlineExceeded => (ProcessErrorKind::DeadlineExceeded, String::new()),
            ErrorOut::Fatal(text) => (ProcessErrorKind::Fatal, text.0),
        };
        Self { kind, text }
    }
}

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub enum Signal {
    #[component(name = "ready")]
    Ready,
    #[component(name = "pause")]
    Pause,
}

impl From<Signal> for BackpressureSignal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Ready => Self::Ready,
            Signal::Pause => Self::Pause,
        }
    }
}

impl From<BackpressureSignal> for Signal {
    fn from(signal: BackpressureSignal) -> Self {
        match signal {
            BackpressureSignal::Ready => Self::Ready,
            BackpressureSignal::Pause => Self::Pause,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub enum BufferError {
    #[component(name = "capacity-exceeded")]
    CapacityExceeded,
    #[component(name = "out-of-bounds")]
    OutOfBounds,
    #[component(name = "allocation-failed")]
    AllocationFailed(&'static str),
}

impl From<crate::contract::host::BufferError> for BufferError {
    fn from(error: crate::contract::host::BufferError) -> Self {
        use crate::contract::host::BufferError as Host;
        match error {
            Host::CapacityExceeded => Self::CapacityExceeded,
            Host::OutOfBounds => Self::OutOfBounds,
            Host::AllocationFailed(text) => Self::AllocationFailed(text),
        }
    }
}
