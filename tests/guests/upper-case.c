/* A processor without lifecycle: turns ASCII letters into capitals.
 * The same source serves the versions of the contract named in build.sh. */
#define WORLD transform
#include "transform.h"
#include "emit.h"

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t bytes = element_take(input);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] >= 'a' && bytes.ptr[i] <= 'z') bytes.ptr[i] -= 'a' - 'A';

    ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    bool ok = output_make(input->meta, text_of(bytes), &ret->val.emit, err);
    bytes_drop(&bytes);
    return ok;
}
