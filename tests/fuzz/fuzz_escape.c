/* Whatever the bytes, the escaped text in quotes is a JSON string; valid UTF-8 comes back as it
 * was, the rest as U+FFFD. */
#include "lunexec/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(16 << 20), expected = LX_BUF_INIT(16 << 20);
    lx_auto(json) json_t *value = NULL;
    lx_assert(lx_buf_addc(&out, '"', NULL) == 0);
    lx_assert(lx_json_escape(&out, text, size, NULL) == 0);
    lx_assert(lx_buf_addc(&out, '"', NULL) == 0);
    lx_assert(lx_json_parse(out.data, out.len, &value, NULL) == 0);
    for (size_t i = 0; i < size;) {
        size_t n = lx_utf8_sequence(text + i, size - i);
        lx_assert(lx_buf_add(&expected, n ? text + i : "\xEF\xBF\xBD", n ? n : 3, NULL) == 0);
        i += n ? n : 1;
    }
    lx_assert(json_string_length(value) == expected.len);
    lx_assert(memcmp(json_string_value(value), lx_buf_str(&expected), expected.len) == 0);
    return 0;
}
