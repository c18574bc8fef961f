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

#define IO_LOWERED \
  "(core func $check (canon lower (func $streams \"[method]output-stream.check-write\") " OPTIONS "))\n" \
  "(core func $out-write (canon lower (func $streams \"[method]output-stream.write\") " OPTIONS "))\n" \
  "(core func $out-flush (canon lower (func $streams \"[method]output-stream.blocking-write-and-flush\") " OPTIONS "))\n" \
  "(core func $get-stdout (canon lower (func $stdout \"get-stdout\"))) (core func $drop-out (canon resource.drop $outs))\n" \
  "(core func $environment (canon lower (func $environment \"get-environment\") " OPTIONS "))\n" \
  "(core func $monotonic (canon lower (func $monotonic \"now\")))\n" \
  "(core func $wall (canon lower (func $wall \"now\") " OPTIONS "))\n" \
  "(core func $random (canon lower (func $random \"get-random-bytes\") " OPTIONS "))\n" \
  "(core func $random-u64 (canon lower (func $random \"get-random-u64\")))\n"
#define IO_GIVEN \
  "(export \"check\" (func $check)) (export \"out-write\" (func $out-write)) (export \"out-flush\" (func $out-flush))\n" \
  "(export \"get-stdout\" (func $get-stdout)) (export \"drop-out\" (func $drop-out)) (export \"environment\" (func $environment))\n" \
  "(export \"monotonic\" (func $monotonic)) (export \"wall\" (func $wall)) (export \"random\" (func $random))\n" \
  "(export \"random-u64\" (func $random-u64))\n"
#define IO_CORE \
  "(import \"more\" \"check\" (func $check (param i32 i32))) (import \"more\" \"out-write\" (func $out_write (param i32 i32 i32 i32)))\n" \
  "(import \"more\" \"out-flush\" (func $out_flush (param i32 i32 i32 i32))) (import \"more\" \"get-stdout\" (func $stdout (result i32)))\n" \
  "(import \"more\" \"drop-out\" (func $drop_out (param i32))) (import \"more\" \"environment\" (func $environment (param i32)))\n" \
  "(import \"more\" \"monotonic\" (func $monotonic (result i64))) (import \"more\" \"wall\" (func $wall (param i32)))\n" \
  "(import \"more\" \"random\" (func $random (param i64 i32))) (import \"more\" \"random-u64\" (func $random_u64 (result i64)))\n"

/* ---- files ------------------------------------------------------------------------------ */

#define FILES wasi_streams, wasi_files, wasi_files_functions
#define FILES_LOWERED \
  "(core func $directories (canon lower (func $preopens \"get-directories\") " OPTIONS "))\n" \
  "(core func $open (canon lower (func $files \"[method]descriptor.open-at\") " OPTIONS "))\n" \
  "(core func $file-read (canon lower (func $files \"[method]descriptor.read\") " OPTIONS "))\n" \
  "(core func $file-write (canon lower (func $files \"[method]descriptor.write\") " OPTIONS "))\n"
#define FILES_GIVEN \
  "(export \"directories\" (func $directories)) (export \"open\" (func $open)) (export \"file-read\" (func $file-read))\n" \
  "(export \"file-write\" (func $file-write))\n"
#define FILES_CORE \
  "(import \"more\" \"directories\" (func $directories (param i32)))\n" \
  "(import \"more\" \"open\" (func $open (param i32 i32 i32 i32 i32 i32 i32)))\n" \
  "(import \"more\" \"file-read\" (func $file_read (param i32 i64 i64 i32)))\n" \
  "(import \"more\" \"file-write\" (func $file_write (param i32 i32 i32 i64 i32)))\n"

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

/* The functions; those that begin with `get` give what `bytes` has, or 50000 numbers or texts. */
static torvyn_imports_t *program_functions(const torvyn_engine_t *engine, torvyn_bytes_t bytes) {
  static const struct {
    const char *name, *type;
  } all[] = {{"plain", "func()"},
             {"put-bytes", "func(v: list<u8>)"},
             {"put-text", "func(v: string)"},
             {"put-numbers", "func(v: list<u32>)"},
             {"put-texts", "func(v: list<string>)"},
             {"get-bytes", "func() -> list<u8>"},
             {"get-text", "func() -> string"},
             {"get-numbers", "func() -> list<u32>"},
             {"get-texts", "func() -> list<string>"}};
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

#define HOST \
  "(import \"acme:work/host@1.0.0\" (instance $w (export \"plain\" (func))\n" \
  "  (export \"put-bytes\" (func (param \"v\" (list u8)))) (export \"put-text\" (func (param \"v\" string)))\n" \
  "  (export \"put-numbers\" (func (param \"v\" (list u32)))) (export \"put-texts\" (func (param \"v\" (list string))))\n" \
  "  (export \"get-bytes\" (func (result (list u8)))) (export \"get-text\" (func (result string)))\n" \
  "  (export \"get-numbers\" (func (result (list u32)))) (export \"get-texts\" (func (result (list string))))))\n"
#define HOST_LOWERED \
  "(core func $plain (canon lower (func $w \"plain\")))\n" \
  "(core func $put_bytes (canon lower (func $w \"put-bytes\") " OPTIONS "))\n" \
  "(core func $put_text (canon lower (func $w \"put-text\") " OPTIONS "))\n" \
  "(core func $put_numbers (canon lower (func $w \"put-numbers\") " OPTIONS "))\n" \
  "(core func $put_texts (canon lower (func $w \"put-texts\") " OPTIONS "))\n" \
  "(core func $get_bytes (canon lower (func $w \"get-bytes\") " OPTIONS "))\n" \
  "(core func $get_text (canon lower (func $w \"get-text\") " OPTIONS "))\n" \
  "(core func $get_numbers (canon lower (func $w \"get-numbers\") " OPTIONS "))\n" \
  "(core func $get_texts (canon lower (func $w \"get-texts\") " OPTIONS "))\n"
#define HOST_GIVEN \
  "(export \"plain\" (func $plain))\n" \
  "(export \"put-bytes\" (func $put_bytes))\n" \
  "(export \"put-text\" (func $put_text))\n" \
  "(export \"put-numbers\" (func $put_numbers))\n" \
  "(export \"put-texts\" (func $put_texts))\n" \
  "(export \"get-bytes\" (func $get_bytes))\n" \
  "(export \"get-text\" (func $get_text))\n" \
  "(export \"get-numbers\" (func $get_numbers))\n" \
  "(export \"get-texts\" (func $get_texts))\n"
#define HOST_CORE \
  "(import \"more\" \"plain\" (func $plain))\n" \
  "(import \"more\" \"put-bytes\" (func $put_bytes (param i32 i32)))\n" \
  "(import \"more\" \"put-text\" (func $put_text (param i32 i32)))\n" \
  "(import \"more\" \"put-numbers\" (func $put_numbers (param i32 i32)))\n" \
  "(import \"more\" \"put-texts\" (func $put_texts (param i32 i32)))\n" \
  "(import \"more\" \"get-bytes\" (func $get_bytes (param i32)))\n" \
  "(import \"more\" \"get-text\" (func $get_text (param i32)))\n" \
  "(import \"more\" \"get-numbers\" (func $get_numbers (param i32)))\n" \
  "(import \"more\" \"get-texts\" (func $get_texts (param i32)))\n"

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
