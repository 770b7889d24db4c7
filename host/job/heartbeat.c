/*
 * Heartbeats: every 5 s from before the first job until after the last (contract 1.6, 4). Missed
 * beats never end healthy work by themselves; only the frontend's own word does.
 */
#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#define HEARTBEAT_MS 5000
/* While jobs wait to be taken up. */
#define ADOPTING_MS 1000

static bool contains(char *const *list, const char *uid)
{
    for (size_t i = 0; list && list[i]; i++) {
        if (lx_streq(list[i], uid))
            return true;
    }
    return false;
}

/* Ids of the runs, and only of those: a run leaves the list when its record is marked. */
static char **claimed_uids(const struct lx_executor *ex)
{
    size_t n = 0;
    char **uids = lx_alloc_array(lx_executor_running(ex) + 1, sizeof *uids);
    lx_list_each (it, &ex->runs) {
        const struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (lx_run_alive(run))
            uids[n++] = lx_strdup(run->job->uid);
    }
    return uids;
}

/* The frontend counts the job as ours; of one of an earlier process that is news. */
static void confirm(struct lx_run *run)
{
    run->heard_ms = run->ex->beat_ms;
    if (!run->adopted || run->confirmed)
        return;
    run->confirmed = true;
    lx_entries_resume(run->entries);
    if (run->state_id == LX_STATE_ADOPTING)
        lx_task_post(run->ex->opts.loop, &run->enter_task);
}

static void react(struct lx_executor *ex, char *const *known, char *const *cancel)
{
    lx_list_each (it, &ex->runs) {
        struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (!contains(ex->beat_uids, run->job->uid))
            continue;
        /* What is said may be about what came after the run, or about what was before it. */
        if (run->state_id >= LX_STATE_REPORTING || run->next || run->taken_ms > ex->beat_ms)
            continue;
        if (contains(cancel, run->job->uid)) {
            lx_log(ex->opts.log, LX_LOG_INFO, "job is cancelled by the frontend",
                   LX_STR("job", run->job->uid));
            confirm(run);
            lx_run_stop(run, LX_FAIL_CANCELLED, "job cancelled");
        } else if (!contains(known, run->job->uid)) {
            lx_log(ex->opts.log, LX_LOG_WARN, "the frontend no longer knows this job as ours",
                   LX_STR("job", run->job->uid));
            lx_run_stop(run, LX_FAIL_LOST,
                        "the frontend no longer knows this job as this executor's");
        } else {
            confirm(run);
        }
    }
}

static bool unconfirmed(const struct lx_executor *ex)
{
    lx_list_each (it, &ex->runs) {
        const struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (run->adopted && !run->confirmed)
            return true;
    }
    return false;
}

static void on_beat(void *arg, char *const *known, char *const *cancel, const struct lx_err *err)
{
    struct lx_executor *ex = arg;
    ex->beat = NULL;
    if (err)
        lx_log(ex->opts.log, LX_LOG_WARN, "heartbeat failed", LX_ERR(err));
    else
        react(ex, known, cancel);
    lx_strv_free(lx_take(ex->beat_uids));
    lx_timer_start(ex->beat_timer, unconfirmed(ex) ? ADOPTING_MS : HEARTBEAT_MS, 0);
}

static void beat(void *arg)
{
    struct lx_executor *ex = arg;
    ex->beat_uids = claimed_uids(ex);
    ex->beat_ms = lx_now_ms();
    ex->beat = lx_queue_heartbeat(ex->opts.queue, (const char *const *)ex->beat_uids, on_beat, ex);
}

void lx_heartbeat_start(struct lx_executor *ex)
{
    ex->beat_timer = lx_timer_new(ex->opts.loop, beat, ex);
    lx_timer_start(ex->beat_timer, unconfirmed(ex) ? 0 : HEARTBEAT_MS, 0);
}

void lx_heartbeat_stop(struct lx_executor *ex)
{
    lx_queue_cancel(lx_take(ex->beat));
    lx_strv_free(lx_take(ex->beat_uids));
    lx_timer_free(lx_take(ex->beat_timer));
}
