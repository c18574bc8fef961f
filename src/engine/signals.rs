//! Signals. Those of the program's are handled on the program's threads; and what a guest writes to
//! ends nobody by one: that a pipe has no reader, or a file is too large, is an error of the guest's.

#![allow(unsafe_code)] // calls of the C library's, on sets of its own

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use libc::{c_int, sigset_t};

use super::system::Refusal;
use super::uncancelled::uncancelled;

/// What the instructions of a thread raise in it, for its handlers or to end the process. (`abort` lets its own
/// come.)
const FAULTS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// What writing raises in the thread that writes.
const WRITING: [c_int; 2] = [libc::SIGPIPE, libc::SIGXFSZ];

/// By which components trap: Wasmtime handles them, and panics where it may not.
const TRAPS: [c_int; 3] = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE];

/// Whether the process may set handlers of those: each is set to what it is. The first engine does it, before
/// which the program has set its own.
pub fn can_be_handled() -> Result<(), Refusal> {
    static KNOWN: AtomicBool = AtomicBool::new(false);
    if KNOWN.load(Relaxed) {
        return Ok(());
    }
    for signal in TRAPS {
        let mut now = MaybeUninit::uninit();
        // SAFETY: what is there is written to a local, and set where it was written.
        let set = unsafe {
            libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) == 0
                && libc::sigaction(signal, now.as_ptr(), ptr::null_mut()) == 0
        };
        if !set {
            return Err(Refusal::last("sigaction"));
        }
    }
    KNOWN.store(true, Relaxed);
    Ok(())
}

/// A set that `fill` makes.
fn set(fill: impl FnOnce(*mut sigset_t)) -> sigset_t {
    let mut set = MaybeUninit::uninit();
    fill(set.as_mut_ptr());
    // SAFETY: each `fill` here begins with a function of the C library's that sets all of it.
    unsafe { set.assume_init() }
}

fn only(signals: &[c_int]) -> sigset_t {
    // SAFETY: the set is a local, and the signals exist.
    set(|set| unsafe {
        libc::sigemptyset(set);
        signals.iter().for_each(|signal| _ = libc::sigaddset(set, *signal));
    })
}

fn all_but(signals: &[c_int]) -> sigset_t {
    // SAFETY: the same.
    set(|set| unsafe {
        libc::sigfillset(set);
        signals.iter().for_each(|signal| _ = libc::sigdelset(set, *signal));
    })
}

/// Changes which signals the calling thread blocks, until the result ends.
struct Mask(sigset_t);

impl Mask {
    fn new(how: c_int, signals: &sigset_t) -> Self {
        // SAFETY: both sets are there, and `how` is one of the three.
        Self(set(|before| unsafe { _ = libc::pthread_sigmask(how, signals, before) }))
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// Starts threads of the library's: they have no signals from their first instruction on.
pub fn starting<T>(start: impl FnOnce() -> T) -> T {
    let _blocked = Mask::new(libc::SIG_SETMASK, &all_but(&FAULTS));
    start()
}

/// Which signals wait, blocked, for the calling thread or the process.
fn pending() -> impl Fn(c_int) -> bool {
    // SAFETY: the set is a local.
    let pending = set(|set| unsafe {
        libc::sigemptyset(set);
        libc::sigpending(set);
    });
    // SAFETY: the set is that one.
    move |signal| unsafe { libc::sigismember(&pending, signal) == 1 }
}

/// Runs `write` on a thread that may be the program's: a signal that it raises is taken back.
pub fn quiet<T>(write: impl FnOnce() -> T) -> T {
    let _uncancelled = uncancelled();
    let _blocked = Mask::new(libc::SIG_BLOCK, &only(&WRITING));
    let before = pending();
    let written = write();
    let after = pending();
    for signal in WRITING.into_iter().filter(|signal| after(*signal) && !before(*signal)) {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are locals; nothing is told beside the signal's number.
        unsafe { libc::sigtimedwait(&only(&[signal]), ptr::null_mut(), &now) };
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(signal: c_int) -> bool {
        let now = Mask::new(libc::SIG_BLOCK, &only(&[]));
        // SAFETY: the set is there.
        unsafe { libc::sigismember(&now.0, signal) == 1 }
    }

    fn raise(signal: c_int) {
        // SAFETY: the signal is blocked where this is called.
        unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
    }

    #[test]
    fn what_writing_raises_is_taken_back_and_nothing_else() {
        let waits = |signal| pending()(signal);
        std::thread::spawn(move || {
            quiet(|| {
                assert!(WRITING.into_iter().all(blocked));
                WRITING.into_iter().for_each(raise);
                assert!(WRITING.into_iter().all(waits));
            });
            assert!(!WRITING.into_iter().any(blocked), "or the process would have ended");
            let _blocked = Mask::new(libc::SIG_BLOCK, &only(&[libc::SIGPIPE]));
            raise(libc::SIGPIPE);
            quiet(|| raise(libc::SIGXFSZ));
            assert!(waits(libc::SIGPIPE) && !waits(libc::SIGXFSZ), "the program's own is left");
            assert!(blocked(libc::SIGPIPE) && !blocked(libc::SIGXFSZ));
            // SAFETY: the set is a local, and the signal waits.
            let taken = unsafe { libc::sigwaitinfo(&only(&[libc::SIGPIPE]), ptr::null_mut()) };
            assert_eq!(taken, libc::SIGPIPE);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_of_the_librarys_has_no_signals() {
        let within = starting(|| std::thread::spawn(|| [libc::SIGTERM, libc::SIGABRT, libc::SIGSEGV].map(blocked)));
        assert_eq!(within.join().unwrap(), [true, true, false]);
        assert!(!blocked(libc::SIGTERM));
    }
}
