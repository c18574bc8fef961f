/* Components in text that have all of the contract at hand, in pieces for ADD and WAT. */
#ifndef TORVYN_TEST_CONTRACT_H
#define TORVYN_TEST_CONTRACT_H

#include "wat.h"

/* The host side: `$types`, `$allocator` and `$query`, and the types `$buffer`, `$mutable`, `$flow`,
 * `$element`, `$output`, `$result`, `$error` and `$refusal`. */
#define CONTRACT CONTRACT_STREAMING, CONTRACT_QUERY
#define CONTRACT_STREAMING \
  "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n" \
  "    (export \"buffer\" (type $b (sub resource)))\n" \
  "    (export \"mutable-buffer\" (type $m (sub resource)))\n" \
  "    (export \"flow-context\" (type $f (sub resource)))\n" \
  "    (type $be (variant (case \"capacity-exceeded\") (case \"out-of-bounds\") (case \"allocation-failed\" string)))\n" \
  "    (export \"buffer-error\" (type $bad (eq $be)))\n" \
  "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n" \
  "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n" \
  "    (export \"process-error\" (type (eq $e)))\n" \
  "    (type $em (record (field \"sequence\" u64) (field \"timestamp-ns\" u64) (field \"content-type\" string)))\n" \
  "    (export \"element-meta\" (type $meta (eq $em)))\n" \
  "    (type $se (record (field \"meta\" $meta) (field \"payload\" (borrow $b)) (field \"context\" (borrow $f))))\n" \
  "    (export \"stream-element\" (type (eq $se)))\n" \
  "    (type $oe (record (field \"meta\" $meta) (field \"payload\" (own $b))))\n" \
  "    (export \"output-element\" (type $out (eq $oe)))\n" \
  "    (type $pr (variant (case \"emit\" $out) (case \"drop\")))\n" \
  "    (export \"process-result\" (type (eq $pr)))\n" \
  , \
  "    (type $done (result (error $bad)))\n" \
  "    (export \"[method]buffer.size\" (func (param \"self\" (borrow $b)) (result u64)))\n" \
  "    (export \"[method]buffer.content-type\" (func (param \"self\" (borrow $b)) (result string)))\n" \
  "    (export \"[method]buffer.read\" (func (param \"self\" (borrow $b)) (param \"offset\" u64) (param \"len\" u64)\n" \
  "      (result (list u8))))\n" \
  "    (export \"[method]buffer.read-all\" (func (param \"self\" (borrow $b)) (result (list u8))))\n" \
  "    (export \"[method]mutable-buffer.write\" (func (param \"self\" (borrow $m)) (param \"offset\" u64)\n" \
  "      (param \"bytes\" (list u8)) (result $done)))\n" \
  "    (export \"[method]mutable-buffer.append\" (func (param \"self\" (borrow $m)) (param \"bytes\" (list u8))\n" \
  "      (result $done)))\n" \
  "    (export \"[method]mutable-buffer.size\" (func (param \"self\" (borrow $m)) (result u64)))\n" \
  "    (export \"[method]mutable-buffer.capacity\" (func (param \"self\" (borrow $m)) (result u64)))\n" \
  "    (export \"[method]mutable-buffer.set-content-type\" (func (param \"self\" (borrow $m))\n" \
  "      (param \"content-type\" string)))\n" \
  "    (export \"[method]mutable-buffer.freeze\" (func (param \"self\" (borrow $m)) (result (own $b))))\n" \
  "    (export \"[method]flow-context.trace-id\" (func (param \"self\" (borrow $f)) (result string)))\n" \
  "    (export \"[method]flow-context.span-id\" (func (param \"self\" (borrow $f)) (result string)))\n" \
  "    (export \"[method]flow-context.deadline-ns\" (func (param \"self\" (borrow $f)) (result u64)))\n" \
  "    (export \"[method]flow-context.flow-id\" (func (param \"self\" (borrow $f)) (result string)))))\n" \
  , \
  "  (alias export $types \"buffer\" (type $buffer))\n" \
  "  (alias export $types \"mutable-buffer\" (type $mutable))\n" \
  "  (alias export $types \"flow-context\" (type $flow))\n" \
  "  (alias export $types \"buffer-error\" (type $refusal))\n" \
  "  (alias export $types \"process-error\" (type $error))\n" \
  "  (alias export $types \"stream-element\" (type $element))\n" \
  "  (alias export $types \"output-element\" (type $output))\n" \
  "  (alias export $types \"process-result\" (type $result))\n" \
  "  (import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance $allocator\n" \
  "    (alias outer 1 $buffer (type $b)) (export \"buffer\" (type $b2 (eq $b)))\n" \
  "    (alias outer 1 $mutable (type $m)) (export \"mutable-buffer\" (type $m2 (eq $m)))\n" \
  "    (alias outer 1 $refusal (type $e)) (export \"buffer-error\" (type $e2 (eq $e)))\n" \
  "    (export \"allocate\" (func (param \"capacity-hint\" u64) (result (result (own $m2) (error $e2)))))\n" \
  "    (export \"clone-into-mutable\" (func (param \"source\" (borrow $b2))\n" \
  "      (result (result (own $m2) (error $e2)))))))\n"
#define CONTRACT_QUERY \
  "  (import \"torvyn:capabilities/capability-query@0.1.0\" (instance $query\n" \
  "    (export \"has-capability\" (func (param \"capability\" string) (result bool)))))\n"

/* `$memory` of so many pages, and a `$realloc` that does this. */
#define LIBC_WITH(pages, realloc) \
  "  (core module $libc (memory (export \"memory\") " pages ") (global $at (mut i32) (i32.const 0))\n" \
  "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) " realloc "))\n" \
  "  (core instance $libc (instantiate $libc))\n" \
  "  (alias core export $libc \"memory\" (core memory $memory))\n" \
  "  (alias core export $libc \"realloc\" (core func $realloc))\n"
/* One that gives 64 KiB every time. */
#define LIBC(pages) LIBC_WITH(pages, "i32.const 65536")
/* One that gives what is longer than 4 KiB the memory from 1 MiB on, and the rest one of 16 places in a ring
 * from 64 KiB on. */
#define LIBC_OF_MIBS(pages) \
  LIBC_WITH(pages, \
    "(if (i32.gt_u (local.get 3) (i32.const 4096)) (then (return (i32.const 1048576))))\n" \
    "      (global.set $at (i32.and (i32.add (global.get $at) (i32.const 4096)) (i32.const 0xffff)))\n" \
    "      (i32.add (global.get $at) (i32.const 65536))")
#define OPTIONS "(memory $memory) (realloc $realloc)"

/* The host side, lowered: the core instance `$host`. */
#define LOWER(from, name, as) \
  "  (core func " as " (canon lower (func " from " \"" name "\") " OPTIONS "))\n"
#define LOWERED \
  LOWER("$types", "[method]buffer.size", "$size") LOWER("$types", "[method]buffer.content-type", "$type") \
  LOWER("$types", "[method]buffer.read", "$read") LOWER("$types", "[method]buffer.read-all", "$read-all") \
  LOWER("$types", "[method]mutable-buffer.write", "$write") LOWER("$types", "[method]mutable-buffer.append", "$append") \
  , \
  LOWER("$types", "[method]mutable-buffer.size", "$msize") LOWER("$types", "[method]mutable-buffer.capacity", "$mcap") \
  LOWER("$types", "[method]mutable-buffer.set-content-type", "$set") \
  LOWER("$types", "[method]mutable-buffer.freeze", "$freeze") LOWER("$types", "[method]flow-context.trace-id", "$trace") \
  LOWER("$types", "[method]flow-context.span-id", "$span") LOWER("$types", "[method]flow-context.flow-id", "$id") \
  LOWER("$types", "[method]flow-context.deadline-ns", "$deadline") LOWER("$allocator", "allocate", "$allocate") \
  LOWER("$allocator", "clone-into-mutable", "$clone") LOWER("$query", "has-capability", "$has") \
  , \
  "  (core func $drop-buffer (canon resource.drop $buffer))\n" \
  "  (core func $drop-mutable (canon resource.drop $mutable))\n" \
  "  (core func $drop-flow (canon resource.drop $flow))\n" \
  "  (core instance $host\n" \
  "    (export \"size\" (func $size)) (export \"type\" (func $type)) (export \"read\" (func $read))\n" \
  "    (export \"read-all\" (func $read-all)) (export \"write\" (func $write)) (export \"append\" (func $append))\n" \
  "    (export \"msize\" (func $msize)) (export \"mcap\" (func $mcap)) (export \"set\" (func $set))\n" \
  "    (export \"freeze\" (func $freeze)) (export \"trace\" (func $trace)) (export \"span\" (func $span))\n" \
  "    (export \"id\" (func $id)) (export \"deadline\" (func $deadline)) (export \"allocate\" (func $allocate))\n" \
  "    (export \"clone\" (func $clone)) (export \"has\" (func $has)) (export \"drop-buffer\" (func $drop-buffer))\n" \
  "    (export \"drop-mutable\" (func $drop-mutable)) (export \"drop-flow\" (func $drop-flow)))\n"

/* What a core module imports of `$host` and `$libc`, which it is given as "host" and "libc". */
#define IMPORTED \
  "    (import \"host\" \"size\" (func $size (param i32) (result i64)))\n" \
  "    (import \"host\" \"type\" (func $type (param i32 i32)))\n" \
  "    (import \"host\" \"read\" (func $read (param i32 i64 i64 i32)))\n" \
  "    (import \"host\" \"read-all\" (func $read-all (param i32 i32)))\n" \
  "    (import \"host\" \"write\" (func $write (param i32 i64 i32 i32 i32)))\n" \
  "    (import \"host\" \"append\" (func $append (param i32 i32 i32 i32)))\n" \
  "    (import \"host\" \"msize\" (func $msize (param i32) (result i64)))\n" \
  "    (import \"host\" \"mcap\" (func $mcap (param i32) (result i64)))\n" \
  "    (import \"host\" \"set\" (func $set (param i32 i32 i32)))\n" \
  "    (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))\n" \
  "    (import \"host\" \"trace\" (func $trace (param i32 i32)))\n" \
  "    (import \"host\" \"span\" (func $span (param i32 i32)))\n" \
  "    (import \"host\" \"id\" (func $id (param i32 i32)))\n" \
  "    (import \"host\" \"deadline\" (func $deadline (param i32) (result i64)))\n" \
  "    (import \"host\" \"allocate\" (func $allocate (param i64 i32)))\n" \
  "    (import \"host\" \"clone\" (func $clone (param i32 i32)))\n" \
  "    (import \"host\" \"has\" (func $has (param i32 i32) (result i32)))\n" \
  "    (import \"host\" \"drop-buffer\" (func $drop-buffer (param i32)))\n" \
  "    (import \"host\" \"drop-mutable\" (func $drop-mutable (param i32)))\n" \
  "    (import \"host\" \"drop-flow\" (func $drop-flow (param i32)))\n" \
  "    (import \"libc\" \"memory\" (memory 1))\n"
/* `$new` of a core module that has imported that: a buffer of 4 KiB, or 0 where it is refused. */
#define NEW_BUFFER \
  "    (func $new (result i32) (call $allocate (i64.const 1) (i32.const 64))\n" \
  "      (if (result i32) (i32.load8_u (i32.const 64)) (then (i32.const 0)) (else (i32.load (i32.const 68)))))\n"
#define WITH "(with \"host\" (instance $host)) (with \"libc\" (instance $libc))"

/* What lies in its memory for functions that give the address 256: ok(drop), ok(none) or ok. */
#define ANSWERS "    (data (i32.const 256) \"\\00\\00\\00\\00\\00\\00\\00\\00\\01\")\n"
/* What a core module's functions have that take an element. */
#define ELEMENT "(param i64 i64 i32 i32 i32 i32) (result i32)"

/* The exports, of a core instance `$i` with functions of these names. */
#define PROCESSOR PROCESSOR_WITH(OPTIONS)
#define PROCESSOR_WITH(options) \
  "  (func $process (param \"input\" $element) (result (result $result (error $error)))\n" \
  "    (canon lift (core func $i \"process\") " options "))\n" \
  "  (instance $processor (export \"process\" (func $process)))\n" \
  "  (export \"torvyn:streaming/processor@0.1.0\" (instance $processor))\n"
#define AGGREGATOR AGGREGATOR_WITH(OPTIONS)
#define AGGREGATOR_WITH(options) \
  "  (func $ingest (param \"element\" $element) (result (result (option $output) (error $error)))\n" \
  "    (canon lift (core func $i \"ingest\") " options "))\n" \
  "  (func $flush (result (result (list $output) (error $error)))\n" \
  "    (canon lift (core func $i \"flush\") " options "))\n" \
  "  (instance $aggregator (export \"ingest\" (func $ingest)) (export \"flush\" (func $flush)))\n" \
  "  (export \"torvyn:aggregation/aggregator@0.1.0\" (instance $aggregator))\n"
#define ROUTER ROUTER_WITH(OPTIONS)
#define ROUTER_WITH(options) \
  "  (func $route (param \"element\" $element) (result (result (list string) (error $error)))\n" \
  "    (canon lift (core func $i \"route\") " options "))\n" \
  "  (instance $router (export \"route\" (func $route)))\n" \
  "  (export \"torvyn:filtering/router@0.1.0\" (instance $router))\n"

#endif
