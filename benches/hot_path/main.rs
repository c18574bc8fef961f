//! `cargo bench -p torvyn-bench`: what an element costs on its way through a component, with
//! libtorvyn and with others, in one run. `../README.md` says what is compared and how.

mod facts;
mod heap;
mod library;
mod measure;
mod plot;
mod report;
mod syscalls;
mod ways;
mod work;

use std::time::{Duration, Instant};

use measure::Effort;
use report::Row;
use ways::{Key, Result};
use work::{Task, Work};

const USAGE: &str = "\
usage: cargo bench -p torvyn-bench [-- OPTION]
  (none)                            the whole run, about half a minute
  --quick                           the same in a hurry, for trying it
  --only WAY WORK BYTES SECONDS     runs nothing else for so long, e.g. for a profiler
WAY is direct, general, typed, val, c-api, extism, bare or native;
WORK is the beginning of a name in the table.";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Extism would keep compiled plugins in a cache on disk.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("EXTISM_CACHE_CONFIG", "") };
    match args[..] {
        [] => everything(Effort::FULL),
        ["--quick"] => everything(Effort::QUICK),
        ["--only", way, work, bytes, seconds] => only(way, &task(work, bytes)?, seconds.parse()?),
        [facts::TRACED, way, work, bytes] => facts::traced(key(way)?, &task(work, bytes)?),
        _ => Err(USAGE.into()),
    }
}

fn key(short: &str) -> Result<Key> {
    Key::parse(short).ok_or_else(|| format!("no way is called {short}\n{USAGE}").into())
}

fn task(work: &str, bytes: &str) -> Result<Task> {
    let found = Work::ALL.into_iter().find(|known| known.name().starts_with(work));
    Ok(Task::new(found.ok_or_else(|| format!("no work is called {work}\n{USAGE}"))?, bytes.parse()?))
}

fn everything(effort: Effort) -> Result<()> {
    let start = Instant::now();
    println!("libtorvyn: {}", library::torvyn()?.display());
    println!("machine:   {}", machine());
    println!("each figure: the median of {} rounds of some {:?}\n", effort.rounds, effort.round);
    let mut rows = Vec::new();
    for task in work::tasks() {
        let mut ways = Vec::new();
        for key in Key::ALL {
            ways.extend(key.make(&task, 1)?);
        }
        let spreads = measure::measure(&mut ways, &task, effort);
        let task_rows = Row::of(&task, &ways, spreads);
        report::table(&task_rows);
        rows.extend(task_rows);
    }
    facts::steady_state()?;
    facts::copies()?;
    facts::threads(effort)?;

    let results = library::results();
    std::fs::create_dir_all(&results)?;
    std::fs::write(results.join("hot-path.csv"), report::csv(&rows))?;
    std::fs::write(results.join("hot-path.svg"), plot::svg(&rows))?;
    println!("hot-path.csv and hot-path.svg are in {}", results.display());
    println!("{:.0} s in all", start.elapsed().as_secs_f64());
    Ok(())
}

/// What figures depend on: the processor, and whether others use it.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    let load = load.split(' ').next().unwrap_or_default();
    format!("{}, {cores} cores, load average {load}", model.unwrap_or(std::env::consts::ARCH))
}

/// For profilers: one way, one work.
fn only(way: &str, task: &Task, seconds: f64) -> Result<()> {
    let mut ways = key(way)?.make(task, 1)?;
    let way = ways.first_mut().ok_or("this way cannot do that work")?;
    let chunk = measure::calibrate(&mut **way, task, Duration::from_millis(10));
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        measure::run(&mut **way, task, chunk);
        n += chunk;
    }
    println!("{n} elements, {:.1} ns each", start.elapsed().as_nanos() as f64 / n as f64);
    Ok(())
}
