//! Errors as values: what happened, to which component, in which function, and what to do.

use std::fmt::{self, Write as _};

use crate::contract::{ComponentId, Function, ProcessErrorKind, held};

/// What every fallible operation of the crate gives. Boxed, so that the success path stays small.
pub type Result<T> = std::result::Result<T, Box<Error>>;

/// The kind of an [`Error`]; each is one negative status of the C ABI (`ffi/status.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is specified once, at its status in `ffi/status.rs`
pub enum ErrorKind {
    // Misuse by the caller: nothing ran, nothing changed.
    Null,
    Utf8,
    Argument,
    Busy,
    State,
    WrongEngine,
    NotExported,
    FuelDisabled,
    // The engine.
    Config,
    NotComponent,
    CoreModule,
    Malformed,
    NoRole,
    Unsupported,
    Compilation,
    Deserialization,
    Io,
    UnresolvedImport,
    TypeMismatch,
    Instantiation,
    Trap,
    Fuel,
    Deadline,
    Cancelled,
    Memory,
    HostFunction,
    Wasi,
    Internal,
    Panic,
    // The component's own verdict (`process-error` in `wit/torvyn-streaming/types.wit`).
    Guest(ProcessErrorKind),
}

/// Why a guest trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is specified once, at its constant in `ffi/status.rs`
pub enum TrapCode {
    StackOverflow,
    MemoryOutOfBounds,
    HeapMisaligned,
    TableOutOfBounds,
    IndirectCallToNull,
    BadSignature,
    IntegerOverflow,
    IntegerDivisionByZero,
    BadConversionToInteger,
    Unreachable,
    NullReference,
    CannotLeave,
    CanonicalAbi,
    Interrupt,
    OutOfFuel,
    Other,
}

/// One failure. Built only where something failed.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    /// What failed.
    pub kind: ErrorKind,
    /// What happened and what to do, one line; without component and function, which `Display` adds.
    pub message: String,
    /// The instance's id, where an instance is concerned.
    pub component: Option<ComponentId>,
    /// The function of the contract that was called.
    pub function: Option<Function>,
    /// Set where a guest trapped.
    pub trap: Option<TrapCode>,
    /// The guest's frames, innermost first.
    pub backtrace: Vec<String>,
    /// Set where the failure ended its instance: it is FAILED or POISONED by it.
    pub fatal: bool,
}

/// A text that grows as long as the system has memory: a component's may be in it.
#[derive(Default)]
struct Growing(String);

impl fmt::Write for Growing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        held::append(&mut self.0, text).map_err(|_| fmt::Error)
    }
}

/// Whether a reader sees `c` as what it is: it is no control character, nor one of format (U+202E reverses
/// what follows it), a line or paragraph separator, a tag, a surrogate's or private code, or none at all.
/// Spaces and combining marks are.
fn is_shown(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // What the standard library prints of a text. A mark is only escaped where a text begins with it.
    let mut text = [b'a'; 5];
    let len = 1 + c.encode_utf8(&mut text[1..]).len();
    let prints = std::str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c));
    prints || (c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'))
}

/// The same in one line, with what is not shown escaped.
#[derive(Default)]
struct OneLine(Growing);

impl fmt::Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c| !is_shown(c)) {
            self.0.write_str(&rest[..at])?;
            let hidden = rest[at..].chars().next().unwrap_or_default();
            write!(self.0, "{}", hidden.escape_default())?;
            rest = &rest[at + hidden.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// `message` in one line in which a reader sees all that is there, since a component's text may hold
/// anything; as much of it as the system has memory for.
pub fn one_line(message: impl fmt::Display) -> String {
    let mut line = OneLine::default();
    let _ = write!(line, "{message}");
    line.0.0
}

impl Error {
    /// An error of `kind` that concerns no instance yet.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            kind,
            message: message.into(),
            component: None,
            function: None,
            trap: None,
            backtrace: Vec::new(),
            fatal: false,
        })
    }

    /// Names the instance and the call that failed.
    #[must_use]
    pub fn at(mut self: Box<Self>, component: ComponentId, function: Option<Function>) -> Box<Self> {
        self.component = Some(component);
        self.function = self.function.or(function);
        self
    }

    /// Says that the failure ended its instance.
    #[must_use]
    pub fn fatal(mut self: Box<Self>) -> Box<Self> {
        self.fatal = true;
        self
    }

    /// Whether the instance can take no further element without a reset, by this failure.
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// What happened, for a reader who knows the component and the function.
    pub fn what(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match self.kind {
            ErrorKind::Guest(kind) if self.message.is_empty() => write!(f, "answered {}", kind.name()),
            ErrorKind::Guest(kind) => write!(f, "answered {}: {}", kind.name(), self.message),
            _ => f.write_str(&self.message),
        })
    }

    /// Whether the same call may succeed when it is made again later, unchanged.
    pub fn is_retryable(&self) -> bool {
        use ErrorKind as K;
        let passes = matches!(
            self.kind,
            K::Busy | K::Guest(ProcessErrorKind::Unavailable) | K::Guest(ProcessErrorKind::DeadlineExceeded)
        );
        passes && !self.fatal
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.component, self.function) {
            (Some(id), Some(function)) => write!(f, "component {}, {}: ", id.0, function.name())?,
            (Some(id), None) => write!(f, "component {}: ", id.0)?,
            (None, Some(function)) => write!(f, "{}: ", function.name())?,
            (None, None) => {}
        }
        write!(f, "{}", self.what())?;
        use ErrorKind as K;
        if self.fatal && matches!(self.kind, K::Trap | K::Fuel | K::Memory | K::HostFunction) {
            f.write_str("; reset the instance to use it again")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_would_not_see_is_escaped() {
        let hidden = "\0\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
            \u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{fff9}\u{fffb}\u{1d173}\
            \u{e0001}\u{e0041}\u{e000}\u{10ffff}\u{378}";
        for c in hidden.chars() {
            assert_eq!(one_line(format_args!("x{c}y")), format!("x{}y", c.escape_default()));
        }
        let shown = "a ~\"\\'\u{a0}\u{3000}äß e\u{301} \u{301}人ñ\u{fe0f}🙂עברית عربي हिन्दी";
        assert_eq!(one_line(shown), shown);
    }
}
