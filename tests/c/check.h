/* What the C tests share: assertions, files, elements, and the way from an
 * engine to an instance.
 *
 * Each program is a plain C99 program that knows the header alone. It takes the
 * directory of the guests as its one argument and exits with 0 where all of its
 * checks held. TORVYN_C_SLOW, a number, says how many times slower than usual it
 * runs (under valgrind, say): waits get longer by it and repetitions fewer.
 * TORVYN_C_EMULATED, where it is set, says that the processor is an emulator,
 * which /proc shows in the program's place. */
#ifndef CHECK_H
#define CHECK_H

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <torvyn.h>

#define MS UINT64_C(1000000) /* nanoseconds */
#define PAGE 65536           /* bytes of a page of linear memory */
#define MIB (1 << 20)        /* bytes */

static const char *check_guests;        /* directory of the guests */
static const char *check_doing = "";    /* what the main thread is at */

/* ---- assertions ---------------------------------------------------------- */

/* How a program ends whose check failed; a fuzzer wants to hear of it by a signal. */
#ifndef CHECK_FAILS
#define CHECK_FAILS _Exit(1)
#endif

__attribute__((noreturn)) static inline void check_failed(const char *file, int line, const char *what) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: %s: does not hold: %s\n", file, line, check_doing, what);
  fflush(stderr);
  CHECK_FAILS;
}

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

/* A pointer that must never be followed: `err` is only written. */
#define STALE ((void *)(uintptr_t)8)

/* Checks a status and what `err` took beside it; gives the error's message. */
static inline const char *check_status(const char *file, int line, const char *call, int got, int wanted,
                                       torvyn_error_t *err) {
  const char *message = err && err != STALE ? torvyn_error_message(err).data : "";
  if (got != wanted) {
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s: %s\n  gave %s (%d), not %s: %s\n", file, line, check_doing, call,
            torvyn_status_name(got), got, torvyn_status_name(wanted), message);
    CHECK_FAILS;
  }
  if (got >= 0 && err != NULL) check_failed(file, line, "no error comes with a status that is none");
  if (got < 0 && (err == NULL || err == STALE)) check_failed(file, line, "an error comes with its detail");
  if (got < 0 && (int)torvyn_error_status(err) != got) check_failed(file, line, "the error has the call's status");
  if (got < 0 && message[0] == '\0') check_failed(file, line, "the error says something");
  return message;
}

/* EXPECT(TORVYN_OK, torvyn_init(instance, config, &err)): the call mentions `err`. */
#define EXPECT(wanted, call)                                           \
  do {                                                                 \
    torvyn_error_t *err = STALE;                                       \
    int check_got = (int)(call);                                       \
    check_status(__FILE__, __LINE__, #call, check_got, (wanted), err); \
    torvyn_error_free(err);                                            \
  } while (0)

#define OK(call) EXPECT(TORVYN_OK, call)

/* The same, and the message holds `text`. */
#define EXPECT_TEXT(wanted, text, call)                                                             \
  do {                                                                                              \
    torvyn_error_t *err = STALE;                                                                    \
    int check_got = (int)(call);                                                                    \
    const char *check_said = check_status(__FILE__, __LINE__, #call, check_got, (wanted), err);     \
    if (!strstr(check_said, (text))) {                                                              \
      fprintf(stderr, "%s:%d: %s: the message lacks `%s`: %s\n", __FILE__, __LINE__, check_doing,   \
              (text), check_said);                                                                  \
      CHECK_FAILS;                                                                                  \
    }                                                                                               \
    torvyn_error_free(err);                                                                         \
  } while (0)

/* ---- time and program ---------------------------------------------------- */

static inline unsigned check_slow(void) {
  const char *said = getenv("TORVYN_C_SLOW");
  unsigned n = said ? (unsigned)strtoul(said, NULL, 10) : 1;
  return n ? n : 1;
}

static inline int check_emulated(void) { return getenv("TORVYN_C_EMULATED") != NULL; }

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* What the process has used of its processors: where others want them, it is this that says how long
 * something took. */
static inline uint64_t used_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static inline void sleep_ms(unsigned ms) {
  struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

/* Says what comes next; the time of each part stands in the output. */
static inline void part(const char *name) {
  static uint64_t began;
  static const char *before = "";
  uint64_t now = now_ns();
  if (*before) printf("%8.1f ms  %s\n", (double)(now - began) / (double)MS, before);
  fflush(stdout);
  check_doing = before = name;
  began = now;
}

/* First in main. A program that hangs is stopped by SIGALRM. */
static inline void check_begin(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s DIRECTORY-OF-GUESTS\n", argv[0]);
    exit(2);
  }
  check_guests = argv[1];
  alarm(200 * check_slow());
}

/* Last in main. */
static inline int check_end(void) {
  part("");
  printf("all checks hold\n");
  return 0;
}

/* ---- files --------------------------------------------------------------- */

/* Path of a guest; valid until the fourth call after this one. */
static inline const char *guest_path(const char *name) {
  static char paths[4][4096];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", check_guests, name);
  return path;
}

/* The bytes of a guest's file; freed by the caller. */
static inline uint8_t *load(const char *name, size_t *len) {
  FILE *file = fopen(guest_path(name), "rb");
  uint8_t *bytes;
  long size = -1;
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0);
  bytes = malloc((size_t)size + 1);
  CHECK(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  *len = (size_t)size;
  return bytes;
}

/* ---- values -------------------------------------------------------------- */

static inline torvyn_str_t str(const char *text) {
  torvyn_str_t s = {text, strlen(text)};
  return s;
}

/* An element with this text as its payload. */
static inline torvyn_element_t element(const char *text) {
  torvyn_element_t e = {.payload = {(const uint8_t *)text, strlen(text)}};
  return e;
}

static inline int str_is(torvyn_str_t s, const char *text) {
  return s.data != NULL && s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static inline int bytes_are(torvyn_bytes_t b, const char *text) {
  return b.len == strlen(text) && (b.len == 0 || memcmp(b.data, text, b.len) == 0);
}

/* Whether no field of an output is set. */
static inline int is_clear(const torvyn_output_t *o) {
  return o->sequence == 0 && o->timestamp_ns == 0 && o->content_type.data == NULL && o->content_type.len == 0 &&
         o->bytes.data == NULL && o->bytes.len == 0 && o->payload == NULL;
}

/* An output with rubbish in it, which a call must overwrite and not release. */
static inline torvyn_output_t stale_output(void) {
  torvyn_output_t o = {7, 7, {STALE, 7}, {STALE, 7}, STALE};
  return o;
}

/* ---- from an engine to an instance --------------------------------------- */

/* For `memory_reservation`: less than the default on an emulator, which may take a fifth of a second for each
 * memory of 4 GiB, and 64 MiB of its own that it does not give back. */
static inline uint64_t check_reservation(void) { return check_emulated() ? 64 << 20 : 0; }

static inline torvyn_engine_t *engine_with(const torvyn_engine_config_t *config) {
  torvyn_engine_config_t quick = {.struct_size = sizeof quick};
  torvyn_engine_t *engine = STALE;
  if (config) quick = *config;
  /* Where all is slow, compilation is most of it. */
  if (check_slow() >= 10 && quick.optimize == TORVYN_OPTIMIZE_DEFAULT) quick.optimize = TORVYN_OPTIMIZE_NONE;
  /* The default is meant for machines that run nothing else. */
  if (check_slow() >= 10 && !quick.timeout_ns) quick.timeout_ns = 100000 * MS;
  /* valgrind has addresses for some 30 memories of 4 GiB. */
  if (check_slow() >= 20 && quick.pool_instances && !quick.memory_reservation) quick.memory_reservation = 64 << 20;
#ifndef CHECK_RESERVES
  if (!quick.memory_reservation) quick.memory_reservation = check_reservation();
#endif
  OK(torvyn_engine_new(check_slow() >= 10 ? &quick : config, &engine, &err));
  CHECK(engine != NULL && engine != STALE);
  return engine;
}

static inline torvyn_engine_t *engine_on(torvyn_path_t path) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path};
  return engine_with(&config);
}

/* `guest` has no ".wasm". */
static inline torvyn_component_t *component_of(const torvyn_engine_t *engine, const char *guest) {
  torvyn_component_t *component = STALE;
  char path[4096]; /* of its own, for tests with threads */
  snprintf(path, sizeof path, "%s/%s.wasm", check_guests, guest);
  OK(torvyn_component_compile_file(engine, path, &component, &err));
  CHECK(component != NULL && component != STALE);
  return component;
}

/* One in text. */
static inline torvyn_component_t *component_from(const torvyn_engine_t *engine, const char *text) {
  torvyn_component_t *component = STALE;
  OK(torvyn_component_compile(engine, (const uint8_t *)text, strlen(text), &component, &err));
  CHECK(component != NULL && component != STALE);
  return component;
}

/* Another one, from a component's artifact. */
static inline torvyn_component_t *reloaded(const torvyn_engine_t *engine, const torvyn_component_t *component) {
  torvyn_component_t *again = STALE;
  torvyn_blob_t *blob = STALE;
  torvyn_bytes_t bytes;
  OK(torvyn_component_serialize(component, &blob, &err));
  bytes = torvyn_blob_bytes(blob);
  OK(torvyn_component_deserialize_unchecked(engine, bytes.data, bytes.len, &again, &err));
  CHECK(again != NULL && again != STALE);
  torvyn_blob_free(blob);
  return again;
}

/* Links a component, which is freed; `imports` are not. */
static inline torvyn_linked_t *linked_once(torvyn_component_t *component, const torvyn_imports_t *imports) {
  torvyn_linked_t *linked = STALE;
  OK(torvyn_linked_new(component, imports, &linked, &err));
  CHECK(linked != NULL && linked != STALE);
  torvyn_component_free(component);
  return linked;
}

static inline torvyn_linked_t *linked_of(const torvyn_engine_t *engine, const char *guest) {
  return linked_once(component_of(engine, guest), NULL);
}

static inline torvyn_instance_t *instance_of(const torvyn_linked_t *linked, uint64_t id,
                                             const torvyn_instance_options_t *options) {
  torvyn_instance_t *instance = STALE;
  /* Where the machine is busy, its deadline may be too short to make it. */
  for (int i = 0; i < 50; i++)
    if (torvyn_instance_new(linked, id, options, &instance, NULL) != TORVYN_ERROR_DEADLINE) break;
  if (!instance) OK(torvyn_instance_new(linked, id, options, &instance, &err));
  CHECK(instance != NULL && instance != STALE);
  return instance;
}

/* An instance of a guest that is READY; nothing but it has to be freed. */
static inline torvyn_instance_t *ready(const torvyn_engine_t *engine, const char *guest, const char *config,
                                       const torvyn_instance_options_t *options) {
  torvyn_linked_t *linked = linked_of(engine, guest);
  torvyn_instance_t *instance = instance_of(linked, 1, options);
  torvyn_linked_free(linked);
  OK(torvyn_init(instance, str(config), &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  return instance;
}

/* Runs a processor on a text that it must emit `wanted` for. */
static inline void emits(torvyn_instance_t *instance, const char *payload, const char *wanted) {
  torvyn_element_t e = element(payload);
  torvyn_output_t out = stale_output();
  OK(torvyn_process(instance, &e, &out, &err));
  if (!bytes_are(out.bytes, wanted)) {
    fprintf(stderr, "%s: %.80s: gave `%.*s`, not `%.80s`\n", check_doing, payload, (int)out.bytes.len,
            (const char *)out.bytes.data, wanted);
    CHECK_FAILS;
  }
  torvyn_output_release(&out);
  CHECK(is_clear(&out));
}

/* Runs a processor on a text that it must not emit anything for. */
static inline void gives(torvyn_instance_t *instance, const char *payload, int status) {
  torvyn_element_t e = element(payload);
  torvyn_output_t out = stale_output();
  EXPECT(status, torvyn_process(instance, &e, &out, &err));
  CHECK(is_clear(&out));
}

static inline torvyn_memory_usage_t memory_of(torvyn_instance_t *instance) {
  torvyn_memory_usage_t usage = {.struct_size = sizeof usage};
  OK(torvyn_instance_memory_usage(instance, &usage, &err));
  CHECK(usage.total == usage.linear + usage.buffers);
  return usage;
}

static inline torvyn_stats_t stats_of(const torvyn_instance_t *instance) {
  torvyn_stats_t stats = {.struct_size = sizeof stats};
  OK(torvyn_instance_stats(instance, &stats, &err));
  return stats;
}

/* ---- children and threads ------------------------------------------------- */

/* Runs a part in a child of its own. */
static inline void in_child(const char *name, void (*run)(void)) {
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

/* Leaves the process so much to map beyond what it has; gives the limit that there was. */
static inline struct rlimit leave(rlim_t more) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  struct rlimit before, less;
  CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
  fclose(file);
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  less = before;
  less.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
  CHECK(setrlimit(RLIMIT_AS, &less) == 0);
  return before;
}

static inline int thread_count(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  int n = 0;
  CHECK(tasks != NULL);
  while ((entry = readdir(tasks)) != NULL) n += entry->d_name[0] != '.';
  closedir(tasks);
  return n;
}

#endif /* CHECK_H */
