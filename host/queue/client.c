/*
 * The client, and the life of one call: tries, delays between them, report (contract 1.1).
 */
#include "queue/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <inttypes.h>
#include <string.h>

static const struct lx_queue_tuning default_tuning = {
    .attempts = 21,
    .base_ms = 50,
    .max_ms = 1000,
    .late_max_ms = 5000,
    .retry_after_ms = 30000,
    .call_timeout_ms = 30000,
    .beat_timeout_ms = 10000,
};

/* A log entry may take this long a byte more than any other call: 64 KiB a second. */
#define UPLOAD_BYTES_PER_MS 64
/* So many answers of 500 to the update of an entry mean that there is none. */
#define PROBE_REFUSALS 3

static const char *const *copy_strv(const char *const *strv)
{
    size_t n = 0;
    while (strv && strv[n])
        n++;
    const char **copy = lx_alloc_array(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = lx_strdup(strv[i]);
    return copy;
}

static const char *copy_str(const char *text)
{
    return lx_strdup(text ? text : "");
}

static int check_opts(const struct lx_queue_opts *opts, struct lx_err *err)
{
    struct lx_url url;
    if (lx_url_parse(opts->frontend_url, &url, err) < 0)
        return lx_wrap(err, "frontend URL");
    lx_url_done(&url);
    if (!opts->executor_name || !*opts->executor_name)
        return lx_fail(err, LX_E_INVALID, "the executor's name is empty");
    if (!opts->queues || !*opts->queues)
        return lx_fail(err, LX_E_INVALID, "no queue to take jobs from");
    return 0;
}

static struct lx_queue_tuning tuning_of(const struct lx_queue_opts *opts)
{
    struct lx_queue_tuning tuning = default_tuning;
    if (opts->attempts)
        tuning.attempts = opts->attempts;
    if (opts->delay_ms)
        tuning.base_ms = opts->delay_ms;
    if (opts->delay_max_ms)
        tuning.max_ms = opts->delay_max_ms;
    if (opts->retry_after_ms)
        tuning.retry_after_ms = opts->retry_after_ms;
    if (opts->timeout_ms)
        tuning.call_timeout_ms = opts->timeout_ms;
    return tuning;
}

int lx_queue_new(struct lx_loop *loop, struct lx_http *http, const struct lx_queue_opts *opts,
                 struct lx_log *log, struct lx_queue **ret_queue, struct lx_err *err)
{
    if (check_opts(opts, err) < 0)
        return -1;
    struct lx_queue *queue = lx_alloc(sizeof(*queue));
    queue->loop = loop;
    queue->http = http;
    queue->beat_http = opts->beat_http ? opts->beat_http : http;
    queue->log = log;
    queue->metrics = opts->metrics;
    queue->opts = (struct lx_queue_opts){
        .frontend_url = copy_str(opts->frontend_url),
        .password = copy_str(opts->password),
        .queues = copy_strv(opts->queues),
        .multi = opts->multi,
        .executor_name = copy_str(opts->executor_name),
        .version = copy_str(opts->version),
        .git_version = copy_str(opts->git_version),
        .num_cpus = opts->num_cpus,
        .memory = copy_str(opts->memory),
        .disk_space = copy_str(opts->disk_space),
        .metrics = opts->metrics,
    };
    queue->tuning = tuning_of(opts);
    lx_rand_init(&queue->rand, 0);
    lx_list_init(&queue->calls);
    lx_queue_add_metrics(queue);
    *ret_queue = queue;
    return 0;
}

void lx_queue_tune(struct lx_queue *queue, const struct lx_queue_tuning *tuning)
{
    queue->tuning = *tuning;
}

static void free_const(const char *text)
{
    free((char *)(uintptr_t)text);
}

void lx_queue_set_executor_name(struct lx_queue *queue, const char *name)
{
    free_const(queue->opts.executor_name);
    queue->opts.executor_name = copy_str(name);
}

void lx_queue_probe_free(struct lx_queue_probe *probe)
{
    if (!probe)
        return;
    free(probe->url);
    lx_buf_done(&probe->head);
    lx_buf_done(&probe->tail);
    free(probe);
}

static void call_free(struct lx_queue_call *call)
{
    lx_list_remove(&call->link);
    lx_http_cancel(call->http);
    lx_timer_free(call->timer);
    lx_task_cancel(&call->refused);
    free(call->url);
    lx_strv_wipe(call->headers);
    lx_buf_done(&call->head);
    lx_buf_done(&call->tail);
    lx_queue_probe_free(call->probe);
    lx_strv_free(call->uids);
    free(call);
}

void lx_queue_free(struct lx_queue *queue)
{
    if (!queue)
        return;
    while (!lx_list_empty(&queue->calls))
        call_free(lx_container_of(queue->calls.next, struct lx_queue_call, link));
    free_const(queue->opts.frontend_url);
    lx_secret_free((char *)(uintptr_t)queue->opts.password);
    lx_strv_free((char **)(uintptr_t)queue->opts.queues);
    free_const(queue->opts.executor_name);
    free_const(queue->opts.version);
    free_const(queue->opts.git_version);
    free_const(queue->opts.memory);
    free_const(queue->opts.disk_space);
    free(queue);
}

void lx_queue_cancel(struct lx_queue_call *call)
{
    if (call && !call->reporting)
        call_free(call);
}

/* The callback may cancel this call, start others, or free the queue. */
static void report(struct lx_queue_call *call, const struct lx_http_result *result,
                   const struct lx_err *err, bool lost)
{
    lx_list_remove(&call->link);
    call->reporting = true;
    call->finish(call, result, err, lost);
    call_free(call);
}

static void on_refused(void *arg)
{
    struct lx_queue_call *call = arg;
    report(call, NULL, &call->refusal, false);
}

static char **make_headers(const struct lx_queue *queue, const struct lx_job *job)
{
    char **headers = lx_alloc_array(6, sizeof(*headers));
    size_t n = 0;
    headers[n++] = lx_strdup("Content-Type: application/json");
    headers[n++] = lx_strdup("X-Sourcegraph-Actor-UID: none");
    if (job && *job->token)
        headers[n++] = lx_strf("Authorization: Bearer %s", job->token);
    else
        headers[n++] = lx_strf("Authorization: token-executor %s", queue->opts.password);
    if (job) {
        headers[n++] = lx_strf("X-Sourcegraph-Job-ID: %" PRId64, job->id);
        headers[n++] = lx_strf("X-Sourcegraph-Executor-Name: %s", queue->opts.executor_name);
    }
    return headers;
}

char *lx_queue_call_url(const struct lx_queue *queue, const char *path)
{
    lx_auto(str) char *full = lx_strf("/.executors/%s", path);
    return lx_url_join(queue->opts.frontend_url, full);
}

struct lx_queue_call *lx_queue_call_new(struct lx_queue *queue, enum lx_queue_op op,
                                        const char *path, const struct lx_job *job)
{
    struct lx_queue_call *call = lx_alloc(sizeof(*call));
    call->queue = queue;
    call->op = op;
    call->url = lx_queue_call_url(queue, path);
    call->headers = make_headers(queue, job);
    call->timeout_ms = queue->tuning.call_timeout_ms;
    call->max_answer = 1024 * 1024;
    call->backoff = (struct lx_backoff){
        .base_ms = queue->tuning.base_ms,
        .max_ms = queue->tuning.max_ms,
    };
    lx_task_init(&call->refused, on_refused, call);
    lx_list_push(&queue->calls, &call->link);
    return call;
}

char *lx_queue_call_queue_path(const char *queue, const char *endpoint)
{
    if (!queue)
        return lx_strf("queue/%s", endpoint);
    lx_auto(buf) struct lx_buf name = LX_BUF_INIT(4096);
    if (lx_url_escape(&name, queue, strlen(queue), NULL) < 0)
        lx_buf_reset(&name);
    return lx_strf("queue/%s/%s", lx_buf_str(&name), endpoint);
}

/* ---- The body, when part of it comes from a log sink ---- */

static uint64_t body_size(const struct lx_queue_call *call)
{
    return call->head.len + call->out.len + call->tail.len;
}

static ssize_t read_buf(const struct lx_buf *buf, uint64_t offset, char *out, size_t size)
{
    size_t rest = buf->len - (size_t)offset;
    size_t n = rest < size ? rest : size;
    memcpy(out, buf->data + offset, n);
    return (ssize_t)n;
}

static ssize_t read_out(struct lx_queue_call *call, uint64_t offset, char *out, size_t size)
{
    uint64_t rest = call->out.len - offset;
    ssize_t n = call->out.read(call->out.arg, offset, out, rest < size ? (size_t)rest : size);
    if (n > 0)
        return n;
    call->out_failed = true;
    return -1;
}

static ssize_t on_read_body(void *arg, char *out, size_t size)
{
    struct lx_queue_call *call = arg;
    uint64_t at = call->sent;
    ssize_t n;
    if (at < call->head.len)
        n = read_buf(&call->head, at, out, size);
    else if (at - call->head.len < call->out.len)
        n = read_out(call, at - call->head.len, out, size);
    else if (at < body_size(call))
        n = read_buf(&call->tail, at - call->head.len - call->out.len, out, size);
    else
        n = 0;
    if (n > 0)
        call->sent += (uint64_t)n;
    return n;
}

static int on_rewind_body(void *arg)
{
    struct lx_queue_call *call = arg;
    call->sent = 0;
    return 0;
}

/* ---- Tries ---- */

static void try_once(void *arg);

/* Whether this outcome may be followed by another try of the same request. */
static bool repeatable(const struct lx_queue_call *call, const struct lx_http_result *result,
                       const struct lx_err *err)
{
    if (call->repeat == LX_REPEAT_NEVER || call->out_failed || err->code == LX_E_LIMIT)
        return false;
    if (result->reach == LX_HTTP_ANSWERED)
        return err->code != LX_E_NOT_FOUND &&
               (result->status == 429 || (result->status >= 500 && result->status != 501));
    return call->repeat == LX_REPEAT_ALWAYS || result->reach == LX_HTTP_UNSENT;
}

/* Arranges the next try; false when enough were made. */
static bool again(struct lx_queue_call *call, const struct lx_http_result *result,
                  const struct lx_err *err)
{
    const struct lx_queue_tuning *tuning = &call->queue->tuning;
    uint64_t now = lx_now_ms();
    if (call->tries >= tuning->attempts) {
        if (now >= call->deadline_ms)
            return false;
        call->backoff.max_ms = tuning->late_max_ms;
    }
    uint64_t delay = lx_backoff_next(&call->backoff, &call->queue->rand);
    uint64_t asked = result->retry_after_ms;
    if (asked > tuning->retry_after_ms)
        asked = tuning->retry_after_ms;
    if (delay < asked)
        delay = asked;
    if (call->tries >= tuning->attempts && delay > call->deadline_ms - now)
        delay = call->deadline_ms - now;

    lx_log(call->queue->log, LX_LOG_DEBUG, "queue call will be repeated",
           LX_INT("tries", call->tries), LX_INT("delay_ms", delay), LX_ERR(err));
    if (!call->timer)
        call->timer = lx_timer_new(call->queue->loop, try_once, call);
    lx_timer_start(call->timer, delay, 0);
    lx_queue_call_count_retry(call);
    return true;
}

#define SWAP(a, b)                                                                                 \
    do {                                                                                           \
        __typeof__(a) swapped_ = (a);                                                              \
        (a) = (b);                                                                                 \
        (b) = swapped_;                                                                            \
    } while (0)

void lx_queue_call_swap_probe(struct lx_queue_call *call)
{
    struct lx_queue_probe *probe = call->probe;
    SWAP(call->url, probe->url);
    SWAP(call->head, probe->head);
    SWAP(call->tail, probe->tail);
    probe->refusals = 0;
    call->probing = !call->probing;
    call->repeat = call->probing ? LX_REPEAT_ALWAYS : LX_REPEAT_UNSENT;
}

/* Whether the update was answered as one of an entry that was never added: by a refusal of any
 * kind. A server in trouble answers 500, too, though hardly so often in a row. */
static bool never_added(struct lx_queue_call *call, const struct lx_http_result *result,
                        const struct lx_err *err)
{
    if (err->code == LX_E_NOT_FOUND)
        return true;
    bool answered = result->reach == LX_HTTP_ANSWERED;
    call->probe->refusals = answered && result->status == 500 ? call->probe->refusals + 1 : 0;
    return call->probe->refusals == PROBE_REFUSALS ||
           (answered && (result->status == 400 || result->status == 409 || result->status == 422));
}

/* Goes to the update when the answer to an add was lost, and back when the entry was never added.
 * Whether this outcome asks for that. */
static bool turn(struct lx_queue_call *call, const struct lx_http_result *result,
                 const struct lx_err *err, bool lost)
{
    if (!call->probe || !(call->probing ? never_added(call, result, err) : lost))
        return false;
    lx_queue_call_swap_probe(call);
    return true;
}

static void on_done(void *arg, const struct lx_http_result *result)
{
    struct lx_queue_call *call = arg;
    struct lx_err err = {0};
    bool lost = result->reach == LX_HTTP_SENT || result->reach == LX_HTTP_CUT;
    call->http = NULL;
    if (result->reach == LX_HTTP_ANSWERED && (result->status == 200 || result->status == 204)) {
        if (call->probing || !call->accept || call->accept(call, result, &err) == 0) {
            report(call, result, NULL, false);
            return;
        }
        lost = true;
    } else {
        lx_answer_error(call->op, result, &err);
    }
    if (call->out_failed) {
        (void)lx_fail(&err, LX_E_IO, "reading the kept output failed");
        lost = false;
    }
    bool turned = turn(call, result, &err, lost);
    if ((turned || repeatable(call, result, &err)) && again(call, result, &err))
        return;
    report(call, result, &err, lost || call->probing);
}

static void try_once(void *arg)
{
    struct lx_queue_call *call = arg;
    struct lx_http_req req = {
        .method = call->op == LX_OP_FILE ? "GET" : "POST",
        .url = call->url,
        .headers = (const char *const *)call->headers,
        .timeout_ms = call->timeout_ms,
        .idle_timeout_ms = call->idle_timeout_ms,
        .max_body = call->max_answer,
        .once = call->repeat != LX_REPEAT_NEVER,
        .on_done = on_done,
        .arg = call,
    };
    call->sent = 0;
    call->tries++;
    if (call->out.len > 0) {
        req.read_body = on_read_body;
        req.rewind_body = on_rewind_body;
        req.body_len = (size_t)body_size(call);
        req.timeout_ms += call->out.len / UPLOAD_BYTES_PER_MS;
    } else if (call->op != LX_OP_FILE) {
        req.body = lx_buf_str(&call->head);
        req.body_len = call->head.len;
    }
    bool beat = call->op == LX_OP_PING || call->op == LX_OP_HEARTBEAT;
    struct lx_http *http = beat ? call->queue->beat_http : call->queue->http;
    if (lx_http_start(http, &req, &call->http, &call->refusal) < 0) {
        call->http = NULL;
        lx_task_post(call->queue->loop, &call->refused);
    }
}

struct lx_queue_call *lx_queue_call_start(struct lx_queue_call *call, int rc,
                                          const struct lx_err *err)
{
    call->started_ms = lx_now_ms();
    if (rc < 0) {
        call->refusal = *err;
        lx_task_post(call->queue->loop, &call->refused);
    } else {
        try_once(call);
    }
    return call;
}
