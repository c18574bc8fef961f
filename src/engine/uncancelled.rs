//! `pthread_cancel()`: it would end a thread by unwinding it, which neither this library nor Wasmtime is
//! made for. A call holds it off wherever it may come to a cancellation point. It acts at the next one of
//! the program's, of which the beginning of whatever may wait is one.
//!
//! To hold it off costs as much as a tenth of a short call. So what comes to no such point does not: plain
//! look-ups, and the calls for elements, which hold it off around what waits and around callbacks alone.

#![allow(unsafe_code)] // a call of the C library's

use std::cell::Cell;
use std::ptr;

use libc::c_int;

#[cfg(target_os = "linux")]
unsafe extern "C-unwind" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn pthread_testcancel();
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Is a cancellation point, before anything was begun: the frames that this unwinds have nothing to end.
#[inline]
pub fn testcancel() {
    #[cfg(target_os = "linux")]
    // SAFETY: it takes nothing; who calls this is unwound, if that comes to it, up to a function of the C
    // ABI that lets it through.
    unsafe {
        pthread_testcancel();
    }
}

thread_local! {
    /// How often the thread's cancellation is held off. Not each keeps what there was before it: callbacks
    /// of native components may be coroutines, and end in any order.
    static TIMES: Cell<u32> = const { Cell::new(0) };

    /// What there was before the first.
    static BEFORE: Cell<c_int> = const { Cell::new(PTHREAD_CANCEL_DISABLE) };
}

/// Nobody cancels the thread until this is dropped. Elsewhere than on Linux, cancelling a thread within the
/// library is forbidden, and nothing is held off.
#[derive(Debug)]
pub struct Uncancelled {
    /// Where the thread counts it.
    thread: *const Cell<u32>,
}

/// Whether it is held off: the calling thread is within something of the library's, or in a callback of it.
pub fn is_uncancelled() -> bool {
    TIMES.get() > 0
}

/// Holds off that the calling thread is cancelled. This and its end are not inlined: within one function a
/// compiler takes a thread's own variables to stay where they are.
#[inline(never)]
pub fn uncancelled() -> Uncancelled {
    if TIMES.replace(TIMES.get() + 1) == 0 {
        BEFORE.set(set(PTHREAD_CANCEL_DISABLE));
    }
    Uncancelled { thread: TIMES.with(ptr::from_ref) }
}

impl Drop for Uncancelled {
    #[inline(never)]
    fn drop(&mut self) {
        TIMES.with(|times| {
            // A coroutine went to another thread. That one has its own; where it began, it stays held off.
            if !ptr::eq(times, self.thread) {
                return;
            }
            times.set(times.get() - 1);
            if times.get() == 0 {
                set(BEFORE.get());
            }
        });
    }
}

/// Gives what there was before.
#[inline]
fn set(state: c_int) -> c_int {
    let mut before = state;
    #[cfg(target_os = "linux")]
    // SAFETY: the state is one of the two, and the pointer is to a local.
    unsafe {
        pthread_setcancelstate(state, &raw mut before);
    }
    before
}
