/* Making outputs; for the worlds that import `buffer-allocator`. */
#ifndef EMIT_H
#define EMIT_H

#include "guest.h"

typedef torvyn_streaming_types_own_mutable_buffer_t mutable_t;
typedef torvyn_streaming_types_buffer_error_t buffer_error_t;

static inline torvyn_streaming_types_borrow_mutable_buffer_t borrowed(mutable_t m) {
    return torvyn_streaming_types_borrow_mutable_buffer(m);
}

/* Names a buffer error. The text of `allocation-failed` stays the caller's. */
static inline text_t buffer_error_text(const buffer_error_t *e) {
    switch (e->tag) {
    case TORVYN_STREAMING_TYPES_BUFFER_ERROR_CAPACITY_EXCEEDED: return text("capacity-exceeded");
    case TORVYN_STREAMING_TYPES_BUFFER_ERROR_OUT_OF_BOUNDS: return text("out-of-bounds");
    default: return (text_t){(const char *)e->val.allocation_failed.ptr, e->val.allocation_failed.len};
    }
}

/* Turns a refused buffer into the process error `unavailable`. */
static inline bool fail_buffer(error_t *err, buffer_error_t *e) {
    fail(err, UNAVAILABLE, buffer_error_text(e));
    torvyn_streaming_types_buffer_error_free(e);
    return false;
}

static inline bool buffer_append(mutable_t m, text_t bytes, buffer_error_t *e) {
    bytes_t list = {(uint8_t *)bytes.ptr, bytes.len};
    return torvyn_streaming_types_method_mutable_buffer_append(borrowed(m), &list, e);
}

/* Freezes `m` into `*out`. Takes `meta`, whose content type becomes the buffer's. */
static inline void output_finish(mutable_t m, meta_t meta, output_t *out) {
    if (meta.content_type.len)
        torvyn_streaming_types_method_mutable_buffer_set_content_type(borrowed(m), &meta.content_type);
    out->meta = meta;
    out->payload = torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    torvyn_streaming_types_mutable_buffer_drop_own(m); /* freeze leaves the handle with us */
}

/* Copies `bytes` into a new host buffer. Takes `meta` in every case. */
static inline bool output_make(meta_t meta, text_t bytes, output_t *out, error_t *err) {
    mutable_t m;
    buffer_error_t e;
    if (!torvyn_streaming_buffer_allocator_allocate(bytes.len, &m, &e)) {
        string_drop(&meta.content_type);
        return fail_buffer(err, &e);
    }
    if (!buffer_append(m, bytes, &e)) {
        torvyn_streaming_types_mutable_buffer_drop_own(m);
        string_drop(&meta.content_type);
        return fail_buffer(err, &e);
    }
    output_finish(m, meta, out);
    return true;
}

#endif
