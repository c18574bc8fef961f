/* What the system refuses: each call of each kind in its turn, while engines are made, components compiled
 * and loaded, instances made and called on threads that are new. Each time it is told as what it is, with the
 * call's name, or done without; nothing ends the process, nothing is lost, and the next try works. And what
 * sandboxes deny for good, in children. */
#define _GNU_SOURCE /* the context of a signal, the parts of a library */
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* ---- refusing ------------------------------------------------------------------------------ */

typedef struct {
  long number;
  const char *name;
  int errors[3]; /* that it may fail with */
} kind_t;

static const kind_t kinds[] = {
    {SYS_mmap, "mmap", {ENOMEM, EPERM, 0}},
    {SYS_mprotect, "mprotect", {ENOMEM, EACCES, 0}},
    {SYS_memfd_create, "memfd_create", {EMFILE, EPERM, ENOSYS}},
    {SYS_fcntl, "fcntl", {EPERM, 0, 0}},
    {SYS_madvise, "madvise", {ENOMEM, EPERM, 0}},
    {SYS_sigaltstack, "sigaltstack", {EPERM, ENOSYS, 0}},
    {SYS_openat, "open", {EMFILE, EACCES, 0}},
    {SYS_rt_sigaction, "sigaction", {EPERM, 0, 0}},
};

/* Which one is refused, with what, from the how-many-eth on, and how many of them. */
static const kind_t *refused;
static int refused_with, refused_from, refused_count, refused_seen;

static int refuses(long number) {
  int n;
  if (!refused || refused->number != number) return 0;
  n = __atomic_add_fetch(&refused_seen, 1, __ATOMIC_SEQ_CST);
  return refused_from && n >= refused_from && n - refused_from < refused_count;
}

static int refuses_here(long number) {
  if (!refuses(number)) return 0;
  errno = refused_with;
  return 1;
}

/* What the library calls by the C library's functions comes here: not the allocator's own. */

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  if (refuses_here(SYS_mmap)) return MAP_FAILED;
  return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  return mmap(at, len, protection, flags, fd, offset);
}

int mprotect(void *at, size_t len, int protection) {
  return refuses_here(SYS_mprotect) ? -1 : (int)syscall(SYS_mprotect, at, len, protection);
}

int memfd_create(const char *name, unsigned flags) {
  return refuses_here(SYS_memfd_create) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int sigaltstack(const stack_t *now, stack_t *before) {
  return refuses_here(SYS_sigaltstack) ? -1 : (int)syscall(SYS_sigaltstack, now, before);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  int mode;
  va_start(rest, flags);
  mode = flags & O_CREAT ? va_arg(rest, int) : 0;
  va_end(rest);
  return refuses_here(SYS_openat) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int sigaction(int signal, const struct sigaction *now, struct sigaction *before) {
  static int (*next)(int, const struct sigaction *, struct sigaction *);
  if (refuses_here(SYS_rt_sigaction)) return -1;
  if (!next) {
    void *found = dlsym(RTLD_NEXT, "sigaction");
    memcpy(&next, &found, sizeof next);
  }
  return next(signal, now, before);
}

/* The code of the library. */
static uintptr_t library_from, library_to;

static int find_library(struct dl_phdr_info *info, size_t size, void *function) {
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, to = from + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X)) continue;
    if ((uintptr_t)function >= from && (uintptr_t)function < to) library_from = from, library_to = to;
  }
  return 0;
}

/* What the library asks the system for itself, without the C library, stops here. */
static void stopped(int signal, siginfo_t *info, void *context) {
  ucontext_t *at = context;
  int before = errno;
  (void)signal;
#if defined(__x86_64__)
  greg_t *r = at->uc_mcontext.gregs;
  long args[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]}, result;
#else
  __u64 *r = (__u64 *)at->uc_mcontext.regs;
  long args[6] = {(long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4], (long)r[5]}, result;
#endif
  if (refuses(info->si_syscall)) {
    result = -refused_with;
  } else {
    result = syscall(info->si_syscall, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (result == -1) result = -errno;
  }
#if defined(__x86_64__)
  r[REG_RAX] = result;
#else
  r[0] = (__u64)result;
#endif
  errno = before;
}

static void filter(struct sock_filter *code, size_t count) {
  struct sock_fprog program = {(unsigned short)count, code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define ABOVE(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (value), (then), (otherwise))
#define UP_FROM(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (then), (otherwise))
#define IF(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, (what))

static void stop_calls(void) {
  struct sigaction handler = {.sa_sigaction = stopped, .sa_flags = SA_SIGINFO | SA_NODEFER};
  void *function = dlsym(RTLD_DEFAULT, "torvyn_engine_new");
  CHECK(function != NULL);
  dl_iterate_phdr(find_library, function);
  CHECK(library_to > library_from && sigaction(SIGSYS, &handler, NULL) == 0);
  {
    uint32_t from_high = (uint32_t)(library_from >> 32), to_high = (uint32_t)(library_to >> 32);
    struct sock_filter code[] = {
        LOAD_HIGH(instruction_pointer), ABOVE(from_high, 3, 0), IF(from_high, 0, 13),
        LOAD(instruction_pointer), UP_FROM((uint32_t)library_from, 0, 11),
        LOAD_HIGH(instruction_pointer), ABOVE(to_high, 9, 0), IF(to_high, 0, 2),
        LOAD(instruction_pointer), UP_FROM((uint32_t)library_to, 6, 0),
        LOAD(nr),
        IF(SYS_mmap, 5, 0), IF(SYS_mprotect, 4, 0), IF(SYS_memfd_create, 3, 0), IF(SYS_madvise, 2, 0),
        IF(SYS_fcntl, 1, 0),
        GIVE(SECCOMP_RET_ALLOW),
        GIVE(SECCOMP_RET_TRAP),
    };
    filter(code, sizeof code / sizeof *code);
  }
}

/* ---- what is tried --------------------------------------------------------------------------- */

static uint8_t *artifact;
static size_t artifact_len;
static char artifact_file[] = "/tmp/torvyn-denied-XXXXXX";
static torvyn_engine_config_t plain = {.struct_size = sizeof plain, .parallel_compilation = TORVYN_OFF,
                                        .optimize = TORVYN_OPTIMIZE_NONE},
                              pooled = {.struct_size = sizeof pooled, .parallel_compilation = TORVYN_OFF,
                                        .pool_instances = 4, .memory_reservation = 64 * MIB};
static torvyn_engine_t *engine, *pooling, *waiting;
static torvyn_component_t *compiled, *compiled_for_pool, *that_waits;
static torvyn_instance_t *ready_one;

static void watched(const kind_t *kind, int error, int from, int count) {
  refused_with = error, refused_from = from, refused_count = count, refused_seen = 0;
  refused = kind;
}

static void unwatched(void) { refused = NULL; }
static const kind_t *watching(void) { return refused; }

/* Each gives the status of what it tried, and what it said. */
typedef int try_t(torvyn_error_t **err);

static int try_engine(torvyn_error_t **err) {
  torvyn_engine_t *made;
  int status = torvyn_engine_new(&plain, &made, err);
  torvyn_engine_free(made);
  return status;
}

static int try_pool(torvyn_error_t **err) {
  torvyn_engine_t *made;
  int status = torvyn_engine_new(&pooled, &made, err);
  torvyn_engine_free(made);
  return status;
}

static int try_compile(torvyn_error_t **err) {
  torvyn_component_t *made;
  int status = torvyn_component_compile_file(engine, guest_path("upper-case.wasm"), &made, err);
  torvyn_component_free(made);
  return status;
}

static int try_bytes(torvyn_error_t **err) {
  torvyn_component_t *made;
  int status = torvyn_component_deserialize_unchecked(engine, artifact, artifact_len, &made, err);
  torvyn_component_free(made);
  return status;
}

static int try_file(torvyn_error_t **err) {
  torvyn_component_t *made;
  int status = torvyn_component_deserialize_file_unchecked(engine, artifact_file, &made, err);
  torvyn_component_free(made);
  return status;
}

/* An instance of a component that had none before: its first one makes the images of memories. */
static int instance_on(torvyn_engine_t *on, const torvyn_component_t *from, torvyn_error_t **err) {
  const kind_t *kind = watching();
  torvyn_instance_t *instance;
  torvyn_linked_t *linked;
  int status;
  unwatched();
  linked = linked_once(reloaded(on, from), NULL);
  refused = kind;
  status = torvyn_instance_new(linked, 1, NULL, &instance, err);
  unwatched();
  if (status == TORVYN_OK) {
    OK(torvyn_init(instance, str(""), &err));
    if (on != waiting) emits(instance, "echo:a", "a");
  }
  refused = kind;
  torvyn_instance_free(instance);
  unwatched();
  torvyn_linked_free(linked);
  return status;
}

static int try_instance(torvyn_error_t **err) { return instance_on(engine, compiled, err); }
static int try_slot(torvyn_error_t **err) { return instance_on(pooling, compiled_for_pool, err); }
static int try_waiting(torvyn_error_t **err) { return instance_on(waiting, that_waits, err); }

/* A call on a thread that has made none. */
static void *call(void *err) {
  torvyn_element_t e = element("echo:b");
  torvyn_output_t out;
  intptr_t status = torvyn_process(ready_one, &e, &out, err);
  unwatched(); /* a stack that it may not give back when it ends, it keeps */
  torvyn_output_release(&out);
  CHECK(torvyn_instance_state(ready_one) == TORVYN_STATE_READY);
  emits(ready_one, "echo:c", "c");
  CHECK(status == TORVYN_OK || status == TORVYN_ERROR_INTERNAL);
  return (void *)status;
}

static int try_thread(torvyn_error_t **err) {
  const kind_t *kind = watching();
  pthread_t thread;
  void *status;
  unwatched();
  CHECK(pthread_create(&thread, NULL, call, err) == 0);
  refused = kind;
  CHECK(pthread_join(thread, &status) == 0);
  return (int)(intptr_t)status;
}

static const struct {
  const char *name;
  try_t *attempt;
} tries[] = {
    {"engine", try_engine},        {"engine with a pool", try_pool}, {"compile", try_compile},
    {"load bytes", try_bytes},     {"load a file", try_file},        {"instance", try_instance},
    {"instance of a pool", try_slot}, {"instance that may wait", try_waiting}, {"call on a new thread", try_thread},
};

/* ---- each in its turn --------------------------------------------------------------------------- */

static long mapped_kib(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
  fclose(file);
  return (long)(pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024);
}

static int descriptors(void) {
  DIR *all = opendir("/proc/self/fd");
  int n = 0;
  CHECK(all != NULL);
  while (readdir(all)) n++;
  closedir(all);
  return n;
}

/* Tries it with the calls refused; whether it was refused, and told so. */
static int refusing(try_t *attempt, const kind_t *kind, int error, int from, int count) {
  torvyn_error_t *err = NULL;
  const char *said;
  int status;
  watched(kind, error, from, count);
  status = attempt(&err);
  unwatched();
  if (status == TORVYN_OK) return 0;
  said = torvyn_error_message(err).data;
  /* It grows while it is instantiated, is told that it does not, and gives up. */
  if (attempt == try_waiting && torvyn_error_trap(err) == TORVYN_TRAP_UNREACHABLE) {
    torvyn_error_free(err);
    return 1;
  }
  if (status == TORVYN_ERROR_PANIC || status == TORVYN_ERROR_TRAP || status > 0 || !strstr(said, kind->name) ||
      !strstr(said, strerror(error))) {
    fprintf(stderr, "%s: %s (%s) from the %d. on: %s: %s\n", check_doing, kind->name, strerror(error), from,
            torvyn_status_name(status), said);
    CHECK_FAILS;
  }
  torvyn_error_free(err);
  return 1;
}

#define MOST 24 /* calls that are refused in their turn */

static void each_refused(void) {
  for (size_t t = 0; t < sizeof tries / sizeof *tries; t++) {
    int refusals = 0, before_fds = 0, from;
    long before = 0;
    part(tries[t].name);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (int e = 0; e < 3 && kinds[k].errors[e]; e++) {
        int calls;
        CHECK(refusing(tries[t].attempt, &kinds[k], kinds[k].errors[e], 0, 0) == 0);
        calls = refused_seen;
        if (k == 0 && e == 0) before = mapped_kib(), before_fds = descriptors();
        for (from = 1; from <= calls && from <= MOST; from++)
          refusals += refusing(tries[t].attempt, &kinds[k], kinds[k].errors[e], from, 1);
        refusals += refusing(tries[t].attempt, &kinds[k], kinds[k].errors[e], 1, calls);
        CHECK(refusing(tries[t].attempt, &kinds[k], 0, 0, 0) == 0);
      }
    printf("    %d refusals, %ld KiB more are mapped\n", refusals, mapped_kib() - before);
    CHECK(refusals > 0 || tries[t].attempt == try_engine); /* which does without */
    /* Less than one signal stack, or one instance, for each. (The addresses of a stack that waits, which could
     * not be made writable, Wasmtime does not give back.) */
    CHECK(mapped_kib() - before < (tries[t].attempt == try_waiting ? 6 * 2052 : 1024) && descriptors() == before_fds);
  }
}

/* ---- for good ----------------------------------------------------------------------------------- */

/* One system call gives an error for good; where `bits` is set, with these in its third argument alone. */
static void deny(long number, uint32_t bits, int error) {
  struct sock_filter code[] = {
      LOAD(nr), IF((uint32_t)number, 0, 3),
      LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits ? bits : ~0u, 0, bits ? 1 : 0),
      GIVE(SECCOMP_RET_ERRNO | (uint32_t)error), GIVE(SECCOMP_RET_ALLOW)};
  filter(code, sizeof code / sizeof *code);
}

static void run(torvyn_component_t *made) {
  torvyn_linked_t *linked = linked_once(made, NULL);
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_linked_free(linked);
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "echo:a", "a");
  torvyn_instance_free(instance);
}

/* No files in memory: contents are copied; artifacts are the same for those who have them and for those who
 * have not. */
static void no_memfd(void) {
  torvyn_component_t *made = NULL;
  torvyn_linked_t *linked;
  torvyn_engine_t *on;
  torvyn_blob_t *blob;
  torvyn_bytes_t bytes;
  deny(SYS_memfd_create, 0, EPERM);
  on = engine_with(&plain);
  run(component_of(on, "misbehave"));
  OK(torvyn_component_deserialize_file_unchecked(on, artifact_file, &made, &err));
  run(made);
  OK(torvyn_component_deserialize_unchecked(on, artifact, artifact_len, &made, &err));
  OK(torvyn_component_serialize(made, &blob, &err));
  bytes = torvyn_blob_bytes(blob);
  CHECK(bytes.len == artifact_len && memcmp(bytes.data, artifact, artifact_len) == 0);
  torvyn_blob_free(blob);
  run(made);
  /* Those of an engine that was made before. */
  OK(torvyn_component_deserialize_unchecked(engine, artifact, artifact_len, &made, &err));
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, "memfd_create: Operation not permitted",
              torvyn_linked_new(made, NULL, &linked, &err));
  torvyn_component_free(made);
  torvyn_engine_free(on);
}

static void no_memfd_no_signals(void) {
  torvyn_engine_config_t config = plain;
  torvyn_engine_t *on;
  config.explicit_traps = TORVYN_ON;
  deny(SYS_memfd_create, 0, EPERM);
  on = engine_with(&config);
  run(component_of(on, "misbehave"));
  torvyn_engine_free(on);
}

/* What of the artifact's file is mapped: of one that is run in place the code is executable, and nothing is
 * but that. */
static void mapped(unsigned long *readable, unsigned long *executable) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096], rights[5];
  unsigned long from, to;
  CHECK(maps != NULL);
  *readable = *executable = 0;
  while (fgets(line, sizeof line, maps))
    if (strstr(line, artifact_file) && sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3) {
      CHECK(rights[1] == '-');
      *(rights[2] == 'x' ? executable : readable) += to - from;
    }
  fclose(maps);
}

static void run_in_place(void) {
  unsigned long readable, executable;
  torvyn_component_t *made = NULL;
  OK(torvyn_component_deserialize_file_unchecked(engine, artifact_file, &made, &err));
  mapped(&readable, &executable);
  CHECK(executable > 0 && readable > artifact_len / 4);
  run(made);
  mapped(&readable, &executable);
  CHECK(executable == 0 && readable == 0);
}

/* Memory that was written may not be run: nothing compiles, and an artifact that is mapped runs. */
static void no_written_code(void) {
  deny(SYS_mprotect, PROT_EXEC, EPERM);
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "mprotect(PROT_EXEC): Operation not permitted", try_compile(&err));
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "MemoryDenyWriteExecute", try_bytes(&err));
  run_in_place();
}

/* As on a file system that is mounted `noexec`: the file is copied. */
static void no_code_of_files(void) {
  unsigned long readable, executable;
  torvyn_component_t *made = NULL;
  deny(SYS_mmap, PROT_EXEC, EPERM);
  OK(torvyn_component_deserialize_file_unchecked(engine, artifact_file, &made, &err));
  mapped(&readable, &executable);
  CHECK(executable == 0 && readable == 0);
  run(made);
}

static void *call_without(void *unused) {
  torvyn_element_t e = element("echo:b");
  torvyn_output_t out;
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "sigaltstack: Operation not permitted", torvyn_process(ready_one, &e, &out, &err));
  return unused;
}

/* A thread that has called before goes on. */
static void no_signal_stacks(void) {
  pthread_t thread;
  deny(SYS_sigaltstack, 0, EPERM);
  CHECK(pthread_create(&thread, NULL, call_without, NULL) == 0 && pthread_join(thread, NULL) == 0);
  emits(ready_one, "echo:a", "a");
}

/* In a process that has no engine yet. */
static void no_handlers(void) {
  torvyn_engine_config_t config = plain;
  deny(SYS_rt_sigaction, 0, EPERM);
  EXPECT_TEXT(TORVYN_ERROR_CONFIG, "explicit_traps", try_engine(&err));
  config.explicit_traps = TORVYN_ON;
  engine = engine_with(&config);
  run(component_of(engine, "misbehave"));
}

/* No file may grow, files in memory neither: an engine that is made so does without, another says it. What
 * the test prints goes to a file, too. */
static void no_file_grows(void) {
  struct rlimit none = {0, 0}, before;
  torvyn_linked_t *linked = STALE;
  torvyn_component_t *made = component_of(engine, "status-count");
  int file = dup(1), nowhere = open("/dev/null", O_WRONLY);
  CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0 && dup2(nowhere, 1) == 1);
  none.rlim_max = before.rlim_max;
  CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, "RLIMIT_FSIZE", torvyn_linked_new(made, NULL, &linked, &err));
  engine = engine_with(&plain);
  run(component_of(engine, "misbehave"));
  CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0 && dup2(file, 1) == 1);
}

static void make_artifact(void) {
  torvyn_blob_t *blob;
  torvyn_bytes_t bytes;
  int fd = mkstemp(artifact_file);
  OK(torvyn_component_serialize(compiled, &blob, &err));
  bytes = torvyn_blob_bytes(blob);
  artifact_len = bytes.len;
  artifact = malloc(bytes.len);
  CHECK(artifact != NULL && fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
  memcpy(artifact, bytes.data, bytes.len);
  close(fd);
  torvyn_blob_free(blob);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  mallopt(M_ARENA_MAX, 1); /* another one takes 64 MiB of addresses */
  in_child("no handlers of signals", no_handlers);
  engine = engine_with(&plain);
  pooling = engine_with(&pooled);
  compiled = component_of(engine, "misbehave");
  compiled_for_pool = component_of(pooling, "misbehave");
  waiting = engine_on(TORVYN_PATH_GENERAL);
  that_waits = component_of(waiting, "wasi-stdio");
  make_artifact();
  ready_one = ready(engine, "misbehave", "", NULL);
  in_child("no files in memory", no_memfd);
  in_child("no files in memory, explicit traps", no_memfd_no_signals);
  in_child("code of a file", run_in_place);
  in_child("no code that was written", no_written_code);
  in_child("no code of files", no_code_of_files);
  in_child("no signal stacks", no_signal_stacks);
  in_child("no file grows", no_file_grows);
  stop_calls();
  each_refused();
  torvyn_instance_free(ready_one);
  torvyn_component_free(compiled);
  torvyn_component_free(compiled_for_pool);
  torvyn_component_free(that_waits);
  torvyn_engine_free(waiting);
  torvyn_engine_free(pooling);
  torvyn_engine_free(engine);
  unlink(artifact_file);
  free(artifact);
  return check_end();
}
