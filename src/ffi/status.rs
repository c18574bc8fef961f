//! What a call came to.

use std::ffi::{CStr, c_char, c_int};

use super::args::Clear;
use crate::contract::ProcessErrorKind;
use crate::error::{ErrorKind, TrapCode};

/// What a call came to.
///
/// 0 is success. Positive values are outcomes, not errors. Negative values are
/// errors in three families: -1 to -99 the caller's misuse (nothing ran and
/// nothing changed), -100 to -199 the engine's, -200 to -299 the component's own
/// verdict. Later versions may add values; no value ever changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum Status {
    /// Done; where the function has an output, it is set.
    TORVYN_OK = 0,
    /// The source has no element. Which of two things that means, the program
    /// knows: after torvyn_notify_backpressure() with TORVYN_SIGNAL_PAUSE it is
    /// "nothing for now", to be asked again after TORVYN_SIGNAL_READY; without a
    /// pause it is the end of the stream.
    TORVYN_NO_ELEMENT = 1,
    /// The component took the element and gave nothing: a processor dropped it,
    /// an aggregator's window is not complete yet.
    TORVYN_NOTHING_EMITTED = 2,
    /// The artifact is sound, but it was made by another version of the library,
    /// for another kind of machine, or under an engine configuration with another
    /// `fuel`, `simd`, `relaxed_simd`, `multi_memory`, `optimize`,
    /// `explicit_traps`, `unwind_info`, `memory_reservation` or, for a pool,
    /// `memory_limit`: compile the component again. Nothing else in the
    /// configuration matters, but that an artifact holds code for the path alone
    /// that was compiled (torvyn_component_serialize()).
    TORVYN_INCOMPATIBLE = 3,
    /// No fuel is counted: neither by an engine without `fuel`
    /// (torvyn_engine_config_t) nor for a native component.
    TORVYN_FUEL_OFF = 4,

    /// A pointer that must not be NULL is NULL; the error names the parameter.
    TORVYN_ERROR_NULL = -1,
    /// A string is not valid UTF-8; the error names it.
    TORVYN_ERROR_UTF8 = -2,
    /// A parameter or a field is out of its range; the error names it.
    TORVYN_ERROR_ARGUMENT = -3,
    /// A call runs on the instance already, on another thread or further up on
    /// this one's stack. Make the call again when that one has returned.
    TORVYN_ERROR_BUSY = -4,
    /// The instance's state does not allow the call: torvyn_init() was not
    /// called, or only torvyn_teardown() or torvyn_instance_reset() are left.
    TORVYN_ERROR_STATE = -5,
    /// The handles belong to different engines.
    TORVYN_ERROR_WRONG_ENGINE = -6,
    /// The component does not have the role that the function belongs to, or no
    /// function of the name that torvyn_call() was given.
    TORVYN_ERROR_NOT_EXPORTED = -7,
    /// Fuel cannot be set, since none is counted.
    TORVYN_ERROR_FUEL_DISABLED = -8,

    /// The engine cannot be configured so; the error names the field.
    TORVYN_ERROR_CONFIG = -100,
    /// The bytes are no WebAssembly, neither binary nor text.
    TORVYN_ERROR_NOT_COMPONENT = -101,
    /// The bytes are a core module. `wasm-tools component new` makes a component
    /// of it.
    TORVYN_ERROR_CORE_MODULE = -102,
    /// The bytes are a component, but not a valid one.
    TORVYN_ERROR_MALFORMED = -103,
    /// The component exports no role of the contract.
    TORVYN_ERROR_NO_ROLE = -104,
    /// The component uses what this library or this engine's configuration does
    /// not allow; the error says what.
    TORVYN_ERROR_UNSUPPORTED = -105,
    /// The component is valid, but no machine code could be made of it.
    TORVYN_ERROR_COMPILATION = -106,
    /// The bytes are no artifact, or a damaged one.
    TORVYN_ERROR_DESERIALIZATION = -107,
    /// A file could not be read; the error has its path and the system's reason.
    TORVYN_ERROR_IO = -108,
    /// Nothing provides an import of the component; the error names it.
    TORVYN_ERROR_UNRESOLVED_IMPORT = -109,
    /// An import or an export has another type than the contract or the program
    /// says, or torvyn_call() was given arguments of other types.
    TORVYN_ERROR_TYPE_MISMATCH = -110,
    /// No instance could be made; the error says why.
    TORVYN_ERROR_INSTANTIATION = -111,
    /// The component trapped: it did what WebAssembly or the component model
    /// forbids. torvyn_error_trap() says what. The instance is POISONED.
    TORVYN_ERROR_TRAP = -112,
    /// The component used up its fuel. The instance is POISONED.
    TORVYN_ERROR_FUEL = -113,
    /// The instance's timeout or the flow's deadline passed. The instance is
    /// POISONED.
    TORVYN_ERROR_DEADLINE = -114,
    /// torvyn_cancel() stopped the call. The instance is POISONED, or as it was
    /// where the component had not begun to run.
    TORVYN_ERROR_CANCELLED = -115,
    /// The component passed a limit of memory, tables, handles, texts or values.
    /// The instance is POISONED; as it was where the error says that nothing ran.
    TORVYN_ERROR_MEMORY = -116,
    /// A host function failed. The instance is POISONED.
    TORVYN_ERROR_HOST_FUNCTION = -117,
    /// The WASI configuration is not possible; the error says why.
    TORVYN_ERROR_WASI = -118,
    /// The library or the system under it failed; the error says how (see System
    /// at the head of this file). Or a native component answered what is none of
    /// its answers, or WASI had no thread to wait with: the instance is POISONED.
    TORVYN_ERROR_INTERNAL = -119,
    /// A defect of the library, caught before it could spread; the error says
    /// where. An instance whose call it ended is POISONED.
    TORVYN_ERROR_PANIC = -120,

    /// The component says that the input breaks its expectations.
    TORVYN_ERROR_INVALID_INPUT = -200,
    /// The component says that something it depends on cannot be reached.
    TORVYN_ERROR_UNAVAILABLE = -201,
    /// The component says that it has a defect.
    TORVYN_ERROR_GUEST_INTERNAL = -202,
    /// The component says that it gave up because the flow's deadline passed.
    TORVYN_ERROR_DEADLINE_EXCEEDED = -203,
    /// The component says that it can process nothing more, ever. The instance
    /// is FAILED.
    TORVYN_ERROR_FATAL = -204,
}

use Status::*;

/// Why a component trapped.
///
/// Later versions may add values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum Trap {
    /// It did not trap.
    TORVYN_TRAP_NONE = 0,
    /// Its calls went deeper than the stack (`guest_stack`).
    TORVYN_TRAP_STACK_OVERFLOW = 1,
    /// It read or wrote outside of its memory.
    TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS = 2,
    /// An atomic access was not aligned.
    TORVYN_TRAP_HEAP_MISALIGNED = 3,
    /// It reached outside of a table.
    TORVYN_TRAP_TABLE_OUT_OF_BOUNDS = 4,
    /// It called through an empty table entry.
    TORVYN_TRAP_INDIRECT_CALL_TO_NULL = 5,
    /// It called a function as one of another type.
    TORVYN_TRAP_BAD_SIGNATURE = 6,
    /// An integer overflowed in a division.
    TORVYN_TRAP_INTEGER_OVERFLOW = 7,
    /// It divided by zero.
    TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO = 8,
    /// It converted a number that is no integer, or too large, to one.
    TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER = 9,
    /// It executed `unreachable`: in C `abort()`, in Rust a panic.
    TORVYN_TRAP_UNREACHABLE = 10,
    /// It used a null reference.
    TORVYN_TRAP_NULL_REFERENCE = 11,
    /// It called an import from where none may be called.
    TORVYN_TRAP_CANNOT_LEAVE = 12,
    /// It broke a rule of the component model's canonical ABI: a handle, a
    /// pointer or a string that is not valid, a borrow not given back.
    TORVYN_TRAP_CANONICAL_ABI = 13,
    /// It was interrupted.
    TORVYN_TRAP_INTERRUPT = 14,
    /// It ran out of fuel.
    TORVYN_TRAP_OUT_OF_FUEL = 15,
    /// Another reason; the error's message says which.
    TORVYN_TRAP_OTHER = 99,
}

use Trap::*;

impl Clear for Status {
    const CLEAR: Self = TORVYN_OK;
}

impl Status {
    /// Every status, in the order of the header.
    #[rustfmt::skip]
    const ALL: [Status; 39] = [
        TORVYN_OK, TORVYN_NO_ELEMENT, TORVYN_NOTHING_EMITTED, TORVYN_INCOMPATIBLE, TORVYN_FUEL_OFF,
        TORVYN_ERROR_NULL, TORVYN_ERROR_UTF8, TORVYN_ERROR_ARGUMENT, TORVYN_ERROR_BUSY, TORVYN_ERROR_STATE,
        TORVYN_ERROR_WRONG_ENGINE, TORVYN_ERROR_NOT_EXPORTED, TORVYN_ERROR_FUEL_DISABLED,
        TORVYN_ERROR_CONFIG, TORVYN_ERROR_NOT_COMPONENT, TORVYN_ERROR_CORE_MODULE, TORVYN_ERROR_MALFORMED,
        TORVYN_ERROR_NO_ROLE, TORVYN_ERROR_UNSUPPORTED, TORVYN_ERROR_COMPILATION,
        TORVYN_ERROR_DESERIALIZATION, TORVYN_ERROR_IO, TORVYN_ERROR_UNRESOLVED_IMPORT,
        TORVYN_ERROR_TYPE_MISMATCH, TORVYN_ERROR_INSTANTIATION, TORVYN_ERROR_TRAP, TORVYN_ERROR_FUEL,
        TORVYN_ERROR_DEADLINE, TORVYN_ERROR_CANCELLED, TORVYN_ERROR_MEMORY, TORVYN_ERROR_HOST_FUNCTION,
        TORVYN_ERROR_WASI, TORVYN_ERROR_INTERNAL, TORVYN_ERROR_PANIC, TORVYN_ERROR_INVALID_INPUT,
        TORVYN_ERROR_UNAVAILABLE, TORVYN_ERROR_GUEST_INTERNAL, TORVYN_ERROR_DEADLINE_EXCEEDED,
        TORVYN_ERROR_FATAL,
    ];

    /// The status that a number is.
    pub fn known(number: c_int) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status as c_int == number)
    }

    /// The constant's name.
    pub fn name(self) -> &'static str {
        self.words().0.to_str().unwrap_or_default()
    }

    /// The constant's name and one sentence.
    #[rustfmt::skip]
    const fn words(self) -> (&'static CStr, &'static CStr) {
        match self {
            TORVYN_OK => (c"TORVYN_OK", c"Done."),
            TORVYN_NO_ELEMENT => (c"TORVYN_NO_ELEMENT", c"The source has no element, for now or for ever."),
            TORVYN_NOTHING_EMITTED => (c"TORVYN_NOTHING_EMITTED", c"The component took the element and gave nothing."),
            TORVYN_INCOMPATIBLE => (c"TORVYN_INCOMPATIBLE", c"The artifact was made by another version or configuration."),
            TORVYN_FUEL_OFF => (c"TORVYN_FUEL_OFF", c"No fuel is counted."),
            TORVYN_ERROR_NULL => (c"TORVYN_ERROR_NULL", c"A required pointer is NULL."),
            TORVYN_ERROR_UTF8 => (c"TORVYN_ERROR_UTF8", c"A string is not valid UTF-8."),
            TORVYN_ERROR_ARGUMENT => (c"TORVYN_ERROR_ARGUMENT", c"A parameter is out of its range."),
            TORVYN_ERROR_BUSY => (c"TORVYN_ERROR_BUSY", c"A call runs on the instance already."),
            TORVYN_ERROR_STATE => (c"TORVYN_ERROR_STATE", c"The instance's state does not allow the call."),
            TORVYN_ERROR_WRONG_ENGINE => (c"TORVYN_ERROR_WRONG_ENGINE", c"The handles belong to different engines."),
            TORVYN_ERROR_NOT_EXPORTED => (c"TORVYN_ERROR_NOT_EXPORTED", c"The component does not have the function's role."),
            TORVYN_ERROR_FUEL_DISABLED => (c"TORVYN_ERROR_FUEL_DISABLED", c"Fuel cannot be set where none is counted."),
            TORVYN_ERROR_CONFIG => (c"TORVYN_ERROR_CONFIG", c"The engine cannot be configured so."),
            TORVYN_ERROR_NOT_COMPONENT => (c"TORVYN_ERROR_NOT_COMPONENT", c"The bytes are no WebAssembly."),
            TORVYN_ERROR_CORE_MODULE => (c"TORVYN_ERROR_CORE_MODULE", c"The bytes are a core module, not a component."),
            TORVYN_ERROR_MALFORMED => (c"TORVYN_ERROR_MALFORMED", c"The component is not valid."),
            TORVYN_ERROR_NO_ROLE => (c"TORVYN_ERROR_NO_ROLE", c"The component exports no role of the contract."),
            TORVYN_ERROR_UNSUPPORTED => (c"TORVYN_ERROR_UNSUPPORTED", c"The component uses what is not supported here."),
            TORVYN_ERROR_COMPILATION => (c"TORVYN_ERROR_COMPILATION", c"The component could not be compiled."),
            TORVYN_ERROR_DESERIALIZATION => (c"TORVYN_ERROR_DESERIALIZATION", c"The bytes are no artifact, or a damaged one."),
            TORVYN_ERROR_IO => (c"TORVYN_ERROR_IO", c"A file could not be read."),
            TORVYN_ERROR_UNRESOLVED_IMPORT => (c"TORVYN_ERROR_UNRESOLVED_IMPORT", c"Nothing provides an import of the component."),
            TORVYN_ERROR_TYPE_MISMATCH => (c"TORVYN_ERROR_TYPE_MISMATCH", c"An import or export has another type than the contract says."),
            TORVYN_ERROR_INSTANTIATION => (c"TORVYN_ERROR_INSTANTIATION", c"The instance could not be made."),
            TORVYN_ERROR_TRAP => (c"TORVYN_ERROR_TRAP", c"The component trapped."),
            TORVYN_ERROR_FUEL => (c"TORVYN_ERROR_FUEL", c"The component used up its fuel."),
            TORVYN_ERROR_DEADLINE => (c"TORVYN_ERROR_DEADLINE", c"The call's deadline passed."),
            TORVYN_ERROR_CANCELLED => (c"TORVYN_ERROR_CANCELLED", c"The call was cancelled."),
            TORVYN_ERROR_MEMORY => (c"TORVYN_ERROR_MEMORY", c"The component passed a limit of memory, tables or handles."),
            TORVYN_ERROR_HOST_FUNCTION => (c"TORVYN_ERROR_HOST_FUNCTION", c"A host function failed."),
            TORVYN_ERROR_WASI => (c"TORVYN_ERROR_WASI", c"The WASI configuration is not possible."),
            TORVYN_ERROR_INTERNAL => (c"TORVYN_ERROR_INTERNAL", c"The library or the system under it failed."),
            TORVYN_ERROR_PANIC => (c"TORVYN_ERROR_PANIC", c"A defect of the library ended the call."),
            TORVYN_ERROR_INVALID_INPUT => (c"TORVYN_ERROR_INVALID_INPUT", c"The component says that the input is not valid."),
            TORVYN_ERROR_UNAVAILABLE => (c"TORVYN_ERROR_UNAVAILABLE", c"The component says that something it needs cannot be reached."),
            TORVYN_ERROR_GUEST_INTERNAL => (c"TORVYN_ERROR_GUEST_INTERNAL", c"The component says that it has a defect."),
            TORVYN_ERROR_DEADLINE_EXCEEDED => (c"TORVYN_ERROR_DEADLINE_EXCEEDED", c"The component says that it gave up at the deadline."),
            TORVYN_ERROR_FATAL => (c"TORVYN_ERROR_FATAL", c"The component says that it can process nothing more."),
        }
    }
}

impl Trap {
    /// Every trap, in the order of the header.
    #[rustfmt::skip]
    const ALL: [Trap; 17] = [
        TORVYN_TRAP_NONE, TORVYN_TRAP_STACK_OVERFLOW, TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS,
        TORVYN_TRAP_HEAP_MISALIGNED, TORVYN_TRAP_TABLE_OUT_OF_BOUNDS, TORVYN_TRAP_INDIRECT_CALL_TO_NULL,
        TORVYN_TRAP_BAD_SIGNATURE, TORVYN_TRAP_INTEGER_OVERFLOW, TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO,
        TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER, TORVYN_TRAP_UNREACHABLE, TORVYN_TRAP_NULL_REFERENCE,
        TORVYN_TRAP_CANNOT_LEAVE, TORVYN_TRAP_CANONICAL_ABI, TORVYN_TRAP_INTERRUPT,
        TORVYN_TRAP_OUT_OF_FUEL, TORVYN_TRAP_OTHER,
    ];

    const fn name(self) -> &'static CStr {
        match self {
            TORVYN_TRAP_NONE => c"TORVYN_TRAP_NONE",
            TORVYN_TRAP_STACK_OVERFLOW => c"TORVYN_TRAP_STACK_OVERFLOW",
            TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS => c"TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS",
            TORVYN_TRAP_HEAP_MISALIGNED => c"TORVYN_TRAP_HEAP_MISALIGNED",
            TORVYN_TRAP_TABLE_OUT_OF_BOUNDS => c"TORVYN_TRAP_TABLE_OUT_OF_BOUNDS",
            TORVYN_TRAP_INDIRECT_CALL_TO_NULL => c"TORVYN_TRAP_INDIRECT_CALL_TO_NULL",
            TORVYN_TRAP_BAD_SIGNATURE => c"TORVYN_TRAP_BAD_SIGNATURE",
            TORVYN_TRAP_INTEGER_OVERFLOW => c"TORVYN_TRAP_INTEGER_OVERFLOW",
            TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO => c"TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO",
            TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER => c"TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER",
            TORVYN_TRAP_UNREACHABLE => c"TORVYN_TRAP_UNREACHABLE",
            TORVYN_TRAP_NULL_REFERENCE => c"TORVYN_TRAP_NULL_REFERENCE",
            TORVYN_TRAP_CANNOT_LEAVE => c"TORVYN_TRAP_CANNOT_LEAVE",
            TORVYN_TRAP_CANONICAL_ABI => c"TORVYN_TRAP_CANONICAL_ABI",
            TORVYN_TRAP_INTERRUPT => c"TORVYN_TRAP_INTERRUPT",
            TORVYN_TRAP_OUT_OF_FUEL => c"TORVYN_TRAP_OUT_OF_FUEL",
            TORVYN_TRAP_OTHER => c"TORVYN_TRAP_OTHER",
        }
    }
}

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        use ErrorKind as K;
        match kind {
            K::Null => TORVYN_ERROR_NULL,
            K::Utf8 => TORVYN_ERROR_UTF8,
            K::Argument => TORVYN_ERROR_ARGUMENT,
            K::Busy => TORVYN_ERROR_BUSY,
            K::State => TORVYN_ERROR_STATE,
            K::WrongEngine => TORVYN_ERROR_WRONG_ENGINE,
            K::NotExported => TORVYN_ERROR_NOT_EXPORTED,
            K::FuelDisabled => TORVYN_ERROR_FUEL_DISABLED,
            K::Config => TORVYN_ERROR_CONFIG,
            K::NotComponent => TORVYN_ERROR_NOT_COMPONENT,
            K::CoreModule => TORVYN_ERROR_CORE_MODULE,
            K::Malformed => TORVYN_ERROR_MALFORMED,
            K::NoRole => TORVYN_ERROR_NO_ROLE,
            K::Unsupported => TORVYN_ERROR_UNSUPPORTED,
            K::Compilation => TORVYN_ERROR_COMPILATION,
            K::Deserialization => TORVYN_ERROR_DESERIALIZATION,
            K::Io => TORVYN_ERROR_IO,
            K::UnresolvedImport => TORVYN_ERROR_UNRESOLVED_IMPORT,
            K::TypeMismatch => TORVYN_ERROR_TYPE_MISMATCH,
            K::Instantiation => TORVYN_ERROR_INSTANTIATION,
            K::Trap => TORVYN_ERROR_TRAP,
            K::Fuel => TORVYN_ERROR_FUEL,
            K::Deadline => TORVYN_ERROR_DEADLINE,
            K::Cancelled => TORVYN_ERROR_CANCELLED,
            K::Memory => TORVYN_ERROR_MEMORY,
            K::HostFunction => TORVYN_ERROR_HOST_FUNCTION,
            K::Wasi => TORVYN_ERROR_WASI,
            K::Internal => TORVYN_ERROR_INTERNAL,
            K::Panic => TORVYN_ERROR_PANIC,
            K::Guest(ProcessErrorKind::InvalidInput) => TORVYN_ERROR_INVALID_INPUT,
            K::Guest(ProcessErrorKind::Unavailable) => TORVYN_ERROR_UNAVAILABLE,
            K::Guest(ProcessErrorKind::Internal) => TORVYN_ERROR_GUEST_INTERNAL,
            K::Guest(ProcessErrorKind::DeadlineExceeded) => TORVYN_ERROR_DEADLINE_EXCEEDED,
            K::Guest(ProcessErrorKind::Fatal) => TORVYN_ERROR_FATAL,
        }
    }
}

impl From<Option<TrapCode>> for Trap {
    fn from(code: Option<TrapCode>) -> Self {
        use TrapCode as C;
        match code {
            None => TORVYN_TRAP_NONE,
            Some(C::StackOverflow) => TORVYN_TRAP_STACK_OVERFLOW,
            Some(C::MemoryOutOfBounds) => TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS,
            Some(C::HeapMisaligned) => TORVYN_TRAP_HEAP_MISALIGNED,
            Some(C::TableOutOfBounds) => TORVYN_TRAP_TABLE_OUT_OF_BOUNDS,
            Some(C::IndirectCallToNull) => TORVYN_TRAP_INDIRECT_CALL_TO_NULL,
            Some(C::BadSignature) => TORVYN_TRAP_BAD_SIGNATURE,
            Some(C::IntegerOverflow) => TORVYN_TRAP_INTEGER_OVERFLOW,
            Some(C::IntegerDivisionByZero) => TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO,
            Some(C::BadConversionToInteger) => TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER,
            Some(C::Unreachable) => TORVYN_TRAP_UNREACHABLE,
            Some(C::NullReference) => TORVYN_TRAP_NULL_REFERENCE,
            Some(C::CannotLeave) => TORVYN_TRAP_CANNOT_LEAVE,
            Some(C::CanonicalAbi) => TORVYN_TRAP_CANONICAL_ABI,
            Some(C::Interrupt) => TORVYN_TRAP_INTERRUPT,
            Some(C::OutOfFuel) => TORVYN_TRAP_OUT_OF_FUEL,
            Some(C::Other) => TORVYN_TRAP_OTHER,
        }
    }
}

/// The name of a status, e.g. "TORVYN_ERROR_TRAP".
///
/// @param status  Any number.
///
/// @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
///          status of this version; never NULL.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_status_name(status: c_int) -> *const c_char {
    ffi!(neutral: c"TORVYN_UNKNOWN".as_ptr() => {
        Status::known(status).map_or(c"TORVYN_UNKNOWN", |status| status.words().0).as_ptr()
    })
}

/// One English sentence about a status, without the particulars that
/// torvyn_error_message() has.
///
/// @param status  Any number.
///
/// @return  NUL-terminated, static; "Unknown status." for a number that is no
///          status of this version; never NULL.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_status_text(status: c_int) -> *const c_char {
    ffi!(neutral: c"Unknown status.".as_ptr() => {
        Status::known(status).map_or(c"Unknown status.", |status| status.words().1).as_ptr()
    })
}

/// The name of a trap, e.g. "TORVYN_TRAP_UNREACHABLE".
///
/// @param trap  Any number.
///
/// @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
///          trap of this version; never NULL.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_trap_name(trap: c_int) -> *const c_char {
    ffi!(neutral: c"TORVYN_UNKNOWN".as_ptr() => {
        let known = Trap::ALL.into_iter().find(|t| *t as c_int == trap);
        known.map_or(c"TORVYN_UNKNOWN", Trap::name).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(at: *const c_char) -> &'static str {
        // SAFETY: static and NUL-terminated.
        unsafe { CStr::from_ptr(at) }.to_str().unwrap()
    }

    /// How many constants of a prefix this file gives a value.
    fn defined(prefix: &str) -> usize {
        let constants = include_str!("status.rs").lines().filter_map(|line| line.trim().split_once(" = "));
        constants.filter(|(name, value)| name.starts_with(prefix) && value.ends_with(',')).count()
    }

    #[test]
    fn each_constant_has_its_name_and_a_sentence() {
        assert_eq!(Status::ALL.len(), defined("TORVYN_") - defined("TORVYN_TRAP_"));
        assert_eq!(Trap::ALL.len(), defined("TORVYN_TRAP_"));
        for status in Status::ALL {
            // SAFETY: any number is allowed.
            let (name, sentence) =
                unsafe { (torvyn_status_name(status as c_int), torvyn_status_text(status as c_int)) };
            assert_eq!(text(name), format!("{status:?}"));
            assert!(text(sentence).ends_with('.'));
        }
        for trap in Trap::ALL {
            // SAFETY: any number is allowed.
            assert_eq!(text(unsafe { torvyn_trap_name(trap as c_int) }), format!("{trap:?}"));
        }
        for unknown in [c_int::MIN, -999, 5, c_int::MAX] {
            // SAFETY: any number is allowed.
            assert_eq!(text(unsafe { torvyn_status_name(unknown) }), "TORVYN_UNKNOWN");
            // SAFETY: any number is allowed.
            assert_eq!(text(unsafe { torvyn_status_text(unknown) }), "Unknown status.");
        }
    }
}
