//! Small core modules of our own that join guest and host, core to core.
//!
//! Entering a guest from the host costs some 20 ns, a call between core modules 2. So the steps of
//! one canonical-ABI call that are the guest's — realloc for the parameters, the function, its
//! post-return — are called by one entry function in the glue, and so is realloc for an import's
//! result. What the steps need of the host lies between them (`imports`).

use std::fmt::Write as _;

use super::imports::{MODULE, host_function};
use super::plan::Plan;
use super::shapes::Import;
use crate::contract::Function;

/// Core module names of the glue; frames of modules named so are no guest's.
pub const NAME: &str = "torvyn-glue";

/// The parameters of an entry as core types, in order; the glue's entry has the same ones with a
/// string's pointer left out.
const fn parameters(function: Function) -> &'static str {
    match function {
        Function::Init => "(param $len i32)",
        Function::NotifyBackpressure => "(param $signal i32)",
        Function::Teardown | Function::Pull | Function::Complete | Function::Flush => "",
        Function::Process | Function::Push | Function::Evaluate | Function::Route | Function::Ingest => {
            "(param $sequence i64) (param $timestamp i64) (param $len i32) (param $payload i32) (param $context i32)"
        }
    }
}

/// The same as the guest's function has them, with the pointer in `$at`.
const fn guest_parameters(function: Function) -> (&'static str, &'static str) {
    match function {
        Function::Init => ("(param i32 i32)", "(local.get $at) (local.get $len)"),
        Function::NotifyBackpressure => ("(param i32)", "(local.get $signal)"),
        Function::Teardown | Function::Pull | Function::Complete | Function::Flush => ("", ""),
        Function::Process | Function::Push | Function::Evaluate | Function::Route | Function::Ingest => (
            "(param i64 i64 i32 i32 i32 i32)",
            "(local.get $sequence) (local.get $timestamp) (local.get $at) (local.get $len) (local.get $payload) \
             (local.get $context)",
        ),
    }
}

/// Whether the function gives a result, by pointer.
pub const fn has_result(function: Function) -> bool {
    !matches!(function, Function::Teardown | Function::NotifyBackpressure)
}

/// Whether the function takes a string: an element's content type, or the configuration.
pub const fn has_string(function: Function) -> bool {
    !matches!(
        function,
        Function::Teardown | Function::NotifyBackpressure | Function::Pull | Function::Complete | Function::Flush
    )
}

/// The module with an entry for each function of the plan, in text. Its imports, in order: the
/// guest's functions as [`entry_imports`] lists them, then the host's `parameter` and `lift`.
pub fn entries(plan: &Plan) -> String {
    let (mut imports, mut funcs) = (String::new(), String::new());
    for entry in &plan.entries {
        let name = entry.function.name();
        let (params, args) = guest_parameters(entry.function);
        let result = if has_result(entry.function) { "(result i32)" } else { "" };
        let _ = writeln!(imports, r#"(import "guest" "{name}" (func ${name} {params} {result}))"#);
        let mut body = String::new();
        if has_string(entry.function) {
            let _ = writeln!(
                imports,
                r#"(import "guest" "{name} realloc" (func ${name}-realloc (param i32 i32 i32 i32) (result i32)))"#
            );
            let _ = writeln!(
                body,
                "(local.set $at (call ${name}-realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len)))
                 (call $parameter (local.get $at))"
            );
        }
        if has_result(entry.function) {
            let _ = writeln!(body, "(local.set $ret (call ${name} {args})) (call $lift (local.get $ret))");
        } else {
            let _ = writeln!(body, "(call ${name} {args}) (call $lift (i32.const 0))");
        }
        if entry.post_return.is_some() {
            let (param, arg) = if has_result(entry.function) { ("(param i32)", "(local.get $ret)") } else { ("", "") };
            let _ = writeln!(imports, r#"(import "guest" "{name} post-return" (func ${name}-post {param}))"#);
            let _ = writeln!(body, "(call ${name}-post {arg})");
        }
        let params = parameters(entry.function);
        let _ = writeln!(funcs, r#"(func (export "{name}") {params} (local $at i32) (local $ret i32) {body})"#);
    }
    format!(
        r#"(module ${NAME} {imports}
        (import "{MODULE}" "parameter" (func $parameter (param i32)))
        (import "{MODULE}" "lift" (func $lift (param i32)))
        {funcs})"#
    )
}

/// The imports that the glue joins to realloc.
pub fn joined() -> impl Iterator<Item = Import> {
    Import::ALL.into_iter().filter(|import| host_function(*import).1)
}

/// The module that joins imports to one realloc of the guest's, in text. Its imports, in order: the
/// realloc, the host's `finish` and `refuse`, then the host's function for each of [`joined`].
pub fn lowerings() -> String {
    let (mut imports, mut funcs) = (String::new(), String::new());
    for import in joined() {
        let (name, _) = host_function(import);
        let (params, args) = match import {
            Import::BufferRead => ("(param $h i32) (param $offset i64) (param $n i64)", "(local.get $h) (local.get $offset) (local.get $n)"),
            Import::Allocate => ("(param $h i64)", "(local.get $h)"),
            _ => ("(param $h i32)", "(local.get $h)"),
        };
        let realloc = "(call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len))";
        if matches!(import, Import::Allocate | Import::CloneIntoMutable) {
            let _ = writeln!(imports, r#"(import "{MODULE}" "{name}" (func ${name} {params} (param i32) (result i32)))"#);
            let _ = writeln!(
                funcs,
                r#"(func (export "{name}") {params} (param $ret i32) (local $len i32)
                (local.set $len (call ${name} {args} (local.get $ret)))
                (if (i32.ge_s (local.get $len) (i32.const 0)) (then (call $refuse {realloc} (local.get $ret)))))"#
            );
        } else {
            let _ = writeln!(imports, r#"(import "{MODULE}" "{name}" (func ${name} {params} (result i32)))"#);
            let _ = writeln!(
                funcs,
                r#"(func (export "{name}") {params} (param $ret i32) (local $len i32)
                (local.set $len (call ${name} {args}))
                (call $finish {realloc} (local.get $ret)))"#
            );
        }
    }
    format!(
        r#"(module ${NAME}
        (import "guest" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
        (import "{MODULE}" "finish" (func $finish (param i32 i32)))
        (import "{MODULE}" "refuse" (func $refuse (param i32 i32)))
        {imports} {funcs})"#
    )
}
