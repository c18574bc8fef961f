//! The time that a call has: a number of the clock's ticks, from where it truly began.
//!
//! A call begins by the latest tick that was counted, which costs it one load. But the clock's
//! thread may be late, and ticks that passed before the call began are then counted after it did.
//! How many they were is known when the next are counted ([`Lateness`]), and the call looks there
//! once: what it does and where it waits until then changes nothing.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::clock::Clock;

/// Of so many ticks that were followed late it is known how late. A call looks at the first chance;
/// only one that is within the program's own functions for long comes after others have taken the
/// place of its tick.
const SLOTS: u64 = 256;

/// How late the clock was in counting on from a tick.
#[derive(Debug)]
pub struct Lateness {
    /// For each tick, by its remainder: the upper half is how often the ticks went round, the lower
    /// how many were counted late.
    slots: [AtomicU64; SLOTS as usize],
    /// The most that any slot had and has no more.
    worst: AtomicU64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { slots: [const { AtomicU64::new(0) }; SLOTS as usize], worst: AtomicU64::new(0) }
    }
}

impl Lateness {
    /// Whoever saw `tick` as the latest may have done so up to `late` ticks after the next was due. By
    /// one thread, and before it counts on where calls look.
    pub fn note(&self, tick: u64, late: u64) {
        if late == 0 {
            return;
        }
        let slot = &self.slots[(tick % SLOTS) as usize];
        let before = u64::from(slot.load(Relaxed) as u32);
        self.worst.fetch_max(before, Relaxed);
        slot.store((tick / SLOTS) << 32 | late.min(u64::from(u32::MAX)), Release);
    }

    /// How late that may have been, `now` that others are counted; where it is not known any more, no
    /// less than it was.
    fn of(&self, tick: u64, now: u64) -> u64 {
        let slot = self.slots[(tick % SLOTS) as usize].load(Acquire);
        let (round, late) = (slot >> 32, u64::from(slot as u32));
        match round.cmp(&(tick / SLOTS)) {
            std::cmp::Ordering::Equal => late,
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => self.worst.load(Relaxed).min(now - tick - 1),
        }
    }
}

/// The time of one call.
#[derive(Clone, Debug)]
pub struct Term {
    /// The tick by which it began, and that at which it ends.
    began: u64,
    ends: u64,
    /// Both are what they should be: the clock's lateness is in them.
    exact: bool,
}

impl Term {
    /// For a call that begins by the tick `began` ([`Clock::begin`]) and has `ticks`.
    #[inline]
    pub fn new(began: u64, ticks: u64) -> Self {
        Self { began, ends: began.saturating_add(ticks), exact: false }
    }

    /// Whether it is over. A call that is shorter than a tick asks for two numbers.
    #[inline]
    pub fn is_over(&mut self, clock: &Clock) -> bool {
        let now = clock.now();
        now > self.began && self.look(clock, now)
    }

    #[cold]
    fn look(&mut self, clock: &Clock, now: u64) -> bool {
        if !self.exact {
            let late = clock.lateness.of(self.began, now);
            self.began += late;
            self.ends = self.ends.saturating_add(late);
            self.exact = true;
        }
        now >= self.ends
    }

    /// Ticks since the call began.
    pub fn gone(&self, clock: &Clock) -> u64 {
        let now = clock.now();
        if now <= self.began {
            return 0;
        }
        let late = if self.exact { 0 } else { clock.lateness.of(self.began, now) };
        now.saturating_sub(self.began + late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const TICK: Duration = Duration::from_secs(1); // so long that the test takes none of it

    /// A clock that nothing but the test counts on.
    fn clock() -> std::sync::Arc<Clock> {
        Clock::new(wasmtime::Engine::default(), TICK.as_nanos() as u64, true)
    }

    /// Counts `ticks`, the first of which was due `late` ticks ago.
    fn count(clock: &Clock, ticks: u64, late: u32) {
        clock.count(ticks, Instant::now() - TICK * late);
    }

    #[test]
    fn ticks_that_were_counted_late_are_not_the_calls() {
        let clock = clock();
        count(&clock, 7, 0);
        let (mut term, unseen) = (Term::new(7, 20), Term::new(7, 20));
        assert!(!term.is_over(&clock));
        count(&clock, 60, 59); // the process stood still before the call
        assert!(!term.is_over(&clock));
        assert_eq!((term.gone(&clock), unseen.gone(&clock)), (1, 1));
        count(&clock, 18, 17); // and again: the call's own time
        assert!(!term.is_over(&clock) && !unseen.clone().is_over(&clock));
        count(&clock, 1, 0);
        assert!(term.is_over(&clock) && unseen.clone().is_over(&clock));
        assert_eq!((term.gone(&clock), unseen.gone(&clock)), (20, 20));
    }

    #[test]
    fn a_call_that_looks_late_gains_nothing() {
        let clock = clock();
        let mut term = Term::new(0, 400);
        (0..399).for_each(|_| count(&clock, 1, 0));
        assert!(!term.clone().is_over(&clock) && term.gone(&clock) == 399);
        count(&clock, 1, 0);
        assert!(term.is_over(&clock));
    }

    #[test]
    fn a_tick_that_lost_its_place_was_no_later_than_the_worst() {
        let clock = clock();
        count(&clock, 5, 4);
        let began = Term::new(0, 2 * SLOTS);
        count(&clock, SLOTS - 5, 0);
        assert_eq!(began.gone(&clock), SLOTS - 4);
        count(&clock, 3, 2); // takes the place of the tick 0
        assert_eq!(began.gone(&clock), SLOTS + 3 - 4);
        let mut other = Term::new(SLOTS, 4);
        assert_eq!(other.gone(&clock), 1);
        count(&clock, 1, 0);
        count(&clock, SLOTS * 2, 0);
        assert!(other.is_over(&clock));
    }

    #[test]
    fn a_term_without_end_has_none() {
        let clock = clock();
        let mut term = Term::new(0, u64::MAX);
        count(&clock, 1 << 40, 59);
        assert!(!term.is_over(&clock));
    }
}
