/* How far work that is done for a component runs past what was to end it.
 *
 * A kind of work is a call that would take far longer than its deadline. It is stopped by that, by
 * a cancel of another thread, and, where it uses any, by fuel; what comes after the stop is held to
 * two ticks and the time of one copy of 16 MiB, the longest piece of work that nothing interrupts. */
#ifndef TORVYN_TEST_OVERRUNS_H
#define TORVYN_TEST_OVERRUNS_H

#include "check.h"

#include <pthread.h>
#include <sys/mman.h>

#define TICK MS
#define BEFORE (10 * MS) /* what a call has before it is to be stopped */
#define TRIES 24         /* the machine may be busy: the best of so many counts */
#define BUSY 40          /* and one that is takes no more than so many times as long */

static torvyn_path_t path; /* under test */
static int late_kinds;     /* how many ran longer than they may */

/* ---- what may come after a stop ---------------------------------------------- */

/* The time of one copy of 16 MiB, in memory that nothing has touched: that of a component is new too. */
static inline uint64_t one_copy(void) {
  uint64_t took[5];
  for (int i = 0; i < 5; i++) {
    char *bytes = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t now = now_ns();
    int k = i;
    CHECK(bytes != MAP_FAILED);
    memcpy(bytes + 16 * MIB, bytes, 16 * MIB);
    __asm__ volatile("" ::"r"(bytes) : "memory"); /* it is done */
    now = now_ns() - now;
    CHECK(munmap(bytes, 32 * MIB) == 0);
    for (; k > 0 && took[k - 1] > now; k--) took[k] = took[k - 1];
    took[k] = now;
  }
  return took[2];
}

/* The longest that a call may run on, on the machine as it is now: others may slow its memory down. */
static inline uint64_t allowed(void) {
  static uint64_t most, last, measured;
  if (!most || now_ns() - measured > 500 * MS) {
    uint64_t copy = one_copy(), before = last;
    last = (2 * TICK + copy + 2 * MS /* for the system to run the threads */) * check_slow();
    most = last > before ? last : before;
    measured = now_ns();
    if (!before)
      printf("    a copy of 16 MiB takes %.1f ms: at most %.1f ms may come after a stop\n", (double)copy / 1e6,
             (double)most / 1e6);
  }
  return most;
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

/* When a call is to end, by the clock and by what was used then. */
typedef struct {
  torvyn_cancel_t *cancel; /* by this, or by its deadline where it is NULL */
  uint64_t when, used;
  pthread_t thread;
} stop_t;

static void *stop_then(void *at) {
  stop_t *stop = at;
  for (uint64_t now = now_ns(); now < stop->when; now = now_ns()) {
    struct timespec t = {0, (long)(stop->when - now)};
    nanosleep(&t, NULL);
  }
  stop->used = used_ns();
  if (stop->cancel) stop->when = now_ns(), torvyn_cancel(stop->cancel);
  return NULL;
}

/* Before a call that is to end after BEFORE. */
static inline void stop_begin(stop_t *stop) {
  stop->when = now_ns() + BEFORE;
  CHECK(pthread_create(&stop->thread, NULL, stop_then, stop) == 0);
}

/* After it: how long it went on; by what it used, where that is less and the clock says that the machine was
 * busy, and no more. */
static inline uint64_t stop_end(const stop_t *stop) {
  uint64_t ended = now_ns(), used = used_ns(), took;
  CHECK(pthread_join(stop->thread, NULL) == 0);
  took = ended > stop->when ? ended - stop->when : 0;
  used = used > stop->used ? used - stop->used : 0;
  return took > allowed() && took < BUSY * allowed() && used < took ? used : took;
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
  stop_t stop = {.cancel = NULL};
  uint64_t took;
  options.struct_size = sizeof options;
  options.timeout_ns = cancels ? 20000 * MS : BEFORE;
  instance = made(work, &options);
  if (cancels) stop.cancel = torvyn_instance_cancel_handle(instance);
  stop_begin(&stop);
  *status = work->call(instance, work->user);
  took = stop_end(&stop);
  torvyn_cancel_free(stop.cancel);
  torvyn_instance_free(instance);
  return took;
}

/* Some tries, until one is in time: each is held to the machine as it was just then. */
typedef struct {
  int count, in_time;
  uint64_t best;
} tries_t;

static inline int again(const tries_t *tries) { return tries->count < TRIES && !tries->in_time; }

static inline void tried(tries_t *tries, uint64_t took) {
  if (tries->count++ == 0 || took < tries->best) tries->best = took;
  tries->in_time = took <= allowed();
}

/* Holds a kind of work to its status, and to have been in time. */
static inline void judge(const char *name, const char *stop, uint64_t took, int in_time, int status, int wanted) {
  int holds = in_time && status == wanted;
  printf("    %-8s %-9s %8.1f ms  %s%s%s\n", path == TORVYN_PATH_DIRECT ? "direct" : "general", stop,
         (double)took / 1e6, name, holds ? "" : status == wanted ? "  TOO LATE: " : "  NOT STOPPED: ", holds ? "" : torvyn_status_name(status));
  late_kinds += !holds;
}

/* What the program's own part of the call takes, which reads what it gives: a call that is cancelled
 * before it begins does nothing else. */
static inline uint64_t own_part(const work_t *work) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 3; i++) {
    torvyn_instance_options_t options = work->options;
    options.struct_size = sizeof options;
    torvyn_instance_t *instance = made(work, &options);
    torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(instance);
    uint64_t took = used_ns();
    torvyn_cancel(cancel);
    CHECK(work->call(instance, work->user) == TORVYN_ERROR_CANCELLED);
    took = used_ns() - took;
    best = took < best ? took : best;
    torvyn_cancel_free(cancel);
    torvyn_instance_free(instance);
  }
  return best;
}

/* A deadline and a cancel end the work in time. */
static inline void is_stopped(const work_t *work) {
  check_doing = work->name;
  for (int cancels = 0; cancels < 2; cancels++) {
    tries_t tries = {0, 0, 0};
    int status = TORVYN_OK, wanted = cancels ? TORVYN_ERROR_CANCELLED : TORVYN_ERROR_DEADLINE;
    while (again(&tries)) {
      uint64_t own = own_part(work), took = overrun(work, cancels, &status);
      took = took > own + own / 4 ? took - own - own / 4 : 0; /* it may take a bit longer once */
      if (status != wanted && !(work->may_end && status == TORVYN_OK)) { /* it ended by itself, or by something else */
        tries.best = took;
        break;
      }
      tried(&tries, took);
      if (took > 2000 * MS) break; /* no machine is as busy */
    }
    if (work->may_end && status == TORVYN_OK) wanted = status;
    judge(work->name, cancels ? "cancel" : "deadline", tries.best, tries.in_time, status, wanted);
  }
}

/* So much fuel ends the work. That is no limit of time: this looks at the status alone. */
static inline void is_fuelled(const work_t *work, uint64_t fuel) {
  torvyn_instance_options_t options = work->options;
  torvyn_instance_t *instance;
  uint64_t took;
  int status;
  check_doing = work->name;
  options.struct_size = sizeof options;
  options.fuel = fuel;
  options.timeout_ns = 20000 * MS;
  instance = made(work, &options);
  took = used_ns();
  status = work->call(instance, work->user);
  took = used_ns() - took;
  torvyn_instance_free(instance);
  judge(work->name, "fuel", took, 1, status, TORVYN_ERROR_FUEL);
}

#endif /* TORVYN_TEST_OVERRUNS_H */
