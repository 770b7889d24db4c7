/*
 * No secret reaches the output, whatever form programs give it. Unlike fuzz_mask, the forms are
 * made here, by encoders that know nothing of the mask's patterns, and everything goes the way of a
 * real log: split into a runtime's records, with the kubelet's timestamps, in chunks of any size,
 * through the follower's lines and the sink; then the kept text is searched. Input: number of
 * secrets; for each a length and its bytes; then the text, in which a byte below 0x20 stands for a
 * form of a secret and the others for themselves.
 */
#include "kube/podlog_lines.h"
#include "lunexec/escape.h"
#include "lunexec/json.h"
#include "lunexec/mem.h"
#include "lunexec/sink.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SECRETS 5
#define MIN_SECRET 8
#define MAX_SECRET 90
#define MAX_FORMS 64
#define MAX_TEXT ((size_t)16 * 1024)
#define RECORD 64 /* of the runtime; a real one has 16 KiB */

/* Bytes that must not be in the output: a secret, or what of an encoded text is the secret's. */
struct form {
    char *text;
    size_t len;
};

struct input {
    const uint8_t *data;
    size_t size;
    char values[MAX_SECRETS][MAX_SECRET + 1];
    struct lx_secret secrets[MAX_SECRETS];
    size_t n_secrets;
    struct lx_buf text;
    struct form forms[MAX_FORMS];
    size_t n_forms;
};

static uint8_t next_byte(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

/* Printable, with everything that needs quoting somewhere, and line ends. The replacement's byte
 * and what stands around forms is in none, and no blanks are around one: they are not secret. */
static void read_secrets(struct input *in)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\"'\\$`&<>/+=%#@!:;,-_ \t\n";
    in->n_secrets = 1 + next_byte(in) % MAX_SECRETS;
    for (size_t i = 0; i < in->n_secrets; i++) {
        char *value = in->values[i];
        size_t len = MIN_SECRET + next_byte(in) % (MAX_SECRET - MIN_SECRET - 4), at = 0;
        value[at++] = 'k';
        while (at < len) {
            size_t pick = next_byte(in) % (sizeof(plain) + 1);
            const char *other = pick % 2 ? "\xc3\xa4" : "\xe2\x82\xac";
            const char *from = pick < sizeof(plain) - 1 ? plain + pick : other;
            size_t n = lx_utf8_sequence(from, strlen(from));
            memcpy(value + at, from, n);
            at += n;
        }
        value[at++] = 'z';
        value[at] = '\0';
        in->secrets[i] = (struct lx_secret){value, "\x01"};
    }
}

static void put(struct input *in, const char *text, size_t len)
{
    lx_assert(lx_buf_add(&in->text, text, len, NULL) == 0);
}

static void forbid(struct input *in, const char *text, size_t len)
{
    if (len < 6 || in->n_forms == MAX_FORMS)
        return;
    in->forms[in->n_forms++] = (struct form){lx_strndup(text, len), len};
}

/* A part of a longer encoded text: only the characters that hold nothing but the secret's bits. */
static void put_base64(struct input *in, const char *value, bool url)
{
    char plain[MAX_SECRET + 16];
    size_t before = next_byte(in) % 6, after = next_byte(in) % 6, len = strlen(value);
    memset(plain, 'q', sizeof(plain));
    memcpy(plain + before, value, len);
    struct lx_buf text = LX_BUF_INIT(4096);
    lx_assert(lx_base64_encode(&text, plain, before + len + after, NULL) == 0);
    for (size_t i = 0; url && i < text.len; i++)
        text.data[i] = (char)(text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i]);
    size_t begin = (before * 8 + 5) / 6, end = (before + len) * 8 / 6;
    put(in, text.data, text.len);
    forbid(in, text.data + begin, end - begin);
    lx_buf_done(&text);
}

static void put_url(struct input *in, const char *value, const char *plain, bool plus)
{
    struct lx_buf text = LX_BUF_INIT(4096);
    for (const char *c = value; *c; c++) {
        bool bare = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr(plain, *c);
        if (*c == ' ' && plus)
            (void)lx_buf_addc(&text, '+', NULL);
        else if (bare)
            (void)lx_buf_addc(&text, *c, NULL);
        else
            (void)lx_buf_addf(&text, NULL, "%%%02X", (unsigned char)*c);
    }
    put(in, text.data, text.len);
    forbid(in, text.data, text.len);
    lx_buf_done(&text);
}

static void put_json(struct input *in, const char *value, size_t flags)
{
    json_t *string = json_string(value);
    if (!string)
        return;
    char *text = json_dumps(string, JSON_ENCODE_ANY | flags);
    put(in, text, strlen(text));
    forbid(in, text + 1, strlen(text) - 2);
    free(text);
    json_decref(string);
}

static void put_shell(struct input *in, const char *value)
{
    struct lx_buf text = LX_BUF_INIT(4096);
    lx_assert(lx_shell_quote(&text, value, strlen(value), NULL) == 0);
    put(in, text.data, text.len);
    forbid(in, text.data + 1, text.len - 2);
    lx_buf_done(&text);
}

/* Line by line, indented. */
static void put_lines(struct input *in, const char *value)
{
    lx_auto(strv) char **lines = lx_split(value, '\n');
    for (char **line = lines; *line; line++) {
        put(in, "  | ", 4);
        put(in, *line, strlen(*line));
        put(in, "\n", 1);
        forbid(in, *line, strlen(*line));
    }
}

static void put_form(struct input *in, uint8_t which)
{
    const char *value = in->values[next_byte(in) % in->n_secrets];
    switch (which % 10) {
    case 0:
    case 1:
        put(in, value, strlen(value));
        break;
    case 2:
    case 3:
        put_base64(in, value, which % 10 == 3);
        break;
    case 4:
        put_url(in, value, "-._~", false);
        break;
    case 5:
        put_url(in, value, "-._~", true);
        break;
    case 6:
        put_url(in, value, "-._~!'()*", false);
        break;
    case 7:
        put_json(in, value, which & 0x10 ? JSON_ENSURE_ASCII : 0);
        break;
    case 8:
        put_shell(in, value);
        break;
    default:
        put_lines(in, value);
        break;
    }
}

/* Around a form stands what is part of none, so that one secret does not begin in another. */
static void read_text(struct input *in)
{
    lx_buf_init(&in->text, MAX_TEXT * 2);
    for (size_t i = 0; i < in->n_secrets; i++)
        forbid(in, in->values[i], strlen(in->values[i]));
    while (in->size > 0 && in->text.len < MAX_TEXT) {
        uint8_t byte = next_byte(in);
        if (byte >= 0x20 || byte == '\n') {
            put(in, (const char *)&byte, 1);
            continue;
        }
        put(in, "\x7f", 1);
        put_form(in, byte);
        put(in, "\x7f", 1);
    }
}

/* ---- The way of a log ---- */

static void on_emit(void *arg, const char *data, size_t len)
{
    lx_assert(lx_sink_write(arg, data, len, NULL) == 0);
}

/* The kubelet's answer: a timestamp before each line's first record. */
static void stamp(const struct lx_buf *text, struct lx_buf *out)
{
    bool fresh = true;
    for (size_t at = 0, n; at < text->len; at += n) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        size_t rest = (end ? (size_t)(end - text->data) + 1 : text->len) - at;
        n = rest < RECORD ? rest : RECORD;
        if (fresh)
            (void)lx_buf_addf(out, NULL, "2024-06-03T10:20:%02zu.%09zuZ ", at / 1000 % 60,
                              at % 1000);
        lx_assert(lx_buf_add(out, text->data + at, n, NULL) == 0);
        fresh = text->data[at + n - 1] == '\n';
    }
}

static char *relay(struct input *in, const struct lx_mask *mask, size_t step)
{
    struct lx_buf answer = LX_BUF_INIT(MAX_TEXT * 64), kept = LX_BUF_INIT(MAX_TEXT * 64);
    struct lx_sink_opts opts = {.mask = mask};
    struct lx_sink *sink = NULL;
    struct lx_loglines lines;
    char since[LX_RFC3339_SIZE];
    stamp(&in->text, &answer);
    lx_assert(lx_sink_new(&opts, &sink, NULL) == 0);
    lx_loglines_init(&lines, on_emit, sink);
    (void)lx_loglines_start(&lines, since);
    for (size_t at = 0; at < answer.len; at += step)
        lx_loglines_feed(&lines, answer.data + at, answer.len - at < step ? answer.len - at : step);
    lx_loglines_finish(&lines, true);
    lx_assert(lx_sink_close(sink, NULL) == 0);
    struct lx_out_source source = lx_sink_source(sink);
    char *room = lx_buf_reserve(&kept, (size_t)source.len + 1, NULL);
    lx_assert(room && source.read(source.arg, 0, room, (size_t)source.len) == (ssize_t)source.len);
    kept.len = (size_t)source.len;
    room[source.len] = '\0';
    lx_loglines_done(&lines);
    lx_sink_free(sink);
    lx_buf_done(&answer);
    return lx_buf_take(&kept);
}

/* The kept text as whoever reads the log has it: without the sink's escapes and prefixes. */
static char *shown(const char *kept, size_t *ret_len)
{
    struct lx_buf json = LX_BUF_INIT(MAX_TEXT * 64), plain = LX_BUF_INIT(MAX_TEXT * 64);
    json_t *value = NULL;
    lx_assert(lx_buf_addf(&json, NULL, "\"%s\"", kept) == 0);
    lx_assert(lx_json_parse(json.data, json.len, &value, NULL) == 0);
    const char *at = json_string_value(value), *end = at + json_string_length(value);
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *next = lf ? lf + 1 : end;
        lx_assert(next - at >= 8 && memcmp(at, "stdout: ", 8) == 0);
        lx_assert(lx_buf_add(&plain, at + 8, (size_t)(next - at) - 8, NULL) == 0);
        at = next;
    }
    json_decref(value);
    lx_buf_done(&json);
    *ret_len = plain.len;
    return lx_buf_take(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input *in = lx_alloc(sizeof(*in));
    struct lx_mask *mask = NULL;
    in->data = data;
    in->size = size;
    size_t step = 1 + next_byte(in) * (size_t)next_byte(in) % 5000, len;
    read_secrets(in);
    read_text(in);
    lx_assert(lx_mask_new(in->secrets, in->n_secrets, &mask, NULL, NULL) == 0);
    lx_auto(str) char *kept = relay(in, mask, step);
    lx_auto(str) char *plain = shown(kept, &len);
    for (size_t i = 0; i < in->n_forms; i++) {
        lx_assert(!memmem(plain, len, in->forms[i].text, in->forms[i].len));
        free(in->forms[i].text);
    }
    lx_mask_free(mask);
    lx_buf_done(&in->text);
    free(in);
    return 0;
}
