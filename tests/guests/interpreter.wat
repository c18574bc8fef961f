;; Every role of the contract, written by hand: what it does, the payload says.
;; A payload is a program, and any bytes are one, so that a fuzzer reaches all
;; that a core module may do to its host: any pointer, length and discriminant,
;; results that lie anywhere, a realloc and a post-return that misbehave.
;;
;; A program is a list of operations: a byte that chooses one (modulo their
;; number, in the order of the table `$ops`), then the bytes of its operands.
;; After the end, operands are 0. init runs its configuration, a call with an
;; element runs the payload; a call without one goes on where the last call
;; stopped (the operation `end` stops it).
;;
;;   value  00-3f the number itself; 40-7f a register; 80-bf one of the numbers
;;          at 640; c0-df the two bytes that follow; e0-ff the four
;;   slot   0-7 of its low four bits a slot for a handle, 8-11 slots 0-3 again,
;;          12-15 a handle that does not exist
;;
;; Handles. Which numbers they are given is no part of the contract, and a
;; comparison of two hosts must not depend on it. So a program has slots and
;; never a number: numbers are kept in globals, out of reach of stores, and
;; those that the host writes into memory are wiped. Slot 0 is the payload, slot
;; 1 the context, 2-7 are the program's. A handle that was dropped can be used
;; for as long as no other came to be, since then it is unknown to any host;
;; after that it counts as 0.
;;
;; Memory: registers 0, the host's answers 64, the result 128, outputs 192,
;; ports 448, texts 512, numbers 640, free from 1024, realloc's from 4096.
(module
  (type $op (func))
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.size" (func $size (param i32) (result i64)))
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.content-type" (func $type (param i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.read" (func $read (param i32 i64 i64 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]buffer.read-all" (func $read_all (param i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.write" (func $write (param i32 i64 i32 i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.append" (func $append (param i32 i32 i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.size" (func $mutable_size (param i32) (result i64)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.capacity" (func $capacity (param i32) (result i64)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.set-content-type" (func $set_type (param i32 i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]mutable-buffer.freeze" (func $freeze (param i32) (result i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]flow-context.trace-id" (func $trace_id (param i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]flow-context.span-id" (func $span_id (param i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[method]flow-context.deadline-ns" (func $deadline (param i32) (result i64)))
  (import "torvyn:streaming/types@0.1.0" "[method]flow-context.flow-id" (func $flow_id (param i32 i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]buffer" (func $drop_buffer (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]mutable-buffer" (func $drop_mutable (param i32)))
  (import "torvyn:streaming/types@0.1.0" "[resource-drop]flow-context" (func $drop_context (param i32)))
  (import "torvyn:streaming/buffer-allocator@0.1.0" "allocate" (func $allocate (param i64 i32)))
  (import "torvyn:streaming/buffer-allocator@0.1.0" "clone-into-mutable" (func $clone (param i32 i32)))
  (import "torvyn:capabilities/capability-query@0.1.0" "has-capability" (func $has (param i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 512) "text/plain\00\00application/octet-stream; charset=\c3\a9\e2\82\ac\f0\9f\a6\80\00bad\ff\fe\c3")
  (data (i32.const 640)
    "\ff\ff\ff\ff\00\00\00\00" "\00\00\00\80\00\00\00\00" "\ff\ff\ff\7f\00\00\00\00" "\f0\ff\ff\ff\00\00\00\00"
    "\f8\ff\ff\ff\00\00\00\00" "\00\00\01\00\00\00\00\00" "\ff\ff\00\00\00\00\00\00" "\f8\ff\00\00\00\00\00\00"
    "\f0\ff\00\00\00\00\00\00" "\d0\ff\00\00\00\00\00\00" "\d4\ff\00\00\00\00\00\00" "\00\00\02\00\00\00\00\00"
    "\00\10\00\00\00\00\00\00" "\01\10\00\00\00\00\00\00" "\01\00\01\00\00\00\00\00" "\00\00\10\00\00\00\00\00"
    "\01\00\10\00\00\00\00\00" "\00\00\00\01\00\00\00\00" "\01\00\00\01\00\00\00\00" "\00\00\00\00\00\00\00\80"
    "\ff\ff\ff\ff\ff\ff\ff\ff" "\f8\ff\ff\ff\ff\ff\ff\ff" "\00\02\00\00\00\00\00\00" "\00\04\00\00\00\00\00\00"
    "\80\00\00\00\00\00\00\00" "\c0\00\00\00\00\00\00\00" "\00\00\00\08\00\00\00\00" "\00\00\00\20\00\00\00\00"
    "\0c\02\00\00\00\00\00\00" "\3a\02\00\00\00\00\00\00" "\00\00\00\00\01\00\00\00" "\0a\00\00\00\00\00\00\00")

  ;; ---- the program ---------------------------------------------------------
  (global $pc (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $stop (mut i32) (i32.const 0))
  ;; Where the running function's result has its payload: 8 where that may be
  ;; an output, else 4; and the case of that variant which is the output.
  (global $offset (mut i32) (i32.const 4))
  (global $some (mut i32) (i32.const 0))
  (global $flushing (mut i32) (i32.const 0))

  (func $byte (result i32)
    (local $at i32)
    (local.set $at (global.get $pc))
    (if (i32.ge_u (local.get $at) (global.get $end)) (then (return (i32.const 0))))
    (global.set $pc (i32.add (local.get $at) (i32.const 1)))
    (i32.load8_u (local.get $at)))

  (func $two (result i32) (i32.or (call $byte) (i32.shl (call $byte) (i32.const 8))))

  (func $value (result i64)
    (local $b i32)
    (local.set $b (call $byte))
    (if (i32.lt_u (local.get $b) (i32.const 0x40)) (then (return (i64.extend_i32_u (local.get $b)))))
    (if (i32.lt_u (local.get $b) (i32.const 0x80))
      (then (return (i64.load (i32.shl (i32.and (local.get $b) (i32.const 7)) (i32.const 3))))))
    (if (i32.lt_u (local.get $b) (i32.const 0xc0))
      (then (return (i64.load offset=640 (i32.shl (i32.and (local.get $b) (i32.const 31)) (i32.const 3))))))
    (if (i32.lt_u (local.get $b) (i32.const 0xe0)) (then (return (i64.extend_i32_u (call $two)))))
    (i64.extend_i32_u (i32.or (call $two) (i32.shl (call $two) (i32.const 16)))))

  (func $word (result i32) (i32.wrap_i64 (call $value)))

  ;; An operand that names the register for an answer, and the answer.
  (func $keep (param $value i64)
    (i64.store (i32.shl (i32.and (call $byte) (i32.const 7)) (i32.const 3)) (local.get $value)))

  ;; ---- handles -------------------------------------------------------------
  ;; The slots' numbers, and how many handles there had been when each was dropped.
  (global $h0 (mut i32) (i32.const 0)) (global $h1 (mut i32) (i32.const 0))
  (global $h2 (mut i32) (i32.const 0)) (global $h3 (mut i32) (i32.const 0))
  (global $h4 (mut i32) (i32.const 0)) (global $h5 (mut i32) (i32.const 0))
  (global $h6 (mut i32) (i32.const 0)) (global $h7 (mut i32) (i32.const 0))
  (global $d0 (mut i32) (i32.const 0)) (global $d1 (mut i32) (i32.const 0))
  (global $d2 (mut i32) (i32.const 0)) (global $d3 (mut i32) (i32.const 0))
  (global $d4 (mut i32) (i32.const 0)) (global $d5 (mut i32) (i32.const 0))
  (global $d6 (mut i32) (i32.const 0)) (global $d7 (mut i32) (i32.const 0))
  (global $created (mut i32) (i32.const 1))

  (func $number (param $slot i32) (result i32)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (local.get $slot)))
      (return (global.get $h0))) (return (global.get $h1))) (return (global.get $h2))) (return (global.get $h3)))
      (return (global.get $h4))) (return (global.get $h5))) (return (global.get $h6)))
    (global.get $h7))

  ;; -1 while it is alive.
  (func $died (param $slot i32) (result i32)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (local.get $slot)))
      (return (global.get $d0))) (return (global.get $d1))) (return (global.get $d2))) (return (global.get $d3)))
      (return (global.get $d4))) (return (global.get $d5))) (return (global.get $d6)))
    (global.get $d7))

  (func $set (param $slot i32) (param $number i32) (param $died i32)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (local.get $slot)))
      (global.set $h0 (local.get $number)) (global.set $d0 (local.get $died)) (return))
      (global.set $h1 (local.get $number)) (global.set $d1 (local.get $died)) (return))
      (global.set $h2 (local.get $number)) (global.set $d2 (local.get $died)) (return))
      (global.set $h3 (local.get $number)) (global.set $d3 (local.get $died)) (return))
      (global.set $h4 (local.get $number)) (global.set $d4 (local.get $died)) (return))
      (global.set $h5 (local.get $number)) (global.set $d5 (local.get $died)) (return))
      (global.set $h6 (local.get $number)) (global.set $d6 (local.get $died)) (return))
    (global.set $h7 (local.get $number)) (global.set $d7 (local.get $died)))

  ;; The handle of a slot, or 0 where that may name another by now.
  (func $handle (param $slot i32) (result i32)
    (local $died i32)
    (local.set $died (call $died (local.get $slot)))
    (if (i32.or (i32.eq (local.get $died) (i32.const -1)) (i32.eq (local.get $died) (global.get $created)))
      (then (return (call $number (local.get $slot)))))
    (i32.const 0))

  ;; A handle from the program, and its slot in `$last`; -1 for none.
  (global $last (mut i32) (i32.const -1))
  (func $operand (result i32)
    (local $b i32)
    (local.set $b (i32.and (call $byte) (i32.const 15)))
    (global.set $last (i32.const -1))
    (if (i32.eq (local.get $b) (i32.const 12)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $b) (i32.const 12)) ;; 0xffffffff, 0xffffff, 0xffff
      (then (return (i32.shr_u (i32.const -1) (i32.shl (i32.sub (local.get $b) (i32.const 13)) (i32.const 3))))))
    (global.set $last (i32.and (local.get $b) (i32.const 7)))
    (if (i32.ge_u (local.get $b) (i32.const 8)) (then (global.set $last (i32.and (local.get $b) (i32.const 3)))))
    (call $handle (global.get $last)))

  (func $dead
    (if (i32.ge_s (global.get $last) (i32.const 0))
      (then (call $set (global.get $last) (call $number (global.get $last)) (global.get $created)))))

  ;; One of the program's own slots.
  (func $target (result i32) (i32.add (i32.rem_u (call $byte) (i32.const 6)) (i32.const 2)))

  (func $born (param $slot i32) (param $number i32)
    (global.set $created (i32.add (global.get $created) (i32.const 1)))
    (call $set (local.get $slot) (local.get $number) (i32.const -1)))

  ;; Takes the handle out of an answer of the allocator's at `$at`.
  (func $take (param $slot i32) (param $at i32)
    (if (i32.eqz (i32.load8_u (local.get $at)))
      (then
        (call $born (local.get $slot) (i32.load offset=4 (local.get $at)))
        (i32.store offset=4 (local.get $at) (i32.const 0)))))

  ;; ---- realloc and post-return ---------------------------------------------
  (global $heap (mut i32) (i32.const 4096))
  ;; What the `$after`th next call of realloc does, and post-return.
  (global $realloc_mode (mut i32) (i32.const 0))
  (global $realloc_value (mut i32) (i32.const 0))
  (global $after (mut i32) (i32.const 0))
  (global $post_mode (mut i32) (i32.const 0))
  (global $post_value (mut i32) (i32.const 0))

  ;; Calls one of the imports.
  (func $leave (param $which i32)
    (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 (i32.rem_u (local.get $which) (i32.const 10))))
      (drop (call $size (global.get $h0))) (return))
      (call $allocate (i64.const 16) (i32.const 64)) (return))
      (call $drop_buffer (global.get $h0)) (return))
      (drop (call $has (i32.const 512) (i32.const 4))) (return))
      (drop (call $deadline (global.get $h1))) (return))
      (call $drop_mutable (global.get $h2)) (return))
      (call $read_all (global.get $h0) (i32.const 64)) (return))
      (call $flow_id (global.get $h1) (i32.const 64)) (return))
      (drop (call $freeze (global.get $h2))) (return))
    (call $drop_context (global.get $h1)))

  (func $bytes (result i32) (i32.shl (memory.size) (i32.const 16)))

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $mode i32)
    (if (global.get $realloc_mode)
      (then
        (if (global.get $after)
          (then (global.set $after (i32.sub (global.get $after) (i32.const 1))))
          (else (local.set $mode (global.get $realloc_mode)) (global.set $realloc_mode (i32.const 0))))))
    (if (i32.eq (local.get $mode) (i32.const 1)) (then (return (global.get $realloc_value))))
    (if (i32.eq (local.get $mode) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (local.get $mode) (i32.const 3)) (then (call $leave (global.get $realloc_value))))
    (if (i32.eq (local.get $mode) (i32.const 4))
      (then (drop (memory.grow (i32.and (global.get $realloc_value) (i32.const 3))))))
    (if (i32.eq (local.get $mode) (i32.const 5)) (then (return (i32.sub (call $bytes) (local.get $size)))))
    (if (i32.eq (local.get $mode) (i32.const 6))
      (then (return (i32.add (i32.sub (call $bytes) (local.get $size)) (i32.const 1)))))
    ;; A ring, for what is small.
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 0xc000))
      (then (global.set $heap (i32.const 4096))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $room
      (loop $grow
        (br_if $room (i32.le_u (global.get $heap) (call $bytes)))
        (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
        (unreachable)))
    (local.get $at))

  (func $post
    (local $mode i32)
    (local.set $mode (global.get $post_mode))
    (global.set $post_mode (i32.const 0))
    (if (i32.eq (local.get $mode) (i32.const 1)) (then (unreachable)))
    (if (i32.eq (local.get $mode) (i32.const 2)) (then (call $leave (global.get $post_value))))
    (if (i32.eq (local.get $mode) (i32.const 3))
      (then (drop (memory.grow (i32.and (global.get $post_value) (i32.const 3))))))
    (if (i32.eq (local.get $mode) (i32.const 4))
      (then (drop (i32.div_u (i32.const 1) (i32.const 0))))))

  ;; ---- results -------------------------------------------------------------
  ;; Where the result lies: at 128, unless the program says otherwise.
  (global $result (mut i32) (i32.const 128))
  (global $outputs (mut i32) (i32.const 0))
  (global $ports (mut i32) (i32.const 0))

  (func $inside (param $at i32) (param $size i64) (result i32)
    (i64.le_u (i64.add (i64.extend_i32_u (local.get $at)) (local.get $size)) (i64.extend_i32_u (call $bytes))))

  ;; Whether a range overlaps the results, in which there are handles' numbers.
  (func $shows (param $at i32) (param $len i32) (result i32)
    (i32.and
      (call $inside (local.get $at) (i64.extend_i32_u (local.get $len)))
      (i32.and (i32.lt_u (local.get $at) (i32.const 448))
               (i32.gt_u (i32.add (local.get $at) (local.get $len)) (i32.const 128)))))

  ;; Writes `output-element` at `$at` but for its handle.
  (func $output (param $at i32) (param $slot i32)
    (i64.store (local.get $at) (call $value))
    (i64.store offset=8 (local.get $at) (call $value))
    (i32.store offset=16 (local.get $at) (call $word))
    (i32.store offset=20 (local.get $at) (call $word))
    ;; Until the end of the call; 8 for no slot.
    (i32.store offset=24 (local.get $at) (local.get $slot)))

  ;; The handle's number in place of the slot's, in an output of ours; a number
  ;; in one that the program made up is none of a handle.
  (func $seal (param $at i32) (param $ours i32)
    (local $slot i32)
    (local.set $slot (i32.load offset=24 (local.get $at)))
    (if (local.get $ours)
      (then
        (if (call $shows (i32.load offset=16 (local.get $at)) (i32.load offset=20 (local.get $at)))
          (then (i32.store offset=20 (local.get $at) (i32.const 0))))
        (if (i32.ge_u (local.get $slot) (i32.const 8))
          (then (i32.store offset=24 (local.get $at) (i32.const -1)))
          (else
            (i32.store offset=24 (local.get $at) (call $handle (local.get $slot)))
            (call $set (local.get $slot) (call $number (local.get $slot)) (global.get $created)))))
      (else
        (if (i32.lt_u (local.get $slot) (i32.const 0x10000))
          (then (i32.store offset=24 (local.get $at) (i32.const 0)))))))

  (func $seal_list
    (local $at i32) (local $count i32) (local $i i32) (local $size i64)
    (if (i32.eqz (call $inside (global.get $result) (i64.const 16))) (then (return)))
    (local.set $at (i32.load offset=4 (global.get $result)))
    (local.set $count (i32.load offset=8 (global.get $result)))
    (local.set $size (i64.shl (i64.extend_i32_u (local.get $count)) (i64.const 5)))
    (if (i32.eqz (call $inside (local.get $at) (local.get $size))) (then (return)))
    ;; A list over the result itself, or over ours, is not worth its trouble.
    (if (i32.or
          (i32.and
            (i64.lt_u (i64.extend_i32_u (local.get $at)) (i64.add (i64.extend_i32_u (global.get $result)) (i64.const 16)))
            (i64.gt_u (i64.add (i64.extend_i32_u (local.get $at)) (local.get $size)) (i64.extend_i32_u (global.get $result))))
          (i32.and (call $shows (local.get $at) (i32.wrap_i64 (local.get $size)))
                   (i32.or (i32.ne (local.get $at) (i32.const 192)) (i32.ne (local.get $count) (global.get $outputs)))))
      (then (i32.store offset=8 (global.get $result) (i32.const 0)) (return)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (call $seal (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 5)))
                    (i32.eq (local.get $at) (i32.const 192)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))

  (func $begin (param $offset i32) (param $some i32)
    (memory.fill (i32.const 128) (i32.const 0) (i32.const 320))
    (global.set $result (i32.const 128))
    (global.set $outputs (i32.const 0))
    (global.set $ports (i32.const 0))
    (global.set $stop (i32.const 0))
    (global.set $keep_payload (i32.const 0))
    (global.set $keep_context (i32.const 0))
    (global.set $flushing (i32.const 0))
    (global.set $offset (local.get $offset))
    (global.set $some (local.get $some))
    ;; `drop` or `none` to begin with.
    (if (i32.eq (local.get $offset) (i32.const 8))
      (then (i32.store8 offset=8 (i32.const 128) (i32.xor (local.get $some) (i32.const 1))))))

  (func $run
    (local $steps i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (global.get $pc) (global.get $end)))
        (br_if $done (i32.ge_u (local.get $steps) (i32.const 256)))
        (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
        (call_indirect $ops (type $op) (i32.rem_u (call $byte) (table.size $ops)))
        (br_if $next (i32.eqz (global.get $stop))))))

  (func $finish (result i32)
    (if (i32.eq (global.get $offset) (i32.const 8))
      (then
        (if (call $inside (global.get $result) (i64.const 48))
          (then
            (if (i32.eqz (i32.load8_u (global.get $result)))
              (then (call $seal (i32.add (global.get $result) (i32.const 16)) (global.get $outputs))))))))
    (if (global.get $flushing) (then (call $seal_list)))
    (global.get $result))

  ;; ---- operations ----------------------------------------------------------
  (global $keep_payload (mut i32) (i32.const 0))
  (global $keep_context (mut i32) (i32.const 0))

  (func $op_end (global.set $stop (i32.const 1)))
  (func $op_size (call $keep (call $size (call $operand))))
  (func $op_type (call $type (call $operand) (call $word)))
  (func $op_read (call $read (call $operand) (call $value) (call $value) (call $word)))
  (func $op_read_all (call $read_all (call $operand) (call $word)))
  (func $op_write (call $write (call $operand) (call $value) (call $word) (call $word) (call $word)))
  (func $op_append (call $append (call $operand) (call $word) (call $word) (call $word)))
  (func $op_mutable_size (call $keep (call $mutable_size (call $operand))))
  (func $op_capacity (call $keep (call $capacity (call $operand))))
  (func $op_set_type (call $set_type (call $operand) (call $word) (call $word)))
  (func $op_freeze (local $h i32)
    (local.set $h (call $freeze (call $operand)))
    (call $born (call $target) (local.get $h)))
  (func $op_trace_id (call $trace_id (call $operand) (call $word)))
  (func $op_span_id (call $span_id (call $operand) (call $word)))
  (func $op_deadline (call $keep (call $deadline (call $operand))))
  (func $op_flow_id (call $flow_id (call $operand) (call $word)))
  (func $op_drop_buffer (call $drop_buffer (call $operand)) (call $dead))
  (func $op_drop_mutable (call $drop_mutable (call $operand)) (call $dead))
  (func $op_drop_context (call $drop_context (call $operand)) (call $dead))
  (func $op_allocate (local $slot i32) (local $at i32)
    (local.set $slot (call $target))
    (local.set $at (i32.const 64))
    (call $allocate (call $value) (local.get $at))
    (call $take (local.get $slot) (local.get $at)))
  ;; The answer anywhere.
  (func $op_allocate_at (local $slot i32) (local $at i32)
    (local.set $slot (call $target))
    (local.set $at (call $word))
    (call $allocate (call $value) (local.get $at))
    (call $take (local.get $slot) (local.get $at)))
  (func $op_clone (local $slot i32) (local $at i32)
    (local.set $slot (call $target))
    (local.set $at (call $word))
    (call $clone (call $operand) (local.get $at))
    (call $take (local.get $slot) (local.get $at)))
  (func $op_has (call $keep (i64.extend_i32_u (call $has (call $word) (call $word)))))
  ;; A frozen buffer with some bytes, as a guest that knows its business makes one.
  (func $op_make (local $slot i32) (local $m i32) (local $at i32) (local $len i32)
    (local.set $slot (call $target))
    (local.set $at (call $word))
    (local.set $len (call $word))
    (call $allocate (i64.extend_i32_u (local.get $len)) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then (return)))
    (local.set $m (i32.load (i32.const 68)))
    (i32.store (i32.const 68) (i32.const 0))
    (call $append (local.get $m) (local.get $at) (local.get $len) (i32.const 64))
    (call $born (local.get $slot) (call $freeze (local.get $m)))
    (call $drop_mutable (local.get $m)))

  (func $op_set (i64.store (i32.shl (i32.and (call $byte) (i32.const 7)) (i32.const 3)) (call $value)))
  (func $op_add (local $r i32)
    (local.set $r (i32.shl (i32.and (call $byte) (i32.const 7)) (i32.const 3)))
    (i64.store (local.get $r) (i64.add (i64.load (local.get $r)) (call $value))))
  (func $op_store (i64.store align=1 (call $word) (call $value)))
  (func $op_store_word (i32.store align=1 (call $word) (call $word)))
  (func $op_store_byte (i32.store8 (call $word) (call $word)))
  (func $op_load (call $keep (i64.load align=1 (call $word))))
  (func $op_grow (call $keep (i64.extend_i32_u (memory.grow (i32.and (call $byte) (i32.const 31))))))
  (func $op_trap (unreachable))
  (func $op_deep (call $op_deep) (call $keep (i64.const 0)))
  (func $op_realloc
    (global.set $realloc_mode (i32.rem_u (call $byte) (i32.const 7)))
    (global.set $realloc_value (call $word))
    (global.set $after (i32.and (call $byte) (i32.const 3))))
  (func $op_post
    (global.set $post_mode (i32.rem_u (call $byte) (i32.const 5)))
    (global.set $post_value (call $word)))

  ;; An output of a slot's buffer.
  (func $op_emit
    (local $slot i32)
    (drop (call $operand))
    (local.set $slot (select (i32.const 8) (global.get $last) (i32.lt_s (global.get $last) (i32.const 0))))
    (if (global.get $flushing)
      (then
        (if (i32.ge_u (global.get $outputs) (i32.const 8)) (then (return)))
        (call $output (i32.add (i32.const 192) (i32.shl (global.get $outputs) (i32.const 5))) (local.get $slot))
        (global.set $outputs (i32.add (global.get $outputs) (i32.const 1)))
        (i32.store (i32.const 132) (i32.const 192))
        (i32.store (i32.const 136) (global.get $outputs))
        (return)))
    (if (i32.eq (global.get $offset) (i32.const 8))
      (then
        (call $output (i32.const 144) (local.get $slot))
        (global.set $outputs (i32.const 1))
        (global.set $result (i32.const 128))
        (i32.store8 (i32.const 128) (i32.const 0))
        (i32.store8 (i32.const 136) (global.get $some)))))
  (func $op_error
    (local $at i32)
    (local.set $at (i32.add (i32.const 128) (global.get $offset)))
    (global.set $outputs (i32.const 0))
    (i32.store8 (i32.const 128) (i32.const 1))
    (i32.store8 (local.get $at) (i32.rem_u (call $byte) (i32.const 6)))
    (i32.store offset=4 (local.get $at) (call $word))
    (i32.store offset=8 (local.get $at) (call $word)))
  ;; The signal or the verdict.
  (func $op_answer (i32.store8 (i32.const 132) (call $byte)))
  (func $op_port
    (local $at i32)
    (if (i32.ge_u (global.get $ports) (i32.const 8)) (then (return)))
    (local.set $at (i32.add (i32.const 448) (i32.shl (global.get $ports) (i32.const 3))))
    (global.set $ports (i32.add (global.get $ports) (i32.const 1)))
    (i32.store (local.get $at) (call $word))
    (i32.store offset=4 (local.get $at) (call $word))
    (i32.store (i32.const 132) (i32.const 448))
    (i32.store (i32.const 136) (global.get $ports)))
  ;; A list anywhere, a discriminant that is any byte, a result anywhere.
  (func $op_list (i32.store (i32.const 132) (call $word)) (i32.store (i32.const 136) (call $word)))
  (func $op_tag (i32.store8 (i32.add (i32.const 128) (i32.and (call $byte) (i32.const 12))) (call $byte)))
  (func $op_result (global.set $result (call $word)) (global.set $outputs (i32.const 0)))
  ;; What was lent stays undropped at the end of the call.
  (func $op_hold
    (local $b i32)
    (local.set $b (call $byte))
    (global.set $keep_payload (i32.and (local.get $b) (i32.const 1)))
    (global.set $keep_context (i32.and (local.get $b) (i32.const 2))))

  (table $ops funcref (elem
    $op_end $op_size $op_type $op_read $op_read_all $op_write $op_append $op_mutable_size $op_capacity $op_set_type
    $op_freeze $op_trace_id $op_span_id $op_deadline $op_flow_id $op_drop_buffer $op_drop_mutable $op_drop_context
    $op_allocate $op_allocate_at $op_clone $op_has $op_make $op_set $op_add $op_store $op_store_word $op_store_byte
    $op_load $op_grow $op_trap $op_deep $op_realloc $op_post $op_emit $op_error $op_answer $op_port
    $op_list $op_tag $op_result $op_hold $op_make $op_emit))

  ;; ---- exports -------------------------------------------------------------
  (func $element (param $payload i32) (param $context i32)
    (call $born (i32.const 0) (local.get $payload))
    (call $born (i32.const 1) (local.get $context))
    (call $read_all (local.get $payload) (i32.const 64))
    (global.set $pc (i32.load (i32.const 64)))
    (global.set $end (i32.add (global.get $pc) (i32.load (i32.const 68))))
    (call $run)
    (if (i32.and (i32.eq (global.get $d0) (i32.const -1)) (i32.eqz (global.get $keep_payload)))
      (then (call $drop_buffer (global.get $h0)) (global.set $d0 (global.get $created))))
    (if (i32.and (i32.eq (global.get $d1) (i32.const -1)) (i32.eqz (global.get $keep_context)))
      (then (call $drop_context (global.get $h1)) (global.set $d1 (global.get $created)))))

  (func (export "torvyn:streaming/lifecycle@0.1.0#init") (param $at i32) (param $len i32) (result i32)
    (call $begin (i32.const 4) (i32.const 0))
    (global.set $pc (local.get $at))
    (global.set $end (i32.add (local.get $at) (local.get $len)))
    (call $run)
    (call $finish))
  (func (export "torvyn:streaming/lifecycle@0.1.0#teardown")
    (call $begin (i32.const 4) (i32.const 0)) (call $run))
  (func (export "torvyn:streaming/source@0.1.0#pull") (result i32)
    (call $begin (i32.const 8) (i32.const 1)) (call $run) (call $finish))
  (func (export "torvyn:streaming/source@0.1.0#notify-backpressure") (param $signal i32)
    (call $begin (i32.const 4) (i32.const 0))
    (i64.store (i32.const 0) (i64.extend_i32_u (local.get $signal)))
    (call $run))
  (func (export "torvyn:streaming/sink@0.1.0#complete") (result i32)
    (call $begin (i32.const 4) (i32.const 0)) (call $run) (call $finish))
  (func (export "torvyn:aggregation/aggregator@0.1.0#flush") (result i32)
    (call $begin (i32.const 4) (i32.const 0))
    (global.set $flushing (i32.const 1))
    (call $run) (call $finish))

  ;; The meta goes to registers 0 to 3.
  (func $meta (param $sequence i64) (param $timestamp i64) (param $type i32) (param $type_len i32)
    (i64.store (i32.const 0) (local.get $sequence))
    (i64.store (i32.const 8) (local.get $timestamp))
    (i64.store (i32.const 16) (i64.extend_i32_u (local.get $type)))
    (i64.store (i32.const 24) (i64.extend_i32_u (local.get $type_len))))
  (func (export "torvyn:streaming/processor@0.1.0#process") (param i64 i64 i32 i32 i32 i32) (result i32)
    (call $begin (i32.const 8) (i32.const 0))
    (call $meta (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (call $element (local.get 4) (local.get 5)) (call $finish))
  (func (export "torvyn:streaming/sink@0.1.0#push") (param i64 i64 i32 i32 i32 i32) (result i32)
    (call $begin (i32.const 4) (i32.const 0))
    (call $meta (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (call $element (local.get 4) (local.get 5)) (call $finish))
  (func (export "torvyn:filtering/filter@0.1.0#evaluate") (param i64 i64 i32 i32 i32 i32) (result i32)
    (call $begin (i32.const 4) (i32.const 0))
    (call $meta (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (call $element (local.get 4) (local.get 5)) (call $finish))
  (func (export "torvyn:filtering/router@0.1.0#route") (param i64 i64 i32 i32 i32 i32) (result i32)
    (call $begin (i32.const 4) (i32.const 0))
    (call $meta (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (call $element (local.get 4) (local.get 5)) (call $finish))
  (func (export "torvyn:aggregation/aggregator@0.1.0#ingest") (param i64 i64 i32 i32 i32 i32) (result i32)
    (call $begin (i32.const 8) (i32.const 1))
    (call $meta (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (call $element (local.get 4) (local.get 5)) (call $finish))

  (func (export "cabi_post_torvyn:streaming/lifecycle@0.1.0#init") (param i32) (call $post))
  (func (export "cabi_post_torvyn:streaming/source@0.1.0#pull") (param i32) (call $post))
  (func (export "cabi_post_torvyn:streaming/source@0.1.0#notify-backpressure") (call $post))
  (func (export "cabi_post_torvyn:streaming/processor@0.1.0#process") (param i32) (call $post))
  (func (export "cabi_post_torvyn:streaming/sink@0.1.0#push") (param i32) (call $post))
  (func (export "cabi_post_torvyn:filtering/filter@0.1.0#evaluate") (param i32) (call $post))
  (func (export "cabi_post_torvyn:filtering/router@0.1.0#route") (param i32) (call $post))
  (func (export "cabi_post_torvyn:aggregation/aggregator@0.1.0#ingest") (param i32) (call $post))
  (func (export "cabi_post_torvyn:aggregation/aggregator@0.1.0#flush") (param i32) (call $post)))
