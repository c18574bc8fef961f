/* A router that does as the element says: the payload's first word holds the
 * names of the ports, separated by commas. "a,b rest" goes to a and b, "-" and
 * the empty payload go nowhere. A name given twice is answered twice; empty
 * names are left out. */
#define WORLD content_router
#include "content_router.h"
#include "guest.h"

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    (void)err;
    string_drop(config); /* nothing to configure */
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {}

bool exports_torvyn_filtering_router_route(element_t *element, content_router_list_string_t *ret,
                                           error_t *err) {
    (void)err;
    bytes_t bytes = element_take(element);
    string_drop(&element->meta.content_type);
    *ret = (content_router_list_string_t){NULL, 0};

    text_t word = text_field(text_of(bytes), 1);
    if (word.len && !text_equal(word, text("-"))) {
        /* At most one name for two bytes of the word, the last needing but one. */
        ret->ptr = malloc((word.len + 1) / 2 * sizeof *ret->ptr);
        if (!ret->ptr) abort();
        while (word.len) {
            const char *comma = memchr(word.ptr, ',', word.len);
            text_t name = {word.ptr, comma ? (size_t)(comma - word.ptr) : word.len};
            if (name.len) ret->ptr[ret->len++] = string_copy(name);
            word = text_skip(word, name.len + (comma != NULL));
        }
        if (ret->len == 0) free(ret->ptr); /* nothing but commas: an empty list is not freed for us */
    }
    bytes_drop(&bytes);
    return true;
}
