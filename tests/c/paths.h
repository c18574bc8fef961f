/* The differential test: the same calls on an instance of each path, compared after every one in
 * all that a program can see. The calls are an input's (`fuzz.h`): the target `paths` takes it from
 * the fuzzer, `paths.c` from seeds and from a generator. */
#ifndef PATHS_H
#define PATHS_H

#include "fuzz.h"

/* A component on both paths: direct, general. */
typedef struct {
  torvyn_engine_t *engines[2];
  torvyn_linked_t *linked[2];
  torvyn_instance_t *instances[2];
  /* What either path's counters had been before the call. */
  torvyn_stats_t before[2];
  int apart; /* the latest call that ran was stopped */
  /* Calls of each outcome, to know that the inputs reach something. */
  unsigned long calls, emitted, stopped, verdicts;
} pair_t;

/* What one call came to. */
typedef struct {
  int status, trap, state, fatal, retryable;
  uint64_t done, signal, passes, count;
  char function[32], detail[256], frame[200], said[512];
  size_t frames;
  uint64_t outputs; /* a digest of all that came out */
  torvyn_stats_t stats;
  torvyn_memory_usage_t memory;
} came_t;

/* Time passes where the input says so, and nowhere else. */
static inline void pair_engines(pair_t *pair) {
  for (int i = 0; i < 2; i++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config,
                                     .path = i ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT,
                                     .host_ticks = TORVYN_ON,
                                     .optimize = TORVYN_OPTIMIZE_NONE,
                                     .guest_stack = 64 << 10,
                                     .memory_limit = 2 << 20,
                                     .memory_reservation = check_reservation(),
                                     /* Valgrind has no room for so many memories. */
                                     .pool_instances = check_slow() < 10 ? 24 : 0};
    OK(torvyn_engine_new(&config, &pair->engines[i], &err));
  }
}

static inline void pair_link(pair_t *pair, const char *guest) {
  for (int i = 0; i < 2; i++) pair->linked[i] = linked_of(pair->engines[i], guest);
  CHECK(torvyn_linked_path(pair->linked[0]) == TORVYN_PATH_DIRECT);
  CHECK(torvyn_linked_path(pair->linked[1]) == TORVYN_PATH_GENERAL);
}

static inline void pair_unlink(pair_t *pair) {
  for (int i = 0; i < 2; i++) torvyn_linked_free(pair->linked[i]);
}

static inline void copy_text(char *to, size_t room, torvyn_str_t s) {
  size_t len = s.len < room - 1 ? s.len : room - 1;
  if (len) memcpy(to, s.data, len);
  to[len] = '\0';
}

static inline uint64_t digest(uint64_t hash, const void *bytes, size_t len) {
  const uint8_t *b = bytes;
  hash = (hash ^ len) * UINT64_C(0x100000001b3);
  for (size_t i = 0; i < len; i++) hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
  return hash;
}

/* Takes an output into the digest and releases it. */
static inline void came_out(came_t *c, torvyn_output_t *out) {
  torvyn_str_t type = torvyn_buffer_content_type(out->payload);
  CHECK(out->payload || is_clear(out));
  CHECK(out->bytes.len == torvyn_buffer_size(out->payload));
  c->outputs = digest(c->outputs, &out->sequence, sizeof out->sequence);
  c->outputs = digest(c->outputs, &out->timestamp_ns, sizeof out->timestamp_ns);
  c->outputs = digest(c->outputs, out->content_type.data, out->content_type.len);
  c->outputs = digest(c->outputs, type.data, type.len);
  c->outputs = digest(c->outputs, out->bytes.data, out->bytes.len);
  torvyn_output_release(out);
}

/* Takes what a call gave beside its outputs. */
static inline void came_end(came_t *c, torvyn_instance_t *instance, int status, torvyn_error_t *err) {
  c->status = status;
  CHECK((status < 0) == (err != NULL) && err != STALE);
  c->trap = (int)torvyn_error_trap(err);
  c->fatal = torvyn_error_is_fatal(err);
  c->retryable = torvyn_error_is_retryable(err);
  c->frames = torvyn_error_frame_count(err);
  copy_text(c->function, sizeof c->function, torvyn_error_function(err));
  copy_text(c->frame, sizeof c->frame, torvyn_error_frame(err, 0));
  copy_text(c->detail, sizeof c->detail, torvyn_error_detail(err));
  copy_text(c->said, sizeof c->said, torvyn_error_message(err));
  torvyn_error_free(err);
  c->state = (int)torvyn_instance_state(instance);
  c->stats = stats_of(instance);
  c->memory = memory_of(instance);
}

static inline int differs(const char *what, unsigned long long direct, unsigned long long general) {
  if (direct != general)
    fprintf(stderr, "%s: %s: %lld on the direct path, %lld on the general one\n", check_doing, what, (long long)direct,
            (long long)general);
  return direct != general;
}

#define SAME(field) differ |= differs(#field, (unsigned long long)a->field, (unsigned long long)b->field)
/* What a call added to a counter. */
#define ADDED(field)                                                                       \
  differ |= differs("added to " #field, a->stats.field - pair->before[0].field, \
                    b->stats.field - pair->before[1].field)

static inline void compare(pair_t *pair, const came_t came[2]) {
  const came_t *a = &came[0], *b = &came[1];
  int differ = 0, stopped;
  SAME(status), SAME(trap), SAME(state), SAME(fatal), SAME(retryable);
  SAME(done), SAME(signal), SAME(passes), SAME(count), SAME(outputs);
  stopped = a->stats.stopped != pair->before[0].stopped;
  if (a->stats.calls != pair->before[0].calls) pair->apart = stopped;
  SAME(memory.linear), SAME(stats.linear_bytes), SAME(stats.resets);
  ADDED(calls), ADDED(stopped), ADDED(guest_errors), ADDED(refused), ADDED(traps), ADDED(out_of_fuel);
  ADDED(deadlines), ADDED(cancels), ADDED(memory_limits), ADDED(elements_in), ADDED(elements_out), ADDED(bytes_out);
  /* Where a call is stopped on its way, each path says truly what it had done by then: bytes that
   * realloc had no place for, outputs that were lifted before the call failed. */
  if (!stopped) ADDED(bytes_in);
  if (!pair->apart) SAME(stats.buffer_bytes);
  if (a->state != TORVYN_STATE_POISONED && !(pair->apart && a->state == TORVYN_STATE_TORN_DOWN)) SAME(memory.buffers);
  if (strcmp(a->function, b->function)) differ = fprintf(stderr, "function: %s, %s\n", a->function, b->function);
  /* Breaches of the canonical ABI are Wasmtime's on the general path, in words of its own. */
  if ((a->status != TORVYN_ERROR_TRAP || a->trap == TORVYN_TRAP_OTHER) && strcmp(a->detail, b->detail))
    differ = fprintf(stderr, "detail: %s, %s\n", a->detail, b->detail);
  if ((a->frames == 0) != (b->frames == 0) || strcmp(a->frame, b->frame))
    differ = fprintf(stderr, "frames: %zu `%s`, %zu `%s`\n", a->frames, a->frame, b->frames, b->frame);
  if (differ) fprintf(stderr, "direct: %s\ngeneral: %s\n", a->said, b->said);
  CHECK(!differ);
  CHECK(a->status != TORVYN_ERROR_PANIC && a->status != TORVYN_ERROR_INTERNAL);
  pair->calls++;
  pair->emitted += a->count > 0;
  pair->stopped += (unsigned)stopped;
  pair->verdicts += a->status <= TORVYN_ERROR_INVALID_INPUT;
  for (int i = 0; i < 2; i++) pair->before[i] = came[i].stats;
}

typedef enum {
  CALL_INIT, CALL_TEARDOWN, PULL, NOTIFY, PROCESS, PUSH, COMPLETE, EVALUATE, ROUTE, INGEST, FLUSH, BATCH, RESET
} call_t;

/* One call on one path. `e` has three elements, for a batch. */
static inline void call_one(torvyn_instance_t *instance, call_t call, const torvyn_element_t *e, torvyn_str_t config,
                            unsigned signal, came_t *c) {
  torvyn_error_t *err = STALE;
  torvyn_output_t out[3] = {stale_output(), stale_output(), stale_output()};
  torvyn_outputs_t *list = STALE;
  torvyn_ports_t ports = {STALE, 7};
  torvyn_signal_t answer = (torvyn_signal_t)7;
  size_t done = 7;
  bool passes = true;
  int status = 0;
  memset(c, 0, sizeof *c);
  switch (call) {
  case CALL_INIT: status = torvyn_init(instance, config, &err); break;
  case CALL_TEARDOWN: status = torvyn_teardown(instance, &err); break;
  case RESET: status = torvyn_instance_reset(instance, &err); break;
  case COMPLETE: status = torvyn_complete(instance, &err); break;
  case NOTIFY: status = torvyn_notify_backpressure(instance, (torvyn_signal_t)signal, &err); break;
  case PULL:
  case PROCESS:
  case INGEST:
    status = call == PULL      ? torvyn_pull(instance, out, &err)
             : call == PROCESS ? torvyn_process(instance, e, out, &err)
                               : torvyn_ingest(instance, e, out, &err);
    c->count = out[0].payload != NULL;
    CHECK((status == TORVYN_OK) == (c->count == 1));
    came_out(c, out);
    break;
  case PUSH:
    status = torvyn_push(instance, e, &answer, &err);
    c->signal = answer;
    CHECK(status == TORVYN_OK || answer == TORVYN_SIGNAL_READY);
    break;
  case EVALUATE:
    status = torvyn_evaluate(instance, e, &passes, &err);
    c->passes = passes;
    CHECK(status == TORVYN_OK || !passes);
    break;
  case ROUTE:
    status = torvyn_route(instance, e, &ports, &err);
    c->count = ports.len;
    CHECK(status == TORVYN_OK || (ports.len == 0 && ports.names == NULL));
    for (size_t i = 0; i < ports.len; i++) c->outputs = digest(c->outputs, ports.names[i].data, ports.names[i].len);
    break;
  case FLUSH:
    status = torvyn_flush(instance, &list, &err);
    CHECK((status == TORVYN_OK) == (list != NULL));
    c->count = torvyn_outputs_count(list);
    for (size_t i = 0; i < c->count; i += 2) { /* every other one is left to the list */
      OK(torvyn_outputs_take(list, i, out, &err));
      came_out(c, out);
    }
    torvyn_outputs_free(list);
    break;
  case BATCH:
    if (signal & 1) {
      status = torvyn_push_batch(instance, e, 3, &answer, &done, &err);
      c->signal = answer;
    } else {
      status = torvyn_process_batch(instance, e, 3, out, &done, &err);
      for (int i = 0; i < 3; i++) {
        c->count += out[i].payload != NULL;
        CHECK(out[i].payload == NULL || (size_t)i < done);
        came_out(c, &out[i]);
      }
    }
    CHECK(done <= 3);
    c->done = done;
    break;
  }
  came_end(c, instance, status, err);
}

static inline void call_both(pair_t *pair, call_t call, const torvyn_element_t *e, torvyn_str_t config, unsigned signal) {
  static came_t came[2];
  for (int i = 0; i < 2; i++) call_one(pair->instances[i], call, e, config, signal, &came[i]);
  compare(pair, came);
}

/* Runs an input on a pair that is linked: options first, then calls until it ends. */
static inline void pair_run(pair_t *pair, input_t in) {
  static const uint32_t handles[] = {0, 4, 6, 12};
  static const uint64_t buffers[] = {0, 4096, 20 << 10, 200 << 10}, memory[] = {0, 65536, 128 << 10, 1 << 20};
  uint8_t chosen = byte_of(&in);
  torvyn_element_t none = {0};
  torvyn_instance_options_t options = {.struct_size = sizeof options,
                                       .max_handles = handles[chosen & 3],
                                       .buffer_limit = buffers[chosen >> 2 & 3],
                                       .memory_limit = memory[chosen >> 4 & 3],
                                       .refuse_growth = chosen & 64 ? TORVYN_ON : TORVYN_DEFAULT,
                                       .timeout_ns = chosen & 128 ? 10 * MS : UINT64_MAX};
  torvyn_error_t *errors[2];
  int status[2];
  for (int i = 0; i < 2; i++)
    status[i] = torvyn_instance_new(pair->linked[i], 77, &options, &pair->instances[i], &errors[i]);
  for (int i = 0; i < 2; i++) torvyn_error_free(errors[i]);
  CHECK(status[0] == status[1]);
  if (status[0] < 0) return;
  for (int i = 0; i < 2; i++) pair->before[i] = stats_of(pair->instances[i]);
  pair->apart = 0;
  call_both(pair, CALL_INIT, &none, str(""), 0);
  for (int step = 0; step < 32 && more(&in); step++) {
    uint8_t op = byte_of(&in), flags;
    torvyn_state_t state = torvyn_instance_state(pair->instances[0]);
    torvyn_element_t e[3] = {{0}, {0}, {0}};
    torvyn_flow_t flow = {0};
    /* What can take no element any more begins anew, mostly. */
    if (op < 224 && state > TORVYN_STATE_READY) call_both(pair, RESET, &none, str(""), 0);
    if (op < 224 && state != TORVYN_STATE_READY && op % 16 != 0) call_both(pair, CALL_INIT, &none, str(""), 0);
    switch (op % 16) {
    case 0: call_both(pair, CALL_INIT, &none, text_of(&in), 0); break;
    case 1: call_both(pair, CALL_TEARDOWN, &none, str(""), 0); break;
    case 2: call_both(pair, RESET, &none, str(""), 0); break;
    case 3: call_both(pair, PULL, &none, str(""), 0); break;
    case 4: call_both(pair, NOTIFY, &none, str(""), byte_of(&in) % 3); break;
    case 5: call_both(pair, COMPLETE, &none, str(""), 0); break;
    case 6: call_both(pair, FLUSH, &none, str(""), 0); break;
    case 7: /* the next call is stopped, or time passes */
      flags = byte_of(&in);
      for (int i = 0; i < 2; i++) {
        torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(pair->instances[i]);
        if (flags < 64) torvyn_cancel(cancel);
        torvyn_cancel_free(cancel);
        for (unsigned n = 0; n < flags % 20; n++) torvyn_engine_tick(pair->engines[i]);
      }
      break;
    default:
      flags = byte_of(&in);
      for (int i = 0; i < 3; i++) {
        e[i].sequence = flags & 64 ? UINT64_MAX - (unsigned)step : (unsigned)step;
        e[i].timestamp_ns = (uint64_t)flags << 33;
        e[i].content_type = type_of(flags);
        if (i == 0 || op % 16 == 15) e[i].payload = bytes_of(&in, 4096);
        e[i].flow = flags & 8 ? &flow : NULL;
      }
      flow.trace_id = type_of(flags / 2), flow.span_id = type_of(flags / 4), flow.flow_id = type_of(flags / 8);
      flow.deadline_ns = flags & 16 ? UINT64_C(1) << (flags >> 2) : 0;
      switch (op % 16) {
      case 8: case 9: case 10: call_both(pair, PROCESS, e, str(""), 0); break;
      case 11: call_both(pair, PUSH, e, str(""), 0); break;
      case 12: call_both(pair, EVALUATE, e, str(""), 0); break;
      case 13: call_both(pair, ROUTE, e, str(""), 0); break;
      case 14: call_both(pair, INGEST, e, str(""), 0); break;
      default: call_both(pair, BATCH, e, str(""), flags >> 5); break;
      }
    }
  }
  for (int i = 0; i < 2; i++) torvyn_instance_free(pair->instances[i]);
}

/* The fuzz target. */
static inline void fuzz_paths(const uint8_t *bytes, size_t len) {
  static pair_t pair;
  if (!pair.engines[0]) {
    pair_engines(&pair);
    pair_link(&pair, "interpreter");
  }
  pair_run(&pair, input_of(bytes, len));
}

#endif /* PATHS_H */
