/* An instance that is freed by a callback within its own call: the call goes on, the instance ends with
 * it, and what the call gave is there as the header says. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "contract.h"

static torvyn_engine_t *engine;
static torvyn_instance_t *instance; /* to be freed in its call */
static int ended;

static void free_it(void) {
  torvyn_instance_free(instance);
  instance = NULL;
}

/* What lies where was freed is not what it was. */
static void stir(void) {
  void *all[200];
  for (size_t i = 0; i < 200; i++) {
    all[i] = malloc(16 + i * 8);
    CHECK(all[i] != NULL);
    memset(all[i], 0xee, 16 + i * 8);
  }
  for (size_t i = 0; i < 200; i++) free(all[i]);
}

static int ports_are(torvyn_ports_t ports, const char *first, const char *second) {
  stir();
  return ports.len == 2 && str_is(ports.names[0], first) && str_is(ports.names[1], second);
}

/* ---- native components ---------------------------------------------------------------- */

static torvyn_instance_t *outer;

static torvyn_status_t route(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  torvyn_element_t next = element("inner");
  torvyn_ports_t ports;
  (void)user, (void)state;
  if (bytes_are(e->payload, "outer")) {
    /* Another one's call within this one. */
    OK(torvyn_route(instance, &next, &ports, &err));
    CHECK(instance == NULL && ports_are(ports, "inner", "more"));
    torvyn_instance_free(outer);
  } else if (!bytes_are(e->payload, "kept")) {
    free_it();
  }
  OK(torvyn_native_port(call, (torvyn_str_t){(const char *)e->payload.data, e->payload.len}, &err));
  OK(torvyn_native_port(call, str("more"), &err));
  return TORVYN_OK;
}

static torvyn_status_t process(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state;
  free_it();
  OK(torvyn_native_append(call, e->payload.data, e->payload.len, &err));
  OK(torvyn_native_emit(call, 1, 2, str("text/plain"), &err));
  return TORVYN_OK;
}

static torvyn_status_t ingest(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state, (void)e;
  free_it();
  return torvyn_native_fail(call, TORVYN_ERROR_FATAL, str("freed as well"));
}

static torvyn_status_t flush(void *user, void *state, torvyn_native_call_t *call) {
  (void)user, (void)state;
  free_it();
  for (int i = 0; i < 3; i++) OK(torvyn_native_emit(call, 1, 2, str("text/plain"), &err));
  return TORVYN_OK;
}

static torvyn_status_t begin(void *user, uint64_t id, void **state) {
  (void)user, (void)id, (void)state;
  return TORVYN_OK;
}

static void end(void *user, void *state) { (void)user, (void)state, ended++; }

static void native(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .instance_new = begin, .instance_free = end, .process = process,
                           .route = route, .ingest = ingest, .flush = flush};
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked;
  torvyn_element_t e = element("first");
  torvyn_error_t *err = NULL;
  torvyn_output_t out;
  torvyn_outputs_t *outs;
  torvyn_ports_t ports, kept;
  OK(torvyn_component_native(engine, &table, &component, &err));
  linked = linked_once(component, NULL);

  part("native: names of ports");
  outer = instance_of(linked, 2, NULL);
  e = element("kept");
  OK(torvyn_route(outer, &e, &kept, &err));
  for (int i = 1; i <= 3; i++) {
    char name[] = "port 0";
    name[5] = (char)('0' + i);
    instance = instance_of(linked, 1, NULL);
    e = element(name);
    OK(torvyn_route(instance, &e, &ports, &err));
    CHECK(instance == NULL && ended == i && ports_are(ports, name, "more"));
    CHECK(ports_are(kept, "kept", "more")); /* of an instance that is there */
  }
  instance = instance_of(linked, 1, NULL);
  e = element("outer");
  OK(torvyn_route(outer, &e, &ports, &err));
  CHECK(ended == 5 && ports_are(ports, "outer", "more"));

  part("native: outputs, and an error");
  instance = instance_of(linked, 1, NULL);
  e = element("first");
  OK(torvyn_process(instance, &e, &out, &err));
  stir();
  CHECK(ended == 6 && bytes_are(out.bytes, "first") && str_is(out.content_type, "text/plain"));
  torvyn_output_release(&out);
  instance = instance_of(linked, 1, NULL);
  OK(torvyn_flush(instance, &outs, &err));
  CHECK(ended == 7 && torvyn_outputs_count(outs) == 3);
  torvyn_outputs_free(outs);
  instance = instance_of(linked, 1, NULL);
  CHECK(torvyn_ingest(instance, &e, &out, &err) == TORVYN_ERROR_FATAL && ended == 8);
  CHECK(str_is(torvyn_error_detail(err), "freed as well") && torvyn_error_is_fatal(err));
  torvyn_error_free(err);
  torvyn_linked_free(linked);
}

/* ---- host functions ------------------------------------------------------------------------ */

static bool called(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  free_it();
  return true;
}

static void host(void) {
  static const char TEXT[] = "(data (i32.const 512) \"left right\") (data (i32.const 528) \"\\00\\02\\00\\00\\04\\00\\00\\00\\05\\02\\00\\00\\05\\00\\00\\00\")"
                             "(data (i32.const 600) \"\\00\\00\\00\\00\\10\\02\\00\\00\\02\")";
  text_t text = {0};
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked;
  torvyn_element_t e = element("x");
  torvyn_ports_t ports;
  torvyn_values_t *values;
  const torvyn_value_t *value;
  part("a component that calls the program: names of ports, and values");
  ADD(&text, "(component\n", CONTRACT, "(import \"work\" (func $work'))\n", LIBC("2"), LOWERED,
      "(core func $work (canon lower (func $work')))\n"
      "(core module $m\n", IMPORTED, "(import \"more\" \"work\" (func $work))\n", TEXT,
      "(func (export \"route\") " ELEMENT " (call $work) (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5))\n"
      "  i32.const 600)\n"
      "(func (export \"named\") (result i32) (call $work) i32.const 528))\n"
      "(core instance $i (instantiate $m " WITH " (with \"more\" (instance (export \"work\" (func $work))))))\n", ROUTER,
      "(type $r (record (field \"one\" string) (field \"two\" string))) (export $r' \"r\" (type $r))\n"
      "(func (export \"named\") (result $r') (canon lift (core func $i \"named\") (memory $memory))))");
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str(""), str("work"), str("func()"), called, NULL, NULL, &err));
  linked = linked_from(engine, &text, imports);
  instance = instance_of(linked, 1, NULL);
  OK(torvyn_route(instance, &e, &ports, &err));
  CHECK(instance == NULL && ports_are(ports, "left", "right"));
  instance = instance_of(linked, 1, NULL);
  OK(torvyn_call(instance, str(""), str("named"), NULL, 0, &values, &err));
  torvyn_linked_free(linked);
  stir();
  value = torvyn_values_get(values, 0);
  CHECK(instance == NULL && value->kind == TORVYN_KIND_RECORD && str_is(value->of.fields.names[1], "two"));
  CHECK(str_is(value->of.fields.values[1].of.string, "right"));
  torvyn_values_free(values);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  native();
  host();
  torvyn_engine_free(engine);
  return check_end();
}
