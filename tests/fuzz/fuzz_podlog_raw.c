/* Bytes that need not be a log: the chunks make no difference, and no more comes out than went in.
 * Input: two chunk sizes, then the bytes. */
#include "kube/podlog_lines.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_emit(void *arg, const char *data, size_t len)
{
    lx_assert(len > 0);
    lx_assert(lx_buf_add(arg, data, len, NULL) == 0);
}

static void run(const char *text, size_t left, size_t chunk, struct lx_buf *out,
                struct lx_buf *refusal)
{
    struct lx_loglines lines;
    char since[LX_RFC3339_SIZE];
    lx_loglines_init(&lines, on_emit, out);
    lx_assert(!lx_loglines_start(&lines, since));
    for (size_t part; left; left -= part, text += part) {
        part = left < chunk ? left : chunk;
        lx_loglines_feed(&lines, text, part);
    }
    lx_assert(lx_buf_adds(refusal, lx_loglines_refusal(&lines), NULL) == 0);
    lx_loglines_finish(&lines, true);
    lx_loglines_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lx_buf out[2], refusal[2];
    if (size < 2)
        return 0;
    for (int i = 0; i < 2; i++) {
        lx_buf_init(&out[i], size);
        lx_buf_init(&refusal[i], size);
        run((const char *)data + 2, size - 2, (size_t)data[i] + 1, &out[i], &refusal[i]);
    }
    lx_assert(out[0].len == out[1].len);
    lx_assert(memcmp(lx_buf_str(&out[0]), lx_buf_str(&out[1]), out[0].len) == 0);
    lx_assert(strcmp(lx_buf_str(&refusal[0]), lx_buf_str(&refusal[1])) == 0);
    for (int i = 0; i < 2; i++) {
        lx_buf_done(&out[i]);
        lx_buf_done(&refusal[i]);
    }
    return 0;
}
