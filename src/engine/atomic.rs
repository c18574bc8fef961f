//! The atomics of what `tests/models` tries in every order, where `loom`'s stand in their place.

pub use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
