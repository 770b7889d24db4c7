/*
 * Keys and values that survive the process: an append-only file of checksummed records with an
 * index in memory. Whatever point a writer was killed at, opening the file again gives the values
 * of some moment before that. Calls read and write the file on the caller's thread; but for
 * lx_journal_swap none waits until anything is durable.
 */
#ifndef LUNEXEC_JOURNAL_H
#define LUNEXEC_JOURNAL_H

#include "lunexec/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct lx_journal;

/* What opening has found. */
struct lx_journal_report {
    uint64_t torn;    /* bytes at the end that were no whole record: a write that was cut */
    uint64_t damaged; /* records whose checksum is wrong, and stretches that are no records */
};

#define LX_JOURNAL_KEY_MAX 1024u

/* Opens or creates the file (mode 0600) and reads it. A torn end is cut off, damaged records are
 * left out. LX_E_IO, LX_E_LIMIT for more keys than are kept (1,048,576). `ret_report` may be NULL.
 * Nothing locks the file: the caller sees to it that one process has it open. */
int lx_journal_open(const char *path, struct lx_journal **ret_journal,
                    struct lx_journal_report *ret_report, struct lx_err *err);
/* Closes the file, and gives up a compaction that was not swapped in. NULL is accepted. */
void lx_journal_close(struct lx_journal *journal);

/* Sets the value of a key, at most LX_JOURNAL_KEY_MAX bytes; written when it returns, durable after
 * the next fdatasync of lx_journal_fd. LX_E_IO (disk full), LX_E_LIMIT for a longer key, a value of
 * 4 GiB or a key too many; file and values are then as before. */
int lx_journal_put(struct lx_journal *journal, const char *key, const void *data, size_t len,
                   struct lx_err *err);

/* Removes all keys that begin with `prefix`, none of which need exist; their bytes in the file are
 * overwritten, since they may be secret. LX_E_IO or LX_E_LIMIT as for lx_journal_put; all keys are
 * then still there. */
int lx_journal_remove(struct lx_journal *journal, const char *prefix, struct lx_err *err);

/* Appends the value to `out`, which on failure is as it was. LX_E_NOT_FOUND, LX_E_IO, LX_E_LIMIT.
 */
int lx_journal_get(const struct lx_journal *journal, const char *key, struct lx_buf *out,
                   struct lx_err *err);

/* Calls `fn`, before it returns, for each key with the prefix, in the order in which they were
 * first set since they were last absent. `key` is valid during the callback, which may change
 * nothing. */
void lx_journal_each(const struct lx_journal *journal, const char *prefix,
                     void (*fn)(void *arg, const char *key), void *arg);

/* Whether the file has not its name any more, so that nobody will find what is written to it. */
bool lx_journal_is_gone(const struct lx_journal *journal);

/* The file that takes the records now, to be synced; the journal's to close. Another one after
 * lx_journal_swap. */
int lx_journal_fd(const struct lx_journal *journal);
/* How many bytes that file has. */
uint64_t lx_journal_size(const struct lx_journal *journal);

/* ---- Compaction: a new file with what is still valid takes the place of the old one ---- */

/* Most of a large file is no longer valid. */
bool lx_journal_is_sparse(const struct lx_journal *journal);
/* Writes "<path>.new"; from now on both files take the records. A record that the new one cannot
 * take gives the compaction up: lx_journal_new_fd tells. LX_E_IO: there is no new file. */
int lx_journal_compact(struct lx_journal *journal, struct lx_err *err);
/* The new file, to be made durable before lx_journal_swap; the journal's to close. -1: none. */
int lx_journal_new_fd(const struct lx_journal *journal);
/* Puts the new file in the place of the old one, durably. LX_E_IO, or LX_E_INVALID when there is
 * none: the old one stays, and the new one is removed. */
int lx_journal_swap(struct lx_journal *journal, struct lx_err *err);

#endif
