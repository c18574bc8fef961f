//! `fork()`: a child goes on with what its parent made. Of the parent's threads it has only the one
//! that forked, so the clocks' threads, the compilers and the runtime for WASI are started anew in
//! it when they are needed.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{ArcMutexGuard, Mutex, MutexGuard, RawMutex};

use super::clock::{Clock, Held};

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// A lock that is held across a fork. Who waits for it does so without its knowledge: in the child it
/// would be handed to a thread that is not there, and be held for ever.
#[derive(Debug, Default)]
pub struct Lock<T>(Arc<Mutex<T>>);

/// A [`Lock`], for as long as this lives.
pub type Hold<T> = ArcMutexGuard<RawMutex, T>;

impl<T> Lock<T> {
    /// Takes the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        wait(|| self.0.try_lock())
    }

    /// Takes the lock, by a guard that may be kept anywhere.
    pub fn hold(&self) -> Hold<T> {
        wait(|| self.0.try_lock_arc())
    }
}

/// Asks until there is something: what is waited for takes as long as to start a thread, at most.
pub(super) fn wait<T>(ask: impl Fn() -> Option<T>) -> T {
    let mut asked = 0;
    loop {
        if let Some(got) = ask() {
            return got;
        }
        asked += 1;
        // A thread of a higher priority would keep the other from its processor.
        if asked < 50 { std::thread::yield_now() } else { std::thread::sleep(Duration::from_micros(50)) }
    }
}

/// The clocks that may have a thread.
static CLOCKS: Mutex<Vec<Weak<Clock>>> = Mutex::new(Vec::new());

/// The list of clocks, and the clocks, whose threads stand still.
struct Forking(#[allow(dead_code)] MutexGuard<'static, Vec<Weak<Clock>>>, Vec<Held>);

thread_local! {
    /// What is held while this thread forks.
    static HELD: RefCell<Option<Forking>> = const { RefCell::new(None) };
}

/// What threads belong to: those of another generation are not there.
pub fn generation() -> u64 {
    GENERATION.load(Relaxed)
}

/// Makes forks mind `clock`, until [`forget`].
pub(super) fn watch(clock: &Arc<Clock>) {
    wait(|| CLOCKS.try_lock()).push(Arc::downgrade(clock));
}

/// Ends what [`watch`] began.
pub(super) fn forget(clock: &Clock) {
    wait(|| CLOCKS.try_lock()).retain(|other| !std::ptr::eq(other.as_ptr(), clock));
}

/// Before a fork, on the thread that forks: no clock's thread is where a child could not go on.
pub extern "C" fn prepare() {
    let clocks = wait(|| CLOCKS.try_lock());
    let held = clocks.iter().filter_map(Weak::upgrade).map(Clock::hold).collect();
    let _ = HELD.try_with(|kept| kept.replace(Some(Forking(clocks, held))));
}

/// What [`prepare`] took.
fn held() -> Option<Forking> {
    HELD.try_with(RefCell::take).ok().flatten()
}

/// After a fork, in the parent.
pub extern "C" fn parent() {
    drop(held());
}

/// After a fork, in the child.
pub extern "C" fn child() {
    GENERATION.fetch_add(1, Relaxed);
    super::stack::forget();
    if let Some(Forking(_clocks, held)) = held() {
        held.into_iter().for_each(Held::start_anew);
    }
}
