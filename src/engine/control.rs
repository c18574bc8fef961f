//! What other threads see and touch of an instance: whether a call runs, the cancel mark, the
//! state and the counters. All of it is plain atomics; the running call only stores.

use super::atomic::{
    AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
};

/// Where an instance stands (`torvyn_instance_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Exports `lifecycle` and waits for `init`.
    New,
    /// Takes elements.
    Ready,
    /// The guest said `fatal`: only teardown is left.
    Failed,
    /// A trap or a budget ended a call: only reset and free are left.
    Poisoned,
    /// Torn down: only reset and free are left.
    TornDown,
}

impl State {
    /// The name in the header, without its prefix.
    pub const fn name(self) -> &'static str {
        match self {
            State::New => "NEW",
            State::Ready => "READY",
            State::Failed => "FAILED",
            State::Poisoned => "POISONED",
            State::TornDown => "TORN_DOWN",
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one instance. Written by its running call alone, read from any thread.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)* }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Reads them all; each is exact, together they are of about one moment.
            pub fn read(&self) -> Stats {
                Stats { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Calls that began, of any function.
    calls,
    /// Calls that a budget, a trap or a panic ended.
    stopped,
    /// Calls that the guest answered with a `process-error`.
    guest_errors,
    /// Calls refused before the guest ran.
    refused,
    /// Traps of the guest, budgets not counted.
    traps,
    /// Calls that ran out of fuel.
    out_of_fuel,
    /// Calls that a deadline ended.
    deadlines,
    /// Calls that a cancel ended.
    cancels,
    /// Calls that a memory limit ended.
    memory_limits,
    /// Elements lent to the guest.
    elements_in,
    /// Elements that the guest gave.
    elements_out,
    /// Payload bytes copied into the guest's memory.
    bytes_in,
    /// Payload bytes copied out of the guest's memory.
    bytes_out,
    /// What the host holds for the guest, in bytes (`contract::held`), when the last call ended.
    buffer_bytes,
    /// The most that it held at once, also within a call.
    buffer_bytes_peak,
    /// Linear memory of the instance, in bytes.
    linear_bytes,
    /// Fuel used, where fuel is on.
    fuel_used,
    /// Nanoseconds inside calls, where timing is on.
    time_ns,
    /// Resets.
    resets,
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; by the one writer only.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets the value; by the one writer only.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// Sets the value where it is less; by the one writer only.
    #[inline]
    pub fn raise(&self, to: u64) {
        if to > self.get() {
            self.set(to);
        }
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Beside the number of the running call: the instance was freed, and ends with it.
const DOOMED: u64 = 1 << 63;

/// The shared side of one instance; a cache line of its own for what a call writes.
#[derive(Debug)]
#[repr(align(128))]
pub struct Control {
    /// The number of the running call, odd; even while none runs. And [`DOOMED`].
    call: AtomicU64,
    /// The number of the latest call to stop.
    cancel: AtomicU64,
    state: AtomicU8,
    /// What was done so far.
    pub counters: Counters,
}

impl Control {
    /// For an instance in `state` that no call uses.
    pub fn new(state: State) -> Self {
        Self {
            call: AtomicU64::new(0),
            cancel: AtomicU64::new(0),
            state: AtomicU8::new(state as u8),
            counters: Counters::default(),
        }
    }

    /// Begins a call; false where one runs already.
    #[inline]
    pub fn begin(&self) -> bool {
        let call = self.call.load(Relaxed);
        call & 1 == 0 && self.call.compare_exchange(call, call + 1, SeqCst, Relaxed).is_ok()
    }

    /// Ends the call that `begin` began. True where the instance is [doomed](Self::doom): nobody but
    /// the caller has it any more.
    ///
    /// The mark and the end of the call are in one word, and each comes by one operation that also
    /// reads: whichever is first, the second sees it, and one alone ends the instance. With a mere
    /// store here a mark could fall between that and a look at it. On the processors at hand the
    /// operation takes no longer than the store, for whose arrival the next `begin` waits instead.
    #[inline]
    #[must_use]
    pub fn end(&self) -> bool {
        self.call.fetch_add(1, AcqRel) & DOOMED != 0
    }

    /// Ends what `begin` began as if it had not begun: a cancel still means the next call. True as
    /// for [`Control::end`].
    #[inline]
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.call.fetch_sub(1, AcqRel) & DOOMED != 0
    }

    /// Has the running call end the instance. False where none runs, nor will: the caller has it alone.
    #[must_use]
    pub fn doom(&self) -> bool {
        self.call.fetch_or(DOOMED, AcqRel) & 1 == 1
    }

    #[inline]
    fn number(&self) -> u64 {
        self.call.load(Relaxed) & !DOOMED
    }

    /// Whether a call runs.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.call.load(SeqCst) & 1 == 1
    }

    /// Marks the running call to be stopped, or the next one where none runs. A mark on a call
    /// that ends first is void. Atomic operations only: async-signal-safe.
    pub fn cancel(&self) {
        let call = self.call.load(SeqCst) & !DOOMED;
        self.cancel.fetch_max(call | 1, SeqCst);
    }

    /// Whether the running call is marked.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Acquire) == self.number()
    }

    /// Ends the mark on the running call: what it was for has been said, or is not to be stopped. False
    /// where there is none.
    #[cold]
    pub fn spend_cancel(&self) -> bool {
        self.cancel.compare_exchange(self.number(), 0, SeqCst, Relaxed).is_ok()
    }

    /// Where the instance stands.
    #[inline]
    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => State::New,
            1 => State::Ready,
            2 => State::Failed,
            3 => State::Poisoned,
            _ => State::TornDown,
        }
    }

    /// Moves the instance to `state`; by the running call only.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_at_a_time() {
        let control = Control::new(State::Ready);
        assert!(control.begin());
        assert!(!control.begin());
        assert!(control.is_running());
        assert!(!control.end());
        assert!(control.begin());
    }

    #[test]
    fn a_cancel_stops_the_running_call_or_the_next_and_no_other() {
        let control = Control::new(State::Ready);
        for _ in 0..3 {
            control.cancel();
            assert!(control.begin() && control.is_cancelled());
            assert!(!control.end());
            assert!(control.begin() && !control.is_cancelled());
            control.cancel();
            assert!(control.is_cancelled());
            assert!(!control.end());
            assert!(control.begin() && !control.is_cancelled());
            assert!(!control.end());
            control.cancel();
            assert!(control.begin());
            assert!(!control.withdraw());
            assert!(control.begin() && control.is_cancelled());
            control.spend_cancel();
            assert!(!control.withdraw());
            assert!(control.begin() && !control.is_cancelled());
            assert!(!control.end());
        }
    }

    #[test]
    fn a_doomed_instance_is_ended_by_one_alone() {
        for end in [Control::end, Control::withdraw] {
            let control = Control::new(State::Ready);
            assert!(control.begin() && !end(&control));
            assert!(control.begin() && control.doom());
            assert!(!control.begin() && control.is_running() && !control.is_cancelled());
            control.cancel();
            assert!(control.is_cancelled());
            control.spend_cancel();
            assert!(!control.is_cancelled());
            assert!(end(&control), "the call's");
        }
        let control = Control::new(State::Ready);
        control.cancel();
        assert!(control.begin() && control.doom() && control.is_cancelled() && control.end());
        assert!(!Control::new(State::Ready).doom(), "the one's who frees it");
    }
}
