;; A processor, written by hand, that has WASI answer to whatever place the host
;; asks for: the element's sequence number is the place, its timestamp chooses
;; the function, in the order of the table `$functions`. Those after the ninth take
;; the number as what they are asked, and answer at 512. It drops every element.
;; The memory is one page, and two when something is written.
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
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write_and_flush (param i32 i32 i32 i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/exit@0.2.0" "exit-with-code" (func $exit_with_code (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:random/insecure@0.2.0" "get-insecure-random-bytes" (func $insecure (param i64 i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "resolution" (func $wall_resolution (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "resolution" (func $monotonic_resolution (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 256) "\00\00\00\00\00\00\00\00\01") ;; ok(drop)

  (func $read_stdin (param i32) (call $read (call $stdin) (i64.const 8) (local.get 0)))
  (func $skip_stdin (param i32) (call $skip (call $stdin) (i64.const 8) (local.get 0)))
  (func $check_stdout (param i32) (call $check (call $stdout) (local.get 0)))
  (func $flush_stdout (param i32) (call $flush (call $stdout) (local.get 0)))
  (func $grow (if (i32.eq (memory.size) (i32.const 1)) (then (drop (memory.grow (i32.const 1))))))
  (func $write_some (param i32)
    (call $grow)
    (call $write (call $stdout) (i32.const 0) (local.get 0) (i32.const 512)))
  (func $flush_some (param i32)
    (call $grow)
    (call $write_and_flush (call $stdout) (i32.const 0) (local.get 0) (i32.const 512)))
  (func $random_bytes (param i32) (call $random (i64.extend_i32_u (local.get 0)) (i32.const 512)))
  (func $insecure_bytes (param i32) (call $insecure (i64.extend_i32_u (local.get 0)) (i32.const 512)))
  ;; realloc gives this place for what is empty.
  (global $place (mut i32) (i32.const 4096))
  (func $arguments_at (param i32) (global.set $place (local.get 0)) (call $arguments (i32.const 512)))
  ;; So many handles, which are dropped with the instance.
  (func $streams (param $n i32)
    (loop $next
      (drop (call $stdout))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; Traps where the seed is another the second time.
  (func $seed_again (param i32)
    (call $seed (i32.const 512))
    (call $seed (i32.const 528))
    (if (i32.or (i64.ne (i64.load (i32.const 512)) (i64.load (i32.const 528)))
                (i64.ne (i64.load (i32.const 520)) (i64.load (i32.const 536)))) (then unreachable)))
  ;; Traps where the resolution of a clock is not that of the other, in nanoseconds.
  (func $resolutions (param i32)
    (call $wall_resolution (i32.const 512))
    (if (i64.ne (call $monotonic_resolution)
                (i64.add (i64.mul (i64.load (i32.const 512)) (i64.const 1000000000))
                         (i64.load32_u (i32.const 520)))) (then unreachable)))
  (table $functions funcref
    (elem $arguments $cwd $terminal $now $seed $read_stdin $skip_stdin $check_stdout $flush_stdout
          $write_some $flush_some $exit $exit_with_code $random_bytes $insecure_bytes $streams $seed_again
          $resolutions $arguments_at))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (global.get $place))

  (func (export "torvyn:streaming/processor@0.1.0#process")
    (param $sequence i64) (param $timestamp i64) (param i32 i32) (param $payload i32) (param $context i32) (result i32)
    (call $drop_buffer (local.get $payload))
    (call $drop_context (local.get $context))
    (call_indirect $functions (type $function)
      (i32.wrap_i64 (local.get $sequence)) (i32.wrap_i64 (local.get $timestamp)))
    (i32.const 256)))
