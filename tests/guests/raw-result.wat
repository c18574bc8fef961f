;; A processor, written by hand, that returns whatever pointer the host asks
;; for: the element's sequence number. That reaches results which no binding
;; generator would write. The memory is one page and holds:
;;
;;    256  a sound result: drop
;;    320  a result that is neither ok nor err
;;    384  ok, but neither emit nor drop
;;    448  an error of a kind that does not exist
;;    512  emit with the buffer handle 0
;;
;; Other numbers: 257 is misaligned, 65528 has its end outside of the memory,
;; 131072 lies all outside.
(module
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]buffer" (func $drop_buffer (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]flow-context" (func $drop_context (param i32)))
  (memory (export "memory") 1)
  ;; result tag at 0, variant tag at 8
  (data (i32.const 256) "\00\00\00\00\00\00\00\00\01")
  (data (i32.const 320) "\02")
  (data (i32.const 384) "\00\00\00\00\00\00\00\00\02")
  (data (i32.const 448) "\01\00\00\00\00\00\00\00\05")

  ;; The content type is the only thing the host puts here; one place will do.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.const 4096))

  (func (export "torvyn:streaming/processor@0.1.0#process")
    (param $sequence i64) (param $timestamp i64) (param $type i32) (param $type_len i32)
    (param $payload i32) (param $context i32) (result i32)
    (call $drop_buffer (local.get $payload))
    (call $drop_context (local.get $context))
    (i32.wrap_i64 (local.get $sequence))))
