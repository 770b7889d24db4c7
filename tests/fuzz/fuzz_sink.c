/*
 * Any bytes in any chunks, with the executor's own lines between them, under any limit: what is
 * kept is the inside of a JSON string within the limit, and without a limit the chunks make no
 * difference.
 */
#include "lunexec/json.h"
#include "lunexec/sink.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOTICE 400

static char *kept(struct lx_sink *sink, size_t *ret_len)
{
    struct lx_out_source source = lx_sink_source(sink);
    struct lx_buf text = LX_BUF_INIT(64 * 1024 * 1024);
    char piece[100];
    lx_assert(source.len == lx_sink_size(sink));
    for (uint64_t at = 0; at < source.len;) {
        ssize_t n = source.read(source.arg, at, piece, sizeof(piece));
        lx_assert(n > 0 && lx_buf_add(&text, piece, (size_t)n, NULL) == 0);
        at += (uint64_t)n;
    }
    *ret_len = text.len;
    return lx_buf_take(&text);
}

static void check_json(const char *text, size_t len)
{
    struct lx_buf json = LX_BUF_INIT(len + 2);
    json_t *value = NULL;
    lx_assert(lx_buf_addf(&json, NULL, "\"%s\"", text) == 0);
    lx_assert(lx_json_parse(json.data, json.len, &value, NULL) == 0);
    json_decref(value);
    lx_buf_done(&json);
}

/* `step` 0: in one piece. */
static char *relay(const struct lx_sink_opts *opts, const uint8_t *data, size_t size, size_t step,
                   size_t *ret_len)
{
    struct lx_sink *sink = NULL;
    lx_assert(lx_sink_new(opts, &sink, NULL) == 0);
    for (size_t at = 0; at < size;) {
        size_t n = step == 0 || step > size - at ? size - at : step;
        lx_assert(lx_sink_write(sink, (const char *)data + at, n, NULL) == 0);
        at += n;
        if (opts->limit && at % 7 == 0)
            lx_assert(lx_sink_line(sink, "own line", NULL) == 0);
        if (opts->limit && at % 11 == 0)
            lx_assert(lx_sink_raw(sink, "raw", NULL) == 0);
    }
    lx_assert(lx_sink_close(sink, NULL) == 0);
    char *text = kept(sink, ret_len);
    check_json(text, *ret_len);
    lx_sink_free(sink);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lx_secret secrets[] = {{"hunter2", "***"}, {"a\r\nb", "\xc3"}};
    struct lx_mask *mask = NULL;
    if (size < 2)
        return 0;
    lx_assert(lx_mask_new(secrets, 2, &mask, NULL, NULL) == 0);
    struct lx_sink_opts opts = {.mask = mask, .memory_max = 700, .limit = 1024 + data[1] * 8};
    size_t step = 1 + data[0] % 64, len, whole_len;
    free(relay(&opts, data + 2, size - 2, step, &len));
    lx_assert(len <= opts.limit + NOTICE);

    opts.limit = 0;
    char *whole = relay(&opts, data + 2, size - 2, 0, &whole_len);
    char *parts = relay(&opts, data + 2, size - 2, step, &len);
    lx_assert(len == whole_len && strcmp(whole, parts) == 0);
    free(whole);
    free(parts);
    lx_mask_free(mask);
    return 0;
}
