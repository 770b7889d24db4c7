/* A value that is accepted is written as one that is equal, in both forms. */
#include "lunexec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const json_t *value, const struct lx_buf *out)
{
    lx_auto(json) json_t *again = NULL;
    lx_assert(lx_json_parse(lx_buf_str(out), out->len, &again, NULL) == 0);
    lx_assert(json_equal(value, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(64 << 20);
    lx_auto(json) json_t *value = NULL;
    struct lx_err err = {0};
    if (lx_json_parse((const char *)data, size, &value, &err) < 0) {
        lx_assert(err.code == LX_E_INVALID && err.text[0]);
        return 0;
    }
    (void)lx_json_path(value, "a.0.b");
    (void)lx_json_get_nocase(value, "A");
    lx_assert(lx_json_dump(value, &out, NULL) == 0);
    check_same(value, &out);
    lx_buf_reset(&out);
    lx_assert(lx_json_dump_pretty(value, &out, NULL) == 0);
    check_same(value, &out);
    return 0;
}
