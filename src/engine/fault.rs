//! Why a guest's call ended early, and how that becomes an error value.

use wasmtime::{Trap, WasmBacktrace};

use super::define::Failed;
use super::instance::HOSTCALL_BYTES;
use super::limits::LimitReached;
use super::system;
use crate::contract::ProcessError;
use crate::contract::host::Breach;
use crate::error::{Error, ErrorKind, TrapCode};

/// What a path says of a call that gave no result.
#[derive(Debug)]
pub enum Fault {
    /// The guest's own verdict.
    Guest(ProcessError),
    /// A trap or a budget.
    Stopped(wasmtime::Error),
}

/// What a path says of a call.
pub type Outcome<T> = Result<T, Fault>;

/// What ended a call other than the guest.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Stop {
    /// `Control::cancel`.
    #[error("cancelled; reset the instance to use it again")]
    Cancelled,
    /// The instance's timeout or the flow's deadline.
    #[error("the deadline passed; raise the timeout or reset the instance and go on")]
    Deadline,
    /// The instance waits in WASI with what a parent of this process has; see `engine::fork`.
    #[error("the process forked since the instance was made, and what it waits in is the parent's; reset it")]
    Forked,
    /// The program closed, or replaced, descriptors of the instance's; see `engine::descriptors`.
    #[error(
        "file descriptors that the component has in WASI are no longer the library's: the program closed them, or put \
         others in their place (`closefrom`, `dup2`); reset the instance"
    )]
    Descriptors,
    /// WASI needed a thread, and the system had none.
    #[error(
        "pthread_create was refused, and the component waits for what a thread does; {}; then reset the instance",
        super::system::no_thread()
    )]
    NoThread,
}

/// What a native function answered that is no answer of its.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misanswer(pub String);

fn trap_code(trap: Trap) -> TrapCode {
    match trap {
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::HeapMisaligned => TrapCode::HeapMisaligned,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapCode::IntegerDivisionByZero,
        Trap::BadConversionToInteger => TrapCode::BadConversionToInteger,
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::NullReference => TrapCode::NullReference,
        Trap::CannotLeaveComponent | Trap::CannotEnterComponent => TrapCode::CannotLeave,
        Trap::Interrupt => TrapCode::Interrupt,
        Trap::OutOfFuel => TrapCode::OutOfFuel,
        Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer => TrapCode::CanonicalAbi,
        _ => TrapCode::Other,
    }
}

/// A component's names of its own may be 100,000 bytes long; so much of one is kept.
const NAME: usize = 512;

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME)]
}

/// The guest's frames, innermost first; the library's own are left out.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let guest = backtrace.frames().iter().filter(|f| f.module().name() != Some(crate::direct::glue::NAME));
    guest
        .map(|frame| {
            let number = || format!("<function {}>", frame.func_index());
            let name = frame.func_name().map_or_else(number, |name| cut(name).to_owned());
            let module = cut(frame.module().name().unwrap_or("<module>"));
            // Within the function, since where the module begins is the path's own matter.
            match frame.func_offset() {
                Some(offset) => format!("{module}!{name}+{offset:#x}"),
                None => format!("{module}!{name}"),
            }
        })
        .collect()
}

/// The status that a guest gave to `wasi:cli/exit`, which ends the call and not the program.
#[cfg(feature = "wasi")]
fn exit(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<wasmtime_wasi::I32Exit>().map(|exit| exit.0)
}

#[cfg(not(feature = "wasi"))]
fn exit(_: &wasmtime::Error) -> Option<i32> {
    None
}

/// Whether the guest called what is there to be linked with alone.
#[cfg(feature = "wasi")]
fn refused(error: &wasmtime::Error) -> bool {
    error.is::<crate::wasi::http::Refused>()
}

#[cfg(not(feature = "wasi"))]
fn refused(_: &wasmtime::Error) -> bool {
    false
}

/// WASI's table of the instance is full.
#[cfg(feature = "wasi")]
fn table_full(error: &wasmtime::Error) -> bool {
    use wasmtime::component::ResourceTableError;
    matches!(error.downcast_ref(), Some(ResourceTableError::Full))
}

#[cfg(not(feature = "wasi"))]
fn table_full(_: &wasmtime::Error) -> bool {
    false
}

/// Whether more came from the guest at once than Wasmtime itself lifts (`Store::set_hostcall_fuel`): texts
/// that are given to WASI. The error's type is private, and its name all that can be had of it.
fn too_many_values(error: &wasmtime::Error) -> bool {
    format!("{:?}", error.root_cause()) == "HostcallFuelExhausted"
}

/// Why a call ended with `error`: what was found to end it, where it ended some other way since.
pub fn why(error: wasmtime::Error, found: Option<Stop>) -> wasmtime::Error {
    match found {
        Some(stop) if !error.is::<Stop>() => match error.downcast::<WasmBacktrace>() {
            Ok(frames) => wasmtime::Error::from(stop).context(frames),
            Err(_) => stop.into(),
        },
        _ => error,
    }
}

/// Whether [`stopped`] knows the error apart from the words of it.
pub fn is_known(error: &wasmtime::Error) -> bool {
    error.is::<Stop>()
        || error.is::<LimitReached>()
        || error.is::<Trap>()
        || error.is::<Breach>()
        || error.is::<Failed>()
        || error.is::<wasmtime::OutOfMemory>()
        || table_full(error)
        || too_many_values(error)
}

/// Where the system refused the stack that a component which may wait has to itself; nothing of it ran.
fn refused_stack(error: &wasmtime::Error) -> Option<Box<Error>> {
    let ran = error.is::<WasmBacktrace>();
    if ran { None } else { system::refused(ErrorKind::Internal, "there was no stack to run the component on", error) }
}

/// The error value for what stopped a guest.
#[cold]
pub fn stopped(error: &wasmtime::Error) -> Box<Error> {
    let cause = error.root_cause().to_string();
    let (kind, trap, message) = if let Some(stop) = error.downcast_ref::<Stop>() {
        match stop {
            Stop::Cancelled => (ErrorKind::Cancelled, None, cause),
            Stop::Deadline => (ErrorKind::Deadline, None, cause),
            Stop::Forked | Stop::Descriptors | Stop::NoThread => (ErrorKind::Internal, None, cause),
        }
    } else if error.is::<crate::direct::wasi::Exit>() || refused(error) {
        (ErrorKind::Trap, Some(TrapCode::Other), cause)
    } else if error.is::<Misanswer>() {
        (ErrorKind::Internal, None, cause)
    } else if error.is::<LimitReached>() {
        (ErrorKind::Memory, None, cause)
    } else if error.is::<wasmtime::OutOfMemory>() {
        (ErrorKind::Memory, None, format!("the system has no memory for what the component needs: {cause}"))
    } else if let Some(breach) = error.downcast_ref::<Breach>() {
        match breach {
            Breach::TooManyHandles(_)
            | Breach::TooManyStreams
            | Breach::ContentType(..)
            | Breach::ErrorText(..)
            | Breach::PortNames(_)
            | Breach::HeldTooMuch(..)
            | Breach::TooManyValues(_)
            | Breach::NoMemory(_) => (ErrorKind::Memory, None, cause),
            Breach::CannotLeave => (ErrorKind::Trap, Some(TrapCode::CannotLeave), cause),
            _ => (ErrorKind::Trap, Some(TrapCode::CanonicalAbi), cause),
        }
    } else if table_full(error) {
        (ErrorKind::Memory, None, Breach::TooManyStreams.to_string())
    } else if too_many_values(error) {
        (ErrorKind::Memory, None, Breach::TooManyValues(HOSTCALL_BYTES).to_string())
    } else if error.is::<Failed>() {
        (ErrorKind::HostFunction, None, cause)
    } else if let Some(status) = exit(error) {
        (ErrorKind::Trap, Some(TrapCode::Other), format!("the component exited with status {status}"))
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap_code(*trap) {
            TrapCode::OutOfFuel => (ErrorKind::Fuel, None, "all fuel was used; raise the budget".into()),
            code => (ErrorKind::Trap, Some(code), cause),
        }
    } else if let Some(refused) = refused_stack(error) {
        return refused;
    } else {
        // Wasmtime's component runtime says breaches of the canonical ABI in words alone.
        (ErrorKind::Trap, Some(TrapCode::CanonicalAbi), cause)
    };
    let mut error_value = Error::new(kind, message);
    error_value.trap = trap;
    error_value.backtrace = frames(error);
    error_value
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    use super::*;

    #[test]
    fn what_wasmtime_does_not_lift_is_known_by_its_name() {
        use wasmtime::component::{Component, Linker};

        let engine = wasmtime::Engine::default();
        let component = r#"(component
            (import "take" (func $take (param "text" string)))
            (core module $memory (memory (export "memory") 1))
            (core instance $memory (instantiate $memory))
            (core func $take (canon lower (func $take) (memory (core memory $memory "memory"))))
            (core module $calls
                (func $take (import "host" "take") (param i32 i32))
                (func (export "call") (call $take (i32.const 0) (i32.const 10))))
            (core instance $calls (instantiate $calls (with "host" (instance (export "take" (func $take))))))
            (func (export "call") (canon lift (core func $calls "call"))))"#;
        let component = Component::new(&engine, wat::parse_str(component).unwrap()).unwrap();
        let mut linker = Linker::new(&engine);
        linker.root().func_wrap("take", |_, (_,): (String,)| Ok(())).unwrap();
        for (most, known) in [(9, true), (10, false)] {
            let mut store = wasmtime::Store::new(&engine, ());
            store.set_hostcall_fuel(most);
            let instance = linker.instantiate(&mut store, &component).unwrap();
            let call = instance.get_typed_func::<(), ()>(&mut store, "call").unwrap();
            let called = call.call(&mut store, ());
            assert_eq!(called.is_err_and(|error| too_many_values(&error) && is_known(&error)), known);
        }
        let told = Breach::TooManyValues(HOSTCALL_BYTES).to_string();
        assert!(told.contains("1 MiB"), "{told}");
    }
}
