/* A processor that needs something outside the contract: it looks its payload
 * up in the host's `acme:db/lookup` (see importer.wit) and emits what it finds,
 * or drops the element where there is nothing. */
#define WORLD transform
#include "transform.h"
#include "emit.h"

/* `get: func(key: string) -> option<string>` as the canonical ABI lowers it. */
typedef struct {
    uint8_t is_some;
    string_t value;
} found_t;

__attribute__((import_module("acme:db/lookup@1.0.0"), import_name("get")))
extern void lookup_get(const uint8_t *key, size_t len, found_t *ret);

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t key = element_take(input);
    found_t found;
    lookup_get(key.ptr, key.len, &found);
    bytes_drop(&key);

    if (!found.is_some) {
        string_drop(&input->meta.content_type);
        ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_DROP;
        return true;
    }
    text_t value = {(const char *)found.value.ptr, found.value.len};
    ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    bool ok = output_make(input->meta, value, &ret->val.emit, err);
    string_drop(&found.value);
    return ok;
}
