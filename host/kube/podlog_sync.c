#include "kube/podlog_lines.h"

#include "lunexec/mem.h"

#include <string.h>

#define NS 1000000000
#define OUT_MAX ((size_t)64 << 10)
#define REFUSAL_MAX 1024
#define TAIL_FROM 20000
/* Runtimes cut lines at 8 or 16 KiB. */
#define PIECE_MIN 4096

void lx_loglines_init(struct lx_loglines *lines,
                      void (*emit)(void *arg, const char *data, size_t len), void *arg)
{
    *lines = (struct lx_loglines){
        .emit = emit, .arg = arg, .tail_from = TAIL_FROM, .piece_min = PIECE_MIN};
    lx_buf_init(&lines->out, OUT_MAX);
    lx_buf_init(&lines->refusal, REFUSAL_MAX);
}

void lx_loglines_done(struct lx_loglines *lines)
{
    lx_buf_done(&lines->out);
    lx_buf_done(&lines->refusal);
}

static void deliver(struct lx_loglines *lines, const char *data, size_t len)
{
    if (!len || !lx_buf_add(&lines->out, data, len, NULL))
        return;
    lines->emit(lines->arg, lx_buf_str(&lines->out), lines->out.len);
    lx_buf_reset(&lines->out);
    if (len > OUT_MAX / 2 || lx_buf_add(&lines->out, data, len, NULL))
        lines->emit(lines->arg, data, len);
}

/* FNV-1a over the bytes that identify the line, its LF included if it is that short. */
static struct lx_logline_id identify(int64_t ns, const char *head, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)head[i]) * 0x100000001b3U;
    return (struct lx_logline_id){.ns = ns, .hash = hash};
}

static bool same(struct lx_logline_id a, struct lx_logline_id b)
{
    return a.ns == b.ns && a.hash == b.hash;
}

static int64_t since_second(const struct lx_loglines *lines)
{
    int64_t ns = lines->max_ns;
    if (lines->open && lines->open_ns < ns)
        ns = lines->open_ns;
    return ns > LX_LOGLINES_DISORDER_NS ? (ns - LX_LOGLINES_DISORDER_NS) / NS : 0;
}

/* Lines delivered that an answer from `since` on begins with; `ret_first` is the first of them. */
static uint64_t expected(const struct lx_loglines *lines, int64_t since,
                         struct lx_logline_id *ret_first)
{
    const struct lx_logline_second *late = &lines->seconds[0], *early = &lines->seconds[1];
    if (lines->whole) {
        *ret_first = lines->first;
        return lines->total;
    }
    *ret_first = late->first;
    if (!late->count || late->second < since)
        return 0;
    if (!early->count || early->second < since)
        return late->count;
    if (early->at < late->at)
        *ret_first = early->first;
    return early->count + late->count;
}

static bool too_old(const struct lx_loglines *lines, int64_t second)
{
    return lines->total && second < lines->max_ns / NS - 1;
}

bool lx_loglines_start(struct lx_loglines *lines, char out[LX_RFC3339_SIZE])
{
    struct lx_logline_id first;
    bool nothing = !lines->total && !lines->open;
    int64_t since = lx_loglines_tail_second(lines, since_second(lines));
    if (!nothing && lines->total && since < lines->seconds[0].second - 1)
        lines->whole = true;
    lines->in_body = false;
    lines->stamp_len = 0;
    lines->stamped = lines->begun = false;
    lines->rest = false;
    lines->skipped = false;
    lines->head_len = 0;
    lines->left_len = 0;
    lx_buf_reset(&lines->refusal);
    lines->left = nothing ? 0 : expected(lines, since, &first);
    if (nothing)
        lines->mode = LX_LOGLINES_LIVE;
    else
        lines->mode = lines->left ? LX_LOGLINES_FIND : LX_LOGLINES_OPEN;
    lines->old = false;
    lines->since_ns = nothing || lines->whole ? 0 : since * NS;
    lx_loglines_plan_tail(lines, lines->left ? &first : NULL);
    if (nothing || lines->whole)
        return false;
    lx_rfc3339((struct timespec){.tv_sec = (time_t)since}, out);
    return true;
}

/* ---- Delivering ---- */

static void live_line(struct lx_loglines *lines, int64_t ns)
{
    lines->mode = LX_LOGLINES_LIVE;
    if (!lines->begins_ns)
        lines->begins_ns = ns;
    lines->open = true;
    lines->open_ns = ns;
    lines->open_len = 0;
    lines->head_len = 0;
    if (too_old(lines, ns / NS))
        lines->whole = true;
    if (ns > lines->max_ns)
        lines->max_ns = ns;
}

static void count_second(struct lx_loglines *lines, struct lx_logline_id id)
{
    int64_t second = id.ns / NS;
    struct lx_logline_second *late = &lines->seconds[0], *early = &lines->seconds[1];
    if (!late->count || second > late->second) {
        *early = late->count && late->second == second - 1 ? *late : (struct lx_logline_second){0};
        *late = (struct lx_logline_second){.second = second, .first = id, .at = lines->total};
    }
    if (second == late->second) {
        late->again |= late->count && same(id, late->first);
        late->count++;
    } else if (second == late->second - 1) {
        if (!early->count)
            *early = (struct lx_logline_second){.second = second, .first = id, .at = lines->total};
        early->again |= early->count && same(id, early->first);
        early->count++;
    }
}

/* The open line has its LF: remember it as delivered. */
static void line_delivered(struct lx_loglines *lines)
{
    struct lx_logline_id id = identify(lines->open_ns, lines->head, lines->head_len);
    lines->open = false;
    if (lines->total++ == 0)
        lines->first = id;
    if (lines->open_len >= lines->piece_min)
        lines->piece_total = lines->total;
    count_second(lines, id);
    lines->ring_at = (lines->ring_at + 1) % LX_LOGLINES_RING;
    lines->ring[lines->ring_at] = id;
    if (lines->ring_n < LX_LOGLINES_RING)
        lines->ring_n++;
}

static void live_body(struct lx_loglines *lines, const char *data, size_t len)
{
    size_t room = LX_LOGLINES_HEAD - lines->head_len;
    size_t n = len < room ? len : room;
    memcpy(lines->head + lines->head_len, data, n);
    lines->head_len += n;
    if (lines->left_len) {
        n = len < lines->left_len ? len : (size_t)lines->left_len;
        lines->left_len -= n;
        data += n;
        len -= n;
    }
    lines->open_len += len;
    deliver(lines, data, len);
}

/* The line that was cut comes again. */
static void reopen(struct lx_loglines *lines)
{
    lines->mode = LX_LOGLINES_LIVE;
    lines->left_len = lines->open_len;
    lines->head_len = 0;
}

static void stamp_text(int64_t ns, char out[LX_RFC3339_SIZE])
{
    lx_rfc3339((struct timespec){.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)}, out);
}

static void gap(struct lx_loglines *lines, int64_t ns)
{
    char from[LX_RFC3339_SIZE], to[LX_RFC3339_SIZE];
    if (lines->open && lines->open_len) {
        deliver(lines, "\n", 1);
        line_delivered(lines);
    }
    lines->open = false;
    if (ns <= lines->max_ns)
        return;
    stamp_text(lines->max_ns, from);
    stamp_text(ns, to);
    lx_auto(str) char *text = lx_strf("[lunexec: log lines between %s and %s are missing: rotated "
                                      "away by the kubelet]\n",
                                      from, to);
    lx_loglines_flush(lines); /* who gets the text sees it counted, and not what was before it */
    lines->gaps++;
    deliver(lines, text, strlen(text));
}

/* ---- Finding the place again ---- */

/* How many lines delivered last begin with `id`, itself included; 0 if it is not among them. */
static size_t ring_from(const struct lx_loglines *lines, struct lx_logline_id id)
{
    for (size_t n = lines->ring_n; n > 0; n--) {
        size_t at = (lines->ring_at + LX_LOGLINES_RING + 1 - n) % LX_LOGLINES_RING;
        if (same(lines->ring[at], id))
            return n;
    }
    return 0;
}

/* A line of this time was delivered so long ago that it is not remembered. */
static bool forgotten(const struct lx_loglines *lines, int64_t ns)
{
    size_t oldest = (lines->ring_at + 1) % LX_LOGLINES_RING;
    return lines->ring_n == LX_LOGLINES_RING && ns <= lines->ring[oldest].ns;
}

/* Enough of a line is here to know whether we had it. */
static void decide(struct lx_loglines *lines)
{
    struct lx_logline_id id = identify(lines->ns, lines->head, lines->head_len), first;
    uint64_t n = expected(lines, lines->since_ns / NS, &first);
    if (lines->tail) {
        lines->reached = same(id, first);
        lines->missed = !lines->reached;
        if (lines->missed)
            return;
    } else if (!same(id, first)) {
        n = ring_from(lines, id);
    }
    if (n) {
        lines->mode = LX_LOGLINES_SKIP;
        lines->left = n;
        return;
    }
    if (lines->open && lines->ns == lines->open_ns) {
        char head[LX_LOGLINES_HEAD];
        size_t len = lines->head_len;
        memcpy(head, lines->head, len);
        reopen(lines);
        live_body(lines, head, len);
        return;
    }
    if (forgotten(lines, lines->ns)) {
        lines->skipped = true;
        return;
    }
    char head[LX_LOGLINES_HEAD];
    size_t len = lines->head_len;
    memcpy(head, lines->head, len);
    gap(lines, lines->ns);
    live_line(lines, lines->ns);
    live_body(lines, head, len);
}

static void find_body(struct lx_loglines *lines, const char *data, size_t len)
{
    size_t room = LX_LOGLINES_HEAD - lines->head_len;
    size_t n = len < room ? len : room;
    if (lines->skipped)
        return;
    memcpy(lines->head + lines->head_len, data, n);
    lines->head_len += n;
    if (lines->head_len < LX_LOGLINES_HEAD && data[len - 1] != '\n')
        return;
    decide(lines);
    if (lines->mode == LX_LOGLINES_LIVE)
        live_body(lines, data + n, len - n);
}

/* ---- What the splitter found ---- */

void lx_loglines_on_stamp(struct lx_loglines *lines, int64_t ns)
{
    lines->stamped = lines->begun = true;
    lines->rest = false;
    lines->ns = ns;
    lines->old = ns < lines->since_ns;
    if (lines->old)
        return;
    switch (lines->mode) {
    case LX_LOGLINES_LIVE:
        live_line(lines, ns);
        break;
    case LX_LOGLINES_FIND:
        lines->head_len = 0;
        lines->skipped = false;
        break;
    case LX_LOGLINES_OPEN:
        if (ns == lines->open_ns) {
            reopen(lines);
        } else {
            gap(lines, ns);
            live_line(lines, ns);
        }
        break;
    case LX_LOGLINES_SKIP:
        break;
    }
}

void lx_loglines_on_body(struct lx_loglines *lines, const char *data, size_t len)
{
    if (!lines->stamped) {
        /* The rest of a line from before sinceTime, or no log at all. */
        size_t room = REFUSAL_MAX - lines->refusal.len;
        (void)lx_buf_add(&lines->refusal, data, len < room ? len : room, NULL);
        return;
    }
    if (lines->old)
        return;
    if (lines->mode == LX_LOGLINES_FIND)
        find_body(lines, data, len);
    else if (lines->mode == LX_LOGLINES_LIVE && lines->open)
        live_body(lines, data, len);
    else if (lines->mode == LX_LOGLINES_LIVE && !lines->rest)
        deliver(lines, data, len); /* a line without a timestamp */
}

void lx_loglines_on_end(struct lx_loglines *lines)
{
    bool counts = lines->begun && !lines->old;
    lines->begun = false;
    if (!counts)
        return;
    if (lines->mode == LX_LOGLINES_LIVE && lines->open)
        line_delivered(lines);
    if (lines->mode != LX_LOGLINES_SKIP || --lines->left > 0)
        return;
    lines->mode = lines->open ? LX_LOGLINES_OPEN : LX_LOGLINES_LIVE;
    lines->rest = true;
}

const char *lx_loglines_refusal(const struct lx_loglines *lines)
{
    return lines->stamped ? "" : lx_buf_str(&lines->refusal);
}

void lx_loglines_finish(struct lx_loglines *lines, bool clean)
{
    char from[LX_RFC3339_SIZE];
    if (lines->mode == LX_LOGLINES_FIND && lines->head_len && !lines->skipped)
        decide(lines); /* a short line that ends with the log */
    if (lines->mode != LX_LOGLINES_LIVE && !(clean && !lines->open)) {
        if (lines->open && lines->open_len)
            deliver(lines, "\n", 1);
        stamp_text(lines->max_ns, from);
        lx_auto(str) char *text = lx_strf("[lunexec: log lines after %s may be missing: rotated "
                                          "away by the kubelet]\n",
                                          from);
        lx_loglines_flush(lines);
        lines->gaps++;
        deliver(lines, text, strlen(text));
    }
    lx_loglines_flush(lines);
}
