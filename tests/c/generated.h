/* The fuzz targets of generated components: `modules`, `composed`, `nested` (fuzz/generate makes them of the
 * fuzzer's bytes). Whatever a component does, each step has a status that the header allows; the two paths agree; an
 * artifact is the same component. */
#ifndef GENERATED_H
#define GENERATED_H

#include "component.h"

/* What is made: a core module in a component, a component of several, any component within another. */
enum generated_kind { GENERATED_MODULES = 0, GENERATED_COMPOSED = 1, GENERATED_NESTED = 2 };

/* What is known of it: nothing; that it is valid, and may need what is off or more than there is; that it
 * compiles and links, whatever the configuration. */
enum generated_validity { GENERATED_ANY = 0, GENERATED_VALID = 1, GENERATED_COMPILES = 2 };

/* A function of `g:g/g` with numbers for parameters. */
typedef struct {
  char name[8]; /* not NUL-terminated where it is as long */
  size_t count;
  uint8_t kinds[16]; /* torvyn_kind_t */
  uint64_t args[16]; /* their bits */
} generated_call_t;

typedef struct {
  const uint8_t *bytes;
  size_t len;
  const generated_call_t *calls;
  size_t call_count;
  uint32_t configuration; /* any number */
  enum generated_validity validity;
} generated_t;

enum { GENERATED_CONFIGURATIONS = 16 };

/* Each with a name, since a finding is one of a configuration. */
static inline torvyn_engine_config_t generated_config(unsigned which, const char **name) {
  torvyn_engine_config_t config = {.struct_size = sizeof config,
                                   .optimize = TORVYN_OPTIMIZE_NONE,
                                   .parallel_compilation = TORVYN_OFF,
                                   .guest_stack = 64 << 10};
  *name = "defaults";
  switch (which) {
  case 1: config.multi_memory = TORVYN_ON, *name = "multi_memory"; break;
  case 2: config.fuel = TORVYN_ON, *name = "fuel"; break;
  case 3: config.explicit_traps = TORVYN_ON, *name = "explicit_traps"; break;
  case 4:
    config.explicit_traps = config.fuel = config.multi_memory = TORVYN_ON;
    *name = "explicit_traps, fuel, multi_memory";
    break;
  case 5: config.memory_reservation = 1, *name = "memory_reservation"; break;
  case 6:
    config.pool_instances = 4, config.memory_limit = 4 << 20, config.table_limit = 8000;
    *name = "pool";
    break;
  case 7:
    config.pool_instances = 4, config.memory_limit = 4 << 20, config.table_limit = 8000;
    config.multi_memory = config.fuel = TORVYN_ON, config.pool_keep_resident = 64 << 10;
    *name = "pool, multi_memory, fuel";
    break;
  case 8: config.simd = TORVYN_OFF, *name = "no simd"; break;
  case 9:
    config.relaxed_simd = config.multi_memory = TORVYN_ON;
    *name = "relaxed_simd, multi_memory";
    break;
  case 10: config.optimize = TORVYN_OPTIMIZE_SPEED, *name = "optimized"; break;
  case 11:
    config.multi_memory = config.refuse_growth = TORVYN_ON;
    config.optimize = TORVYN_OPTIMIZE_SPEED_AND_SIZE;
    *name = "multi_memory, refuse_growth, optimized for size";
    break;
  case 12: config.guest_stack = 16 << 10, *name = "small guest_stack"; break;
  case 13:
    config.relaxed_simd = config.explicit_traps = TORVYN_ON, config.memory_reservation = 1 << 20;
    *name = "relaxed_simd, explicit_traps, memory_reservation";
    break;
  case 14: config.fuel = config.unwind_info = TORVYN_ON, *name = "fuel, unwind_info"; break;
  case 15: config.memory_reservation = 1 << 20, config.refuse_growth = TORVYN_ON, *name = "reservation of 1 MiB"; break;
  default: break;
  }
  return config;
}

/* The engine of a configuration, made once: on the path that is taken by itself, or on the general one. */
static inline torvyn_engine_t *generated_engine(unsigned which, int general) {
  static torvyn_engine_t *engines[GENERATED_CONFIGURATIONS][2];
  const char *name;
  torvyn_engine_config_t config = generated_config(which, &name);
  check_doing = name;
  if (!engines[which][general]) {
    if (general) config.path = TORVYN_PATH_GENERAL;
    OK(torvyn_engine_new(&config, &engines[which][general], &err));
  }
  return engines[which][general];
}

/* What one step of a run came to. */
typedef struct {
  int status, trap;
  char text[96];
} generated_step_t;

enum { GENERATED_STEPS = 32 };

/* Steps that both paths must have alike. */
typedef struct {
  size_t count;
  generated_step_t steps[GENERATED_STEPS];
} generated_run_t;

static inline int generated_took(generated_run_t *run, const char *what, int status, torvyn_error_t *err) {
  generated_step_t *step = &run->steps[run->count < GENERATED_STEPS ? run->count : GENERATED_STEPS - 1];
  torvyn_str_t text = torvyn_error_detail(err);
  if (status == TORVYN_ERROR_PANIC || status == TORVYN_ERROR_INTERNAL || status == TORVYN_ERROR_NULL ||
      status == TORVYN_ERROR_ARGUMENT || status == TORVYN_ERROR_UTF8 || status == TORVYN_ERROR_BUSY) {
    fprintf(stderr, "%s: %s: %s: %s\n", check_doing, what, torvyn_status_name(status), torvyn_error_message(err).data);
    CHECK(!"a status that no component is to cause");
  }
  CHECK((status < 0) == (err != NULL));
  run->count++;
  step->status = status;
  step->trap = (int)torvyn_error_trap(err);
  /* What the component itself said; other texts name what differs between the paths. */
  if (status == TORVYN_ERROR_GUEST_INTERNAL)
    snprintf(step->text, sizeof step->text, "%.*s", (int)text.len, text.data);
  else
    step->text[0] = '\0';
  torvyn_error_free(err);
  return status;
}

/* Reads all that a value points to. */
static inline uint64_t generated_read(const torvyn_value_t *value) {
  uint64_t sum = value->kind;
  switch (value->kind) {
  case TORVYN_KIND_STRING:
  case TORVYN_KIND_ENUM:
    for (size_t i = 0; i < value->of.string.len; i++) sum += (uint8_t)value->of.string.data[i];
    break;
  case TORVYN_KIND_BYTES:
    for (size_t i = 0; i < value->of.bytes.len; i++) sum += value->of.bytes.data[i];
    break;
  case TORVYN_KIND_LIST:
  case TORVYN_KIND_TUPLE:
    for (size_t i = 0; i < value->of.values.len; i++) sum += generated_read(&value->of.values.data[i]);
    break;
  case TORVYN_KIND_RECORD:
    for (size_t i = 0; i < value->of.fields.len; i++)
      sum += generated_read(&value->of.fields.values[i]) + value->of.fields.names[i].len;
    break;
  case TORVYN_KIND_VARIANT:
    sum += value->of.variant.name.len;
    if (value->of.variant.payload) sum += generated_read(value->of.variant.payload);
    break;
  case TORVYN_KIND_OPTION:
    if (value->of.option) sum += generated_read(value->of.option);
    break;
  case TORVYN_KIND_RESULT:
    if (value->of.result.payload) sum += generated_read(value->of.result.payload);
    break;
  case TORVYN_KIND_FLAGS:
    for (size_t i = 0; i < value->of.flags.len; i++) sum += value->of.flags.data[i].len;
    break;
  default: break;
  }
  return sum;
}

static inline torvyn_value_t generated_value(uint8_t kind, uint64_t bits) {
  torvyn_value_t value = {.kind = (torvyn_kind_t)kind};
  uint32_t low = (uint32_t)bits;
  if (kind == TORVYN_KIND_F32) memcpy(&value.of.f32, &low, sizeof low);
  else if (kind == TORVYN_KIND_F64) memcpy(&value.of.f64, &bits, sizeof bits);
  else value.of.uint = bits;
  return value;
}

/* Whether the instance can be used again: not where a reset failed, as one does that takes too long. */
static inline bool generated_calls(torvyn_instance_t *instance, const generated_t *input, generated_run_t *run) {
  for (size_t i = 0; i < input->call_count; i++) {
    const generated_call_t *call = &input->calls[i];
    torvyn_str_t name = {call->name, strnlen(call->name, sizeof call->name)};
    torvyn_value_t args[16];
    torvyn_values_t *values = STALE;
    torvyn_error_t *err = STALE;
    static volatile uint64_t sum;
    for (size_t j = 0; j < call->count; j++) args[j] = generated_value(call->kinds[j], call->args[j]);
    int status = (int)torvyn_call(instance, str("g:g/g"), name, args, call->count, &values, &err);
    status = generated_took(run, "torvyn_call", status, err);
    /* Names and types are right, and it is NEW or READY. */
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_TRAP || status == TORVYN_ERROR_FUEL ||
          status == TORVYN_ERROR_DEADLINE || status == TORVYN_ERROR_MEMORY);
    if (status == TORVYN_OK && torvyn_values_count(values)) sum += generated_read(torvyn_values_get(values, 0));
    torvyn_values_free(values);
    if (status < 0) {
      err = STALE;
      status = (int)torvyn_instance_reset(instance, &err);
      if (generated_took(run, "torvyn_instance_reset", status, err) < 0) return false;
    }
  }
  return true;
}

static inline void generated_run(const torvyn_component_t *component, const generated_t *input, generated_run_t *run) {
  torvyn_instance_options_t options = {.struct_size = sizeof options,
                                       .timeout_ns = 30 * MS * check_slow(),
                                       .fuel = 100000,
                                       .memory_limit = 4 << 20,
                                       .table_limit = 8000,
                                       .buffer_limit = 1 << 20,
                                       .max_handles = 100};
  torvyn_linked_t *linked = STALE;
  torvyn_instance_t *instance = STALE;
  torvyn_error_t *err = STALE;
  int status = (int)torvyn_linked_new(component, NULL, &linked, &err);
  if (generated_took(run, "torvyn_linked_new", status, err) < 0) {
    CHECK(input->validity != GENERATED_COMPILES);
    return;
  }
  err = STALE;
  status = (int)torvyn_instance_new(linked, 5, &options, &instance, &err);
  status = generated_took(run, "torvyn_instance_new", status, err);
  torvyn_linked_free(linked);
  if (status < 0) return;
  /* As it is, started anew, and with the calls in between. */
  for (int round = 0; round < 2; round++) {
    err = STALE;
    status = (int)torvyn_init(instance, str("x"), &err);
    status = generated_took(run, "torvyn_init", status, err);
    CHECK(status == TORVYN_OK || status == TORVYN_ERROR_TRAP || status == TORVYN_ERROR_FUEL ||
          status == TORVYN_ERROR_DEADLINE || status == TORVYN_ERROR_MEMORY || status == TORVYN_ERROR_GUEST_INTERNAL);
    err = STALE;
    status = (int)torvyn_instance_reset(instance, &err);
    if (generated_took(run, "torvyn_instance_reset", status, err) < 0) break;
    if (round == 0 && !generated_calls(instance, input, run)) break;
  }
  torvyn_instance_free(instance);
}

/* Whether a budget ended it, which it does elsewhere on each path. */
static inline int generated_is_budget(int status) {
  return status == TORVYN_ERROR_FUEL || status == TORVYN_ERROR_DEADLINE;
}

static inline void generated_alike(const generated_run_t *a, const generated_run_t *b) {
  for (size_t i = 0; i < a->count && i < b->count && i < GENERATED_STEPS; i++) {
    const generated_step_t *x = &a->steps[i], *y = &b->steps[i];
    if (generated_is_budget(x->status) || generated_is_budget(y->status)) return;
    if (x->status != y->status || x->trap != y->trap || strcmp(x->text, y->text) != 0) {
      fprintf(stderr, "%s: step %zu: %s, %s, `%s`; and %s, %s, `%s`\n", check_doing, i, torvyn_status_name(x->status),
              torvyn_trap_name(x->trap), x->text, torvyn_status_name(y->status), torvyn_trap_name(y->trap), y->text);
      CHECK(!"two runs are alike");
    }
  }
  CHECK(a->count == b->count);
}

static inline torvyn_component_t *generated_compiled(const torvyn_engine_t *engine, const generated_t *input) {
  torvyn_component_t *component = STALE;
  torvyn_error_t *err = STALE;
  int status = (int)torvyn_component_compile(engine, input->bytes, input->len, &component, &err);
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (component != NULL));
  if (status != TORVYN_OK && !(input->validity == GENERATED_ANY && is_verdict_on_bytes(status)) &&
      !(input->validity == GENERATED_VALID && status == TORVYN_ERROR_UNSUPPORTED)) {
    fprintf(stderr, "%s: %s: %s\n", check_doing, torvyn_status_name(status), torvyn_error_message(err).data);
    CHECK(!"a component that is valid compiles");
  }
  torvyn_error_free(err);
  return component;
}

/* For a person who looks at an input: the component goes to the file `show`, binary or text. */
static inline void generated_show(const char *show, const generated_t *input) {
  FILE *file = fopen(show, "wb");
  CHECK(file && fwrite(input->bytes, 1, input->len, file) == input->len && fclose(file) == 0);
}

static inline void generated_tell(const torvyn_component_t *component, const generated_run_t *run) {
  fprintf(stderr, "%s, path %d:", check_doing, (int)torvyn_component_path(component));
  for (size_t i = 0; i < run->count && i < GENERATED_STEPS; i++)
    fprintf(stderr, " %s", torvyn_status_name(run->steps[i].status));
  fprintf(stderr, "\n");
}

static inline void fuzz_generated(const generated_t *input) {
  unsigned which = input->configuration % GENERATED_CONFIGURATIONS;
  torvyn_engine_t *engine = generated_engine(which, 0);
  torvyn_component_t *component, *other;
  generated_run_t run = {0}, again = {0};
  const char *show = getenv("TORVYN_FUZZ_SHOW");
  if (show) generated_show(show, input);
  component = generated_compiled(engine, input);
  if (!component) return;
  same_component(component, component);
  generated_run(component, input, &run);
  if (show) generated_tell(component, &run);
  if (torvyn_component_path(component) == TORVYN_PATH_DIRECT) {
    other = generated_compiled(generated_engine(which, 1), input);
    CHECK(other != NULL);
    generated_run(other, input, &again);
    generated_alike(&run, &again);
    torvyn_component_free(other);
  }
  /* Of some the artifact, which costs as much as the rest. */
  if (input->configuration / GENERATED_CONFIGURATIONS % 4 == 0) {
    other = reloaded(engine, component);
    same_component(component, other);
    memset(&again, 0, sizeof again);
    generated_run(other, input, &again);
    generated_alike(&run, &again);
    torvyn_component_free(other);
  }
  torvyn_component_free(component);
}

#endif /* GENERATED_H */
