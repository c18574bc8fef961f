/* Manners in a process that belongs to someone else: threads, files, fork(). Each part
 * runs in a child of its own, so that it sees the library for the first time. */
#define _GNU_SOURCE
#include "check.h"
#include "wat.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

/* Threads that may still be started; negative for as many as one likes. */
static volatile int threads_left = -1;
static volatile int refused_once; /* only the next one is refused */

static int refuse_in_turns(void);

/* Signals that a thread has, from its first instruction on, of whoever starts it. */
static int not_blocked;
static int lacks(const sigset_t *blocked);

/* The library finds this one first. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
  sigset_t inherited;
  CHECK(pthread_sigmask(SIG_SETMASK, NULL, &inherited) == 0);
  not_blocked += lacks(&inherited);
  if (threads_left == 0 || refuse_in_turns()) return EAGAIN;
  if (refused_once) {
    refused_once = 0;
    return EAGAIN;
  }
  if (threads_left > 0) threads_left = threads_left - 1;
  return next(thread, attributes, run, argument);
}

/* Where set, each second thread is refused, and that takes a while. */
static int in_turns;

static int refuse_in_turns(void) {
  static int turn;
  if (!__atomic_load_n(&in_turns, __ATOMIC_SEQ_CST)) return 0;
  usleep(50);
  return __atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST) % 2 == 1;
}

static long switches(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  long sum = 0;
  CHECK(tasks != NULL);
  while ((entry = readdir(tasks)) != NULL) {
    char path[64], line[256];
    long n;
    FILE *file;
    if (entry->d_name[0] == '.' || atol(entry->d_name) == (long)getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", entry->d_name);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
      if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1) sum += n;
    if (file) fclose(file);
  }
  closedir(tasks);
  return sum;
}

static int files(void) {
  int n = 0;
  for (int fd = 0; fd < 1000; fd++) {
    struct stat info;
    n += fstat(fd, &info) == 0;
  }
  return n;
}

static void few_threads(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .parallel_compilation = TORVYN_OFF};
  torvyn_engine_t *engine;
  torvyn_instance_t *instance, *second;
  int alone = thread_count(), open = files();
  long from;
  clock_t worked;

  config.host_ticks = TORVYN_ON; /* no threads at all */
  engine = engine_with(&config);
  instance = ready(engine, "upper-case", "", NULL);
  emits(instance, "a", "A");
  CHECK(thread_count() == alone);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);

  config.host_ticks = TORVYN_OFF; /* one for the clock */
  engine = engine_with(&config);
  instance = ready(engine, "upper-case", "", NULL);
  second = ready(engine, "misbehave", "", NULL);
  emits(instance, "a", "A");
  emits(second, "spin:1000", "spun");
  CHECK(thread_count() == alone + 1);
  sleep_ms(300); /* it falls asleep */
  from = switches(), worked = clock();
  sleep_ms(400);
  CHECK(switches() - from <= 2); /* and stays so */
  CHECK(clock() - worked < CLOCKS_PER_SEC / 20 * (clock_t)check_slow());
  emits(instance, "awake", "AWAKE");
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);
  torvyn_instance_free(second);
  for (int i = 0; i < 100 && thread_count() > alone; i++) sleep_ms(1); /* the kernel needs a moment, too */
  CHECK(thread_count() == alone && files() == open);

  config.parallel_compilation = TORVYN_DEFAULT; /* one for each processor */
  engine = engine_with(&config);
  second = ready(engine, "misbehave", "", NULL);
  emits(second, "spin:1000", "spun");
  CHECK(thread_count() <= alone + 1 + (int)sysconf(_SC_NPROCESSORS_ONLN));
  torvyn_instance_free(second);
  torvyn_engine_free(engine);
  CHECK(files() == open);
}

/* Without a clock nothing would end a call: it is refused, and made again when there is room. */
static void no_clock(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .parallel_compilation = TORVYN_OFF};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_linked_t *linked = linked_of(engine, "upper-case");
  torvyn_instance_t *instance = STALE;
  threads_left = 0;
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "clock", torvyn_instance_new(linked, 1, NULL, &instance, &err));
  threads_left = -1;
  CHECK(instance == NULL);
  instance = instance_of(linked, 1, NULL);
  emits(instance, "a", "A");
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

enum { CALLERS = 4 };

static torvyn_instance_t *racers[CALLERS];
static pthread_barrier_t all_there;
static int refused;

static void *race(void *at) {
  torvyn_instance_t *instance = racers[(intptr_t)at];
  torvyn_flow_t flow = {.deadline_ns = 2 * MS};
  torvyn_element_t e = element("loop");
  torvyn_output_t out;
  int status;
  e.flow = &flow;
  pthread_barrier_wait(&all_there);
  usleep((useconds_t)(intptr_t)at * 20); /* while another waits for its thread */
  while ((status = torvyn_process(instance, &e, &out, NULL)) == TORVYN_ERROR_INTERNAL) {
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY && stats_of(instance).stopped == 0);
    __atomic_add_fetch(&refused, 1, __ATOMIC_SEQ_CST);
  }
  CHECK(status == TORVYN_ERROR_DEADLINE && stats_of(instance).calls == 2); /* the first was its init */
  return NULL;
}

/* A thread for the clock is to be had at one moment and not at the next: each call is refused, and
 * nothing ran, or it ends at its deadline. A child has no clock until it calls. */
static void no_clock_in_turns(void) {
  torvyn_engine_t *engine = engine_with(NULL);
  int refusals = 0;
  for (int i = 0; i < CALLERS; i++) racers[i] = ready(engine, "misbehave", "", NULL);
  for (unsigned round = 0; round < 50; round++) {
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      pthread_t threads[CALLERS];
      alarm(10 * check_slow());
      CHECK(pthread_barrier_init(&all_there, NULL, CALLERS) == 0);
      for (int i = 1; i < CALLERS; i++)
        CHECK(pthread_create(&threads[i], NULL, race, (void *)(intptr_t)i) == 0);
      __atomic_store_n(&in_turns, 1, __ATOMIC_SEQ_CST);
      race(NULL);
      for (int i = 1; i < CALLERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
      _Exit(refused > 0 ? 4 : 3);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4);
    refusals += WEXITSTATUS(status) == 4;
  }
  CHECK(refusals > 0);
  for (int i = 0; i < CALLERS; i++) torvyn_instance_free(racers[i]);
  torvyn_engine_free(engine);
}

/* Nothing can be waited for without all the threads for it: an instance is not made, a call ends. */
static void no_waiters(uint32_t threads) {
  torvyn_engine_config_t config = {.struct_size = sizeof config,
                                   .parallel_compilation = TORVYN_OFF,
                                   .host_ticks = TORVYN_ON,
                                   .wasi_threads = threads};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_component_t *component = component_of(engine, "wasi-stdio");
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance = STALE;
  torvyn_element_t e = element("read:/guests/empty.wat");
  torvyn_output_t out;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, check_guests, str("/guests"), TORVYN_ACCESS_READ, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  threads_left = (int)threads - 1;
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, "thread", torvyn_instance_new(linked, 1, NULL, &instance, &err));
  threads_left = -1;
  CHECK(instance == NULL);
  instance = instance_of(linked, 1, NULL);
  emits(instance, "nothing", "");
  threads_left = 0;
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "thread", torvyn_process(instance, &e, &out, &err));
  threads_left = -1;
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED && stats_of(instance).traps == 0);
  OK(torvyn_instance_reset(instance, &err));
  refused_once = 1; /* there is one again when the reason is looked for */
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "thread", torvyn_process(instance, &e, &out, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED && !refused_once);
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len > 0 && out.bytes.data[0] == ';');
  torvyn_output_release(&out);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
}

static void one_waiter(void) { no_waiters(1); }
static void three_waiters(void) { no_waiters(3); }

/* Others may want the processor: it is this call alone that has little time. */
static void loops(torvyn_instance_t *instance) {
  torvyn_flow_t flow = {.deadline_ns = 20 * MS};
  torvyn_element_t e = element("loop");
  torvyn_output_t out;
  e.flow = &flow;
  EXPECT(TORVYN_ERROR_DEADLINE, torvyn_process(instance, &e, &out, &err));
}

/* What a child does with its parent's engine and instances: all of it. */
static void child_works(const torvyn_engine_t *engine, torvyn_instance_t *upper, torvyn_instance_t *bad) {
  torvyn_engine_t *own;
  torvyn_component_t *component = NULL;
  torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(bad);
  emits(upper, "child", "CHILD");
  loops(bad); /* the clock ticks in the child, too */
  OK(torvyn_instance_reset(bad, &err));
  OK(torvyn_init(bad, str(""), &err));
  torvyn_cancel(cancel);
  gives(bad, "loop", TORVYN_ERROR_CANCELLED);
  torvyn_cancel_free(cancel);
  OK(torvyn_component_compile_file(engine, guest_path("line-source.wasm"), &component, &err));
  torvyn_component_free(component);
  own = engine_with(NULL);
  torvyn_instance_free(ready(own, "status-count", "", NULL));
  {
    int status;
    pid_t grandchild = fork(); /* of a process with compilers of its own */
    CHECK(grandchild >= 0);
    if (grandchild == 0) {
      alarm(20 * check_slow());
      torvyn_instance_free(ready(own, "upper-case", "", NULL));
      torvyn_instance_free(ready(engine, "upper-case", "", NULL));
      _Exit(3);
    }
    CHECK(waitpid(grandchild, &status, 0) == grandchild && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  }
  torvyn_engine_free(own);
}

/* Forks while the clock's thread is at work, so that one comes at any moment of it. */
static void forks(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .tick_ns = 10000};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_instance_t *upper = ready(engine, "upper-case", "", NULL), *bad = ready(engine, "misbehave", "", NULL);
  for (unsigned i = 0; i < 100 / check_slow() + 1; i++) {
    int status;
    pid_t child;
    emits(bad, "spin:1000", "spun");
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      alarm(20 * check_slow());
      if (i % 10 == 0) {
        child_works(engine, upper, bad);
        torvyn_engine_free(engine);
        torvyn_instance_free(upper);
        torvyn_instance_free(bad);
      } else if (i % 10 < 5) {
        loops(bad);
      }
      _Exit(3);
    }
    emits(upper, "parent", "PARENT");
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  }
  torvyn_instance_free(upper);
  torvyn_instance_free(bad);
  torvyn_engine_free(engine);
}

/* An instance that waits in WASI waits with what its parent has: it says so, and goes on after a reset. */
static void fork_in_wasi(void) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_linked_t *linked = linked_of(engine, "wasi-stdio");
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_output_t out;
  torvyn_element_t e = element("env:HOME");
  int status, before = torvyn_process(instance, &e, &out, NULL);
  pid_t child;
  CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL && before >= 0);
  torvyn_output_release(&out);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20 * check_slow());
    EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_process(instance, &e, &out, &err));
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
    EXPECT(TORVYN_ERROR_STATE, torvyn_process(instance, &e, &out, &err));
    OK(torvyn_instance_reset(instance, &err));
    CHECK(torvyn_process(instance, &e, &out, NULL) == before);
    torvyn_output_release(&out);
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
    _Exit(3);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  CHECK(torvyn_process(instance, &e, &out, NULL) == before);
  torvyn_output_release(&out);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* It may wait in WASI, and has a function of its own. */
static const char WAITS[] =
    "(component"
    "  (import \"wasi:io/poll@0.2.0\" (instance (export \"pollable\" (type (sub resource)))))"
    SOUND
    "  (export \"work\" (func $teardown)))";

/* Each first call in the child ends so, but for a teardown. */
static void fork_in_any_call(void) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_component_t *component;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *made, *called, *ended;
  torvyn_values_t *values = STALE;
  int status;
  pid_t child;
  component = component_from(engine, WAITS);
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  made = instance_of(linked, 1, NULL), called = instance_of(linked, 2, NULL), ended = instance_of(linked, 3, NULL);
  OK(torvyn_init(called, str(""), &err));
  OK(torvyn_init(ended, str(""), &err));
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20 * check_slow());
    EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_init(made, str(""), &err));
    EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked", torvyn_call(called, str(""), str("work"), NULL, 0, &values, &err));
    CHECK(torvyn_instance_state(made) == TORVYN_STATE_POISONED && values == NULL);
    CHECK(torvyn_instance_state(called) == TORVYN_STATE_POISONED);
    EXPECT(TORVYN_ERROR_STATE, torvyn_call(called, str(""), str("work"), NULL, 0, &values, &err));
    EXPECT(TORVYN_ERROR_STATE, torvyn_teardown(called, &err));
    OK(torvyn_teardown(ended, &err));
    CHECK(torvyn_instance_state(ended) == TORVYN_STATE_TORN_DOWN);
    OK(torvyn_instance_reset(called, &err));
    OK(torvyn_call(called, str(""), str("work"), NULL, 0, &values, &err));
    torvyn_values_free(values);
    _Exit(3);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  torvyn_instance_free(made);
  torvyn_instance_free(called);
  torvyn_instance_free(ended);
  torvyn_linked_free(linked);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
}

/* ---- a child in which nothing can be made ------------------------------------------------- */

static int held_up, goes_on, ended;
static void ends(void *at) { ++*(int *)at; }

static torvyn_status_t is_held_up(void *user, uint64_t id, void **out) {
  (void)user, (void)id, (void)out;
  for (__atomic_store_n(&held_up, 1, __ATOMIC_SEQ_CST); !__atomic_load_n(&goes_on, __ATOMIC_SEQ_CST);) usleep(100);
  return TORVYN_OK;
}

static void *makes(void *linked) {
  torvyn_instance_free(instance_of(linked, 1, NULL));
  return NULL;
}

static torvyn_status_t pulls(void *user, void *state, torvyn_native_call_t *call) {
  return (void)user, (void)state, (void)call, TORVYN_OK;
}

static void logs_nothing(void *user, const torvyn_log_line_t *line) { (void)user, (void)line; }

static void prints_nothing(void *user, uint64_t id, torvyn_bytes_t bytes) { (void)user, (void)id, (void)bytes; }

static void thing_ended(void *user, uint32_t thing) { (void)user, (void)thing; }

static bool answers(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  return (void)user, (void)scope, (void)args, (void)count, (void)result, true;
}

/* Whoever takes a finalizer runs it, whatever comes of the rest. */
static void fork_amid_making(void) {
  torvyn_engine_config_t config = {
      .struct_size = sizeof config, .log = logs_nothing, .log_user = &ended, .log_finalizer = ends};
  torvyn_native_t table = {
      .struct_size = sizeof table, .user = &ended, .finalizer = ends, .instance_new = is_held_up, .pull = pulls};
  torvyn_engine_t *engine = engine_with(NULL), *none = NULL;
  torvyn_component_t *component = NULL, *nothing = NULL;
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked;
  torvyn_str_t face = str("acme:a/b@1.0.0");
  pthread_t thread;
  pid_t child;
  int status;
  OK(torvyn_component_native(engine, &table, &component, &err));
  OK(torvyn_imports_new(engine, &imports, &err));
  linked = linked_once(component, NULL);
  CHECK(pthread_create(&thread, NULL, makes, linked) == 0);
  while (!__atomic_load_n(&held_up, __ATOMIC_SEQ_CST)) usleep(100);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20 * check_slow());
#define REFUSED(call) EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "forked while", call)
    REFUSED(torvyn_engine_new(&config, &none, &err));
    CHECK(ended == 1);
    REFUSED(torvyn_component_native(engine, &table, &nothing, &err));
    CHECK(ended == 2);
    REFUSED(torvyn_imports_define(imports, face, str("f"), str("func()"), answers, &ended, ends, &err));
    CHECK(ended == 3);
    REFUSED(torvyn_imports_define_resource(imports, face, str("thing"), thing_ended, &ended, ends, &err));
    CHECK(ended == 4);
    REFUSED(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, prints_nothing, &ended, ends, &err));
    CHECK(ended == 5 && !none && !nothing);
    _Exit(3);
  }
  __atomic_store_n(&goes_on, 1, __ATOMIC_SEQ_CST);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  CHECK(pthread_join(thread, NULL) == 0 && ended == 0);
  torvyn_linked_free(linked), torvyn_imports_free(imports), torvyn_engine_free(engine);
  CHECK(ended == 1);
}

/* ---- the threads' manners ------------------------------------------------------------ */

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

static int is_fault(int number) {
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (faults[i] == number) return 1;
  return 0;
}

/* How many signals are blocked that should not be, or the other way round. */
static int lacks(const sigset_t *blocked) {
  int n = 0;
  for (int number = 1; number <= SIGRTMAX; number++) {
    if (number == SIGKILL || number == SIGSTOP || (number > SIGSYS && number < SIGRTMIN)) continue;
    n += sigismember(blocked, number) == is_fault(number);
  }
  return n;
}

static unsigned names_seen;

/* A thread of the library's, as the system sees it; as it starts the C library has it block its faults, too. */
static void look_at(pid_t thread) {
  static const char *const names[] = {"torvyn-clock", "torvyn-compiler", "torvyn-wasi"};
  char path[64], line[256], name[32] = "";
  unsigned long long mask = 0;
  cpu_set_t its, ours;
  snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
  for (int looks = 0, begun = 0; !begun; looks++) {
    FILE *file = fopen(path, "r");
    sigset_t blocked = {{0}};
    CHECK(file != NULL && looks < 2000);
    while (fgets(line, sizeof line, file))
      if (sscanf(line, "Name: %31s", name) != 1) sscanf(line, "SigBlk: %llx", &mask);
    fclose(file);
    begun = !strncmp(name, "torvyn-", 7);
    for (int number = 1; number <= SIGRTMAX; number++)
      if (mask >> (number - 1) & 1 && (begun || !is_fault(number))) sigaddset(&blocked, number);
    CHECK(lacks(&blocked) == 0);
    if (!begun) sleep_ms(1);
  }
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) names_seen |= 1u << i;
  CHECK(sched_getscheduler(thread) == sched_getscheduler(0));
  CHECK(getpriority(PRIO_PROCESS, (id_t)thread) == getpriority(PRIO_PROCESS, 0));
  CHECK(sched_getaffinity(thread, sizeof its, &its) == 0 && sched_getaffinity(0, sizeof ours, &ours) == 0);
  CHECK(CPU_EQUAL(&its, &ours));
}

static volatile sig_atomic_t handled, elsewhere;
static pthread_t main_thread;

static void on_signal(int number) {
  (void)number;
  handled = handled + 1;
  if (!pthread_equal(pthread_self(), main_thread)) elsewhere = elsewhere + 1;
}

static void mannered_threads(void) {
  static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGINT, SIGCHLD, SIGALRM, SIGPIPE, SIGXFSZ, SIGWINCH};
  torvyn_element_t e = element("read:/guests/empty.wat");
  torvyn_imports_t *imports = NULL;
  torvyn_instance_t *upper, *waits;
  torvyn_engine_t *engine;
  torvyn_linked_t *linked;
  torvyn_output_t out;
  struct dirent *entry;
  struct signalfd_siginfo read_of;
  struct sigaction action = {.sa_handler = on_signal};
  struct timespec now = {5, 0};
  sigset_t all, ours;
  DIR *tasks;
  int fd;
  main_thread = pthread_self();
  engine = engine_with(NULL);
  not_blocked = 0;
  upper = ready(engine, "upper-case", "", NULL);
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, check_guests, str("/guests"), TORVYN_ACCESS_READ, &err));
  linked = linked_once(component_of(engine, "wasi-stdio"), imports);
  waits = instance_of(linked, 1, NULL);
  emits(waits, "sleep:1", "slept");
  CHECK(not_blocked == 0);
  /* Threads that wait for files are started by whoever needs one: here, within a call. */
  OK(torvyn_process(waits, &e, &out, &err));
  torvyn_output_release(&out);
  for (int round = 0; round < 3; round++) {
    emits(upper, "awake", "AWAKE");
    CHECK((tasks = opendir("/proc/self/task")) != NULL);
    while ((entry = readdir(tasks)) != NULL)
      if (entry->d_name[0] != '.' && atol(entry->d_name) != (long)getpid()) look_at((pid_t)atol(entry->d_name));
    closedir(tasks);
  }
  CHECK(names_seen == 7);

  /* What the program handles, and what it waits for in either way, comes to it alone. */
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  for (int i = 0; i < 200; i++) CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK(handled > 0 && elsewhere == 0);
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &ours) == 0);
  fd = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
  for (size_t i = 0; i < 2 * sizeof signals / sizeof *signals; i++) {
    int number = signals[i / 2];
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    CHECK(kill(getpid(), number) == 0);
    if (i % 2) CHECK(read(fd, &read_of, sizeof read_of) == sizeof read_of && (int)read_of.ssi_signo == number);
    else CHECK(sigtimedwait(&one, NULL, &now) == number);
    emits(upper, "and on", "AND ON");
  }
  close(fd);
  CHECK(pthread_sigmask(SIG_SETMASK, &ours, NULL) == 0);
  torvyn_instance_free(upper);
  torvyn_instance_free(waits);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_engine_free(engine);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("threads: few, and asleep", few_threads);
  if (check_emulated()) printf("skipped: the signals of threads\n");
  else in_child("threads: their signals, names and priorities", mannered_threads);
  in_child("threads: none to be had", no_clock);
  in_child("threads: none to be had now and then", no_clock_in_turns);
  in_child("threads: none to wait with, of one", one_waiter);
  in_child("threads: none to wait with, of three", three_waiters);
  in_child("fork: the child works", forks);
  in_child("fork: the child waits in WASI", fork_in_wasi);
  in_child("fork: the child makes any call", fork_in_any_call);
  in_child("fork: amid what another thread makes", fork_amid_making);
  return check_end();
}
