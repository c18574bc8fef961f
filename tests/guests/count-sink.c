/* A sink that counts elements and bytes.
 *
 * Configuration: empty, or pause-every=N, which answers "pause" to each N-th
 * element. A push after complete is refused, with the counts in the text. */
#define WORLD data_sink
#include "data_sink.h"
#include "guest.h"

static uint32_t pause_every; /* 0: never */
static uint64_t elements, bytes;
static bool completed;

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    text_t t = text_trim((text_t){(const char *)config->ptr, config->len});
    text_t key = text("pause-every=");
    bool ok = true;
    if (t.len) {
        ok = text_starts(t, key);
        if (ok) {
            t = text_skip(t, key.len);
            ok = text_take_number(&t, &pause_every) && t.len == 0 && pause_every > 0;
        }
    }
    string_drop(config);
    return ok || fail(err, INVALID_INPUT, text("bad config: want nothing or pause-every=N with N from 1"));
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

bool exports_torvyn_streaming_sink_push(element_t *element,
                                        torvyn_streaming_types_backpressure_signal_t *ret,
                                        error_t *err) {
    uint64_t size = torvyn_streaming_types_method_buffer_size(element->payload);
    element_drop_borrows(element);
    string_drop(&element->meta.content_type);

    if (completed) {
        line_t line = {.len = 0};
        line_add(&line, "the sink was completed after ");
        line_number(&line, elements);
        line_add(&line, " elements, ");
        line_number(&line, bytes);
        line_add(&line, " bytes");
        return fail(err, INVALID_INPUT, line_done(&line));
    }
    elements++;
    bytes += size;
    *ret = pause_every && elements % pause_every == 0 ? TORVYN_STREAMING_TYPES_BACKPRESSURE_SIGNAL_PAUSE
                                                      : TORVYN_STREAMING_TYPES_BACKPRESSURE_SIGNAL_READY;
    return true;
}

bool exports_torvyn_streaming_sink_complete(error_t *err) {
    (void)err;
    completed = true;
    return true;
}
