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
use super::control::Control;
use super::fault::Stop;

/// How many slots a ring has, and how many rings there are: they hold what came of the last 2³⁴ ticks.
const SLOTS: u64 = 256;
const RINGS: usize = 14;

/// By how much the slots of each ring are wider than those of the one before, as a power of two.
const WIDER: usize = 2;

/// For so many slots of ticks, by their remainder: the upper half is how often the slots went round,
/// the lower the most that was counted late.
type Ring = [AtomicU64; SLOTS as usize];

/// How late the clock was in counting on from a tick.
///
/// A call looks at the first chance, and finds its tick in the first ring, where each has a slot.
/// One that is within the program's own functions for long comes after others have taken the place,
/// and finds the worst of a few ticks around its own in the first ring that goes back as far. That
/// errs little: whatever comes after a stall in the same slot was stalled for less than a slot is
/// wide, which is a 64th of the time that the call has taken by then, and what came before it stood
/// still with it.
#[derive(Debug)]
pub struct Lateness {
    rings: Box<[Ring]>,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { rings: (0..RINGS).map(|_| [const { AtomicU64::new(0) }; SLOTS as usize]).collect() }
    }
}

impl Lateness {
    /// Each ring's slot for `tick`, and the round that it is in, which may wrap.
    fn slots(&self, tick: u64) -> impl Iterator<Item = (&AtomicU64, u32)> {
        self.rings.iter().enumerate().map(move |(ring, slots)| {
            let slot = tick >> (ring * WIDER);
            (&slots[(slot % SLOTS) as usize], (slot / SLOTS) as u32)
        })
    }

    /// Whoever saw `tick` as the latest may have done so up to `late` ticks after the next was due. By
    /// one thread, and before it counts on where calls look.
    pub fn note(&self, tick: u64, late: u64) {
        if late == 0 {
            return;
        }
        let late = late.min(u64::from(u32::MAX));
        for (slot, round) in self.slots(tick) {
            let before = slot.load(Relaxed);
            let worst = if (before >> 32) as u32 == round { late.max(u64::from(before as u32)) } else { late };
            slot.store(u64::from(round) << 32 | worst, Release);
        }
    }

    /// How late that may have been; of what was so long ago that no ring goes back there, nothing is
    /// known.
    fn of(&self, tick: u64) -> u64 {
        for (slot, round) in self.slots(tick) {
            let slot = slot.load(Acquire);
            match ((slot >> 32) as u32).wrapping_sub(round) as i32 {
                0 => return u64::from(slot as u32),
                ..0 => return 0,
                1.. => {} // lost: a later tick has the place
            }
        }
        0
    }
}

/// The time of one call.
#[derive(Clone, Copy, Debug)]
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

    /// What ends the call now, where anything does.
    #[inline]
    pub fn stop(&mut self, clock: &Clock, control: &Control) -> Option<Stop> {
        if control.is_cancelled() { Some(Stop::Cancelled) } else { self.is_over(clock).then_some(Stop::Deadline) }
    }

    #[cold]
    fn look(&mut self, clock: &Clock, now: u64) -> bool {
        if !self.exact {
            let late = clock.lateness.of(self.began);
            self.began += late;
            self.ends = self.ends.saturating_add(late);
            self.exact = true;
        }
        now >= self.ends
    }

    /// Ticks since the call began.
    pub fn gone(&mut self, clock: &Clock) -> u64 {
        let now = clock.now();
        if now > self.began {
            self.look(clock, now);
        }
        now.saturating_sub(self.began)
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
        let (mut term, mut unseen) = (Term::new(7, 20), Term::new(7, 20));
        assert!(!term.is_over(&clock));
        count(&clock, 60, 59); // the process stood still before the call
        assert!(!term.is_over(&clock));
        assert_eq!((term.gone(&clock), { unseen }.gone(&clock)), (1, 1));
        count(&clock, 18, 17); // and again: the call's own time
        assert!(!term.is_over(&clock) && !{ unseen }.is_over(&clock));
        count(&clock, 1, 0);
        assert!(term.is_over(&clock) && { unseen }.is_over(&clock));
        assert_eq!((term.gone(&clock), unseen.gone(&clock)), (20, 20));
    }

    #[test]
    fn a_call_that_looks_late_gains_nothing() {
        let clock = clock();
        let mut term = Term::new(0, 400);
        (0..399).for_each(|_| count(&clock, 1, 0));
        assert!(!{ term }.is_over(&clock) && { term }.gone(&clock) == 399);
        count(&clock, 1, 0);
        assert!(term.is_over(&clock));
    }

    #[test]
    fn a_call_that_looks_late_finds_how_late_it_began_and_no_stall_of_others() {
        let clock = clock();
        count(&clock, 9, 0);
        for age in [1, SLOTS - 1, 3 * SLOTS, 50 * SLOTS] {
            for stall in [20, 700] {
                let mut before = Term::new(clock.now(), u64::MAX);
                clock.lateness.note(clock.now(), stall);
                count(&clock, stall + 1, 0);
                let mut after = Term::new(clock.now(), u64::MAX);
                for _ in 0..age {
                    clock.lateness.note(clock.now(), 1); // each takes a place
                    count(&clock, 1, 0);
                }
                assert_eq!(before.gone(&clock), age + 1);
                let gone = after.gone(&clock);
                assert!(gone < age && gone + 1 + age / 64 >= age, "{gone} of {age}");
            }
        }
    }

    #[test]
    fn the_first_look_is_kept() {
        let clock = clock();
        let mut term = Term::new(0, 10);
        count(&clock, 5, 4);
        assert_eq!(term.gone(&clock), 1);
        count(&clock, 1 << 36, 0);
        clock.lateness.note(1 << 36, 7); // takes the place in every ring
        assert_eq!(term.gone(&clock), 1 + (1 << 36));
    }

    #[test]
    fn a_term_without_end_has_none() {
        let clock = clock();
        let mut term = Term::new(0, u64::MAX);
        count(&clock, 1 << 40, 59);
        assert!(!term.is_over(&clock));
    }
}
