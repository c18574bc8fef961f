/* Time in a straight line: a component that does nothing but call the host, in no loop, is stopped all the
 * same. Each function of the contract looks at the time before it does anything. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "contract.h"

#include <pthread.h>

/* A component that calls the program's function `now` in `ingest`, then does what the element's sequence says,
 * and traps. */
static const char *const functions[] = {
    "(drop (call $size (local.get 4)))",
    "(call $type (local.get 4) (i32.const 64))",
    "(call $read (local.get 4) (i64.const 0) (i64.const 1) (i32.const 64))",
    "(call $read-all (local.get 4) (i32.const 64))",
    "(call $write (local.get $m) (i64.const 0) (i32.const 0) (i32.const 1) (i32.const 64))",
    "(call $append (local.get $m) (i32.const 0) (i32.const 1) (i32.const 64))",
    "(drop (call $msize (local.get $m)))",
    "(drop (call $mcap (local.get $m)))",
    "(call $set (local.get $m) (i32.const 0) (i32.const 1))",
    "(drop (call $freeze (local.get $m)))",
    "(call $trace (local.get 5) (i32.const 64))",
    "(call $span (local.get 5) (i32.const 64))",
    "(call $id (local.get 5) (i32.const 64))",
    "(drop (call $deadline (local.get 5)))",
    "(call $allocate (i64.const 1) (i32.const 64))",
    "(call $clone (local.get 4) (i32.const 64))",
    "(drop (call $has (i32.const 0) (i32.const 1)))",
    "(call $drop-buffer (local.get $f))",
    "(call $drop-mutable (local.get $m))",
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

static torvyn_engine_t *ticked;
static unsigned ticks;

static bool passes(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  for (unsigned i = 0; i < ticks; i++) torvyn_engine_tick(ticked);
  return true;
}

static void each_function(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .host_ticks = TORVYN_ON};
  torvyn_instance_options_t o = {.struct_size = sizeof o, .timeout_ns = 10 * MS};
  torvyn_imports_t *imports = STALE;
  torvyn_linked_t *linked;
  text_t text = {0};
  part("each function of the contract looks at the time");
  ticked = engine_with(&config);
  ADD(&text, "(component\n", CONTRACT, "(import \"test:time/clock\" (instance $clock (export \"now\" (func))))\n",
      LIBC("2"), LOWERED, "(core func $now (canon lower (func $clock \"now\")))\n",
      "  (core module $main (import \"clock\" \"now\" (func $now))\n", IMPORTED, NEW_BUFFER, INIT TEARDOWN
      "    (func (export \"ingest\") " ELEMENT " (local $m i32) (local $f i32)\n"
      "      (local.set $f (call $freeze (call $new))) (local.set $m (call $new)) (call $now)\n");
  for (size_t i = 0; i < FUNCTIONS; i++)
    add(&text, "(if (i64.eq (local.get 0) (i64.const %zu)) (then %s))\n", i, functions[i]);
  ADD(&text, "unreachable)\n"
      "    (func (export \"flush\") (result i32) i32.const 2048))\n"
      "  (core instance $i (instantiate $main " WITH
      "    (with \"clock\" (instance (export \"now\" (func $now))))))\n", AGGREGATOR, LIFE_WITH("$realloc"), ")\n");
  OK(torvyn_imports_new(ticked, &imports, &err));
  OK(torvyn_imports_define(imports, str("test:time/clock"), str("now"), str("func()"), passes, NULL, NULL, &err));
  linked = linked_from(ticked, &text, imports);
  CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL);
  torvyn_instance_t *instance = instance_of(linked, 1, &o);
  for (size_t i = 0; i <= FUNCTIONS; i++)
    for (ticks = 0; ticks < 40; ticks += 20) {
      torvyn_flow_t flow = {.trace_id = str("t")};
      torvyn_element_t e = {.sequence = i, .payload = {(const uint8_t *)"x", 1}, .flow = &flow};
      torvyn_output_t out;
      check_doing = i < FUNCTIONS ? functions[i] : "none";
      OK(torvyn_init(instance, str(""), &err));
      /* What calls none of them comes to its end. */
      EXPECT(ticks && i < FUNCTIONS ? TORVYN_ERROR_DEADLINE : TORVYN_ERROR_TRAP, torvyn_ingest(instance, &e, &out, &err));
      OK(torvyn_instance_reset(instance, &err));
    }
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(ticked);
}

static void *canceller(void *cancel) {
  sleep_ms(20);
  torvyn_cancel(cancel);
  return NULL;
}

/* Copies of 16 MiB, 256 of them in a line: some of a second's worth. */
static void copies(torvyn_path_t path) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path};
  torvyn_engine_t *engine = engine_with(&config);
  torvyn_instance_options_t o = {.struct_size = sizeof o};
  torvyn_linked_t *linked;
  text_t text = {0};
  uint8_t *payload = calloc(1, TORVYN_MAX_PAYLOAD);
  torvyn_element_t e = {.payload = {payload, TORVYN_MAX_PAYLOAD}};
  torvyn_output_t out;
  uint64_t whole;
  part(path == TORVYN_PATH_DIRECT ? "a line of copies, direct" : "a line of copies, general");
  CHECK(payload != NULL);
  memset(payload, 'x', TORVYN_MAX_PAYLOAD);
  ADD(&text, "(component\n", CONTRACT, LIBC("2"), LOWERED, "  (core module $main\n", IMPORTED, NEW_BUFFER, INIT TEARDOWN
      "    (func (export \"ingest\") " ELEMENT "\n");
  for (int i = 0; i < 256; i++)
    add(&text, "(call $clone (local.get 4) (i32.const 64)) (call $drop-mutable (i32.load (i32.const 68)))\n");
  ADD(&text, "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) i32.const 1024)\n"
      "    (func (export \"flush\") (result i32) i32.const 2048))\n"
      "  (core instance $i (instantiate $main " WITH "))\n", AGGREGATOR, LIFE_WITH("$realloc"), ")\n");
  linked = linked_from(engine, &text, NULL);
  torvyn_instance_t *instance = instance_of(linked, 1, &o);
  OK(torvyn_init(instance, str(""), &err));
  whole = now_ns();
  EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(instance, &e, &out, &err));
  whole = now_ns() - whole;
  torvyn_instance_free(instance);
  for (int cancels = 0; cancels < 2; cancels++) {
    uint64_t least = UINT64_MAX;
    o.timeout_ns = cancels ? UINT64_MAX : 20 * MS;
    instance = instance_of(linked, 1, &o);
    for (int k = 0; k < 3; k++) { /* the least, since others may want the processor */
      torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(instance);
      pthread_t thread;
      OK(torvyn_init(instance, str(""), &err));
      if (cancels) CHECK(pthread_create(&thread, NULL, canceller, cancel) == 0);
      uint64_t took = now_ns();
      EXPECT(cancels ? TORVYN_ERROR_CANCELLED : TORVYN_ERROR_DEADLINE, torvyn_ingest(instance, &e, &out, &err));
      took = now_ns() - took;
      least = took < least ? took : least;
      if (cancels) pthread_join(thread, NULL);
      torvyn_cancel_free(cancel);
      OK(torvyn_instance_reset(instance, &err));
    }
    printf("             %s after 20 ms: took %.1f ms of %.1f\n", cancels ? "cancelled" : "to end", (double)least / 1e6,
           (double)whole / 1e6);
    CHECK(least < whole / 2);
    torvyn_instance_free(instance);
  }
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  free(payload);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  each_function();
  if (check_slow() < 10) { /* where threads take turns, the clock's does */
    copies(TORVYN_PATH_DIRECT);
    copies(TORVYN_PATH_GENERAL);
  }
  return check_end();
}
