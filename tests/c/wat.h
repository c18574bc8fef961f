/* Pieces of components in text that have lifecycle, for tests that have their own. */
#ifndef TORVYN_TEST_WAT_H
#define TORVYN_TEST_WAT_H

#include "check.h"

/* The contract's `process-error`, as `$error`. */
#define TYPES \
  "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n" \
  "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n" \
  "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n" \
  "    (export \"process-error\" (type (eq $e)))))\n" \
  "  (alias export $types \"process-error\" (type $error))\n"

/* What a core module has: all of it, with an init that succeeds; or a part. */
#define CORE "(memory (export \"memory\") 1)\n" REALLOC INIT TEARDOWN
#define REALLOC "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)\n"
#define INIT "    (func (export \"init\") (param i32 i32) (result i32) i32.const 0)\n"
#define TEARDOWN "    (func (export \"teardown\"))\n"

/* The exports, of a core instance `$i` of such a module. */
#define LIFE "  (alias core export $i \"memory\" (core memory $memory))\n" LIFE_WITH("(core func $i \"realloc\")")
/* The same with this realloc and `$memory`. */
#define LIFE_WITH(realloc) \
  "  (func $init (param \"config\" string) (result (result (error $error)))\n" \
  "    (canon lift (core func $i \"init\") (memory $memory) (realloc " realloc ")))\n" \
  "  (func $teardown (canon lift (core func $i \"teardown\")))\n" \
  "  (instance $life (export \"init\" (func $init)) (export \"teardown\" (func $teardown)))\n" \
  "  (export \"torvyn:streaming/lifecycle@0.1.0\" (instance $life))\n"

/* ---- components that use all of the contract --------------------------------- */

/* A text of these pieces, valid until the next. What follows is longer than a C compiler need take in one
 * string: each name is one piece or more. */
#define WAT(...) wat((const char *const[]){__VA_ARGS__, NULL})

static inline const char *wat(const char *const *pieces) {
  static char text[64 << 10];
  size_t len = 0;
  for (; *pieces; pieces++) {
    size_t more = strlen(*pieces);
    CHECK(len + more < sizeof text);
    memcpy(text + len, *pieces, more + 1);
    len += more;
  }
  return text;
}

/* The host side: `$types` and `$allocator`, and the types `$buffer`, `$mutable`, `$flow`, `$element`,
 * `$output` and `$error`. */
#define CONTRACT \
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
  "    (export \"output-element\" (type (eq $oe)))\n" \
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
  "  (import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance $allocator\n" \
  "    (alias outer 1 $buffer (type $b)) (export \"buffer\" (type $b2 (eq $b)))\n" \
  "    (alias outer 1 $mutable (type $m)) (export \"mutable-buffer\" (type $m2 (eq $m)))\n" \
  "    (alias outer 1 $refusal (type $e)) (export \"buffer-error\" (type $e2 (eq $e)))\n" \
  "    (export \"allocate\" (func (param \"capacity-hint\" u64) (result (result (own $m2) (error $e2)))))\n" \
  "    (export \"clone-into-mutable\" (func (param \"source\" (borrow $b2))\n" \
  "      (result (result (own $m2) (error $e2)))))))\n" \
  "  (import \"torvyn:capabilities/capability-query@0.1.0\" (instance $query\n" \
  "    (export \"has-capability\" (func (param \"capability\" string) (result bool)))))\n"

/* A memory of so many pages, and a realloc that gives 64 KiB every time. */
#define LIBC(pages) \
  "  (core module $libc (memory (export \"memory\") " pages ")\n" \
  "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 65536))\n" \
  "  (core instance $libc (instantiate $libc))\n" \
  "  (alias core export $libc \"memory\" (core memory $memory))\n" \
  "  (alias core export $libc \"realloc\" (core func $realloc))\n"

/* The host side, lowered: the core instance `$host`. */
#define LOWER(from, name, as) \
  "  (core func " as " (canon lower (func " from " \"" name "\") (memory $memory) (realloc $realloc)))\n"
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

/* What a core module imports of `$host` and `$libc`, which it is given as "host" and "libc"; and
 * `$new`, a buffer of 4 KiB, or 0 where it is refused. */
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
  "    (import \"libc\" \"memory\" (memory 1))\n" \
  "    (func $new (result i32) (call $allocate (i64.const 1) (i32.const 64))\n" \
  "      (if (result i32) (i32.load8_u (i32.const 64)) (then (i32.const 0)) (else (i32.load (i32.const 68)))))\n"
#define WITH "(with \"host\" (instance $host)) (with \"libc\" (instance $libc))"

/* An aggregator, of a core instance `$i` with `ingest` and `flush`. */
#define AGGREGATOR \
  "  (func $ingest (param \"element\" $element) (result (result (option $output) (error $error)))\n" \
  "    (canon lift (core func $i \"ingest\") (memory $memory) (realloc $realloc)))\n" \
  "  (func $flush (result (result (list $output) (error $error)))\n" \
  "    (canon lift (core func $i \"flush\") (memory $memory) (realloc $realloc)))\n" \
  "  (instance $aggregator (export \"ingest\" (func $ingest)) (export \"flush\" (func $flush)))\n" \
  "  (export \"torvyn:aggregation/aggregator@0.1.0\" (instance $aggregator))\n"

#endif
