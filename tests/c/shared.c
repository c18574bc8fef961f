/* Values that share parts, so that little memory of the program's stands for 2^n values: a call that
 * is wrong otherwise is refused before they are looked at, one that is right at what values may take,
 * and in its time. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

enum { DEEP = 60, LEVELS = 30 }; /* values; types, each of which takes up two or three levels of a value */

static torvyn_engine_t *engine;

/* ---- the values ---------------------------------------------------------------------- */

/* Each level is a list of two, which are the same thing around the next level. */
typedef enum { LISTS, RECORDS, TUPLES, OPTIONS, VARIANTS, RESULTS, MAPS, SHAPES } shape_t;

static struct {
  torvyn_value_t whole, inner[2], entries[2][2];
} levels[SHAPES][DEEP + 1];

static torvyn_value_t list_of(const torvyn_value_t *data, size_t len) {
  torvyn_value_t list = {.kind = TORVYN_KIND_LIST};
  list.of.values.data = data;
  list.of.values.len = len;
  return list;
}

/* What is around `next`: a map's are an entry. */
static torvyn_value_t around(shape_t shape, const torvyn_value_t *next, torvyn_value_t *entry) {
  static const torvyn_str_t name = {"a", 1};
  torvyn_value_t value = *next;
  switch (shape) {
  case RECORDS:
    value.kind = TORVYN_KIND_RECORD;
    value.of.fields.names = &name;
    value.of.fields.values = next;
    value.of.fields.len = 1;
    break;
  case TUPLES: value = list_of(next, 1), value.kind = TORVYN_KIND_TUPLE; break;
  case OPTIONS: value.kind = TORVYN_KIND_OPTION, value.of.option = next; break;
  case VARIANTS:
    value.kind = TORVYN_KIND_VARIANT;
    value.of.variant.name = name;
    value.of.variant.payload = next;
    break;
  case RESULTS:
    value.kind = TORVYN_KIND_RESULT;
    value.of.result.is_error = true;
    value.of.result.payload = next;
    break;
  case MAPS:
    entry[0].kind = TORVYN_KIND_U32, entry[1] = *next;
    value = list_of(entry, 2), value.kind = TORVYN_KIND_TUPLE;
    break;
  default: break;
  }
  return value;
}

static void make(shape_t shape) {
  levels[shape][DEEP].whole.kind = TORVYN_KIND_U32;
  for (int d = DEEP; d--;) {
    for (int i = 0; i < 2; i++)
      levels[shape][d].inner[i] = around(shape, &levels[shape][d + 1].whole, levels[shape][d].entries[i]);
    levels[shape][d].whole = list_of(levels[shape][d].inner, 2);
  }
}

/* A list of one of `count` levels, at most LEVELS where it should be of the component's type. */
static const torvyn_value_t *value(shape_t shape, int count) {
  static torvyn_value_t list;
  list = list_of(&levels[shape][DEEP - count].whole, 1);
  return &list;
}

/* ---- the component --------------------------------------------------------------------- */

static const char *const functions[] = {"lists", "records", "tuples", "options", "variants", "results", "maps"};
static const char *const types[] = {"(list %s)", "(record (field \"a\" %s))", "(tuple %s)", "(option %s)",
                                    "(variant (case \"a\" %s))", "(result (error %s))", "(map u32 %s)"};

static void add_taker(text_t *text, const char *name, const char *type) {
  add(text, "(func (export \"%s\") (param \"v\" %s) (canon lift (core func $i \"%s\") (memory $memory)"
            " (realloc (core func $i \"realloc\"))))\n",
      name, type, !strcmp(type, "u32") ? "take-one" : "take");
}

/* A record or variant has to have a name where it is used. */
static void add_shape(text_t *text, shape_t shape) {
  char part[64] = "u32", list[80];
  for (int level = 0; level < LEVELS; level++) {
    add(text, "(type $%s%d ", functions[shape], level);
    add(text, types[shape], part);
    add(text, ")\n(export $%s%d' \"t-%s-%d\" (type $%s%d))\n", functions[shape], level, functions[shape], level,
        functions[shape], level);
    snprintf(part, sizeof part, shape == LISTS || shape == MAPS ? "$%s%d'" : "(list $%s%d')", functions[shape], level);
  }
  snprintf(list, sizeof list, "(list %s)", part);
  add_taker(text, functions[shape], list);
}

static const char FACE[] = "acme:shared/values@1.0.0";

static bool give(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)scope, (void)args, (void)count;
  *result = **(const torvyn_value_t *const *)user;
  return true;
}

static const torvyn_value_t *given;

static torvyn_linked_t *component(void) {
  torvyn_imports_t *imports = NULL;
  text_t text = {0};
  ADD(&text, "(component\n" TYPES
      "(import \"acme:shared/values@1.0.0\" (instance $f (export \"get\" (func (result (list string))))))\n"
      "(core module $lib (memory (export \"memory\") 1)\n", REALLOC, ")\n"
      "(core instance $l (instantiate $lib)) (alias core export $l \"memory\" (core memory $lm))\n"
      "(core func $get (canon lower (func $f \"get\") (memory $lm) (realloc (core func $l \"realloc\"))))\n"
      "(core module $m (import \"f\" \"get\" (func $get (param i32)))\n" CORE
      "(func (export \"take\") (param i32 i32)) (func (export \"take-one\") (param i32))\n"
      "(func (export \"trap\") unreachable)\n"
      "(func (export \"get\") (call $get (i32.const 64))))\n"
      "(core instance $i (instantiate $m (with \"f\" (instance (export \"get\" (func $get))))))\n", LIFE,
      "(func (export \"trap\") (canon lift (core func $i \"trap\")))\n"
      "(func (export \"get\") (canon lift (core func $i \"get\")))\n");
  add_taker(&text, "text", "string");
  add_taker(&text, "bytes", "(list u8)");
  add_taker(&text, "numbers", "(list u32)");
  add_taker(&text, "number", "u32");
  for (int shape = 0; shape < SHAPES; shape++) add_shape(&text, (shape_t)shape);
  ADD(&text, ")");
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_define(imports, str(FACE), str("get"), str("func() -> list<string>"), give, &given, NULL, &err));
  return linked_from(engine, &text, imports);
}

/* ---- the calls ---------------------------------------------------------------------------- */

static long most_kib(void) {
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return usage.ru_maxrss;
}

/* The call's status and whether its error ended the instance, in so many milliseconds at most. */
static int call(torvyn_instance_t *instance, const char *interface, const char *name, const torvyn_value_t *args,
                size_t count, unsigned ms, const char *says) {
  torvyn_values_t *values = STALE;
  torvyn_error_t *err = NULL;
  uint64_t used = used_ns();
  int status = torvyn_call(instance, str(interface), str(name), args, count, &values, &err);
  used = used_ns() - used;
  if (used > ms * MS * check_slow())
    fprintf(stderr, "%s: %" PRIu64 " ms: %s\n", name, used / MS, torvyn_error_message(err).data);
  CHECK(used <= ms * MS * check_slow());
  if (status < 0 && !strstr(torvyn_error_message(err).data, says))
    fprintf(stderr, "%s: lacks `%s`: %s\n", name, says, torvyn_error_message(err).data);
  CHECK(status == TORVYN_OK || strstr(torvyn_error_message(err).data, says) != NULL);
  CHECK(!torvyn_error_is_fatal(err) == (torvyn_instance_state(instance) != TORVYN_STATE_POISONED ||
                                        status == TORVYN_ERROR_STATE));
  torvyn_error_free(err);
  torvyn_values_free(values);
  return status;
}

enum { SOON = 100, BRIEF = 500, BOUNDED = 5000 }; /* milliseconds */

static void refused_unseen(torvyn_instance_t *instance) {
  const char *wrong[] = {"text", "bytes", "numbers", "number"};
  const torvyn_value_t two[2] = {*value(LISTS, DEEP), *value(LISTS, DEEP)};
  part("refused for anything else: the values are not looked at");
  CHECK(call(instance, "a:b/c", "f", two, 1, SOON, "a:b/c") == TORVYN_ERROR_NOT_EXPORTED);
  CHECK(call(instance, "", "f", two, 1, SOON, "`f`") == TORVYN_ERROR_NOT_EXPORTED);
  CHECK(call(instance, "", "lists", two, 2, SOON, "2 were given") == TORVYN_ERROR_TYPE_MISMATCH);
  CHECK(call(instance, "torvyn:streaming/lifecycle", "init", two, 1, SOON, "contract") == TORVYN_ERROR_ARGUMENT);
  for (int shape = 0; shape < SHAPES; shape++)
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
      CHECK(call(instance, "", wrong[i], value((shape_t)shape, DEEP), 1, SOON, "expected") == TORVYN_ERROR_TYPE_MISMATCH);
  CHECK(call(instance, "", "trap", NULL, 0, SOON, "") == TORVYN_ERROR_TRAP);
  CHECK(call(instance, "", "lists", two, 1, SOON, "POISONED") == TORVYN_ERROR_STATE);
  OK(torvyn_instance_reset(instance, &err));
}

/* Refused at what values may take; or before, where the time is over. */
static void bounded(torvyn_instance_t *instance, torvyn_instance_t *brief) {
  for (int shape = 0; shape < SHAPES; shape++) {
    torvyn_instance_t *on = shape == LISTS || shape == RESULTS ? instance : brief;
    torvyn_stats_t before = stats_of(on), after;
    long most = most_kib();
    int status;
    part(functions[shape]);
    status = call(on, "", functions[shape], value((shape_t)shape, LEVELS), 1, on == brief ? BRIEF : BOUNDED,
                  on == brief ? "" : "128 MiB");
    CHECK(status == TORVYN_ERROR_MEMORY || (on == brief && status == TORVYN_ERROR_DEADLINE));
    CHECK(most_kib() - most < 160 << 10);
    after = stats_of(on);
    CHECK(after.calls == before.calls && after.refused == before.refused + 1);
    /* Deeper than the type: it does not fit, or takes too much. */
    CHECK(call(brief, "", functions[shape], value((shape_t)shape, DEEP), 1, BRIEF, "") < 0);
    CHECK(torvyn_instance_state(brief) == TORVYN_STATE_NEW);
  }
}

/* A list of two million numbers, just within what values may take. */
static torvyn_value_t numbers(torvyn_value_t *at, size_t len) {
  for (size_t i = 0; i < len; i++) at[i].kind = TORVYN_KIND_U32;
  return list_of(at, len);
}

static void in_time(const torvyn_linked_t *linked, torvyn_instance_t *instance) {
  enum { MANY = 2000000 };
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 2 * MS};
  torvyn_instance_t *timed = NULL;
  torvyn_value_t *all = calloc(MANY, sizeof *all), list, none = list_of(NULL, 0);
  torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(instance);
  torvyn_stats_t stats;
  uint64_t refused = stats_of(instance).refused;
  CHECK(all != NULL);
  list = numbers(all, MANY);
  part("the arguments are within the call's time");
  while (torvyn_instance_new(linked, 2, &options, &timed, NULL) == TORVYN_ERROR_DEADLINE) {} /* it is little */
  CHECK(call(timed, "", "numbers", &list, 1, BOUNDED, "while its arguments were read") == TORVYN_ERROR_DEADLINE);
  CHECK(torvyn_instance_state(timed) == TORVYN_STATE_NEW);
  stats = stats_of(timed);
  CHECK(stats.calls == 0 && stats.refused == 1 && stats.deadlines == 1 && stats.stopped == 0);
  torvyn_instance_free(timed);
  part("a cancel that came before ends them");
  torvyn_cancel(cancel);
  CHECK(call(instance, "", "numbers", &list, 1, SOON, "before it began") == TORVYN_ERROR_CANCELLED);
  CHECK(call(instance, "", "numbers", &none, 1, BOUNDED, "") == TORVYN_OK);
  CHECK(stats_of(instance).cancels == 1 && stats_of(instance).refused == refused + 1);
  torvyn_cancel_free(cancel);
  free(all);
}

/* What a host function gives is read by the same means. */
static void results(torvyn_instance_t *instance, torvyn_instance_t *brief) {
  part("results of host functions");
  for (int shape = 0; shape < SHAPES; shape++) {
    torvyn_instance_t *on = shape == LISTS ? instance : brief;
    long most = most_kib();
    int status;
    given = value((shape_t)shape, DEEP);
    status = call(on, "", "get", NULL, 0, on == brief ? BRIEF : BOUNDED, "");
    CHECK(status == TORVYN_ERROR_MEMORY || (on == brief && status == TORVYN_ERROR_DEADLINE));
    CHECK(most_kib() - most < 160 << 10);
    while (torvyn_instance_reset(on, NULL) == TORVYN_ERROR_DEADLINE) {}
    CHECK(torvyn_instance_state(on) == TORVYN_STATE_NEW);
  }
}

int main(int argc, char **argv) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .optimize = TORVYN_OPTIMIZE_NONE};
  torvyn_linked_t *linked;
  torvyn_instance_options_t options = {.struct_size = sizeof options};
  torvyn_instance_t *instance, *brief = NULL;
  check_begin(argc, argv);
  engine = engine_with(&config);
  for (int shape = 0; shape < SHAPES; shape++) make((shape_t)shape);
  linked = component();
  options.timeout_ns = UINT64_MAX;
  instance = instance_of(linked, 1, &options);
  options.timeout_ns = 100 * MS;
  while (torvyn_instance_new(linked, 3, &options, &brief, NULL) == TORVYN_ERROR_DEADLINE) {} /* others want the processor */
  CHECK(brief != NULL);
  refused_unseen(instance);
  bounded(instance, brief);
  in_time(linked, instance);
  results(instance, brief);
  torvyn_instance_free(brief);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  return check_end();
}
