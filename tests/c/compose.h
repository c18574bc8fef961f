/* Components in text that are composed of others: processors that wrap processors. */
#ifndef COMPOSE_H
#define COMPOSE_H

#include "contract.h"

#define TYPES_NAME "torvyn:streaming/types@0.1.0"
#define ALLOCATOR_NAME "torvyn:streaming/buffer-allocator@0.1.0"
#define PROCESSOR_NAME "torvyn:streaming/processor@0.1.0"
#define CLOCK_NAME "wasi:clocks/monotonic-clock@0.2.0"

/* The interface of a processor, in a component that has those. */
#define PROCESSOR_TYPE "(instance $inner (export \"process\" (func (param \"input\" $element) (result (result $result (error $error))))))"

/* What a processor does before it adds its letter to the payload. */
enum {
  PLAIN,
  WRAPS = 1,   /* asks another one first, with what it was lent, and adds to what that emits */
  LOOPS = 2,   /* never comes back */
  FAILS = 4,   /* `invalid-input`, with the content type as its text */
  GROWS = 8,   /* takes 64 MiB whenever somebody wants to pass something to it */
  UTF16 = 16,  /* its strings are */
  LATIN1 = 32, /* `latin1+utf16` */
  CLOCK = 64,  /* adds a letter more: what WASI's clock says, from 'a' */
};

/* Defines `$name`, a processor. */
static inline void add_stage(text_t *text, const char *name, char letter, unsigned how) {
  const char *encoding = how & UTF16 ? "string-encoding=utf16" : how & LATIN1 ? "string-encoding=latin1+utf16" : "";
  add(text, "(component $%s\n", name);
  ADD(text, CONTRACT_STREAMING);
  if (how & WRAPS) add(text, "(import \"" PROCESSOR_NAME "\" " PROCESSOR_TYPE ")\n");
  if (how & CLOCK) add(text, "(import \"" CLOCK_NAME "\" (instance $clock (export \"now\" (func (result u64)))))\n");
  add(text,
      "(core module $libc (memory (export \"memory\") 1) (global $at (mut i32) (i32.const 4096))\n"
      "  (func (export \"done\") (param i32) (global.set $at (i32.const 4096)))\n"
      "  (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $p i32)\n"
      "    %s\n"
      "    (local.set $p (i32.and (i32.add (global.get $at) (i32.const 15)) (i32.const -16)))\n"
      "    (global.set $at (i32.add (local.get $p) (local.get 3)))\n"
      "    (if (i32.gt_u (global.get $at) (i32.mul (memory.size) (i32.const 65536))) (then\n"
      "      (if (i32.lt_s (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1)))\n"
      "        (i32.const 0)) (then (unreachable)))))\n"
      "    (memory.copy (local.get $p) (local.get 0) (local.get 1)) (local.get $p)))\n"
      "(core instance $libc (instantiate $libc)) (alias core export $libc \"memory\" (core memory $memory))\n"
      "(alias core export $libc \"realloc\" (core func $realloc))\n"
      LOWER("$types", "[method]buffer.read-all", "$read") LOWER("$types", "[method]mutable-buffer.append", "$append")
      LOWER("$types", "[method]mutable-buffer.freeze", "$freeze") LOWER("$allocator", "allocate", "$allocate")
      "(core func $drop-b (canon resource.drop $buffer)) (core func $drop-m (canon resource.drop $mutable))\n"
      "(core func $drop-f (canon resource.drop $flow))\n",
      how & GROWS ? "(if (i32.lt_s (memory.grow (i32.const 1024)) (i32.const 0)) (then (unreachable)))" : "");
  if (how & WRAPS)
    add(text, "(core func $process (canon lower (func $inner \"process\") (memory $memory) (realloc $realloc) %s))\n",
        encoding);
  if (how & CLOCK) add(text, "(core func $now (canon lower (func $clock \"now\")))\n");
  add(text,
      "(core module $main (import \"libc\" \"memory\" (memory 1))\n"
      "  (import \"host\" \"read\" (func $read (param i32 i32)))\n"
      "  (import \"host\" \"append\" (func $append (param i32 i32 i32 i32)))\n"
      "  (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))\n"
      "  (import \"host\" \"allocate\" (func $allocate (param i64 i32)))\n"
      "  (import \"host\" \"drop-b\" (func $drop-b (param i32)))\n"
      "  (import \"host\" \"drop-m\" (func $drop-m (param i32)))\n"
      "  (import \"host\" \"drop-f\" (func $drop-f (param i32)))\n"
      "  %s %s\n"
      "  (data (i32.const 64) \"%c\")\n"
      "  (func (export \"process\") (param $sequence i64) (param $time i64) (param $type i32) (param $len i32)\n"
      "    (param $payload i32) (param $flow i32) (result i32) (local $buffer i32) (local $from i32)\n"
      "    %s\n",
      how & WRAPS ? "(import \"inner\" \"process\" (func $process (param i64 i64 i32 i32 i32 i32 i32)))" : "",
      how & CLOCK ? "(import \"inner\" \"now\" (func $now (result i64)))" : "", letter,
      how & LOOPS ? "(loop $forever (br $forever))" : "");
  if (how & FAILS)
    add(text,
        "    (call $drop-b (local.get $payload)) (call $drop-f (local.get $flow))\n"
        "    (i32.store (i32.const 256) (i32.const 1)) (i32.store (i32.const 264) (i32.const 0))\n"
        "    (i32.store (i32.const 268) (local.get $type)) (i32.store (i32.const 272) (local.get $len))\n"
        "    (return (i32.const 256))\n");
  if (how & WRAPS)
    add(text,
        "    (call $process (local.get $sequence) (local.get $time) (local.get $type) (local.get $len)\n"
        "      (local.get $payload) (local.get $flow) (i32.const 256))\n"
        "    (call $drop-b (local.get $payload))\n"
        "    (if (i32.or (i32.load8_u (i32.const 256)) (i32.load8_u (i32.const 264)))\n"
        "      (then (call $drop-f (local.get $flow)) (return (i32.const 256))))\n"
        "    (local.set $from (i32.load (i32.const 296)))\n");
  else
    add(text,
        "    (local.set $from (local.get $payload))\n"
        "    (i64.store (i32.const 256) (i64.const 0)) (i64.store (i32.const 264) (i64.const 0))\n"
        "    (i64.store (i32.const 272) (local.get $sequence)) (i64.store (i32.const 280) (local.get $time))\n"
        "    (i32.store (i32.const 288) (local.get $type)) (i32.store (i32.const 292) (local.get $len))\n");
  add(text,
      "    (call $read (local.get $from) (i32.const 128))\n"
      "    (call $allocate (i64.add (i64.extend_i32_u (i32.load (i32.const 132))) (i64.const 2)) (i32.const 144))\n"
      "    (if (i32.load8_u (i32.const 144)) (then (unreachable)))\n"
      "    (local.set $buffer (i32.load (i32.const 148)))\n"
      "    (call $append (local.get $buffer) (i32.load (i32.const 128)) (i32.load (i32.const 132)) (i32.const 160))\n"
      "    (call $append (local.get $buffer) (i32.const 64) (i32.const 1) (i32.const 160))\n"
      "    %s\n"
      "    (i32.store (i32.const 296) (call $freeze (local.get $buffer)))\n"
      "    (call $drop-m (local.get $buffer)) (call $drop-b (local.get $from)) (call $drop-f (local.get $flow))\n"
      "    (i32.const 256)))\n"
      "(core instance $main (instantiate $main (with \"libc\" (instance $libc)) (with \"host\" (instance\n"
      "  (export \"read\" (func $read)) (export \"append\" (func $append)) (export \"freeze\" (func $freeze))\n"
      "  (export \"allocate\" (func $allocate)) (export \"drop-b\" (func $drop-b)) (export \"drop-m\" (func $drop-m))\n"
      "  (export \"drop-f\" (func $drop-f)))) (with \"inner\" (instance %s %s))))\n"
      "(func $lifted (param \"input\" $element) (result (result $result (error $error)))\n"
      "  (canon lift (core func $main \"process\") (memory $memory) (realloc $realloc)\n"
      "    (post-return (core func $libc \"done\")) %s))\n"
      "(instance $exported (export \"process\" (func $lifted)))\n"
      "(export \"" PROCESSOR_NAME "\" (instance $exported)))\n",
      how & CLOCK ? "(i32.store8 (i32.const 65) (i32.add (i32.const 97) (i32.wrap_i64 (call $now))))\n"
                    "    (call $append (local.get $buffer) (i32.const 65) (i32.const 1) (i32.const 160))"
                  : "",
      how & WRAPS ? "(export \"process\" (func $process))" : "", how & CLOCK ? "(export \"now\" (func $now))" : "",
      encoding);
}

/* Instantiates `$component` as `$name`, as the processor around `$inner` where there is one; `more` is
 * what else it is given. */
static inline void add_use(text_t *text, const char *name, const char *component, const char *inner, const char *more) {
  add(text, "(instance $%s (instantiate $%s (with \"" TYPES_NAME "\" (instance $types))\n"
            "  (with \"" ALLOCATOR_NAME "\" (instance $allocator)) %s",
      name, component, more);
  if (inner) add(text, " (with \"" PROCESSOR_NAME "\" (instance $%s \"" PROCESSOR_NAME "\"))", inner);
  add(text, "))\n");
}

/* The export of `$name`'s processor, and the end of the component. */
static inline void add_end(text_t *text, const char *name) {
  add(text, "(alias export $%s \"" PROCESSOR_NAME "\" (instance $exported))\n"
            "(export \"" PROCESSOR_NAME "\" (instance $exported)))\n", name);
}

#endif
