/* What a component in text imports of WASI and of the program, beside `contract.h`: the imports, their
 * functions lowered, what a core module is given as "more", and its imports. */
#ifndef TORVYN_TEST_IMPORTS_H
#define TORVYN_TEST_IMPORTS_H

#include "contract.h"
#include "wasi.h"

/* ---- what the calls are given ---------------------------------------------------------- */

static uint8_t *payload;                             /* of 16 MiB */
static char folder[] = "/tmp/torvyn-imports-XXXXXX"; /* for the files */

static void begin_given(void) {
  CHECK(mkdtemp(folder) != NULL);
  payload = malloc(16 << 20);
  CHECK(payload != NULL);
  memset(payload, 'x', 16 << 20);
}

static void end_given(void) {
  char file[64];
  snprintf(file, sizeof file, "%s/file", folder);
  CHECK(unlink(file) == 0 && rmdir(folder) == 0);
  free(payload);
}

static void discard(void *user, uint64_t id, torvyn_bytes_t bytes) { (void)user, (void)id, (void)bytes; }

/* An output and so many variables. */
static torvyn_imports_t *granted_io(const torvyn_engine_t *engine, int variables) {
  torvyn_imports_t *imports = NULL;
  char name[32];
  torvyn_str_t value = {(const char *)payload, 500};
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, discard, NULL, NULL, &err));
  for (int i = 0; i < variables; i++) {
    snprintf(name, sizeof name, "VARIABLE_%d", i);
    OK(torvyn_imports_wasi_env(imports, str(name), value, &err));
  }
  return imports;
}

/* ---- streams, environment, clocks, randomness ---------------------------------------- */

/* For a table of functions: lowered, given to a core module, and imported by that. */
#define LOWERED_AS(name, from, function, type) LOWER(from, function, "$" name)
#define GIVEN_AS(name, from, function, type) "(export \"" name "\" (func $" name "))\n"
#define CORE_AS(name, from, function, type) "(import \"more\" \"" name "\" (func $" name " " type "))\n"

#define IO \
  wasi_streams, \
  "(import \"wasi:cli/environment@0.2.0\" (instance $environment\n" \
  "  (export \"get-environment\" (func (result (list (tuple string string)))))))\n" \
  "(import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $monotonic (export \"now\" (func (result u64)))))\n" \
  "(import \"wasi:clocks/wall-clock@0.2.0\" (instance $wall\n" \
  "  (type $d (record (field \"seconds\" u64) (field \"nanoseconds\" u32))) (export \"datetime\" (type $d2 (eq $d)))\n" \
  "  (export \"now\" (func (result $d2)))))\n" \
  "(import \"wasi:random/random@0.2.0\" (instance $random\n" \
  "  (export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8)))) (export \"get-random-u64\" (func (result u64)))))\n"

/* What each is called, where it is of, and its type for a core module. */
#define IO_FUNCTIONS(X) \
  X("check", "$streams", "[method]output-stream.check-write", "(param i32 i32)") \
  X("out-write", "$streams", "[method]output-stream.write", "(param i32 i32 i32 i32)") \
  X("out-flush", "$streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)") \
  X("stdout", "$stdout", "get-stdout", "(result i32)") \
  X("environment", "$environment", "get-environment", "(param i32)") \
  X("monotonic", "$monotonic", "now", "(result i64)") \
  X("wall", "$wall", "now", "(param i32)") \
  X("random", "$random", "get-random-bytes", "(param i64 i32)") \
  X("random-u64", "$random", "get-random-u64", "(result i64)")

#define IO_LOWERED IO_FUNCTIONS(LOWERED_AS) "  (core func $drop-out (canon resource.drop $outs))\n"
#define IO_GIVEN IO_FUNCTIONS(GIVEN_AS) GIVEN_AS("drop-out", , , )
#define IO_CORE IO_FUNCTIONS(CORE_AS) CORE_AS("drop-out", , , "(param i32)")

/* ---- files ------------------------------------------------------------------------------ */

#define FILES wasi_streams, wasi_files, wasi_files_functions
#define FILES_FUNCTIONS(X) \
  X("directories", "$preopens", "get-directories", "(param i32)") \
  X("open", "$files", "[method]descriptor.open-at", "(param i32 i32 i32 i32 i32 i32 i32)") \
  X("file-read", "$files", "[method]descriptor.read", "(param i32 i64 i64 i32)") \
  X("file-write", "$files", "[method]descriptor.write", "(param i32 i32 i32 i64 i32)")

#define FILES_LOWERED FILES_FUNCTIONS(LOWERED_AS)
#define FILES_GIVEN FILES_FUNCTIONS(GIVEN_AS)
#define FILES_CORE FILES_FUNCTIONS(CORE_AS)

/* Opens `file` in the first folder, as `$h`; it is made where it is not there. */
#define OPENED \
  "(call $directories (i32.const 64)) (global.set $h (i32.load (i32.load (i32.const 64))))\n" \
  "(i32.store (i32.const 512) (i32.const 0x656c6966))\n" \
  "(call $open (global.get $h) (i32.const 0) (i32.const 512) (i32.const 4) (i32.const 1) (i32.const 3) (i32.const 64))\n" \
  "(if (i32.load8_u (i32.const 64)) (then unreachable)) (global.set $h (i32.load (i32.const 68)))\n"

/* ---- the program's functions --------------------------------------------------------------- */

static bool give(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                 torvyn_value_t *result) {
  const torvyn_value_t *given = user;
  (void)scope, (void)args, (void)count;
  if (given) *result = *given;
  return true;
}

#define MANY 50000 /* elements of their lists */

/* What each is called, and its type for the program, for a component and for a core module. */
#define HOST_FUNCTIONS(X) \
  X("plain", "func()", "", "") \
  X("put-bytes", "func(v: list<u8>)", "(param \"v\" (list u8))", "(param i32 i32)") \
  X("put-text", "func(v: string)", "(param \"v\" string)", "(param i32 i32)") \
  X("put-numbers", "func(v: list<u32>)", "(param \"v\" (list u32))", "(param i32 i32)") \
  X("put-texts", "func(v: list<string>)", "(param \"v\" (list string))", "(param i32 i32)") \
  X("get-bytes", "func() -> list<u8>", "(result (list u8))", "(param i32)") \
  X("get-text", "func() -> string", "(result string)", "(param i32)") \
  X("get-numbers", "func() -> list<u32>", "(result (list u32))", "(param i32)") \
  X("get-texts", "func() -> list<string>", "(result (list string))", "(param i32)")

#define HOST_DEFINED(name, own, type, core) {name, own},
#define HOST_TYPE(name, own, type, core) "  (export \"" name "\" (func " type "))\n"
#define HOST_LOWER(name, own, type, core) LOWER("$w", name, "$" name)

#define HOST "(import \"acme:work/host@1.0.0\" (instance $w\n" HOST_FUNCTIONS(HOST_TYPE) "))\n"
#define HOST_LOWERED HOST_FUNCTIONS(HOST_LOWER)
#define HOST_GIVEN HOST_FUNCTIONS(GIVEN_AS)
#define HOST_CORE HOST_FUNCTIONS(CORE_AS)

/* The functions; those that begin with `get` give what `bytes` has, or 50000 numbers or texts. */
static torvyn_imports_t *program_functions(const torvyn_engine_t *engine, torvyn_bytes_t bytes) {
  static const struct {
    const char *name, *type;
  } all[] = {HOST_FUNCTIONS(HOST_DEFINED)};
  static torvyn_value_t gifts[4], numbers[MANY], texts[MANY];
  torvyn_imports_t *imports = NULL;
  int gift = 0;
  for (int i = 0; i < MANY; i++) {
    numbers[i].kind = TORVYN_KIND_U32;
    texts[i].kind = TORVYN_KIND_STRING;
    texts[i].of.string = str("one of many");
  }
  gifts[0].kind = TORVYN_KIND_BYTES;
  gifts[0].of.bytes = bytes;
  gifts[1].kind = TORVYN_KIND_STRING;
  gifts[1].of.string.data = (const char *)bytes.data;
  gifts[1].of.string.len = bytes.len;
  gifts[2].kind = gifts[3].kind = TORVYN_KIND_LIST;
  gifts[2].of.values.len = gifts[3].of.values.len = MANY;
  gifts[2].of.values.data = numbers;
  gifts[3].of.values.data = texts;
  OK(torvyn_imports_new(engine, &imports, &err));
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    OK(torvyn_imports_define(imports, str("acme:work/host@1.0.0"), str(all[i].name), str(all[i].type), give,
                             strncmp(all[i].name, "get", 3) ? NULL : &gifts[gift++], NULL, &err));
  return imports;
}

/* ---- components ------------------------------------------------------------------------------ */

/* What a component imports beside the contract: the imports, core functions of these, the same as exports
 * that a core module is given, and that module's imports. */
typedef struct {
  const char *imports[8], *lowered, *given, *core;
} more_t;

static const more_t no_more = {{NULL}, "", "", ""}, more_io = {{IO}, IO_LOWERED, IO_GIVEN, IO_CORE},
                    more_files = {{FILES}, FILES_LOWERED, FILES_GIVEN, FILES_CORE},
                    more_host = {{HOST}, HOST_LOWERED, HOST_GIVEN, HOST_CORE};

/* The bytes from 1 MiB to 17 MiB. */
#define ALL "(i32.const 1048576) (i32.const 16777216)"

/* Begins a component with the contract at hand, up to the first function of its core module `$m`, which has
 * the globals `$p`, `$c` and `$h`. */
static void add_begin(text_t *text, const more_t *more) {
  ADD(text, "(component\n", CONTRACT);
  add_all(text, more->imports);
  ADD(text, LIBC_OF_MIBS("640"), LOWERED, more->lowered, "  (core module $m\n", IMPORTED, more->core, ANSWERS,
      "    (global $p (mut i32) (i32.const 0)) (global $c (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))\n");
}

/* The instance `$i` of that module, which has ended. */
static void add_instance(text_t *text, const more_t *more) {
  ADD(text, "  (core instance $i (instantiate $m " WITH " (with \"more\" (instance ", more->given, "))))\n");
}

#endif /* TORVYN_TEST_IMPORTS_H */
