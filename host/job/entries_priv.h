/*
 * What the files about log entries share.
 */
#ifndef LX_JOB_ENTRIES_PRIV_H
#define LX_JOB_ENTRIES_PRIV_H

#include "job/entries.h"

/* A longer text is not kept when its containers go before it was delivered. */
#define LX_ENTRY_TEXT_MAX ((uint64_t)64 * 1024 * 1024)

struct lx_entry {
    struct lx_list link;
    struct lx_entries *entries;
    char *key;
    char **command;
    struct timespec start;
    uint64_t start_ms, ended_ms; /* ended_ms 0: it has not, or is finished as it ends */
    struct lx_sink *sink;
    int64_t id; /* 0 until added */
    bool finished, failed, final_sent;
    bool past;       /* of an earlier attempt */
    bool result;     /* the server reads results from it */
    bool broken;     /* its log could not be kept; the sink says so in its last line */
    bool broken_log; /* lx_entry_set_broken_log */
    bool wrong;      /* keeping or delivering it has failed, which is an error of the job */
    int64_t exit_code, duration_ms;

    struct lx_queue_call *call; /* add or update in flight */
    struct lx_out_source out;   /* what the call sends */
    bool sending_final;
    uint64_t sent_size, sent_ms;

    /* What the journal keeps, and what it brought back (entries_restore.c). */
    size_t index;          /* among the job's entries, from 0 */
    bool stream;           /* has output of a container, which is read again after a restart */
    uint64_t fed;          /* bytes of that output */
    int64_t begins_ns;     /* the timestamp it began with; 0: not known */
    bool goes_on;          /* what came before that is in another entry, or missing */
    uint64_t limit;        /* what it may keep; 0: all */
    size_t n_lines;        /* lines of our own that were kept */
    struct lx_list lines;  /* of struct lx_entry_line: these, for the journal to be written anew */
    uint64_t shown_size;   /* size of the output that was sent last */
    uint64_t shown_fed;    /* `fed` of it */
    uint64_t hold;         /* at that place, shorter output is not sent: more was shown already */
    bool left;             /* what was shown stays as it is: less than that can be read now */
    struct lx_list replay; /* of struct lx_entry_line: still to be put between the output */
    struct lx_list notes;  /* of struct lx_entry_line: wait for the end of a line of the output */
    char *kept;            /* the whole output, escaped, instead of the sink's; NULL */
    size_t kept_len;
    bool text_kept; /* the journal has the whole output */
};

/* A line of the executor's own, and after how many bytes of the container's output it stands. */
struct lx_entry_line {
    struct lx_list link;
    uint64_t at;
    bool raw;
    char *text;
};

struct lx_entries {
    const struct lx_executor_opts *opts;
    const struct lx_job *job;
    const struct lx_mask *mask;
    struct lx_spool_budget *spool;
    uint64_t deadline_ms;
    struct lx_list list;
    struct lx_journal_writer *journal; /* NULL: nothing is kept */
    size_t n;                          /* how many there are */
    bool restarted;                    /* brought back: what is added first may be there already */
    int64_t last_id; /* of the entry added last; ids count up from 1 (contract 1.7) */
    struct lx_timer *timer;
    struct lx_task pump_task, done_task;
    bool flushing, abandoned, paused, has_error;
    struct lx_err error;
    void (*done)(void *arg);
};

/* Makes an entry with its sink, in the list, not yet sent; takes over `command`. `limit` is what it
 * may keep, 0: all; LX_LIMIT_LEFT: what the limits leave. */
#define LX_LIMIT_LEFT UINT64_MAX
struct lx_entry *lx_entry_new(struct lx_entries *entries, const char *key, char **command,
                              uint64_t limit);

/* ---- entries_journal.c; each does nothing without a journal ---- */

/* Keeps what the entry is and how far it was delivered. */
void lx_entry_record(const struct lx_entry *entry);
/* Keeps a line of our own. */
void lx_entry_record_line(struct lx_entry *entry, bool raw, const char *text);
/* The text was delivered: what was kept of it is not needed any more. */
void lx_entry_record_delivered(struct lx_entry *entry);
/* Remembers a line of ours, for the journal to be written anew. */
void lx_entry_keep_line(struct lx_entry *entry, uint64_t at, bool raw, const char *text);

/* ---- entries_restore.c ---- */

/* Takes the next line that stands at or before `fed`; NULL: none. `all`: wherever it stands. */
struct lx_entry_line *lx_entry_next_line(struct lx_entry *entry, bool all);
/* How much of `len` bytes comes before the next line. */
size_t lx_entry_before_line(const struct lx_entry *entry, size_t len);
/* Writes the lines that stand where the output is now, or all that are left. */
void lx_entry_replay(struct lx_entry *entry, bool all);
void lx_entry_line_free(struct lx_entry_line *line);
/* Empties a list of them. */
void lx_entry_free_lines(struct lx_list *lines);

/* ---- entries_rotated.c ---- */

/* The earlier entries with the key of `next`, which goes on from them, have ended. */
void lx_entries_end_before(struct lx_entries *entries, const struct lx_entry *next);

#endif
