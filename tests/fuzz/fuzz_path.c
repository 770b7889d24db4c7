/* A cleaned path stays as it is when cleaned again, and what is joined below a root by a path that
 * does not start with ".." stays below it. */
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    lx_auto(str) char *clean = lx_path_clean(text);
    lx_auto(str) char *again = lx_path_clean(clean);
    lx_assert(lx_streq(clean, again));
    lx_assert(!strstr(clean, "//") && !strstr(clean, "/./"));
    lx_assert((text[0] == '/') == (clean[0] == '/'));
    lx_assert(strcmp(clean, "/") == 0 || !lx_ends_with(clean, "/"));
    if (clean[0] == '/' || !lx_starts_with(clean, "..")) {
        lx_auto(str) char *joined = lx_path_join("/job", clean);
        lx_assert(lx_streq(joined, "/job") || lx_starts_with(joined, "/job/"));
    }
    size_t half = strlen(text) / 2;
    lx_auto(str) char *first = lx_strndup(text, half);
    size_t distance = lx_edit_distance(first, text + half, 5);
    lx_assert(distance <= 6 && distance == lx_edit_distance(text + half, first, 5));
    return 0;
}
