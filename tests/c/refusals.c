/* Refusals: where the system has no memory for what a component wants, the component or the caller is
 * told so; nothing ends the process, nothing leaks, and the instance works afterwards. Each large
 * allocation of each call fails in its turn, in a process of its own. */
#define _GNU_SOURCE /* anonymous mappings */
#include "refusals.h"

#include "imports.h"

/* ---- the contract ------------------------------------------------------------------------ */

#define NEW(bytes) "(call $allocate (i64.const " #bytes ") (i32.const 64))"
#define GOT "(i32.eqz (i32.load8_u (i32.const 64)))"
#define HANDLE "(i32.load (i32.const 68))"
/* A buffer of so many bytes, and what is done with it before it is dropped. */
#define HAVING(bytes, what) NEW(bytes) "(if " GOT "(then (global.set $h " HANDLE ")" what "(call $drop-mutable (global.get $h))))"
#define DROPS "(call $drop-buffer (global.get $p)) (call $drop-flow (global.get $c))"

/* What an element's number has done, and what comes of it. */
typedef struct {
  const char *name, *code;
  int status;
} op_t;

#define OPS(all) all, sizeof all / sizeof *all

static const op_t ops[] = {
    {"allocate of 64 KiB", HAVING(65536, ""), TORVYN_NOTHING_EMITTED},
    {"allocate of 1 MiB", HAVING(1048576, ""), TORVYN_NOTHING_EMITTED},
    {"allocate of 16 MiB, and append", HAVING(16777216, "(call $append (global.get $h) " ALL " (i32.const 64))"),
     TORVYN_NOTHING_EMITTED},
    {"many buffers",
     "(local.set $n (i32.const 3000)) (loop $more " NEW(16) "(local.set $n (i32.sub (local.get $n) (i32.const 1)))"
     "(br_if $more (local.get $n)))", TORVYN_NOTHING_EMITTED},
    {"clone-into-mutable of 16 MiB",
     "(call $clone (global.get $p) (i32.const 64)) (if " GOT "(then (call $drop-mutable " HANDLE ")))",
     TORVYN_NOTHING_EMITTED},
    {"set-content-type of 1 MiB", HAVING(16, "(call $set (global.get $h) (i32.const 1048576) (i32.const 1048576))"),
     TORVYN_NOTHING_EMITTED},
    {"read-all of 16 MiB", "(call $read-all (global.get $p) (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"read of 1 MiB", "(call $read (global.get $p) (i64.const 0) (i64.const 1048576) (i32.const 64))",
     TORVYN_NOTHING_EMITTED},
    {"content-type of 1 MiB", "(call $type (global.get $p) (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"has-capability of 1 MiB", "(drop (call $has (i32.const 1048576) (i32.const 1048576)))", TORVYN_NOTHING_EMITTED},
    {"an error's text of 64 KiB",
     "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 520) (i32.const 2))"
     "(i32.store (i32.const 524) (i32.const 1048576)) (i32.store (i32.const 528) (i32.const 65536))"
     DROPS "(return (i32.const 512))", TORVYN_ERROR_GUEST_INTERNAL},
    {"an output with a content type of 1 MiB",
     NEW(1048576) "(if (i32.eqz " GOT ") (then " DROPS
     "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 520) (i32.const 1)) (return (i32.const 512))))"
     "(i32.store (i32.const 568) (call $freeze " HANDLE ")) (call $drop-mutable " HANDLE ")"
     "(i32.store (i32.const 560) (i32.const 1048576)) (i32.store (i32.const 564) (i32.const 1048576))"
     DROPS "(return (i32.const 528))", TORVYN_OK},
};

/* 2000 outputs at 2 MiB, each with a content type of 4000 bytes; 20000 ports of 16 bytes. */
static const char MORE[] =
    "    (func (export \"ingest\") " ELEMENT " (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) (i32.const 600))\n"
    "    (func (export \"flush\") (result i32) (local $n i32) (local $at i32)\n"
    "      (loop $more " NEW(16) "(if (i32.eqz " GOT ") (then (unreachable)))\n"
    "        (local.set $at (i32.add (i32.const 2097152) (i32.mul (local.get $n) (i32.const 32))))\n"
    "        (i32.store offset=24 (local.get $at) (call $freeze " HANDLE ")) (call $drop-mutable " HANDLE ")\n"
    "        (i32.store offset=16 (local.get $at) (i32.const 1048576)) (i32.store offset=20 (local.get $at) (i32.const 4000))\n"
    "        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2000))))\n"
    "      (i32.store (i32.const 620) (i32.const 2097152)) (i32.store (i32.const 624) (local.get $n)) (i32.const 616))\n"
    "    (func (export \"route\") " ELEMENT " (local $n i32) (local $at i32)\n"
    "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5))\n"
    "      (loop $more\n"
    "        (local.set $at (i32.add (i32.const 2097152) (i32.mul (local.get $n) (i32.const 8))))\n"
    "        (i32.store (local.get $at) (i32.const 1048576)) (i32.store offset=4 (local.get $at) (i32.const 16))\n"
    "        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))\n"
    "      (i32.store (i32.const 620) (i32.const 2097152)) (i32.store (i32.const 624) (local.get $n)) (i32.const 616))\n"
    "    (func (export \"init\") (param i32 i32) (result i32) i32.const 600)\n" TEARDOWN;

/* A component with the contract at hand, and what an element's number has done. */
static torvyn_linked_t *component(const torvyn_engine_t *engine, const more_t *more, const op_t *all, size_t count,
                                  torvyn_imports_t *imports) {
  text_t text = {0};
  add_begin(&text, more);
  ADD(&text, MORE, "(func (export \"process\") " ELEMENT " (local $n i32)\n"
      "  (global.set $p (local.get 4)) (global.set $c (local.get 5))\n");
  for (size_t i = 0; i < count; i++)
    add(&text, "(if (i64.eq (local.get 0) (i64.const %zu)) (then\n%s))\n", i, all[i].code);
  ADD(&text, DROPS "(i32.const 256)))\n");
  add_instance(&text, more);
  ADD(&text, PROCESSOR, ROUTER, AGGREGATOR, LIFE_WITH("$realloc"), ")");
  return linked_from(engine, &text, imports);
}

/* ---- calls --------------------------------------------------------------------------------- */

/* With a content type of 1 MiB where the number says so. */
#define LONG_TYPE (UINT64_C(1) << 32)

static int process(torvyn_instance_t *instance, uint64_t number) {
  torvyn_element_t e = {number & ~LONG_TYPE, 0, {(const char *)payload, 16}, {payload, 16 * MIB}, NULL};
  torvyn_output_t out;
  int status;
  if (number & LONG_TYPE) e.content_type.len = MIB;
  status = torvyn_process(instance, &e, &out, NULL);
  torvyn_output_release(&out);
  return status;
}

static int flush(torvyn_instance_t *instance, uint64_t number) {
  torvyn_outputs_t *outs;
  int status = torvyn_flush(instance, &outs, NULL);
  (void)number;
  if (status == TORVYN_OK) CHECK(torvyn_outputs_count(outs) == 2000);
  torvyn_outputs_free(outs);
  return status;
}

static int route(torvyn_instance_t *instance, uint64_t number) {
  torvyn_element_t e = {number, 0, {NULL, 0}, {payload, 16}, NULL};
  torvyn_ports_t ports;
  int status = torvyn_route(instance, &e, &ports, NULL);
  if (status == TORVYN_OK) CHECK(ports.len == 20000);
  return status;
}

static int init(torvyn_instance_t *instance, uint64_t number) {
  torvyn_str_t config = {(const char *)payload, MIB};
  (void)number;
  return torvyn_init(instance, config, NULL);
}

static torvyn_engine_t *engine_here(void) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path, .optimize = TORVYN_OPTIMIZE_NONE};
  c.memory_limit = 64 * MIB;
  c.timeout_ns = 20000 * MS;
  return engine_with(&c);
}

/* Each of a component's. */
static void each_op(torvyn_linked_t *linked, const op_t *all, size_t count) {
  for (size_t i = 0; i < count; i++) {
    call_t call = {all[i].name, linked, 0, process, i, all[i].status};
    if (strstr(all[i].name, "type of 1 MiB")) call.number |= LONG_TYPE;
    each_fails(&call);
  }
}

static void contract(void) {
  torvyn_engine_t *engine = engine_here();
  torvyn_linked_t *linked = component(engine, &no_more, OPS(ops), NULL);
  part("the contract");
  each_op(linked, OPS(ops));
  call_t others[] = {{"2000 outputs of flush", linked, 0, flush, 0, TORVYN_OK},
                     {"20000 ports", linked, 0, route, 0, TORVYN_OK},
                     {"a configuration of 1 MiB", linked, 1, init, 0, TORVYN_OK}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) each_fails(&others[i]);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- what the program gives and takes ---------------------------------------------------------- */

/* A million bytes and lists of 50000. */
static const op_t host_ops[] = {
    {"a function that takes 1 MiB", "(call $put-bytes (i32.const 1048576) (i32.const 1048576))", TORVYN_NOTHING_EMITTED},
    {"a function that takes a text of 1 MiB", "(call $put-text (i32.const 1048576) (i32.const 1048576))", TORVYN_NOTHING_EMITTED},
    {"a function that takes 50000 numbers", "(call $put-numbers (i32.const 4194304) (i32.const 50000))", TORVYN_NOTHING_EMITTED},
    {"a function that takes 50000 texts", "(call $put-texts (i32.const 4194304) (i32.const 50000))", TORVYN_NOTHING_EMITTED},
    {"a function that gives 1 MiB", "(call $get-bytes (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"a function that gives a text of 1 MiB", "(call $get-text (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"a function that gives 50000 numbers", "(call $get-numbers (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"a function that gives 50000 texts", "(call $get-texts (i32.const 64))", TORVYN_NOTHING_EMITTED},
};

static void functions(void) {
  torvyn_engine_t *engine = engine_here();
  torvyn_bytes_t bytes = {payload, MIB};
  torvyn_linked_t *linked = component(engine, &more_host, OPS(host_ops), program_functions(engine, bytes));
  part("the program's functions");
  each_op(linked, OPS(host_ops));
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

static const struct {
  const char *name, *type;
} echoes[] = {{"bytes", "(list u8)"},
              {"text", "string"},
              {"numbers", "(list u32)"},
              {"texts", "(list string)"},
              {"pairs", "(list (tuple string u32))"},
              {"options", "(list (option string))"},
              {"results", "(list (result string (error u32)))"},
              {"lists", "(list (list u8))"}};
enum { ECHOES = sizeof echoes / sizeof *echoes, ELEMENTS = 3000 };

/* Gives the function's argument back. */
static int echo(torvyn_instance_t *instance, uint64_t number) {
  static torvyn_value_t list[ELEMENTS], pair[2], some, each, arg;
  torvyn_values_t *out;
  int status;
  some.kind = TORVYN_KIND_STRING;
  some.of.string = str("one of many");
  pair[0] = some;
  pair[1].kind = TORVYN_KIND_U32;
  each = some;
  if (number == 2) each = pair[1];
  if (number == 4) each.kind = TORVYN_KIND_TUPLE, each.of.values.data = pair, each.of.values.len = 2;
  if (number == 5) each.kind = TORVYN_KIND_OPTION, each.of.option = &some;
  if (number == 6) each.kind = TORVYN_KIND_RESULT, each.of.result.is_error = false, each.of.result.payload = &some;
  if (number == 7) each.kind = TORVYN_KIND_BYTES, each.of.bytes.data = payload, each.of.bytes.len = 11;
  for (int i = 0; i < ELEMENTS; i++) list[i] = each;
  arg.kind = TORVYN_KIND_LIST;
  arg.of.values.data = list;
  arg.of.values.len = ELEMENTS;
  if (number == 0) arg.kind = TORVYN_KIND_BYTES, arg.of.bytes.data = payload, arg.of.bytes.len = MIB;
  if (number == 1) arg.kind = TORVYN_KIND_STRING, arg.of.string.data = (const char *)payload, arg.of.string.len = MIB;
  status = torvyn_call(instance, str("acme:echo/values@0.1.0"), str(echoes[number].name), &arg, 1, &out, NULL);
  if (status == TORVYN_OK) {
    const torvyn_value_t *given = torvyn_values_get(out, 0);
    CHECK(given && given->kind == arg.kind);
    CHECK(number > 1 ? given->of.values.len == ELEMENTS : number ? given->of.string.len == MIB : given->of.bytes.len == MIB);
  }
  torvyn_values_free(out);
  return status;
}

static void values(void) {
  text_t text = {0};
  torvyn_engine_t *engine = engine_here();
  torvyn_linked_t *linked;
  part("values of torvyn_call()");
  ADD(&text, "(component\n" TYPES LIBC_OF_MIBS("640"),
      "(core module $m (import \"libc\" \"memory\" (memory 640))\n"
      "  (func (export \"echo\") (param i32 i32) (result i32)\n"
      "    (i32.store (i32.const 64) (local.get 0)) (i32.store (i32.const 68) (local.get 1)) (i32.const 64))\n"
      "  (func (export \"init\") (param i32 i32) (result i32) i32.const 600)\n" TEARDOWN ")\n"
      "(core instance $i (instantiate $m (with \"libc\" (instance $libc))))\n");
  for (size_t i = 0; i < ECHOES; i++)
    add(&text, "(func $%s (param \"v\" %s) (result %s) (canon lift (core func $i \"echo\") " OPTIONS "))\n",
        echoes[i].name, echoes[i].type, echoes[i].type);
  add(&text, "(instance $echo\n");
  for (size_t i = 0; i < ECHOES; i++) add(&text, "(export \"%s\" (func $%s))\n", echoes[i].name, echoes[i].name);
  ADD(&text, ") (export \"acme:echo/values@0.1.0\" (instance $echo))\n", LIFE_WITH("$realloc"), ")");
  linked = linked_from(engine, &text, NULL);
  for (uint64_t i = 0; i < ECHOES; i++) {
    call_t call = {echoes[i].name, linked, 0, echo, i, TORVYN_OK};
    each_fails(&call);
  }
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- WASI --------------------------------------------------------------------------------------- */

#define STDOUT "(global.set $h (call $stdout))"

static const op_t wasi_ops[] = {
    {"output-stream.write of 64 KiB", STDOUT "(call $check (global.get $h) (i32.const 64))"
     "(call $out-write (global.get $h) (i32.const 1048576) (i32.const 65536) (i32.const 64))"
     "(call $drop-out (global.get $h))", TORVYN_NOTHING_EMITTED},
    {"get-stdout, 900 times",
     "(local.set $n (i32.const 900)) (loop $more (drop (call $stdout))"
     "(local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $more (local.get $n))) unreachable", TORVYN_ERROR_TRAP},
    {"get-random-bytes of 1 MiB", "(call $random (i64.const 1048576) (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"get-environment", "(call $environment (i32.const 64))", TORVYN_NOTHING_EMITTED},
};

static const op_t file_ops[] = {
    {"descriptor.write of 1 MiB",
     OPENED "(call $file-write (global.get $h) (i32.const 1048576) (i32.const 1048576) (i64.const 0) (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"descriptor.read of 1 MiB",
     OPENED "(call $file-read (global.get $h) (i64.const 1048576) (i64.const 0) (i32.const 64))", TORVYN_NOTHING_EMITTED},
    {"descriptor.open-at of a path of 64 KiB",
     OPENED "(call $open (global.get $h) (i32.const 0) (i32.const 1048576) (i32.const 65536) (i32.const 0) (i32.const 0)"
            " (i32.const 64))", TORVYN_NOTHING_EMITTED},
};

static void wasi(int grants) {
  torvyn_engine_t *engine = engine_here();
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked;
  part(grants ? "WASI, granted" : "WASI, nothing granted");
  if (grants) imports = granted_io(engine, 100);
  linked = component(engine, &more_io, OPS(wasi_ops), imports);
  each_op(linked, OPS(wasi_ops));
  torvyn_linked_free(linked);
  if (grants) {
    OK(torvyn_imports_new(engine, &imports, &err));
    OK(torvyn_imports_wasi_preopen(imports, folder, str("/"), TORVYN_ACCESS_READ_WRITE, &err));
    linked = component(engine, &more_files, OPS(file_ops), imports);
    each_op(linked, OPS(file_ops));
    torvyn_linked_free(linked);
  }
  torvyn_engine_free(engine);
}

/* ---- native components ---------------------------------------------------------------------------- */

/* A callback tells what it was told: there is no memory. */
static torvyn_status_t told(int status) {
  if (status == TORVYN_OK) return TORVYN_OK;
  CHECK(status == TORVYN_ERROR_MEMORY);
  return TORVYN_ERROR_UNAVAILABLE;
}

static torvyn_status_t native_process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  torvyn_str_t text = {(const char *)payload, 65536};
  uint8_t *at;
  int status;
  (void)user, (void)state;
  switch (e->sequence) {
  case 0: /* grows through every size */
    for (int i = 0; i < 24; i++)
      if ((status = torvyn_native_append(call, payload, 65536, NULL)) != TORVYN_OK) return told(status);
    return told(torvyn_native_emit(call, 1, 1, str(""), NULL));
  case 1:
    if ((status = torvyn_native_reserve(call, 16 * MIB, &at, NULL)) != TORVYN_OK) return told(status);
    OK(torvyn_native_commit(call, 16 * MIB, &err));
    return told(torvyn_native_emit(call, 1, 1, str(""), NULL));
  case 2:
    if ((status = torvyn_native_append(call, payload, 16, NULL)) != TORVYN_OK) return told(status);
    text.len = MIB;
    return told(torvyn_native_emit(call, 1, 1, text, NULL));
  default:
    if ((status = torvyn_native_fail(call, TORVYN_ERROR_GUEST_INTERNAL, text)) < 0) return (torvyn_status_t)status;
    return TORVYN_ERROR_GUEST_INTERNAL;
  }
}

static torvyn_status_t native_flush(void *user, void *state, torvyn_native_call_t *call) {
  int status;
  (void)user, (void)state;
  for (int i = 0; i < 2000; i++) {
    if ((status = torvyn_native_append(call, payload, 16, NULL)) != TORVYN_OK) return told(status);
    if ((status = torvyn_native_emit(call, 1, 1, str("text/plain"), NULL)) != TORVYN_OK) return told(status);
  }
  return TORVYN_OK;
}

static torvyn_status_t native_route(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  int status;
  (void)user, (void)state, (void)e;
  for (int i = 0; i < 20000; i++)
    if ((status = torvyn_native_port(call, str("one of the ports"), NULL)) != TORVYN_OK) return told(status);
  return TORVYN_OK;
}

static torvyn_status_t native_ingest(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state, (void)call, (void)e;
  return TORVYN_NOTHING_EMITTED;
}

static void native(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .process = native_process, .flush = native_flush};
  torvyn_engine_t *engine = engine_here();
  torvyn_component_t *made = NULL;
  torvyn_linked_t *linked;
  table.route = native_route;
  table.ingest = native_ingest;
  part("native components");
  OK(torvyn_component_native(engine, &table, &made, &err));
  linked = linked_once(made, NULL);
  call_t calls[] = {{"native: append of 1.5 MiB", linked, 0, process, 0, TORVYN_OK},
                    {"native: reserve of 16 MiB", linked, 0, process, 1, TORVYN_OK},
                    {"native: a content type of 1 MiB", linked, 0, process, 2, TORVYN_OK},
                    {"native: an error's text of 64 KiB", linked, 0, process, 3, TORVYN_ERROR_GUEST_INTERNAL},
                    {"native: 2000 outputs", linked, 0, flush, 0, TORVYN_OK},
                    {"native: 20000 ports", linked, 0, route, 0, TORVYN_OK}};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) each_fails(&calls[i]);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- address space ----------------------------------------------------------------------------------- */

static torvyn_linked_t *crowded_linked;

/* Where the process has next to none left, memory does not grow, and there are no buffers. */
static void crowded_child(void) {
  torvyn_instance_t *instance = instance_of(crowded_linked, 1, NULL);
  struct rlimit before;
  OK(torvyn_init(instance, str(""), &err));
  before = leave(32 * MIB);
  for (uint64_t i = 0; i < 2; i++) {
    int status = process(instance, i);
    CHECK(is_told(status, TORVYN_NOTHING_EMITTED));
    if (status < 0) OK(torvyn_instance_reset(instance, &err));
    if (status < 0) OK(torvyn_init(instance, str(""), &err));
  }
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
  for (uint64_t i = 0; i < 2; i++) CHECK(process(instance, i) == TORVYN_NOTHING_EMITTED);
}

static void address_space(void) {
  static const op_t grows[] = {
      {"memory.grow", "(local.set $n (i32.const 8)) (loop $l (drop (memory.grow (i32.const 256)))\n"
       "  (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))", TORVYN_NOTHING_EMITTED},
      {"allocate", "(local.set $n (i32.const 40)) (loop $l " NEW(16777216) "\n"
       "  (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))", TORVYN_NOTHING_EMITTED}};
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path, .memory_reservation = 1};
  torvyn_engine_t *engine;
  c.memory_limit = c.buffer_limit = 1024 * MIB;
  engine = engine_with(&c);
  crowded_linked = component(engine, &no_more, OPS(grows), NULL);
  in_child(path == TORVYN_PATH_DIRECT ? "direct: no address space" : "general: no address space", crowded_child);
  torvyn_linked_free(crowded_linked);
  torvyn_engine_free(engine);
}

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  begin_given();
  watch_begin();
  for (int i = 0; i < 2; i++) {
    path = paths[i];
    contract();
    wasi(0);
    address_space();
  }
  wasi(1);
  functions();
  values();
  native();
  part("");
  end_given();
  CHECK(wrong == 0);
  return check_end();
}
