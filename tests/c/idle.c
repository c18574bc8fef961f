/* Buffers that nobody holds: as many stay for the calls to come as the configuration says, whatever a
 * burst of calls took, and they are used again. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { BURST = 96 << 20, SLACK = 16 << 10 /* KiB: beginnings and ends of pages */ };

static size_t size; /* of an output */
static torvyn_instance_t *instance;

static torvyn_status_t process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  static const uint8_t piece[4096] = {1};
  (void)user, (void)state, (void)e;
  for (size_t len = 0; len < size; len += sizeof piece) OK(torvyn_native_append(call, piece, sizeof piece, &err));
  return torvyn_native_emit(call, 1, 2, str("text/plain"), NULL);
}

static torvyn_engine_t *engine_keeping(uint64_t bytes) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .idle_buffers = bytes};
  return engine_with(&config);
}

static long resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0;
  CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long faults(void) {
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return usage.ru_minflt;
}

/* So many outputs at once, in place of what is there. */
static void take(torvyn_output_t *outs, size_t count) {
  torvyn_element_t e = element("x");
  for (size_t i = 0; i < count; i++) OK(torvyn_process(instance, &e, &outs[i], &err));
}

typedef struct {
  torvyn_output_t *outs;
  size_t count;
} burst_t;

static void *release(void *burst) {
  burst_t *b = burst;
  for (size_t i = 0; i < b->count; i++) torvyn_output_release(&b->outs[i]);
  return NULL;
}

/* What stays of a burst, released by one thread or by four, in KiB. */
static long stays(size_t threads) {
  burst_t bursts[4];
  pthread_t all[4];
  size_t count = BURST / size / threads;
  long before = resident();
  for (size_t i = 0; i < threads; i++) {
    bursts[i].outs = calloc(bursts[i].count = count, sizeof *bursts[i].outs);
    CHECK(bursts[i].outs != NULL);
    take(bursts[i].outs, count);
  }
  CHECK(resident() - before > BURST / 1024 - SLACK);
  if (threads == 1) release(bursts);
  for (size_t i = 0; threads > 1 && i < threads; i++) CHECK(pthread_create(&all[i], NULL, release, &bursts[i]) == 0);
  for (size_t i = 0; threads > 1 && i < threads; i++) CHECK(pthread_join(all[i], NULL) == 0);
  for (size_t i = 0; i < threads; i++) free(bursts[i].outs);
  return resident() - before;
}

static void check(uint64_t bound) {
  static const size_t sizes[] = {16 << 20, 1 << 20, 64 << 10};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t threads = i == 1 ? 4 : 1;
    long kept;
    torvyn_engine_free(engine_keeping(1)); /* what was kept before is let go of */
    torvyn_engine_free(engine_keeping(bound));
    size = sizes[i];
    kept = stays(threads);
    printf("    %zu KiB each, %zu threads: %ld KiB stay\n", size >> 10, threads, kept);
    CHECK(kept <= (long)(bound >> 10) + SLACK);
  }
}

/* Three at once, each of which grew from a small one, again and again: the system is not asked for more. */
static void used_again(void) {
  torvyn_output_t outs[3];
  burst_t burst = {outs, 3};
  long before = 0;
  part("what is kept is used again");
  torvyn_engine_free(engine_keeping(64 << 20));
  size = 16 << 20;
  for (int i = 0; i < 6; i++) {
    if (i == 1) before = faults();
    take(outs, 3);
    release(&burst);
  }
  CHECK(faults() - before < 100);
  part("what is not kept is had anew");
  torvyn_engine_free(engine_keeping(1));
  before = faults();
  take(outs, 3);
  release(&burst);
  CHECK(faults() - before > 100);
}

int main(int argc, char **argv) {
  torvyn_native_t table = {.struct_size = sizeof table, .process = process};
  torvyn_engine_t *engine;
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked;
  check_begin(argc, argv);
  engine = engine_with(NULL);
  OK(torvyn_component_native(engine, &table, &component, &err));
  linked = linked_once(component, NULL);
  instance = instance_of(linked, 1, NULL);

  part("by default 64 MiB stay");
  size = 1 << 20;
  CHECK(stays(1) <= (64 << 10) + SLACK);
  part("32 MiB stay");
  check(32 << 20);
  part("none stay");
  check(1);
  used_again();

  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  return check_end();
}
