/* The fuzz target `artifact`: bytes that are to be an artifact, and real artifacts that were damaged.
 * None is taken for sound, from memory or from a file. Malice is another matter: who can change an
 * artifact and its checksums may as well change the program. */
#ifndef ARTIFACT_H
#define ARTIFACT_H

#include "fuzz.h"

typedef struct {
  uint8_t *bytes;
  size_t len;
} artifact_t;

enum { ARTIFACTS = 4 }; /* of two engines, of two guests each */

/* The artifact of a guest, compiled by an engine. */
static inline artifact_t artifact_of(const torvyn_engine_t *engine, const char *guest) {
  torvyn_component_t *component = component_of(engine, guest);
  torvyn_blob_t *blob = STALE;
  OK(torvyn_component_serialize(component, &blob, &err));
  torvyn_bytes_t bytes = torvyn_blob_bytes(blob);
  artifact_t artifact = {malloc(bytes.len), bytes.len};
  CHECK(artifact.bytes != NULL);
  memcpy(artifact.bytes, bytes.data, bytes.len);
  torvyn_blob_free(blob);
  torvyn_component_free(component);
  return artifact;
}

/* Damages `len` bytes as the input says; gives their number after that, at most `room`. */
static inline size_t damage(input_t *in, uint8_t *bytes, size_t len, size_t room, const artifact_t *sound) {
  for (int edits = 0; edits < 8 && (edits == 0 || more(in)); edits++) {
    uint8_t kind = byte_of(in);
    /* The header and the index, which are first, as often as all the rest. */
    size_t within = kind & 128 ? (len < 1024 ? len : 1024) : len;
    size_t at = within ? (size_t)number_of(in, 3) % within : 0, n = byte_of(in);
    switch (kind % 8) {
    case 0:
    case 1: /* a bit */
      if (len) bytes[at] ^= (uint8_t)(1u << (n % 8));
      break;
    case 2: /* a byte */
      if (len) bytes[at] = (uint8_t)n;
      break;
    case 3: /* cut off */
      len = at;
      break;
    case 4: /* more at the end */
      for (; n && len < room; n--) bytes[len++] = (uint8_t)n;
      break;
    case 5: /* a range that is zero, as after a lost page */
      n *= 64;
      memset(bytes + at, 0, n < len - at ? n : len - at);
      break;
    case 6: /* the rest of another artifact */
      if (at < sound[n % ARTIFACTS].len) {
        len = sound[n % ARTIFACTS].len;
        memcpy(bytes + at, sound[n % ARTIFACTS].bytes + at, len - at);
      }
      break;
    case 7: /* a range moved */
      n = n < len - at ? n : len - at;
      memmove(bytes + (at / 2), bytes + at, n);
      break;
    }
  }
  return len;
}

/* What an engine says of the bytes, in memory and in a file. */
static inline int deserialized(const torvyn_engine_t *engine, const uint8_t *bytes, size_t len, int by_file) {
  torvyn_component_t *component = STALE;
  torvyn_error_t *err = STALE;
  int status;
  if (by_file) {
    static char path[] = "/tmp/torvyn-artifact-XXXXXX";
    static int file = -1;
    if (file < 0) {
      CHECK((file = mkstemp(path)) >= 0);
    }
    CHECK(ftruncate(file, 0) == 0 && pwrite(file, bytes, len, 0) == (ssize_t)len);
    status = torvyn_component_deserialize_file_unchecked(engine, path, &component, &err);
  } else {
    status = torvyn_component_deserialize_unchecked(engine, bytes, len, &component, &err);
  }
  CHECK((status < 0) == (err != NULL) && (status == TORVYN_OK) == (component != NULL));
  CHECK(status == TORVYN_OK || status == TORVYN_INCOMPATIBLE || status == TORVYN_ERROR_DESERIALIZATION);
  torvyn_error_free(err);
  torvyn_component_free(component);
  return status;
}

static inline void fuzz_artifact(const uint8_t *bytes, size_t len) {
  static torvyn_engine_t *engines[2];
  static artifact_t artifacts[ARTIFACTS];
  static uint8_t *copy;
  static size_t room;
  input_t in = input_of(bytes, len);
  uint8_t mode = byte_of(&in);
  unsigned which = mode >> 1 & 3;
  if (!engines[0]) {
    for (int i = 0; i < ARTIFACTS; i++) {
      torvyn_engine_config_t config = {.struct_size = sizeof config, .fuel = i / 2 ? TORVYN_ON : TORVYN_OFF};
      if (i % 2 == 0) engines[i / 2] = engine_with(&config);
      artifacts[i] = artifact_of(engines[i / 2], i % 2 ? "even-filter" : "raw-result");
      if (room < artifacts[i].len) room = artifacts[i].len;
    }
    room += 4096;
    CHECK((copy = malloc(room)) != NULL);
    for (int i = 0; i < ARTIFACTS; i++)
      for (int by_file = 0; by_file < 2; by_file++) {
        CHECK(deserialized(engines[i / 2], artifacts[i].bytes, artifacts[i].len, by_file) == TORVYN_OK);
        CHECK(deserialized(engines[1 - i / 2], artifacts[i].bytes, artifacts[i].len, by_file) == TORVYN_INCOMPATIBLE);
      }
  }
  if (mode & 1) { /* bytes of any kind */
    CHECK(deserialized(engines[which / 2], in.at, (size_t)(in.end - in.at), which % 2) != TORVYN_OK);
    return;
  }
  memcpy(copy, artifacts[which].bytes, artifacts[which].len);
  size_t after = damage(&in, copy, artifacts[which].len, room, artifacts);
  /* Damage may undo itself, or make another artifact of this one. */
  for (unsigned i = 0; i < ARTIFACTS; i++)
    if (after == artifacts[i].len && memcmp(copy, artifacts[i].bytes, after) == 0) return;
  CHECK(deserialized(engines[which / 2], copy, after, (mode & 24) == 24) != TORVYN_OK);
}

#endif /* ARTIFACT_H */
