/* What the library calls: the native component, the host function, the log. Within each other threads
 * may get their turn, and this one takes steps of its own. */
#ifndef TORVYN_SIMULATION_CALLBACKS_H
#define TORVYN_SIMULATION_CALLBACKS_H

#include "stages.h"

static __thread plan_t *current;     /* of the call that this thread is within */
static __thread instance_t *making;  /* the instance that it makes or resets */
static __thread int making_refuses;  /* whose `instance_new` answers so */
static __thread unsigned teardowns_told; /* failures of teardown that this thread's log has */

static void step(void);
static void tick(engine_t *engine, unsigned ticks);

static void interlude(engine_t *engine, user_t *user) {
  plan_t *plan = current;
  instance_t *made = making;
  if (turns.pinned) return;
  engine->inside++;
  if (user) user->inside++;
  for (unsigned n = pick(4); n; n--) {
    if (engine->host_ticks && engine->handle && once_in(4)) tick(engine, 1 + pick(8));
    else if (depth < 3 && once_in(2)) step(), COUNT(nested);
    else hand_on();
  }
  engine->inside--;
  if (user) user->inside--;
  CHECK(current == plan && making == made);
}

/* ---- the native component ---------------------------------------------------------------------- */

typedef struct {
  instance_t *i;
} state_t;

static torvyn_status_t native_new(void *at, uint64_t id, void **out) {
  user_t *user = at;
  state_t *state;
  refuse_no_more();
  CHECK(*out == NULL && making && making->id == id && making->made == 0 && !user->ended);
  interlude(user->engine, user);
  if (making_refuses) return (torvyn_status_t)making_refuses;
  state = malloc(sizeof *state);
  CHECK(state != NULL);
  state->i = making;
  making->made = 1;
  *out = state;
  return TORVYN_OK;
}

static void native_free(void *at, void *from) {
  user_t *user = at;
  state_t *state = from;
  instance_t *i = state->i;
  refuse_no_more();
  CHECK(i->made == 1 && !user->ended);
  i->made = 0;
  free(state);
  if (!i->handle) return;
  CHECK(making == i && torvyn_instance_state(i->handle) == TORVYN_STATE_POISONED);
  interlude(user->engine, user);
}

/* What the plan says; NULL for `call` where the function has no outputs. */
static torvyn_status_t native_emits(plan_t *p, torvyn_native_call_t *call) {
  unsigned outputs = p->function == FLUSH ? p->count : p->bytes != NULL;
  for (unsigned n = 0; n < outputs; n++) {
    const char *bytes = p->bytes ? p->bytes : "flushed";
    size_t len = p->bytes ? p->len : strlen(bytes), half = len / 2;
    uint8_t *room = NULL;
    torvyn_status_t said = torvyn_native_append(call, (const uint8_t *)bytes, half, NULL);
    if (said == TORVYN_OK) said = torvyn_native_reserve(call, len - half, &room, NULL);
    if (said == TORVYN_OK) {
      memcpy(room, bytes + half, len - half);
      CHECK(torvyn_native_commit(call, len - half, NULL) == TORVYN_OK);
      said = torvyn_native_emit(call, p->function == FLUSH ? n : p->sequence, 2 * n + p->timestamp_ns, str(p->type), NULL);
    }
    if (said != TORVYN_OK) return said;
  }
  return TORVYN_OK;
}

/* A jump past every deadline that the library's clock keeps: the callback, the only one to be told, is so
 * soon. A first one may seem to have come before the call. */
static void jump_past(const torvyn_native_call_t *call) {
  static unsigned times;
  if (clocked != 1 || times++ > 50) return;
  note("time jumps past the deadline");
  COUNT(jumps);
  for (unsigned n = 0; !torvyn_native_should_stop(call); n++) {
    CHECK(n < 2000);
    if (n % 20 == 0) __atomic_add_fetch(&monotonic_ahead, (int64_t)(2 * LONG), __ATOMIC_SEQ_CST);
    sleep_ms(5);
  }
}

static torvyn_status_t native_answer(user_t *user, state_t *state, torvyn_native_call_t *call, function_t function,
                                     const torvyn_element_t *element) {
  plan_t *p = current;
  instance_t *i = state->i;
  engine_t *engine = i->engine;
  int refused, said;
  refuse_no_more();
  CHECK(p && p->i == i && p->function == function && !p->ran && i->busy && i->made == 1 && !user->ended);
  if (element) { /* in place */
    CHECK(element->payload.data == p->element.payload.data && element->payload.len == p->element.payload.len);
    CHECK(element->sequence == p->element.sequence && element->timestamp_ns == p->element.timestamp_ns);
    CHECK(element->content_type.len == strlen(p->type) && (element->flow != NULL) == (p->element.flow != NULL));
  }
  begins(p);
  interlude(engine, user);
  if (!engine->host_ticks && !turns.pinned && once_in(20)) jump_past(call);
  if (p->status == TORVYN_OK && function != ROUTE) {
    refuse_some(MEMORY, &refused);
    said = (int)native_emits(p, call);
    refuse_no_more();
    CHECK(said == TORVYN_OK || (refused && said == TORVYN_ERROR_MEMORY));
    if (said != TORVYN_OK) verdict(p, TORVYN_ERROR_UNAVAILABLE, "no room");
  }
  for (unsigned n = 0; function == ROUTE && n < p->count; n++)
    CHECK(torvyn_native_port(call, str(p->ports[n]), NULL) == TORVYN_OK);
  if (is_verdict(p->status)) torvyn_native_fail(call, (torvyn_status_t)p->status, p->text ? str(p->text) : str(""));
  p->stop = torvyn_native_should_stop(call);
  if (p->cancelled || (engine->host_ticks && engine->ticks - p->began >= p->limit + 2)) CHECK(p->stop);
  else if (!is_late(p)) CHECK(!p->stop);
  p->was_cancelled = p->cancelled;
  current = i->plan = p + 1; /* the next of a batch */
  return p->status == TORVYN_ERROR_INTERNAL ? (torvyn_status_t)77 : (torvyn_status_t)p->status;
}

static torvyn_status_t native_init(void *user, void *state, torvyn_native_call_t *call, torvyn_str_t config) {
  CHECK(str_is(config, current->config));
  return native_answer(user, state, call, INIT, NULL);
}

static torvyn_status_t native_teardown(void *user, void *state, torvyn_native_call_t *call) {
  return native_answer(user, state, call, TEARDOWN, NULL);
}

static torvyn_status_t native_pull(void *user, void *state, torvyn_native_call_t *call) {
  return native_answer(user, state, call, PULL, NULL);
}

static torvyn_status_t native_notify(void *user, void *state, torvyn_native_call_t *call, torvyn_signal_t signal) {
  CHECK(signal == current->told);
  return native_answer(user, state, call, NOTIFY, NULL);
}

static torvyn_status_t native_process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  return native_answer(user, state, call, PROCESS, e);
}

static torvyn_status_t native_push(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                                   torvyn_signal_t *signal) {
  CHECK(*signal == TORVYN_SIGNAL_READY);
  *signal = current->answer;
  return native_answer(user, state, call, PUSH, e);
}

static torvyn_status_t native_complete(void *user, void *state, torvyn_native_call_t *call) {
  return native_answer(user, state, call, COMPLETE, NULL);
}

static torvyn_status_t native_evaluate(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e,
                                       bool *passes) {
  CHECK(!*passes);
  *passes = current->passes;
  return native_answer(user, state, call, EVALUATE, e);
}

static torvyn_status_t native_route(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  return native_answer(user, state, call, ROUTE, e);
}

static torvyn_status_t native_ingest(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  return native_answer(user, state, call, INGEST, e);
}

static torvyn_status_t native_flush(void *user, void *state, torvyn_native_call_t *call) {
  return native_answer(user, state, call, FLUSH, NULL);
}

static const torvyn_native_t native_table = {.struct_size = sizeof native_table,
                                             .finalizer = user_finalizer,
                                             .instance_new = native_new,
                                             .instance_free = native_free,
                                             .init = native_init,
                                             .teardown = native_teardown,
                                             .pull = native_pull,
                                             .notify_backpressure = native_notify,
                                             .process = native_process,
                                             .push = native_push,
                                             .complete = native_complete,
                                             .evaluate = native_evaluate,
                                             .route = native_route,
                                             .ingest = native_ingest,
                                             .flush = native_flush};

/* ---- the host function -------------------------------------------------------------------------------- */

/* `get` of importer.wit. */
static bool lookup(void *at, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  user_t *user = at;
  plan_t *p = current;
  torvyn_value_t *found;
  refuse_no_more();
  CHECK(p && p->function == PROCESS && p->i->kind == IMPORTER && p->i->busy && !user->ended && !p->ran);
  CHECK(count == 1 && args[0].kind == TORVYN_KIND_STRING && str_is(args[0].of.string, p->payload));
  CHECK(torvyn_scope_component_id(scope) == p->i->id);
  begins(p);
  interlude(p->i->engine, user);
  p->stop = is_late(p);
  p->was_cancelled = p->cancelled;
  current = p->i->plan = p + 1;
  if (p->status == TORVYN_ERROR_HOST_FUNCTION) {
    torvyn_scope_fail(scope, str("the shop is closed"));
    return false;
  }
  result->kind = TORVYN_KIND_OPTION;
  result->of.option = NULL;
  if (p->status != TORVYN_OK) return true;
  found = torvyn_scope_alloc(scope, sizeof *found);
  CHECK(found != NULL);
  found->kind = TORVYN_KIND_STRING;
  found->of.string = args[0].of.string;
  result->of.option = found;
  return true;
}

/* ---- what WASI asks ----------------------------------------------------------------------------------- */

static void print(void *at, uint64_t id, torvyn_bytes_t bytes) {
  user_t *user = at;
  plan_t *p = current;
  refuse_no_more();
  CHECK(p && p->i->kind == STDIO && p->i->busy && p->i->id == id && !user->ended && p->prints);
  CHECK(p->printed + bytes.len <= strlen(p->prints) && !memcmp(p->prints + p->printed, bytes.data, bytes.len));
  p->printed += bytes.len;
  if (!p->ran) begins(p);
  interlude(p->i->engine, user);
  p->stop = is_late(p);
  p->was_cancelled = p->cancelled;
}

static void grant(torvyn_imports_t *imports, user_t *user) {
  static const torvyn_str_t args[] = {{"one", 3}, {"two", 3}};
  finalizers.owed++;
  OK(torvyn_imports_wasi_args(imports, args, 2, &err));
  OK(torvyn_imports_wasi_env(imports, str("KEY"), str("a value"), &err));
  OK(torvyn_imports_wasi_preopen(imports, check_guests, str("/guests"), TORVYN_ACCESS_READ, &err));
  OK(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, print, user, user_finalizer, &err));
}

/* ---- the log --------------------------------------------------------------------------------------------- */

static void log_line(void *at, const torvyn_log_line_t *line) {
  engine_t *engine = at;
  refuse_no_more();
  CHECK(!engine->ended && line->struct_size >= sizeof *line && line->message.len > 0);
  CHECK(line->level >= TORVYN_LOG_ERROR && line->level <= TORVYN_LOG_DEBUG);
  if (line->level == TORVYN_LOG_ERROR) {
    CHECK(line->component_id && line->function.len == strlen("teardown") && !memcmp(line->function.data, "teardown", 8));
    teardowns_told++;
  }
  interlude(engine, NULL);
}

#endif /* TORVYN_SIMULATION_CALLBACKS_H */
