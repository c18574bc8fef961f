/* Components: what compiles and what does not, artifacts sound and damaged, and
 * what a component says of itself. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "wat.h"

#include <sys/resource.h>
#include <sys/stat.h>

/* ---- SHA-256 (FIPS 180-4) ------------------------------------------------- */

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha256_block(uint32_t h[8], const uint8_t *p) {
  static const uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(s, h, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
    uint32_t t = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
    uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
    uint32_t u = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += t;
    s[0] = t + u;
  }
  for (int i = 0; i < 8; i++) h[i] += s[i];
}

static void sha256(const uint8_t *bytes, size_t len, uint8_t digest[32]) {
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t last[128] = {0};
  size_t whole = len / 64 * 64, rest = len - whole, end = rest < 56 ? 64 : 128;
  for (size_t i = 0; i < whole; i += 64) sha256_block(h, bytes + i);
  memcpy(last, bytes + whole, rest);
  last[rest] = 0x80;
  for (int i = 0; i < 8; i++) last[end - 1 - (size_t)i] = (uint8_t)((uint64_t)len * 8 >> 8 * i);
  for (size_t i = 0; i < end; i += 64) sha256_block(h, last + i);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - i % 4 * 8));
}

/* ---- helpers --------------------------------------------------------------- */

static int compile(const torvyn_engine_t *engine, const uint8_t *bytes, size_t len, torvyn_component_t **out) {
  torvyn_error_t *err = STALE;
  int status = torvyn_component_compile(engine, bytes, len, out, &err);
  CHECK(status == TORVYN_OK || status < 0);
  CHECK((status < 0) == (err != NULL) && (status < 0) == (*out == NULL));
  CHECK(status >= 0 || (torvyn_error_message(err).len > 0 && (int)torvyn_error_status(err) == status));
  torvyn_error_free(err);
  return status;
}

static int deserialize(const torvyn_engine_t *engine, const uint8_t *bytes, size_t len, torvyn_component_t **out) {
  torvyn_error_t *err = STALE;
  int status = torvyn_component_deserialize_unchecked(engine, bytes, len, out, &err);
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (*out != NULL));
  torvyn_error_free(err);
  return status;
}

/* Where artifacts are written; removed at the end. */
static char directory[] = "/tmp/torvyn-test-XXXXXX";

static const char *file_of(const char *name, const uint8_t *bytes, size_t len) {
  static char path[sizeof directory + 64];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  file = fopen(path, "wb");
  CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
  return path;
}

/* A component must run, whatever it came from. */
static void runs(torvyn_component_t *component, const char *config, const char *payload, const char *wanted) {
  torvyn_linked_t *linked = NULL;
  torvyn_instance_t *instance;
  OK(torvyn_linked_new(component, NULL, &linked, &err));
  instance = instance_of(linked, 9, NULL);
  OK(torvyn_init(instance, str(config), &err));
  emits(instance, payload, wanted);
  torvyn_linked_free(linked);
  torvyn_instance_free(instance);
}

/* ---- compilation ----------------------------------------------------------- */

/* A component in text, with lifecycle alone: its init succeeds. */
static const char TEXT[] = "(component $c\n" SOUND ")\n";

static void compiles(const torvyn_engine_t *engine) {
  static const char *const good[] = {"upper-case", "upper-case-0.1.7", "upper-case-noversion"};
  torvyn_component_t *component, *other, *again;
  size_t len;
  uint8_t *bytes, digest[32];

  part("compiles: binary, file, text");
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.wasm", good[i]);
    bytes = load(name, &len);
    component = STALE;
    OK(torvyn_component_compile(engine, bytes, len, &component, &err));
    sha256(bytes, len, digest);
    memset(bytes, 0, len); /* borrowed for the call alone */
    free(bytes);
    CHECK(torvyn_component_content_id(component).len == 32);
    CHECK(memcmp(torvyn_component_content_id(component).data, digest, 32) == 0);
    runs(component, "anything", "Hello, World 7", "HELLO, WORLD 7");

    other = component_of(engine, good[i]);
    CHECK(memcmp(torvyn_component_content_id(other).data, digest, 32) == 0);
    again = torvyn_component_clone(other);
    torvyn_component_free(other);
    runs(again, "", "clone", "CLONE");
    torvyn_component_free(again);
    torvyn_component_free(component);
  }

  component = component_from(engine, TEXT);
  CHECK(torvyn_component_roles(component) == TORVYN_ROLE_LIFECYCLE);
  CHECK(torvyn_component_content_id(component).len == 32);
  {
    torvyn_linked_t *linked = NULL;
    torvyn_instance_t *instance;
    OK(torvyn_linked_new(component, NULL, &linked, &err));
    instance = instance_of(linked, 1, NULL);
    CHECK(torvyn_instance_state(instance) == TORVYN_STATE_NEW);
    OK(torvyn_init(instance, str("x"), &err));
    OK(torvyn_teardown(instance, &err));
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
  }
  torvyn_component_free(component);
}

static void refuses(const torvyn_engine_t *engine) {
  static const struct {
    const char *file;
    int status;
    const char *says;
  } files[] = {
      {"core-module.wasm", TORVYN_ERROR_CORE_MODULE, "component"},
      {"core-module.wat", TORVYN_ERROR_CORE_MODULE, "component"},
      {"empty.wasm", TORVYN_ERROR_NO_ROLE, "role"},
      {"empty.wat", TORVYN_ERROR_NO_ROLE, "role"},
      {"norole.wasm", TORVYN_ERROR_NO_ROLE, "acme:tools/math@1.0.0"},
      {"norole.wat", TORVYN_ERROR_NO_ROLE, "acme:tools/math@1.0.0"},
      {"upper-case-0.2.0.wasm", TORVYN_ERROR_NO_ROLE, "0.2.0"},
      {"README.md", TORVYN_ERROR_NOT_COMPONENT, ""},
      {"bindings.tar.xz", TORVYN_ERROR_NOT_COMPONENT, ""},
      {"no-such-file.wasm", TORVYN_ERROR_IO, "no-such-file.wasm"},
      {".", TORVYN_ERROR_IO, ""},
  };
  torvyn_component_t *component = STALE;
  size_t len;
  uint8_t *bytes;
  int status, malformed = 0;

  part("refuses: each for its own reason");
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    check_doing = files[i].file;
    component = STALE;
    EXPECT_TEXT(files[i].status, files[i].says,
                torvyn_component_compile_file(engine, guest_path(files[i].file), &component, &err));
    CHECK(component == NULL);
  }
  check_doing = "refuses";
  EXPECT(TORVYN_ERROR_NOT_COMPONENT, torvyn_component_compile(engine, (const uint8_t *)"", 0, &component, &err));
  EXPECT(TORVYN_ERROR_NOT_COMPONENT, torvyn_component_compile(engine, (const uint8_t *)"\0as", 3, &component, &err));
  EXPECT(TORVYN_ERROR_MALFORMED, torvyn_component_compile(engine, (const uint8_t *)TEXT, sizeof TEXT - 4, &component, &err));
  EXPECT(TORVYN_ERROR_ARGUMENT, torvyn_component_compile(engine, (const uint8_t *)"x", SIZE_MAX, &component, &err));

  part("refuses: truncated and damaged components");
  bytes = load("upper-case.wasm", &len);
  for (size_t cut = 0; cut < len; cut += 1 + len / (400 / check_slow() + 1)) {
    /* An exact allocation, so that a sanitizer sees a read past the end. */
    uint8_t *part_of = malloc(cut ? cut : 1);
    memcpy(part_of, bytes, cut);
    status = compile(engine, part_of, cut, &component);
    CHECK(status == TORVYN_ERROR_NOT_COMPONENT || status == TORVYN_ERROR_MALFORMED || status == TORVYN_ERROR_NO_ROLE);
    CHECK(status != TORVYN_ERROR_NOT_COMPONENT || cut <= 8);
    malformed += status == TORVYN_ERROR_MALFORMED;
    free(part_of);
  }
  CHECK(malformed > 10);

  /* What still compiles after damage is a stranger, and must be harmless. */
  torvyn_instance_options_t options = {.struct_size = sizeof options, .timeout_ns = 20 * MS};
  for (size_t at = 8; at < len; at += 1 + len / (300 / check_slow() + 1)) {
    torvyn_linked_t *linked = NULL;
    torvyn_instance_t *instance = NULL;
    bytes[at] ^= 1u << at % 8;
    if (compile(engine, bytes, len, &component) == TORVYN_OK) {
      if (torvyn_linked_new(component, NULL, &linked, NULL) == TORVYN_OK &&
          torvyn_instance_new(linked, 1, &options, &instance, NULL) == TORVYN_OK) {
        torvyn_element_t e = element("some text");
        torvyn_output_t out;
        torvyn_process(instance, &e, &out, NULL);
        torvyn_output_release(&out);
      }
      torvyn_instance_free(instance);
      torvyn_linked_free(linked);
      torvyn_component_free(component);
    }
    bytes[at] ^= 1u << at % 8;
  }
  free(bytes);
}

/* ---- artifacts ------------------------------------------------------------- */

static void artifacts(const torvyn_engine_t *engine) {
  torvyn_component_t *component = component_of(engine, "status-count"), *again = STALE;
  static const char line[] = "h - - [d z] \"GET / HTTP/1.1\" 404 7";
  torvyn_blob_t *blob = STALE;
  torvyn_bytes_t view;
  const char *path;
  uint8_t *copy;
  part("artifacts: from bytes and from a file");
  OK(torvyn_component_serialize(component, &blob, &err));
  view = torvyn_blob_bytes(blob);
  CHECK(view.data != NULL && view.len > 1000);
  copy = malloc(view.len);
  memcpy(copy, view.data, view.len);
  OK(torvyn_component_deserialize_unchecked(engine, copy, view.len, &again, &err));
  memset(copy, 0, view.len); /* borrowed for the call alone */
  CHECK(torvyn_component_roles(again) == (TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE));
  CHECK(memcmp(torvyn_component_content_id(again).data, torvyn_component_content_id(component).data, 32) == 0);
  CHECK(torvyn_component_import_count(again) == torvyn_component_import_count(component));
  CHECK(torvyn_component_export_count(again) == torvyn_component_export_count(component));
  CHECK(torvyn_component_path(again) == torvyn_component_path(component));
  runs(again, "", line, "404 1");
  {
    /* The artifact of an artifact is one too. */
    torvyn_blob_t *second = NULL;
    torvyn_component_t *third = NULL;
    OK(torvyn_component_serialize(again, &second, &err));
    OK(torvyn_component_deserialize_unchecked(engine, torvyn_blob_bytes(second).data, torvyn_blob_bytes(second).len,
                                              &third, &err));
    torvyn_blob_free(second);
    runs(third, "", line, "404 1");
    torvyn_component_free(third);
  }
  torvyn_component_free(again);

  path = file_of("artifact", view.data, view.len);
  OK(torvyn_component_deserialize_file_unchecked(engine, path, &again, &err));
  CHECK(memcmp(torvyn_component_content_id(again).data, torvyn_component_content_id(component).data, 32) == 0);
  runs(again, "", line, "404 1");
  torvyn_component_free(again);
  static const char *const orders[] = {"cli", "cil", "lci", "lic", "icl", "ilc"};
  for (int i = 0; i < 6; i++) { /* whoever is freed last has the mapping to itself */
    torvyn_linked_t *linked = NULL;
    torvyn_instance_t *instance;
    OK(torvyn_component_deserialize_file_unchecked(engine, path, &again, &err));
    OK(torvyn_linked_new(again, NULL, &linked, &err));
    instance = instance_of(linked, 1, NULL);
    for (const char *at = orders[i]; *at; at++) {
      if (*at == 'c') torvyn_component_free(again);
      if (*at == 'l') torvyn_linked_free(linked);
      if (*at == 'i') torvyn_instance_free(instance);
    }
  }
  CHECK(unlink(path) == 0);

  part("artifacts: damaged ones are refused");
  memcpy(copy, view.data, view.len);
  for (size_t at = 0; at < view.len;) {
    copy[at] ^= 1u << at % 8;
    CHECK(deserialize(engine, copy, view.len, &again) == TORVYN_ERROR_DESERIALIZATION);
    copy[at] ^= 1u << at % 8;
    /* All of the head, each second byte of what follows, then samples. */
    at += at < 256 ? 1 : at < 1024 ? 2 * check_slow() : 1 + view.len / (500 / check_slow() + 1);
  }
  {
    /* Another version says so in a header that is sound: its checksum is at byte 120. */
    uint8_t digest[32];
    copy[8]++;
    sha256(copy, 120, digest);
    memcpy(copy + 120, digest, 8);
    CHECK(deserialize(engine, copy, view.len, &again) == TORVYN_INCOMPATIBLE);
    memcpy(copy, view.data, view.len);
  }
  for (size_t cut = 0; cut < view.len; cut += cut < 300 ? 1 : 1 + view.len / (200 / check_slow() + 1)) {
    uint8_t *part_of = malloc(cut ? cut : 1);
    memcpy(part_of, view.data, cut);
    CHECK(deserialize(engine, part_of, cut, &again) == TORVYN_ERROR_DESERIALIZATION);
    free(part_of);
  }
  {
    uint8_t *more = calloc(1, view.len + 1);
    memcpy(more, view.data, view.len);
    CHECK(deserialize(engine, more, view.len + 1, &again) == TORVYN_ERROR_DESERIALIZATION);
    free(more);
  }
  CHECK(deserialize(engine, copy, view.len, &again) == TORVYN_OK); /* undamaged it still is good */
  torvyn_component_free(again);

  part("artifacts: damaged files are refused");
  for (size_t i = 0; i < 40; i++) {
    size_t at = i < 20 ? i * 8 : i * (view.len / 41), len = i % 2 ? at : view.len;
    if (i % 2 == 0) copy[at] ^= 1;
    path = file_of("damaged", copy, len);
    if (i % 2 == 0) copy[at] ^= 1;
    again = STALE;
    CHECK(torvyn_component_deserialize_file_unchecked(engine, path, &again, NULL) != TORVYN_OK);
    CHECK(again == NULL);
    CHECK(unlink(path) == 0);
  }
  path = file_of("empty", copy, 0);
  EXPECT(TORVYN_ERROR_DESERIALIZATION, torvyn_component_deserialize_file_unchecked(engine, path, &again, &err));
  CHECK(unlink(path) == 0);
  EXPECT_TEXT(TORVYN_ERROR_IO, "empty", torvyn_component_deserialize_file_unchecked(engine, path, &again, &err));
  EXPECT(TORVYN_ERROR_IO, torvyn_component_deserialize_file_unchecked(engine, directory, &again, &err));
  EXPECT(TORVYN_ERROR_DESERIALIZATION,
         torvyn_component_deserialize_file_unchecked(engine, guest_path("upper-case.wasm"), &again, &err));
  EXPECT(TORVYN_ERROR_IO, torvyn_component_compile_file(engine, directory, &again, &err));
  free(copy);
  torvyn_blob_free(blob);
  torvyn_component_free(component);
}

/* What is no component, or as large as none is, is not read to its end, which would take some GiB. */
static void large_files(const torvyn_engine_t *engine) {
  static const uint8_t magic[] = {0, 'a', 's', 'm', 13, 0, 1, 0};
  torvyn_component_t *component = STALE;
  struct rusage before, now;
  const char *path = file_of("large", magic, 0);
  CHECK(truncate(path, (off_t)3 << 30) == 0 && getrusage(RUSAGE_SELF, &before) == 0);
  EXPECT(TORVYN_ERROR_NOT_COMPONENT, torvyn_component_compile_file(engine, path, &component, &err));
  path = file_of("large", magic, sizeof magic);
  CHECK(truncate(path, (off_t)3 << 30) == 0);
  EXPECT_TEXT(TORVYN_ERROR_IO, "3221225472", torvyn_component_compile_file(engine, path, &component, &err));
  CHECK(getrusage(RUSAGE_SELF, &now) == 0 && now.ru_maxrss - before.ru_maxrss < 64 << 10);
  CHECK(unlink(path) == 0);
}

static void other_engines(const torvyn_engine_t *engine) {
  static const char line[] = "h - - [d z] \"GET / HTTP/1.1\" 200 7";
  torvyn_component_t *component = component_of(engine, "status-count");
  torvyn_engine_config_t base = {.struct_size = sizeof base}, config;
  torvyn_blob_t *blob = NULL;
  torvyn_bytes_t view;
  const char *path;

  part("artifacts: other engines");
  OK(torvyn_component_serialize(component, &blob, &err));
  view = torvyn_blob_bytes(blob);
  path = file_of("artifact", view.data, view.len);
  for (int i = 0; i < 12; i++) {
    torvyn_engine_t *other;
    torvyn_component_t *loaded = STALE;
    int wanted = i < 4 ? TORVYN_INCOMPATIBLE : TORVYN_OK;
    config = base;
    switch (i) {
    case 0: config.fuel = TORVYN_ON; break;
    case 1: config.explicit_traps = TORVYN_ON; break;
    case 2: config.simd = TORVYN_OFF; break;
    case 3: config.optimize = TORVYN_OPTIMIZE_SPEED_AND_SIZE; break;
    /* What does not change the code does not matter. */
    case 4: break;
    case 5: config.timeout_ns = 77 * MS; break;
    case 6: config.host_ticks = TORVYN_ON; break;
    case 7: config.memory_limit = 4 * MS; break;
    case 8: config.parallel_compilation = TORVYN_OFF; break;
    case 9: config.path = TORVYN_PATH_GENERAL; break; /* what code it lacks it can make */
    case 10: config.path = TORVYN_PATH_DIRECT; break;
    default: config.fuel = TORVYN_OFF; break;
    }
    other = engine_with(&config);
    EXPECT(wanted, torvyn_component_deserialize_unchecked(other, view.data, view.len, &loaded, &err));
    CHECK((loaded != NULL) == (wanted == TORVYN_OK));
    if (loaded) runs(loaded, "", line, "200 1");
    torvyn_component_free(loaded);
    EXPECT(wanted, torvyn_component_deserialize_file_unchecked(other, path, &loaded, &err));
    CHECK((loaded != NULL) == (wanted == TORVYN_OK));
    if (loaded) runs(loaded, "", line, "200 1");
    torvyn_component_free(loaded);
    torvyn_engine_free(other);
  }
  CHECK(unlink(path) == 0);
  torvyn_blob_free(blob);
  torvyn_component_free(component);
}

/* ---- what a component says of itself --------------------------------------- */

static int lists(const torvyn_component_t *c, const char *name, int exports) {
  size_t count = exports ? torvyn_component_export_count(c) : torvyn_component_import_count(c);
  for (size_t i = 0; i <= count; i++) {
    torvyn_str_t s = exports ? torvyn_component_export(c, i) : torvyn_component_import(c, i);
    CHECK(s.data != NULL && s.data[s.len] == '\0' && (s.len > 0) == (i < count));
    if (i < count && str_is(s, name)) return 1;
  }
  return 0;
}

/* Each import and export has a type; those of importer's own interface are known. */
static void types(const torvyn_component_t *c) {
  size_t imports = torvyn_component_import_count(c), exports = torvyn_component_export_count(c);
  for (size_t i = 0; i <= imports; i++) {
    torvyn_str_t name = torvyn_component_import(c, i), type = torvyn_component_import_type(c, i);
    CHECK(type.data != NULL && type.data[type.len] == '\0' && (i < imports || type.len == 0));
    if (str_is(name, "acme:db/lookup@1.0.0")) CHECK(str_is(type, "get: func(key: string) -> option<string>"));
    if (strstr(name.data, "torvyn:streaming/types")) CHECK(strstr(type.data, "resource buffer") != NULL);
  }
  for (size_t i = 0; i <= exports; i++) {
    torvyn_str_t name = torvyn_component_export(c, i), type = torvyn_component_export_type(c, i);
    CHECK(type.data != NULL && type.data[type.len] == '\0' && (i < exports || type.len == 0));
    if (strstr(name.data, "/processor")) CHECK(strstr(type.data, "process: func(") != NULL);
    if (strstr(name.data, "/sink")) CHECK(strstr(type.data, "complete: func()") != NULL);
  }
}

static void describes(const torvyn_engine_t *engine, torvyn_path_t path) {
  static const struct {
    const char *guest;
    uint32_t roles;
    const char *export, *import;
  } table[] = {
      {"upper-case", TORVYN_ROLE_PROCESSOR, "torvyn:streaming/processor@0.1.0", "torvyn:streaming/types@0.1.0"},
      {"upper-case-0.1.7", TORVYN_ROLE_PROCESSOR, "torvyn:streaming/processor@0.1.7", "torvyn:streaming/types@0.1.7"},
      {"upper-case-noversion", TORVYN_ROLE_PROCESSOR, "torvyn:streaming/processor", "torvyn:streaming/types"},
      {"line-source", TORVYN_ROLE_SOURCE | TORVYN_ROLE_LIFECYCLE, "torvyn:streaming/source@0.1.0",
       "torvyn:streaming/buffer-allocator@0.1.0"},
      {"field-filter", TORVYN_ROLE_PROCESSOR | TORVYN_ROLE_LIFECYCLE, "torvyn:streaming/lifecycle@0.1.0", NULL},
      {"count-sink", TORVYN_ROLE_SINK | TORVYN_ROLE_LIFECYCLE, "torvyn:streaming/sink@0.1.0", NULL},
      {"even-filter", TORVYN_ROLE_FILTER | TORVYN_ROLE_LIFECYCLE, "torvyn:filtering/filter@0.1.0", NULL},
      {"port-router", TORVYN_ROLE_ROUTER | TORVYN_ROLE_LIFECYCLE, "torvyn:filtering/router@0.1.0", NULL},
      {"batch-aggregator", TORVYN_ROLE_AGGREGATOR | TORVYN_ROLE_LIFECYCLE, "torvyn:aggregation/aggregator@0.1.0", NULL},
      {"importer", TORVYN_ROLE_PROCESSOR, "torvyn:streaming/processor@0.1.0", "acme:db/lookup@1.0.0"},
      {"raw-result", TORVYN_ROLE_PROCESSOR, "torvyn:streaming/processor@0.1.0", "torvyn:streaming/types@0.1.0"},
  };
  part(path == TORVYN_PATH_DIRECT ? "describes: direct" : "describes: general");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    torvyn_component_t *c;
    torvyn_linked_t *linked = STALE;
    torvyn_str_t reason;
    check_doing = table[i].guest;
    c = component_of(engine, table[i].guest);
    CHECK(torvyn_component_roles(c) == table[i].roles);
    CHECK(lists(c, table[i].export, 1) && !lists(c, "torvyn:streaming/nothing@0.1.0", 1));
    CHECK(table[i].import == NULL || lists(c, table[i].import, 0));
    CHECK(str_is(torvyn_component_export(c, SIZE_MAX), "") && str_is(torvyn_component_import(c, SIZE_MAX), ""));
    types(c);
    reason = torvyn_component_path_reason(c);
    CHECK(reason.data != NULL && reason.data[reason.len] == '\0');
    if (!strcmp(table[i].guest, "importer")) {
      EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, "acme:db/lookup@1.0.0", torvyn_linked_new(c, NULL, &linked, &err));
      CHECK(linked == NULL);
      CHECK(torvyn_component_path(c) == TORVYN_PATH_GENERAL && reason.len > 0);
    } else {
      OK(torvyn_linked_new(c, NULL, &linked, &err));
      CHECK(torvyn_component_path(c) == path && torvyn_linked_path(linked) == path);
      CHECK((reason.len == 0) == (path == TORVYN_PATH_DIRECT));
      CHECK((torvyn_linked_path_reason(linked).len == 0) == (path == TORVYN_PATH_DIRECT));
    }
    torvyn_linked_free(linked);
    torvyn_component_free(c);
  }
}

/* ---- imports --------------------------------------------------------------- */

static void imports(const torvyn_engine_t *engine, const torvyn_engine_t *other) {
  torvyn_component_t *component = component_of(engine, "upper-case");
  torvyn_imports_t *ours = STALE, *theirs = STALE, *clone;
  torvyn_linked_t *linked = STALE, *twin;
  torvyn_instance_t *instance;

  part("imports");
  OK(torvyn_imports_new(engine, &ours, &err));
  OK(torvyn_imports_new(other, &theirs, &err));
  clone = torvyn_imports_clone(ours);
  torvyn_imports_free(ours);
  OK(torvyn_linked_new(component, clone, &linked, &err));
  torvyn_imports_free(clone);
  torvyn_component_free(component);
  twin = torvyn_linked_clone(linked);
  torvyn_linked_free(linked);
  instance = instance_of(twin, UINT64_MAX, NULL);
  torvyn_linked_free(twin);
  CHECK(torvyn_instance_id(instance) == UINT64_MAX);
  CHECK(torvyn_instance_roles(instance) == TORVYN_ROLE_PROCESSOR);
  emits(instance, "linked", "LINKED");
  torvyn_instance_free(instance);

  component = component_of(engine, "upper-case");
  EXPECT(TORVYN_ERROR_WRONG_ENGINE, torvyn_linked_new(component, theirs, &linked, &err));
  CHECK(linked == NULL);
  torvyn_component_free(component);
  torvyn_imports_free(theirs);
}

int main(int argc, char **argv) {
  torvyn_engine_t *direct, *general, *engine;
  check_begin(argc, argv);
  CHECK(mkdtemp(directory) != NULL);
  engine = engine_with(NULL);
  direct = engine_on(TORVYN_PATH_AUTO);
  general = engine_on(TORVYN_PATH_GENERAL);
  compiles(engine);
  compiles(general);
  refuses(engine);
  artifacts(engine);
  artifacts(general);
  large_files(engine);
  other_engines(engine);
  describes(direct, TORVYN_PATH_DIRECT);
  describes(general, TORVYN_PATH_GENERAL);
  imports(direct, general);
  torvyn_engine_free(engine);
  torvyn_engine_free(direct);
  torvyn_engine_free(general);
  CHECK(rmdir(directory) == 0);
  return check_end();
}
