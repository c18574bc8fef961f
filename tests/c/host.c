/* Host functions and calls by name: what a component imports from the program, and
 * exports outside of the contract. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

static torvyn_engine_t *engine;

static const char FACE[] = "acme:db/lookup@1.0.0", TYPE[] = "func(key: string) -> option<string>";

/* What the program's function does for a key; the calls are counted. */
typedef struct {
  int calls, ended;
  uint64_t id;
  torvyn_instance_t *instance;
} shop_t;

static bool lookup(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                   torvyn_value_t *result) {
  shop_t *shop = user;
  torvyn_str_t key;
  torvyn_value_t *found;
  char *text;
  CHECK(count == 1 && args[0].kind == TORVYN_KIND_STRING && result->kind == TORVYN_KIND_NONE && shop->ended == 0);
  key = args[0].of.string;
  shop->calls++;
  shop->id = torvyn_scope_component_id(scope);
  if (str_is(key, "fail")) {
    torvyn_scope_fail(scope, str("the shop is closed"));
    return false;
  }
  if (str_is(key, "silent")) return false;
  if (str_is(key, "nothing")) return true; /* no result, where there must be one */
  if (str_is(key, "wrong")) {
    result->kind = TORVYN_KIND_U32;
    return true;
  }
  if (str_is(key, "kind")) {
    result->kind = (torvyn_kind_t)77;
    return true;
  }
  if (str_is(key, "busy")) {
    torvyn_element_t e = element("x");
    torvyn_output_t out;
    CHECK(torvyn_process(shop->instance, &e, &out, NULL) == TORVYN_ERROR_BUSY);
    CHECK(torvyn_instance_reset(shop->instance, NULL) == TORVYN_ERROR_BUSY);
    CHECK(torvyn_instance_state(shop->instance) == TORVYN_STATE_READY);
  }
  result->kind = TORVYN_KIND_OPTION;
  if (str_is(key, "none")) return true;
  found = torvyn_scope_alloc(scope, sizeof *found);
  text = torvyn_scope_alloc(scope, key.len + 6);
  CHECK(found != NULL && text != NULL && (uintptr_t)found % sizeof(void *) == 0);
  CHECK(found->kind == TORVYN_KIND_NONE && text[key.len + 5] == 0); /* zeroed */
  memcpy(text, "has: ", 5);
  if (key.len) memcpy(text + 5, key.data, key.len);
  if (str_is(key, "utf8")) text[0] = '\xff';
  found->kind = TORVYN_KIND_STRING;
  found->of.string.data = text;
  found->of.string.len = key.len + 5;
  result->of.option = found;
  return true;
}

static void end(void *user) { ((shop_t *)user)->ended++; }

static torvyn_imports_t *imports_with(shop_t *shop, const char *face, const char *type) {
  torvyn_imports_t *imports = NULL;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str(face), str("get"), str(type), lookup, shop, end, &err));
  return imports;
}

static void functions(void) {
  static const struct {
    const char *key;
    int status;
    const char *says;
  } failures[] = {{"fail", TORVYN_ERROR_HOST_FUNCTION, "the shop is closed"},
                  {"silent", TORVYN_ERROR_HOST_FUNCTION, ""},
                  {"nothing", TORVYN_ERROR_HOST_FUNCTION, ""},
                  {"wrong", TORVYN_ERROR_HOST_FUNCTION, ""},
                  {"kind", TORVYN_ERROR_HOST_FUNCTION, ""},
                  {"utf8", TORVYN_ERROR_HOST_FUNCTION, ""}};
  shop_t shop = {0, 0, 0, NULL};
  torvyn_imports_t *imports = imports_with(&shop, FACE, TYPE);
  torvyn_component_t *importer = component_of(engine, "importer");
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;

  part("host functions: called, and answered");
  OK(torvyn_linked_new(importer, imports, &linked, &err));
  CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL && torvyn_linked_path_reason(linked).len > 0);
  torvyn_imports_free(imports);
  shop.instance = instance = instance_of(linked, 99, NULL);
  emits(instance, "key", "has: key");
  emits(instance, "", "has: ");
  emits(instance, "busy", "has: busy");
  gives(instance, "none", TORVYN_NOTHING_EMITTED);
  CHECK(shop.calls == 4 && shop.id == 99);

  part("host functions: that fail");
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
    torvyn_element_t e = element(failures[i].key);
    torvyn_output_t out = stale_output();
    check_doing = failures[i].key;
    EXPECT_TEXT(failures[i].status, failures[i].says, torvyn_process(instance, &e, &out, &err));
    CHECK(is_clear(&out) && torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
    OK(torvyn_instance_reset(instance, &err));
    emits(instance, "again", "has: again");
  }

  part("host functions: the finalizer");
  torvyn_component_free(importer);
  torvyn_linked_free(linked);
  emits(instance, "late", "has: late");
  CHECK(shop.ended == 0);
  torvyn_instance_free(instance);
  CHECK(shop.ended == 1);
}

static void definitions(void) {
  static const char *const bad[] = {"", "func", "func(", "func(key string)", "func() ->", "string", "func(a: u33) -> ",
                                    "func(a: option<) -> u8", "func(a: u8,, b: u8)", "func(a: u8) -> u8 and more"};
  /* What the library itself provides. */
  static const char *const ours[] = {"torvyn:streaming/types@0.1.0", "torvyn:streaming/types@0.1.9",
                                     "torvyn:streaming/types", "torvyn:streaming/buffer-allocator@0.1.0",
                                     "torvyn:capabilities/capability-query@0.1.0", "wasi:cli/stdin@0.2.0",
                                     "wasi:cli/stdin@0.2.99", "wasi:io/poll@0.2.3", "wasi:http/types@0.2.0"};
  static const struct {
    const char *face, *type;
    int status;
  } links[] = {{"acme:db/lookup@1.0.0", "func(k: string) -> option<string>", TORVYN_OK},
               {"acme:db/lookup@1.3.0", "func(key: string) -> option<string>", TORVYN_OK},
               {"acme:db/lookup@2.0.0", "func(key: string) -> option<string>", TORVYN_ERROR_UNRESOLVED_IMPORT},
               {"acme:db/lookout@1.0.0", "func(key: string) -> option<string>", TORVYN_ERROR_UNRESOLVED_IMPORT},
               {"acme:db/lookup@1.0.0", "func(key: string) -> string", TORVYN_ERROR_TYPE_MISMATCH},
               {"acme:db/lookup@1.0.0", "func(key: string, more: u8) -> option<string>", TORVYN_ERROR_TYPE_MISMATCH},
               {"acme:db/lookup@1.0.0", "func()", TORVYN_ERROR_TYPE_MISMATCH}};
  torvyn_component_t *importer = component_of(engine, "importer");
  shop_t shop = {0, 0, 0, NULL}, second = {0, 0, 0, NULL};
  torvyn_imports_t *imports = imports_with(&shop, FACE, TYPE);
  torvyn_linked_t *linked;

  part("definitions: signatures that are none");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int ended = second.ended;
    check_doing = bad[i];
    EXPECT(TORVYN_ERROR_ARGUMENT,
           torvyn_imports_define(imports, str(FACE), str("get"), str(bad[i]), lookup, &second, end, &err));
    CHECK(second.ended == ended + 1);
  }
  {
    /* Deep enough to exhaust a stack that trusts it. */
    size_t depth = 200000;
    char *deep = malloc(depth * 7 + 100);
    strcpy(deep, "func(a: ");
    for (size_t i = 0; i < depth; i++) memcpy(deep + 8 + i * 7, "option<", 7);
    deep[8 + depth * 7] = '\0';
    EXPECT(TORVYN_ERROR_ARGUMENT,
           torvyn_imports_define(imports, str(FACE), str("get"), str(deep), lookup, &second, end, &err));
    free(deep);
  }
  EXPECT(TORVYN_ERROR_UTF8, torvyn_imports_define(imports, str("\xff"), str("f"), str("func()"), lookup, NULL, NULL, &err));
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    check_doing = ours[i];
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "itself provides",
                torvyn_imports_define(imports, str(ours[i]), str("f"), str("func()"), lookup, NULL, NULL, &err));
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "itself provides",
                torvyn_imports_define_resource(imports, str(ours[i]), str("r"), NULL, NULL, NULL, &err));
  }
  CHECK(shop.ended == 0);
  OK(torvyn_imports_define(imports, str(FACE), str("get"), str(TYPE), lookup, &second, NULL, &err));
  CHECK(shop.ended == 1); /* another of the same name took its place */
  torvyn_imports_free(imports);

  part("definitions: versions and types when linking");
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    shop_t own = {0, 0, 0, NULL};
    imports = imports_with(&own, links[i].face, links[i].type);
    linked = STALE;
    check_doing = links[i].type;
    EXPECT(links[i].status, torvyn_linked_new(importer, imports, &linked, &err));
    CHECK((linked != NULL) == (links[i].status == TORVYN_OK));
    torvyn_imports_free(imports);
    torvyn_linked_free(linked);
    CHECK(own.ended == 1);
  }
  torvyn_component_free(importer);
}

/* A lifecycle, which makes a component of what has functions of its own: the imports, what is in the
 * core module $m, and the exports of its instance $i. */
/* A component with functions of its own besides a role. */
static const char TEXT[] =
    "(component\n"
    TYPES
    "  (core module $m " CORE
    "    (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))\n"
    "    (func (export \"length\") (param i32 i32) (result i32) (local.get 1))\n"
    "    (func (export \"many\") (param i32) (result i32)\n"
    "      (drop (memory.grow (i32.const 100))) (i32.store (i32.const 68) (local.get 0))\n"
    "      (i32.store (i32.const 64) (i32.const 1024)) (i32.const 64))\n"
    "    (func (export \"trap\") unreachable))\n"
    "  (core instance $i (instantiate $m))\n"
    LIFE
    "  (func $add (param \"a\" u32) (param \"b\" u32) (result u32) (canon lift (core func $i \"add\")))\n"
    "  (func $length (param \"s\" (list u8)) (result u32)\n"
    "    (canon lift (core func $i \"length\") (memory $memory) (realloc (core func $i \"realloc\"))))\n"
    "  (func $many (param \"n\" u32) (result (list u16)) (canon lift (core func $i \"many\") (memory $memory)))\n"
    "  (func $raw (param \"n\" u32) (result (list u8)) (canon lift (core func $i \"many\") (memory $memory)))\n"
    "  (func $trap (canon lift (core func $i \"trap\")))\n"
    "  (instance $math (export \"add\" (func $add)) (export \"length\" (func $length))\n"
    "    (export \"many\" (func $many)) (export \"raw\" (func $raw)))\n"
    "  (export \"acme:tools/math@1.0.0\" (instance $math))\n"
    "  (export \"trap\" (func $trap)))\n";

static void calls(void) {
  torvyn_engine_t *forced = engine_on(TORVYN_PATH_DIRECT);
  torvyn_component_t *component;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;
  torvyn_values_t *values = STALE;
  torvyn_value_t args[2] = {{.kind = TORVYN_KIND_U32}, {.kind = TORVYN_KIND_U32}};
  torvyn_str_t math = str("acme:tools/math@1.0.0");

  part("calls outside of the contract");
  component = component_from(engine, TEXT);
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  CHECK(torvyn_component_path(component) == TORVYN_PATH_GENERAL && torvyn_linked_path(linked) == TORVYN_PATH_GENERAL);
  CHECK(strstr(torvyn_linked_path_reason(linked).data, "none of the contract's") != NULL);
  instance = instance_of(linked, 7, NULL);
  args[0].of.uint = 40, args[1].of.uint = 2;
  OK(torvyn_call(instance, math, str("add"), args, 2, &values, &err));
  CHECK(torvyn_values_count(values) == 1 && torvyn_values_get(values, 1) == NULL);
  CHECK(torvyn_values_get(values, 0)->kind == TORVYN_KIND_U32 && torvyn_values_get(values, 0)->of.uint == 42);
  torvyn_values_free(values);
  args[0].kind = TORVYN_KIND_BYTES;
  args[0].of.bytes.data = (const uint8_t *)"12345";
  args[0].of.bytes.len = 5;
  OK(torvyn_call(instance, math, str("length"), args, 1, &values, &err));
  CHECK(torvyn_values_get(values, 0)->of.uint == 5);
  torvyn_values_free(values);

  part("calls outside of the contract: values beyond 128 MiB");
  args[1] = args[0];
  args[0].kind = TORVYN_KIND_U32;
  args[0].of.uint = 1 << 20;
  OK(torvyn_call(instance, math, str("many"), args, 1, &values, &err));
  CHECK(torvyn_values_get(values, 0)->kind == TORVYN_KIND_LIST && torvyn_values_get(values, 0)->of.values.len == 1 << 20);
  torvyn_values_free(values);
  args[0].of.uint = 6 << 20;
  OK(torvyn_call(instance, math, str("raw"), args, 1, &values, &err));
  CHECK(torvyn_values_get(values, 0)->kind == TORVYN_KIND_BYTES && torvyn_values_get(values, 0)->of.bytes.len == 6 << 20);
  torvyn_values_free(values);
  OK(torvyn_instance_reset(instance, &err)); /* each of these grows its memory */
  args[0].of.uint = 2 << 20;
  EXPECT_TEXT(TORVYN_ERROR_MEMORY, "128 MiB", torvyn_call(instance, math, str("many"), args, 1, &values, &err));
  OK(torvyn_instance_reset(instance, &err));
  args[0] = args[1];

  part("calls outside of the contract: one that is refused is none, and leaves a cancel to the next");
  {
    torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(instance);
    torvyn_stats_t before = stats_of(instance), after;
    torvyn_cancel(cancel);
    EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_call(instance, math, str("sub"), NULL, 0, &values, &err));
    EXPECT(TORVYN_ERROR_TYPE_MISMATCH, torvyn_call(instance, math, str("length"), NULL, 0, &values, &err));
    EXPECT(TORVYN_ERROR_CANCELLED, torvyn_call(instance, math, str("length"), args, 1, &values, &err));
    after = stats_of(instance);
    CHECK(after.calls == before.calls && after.refused == before.refused + 3 && after.cancels == before.cancels + 1);
    OK(torvyn_call(instance, math, str("length"), args, 1, &values, &err));
    torvyn_values_free(values);
    CHECK(stats_of(instance).calls == before.calls + 1);
    torvyn_cancel_free(cancel);
  }

  part("calls outside of the contract: versions");
  {
    static const struct {
      const char *name;
      int status;
    } names[] = {{"acme:tools/math@1.0.0", TORVYN_OK}, {"acme:tools/math@1.2.3", TORVYN_OK},
                 {"acme:tools/math", TORVYN_ERROR_NOT_EXPORTED}, {"acme:tools/math@2.0.0", TORVYN_ERROR_NOT_EXPORTED},
                 {"acme:tools/math@1.0.0-rc.1", TORVYN_ERROR_NOT_EXPORTED}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      check_doing = names[i].name;
      EXPECT(names[i].status, torvyn_call(instance, str(names[i].name), str("length"), args, 1, &values, &err));
      torvyn_values_free(values);
    }
  }

  part("calls outside of the contract: those within it have their own");
  {
    static const char *const lives[] = {"torvyn:streaming/lifecycle@0.1.0", "torvyn:streaming/lifecycle@0.1.9",
                                        "torvyn:streaming/lifecycle", "torvyn:filtering/router@0.1.0"};
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++)
      EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "contract",
                  torvyn_call(instance, str(lives[i]), str("teardown"), NULL, 0, &values, &err));
  }

  part("calls outside of the contract: a list<u8> may be given one by one");
  {
    torvyn_value_t bytes[3] = {{.kind = TORVYN_KIND_U8}, {.kind = TORVYN_KIND_U8}, {.kind = TORVYN_KIND_U8}};
    torvyn_value_t list = {.kind = TORVYN_KIND_LIST};
    list.of.values.data = bytes, list.of.values.len = 3;
    OK(torvyn_call(instance, math, str("length"), &list, 1, &values, &err));
    CHECK(torvyn_values_get(values, 0)->of.uint == 3);
    torvyn_values_free(values);
    bytes[2].kind = TORVYN_KIND_U16;
    EXPECT_TEXT(TORVYN_ERROR_TYPE_MISMATCH, "math@1.0.0#length: `args[0]`, its parameter s: ",
                torvyn_call(instance, math, str("length"), &list, 1, &values, &err));
    bytes[2].of.uint = 65536;
    EXPECT_TEXT(TORVYN_ERROR_ARGUMENT, "length: `args[0]`: ",
                torvyn_call(instance, math, str("length"), &list, 1, &values, &err));
  }

  part("calls outside of the contract: misuse");
  values = STALE;
  EXPECT(TORVYN_ERROR_TYPE_MISMATCH, torvyn_call(instance, math, str("add"), args, 2, &values, &err));
  CHECK(values == NULL);
  EXPECT(TORVYN_ERROR_TYPE_MISMATCH, torvyn_call(instance, math, str("add"), args, 1, &values, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_call(instance, math, str("sub"), NULL, 0, &values, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_call(instance, str("a:b/c"), str("add"), NULL, 0, &values, &err));
  EXPECT(TORVYN_ERROR_UTF8, torvyn_call(instance, str("\xff"), str("add"), NULL, 0, &values, &err));
  args[0].kind = (torvyn_kind_t)-3;
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_call(instance, math, str("length"), args, 1, &values, &err));
  args[0].kind = TORVYN_KIND_BYTES;
  args[0].of.bytes.data = NULL;
  EXPECT(TORVYN_ERROR_NULL, torvyn_call(instance, math, str("length"), args, 1, &values, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_call(instance, math, str("add"), args, SIZE_MAX, &values, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
  EXPECT(TORVYN_ERROR_TRAP, torvyn_call(instance, str(""), str("trap"), NULL, 0, &values, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  args[0].kind = TORVYN_KIND_U32;
  EXPECT(TORVYN_ERROR_STATE, torvyn_call(instance, math, str("add"), args, 2, &values, &err));
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_component_free(component);

  component = component_from(forced, TEXT);
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  instance = instance_of(linked, 7, NULL);
  EXPECT(TORVYN_ERROR_UNSUPPORTED, torvyn_call(instance, math, str("add"), args, 2, &values, &err));
  OK(torvyn_init(instance, str(""), &err));
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_component_free(component);
  torvyn_engine_free(forced);
}

/* ---- interfaces that the library could be thought to provide -------------------- */

static bool count_call(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                       torvyn_value_t *result) {
  (void)scope, (void)args, (void)result;
  CHECK(count == 0);
  ++*(int *)user;
  return true;
}

static void others(void) {
  static const char *const faces[] = {"wasi:logging/logging@0.1.0-draft", "wasi:keyvalue/store@0.2.0-draft",
                                      "wasi:keyvalue/store@0.2.0",        "wasi:config/store@0.2.0-rc.1",
                                      "wasi:cli/stdin@0.3.0",             "torvyn:extra/thing@0.1.0",
                                      "torvyn:streaming/extra@0.1.0",     "torvyn:streaming/types@0.2.0",
                                      "acme:h/sha-256@1.0.0"};
  part("host functions: of any interface that the library does not provide");
  for (size_t i = 0; i < sizeof faces / sizeof *faces; i++) {
    torvyn_component_t *component;
    torvyn_imports_t *imports = NULL;
    torvyn_linked_t *linked = STALE;
    torvyn_values_t *values = NULL;
    torvyn_instance_t *instance;
    char text[4096];
    int called = 0;
    check_doing = faces[i];
    snprintf(text, sizeof text,
             "(component " TYPES "(import \"%s\" (instance $x (export \"f\" (func))))"
             "(core func $f (canon lower (func $x \"f\")))"
             "(core module $m (import \"\" \"f\" (func $f)) " CORE "(func (export \"work\") (call $f)))"
             "(core instance $i (instantiate $m (with \"\" (instance (export \"f\" (func $f))))))" LIFE
             "(func (export \"work\") (canon lift (core func $i \"work\"))))",
             faces[i]);
    component = component_from(engine, text);
    EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, faces[i], torvyn_linked_new(component, NULL, &linked, &err));
    OK(torvyn_imports_new(engine, &imports, &err));
    OK(torvyn_imports_define(imports, str(faces[i]), str("f"), str("func()"), count_call, &called, NULL, &err));
    OK(torvyn_linked_new(component, imports, &linked, &err));
    instance = instance_of(linked, 1, NULL);
    OK(torvyn_call(instance, str(""), str("work"), NULL, 0, &values, &err));
    CHECK(called == 1);
    torvyn_values_free(values);
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
    torvyn_imports_free(imports);
    torvyn_component_free(component);
  }
}

/* ---- resources ----------------------------------------------------------------------- */

/* `back` gives the program's resource back, `pair` one of its own beside it, which C cannot have. */
static const char OWNS[] =
    "(component\n"
    TYPES
    "  (import \"acme:db/files@1.0.0\" (instance $files (export \"file\" (type (sub resource)))))\n"
    "  (alias export $files \"file\" (type $file))\n"
    "  (type $own (resource (rep i32)))\n"
    "  (export $exported \"own\" (type $own))\n"
    "  (core func $new (canon resource.new $own))\n"
    "  (core module $m (import \"\" \"new\" (func $new (param i32) (result i32))) " CORE
    "    (func (export \"back\") (param i32) (result i32) (local.get 0))\n"
    "    (func (export \"pair\") (param i32) (result i32)\n"
    "      (i32.store (i32.const 64) (local.get 0))\n"
    "      (i32.store (i32.const 68) (call $new (i32.const 5))) (i32.const 64)))\n"
    "  (core instance $i (instantiate $m (with \"\" (instance (export \"new\" (func $new))))))\n"
    LIFE
    "  (func (export \"back\") (param \"f\" (own $file)) (result (own $file)) (canon lift (core func $i \"back\")))\n"
    "  (func (export \"pair\") (param \"f\" (own $file)) (result (tuple (own $file) (own $exported)))\n"
    "    (canon lift (core func $i \"pair\") (memory $memory))))\n";

static int files_ended[4];

static void end_file(void *user, uint32_t file) {
  (void)user;
  CHECK(file < 4);
  files_ended[file]++;
}

static void resources(void) {
  torvyn_component_t *component;
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_values_t *values = NULL;
  torvyn_value_t file = {.kind = TORVYN_KIND_OWN};
  torvyn_instance_t *instance;

  part("resources: what a result holds that C cannot have is ended, not lost");
  component = component_from(engine, OWNS);
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define_resource(imports, str("acme:db/files@1.0.0"), str("file"), end_file, NULL, NULL, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  instance = instance_of(linked, 1, NULL);
  file.of.resource = 1;
  OK(torvyn_call(instance, str(""), str("back"), &file, 1, &values, &err));
  CHECK(torvyn_values_get(values, 0)->kind == TORVYN_KIND_OWN && torvyn_values_get(values, 0)->of.resource == 1);
  torvyn_values_free(values);
  file.of.resource = 2;
  EXPECT_TEXT(TORVYN_ERROR_TRAP, "the result", torvyn_call(instance, str(""), str("pair"), &file, 1, &values, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED && files_ended[2] == 0);
  OK(torvyn_instance_reset(instance, &err));
  CHECK(files_ended[1] == 0 && files_ended[2] == 1);
  file.kind = TORVYN_KIND_BORROW;
  file.of.resource = 3;
  EXPECT(TORVYN_ERROR_TYPE_MISMATCH, torvyn_call(instance, str(""), str("pair"), &file, 1, &values, &err));
  torvyn_instance_free(instance);
  CHECK(files_ended[1] == 0 && files_ended[2] == 1 && files_ended[3] == 0);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
}

/* ---- time ------------------------------------------------------------------------ */

/* `work` has the host wait, and then goes on for ever. */
static const char WAITS[] =
    "(component\n"
    TYPES
    "  (import \"acme:tools/time@1.0.0\" (instance $time (export \"wait\" (func))))\n"
    "  (core func $wait (canon lower (func $time \"wait\")))\n"
    "  (core module $m (import \"\" \"wait\" (func $wait)) " CORE
    "    (func (export \"work\") (call $wait) (loop (br 0))))\n"
    "  (core instance $i (instantiate $m (with \"\" (instance (export \"wait\" (func $wait))))))\n"
    LIFE
    "  (func (export \"work\") (canon lift (core func $i \"work\"))))\n";

static bool wait_a_while(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                         torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  sleep_ms(150);
  return true;
}

static void times(void) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 200 * MS};
  torvyn_component_t *component;
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked = NULL;
  torvyn_values_t *values = NULL;
  torvyn_instance_t *instance;
  uint64_t least = UINT64_MAX;

  part("host functions: what they take is the call's time");
  component = component_from(engine, WAITS);
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str("acme:tools/time@1.0.0"), str("wait"), str("func()"), wait_a_while, NULL, NULL,
                           &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  instance = instance_of(linked, 1, &options);
  for (int i = 0; i < 3; i++) { /* the least, since others may want the processor */
    uint64_t took = now_ns();
    EXPECT(TORVYN_ERROR_DEADLINE, torvyn_call(instance, str(""), str("work"), NULL, 0, &values, &err));
    took = now_ns() - took;
    CHECK(took >= 200 * MS);
    least = took < least ? took : least;
    OK(torvyn_instance_reset(instance, &err));
  }
  printf("    asked for 200 ms, took %.2f\n", (double)least / 1e6);
  CHECK(least < 300 * MS || check_slow() > 1);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
}

/* ---- start functions --------------------------------------------------------------- */

/* One that takes some ticks. */
static const char STARTS[] =
    "(component\n"
    TYPES
    "  (core module $m " CORE
    "    (func $start (local $i i32) (loop (br_if 0 (i32.lt_u\n"
    "      (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000000)))))\n"
    "    (start $start))\n"
    "  (core instance $i (instantiate $m))\n"
    LIFE
    ")\n";

static void starts(void) {
  torvyn_component_t *component;
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;
  torvyn_cancel_t *cancel;

  part("start functions: a cancel that waits for the next call does not stop one");
  component = component_from(engine, STARTS);
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  instance = instance_of(linked, 1, NULL);
  cancel = torvyn_instance_cancel_handle(instance);
  torvyn_cancel(cancel);
  OK(torvyn_instance_reset(instance, &err));
  EXPECT(TORVYN_ERROR_CANCELLED, torvyn_init(instance, str(""), &err));
  OK(torvyn_init(instance, str(""), &err));
  torvyn_cancel_free(cancel);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_component_free(component);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  functions();
  definitions();
  calls();
  others();
  resources();
  times();
  starts();
  torvyn_engine_free(engine);
  return check_end();
}
