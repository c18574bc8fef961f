/* A component whose functions are outside of the contract, with resources of the program's: what the
 * component is given it ends once, at the latest when its instance ends. */
#ifndef TORVYN_SIMULATION_THINGS_H
#define TORVYN_SIMULATION_THINGS_H

#include "callbacks.h"
#include "../c/wat.h"

#define THINGS_FACE "acme:shop/things@1.0.0"

/* `take` gets a thing, looks at it and lets go of it; `keep` gets one and holds it; `give` lets go of the
 * one that it is given. */
static const char things_text[] =
    "(component\n" TYPES
    "  (import \"" THINGS_FACE "\" (instance $h (export \"thing\" (type $t (sub resource)))\n"
    "    (export \"get\" (func (param \"n\" u64) (result (own $t))))\n"
    "    (export \"see\" (func (param \"it\" (borrow $t)) (result u64)))))\n"
    "  (alias export $h \"thing\" (type $thing))\n"
    "  (core func $get (canon lower (func $h \"get\")))\n"
    "  (core func $see (canon lower (func $h \"see\")))\n"
    "  (core func $drop (canon resource.drop $thing))\n"
    "  (core module $a " CORE ")\n  (core instance $i (instantiate $a))\n" LIFE
    "  (core module $m (import \"h\" \"get\" (func $get (param i64) (result i32)))\n"
    "    (import \"h\" \"see\" (func $see (param i32) (result i64))) (import \"h\" \"drop\" (func $drop (param i32)))\n"
    "    (func (export \"take\") (param i64) (result i64) (local i32 i64)\n"
    "      (local.set 1 (call $get (local.get 0))) (local.set 2 (call $see (local.get 1)))\n"
    "      (call $drop (local.get 1)) (local.get 2))\n"
    "    (func (export \"keep\") (param i64) (result i64) (drop (call $get (local.get 0))) (local.get 0))\n"
    "    (func (export \"give\") (param i32) (result i64) (call $drop (local.get 0)) (i64.const 5)))\n"
    "  (core instance $f (instantiate $m (with \"h\" (instance (export \"get\" (func $get))\n"
    "    (export \"see\" (func $see)) (export \"drop\" (func $drop))))))\n"
    "  (func (export \"take\") (param \"n\" u64) (result u64) (canon lift (core func $f \"take\")))\n"
    "  (func (export \"keep\") (param \"n\" u64) (result u64) (canon lift (core func $f \"keep\")))\n"
    "  (func (export \"give\") (param \"it\" (own $thing)) (result u64) (canon lift (core func $f \"give\"))))\n";
#undef INIT /* pieces of text there, functions here */
#undef TEARDOWN

/* ---- the things -------------------------------------------------------------------------- */

enum { THINGS = 20000 };

/* Of each, who holds it: by an instance, as its own; NULL before that and after. */
static struct {
  instance_t *holders[THINGS];
  uint32_t count; /* 0 is none */
} things;

static uint32_t thing_for(instance_t *i) {
  uint32_t thing = ++things.count;
  CHECK(thing < THINGS);
  things.holders[thing] = i;
  i->things++;
  return thing;
}

static void thing_ends(void *at, uint32_t thing) {
  user_t *user = at;
  instance_t *i;
  refuse_no_more();
  CHECK(thing > 0 && thing <= things.count && things.holders[thing] && !user->ended);
  i = things.holders[thing];
  CHECK(i->user == user && i->things > 0);
  things.holders[thing] = NULL;
  i->things--;
  if (!i->busy) return;
  if (current && current->i == i && !current->ran) begins(current);
  int freed = !i->handle; /* its call has ended, and it is freed now */
  turns.calling -= freed;
  interlude(user->engine, user);
  turns.calling += freed;
  if (current && current->i == i) current->stop = is_late(current), current->was_cancelled = current->cancelled;
}

/* ---- the host functions ---------------------------------------------------------------------- */

/* What both begin and end with. */
static plan_t *thing_begins(user_t *user, const torvyn_scope_t *scope) {
  plan_t *p = current;
  refuse_no_more();
  CHECK(p && p->i->kind == SHOP && p->i->busy && torvyn_scope_component_id(scope) == p->i->id);
  if (!p->ran) begins(p);
  interlude(user->engine, user);
  p->stop = is_late(p);
  p->was_cancelled = p->cancelled;
  return p;
}

static bool thing_get(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  plan_t *p = thing_begins(user, scope);
  CHECK((p->function == TAKE || p->function == KEEP) && count == 1 && args[0].kind == TORVYN_KIND_U64);
  CHECK(args[0].of.uint == p->sequence);
  if (p->status == TORVYN_ERROR_HOST_FUNCTION) return false;
  result->kind = TORVYN_KIND_OWN;
  result->of.resource = p->thing = thing_for(p->i);
  return true;
}

static bool thing_see(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  plan_t *p = thing_begins(user, scope);
  CHECK(p->function == TAKE && count == 1 && args[0].kind == TORVYN_KIND_BORROW && args[0].of.resource == p->thing);
  result->kind = TORVYN_KIND_U64;
  result->of.uint = p->sequence;
  return true;
}

/* The program's part of the imports. */
static void define_things(torvyn_imports_t *imports, user_t *user) {
  finalizers.owed++;
  OK(torvyn_imports_define_resource(imports, str(THINGS_FACE), str("thing"), thing_ends, user, user_finalizer, &err));
  OK(torvyn_imports_define(imports, str(THINGS_FACE), str("get"), str("func(n: u64) -> thing"), thing_get, user, NULL, &err));
  OK(torvyn_imports_define(imports, str(THINGS_FACE), str("see"), str("func(it: borrow<thing>) -> u64"), thing_see, user,
                           NULL, &err));
}

/* ---- the calls --------------------------------------------------------------------------------- */

static void plan_thing(plan_t *p) {
  if (p->function == TAKE && once_in(10)) p->status = TORVYN_ERROR_HOST_FUNCTION;
  if (p->function == KEEP && once_in(20)) p->bad = TORVYN_ERROR_TYPE_MISMATCH;
}

static int call_thing(torvyn_instance_t *at, plan_t *p, torvyn_values_t **out, torvyn_error_t **err) {
  torvyn_value_t arg = {.kind = TORVYN_KIND_U64, .of = {.uint = p->sequence}};
  if (p->function == GIVE) {
    arg.kind = TORVYN_KIND_OWN;
    arg.of.resource = p->thing = thing_for(p->i);
  }
  return (int)torvyn_call(at, str(""), str(functions[p->function].name), &arg, p->bad ? 0 : 1, out, err);
}

/* Nothing ran: the argument is the caller's, who ends it. */
static void take_back(const plan_t *p) {
  if (p->function != GIVE) return;
  CHECK(things.holders[p->thing] == p->i);
  things.holders[p->thing] = NULL;
  p->i->things--;
}

static void check_values(const plan_t *p, int status, torvyn_values_t *values) {
  CHECK((values != NULL) == (status == TORVYN_OK));
  if (!values) return;
  CHECK(torvyn_values_count(values) == 1 && torvyn_values_get(values, 0)->kind == TORVYN_KIND_U64);
  CHECK(torvyn_values_get(values, 0)->of.uint == (p->function == GIVE ? 5 : p->sequence));
  CHECK(p->function == KEEP || things.holders[p->thing] == NULL);
  torvyn_values_free(values);
}

#endif /* TORVYN_SIMULATION_THINGS_H */
