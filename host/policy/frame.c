#include "frame.h"

#include <stdint.h>
#include <string.h>

int lx_frame_begin(struct lx_buf *out, struct lx_err *err)
{
    lx_buf_reset(out);
    return lx_buf_add(out, "\0\0\0\0", LX_FRAME_HEAD, err);
}

void lx_frame_seal(struct lx_buf *out)
{
    lx_assert(out->len >= LX_FRAME_HEAD);
    uint32_t len = (uint32_t)(out->len - LX_FRAME_HEAD);
    for (unsigned i = 0; i < LX_FRAME_HEAD; i++)
        out->data[i] = (char)(len >> (8 * i));
}

int lx_frame_peek(const struct lx_buf *in, const char **ret_data, size_t *ret_len,
                  size_t *ret_missing, struct lx_err *err)
{
    if (in->len < LX_FRAME_HEAD) {
        *ret_missing = LX_FRAME_HEAD - in->len;
        return 0;
    }
    uint32_t len = 0;
    for (unsigned i = 0; i < LX_FRAME_HEAD; i++)
        len |= (uint32_t)(unsigned char)in->data[i] << (8 * i);
    if (len > LX_FRAME_MAX)
        return lx_fail(err, LX_E_LIMIT, "a frame of %u bytes", len);
    if (in->len - LX_FRAME_HEAD < len) {
        *ret_missing = len - (in->len - LX_FRAME_HEAD);
        return 0;
    }
    *ret_data = in->data + LX_FRAME_HEAD;
    *ret_len = len;
    return 1;
}
