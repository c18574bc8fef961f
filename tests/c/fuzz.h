/* What the fuzz targets share (fuzz/README.md): an input whose bytes decide what is
 * done next. After its end every answer is 0, so that any input is one. */
#ifndef FUZZ_H
#define FUZZ_H

#include "check.h"

typedef struct {
  const uint8_t *at, *end;
} input_t;

static inline input_t input_of(const uint8_t *bytes, size_t len) {
  input_t in = {bytes, bytes ? bytes + len : bytes};
  return in;
}

static inline int more(const input_t *in) { return in->at < in->end; }

static inline uint8_t byte_of(input_t *in) { return more(in) ? *in->at++ : 0; }

static inline uint64_t number_of(input_t *in, unsigned bytes) {
  uint64_t n = 0;
  for (unsigned i = 0; i < bytes; i++) n |= (uint64_t)byte_of(in) << (8 * i);
  return n;
}

/* A number that is often at an edge of something. */
static inline uint64_t odd_number(input_t *in) {
  static const uint64_t odd[] = {0, 1, 2, 3, 8, 255, 4095, 4096, 65535, 65536, 1 << 20, (1 << 24) - 1, 1 << 24,
                                 (1 << 24) + 1, INT32_MAX, UINT32_MAX, (uint64_t)1 << 32, INT64_MAX, UINT64_MAX - 1,
                                 UINT64_MAX};
  uint8_t b = byte_of(in);
  size_t count = sizeof odd / sizeof *odd;
  return b < 2 * count ? odd[b / 2] : number_of(in, 1 + b % 8);
}

/* The next bytes, at most `most` of them and at most those that there are; a length comes first. */
static inline torvyn_bytes_t bytes_of(input_t *in, size_t most) {
  size_t len = byte_of(in), left;
  if (len >= 224) len = (len - 224) << 8 | byte_of(in);
  left = (size_t)(in->end - in->at);
  if (len > left) len = left;
  if (len > most) len = most;
  torvyn_bytes_t bytes = {in->at, len};
  in->at += len;
  return bytes;
}

/* The same as text: bytes that are no ASCII lose their high bit. Good until the fourth call after this one. */
static inline torvyn_str_t text_of(input_t *in) {
  static char texts[4][256];
  static unsigned turn;
  char *text = texts[turn++ % 4];
  torvyn_bytes_t bytes = bytes_of(in, sizeof texts[0]);
  for (size_t i = 0; i < bytes.len; i++) text[i] = (char)(bytes.data[i] & 0x7f);
  torvyn_str_t s = {text, bytes.len};
  return s;
}

/* Element `i % 8` of a set of texts that media types and flows have. */
static inline torvyn_str_t type_of(unsigned i) {
  static const char *const types[] = {"", "a/b", "text/pl", "text/csv", "application/json", "application/json;",
                                      "text/plain; charset=\xc3\xa9\xe2\x82\xac", "x"};
  return str(types[i % 8]);
}

#endif /* FUZZ_H */
