/*
 * Asking for the last lines only. To find sinceTime the kubelet parses its file from the beginning,
 * seconds of work for a large one: through connections that live no longer than that, a log would
 * never come to its end. From the end of the file it looks for a number of lines in no time.
 *
 * The number is a guess. sinceTime is set some seconds earlier, and only if a line from before the
 * place comes first is it certain that the answer has all lines that it would have had without the
 * number; otherwise it is given up for one with more lines, and in the end for one with all.
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

void lx_loglines_plan_tail(struct lx_loglines *lines)
{
    uint64_t least = 4 * lines->left + lines->tail_from / 4;
    after_answer(lines);
    lines->tail = 0;
    lines->reached = lines->missed = false;
    lines->tail_total = lines->total;
    if (!lines->left || !lines->since_ns || lines->total < lines->tail_from || lines->tail_off)
        return;
    if (lines->tail_next < least)
        lines->tail_next = least;
    lines->tail = lines->tail_next;
}

uint64_t lx_loglines_tail(const struct lx_loglines *lines)
{
    return lines->tail;
}

bool lx_loglines_tail_stamp(struct lx_loglines *lines, int64_t ns)
{
    if (!lines->tail || lines->reached)
        return true;
    lines->reached = ns < lines->since_ns - LX_LOGLINES_DISORDER_NS;
    lines->missed = !lines->reached;
    return lines->reached;
}

bool lx_loglines_missed(struct lx_loglines *lines, bool ended)
{
    if (ended && lines->tail && !lines->reached)
        lines->missed = true;
    return lines->missed;
}
