/*
 * Random secrets, a text in which they and their forms occur, random chunks: the stream gives what
 * a plain search over the same patterns gives, and no secret is left in it.
 * Input: number of secrets; for each a length and its bytes; then the text, in which a byte below
 * 0x20 stands for a form of a secret, or ends a chunk.
 */
#include "logs/mask_priv.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SECRETS 6
#define MAX_SECRET 24
#define MAX_TEXT 4096

struct input {
    const uint8_t *data;
    size_t size;
    char values[MAX_SECRETS][MAX_SECRET + 1];
    struct lx_secret secrets[MAX_SECRETS];
    size_t n_secrets;
    struct lx_patterns patterns;
    struct lx_buf text;
    size_t cuts[MAX_TEXT];
    size_t n_cuts;
};

static uint8_t next_byte(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static void read_secrets(struct input *in)
{
    in->n_secrets = 1 + next_byte(in) % MAX_SECRETS;
    for (size_t i = 0; i < in->n_secrets; i++) {
        size_t len = next_byte(in) % MAX_SECRET;
        for (size_t at = 0; at < len; at++) {
            uint8_t byte = next_byte(in);
            in->values[i][at] = (char)(byte ? byte : '0');
        }
        in->secrets[i] = (struct lx_secret){in->values[i], "\x01"};
    }
    size_t ignored = 0;
    lx_assert(lx_patterns_add_all(&in->patterns, in->secrets, in->n_secrets, 1 << 20, &ignored,
                                  NULL) == 0);
}

/* The replacement's byte never stands in the text, so that it cannot complete a secret. */
static void read_text(struct input *in)
{
    lx_buf_init(&in->text, MAX_TEXT + 1024);
    while (in->size > 0 && in->text.len < MAX_TEXT) {
        uint8_t byte = next_byte(in);
        if (byte >= 0x20) {
            (void)lx_buf_addc(&in->text, (char)byte, NULL);
        } else if (byte < 0x08 || in->patterns.n == 0) {
            if (in->n_cuts < MAX_TEXT)
                in->cuts[in->n_cuts++] = in->text.len;
        } else {
            const struct lx_pattern *p =
                &in->patterns.list[(byte * 256u + next_byte(in)) % in->patterns.n];
            (void)lx_buf_add(&in->text, p->text, p->len, NULL);
        }
    }
}

static size_t longest_at(const struct lx_patterns *patterns, const char *text, size_t len)
{
    size_t best = 0;
    for (size_t i = 0; i < patterns->n; i++) {
        const struct lx_pattern *p = &patterns->list[i];
        if (p->len > best && p->len <= len && memcmp(p->text, text, p->len) == 0)
            best = p->len;
    }
    return best;
}

static void reference(const struct input *in, struct lx_buf *out)
{
    const char *text = lx_buf_str(&in->text);
    for (size_t at = 0; at < in->text.len;) {
        size_t n = longest_at(&in->patterns, text + at, in->text.len - at);
        lx_assert(lx_buf_addc(out, n > 0 ? '\x01' : text[at], NULL) == 0);
        at += n > 0 ? n : 1;
    }
}

static void stream(const struct input *in, const struct lx_mask *mask, struct lx_buf *out)
{
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    const char *text = lx_buf_str(&in->text);
    size_t at = 0;
    for (size_t i = 0; i <= in->n_cuts; i++) {
        size_t end = i < in->n_cuts ? in->cuts[i] : in->text.len;
        lx_assert(lx_mask_feed(stream, text + at, end - at, out, NULL) == 0);
        at = end;
    }
    lx_assert(lx_mask_flush(stream, out, NULL) == 0);
    lx_assert(lx_mask_held(stream) == 0);
    lx_mask_stream_free(stream);
}

static void check(struct input *in)
{
    struct lx_mask *mask = NULL;
    struct lx_buf expected = LX_BUF_INIT(MAX_TEXT * 2), got = LX_BUF_INIT(MAX_TEXT * 2);
    lx_assert(lx_mask_new(in->secrets, in->n_secrets, &mask, NULL, NULL) == 0);
    reference(in, &expected);
    stream(in, mask, &got);
    lx_assert(got.len == expected.len);
    lx_assert(memcmp(lx_buf_str(&got), lx_buf_str(&expected), got.len) == 0);
    for (size_t i = 0; i < in->patterns.n; i++) {
        const struct lx_pattern *p = &in->patterns.list[i];
        lx_assert(memchr(p->text, '\x01', p->len) ||
                  !memmem(lx_buf_str(&got), got.len, p->text, p->len));
    }
    lx_mask_free(mask);
    lx_buf_done(&expected);
    lx_buf_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input *in = lx_alloc(sizeof(*in));
    in->data = data;
    in->size = size;
    read_secrets(in);
    read_text(in);
    check(in);
    lx_patterns_done(&in->patterns);
    lx_buf_done(&in->text);
    free(in);
    return 0;
}
