/* What the library holds for a component: every kind of it is counted, to the byte, in what an instance uses
 * and against `buffer_limit`, on both paths alike; what the system has no memory for is refused; and what is
 * copied for a component uses fuel. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "contract.h"

#define CAPACITY UINT64_C(4096) /* of the smallest buffer */
#define ROOM UINT64_C(64)       /* what of a content type does not count */
#define LONG UINT64_C(4000)     /* a content type */
#define COUNTED (CAPACITY + LONG - ROOM)

/* Does `body` with a new buffer `$h` until there are so many, or no more to be had. */
#define TIMES(count, body)                                                                                        \
  "(loop $again (local.set $h (call $new)) (if (local.get $h) (then " body                                       \
  " (global.set $n (i32.add (global.get $n) (i32.const 1)))"                                                     \
  " (br_if $again (i32.lt_u (global.get $n) (i32.const " count "))))))"
/* The text of so many zeros, which is one. */
#define SET(len) "(call $set (local.get $h) (i32.const 131072) (i32.const " len "))"
/* An output with such a content type. */
#define OUTPUT(len)                                                                                               \
  "(local.set $at (i32.add (i32.const 262144) (i32.shl (global.get $n) (i32.const 5))))"                         \
  "(i32.store offset=16 (local.get $at) (i32.const 131072)) (i32.store offset=20 (local.get $at) (i32.const " len ")) " \
  "(i32.store offset=24 (local.get $at) (call $freeze (local.get $h))) (call $drop-mutable (local.get $h))"

/* A component that does this in `init`, with an element, and to flush. */
static torvyn_linked_t *hoarder(const torvyn_engine_t *engine, const char *init, const char *ingest, const char *flush) {
  const char *text = WAT(
      "(component\n", CONTRACT, LIBC("64"), LOWERED,
      "  (core module $m\n", IMPORTED, NEW_BUFFER,
      "    (global $n (mut i32) (i32.const 0))\n"
      "    (func (export \"init\") (param i32 i32) (result i32) (local $h i32) ", init, " i32.const 128)\n" TEARDOWN
      "    (func (export \"ingest\") " ELEMENT " (local $h i32) ", ingest,
      "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) i32.const 1024)\n"
      "    (func (export \"flush\") (result i32) (local $h i32) (local $at i32) (global.set $n (i32.const 0)) ", flush,
      "      (i32.store (i32.const 2052) (i32.const 262144)) (i32.store (i32.const 2056) (global.get $n))\n"
      "      i32.const 2048))\n"
      "  (core instance $i (instantiate $m " WITH "))\n", AGGREGATOR, LIFE_WITH("$realloc"), ")\n");
  return linked_once(component_from(engine, text), NULL);
}

static torvyn_instance_t *limited(const torvyn_linked_t *linked, uint64_t limit) {
  torvyn_instance_options_t o = {.struct_size = sizeof o, .buffer_limit = limit, .fuel = 100000000};
  return instance_of(linked, 1, &o);
}

/* What `init` comes to within this limit; where it holds: so much then. */
static void holds(const torvyn_linked_t *linked, uint64_t limit, int status, uint64_t held) {
  torvyn_instance_t *instance = limited(linked, limit);
  if (status == TORVYN_OK) {
    OK(torvyn_init(instance, str(""), &err));
    CHECK(memory_of(instance).buffers == held && stats_of(instance).buffer_bytes == held);
    CHECK(stats_of(instance).buffer_bytes_peak >= held);
  } else {
    EXPECT_TEXT(status, "`buffer_limit`", torvyn_init(instance, str(""), &err));
    CHECK(stats_of(instance).memory_limits == 1 && torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
    CHECK(memory_of(instance).buffers <= limit && stats_of(instance).buffer_bytes_peak <= limit);
  }
  torvyn_instance_free(instance);
}

static void content_types(const torvyn_engine_t *engine) {
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  torvyn_output_t out;
  char *text = calloc(1, 1 << 20);
  torvyn_element_t e = {.content_type = {text, 256 << 10}};
  CHECK(text != NULL);

  part("content types: counted, and refused where they are too much");
  linked = hoarder(engine, TIMES("100", SET("4000")), "", "");
  holds(linked, 0, TORVYN_OK, 100 * COUNTED);
  holds(linked, 100 * COUNTED, TORVYN_OK, 100 * COUNTED);
  holds(linked, 50 * COUNTED, TORVYN_OK, 50 * COUNTED); /* the next buffer is refused */
  holds(linked, 50 * COUNTED + CAPACITY - 1, TORVYN_OK, 50 * COUNTED);
  holds(linked, 50 * COUNTED + CAPACITY, TORVYN_ERROR_MEMORY, 0); /* the next content type */
  holds(linked, 51 * COUNTED - 1, TORVYN_ERROR_MEMORY, 0);
  torvyn_linked_free(linked);
  linked = hoarder(engine, TIMES("100", SET("64")), "", "");
  holds(linked, 100 * CAPACITY, TORVYN_OK, 100 * CAPACITY);
  torvyn_linked_free(linked);
  linked = hoarder(engine, TIMES("100", SET("4000") SET("70") SET("4001") SET("65")), "", "");
  holds(linked, 0, TORVYN_OK, 100 * (CAPACITY + 1));
  torvyn_linked_free(linked);
  linked = hoarder(engine, TIMES("100", SET("4000") "(call $drop-mutable (local.get $h))"), "", "");
  holds(linked, 2 * CAPACITY, TORVYN_OK, 0);
  torvyn_linked_free(linked);
  linked = hoarder(engine, TIMES("9", SET("4000") "(drop (call $freeze (local.get $h)))"), "", "");
  holds(linked, 0, TORVYN_OK, 9 * COUNTED);
  torvyn_linked_free(linked);

  part("content types: the configuration allows no longer ones, an element's does");
  linked = hoarder(engine, TIMES("3", "(call $set (local.get $h) (local.get 0) (local.get 1))"),
                   TIMES("1003", "(call $set (local.get $h) (local.get 2) (local.get 3))"), "");
  instance = limited(linked, 0);
  EXPECT_TEXT(TORVYN_ERROR_MEMORY, "4097 bytes: at most 4096", torvyn_init(instance, (torvyn_str_t){text, 4097}, &err));
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, (torvyn_str_t){text, 4096}, &err));
  CHECK(memory_of(instance).buffers == 3 * (2 * CAPACITY - ROOM));
  EXPECT_TEXT(TORVYN_ERROR_MEMORY, "`buffer_limit`", torvyn_ingest(instance, &e, &out, &err));
  CHECK(stats_of(instance).buffer_bytes_peak > 60 << 20 && stats_of(instance).buffer_bytes_peak <= 64 << 20);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  free(text);
}

static void handles(const torvyn_engine_t *engine) {
  part("handles: those beyond 1024 are not for nothing");
  /* What is left of a buffer that was frozen and dropped: a handle. */
  torvyn_linked_t *linked = hoarder(engine, TIMES("5000", "(call $drop-buffer (call $freeze (local.get $h)))"), "", "");
  holds(linked, 0, TORVYN_OK, 4 * 1024 * 64); /* the table grows by as many at once */
  holds(linked, 64 << 10, TORVYN_ERROR_MEMORY, 0); /* `freeze` cannot be refused */
  torvyn_linked_free(linked);
}

static void outputs(const torvyn_engine_t *engine) {
  torvyn_linked_t *linked = hoarder(engine, "", "", TIMES("100", OUTPUT("4000")));
  part("outputs: with their content types, until the call returns");
  for (uint64_t less = 0; less < 2; less++) {
    torvyn_instance_t *instance = limited(linked, 100 * COUNTED - less);
    torvyn_outputs_t *list = STALE;
    torvyn_output_t out;
    OK(torvyn_init(instance, str(""), &err));
    if (less) {
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, "`buffer_limit`", torvyn_flush(instance, &list, &err));
      CHECK(list == NULL);
    } else {
      OK(torvyn_flush(instance, &list, &err));
      CHECK(torvyn_outputs_count(list) == 100);
      CHECK(memory_of(instance).buffers == 0 && stats_of(instance).buffer_bytes_peak == 100 * COUNTED);
      OK(torvyn_outputs_take(list, 99, &out, &err));
      CHECK(out.content_type.len == LONG);
      torvyn_output_release(&out);
    }
    torvyn_outputs_free(list);
    torvyn_instance_free(instance);
  }
  torvyn_linked_free(linked);
}

/* `interpreter.wat` says what the bytes mean: 2 MiB of memory, then 2^17 empty names. */
static void names(const torvyn_engine_t *engine) {
  static const uint8_t many[] = {29, 31, 7, 38, 0xe0, 0, 0, 1, 0, 0xe0, 0, 0, 2, 0}, none[] = {0};
  static const uint64_t takes = (UINT64_C(24) << 17) - 4096;
  torvyn_linked_t *linked = linked_of(engine, "interpreter");
  torvyn_element_t e = {.payload = {many, sizeof many}};
  torvyn_ports_t ports;
  part("names of ports: until the next answer");
  for (uint64_t less = 0; less < 2; less++) {
    torvyn_instance_t *instance = limited(linked, takes - less);
    OK(torvyn_init(instance, str(""), &err));
    e.payload = (torvyn_bytes_t){many, sizeof many};
    if (less) {
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, "`buffer_limit`", torvyn_route(instance, &e, &ports, &err));
    } else {
      OK(torvyn_route(instance, &e, &ports, &err));
      CHECK(ports.len == 1 << 17 && memory_of(instance).buffers == takes);
      OK(torvyn_route(instance, &e, &ports, &err));
      CHECK(ports.len == 1 << 17 && memory_of(instance).buffers == takes);
      e.payload = (torvyn_bytes_t){none, sizeof none};
      OK(torvyn_route(instance, &e, &ports, &err));
      CHECK(ports.len == 0 && memory_of(instance).buffers == 0);
    }
    torvyn_instance_free(instance);
  }
  torvyn_linked_free(linked);
}

static uint64_t fuel_of(torvyn_instance_t *instance, const torvyn_element_t *e) {
  uint64_t before = stats_of(instance).fuel_used;
  torvyn_output_t out;
  EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(instance, e, &out, &err));
  return stats_of(instance).fuel_used - before;
}

static void copies(torvyn_path_t path) {
  static const struct {
    const char *what, *does;
    int parts; /* of the element's, that it copies beside the call's own copy of the content type */
  } cases[] = {
      {"nothing", "", 0},
      {"read-all", "(call $read-all (local.get 4) (i32.const 64))", 1},
      {"read", "(call $read (local.get 4) (i64.const 1) (i64.const -1) (i32.const 64))", 1},
      {"type", "(call $type (local.get 4) (i32.const 64))", 1},
      {"clone", "(call $clone (local.get 4) (i32.const 64))", 1},
      {"trace-id", "(call $trace (local.get 5) (i32.const 64))", 1},
      {"span-id", "(call $span (local.get 5) (i32.const 64))", 1},
      {"flow-id", "(call $id (local.get 5) (i32.const 64))", 1},
      {"append",
       "(call $allocate (i64.const 1048576) (i32.const 64))"
       "(call $append (i32.load (i32.const 68)) (i32.const 131072) (i32.const 1000000) (i32.const 64))", 1},
      {"write",
       "(call $allocate (i64.const 1048576) (i32.const 64))"
       "(call $write (i32.load (i32.const 68)) (i64.const 0) (i32.const 131072) (i32.const 1000000) (i32.const 64))", 1},
      {"set-content-type", "(call $set (call $new) (i32.const 131072) (i32.const 1000000))", 1},
      {"has-capability", "(drop (call $has (i32.const 131072) (i32.const 1000000)))", 1},
      {"what is refused", "(call $append (call $new) (i32.const 131072) (i32.const 1000000) (i32.const 64))", 0},
  };
  const uint64_t size = 1000000;
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path, .fuel = TORVYN_ON};
  torvyn_engine_t *engine = engine_with(&config);
  char *bytes = calloc(1, size);
  torvyn_str_t text = {bytes, size};
  torvyn_flow_t flow = {.trace_id = text, .span_id = text, .flow_id = text};
  torvyn_element_t e = {.content_type = text, .payload = {(const uint8_t *)bytes, size}, .flow = &flow};
  torvyn_instance_options_t o = {.struct_size = sizeof o, .fuel = size};
  torvyn_output_t out;
  CHECK(bytes != NULL);
  part("fuel: a unit for each byte that is copied");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_linked_t *linked = hoarder(engine, "", cases[i].does, "");
    torvyn_instance_t *instance = limited(linked, 0);
    check_doing = cases[i].what;
    OK(torvyn_init(instance, str(""), &err));
    uint64_t used = fuel_of(instance, &e), wanted = size * (unsigned)(1 + cases[i].parts);
    CHECK(used >= wanted - 1 && used < wanted + 1000);
    torvyn_instance_free(instance);
    /* Less than that is not enough. */
    if (cases[i].parts) {
      o.fuel = wanted - 2;
      instance = instance_of(linked, 1, &o);
      OK(torvyn_init(instance, str(""), &err));
      EXPECT(TORVYN_ERROR_FUEL, torvyn_ingest(instance, &e, &out, &err));
      CHECK(stats_of(instance).out_of_fuel == 1 && torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
      CHECK(stats_of(instance).fuel_used <= stats_of(instance).calls * o.fuel);
      torvyn_instance_free(instance);
    }
    torvyn_linked_free(linked);
  }
  check_doing = "parameters and results";
  torvyn_linked_t *linked = hoarder(engine, "", "", TIMES("100", OUTPUT("4000")));
  torvyn_outputs_t *list = NULL;
  o.fuel = size; /* a configuration of that many bytes leaves none for init itself */
  torvyn_instance_t *instance = instance_of(linked, 1, &o);
  EXPECT(TORVYN_ERROR_FUEL, torvyn_init(instance, text, &err));
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str(""), &err));
  uint64_t before = stats_of(instance).fuel_used;
  OK(torvyn_flush(instance, &list, &err));
  torvyn_outputs_free(list);
  before = stats_of(instance).fuel_used - before;
  CHECK(before > 100 * LONG && before < 100 * (LONG + 200));
  torvyn_instance_free(instance);
  o.fuel = before - LONG;
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  EXPECT(TORVYN_ERROR_FUEL, torvyn_flush(instance, &list, &err));
  CHECK(list == NULL);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  free(bytes);
}

/* ---- native components ------------------------------------------------------------- */

static torvyn_str_t emitted;  /* the content type of each output */
static unsigned fits;         /* how many could be emitted */
static torvyn_status_t refused;

static torvyn_status_t flush_much(void *user, void *state, torvyn_native_call_t *call) {
  (void)user, (void)state;
  for (fits = 0; fits < 100; fits++)
    if ((refused = torvyn_native_emit(call, 1, 2, emitted, NULL)) < 0) break;
  return TORVYN_OK;
}

static torvyn_status_t ingest_none(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state, (void)call, (void)e;
  return TORVYN_NOTHING_EMITTED;
}

static void natives(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .ingest = ingest_none, .flush = flush_much};
  torvyn_instance_options_t o = {.struct_size = sizeof o, .buffer_limit = 10 * (CAPACITY + 2 * (LONG - ROOM))};
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_component_t *component = STALE;
  torvyn_linked_t *linked;
  torvyn_outputs_t *list;
  static char text[LONG];
  part("native components: outputs with their content types");
  memset(text, 'x', sizeof text);
  OK(torvyn_component_native(engine, &table, &component, &err));
  linked = linked_once(component, NULL);
  for (uint64_t less = 0; less < 2; less++) {
    o.buffer_limit -= less;
    torvyn_instance_t *instance = instance_of(linked, 1, &o);
    emitted = (torvyn_str_t){text, sizeof text};
    OK(torvyn_flush(instance, &list, &err));
    CHECK(fits == 10 - less && refused == TORVYN_ERROR_MEMORY && torvyn_outputs_count(list) == fits);
    CHECK(stats_of(instance).buffer_bytes_peak <= o.buffer_limit);
    torvyn_outputs_free(list);
    emitted.len = ROOM;
    OK(torvyn_flush(instance, &list, &err));
    CHECK(fits == o.buffer_limit / CAPACITY);
    torvyn_outputs_free(list);
    torvyn_instance_free(instance);
  }
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- no memory --------------------------------------------------------------------- */

static torvyn_status_t append_much(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  EXPECT_TEXT(TORVYN_ERROR_MEMORY, "no memory", torvyn_native_append(call, e->payload.data, e->payload.len, &err));
  return torvyn_native_fail(call, TORVYN_ERROR_UNAVAILABLE, str("as it should be"));
}

static void no_memory(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .ingest = append_much};
  torvyn_component_t *component = STALE;
  torvyn_instance_t *instances[2];
  torvyn_engine_t *engine = engine_with(NULL);
  uint8_t *bytes = calloc(1, 2 << 20);
  torvyn_element_t e = {.payload = {bytes, 2 << 20}};
  torvyn_output_t out;
  CHECK(bytes != NULL);
  OK(torvyn_component_native(engine, &table, &component, &err));
  torvyn_instance_t *native = instance_of(linked_once(component, NULL), 1, NULL);
  for (int i = 0; i < 2; i++)
    instances[i] = ready(engine_on(i ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT), "misbehave", "", NULL);
  for (int i = 0; i < 2; i++) emits(instances[i], "echo:warm", "warm");
  leave(8 << 20);
  CHECK(malloc(16 << 20) == NULL);
  for (int i = 0; i < 2; i++) {
    torvyn_element_t much = element("oom-out"); /* a buffer of 16 MiB, or `unavailable` */
    EXPECT_TEXT(TORVYN_ERROR_UNAVAILABLE, "no memory", torvyn_process(instances[i], &much, &out, &err));
    emits(instances[i], "echo:on", "on");
    CHECK(memory_of(instances[i]).buffers == 0);
  }
  EXPECT_TEXT(TORVYN_ERROR_UNAVAILABLE, "as it should be", torvyn_ingest(native, &e, &out, &err));
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  for (int path = TORVYN_PATH_DIRECT; path <= TORVYN_PATH_GENERAL; path++) {
    torvyn_engine_t *engine = engine_on((torvyn_path_t)path);
    printf("path %d\n", path);
    content_types(engine);
    handles(engine);
    outputs(engine);
    names(engine);
    torvyn_engine_free(engine);
    copies((torvyn_path_t)path);
  }
  natives();
  /* Sanitizers and valgrind map more than that themselves. */
  if (check_slow() == 1) in_child("no memory for a buffer: a refusal", no_memory);
  return check_end();
}
