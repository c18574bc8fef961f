/* The steps between which the seed chooses: handles are made and freed, instances called, reset,
 * cancelled and asked; time passes; the process forks. */
#ifndef TORVYN_SIMULATION_STEPS_H
#define TORVYN_SIMULATION_STEPS_H

#include "calls.h"

/* Whether an instance may not be made for want of what was refused: a thread for the clock, a stack for
 * signals, or what the instance itself needs. */
static int is_refusal(int refused, int status) {
  return (refused & (NO_THREADS | MAPPINGS | ROOM) && status == TORVYN_ERROR_INTERNAL) ||
         (refused && status == TORVYN_ERROR_INSTANTIATION);
}

/* ---- engines -------------------------------------------------------------------------------- */

static void make_engine(unsigned slot) {
  engine_t *engine = forever(sizeof *engine);
  torvyn_error_t *err = STALE;
  int status, refused;
  engine->variant = (int)pick(VARIANTS);
  engine->host_ticks = once_in(4) ? 0 : 1;
  engine->path = once_in(2) ? TORVYN_PATH_AUTO : TORVYN_PATH_GENERAL;
  engine->timeout_ticks = engine->host_ticks ? 2 + pick(30) : UINT64_MAX / 4;
  engine->logs = once_in(3);
  const variant_t *variant = &variants[engine->variant];
  torvyn_engine_config_t config = {.struct_size = sizeof config,
                                   .fuel = variant->fuel,
                                   .explicit_traps = variant->explicit_traps,
                                   .memory_reservation = variant->reservation,
                                   .pool_instances = variant->pool,
                                   .memory_limit = 4 * MIB,
                                   .host_ticks = engine->host_ticks ? TORVYN_ON : TORVYN_OFF,
                                   .tick_ns = engine->host_ticks ? TICK : MS,
                                   .timeout_ns = engine->host_ticks ? engine->timeout_ticks * TICK : LONG,
                                   .path = engine->path,
                                   .optimize = TORVYN_OPTIMIZE_NONE,
                                   .parallel_compilation = once_in(6) ? TORVYN_ON : TORVYN_OFF,
                                   .guest_stack = 64 << 10,
                                   .log_level = TORVYN_LOG_DEBUG};
  if (engine->logs) finalizers.owed++, config.log = log_line, config.log_user = engine, config.log_finalizer = engine_finalizer;
  note("engine of variant %d, %s, %s%s", engine->variant, engine->host_ticks ? "ticked" : "with its thread",
       engine->path ? "general" : "auto", engine->logs ? ", log" : "");
  refuse_some(ROOM | FILES | MAPPINGS | NO_THREADS, &refused);
  enter();
  status = (int)torvyn_engine_new(&config, &engine->handle, &err);
  left();
  note("engine came to %s", torvyn_status_name(status));
  CHECK((status == TORVYN_OK) == (engine->handle != NULL));
  CHECK(status == TORVYN_OK || (refused && status == TORVYN_ERROR_CONFIG) ||
        (refused && in_a_fork && status == TORVYN_ERROR_INTERNAL));
  check_error(status, err, NULL, NULL, 0);
  check_log(engine);
  if (status != TORVYN_OK) return;
  world.engines[slot] = engine;
  COUNT(engines);
}

static void free_engine(unsigned slot) {
  engine_t *engine = world.engines[slot];
  torvyn_engine_t *handle = engine->handle, *again = torvyn_engine_clone(handle);
  CHECK(again == handle);
  torvyn_engine_free(again);
  note("frees an engine");
  world.engines[slot] = NULL;
  engine->handle = NULL;
  enter();
  torvyn_engine_free(handle);
  left();
  check_log(engine);
}

/* ---- components --------------------------------------------------------------------------------- */

static int compile_kind(engine_t *engine, kind_t kind, torvyn_component_t **out, torvyn_error_t **err) {
  char path[4096];
  if (kind == SHOP)
    return (int)torvyn_component_compile(engine->handle, (const uint8_t *)things_text, strlen(things_text), out, err);
  snprintf(path, sizeof path, "%s/%s.wasm", check_guests, kinds[kind].guest);
  COUNT(compiled);
  return (int)torvyn_component_compile_file(engine->handle, path, out, err);
}

/* The path of an artifact, which is made where it is not there yet: what comes after does not depend on
 * that. Valid until the next on this thread. */
static const char *artifact_of(engine_t *engine, kind_t kind) {
  static __thread char path[200];
  char fresh[240];
  torvyn_blob_t *blob = NULL;
  torvyn_component_t *first = NULL;
  torvyn_bytes_t bytes;
  FILE *file;
  snprintf(path, sizeof path, "%s/%s-%d-%d", world.artifacts, kinds[kind].guest, engine->variant, (int)engine->path);
  if (access(path, R_OK) == 0) return path;
  turns.pinned++;
  OK(compile_kind(engine, kind, &first, &err));
  OK(torvyn_component_serialize(first, &blob, &err));
  torvyn_component_free(first);
  turns.pinned--;
  bytes = torvyn_blob_bytes(blob);
  snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
  file = fopen(fresh, "wb");
  CHECK(file && fwrite(bytes.data, 1, bytes.len, file) == bytes.len);
  CHECK(fclose(file) == 0 && rename(fresh, path) == 0);
  torvyn_blob_free(blob);
  return path;
}

static void make_component(component_t *c) {
  engine_t *engine = world.engines[pick(ENGINES)];
  torvyn_native_t table = native_table;
  torvyn_error_t *err = STALE;
  int status, refused = 0;
  if (!engine) return;
  memset(c, 0, sizeof *c);
  c->kind = once_in(4) ? NATIVE : (kind_t)pick(KINDS);
  c->engine = engine;
  c->borrowed = 1; /* nobody else's until it is there */
  engine->holders++;
  note("component %s", kinds[c->kind].guest);
  if (c->kind == NATIVE) {
    c->user = forever(sizeof *c->user);
    c->user->engine = engine, c->user->holders = 1;
    table.user = c->user;
    finalizers.owed++;
    enter();
    status = (int)torvyn_component_native(engine->handle, &table, &c->handle, &err);
    left();
  } else {
    const char *artifact = once_in(60) ? NULL : artifact_of(engine, c->kind);
    refuse_some(artifact ? FILES | MAPPINGS | ROOM : NO_THREADS, &refused);
    enter();
    status = artifact ? (int)torvyn_component_deserialize_file_unchecked(engine->handle, artifact, &c->handle, &err)
                      : compile_kind(engine, c->kind, &c->handle, &err);
    left();
    if (artifact) COUNT(loaded);
  }
  note("component came to %s", torvyn_status_name(status));
  CHECK((status == TORVYN_OK) == (c->handle != NULL));
  check_error(status, err, NULL, NULL, 0);
  CHECK(status == TORVYN_OK || (refused && status == TORVYN_ERROR_INTERNAL) ||
        (refused & (FILES | MAPPINGS | ROOM) && status == TORVYN_ERROR_IO));
  c->borrowed = 0;
  if (status == TORVYN_OK) {
    COUNT(components);
    return;
  }
  engine->holders--;
  check_log(engine);
}

static void free_component(component_t *c) {
  component_t old = *c;
  if (c->borrowed) return;
  note("frees a component");
  memset(c, 0, sizeof *c);
  old.engine->holders--;
  if (old.user) old.user->holders--;
  enter();
  torvyn_component_free(old.handle);
  left();
  check_user(old.user);
  check_log(old.engine);
}

/* ---- linked components ----------------------------------------------------------------------------- */

static void make_linked(linked_t *l) {
  component_t *c = &world.components[pick(COMPONENTS)];
  engine_t *engine = c->engine;
  torvyn_imports_t *imports = NULL;
  torvyn_error_t *err = STALE;
  int status;
  if (!c->handle || c->borrowed || (c->kind == STDIO && !engine->handle)) return;
  memset(l, 0, sizeof *l);
  l->kind = c->kind, l->engine = engine, l->user = c->user;
  l->borrowed = 1, c->borrowed++;
  engine->holders++;
  note("links %s", kinds[l->kind].guest);
  if (l->kind == IMPORTER || l->kind == SHOP || l->kind == STDIO) {
    l->user = forever(sizeof *l->user);
    l->user->engine = engine, l->user->holders = 1;
    if (!engine->handle) { /* what provides the import is made of the engine */
      l->user = NULL;
    } else {
      OK(torvyn_imports_new(engine->handle, &imports, &err));
      if (l->kind == SHOP) define_things(imports, l->user);
      else if (l->kind == STDIO) grant(imports, l->user);
      else finalizers.owed++;
      if (l->kind == IMPORTER) OK(torvyn_imports_define(imports, str("acme:db/lookup@1.0.0"), str("get"), str("func(key: string) -> option<string>"),
                               lookup, l->user, user_finalizer, &err));
    }
  } else if (l->user) {
    l->user->holders++;
  }
  enter();
  status = (int)torvyn_linked_new(c->handle, imports, &l->handle, &err);
  left();
  torvyn_imports_free(imports);
  note("linked came to %s", torvyn_status_name(status));
  CHECK((status == TORVYN_OK) == (l->handle != NULL));
  check_error(status, err, NULL, NULL, 0);
  CHECK(status == ((l->kind == IMPORTER || l->kind == SHOP) && !l->user ? TORVYN_ERROR_UNRESOLVED_IMPORT : TORVYN_OK));
  l->borrowed = 0, c->borrowed--;
  if (status == TORVYN_OK) {
    COUNT(linked);
    CHECK(torvyn_linked_path(l->handle) == (l->kind == NATIVE ? TORVYN_PATH_NATIVE
                                            : l->kind >= IMPORTER || engine->path ? TORVYN_PATH_GENERAL : TORVYN_PATH_DIRECT));
    return;
  }
  engine->holders--;
  check_log(engine);
}

static void free_linked(linked_t *l) {
  linked_t old = *l;
  if (l->borrowed) return;
  note("frees a linked component");
  memset(l, 0, sizeof *l);
  old.engine->holders--;
  if (old.user) old.user->holders--;
  enter();
  torvyn_linked_free(old.handle);
  left();
  check_user(old.user);
  check_log(old.engine);
}

/* ---- instances ----------------------------------------------------------------------------------------- */

/* As it is made, or made anew. */
static void as_new(instance_t *i) {
  i->state = i->roles & TORVYN_ROLE_LIFECYCLE ? TORVYN_STATE_NEW : TORVYN_STATE_READY;
  memset(&i->memory, 0, sizeof i->memory);
  i->unsure = i->no_store = i->managed = i->of_parent = 0;
  i->fuel = i->budget;
}

static void make_instance(unsigned slot) {
  linked_t *l = &world.linked[pick(LINKED)];
  engine_t *engine = l->engine;
  instance_t *i, *outer = making;
  torvyn_instance_options_t options = {.struct_size = sizeof options};
  torvyn_instance_t *handle;
  torvyn_error_t *err = STALE;
  int status, refused, full, refuses_before = making_refuses;
  if (!l->handle || l->borrowed) return;
  i = forever(sizeof *i);
  i->id = ++world.ids, i->engine = engine, i->user = l->user, i->kind = l->kind, i->roles = kinds[l->kind].roles;
  i->timeout_ticks = engine->timeout_ticks;
  if (engine->host_ticks && once_in(2)) i->timeout_ticks = 1 + pick(30), options.timeout_ns = i->timeout_ticks * TICK;
  options.fuel = i->budget = once_in(8) && i->kind != STDIO ? 3000 : 20000000;
  i->memory_limit = once_in(2) ? 4 * MIB : MIB;
  options.memory_limit = i->memory_limit;
  i->grows = (int)pick(2);
  options.refuse_growth = i->grows ? TORVYN_ON : TORVYN_OFF;
  i->timed = once_in(4);
  options.timing = i->timed ? TORVYN_ON : TORVYN_OFF;
  as_new(i);
  full = variants[engine->variant].pool && i->kind != NATIVE && engine->in_pool >= (int)variants[engine->variant].pool;
  engine->holders++, l->borrowed++;
  if (i->user) i->user->holders++;
  if (!full && variants[engine->variant].pool && i->kind != NATIVE) engine->in_pool++, i->slot = 1;
  note("instance %" PRIu64 " of %s%s", i->id, kinds[i->kind].guest, full ? ", too many" : "");
  making = i;
  making_refuses = i->kind == NATIVE && once_in(20) ? TORVYN_ERROR_UNAVAILABLE : 0;
  refuse_some(ROOM | FILES | MAPPINGS | NO_THREADS, &refused);
  enter();
  status = (int)torvyn_instance_new(l->handle, i->id, &options, &i->handle, &err);
  left();
  note("instance came to %s", torvyn_status_name(status));
  check_error(status, err, i, NULL, 0);
  CHECK((status == TORVYN_OK) == (i->handle != NULL));
  if (full || making_refuses) CHECK(status == TORVYN_ERROR_INSTANTIATION || is_refusal(refused, status));
  else CHECK(status == TORVYN_OK || is_refusal(refused | (engine->lost || i->of_parent ? FILES : 0), status));
  making = outer, making_refuses = refuses_before;
  l->borrowed--;
  if (status == TORVYN_OK) {
    COUNT(instances);
    CHECK(torvyn_instance_id(i->handle) == i->id && torvyn_instance_roles(i->handle) == i->roles);
    CHECK(i->made == (i->kind == NATIVE));
    if (counts_fuel(engine) && i->kind != NATIVE) {
      torvyn_stats_t now = {.struct_size = sizeof now};
      CHECK(torvyn_instance_stats(i->handle, &now, NULL) == TORVYN_OK && now.calls == 0);
      i->stats.fuel_used = now.fuel_used;
    }
    check_counters(i);
    if (!world.instances[slot]) {
      world.instances[slot] = i;
      return;
    }
    handle = i->handle; /* another step, within this one, had it */
    i->handle = NULL;
    torvyn_instance_free(handle);
  }
  CHECK(i->made == 0);
  if (i->slot) engine->in_pool--, i->slot = 0;
  engine->holders--;
  if (i->user) i->user->holders--;
  check_user(i->user);
  check_log(engine);
}

static void free_instance(unsigned slot) {
  instance_t *i = world.instances[slot];
  torvyn_instance_t *handle = i->handle;
  note("frees %" PRIu64 "%s", i->id, i->busy ? " in its call" : "");
  world.instances[slot] = NULL;
  i->handle = NULL;
  i->engine->holders--;
  if (i->user) i->user->holders--;
  if (i->busy) COUNT(freed_in_call);
  else COUNT(freed);
  leave_to_parent(i);
  if (!i->busy && i->slot) i->engine->in_pool--, i->slot = 0;
  enter();
  torvyn_instance_free(handle);
  left();
  if (i->busy) return; /* ends with its call */
  CHECK(i->made == 0 && i->things == 0);
  check_user(i->user);
  check_log(i->engine);
}

static void reset_instance(instance_t *i) {
  torvyn_error_t *err = STALE;
  torvyn_instance_t *handle = i->handle;
  instance_t *outer = making;
  engine_t *engine = i->engine;
  user_t *user = i->user;
  torvyn_state_t before = i->state;
  int busy = i->busy, status, refused = 0, unchanged, refuses_before = making_refuses;
  note("resets %" PRIu64 "%s", i->id, busy ? ", busy" : "");
  if (!busy) {
    busy_begins(i);
    i->state = TORVYN_STATE_POISONED;
    making = i;
    making_refuses = i->kind == NATIVE && once_in(20) ? TORVYN_ERROR_UNAVAILABLE : 0;
    refuse_some(ROOM | FILES | MAPPINGS | NO_THREADS, &refused);
  }
  enter();
  status = (int)torvyn_instance_reset(handle, &err);
  left();
  note("reset %" PRIu64 " came to %s", i->id, torvyn_status_name(status));
  /* For want of a stack for signals, or of a thread to find out what a child can use. */
  unchanged = busy || (status == TORVYN_ERROR_INTERNAL && !torvyn_error_is_fatal(err));
  check_error(status, err, i, NULL, status < 0 && !unchanged);
  if (busy) {
    CHECK(status == TORVYN_ERROR_BUSY);
    COUNT(busy);
    return;
  }
  /* A cancel that comes meanwhile stops a start function, or waits as any. */
  if (i->reset_cancelled && status == TORVYN_ERROR_CANCELLED) CHECK(i->kind != NATIVE);
  else if (making_refuses) CHECK(status == TORVYN_ERROR_INSTANTIATION || is_refusal(refused, status));
  else CHECK(status == TORVYN_OK || is_refusal(refused | (engine->lost || i->of_parent ? FILES : 0), status));
  if (i->reset_cancelled && status != TORVYN_ERROR_CANCELLED) i->cancelled = 1;
  i->reset_cancelled = 0;
  making = outer, making_refuses = refuses_before;
  busy_ends(i);
  if (!unchanged) i->stats.resets++, leave_to_parent(i); /* one that failed is one */
  if (unchanged) {
    i->state = before;
  } else if (status == TORVYN_OK) {
    COUNT(resets);
    as_new(i);
  } else {
    i->unsure = i->no_store = 1;
    i->managed = 0;
  }
  if (i->handle) {
    torvyn_stats_t now = {.struct_size = sizeof now};
    CHECK(torvyn_instance_stats(i->handle, &now, NULL) == TORVYN_OK);
    i->stats.fuel_used = now.fuel_used;
    check_counters(i);
    CHECK(unchanged || i->made == (i->kind == NATIVE && status == TORVYN_OK));
    CHECK(unchanged || i->things == 0);
  } else {
    if (i->slot) i->slot = 0, engine->in_pool--;
    CHECK(i->made == 0 && i->things == 0);
  }
  check_user(user);
  check_log(engine);
}

/* ---- cancels ------------------------------------------------------------------------------------------------ */

static void cancel_step(cancel_t *c) {
  instance_t *i = world.instances[pick(INSTANCES)];
  if (c->handle && once_in(3)) {
    cancel_t old = *c;
    memset(c, 0, sizeof *c);
    old.of->engine->cancels--;
    torvyn_cancel_free(old.handle);
    check_log(old.of->engine);
  } else if (c->handle && !(c->of->busy && is_racy(c->of))) {
    torvyn_cancel_t *again = torvyn_cancel_clone(c->handle);
    note("cancels %" PRIu64 "%s", c->of->id, c->of->busy ? ", running" : "");
    COUNT(cancels);
    torvyn_cancel(again);
    torvyn_cancel_free(again);
    if (c->of->plan) c->of->plan->cancelled = 1;
    else if (c->of->busy) c->of->reset_cancelled = 1;
    else c->of->cancelled = 1;
  } else if (!c->handle && i) {
    c->handle = torvyn_instance_cancel_handle(i->handle);
    CHECK(c->handle != NULL);
    c->of = i;
    i->engine->cancels++;
  }
}

/* ---- questions ------------------------------------------------------------------------------------------------ */

static void ask(instance_t *i) {
  torvyn_memory_usage_t usage = {.struct_size = sizeof usage};
  torvyn_error_t *err = STALE;
  uint64_t fuel = 7;
  int status;
  if (!i->busy) {
    check_idle(i, i->fuel, i->stats.fuel_used);
    if (!once_in(4)) return;
    fuel = pick(2) ? 20000000 : pick(5000);
    status = (int)torvyn_instance_set_fuel(i->handle, fuel, &err);
    note("sets fuel of %" PRIu64 ": %s", i->id, torvyn_status_name(status));
    if (!counts_fuel(i->engine) || i->kind == NATIVE) CHECK(status == TORVYN_ERROR_FUEL_DISABLED);
    else if (i->no_store) CHECK(status == TORVYN_ERROR_STATE);
    else CHECK(status == TORVYN_OK), i->fuel = fuel, i->managed = 1;
    check_error(status, err, i, NULL, 0);
    return;
  }
  check_counters_within(i);
  if (!i->plan) CHECK(torvyn_instance_state(i->handle) == TORVYN_STATE_POISONED); /* a reset runs */
  status = (int)torvyn_instance_memory_usage(i->handle, &usage, &err);
  CHECK(status == TORVYN_ERROR_BUSY && usage.total == 0);
  check_error(status, err, i, NULL, 0);
  status = (int)torvyn_instance_fuel_remaining(i->handle, &fuel, &err);
  CHECK(status == TORVYN_ERROR_BUSY && fuel == 0);
  check_error(status, err, i, NULL, 0);
  status = (int)torvyn_instance_set_fuel(i->handle, 5, &err);
  CHECK(status == TORVYN_ERROR_BUSY);
  check_error(status, err, i, NULL, 0);
}

/* ---- time, and forks --------------------------------------------------------------------------------------------- */

/* The clocks jump; the one that never goes back, forward. */
static void jump(void) {
  int64_t ns = (int64_t)(random_next() >> (24 + pick(30)));
  note("time jumps by %" PRId64 " ns", ns);
  COUNT(jumps);
  if (once_in(2)) __atomic_store_n(&realtime_ahead, once_in(2) ? ns : -ns % (int64_t)(LONG * 100), __ATOMIC_SEQ_CST);
  else
    __atomic_add_fetch(&monotonic_ahead, ns % (int64_t)(clocked ? 1000 * MS : LONG), __ATOMIC_SEQ_CST);
}

static uint64_t last_step;

/* What the child of a fork has: this thread, and the calls that it is within. */
static void become_child(void) {
  static plan_t of_others; /* theirs are on stacks that are not here */
  int own = 0;
  in_a_fork = turns.alone = 1;
  turns.inside = depth;
  last_step = record->tallies.steps + pick(20);
  alarm(60 * check_slow());
  for (unsigned n = 0; n < INSTANCES; n++)
    if (world.instances[n] && world.instances[n]->kind == STDIO) world.instances[n]->of_parent = 1;
  for (int n = 0; n < running_count; n++) {
    instance_t *i = running[n].i;
    if (running[n].thread != me) { /* it stays busy */
      keep(i->engine, i->user);
      if (i->plan) i->plan = &of_others;
      continue;
    }
    if (i->kind == STDIO) {
      i->plan->forked = i->of_parent = 1;
      if (!i->handle) leave_to_parent(i);
    }
    running[own++] = running[n];
  }
  running_count = turns.calling = own;
}

/* No thread makes, changes or frees anything. The child goes on for a while, alone. */
static void fork_here(void) {
  int status;
  pid_t child;
  if (SANITIZED || turns.inside > turns.calling || turns.pinned || in_a_fork) return;
  note("forks");
  COUNT(forks);
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    become_child();
    return;
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) note("the child ended by signal %d", WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

/* Where an instance stands says what is most likely done with it. */
static void use(instance_t *i) {
  static const function_t fits[] = {PULL, PULL, NOTIFY, PROCESS, PROCESS, PUSH, PUSH, COMPLETE, EVALUATE, ROUTE, INGEST, INGEST, FLUSH};
  function_t function = (function_t)pick(FUNCTIONS);
  if (i->unsure || (!i->busy && i->state > TORVYN_STATE_READY && !once_in(4))) {
    if (!i->unsure && i->state == TORVYN_STATE_FAILED && once_in(2)) call_instance(i, TEARDOWN);
    else reset_instance(i);
    return;
  }
  if (i->state == TORVYN_STATE_NEW && !once_in(8)) function = INIT;
  else if (i->kind == SHOP) function = once_in(8) ? function : (function_t)(TAKE + pick(3));
  else if (!once_in(8))
    do function = fits[pick(sizeof fits / sizeof *fits)];
    while (!(functions[function].role & i->roles));
  call_instance(i, function);
}

static void step(void) {
  unsigned what = pick(1000), slot;
  COUNT(steps);
  if (!in_a_fork) alarm(60 * check_slow());
  if (what < 640) {
    slot = pick(INSTANCES);
    if (world.instances[slot]) use(world.instances[slot]);
    else make_instance(slot);
  } else if (what < 700) {
    slot = pick(INSTANCES);
    if (world.instances[slot] && once_in(2)) free_instance(slot);
    else if (world.instances[slot]) reset_instance(world.instances[slot]);
  } else if (what < 800) {
    cancel_step(&world.cancels[pick(CANCELS)]);
  } else if (what < 850) {
    slot = pick(INSTANCES);
    if (world.instances[slot]) ask(world.instances[slot]);
  } else if (what < 880) {
    linked_t *l = &world.linked[pick(LINKED)];
    if (l->handle && once_in(3)) free_linked(l);
    else if (!l->handle && !l->borrowed) make_linked(l);
  } else if (what < 910) {
    component_t *c = &world.components[pick(COMPONENTS)];
    if (c->handle && once_in(3)) free_component(c);
    else if (!c->handle && !c->borrowed) make_component(c);
  } else if (what < 930) {
    slot = pick(ENGINES);
    if (!world.engines[slot]) make_engine(slot);
    else if (once_in(4)) free_engine(slot);
  } else if (what < 960) {
    release(&world.kept[pick(OUTPUTS)]);
  } else if (what < 985) {
    engine_t *engine = world.engines[pick(ENGINES)];
    if (engine) tick(engine, 1 + pick(once_in(10) ? 10000 : 20));
  } else if (what < 995) {
    jump();
  } else {
    fork_here();
  }
}

/* Everything is freed, in an order of the seed's: nothing of it is left. */
static void all_freed(void) {
  unsigned from = pick(8);
  turns.pinned++; /* callbacks make nothing new */
  for (unsigned n = 0; n < 8; n++) switch ((n + from) % 8) {
    case 0: for (unsigned i = 0; i < ENGINES; i++) if (world.engines[i]) free_engine(i); break;
    case 1: for (unsigned i = 0; i < COMPONENTS; i++) if (world.components[i].handle) free_component(&world.components[i]); break;
    case 2: for (unsigned i = 0; i < LINKED; i++) if (world.linked[i].handle) free_linked(&world.linked[i]); break;
    case 3: for (unsigned i = 0; i < INSTANCES; i++) if (world.instances[i]) free_instance(i); break;
    case 4: for (unsigned i = 0; i < OUTPUTS; i++) release(&world.kept[i]); break;
    case 5: for (unsigned i = 0; i < CANCELS; i++) while (world.cancels[i].handle) cancel_step(&world.cancels[i]); break;
    default: break;
    }
  CHECK(finalizers.ran == finalizers.owed);
}

#endif /* TORVYN_SIMULATION_STEPS_H */
