/* Forks amid threads that call on every path, at moments that handlers of the program's own
 * make longer; in each child, calls on every path. TORVYN_FORKS says how many there are. */
#define _GNU_SOURCE
#include "check.h"
#include "wat.h"

#include <pthread.h>
#include <spawn.h>

extern char **environ;

/* ---- what there is of everything ------------------------------------------------------ */

/* How an instance runs; POOLED and TICKED directly, with an engine that has a pool or is ticked
 * by the program, TIMED one that is to loop. */
typedef enum { DIRECT, GENERAL, HOST, NATIVE, WASI, POOLED, TICKED, TIMED, WAYS } way_t;

static torvyn_engine_t *engine, *pooled, *by_hand;
static torvyn_linked_t *linked[WAYS];
static torvyn_instance_t *mine[WAYS];
static int ended; /* threads are to end */
static int within; /* forks: in the callback that the main thread's call is at */

static int get(int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }

static void forks_within(void);
static pthread_t main_thread;

static torvyn_status_t process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  if (pthread_equal(pthread_self(), main_thread)) forks_within();
  OK(torvyn_native_append(call, e->payload.data, e->payload.len, &err));
  OK(torvyn_native_emit(call, 0, 0, str(""), &err));
  return TORVYN_OK;
}

static bool look_up(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  static torvyn_value_t found = {.kind = TORVYN_KIND_STRING};
  (void)user, (void)scope, (void)args, (void)count;
  if (pthread_equal(pthread_self(), main_thread)) forks_within();
  found.of.string = str("found");
  result->kind = TORVYN_KIND_OPTION;
  result->of.option = &found;
  return true;
}

static torvyn_engine_t *with(torvyn_path_t path, uint32_t pool, torvyn_switch_t host_ticks) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path, .pool_instances = pool,
                                   .host_ticks = host_ticks, .timeout_ns = 20000 * MS, .memory_reservation = 1 << 20, .tick_ns = 100000};
  return engine_with(&config);
}

static torvyn_instance_t *instance_by(way_t way) {
  torvyn_instance_t *instance = instance_of(linked[way], way, NULL);
  if (torvyn_instance_state(instance) == TORVYN_STATE_NEW) OK(torvyn_init(instance, str(""), &err));
  return instance;
}

static void make_all(void) {
  torvyn_native_t native = {.struct_size = sizeof native, .process = process};
  torvyn_component_t *component = NULL;
  torvyn_imports_t *imports = NULL;
  torvyn_engine_t *general = with(TORVYN_PATH_GENERAL, 0, TORVYN_OFF);
  engine = with(TORVYN_PATH_AUTO, 0, TORVYN_OFF);
  pooled = with(TORVYN_PATH_AUTO, 20, TORVYN_OFF);
  by_hand = with(TORVYN_PATH_AUTO, 0, TORVYN_ON);
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str("acme:db/lookup@1.0.0"), str("get"), str("func(key: string) -> option<string>"),
                           look_up, NULL, NULL, &err));
  OK(torvyn_component_native(engine, &native, &component, &err));
  linked[DIRECT] = linked_of(engine, "upper-case");
  linked[GENERAL] = linked_of(general, "upper-case");
  linked[HOST] = linked_once(component_of(engine, "importer"), imports);
  linked[NATIVE] = linked_once(component, NULL);
  linked[WASI] = linked_of(engine, "wasi-stdio");
  linked[POOLED] = linked_of(pooled, "upper-case");
  linked[TICKED] = linked_of(by_hand, "misbehave");
  linked[TIMED] = linked_of(engine, "misbehave");
  torvyn_imports_free(imports);
  torvyn_engine_free(general);
  for (way_t way = DIRECT; way < WAYS; way++) mine[way] = instance_by(way);
}

static const char *const payloads[WAYS] = {"a", "a", "key", "a", "env:NONE", "a", "spin:100", "spin:100"};
static const char *const outputs[WAYS] = {"A", "A", "found", "a", "(none)", "A", "spun", "spun"};

/* What another thread released may be used here. */
static void swap(torvyn_buffer_t *buffer) {
  static torvyn_buffer_t *left;
  torvyn_buffer_release(__atomic_exchange_n(&left, buffer, __ATOMIC_SEQ_CST));
}

static int call(way_t way, torvyn_instance_t *instance) {
  torvyn_element_t e = element(payloads[way]);
  torvyn_output_t out;
  int status = torvyn_process(instance, &e, &out, NULL);
  CHECK(status < 0 || bytes_are(out.bytes, outputs[way]));
  if (status == TORVYN_OK) swap(out.payload);
  return status;
}

/* ---- threads ------------------------------------------------------------------------- */

static void *calls(void *at) {
  way_t way = *(way_t *)at;
  torvyn_instance_t *instance = instance_by(way);
  for (unsigned i = 0; !get(&ended); i++) {
    CHECK(call(way, instance) == TORVYN_OK);
    if (i % 32 == 0) usleep(i % 1000); /* others want the processor, too */
  }
  torvyn_instance_free(instance);
  return NULL;
}

static void *ticks(void *at) {
  while (!get(at)) torvyn_engine_tick(by_hand), usleep(100);
  return NULL;
}

static void compile(torvyn_engine_t *with) {
  torvyn_component_free(component_from(with, "(component " SOUND ")"));
}

/* Traps, resets, makes and frees. */
static void *makes(void *at) {
  torvyn_instance_t *bad = instance_by(TIMED);
  (void)at;
  for (unsigned i = 0; !get(&ended); i++) {
    torvyn_instance_free(instance_by((way_t)(i % WAYS)));
    gives(bad, i % 2 ? "badptr" : "stack", TORVYN_ERROR_TRAP);
    OK(torvyn_instance_reset(bad, &err));
    OK(torvyn_init(bad, str(""), &err));
    if (i % 20 == 0) compile(engine);
    if (i % 40 == 0) torvyn_engine_free(engine_with(NULL));
    usleep(i % 3000);
  }
  torvyn_instance_free(bad);
  return NULL;
}

/* ---- children -------------------------------------------------------------------------- */

enum { WORKED = 3, REFUSED = 4 };

/* The clock ticks. */
static void loops(way_t way) {
  torvyn_flow_t flow = {.deadline_ns = 5 * MS};
  torvyn_element_t e = element("loop");
  torvyn_output_t out;
  e.flow = &flow;
  EXPECT(TORVYN_ERROR_DEADLINE, torvyn_process(mine[way], &e, &out, &err));
}

static void works_again(way_t way) {
  OK(torvyn_instance_reset(mine[way], &err));
  if (torvyn_instance_state(mine[way]) == TORVYN_STATE_NEW) OK(torvyn_init(mine[way], str(""), &err));
  CHECK(call(way, mine[way]) == TORVYN_OK);
}

/* Where another thread was making something; nothing waits. */
static int all_is_refused(int busy) {
  torvyn_element_t e = element("a");
  torvyn_output_t out;
  torvyn_instance_t *none = STALE;
  pid_t child;
  int status;
  for (way_t way = DIRECT; way < WAYS; way++) {
    if ((int)way == busy) continue;
    if (torvyn_instance_state(mine[way]) == TORVYN_STATE_READY)
      EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_process(mine[way], &e, &out, &err));
    EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_instance_new(linked[way], 1, NULL, &none, &err));
    torvyn_instance_free(mine[way]);
    torvyn_linked_free(linked[way]);
  }
  torvyn_engine_free(engine);
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_engine_new(NULL, &engine, &err));
  /* The process is whole otherwise. */
  child = fork();
  if (child == 0) _Exit(0);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  return REFUSED;
}

/* What a child does, a part of it each; `busy` has a call under way. */
static int works(unsigned part, int busy) {
  torvyn_imports_t *imports;
  for (way_t way = DIRECT; way < WAYS; way++) {
    int status;
    if ((int)way == busy) continue;
    status = call(way, mine[way]);
    if (way == DIRECT && status == TORVYN_ERROR_INTERNAL) return all_is_refused(busy);
    if (way == WASI) CHECK(status == TORVYN_ERROR_INTERNAL && torvyn_instance_state(mine[WASI]) == TORVYN_STATE_POISONED);
    else CHECK(status == TORVYN_OK);
  }
  if (part % 8 == 7) return WORKED;
  /* Another thread's call may have had a lock of Wasmtime's. */
  if (torvyn_imports_new(engine, &imports, NULL) == TORVYN_ERROR_INTERNAL) return all_is_refused(busy);
  torvyn_imports_free(imports);
  if (part % 4 == 0) {
    loops(TIMED);
    works_again(TIMED);
  }
  if (part % 8 == 1) works_again(WASI);
  if (part % 8 == 2) {
    int stop = 0;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ticks, &stop) == 0);
    loops(TICKED);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    CHECK(pthread_join(thread, NULL) == 0);
    works_again(TICKED);
  }
  if (part % 8 == 3) {
    for (way_t way = DIRECT; way < WAYS; way++) torvyn_instance_free(instance_by(way));
    gives(mine[TIMED], "badptr", TORVYN_ERROR_TRAP);
    works_again(TIMED);
  }
  if (part % 32 == 5) compile(engine), compile(pooled);
  if (part % 32 == 6) {
    for (way_t way = DIRECT; way < WAYS; way++)
      if ((int)way != busy) torvyn_instance_free(mine[way]), torvyn_linked_free(linked[way]);
    torvyn_engine_free(engine), torvyn_engine_free(pooled), torvyn_engine_free(by_hand);
    torvyn_engine_free(engine_with(NULL));
  }
  return WORKED;
}

static unsigned turn;
static unsigned came_to[REFUSED + 1];

/* Forks, and gives what the child came to. */
static void fork_one(int busy) {
  int status;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    int to;
    alarm(20 * check_slow());
    to = works(turn, busy);
    if (turn % 32 == 3 && to == WORKED) {
      pid_t grandchild;
      OK(torvyn_instance_reset(mine[WASI], &err));
      grandchild = fork();
      CHECK(grandchild >= 0);
      if (grandchild == 0) {
        alarm(10 * check_slow());
        _Exit(works(3, busy));
      }
      CHECK(waitpid(grandchild, &status, 0) == grandchild && WIFEXITED(status) && WEXITSTATUS(status) >= WORKED);
    }
    if (busy >= 0 && to == WORKED) { /* the callback returns in the child, too */
      within = to;
      return;
    }
    _Exit(to);
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) fprintf(stderr, "child %u: signal %d\n", turn, WTERMSIG(status));
  CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == WORKED || WEXITSTATUS(status) == REFUSED));
  came_to[WEXITSTATUS(status)]++;
}

static int fork_in = -1; /* the main thread's call by this way forks in its callback */

static void forks_within(void) {
  int busy = fork_in;
  fork_in = -1;
  if (busy >= 0) fork_one(busy);
}

/* Moments that are made longer; where a handler comes from says on which side of the library's it is. */
static unsigned longest_us, shortest_us;

static void linger(void) {
  static unsigned seed = 1;
  seed = seed * 1103515245 + 12345;
  if (longest_us) usleep(shortest_us + seed / 65536 % longest_us);
}

static unsigned wanted(void) {
  const char *said = getenv("TORVYN_FORKS");
  return said ? (unsigned)strtoul(said, NULL, 10) : 64;
}

static void storm(const way_t *threads, int count, int makers) {
  pthread_t started[2 * WAYS];
  unsigned forks = wanted();
  alarm(100 * check_slow() + forks);
  CHECK(pthread_atfork(linger, linger, linger) == 0); /* before the library's */
  main_thread = pthread_self();
  make_all();
  CHECK(pthread_atfork(linger, linger, linger) == 0);
  for (int i = 0; i < count; i++) CHECK(pthread_create(&started[i], NULL, calls, (void *)(uintptr_t)&threads[i]) == 0);
  for (int i = 0; i < makers; i++) CHECK(pthread_create(&started[count + i], NULL, makes, NULL) == 0);
  longest_us = 500;
  for (turn = 0; turn < forks; turn++) {
    if (turn % 1000 == 999) printf("    %u: %u worked\n", turn + 1, came_to[WORKED]), fflush(stdout);
    way_t way = (way_t)(turn % WAYS);
    CHECK(call(way, mine[way]) == TORVYN_OK);
    if (turn % 9 == 8) {
      within = 0;
      fork_in = turn % 2 ? HOST : NATIVE;
      CHECK(call((way_t)fork_in, mine[fork_in]) == TORVYN_OK);
      if (within) _Exit(within);
    } else {
      fork_one(-1);
    }
    CHECK(call(way, mine[way]) == TORVYN_OK);
    if (turn % 10 == 0) {
      char *const arguments[] = {(char *)(uintptr_t)"true", NULL};
      pid_t child;
      int status;
      CHECK(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
      CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
  }
  __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < count + makers; i++) CHECK(pthread_join(started[i], NULL) == 0);
  printf("    %u forks: %u children worked, %u were refused\n", forks, came_to[WORKED], came_to[REFUSED]);
  CHECK(came_to[WORKED] + came_to[REFUSED] == forks && came_to[WORKED] > 0);
  /* A library that is not optimised looks up types in each call, under a lock. */
  CHECK(makers || came_to[REFUSED] <= forks / 10);
}

static void amid_calls(void) {
  static const way_t threads[] = {DIRECT, GENERAL, HOST, NATIVE, WASI, POOLED, DIRECT};
  storm(threads, sizeof threads / sizeof *threads, 0);
}

static void amid_makers(void) {
  static const way_t threads[] = {DIRECT, WASI};
  storm(threads, sizeof threads / sizeof *threads, 2);
}

static void *makes_shortly(void *at) {
  while (!get(&ended)) torvyn_instance_free(instance_by(DIRECT)), torvyn_engine_free(engine_with(NULL)), usleep(50);
  return at;
}

/* A large process takes long to copy: nothing begins to be made meanwhile, so what is made is in no child's way. */
static void that_take_long(void) {
  pthread_t makers[2];
  CHECK(pthread_atfork(linger, NULL, NULL) == 0);
  make_all();
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&makers[i], NULL, makes_shortly, NULL) == 0);
  shortest_us = 50000, longest_us = 1;
  for (turn = 0; turn < 20; turn++) fork_one(-1);
  __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 2; i++) CHECK(pthread_join(makers[i], NULL) == 0);
  printf("    %u of 20 children were refused\n", came_to[REFUSED]);
  CHECK(came_to[REFUSED] <= 2);
}

static void forks_at_its_end(void *unused) {
  (void)unused;
  for (turn = 0; turn < 4; turn++) fork_one(-1);
}

static void *ends(void *key) {
  torvyn_instance_free(instance_by(DIRECT));
  CHECK(call(TIMED, mine[TIMED]) == TORVYN_OK && pthread_setspecific(*(pthread_key_t *)key, key) == 0);
  return NULL;
}

/* Also one that has used the library before. */
static void on_a_thread_that_ends(void) {
  pthread_key_t key;
  pthread_t thread;
  make_all();
  CHECK(pthread_key_create(&key, forks_at_its_end) == 0);
  CHECK(pthread_create(&thread, NULL, ends, &key) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(came_to[WORKED] == 4);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  alarm(200 * check_slow() + 2 * wanted());
  in_child("forks amid threads that call", amid_calls);
  in_child("forks amid threads that make and free", amid_makers);
  in_child("forks that take long", that_take_long);
  in_child("forks on a thread that ends", on_a_thread_that_ends);
  return check_end();
}
