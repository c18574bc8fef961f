/* Native components: callbacks of the program's as a component like any other. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static torvyn_engine_t *engine;

static torvyn_instance_t *native_of(const torvyn_native_t *table, const torvyn_instance_options_t *options) {
  torvyn_component_t *component = STALE;
  torvyn_linked_t *linked = STALE;
  torvyn_instance_t *instance;
  OK(torvyn_component_native(engine, table, &component, &err));
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  torvyn_component_free(component);
  instance = instance_of(linked, 1, options);
  torvyn_linked_free(linked);
  return instance;
}

/* ---- outputs that nobody emits ------------------------------------------------ */

/* The element's payload becomes an output that is never emitted; where there is no room for it, that
 * is the verdict. Gives `answer` otherwise. */
static torvyn_status_t begins(torvyn_native_call_t *call, const torvyn_element_t *e, torvyn_status_t answer) {
  torvyn_status_t status = torvyn_native_append(call, e->payload.data, e->payload.len, NULL);
  return status == TORVYN_OK ? answer : torvyn_native_fail(call, TORVYN_ERROR_UNAVAILABLE, str("no room"));
}

static torvyn_status_t begin_process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  return begins(call, e, TORVYN_NOTHING_EMITTED);
}

static torvyn_status_t begin_push(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                                  torvyn_signal_t *signal) {
  (void)user, (void)state, (void)signal;
  return begins(call, e, TORVYN_OK);
}

static torvyn_status_t begin_evaluate(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                                      bool *passes) {
  (void)user, (void)state, (void)passes;
  return begins(call, e, TORVYN_OK);
}

static torvyn_status_t begin_route(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  return begins(call, e, TORVYN_OK);
}

static torvyn_status_t begin_ingest(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  return begins(call, e, TORVYN_NOTHING_EMITTED);
}

static torvyn_status_t begin_pull(void *user, void *state, torvyn_native_call_t *call) {
  torvyn_element_t e = element("pulled");
  (void)user, (void)state;
  return begins(call, &e, TORVYN_NO_ELEMENT);
}

/* One output that is emitted, and the beginning of another. */
static torvyn_status_t begin_flush(void *user, void *state, torvyn_native_call_t *call) {
  torvyn_element_t e = element("flushed");
  (void)user, (void)state;
  if (torvyn_native_emit(call, 1, 1, str(""), NULL) != TORVYN_OK) return TORVYN_ERROR_UNAVAILABLE;
  return begins(call, &e, TORVYN_OK);
}

static void not_emitted(void) {
  torvyn_native_t table = {.struct_size = sizeof table,
                           .process = begin_process,
                           .push = begin_push,
                           .evaluate = begin_evaluate,
                           .route = begin_route,
                           .ingest = begin_ingest,
                           .pull = begin_pull,
                           .flush = begin_flush};
  /* Room for two of the smallest buffers. */
  torvyn_instance_options_t options = {.struct_size = sizeof options, .buffer_limit = 8 << 10};
  torvyn_instance_t *instance = native_of(&table, &options);
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  torvyn_outputs_t *outs;
  torvyn_signal_t signal;
  torvyn_ports_t ports;
  bool passes;

  part("native: an output that is not emitted holds nothing once the call has returned");
  for (int i = 0; i < 10; i++) {
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(instance, &e, &out, &err));
    OK(torvyn_push(instance, &e, &signal, &err));
    OK(torvyn_evaluate(instance, &e, &passes, &err));
    OK(torvyn_route(instance, &e, &ports, &err));
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(instance, &e, &out, &err));
    EXPECT(TORVYN_NO_ELEMENT, torvyn_pull(instance, &out, &err));
    OK(torvyn_flush(instance, &outs, &err));
    CHECK(torvyn_outputs_count(outs) == 1);
    torvyn_outputs_free(outs);
  }
  /* At most the two of `flush` at once. */
  CHECK(stats_of(instance).buffer_bytes_peak == 8 << 10 && stats_of(instance).buffer_bytes == 0);
  torvyn_instance_free(instance);
}

/* ---- states from within --------------------------------------------------------- */

static torvyn_instance_t *watched;
static int ended_in; /* the state that the end of an instance saw */

static torvyn_status_t make_instance(void *user, uint64_t id, void **state) {
  (void)user, (void)id;
  *state = NULL;
  return TORVYN_OK;
}

static void end_instance(void *user, void *state) {
  (void)user, (void)state;
  ended_in = (int)torvyn_instance_state(watched);
}

static void states(void) {
  torvyn_native_t table = {.struct_size = sizeof table,
                           .instance_new = make_instance,
                           .instance_free = end_instance,
                           .process = begin_process};
  part("native: the state while an instance is reset");
  watched = native_of(&table, NULL);
  CHECK(torvyn_instance_state(watched) == TORVYN_STATE_READY);
  OK(torvyn_instance_reset(watched, &err));
  CHECK(ended_in == TORVYN_STATE_POISONED && torvyn_instance_state(watched) == TORVYN_STATE_READY);
  torvyn_instance_free(watched);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  not_emitted();
  states();
  torvyn_engine_free(engine);
  return check_end();
}
