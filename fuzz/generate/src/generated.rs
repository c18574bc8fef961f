//! What generated components share: text with a role, and what the C function that runs them is given.

use std::ffi::c_char;

/// The contract's `process-error`, as `$error`.
pub const TYPES: &str = r#"  (import "torvyn:streaming/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "unavailable" string)
      (case "internal" string) (case "deadline-exceeded") (case "fatal" string)))
    (export "process-error" (type (eq $e)))))
  (alias export $types "process-error" (type $error))
"#;

/// The role: of core instances `$i`, which has `init` and `teardown`, and `$libc`.
pub const LIFE: &str = r#"  (func $init (param "config" string) (result (result (error $error)))
    (canon lift (core func $i "init") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func $teardown (canon lift (core func $i "teardown")))
  (instance $life (export "init" (func $init)) (export "teardown" (func $teardown)))
  (export "torvyn:streaming/lifecycle@0.1.0" (instance $life))
"#;

/// In a core module that imports a memory: `$mix` takes a number into a hash, `$mix-bytes` so many of those
/// that lie at 4096, and `$said` gives the result of an `init` that failed with the hash as its text.
pub const SAYS: &str = r#"    (global $hash (mut i64) (i64.const 0))
    (func $mix (param i64)
      (global.set $hash (i64.mul (i64.xor (i64.rotl (global.get $hash) (i64.const 7)) (local.get 0))
        (i64.const 0x9e3779b97f4a7c15))))
    (func $mix-bytes (param $at i32) (param $count i32)
      (local.set $count (i32.add (local.get $at) (local.get $count)))
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $at) (local.get $count)))
        (call $mix (i64.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
    (func $said (result i32) (local $i i32)
      (loop $digit
        (i32.store8 offset=256 (local.get $i)
          (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (global.get $hash) (i64.const 15)))))
        (global.set $hash (i64.shr_u (global.get $hash) (i64.const 4)))
        (br_if $digit (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
      (i32.store (i32.const 128) (i32.const 1))
      (i32.store (i32.const 132) (i32.const 2))
      (i32.store (i32.const 136) (i32.const 256))
      (i32.store (i32.const 140) (i32.const 16))
      (i32.const 128))
"#;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A function of `g:g/g` with numbers for parameters. As in `tests/c/generated.h`.
#[repr(C)]
pub struct Call {
    pub name: [c_char; 8],
    pub count: usize,
    /// A `torvyn_kind_t` for each.
    pub kinds: [u8; 16],
    pub args: [u64; 16],
}

impl Call {
    pub fn new(name: &str) -> Self {
        let mut call = Self { name: [0; 8], count: 0, kinds: [0; 16], args: [0; 16] };
        for (to, from) in call.name.iter_mut().zip(name.bytes()) {
            *to = from as c_char;
        }
        call
    }
}

/// What is known of a component. As in `tests/c/generated.h`.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Validity {
    /// Nothing.
    Any,
    /// It is valid; it may need what is off, or more than there is.
    Valid,
    /// It is valid, and compiles and links whatever the configuration.
    Compiles,
}

/// A component, and how it is to be run.
#[repr(C)]
pub struct Generated {
    pub bytes: *const u8,
    pub len: usize,
    pub calls: *const Call,
    pub call_count: usize,
    /// One of those of `tests/c/generated.h`, by any number.
    pub configuration: u32,
    pub validity: Validity,
}
