//! Atomics of `loom`, which takes `SeqCst` for `AcqRel` but knows its fences: an operation that all
//! threads see in one order stands between two of them.

use loom::sync::atomic::fence;
pub use loom::sync::atomic::{AtomicU8, Ordering};

fn ordered<T>(order: Ordering, operation: impl FnOnce() -> T) -> T {
    let one_order = matches!(order, Ordering::SeqCst);
    if one_order {
        fence(Ordering::SeqCst);
    }
    let result = operation();
    if one_order {
        fence(Ordering::SeqCst);
    }
    result
}

/// `std`'s of that name, as far as it is used.
#[derive(Debug, Default)]
pub struct AtomicU64(loom::sync::atomic::AtomicU64);

macro_rules! operations {
    ($($name:ident($($operand:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(missing_docs)]
        impl AtomicU64 {
            $(
                pub fn $name(&self $(, $operand: $type)*, order: Ordering) $(-> $result)? {
                    ordered(order, || self.0.$name($($operand,)* order))
                }
            )*
        }
    };
}

operations! {
    load() -> u64;
    store(value: u64);
    fetch_add(value: u64) -> u64;
    fetch_sub(value: u64) -> u64;
    fetch_and(value: u64) -> u64;
    fetch_or(value: u64) -> u64;
    fetch_max(value: u64) -> u64;
}

#[allow(missing_docs)]
impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        Self(loom::sync::atomic::AtomicU64::new(value))
    }

    pub fn compare_exchange(&self, from: u64, to: u64, order: Ordering, failed: Ordering) -> Result<u64, u64> {
        ordered(order, || self.0.compare_exchange(from, to, order, failed))
    }
}
