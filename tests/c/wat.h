/* Pieces of components in text that have lifecycle, for tests that have their own. */
#ifndef TORVYN_TEST_WAT_H
#define TORVYN_TEST_WAT_H

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

#endif
