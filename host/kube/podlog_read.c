#include "kube/podlog_priv.h"

#include "lunexec/clock.h"
#include "lunexec/url.h"

#include <inttypes.h>
#include <string.h>

#define RAW_MAX ((size_t)8 << 20)
#define FOLLOW_IDLE_MS 120000
#define LAST_IDLE_MS 30000
#define NAME_MAX_LEN 1024

static void take_in(struct lx_podlog *podlog)
{
    struct lx_buf raw = podlog->raw;
    lx_buf_init(&podlog->raw, RAW_MAX);
    if (raw.len)
        lx_loglines_feed(&podlog->lines, lx_buf_str(&raw), raw.len);
    lx_buf_done(&raw);
}

static void on_drain(void *arg)
{
    struct lx_podlog *podlog = arg;
    take_in(podlog);
    if (!lx_loglines_missed(&podlog->lines, false))
        return;
    lx_http_cancel(lx_take(podlog->call));
    if (!podlog->last)
        podlog->clean = false;
    lx_podlog_again(podlog, 0);
}

static int on_data(void *arg, const char *data, size_t len)
{
    struct lx_podlog *podlog = arg;
    lx_task_post(podlog->kube->loop, &podlog->drain);
    lx_podlog_on_bytes(podlog);
    return lx_buf_add(&podlog->raw, data, len, NULL);
}

void lx_podlog_read_init(struct lx_podlog *podlog)
{
    lx_task_init(&podlog->drain, on_drain, podlog);
    lx_buf_init(&podlog->raw, RAW_MAX);
}

void lx_podlog_cut(struct lx_podlog *podlog)
{
    lx_http_cancel(lx_take(podlog->call));
    lx_task_cancel(&podlog->drain);
    take_in(podlog);
    podlog->clean = false;
}

/* A whole answer with status 200. */
static void complete(struct lx_podlog *podlog)
{
    struct lx_err err = {0};
    const char *refusal = lx_loglines_refusal(&podlog->lines);
    if (*refusal) {
        lx_kube_status_code_err(0, refusal, &err);
        lx_podlog_failed(podlog, &err, 0);
        return;
    }
    if (lx_loglines_missed(&podlog->lines, true)) {
        lx_podlog_again(podlog, 0);
        return;
    }
    podlog->good_ms = lx_now_ms();
    if (!podlog->last) {
        /* It may have ended early all the same: looked at before lines can be rotated away. */
        if (!podlog->clean)
            lx_backoff_reset(&podlog->backoff);
        podlog->clean = true;
        /* The kubelet ends a stream when the container has ended; the pod's status will tell. */
        if (podlog->terminated)
            lx_podlog_again(podlog, 0);
        else
            lx_podlog_again(podlog, lx_backoff_next(&podlog->backoff, &podlog->kube->rand));
        return;
    }
    lx_loglines_finish(&podlog->lines, podlog->clean);
    lx_podlog_finish(podlog, NULL);
}

static void on_done(void *arg, const struct lx_http_result *result)
{
    struct lx_podlog *podlog = arg;
    struct lx_err err = {0};
    bool accepted = result->status >= 200 && result->status < 300;
    podlog->call = NULL;
    lx_task_cancel(&podlog->drain);
    take_in(podlog);
    if (accepted && result->reach == LX_HTTP_ANSWERED) {
        complete(podlog);
        return;
    }
    if (!podlog->last)
        podlog->clean = false;
    if (accepted && podlog->lines.stamped)
        podlog->good_ms = lx_now_ms(); /* it can be read, if only from far back */
    lx_kube_answer_err(result, &err, NULL);
    if (podlog->moved || lx_loglines_missed(&podlog->lines, false) ||
        (accepted && !podlog->terminated && err.code == LX_E_TIMEOUT)) {
        lx_podlog_again(podlog, 0);
        return;
    }
    if (result->status == 401 && podlog->kube->token && !podlog->rejected) {
        podlog->rejected = true;
        lx_token_rejected(podlog->kube->token);
        lx_podlog_again(podlog, 0);
        return;
    }
    lx_podlog_failed(podlog, &err, lx_kube_retry_after_ms(result));
}

static char *log_path(const struct lx_podlog *podlog, bool follow, const char *since, uint64_t tail)
{
    struct lx_buf query __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(NAME_MAX_LEN);
    lx_auto(str) char *base = lx_kube_path(LX_KUBE_POD, podlog->ns, podlog->pod, NULL);
    int failed = lx_buf_adds(&query, "container=", NULL);
    failed |= lx_url_escape(&query, podlog->container, strlen(podlog->container), NULL);
    failed |= lx_buf_addf(&query, NULL, "%s&timestamps=true", follow ? "&follow=true" : "");
    if (since) {
        failed |= lx_buf_adds(&query, "&sinceTime=", NULL);
        failed |= lx_url_escape(&query, since, strlen(since), NULL);
    }
    if (tail)
        failed |= lx_buf_addf(&query, NULL, "&tailLines=%" PRIu64, tail);
    lx_assert(!failed);
    return lx_strf("%s/log?%s", base, lx_buf_str(&query));
}

void lx_podlog_open(struct lx_podlog *podlog)
{
    struct lx_err err = {0};
    char since[LX_RFC3339_SIZE];
    lx_timer_stop(podlog->retry);
    lx_timer_stop(podlog->quiet);
    podlog->last = podlog->terminated;
    podlog->moved = false;
    bool resume = lx_loglines_start(&podlog->lines, since);
    lx_auto(str) char *path =
        log_path(podlog, !podlog->last, resume ? since : NULL, lx_loglines_tail(&podlog->lines));
    struct lx_http_req req = {
        .idle_timeout_ms = podlog->last ? LAST_IDLE_MS : FOLLOW_IDLE_MS,
        .on_data = on_data,
        .on_done = on_done,
        .arg = podlog,
    };
    // rbac: pods/log get: the output of steps
    if (lx_kube_send(podlog->kube, podlog->kube->logs, path, NULL, &req, &podlog->call, &err))
        lx_podlog_failed(podlog, &err, 0);
}
