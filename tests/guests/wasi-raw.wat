;; A processor, written by hand, that has WASI answer to whatever place the host
;; asks for: the element's sequence number is the place, its timestamp chooses
;; the function, in the order of the table `$functions`. It drops every element.
;; The memory is one page.
(module
  (type $function (func (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]buffer" (func $drop_buffer (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]flow-context" (func $drop_context (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/environment@0.2.0" "initial-cwd" (func $cwd (param i32)))
  (import "wasi:cli/terminal-stdout@0.2.0" "get-terminal-stdout" (func $terminal (param i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
  (import "wasi:random/insecure-seed@0.2.0" "insecure-seed" (func $seed (param i32)))
  (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.skip" (func $skip (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.check-write" (func $check (param i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-flush" (func $flush (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "\00\00\00\00\00\00\00\00\01") ;; ok(drop)

  (func $read_stdin (param i32) (call $read (call $stdin) (i64.const 8) (local.get 0)))
  (func $skip_stdin (param i32) (call $skip (call $stdin) (i64.const 8) (local.get 0)))
  (func $check_stdout (param i32) (call $check (call $stdout) (local.get 0)))
  (func $flush_stdout (param i32) (call $flush (call $stdout) (local.get 0)))
  (table $functions funcref
    (elem $arguments $cwd $terminal $now $seed $read_stdin $skip_stdin $check_stdout $flush_stdout))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))

  (func (export "torvyn:streaming/processor@0.1.0#process")
    (param $sequence i64) (param $timestamp i64) (param i32 i32) (param $payload i32) (param $context i32) (result i32)
    (call $drop_buffer (local.get $payload))
    (call $drop_context (local.get $context))
    (call_indirect $functions (type $function)
      (i32.wrap_i64 (local.get $sequence)) (i32.wrap_i64 (local.get $timestamp)))
    (i32.const 256)))
