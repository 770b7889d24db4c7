/*
 * Runs a stream through the automaton. Between two feeds it holds back exactly the bytes that may
 * still turn out to be part of a secret.
 */
#include "logs/mask_priv.h"
#include "logs/tokens.h"

#include "lunexec/mem.h"

#include <string.h>

/* A feed is worked off in slices of this size, so that what is held stays small. */
#define SLICE ((size_t)64 * 1024)
/* A slice masked, where every replacement is as long as one may be. */
#define BETWEEN_MAX ((size_t)64 * 1024 * 1024)

struct lx_mask_stream {
    const struct lx_mask *mask;
    struct lx_buf held; /* bytes not yet given out: the text of `node` */
    uint32_t node;
    uint32_t match;   /* the best match so far + 1, 0 for none */
    size_t match_end; /* where it ends in `held` */

    /* The second stage, where there is one: what the first gave out, and tokens in it. */
    struct lx_buf between;
    struct lx_token_stream tokens;
};

/* One pass over a piece of memory that begins with what was held. */
struct scan {
    const struct lx_mask *mask;
    const uint8_t *data;
    size_t len;
    size_t given; /* everything before was given out */
    size_t pos;   /* the next byte to look at */
    uint32_t node, match;
    size_t match_end;
    struct lx_buf *out;
};

struct lx_mask_stream *lx_mask_stream_new(const struct lx_mask *mask)
{
    struct lx_mask_stream *stream = lx_alloc(sizeof(*stream));
    stream->mask = mask;
    lx_buf_init(&stream->held, (mask ? mask->longest : 0) + SLICE);
    lx_buf_init(&stream->between, BETWEEN_MAX);
    lx_token_stream_init(&stream->tokens, mask ? mask->tokens : NULL);
    return stream;
}

struct lx_mask_stream *lx_mask_stream_new_secrets(const struct lx_mask *mask)
{
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    stream->tokens.tokens = NULL;
    return stream;
}

void lx_mask_stream_free(struct lx_mask_stream *stream)
{
    if (!stream)
        return;
    lx_buf_done(&stream->held);
    lx_buf_done(&stream->between);
    lx_token_stream_done(&stream->tokens);
    free(stream);
}

size_t lx_mask_held(const struct lx_mask_stream *stream)
{
    return stream->held.len + stream->tokens.held.len;
}

/* The first position from `pos` on where a pattern may begin; near the end every one may. */
static size_t skip(const struct lx_mask *mask, const uint8_t *data, size_t pos, size_t len)
{
    const uint8_t *filter = mask->filter;
    for (; pos + 4 <= len; pos++) {
        uint32_t word;
        memcpy(&word, data + pos, sizeof(word));
        uint32_t bit = lx_mask_hash(word & 0xffffff);
        if (filter[bit >> 3] & (1u << (bit & 7)))
            return pos;
    }
    return pos;
}

static int give_plain(struct scan *scan, size_t until, struct lx_err *err)
{
    size_t n = until - scan->given;
    if (n > 0 && lx_buf_add(scan->out, scan->data + scan->given, n, err) < 0)
        return -1;
    scan->given = until;
    return 0;
}

/* Gives out what is before the match and its replacement; goes on after it. */
static int give_match(struct scan *scan, struct lx_err *err)
{
    const struct lx_mask *mask = scan->mask;
    uint32_t pattern = scan->match - 1, secret = mask->pattern_secret[pattern];
    if (give_plain(scan, scan->match_end - mask->pattern_len[pattern], err) < 0 ||
        lx_buf_add(scan->out, mask->replacement[secret], mask->replacement_len[secret], err) < 0)
        return -1;
    scan->given = scan->pos = scan->match_end;
    scan->node = LX_MASK_ROOT;
    scan->match = 0;
    return 0;
}

/* Takes the byte that leads to `node`. A match that nothing can make longer is given out at once.
 */
static int enter(struct scan *scan, uint32_t node, struct lx_err *err)
{
    const struct lx_mask *mask = scan->mask;
    scan->node = node;
    scan->pos++;
    if (!mask->match[node])
        return 0;
    scan->match = mask->match[node];
    scan->match_end = scan->pos;
    return mask->child[node] == mask->child[node + 1] ? give_match(scan, err) : 0;
}

/* Takes one byte in a node other than the root, or falls back without taking it. */
static int step(struct scan *scan, struct lx_err *err)
{
    uint32_t child = lx_mask_child(scan->mask, scan->node, scan->data[scan->pos]);
    if (child != LX_MASK_DEAD)
        return enter(scan, child, err);
    scan->node = scan->mask->fallback[scan->node];
    return scan->node == LX_MASK_DEAD ? give_match(scan, err) : 0;
}

static int run(struct scan *scan, struct lx_err *err)
{
    int rc = 0;
    while (rc == 0 && scan->pos < scan->len) {
        if (scan->node != LX_MASK_ROOT) {
            rc = step(scan, err);
            continue;
        }
        scan->pos = skip(scan->mask, scan->data, scan->pos, scan->len);
        uint32_t child = scan->mask->root[scan->data[scan->pos]];
        if (child == LX_MASK_DEAD)
            scan->pos++;
        else
            rc = enter(scan, child, err);
    }
    return rc;
}

static int feed_slice(struct lx_mask_stream *stream, const char *data, size_t len,
                      struct lx_buf *out, struct lx_err *err)
{
    struct scan scan = {
        .mask = stream->mask,
        .data = (const uint8_t *)data,
        .len = len,
        .pos = stream->held.len,
        .node = stream->node,
        .match = stream->match,
        .match_end = stream->match_end,
        .out = out,
    };
    bool copied = stream->held.len > 0;
    if (copied) {
        if (lx_buf_add(&stream->held, data, len, err) < 0)
            return -1;
        scan.data = (const uint8_t *)stream->held.data;
        scan.len = stream->held.len;
    }
    if (run(&scan, err) < 0)
        return -1;
    size_t keep = stream->mask->depth[scan.node];
    if (give_plain(&scan, scan.len - keep, err) < 0)
        return -1;

    stream->node = scan.node;
    stream->match = scan.match;
    stream->match_end = scan.match ? scan.match_end - scan.given : 0;
    if (copied)
        lx_buf_consume(&stream->held, scan.given);
    else if (keep > 0)
        return lx_buf_add(&stream->held, scan.data + scan.given, keep, err);
    return 0;
}

/* What the first stage gave out, through the second. */
static int pass_on(struct lx_mask_stream *stream, struct lx_buf *out, struct lx_err *err)
{
    int rc =
        lx_token_stream_feed(&stream->tokens, stream->between.data, stream->between.len, out, err);
    lx_buf_reset(&stream->between);
    return rc;
}

int lx_mask_feed(struct lx_mask_stream *stream, const char *data, size_t len, struct lx_buf *out,
                 struct lx_err *err)
{
    bool two = stream->tokens.tokens != NULL;
    if (!stream->mask)
        return len > 0 ? lx_buf_add(out, data, len, err) : 0;
    while (len > 0) {
        size_t n = len < SLICE ? len : SLICE;
        if (feed_slice(stream, data, n, two ? &stream->between : out, err) < 0 ||
            (two && pass_on(stream, out, err) < 0))
            return -1;
        data += n;
        len -= n;
    }
    return 0;
}

static int flush_secrets(struct lx_mask_stream *stream, struct lx_buf *out, struct lx_err *err)
{
    struct scan scan = {
        .mask = stream->mask,
        .data = (const uint8_t *)stream->held.data,
        .len = stream->held.len,
        .pos = stream->held.len,
        .node = stream->node,
        .match = stream->match,
        .match_end = stream->match_end,
        .out = out,
    };
    int rc = 0;
    /* No further byte can make the match longer; after it there may be others. */
    while (rc == 0 && scan.match) {
        rc = give_match(&scan, err);
        if (rc == 0)
            rc = run(&scan, err);
    }
    if (rc == 0)
        rc = give_plain(&scan, scan.len, err);
    lx_buf_reset(&stream->held);
    stream->node = LX_MASK_ROOT;
    stream->match = 0;
    return rc;
}

int lx_mask_flush(struct lx_mask_stream *stream, struct lx_buf *out, struct lx_err *err)
{
    if (!stream->tokens.tokens)
        return flush_secrets(stream, out, err);
    if (flush_secrets(stream, &stream->between, err) < 0 || pass_on(stream, out, err) < 0)
        return -1;
    return lx_token_stream_flush(&stream->tokens, out, err);
}
