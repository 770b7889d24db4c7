/*
 * Keys and values that survive the process: an append-only file of checksummed records with an
 * index in memory. Whatever point a writer was killed at, opening the file again gives the values
 * of some moment before that.
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
 * left out. LX_E_IO, LX_E_LIMIT for more keys than are kept. `ret_report` may be NULL. */
int lx_journal_open(const char *path, struct lx_journal **ret_journal,
                    struct lx_journal_report *ret_report, struct lx_err *err);
void lx_journal_close(struct lx_journal *journal);

/* Sets the value of a key, at most LX_JOURNAL_KEY_MAX bytes; written when it returns, durable after
 * the next fdatasync of lx_journal_fd. On failure (LX_E_IO: disk full) file and values are as
 * before. */
int lx_journal_put(struct lx_journal *journal, const char *key, const void *data, size_t len,
                   struct lx_err *err);

/* Removes all keys that begin with `prefix`; their bytes in the file are overwritten, since they
 * may be secret. */
int lx_journal_remove(struct lx_journal *journal, const char *prefix, struct lx_err *err);

/* Appends the value to `out`. LX_E_NOT_FOUND, LX_E_IO, LX_E_LIMIT. */
int lx_journal_get(const struct lx_journal *journal, const char *key, struct lx_buf *out,
                   struct lx_err *err);

/* Calls `fn` for each key with the prefix, in the order in which they were first set since they
 * were last absent. `fn` may change nothing. */
void lx_journal_each(const struct lx_journal *journal, const char *prefix,
                     void (*fn)(void *arg, const char *key), void *arg);

/* The file that takes the records now, and how many bytes it has. */
int lx_journal_fd(const struct lx_journal *journal);
uint64_t lx_journal_size(const struct lx_journal *journal);

/* ---- Compaction: a new file with what is still valid takes the place of the old one ---- */

/* Most of a large file is no longer valid. */
bool lx_journal_is_sparse(const struct lx_journal *journal);
/* Writes "<path>.new"; from now on both files take the records. */
int lx_journal_compact(struct lx_journal *journal, struct lx_err *err);
/* The new file, to be made durable before lx_journal_swap; -1: none. */
int lx_journal_new_fd(const struct lx_journal *journal);
/* Puts the new file in the place of the old one, durably. On failure the old one stays. */
int lx_journal_swap(struct lx_journal *journal, struct lx_err *err);

#endif
