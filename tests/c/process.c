/* Manners in a process that belongs to someone else: signals, stacks, stdout and
 * stderr, the environment. Each part runs in a child of its own, so that it sees
 * the library for the first time. */
#define _GNU_SOURCE /* alternate stacks, anonymous mappings */
#define CHECK_RESERVES /* so that a read beyond a memory faults */
#include "check.h"
#include "wat.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A component whose init loads from outside of its memory (m), divides by zero (d),
 * or does what is unreachable (u), by the configuration's first letter. */
static const char FAULTS[] =
    "(component\n"
    TYPES
    "  (core module $m (memory (export \"memory\") 1)\n"
    REALLOC TEARDOWN
    "    (func (export \"init\") (param i32 i32) (result i32) (local $c i32)\n"
    "      (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))\n"
    "      (local.set $c (i32.load8_u (local.get 0)))\n"
    "      (if (i32.eq (local.get $c) (i32.const 109)) (then (drop (i32.load (i32.const -16)))))\n"
    "      (if (i32.eq (local.get $c) (i32.const 100))\n"
    "        (then (drop (i32.div_u (i32.const 1) (i32.load (i32.const 512))))))\n"
    "      unreachable))\n"
    "  (core instance $i (instantiate $m))\n"
    LIFE ")\n";

/* ---- the environment is listened to -------------------------------------------- */

/* The program's `getenv` comes before the C library's: what the library asks, it
 * asks here. */
extern char **environ;
static char asked[4096];
static int listening;

/* Each name once, without the tests' own; one thread at a time asks. */
char *getenv(const char *name) {
  size_t len = strlen(name);
  if (listening && strcmp(name, "TORVYN_C_SLOW") && !strstr(asked, name) && strlen(asked) + len + 2 < sizeof asked) {
    strcat(asked, name);
    strcat(asked, " ");
  }
  for (char **at = environ; at && *at; at++)
    if (!strncmp(*at, name, len) && (*at)[len] == '=') return *at + len + 1;
  return NULL;
}

/* ---- helpers --------------------------------------------------------------------- */

static torvyn_linked_t *faulty(const torvyn_engine_t *engine) {
  torvyn_component_t *component;
  torvyn_linked_t *linked = NULL;
  component = component_from(engine, FAULTS);
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

/* A guest that waits: with the clock, and with a file. */
static void wait_in_wasi(const torvyn_engine_t *engine) {
  torvyn_component_t *component = component_of(engine, "wasi-stdio");
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;
  torvyn_element_t e = element("read:/guests/empty.wat");
  torvyn_output_t out;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, check_guests, str("/guests"), TORVYN_ACCESS_READ, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL);
  int threads = thread_count();
  instance = instance_of(linked, 1, NULL);
  CHECK(thread_count() <= threads + 2); /* `wasi_threads`, and one that is ending; for a file come others */
  emits(instance, "sleep:1", "slept");
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len > 0);
  torvyn_output_release(&out);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
}

/* A bit of everything: good calls, traps, errors, waits. What was said goes to `said`. */
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
  snprintf(said + at, room - at, "%s\n%d threads\n", torvyn_error_message(err).data, thread_count());
  torvyn_error_free(err);
  if (!config || config->path != TORVYN_PATH_DIRECT) wait_in_wasi(engine);
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
  uint64_t set, allowed = explicit_traps ? 0 : BIT(SIGSEGV) | BIT(SIGILL);
#ifdef __x86_64__ /* elsewhere no division faults */
  if (allowed) allowed |= BIT(SIGFPE);
#endif
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

static torvyn_linked_t *shallow;

/* A thread whose stack is too small is told so, by each call that would run the
 * component; nothing runs, and elsewhere the instance is as good as before. */
static void *shallow_thread(void *instance) {
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  torvyn_instance_t *new = STALE;
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "guest_stack", torvyn_process(instance, &e, &out, &err));
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "guest_stack", torvyn_instance_new(shallow, 1, NULL, &new, &err));
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "guest_stack", torvyn_instance_reset(instance, &err));
  CHECK(new == NULL && torvyn_instance_state(instance) == TORVYN_STATE_READY);
  return NULL;
}

static void shallow_stacks(void) {
  for (int i = 0; i < 2; i++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config, .guest_stack = 4 << 20};
    config.path = i ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT;
    torvyn_engine_t *engine = engine_with(&config);
    pthread_attr_t attributes;
    pthread_t thread;
    torvyn_instance_t *instance;
    torvyn_stats_t before;
    shallow = linked_of(engine, "misbehave");
    instance = instance_of(shallow, 1, NULL);
    OK(torvyn_init(instance, str(""), &err));
    emits(instance, "echo:x", "x");
    before = stats_of(instance);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 1 << 20) == 0);
    CHECK(pthread_create(&thread, &attributes, shallow_thread, instance) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    CHECK(stats_of(instance).calls == before.calls && stats_of(instance).refused == before.refused + 1);
    CHECK(stats_of(instance).resets == before.resets);
    emits(instance, "echo:x", "x");
    torvyn_instance_free(instance);
    torvyn_linked_free(shallow);
    torvyn_engine_free(engine);
  }
}

static void *roomy_thread(void *instance) {
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "echo:x", "x");
  return NULL;
}

static void on_stack(void *at, size_t size, void *(*run)(void *), void *instance) {
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK(pthread_attr_init(&attributes) == 0);
  CHECK(pthread_attr_setstack(&attributes, at, size) == 0);
  CHECK(pthread_create(&thread, &attributes, run, instance) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  pthread_attr_destroy(&attributes);
}

/* A small stack in the place of a larger one is no larger for it. */
static void replaced_stack(void) {
  enum { LARGE = 8 << 20, SMALL = 1 << 20 };
  torvyn_engine_config_t config = {.struct_size = sizeof config, .guest_stack = 4 << 20};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_instance_t *instance;
  char *at = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(at != MAP_FAILED);
  shallow = linked_of(engine, "misbehave");
  instance = instance_of(shallow, 1, NULL);
  on_stack(at, LARGE, roomy_thread, instance);
  on_stack(at + LARGE - SMALL, SMALL, shallow_thread, instance);
  on_stack(at, LARGE, roomy_thread, instance);
  CHECK(munmap(at, LARGE) == 0);
  torvyn_instance_free(instance);
  torvyn_linked_free(shallow);
  torvyn_engine_free(engine);
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

/* Refused unless WAST_STRICT_COMPONENT_INDICES is 0. */
static const uint8_t old_syntax[] =
    "(component (core module $m (memory (export \"m\") 1) (func (export \"f\") (param i32 i32)))"
    " (core instance $i (instantiate $m)) (func (param \"s\" string) (canon lift (core func $i \"f\") (memory $i \"m\"))))";

/* The names that the header has, when it says. */
static void environment_unread(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = TORVYN_PATH_GENERAL};
  char said[16384] = "";
  torvyn_engine_t *engine;
  torvyn_instance_t *instance;
  torvyn_component_t *text;
  listening = 1;
  engine = engine_with(&config);
  CHECK(!strcmp(asked, "WASMTIME_BACKTRACE_DETAILS "));
  asked[0] = '\0';
  instance = ready(engine, "misbehave", "", NULL);
  gives(instance, "trap", TORVYN_ERROR_TRAP);
  OK(torvyn_instance_reset(instance, &err));
  torvyn_instance_free(instance);
  CHECK(asked[0] == '\0');
  EXPECT(TORVYN_ERROR_MALFORMED, torvyn_component_compile(engine, old_syntax, sizeof old_syntax - 1, &text, &err));
  CHECK(!strcmp(asked, "WAST_STRICT_COMPONENT_INDICES "));
  asked[0] = '\0';
  wait_in_wasi(engine);
  CHECK(!strcmp(asked, "TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE "));
  torvyn_engine_free(engine);
  asked[0] = '\0';
  for (int i = 0; i < 3; i++) {
    config.path = (torvyn_path_t)i;
    exercise(&config, said, sizeof said);
  }
  if (*asked) fprintf(stderr, "asked for: %s\n", asked);
  CHECK(!strcmp(asked, "WASMTIME_BACKTRACE_DETAILS TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE "));
  listening = 0;
}

/* What 200 traps cost a child of its own, with native stack traces asked for or not. */
static uint64_t traps_cost(int with) {
  int ends[2], status;
  uint64_t used = 0;
  pid_t child;
  CHECK(pipe(ends) == 0);
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    torvyn_engine_t *engine;
    torvyn_linked_t *linked;
    if (with) CHECK(!setenv("RUST_BACKTRACE", "full", 1) && !setenv("RUST_LIB_BACKTRACE", "1", 1));
    engine = engine_with(NULL);
    linked = faulty(engine);
    all_traps(linked);
    used = used_ns();
    for (int i = 0; i < 200; i++) traps(linked, "u", TORVYN_TRAP_UNREACHABLE);
    used = used_ns() - used;
    _Exit(write(ends[1], &used, sizeof used) != (ssize_t)sizeof used);
  }
  CHECK(read(ends[0], &used, sizeof used) == (ssize_t)sizeof used);
  close(ends[0]), close(ends[1]);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return used;
}

static void environment_costs(void) {
  uint64_t least[2] = {UINT64_MAX, UINT64_MAX};
  unsetenv("RUST_BACKTRACE"), unsetenv("RUST_LIB_BACKTRACE");
  for (int i = 0; i < 8; i++) {
    uint64_t used = traps_cost(i % 2);
    if (used < least[i % 2]) least[i % 2] = used;
  }
  printf("a trap: %.1f us, %.1f us with stack traces asked for\n", (double)least[0] / 200e3, (double)least[1] / 200e3);
  CHECK(least[1] < least[0] * 3 / 2);
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
                                        "RAYON_RS_NUM_CPUS", "WAST_STRICT_COMPONENT_INDICES",
                                        "TOKIO_WORKER_THREADS", "TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE"};
    /* A stack of a million gigabytes is none that there is. */
    static const char *const values[] = {"full", "trace", "trace", "1", "full", "1000000000000000", "7", "7", "0",
                                         "7", "1"};
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

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("signals: the host's handler came first", handler_first);
  in_child("signals: the host's handler came later", handler_later);
  in_child("signals: a small alternate stack", small_stack);
  in_child("signals: another thread", other_thread);
  in_child("signals: no others are used", actions_signals);
  in_child("signals: none where traps are explicit", actions_explicit);
  in_child("stacks: a small thread", stacks);
  in_child("stacks: one that is too small", shallow_stacks);
  in_child("stacks: one in the place of a larger one", replaced_stack);
  in_child("nothing is written", silent);
  in_child("environment: not read", environment_unread);
  in_child("environment: makes no difference", environment_ignored);
  if (check_emulated()) printf("skipped: what a trap costs\n");
  else in_child("environment: a trap costs the same", environment_costs);
  return check_end();
}
