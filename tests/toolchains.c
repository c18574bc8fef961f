/* The word count that tests/guests/toolchains.sh builds in several languages: one
 * table of expectations for all, on each path that a guest can run on.
 *
 *   toolchains DIRECTORY LANGUAGE...
 *
 * Compiled against the release library, since interpreters take long to compile. A
 * guest has a process of its own, so that one that fails hides no other. */
#define _POSIX_C_SOURCE 200809L
#include "c/check.h"

#include <sys/wait.h>

/* What the languages differ in. */
static const struct {
  const char *name;
  int direct; /* it imports the contract alone, and so must be on the direct path */
  int prints; /* it imports WASI, and prints to standard output */
} languages[] = {{"rust", 1, 0}, {"cpp", 1, 0}, {"zig", 1, 0}, {"python", 0, 1}, {"javascript", 0, 1}};

/* The lines of the log that an instance with the id 4711 caused. */
static char said[65536];

static void hear(void *user, const torvyn_log_line_t *line) {
  size_t len = strlen(said);
  (void)user;
  CHECK(line->component_id != NULL && *line->component_id == 4711);
  CHECK(len + line->message.len + 2 < sizeof said);
  snprintf(said + len, sizeof said - len, "%.*s\n", (int)line->message.len, line->message.data);
}

static torvyn_element_t typed(const char *content_type, const char *text) {
  torvyn_element_t e = element(text);
  e.content_type = str(content_type);
  e.sequence = UINT64_MAX;
  e.timestamp_ns = 1700000000000000001;
  return e;
}

/* What a stage that was given "2" says of its first elements. */
static void counts(torvyn_instance_t *instance) {
  torvyn_element_t e = typed("text/csv", "a b a");
  torvyn_output_t out;
  size_t len = 100000;
  char *text = malloc(len + 8);
  CHECK(text != NULL);

  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(bytes_are(out.bytes, "a 2\n") && out.sequence == e.sequence && out.timestamp_ns == e.timestamp_ns);
  CHECK(str_is(out.content_type, "text/plain") && str_is(torvyn_buffer_content_type(out.payload), "text/plain"));
  torvyn_output_release(&out);

  gives(instance, "", TORVYN_NOTHING_EMITTED);
  gives(instance, " \n", TORVYN_NOTHING_EMITTED);
  gives(instance, "gr\xc3\xbc\xc3\x9f" "e", TORVYN_NOTHING_EMITTED);
  emits(instance, "b\ta gr\xc3\xbc\xc3\x9f" "e\n", "b 2\na 3\ngr\xc3\xbc\xc3\x9f" "e 2\n");

  e = typed("image/x-\xc3\xa9", "a");
  EXPECT_TEXT(TORVYN_ERROR_INVALID_INPUT, "not text: image/x-\xc3\xa9", torvyn_process(instance, &e, &out, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_READY);
  emits(instance, "a", "a 4\n");

  /* More than an instance has memory for at first. */
  memset(text, 'x', len);
  text[len] = '\0';
  gives(instance, text, TORVYN_NOTHING_EMITTED);
  e = element(text);
  OK(torvyn_process(instance, &e, &out, &err));
  CHECK(out.bytes.len == len + 3 && memcmp(out.bytes.data, text, len) == 0);
  CHECK(memcmp(out.bytes.data + len, " 2\n", 3) == 0);
  torvyn_output_release(&out);
  for (int i = 5; i < 1000; i++) {
    snprintf(text, len, "a %d\n", i);
    emits(instance, "a", text);
  }
  free(text);
}

static void stage(const torvyn_linked_t *linked, int prints) {
  torvyn_instance_t *instance, *other;
  torvyn_error_t *err;
  torvyn_element_t e = element("panic");
  torvyn_output_t out;

  instance = instance_of(linked, 4711, NULL);
  CHECK(torvyn_instance_roles(instance) == (TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE));
  gives(instance, "a", TORVYN_ERROR_STATE);
  EXPECT_TEXT(TORVYN_ERROR_INVALID_INPUT, "configuration `m\xc3\xa4ny` is no number",
              torvyn_init(instance, str("m\xc3\xa4ny"), &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_FAILED);
  OK(torvyn_instance_reset(instance, &err));
  said[0] = '\0';
  OK(torvyn_init(instance, str("2"), &err));
  other = instance_of(linked, 4711, NULL);
  OK(torvyn_init(other, str(""), &err));
  counts(instance);
  emits(other, "a b", "a 1\nb 1\n");
  if (prints) CHECK(strcmp(said, "counting from 2\ncounting from 1\n") == 0);

  /* The panic of one is its own, and a reset forgets what it counted. */
  said[0] = '\0';
  CHECK(torvyn_process(instance, &e, &out, &err) == TORVYN_ERROR_TRAP && is_clear(&out));
  CHECK(torvyn_error_is_fatal(err) && torvyn_error_frame_count(err) > 0);
  torvyn_error_free(err);
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_POISONED);
  if (prints) CHECK(strstr(said, "asked to") != NULL); /* interpreters say why, on standard error */
  emits(other, "a", "a 2\n");
  OK(torvyn_instance_reset(instance, &err));
  OK(torvyn_init(instance, str("1"), &err));
  emits(instance, "a", "a 1\n");

  said[0] = '\0';
  OK(torvyn_teardown(instance, &err));
  OK(torvyn_teardown(other, &err));
  CHECK(torvyn_instance_state(instance) == TORVYN_STATE_TORN_DOWN);
  CHECK(strcmp(said, prints ? "1 different words\n2 different words\n" : "") == 0);
  torvyn_instance_free(instance);
  torvyn_instance_free(other);
}

static double seconds_since(uint64_t began) { return (double)(now_ns() - began) / 1e9; }

/* Links with an empty grant, and gives the seconds that compilation and the checks took. */
static torvyn_path_t run(const char *guest, torvyn_path_t path, int prints, double took[2]) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .path = path, .log = hear};
  torvyn_engine_t *engine = engine_with(&config);
  uint64_t began = now_ns();
  torvyn_linked_t *linked = linked_of(engine, guest);
  torvyn_path_t taken = torvyn_linked_path(linked);
  took[0] = seconds_since(began);
  began = now_ns();
  stage(linked, prints);
  took[1] = seconds_since(began);
  torvyn_linked_free(linked);
  torvyn_engine_free(engine);
  return taken;
}

static void guest_of(const char *language) {
  size_t k = 0, n = sizeof languages / sizeof *languages;
  char guest[64];
  double took[2];
  while (k < n && strcmp(languages[k].name, language)) k++;
  check_doing = language;
  CHECK(k < n);
  snprintf(guest, sizeof guest, "word-count-%s", language);
  if (run(guest, TORVYN_PATH_AUTO, languages[k].prints, took) == TORVYN_PATH_DIRECT) {
    printf("%-10s direct path: compiled in %.2f s, checked in %.2f s\n", language, took[0], took[1]);
    CHECK(run(guest, TORVYN_PATH_GENERAL, languages[k].prints, took) == TORVYN_PATH_GENERAL);
  } else {
    CHECK(!languages[k].direct);
  }
  printf("%-10s general path: compiled in %.2f s, checked in %.2f s\n", language, took[0], took[1]);
}

int main(int argc, char **argv) {
  int failed = 0;
  if (argc < 3) {
    fprintf(stderr, "usage: %s DIRECTORY LANGUAGE...\n", argv[0]);
    return 2;
  }
  check_guests = argv[1];
  for (int i = 2; i < argc; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      alarm(300);
      guest_of(argv[i]);
      return 0;
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0) failed++, fprintf(stderr, "%s: failed\n", argv[i]);
  }
  printf("%d languages passed, %d failed\n", argc - 2 - failed, failed);
  return failed != 0;
}
