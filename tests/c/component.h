/* The fuzz target `component`: bytes that are to be a component, binary or text. Whatever they are,
 * the library says so by a status; what compiles links, runs within small budgets, and comes back
 * from its artifact as the same component. */
#ifndef COMPONENT_H
#define COMPONENT_H

#include "fuzz.h"

/* One call of each role; what they come to is the component's affair. */
static inline void call_roles(torvyn_instance_t *instance) {
  torvyn_element_t e = element("a,b c");
  torvyn_output_t out = stale_output();
  torvyn_outputs_t *list = STALE;
  torvyn_ports_t ports;
  torvyn_signal_t signal;
  torvyn_state_t state;
  bool passes;
  int status[9] = {(int)torvyn_init(instance, str("x"), NULL), (int)torvyn_process(instance, &e, &out, NULL)};
  torvyn_output_release(&out);
  status[2] = torvyn_pull(instance, &out, NULL);
  torvyn_output_release(&out);
  status[3] = torvyn_ingest(instance, &e, &out, NULL);
  torvyn_output_release(&out);
  status[4] = torvyn_flush(instance, &list, NULL);
  torvyn_outputs_free(list);
  status[5] = torvyn_push(instance, &e, &signal, NULL);
  status[6] = torvyn_evaluate(instance, &e, &passes, NULL);
  status[7] = torvyn_route(instance, &e, &ports, NULL);
  status[8] = torvyn_teardown(instance, NULL);
  for (unsigned i = 0; i < sizeof status / sizeof *status; i++)
    CHECK(status[i] != TORVYN_ERROR_PANIC && status[i] != TORVYN_ERROR_INTERNAL && status[i] != TORVYN_ERROR_NULL &&
          status[i] != TORVYN_ERROR_ARGUMENT);
  state = torvyn_instance_state(instance);
  CHECK(state == TORVYN_STATE_TORN_DOWN || state == TORVYN_STATE_POISONED);
  CHECK(torvyn_instance_reset(instance, NULL) != TORVYN_ERROR_PANIC);
}

/* Whether a status is one that torvyn_component_compile() has for bytes. */
static inline int is_verdict_on_bytes(int status) {
  switch (status) {
  case TORVYN_ERROR_NOT_COMPONENT:
  case TORVYN_ERROR_CORE_MODULE:
  case TORVYN_ERROR_MALFORMED:
  case TORVYN_ERROR_NO_ROLE:
  case TORVYN_ERROR_TYPE_MISMATCH:
  case TORVYN_ERROR_UNSUPPORTED:
  case TORVYN_ERROR_COMPILATION: return 1;
  default: return 0;
  }
}

static inline void same_component(const torvyn_component_t *a, const torvyn_component_t *b) {
  torvyn_bytes_t id = torvyn_component_content_id(a), other = torvyn_component_content_id(b);
  CHECK(id.len == 32 && other.len == 32 && memcmp(id.data, other.data, 32) == 0);
  CHECK(torvyn_component_roles(a) == torvyn_component_roles(b) && torvyn_component_roles(a) != 0);
  CHECK(torvyn_component_path(a) == torvyn_component_path(b));
  CHECK(torvyn_component_import_count(a) == torvyn_component_import_count(b));
  CHECK(torvyn_component_export_count(a) == torvyn_component_export_count(b));
  for (size_t i = 0; i <= torvyn_component_import_count(a); i++) {
    CHECK(str_is(torvyn_component_import(b, i), torvyn_component_import(a, i).data));
    CHECK(str_is(torvyn_component_import_type(b, i), torvyn_component_import_type(a, i).data));
  }
  for (size_t i = 0; i <= torvyn_component_export_count(a); i++) {
    CHECK(str_is(torvyn_component_export(b, i), torvyn_component_export(a, i).data));
    CHECK(str_is(torvyn_component_export_type(b, i), torvyn_component_export_type(a, i).data));
  }
}

static inline void run_component(const torvyn_component_t *component) {
  torvyn_instance_options_t options = {.struct_size = sizeof options,
                                       .timeout_ns = 20 * MS,
                                       .fuel = 200000,
                                       .memory_limit = 1 << 20,
                                       .table_limit = 1000,
                                       .buffer_limit = 1 << 20,
                                       .max_handles = 100};
  torvyn_linked_t *linked = STALE;
  torvyn_instance_t *instance = STALE;
  torvyn_error_t *err = STALE;
  int status = torvyn_linked_new(component, NULL, &linked, &err);
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (linked != NULL));
  CHECK(status == TORVYN_OK || status == TORVYN_ERROR_UNRESOLVED_IMPORT || status == TORVYN_ERROR_TYPE_MISMATCH ||
        status == TORVYN_ERROR_UNSUPPORTED || status == TORVYN_ERROR_COMPILATION ||
        status == TORVYN_ERROR_INSTANTIATION);
  torvyn_error_free(err);
  if (status < 0) return;
  err = STALE;
  status = torvyn_instance_new(linked, 5, &options, &instance, &err);
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (instance != NULL));
  CHECK(status == TORVYN_OK || status == TORVYN_ERROR_INSTANTIATION || status == TORVYN_ERROR_TRAP ||
        status == TORVYN_ERROR_FUEL || status == TORVYN_ERROR_DEADLINE || status == TORVYN_ERROR_MEMORY);
  torvyn_error_free(err);
  torvyn_linked_free(linked);
  if (status < 0) return;
  call_roles(instance);
  torvyn_instance_free(instance);
}

static inline void fuzz_component(const uint8_t *bytes, size_t len) {
  static torvyn_engine_t *engines[4];
  torvyn_component_t *component = STALE, *again;
  torvyn_error_t *err = STALE;
  int status;
  if (!engines[0])
    for (int i = 0; i < 4; i++) {
      torvyn_engine_config_t config = {.struct_size = sizeof config,
                                       .path = i & 1 ? TORVYN_PATH_GENERAL : TORVYN_PATH_AUTO,
                                       .fuel = TORVYN_ON,
                                       .multi_memory = i & 2 ? TORVYN_OFF : TORVYN_ON,
                                       .optimize = TORVYN_OPTIMIZE_NONE,
                                       .parallel_compilation = TORVYN_OFF,
                                       .memory_reservation = check_reservation(),
                                       .guest_stack = 64 << 10};
      OK(torvyn_engine_new(&config, &engines[i], &err));
    }
  /* One of them, by what the input holds. */
  torvyn_engine_t *engine = engines[len ? bytes[len / 2] & 3 : 0];
  status = torvyn_component_compile(engine, bytes ? bytes : (const uint8_t *)"", len, &component, &err);
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (component != NULL));
  if (status < 0) {
    CHECK(is_verdict_on_bytes(status) && torvyn_error_message(err).len > 0);
    CHECK(!strchr(torvyn_error_message(err).data, '\n'));
    torvyn_error_free(err);
    return;
  }
  same_component(component, component);
  run_component(component);
  again = reloaded(engine, component);
  same_component(component, again);
  torvyn_component_free(component);
  run_component(again);
  torvyn_component_free(again);
}

#endif /* COMPONENT_H */
