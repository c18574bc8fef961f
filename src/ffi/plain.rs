//! The structs that C fills and reads in place. Their layout is fixed.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;

use super::args::{self, Clear, bad};
use super::handle;
use crate::contract::{self, BackpressureSignal, FlowContext, MAX_BUFFER, OutputElement, StreamElement};
use crate::error::{Error, ErrorKind, Result};

/// A piece of UTF-8 text: a pointer and a length.
///
/// As an input it need not be NUL-terminated, is borrowed for the call, and
/// holds at most 16 MiB; `data` may be NULL where `len` is 0. As an output it is
/// borrowed from what it was asked of, and NUL-terminated only where the
/// function says so.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Str {
    /// The first byte.
    pub data: *const c_char,
    /// Number of bytes, without a terminating NUL.
    pub len: usize,
}

/// A piece of memory: a pointer and a length.
///
/// As an input it is borrowed for the call; `data` may be NULL where `len` is 0.
/// As an output it is borrowed from what it was asked of.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Bytes {
    /// The first byte.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// What the program knows of the flow that an element belongs to. A component
/// reads it through the contract's `flow-context`.
///
/// The layout never changes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flow {
    /// W3C trace id, 32 hex digits; empty where tracing is off. Not checked.
    pub trace_id: Str,
    /// W3C span id of this stage, 16 hex digits; empty where tracing is off.
    pub span_id: Str,
    /// The program's name for the flow; may be empty.
    pub flow_id: Str,
    /// Nanoseconds left for the element when the call begins; 0 for no deadline.
    /// It ends the call as the instance's timeout does, whichever comes first.
    pub deadline_ns: u64,
}

/// One unit of data, lent to a component for the length of one call.
///
/// The library keeps no pointer into it after the call returns and copies none
/// of its bytes: a component's `read` copies from `payload` straight into the
/// component's memory. To feed an output to the next stage, point `payload` at
/// its `bytes` and release it after the call.
///
/// The layout never changes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Element {
    /// Position in the flow, from 0.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Media type, UTF-8, e.g. "application/json"; empty where there is none.
    pub content_type: Str,
    /// The bytes; at most 16 MiB (TORVYN_MAX_PAYLOAD).
    pub payload: Bytes,
    /// Trace ids and deadline of the flow, or NULL for none.
    pub flow: *const Flow,
}

/// Host memory with a component's output in it, owned by the caller until it is
/// released. It needs nothing else: instance, linked component, component and
/// engine may be freed before it.
pub struct BufferHandle(());

/// One unit of data that a component gave: its meta, and a buffer that the
/// caller owns.
///
/// `content_type` and `bytes` are views into `payload`; all three end with
/// torvyn_output_release(). Where nothing was given, every field is zero and
/// `payload` is NULL.
///
/// The layout never changes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Output {
    /// Position in the flow: the input's for a processor and an aggregator's
    /// `ingest`, the component's own elsewhere.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch, from where `sequence` is.
    pub timestamp_ns: u64,
    /// Media type from the element's meta; may be empty; not NUL-terminated.
    pub content_type: Str,
    /// The content, in place.
    pub bytes: Bytes,
    /// The buffer, owned by the caller: torvyn_output_release() gives it back, or
    /// torvyn_buffer_release() where it was moved elsewhere. NULL for no output.
    pub payload: *mut BufferHandle,
}

/// A list of outputs, owned by the caller: what torvyn_flush() gives.
pub struct OutputsHandle(());

/// Names of the ports that a router chose: the instance's, valid until the next
/// call on it or its end.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Ports {
    /// The names, not NUL-terminated, in the component's order.
    pub names: *const Str,
    /// Number of names; 0 drops the element.
    pub len: usize,
}

/// The longest payload of an element and of an output, in bytes.
pub const TORVYN_MAX_PAYLOAD: usize = 16777216;

const _: () = assert!(TORVYN_MAX_PAYLOAD == MAX_BUFFER);

/// Whether a consumer keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum Signal {
    /// Send more.
    TORVYN_SIGNAL_READY = 0,
    /// The element was taken; send no more until told.
    TORVYN_SIGNAL_PAUSE = 1,
}

/// A setting that is on, off, or left to its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum Switch {
    /// As the field says.
    TORVYN_DEFAULT = 0,
    /// On.
    TORVYN_ON = 1,
    /// Off.
    TORVYN_OFF = 2,
}

/// The way in which a component runs. It behaves the same on either, but for the
/// fuel that a call uses up, the numbers of handles, the wording of errors, and
/// what counts as held by an instance that is POISONED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum Path {
    /// As an answer: there is no component (NULL). As a setting: the direct path
    /// where the component is eligible for it, the general one elsewhere.
    TORVYN_PATH_AUTO = 0,
    /// The library's own, which takes the least time around a call. For components
    /// that import nothing but the contract and what toolchains of C and Rust link
    /// in of WASI 0.2, where none of it is granted: standard streams, arguments,
    /// environment, exit, clocks, randomness, files (polling and sockets are not
    /// among it); that export nothing but the contract, unless this is the setting
    /// (torvyn_call() is then TORVYN_ERROR_UNSUPPORTED); and whose calls pass
    /// values in one memory. torvyn_component_path_reason() says what stands
    /// against it.
    TORVYN_PATH_DIRECT = 1,
    /// Wasmtime's component runtime. For every component.
    TORVYN_PATH_GENERAL = 2,
    /// As an answer alone: the functions of the program that
    /// torvyn_component_native() was given.
    TORVYN_PATH_NATIVE = 3,
}

/// Roles of the contract that a component may export; bits of a set. Compatible
/// versions of the interfaces are 0.1.z and none, but no pre-release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum Role {
    /// `torvyn:streaming/source`: torvyn_pull(), torvyn_notify_backpressure().
    TORVYN_ROLE_SOURCE = 1,
    /// `torvyn:streaming/processor`: torvyn_process(), torvyn_process_batch().
    TORVYN_ROLE_PROCESSOR = 2,
    /// `torvyn:streaming/sink`: torvyn_push(), torvyn_push_batch(),
    /// torvyn_complete().
    TORVYN_ROLE_SINK = 4,
    /// `torvyn:filtering/filter`: torvyn_evaluate().
    TORVYN_ROLE_FILTER = 8,
    /// `torvyn:filtering/router`: torvyn_route().
    TORVYN_ROLE_ROUTER = 16,
    /// `torvyn:aggregation/aggregator`: torvyn_ingest(), torvyn_flush().
    TORVYN_ROLE_AGGREGATOR = 32,
    /// `torvyn:streaming/lifecycle`: torvyn_init() must come before any element,
    /// torvyn_teardown() may come last.
    TORVYN_ROLE_LIFECYCLE = 64,
}

const _: () = {
    use contract::Role as R;
    assert!(Role::TORVYN_ROLE_SOURCE as u32 == R::Source.bit());
    assert!(Role::TORVYN_ROLE_PROCESSOR as u32 == R::Processor.bit());
    assert!(Role::TORVYN_ROLE_SINK as u32 == R::Sink.bit());
    assert!(Role::TORVYN_ROLE_FILTER as u32 == R::Filter.bit());
    assert!(Role::TORVYN_ROLE_ROUTER as u32 == R::Router.bit());
    assert!(Role::TORVYN_ROLE_AGGREGATOR as u32 == R::Aggregator.bit());
    assert!(Role::TORVYN_ROLE_LIFECYCLE as u32 == R::Lifecycle.bit());
};

impl Clear for Str {
    const CLEAR: Self = Self { data: std::ptr::null(), len: 0 };
}

impl Clear for Bytes {
    const CLEAR: Self = Self { data: std::ptr::null(), len: 0 };
}

impl Clear for Output {
    const CLEAR: Self = Self {
        sequence: 0,
        timestamp_ns: 0,
        content_type: Str::CLEAR,
        bytes: Bytes::CLEAR,
        payload: std::ptr::null_mut(),
    };
}

impl Clear for Ports {
    const CLEAR: Self = Self { names: std::ptr::null(), len: 0 };
}

impl Clear for Signal {
    const CLEAR: Self = Signal::TORVYN_SIGNAL_READY;
}

#[cold]
fn not_utf8(name: &str) -> Box<Error> {
    Error::new(ErrorKind::Utf8, format!("`{name}` is not valid UTF-8"))
}

impl Str {
    /// "", NUL-terminated.
    pub const EMPTY: Self = Self { data: c"".as_ptr(), len: 0 };

    /// A view of `text`, valid as long as that is.
    #[inline]
    pub fn of(text: &str) -> Self {
        Self { data: text.as_ptr().cast(), len: text.len() }
    }

    /// The text that C lends; `name` is what to call it in an error.
    ///
    /// # Safety
    ///
    /// `data` is NULL or points to `len` bytes that stay as they are while the
    /// result lives.
    #[inline]
    pub unsafe fn text<'a>(self, name: &'static str) -> Result<&'a str> {
        if self.len == 0 {
            return Ok("");
        }
        // SAFETY: the caller's promise.
        let bytes = unsafe { args::list(self.data.cast::<u8>(), self.len, name)? };
        if bytes.len() > MAX_BUFFER {
            return Err(bad(name, format_args!("{} bytes are more than 16 MiB", bytes.len())));
        }
        // Media types are short and ASCII, which is seen sooner.
        if bytes.len() <= 32 && bytes.is_ascii() {
            // SAFETY: ASCII is UTF-8.
            return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
        }
        std::str::from_utf8(bytes).map_err(|_| not_utf8(name))
    }
}

impl Bytes {
    /// A view of `bytes`, valid as long as they are.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

impl Flow {
    #[inline]
    unsafe fn lend<'a>(self) -> Result<FlowContext<'a>> {
        // SAFETY: the caller's promise, for each of the strings.
        unsafe {
            Ok(FlowContext {
                trace_id: self.trace_id.text("element.flow.trace_id")?,
                span_id: self.span_id.text("element.flow.span_id")?,
                flow_id: self.flow_id.text("element.flow.flow_id")?,
                deadline_ns: self.deadline_ns,
            })
        }
    }
}

impl Element {
    /// Lends the element to `run`, once it is checked.
    ///
    /// # Safety
    ///
    /// What its pointers point to stays as it is until this returns.
    #[inline(always)]
    pub unsafe fn lend<R>(&self, run: impl FnOnce(&StreamElement<'_>) -> Result<R>) -> Result<R> {
        // SAFETY: the caller's promise, for this and the next three.
        let content_type = unsafe { self.content_type.text("element.content_type")? };
        // SAFETY: as above.
        let payload = unsafe { args::list(self.payload.data, self.payload.len, "element.payload")? };
        if payload.len() > MAX_BUFFER {
            let reason = format_args!("{} bytes are more than 16 MiB: split the element", payload.len());
            return Err(bad("element.payload", reason));
        }
        // SAFETY: as above.
        let flow = match unsafe { self.flow.as_ref() } {
            // SAFETY: as above.
            Some(flow) => Some(unsafe { flow.lend()? }),
            None => None,
        };
        let (sequence, timestamp_ns) = (self.sequence, self.timestamp_ns);
        run(&StreamElement { sequence, timestamp_ns, content_type, payload, flow: flow.as_ref() })
    }
}

impl From<OutputElement> for Output {
    #[inline]
    fn from(output: OutputElement) -> Self {
        let OutputElement { sequence, timestamp_ns, payload } = output;
        let content_type = Str::of(&payload.meta_type);
        let bytes = Bytes::of(payload.bytes());
        Self { sequence, timestamp_ns, content_type, bytes, payload: handle::give::<BufferHandle>(payload) }
    }
}

impl From<BackpressureSignal> for Signal {
    #[inline]
    fn from(signal: BackpressureSignal) -> Self {
        match signal {
            BackpressureSignal::Ready => Signal::TORVYN_SIGNAL_READY,
            BackpressureSignal::Pause => Signal::TORVYN_SIGNAL_PAUSE,
        }
    }
}

/// The number in an enumeration that C gave: any number, so never read as the
/// enumeration.
#[inline]
pub fn number<T>(given: MaybeUninit<T>) -> c_int {
    const { assert!(size_of::<T>() == size_of::<c_int>()) };
    // SAFETY: C gave an `int`, which has the size of `T` and for which any bits are good.
    unsafe { given.as_ptr().cast::<c_int>().read() }
}

/// The signal that C gave.
pub fn signal(given: MaybeUninit<Signal>, name: &str) -> Result<BackpressureSignal> {
    match number(given) {
        0 => Ok(BackpressureSignal::Ready),
        1 => Ok(BackpressureSignal::Pause),
        other => Err(bad(name, format_args!("{other} is no torvyn_signal_t"))),
    }
}

/// The setting that C gave, or `default`; `refuse` makes the error where it is
/// none.
pub fn switch(given: MaybeUninit<Switch>, default: bool, refuse: impl FnOnce(String) -> Box<Error>) -> Result<bool> {
    match number(given) {
        0 => Ok(default),
        1 => Ok(true),
        2 => Ok(false),
        other => Err(refuse(format!("{other} is no torvyn_switch_t"))),
    }
}

/// The number that C gave, or `default` where it is 0.
pub fn or<T: Default + PartialEq>(given: T, default: T) -> T {
    if given == T::default() { default } else { given }
}

/// Text that C may read: with a NUL at its end.
#[derive(Debug)]
pub struct Text(String);

impl From<String> for Text {
    /// Where the system has no memory for a NUL, it takes the place of the last character.
    fn from(mut text: String) -> Self {
        if text.try_reserve(1).is_err() {
            text.pop();
        }
        text.push('\0');
        Self(text)
    }
}

impl Text {
    /// A copy of `text`.
    pub fn new(text: &str) -> Self {
        Self(format!("{text}\0"))
    }

    /// The text without its NUL, valid as long as this is.
    pub fn view(&self) -> Str {
        Str { data: self.0.as_ptr().cast(), len: self.0.len() - 1 }
    }
}

impl From<&'static CStr> for Str {
    fn from(text: &'static CStr) -> Self {
        Self { data: text.as_ptr(), len: text.count_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element() -> Element {
        Element {
            sequence: 1,
            timestamp_ns: 2,
            content_type: Str::CLEAR,
            payload: Bytes::CLEAR,
            flow: std::ptr::null(),
        }
    }

    fn lend(element: &Element) -> Result<(String, usize, Option<String>)> {
        // SAFETY: the tests' pointers are NULL or into what lives.
        unsafe {
            element.lend(|e| Ok((e.content_type.into(), e.payload.len(), e.flow.map(|flow| flow.trace_id.into()))))
        }
    }

    #[test]
    fn what_c_lends_is_checked() {
        assert_eq!(lend(&element()).unwrap(), (String::new(), 0, None));
        let flow = Flow { trace_id: Str::of("abc"), span_id: Str::CLEAR, flow_id: Str::CLEAR, deadline_ns: 0 };
        let whole =
            Element { content_type: Str::of("text/plain"), payload: Bytes::of(b"12"), flow: &flow, ..element() };
        assert_eq!(lend(&whole).unwrap(), ("text/plain".into(), 2, Some("abc".into())));

        let null = Str { data: std::ptr::null(), len: 1 };
        let latin = Str { data: c"\xe9".as_ptr(), len: 1 };
        let too_long = Bytes { data: [0u8; 1].as_ptr(), len: usize::MAX };
        let bad_flow = Flow { span_id: latin, ..flow };
        let large = vec![0; MAX_BUFFER + 1];
        for (wrong, kind, name) in [
            (Element { content_type: null, ..element() }, ErrorKind::Null, "element.content_type"),
            (Element { content_type: latin, ..element() }, ErrorKind::Utf8, "element.content_type"),
            (Element { payload: Bytes { data: std::ptr::null(), len: 1 }, ..element() }, ErrorKind::Null, "payload"),
            (Element { payload: too_long, ..element() }, ErrorKind::Argument, "element.payload"),
            (Element { payload: Bytes::of(&large), ..element() }, ErrorKind::Argument, "element.payload"),
            (Element { flow: &bad_flow, ..element() }, ErrorKind::Utf8, "element.flow.span_id"),
        ] {
            let error = lend(&wrong).unwrap_err();
            assert_eq!(error.kind, kind);
            assert!(error.message.contains(name), "{}", error.message);
        }
        let largest = Element { payload: Bytes::of(&large[1..]), ..element() };
        assert_eq!(lend(&largest).unwrap().1, MAX_BUFFER);
    }

    #[test]
    fn any_number_of_c_is_looked_at_safely() {
        for n in [-1, 3, c_int::MAX] {
            let mut given = MaybeUninit::<Switch>::uninit();
            // SAFETY: an `int` fits; this is what C does.
            unsafe { given.as_mut_ptr().cast::<c_int>().write(n) };
            let refuse = |reason| Error::new(ErrorKind::Config, reason);
            assert_eq!(switch(given, true, refuse).unwrap_err().kind, ErrorKind::Config);
        }
        for (given, wanted) in [(Switch::TORVYN_ON, true), (Switch::TORVYN_OFF, false), (Switch::TORVYN_DEFAULT, true)]
        {
            assert_eq!(switch(MaybeUninit::new(given), true, |_| unreachable!()).unwrap(), wanted);
        }
        assert_eq!(signal(MaybeUninit::new(Signal::TORVYN_SIGNAL_PAUSE), "signal").unwrap(), BackpressureSignal::Pause);
    }

    #[test]
    fn layouts() {
        if cfg!(target_pointer_width = "64") {
            assert_eq!((size_of::<Element>(), size_of::<Output>(), size_of::<Flow>()), (56, 56, 56));
        }
    }
}
