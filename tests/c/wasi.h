/* Pieces of components in text that use WASI's files and output streams, for tests that
 * have their own: what `core` calls, under short names of a core instance `w`. */
#ifndef TORVYN_TEST_WASI_H
#define TORVYN_TEST_WASI_H

#include "wat.h"

static const char wasi_streams[] =
  "  (import \"wasi:io/error@0.2.0\" (instance $ioerror (export \"error\" (type (sub resource)))))\n"
  "  (alias export $ioerror \"error\" (type $ioe))\n"
  "  (import \"wasi:io/streams@0.2.0\" (instance $streams\n"
  "    (alias outer 1 $ioe (type $outer)) (export \"error\" (type $e (eq $outer)))\n"
  "    (type $se' (variant (case \"last-operation-failed\" (own $e)) (case \"closed\")))\n"
  "    (export \"stream-error\" (type $se (eq $se')))\n"
  "    (export \"input-stream\" (type $in (sub resource)))\n"
  "    (export \"output-stream\" (type $out (sub resource)))\n"
  "    (type $done (result (error $se)))\n"
  "    (export \"[method]output-stream.check-write\" (func (param \"self\" (borrow $out)) (result (result u64 (error $se)))))\n"
  "    (export \"[method]output-stream.write\"\n"
  "      (func (param \"self\" (borrow $out)) (param \"contents\" (list u8)) (result $done)))\n"
  "    (export \"[method]output-stream.blocking-write-and-flush\"\n"
  "      (func (param \"self\" (borrow $out)) (param \"contents\" (list u8)) (result $done)))\n"
  "    (export \"[method]output-stream.blocking-flush\" (func (param \"self\" (borrow $out)) (result $done)))))\n"
  "  (alias export $streams \"output-stream\" (type $outs))\n"
  "  (alias export $streams \"input-stream\" (type $ins))\n"
  "  (import \"wasi:cli/stdout@0.2.0\" (instance $stdout (alias outer 1 $outs (type $outer))\n"
  "    (export \"output-stream\" (type $out (eq $outer)))\n"
  "    (export \"get-stdout\" (func (result (own $out))))))\n";

static const char wasi_files[] =
  "  (import \"wasi:filesystem/types@0.2.0\" (instance $files\n"
  "    (alias outer 1 $outs (type $oouts)) (export \"output-stream\" (type $out (eq $oouts)))\n"
  "    (alias outer 1 $ins (type $oins)) (export \"input-stream\" (type $in (eq $oins)))\n"
  "    (type $ec' (enum \"access\" \"would-block\" \"already\" \"bad-descriptor\" \"busy\" \"deadlock\" \"quota\"\n"
  "      \"exist\" \"file-too-large\" \"illegal-byte-sequence\" \"in-progress\" \"interrupted\" \"invalid\" \"io\"\n"
  "      \"is-directory\" \"loop\" \"too-many-links\" \"message-size\" \"name-too-long\" \"no-device\" \"no-entry\"\n"
  "      \"no-lock\" \"insufficient-memory\" \"insufficient-space\" \"not-directory\" \"not-empty\"\n"
  "      \"not-recoverable\" \"unsupported\" \"no-tty\" \"no-such-device\" \"overflow\" \"not-permitted\" \"pipe\"\n"
  "      \"read-only\" \"invalid-seek\" \"text-file-busy\" \"cross-device\"))\n"
  "    (export \"error-code\" (type $ec (eq $ec')))\n"
  "    (type $pf' (flags \"symlink-follow\")) (export \"path-flags\" (type $pf (eq $pf')))\n"
  "    (type $of' (flags \"create\" \"directory\" \"exclusive\" \"truncate\"))\n"
  "    (export \"open-flags\" (type $of (eq $of')))\n"
  "    (type $df' (flags \"read\" \"write\" \"file-integrity-sync\" \"data-integrity-sync\" \"requested-write-sync\"\n"
  "      \"mutate-directory\"))\n"
  "    (export \"descriptor-flags\" (type $df (eq $df')))\n"
  "    (export \"descriptor\" (type $d (sub resource)))\n"
  "    (export \"directory-entry-stream\" (type $des (sub resource)))\n";
static const char wasi_files_functions[] =
  "    (export \"[method]descriptor.open-at\" (func (param \"self\" (borrow $d)) (param \"path-flags\" $pf)\n"
  "      (param \"path\" string) (param \"open-flags\" $of) (param \"flags\" $df) (result (result (own $d) (error $ec)))))\n"
  "    (export \"[method]descriptor.set-size\" (func (param \"self\" (borrow $d)) (param \"size\" u64)\n"
  "      (result (result (error $ec)))))\n"
  "    (export \"[method]descriptor.read\" (func (param \"self\" (borrow $d)) (param \"length\" u64)\n"
  "      (param \"offset\" u64) (result (result (tuple (list u8) bool) (error $ec)))))\n"
  "    (export \"[method]descriptor.write\" (func (param \"self\" (borrow $d)) (param \"buffer\" (list u8))\n"
  "      (param \"offset\" u64) (result (result u64 (error $ec)))))\n"
  "    (export \"[method]descriptor.write-via-stream\" (func (param \"self\" (borrow $d)) (param \"offset\" u64)\n"
  "      (result (result (own $out) (error $ec)))))\n"
  "    (export \"[method]descriptor.append-via-stream\" (func (param \"self\" (borrow $d))\n"
  "      (result (result (own $out) (error $ec)))))\n"
  "    (export \"[method]descriptor.read-via-stream\" (func (param \"self\" (borrow $d)) (param \"offset\" u64)\n"
  "      (result (result (own $in) (error $ec)))))\n"
  "    (export \"[method]descriptor.read-directory\" (func (param \"self\" (borrow $d))\n"
  "      (result (result (own $des) (error $ec)))))))\n"
  "  (alias export $files \"descriptor\" (type $desc))\n"
  "  (import \"wasi:filesystem/preopens@0.2.0\" (instance $preopens (alias outer 1 $desc (type $outer))\n"
  "    (export \"descriptor\" (type $d (eq $outer)))\n"
  "    (export \"get-directories\" (func (result (list (tuple (own $d) string)))))))\n";

/* Memory, and a realloc that gives what lies behind what it gave before. */
static const char wasi_memory[] =
  "  (core module $memory-module (memory (export \"memory\") 4) (global $next (mut i32) (i32.const 8192))\n"
  "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)\n"
  "      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))\n"
  "      (global.set $next (i32.add (local.get $at) (local.get 3))) (local.get $at)))\n"
  "  (core instance $l (instantiate $memory-module))\n"
  "  (alias core export $l \"memory\" (core memory $mem))\n"
  "  (alias core export $l \"realloc\" (core func $re))\n";

/* What each is called in the core module, where it is of, and its type there. */
#define WASI_USED(X) \
  X("dirs", "$preopens", "get-directories", "(param i32)") \
  X("open", "$files", "[method]descriptor.open-at", "(param i32 i32 i32 i32 i32 i32 i32)") \
  X("size", "$files", "[method]descriptor.set-size", "(param i32 i64 i32)") \
  X("write", "$files", "[method]descriptor.write", "(param i32 i32 i32 i64 i32)") \
  X("writes", "$files", "[method]descriptor.write-via-stream", "(param i32 i64 i32)") \
  X("appends", "$files", "[method]descriptor.append-via-stream", "(param i32 i32)") \
  X("reads", "$files", "[method]descriptor.read-via-stream", "(param i32 i64 i32)") \
  X("list", "$files", "[method]descriptor.read-directory", "(param i32 i32)") \
  X("stdout", "$stdout", "get-stdout", "(result i32)") \
  X("put", "$streams", "[method]output-stream.write", "(param i32 i32 i32 i32)") \
  X("puts", "$streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)") \
  X("flush", "$streams", "[method]output-stream.blocking-flush", "(param i32 i32)")

#define WASI_CANON(name, instance, function, type) \
  "  (alias export " instance " \"" function "\" (func $" name "'))\n" \
  "  (core func $" name " (canon lower (func $" name "') (memory $mem) (realloc $re)))\n"
#define WASI_GIVEN(name, instance, function, type) "    (export \"" name "\" (func $" name "))\n"
#define WASI_IMPORT(name, instance, function, type) "    (import \"w\" \"" name "\" (func $" name " " type "))\n"

/* The core module's imports, and what it tells the test: an error `internal` with `code=C`, C being
 * the letter that comes so many after `A`. Results lie from 64 on, in 64 bytes. */
static const char wasi_core[] =
  "    (import \"l\" \"memory\" (memory 4)) (import \"l\" \"realloc\" (func $re (param i32 i32 i32 i32) (result i32)))\n"
  WASI_USED(WASI_IMPORT)
  "    (import \"w\" \"drop\" (func $drop (param i32)))\n"
  "    (export \"memory\" (memory 0)) (export \"realloc\" (func $re))\n"
  "    (data (i32.const 40) \"code=?\") (data (i32.const 48) \"file\")\n"
  "    (func $say (param i32) (result i32)\n"
  "      (i32.store8 (i32.const 45) (i32.add (local.get 0) (i32.const 65)))\n"
  "      (i32.store8 (i32.const 16) (i32.const 1)) (i32.store8 (i32.const 20) (i32.const 2))\n"
  "      (i32.store (i32.const 24) (i32.const 40)) (i32.store (i32.const 28) (i32.const 6)) (i32.const 16))\n"
  /* The first directory. */
  "    (func $dir (result i32) (call $dirs (i32.const 64)) (i32.load (i32.load (i32.const 64))))\n"
  /* Opens `file` there, made where it is not: whether it could; the descriptor lies at 68. */
  "    (func $file (param $dir i32) (result i32)\n"
  "      (call $open (local.get $dir) (i32.const 1) (i32.const 48) (i32.const 4) (i32.const 1) (i32.const 3)\n"
  "        (i32.const 64))\n"
  "      (i32.eqz (i32.load8_u (i32.const 64))))\n"
  TEARDOWN;

/* The text of a component whose core module has `core`, with an `init`; valid until the next. */
static inline const char *wasi_component(const char *core) {
  return WAT("(component\n" TYPES, wasi_streams, wasi_files, wasi_files_functions, wasi_memory, WASI_USED(WASI_CANON),
             "  (core func $drop (canon resource.drop $desc))\n"
             "  (core module $m\n", wasi_core, core, "  )\n  (core instance $w\n" WASI_USED(WASI_GIVEN)
             "    (export \"drop\" (func $drop)))\n"
             "  (core instance $i (instantiate $m (with \"l\" (instance $l)) (with \"w\" (instance $w))))\n"
             LIFE ")\n");
}

#endif
