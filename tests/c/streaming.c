/* The streaming contract: what each role gives, on both paths; outputs and how
 * long they last; batches. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static torvyn_engine_t *engine; /* on the path under test */

/* The guests linked so far, since compilation takes the most time. */
static struct {
  const char *guest;
  torvyn_linked_t *linked;
} known[16];

static torvyn_instance_t *stage(const char *guest, const char *config) {
  torvyn_instance_t *instance;
  int k = 0;
  while (known[k].guest && strcmp(known[k].guest, guest)) k++;
  CHECK(k < 15);
  if (!known[k].guest) known[k].linked = linked_of(engine, known[k].guest = guest);
  instance = instance_of(known[k].linked, 1, NULL);
  OK(torvyn_init(instance, str(config), &err));
  return instance;
}

static void forget(void) {
  for (int k = 0; known[k].guest; k++) torvyn_linked_free(known[k].linked);
  memset(known, 0, sizeof known);
}

/* ---- source ---------------------------------------------------------------- */

static void pulls(torvyn_instance_t *source, const char *line, uint64_t sequence) {
  torvyn_output_t out = stale_output();
  OK(torvyn_pull(source, &out, &err));
  CHECK(bytes_are(out.bytes, line) && out.sequence == sequence && out.timestamp_ns == 0);
  CHECK(str_is(out.content_type, "text/plain") && out.payload != NULL);
  CHECK(str_is(torvyn_buffer_content_type(out.payload), "text/plain"));
  torvyn_output_release(&out);
}

static void pulls_nothing(torvyn_instance_t *source) {
  torvyn_output_t out = stale_output();
  EXPECT(TORVYN_NO_ELEMENT, torvyn_pull(source, &out, &err));
  CHECK(is_clear(&out));
}

static void sources(void) {
  torvyn_instance_t *source;
  part("source: lines, their end, backpressure");
  source = stage("line-source", "one\n\nthree\nfour\n");
  CHECK(torvyn_instance_roles(source) == (TORVYN_ROLE_SOURCE | TORVYN_ROLE_LIFECYCLE));
  pulls(source, "one", 0);
  pulls(source, "", 1);
  OK(torvyn_notify_backpressure(source, TORVYN_SIGNAL_PAUSE, &err));
  pulls_nothing(source);
  pulls_nothing(source);
  OK(torvyn_notify_backpressure(source, TORVYN_SIGNAL_READY, &err));
  pulls(source, "three", 2);
  pulls(source, "four", 3);
  pulls_nothing(source);
  pulls_nothing(source);
  CHECK(torvyn_instance_state(source) == TORVYN_STATE_READY);
  CHECK(stats_of(source).elements_out == 4 && stats_of(source).elements_in == 0);
  OK(torvyn_teardown(source, &err));
  torvyn_instance_free(source);

  source = stage("line-source", "");
  pulls_nothing(source);
  torvyn_instance_free(source);
}

/* ---- processors ------------------------------------------------------------ */

/* Payload sizes on both sides of where buffers change their size. */
static const size_t sizes[] = {0, 1, 63, 4095, 4096, 4097, 65535, 65536, 65537, 1000000, 1 << 20, (1 << 20) + 1, 3000000};

static void processors(void) {
  torvyn_instance_t *upper, *filter, *count;
  torvyn_element_t e;
  torvyn_output_t out;
  size_t sum = 0, n = sizeof sizes / sizeof *sizes;

  part("processor: meta and bytes of every size");
  upper = stage("upper-case", "");
  for (size_t i = 0; i < n; i++) {
    char *text = malloc(sizes[i] ? sizes[i] : 1);
    for (size_t k = 0; k < sizes[i]; k++) text[k] = (char)('a' + k % 26);
    e = (torvyn_element_t){.sequence = UINT64_MAX - i, .timestamp_ns = 1700000000000000000 + i,
                           .content_type = str("text/x; charset=\"\xc3\xa9\""),
                           .payload = {sizes[i] ? (uint8_t *)text : NULL, sizes[i]}};
    out = stale_output();
    OK(torvyn_process(upper, &e, &out, &err));
    CHECK(out.sequence == e.sequence && out.timestamp_ns == e.timestamp_ns);
    CHECK(str_is(out.content_type, "text/x; charset=\"\xc3\xa9\""));
    CHECK(str_is(torvyn_buffer_content_type(out.payload), "text/x; charset=\"\xc3\xa9\""));
    CHECK(torvyn_buffer_size(out.payload) == sizes[i] && out.bytes.len == sizes[i]);
    CHECK(torvyn_buffer_bytes(out.payload).data == out.bytes.data);
    CHECK(torvyn_buffer_bytes(out.payload).len == out.bytes.len);
    for (size_t k = 0; k < sizes[i]; k++) {
      if (text[k] != (char)('a' + k % 26)) CHECK(!"the input is left alone");
      if (out.bytes.data[k] != (uint8_t)('A' + k % 26)) CHECK(!"each byte is a capital");
    }
    torvyn_output_release(&out);
    CHECK(is_clear(&out));
    torvyn_output_release(&out); /* a second time does nothing */
    free(text);
    sum += sizes[i];
  }
  {
    torvyn_stats_t s = stats_of(upper);
    CHECK(s.calls == n && s.elements_in == n && s.elements_out == n && s.bytes_in == sum && s.bytes_out == sum);
    CHECK(s.stopped == 0 && s.guest_errors == 0 && s.refused == 0 && s.traps == 0 && s.resets == 0);
    CHECK(s.fuel_used == 0 && s.time_ns == 0);
  }
  CHECK(memory_of(upper).buffers == 0); /* what the caller took is not the component's */
  torvyn_instance_free(upper);

  part("processor: one that drops, one with state");
  filter = stage("field-filter", "2=b");
  e = element("a b c");
  e.sequence = 5;
  e.timestamp_ns = 6;
  e.content_type = str("t/t");
  OK(torvyn_process(filter, &e, &out, &err));
  CHECK(bytes_are(out.bytes, "a b c") && out.sequence == 5 && out.timestamp_ns == 6);
  CHECK(str_is(out.content_type, "t/t"));
  torvyn_output_release(&out);
  gives(filter, "a c b", TORVYN_NOTHING_EMITTED);
  gives(filter, "", TORVYN_NOTHING_EMITTED);
  CHECK(stats_of(filter).elements_in == 3 && stats_of(filter).elements_out == 1);
  torvyn_instance_free(filter);

  count = stage("status-count", "");
  emits(count, "h - - [d z] \"GET /a HTTP/1.1\" 200 7", "200 1");
  emits(count, "h - - [d z] \"GET /b HTTP/1.1\" 404 7", "404 1");
  gives(count, "no status here", TORVYN_ERROR_INVALID_INPUT);
  emits(count, "h - - [d z] \"GET /c HTTP/1.1\" 200 7", "200 2");
  CHECK(torvyn_instance_state(count) == TORVYN_STATE_READY && stats_of(count).guest_errors == 1);
  torvyn_instance_free(count);
}

/* What the component can learn of its element. */
static void contexts(void) {
  torvyn_instance_t *instance = stage("misbehave", "");
  torvyn_flow_t flow = {.trace_id = str("0123456789abcdef0123456789abcdef"),
                        .span_id = str("0123456789abcdef"),
                        .flow_id = str("fl\xc3\xb6w 1"),
                        .deadline_ns = 1000 * MS * check_slow()};
  torvyn_element_t e = element("meta");
  torvyn_output_t out;

  part("flow context");
  emits(instance, "meta",
        "content-type=\npayload-type=\nsize=4\nsequence=0\ntimestamp=0\ntrace-id=\nspan-id=\ndeadline=0\nflow-id=");
  e.sequence = 18446744073709551615u;
  e.timestamp_ns = 12;
  e.content_type = str("a/b");
  e.flow = &flow;
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(bytes_are(out.bytes,
                  "content-type=a/b\npayload-type=a/b\nsize=4\nsequence=18446744073709551615\ntimestamp=12\n"
                  "trace-id=0123456789abcdef0123456789abcdef\nspan-id=0123456789abcdef\ndeadline=set\n"
                  "flow-id=fl\xc3\xb6w 1"));
  torvyn_output_release(&out);
  memset(&flow, 0, sizeof flow);
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(bytes_are(out.bytes,
                  "content-type=a/b\npayload-type=a/b\nsize=4\nsequence=18446744073709551615\ntimestamp=12\n"
                  "trace-id=\nspan-id=\ndeadline=0\nflow-id="));
  torvyn_output_release(&out);
  emits(instance, "partial", "4:part 3:ial 0: 0: 0: 0: 6:artial");
  emits(instance, "oob", "past=out-of-bounds at-end=ok overlap=ok far=out-of-bounds size=5");
  torvyn_instance_free(instance);
}

/* ---- sink ------------------------------------------------------------------ */

static void sinks(void) {
  torvyn_instance_t *sink;
  torvyn_element_t e = element("12345");
  torvyn_signal_t signal;

  part("sink: pause, complete");
  sink = stage("count-sink", "pause-every=3");
  for (int i = 1; i <= 7; i++) {
    signal = (torvyn_signal_t)7;
    OK(torvyn_push(sink, &e, &signal, &err));
    CHECK(signal == (i % 3 == 0 ? TORVYN_SIGNAL_PAUSE : TORVYN_SIGNAL_READY));
  }
  OK(torvyn_push(sink, &e, NULL, &err)); /* who does without the signal may */
  OK(torvyn_complete(sink, &err));
  OK(torvyn_complete(sink, &err));
  EXPECT_TEXT(TORVYN_ERROR_INVALID_INPUT, "the sink was completed after 8 elements, 40 bytes",
              torvyn_push(sink, &e, &signal, &err));
  CHECK(stats_of(sink).elements_in == 9 && stats_of(sink).elements_out == 0 && stats_of(sink).bytes_in == 0);
  OK(torvyn_teardown(sink, &err));
  torvyn_instance_free(sink);
}

/* ---- filter, router, aggregator --------------------------------------------- */

static void filters(void) {
  torvyn_instance_t *filter = stage("even-filter", "");
  torvyn_element_t e = element("x");
  bool passes;
  part("filter");
  for (e.sequence = 0; e.sequence < 4; e.sequence++) {
    passes = e.sequence % 2 != 0;
    OK(torvyn_evaluate(filter, &e, &passes, &err));
    CHECK(passes == (e.sequence % 2 == 0));
  }
  torvyn_instance_free(filter);
  filter = stage("even-filter", "needle");
  e = element("hay needle hay");
  OK(torvyn_evaluate(filter, &e, &passes, &err));
  CHECK(passes);
  e = element("hay");
  OK(torvyn_evaluate(filter, &e, &passes, &err));
  CHECK(!passes);
  torvyn_instance_free(filter);
}

static void routes(torvyn_instance_t *router, const char *payload, const char *wanted) {
  torvyn_element_t e = element(payload);
  torvyn_ports_t ports = {STALE, 7};
  char got[4096] = "";
  OK(torvyn_route(router, &e, &ports, &err));
  for (size_t i = 0; i < ports.len; i++) {
    size_t at = strlen(got);
    CHECK(at + ports.names[i].len + 2 < sizeof got);
    memcpy(got + at, ports.names[i].data, ports.names[i].len);
    memcpy(got + at + ports.names[i].len, ";", 2);
  }
  if (strcmp(got, wanted)) printf("%s: %s, not %s\n", payload, got, wanted);
  CHECK(!strcmp(got, wanted));
}

static void routers(void) {
  torvyn_instance_t *router = stage("port-router", "");
  char many[2001], wanted[4001];
  part("router");
  routes(router, "a,b rest", "a;b;");
  routes(router, "- nowhere", "");
  routes(router, "", "");
  routes(router, ",,,", "");
  routes(router, "one,,two,one", "one;two;one;");
  routes(router, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f;");
  for (int i = 0; i < 1000; i++) {
    many[2 * i] = (char)('a' + i % 26), many[2 * i + 1] = ',';
    wanted[2 * i] = many[2 * i], wanted[2 * i + 1] = ';';
  }
  many[2000] = wanted[2000] = '\0';
  routes(router, many, wanted);
  routes(router, "few", "few;");
  torvyn_instance_free(router);

  router = stage("port-router", "");
  torvyn_element_t e = element("ok,\xff\xfe");
  torvyn_ports_t ports = {STALE, 7};
  EXPECT(TORVYN_ERROR_TRAP, torvyn_route(router, &e, &ports, &err));
  CHECK(ports.len == 0 && ports.names == NULL);
  CHECK(torvyn_instance_state(router) == TORVYN_STATE_POISONED);
  torvyn_instance_free(router);
}

static void aggregators(void) {
  torvyn_instance_t *aggregator = stage("batch-aggregator", "3");
  static const char *const words[] = {"one", "two", "three", "four", "five"};
  torvyn_outputs_t *list = STALE;
  torvyn_output_t out, kept;

  part("aggregator: ingest and flush");
  for (uint64_t i = 0; i < 5; i++) {
    torvyn_element_t e = element(words[i]);
    e.sequence = 10 + i;
    e.timestamp_ns = 20 + i;
    e.content_type = str(i % 2 ? "t/odd" : "t/even");
    out = stale_output();
    EXPECT(i == 2 ? TORVYN_OK : TORVYN_NOTHING_EMITTED, torvyn_ingest(aggregator, &e, &out, &err));
    if (i == 2) {
      CHECK(bytes_are(out.bytes, "one\ntwo\nthree") && out.sequence == 12 && out.timestamp_ns == 22);
      CHECK(str_is(out.content_type, "t/even"));
      torvyn_output_release(&out);
    } else {
      CHECK(is_clear(&out));
    }
  }
  OK(torvyn_flush(aggregator, &list, &err));
  CHECK(torvyn_outputs_count(list) == 1);
  OK(torvyn_outputs_take(list, 0, &out, &err));
  CHECK(bytes_are(out.bytes, "four\nfive") && out.sequence == 14 && out.timestamp_ns == 24);
  CHECK(str_is(out.content_type, "t/even"));
  torvyn_output_release(&out);
  torvyn_outputs_free(list);
  OK(torvyn_flush(aggregator, &list, &err));
  CHECK(list != NULL && torvyn_outputs_count(list) == 0);
  out = stale_output();
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_outputs_take(list, 0, &out, &err));
  CHECK(is_clear(&out));
  torvyn_outputs_free(list);
  CHECK(stats_of(aggregator).elements_in == 5 && stats_of(aggregator).elements_out == 2);
  torvyn_instance_free(aggregator);

  aggregator = stage("batch-aggregator", "500 split");
  for (uint64_t i = 0; i < 499; i++) {
    torvyn_element_t e = element(words[i % 5]);
    e.sequence = i;
    EXPECT(TORVYN_NOTHING_EMITTED, torvyn_ingest(aggregator, &e, &out, &err));
  }
  OK(torvyn_flush(aggregator, &list, &err));
  torvyn_instance_free(aggregator); /* the list needs it no more */
  CHECK(torvyn_outputs_count(list) == 499);
  OK(torvyn_outputs_take(list, 498, &kept, &err));
  CHECK(bytes_are(kept.bytes, words[498 % 5]) && kept.sequence == 498);
  for (size_t i = 0; i < 100; i++) {
    OK(torvyn_outputs_take(list, i, &out, &err));
    CHECK(bytes_are(out.bytes, words[i % 5]) && out.sequence == i);
    torvyn_output_release(&out);
    out = stale_output();
    EXPECT(TORVYN_NO_ELEMENT, torvyn_outputs_take(list, i, &out, &err));
    CHECK(is_clear(&out));
  }
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_outputs_take(list, 499, &out, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_outputs_take(list, SIZE_MAX, &out, &err));
  CHECK(torvyn_outputs_count(list) == 499);
  torvyn_outputs_free(list); /* with those that were not taken */
  CHECK(bytes_are(kept.bytes, words[498 % 5]));
  torvyn_output_release(&kept);
}

/* ---- outputs --------------------------------------------------------------- */

static void chain(void) {
  torvyn_instance_t *source = stage("line-source", "x GET\ny PUT\nz get\n");
  torvyn_instance_t *upper = stage("upper-case", ""), *filter = stage("field-filter", "2=GET");
  torvyn_instance_t *sink = stage("count-sink", "");
  static const char *const wanted[] = {"X GET", "Z GET"};
  torvyn_output_t line, capitals, passed;
  size_t reached = 0;

  part("outputs: fed to the next stage in place");
  while (torvyn_pull(source, &line, NULL) == TORVYN_OK) {
    torvyn_element_t e = {line.sequence, line.timestamp_ns, line.content_type, line.bytes, NULL};
    OK(torvyn_process(upper, &e, &capitals, &err));
    torvyn_output_release(&line);
    e = (torvyn_element_t){capitals.sequence, capitals.timestamp_ns, capitals.content_type, capitals.bytes, NULL};
    int status = torvyn_process(filter, &e, &passed, NULL);
    if (status == TORVYN_OK) {
      CHECK(passed.bytes.data != capitals.bytes.data);
      torvyn_output_release(&capitals);
      CHECK(reached < 2 && bytes_are(passed.bytes, wanted[reached++]) && str_is(passed.content_type, "text/plain"));
      e = (torvyn_element_t){passed.sequence, passed.timestamp_ns, passed.content_type, passed.bytes, NULL};
      OK(torvyn_push(sink, &e, NULL, &err));
    } else {
      CHECK(status == TORVYN_NOTHING_EMITTED && is_clear(&passed));
    }
    torvyn_output_release(&passed);
    torvyn_output_release(&capitals);
  }
  CHECK(reached == 2 && stats_of(sink).elements_in == 2 && stats_of(sink).bytes_in == 0);
  torvyn_instance_free(source);
  torvyn_instance_free(upper);
  torvyn_instance_free(filter);
  torvyn_instance_free(sink);
}

/* Outputs need nothing else, and others' calls leave them alone. */
static void outlive(void) {
  enum { MANY = 300 };
  static torvyn_output_t outs[MANY];
  torvyn_engine_t *own = engine_on(torvyn_component_path(NULL)); /* TORVYN_PATH_AUTO */
  torvyn_instance_t *upper = ready(own, "upper-case", "", NULL);
  torvyn_buffer_t *moved;
  char text[32];

  part("outputs: outlive instance and engine");
  torvyn_engine_free(own);
  for (int i = 0; i < MANY; i++) {
    snprintf(text, sizeof text, "element number %d", i);
    torvyn_element_t e = element(text);
    OK(torvyn_process(upper, &e, &outs[i], &err));
  }
  torvyn_instance_free(upper);
  moved = outs[0].payload;
  outs[0].payload = NULL;
  for (int i = 1; i < MANY; i++) {
    snprintf(text, sizeof text, "ELEMENT NUMBER %d", i);
    CHECK(bytes_are(outs[i].bytes, text));
    for (int k = 0; k < i; k++) CHECK(outs[k].bytes.data != outs[i].bytes.data);
    if (i % 2) torvyn_output_release(&outs[i]);
    else torvyn_buffer_release(outs[i].payload);
  }
  CHECK(bytes_are(torvyn_buffer_bytes(moved), "ELEMENT NUMBER 0"));
  torvyn_buffer_release(moved);
}

/* ---- batches --------------------------------------------------------------- */

static void process_batches(void) {
  enum { MANY = 64 };
  torvyn_instance_t *instance = stage("misbehave", "");
  torvyn_element_t elements[MANY];
  torvyn_output_t outs[MANY];
  size_t done = 7;
  char texts[MANY][16];

  part("batches: process");
  for (int i = 0; i < MANY; i++) {
    snprintf(texts[i], sizeof texts[i], i % 3 ? "echo:e%d" : "drop", i);
    elements[i] = element(texts[i]);
    elements[i].sequence = 100u + (unsigned)i;
    outs[i] = stale_output();
  }
  OK(torvyn_process_batch(instance, elements, MANY, outs, &done, &err));
  CHECK(done == MANY && stats_of(instance).elements_in == MANY && stats_of(instance).elements_out == MANY - 22);
  for (int i = 0; i < MANY; i++) {
    if (i % 3) CHECK(bytes_are(outs[i].bytes, texts[i] + 5) && outs[i].sequence == 100u + (unsigned)i);
    else CHECK(is_clear(&outs[i]));
    torvyn_output_release(&outs[i]);
  }

  /* The first error ends it; what went before stands, what comes after is clear. */
  static const struct {
    const char *command;
    int status, state;
  } ends[] = {{"invalid", TORVYN_ERROR_INVALID_INPUT, TORVYN_STATE_READY},
              {"unavailable", TORVYN_ERROR_UNAVAILABLE, TORVYN_STATE_READY},
              {"trap", TORVYN_ERROR_TRAP, TORVYN_STATE_POISONED},
              {"fatal", TORVYN_ERROR_FATAL, TORVYN_STATE_FAILED}};
  for (size_t k = 0; k < 4; k++) {
    elements[40] = element(ends[k].command);
    for (int i = 0; i < MANY; i++) outs[i] = stale_output();
    done = 7;
    EXPECT(ends[k].status, torvyn_process_batch(instance, elements, MANY, outs, &done, &err));
    CHECK(done == 40 && (int)torvyn_instance_state(instance) == ends[k].state);
    for (int i = 0; i < MANY; i++) {
      CHECK(i < 40 && i % 3 ? bytes_are(outs[i].bytes, texts[i] + 5) : is_clear(&outs[i]));
      torvyn_output_release(&outs[i]);
    }
    if (ends[k].state != TORVYN_STATE_READY) {
      OK(torvyn_instance_reset(instance, &err));
      OK(torvyn_init(instance, str(""), &err));
    }
  }

  /* Misuse in an element is found when its turn comes. */
  elements[40] = element("echo:x");
  elements[40].content_type = str("\xff");
  for (int i = 0; i < MANY; i++) outs[i] = stale_output();
  EXPECT(TORVYN_ERROR_UTF8, torvyn_process_batch(instance, elements, MANY, outs, &done, &err));
  CHECK(done == 40 && torvyn_instance_state(instance) == TORVYN_STATE_READY);
  for (int i = 0; i < MANY; i++) {
    CHECK((i < 40 && i % 3 != 0) == (outs[i].payload != NULL));
    torvyn_output_release(&outs[i]);
  }
  done = 7;
  OK(torvyn_process_batch(instance, NULL, 0, NULL, &done, &err));
  CHECK(done == 0);
  OK(torvyn_process_batch(instance, elements, 0, outs, &done, &err));
  CHECK(done == 0 && is_clear(&outs[0]));
  emits(instance, "echo:still good", "still good");
  torvyn_instance_free(instance);
}

static void push_batches(void) {
  enum { MANY = 20 };
  torvyn_instance_t *sink = stage("count-sink", "pause-every=8");
  torvyn_element_t elements[MANY];
  torvyn_signal_t signal;
  size_t done = 7;

  part("batches: push");
  for (int i = 0; i < MANY; i++) elements[i] = element("abc");
  signal = TORVYN_SIGNAL_READY;
  OK(torvyn_push_batch(sink, elements, MANY, &signal, &done, &err));
  CHECK(done == 8 && signal == TORVYN_SIGNAL_PAUSE); /* the first pause ends it */
  OK(torvyn_push_batch(sink, elements, 7, &signal, &done, &err));
  CHECK(done == 7 && signal == TORVYN_SIGNAL_READY);
  OK(torvyn_push_batch(sink, elements, MANY, &signal, &done, &err));
  CHECK(done == 1 && signal == TORVYN_SIGNAL_PAUSE);
  OK(torvyn_push_batch(sink, elements, 8, NULL, &done, &err)); /* the last of them says pause */
  CHECK(done == 8);
  signal = TORVYN_SIGNAL_PAUSE;
  OK(torvyn_push_batch(sink, NULL, 0, &signal, &done, &err));
  CHECK(done == 0 && signal == TORVYN_SIGNAL_READY);
  elements[3].payload.data = NULL;
  EXPECT(TORVYN_ERROR_NULL, torvyn_push_batch(sink, elements, MANY, &signal, &done, &err));
  CHECK(done == 3);
  elements[3] = elements[0];
  CHECK(stats_of(sink).elements_in == 8 + 7 + 1 + 8 + 3);
  OK(torvyn_complete(sink, &err));
  EXPECT_TEXT(TORVYN_ERROR_INVALID_INPUT, "after 27 elements, 81 bytes",
              torvyn_push_batch(sink, elements, MANY, &signal, &done, &err));
  CHECK(done == 0 && torvyn_instance_state(sink) == TORVYN_STATE_READY);
  torvyn_instance_free(sink);
}

int main(int argc, char **argv) {
  static const torvyn_path_t paths[] = {TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL};
  check_begin(argc, argv);
  for (int i = 0; i < 2; i++) {
    printf("%s path\n", i ? "general" : "direct");
    engine = engine_on(paths[i]);
    sources();
    processors();
    contexts();
    sinks();
    filters();
    routers();
    aggregators();
    chain();
    outlive();
    process_batches();
    push_batches();
    forget();
    torvyn_engine_free(engine);
  }
  return check_end();
}
