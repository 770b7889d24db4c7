/* What decodes encodes to the very same text; what is encoded decodes to the same bytes. */
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(buf) struct lx_buf one = LX_BUF_INIT(4 << 20), two = LX_BUF_INIT(4 << 20);
    const char *text = (const char *)data;
    if (lx_base64_decode(&one, text, size, NULL) == 0) {
        lx_assert(lx_base64_encode(&two, lx_buf_str(&one), one.len, NULL) == 0);
        lx_assert(two.len == size && (size == 0 || memcmp(two.data, text, size) == 0));
    }
    lx_buf_reset(&one);
    lx_buf_reset(&two);
    lx_assert(lx_base64_encode(&one, text, size, NULL) == 0);
    lx_assert(lx_base64_decode(&two, lx_buf_str(&one), one.len, NULL) == 0);
    lx_assert(two.len == size && (size == 0 || memcmp(two.data, text, size) == 0));
    return 0;
}
