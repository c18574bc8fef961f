;; The guest of the benchmark: as little work of its own as the contract allows, so that what is
;; measured is the way to it and back. `build.sh` makes the component `stages.wasm` of it; the floor
;; runs this core module as it is.
;;
;; Memory: 512 buffers' pointers and lengths that the host writes, 1024 the results, 2048 the
;; source's text, from 4096 what realloc gives. Realloc's memory is free again at each call's end.
(module
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.read" (func $read (param i32 i64 i64 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.read-all" (func $read_all (param i32 i32)))
  (import "torvyn:streaming/buffer-allocator@0.1.0" "allocate" (func $allocate (param i64 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.append" (func $append (param i32 i32 i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.freeze" (func $freeze (param i32) (result i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]buffer" (func $drop_buffer (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]flow-context" (func $drop_ctx (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]mutable-buffer" (func $drop_mut (param i32)))

  (memory (export "memory") 6)
  (data (i32.const 2048) "The source gives this text, of sixty-four bytes, each time. 0123")
  (data (i32.const 2112) "text/plain")

  (global $bump (mut i32) (i32.const 4096))
  (global $pulled (mut i64) (i64.const 0))

  (func (export "cabi_realloc") (param $old i32) (param $osz i32) (param $align i32) (param $n i32) (result i32)
    (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $bump) (i32.const 7)) (i32.const -8)))
    (global.set $bump (i32.add (local.get $p) (local.get $n)))
    (local.get $p))

  ;; Writes an output element at 1040, its payload a copy of `len` bytes at `at`.
  (func $emit (param $seq i64) (param $ts i64) (param $ctp i32) (param $ctl i32) (param $at i32) (param $len i32)
    (local $mb i32)
    (call $allocate (i64.extend_i32_u (local.get $len)) (i32.const 528))
    (local.set $mb (i32.load (i32.const 532)))
    (call $append (local.get $mb) (local.get $at) (local.get $len) (i32.const 560))
    (i64.store (i32.const 1040) (local.get $seq))
    (i64.store (i32.const 1048) (local.get $ts))
    (i32.store (i32.const 1056) (local.get $ctp))
    (i32.store (i32.const 1060) (local.get $ctl))
    (i32.store (i32.const 1064) (call $freeze (local.get $mb)))
    (call $drop_mut (local.get $mb)))

  ;; A sequence number with the highest bit: looks at no more and drops the element.
  ;; Others: reads all, appends all, emits.
  (func (export "torvyn:streaming/processor@0.1.0#process")
    (param $seq i64) (param $ts i64) (param $ctp i32) (param $ctl i32) (param $payload i32) (param $ctx i32)
    (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0)) ;; ok
    (if (i64.lt_s (local.get $seq) (i64.const 0))
      (then (i32.store8 (i32.const 1032) (i32.const 1))) ;; drop
      (else
        (call $read_all (local.get $payload) (i32.const 512))
        (call $emit (local.get $seq) (local.get $ts) (local.get $ctp) (local.get $ctl)
          (i32.load (i32.const 512)) (i32.load (i32.const 516)))
        (i32.store8 (i32.const 1032) (i32.const 0)))) ;; emit
    (call $drop_buffer (local.get $payload))
    (call $drop_ctx (local.get $ctx))
    (global.set $bump (i32.const 4096))
    (i32.const 1024))

  ;; Emits the text.
  (func (export "torvyn:streaming/source@0.1.0#pull") (result i32)
    (call $emit (global.get $pulled) (i64.const 0) (i32.const 2112) (i32.const 10) (i32.const 2048) (i32.const 64))
    (global.set $pulled (i64.add (global.get $pulled) (i64.const 1)))
    (i32.store8 (i32.const 1024) (i32.const 0)) ;; ok
    (i32.store8 (i32.const 1032) (i32.const 1)) ;; some
    (i32.const 1024))

  (func (export "torvyn:streaming/source@0.1.0#notify-backpressure") (param $signal i32))

  ;; Reads all, asks for more.
  (func (export "torvyn:streaming/sink@0.1.0#push")
    (param $seq i64) (param $ts i64) (param $ctp i32) (param $ctl i32) (param $payload i32) (param $ctx i32)
    (result i32)
    (call $read_all (local.get $payload) (i32.const 512))
    (call $drop_buffer (local.get $payload))
    (call $drop_ctx (local.get $ctx))
    (global.set $bump (i32.const 4096))
    (i32.store8 (i32.const 1024) (i32.const 0)) ;; ok
    (i32.store8 (i32.const 1028) (i32.const 0)) ;; ready
    (i32.const 1024))

  (func (export "torvyn:streaming/sink@0.1.0#complete") (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0)) ;; ok
    (i32.const 1024))

  ;; Whether the first of eight bytes, which it reads, is odd.
  (func (export "torvyn:filtering/filter@0.1.0#evaluate")
    (param $seq i64) (param $ts i64) (param $ctp i32) (param $ctl i32) (param $payload i32) (param $ctx i32)
    (result i32)
    (call $read (local.get $payload) (i64.const 0) (i64.const 8) (i32.const 512))
    (i32.store8 (i32.const 1028) (i32.and (i32.load8_u (i32.load (i32.const 512))) (i32.const 1)))
    (call $drop_buffer (local.get $payload))
    (call $drop_ctx (local.get $ctx))
    (global.set $bump (i32.const 4096))
    (i32.store8 (i32.const 1024) (i32.const 0)) ;; ok
    (i32.const 1024))
)
