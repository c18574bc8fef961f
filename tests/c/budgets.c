/* Budgets: fuel, deadlines, cancels. What runs out of one ends alone. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static torvyn_path_t path; /* under test */

static torvyn_engine_config_t config(void) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path};
  return c;
}

static torvyn_instance_options_t options(void) {
  torvyn_instance_options_t o = {.struct_size = sizeof o};
  return o;
}

/* Whether more wants to run than there are processors: who has to wait for one is
 * late through no fault of the library. */
static int crowded(void) {
  FILE *file = fopen("/proc/loadavg", "r");
  double load = 0;
  if (file) {
    CHECK(fscanf(file, "%lf", &load) == 1);
    fclose(file);
  }
  return load > (double)sysconf(_SC_NPROCESSORS_ONLN) - 0.5;
}

/* Makes a poisoned instance anew; where all is slow, its own timeout may be too short for that. */
static void again(torvyn_instance_t *instance) {
  int status = TORVYN_ERROR_DEADLINE;
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  gives(instance, "drop", TORVYN_ERROR_STATE);
  for (int i = 0; i < 50 && status == TORVYN_ERROR_DEADLINE; i++) {
    status = torvyn_instance_reset(instance, NULL);
    if (status == TORVYN_OK) status = torvyn_init(instance, str(""), NULL);
    CHECK(status == TORVYN_OK || check_slow() > 1 || crowded());
  }
  CHECK(status == TORVYN_OK && torvyn_instance_state(instance) == TORVYN_STATE_READY);
}

/* ---- a call on another thread ------------------------------------------------ */

typedef struct {
  torvyn_instance_t *instance;
  const char *payload;
  int status;
  uint64_t began, took;
  int returned; /* written by the call's thread; see has_returned() */
  pthread_t thread;
} call_t;

static void *run_call(void *at) {
  call_t *call = at;
  torvyn_element_t e = element(call->payload);
  torvyn_output_t out;
  call->began = now_ns();
  call->status = torvyn_process(call->instance, &e, &out, NULL);
  call->took = now_ns() - call->began;
  torvyn_output_release(&out);
  __atomic_store_n(&call->returned, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static int has_returned(call_t *call) { return __atomic_load_n(&call->returned, __ATOMIC_SEQ_CST); }

/* Returns once the call is in the component: its thread has used some milliseconds. */
static void start(call_t *call, torvyn_instance_t *instance, const char *payload) {
  torvyn_element_t e = element("drop");
  torvyn_output_t out;
  struct timespec used = {0, 0};
  clockid_t clock;
  memset(call, 0, sizeof *call);
  call->instance = instance;
  call->payload = payload;
  CHECK(pthread_create(&call->thread, NULL, run_call, call) == 0 && pthread_getcpuclockid(call->thread, &clock) == 0);
  while (!has_returned(call) && clock_gettime(clock, &used) == 0 && used.tv_sec == 0 && used.tv_nsec < (long)(5 * MS))
    sleep_ms(1);
  CHECK(torvyn_process(instance, &e, &out, NULL) == TORVYN_ERROR_BUSY || has_returned(call));
}

static void finish(call_t *call, int status) {
  CHECK(pthread_join(call->thread, NULL) == 0);
  if (call->status != status) printf("the call gave %s\n", torvyn_status_name(call->status));
  CHECK(call->status == status);
}

/* ---- fuel -------------------------------------------------------------------- */

static uint64_t remaining(torvyn_instance_t *instance) {
  uint64_t fuel = 7;
  OK(torvyn_instance_fuel_remaining(instance, &fuel, &err));
  return fuel;
}

static void fuel(void) {
  torvyn_engine_config_t c = config();
  torvyn_instance_options_t o = options();
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_instance_t *instance = ready(engine, "misbehave", "", NULL);
  torvyn_element_t loop = element("loop");
  torvyn_output_t out;
  torvyn_error_t *err = STALE;
  uint64_t left = 7, before, spin;

  part("fuel: off");
  EXPECT(TORVYN_FUEL_OFF, torvyn_instance_fuel_remaining(instance, &left, &err));
  CHECK(left == 0);
  EXPECT(TORVYN_ERROR_FUEL_DISABLED, torvyn_instance_set_fuel(instance, 5, &err));
  emits(instance, "spin:10", "spun");
  CHECK(stats_of(instance).fuel_used == 0);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);

  part("fuel: refilled for each call");
  c.fuel = TORVYN_ON;
  engine = engine_with(&c);
  o.fuel = 200000;
  instance = ready(engine, "misbehave", "", &o);
  emits(instance, "spin:10", "spun"); /* the first call may grow memory */
  emits(instance, "spin:10", "spun");
  left = remaining(instance);
  CHECK(left > 100000 && left < 200000);
  for (int i = 0; i < 5; i++) {
    emits(instance, "spin:10", "spun");
    CHECK(remaining(instance) == left); /* the same work, the same fuel */
  }
  emits(instance, "spin:90", "spun"); /* as many digits */
  spin = left - remaining(instance);
  CHECK(spin >= 80 && spin <= 80 * 10);
  emits(instance, "spin:50", "spun");
  CHECK(left - remaining(instance) == spin / 2); /* the rounds cost the same each */
  before = stats_of(instance).fuel_used;
  emits(instance, "spin:10", "spun");
  CHECK(stats_of(instance).fuel_used - before == 200000 - left);

  CHECK(torvyn_process(instance, &loop, &out, &err) == TORVYN_ERROR_FUEL && is_clear(&out));
  CHECK(torvyn_error_is_fatal(err) && torvyn_error_frame_count(err) > 0);
  torvyn_error_free(err);
  CHECK(stats_of(instance).out_of_fuel == 1 && stats_of(instance).traps == 0 && stats_of(instance).stopped == 1);
  again(instance);
  emits(instance, "spin:10", "spun");
  gives(instance, "spin:1000000", TORVYN_ERROR_FUEL); /* work that ends, but costs too much */
  again(instance);

  part("fuel: managed by the program");
  OK(torvyn_instance_set_fuel(instance, 1000000, &err));
  CHECK(remaining(instance) == 1000000);
  emits(instance, "spin:10", "spun");
  before = remaining(instance);
  CHECK(before < 1000000);
  emits(instance, "spin:10", "spun");
  CHECK(remaining(instance) < before); /* nothing is refilled */
  left = before - remaining(instance);
  OK(torvyn_instance_set_fuel(instance, left, &err));
  emits(instance, "spin:10", "spun");
  CHECK(remaining(instance) <= 1);
  OK(torvyn_instance_set_fuel(instance, left / 2, &err));
  gives(instance, "spin:10", TORVYN_ERROR_FUEL);
  again(instance); /* and by the options again */
  for (int i = 0; i < 3; i++) {
    left = remaining(instance);
    emits(instance, "spin:10", "spun");
  }
  CHECK(left > 0 && left < o.fuel && remaining(instance) == left); /* the first calls may do more */
  torvyn_instance_free(instance);
  o.fuel = UINT64_MAX;
  instance = ready(engine, "misbehave", "", &o);
  OK(torvyn_instance_set_fuel(instance, 0, &err));
  gives(instance, "drop", TORVYN_ERROR_FUEL);
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  torvyn_instance_free(instance);

  part("fuel: the default bounds init, too");
  o.timeout_ns = UINT64_MAX;
  o.fuel = 50000;
  torvyn_linked_t *linked = linked_of(engine, "misbehave");
  instance = instance_of(linked, 1, &o);
  EXPECT(TORVYN_ERROR_FUEL, torvyn_init(instance, str("loop"), &err));
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- deadlines --------------------------------------------------------------- */

/* What a component never ends. */
static const char *endless = "loop";

/* Stops the whole process for that long. */
static void stand_still(unsigned ms) {
  pid_t parent = getpid(), child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    /* Once might be before the process has stopped. */
    for (sleep_ms(ms); getppid() == parent; sleep_ms(20)) kill(parent, SIGCONT);
    _Exit(0);
  }
  CHECK(raise(SIGSTOP) == 0 && kill(child, SIGKILL) == 0);
  CHECK(waitpid(child, NULL, 0) == child);
}

/* The same for a native one: it goes on until it is told to stop, or naps and does not ask. */
static torvyn_status_t obey(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  if (bytes_are(e->payload, "stall")) stand_still(800);
  if (bytes_are(e->payload, "nap")) {
    sleep_ms(300);
    return TORVYN_NOTHING_EMITTED;
  }
  while (!torvyn_native_should_stop(call)) {
  }
  return TORVYN_NOTHING_EMITTED;
}

static torvyn_linked_t *obedient(torvyn_engine_t *engine) {
  torvyn_native_t table = {.struct_size = sizeof table, .process = obey};
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked = NULL;
  OK(torvyn_component_native(engine, &table, &component, &err));
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  torvyn_component_free(component);
  return linked;
}

/* A deadline `ns` from the call's beginning ends it: never early, and within `most` where
 * nothing else wants the processor, for which there are some tries. */
static void ends(torvyn_instance_t *instance, const torvyn_flow_t *flow, uint64_t ns, uint64_t most) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 1 || (i < 25 && best > most); i++) {
    torvyn_element_t e = element(endless);
    torvyn_output_t out;
    uint64_t began, took;
    e.flow = flow;
    began = now_ns();
    EXPECT(TORVYN_ERROR_DEADLINE, torvyn_process(instance, &e, &out, &err));
    took = now_ns() - began;
    if (took < ns) fprintf(stderr, "asked for %.2f ms, took %.2f\n", (double)ns / 1e6, (double)took / 1e6);
    CHECK(took >= ns);
    best = took < best ? took : best;
    again(instance);
  }
  if (most < UINT64_MAX) printf("    asked for %.2f ms, took %.2f\n", (double)ns / 1e6, (double)best / 1e6);
  if (best > most && crowded()) printf("    not judged: the machine is busy\n");
  else CHECK(best <= most);
}

static void deadlines(void) {
  torvyn_engine_config_t c = config();
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_instance_options_t o = options();
  torvyn_flow_t flow = {.deadline_ns = 20 * MS};
  torvyn_instance_t *instance;
  uint64_t slack = 2 * MS * check_slow(); /* for the system to run the thread */

  part("deadline: the instance's timeout, within two ticks");
  o.timeout_ns = 50 * MS;
  instance = ready(engine, "misbehave", "", &o);
  ends(instance, NULL, 50 * MS, 52 * MS + slack);
  sleep_ms(300); /* the clock falls asleep */
  ends(instance, NULL, 50 * MS, 52 * MS + slack);
  CHECK(stats_of(instance).deadlines >= 2 && stats_of(instance).traps == 0);

  part("deadline: the flow's, whichever is first");
  ends(instance, &flow, 20 * MS, 22 * MS + slack);
  flow.deadline_ns = 5000 * MS;
  ends(instance, &flow, 50 * MS, 52 * MS + slack);
  flow.deadline_ns = 0; /* none */
  ends(instance, &flow, 50 * MS, 52 * MS + slack);
  flow.deadline_ns = 1; /* less than a tick */
  ends(instance, &flow, 0, 3 * MS + slack);
  flow.deadline_ns = UINT64_MAX;
  ends(instance, &flow, 50 * MS, 52 * MS + slack);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);

  part("deadline: a process that stood still has lost no time");
  unsigned ms = check_slow() > 10 ? 400 : check_slow() > 1 ? 80 : 20; /* it is instantiated and initialised in that, too */
  o.timeout_ns = ms * MS;
  engine = engine_with(&c);
  /* A component that runs, one that waits, and a native one. */
  torvyn_linked_t *linked[3] = {linked_of(engine, "misbehave"), c.path == TORVYN_PATH_DIRECT ? NULL : linked_of(engine, "wasi-stdio"),
                                obedient(engine)};
  for (int i = 0; i < 12; i++) {
    if (!linked[i % 3]) continue;
    instance = instance_of(linked[i % 3], 1, &o);
    OK(torvyn_init(instance, str(""), &err));
    endless = i % 3 == 1 ? "sleep:10000" : "loop";
    stand_still(3 * ms);
    ends(instance, NULL, ms * MS, UINT64_MAX);
    torvyn_instance_free(instance);
  }
  for (int i = 0; i < 3; i++) torvyn_linked_free(linked[i]);
  torvyn_engine_free(engine);

  part("deadline: nor do the calls gain any that come after");
  c.tick_ns = MS / 100;
  o.timeout_ns = 100 * MS;
  engine = engine_with(&c);
  linked[2] = obedient(engine);
  instance = instance_of(linked[2], 1, &o);
  endless = "stall";
  ends(instance, NULL, 100 * MS, UINT64_MAX);
  for (int i = 0; i < 6; i++) {
    endless = i % 2 ? "nap" : "loop";
    ends(instance, NULL, 100 * MS, (i % 2 ? 300 : 100) * MS + MS / 50 + slack);
  }
  endless = "loop";
  torvyn_instance_free(instance);
  torvyn_linked_free(linked[2]);
  torvyn_engine_free(engine);

  part("deadline: coarse and fine ticks");
  c.tick_ns = 20 * MS;
  c.timeout_ns = 50 * MS; /* the default of the engine's instances */
  engine = engine_with(&c);
  instance = ready(engine, "misbehave", "", NULL);
  ends(instance, NULL, 50 * MS, 90 * MS + slack);
  torvyn_engine_tick(engine); /* does nothing: the library ticks */
  for (int i = 0; i < 1000; i++) torvyn_engine_tick(engine);
  ends(instance, NULL, 50 * MS, 90 * MS + slack);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);
  c.tick_ns = MS / 10;
  c.timeout_ns = 0;
  engine = engine_with(&c);
  instance = ready(engine, "misbehave", "", NULL);
  flow.deadline_ns = 10 * MS;
  ends(instance, &flow, 10 * MS, 10 * MS + MS / 5 + slack);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);

  part("deadline: each element of a batch has its own");
  enum { MANY = 40 };
  torvyn_element_t e[MANY];
  torvyn_output_t outs[MANY];
  char spin[32];
  uint64_t rounds = 1000, took = 0, timeout = (check_slow() > 10 ? 2000 : 500) * MS;
  size_t done;
  c = config();
  engine = engine_with(&c);
  o.timeout_ns = timeout;
  instance = ready(engine, "misbehave", "", &o);
  for (; took < timeout * 3 / 100; rounds *= 2) {
    took = UINT64_MAX;
    snprintf(spin, sizeof spin, "spin:%" PRIu64, rounds);
    for (int i = 0; i < 3; i++) { /* the least is what the work takes, on a busy machine too */
      uint64_t began = used_ns();
      emits(instance, spin, "spun");
      began = used_ns() - began;
      took = began < took ? began : took;
    }
  }
  for (int i = 0; i < MANY; i++) e[i] = element(spin);
  took = now_ns();
  OK(torvyn_process_batch(instance, e, MANY, outs, &done, &err));
  took = now_ns() - took;
  CHECK(done == MANY && took > timeout);
  for (int i = 0; i < MANY; i++) torvyn_output_release(&outs[i]);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);
}

/* ---- ticks of the host's ----------------------------------------------------- */

static torvyn_engine_t *ticked;
static torvyn_cancel_t *signalled;

static void on_signal(int number) {
  (void)number;
  if (signalled) torvyn_cancel(signalled);
  torvyn_engine_tick(ticked);
}

/* The thread whose call is to be interrupted by a signal: the one that runs it. Under
 * ThreadSanitizer a handler waits for the thread's next call of the C library, for which
 * a component in a loop has no use; there it is this thread. */
static pthread_t interrupted(const call_t *call) {
#ifdef __SANITIZE_THREAD__
  (void)call;
  return pthread_self();
#else
  return call->thread;
#endif
}

static void host_ticks(void) {
  torvyn_engine_config_t c = config();
  torvyn_instance_options_t o = options();
  torvyn_instance_t *instance;
  torvyn_cancel_t *cancel;
  struct sigaction action;
  call_t call;

  part("host ticks: no tick, no time");
  c.host_ticks = TORVYN_ON;
  ticked = engine_with(&c);
  o.timeout_ns = 30 * MS;
  instance = ready(ticked, "misbehave", "", &o);
  start(&call, instance, "loop");
  sleep_ms(100);
  CHECK(!has_returned(&call));
  for (int i = 0; i < 30; i++) torvyn_engine_tick(ticked);
  sleep_ms(50 * check_slow());
  CHECK(!has_returned(&call)); /* thirty ticks may be less than thirty milliseconds */
  for (int i = 0; i < 2; i++) {
    torvyn_engine_tick(ticked);
    sleep_ms(2);
  }
  finish(&call, TORVYN_ERROR_DEADLINE);
  again(instance);

  part("host ticks: a cancel takes effect at one");
  cancel = torvyn_instance_cancel_handle(instance);
  start(&call, instance, "loop");
  torvyn_cancel(cancel);
  sleep_ms(50);
  CHECK(!has_returned(&call));
  torvyn_engine_tick(ticked);
  finish(&call, TORVYN_ERROR_CANCELLED);
  again(instance);

  part("host ticks: tick and cancel in a signal handler");
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  start(&call, instance, "loop");
  for (int i = 0; i < 1000 && !has_returned(&call); i++) {
    CHECK(pthread_kill(interrupted(&call), SIGUSR1) == 0);
    sleep_ms(1);
  }
  finish(&call, TORVYN_ERROR_DEADLINE);
  again(instance);
  start(&call, instance, "loop");
  signalled = cancel;
  CHECK(pthread_kill(interrupted(&call), SIGUSR1) == 0);
  finish(&call, TORVYN_ERROR_CANCELLED);
  signalled = NULL;
  again(instance);
  torvyn_cancel_free(cancel);
  torvyn_instance_free(instance);
  torvyn_engine_free(ticked);
}

/* ---- cancels ----------------------------------------------------------------- */

static void cancels(void) {
  torvyn_engine_config_t c = config();
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_instance_options_t o = options();
  torvyn_linked_t *linked = linked_of(engine, "misbehave");
  torvyn_instance_t *instance, *siblings[2];
  torvyn_cancel_t *cancel, *clone;
  torvyn_error_t *err = STALE;
  torvyn_element_t e = element("drop");
  torvyn_output_t out;
  call_t call, beside[2];
  uint64_t best = UINT64_MAX;
  size_t done;

  part("cancel: a running call, each time, within a tick");
  o.timeout_ns = UINT64_MAX;
  instance = instance_of(linked, 5, &o);
  cancel = torvyn_instance_cancel_handle(instance);
  CHECK(cancel != NULL);
  OK(torvyn_init(instance, str(""), &err));
  for (int i = 0; i < 6; i++) {
    uint64_t from;
    start(&call, instance, "loop");
    sleep_ms(5);
    from = now_ns();
    torvyn_cancel(cancel);
    if (i % 2) torvyn_cancel(cancel); /* as one */
    finish(&call, TORVYN_ERROR_CANCELLED);
    from = now_ns() - from;
    best = from < best ? from : best;
    again(instance);
  }
  printf("    took %.2f ms\n", (double)best / 1e6);
  CHECK(best <= (1 + 2 * check_slow()) * MS || crowded());
  CHECK(stats_of(instance).cancels == 6);

  part("cancel: where none runs, the next one");
  for (int i = 0; i < 3; i++) {
    torvyn_cancel(cancel);
    if (i == 1) torvyn_cancel(cancel);
    memory_of(instance); /* is no call of the component */
    stats_of(instance);
    CHECK(torvyn_process(instance, &e, &out, &err) == TORVYN_ERROR_CANCELLED && is_clear(&out));
    CHECK(!torvyn_error_is_fatal(err)); /* the instance is as it was */
    torvyn_error_free(err);
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
    emits(instance, "echo:next", "next");
  }

  part("cancel: it waits for a call that asks the component");
  torvyn_cancel(cancel);
  e.content_type = str("\xff");
  EXPECT(TORVYN_ERROR_UTF8, torvyn_process(instance, &e, &out, &err));
  e = element("drop");
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_pull(instance, &out, &err));
  EXPECT(TORVYN_ERROR_STATE, torvyn_init(instance, str(""), &err));
  OK(torvyn_process_batch(instance, NULL, 0, NULL, &done, &err));
  OK(torvyn_instance_reset(instance, &err));
  EXPECT(TORVYN_ERROR_STATE, torvyn_process(instance, &e, &out, &err));
  EXPECT(TORVYN_ERROR_CANCELLED, torvyn_init(instance, str(""), &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
  OK(torvyn_init(instance, str("trap-teardown"), &err));
  torvyn_cancel(cancel);
  {
    uint64_t traps = stats_of(instance).traps;
    OK(torvyn_teardown(instance, &err));
    CHECK(stats_of(instance).traps == traps + 1); /* the component was asked all the same */
  }
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "echo:next", "next");

  part("cancel: a teardown ends it, also one that asks the component nothing");
  {
    torvyn_instance_t *bare = ready(engine, "upper-case", "", NULL); /* exports no lifecycle */
    torvyn_cancel_t *own = torvyn_instance_cancel_handle(bare);
    torvyn_cancel(own);
    OK(torvyn_teardown(bare, &err));
    OK(torvyn_instance_reset(bare, &err));
    emits(bare, "next", "NEXT");
    torvyn_cancel_free(own);
    torvyn_instance_free(bare);
    OK(torvyn_instance_reset(instance, &err));
    torvyn_cancel(cancel);
    OK(torvyn_teardown(instance, &err)); /* NEW */
    OK(torvyn_instance_reset(instance, &err));
    OK(torvyn_init(instance, str(""), &err));
  }

  part("cancel: in a batch");
  {
    torvyn_element_t two[2] = {element("echo:one"), element("echo:two")};
    torvyn_output_t outs[2];
    size_t done = 7;
    torvyn_cancel(cancel);
    EXPECT(TORVYN_ERROR_CANCELLED, torvyn_process_batch(instance, two, 2, outs, &done, &err));
    CHECK(done == 0 && is_clear(&outs[0]) && is_clear(&outs[1]));
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
    OK(torvyn_process_batch(instance, two, 2, outs, &done, &err));
    CHECK(done == 2);
    for (int i = 0; i < 2; i++) torvyn_output_release(&outs[i]);
  }

  part("cancel: siblings go on");
  for (int i = 0; i < 2; i++) {
    siblings[i] = instance_of(linked, 6, &o);
    OK(torvyn_init(siblings[i], str(""), &err));
    start(&beside[i], siblings[i], "spin:300000000");
  }
  for (int i = 0; i < 5; i++) {
    start(&call, instance, "loop");
    torvyn_cancel(cancel);
    finish(&call, TORVYN_ERROR_CANCELLED);
    OK(torvyn_instance_reset(instance, &err));
    OK(torvyn_init(instance, str(""), &err));
  }
  for (int i = 0; i < 2; i++) {
    finish(&beside[i], TORVYN_OK);
    CHECK(torvyn_instance_state(siblings[i]) == TORVYN_STATE_READY && stats_of(siblings[i]).cancels == 0);
    torvyn_instance_free(siblings[i]);
  }

  part("cancel: its handle outlives everything");
  clone = torvyn_cancel_clone(cancel);
  torvyn_cancel_free(cancel);
  torvyn_cancel(clone);
  gives(instance, "drop", TORVYN_ERROR_CANCELLED);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  torvyn_cancel(clone);
  torvyn_cancel(clone);
  torvyn_cancel_free(clone);
}

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  for (int i = 0; i < 2; i++) {
    printf("%s path\n", i ? "general" : "direct");
    path = paths[i];
    fuel();
    deadlines();
    host_ticks();
    cancels();
  }
  return check_end();
}
