#include "job/journal_writer.h"

#include "lunexec/list.h"
#include "lunexec/mem.h"

#include <string.h>

#define RETRY_MS 5000

/* A task that waits for a sync that begins after it came. */
struct waiter {
    struct lx_list link;
    struct lx_task *task;
};

struct lx_journal_writer {
    struct lx_journal_writer_opts opts;
    struct lx_sync *sync; /* underway */
    bool swapping;        /* it is that of a compaction's new file */
    bool dirty;           /* written to since it began */
    struct lx_list waiting, syncing;
    struct lx_task pump;
    bool failing, failed_again;
    struct lx_timer *retry;
};

static void pump(void *arg);

static void post_all(struct lx_journal_writer *writer, struct lx_list *list)
{
    for (struct lx_list *it; (it = lx_list_shift(list));) {
        struct waiter *waiter = lx_container_of(it, struct waiter, link);
        lx_task_post(writer->opts.loop, waiter->task);
        free(waiter);
    }
}

static void failed(struct lx_journal_writer *writer, const struct lx_err *err)
{
    writer->failed_again = true;
    post_all(writer, &writer->waiting);
    if (writer->failing)
        return;
    writer->failing = true;
    lx_log(writer->opts.log, LX_LOG_ERROR,
           "the state directory cannot be written: no further jobs are taken until it can; running "
           "jobs go on, but a restart would lose them",
           LX_ERR(err));
    lx_timer_start(writer->retry, RETRY_MS, RETRY_MS);
    writer->opts.on_health(writer->opts.arg, false);
}

static void on_retry(void *arg)
{
    struct lx_journal_writer *writer = arg;
    writer->failed_again = false;
    writer->opts.rewrite(writer->opts.arg);
    if (writer->failed_again)
        return;
    writer->failing = false;
    lx_timer_stop(writer->retry);
    lx_log(writer->opts.log, LX_LOG_WARN, "the state directory can be written again");
    writer->opts.on_health(writer->opts.arg, true);
}

struct lx_journal_writer *lx_journal_writer_new(const struct lx_journal_writer_opts *opts)
{
    struct lx_journal_writer *writer = lx_alloc(sizeof *writer);
    writer->opts = *opts;
    lx_list_init(&writer->waiting);
    lx_list_init(&writer->syncing);
    lx_task_init(&writer->pump, pump, writer);
    writer->retry = lx_timer_new(opts->loop, on_retry, writer);
    return writer;
}

static void drop_all(struct lx_list *list)
{
    for (struct lx_list *it; (it = lx_list_shift(list));)
        free(lx_container_of(it, struct waiter, link));
}

void lx_journal_writer_free(struct lx_journal_writer *writer)
{
    if (!writer)
        return;
    lx_sync_drop(writer->sync);
    lx_task_cancel(&writer->pump);
    lx_timer_free(writer->retry);
    drop_all(&writer->waiting);
    drop_all(&writer->syncing);
    free(writer);
}

/* ---- Durability and compaction ---- */

static void on_synced(void *arg, const struct lx_err *err)
{
    struct lx_journal_writer *writer = arg;
    struct lx_err swap_err;
    writer->sync = NULL;
    if (err && !writer->swapping)
        failed(writer, err);
    /* When the swap fails the old file stays, and its sync is what the waiters get next. */
    if (writer->swapping && (err || lx_journal_swap(writer->opts.journal, &swap_err) < 0))
        lx_log(writer->opts.log, LX_LOG_WARN, "compacting the journal failed",
               LX_ERR(err ? err : &swap_err));
    writer->swapping = false;
    post_all(writer, &writer->syncing);
    pump(writer);
}

/* One sync at a time; what comes meanwhile shares the next. */
static void pump(void *arg)
{
    struct lx_journal_writer *writer = arg;
    struct lx_journal *journal = writer->opts.journal;
    struct lx_err err;
    if (writer->sync || !writer->dirty)
        return;
    if (lx_journal_is_sparse(journal) && lx_list_empty(&writer->waiting) && !writer->failing &&
        lx_journal_compact(journal, NULL) == 0) {
        writer->swapping = true;
        if (lx_sync_start(writer->opts.loop, lx_journal_new_fd(journal), on_synced, writer,
                          &writer->sync, &err) == 0)
            return;
        writer->swapping = false;
    }
    writer->dirty = false;
    while (!lx_list_empty(&writer->waiting))
        lx_list_push(&writer->syncing, lx_list_shift(&writer->waiting));
    if (lx_sync_start(writer->opts.loop, lx_journal_fd(journal), on_synced, writer, &writer->sync,
                      &err) < 0) {
        post_all(writer, &writer->syncing);
        failed(writer, &err);
    }
}

static void settle(struct lx_journal_writer *writer, int result, const struct lx_err *err)
{
    if (result < 0) {
        failed(writer, err);
        return;
    }
    writer->dirty = true;
    lx_task_post(writer->opts.loop, &writer->pump);
}

void lx_journal_writer_put_bytes(struct lx_journal_writer *writer, const char *key,
                                 const void *data, size_t len)
{
    struct lx_err err;
    if (writer)
        settle(writer, lx_journal_put(writer->opts.journal, key, data, len, &err), &err);
}

void lx_journal_writer_put(struct lx_journal_writer *writer, const char *key, const json_t *value)
{
    if (!writer || !value)
        return;
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return;
    lx_journal_writer_put_bytes(writer, key, text, strlen(text));
    lx_secret_free(text);
}

void lx_journal_writer_remove(struct lx_journal_writer *writer, const char *prefix)
{
    struct lx_err err;
    if (writer)
        settle(writer, lx_journal_remove(writer->opts.journal, prefix, &err), &err);
}

void lx_journal_writer_barrier(struct lx_journal_writer *writer, struct lx_loop *loop,
                               struct lx_task *task)
{
    if (!writer || writer->failing) {
        lx_task_post(loop, task);
        return;
    }
    struct waiter *waiter = lx_alloc(sizeof *waiter);
    lx_list_init(&waiter->link);
    waiter->task = task;
    lx_list_push(&writer->waiting, &waiter->link);
    writer->dirty = true;
    lx_task_post(writer->opts.loop, &writer->pump);
}

static void forget(struct lx_list *list, const struct lx_task *task)
{
    lx_list_each (it, list) {
        struct waiter *waiter = lx_container_of(it, struct waiter, link);
        if (waiter->task != task)
            continue;
        lx_list_remove(&waiter->link);
        free(waiter);
    }
}

void lx_journal_writer_forget(struct lx_journal_writer *writer, struct lx_task *task)
{
    lx_task_cancel(task);
    if (!writer)
        return;
    forget(&writer->waiting, task);
    forget(&writer->syncing, task);
}

bool lx_journal_writer_healthy(const struct lx_journal_writer *writer)
{
    return !writer || !writer->failing;
}

bool lx_journal_writer_usable(const struct lx_journal_writer *writer)
{
    return !writer ||
           (lx_journal_writer_healthy(writer) && !lx_journal_is_gone(writer->opts.journal));
}
