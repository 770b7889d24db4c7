/*
 * The text of a log with timestamps, made into the container's bytes: splits lines whatever the
 * chunks are, strips timestamps, and after a new start leaves out what was delivered before.
 *
 * Why counting is exact: the log is a file that only grows, and `sinceTime` filters it by a rule
 * that does not change. The answer to a later request with the same or a later sinceTime therefore
 * begins with exactly the lines at or after it that we have had, in the same order, also where
 * timestamps are equal or (two streams of one container) not quite in order. Only rotation breaks
 * this; then the place is looked up among the lines delivered last.
 */
#ifndef LX_KUBE_PODLOG_LINES_H
#define LX_KUBE_PODLOG_LINES_H

#include "lunexec/buf.h"
#include "lunexec/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LX_LOGLINES_HEAD 32  /* bytes of a line that identify it, beside its timestamp */
#define LX_LOGLINES_RING 256 /* lines remembered */
#define LX_LOGLINES_STAMP 48 /* longest timestamp */

/* Standard output and standard error of a container are stamped before they are written, by
 * threads of their own: an older timestamp may follow by this much. */
#define LX_LOGLINES_DISORDER_NS 250000000

struct lx_logline_id {
    int64_t ns;
    uint64_t hash;
};

/* Lines delivered whose timestamp lies in one second. */
struct lx_logline_second {
    int64_t second;
    uint64_t count;
    struct lx_logline_id first;
    uint64_t at; /* how many lines had been delivered before the first */
    bool again;  /* a later one looks like the first */
};

enum lx_loglines_mode {
    LX_LOGLINES_LIVE, /* delivering */
    LX_LOGLINES_FIND, /* after a new start: where are we? */
    LX_LOGLINES_SKIP, /* leaving out `left` lines more */
    LX_LOGLINES_OPEN, /* the next line must be the one that was cut */
};

struct lx_loglines {
    void (*emit)(void *arg, const char *data, size_t len);
    void *arg;
    struct lx_buf out; /* collected for emit */

    /* Splitting. */
    bool in_body;
    char stamp[LX_LOGLINES_STAMP];
    size_t stamp_len;
    char day[20]; /* "2006-01-02T15:04:05." parsed last, and its seconds since 1970 */
    int64_t day_s;

    /* The current answer. */
    enum lx_loglines_mode mode;
    bool stamped;  /* a line with a timestamp was seen in it */
    bool begun;    /* the current line has one: the rest of a line whose beginning is from
                      before sinceTime has none, also between others */
    uint64_t left; /* SKIP: lines to leave out; bytes to leave out of the cut line: */
    uint64_t left_len;
    int64_t ns;       /* the current line's timestamp */
    int64_t since_ns; /* asked for from here on; a server may send more */
    bool old;         /* the current line is from before that */
    char head[LX_LOGLINES_HEAD];
    size_t head_len;
    bool rest;             /* what follows the last line left out, up to a timestamp, is left out */
    bool skipped;          /* FIND: the current line is known to be an old one */
    struct lx_buf refusal; /* text of an answer that is no log */

    /* Asking for the last lines only, see podlog_tail.c. */
    uint64_t tail_from;   /* [20000] lines delivered from which it is worth while */
    uint64_t tail;        /* lines asked for; 0: all */
    uint64_t tail_next;   /* to be asked for next time */
    uint64_t tail_total;  /* lines delivered when the answer began */
    bool reached, missed; /* the answer was seen to begin where it should; or not */
    bool tail_off;        /* no number reaches back from `tail_total` */
    uint64_t piece_min;   /* [4096] a line of so many bytes may be in pieces in the file */
    uint64_t piece_total; /* `total` after the last such line; 0: there was none */

    /* What was delivered. */
    uint64_t total;
    int64_t begins_ns; /* the timestamp of the first line, which may be open; 0: none */
    struct lx_logline_id first;
    struct lx_logline_second seconds[2]; /* the latest second and the one before */
    int64_t max_ns;
    bool whole; /* timestamps went back: start from the beginning, not from sinceTime */
    struct lx_logline_id ring[LX_LOGLINES_RING];
    size_t ring_n, ring_at;
    bool open; /* a line was delivered in part: open_len bytes */
    int64_t open_ns;
    uint64_t open_len;
    uint64_t gaps; /* gap lines written */
};

/* Nothing was delivered yet. `emit` gets the container's bytes, valid during the call. */
void lx_loglines_init(struct lx_loglines *lines,
                      void (*emit)(void *arg, const char *data, size_t len), void *arg);
void lx_loglines_done(struct lx_loglines *lines);

/* A new answer begins. `out` gets the sinceTime to ask for; false: ask without one. */
bool lx_loglines_start(struct lx_loglines *lines, char out[LX_RFC3339_SIZE]);
/* How many lines from the end of the log to ask for, besides; 0: for all. */
uint64_t lx_loglines_tail(const struct lx_loglines *lines);
/* These lines do not reach back to what was delivered before: the answer is of no use, a new one is
 * to be started. `ended`: it ends here, so whether they do is clear. */
bool lx_loglines_missed(struct lx_loglines *lines, bool ended);

/* Bytes of the answer. New bytes of the container are emitted before this returns. */
void lx_loglines_feed(struct lx_loglines *lines, const char *data, size_t len);

/* Bytes that came instead of a log, "" if it was one: the kubelet reports some failures so. */
const char *lx_loglines_refusal(const struct lx_loglines *lines);

/* The last answer has ended. When it did not come as far as what was delivered before, and the
 * stream before it was cut (not `clean`), a line says that the end may be missing. */
void lx_loglines_finish(struct lx_loglines *lines, bool clean);

/* ---- Between the files ---- */

/* The second to ask from: `since`, or the one before it where only that begins with a line old
 * enough. */
int64_t lx_loglines_tail_second(const struct lx_loglines *lines, int64_t since);
/* `left`, `since_ns` are set; `first` begins an answer that reaches back; NULL: none does. */
void lx_loglines_plan_tail(struct lx_loglines *lines, const struct lx_logline_id *first);

/* The splitter has found a timestamp, in nanoseconds since 1970: a line begins. */
void lx_loglines_on_stamp(struct lx_loglines *lines, int64_t ns);
/* It has found bytes of that line, with an LF only as the last. */
void lx_loglines_on_body(struct lx_loglines *lines, const char *data, size_t len);
/* That LF has come. */
void lx_loglines_on_end(struct lx_loglines *lines);
/* Emits what was collected. */
void lx_loglines_flush(struct lx_loglines *lines);

#endif
