/* Functions of every number of parameters: those that are passed one by one, and those that are so many
 * that they lie in memory; with results of either kind. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

enum { MOST = 19 };

/* Each has the parameters' sum, with what they would not be without their order. */
static uint64_t sum_of(const torvyn_value_t *args, size_t count) {
  uint64_t sum = count;
  for (size_t i = 0; i < count; i++) {
    CHECK(args[i].kind == (i % 3 ? TORVYN_KIND_U32 : TORVYN_KIND_U64));
    sum = sum * 31 + args[i].of.uint;
  }
  return sum;
}

static bool sum(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope;
  result->kind = TORVYN_KIND_U64;
  result->of.uint = sum_of(args, count);
  return true;
}

static bool pair(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  torvyn_value_t *both = torvyn_scope_alloc(scope, 2 * sizeof *both);
  CHECK(both != NULL);
  both[0].kind = TORVYN_KIND_U8;
  both[0].of.uint = count;
  result->kind = TORVYN_KIND_TUPLE;
  result->of.values.data = both;
  result->of.values.len = 2;
  return sum(user, scope, args, count, &both[1]);
}

static bool none(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)scope, (void)result;
  *(uint64_t *)user = sum_of(args, count);
  return true;
}

/* `n` of these, with a comma or nothing between them; valid until the fourth call after this one. */
static const char *times(int n, const char *wide, const char *narrow, const char *between) {
  static text_t texts[4];
  static int next;
  text_t *text = &texts[next++ % 4];
  text->len = 0;
  add(text, "%s", "");
  for (int i = 0; i < n; i++) {
    add(text, "%s", i ? between : "");
    add(text, i % 3 ? narrow : wide, i);
  }
  return text->at;
}

int main(int argc, char **argv) {
  static const char *const results[] = {"", "u64", "(tuple u8 u64)"}, *const names[] = {"none", "sum", "pair"};
  static const char *const wits[] = {"", " -> u64", " -> tuple<u8, u64>"};
  static const torvyn_function_t functions[] = {none, sum, pair};
  torvyn_engine_t *engine;
  check_begin(argc, argv);
  engine = engine_with(NULL);
  part("functions of every number of parameters, with no result, one that is a core value, and one in memory");
  for (int n = 0; n <= MOST; n++)
    for (int r = 0; r < 3; r++) {
      torvyn_value_t args[MOST] = {{.kind = TORVYN_KIND_U64}};
      const torvyn_value_t *got;
      torvyn_imports_t *imports = NULL;
      torvyn_linked_t *linked;
      torvyn_instance_t *instance;
      torvyn_values_t *values = NULL;
      text_t text = {0}, type = {0}, signature = {0};
      uint64_t seen = 0;
      /* Past sixteen core values there is a pointer to all of them. */
      const char *core = n > 16 ? "i32" : times(n, "i64", "i32", " ");
      const char *pass = n > 16 ? "(local.get 0)" : times(n, "(local.get %d)", "(local.get %d)", " ");
      check_doing = names[r];
      add(&type, r ? "%s (result %s)" : "%s%s", times(n, "(param \"p%d\" u64)", "(param \"p%d\" u32)", " "), results[r]);
      add(&text,
          "(component " TYPES "(import \"host\" (instance $h (export \"f\" (func %s))))"
          "(core module $a " CORE ") (core instance $i (instantiate $a))"
          "(core func $f (canon lower (func $h \"f\") (memory (core memory $i \"memory\"))))"
          "(core module $m (import \"\" \"f\" (func $f (param %s%s) %s))"
          "  (func (export \"f\") (param %s) %s (call $f %s %s) %s))"
          "(core instance $e (instantiate $m (with \"\" (instance (export \"f\" (func $f))))))" LIFE
          "(func (export \"f\") %s (canon lift (core func $e \"f\") (memory $memory)"
          "  (realloc (core func $i \"realloc\")))))",
          type.at, core, r == 2 ? " i32" : "", r == 1 ? "(result i64)" : "", core,
          r == 0 ? "" : r == 1 ? "(result i64)" : "(result i32)", pass, r == 2 ? "(i32.const 64)" : "",
          r == 2 ? "(i32.const 64)" : "", type.at);
      add(&signature, "func(%s)%s", times(n, "p%d: u64", "p%d: u32", ", "), wits[r]);
      OK(torvyn_imports_new(engine, &imports, &err));
      OK(torvyn_imports_define(imports, str("host"), str("f"), str(signature.at), functions[r], &seen, NULL, &err));
      linked = linked_from(engine, &text, imports);
      instance = instance_of(linked, 1, NULL);
      for (int i = 0; i < n; i++) {
        args[i].kind = i % 3 ? TORVYN_KIND_U32 : TORVYN_KIND_U64;
        args[i].of.uint = i % 3 ? UINT32_MAX - (unsigned)i : UINT64_MAX - (unsigned)i;
      }
      OK(torvyn_call(instance, str(""), str("f"), args, (size_t)n, &values, &err));
      CHECK(torvyn_values_count(values) == (r != 0));
      got = torvyn_values_get(values, 0);
      if (r == 2) {
        CHECK(got->kind == TORVYN_KIND_TUPLE && got->of.values.len == 2);
        CHECK(got->of.values.data[0].of.uint == (uint64_t)n);
        got = &got->of.values.data[1];
      }
      if (r) seen = got->of.uint;
      CHECK(seen == sum_of(args, (size_t)n));
      torvyn_values_free(values);
      EXPECT_TEXT(TORVYN_ERROR_TYPE_MISMATCH, "arguments",
                  torvyn_call(instance, str(""), str("f"), args, (size_t)(n ? n - 1 : 1), &values, &err));
      torvyn_instance_free(instance);
      torvyn_linked_free(linked);
      free(type.at);
      free(signature.at);
    }
  torvyn_engine_free(engine);
  return check_end();
}
