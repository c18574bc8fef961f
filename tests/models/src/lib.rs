//! The words that a call, its cancels and the clock share, on `loom`'s atomics.

/// Stands in the place of `src/engine/atomic.rs`.
pub mod atomic;

#[path = "../../../src/engine/awake.rs"]
pub mod awake;
#[path = "../../../src/engine/control.rs"]
pub mod control;
#[path = "../../../src/engine/gate.rs"]
pub mod gate;
