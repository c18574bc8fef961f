/* A reactor's loop: each line of a log through a chain of components.
 *
 *   pipeline [-i LOG] COMPONENT[=CONFIG]...
 *
 * Lines come from the file LOG or else from standard input; elements come from
 * the first component instead where that is a source. Without a sink at the end,
 * what comes out goes to standard output. CONFIG is the text for `init`.
 *
 * An element that a component refuses as invalid input is counted and goes no
 * further. Any other error ends the program. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <torvyn.h>

typedef struct stage {
  const char *name;
  torvyn_role_t role; /* the one it has in the chain */
  torvyn_instance_t *instance;
  uint64_t taken, bytes, dropped, refused;
} stage_t;

static stage_t *stages, *source; /* NULL where lines are the elements */
static size_t count;
static bool paused;         /* what the sink answered last */
static torvyn_error_t *err; /* what went wrong in the latest call */

static uint64_t now_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Ends the program where a call failed; the frames are those of the component. */
static void check(torvyn_status_t status, const char *name) {
  if (status >= 0) return;
  fprintf(stderr, "pipeline: %s: %s\n", name, torvyn_error_message(err).data);
  for (size_t i = 0; i < torvyn_error_frame_count(err); i++)
    fprintf(stderr, "  at %s\n", torvyn_error_frame(err, i).data);
  exit(1);
}

static void open_stage(const torvyn_engine_t *engine, size_t at, char *path) {
  stage_t *stage = &stages[at];
  torvyn_component_t *component;
  torvyn_linked_t *linked;
  char *config = strchr(path, '=');
  if (config != NULL) *config++ = '\0';
  else config = "";
  stage->name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
  check(torvyn_component_compile_file(engine, path, &component, &err), stage->name);
  check(torvyn_linked_new(component, NULL, &linked, &err), stage->name);
  check(torvyn_instance_new(linked, at + 1, NULL, &stage->instance, &err), stage->name);

  uint32_t roles = torvyn_component_roles(component); /* they say what it can do here */
  if (at == 0 && roles & TORVYN_ROLE_SOURCE) stage->role = TORVYN_ROLE_SOURCE, source = stage;
  else if (at == count - 1 && roles & TORVYN_ROLE_SINK) stage->role = TORVYN_ROLE_SINK;
  else if (roles & TORVYN_ROLE_PROCESSOR) stage->role = TORVYN_ROLE_PROCESSOR;
  else if (roles & TORVYN_ROLE_FILTER) stage->role = TORVYN_ROLE_FILTER;
  else {
    fprintf(stderr, "pipeline: %s: the chain is [source] (processor | filter)... [sink]\n", stage->name);
    exit(2);
  }
  if (*config != '\0' && !(roles & TORVYN_ROLE_LIFECYCLE))
    fprintf(stderr, "%s: has no init to take a configuration\n", stage->name);
  check(torvyn_init(stage->instance, (torvyn_str_t){config, strlen(config)}, &err), stage->name);
  torvyn_linked_free(linked); /* the instance keeps what it needs */
  torvyn_component_free(component);
}

static void point_at(torvyn_element_t *element, const torvyn_output_t *output) {
  element->sequence = output->sequence;
  element->timestamp_ns = output->timestamp_ns;
  element->content_type = output->content_type;
  element->payload = output->bytes;
}

/* The next element of the stream. Where a component gave it, `owner` owns it. */
static bool next(torvyn_element_t *element, torvyn_output_t *owner) {
  static char *line;
  static size_t size;
  if (source != NULL) {
    torvyn_status_t status = torvyn_pull(source->instance, owner, &err);
    check(status, source->name);
    point_at(element, owner);
    return status == TORVYN_OK; /* it is not told to pause now, so no element is the end */
  }
  ssize_t len = getline(&line, &size, stdin);
  if (len < 0) return false;
  element->timestamp_ns = now_ns(CLOCK_REALTIME);
  element->content_type = (torvyn_str_t){"text/plain", 10};
  element->payload = (torvyn_bytes_t){(const uint8_t *)line, (size_t)len - (line[len - 1] == '\n')};
  return true;
}

/* One element through the stages. No byte is copied on the way: the next element
 * points into the output of the last, which is released when it is through. */
static void feed(torvyn_element_t element) {
  torvyn_output_t held = {0};
  size_t at = source != NULL ? 1 : 0;
  for (; at < count; at++) {
    stage_t *stage = &stages[at];
    torvyn_output_t output = {0};
    torvyn_signal_t signal = TORVYN_SIGNAL_READY;
    torvyn_status_t status;
    bool passes = true;
    if (stage->role == TORVYN_ROLE_SINK) status = torvyn_push(stage->instance, &element, &signal, &err);
    else if (stage->role == TORVYN_ROLE_FILTER) status = torvyn_evaluate(stage->instance, &element, &passes, &err);
    else status = torvyn_process(stage->instance, &element, &output, &err);
    if (status == TORVYN_ERROR_INVALID_INPUT) {
      if (stage->refused++ == 0) fprintf(stderr, "%s: %s\n", stage->name, torvyn_error_message(err).data);
      torvyn_error_free(err);
      break;
    }
    check(status, stage->name);
    stage->taken++;
    stage->bytes += element.payload.len;
    paused = signal == TORVYN_SIGNAL_PAUSE;
    if (status == TORVYN_NOTHING_EMITTED || !passes) {
      stage->dropped++;
      break;
    }
    if (output.payload != NULL) {
      torvyn_output_release(&held);
      held = output;
      point_at(&element, &held);
    }
  }
  if (at == count && stages[count - 1].role != TORVYN_ROLE_SINK) {
    fwrite(element.payload.data, 1, element.payload.len, stdout);
    putchar('\n');
  }
  torvyn_output_release(&held);
}

/* The sink asked to pause: for one tick it gets nothing, and a source is told. No
 * line is read, so none piles up. A program with other work does that meanwhile. */
static uint64_t wait_a_tick(void) {
  const struct timespec tick = {0, 1000000};
  uint64_t start = now_ns(CLOCK_MONOTONIC);
  if (source != NULL) check(torvyn_notify_backpressure(source->instance, TORVYN_SIGNAL_PAUSE, &err), source->name);
  nanosleep(&tick, NULL);
  if (source != NULL) check(torvyn_notify_backpressure(source->instance, TORVYN_SIGNAL_READY, &err), source->name);
  paused = false;
  return now_ns(CLOCK_MONOTONIC) - start;
}

int main(int argc, char **argv) {
  bool file = argc > 2 && strcmp(argv[1], "-i") == 0, terminal = isatty(STDERR_FILENO);
  char **paths = argv + (file ? 3 : 1);
  count = (size_t)(argv + argc - paths);
  stages = calloc(count + 1, sizeof *stages);
  if (count == 0 || stages == NULL || (file && freopen(argv[2], "r", stdin) == NULL)) {
    if (count == 0) fputs("usage: pipeline [-i LOG] COMPONENT[=CONFIG]...\n", stderr);
    else perror("pipeline: the log");
    return 2;
  }
  torvyn_engine_t *engine;
  check(torvyn_engine_new(NULL, &engine, &err), "engine");
  for (size_t at = 0; at < count; at++) open_stage(engine, at, paths[at]);
  torvyn_engine_free(engine);

  torvyn_element_t element = {0};
  torvyn_output_t owner = {0};
  uint64_t elements = 0, pauses = 0, waited = 0, start = now_ns(CLOCK_MONOTONIC);
  while (next(&element, &owner)) {
    feed(element);
    torvyn_output_release(&owner);
    element.sequence = ++elements;
    if (paused) waited += wait_a_tick(), pauses++;
    if (terminal && elements % 1000 == 0) fprintf(stderr, "\r%" PRIu64 " elements ", elements);
  }
  double seconds = (double)(now_ns(CLOCK_MONOTONIC) - start - waited) / 1e9;
  if (terminal) fputc('\r', stderr);
  if (ferror(stdin)) {
    perror("pipeline: the log");
    return 1;
  }

  FILE *report = stages[count - 1].role == TORVYN_ROLE_SINK ? stdout : stderr;
  for (size_t at = 0; at < count; at++) {
    stage_t *stage = &stages[at];
    if (stage->role == TORVYN_ROLE_SINK) check(torvyn_complete(stage->instance, &err), stage->name);
    torvyn_teardown(stage->instance, NULL);
    torvyn_instance_free(stage->instance);
    if (stage == source) continue;
    fprintf(report, "%-22s took %" PRIu64 " elements, %" PRIu64 " bytes; dropped %" PRIu64 ", refused %" PRIu64 "\n",
            stage->name, stage->taken, stage->bytes, stage->dropped, stage->refused);
  }
  fprintf(report, "%" PRIu64 " elements in %.1f ms, %.0f a second, and %" PRIu64 " pauses in %.1f ms\n", elements,
          seconds * 1e3, (double)elements / seconds, pauses, (double)waited / 1e6);
  free(stages);
  return 0;
}
