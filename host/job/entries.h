/*
 * The log entries of one job on their way to the frontend (contract 1.7, 9): added one after
 * another in order, updated with the complete output at bounded intervals, at most one update of
 * an entry in flight, the last one always complete.
 */
#ifndef LX_JOB_ENTRIES_H
#define LX_JOB_ENTRIES_H

#include "job/journal_writer.h"
#include "lunexec/executor.h"
#include "lunexec/mask.h"
#include "lunexec/sink.h"

struct lx_entries;
struct lx_entry;

/* `job`, `mask`, `spool` and `journal` (NULL: nothing is kept) are borrowed. `deadline_ms`
 * (monotonic) ends the patience with the frontend. */
struct lx_entries *lx_entries_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                                  const struct lx_mask *mask, struct lx_spool_budget *spool,
                                  uint64_t deadline_ms, struct lx_journal_writer *journal);
/* Cancels what is in flight. */
void lx_entries_free(struct lx_entries *entries);

/* Opens an entry, starting now. `command` is NULL-terminated and masked here; NULL for none. The
 * entry lives as long as `entries`. */
struct lx_entry *lx_entry_open(struct lx_entries *entries, const char *key, char *const *command);

/* The entry of this attempt with that key, NULL if none was opened. */
struct lx_entry *lx_entry_find(struct lx_entries *entries, const char *key);

/* The next bytes of a container's output. Here and below: an entry that is finished takes nothing
 * more, and what cannot be kept is remembered (lx_entries_error). */
void lx_entry_write(struct lx_entry *entry, const char *data, size_t len);
/* A line of the executor's own, with the prefix "stdout: ". */
void lx_entry_line(struct lx_entry *entry, const char *text);
/* Text of the executor's own without a prefix. */
void lx_entry_raw(struct lx_entry *entry, const char *text);
/* A line of the executor's own that may stand anywhere: a line of the output that has begun ends
 * before it. */
void lx_entry_note(struct lx_entry *entry, const char *text);

/* Whether it has such a line already. */
bool lx_entry_has_line(const struct lx_entry *entry, const char *text);

/* The same in every entry that is not finished. */
void lx_entries_tell_open(struct lx_entries *entries, const char *text);

/* Another attempt begins: finishes what is open, and lx_entry_find no longer finds what there is.
 */
void lx_entries_renew(struct lx_entries *entries);

/* The server reads results from it, so that nothing of it may be missing. */
bool lx_entry_has_results(const struct lx_entry *entry);

/* Whether the log that was read for it turned out broken; that is known after a restart, too. */
void lx_entry_set_broken_log(struct lx_entry *entry, bool broken);
bool lx_entry_has_broken_log(const struct lx_entry *entry);

/* What the entry is about has ended now; it may still get lines of ours. */
void lx_entry_ended(struct lx_entry *entry);

/* No more output. `exit_code` -1: it was never observed. Only the first call counts. */
void lx_entry_finish(struct lx_entry *entry, int64_t exit_code);
/* Whether that was called. */
bool lx_entry_finished(const struct lx_entry *entry);

/* Calls `done` once, deferred, when every entry is finished and delivered or has failed. All
 * entries must be finished. */
void lx_entries_flush(struct lx_entries *entries, void (*done)(void *arg), void *arg);

/* The first failure to keep or deliver, NULL if there was none. */
const struct lx_err *lx_entries_error(const struct lx_entries *entries);

/* The frontend no longer knows the job: nothing further is sent, everything counts as delivered. */
void lx_entries_abandon(struct lx_entries *entries);

/* Nothing further is sent; for a process that is about to end. */
void lx_entries_pause(struct lx_entries *entries);
/* Sending begins, after lx_entries_restore. */
void lx_entries_resume(struct lx_entries *entries);
/* A call is underway. */
bool lx_entries_busy(const struct lx_entries *entries);

/* ---- Across restarts: with a journal all the above is kept in it ---- */

/* Brings back what an earlier process kept. `keys` (NULL-terminated, in their order) are the
 * journal's keys of this job. Entries of containers are open again until their logs have been read
 * anew and end; what was shown of them is not taken back meanwhile. Nothing is sent before
 * lx_entries_resume. `on_line` gets each line of our
 * own, with the key of its entry. */
void lx_entries_restore(struct lx_entries *entries, const struct lx_journal *journal,
                        char *const *keys,
                        void (*on_line)(void *arg, const char *key, const char *text), void *arg);

/* The container's output begins with the timestamp `begins_ns` (lx_podlog_begins_ns). An earlier
 * process may have had it from an earlier line on, which the kubelet has rotated away since: then
 * what was shown stays as it is, and the answer is a new entry with the same key, which begins with
 * a line that says so. Otherwise it is `entry`. */
struct lx_entry *lx_entry_begin_output(struct lx_entry *entry, int64_t begins_ns);
/* Lines are missing in the output before what comes now. Where that is in what is read again, this
 * is no longer what was shown: likewise. */
struct lx_entry *lx_entry_gap(struct lx_entry *entry);
/* The output has been read to its end: an earlier process had begun to read it, and nothing of it
 * is left. */
bool lx_entry_output_gone(const struct lx_entry *entry);
/* Whether it is such a new one: the beginning of the output is not in it. */
bool lx_entry_goes_on(const struct lx_entry *entry);

/* The containers are about to go: keeps the whole output of finished entries that is not delivered
 * yet. */
void lx_entries_keep(struct lx_entries *entries);

/* What wrote the entries that are still open is begun anew: finishes them with a line that says so;
 * not the entry with the key `except` (may be NULL), nor those of the job's end. */
void lx_entries_interrupted(struct lx_entries *entries, const char *except, const char *text);

/* The containers are gone: entries that are still open have lost output; that is an error. What was
 * shown of an entry is left as it is when less can be read now. */
void lx_entries_lost(struct lx_entries *entries);
/* What was left so while its container ran has no exit code: a further entry of its key ends it. */
void lx_entries_end_left(struct lx_entries *entries);
/* Says of each entry that was left so, in the entry `where`, that it is incomplete. */
void lx_entries_tell_left(struct lx_entries *entries, struct lx_entry *where);
/* The key of one of this attempt that was left so and has results; NULL: there is none. */
const char *lx_entries_left_results(const struct lx_entries *entries);

/* Puts everything into the journal anew. */
void lx_entries_rewrite(struct lx_entries *entries);

#endif
