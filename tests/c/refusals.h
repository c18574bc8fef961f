/* Allocations that fail: the program's malloc and its kin come before the C library's, and refuse the
 * n-th request of a size that only a component's wishes have. */
#ifndef TORVYN_TEST_REFUSALS_H
#define TORVYN_TEST_REFUSALS_H

#include "check.h"

#include <errno.h>
#include <sys/mman.h>

/* What is no larger is the library's own, by whose number alone a component costs anything. */
#define LARGE 8193

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *old);
extern size_t malloc_usable_size(void *at);

/* Shared with the children: what was asked for while it was looked at. */
typedef struct {
  int watching;
  long nth, seen; /* which one to refuse, from 1, or 0 for none; how many there were */
  long most;      /* the same of the first call */
  size_t refused; /* the size of the one that was refused */
  long live;      /* bytes of large blocks */
} watch_t;

static watch_t *watch;
static torvyn_path_t path; /* under test */
static int wrong;          /* how many calls did not take an allocation's failure well */

static inline int refuses(size_t size) {
  if (!watch || !__atomic_load_n(&watch->watching, __ATOMIC_SEQ_CST) || size < LARGE) return 0;
  if (__atomic_add_fetch(&watch->seen, 1, __ATOMIC_SEQ_CST) != watch->nth) return 0;
  watch->refused = size;
  errno = ENOMEM;
  return 1;
}

static inline void *counted(void *at, long sign) {
  size_t size = at && watch ? malloc_usable_size(at) : 0;
  if (size >= LARGE) __atomic_add_fetch(&watch->live, sign * (long)size, __ATOMIC_SEQ_CST);
  return at;
}

void *malloc(size_t size) { return refuses(size) ? NULL : counted(__libc_malloc(size), 1); }

void *calloc(size_t count, size_t size) {
  return refuses(size && count > SIZE_MAX / size ? SIZE_MAX : count * size) ? NULL
                                                                            : counted(__libc_calloc(count, size), 1);
}

void *realloc(void *old, size_t size) {
  void *at;
  if (refuses(size)) return NULL;
  counted(old, -1);
  at = __libc_realloc(old, size);
  if (!at && size) counted(old, 1);
  return counted(at, 1);
}

void *memalign(size_t align, size_t size) { return refuses(size) ? NULL : counted(__libc_memalign(align, size), 1); }

void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **out, size_t align, size_t size) {
  void *at = memalign(align, size);
  if (!at) return ENOMEM;
  *out = at;
  return 0;
}

void free(void *at) {
  int error = errno;
  counted(at, -1);
  __libc_free(at);
  errno = error;
}

static inline void watch_begin(void) {
  watch_t *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  watch = shared;
}

static inline void watched(long nth) {
  watch->nth = nth;
  watch->seen = 0;
  watch->refused = 0;
  __atomic_store_n(&watch->watching, 1, __ATOMIC_SEQ_CST);
}

static inline void unwatched(void) { __atomic_store_n(&watch->watching, 0, __ATOMIC_SEQ_CST); }

/* ---- a call, each of whose allocations fails -------------------------------------------- */

typedef struct {
  const char *name;
  /* Makes an instance that is READY, or NEW where `is_init`. */
  torvyn_linked_t *linked;
  int is_init;
  /* The call; `user` says which. */
  int (*call)(torvyn_instance_t *instance, uint64_t number);
  uint64_t number;
  int status; /* where nothing fails */
} call_t;

/* Whether the allocation was missed in a way that a caller or a component can live with. */
static inline int is_told(int status, int wanted) {
  return status == wanted || status == TORVYN_ERROR_MEMORY || status == TORVYN_ERROR_UNAVAILABLE;
}

static inline int again(const call_t *call, torvyn_instance_t *instance) {
  if (torvyn_instance_state(instance) != TORVYN_STATE_READY || call->is_init) {
    if (torvyn_instance_reset(instance, NULL) != TORVYN_OK) return 1;
    if (!call->is_init && torvyn_init(instance, str(""), NULL) != TORVYN_OK) return 1;
  }
  return call->call(instance, call->number) != call->status;
}

/* In a child: 0 where all is well, else which of these was not. */
enum { WELL, NOT_TOLD, NOT_AGAIN, LEAKED = 3 };

#define MOST 16 /* allocations of a call that fail in their turn: the first, and as many of the others */

static inline int failing(const call_t *call, long nth) {
  torvyn_instance_t *instance = instance_of(call->linked, 1, NULL);
  long live[3];
  int status;
  if (!call->is_init) OK(torvyn_init(instance, str(""), &err));
  for (int round = 0; round < 3; round++) {
    watched(nth);
    status = call->call(instance, call->number);
    unwatched();
    if (round == 0) watch->most = watch->seen;
    if (nth == 0 ? status != call->status : !is_told(status, call->status)) {
      fprintf(stderr, "%s: gave %s\n", call->name, torvyn_status_name(status));
      return NOT_TOLD;
    }
    if (again(call, instance)) return NOT_AGAIN;
    OK(torvyn_instance_reset(instance, &err));
    live[round] = watch->live;
    if (!call->is_init) OK(torvyn_init(instance, str(""), &err));
  }
  /* What is kept to be used again is there after the second round. */
  if (live[2] > live[1] + LARGE) return LEAKED;
  torvyn_instance_free(instance);
  return WELL;
}

/* The exit status of a child, in which the `nth` allocation fails, or none: then it is counted, and
 * not here, where those that follow would find what it left. Negative for a signal. */
static inline int in_child_of(const call_t *call, long nth) {
  int status;
  pid_t child;
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(30 * check_slow());
    _Exit(failing(call, nth));
  }
  CHECK(waitpid(child, &status, 0) == child);
  unwatched();
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void each_fails(const call_t *call) {
  static const char *const says[] = {"", "told as something else", "the instance works no more", "leaks"};
  long count, bad = 0;
  check_doing = call->name;
  CHECK(in_child_of(call, 0) == WELL);
  count = watch->most;
  for (long nth = 1, step; nth <= count; nth += step) {
    int said = in_child_of(call, nth);
    step = nth < MOST / 2 ? 1 : 1 + count / (MOST / 2);
    if (said == WELL) continue;
    if (++bad > 3) continue;
    printf("    %s: the %ld. of %ld, of %zu bytes: ", call->name, nth, count, watch->refused);
    if (said < 0) printf("signal %d\n", -said);
    else printf("%s\n", said <= LEAKED ? says[said] : "a check failed");
  }
  printf("    %-8s %3ld large, %3ld wrong  %s\n", path == TORVYN_PATH_DIRECT ? "direct" : "general", count, bad, call->name);
  wrong += bad != 0;
}

#endif /* TORVYN_TEST_REFUSALS_H */
