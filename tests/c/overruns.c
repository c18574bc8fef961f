/* Overruns: what a component has its host do, in a straight line that neither loops nor calls a
 * function of the component's own, is stopped by deadline, cancel and fuel all the same. */
#define _POSIX_C_SOURCE 200809L
#include "overruns.h"

#include <sys/stat.h>

#include "contract.h"

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
  const char *imports; /* of the component, beside the contract */
  const char *lowered; /* core functions of these */
  const char *given;   /* the same as exports */
  const char *core;    /* of the core module: its imports */
  const char *fields;  /* and its other fields */
  /* What grants the imports. */
  torvyn_imports_t *(*grants)(const torvyn_engine_t *engine);
  int general; /* it is not for the direct path */
} group_t;

enum { LOOKS, LINES, LOOPS }; /* what a call does with an op */

/* The bytes from 1 MiB to 17 MiB, and a copy of them, which takes longer than the deadline of LOOKS. */
#define ALL "(i32.const 1048576) (i32.const 16777216)"
#define COPY "(memory.copy (i32.const 17825792) " ALL ")\n"

/* The component of a group. An element says by its number which op, by its time what is done with
 * it: once, after the deadline has passed, and then there is a trap; 20 times in a row; once. */
static torvyn_linked_t *component(const torvyn_engine_t *engine, const group_t *group) {
  text_t text = {0};
  add(&text, "(component\n%s%s\n", CONTRACT, group->imports ? group->imports : "");
  add(&text, LIB("640") "%s%s\n", LOWERED, group->lowered ? group->lowered : "");
  add(&text,
      "  (core module $m\n" IMPORTED("640") "%s\n" ANSWERS
      "    (global $p (mut i32) (i32.const 0)) (global $c (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))\n"
      "    %s\n    (func (export \"process\") " ELEMENT
      "      (global.set $p (local.get 4)) (global.set $c (local.get 5))\n",
      group->core ? group->core : "", group->fields ? group->fields : "");
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
  add(&text,
      "unreachable))\n  (core instance $i (instantiate $m (with \"lib\" (instance $lib)) (with \"h\" (instance\n    " GIVEN
      "%s))))\n" PROCESSOR ")",
      group->given ? group->given : "");
  return linked_from(engine, &text, group->grants ? group->grants(engine) : NULL);
}

static uint8_t *payload; /* of 16 MiB */

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
  judge(call->op->name, "looks", 0, status, TORVYN_ERROR_DEADLINE);
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
      work_t work = {op->name, linked, {0}, call_op, &call};
      check_doing = op->name;
      if (!fuel && !op->unseen) looks(linked, &call);
      call.deadline_ns = 0;
      call.way = op->heavy ? LINES : LOOPS;
      if (!fuel && op->heavy) is_stopped(&work);
      call.way = LOOPS;
      /* As much as one copy of 16 MiB uses and a bit. */
      if (fuel && op->fuel) is_fuelled(&work, op->fuel, 4 * allowed());
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
    {"buffer.read-all of 16 MiB", .line = "(call $read_all (global.get $p) (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.append of 16 MiB", .line = NEW(16777216) "(call $append (global.get $h) " ALL
     " (i32.const 64)) (call $drop_m (global.get $h))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.append of nothing", .before = NEW(16),
     .line = "(call $append (global.get $h) (i32.const 0) (i32.const 0) (i32.const 64))"},
    {"mutable-buffer.write of 16 MiB", .before = NEW(16777216),
     .line = "(call $write (global.get $h) (i64.const 0) " ALL " (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"mutable-buffer.size", .before = NEW(16), .line = "(drop (call $written (global.get $h)))"},
    {"mutable-buffer.set-content-type", .before = NEW(16),
     .line = "(call $set_type (global.get $h) (i32.const 1048576) (i32.const 4096))", .fuel = 100000},
    {"mutable-buffer.freeze", .before = NEW(16), .line = "(drop (call $freeze (global.get $h)))"},
    {"drop of a mutable-buffer", .before = NEW(16), .line = "(call $drop_m (global.get $h))"},
    {"drop of a buffer", .before = NEW(16) "(global.set $h (call $freeze (global.get $h)))",
     .line = "(call $drop_b (global.get $h))"},
    {"drop of the payload", .line = "(call $drop_b (global.get $p))"},
    {"buffer-allocator.allocate", .line = NEW(16)},
    {"buffer-allocator.allocate, refused", .line = "(call $allocate (i64.const -1) (i32.const 64))"},
    {"buffer-allocator.clone-into-mutable of 16 MiB",
     .line = "(call $clone (global.get $p) (i32.const 64)) (call $drop_m (i32.load (i32.const 68)))", .heavy = 1,
     .fuel = FUEL},
    {"flow-context.trace-id", .line = "(call $trace_id (global.get $c) (i32.const 64))"},
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

static bool plain(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count, torvyn_value_t *result) {
  const torvyn_value_t *given = user;
  (void)scope, (void)args, (void)count;
  if (given) *result = *given;
  return true;
}

enum { MANY = 50000 };

/* What the functions give, and those that begin with `get`. */
static torvyn_imports_t *functions(const torvyn_engine_t *engine) {
  static const struct {
    const char *name, *type;
  } all[] = {{"plain", "func()"},
             {"put-bytes", "func(v: list<u8>)"},
             {"put-text", "func(v: string)"},
             {"put-numbers", "func(v: list<u32>)"},
             {"put-texts", "func(v: list<string>)"},
             {"get-bytes", "func() -> list<u8>"},
             {"get-text", "func() -> string"},
             {"get-numbers", "func() -> list<u32>"},
             {"get-texts", "func() -> list<string>"}};
  static torvyn_value_t gifts[4], numbers[MANY], texts[MANY];
  torvyn_imports_t *imports = NULL;
  int gift = 0;
  for (int i = 0; i < MANY; i++) {
    numbers[i].kind = TORVYN_KIND_U32;
    texts[i].kind = TORVYN_KIND_STRING;
    texts[i].of.string = str("one of many");
  }
  gifts[0].kind = TORVYN_KIND_BYTES;
  gifts[0].of.bytes.data = payload;
  gifts[0].of.bytes.len = 16 * MIB;
  gifts[1].kind = TORVYN_KIND_STRING;
  gifts[1].of.string.data = (const char *)payload;
  gifts[1].of.string.len = 16 * MIB;
  gifts[2].kind = gifts[3].kind = TORVYN_KIND_LIST;
  gifts[2].of.values.len = gifts[3].of.values.len = MANY;
  gifts[2].of.values.data = numbers;
  gifts[3].of.values.data = texts;
  OK(torvyn_imports_new(engine, &imports, &err));
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    OK(torvyn_imports_define(imports, str("acme:work/host@1.0.0"), str(all[i].name), str(all[i].type), plain,
                             strncmp(all[i].name, "get", 3) ? NULL : &gifts[gift++], NULL, &err));
  return imports;
}

#define LIST "(i32.const 1048576) (i32.const 50000)"

static const op_t host[] = {
    {"a function of the program's", .line = "(call $plain)"},
    {"one that takes 16 MiB", .line = "(call $put_bytes " ALL ")", .heavy = 1, .fuel = FUEL},
    {"one that takes a text of 16 MiB", .line = "(call $put_text " ALL ")", .heavy = 1, .fuel = FUEL},
    {"one that takes 50000 numbers", .line = "(call $put_numbers " LIST ")", .heavy = 1, .fuel = 1000000},
    {"one that takes 50000 texts", .line = "(call $put_texts " LIST ")", .heavy = 1, .fuel = 1000000},
    {"one that gives 16 MiB", .line = "(call $get_bytes (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"one that gives a text of 16 MiB", .line = "(call $get_text (i32.const 64))", .heavy = 1, .fuel = FUEL},
    {"one that gives 50000 numbers", .line = "(call $get_numbers (i32.const 64))", .heavy = 1, .fuel = 1000000},
    {"one that gives 50000 texts", .line = "(call $get_texts (i32.const 64))", .heavy = 1, .fuel = 1000000},
};

/* ---- WASI -------------------------------------------------------------------------------- */

static void take(void *user, uint64_t id, torvyn_bytes_t bytes) { (void)user, (void)id, (void)bytes; }

static char folder[] = "/tmp/torvyn-overruns-XXXXXX";

static torvyn_imports_t *granted(const torvyn_engine_t *engine) {
  torvyn_imports_t *imports = NULL;
  char name[32];
  torvyn_str_t value = {(const char *)payload, 500};
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_output(imports, TORVYN_STREAM_STDOUT, take, NULL, NULL, &err));
  for (int i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "VARIABLE_%d", i);
    OK(torvyn_imports_wasi_env(imports, str(name), value, &err));
  }
  if (*folder) OK(torvyn_imports_wasi_preopen(imports, folder, str("/"), TORVYN_ACCESS_READ_WRITE, &err));
  return imports;
}

#define IO \
  "(import \"wasi:io/error@0.2.0\" (instance $e (export \"error\" (type (sub resource)))))\n" \
  "(alias export $e \"error\" (type $io-error))\n" \
  "(import \"wasi:io/streams@0.2.0\" (instance $s (alias outer 1 $io-error (type $e0)) (export \"error\" (type $e (eq $e0)))\n" \
  "  (export \"output-stream\" (type $out (sub resource)))\n" \
  "  (type $f (variant (case \"last-operation-failed\" (own $e)) (case \"closed\")))\n" \
  "  (export \"stream-error\" (type $f2 (eq $f)))\n" \
  "  (export \"[method]output-stream.check-write\" (func (param \"self\" (borrow $out)) (result (result u64 (error $f2)))))\n" \
  "  (export \"[method]output-stream.write\" (func (param \"self\" (borrow $out)) (param \"contents\" (list u8))\n" \
  "    (result (result (error $f2)))))\n" \
  "  (export \"[method]output-stream.blocking-write-and-flush\" (func (param \"self\" (borrow $out))\n" \
  "    (param \"contents\" (list u8)) (result (result (error $f2)))))))\n" \
  "(alias export $s \"output-stream\" (type $out))\n" \
  "(import \"wasi:cli/stdout@0.2.0\" (instance $stdout (alias outer 1 $out (type $o)) (export \"output-stream\" (type $o2 (eq $o)))\n" \
  "  (export \"get-stdout\" (func (result (own $o2))))))\n" \
  "(import \"wasi:cli/environment@0.2.0\" (instance $environment\n" \
  "  (export \"get-environment\" (func (result (list (tuple string string)))))))\n" \
  "(import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $monotonic (export \"now\" (func (result u64)))))\n" \
  "(import \"wasi:clocks/wall-clock@0.2.0\" (instance $wall\n" \
  "  (type $d (record (field \"seconds\" u64) (field \"nanoseconds\" u32))) (export \"datetime\" (type $d2 (eq $d)))\n" \
  "  (export \"now\" (func (result $d2)))))\n" \
  "(import \"wasi:random/random@0.2.0\" (instance $random\n" \
  "  (export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8)))) (export \"get-random-u64\" (func (result u64)))))\n"

#define IO_LOWERED \
  "(core func $check (canon lower (func $s \"[method]output-stream.check-write\") " OPTIONS "))\n" \
  "(core func $out-write (canon lower (func $s \"[method]output-stream.write\") " OPTIONS "))\n" \
  "(core func $out-flush (canon lower (func $s \"[method]output-stream.blocking-write-and-flush\") " OPTIONS "))\n" \
  "(core func $get-stdout (canon lower (func $stdout \"get-stdout\"))) (core func $drop-out (canon resource.drop $out))\n" \
  "(core func $environment (canon lower (func $environment \"get-environment\") " OPTIONS "))\n" \
  "(core func $monotonic (canon lower (func $monotonic \"now\")))\n" \
  "(core func $wall (canon lower (func $wall \"now\") " OPTIONS "))\n" \
  "(core func $random (canon lower (func $random \"get-random-bytes\") " OPTIONS "))\n" \
  "(core func $random-u64 (canon lower (func $random \"get-random-u64\")))\n"
#define IO_GIVEN \
  "(export \"check\" (func $check)) (export \"out-write\" (func $out-write)) (export \"out-flush\" (func $out-flush))\n" \
  "(export \"get-stdout\" (func $get-stdout)) (export \"drop-out\" (func $drop-out)) (export \"environment\" (func $environment))\n" \
  "(export \"monotonic\" (func $monotonic)) (export \"wall\" (func $wall)) (export \"random\" (func $random))\n" \
  "(export \"random-u64\" (func $random-u64))\n"
#define IO_CORE \
  "(import \"h\" \"check\" (func $check (param i32 i32))) (import \"h\" \"out-write\" (func $out_write (param i32 i32 i32 i32)))\n" \
  "(import \"h\" \"out-flush\" (func $out_flush (param i32 i32 i32 i32))) (import \"h\" \"get-stdout\" (func $stdout (result i32)))\n" \
  "(import \"h\" \"drop-out\" (func $drop_out (param i32))) (import \"h\" \"environment\" (func $environment (param i32)))\n" \
  "(import \"h\" \"monotonic\" (func $monotonic (result i64))) (import \"h\" \"wall\" (func $wall (param i32)))\n" \
  "(import \"h\" \"random\" (func $random (param i64 i32))) (import \"h\" \"random-u64\" (func $random_u64 (result i64)))\n"

#define STDOUT "(global.set $h (call $stdout)) (memory.fill (i32.const 1048576) (i32.const 10) (i32.const 65536))"

static const op_t wasi[] = {
    {"monotonic-clock.now", .line = "(drop (call $monotonic))"},
    {"wall-clock.now", .line = "(call $wall (i32.const 64))"},
    {"random.get-random-u64", .line = "(drop (call $random_u64))"},
    {"random.get-random-bytes of 16 MiB", .line = "(call $random (i64.const 16777216) (i32.const 64))", .heavy = 1},
    {"stdout.get-stdout and drop", .line = "(call $drop_out (call $stdout))"},
    {"output-stream.check-write", .before = STDOUT, .line = "(call $check (global.get $h) (i32.const 64))"},
    {"output-stream.write of 64 KiB of lines", .before = STDOUT, .line = "(call $check (global.get $h) (i32.const 64))"
     "(call $out_write (global.get $h) (i32.const 1048576) (i32.const 65536) (i32.const 64))", .heavy = 1},
    {"output-stream.blocking-write-and-flush of 4096 lines", .before = STDOUT,
     .line = "(call $out_flush (global.get $h) (i32.const 1048576) (i32.const 4096) (i32.const 64))", .heavy = 1},
    {"environment.get-environment", .line = "(call $environment (i32.const 64))", .heavy = 1},
};

#define FILES \
  "(import \"wasi:filesystem/types@0.2.0\" (instance $files (export \"descriptor\" (type $d (sub resource)))\n" \
  "  (type $c (enum \"access\" \"would-block\" \"already\" \"bad-descriptor\" \"busy\" \"deadlock\" \"quota\" \"exist\"\n" \
  "    \"file-too-large\" \"illegal-byte-sequence\" \"in-progress\" \"interrupted\" \"invalid\" \"io\" \"is-directory\" \"loop\"\n" \
  "    \"too-many-links\" \"message-size\" \"name-too-long\" \"no-device\" \"no-entry\" \"no-lock\" \"insufficient-memory\"\n" \
  "    \"insufficient-space\" \"not-directory\" \"not-empty\" \"not-recoverable\" \"unsupported\" \"no-tty\" \"no-such-device\"\n" \
  "    \"overflow\" \"not-permitted\" \"pipe\" \"read-only\" \"invalid-seek\" \"text-file-busy\" \"cross-device\"))\n" \
  "  (export \"error-code\" (type $c2 (eq $c)))\n" \
  "  (type $p (flags \"symlink-follow\")) (export \"path-flags\" (type $p2 (eq $p)))\n" \
  "  (type $o (flags \"create\" \"directory\" \"exclusive\" \"truncate\")) (export \"open-flags\" (type $o2 (eq $o)))\n" \
  "  (type $a (flags \"read\" \"write\" \"file-integrity-sync\" \"data-integrity-sync\" \"requested-write-sync\"\n" \
  "    \"mutate-directory\")) (export \"descriptor-flags\" (type $a2 (eq $a)))\n" \
  "  (export \"[method]descriptor.open-at\" (func (param \"self\" (borrow $d)) (param \"path-flags\" $p2) (param \"path\" string)\n" \
  "    (param \"open-flags\" $o2) (param \"flags\" $a2) (result (result (own $d) (error $c2)))))\n" \
  "  (export \"[method]descriptor.read\" (func (param \"self\" (borrow $d)) (param \"length\" u64) (param \"offset\" u64)\n" \
  "    (result (result (tuple (list u8) bool) (error $c2)))))\n" \
  "  (export \"[method]descriptor.write\" (func (param \"self\" (borrow $d)) (param \"buffer\" (list u8)) (param \"offset\" u64)\n" \
  "    (result (result u64 (error $c2)))))))\n" \
  "(alias export $files \"descriptor\" (type $d))\n" \
  "(import \"wasi:filesystem/preopens@0.2.0\" (instance $preopens (alias outer 1 $d (type $d0))\n" \
  "  (export \"descriptor\" (type $d (eq $d0))) (export \"get-directories\" (func (result (list (tuple (own $d) string)))))))\n"
#define FILES_LOWERED \
  "(core func $directories (canon lower (func $preopens \"get-directories\") " OPTIONS "))\n" \
  "(core func $open (canon lower (func $files \"[method]descriptor.open-at\") " OPTIONS "))\n" \
  "(core func $file-read (canon lower (func $files \"[method]descriptor.read\") " OPTIONS "))\n" \
  "(core func $file-write (canon lower (func $files \"[method]descriptor.write\") " OPTIONS "))\n"
#define FILES_GIVEN \
  "(export \"directories\" (func $directories)) (export \"open\" (func $open)) (export \"file-read\" (func $file-read))\n" \
  "(export \"file-write\" (func $file-write))\n"
#define FILES_CORE \
  "(import \"h\" \"directories\" (func $directories (param i32)))\n" \
  "(import \"h\" \"open\" (func $open (param i32 i32 i32 i32 i32 i32 i32)))\n" \
  "(import \"h\" \"file-read\" (func $file_read (param i32 i64 i64 i32)))\n" \
  "(import \"h\" \"file-write\" (func $file_write (param i32 i32 i32 i64 i32)))\n"

/* Its handle; it is made where it is not there. */
#define FILE \
  "(call $directories (i32.const 64)) (global.set $h (i32.load (i32.load (i32.const 64))))\n" \
  "(i32.store (i32.const 512) (i32.const 0x656c6966))\n" \
  "(call $open (global.get $h) (i32.const 0) (i32.const 512) (i32.const 4) (i32.const 1) (i32.const 3) (i32.const 64))\n" \
  "(if (i32.load8_u (i32.const 64)) (then unreachable)) (global.set $h (i32.load (i32.const 68)))\n"

static const op_t files[] = {
    {"descriptor.write of 16 MiB", .before = FILE,
     .line = "(call $file_write (global.get $h) " ALL " (i64.const 0) (i32.const 64))", .heavy = 1},
    {"descriptor.read of 16 MiB", .before = FILE,
     .line = "(call $file_read (global.get $h) (i64.const 16777216) (i64.const 0) (i32.const 64))", .heavy = 1},
    {"descriptor.read of nothing", .before = FILE,
     .line = "(call $file_read (global.get $h) (i64.const 0) (i64.const 0) (i32.const 64))"},
    {"descriptor.open-at of what is not there", .before = FILE,
     .line = "(call $open (global.get $h) (i32.const 0) (i32.const 640) (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 64))"},
};

#define HOST_FUNC(name, as) "(core func $" name " (canon lower (func $w \"" as "\") " OPTIONS "))\n"
#define HOST_GIVEN(name) "(export \"" name "\" (func $" name "))\n"
#define HOST_CORE(name, type) "(import \"h\" \"" name "\" (func $" name " " type "))\n"

#define OPS(all) .ops = all, .count = sizeof all / sizeof *all

static const group_t groups[] = {
    {"the contract", OPS(contract)},
    {"a component alone", OPS(own),
     .fields = "(table $t 50000 60000 funcref) (elem declare func $f) (func $f (param i32)) (elem $e func $f)"},
    {"the program's functions", OPS(host), .grants = functions, .general = 1,
     .imports =
         "(import \"acme:work/host@1.0.0\" (instance $w (export \"plain\" (func))\n"
         "  (export \"put-bytes\" (func (param \"v\" (list u8)))) (export \"put-text\" (func (param \"v\" string)))\n"
         "  (export \"put-numbers\" (func (param \"v\" (list u32)))) (export \"put-texts\" (func (param \"v\" (list string))))\n"
         "  (export \"get-bytes\" (func (result (list u8)))) (export \"get-text\" (func (result string)))\n"
         "  (export \"get-numbers\" (func (result (list u32)))) (export \"get-texts\" (func (result (list string))))))\n",
     .lowered = HOST_FUNC("plain", "plain") HOST_FUNC("put_bytes", "put-bytes") HOST_FUNC("put_text", "put-text")
         HOST_FUNC("put_numbers", "put-numbers") HOST_FUNC("put_texts", "put-texts") HOST_FUNC("get_bytes", "get-bytes")
             HOST_FUNC("get_text", "get-text") HOST_FUNC("get_numbers", "get-numbers")
                 HOST_FUNC("get_texts", "get-texts"),
     .given = HOST_GIVEN("plain") HOST_GIVEN("put_bytes") HOST_GIVEN("put_text") HOST_GIVEN("put_numbers")
         HOST_GIVEN("put_texts") HOST_GIVEN("get_bytes") HOST_GIVEN("get_text") HOST_GIVEN("get_numbers")
             HOST_GIVEN("get_texts"),
     .core = HOST_CORE("plain", "") HOST_CORE("put_bytes", "(param i32 i32)") HOST_CORE("put_text", "(param i32 i32)")
         HOST_CORE("put_numbers", "(param i32 i32)") HOST_CORE("put_texts", "(param i32 i32)")
             HOST_CORE("get_bytes", "(param i32)") HOST_CORE("get_text", "(param i32)")
                 HOST_CORE("get_numbers", "(param i32)") HOST_CORE("get_texts", "(param i32)")},
    {"WASI, nothing granted", OPS(wasi), .imports = IO, .lowered = IO_LOWERED, .given = IO_GIVEN, .core = IO_CORE},
    {"WASI, granted", OPS(wasi), .imports = IO, .lowered = IO_LOWERED, .given = IO_GIVEN, .core = IO_CORE,
     .grants = granted, .general = 1},
    {"WASI, files", OPS(files), .imports = FILES, .lowered = FILES_LOWERED, .given = FILES_GIVEN,
     .core = FILES_CORE, .grants = granted, .general = 1},
};

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  char file[64];
  check_begin(argc, argv);
  CHECK(mkdtemp(folder) != NULL);
  payload = malloc(16 * MIB);
  CHECK(payload != NULL);
  memset(payload, 'x', 16 * MIB);
  for (int i = 0; i < 2; i++) {
    path = paths[i];
    for (unsigned k = 0; k < sizeof groups / sizeof *groups; k++) {
      part(groups[k].name);
      judged(&groups[k]);
    }
  }
  part("");
  snprintf(file, sizeof file, "%s/file", folder);
  CHECK(unlink(file) == 0 && rmdir(folder) == 0);
  CHECK(late_kinds == 0);
  free(payload);
  return check_end();
}
