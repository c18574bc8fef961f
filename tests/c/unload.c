/* The library loaded and let go at run time. This program is not linked with it;
 * TORVYN_LIBRARY is its path, given by the compiler's command line. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define FUNCTIONS(X)                                                                                               \
  X(engine_new) X(engine_free) X(component_compile_file) X(component_free) X(linked_new) X(linked_free)            \
  X(instance_new) X(instance_free) X(process) X(output_release) X(error_trap) X(error_free) X(init)

#define TYPE(name) static __typeof__(torvyn_##name) *name;
FUNCTIONS(TYPE)

static void *library;

static void open_library(void) {
  library = dlopen(TORVYN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) fprintf(stderr, "%s\n", dlerror());
  CHECK(library != NULL);
#define FIND(name)                                       \
  *(void **)(void *)&name = dlsym(library, "torvyn_" #name); \
  CHECK(name != NULL);
  FUNCTIONS(FIND)
}

/* Calls, a trap, everything freed. Where `alone`, without threads for compilation, which
 * would keep the library. */
static void *use(void *alone) {
  torvyn_engine_t *engine = NULL;
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance = NULL;
  torvyn_element_t good = {.payload = {(const uint8_t *)"echo:x", 6}}, bad = {.payload = {(const uint8_t *)"trap", 4}};
  torvyn_output_t out;
  torvyn_error_t *err = NULL;
  torvyn_str_t none = {NULL, 0};
  torvyn_engine_config_t config = {.struct_size = sizeof config, .parallel_compilation = TORVYN_OFF};
  CHECK(engine_new(alone ? &config : NULL, &engine, NULL) == TORVYN_OK);
  CHECK(component_compile_file(engine, guest_path("misbehave.wasm"), &component, NULL) == TORVYN_OK);
  CHECK(linked_new(component, NULL, &linked, NULL) == TORVYN_OK);
  CHECK(instance_new(linked, 1, NULL, &instance, NULL) == TORVYN_OK && init(instance, none, NULL) == TORVYN_OK);
  CHECK(process(instance, &good, &out, NULL) == TORVYN_OK && out.bytes.len == 1);
  output_release(&out);
  CHECK(process(instance, &bad, &out, &err) == TORVYN_ERROR_TRAP);
  CHECK(error_trap(err) == TORVYN_TRAP_UNREACHABLE);
  error_free(err);
  instance_free(instance);
  linked_free(linked);
  component_free(component);
  engine_free(engine);
  return NULL;
}

static sigjmp_buf back;
static volatile sig_atomic_t faults;

static void on_fault(int number) {
  (void)number;
  faults = faults + 1;
  siglongjmp(back, 1);
}

/* The host's own fault reaches the host's own handler. */
static void fault(void) {
  static char *page;
  int sofar = faults;
  if (!page) page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) {
    *(volatile char *)page = 1;
    CHECK(!"the fault comes");
  }
  CHECK(faults == sofar + 1);
}

/* A thread that used the library ends after the library was let go. */
static pthread_barrier_t barrier;

static void *use_and_stay(void *unused) {
  use(unused);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

int main(int argc, char **argv) {
  struct sigaction action;
  pthread_t thread;
  check_begin(argc, argv);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fault;
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);

  part("dlclose after the only thread that used it ended");
  open_library();
  CHECK(pthread_create(&thread, NULL, use, &action) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  fault();
  CHECK(dlclose(library) == 0);
  fault(); /* whoever has the signal now is still there */

  part("dlopen, dlclose, again");
  for (int i = 0; i < 5; i++) {
    open_library();
    use(NULL);
    fault();
    CHECK(dlclose(library) == 0);
    fault();
  }

  part("dlclose while a thread that used it lives");
  open_library();
  CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
  CHECK(pthread_create(&thread, NULL, use_and_stay, NULL) == 0);
  pthread_barrier_wait(&barrier);
  CHECK(dlclose(library) == 0);
  pthread_barrier_wait(&barrier);
  CHECK(pthread_join(thread, NULL) == 0);
  fault();
  return check_end();
}
