/* What is asked of an instance, and what must come of it: for each guest what its source says, for the
 * native component and the host function what was planned for them. */
#ifndef TORVYN_SIMULATION_STAGES_H
#define TORVYN_SIMULATION_STAGES_H

#include "model.h"

typedef enum { INIT, TEARDOWN, PULL, NOTIFY, PROCESS, PUSH, COMPLETE, EVALUATE, ROUTE, INGEST, FLUSH, TAKE, KEEP, GIVE, FUNCTIONS } function_t;

static const struct {
  const char *name;
  uint32_t role;
  int element;
} functions[FUNCTIONS] = {
    {"init", 0, 0},
    {"teardown", 0, 0},
    {"pull", TORVYN_ROLE_SOURCE, 0},
    {"notify-backpressure", TORVYN_ROLE_SOURCE, 0},
    {"process", TORVYN_ROLE_PROCESSOR, 1},
    {"push", TORVYN_ROLE_SINK, 1},
    {"complete", TORVYN_ROLE_SINK, 0},
    {"evaluate", TORVYN_ROLE_FILTER, 1},
    {"route", TORVYN_ROLE_ROUTER, 1},
    {"ingest", TORVYN_ROLE_AGGREGATOR, 1},
    {"flush", TORVYN_ROLE_AGGREGATOR, 0},
    {"take", 0, 0}, /* of things.h */
    {"keep", 0, 0},
    {"give", 0, 0},
};

/* One call, or one element of a batch. */
typedef struct plan {
  instance_t *i;
  function_t function;
  /* What goes in. */
  char config[256];
  char *payload; /* freed with the plan */
  kept_t lent;   /* an output that is fed to it instead: where the payload lies */
  char type[32];
  torvyn_flow_t flow;
  torvyn_element_t element;
  torvyn_signal_t told;
  int bad; /* what is wrong with the element: a misuse, or 0 */
  /* What comes out where nothing comes between. */
  int status;
  const char *text; /* of a verdict, or NULL */
  char *bytes;      /* of the output, freed with the plan; NULL where they are not known */
  size_t len;
  uint64_t sequence, timestamp_ns;
  torvyn_signal_t answer;
  bool passes;
  const char *ports[4];
  unsigned count; /* of ports, or of outputs */
  memory_t after;
  /* What came between. */
  int endless;      /* it ends by its budget alone */
  int ran;          /* a callback did */
  int cancelled;    /* within the call, by now */
  int stop, was_cancelled; /* what the callback was told when it returned, and what was so */
  uint64_t began, limit; /* ticks */
  int64_t began_ns;      /* what the clock was ahead then */
  int refused;      /* a kind of refusal may have come in */
  int of_parent;    /* as the instance was when the call began */
  int forked;       /* the process is a child of the one that began it */
  uint32_t thing;   /* that was made for it */
  const char *prints; /* what it writes to its standard output, and how much it has */
  size_t printed;
  unsigned fails;   /* a teardown, which goes to the log alone */
  int unsure;       /* or not: the fuel may not have done, and it was freed meanwhile */
} plan_t;

/* A component's callback begins. */
static void begins(plan_t *p) {
  p->ran = 1;
  p->began = p->i->engine->ticks;
  p->began_ns = monotonic_ahead;
}

/* Whether it may be past its deadline. */
static int is_late(const plan_t *p) {
  return p->i->engine->host_ticks ? p->i->engine->ticks - p->began >= p->limit
                                  : monotonic_ahead - p->began_ns >= (int64_t)(LONG / 2);
}

/* Checks and releases an output that is kept. */
static void release(kept_t *kept) {
  torvyn_output_t *o = &kept->output;
  if (o->payload) {
    torvyn_bytes_t bytes = torvyn_buffer_bytes(o->payload);
    CHECK(bytes.data == o->bytes.data && bytes.len == o->bytes.len);
    CHECK(torvyn_buffer_size(o->payload) == bytes.len && sum_of(bytes.data, bytes.len) == kept->sum);
  }
  torvyn_output_release(o);
  CHECK(is_clear(o));
}

static void plan_free(plan_t *p) {
  if (p->lent.output.payload) release(&p->lent);
  free(p->payload);
  free(p->bytes);
}

/* ---- payloads -------------------------------------------------------------------------------- */

static void payload_of(plan_t *p, const char *bytes, size_t len) {
  p->payload = malloc(len + 1);
  CHECK(p->payload != NULL);
  memcpy(p->payload, bytes, len);
  p->payload[len] = '\0';
  p->element.payload.data = (const uint8_t *)p->payload;
  p->element.payload.len = len;
}

static void payload_text(plan_t *p, const char *text) { payload_of(p, text, strlen(text)); }

static void emits_bytes(plan_t *p, const char *bytes, size_t len) {
  p->status = TORVYN_OK;
  p->bytes = malloc(len + 1);
  CHECK(p->bytes != NULL);
  memcpy(p->bytes, bytes, len);
  p->len = len;
}

static void emits_text(plan_t *p, const char *text) { emits_bytes(p, text, strlen(text)); }

static size_t some_length(const instance_t *i) {
  int small = counts_fuel(i->engine) || (i->kind != NATIVE && i->memory_limit == MIB);
  switch (pick(20)) {
  case 0: return 0;
  case 1: return 4096 - 1 + pick(3);
  case 2: return pick(70000);
  case 3: return small ? 1 : 65536 - 1 + pick(3);
  case 4: return small || !once_in(8) ? 2 : (1 << 20) + pick(2);
  case 5: case 6: case 7: return pick(5000);
  default: return pick(64);
  }
}

static void some_letters(plan_t *p) {
  size_t len = some_length(p->i);
  uint64_t mix = random_next();
  kept_t *kept = &world.kept[pick(OUTPUTS)];
  if (kept->output.payload && kept->output.bytes.len <= 5000 && p->i->kind != FILTER && once_in(2)) {
    p->lent = *kept;
    memset(kept, 0, sizeof *kept);
    payload_of(p, (const char *)p->lent.output.bytes.data, p->lent.output.bytes.len); /* a text, for the model */
    p->element.payload = p->lent.output.bytes;
    return;
  }
  p->payload = malloc(len + 1);
  CHECK(p->payload != NULL);
  for (size_t n = 0; n < len; n++) p->payload[n] = "abcdefghijklmnopqrstuvwxyzABCD 01"[(mix >> n % 48) % 33];
  p->payload[len] = '\0';
  p->element.payload.data = (const uint8_t *)p->payload;
  p->element.payload.len = len;
}

/* Of things.h. */
static void plan_thing(plan_t *p);

static void verdict(plan_t *p, int status, const char *text) { p->status = status, p->text = text; }

/* ---- the guests ---------------------------------------------------------------------------------- */

static void plan_upper(plan_t *p) {
  some_letters(p);
  emits_bytes(p, p->payload, p->element.payload.len);
  for (size_t n = 0; n < p->len; n++)
    if (p->bytes[n] >= 'a' && p->bytes[n] <= 'z') p->bytes[n] = (char)(p->bytes[n] - 32);
}

static void plan_misbehave(plan_t *p, unsigned spared) {
  static const struct {
    const char *command;
    int status;
    const char *text; /* of the output or the verdict */
  } commands[] = {
      {"echo:", TORVYN_OK, ""}, {"echo:a text", TORVYN_OK, "a text"}, {"no command", TORVYN_OK, "no command"},
      {"drop", TORVYN_NOTHING_EMITTED, NULL}, {"spin:1000", TORVYN_OK, "spun"}, {"calls", TORVYN_OK, NULL},
      {"meta", TORVYN_OK, NULL}, {"hold", TORVYN_NOTHING_EMITTED, NULL}, {"hold-frozen", TORVYN_OK, "held"},
      {"invalid", TORVYN_ERROR_INVALID_INPUT, "asked for invalid-input"},
      {"unavailable", TORVYN_ERROR_UNAVAILABLE, "asked for unavailable"},
      {"internal", TORVYN_ERROR_GUEST_INTERNAL, "asked for internal"},
      {"deadline", TORVYN_ERROR_DEADLINE_EXCEEDED, NULL}, {"fatal", TORVYN_ERROR_FATAL, "asked for fatal"},
      {"trap", TORVYN_ERROR_TRAP, NULL}, {"div", TORVYN_ERROR_TRAP, NULL}, {"leak", TORVYN_ERROR_TRAP, NULL},
      {"leak-ctx", TORVYN_ERROR_TRAP, NULL}, {"double-drop", TORVYN_ERROR_TRAP, NULL},
      {"use-after-drop", TORVYN_ERROR_TRAP, NULL}, {"zero-handle", TORVYN_ERROR_TRAP, NULL},
      {"frozen-append", TORVYN_ERROR_TRAP, NULL}, {"emit-borrow", TORVYN_ERROR_TRAP, NULL},
      {"utf8", TORVYN_ERROR_TRAP, NULL}, {"badptr", TORVYN_ERROR_TRAP, NULL}, {"badret", TORVYN_ERROR_TRAP, NULL},
      {"realloc-import", TORVYN_ERROR_TRAP, NULL}, {"post-trap", TORVYN_ERROR_TRAP, NULL},
      {"alloc", TORVYN_ERROR_MEMORY, NULL}, {"grow", TORVYN_ERROR_MEMORY, NULL}, {"loop", TORVYN_OK, NULL}};
  enum { ALL = sizeof commands / sizeof *commands };
  instance_t *i = p->i;
  /* The first ones leave it as it is. */
  unsigned which = once_in(3) ? pick(ALL - spared) : pick(14);
  char number[24];
  payload_text(p, commands[which].command);
  p->after.seen++;
  if (commands[which].status == TORVYN_OK && commands[which].text) emits_text(p, commands[which].text);
  else verdict(p, commands[which].status, commands[which].text);
  if (!strcmp(p->payload, "hold")) p->after.buffers++;
  if (!strcmp(p->payload, "calls")) {
    snprintf(number, sizeof number, "%" PRIu64, p->after.seen);
    emits_text(p, number);
  }
  if (!strcmp(p->payload, "alloc") && i->grows) p->status = TORVYN_ERROR_TRAP;
  if (!strcmp(p->payload, "grow") && i->grows) {
    snprintf(number, sizeof number, "%" PRIu64, i->memory_limit / PAGE);
    emits_text(p, number);
  }
  if (!strcmp(p->payload, "loop")) p->endless = 1;
}

static void plan_source(plan_t *p) {
  const char *rest = p->i->memory.text + p->i->memory.at, *end = strchr(rest, '\n');
  if (p->function == NOTIFY) {
    p->after.paused = p->told == TORVYN_SIGNAL_PAUSE;
    return;
  }
  p->status = TORVYN_NO_ELEMENT;
  if (p->i->memory.paused || !*rest) return;
  emits_bytes(p, rest, end ? (size_t)(end - rest) : strlen(rest));
  p->sequence = p->after.seen++;
  p->timestamp_ns = 0;
  p->after.at += (unsigned)p->len + (end != NULL);
}

static void plan_sink(plan_t *p) {
  static __thread char text[100];
  if (p->function == COMPLETE) {
    p->after.completed = 1;
    return;
  }
  some_letters(p);
  if (p->i->memory.completed) {
    snprintf(text, sizeof text, "the sink was completed after %" PRIu64 " elements, %" PRIu64 " bytes", p->after.seen,
             p->after.bytes);
    verdict(p, TORVYN_ERROR_INVALID_INPUT, text);
    return;
  }
  p->after.seen++;
  p->after.bytes += p->element.payload.len;
  p->answer = p->after.every && p->after.seen % p->after.every == 0 ? TORVYN_SIGNAL_PAUSE : TORVYN_SIGNAL_READY;
}

static void plan_filter(plan_t *p) {
  some_letters(p);
  p->passes = *p->i->memory.text ? strstr(p->payload, p->i->memory.text) != NULL : p->element.sequence % 2 == 0;
}

static void plan_router(plan_t *p) {
  static const char *const names[] = {"north", "south", "a"};
  char word[64] = "";
  p->count = pick(4);
  for (unsigned n = 0; n < p->count; n++) {
    p->ports[n] = names[pick(3)];
    strcat(strcat(word, n ? "," : ""), p->ports[n]);
  }
  payload_text(p, *word ? strcat(word, " rest") : once_in(2) ? "-" : "");
}

/* Joins what is held. */
static void emits_held(plan_t *p) {
  char joined[sizeof p->after.held];
  size_t len = 0;
  for (unsigned n = 0; n < p->after.count; n++) {
    if (n) joined[len++] = '\n';
    memcpy(joined + len, p->after.held[n].bytes, p->after.held[n].len);
    len += p->after.held[n].len;
  }
  emits_bytes(p, joined, len);
}

static void plan_joiner(plan_t *p) {
  unsigned n = p->after.count;
  if (p->function == FLUSH) {
    p->count = p->after.split ? n : n > 0;
    if (n && !p->after.split) emits_held(p);
    p->after.count = 0;
    return;
  }
  char bytes[64];
  snprintf(bytes, sizeof bytes, "payload %u", pick(1000));
  payload_text(p, bytes);
  p->after.held[n].len = strlen(bytes);
  memcpy(p->after.held[n].bytes, bytes, sizeof bytes);
  p->after.held[n].sequence = p->element.sequence, p->after.held[n].timestamp_ns = p->element.timestamp_ns;
  p->status = TORVYN_NOTHING_EMITTED;
  if (++p->after.count < p->after.every) return;
  emits_held(p);
  p->after.count = 0;
}

static void plan_statuses(plan_t *p) {
  char line[64];
  unsigned status = pick(9);
  snprintf(line, sizeof line, "a b c d e f g h %u", status == 8 ? 99 : 200 + status);
  payload_text(p, line);
  if (status == 8) {
    verdict(p, TORVYN_ERROR_INVALID_INPUT, "no HTTP status in the ninth field");
    return;
  }
  snprintf(line, sizeof line, "%u %u", 200 + status, ++p->after.statuses[status]);
  emits_text(p, line);
}

/* What the host function is to find: see lookup() in callbacks.h. */
static void plan_importer(plan_t *p) {
  char text[64];
  unsigned n = pick(100);
  snprintf(text, sizeof text, "%s %u", n < 10 ? "fail" : n < 30 ? "none" : "key", n);
  payload_text(p, text);
  p->status = n < 10 ? TORVYN_ERROR_HOST_FUNCTION : TORVYN_NOTHING_EMITTED;
  if (n >= 30) emits_text(p, text);
}

/* What it is granted: see grant() in callbacks.h. */
static void plan_stdio(plan_t *p) {
  static const struct {
    const char *command, *emits;
  } commands[] = {{"env:KEY", "a value"}, {"env:NONE", "(none)"}, {"args", "one,two"}, {"nothing", ""}, {"sleep:1", "slept"},
                  {"print:a line", ""}, {"print:", ""}, {"read:/guests/empty.wat", NULL}, {"read:/guests/none", NULL},
                  {"what", NULL}};
  unsigned n = pick(sizeof commands / sizeof *commands);
  payload_text(p, commands[n].command);
  p->status = TORVYN_OK;
  if (commands[n].emits) emits_text(p, commands[n].emits);
  if (!strncmp(p->payload, "print:", 6)) p->prints = p->payload + 6;
  if (!strcmp(p->payload, "what")) verdict(p, TORVYN_ERROR_INVALID_INPUT, "no such command");
}

/* ---- the native component --------------------------------------------------------------------------- */

/* It answers what is planned: most often what the function is for. */
static void plan_native(plan_t *p) {
  int emits = p->function == PULL || p->function == PROCESS || p->function == INGEST;
  unsigned n = pick(100);
  if (functions[p->function].element) some_letters(p);
  p->passes = n % 2, p->answer = n % 5 == 0 ? TORVYN_SIGNAL_PAUSE : TORVYN_SIGNAL_READY;
  if (p->function == ROUTE || p->function == FLUSH) p->count = n % 4;
  for (unsigned port = 0; port < p->count; port++) p->ports[port] = port % 2 ? "odd" : "a port";
  if (n < 4) verdict(p, TORVYN_ERROR_INVALID_INPUT + -(int)n, n == 3 ? "" : "native");
  else if (n < 6) verdict(p, TORVYN_ERROR_FATAL, "for good");
  else if (n < 8) p->status = TORVYN_ERROR_INTERNAL; /* an answer that is none */
  else if (emits && n < 20) p->status = p->function == PULL ? TORVYN_NO_ELEMENT : TORVYN_NOTHING_EMITTED;
  else if (p->function == PULL) emits_text(p, "pulled");
  else if (emits) emits_bytes(p, p->payload, p->element.payload.len);
  if (p->function == PULL) p->sequence = n, p->timestamp_ns = 2 * n;
}

/* ---- init and teardown -------------------------------------------------------------------------------- */

static void plan_init(plan_t *p) {
  static const struct {
    kind_t kind;
    const char *config;
    int status;
  } configs[] = {
      {MISBEHAVE, "", 0}, {MISBEHAVE, "what", 0}, {MISBEHAVE, "", 0}, {MISBEHAVE, "trap-teardown", 0},
      {MISBEHAVE, "fail", TORVYN_ERROR_INVALID_INPUT}, {MISBEHAVE, "fatal", TORVYN_ERROR_FATAL},
      {MISBEHAVE, "trap", TORVYN_ERROR_TRAP},
      {SOURCE, "one\ntwo\nthree", 0}, {SOURCE, "", 0}, {SOURCE, "a\n\nb\n", 0}, {SINK, "", 0},
      {SINK, "pause-every=2", 0}, {SINK, "pause-every=3", 0}, {SINK, "nonsense", TORVYN_ERROR_INVALID_INPUT},
      {FILTER, "", 0}, {FILTER, "a", 0}, {FILTER, "xyz", 0}, {ROUTER, "", 0}, {JOINER, "", 0}, {JOINER, "1", 0},
      {JOINER, "5", 0}, {JOINER, "4 split", 0}, {JOINER, "none", TORVYN_ERROR_INVALID_INPUT}, {STATUSES, "", 0},
      {UPPER, "", 0}, {IMPORTER, "", 0}, {SHOP, "", 0}, {STDIO, "", 0}, {NATIVE, "native", 0}};
  enum { ALL = sizeof configs / sizeof *configs };
  kind_t kind = p->i->kind;
  unsigned n = pick(ALL);
  while (configs[n].kind != kind) n = (n + 1) % ALL;
  strcpy(p->config, configs[n].config);
  p->status = configs[n].status;
  if (kind == NATIVE) plan_native(p);
  strcpy(p->after.text, kind == SOURCE || kind == FILTER ? p->config : "");
  p->after.every = kind == SINK && p->config[0] ? (unsigned)(p->config[12] - '0') : 0;
  if (kind == JOINER) p->after.every = p->config[0] ? (unsigned)(p->config[0] - '0') : 3;
  p->after.split = strstr(p->config, "split") != NULL;
  p->after.spoilt = !strcmp(p->config, "trap-teardown");
}

/* A plan for a call of this function, without so many of the last commands; what is asked of a component
 * without the role does not matter. */
static void plan_call(plan_t *p, instance_t *i, function_t function, unsigned spared) {
  static const torvyn_str_t none = {NULL, 0};
  engine_t *engine = i->engine;
  memset(p, 0, sizeof *p);
  p->i = i, p->function = function, p->after = i->memory, p->status = TORVYN_OK;
  p->limit = i->timeout_ticks;
  p->of_parent = i->of_parent;
  p->element.sequence = p->sequence = random_next() >> pick(64);
  p->element.timestamp_ns = p->timestamp_ns = random_next() >> pick(64);
  p->told = once_in(3) ? TORVYN_SIGNAL_PAUSE : TORVYN_SIGNAL_READY;
  strcpy(p->type, once_in(2) ? "" : "text/plain");
  p->element.content_type = str(p->type);
  if (once_in(4)) {
    uint64_t ticks = 1 + pick(20);
    p->flow.trace_id = p->flow.span_id = none;
    p->flow.flow_id = str("flow");
    if (engine->host_ticks && once_in(2)) {
      p->flow.deadline_ns = ticks * TICK;
      if (functions[function].element && ticks < p->limit) p->limit = ticks;
    }
    p->element.flow = &p->flow;
  }
  if (function == INIT) plan_init(p);
  else if (i->kind == NATIVE) plan_native(p);
  else if (i->kind == SHOP && function >= TAKE) plan_thing(p);
  else if (!(functions[function].role & i->roles)) payload_text(p, "");
  else
    switch (i->kind) {
    case UPPER: plan_upper(p); break;
    case MISBEHAVE: plan_misbehave(p, spared); break;
    case SOURCE: plan_source(p); break;
    case SINK: plan_sink(p); break;
    case FILTER: plan_filter(p); break;
    case ROUTER: plan_router(p); break;
    case JOINER: plan_joiner(p); break;
    case STATUSES: plan_statuses(p); break;
    case STDIO: plan_stdio(p); break;
    default: plan_importer(p); break;
    }
  if (functions[function].element && once_in(30) && !i->busy) {
    switch (pick(3)) {
    case 0: p->bad = TORVYN_ERROR_UTF8, p->element.content_type = str("bad \xff\xfe"); break;
    case 1: p->bad = TORVYN_ERROR_ARGUMENT, p->element.payload.len = (size_t)TORVYN_MAX_PAYLOAD + 1; break;
    default: p->bad = TORVYN_ERROR_NULL, p->element.payload.data = NULL, p->element.payload.len = 3; break;
    }
    p->endless = 0; /* refused, so there is nothing to end */
  }
}

#endif /* TORVYN_SIMULATION_STAGES_H */
