//! How many instances an engine with a pool has: Wasmtime counts what they are made up of, of which a
//! composed component takes more than others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The slots of a pool.
#[derive(Debug)]
pub struct Slots {
    all: u32,
    taken: AtomicU32,
}

/// One that is taken, until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

impl Slots {
    /// `all` that are free.
    pub fn new(all: u32) -> Arc<Self> {
        Arc::new(Self { all, taken: AtomicU32::new(0) })
    }

    /// Takes one. Fails with `Instantiation`.
    pub fn take(self: &Arc<Self>) -> Result<Slot> {
        let more = |taken| (taken < self.all).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more) {
            Ok(_) => Ok(Slot(self.clone())),
            Err(_) => {
                let message = format!("all {} slots of the engine's pool are taken (raise `pool_instances`)", self.all);
                Err(Error::new(ErrorKind::Instantiation, message))
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
