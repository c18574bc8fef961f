//! The one way in and out: every exported function is a single `ffi!`, which checks the pointers
//! that it names, stops panics and hands out errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::error::ErrorHandle;
use super::status::Status;
use crate::contract::{ComponentId, Function};
use crate::engine::fork;
use crate::engine::uncancelled::{testcancel, uncancelled};
use crate::error::{Error, ErrorKind, Result};

/// The body of an exported function.
///
/// `err:` is for fallible ones. `ffi!(err: err, out: [out], handle: [engine] => { ... })` clears the
/// out-parameters first (`spare:` those that may be NULL), then turns each named pointer into what
/// the function of that kind in `args` gives (where that refuses, the error names the parameter),
/// then runs the body, which gives `Result<Status>`.
///
/// `quick,` before that is for what the header states the cost of: it comes to no cancellation point, or
/// holds the thread's cancellation off there and no longer (`engine::uncancelled`).
///
/// `making,` is for what makes or changes something that a fork must know of (`engine::fork`). What is given
/// a finalizer begins to ([`fork::making`]) once it has that, which runs also where nothing can be made.
///
/// `neutral:` is for the others, which answer with that value where a pointer is refused or the
/// body panics. They come to no cancellation point, but in [`end`].
macro_rules! ffi {
    (quick, err: $($rest:tt)*) => { ffi!(@ status, err: $($rest)*) };
    (making, err: $($rest:tt)*) => { ffi!(@ making_status, err: $($rest)*) };
    (err: $($rest:tt)*) => { ffi!(@ uncancelled_status, err: $($rest)*) };
    (@ $status:ident, err: $err:ident, out: [$($out:ident),*], spare: [$($spare:ident),*] $($rest:tt)*) => {{
        $(
            // SAFETY: the header requires NULL or a place for the value.
            unsafe { $crate::ffi::args::clear($spare) };
        )*
        ffi!(@ $status, err: $err, out: [$($out),*], place: [$($spare),*] $($rest)*)
    }};
    (@ $status:ident, err: $err:ident, out: [$($out:ident),*]
        $(, $kind:ident: [$($name:ident),*])* => $body:expr) => {{
        $(
            // SAFETY: the header requires NULL or a place for the value.
            unsafe { $crate::ffi::args::clear($out) };
        )*
        let run = || -> $crate::error::Result<$crate::ffi::status::Status> {
            $(let $out = $crate::ffi::args::slot($out, stringify!($out))?;)*
            $($(
                // SAFETY: the header requires what the kind's function does, or NULL.
                let $name = unsafe { $crate::ffi::args::$kind($name, stringify!($name))? };
            )*)*
            $body
        };
        // SAFETY: the header requires NULL or a place for the error.
        unsafe { $crate::ffi::guard::$status($err, run) }
    }};
    (neutral: $neutral:expr $(, $kind:ident: [$($name:ident),*])* => $body:expr) => {
        $crate::ffi::guard::answer($neutral, || {
            $($(
                // SAFETY: the header requires what the kind's function does, or NULL.
                let $name = unsafe { $crate::ffi::args::$kind($name, stringify!($name))? };
            )*)*
            Ok($body)
        })
    };
}

thread_local! {
    /// What the hook heard of the thread's latest panic.
    static HEARD: Cell<Option<String>> = const { Cell::new(None) };
    /// The instance that the panic on its way ended, and the call that it ended.
    static VICTIM: Cell<Option<(ComponentId, Option<Function>)>> = const { Cell::new(None) };
}

/// Says which instance the panic that unwinds this thread ended.
#[cold]
pub(super) fn ended(id: ComponentId, function: Option<Function>) {
    // Without it the error is the poorer, no more.
    let _ = VICTIM.try_with(|victim| victim.set(Some((id, function))));
}

/// Whether the standard library here is a Rust program's that links the crate, and not the product's own:
/// so it is once a thread was seen that has a name, as `main` has, and is none of this library's.
static OF_A_RUST_PROGRAM: AtomicBool = AtomicBool::new(false);

/// Looks at this thread's name, where it is not at its end; gives whether that is one of this library's.
fn is_ours() -> bool {
    if HEARD.try_with(|_| ()).is_err() {
        return false;
    }
    let thread = std::thread::current();
    let Some(name) = thread.name() else { return false };
    let ours = name.starts_with("torvyn-");
    if !ours {
        OF_A_RUST_PROGRAM.store(true, Relaxed);
    }
    ours
}

/// Keeps panics off stderr; where they were is kept for the error value. Those of a Rust program's threads,
/// with a name or without, are for the hook that was there before, and so are the library's on them: to
/// tell these apart would cost each call.
pub(super) fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The thread-local may be gone while the thread ends.
            let _ = HEARD.try_with(|heard| heard.set(Some(info.to_string())));
            if !is_ours() && OF_A_RUST_PROGRAM.load(Relaxed) {
                before(info);
            }
        }));
    });
    is_ours();
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> Box<Error> {
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panicked");
    let heard = HEARD.try_with(Cell::take).ok().flatten();
    let message = format!("a defect of libtorvyn, please report it: {}", heard.as_deref().unwrap_or(said));
    if !payload.is::<String>() && !payload.is::<&str>() {
        // Dropping a value of unknown type could panic once more.
        std::mem::forget(payload);
    }
    let error = Error::new(ErrorKind::Panic, message);
    match VICTIM.try_with(Cell::take).ok().flatten() {
        Some((id, function)) => error.at(id, function).fatal(),
        None => error,
    }
}

#[cold]
unsafe fn fail(err: *mut *mut ErrorHandle, error: Box<Error>) -> Status {
    let status = Status::from(error.kind);
    if !err.is_null() {
        // Making the detail must not fail the call in another way than it failed.
        let detail = catch_unwind(AssertUnwindSafe(|| ErrorHandle::give(error))).unwrap_or(std::ptr::null_mut());
        // SAFETY: the caller's promise.
        unsafe { err.write(detail) };
    }
    status
}

/// Runs a fallible body: its status, with `*err` set for a negative one and NULL for others.
///
/// # Safety
///
/// `err` is NULL or a place for a pointer.
#[inline(always)]
pub(super) unsafe fn status(err: *mut *mut ErrorHandle, run: impl FnOnce() -> Result<Status>) -> Status {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(status)) => {
            if !err.is_null() {
                // SAFETY: the caller's promise.
                unsafe { err.write(std::ptr::null_mut()) };
            }
            status
        }
        // SAFETY: the caller's promise.
        Ok(Err(error)) => unsafe { fail(err, error) },
        // SAFETY: the caller's promise.
        Err(payload) => unsafe { fail(err, panicked(payload)) },
    }
}

/// As [`status`], for what may come to a cancellation point: it is one itself as it begins, and so of the ABI
/// that lets a thread's end through.
///
/// # Safety
///
/// As for [`status`].
pub(super) unsafe fn uncancelled_status(err: *mut *mut ErrorHandle, run: impl FnOnce() -> Result<Status>) -> Status {
    testcancel();
    let _uncancelled = uncancelled();
    // SAFETY: the caller's promise.
    unsafe { status(err, run) }
}

/// As [`uncancelled_status`], for what makes something.
///
/// # Safety
///
/// As for [`status`].
pub(super) unsafe fn making_status(err: *mut *mut ErrorHandle, run: impl FnOnce() -> Result<Status>) -> Status {
    let making = || {
        let _making = fork::making()?;
        run()
    };
    // SAFETY: the caller's promise.
    unsafe { uncancelled_status(err, making) }
}

/// Ends what a function of C's made, with what it holds.
#[cold]
pub(super) fn end<T>(made: T) {
    let _uncancelled = uncancelled();
    match fork::making() {
        Ok(_making) => drop(made),
        Err(_) => std::mem::forget(made),
    }
}

/// Runs a body that cannot fail: its answer, or the neutral one.
#[inline(always)]
pub(super) fn answer<R>(neutral: R, run: impl FnOnce() -> Result<R>) -> R {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => neutral,
        Err(payload) => {
            drop(panicked(payload));
            neutral
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use parking_lot::Mutex;

    use super::super::error::{torvyn_error_free, torvyn_error_message, torvyn_error_status};
    use super::*;

    /// In a process of its own, which has one hook.
    #[test]
    fn a_rust_program_hears_of_its_threads_and_not_of_ours() {
        const CHILD: &str = "TORVYN_TEST_HOOK";
        if std::env::var_os(CHILD).is_none() {
            let name = "ffi::guard::tests::a_rust_program_hears_of_its_threads_and_not_of_ours";
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let output = child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            return;
        }
        static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
        std::panic::set_hook(Box::new(|info| SAID.lock().push(info.to_string())));
        let panics = |name: Option<&str>, said: &'static str| {
            let named = name.map_or_else(thread::Builder::new, |name| thread::Builder::new().name(name.into()));
            assert!(named.spawn(move || panic!("{said}")).unwrap().join().is_err());
        };
        // Nobody has a name yet: as it is in the product.
        thread::spawn(silence_panics).join().unwrap();
        panics(None, "lost");
        panics(Some("torvyn-clock"), "ours");
        silence_panics();
        for name in [None, Some("theirs"), Some("torvyn-clock")] {
            panics(name, "told");
        }
        let said = SAID.lock();
        assert!(said.len() == 2 && said.iter().all(|said| said.contains("told")), "{said:?}");
    }

    #[test]
    fn a_panic_becomes_a_status_and_says_where() {
        silence_panics();
        let run = |err: *mut *mut ErrorHandle| -> Status {
            // SAFETY: `err` is NULL or points to a local.
            unsafe { status(err, || panic!("oh no {}", 7)) }
        };
        assert_eq!(run(std::ptr::null_mut()), Status::TORVYN_ERROR_PANIC);
        let mut err = std::ptr::null_mut();
        assert_eq!(run(&raw mut err), Status::TORVYN_ERROR_PANIC);
        // SAFETY: `err` was just given.
        unsafe {
            assert_eq!(torvyn_error_status(err), Status::TORVYN_ERROR_PANIC);
            let message = torvyn_error_message(err).text("message").unwrap();
            assert!(message.contains("oh no 7") && message.contains("guard.rs"), "{message}");
            torvyn_error_free(err);
        }
        assert_eq!(answer(3, || panic!("again")), 3);
    }
}
