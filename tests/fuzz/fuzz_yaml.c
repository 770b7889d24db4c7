/* A document that is accepted is written as one that reads as an equal value. */
#include "lunexec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(64 << 20);
    lx_auto(json) json_t *value = NULL, *again = NULL;
    struct lx_err err = {0};
    if (lx_yaml_parse((const char *)data, size, &value, &err) < 0) {
        lx_assert(err.code == LX_E_INVALID && err.text[0]);
        return 0;
    }
    lx_assert(lx_yaml_dump(value, &out, NULL) == 0);
    lx_assert(lx_yaml_parse(lx_buf_str(&out), out.len, &again, NULL) == 0);
    lx_assert(json_equal(value, again));
    return 0;
}
