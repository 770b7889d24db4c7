/*
 * The executor's journal while it runs: writes at once, makes durable in the background, compacts,
 * and knows when the disk does not take any more.
 */
#ifndef LX_JOB_JOURNAL_WRITER_H
#define LX_JOB_JOURNAL_WRITER_H

#include "lunexec/journal.h"
#include "lunexec/json.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"

struct lx_journal_writer;

struct lx_journal_writer_opts {
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_journal *journal; /* borrowed */
    /* Asked every few seconds while writing fails: to put everything anew and remove what is no
     * longer needed, since changes were lost. */
    void (*rewrite)(void *arg);
    /* Writing fails (false, said in the log too), or works again and everything is written. */
    void (*on_health)(void *arg, bool healthy);
    void *arg;
};

/* `opts` is copied; the caller frees the writer. */
struct lx_journal_writer *lx_journal_writer_new(const struct lx_journal_writer_opts *opts);
/* Leaves the journal open; tasks that wait for durability are not posted any more. */
void lx_journal_writer_free(struct lx_journal_writer *writer);

/* Each accepts NULL for the writer: nothing is kept then. That something cannot be written is told
 * by on_health, and made good by `rewrite`. */

/* Sets a key to a value as JSON text, which is wiped from memory; NULL value is ignored. */
void lx_journal_writer_put(struct lx_journal_writer *writer, const char *key, const json_t *value);
/* Sets a key to bytes. */
void lx_journal_writer_put_bytes(struct lx_journal_writer *writer, const char *key,
                                 const void *data, size_t len);
/* Removes all keys with the prefix. */
void lx_journal_writer_remove(struct lx_journal_writer *writer, const char *prefix);

/* Posts the task when all that was written before is durable; at once when nothing can be. */
void lx_journal_writer_barrier(struct lx_journal_writer *writer, struct lx_loop *loop,
                               struct lx_task *task);

/* The task is not posted any more, and taken back if it is. */
void lx_journal_writer_forget(struct lx_journal_writer *writer, struct lx_task *task);

/* Whether all that was put is written; true for NULL. */
bool lx_journal_writer_healthy(const struct lx_journal_writer *writer);

/* Whether another process will find it, too: nobody has removed the file. True for NULL. */
bool lx_journal_writer_usable(const struct lx_journal_writer *writer);

#endif
