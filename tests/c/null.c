/* NULL: each exported function with each of its pointers NULL. A test beside the
 * programs sees to it that none is missing here. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static torvyn_engine_t *engine;
static torvyn_component_t *component;
static torvyn_linked_t *linked; /* misbehave */

static torvyn_instance_t *fresh(void) {
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  OK(torvyn_init(instance, str(""), &err));
  return instance;
}

/* What cannot fail answers NULL with nothing. */
static void null_neutral(void) {
  uint64_t id = 7;
  torvyn_output_t none;
  part("NULL: functions that cannot fail");
  memset(&none, 0, sizeof none);
  CHECK(torvyn_error_status(NULL) == TORVYN_OK && torvyn_error_trap(NULL) == TORVYN_TRAP_NONE);
  CHECK(str_is(torvyn_error_message(NULL), "") && str_is(torvyn_error_detail(NULL), ""));
  CHECK(!torvyn_error_component_id(NULL, &id) && id == 0 && !torvyn_error_component_id(NULL, NULL));
  CHECK(str_is(torvyn_error_function(NULL), "") && torvyn_error_frame_count(NULL) == 0);
  CHECK(str_is(torvyn_error_frame(NULL, 0), "") && str_is(torvyn_error_frame(NULL, SIZE_MAX), ""));
  CHECK(!torvyn_error_is_fatal(NULL) && !torvyn_error_is_retryable(NULL));
  CHECK(torvyn_engine_clone(NULL) == NULL && torvyn_component_clone(NULL) == NULL);
  CHECK(torvyn_imports_clone(NULL) == NULL && torvyn_linked_clone(NULL) == NULL && torvyn_cancel_clone(NULL) == NULL);
  CHECK(torvyn_blob_bytes(NULL).len == 0 && torvyn_component_content_id(NULL).len == 0);
  CHECK(torvyn_component_roles(NULL) == 0);
  CHECK(torvyn_component_import_count(NULL) == 0 && str_is(torvyn_component_import(NULL, 0), ""));
  CHECK(torvyn_component_export_count(NULL) == 0 && str_is(torvyn_component_export(NULL, 0), ""));
  CHECK(str_is(torvyn_component_import_type(NULL, 0), "") && str_is(torvyn_component_export_type(NULL, 0), ""));
  CHECK(torvyn_component_path(NULL) == TORVYN_PATH_AUTO && str_is(torvyn_component_path_reason(NULL), ""));
  CHECK(torvyn_linked_path(NULL) == TORVYN_PATH_AUTO && str_is(torvyn_linked_path_reason(NULL), ""));
  CHECK(torvyn_instance_id(NULL) == 0 && torvyn_instance_roles(NULL) == 0);
  CHECK(torvyn_instance_state(NULL) == TORVYN_STATE_NONE && torvyn_instance_cancel_handle(NULL) == NULL);
  CHECK(torvyn_buffer_bytes(NULL).len == 0 && torvyn_buffer_size(NULL) == 0);
  CHECK(torvyn_buffer_content_type(NULL).len == 0 && torvyn_outputs_count(NULL) == 0);
  CHECK(torvyn_scope_alloc(NULL, 8) == NULL && torvyn_scope_component_id(NULL) == 0);
  torvyn_scope_fail(NULL, str("nobody"));
  CHECK(torvyn_values_count(NULL) == 0 && torvyn_values_get(NULL, 0) == NULL);
  torvyn_values_free(NULL);
  torvyn_engine_tick(NULL);
  torvyn_cancel(NULL);
  torvyn_error_free(NULL);
  torvyn_engine_free(NULL);
  torvyn_blob_free(NULL);
  torvyn_component_free(NULL);
  torvyn_imports_free(NULL);
  torvyn_linked_free(NULL);
  torvyn_instance_free(NULL);
  torvyn_cancel_free(NULL);
  torvyn_buffer_release(NULL);
  torvyn_output_release(NULL);
  torvyn_output_release(&none);
  torvyn_outputs_free(NULL);
}

#define NULL_IS(name, call) EXPECT_TEXT(TORVYN_ERROR_NULL, "`" name "`", call)

/* What can fail names the parameter, and clears the others. */
static void null_making(void) {
  torvyn_component_t *c = STALE;
  torvyn_blob_t *b = STALE;
  torvyn_imports_t *i = STALE;
  torvyn_linked_t *l = STALE;
  torvyn_instance_t *n = STALE;
  torvyn_engine_config_t config = {.struct_size = sizeof config};
  torvyn_instance_options_t options = {.struct_size = sizeof options};
  torvyn_error_t *error = NULL;
  const uint8_t byte = 0;

  part("NULL: making");
  NULL_IS("out", torvyn_engine_new(NULL, NULL, &err));
  NULL_IS("out", torvyn_engine_new(&config, NULL, &err));
  CHECK(torvyn_engine_new(NULL, NULL, NULL) == TORVYN_ERROR_NULL);
#define CLEARED(name, handle, call) \
  do {                              \
    handle = STALE;                 \
    NULL_IS(name, call);            \
    CHECK(handle == NULL);          \
  } while (0)
  CLEARED("engine", c, torvyn_component_compile(NULL, &byte, 1, &c, &err));
  CLEARED("bytes", c, torvyn_component_compile(engine, NULL, 1, &c, &err));
  c = STALE;
  CHECK(torvyn_component_compile(engine, NULL, 0, &c, NULL) < 0 && c == NULL);
  NULL_IS("out", torvyn_component_compile(engine, &byte, 1, NULL, &err));
  CLEARED("engine", c, torvyn_component_compile_file(NULL, guest_path("upper-case.wasm"), &c, &err));
  CLEARED("path", c, torvyn_component_compile_file(engine, NULL, &c, &err));
  NULL_IS("out", torvyn_component_compile_file(engine, guest_path("upper-case.wasm"), NULL, &err));
  CLEARED("component", b, torvyn_component_serialize(NULL, &b, &err));
  NULL_IS("out", torvyn_component_serialize(component, NULL, &err));
  CLEARED("engine", c, torvyn_component_deserialize_unchecked(NULL, &byte, 1, &c, &err));
  CLEARED("bytes", c, torvyn_component_deserialize_unchecked(engine, NULL, 1, &c, &err));
  c = STALE;
  CHECK(torvyn_component_deserialize_unchecked(engine, NULL, 0, &c, NULL) < 0 && c == NULL);
  NULL_IS("out", torvyn_component_deserialize_unchecked(engine, &byte, 1, NULL, &err));
  CLEARED("engine", c, torvyn_component_deserialize_file_unchecked(NULL, "x", &c, &err));
  CLEARED("path", c, torvyn_component_deserialize_file_unchecked(engine, NULL, &c, &err));
  NULL_IS("out", torvyn_component_deserialize_file_unchecked(engine, "x", NULL, &err));
  CLEARED("engine", i, torvyn_imports_new(NULL, &i, &err));
  NULL_IS("out", torvyn_imports_new(engine, NULL, &err));
  CLEARED("component", l, torvyn_linked_new(NULL, NULL, &l, &err));
  NULL_IS("out", torvyn_linked_new(component, NULL, NULL, &err));
  OK(torvyn_imports_new(engine, &i, &err));
  NULL_IS("out", torvyn_linked_new(component, i, NULL, &err));
  torvyn_imports_free(i);
  CLEARED("linked", n, torvyn_instance_new(NULL, 1, NULL, &n, &err));
  NULL_IS("out", torvyn_instance_new(linked, 1, NULL, NULL, &err));
  NULL_IS("out", torvyn_instance_new(linked, 1, &options, NULL, &err));
  NULL_IS("instance", torvyn_instance_reset(NULL, &err));
  /* Without room for the detail, too. */
  CHECK(torvyn_component_compile(NULL, NULL, 1, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_component_compile_file(NULL, NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_component_serialize(NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_component_deserialize_unchecked(NULL, NULL, 1, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_component_deserialize_file_unchecked(NULL, NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_imports_new(NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_linked_new(NULL, NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_instance_new(NULL, 1, NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  CHECK(torvyn_instance_reset(NULL, NULL) == TORVYN_ERROR_NULL);
  /* Of an error that is one, too. */
  CHECK(torvyn_instance_reset(NULL, &error) == TORVYN_ERROR_NULL);
  CHECK(!torvyn_error_component_id(error, NULL));
  torvyn_error_free(error);
}

static int ended;

static void write_nothing(void *user, uint64_t id, torvyn_bytes_t bytes) {
  (void)user, (void)id, (void)bytes;
}

static void end(void *user) {
  CHECK(user == &ended);
  ended++;
}

static bool do_nothing(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                       torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  return true;
}

static void destroy_nothing(void *user, uint32_t rep) {
  (void)user, (void)rep;
}

static void null_functions(void) {
  torvyn_imports_t *i = NULL;
  torvyn_str_t null = {NULL, 3}, face = str("a:b/c@1.0.0"), f = str("f"), type = str("func()");
  torvyn_instance_t *p = fresh();
  torvyn_values_t *values = STALE;
  torvyn_value_t value;

  part("NULL: functions by name");
  memset(&value, 0, sizeof value);
  ended = 0;
  OK(torvyn_imports_new(engine, &i, &err));
  NULL_IS("imports", torvyn_imports_define(NULL, face, f, type, do_nothing, &ended, end, &err));
  NULL_IS("interface", torvyn_imports_define(i, null, f, type, do_nothing, &ended, end, &err));
  NULL_IS("name", torvyn_imports_define(i, face, null, type, do_nothing, &ended, end, &err));
  NULL_IS("signature", torvyn_imports_define(i, face, f, null, do_nothing, &ended, end, &err));
  NULL_IS("function", torvyn_imports_define(i, face, f, type, NULL, &ended, end, &err));
  CHECK(ended == 5); /* each of them at once */
  NULL_IS("imports", torvyn_imports_define_resource(NULL, face, f, NULL, &ended, end, &err));
  NULL_IS("interface", torvyn_imports_define_resource(i, null, f, NULL, &ended, end, &err));
  NULL_IS("name", torvyn_imports_define_resource(i, face, null, NULL, &ended, end, &err));
  CHECK(ended == 8);
  OK(torvyn_imports_define(i, face, f, type, do_nothing, NULL, NULL, &err));
  OK(torvyn_imports_define(i, face, str("g"), type, do_nothing, &ended, end, &err));
  OK(torvyn_imports_define_resource(i, face, str("r"), NULL, NULL, NULL, &err));
  OK(torvyn_imports_define_resource(i, face, str("s"), destroy_nothing, NULL, NULL, &err));
  CHECK(torvyn_imports_define(NULL, null, null, null, NULL, NULL, NULL, NULL) < 0);
  CHECK(torvyn_imports_define_resource(NULL, null, null, NULL, NULL, NULL, NULL) < 0);
  CHECK(ended == 8);
  torvyn_imports_free(i);
  CHECK(ended == 9);

  NULL_IS("instance", torvyn_call(NULL, face, f, NULL, 0, &values, &err));
  CHECK(values == NULL);
  values = STALE;
  NULL_IS("interface", torvyn_call(p, null, f, NULL, 0, &values, &err));
  CHECK(values == NULL);
  NULL_IS("function", torvyn_call(p, face, null, NULL, 0, &values, &err));
  NULL_IS("args", torvyn_call(p, face, f, NULL, 1, &values, &err));
  NULL_IS("out", torvyn_call(p, face, f, &value, 1, NULL, &err));
  CHECK(torvyn_call(NULL, null, null, NULL, 1, NULL, NULL) < 0);
  emits(p, "echo:unharmed", "unharmed");
  torvyn_instance_free(p);
}

static void null_grants(void) {
  torvyn_imports_t *i = NULL;
  torvyn_str_t none = {NULL, 0}, null = {NULL, 3};
  torvyn_bytes_t no_bytes = {NULL, 0}, null_bytes = {NULL, 3};

  part("NULL: grants");
  OK(torvyn_imports_new(engine, &i, &err));
  NULL_IS("imports", torvyn_imports_wasi_args(NULL, &none, 1, &err));
  NULL_IS("args", torvyn_imports_wasi_args(i, NULL, 1, &err));
  EXPECT(TORVYN_ERROR_NULL, torvyn_imports_wasi_args(i, &null, 1, &err));
  OK(torvyn_imports_wasi_args(i, NULL, 0, &err));
  OK(torvyn_imports_wasi_args(i, &none, 1, &err));
  NULL_IS("imports", torvyn_imports_wasi_env(NULL, str("NAME"), none, &err));
  NULL_IS("name", torvyn_imports_wasi_env(i, null, none, &err));
  NULL_IS("value", torvyn_imports_wasi_env(i, str("NAME"), null, &err));
  OK(torvyn_imports_wasi_env(i, str("NAME"), none, &err));
  NULL_IS("imports", torvyn_imports_wasi_stdin(NULL, no_bytes, &err));
  NULL_IS("bytes", torvyn_imports_wasi_stdin(i, null_bytes, &err));
  OK(torvyn_imports_wasi_stdin(i, no_bytes, &err));
  NULL_IS("imports", torvyn_imports_wasi_output(NULL, TORVYN_STREAM_STDOUT, write_nothing, &ended, end, &err));
  CHECK(ended == 1); /* where it fails, at once */
  NULL_IS("write", torvyn_imports_wasi_output(i, TORVYN_STREAM_STDOUT, NULL, &ended, end, &err));
  CHECK(ended == 2);
  EXPECT(TORVYN_ERROR_NULL, torvyn_imports_wasi_output(NULL, TORVYN_STREAM_STDOUT, NULL, NULL, NULL, &err));
  OK(torvyn_imports_wasi_output(i, TORVYN_STREAM_STDERR, write_nothing, NULL, NULL, &err));
  OK(torvyn_imports_wasi_output(i, TORVYN_STREAM_STDOUT, write_nothing, &ended, end, &err));
  CHECK(ended == 2);
  NULL_IS("imports", torvyn_imports_wasi_inherit_output(NULL, TORVYN_STREAM_STDOUT, &err));
  NULL_IS("imports", torvyn_imports_wasi_preopen(NULL, "/", str("/x"), TORVYN_ACCESS_READ, &err));
  NULL_IS("host_path", torvyn_imports_wasi_preopen(i, NULL, str("/x"), TORVYN_ACCESS_READ, &err));
  NULL_IS("guest_path", torvyn_imports_wasi_preopen(i, "/", null, TORVYN_ACCESS_READ, &err));
  NULL_IS("imports", torvyn_imports_wasi_socket(NULL, TORVYN_SOCKET_TCP_CONNECT, str("*"), 0, 0, &err));
  NULL_IS("address", torvyn_imports_wasi_socket(i, TORVYN_SOCKET_TCP_CONNECT, null, 0, 0, &err));
  NULL_IS("imports", torvyn_imports_wasi_name_lookup(NULL, &err));
  NULL_IS("imports", torvyn_imports_wasi_fixed_clock(NULL, 0, 0, &err));
  NULL_IS("imports", torvyn_imports_wasi_random_seed(NULL, 1, &err));
  CHECK(torvyn_imports_wasi_args(NULL, NULL, 1, NULL) < 0 && torvyn_imports_wasi_env(NULL, null, null, NULL) < 0);
  CHECK(torvyn_imports_wasi_stdin(NULL, null_bytes, NULL) < 0);
  CHECK(torvyn_imports_wasi_output(NULL, (torvyn_stream_t)9, NULL, NULL, NULL, NULL) < 0);
  CHECK(torvyn_imports_wasi_inherit_output(NULL, (torvyn_stream_t)9, NULL) < 0);
  CHECK(torvyn_imports_wasi_preopen(NULL, NULL, null, (torvyn_access_t)9, NULL) < 0);
  CHECK(torvyn_imports_wasi_socket(NULL, (torvyn_socket_use_t)9, null, 0, 0, NULL) < 0);
  CHECK(torvyn_imports_wasi_name_lookup(NULL, NULL) < 0 && torvyn_imports_wasi_fixed_clock(NULL, 0, 0, NULL) < 0);
  CHECK(torvyn_imports_wasi_random_seed(NULL, 0, NULL) < 0);
  torvyn_imports_free(i);
  CHECK(ended == 3); /* when nothing can call back any more */
}

static void null_calls(void) {
  torvyn_instance_t *p = fresh();
  torvyn_element_t e = element("drop");
  torvyn_output_t out = stale_output(), outs[2] = {stale_output(), stale_output()};
  torvyn_memory_usage_t usage = {.struct_size = sizeof usage, .total = 7};
  torvyn_stats_t stats = {.struct_size = sizeof stats, .calls = 7};
  torvyn_ports_t ports = {STALE, 7};
  torvyn_outputs_t *list = STALE;
  torvyn_signal_t signal = TORVYN_SIGNAL_PAUSE;
  uint64_t left = 7, refused;
  size_t done = 7;
  bool passes = true;

  part("NULL: calls");
#define CLEAR_OUT(call_name, call) \
  do {                             \
    out = stale_output();          \
    NULL_IS(call_name, call);      \
    CHECK(is_clear(&out));         \
  } while (0)
  NULL_IS("instance", torvyn_init(NULL, str(""), &err));
  NULL_IS("instance", torvyn_teardown(NULL, &err));
  CLEAR_OUT("instance", torvyn_pull(NULL, &out, &err));
  NULL_IS("output", torvyn_pull(p, NULL, &err));
  NULL_IS("instance", torvyn_notify_backpressure(NULL, TORVYN_SIGNAL_READY, &err));
  CLEAR_OUT("instance", torvyn_process(NULL, &e, &out, &err));
  CLEAR_OUT("element", torvyn_process(p, NULL, &out, &err));
  NULL_IS("output", torvyn_process(p, &e, NULL, &err));
  NULL_IS("instance", torvyn_process_batch(NULL, &e, 1, outs, &done, &err));
  CHECK(done == 0 && is_clear(&outs[0]) && !is_clear(&outs[1]));
  outs[0] = stale_output(), done = 7;
  NULL_IS("elements", torvyn_process_batch(p, NULL, 1, outs, &done, &err));
  CHECK(done == 0 && is_clear(&outs[0]) && !is_clear(&outs[1]));
  done = 7;
  NULL_IS("outputs", torvyn_process_batch(p, &e, 1, NULL, &done, &err));
  CHECK(done == 0);
  outs[0] = stale_output();
  NULL_IS("done", torvyn_process_batch(p, &e, 1, outs, NULL, &err));
  CHECK(is_clear(&outs[0]) && !is_clear(&outs[1]));
  outs[0] = stale_output();
  NULL_IS("instance", torvyn_push(NULL, &e, &signal, &err));
  CHECK(signal == TORVYN_SIGNAL_READY);
  signal = TORVYN_SIGNAL_PAUSE;
  NULL_IS("element", torvyn_push(p, NULL, &signal, &err));
  CHECK(signal == TORVYN_SIGNAL_READY);
  signal = TORVYN_SIGNAL_PAUSE, done = 7;
  NULL_IS("instance", torvyn_push_batch(NULL, &e, 1, &signal, &done, &err));
  CHECK(signal == TORVYN_SIGNAL_READY && done == 0);
  NULL_IS("elements", torvyn_push_batch(p, NULL, 1, &signal, &done, &err));
  NULL_IS("done", torvyn_push_batch(p, &e, 1, &signal, NULL, &err));
  NULL_IS("instance", torvyn_complete(NULL, &err));
  NULL_IS("instance", torvyn_evaluate(NULL, &e, &passes, &err));
  CHECK(!passes);
  passes = true;
  NULL_IS("element", torvyn_evaluate(p, NULL, &passes, &err));
  CHECK(!passes);
  NULL_IS("passes", torvyn_evaluate(p, &e, NULL, &err));
  NULL_IS("instance", torvyn_route(NULL, &e, &ports, &err));
  CHECK(ports.names == NULL && ports.len == 0);
  NULL_IS("element", torvyn_route(p, NULL, &ports, &err));
  NULL_IS("ports", torvyn_route(p, &e, NULL, &err));
  CLEAR_OUT("instance", torvyn_ingest(NULL, &e, &out, &err));
  CLEAR_OUT("element", torvyn_ingest(p, NULL, &out, &err));
  NULL_IS("output", torvyn_ingest(p, &e, NULL, &err));
  NULL_IS("instance", torvyn_flush(NULL, &list, &err));
  CHECK(list == NULL);
  NULL_IS("out", torvyn_flush(p, NULL, &err));
  NULL_IS("instance", torvyn_instance_set_fuel(NULL, 1, &err));
  NULL_IS("instance", torvyn_instance_fuel_remaining(NULL, &left, &err));
  CHECK(left == 0);
  NULL_IS("out", torvyn_instance_fuel_remaining(p, NULL, &err));
  NULL_IS("instance", torvyn_instance_memory_usage(NULL, &usage, &err));
  CHECK(usage.total == 0 && usage.struct_size == sizeof usage);
  NULL_IS("out", torvyn_instance_memory_usage(p, NULL, &err));
  NULL_IS("instance", torvyn_instance_stats(NULL, &stats, &err));
  CHECK(stats.calls == 0 && stats.struct_size == sizeof stats);
  NULL_IS("out", torvyn_instance_stats(p, NULL, &err));
  CLEAR_OUT("outputs", torvyn_outputs_take(NULL, 0, &out, &err));

  /* All of it at once, and no room for the detail. */
  CHECK(torvyn_init(NULL, str(""), NULL) < 0 && torvyn_teardown(NULL, NULL) < 0 && torvyn_pull(NULL, NULL, NULL) < 0);
  CHECK(torvyn_notify_backpressure(NULL, (torvyn_signal_t)9, NULL) < 0);
  CHECK(torvyn_process(NULL, NULL, NULL, NULL) < 0 && torvyn_push(NULL, NULL, NULL, NULL) < 0);
  CHECK(torvyn_process_batch(NULL, NULL, 9, NULL, NULL, NULL) < 0);
  CHECK(torvyn_push_batch(NULL, NULL, 9, NULL, NULL, NULL) < 0 && torvyn_complete(NULL, NULL) < 0);
  CHECK(torvyn_evaluate(NULL, NULL, NULL, NULL) < 0 && torvyn_route(NULL, NULL, NULL, NULL) < 0);
  CHECK(torvyn_ingest(NULL, NULL, NULL, NULL) < 0 && torvyn_flush(NULL, NULL, NULL) < 0);
  CHECK(torvyn_instance_set_fuel(NULL, 0, NULL) < 0 && torvyn_instance_fuel_remaining(NULL, NULL, NULL) < 0);
  CHECK(torvyn_instance_memory_usage(NULL, NULL, NULL) < 0 && torvyn_instance_stats(NULL, NULL, NULL) < 0);
  CHECK(torvyn_outputs_take(NULL, 0, NULL, NULL) < 0);

  /* Strings and pieces of memory: NULL is good for no bytes alone. */
  refused = stats_of(p).refused;
  e.payload.len = 1, e.payload.data = NULL;
  EXPECT_TEXT(TORVYN_ERROR_NULL, "element.payload", torvyn_process(p, &e, &out, &err));
  e = element("drop");
  e.content_type.len = 1;
  EXPECT_TEXT(TORVYN_ERROR_NULL, "element.content_type", torvyn_process(p, &e, &out, &err));
  torvyn_flow_t flow = {.flow_id = {NULL, 3}};
  e = element("drop");
  e.flow = &flow;
  EXPECT_TEXT(TORVYN_ERROR_NULL, "element.flow.flow_id", torvyn_process(p, &e, &out, &err));
  CHECK(stats_of(p).refused == refused + 3);
  /* A parameter that is NULL itself is no call; an element of a batch is one. */
  torvyn_element_t two[2] = {element("drop"), element("drop")};
  torvyn_values_t *values;
  two[1].payload.data = NULL;
  uint64_t calls = stats_of(p).calls;
  NULL_IS("element", torvyn_process(p, NULL, &out, &err));
  NULL_IS("elements", torvyn_process_batch(p, NULL, 2, outs, &done, &err));
  NULL_IS("out", torvyn_flush(p, NULL, &err));
  EXPECT(TORVYN_ERROR_UTF8, torvyn_call(p, str("\xff"), str("f"), NULL, 0, &values, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_process_batch(p, two, SIZE_MAX, outs, &done, &err));
  CHECK(stats_of(p).refused == refused + 3 && stats_of(p).calls == calls);
  EXPECT(TORVYN_ERROR_NULL, torvyn_process_batch(p, two, 2, outs, &done, &err));
  CHECK(done == 1 && stats_of(p).refused == refused + 4 && stats_of(p).calls == calls + 1);
  torvyn_str_t null = {NULL, 1};
  torvyn_instance_t *new = instance_of(linked, 1, NULL);
  EXPECT_TEXT(TORVYN_ERROR_NULL, "config", torvyn_init(new, null, &err));
  null.len = 0;
  OK(torvyn_init(new, null, &err));
  torvyn_instance_free(new);
  emits(p, "echo:unharmed", "unharmed");
  torvyn_instance_free(p);
}

static torvyn_status_t nothing(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state, (void)call, (void)e;
  return TORVYN_NOTHING_EMITTED;
}

/* What is lent to a callback, with each of the other pointers NULL; emits the first byte. */
static torvyn_status_t pokes(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  uint8_t *room = STALE;
  (void)user, (void)state;
  NULL_IS("bytes", torvyn_native_append(call, NULL, 1, &err));
  OK(torvyn_native_append(call, NULL, 0, &err));
  NULL_IS("out", torvyn_native_reserve(call, 1, NULL, &err));
  CHECK(torvyn_native_append(call, e->payload.data, 1, NULL) == TORVYN_OK);
  CHECK(torvyn_native_reserve(call, 1, &room, NULL) == TORVYN_OK && *room == 0);
  CHECK(torvyn_native_commit(call, 2, NULL) < 0 && torvyn_native_commit(call, 0, NULL) == TORVYN_OK);
  CHECK(torvyn_native_port(call, str("p"), NULL) < 0); /* for a router alone */
  return torvyn_native_emit(call, 0, 0, str(""), NULL);
}

static torvyn_status_t pauses(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                              torvyn_signal_t *signal) {
  (void)user, (void)state, (void)call, (void)e;
  *signal = TORVYN_SIGNAL_PAUSE;
  return TORVYN_OK;
}

static torvyn_status_t ends(void *user, void *state, torvyn_native_call_t *call) {
  (void)user, (void)state;
  return torvyn_native_emit(call, 0, 0, str(""), NULL);
}

/* What needs more than one role. */
static void null_with_roles(void) {
  torvyn_native_t table = {
      .struct_size = sizeof table, .process = pokes, .push = pauses, .ingest = nothing, .flush = ends};
  torvyn_component_t *c = NULL;
  torvyn_linked_t *l = NULL;
  torvyn_instance_t *p;
  torvyn_outputs_t *list = NULL;
  torvyn_output_t out;
  torvyn_element_t e = element("x");
  size_t done = 0;

  part("NULL: within and around a native component");
  OK(torvyn_component_native(engine, &table, &c, &err));
  OK(torvyn_linked_new(c, NULL, &l, &err));
  p = instance_of(l, 1, NULL);
  emits(p, "xyz", "x");
  OK(torvyn_push(p, &e, NULL, &err));
  OK(torvyn_push_batch(p, &e, 1, NULL, &done, &err));
  CHECK(done == 1);
  OK(torvyn_flush(p, &list, &err));
  NULL_IS("output", torvyn_outputs_take(list, 0, NULL, &err));
  OK(torvyn_outputs_take(list, 0, &out, &err));
  torvyn_output_release(&out);
  torvyn_outputs_free(list);
  torvyn_instance_free(p);
  torvyn_linked_free(l);
  torvyn_component_free(c);
}

static void null_native(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .process = nothing};
  torvyn_component_t *c;
  uint8_t *room = STALE;

  part("NULL: native components");
  CLEARED("engine", c, torvyn_component_native(NULL, &table, &c, &err));
  CLEARED("table", c, torvyn_component_native(engine, NULL, &c, &err));
  NULL_IS("out", torvyn_component_native(engine, &table, NULL, &err));
  CHECK(torvyn_component_native(NULL, NULL, NULL, NULL) == TORVYN_ERROR_NULL);
  NULL_IS("call", torvyn_native_append(NULL, NULL, 0, &err));
  NULL_IS("call", torvyn_native_reserve(NULL, 1, &room, &err));
  CHECK(room == NULL);
  NULL_IS("call", torvyn_native_commit(NULL, 0, &err));
  NULL_IS("call", torvyn_native_emit(NULL, 0, 0, str(""), &err));
  NULL_IS("call", torvyn_native_port(NULL, str("p"), &err));
  CHECK(torvyn_native_fail(NULL, TORVYN_ERROR_FATAL, (torvyn_str_t){NULL, 1}) == TORVYN_ERROR_FATAL);
  CHECK(torvyn_native_should_stop(NULL));
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  component = component_of(engine, "misbehave");
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  null_neutral();
  null_making();
  null_grants();
  null_functions();
  null_calls();
  null_native();
  null_with_roles();
  torvyn_linked_free(linked);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
  return check_end();
}
