/* The library as the runner calls it: numbers in and out, statuses with their texts. */
#include <stdlib.h>
#include <string.h>
#include <torvyn.h>

/* What a call came to. Laid out as `Said` in library.rs. */
typedef struct {
  int32_t status, trap;
  char text[1024]; /* NUL-terminated, perhaps cut */
} said_t;

/* A number: its torvyn_kind_t, and its bits. */
typedef struct {
  uint64_t kind, bits;
} scalar_t;

enum { MULTI_MEMORY = 1, RELAXED_SIMD = 2, EXPLICIT_TRAPS = 4, FUEL = 8, OPTIMIZED = 16 };

torvyn_engine_t *suite_engine(uint32_t flags, said_t *said);
torvyn_component_t *suite_compile(const torvyn_engine_t *engine, const uint8_t *bytes, size_t len, said_t *said);
torvyn_instance_t *suite_instantiate(const torvyn_component_t *component, said_t *said);
int suite_reset(torvyn_instance_t *instance, said_t *said);
int suite_call(torvyn_instance_t *instance, const char *name, size_t name_len, const scalar_t *args, size_t count,
               scalar_t *results, size_t *result_count, said_t *said);

/* Takes the error, which the call before this one has set. */
static int says(said_t *said, int status, torvyn_error_t **taken) {
  torvyn_error_t *err = *taken;
  torvyn_str_t text = torvyn_error_message(err);
  size_t len = text.len < sizeof said->text - 1 ? text.len : sizeof said->text - 1;
  memcpy(said->text, text.data, len);
  said->text[len] = '\0';
  said->status = status;
  said->trap = (int32_t)torvyn_error_trap(err);
  torvyn_error_free(err);
  return status >= 0;
}

static torvyn_switch_t on(uint32_t flags, uint32_t flag) { return flags & flag ? TORVYN_ON : TORVYN_OFF; }

torvyn_engine_t *suite_engine(uint32_t flags, said_t *said) {
  torvyn_engine_config_t config = {.struct_size = sizeof config,
                                   .fuel = on(flags, FUEL),
                                   .timeout_ns = UINT64_C(20000000000),
                                   .memory_limit = UINT64_C(1) << 32,
                                   .table_limit = 20000000,
                                   .instance_limit = 10000,
                                   .refuse_growth = TORVYN_ON,
                                   .relaxed_simd = on(flags, RELAXED_SIMD),
                                   .multi_memory = on(flags, MULTI_MEMORY),
                                   .optimize = flags & OPTIMIZED ? TORVYN_OPTIMIZE_SPEED : TORVYN_OPTIMIZE_NONE,
                                   .parallel_compilation = TORVYN_OFF,
                                   .explicit_traps = on(flags, EXPLICIT_TRAPS)};
  torvyn_engine_t *engine = NULL;
  torvyn_error_t *err = NULL;
  return says(said, (int)torvyn_engine_new(&config, &engine, &err), &err) ? engine : NULL;
}

torvyn_component_t *suite_compile(const torvyn_engine_t *engine, const uint8_t *bytes, size_t len, said_t *said) {
  torvyn_component_t *component = NULL;
  torvyn_error_t *err = NULL;
  return says(said, (int)torvyn_component_compile(engine, bytes, len, &component, &err), &err) ? component : NULL;
}

torvyn_instance_t *suite_instantiate(const torvyn_component_t *component, said_t *said) {
  torvyn_instance_options_t options = {.struct_size = sizeof options, .fuel = UINT64_C(1) << 40};
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance = NULL;
  torvyn_error_t *err = NULL;
  if (!says(said, (int)torvyn_linked_new(component, NULL, &linked, &err), &err)) return NULL;
  int made = says(said, (int)torvyn_instance_new(linked, 1, &options, &instance, &err), &err);
  torvyn_linked_free(linked);
  return made ? instance : NULL;
}

int suite_reset(torvyn_instance_t *instance, said_t *said) {
  torvyn_error_t *err = NULL;
  return says(said, (int)torvyn_instance_reset(instance, &err), &err);
}

static torvyn_value_t value_of(scalar_t scalar) {
  torvyn_value_t value = {.kind = (torvyn_kind_t)scalar.kind};
  uint32_t low = (uint32_t)scalar.bits;
  switch (value.kind) {
  case TORVYN_KIND_S32: value.of.sint = (int32_t)low; break;
  case TORVYN_KIND_S64: value.of.sint = (int64_t)scalar.bits; break;
  case TORVYN_KIND_F32: memcpy(&value.of.f32, &low, sizeof low); break;
  case TORVYN_KIND_F64: memcpy(&value.of.f64, &scalar.bits, sizeof scalar.bits); break;
  default: value.of.uint = scalar.bits;
  }
  return value;
}

static scalar_t scalar_of(const torvyn_value_t *value) {
  scalar_t scalar = {(uint64_t)value->kind, 0};
  uint32_t low;
  switch (value->kind) {
  case TORVYN_KIND_S32: scalar.bits = (uint32_t)value->of.sint; break;
  case TORVYN_KIND_S64: scalar.bits = (uint64_t)value->of.sint; break;
  case TORVYN_KIND_U32:
  case TORVYN_KIND_U64: scalar.bits = value->of.uint; break;
  case TORVYN_KIND_F32:
    memcpy(&low, &value->of.f32, sizeof low);
    scalar.bits = low;
    break;
  case TORVYN_KIND_F64: memcpy(&scalar.bits, &value->of.f64, sizeof scalar.bits); break;
  default: break; /* no number: the runner compares kinds */
  }
  return scalar;
}

/* `*result_count` is how many `results` has room for, and then how many there are; those of a tuple each count. */
int suite_call(torvyn_instance_t *instance, const char *name, size_t name_len, const scalar_t *args, size_t count,
               scalar_t *results, size_t *result_count, said_t *said) {
  torvyn_str_t interface = {"suite:suite/exports", 19}, function = {name, name_len};
  torvyn_value_t *given = malloc((count + 1) * sizeof *given);
  torvyn_values_t *values = NULL;
  torvyn_error_t *err = NULL;
  size_t room = *result_count;
  *result_count = 0;
  if (!given) abort();
  for (size_t i = 0; i < count; i++) given[i] = value_of(args[i]);
  int done = says(said, (int)torvyn_call(instance, interface, function, given, count, &values, &err), &err);
  free(given);
  if (done && torvyn_values_count(values) == 1) {
    const torvyn_value_t *value = torvyn_values_get(values, 0);
    size_t len = value->kind == TORVYN_KIND_TUPLE ? value->of.values.len : 1;
    const torvyn_value_t *first = value->kind == TORVYN_KIND_TUPLE ? value->of.values.data : value;
    *result_count = len;
    for (size_t i = 0; i < len && i < room; i++) results[i] = scalar_of(&first[i]);
  }
  torvyn_values_free(values);
  return done;
}
