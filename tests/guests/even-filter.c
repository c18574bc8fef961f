/* A filter. Without configuration it lets every second element pass, by its
 * sequence number, and never looks at the payload; with one, the elements
 * whose payload contains the configured text. */
#define WORLD content_filter
#include "content_filter.h"
#include "guest.h"

static text_t wanted; /* points into the configuration, which is kept */

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    (void)err;
    wanted = (text_t){(const char *)config->ptr, config->len};
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

static bool contains(text_t haystack, text_t needle) {
    for (; haystack.len >= needle.len; haystack = text_skip(haystack, 1))
        if (text_starts(haystack, needle)) return true;
    return false;
}

bool exports_torvyn_filtering_filter_evaluate(element_t *element, bool *ret, error_t *err) {
    (void)err;
    string_drop(&element->meta.content_type);
    if (wanted.len == 0) {
        element_drop_borrows(element);
        *ret = element->meta.sequence % 2 == 0;
    } else {
        bytes_t bytes = element_take(element);
        *ret = contains(text_of(bytes), wanted);
        bytes_drop(&bytes);
    }
    return true;
}
