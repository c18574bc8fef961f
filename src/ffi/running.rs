//! What an instance handle points to: one call at a time, and freed by whoever is last.

use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use super::guard;
use super::plain::{Element, Str};
use crate::contract::ports::Ports;
use crate::contract::{ComponentId, Function, Roles, StreamElement};
use crate::engine::control::{Control, State};
use crate::engine::instance::ComponentInstance;
use crate::error::{Error, ErrorKind, Result};

/// An instance and what other threads may see of it.
#[derive(Debug)]
pub struct Held {
    /// Shared with the instance, and with cancel handles.
    pub control: Arc<Control>,
    /// The caller's name for the instance.
    pub id: ComponentId,
    /// What it exports.
    pub roles: Roles,
    parts: UnsafeCell<Parts>,
}

/// What only the running call may touch.
#[derive(Debug)]
pub struct Parts {
    /// The instance.
    pub instance: ComponentInstance,
    /// The names that the latest `route` gave, as C sees them; reused.
    pub ports: Vec<Str>,
}

/// Instances may move between threads.
const _: () = {
    const fn moves<T: Send>() {}
    moves::<ComponentInstance>();
};

impl Held {
    /// Wraps a new instance.
    pub fn new(instance: ComponentInstance) -> Box<Self> {
        Box::new(Self {
            control: instance.control().clone(),
            id: instance.id(),
            roles: instance.roles(),
            parts: UnsafeCell::new(Parts { instance, ports: Vec::new() }),
        })
    }
}

/// The instance's one running call.
struct Running {
    at: NonNull<Held>,
    function: Option<Function>,
    /// Set once the work returned; where it is not, it panicked.
    returned: bool,
    /// Calls that were counted before this one. Where they are no more at its end, it ran nothing of
    /// the component, and a cancel is still for the next one.
    calls: u64,
}

impl Running {
    /// # Safety
    ///
    /// `at` is an instance that is not freed before this call of C's returns, but for `free`.
    #[inline(always)]
    unsafe fn begin(at: NonNull<Held>, function: Option<Function>) -> Result<Self> {
        // SAFETY: the caller's promise.
        let held = unsafe { at.as_ref() };
        if !held.control.begin() {
            return Err(busy(held.id, function));
        }
        Ok(Self { at, function, returned: false, calls: held.control.counters.calls.get() })
    }
}

#[cold]
fn busy(id: ComponentId, function: Option<Function>) -> Box<Error> {
    let message = "a call runs on the instance already; make this one when that has returned";
    Error::new(ErrorKind::Busy, message).at(id, function)
}

impl Drop for Running {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: an instance that is freed while a call runs ends after that.
        let held = unsafe { self.at.as_ref() };
        let nothing_ran = self.calls == held.control.counters.calls.get();
        if !self.returned {
            held.control.set_state(State::Poisoned);
            held.control.counters.stopped.add(u64::from(!nothing_ran));
            guard::ended(held.id, self.function);
        }
        let doomed = if nothing_ran { held.control.withdraw() } else { held.control.end() };
        // One that was not doomed may be gone by now.
        if doomed {
            bury(self.at, self.function);
        }
    }
}

thread_local! {
    /// The names that `route` gave of an instance that was freed in that call, and storage of theirs.
    static LEFT: Cell<Option<(Vec<Str>, Ports)>> = const { Cell::new(None) };
}

/// Ends an instance that was freed while this call ran.
#[cold]
fn bury(at: NonNull<Held>, function: Option<Function>) {
    // SAFETY: who freed it left it to the call, and there is no other.
    let mut held = unsafe { Box::from_raw(at.as_ptr()) };
    if function == Some(Function::Route) {
        let Parts { instance, ports } = held.parts.get_mut();
        let names = (std::mem::take(ports), instance.take_ports());
        // Where the thread is at its end, they stay.
        let mut names = ManuallyDrop::new(Some(names));
        let _ = LEFT.try_with(|left| left.set(names.take()));
    }
    guard::end(held);
}

/// Runs `work` as the instance's one call. Fails with `Busy` where another runs. A panic poisons
/// the instance.
///
/// # Safety
///
/// `at` came from [`Held::new`] through a handle that C has not freed.
#[inline(always)]
pub unsafe fn call<R>(at: NonNull<Held>, function: Function, work: impl FnOnce(&mut Parts) -> Result<R>) -> Result<R> {
    // SAFETY: the caller's promise.
    unsafe { run(at, Some(function), work) }
}

/// As [`call`], for what need be no function of the contract.
///
/// # Safety
///
/// As for [`call`].
#[inline(always)]
pub unsafe fn run<R>(
    at: NonNull<Held>,
    function: Option<Function>,
    work: impl FnOnce(&mut Parts) -> Result<R>,
) -> Result<R> {
    // SAFETY: the caller's promise.
    let mut running = unsafe { Running::begin(at, function)? };
    // SAFETY: `begin` lets one call in at a time.
    let result = work(unsafe { &mut *at.as_ref().parts.get() });
    running.returned = true;
    match result {
        Ok(result) => Ok(result),
        // SAFETY: the call still runs.
        Err(error) => Err(placed(unsafe { at.as_ref() }, function, error)),
    }
}

/// Names the instance in an error that was found before the engine was asked.
#[cold]
fn placed(held: &Held, function: Option<Function>, error: Box<Error>) -> Box<Error> {
    if matches!(error.kind, ErrorKind::Null | ErrorKind::Utf8 | ErrorKind::Argument) {
        held.control.counters.refused.add(1);
    }
    error.at(held.id, function)
}

/// As [`call`], with an element.
///
/// # Safety
///
/// As for [`call`], and what the element points to stays as it is until this returns.
#[inline(always)]
pub unsafe fn lend<R>(
    at: NonNull<Held>,
    function: Function,
    element: &Element,
    work: impl FnOnce(&mut Parts, &StreamElement<'_>) -> Result<R>,
) -> Result<R> {
    // SAFETY: the caller's promises.
    unsafe { call(at, function, |parts| element.lend(|element| work(parts, element))) }
}

/// Frees an instance: now, or where a call runs on it, at that call's end.
///
/// # Safety
///
/// `at` came from [`Held::new`] through a handle that C gives up with this.
pub unsafe fn free(at: NonNull<Held>) {
    // SAFETY: the caller's promise; a call that runs may end it once it is doomed, not before.
    let left_to_a_call = unsafe { at.as_ref() }.control.doom();
    if !left_to_a_call {
        // SAFETY: no call runs, and C makes none any more.
        guard::end(unsafe { Box::from_raw(at.as_ptr()) });
    }
}
