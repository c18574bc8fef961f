/* A component that does nothing but call the program: in a straight line there is no place of its own
 * where it could be stopped. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

enum { CALLS = 600 };

static torvyn_engine_t *engine;
static torvyn_cancel_t *cancel;
static unsigned called, ended[CALLS];

static bool work(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)result;
  CHECK(count == 0);
  sleep_ms(1);
  if (++called == 3 && cancel) torvyn_cancel(cancel);
  return true;
}

static void end(void *user, uint32_t resource) {
  (void)user;
  CHECK(resource < CALLS);
  ended[resource]++;
  sleep_ms(1);
}

/* `work` calls the program so often; `drops` lets go of as many resources, whose handles are 1 and so on. */
static torvyn_linked_t *linked(void) {
  text_t text = {0};
  torvyn_imports_t *imports = NULL;
  add(&text, "(component " TYPES "(import \"host\" (instance $h (export \"r\" (type (sub resource)))"
             "  (export \"work\" (func)))) (alias export $h \"r\" (type $r))"
             "(core func $work (canon lower (func $h \"work\"))) (core func $drop (canon resource.drop $r))"
             "(core module $m (import \"\" \"work\" (func $work)) (import \"\" \"drop\" (func $drop (param i32))) " CORE
             "(func (export \"work\")");
  for (int i = 0; i < CALLS; i++) add(&text, " (call $work)");
  add(&text, ") (func (export \"drops\") (param i32 i32)");
  for (int i = 0; i < CALLS; i++) add(&text, " (call $drop (i32.const %d))", i + 1);
  add(&text, "))"
             "(core instance $i (instantiate $m (with \"\" (instance (export \"work\" (func $work))"
             "  (export \"drop\" (func $drop))))))" LIFE
             "(func (export \"work\") (canon lift (core func $i \"work\")))"
             "(func (export \"drops\") (param \"all\" (list (own $r))) (canon lift (core func $i \"drops\")"
             "  (memory $memory) (realloc (core func $i \"realloc\")))))");
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str("host"), str("work"), str("func()"), work, NULL, NULL, &err));
  OK(torvyn_imports_define_resource(imports, str("host"), str("r"), end, NULL, NULL, &err));
  return linked_from(engine, &text, imports);
}

int main(int argc, char **argv) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 20 * MS};
  torvyn_value_t *owned = calloc(CALLS, sizeof *owned), list = {.kind = TORVYN_KIND_LIST};
  torvyn_values_t *values = NULL;
  torvyn_instance_t *instance;
  torvyn_linked_t *made;
  uint64_t least[2] = {UINT64_MAX, UINT64_MAX};
  int rounds = 0;

  check_begin(argc, argv);
  CHECK(owned != NULL);
  for (uint32_t i = 0; i < CALLS; i++) owned[i].kind = TORVYN_KIND_OWN, owned[i].of.resource = i;
  list.of.values.data = owned, list.of.values.len = CALLS;
  engine = engine_with(NULL);
  made = linked();
  instance = instance_of(made, 1, &options);

  part("straight lines: host functions and destructors look at the time");
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3 && least[i] >= 60 * MS; j++) { /* the least, since others may want the processor */
      uint64_t took = now_ns();
      EXPECT(TORVYN_ERROR_DEADLINE,
             torvyn_call(instance, str(""), str(i ? "drops" : "work"), i ? &list : NULL, (size_t)i, &values, &err));
      took = now_ns() - took;
      least[i] = took < least[i] ? took : least[i];
      CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED && called < CALLS);
      rounds += i;
      /* What it was not let go of ends with the instance: each once, for each time. */
      OK(torvyn_instance_reset(instance, &err));
      for (int k = 0; i && k < CALLS; k++) CHECK(ended[k] == (unsigned)rounds);
      called = 0;
    }
  printf("    asked for 20 ms, took %.1f and %.1f\n", (double)least[0] / 1e6, (double)least[1] / 1e6);
  CHECK((least[0] < 60 * MS && least[1] < 60 * MS) || check_slow() > 1);
  torvyn_instance_free(instance);

  part("straight lines: a cancel ends them before the next call");
  options.timeout_ns = 20000 * MS;
  instance = instance_of(made, 1, &options);
  cancel = torvyn_instance_cancel_handle(instance);
  EXPECT(TORVYN_ERROR_CANCELLED, torvyn_call(instance, str(""), str("work"), NULL, 0, &values, &err));
  CHECK(called == 3);
  torvyn_cancel_free(cancel);
  torvyn_instance_free(instance);

  torvyn_linked_free(made);
  torvyn_engine_free(engine);
  free(owned);
  return check_end();
}
