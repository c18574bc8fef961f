/* What the system refuses, and what time it says it is. The program's own malloc() and its kin come
 * before the C library's; limits of the process refuse what is asked of the kernel itself. It
 * happens on the thread that has the turn alone, within one call of the library's. */
#ifndef TORVYN_SIMULATION_INJECTED_H
#define TORVYN_SIMULATION_INJECTED_H

#include "turns.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* has a malloc of its own, that may not fail and knows nothing of fork() */
#else
#define SANITIZED 0
#endif

/* What is no larger may end the process: see Memory at the head of torvyn.h. */
#define LARGE 8193

enum { NOTHING = 0, MEMORY = 1, ROOM = 2, FILES = 4, MAPPINGS = 8, NO_THREADS = 16 };

static __thread struct {
  int kind;
  unsigned nth; /* the request that is refused, from 1 */
  int on;       /* and all that come after it */
  int hit;
  int *told;    /* what was refused */
} refusing;

static int refuses(int kind) {
  if (refusing.kind != kind || refusing.nth == 0) return 0;
  if (refusing.nth > 1) {
    refusing.nth--;
    return 0;
  }
  if (!refusing.on) refusing.nth = 0;
  refusing.hit = 1;
  return 1;
}

#define NEXT(name, ...) (*(void **)&next = dlsym(RTLD_NEXT, name), next(__VA_ARGS__))

#if !SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static int refuses_bytes(size_t size) {
  if (size < LARGE || !refuses(MEMORY)) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return refuses_bytes(size) ? NULL : __libc_malloc(size); }

void *calloc(size_t count, size_t size) {
  return refuses_bytes(size && count > SIZE_MAX / size ? SIZE_MAX : count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) { return refuses_bytes(size) ? NULL : __libc_realloc(old, size); }

void *memalign(size_t align, size_t size) { return refuses_bytes(size) ? NULL : __libc_memalign(align, size); }

void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **out, size_t align, size_t size) {
  void *at = memalign(align, size);
  if (!at) return ENOMEM;
  *out = at;
  return 0;
}

void *mmap(void *at, size_t len, int access, int flags, int file, off_t offset) {
  void *(*next)(void *, size_t, int, int, int, off_t);
  if (refuses(MAPPINGS)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return NEXT("mmap", at, len, access, flags, file, offset);
}

void *mmap64(void *at, size_t len, int access, int flags, int file, off64_t offset) {
  return mmap(at, len, access, flags, file, offset);
}
#endif

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  return refuses(NO_THREADS) ? EAGAIN : NEXT("pthread_create", thread, attributes, run, argument);
}

/* ---- time --------------------------------------------------------------------------------------- */

/* What was added to the clocks, in nanoseconds. */
static int64_t monotonic_ahead, realtime_ahead;

static void add_ns(struct timespec *t, int64_t ns) {
  int64_t sum = (int64_t)t->tv_nsec + ns % (int64_t)(1000 * MS);
  t->tv_sec += (time_t)(ns / (int64_t)(1000 * MS));
  if (sum < 0) sum += 1000 * (int64_t)MS, t->tv_sec--;
  if (sum >= (int64_t)(1000 * MS)) sum -= 1000 * (int64_t)MS, t->tv_sec++;
  t->tv_nsec = (long)sum;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  int (*next)(clockid_t, struct timespec *);
  int said = NEXT("clock_gettime", clock, out);
  if (said == 0 && clock == CLOCK_MONOTONIC) add_ns(out, __atomic_load_n(&monotonic_ahead, __ATOMIC_SEQ_CST));
  if (said == 0 && clock == CLOCK_REALTIME) add_ns(out, __atomic_load_n(&realtime_ahead, __ATOMIC_SEQ_CST));
  return said;
}

/* The kernel's clock is none of the above: who waits until a time of it has that of ours. */
long syscall(long number, ...) {
  long (*next)(long, ...), a[6];
  struct timespec until;
  va_list args;
  va_start(args, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && a[3]) {
    int real = (a[1] & FUTEX_CLOCK_REALTIME) != 0;
    memcpy(&until, (const void *)(uintptr_t)a[3], sizeof until);
    add_ns(&until, -__atomic_load_n(real ? &realtime_ahead : &monotonic_ahead, __ATOMIC_SEQ_CST));
    if (until.tv_sec < 0) until.tv_sec = 0, until.tv_nsec = 0;
    a[3] = (long)(uintptr_t)&until;
  }
  return NEXT("syscall", number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- refusing ------------------------------------------------------------------------------------- */

static struct rlimit room_before, files_before;

/* More than threads, their stacks and their allocator's arenas need, which come and go in their own time;
 * less than a linear memory reserves by default. */
#define LEFT (UINT64_C(1) << 30)

/* Refuses one kind of `kinds`, or most often none. `*told` is which, until it is known that nothing was. */
static void refuse_some(int kinds, int *told) {
  unsigned kind;
  if (SANITIZED) kinds &= FILES | NO_THREADS;
  *told = NOTHING;
  if (!once_in(8) || !kinds) return;
  do kind = 1U << pick(5);
  while (!(kinds & (int)kind));
  refusing.kind = (int)kind;
  refusing.nth = 1 + pick(once_in(2) ? 1 : 6);
  refusing.on = (int)pick(2);
  refusing.hit = 0;
  refusing.told = told;
  *told = (int)kind;
  if (kind == ROOM) room_before = leave(LEFT);
  if (kind == FILES) {
    struct rlimit none;
    CHECK(getrlimit(RLIMIT_NOFILE, &files_before) == 0);
    none = files_before;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  note("refuses %s, %u.%s", kind == MEMORY ? "memory" : kind == ROOM ? "room" : kind == FILES ? "files"
       : kind == MAPPINGS ? "mappings" : "threads", refusing.nth, refusing.on ? " on" : "");
}

/* Ends that, at the latest when the program's own code runs again. Whether anything was refused is not
 * known of limits. */
static void refuse_no_more(void) {
  switch (refusing.kind) {
  case NOTHING: return;
  case MEMORY: record->tallies.refused_memory += (unsigned)refusing.hit; break;
  case MAPPINGS: record->tallies.refused_mappings += (unsigned)refusing.hit; break;
  case NO_THREADS: record->tallies.refused_threads += (unsigned)refusing.hit; break;
  case ROOM: COUNT(refused_room), CHECK(setrlimit(RLIMIT_AS, &room_before) == 0); break;
  default: COUNT(refused_files), CHECK(setrlimit(RLIMIT_NOFILE, &files_before) == 0); break;
  }
  if (!refusing.hit && refusing.kind != ROOM && refusing.kind != FILES) *refusing.told = NOTHING;
  refusing.kind = NOTHING;
}

/* A call of the library's: while it runs, callbacks come in. */
static void enter(void) { depth++, turns.inside++; }

static void left(void) {
  refuse_no_more();
  depth--, turns.inside--;
}

#endif /* TORVYN_SIMULATION_INJECTED_H */
