/* A source: its configuration is the text whose lines it gives, one a pull. */
#define WORLD data_source
#include "data_source.h"
#include "emit.h"

static text_t rest;       /* what has not been given yet */
static uint64_t sequence; /* of the next line */
static bool paused;       /* the host asked for silence */

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    (void)err;
    rest = (text_t){(const char *)config->ptr, config->len}; /* kept for good */
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

void exports_torvyn_streaming_source_notify_backpressure(torvyn_streaming_types_backpressure_signal_t signal) {
    paused = signal == TORVYN_STREAMING_TYPES_BACKPRESSURE_SIGNAL_PAUSE;
}

bool exports_torvyn_streaming_source_pull(exports_torvyn_streaming_source_option_output_element_t *ret,
                                          error_t *err) {
    ret->is_some = false;
    if (paused || rest.len == 0) return true;

    const char *newline = memchr(rest.ptr, '\n', rest.len);
    text_t line = {rest.ptr, newline ? (size_t)(newline - rest.ptr) : rest.len};
    meta_t meta = {sequence, 0, string_copy(text("text/plain"))};
    if (!output_make(meta, line, &ret->val, err)) return false; /* the line may be pulled again */

    ret->is_some = true;
    sequence++;
    rest = text_skip(rest, line.len + (newline != NULL));
    return true;
}
