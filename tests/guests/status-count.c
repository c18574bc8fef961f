/* A processor with state: counts the HTTP statuses in a web server's access
 * log (common or combined format, one line an element) and says for each line
 * its status and how often that status was seen by now, as in "404 17". */
#define WORLD managed_transform
#include "managed_transform.h"
#include "emit.h"

static uint32_t seen[600]; /* by status */

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    (void)err;
    string_drop(config); /* nothing to configure */
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

/* The ninth field is the status where the request line has its three words. */
static bool parse_status(text_t line, uint32_t *status) {
    text_t t = text_field(line, 9);
    return t.len == 3 && text_take_number(&t, status) && t.len == 0 && *status >= 100 && *status < 600;
}

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t bytes = element_take(input);
    uint32_t status;
    bool parsed = parse_status(text_of(bytes), &status);
    bytes_drop(&bytes);
    string_drop(&input->meta.content_type);
    if (!parsed) return fail(err, INVALID_INPUT, text("no HTTP status in the ninth field"));

    line_t line = {.len = 0};
    line_number(&line, status);
    line_add(&line, " ");
    line_number(&line, ++seen[status]);

    meta_t meta = {input->meta.sequence, input->meta.timestamp_ns, string_copy(text("text/plain"))};
    ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    return output_make(meta, line_done(&line), &ret->val.emit, err);
}
