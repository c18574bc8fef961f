/* Allocations that fail: the program's malloc and its kin come before the C library's, and refuse the
 * n-th request of a size that only a component's wishes have. */
#ifndef TORVYN_TEST_REFUSALS_H
#define TORVYN_TEST_REFUSALS_H

#include "check.h"

#include <errno.h>
#include <sys/mman.h>

/* What is smaller is the library's own, by whose number alone a component costs anything. */
#define LARGE 8192

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

#endif /* TORVYN_TEST_REFUSALS_H */
