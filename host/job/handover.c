/*
 * Hand-over: the executor stops without ending its jobs, so that another process goes on with them.
 */
#include "job/priv.h"

#include "lunexec/clock.h"

#define LOOK_MS 20
/* What is in the middle of something is waited for so long; the journal makes up for the rest. */
#define PATIENCE_MS 5000

/* Nothing of the run is in the middle of something that the next process would have to find out. */
static bool at_rest(const struct lx_run *run)
{
    switch (run->state_id) {
    case LX_STATE_CREATING:
    case LX_STATE_DRAINING_LOGS:
    case LX_STATE_RETRYING:
    case LX_STATE_CLEARING:
    case LX_STATE_CLEANING:
    case LX_STATE_FLUSHING:
    case LX_STATE_REPORTING:
    case LX_STATE_GONE:
        return false;
    case LX_STATE_ADOPTING:
    case LX_STATE_QUEUED:
    case LX_STATE_FETCHING:
    case LX_STATE_PREPARING:
    case LX_STATE_PLANNING:
    case LX_STATE_PARKED:
    case LX_STATE_PENDING:
    case LX_STATE_RUNNING:
    case LX_STATE_COUNT:
        break;
    }
    lx_entries_pause(run->entries);
    return !lx_entries_busy(run->entries);
}

static void told(void *arg)
{
    struct lx_executor *ex = arg;
    lx_heartbeat_stop(ex);
    lx_log(ex->opts.log, LX_LOG_INFO, "handing over", LX_INT("jobs", lx_executor_running(ex)));
    ex->opts.on_idle(ex->opts.arg);
}

static void look(void *arg)
{
    struct lx_executor *ex = arg;
    bool rest = !ex->dequeue;
    if (ex->idle_told)
        return;
    lx_list_each (it, &ex->runs)
        rest = at_rest(lx_container_of(it, struct lx_run, link)) && rest;
    if (!rest && lx_now_ms() < ex->handover_until_ms) {
        lx_timer_start(ex->handover_timer, LOOK_MS, 0);
        return;
    }
    ex->idle_told = true;
    lx_task_init(&ex->idle_task, told, ex);
    lx_task_post(ex->opts.loop, &ex->idle_task);
}

void lx_executor_hand_over(struct lx_executor *ex)
{
    if (ex->handover_timer)
        return;
    if (!lx_list_empty(&ex->runs) && !lx_journal_writer_usable(ex->journal)) {
        lx_log(ex->opts.log, LX_LOG_WARN,
               "what runs is not in the state directory, and nobody could go on with it: it is "
               "finished before the hand-over",
               LX_INT("jobs", lx_executor_running(ex)));
        lx_executor_drain(ex);
        return;
    }
    ex->handover_timer = lx_timer_new(ex->opts.loop, look, ex);
    ex->handover_until_ms = lx_now_ms() + PATIENCE_MS;
    lx_sweep_stop(ex->sweep);
    lx_executor_drain(ex);
    lx_timer_start(ex->handover_timer, 0, 0);
}
