/* The log: which lines come, what they say, what a callback may do, and that the
 * finalizer runs once. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

#include <pthread.h>

/* What the callback heard. */
typedef struct {
  pthread_mutex_t lock;
  int lines[5], ended, busy;
  torvyn_instance_t *instance; /* called and looked at from within */
  torvyn_instance_t *reset;    /* the state of which is looked at */
  torvyn_state_t state;
  int free_it;
  uint64_t id;
  char function[32], message[512];
} heard_t;

static void hear(void *user, const torvyn_log_line_t *line) {
  heard_t *h = user;
  CHECK(pthread_mutex_lock(&h->lock) == 0);
  CHECK(line->struct_size >= sizeof *line && h->ended == 0);
  CHECK(line->level >= TORVYN_LOG_ERROR && line->level <= TORVYN_LOG_DEBUG);
  CHECK(line->message.len > 0 && memchr(line->message.data, '\n', line->message.len) == NULL);
  CHECK(line->function.len < sizeof h->function && line->message.len < sizeof h->message);
  h->lines[line->level]++;
  h->id = line->component_id ? *line->component_id : 0;
  snprintf(h->function, sizeof h->function, "%.*s", (int)line->function.len, line->function.data);
  snprintf(h->message, sizeof h->message, "%.*s", (int)line->message.len, line->message.data);
  CHECK(pthread_mutex_unlock(&h->lock) == 0);
  if (h->reset) h->state = torvyn_instance_state(h->reset);
  if (h->instance && h->free_it) {
    torvyn_instance_free(h->instance); /* further up on the stack, a call runs on it */
    h->instance = NULL;
  } else if (h->instance) {
    torvyn_element_t e = element("drop");
    torvyn_output_t out = stale_output();
    CHECK(torvyn_process(h->instance, &e, &out, NULL) == TORVYN_ERROR_BUSY && is_clear(&out));
    CHECK(torvyn_instance_reset(h->instance, NULL) == TORVYN_ERROR_BUSY);
    CHECK(torvyn_teardown(h->instance, NULL) == TORVYN_ERROR_BUSY);
    CHECK(torvyn_instance_id(h->instance) == h->id && stats_of(h->instance).calls > 0);
    h->busy++;
  }
}

static void end(void *user) { ((heard_t *)user)->ended++; }

static heard_t quiet(void) {
  heard_t h;
  memset(&h, 0, sizeof h);
  CHECK(pthread_mutex_init(&h.lock, NULL) == 0);
  return h;
}

static torvyn_engine_config_t config(torvyn_path_t path, torvyn_log_level_t level, heard_t *heard) {
  torvyn_engine_config_t c = {.struct_size = sizeof c, .path = path};
  c.log_level = level;
  c.log = hear;
  c.log_user = heard;
  c.log_finalizer = end;
  return c;
}

static int all(const heard_t *h) { return h->lines[1] + h->lines[2] + h->lines[3] + h->lines[4]; }

static void lines(torvyn_path_t path) {
  heard_t h = quiet();
  torvyn_engine_config_t c = config(path, TORVYN_LOG_DEBUG, &h);
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_linked_t *linked = linked_of(engine, "misbehave");
  torvyn_instance_t *instance = instance_of(linked, 4711, NULL);

  part("lines: what no caller is told");
  OK(torvyn_init(instance, str("trap-teardown"), &err));
  emits(instance, "echo:quiet", "quiet");
  CHECK(h.lines[TORVYN_LOG_ERROR] == 0 && h.lines[TORVYN_LOG_DEBUG] == 0); /* what goes well is no news */
  OK(torvyn_teardown(instance, &err));
  CHECK(h.lines[TORVYN_LOG_ERROR] == 1 && h.id == 4711 && !strcmp(h.function, "teardown"));
  h.reset = instance;
  OK(torvyn_instance_reset(instance, &err));
  CHECK(h.lines[TORVYN_LOG_INFO] >= 1 && h.id == 4711);
  CHECK(h.state == TORVYN_STATE_POISONED); /* until that has returned */
  h.reset = NULL;
  OK(torvyn_init(instance, str(""), &err));
  gives(instance, "trap", TORVYN_ERROR_TRAP);
  CHECK(h.lines[TORVYN_LOG_DEBUG] == 1 && h.id == 4711 && !strcmp(h.function, "process"));
  CHECK(h.lines[TORVYN_LOG_ERROR] == 1);
  torvyn_instance_free(instance);

  part("lines: what a callback may do");
  h.instance = instance = instance_of(linked, 4712, NULL);
  OK(torvyn_init(instance, str("trap-teardown"), &err));
  OK(torvyn_teardown(instance, &err));
  CHECK(h.busy >= 1 && torvyn_instance_state(instance) == TORVYN_STATE_TORN_DOWN);
  h.instance = NULL;
  torvyn_instance_free(instance);
  h.instance = instance = instance_of(linked, 4713, NULL);
  OK(torvyn_init(instance, str("trap-teardown"), &err));
  h.free_it = 1;
  OK(torvyn_teardown(instance, &err)); /* freed within; not to be used again */
  CHECK(h.instance == NULL);

  part("lines: the finalizer, when nothing is left");
  instance = instance_of(linked, 1, NULL);
  torvyn_engine_free(engine);
  torvyn_linked_free(linked);
  OK(torvyn_init(instance, str(""), &err));
  CHECK(h.ended == 0);
  torvyn_instance_free(instance);
  CHECK(h.ended == 1);
}

/* What a component wrote without the end of a line is one when there is no more of it. */
static void rest(torvyn_path_t path) {
  heard_t h = quiet();
  torvyn_engine_config_t c = config(path, TORVYN_LOG_DEFAULT, &h);
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_linked_t *linked = linked_of(engine, "wasi-raw");
  torvyn_instance_t *instance = instance_of(linked, 4714, NULL);
  torvyn_element_t e = {.sequence = 3, .timestamp_ns = 9}; /* write so many zeros */
  torvyn_output_t out;
  part("lines: what a component wrote last, without an end");
  for (int round = 0; round < 2; round++) {
    int before = all(&h);
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(instance, &e, &out, &err));
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(instance, &e, &out, &err));
    CHECK(all(&h) == before);
    if (round == 0) {
      OK(torvyn_instance_reset(instance, &err));
      CHECK(h.lines[TORVYN_LOG_INFO] == 2); /* and that it was reset */
    }
  }
  torvyn_engine_free(engine);
  torvyn_linked_free(linked);
  h.message[0] = '\0';
  torvyn_instance_free(instance); /* the last that holds the engine */
  CHECK(h.lines[TORVYN_LOG_INFO] == 3 && h.id == 4714 && h.ended == 1);
  CHECK(!strcmp(h.message, "\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}"));
}

/* A component whose names and verdict have what reverses, hides and breaks lines. */
static const char HIDES[] =
    "(component\n"
    TYPES
    "  (core module $m (@name \"m\\u{202e}\") (memory (export \"memory\") 1)\n"
    REALLOC TEARDOWN
    "    (data (i32.const 64) \"\\01\\00\\00\\00\\01\\00\\00\\00\\00\\02\\00\\00\\09\\00\\00\\00\")\n"
    "    (data (i32.const 512) \"a\\u{202e}b\\u{2028}c\")\n"
    "    (func (@name \"f\\u{2066}\\u{85}g\") (export \"init\") (param i32 i32) (result i32)\n"
    "      (if (local.get 1) (then unreachable)) i32.const 64))\n"
    "  (core instance $i (instantiate $m))\n"
    LIFE ")\n";

static void escapes(torvyn_path_t path) {
  heard_t h = quiet();
  torvyn_engine_config_t c = config(path, TORVYN_LOG_DEBUG, &h);
  torvyn_engine_t *engine = engine_with(&c);
  torvyn_linked_t *linked = linked_once(component_from(engine, HIDES), NULL);
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  torvyn_error_t *err = NULL;
  part("what does not show is escaped");
  CHECK(torvyn_init(instance, str(""), &err) == TORVYN_ERROR_UNAVAILABLE);
  CHECK(strstr(torvyn_error_message(err).data, ": a\\u{202e}b\\u{2028}c") != NULL);
  CHECK(str_is(torvyn_error_detail(err), "a\xe2\x80\xae" "b\xe2\x80\xa8" "c")); /* the component's very text */
  torvyn_error_free(err);
  OK(torvyn_instance_reset(instance, &err));
  CHECK(torvyn_init(instance, str("x"), &err) == TORVYN_ERROR_TRAP);
  CHECK(strstr(torvyn_error_frame(err, 0).data, "m\\u{202e}!f\\u{2066}\\u{85}g+") != NULL);
  CHECK(strstr(h.message, "m\\u{202e}!f\\u{2066}\\u{85}g+") != NULL);
  torvyn_error_free(err);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
}

static void levels(void) {
  static const torvyn_log_level_t wanted[] = {TORVYN_LOG_DEFAULT, TORVYN_LOG_ERROR, TORVYN_LOG_WARN, TORVYN_LOG_INFO,
                                              TORVYN_LOG_DEBUG};
  part("levels");
  for (int i = 0; i < 5; i++) {
    heard_t h = quiet();
    torvyn_engine_config_t c = config(TORVYN_PATH_AUTO, wanted[i], &h);
    torvyn_engine_t *engine = engine_with(&c);
    torvyn_instance_t *instance = ready(engine, "misbehave", "trap-teardown", NULL);
    OK(torvyn_teardown(instance, &err));
    OK(torvyn_instance_reset(instance, &err));
    OK(torvyn_init(instance, str(""), &err));
    gives(instance, "trap", TORVYN_ERROR_TRAP);
    CHECK(h.lines[TORVYN_LOG_ERROR] == 1);
    CHECK((h.lines[TORVYN_LOG_INFO] > 0) == (i == 0 || i >= 3));
    CHECK((h.lines[TORVYN_LOG_DEBUG] > 0) == (i == 4));
    torvyn_instance_free(instance);
    torvyn_engine_free(engine);
    CHECK(h.ended == 1);
  }
}

static void finalizers(void) {
  heard_t h = quiet();
  torvyn_engine_config_t c = config(TORVYN_PATH_AUTO, TORVYN_LOG_DEFAULT, &h);
  torvyn_engine_t *engine = STALE, *clone;

  part("finalizer: once, whatever comes");
  c.tick_ns = 1;
  EXPECT(TORVYN_ERROR_CONFIG, torvyn_engine_new(&c, &engine, &err));
  CHECK(h.ended == 1);
  EXPECT(TORVYN_ERROR_CONFIG, torvyn_engine_new(&c, &engine, &err));
  CHECK(h.ended == 2);
  c.tick_ns = 0;
  EXPECT(TORVYN_ERROR_NULL, torvyn_engine_new(&c, NULL, &err));
  CHECK(h.ended == 3);
  c.struct_size = 0; /* nothing is known of the rest */
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_engine_new(&c, &engine, &err));
  CHECK(h.ended == 3);
  c.struct_size = sizeof c;
  c.log = NULL;
  OK(torvyn_engine_new(&c, &engine, &err));
  CHECK(h.ended == 4);
  torvyn_engine_free(engine);
  CHECK(h.ended == 4);
  h.ended = 0;
  c.log = hear;
  OK(torvyn_engine_new(&c, &engine, &err));
  clone = torvyn_engine_clone(engine);
  torvyn_engine_free(engine);
  CHECK(h.ended == 0);
  torvyn_engine_free(clone);
  CHECK(h.ended == 1 && all(&h) == 0);
  h.ended = 0;
  c.log_finalizer = NULL;
  OK(torvyn_engine_new(&c, &engine, &err));
  torvyn_engine_free(engine);
  CHECK(h.ended == 0);
}

static torvyn_linked_t *shared;

static void *fail_often(void *unused) {
  (void)unused;
  for (unsigned i = 0; i < 200 / check_slow() + 1; i++) {
    torvyn_instance_t *instance = instance_of(shared, i, NULL);
    OK(torvyn_init(instance, str("trap-teardown"), &err));
    OK(torvyn_teardown(instance, &err));
    torvyn_instance_free(instance);
  }
  return NULL;
}

static void threads(void) {
  heard_t h = quiet();
  torvyn_engine_config_t c = config(TORVYN_PATH_AUTO, TORVYN_LOG_DEFAULT, &h);
  torvyn_engine_t *engine = engine_with(&c);
  pthread_t threads[4];
  part("lines of several threads");
  shared = linked_of(engine, "misbehave");
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, fail_often, NULL) == 0);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(h.lines[TORVYN_LOG_ERROR] == 4 * (int)(200 / check_slow() + 1));
  torvyn_linked_free(shared);
  torvyn_engine_free(engine);
  CHECK(h.ended == 1);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  lines(TORVYN_PATH_DIRECT);
  lines(TORVYN_PATH_GENERAL);
  rest(TORVYN_PATH_DIRECT);
  rest(TORVYN_PATH_GENERAL);
  escapes(TORVYN_PATH_DIRECT);
  escapes(TORVYN_PATH_GENERAL);
  levels();
  finalizers();
  threads();
  return check_end();
}
