//! Runs the suite in processes of their own, so that one which ends or hangs is a failure of one file.
//!
//! | argument or variable | |
//! |---|---|
//! | words | only the files whose `SET/NAME` holds one of them, with every failure, and no comparison |
//! | `TORVYN_SUITE_WRITE` | writes `expected.txt` |

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use torvyn_conformance::library::{Engine, flags};
use torvyn_conformance::report::Report;
use torvyn_conformance::run::Runner;
use torvyn_conformance::{script, sets};

const CONFIGURATIONS: [(&str, u32); 2] = [("default", 0), ("all on", ALL_ON)];
/// Every feature that may be switched on, and the other ways of trapping, counting and compiling.
const ALL_ON: u32 = flags::MULTI_MEMORY | flags::RELAXED_SIMD | flags::EXPLICIT_TRAPS | flags::FUEL | flags::OPTIMIZED;
/// For one file, which takes a few seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(400);
const END: &str = "end of the file";

type Sets = Vec<(String, Vec<sets::File>)>;

/// Takes lines `CONFIGURATION SET FILE`, by their numbers, and says what each came to.
fn worker() -> ExitCode {
    let sets = sets::all();
    let mut engines: HashMap<u32, Engine> = HashMap::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let numbers: Vec<usize> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [configuration, set, file] = numbers[..] else { return ExitCode::FAILURE };
        let ((set, files), flags) = (&sets[set], CONFIGURATIONS[configuration].1);
        let place = format!("{set}/{}", files[file].name);
        let engine = engines.entry(flags).or_insert_with(|| Engine::new(flags).expect("an engine"));
        let report = match script::read(files[file].text) {
            Ok(script) => Runner::new(engine, flags, &place, &script).run(),
            Err(why) => Report { failed: vec![format!("{place}: is not read: {why}")], ..Report::default() },
        };
        println!("{}{END}", report.lines());
    }
    ExitCode::SUCCESS
}

struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env("TORVYN_SUITE_WORKER", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a worker");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, lines }
    }

    /// What the file came to, or how the worker ended.
    fn run(&mut self, (configuration, set, file): Job) -> Result<Report, String> {
        let mut report = Report::default();
        let until = Instant::now() + PATIENCE;
        let _ = writeln!(self.input, "{configuration} {set} {file}");
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line == END => return Ok(report),
                Ok(line) if report.read(&line) => {}
                Ok(line) => return Err(format!("says {line}")),
                Err(RecvTimeoutError::Timeout) => return Err("hangs".into()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                    return Err(format!("ends the process: {status}"));
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Job = (usize, usize, usize);

/// Runs every job on so many workers as there are processors; what each came to, and its time.
fn run(sets: &Sets, jobs: &[Job]) -> HashMap<Job, (Report, Duration)> {
    let next = Mutex::new(jobs.iter());
    let reports = Mutex::new(HashMap::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut worker = Worker::start();
                loop {
                    let Some(job) = next.lock().unwrap().next() else { return };
                    let began = Instant::now();
                    let report = worker.run(*job).unwrap_or_else(|why| {
                        worker = Worker::start();
                        let (set, files) = &sets[job.1];
                        let failed = vec![format!("{set}/{}: {why}", files[job.2].name)];
                        Report { failed, ..Report::default() }
                    });
                    reports.lock().unwrap().insert(*job, (report, began.elapsed()));
                }
            });
        }
    });
    reports.into_inner().unwrap()
}

fn main() -> ExitCode {
    if std::env::var_os("TORVYN_SUITE_WORKER").is_some() {
        return worker();
    }
    let began = Instant::now();
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let sets = sets::all();
    let wanted = |set: &str, file: &str| {
        let place = format!("{set}/{file}");
        words.is_empty() || words.iter().any(|word| place.contains(word.as_str()))
    };
    // Sets share files: one of the same text is run once.
    let mut firsts = HashMap::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut all: Vec<(usize, usize, Job)> = Vec::new();
    for (configuration, _) in CONFIGURATIONS.iter().enumerate() {
        for (at, (set, files)) in sets.iter().enumerate() {
            for (number, file) in files.iter().enumerate().filter(|(_, file)| wanted(set, &file.name)) {
                let job = (configuration, at, number);
                let first = *firsts.entry((configuration, file.text)).or_insert_with(|| {
                    jobs.push(job);
                    job
                });
                all.push((configuration, at, first));
            }
        }
    }
    let reports = run(&sets, &jobs);
    let mut lines = BTreeMap::new();
    let mut failed = Vec::new();
    for (configuration, (name, _)) in CONFIGURATIONS.iter().enumerate() {
        println!("\n{name}:");
        let mut total = Report::default();
        for (at, (set, _)) in sets.iter().enumerate() {
            let mut sum = Report::default();
            let of_set = all.iter().filter(|(c, s, _)| (*c, *s) == (configuration, at));
            let files = of_set.map(|(_, _, job)| sum.add(&reports[job].0)).count();
            if files > 0 {
                println!("  {set}: {files} files, {sum}");
                lines.insert((configuration, at), format!("{name}: {set}: {files} files, {sum}"));
                total.add(&sum);
            }
        }
        println!("  all: {total}");
        let own = jobs.iter().filter(|job| job.0 == configuration);
        failed.extend(own.flat_map(|job| reports[job].0.failed.iter().map(move |what| format!("{name}: {what}"))));
    }
    for what in &failed {
        println!("FAILED {what}");
    }
    let mut slowest: Vec<_> = reports.iter().map(|(job, (_, time))| (*time, *job)).collect();
    slowest.sort_unstable();
    for (time, (configuration, set, file)) in slowest.iter().rev().take(5) {
        let (set, files) = &sets[*set];
        println!("{:.1} s: {}: {set}/{}", time.as_secs_f64(), CONFIGURATIONS[*configuration].0, files[*file].name);
    }
    println!("\n{} runs of files in {:.0} s", jobs.len(), began.elapsed().as_secs_f64());
    let summary: String = lines.into_values().map(|line| line + "\n").collect();
    if !failed.is_empty() {
        return ExitCode::FAILURE;
    }
    if words.is_empty() && !compare(&summary) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Whether the summary is the one that is expected, so that nothing is refused or skipped unnoticed.
fn compare(summary: &str) -> bool {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");
    if std::env::var_os("TORVYN_SUITE_WRITE").is_some() {
        std::fs::write(path, summary).expect("expected.txt is written");
        return true;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let (mut was, mut is) = (expected.lines(), summary.lines());
    let mut same = true;
    loop {
        match (was.next(), is.next()) {
            (None, None) => return same,
            (was, is) if was == is => {}
            (was, is) => {
                same = false;
                println!("expected.txt: {}\n          is: {}", was.unwrap_or(""), is.unwrap_or(""));
            }
        }
    }
}
