//! Interleaved rounds: each way runs for some milliseconds in turn, many times over, so that what
//! disturbs the machine disturbs all of them.

use std::time::{Duration, Instant};

use crate::ways::Way;
use crate::work::Task;

/// How long and how often.
#[derive(Clone, Copy)]
pub struct Effort {
    pub round: Duration,
    pub rounds: usize,
}

impl Effort {
    pub const FULL: Effort = Effort { round: Duration::from_millis(5), rounds: 31 };
    /// For trying the benchmark itself.
    pub const QUICK: Effort = Effort { round: Duration::from_millis(2), rounds: 3 };
}

/// The middle and the ends of what was measured.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let n = samples.len();
        let median = (samples[(n - 1) / 2] + samples[n / 2]) / 2.0;
        Self { median, min: samples[0], max: samples[n - 1] }
    }
}

/// Runs `n` elements and checks what came of them.
pub fn run(way: &mut dyn Way, task: &Task, n: u64) -> Duration {
    let start = Instant::now();
    let sum = way.run(n);
    let time = start.elapsed();
    let name = way.key();
    assert_eq!(sum, task.expected().wrapping_mul(n), "{name} did not do its work ({})", task.work.name());
    time
}

/// The number of elements that take about `round`; warms up on the way.
pub fn calibrate(way: &mut dyn Way, task: &Task, round: Duration) -> u64 {
    let mut n = 1;
    loop {
        // The best of three: other programs may have had the processor meanwhile.
        let time = (0..3).map(|_| run(way, task, n)).min().expect("three");
        if time >= round / 4 {
            return (n as f64 * round.as_secs_f64() / time.as_secs_f64()).max(1.0) as u64;
        }
        n *= 4;
    }
}

/// Nanoseconds per element of each way.
pub fn measure(ways: &mut [Box<dyn Way>], task: &Task, effort: Effort) -> Vec<Spread> {
    let lengths: Vec<u64> = ways.iter_mut().map(|way| calibrate(&mut **way, task, effort.round)).collect();
    let mut samples = vec![Vec::with_capacity(effort.rounds); ways.len()];
    for _ in 0..effort.rounds {
        for ((way, n), samples) in ways.iter_mut().zip(&lengths).zip(&mut samples) {
            samples.push(run(&mut **way, task, *n).as_nanos() as f64 / *n as f64);
        }
    }
    samples.into_iter().map(Spread::of).collect()
}

/// The processor time that this thread has used.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for one; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What some threads did together.
#[derive(Clone, Copy)]
pub struct Throughput {
    pub elements_per_second: f64,
    /// Of processor time, per element: unlike the rate it does not tell of other programs.
    pub processor_ns: f64,
}

/// Runs all `ways`, each on a thread of its own, for `time`.
pub fn throughput(ways: &mut [Box<dyn Way>], task: &Task, time: Duration) -> Throughput {
    let chunk = calibrate(&mut *ways[0], task, Duration::from_millis(1));
    for way in &mut *ways {
        run(&mut **way, task, chunk);
    }
    let barrier = std::sync::Barrier::new(ways.len());
    let each: Vec<Throughput> = std::thread::scope(|scope| {
        let threads: Vec<_> = ways
            .iter_mut()
            .map(|way| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let (start, used, mut n) = (Instant::now(), processor_time(), 0);
                    while start.elapsed() < time {
                        run(&mut **way, task, chunk);
                        n += chunk;
                    }
                    let (elapsed, used) = (start.elapsed().as_secs_f64(), processor_time() - used);
                    let processor_ns = used.as_nanos() as f64 / n as f64;
                    Throughput { elements_per_second: n as f64 / elapsed, processor_ns }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that measures")).collect()
    });
    Throughput {
        elements_per_second: each.iter().map(|one| one.elements_per_second).sum(),
        processor_ns: each.iter().map(|one| one.processor_ns).sum::<f64>() / each.len() as f64,
    }
}
