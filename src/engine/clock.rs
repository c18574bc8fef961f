//! The engine's clock: ticks that deadlines are counted in and that stop running guests.
//!
//! Each tick raises Wasmtime's epoch, at which every running guest looks at its own deadline and
//! cancel mark (`Control`). The library's thread ticks while calls run and sleeps otherwise; or
//! the host ticks (`torvyn_engine_tick`), from wherever it likes, a signal handler included.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::awake::Awake;
use super::control::Control;
use super::fork;
use super::signals;
use super::system::{self, Refusal};
use super::term::Lateness;
use super::uncancelled::uncancelled;
use crate::error::{ErrorKind, Result};

/// After so many ticks the thread looks whether any call runs, and sleeps where none does.
const IDLE_TICKS: u64 = 64;

/// Counts ticks; see the module.
pub struct Clock {
    /// Ticks that calls begin by, and whether the library's thread is awake.
    awake: Awake,
    /// Ticks, counted after those and once `lateness` knows of them: what calls end by.
    told: AtomicU64,
    /// How late the library's thread was; the host's own ticks are exact.
    pub(super) lateness: Lateness,
    tick_ns: u64,
    engine: wasmtime::Engine,
    shared: fork::Lock<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The instances whose calls keep the thread awake; holes are reused.
    controls: Vec<Option<Arc<Control>>>,
    holes: Vec<usize>,
    thread: Option<JoinHandle<()>>,
    stop: bool,
}

impl Shared {
    fn any_running(&self) -> bool {
        self.controls.iter().flatten().any(|control| control.is_running())
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("ticks", &self.now()).field("tick_ns", &self.tick_ns).finish()
    }
}

impl Clock {
    /// A clock of `tick_ns` nanoseconds a tick; `own_thread` says that the library ticks.
    ///
    /// The thread starts with the first call that runs.
    pub fn new(engine: wasmtime::Engine, tick_ns: u64, own_thread: bool) -> Arc<Self> {
        let (told, lateness, shared) = Default::default();
        let clock = Arc::new(Self { awake: Awake::new(own_thread), told, lateness, tick_ns, engine, shared });
        fork::watch(&clock);
        clock
    }

    /// Nanoseconds between two ticks.
    pub fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    /// Ticks so far. They count only while a call runs.
    #[inline]
    pub fn now(&self) -> u64 {
        self.told.load(Acquire)
    }

    /// Ticks so far, for a call that begins: the thread is awake from here on. Fails with `Internal`
    /// where there can be none, without which nothing would end the call.
    ///
    /// `Control::begin` came first.
    #[inline]
    pub fn begin(self: &Arc<Self>) -> Result<u64> {
        let (ticks, awake) = self.awake.look();
        if !awake {
            self.rouse()?;
        }
        Ok(ticks)
    }

    /// The number of ticks that last at least `ns` from any moment within the present tick.
    #[inline]
    pub fn ticks_for(&self, ns: u64) -> u64 {
        (ns / self.tick_ns).saturating_add(2)
    }

    /// One tick of the host's. Atomic operations only: async-signal-safe.
    pub fn tick(&self) {
        self.awake.count(1);
        self.told.fetch_add(1, Release);
        self.engine.increment_epoch();
    }

    /// Counts `ticks` of the library's thread, of which the first was due at `due`.
    pub(super) fn count(&self, ticks: u64, due: Instant) {
        let from = self.awake.count(ticks);
        // By now, and not before, nobody begins by `from` any more.
        self.lateness.note(from, self.ticks_in(due.elapsed()));
        self.told.store(from + ticks, Release);
        self.engine.increment_epoch();
    }

    fn ticks_in(&self, time: Duration) -> u64 {
        (time.as_nanos() / u128::from(self.tick_ns)) as u64
    }

    #[cold]
    fn rouse(self: &Arc<Self>) -> Result<()> {
        let _uncancelled = uncancelled();
        let mut shared = self.shared.lock();
        let thread = self.awake.rouse(&mut shared.thread, || {
            let clock = self.clone();
            let thread = thread::Builder::new().name("torvyn-clock".into()).stack_size(256 << 10);
            signals::starting(|| thread.spawn(move || clock.run()))
        });
        match thread {
            Ok(thread) => {
                thread.thread().unpark();
                Ok(())
            }
            Err(error) => {
                let what = "no thread could be started for the engine's clock, and nothing would end the call (with \
                    `host_ticks` the program ticks, and none is needed)";
                Err(system::failed(ErrorKind::Internal, what, &Refusal::new(system::THREAD, error)))
            }
        }
    }

    /// Holds no lock while it waits, nor for long at all: see [`Clock::hold`].
    fn run(&self) {
        let tick = Duration::from_nanos(self.tick_ns);
        let mut due = Instant::now() + tick;
        let mut quiet = 0;
        loop {
            if !self.awake.look().1 {
                if self.shared.lock().stop {
                    return;
                }
                thread::park();
                due = Instant::now() + tick;
                quiet = 0;
                continue;
            }
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                thread::park_timeout(early);
                continue;
            }
            let ticks = 1 + self.ticks_in(due.elapsed());
            self.count(ticks, due);
            due += tick * u32::try_from(ticks).unwrap_or(u32::MAX);
            quiet += 1;
            if quiet >= IDLE_TICKS {
                quiet = 0;
                let shared = self.shared.lock();
                self.awake.doze(|| shared.any_running());
            }
        }
    }

    /// Keeps the thread out of what a child of a fork needs, for as long as the result lives.
    pub(super) fn hold(self: Arc<Self>) -> Held {
        let shared = self.shared.hold();
        Held { clock: self, shared }
    }

    /// Makes calls of `control` keep the thread awake; gives the ticket for [`Clock::forget`].
    pub fn register(&self, control: Arc<Control>) -> usize {
        let mut shared = self.shared.lock();
        match shared.holes.pop() {
            Some(hole) => {
                shared.controls[hole] = Some(control);
                hole
            }
            None => {
                shared.controls.push(Some(control));
                shared.controls.len() - 1
            }
        }
    }

    /// Ends what `register` began.
    pub fn forget(&self, ticket: usize) {
        let mut shared = self.shared.lock();
        shared.controls[ticket] = None;
        shared.holes.push(ticket);
    }

    /// Takes the locks of Wasmtime's engine that calls take.
    pub(super) fn try_locks(&self) {
        drop(wasmtime::FuncType::new(&self.engine, [], []));
    }

    /// Stops the thread and waits for its end. No call runs any more.
    pub fn stop(&self) {
        fork::forget(self);
        let thread = {
            let mut shared = self.shared.lock();
            shared.stop = true;
            self.awake.end();
            shared.thread.take()
        };
        if let Some(thread) = thread {
            thread.thread().unpark();
            // A panic of the thread has nowhere to go.
            let _ = thread.join();
        }
    }
}

/// A clock whose thread stands still, or waits without a lock.
pub(super) struct Held {
    clock: Arc<Clock>,
    shared: fork::Hold<Shared>,
}

impl Held {
    /// In the child of a fork, which does not have the thread: the next call starts another. Where the
    /// thread that forked is `within` a callback, its call goes on, and has another at once. Gives whether
    /// calls ran.
    pub(super) fn start_anew(self, within: bool) -> bool {
        let Self { clock, mut shared } = self;
        let ran = shared.any_running();
        if let Some(thread) = shared.thread.take() {
            std::mem::forget(thread); // there is nobody to join
            clock.awake.end();
            if within && ran {
                drop(shared);
                // Where there is none to be had, the next call says so.
                let _ = clock.rouse();
                return ran;
            }
        }
        if within {
            return ran;
        }
        // What runs is run by nobody, and keeps no thread awake.
        let Shared { controls, holes, .. } = &mut *shared;
        for (ticket, control) in controls.iter_mut().enumerate() {
            if control.take_if(|control| control.is_running()).is_some() {
                holes.push(ticket);
            }
        }
        ran
    }
}
