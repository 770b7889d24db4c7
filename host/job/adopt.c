/*
 * ADOPTING: a job of an earlier process. Nothing is done for it before the frontend has said in a
 * heartbeat that it is still ours; then it goes on as far back as it must: with its pod, with its
 * end, with the removal of an attempt that is to be followed by another, or, when it is not known
 * that all its objects are made, from the beginning.
 */
#include "job/adopt.h"

#include "job/priv.h"
#include "lunexec/text.h"

#include <string.h>

#define KEYS_MAX ((size_t)1 << 20)
#define VALUE_MAX ((size_t)256 * 1024 * 1024)

/* ---- Reading the journal ---- */

/* The keys of one job. */
struct found {
    char **keys;
    size_t n, size;
};

static void found_free(void *value)
{
    struct found *found = value;
    lx_strv_free(found->keys);
    free(found);
}

static void collect(void *arg, const char *key)
{
    struct lx_map *jobs = arg;
    if (lx_starts_with(key, LX_LEFT_PREFIX))
        return;
    lx_auto(str) char *uid = lx_strndup(key, strcspn(key, "/"));
    struct found *found = lx_map_get(jobs, uid);
    if (!found) {
        found = lx_alloc(sizeof *found);
        if (!lx_map_put(jobs, uid, found)) {
            free(found);
            return;
        }
    }
    if (found->n + 1 >= found->size) {
        size_t size = found->size ? found->size * 2 : 16;
        char **keys = lx_alloc_array(size, sizeof *keys);
        if (found->n > 0)
            memcpy(keys, found->keys, found->n * sizeof *keys);
        free(found->keys);
        found->keys = keys;
        found->size = size;
    }
    found->keys[found->n++] = lx_strdup(key);
}

static json_t *value_of(const struct lx_journal *journal, const char *uid, const char *what)
{
    lx_auto(str) char *key = lx_strf("%s/%s", uid, what);
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(VALUE_MAX);
    json_t *value = NULL;
    if (lx_journal_get(journal, key, &text, NULL) == 0)
        (void)lx_json_parse(lx_buf_str(&text), text.len, &value, NULL);
    return value;
}

static void told(void *arg, const char *key, const char *text)
{
    struct lx_run *run = arg;
    (void)key;
    lx_progress_told(run->progress, text);
}

static void adopt(const char *uid, void *value, void *arg)
{
    struct lx_executor *ex = arg;
    const struct found *found = value;
    struct lx_err err;
    struct lx_job *job = NULL;
    lx_auto(json) json_t *record = value_of(ex->opts.journal, uid, "job");
    lx_auto(json) json_t *run_record = value_of(ex->opts.journal, uid, "run");
    lx_auto(str) char *prefix = lx_strf("%s/", uid);
    if (!record ||
        lx_job_parse(lx_json_obj(record, "payload"), lx_json_str(record, "queue", NULL), &job,
                     &err) < 0 ||
        !lx_streq(job->uid, uid)) {
        lx_log(ex->opts.log, LX_LOG_ERROR,
               "the journal has a job that cannot be read; the server gives it to an executor "
               "again",
               LX_STR("job", uid));
        lx_journal_writer_remove(ex->journal, prefix);
        lx_job_free(job);
        return;
    }
    struct lx_run *run = lx_run_restore(ex, job, run_record);
    lx_entries_restore(run->entries, ex->opts.journal, found->keys, told, run);
    lx_limiter_force(&ex->limiter);
    struct lx_claim claim;
    if (run->admitted && lx_claim_read(run->admission, NULL, &claim, &err) == 0)
        lx_admission_force(&ex->admission, &run->ticket, &claim);
}

void lx_adopt_all(struct lx_executor *ex)
{
    if (!ex->journal)
        return;
    struct lx_map *jobs = lx_map_new(KEYS_MAX, found_free);
    lx_left_restore(ex);
    lx_journal_each(ex->opts.journal, "", collect, jobs);
    lx_map_each (jobs, adopt, ex)
        ;
    lx_map_free(jobs);
    size_t n = lx_executor_running(ex);
    if (n == 0)
        return;
    lx_log(ex->opts.log, LX_LOG_INFO, "taking up jobs of an earlier process", LX_INT("jobs", n));
    lx_job_metrics_running(ex->metrics, ex->limiter.used);
    lx_watch_resume(ex->watch);
}

/* ---- Writing it anew ---- */

static void drop_unknown(const char *uid, void *value, void *arg)
{
    struct lx_executor *ex = arg;
    (void)value;
    lx_list_each (it, &ex->runs) {
        if (lx_streq(lx_container_of(it, struct lx_run, link)->job->uid, uid))
            return;
    }
    lx_auto(str) char *prefix = lx_strf("%s/", uid);
    lx_journal_writer_remove(ex->journal, prefix);
}

void lx_adopt_rewrite(struct lx_executor *ex)
{
    struct lx_map *jobs = lx_map_new(KEYS_MAX, found_free);
    /* One by one they need room, and what fills the disk may be they. */
    if (lx_list_empty(&ex->runs))
        lx_journal_writer_remove(ex->journal, "");
    lx_journal_each(ex->opts.journal, "", collect, jobs);
    lx_map_each (jobs, drop_unknown, ex)
        ;
    lx_map_free(jobs);
    lx_list_each (it, &ex->runs) {
        struct lx_run *run = lx_container_of(it, struct lx_run, link);
        lx_record_job(run);
        lx_record_run(run);
        lx_entries_rewrite(run->entries);
    }
    lx_left_rewrite(ex);
}

/* ---- The state ---- */

void lx_adopt_go_on(struct lx_executor *ex)
{
    lx_list_each (it, &ex->runs) {
        struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (run->state_id == LX_STATE_ADOPTING)
            lx_task_post(ex->opts.loop, &run->enter_task);
    }
}

/* What the earlier process made meanwhile, even a Job that runs, is found when it is to be made
 * again, and told by the run's tag (state_conflict.c): so no step runs twice. */
static void begin_again(struct lx_run *run)
{
    run->shared = run->ex->opts.shared_volume;
    free(lx_take(run->planned));
    lx_entries_interrupted(run->entries, "setup.workspace",
                           "[lunexec] the executor was restarted: this begins again");
    lx_run_go(run, LX_STATE_QUEUED);
}

/* Names and commands only: the objects exist. Files are fetched if another attempt needs them. */
static int rebuild_workload(struct lx_run *run, struct lx_err *err)
{
    if (run->workspace && run->step >= run->job->n_steps)
        return lx_fail(err, LX_E_INVALID, "it has no steps");
    int result = run->workspace
                     ? lx_workload_new_step(run->job, run->step, run->attempt, &run->workload, err)
                     : lx_workload_new(&run->ex->opts, run->job, run->attempt, &run->workload, err);
    if (result < 0)
        return -1;
    if (!lx_streq(run->workload->job_name, run->planned))
        return lx_fail(err, LX_E_INVALID, "its Job is named %s, not %s", run->planned,
                       run->workload->job_name);
    lx_workload_recall(run->workload, run->learnt);
    if (!lx_map_put(run->ex->by_job_name, run->workload->job_name, run))
        return lx_fail(err, LX_E_LIMIT, "there are too many jobs");
    return 0;
}

static void go_on_with_pod(struct lx_run *run)
{
    struct lx_err err;
    if (rebuild_workload(run, &err) < 0) {
        lx_run_fail(run, LX_FAIL_INTERNAL, "taking the job up after a restart: %s", err.text);
        return;
    }
    if (run->seen && !lx_run_find_pod(run)) {
        lx_failure_set(&run->failure, LX_FAIL_POD_DELETED,
                       "job %s failed: its pod was deleted while the executor was away",
                       run->planned);
        lx_run_end(run);
        return;
    }
    lx_run_go(run, LX_STATE_PENDING);
}

/* Begun in the other layout, and nothing of this one can take its place. A single pod that runs
 * needs nothing but itself. */
static bool is_strange(const struct lx_run *run)
{
    bool begun = run->prepared || !lx_list_empty(&run->objects);
    return run->shared != run->ex->opts.shared_volume && begun && (run->shared || !run->complete);
}

/* What there is of it goes, and another attempt follows. */
static void start_over(struct lx_run *run)
{
    const char *why = run->ns ? "the executor was started again for another namespace "
                                "(EXECUTOR_KUBERNETES_NAMESPACE)"
                              : "the executor was started again in the other pod layout "
                                "(KUBERNETES_SINGLE_JOB_POD)";
    lx_auto(str) char *text = lx_strf("[lunexec] this log is incomplete: %s", why);
    if (run->attempt >= LX_ATTEMPTS_MAX) {
        lx_run_fail(run, LX_FAIL_STOPPED, "%s", why);
        return;
    }
    lx_entries_tell_open(run->entries, text);
    lx_failure_set(&run->ended, LX_FAIL_STOPPED, "%s", why);
    lx_run_go(run, LX_STATE_CLEARING);
}

static void find_workspace(struct lx_run *run)
{
    if (run->shared && !run->workspace)
        run->workspace = lx_workspace_new(&run->ex->opts, run->job, run->entries);
}

void lx_state_adopting(struct lx_run *run)
{
    if (!run->confirmed || run->kube_call)
        return;
    if (run->prepared || run->ending)
        find_workspace(run);
    if (run->ending) {
        lx_run_go(run, LX_STATE_CLEANING);
    } else if (run->ended.kind != LX_FAIL_NONE) {
        if (run->ex->pods_known)
            lx_run_go(run, LX_STATE_CLEARING);
    } else if (run->ns || is_strange(run)) {
        if (run->ex->pods_known)
            start_over(run);
    } else if (!run->planned || !run->complete) {
        begin_again(run);
    } else if (run->ex->pods_known) {
        go_on_with_pod(run);
    }
}

/* Its containers are not followed, so what they wrote since cannot be delivered. */
void lx_event_adopting(struct lx_run *run, enum lx_run_event event)
{
    (void)event;
    find_workspace(run);
    lx_entries_lost(run->entries);
    lx_entries_interrupted(run->entries, NULL, "[lunexec] the executor was restarted");
    lx_run_go(run, LX_STATE_CLEANING);
}
