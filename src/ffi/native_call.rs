//! What the callbacks of native components may ask for while they run.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use super::args;
use super::error::ErrorHandle;
use super::native::NativeCallHandle;
use super::plain::{Str, number};
use super::status::Status;
use crate::contract::MAX_BUFFER;

/// Adds a copy of some bytes to the end of the output under way, which begins
/// with the first of them. It may grow to 16 MiB. One that torvyn_native_emit()
/// was not called for is gone when the callback returns.
///
/// @param call   Lent to the callback that runs.
/// @param bytes  Borrowed for the call; NULL where `len` is 0.
/// @param len    Number of bytes.
/// @param err    Where detail goes on a negative status, owned by the caller
///               (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              They are there.
/// @retval TORVYN_ERROR_MEMORY    The output would be larger than 16 MiB, or the
///                                call's outputs than `buffer_limit`, or the
///                                system has no memory for it. Nothing changed;
///                                what to make of it is the callback's affair.
/// @retval TORVYN_ERROR_STATE     The callback has returned.
/// @retval TORVYN_ERROR_NULL      `call` or `bytes` is NULL.
/// @retval TORVYN_ERROR_ARGUMENT  `len` is more than memory holds.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   no lock; no heap allocation or system call while the pool has a
///         buffer of the size. An output that outgrows its buffer (4 KiB, then
///         64 KiB, 1 MiB, 16 MiB) is copied to a larger one.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_append(
    call: *mut NativeCallHandle,
    bytes: *const u8,
    len: usize,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], exclusive: [call] => {
        // SAFETY: the header requires NULL or `len` bytes.
        let bytes = unsafe { args::list(bytes, len, "bytes")? };
        call.append(bytes)?;
        Ok(Status::TORVYN_OK)
    })
}

/// Makes room at the end of the output under way, to be written in place;
/// torvyn_native_commit() makes content of it. What of it is not committed
/// before the next torvyn_native_append(), torvyn_native_reserve() or
/// torvyn_native_emit() is gone.
///
/// @param call  Lent to the callback that runs.
/// @param len   Number of bytes.
/// @param out   Where the place of the room goes: `len` bytes, zeroed, valid
///              until the next call of a torvyn_native function with `call`;
///              NULL on failure.
/// @param err   Where detail goes on a negative status, owned by the caller
///              (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK            `*out` is the room.
/// @retval TORVYN_ERROR_MEMORY  As torvyn_native_append().
/// @retval TORVYN_ERROR_STATE   The callback has returned.
/// @retval TORVYN_ERROR_NULL    `call` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC   A defect of the library.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   as torvyn_native_append(); the room is zeroed, so that nothing of
///         another component's shows in it.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_reserve(
    call: *mut NativeCallHandle,
    len: usize,
    out: *mut *mut u8,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [out], exclusive: [call] => {
        out.set(call.reserve(len)?.as_mut_ptr());
        Ok(Status::TORVYN_OK)
    })
}

/// Makes the first bytes of the room content of the output under way. The rest
/// of the room is gone.
///
/// @param call  Lent to the callback that runs.
/// @param len   Number of bytes, at most those reserved.
/// @param err   Where detail goes on a negative status, owned by the caller
///              (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              They are content.
/// @retval TORVYN_ERROR_ARGUMENT  Less was reserved.
/// @retval TORVYN_ERROR_STATE     The callback has returned.
/// @retval TORVYN_ERROR_NULL      `call` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_commit(
    call: *mut NativeCallHandle,
    len: usize,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], exclusive: [call] => {
        call.commit(len)?;
        Ok(Status::TORVYN_OK)
    })
}

/// Ends the output under way and emits it; where nothing was written it is
/// empty. The next byte that is written begins another. `pull`, `process` and
/// `ingest` emit one, and answer TORVYN_OK then; `flush` emits any number, in
/// this order.
///
/// @param call          Lent to the callback that runs.
/// @param sequence      Position in the flow. For `process` and `ingest` the
///                      input's is taken instead.
/// @param timestamp_ns  Nanoseconds since the Unix epoch; as `sequence`.
/// @param content_type  Media type, UTF-8, at most 16 MiB; may be empty;
///                      borrowed for the call. It is the output's and its
///                      buffer's.
/// @param err           Where detail goes on a negative status, owned by the
///                      caller (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK            It is emitted.
/// @retval TORVYN_ERROR_STATE   The function has no output, or has emitted its
///                              one already, or the callback has returned.
/// @retval TORVYN_ERROR_MEMORY  `flush` has emitted as many as `max_handles`; or
///                              the buffer of an empty output, or the two copies
///                              of `content_type` by what each has beyond 64
///                              bytes, would pass `buffer_limit`; or the system
///                              has no memory for them. Nothing is emitted.
/// @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT `call` is NULL, or `content_type`
///                            is no text.
/// @retval TORVYN_ERROR_PANIC   A defect of the library.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   no lock or system call; no heap allocation once there was a call with
///         as many outputs and as long a `content_type`.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_emit(
    call: *mut NativeCallHandle,
    sequence: u64,
    timestamp_ns: u64,
    content_type: Str,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], exclusive: [call] => {
        // SAFETY: the header requires what the string says.
        let content_type = unsafe { content_type.text("content_type")? };
        call.emit(sequence, timestamp_ns, content_type)?;
        Ok(Status::TORVYN_OK)
    })
}

/// Names a port that the element goes to, within `route`. Each call adds one, in
/// this order.
///
/// @param call  Lent to the callback that runs.
/// @param name  The port's name, UTF-8, at most 16 MiB; borrowed for the call.
/// @param err   Where detail goes on a negative status, owned by the caller
///              (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK           It is among the ports.
/// @retval TORVYN_ERROR_STATE  The function is not `route`, or the callback has
///                             returned.
/// @retval TORVYN_ERROR_MEMORY The system has no memory for it; it is not among
///                             them.
/// @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
///                             `call` is NULL, or `name` is no text.
/// @retval TORVYN_ERROR_PANIC  A defect of the library.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   no lock or system call; no heap allocation once there was a call with
///         as many and as long names.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_port(
    call: *mut NativeCallHandle,
    name: Str,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], exclusive: [call] => {
        // SAFETY: the header requires what the string says.
        call.route_to(unsafe { name.text("name")? })?;
        Ok(Status::TORVYN_OK)
    })
}

/// Gives the callback's verdict a text, which torvyn_error_detail() has then. To
/// be used as
///
///   return torvyn_native_fail(call, TORVYN_ERROR_INVALID_INPUT, text);
///
/// It is the callback's answer that decides: this alone fails nothing.
///
/// @param call  Lent to the callback that runs; NULL for no text.
/// @param kind  TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///              _DEADLINE_EXCEEDED or _FATAL.
/// @param text  Copied; what of it is not UTF-8 is replaced; at most 16 MiB,
///              more is cut off, as is what the system has no memory for. May be
///              empty; NULL for none.
///
/// @return  `kind`; TORVYN_ERROR_ARGUMENT where that is no verdict.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_fail(
    call: *mut NativeCallHandle,
    kind: MaybeUninit<Status>,
    text: Str,
) -> Status {
    ffi!(neutral: Status::TORVYN_ERROR_ARGUMENT => {
        // SAFETY: the header requires NULL or a call that runs, and `len` bytes.
        let (call, text) = unsafe {
            let len = if text.data.is_null() { 0 } else { text.len.min(MAX_BUFFER) };
            (args::exclusive(call, "call").ok(), args::list(text.data.cast::<u8>(), len, "text")?)
        };
        if let Some(call) = call {
            call.fail(text);
        }
        let verdicts = Status::TORVYN_ERROR_FATAL as c_int..=Status::TORVYN_ERROR_INVALID_INPUT as c_int;
        let verdict = Status::known(number(kind)).filter(|status| verdicts.contains(&(*status as c_int)));
        verdict.unwrap_or(Status::TORVYN_ERROR_ARGUMENT)
    })
}

/// Whether what the callback still does is in vain: the call was cancelled, or
/// its deadline passed. A callback that may take long asks now and then, and
/// returns when it is told so; what it then answers does not matter.
///
/// @param call  Lent to the callback that runs; NULL gives true.
///
/// @return  Whether to stop.
///
/// Thread: the callback's, while it runs.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call; some nanoseconds.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_native_should_stop(call: *const NativeCallHandle) -> bool {
    ffi!(neutral: true, handle: [call] => call.should_stop())
}
