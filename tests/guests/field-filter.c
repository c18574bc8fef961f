/* A processor that lets elements pass by one of their fields.
 *
 * Configuration: FIELD=VALUE or FIELD!=VALUE, where FIELD counts the
 * whitespace-separated fields of the payload from 1. "9=404" keeps the lines
 * of a web server's access log that report a missing page. A payload without
 * that field is unequal to every value. */
#define WORLD managed_transform
#include "managed_transform.h"
#include "emit.h"

static uint32_t field;
static bool negated;
static text_t value; /* points into the configuration, which is kept */

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    text_t t = text_trim((text_t){(const char *)config->ptr, config->len});
    if (t.len == 0)
        return fail(err, INVALID_INPUT, text("empty config: want FIELD=VALUE or FIELD!=VALUE, as in 9=404"));
    if (!text_take_number(&t, &field))
        return fail(err, INVALID_INPUT, text("bad config: it does not start with a field number, as in 9=404"));
    if (field == 0)
        return fail(err, INVALID_INPUT, text("bad config: field numbers count from 1"));

    negated = text_starts(t, text("!="));
    if (!negated && !text_starts(t, text("=")))
        return fail(err, INVALID_INPUT, text("bad config: neither = nor != follows the field number"));
    value = text_skip(t, negated ? 2 : 1);
    if (value.len == 0)
        return fail(err, INVALID_INPUT, text("bad config: no value follows the = sign"));
    if (text_field(value, 1).len != value.len)
        return fail(err, INVALID_INPUT, text("bad config: the value has whitespace, which no field has"));
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t bytes;
    torvyn_streaming_types_method_buffer_read_all(input->payload, &bytes);
    bool passes = text_equal(text_field(text_of(bytes), field), value) != negated;
    bytes_drop(&bytes);

    bool ok = true;
    if (passes) {
        /* The host copies buffer to buffer; the bytes need not come through here. */
        mutable_t copy;
        buffer_error_t e;
        ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
        ok = torvyn_streaming_buffer_allocator_clone_into_mutable(input->payload, &copy, &e);
        if (ok)
            output_finish(copy, input->meta, &ret->val.emit);
        else
            fail_buffer(err, &e);
    } else {
        ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_DROP;
    }
    if (!passes || !ok) string_drop(&input->meta.content_type);
    element_drop_borrows(input);
    return ok;
}
