/* A component in text that has the whole contract at hand, for tests of what its functions do. */
#ifndef TORVYN_TEST_CONTRACT_H
#define TORVYN_TEST_CONTRACT_H

/* The contract's imports: `$types`, `$alloc` and `$query`, and their types. */
#define CONTRACT \
  "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n" \
  "    (export \"buffer\" (type $b (sub resource)))\n" \
  "    (export \"mutable-buffer\" (type $m (sub resource)))\n" \
  "    (export \"flow-context\" (type $f (sub resource)))\n" \
  "    (type $be (variant (case \"capacity-exceeded\") (case \"out-of-bounds\")\n" \
  "      (case \"allocation-failed\" string)))\n" \
  "    (export \"buffer-error\" (type $be2 (eq $be)))\n" \
  "    (type $em (record (field \"sequence\" u64) (field \"timestamp-ns\" u64) (field \"content-type\" string)))\n" \
  "    (export \"element-meta\" (type $em2 (eq $em)))\n" \
  "    (type $se (record (field \"meta\" $em2) (field \"payload\" (borrow $b)) (field \"context\" (borrow $f))))\n" \
  "    (export \"stream-element\" (type $se2 (eq $se)))\n" \
  "    (type $oe (record (field \"meta\" $em2) (field \"payload\" (own $b))))\n" \
  "    (export \"output-element\" (type $oe2 (eq $oe)))\n" \
  "    (type $pr (variant (case \"emit\" $oe2) (case \"drop\")))\n" \
  "    (export \"process-result\" (type $pr2 (eq $pr)))\n" \
  "    (type $pe (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n" \
  "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n" \
  "    (export \"process-error\" (type $pe2 (eq $pe)))\n" \
  "    (export \"[method]buffer.size\" (func (param \"self\" (borrow $b)) (result u64)))\n" \
  "    (export \"[method]buffer.content-type\" (func (param \"self\" (borrow $b)) (result string)))\n" \
  "    (export \"[method]buffer.read\" (func (param \"self\" (borrow $b)) (param \"offset\" u64) (param \"len\" u64)\n" \
  "      (result (list u8))))\n" \
  "    (export \"[method]buffer.read-all\" (func (param \"self\" (borrow $b)) (result (list u8))))\n" \
  "    (export \"[method]mutable-buffer.write\" (func (param \"self\" (borrow $m)) (param \"offset\" u64)\n" \
  "      (param \"bytes\" (list u8)) (result (result (error $be2)))))\n" \
  "    (export \"[method]mutable-buffer.append\" (func (param \"self\" (borrow $m)) (param \"bytes\" (list u8))\n" \
  "      (result (result (error $be2)))))\n" \
  "    (export \"[method]mutable-buffer.size\" (func (param \"self\" (borrow $m)) (result u64)))\n" \
  "    (export \"[method]mutable-buffer.set-content-type\" (func (param \"self\" (borrow $m))\n" \
  "      (param \"content-type\" string)))\n" \
  "    (export \"[method]mutable-buffer.freeze\" (func (param \"self\" (borrow $m)) (result (own $b))))\n" \
  "    (export \"[method]flow-context.trace-id\" (func (param \"self\" (borrow $f)) (result string)))\n" \
  "    (export \"[method]flow-context.deadline-ns\" (func (param \"self\" (borrow $f)) (result u64)))))\n" \
  "  (alias export $types \"buffer\" (type $b))\n" \
  "  (alias export $types \"mutable-buffer\" (type $m))\n" \
  "  (alias export $types \"flow-context\" (type $f))\n" \
  "  (alias export $types \"buffer-error\" (type $be))\n" \
  "  (alias export $types \"stream-element\" (type $se))\n" \
  "  (alias export $types \"output-element\" (type $oe))\n" \
  "  (alias export $types \"process-result\" (type $pr))\n" \
  "  (alias export $types \"process-error\" (type $error))\n" \
  "  (import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance $alloc\n" \
  "    (alias outer 1 $m (type $m0)) (export \"mutable-buffer\" (type $m (eq $m0)))\n" \
  "    (alias outer 1 $b (type $b0)) (export \"buffer\" (type $b (eq $b0)))\n" \
  "    (alias outer 1 $be (type $be0)) (export \"buffer-error\" (type $be (eq $be0)))\n" \
  "    (export \"allocate\" (func (param \"capacity-hint\" u64) (result (result (own $m) (error $be)))))\n" \
  "    (export \"clone-into-mutable\" (func (param \"source\" (borrow $b)) (result (result (own $m) (error $be)))))))\n" \
  "  (import \"torvyn:capabilities/capability-query@0.1.0\" (instance $query\n" \
  "    (export \"has-capability\" (func (param \"name\" string) (result bool)))))\n"

/* The memory and realloc that the lowered functions use: `$memory` of so many pages, of which those
 * behind 1 MiB take whatever comes, small things apart: 16 places in a ring from 64 KiB. */
#define LIB(pages) \
  "  (core module $lib (memory (export \"memory\") " pages ") (global $at (mut i32) (i32.const 0))\n" \
  "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)\n" \
  "      (if (i32.gt_u (local.get 3) (i32.const 4096)) (then (return (i32.const 1048576))))\n" \
  "      (global.set $at (i32.and (i32.add (global.get $at) (i32.const 4096)) (i32.const 0xffff)))\n" \
  "      (i32.add (global.get $at) (i32.const 65536))))\n" \
  "  (core instance $lib (instantiate $lib))\n" \
  "  (alias core export $lib \"memory\" (core memory $memory))\n" \
  "  (alias core export $lib \"realloc\" (core func $realloc))\n"

#define OPTIONS "(memory $memory) (realloc $realloc)"

/* The contract's functions, lowered; and the same as what a core module is given. */
#define LOWERED \
  "  (core func $size (canon lower (func $types \"[method]buffer.size\")))\n" \
  "  (core func $type (canon lower (func $types \"[method]buffer.content-type\") " OPTIONS "))\n" \
  "  (core func $read (canon lower (func $types \"[method]buffer.read\") " OPTIONS "))\n" \
  "  (core func $read_all (canon lower (func $types \"[method]buffer.read-all\") " OPTIONS "))\n" \
  "  (core func $write (canon lower (func $types \"[method]mutable-buffer.write\") " OPTIONS "))\n" \
  "  (core func $append (canon lower (func $types \"[method]mutable-buffer.append\") " OPTIONS "))\n" \
  "  (core func $written (canon lower (func $types \"[method]mutable-buffer.size\")))\n" \
  "  (core func $set_type (canon lower (func $types \"[method]mutable-buffer.set-content-type\") " OPTIONS "))\n" \
  "  (core func $freeze (canon lower (func $types \"[method]mutable-buffer.freeze\")))\n" \
  "  (core func $trace_id (canon lower (func $types \"[method]flow-context.trace-id\") " OPTIONS "))\n" \
  "  (core func $deadline (canon lower (func $types \"[method]flow-context.deadline-ns\")))\n" \
  "  (core func $allocate (canon lower (func $alloc \"allocate\") " OPTIONS "))\n" \
  "  (core func $clone (canon lower (func $alloc \"clone-into-mutable\") " OPTIONS "))\n" \
  "  (core func $has (canon lower (func $query \"has-capability\") " OPTIONS "))\n" \
  "  (core func $drop_b (canon resource.drop $b))\n" \
  "  (core func $drop_m (canon resource.drop $m))\n" \
  "  (core func $drop_f (canon resource.drop $f))\n"
#define GIVEN \
  "(export \"size\" (func $size)) (export \"type\" (func $type)) (export \"read\" (func $read))\n" \
  "    (export \"read-all\" (func $read_all)) (export \"write\" (func $write)) (export \"append\" (func $append))\n" \
  "    (export \"written\" (func $written)) (export \"set-type\" (func $set_type)) (export \"freeze\" (func $freeze))\n" \
  "    (export \"trace-id\" (func $trace_id)) (export \"deadline\" (func $deadline))\n" \
  "    (export \"allocate\" (func $allocate)) (export \"clone\" (func $clone)) (export \"has\" (func $has))\n" \
  "    (export \"drop-b\" (func $drop_b)) (export \"drop-m\" (func $drop_m)) (export \"drop-f\" (func $drop_f))\n"

/* The same in the core module, which is given them as "h", and the memory. */
#define IMPORTED(pages) \
  "    (import \"h\" \"size\" (func $size (param i32) (result i64)))\n" \
  "    (import \"h\" \"type\" (func $type (param i32 i32)))\n" \
  "    (import \"h\" \"read\" (func $read (param i32 i64 i64 i32)))\n" \
  "    (import \"h\" \"read-all\" (func $read_all (param i32 i32)))\n" \
  "    (import \"h\" \"write\" (func $write (param i32 i64 i32 i32 i32)))\n" \
  "    (import \"h\" \"append\" (func $append (param i32 i32 i32 i32)))\n" \
  "    (import \"h\" \"written\" (func $written (param i32) (result i64)))\n" \
  "    (import \"h\" \"set-type\" (func $set_type (param i32 i32 i32)))\n" \
  "    (import \"h\" \"freeze\" (func $freeze (param i32) (result i32)))\n" \
  "    (import \"h\" \"trace-id\" (func $trace_id (param i32 i32)))\n" \
  "    (import \"h\" \"deadline\" (func $deadline (param i32) (result i64)))\n" \
  "    (import \"h\" \"allocate\" (func $allocate (param i64 i32)))\n" \
  "    (import \"h\" \"clone\" (func $clone (param i32 i32)))\n" \
  "    (import \"h\" \"has\" (func $has (param i32 i32) (result i32)))\n" \
  "    (import \"h\" \"drop-b\" (func $drop_b (param i32)))\n" \
  "    (import \"h\" \"drop-m\" (func $drop_m (param i32)))\n" \
  "    (import \"h\" \"drop-f\" (func $drop_f (param i32)))\n" \
  "    (import \"lib\" \"memory\" (memory " pages "))\n"

/* Core functions. Results lie at 256: ok(drop), ok(none), ok, or what was stored there before. */
#define ANSWERS "    (data (i32.const 256) \"\\00\\00\\00\\00\\00\\00\\00\\00\\01\")\n"
#define ELEMENT "(param i64 i64 i32 i32 i32 i32) (result i32)"

/* The export of a processor, of a core instance `$i`. */
#define PROCESSOR \
  "  (func $process (param \"element\" $se) (result (result $pr (error $error)))\n" \
  "    (canon lift (core func $i \"process\") " OPTIONS "))\n" \
  "  (instance $processor (export \"process\" (func $process)))\n" \
  "  (export \"torvyn:streaming/processor@0.1.0\" (instance $processor))\n"

#endif /* TORVYN_TEST_CONTRACT_H */
