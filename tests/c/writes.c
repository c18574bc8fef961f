/* What a component writes ends nobody by a signal: a file that grows past the process's
 * limit, a pipe or a connection that nobody reads, are errors of the component's, on the
 * library's threads and on the program's, whose signals are as they were. */
#define _GNU_SOURCE
#include "check.h"
#include "wasi.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LIMIT 100000

/* The configuration's letter chooses the way to write at LIMIT and beyond. */
#define WAYS \
  "    (func (export \"init\") (param $at i32) (param $len i32) (result i32) (local $way i32) (local $fd i32)\n" \
  "      (local.set $way (i32.load8_u (local.get $at)))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 111)) (then\n" /* o: to standard output */ \
  "        (call $puts (call $stdout) (i32.const 1024) (i32.const 4000) (i32.const 64))\n" \
  "        (return (call $say (i32.load8_u (i32.const 64))))))\n" \
  "      (if (i32.eqz (call $file (call $dir))) (then unreachable))\n" \
  "      (local.set $fd (i32.load (i32.const 68)))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 115)) (then\n" /* s: set-size */ \
  "        (call $size (local.get $fd) (i64.const 200000) (i32.const 64))\n" \
  "        (if (i32.eqz (i32.load8_u (i32.const 64))) (then unreachable))\n" \
  "        (return (call $say (i32.load8_u (i32.const 65))))))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 119)) (then\n" /* w: write */ \
  "        (call $write (local.get $fd) (i32.const 1024) (i32.const 10) (i64.const 100000) (i32.const 64))\n" \
  "        (if (i32.eqz (i32.load8_u (i32.const 64))) (then unreachable))\n" \
  "        (return (call $say (i32.load8_u (i32.const 72))))))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 97))\n" /* a: append, to a file of that length */ \
  "        (then (call $appends (local.get $fd) (i32.const 64)))\n" \
  "        (else (call $writes (local.get $fd) (i64.const 100000) (i32.const 64))))\n" \
  "      (if (i32.load8_u (i32.const 64)) (then unreachable))\n" \
  "      (local.set $fd (i32.load (i32.const 68)))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 98))\n" /* b: in the background */ \
  "        (then (call $put (local.get $fd) (i32.const 1024) (i32.const 10) (i32.const 64))\n" \
  "          (if (i32.load8_u (i32.const 64)) (then unreachable))\n" \
  "          (call $flush (local.get $fd) (i32.const 64)))\n" \
  "        (else (call $puts (local.get $fd) (i32.const 1024) (i32.const 10) (i32.const 64))))\n" \
  "      (call $say (i32.load8_u (i32.const 64))))\n"

static char folder[64] = "/tmp/torvyn-writes-XXXXXX";
static torvyn_engine_t *engine;
static torvyn_component_t *component;

static torvyn_instance_t *writer(int inherits) {
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, folder, str("/d"), TORVYN_ACCESS_READ_WRITE, &err));
  if (inherits) OK(torvyn_imports_wasi_inherit_output(imports, TORVYN_STREAM_STDOUT, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  instance = instance_of(linked, 1, NULL);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  return instance;
}

/* Writes in one way, and is told `code`. */
static void told(const char *way, const char *code) {
  torvyn_instance_t *instance = writer(*way == 'o');
  EXPECT_TEXT(TORVYN_ERROR_GUEST_INTERNAL, code, torvyn_init(instance, str(way), &err));
  torvyn_instance_free(instance);
}

/* Neither blocked, nor handled, nor waiting: they would end the process. */
static void deadly(void) {
  int signals[] = {SIGPIPE, SIGXFSZ};
  sigset_t blocked, waiting;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigpending(&waiting) == 0);
  for (int i = 0; i < 2; i++) {
    struct sigaction now;
    CHECK(sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(!sigismember(&blocked, signals[i]) && !sigismember(&waiting, signals[i]));
  }
}

/* With a component that has this `init`. */
static void start(const char *core) {
  char path[128];
  int fd;
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  deadly();
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/file", folder);
  fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, LIMIT) == 0 && close(fd) == 0);
  engine = engine_with(NULL);
  component = component_from(engine, wasi_component(core));
}

static void end(void) {
  char path[128];
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  (void)setrlimit(RLIMIT_FSIZE, &none);
  deadly();
  torvyn_component_free(component);
  torvyn_engine_free(engine);
  snprintf(path, sizeof path, "%s/file", folder);
  CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

static void limit(void) {
  struct rlimit most = {LIMIT, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0);
}

#define TOO_LARGE "code=I" /* file-too-large */
#define FAILED "code=B"    /* the stream's error */
#define FINE "code=A"

static void files(void) {
  start(WAYS);
  told("b", FINE);
  limit();
  told("s", TOO_LARGE);
  told("w", TOO_LARGE);
  told("v", FAILED);
  told("b", FAILED);
  told("a", FAILED);
  deadly();
  end();
}

/* Standard output is a file, written on the program's own thread. */
static void standard_output(void) {
  FILE *out = tmpfile();
  int before = dup(1);
  CHECK(out != NULL && before >= 0);
  start(WAYS);
  limit();
  CHECK(ftruncate(fileno(out), LIMIT - 1000) == 0 && lseek(fileno(out), 0, SEEK_END) == LIMIT - 1000);
  fflush(stdout);
  CHECK(dup2(fileno(out), 1) == 1);
  told("o", FAILED);
  CHECK(lseek(1, 0, SEEK_END) == LIMIT);
  told("o", FAILED);
  CHECK(dup2(before, 1) == 1);
  fclose(out);
  end();
}

/* A stream socket whose other end is gone, and one that is full. */
static void socket_output(void) {
  int ends[2], before = dup(1);
  start(WAYS);
  CHECK(before >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  fflush(stdout);
  CHECK(dup2(ends[1], 1) == 1);
  told("o", FINE);
  CHECK(close(ends[0]) == 0);
  told("o", FAILED);
  CHECK(dup2(before, 1) == 1 && close(ends[1]) == 0);
  end();
}

/* A signal of the program's own that waits goes on waiting. */
static void own_signal(void) {
  sigset_t pipe_signal, waiting;
  int ends[2], before = dup(1), got;
  start(WAYS);
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  CHECK(pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL) == 0 && raise(SIGPIPE) == 0);
  CHECK(before >= 0 && pipe(ends) == 0);
  fflush(stdout);
  CHECK(dup2(ends[1], 1) == 1);
  told("o", FINE);
  CHECK(close(ends[0]) == 0);
  told("o", FAILED);
  CHECK(dup2(before, 1) == 1);
  CHECK(sigpending(&waiting) == 0 && sigismember(&waiting, SIGPIPE));
  CHECK(sigwait(&pipe_signal, &got) == 0 && got == SIGPIPE);
  CHECK(pthread_sigmask(SIG_UNBLOCK, &pipe_signal, NULL) == 0);
  end();
}

/* The library's threads for files have none of the program's signals. */
static void masks(void) {
  DIR *tasks;
  struct dirent *entry;
  int found = 0;
  start(WAYS);
  told("b", FINE);
  CHECK((tasks = opendir("/proc/self/task")) != NULL);
  while ((entry = readdir(tasks)) != NULL) {
    char path[300], line[128], name[64] = "";
    unsigned long long blocked = 0, wanted = ~0ull;
    FILE *status;
    int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGKILL, SIGSTOP};
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) wanted &= ~(1ull << (faults[i] - 1));
    wanted &= ~(3ull << 31); /* the C library's own two, 32 and 33 */
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    if (entry->d_name[0] == '.' || !(status = fopen(path, "r"))) continue;
    while (fgets(line, sizeof line, status)) {
      (void)sscanf(line, "Name: %63s", name);
      (void)sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(status);
    if (strcmp(name, "torvyn-wasi") != 0) continue;
    found++;
    CHECK((blocked & ~(3ull << 31)) == wanted);
  }
  closedir(tasks);
  CHECK(found >= 1);
  end();
}

/* By the configuration's letter: 2 MiB to a file, of which it takes one; as much as a stream takes at
 * once, and a byte more. */
#define SIZES \
  "    (func (export \"init\") (param $at i32) (param i32) (result i32) (local $way i32) (local $fd i32)\n" \
  "      (local.set $way (i32.load8_u (local.get $at)))\n" \
  "      (if (i32.eq (memory.grow (i32.const 40)) (i32.const -1)) (then unreachable))\n" \
  "      (if (i32.eqz (call $file (call $dir))) (then unreachable))\n" \
  "      (local.set $fd (i32.load (i32.const 68)))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 102)) (then\n" /* f */ \
  "        (call $write (local.get $fd) (i32.const 0) (i32.const 2097152) (i64.const 0) (i32.const 64))\n" \
  "        (if (i64.ne (i64.load (i32.const 72)) (i64.const 1048576)) (then unreachable))\n" \
  "        (return (call $say (i32.load8_u (i32.const 64))))))\n" \
  "      (call $writes (local.get $fd) (i64.const 0) (i32.const 64))\n" \
  "      (call $put (i32.load (i32.const 68)) (i32.const 0)\n" /* s, and t for one more */ \
  "        (i32.add (i32.const 65536) (i32.eq (local.get $way) (i32.const 116))) (i32.const 64))\n" \
  "      (call $say (i32.load8_u (i32.const 64))))\n"

static void sizes(void) {
  torvyn_instance_t *instance;
  start(SIZES);
  told("f", FINE);
  told("s", FINE);
  instance = writer(0);
  EXPECT_TEXT(TORVYN_ERROR_TRAP, "check-write", torvyn_init(instance, str("t"), &err));
  torvyn_instance_free(instance);
  end();
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("writes: files past the limit of their size", files);
  in_child("writes: standard output past the limit", standard_output);
  in_child("writes: a socket whose other end is gone", socket_output);
  in_child("writes: a signal of the program's own", own_signal);
  if (check_emulated()) printf("skipped: the masks of threads\n");
  else in_child("writes: the threads for files", masks);
  in_child("writes: how much at once", sizes);
  return check_end();
}
