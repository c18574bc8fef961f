/* An aggregator that joins N payloads, with a newline between them, into one.
 *
 * Configuration: "N", or "N split"; empty means 3. A flush gives what is held
 * as one joined element or, with "split", as the elements that came in. A
 * joined element has the meta of the last one in it. */
#define WORLD stream_aggregator
#include "stream_aggregator.h"
#include "emit.h"

typedef struct {
    meta_t meta;
    bytes_t bytes;
} held_t;

static uint32_t batch = 3;
static bool split;
static held_t *held; /* room for `batch`, `count` of them in use */
static uint32_t count;

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    text_t t = text_trim((text_t){(const char *)config->ptr, config->len});
    if (t.len) {
        bool ok = text_take_number(&t, &batch) && batch >= 1 && batch <= 100000;
        split = ok && text_equal(text_trim(t), text("split")) && is_space(t.ptr[0]);
        if (!ok || (t.len && !split))
            return fail(err, INVALID_INPUT, text("bad config: want N or \"N split\" with N from 1 to 100000"));
    }
    string_drop(config);
    held = malloc(batch * sizeof *held);
    return held || fail(err, INTERNAL, text("no memory for a batch of that size"));
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

/* Gives all that is held as one output; what is held stays held on failure. */
static bool join(output_t *out, error_t *err) {
    uint64_t size = count - 1; /* the newlines */
    for (uint32_t i = 0; i < count; i++) size += held[i].bytes.len;

    mutable_t m;
    buffer_error_t e;
    if (!torvyn_streaming_buffer_allocator_allocate(size, &m, &e)) return fail_buffer(err, &e);
    for (uint32_t i = 0; i < count; i++) {
        if ((i && !buffer_append(m, text("\n"), &e)) || !buffer_append(m, text_of(held[i].bytes), &e)) {
            torvyn_streaming_types_mutable_buffer_drop_own(m);
            return fail_buffer(err, &e);
        }
    }
    output_finish(m, held[count - 1].meta, out); /* takes the last one's content type */
    held[count - 1].meta.content_type = (string_t){NULL, 0};
    return true;
}

/* Gives each held element as an output of its own, or none of them. */
static bool split_up(output_t *outs, error_t *err) {
    for (uint32_t i = 0; i < count; i++) {
        meta_t meta = held[i].meta;
        meta.content_type = string_copy((text_t){(const char *)meta.content_type.ptr, meta.content_type.len});
        if (!output_make(meta, text_of(held[i].bytes), &outs[i], err)) {
            while (i--) {
                torvyn_streaming_types_buffer_drop_own(outs[i].payload);
                string_drop(&outs[i].meta.content_type);
            }
            return false;
        }
    }
    return true;
}

static void forget_held(void) {
    while (count) {
        held_t *h = &held[--count];
        string_drop(&h->meta.content_type);
        bytes_drop(&h->bytes);
    }
}

bool exports_torvyn_aggregation_aggregator_ingest(
    element_t *element, exports_torvyn_aggregation_aggregator_option_output_element_t *ret, error_t *err) {
    held[count].bytes = element_take(element);
    held[count++].meta = element->meta;
    ret->is_some = count == batch;
    if (!ret->is_some) return true;

    bool ok = join(&ret->val, err);
    forget_held(); /* a batch that could not be given is lost, or it would grow past its room */
    return ok;
}

bool exports_torvyn_aggregation_aggregator_flush(
    exports_torvyn_aggregation_aggregator_list_output_element_t *ret, error_t *err) {
    *ret = (exports_torvyn_aggregation_aggregator_list_output_element_t){NULL, 0};
    if (count == 0) return true;

    size_t outputs = split ? count : 1;
    ret->ptr = malloc(outputs * sizeof *ret->ptr);
    if (!ret->ptr) return fail(err, INTERNAL, text("no memory for the list of outputs"));
    if (!(split ? split_up(ret->ptr, err) : join(ret->ptr, err))) {
        free(ret->ptr);
        return false; /* still held: flush may be tried again */
    }
    ret->len = outputs;
    forget_held();
    return true;
}
