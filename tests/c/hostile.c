/* Components that mean harm to who compiles them: what is small as bytes and large
 * as anything else ends as an error, or costs no more than the header says. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <stdarg.h>

/* ---- texts ------------------------------------------------------------------ */

/* A text that grows. */
typedef struct {
  char *at;
  size_t len, room;
} text_t;

__attribute__((format(printf, 2, 3))) static void add(text_t *text, const char *format, ...) {
  va_list list;
  int len;
  va_start(list, format);
  len = vsnprintf(NULL, 0, format, list);
  va_end(list);
  CHECK(len >= 0);
  if (text->len + (size_t)len + 1 > text->room) {
    text->room = 2 * (text->len + (size_t)len + 1);
    CHECK((text->at = realloc(text->at, text->room)) != NULL);
  }
  va_start(list, format);
  vsnprintf(text->at + text->len, (size_t)len + 1, format, list);
  va_end(list);
  text->len += (size_t)len;
}

/* A component that is sound and READY after init, but for its last bracket;
 * `body` stands in its core module. */
static void add_sound(text_t *text, const char *body) {
  add(text,
      "(component\n"
      "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n"
      "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n"
      "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n"
      "    (export \"process-error\" (type (eq $e)))))\n"
      "  (alias export $types \"process-error\" (type $error))\n"
      "  (core module $m (memory (export \"memory\") 1)\n"
      "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)\n"
      "    (func (export \"init\") (param i32 i32) (result i32) i32.const 0)\n"
      "    (func (export \"teardown\")) %s)\n"
      "  (core instance $i (instantiate $m))\n"
      "  (alias core export $i \"memory\" (core memory $memory))\n"
      "  (func $init (param \"config\" string) (result (result (error $error)))\n"
      "    (canon lift (core func $i \"init\") (memory $memory) (realloc (core func $i \"realloc\"))))\n"
      "  (func $teardown (canon lift (core func $i \"teardown\")))\n"
      "  (instance $life (export \"init\" (func $init)) (export \"teardown\" (func $teardown)))\n"
      "  (export \"torvyn:streaming/lifecycle@0.1.0\" (instance $life))\n",
      body);
}

static torvyn_component_t *compiled(const torvyn_engine_t *engine, text_t *text) {
  torvyn_component_t *component = STALE;
  OK(torvyn_component_compile(engine, (const uint8_t *)text->at, text->len, &component, &err));
  text->len = 0;
  return component;
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
  torvyn_engine_free(engine);
  features();
  return check_end();
}
