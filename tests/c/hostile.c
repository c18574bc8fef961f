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

int main(int argc, char **argv) {
  torvyn_engine_t *engine;
  check_begin(argc, argv);
  engine = engine_with(NULL);
  type_texts(engine);
  torvyn_engine_free(engine);
  return check_end();
}
