/* Address space and memory mappings of the process: how much an instance takes, that a memory which moves
 * keeps what it holds, and that mappings are left to the program. */
#define _GNU_SOURCE
#include "check.h"
#include "wat.h"

#include <pthread.h>
#include <sys/mman.h>

enum { SOME = 100 };

static long number_in(const char *path, const char *format) {
  char line[256];
  long number = -1;
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  while (number < 0 && fgets(line, sizeof line, file)) sscanf(line, format, &number);
  fclose(file);
  CHECK(number >= 0);
  return number;
}

static long address_space(void) { return number_in("/proc/self/status", "VmSize: %ld"); } /* KiB */
static long most_mappings(void) { return number_in("/proc/sys/vm/max_map_count", "%ld"); }

static long mappings(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  long n = 0;
  int c;
  CHECK(file != NULL);
  while ((c = fgetc(file)) != EOF) n += c == '\n';
  fclose(file);
  return n;
}

/* ---- address space ------------------------------------------------------------ */

/* An instance reserves what it was told to. */
static void reservations(void) {
  static const struct {
    uint64_t reservation;
    torvyn_switch_t explicit_traps;
    long least, most; /* MiB for an instance */
  } cases[] = {
      {1, TORVYN_OFF, 0, 3},       {65536, TORVYN_OFF, 0, 3},     {MIB, TORVYN_OFF, 1, 3},    {64 * MIB, TORVYN_OFF, 64, 67},
      {0, TORVYN_OFF, 4096, 4200}, {0, TORVYN_ON, 0, 3},          {64 * MIB, TORVYN_ON, 0, 3},
  };
  part("address space of an instance");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config,
                                     .memory_reservation = cases[i].reservation,
                                     .explicit_traps = cases[i].explicit_traps,
                                     .parallel_compilation = TORVYN_OFF};
    torvyn_engine_t *engine = engine_with(&config);
    torvyn_linked_t *linked = linked_of(engine, "upper-case");
    torvyn_instance_t *instances[SOME];
    instances[0] = instance_of(linked, 1, NULL);
    OK(torvyn_init(instances[0], str(""), &err)); /* by now the clock has its thread, with all that it takes */
    long before = address_space(), each;
    for (int n = 1; n < SOME; n++) instances[n] = instance_of(linked, 1, NULL);
    each = (address_space() - before) / (SOME - 1) / 1024;
    CHECK(cases[i].least <= each && each <= cases[i].most);
    for (int n = 0; n < SOME; n++) torvyn_instance_free(instances[n]);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
}

/* Grows by a page for each byte that `init` is given, marks each page, and looks for the marks at the end:
 * -1 is unreachable. */
#define GROWS                                                                                      \
  "(component\n" TYPES "  (core module $m (memory (export \"memory\") 1)\n" REALLOC TEARDOWN       \
  "    (func (export \"init\") (param i32 i32) (result i32) (local i32)\n"                         \
  "      (loop $more\n"                                                                            \
  "        (local.set 2 (memory.grow (i32.const 1)))\n"                                            \
  "        (if (i32.eq (local.get 2) (i32.const -1)) (then unreachable))\n"                        \
  "        (i32.store (i32.mul (local.get 2) (i32.const 65536)) (local.get 2))\n"                  \
  "        (br_if $more (i32.lt_u (local.get 2) (local.get 1))))\n"                                \
  "      (loop $look\n"                                                                            \
  "        (if (i32.ne (i32.load (i32.mul (local.get 2) (i32.const 65536))) (local.get 2))\n"      \
  "          (then unreachable))\n"                                                                \
  "        (local.set 2 (i32.sub (local.get 2) (i32.const 1)))\n"                                  \
  "        (br_if $look (local.get 2)))\n"                                                         \
  "      i32.const 0))\n"                                                                          \
  "  (core instance $i (instantiate $m))\n" LIFE ")"

/* A memory that moves as it grows, a page at a time: nothing is lost, and it is not copied each time. */
static void growth(torvyn_switch_t explicit_traps) {
  enum { PAGES = 2000 };
  torvyn_engine_config_t config = {.struct_size = sizeof config,
                                   .memory_reservation = 1,
                                   .memory_limit = 1 << 30,
                                   .explicit_traps = explicit_traps};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_linked_t *linked = linked_once(component_from(engine, GROWS), NULL);
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_str_t bytes = {calloc(PAGES, 1), PAGES};
  long before = address_space();
  uint64_t used = used_ns();
  OK(torvyn_init(instance, bytes, &err));
  CHECK(memory_of(instance).linear > (uint64_t)PAGES * PAGE);
  CHECK(address_space() - before < (PAGES + 2 * (1 << 14) / 16) * (PAGE / 1024));
  CHECK(used_ns() - used < 2000 * MS * check_slow());
  free((void *)(uintptr_t)bytes.data);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

/* ---- mappings ------------------------------------------------------------------ */

/* Takes mappings until so many are left. */
static void leave_mappings(long left) {
  long page = sysconf(_SC_PAGESIZE), more = most_mappings() - mappings() - left;
  char *at = mmap(NULL, (size_t)(more * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(more > 0 && at != MAP_FAILED);
  for (long n = 1; n < more; n += 2) CHECK(mprotect(at + n * page, (size_t)page, PROT_READ) == 0);
}

static void *nothing(void *unused) { return unused; }

/* The program has what it needs: a thread, much memory. */
static void goes_on(void) {
  pthread_t thread;
  void *much = malloc(64 << 20);
  CHECK(much != NULL && pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
  free(much);
}

enum { MANY = 4000 };
static torvyn_instance_t *many[MANY];

/* Makes instances until there is no room for more; gives their number. */
static int fill(const torvyn_linked_t *linked) {
  int n = 0;
  torvyn_error_t *err = NULL;
  while (n < MANY && torvyn_instance_new(linked, (uint64_t)n, NULL, &many[n], &err) == TORVYN_OK) n++;
  CHECK(n < MANY && torvyn_error_status(err) == TORVYN_ERROR_INSTANTIATION);
  CHECK(strstr(torvyn_error_message(err).data, "vm.max_map_count") != NULL && !torvyn_error_is_fatal(err));
  torvyn_error_free(err);
  return n;
}

/* The program took almost all before the library looked, or after: instances are refused while there is
 * room for the program, and can be had again once others are freed. */
static void near_the_limit(int looked) {
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_linked_t *linked;
  torvyn_component_t *component = STALE;
  long most = most_mappings();
  int n;
  if (!looked) leave_mappings(most / 8 + 500);
  linked = linked_of(engine, "upper-case");
  torvyn_instance_free(instance_of(linked, 1, NULL));
  if (looked) leave_mappings(most / 8 + 500);
  n = fill(linked);
  printf("  %d instances, %ld of %ld mappings\n", n, mappings(), most);
  CHECK(looked || (n > 90 && n < 200));
  CHECK(most - mappings() > most / 20);
  goes_on();
  emits(many[n - 1], "abc", "ABC");
  if (!looked)
    EXPECT_TEXT(TORVYN_ERROR_INTERNAL, "vm.max_map_count",
                torvyn_component_compile_file(engine, guest_path("even-filter.wasm"), &component, &err));
  OK(torvyn_instance_reset(many[0], &err));
  for (int i = 0; i < n; i++) torvyn_instance_free(many[i]);
  CHECK(looked || fill(linked) >= n - 5);
}

static void limit(void) { near_the_limit(0); }
static void limit_after_a_look(void) { near_the_limit(1); }

/* What was given back is the program's to take. */
static void given_back(void) {
  enum { INSTANCES = 3000 };
  torvyn_engine_t *engine = engine_with(NULL);
  torvyn_linked_t *linked = linked_of(engine, "upper-case");
  for (int i = 0; i < INSTANCES; i++) many[i] = instance_of(linked, 1, NULL);
  for (int i = 0; i < INSTANCES; i++) torvyn_instance_free(many[i]);
  leave_mappings(most_mappings() / 8 + 500);
  CHECK(fill(linked) < INSTANCES);
  CHECK(most_mappings() - mappings() > most_mappings() / 20);
  goes_on();
}

/* A pool is refused that would take more, with what has room; what has is had and given back. */
static void pools(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .memory_limit = MIB, .memory_reservation = MIB};
  torvyn_engine_t *engine = STALE;
  torvyn_error_t *err = NULL;
  unsigned room = 0;
  const char *said;
  leave_mappings(most_mappings() / 8 + 1000);
  config.pool_instances = 2000;
  CHECK(torvyn_engine_new(&config, &engine, &err) == TORVYN_ERROR_CONFIG && engine == NULL);
  said = torvyn_error_message(err).data;
  CHECK(strstr(said, "`pool_instances`") != NULL && strstr(said, "vm.max_map_count") != NULL);
  said = strstr(said, "fewer slots, for ");
  CHECK(said != NULL && sscanf(said, "fewer slots, for %u of", &room) == 1 && room > 100 && room < 200);
  torvyn_error_free(err);
  for (int again = 0; again < 5; again++) {
    torvyn_linked_t *linked;
    int n = 0;
    config.pool_instances = room - 10;
    config.parallel_compilation = TORVYN_OFF;
    OK(torvyn_engine_new(&config, &engine, &err));
    goes_on();
    torvyn_engine_free(engine);
    config.pool_instances = room / 2;
    engine = engine_with(&config);
    linked = linked_of(engine, "upper-case");
    for (n = 0; n < (int)room / 2; n++) many[n] = instance_of(linked, 1, NULL);
    goes_on();
    for (int i = 0; i < n; i++) torvyn_instance_free(many[i]);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  /* First, since a child knows what its parent counted. */
  if (most_mappings() <= 1 << 18) {
    in_child("mappings: the program has almost all", limit);
    in_child("mappings: the program takes what was given back", given_back);
    in_child("mappings: the program takes almost all", limit_after_a_look);
    in_child("mappings: pools", pools);
  } else {
    printf("skipped: to take nearly all of %ld mappings takes long\n", most_mappings());
  }
  reservations();
  part("growth that moves");
  growth(TORVYN_OFF);
  part("growth that moves, explicit traps");
  growth(TORVYN_ON);
  return check_end();
}
