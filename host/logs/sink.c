/*
 * Container bytes in, the inside of a JSON string out: masked, in lines, prefixed, escaped.
 */
#include "logs/store.h"

#include "lunexec/json.h"
#include "lunexec/sink.h"

#include <string.h>

#define PREFIX "stdout: "
#define LINE_END "\\n" /* as it stands in a JSON string */

#define DEFAULT_MEMORY ((size_t)1024 * 1024)
/* What is written is worked off in slices; a slice masked may grow by its replacements. */
#define SLICE ((size_t)32 * 1024)
#define MASKED_MAX ((size_t)64 * 1024 * 1024)
/* A byte becomes at most this many: \u0000. */
#define GROWTH 6

struct lx_sink {
    const struct lx_mask *mask;
    struct lx_mask_stream *stream;
    struct lx_store *store;
    struct lx_buf masked, piece;
    size_t piece_bytes; /* of a line in one piece, so that it keeps the store's limit escaped */

    bool line_open; /* the prefix of the current line was written */
    bool raw_open;  /* raw text without a line end was written */
    /* Bytes of the line that cannot be written yet: a CR that a LF may follow, or the start of an
     * UTF-8 sequence. */
    char held[4];
    size_t n_held;

    bool closed, failed;
    struct lx_err failure;
};

int lx_sink_new(const struct lx_sink_opts *opts, struct lx_sink **ret_sink, struct lx_err *err)
{
    (void)err;
    struct lx_sink *sink = lx_alloc(sizeof(*sink));
    sink->mask = opts->mask;
    sink->stream =
        opts->keep_tokens ? lx_mask_stream_new_secrets(opts->mask) : lx_mask_stream_new(opts->mask);
    sink->store = lx_store_new(opts->spool_dir && *opts->spool_dir ? opts->spool_dir : "/tmp",
                               opts->memory_max ? opts->memory_max : DEFAULT_MEMORY, opts->limit,
                               opts->budget);
    size_t overhead = sizeof(PREFIX LINE_END);
    size_t piece_max = lx_store_piece_max(sink->store);
    sink->piece_bytes = (piece_max - overhead) / GROWTH;
    lx_buf_init(&sink->masked, MASKED_MAX);
    lx_buf_init(&sink->piece, piece_max);
    *ret_sink = sink;
    return 0;
}

void lx_sink_free(struct lx_sink *sink)
{
    if (!sink)
        return;
    lx_mask_stream_free(sink->stream);
    lx_store_free(sink->store);
    lx_buf_done(&sink->masked);
    lx_buf_done(&sink->piece);
    free(sink);
}

/* ---- Pieces ---- */

/* One piece of the current line: its prefix if it is new, text, the line's end. */
static int put_piece(struct lx_sink *sink, const char *text, size_t len, bool prefix, bool end,
                     struct lx_err *err)
{
    struct lx_buf *buf = &sink->piece;
    lx_buf_reset(buf);
    if ((prefix && lx_buf_adds(buf, PREFIX, err) < 0) ||
        (len > 0 && lx_json_escape(buf, text, len, err) < 0) ||
        (end && lx_buf_adds(buf, LINE_END, err) < 0))
        return -1;
    const struct lx_piece piece = {
        .data = buf->data,
        .len = buf->len,
        .bytes = len + (end ? 1 : 0),
        .lines = end ? 1 : 0,
        .starts_line = prefix,
        .ends_line = end,
    };
    return buf->len > 0 ? lx_store_append(sink->store, &piece, err) : 0;
}

/* How much of `len` bytes (more than a piece holds) to take so that no character is cut. */
static size_t piece_cut(const struct lx_sink *sink, const char *text)
{
    size_t n = sink->piece_bytes;
    for (size_t back = 0; back <= 3; back++) {
        if (((unsigned char)text[n - back] & 0xc0) != 0x80)
            return n - back;
    }
    return n;
}

/* More of the current line, and with `end` its end. */
static int put_text(struct lx_sink *sink, const char *text, size_t len, bool end,
                    struct lx_err *err)
{
    while (len > sink->piece_bytes) {
        size_t n = piece_cut(sink, text);
        if (put_piece(sink, text, n, !sink->line_open, false, err) < 0)
            return -1;
        sink->line_open = true;
        text += n;
        len -= n;
    }
    if (len == 0 && !end)
        return 0;
    if (put_piece(sink, text, len, !sink->line_open, end, err) < 0)
        return -1;
    sink->line_open = !end;
    return 0;
}

/* ---- Lines ---- */

/* How many bytes at the end of `text` may be the start of a longer UTF-8 sequence. */
static size_t unfinished(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t needs = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return needs > back ? back : 0;
    }
    return 0;
}

/* Part of a line, without a line end. What only the next bytes decide is held. */
static int put_part(struct lx_sink *sink, const char *text, size_t len, struct lx_err *err)
{
    size_t hold = text[len - 1] == '\r' ? 1 : unfinished(text, len);
    if (put_text(sink, text, len - hold, false, err) < 0)
        return -1;
    memcpy(sink->held, text + len - hold, hold);
    sink->n_held = hold;
    return 0;
}

/* A whole line or the rest of one; one CR at its end is dropped. */
static int put_rest(struct lx_sink *sink, const char *text, size_t len, struct lx_err *err)
{
    if (len > 0 && text[len - 1] == '\r')
        len--;
    return put_text(sink, text, len, true, err);
}

/* What was held, with the next bytes of the line after it: few of them are enough to decide. */
static int join_held(struct lx_sink *sink, const char **text, size_t *len, bool ends,
                     struct lx_err *err)
{
    char joined[8];
    size_t n = sink->n_held, taken = 0;
    memcpy(joined, sink->held, n);
    while (n < sizeof(joined) && taken < *len)
        joined[n++] = (*text)[taken++];
    *text += taken;
    *len -= taken;
    sink->n_held = 0;
    if (*len == 0)
        return ends ? put_rest(sink, joined, n, err) : put_part(sink, joined, n, err);

    /* The end of `joined` must not cut a character that goes on in the text. */
    size_t back = joined[n - 1] == '\r' ? 1 : unfinished(joined, n);
    *text -= back;
    *len += back;
    return put_text(sink, joined, n - back, false, err);
}

/* Text up to a line's end (`ends`) or to the end of what there is. */
static int put_segment(struct lx_sink *sink, const char *text, size_t len, bool ends,
                       struct lx_err *err)
{
    if (sink->n_held > 0) {
        if (join_held(sink, &text, &len, ends, err) < 0)
            return -1;
        if (len == 0)
            return 0;
    }
    if (ends)
        return put_rest(sink, text, len, err);
    return len > 0 ? put_part(sink, text, len, err) : 0;
}

/* Text that was masked. */
static int put_lines(struct lx_sink *sink, const char *text, size_t len, struct lx_err *err)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        if (put_segment(sink, text, n, end != NULL, err) < 0)
            return -1;
        n += end ? 1 : 0;
        text += n;
        len -= n;
    }
    return 0;
}

static int end_raw(struct lx_sink *sink, struct lx_err *err)
{
    if (!sink->raw_open)
        return 0;
    sink->raw_open = false;
    return put_piece(sink, NULL, 0, false, true, err);
}

/* Gives out what masking held back and completes the line. */
static int end_line(struct lx_sink *sink, struct lx_err *err)
{
    lx_buf_reset(&sink->masked);
    if (lx_mask_flush(sink->stream, &sink->masked, err) < 0 ||
        put_lines(sink, sink->masked.data, sink->masked.len, err) < 0)
        return -1;
    if (!sink->line_open && sink->n_held == 0)
        return 0;
    return put_segment(sink, "", 0, true, err);
}

/* ---- The interface ---- */

static int fail_if_unusable(const struct lx_sink *sink, struct lx_err *err)
{
    if (sink->failed) {
        if (err)
            *err = sink->failure;
        return -1;
    }
    return sink->closed ? lx_fail(err, LX_E_INVALID, "the log is closed") : 0;
}

/* The last line of a log that cannot go on. */
static void tell_failure(struct lx_sink *sink)
{
    lx_auto(str) char *text =
        lx_strf("[lunexec] the rest of this log is missing: %s", sink->failure.text);
    lx_auto(str) char *masked = lx_mask_strdup(sink->mask, text);
    lx_buf_reset(&sink->piece);
    if (lx_buf_adds(&sink->piece, PREFIX, NULL) == 0 &&
        lx_json_escape(&sink->piece, masked, strlen(masked), NULL) == 0)
        lx_store_end(sink->store, lx_buf_str(&sink->piece));
}

/* Remembers a failure for all later calls. */
static int settle(struct lx_sink *sink, int rc, const struct lx_err *failure, struct lx_err *err)
{
    if (rc == 0)
        return 0;
    sink->failed = true;
    sink->failure = *failure;
    tell_failure(sink);
    if (err)
        *err = *failure;
    return -1;
}

int lx_sink_write(struct lx_sink *sink, const char *data, size_t len, struct lx_err *err)
{
    struct lx_err failure;
    if (fail_if_unusable(sink, err) < 0)
        return -1;
    int rc = len > 0 ? end_raw(sink, &failure) : 0;
    while (rc == 0 && len > 0) {
        size_t n = len < SLICE ? len : SLICE;
        lx_buf_reset(&sink->masked);
        rc = lx_mask_feed(sink->stream, data, n, &sink->masked, &failure);
        if (rc == 0)
            rc = put_lines(sink, sink->masked.data, sink->masked.len, &failure);
        data += n;
        len -= n;
    }
    return settle(sink, rc, &failure, err);
}

static int write_line(struct lx_sink *sink, const char *text, struct lx_err *err)
{
    if (end_raw(sink, err) < 0 || end_line(sink, err) < 0)
        return -1;
    lx_auto(str) char *masked = lx_mask_strdup(sink->mask, text);
    size_t len = strlen(masked);
    if (put_lines(sink, masked, len, err) < 0)
        return -1;
    bool complete = len > 0 && masked[len - 1] == '\n';
    return complete ? 0 : put_segment(sink, "", 0, true, err);
}

int lx_sink_line(struct lx_sink *sink, const char *text, struct lx_err *err)
{
    struct lx_err failure;
    if (fail_if_unusable(sink, err) < 0)
        return -1;
    return settle(sink, write_line(sink, text, &failure), &failure, err);
}

bool lx_sink_between_lines(const struct lx_sink *sink)
{
    return !sink->line_open && sink->n_held == 0 && lx_mask_held(sink->stream) == 0;
}

static int write_raw(struct lx_sink *sink, const char *text, struct lx_err *err)
{
    if (end_line(sink, err) < 0)
        return -1;
    lx_auto(str) char *masked = lx_mask_strdup(sink->mask, text);
    size_t len = strlen(masked);
    const char *at = masked;
    if (len > 0)
        sink->raw_open = masked[len - 1] != '\n';
    while (len > 0) {
        size_t n = len > sink->piece_bytes ? piece_cut(sink, at) : len;
        if (put_piece(sink, at, n, false, false, err) < 0)
            return -1;
        at += n;
        len -= n;
    }
    return 0;
}

int lx_sink_raw(struct lx_sink *sink, const char *text, struct lx_err *err)
{
    struct lx_err failure;
    if (fail_if_unusable(sink, err) < 0)
        return -1;
    return settle(sink, write_raw(sink, text, &failure), &failure, err);
}

int lx_sink_close(struct lx_sink *sink, struct lx_err *err)
{
    struct lx_err failure;
    if (sink->closed && !sink->failed)
        return 0;
    if (fail_if_unusable(sink, err) < 0)
        return -1;
    sink->closed = true;
    return settle(sink, end_line(sink, &failure), &failure, err);
}

uint64_t lx_sink_size(const struct lx_sink *sink)
{
    return lx_store_size(sink->store);
}

struct lx_out_source lx_sink_source(struct lx_sink *sink)
{
    return lx_store_view(sink->store);
}

int lx_sink_copy(const struct lx_sink *sink, struct lx_buf *out, struct lx_err *err)
{
    return lx_store_copy(sink->store, out, err);
}
