/* Names of imports and exports: whatever a component may call them, a program may define and call; and
 * a resource has more than one name where somebody gave it a second. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

static torvyn_engine_t *engine;

static int ended[8];

static void end_one(void *user, uint32_t resource) {
  (void)user;
  CHECK(resource < 8);
  ended[resource]++;
}

static bool make_three(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                       torvyn_value_t *result) {
  (void)user, (void)scope, (void)args;
  CHECK(count == 0);
  result->kind = TORVYN_KIND_OWN;
  result->of.resource = 3;
  return true;
}

static bool get_forty(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                      torvyn_value_t *result) {
  (void)user, (void)scope;
  CHECK(count == 1 && args[0].kind == TORVYN_KIND_BORROW && args[0].of.resource == 3);
  result->kind = TORVYN_KIND_U32;
  result->of.uint = 40;
  return true;
}

static bool answer(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                   torvyn_value_t *result) {
  (void)user, (void)scope, (void)args;
  CHECK(count == 0);
  result->kind = TORVYN_KIND_U32;
  result->of.uint = 42;
  return true;
}

static void define(torvyn_imports_t *imports, const char *interface, const char *name, const char *type,
                   torvyn_function_t function) {
  check_doing = interface;
  OK(torvyn_imports_define(imports, str(interface), str(name), str(type), function, NULL, NULL, &err));
}

static void define_resource(torvyn_imports_t *imports, const char *interface, const char *name) {
  check_doing = interface;
  OK(torvyn_imports_define_resource(imports, str(interface), str(name), end_one, NULL, NULL, &err));
}

/* What `function` of the exported `interface` gives. */
static uint64_t calls(torvyn_instance_t *instance, const char *interface, const char *function) {
  torvyn_values_t *values = NULL;
  uint64_t got;
  OK(torvyn_call(instance, str(interface), str(function), NULL, 0, &values, &err));
  CHECK(torvyn_values_count(values) == 1 && torvyn_values_get(values, 0)->kind == TORVYN_KIND_U32);
  got = torvyn_values_get(values, 0)->of.uint;
  torvyn_values_free(values);
  return got;
}

static torvyn_instance_t *linked(const torvyn_engine_t *on, const char *text, const torvyn_imports_t *imports,
                                 torvyn_path_t path) {
  torvyn_linked_t *made = linked_once(component_from(on, text), imports);
  torvyn_instance_t *instance;
  CHECK(torvyn_linked_path(made) == path);
  instance = instance_of(made, 1, NULL);
  torvyn_linked_free(made);
  return instance;
}

/* ---- plain names and others ----------------------------------------------------------- */

static void interfaces(void) {
  static const char *const names[] = {"host",
                                      "my-host-2",
                                      "acme:db/lookup",
                                      "acme:db/lookup@0.2.0-rc.1+b.7",
                                      "url=<https://example.com/host.wasm>",
                                      "locked-dep=<acme:host@1.0.0>",
                                      "unlocked-dep=<acme:host@{>=1.0.0}>",
                                      "integrity=<sha256-MV8h7RXKF0fSWlpdzZhEwEzcBVTPoh17PPeZzmUF0EQ=>"};
  part("names: of interfaces");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    /* One that says where something comes from is no export's, and no name is there twice. */
    static const char *const exports[] = {"tools", "my-tools", "acme:db/tools", "acme:db/tools@0.2.0-rc.1+b.7"};
    const char *export = exports[i % 4];
    char text[4096];
    torvyn_imports_t *imports = NULL;
    torvyn_component_t *component;
    torvyn_linked_t *none = STALE;
    torvyn_instance_t *instance;
    check_doing = names[i];
    snprintf(text, sizeof text,
             "(component " TYPES "(import \"%s\" (instance $h (export \"f\" (func (result u32)))))"
             "(core func $f (canon lower (func $h \"f\")))"
             "(core module $m (import \"\" \"f\" (func $f (result i32))) " CORE
             "  (func (export \"g\") (result i32) (call $f)))"
             "(core instance $i (instantiate $m (with \"\" (instance (export \"f\" (func $f))))))" LIFE
             "(func $g (result u32) (canon lift (core func $i \"g\"))) (instance $x (export \"f\" (func $g)))"
             "(export \"%s\" (instance $x)))",
             names[i], export);
    component = component_from(engine, text);
    EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, names[i], torvyn_linked_new(component, NULL, &none, &err));
    torvyn_component_free(component);
    OK(torvyn_imports_new(engine, &imports, &err));
    define(imports, names[i], "f", "func() -> u32", answer);
    instance = linked(engine, text, imports, TORVYN_PATH_GENERAL);
    CHECK(calls(instance, export, "f") == 42);
    torvyn_instance_free(instance);
    torvyn_imports_free(imports);
  }
}

static void bad_names(void) {
  static const struct {
    const char *interface, *name;
  } bad[] = {{"Host_", "f"},   {"a:b", "f"},     {"a:b/", "f"},      {"[method]r.f", "f"}, {"url=x", "f"},
             {"host@", "f"},   {"host", "f f"},  {"host", "a:b/c"},  {"host", "[method]f"}, {"host", ""},
             {"host", "url=<x>"}, {" host", "f"}, {"host", "[constructor]a.b"}};
  torvyn_imports_t *imports = NULL;
  part("names: that are none");
  OK(torvyn_imports_new(engine, &imports, &err));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    check_doing = bad[i].interface;
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "is no name of",
                torvyn_imports_define(imports, str(bad[i].interface), str(bad[i].name), str("func()"), answer, NULL,
                                      NULL, &err));
  }
  torvyn_imports_free(imports);
}

/* ---- resources ---------------------------------------------------------------------------- */

/* What such a component does with a resource, by whatever names: makes one, asks it, lets it go. */
#define USES(file, make, get) \
  "(core func $make (canon lower " make "))" \
  "(core func $get (canon lower " get "))" \
  "(core func $drop (canon resource.drop " file "))" \
  "(core module $m (import \"\" \"make\" (func $make (result i32))) (import \"\" \"get\" (func $get (param i32) (result i32)))" \
  "  (import \"\" \"drop\" (func $drop (param i32))) " CORE \
  "  (func (export \"go\") (result i32) (local $r i32) (local $n i32) (local.set $r (call $make))" \
  "    (local.set $n (call $get (local.get $r))) (call $drop (local.get $r)) (local.get $n)))" \
  "(core instance $i (instantiate $m (with \"\" (instance (export \"make\" (func $make)) (export \"get\" (func $get))" \
  "  (export \"drop\" (func $drop))))))" LIFE \
  "(func (export \"go\") (result u32) (canon lift (core func $i \"go\"))))"

static const char SECOND[] = /* a second name, in an interface of a world */
    "(component " TYPES
    "(import \"host\" (instance $h (export \"r1\" (type $r1 (sub resource))) (export \"r2\" (type $r2 (eq $r1)))"
    "  (export \"make\" (func (result (own $r2))))"
    "  (export \"[method]r1.get\" (func (param \"self\" (borrow $r1)) (result u32)))))"
    "(alias export $h \"r2\" (type $r))"
    USES("$r", "(func $h \"make\")", "(func $h \"[method]r1.get\")");

static const char USED[] = /* and in another interface, and in the world */
    "(component " TYPES
    "(import \"host\" (instance $h (export \"r1\" (type $r1 (sub resource)))"
    "  (export \"[method]r1.get\" (func (param \"self\" (borrow $r1)) (result u32)))))"
    "(alias export $h \"r1\" (type $r1))"
    "(import \"acme:makers/maker@1.0.0\" (instance $o (export \"thing\" (type $t (eq $r1)))"
    "  (export \"make\" (func (result (own $t))))))"
    "(import \"my-thing\" (type $r (eq $r1)))"
    USES("$r", "(func $o \"make\")", "(func $h \"[method]r1.get\")");

static const char WORLD[] = /* a resource of the world itself */
    "(component " TYPES
    "(import \"conn\" (type $c (sub resource)))"
    "(import \"conn-too\" (type $c2 (eq $c)))"
    "(import \"[constructor]conn\" (func $make (result (own $c))))"
    "(import \"[method]conn.get\" (func $get (param \"self\" (borrow $c)) (result u32)))"
    USES("$c2", "(func $make)", "(func $get)");

static void resources(void) {
  static const char *const makers[] = {"func() -> r2", "func() -> own<r1>"};
  torvyn_imports_t *imports = NULL;
  torvyn_instance_t *instance;
  torvyn_component_t *component;
  torvyn_linked_t *none = STALE;

  part("resources: a second name needs no definition, and signatures may say either");
  for (int i = 0; i < 2; i++) {
    OK(torvyn_imports_new(engine, &imports, &err));
    define_resource(imports, "host", "r1");
    define(imports, "host", "make", makers[i], make_three);
    define(imports, "host", "[method]r1.get", "func(self: borrow<r1>) -> u32", get_forty);
    instance = linked(engine, SECOND, imports, TORVYN_PATH_GENERAL);
    CHECK(calls(instance, "", "go") == 40 && ended[3] == i + 1);
    torvyn_instance_free(instance);
    CHECK(ended[3] == i + 1);
    torvyn_imports_free(imports);
  }

  part("resources: the first name does");
  OK(torvyn_imports_new(engine, &imports, &err));
  define_resource(imports, "host", "r2");
  define(imports, "host", "make", "func() -> r2", make_three);
  define(imports, "host", "[method]r1.get", "func(self: borrow<r1>) -> u32", get_forty);
  component = component_from(engine, SECOND);
  EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, "host#r1", torvyn_linked_new(component, imports, &none, &err));
  torvyn_component_free(component);
  torvyn_imports_free(imports);

  part("resources: one that another interface and the world use");
  OK(torvyn_imports_new(engine, &imports, &err));
  define_resource(imports, "host", "r1");
  define(imports, "host", "[method]r1.get", "func(self: borrow<r1>) -> u32", get_forty);
  define(imports, "acme:makers/maker@1.0.0", "make", "func() -> thing", make_three);
  instance = linked(engine, USED, imports, TORVYN_PATH_GENERAL);
  CHECK(calls(instance, "", "go") == 40 && ended[3] == 3);
  torvyn_instance_free(instance);
  torvyn_imports_free(imports);

  part("resources: of the world itself");
  component = component_from(engine, WORLD);
  EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, "conn", torvyn_linked_new(component, NULL, &none, &err));
  OK(torvyn_imports_new(engine, &imports, &err));
  define(imports, "", "[constructor]conn", "func() -> conn", make_three);
  define(imports, "", "[method]conn.get", "func(self: borrow<conn>) -> u32", get_forty);
  EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, "conn", torvyn_linked_new(component, imports, &none, &err));
  define_resource(imports, "", "conn");
  torvyn_component_free(component);
  instance = linked(engine, WORLD, imports, TORVYN_PATH_GENERAL);
  CHECK(calls(instance, "", "go") == 40 && ended[3] == 4);
  torvyn_instance_free(instance);
  torvyn_imports_free(imports);
}

/* The contract's, by second names in its own interface and in the world; `%s` is what else there is. */
static const char CONTRACTS[] =
    "(component"
    "  (import \"torvyn:streaming/types@0.1.0\" (instance $types"
    "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)"
    "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))"
    "    (export \"process-error\" (type (eq $e))) (export \"buffer\" (type $b (sub resource)))"
    "    (export \"buf\" (type $b2 (eq $b)))"
    "    (export \"[method]buffer.size\" (func (param \"self\" (borrow $b)) (result u64)))))"
    "  (alias export $types \"process-error\" (type $error)) (alias export $types \"buf\" (type $buf))"
    "  (import \"bytes\" (type $bytes (eq $buf)))"
    "  %s"
    "  (core func $size (canon lower (func $types \"[method]buffer.size\")))"
    "  (core func $drop (canon resource.drop $bytes))"
    "  (core module $m (import \"\" \"size\" (func (param i32) (result i64)))"
    "    (import \"\" \"drop\" (func (param i32))) " CORE ")"
    "  (core instance $i (instantiate $m (with \"\" (instance (export \"size\" (func $size))"
    "    (export \"drop\" (func $drop))))))" LIFE ")";

static void contracts(void) {
  torvyn_engine_t *general = engine_on(TORVYN_PATH_GENERAL);
  torvyn_imports_t *imports = NULL;
  torvyn_instance_t *instance;
  char text[8192];
  part("resources: second names of the contract's, on both paths");
  snprintf(text, sizeof text, CONTRACTS, "");
  instance = linked(engine, text, NULL, TORVYN_PATH_DIRECT);
  OK(torvyn_init(instance, str(""), &err));
  torvyn_instance_free(instance);
  instance = linked(general, text, NULL, TORVYN_PATH_GENERAL);
  OK(torvyn_init(instance, str(""), &err));
  torvyn_instance_free(instance);

  part("resources: an interface of the program's may use the contract's");
  snprintf(text, sizeof text, CONTRACTS,
           "(import \"acme:x/y@1.0.0\" (instance (export \"buffer\" (type (eq $buf))) (export \"f\" (func (result u32)))))");
  OK(torvyn_imports_new(engine, &imports, &err));
  define(imports, "acme:x/y@1.0.0", "f", "func() -> u32", answer);
  instance = linked(engine, text, imports, TORVYN_PATH_GENERAL);
  OK(torvyn_init(instance, str(""), &err));
  torvyn_instance_free(instance);
  torvyn_imports_free(imports);
  torvyn_engine_free(general);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  interfaces();
  bad_names();
  resources();
  contracts();
  torvyn_engine_free(engine);
  return check_end();
}
