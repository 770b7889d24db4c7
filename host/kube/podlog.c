#include "kube/podlog_priv.h"

#include "lunexec/clock.h"

#define BACKOFF_BASE_MS 200
#define BACKOFF_MAX_MS 2000
#define GIVE_UP_MS 60000
#define QUIET_MS 5000

static void on_emit(void *arg, const char *data, size_t len)
{
    struct lx_podlog *podlog = arg;
    podlog->moved = true;
    podlog->good_ms = lx_now_ms();
    podlog->in_data = true;
    podlog->opts.on_data(podlog->opts.arg, data, len);
    podlog->in_data = false;
}

static void on_end(void *arg)
{
    struct lx_podlog *podlog = arg;
    podlog->opts.on_end(podlog->opts.arg, podlog->end_err.code == LX_OK ? NULL : &podlog->end_err);
}

static void on_retry(void *arg)
{
    lx_podlog_open(arg);
}

/* The container has ended, and the stream neither brings anything nor ends. */
static void on_quiet(void *arg)
{
    struct lx_podlog *podlog = arg;
    lx_log(podlog->log, LX_LOG_DEBUG, "log stream outlives its container",
           LX_STR("pod", podlog->pod), LX_STR("container", podlog->container));
    lx_podlog_cut(podlog);
    lx_podlog_open(podlog);
}

void lx_podlog_on_bytes(struct lx_podlog *podlog)
{
    podlog->rejected = false;
    if (lx_timer_active(podlog->quiet))
        lx_timer_start(podlog->quiet, QUIET_MS, 0);
}

void lx_podlog_again(struct lx_podlog *podlog, uint64_t wait_ms)
{
    lx_timer_stop(podlog->quiet);
    if (podlog->moved)
        lx_backoff_reset(&podlog->backoff);
    lx_timer_start(podlog->retry, wait_ms, 0);
}

void lx_podlog_finish(struct lx_podlog *podlog, const struct lx_err *err)
{
    podlog->ended = true;
    lx_timer_stop(podlog->quiet);
    lx_timer_stop(podlog->retry);
    if (err)
        podlog->end_err = *err;
    lx_task_post(podlog->kube->loop, &podlog->end);
}

void lx_podlog_failed(struct lx_podlog *podlog, const struct lx_err *err, uint64_t wait_ms)
{
    uint64_t wait = lx_backoff_next(&podlog->backoff, &podlog->kube->rand);
    bool gone = err->code == LX_E_NOT_FOUND;
    lx_log(podlog->log, LX_LOG_DEBUG, "log stream interrupted", LX_STR("pod", podlog->pod),
           LX_STR("container", podlog->container), LX_ERR(err));
    if (podlog->terminated && (gone || lx_now_ms() - podlog->good_ms >= podlog->opts.give_up_ms)) {
        struct lx_err why = *err;
        (void)lx_wrap(&why, "log of container %s of pod %s", podlog->container, podlog->pod);
        lx_podlog_finish(podlog, &why);
        return;
    }
    lx_podlog_again(podlog, wait > wait_ms ? wait : wait_ms);
}

int lx_podlog_start(struct lx_kube *kube, const struct lx_podlog_opts *opts, struct lx_log *log,
                    struct lx_podlog **ret_podlog, struct lx_err *err)
{
    (void)err;
    struct lx_podlog *podlog = lx_alloc(sizeof(*podlog));
    podlog->kube = kube;
    podlog->log = log;
    podlog->opts = *opts;
    podlog->ns = lx_strdup(opts->ns);
    podlog->pod = lx_strdup(opts->pod);
    podlog->container = lx_strdup(opts->container);
    if (!podlog->opts.give_up_ms)
        podlog->opts.give_up_ms = GIVE_UP_MS;
    podlog->backoff = (struct lx_backoff){.base_ms = BACKOFF_BASE_MS, .max_ms = BACKOFF_MAX_MS};
    podlog->retry = lx_timer_new(kube->loop, on_retry, podlog);
    podlog->quiet = lx_timer_new(kube->loop, on_quiet, podlog);
    lx_task_init(&podlog->end, on_end, podlog);
    lx_loglines_init(&podlog->lines, on_emit, podlog);
    lx_podlog_read_init(podlog);
    lx_podlog_open(podlog);
    *ret_podlog = podlog;
    return 0;
}

void lx_podlog_terminated(struct lx_podlog *podlog)
{
    if (podlog->terminated)
        return;
    podlog->terminated = true;
    podlog->good_ms = lx_now_ms();
    lx_backoff_reset(&podlog->backoff);
    if (podlog->call)
        lx_timer_start(podlog->quiet, QUIET_MS, 0);
    else
        lx_timer_start(podlog->retry, 0, 0);
}

int64_t lx_podlog_begins_ns(const struct lx_podlog *podlog)
{
    return podlog->lines.begins_ns;
}

uint64_t lx_podlog_gaps(const struct lx_podlog *podlog)
{
    return podlog->lines.gaps;
}

void lx_podlog_free(struct lx_podlog *podlog)
{
    if (!podlog)
        return;
    lx_assert(!podlog->in_data);
    lx_http_cancel(podlog->call);
    lx_task_cancel(&podlog->drain);
    lx_task_cancel(&podlog->end);
    lx_timer_free(podlog->retry);
    lx_timer_free(podlog->quiet);
    lx_loglines_done(&podlog->lines);
    lx_buf_done(&podlog->raw);
    free(podlog->ns);
    free(podlog->pod);
    free(podlog->container);
    free(podlog);
}
