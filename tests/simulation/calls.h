/* A call of an instance, and what it must have come to. */
#ifndef TORVYN_SIMULATION_CALLS_H
#define TORVYN_SIMULATION_CALLS_H

#include "things.h"

#define BATCH 3

/* ---- what ends a component that goes on for ever ------------------------------------------------ */

/* A thread that ticks an engine while a call runs, from where no turn is needed, and may cancel first. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t come;
  const torvyn_engine_t *engine;
  torvyn_cancel_t *cancel;
  int on, over;
} ticker = {.lock = PTHREAD_MUTEX_INITIALIZER, .come = PTHREAD_COND_INITIALIZER};

static void *run_ticker(void *unused) {
  struct timespec moment = {0, 50000};
  pthread_mutex_lock(&ticker.lock);
  while (!ticker.over) {
    if (!ticker.on) {
      pthread_cond_wait(&ticker.come, &ticker.lock);
      continue;
    }
    torvyn_cancel(ticker.cancel);
    ticker.cancel = NULL;
    torvyn_engine_tick(ticker.engine);
    pthread_mutex_unlock(&ticker.lock);
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&ticker.lock);
  }
  pthread_mutex_unlock(&ticker.lock);
  return unused;
}

static void set_ticker(int on, const torvyn_engine_t *engine, torvyn_cancel_t *cancel) {
  pthread_mutex_lock(&ticker.lock);
  ticker.on = on, ticker.engine = engine, ticker.cancel = cancel;
  pthread_cond_signal(&ticker.come);
  pthread_mutex_unlock(&ticker.lock);
}

static void tick(engine_t *engine, unsigned ticks) {
  record->tallies.ticks += ticks;
  engine->ticks += ticks;
  for (; ticks; ticks--) torvyn_engine_tick(engine->handle);
}

/* ---- outputs ------------------------------------------------------------------------------------------ */

/* Checks an output that a call gave, and keeps it for a while. */
static void check_output(const plan_t *p, torvyn_output_t *o) {
  kept_t *kept = p->refused && p->i->kind == STDIO ? NULL : &world.kept[pick(OUTPUTS)];
  CHECK(o->payload != NULL && o->sequence == p->sequence && o->timestamp_ns == p->timestamp_ns);
  if (p->bytes && !p->refused) CHECK(o->bytes.len == p->len && memcmp(o->bytes.data, p->bytes, p->len) == 0);
  if (p->i->kind == UPPER || p->i->kind == NATIVE) CHECK(str_is(o->content_type, p->type) || !*p->type);
  COUNT(outputs);
  if (!kept) {
    torvyn_output_release(o);
    return;
  }
  release(kept);
  kept->output = *o;
  kept->sum = sum_of(o->bytes.data, o->bytes.len);
}

static void check_outputs(const plan_t *p, torvyn_outputs_t *list) {
  torvyn_output_t o = stale_output();
  CHECK(torvyn_outputs_count(list) == p->count);
  for (unsigned n = 0; n < p->count; n++) {
    const memory_t *m = &p->i->memory;
    unsigned last = m->count - 1;
    if (once_in(4)) continue; /* freed with the list */
    CHECK(torvyn_outputs_take(list, n, &o, NULL) == TORVYN_OK);
    if (p->i->kind == NATIVE) {
      CHECK(o.sequence == n && o.timestamp_ns == 2 * n + p->timestamp_ns && bytes_are(o.bytes, "flushed"));
    } else if (m->split) {
      CHECK(o.sequence == m->held[n].sequence && o.timestamp_ns == m->held[n].timestamp_ns);
      CHECK(o.bytes.len == m->held[n].len && memcmp(o.bytes.data, m->held[n].bytes, o.bytes.len) == 0);
    } else {
      CHECK(o.sequence == m->held[last].sequence && o.timestamp_ns == m->held[last].timestamp_ns);
      CHECK(o.bytes.len == p->len && memcmp(o.bytes.data, p->bytes, p->len) == 0);
    }
    torvyn_output_release(&o);
    CHECK(torvyn_outputs_take(list, n, &o, NULL) == TORVYN_NO_ELEMENT && is_clear(&o));
  }
  CHECK(torvyn_outputs_take(list, p->count, &o, NULL) == TORVYN_ERROR_ARGUMENT);
  torvyn_outputs_free(list);
}

/* ---- what a call came to ------------------------------------------------------------------------------- */

/* The model's counters and state after a component ran. */
static void book(plan_t *p, int status) {
  instance_t *i = p->i;
  torvyn_state_t before = i->state;
  torvyn_stats_t *s = &i->stats;
  s->calls++;
  s->elements_in += (uint64_t)functions[p->function].element;
  if (is_verdict(status)) s->guest_errors++, COUNT(verdicts);
  else if (status < 0) s->stopped++;
  switch (status) {
  case TORVYN_OK:
    s->elements_out += p->function == PULL || p->function == PROCESS || p->function == INGEST ? 1
                       : p->function == FLUSH ? p->count : 0;
    break;
  case TORVYN_ERROR_TRAP: case TORVYN_ERROR_HOST_FUNCTION: s->traps++, COUNT(traps); break;
  case TORVYN_ERROR_FUEL: s->out_of_fuel++, COUNT(fuel); break;
  case TORVYN_ERROR_DEADLINE: s->deadlines++, COUNT(deadlines); break;
  case TORVYN_ERROR_CANCELLED: s->cancels++, COUNT(cancelled); break;
  case TORVYN_ERROR_MEMORY: s->memory_limits++, COUNT(memory); break;
  default: break;
  }
  if (p->function == TEARDOWN) i->state = TORVYN_STATE_TORN_DOWN;
  else if (is_stop(status)) i->state = TORVYN_STATE_POISONED;
  else if (status == TORVYN_ERROR_FATAL || (p->function == INIT && status < 0)) i->state = TORVYN_STATE_FAILED;
  else i->state = p->function >= TAKE ? before : TORVYN_STATE_READY;
  if (!is_stop(status)) i->memory = p->after;
  if (status == TORVYN_OK) s->bytes_in += p->element.payload.len, s->bytes_out += p->len;
  else i->bytes_unsure = 1;
  if (status == TORVYN_OK && p->payload && !strcmp(p->payload, "grow")) i->unsure = 1; /* it has none left */
}

/* Something may have been refused: what came of it is one of what the header allows. */
static int settle_refused(plan_t *p, int status, torvyn_state_t before, int last) {
  instance_t *i = p->i;
  int normal = status == p->status || (p->function == TEARDOWN && status == TORVYN_OK);
  CHECK(normal || status == TORVYN_ERROR_MEMORY || status == TORVYN_ERROR_INTERNAL || status == TORVYN_ERROR_UNAVAILABLE ||
        status == TORVYN_ERROR_CANCELLED || status == TORVYN_ERROR_DEADLINE || status == TORVYN_ERROR_FUEL ||
        status == TORVYN_ERROR_GUEST_INTERNAL || (status == TORVYN_ERROR_TRAP && i->kind != NATIVE));
  i->unsure = 1;
  if (!i->handle) return -1;
  if (!last) return 0;
  check_counters_within(i);
  i->state = torvyn_instance_state(i->handle);
  if (p->function == TEARDOWN) CHECK(i->state == TORVYN_STATE_TORN_DOWN);
  else if (is_verdict(status)) CHECK(i->state == (p->function == INIT || status == TORVYN_ERROR_FATAL ? TORVYN_STATE_FAILED : before));
  else if (is_stop(status)) CHECK(i->state == TORVYN_STATE_POISONED || i->state == before);
  else CHECK(i->state == (p->function >= TAKE ? before : TORVYN_STATE_READY));
  return i->state != before && (i->state == TORVYN_STATE_POISONED || i->state == TORVYN_STATE_FAILED);
}

/* One element's status, the call's last one or not, against the model, which goes on from there. Gives
 * whether it ended the instance, or a negative number where that is not known. */
static int settle(plan_t *p, int status, torvyn_state_t before, int last) {
  instance_t *i = p->i;
  uint32_t role = functions[p->function].role;
  int lives = (i->roles & TORVYN_ROLE_LIFECYCLE) != 0, lacks = role && !(i->roles & role), inner = status;
  int wrong = p->function >= TAKE       ? before != TORVYN_STATE_NEW && before != TORVYN_STATE_READY
              : p->function == INIT     ? before != TORVYN_STATE_NEW
              : p->function == TEARDOWN ? before == TORVYN_STATE_POISONED || before == TORVYN_STATE_TORN_DOWN
                                        : before != TORVYN_STATE_READY;
  int waits = i->cancelled;
  int dry = counts_fuel(i->engine) && i->fuel < 3000000 && i->kind != NATIVE;
  int starved = dry && status == TORVYN_ERROR_FUEL;
  torvyn_stats_t now = {.struct_size = sizeof now};
  if (p->function == INIT && !lives && before == TORVYN_STATE_READY) {
    CHECK(status == TORVYN_OK);
    return 0;
  }
  if (p->function >= TAKE) lacks = i->kind != SHOP;
  if (p->refused & (MAPPINGS | ROOM | NO_THREADS) && status == TORVYN_ERROR_INTERNAL && (wrong || lacks || p->bad)) {
    take_back(p);
    i->stats.refused++; /* for want of a stack for signals, or of a clock */
    return 0;
  }
  if (wrong || lacks || p->bad) {
    CHECK((wrong && status == TORVYN_ERROR_STATE) || (lacks && status == TORVYN_ERROR_NOT_EXPORTED) ||
          (p->bad && status == p->bad) || (lacks && !role && status == TORVYN_ERROR_UNSUPPORTED));
    CHECK(!p->ran);
    take_back(p);
    i->stats.refused++;
    COUNT(misuse);
    return 0;
  }
  if (p->function == TEARDOWN) {
    CHECK(status == TORVYN_OK);
    i->cancelled = waits = 0;
    if (!lives || before == TORVYN_STATE_NEW) {
      CHECK(!p->ran);
      i->state = TORVYN_STATE_TORN_DOWN;
      return 0;
    }
    inner = i->memory.spoilt ? TORVYN_ERROR_TRAP : p->status;
    if (dry && i->handle) {
      CHECK(torvyn_instance_stats(i->handle, &now, NULL) == TORVYN_OK);
      if (now.out_of_fuel > i->stats.out_of_fuel) inner = TORVYN_ERROR_FUEL;
    }
    p->unsure = dry && !i->handle;
    p->fails = inner < 0 || p->was_cancelled || p->stop;
  }
  if (p->refused == NO_THREADS && p->function != TEARDOWN && i->kind != STDIO && !in_a_fork) {
    CHECK(status == TORVYN_ERROR_INTERNAL && !i->engine->host_ticks && !p->ran);
    take_back(p);
    i->stats.refused++;
    return 0;
  }
  if (p->refused && !p->ran) {
    if (status == TORVYN_ERROR_CANCELLED) i->cancelled = 0;
    else if (waits) CHECK(status == TORVYN_ERROR_INTERNAL || (status == TORVYN_ERROR_MEMORY && p->function >= TAKE));
    if (p->function == GIVE && things.holders[p->thing] && i->handle && torvyn_instance_state(i->handle) == before) take_back(p);
    return settle_refused(p, status, before, last);
  }
  if (waits) {
    CHECK(status == TORVYN_ERROR_CANCELLED && !p->ran);
    take_back(p);
    i->cancelled = 0;
    i->stats.refused++, i->stats.cancels++;
    COUNT(cancelled);
    return 0;
  }
  if (p->of_parent) {
    CHECK(status == TORVYN_ERROR_INTERNAL && !p->ran);
    book(p, status);
    return 1;
  }
  if (i->kind == STDIO && p->prints && status == TORVYN_OK) CHECK(p->printed == strlen(p->prints));
  if (p->ran && (p->was_cancelled || p->stop)) {
    int stopped = p->was_cancelled ? TORVYN_ERROR_CANCELLED : TORVYN_ERROR_DEADLINE;
    int either = p->was_cancelled && is_late(p);
    if (p->function == TEARDOWN) inner = stopped; /* where it may be either it is counted below */
    else if (i->kind == NATIVE) CHECK(status == stopped || (either && status == TORVYN_ERROR_DEADLINE));
    else CHECK(status == p->status || starved || status == stopped || (either && status == TORVYN_ERROR_DEADLINE));
  } else if (p->endless) {
    CHECK(counts_fuel(i->engine) ? status == TORVYN_ERROR_FUEL
                                 : status == TORVYN_ERROR_CANCELLED || (!p->cancelled && status == TORVYN_ERROR_DEADLINE));
  } else if (p->function != TEARDOWN) {
    CHECK(status == p->status || starved);
  }
  if (i->kind == NATIVE) CHECK(p->ran);
  if (p->refused) return settle_refused(p, status, before, last);
  if (p->function == TEARDOWN || (p->endless && p->cancelled)) {
    /* What the component was stopped by is told to the log, or the cancel came before it began. */
    book(p, inner);
    if (i->handle) {
      CHECK(torvyn_instance_stats(i->handle, &now, NULL) == TORVYN_OK);
      if (p->endless) i->state = torvyn_instance_state(i->handle), i->unsure = 1;
      else if (p->ran && p->stop) CHECK(now.stopped == i->stats.stopped);
      else CHECK(now.stopped == i->stats.stopped && now.guest_errors == i->stats.guest_errors);
      i->stats = now;
    }
  } else {
    book(p, status);
  }
  return i->state == TORVYN_STATE_POISONED || i->state == TORVYN_STATE_FAILED;
}

/* ---- the call ------------------------------------------------------------------------------------------- */

typedef struct {
  torvyn_output_t outputs[BATCH];
  torvyn_outputs_t *list;
  torvyn_signal_t signal;
  torvyn_ports_t ports;
  bool passes;
  size_t done;
  torvyn_values_t *values;
  torvyn_error_t *err;
} got_t;

/* Makes the call; `batch` elements at once, or 0 for the function that takes one. */
static int made(torvyn_instance_t *at, plan_t *plans, unsigned batch, got_t *got) {
  plan_t *p = plans;
  torvyn_element_t elements[BATCH];
  for (unsigned n = 0; n < batch; n++) elements[n] = plans[n].element;
  switch (p->function) {
  case INIT: return (int)torvyn_init(at, str(p->config), &got->err);
  case TEARDOWN: return (int)torvyn_teardown(at, &got->err);
  case PULL: return (int)torvyn_pull(at, got->outputs, &got->err);
  case NOTIFY: return (int)torvyn_notify_backpressure(at, p->told, &got->err);
  case PROCESS:
    return batch ? (int)torvyn_process_batch(at, elements, batch, got->outputs, &got->done, &got->err)
                 : (int)torvyn_process(at, &p->element, got->outputs, &got->err);
  case PUSH:
    return batch ? (int)torvyn_push_batch(at, elements, batch, &got->signal, &got->done, &got->err)
                 : (int)torvyn_push(at, &p->element, &got->signal, &got->err);
  case COMPLETE: return (int)torvyn_complete(at, &got->err);
  case EVALUATE: return (int)torvyn_evaluate(at, &p->element, &got->passes, &got->err);
  case ROUTE: return (int)torvyn_route(at, &p->element, &got->ports, &got->err);
  case INGEST: return (int)torvyn_ingest(at, &p->element, got->outputs, &got->err);
  case FLUSH: return (int)torvyn_flush(at, &got->list, &got->err);
  default: return call_thing(at, p, &got->values, &got->err);
  }
}

/* Element `n` came to `status`. */
static void check_result(const plan_t *p, int status, got_t *got, unsigned n) {
  int emits = p->function == PULL || p->function == PROCESS || p->function == INGEST;
  if (emits && status == TORVYN_OK) check_output(p, &got->outputs[n]);
  else if (emits) CHECK(is_clear(&got->outputs[n]));
  if (p->function >= TAKE) check_values(p, status, got->values);
  if (p->function == EVALUATE) CHECK(got->passes == (status == TORVYN_OK && p->passes));
  if (p->function == FLUSH) CHECK((got->list != NULL) == (status == TORVYN_OK));
  if (p->function == FLUSH && got->list) check_outputs(p, got->list);
  if (p->function == ROUTE) CHECK(got->ports.len == (status == TORVYN_OK ? p->count : 0));
  for (unsigned port = 0; p->function == ROUTE && port < got->ports.len; port++)
    CHECK(str_is(got->ports.names[port], p->ports[port]));
}

static void check_idle(instance_t *i, uint64_t fuel_before, uint64_t used_before);

static void call_instance(instance_t *i, function_t function) {
  plan_t plans[BATCH + 1], *p = plans, *outer = current;
  got_t got = {.list = STALE, .values = STALE, .signal = (torvyn_signal_t)9, .ports = {STALE, 7}, .passes = true, .done = 7, .err = STALE};
  engine_t *engine = i->engine;
  user_t *user = i->user;
  torvyn_instance_t *handle = i->handle;
  torvyn_state_t before = i->state;
  torvyn_cancel_t *cancel = NULL;
  int chance = 0; /* a refusal that meets the call or not: which of its threads WASI has is not for the seed to say */
  int batched = (function == PROCESS || function == PUSH) && i->kind != STDIO && once_in(4), busy = i->busy, status, ended = 0;
  unsigned count = batched ? 1 + pick(BATCH) : 1, reached = 0, teardowns = teardowns_told;
  uint64_t fuel = i->fuel, used = i->stats.fuel_used;
  /* What goes on for ever is ended by fuel, or by the ticker while all others wait. */
  int can_end = counts_fuel(engine) || (!engine->inside && engine->handle && !turns.alone && !batched && !busy &&
                                        i->state == TORVYN_STATE_READY && !i->cancelled);
  memset(&plans[count], 0, sizeof *plans);
  for (unsigned n = 0; n < BATCH; n++) got.outputs[n] = stale_output();
  for (unsigned n = 0; n < count; n++) {
    memory_t kept = i->memory;
    if (n) i->memory = plans[n - 1].after; /* a plan for what comes then */
    plan_call(&plans[n], i, function, batched ? 2 : !can_end);
    i->memory = kept;
  }
  size_t shown = p->payload && !p->bad ? p->element.payload.len : strlen(p->config);
  note("%" PRIu64 " (%s%s) %s%s x%u, %.*s of %zu bytes", i->id, kinds[i->kind].guest, busy ? ", busy" : "",
       functions[function].name, batched ? " batch" : "", count, shown > 24 ? 24 : (int)shown, p->payload ? p->payload : p->config, p->element.payload.len);
  COUNT(calls);
  if (!busy) busy_begins(i), i->plan = plans;
  current = plans;
  if (p->endless && !counts_fuel(engine)) {
    turns.pinned++;
    if (!engine->host_ticks || once_in(3)) cancel = torvyn_instance_cancel_handle(handle), p->cancelled = 1;
    set_ticker(1, engine->handle, cancel);
  } else if (!busy) {
    refuse_some(MEMORY | ROOM | FILES | MAPPINGS | NO_THREADS, &p->refused);
    if (i->kind == STDIO) chance = p->refused & (MEMORY | NO_THREADS);
  }
  enter();
  turns.calling++;
  status = made(handle, plans, batched ? count : 0, &got);
  turns.calling--;
  left();
  if (p->endless && !counts_fuel(engine)) {
    turns.pinned--;
    set_ticker(0, NULL, NULL);
    torvyn_cancel_free(cancel);
    engine->ticks += 1000000;
  }
  if (p->refused == FILES && i->kind != STDIO) p->refused = NOTHING; /* the others open none */
  if (p->forked) chance = ROOM; /* it cannot wait any more */
  if (chance) p->refused = chance;
  teardowns = teardowns_told - teardowns;
  teardowns_told -= teardowns;
  current = outer;
  note("%" PRIu64 " %s came to %s", i->id, functions[function].name, chance ? "one or the other" : torvyn_status_name(status));
  if (busy) {
    CHECK(status == TORVYN_ERROR_BUSY);
    COUNT(busy);
    check_error(status, got.err, i, function < TAKE ? functions[function].name : NULL, 0);
    take_back(p);
    for (unsigned n = 0; n < count; n++) plan_free(&plans[n]);
    return;
  }
  if (got.err && got.err != STALE) snprintf(record->said, sizeof record->said, "%s", torvyn_error_message(got.err).data);
  if (!batched) got.done = status >= 0;
  CHECK(got.done <= count);
  for (unsigned n = 0; n < count && (n < got.done || (n == got.done && status < 0)); n++) {
    int came = n == got.done ? status
               : batched && function == PROCESS && got.outputs[n].payload == NULL ? TORVYN_NOTHING_EMITTED
               : batched ? TORVYN_OK : status;
    plans[n].refused = plans[0].refused;
    check_result(&plans[n], came, &got, n);
    ended = settle(&plans[n], came, n ? TORVYN_STATE_READY : before, n == got.done || (status >= 0 && n + 1 == got.done));
    if (came == TORVYN_OK && function == PUSH)
      CHECK(n + 1 < got.done ? plans[n].answer == TORVYN_SIGNAL_READY : got.signal == plans[n].answer);
    reached++;
    /* In a batch, a cancel that did not stop the element at hand stops the next one. */
    i->cancelled |= came >= 0 && plans[n].was_cancelled && n + 1 < count;
  }
  /* A batch ends early by an error or a pause alone. */
  if (status >= 0 && got.done < count) CHECK(function == PUSH && got.signal == TORVYN_SIGNAL_PAUSE);
  if (batched && function == PROCESS)
    for (unsigned n = reached; n < count; n++) CHECK(is_clear(&got.outputs[n]));
  if (status < 0 && plans[got.done].text && status == plans[got.done].status)
    CHECK(str_is(torvyn_error_detail(got.err), plans[got.done].text));
  check_error(status, got.err, i, function < TAKE ? functions[function].name : NULL, ended);
  if (engine->logs && !p->refused && !p->unsure) CHECK(teardowns == p->fails);
  for (unsigned n = 0; n < count; n++) plan_free(&plans[n]);
  if (reached > 1) i->cancelled = 0;
  busy_ends(i);
  if (i->handle && plans[0].refused) {
    i->stats.struct_size = sizeof i->stats;
    CHECK(torvyn_instance_stats(i->handle, &i->stats, NULL) == TORVYN_OK);
    i->bytes_unsure = 1;
  }
  if (i->handle) check_idle(i, fuel, used);
  else CHECK(i->made == 0 && i->things == 0);
  if (!i->handle && i->slot) engine->in_pool--, i->slot = 0;
  check_user(user);
  check_log(engine);
}

/* Between two calls, on this thread's turn. */
static void check_idle(instance_t *i, uint64_t fuel_before, uint64_t used_before) {
  torvyn_memory_usage_t usage = {.struct_size = sizeof usage};
  torvyn_stats_t now = {.struct_size = sizeof now};
  uint64_t left_over = 7;
  int status;
  check_counters(i);
  CHECK(torvyn_instance_stats(i->handle, &now, NULL) == TORVYN_OK);
  CHECK(torvyn_instance_memory_usage(i->handle, &usage, NULL) == TORVYN_OK);
  CHECK(usage.total == usage.linear + usage.buffers);
  CHECK(i->no_store ? usage.total == 0 : usage.buffers == now.buffer_bytes);
  if (!i->timed) CHECK(now.time_ns == 0);
  if (i->state <= TORVYN_STATE_READY) CHECK(usage.linear == now.linear_bytes);
  if (i->kind == NATIVE) CHECK(usage.total == 0 || usage.linear == 0);
  if (i->kind != NATIVE && i->state == TORVYN_STATE_READY && !i->unsure)
    CHECK(usage.linear >= PAGE && usage.linear <= i->memory_limit && usage.buffers == 4096 * (uint64_t)i->memory.buffers);
  status = (int)torvyn_instance_fuel_remaining(i->handle, &left_over, NULL);
  if (!counts_fuel(i->engine) || i->kind == NATIVE) {
    CHECK(status == TORVYN_FUEL_OFF && left_over == 0 && now.fuel_used == 0);
  } else {
    CHECK(status == TORVYN_OK);
    if (i->no_store) CHECK(left_over == 0);
    else if (i->managed) CHECK(left_over == fuel_before - (now.fuel_used - used_before)), i->fuel = left_over;
    else CHECK(left_over <= i->budget);
  }
  i->stats.fuel_used = now.fuel_used;
}

#endif /* TORVYN_SIMULATION_CALLS_H */
