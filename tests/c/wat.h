/* Pieces of components in text that have lifecycle, for tests that have their own. */
#ifndef TORVYN_TEST_WAT_H
#define TORVYN_TEST_WAT_H

#include <stdarg.h>

#include "check.h"

/* The contract's `process-error`, as `$error`. */
#define TYPES \
  "  (import \"torvyn:streaming/types@0.1.0\" (instance $types\n" \
  "    (type $e (variant (case \"invalid-input\" string) (case \"unavailable\" string)\n" \
  "      (case \"internal\" string) (case \"deadline-exceeded\") (case \"fatal\" string)))\n" \
  "    (export \"process-error\" (type (eq $e)))))\n" \
  "  (alias export $types \"process-error\" (type $error))\n"

/* What a core module has: all of it, with an init that succeeds; or a part. */
#define CORE "(memory (export \"memory\") 1)\n" REALLOC INIT TEARDOWN
#define REALLOC "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)\n"
#define INIT "    (func (export \"init\") (param i32 i32) (result i32) i32.const 0)\n"
#define TEARDOWN "    (func (export \"teardown\"))\n"

/* The exports, of a core instance `$i` of such a module. */
#define LIFE "  (alias core export $i \"memory\" (core memory $memory))\n" LIFE_WITH("(core func $i \"realloc\")")
/* The same with this realloc and `$memory`. */
#define LIFE_WITH(realloc) \
  "  (func $init (param \"config\" string) (result (result (error $error)))\n" \
  "    (canon lift (core func $i \"init\") (memory $memory) (realloc " realloc ")))\n" \
  "  (func $teardown (canon lift (core func $i \"teardown\")))\n" \
  "  (instance $life (export \"init\" (func $init)) (export \"teardown\" (func $teardown)))\n" \
  "  (export \"torvyn:streaming/lifecycle@0.1.0\" (instance $life))\n"

/* All of a component that is alive and does no more, but for its brackets: types, core module `$m`, its
 * instance `$i`, exports. */
#define SOUND TYPES "  (core module $m " CORE ")\n  (core instance $i (instantiate $m))\n" LIFE

/* ---- texts that grow ------------------------------------------------------------ */

/* A text that grows; freed by whom it is for. */
typedef struct {
  char *at;
  size_t len, room;
} text_t;

static inline void has_room(text_t *text, size_t more) {
  if (text->room - text->len > more) return;
  text->room = 2 * (text->len + more + 1);
  text->at = realloc(text->at, text->room);
  CHECK(text->at != NULL);
}

__attribute__((format(printf, 2, 3))) static inline void add(text_t *text, const char *format, ...) {
  va_list args;
  int len;
  va_start(args, format);
  len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  CHECK(len >= 0);
  has_room(text, (size_t)len);
  va_start(args, format);
  vsnprintf(text->at + text->len, (size_t)len + 1, format, args);
  va_end(args);
  text->len += (size_t)len;
}

/* Pieces as they are: a text of the contract's is longer than a C compiler need take in one string. */
#define ADD(text, ...) add_all(text, (const char *const[]){__VA_ARGS__, NULL})

static inline void add_all(text_t *text, const char *const *pieces) {
  for (; *pieces; pieces++) {
    size_t more = strlen(*pieces);
    has_room(text, more);
    memcpy(text->at + text->len, *pieces, more + 1);
    text->len += more;
  }
}

/* A text of these pieces, valid until the next. */
#define WAT(...) wat((const char *const[]){__VA_ARGS__, NULL})

static inline const char *wat(const char *const *pieces) {
  static text_t text;
  text.len = 0;
  add_all(&text, pieces);
  return text.at;
}

/* The component of a text, which is freed. */
static inline torvyn_component_t *compiled(const torvyn_engine_t *engine, text_t *text) {
  torvyn_component_t *component = component_from(engine, text->at);
  free(text->at);
  memset(text, 0, sizeof *text);
  return component;
}

/* The same, linked with `imports`, which are freed as well. */
static inline torvyn_linked_t *linked_from(const torvyn_engine_t *engine, text_t *text, torvyn_imports_t *imports) {
  torvyn_linked_t *linked = linked_once(compiled(engine, text), imports);
  torvyn_imports_free(imports);
  return linked;
}

#endif
