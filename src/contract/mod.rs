//! The contract of `wit/` in Rust: what goes into a component, what comes out, and the host side.

pub mod buffer;
pub mod held;
pub mod host;
pub mod lent;
pub mod names;
pub mod ports;

use buffer::Buffer;

/// The caller's own 64-bit name for an instance; appears in every error about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComponentId(pub u64);

/// The longest payload or buffer, in bytes: 16 MiB.
pub const MAX_BUFFER: usize = 16 << 20;

/// The longest content type that a guest may give, in bytes, but for that of the element which the
/// call lends: it is host memory beside the buffer's own.
pub const MAX_CONTENT_TYPE: usize = 4 << 10;

/// The longest text of a `process-error`, in bytes.
const MAX_ERROR_TEXT: usize = 64 << 10;

/// The most that the names of ports which one call gives may take up, in bytes of host memory.
pub const MAX_PORT_NAMES: usize = 1 << 20;

/// A function of the contract that a component may export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // named as in the WIT
pub enum Function {
    Init,
    Teardown,
    Pull,
    NotifyBackpressure,
    Process,
    Push,
    Complete,
    Evaluate,
    Route,
    Ingest,
    Flush,
}

impl Function {
    /// Every function, in the order of its discriminant.
    pub const ALL: [Function; 11] = [
        Function::Init,
        Function::Teardown,
        Function::Pull,
        Function::NotifyBackpressure,
        Function::Process,
        Function::Push,
        Function::Complete,
        Function::Evaluate,
        Function::Route,
        Function::Ingest,
        Function::Flush,
    ];

    /// The function's name in the WIT.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Init => "init",
            Function::Teardown => "teardown",
            Function::Pull => "pull",
            Function::NotifyBackpressure => "notify-backpressure",
            Function::Process => "process",
            Function::Push => "push",
            Function::Complete => "complete",
            Function::Evaluate => "evaluate",
            Function::Route => "route",
            Function::Ingest => "ingest",
            Function::Flush => "flush",
        }
    }

    /// The role whose interface has the function.
    pub const fn role(self) -> Role {
        match self {
            Function::Init | Function::Teardown => Role::Lifecycle,
            Function::Pull | Function::NotifyBackpressure => Role::Source,
            Function::Process => Role::Processor,
            Function::Push | Function::Complete => Role::Sink,
            Function::Evaluate => Role::Filter,
            Function::Route => Role::Router,
            Function::Ingest | Function::Flush => Role::Aggregator,
        }
    }
}

/// An exported interface of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // named as in the WIT
pub enum Role {
    Source,
    Processor,
    Sink,
    Filter,
    Router,
    Aggregator,
    Lifecycle,
}

impl Role {
    /// Every role, in the order of its bit.
    pub const ALL: [Role; 7] =
        [Role::Source, Role::Processor, Role::Sink, Role::Filter, Role::Router, Role::Aggregator, Role::Lifecycle];

    /// The interface's name without a version.
    pub const fn interface(self) -> &'static str {
        match self {
            Role::Source => "torvyn:streaming/source",
            Role::Processor => "torvyn:streaming/processor",
            Role::Sink => "torvyn:streaming/sink",
            Role::Filter => "torvyn:filtering/filter",
            Role::Router => "torvyn:filtering/router",
            Role::Aggregator => "torvyn:aggregation/aggregator",
            Role::Lifecycle => "torvyn:streaming/lifecycle",
        }
    }

    /// The functions of the interface.
    pub fn functions(self) -> impl Iterator<Item = Function> {
        Function::ALL.into_iter().filter(move |f| f.role() == self)
    }

    /// The role's bit in a [`Roles`] set.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The roles of one component, as a set of [`Role::bit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Roles(pub u32);

impl Roles {
    /// Whether `role` is in the set.
    #[inline]
    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Adds `role`.
    pub fn add(&mut self, role: Role) {
        self.0 |= role.bit();
    }
}

/// What the host knows of the flow that an element belongs to (`flow-context` in the WIT).
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowContext<'a> {
    /// W3C trace id, 32 hex digits, or "".
    pub trace_id: &'a str,
    /// W3C span id, 16 hex digits, or "".
    pub span_id: &'a str,
    /// The host's name for the flow.
    pub flow_id: &'a str,
    /// Nanoseconds left at the start of the call; 0 where there is no deadline.
    pub deadline_ns: u64,
}

/// One unit of data, lent to a component for one call (`stream-element` in the WIT).
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamElement<'a> {
    /// Position in the flow, from 0.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Media type of the payload, or "".
    pub content_type: &'a str,
    /// At most [`MAX_BUFFER`] bytes.
    pub payload: &'a [u8],
    /// The flow, where it is known.
    pub flow: Option<&'a FlowContext<'a>>,
}

/// One unit of data that a component gave (`output-element` in the WIT).
///
/// The content type of the element's meta travels in [`Buffer::meta_type`].
#[derive(Debug)]
pub struct OutputElement {
    /// Position in the flow.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Goes back to its pool when dropped through [`buffer::release`].
    pub payload: Box<Buffer>,
}

/// What `process` came to (`process-result` in the WIT).
#[derive(Debug)]
pub enum ProcessResult {
    /// A new element.
    Emit(OutputElement),
    /// The input was consumed and nothing comes of it.
    Drop,
}

/// Whether a consumer keeps up (`backpressure-signal` in the WIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackpressureSignal {
    /// Send more.
    Ready,
    /// This element was taken; send no more until told.
    Pause,
}

/// The cases of `process-error` in the WIT, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in the WIT
pub enum ProcessErrorKind {
    InvalidInput,
    Unavailable,
    Internal,
    DeadlineExceeded,
    Fatal,
}

impl ProcessErrorKind {
    /// The name in the WIT.
    pub const fn name(self) -> &'static str {
        match self {
            ProcessErrorKind::InvalidInput => "invalid-input",
            ProcessErrorKind::Unavailable => "unavailable",
            ProcessErrorKind::Internal => "internal",
            ProcessErrorKind::DeadlineExceeded => "deadline-exceeded",
            ProcessErrorKind::Fatal => "fatal",
        }
    }
}

/// A component's own verdict on a call (`process-error` in the WIT).
#[derive(Clone, Debug)]
pub struct ProcessError {
    /// Which case.
    pub kind: ProcessErrorKind,
    /// The guest's text; empty for `deadline-exceeded`.
    pub text: String,
}

impl ProcessError {
    /// Checks the length of a guest's text.
    #[inline]
    pub fn check_text(len: usize) -> Result<(), host::Breach> {
        if len > MAX_ERROR_TEXT { Err(host::Breach::ErrorText(len, MAX_ERROR_TEXT)) } else { Ok(()) }
    }
}
