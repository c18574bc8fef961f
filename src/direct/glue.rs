//! Small core modules of our own that join guest and host, core to core.
//!
//! Entering a guest from the host costs some 20 ns, calling the host from a guest 5 to 7, a call
//! between core modules 2. So the steps of one canonical-ABI call that are the guest's — realloc for
//! the parameters, the function, its post-return — are called by one entry function in the glue,
//! and so is realloc for an import's result; and a call's borrow scope is kept here, since every
//! guest drops what it was lent, call after call.
//!
//! - `scope`, instantiated first: the scope's globals, and the host's functions for all that comes
//!   after it, so that they are looked up when linking.
//! - `lowerings`, one for each realloc of the guest's: the imports that need it.
//! - `entries`, instantiated last: the component's exports.
//!
//! The scope's globals: `leave`, whether imports may be called ("may_leave"); `lent`, the borrows
//! that the call still holds, a bit each; `size`, the lent payload's length; `spent`, the mutable
//! buffer that was frozen last and not dropped yet; `gone`, one that was dropped after, which the
//! host is told of before it makes another handle (`settle`), since it counts them, or at the call's
//! end. The handles of what a call lends are always the same two ([`PAYLOAD`], [`CONTEXT`]); the
//! host's table holds them for ever, and whether they are alive is known here alone.
//!
//! What is fast here is only ever the plain case, checked to be so; everything else, and every
//! mistake of the guest's, is the host's, so that it fails in one way.

use std::fmt::Write as _;

use super::imports::{MODULE, drop_function, host_function};
use super::plan::{Arg, Plan, Step};
use super::shapes::Import;
use super::wasi::{Wasi, WasiResource};
use crate::contract::Function;
use crate::contract::host::{CONTEXT, PAYLOAD, Resource};

/// Core module names of the glue; frames of modules named so are no guest's.
pub const NAME: &str = "torvyn-glue";

/// Bits of `lent`.
const PAYLOAD_LENT: u32 = 1;
const CONTEXT_LENT: u32 = 2;

/// What the scope exports and the other modules import, in this order.
pub const GLOBALS: [&str; 5] = ["leave", "lent", "size", "spent", "gone"];

fn global_imports() -> String {
    let import = |name: &str| format!(r#"(import "scope" "{name}" (global ${name} (mut i32)))"#);
    GLOBALS.map(import).join("\n")
}

/// Traps where `$h` is the lent thing of this handle and bit, and was dropped.
fn alive(handle: u32, bit: u32) -> String {
    format!(
        "(if (i32.and (i32.eq (local.get $h) (i32.const {handle}))
                      (i32.eqz (i32.and (global.get $lent) (i32.const {bit}))))
             (then (call $unknown-handle (local.get $h))))"
    )
}

fn alive_for(import: Import) -> String {
    match import {
        Import::BufferContentType | Import::BufferRead | Import::BufferReadAll | Import::CloneIntoMutable => {
            alive(PAYLOAD, PAYLOAD_LENT)
        }
        Import::FlowTraceId | Import::FlowSpanId | Import::FlowId => alive(CONTEXT, CONTEXT_LENT),
        _ => String::new(),
    }
}

/// Core parameters and results of the host's functions that the scope imports.
fn core_type(name: &str) -> &'static str {
    match name {
        "buffer-size" | "deadline-ns" | "mutable-size" | "mutable-capacity" => "(param i32) (result i64)",
        "begin-read" => "(param i32 i64 i64) (result i32)",
        "allocate" => "(param i64 i32) (result i32)",
        "clone-into-mutable" | "has-capability" => "(param i32 i32) (result i32)",
        "append" => "(param i32 i32 i32 i32)",
        "write" => "(param i32 i64 i32 i32 i32)",
        "set-content-type" | "lift" => "(param i32 i32 i32)",
        "finish" | "finish-payload" | "refuse" => "(param i32 i32)",
        "cannot-leave" | "settle" => "",
        "parameter"
        | "unknown-handle"
        | "bad-pointer"
        | "drop-buffer"
        | "drop-mutable-buffer"
        | "drop-flow-context"
        | "drop-input-stream"
        | "drop-output-stream" => "(param i32)",
        _ => "(param i32) (result i32)",
    }
}

/// Names of the host's functions that stand for no import.
const OWN: [&str; 8] =
    ["finish", "finish-payload", "refuse", "unknown-handle", "bad-pointer", "cannot-leave", "parameter", "lift"];

/// Traps where imports may not be called.
const LEAVING: &str = "(if (i32.eqz (global.get $leave)) (then (call $cannot-leave)))";

/// Host functions that the scope's functions of the same names stand before.
const WRAPPED: [&str; 6] =
    ["drop-buffer", "drop-flow-context", "drop-mutable-buffer", "freeze", "buffer-size", "deadline-ns"];

/// The name of the scope's `n`th function that needs a handle which nobody has.
pub fn never(n: usize) -> String {
    format!("never-{n}")
}

/// What the plan's core modules import of WASI.
fn wasi(plan: &Plan) -> impl Iterator<Item = &Wasi> {
    let args = plan.steps.iter().flat_map(|step| match step {
        Step::Instantiate { args, .. } => &args[..],
        _ => &[],
    });
    args.filter_map(|arg| if let Arg::Wasi(wasi, _) = arg { Some(wasi) } else { None })
}

/// Core types of the plan's [`Wasi::Never`]s, each once.
pub fn nevers(plan: &Plan) -> Vec<&str> {
    let all = wasi(plan).filter_map(|wasi| if let Wasi::Never(core) = wasi { Some(core.as_str()) } else { None });
    all.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Name and core type of the host's functions for the plan's WASI imports, each once; `joined` to
/// realloc or not.
fn answers(plan: &Plan, joined: bool) -> Vec<(String, &'static str)> {
    let all = wasi(plan).filter_map(Wasi::host_function).filter(|(_, _, j)| *j == joined);
    all.map(|(name, core, _)| (name, core)).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Whether the lowerings hold the check for a function of the host's.
fn joins(plan: &Plan, name: &str) -> bool {
    Import::ALL.into_iter().any(|import| host_function(import) == (name, true))
        || answers(plan, true).iter().any(|(joined, _)| joined == name)
}

/// Number of parameters of a core type in text.
fn parameter_count(core: &str) -> usize {
    let params = core.split_once("(param ").map_or("", |(_, rest)| rest.split(')').next().unwrap_or(""));
    params.split_whitespace().count()
}

/// The scope, in text.
pub fn scope(plan: &Plan) -> String {
    // A drop of something lent, which is the common one, is done here; all else by the host.
    let drop_lent = |name: &str, handle: u32, bit: u32| {
        format!(
            r#"(func (export "{name}") (param $h i32) {LEAVING}
            (if (i32.and (i32.eq (local.get $h) (i32.const {handle}))
                         (i32.ne (i32.and (global.get $lent) (i32.const {bit})) (i32.const 0)))
                (then (global.set $lent (i32.xor (global.get $lent) (i32.const {bit}))))
                (else (call ${name} (local.get $h)))))"#
        )
    };
    let resources = [Resource::Buffer, Resource::MutableBuffer, Resource::FlowContext];
    let names = Import::ALL.into_iter().map(|import| host_function(import).0);
    let streams = [WasiResource::Input, WasiResource::Output].map(WasiResource::drop_function);
    let names = names.chain(resources.map(drop_function)).chain(streams).chain(OWN);
    let mut functions: Vec<_> = names.map(|name| (name.to_owned(), core_type(name))).collect();
    functions.extend(answers(plan, false));
    // The host's half of an answer that is joined to realloc gives a length.
    functions.extend(answers(plan, true).into_iter().map(|(name, _)| (name, "(param i64) (result i32)")));
    let import = |(name, core): &(String, &str)| format!(r#"(import "{MODULE}" "{name}" (func $"{name}" {core}))"#);
    // The host's functions for the glue alone pass through; imports are checked first.
    let inner = |name: &str| OWN.contains(&name) || name.starts_with("begin-") || WRAPPED.contains(&name);
    let export = |(name, core): &(String, &str)| {
        if WRAPPED.contains(&name.as_str()) {
            return String::new();
        }
        if inner(name) || joins(plan, name) {
            return format!(r#"(export "{name}" (func $"{name}"))"#);
        }
        let args: String = (0..parameter_count(core)).map(|n| format!("(local.get {n})")).collect();
        format!(r#"(func (export "{name}") {core} {LEAVING} (call $"{name}" {args}))"#)
    };
    let imports: Vec<_> = functions.iter().map(import).collect();
    let mut exports: Vec<_> = functions.iter().map(export).collect();
    for (n, core) in nevers(plan).into_iter().enumerate() {
        let name = never(n);
        // The first parameter is the handle.
        exports.push(format!(
            r#"(func (export "{name}") {core} {LEAVING} (call $unknown-handle (local.get 0)) (unreachable))"#
        ));
    }
    format!(
        r#"(module ${NAME} {imports} {exports}
        (global $leave (export "leave") (mut i32) (i32.const 1))
        (global $lent (export "lent") (mut i32) (i32.const 0))
        (global $size (export "size") (mut i32) (i32.const 0))
        (global $spent (export "spent") (mut i32) (i32.const 0))
        (global $gone (export "gone") (mut i32) (i32.const 0))
        {drop_payload} {drop_context}
        (func (export "buffer-size") (param $h i32) (result i64) {LEAVING} {payload}
            (if (result i64) (i32.eq (local.get $h) (i32.const {PAYLOAD}))
                (then (i64.extend_i32_u (global.get $size)))
                (else (call $buffer-size (local.get $h)))))
        (func (export "deadline-ns") (param $h i32) (result i64) {LEAVING} {context}
            (call $deadline-ns (local.get $h)))
        (func $settle (export "settle")
            (if (global.get $gone)
                (then (call $drop-mutable-buffer (global.get $gone)) (global.set $gone (i32.const 0)))))
        (func (export "freeze") (param $h i32) (result i32) (local $new i32) {LEAVING} (call $settle)
            (local.set $new (call $freeze (local.get $h)))
            (global.set $spent (local.get $h))
            (local.get $new))
        (func (export "drop-mutable-buffer") (param $h i32) {LEAVING}
            (if (i32.eqz (local.get $h)) (then (call $unknown-handle (local.get $h))))
            (if (i32.eq (local.get $h) (global.get $gone)) (then (call $unknown-handle (local.get $h))))
            (if (i32.and (i32.eq (local.get $h) (global.get $spent)) (i32.eqz (global.get $gone)))
                (then (global.set $spent (i32.const 0)) (global.set $gone (local.get $h)))
                (else (call $drop-mutable-buffer (local.get $h))))))"#,
        payload = alive(PAYLOAD, PAYLOAD_LENT),
        context = alive(CONTEXT, CONTEXT_LENT),
        imports = imports.join("\n"),
        exports = exports.join("\n"),
        drop_payload = drop_lent("drop-buffer", PAYLOAD, PAYLOAD_LENT),
        drop_context = drop_lent("drop-flow-context", CONTEXT, CONTEXT_LENT),
    )
}

/// How the glue gives parameters to the guest's function, with a string's pointer in `$at`: those of
/// the entry, those of the guest's function, and the arguments.
fn parameters(function: Function) -> (&'static str, &'static str, String) {
    match function {
        Function::Init => ("(param $len i32)", "(param i32 i32)", "(local.get $at) (local.get $len)".into()),
        Function::NotifyBackpressure => ("(param $signal i32)", "(param i32)", "(local.get $signal)".into()),
        Function::Teardown | Function::Pull | Function::Complete | Function::Flush => ("", "", String::new()),
        Function::Process | Function::Push | Function::Evaluate | Function::Route | Function::Ingest => (
            "(param $sequence i64) (param $timestamp i64) (param $len i32) (param $head i64) (param $tail i64)
             (param $bytes i32)",
            "(param i64 i64 i32 i32 i32 i32)",
            format!(
                "(local.get $sequence) (local.get $timestamp) (local.get $at) (local.get $len)
                 (i32.const {PAYLOAD}) (i32.const {CONTEXT})"
            ),
        ),
    }
}

/// Whether the function gives a result, by pointer.
pub const fn has_result(function: Function) -> bool {
    !matches!(function, Function::Teardown | Function::NotifyBackpressure)
}

/// Whether the function is lent an element.
const fn has_element(function: Function) -> bool {
    has_string(function) && !matches!(function, Function::Init)
}

/// Whether the function takes a string: an element's content type, or the configuration.
pub const fn has_string(function: Function) -> bool {
    !matches!(
        function,
        Function::Teardown | Function::NotifyBackpressure | Function::Pull | Function::Complete | Function::Flush
    )
}

/// Whether `$at` to `$at + size`, with `size` an i32 expression, lies within the guest's memory.
fn within(at: &str, size: &str) -> String {
    format!(
        "(i64.le_u (i64.add (i64.extend_i32_u {at}) (i64.extend_i32_u {size}))
                   (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))"
    )
}

/// Stores the content type at `$at`: up to 16 bytes come by value in `$head` and `$tail` (see
/// [`by_value`]), more from the host.
fn store_content_type() -> String {
    let short = within("(local.get $at)", "(local.get $len)");
    format!(
        "(if (i32.and (i32.le_u (local.get $len) (i32.const 16)) {short})
            (then
              (if (i32.ge_u (local.get $len) (i32.const 8))
                (then (i64.store align=1 (local.get $at) (local.get $head))
                      (i64.store align=1 (i32.add (local.get $at) (i32.sub (local.get $len) (i32.const 8)))
                                         (local.get $tail)))
                (else (block $done (loop $next
                      (br_if $done (i32.eqz (local.get $len)))
                      (i64.store8 (local.get $at) (local.get $head))
                      (local.set $head (i64.shr_u (local.get $head) (i64.const 8)))
                      (local.set $at (i32.add (local.get $at) (i32.const 1)))
                      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                      (br $next))))))
            (else (call $parameter (local.get $at))))"
    )
}

/// The first and the last 8 bytes of a string of 8 to 16; of a shorter one, all in the first.
#[inline]
pub fn by_value(text: &[u8]) -> (u64, u64) {
    match (text.first_chunk(), text.last_chunk()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (text.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    }
}

/// What an entry gives: 0 where the host lifted the result, otherwise the result itself.
pub mod code {
    /// `ok` without a value, `ok(drop)`, `ok(none)`.
    pub const NOTHING: u32 = 1;
    /// Plus the signal.
    pub const SIGNAL: u32 = 2;
    /// Plus the bool.
    pub const VERDICT: u32 = 4;
}

/// The plain result of a function, read here; an expression that is 0 where it is not that plain.
fn plain_result(function: Function) -> String {
    // Offsets and alignments are those of `canon::lift`.
    let ok = "(i32.eqz (i32.load8_u (local.get $ret)))";
    let (size, aligned, is, value) = match function {
        Function::Process | Function::Pull | Function::Ingest => {
            let nothing = if matches!(function, Function::Process) { 1 } else { 0 };
            let is = format!("(i32.eq (i32.load8_u offset=8 (local.get $ret)) (i32.const {nothing}))");
            (48, 7, is, format!("(i32.const {})", code::NOTHING))
        }
        Function::Push => {
            let value = format!("(i32.add (i32.const {}) (i32.load8_u offset=4 (local.get $ret)))", code::SIGNAL);
            (16, 3, "(i32.le_u (i32.load8_u offset=4 (local.get $ret)) (i32.const 1))".into(), value)
        }
        Function::Evaluate => {
            let value = format!(
                "(i32.add (i32.const {}) (i32.ne (i32.load8_u offset=4 (local.get $ret)) (i32.const 0)))",
                code::VERDICT
            );
            (16, 3, "(i32.const 1)".into(), value)
        }
        Function::Complete | Function::Init => {
            (16, 3, "(i32.const 1)".into(), format!("(i32.const {})", code::NOTHING))
        }
        _ => return "(i32.const 0)".into(),
    };
    let within = within("(local.get $ret)", &format!("(i32.const {size})"));
    format!(
        "(if (result i32) (i32.and (i32.and {within} (i32.eqz (i32.and (local.get $ret) (i32.const {aligned}))))
                                   (i32.eqz (i32.or (global.get $lent) (global.get $gone))))
            (then (if (result i32) (i32.and {ok} {is}) (then {value}) (else (i32.const 0))))
            (else (i32.const 0)))"
    )
}

/// The module with an entry for each function of the plan, in text. Its imports, in order: the
/// guest's memory; for each entry the guest's function, its realloc and its post-return, as there
/// are; the scope's [`GLOBALS`], `parameter`, `lift` and `settle`.
///
/// Its start function comes after those of the guest, and ends what they left in the scope's globals,
/// which each entry makes anew.
pub fn entries(plan: &Plan) -> String {
    let (mut imports, mut funcs) = (String::new(), String::new());
    for entry in &plan.entries {
        let name = entry.function.name();
        let (params, guest_params, args) = parameters(entry.function);
        let result = if has_result(entry.function) { "(result i32)" } else { "" };
        let _ = writeln!(imports, r#"(import "guest" "{name}" (func ${name} {guest_params} {result}))"#);
        let mut body = String::new();
        if has_string(entry.function) {
            let _ = writeln!(
                imports,
                r#"(import "guest" "{name} realloc" (func ${name}-realloc (param i32 i32 i32 i32) (result i32)))"#
            );
            let (store, save, restore) = if has_element(entry.function) {
                // The store counts both down where it goes byte by byte.
                let save = "(local.set $pointer (local.get $at)) (local.set $length (local.get $len))";
                let restore = "(local.set $at (local.get $pointer)) (local.set $len (local.get $length))";
                (store_content_type(), save, restore)
            } else {
                ("(call $parameter (local.get $at))".into(), "", "")
            };
            let _ = writeln!(
                body,
                "(global.set $leave (i32.const 0))
                 (local.set $at (call ${name}-realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len)))
                 {save} {store} {restore}"
            );
        }
        if has_element(entry.function) {
            let lent = PAYLOAD_LENT | CONTEXT_LENT;
            let _ = writeln!(body, "(global.set $lent (i32.const {lent})) (global.set $size (local.get $bytes))");
        }
        let keep = if has_result(entry.function) { "local.set $ret" } else { "" };
        let plain = plain_result(entry.function);
        let _ = writeln!(
            body,
            "(global.set $spent (i32.const 0)) (global.set $gone (i32.const 0))
             (global.set $leave (i32.const 1))
             (call ${name} {args}) {keep}
             (global.set $leave (i32.const 0))
             (local.set $code {plain})
             (if (i32.eqz (local.get $code))
                 (then (call $lift (local.get $ret) (global.get $lent) (global.get $gone))))"
        );
        if entry.post_return.is_some() {
            let (param, arg) = if has_result(entry.function) { ("(param i32)", "(local.get $ret)") } else { ("", "") };
            let _ = writeln!(imports, r#"(import "guest" "{name} post-return" (func ${name}-post {param}))"#);
            let _ = writeln!(body, "(call ${name}-post {arg})");
        }
        let _ = writeln!(
            funcs,
            r#"(func (export "{name}") {params} (result i32)
            (local $at i32) (local $ret i32) (local $code i32) (local $pointer i32) (local $length i32)
            {body} (local.get $code))"#
        );
    }
    format!(
        r#"(module ${NAME}
        (import "guest" "memory" (memory 0)) {imports} {globals}
        (import "scope" "parameter" (func $parameter (param i32)))
        (import "scope" "lift" (func $lift (param i32 i32 i32)))
        (import "scope" "settle" (func $settle))
        (start $settle)
        {funcs})"#,
        globals = global_imports(),
    )
}

/// The plan's imports that the glue joins to realloc.
fn joined(plan: &Plan) -> impl Iterator<Item = Import> {
    let uses = |import: &Import| {
        plan.steps.iter().any(|step| match step {
            Step::Instantiate { args, .. } => args.iter().any(|arg| matches!(arg, Arg::Import(i, _) if i == import)),
            _ => false,
        })
    };
    Import::ALL.into_iter().filter(|import| host_function(*import).1).filter(uses)
}

/// What the lowerings import of the scope, in their order.
pub fn lowered(plan: &Plan) -> Vec<String> {
    let own = ["finish", "finish-payload", "refuse", "unknown-handle", "bad-pointer", "cannot-leave", "settle"];
    let contract = GLOBALS.into_iter().chain(own).chain(joined(plan).map(|import| host_function(import).0));
    contract.map(str::to_owned).chain(answers(plan, true).into_iter().map(|(name, _)| name)).collect()
}

/// The module that joins imports to one realloc of the guest's, in text. Its imports, in order: the
/// guest's memory, the realloc, then what [`lowered`] lists.
pub fn lowerings(plan: &Plan) -> String {
    let mut funcs = String::new();
    // The place for a list or string is checked before realloc runs, which may do anything.
    let place = format!(
        "(if (i32.or (i32.and (local.get $ret) (i32.const 3)) (i32.eqz {}))
             (then (call $bad-pointer (local.get $ret))))",
        within("(local.get $ret)", "(i32.const 8)")
    );
    for import in joined(plan) {
        let (name, _) = host_function(import);
        let (params, args) = match import {
            Import::BufferRead => (
                "(param $h i32) (param $offset i64) (param $n i64)",
                "(local.get $h) (local.get $offset) (local.get $n)",
            ),
            Import::Allocate => ("(param $h i64)", "(local.get $h)"),
            _ => ("(param $h i32)", "(local.get $h)"),
        };
        let check = alive_for(import);
        let realloc = "(global.set $leave (i32.const 0))
            (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len)))";
        let leave = "(global.set $leave (i32.const 1))";
        let body = if import == Import::BufferReadAll {
            // The payload that is lent, which is alive: its length is known.
            format!(
                "(if (i32.eq (local.get $h) (i32.const {PAYLOAD}))
                    (then (local.set $len (global.get $size)) {place} {realloc}
                          (call $finish-payload (local.get $at) (local.get $ret)))
                    (else (local.set $len (call ${name} {args})) {place} {realloc}
                          (call $finish (local.get $at) (local.get $ret))))
                 {leave}"
            )
        } else if matches!(import, Import::Allocate | Import::CloneIntoMutable) {
            format!(
                "(if (global.get $gone) (then (call $settle)))
                (local.set $len (call ${name} {args} (local.get $ret)))
                (if (i32.ge_s (local.get $len) (i32.const 0))
                    (then {realloc} (call $refuse (local.get $at) (local.get $ret)) {leave}))"
            )
        } else {
            format!(
                "(local.set $len (call ${name} {args}))
                {place} {realloc} (call $finish (local.get $at) (local.get $ret)) {leave}"
            )
        };
        let _ = writeln!(
            funcs,
            r#"(func (export "{name}") {params} (param $ret i32) (local $len i32) (local $at i32)
            {LEAVING} {check} {body})"#
        );
    }
    for (name, core) in answers(plan, true) {
        // So many bytes; or a list of texts, which is empty.
        let (param, n, align) = match core {
            "(param i64 i32)" => ("(param $n i64)", "(local.get $n)", 1),
            _ => ("", "(i64.const 0)", 4),
        };
        let _ = writeln!(
            funcs,
            r#"(func (export "{name}") {param} (param $ret i32) (local $len i32) {LEAVING}
            (local.set $len (call $"{name}" {n}))
            {place}
            (global.set $leave (i32.const 0))
            (call $finish
                (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (local.get $len)) (local.get $ret))
            (global.set $leave (i32.const 1)))"#
        );
    }
    let import = |name: String| {
        if GLOBALS.contains(&name.as_str()) {
            format!(r#"(import "scope" "{name}" (global ${name} (mut i32)))"#)
        } else {
            let core = if name.contains('#') { "(param i64) (result i32)" } else { core_type(&name) };
            format!(r#"(import "scope" "{name}" (func $"{name}" {core}))"#)
        }
    };
    let imports: Vec<_> = lowered(plan).into_iter().map(import).collect();
    format!(
        r#"(module ${NAME}
        (import "guest" "memory" (memory 0))
        (import "guest" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
        {} {funcs})"#,
        imports.join("\n"),
    )
}
