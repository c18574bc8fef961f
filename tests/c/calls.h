/* The fuzz target `calls`: calls of the C functions in any order, on handles that are freed in any
 * order, with numbers that no enum has, sizes that no struct has, and NULL. What the header says of
 * states, outputs, errors, counters and finalizers is checked after each. */
#ifndef CALLS_H
#define CALLS_H

#include "fuzz.h"

#define SLOTS 4 /* of each kind of handle */

typedef struct {
  torvyn_instance_t *handle;
  uint32_t roles;
  int state, cancelled, native;
  uint64_t refused, calls, resets;
} model_t;

/* Engines and components that every input starts from, since making them takes long. */
enum { ENGINES = 3, GUESTS = 8 };
static const char *const calls_guests[GUESTS - 1] = {"interpreter", "misbehave",   "line-source",     "count-sink",
                                                     "even-filter", "port-router", "batch-aggregator"};

typedef struct {
  torvyn_engine_t *engines[ENGINES];
  torvyn_component_t *guests[ENGINES][GUESTS]; /* the last one is native */
  torvyn_engine_t *engine[SLOTS];
  torvyn_component_t *component[SLOTS];
  torvyn_imports_t *imports[SLOTS];
  torvyn_linked_t *linked[SLOTS];
  model_t instance[SLOTS];
  torvyn_cancel_t *cancel[SLOTS];
  torvyn_output_t output[SLOTS];
  /* Finalizers that are owed and those that ran. */
  unsigned long owed, ran;
} calls_t;

static calls_t calls;

static inline void calls_finalizer(void *user) { ++*(unsigned long *)user; }

/* ---- a native component: the payload's first byte says what is answered -------------- */

static inline torvyn_status_t native_answer(torvyn_native_call_t *call, uint8_t what, int emits) {
  uint8_t *room = STALE;
  torvyn_error_t *err = STALE;
  switch (what % 8) {
  case 0:
    if (emits) {
      OK(torvyn_native_append(call, (const uint8_t *)"native", 6, &err));
      EXPECT(TORVYN_OK, torvyn_native_emit(call, what, what, str("a/b"), &err));
    }
    return TORVYN_OK;
  case 1: /* an output that nobody emits */
    OK(torvyn_native_reserve(call, what, &room, &err));
    memset(room, 1, what);
    OK(torvyn_native_commit(call, what / 2, &err));
    return emits ? TORVYN_NOTHING_EMITTED : TORVYN_OK;
  case 2: return torvyn_native_fail(call, TORVYN_ERROR_INVALID_INPUT, str("native"));
  case 3: return what < 128 ? TORVYN_ERROR_UNAVAILABLE : torvyn_native_fail(call, TORVYN_ERROR_FATAL, str("fatal"));
  case 4: return (torvyn_status_t)(what - 128); /* no answer at all, mostly */
  case 5: /* emits twice: the second is refused */
    if (emits) {
      OK(torvyn_native_emit(call, 1, 1, str(""), &err));
      EXPECT(TORVYN_ERROR_STATE, torvyn_native_emit(call, 1, 1, str(""), &err));
    }
    return TORVYN_OK;
  case 6:
    CHECK(torvyn_native_commit(call, SIZE_MAX, &err) == TORVYN_ERROR_ARGUMENT);
    torvyn_error_free(err);
    return emits ? TORVYN_NOTHING_EMITTED : TORVYN_OK;
  default: return emits ? TORVYN_NOTHING_EMITTED : TORVYN_OK;
  }
}

static inline uint8_t first_of(const torvyn_element_t *e) { return e->payload.len ? e->payload.data[0] : 0; }

static inline torvyn_status_t native_process(void *user, void *state, torvyn_native_call_t *call,
                                             const torvyn_element_t *e) {
  (void)user, (void)state;
  return native_answer(call, first_of(e), 1);
}

static inline torvyn_status_t native_push(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                                          torvyn_signal_t *signal) {
  (void)user, (void)state;
  *signal = (torvyn_signal_t)(first_of(e) >> 3 & 1);
  return native_answer(call, first_of(e), 0);
}

static inline torvyn_status_t native_init(void *user, void *state, torvyn_native_call_t *call, torvyn_str_t config) {
  (void)user, (void)state;
  return native_answer(call, config.len ? (uint8_t)config.data[0] : 0, 0);
}

/* ---- what is true after every call --------------------------------------------------- */

static inline int is_status(int status) { return strcmp(torvyn_status_name(status), "TORVYN_UNKNOWN") != 0; }

static int called;

/* `err` is STALE where the call was made without one. */
static inline int checked(int status, torvyn_error_t *err, int asked) {
  CHECK(is_status(status) && status != TORVYN_ERROR_PANIC);
  if (!asked) return status;
  CHECK((status < 0) == (err != NULL) && err != STALE);
  if (err) {
    uint64_t id = 7;
    CHECK((int)torvyn_error_status(err) == status && torvyn_error_message(err).len > 0);
    CHECK(torvyn_error_message(err).data[torvyn_error_message(err).len] == '\0');
    CHECK(!strchr(torvyn_error_message(err).data, '\n'));
    CHECK(torvyn_error_component_id(err, &id) || id == 0);
    for (size_t i = 0; i <= torvyn_error_frame_count(err); i++) CHECK(torvyn_error_frame(err, i).data != NULL);
    torvyn_error_free(err);
  }
  return status;
}

/* A call whose error is asked for as the input says. */
#define CALL(call) (err = STALE, called = (int)(call), checked(called, err, asked))
#define ERR (asked ? &err : NULL)

static inline int is_misuse(int status) { return status < 0 && status > -100; }

static inline void recount(model_t *m) {
  torvyn_stats_t stats = stats_of(m->handle);
  m->calls = stats.calls, m->refused = stats.refused, m->resets = stats.resets;
}

/* The model after a call of a function of the contract that came to `status`. `ready` is the state
 * that the call needs. */
static inline void after_call(model_t *m, int status, uint32_t role, int wanted) {
  int cancelled = m->cancelled, before = m->state;
  torvyn_stats_t stats = stats_of(m->handle);
  if (role && !(m->roles & role)) {
    CHECK(status == TORVYN_ERROR_NOT_EXPORTED || status == TORVYN_ERROR_UTF8 || status == TORVYN_ERROR_ARGUMENT ||
          status == TORVYN_ERROR_NULL);
  } else if (is_misuse(status)) {
    CHECK(status == TORVYN_ERROR_STATE || status == TORVYN_ERROR_NULL || status == TORVYN_ERROR_UTF8 ||
          status == TORVYN_ERROR_ARGUMENT);
    CHECK(status != TORVYN_ERROR_STATE || before != wanted);
  } else {
    CHECK(before == wanted);
    if (status == TORVYN_ERROR_CANCELLED) {
      CHECK(cancelled);
      m->cancelled = 0;
      if (stats.calls == m->calls) CHECK(torvyn_instance_state(m->handle) == (torvyn_state_t)before);
    }
    if (status == TORVYN_ERROR_FATAL) m->state = TORVYN_STATE_FAILED;
    if (status < 0 && status > TORVYN_ERROR_INVALID_INPUT)
      m->state = status == TORVYN_ERROR_CANCELLED ? (int)torvyn_instance_state(m->handle) : TORVYN_STATE_POISONED;
  }
  CHECK(status != TORVYN_ERROR_INTERNAL || m->native);
  CHECK((int)torvyn_instance_state(m->handle) == m->state);
  /* Counters go up alone, and say the same as each other. */
  CHECK(stats.calls >= m->calls && stats.refused >= m->refused && stats.resets == m->resets);
  CHECK(!is_misuse(status) || stats.calls == m->calls);
  CHECK(stats.calls >= stats.stopped + stats.guest_errors);
  CHECK(stats.stopped >= stats.traps + stats.out_of_fuel + stats.deadlines + stats.memory_limits);
  CHECK(stats.buffer_bytes <= stats.buffer_bytes_peak && stats.elements_in <= stats.calls);
  recount(m);
}

/* Keeps an output, in place of one that was kept before. */
static inline void keep_output(unsigned slot, torvyn_output_t *out) {
  torvyn_output_release(&calls.output[slot]);
  CHECK(is_clear(&calls.output[slot]));
  calls.output[slot] = *out;
}

/* ---- the calls ------------------------------------------------------------------------- */

static inline void call_instance(input_t *in, model_t *m, int asked) {
  torvyn_error_t *err = STALE;
  torvyn_output_t out[2] = {stale_output(), stale_output()};
  torvyn_outputs_t *list = STALE;
  torvyn_ports_t ports = {STALE, 7};
  torvyn_signal_t signal = (torvyn_signal_t)9;
  size_t done = 7;
  bool passes = true;
  uint8_t op = byte_of(in), flags = byte_of(in);
  torvyn_flow_t flow = {type_of(flags), type_of(flags / 2), type_of(flags / 4), odd_number(in)};
  torvyn_element_t e[2] = {{flags, odd_number(in), type_of(flags), bytes_of(in, 4096), flags & 1 ? &flow : NULL}};
  const torvyn_element_t *given = e;
  int status;
  e[1] = e[0];
  if (flags % 32 == 31) given = NULL;
  if (flags % 32 == 30) e[0].content_type = str("bad \xff\xfe");
  if (flags % 32 == 29) e[0].payload.len = (size_t)TORVYN_MAX_PAYLOAD + 1; /* refused before it is read */
  if (flags % 32 == 28) e[0].payload.data = NULL;
  switch (op % 16) {
  case 0:
    status = CALL(torvyn_init(m->handle, flags & 2 ? str("\xff") : text_of(in), ERR));
    if (!(m->roles & TORVYN_ROLE_LIFECYCLE) && m->state == TORVYN_STATE_READY) break;
    if (status == TORVYN_OK || status <= TORVYN_ERROR_INVALID_INPUT) {
      CHECK(m->state == TORVYN_STATE_NEW);
      m->state = status == TORVYN_OK ? TORVYN_STATE_READY : TORVYN_STATE_FAILED;
      after_call(m, status, 0, m->state);
    } else {
      after_call(m, status, 0, TORVYN_STATE_NEW);
    }
    break;
  case 1:
    status = CALL(torvyn_teardown(m->handle, ERR));
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_STATE);
    CHECK((status == TORVYN_ERROR_STATE) == (m->state == TORVYN_STATE_POISONED || m->state == TORVYN_STATE_TORN_DOWN));
    if (status == TORVYN_OK) m->state = TORVYN_STATE_TORN_DOWN;
    recount(m);
    CHECK((int)torvyn_instance_state(m->handle) == m->state);
    break;
  case 2:
    status = CALL(torvyn_pull(m->handle, flags & 2 ? out : NULL, ERR));
    if (!(flags & 2)) CHECK(status == TORVYN_ERROR_NULL);
    else CHECK((status == TORVYN_OK) == (out[0].payload != NULL) && (status == TORVYN_OK || is_clear(out)));
    if (flags & 2) keep_output(flags % SLOTS, out);
    after_call(m, status, TORVYN_ROLE_SOURCE, TORVYN_STATE_READY);
    break;
  case 3:
    status = CALL(torvyn_notify_backpressure(m->handle, (torvyn_signal_t)(flags % 3 ? flags & 1 : (int)odd_number(in)), ERR));
    after_call(m, status, TORVYN_ROLE_SOURCE, TORVYN_STATE_READY);
    break;
  default:
    status = CALL(torvyn_process(m->handle, given, out, ERR));
    CHECK((status == TORVYN_OK) == (out[0].payload != NULL) && (status == TORVYN_OK || is_clear(out)));
    if (status == TORVYN_OK) CHECK(out[0].sequence == e[0].sequence && out[0].timestamp_ns == e[0].timestamp_ns);
    keep_output(flags % SLOTS, out);
    after_call(m, status, TORVYN_ROLE_PROCESSOR, TORVYN_STATE_READY);
    break;
  case 5:
    status = CALL(torvyn_process_batch(m->handle, given, 2, out, &done, ERR));
    CHECK(done <= 2 && (status < 0) == (done < 2));
    for (size_t i = 0; i < 2; i++) {
      CHECK(out[i].payload ? i < done : is_clear(&out[i]));
      keep_output((unsigned)(flags + i) % SLOTS, &out[i]);
    }
    /* Of two elements one may have run before the other was refused. */
    if (is_misuse(status) && done) recount(m);
    else after_call(m, status, TORVYN_ROLE_PROCESSOR, TORVYN_STATE_READY);
    break;
  case 6:
    status = CALL(torvyn_push(m->handle, given, flags & 2 ? &signal : NULL, ERR));
    if (flags & 2) CHECK(signal == TORVYN_SIGNAL_READY || (signal == TORVYN_SIGNAL_PAUSE && status == TORVYN_OK));
    after_call(m, status, TORVYN_ROLE_SINK, TORVYN_STATE_READY);
    break;
  case 7:
    status = CALL(torvyn_push_batch(m->handle, given, 2, &signal, &done, ERR));
    CHECK(done <= 2 && (status != TORVYN_OK || done == 2 || signal == TORVYN_SIGNAL_PAUSE));
    if (is_misuse(status) && done) recount(m);
    else after_call(m, status, TORVYN_ROLE_SINK, TORVYN_STATE_READY);
    break;
  case 8:
    after_call(m, CALL(torvyn_complete(m->handle, ERR)), TORVYN_ROLE_SINK, TORVYN_STATE_READY);
    break;
  case 9:
    status = CALL(torvyn_evaluate(m->handle, given, &passes, ERR));
    CHECK(status == TORVYN_OK || !passes);
    after_call(m, status, TORVYN_ROLE_FILTER, TORVYN_STATE_READY);
    break;
  case 10:
    status = CALL(torvyn_route(m->handle, given, &ports, ERR));
    CHECK(status == TORVYN_OK || (ports.len == 0 && ports.names == NULL));
    for (size_t i = 0; i < ports.len; i++) CHECK(ports.names[i].data != NULL);
    after_call(m, status, TORVYN_ROLE_ROUTER, TORVYN_STATE_READY);
    break;
  case 11:
    status = CALL(torvyn_ingest(m->handle, given, out, ERR));
    CHECK((status == TORVYN_OK) == (out[0].payload != NULL) && (status == TORVYN_OK || is_clear(out)));
    keep_output(flags % SLOTS, out);
    after_call(m, status, TORVYN_ROLE_AGGREGATOR, TORVYN_STATE_READY);
    break;
  case 12:
    status = CALL(torvyn_flush(m->handle, &list, ERR));
    CHECK((status == TORVYN_OK) == (list != NULL));
    for (size_t i = flags & 1; i <= torvyn_outputs_count(list); i += 2) {
      int taken = CALL(torvyn_outputs_take(list, i, out, ERR));
      CHECK(taken == (!list ? TORVYN_ERROR_NULL : i < torvyn_outputs_count(list) ? TORVYN_OK : TORVYN_ERROR_ARGUMENT));
      CHECK((taken == TORVYN_OK) == (out[0].payload != NULL));
      keep_output((unsigned)i % SLOTS, out);
    }
    torvyn_outputs_free(list);
    after_call(m, status, TORVYN_ROLE_AGGREGATOR, TORVYN_STATE_READY);
    break;
  case 13: {
    torvyn_values_t *values = STALE;
    /* Any kind but those that would have it follow a pointer. */
    int kind = flags >= TORVYN_KIND_STRING && flags <= TORVYN_KIND_BORROW ? TORVYN_KIND_U8 : flags;
    torvyn_value_t arg = {.kind = (torvyn_kind_t)kind, .of = {.uint = 3}};
    int before = m->state;
    status = CALL(torvyn_call(m->handle, text_of(in), text_of(in), &arg, flags % 2, &values, ERR));
    CHECK((status == TORVYN_OK) == (values != NULL));
    torvyn_values_free(values);
    CHECK((int)torvyn_instance_state(m->handle) == before);
    CHECK(status == TORVYN_ERROR_CANCELLED || status == TORVYN_ERROR_NOT_EXPORTED || status == TORVYN_ERROR_UNSUPPORTED || status == TORVYN_ERROR_STATE ||
          status == TORVYN_ERROR_TYPE_MISMATCH || status == TORVYN_ERROR_ARGUMENT);
    recount(m);
    if (status == TORVYN_ERROR_CANCELLED) m->cancelled = 0;
    break;
  }
  }
}

/* Results of a size that is not the struct's: no more than it says is written. */
static inline void odd_results(input_t *in, model_t *m, int asked) {
  uint8_t bytes[512], flags = byte_of(in);
  torvyn_error_t *err = STALE;
  uint32_t size = flags & 1 ? byte_of(in) : (uint32_t)odd_number(in);
  int status;
  if (size > sizeof bytes && size <= 4096) size = sizeof bytes;
  memset(bytes, 0xa5, sizeof bytes);
  memcpy(bytes, &size, sizeof size);
  status = flags & 2 ? CALL(torvyn_instance_stats(m->handle, (torvyn_stats_t *)(void *)bytes, ERR))
                     : CALL(torvyn_instance_memory_usage(m->handle, (torvyn_memory_usage_t *)(void *)bytes, ERR));
  CHECK(status == TORVYN_OK || status == TORVYN_ERROR_ARGUMENT);
  if (status == TORVYN_OK) CHECK(size == 4 || size % 8 == 0);
  for (size_t i = status == TORVYN_OK ? size : 4; i < sizeof bytes; i++) CHECK(bytes[i] == 0xa5);
}

/* Options whose fields are any numbers. The union is larger than either, for sizes that are. */
typedef union {
  torvyn_engine_config_t engine;
  torvyn_instance_options_t instance;
  uint8_t bytes[512];
} options_t;

static inline void odd_fields(input_t *in, options_t *o, size_t size) {
  for (unsigned n = byte_of(in) % 6; n; n--) {
    uint64_t value = odd_number(in);
    size_t at = 4 + byte_of(in) % (size - 4);
    at &= ~(size_t)3;
    memcpy(o->bytes + at, &value, at + 8 <= size ? 8 : 4);
  }
}

static inline void new_engine(input_t *in, unsigned slot, int asked) {
  options_t o;
  torvyn_error_t *err = STALE;
  uint8_t flags = byte_of(in);
  memset(&o, 0, sizeof o);
  o.engine.struct_size = sizeof o.engine;
  odd_fields(in, &o, offsetof(torvyn_engine_config_t, log));
  if (o.engine.pool_instances > 4) o.engine.pool_instances = 4;
  if (o.engine.wasi_threads > 2) o.engine.wasi_threads = 2;
  if (flags % 8 == 7) o.engine.struct_size = (uint32_t)byte_of(in) * 2;
  o.engine.log_user = &calls.ran;
  o.engine.log_finalizer = calls_finalizer;
  /* The finalizer is known where the size says so, and is the size of such a struct. */
  size_t known = o.engine.struct_size % 8 ? 0 : o.engine.struct_size;
  calls.owed += known >= offsetof(torvyn_engine_config_t, log_finalizer) + sizeof(torvyn_finalizer_t);
  torvyn_engine_free(calls.engine[slot]);
  calls.engine[slot] = STALE;
  int status = CALL(torvyn_engine_new(&o.engine, &calls.engine[slot], ERR));
  CHECK(status == TORVYN_OK || status == TORVYN_ERROR_CONFIG || status == TORVYN_ERROR_ARGUMENT);
  CHECK((status == TORVYN_OK) == (calls.engine[slot] != NULL));
}

static inline void free_instance(model_t *m) {
  torvyn_instance_free(m->handle);
  memset(m, 0, sizeof *m);
}

static inline void new_instance(input_t *in, model_t *m, const torvyn_linked_t *linked, int asked) {
  options_t o;
  torvyn_error_t *err = STALE;
  uint8_t flags = byte_of(in);
  memset(&o, 0, sizeof o);
  o.instance.struct_size = sizeof o.instance;
  odd_fields(in, &o, sizeof o.instance);
  if (flags % 8 == 7) o.instance.struct_size = (uint32_t)byte_of(in) * 2;
  /* Whatever it runs comes to its end soon: by fuel, or by the engine's timeout. */
  if (o.instance.fuel == 0 || o.instance.fuel > 1000000) o.instance.fuel = 1000000;
  if (o.instance.timeout_ns > 20 * MS) o.instance.timeout_ns = 20 * MS;
  free_instance(m);
  int status = CALL(torvyn_instance_new(linked, flags, flags & 1 ? &o.instance : NULL, &m->handle, ERR));
  CHECK((status == TORVYN_OK) == (m->handle != NULL));
  if (!linked) CHECK(status == TORVYN_ERROR_NULL);
  if (status < 0) return;
  CHECK(torvyn_instance_id(m->handle) == flags);
  m->roles = torvyn_instance_roles(m->handle);
  m->state = (int)torvyn_instance_state(m->handle);
  m->native = torvyn_linked_path(linked) == TORVYN_PATH_NATIVE;
  recount(m);
  CHECK(m->state == (m->roles & TORVYN_ROLE_LIFECYCLE ? TORVYN_STATE_NEW : TORVYN_STATE_READY));
}

static inline void step(input_t *in) {
  uint8_t op = byte_of(in), which = byte_of(in);
  unsigned slot = which % SLOTS, from = which / SLOTS % SLOTS;
  int asked = !(which & 128), status;
  torvyn_error_t *err = STALE;
  model_t *m = &calls.instance[slot];
  uint64_t n = 7;
  switch (op % 24) {
  case 0: new_engine(in, slot, asked); break;
  case 1:
    torvyn_engine_free(calls.engine[slot]);
    calls.engine[slot] = torvyn_engine_clone(calls.engines[from % ENGINES]);
    break;
  case 2: torvyn_engine_tick(calls.engines[from % ENGINES]); break;
  case 3:
    torvyn_component_free(calls.component[slot]);
    calls.component[slot] = torvyn_component_clone(calls.guests[from % ENGINES][byte_of(in) % GUESTS]);
    break;
  case 4: /* compiled or deserialized from rubbish, on any engine or none */
    torvyn_component_free(calls.component[slot]);
    calls.component[slot] = STALE;
    torvyn_bytes_t bytes = bytes_of(in, 64);
    status = which & 64 ? CALL(torvyn_component_compile(calls.engine[from], bytes.data, bytes.len, &calls.component[slot], ERR))
                        : CALL(torvyn_component_deserialize_unchecked(calls.engine[from], bytes.data, bytes.len,
                                                                      &calls.component[slot], ERR));
    CHECK(status < 0 && calls.component[slot] == NULL);
    if (!calls.engine[from]) CHECK(status == TORVYN_ERROR_NULL);
    break;
  case 5:
    torvyn_imports_free(calls.imports[slot]);
    status = CALL(torvyn_imports_new(which & 64 ? calls.engine[from] : calls.engines[from % ENGINES],
                                     &calls.imports[slot], ERR));
    CHECK((status == TORVYN_OK) == (calls.imports[slot] != NULL));
    break;
  case 6: /* a function that nothing imports, maybe with a signature that is none */
    calls.owed++;
    status = CALL(torvyn_imports_define(calls.imports[slot], str("a:b/c"), text_of(in), which & 64 ? text_of(in) : str("func()"),
                                        NULL, &calls.ran, calls_finalizer, ERR));
    CHECK(status < 0); /* for want of a function */
    break;
  case 7:
  case 8: /* maybe of two engines, or of none */
    torvyn_linked_free(calls.linked[slot]);
    calls.linked[slot] = STALE;
    status = CALL(torvyn_linked_new(calls.component[from], which & 64 ? calls.imports[slot] : NULL, &calls.linked[slot], ERR));
    CHECK((status == TORVYN_OK) == (calls.linked[slot] != NULL));
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_NULL || status == TORVYN_ERROR_WRONG_ENGINE);
    CHECK((status == TORVYN_ERROR_NULL) == (calls.component[from] == NULL));
    break;
  case 9:
  case 10: new_instance(in, m, calls.linked[from], asked); break;
  case 11: free_instance(m); break;
  case 12:
    status = CALL(torvyn_instance_reset(m->handle, ERR));
    if (!m->handle) {
      CHECK(status == TORVYN_ERROR_NULL);
      break;
    }
    CHECK(!is_misuse(status));
    m->state = (int)torvyn_instance_state(m->handle);
    CHECK(m->state == (status < 0 ? TORVYN_STATE_POISONED
                       : m->roles & TORVYN_ROLE_LIFECYCLE ? TORVYN_STATE_NEW : TORVYN_STATE_READY));
    recount(m);
    if (status == TORVYN_OK) CHECK(memory_of(m->handle).buffers == 0);
    break;
  case 13:
    status = CALL(torvyn_instance_set_fuel(m->handle, odd_number(in) % 1000000, ERR));
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_FUEL_DISABLED || status == TORVYN_ERROR_STATE ||
          status == TORVYN_ERROR_NULL);
    break;
  case 14:
    status = CALL(torvyn_instance_fuel_remaining(m->handle, &n, ERR));
    CHECK(status == TORVYN_OK || n == 0);
    CHECK(status == TORVYN_OK || status == TORVYN_FUEL_OFF || status == TORVYN_ERROR_NULL);
    break;
  case 15: if (m->handle) odd_results(in, m, asked); break;
  case 16:
    { /* first, since it may be the one that is cloned */
      torvyn_cancel_t *old = calls.cancel[slot];
      calls.cancel[slot] = which & 64 ? torvyn_cancel_clone(calls.cancel[from]) : torvyn_instance_cancel_handle(m->handle);
      torvyn_cancel_free(old);
    }
    break;
  case 17: /* of which instance is not known here: any may be the one */
    torvyn_cancel(calls.cancel[slot]);
    for (unsigned i = 0; calls.cancel[slot] && i < SLOTS; i++) calls.instance[i].cancelled = 1;
    break;
  case 18: torvyn_output_release(&calls.output[slot]); break;
  case 19: { /* what is given back needs nothing else to be read */
    torvyn_bytes_t view = torvyn_buffer_bytes(calls.output[slot].payload);
    CHECK(view.len == calls.output[slot].bytes.len && view.len == torvyn_buffer_size(calls.output[slot].payload));
    CHECK(view.len == 0 || memcmp(view.data, calls.output[slot].bytes.data, view.len) == 0);
    break;
  }
  default:
    if (m->handle) call_instance(in, m, asked);
    else CHECK(CALL(torvyn_complete(m->handle, ERR)) == TORVYN_ERROR_NULL);
    break;
  }
}

static inline void calls_begin(void) {
  static unsigned long ended; /* the base components' own, which live for ever */
  torvyn_native_t table = {.struct_size = sizeof table, .user = &ended, .finalizer = calls_finalizer,
                           .init = native_init, .process = native_process, .push = native_push};
  for (int i = 0; i < ENGINES; i++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config,
                                     .path = i == 1 ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT,
                                     .fuel = i == 0 ? TORVYN_OFF : TORVYN_ON,
                                     .host_ticks = i == 1 ? TORVYN_ON : TORVYN_OFF,
                                     .explicit_traps = i == 0 ? TORVYN_ON : TORVYN_OFF,
                                     .pool_instances = i == 2 ? 3 : 0,
                                     .timeout_ns = 20 * MS,
                                     .memory_limit = 2 << 20,
                                     .memory_reservation = check_reservation(),
                                     .optimize = TORVYN_OPTIMIZE_NONE,
                                     .guest_stack = 64 << 10};
    OK(torvyn_engine_new(&config, &calls.engines[i], &err));
    for (int g = 0; g < GUESTS - 1; g++) calls.guests[i][g] = component_of(calls.engines[i], calls_guests[g]);
    OK(torvyn_component_native(calls.engines[i], &table, &calls.guests[i][GUESTS - 1], &err));
  }
}

static inline void fuzz_calls(const uint8_t *bytes, size_t len) {
  input_t in = input_of(bytes, len);
  if (!calls.engines[0]) calls_begin();
  /* An instance to begin with. */
  uint8_t first = byte_of(&in);
  torvyn_linked_t *linked = STALE;
  OK(torvyn_linked_new(calls.guests[first % ENGINES][first / ENGINES % GUESTS], NULL, &linked, &err));
  calls.linked[0] = linked;
  new_instance(&in, &calls.instance[0], linked, 1);
  for (int i = 0; i < 64 && more(&in); i++) step(&in);
  for (unsigned i = 0; i < SLOTS; i++) { /* in an order of the input's */
    unsigned slot = (i + first) % SLOTS;
    torvyn_engine_free(calls.engine[slot]);
    if (first & 128) torvyn_output_release(&calls.output[slot]);
    torvyn_component_free(calls.component[slot]);
    torvyn_linked_free(calls.linked[slot]);
    free_instance(&calls.instance[slot]);
    torvyn_imports_free(calls.imports[slot]);
    torvyn_output_release(&calls.output[slot]);
    torvyn_cancel_free(calls.cancel[slot]);
    calls.engine[slot] = NULL, calls.component[slot] = NULL, calls.linked[slot] = NULL;
    calls.imports[slot] = NULL, calls.cancel[slot] = NULL;
  }
  CHECK(calls.owed == calls.ran); /* exactly once, each of them */
}

#endif /* CALLS_H */
