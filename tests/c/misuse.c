/* Misuse: wrong numbers, wrong sizes, wrong text, too much, at the wrong time; and
 * what is no misuse: freeing in any order. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

static torvyn_engine_t *engine, *other;
static torvyn_component_t *component;
static torvyn_linked_t *linked; /* misbehave */

static torvyn_instance_t *fresh(void) {
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  OK(torvyn_init(instance, str(""), &err));
  return instance;
}

/* ---- numbers ----------------------------------------------------------------- */

static void numbers(void) {
  torvyn_engine_config_t c;
  torvyn_instance_options_t o;
  torvyn_engine_t *e;
  torvyn_instance_t *instance;

  part("numbers: an engine's configuration");
#define BAD(field, value)                                                         \
  do {                                                                            \
    memset(&c, 0, sizeof c);                                                      \
    c.struct_size = sizeof c;                                                     \
    c.field = value;                                                              \
    e = STALE;                                                                    \
    EXPECT_TEXT(TORVYN_ERROR_CONFIG, #field, torvyn_engine_new(&c, &e, &err));    \
    CHECK(e == NULL);                                                             \
  } while (0)
  BAD(fuel, (torvyn_switch_t)3);
  BAD(host_ticks, (torvyn_switch_t)-1);
  BAD(path, (torvyn_path_t)3);
  BAD(tick_ns, 9999);
  BAD(tick_ns, 1000 * MS + 1);
  BAD(timeout_ns, 1);
  BAD(memory_limit, PAGE - 1);
  BAD(memory_limit, ((uint64_t)4 << 30) + 1);
  BAD(buffer_limit, 4095);
  BAD(max_handles, 3);
  BAD(instance_limit, 10001);
  BAD(refuse_growth, (torvyn_switch_t)INT32_MAX);
  BAD(simd, (torvyn_switch_t)INT32_MIN);
  BAD(relaxed_simd, (torvyn_switch_t)4);
  BAD(multi_memory, (torvyn_switch_t)4);
  BAD(optimize, (torvyn_optimize_t)4);
  BAD(parallel_compilation, (torvyn_switch_t)4);
  BAD(explicit_traps, (torvyn_switch_t)4);
  BAD(unwind_info, (torvyn_switch_t)4);
  BAD(guest_stack, (16 << 10) - 1);
  BAD(guest_stack, (64 << 20) + 1);
  BAD(pool_instances, 100001);
  BAD(wasi_threads, 65);
  BAD(log_level, (torvyn_log_level_t)5);
  BAD(log_level, (torvyn_log_level_t)-1);
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c;
  c.simd = TORVYN_OFF, c.relaxed_simd = TORVYN_ON;
  EXPECT_TEXT(TORVYN_ERROR_CONFIG, "simd", torvyn_engine_new(&c, &e, &err));
  /* What no machine has is refused, not fallen over. */
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c;
  c.pool_instances = 100000, c.memory_limit = (uint64_t)4 << 30;
  EXPECT(TORVYN_ERROR_CONFIG, torvyn_engine_new(&c, &e, &err));
  c.pool_instances = 1, c.pool_keep_resident = UINT64_MAX;
  torvyn_engine_new(&c, &e, NULL);
  torvyn_engine_free(e);
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c;
  c.memory_reservation = UINT64_MAX;
  if (torvyn_engine_new(&c, &e, NULL) == TORVYN_OK) {
    torvyn_linked_t *l = linked_of(e, "upper-case");
    instance = STALE;
    torvyn_instance_new(l, 1, NULL, &instance, NULL);
    torvyn_instance_free(instance);
    torvyn_linked_free(l);
  }
  torvyn_engine_free(e);

  part("numbers: an instance's options");
#define BAD_OPTION(field, value)                                                                       \
  do {                                                                                                 \
    memset(&o, 0, sizeof o);                                                                           \
    o.struct_size = sizeof o;                                                                          \
    o.field = value;                                                                                   \
    instance = STALE;                                                                                  \
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, #field, torvyn_instance_new(linked, 1, &o, &instance, &err));   \
    CHECK(instance == NULL);                                                                           \
  } while (0)
  BAD_OPTION(refuse_growth, (torvyn_switch_t)3);
  BAD_OPTION(timing, (torvyn_switch_t)-7);
  BAD_OPTION(timeout_ns, 1);
  BAD_OPTION(memory_limit, 1);
  BAD_OPTION(memory_limit, ((uint64_t)4 << 30) + 1);
  BAD_OPTION(buffer_limit, 4095);
  BAD_OPTION(max_handles, 3);
  BAD_OPTION(instance_limit, 10001);
  BAD_OPTION(max_files, 1025);

  part("numbers: enums, indices, names");
  instance = fresh();
  EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "signal", torvyn_notify_backpressure(instance, (torvyn_signal_t)2, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_notify_backpressure(instance, (torvyn_signal_t)-1, &err));
  torvyn_instance_free(instance);
  for (int i = -1000; i < 1000; i++) {
    const char *names[] = {torvyn_status_name(i), torvyn_status_text(i), torvyn_trap_name(i), torvyn_state_name(i)};
    for (int k = 0; k < 4; k++) CHECK(names[k] != NULL && names[k][0] != '\0');
    CHECK(!strcmp(names[0], "TORVYN_UNKNOWN") == !strcmp(names[1], "Unknown status."));
  }
  CHECK(!strcmp(torvyn_status_name(INT32_MIN), "TORVYN_UNKNOWN"));
  CHECK(!strcmp(torvyn_status_name(TORVYN_ERROR_TRAP), "TORVYN_ERROR_TRAP"));
  CHECK(!strcmp(torvyn_status_name(TORVYN_OK), "TORVYN_OK"));
  CHECK(!strcmp(torvyn_trap_name(TORVYN_TRAP_UNREACHABLE), "TORVYN_TRAP_UNREACHABLE"));
  CHECK(!strcmp(torvyn_trap_name(98), "TORVYN_UNKNOWN") && !strcmp(torvyn_state_name(77), "TORVYN_UNKNOWN"));
  CHECK(!strcmp(torvyn_state_name(TORVYN_STATE_TORN_DOWN), "TORVYN_STATE_TORN_DOWN"));
  CHECK(!strcmp(torvyn_version(), TORVYN_VERSION) && torvyn_version_number() == TORVYN_VERSION_NUMBER);
}

/* ---- struct_size --------------------------------------------------------------- */

static void struct_sizes(void) {
  struct { torvyn_engine_config_t c; uint64_t newer[2]; } config;
  struct { torvyn_instance_options_t o; uint64_t newer[2]; } options;
  struct { torvyn_stats_t s; uint64_t newer[2]; } stats;
  struct { torvyn_memory_usage_t u; uint64_t newer[2]; } usage;
  static const uint32_t wrong[] = {0, 1, 3, 12, 100000, UINT32_MAX};
  torvyn_engine_t *e;
  torvyn_instance_t *instance, *probe = fresh();

  part("struct_size");
  memset(&config, 0, sizeof config);
  memset(&options, 0, sizeof options);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    config.c.struct_size = options.o.struct_size = wrong[i];
    e = STALE, instance = STALE;
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "struct_size", torvyn_engine_new(&config.c, &e, &err));
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "struct_size", torvyn_instance_new(linked, 1, &options.o, &instance, &err));
    CHECK(e == NULL && instance == NULL);
    memset(&stats, 0x5a, sizeof stats);
    memset(&usage, 0x5a, sizeof usage);
    stats.s.struct_size = usage.u.struct_size = wrong[i];
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "struct_size", torvyn_instance_stats(probe, &stats.s, &err));
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "struct_size", torvyn_instance_memory_usage(probe, &usage.u, &err));
    for (size_t at = 4; at < sizeof stats; at++) CHECK(((uint8_t *)&stats)[at] == 0x5a);
  }
  /* An older program: what it does not know has its default. */
  config.c.struct_size = 4;
  config.c.fuel = (torvyn_switch_t)99;
  OK(torvyn_engine_new(&config.c, &e, &err));
  torvyn_engine_free(e);
  options.o.struct_size = 16;
  options.o.memory_limit = 1; /* past the end of the program's struct */
  OK(torvyn_instance_new(linked, 1, &options.o, &instance, &err));
  torvyn_instance_free(instance);
  /* A newer one: what this library does not know must be zero. */
  config.c.fuel = TORVYN_DEFAULT;
  config.c.struct_size = sizeof config;
  OK(torvyn_engine_new(&config.c, &e, &err));
  torvyn_engine_free(e);
  config.newer[1] = 1;
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_engine_new(&config.c, &e, &err));
  options.o.memory_limit = 0;
  options.o.struct_size = sizeof options;
  options.newer[0] = 1;
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_instance_new(linked, 1, &options.o, &instance, &err));
  /* No more is written than the caller has. */
  memset(&stats, 0x5a, sizeof stats);
  stats.s.struct_size = offsetof(torvyn_stats_t, stopped);
  OK(torvyn_instance_stats(probe, &stats.s, &err));
  CHECK(stats.s.calls == 1 && stats.s.stopped == UINT64_C(0x5a5a5a5a5a5a5a5a));
  stats.s.struct_size = sizeof stats;
  OK(torvyn_instance_stats(probe, &stats.s, &err));
  CHECK(stats.s.stopped == 0 && stats.newer[0] == 0 && stats.newer[1] == 0 && stats.s.struct_size == sizeof stats);
  memset(&usage, 0x5a, sizeof usage);
  usage.u.struct_size = offsetof(torvyn_memory_usage_t, buffers);
  OK(torvyn_instance_memory_usage(probe, &usage.u, &err));
  CHECK(usage.u.linear == 2 * PAGE && usage.u.buffers == UINT64_C(0x5a5a5a5a5a5a5a5a));
  torvyn_instance_free(probe);
}

/* ---- text and sizes ------------------------------------------------------------ */

static void texts(void) {
  static const char *const bad[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "ok then \xfe"};
  torvyn_instance_t *instance = fresh(), *new = instance_of(linked, 1, NULL);
  torvyn_output_t out;

  part("text: not UTF-8");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    torvyn_element_t e = element("drop");
    torvyn_flow_t flow;
    EXPECT_TEXT(TORVYN_ERROR_UTF8, "config", torvyn_init(new, str(bad[i]), &err));
    CHECK(torvyn_instance_state(new) == TORVYN_STATE_NEW);
    e.content_type = str(bad[i]);
    EXPECT_TEXT(TORVYN_ERROR_UTF8, "element.content_type", torvyn_process(instance, &e, &out, &err));
    e.content_type = str("");
    e.flow = &flow;
    memset(&flow, 0, sizeof flow);
    flow.trace_id = str(bad[i]);
    EXPECT_TEXT(TORVYN_ERROR_UTF8, "element.flow.trace_id", torvyn_process(instance, &e, &out, &err));
    memset(&flow, 0, sizeof flow);
    flow.span_id = str(bad[i]);
    EXPECT_TEXT(TORVYN_ERROR_UTF8, "element.flow.span_id", torvyn_process(instance, &e, &out, &err));
    memset(&flow, 0, sizeof flow);
    flow.flow_id = str(bad[i]);
    EXPECT_TEXT(TORVYN_ERROR_UTF8, "element.flow.flow_id", torvyn_process(instance, &e, &out, &err));
    e = element(bad[i]); /* a payload is bytes, not text */
    OK(torvyn_process(instance, &e, &out, &err));
    CHECK(bytes_are(out.bytes, bad[i]));
    torvyn_output_release(&out);
  }
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  torvyn_instance_free(instance);
  OK(torvyn_init(new, str("\xc3\xa9\xf0\x9f\x8c\x8d"), &err));
  torvyn_instance_free(new);
}

static void too_much(void) {
  size_t most = TORVYN_MAX_PAYLOAD;
  char *large = malloc(most + 1);
  torvyn_instance_options_t o = {.struct_size = sizeof o, .memory_limit = 80u << 20,
                                 .timeout_ns = 20000 * MS * check_slow()};
  torvyn_instance_t *instance = ready(engine, "upper-case", "", &o), *new;
  torvyn_element_t e = element("");
  torvyn_output_t out = stale_output(), outs[1];
  size_t done;

  part("sizes: a payload of 16 MiB, and of one byte more");
  memset(large, 'q', most + 1);
  e.payload.data = (uint8_t *)large;
  e.payload.len = most + 1;
  EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "element.payload", torvyn_process(instance, &e, &out, &err));
  CHECK(is_clear(&out));
  e.payload.len = SIZE_MAX;
  EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "element.payload", torvyn_process(instance, &e, &out, &err));
  e.payload.len = most;
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len == most && out.bytes.data[0] == 'Q' && out.bytes.data[most - 1] == 'Q');
  torvyn_output_release(&out);
  CHECK(memory_of(instance).buffers == 0 && stats_of(instance).bytes_in == most);

  part("sizes: other texts and lists");
  e.payload.len = 1;
  e.content_type.data = large;
  e.content_type.len = most + 1;
  EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "element.content_type", torvyn_process(instance, &e, &out, &err));
  e.content_type.len = SIZE_MAX / 2 + 1;
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_process(instance, &e, &out, &err));
  e.content_type.len = 1 << 20; /* silly, but allowed */
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.content_type.len == 1 << 20 && out.content_type.data[5] == 'q');
  torvyn_output_release(&out);
  new = instance_of(linked, 1, NULL);
  EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "config", torvyn_init(new, (torvyn_str_t){large, most + 1}, &err));
  CHECK(torvyn_instance_state(new) == TORVYN_STATE_NEW);
  torvyn_instance_free(new);
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_process_batch(instance, &e, SIZE_MAX, outs, &done, &err));
  CHECK(done == 0);
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_push_batch(instance, &e, SIZE_MAX / 8, NULL, &done, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  torvyn_instance_free(instance);
  free(large);
}

/* ---- at the wrong time --------------------------------------------------------- */

typedef struct {
  torvyn_instance_t *instance;
  const char *payload, *wanted;
  int status;
} call_t;

static void *run_call(void *at) {
  call_t *call = at;
  torvyn_element_t e = element(call->payload);
  torvyn_output_t out;
  call->status = torvyn_process(call->instance, &e, &out, NULL);
  if (call->wanted) CHECK(bytes_are(out.bytes, call->wanted));
  torvyn_output_release(&out);
  return NULL;
}

static void begin(pthread_t *thread, call_t *call) {
  uint64_t calls = stats_of(call->instance).calls;
  CHECK(pthread_create(thread, NULL, run_call, call) == 0);
  while (stats_of(call->instance).calls == calls) sleep_ms(1);
}

static void busy(void) {
  torvyn_instance_t *p = fresh();
  torvyn_cancel_t *cancel;
  torvyn_element_t e = element("drop");
  torvyn_output_t out = stale_output();
  torvyn_memory_usage_t usage = {.struct_size = sizeof usage};
  torvyn_error_t *err = STALE;
  call_t call = {p, "loop", NULL, 7};
  pthread_t thread;
  uint64_t left, id;
  size_t done;

  part("busy: a second call");
  begin(&thread, &call);
  for (int i = 0; i < 100; i++) {
    CHECK(torvyn_process(p, &e, &out, &err) == TORVYN_ERROR_BUSY && is_clear(&out));
    CHECK(torvyn_error_is_retryable(err) && !torvyn_error_is_fatal(err));
    CHECK(torvyn_error_component_id(err, &id) && id == 1 && str_is(torvyn_error_function(err), "process"));
    torvyn_error_free(err);
  }
  EXPECT(TORVYN_ERROR_BUSY, torvyn_init(p, str(""), &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_teardown(p, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_pull(p, &out, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_notify_backpressure(p, TORVYN_SIGNAL_READY, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_process_batch(p, &e, 1, &out, &done, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_push(p, &e, NULL, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_push_batch(p, &e, 1, NULL, &done, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_complete(p, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_instance_reset(p, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_instance_set_fuel(p, 1, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_instance_fuel_remaining(p, &left, &err));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_instance_memory_usage(p, &usage, &err));
  CHECK(torvyn_instance_state(p) == TORVYN_STATE_READY && torvyn_instance_id(p) == 1);
  CHECK(torvyn_instance_roles(p) == (TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE));
  CHECK(stats_of(p).calls == 2);
  cancel = torvyn_instance_cancel_handle(p);
  torvyn_cancel(cancel);
  CHECK(pthread_join(thread, NULL) == 0 && call.status == TORVYN_ERROR_CANCELLED);
  OK(torvyn_instance_reset(p, &err));
  OK(torvyn_init(p, str(""), &err));

  call = (call_t){p, "spin:50000000", "spun", 7}; /* the first call is undisturbed */
  begin(&thread, &call);
  for (int i = 0; i < 1000; i++) {
    int status = torvyn_process(p, &e, &out, NULL);
    CHECK(status == TORVYN_ERROR_BUSY || status == TORVYN_NOTHING_EMITTED);
  }
  CHECK(pthread_join(thread, NULL) == 0 && call.status == TORVYN_OK);
  emits(p, "echo:fine", "fine");
  torvyn_cancel_free(cancel);
  torvyn_instance_free(p);

  part("free: while a call runs on another thread");
  for (int i = 0; i < 6; i++) {
    p = fresh();
    cancel = torvyn_instance_cancel_handle(p);
    call = (call_t){p, i % 2 ? "loop" : "spin:50000000", i % 2 ? NULL : "spun", 7};
    begin(&thread, &call);
    torvyn_instance_free(p);
    if (i % 2) torvyn_cancel(cancel);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(call.status == (i % 2 ? TORVYN_ERROR_CANCELLED : TORVYN_OK));
    torvyn_cancel(cancel);
    torvyn_cancel_free(cancel);
  }
}

/* ---- in any order -------------------------------------------------------------- */

static uint32_t chance(uint32_t below) {
  static uint64_t seed = 88172645463325252u;
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (uint32_t)(seed >> 33) % below;
}

static void any_order(void) {
  torvyn_blob_t *artifact = NULL;
  torvyn_component_t *aggregator = component_of(engine, "batch-aggregator");
  part("free: in any order");
  OK(torvyn_component_serialize(aggregator, &artifact, &err));
  torvyn_component_free(aggregator);
  for (unsigned round = 0; round < 200 / check_slow() + 10; round++) {
    torvyn_engine_t *e = engine_with(NULL);
    torvyn_component_t *c = NULL;
    torvyn_imports_t *i = NULL;
    torvyn_linked_t *l = NULL;
    torvyn_instance_t *n;
    torvyn_blob_t *b = NULL;
    torvyn_outputs_t *list = NULL;
    torvyn_cancel_t *cancel;
    torvyn_output_t out;
    torvyn_error_t *err = NULL;
    torvyn_element_t text = element("some text");
    unsigned left = 10;
    OK(torvyn_component_deserialize_unchecked(e, torvyn_blob_bytes(artifact).data, torvyn_blob_bytes(artifact).len,
                                              &c, &err));
    OK(torvyn_component_serialize(c, &b, &err));
    OK(torvyn_imports_new(e, &i, &err));
    OK(torvyn_linked_new(c, i, &l, &err));
    n = instance_of(l, 1, NULL);
    CHECK(torvyn_pull(n, &out, &err) == TORVYN_ERROR_STATE || err);
    OK(torvyn_init(n, str("2 split"), &err));
    cancel = torvyn_instance_cancel_handle(n);
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(n, &text, &out, &err));
    OK(torvyn_flush(n, &list, &err));
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(n, &text, &out, &err));
    OK(torvyn_ingest(n, &text, &out, &err));
    for (unsigned freed = 0; left;) {
      unsigned turn = chance(10);
      if (freed & 1u << turn) continue;
      freed |= 1u << turn, left--;
      switch (turn) {
      case 0: torvyn_engine_free(e); break;
      case 1: torvyn_component_free(c); break;
      case 2: torvyn_imports_free(i); break;
      case 3: torvyn_linked_free(l); break;
      case 4: torvyn_instance_free(n); break;
      case 5: torvyn_blob_free(b); break;
      case 6: torvyn_outputs_free(list); break;
      case 7: torvyn_cancel_free(cancel); break;
      case 8: torvyn_output_release(&out); break;
      default: torvyn_error_free(err); break;
      }
      /* What is left still works. */
      if (!(freed & 1u << 4)) {
        torvyn_output_t more;
        EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(n, &text, &more, &err));
        OK(torvyn_ingest(n, &text, &more, &err));
        CHECK(bytes_are(more.bytes, "some text\nsome text"));
        torvyn_output_release(&more);
      }
      if (!(freed & 1u << 3)) torvyn_instance_free(instance_of(l, 2, NULL));
      if (!(freed & 1u << 7)) CHECK(cancel != NULL);
      if (!(freed & 1u << 8)) CHECK(bytes_are(out.bytes, "some text\nsome text"));
      if (!(freed & 1u << 9)) CHECK(torvyn_error_message(err).len > 0);
      if (!(freed & 1u << 6)) CHECK(torvyn_outputs_count(list) == 1);
    }
  }
  torvyn_blob_free(artifact);
}

/* Grants that are none. */
static void grants(void) {
  torvyn_imports_t *i = NULL;
  torvyn_str_t nul = {"a\0b", 3}, none = {NULL, 0};
  static const char *const addresses[] = {"", "localhost", "1.2.3", "1.2.3.4/33", "::1/129", "10.0.0.0/", "1.2.3.4:80",
                                          "*.example.org", "\xff"};
  part("grants that are none");
  OK(torvyn_imports_new(engine, &i, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_args(i, &nul, 1, &err));
  nul.data = "a\xff";
  nul.len = 2;
  EXPECT(TORVYN_ERROR_UTF8, torvyn_imports_wasi_args(i, &nul, 1, &err));
  EXPECT(TORVYN_ERROR_UTF8, torvyn_imports_wasi_env(i, nul, none, &err));
  EXPECT(TORVYN_ERROR_UTF8, torvyn_imports_wasi_env(i, str("A"), nul, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_env(i, none, none, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_env(i, str("A=B"), none, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_args(i, &none, SIZE_MAX, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_stdin(i, (torvyn_bytes_t){(const uint8_t *)"x", SIZE_MAX}, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_inherit_output(i, (torvyn_stream_t)0, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_inherit_output(i, (torvyn_stream_t)3, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_preopen(i, "/no/such/place", str("/x"), TORVYN_ACCESS_READ, &err));
  EXPECT(TORVYN_ERROR_WASI,
         torvyn_imports_wasi_preopen(i, guest_path("README.md"), str("/x"), TORVYN_ACCESS_READ, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_preopen(i, check_guests, none, TORVYN_ACCESS_READ, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_preopen(i, check_guests, str("/x"), (torvyn_access_t)0, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_preopen(i, check_guests, str("/x"), (torvyn_access_t)3, &err));
  EXPECT(TORVYN_ERROR_UTF8, torvyn_imports_wasi_preopen(i, check_guests, nul, TORVYN_ACCESS_READ, &err));
  OK(torvyn_imports_wasi_preopen(i, check_guests, str("/x"), TORVYN_ACCESS_READ, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_preopen(i, check_guests, str("/x"), TORVYN_ACCESS_READ, &err));
  for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++) {
    int status = torvyn_imports_wasi_socket(i, TORVYN_SOCKET_TCP_CONNECT, str(addresses[k]), 0, 0, NULL);
    CHECK(status == (addresses[k][0] == '\xff' ? TORVYN_ERROR_UTF8 : TORVYN_ERROR_WASI));
  }
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_socket(i, TORVYN_SOCKET_UDP_LISTEN, str("*"), 9, 8, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_socket(i, (torvyn_socket_use_t)5, str("*"), 0, 0, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_imports_wasi_socket(i, (torvyn_socket_use_t)0, str("*"), 0, 0, &err));
  OK(torvyn_imports_wasi_socket(i, TORVYN_SOCKET_TCP_CONNECT, str("10.0.0.0/8"), 1, 65535, &err));
  OK(torvyn_imports_wasi_socket(i, TORVYN_SOCKET_TCP_LISTEN, str("::1"), 0, 0, &err));
  torvyn_imports_free(i);
}

static void wrong_engine(void) {
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *l = STALE;
  part("handles of another engine");
  OK(torvyn_imports_new(other, &imports, &err));
  EXPECT(TORVYN_ERROR_WRONG_ENGINE, torvyn_linked_new(component, imports, &l, &err));
  CHECK(l == NULL);
  torvyn_imports_free(imports);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  other = engine_with(NULL);
  component = component_of(engine, "misbehave");
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  numbers();
  struct_sizes();
  texts();
  too_much();
  busy();
  any_order();
  grants();
  wrong_engine();
  torvyn_linked_free(linked);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
  torvyn_engine_free(other);
  return check_end();
}
