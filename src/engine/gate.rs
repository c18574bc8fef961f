//! A fork begins where no other thread makes or frees anything, if that can be waited for; and nobody
//! begins to while a thread forks.

use super::atomic::{AtomicU64, Ordering::SeqCst};

/// How many threads do either. Each says so before it looks at the other.
#[derive(Debug)]
pub struct Gate {
    /// How often threads are within what makes or frees.
    pub making: AtomicU64,
    /// Threads that fork.
    pub forking: AtomicU64,
}

impl Gate {
    /// Begins to make, once no thread forks, or `wait` gives up waiting for that, which it then says.
    pub fn enter(&self, wait: impl Fn(&dyn Fn() -> bool) -> bool) {
        let nobody_forks = || self.forking.load(SeqCst) == 0;
        loop {
            self.enter_at_once();
            if nobody_forks() {
                return;
            }
            self.leave();
            if !wait(&nobody_forks) {
                return self.enter_at_once();
            }
        }
    }

    /// Begins to make also while a thread forks: this one, or one that waits for this one.
    pub fn enter_at_once(&self) {
        self.making.fetch_add(1, SeqCst);
    }

    /// Ends what began.
    pub fn leave(&self) {
        self.making.fetch_sub(1, SeqCst);
    }

    /// Begins a fork, on a thread that is within `own` times, once no other is within, or `wait` gives up
    /// waiting for that. Gives which.
    pub fn fork(&self, own: u64, wait: impl Fn(&dyn Fn() -> bool) -> bool) -> bool {
        self.forking.fetch_add(1, SeqCst);
        wait(&|| self.making.load(SeqCst) == own)
    }

    /// Ends the fork, in the parent.
    pub fn forked(&self) {
        self.forking.fetch_sub(1, SeqCst);
    }

    /// Ends the fork, in the child, which has one thread. Gives whether no other was within.
    pub fn child(&self, own: u64) -> bool {
        let whole = self.making.load(SeqCst) == own;
        self.making.store(own, SeqCst);
        self.forking.store(0, SeqCst);
        whole
    }
}
