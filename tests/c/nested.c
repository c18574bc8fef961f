/* Components that are called from a callback of another one's call, on whatever stack that
 * has: each call runs or is refused, and recursion without end is a trap. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

#include <pthread.h>

/* ---- the components ----------------------------------------------------------- */

#define FACE "acme:x/y@1.0.0"

/* A component with lifecycle: what it imports and lowers, what its core module imports, what
 * its init does with `$depth`, the length of its config, and what it is instantiated with. A
 * realloc for 7 bytes does not end. */
static const char TEXT[] =
    "(component\n"
    TYPES
    "  (core module $lib (memory (export \"memory\") 1)\n"
    "    (func $end (export \"end\") (call $end) (drop (i32.load (i32.const 0))))\n"
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)\n"
    "      (if (i32.eq (local.get 3) (i32.const 7)) (then (call $end))) i32.const 4096))\n"
    "  (core instance $l (instantiate $lib))\n"
    "  (alias core export $l \"memory\" (core memory $memory))\n"
    "  (alias core export $l \"realloc\" (core func $realloc))\n"
    "%s"
    "  (core module $m (import \"l\" \"memory\" (memory 1)) (import \"l\" \"end\" (func $end)) %s\n"
    "    (func $deep (param $depth i32)\n"
    "      (if (local.get $depth)\n"
    "        (then (call $deep (i32.sub (local.get $depth) (i32.const 1))))\n"
    "        (else %s))\n"
    "      (drop (i32.load (i32.const 0))))\n"
    "    (func (export \"init\") (param i32 i32) (result i32) (call $deep (local.get 1)) i32.const 0)\n"
    "    (func (export \"teardown\")))\n"
    "  (core instance $i (instantiate $m (with \"l\" (instance $l)) %s))\n"
    LIFE_WITH("(core func $l \"realloc\")") ")\n";

/* Calls `go`, which gives text. */
#define GO \
  "(import \"" FACE "\" (instance $y (export \"go\" (func (param \"n\" u32) (result string)))))\n" \
  "(alias export $y \"go\" (func $go'))\n" \
  "(core func $go (canon lower (func $go') (memory $memory) (realloc $realloc)))\n"
#define CALLS_GO "(import \"y\" \"go\" (func $go (param i32 i32)))"
#define GOES "(call $go (i32.const 1) (i32.const 2048))"
#define WITH_GO "(with \"y\" (instance (export \"go\" (func $go))))"

/* May wait. */
#define POLL \
  "(import \"wasi:io/poll@0.2.0\" (instance $p (export \"pollable\" (type $pl (sub resource)))\n" \
  "  (export \"[method]pollable.block\" (func (param \"self\" (borrow $pl))))))\n"

/* Takes a resource of the program's and lets go of it. */
#define THING \
  "(import \"" FACE "\" (instance $y (export \"r\" (type $r (sub resource)))\n" \
  "  (export \"get\" (func (result (own $r))))))\n" \
  "(alias export $y \"r\" (type $t)) (alias export $y \"get\" (func $get'))\n" \
  "(core func $get (canon lower (func $get'))) (core func $drop (canon resource.drop $t))\n"
#define CALLS_THING "(import \"y\" \"get\" (func $get (result i32))) (import \"y\" \"drop\" (func $drop (param i32)))"
#define DROPS "(call $drop (call $get))"
#define WITH_THING "(with \"y\" (instance (export \"get\" (func $get)) (export \"drop\" (func $drop))))"

typedef enum { INNER, SYNC, WAITS, LETS_GO } kind_t;

static torvyn_component_t *component_that(const torvyn_engine_t *engine, kind_t kind) {
  static const char *const parts[][4] = {{"", "", "(call $end)", ""},
                                         {GO, CALLS_GO, GOES, WITH_GO},
                                         {POLL GO, CALLS_GO, GOES, WITH_GO},
                                         {POLL THING, CALLS_THING, DROPS, WITH_THING}};
  const char *const *with = parts[kind];
  static char text[8192];
  int len = snprintf(text, sizeof text, TEXT, with[0], with[1], with[2], with[3]);
  CHECK(len > 0 && (size_t)len < sizeof text);
  return component_from(engine, text);
}

/* ---- what a callback calls ------------------------------------------------------ */

/* An instance and what comes of its init in a callback. */
typedef struct target {
  torvyn_instance_t *instance;
  size_t depth;
  const char *text; /* what `go` gives then */
  int calls, status;
} target_t;

/* A config of this length; freed by the caller. */
static torvyn_str_t config_of(size_t len) {
  char *text = malloc(len + 1);
  torvyn_str_t config = {text, len};
  CHECK(text != NULL);
  memset(text, 'x', len);
  return config;
}

static int init(torvyn_instance_t *instance, size_t depth) {
  torvyn_str_t config = config_of(depth);
  torvyn_error_t *err = NULL;
  int status = torvyn_init(instance, config, &err);
  if (status == TORVYN_ERROR_INTERNAL) {
    torvyn_str_t message = torvyn_error_message(err);
    CHECK(strstr(message.data, "guest_stack") != NULL);
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
  }
  torvyn_error_free(err);
  free((void *)(uintptr_t)config.data);
  return status;
}

static void hit(target_t *target) {
  target->calls++;
  target->status = init(target->instance, target->depth);
  if (target->status == TORVYN_ERROR_TRAP) OK(torvyn_instance_reset(target->instance, &err));
}

static bool go(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  target_t *target = user;
  (void)scope;
  CHECK(count == 1 && args[0].kind == TORVYN_KIND_U32);
  if (target->instance) hit(target);
  else target->calls++;
  result->kind = TORVYN_KIND_STRING;
  result->of.string = str(target->text);
  return true;
}

static bool get(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args;
  CHECK(count == 0);
  result->kind = TORVYN_KIND_OWN;
  result->of.resource = 5;
  return true;
}

static void gone(void *user, uint32_t resource) {
  CHECK(resource == 5);
  hit(user);
}

/* An instance of its own engine's, whose callbacks hit `target`. */
static torvyn_instance_t *made(const torvyn_engine_t *engine, kind_t kind, target_t *target) {
  torvyn_component_t *component = component_that(engine, kind);
  torvyn_imports_t *imports = STALE;
  torvyn_linked_t *linked = STALE;
  torvyn_instance_t *instance;
  OK(torvyn_imports_new(engine, &imports, &err));
  if (kind == LETS_GO) {
    OK(torvyn_imports_define(imports, str(FACE), str("get"), str("func() -> r"), get, NULL, NULL, &err));
    OK(torvyn_imports_define_resource(imports, str(FACE), str("r"), gone, target, NULL, &err));
  } else if (kind != INNER) {
    OK(torvyn_imports_define(imports, str(FACE), str("go"), str("func(n: u32) -> string"), go, target, NULL, &err));
  }
  OK(torvyn_linked_new(component, imports, &linked, &err));
  instance = instance_of(linked, 1, NULL);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
  return instance;
}

/* The deepest that an instance goes within its stack; `target` counts its callbacks. */
static size_t deepest(torvyn_instance_t *instance, target_t *target, uint64_t guest_stack) {
  target_t was = *target;
  size_t depth = guest_stack / 16;
  int status;
  *target = (target_t){.text = ""};
  do {
    depth -= depth / 64 + 1;
    status = init(instance, depth);
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_TRAP);
    OK(torvyn_instance_reset(instance, &err));
  } while (status != TORVYN_OK);
  CHECK(target->calls >= 1 && depth > guest_stack / 128);
  *target = was;
  return depth;
}

static torvyn_engine_t *engine_of(uint64_t guest_stack) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .guest_stack = guest_stack};
  return engine_with(&config);
}

/* ---- calls ------------------------------------------------------------------------ */

static const uint64_t stacks[] = {16 << 10, 512 << 10, 1100 << 10, 6 << 20};

enum { STACKS = sizeof stacks / sizeof *stacks };

/* From a component that waits, of an instance with as much stack: always. */
static void same_stack(void) {
  for (int i = 0; i < STACKS; i++) {
    torvyn_engine_t *engine = engine_of(i == 1 ? 0 : stacks[i]);
    target_t target = {.text = "xxx"};
    torvyn_instance_t *outer = made(engine, WAITS, &target);
    size_t depths[] = {1, deepest(outer, &target, stacks[i])};
    target.instance = made(engine, INNER, NULL);
    for (int d = 0; d < 2; d++) {
      CHECK(init(outer, depths[d]) == TORVYN_OK);
      CHECK(target.calls == d + 1 && target.status == TORVYN_ERROR_TRAP);
      OK(torvyn_instance_reset(outer, &err));
    }
    torvyn_instance_free(outer);
    torvyn_instance_free(target.instance);
    torvyn_engine_free(engine);
  }
}

static void *make_large(void *engine) { return made(engine, INNER, NULL); }

/* An instance of an engine's with 16 MiB of `guest_stack`, made where these are. */
static torvyn_instance_t *large_of(torvyn_engine_t *engine) {
  pthread_attr_t attributes;
  pthread_t thread;
  void *instance = NULL;
  CHECK(pthread_attr_init(&attributes) == 0);
  CHECK(pthread_attr_setstacksize(&attributes, 20 << 20) == 0);
  CHECK(pthread_create(&thread, &attributes, make_large, engine) == 0);
  CHECK(pthread_join(thread, &instance) == 0);
  pthread_attr_destroy(&attributes);
  return instance;
}

/* From one that waits, of an instance with more stack than is there: refused. */
static void more_stack(void) {
  for (int i = 0; i < STACKS; i++)
    for (int kind = WAITS; kind <= LETS_GO; kind++) {
      torvyn_engine_t *engine = engine_of(stacks[i]), *large = engine_of(16 << 20);
      target_t target = {.text = "xxx"};
      torvyn_instance_t *outer = made(engine, kind, &target);
      size_t depths[] = {1, kind == WAITS ? deepest(outer, &target, stacks[i]) : 2};
      target.instance = large_of(large);
      for (int d = 0; d < 2; d++) {
        CHECK(init(outer, depths[d]) == TORVYN_OK);
        CHECK(target.calls == d + 1 && target.status == TORVYN_ERROR_INTERNAL);
        OK(torvyn_instance_reset(outer, &err));
      }
      torvyn_instance_free(outer);
      torvyn_instance_free(target.instance);
      torvyn_engine_free(engine);
      torvyn_engine_free(large);
    }
}

/* By way of a third, which waits and has a stack of its own, or does not. */
static void third(void) {
  for (int i = 0; i < STACKS; i++)
    for (int kind = SYNC; kind <= WAITS; kind++) {
      torvyn_engine_t *engine = engine_of(stacks[i]);
      target_t far = {.text = "xxx"}, near = {.text = "xxx"};
      torvyn_instance_t *outer = made(engine, WAITS, &near);
      size_t depth = deepest(outer, &near, stacks[i]);
      near.instance = made(engine, kind, &far);
      near.depth = deepest(near.instance, &far, stacks[i]);
      far.instance = made(engine, INNER, NULL);
      for (int round = 0; round < 2; round++) {
        CHECK(init(outer, depth) == TORVYN_OK);
        CHECK(near.calls == round + 1 && far.calls == round + 1 && near.status == TORVYN_OK);
        CHECK(far.status == (kind == WAITS || i == 0 ? TORVYN_ERROR_TRAP : far.status));
        CHECK(far.status == TORVYN_ERROR_TRAP || far.status == TORVYN_ERROR_INTERNAL);
        CHECK(i < 3 || kind == WAITS || far.status == TORVYN_ERROR_INTERNAL);
        OK(torvyn_instance_reset(outer, &err));
        OK(torvyn_instance_reset(near.instance, &err));
      }
      torvyn_instance_free(outer);
      torvyn_instance_free(near.instance);
      torvyn_instance_free(far.instance);
      torvyn_engine_free(engine);
    }
}

/* What takes a callback's result goes on where the component was. */
static void taking(void) {
  for (int i = 0; i < STACKS; i++)
    for (int kind = SYNC; kind <= WAITS; kind++) {
      torvyn_engine_t *engine = engine_of(stacks[i]);
      target_t target = {.text = "xxx"};
      torvyn_instance_t *outer = made(engine, kind, &target);
      size_t depth = deepest(outer, &target, stacks[i]);
      target.text = "endless";
      CHECK(init(outer, depth) == TORVYN_ERROR_TRAP && target.calls == 1);
      torvyn_instance_free(outer);
      torvyn_engine_free(engine);
    }
}

static void write_(void *user, uint64_t id, torvyn_bytes_t bytes) {
  CHECK(id == 1 && bytes.len > 0);
  hit(user);
}

static void hear(void *user, const torvyn_log_line_t *line) {
  target_t *target = user;
  if (target->instance && line->level == TORVYN_LOG_WARN) hit(target); /* what the component says */
}

static void outputs(void) {
  target_t written = {0}, heard = {0};
  torvyn_engine_config_t config = {.struct_size = sizeof config, .log = hear, .log_user = &heard};
  torvyn_engine_t *engine = engine_with(&config), *large = engine_of(16 << 20);
  torvyn_component_t *component = component_of(engine, "wasi-stdio");
  torvyn_imports_t *imports = STALE;
  torvyn_linked_t *linked = STALE;
  torvyn_instance_t *outer;
  torvyn_str_t none = {0};
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, write_, &written, NULL, &err));
  OK(torvyn_linked_new(component, imports, &linked, &err));
  outer = instance_of(linked, 1, NULL);
  OK(torvyn_init(outer, none, &err));
  written.instance = large_of(large);
  heard.instance = large_of(large);
  emits(outer, "print:said", "");
  CHECK(written.calls == 1 && written.status == TORVYN_ERROR_INTERNAL && heard.calls == 0);
  emits(outer, "eprint:said\n", "");
  CHECK(written.calls == 1 && heard.calls == 1 && heard.status == TORVYN_ERROR_INTERNAL);
  torvyn_instance_free(outer);
  torvyn_instance_free(written.instance);
  torvyn_instance_free(heard.instance);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
  torvyn_engine_free(large);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  in_child("as much stack as the caller's", same_stack);
  in_child("more stack than there is", more_stack);
  in_child("by way of a third", third);
  in_child("memory for a result", taking);
  in_child("from what takes output and the log", outputs);
  return check_end();
}
