/* Manners in a process that belongs to someone else: signals, stacks, stdout and
 * stderr, the environment, threads, files. Each part runs in a child of its own, so
 * that it sees the library for the first time. */
#define _GNU_SOURCE /* alternate stacks, anonymous mappings */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A component whose init loads from outside of its memory (m), divides by zero (d),
 * or does what is unreachable (u), by the configuration's first letter. */
static const char FAULTS[] =
    "(component\n"
    "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n"
    "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n"
    "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n"
    "    (export \"process-error\" (type (eq $e)))))\n"
    "  (alias export $types \"process-error\" (type $error))\n"
    "  (core module $m (memory (export \"memory\") 1)\n"
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)\n"
    "    (func (export \"init\") (param i32 i32) (result i32) (local $c i32)\n"
    "      (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))\n"
    "      (local.set $c (i32.load8_u (local.get 0)))\n"
    "      (if (i32.eq (local.get $c) (i32.const 109)) (then (drop (i32.load (i32.const -16)))))\n"
    "      (if (i32.eq (local.get $c) (i32.const 100))\n"
    "        (then (drop (i32.div_u (i32.const 1) (i32.load (i32.const 512))))))\n"
    "      unreachable)\n"
    "    (func (export \"teardown\")))\n"
    "  (core instance $i (instantiate $m))\n"
    "  (alias core export $i \"memory\" (core memory $memory))\n"
    "  (func $init (param \"config\" string) (result (result (error $error)))\n"
    "    (canon lift (core func $i \"init\") (memory $memory) (realloc (core func $i \"realloc\"))))\n"
    "  (func $teardown (canon lift (core func $i \"teardown\")))\n"
    "  (instance $life (export \"init\" (func $init)) (export \"teardown\" (func $teardown)))\n"
    "  (export \"torvyn:streaming/lifecycle@0.1.0\" (instance $life)))\n";

/* ---- the environment is listened to -------------------------------------------- */

/* The program's `getenv` comes before the C library's: what the library asks, it
 * asks here. */
extern char **environ;
static char asked[4096];
static int listening;

/* What Wasmtime's configuration and Rust's error values look up as they are made,
 * and what is then overridden or decides nothing; and the tests' own. */
static int without_effect(const char *name) {
  return !strcmp(name, "WASMTIME_BACKTRACE_DETAILS") || !strcmp(name, "RUST_LIB_BACKTRACE") ||
         !strcmp(name, "RUST_BACKTRACE") || !strcmp(name, "TORVYN_C_SLOW");
}

char *getenv(const char *name) {
  size_t len = strlen(name);
  if (listening && !without_effect(name) && strlen(asked) + len + 2 < sizeof asked) {
    strcat(asked, name);
    strcat(asked, " ");
  }
  for (char **at = environ; at && *at; at++)
    if (!strncmp(*at, name, len) && (*at)[len] == '=') return *at + len + 1;
  return NULL;
}

/* ---- helpers --------------------------------------------------------------------- */

static void in_child(const char *name, void (*run)(void)) {
  int status;
  pid_t child;
  part(name);
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(100 * check_slow());
    run();
    fflush(stdout);
    _Exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) fprintf(stderr, "%s: signal %d\n", name, WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  int n = 0;
  CHECK(tasks != NULL);
  while ((entry = readdir(tasks)) != NULL) n += entry->d_name[0] != '.';
  closedir(tasks);
  return n;
}

static torvyn_linked_t *faulty(const torvyn_engine_t *engine) {
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked = NULL;
  OK(torvyn_component_compile(engine, (const uint8_t *)FAULTS, sizeof FAULTS - 1, &component, &err));
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  torvyn_component_free(component);
  return linked;
}

static void traps(const torvyn_linked_t *linked, const char *how, torvyn_trap_t trap) {
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_error_t *err = NULL;
  CHECK(torvyn_init(instance, str(how), &err) == TORVYN_ERROR_TRAP);
  CHECK(torvyn_error_trap(err) == trap);
  torvyn_error_free(err);
  torvyn_instance_free(instance);
}

/* Every kind of fault that a component may cause. */
static void all_traps(const torvyn_linked_t *linked) {
  traps(linked, "m", TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS);
  traps(linked, "d", TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO);
  traps(linked, "u", TORVYN_TRAP_UNREACHABLE);
}

/* A bit of everything: good calls, traps, errors. What was said goes to `said`. */
static void exercise(const torvyn_engine_config_t *config, char *said, size_t room) {
  static const char *const commands[] = {"echo:x", "trap", "stack", "div", "leak", "badptr", "invalid", "fatal", "loop"};
  torvyn_engine_t *engine = engine_with(config);
  torvyn_instance_t *instance = ready(engine, "misbehave", "", NULL);
  torvyn_linked_t *linked = faulty(engine);
  torvyn_component_t *none = NULL;
  torvyn_error_t *err = NULL;
  torvyn_output_t out;
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    torvyn_element_t e = element(commands[i]);
    torvyn_flow_t flow = {.deadline_ns = 5 * MS};
    size_t at = strlen(said);
    if (!strcmp(commands[i], "loop")) e.flow = &flow;
    torvyn_process(instance, &e, &out, &err);
    snprintf(said + at, room - at, "%s: %s %s\n", commands[i], torvyn_error_message(err).data,
             strcmp(commands[i], "loop") ? torvyn_error_frame(err, 0).data : "");
    for (size_t k = 0; k < torvyn_error_frame_count(err); k++) CHECK(torvyn_error_frame(err, k).len > 0);
    torvyn_error_free(err);
    torvyn_output_release(&out);
    if (torvyn_instance_state(instance) != TORVYN_STATE_READY) {
      OK(torvyn_instance_reset(instance, &err));
      OK(torvyn_init(instance, str(""), &err));
    }
  }
  all_traps(linked);
  CHECK(torvyn_component_compile(engine, (const uint8_t *)"(component (", 12, &none, &err) < 0);
  size_t at = strlen(said);
  snprintf(said + at, room - at, "%s\n%d threads\n", torvyn_error_message(err).data, threads());
  torvyn_error_free(err);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- signals ----------------------------------------------------------------------- */

static char *forbidden; /* a page that the host faults on */
static sigjmp_buf back;
static volatile sig_atomic_t faults, others, on_own_stack;
static char *own_stack;
static size_t own_stack_size;
static struct sigaction before[3];
static const int signals[3] = {SIGSEGV, SIGILL, SIGFPE};

static void on_fault(int number, siginfo_t *info, void *context) {
  int k = number == SIGSEGV ? 0 : number == SIGILL ? 1 : 2;
  char *here = __builtin_frame_address(0); /* no sanitizer moves that */
  on_own_stack = here >= own_stack && here < own_stack + own_stack_size;
  if (number == SIGSEGV && (char *)info->si_addr == forbidden) {
    faults = faults + 1;
    siglongjmp(back, 1);
  }
  if (info->si_code <= 0) { /* raised */
    others = others + 1;
    return;
  }
  /* Not the host's: whose handler was there before gets it, as good manners want. */
  if (before[k].sa_flags & SA_SIGINFO) before[k].sa_sigaction(number, info, context);
  else _Exit(98);
}

static void take_stack(size_t size) {
  stack_t stack;
  own_stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(own_stack != MAP_FAILED);
  own_stack_size = size;
  memset(&stack, 0, sizeof stack);
  stack.ss_sp = own_stack;
  stack.ss_size = size;
  CHECK(sigaltstack(&stack, NULL) == 0);
}

static void take_signals(size_t stack) {
  struct sigaction action;
  forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(forbidden != MAP_FAILED);
  take_stack(stack);
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int k = 0; k < 3; k++) CHECK(sigaction(signals[k], &action, &before[k]) == 0);
}

/* The host's own faults reach the host, on its own stack. */
static void fault(int own) {
  int sofar = faults, raised = others;
  on_own_stack = 0;
  if (sigsetjmp(back, 1) == 0) {
    *(volatile char *)forbidden = 1;
    CHECK(!"the fault comes");
  }
  CHECK(faults == sofar + 1 && (on_own_stack || !own));
  for (int k = 0; k < 3; k++) CHECK(raise(signals[k]) == 0);
  CHECK(others == raised + 3 && (on_own_stack || !own));
}

static void mixed(torvyn_engine_t *engine, int own) {
  torvyn_linked_t *linked = faulty(engine);
  torvyn_instance_t *deep = ready(engine, "misbehave", "", NULL);
  fault(own);
  for (int i = 0; i < 3; i++) {
    int sofar = faults;
    all_traps(linked);
    CHECK(faults == sofar);
    fault(own);
  }
  gives(deep, "stack", TORVYN_ERROR_TRAP);
  fault(own);
  torvyn_instance_free(deep);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  fault(own); /* when nothing is left of the library but its handlers */
}

static void handler_first(void) {
  take_signals(1 << 20);
  fault(1);
  mixed(engine_with(NULL), 1);
}

static void handler_later(void) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_linked_free(faulty(engine));
  take_signals(1 << 20);
  mixed(engine, 1);
}

/* One that is too small for the library is not enough for its handlers, but the
 * host's faults arrive all the same. */
static void small_stack(void) {
  take_signals(16384 > MINSIGSTKSZ ? 16384 : 65536);
  mixed(engine_with(NULL), 0);
}

static void *thread_with_stack(void *engine) {
  take_stack(1 << 20); /* alternate stacks are a thread's own */
  mixed(engine, 1);
  return NULL;
}

static void other_thread(void) {
  pthread_t thread;
  take_signals(1 << 20);
  CHECK(pthread_create(&thread, NULL, thread_with_stack, engine_with(NULL)) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

/* Which signals' actions are others than in `were`. */
static uint64_t changed(struct sigaction were[65]) {
  uint64_t set = 0;
  for (int n = 1; n <= 64; n++) {
    struct sigaction now;
    memset(&now, 0, sizeof now);
    if (sigaction(n, NULL, &now) == 0 &&
        (now.sa_sigaction != were[n].sa_sigaction || now.sa_flags != were[n].sa_flags))
      set |= UINT64_C(1) << (n - 1);
  }
  return set;
}

#define BIT(number) (UINT64_C(1) << ((number)-1))

static void actions(int explicit_traps) {
  torvyn_engine_config_t config = {.struct_size = sizeof config};
  struct sigaction were[65];
  sigset_t mask, mask_after;
  char said[16384] = "";
  uint64_t set, allowed = explicit_traps ? 0 : BIT(SIGSEGV) | BIT(SIGILL) | BIT(SIGFPE);
  config.explicit_traps = explicit_traps ? TORVYN_ON : TORVYN_OFF;
  memset(were, 0, sizeof were);
  for (int n = 1; n <= 64; n++) sigaction(n, NULL, &were[n]);
  sigprocmask(SIG_SETMASK, NULL, &mask);
  exercise(&config, said, sizeof said);
  sigprocmask(SIG_SETMASK, NULL, &mask_after);
  set = changed(were);
  if (set & ~allowed) fprintf(stderr, "signals changed: %" PRIx64 "\n", set);
  CHECK((set & ~allowed) == 0);
  CHECK(explicit_traps || set == allowed);
  for (int n = 1; n <= 64; n++) CHECK(sigismember(&mask, n) == sigismember(&mask_after, n));
}

static void actions_signals(void) { actions(0); }
static void actions_explicit(void) { actions(1); }

/* A thread whose stack is as small as the header allows. */
static void *deep_thread(void *instance) {
  gives(instance, "stack", TORVYN_ERROR_TRAP);
  return NULL;
}

static void stacks(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config};
  for (int i = 0; i < 2; i++) {
    torvyn_instance_t *instance;
    torvyn_engine_t *engine;
    pthread_attr_t attributes;
    pthread_t thread;
    config.guest_stack = i ? 16 << 10 : 0;
    engine = engine_with(&config);
    instance = ready(engine, "misbehave", "", NULL);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (i ? 16 << 10 : 512 << 10) + (256 << 10)) == 0);
    CHECK(pthread_create(&thread, &attributes, deep_thread, instance) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    torvyn_instance_free(instance);
    torvyn_engine_free(engine);
  }
}

/* ---- stdout, stderr, environment ------------------------------------------------------ */

static void silent(void) {
  char path[] = "/tmp/torvyn-test-XXXXXX", said[16384] = "";
  int file = mkstemp(path), out = dup(1), error = dup(2);
  struct stat info;
  CHECK(file >= 0 && unlink(path) == 0);
  fflush(stdout);
  CHECK(dup2(file, 1) == 1 && dup2(file, 2) == 2);
  for (int i = 0; i < 3; i++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config, .path = (torvyn_path_t)i};
    exercise(&config, said, sizeof said);
  }
  CHECK(dup2(out, 1) == 1 && dup2(error, 2) == 2);
  CHECK(fstat(file, &info) == 0 && info.st_size == 0);
}

static void environment_unread(void) {
  char said[16384] = "";
  asked[0] = '\0';
  listening = 1;
  exercise(NULL, said, sizeof said);
  listening = 0;
  if (*asked) fprintf(stderr, "asked for: %s\n", asked);
  CHECK(asked[0] == '\0');
}

/* What comes of a run, in a child with the environment or without it. */
static void outcome(int with, char *into, size_t room) {
  int ends[2];
  size_t len = 0;
  ssize_t got;
  pid_t child;
  int status;
  CHECK(pipe(ends) == 0);
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    char said[16384] = "";
    static const char *const names[] = {"RUST_BACKTRACE", "RUST_LOG", "WASMTIME_LOG", "WASMTIME_BACKTRACE_DETAILS",
                                        "RUST_LIB_BACKTRACE", "RUST_MIN_STACK", "RAYON_NUM_THREADS",
                                        "RAYON_RS_NUM_CPUS", "WAST_STRICT_COMPONENT_INDICES"};
    static const char *const values[] = {"full", "trace", "trace", "1", "full", "70000000", "7", "7", "0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (with) setenv(names[i], values[i], 1);
      else unsetenv(names[i]);
    exercise(NULL, said, sizeof said);
    CHECK(write(ends[1], said, strlen(said)) == (ssize_t)strlen(said));
    _Exit(0);
  }
  close(ends[1]);
  while (len < room - 1 && (got = read(ends[0], into + len, room - 1 - len)) > 0) len += (size_t)got;
  into[len] = '\0';
  close(ends[0]);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void environment_ignored(void) {
  static char without[20000], with[20000];
  outcome(0, without, sizeof without);
  outcome(1, with, sizeof with);
  if (strcmp(without, with)) fprintf(stderr, "without:\n%s\nwith:\n%s\n", without, with);
  CHECK(strlen(without) > 200 && !strcmp(without, with));
}

/* ---- threads and files ------------------------------------------------------------------ */

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
  int alone = threads(), open = files();
  long from;
  clock_t worked;

  config.host_ticks = TORVYN_ON; /* no threads at all */
  engine = engine_with(&config);
  instance = ready(engine, "upper-case", "", NULL);
  emits(instance, "a", "A");
  CHECK(threads() == alone);
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);

  config.host_ticks = TORVYN_OFF; /* one for the clock */
  engine = engine_with(&config);
  instance = ready(engine, "upper-case", "", NULL);
  second = ready(engine, "misbehave", "", NULL);
  emits(instance, "a", "A");
  emits(second, "spin:1000", "spun");
  CHECK(threads() == alone + 1);
  sleep_ms(300); /* it falls asleep */
  from = switches(), worked = clock();
  sleep_ms(400);
  CHECK(switches() - from <= 2); /* and stays so */
  CHECK(clock() - worked < CLOCKS_PER_SEC / 20 * (clock_t)check_slow());
  emits(instance, "awake", "AWAKE");
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);
  torvyn_instance_free(second);
  for (int i = 0; i < 100 && threads() > alone; i++) sleep_ms(1); /* the kernel needs a moment, too */
  CHECK(threads() == alone && files() == open);

  config.parallel_compilation = TORVYN_DEFAULT; /* one for each processor */
  engine = engine_with(&config);
  second = ready(engine, "misbehave", "", NULL);
  emits(second, "spin:1000", "spun");
  CHECK(threads() <= alone + 1 + (int)sysconf(_SC_NPROCESSORS_ONLN));
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
  struct rlimit was, none;
  if (check_slow() > 1) return; /* a checker needs address space itself */
  CHECK(getrlimit(RLIMIT_AS, &was) == 0);
  none = was, none.rlim_cur = 1;
  free(malloc(64 << 10)); /* what is freed is had again for the error's text */
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "clock", torvyn_instance_new(linked, 1, NULL, &instance, &err));
  CHECK(setrlimit(RLIMIT_AS, &was) == 0 && instance == NULL);
  instance = instance_of(linked, 1, NULL);
  emits(instance, "a", "A");
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

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

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("signals: the host's handler came first", handler_first);
  in_child("signals: the host's handler came later", handler_later);
  in_child("signals: a small alternate stack", small_stack);
  in_child("signals: another thread", other_thread);
  in_child("signals: no others are used", actions_signals);
  in_child("signals: none where traps are explicit", actions_explicit);
  in_child("stacks: a small thread", stacks);
  in_child("nothing is written", silent);
  in_child("environment: not read", environment_unread);
  in_child("environment: makes no difference", environment_ignored);
  in_child("threads: few, and asleep", few_threads);
  in_child("threads: none to be had", no_clock);
  in_child("fork: the child works", forks);
  in_child("fork: the child waits in WASI", fork_in_wasi);
  return check_end();
}
