/* Both paths give the same: for every guest, and for programs of `interpreter.wat` that are made up
 * of sound steps and broken here and there. `paths.h` says what is compared. */
#define _POSIX_C_SOURCE 200809L
#include "contract.h"
#include "paths.h"

/* ---- a generator: the same numbers in every run -------------------------------- */

static uint64_t state;

static unsigned below(unsigned n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift */
  return (unsigned)(state >> 33) % n;
}

typedef struct {
  uint8_t bytes[8192];
  size_t len;
} made_t;

static void put(made_t *made, const void *bytes, size_t len) {
  CHECK(made->len + len <= sizeof made->bytes);
  memcpy(made->bytes + made->len, bytes, len);
  made->len += len;
}

static void add_byte(made_t *made, unsigned byte) { put(made, &(uint8_t){(uint8_t)byte}, 1); }

/* With its length before it, as `bytes_of` reads it. */
static void add_bytes(made_t *made, const void *bytes, size_t len) {
  if (len >= 224) add_byte(made, 224 + (unsigned)(len >> 8));
  add_byte(made, (unsigned)(len & 255));
  put(made, bytes, len);
}

/* ---- the guests ----------------------------------------------------------------- */

/* The words that payloads and configurations of a guest are made of. Those that never return are
 * left out: no time passes here. */
static const struct {
  const char *guest, *words[48];
} guests[] = {
    {"upper-case", {"abc", "", "MiXed \xc3\xa9", NULL}},
    {"upper-case-0.1.7", {"abc", NULL}},
    {"upper-case-noversion", {"abc", NULL}},
    {"line-source", {"", "one", "one\ntwo\n\nthree", "\n\n", NULL}},
    {"field-filter", {"", "1=x", "2!=b", "9=404", "x", "x b c", "0=x", "a b", NULL}},
    {"status-count", {"", "h - - [d] \"GET / HTTP/1.1\" 404 17", "h - - [d d] \"GET / HTTP/1.1\" 200 1", "x", NULL}},
    {"count-sink", {"", "pause-every=2", "pause-every=0", "x", "pause-every=1", NULL}},
    {"even-filter", {"", "x", "axb", NULL}},
    {"port-router", {"", "a", "a,b rest", "-", ",,", "a,,a x", "\xff\xfe,b", "a-long-name-of-a-port,b,c,d,e", NULL}},
    {"batch-aggregator", {"", "2", "1", "3 split", "5 split", "0", "abc", "a\nb", NULL}},
    {"raw-result", {"x", NULL}},
    {"misbehave",
     {"trap", "div", "stack", "spin:10", "alloc", "grow", "hold", "hold-many", "hold-frozen", "bigalloc", "oom-out",
      "leak", "leak-ctx", "double-drop", "use-after-drop", "foreign-handle", "zero-handle", "wrong-type",
      "frozen-append", "frozen-twice", "frozen-size", "emit-foreign", "emit-mutable", "emit-borrow", "utf8",
      "utf8-type", "errutf8", "badptr", "badlen", "badptr-in", "badret", "unaligned-ret", "realloc-import",
      "realloc-oob", "realloc-trap", "post-import", "post-trap", "invalid", "fatal", "meta", "partial", "capacity",
      "oob", "drop", "fail", "trap-teardown", "echo:x", NULL}},
};

/* Calls with these words, the guest's own roles more often than the others. */
static void make_calls(made_t *made, const char *const *words, uint32_t roles) {
  static const struct {
    uint32_t role;
    uint8_t ops[4];
    unsigned count;
  } of_role[] = {{TORVYN_ROLE_SOURCE, {3, 3, 4}, 3},   {TORVYN_ROLE_PROCESSOR, {8, 15}, 2},
                 {TORVYN_ROLE_SINK, {11, 5, 15}, 3},   {TORVYN_ROLE_FILTER, {12}, 1},
                 {TORVYN_ROLE_ROUTER, {13}, 1},        {TORVYN_ROLE_AGGREGATOR, {14, 14, 6}, 3},
                 {TORVYN_ROLE_LIFECYCLE, {0, 1}, 2}};
  unsigned count = 0;
  while (words[count]) count++;
  made->len = 0;
  add_byte(made, below(4) ? 0 : below(256));
  for (unsigned calls = 4 + below(12), i = 0; i < calls; i++) {
    unsigned op = below(16), at = below(7);
    if (below(8) && (roles & of_role[at].role)) op = of_role[at].ops[below(of_role[at].count)];
    if (below(16) == 0) op += 224; /* in whatever state it is */
    add_byte(made, op);
    if (op % 16 == 4 || op % 16 >= 7) add_byte(made, below(256));
    if (op % 16 == 0 || op % 16 >= 8)
      for (unsigned n = op % 16 == 15 ? 3 : 1; n; n--) {
        const char *word = words[below(count)];
        add_bytes(made, word, strlen(word));
      }
  }
}

static void every_guest(pair_t *pair) {
  made_t made;
  part("guests: the same calls on both paths");
  for (size_t g = 0; g < sizeof guests / sizeof *guests; g++) {
    char name[64];
    pair_link(pair, guests[g].guest);
    memset(pair->before, 0, sizeof pair->before);
    pair->calls = pair->emitted = pair->stopped = pair->verdicts = 0;
    torvyn_instance_t *instance = instance_of(pair->linked[0], 1, NULL);
    uint32_t roles = torvyn_instance_roles(instance);
    torvyn_instance_free(instance);
    for (unsigned round = 0; round < 80 / check_slow(); round++) {
      snprintf(name, sizeof name, "%s, round %u", guests[g].guest, round);
      check_doing = name;
      make_calls(&made, guests[g].words, roles);
      pair_run(pair, input_of(made.bytes, made.len));
    }
    printf("             %s: %lu calls, %lu gave something, %lu stopped, %lu verdicts\n", guests[g].guest, pair->calls,
           pair->emitted, pair->stopped, pair->verdicts);
    CHECK(pair->calls > 20);
    pair_unlink(pair);
  }
}

/* The others: what is refused for both paths is refused in the same way. */
static void refused_guests(pair_t *pair) {
  static const struct {
    const char *guest;
    int status[2];
  } others[] = {{"importer", {TORVYN_ERROR_UNSUPPORTED, TORVYN_OK}}, /* not for the direct path */
                {"wasi-stdio", {TORVYN_ERROR_UNSUPPORTED, TORVYN_OK}},
                {"wasi-sockets", {TORVYN_ERROR_UNSUPPORTED, TORVYN_OK}},
                {"upper-case-0.2.0", {TORVYN_ERROR_NO_ROLE, TORVYN_ERROR_NO_ROLE}},
                {"norole", {TORVYN_ERROR_NO_ROLE, TORVYN_ERROR_NO_ROLE}},
                {"empty", {TORVYN_ERROR_NO_ROLE, TORVYN_ERROR_NO_ROLE}},
                {"core-module", {TORVYN_ERROR_CORE_MODULE, TORVYN_ERROR_CORE_MODULE}}};
  part("guests: those that do not run on both");
  for (size_t g = 0; g < sizeof others / sizeof *others; g++)
    for (int i = 0; i < 2; i++) {
      torvyn_component_t *component = STALE;
      char path[4096];
      check_doing = others[g].guest;
      snprintf(path, sizeof path, "%s/%s.wasm", check_guests, others[g].guest);
      EXPECT(others[g].status[i], torvyn_component_compile_file(pair->engines[i], path, &component, &err));
      torvyn_component_free(component);
    }
}

/* WASI's answers go where the component says, as far as they fit there. */
static void wasi_answers(pair_t *pair) {
  static const uint32_t places[] = {0,     1,     2,     4,     8,     12,    1024,  65504,      65508,     65512,
                                    65516, 65520, 65524, 65528, 65532, 65534, 65536, 0x7ffffff8, 0xfffffff8, 0xfffffffcu};
  static const uint32_t sizes[] = {1,    2,    255,  256,   257,   1024,     1025,     4096,
                                   4097, 61440, 61441, 65536, 65537, 16 << 20, (16 << 20) + 1, UINT32_MAX};
  /* Of those sizes: more than 64 KiB written, more than 4 KiB; each exit; more random bytes than
   * there is room for; more than 1024 streams; as places, those that are unaligned or not there. */
  static const unsigned stops[10] = {4, 8, 16, 16, 6, 6, 10, 0, 0, 11};
  unsigned stopped[10] = {0};
  part("WASI: answers at the edges of memory");
  pair_link(pair, "wasi-raw");
  pair->calls = pair->stopped = 0;
  for (int i = 0; i < 2; i++) {
    pair->instances[i] = instance_of(pair->linked[i], 77, NULL);
    pair->before[i] = stats_of(pair->instances[i]);
  }
  for (unsigned function = 0; function < 9; function++)
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
      torvyn_element_t e = {.sequence = places[k], .timestamp_ns = function};
      char name[64];
      snprintf(name, sizeof name, "function %u at %u", function, (unsigned)places[k]);
      check_doing = name;
      call_both(pair, PROCESS, &e, str(""), 0);
      if (torvyn_instance_state(pair->instances[0]) == TORVYN_STATE_POISONED) call_both(pair, RESET, &e, str(""), 0);
    }
  CHECK(pair->stopped > 9 * 6 && pair->stopped < 9 * 15);

  part("WASI: what it is asked for, and what is too much");
  pair->stopped = 0;
  for (unsigned function = 9; function < 19; function++)
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      torvyn_element_t e = {.sequence = sizes[k], .timestamp_ns = function};
      char name[64];
      snprintf(name, sizeof name, "function %u with %u", function, (unsigned)sizes[k]);
      check_doing = name;
      call_both(pair, RESET, &e, str(""), 0); /* its streams are gone */
      call_both(pair, PROCESS, &e, str(""), 0);
      stopped[function - 9] += torvyn_instance_state(pair->instances[0]) == TORVYN_STATE_POISONED;
    }
  for (size_t k = 0; k < sizeof stopped / sizeof *stopped; k++) {
    char name[64];
    snprintf(name, sizeof name, "function %u is stopped for %u sizes", (unsigned)k + 9, stopped[k]);
    check_doing = name;
    CHECK(stopped[k] == stops[k]);
  }
  for (int i = 0; i < 2; i++) torvyn_instance_free(pair->instances[i]);
  pair_unlink(pair);
}

/* A component that imports an interface and uses, or does not use, a function of it. */
#define IMPORTS(name, body, uses)                                                                 \
  "(component " TYPES                                                                             \
  "  (import \"wasi:io/error@0.2.0\" (instance $io (export \"error\" (type (sub resource))))) " \
  "  (alias export $io \"error\" (type $io-error))"                                             \
  "  (import \"" name "\" (instance $wasi " body "))"                                           \
  "  (core module $libc (memory (export \"memory\") 800)" REALLOC ")"                            \
  "  (core instance $libc (instantiate $libc))"                                                   \
  "  (alias core export $libc \"memory\" (core memory $memory))" uses                           \
  "  (core module $m " INIT TEARDOWN ")"                                                          \
  "  (core instance $i (instantiate $m))" LIFE_WITH("(core func $libc \"realloc\")") ")"
#define USES(function, params)                                                                    \
  "(core func $f (canon lower (func $wasi \"" function "\") (memory $memory)))"      \
  "(core module $u (import \"\" \"f\" (func " params ")))"                                    \
  "(core instance (instantiate $u (with \"\" (instance (export \"f\" (func $f))))))"

/* What has a name of WASI's and a type of its own is none of WASI's on either path. */
static void wasi_types(void) {
  static const struct {
    const char *text, *reason; /* why not on the direct path; NULL where it is */
  } cases[] = {
      {IMPORTS("wasi:random/random@0.2.3", "(export \"get-random-u64\" (func (result u64)))", ""), NULL},
      {IMPORTS("wasi:random/random@0.2.3", "(export \"get-random-u64\" (func (result u64)))",
               USES("get-random-u64", "(result i64)")),
       NULL},
      {IMPORTS("wasi:cli/exit@0.2.0", "(export \"exit\" (func (param \"status\" (result))))",
               USES("exit", "(param i32)")),
       NULL},
      {IMPORTS("wasi:filesystem/types@0.2.0",
               "(type $t (enum \"access\")) (export \"error-code\" (type $code (eq $t)))"
               "(alias outer 1 $io-error (type $o)) (export \"error\" (type $err (eq $o)))"
               "(export \"filesystem-error-code\" (func (param \"err\" (borrow $err)) (result (option $code))))",
               ""),
       "imports wasi:filesystem/types@0.2.0#filesystem-error-code, whose type is not WASI's"},
      {IMPORTS("wasi:filesystem/types@0.2.0",
               "(export \"filesystem-error-code\" (func (param \"a\" u64) (result u32)))",
               USES("filesystem-error-code", "(param i64) (result i32)")),
       "imports wasi:filesystem/types@0.2.0#filesystem-error-code, whose type is not WASI's"},
      {IMPORTS("wasi:cli/stdin@0.2.0", "(export \"get-stdin\" (func (result u32)))",
               USES("get-stdin", "(result i32)")),
       "imports wasi:cli/stdin@0.2.0#get-stdin, whose type is not WASI's"},
      {IMPORTS("wasi:cli/stdin@0.2.0",
               "(export \"input-stream\" (type $in (sub resource))) (export \"get-stdin\" (func (result (own $in))))",
               USES("get-stdin", "(result i32)")),
       "imports wasi:cli/stdin@0.2.0#input-stream"},
      {IMPORTS("wasi:cli/exit@0.2.0", "(export \"exit\" (func (param \"status\" u32)))",
               USES("exit", "(param i32)")),
       "imports wasi:cli/exit@0.2.0#exit, whose type is not WASI's"},
      {IMPORTS("wasi:cli/exit@0.2.0", "(export \"exit\" (func (param \"status\" u32)))", ""),
       "imports wasi:cli/exit@0.2.0#exit, whose type is not WASI's"},
      {IMPORTS("wasi:random/insecure-seed@0.2.0", "(export \"get-insecure-seed\" (func (result (tuple u64 u64))))",
               USES("get-insecure-seed", "(param i32)")),
       "imports wasi:random/insecure-seed@0.2.0#get-insecure-seed"},
      {IMPORTS("wasi:cli/stdin@0.2.0", "(export \"no-such-function\" (func))", ""),
       "imports wasi:cli/stdin@0.2.0#no-such-function"},
  };
  part("WASI: another type than WASI's");
  for (int path = TORVYN_PATH_AUTO; path <= TORVYN_PATH_DIRECT; path++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config, .path = (torvyn_path_t)path};
    torvyn_engine_t *engine = engine_with(&config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      torvyn_component_t *component = STALE;
      torvyn_linked_t *linked = STALE;
      const uint8_t *text = (const uint8_t *)cases[i].text;
      size_t len = strlen(cases[i].text);
      check_doing = cases[i].reason ? cases[i].reason : "WASI's own";
      if (cases[i].reason && path == TORVYN_PATH_DIRECT) {
        EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, cases[i].reason,
                    torvyn_component_compile(engine, text, len, &component, &err));
        continue;
      }
      OK(torvyn_component_compile(engine, text, len, &component, &err));
      CHECK(str_is(torvyn_component_path_reason(component), cases[i].reason ? cases[i].reason : ""));
      if (cases[i].reason) {
        EXPECT(TORVYN_ERROR_TYPE_MISMATCH, torvyn_linked_new(component, NULL, &linked, &err));
      } else {
        torvyn_imports_t *imports = NULL;
        OK(torvyn_linked_new(component, NULL, &linked, &err));
        CHECK(torvyn_linked_path(linked) == TORVYN_PATH_DIRECT && str_is(torvyn_linked_path_reason(linked), ""));
        torvyn_instance_free(instance_of(linked, 1, NULL));
        torvyn_linked_free(linked);
        OK(torvyn_imports_new(engine, &imports, &err));
        OK(torvyn_imports_wasi_args(imports, &(torvyn_str_t){"granted", 7}, 1, &err));
        if (path == TORVYN_PATH_DIRECT) {
          EXPECT(TORVYN_ERROR_UNSUPPORTED, torvyn_linked_new(component, imports, &linked, &err));
        } else {
          OK(torvyn_linked_new(component, imports, &linked, &err));
          CHECK(torvyn_component_path(component) == TORVYN_PATH_DIRECT);
          CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL);
          CHECK(str_is(torvyn_linked_path_reason(linked), "runs with WASI that was granted to it"));
        }
        torvyn_imports_free(imports);
      }
      torvyn_linked_free(linked);
      torvyn_component_free(component);
    }
    torvyn_engine_free(engine);
  }
}

/* 16 MiB of it, when an instance is made. */
#define STARTS(function)                                                                          \
  "(core func $f (canon lower (func $wasi \"" function "\") (memory $memory)"                   \
  "  (realloc (core func $libc \"realloc\"))))"                                                 \
  "(core module $u (import \"\" \"f\" (func $f (param i64 i32)))"                             \
  "  (func $start (call $f (i64.const 16777216) (i32.const 16))) (start $start))"                 \
  "(core instance (instantiate $u (with \"\" (instance (export \"f\" (func $f))))))"
#define BYTES "(export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8))))"
#define INSECURE "(export \"get-insecure-random-bytes\" (func (param \"len\" u64) (result (list u8))))"

/* Much randomness takes long, and ends at the deadline of who asks. */
static void randomness(void) {
  static const char *const texts[] = {
      IMPORTS("wasi:random/random@0.2.0", BYTES, STARTS("get-random-bytes")),
      IMPORTS("wasi:random/insecure@0.2.0", INSECURE, STARTS("get-insecure-random-bytes")),
  };
  /* Under valgrind threads take turns, the clock's among them; an emulator's first time is its dearest. */
  if (check_slow() >= 20) return;
  part("WASI: much randomness, and little time");
  for (int path = TORVYN_PATH_DIRECT; path <= TORVYN_PATH_GENERAL; path++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config, .path = (torvyn_path_t)path};
    torvyn_engine_t *engine = engine_with(&config);
    for (size_t i = 0; i < 2; i++) {
      torvyn_linked_t *linked = linked_once(component_from(engine, texts[i]), NULL);
      torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 60000 * MS};
      uint64_t whole = used_ns(), least = UINT64_MAX;
      torvyn_instance_free(instance_of(linked, 1, &options));
      whole = used_ns() - whole;
      options.timeout_ns = whole / 8;
      for (int k = 0; k < 5; k++) { /* the least, since others may want the processor, the clock's thread's too */
        torvyn_instance_t *instance = STALE;
        uint64_t took = used_ns();
        EXPECT(TORVYN_ERROR_DEADLINE, torvyn_instance_new(linked, 1, &options, &instance, &err));
        took = used_ns() - took;
        least = took < least ? took : least;
      }
      printf("             %.2f ms of work, cut short at %.2f: took %.2f\n", (double)whole / 1e6,
             (double)options.timeout_ns / 1e6, (double)least / 1e6);
      CHECK(least < whole * 3 / 4);
      torvyn_linked_free(linked);
    }
    torvyn_engine_free(engine);
  }
}

/* ---- start functions ------------------------------------------------------------ */

/* A component whose start function does this, and whose `ingest` does with what is left what the element's
 * sequence says: drops `$m`, asks for its size, emits `$f`, makes a buffer, asks for the size of `$f`, drops it. */
static const char *starts(const char *does) {
  return WAT("(component\n", CONTRACT, LIBC("2"), LOWERED,
             "  (core module $main\n", IMPORTED, NEW_BUFFER,
             "    (global $m (mut i32) (i32.const 0)) (global $f (mut i32) (i32.const 0))\n" INIT TEARDOWN
             "    (func $make (global.set $m (call $new)))\n"
             "    (func $frozen (call $make) (global.set $f (call $freeze (global.get $m))))\n"
             "    (func $gone (call $frozen) (call $drop-mutable (global.get $m)))\n"
             "    (func (export \"go\") ", does, ")\n"
             "    (func (export \"ingest\") " ELEMENT "\n"
             "      (call $drop-buffer (local.get 4)) (call $drop-flow (local.get 5)) (i64.store (i32.const 1032) (i64.const 0))\n"
             "      (if (i64.eq (local.get 0) (i64.const 1)) (then (call $drop-mutable (global.get $m))))\n"
             "      (if (i64.eq (local.get 0) (i64.const 2)) (then (drop (call $msize (global.get $m)))))\n"
             "      (if (i64.eq (local.get 0) (i64.const 3)) (then (i64.store (i32.const 1032) (i64.const 1))\n"
             "        (i32.store (i32.const 1064) (global.get $f))))\n"
             "      (if (i64.eq (local.get 0) (i64.const 4)) (then (drop (call $new))))\n"
             "      (if (i64.eq (local.get 0) (i64.const 5)) (then (drop (call $size (global.get $f)))))\n"
             "      (if (i64.eq (local.get 0) (i64.const 6)) (then (call $drop-buffer (global.get $f))))\n"
             "      i32.const 1024)\n"
             "    (func (export \"flush\") (result i32) i32.const 2048))\n"
             "  (core instance $i (instantiate $main " WITH "))\n"
             "  (core module $start (import \"\" \"go\" (func $go)) (start $go))\n"
             "  (core instance (instantiate $start (with \"\" (instance (export \"go\" (func $i \"go\"))))))\n",
             AGGREGATOR, LIFE_WITH("$realloc"), ")\n");
}

/* What a start function does with handles, the calls after it find. */
static void start_functions(pair_t *pair) {
  static const char *const does[] = {
      "", "(call $make)", "(call $frozen)", "(call $gone)", "(call $gone) (call $gone)", "(call $gone) (call $make)",
      "(call $gone) (call $frozen)", "(call $frozen) (call $drop-buffer (global.get $f))",
      "(call $gone) (call $drop-buffer (global.get $f))", "(call $frozen) (call $gone)",
      "(call $make) (call $set (global.get $m) (i32.const 0) (i32.const 4000))",
      /* No instance comes of these. */
      "(call $gone) (call $drop-mutable (global.get $m))", "(call $frozen) (drop (call $msize (global.get $m)))",
      "(call $frozen) (drop (call $freeze (global.get $m)))", "(drop (call $size (i32.const 1)))",
      "(call $drop-flow (i32.const 2))", "(call $make) (call $set (global.get $m) (i32.const 0) (i32.const 4097))",
  };
  static const char *const calls[] = {"00", "1", "11", "2", "3", "33", "44444", "5", "6", "66", "0444", "16", "61", "3144444"};
  torvyn_instance_options_t options = {.struct_size = sizeof options, .max_handles = 4};
  unsigned long made = 0;
  part("start functions: what they do with handles");
  pair->calls = pair->emitted = pair->stopped = 0;
  for (size_t k = 0; k < sizeof does / sizeof *does; k += check_slow() >= 20 ? 3 : 1) { /* compiling is most of it */
    check_doing = does[k];
    for (int i = 0; i < 2; i++) pair->linked[i] = linked_once(component_from(pair->engines[i], starts(does[k])), NULL);
    for (size_t n = 0; n < sizeof calls / sizeof *calls; n++) {
      char name[128];
      torvyn_error_t *errors[2];
      int status[2];
      snprintf(name, sizeof name, "%s: calls %s", does[k], calls[n]);
      check_doing = name;
      for (int i = 0; i < 2; i++) {
        status[i] = torvyn_instance_new(pair->linked[i], 77, &options, &pair->instances[i], &errors[i]);
        torvyn_error_free(errors[i]);
      }
      CHECK(status[0] == status[1] && (status[0] == TORVYN_OK) == (k < 11));
      if (status[0] < 0) continue;
      made++;
      for (int i = 0; i < 2; i++) pair->before[i] = stats_of(pair->instances[i]);
      CHECK(memory_of(pair->instances[0]).buffers == memory_of(pair->instances[1]).buffers);
      CHECK(pair->before[0].buffer_bytes == pair->before[1].buffer_bytes);
      CHECK(pair->before[0].buffer_bytes == memory_of(pair->instances[0]).buffers);
      CHECK(pair->before[0].buffer_bytes_peak == pair->before[1].buffer_bytes_peak);
      pair->apart = 0;
      call_both(pair, CALL_INIT, &(torvyn_element_t){0}, str(""), 0);
      for (const char *c = calls[n]; *c; c++) {
        torvyn_element_t e = {.sequence = (uint64_t)(*c - '0')};
        call_both(pair, INGEST, &e, str(""), 0);
      }
      for (int i = 0; i < 2; i++) torvyn_instance_free(pair->instances[i]);
    }
    pair_unlink(pair);
  }
  CHECK(pair->emitted > made / 14 && pair->stopped > made / 4);
}

/* ---- programs of the interpreter ------------------------------------------------- */

/* An operation of `interpreter.wat` with operands that suit it: the texts at 512 (table entry 22,
 * 0x96), answers at 64 (0xc0 64 0), buffers in slots 2 to 7. */
static void add_operation(made_t *program) {
  static const uint8_t sound[][32] = { /* the length, then the bytes */
      {10, 22, 2, 0x96, 10, 34, 4, 5, 6, 0x96, 10},  /* a buffer in slot 4, emitted */
      {10, 22, 2, 0x96, 10, 34, 4, 5, 6, 0x9c, 41},
      {21, 18, 0, 16, 6, 2, 0x96, 10, 0xc0, 64, 0, 10, 2, 1, 16, 2, 34, 3, 7, 8, 0x96, 0}, /* step by step */
      {22, 20, 3, 0xc0, 64, 0, 0, 6, 5, 0x96, 5, 0xc0, 64, 0, 10, 5, 2, 34, 4, 1, 1, 0x96, 4},
      {3, 1, 0, 5},                          /* size of the payload */
      {5, 2, 0, 0xc0, 64, 0},                /* its type */
      {7, 3, 0, 2, 5, 0xc0, 64, 0},          /* a range of it */
      {5, 4, 0, 0xc0, 64, 0},                /* all of it */
      {3, 18, 0, 16},                        /* allocate slot 2 */
      {7, 6, 2, 0x96, 10, 0xc0, 64, 0},      /* append */
      {8, 5, 2, 3, 0x96, 10, 0xc0, 64, 0},   /* write */
      {3, 7, 2, 5}, {3, 8, 2, 6},            /* size, capacity */
      {4, 9, 2, 0x96, 10},                   /* set-content-type */
      {3, 10, 2, 1},                         /* freeze slot 2 to slot 3 */
      {2, 16, 2}, {2, 15, 3},                /* drop */
      {5, 11, 1, 0xc0, 64, 0}, {5, 12, 1, 0xc0, 64, 0}, {5, 14, 1, 0xc0, 64, 0}, {3, 13, 1, 7},
      {6, 20, 3, 0xc0, 64, 0, 0},            /* clone the payload to slot 5 */
      {5, 4, 4, 0xc0, 72, 0},                /* read what slot 4 holds */
      {4, 21, 0x96, 10, 3},                  /* has-capability */
      {4, 22, 2, 0x96, 10}, {4, 22, 1, 0x96, 20}, {4, 22, 2, 0, 0x85}, /* make slot 4, 3, 4 with 64 KiB */
      {6, 34, 4, 5, 6, 0x96, 10}, {6, 34, 3, 7, 8, 0x96, 0}, {6, 34, 5, 7, 0x94, 0x96, 42}, /* emit */
      {4, 35, 1, 0x96, 10}, {4, 35, 3, 0, 0},/* an error */
      {2, 36, 1}, {2, 36, 0},                /* signal or verdict */
      {3, 37, 0x96, 4}, {3, 37, 0x9c, 40},   /* ports */
      {3, 23, 4, 0x94}, {4, 26, 0x97, 0xe0, 1}, {4, 28, 0x96, 3}, {2, 29, 1},
      {4, 32, 5, 0, 1}, {4, 32, 4, 1, 1}, {3, 33, 3, 1}, {1, 0},
  };
  /* Mostly fatal. */
  static const uint8_t broken[][32] = {
      {2, 41, 1}, {2, 41, 2}, {1, 30}, {1, 31}, {2, 17, 1}, {2, 15, 0}, {4, 32, 1, 0x83, 0}, {4, 32, 2, 0, 1},
      {4, 32, 3, 7, 0}, {4, 32, 6, 0, 0}, {3, 33, 1, 0}, {3, 33, 2, 1}, {3, 33, 4, 0}, {2, 40, 0x87}, {2, 40, 0x8a},
      {3, 39, 0, 2}, {3, 39, 8, 2}, {3, 39, 4, 2}, {3, 38, 0x83, 2}, {3, 38, 0x97, 0x9a}, {3, 38, 0x97, 1},
      {2, 16, 13}, {3, 1, 13, 0}, {3, 10, 0, 0}, {6, 34, 13, 0, 0, 0, 0}, {4, 35, 0, 0x9d, 6}, {3, 37, 0x9d, 8},
      {4, 9, 2, 0x9d, 6}, {4, 21, 0x9d, 6, 0}, {4, 2, 0, 0x83}, {5, 6, 2, 0x96, 1, 0x81}, {5, 2, 0, 0xc0, 65, 0},
      {5, 19, 0, 16, 0x81}, {5, 4, 13, 0xc0, 64, 0}, {3, 13, 13, 0}, {4, 29, 31, 29, 31},
  };
  const uint8_t *chosen = below(24) ? sound[below(sizeof sound / sizeof *sound)] : broken[below(sizeof broken / sizeof *broken)];
  put(program, chosen + 1, chosen[0]);
  if (below(20) == 0) program->bytes[program->len - 1 - below(chosen[0])] = (uint8_t)below(256);
}

static void make_programs(made_t *made) {
  /* Slots 2 to 5: a mutable buffer, two frozen ones, a mutable copy of the payload. */
  static const uint8_t stock[] = {18, 0, 16, 22, 1, 0x96, 10, 22, 2, 0x9c, 41, 20, 3, 0xc0, 64, 0, 0};
  static const uint8_t emit[] = {34, 4, 5, 6, 0x96, 10};
  made->len = 0;
  add_byte(made, below(2) ? 0 : below(256));
  for (unsigned calls = 2 + below(10), i = 0; i < calls; i++) {
    unsigned op = below(16);
    made_t program = {.len = 0};
    add_byte(made, op + (below(20) ? 0 : 224));
    if (op == 4 || op >= 7) add_byte(made, below(256));
    if (op == 0 || op >= 8)
      for (unsigned n = op == 15 ? 3 : 1; n; n--) {
        program.len = 0;
        if (below(8)) put(&program, stock, sizeof stock);
        for (unsigned k = below(12); k; k--) add_operation(&program);
        if (below(2)) put(&program, emit, sizeof emit);
        add_bytes(made, program.bytes, program.len);
      }
  }
}

static void programs(pair_t *pair) {
  made_t made;
  char name[32];
  part("interpreter: programs made up");
  pair_link(pair, "interpreter");
  pair->calls = pair->emitted = pair->stopped = pair->verdicts = 0;
  for (unsigned round = 0; round < 1500 / check_slow(); round++) {
    snprintf(name, sizeof name, "program %u", round);
    check_doing = name;
    make_programs(&made);
    pair_run(pair, input_of(made.bytes, made.len));
  }
  printf("             %lu calls, %lu gave something, %lu stopped, %lu verdicts\n", pair->calls, pair->emitted,
         pair->stopped, pair->verdicts);
  /* The generator reaches what it is for. */
  CHECK(pair->emitted > pair->calls / 40 && pair->stopped > pair->calls / 40 && pair->verdicts > pair->calls / 400);
  pair_unlink(pair);
}

int main(int argc, char **argv) {
  static pair_t pair;
  check_begin(argc, argv);
  state = 88172645463325252u;
  pair_engines(&pair);
  every_guest(&pair);
  refused_guests(&pair);
  wasi_answers(&pair);
  wasi_types();
  randomness();
  start_functions(&pair);
  programs(&pair);
  for (int i = 0; i < 2; i++) torvyn_engine_free(pair.engines[i]);
  return check_end();
}
