//! What is known of a failure.

use super::args::Slot;
use super::handle::{self, Boxed, Handle};
use super::plain::{Str, Text};
use super::status::{Status, Trap};
use crate::error::{Error, ErrorKind, one_line};

/// What is known of one failure: an owned value, made only where something
/// failed and the caller asked for it.
pub struct ErrorHandle(());

/// What an error handle points to.
#[derive(Debug)]
pub struct Detail {
    error: Box<Error>,
    message: Text,
    detail: Text,
    function: Text,
    frames: Vec<Text>,
}

impl Handle for ErrorHandle {
    type Held = Detail;
    type Kept = Boxed;
}

impl ErrorHandle {
    /// Hands an error to C.
    #[cold]
    pub fn give(mut error: Box<Error>) -> *mut Self {
        let message = one_line(&error);
        let detail = match error.kind {
            ErrorKind::Guest(_) => std::mem::take(&mut error.message),
            _ => one_line(&error.message),
        };
        handle::give::<Self>(Box::new(Detail {
            message: Text::from(message),
            detail: Text::from(detail),
            function: Text::new(error.function.map_or("", |function| function.name())),
            frames: std::mem::take(&mut error.backtrace).iter().map(|frame| Text::from(one_line(frame))).collect(),
            error,
        }))
    }
}

/// The status that came with the error.
///
/// @param error  Borrowed for the call; NULL gives TORVYN_OK.
///
/// @return  The status.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_status(error: *const ErrorHandle) -> Status {
    ffi!(neutral: Status::TORVYN_OK, handle: [error] => Status::from(error.error.kind))
}

/// The whole of it in one line for a log or a person: the component's id, the
/// function, what happened, what to do. What does not show in a component's
/// text, or changes how the rest of the line does, is escaped: control
/// characters, those of format such as U+202E, which reverses what follows
/// ("\u{202e}"), line separators, tags, private and unknown ones.
///
/// @param error  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, NUL-terminated, never NULL; valid until torvyn_error_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_message(error: *const ErrorHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [error] => error.message.view())
}

/// What happened, and mostly what to do about it, without component and function
/// of the contract (a torvyn_call() names its own here). For the component's own
/// verdicts (TORVYN_ERROR_INVALID_INPUT and so on) it is exactly the component's
/// text, with nothing added and nothing escaped.
///
/// @param error  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, NUL-terminated (a component's text may hold NULs before
///          that), never NULL; valid until torvyn_error_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_detail(error: *const ErrorHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [error] => error.detail.view())
}

/// The instance that the error is about.
///
/// @param error  Borrowed for the call; NULL gives false.
/// @param id     Where the id goes that torvyn_instance_new() was given; set to
///               0 where there is none; may be NULL.
///
/// @return  Whether the error is about an instance.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_component_id(error: *const ErrorHandle, id: *mut u64) -> bool {
    ffi!(neutral: false, place: [id], optional: [error] => {
        let known = error.and_then(|error| error.error.component);
        if let Some(id) = id {
            Slot::set(&id, known.map_or(0, |known| known.0));
        }
        known.is_some()
    })
}

/// The function of the contract that was called, by its name in the WIT, e.g.
/// "process" or "notify-backpressure".
///
/// @param error  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, NUL-terminated, never NULL; empty where the error is about no
///          such function; valid until torvyn_error_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_function(error: *const ErrorHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [error] => error.function.view())
}

/// Why the component trapped.
///
/// @param error  Borrowed for the call; NULL gives TORVYN_TRAP_NONE.
///
/// @return  TORVYN_TRAP_NONE where it did not trap. Calls that a budget or a
///          cancel ended did not: their status says all.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_trap(error: *const ErrorHandle) -> Trap {
    ffi!(neutral: Trap::TORVYN_TRAP_NONE, handle: [error] => Trap::from(error.error.trap))
}

/// The number of frames of the component's stack at a trap or at the end of a
/// budget.
///
/// @param error  Borrowed for the call; NULL gives 0.
///
/// @return  The number of frames; at most 64 are kept.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_frame_count(error: *const ErrorHandle) -> usize {
    ffi!(neutral: 0, handle: [error] => error.frames.len())
}

/// One frame of the component's stack, e.g. "app.wasm!handle_line+0x1f3": its
/// module, its function and the offset in the function's code. Where the binary
/// has no names: "<module>", "<function 31>"; the offset may be missing. Names
/// are cut off after 512 bytes, and escaped as in torvyn_error_message().
///
/// @param error  Borrowed for the call; NULL gives "".
/// @param index  From 0, the innermost, to torvyn_error_frame_count() - 1;
///               others give "".
///
/// @return  UTF-8, NUL-terminated, never NULL; valid until torvyn_error_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_frame(error: *const ErrorHandle, index: usize) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [error] => error.frames.get(index).map_or(Str::EMPTY, Text::view))
}

/// Whether the failure ended the instance: it is FAILED or POISONED by it, takes
/// no element any more, and torvyn_instance_reset() or torvyn_instance_free()
/// are what to do. torvyn_instance_state() says which. False for a call that was
/// refused, whatever the instance's state, and for what concerns no instance.
///
/// @param error  Borrowed for the call; NULL gives false.
///
/// @return  Whether it does.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_is_fatal(error: *const ErrorHandle) -> bool {
    ffi!(neutral: false, handle: [error] => error.error.is_fatal())
}

/// Whether the same call may succeed when it is made again later, unchanged:
/// TORVYN_ERROR_BUSY; and TORVYN_ERROR_UNAVAILABLE and
/// TORVYN_ERROR_DEADLINE_EXCEEDED where torvyn_error_is_fatal() is false. (Where
/// torvyn_init() gives one, the instance is FAILED and wants a reset first.)
///
/// @param error  Borrowed for the call; NULL gives false.
///
/// @return  Whether it may.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_is_retryable(error: *const ErrorHandle) -> bool {
    ffi!(neutral: false, handle: [error] => error.error.is_retryable())
}

/// Frees an error and every string that was asked of it.
///
/// @param error  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_error_free(error: *mut ErrorHandle) {
    ffi!(neutral: (), owned: [error] => drop(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{ComponentId, Function, ProcessErrorKind};

    #[test]
    fn every_part_is_readable_and_null_is_neutral() {
        let mut error = Error::new(ErrorKind::Guest(ProcessErrorKind::Unavailable), "no\nbroker");
        error.backtrace = vec!["m!f".into()];
        let err = ErrorHandle::give(error.at(ComponentId(7), Some(Function::Process)));
        // SAFETY: `err` was just given; NULL is allowed.
        unsafe {
            let mut id = 9;
            assert!(torvyn_error_component_id(err, &raw mut id));
            assert_eq!(id, 7);
            let message = torvyn_error_message(err).text("").unwrap();
            assert_eq!(message, "component 7, process: answered unavailable: no\\nbroker");
            assert_eq!(torvyn_error_detail(err).text("").unwrap(), "no\nbroker");
            assert_eq!(torvyn_error_function(err).text("").unwrap(), "process");
            assert_eq!(torvyn_error_frame_count(err), 1);
            assert_eq!(torvyn_error_frame(err, 0).text("").unwrap(), "m!f");
            assert_eq!(torvyn_error_frame(err, 1).len, 0);
            assert_eq!(*torvyn_error_frame(err, 0).data.add(3), 0);
            assert!(torvyn_error_is_retryable(err) && !torvyn_error_is_fatal(err));
            torvyn_error_free(err);

            let null = std::ptr::null_mut();
            assert_eq!(torvyn_error_status(null), Status::TORVYN_OK);
            assert_eq!(torvyn_error_message(null).len, 0);
            assert!(!torvyn_error_component_id(null, &raw mut id));
            assert_eq!(id, 0);
            assert_eq!(torvyn_error_trap(null), Trap::TORVYN_TRAP_NONE);
            torvyn_error_free(null);
        }
    }
}
