/* How far work that is done for a component runs past what was to end it.
 *
 * A kind of work is a call that would take far longer than its deadline. It is stopped by that, by
 * a cancel of another thread, and, where it uses any, by fuel; what comes after the stop is held to
 * two ticks and the time of one copy of 16 MiB, the longest piece of work that nothing interrupts. */
#ifndef TORVYN_TEST_OVERRUNS_H
#define TORVYN_TEST_OVERRUNS_H

#include "check.h"

#include <pthread.h>

#define MIB (1 << 20)
#define TICK MS
#define BEFORE (10 * MS) /* what a call has before it is to be stopped */
#define TRIES 12         /* the machine may be busy: the best of so many counts */

static torvyn_path_t path; /* under test */
static int late_kinds;     /* how many ran longer than they may */

/* ---- what may come after a stop ---------------------------------------------- */

/* The time of one copy of 16 MiB. */
static inline uint64_t one_copy(void) {
  char *bytes = malloc(32 * MIB);
  uint64_t took[9];
  CHECK(bytes != NULL);
  memset(bytes, 1, 32 * MIB);
  for (int i = 0; i < 9; i++) {
    uint64_t now = now_ns();
    int k = i;
    memcpy(bytes + (i % 2 ? 0 : 16 * MIB), bytes + (i % 2 ? 16 * MIB : 0), 16 * MIB);
    __asm__ volatile("" ::"r"(bytes) : "memory"); /* it is done */
    now = now_ns() - now;
    for (; k > 0 && took[k - 1] > now; k--) took[k] = took[k - 1];
    took[k] = now;
  }
  free(bytes);
  return took[4];
}

/* How many want to run for each processor: so many times as long may each take. */
static inline double crowd(void) {
  FILE *file = fopen("/proc/loadavg", "r");
  double load = 0;
  if (file) {
    CHECK(fscanf(file, "%lf", &load) == 1);
    fclose(file);
  }
  load /= (double)sysconf(_SC_NPROCESSORS_ONLN);
  return load > 1 ? load : 1;
}

/* The longest that a call may run on. */
static inline uint64_t allowed(void) {
  static uint64_t most;
  if (!most) {
    uint64_t copy = one_copy();
    most = (2 * TICK + copy + 2 * MS /* for the system to run the threads */) * check_slow();
    printf("    a copy of 16 MiB takes %.1f ms: at most %.1f ms may come after a stop\n", (double)copy / 1e6,
           (double)most / 1e6);
  }
  return (uint64_t)((double)most * crowd());
}

/* ---- a kind of work ------------------------------------------------------------ */

typedef struct {
  const char *name;
  torvyn_linked_t *linked;
  torvyn_instance_options_t options;
  int (*call)(torvyn_instance_t *instance, void *user);
  void *user;
  int may_end; /* it may be over before */
} work_t;

typedef struct {
  torvyn_cancel_t *cancel;
  uint64_t when; /* to cancel, and when that was done */
} canceller_t;

static void *cancel_then(void *at) {
  canceller_t *canceller = at;
  for (uint64_t now = now_ns(); now < canceller->when; now = now_ns()) {
    uint64_t left = canceller->when - now;
    struct timespec t = {0, (long)left};
    nanosleep(&t, NULL);
  }
  canceller->when = now_ns();
  torvyn_cancel(canceller->cancel);
  return NULL;
}

/* An instance that is READY; where the machine is busy, its deadline may be too short to make it. */
static inline torvyn_instance_t *made(const work_t *work, const torvyn_instance_options_t *options) {
  torvyn_instance_t *instance = NULL;
  int status = TORVYN_ERROR_DEADLINE;
  for (int i = 0; i < 50 && status == TORVYN_ERROR_DEADLINE; i++) {
    status = torvyn_instance_new(work->linked, 1, options, &instance, NULL);
    if (status == TORVYN_OK && (status = torvyn_init(instance, str(""), NULL)) != TORVYN_OK)
      torvyn_instance_free(instance);
  }
  CHECK(status == TORVYN_OK);
  return instance;
}

/* Runs the call until it is stopped, once; gives by how much it ran on. */
static inline uint64_t overrun(const work_t *work, int cancels, int *status) {
  torvyn_instance_options_t options = work->options;
  torvyn_instance_t *instance;
  canceller_t canceller = {NULL, 0};
  pthread_t thread;
  uint64_t stop, ended;
  options.struct_size = sizeof options;
  options.timeout_ns = cancels ? 20000 * MS : BEFORE;
  if (cancels) {
    options.timeout_ns = 20000 * MS;
    instance = made(work, &options);
    canceller.cancel = torvyn_instance_cancel_handle(instance);
    canceller.when = now_ns() + BEFORE;
    CHECK(pthread_create(&thread, NULL, cancel_then, &canceller) == 0);
    *status = work->call(instance, work->user);
    ended = now_ns();
    CHECK(pthread_join(thread, NULL) == 0);
    stop = canceller.when;
    torvyn_cancel_free(canceller.cancel);
  } else {
    instance = made(work, &options);
    stop = now_ns() + BEFORE;
    *status = work->call(instance, work->user);
    ended = now_ns();
  }
  torvyn_instance_free(instance);
  return ended > stop ? ended - stop : 0;
}

static inline void judge(const char *name, const char *stop, uint64_t took, int status, int wanted) {
  int holds = took <= allowed() && status == wanted;
  printf("    %-8s %-9s %8.1f ms  %s%s%s\n", path == TORVYN_PATH_DIRECT ? "direct" : "general", stop,
         (double)took / 1e6, name, holds ? "" : "  TOO LATE: ", holds ? "" : torvyn_status_name(status));
  late_kinds += !holds;
}

/* A deadline and a cancel end the work in time. */
static inline void is_stopped(const work_t *work) {
  check_doing = work->name;
  for (int cancels = 0; cancels < 2; cancels++) {
    uint64_t best = UINT64_MAX;
    int status = TORVYN_OK, wanted = cancels ? TORVYN_ERROR_CANCELLED : TORVYN_ERROR_DEADLINE;
    for (int i = 0; i < TRIES && (i == 0 || best > allowed()); i++) {
      uint64_t took = overrun(work, cancels, &status);
      if (work->may_end && status == TORVYN_OK) wanted = status;
      if (status != wanted) { /* it ended by itself, or by something else */
        best = took;
        break;
      }
      best = took < best ? took : best;
      if (took > 50 * allowed()) break; /* no machine is as busy */
    }
    judge(work->name, cancels ? "cancel" : "deadline", best, status, wanted);
  }
}

/* So much fuel ends the work, which takes no longer than `most` with that. */
static inline void is_fuelled(const work_t *work, uint64_t fuel, uint64_t most) {
  uint64_t best = UINT64_MAX;
  int status = TORVYN_OK;
  check_doing = work->name;
  for (int i = 0; i < 3 && (i == 0 || best > most); i++) {
    torvyn_instance_options_t options = work->options;
    torvyn_instance_t *instance;
    uint64_t began;
    options.struct_size = sizeof options;
    options.fuel = fuel;
    options.timeout_ns = most + 500 * MS;
    instance = made(work, &options);
    began = now_ns();
    status = work->call(instance, work->user);
    began = now_ns() - began;
    best = began < best ? began : best;
    torvyn_instance_free(instance);
    if (status != TORVYN_ERROR_FUEL) break;
  }
  judge(work->name, "fuel", best > most ? best : 0, status, TORVYN_ERROR_FUEL);
}

#endif /* TORVYN_TEST_OVERRUNS_H */
