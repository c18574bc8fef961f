//! Whether the clock's thread is awake, and the ticks that calls begin by: one word, so that one
//! load tells a call both.
//!
//! A call that begins first says that it runs (`Control::begin`) and then looks here; the thread, or
//! whoever lets it sleep, first says so here and then looks whether a call runs. All four are
//! sequentially consistent: one of the two sees the other. `tests/models` tries every order.

use super::atomic::{AtomicU64, Ordering::SeqCst};

/// The low bit of the word: the thread sleeps, or there is none.
const ASLEEP: u64 = 1;

/// Ticks, shifted left by one, and [`ASLEEP`].
#[derive(Debug)]
pub struct Awake(AtomicU64);

impl Awake {
    /// No tick so far; `asleep` where a thread is to be woken before a call may rely on it.
    pub fn new(asleep: bool) -> Self {
        Self(AtomicU64::new(u64::from(asleep)))
    }

    /// Ticks so far, and whether a thread counts on.
    #[inline]
    pub fn look(&self) -> (u64, bool) {
        let word = self.0.load(SeqCst);
        (word >> 1, word & ASLEEP == 0)
    }

    /// Counts `ticks`; gives how many there were before.
    #[inline]
    pub fn count(&self, ticks: u64) -> u64 {
        self.0.fetch_add(2 * ticks, SeqCst) >> 1
    }

    fn wake(&self) {
        self.0.fetch_and(!ASLEEP, SeqCst);
    }

    /// Wakes the thread, which is started where it is not there yet, and gives it: nobody takes it for
    /// awake before. By one who keeps others out of `thread` and of [`Awake::doze`].
    pub fn rouse<'t, T, E>(&self, thread: &'t mut Option<T>, start: impl FnOnce() -> Result<T, E>) -> Result<&'t T, E> {
        let thread = match thread {
            Some(thread) => thread,
            none => none.insert(start()?),
        };
        self.wake();
        Ok(thread)
    }

    /// None counts from here on.
    pub fn end(&self) {
        self.0.fetch_or(ASLEEP, SeqCst);
    }

    /// Lets the thread sleep unless `any_running`, which is asked again once that was said: a call that
    /// began in between has seen the thread awake. By one who keeps others out of [`Awake::rouse`].
    pub fn doze(&self, any_running: impl Fn() -> bool) {
        if any_running() {
            return;
        }
        self.end();
        if any_running() {
            self.wake();
        }
    }
}
