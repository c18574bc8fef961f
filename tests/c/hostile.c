/* Components that mean harm to who compiles them: what is small as bytes and large
 * as anything else ends as an error, or costs no more than the header says. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

#include <pthread.h>

/* A component that is sound and READY after init, but for its last bracket;
 * `body` stands in its core module. */
static void add_sound(text_t *text, const char *body) {
  add(text,
      "(component\n"
      TYPES
      "  (core module $m " CORE " %s)\n"
      "  (core instance $i (instantiate $m))\n"
      LIFE,
      body);
}

/* ---- what a component says of itself ------------------------------------------ */

static void type_texts(const torvyn_engine_t *engine) {
  enum { NAMES = 40, LONG = 9000, EXPORTS = 300 };
  text_t text = {0};
  torvyn_component_t *component;
  torvyn_str_t type;
  size_t all = 0, cut = 0;

  part("types: the texts are bounded, each and together");
  add_sound(&text, "");
  add(&text, "(type $t (enum");
  for (int i = 0; i < NAMES; i++) add(&text, " \"n%d%0*d\"", i, LONG, 0);
  add(&text, "))");
  for (int i = 0; i < EXPORTS; i++) add(&text, "(export \"t%d\" (type $t))", i);
  add(&text, "(type $small (enum \"a\")) (export \"small\" (type $small)))");
  component = compiled(engine, &text);
  CHECK(torvyn_component_export_count(component) == EXPORTS + 2);
  for (size_t i = 1; i < EXPORTS + 2; i++) {
    type = torvyn_component_export_type(component, i);
    all += type.len;
    CHECK(type.len >= 3 && type.len <= (256 << 10) + LONG + 8);
    cut += strcmp(type.data + type.len - 3, "...") == 0;
  }
  CHECK(all > (3 << 20) && all < (4 << 20) + 2 * LONG + 4 * EXPORTS);
  CHECK(cut == EXPORTS + 1);
  type = torvyn_component_export_type(component, 1);
  CHECK(type.len > (256 << 10) && strncmp(type.data, "enum { n00", 10) == 0);
  torvyn_component_free(component);
}

/* ---- what is nested ------------------------------------------------------------- */

static void repeat(text_t *text, const char *what, int times) {
  while (times--) add(text, "%s", what);
}

/* A component that holds `levels` more, each in the one before. */
static void add_nested(text_t *text, const char *head, int levels, const char *tail) {
  repeat(text, head, levels);
  repeat(text, tail, levels);
}

/* On a thread whose stack is as small as the header allows for a call, less the component's. */
static void *nests(void *engine) {
  static const char *const pairs[][2] = {
      {"(component ", ")"}, {"(type (component ", "))"}, {"(type (instance ", "))"}, {"(@a ", ")"}, {"(;", ";)"}};
  static const int levels[] = {40, 49, 95, 99, 3000, 100000};
  text_t text = {0};
  for (size_t pair = 0; pair < sizeof pairs / sizeof *pairs; pair++)
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
      torvyn_component_t *component = STALE;
      int status;
      add(&text, "(component ");
      add_nested(&text, pairs[pair][0], levels[i], pairs[pair][1]);
      add(&text, ")");
      status = torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, NULL);
      CHECK(status == TORVYN_ERROR_NO_ROLE || status == TORVYN_ERROR_MALFORMED);
      CHECK(component == NULL);
      text.len = 0;
    }
  /* A type that is as deep as one may be, and one that is deeper. */
  for (int deep = 0; deep < 2; deep++) {
    torvyn_component_t *component = STALE;
    add_sound(&text, "");
    add(&text, "(type $t0 (list u8))");
    for (int i = 1; i <= (deep ? 1000 : 90); i++) add(&text, "(type $t%d (list $t%d))", i, i - 1);
    add(&text, "(export \"deep\" (type $t90)))");
    EXPECT(deep ? TORVYN_ERROR_MALFORMED : TORVYN_OK,
           torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    torvyn_component_free(component);
    text.len = 0;
  }
  free(text.at);
  return NULL;
}

static void nested(torvyn_engine_t *engine) {
  pthread_attr_t attributes;
  pthread_t thread;
  part("nesting: on a small stack");
  CHECK(pthread_attr_init(&attributes) == 0);
  CHECK(pthread_attr_setstacksize(&attributes, 256 << 10) == 0);
  CHECK(pthread_create(&thread, &attributes, nests, engine) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  pthread_attr_destroy(&attributes);
}

/* A number in LEB128; `at` has room for five bytes. */
static size_t leb(uint8_t *at, size_t number) {
  size_t len = 0;
  do {
    at[len++] = (uint8_t)((number & 127) | (number > 127 ? 128 : 0));
    number >>= 7;
  } while (number);
  return len;
}

/* In binary, where no text's nesting ends it before. */
static void nested_binary(const torvyn_engine_t *engine, int levels, int status) {
  static const uint8_t head[] = {0, 'a', 's', 'm', 13, 0, 1, 0};
  size_t room = (size_t)levels * 16 + sizeof head, from = room - sizeof head;
  uint8_t *bytes = malloc(room), number[5];
  torvyn_component_t *component = STALE;
  CHECK(bytes != NULL);
  memcpy(bytes + from, head, sizeof head);
  for (int i = 0; i < levels; i++) {
    size_t len = leb(number, room - from);
    from -= len;
    memcpy(bytes + from, number, len);
    bytes[--from] = 4; /* a section that is a component */
    from -= sizeof head;
    memcpy(bytes + from, head, sizeof head);
  }
  EXPECT(status, torvyn_component_compile(engine, bytes + from, room - from, &component, &err));
  CHECK(component == NULL);
  free(bytes);
}

/* Types in each other, in binary: no text's nesting ends them before. */
static void nested_types(const torvyn_engine_t *engine, size_t levels, int status) {
  static const uint8_t head[] = {0, 'a', 's', 'm', 13, 0, 1, 0, 7};
  for (uint8_t kind = 0x41; kind <= 0x42; kind++) {
    size_t len = 3 * levels + 3, at = sizeof head;
    uint8_t *bytes = malloc(sizeof head + 5 + len);
    torvyn_component_t *component = STALE;
    CHECK(bytes != NULL);
    memcpy(bytes, head, sizeof head);
    at += leb(bytes + at, len);
    bytes[at++] = 1;
    for (size_t i = 0; i < levels; i++) {
      bytes[at++] = kind; /* one declaration in it, of a type */
      bytes[at++] = 1;
      bytes[at++] = 1;
    }
    bytes[at++] = kind;
    bytes[at++] = 0;
    EXPECT(status, torvyn_component_compile(engine, bytes, at, &component, &err));
    CHECK(component == NULL);
    free(bytes);
  }
}

/* Each level instantiates the one within it twice. */
static void bombs(const torvyn_engine_t *engine) {
  text_t text = {0};
  torvyn_component_t *component = STALE;
  uint64_t began;
  part("nesting: more than memory holds");
  nested_binary(engine, 1000, TORVYN_ERROR_NO_ROLE);
  nested_binary(engine, 1001, TORVYN_ERROR_UNSUPPORTED);
  nested_binary(engine, 30000, TORVYN_ERROR_UNSUPPORTED);
  nested_types(engine, 99, TORVYN_ERROR_NO_ROLE);
  nested_types(engine, 1000, TORVYN_ERROR_UNSUPPORTED);
  nested_types(engine, 1000000, TORVYN_ERROR_UNSUPPORTED);
  for (int levels = 10; levels <= 40; levels += 30) {
    for (int i = levels; i > 0; i--) add(&text, "(component $c%d ", i);
    add(&text, "(core module $m) (core instance (instantiate $m)))");
    for (int i = 1; i < levels; i++)
      add(&text, "(instance (instantiate $c%d)) (instance (instantiate $c%d)))", i, i);
    began = used_ns();
    EXPECT(levels == 10 ? TORVYN_ERROR_NO_ROLE : TORVYN_ERROR_UNSUPPORTED,
           torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    CHECK(used_ns() - began < 1000 * MS * check_slow());
    text.len = 0;
  }
  free(text.at);
}

/* Each instance holds the one before it twice, and each type. */
static void doubled(const torvyn_engine_t *engine) {
  static const struct {
    int levels, status;
  } cases[] = {{8, TORVYN_OK}, {18, TORVYN_ERROR_UNSUPPORTED}, {40, TORVYN_ERROR_UNSUPPORTED}};
  text_t text = {0};
  torvyn_component_t *component = STALE;
  uint64_t began;
  part("instances: more than memory holds");
  for (int imported = 0; imported < 2; imported++)
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
      int levels = cases[n].levels;
      add_sound(&text, "");
      add(&text, imported ? "(type $d0 (instance (export \"a\" (func))))\n"
                          : "(instance $d0 (export \"a\" (func $teardown)))\n");
      for (int i = 1; i <= levels; i++) {
        add(&text, imported ? "(type $d%d (instance (export \"a\" " : "(instance $d%d (export \"a\" ", i);
        for (int twice = 0; twice < 2; twice++) {
          if (twice) add(&text, ") (export \"b\" ");
          add(&text, imported ? "(instance (type $d%d))" : "(instance $d%d)", i - 1);
        }
        add(&text, imported ? ")))\n" : "))\n");
      }
      add(&text, imported ? "(import \"acme:a/b@1.0.0\" (instance (type $d%d))))"
                          : "(export \"d\" (instance $d%d)))", levels);
      began = used_ns();
      EXPECT(cases[n].status, torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
      CHECK(used_ns() - began < 1000 * MS * check_slow());
      torvyn_component_free(component);
      text.len = 0;
    }
  free(text.at);
}

/* ---- what is switched off ------------------------------------------------------- */

static void features(void) {
  static const struct {
    const char *body;    /* of the core module */
    const char *feature; /* that it needs, and what the error says of it */
    const char *option;
  } cases[] = {
      {"(func (result v128) (v128.const i32x4 1 2 3 4))", "simd", "`simd`"},
      {"(func (result v128) (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 1 2 3 4)))", "relaxed-simd",
       "`relaxed_simd`"},
      {"(memory 1)", "multi-memory", "`multi_memory`"},
      /* What no option turns on. */
      {"(func (param externref))", "gc-types", "which is off: "},
      {"(tag $t) (func (throw $t))", "exceptions", "which is off: "},
      {"(func (result i32) (i32.atomic.load (i32.const 0)))", "threads", "which is off: "},
      {"(func (result i64 i64) (i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)))",
       "wide-arithmetic", "which is off: "},
  };
  static const torvyn_path_t paths[] = {TORVYN_PATH_AUTO, TORVYN_PATH_GENERAL};
  text_t text = {0};

  part("features: one that is off is unsupported, on either path");
  for (int p = 0; p < 2; p++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      for (int on = 0; on < 2; on++) {
        torvyn_engine_config_t config = {.struct_size = sizeof config,
                                         .path = paths[p],
                                         .simd = i == 0 && !on ? TORVYN_OFF : TORVYN_ON,
                                         .relaxed_simd = i == 1 && on ? TORVYN_ON : TORVYN_OFF,
                                         .multi_memory = on ? TORVYN_ON : TORVYN_OFF};
        torvyn_engine_t *engine = engine_with(&config);
        torvyn_component_t *component = STALE;
        add_sound(&text, cases[i].body);
        add(&text, ")");
        if (on && i < 3) {
          torvyn_component_free(compiled(engine, &text));
        } else {
          const uint8_t *bytes = (const uint8_t *)text.at;
          EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, cases[i].feature,
                      torvyn_component_compile(engine, bytes, text.len, &component, &err));
          EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, cases[i].option,
                      torvyn_component_compile(engine, bytes, text.len, &component, &err));
          CHECK(component == NULL);
          text.len = 0;
        }
        torvyn_engine_free(engine);
      }
  free(text.at);

  part("re-exports: valid, and nothing that an option turns on");
  for (int p = 0; p < 2; p++)
    for (int whole = 0; whole < 2; whole++) {
      torvyn_engine_t *engine = engine_on(paths[p]);
      torvyn_component_t *component = STALE;
      text = (text_t){0};
      add_sound(&text, "");
      add(&text, "(import \"acme:a/b@1.0.0\" (instance $x (export \"f\" (func (param \"a\" string)))))\n");
      add(&text, whole ? "(export \"acme:a/b@1.0.0\" (instance $x)))" : "(export \"f\" (func $x \"f\")))");
      EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, "`f` is a reexport of an imported function",
                  torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
      EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, "the component is valid, but",
                  torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
      free(text.at);
      torvyn_engine_free(engine);
    }

  part("function bodies: an invalid one makes no valid component");
  for (int p = 0; p < 2; p++) {
    torvyn_engine_t *engine = engine_on(paths[p]);
    torvyn_component_t *component = STALE;
    text = (text_t){0};
    add_sound(&text, "(func (result i32) (i64.const 1))");
    add(&text, ")");
    EXPECT_TEXT(TORVYN_ERROR_MALFORMED, "type mismatch",
                torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    CHECK(component == NULL);
    free(text.at);
    torvyn_engine_free(engine);
  }
}

int main(int argc, char **argv) {
  torvyn_engine_t *engine;
  check_begin(argc, argv);
  engine = engine_with(NULL);
  type_texts(engine);
  nested(engine);
  bombs(engine);
  doubled(engine);
  torvyn_engine_free(engine);
  features();
  return check_end();
}
