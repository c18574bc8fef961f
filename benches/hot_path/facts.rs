//! What is claimed besides the time, measured: heap allocations and system calls per element, bytes
//! copied per byte of payload, what a second thread gives.

use std::hint::black_box;
use std::time::Duration;

use crate::measure::{self, Effort, Spread, Throughput};
use crate::ways::{self, Key, Result, Way};
use crate::work::{self, Task, Work};
use crate::{heap, syscalls};

/// The argument that makes this program the traced copy.
pub const TRACED: &str = "--traced";

/// Elements of a count, and before it.
const ELEMENTS: u64 = 1000;

/// The ways whose steady state is looked at.
const KEYS: [Key; 3] = [Key::Direct, Key::General, Key::Typed];

fn one(key: Key, task: &Task) -> Result<Box<dyn Way>> {
    key.make(task, 1)?.pop().ok_or_else(|| format!("{key} cannot do {}", task.work.name()).into())
}

/// In the steady state: threads that the first call starts have started.
fn warm(key: Key, task: &Task) -> Result<Box<dyn Way>> {
    let mut way = one(key, task)?;
    measure::run(&mut *way, task, ELEMENTS);
    std::thread::sleep(Duration::from_millis(20));
    measure::run(&mut *way, task, ELEMENTS);
    Ok(way)
}

/// The traced copy: counts nothing itself, but marks what is to be counted.
pub fn traced(key: Key, task: &Task) -> Result<()> {
    let mut way = warm(key, task)?;
    syscalls::marked(|| _ = black_box(way.run(ELEMENTS)));
    Ok(())
}

/// Heap allocations and system calls per element.
pub fn steady_state() -> Result<()> {
    let boxes = heap::counted(|| (0..ELEMENTS).for_each(|i| drop(black_box(Box::new(i)))));
    let inside = heap::counted(|| ways::allocates().expect("an engine"));
    assert!(boxes == ELEMENTS && inside > 0, "allocations are not counted: {boxes} of {ELEMENTS}, {inside} inside");

    println!("Per element in the steady state: heap allocations / system calls of the calling thread");
    println!(
        "(the counter counted {boxes} for {ELEMENTS} boxes, and {inside} for a new engine inside of libtorvyn.so)"
    );
    print!("{:34}", "");
    KEYS.iter().for_each(|key| print!("{:>24}", key.name()));
    println!();
    let (mut others, mut refused) = (0, None);
    for task in work::tasks() {
        print!("{:22}{:>12}", task.work.name(), bytes(task.payload_bytes()));
        for key in KEYS {
            let mut way = warm(key, &task)?;
            let heap = heap::counted(|| _ = black_box(way.run(ELEMENTS)));
            let payload = task.payload.len().to_string();
            let calls = match syscalls::count(&[TRACED, key.short(), task.work.name(), &payload]) {
                Ok(counted) => {
                    others += if key == Key::Typed { 0 } else { counted.others };
                    format!("{:.3}", counted.own as f64 / ELEMENTS as f64)
                }
                Err(error) => {
                    refused = Some(error);
                    "-".into()
                }
            };
            print!("{:>24}", format!("{:.3} / {calls}", heap as f64 / ELEMENTS as f64));
        }
        println!();
    }
    match refused {
        Some(error) => println!("system calls were not counted: {error}"),
        None => println!("libtorvyn's own thread, which ticks while calls run, made {others} system calls meanwhile"),
    }
    println!();
    Ok(())
}

/// Bytes copied across the guest's memory per byte of payload, by libtorvyn's own counters; copies
/// within the guest are not seen.
pub fn copies() -> Result<()> {
    println!("Bytes that cross the guest's memory per byte of payload, into it + out of it (torvyn_instance_stats)");
    for task in work::tasks().iter().filter(|task| task.payload_bytes() != 0 && task.work != Work::Metadata) {
        print!("{:22}{:>12}", task.work.name(), bytes(task.payload_bytes()));
        for key in [Key::Direct, Key::General] {
            let mut way = one(key, task)?;
            measure::run(&mut *way, task, ELEMENTS);
            let copied = way.copied().ok_or("no counters")?;
            let per = |n: u64| n as f64 / (ELEMENTS * task.payload_bytes() as u64) as f64;
            print!("{:>24}", format!("{:.2} + {:.2}", per(copied.into), per(copied.out)));
        }
        println!();
    }
    println!();
    Ok(())
}

/// Elements per second with one and two threads, each with its own instance of one linked component.
pub fn threads(effort: Effort) -> Result<()> {
    println!("Elements per second of 1 and of 2 threads, transform of 64 bytes; processor time per element");
    println!(
        "{:22}{:>14}{:>14}{:>8}{:>16}{:>16}",
        "", "1 thread", "2 threads", "ratio", "ns, 1 thread", "ns, 2 threads"
    );
    let task = Task::new(Work::Transform, 64);
    let time = (effort.round * 10).max(Duration::from_millis(20));
    let mut pairs = KEYS.map(|key| (key, key.make(&task, 2), [Vec::new(), Vec::new()]));
    for _ in 0..effort.rounds / 3 {
        for (_, pair, rates) in &mut pairs {
            let pair = pair.as_mut().map_err(|error| error.to_string())?;
            for (threads, rates) in (1..).zip(rates) {
                rates.push(measure::throughput(&mut pair[..threads], &task, time));
            }
        }
    }
    let median = |all: &[Throughput], of: fn(&Throughput) -> f64| Spread::of(all.iter().map(of).collect()).median;
    for (key, _, rates) in pairs {
        let [one, two] = rates.each_ref().map(|all| median(all, |t| t.elements_per_second));
        let [ns_one, ns_two] = rates.each_ref().map(|all| median(all, |t| t.processor_ns));
        println!("{key:22}{one:>14.0}{two:>14.0}{:>8.2}{ns_one:>16.0}{ns_two:>16.0}", two / one);
    }
    println!();
    Ok(())
}

/// A size as people write it.
pub fn bytes(n: usize) -> String {
    if n >= 1024 && n.is_multiple_of(1024) { format!("{} KiB", n >> 10) } else { format!("{n} bytes") }
}
