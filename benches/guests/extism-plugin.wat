;; What `stages.wat` does, as a plugin of Extism: the input is copied into the plugin's memory and
;; from there into the output, eight bytes at a time where there are eight, as Extism's own guest
;; libraries do. Sequence, timestamp and content type are not passed: the host has them.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))

  (memory 6)
  (data (i32.const 2048) "The source gives this text, of sixty-four bytes, each time. 0123")

  ;; Copies the input to 4096; its length.
  (func $read_all (result i64)
    (local $n i64) (local $i i64)
    (local.set $n (call $input_length))
    (block $words_end
      (loop $words
        (br_if $words_end (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
        (i64.store offset=4096 (i32.wrap_i64 (local.get $i)) (call $input_load_u64 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $words)))
    (block $end
      (loop $bytes
        (br_if $end (i64.ge_u (local.get $i) (local.get $n)))
        (i32.store8 offset=4096 (i32.wrap_i64 (local.get $i)) (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $bytes)))
    (local.get $n))

  ;; Makes `n` bytes at `at` the output.
  (func $emit (param $at i32) (param $n i64)
    (local $out i64) (local $i i64)
    (local.set $out (call $alloc (local.get $n)))
    (block $words_end
      (loop $words
        (br_if $words_end (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
        (call $store_u64 (i64.add (local.get $out) (local.get $i))
          (i64.load (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $words)))
    (block $end
      (loop $bytes
        (br_if $end (i64.ge_u (local.get $i) (local.get $n)))
        (call $store_u8 (i64.add (local.get $out) (local.get $i))
          (i32.load8_u (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $bytes)))
    (call $output_set (local.get $out) (local.get $n)))

  (func (export "metadata") (result i32) (i32.const 0))

  (func (export "process") (result i32)
    (call $emit (i32.const 4096) (call $read_all))
    (i32.const 0))

  (func (export "pull") (result i32)
    (call $emit (i32.const 2048) (i64.const 64))
    (i32.const 0))

  (func (export "push") (result i32)
    (drop (call $read_all))
    (i32.const 0))

  ;; The verdict is an output of one byte.
  (func (export "evaluate") (result i32)
    (i64.store (i32.const 4096) (call $input_load_u64 (i64.const 0)))
    (i32.store8 (i32.const 4096) (i32.and (i32.load8_u (i32.const 4096)) (i32.const 1)))
    (call $emit (i32.const 4096) (i64.const 1))
    (i32.const 0))
)
