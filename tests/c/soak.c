/* Soak: what is made and freed again and again leaves nothing behind: no memory, no
 * address space, no file, no thread. TORVYN_SOAK is the number of instances of the
 * longest loop: 2000 where it is not set, 100000 for a long run. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

#include <dirent.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* What the process holds. */
typedef struct {
  long resident, address_space; /* KiB */
  long maps, files, threads;
} held_t;

static long entries(const char *path) {
  DIR *directory = opendir(path);
  long n = 0;
  CHECK(directory != NULL);
  while (readdir(directory)) n++;
  closedir(directory);
  return n;
}

static held_t held(void) {
  held_t h = {0, 0, 0, 0, 0};
  FILE *file = fopen("/proc/self/statm", "r");
  long page = sysconf(_SC_PAGESIZE) / 1024;
  int c;
  CHECK(file != NULL && fscanf(file, "%ld %ld", &h.address_space, &h.resident) == 2);
  fclose(file);
  h.resident *= page, h.address_space *= page;
  file = fopen("/proc/self/maps", "r");
  CHECK(file != NULL);
  while ((c = getc(file)) != EOF) h.maps += c == '\n';
  fclose(file);
  h.files = entries("/proc/self/fd");
  h.threads = entries("/proc/self/task");
  return h;
}

/* Runs `once` so many times, the first fifth to warm up; `slack` KiB may stay. */
static void flat(const char *name, unsigned times, long slack, void (*once)(unsigned)) {
  held_t from = held(), to;
  part(name);
  for (unsigned i = 0; i < times; i++) {
    if (i == times / 5) from = held();
    once(i);
  }
  to = held();
  for (int i = 0; i < 200 && to.threads > from.threads; i++, to = held()) sleep_ms(5); /* compilers end by and by */
  printf("    %u times: %+ld KiB resident, %+ld KiB of address space, %+ld maps, %+ld files, %+ld threads\n", times,
         to.resident - from.resident, to.address_space - from.address_space, to.maps - from.maps,
         to.files - from.files, to.threads - from.threads);
  CHECK(to.files <= from.files && to.threads <= from.threads);
  if (check_slow() > 1) return; /* under a tool that keeps memory of its own */
  CHECK(to.resident - from.resident <= slack);
  CHECK(to.address_space - from.address_space <= slack + 4096);
  CHECK(to.maps - from.maps <= 16);
}

static torvyn_engine_t *engine;
static torvyn_linked_t *upper, *misbehave, *aggregator;
static torvyn_component_t *component;
static torvyn_instance_t *lasting;

static void use(torvyn_linked_t *linked, const char *payload, int status) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 1000 * MS * check_slow()};
  torvyn_instance_t *instance;
  torvyn_flow_t flow = {.deadline_ns = 3 * MS};
  torvyn_element_t e = element(payload);
  torvyn_output_t out;
  torvyn_error_t *err = NULL;
  instance = instance_of(linked, 1, &options);
  if (status == TORVYN_ERROR_DEADLINE) e.flow = &flow;
  CHECK(torvyn_init(instance, str(""), NULL) == TORVYN_OK);
  CHECK((int)torvyn_process(instance, &e, &out, &err) == status);
  torvyn_output_release(&out);
  torvyn_error_free(err);
  torvyn_teardown(instance, NULL);
  torvyn_instance_free(instance);
}

static void an_instance(unsigned i) {
  (void)i;
  use(upper, "some text", TORVYN_OK);
}

/* Instances that end badly, with something in their hands. */
static void a_bad_instance(unsigned i) {
  static const struct {
    const char *command;
    int status;
  } ways[] = {{"trap", TORVYN_ERROR_TRAP},       {"stack", TORVYN_ERROR_TRAP},
              {"leak", TORVYN_ERROR_TRAP},       {"fatal", TORVYN_ERROR_FATAL},
              {"loop", TORVYN_ERROR_DEADLINE},   {"alloc", TORVYN_ERROR_MEMORY},
              {"hold-many", TORVYN_NOTHING_EMITTED}, {"hold-frozen", TORVYN_OK},
              {"emit-mutable", TORVYN_ERROR_TRAP},   {"post-trap", TORVYN_ERROR_TRAP},
              {"utf8", TORVYN_ERROR_TRAP},       {"errutf8", TORVYN_ERROR_TRAP}};
  size_t k = i % (sizeof ways / sizeof *ways);
  use(misbehave, ways[k].command, ways[k].status);
}

static void a_reset(unsigned i) {
  static const char *const ways[] = {"trap", "echo:x", "hold", "emit-foreign", "fatal"};
  torvyn_element_t e = element(ways[i % 5]);
  torvyn_output_t out;
  torvyn_process(lasting, &e, &out, NULL);
  torvyn_output_release(&out);
  OK(torvyn_instance_reset(lasting, &err));
  OK(torvyn_init(lasting, str(""), &err));
}

/* Calls of one instance that lives on. */
static void a_call(unsigned i) {
  static const char *const ways[] = {"echo:some text", "invalid", "drop", "meta", "unavailable", "partial"};
  torvyn_element_t e = element(ways[i % 6]);
  torvyn_output_t out;
  torvyn_error_t *err = NULL;
  torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(lasting);
  torvyn_process(lasting, &e, &out, &err);
  torvyn_error_free(err);
  torvyn_output_release(&out);
  if (i % 10 == 0) {
    torvyn_cancel(cancel);
    CHECK(torvyn_process(lasting, &e, &out, NULL) == TORVYN_ERROR_CANCELLED);
  }
  torvyn_cancel_free(cancel);
}

/* Lists of which some outputs are taken and some not; buffers of each size. */
static void a_list(unsigned i) {
  static char text[3 << 20];
  torvyn_instance_t *instance = instance_of(aggregator, 1, NULL);
  torvyn_outputs_t *list = NULL;
  torvyn_element_t e = {.payload = {(uint8_t *)text, i % 50 ? 100u << i % 8 : sizeof text}};
  torvyn_output_t out;
  OK(torvyn_init(instance, str("9 split"), &err));
  for (int k = 0; k < 3; k++) EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(instance, &e, &out, &err));
  OK(torvyn_flush(instance, &list, &err));
  OK(torvyn_outputs_take(list, i % 3, &out, &err));
  torvyn_instance_free(instance);
  torvyn_outputs_free(list);
  CHECK(out.bytes.len == e.payload.len);
  torvyn_output_release(&out);
}

static void a_link(unsigned i) {
  torvyn_linked_t *linked = NULL;
  torvyn_imports_t *imports = NULL;
  (void)i;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  torvyn_imports_free(imports);
  use(linked, "text", TORVYN_OK);
  torvyn_linked_free(linked);
}

static void an_artifact(unsigned i) {
  torvyn_linked_t *linked = linked_once(reloaded(engine, component), NULL);
  (void)i;
  use(linked, "text", TORVYN_OK);
  torvyn_linked_free(linked);
}

/* A whole life: engine, component, instance, and the clock's thread. */
static void an_engine(unsigned i) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = (torvyn_path_t)(i % 3)};
  torvyn_engine_t *own = engine_with(&config);
  torvyn_linked_t *linked = linked_of(own, "raw-result");
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  e.sequence = i % 2 ? 256 : 512;
  CHECK(torvyn_process(instance, &e, &out, NULL) == (i % 2 ? TORVYN_NOTHING_EMITTED : TORVYN_ERROR_TRAP));
  torvyn_engine_free(own);
  torvyn_linked_free(linked);
  torvyn_instance_free(instance);
}

static void a_failure(unsigned i) {
  static const char *const files[] = {"empty.wasm", "core-module.wasm", "norole.wasm", "README.md", "none.wasm"};
  torvyn_component_t *c = NULL;
  torvyn_error_t *err = NULL;
  CHECK(torvyn_component_compile_file(engine, guest_path(files[i % 5]), &c, &err) < 0);
  torvyn_error_free(err);
}

/* Engines that stay, each of which compiled a large function, of a component that is freed. */
enum { STAY = 6 };
static torvyn_engine_t *stay[STAY];

static void an_engine_that_compiled(unsigned i) {
  text_t text = {0};
  torvyn_component_t *large;
  add(&text, "(component\n" TYPES "  (core module $m " CORE "(func $f (param i32) (result i32) (local i32 i32 i32 i32)\n");
  for (unsigned n = 0; n < 1200; n++)
    add(&text, "(local.set %u (i32.add (i32.mul (local.get %u) (i32.const %u)) (i32.load (local.get %u))))\n"
               "(if (local.get %u) (then (local.set %u (call $f (local.get 0)))))\n",
        n % 4 + 1, n * 3 % 4 + 1, n, n * 7 % 4 + 1, n % 4 + 1, n * 5 % 4 + 1);
  add(&text, "(local.get 1)))\n  (core instance $i (instantiate $m))\n" LIFE ")");
  stay[i] = engine_on(TORVYN_PATH_AUTO);
  large = compiled(stay[i], &text);
  torvyn_component_free(large);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

int main(int argc, char **argv) {
  const char *said = getenv("TORVYN_SOAK");
  unsigned many = said ? (unsigned)strtoul(said, NULL, 10) : 2000 / check_slow();
  unsigned few = many < 2000 ? many : 2000; /* what takes longer */
  check_begin(argc, argv);
  if (said) alarm(0);
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1); /* else a thread may get another 64 MiB of address space at any time */
#endif
  for (int path = TORVYN_PATH_DIRECT; path <= TORVYN_PATH_GENERAL; path++) {
    engine = engine_on((torvyn_path_t)path);
    component = component_of(engine, "upper-case");
    OK(torvyn_linked_new(component, NULL, &upper, &err));
    misbehave = linked_of(engine, "misbehave");
    aggregator = linked_of(engine, "batch-aggregator");
    lasting = instance_of(misbehave, 1, NULL);
    OK(torvyn_init(lasting, str(""), &err));
    printf("%s path\n", path == TORVYN_PATH_DIRECT ? "direct" : "general");
    flat("instances", many, 768, an_instance);
    flat("instances that end badly", few / 2, 768, a_bad_instance);
    flat("resets", few / 2, 768, a_reset);
    flat("calls", few * 5, 768, a_call);
    flat("lists of outputs", few / 4, 768, a_list);
    flat("linked components", few / 4, 768, a_link);
    flat("artifacts", few / 20, 1024, an_artifact);
    flat("components that do not compile", few / 2, 768, a_failure);
    torvyn_instance_free(lasting);
    torvyn_linked_free(upper);
    torvyn_linked_free(misbehave);
    torvyn_linked_free(aggregator);
    torvyn_component_free(component);
    torvyn_engine_free(engine);
  }
  flat("engines", few / 20 + 5, 1536, an_engine);
  flat("engines that stay, without what they compiled", STAY, STAY * 1024, an_engine_that_compiled);
  for (int i = 0; i < STAY; i++) torvyn_engine_free(stay[i]);
  return check_end();
}
