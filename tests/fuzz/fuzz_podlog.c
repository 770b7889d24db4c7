/* A log read through any number of cuts comes out once, whole and in order.
 * Input: four cuts (two bytes each), then entries of the log: time step, length and flags, fill. */
#include "kube/podlog_lines.h"

#include <string.h>

#define CUTS 4
#define ENTRIES_MAX 300
#define NS 1000000000
#define PIECE_MIN 64 /* what a runtime cuts is at least so long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct entry {
    int64_t ns;
    size_t len;
    char fill;
    bool partial;
};

static struct entry entries[ENTRIES_MAX];
static size_t n_entries;

/* Time mostly goes on; within a stream's disorder it may go back a little. */
static int64_t step(uint8_t byte)
{
    static const int64_t steps[] = {0, 0, 1, 1000, 100000000, 400000000, 1100000000, -100000000};
    return steps[byte % 8];
}

static void read_entries(const uint8_t *data, size_t size)
{
    int64_t ns = 1700000000LL * NS;
    int64_t floor_ns = ns;
    bool inside = false;
    for (n_entries = 0; n_entries < ENTRIES_MAX && size >= 3; n_entries++, data += 3, size -= 3) {
        int64_t delta = step(data[0]);
        /* The entries of one line are of one stream, which is in order. */
        ns += inside && delta < 0 ? 0 : delta;
        if (ns < floor_ns - 200000000)
            ns = floor_ns - 200000000;
        if (ns > floor_ns)
            floor_ns = ns;
        inside = (data[1] & 0x80) != 0;
        entries[n_entries] = (struct entry){
            .ns = ns, .len = data[1] & 0x7f, .fill = (char)(data[2] % 94 + 33), .partial = inside};
        if (inside && entries[n_entries].len < PIECE_MIN)
            entries[n_entries].len += PIECE_MIN;
    }
}

/* As the kubelet answers, from entry `from` on; without timestamps: as the container wrote it. */
static void answer(bool stamps, int64_t since_s, size_t from, struct lx_buf *out)
{
    bool fresh = true;
    for (size_t i = from; i < n_entries; i++) {
        const struct entry *entry = &entries[i];
        char stamp[LX_RFC3339_SIZE], text[128];
        bool shown = !stamps || entry->ns >= since_s * NS;
        lx_rfc3339((struct timespec){.tv_sec = (time_t)(entry->ns / NS),
                                     .tv_nsec = (long)(entry->ns % NS)},
                   stamp);
        memset(text, entry->fill, sizeof(text));
        if (shown && fresh && stamps)
            lx_assert(lx_buf_addf(out, NULL, "%s ", stamp) == 0);
        if (shown)
            lx_assert(lx_buf_add(out, text, entry->len, NULL) == 0);
        if (shown && !entry->partial)
            lx_assert(lx_buf_addc(out, '\n', NULL) == 0);
        fresh = !entry->partial;
    }
}

static void on_emit(void *arg, const char *data, size_t len)
{
    lx_assert(lx_buf_add(arg, data, len, NULL) == 0);
}

/* Reads up to `len` bytes of an answer, and another one while what was asked for reaches back too
 * little. */
static void read_some(struct lx_loglines *lines, size_t len)
{
    bool missed = true;
    for (size_t tries = 0; missed; tries++) {
        struct lx_buf text = LX_BUF_INIT((size_t)1 << 20);
        char since[LX_RFC3339_SIZE];
        struct timespec when = {0};
        lx_assert(tries < 10);
        if (lx_loglines_start(lines, since))
            lx_assert(lx_rfc3339_parse(since, strlen(since), &when) == 0);
        uint64_t tail = lx_loglines_tail(lines);
        answer(true, when.tv_sec, tail && tail < n_entries ? n_entries - (size_t)tail : 0, &text);
        bool ended = len >= text.len;
        lx_loglines_feed(lines, lx_buf_str(&text), ended ? text.len : len);
        missed = lx_loglines_missed(lines, ended);
        lx_buf_done(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lx_buf want = LX_BUF_INIT((size_t)1 << 20), got = LX_BUF_INIT((size_t)1 << 20);
    struct lx_loglines lines;
    if (size < (size_t)2 * CUTS)
        return 0;
    read_entries(data + (size_t)2 * CUTS, size - (size_t)2 * CUTS);
    answer(false, 0, 0, &want);
    lx_loglines_init(&lines, on_emit, &got);
    lines.piece_min = PIECE_MIN;
    if (data[0] & 0x80)
        lines.tail_from = data[1] & 0x3f; /* otherwise the log is too short for it */
    for (size_t i = 0; i <= CUTS; i++)
        read_some(&lines,
                  i < CUTS ? (size_t)(data[2 * i] & 0x7f) << 8 | data[2 * i + 1] : SIZE_MAX);
    lx_loglines_finish(&lines, false);
    lx_assert(got.len == want.len);
    lx_assert(memcmp(lx_buf_str(&got), lx_buf_str(&want), got.len) == 0);
    lx_loglines_done(&lines);
    lx_buf_done(&want);
    lx_buf_done(&got);
    return 0;
}
