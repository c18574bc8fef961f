/* Components that are composed of others, as `wasm-tools compose` and `wac` make them: what they do,
 * that budgets hold in what passes values between them, and that a pool has room for them. */

#define _POSIX_C_SOURCE 200809L
#include "compose.h"

/* A processor around one around one: adds "abc". */
static void add_chain(text_t *text, unsigned inner) {
  ADD(text, "(component ", CONTRACT_STREAMING);
  add_stage(text, "first", 'a', inner);
  add_stage(text, "second", 'b', WRAPS | UTF16);
  add_stage(text, "third", 'c', WRAPS);
  add_use(text, "one", "first", NULL, "");
  add_use(text, "two", "second", "one", "");
  add_use(text, "three", "third", "two", "");
  add_end(text, "three");
}

/* One component twice, around itself: adds "abb". */
static void add_twice(text_t *text) {
  ADD(text, "(component ", CONTRACT_STREAMING);
  add_stage(text, "first", 'a', LATIN1);
  add_stage(text, "around", 'b', WRAPS);
  add_use(text, "one", "first", NULL, "");
  add_use(text, "two", "around", "one", "");
  add_use(text, "three", "around", "two", "");
  add_end(text, "three");
}

/* Composed of one that is composed of one that is: adds "abcd". */
static void add_deep(text_t *text) {
  static const char *const names[] = {"outer", "middle", "innermost"};
  ADD(text, "(component ", CONTRACT_STREAMING);
  for (int i = 1; i < 3; i++) {
    add(text, "(component $%s ", names[i]);
    ADD(text, CONTRACT_STREAMING);
  }
  add_stage(text, "first", 'a', PLAIN);
  add_stage(text, "second", 'b', WRAPS);
  add_use(text, "one", "first", NULL, "");
  add_use(text, "two", "second", "one", "");
  add_end(text, "two");
  for (int i = 2; i > 0; i--) {
    add_stage(text, "around", (char)('c' + 2 - i), WRAPS | (i == 2 ? LATIN1 : 0));
    add_use(text, "one", names[i], NULL, "");
    add_use(text, "two", "around", "one", "");
    add_end(text, "two");
  }
}

/* WASI of its own inside: a clock that always says 25. Adds "az", then "by" from another. */
static void add_virtual(text_t *text) {
  static const char given[] = "(with \"" CLOCK_NAME "\" (instance $%s \"" CLOCK_NAME "\"))";
  char more[2][200];
  ADD(text, "(component ", CONTRACT_STREAMING);
  for (int i = 0; i < 2; i++) {
    add(text,
        "(component $clock-%d (core module $m (func (export \"now\") (result i64) (i64.const %d)))\n"
        "  (core instance $m (instantiate $m)) (func $now (result u64) (canon lift (core func $m \"now\")))\n"
        "  (instance $clock (export \"now\" (func $now))) (export \"" CLOCK_NAME "\" (instance $clock)))\n"
        "(instance $time-%d (instantiate $clock-%d))\n",
        i, 25 - i, i, i);
    snprintf(more[i], sizeof more[i], given, i ? "time-1" : "time-0");
  }
  add_stage(text, "first", 'a', CLOCK);
  add_stage(text, "second", 'b', CLOCK | WRAPS);
  add_use(text, "one", "first", NULL, more[0]);
  add_use(text, "two", "second", "one", more[1]);
  add_end(text, "two");
}

static void add_plain_chain(text_t *text) { add_chain(text, PLAIN); }

/* Runs an element with a content type that is longer in some encodings than in others. */
static void adds(torvyn_instance_t *instance, const char *letters) {
  static const char *const types[] = {"", "text/plain", "t\xc3\xa9xt", "\xf0\x9f\x8e\x88 text/\xe2\x82\xac"};
  static char payload[300000];
  const size_t lens[] = {0, 3, 70000, 299000};
  memset(payload, 'x', sizeof payload);
  for (size_t i = 0; i < 4; i++) {
    torvyn_element_t e = {.sequence = 7, .payload = {(const uint8_t *)payload, lens[i]}, .content_type = str(types[i])};
    torvyn_output_t out = stale_output();
    OK(torvyn_process(instance, &e, &out, &err));
    CHECK(out.bytes.len == lens[i] + strlen(letters));
    CHECK(memcmp(out.bytes.data, payload, lens[i]) == 0 && memcmp(out.bytes.data + lens[i], letters, strlen(letters)) == 0);
    if (!str_is(out.content_type, types[i]))
      fprintf(stderr, "content type `%.*s`, not `%s`\n", (int)out.content_type.len, out.content_type.data, types[i]);
    CHECK(str_is(out.content_type, types[i]) && out.sequence == 7);
    torvyn_output_release(&out);
  }
  CHECK(memory_of(instance).buffers == 0);
}

static const struct {
  const char *name;
  void (*text)(text_t *);
  const char *letters;
} shapes[] = {
    {"a chain of three", add_plain_chain, "abc"}, {"one component twice", add_twice, "abb"},
    {"three levels deep", add_deep, "abcd"},      {"WASI of its own inside", add_virtual, "azby"},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void runs(const char *what, torvyn_engine_config_t config) {
  torvyn_engine_t *engine = engine_with(&config);
  part(what);
  for (size_t i = 0; i < SHAPES; i++) {
    text_t text = {0};
    torvyn_component_t *component, *again;
    check_doing = shapes[i].name;
    shapes[i].text(&text);
    component = compiled(engine, &text);
    CHECK(torvyn_component_roles(component) == TORVYN_ROLE_PROCESSOR && torvyn_component_import_count(component) == 2);
    CHECK(torvyn_component_path(component) == TORVYN_PATH_GENERAL);
    again = reloaded(engine, component);
    for (int loaded = 0; loaded < 2; loaded++) {
      torvyn_linked_t *linked = linked_once(loaded ? again : component, NULL);
      torvyn_instance_t *instance = instance_of(linked, 1, NULL);
      adds(instance, shapes[i].letters);
      OK(torvyn_instance_reset(instance, &err));
      adds(instance, shapes[i].letters);
      torvyn_instance_free(instance);
      torvyn_linked_free(linked);
    }
  }
  torvyn_engine_free(engine);
}

static void refuses(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = TORVYN_PATH_DIRECT};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_component_t *component = STALE;
  text_t text = {0};
  part("the direct path is for components that stand alone");
  add_plain_chain(&text);
  EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, "the direct path was asked for, but the component has an inner component",
              torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
  free(text.at);
  torvyn_engine_free(engine);
}

/* Components that are an argument or an export, and have resources: the latter Wasmtime does not implement. */
static void component_values(void) {
  static const struct {
    int boxed, wrapped, status;
  } cases[] = {{0, 0, TORVYN_OK}, {0, 1, TORVYN_OK}, {1, 0, TORVYN_ERROR_UNSUPPORTED}, {1, 1, TORVYN_ERROR_UNSUPPORTED}};
  torvyn_engine_t *engine = engine_on(TORVYN_PATH_AUTO);
  part("components as values");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_component_t *component = STALE;
    text_t text = {0};
    ADD(&text, "(component ", CONTRACT_STREAMING);
    if (cases[i].boxed) {
      add(&text, "(component $box\n");
      add_stage(&text, "inside", 'a', PLAIN);
      add(&text, "  (export \"stage\" (component $inside)))\n(instance $box (instantiate $box))\n"
                 "(alias export $box \"stage\" (component $first))\n");
      add_use(&text, "one", "first", NULL, "");
    } else {
      ADD(&text, "(component $apply ", CONTRACT_STREAMING, "(import \"stage\" (component $stage ", CONTRACT_STREAMING, "\n");
      add(&text, "  (export \"" PROCESSOR_NAME "\" " PROCESSOR_TYPE ")))\n");
      add_use(&text, "made", "stage", NULL, "");
      add_end(&text, "made");
      add_stage(&text, "first", 'a', PLAIN);
      add_use(&text, "one", "apply", NULL, "(with \"stage\" (component $first))");
    }
    add_stage(&text, "around", 'b', WRAPS);
    if (cases[i].wrapped) add_use(&text, "two", "around", "one", "");
    add_end(&text, cases[i].wrapped ? "two" : "one");
    if (cases[i].status == TORVYN_OK) {
      torvyn_linked_t *linked = linked_from(engine, &text, NULL);
      torvyn_instance_t *instance = instance_of(linked, 1, NULL);
      adds(instance, cases[i].wrapped ? "ab" : "a");
      torvyn_instance_free(instance);
      torvyn_linked_free(linked);
    } else {
      EXPECT_TEXT(cases[i].status, "the component is valid, but has what Wasmtime does not implement",
                  torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
      CHECK(component == NULL);
    }
    free(text.at);
  }
  torvyn_engine_free(engine);
}

/* An instance of a chain whose innermost processor does this. */
static torvyn_instance_t *chain_of(torvyn_engine_t *engine, unsigned inner, const torvyn_instance_options_t *options) {
  text_t text = {0};
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  add_chain(&text, inner);
  linked = linked_from(engine, &text, NULL);
  instance = instance_of(linked, 1, options);
  torvyn_linked_free(linked);
  return instance;
}

static void budgets(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .fuel = TORVYN_ON};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 100 * MS, .fuel = UINT64_C(1) << 60};
  torvyn_element_t e = {.payload = {(const uint8_t *)"x", 1}, .content_type = str("t\xc3\xa9xt")};
  torvyn_output_t out = stale_output();
  torvyn_instance_t *instance;
  uint64_t began;

  part("an error comes from the innermost through all");
  instance = chain_of(engine, FAILS | LATIN1, NULL);
  EXPECT_TEXT(TORVYN_ERROR_INVALID_INPUT, "t\xc3\xa9xt", torvyn_process(instance, &e, &out, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY && memory_of(instance).buffers == 0);
  torvyn_instance_free(instance);

  part("the deadline holds inside");
  instance = chain_of(engine, LOOPS, &options);
  began = now_ns();
  EXPECT(TORVYN_ERROR_DEADLINE, torvyn_process(instance, &e, &out, &err));
  CHECK(now_ns() - began < 2000 * MS * check_slow());
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  torvyn_instance_free(instance);
  part("fuel is counted inside");
  options.fuel = 100000;
  instance = chain_of(engine, LOOPS, &options);
  EXPECT(TORVYN_ERROR_FUEL, torvyn_process(instance, &e, &out, &err));
  torvyn_instance_free(instance);

  part("the memory limit holds where a value is passed to the innermost");
  for (int refuse = 0; refuse < 2; refuse++) {
    torvyn_instance_options_t limited = {.struct_size = sizeof limited, .refuse_growth = refuse ? TORVYN_ON : TORVYN_OFF};
    instance = chain_of(engine, GROWS, &limited);
    EXPECT(refuse ? TORVYN_ERROR_TRAP : TORVYN_ERROR_MEMORY, torvyn_process(instance, &e, &out, &err));
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
    torvyn_instance_free(instance);
  }
  /* All memories count, of three components. */
  options = (torvyn_instance_options_t){.struct_size = sizeof options, .memory_limit = 3 * PAGE};
  torvyn_instance_free(chain_of(engine, PLAIN, &options));
  torvyn_engine_free(engine);
}

/* A list of two million characters from one component to another, over and over: nearly all of the time
 * goes by in what passes them. */
static void long_lists(void) {
  static const char parts[] =
      "(component $callee (core module $m (memory (export \"memory\") 200) (func (export \"f\") (param i32 i32))\n"
      REALLOC ")\n"
      "  (core instance $m (instantiate $m)) (func (export \"f\") (param \"a\" (list char)) (canon lift\n"
      "    (core func $m \"f\") (memory (core memory $m \"memory\")) (realloc (core func $m \"realloc\")))))\n"
      "(component $caller (import \"f\" (func $f (param \"a\" (list char))))\n"
      "  (core module $memory (memory (export \"memory\") 200)) (core instance $memory (instantiate $memory))\n"
      "  (core func $f (canon lower (func $f) (memory (core memory $memory \"memory\"))))\n"
      "  (core module $m (import \"\" \"f\" (func $f (param i32 i32)))\n"
      "    (func (export \"run\") (loop $l (call $f (i32.const 0) (i32.const 2000000)) (br $l))))\n"
      "  (core instance $m (instantiate $m (with \"\" (instance (export \"f\" (func $f))))))\n"
      "  (func (export \"run\") (canon lift (core func $m \"run\"))))\n"
      "(instance $callee (instantiate $callee)) (instance $caller (instantiate $caller (with \"f\" (func $callee \"f\"))))\n"
      "(export \"run\" (func $caller \"run\"))";
  part("deadline and fuel hold in what passes a long list");
  for (int fuel = 0; fuel < 2; fuel++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config, .fuel = fuel ? TORVYN_ON : TORVYN_OFF, .memory_limit = 64 << 20};
    torvyn_instance_options_t options = {.struct_size = sizeof options, .fuel = fuel ? 1000000 : 0,
                                         .timeout_ns = fuel ? 0 : 50 * MS};
    torvyn_engine_t *engine = engine_with(&config);
    torvyn_linked_t *linked;
    torvyn_instance_t *instance;
    torvyn_values_t *values = STALE;
    text_t text = {0};
    uint64_t began;
    add(&text, "(component " SOUND "%s)", parts);
    linked = linked_from(engine, &text, NULL);
    instance = instance_of(linked, 1, &options);
    began = now_ns();
    EXPECT(fuel ? TORVYN_ERROR_FUEL : TORVYN_ERROR_DEADLINE,
           torvyn_call(instance, str(""), str("run"), NULL, 0, &values, &err));
    CHECK(now_ns() - began < 2000 * MS * check_slow());
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
}

static void pooled(void) {
  enum { SLOTS = 8 };
  torvyn_engine_config_t config = {.struct_size = sizeof config, .pool_instances = SLOTS, .memory_limit = 8 << 20};
  torvyn_instance_t *instances[SLOTS], *more = STALE;
  torvyn_engine_t *engine;
  part("a pool has as many composed instances as it has slots");
  if (check_slow() >= 10) return; /* no room for the memories */
  engine = engine_with(&config);
  for (size_t i = 0; i < SHAPES; i++) {
    text_t text = {0};
    torvyn_linked_t *linked;
    check_doing = shapes[i].name;
    shapes[i].text(&text);
    linked = linked_from(engine, &text, NULL);
    for (int n = 0; n < SLOTS; n++) instances[n] = instance_of(linked, 1, NULL);
    EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, "pool_instances", torvyn_instance_new(linked, 1, NULL, &more, &err));
    CHECK(more == NULL);
    OK(torvyn_instance_reset(instances[3], &err));
    for (int n = 0; n < SLOTS; n++) {
      adds(instances[n], shapes[i].letters);
      torvyn_instance_free(instances[n]);
    }
    torvyn_linked_free(linked);
  }
  torvyn_engine_free(engine);
}

/* ---- values of other types ------------------------------------------------------ */

/* Calls `run` of a component with lifecycle, of whose parts the text is. */
static void calls(torvyn_engine_t *engine, const char *parts, uint64_t wanted) {
  text_t text = {0};
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  torvyn_values_t *values = STALE;
  add(&text, "(component " SOUND "%s)", parts);
  linked = linked_from(engine, &text, NULL);
  instance = instance_of(linked, 1, NULL);
  for (int i = 0; i < 2; i++) {
    OK(torvyn_call(instance, str(""), str("run"), NULL, 0, &values, &err));
    CHECK(torvyn_values_count(values) == 1 && torvyn_values_get(values, 0)->of.uint == wanted);
    torvyn_values_free(values);
  }
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
}

/* `realloc` that gives what comes next. */
#define BUMP \
  "(memory (export \"memory\") 1) (global $at (mut i32) (i32.const 1024))\n" \
  "(func $realloc (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $p i32)\n" \
  "  (local.set $p (i32.and (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))\n" \
  "  (global.set $at (i32.add (local.get $p) (local.get 3))) (local.get $p))\n"

static void values(void) {
  torvyn_engine_t *engine = engine_on(TORVYN_PATH_AUTO);
  part("lists of records of strings, and what is chosen");
  calls(engine,
        "(component $callee\n"
        "  (type $r (record (field \"name\" string) (field \"n\" (option u16))))\n"
        "  (core module $m " BUMP
        /* The sum of the lengths, of the numbers, and of the names' first bytes. */
        "    (func (export \"sum\") (param $at i32) (param $n i32) (result i32) (local $sum i32)\n"
        "      (loop $next (if (local.get $n) (then\n"
        "        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $at))))\n"
        "        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.load (local.get $at)))))\n"
        "        (if (i32.load8_u offset=8 (local.get $at)) (then\n"
        "          (local.set $sum (i32.add (local.get $sum) (i32.load16_u offset=10 (local.get $at))))))\n"
        "        (local.set $at (i32.add (local.get $at) (i32.const 12)))\n"
        "        (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br $next))))\n"
        "      (local.get $sum)))\n"
        "  (core instance $m (instantiate $m))\n"
        "  (export $x \"r\" (type $r))\n"
        "  (func (export \"sum\") (param \"all\" (list $x)) (result u32) (canon lift (core func $m \"sum\")\n"
        "    (memory (core memory $m \"memory\")) (realloc (core func $m \"realloc\")))))\n"
        "(component $caller\n"
        "  (type $r (record (field \"name\" string) (field \"n\" (option u16)))) (import \"r\" (type $x (eq $r)))\n"
        "  (import \"sum\" (func $sum (param \"all\" (list $x)) (result u32)))\n"
        "  (core module $libc " BUMP ") (core instance $libc (instantiate $libc))\n"
        "  (core func $sum (canon lower (func $sum) (memory (core memory $libc \"memory\"))))\n"
        "  (core module $m (import \"libc\" \"memory\" (memory 1)) (import \"\" \"sum\" (func $sum (param i32 i32) (result i32)))\n"
        "    (data (i32.const 16) \"\\60\\00\\00\\00\\03\\00\\00\\00\\01\\00\\e8\\03\"\n"
        "      \"\\68\\00\\00\\00\\05\\00\\00\\00\\00\\00\\00\\00\") (data (i32.const 96) \"abc\") (data (i32.const 104) \"defgh\")\n"
        "    (func (export \"run\") (result i32) (call $sum (i32.const 16) (i32.const 2))))\n"
        "  (core instance $m (instantiate $m (with \"libc\" (instance $libc)) (with \"\" (instance (export \"sum\" (func $sum))))))\n"
        "  (func (export \"run\") (result u32) (canon lift (core func $m \"run\"))))\n"
        "(instance $a (instantiate $callee))\n"
        "(instance $b (instantiate $caller (with \"r\" (type $a \"r\")) (with \"sum\" (func $a \"sum\"))))\n"
        "(export \"run\" (func $b \"run\"))",
        3 + 5 + 97 + 100 + 1000);

  part("a component that is given to another");
  calls(engine,
        "(component $seven (core module $m (func (export \"n\") (result i32) (i32.const 7))) (core instance $m (instantiate $m))\n"
        "  (func (export \"n\") (result u32) (canon lift (core func $m \"n\"))))\n"
        "(component $user (import \"c\" (component $c (export \"n\" (func (result u32)))))\n"
        "  (instance $a (instantiate $c)) (instance $b (instantiate $c))\n"
        "  (component $product (import \"a\" (func $a (result u32))) (import \"b\" (func $b (result u32)))\n"
        "    (core func $a (canon lower (func $a))) (core func $b (canon lower (func $b)))\n"
        "    (core module $m (import \"\" \"a\" (func $a (result i32))) (import \"\" \"b\" (func $b (result i32)))\n"
        "      (func (export \"run\") (result i32) (i32.mul (call $a) (call $b))))\n"
        "    (core instance $m (instantiate $m (with \"\" (instance (export \"a\" (func $a)) (export \"b\" (func $b))))))\n"
        "    (func (export \"run\") (result u32) (canon lift (core func $m \"run\"))))\n"
        "  (instance $product (instantiate $product (with \"a\" (func $a \"n\")) (with \"b\" (func $b \"n\"))))\n"
        "  (export \"run\" (func $product \"run\")))\n"
        "(instance $user (instantiate $user (with \"c\" (component $seven))))\n"
        "(export \"run\" (func $user \"run\"))",
        49);
  part("a component that another one exports");
  calls(engine,
        "(component $box (component $nine (core module $m (func (export \"n\") (result i32) (i32.const 9)))\n"
        "  (core instance $m (instantiate $m)) (func (export \"run\") (result u32) (canon lift (core func $m \"n\"))))\n"
        "  (export \"nine\" (component $nine)))\n"
        "(instance $box (instantiate $box)) (alias export $box \"nine\" (component $nine))\n"
        "(instance $nine (instantiate $nine)) (export \"run\" (func $nine \"run\"))",
        9);

  part("resources of one component in another");
  calls(engine,
        "(component $owner\n"
        /* Says how many of its resources were dropped, a hundred times, and the sum of what is alive. */
        "  (core module $m (global $gone (mut i32) (i32.const 0))\n"
        "    (func (export \"drop\") (param i32) (global.set $gone (i32.add (global.get $gone) (i32.const 1))))\n"
        "    (func (export \"gone\") (result i32) (local i32)\n"
        "      (local.set 0 (global.get $gone)) (global.set $gone (i32.const 0)) (local.get 0))\n"
        "    (func (export \"get\") (param i32) (result i32) (local.get 0)))\n"
        "  (core instance $m (instantiate $m)) (type $r (resource (rep i32) (dtor (core func $m \"drop\"))))\n"
        "  (export $x \"thing\" (type $r)) (core func $new (canon resource.new $r))\n"
        "  (core module $n (import \"\" \"new\" (func $new (param i32) (result i32)))\n"
        "    (func (export \"make\") (param i32) (result i32) (call $new (local.get 0))))\n"
        "  (core instance $n (instantiate $n (with \"\" (instance (export \"new\" (func $new))))))\n"
        "  (func (export \"make\") (param \"n\" u32) (result (own $x)) (canon lift (core func $n \"make\")))\n"
        "  (func (export \"get\") (param \"t\" (borrow $x)) (result u32) (canon lift (core func $m \"get\")))\n"
        "  (func (export \"gone\") (result u32) (canon lift (core func $m \"gone\"))))\n"
        "(component $user\n"
        "  (import \"thing\" (type $x (sub resource))) (import \"make\" (func $make (param \"n\" u32) (result (own $x))))\n"
        "  (import \"get\" (func $get (param \"t\" (borrow $x)) (result u32))) (import \"gone\" (func $gone (result u32)))\n"
        "  (core func $make (canon lower (func $make))) (core func $get (canon lower (func $get)))\n"
        "  (core func $gone (canon lower (func $gone))) (core func $drop (canon resource.drop $x))\n"
        "  (core module $m (import \"\" \"make\" (func $make (param i32) (result i32)))\n"
        "    (import \"\" \"get\" (func $get (param i32) (result i32))) (import \"\" \"gone\" (func $gone (result i32)))\n"
        "    (import \"\" \"drop\" (func $drop (param i32)))\n"
        "    (func (export \"run\") (result i32) (local $a i32) (local $b i32) (local $sum i32)\n"
        "      (local.set $a (call $make (i32.const 30))) (local.set $b (call $make (i32.const 4)))\n"
        "      (local.set $sum (i32.add (call $get (local.get $a)) (call $get (local.get $b))))\n"
        "      (call $drop (local.get $a)) (call $drop (local.get $b))\n"
        "      (i32.add (local.get $sum) (i32.mul (call $gone) (i32.const 100)))))\n"
        "  (core instance $m (instantiate $m (with \"\" (instance (export \"make\" (func $make)) (export \"get\" (func $get))\n"
        "    (export \"gone\" (func $gone)) (export \"drop\" (func $drop))))))\n"
        "  (func (export \"run\") (result u32) (canon lift (core func $m \"run\"))))\n"
        "(instance $a (instantiate $owner))\n"
        "(instance $b (instantiate $user (with \"thing\" (type $a \"thing\")) (with \"make\" (func $a \"make\"))\n"
        "  (with \"get\" (func $a \"get\")) (with \"gone\" (func $a \"gone\"))))\n"
        "(export \"run\" (func $b \"run\"))",
        234);
  torvyn_engine_free(engine);
}

/* A function that is lifted and lowered and then used by nobody, beside a processor that stands alone. */
static void unused(void) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_AUTO, TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  static const char dead[] =
      "(core module $d (func (export \"f\"))) (core instance $d (instantiate $d)) (func $f (canon lift (core func $d \"f\")))\n"
      "(core func $g (canon lower (func $f)))\n";
  part("adapters that nobody uses keep nothing from the direct path");
  for (size_t i = 0; i < 3; i++) {
    torvyn_engine_t *engine = engine_on(paths[i]);
    text_t text = {0};
    torvyn_component_t *component;
    torvyn_linked_t *linked;
    torvyn_instance_t *instance;
    torvyn_blob_t *blob = STALE;
    add(&text, "(component %s" SOUND ")", dead);
    component = compiled(engine, &text);
    CHECK(torvyn_component_path(component) == (i == 2 ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT));
    OK(torvyn_component_serialize(component, &blob, &err));
    torvyn_blob_free(blob);
    linked = linked_once(component, NULL);
    instance = instance_of(linked, 1, NULL);
    OK(torvyn_init(instance, str("x"), &err));
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  runs("composed components run", (torvyn_engine_config_t){.struct_size = sizeof(torvyn_engine_config_t)});
  runs("with every option that touches code",
       (torvyn_engine_config_t){.struct_size = sizeof(torvyn_engine_config_t),
                                .path = TORVYN_PATH_GENERAL,
                                .fuel = TORVYN_ON,
                                .simd = TORVYN_OFF,
                                .multi_memory = TORVYN_ON,
                                .explicit_traps = TORVYN_ON,
                                .optimize = TORVYN_OPTIMIZE_NONE});
  refuses();
  component_values();
  budgets();
  long_lists();
  pooled();
  values();
  unused();
  return check_end();
}
