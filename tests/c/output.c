/* A component's output that goes to the process's own streams: the program may give
 * them to a pipe, and what reads that may be slow, or gone. */
#define _GNU_SOURCE
#include "check.h"
#include "wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <termios.h>

static int ends[2]; /* the pipe that standard output is, and standard error */

static void become_pipe(int stream) {
  CHECK(pipe(ends) == 0);
  CHECK(dup2(ends[1], stream) == stream);
}

/* Leaves the pipe without room. */
static void fill(void) {
  char bytes[4096];
  int flags = fcntl(ends[1], F_GETFL);
  CHECK(flags >= 0 && fcntl(ends[1], F_SETFL, flags | O_NONBLOCK) == 0);
  memset(bytes, '.', sizeof bytes);
  while (write(ends[1], bytes, sizeof bytes) > 0) {}
  while (write(ends[1], bytes, 1) > 0) {}
  CHECK(fcntl(ends[1], F_SETFL, flags) == 0);
}

/* What was read until `wanted` came last. */
static void drain(const char *wanted) {
  static char bytes[1 << 18];
  size_t len = 0, end = strlen(wanted);
  while (len < end || memcmp(bytes + len - end, wanted, end) != 0) {
    ssize_t got = read(ends[0], bytes + len, sizeof bytes - len);
    CHECK(got > 0);
    len += (size_t)got;
  }
}

static torvyn_instance_t *writer(torvyn_engine_t *engine, uint64_t timeout_ms) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = timeout_ms * MS * check_slow()};
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_component_t *component = component_of(engine, "wasi-stdio");
  torvyn_instance_t *instance;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_inherit_output(imports, TORVYN_STREAM_STDOUT, &err));
  OK(torvyn_imports_wasi_inherit_output(imports, TORVYN_STREAM_STDERR, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  instance = instance_of(linked, 1, &options);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
  return instance;
}

static void *cancel(void *handle) {
  sleep_ms(100);
  torvyn_cancel(handle);
  return NULL;
}

/* Whether a call that prints ends with `status`, soon. */
static void stopped(torvyn_instance_t *instance, const char *command, int status) {
  uint64_t began = now_ns();
  gives(instance, command, status);
  CHECK(now_ns() - began < 2000 * MS * check_slow());
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  OK(torvyn_instance_reset(instance, &err));
}

static void nobody_reads(int stream, const char *command) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_instance_t *hasty = writer(engine, 100), *patient = writer(engine, 10000);
  torvyn_cancel_t *handle = torvyn_instance_cancel_handle(patient);
  pthread_t thread;
  alarm(30 * check_slow());
  become_pipe(stream);
  emits(hasty, command, "");
  drain("said");
  fill();
  stopped(hasty, command, TORVYN_ERROR_DEADLINE);
  CHECK(pthread_create(&thread, NULL, cancel, handle) == 0);
  stopped(patient, command, TORVYN_ERROR_CANCELLED);
  CHECK(pthread_join(thread, NULL) == 0);
  drain("."); /* room again */
  emits(patient, command, "");
  drain("said");
  torvyn_cancel_free(handle);
  torvyn_instance_free(hasty);
  torvyn_instance_free(patient);
  torvyn_engine_free(engine);
}

static void on_stdout(void) { nobody_reads(1, "print:said"); }
static void on_stderr(void) { nobody_reads(2, "eprint:said"); }

/* The write fails for the component; no signal ends the program. */
static void reader_gone(void) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_instance_t *instance = writer(engine, 5000);
  become_pipe(1);
  CHECK(close(ends[0]) == 0);
  emits(instance, "print:said", "");
  emits(instance, "env:HOME", "(none)");
  CHECK(close(1) == 0 && close(ends[1]) == 0);
  emits(instance, "print:said", "");
  emits(instance, "env:HOME", "(none)");
  torvyn_instance_free(instance);
  torvyn_engine_free(engine);
}

/* ---- streams that say that they take something, and take little ----------------- */

/* Writes 4,000 bytes to standard output at once, and tells what came of it. */
#define WRITING \
  "    (func (export \"init\") (param i32 i32) (result i32)\n" \
  "      (memory.fill (i32.const 1024) (i32.const 120) (i32.const 4000))\n" \
  "      (call $puts (call $stdout) (i32.const 1024) (i32.const 4000) (i32.const 64))\n" \
  "      (if (i32.load8_u (i32.const 64)) (then (return (call $say (i32.const 1)))))\n" \
  "      (i32.const 200))\n"

static torvyn_engine_t *engine;
static torvyn_linked_t *writing;

static void make_writing(void) {
  torvyn_imports_t *imports = NULL;
  engine = engine_with(NULL);
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_inherit_output(imports, TORVYN_STREAM_STDOUT, &err));
  writing = linked_once(component_from(engine, wasi_component(WRITING)), imports);
  torvyn_imports_free(imports);
}

static torvyn_instance_t *with_timeout(uint64_t ms) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = ms * MS * check_slow()};
  return instance_of(writing, 1, &options);
}

/* The calls end at their deadline and when they are cancelled, each soon. */
static void stalls(void) {
  torvyn_instance_t *hasty = with_timeout(100), *patient = with_timeout(20000);
  torvyn_cancel_t *handle = torvyn_instance_cancel_handle(patient);
  pthread_t thread;
  uint64_t began = now_ns();
  EXPECT(TORVYN_ERROR_DEADLINE, torvyn_init(hasty, str(""), &err));
  CHECK(pthread_create(&thread, NULL, cancel, handle) == 0);
  EXPECT(TORVYN_ERROR_CANCELLED, torvyn_init(patient, str(""), &err));
  CHECK(pthread_join(thread, NULL) == 0);
  torvyn_cancel_free(handle);
  torvyn_instance_free(hasty);
  torvyn_instance_free(patient);
  CHECK(now_ns() - began < 2000 * MS * check_slow());
}

static void flows(void) {
  torvyn_instance_t *instance = with_timeout(20000);
  OK(torvyn_init(instance, str(""), &err));
  torvyn_instance_free(instance);
}

static void *read_all(void *end) {
  char bytes[4096];
  while (read(*(int *)end, bytes, sizeof bytes) > 0) {}
  return NULL;
}

/* Puts `end` in the place of standard output; the program's flags of it are as they were. */
static int flags_of;
static void become(int end) {
  fflush(stdout);
  CHECK(dup2(end, 1) == 1 && (flags_of = fcntl(1, F_GETFL)) >= 0 && !(flags_of & O_NONBLOCK));
}
static void is_as_it_was(void) { CHECK(fcntl(1, F_GETFL) == flags_of); }

static int terminal(int *reader) {
  int stream;
  *reader = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(*reader >= 0 && grantpt(*reader) == 0 && unlockpt(*reader) == 0);
  stream = open(ptsname(*reader), O_RDWR | O_NOCTTY);
  CHECK(stream >= 0);
  return stream;
}

/* Leaves room for less than is written at once, where poll() still says that there is some. */
static void nearly_fill(int stream, int reader) {
  char name[64], bytes[4096] = {0};
  int own;
  snprintf(name, sizeof name, "/proc/self/fd/%d", stream);
  own = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  CHECK(own >= 0);
  for (int quiet = 0; quiet < 20; quiet++) { /* the system moves it on for some time */
    while (write(own, bytes, sizeof bytes) > 0 || write(own, bytes, 1) > 0) quiet = 0;
    sleep_ms(5);
  }
  CHECK(read(reader, bytes, 600) == 600 && close(own) == 0);
}

static void on_terminal(void) {
  int reader, stream = terminal(&reader);
  pthread_t thread;
  make_writing();
  become(stream);
  /* Where the system had not yet moved all of it on, there may be room for more. */
  for (int tries = 0, status = TORVYN_OK; status != TORVYN_ERROR_DEADLINE; tries++) {
    torvyn_instance_t *instance = with_timeout(100);
    CHECK(status == TORVYN_OK && tries < 20);
    nearly_fill(stream, reader);
    status = torvyn_init(instance, str(""), NULL);
    torvyn_instance_free(instance);
  }
  stalls();
  CHECK(pthread_create(&thread, NULL, read_all, &reader) == 0);
  flows();
  CHECK(tcflow(stream, TCOOFF) == 0); /* as by Ctrl-S */
  stalls();
  CHECK(tcflow(stream, TCOON) == 0);
  flows();
  is_as_it_was();
}

/* What the process has open for reading alone: the write fails, soon, and nothing comes of it. */
static void reading_only(void) {
  int reader, stream = terminal(&reader), pipes[2];
  char byte;
  make_writing();
  become(open(ttyname(stream), O_RDONLY | O_NOCTTY));
  for (int i = 0; i < 2; i++) {
    torvyn_instance_t *instance = with_timeout(20000);
    uint64_t began = now_ns();
    EXPECT(TORVYN_ERROR_GUEST_INTERNAL, torvyn_init(instance, str(""), &err)); /* what it says of a write that failed */
    CHECK(now_ns() - began < 2000 * MS * check_slow());
    torvyn_instance_free(instance);
    CHECK(i || (fcntl(reader, F_SETFL, O_NONBLOCK) == 0 && read(reader, &byte, 1) < 0 && errno == EAGAIN));
    CHECK(i || (pipe(pipes) == 0 && dup2(pipes[0], 1) == 1));
  }
}

static void *write_on(void *stream) {
  char bytes[3000] = {0};
  while (write(*(int *)stream, bytes, sizeof bytes) > 0) {}
  return NULL;
}

/* Somebody else writes to the same pipe, and never lets there be room for long. */
static void contended(void) {
  int pair[2];
  char bytes[4096];
  pthread_t thread;
  torvyn_instance_t *instance;
  uint64_t began;
  make_writing();
  CHECK(pipe(pair) == 0);
  become(pair[1]);
  CHECK(pthread_create(&thread, NULL, write_on, &pair[1]) == 0);
  began = now_ns();
  for (int i = 0; i < 10; i++) {
    instance = with_timeout(20);
    torvyn_status_t status = torvyn_init(instance, str(""), NULL);
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_DEADLINE);
    torvyn_instance_free(instance);
    CHECK(read(pair[0], bytes, sizeof bytes) > 0);
  }
  CHECK(now_ns() - began < 2000 * MS * check_slow());
  /* Nobody reads any more: whoever was quicker has filled it soon. */
  for (int tries = 0;; tries++) {
    instance = with_timeout(100);
    torvyn_status_t status = torvyn_init(instance, str(""), NULL);
    torvyn_instance_free(instance);
    if (status == TORVYN_ERROR_DEADLINE) break;
    CHECK(status == TORVYN_OK && tries < 20);
  }
  stalls();
  is_as_it_was();
}

static void on_socket(void) {
  int pair[2];
  pthread_t thread;
  char bytes[4096] = {0};
  make_writing();
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  become(pair[1]);
  while (send(pair[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
  stalls();
  CHECK(read(pair[0], bytes, sizeof bytes) > 0);
  stalls();
  CHECK(pthread_create(&thread, NULL, read_all, &pair[0]) == 0);
  flows();
  is_as_it_was();
}

/* Where there is no /proc to open the stream anew by. */
static void without_proc(void) {
  char folder[] = "/tmp/torvyn-output-XXXXXX";
  int reader, stream = terminal(&reader);
  pthread_t thread;
  make_writing();
  become(stream);
  nearly_fill(stream, reader);
  CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0 && rmdir(folder) == 0);
  if (chroot(".") != 0) return; /* not as root */
  stalls();
  CHECK(pthread_create(&thread, NULL, read_all, &reader) == 0);
  flows();
  is_as_it_was();
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("output: nobody reads standard output", on_stdout);
  in_child("output: nobody reads standard error", on_stderr);
  in_child("output: its reader is gone", reader_gone);
  in_child("output: a terminal whose reader is stalled", on_terminal);
  in_child("output: a terminal and a pipe to read from", reading_only);
  in_child("output: a pipe that another writes to", contended);
  in_child("output: a socket whose reader is stalled", on_socket);
  in_child("output: a terminal where there is no /proc", without_proc);
  return check_end();
}
