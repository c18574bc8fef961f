//! `fork()`: a child goes on with what its parent made. Of the parent's threads it has only the one
//! that forked, so the clocks' threads, the compilers and the runtime for WASI are started anew in
//! it when they are needed.
//!
//! What another thread holds at that moment is held in the child for ever. Locks that no call of a
//! component's takes, ours and Wasmtime's, are taken by what makes and frees alone, and that is counted
//! ([`making`]): who forks waits for it a little, and a child that finds another thread within does
//! nothing more than refuse. The count is a part of what the child is a copy of, so it is true.
//!
//! Calls are not counted. What a trap looks up, a call reads under a lock of Wasmtime's, for a fraction of a
//! microsecond: a child that finds a call under way tries these locks before it makes anything
//! ([`try_locks`]).

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{ArcMutexGuard, Mutex, MutexGuard, RawMutex};

use super::clock::{Clock, Held};
use super::gate::Gate;
use super::system::{self, Refusal};
use super::uncancelled::{is_uncancelled, uncancelled};
use super::{signals, stack};
use crate::contract::buffer;
use crate::error::{Error, ErrorKind, Result};

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How long a fork waits for what is made and freed. What takes longer (a compilation, a start function, the
/// program's callback in it) is not worth waiting for.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long what begins to make or free waits for a fork, which copies the tables of all that the process has
/// in memory. It ends, but where a handler of the program's, before it, waits for the thread that waits here.
const FORK: Duration = Duration::from_secs(2);

/// Who makes or frees, and who forks.
static GATE: Gate = Gate { making: AtomicU64::new(0), forking: AtomicU64::new(0) };

/// What was made or freed when this process was forked is in the midst of it for ever.
static LOST: AtomicBool = AtomicBool::new(false);

/// A call was under way on another thread when this process was forked, and nothing was made since.
static DOUBTFUL: AtomicBool = AtomicBool::new(false);

/// How long the locks of Wasmtime's are tried for. Those that are free are had at once, on any machine.
const TRIED: Duration = Duration::from_secs(2);

thread_local! {
    /// How often this thread is within what makes or frees.
    static OWN: Cell<u64> = const { Cell::new(0) };

    /// What is held while this thread forks. Not dropped with the thread: it may fork as it ends.
    static HELD: RefCell<ManuallyDrop<Option<Forking>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Something is made or freed on this thread.
#[derive(Debug)]
pub struct Making(());

/// Begins to make or free something that locks are taken for. Fails with `Internal` in a process that
/// cannot.
pub fn making() -> Result<Making> {
    whole()?;
    let own = OWN.get();
    // Not for itself, where the program's own handlers of the fork come here.
    if own > 0 || HELD.with_borrow(|held| held.is_some()) {
        GATE.enter_at_once();
    } else {
        GATE.enter(|until| waited(FORK, until));
    }
    OWN.set(own + 1);
    let making = Making(());
    if DOUBTFUL.load(Relaxed) {
        try_locks()?;
    }
    Ok(making)
}

/// Finds out, by another thread, whether all can be made that takes a lock which calls take, too.
#[cold]
fn try_locks() -> Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = wait(|| TURN.try_lock());
    if !DOUBTFUL.load(Relaxed) {
        return whole();
    }
    let clocks: Vec<_> = wait(|| CLOCKS.try_lock()).iter().filter_map(Weak::upgrade).collect();
    let made = Arc::new(AtomicBool::new(false));
    let makes = {
        let made = made.clone();
        move || {
            clocks.iter().for_each(|clock| clock.try_locks());
            make_code();
            made.store(true, SeqCst);
        }
    };
    let thread = std::thread::Builder::new().name("torvyn-fork".into());
    signals::starting(|| thread.spawn(makes)).map_err(|error| {
        const NONE: &str = "no thread could be started to find out what a forked process can use";
        system::failed(ErrorKind::Internal, NONE, &Refusal::new(system::THREAD, error))
    })?;
    if wait_within(TRIED, || made.load(SeqCst).then_some(())).is_none() {
        LOST.store(true, Relaxed);
        stack::forget();
    }
    DOUBTFUL.store(false, Relaxed);
    whole()
}

/// Makes and frees code, of which Wasmtime has one list for all engines.
#[cfg(feature = "compiler")]
fn make_code() {
    let mut config = wasmtime::Config::new();
    // Nothing of the process's is changed by it.
    config.parallel_compilation(false).signals_based_traps(false).native_unwind_info(false);
    // `(module (func))`
    let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";
    drop(wasmtime::Engine::new(&config).and_then(|engine| wasmtime::Module::new(&engine, module)));
}

/// There is none to make.
#[cfg(not(feature = "compiler"))]
fn make_code() {}

impl Drop for Making {
    fn drop(&mut self) {
        GATE.leave();
        OWN.set(OWN.get().saturating_sub(1));
    }
}

/// Fails with `Internal` in a process that was forked while another thread was [`making`].
pub fn whole() -> Result<()> {
    if LOST.load(Relaxed) { Err(lost()) } else { Ok(()) }
}

#[cold]
fn lost() -> Box<Error> {
    let message = "the process was forked while another thread made or freed something of the library's, so in this \
        child nothing of it can be used (see Fork in torvyn.h); fork at another moment, or use it in a new program";
    Error::new(ErrorKind::Internal, message)
}

/// Whether it came to that within the time.
fn waited(within: Duration, until: &dyn Fn() -> bool) -> bool {
    wait_within(within, || until().then_some(())).is_some()
}

/// As [`Lock`] waits, but not for longer than `within`.
pub fn wait_within<T>(within: Duration, ask: impl Fn() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    wait(|| ask().map(Some).or_else(|| (began.elapsed() > within).then_some(None)))
}

/// A lock whose waiters nothing knows of but themselves: of one that is held across a fork, what is known
/// of its waiters would hand it in the child to a thread that is not there; and whoever makes that known,
/// to whichever lock, does so under locks that a fork may find taken.
#[derive(Debug, Default)]
pub struct Lock<T>(Arc<Mutex<T>>);

/// A [`Lock`], for as long as this lives.
pub type Hold<T> = ArcMutexGuard<RawMutex, T>;

impl<T> Lock<T> {
    /// Of what is to be had by one at a time.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Takes the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        wait(|| self.0.try_lock())
    }

    /// Takes the lock, by a guard that may be kept anywhere.
    pub fn hold(&self) -> Hold<T> {
        wait(|| self.0.try_lock_arc())
    }
}

/// Asks until there is something, which seldom takes longer than to start a thread.
pub(super) fn wait<T>(ask: impl Fn() -> Option<T>) -> T {
    let mut asked = 0;
    loop {
        if let Some(got) = ask() {
            return got;
        }
        asked += 1;
        // A thread of a higher priority would keep the other from its processor.
        if asked < 50 {
            std::thread::yield_now();
        } else {
            let _uncancelled = uncancelled();
            std::thread::sleep(Duration::from_micros(if asked < 250 { 50 } else { 1000 }));
        }
    }
}

/// The clocks that may have a thread.
static CLOCKS: Mutex<Vec<Weak<Clock>>> = Mutex::new(Vec::new());

/// The list of clocks, and the clocks, whose threads stand still.
struct Forking(#[allow(dead_code)] MutexGuard<'static, Vec<Weak<Clock>>>, Vec<Held>);

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
    GATE.fork(OWN.get(), |until| waited(PATIENCE, until));
    let clocks = wait(|| CLOCKS.try_lock());
    let held = clocks.iter().filter_map(Weak::upgrade).map(Clock::hold).collect();
    HELD.set(ManuallyDrop::new(Some(Forking(clocks, held))));
}

/// What [`prepare`] took.
fn held() -> Option<Forking> {
    HELD.with_borrow_mut(|held| held.take())
}

/// After a fork, in the parent.
pub extern "C" fn parent() {
    drop(held());
    GATE.forked();
}

/// After a fork, in the child.
pub extern "C" fn child() {
    GENERATION.fetch_add(1, Relaxed);
    stack::forget();
    buffer::leave_reserves();
    let held = held();
    if !GATE.child(OWN.get()) {
        LOST.store(true, Relaxed);
        // It may fork once more.
        drop(held);
    } else if let Some(Forking(_clocks, held)) = held {
        let within = is_uncancelled();
        let doubtful = held.into_iter().filter_map(|clock| clock.start_anew(within).then_some(())).count() > 0;
        DOUBTFUL.fetch_or(doubtful, Relaxed);
    }
}
