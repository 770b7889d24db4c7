/*
 * The shared-volume layout: PREPARING before the first Job, a Job a step, the workspace's end
 * (contract 5.1, 8.1).
 */
#include "job/priv.h"

#include "lunexec/text.h"

/* A large one on a slow volume takes its time; one on a volume that does not answer never ends. */
#define REMOVE_PATIENCE_MS 900000

bool lx_run_displaced(struct lx_run *run)
{
    if (!run->workspace || lx_workspace_is_ours(run->workspace))
        return false;
    lx_log(run->ex->opts.log, LX_LOG_WARN, "another executor has begun the job anew",
           LX_STR("job", run->job->uid), LX_STR("workspace", lx_workspace_dir(run->workspace)));
    lx_run_stop(run, LX_FAIL_LOST, "another executor has begun this job anew");
    return true;
}

static void on_prepared(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    if (err) {
        lx_run_fail(run, err->code == LX_E_INVALID ? LX_FAIL_INPUT : LX_FAIL_WORKSPACE, "%s",
                    err->text);
        return;
    }
    run->prepared = true;
    lx_run_go(run, LX_STATE_PLANNING);
}

void lx_state_preparing(struct lx_run *run)
{
    lx_workspace_free(run->workspace);
    run->workspace = lx_workspace_new(&run->ex->opts, run->job, run->entries);
    lx_workspace_prepare(run->workspace, on_prepared, run);
}

/* Whether the skip file was obeyed already: it names this step, or one before it. It stays when the
 * executor is killed before it has removed it. */
static bool is_obeyed(const struct lx_run *run, const char *next)
{
    for (size_t i = 0; next && i <= run->step; i++) {
        if (lx_streq(run->job->steps[i].key, next))
            return true;
    }
    return false;
}

/* Where to go on: the step that the skip file names, else the next one; no step of that key: none
 * is left. -1 when the skip file cannot be read. */
static int find_next(const struct lx_run *run, size_t *ret_step, struct lx_err *err)
{
    const struct lx_job *job = run->job;
    lx_auto(str) char *next = NULL;
    size_t step = run->step + 1;
    if (lx_ends_with(job->steps[run->step].key, ".pre") &&
        lx_workspace_skip(run->workspace, &next, err) < 0)
        return -1;
    if (is_obeyed(run, next))
        free(lx_take(next));
    while (next && step < job->n_steps && !lx_streq(job->steps[step].key, next))
        step++;
    *ret_step = step;
    return 0;
}

void lx_run_forget_step(struct lx_run *run)
{
    if (run->workload && lx_map_get(run->ex->by_job_name, run->workload->job_name) == run)
        lx_map_remove(run->ex->by_job_name, run->workload->job_name);
    lx_containers_free(lx_take(run->containers));
    lx_workload_free(lx_take(run->workload));
    json_decref(lx_take(run->manifest));
    free(lx_take(run->job_uid));
    free(lx_take(run->pod_uid));
    free(lx_take(run->planned));
    run->complete = run->seen = false;
    lx_run_conflict_over(run);
}

void lx_run_step_done(struct lx_run *run)
{
    struct lx_err err;
    size_t next = run->job->n_steps;
    if (run->failure.kind == LX_FAIL_NONE && run->workspace && find_next(run, &next, &err) < 0)
        lx_failure_set(&run->failure, LX_FAIL_WORKSPACE, "%s", err.text);
    if (run->failure.kind != LX_FAIL_NONE) {
        lx_run_end(run);
        return;
    }
    if (next >= run->job->n_steps) {
        lx_run_go(run, LX_STATE_CLEANING);
        return;
    }
    lx_containers_stop(run->containers, "the step has ended");
    /* The step's Job stays until the end, but nobody reads its log again. */
    lx_entries_keep(run->entries);
    lx_run_forget_step(run);
    run->step = next;
    lx_run_go(run, LX_STATE_PLANNING);
    if (run->workspace)
        lx_workspace_skip_done(run->workspace);
}

static void on_removed(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    if (err) {
        lx_auto(str) char *text = lx_strf("Operation failed: %s\n", err->text);
        lx_entry_raw(run->teardown, text);
        lx_log(run->ex->opts.log, LX_LOG_WARN, "workspace not removed",
               LX_STR("job", run->job->uid), LX_ERR(err));
    }
    lx_entry_finish(run->teardown, 0);
    lx_run_go(run, LX_STATE_FLUSHING);
}

void lx_run_end_workspace(struct lx_run *run)
{
    bool keep = run->ex->opts.keep_workspaces;
    run->teardown = lx_run_teardown(run, "teardown.fs");
    lx_entries_tell_left(run->entries, run->teardown);
    if (run->workspace) {
        const char *dir = lx_workspace_dir(run->workspace);
        lx_auto(str) char *text = keep ? lx_strf("Preserving workspace (%s) as per config", dir)
                                       : lx_strf("Removing %s\n", dir);
        lx_entry_raw(run->teardown, text);
    }
    if (run->workspace && !keep) {
        lx_timer_start(run->state_timer, lx_run_patience(run, REMOVE_PATIENCE_MS), 0);
        lx_workspace_remove(run->workspace, on_removed, run);
        return;
    }
    if (run->workspace)
        lx_workspace_leave(run->workspace);
    on_removed(run, NULL);
}

void lx_run_leave_workspace(struct lx_run *run)
{
    struct lx_err err;
    lx_fail(&err, LX_E_TIMEOUT, "removing %s takes too long", lx_workspace_dir(run->workspace));
    lx_workspace_cancel(run->workspace);
    on_removed(run, &err);
}
