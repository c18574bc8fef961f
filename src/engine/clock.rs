//! The engine's clock: ticks that deadlines are counted in and that stop running guests.
//!
//! Each tick raises Wasmtime's epoch, at which every running guest looks at its own deadline and
//! cancel mark (`Control`). The library's thread ticks while calls run and sleeps otherwise; or
//! the host ticks (`torvyn_engine_tick`), from wherever it likes, a signal handler included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::control::Control;
use super::log::{Level, Log};

/// After so many ticks the thread looks whether any call runs, and sleeps where none does.
const IDLE_TICKS: u64 = 64;

/// The low bit of the word: the thread sleeps.
const ASLEEP: u64 = 1;

/// Counts ticks; see the module.
pub struct Clock {
    /// Ticks, shifted left by one, and [`ASLEEP`].
    word: AtomicU64,
    tick_ns: u64,
    /// The library's thread ticks, and may be late; the host's own ticks are exact.
    pub own_thread: bool,
    engine: wasmtime::Engine,
    log: Option<Log>,
    shared: Mutex<Shared>,
    wake: Condvar,
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
    pub fn new(engine: wasmtime::Engine, tick_ns: u64, own_thread: bool, log: Option<Log>) -> Arc<Self> {
        let word = AtomicU64::new(if own_thread { ASLEEP } else { 0 });
        Arc::new(Self { word, tick_ns, own_thread, engine, log, shared: Mutex::default(), wake: Condvar::new() })
    }

    /// Nanoseconds between two ticks.
    pub fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    /// Ticks so far. They count only while a call runs.
    #[inline]
    pub fn now(&self) -> u64 {
        self.word.load(SeqCst) >> 1
    }

    /// Ticks so far, for a call that begins: the thread is awake from here on.
    ///
    /// `Control::begin` came first. Both are sequentially consistent, so either this sees
    /// [`ASLEEP`] or the thread, which sets it and then looks again, sees the running call.
    #[inline]
    pub fn begin(self: &Arc<Self>) -> u64 {
        let word = self.word.load(SeqCst);
        if word & ASLEEP != 0 {
            self.rouse();
        }
        word >> 1
    }

    /// The number of ticks that last at least `ns` from any moment within the present tick.
    #[inline]
    pub fn ticks_for(&self, ns: u64) -> u64 {
        (ns / self.tick_ns).saturating_add(2)
    }

    /// One tick of the host's. Atomic operations only: async-signal-safe.
    pub fn tick(&self) {
        self.word.fetch_add(2, SeqCst);
        self.engine.increment_epoch();
    }

    #[cold]
    fn rouse(self: &Arc<Self>) {
        let mut shared = self.shared.lock();
        self.word.fetch_and(!ASLEEP, SeqCst);
        if shared.thread.is_none() && !shared.stop {
            let clock = self.clone();
            // Where no thread can be had, calls run without a deadline rather than not at all; the
            // next call tries again.
            match std::thread::Builder::new()
                .name("torvyn-clock".into())
                .stack_size(256 << 10)
                .spawn(move || clock.run())
            {
                Ok(thread) => shared.thread = Some(thread),
                Err(error) => {
                    self.word.fetch_or(ASLEEP, SeqCst);
                    drop(shared);
                    return self.no_thread(&error);
                }
            }
        }
        self.wake.notify_one();
    }

    fn no_thread(&self, error: &std::io::Error) {
        if let Some(log) = &self.log {
            let what = "the clock's thread could not be started, so this call has no deadline and no cancel stops it";
            log.write(Level::Error, None, None, format_args!("{what}: {error}"));
        }
    }

    fn run(&self) {
        let tick = Duration::from_nanos(self.tick_ns);
        let mut shared = self.shared.lock();
        let mut due = Instant::now() + tick;
        let mut quiet = 0;
        while !shared.stop {
            if self.word.load(SeqCst) & ASLEEP != 0 {
                self.wake.wait(&mut shared);
                due = Instant::now() + tick;
                quiet = 0;
                continue;
            }
            if !self.wake.wait_until(&mut shared, due).timed_out() {
                continue;
            }
            let late = Instant::now().saturating_duration_since(due);
            let ticks = 1 + (late.as_nanos() / u128::from(self.tick_ns)) as u64;
            due += tick * u32::try_from(ticks).unwrap_or(u32::MAX);
            self.word.fetch_add(2 * ticks, SeqCst);
            self.engine.increment_epoch();
            quiet += 1;
            if quiet >= IDLE_TICKS {
                quiet = 0;
                if !shared.any_running() {
                    self.word.fetch_or(ASLEEP, SeqCst);
                    if shared.any_running() {
                        self.word.fetch_and(!ASLEEP, SeqCst);
                    }
                }
            }
        }
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

    /// Stops the thread and waits for its end. No call runs any more.
    pub fn stop(&self) {
        let thread = {
            let mut shared = self.shared.lock();
            shared.stop = true;
            shared.thread.take()
        };
        self.wake.notify_one();
        if let Some(thread) = thread {
            // A panic of the thread has nowhere to go.
            let _ = thread.join();
        }
    }
}
