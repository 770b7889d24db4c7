#include "kube/watch_priv.h"

#include "kube/pod.h"
#include "lunexec/clock.h"
#include "lunexec/url.h"

#include <string.h>

#define PAGE 200 /* pods a list answer; bounds its memory */
#define MORE_MAX_LEN 8192
#define LIST_MS 30000
#define ALARM_MS 5000
#define BACKOFF_BASE_MS 100
#define BACKOFF_MAX_MS 5000
#define MIN_WATCH_S 240
#define MAX_WATCH_S 300
#define SELECTOR_MAX_LEN 16384

static void release(struct lx_watch *watch)
{
    lx_watch_stream_stop(watch);
    free(lx_take(watch->more));
    free(lx_take(watch->version));
    lx_watch_cache_free(watch->cache);
    watch->cache = lx_watch_cache_new();
}

bool lx_watch_stopped(struct lx_watch *watch)
{
    if (!watch->running && !watch->delivering)
        release(watch);
    return !watch->running;
}

static void tell_health(struct lx_watch *watch, bool healthy, const struct lx_err *err)
{
    lx_timer_stop(watch->alarm);
    if (watch->known && watch->healthy == healthy)
        return;
    watch->known = true;
    watch->healthy = healthy;
    if (!watch->opts.on_health)
        return;
    watch->delivering++;
    watch->opts.on_health(watch->opts.arg, healthy, err);
    watch->delivering--;
    (void)lx_watch_stopped(watch);
}

static void on_alarm(void *arg)
{
    struct lx_watch *watch = arg;
    if (watch->trouble.code == LX_OK)
        (void)lx_fail(&watch->trouble, LX_E_TIMEOUT, "%s has not answered for %d s",
                      watch->kube->server, ALARM_MS / 1000);
    tell_health(watch, false, &watch->trouble);
}

void lx_watch_good(struct lx_watch *watch)
{
    watch->trouble.code = LX_OK;
    watch->token_rejected = false;
    tell_health(watch, true, NULL);
}

void lx_watch_trouble(struct lx_watch *watch, const struct lx_err *err, uint64_t wait_ms)
{
    uint64_t wait = lx_backoff_next(&watch->backoff, &watch->kube->rand);
    watch->trouble = *err;
    if (err->code == LX_E_AUTH)
        (void)lx_wrap(&watch->trouble,
                      "cannot watch pods; needed: pods: list, watch in namespace %s",
                      watch->opts.ns);
    lx_log(watch->log, LX_LOG_DEBUG, "pod watch interrupted", LX_ERR(&watch->trouble));
    lx_timer_start(watch->retry, wait > wait_ms ? wait : wait_ms, 0);
    if (err->code == LX_E_AUTH)
        tell_health(watch, false, &watch->trouble);
    else if (!lx_timer_active(watch->alarm) && (!watch->known || watch->healthy))
        lx_timer_start(watch->alarm, ALARM_MS, 0);
}

void lx_watch_deliver(struct lx_watch *watch, enum lx_pod_event event, const struct lx_pod *pod)
{
    if (!watch->running)
        return;
    watch->delivering++;
    watch->opts.on_pod(watch->opts.arg, event, pod);
    watch->delivering--;
}

/* Reports what a complete list did not bring any more. */
static void sweep(struct lx_watch *watch)
{
    size_t n = 0;
    struct lx_pod **pods = lx_watch_cache_take_stale(watch->cache, &n);
    for (size_t i = 0; i < n; i++) {
        lx_watch_deliver(watch, LX_POD_DELETED, pods[i]);
        lx_pod_free(pods[i]);
    }
    free(pods);
}

void lx_watch_keep(struct lx_watch *watch, const json_t *object)
{
    struct lx_err err = {0};
    const struct lx_pod *pod = NULL;
    if (lx_watch_cache_put(watch->cache, object, &pod, &err))
        lx_log(watch->log, LX_LOG_WARN, "a pod is left out of the watch", LX_ERR(&err));
    else if (pod)
        lx_watch_deliver(watch, LX_POD_CHANGED, pod);
}

static void list_page(struct lx_watch *watch);

static void on_page(void *arg, const struct lx_kube_result *result)
{
    struct lx_watch *watch = arg;
    struct lx_err err = {0};
    const json_t *meta = lx_json_obj(result->object, "metadata");
    const char *more = lx_json_str(meta, "continue", "");
    const char *version = lx_json_str(meta, "resourceVersion", "");
    size_t i;
    json_t *item;
    watch->list = NULL;
    free(lx_take(watch->more));
    if (!result->ok) {
        lx_watch_trouble(watch, &result->err, result->retry_after_ms);
        return;
    }
    if (strlen(more) > MORE_MAX_LEN || !*version) {
        (void)lx_fail(&err, LX_E_PEER, "a list of pods without a usable resourceVersion");
        lx_watch_trouble(watch, &err, 0);
        return;
    }
    json_array_foreach (lx_json_arr(result->object, "items"), i, item) {
        lx_watch_keep(watch, item);
    }
    if (lx_watch_stopped(watch))
        return;
    if (*more) {
        watch->more = lx_strdup(more);
        list_page(watch);
        return;
    }
    watch->version = lx_strdup(version);
    sweep(watch);
    if (lx_watch_stopped(watch))
        return;
    lx_watch_good(watch);
    if (watch->running)
        lx_watch_stream(watch);
}

static void list_page(struct lx_watch *watch)
{
    struct lx_buf query __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(4 * SELECTOR_MAX_LEN);
    int failed = lx_buf_addf(&query, NULL, "labelSelector=%s&limit=%d", watch->selector, PAGE);
    if (watch->more) {
        failed |= lx_buf_adds(&query, "&continue=", NULL);
        failed |= lx_url_escape(&query, watch->more, strlen(watch->more), NULL);
    }
    lx_assert(!failed);
    // rbac: pods list: which pods there are, at the start and after a break
    watch->list = lx_kube_call_start(
        watch->kube,
        &(struct lx_kube_call_opts){
            .method = "GET",
            .path = lx_kube_path(LX_KUBE_POD, watch->opts.ns, NULL, lx_buf_str(&query)),
            .deadline_ms = lx_now_ms() + LIST_MS,
            .once = true,
            .cb = on_page,
            .arg = watch,
        });
}

void lx_watch_go(struct lx_watch *watch)
{
    if (watch->version) {
        lx_watch_stream(watch);
        return;
    }
    lx_watch_cache_begin(watch->cache);
    list_page(watch);
}

static void on_retry(void *arg)
{
    struct lx_watch *watch = arg;
    if (watch->running)
        lx_watch_go(watch);
    else
        lx_watch_resume(watch);
}

void lx_watch_resume(struct lx_watch *watch)
{
    if (watch->running)
        return;
    if (watch->delivering) { /* what a pause inside this callback left is released first */
        lx_timer_start(watch->retry, 0, 0);
        return;
    }
    release(watch);
    watch->running = true;
    watch->known = false;
    watch->trouble.code = LX_OK;
    lx_backoff_reset(&watch->backoff);
    lx_timer_start(watch->alarm, ALARM_MS, 0);
    lx_watch_go(watch);
}

void lx_watch_pause(struct lx_watch *watch)
{
    watch->running = false;
    lx_timer_stop(watch->retry);
    lx_timer_stop(watch->alarm);
    lx_kube_cancel(lx_take(watch->list));
    (void)lx_watch_stopped(watch);
}

bool lx_watch_current(const struct lx_watch *watch)
{
    return watch->running && watch->known && watch->healthy && watch->trouble.code == LX_OK;
}

const struct lx_pod *lx_watch_find(struct lx_watch *watch, const char *job_name)
{
    return watch->running ? lx_watch_cache_find(watch->cache, job_name) : NULL;
}

const struct lx_pod *lx_watch_find_uid(struct lx_watch *watch, const char *uid)
{
    return watch->running ? lx_watch_cache_get(watch->cache, uid) : NULL;
}

int lx_watch_new(struct lx_kube *kube, const struct lx_watch_opts *opts, struct lx_log *log,
                 struct lx_watch **ret_watch, struct lx_err *err)
{
    struct lx_buf selector __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(SELECTOR_MAX_LEN);
    if (lx_url_escape(&selector, opts->selector, strlen(opts->selector), err))
        return lx_wrap(err, "label selector");
    struct lx_watch *watch = lx_alloc(sizeof(*watch));
    watch->kube = kube;
    watch->log = log;
    watch->opts = *opts;
    watch->ns = lx_strdup(opts->ns);
    watch->opts.ns = watch->ns;
    watch->opts.selector = NULL;
    if (!watch->opts.min_watch_s)
        watch->opts.min_watch_s = MIN_WATCH_S;
    if (!watch->opts.max_watch_s)
        watch->opts.max_watch_s = MAX_WATCH_S;
    if (watch->opts.max_watch_s < watch->opts.min_watch_s)
        watch->opts.max_watch_s = watch->opts.min_watch_s;
    watch->selector = lx_buf_take(&selector);
    watch->cache = lx_watch_cache_new();
    watch->backoff = (struct lx_backoff){.base_ms = BACKOFF_BASE_MS, .max_ms = BACKOFF_MAX_MS};
    watch->retry = lx_timer_new(kube->loop, on_retry, watch);
    watch->alarm = lx_timer_new(kube->loop, on_alarm, watch);
    lx_watch_stream_init(watch);
    *ret_watch = watch;
    return 0;
}

void lx_watch_free(struct lx_watch *watch)
{
    if (!watch)
        return;
    lx_assert(!watch->delivering);
    lx_watch_pause(watch);
    lx_lines_done(&watch->lines);
    lx_watch_cache_free(watch->cache);
    lx_timer_free(watch->retry);
    lx_timer_free(watch->alarm);
    free(watch->ns);
    free(watch->selector);
    free(watch);
}
