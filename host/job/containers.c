#include "job/containers.h"

#include "lunexec/podlog.h"
#include "lunexec/text.h"

struct follower {
    struct lx_containers *owner;
    struct lx_entry *entry;   /* NULL until the container started */
    struct lx_podlog *podlog; /* NULL before, and after its end */
    bool terminated;
    int64_t exit_code; /* -1 until observed */
};

struct lx_containers {
    struct lx_containers_opts opts;
    struct follower *followers; /* as the workload's containers */
    enum lx_log_state *logs;    /* of each */
    bool moved;                 /* bytes have come since lx_containers_moved */
    size_t n;
};

struct lx_containers *lx_containers_new(const struct lx_containers_opts *opts)
{
    struct lx_containers *containers = lx_alloc(sizeof *containers);
    containers->opts = *opts;
    containers->n = opts->workload->n_containers;
    containers->followers = lx_alloc_array(containers->n, sizeof *containers->followers);
    containers->logs = lx_alloc_array(containers->n, sizeof *containers->logs);
    for (size_t i = 0; i < containers->n; i++) {
        containers->followers[i].owner = containers;
        containers->followers[i].exit_code = -1;
    }
    return containers;
}

void lx_containers_free(struct lx_containers *containers)
{
    if (!containers)
        return;
    for (size_t i = 0; i < containers->n; i++)
        lx_podlog_free(containers->followers[i].podlog);
    free(containers->followers);
    free(containers->logs);
    free(containers);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct follower *follower = arg;
    follower->owner->moved = true;
    follower->entry = lx_entry_begin_output(follower->entry, lx_podlog_begins_ns(follower->podlog));
    if (lx_podlog_gaps(follower->podlog) > 0)
        follower->entry = lx_entry_gap(follower->entry);
    lx_entry_write(follower->entry, data, len);
}

static void tell_incomplete(const struct follower *follower, const char *why)
{
    lx_auto(str) char *text = lx_strf("[lunexec] this log is incomplete: %s", why);
    if (!lx_entry_has_line(follower->entry, text)) /* before a restart */
        lx_entry_note(follower->entry, text);      /* after all that was shown */
}

static uint64_t gaps_of(const struct follower *follower)
{
    uint64_t gaps = follower->podlog ? lx_podlog_gaps(follower->podlog) : 0;
    return gaps + lx_entry_goes_on(follower->entry);
}

static void count_gaps(const struct follower *follower)
{
    lx_job_metrics_log_gaps(follower->owner->opts.metrics, gaps_of(follower));
}

/* An entry whose log is complete is finished when the next container has begun: until then the pod
 * may still end, and the last one gets a line that says why. lx_containers_stop finishes the rest.
 */
static void settle(struct lx_containers *containers)
{
    for (size_t i = 0; i + 1 < containers->n; i++) {
        const struct follower *follower = &containers->followers[i];
        if (containers->logs[i] != LX_LOG_UNREAD && containers->followers[i + 1].entry)
            lx_entry_finish(follower->entry, follower->exit_code);
    }
}

static void on_end(void *arg, const struct lx_err *err)
{
    struct follower *follower = arg;
    struct lx_containers *containers = follower->owner;
    bool gone = lx_entry_output_gone(follower->entry);
    bool lacks = (gone || gaps_of(follower) > 0) && lx_entry_has_results(follower->entry);
    containers->logs[follower - containers->followers] = err || lacks ? LX_LOG_BROKEN : LX_LOG_READ;
    lx_entry_set_broken_log(follower->entry, err || lacks);
    if (err)
        tell_incomplete(follower, err->text);
    else if (gone)
        tell_incomplete(follower, "its lines have been rotated away by the kubelet while the "
                                  "executor was restarted");
    count_gaps(follower);
    struct lx_podlog *podlog = lx_take(follower->podlog); /* err is part of it */
    lx_entry_ended(follower->entry);
    settle(containers);
    containers->opts.on_log_end(containers->opts.arg, err);
    lx_podlog_free(podlog);
}

static void start(struct lx_containers *containers, size_t i, const struct lx_pod *pod)
{
    const struct lx_workload_container *c = &containers->opts.workload->containers[i];
    struct follower *follower = &containers->followers[i];
    /* What held the pod up may have been told in the entry already. */
    follower->entry = lx_entry_find(containers->opts.entries, c->key);
    if (!follower->entry)
        follower->entry = lx_entry_open(containers->opts.entries, c->key, c->argv);
    if (lx_entry_finished(follower->entry)) { /* whole already: before a restart */
        containers->logs[i] =
            lx_entry_has_broken_log(follower->entry) ? LX_LOG_BROKEN : LX_LOG_READ;
        return;
    }
    struct lx_podlog_opts opts = {
        .ns = containers->opts.executor->ns,
        .pod = pod->name,
        .container = c->name,
        .on_data = on_data,
        .on_end = on_end,
        .arg = follower,
    };
    struct lx_err err;
    if (lx_podlog_start(containers->opts.executor->kube, &opts, containers->opts.executor->log,
                        &follower->podlog, &err) < 0)
        on_end(follower, &err);
}

void lx_containers_update(struct lx_containers *containers, const struct lx_pod *pod)
{
    for (size_t i = 0; i < containers->n; i++) {
        struct follower *follower = &containers->followers[i];
        const char *name = containers->opts.workload->containers[i].name;
        const struct lx_container *status = NULL;
        for (size_t k = 0; k < pod->n_containers && !status; k++) {
            if (lx_streq(pod->containers[k].name, name))
                status = &pod->containers[k];
        }
        if (!status || status->state == LX_CONTAINER_WAITING)
            continue;
        /* Evicted before it ran: terminated, but there never was a log. */
        if (!follower->entry && !*status->container_id && !*status->started_at)
            continue;
        if (!follower->entry)
            start(containers, i, pod);
        if (status->state == LX_CONTAINER_TERMINATED && !follower->terminated) {
            follower->terminated = true;
            follower->exit_code = status->exit_code;
            if (follower->podlog)
                lx_podlog_terminated(follower->podlog);
        }
    }
    settle(containers);
}

void lx_containers_ended(struct lx_containers *containers)
{
    for (size_t i = 0; i < containers->n; i++) {
        struct follower *follower = &containers->followers[i];
        if (follower->podlog && !follower->terminated) {
            follower->terminated = true;
            lx_podlog_terminated(follower->podlog);
        }
    }
}

const enum lx_log_state *lx_containers_logs(const struct lx_containers *containers)
{
    return containers->logs;
}

bool lx_containers_idle(const struct lx_containers *containers)
{
    for (size_t i = 0; i < containers->n; i++) {
        if (containers->followers[i].podlog)
            return false;
    }
    return true;
}

bool lx_containers_ending(const struct lx_containers *containers)
{
    for (size_t i = 0; i < containers->n; i++) {
        const struct follower *follower = &containers->followers[i];
        if (follower->podlog && !follower->terminated)
            return false;
    }
    return !lx_containers_idle(containers);
}

int64_t lx_containers_exit_code(const struct lx_containers *containers, const char *key)
{
    for (size_t i = 0; i < containers->n; i++) {
        if (lx_streq(containers->opts.workload->containers[i].key, key))
            return containers->followers[i].exit_code;
    }
    return -1;
}

bool lx_containers_moved(struct lx_containers *containers)
{
    bool moved = containers->moved;
    containers->moved = false;
    return moved;
}

void lx_containers_stop(struct lx_containers *containers, const char *why)
{
    for (size_t i = 0; i < containers->n; i++) {
        struct follower *follower = &containers->followers[i];
        if (follower->podlog)
            tell_incomplete(follower, why);
        if (follower->podlog)
            count_gaps(follower);
        lx_podlog_free(lx_take(follower->podlog));
        if (follower->entry)
            lx_entry_finish(follower->entry, follower->exit_code);
    }
}
