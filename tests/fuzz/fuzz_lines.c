/* The line splitter gives the same lines whatever the chunks are, or says which limit was hit.
 * Input: a chunk size, a maximum, then the stream. */
#include "lunexec/lines.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct check {
    const char *rest; /* what has not been delivered yet */
    size_t left, max;
};

static int on_line(void *arg, const char *line, size_t len)
{
    struct check *check = arg;
    const char *end = check->left ? memchr(check->rest, '\n', check->left) : NULL;
    size_t expected = end ? (size_t)(end - check->rest) : check->left;
    lx_assert(len == expected && len <= check->max);
    lx_assert(len == 0 || memcmp(line, check->rest, len) == 0);
    size_t taken = end ? expected + 1 : expected;
    check->rest += taken;
    check->left -= taken;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t chunk = (size_t)data[0] + 1;
    const char *text = (const char *)data + 2;
    size_t left = size - 2;
    struct check check = {.rest = text, .left = left, .max = (size_t)data[1] + 1};
    struct lx_lines lines;
    struct lx_err err = {0};
    int rc = 0;
    lx_lines_init(&lines, check.max, on_line, &check);
    while (rc == 0 && left > 0) {
        size_t part = left < chunk ? left : chunk;
        rc = lx_lines_feed(&lines, text, part, &err);
        text += part;
        left -= part;
    }
    if (rc == 0)
        rc = lx_lines_end(&lines, &err);
    lx_assert(rc == 0 ? check.left == 0 : err.code == LX_E_LIMIT);
    lx_lines_done(&lines);
    return 0;
}
