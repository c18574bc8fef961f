/* A component's output that goes to the process's own streams: the program may give
 * them to a pipe, and what reads that may be slow, or gone. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <fcntl.h>
#include <pthread.h>

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
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = timeout_ms * MS};
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

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("output: nobody reads standard output", on_stdout);
  in_child("output: nobody reads standard error", on_stderr);
  in_child("output: its reader is gone", reader_gone);
  return check_end();
}
