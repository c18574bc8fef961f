/* Threads that are cancelled within a call, and callbacks that leave their stack: the one
 * ends after the call, the other lets no call begin that could not end before it. */
#define _GNU_SOURCE
#include "check.h"
#include "wat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

/* ---- components whose init calls the program ------------------------------------ */

/* May wait, so that it has a stack of its own. */
#define POLL "(import \"wasi:io/poll@0.2.0\" (instance (export \"pollable\" (type (sub resource)))))"

static void (*within)(void); /* what the callback does */

static bool go(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  within();
  return true;
}

static bool get(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count;
  result->kind = TORVYN_KIND_OWN;
  return true;
}

static void gone(void *user, uint32_t resource) {
  (void)user, (void)resource;
  within();
}

static torvyn_status_t init_native(void *user, void *state, torvyn_native_call_t *call, torvyn_str_t config) {
  (void)user, (void)state, (void)call, (void)config;
  within();
  return TORVYN_OK;
}

static void hear(void *user, const torvyn_log_line_t *line) {
  (void)user;
  if (line->level == TORVYN_LOG_WARN) within(); /* what a component says */
}

static void take(void *user, uint64_t id, torvyn_bytes_t bytes) {
  (void)user, (void)id, (void)bytes;
  within();
}

/* How a component comes to call the program: a host function, also from a stack of its own,
 * a destructor, native, its output, also in the log. */
typedef enum { HOST, WAITS, DROPS, NATIVE, OUTPUT, LOG, KINDS } kind_t;

static torvyn_engine_t *engine;
static torvyn_linked_t *kinds[KINDS];

static void make_kinds(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .log = hear};
  torvyn_native_t native = {.struct_size = sizeof native, .init = init_native};
  torvyn_component_t *component = NULL;
  engine = engine_with(&config);
  for (int kind = HOST; kind <= DROPS; kind++) {
    torvyn_imports_t *imports = NULL;
    text_t text = {0};
    add(&text, "(component " TYPES "%s (import \"host\" (instance $h (export \"r\" (type (sub resource)))"
        " (export \"go\" (func)) (export \"get\" (func (result (own 0))))))"
        "(alias export $h \"r\" (type $r)) (core func $go (canon lower (func $h \"go\")))"
        "(core func $get (canon lower (func $h \"get\"))) (core func $drop (canon resource.drop $r))"
        "(core module $m (import \"\" \"go\" (func $go)) (import \"\" \"get\" (func $get (result i32)))"
        " (import \"\" \"drop\" (func $drop (param i32))) (memory (export \"memory\") 1)" REALLOC TEARDOWN
        " (func (export \"init\") (param i32 i32) (result i32) %s (i32.const 0)))"
        "(core instance $i (instantiate $m (with \"\" (instance (export \"go\" (func $go)) (export \"get\" (func $get))"
        " (export \"drop\" (func $drop))))))" LIFE ")",
        kind == WAITS ? POLL : "", kind == DROPS ? "(call $drop (call $get))" : "(call $go)");
    OK(torvyn_imports_new(engine, &imports, &err));
    OK(torvyn_imports_define(imports, str("host"), str("go"), str("func()"), go, NULL, NULL, &err));
    OK(torvyn_imports_define(imports, str("host"), str("get"), str("func() -> r"), get, NULL, NULL, &err));
    OK(torvyn_imports_define_resource(imports, str("host"), str("r"), gone, NULL, NULL, &err));
    kinds[kind] = linked_from(engine, &text, imports);
  }
  OK(torvyn_component_native(engine, &native, &component, &err));
  kinds[NATIVE] = linked_once(component, NULL);
  for (int kind = OUTPUT; kind <= LOG; kind++) {
    torvyn_imports_t *imports = NULL;
    OK(torvyn_imports_new(engine, &imports, &err));
    if (kind == OUTPUT) OK(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, take, NULL, NULL, &err));
    kinds[kind] = linked_once(component_of(engine, "wasi-stdio"), imports);
    torvyn_imports_free(imports);
  }
}

/* A call of that kind, which calls the program. */
static int call(kind_t kind, torvyn_instance_t *instance) {
  torvyn_element_t e = element(kind == OUTPUT ? "print:x" : "eprint:x\n");
  torvyn_output_t out;
  int status;
  if (kind < OUTPUT) return torvyn_init(instance, str(""), NULL);
  status = torvyn_process(instance, &e, &out, NULL);
  torvyn_output_release(&out);
  return status;
}

/* One of which nothing but the call is left to do. */
static torvyn_instance_t *ready_for(kind_t kind) {
  torvyn_instance_t *instance = instance_of(kinds[kind], kind, NULL);
  if (kind >= OUTPUT) OK(torvyn_init(instance, str(""), &err));
  return instance;
}

/* ---- threads that are cancelled --------------------------------------------------- */

static pthread_t cancelled;
static int called, went_on;

/* Cancelled within, where the C library would end the thread. */
static void cancelled_within(void) {
  int state;
  called++;
  if (called == 1) CHECK(pthread_cancel(cancelled) == 0);
  pthread_testcancel();
  sleep_ms(1);
  CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state) == 0 && state == PTHREAD_CANCEL_DISABLE);
}

static int cancel_state(void) {
  int state, ours;
  CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state) == 0 && pthread_setcancelstate(state, &ours) == 0);
  return state;
}

static void *is_cancelled_within(void *at) {
  kind_t kind = *(kind_t *)at;
  torvyn_instance_t *instance = ready_for(kind);
  cancelled = pthread_self();
  CHECK(call(kind, instance) == TORVYN_OK);
  torvyn_instance_free(instance);
  CHECK(called > 0 && cancel_state() == PTHREAD_CANCEL_ENABLE);
  went_on = 1;
  pthread_testcancel();
  return NULL;
}

static void *is_not_cancelled(void *at) {
  kind_t kind = *(kind_t *)at;
  torvyn_instance_t *instance = ready_for(kind);
  CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
  cancelled = pthread_self();
  CHECK(call(kind, instance) == TORVYN_OK);
  torvyn_instance_free(instance);
  CHECK(called > 0 && cancel_state() == PTHREAD_CANCEL_DISABLE);
  return NULL;
}

/* In each kind of callback. The call returns what it has to, and then the thread ends. */
static void in_callbacks(void) {
  within = cancelled_within;
  for (kind_t kind = HOST; kind < KINDS; kind++) {
    pthread_t thread;
    void *result = NULL;
    called = went_on = 0;
    CHECK(pthread_create(&thread, NULL, is_cancelled_within, &kind) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && went_on);
    called = 0;
    CHECK(pthread_create(&thread, NULL, is_not_cancelled, &kind) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == NULL);
  }
}

/* What a thread has when it is cancelled at any moment. */
typedef struct {
  torvyn_component_t *component;
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  kind_t kind;
} held_t;

static void let_go(void *at) {
  held_t *held = at;
  torvyn_instance_free(held->instance);
  torvyn_linked_free(held->linked);
  torvyn_component_free(held->component);
  held->instance = NULL, held->linked = NULL, held->component = NULL;
}

static void nap(void) { usleep(100); }

/* Functions that wait, each of which ends the thread as it begins or not at all: it has no
 * cancellation point of its own. */
static void *makes(void *at) {
  held_t *held = at;
  char path[4096];
  snprintf(path, sizeof path, "%s/empty.wat", check_guests);
  pthread_cleanup_push(let_go, held);
  for (;;) {
    CHECK(torvyn_component_compile_file(engine, path, &held->component, NULL) == TORVYN_ERROR_NO_ROLE);
    held->linked = torvyn_linked_clone(kinds[held->kind]);
    if (torvyn_instance_new(held->linked, 1, NULL, &held->instance, NULL) < 0) CHECK(!"made");
    if (held->kind >= OUTPUT) CHECK(torvyn_init(held->instance, str(""), NULL) == TORVYN_OK);
    CHECK(call(held->kind, held->instance) == TORVYN_OK);
    CHECK(torvyn_instance_reset(held->instance, NULL) == TORVYN_OK);
    let_go(held);
  }
  pthread_cleanup_pop(0);
  return NULL;
}

static void at_any_moment(void) {
  within = nap;
  for (unsigned i = 0; i < 300 / check_slow() + KINDS; i++) {
    held_t held = {.kind = (kind_t)(i % KINDS)};
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, makes, &held) == 0);
    usleep((i * 37) % 3000);
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  }
}

/* ---- callbacks that leave their stack ----------------------------------------------- */

enum { STACK = 4 << 20, COROUTINES = 2 };

static ucontext_t scheduler, coroutines[COROUTINES];
static torvyn_instance_t *theirs[COROUTINES], *mine, *bad;
static kind_t calls_by;
static int running = -1, came_to[COROUTINES];

enum { NOTHING_YET = 1000 };

/* The callback, in its coroutine and in no other. */
static void leave_stack(void) {
  int me = running;
  if (me < 0) return;
  emits(mine, "within", "WITHIN"); /* on the callback's own stack */
  swapcontext(&coroutines[me], &scheduler);
  emits(mine, "again", "AGAIN");
}

static void coroutine(int me) {
  came_to[me] = call(calls_by, theirs[me]);
  swapcontext(&coroutines[me], &scheduler);
}

static void start(int me, void (*run)(int)) {
  static void *stacks[COROUTINES];
  if (!stacks[me]) stacks[me] = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(stacks[me] != MAP_FAILED && getcontext(&coroutines[me]) == 0);
  coroutines[me].uc_stack.ss_sp = stacks[me];
  coroutines[me].uc_stack.ss_size = STACK;
  makecontext(&coroutines[me], (void (*)(void))run, 1, me);
  came_to[me] = NOTHING_YET;
}

static void resume(int me) {
  running = me;
  swapcontext(&scheduler, &coroutines[me]);
  running = -1;
}

static void *thread_calls(void *at) {
  emits(mine, "thread", "THREAD");
  return at;
}

static void make_coroutines(kind_t kind) {
  within = leave_stack;
  calls_by = kind;
  for (int k = 0; k < COROUTINES; k++) theirs[k] = ready_for(kind), start(k, coroutine);
}

/* Traps find what Wasmtime knows of the thread. */
static void all_is_well(void) {
  static const char *const traps[] = {"badptr", "stack", "trap"};
  emits(mine, "well", "WELL");
  for (int i = 0; i < 3; i++) {
    gives(bad, traps[i], TORVYN_ERROR_TRAP);
    OK(torvyn_instance_reset(bad, &err));
    OK(torvyn_init(bad, str(""), &err));
  }
  CHECK(cancel_state() == PTHREAD_CANCEL_ENABLE);
}

static void make_mine(void) {
  mine = ready(engine, "upper-case", "", NULL);
  bad = ready(engine, "misbehave", "", NULL);
  emits(mine, "before", "BEFORE");
}

/* While a callback has left its stack: nothing begins on the thread, which could end after it. */
static void in_order(void) {
  for (kind_t kind = HOST; kind < KINDS; kind++) {
    torvyn_element_t e = element("x");
    torvyn_output_t out;
    torvyn_instance_t *none = STALE;
    pthread_t thread;
    if (kind == NATIVE) continue;
    make_coroutines(kind);
    resume(0);
    CHECK(came_to[0] == NOTHING_YET);
    for (int again = 0; again < 2; again++) {
      uint64_t before = stats_of(mine).calls;
      EXPECT_TEXT(TORVYN_ERROR_BUSY, "left its stack", torvyn_process(mine, &e, &out, &err));
      EXPECT_TEXT(TORVYN_ERROR_BUSY, "left its stack", torvyn_instance_new(kinds[NATIVE], 1, NULL, &none, &err));
      EXPECT_TEXT(TORVYN_ERROR_BUSY, "left its stack", torvyn_instance_reset(mine, &err));
      EXPECT_TEXT(TORVYN_ERROR_BUSY, "left its stack", torvyn_teardown(mine, &err));
      CHECK(torvyn_instance_state(mine) == TORVYN_STATE_READY && stats_of(mine).calls == before && none == NULL);
      CHECK(pthread_create(&thread, NULL, thread_calls, NULL) == 0 && pthread_join(thread, NULL) == 0);
      if (!again) resume(1);
      CHECK(came_to[1] == TORVYN_ERROR_BUSY);
    }
    resume(0);
    CHECK(came_to[0] == TORVYN_OK);
    all_is_well();
    start(1, coroutine);
    resume(1), resume(1);
    CHECK(came_to[1] == TORVYN_OK);
    all_is_well();
    for (int k = 0; k < COROUTINES; k++) torvyn_instance_free(theirs[k]);
  }
}

/* Native components have nothing of Wasmtime's below their callbacks. */
static void native_in_any_order(void) {
  make_coroutines(NATIVE);
  resume(0), resume(1);
  emits(mine, "between", "BETWEEN");
  resume(0), resume(1);
  CHECK(came_to[0] == TORVYN_OK && came_to[1] == TORVYN_OK);
  all_is_well();
}

static int held_off;

/* In a callback of this thread's another's comes back. */
static void ends_another(void) {
  if (running >= 0) {
    leave_stack();
    return;
  }
  CHECK(cancel_state() == PTHREAD_CANCEL_DISABLE);
  resume(0);
  held_off = cancel_state() == PTHREAD_CANCEL_DISABLE;
}

static void *calls_and_ends_another(void *at) {
  torvyn_instance_t *other = ready_for(NATIVE);
  CHECK(call(NATIVE, other) == TORVYN_OK && came_to[0] == TORVYN_OK);
  CHECK(held_off && cancel_state() == PTHREAD_CANCEL_ENABLE);
  torvyn_instance_free(other);
  return at;
}

/* And on any thread, each of which has its own cancellation. */
static void native_on_any_thread(void) {
  pthread_t thread;
  make_coroutines(NATIVE);
  within = ends_another;
  resume(0);
  CHECK(came_to[0] == NOTHING_YET);
  CHECK(pthread_create(&thread, NULL, calls_and_ends_another, NULL) == 0 && pthread_join(thread, NULL) == 0);
  emits(mine, "well", "WELL");
}

static void calls_mine(int me) {
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  came_to[me] = torvyn_process(mine, &e, &out, NULL);
  swapcontext(&coroutines[me], &scheduler);
}

/* On another stack than the callback's, also where that one waits for it. */
static void aside(void) {
  start(0, calls_mine);
  swapcontext(&scheduler, &coroutines[0]);
}

static void on_another_stack(void) {
  for (kind_t kind = HOST; kind < KINDS; kind++) {
    torvyn_instance_t *instance = ready_for(kind);
    within = aside;
    CHECK(call(kind, instance) == TORVYN_OK);
    CHECK(came_to[0] == (kind == NATIVE ? TORVYN_OK : TORVYN_ERROR_BUSY));
    torvyn_instance_free(instance);
    all_is_well();
  }
}

static int came_back;

static void *resumes(void *at) {
  resume(0);
  __atomic_store_n(&came_back, 1, __ATOMIC_SEQ_CST);
  return at;
}

/* Where a callback comes back on another thread, that one goes no further, nor does the first. */
static void on_another_thread(void) {
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  pthread_t thread;
  make_coroutines(HOST);
  resume(0);
  CHECK(pthread_create(&thread, NULL, resumes, NULL) == 0);
  sleep_ms(100);
  CHECK(came_to[0] == NOTHING_YET && !__atomic_load_n(&came_back, __ATOMIC_SEQ_CST));
  EXPECT(TORVYN_ERROR_BUSY, torvyn_process(mine, &e, &out, &err));
  CHECK(pthread_create(&thread, NULL, thread_calls, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  part("what each part uses");
  make_kinds();
  make_mine();
  in_child("a thread that is cancelled in a callback", in_callbacks);
  in_child("a thread that is cancelled at any moment", at_any_moment);
  in_child("callbacks that leave their stack, in order", in_order);
  in_child("callbacks of native components, in any order", native_in_any_order);
  in_child("callbacks of native components, on any thread", native_on_any_thread);
  in_child("a call on another stack than the callback's", on_another_stack);
  in_child("a callback that comes back on another thread", on_another_thread);
  return check_end();
}
