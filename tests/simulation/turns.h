/* One seed, one run: random numbers, what happened, and the threads' turns. Of the threads one alone
 * runs at a time. It hands its turn on between steps and within callbacks, to whom the seed says, so
 * that calls of different threads are under way at once, and in the same order each time. */
#ifndef TORVYN_SIMULATION_TURNS_H
#define TORVYN_SIMULATION_TURNS_H

__attribute__((noreturn)) static void simulation_failed(void);
#define CHECK_FAILS simulation_failed()

#include "../c/check.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>

#define THREADS 4
#define NOTES 8192 /* the latest that are kept */
#define SHOWN 48   /* of them, where something is wrong */

/* What an episode did, by kind; the names are printed. */
#define TALLIES(X)                                                                                                  \
  X(steps) X(nested) X(turns) X(calls) X(outputs) X(busy) X(misuse) X(verdicts) X(traps) X(fuel) X(deadlines)       \
  X(cancelled) X(memory) X(cancels) X(resets) X(instances) X(freed) X(freed_in_call) X(engines) X(components)       \
  X(compiled) X(loaded) X(linked) X(ticks) X(jumps) X(forks) X(refused_memory) X(refused_room)        \
  X(refused_files) X(refused_threads) X(refused_mappings)
#define TALLY_NAME(name) #name,
#define TALLY_FIELD(name) uint64_t name;

typedef struct {
  TALLIES(TALLY_FIELD)
} tallies_t;

static const char *const tally_names[] = {TALLIES(TALLY_NAME)};
#define TALLY_COUNT (sizeof tally_names / sizeof *tally_names)

/* Shared with the process that watches over the episode. */
typedef struct {
  uint64_t seed, digest;
  tallies_t tallies;
  int failed;
  unsigned noted;
  char said[1000]; /* the latest error's message; not of the digest, since it may have addresses */
  char notes[NOTES][160];
} record_t;

static record_t *record;
static int telling;  /* every note is printed */
static int in_a_fork; /* this is a child of an episode's */

#define COUNT(name) record->tallies.name++

/* ---- random numbers ----------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_next(void) {
  uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* From 0 to `n` - 1. */
static unsigned pick(unsigned n) { return (unsigned)(random_next() % n); }

/* Once in `n` times. */
static int once_in(unsigned n) { return pick(n) == 0; }

/* ---- what happened -------------------------------------------------------------------------- */

static __thread int me;    /* the thread's number */
static __thread int depth; /* calls of the library's that it is within */

/* Says what comes next, or what came of it: all of it goes into the digest. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
  char *at = record->notes[record->noted++ % NOTES];
  va_list args;
  int len = snprintf(at, sizeof record->notes[0], "%6" PRIu64 "%s %d%.*s ", record->tallies.steps,
                     in_a_fork ? " child" : "", me, depth, ">>>>>>>>");
  va_start(args, format);
  vsnprintf(at + len, sizeof record->notes[0] - (size_t)len, format, args);
  va_end(args);
  if (telling) fprintf(stderr, "%s\n", at);
  for (; *at; at++) record->digest = (record->digest ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
}

static void simulation_failed(void) {
  record->failed = 1;
  _Exit(1);
}

/* ---- turns ------------------------------------------------------------------------------------ */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t come[THREADS];
  int whose;
  int over[THREADS];
  int inside;  /* functions of the library's that run, on all threads, and those of them that call an instance */
  int calling;
  int alone;   /* there are no others, as in the child of a fork */
  int pinned;  /* nobody else may run now */
} turns = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void wait_for_turn(void) {
  while (turns.whose != me) pthread_cond_wait(&turns.come[me], &turns.lock);
}

static void give_turn(int next) {
  turns.whose = next;
  pthread_cond_signal(&turns.come[next]);
}

static void hand_on(void) {
  int next, before = depth;
  if (turns.alone || turns.pinned) return;
  next = (int)pick(THREADS);
  while (turns.over[next]) next = (next + 1) % THREADS;
  if (next == me) return;
  COUNT(turns);
  pthread_mutex_lock(&turns.lock);
  give_turn(next);
  wait_for_turn();
  pthread_mutex_unlock(&turns.lock);
  CHECK(depth == before);
}

/* The thread `me` runs `run` when its turn comes, and ends. */
static void take_turns(void (*run)(void)) {
  pthread_mutex_lock(&turns.lock);
  wait_for_turn();
  pthread_mutex_unlock(&turns.lock);
  run();
  pthread_mutex_lock(&turns.lock);
  turns.over[me] = 1;
  for (int i = 1; i < THREADS; i++) {
    int next = (me + i) % THREADS;
    if (!turns.over[next]) {
      give_turn(next);
      break;
    }
  }
  pthread_mutex_unlock(&turns.lock);
}

#endif /* TORVYN_SIMULATION_TURNS_H */
