//! WASI 0.2 as a component without grants sees it: the part that the toolchains of C and Rust link
//! in even where nothing is used.
//!
//! No arguments, environment or files; an empty stdin; stdout and stderr that go to the log; clocks
//! and randomness. Whatever takes a handle that nobody can have here (a descriptor, a directory
//! stream) is [`Wasi::Never`]: calling it is using an unknown handle. What waits or opens anything
//! is not here: a component that imports it takes the general path.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use wasmtime::{Caller, Linker};

use super::canon::{self, Source};
use super::imports::{MODULE, Trapped, begin, both};
use super::wasi_types::{self, is};
use crate::contract::host::{Breach, Host};

/// An answer of the host: interface, item, core type, and whether realloc takes part.
struct Answer(&'static str, &'static str, &'static str, bool);

const ANSWERS: [Answer; 30] = [
    Answer("wasi:cli/environment", "get-environment", "(param i32)", true),
    Answer("wasi:cli/environment", "get-arguments", "(param i32)", true),
    Answer("wasi:cli/environment", "initial-cwd", "(param i32)", false),
    Answer("wasi:cli/exit", "exit", "(param i32)", false),
    Answer("wasi:cli/exit", "exit-with-code", "(param i32)", false),
    Answer("wasi:cli/stdin", "get-stdin", "(result i32)", false),
    Answer("wasi:cli/stdout", "get-stdout", "(result i32)", false),
    Answer("wasi:cli/stderr", "get-stderr", "(result i32)", false),
    Answer("wasi:cli/terminal-stdin", "get-terminal-stdin", "(param i32)", false),
    Answer("wasi:cli/terminal-stdout", "get-terminal-stdout", "(param i32)", false),
    Answer("wasi:cli/terminal-stderr", "get-terminal-stderr", "(param i32)", false),
    Answer("wasi:io/streams", "[method]output-stream.check-write", "(param i32 i32)", false),
    Answer("wasi:io/streams", "[method]output-stream.write", "(param i32 i32 i32 i32)", false),
    Answer("wasi:io/streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)", false),
    Answer("wasi:io/streams", "[method]output-stream.flush", "(param i32 i32)", false),
    Answer("wasi:io/streams", "[method]output-stream.blocking-flush", "(param i32 i32)", false),
    Answer("wasi:io/streams", "[method]input-stream.read", "(param i32 i64 i32)", false),
    Answer("wasi:io/streams", "[method]input-stream.blocking-read", "(param i32 i64 i32)", false),
    Answer("wasi:io/streams", "[method]input-stream.skip", "(param i32 i64 i32)", false),
    Answer("wasi:io/streams", "[method]input-stream.blocking-skip", "(param i32 i64 i32)", false),
    Answer("wasi:clocks/monotonic-clock", "now", "(result i64)", false),
    Answer("wasi:clocks/monotonic-clock", "resolution", "(result i64)", false),
    Answer("wasi:clocks/wall-clock", "now", "(param i32)", false),
    Answer("wasi:clocks/wall-clock", "resolution", "(param i32)", false),
    Answer("wasi:filesystem/preopens", "get-directories", "(param i32)", true),
    Answer("wasi:random/random", "get-random-bytes", "(param i64 i32)", true),
    Answer("wasi:random/random", "get-random-u64", "(result i64)", false),
    Answer("wasi:random/insecure", "get-insecure-random-bytes", "(param i64 i32)", true),
    Answer("wasi:random/insecure", "get-insecure-random-u64", "(result i64)", false),
    Answer("wasi:random/insecure-seed", "insecure-seed", "(param i32)", false),
];

/// A lowered WASI import that the direct path knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wasi {
    /// Index of the host's answer.
    Answer(u16),
    /// The core type of a function that needs a handle which nobody has.
    Never(String),
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stdio {
    In,
    Out,
    Err,
}

/// A resource of WASI, as far as dropping it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WasiResource {
    /// `input-stream`.
    Input,
    /// `output-stream`.
    Output,
    /// One of which no handle can be had.
    Other,
}

impl Wasi {
    /// What the direct path says to `interface#item`, lowered with core type `core`; none where it
    /// says nothing.
    pub fn find(interface: &str, item: &str, core: &str) -> Option<Self> {
        let found = ANSWERS.iter().position(|Answer(base, name, ..)| item == *name && is(interface, base));
        if let Some(index) = found {
            return (ANSWERS[index].2 == core).then_some(Wasi::Answer(index as u16));
        }
        // What else there is takes a handle that nobody has.
        wasi_types::signature(interface, item).map(|_| Wasi::Never(core.to_owned()))
    }

    /// The host function's name, its core type and whether realloc takes part; none for
    /// [`Wasi::Never`].
    pub fn host_function(&self) -> Option<(String, &'static str, bool)> {
        let Wasi::Answer(index) = self else { return None };
        let Answer(interface, item, core, joined) = ANSWERS.get(usize::from(*index))?;
        Some((format!("{interface}#{item}"), core, *joined))
    }
}

impl WasiResource {
    /// The resource `item` of `interface`, where it is one of WASI's.
    pub fn find(interface: &str, item: &str) -> Option<Self> {
        match item {
            _ if !wasi_types::is_resource(interface, item) => None,
            "input-stream" => Some(Self::Input),
            "output-stream" => Some(Self::Output),
            _ => Some(Self::Other),
        }
    }

    /// The name of the host function that drops it.
    pub const fn drop_function(self) -> &'static str {
        match self {
            Self::Input => "drop-input-stream",
            Self::Output => "drop-output-stream",
            Self::Other => "unknown-handle",
        }
    }
}

/// Why a call of `wasi:cli/exit` ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the component exited with status {0}")]
pub struct Exit(pub u32);

/// Bytes that a component may write at once (`check-write`).
pub const PERMIT: usize = 64 << 10;

/// Those that it may write without asking (`streams.wit`, `blocking-write-and-flush`).
const MOST_FLUSHED: usize = 4096;

/// Random bytes that it may ask for at once: as many as the host copies in one go anywhere.
pub const MOST_RANDOM: u64 = 16 << 20;

type Guest<'a> = Caller<'a, Host>;

/// The place of a result of `size` bytes at `at`, which must be aligned to `align`.
fn place(memory: &mut [u8], at: u32, align: u32, size: u32) -> Result<&mut [u8], Breach> {
    if !at.is_multiple_of(align) {
        return Err(Breach::Unaligned);
    }
    canon::slice_mut(memory, at, size)
}

/// A trap, in the words that the general path has for it.
fn refuse<T>(why: &str) -> Trapped<T> {
    Err(wasmtime::Error::msg(why.to_owned()))
}

/// What is said to one that asks for more.
pub fn too_much_random(len: u64) -> String {
    format!("requested len {len} exceeds limit {MOST_RANDOM}")
}

/// What a component may write at once, and flush.
pub fn check_written(len: usize, flushes: bool) -> Trapped<()> {
    if flushes && len > MOST_FLUSHED {
        return refuse(&format!("Buffer too large for blocking-write-and-flush (expected at most {MOST_FLUSHED})"));
    }
    if len > PERMIT {
        return refuse("more was written than `check-write` allows");
    }
    Ok(())
}

fn random<const N: usize>() -> Trapped<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| wasmtime::Error::msg(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// The host, where the call goes on: code in a straight line is looked at nowhere else.
fn timed<'c>(caller: &'c mut Guest<'_>) -> Trapped<&'c mut Host> {
    let host = caller.data_mut();
    host.check_time()?;
    Ok(host)
}

/// Adds the answers to the direct path's host functions.
pub fn define(l: &mut Linker<Host>) -> Trapped<()> {
    for Answer(interface, item, core, joined) in ANSWERS {
        let name = format!("{interface}#{item}");
        match (core, joined) {
            ("(param i32)", true) => l.func_wrap(MODULE, &name, |mut c: Guest<'_>, _: u64| -> Trapped<u32> {
                Ok(begin(timed(&mut c)?, Source::Empty, 0))
            })?,
            (_, true) => l.func_wrap(MODULE, &name, |mut c: Guest<'_>, len: u64| -> Trapped<u32> {
                if len > MOST_RANDOM {
                    return refuse(&too_much_random(len));
                }
                Ok(begin(timed(&mut c)?, Source::Random(len as usize), len as usize))
            })?,
            ("(result i32)", _) => {
                let stdio = match item {
                    "get-stdin" => Stdio::In,
                    "get-stdout" => Stdio::Out,
                    _ => Stdio::Err,
                };
                l.func_wrap(MODULE, &name, move |mut c: Guest<'_>| -> Trapped<u32> {
                    Ok(timed(&mut c)?.handles.open_stdio(stdio)?)
                })?
            }
            ("(result i64)", _) => l.func_wrap(MODULE, &name, move |mut c: Guest<'_>| -> Trapped<u64> {
                let host = timed(&mut c)?;
                Ok(match item {
                    "now" => host.born.elapsed().as_nanos() as u64,
                    "resolution" => 1,
                    _ => u64::from_le_bytes(random()?),
                })
            })?,
            ("(param i32)", _) if item.starts_with("exit") => {
                l.func_wrap(MODULE, &name, move |_: Guest<'_>, status: u32| -> Trapped<()> {
                    match (item, status) {
                        // A `u8`, of which the upper bits do not count (`CanonicalABI.md`, "Flat Lifting").
                        ("exit-with-code", _) => Err(Exit(status & 0xff).into()),
                        (_, 0 | 1) => Err(Exit(status).into()),
                        _ => Err(Breach::BadDiscriminant.into()),
                    }
                })?
            }
            ("(param i32)", _) => l.func_wrap(MODULE, &name, move |mut c: Guest<'_>, ret: u32| -> Trapped<()> {
                timed(&mut c)?;
                let (memory, host) = both(&mut c)?;
                match item {
                    "now" | "resolution" => {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                        let time = if item == "now" { now } else { Duration::from_nanos(1) };
                        let record = place(memory, ret, 8, 16)?;
                        record[..8].copy_from_slice(&time.as_secs().to_le_bytes());
                        record[8..12].copy_from_slice(&time.subsec_nanos().to_le_bytes());
                    }
                    "insecure-seed" => {
                        let seed = host.canon.seed.map_or_else(random, Ok)?;
                        host.canon.seed = Some(seed);
                        place(memory, ret, 8, 16)?.copy_from_slice(&seed);
                    }
                    // `none`, of a string or of a handle.
                    "initial-cwd" => place(memory, ret, 4, 12)?[0] = 0,
                    _ => place(memory, ret, 4, 8)?[0] = 0,
                }
                Ok(())
            })?,
            ("(param i32 i64 i32)", _) => {
                l.func_wrap(MODULE, &name, move |mut c: Guest<'_>, h: u32, _: u64, ret: u32| -> Trapped<()> {
                    timed(&mut c)?;
                    let (memory, host) = both(&mut c)?;
                    host.handles.stdio(h, WasiResource::Input)?;
                    // result<T, stream-error>, `err(closed)`: the error lies where the alignment of
                    // T puts it, which is u64 for `skip` and a list for `read`.
                    let (at, size) = if item.ends_with("skip") { (8, 16) } else { (4, 12) };
                    let record = place(memory, ret, at, size)?;
                    (record[0], record[at as usize]) = (1, 1);
                    Ok(())
                })?
            }
            ("(param i32 i32)", _) => {
                l.func_wrap(MODULE, &name, move |mut c: Guest<'_>, h: u32, ret: u32| -> Trapped<()> {
                    timed(&mut c)?;
                    let (memory, host) = both(&mut c)?;
                    host.handles.stdio(h, WasiResource::Output)?;
                    if item.ends_with("check-write") {
                        let record = place(memory, ret, 8, 16)?;
                        record[0] = 0;
                        record[8..].copy_from_slice(&(PERMIT as u64).to_le_bytes());
                        return Ok(());
                    }
                    // result<_, stream-error>
                    place(memory, ret, 4, 12)?[0] = 0;
                    Ok(())
                })?
            }
            _ => {
                let flushes = item.ends_with("flush");
                let write = move |mut c: Guest<'_>, h: u32, at: u32, len: u32, ret: u32| -> Trapped<()> {
                    let (memory, host) = both(&mut c)?;
                    let stdio = host.handles.stdio(h, WasiResource::Output)?;
                    let bytes = canon::slice(memory, at, len)?;
                    check_written(len as usize, flushes)?;
                    host.print(stdio, bytes)?;
                    place(memory, ret, 4, 12)?[0] = 0;
                    Ok(())
                };
                l.func_wrap(MODULE, &name, write)?
            }
        };
    }
    for resource in [WasiResource::Input, WasiResource::Output] {
        l.func_wrap(MODULE, resource.drop_function(), move |mut c: Guest<'_>, h: u32| -> Trapped<()> {
            Ok(timed(&mut c)?.handles.drop_stdio(h, resource)?)
        })?;
    }
    Ok(())
}
