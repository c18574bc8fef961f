//! Each test runs in every order of its threads' steps that memory allows.

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use torvyn_models::atomic::AtomicU64;
use torvyn_models::awake::Awake;
use torvyn_models::control::{Control, State};
use torvyn_models::gate::Gate;

/// All that come of four changes from one thread to another where none has to wait; more took minutes
/// and found no more.
fn in_every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(model);
}

/// A clock without ticks: its word, its thread where it has one, and the calls that it looks after.
struct Clock {
    awake: Awake,
    thread: Mutex<Option<()>>,
    controls: [Control; 2],
}

impl Clock {
    fn new(thread: Option<()>) -> Arc<Self> {
        let controls = [Control::new(State::Ready), Control::new(State::Ready)];
        Arc::new(Self { awake: Awake::new(thread.is_none()), thread: Mutex::new(thread), controls })
    }

    /// A call of one instance, where the system has a thread or has none. While it runs there is a
    /// thread, and it is awake; or it does not run.
    fn call(&self, control: usize, there_are_threads: bool) {
        let control = &self.controls[control];
        assert!(control.begin());
        let (_, awake) = self.awake.look();
        let start = || if there_are_threads { Ok(()) } else { Err(()) };
        if !awake && self.awake.rouse(&mut self.thread.lock().unwrap(), start).is_err() {
            assert!(!control.withdraw());
            return;
        }
        {
            // Within the lock: who lets the thread sleep looks twice, and may have done so once.
            let thread = self.thread.lock().unwrap();
            assert!(thread.is_some() && self.awake.look().1, "nothing would end the call");
        }
        assert!(!control.end());
    }

    /// What the thread does now and then.
    fn rest(&self) {
        let thread = self.thread.lock().unwrap();
        if thread.is_some() && self.awake.look().1 {
            self.awake.doze(|| self.controls.iter().any(Control::is_running));
        }
    }
}

fn calls(thread: Option<()>, first: bool, second: bool) {
    in_every_order(move || {
        let clock = Clock::new(thread);
        let (one, other) = (clock.clone(), clock.clone());
        let one = thread::spawn(move || one.call(0, first));
        let other = thread::spawn(move || other.call(1, second));
        clock.rest();
        one.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_call_runs_while_the_clock_is_awake() {
    calls(Some(()), true, true);
}

#[test]
fn a_call_that_starts_the_clock_starts_it_for_all() {
    calls(None, true, true);
}

#[test]
fn a_thread_that_cannot_be_started_wakes_nobody() {
    calls(None, false, true);
    calls(None, false, false);
}

#[test]
fn an_instance_that_is_freed_ends_once() {
    in_every_order(|| {
        let control = Arc::new(Control::new(State::Ready));
        let ends = Arc::new(AtomicUsize::new(0));
        assert!(control.begin());
        let calls = {
            let (control, ends) = (control.clone(), ends.clone());
            thread::spawn(move || ends.fetch_add(usize::from(control.end()), Relaxed))
        };
        ends.fetch_add(usize::from(!control.doom()), Relaxed);
        calls.join().unwrap();
        assert_eq!(ends.load(Relaxed), 1);
    });
}

#[test]
fn a_cancel_is_for_one_call() {
    in_every_order(|| {
        let control = Arc::new(Control::new(State::Ready));
        let cancels = {
            let control = control.clone();
            thread::spawn(move || control.cancel())
        };
        let mut hit = 0;
        for _ in 0..2 {
            assert!(control.begin());
            let before = control.is_cancelled();
            hit += usize::from(before || control.is_cancelled());
            assert!(!before || control.is_cancelled(), "it lasts as long as the call");
            assert!(!control.end());
        }
        cancels.join().unwrap();
        assert!(hit <= 1);
        assert!(control.begin());
        assert!(hit == 0 || !control.is_cancelled(), "it hit another");
        assert!(!control.end());
    });
}

#[test]
fn a_call_that_is_withdrawn_leaves_its_cancel_to_the_next() {
    in_every_order(|| {
        let control = Arc::new(Control::new(State::Ready));
        let cancels = {
            let control = control.clone();
            thread::spawn(move || control.cancel())
        };
        assert!(control.begin());
        assert!(!control.withdraw());
        cancels.join().unwrap();
        assert!(control.begin() && control.is_cancelled());
        assert!(!control.end());
    });
}

/// Two threads make something, and one forks. As long as it forks, and did not give up waiting, nobody is
/// within; who gave up knows it.
#[test]
fn nothing_is_made_while_a_thread_forks() {
    in_every_order(|| {
        let words = Gate { making: AtomicU64::new(0), forking: AtomicU64::new(0) };
        let over = [Notify::new(), Notify::new()];
        let shared = Arc::new((words, AtomicUsize::new(0), over));
        let maker = |shared: Arc<(Gate, AtomicUsize, [Notify; 2])>, me: usize| {
            thread::spawn(move || {
                let (gate, within, over) = &*shared;
                gate.enter(|nobody_forks| {
                    while !nobody_forks() {
                        over[me].wait();
                    }
                    true
                });
                within.fetch_add(1, Relaxed);
                within.fetch_sub(1, Relaxed);
                gate.leave();
            })
        };
        let makers = [maker(shared.clone(), 0), maker(shared.clone(), 1)];
        let (gate, within, over) = &*shared;
        if gate.fork(0, |until| until()) {
            assert_eq!(within.load(Relaxed), 0);
            assert_eq!(within.load(Relaxed), 0);
        }
        gate.forked();
        over.iter().for_each(Notify::notify);
        makers.into_iter().for_each(|maker| maker.join().unwrap());
    });
}
