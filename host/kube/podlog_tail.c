/*
 * Asking for the last lines only. To find sinceTime the kubelet parses its file from the beginning,
 * seconds of work for a large one: through connections that live no longer than that, a log would
 * never come to its end. From the end of the file it looks for a number of lines in no time.
 *
 * The number is a guess. Whether the answer begins with the line that one without the number would
 * begin with is certain where no other line looks like that one; if it does not, it is given up for
 * one with more lines, and in the end for one with all.
 */
#include "kube/podlog_lines.h"

#define GROWTH 8

static void after_answer(struct lx_loglines *lines)
{
    uint64_t delivered = lines->total - lines->tail_total;
    if (delivered)
        lines->tail_off = false;
    if (lines->missed && lines->tail >= lines->total)
        lines->tail_off = true;
    else if (lines->missed)
        lines->tail_next = lines->tail * GROWTH;
    else if (lines->reached)
        lines->tail_next -= delivered < lines->tail_next ? delivered : lines->tail_next;
}

static bool is_settled(const struct lx_loglines *lines, const struct lx_logline_id *id)
{
    return id->ns < lines->max_ns - LX_LOGLINES_DISORDER_NS;
}

int64_t lx_loglines_tail_second(const struct lx_loglines *lines, int64_t since)
{
    const struct lx_logline_second *late = &lines->seconds[0], *early = &lines->seconds[1];
    bool young = late->count && late->second == since && !is_settled(lines, &late->first);
    return lines->total >= lines->tail_from && young && early->count ? since - 1 : since;
}

/* An answer that begins within a long line gives the rest of it as a line of its own, with a
 * timestamp of its own. */
static bool may_begin_within_line(const struct lx_loglines *lines)
{
    const struct lx_logline_second *late = &lines->seconds[0], *early = &lines->seconds[1];
    uint64_t first_at = early->count && early->at < late->at ? early->at : late->at;
    return (lines->open && lines->open_len >= lines->piece_min) ||
           (lines->piece_total && lines->piece_total + LX_LOGLINES_RING > first_at);
}

/* No line that was or will be delivered can be taken for the first: it is older than timestamps are
 * ever late. */
static bool is_unmistakable(const struct lx_loglines *lines, const struct lx_logline_id *first)
{
    return first && is_settled(lines, first) && !lines->seconds[0].again &&
           !lines->seconds[1].again && !may_begin_within_line(lines);
}

void lx_loglines_plan_tail(struct lx_loglines *lines, const struct lx_logline_id *first)
{
    uint64_t least = 2 * lines->left + lines->tail_from / 4;
    after_answer(lines);
    lines->tail = 0;
    lines->reached = lines->missed = false;
    lines->tail_total = lines->total;
    if (!lines->since_ns || lines->total < lines->tail_from || lines->tail_off ||
        !is_unmistakable(lines, first))
        return;
    if (lines->tail_next < least)
        lines->tail_next = least;
    lines->tail = lines->tail_next;
}

uint64_t lx_loglines_tail(const struct lx_loglines *lines)
{
    return lines->tail;
}

bool lx_loglines_missed(struct lx_loglines *lines, bool ended)
{
    if (ended && lines->tail && !lines->reached)
        lines->missed = true;
    return lines->missed;
}
