/* Manners in a process that belongs to someone else: threads, files, fork(). Each part
 * runs in a child of its own, so that it sees the library for the first time. */
#define _GNU_SOURCE
#include "check.h"
#include "wat.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

/* Threads that may still be started; negative for as many as one likes. */
static volatile int threads_left = -1;

/* The library finds this one first. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
  if (threads_left == 0) return EAGAIN;
  if (threads_left > 0) threads_left = threads_left - 1;
  return next(thread, attributes, run, argument);
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

/* What a child does with its parent's engine and instances: all of it. */
static void child_works(const torvyn_engine_t *engine, torvyn_instance_t *upper, torvyn_instance_t *bad) {
  torvyn_engine_t *own;
  torvyn_component_t *component = NULL;
  torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(bad);
  emits(upper, "child", "CHILD");
  gives(bad, "loop", TORVYN_ERROR_DEADLINE); /* the clock ticks in the child, too */
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
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 20 * MS * check_slow()};
  torvyn_instance_t *upper = ready(engine, "upper-case", "", NULL), *bad = ready(engine, "misbehave", "", &options);
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
        gives(bad, "loop", TORVYN_ERROR_DEADLINE);
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

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("threads: few, and asleep", few_threads);
  in_child("threads: none to be had", no_clock);
  in_child("threads: none to wait with, of one", one_waiter);
  in_child("threads: none to wait with, of three", three_waiters);
  in_child("fork: the child works", forks);
  in_child("fork: the child waits in WASI", fork_in_wasi);
  in_child("fork: the child makes any call", fork_in_any_call);
  return check_end();
}
