/*
 * One round: lists the Jobs of our name, or where they may not be listed their pods, and removes
 * one object after another. The name alone decides whose they are: a state directory has one
 * process at a time, and without one each process has a name of its own. A Job is removed when its
 * job does not run, and was seen before, some time ago by our own clock.
 */
#include "job/sweep.h"

#include "job/priv.h"
#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

#define PAGE 200
#define MORE_MAX_LEN ((size_t)8192)
#define QUERY_MAX ((size_t)64 * 1024)
#define SEEN_MAX ((size_t)20000)
#define MIN_INTERVAL_MS ((uint64_t)100)
/* A Job is left alone so long after it was first seen, or for one interval if that is shorter. */
#define MARGIN_MS ((uint64_t)60000)
#define CALL_MS ((uint64_t)30000)
/* Jobs that are taken up come first. */
#define FIRST_MS ((uint64_t)10000)

/* Whose an object is, by its labels and annotations. */
struct origin {
    char *queue;
    int64_t job_id;
    unsigned attempt;
    char *tag; /* of the run that made it */
};

/* A Job whose job does not run. */
struct seen {
    char *name, *uid;
    struct origin origin;
    uint64_t since_ms, round;
};

/* An object that is to be deleted. */
struct item {
    struct lx_list link;
    const struct lx_executor *ex;
    enum lx_object_role role;
    char *name, *uid;     /* the uid NULL: unknown */
    struct lx_left *left; /* what it was kept as; NULL: it was found in the cluster */
    struct origin origin; /* without a `left`: the Job's */
};

struct lx_sweep {
    struct lx_executor *ex;
    struct lx_timer *timer;
    struct lx_kube_call *call;
    struct lx_buf selector; /* escaped */
    struct lx_map *seen;    /* by UID */
    struct lx_list items;   /* of struct item; the first is underway */
    uint64_t round;
    char *more;       /* where the list goes on; NULL: from its beginning */
    bool jobs_denied; /* our role may not list Jobs */
    bool trouble;     /* something could not be done, and the log says so */
    bool skipped;     /* so in this round */
};

static void origin_done(struct origin *origin)
{
    free(origin->queue);
    free(origin->tag);
}

static void seen_free(void *value)
{
    struct seen *seen = value;
    if (!seen)
        return;
    free(seen->name);
    free(seen->uid);
    origin_done(&seen->origin);
    free(seen);
}

static void item_free(struct item *item)
{
    lx_list_remove(&item->link);
    free(item->name);
    free(item->uid);
    origin_done(&item->origin);
    free(item);
}

static void items_free(struct lx_sweep *sweep)
{
    lx_list_each (it, &sweep->items)
        item_free(lx_container_of(it, struct item, link));
}

static uint64_t interval_of(const struct lx_sweep *sweep)
{
    uint64_t ms = (uint64_t)sweep->ex->opts.sweep_interval_ms;
    return ms < MIN_INTERVAL_MS ? MIN_INTERVAL_MS : ms;
}

static uint64_t margin_of(const struct lx_sweep *sweep)
{
    uint64_t ms = interval_of(sweep);
    return ms < MARGIN_MS ? ms : MARGIN_MS;
}

/* ---- Whose ---- */

static uint64_t number(const json_t *labels, const char *key, uint64_t fallback)
{
    uint64_t value;
    return lx_parse_u64(lx_json_str(labels, key, ""), &value) == 0 ? value : fallback;
}

static const char *tag_of(const json_t *metadata)
{
    return lx_json_str(lx_json_obj(metadata, "annotations"), LX_ANNOTATION_RUN, "");
}

static struct origin origin_of(const json_t *metadata)
{
    const json_t *labels = lx_json_obj(metadata, "labels");
    uint64_t attempt = number(labels, LX_LABEL_ATTEMPT, 1);
    return (struct origin){
        .queue = lx_strdup(lx_json_str(labels, LX_LABEL_QUEUE, "")),
        .job_id = (int64_t)number(labels, LX_LABEL_JOB_ID, UINT64_MAX),
        .attempt = attempt <= LX_ATTEMPTS_MAX ? (unsigned)attempt : 1,
        .tag = lx_strdup(tag_of(metadata)),
    };
}

static bool runs(const struct lx_executor *ex, const struct origin *origin)
{
    lx_list_each (it, &ex->runs) {
        const struct lx_job *job = lx_container_of(it, struct lx_run, link)->job;
        if (job->id == origin->job_id && lx_streq(job->queue, origin->queue))
            return true;
    }
    return false;
}

/* Whether what has the name of a `left` item is what was left: of the same run, or where that is
 * not known, of a job that does not run. (A Job is deleted by its UID.) */
static bool is_meant(void *arg, const json_t *metadata)
{
    const struct item *item = arg;
    if (!item->left || !lx_owner_is_executor(item->ex, metadata))
        return false;
    if (item->left->tag && *item->left->tag)
        return lx_streq(tag_of(metadata), item->left->tag);
    struct origin origin = origin_of(metadata);
    bool idle = !runs(item->ex, &origin);
    origin_done(&origin);
    return idle;
}

/* ---- Removing ---- */

static struct item *add(struct lx_sweep *sweep, enum lx_object_role role, const char *name,
                        const char *uid)
{
    struct item *item = lx_alloc(sizeof *item);
    item->ex = sweep->ex;
    item->role = role;
    item->name = lx_strdup(name);
    item->uid = lx_strdup(uid);
    lx_list_push(&sweep->items, &item->link);
    return item;
}

static void add_job(struct lx_sweep *sweep, const struct seen *seen)
{
    struct item *item = add(sweep, LX_OBJECT_JOB, seen->name, seen->uid);
    item->origin = seen->origin;
    item->origin.queue = lx_strdup(seen->origin.queue);
    item->origin.tag = lx_strdup(seen->origin.tag);
}

/* What was made before the Job, and so is not owned by it. It is kept until it is gone, since
 * without the Job nothing leads to it any more. */
static void add_companions(struct lx_sweep *sweep, const struct origin *origin)
{
    struct lx_job job = {.queue = origin->queue, .id = origin->job_id};
    lx_auto(str) char *base = lx_workload_base(&job, origin->attempt);
    static const struct {
        enum lx_object_role role;
        const char *suffix;
    } companions[] = {{LX_OBJECT_SECRET, LX_SECRET_SUFFIX},
                      {LX_OBJECT_PULL_SECRET, LX_PULL_SECRET_SUFFIX},
                      {LX_OBJECT_CLAIM, LX_CLAIM_SUFFIX}};
    bool claims = lx_streq(sweep->ex->opts.volume_type, "pvc");
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        enum lx_object_role role = companions[i].role;
        lx_auto(str) char *name = lx_strf("%s%s", base, companions[i].suffix);
        struct lx_left *left = NULL;
        if (role != LX_OBJECT_CLAIM || claims)
            left = lx_left_found(sweep->ex, base, role, name, origin->tag);
        if (left)
            add(sweep, role, name, NULL)->left = left;
    }
}

static void end_round(struct lx_sweep *sweep)
{
    bool soon = lx_map_count(sweep->seen) > 0 || !lx_list_empty(&sweep->ex->left);
    items_free(sweep);
    lx_timer_start(sweep->timer, soon ? margin_of(sweep) : interval_of(sweep), 0);
}

/* What failed is tried again in the next round. */
static void tell(struct lx_sweep *sweep, const char *what, const char *name,
                 const struct lx_err *err)
{
    lx_log(sweep->ex->opts.log, sweep->trouble ? LX_LOG_DEBUG : LX_LOG_WARN,
           "what jobs left behind cannot be removed now", LX_STR("kind", what),
           LX_STR("name", name), LX_ERR(err));
    sweep->trouble = sweep->skipped = true;
}

static void remove_next(struct lx_sweep *sweep);

static void on_removed(void *arg, const struct lx_kube_result *result)
{
    struct lx_sweep *sweep = arg;
    struct item *item = lx_container_of(sweep->items.next, struct item, link);
    /* A conflict: what has the name now is not what is meant. */
    bool gone = result->err.code == LX_E_NOT_FOUND || result->err.code == LX_E_CONFLICT;
    const char *what = lx_object_what(item->role);
    sweep->call = NULL;
    if (!result->ok && !gone) {
        tell(sweep, what, item->name, &result->err);
        item_free(item);
        if (result->status == 403)
            remove_next(sweep);
        else
            end_round(sweep);
        return;
    }
    if (result->ok) {
        lx_log(sweep->ex->opts.log, LX_LOG_INFO, "removed what a job had left behind",
               LX_STR("kind", what), LX_STR("name", item->name), LX_STR("uid", item->uid));
        lx_job_metrics_leftover(sweep->ex->metrics, what);
    }
    if (item->left)
        lx_left_drop(sweep->ex, item->left);
    else if (item->role == LX_OBJECT_JOB)
        add_companions(sweep, &item->origin);
    if (item->uid)
        seen_free(lx_map_remove(sweep->seen, item->uid));
    item_free(item);
    remove_next(sweep);
}

static void remove_next(struct lx_sweep *sweep)
{
    struct lx_executor *ex = sweep->ex;
    while (!lx_list_empty(&sweep->items)) {
        struct item *item = lx_container_of(sweep->items.next, struct item, link);
        if (!item->left && runs(ex, &item->origin)) {
            item_free(item);
            continue;
        }
        /* The job of a Job may be begun again: until its pod has ended, the name stays taken. */
        bool job = item->role == LX_OBJECT_JOB;
        struct lx_kube_delete_opts opts = {.uid = item->uid,
                                           .is_meant = is_meant,
                                           .arg = item,
                                           .grace_seconds = -1,
                                           .propagation = job ? "Foreground" : "Background",
                                           .background = true};
        // rbac: batch/jobs delete, secrets delete: what was left behind
        // rbac optional: persistentvolumeclaims delete: KUBERNETES_JOB_VOLUME_TYPE=pvc
        sweep->call = lx_kube_delete(ex->opts.kube, lx_object_kind(item->role), ex->opts.ns,
                                     item->name, &opts, lx_now_ms() + CALL_MS, on_removed, sweep);
        return;
    }
    sweep->trouble = sweep->skipped;
    end_round(sweep);
}

/* ---- Looking ---- */

/* The Job that an item of the list is, or belongs to; false: to none. */
static bool job_of(const struct lx_sweep *sweep, const json_t *metadata, const char **ret_name,
                   const char **ret_uid)
{
    const json_t *source = metadata;
    if (sweep->jobs_denied) {
        source = NULL;
        for (size_t i = 0; i < json_array_size(lx_json_arr(metadata, "ownerReferences")); i++) {
            const json_t *owner = json_array_get(lx_json_arr(metadata, "ownerReferences"), i);
            if (lx_json_bool(owner, "controller", false) &&
                lx_streq(lx_json_str(owner, "kind", ""), "Job"))
                source = owner;
        }
    } else if (*lx_json_str(metadata, "deletionTimestamp", "")) {
        return false;
    }
    *ret_name = lx_json_str(source, "name", "");
    *ret_uid = lx_json_str(source, "uid", "");
    return **ret_name && **ret_uid;
}

static void note(struct lx_sweep *sweep, const json_t *metadata)
{
    const char *name, *uid;
    if (!lx_owner_is_executor(sweep->ex, metadata) || !job_of(sweep, metadata, &name, &uid))
        return;
    struct origin origin = origin_of(metadata);
    struct seen *seen = lx_map_get(sweep->seen, uid);
    if (runs(sweep->ex, &origin) || seen) {
        if (seen)
            seen->round = sweep->round;
        origin_done(&origin);
        return;
    }
    seen = lx_alloc(sizeof *seen);
    seen->name = lx_strdup(name);
    seen->uid = lx_strdup(uid);
    seen->origin = origin;
    seen->since_ms = lx_now_ms();
    seen->round = sweep->round;
    if (!lx_map_put(sweep->seen, uid, seen))
        seen_free(seen);
}

struct pick {
    struct lx_sweep *sweep;
    struct seen **stale;
    size_t n;
};

static void pick(const char *uid, void *value, void *arg)
{
    (void)uid;
    struct pick *picked = arg;
    struct lx_sweep *sweep = picked->sweep;
    struct seen *seen = value;
    if (seen->round != sweep->round || runs(sweep->ex, &seen->origin))
        picked->stale[picked->n++] = seen;
    else if (lx_now_ms() - seen->since_ms >= margin_of(sweep))
        add_job(sweep, seen);
}

/* The list is complete. */
static void listed(struct lx_sweep *sweep)
{
    struct pick picked = {.sweep = sweep};
    picked.stale = lx_alloc_array(lx_map_count(sweep->seen) + 1, sizeof(struct seen *));
    lx_map_each (sweep->seen, pick, &picked)
        ;
    for (size_t i = 0; i < picked.n; i++)
        seen_free(lx_map_remove(sweep->seen, picked.stale[i]->uid));
    free(picked.stale);
    remove_next(sweep);
}

static void list_page(struct lx_sweep *sweep);

static void on_page(void *arg, const struct lx_kube_result *result)
{
    struct lx_sweep *sweep = arg;
    const json_t *items = lx_json_arr(result->object, "items");
    const char *more = lx_json_str(lx_json_obj(result->object, "metadata"), "continue", "");
    sweep->call = NULL;
    free(lx_take(sweep->more));
    if (!result->ok && result->status == 403 && !sweep->jobs_denied) {
        sweep->jobs_denied = true;
        list_page(sweep);
        return;
    }
    if (!result->ok) {
        tell(sweep, sweep->jobs_denied ? "pod" : "job", NULL, &result->err);
        end_round(sweep);
        return;
    }
    for (size_t i = 0; i < json_array_size(items); i++)
        note(sweep, lx_json_obj(json_array_get(items, i), "metadata"));
    if (*more && strlen(more) <= MORE_MAX_LEN) {
        sweep->more = lx_strdup(more);
        list_page(sweep);
        return;
    }
    listed(sweep);
}

static void list_page(struct lx_sweep *sweep)
{
    const struct lx_executor_opts *opts = &sweep->ex->opts;
    lx_auto(buf) struct lx_buf query = LX_BUF_INIT(QUERY_MAX);
    int failed =
        lx_buf_addf(&query, NULL, "labelSelector=%s&limit=%d", lx_buf_str(&sweep->selector), PAGE);
    if (sweep->more) {
        failed |= lx_buf_adds(&query, "&continue=", NULL);
        failed |= lx_url_escape(&query, sweep->more, strlen(sweep->more), NULL);
    }
    lx_assert(!failed);
    // rbac: pods list: Jobs that were left behind, through their pods
    // rbac optional: batch/jobs list: Jobs that were left behind, those too that have no pod
    sweep->call =
        lx_kube_survey(opts->kube, sweep->jobs_denied ? LX_KUBE_POD : LX_KUBE_JOB, opts->ns,
                       lx_buf_str(&query), lx_now_ms() + CALL_MS, on_page, sweep);
}

static void begin_round(void *arg)
{
    struct lx_sweep *sweep = arg;
    sweep->round++;
    sweep->skipped = false;
    lx_list_each (it, &sweep->ex->left) {
        struct lx_left *left = lx_container_of(it, struct lx_left, link);
        add(sweep, left->role, left->name, left->uid)->left = left;
    }
    list_page(sweep);
}

/* ---- Its life ---- */

struct lx_sweep *lx_sweep_new(struct lx_executor *ex)
{
    char name[LX_EXECUTOR_LABEL_SIZE];
    struct lx_sweep *sweep = lx_alloc(sizeof *sweep);
    sweep->ex = ex;
    sweep->timer = lx_timer_new(ex->opts.loop, begin_round, sweep);
    sweep->seen = lx_map_new(SEEN_MAX, seen_free);
    lx_list_init(&sweep->items);
    lx_executor_label(ex->opts.executor_name, name);
    lx_auto(str) char *selector = lx_strf(
        LX_LABEL_MANAGED_BY "=" LX_LABEL_MANAGED_BY_VALUE "," LX_LABEL_EXECUTOR "=%s", name);
    lx_buf_init(&sweep->selector, QUERY_MAX);
    lx_assert(lx_url_escape(&sweep->selector, selector, strlen(selector), NULL) == 0);
    return sweep;
}

void lx_sweep_start(struct lx_sweep *sweep)
{
    uint64_t interval = interval_of(sweep);
    if (sweep->ex->opts.sweep_interval_ms > 0 && !sweep->ex->opts.keep_jobs)
        lx_timer_start(sweep->timer, interval < FIRST_MS ? interval : FIRST_MS, 0);
}

void lx_sweep_stop(struct lx_sweep *sweep)
{
    lx_timer_stop(sweep->timer);
    lx_kube_cancel(lx_take(sweep->call));
    free(lx_take(sweep->more));
    items_free(sweep);
}

void lx_sweep_free(struct lx_sweep *sweep)
{
    if (!sweep)
        return;
    lx_sweep_stop(sweep);
    lx_timer_free(sweep->timer);
    lx_map_free(sweep->seen);
    lx_buf_done(&sweep->selector);
    free(sweep);
}
