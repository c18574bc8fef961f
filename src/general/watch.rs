//! The time of the call that runs on this thread, for work of the host's that knows no store: what
//! Wasmtime lifts and lowers with the component at hand alone, and what a stream of WASI writes.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::contract::host::Host;
use crate::engine::clock::Clock;
use crate::engine::control::Control;
use crate::engine::fault::Stop;
use crate::engine::term::Term;

/// What ends a call, apart from the store, which the call has to itself.
pub struct Limit {
    control: Arc<Control>,
    /// The engine's ticks.
    pub clock: Arc<Clock>,
    term: Term,
}

impl Limit {
    /// What ends the call that was armed in `host`.
    pub fn of(host: &Host) -> Self {
        Self { control: host.control.clone(), clock: host.clock.clone(), term: host.term }
    }

    /// What ends it now.
    pub fn reached(&mut self) -> Option<Stop> {
        self.term.stop(&self.clock, &self.control)
    }
}

thread_local! {
    /// Never dropped here, so that it is there also while a thread ends; a [`Watch`] takes it back.
    static LIMIT: RefCell<ManuallyDrop<Option<Limit>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// A call runs on this thread until this is dropped. A host function may make another, of another
/// instance, within it.
pub struct Watch(Option<Limit>);

impl Watch {
    /// The call that was armed in `host`.
    pub fn over(host: &Host) -> Self {
        Self::set(Some(Limit::of(host)))
    }

    /// None: what is done now is the program's.
    pub fn off() -> Self {
        Self::set(None)
    }

    fn set(limit: Option<Limit>) -> Self {
        Self(LIMIT.with_borrow_mut(|at| std::mem::replace(&mut **at, limit)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let before = self.0.take();
        drop(LIMIT.with_borrow_mut(|at| std::mem::replace(&mut **at, before)));
    }
}

/// What ends the running call, where that is due.
pub fn look() -> wasmtime::Result<()> {
    let stop = LIMIT.with_borrow_mut(|limit| limit.as_mut().and_then(Limit::reached));
    stop.map_or(Ok(()), |stop| Err(stop.into()))
}

/// So many bytes are copied between two looks: a fraction of a millisecond.
pub const PIECE: usize = 256 << 10;

/// Counts what is done, and looks every few thousand steps.
#[derive(Default)]
pub struct Steps(Cell<u32>);

impl Steps {
    /// One more.
    #[inline]
    pub fn step(&self) -> wasmtime::Result<()> {
        self.0.set(self.0.get().wrapping_add(1));
        if self.0.get().is_multiple_of(4096) { look() } else { Ok(()) }
    }
}
