/* Overlong: a single piece of work that a component makes as large as it may - instantiation, realloc and
 * post-return, values, outputs and ports, and what is dropped when an instance ends - is stopped by
 * deadline and cancel, or over in no time. */
#define _GNU_SOURCE /* anonymous mappings */
#include "overruns.h"

#include "contract.h"

static torvyn_engine_t *engine_here(void) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path, .optimize = TORVYN_OPTIMIZE_NONE};
  c.tick_ns = TICK;
  c.memory_limit = UINT64_C(1) << 30;
  c.instance_limit = 10000;
  c.table_limit = 1000000;
  c.buffer_limit = UINT64_C(1) << 30;
  c.timeout_ns = 20000 * MS;
  return engine_with(&c);
}

/* ---- instantiation ---------------------------------------------------------------- */

/* What stops a start function, and whatever else comes before there is an instance of a component that is
 * sound, with these modules and instances before it. */
static void starts(const torvyn_engine_t *engine, const char *name, const char *before) {
  const char *text = WAT("(component\n", before, SOUND ")");
  torvyn_linked_t *linked = linked_once(component_from(engine, text), NULL);
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = BEFORE};
  tries_t tries = {0, 0, 0};
  int status = TORVYN_OK;
  check_doing = name;
  while (again(&tries)) {
    torvyn_instance_t *instance = NULL;
    stop_t stop = {.cancel = NULL};
    uint64_t took;
    stop_begin(&stop);
    status = torvyn_instance_new(linked, 1, &options, &instance, NULL);
    took = stop_end(&stop);
    tried(&tries, took);
    torvyn_instance_free(instance);
    if (status != TORVYN_ERROR_DEADLINE && took > 0) break;
  }
  judge(name, "deadline", tries.best, tries.in_time, status, status == TORVYN_OK ? TORVYN_OK : TORVYN_ERROR_DEADLINE);
  torvyn_linked_free(linked);
}

static void instantiation(const torvyn_engine_t *engine) {
  text_t more = {0};
  part("instantiation");
  starts(engine, "a start function without end",
         "(core module $s (func $f (loop $l (br $l))) (start $f)) (core instance (instantiate $s))");

  for (int memory = 0; memory < 2; memory++) {
    more.len = 0;
    add(&more, "(component $c (core module $s %s)", memory ? "(memory 1)" : "(func (export \"f\"))");
    for (int i = 0; i < (memory ? 24 : 990); i++) add(&more, "(core instance (instantiate $s))\n");
    add(&more, ")");
    for (int i = 0; i < 4; i++) add(&more, "(instance (instantiate $c))\n");
    starts(engine, memory ? "96 instances with a memory" : "3960 instances with next to nothing", more.at);
  }

  more.len = 0;
  add(&more, "(core module $s (memory 16000) (func $f");
  for (int i = 0; i < 200; i++) add(&more, "(memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216))\n");
  add(&more, ") (start $f)) (core instance (instantiate $s))");
  starts(engine, "a start function that fills memory", more.at);
  free(more.at);
}

/* ---- realloc and post-return --------------------------------------------------------- */

static int call_process(torvyn_instance_t *instance, void *user) {
  torvyn_element_t e = {0, 0, {"text/plain; charset=utf-8", 25}, {(const uint8_t *)"x", 1}, NULL};
  torvyn_output_t out;
  int status = torvyn_process(instance, &e, &out, NULL);
  (void)user;
  torvyn_output_release(&out);
  return status;
}

#define ENDLESS(nth) \
  "(global.set $at (i32.add (global.get $at) (i32.const 1)))\n" \
  "(if (i32.eq (global.get $at) (i32.const " nth ")) (then (loop $l (br $l)))) i32.const 65536"

static void glue(const torvyn_engine_t *engine) {
  static const char *const names[] = {"realloc for an argument", "post-return", "realloc for what an import gives"};
  part("realloc and post-return");
  for (int i = 0; i < 3; i++) {
    text_t text = {0};
    work_t work = {names[i], NULL, {0}, call_process, NULL, 0};
    ADD(&text, "(component\n", CONTRACT);
    /* The first call of realloc has no end, the second, or none. */
    ADD(&text, i == 0 ? LIBC_WITH("20", ENDLESS("1")) : i == 2 ? LIBC_WITH("20", ENDLESS("2")) : LIBC("20"), LOWERED,
        "  (core module $m\n", IMPORTED, ANSWERS, "    (func (export \"post\") (param i32) ",
        i == 1 ? "(loop $l (br $l))" : "", ")\n"
        "    (func (export \"process\") " ELEMENT " (call $type (local.get 4) (i32.const 64))\n"
        "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) (i32.const 256)))\n"
        "  (core instance $i (instantiate $m " WITH "))\n",
        PROCESSOR_WITH(OPTIONS " (post-return (core func $i \"post\"))") ")");
    work.linked = linked_from(engine, &text, NULL);
    is_stopped(&work);
    torvyn_linked_free(work.linked);
  }
}

/* ---- values ------------------------------------------------------------------------------ */

enum { MANY = 100000 };

static const struct {
  const char *name, *type;
} lists[] = {{"numbers", "(list u32)"},
             {"floats", "(list f64)"},
             {"texts", "(list string)"},
             {"pairs", "(list (tuple u8 u16))"},
             {"options", "(list (option u64))"},
             {"cases", "(list $cases)"},
             {"flags", "(list $flags)"}};
enum { LISTS = sizeof lists / sizeof *lists };

typedef struct {
  int list, takes;
} call_t;

static int call_values(torvyn_instance_t *instance, void *user) {
  static torvyn_value_t list[MANY], pair[2], some;
  static char name[16];
  static torvyn_str_t set = {"f31", 3};
  static int built = -1; /* which list it is */
  const call_t *call = user;
  torvyn_value_t arg = {.kind = TORVYN_KIND_LIST}, each = {.kind = TORVYN_KIND_U32};
  torvyn_values_t *out = NULL;
  char function[32];
  int status;
  if (call->takes && built != call->list) {
    some.kind = TORVYN_KIND_U64;
    pair[0].kind = TORVYN_KIND_U8;
    pair[1].kind = TORVYN_KIND_U16;
    switch (call->list) {
    case 1: each.kind = TORVYN_KIND_F64; break;
    case 2: each.kind = TORVYN_KIND_STRING; each.of.string = str("x"); break;
    case 3: each.kind = TORVYN_KIND_TUPLE; each.of.values.data = pair; each.of.values.len = 2; break;
    case 4: each.kind = TORVYN_KIND_OPTION; each.of.option = &some; break;
    case 5:
      snprintf(name, sizeof name, "case-%d", 999); /* the last is the farthest */
      each.kind = TORVYN_KIND_VARIANT;
      each.of.variant.name = str(name);
      break;
    case 6: each.kind = TORVYN_KIND_FLAGS; each.of.flags.data = &set; each.of.flags.len = 1; break;
    default: break;
    }
    for (int i = 0; i < MANY; i++) list[i] = each;
    built = call->list;
  }
  arg.of.values.data = list;
  arg.of.values.len = MANY;
  snprintf(function, sizeof function, "%s-%s", call->takes ? "put" : "get", lists[call->list].name);
  status = torvyn_call(instance, str("acme:work/values@1.0.0"), str(function), &arg, (size_t)call->takes, &out, NULL);
  torvyn_values_free(out);
  return status;
}

/* Functions that take such lists, and that give them; what was given is any bytes that are of use. */
static torvyn_linked_t *valued(const torvyn_engine_t *engine) {
  text_t text = {0};
  add(&text, "(component\n" TYPES LIBC_OF_MIBS("640"));
  add(&text, "(core module $m (import \"libc\" \"memory\" (memory 640))\n"
             "  (func (export \"put\") (param i32 i32))\n"
             "  (func (export \"get\") (result i32)\n"
             "    (i32.store (i32.const 64) (i32.const 4194304)) (i32.store (i32.const 68) (i32.const %d)) (i32.const 64))\n"
             "  (func (export \"get-cases\") (result i32) (local $n i32)\n"
             "    (loop $l (i32.store16 (i32.add (i32.const 4194304) (i32.shl (local.get $n) (i32.const 1))) (i32.const 999))\n"
             "      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const %d))))\n"
             "    (i32.store (i32.const 64) (i32.const 4194304)) (i32.store (i32.const 68) (i32.const %d)) (i32.const 64))\n"
             INIT TEARDOWN ")\n"
             "(core instance $i (instantiate $m (with \"libc\" (instance $libc))))\n", MANY, MANY, MANY);
  add(&text, "(type $cases0 (variant");
  for (int i = 0; i < 1000; i++) add(&text, " (case \"case-%d\")", i);
  add(&text, "))\n(type $flags0 (flags");
  for (int i = 0; i < 32; i++) add(&text, " \"f%d\"", i);
  add(&text, "))\n(export $cases \"cases\" (type $cases0)) (export $flags \"flags\" (type $flags0))\n");
  for (int i = 0; i < LISTS; i++)
    add(&text, "(func $put-%s (param \"v\" %s) (canon lift (core func $i \"put\") " OPTIONS "))\n"
               "(func $get-%s (result %s) (canon lift (core func $i \"%s\") " OPTIONS "))\n",
        lists[i].name, lists[i].type, lists[i].name, lists[i].type, i == 5 ? "get-cases" : "get");
  add(&text, "(instance $values (export \"cases\" (type $cases)) (export \"flags\" (type $flags))\n");
  for (int i = 0; i < LISTS; i++)
    add(&text, "  (export \"put-%s\" (func $put-%s)) (export \"get-%s\" (func $get-%s))\n", lists[i].name, lists[i].name,
        lists[i].name, lists[i].name);
  add(&text, ") (export \"acme:work/values@1.0.0\" (instance $values))\n" LIFE_WITH("$realloc") ")");
  return linked_from(engine, &text, NULL);
}

static void values(const torvyn_engine_t *engine) {
  torvyn_linked_t *linked = valued(engine);
  char name[64];
  part("values");
  for (int i = 0; i < 2 * LISTS; i++) {
    call_t call = {i / 2, i % 2};
    work_t work = {name, linked, {0}, call_values, &call, 1};
    snprintf(name, sizeof name, "%d %s %s", MANY, lists[i / 2].name, call.takes ? "taken" : "given");
    is_stopped(&work);
  }
  torvyn_linked_free(linked);
}

/* ---- outputs and ports ------------------------------------------------------------------- */

static int call_flush(torvyn_instance_t *instance, void *user) {
  torvyn_outputs_t *outs = NULL;
  int status = torvyn_flush(instance, &outs, NULL);
  (void)user;
  torvyn_outputs_free(outs);
  return status;
}

static int call_route(torvyn_instance_t *instance, void *user) {
  torvyn_element_t e = {0, 0, {NULL, 0}, {(const uint8_t *)"x", 1}, NULL};
  torvyn_ports_t ports;
  (void)user;
  return torvyn_route(instance, &e, &ports, NULL);
}

/* A processor that takes what it may, by the element's number; an aggregator that gives up to 60000
 * outputs, and a router to up to 131072 ports. */
static torvyn_linked_t *hoarder(const torvyn_engine_t *engine) {
  text_t text = {0};
  ADD(&text, "(component\n", CONTRACT, LIBC_OF_MIBS("640"), LOWERED, "  (core module $m\n", IMPORTED, ANSWERS,
      "    (func (export \"process\") " ELEMENT " (local $n i32)\n"
      "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5))\n"
      "      (if (i64.eqz (local.get 0)) (then (loop $l (call $allocate (i64.const 16) (i32.const 64))\n"
      "        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))))\n"
      "      (if (i64.eq (local.get 0) (i64.const 1)) (then\n"
      "        (drop (memory.grow (i32.const 1408))) (memory.fill (i32.const 0) (i32.const 0) (i32.const 134217728))\n"
      "        (i32.store8 (i32.const 264) (i32.const 1))))\n"
      "      (i32.const 256))\n"
      "    (func (export \"ingest\") " ELEMENT " (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) (i32.const 600))\n"
      "    (func (export \"flush\") (result i32) (local $n i32) (local $at i32)\n"
      "      (loop $l (call $allocate (i64.const 16) (i32.const 64)) (if (i32.load8_u (i32.const 64)) (then unreachable))\n"
      "        (local.set $at (i32.add (i32.const 2097152) (i32.mul (local.get $n) (i32.const 32))))\n"
      "        (i32.store offset=24 (local.get $at) (call $freeze (i32.load (i32.const 68))))\n"
      "        (call $drop-mutable (i32.load (i32.const 68)))\n"
      "        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000))))\n"
      "      (i32.store (i32.const 620) (i32.const 2097152)) (i32.store (i32.const 624) (local.get $n)) (i32.const 616))\n"
      "    (func (export \"route\") " ELEMENT "\n"
      "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5))\n"
      "      (i32.store (i32.const 620) (i32.const 2097152)) (i32.store (i32.const 624) (i32.const 131072)) (i32.const 616)))\n",
      "  (core instance $i (instantiate $m " WITH "))\n", PROCESSOR, ROUTER, AGGREGATOR, ")");
  return linked_from(engine, &text, NULL);
}

/* ---- the end of an instance ------------------------------------------------------------------ */

/* How long the system takes for the same alone: memory that was used and blocks, given back. */
static uint64_t given_back(size_t blocks, size_t size) {
  void **all = malloc(blocks * sizeof *all);
  uint64_t took;
  CHECK(all != NULL);
  for (size_t i = 0; i < blocks; i++) {
    CHECK((all[i] = malloc(size)) != NULL);
    for (size_t at = 0; at < size; at += 4096) ((volatile char *)all[i])[at] = 1;
  }
  took = used_ns();
  for (size_t i = 0; i < blocks; i++) free(all[i]);
  took = used_ns() - took;
  free(all);
  return took;
}

/* What an instance holds is dropped with it, and when it is made anew: that takes next to no longer. */
static void ends(torvyn_linked_t *linked, const char *name, uint64_t number, size_t blocks, size_t size) {
  torvyn_element_t e = {number, 0, {NULL, 0}, {NULL, 0}, NULL};
  check_doing = name;
  for (int resets = 0; resets < 2; resets++) {
    tries_t tries = {0, 0, 0};
    while (again(&tries)) {
      uint64_t took, alone;
      torvyn_instance_t *instance = instance_of(linked, 1, NULL);
      torvyn_output_t out;
      EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(instance, &e, &out, &err));
      took = used_ns();
      if (resets) OK(torvyn_instance_reset(instance, &err));
      else torvyn_instance_free(instance);
      took = used_ns() - took;
      if (resets) torvyn_instance_free(instance);
      alone = given_back(blocks, size) + blocks * (MS / 1000) * check_slow();
      tried(&tries, took > alone ? took - alone : 0);
    }
    judge(name, resets ? "reset" : "free", tries.best, tries.in_time, TORVYN_OK, TORVYN_OK);
  }
}

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  for (int i = 0; i < 2; i++) {
    torvyn_engine_t *engine;
    torvyn_linked_t *linked;
    path = paths[i];
    engine = engine_here();
    instantiation(engine);
    glue(engine);
    if (path == TORVYN_PATH_GENERAL) values(engine);
    part("outputs and ports");
    linked = hoarder(engine);
    work_t many[] = {{"60000 outputs", linked, {0}, call_flush, NULL, 1}, {"131072 ports", linked, {0}, call_route, NULL, 1}};
    for (int k = 0; k < 2; k++) is_stopped(&many[k]);
    part("the end of an instance");
    ends(linked, "20000 buffers", 0, 20000, 4096);
    ends(linked, "128 MiB of memory", 1, 1, 128 * MIB);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
  part("");
  CHECK(late_kinds == 0);
  return check_end();
}
