//! The types of WASI 0.2's functions that the direct path knows, as data: what the WIT of
//! `wasi:cli`, `io`, `clocks`, `filesystem` and `random` says (`wasmtime-wasi`, `src/p2/wit/deps`).
//!
//! A component that imports one of these names with another type is none of WASI's, and one that
//! imports a name which is not here takes the general path.

use super::shapes::{Shape, Signature, sig};
use crate::contract::names;
use Shape as S;

/// Whether `interface` is `base` at a version that is compatible with 0.2.0.
pub fn is(interface: &str, base: &str) -> bool {
    is_wasi(interface) && names::split(interface).0 == base
}

/// Whether `interface` is one of WASI 0.2's.
pub fn is_wasi(interface: &str) -> bool {
    let (name, version) = names::split(interface);
    name.starts_with("wasi:") && version.is_some_and(|version| names::compatible(version, "0.2.0"))
}

const ENVIRONMENT: &str = "wasi:cli/environment";
const EXIT: &str = "wasi:cli/exit";
const STREAMS: &str = "wasi:io/streams";
const ERROR: &str = "wasi:io/error";
const MONOTONIC: &str = "wasi:clocks/monotonic-clock";
const WALL: &str = "wasi:clocks/wall-clock";
const FILES: &str = "wasi:filesystem/types";
const TERMINAL_INPUT: &str = "wasi:cli/terminal-input";
const TERMINAL_OUTPUT: &str = "wasi:cli/terminal-output";

/// The resources, each with the interface that it is of.
pub const RESOURCES: [(&str, &str); 8] = [
    (STREAMS, "input-stream"),
    (STREAMS, "output-stream"),
    (ERROR, "error"),
    ("wasi:io/poll", "pollable"),
    (FILES, "descriptor"),
    (FILES, "directory-entry-stream"),
    (TERMINAL_INPUT, "terminal-input"),
    (TERMINAL_OUTPUT, "terminal-output"),
];

const OWN_ERROR: S = S::OwnOf(ERROR, "error");
const INPUT: S = S::BorrowOf(STREAMS, "input-stream");
const OUTPUT: S = S::BorrowOf(STREAMS, "output-stream");
const OWN_INPUT: S = S::OwnOf(STREAMS, "input-stream");
const OWN_OUTPUT: S = S::OwnOf(STREAMS, "output-stream");
const DESCRIPTOR: S = S::BorrowOf(FILES, "descriptor");
const OWN_DESCRIPTOR: S = S::OwnOf(FILES, "descriptor");

const STREAM_ERROR: S = S::Variant(&[("last-operation-failed", Some(&OWN_ERROR)), ("closed", None)]);
const DATETIME: S = S::Record(&[("seconds", &S::U64), ("nanoseconds", &S::U32)]);
const PAIR: S = S::Tuple(&[&S::Str, &S::Str]);
const PREOPEN: S = S::Tuple(&[&OWN_DESCRIPTOR, &S::Str]);
const SEED: S = S::Tuple(&[&S::U64, &S::U64]);
const ADVICE: S = S::Enum(&["normal", "sequential", "random", "will-need", "dont-need", "no-reuse"]);
const PATH_FLAGS: S = S::Flags(&["symlink-follow"]);
const OPEN_FLAGS: S = S::Flags(&["create", "directory", "exclusive", "truncate"]);
const DESCRIPTOR_FLAGS: S = S::Flags(&[
    "read",
    "write",
    "file-integrity-sync",
    "data-integrity-sync",
    "requested-write-sync",
    "mutate-directory",
]);
const DESCRIPTOR_TYPE: S = S::Enum(&[
    "unknown",
    "block-device",
    "character-device",
    "directory",
    "fifo",
    "symbolic-link",
    "regular-file",
    "socket",
]);
const MAYBE_TIME: S = S::Option(&DATETIME);
const STAT: S = S::Record(&[
    ("type", &DESCRIPTOR_TYPE),
    ("link-count", &S::U64),
    ("size", &S::U64),
    ("data-access-timestamp", &MAYBE_TIME),
    ("data-modification-timestamp", &MAYBE_TIME),
    ("status-change-timestamp", &MAYBE_TIME),
]);
const NEW_TIME: S = S::Variant(&[("no-change", None), ("now", None), ("timestamp", Some(&DATETIME))]);
const ENTRY: S = S::Record(&[("type", &DESCRIPTOR_TYPE), ("name", &S::Str)]);
const HASH: S = S::Record(&[("lower", &S::U64), ("upper", &S::U64)]);
const ERROR_CODE: S = S::Enum(&[
    "access",
    "would-block",
    "already",
    "bad-descriptor",
    "busy",
    "deadlock",
    "quota",
    "exist",
    "file-too-large",
    "illegal-byte-sequence",
    "in-progress",
    "interrupted",
    "invalid",
    "io",
    "is-directory",
    "loop",
    "too-many-links",
    "message-size",
    "name-too-long",
    "no-device",
    "no-entry",
    "no-lock",
    "insufficient-memory",
    "insufficient-space",
    "not-directory",
    "not-empty",
    "not-recoverable",
    "unsupported",
    "no-tty",
    "no-such-device",
    "overflow",
    "not-permitted",
    "pipe",
    "read-only",
    "invalid-seek",
    "text-file-busy",
    "cross-device",
]);

/// A result of a stream's, and of a file's.
const fn streamed(ok: Option<&'static Shape>) -> Shape {
    S::Result(ok, &STREAM_ERROR)
}
const fn filed(ok: Option<&'static Shape>) -> Shape {
    S::Result(ok, &ERROR_CODE)
}
const STREAMED: S = streamed(None);
const STREAMED_BYTES: S = streamed(Some(&S::Bytes));
const STREAMED_COUNT: S = streamed(Some(&S::U64));
const FILED: S = filed(None);
const FILED_INPUT: S = filed(Some(&OWN_INPUT));
const FILED_OUTPUT: S = filed(Some(&OWN_OUTPUT));
const FILED_FLAGS: S = filed(Some(&DESCRIPTOR_FLAGS));
const FILED_TYPE: S = filed(Some(&DESCRIPTOR_TYPE));
const FILED_READ: S = filed(Some(&S::Tuple(&[&S::Bytes, &S::Bool])));
const FILED_COUNT: S = filed(Some(&S::U64));
const FILED_DIRECTORY: S = filed(Some(&S::OwnOf(FILES, "directory-entry-stream")));
const FILED_STAT: S = filed(Some(&STAT));
const FILED_DESCRIPTOR: S = filed(Some(&OWN_DESCRIPTOR));
const FILED_TEXT: S = filed(Some(&S::Str));
const FILED_HASH: S = filed(Some(&HASH));
const FILED_ENTRY: S = filed(Some(&S::Option(&ENTRY)));

type Function = (&'static str, &'static str, Signature);

const fn get(interface: &'static str, name: &'static str, result: &'static Shape) -> Function {
    (interface, name, sig(&[], Some(result)))
}

const fn of(
    interface: &'static str,
    name: &'static str,
    params: &'static [&'static Shape],
    result: &'static Shape,
) -> Function {
    (interface, name, sig(params, Some(result)))
}

static FUNCTIONS: &[Function] = &[
    get(ENVIRONMENT, "get-environment", &S::List(&PAIR)),
    get(ENVIRONMENT, "get-arguments", &S::List(&S::Str)),
    get(ENVIRONMENT, "initial-cwd", &S::Option(&S::Str)),
    (EXIT, "exit", sig(&[&S::Outcome], None)),
    (EXIT, "exit-with-code", sig(&[&S::U8], None)),
    get("wasi:cli/stdin", "get-stdin", &OWN_INPUT),
    get("wasi:cli/stdout", "get-stdout", &OWN_OUTPUT),
    get("wasi:cli/stderr", "get-stderr", &OWN_OUTPUT),
    get("wasi:cli/terminal-stdin", "get-terminal-stdin", &S::Option(&S::OwnOf(TERMINAL_INPUT, "terminal-input"))),
    get("wasi:cli/terminal-stdout", "get-terminal-stdout", &S::Option(&S::OwnOf(TERMINAL_OUTPUT, "terminal-output"))),
    get("wasi:cli/terminal-stderr", "get-terminal-stderr", &S::Option(&S::OwnOf(TERMINAL_OUTPUT, "terminal-output"))),
    of(ERROR, "[method]error.to-debug-string", &[&S::BorrowOf(ERROR, "error")], &S::Str),
    of(STREAMS, "[method]output-stream.check-write", &[&OUTPUT], &STREAMED_COUNT),
    of(STREAMS, "[method]output-stream.write", &[&OUTPUT, &S::Bytes], &STREAMED),
    of(STREAMS, "[method]output-stream.blocking-write-and-flush", &[&OUTPUT, &S::Bytes], &STREAMED),
    of(STREAMS, "[method]output-stream.flush", &[&OUTPUT], &STREAMED),
    of(STREAMS, "[method]output-stream.blocking-flush", &[&OUTPUT], &STREAMED),
    of(STREAMS, "[method]input-stream.read", &[&INPUT, &S::U64], &STREAMED_BYTES),
    of(STREAMS, "[method]input-stream.blocking-read", &[&INPUT, &S::U64], &STREAMED_BYTES),
    of(STREAMS, "[method]input-stream.skip", &[&INPUT, &S::U64], &STREAMED_COUNT),
    of(STREAMS, "[method]input-stream.blocking-skip", &[&INPUT, &S::U64], &STREAMED_COUNT),
    get(MONOTONIC, "now", &S::U64),
    get(MONOTONIC, "resolution", &S::U64),
    get(WALL, "now", &DATETIME),
    get(WALL, "resolution", &DATETIME),
    of("wasi:random/random", "get-random-bytes", &[&S::U64], &S::Bytes),
    get("wasi:random/random", "get-random-u64", &S::U64),
    of("wasi:random/insecure", "get-insecure-random-bytes", &[&S::U64], &S::Bytes),
    get("wasi:random/insecure", "get-insecure-random-u64", &S::U64),
    get("wasi:random/insecure-seed", "insecure-seed", &SEED),
    get("wasi:filesystem/preopens", "get-directories", &S::List(&PREOPEN)),
    of(FILES, "[method]descriptor.read-via-stream", &[&DESCRIPTOR, &S::U64], &FILED_INPUT),
    of(FILES, "[method]descriptor.write-via-stream", &[&DESCRIPTOR, &S::U64], &FILED_OUTPUT),
    of(FILES, "[method]descriptor.append-via-stream", &[&DESCRIPTOR], &FILED_OUTPUT),
    of(FILES, "[method]descriptor.advise", &[&DESCRIPTOR, &S::U64, &S::U64, &ADVICE], &FILED),
    of(FILES, "[method]descriptor.sync-data", &[&DESCRIPTOR], &FILED),
    of(FILES, "[method]descriptor.get-flags", &[&DESCRIPTOR], &FILED_FLAGS),
    of(FILES, "[method]descriptor.get-type", &[&DESCRIPTOR], &FILED_TYPE),
    of(FILES, "[method]descriptor.set-size", &[&DESCRIPTOR, &S::U64], &FILED),
    of(FILES, "[method]descriptor.set-times", &[&DESCRIPTOR, &NEW_TIME, &NEW_TIME], &FILED),
    of(FILES, "[method]descriptor.read", &[&DESCRIPTOR, &S::U64, &S::U64], &FILED_READ),
    of(FILES, "[method]descriptor.write", &[&DESCRIPTOR, &S::Bytes, &S::U64], &FILED_COUNT),
    of(FILES, "[method]descriptor.read-directory", &[&DESCRIPTOR], &FILED_DIRECTORY),
    of(FILES, "[method]descriptor.sync", &[&DESCRIPTOR], &FILED),
    of(FILES, "[method]descriptor.create-directory-at", &[&DESCRIPTOR, &S::Str], &FILED),
    of(FILES, "[method]descriptor.stat", &[&DESCRIPTOR], &FILED_STAT),
    of(FILES, "[method]descriptor.stat-at", &[&DESCRIPTOR, &PATH_FLAGS, &S::Str], &FILED_STAT),
    of(FILES, "[method]descriptor.set-times-at", &[&DESCRIPTOR, &PATH_FLAGS, &S::Str, &NEW_TIME, &NEW_TIME], &FILED),
    of(FILES, "[method]descriptor.link-at", &[&DESCRIPTOR, &PATH_FLAGS, &S::Str, &DESCRIPTOR, &S::Str], &FILED),
    of(
        FILES,
        "[method]descriptor.open-at",
        &[&DESCRIPTOR, &PATH_FLAGS, &S::Str, &OPEN_FLAGS, &DESCRIPTOR_FLAGS],
        &FILED_DESCRIPTOR,
    ),
    of(FILES, "[method]descriptor.readlink-at", &[&DESCRIPTOR, &S::Str], &FILED_TEXT),
    of(FILES, "[method]descriptor.remove-directory-at", &[&DESCRIPTOR, &S::Str], &FILED),
    of(FILES, "[method]descriptor.rename-at", &[&DESCRIPTOR, &S::Str, &DESCRIPTOR, &S::Str], &FILED),
    of(FILES, "[method]descriptor.symlink-at", &[&DESCRIPTOR, &S::Str, &S::Str], &FILED),
    of(FILES, "[method]descriptor.unlink-file-at", &[&DESCRIPTOR, &S::Str], &FILED),
    of(FILES, "[method]descriptor.is-same-object", &[&DESCRIPTOR, &DESCRIPTOR], &S::Bool),
    of(FILES, "[method]descriptor.metadata-hash", &[&DESCRIPTOR], &FILED_HASH),
    of(FILES, "[method]descriptor.metadata-hash-at", &[&DESCRIPTOR, &PATH_FLAGS, &S::Str], &FILED_HASH),
    of(
        FILES,
        "[method]directory-entry-stream.read-directory-entry",
        &[&S::BorrowOf(FILES, "directory-entry-stream")],
        &FILED_ENTRY,
    ),
    of(FILES, "filesystem-error-code", &[&S::BorrowOf(ERROR, "error")], &S::Option(&ERROR_CODE)),
];

/// WASI's type of the function `item` of `interface`; none where the direct path does not know it.
pub fn signature(interface: &str, item: &str) -> Option<&'static Signature> {
    let found = FUNCTIONS.iter().find(|(base, name, _)| *name == item && is(interface, base));
    found.map(|(_, _, signature)| signature)
}

/// Whether `item` of `interface` is a resource of WASI's that the direct path knows.
pub fn is_resource(interface: &str, item: &str) -> bool {
    RESOURCES.iter().any(|(base, name)| *name == item && is(interface, base))
}

#[cfg(all(test, feature = "wasi", feature = "compiler"))]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::direct::plan;
    use crate::engine::Engine;

    /// Writes the type definitions that `shape` needs within an instance type, and gives how it is
    /// referred to there. What has fields or cases must have a name.
    fn define(shape: &Shape, text: &mut String) -> String {
        let mut all = |shapes: &[&Shape]| shapes.iter().map(|s| define(s, text)).collect::<Vec<_>>();
        let quoted = |names: &[&str]| names.iter().map(|name| format!(" \"{name}\"")).collect::<String>();
        let (written, named) = match shape {
            S::Bool => return "bool".into(),
            S::U8 => return "u8".into(),
            S::U32 => return "u32".into(),
            S::U64 => return "u64".into(),
            S::Str => return "string".into(),
            S::Bytes => ("(list u8)".into(), false),
            S::Outcome => ("(result)".into(), false),
            S::List(of) => (format!("(list {})", all(&[of])[0]), false),
            S::Option(of) => (format!("(option {})", all(&[of])[0]), false),
            S::Tuple(of) => (format!("(tuple {})", all(of).join(" ")), false),
            S::Result(ok, error) => {
                let ok = ok.map_or(String::new(), |ok| all(&[ok]).remove(0));
                (format!("(result {ok} (error {}))", all(&[error])[0]), false)
            }
            S::Record(fields) => {
                let fields = fields.iter().map(|(name, of)| format!(" (field \"{name}\" {})", all(&[of])[0]));
                (format!("(record{})", fields.collect::<String>()), true)
            }
            S::Variant(cases) => {
                let mut of = |of: &Option<&Shape>| of.map_or(String::new(), |of| define(of, text));
                let cases = cases.iter().map(|(name, ty)| (name, of(ty))).collect::<Vec<_>>();
                let cases = cases.iter().map(|(name, ty)| format!(" (case \"{name}\" {ty})"));
                (format!("(variant{})", cases.collect::<String>()), true)
            }
            S::Enum(names) => (format!("(enum{})", quoted(names)), true),
            S::Flags(names) => (format!("(flags{})", quoted(names)), true),
            S::OwnOf(_, name) => (format!("(own ${name})"), false),
            S::BorrowOf(_, name) => (format!("(borrow ${name})"), false),
            S::Own(_) | S::Borrow(_) => panic!("the contract's"),
        };
        let n = text.len();
        let _ = writeln!(text, "(type $t{n} {written})");
        if named {
            let _ = writeln!(text, "(export \"t{n}\" (type $e{n} (eq $t{n})))");
        }
        format!("{}{n}", if named { "$e" } else { "$t" })
    }

    /// A component that imports the function, and the resources of WASI where they are of others.
    fn importing((interface, item, signature): &Function) -> String {
        let (mut text, mut uses) = (String::from("(component\n"), String::new());
        for (n, (from, _)) in RESOURCES.iter().enumerate() {
            if RESOURCES[..n].iter().any(|(earlier, _)| earlier == from) {
                continue;
            }
            let names: Vec<_> = RESOURCES.iter().filter(|(other, _)| other == from).map(|(_, name)| name).collect();
            if from == interface {
                names.iter().for_each(|n| uses += &format!("(export \"{n}\" (type ${n} (sub resource)))\n"));
                continue;
            }
            let exports: String = names.iter().map(|n| format!("(export \"{n}\" (type (sub resource)))")).collect();
            let _ = writeln!(text, "(import \"{from}@0.2.0\" (instance $i{n} {exports}))");
            for name in names {
                let _ = writeln!(text, "(alias export $i{n} \"{name}\" (type $of-{name}))");
                let _ = write!(uses, "(alias outer 1 $of-{name} (type $own-{name}))");
                let _ = writeln!(uses, "(export \"{name}\" (type ${name} (eq $own-{name})))");
            }
        }
        let params: Vec<_> = signature.params.iter().map(|shape| define(shape, &mut uses)).collect();
        let result = signature.result.map(|shape| format!("(result {})", define(shape, &mut uses)));
        let first = if item.starts_with("[method]") { "self" } else { "p0" };
        let param = |(n, ty): (usize, &String)| match n {
            0 => format!("(param \"{first}\" {ty})"),
            n => format!("(param \"p{n}\" {ty})"),
        };
        let params: String = params.iter().enumerate().map(param).collect();
        let func = format!("(export \"{item}\" (func {params} {}))", result.unwrap_or_default());
        let _ = writeln!(text, "(import \"{interface}@0.2.0\" (instance\n{uses}{func})))");
        text
    }

    #[test]
    fn each_is_what_the_general_path_provides() {
        let engine = Engine::new(Default::default()).unwrap();
        let linker = engine.wasi().linker(&engine).unwrap();
        for function in FUNCTIONS {
            let text = importing(function);
            let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            let component = wasmtime::component::Component::from_binary(engine.wasmtime(), &wasm);
            let component = component.unwrap_or_else(|e| panic!("{e:?}\n{text}"));
            linker.instantiate_pre(&component).map(drop).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
            let plan = plan::analyse(&wasm, crate::engine::features::compiled(engine.config())).unwrap().analysis.plan;
            assert_eq!(plan.unwrap_err(), "has no memory", "{text}");
        }
    }
}
