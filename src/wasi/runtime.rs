//! Waiting: the engine's runtime, and a call that ends at its deadline also while it waits.

use std::any::Any;
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::engine::descriptors::Watched;
use crate::engine::fault::Stop;
use crate::engine::fork;
use crate::engine::signals;
use crate::engine::stack;
use crate::engine::system::{self, Refusal};
use crate::engine::uncancelled::uncancelled;
use crate::error::{ErrorKind, Result};
use crate::general::watch::Limit;

/// Threads for system calls that cannot be waited for otherwise (files).
pub const BLOCKING: usize = 64;

/// The stack of a thread: where none is said, the environment says it.
const STACK: usize = 2 << 20;

/// What is left to such a thread when its engine ends; one that waits for a silent pipe stays.
const GRACE: Duration = Duration::from_millis(50);

/// What its threads are called.
const NAME: &str = "torvyn-wasi";

/// Whether so many threads can be had at once. Tokio panics where they cannot, and would then wait
/// for ever for the end of those that it has.
fn can_start(threads: usize) -> std::io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut started = Vec::new();
    let all = (0..threads).try_for_each(|_| {
        let (builder, gate) = (thread::Builder::new().name(NAME.into()).stack_size(STACK), gate.clone());
        started.push(signals::starting(|| builder.spawn(move || drop(gate.lock())))?);
        Ok(())
    });
    drop(closed);
    // To the end, so that what they took is there again.
    for thread in started {
        let _ = thread.join();
    }
    all
}

/// Something that a runtime waits for.
fn probe(runtime: &Runtime) -> std::io::Result<pipe::Receiver> {
    let _entered = runtime.enter();
    pipe::pipe().map(|(_, receiver)| receiver)
}

/// A runtime, with the generation of its threads and what it waits with.
struct Made {
    runtime: Runtime,
    generation: u64,
    descriptors: Arc<Watched>,
}

impl Made {
    /// Whether it can be used, and ended: a parent's has no threads here, and could not be ended without
    /// disturbing it there; what waits with the program's descriptors would take its events, and close them.
    fn is_ours(&self) -> bool {
        self.generation == fork::generation() && self.descriptors.are_there()
    }
}

/// The runtimes of an engine, each made when it is first needed: one that waits for time and work alone,
/// which takes no descriptor, and one for sockets.
#[derive(Default)]
pub struct Lazy([fork::Lock<Option<Made>>; 2]);

impl Lazy {
    /// The runtime, for sockets or not, made with `threads` threads where it is not there yet.
    pub fn get(&self, threads: u32, sockets: bool) -> Result<(Handle, Arc<Watched>)> {
        let mut made = self.0[usize::from(sockets)].lock();
        let give = |made: &Made| (made.runtime.handle().clone(), made.descriptors.clone());
        match made.take() {
            Some(ours) if ours.is_ours() => return Ok(give(made.insert(ours))),
            not_ours => std::mem::forget(not_ours),
        }
        let threads = threads.max(1) as usize;
        let build = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads).max_blocking_threads(BLOCKING);
            builder.thread_name(NAME).thread_stack_size(STACK).enable_time();
            let mut descriptors = Watched::default();
            let built = if sockets {
                descriptors.waited_with(|| signals::starting(|| builder.enable_io().build()), probe)
            } else {
                signals::starting(|| builder.build())
            };
            built.map(|runtime| (runtime, Arc::new(descriptors)))
        };
        const NONE: &str = "no thread for WASI could be started";
        let lacking = |what, call, e| system::failed(ErrorKind::Instantiation, what, &Refusal::new(call, e));
        can_start(threads).map_err(|e| lacking(NONE, system::THREAD, e))?;
        // Tokio panics where a thread that was there a moment ago is not any more.
        let gone = || lacking(NONE, system::THREAD, std::io::Error::from_raw_os_error(libc::EAGAIN));
        let built = catch_unwind(build)
            .or_else(|panic| if says_no_thread(&*panic) { Err(gone()) } else { resume_unwind(panic) })?;
        let (runtime, descriptors) = built.map_err(|e| {
            lacking("what WASI waits with was not made", "epoll_create1, epoll_ctl, eventfd2, fcntl or pipe2", e)
        })?;
        Ok(give(made.insert(Made { runtime, generation: fork::generation(), descriptors })))
    }

    /// Whether it was made.
    pub fn is_there(&self) -> bool {
        self.0.iter().any(|made| made.lock().is_some())
    }

    /// Ends its threads.
    pub fn stop(&self) {
        for made in self.0.iter().filter_map(|made| made.lock().take()) {
            if !made.is_ours() {
                std::mem::forget(made);
                continue;
            }
            made.descriptors.end();
            if Handle::try_current().is_ok() {
                made.runtime.shutdown_background(); // a Rust program on a runtime of its own, where none may be waited for
            } else {
                made.runtime.shutdown_timeout(GRACE);
            }
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static WAKER: OnceCell<Waker> = const { OnceCell::new() };
}

fn waker() -> Waker {
    let make = || Arc::new(Unpark(std::thread::current())).into();
    WAKER.try_with(|waker| waker.get_or_init(make).clone()).unwrap_or_else(|_| make())
}

fn says_no_thread(panic: &(dyn Any + Send)) -> bool {
    panic.downcast_ref::<String>().is_some_and(|said| said.starts_with("OS can't spawn worker thread"))
}

/// Runs calls that may wait.
#[derive(Clone, Debug)]
pub struct Waiter {
    runtime: Handle,
    descriptors: Arc<Watched>,
    guest_stack: usize,
    generation: u64,
}

impl Waiter {
    /// Waits with `runtime`, which needs these descriptors; components have `guest_stack`.
    pub fn new((runtime, descriptors): (Handle, Arc<Watched>), guest_stack: usize) -> Self {
        Self { runtime, descriptors, guest_stack, generation: fork::generation() }
    }

    /// Whether what it waits with is the program's by now.
    pub fn lost_descriptors(&self) -> bool {
        !self.descriptors.are_there()
    }

    /// Whether its threads are those of a process that forked this one.
    pub fn is_of_a_parent(&self) -> bool {
        self.generation != fork::generation()
    }

    /// Runs `call` on this thread, and drops it where it waits beyond its limit: the store that it
    /// used is of no use then.
    pub fn run<T>(&self, mut limit: Limit, call: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
        if self.is_of_a_parent() {
            return Err(Stop::Forked.into());
        }
        let _uncancelled = uncancelled();
        let _entered = self.runtime.enter();
        let _on = stack::waiting(self.guest_stack);
        let tick = Duration::from_nanos(limit.clock.tick_ns());
        let waker = waker();
        let mut context = Context::from_waker(&waker);
        let mut call = pin!(call);
        loop {
            match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context))) {
                Ok(Poll::Ready(result)) => return result,
                Ok(Poll::Pending) => {}
                // What a file is waited for with is a thread, and Tokio panics where there is none: by
                // its words, since there may be one again by now, and by whether there is, since the
                // words are Tokio's.
                Err(panic) if says_no_thread(&*panic) || can_start(1).is_err() => {
                    return Err(Stop::NoThread.into());
                }
                Err(panic) => resume_unwind(panic),
            }
            // In a callback; what it waits for is the parent's.
            if self.is_of_a_parent() {
                return Err(Stop::Forked.into());
            }
            if let Some(stop) = limit.reached() {
                return Err(stop.into());
            }
            if self.lost_descriptors() {
                return Err(Stop::Descriptors.into());
            }
            std::thread::park_timeout(tick);
        }
    }
}
