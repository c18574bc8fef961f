/* What is there, as the program knows it from the header: engines and what was made of them, what
 * state each instance is in, what it counted, what its component remembers; and which of it may end. */
#ifndef TORVYN_SIMULATION_MODEL_H
#define TORVYN_SIMULATION_MODEL_H

#include "injected.h"

#define TICK (10 * MS)           /* of engines that the program ticks */
#define LONG (UINT64_C(3600000) * MS) /* the timeout where the library ticks: an hour */

/* Finalizers that are owed, and those that ran. In the child of a fork some wait for what is left as it
 * is there: see Fork at the head of torvyn.h. */
static struct {
  unsigned owed, ran;
} finalizers;

/* ---- engines ------------------------------------------------------------------------------ */

/* Artifacts are of one engine's like another's of the same variant. */
typedef struct {
  torvyn_switch_t fuel, explicit_traps;
  uint64_t reservation;
  unsigned pool;
} variant_t;

static const variant_t variants[] = {
    {.fuel = TORVYN_OFF},
    {.fuel = TORVYN_ON},
    {.fuel = TORVYN_ON, .explicit_traps = TORVYN_ON, .reservation = 1},
    {.fuel = TORVYN_OFF, .reservation = 1},
    {.fuel = TORVYN_ON, .pool = 5},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

typedef struct {
  torvyn_engine_t *handle; /* NULL once it is freed */
  int variant, host_ticks;
  torvyn_path_t path;
  uint64_t timeout_ticks, ticks;
  int holders, cancels; /* what was made of it and is not freed; handles that cancel calls of it */
  int calls, inside;    /* of its instances, that run, and callbacks within them */
  int in_pool, lost;    /* slots that are taken, and those that are left to a parent */
  int logs, ended;      /* the finalizer of its log */
  int kept;             /* which never runs in this process */
} engine_t;

static int counts_fuel(const engine_t *engine) { return variants[engine->variant].fuel == TORVYN_ON; }

/* Between two calls of the library's. A handle that cancels may hold the engine, or not. */
static void check_log(const engine_t *engine) {
  if (!engine->logs) return;
  if (engine->handle || engine->holders || engine->kept) CHECK(!engine->ended);
  else if (!engine->cancels && !engine->calls) CHECK(engine->ended == 1);
}

static void engine_finalizer(void *at) {
  engine_t *engine = at;
  refuse_no_more();
  CHECK(!engine->handle && engine->holders == 0 && engine->inside == 0 && engine->ended == 0);
  engine->ended = 1;
  finalizers.ran++;
}

/* ---- what callbacks are given ---------------------------------------------------------------- */

/* The `user` of a native component or of a host function. */
typedef struct {
  engine_t *engine;
  int holders; /* handles that may call back */
  int calls, inside; /* of the instances, that run, and callbacks within them */
  int ended, kept;
} user_t;

static void check_user(const user_t *user) {
  if (!user) return;
  if (user->holders || user->kept) CHECK(!user->ended);
  else if (!user->calls) CHECK(user->ended == 1);
}

static void user_finalizer(void *at) {
  user_t *user = at;
  refuse_no_more();
  CHECK(user->holders == 0 && user->inside == 0 && user->ended == 0);
  user->ended = 1;
  finalizers.ran++;
}

/* ---- components --------------------------------------------------------------------------------- */

typedef enum { UPPER, MISBEHAVE, SOURCE, SINK, FILTER, ROUTER, JOINER, STATUSES, IMPORTER, STDIO, SHOP, NATIVE, KINDS } kind_t;

static const struct {
  const char *guest;
  uint32_t roles;
} kinds[KINDS] = {
    {"upper-case", TORVYN_ROLE_PROCESSOR},
    {"misbehave", TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE},
    {"line-source", TORVYN_ROLE_SOURCE | TORVYN_ROLE_LIFECYCLE},
    {"count-sink", TORVYN_ROLE_SINK | TORVYN_ROLE_LIFECYCLE},
    {"even-filter", TORVYN_ROLE_FILTER | TORVYN_ROLE_LIFECYCLE},
    {"port-router", TORVYN_ROLE_ROUTER | TORVYN_ROLE_LIFECYCLE},
    {"batch-aggregator", TORVYN_ROLE_AGGREGATOR | TORVYN_ROLE_LIFECYCLE},
    {"status-count", TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE},
    {"importer", TORVYN_ROLE_PROCESSOR},
    {"wasi-stdio", TORVYN_ROLE_PROCESSOR},
    {"shop", TORVYN_ROLE_LIFECYCLE},
    {"native", 127},
};

typedef struct {
  torvyn_component_t *handle;
  engine_t *engine;
  user_t *user; /* of a native one */
  kind_t kind;
  int borrowed; /* by calls that run */
} component_t;

typedef struct {
  torvyn_linked_t *handle;
  engine_t *engine;
  user_t *user;
  kind_t kind;
  int borrowed;
} linked_t;

/* ---- instances --------------------------------------------------------------------------------------- */

/* What a component remembers; all zero when it is made. */
typedef struct {
  uint64_t seen;            /* elements */
  char text[256];           /* the configuration */
  unsigned at;              /* how much of it was given */
  int paused, completed;
  uint64_t bytes;
  unsigned every;           /* a sink pauses, an aggregator is full */
  int split;
  struct {
    char bytes[64];
    size_t len;
    uint64_t sequence, timestamp_ns;
  } held[8];
  unsigned count;
  unsigned statuses[8];
  unsigned buffers;         /* that it never gives back */
  int spoilt;               /* its teardown traps */
} memory_t;

struct plan;

typedef struct instance {
  torvyn_instance_t *handle; /* NULL once it is freed */
  uint64_t id;
  engine_t *engine;
  user_t *user;
  kind_t kind;
  uint32_t roles;
  torvyn_state_t state;
  int busy;      /* a call or a reset runs */
  int cancelled; /* the next call is to stop */
  int reset_cancelled; /* that came while a reset ran */
  int unsure;    /* something was refused: what the component remembers is not known */
  int no_store;  /* the latest reset failed */
  int of_parent; /* it waits with the threads of the process that this one is a child of */
  int timed;
  int bytes_unsure; /* a call ended in between */
  int slot;      /* it has one of the pool's */
  int made;      /* native: states that were made and not freed */
  int managed;   /* the program sets the fuel */
  int things;    /* of the program's resources, that its component has */
  uint64_t timeout_ticks;
  uint64_t budget, fuel; /* what a call begins with by the options, and what is left */
  uint64_t memory_limit;
  int grows;     /* at its limit growth is refused, and the call goes on */
  torvyn_stats_t stats;
  memory_t memory;
  struct plan *plan; /* of the call that runs */
} instance_t;

/* Whether the library's own clock says when a guest that has callbacks is stopped: before it ends by
 * itself, or not. What makes the difference does not happen then, so that a seed's run is one. */
static int is_racy(const instance_t *i) { return !i->engine->host_ticks && i->kind >= IMPORTER && i->kind != NATIVE; }

static int clocked; /* calls whose deadlines are the library's to tell */

/* Calls and resets that run, in the order in which they began. */
static struct {
  instance_t *i;
  int thread;
} running[8 * THREADS];
static int running_count;

/* A call or a reset of it begins, and has ended: until then an instance that is freed holds what it did. */
static void busy_begins(instance_t *i) {
  i->busy = 1;
  i->engine->calls++;
  CHECK(running_count < 8 * THREADS);
  running[running_count].i = i, running[running_count++].thread = me;
  clocked += !i->engine->host_ticks;
  if (i->user) i->user->calls++;
}

static void busy_ends(instance_t *i) {
  int n = running_count - 1;
  while (running[n].i != i) n--;
  CHECK(running[n].thread == me);
  memmove(&running[n], &running[n + 1], (size_t)(--running_count - n) * sizeof *running);
  i->busy = 0;
  i->plan = NULL;
  i->engine->calls--;
  clocked -= !i->engine->host_ticks;
  if (i->user) i->user->calls--;
}

/* Something that holds these is not ended in this process. */
static void keep(engine_t *engine, user_t *user) {
  if (engine->logs && !engine->kept) finalizers.owed--;
  engine->kept = 1;
  if (user && !user->kept) finalizers.owed--;
  if (user) user->kept = 1;
}

/* An instance that waits in WASI with a parent's threads is left as it is. */
static void leave_to_parent(instance_t *i) {
  if (!i->of_parent) return;
  keep(i->engine, i->user);
  i->engine->lost += i->slot;
  i->of_parent = 0;
}

/* ---- the tables ------------------------------------------------------------------------------------------ */

enum { ENGINES = 3, COMPONENTS = 8, LINKED = 8, INSTANCES = 10, CANCELS = 6, OUTPUTS = 12 };

typedef struct {
  torvyn_cancel_t *handle;
  instance_t *of;
} cancel_t;

/* An output that is kept: what it must still hold. */
typedef struct {
  torvyn_output_t output;
  uint64_t sum;
} kept_t;

static struct {
  engine_t *engines[ENGINES];
  component_t components[COMPONENTS];
  linked_t linked[LINKED];
  instance_t *instances[INSTANCES];
  cancel_t cancels[CANCELS];
  kept_t kept[OUTPUTS];
  uint64_t ids;
  char artifacts[64]; /* the folder */
} world;

/* Memory of the model's, for as long as the process lives: little, and never moved. */
static void *forever(size_t size) {
  static struct all {
    struct all *next;
  } *all; /* so that nothing is lost of it */
  struct all *at = calloc(1, sizeof *at + size + 16);
  CHECK(at != NULL);
  at->next = all;
  all = at;
  return (char *)at + 16;
}

static uint64_t sum_of(const void *bytes, size_t len) {
  uint64_t sum = 14695981039346656037U;
  for (size_t i = 0; i < len; i++) sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
  return sum;
}

/* ---- what is checked after every call --------------------------------------------------------------------- */

static int is_misuse(int status) { return status < 0 && status > -100; }
static int is_verdict(int status) { return status <= -200; }

/* Statuses that stop a component; INTERNAL only of a native one whose answer was none. */
static int is_stop(int status) { return status < -111 && status > -121; }

/* Reads the error that came with a status, and frees it. `i` may be freed by now; `ended` says whether the
 * failure ended it, and is negative where that is not known. */
static void check_error(int status, torvyn_error_t *err, const instance_t *i, const char *function, int ended) {
  uint64_t id = 7;
  int retry = status == TORVYN_ERROR_BUSY ||
              ((status == TORVYN_ERROR_UNAVAILABLE || status == TORVYN_ERROR_DEADLINE_EXCEEDED) && !ended);
  CHECK(status != TORVYN_ERROR_PANIC);
  CHECK(strcmp(torvyn_status_name(status), "TORVYN_UNKNOWN") != 0);
  CHECK((status < 0) == (err != NULL) && err != STALE);
  if (!err) return;
  snprintf(record->said, sizeof record->said, "%s", torvyn_error_message(err).data);
  CHECK((int)torvyn_error_status(err) == status && torvyn_error_message(err).len > 0);
  CHECK(torvyn_error_component_id(err, &id) ? i && id == i->id : id == 0);
  if (function && !is_misuse(status)) CHECK(id == i->id && str_is(torvyn_error_function(err), function));
  if (ended >= 0) CHECK(torvyn_error_is_fatal(err) == (ended != 0) && torvyn_error_is_retryable(err) == retry);
  CHECK((torvyn_error_trap(err) != TORVYN_TRAP_NONE) == (status == TORVYN_ERROR_TRAP));
  torvyn_error_free(err);
}

/* The counters, where no call runs: the model's and the library's. */
#define COUNTERS(X)                                                                                              \
  X(calls) X(stopped) X(guest_errors) X(refused) X(traps) X(out_of_fuel) X(deadlines) X(cancels)                  \
  X(memory_limits) X(elements_in) X(elements_out) X(resets)

static void check_counters(instance_t *i) {
  torvyn_stats_t got = {.struct_size = sizeof got};
  CHECK(torvyn_instance_stats(i->handle, &got, NULL) == TORVYN_OK);
  CHECK(torvyn_instance_state(i->handle) == i->state);
#define SAME(name)                                                                                               \
  if (got.name != i->stats.name) {                                                                               \
    note("instance %" PRIu64 ": " #name " is %" PRIu64 ", not %" PRIu64, i->id, got.name, i->stats.name);         \
    CHECK(!"a counter is what the calls came to");                                                               \
  }
  COUNTERS(SAME)
  CHECK(got.buffer_bytes <= got.buffer_bytes_peak);
  if (i->bytes_unsure) i->stats.bytes_in = got.bytes_in, i->stats.bytes_out = got.bytes_out, i->bytes_unsure = 0;
  if (i->kind == UPPER) {
    SAME(bytes_in)
    SAME(bytes_out)
  }
  if (i->kind == NATIVE) CHECK(got.bytes_in == 0 && got.linear_bytes == 0 && got.fuel_used == 0);
}

/* While a call runs none is less than it was. */
static void check_counters_within(const instance_t *i) {
  torvyn_stats_t got = {.struct_size = sizeof got};
  CHECK(torvyn_instance_stats(i->handle, &got, NULL) == TORVYN_OK);
#define NO_LESS(name) CHECK(got.name >= i->stats.name);
  COUNTERS(NO_LESS)
}

#endif /* TORVYN_SIMULATION_MODEL_H */
