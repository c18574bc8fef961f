/* Overruns: what a component has its host do, in a straight line that neither loops nor calls a
 * function of the component's own, is stopped by deadline, cancel and fuel all the same. */
#define _GNU_SOURCE /* anonymous mappings */
#include "overruns.h"

#include "imports.h"

/* ---- straight lines ------------------------------------------------------------ */

/* What a component has done, in text. */
typedef struct {
  const char *name;
  const char *before; /* what is done first, and once */
  const char *line;
  int heavy;     /* it takes long: how long it goes on is measured */
  int unseen;    /* it is Wasmtime's own and looks at no time, but takes next to none */
  uint64_t fuel; /* what ends it, 0 where it uses none of its own */
} op_t;

/* What some have in common. */
typedef struct {
  const char *name;
  const op_t *ops;
  unsigned count;
  const more_t *more; /* what the component imports */
  const char *fields; /* of the core module */
  /* What grants the imports. */
  torvyn_imports_t *(*grants)(const torvyn_engine_t *engine);
  int general; /* it is not for the direct path */
} group_t;

enum { LOOKS, LINES, LOOPS }; /* what a call does with an op */

/* A copy of ALL, which takes longer than the deadline of LOOKS. */
#define COPY "(memory.copy (i32.const 17825792) " ALL ")\n"

/* The component of a group. An element says by its number which op, by its time what is done with
 * it: once, after the deadline has passed, and then there is a trap; 20 times in a row; once. */
static torvyn_linked_t *component(const torvyn_engine_t *engine, const group_t *group) {
  text_t text = {0};
  add_begin(&text, group->more);
  ADD(&text, group->fields, "    (func (export \"process\") " ELEMENT
      "      (global.set $p (local.get 4)) (global.set $c (local.get 5))\n");
  for (unsigned i = 0; i < group->count; i++) {
    const op_t *op = &group->ops[i];
    add(&text, "(if (i64.eq (local.get 0) (i64.const %u)) (then %s\n", i, op->before ? op->before : "");
    add(&text, "(if (i64.eq (local.get 1) (i64.const %d)) (then " COPY "%s unreachable))\n", LOOKS, op->line);
    if (op->heavy) {
      add(&text, "(if (i64.eq (local.get 1) (i64.const %d)) (then (loop $more\n", LINES);
      for (int n = 0; n < 20; n++) add(&text, "%s\n", op->line);
      add(&text, "(br $more))))\n");
    }
    add(&text, "(loop $more %s (br $more))))\n", op->line);
  }
  ADD(&text, "unreachable))\n");
  add_instance(&text, group->more);
  ADD(&text, PROCESSOR ")");
  return linked_from(engine, &text, group->grants ? group->grants(engine) : NULL);
}

typedef struct {
  const op_t *op;
  uint64_t number, way, deadline_ns;
} call_t;

static int call_op(torvyn_instance_t *instance, void *user) {
  const call_t *call = user;
  torvyn_flow_t flow = {.trace_id = {"0123456789abcdef0123456789abcdef", 32}, .deadline_ns = call->deadline_ns};
  torvyn_element_t e = {call->number, call->way, {(const char *)payload, 4096}, {payload, 16 * MIB}, &flow};
  torvyn_output_t out;
  int status = torvyn_process(instance, &e, &out, NULL);
  torvyn_output_release(&out);
  return status;
}

/* One that comes when the deadline has passed is not done any more. */
static void looks(const torvyn_linked_t *linked, const call_t *call) {
  int status = TORVYN_ERROR_TRAP;
  /* The clock's thread may be late. */
  for (int i = 0; i < TRIES && status == TORVYN_ERROR_TRAP; i++) {
    torvyn_instance_t *instance = instance_of(linked, 1, NULL);
    status = call_op(instance, (void *)call);
    torvyn_instance_free(instance);
  }
  judge(call->op->name, "looks", 0, 1, status, TORVYN_ERROR_DEADLINE);
}

static void logged(void *user, const torvyn_log_line_t *line) { (void)user, (void)line; }

static torvyn_engine_t *engine_for(torvyn_switch_t fuel) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path, .fuel = fuel, .optimize = TORVYN_OPTIMIZE_NONE};
  c.tick_ns = TICK;
  c.memory_limit = 64 * MIB;
  c.timeout_ns = 20000 * MS;
  c.log = logged;
  return engine_with(&c);
}

static void judged(const group_t *group) {
  if (group->general && path == TORVYN_PATH_DIRECT) return;
  for (int fuel = 0; fuel < 2; fuel++) {
    torvyn_engine_t *engine = engine_for(fuel ? TORVYN_ON : TORVYN_OFF);
    torvyn_linked_t *linked = component(engine, group);
    for (unsigned i = 0; i < group->count; i++) {
      const op_t *op = &group->ops[i];
      call_t call = {op, i, LOOKS, MS};
      work_t work = {op->name, linked, {0}, call_op, &call, 0};
      check_doing = op->name;
      if (!fuel && !op->unseen) looks(linked, &call);
      call.deadline_ns = 0;
      call.way = op->heavy ? LINES : LOOPS;
      if (!fuel && op->heavy) is_stopped(&work);
      call.way = LOOPS;
      if (fuel && op->fuel) is_fuelled(&work, op->fuel);
    }
    torvyn_linked_free(linked);
    torvyn_engine_free(engine);
  }
}

/* ---- the contract ---------------------------------------------------------------- */

#define NEW(bytes) "(call $allocate (i64.const " #bytes ") (i32.const 64)) (global.set $h (i32.load (i32.const 68)))"
#define FUEL 20000000 /* what one copy of 16 MiB uses, and a bit */

static const op_t contract[] = {
    {"buffer.size", .line = "(drop (call $size (global.get $p)))"},
    {"buffer.content-type", .line = "(call $type (global.get $p) (i32.const 64))", .fuel = 100000},
    {"buffer.read of 16 bytes", .line = "(call $read (global.get $p) (i64.const 0) (i64.const 16) (i32.const 64))"},
    {"buffer.read of 16 MiB", .line = "(call $read (global.get $p) (i64.const 0) (i64.const 16777216) (i32.const 64))",
     .heavy = 1, .fuel = FUEL},
    {"buffer.read-all of 16 MiB", .line = "(call $read-all (global.get $p) (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.append of 16 MiB", .line = NEW(16777216) "(call $append (global.get $h) " ALL
     " (i32.const 64)) (call $drop-mutable (global.get $h))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.append of nothing", .before = NEW(16),
     .line = "(call $append (global.get $h) (i32.const 0) (i32.const 0) (i32.const 64))"},
    {"mutable-buffer.write of 16 MiB", .before = NEW(16777216),
     .line = "(call $write (global.get $h) (i64.const 0) " ALL " (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.size", .before = NEW(16), .line = "(drop (call $msize (global.get $h)))"},
    {"mutable-buffer.set-content-type", .before = NEW(16),
     .line = "(call $set (global.get $h) (i32.const 1048576) (i32.const 4096))", .fuel = 100000},
    {"mutable-buffer.freeze", .before = NEW(16), .line = "(drop (call $freeze (global.get $h)))"},
    {"drop of a mutable-buffer", .before = NEW(16), .line = "(call $drop-mutable (global.get $h))"},
    {"drop of a buffer", .before = NEW(16) "(global.set $h (call $freeze (global.get $h)))",
     .line = "(call $drop-buffer (global.get $h))"},
    {"drop of the payload", .line = "(call $drop-buffer (global.get $p))", .unseen = 1},
    {"buffer-allocator.allocate", .line = NEW(16)},
    {"buffer-allocator.allocate, refused", .line = "(call $allocate (i64.const -1) (i32.const 64))"},
    {"buffer-allocator.clone-into-mutable of 16 MiB",
     .line = "(call $clone (global.get $p) (i32.const 64)) (call $drop-mutable (i32.load (i32.const 68)))", .heavy = 1,
     .fuel = FUEL},
    {"flow-context.trace-id", .line = "(call $trace (global.get $c) (i32.const 64))"},
    {"flow-context.deadline-ns", .line = "(drop (call $deadline (global.get $c)))"},
    {"capability-query.has-capability", .line = "(drop (call $has (i32.const 64) (i32.const 0)))"},
    {"capability-query.has-capability of 16 MiB", .line = "(drop (call $has " ALL "))", .heavy = 1, .fuel = FUEL},
};

/* ---- what a component does without its host ------------------------------------------ */

static const op_t own[] = {
    {"memory.fill of 16 MiB", .line = "(memory.fill (i32.const 1048576) (i32.const 7) (i32.const 16777216))",
     .heavy = 1, .fuel = FUEL},
    {"memory.copy of 16 MiB", .line = "(memory.copy (i32.const 17825792) " ALL ")",
     .heavy = 1, .fuel = FUEL},
    {"memory.grow past what there may be", .line = "(drop (memory.grow (i32.const 60000)))"},
    {"memory.grow by a page", .line = "(drop (memory.grow (i32.const 1)))"},
    {"table.grow by an element", .line = "(drop (table.grow $t (ref.null func) (i32.const 1)))"},
    {"table.fill", .line = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 50000))", .heavy = 1,
     .fuel = 100000},
    {"table.copy", .line = "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 49999))", .heavy = 1,
     .fuel = 100000},
    {"table.init", .line = "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))", .unseen = 1},
    {"ref.func", .line = "(drop (ref.func $f))", .unseen = 1},
};

/* ---- the program's functions ------------------------------------------------------------ */

static torvyn_imports_t *functions(const torvyn_engine_t *engine) {
  torvyn_bytes_t bytes = {payload, 16 * MIB};
  return program_functions(engine, bytes);
}

#define LIST "(i32.const 1048576) (i32.const 50000)"

static const op_t host[] = {
    {"a function of the program's", .line = "(call $plain)"},
    {"one that takes 16 MiB", .line = "(call $put-bytes " ALL ")", .heavy = 1, .fuel = FUEL},
    {"one that takes a text of 16 MiB", .line = "(call $put-text " ALL ")", .heavy = 1, .fuel = FUEL},
    {"one that takes 50000 numbers", .line = "(call $put-numbers " LIST ")", .heavy = 1, .fuel = 1000000},
    {"one that takes 50000 texts", .line = "(call $put-texts " LIST ")", .heavy = 1, .fuel = 1000000},
    {"one that gives 16 MiB", .line = "(call $get-bytes (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"one that gives a text of 16 MiB", .line = "(call $get-text (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"one that gives 50000 numbers", .line = "(call $get-numbers (i32.const 64))", .heavy = 1, .fuel = 1000000},
    {"one that gives 50000 texts", .line = "(call $get-texts (i32.const 64))", .heavy = 1, .fuel = 1000000},
};

/* ---- WASI -------------------------------------------------------------------------------- */

static torvyn_imports_t *granted(const torvyn_engine_t *engine) {
  torvyn_imports_t *imports = granted_io(engine, 2000);
  OK(torvyn_imports_wasi_preopen(imports, folder, str("/"), TORVYN_ACCESS_READ_WRITE, &err));
  return imports;
}

#define STDOUT "(global.set $h (call $stdout)) (memory.fill (i32.const 1048576) (i32.const 10) (i32.const 65536))"

static const op_t wasi[] = {
    {"monotonic-clock.now", .line = "(drop (call $monotonic))"},
    {"wall-clock.now", .line = "(call $wall (i32.const 64))"},
    {"random.get-random-u64", .line = "(drop (call $random-u64))"},
    {"random.get-random-bytes of 16 MiB", .line = "(call $random (i64.const 16777216) (i32.const 64))", .heavy = 1},
    {"stdout.get-stdout and drop", .line = "(call $drop-out (call $stdout))"},
    {"output-stream.check-write", .before = STDOUT, .line = "(call $check (global.get $h) (i32.const 64))"},
    {"output-stream.write of 64 KiB of lines", .before = STDOUT, .line = "(call $check (global.get $h) (i32.const 64))"
     "(call $out-write (global.get $h) (i32.const 1048576) (i32.const 65536) (i32.const 64))", .heavy = 1},
    {"output-stream.blocking-write-and-flush of 4096 lines", .before = STDOUT,
     .line = "(call $out-flush (global.get $h) (i32.const 1048576) (i32.const 4096) (i32.const 64))", .heavy = 1},
    {"environment.get-environment", .line = "(call $environment (i32.const 64))", .heavy = 1},
};

static const op_t files[] = {
    {"descriptor.write of 16 MiB", .before = OPENED,
     .line = "(call $file-write (global.get $h) " ALL " (i64.const 0) (i32.const 64))", .heavy = 1},
    {"descriptor.read of 16 MiB", .before = OPENED,
     .line = "(call $file-read (global.get $h) (i64.const 16777216) (i64.const 0) (i32.const 64))", .heavy = 1},
    {"descriptor.read of nothing", .before = OPENED,
     .line = "(call $file-read (global.get $h) (i64.const 0) (i64.const 0) (i32.const 64))"},
    {"descriptor.open-at of what is not there", .before = OPENED,
     .line = "(call $open (global.get $h) (i32.const 0) (i32.const 640) (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 64))"},
};

#define OPS(all) .ops = all, .count = sizeof all / sizeof *all

static const group_t groups[] = {
    {"the contract", OPS(contract), &no_more, .fields = ""},
    {"a component alone", OPS(own), &no_more,
     .fields = "(table $t 50000 60000 funcref) (elem declare func $f) (func $f (param i32)) (elem $e func $f)"},
    {"the program's functions", OPS(host), &more_host, .fields = "", .grants = functions, .general = 1},
    {"WASI, nothing granted", OPS(wasi), &more_io, .fields = ""},
    {"WASI, granted", OPS(wasi), &more_io, .fields = "", .grants = granted, .general = 1},
    {"WASI, files", OPS(files), &more_files, .fields = "", .grants = granted, .general = 1},
};

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  begin_given();
  for (int i = 0; i < 2; i++) {
    path = paths[i];
    for (unsigned k = 0; k < sizeof groups / sizeof *groups; k++) {
      part(groups[k].name);
      judged(&groups[k]);
    }
  }
  part("");
  end_given();
  CHECK(late_kinds == 0);
  return check_end();
}
