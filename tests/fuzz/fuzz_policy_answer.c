/*
 * What a child that is no longer ours may send: any bytes, as frames and as answers.
 */
#include "lunexec/mem.h"
#include "policy/answer.h"
#include "policy/frame.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lx_buf in = LX_FRAME_BUF_INIT;
    struct lx_answer answer;
    struct lx_err err;
    const char *payload = NULL;
    size_t len = 0, missing = 0;
    if (lx_buf_add(&in, data, size, NULL) == 0 &&
        lx_frame_peek(&in, &payload, &len, &missing, &err) == 1)
        lx_assert(payload >= in.data && payload + len <= in.data + in.len);
    lx_buf_done(&in);
    if (lx_answer_read((const char *)data, size, &answer, &err) == 0) {
        lx_assert(answer.kind != LX_ANSWER_OK || json_is_array(answer.values));
        lx_assert(answer.kind < LX_ANSWER_ERROR || answer.text);
        lx_answer_done(&answer);
    }
    return 0;
}
