/* Threads: instances side by side, cancels that disturb no sibling, counters read
 * while calls run, outputs released elsewhere, handles shared and freed. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { THREADS = 4 };

static torvyn_engine_t *engine;
static torvyn_linked_t *upper, *misbehave;

static unsigned rounds(unsigned usual) { return usual / check_slow() + 1; }

static uint32_t chance(uint64_t *seed, uint32_t below) {
  *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
  return (uint32_t)(*seed >> 33) % below;
}

/* Numbers that several threads use. */
static int get(int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
static int add(int *at, int value) { return __atomic_add_fetch(at, value, __ATOMIC_SEQ_CST); }

static void on_threads(int count, void *(*run)(void *), void *arguments, size_t size) {
  pthread_t threads[2 * THREADS];
  CHECK(count <= 2 * THREADS);
  for (int i = 0; i < count; i++)
    CHECK(pthread_create(&threads[i], NULL, run, (char *)arguments + (size_t)i * size) == 0);
  for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* ---- instances side by side -------------------------------------------------- */

static void *process_many(void *at) {
  int me = *(int *)at;
  torvyn_instance_t *instance = instance_of(upper, (uint64_t)me, NULL);
  char text[64], wanted[64];
  for (unsigned i = 0; i < rounds(3000); i++) {
    snprintf(text, sizeof text, "thread %d element %u", me, i);
    snprintf(wanted, sizeof wanted, "THREAD %d ELEMENT %u", me, i);
    emits(instance, text, wanted);
    if (i % 500 == 499) OK(torvyn_instance_reset(instance, &err));
  }
  CHECK(stats_of(instance).calls == rounds(3000) && torvyn_instance_id(instance) == (uint64_t)me);
  torvyn_instance_free(instance);
  return NULL;
}

static void side_by_side(void) {
  int numbers[THREADS];
  part("instances side by side");
  for (int i = 0; i < THREADS; i++) numbers[i] = i + 1;
  on_threads(THREADS, process_many, numbers, sizeof *numbers);
}

/* ---- one instance, many threads ----------------------------------------------- */

static torvyn_instance_t *shared;
static int done, refused;

static void *compete(void *at) {
  torvyn_element_t e = element("spin:2000");
  torvyn_output_t out;
  (void)at;
  for (unsigned i = 0; i < rounds(2000); i++) {
    int status = torvyn_process(shared, &e, &out, NULL);
    if (status == TORVYN_OK) {
      CHECK(bytes_are(out.bytes, "spun"));
      add(&done, 1);
    } else {
      CHECK(status == TORVYN_ERROR_BUSY && is_clear(&out));
      add(&refused, 1);
    }
    torvyn_output_release(&out);
  }
  return NULL;
}

static void one_instance(void) {
  torvyn_stats_t stats;
  part("one instance, many threads: one call at a time");
  shared = instance_of(misbehave, 1, NULL);
  OK(torvyn_init(shared, str(""), &err));
  on_threads(THREADS, compete, &done, 0);
  stats = stats_of(shared);
  CHECK(done > 0 && done + refused == (int)(THREADS * rounds(2000)));
  CHECK(stats.calls == 1u + (unsigned)done && stats.elements_in == (unsigned)done && stats.elements_out == (unsigned)done);
  CHECK(torvyn_instance_state(shared) == TORVYN_STATE_READY);
  printf("    %d done, %d refused\n", done, refused);
  torvyn_instance_free(shared);
}

/* ---- random cancels ----------------------------------------------------------- */

enum { INSTANCES = 1000 };

/* An even one is never cancelled, an odd one at random. */
static struct {
  torvyn_instance_t *instance;
  torvyn_cancel_t *cancel;
  int cancels, cancelled;
} crowd[INSTANCES];
static int running;
static int at_work[2]; /* what each of the two threads is at */

static void *work(void *at) {
  int half = *(int *)at;
  uint64_t seed = 1234567u + (uint64_t)half * 77777u;
  torvyn_output_t out;
  for (unsigned i = 0; i < rounds(30000); i++) {
    uint32_t k = chance(&seed, INSTANCES / 2) + (uint32_t)half * (INSTANCES / 2);
    torvyn_instance_t *instance = crowd[k].instance;
    torvyn_element_t e = element(i % 64 ? "echo:text" : "spin:3000000");
    int status;
    set(&at_work[half], (int)k);
    status = torvyn_process(instance, &e, &out, NULL);
    if (status == TORVYN_OK) {
      CHECK(bytes_are(out.bytes, i % 64 ? "text" : "spun"));
    } else {
      CHECK(status == TORVYN_ERROR_CANCELLED && is_clear(&out));
      CHECK(k % 2 == 1); /* no sibling is disturbed */
      CHECK(++crowd[k].cancelled <= get(&crowd[k].cancels));
      if (torvyn_instance_state(instance) != TORVYN_STATE_READY) {
        CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
        /* A cancel that comes now stops the reset or the init. */
        do {
          status = torvyn_instance_reset(instance, NULL);
          if (status == TORVYN_OK) status = torvyn_init(instance, str(""), NULL);
          CHECK(status == TORVYN_OK || status == TORVYN_ERROR_CANCELLED);
          crowd[k].cancelled += status != TORVYN_OK;
        } while (status != TORVYN_OK);
      }
    }
    torvyn_output_release(&out);
  }
  add(&running, -1);
  return NULL;
}

static void *cancel_some(void *at) {
  uint64_t seed = 987654321;
  (void)at;
  while (get(&running) > 0) {
    for (int i = 0; i < 20; i++) {
      uint32_t k = chance(&seed, INSTANCES / 2) * 2 + 1;
      if (i < 2) k = (uint32_t)get(&at_work[i]) | 1;
      add(&crowd[k].cancels, 1);
      torvyn_cancel(crowd[k].cancel);
    }
    sleep_ms(1);
  }
  return NULL;
}

static void cancels(void) {
  /* So many instances take little address space each. */
  torvyn_engine_config_t config = {.struct_size = sizeof config, .memory_reservation = 1};
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = UINT64_MAX};
  torvyn_engine_t *small = engine_with(&config);
  torvyn_linked_t *linked = linked_of(small, "misbehave");
  int halves[2] = {0, 1};
  uint64_t stopped = 0;
  pthread_t canceller;

  part("1000 instances on two threads, random cancels");
  for (int i = 0; i < INSTANCES; i++) {
    crowd[i].instance = instance_of(linked, (uint64_t)i, &options);
    crowd[i].cancel = torvyn_instance_cancel_handle(crowd[i].instance);
    OK(torvyn_init(crowd[i].instance, str(""), &err));
  }
  set(&running, 2);
  CHECK(pthread_create(&canceller, NULL, cancel_some, NULL) == 0);
  on_threads(2, work, halves, sizeof *halves);
  CHECK(pthread_join(canceller, NULL) == 0);
  for (int i = 0; i < INSTANCES; i++) {
    torvyn_stats_t s = stats_of(crowd[i].instance);
    CHECK(i % 2 == 1 || (s.cancels == 0 && s.stopped == 0 && s.refused == 0 && s.resets == 0));
    CHECK(s.traps == 0 && s.deadlines == 0 && s.memory_limits == 0);
    stopped += s.stopped;
    /* Works the next time: at most one cancel is still to be taken. */
    torvyn_element_t e = element("drop");
    torvyn_output_t out;
    int status = torvyn_process(crowd[i].instance, &e, &out, NULL);
    CHECK(status == TORVYN_NOTHING_EMITTED || (i % 2 == 1 && status == TORVYN_ERROR_CANCELLED));
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_process(crowd[i].instance, &e, &out, &err));
    torvyn_instance_free(crowd[i].instance);
    torvyn_cancel(crowd[i].cancel);
    torvyn_cancel_free(crowd[i].cancel);
  }
  printf("    %" PRIu64 " calls stopped as they ran\n", stopped);
  CHECK(stopped > 0);
  torvyn_linked_free(linked);
  torvyn_engine_free(small);
}

/* ---- counters while a call runs ------------------------------------------------ */

static void *watch(void *at) {
  torvyn_stats_t before, now;
  unsigned looked = 0;
  (void)at;
  before = stats_of(shared);
  while (get(&running)) {
    torvyn_cancel_t *cancel = torvyn_instance_cancel_handle(shared);
    torvyn_cancel_free(cancel);
    now = stats_of(shared);
    CHECK(now.calls >= before.calls && now.elements_in >= before.elements_in && now.bytes_in >= before.bytes_in);
    CHECK(now.elements_out >= before.elements_out && now.bytes_out >= before.bytes_out);
    CHECK(now.calls <= before.calls + 10000000 && now.buffer_bytes_peak >= before.buffer_bytes_peak);
    CHECK(torvyn_instance_state(shared) == TORVYN_STATE_READY && torvyn_instance_id(shared) == 3);
    before = now;
    looked++;
  }
  CHECK(looked > 0);
  return NULL;
}

static void *produce(void *at) {
  (void)at;
  for (unsigned i = 0; i < rounds(20000); i++) emits(shared, "echo:counted", "counted");
  emits(shared, "spin:20000000", "spun");
  set(&running, 0);
  return NULL;
}

static void *watch_or_produce(void *at) { return *(int *)at ? watch(at) : produce(at); }

static void counters(void) {
  int numbers[3] = {0, 1, 1};
  part("counters read while calls run");
  shared = instance_of(misbehave, 3, NULL);
  OK(torvyn_init(shared, str(""), &err));
  set(&running, 1);
  on_threads(3, watch_or_produce, numbers, sizeof *numbers);
  CHECK(stats_of(shared).elements_out == rounds(20000) + 1);
  torvyn_instance_free(shared);
}

/* ---- outputs released elsewhere ------------------------------------------------- */

enum { SLOTS = 64 };
static torvyn_output_t queue[SLOTS];
static int head, tail;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

static void *consume_or_produce(void *at) {
  int consumer = *(int *)at, many = (int)rounds(8000);
  torvyn_instance_t *instance = consumer ? NULL : instance_of(upper, 1, NULL);
  char *large = malloc(100000);
  memset(large, 'x', 100000);
  for (int i = 0; i < many; i++) {
    torvyn_output_t out;
    size_t len = i % 50 ? 10u + (unsigned)(i % 5000) : 100000u;
    if (!consumer) {
      torvyn_element_t e = {.sequence = (uint64_t)i, .payload = {(uint8_t *)large, len}};
      OK(torvyn_process(instance, &e, &out, &err));
    }
    CHECK(pthread_mutex_lock(&lock) == 0);
    while (consumer ? head == tail : tail - head == SLOTS) pthread_cond_wait(&moved, &lock);
    if (consumer) out = queue[head++ % SLOTS];
    else queue[tail++ % SLOTS] = out;
    pthread_cond_broadcast(&moved);
    CHECK(pthread_mutex_unlock(&lock) == 0);
    if (consumer) {
      CHECK(out.sequence == (uint64_t)i && out.bytes.len == len);
      CHECK(out.bytes.data[0] == 'X' && out.bytes.data[len - 1] == 'X');
      torvyn_output_release(&out);
    }
  }
  free(large);
  torvyn_instance_free(instance);
  return NULL;
}

static void elsewhere(void) {
  int numbers[2] = {0, 1};
  part("outputs released on another thread");
  on_threads(2, consume_or_produce, numbers, sizeof *numbers);
  CHECK(head == tail);
}

/* ---- handles shared and freed ---------------------------------------------------- */

static torvyn_component_t *to_share;

static void *own_references(void *at) {
  torvyn_engine_t *e = torvyn_engine_clone(engine);
  torvyn_component_t *c = torvyn_component_clone(to_share);
  torvyn_linked_t *l = torvyn_linked_clone(upper);
  (void)at;
  for (unsigned i = 0; i < rounds(60); i++) {
    torvyn_linked_t *mine = NULL;
    torvyn_imports_t *imports = NULL;
    torvyn_instance_t *a = instance_of(l, 1, NULL), *b;
    OK(torvyn_imports_new(e, &imports, &err));
    OK(torvyn_linked_new(c, imports, &mine, &err));
    torvyn_imports_free(imports);
    b = instance_of(mine, 2, NULL);
    torvyn_linked_free(mine);
    emits(a, "a", "A");
    emits(b, "b", "B");
    torvyn_instance_free(a);
    torvyn_instance_free(b);
    if (i % 20 == 0) torvyn_component_free(component_of(e, "raw-result")); /* several compile at once */
  }
  torvyn_linked_free(l);
  torvyn_component_free(c);
  torvyn_engine_free(e);
  return NULL;
}

static void handles(void) {
  part("engine, component and linked used and freed at once");
  to_share = component_of(engine, "upper-case");
  on_threads(THREADS, own_references, engine, 0);
  torvyn_component_free(to_share);
}

/* The last references go on several threads at the same time. */
static void *let_go(void *at) {
  torvyn_instance_t *instance = *(torvyn_instance_t **)at;
  emits(instance, "last", "LAST");
  torvyn_instance_free(instance);
  return NULL;
}

static void last_references(void) {
  part("the last references");
  for (unsigned i = 0; i < rounds(15); i++) {
    torvyn_engine_t *e = engine_with(NULL);
    torvyn_linked_t *l = linked_of(e, "upper-case");
    torvyn_instance_t *instances[THREADS];
    for (int k = 0; k < THREADS; k++) instances[k] = instance_of(l, 1, NULL);
    torvyn_engine_free(e);
    torvyn_linked_free(l);
    on_threads(THREADS, let_go, instances, sizeof *instances);
  }
}

/* An instance is freed on one thread as its call ends on another: it has ended when both have returned. */
static int in_call, gone;

static torvyn_status_t enter(void *user, void *state, torvyn_native_call_t *call, const torvyn_element_t *e) {
  (void)user, (void)state, (void)call, (void)e;
  set(&in_call, 1);
  return TORVYN_NOTHING_EMITTED;
}

static torvyn_status_t come(void *user, uint64_t id, void **state) {
  (void)user, (void)id;
  *state = NULL;
  return TORVYN_OK;
}

static void go(void *user, void *state) {
  (void)user, (void)state;
  add(&gone, 1);
}

static void *call_once(void *at) {
  torvyn_element_t e = element("x");
  torvyn_output_t out;
  int status = torvyn_process(at, &e, &out, NULL);
  CHECK(status == TORVYN_NOTHING_EMITTED);
  return NULL;
}

static void freed_as_it_ends(void) {
  torvyn_native_t table = {.struct_size = sizeof table, .process = enter, .instance_new = come, .instance_free = go};
  torvyn_component_t *component = NULL;
  torvyn_linked_t *linked = NULL;

  part("an instance freed as its call ends");
  OK(torvyn_component_native(engine, &table, &component, &err));
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  for (unsigned i = 0; i < rounds(4000); i++) {
    torvyn_instance_t *instance = instance_of(linked, 1, NULL);
    pthread_t thread;
    set(&in_call, 0);
    set(&gone, 0);
    CHECK(pthread_create(&thread, NULL, call_once, instance) == 0);
    while (!get(&in_call)) {
    }
    for (volatile unsigned wait = 0; wait < i % 60; wait++) {
    }
    torvyn_instance_free(instance);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(get(&gone) == 1);
  }
  torvyn_component_free(component);
  torvyn_linked_free(linked);
}

/* An instance goes from thread to thread. */
static void *pass_on(void *at) {
  int me = *(int *)at;
  for (unsigned i = 0; i < rounds(200); i++) {
    CHECK(pthread_mutex_lock(&lock) == 0);
    while (head % THREADS != me) pthread_cond_wait(&moved, &lock);
    emits(shared, "moves", "MOVES");
    head++;
    pthread_cond_broadcast(&moved);
    CHECK(pthread_mutex_unlock(&lock) == 0);
  }
  return NULL;
}

static void moves(void) {
  int numbers[THREADS];
  part("an instance moves between threads");
  for (int i = 0; i < THREADS; i++) numbers[i] = i;
  head = 0;
  shared = instance_of(upper, 1, NULL);
  on_threads(THREADS, pass_on, numbers, sizeof *numbers);
  CHECK(stats_of(shared).calls == THREADS * rounds(200));
  torvyn_instance_free(shared);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_with(NULL);
  upper = linked_of(engine, "upper-case");
  misbehave = linked_of(engine, "misbehave");
  side_by_side();
  one_instance();
  cancels();
  counters();
  elsewhere();
  handles();
  last_references();
  freed_as_it_ends();
  moves();
  torvyn_linked_free(upper);
  torvyn_linked_free(misbehave);
  torvyn_engine_free(engine);
  return check_end();
}
