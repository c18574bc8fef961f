/* What a component's own errors, its traps and its breaches come to: the same on
 * both paths. States: what may be called when. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static torvyn_engine_t *engines[2]; /* direct, general */

static torvyn_instance_options_t options(void) {
  torvyn_instance_options_t o = {.struct_size = sizeof o, .timeout_ns = 1000 * MS * check_slow()};
  return o;
}

/* ---- every command, on both paths ------------------------------------------- */

/* What one call came to, as far as it must not depend on the path. */
typedef struct {
  int status, trap, state, fatal, retryable;
  uint64_t sequence, timestamp;
  char type[64], detail[300], function[32];
  uint8_t *bytes;
  size_t len, frames;
  char frame[200];
  torvyn_stats_t stats;
  torvyn_memory_usage_t memory;
} came_t;

static void copy_str(char *to, size_t room, torvyn_str_t s) {
  size_t len = s.len < room - 1 ? s.len : room - 1;
  if (len) memcpy(to, s.data, len);
  to[len] = '\0';
}

static came_t came_to(torvyn_instance_t *instance, torvyn_element_t e) {
  came_t c;
  torvyn_error_t *err = STALE;
  torvyn_output_t out = stale_output();
  uint64_t id = 0;
  memset(&c, 0, sizeof c);
  c.status = torvyn_process(instance, &e, &out, &err);
  CHECK((c.status < 0) == (err != NULL) && (c.status == TORVYN_OK) == (out.payload != NULL));
  c.trap = (int)torvyn_error_trap(err);
  c.fatal = torvyn_error_is_fatal(err);
  c.retryable = torvyn_error_is_retryable(err);
  copy_str(c.detail, sizeof c.detail, torvyn_error_detail(err));
  copy_str(c.function, sizeof c.function, torvyn_error_function(err));
  c.frames = torvyn_error_frame_count(err);
  copy_str(c.frame, sizeof c.frame, torvyn_error_frame(err, 0));
  CHECK((int)torvyn_error_status(err) == (c.status < 0 ? c.status : TORVYN_OK));
  CHECK(torvyn_error_component_id(err, &id) == (err != NULL) && id == (err ? 77u : 0u));
  for (size_t i = 0; i <= c.frames; i++) {
    torvyn_str_t frame = torvyn_error_frame(err, i);
    CHECK(frame.data != NULL && frame.data[frame.len] == '\0' && (frame.len > 0) == (i < c.frames));
  }
  if (err) CHECK(strstr(torvyn_error_message(err).data, "77") != NULL);
  torvyn_error_free(err);
  c.state = (int)torvyn_instance_state(instance);
  c.stats = stats_of(instance);
  c.memory.struct_size = sizeof c.memory;
  CHECK(torvyn_instance_memory_usage(instance, &c.memory, NULL) == TORVYN_OK);
  c.sequence = out.sequence;
  c.timestamp = out.timestamp_ns;
  copy_str(c.type, sizeof c.type, out.content_type);
  c.len = out.bytes.len;
  c.bytes = malloc(c.len + 1);
  if (c.len) memcpy(c.bytes, out.bytes.data, c.len);
  c.bytes[c.len] = '\0';
  torvyn_output_release(&out);
  return c;
}

static int differs(const char *what, long long direct, long long general) {
  if (direct != general)
    fprintf(stderr, "%s: %s: %lld on the direct path, %lld on the general one\n", check_doing, what, direct, general);
  return direct != general;
}

#define SAME(field) differ |= differs(#field, (long long)a->field, (long long)b->field)

/* Whether both paths agree; says where they do not. */
static int agree(const came_t *a, const came_t *b) {
  int differ = 0;
  SAME(status), SAME(trap), SAME(state), SAME(fatal), SAME(retryable), SAME(sequence), SAME(timestamp), SAME(len);
  SAME(memory.linear);
  /* When post-return traps, the direct path has the output already, the general one not yet. */
  if (strncmp(check_doing, "post-", 5)) {
    SAME(memory.buffers), SAME(stats.buffer_bytes), SAME(stats.buffer_bytes_peak);
  }
  SAME(stats.calls), SAME(stats.stopped), SAME(stats.guest_errors), SAME(stats.refused), SAME(stats.traps);
  SAME(stats.deadlines), SAME(stats.cancels), SAME(stats.memory_limits), SAME(stats.out_of_fuel);
  SAME(stats.elements_in), SAME(stats.elements_out), SAME(stats.bytes_out);
  /* Bytes on their way when realloc traps, or their place is none, are counted on the general path alone. */
  if (strncmp(check_doing, "realloc-", 8) && !strstr(check_doing, "ret")) SAME(stats.bytes_in);
  SAME(stats.linear_bytes), SAME(stats.resets);
  if (a->len == b->len && memcmp(a->bytes, b->bytes, a->len)) differ = fprintf(stderr, "%s: bytes\n", check_doing);
  if (strcmp(a->type, b->type)) differ = fprintf(stderr, "%s: content type\n", check_doing);
  if (strcmp(a->function, b->function)) differ = fprintf(stderr, "%s: function\n", check_doing);
  if ((a->frames == 0) != (b->frames == 0) || strcmp(a->frame, b->frame))
    differ = fprintf(stderr, "%s: frames: %zu `%s`, %zu `%s`\n", check_doing, a->frames, a->frame, b->frames, b->frame);
  return !differ;
}

#define TRAP TORVYN_ERROR_TRAP
#define ABI TORVYN_TRAP_CANONICAL_ABI
#define LEAVE TORVYN_TRAP_CANNOT_LEAVE
#define UNREACHABLE TORVYN_TRAP_UNREACHABLE

/* `output` is the text emitted, or the error's detail; NULL where it does not matter. */
static const struct {
  const char *command;
  int status, trap;
  const char *output;
} commands[] = {
    {"trap", TRAP, UNREACHABLE, NULL},
    {"div", TRAP, TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO, NULL},
    {"stack", TRAP, TORVYN_TRAP_STACK_OVERFLOW, NULL},
    {"loop", TORVYN_ERROR_DEADLINE, 0, NULL},
    {"spin:1000", 0, 0, "spun"},
    {"alloc", TORVYN_ERROR_MEMORY, 0, NULL},
    {"grow", TORVYN_ERROR_MEMORY, 0, NULL},
    {"hold", TORVYN_NOTHING_EMITTED, 0, ""},
    {"hold-many", TORVYN_NOTHING_EMITTED, 0, ""},
    {"hold-frozen", 0, 0, "held"},
    {"bigalloc", 0, 0, NULL},
    {"oom-out", 0, 0, NULL},
    {"leak", TRAP, ABI, NULL},
    {"leak-ctx", TRAP, ABI, NULL},
    {"double-drop", TRAP, ABI, NULL},
    {"use-after-drop", TRAP, ABI, NULL},
    {"foreign-handle", TRAP, ABI, NULL},
    {"zero-handle", TRAP, ABI, NULL},
    {"wrong-type", TRAP, ABI, NULL},
    {"frozen-append", TRAP, ABI, NULL},
    {"frozen-twice", TRAP, ABI, NULL},
    {"frozen-size", TRAP, ABI, NULL},
    {"emit-foreign", TRAP, ABI, NULL},
    {"emit-mutable", TRAP, ABI, NULL},
    {"emit-borrow", TRAP, ABI, NULL},
    {"utf8", TRAP, ABI, NULL},
    {"utf8-type", TRAP, ABI, NULL},
    {"errutf8", TRAP, ABI, NULL},
    {"badptr", TRAP, ABI, NULL},
    {"badlen", TRAP, ABI, NULL},
    {"badptr-in", TRAP, ABI, NULL},
    {"badret", TRAP, ABI, NULL},
    {"unaligned-ret", TRAP, ABI, NULL},
    {"realloc-import", TRAP, LEAVE, NULL},
    {"realloc-oob", TRAP, ABI, NULL},
    {"realloc-trap", TRAP, UNREACHABLE, NULL},
    {"post-import", TRAP, LEAVE, NULL},
    {"post-trap", TRAP, UNREACHABLE, NULL},
    {"invalid", TORVYN_ERROR_INVALID_INPUT, 0, "asked for invalid-input"},
    {"unavailable", TORVYN_ERROR_UNAVAILABLE, 0, "asked for unavailable"},
    {"internal", TORVYN_ERROR_GUEST_INTERNAL, 0, "asked for internal"},
    {"deadline", TORVYN_ERROR_DEADLINE_EXCEEDED, 0, ""},
    {"fatal", TORVYN_ERROR_FATAL, 0, "asked for fatal"},
    {"meta", 0, 0, NULL},
    {"partial", 0, 0, "4:part 3:ial 0: 0: 0: 0: 6:artial"},
    {"capacity", 0, 0,
     "capacity 4096 over=capacity-exceeded size=0 full=ok size=4096 more=capacity-exceeded none=ok"},
    {"oob", 0, 0, "past=out-of-bounds at-end=ok overlap=ok far=out-of-bounds size=5"},
    {"calls", 0, 0, "2"},
    {"drop", TORVYN_NOTHING_EMITTED, 0, ""},
    {"echo:some text", 0, 0, "some text"},
    {"no command at all", 0, 0, "no command at all"},
    {"", 0, 0, ""},
};

static void judge(torvyn_instance_t *const instances[2], torvyn_element_t e, int status, int trap,
                  const char *output) {
  came_t came[2];
  const came_t *c = came;
  for (int i = 0; i < 2; i++) came[i] = came_to(instances[i], e);
  if (c->status != status || c->trap != trap)
    fprintf(stderr, "%s: %s, %s: %s\n", check_doing, torvyn_status_name(c->status), torvyn_trap_name(c->trap), c->detail);
  CHECK(agree(&came[0], &came[1]));
  CHECK(c->status == status && c->trap == trap);
  if (output && status >= 0) CHECK(!strcmp((const char *)c->bytes, output) && c->len == strlen(output));
  if (output && status < 0)
    for (int i = 0; i < 2; i++) CHECK(!strcmp(came[i].detail, output)); /* exactly the component's text */
  if (status >= 0) CHECK(c->len == 0 || (c->sequence == e.sequence && c->timestamp == e.timestamp_ns));

  int stopped = status == TRAP || status == TORVYN_ERROR_DEADLINE || status == TORVYN_ERROR_MEMORY;
  CHECK(c->state == (stopped ? TORVYN_STATE_POISONED
                             : status == TORVYN_ERROR_FATAL ? TORVYN_STATE_FAILED : TORVYN_STATE_READY));
  CHECK(c->fatal == (stopped || status == TORVYN_ERROR_FATAL));
  CHECK(c->retryable == (status == TORVYN_ERROR_UNAVAILABLE || status == TORVYN_ERROR_DEADLINE_EXCEEDED));
  CHECK(!strcmp(c->function, status < 0 ? "process" : ""));
  CHECK(c->frames <= 64 && (stopped || c->frames == 0));
  free(came[0].bytes);
  free(came[1].bytes);
}

static void every_command(void) {
  torvyn_instance_options_t o = options();
  torvyn_linked_t *linked[2];
  torvyn_instance_t *instances[2];
  torvyn_output_t out;

  part("commands: the same on both paths");
  for (int i = 0; i < 2; i++) linked[i] = linked_of(engines[i], "misbehave");
  for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
    torvyn_element_t first = element("echo:first"), e = element(commands[k].command);
    check_doing = commands[k].command;
    e.sequence = 1000 + k;
    e.timestamp_ns = 2000 + k;
    e.content_type = str("a/b");
    o.timeout_ns = (strcmp(commands[k].command, "loop") ? 2000 : 30) * MS * check_slow();
    for (int i = 0; i < 2; i++) {
      instances[i] = instance_of(linked[i], 77, &o);
      OK(torvyn_init(instances[i], str(""), &err));
      OK(torvyn_process(instances[i], &first, &out, &err));
      torvyn_output_release(&out);
    }
    judge(instances, e, commands[k].status, commands[k].trap, commands[k].output);
    for (int i = 0; i < 2; i++) {
      /* A reset makes any of them as new. */
      torvyn_state_t state = torvyn_instance_state(instances[i]);
      if (state != TORVYN_STATE_READY) {
        gives(instances[i], "calls", TORVYN_ERROR_STATE);
        OK(torvyn_instance_reset(instances[i], &err));
        CHECK(torvyn_instance_state(instances[i]) == TORVYN_STATE_NEW);
        CHECK(torvyn_instance_id(instances[i]) == 77 && memory_of(instances[i]).linear == 2 * PAGE);
        CHECK(memory_of(instances[i]).buffers == 0);
        OK(torvyn_init(instances[i], str(""), &err));
        emits(instances[i], "calls", "1");
        CHECK(stats_of(instances[i]).resets == 1 && stats_of(instances[i]).calls == 5);
      } else {
        emits(instances[i], "calls", "3");
      }
      torvyn_instance_free(instances[i]);
    }
  }
  for (int i = 0; i < 2; i++) torvyn_linked_free(linked[i]);
}

/* Results that no binding generator would write. */
static void raw_results(void) {
  static const struct {
    uint64_t at;
    int status, trap;
  } table[] = {{256, TORVYN_NOTHING_EMITTED, 0},
               {320, TRAP, ABI}, {384, TRAP, ABI}, {448, TRAP, ABI}, {512, TRAP, ABI}, {257, TRAP, ABI},
               {65528, TRAP, ABI}, {65536, TRAP, ABI}, {131072, TRAP, ABI}, {0xfffffff8u, TRAP, ABI}, {0xffffffffu, TRAP, ABI}};
  torvyn_linked_t *linked[2];
  torvyn_instance_t *instances[2];

  part("results: pointers and discriminants");
  for (int i = 0; i < 2; i++) linked[i] = linked_of(engines[i], "raw-result");
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    torvyn_element_t e = element("x");
    char name[32];
    snprintf(name, sizeof name, "result at %" PRIu64, table[k].at);
    check_doing = name;
    e.sequence = table[k].at;
    for (int i = 0; i < 2; i++) instances[i] = instance_of(linked[i], 77, NULL);
    judge(instances, e, table[k].status, table[k].trap, NULL);
    for (int i = 0; i < 2; i++) {
      if (table[k].status < 0) {
        OK(torvyn_instance_reset(instances[i], &err));
        CHECK(torvyn_instance_state(instances[i]) == TORVYN_STATE_READY); /* no lifecycle, no init */
      }
      e.sequence = 256;
      torvyn_output_t out;
      EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(instances[i], &e, &out, &err));
      torvyn_instance_free(instances[i]);
    }
    check_doing = "results";
  }
  for (int i = 0; i < 2; i++) torvyn_linked_free(linked[i]);
}

/* What an error says of a trap. */
static void reports(const torvyn_engine_t *engine) {
  torvyn_linked_t *linked = linked_of(engine, "misbehave");
  torvyn_instance_t *instance = instance_of(linked, 4242, NULL);
  torvyn_element_t e = element("div");
  torvyn_output_t out;
  torvyn_error_t *err = STALE;
  uint64_t id = 0;
  int named = 0;

  part("errors: what they tell");
  OK(torvyn_init(instance, str(""), &err));
  CHECK(torvyn_process(instance, &e, &out, &err) == TRAP && err != NULL);
  CHECK(torvyn_error_status(err) == TRAP);
  CHECK(torvyn_error_trap(err) == TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO);
  CHECK(torvyn_error_component_id(err, &id) && id == 4242 && torvyn_error_component_id(err, NULL));
  CHECK(str_is(torvyn_error_function(err), "process"));
  CHECK(torvyn_error_is_fatal(err) && !torvyn_error_is_retryable(err));
  CHECK(torvyn_error_detail(err).len > 0);
  CHECK(strstr(torvyn_error_message(err).data, "4242") && strstr(torvyn_error_message(err).data, "process"));
  CHECK(!strchr(torvyn_error_message(err).data, '\n'));
  CHECK(torvyn_error_frame_count(err) >= 2);
  for (size_t i = 0; i < torvyn_error_frame_count(err); i++)
    named += strstr(torvyn_error_frame(err, i).data, "do_div") != NULL ||
             strstr(torvyn_error_frame(err, i).data, "torvyn:streaming/processor@0.1.0#process") != NULL;
  CHECK(named > 0);
  torvyn_error_free(err);
  EXPECT_TEXT(TORVYN_ERROR_STATE, "POISONED", torvyn_process(instance, &e, &out, &err));
  EXPECT_TEXT(TORVYN_ERROR_STATE, "process", torvyn_process(instance, &e, &out, &err));
  CHECK(torvyn_process(instance, &e, &out, NULL) == TORVYN_ERROR_STATE); /* NULL to do without */
  torvyn_instance_free(instance);

  /* A deep stack: no more than 64 frames are kept. */
  instance = instance_of(linked, 1, NULL);
  OK(torvyn_init(instance, str(""), &err));
  e = element("stack");
  CHECK(torvyn_process(instance, &e, &out, &err) == TRAP);
  CHECK(torvyn_error_frame_count(err) == 64 && strstr(torvyn_error_frame(err, 63).data, "!"));
  torvyn_error_free(err);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
}

/* ---- states ---------------------------------------------------------------- */

/* Every call that needs READY, in a state that is another. */
static void all_refused(torvyn_instance_t *instance, int status, const char *says) {
  uint32_t roles = torvyn_instance_roles(instance);
  torvyn_state_t state = torvyn_instance_state(instance);
  torvyn_element_t e = element("echo:x");
  torvyn_output_t out = stale_output();
  torvyn_outputs_t *list = STALE;
  torvyn_ports_t ports = {STALE, 7};
  bool passes = true;
  size_t done = 7;
  torvyn_stats_t before = stats_of(instance), after;
  if (roles & TORVYN_ROLE_SOURCE) {
    EXPECT_TEXT(status, says, torvyn_pull(instance, &out, &err));
    EXPECT_TEXT(status, says, torvyn_notify_backpressure(instance, TORVYN_SIGNAL_PAUSE, &err));
  }
  if (roles & TORVYN_ROLE_PROCESSOR) {
    EXPECT_TEXT(status, says, torvyn_process(instance, &e, &out, &err));
    CHECK(is_clear(&out));
    out = stale_output();
    EXPECT_TEXT(status, says, torvyn_process_batch(instance, &e, 1, &out, &done, &err));
    CHECK(done == 0 && is_clear(&out));
  }
  if (roles & TORVYN_ROLE_SINK) {
    EXPECT_TEXT(status, says, torvyn_push(instance, &e, NULL, &err));
    EXPECT_TEXT(status, says, torvyn_push_batch(instance, &e, 1, NULL, &done, &err));
    EXPECT_TEXT(status, says, torvyn_complete(instance, &err));
  }
  if (roles & TORVYN_ROLE_FILTER) {
    EXPECT_TEXT(status, says, torvyn_evaluate(instance, &e, &passes, &err));
    CHECK(!passes);
  }
  if (roles & TORVYN_ROLE_ROUTER) {
    EXPECT_TEXT(status, says, torvyn_route(instance, &e, &ports, &err));
    CHECK(ports.len == 0 && ports.names == NULL);
  }
  if (roles & TORVYN_ROLE_AGGREGATOR) {
    EXPECT_TEXT(status, says, torvyn_ingest(instance, &e, &out, &err));
    EXPECT_TEXT(status, says, torvyn_flush(instance, &list, &err));
    CHECK(list == NULL);
  }
  CHECK(torvyn_instance_state(instance) == state); /* nothing changed */
  after = stats_of(instance);
  CHECK(after.refused > before.refused && after.calls == before.calls && after.elements_in == before.elements_in);
}

static void states(const torvyn_engine_t *engine) {
  static const char *const guests[] = {"misbehave",   "line-source", "count-sink",
                                       "even-filter", "port-router", "batch-aggregator"};
  part("states: NEW, READY, TORN_DOWN, for every role");
  for (size_t i = 0; i < sizeof guests / sizeof *guests; i++) {
    torvyn_linked_t *linked = linked_of(engine, guests[i]);
    torvyn_instance_t *instance = instance_of(linked, 3, NULL);
    check_doing = guests[i];
    for (int round = 0; round < 3; round++) {
      CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
      all_refused(instance, TORVYN_ERROR_STATE, "NEW");
      if (round == 1) { /* torn down without init */
        OK(torvyn_teardown(instance, &err));
      } else {
        OK(torvyn_init(instance, str(""), &err));
        CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
        EXPECT_TEXT(TORVYN_ERROR_STATE, "READY", torvyn_init(instance, str(""), &err));
        CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
        OK(torvyn_teardown(instance, &err));
      }
      CHECK(torvyn_instance_state(instance) == TORVYN_STATE_TORN_DOWN);
      all_refused(instance, TORVYN_ERROR_STATE, "TORN_DOWN");
      EXPECT_TEXT(TORVYN_ERROR_STATE, "TORN_DOWN", torvyn_teardown(instance, &err));
      EXPECT_TEXT(TORVYN_ERROR_STATE, "TORN_DOWN", torvyn_init(instance, str(""), &err));
      OK(torvyn_instance_reset(instance, &err));
    }
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
  }
}

/* init and teardown that go wrong. */
static void lifecycles(const torvyn_engine_t *engine) {
  static const struct {
    const char *config;
    int status, state;
  } inits[] = {{"fail", TORVYN_ERROR_INVALID_INPUT, TORVYN_STATE_FAILED},
               {"fatal", TORVYN_ERROR_FATAL, TORVYN_STATE_FAILED},
               {"trap", TRAP, TORVYN_STATE_POISONED},
               {"loop", TORVYN_ERROR_DEADLINE, TORVYN_STATE_POISONED}};
  torvyn_linked_t *linked = linked_of(engine, "misbehave"), *plain = linked_of(engine, "upper-case");
  torvyn_instance_options_t o = options();
  torvyn_instance_t *instance;
  torvyn_element_t fatal = element("fatal");
  torvyn_output_t out;

  part("states: failures of init and teardown");
  o.timeout_ns = 30 * MS * check_slow();
  for (size_t i = 0; i < sizeof inits / sizeof *inits; i++) {
    torvyn_error_t *err = STALE;
    const char *name = inits[i].state == TORVYN_STATE_FAILED ? "FAILED" : "POISONED";
    check_doing = inits[i].config;
    instance = instance_of(linked, 3, &o);
    CHECK(torvyn_init(instance, str(inits[i].config), &err) == inits[i].status);
    CHECK(str_is(torvyn_error_function(err), "init") && torvyn_error_is_fatal(err));
    torvyn_error_free(err);
    CHECK((int)torvyn_instance_state(instance) == inits[i].state);
    all_refused(instance, TORVYN_ERROR_STATE, name);
    EXPECT_TEXT(TORVYN_ERROR_STATE, name, torvyn_init(instance, str(""), &err));
    if (inits[i].state == TORVYN_STATE_FAILED) OK(torvyn_teardown(instance, &err));
    else EXPECT_TEXT(TORVYN_ERROR_STATE, name, torvyn_teardown(instance, &err));
    OK(torvyn_instance_reset(instance, &err));
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
    OK(torvyn_init(instance, str(""), &err));
    emits(instance, "echo:again", "again");
    torvyn_instance_free(instance);
  }

  check_doing = "teardown";
  for (int i = 0; i < 2; i++) {
    instance = instance_of(linked, 3, &o);
    OK(torvyn_init(instance, str(i ? "loop-teardown" : "trap-teardown"), &err));
    OK(torvyn_teardown(instance, &err)); /* never stops a shutdown */
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_TORN_DOWN);
    all_refused(instance, TORVYN_ERROR_STATE, "TORN_DOWN");
    torvyn_instance_free(instance);
  }

  check_doing = "after fatal";
  instance = instance_of(linked, 3, &o);
  OK(torvyn_init(instance, str(""), &err));
  EXPECT_TEXT(TORVYN_ERROR_FATAL, "asked for fatal", torvyn_process(instance, &fatal, &out, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_FAILED);
  all_refused(instance, TORVYN_ERROR_STATE, "FAILED");
  OK(torvyn_teardown(instance, &err));
  OK(torvyn_instance_reset(instance, &err));
  torvyn_instance_free(instance);

  check_doing = "without lifecycle";
  instance = instance_of(plain, 3, NULL);
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  OK(torvyn_init(instance, str("ignored"), &err));
  OK(torvyn_init(instance, str("ignored"), &err));
  emits(instance, "a", "A");
  OK(torvyn_teardown(instance, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_TORN_DOWN);
  all_refused(instance, TORVYN_ERROR_STATE, "TORN_DOWN");
  EXPECT(TORVYN_ERROR_STATE, torvyn_init(instance, str(""), &err));
  OK(torvyn_instance_reset(instance, &err));
  emits(instance, "b", "B");
  OK(torvyn_instance_reset(instance, &err)); /* in any state */
  CHECK(stats_of(instance).resets == 2);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_linked_free(plain);
}

/* Calls of roles that the component does not have. */
static void other_roles(const torvyn_engine_t *engine) {
  torvyn_instance_t *upper = ready(engine, "upper-case", "", NULL), *sink = ready(engine, "count-sink", "", NULL);
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  torvyn_outputs_t *list = STALE;
  torvyn_ports_t ports;
  bool passes;
  size_t done;

  part("roles: those it does not have");
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:streaming/source", torvyn_pull(upper, &out, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_notify_backpressure(upper, TORVYN_SIGNAL_READY, &err));
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:streaming/sink", torvyn_push(upper, &e, NULL, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_push_batch(upper, &e, 1, NULL, &done, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_complete(upper, &err));
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:filtering/filter", torvyn_evaluate(upper, &e, &passes, &err));
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:filtering/router", torvyn_route(upper, &e, &ports, &err));
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:aggregation/aggregator", torvyn_ingest(upper, &e, &out, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_flush(upper, &list, &err));
  EXPECT_TEXT(TORVYN_ERROR_NOT_EXPORTED, "torvyn:streaming/processor", torvyn_process(sink, &e, &out, &err));
  EXPECT(TORVYN_ERROR_NOT_EXPORTED, torvyn_process_batch(sink, &e, 1, &out, &done, &err));
  CHECK(torvyn_instance_state(upper) == TORVYN_STATE_READY && stats_of(upper).refused == 9);
  emits(upper, "x", "X");
  torvyn_instance_free(upper);
  torvyn_instance_free(sink);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engines[0] = engine_on(TORVYN_PATH_DIRECT);
  engines[1] = engine_on(TORVYN_PATH_GENERAL);
  every_command();
  raw_results();
  for (int i = 0; i < 2; i++) {
    reports(engines[i]);
    states(engines[i]);
    lifecycles(engines[i]);
    other_roles(engines[i]);
    torvyn_engine_free(engines[i]);
  }
  return check_end();
}
