#include "kube/priv.h"

#include "lunexec/backoff.h"
#include "lunexec/clock.h"

#include <string.h>

#define BACKOFF_BASE_MS 100
#define BACKOFF_MAX_MS 5000
#define DEADLINE_MS 60000
#define ATTEMPT_MS 30000
#define ANSWER_MAX ((size_t)32 << 20)

/* Of 32 connections, should they not share one; the watch needs some too. */
static const unsigned lane_width[LX_LANE_COUNT] = {
    [LX_LANE_CREATE] = 16, [LX_LANE_DELETE] = 6, [LX_LANE_READ] = 4, [LX_LANE_BACKGROUND] = 1};

struct lx_kube_call {
    struct lx_list link;
    struct lx_kube *kube;
    struct lx_kube_call_opts opts;
    struct lx_http_call *http;
    struct lx_timer *timer;
    struct lx_task failed; /* the request could not even be made */
    struct lx_err err;     /* then: why */
    struct lx_backoff backoff;
    bool rejected; /* the one extra try after a 401 was made */
    struct lx_list lane_link;
    bool waits, holds; /* in its lane: for its turn; it has it */
};

static void attempt(void *arg);

static struct lx_kube_lane *lane_of(const struct lx_kube_call *call)
{
    enum lx_kube_lane_id id = LX_LANE_READ;
    if (call->opts.background)
        id = LX_LANE_BACKGROUND;
    else if (strcmp(call->opts.method, "POST") == 0)
        id = LX_LANE_CREATE;
    else if (strcmp(call->opts.method, "DELETE") == 0)
        id = LX_LANE_DELETE;
    return &call->kube->lanes[id];
}

/* Takes a turn, or a place in the line; false: it has to wait. */
static bool enter_lane(struct lx_kube_call *call)
{
    struct lx_kube_lane *lane = lane_of(call);
    if (call->opts.once || call->holds)
        return true;
    if (lane->underway >= lane_width[lane - call->kube->lanes]) {
        if (!call->waits)
            lx_list_push(&lane->waiting, &call->lane_link);
        call->waits = true;
        return false;
    }
    lane->underway++;
    call->holds = true;
    return true;
}

/* Gives the turn, or the place in the line, back; the next one begins. */
static void leave_lane(struct lx_kube_call *call)
{
    struct lx_kube_lane *lane = lane_of(call);
    if (call->waits)
        lx_list_remove(&call->lane_link);
    call->waits = false;
    if (!call->holds)
        return;
    call->holds = false;
    lane->underway--;
    struct lx_list *next = lx_list_shift(&lane->waiting);
    if (next) {
        struct lx_kube_call *other = lx_container_of(next, struct lx_kube_call, lane_link);
        other->waits = false;
        lx_timer_start(other->timer, 0, 0);
    }
}

static void call_free(struct lx_kube_call *call)
{
    lx_list_remove(&call->link);
    leave_lane(call);
    lx_task_cancel(&call->failed);
    lx_http_cancel(call->http);
    lx_timer_free(call->timer);
    free(call->opts.path);
    lx_secret_free(call->opts.body);
    free(call);
}

void lx_kube_cancel(struct lx_kube_call *call)
{
    if (call)
        call_free(call);
}

void lx_kube_cancel_all(struct lx_kube *kube)
{
    lx_list_each (it, &kube->calls)
        call_free(lx_container_of(it, struct lx_kube_call, link));
}

/* Reports and releases the call. */
static void report(struct lx_kube_call *call, const struct lx_kube_result *result)
{
    lx_list_remove(&call->link);
    call->opts.cb(call->opts.arg, result);
    call_free(call);
}

static void report_failed(void *arg)
{
    struct lx_kube_call *call = arg;
    struct lx_kube_result result = {.reason = "", .err = call->err};
    report(call, &result);
}

/* The answer of a call that was done; an error when it cannot be read. */
static int read_answer(const struct lx_kube_call *call, const struct lx_http_result *answer,
                       json_t **ret_object, struct lx_err *err)
{
    lx_auto(json) json_t *object = NULL;
    int rc = lx_json_parse(answer->body, answer->body_len, &object, err);
    if (rc == 0 && !json_is_object(object))
        rc = lx_fail(err, LX_E_PEER, "not an object");
    if (rc < 0) {
        (void)lx_wrap(err, "the API server's answer to %s", call->opts.method);
        err->code = LX_E_PEER;
        return -1;
    }
    *ret_object = lx_take(object);
    return 0;
}

/* A create that met another writer of the quota is refused with Conflict, not AlreadyExists; it
 * may be sent again. A failed precondition of a delete may not. */
static bool retryable(const struct lx_kube_call *call, const struct lx_http_result *answer,
                      const char *reason)
{
    if (answer->reach != LX_HTTP_ANSWERED)
        return true;
    if (answer->status == 409)
        return strcmp(call->opts.method, "POST") == 0 && strcmp(reason, "Conflict") == 0;
    return answer->status == 429 || (answer->status >= 500 && answer->status != 501);
}

/* Starts the wait before the next try; false when the deadline comes first. */
static bool try_later(struct lx_kube_call *call, const struct lx_http_result *answer)
{
    uint64_t wait = lx_backoff_next(&call->backoff, &call->kube->rand);
    if (call->opts.once)
        return false;
    uint64_t asked = lx_kube_retry_after_ms(answer);
    if (asked > wait)
        wait = asked;
    if (lx_now_ms() + wait >= call->opts.deadline_ms)
        return false;
    lx_timer_start(call->timer, wait, 0);
    return true;
}

static bool changes_something(const struct lx_kube_call *call)
{
    return strcmp(call->opts.method, "GET") != 0;
}

static void log_repeat(const struct lx_kube_call *call, const struct lx_err *err)
{
    lx_log(call->kube->log, LX_LOG_DEBUG, "the API server is asked again",
           LX_STR("method", call->opts.method), LX_STR("path", call->opts.path), LX_ERR(err));
}

/* What cannot be read may come from something between us and the API server, which then did it or
 * did not: as when no answer comes, the call is repeated. */
static void on_success(struct lx_kube_call *call, const struct lx_http_result *answer)
{
    lx_auto(json) json_t *object = NULL;
    struct lx_kube_result result = {.status = answer->status, .reason = ""};
    result.ok = read_answer(call, answer, &object, &result.err) == 0;
    if (!result.ok && changes_something(call) && try_later(call, answer)) {
        log_repeat(call, &result.err);
        return;
    }
    if (result.ok && call->opts.next) {
        if (call->opts.next(&call->opts, object, &result.err) == 0) {
            lx_backoff_reset(&call->backoff);
            attempt(call);
            return;
        }
        result.ok = false;
    }
    result.object = result.ok ? object : NULL;
    report(call, &result);
}

static void on_done(void *arg, const struct lx_http_result *answer)
{
    struct lx_kube_call *call = arg;
    leave_lane(call);
    lx_auto(str) char *reason = NULL;
    struct lx_kube_result result = {.status = answer->status,
                                    .retry_after_ms = lx_kube_retry_after_ms(answer)};
    call->http = NULL;
    if (answer->reach == LX_HTTP_ANSWERED && answer->status >= 200 && answer->status < 300) {
        on_success(call, answer);
        return;
    }
    if (answer->status == 401 && call->kube->token && !call->rejected) {
        call->rejected = true;
        lx_token_rejected(call->kube->token);
        attempt(call);
        return;
    }
    lx_kube_answer_err(answer, &result.err, &reason);
    if (retryable(call, answer, reason) && try_later(call, answer)) {
        log_repeat(call, &result.err);
        return;
    }
    result.reason = reason;
    report(call, &result);
}

static void attempt(void *arg)
{
    struct lx_kube_call *call = arg;
    uint64_t now = lx_now_ms();
    uint64_t left = call->opts.deadline_ms > now ? call->opts.deadline_ms - now : 1;
    if (!enter_lane(call)) {
        if (now < call->opts.deadline_ms) {
            lx_timer_start(call->timer, left, 0);
            return;
        }
        (void)lx_fail(&call->err, LX_E_TIMEOUT, "too many calls to %s are underway",
                      call->kube->server);
        leave_lane(call);
        lx_task_post(call->kube->loop, &call->failed);
        return;
    }
    struct lx_http_req req = {
        .method = call->opts.method,
        .body = call->opts.body,
        .body_len = call->opts.body ? strlen(call->opts.body) : 0,
        .timeout_ms = left < ATTEMPT_MS ? left : ATTEMPT_MS,
        .max_body = ANSWER_MAX,
        .on_done = on_done,
        .arg = call,
    };
    if (lx_kube_send(call->kube, call->kube->http, call->opts.path, call->opts.accept, &req,
                     &call->http, &call->err) < 0)
        lx_task_post(call->kube->loop, &call->failed);
}

struct lx_kube_call *lx_kube_call_start(struct lx_kube *kube, const struct lx_kube_call_opts *opts)
{
    struct lx_kube_call *call = lx_alloc(sizeof(*call));
    call->kube = kube;
    call->opts = *opts;
    if (!call->opts.deadline_ms)
        call->opts.deadline_ms = lx_now_ms() + DEADLINE_MS;
    call->backoff = (struct lx_backoff){.base_ms = BACKOFF_BASE_MS, .max_ms = BACKOFF_MAX_MS};
    call->timer = lx_timer_new(kube->loop, attempt, call);
    lx_task_init(&call->failed, report_failed, call);
    lx_list_push(&kube->calls, &call->link);
    attempt(call);
    return call;
}

struct lx_kube_call *lx_kube_create(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const json_t *body, uint64_t deadline_ms, lx_kube_cb cb,
                                    void *arg)
{
    return lx_kube_call_start(kube, &(struct lx_kube_call_opts){
                                        .method = "POST",
                                        .path = lx_kube_path(kind, ns, NULL, NULL),
                                        .body = lx_json_text(body),
                                        .deadline_ms = deadline_ms,
                                        .cb = cb,
                                        .arg = arg,
                                    });
}

struct lx_kube_call *lx_kube_dry_run(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                     const json_t *body, uint64_t deadline_ms, lx_kube_cb cb,
                                     void *arg)
{
    static const char query[] = "dryRun=All&fieldValidation=Strict";
    return lx_kube_call_start(kube, &(struct lx_kube_call_opts){
                                        .method = "POST",
                                        .path = lx_kube_path(kind, ns, NULL, query),
                                        .body = lx_json_text(body),
                                        .deadline_ms = deadline_ms,
                                        .cb = cb,
                                        .arg = arg,
                                    });
}

struct lx_kube_call *lx_kube_get(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                 const char *name, uint64_t deadline_ms, lx_kube_cb cb, void *arg)
{
    return lx_kube_call_start(kube, &(struct lx_kube_call_opts){
                                        .method = "GET",
                                        .path = lx_kube_path(kind, ns, name, NULL),
                                        .deadline_ms = deadline_ms,
                                        .cb = cb,
                                        .arg = arg,
                                    });
}

struct lx_kube_call *lx_kube_list(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                  const char *query, uint64_t deadline_ms, lx_kube_cb cb, void *arg)
{
    return lx_kube_call_start(kube, &(struct lx_kube_call_opts){
                                        .method = "GET",
                                        .path = lx_kube_path(kind, ns, NULL, query),
                                        .deadline_ms = deadline_ms,
                                        .cb = cb,
                                        .arg = arg,
                                    });
}
