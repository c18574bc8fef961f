//! `fork()`: a child goes on with what its parent made. Of the parent's threads it has only the one
//! that forked, so the clocks' threads, the compilers and the runtime for WASI are started anew in
//! it when they are needed.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::clock::{Clock, Held};

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The clocks that may have a thread.
static CLOCKS: Mutex<Vec<Weak<Clock>>> = Mutex::new(Vec::new());

thread_local! {
    /// The clocks whose threads stand still while this thread forks.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// What threads belong to: those of another generation are not there.
pub fn generation() -> u64 {
    GENERATION.load(Relaxed)
}

/// Makes forks mind `clock`, until [`forget`].
pub(super) fn watch(clock: &Arc<Clock>) {
    CLOCKS.lock().push(Arc::downgrade(clock));
}

/// Ends what [`watch`] began.
pub(super) fn forget(clock: &Clock) {
    CLOCKS.lock().retain(|other| !std::ptr::eq(other.as_ptr(), clock));
}

/// Before a fork, on the thread that forks: no clock's thread is where a child could not go on.
pub extern "C" fn prepare() {
    let clocks: Vec<_> = CLOCKS.lock().iter().filter_map(Weak::upgrade).collect();
    let _ = HELD.try_with(|held| held.borrow_mut().extend(clocks.into_iter().map(Clock::hold)));
}

/// After a fork, in the parent.
pub extern "C" fn parent() {
    let _ = HELD.try_with(|held| held.borrow_mut().clear());
}

/// After a fork, in the child.
pub extern "C" fn child() {
    GENERATION.fetch_add(1, Relaxed);
    super::stack::forget();
    let _ = HELD.try_with(|held| held.borrow_mut().drain(..).for_each(Held::start_anew));
}
