/* Memory: linear memory, tables, host buffers, handles and slots have limits, and what an
 * instance uses is told to the page. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

static torvyn_path_t path; /* under test */

static torvyn_engine_config_t config(void) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path};
  return c;
}

static torvyn_instance_options_t options(void) {
  torvyn_instance_options_t o = {.struct_size = sizeof o};
  return o;
}

static void again(torvyn_instance_t *instance) {
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "echo:again", "again");
}

static void limits(void) {
  torvyn_engine_config_t c = config();
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_linked_t *linked = linked_of(engine, "misbehave");
  torvyn_instance_options_t o = options();
  torvyn_instance_t *instance;
  torvyn_element_t e = element("grow");
  torvyn_output_t out;
  char pages[32];

  part("memory: refused at the limit, to the page");
  o.refuse_growth = TORVYN_ON;
  for (uint64_t limit = 8; limit <= 300; limit = limit * 3 + 1) {
    o.memory_limit = limit * PAGE + (limit % 2 ? PAGE - 1 : 0); /* a part of a page is none */
    instance = instance_of(linked, 1, &o);
    OK(torvyn_init(instance, str(""), &err));
    CHECK(memory_of(instance).linear == 2 * PAGE && memory_of(instance).buffers == 0);
    snprintf(pages, sizeof pages, "%" PRIu64, limit);
    emits(instance, "grow", pages);
    CHECK(memory_of(instance).linear == limit * PAGE && stats_of(instance).linear_bytes == limit * PAGE);
    CHECK(stats_of(instance).memory_limits == 0);
    gives(instance, "alloc", TORVYN_ERROR_TRAP); /* it cannot go on, and says so itself */
    again(instance);
    torvyn_instance_free(instance);
  }
  o.memory_limit = 0; /* the default: 16 MiB */
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "grow", "256");
  torvyn_instance_free(instance);

  part("memory: the call ends at the limit");
  o.refuse_growth = TORVYN_DEFAULT;
  o.memory_limit = 1 << 20;
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  EXPECT_TEXT(TORVYN_ERROR_MEMORY, "1048576", torvyn_process(instance, &e, &out, &err));
  CHECK(memory_of(instance).linear <= 1 << 20 && stats_of(instance).memory_limits == 1);
  again(instance);
  gives(instance, "alloc", TORVYN_ERROR_MEMORY);
  again(instance);
  torvyn_instance_free(instance);

  part("buffers: a limit of bytes, told to the component");
  o = options();
  o.buffer_limit = 16 * 4096;
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  e = element("hold-many");
  EXPECT_TEXT(TORVYN_ERROR_UNAVAILABLE, "16 held, then ", torvyn_process(instance, &e, &out, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  CHECK(memory_of(instance).buffers == 16 * 4096 && stats_of(instance).buffer_bytes == 16 * 4096);
  CHECK(stats_of(instance).buffer_bytes_peak == 16 * 4096);
  gives(instance, "echo:x", TORVYN_ERROR_UNAVAILABLE);
  OK(torvyn_instance_reset(instance, &err));
  CHECK(memory_of(instance).buffers == 0);
  OK(torvyn_init(instance, str(""), &err));
  gives(instance, "hold", TORVYN_NOTHING_EMITTED);
  CHECK(memory_of(instance).buffers == 4096);
  emits(instance, "hold-frozen", "held");
  CHECK(memory_of(instance).buffers == 4096); /* the frozen handle holds no bytes */
  gives(instance, "oom-out", TORVYN_ERROR_UNAVAILABLE);
  torvyn_instance_free(instance);

  part("buffers: 16 MiB at most, and all of that");
  instance = instance_of(linked, 1, NULL);
  OK(torvyn_init(instance, str(""), &err));
  e = element("oom-out");
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len == TORVYN_MAX_PAYLOAD && out.bytes.data[0] == 'x' && out.bytes.data[out.bytes.len - 1] == 'x');
  CHECK(memory_of(instance).buffers == 0); /* the caller's now */
  torvyn_output_release(&out);
  e = element("bigalloc");
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len > 2 && !bytes_are(out.bytes, "ok"));
  torvyn_output_release(&out);
  torvyn_instance_free(instance);

  part("handles: a limit");
  o = options();
  o.max_handles = 100;
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  e = element("hold-many");
  EXPECT_TEXT(TORVYN_ERROR_UNAVAILABLE, "100 held, then ", torvyn_process(instance, &e, &out, &err));
  CHECK(memory_of(instance).buffers == 100 * 4096);
  torvyn_instance_free(instance);
  o.max_handles = 8;
  instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  int status = TORVYN_OK, kept = 0;
  for (; status == TORVYN_OK && kept < 100; kept++) {
    e = element("hold-frozen"); /* keeps one handle of its own each time */
    status = torvyn_process(instance, &e, &out, NULL);
    torvyn_output_release(&out);
  }
  /* freeze has no error of its own, or the next allocation is refused and it traps */
  CHECK(status == TORVYN_ERROR_MEMORY || status == TORVYN_ERROR_TRAP);
  CHECK(kept >= 6 && kept <= 9);
  printf("    %d kept, then %s\n", kept - 1, torvyn_status_name(status));
  torvyn_instance_free(instance);

  part("limits that the component cannot begin with");
  for (int refuse = 0; refuse < 2; refuse++) {
    o = options();
    o.refuse_growth = refuse ? TORVYN_ON : TORVYN_OFF;
    o.memory_limit = PAGE;
    instance = STALE;
    EXPECT_TEXT(TORVYN_ERROR_MEMORY, "memory_limit", torvyn_instance_new(linked, 1, &o, &instance, &err));
    CHECK(instance == NULL);
    o.memory_limit = 0;
    o.table_limit = 1;
    instance = STALE;
    EXPECT_TEXT(TORVYN_ERROR_MEMORY, "table_limit", torvyn_instance_new(linked, 1, &o, &instance, &err));
    CHECK(instance == NULL);
  }
  o = options();
  o.instance_limit = 2; /* it has a shim and what fills that, on either path */
  instance = STALE;
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, "instance_limit", torvyn_instance_new(linked, 1, &o, &instance, &err));
  CHECK(instance == NULL);
  o.instance_limit = 3;
  torvyn_instance_free(instance_of(linked, 1, &o));
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);

  part("pool: no more instances than slots");
  c.pool_instances = 3;
  engine = engine_with(&c);
  linked = linked_of(engine, "upper-case");
  torvyn_instance_t *slots[4];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 3; i++) slots[i] = instance_of(linked, 1, NULL);
    slots[3] = STALE;
    EXPECT(TORVYN_ERROR_INSTANTIATION, torvyn_instance_new(linked, 1, NULL, &slots[3], &err));
    CHECK(slots[3] == NULL);
    OK(torvyn_instance_reset(slots[0], &err)); /* keeps its slot */
    for (int i = 0; i < 3; i++) {
      emits(slots[i], "a", "A");
      torvyn_instance_free(slots[i]);
    }
  }
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* `interpreter.wat` says what the bytes mean. A word of four bytes: */
#define WORD(n) 0xe0, (n) & 255, (n) >> 8 & 255, (n) >> 16 & 255, (n) >> 24 & 255
#define PROGRAM(name, ...) static const uint8_t name[] = {29, 31, 7 /* 2 MiB of zeros from 64 KiB */, __VA_ARGS__}
/* Processes a program, with a content type of so many bytes. */
#define RUN(name, type) run(instance, name, sizeof name, type, 0)
#define ROUTE(name) run(instance, name, sizeof name, 0, 1)

/* The status; where it is no error, what came is as long as it was said to be. */
static int run(torvyn_instance_t *instance, const uint8_t *program, size_t len, size_t type, int routes) {
  static char text[8192];
  torvyn_element_t e = {.payload = {program, len}, .content_type = {text, type}};
  torvyn_output_t out = {0};
  torvyn_ports_t ports = {0};
  torvyn_error_t *err = NULL;
  memset(text, 'x', sizeof text);
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str(""), &err));
  int status = routes ? torvyn_route(instance, &e, &ports, &err) : torvyn_process(instance, &e, &out, &err);
  CHECK(torvyn_instance_state(instance) ==
        (status < 0 && status != TORVYN_ERROR_UNAVAILABLE ? TORVYN_STATE_POISONED : TORVYN_STATE_READY));
  if (status == TORVYN_ERROR_MEMORY) {
    const char *says = torvyn_error_message(err).data;
    CHECK(strstr(says, routes ? "1048576 bytes" : "4096") || strstr(says, "65537 bytes: at most 65536"));
  }
  for (size_t i = 0; i < ports.len; i++) CHECK(ports.names[i].len == ports.names[0].len);
  torvyn_output_release(&out);
  torvyn_error_free(err);
  return status;
}

static void texts(void) {
  torvyn_engine_config_t c = config();
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_linked_t *linked = linked_of(engine, "interpreter");
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);

  part("texts: a content type is short, or as long as the element's");
  PROGRAM(set_4096, 18, 0, 16, 9, 2, WORD(65536), WORD(4096));
  PROGRAM(set_4097, 18, 0, 16, 9, 2, WORD(65536), WORD(4097));
  PROGRAM(set_1m, 18, 0, 16, 9, 2, WORD(65536), WORD(1 << 20));
  PROGRAM(emit_4096, 22, 2, 0x96, 10, 34, 4, 5, 6, WORD(65536), WORD(4096));
  PROGRAM(emit_4097, 22, 2, 0x96, 10, 34, 4, 5, 6, WORD(65536), WORD(4097));
  CHECK(RUN(set_4096, 0) >= 0 && RUN(set_4097, 4097) >= 0);
  CHECK(RUN(set_4097, 4096) == TORVYN_ERROR_MEMORY && RUN(set_1m, 8192) == TORVYN_ERROR_MEMORY);
  CHECK(RUN(emit_4096, 0) == TORVYN_OK && RUN(emit_4097, 4097) == TORVYN_OK);
  CHECK(RUN(emit_4097, 0) == TORVYN_ERROR_MEMORY);

  part("texts: names of ports may not lie on each other beyond 1 MiB");
#define EIGHT(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
  PROGRAM(long_names, EIGHT(37, WORD(65536), WORD((1 << 17) - 8)));
  PROGRAM(too_long, EIGHT(37, WORD(65536), WORD((1 << 17) - 7)));
  PROGRAM(many_names, 38, WORD(65536), WORD(1 << 17));
  PROGRAM(too_many, 38, WORD(65536), WORD((1 << 17) + 1));
  CHECK(ROUTE(long_names) == TORVYN_OK && ROUTE(many_names) == TORVYN_OK);
  CHECK(ROUTE(too_long) == TORVYN_ERROR_MEMORY && ROUTE(too_many) == TORVYN_ERROR_MEMORY);

  part("texts: that of an error is 64 KiB at most");
  PROGRAM(error_64k, 35, 1, WORD(65536), WORD(65536));
  PROGRAM(error_more, 35, 1, WORD(65536), WORD(65537));
  PROGRAM(error_out, 35, 1, WORD(0x7fffffff), WORD(65537)); /* bounds come first */
  CHECK(RUN(error_64k, 0) == TORVYN_ERROR_UNAVAILABLE && ROUTE(error_64k) == TORVYN_ERROR_UNAVAILABLE);
  CHECK(RUN(error_more, 0) == TORVYN_ERROR_MEMORY && ROUTE(error_more) == TORVYN_ERROR_MEMORY);
  CHECK(RUN(error_out, 0) == TORVYN_ERROR_TRAP);

  part("texts: too long before no UTF-8");
#define BAD 27, WORD(65536), 63, 27, WORD(65536), WORD(255)
  PROGRAM(bad_error, BAD, 35, 1, WORD(65536), WORD(65536));
  PROGRAM(bad_more, BAD, 35, 1, WORD(65536), WORD(65537));
  PROGRAM(bad_4096, BAD, 22, 2, 0x96, 10, 34, 4, 5, 6, WORD(65536), WORD(4096));
  PROGRAM(bad_4097, BAD, 22, 2, 0x96, 10, 34, 4, 5, 6, WORD(65536), WORD(4097));
  PROGRAM(bad_name, BAD, EIGHT(37, WORD(65536), WORD(8)));
  PROGRAM(bad_names, BAD, 37, WORD(65536), WORD((1 << 20) - 7));
  PROGRAM(bad_then_many, BAD, 37, WORD(65536), WORD(8), 37, WORD(65544), WORD(1 << 20));
  PROGRAM(many_then_bad, BAD, 37, WORD(65544), WORD(1 << 20), 37, WORD(65536), WORD(8));
  CHECK(RUN(bad_error, 0) == TORVYN_ERROR_TRAP && RUN(bad_more, 0) == TORVYN_ERROR_MEMORY);
  CHECK(RUN(bad_4096, 0) == TORVYN_ERROR_TRAP && RUN(bad_4097, 0) == TORVYN_ERROR_MEMORY);
  CHECK(RUN(bad_4097, 4097) == TORVYN_ERROR_TRAP);
  CHECK(ROUTE(bad_name) == TORVYN_ERROR_TRAP && ROUTE(bad_names) == TORVYN_ERROR_MEMORY);
  CHECK(ROUTE(bad_then_many) == TORVYN_ERROR_TRAP && ROUTE(many_then_bad) == TORVYN_ERROR_MEMORY);

  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* A component with these core modules besides its own, whose memory starts with
 * `pages` pages and whose init asks for 16384 more. */
static torvyn_linked_t *grower(const torvyn_engine_t *engine, const char *modules, const char *pages) {
  static const char text[] =
      "(component\n"
      TYPES
      "  %s\n"
      "  (core module $m (memory (export \"memory\") %s)\n"
      REALLOC TEARDOWN
      "    (func (export \"init\") (param i32 i32) (result i32)\n"
      "      (drop (memory.grow (i32.const 16384))) i32.const 0))\n"
      "  (core instance $i (instantiate $m))\n"
      LIFE ")\n";
  static char full[4096];
  int len = snprintf(full, sizeof full, text, modules, pages);
  CHECK(len > 0 && (size_t)len < sizeof full);
  return linked_once(component_from(engine, full), NULL);
}

/* The default limit follows what an instance starts with, but not wherever that goes. */
static void defaults(void) {
  static const struct {
    const char *modules, *pages;
    const char *limit; /* at which init ends, where there is an instance at all */
    int starts;
  } cases[] = {
      {"", "1", "16777216", 1},
      {"", "128", "16777216", 1},
      {"", "129", "25231360", 1},
      {"", "1024", "83886080", 1},
      {"", "1025", "16777216", 0},
      /* What is not instantiated starts with nothing. */
      {"(core module $unused (memory 65535))", "1", "16777216", 1},
      {"(core module $used (memory 1000)) (core instance (instantiate $used))", "24", "83886080", 1},
      {"(core module $used (memory 1000)) (core instance (instantiate $used)) (core instance (instantiate $used))", "24",
       "16777216", 0},
      /* Together 2^64 bytes. */
      {"(core module $huge (memory i64 0x800000000000)) (core instance (instantiate $huge))\n"
       "(core instance (instantiate $huge))", "1", "16777216", 0},
  };
  torvyn_engine_config_t c = config();
  torvyn_engine_t *engine = engine_with(&c);
  part("memory: the limit where none is set");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_linked_t *linked = grower(engine, cases[i].modules, cases[i].pages);
    torvyn_instance_options_t o = options();
    torvyn_instance_t *instance = STALE;
    if (cases[i].starts) {
      instance = instance_of(linked, 1, NULL);
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, cases[i].limit, torvyn_init(instance, str(""), &err));
      torvyn_instance_free(instance);
    } else {
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, cases[i].limit, torvyn_instance_new(linked, 1, NULL, &instance, &err));
      CHECK(instance == NULL);
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, "memory_limit", torvyn_instance_new(linked, 1, NULL, &instance, &err));
    }
    if (strstr(cases[i].modules, "$huge") == NULL) {
      o.memory_limit = 1 << 30; /* its own limit is enough for any of them to start */
      instance = instance_of(linked, 1, &o);
      EXPECT_TEXT(TORVYN_ERROR_MEMORY, "1073741824", torvyn_init(instance, str(""), &err));
      torvyn_instance_free(instance);
    }
    torvyn_linked_free(linked);
  }
  torvyn_engine_free(engine);
}

/* A pool that can be had works with any other field; one that cannot says so. */
static void pools(void) {
  torvyn_engine_config_t fields[] = {
      {.pool_keep_resident = UINT64_MAX},
      {.explicit_traps = TORVYN_ON},
      {.explicit_traps = TORVYN_ON, .memory_limit = 1 << 20},
      {.memory_reservation = 1},
      {.memory_reservation = 1, .memory_limit = 100 * PAGE + 1},
  };
  torvyn_engine_t *engine = STALE;
  torvyn_engine_config_t c = config();
  part("pool: with the other fields");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    torvyn_linked_t *linked;
    fields[i].struct_size = sizeof fields[i];
    fields[i].path = path;
    fields[i].pool_instances = 2;
    engine = engine_with(&fields[i]);
    linked = linked_of(engine, "misbehave");
    for (int n = 0; n < 3; n++) {
      torvyn_instance_t *instance = instance_of(linked, 1, NULL);
      OK(torvyn_init(instance, str(""), &err));
      emits(instance, "echo:x", "x");
      gives(instance, "alloc", TORVYN_ERROR_MEMORY); /* up to its limit */
      torvyn_instance_free(instance);
    }
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
  part("pool: a component that is larger than a slot");
  c.pool_instances = 2;
  for (int i = 0; i < 2; i++) {
    torvyn_component_t *component = STALE;
    c.memory_limit = i ? 0 : PAGE;
    c.table_limit = i ? 1 : 0;
    engine = engine_with(&c);
    EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, i ? "`table_limit`" : "`memory_limit`",
                torvyn_component_compile_file(engine, guest_path("misbehave.wasm"), &component, &err));
    CHECK(component == NULL);
    torvyn_engine_free(engine);
  }
  c = config();
  part("pool: more slots than there is room for");
  c.pool_instances = 100000;
  c.memory_limit = UINT64_C(4) << 30;
  EXPECT_TEXT(TORVYN_ERROR_CONFIG, "`pool_instances`", torvyn_engine_new(&c, &engine, &err));
  CHECK(engine == NULL);
}

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  for (int i = 0; i < 2; i++) {
    printf("%s path\n", i ? "general" : "direct");
    path = paths[i];
    limits();
    texts();
    defaults();
    if (i == 0 || check_slow() < 20) pools(); /* it compiles a lot, to meet little of the path */
  }
  return check_end();
}
