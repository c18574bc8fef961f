/* A component whose code is a straight line of calls of WASI, with no loop and no call of its
 * own functions in between, ends where it is to stop: each function looks for itself. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wasi.h"

typedef struct {
  const char *name;
  const char *imports; /* with a component's function `$f'` at their end */
  const char *type;    /* of the core function */
  const char *call;
} case_t;

#define INTERFACE(name, items, function) \
  "  (import \"" name "\" (instance $x " items "))\n  (alias export $x \"" function "\" (func $f'))\n"
#define AT_64 "(call $f (i32.const 64))"

#define RESOURCES \
  "  (import \"wasi:filesystem/types@0.2.0\" (instance $files (export \"descriptor\" (type (sub resource)))))\n" \
  "  (alias export $files \"descriptor\" (type $desc))\n"
#define SOCKETS \
  "  (import \"wasi:sockets/network@0.2.0\" (instance $net\n" \
  "    (type $ec' (enum \"unknown\" \"access-denied\" \"not-supported\" \"invalid-argument\" \"out-of-memory\"\n" \
  "      \"timeout\" \"concurrency-conflict\" \"not-in-progress\" \"would-block\" \"invalid-state\" \"new-socket-limit\"\n" \
  "      \"address-not-bindable\" \"address-in-use\" \"remote-unreachable\" \"connection-refused\" \"connection-reset\"\n" \
  "      \"connection-aborted\" \"datagram-too-large\" \"name-unresolvable\" \"temporary-resolver-failure\"\n" \
  "      \"permanent-resolver-failure\"))\n" \
  "    (export \"error-code\" (type (eq $ec')))\n" \
  "    (type $fa' (enum \"ipv4\" \"ipv6\")) (export \"ip-address-family\" (type (eq $fa')))))\n" \
  "  (alias export $net \"error-code\" (type $ec)) (alias export $net \"ip-address-family\" (type $fa))\n"
#define SOCKET(of, resource, create) \
  SOCKETS "  (import \"wasi:sockets/" of "@0.2.0\" (instance $s (export \"" resource "\" (type (sub resource)))))\n" \
  "  (alias export $s \"" resource "\" (type $so))\n" \
  INTERFACE("wasi:sockets/" of "-create-socket@0.2.0", \
            "(alias outer 1 $so (type $so')) (export \"" resource "\" (type $sock (eq $so')))" \
            "(alias outer 1 $ec (type $ec')) (export \"error-code\" (type $e (eq $ec')))" \
            "(alias outer 1 $fa (type $fa')) (export \"ip-address-family\" (type $a (eq $fa')))" \
            "(export \"" create "\" (func (param \"address-family\" $a) (result (result (own $sock) (error $e)))))", create)
#define TERMINAL(which, way) \
  "  (import \"wasi:cli/terminal-" way "@0.2.0\" (instance $t (export \"terminal-" way "\" (type (sub resource)))))\n" \
  "  (alias export $t \"terminal-" way "\" (type $term))\n" \
  INTERFACE("wasi:cli/terminal-" which "@0.2.0", \
            "(alias outer 1 $term (type $o)) (export \"terminal-" way "\" (type $te (eq $o)))" \
            "(export \"get-terminal-" which "\" (func (result (option (own $te)))))", "get-terminal-" which)
#define DATETIME(function) \
  INTERFACE("wasi:clocks/wall-clock@0.2.0", \
            "(type $d' (record (field \"seconds\" u64) (field \"nanoseconds\" u32)))" \
            "(export \"datetime\" (type $d (eq $d'))) (export \"" function "\" (func (result $d)))", function)
#define SIMPLE(interface, function, type) \
  INTERFACE(interface "@0.2.0", "(export \"" function "\" (func " type "))", function)

static const case_t cases[] = {
    {"environment", SIMPLE("wasi:cli/environment", "get-environment", "(result (list (tuple string string)))"),
     "(param i32)", AT_64},
    {"arguments", SIMPLE("wasi:cli/environment", "get-arguments", "(result (list string))"), "(param i32)", AT_64},
    {"cwd", SIMPLE("wasi:cli/environment", "initial-cwd", "(result (option string))"), "(param i32)", AT_64},
    {"now", SIMPLE("wasi:clocks/monotonic-clock", "now", "(result u64)"), "(result i64)", "(drop (call $f))"},
    {"resolution", SIMPLE("wasi:clocks/monotonic-clock", "resolution", "(result u64)"), "(result i64)",
     "(drop (call $f))"},
    {"wall", DATETIME("now"), "(param i32)", AT_64},
    {"wall resolution", DATETIME("resolution"), "(param i32)", AT_64},
    {"random", SIMPLE("wasi:random/random", "get-random-u64", "(result u64)"), "(result i64)", "(drop (call $f))"},
    {"no random bytes", SIMPLE("wasi:random/random", "get-random-bytes", "(param \"len\" u64) (result (list u8))"),
     "(param i64 i32)", "(call $f (i64.const 0) (i32.const 64))"},
    {"insecure", SIMPLE("wasi:random/insecure", "get-insecure-random-u64", "(result u64)"), "(result i64)",
     "(drop (call $f))"},
    {"seed", SIMPLE("wasi:random/insecure-seed", "insecure-seed", "(result (tuple u64 u64))"), "(param i32)", AT_64},
    {"terminal input", TERMINAL("stdin", "input"), "(param i32)", AT_64},
    {"terminal output", TERMINAL("stdout", "output"), "(param i32)", AT_64},
    {"terminal error", TERMINAL("stderr", "output"), "(param i32)", AT_64},
    {"preopens",
     RESOURCES INTERFACE("wasi:filesystem/preopens@0.2.0",
                         "(alias outer 1 $desc (type $o)) (export \"descriptor\" (type $d (eq $o)))"
                         "(export \"get-directories\" (func (result (list (tuple (own $d) string)))))",
                         "get-directories"),
     "(param i32)", AT_64},
    {"tcp", SOCKET("tcp", "tcp-socket", "create-tcp-socket"), "(param i32 i32)", "(call $f (i32.const 0) (i32.const 64))"},
    {"udp", SOCKET("udp", "udp-socket", "create-udp-socket"), "(param i32 i32)", "(call $f (i32.const 0) (i32.const 64))"},
    {"stdout",
     "  (import \"wasi:io/streams@0.2.0\" (instance $s (export \"output-stream\" (type (sub resource)))))\n"
     "  (alias export $s \"output-stream\" (type $out))\n" INTERFACE(
         "wasi:cli/stdout@0.2.0",
         "(alias outer 1 $out (type $o)) (export \"output-stream\" (type $e (eq $o)))"
         "(export \"get-stdout\" (func (result (own $e))))",
         "get-stdout"),
     "(result i32)", "(drop (call $f))"},
};

/* Calls it once before; where the call was cancelled then, once more must be too much. */
static const char *text_of(const case_t *c) {
  return WAT("(component\n" TYPES "  (import \"cancel\" (func $cancel'))\n", c->imports, wasi_memory,
             "  (core func $cancel (canon lower (func $cancel')))\n"
             "  (core func $f (canon lower (func $f') (memory $mem) (realloc $re)))\n"
             "  (core module $m (import \"l\" \"memory\" (memory 4))\n"
             "    (import \"l\" \"realloc\" (func $re (param i32 i32 i32 i32) (result i32)))\n"
             "    (import \"w\" \"cancel\" (func $cancel)) (import \"w\" \"f\" (func $f ", c->type, "))\n"
             "    (export \"memory\" (memory 0)) (export \"realloc\" (func $re))\n"
             "    (func (export \"init\") (param i32 i32) (result i32) ", c->call, " (call $cancel) ", c->call,
             " unreachable)\n" TEARDOWN "  )\n  (core instance $w (export \"cancel\" (func $cancel)) (export \"f\" (func $f)))\n"
             "  (core instance $i (instantiate $m (with \"l\" (instance $l)) (with \"w\" (instance $w))))\n"
             LIFE ")\n");
}

static torvyn_cancel_t *handle;

static bool cancel(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                   torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  torvyn_cancel(handle);
  return true;
}

static void functions_without_handles(torvyn_engine_t *engine) {
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_imports_t *imports = NULL;
    torvyn_linked_t *linked;
    torvyn_instance_t *instance;
    part(cases[i].name);
    OK(torvyn_imports_new(engine, &imports, &err));
    OK(torvyn_imports_define(imports, str(""), str("cancel"), str("func()"), cancel, NULL, NULL, &err));
    linked = linked_once(component_from(engine, text_of(&cases[i])), imports);
    instance = instance_of(linked, 1, NULL);
    handle = torvyn_instance_cancel_handle(instance);
    EXPECT_TEXT(TORVYN_ERROR_CANCELLED, "cancelled", torvyn_init(instance, str(""), &err));
    CHECK(stats_of(instance).cancels == 1 && stats_of(instance).traps == 0);
    torvyn_cancel_free(handle);
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
    torvyn_imports_free(imports);
  }
}

/* ---- what takes handles, and takes its time --------------------------------- */

static unsigned lines;
static uint64_t slow_ns;

/* A program that takes its time with each line, or cancels at the first. */
static void log_line(void *user, const torvyn_log_line_t *line) {
  (void)user;
  if (line->level != TORVYN_LOG_INFO || line->component_id == NULL) return;
  lines++;
  if (handle) torvyn_cancel(handle);
  for (uint64_t began = now_ns(); now_ns() - began < slow_ns;) {}
}

/* Writes what the memory holds, 64 KiB of it at once, in a straight line. */
#define LINES \
  "    (func (export \"init\") (param i32 i32) (result i32) (local $out i32)\n" \
  "      (memory.fill (i32.const 65536) (i32.const 10) (i32.const 65536))\n" \
  "      (local.set $out (call $stdout))\n" \
  "      (call $put (local.get $out) (i32.const 65536) (i32.const 65536) (i32.const 64))\n" \
  "      (call $put (local.get $out) (i32.const 65536) (i32.const 65536) (i32.const 64))\n" \
  "      unreachable)\n"

/* The same with what the direct path knows: a memory of the module's own, and a shim before what
 * needs that. */
static const char shim_text[] =
    "  (alias export $stdout \"get-stdout\" (func $stdout')) (core func $stdout (canon lower (func $stdout')))\n"
    "  (alias export $streams \"[method]output-stream.write\" (func $put'))\n"
    "  (core module $m\n"
    "    (import \"w\" \"stdout\" (func $stdout (result i32)))\n"
    "    (import \"w\" \"put\" (func $put (param i32 i32 i32 i32)))\n"
    "    (memory (export \"memory\") 4)\n"
    REALLOC LINES TEARDOWN "  )\n"
    "  (core module $shim (table (export \"t\") 1 1 funcref) (type $put (func (param i32 i32 i32 i32)))\n"
    "    (func (export \"0\") (type $put) (call_indirect (type $put) (local.get 0) (local.get 1) (local.get 2)\n"
    "      (local.get 3) (i32.const 0))))\n"
    "  (core module $fixup (import \"\" \"0\" (func (param i32 i32 i32 i32))) (import \"\" \"t\" (table 1 1 funcref))\n"
    "    (elem (i32.const 0) func 0))\n"
    "  (core instance $s (instantiate $shim))\n"
    "  (alias core export $s \"0\" (core func $shim0)) (alias core export $s \"t\" (core table $t))\n"
    "  (core instance $w (export \"stdout\" (func $stdout)) (export \"put\" (func $shim0)))\n"
    "  (core instance $i (instantiate $m (with \"w\" (instance $w))))\n"
    "  (alias core export $i \"memory\" (core memory $mem))\n"
    "  (core func $put (canon lower (func $put') (memory $mem)))\n"
    "  (core instance (instantiate $fixup (with \"\" (instance (export \"0\" (func $put)) (export \"t\" (table $t))))))\n"
    LIFE ")\n";

static void printing(torvyn_path_t path) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path, .log = log_line,
                                   .timeout_ns = 50 * MS * check_slow()};
  torvyn_engine_t *engine = engine_with(&config);
  int direct = path == TORVYN_PATH_DIRECT;
  const char *text = direct ? WAT("(component\n" TYPES, wasi_streams, shim_text) : wasi_component(LINES);
  torvyn_linked_t *linked = linked_once(component_from(engine, text), NULL);
  torvyn_instance_t *instance;
  uint64_t began;
  CHECK(torvyn_linked_path(linked) == path);
  instance = instance_of(linked, 1, NULL);
  /* 131,072 lines of a millisecond each. */
  handle = NULL;
  slow_ns = MS;
  began = now_ns();
  EXPECT(TORVYN_ERROR_DEADLINE, torvyn_init(instance, str(""), &err));
  CHECK(now_ns() - began < 300 * MS * check_slow());
  OK(torvyn_instance_reset(instance, &err));
  handle = torvyn_instance_cancel_handle(instance);
  lines = 0;
  EXPECT(TORVYN_ERROR_CANCELLED, torvyn_init(instance, str(""), &err));
  CHECK(lines == 1);
  torvyn_cancel_free(handle);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

int main(int argc, char **argv) {
  torvyn_engine_t *engine;
  check_begin(argc, argv);
  engine = engine_with(NULL);
  functions_without_handles(engine);
  torvyn_engine_free(engine);
  part("lines of a program's that takes its time: direct path");
  printing(TORVYN_PATH_DIRECT);
  part("lines of a program's that takes its time: general path");
  printing(TORVYN_PATH_GENERAL);
  return check_end();
}
