/* What the guests share: short names for the bindings of one world, and the
 * few text helpers that stand in for stdio.
 *
 * A guest says which world it is written for, then includes the two headers:
 *
 *     #define WORLD transform
 *     #include "transform.h"
 *     #include "guest.h"
 *
 * Ownership, which the bindings leave to the guest:
 *   - strings and lists that arrive (arguments, results of imports) were made
 *     by `cabi_realloc` and are the guest's to free;
 *   - strings and lists that leave in a result are freed by the bindings after
 *     the host has read them, so they must come from malloc;
 *   - the borrowed payload and context of an element must be dropped by hand.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_JOIN_(a, b) a##b
#define GUEST_JOIN(a, b) GUEST_JOIN_(a, b)

typedef GUEST_JOIN(WORLD, _string_t) string_t;
typedef GUEST_JOIN(WORLD, _list_u8_t) bytes_t;
typedef torvyn_streaming_types_element_meta_t meta_t;
typedef torvyn_streaming_types_stream_element_t element_t;
typedef torvyn_streaming_types_output_element_t output_t;
typedef torvyn_streaming_types_process_error_t error_t;

enum {
    INVALID_INPUT = TORVYN_STREAMING_TYPES_PROCESS_ERROR_INVALID_INPUT,
    UNAVAILABLE = TORVYN_STREAMING_TYPES_PROCESS_ERROR_UNAVAILABLE,
    INTERNAL = TORVYN_STREAMING_TYPES_PROCESS_ERROR_INTERNAL,
    DEADLINE_EXCEEDED = TORVYN_STREAMING_TYPES_PROCESS_ERROR_DEADLINE_EXCEEDED,
    FATAL = TORVYN_STREAMING_TYPES_PROCESS_ERROR_FATAL
};

/* ---- text that is looked at, not owned ---------------------------------- */

typedef struct {
    const char *ptr;
    size_t len;
} text_t;

static inline text_t text(const char *s) { return (text_t){s, strlen(s)}; }

static inline text_t text_of(bytes_t b) { return (text_t){(const char *)b.ptr, b.len}; }

static inline bool text_equal(text_t a, text_t b) {
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static inline bool text_starts(text_t t, text_t prefix) {
    return t.len >= prefix.len && memcmp(t.ptr, prefix.ptr, prefix.len) == 0;
}

static inline text_t text_skip(text_t t, size_t n) { return (text_t){t.ptr + n, t.len - n}; }

static inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static inline text_t text_trim(text_t t) {
    while (t.len && is_space(t.ptr[0])) t = text_skip(t, 1);
    while (t.len && is_space(t.ptr[t.len - 1])) t.len--;
    return t;
}

/* The `number`-th whitespace-separated field, from 1; empty where there is none. */
static inline text_t text_field(text_t t, uint32_t number) {
    for (;;) {
        size_t len = 0;
        while (t.len && is_space(t.ptr[0])) t = text_skip(t, 1);
        while (len < t.len && !is_space(t.ptr[len])) len++;
        if (len == 0 || --number == 0) return (text_t){t.ptr, len};
        t = text_skip(t, len);
    }
}

/* Takes a decimal number of at most nine digits off the front of `*t`. */
static inline bool text_take_number(text_t *t, uint32_t *value) {
    size_t digits = 0;
    *value = 0;
    while (digits < t->len && t->ptr[digits] >= '0' && t->ptr[digits] <= '9') {
        if (digits == 9) return false;
        *value = *value * 10 + (uint32_t)(t->ptr[digits++] - '0');
    }
    *t = text_skip(*t, digits);
    return digits > 0;
}

/* ---- text that is put together ------------------------------------------ */

/* A line under construction; what does not fit is cut off. */
typedef struct {
    char chars[640];
    size_t len;
} line_t;

static inline void line_text(line_t *line, text_t t) {
    size_t room = sizeof line->chars - line->len;
    size_t n = t.len < room ? t.len : room;
    memcpy(line->chars + line->len, t.ptr, n);
    line->len += n;
}

static inline void line_add(line_t *line, const char *s) { line_text(line, text(s)); }

static inline void line_number(line_t *line, uint64_t value) {
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    line_text(line, (text_t){digits + n, sizeof digits - n});
}

static inline text_t line_done(const line_t *line) { return (text_t){line->chars, line->len}; }

/* ---- the contract ------------------------------------------------------- */

/* A copy that may leave in a result. The empty string needs no memory. */
static inline string_t string_copy(text_t t) {
    string_t s = {NULL, t.len};
    if (t.len) {
        s.ptr = malloc(t.len);
        if (!s.ptr) abort();
        memcpy(s.ptr, t.ptr, t.len);
    }
    return s;
}

static inline void string_drop(string_t *s) {
    if (s->len) free(s->ptr);
    *s = (string_t){NULL, 0};
}

static inline void bytes_drop(bytes_t *b) {
    if (b->len) free(b->ptr);
    *b = (bytes_t){NULL, 0};
}

/* Gives back what an element lends; only its `meta` may be used afterwards. */
static inline void element_drop_borrows(const element_t *e) {
    torvyn_streaming_types_buffer_drop_borrow(e->payload);
    torvyn_streaming_types_flow_context_drop_borrow(e->context);
}

/* The payload's bytes, after which the guest needs the borrows no longer. */
static inline bytes_t element_take(const element_t *e) {
    bytes_t b;
    torvyn_streaming_types_method_buffer_read_all(e->payload, &b);
    element_drop_borrows(e);
    return b;
}

/* Fills in an error and answers false, which is how a binding reports one. */
static inline bool fail(error_t *err, uint8_t kind, text_t why) {
    err->tag = kind;
    err->val.fatal = string_copy(why); /* the five cases share one place */
    return false;
}

#endif
