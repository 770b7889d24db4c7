#include "kube/watch_priv.h"

#include "kube/pod.h"
#include "lunexec/clock.h"
#include "lunexec/url.h"

#include <string.h>

#define LINE_MAX_LEN ((size_t)8 << 20)
#define RAW_MAX_LEN ((size_t)16 << 20)
#define SLACK_MS 15000
#define IDLE_MS 30000
#define LIVED_MS 1000

/* The status object of an ERROR event. */
static int error_event(const json_t *object, struct lx_err *err)
{
    struct lx_err why = {0};
    lx_kube_status_err(object, &why);
    if (strcmp(lx_json_str(object, "reason", ""), "Expired") == 0)
        why.code = LX_E_GONE;
    return lx_fail(err, why.code, "%s", why.text);
}

int lx_watch_event(struct lx_watch *watch, const char *line, size_t len, struct lx_err *err)
{
    lx_auto(json) json_t *event = NULL;
    if (lx_json_parse(line, len, &event, err)) {
        if (err)
            err->code = LX_E_GONE; /* what it said is lost: only a list tells */
        return lx_wrap(err, "watch event");
    }
    const char *type = lx_json_str(event, "type", "");
    const json_t *object = lx_json_obj(event, "object");
    if (strcmp(type, "ERROR") == 0)
        return error_event(object, err);
    const char *version = lx_json_str(lx_json_obj(object, "metadata"), "resourceVersion", "");
    if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
        lx_watch_keep(watch, object);
    } else if (strcmp(type, "DELETED") == 0) {
        lx_auto(pod) struct lx_pod *pod = NULL;
        if (!lx_watch_cache_remove(watch->cache, object, &pod, NULL) && pod)
            lx_watch_deliver(watch, LX_POD_DELETED, pod);
    }
    if (*version) {
        free(watch->version);
        watch->version = lx_strdup(version);
    }
    watch->moved = true;
    return 0;
}

static int on_line(void *arg, const char *line, size_t len)
{
    struct lx_watch *watch = arg;
    if (!watch->running)
        return -1;
    return len ? lx_watch_event(watch, line, len, &watch->line_err) : 0;
}

void lx_watch_stream_stop(struct lx_watch *watch)
{
    lx_http_cancel(lx_take(watch->stream));
    lx_task_cancel(&watch->drain);
    lx_lines_done(&watch->lines);
    lx_lines_init(&watch->lines, LINE_MAX_LEN, on_line, watch);
    lx_buf_done(&watch->raw);
    watch->opened = false;
}

static void on_drain(void *arg);

void lx_watch_stream_init(struct lx_watch *watch)
{
    lx_task_init(&watch->drain, on_drain, watch);
    lx_buf_init(&watch->raw, RAW_MAX_LEN);
    lx_lines_init(&watch->lines, LINE_MAX_LEN, on_line, watch);
}

/* Takes in what has arrived. Returns false when the stream is over for that: paused, or an event
 * that ends it. */
static bool take_in(struct lx_watch *watch)
{
    struct lx_err err = {0};
    if (watch->opened) {
        watch->opened = false;
        lx_watch_good(watch);
    }
    watch->line_err.code = LX_OK;
    int rc = lx_lines_feed(&watch->lines, lx_buf_str(&watch->raw), watch->raw.len, &err);
    lx_buf_reset(&watch->raw);
    if (lx_watch_stopped(watch))
        return false;
    if (!rc)
        return true;
    if (watch->line_err.code != LX_OK)
        err = watch->line_err;
    lx_watch_stream_stop(watch);
    if (err.code == LX_E_GONE || err.code == LX_E_LIMIT)
        free(lx_take(watch->version));
    /* A version that is too old is an ordinary thing: list at once, unless the watch before it
     * brought nothing either. */
    if (err.code == LX_E_GONE && watch->moved)
        lx_watch_go(watch);
    else
        lx_watch_trouble(watch, &err, 0);
    return false;
}

static void on_drain(void *arg)
{
    (void)take_in(arg);
}

static void on_head(void *arg, long status)
{
    struct lx_watch *watch = arg;
    if (status != 200)
        return;
    watch->opened = true;
    lx_task_post(watch->kube->loop, &watch->drain);
}

static int on_data(void *arg, const char *data, size_t len)
{
    struct lx_watch *watch = arg;
    lx_task_post(watch->kube->loop, &watch->drain);
    return lx_buf_add(&watch->raw, data, len, NULL);
}

/* The stream ended as streams do: go on from the same version. */
static void again(struct lx_watch *watch)
{
    if (watch->moved || lx_now_ms() - watch->stream_at_ms >= LIVED_MS) {
        lx_backoff_reset(&watch->backoff);
        lx_watch_stream(watch);
        return;
    }
    lx_timer_start(watch->retry, lx_backoff_next(&watch->backoff, &watch->kube->rand), 0);
}

static void on_done(void *arg, const struct lx_http_result *result)
{
    struct lx_watch *watch = arg;
    struct lx_err err = {0};
    bool accepted = result->status >= 200 && result->status < 300 &&
                    (result->reach == LX_HTTP_ANSWERED || result->reach == LX_HTTP_CUT);
    watch->stream = NULL;
    if (!take_in(watch))
        return;
    lx_watch_stream_stop(watch);
    if (accepted) {
        again(watch);
        return;
    }
    lx_kube_answer_err(result, &err, NULL);
    if (result->status == 401 && watch->kube->token && !watch->token_rejected) {
        watch->token_rejected = true;
        lx_token_rejected(watch->kube->token);
        lx_watch_stream(watch);
        return;
    }
    if (err.code == LX_E_GONE || err.code == LX_E_INVALID || err.code == LX_E_NOT_FOUND)
        free(lx_take(watch->version));
    lx_watch_trouble(watch, &err, lx_kube_retry_after_ms(result));
}

void lx_watch_stream(struct lx_watch *watch)
{
    struct lx_err err = {0};
    unsigned span = watch->opts.max_watch_s - watch->opts.min_watch_s + 1;
    unsigned seconds = watch->opts.min_watch_s + (unsigned)lx_rand_below(&watch->kube->rand, span);
    struct lx_buf version __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(4096);
    if (lx_url_escape(&version, watch->version, strlen(watch->version), &err)) {
        free(lx_take(watch->version));
        lx_watch_trouble(watch, &err, 0);
        return;
    }
    lx_auto(str) char *query =
        lx_strf("labelSelector=%s&watch=true&allowWatchBookmarks=true&resourceVersion=%s"
                "&timeoutSeconds=%u",
                watch->selector, lx_buf_str(&version), seconds);
    lx_auto(str) char *path = lx_kube_path(LX_KUBE_POD, watch->opts.ns, NULL, query);
    struct lx_http_req req = {
        .timeout_ms = (uint64_t)seconds * 1000 + SLACK_MS,
        /* A server that is there sends bookmarks; a connection that only looks alive, through a
         * proxy or a balancer, is found by its silence. To watch on from the same version costs one
         * request and misses nothing. */
        .idle_timeout_ms = watch->opts.idle_ms ? watch->opts.idle_ms : IDLE_MS,
        .on_head = on_head,
        .on_data = on_data,
        .on_done = on_done,
        .arg = watch,
    };
    watch->moved = false;
    watch->stream_at_ms = lx_now_ms();
    // rbac: pods watch: how they fare
    if (lx_kube_send(watch->kube, watch->kube->http, path, NULL, &req, &watch->stream, &err))
        lx_watch_trouble(watch, &err, 0);
}
