/*
 * The pool of one: a child that holds the bundle, the calls that wait for it, and what happens
 * when it is late or dies. Every end of a child, whoever caused it, arrives in on_gone.
 */
#include "lunexec/policy.h"

#include "answer.h"
#include "bundle.h"
#include "call.h"
#include "frame.h"
#include "lunexec/backoff.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"
#include "runner.h"
#include "value_json.h"

#include <string.h>

#define CALL_TIMEOUT_MS 1000
#define LOAD_TIMEOUT_MS 10000
#define MEMORY_MAX ((size_t)32 << 20)
#define CALLS_MAX 1024
/* A larger buffer is not kept for the next request. */
#define SPARE_MAX ((size_t)64 << 10)
/* Deaths under one call after which it is given up; starts that may fail in a row. */
#define DEATHS_MAX 2
#define STARTS_MAX 3
#define BACKOFF_BASE_MS 100
#define BACKOFF_MAX_MS 10000

enum state {
    ST_DOWN,    /* no child; the timer `respawn` starts one */
    ST_LOADING, /* the bundle is sent */
    ST_IDLE,
    ST_BUSY,   /* a call is sent: the first of `calls` unless it was cancelled */
    ST_ENDING, /* killed; on_gone comes */
    ST_BROKEN, /* the bundle cannot be used: `failure` */
};

struct lx_policy {
    unsigned refs;
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_bundle *bundle;
    struct lx_policy_opts opts;
    char *exe;
    void (*ready)(void *arg, const struct lx_err *err);
    void *ready_arg;
    struct lx_task ready_task;
    bool loaded;           /* the bundle was good once */
    struct lx_err failure; /* in ST_BROKEN */

    enum state state;
    struct lx_runner *runner; /* NULL: no child */
    struct lx_timer *deadline, *respawn;
    struct lx_backoff backoff;
    struct lx_rand rand;
    unsigned failed_starts;
    json_t *functions; /* names */

    struct lx_list calls, done; /* waiting for the child; waiting for their callback */
    size_t n_calls;
    bool sent;  /* ST_BUSY and the first call has not been cancelled */
    char *text; /* of the last error, whole */
    uint64_t call_ns;
    struct lx_buf spare; /* of a request that is done with, for the next one */
};

static void start_child(struct lx_policy *policy);
static void next_call(struct lx_policy *policy);

/* ---- Calls ---- */

static struct lx_policy_call *first_call(struct lx_policy *policy)
{
    lx_assert(!lx_list_empty(&policy->calls));
    return lx_container_of(policy->calls.next, struct lx_policy_call, link);
}

static void run_done(void *arg)
{
    struct lx_policy_call *call = arg;
    struct lx_policy *policy = call->policy;
    lx_list_remove(&call->link);
    if (call->answer.text) {
        free(policy->text);
        policy->text = lx_take(call->answer.text);
    }
    policy->call_ns = call->answer.ns;
    bool failed = call->err.code != LX_OK;
    json_t *none = json_array();
    call->cb(call->arg, call->answer.kind != LX_ANSWER_UNDEFINED,
             call->answer.values ? call->answer.values : none, failed ? &call->err : NULL);
    json_decref(none);
    lx_call_free(call);
}

/* Takes the call out of the queue; its callback comes with what call->err and call->answer hold. */
static void finish(struct lx_policy_call *call)
{
    struct lx_policy *policy = call->policy;
    lx_list_remove(&call->link);
    lx_list_push(&policy->done, &call->link);
    call->finished = true;
    if (!policy->spare.data && call->request.cap <= SPARE_MAX) {
        policy->spare = call->request;
        lx_buf_init(&call->request, 0);
    }
    policy->n_calls--;
    lx_task_post(policy->loop, &call->task);
}

static void finish_all(struct lx_policy *policy, const struct lx_err *err)
{
    while (!lx_list_empty(&policy->calls)) {
        struct lx_policy_call *call = first_call(policy);
        call->err = *err;
        finish(call);
    }
}

const json_t *lx_policy_functions(const struct lx_policy *policy)
{
    return policy->functions;
}

static bool is_defined(const struct lx_policy *policy, const char *function)
{
    for (size_t i = 0; i < json_array_size(policy->functions); i++)
        if (lx_streq(json_string_value(json_array_get(policy->functions, i)), function))
            return true;
    return false;
}

/* ---- The child's end ---- */

/* Ends the child because of `why`; the rest happens in on_gone. */
static void kill_child(struct lx_policy *policy, const struct lx_err *why)
{
    lx_timer_stop(policy->deadline);
    lx_runner_kill(policy->runner, why);
}

static void break_down(struct lx_policy *policy, const struct lx_err *err)
{
    policy->state = ST_BROKEN;
    policy->failure = *err;
    finish_all(policy, err);
    lx_task_post(policy->loop, &policy->ready_task);
}

/* The child ended while it loaded. A bundle that was never good and takes too long is broken;
 * otherwise it is tried again, and calls do not wait for ever. */
static void load_ended(struct lx_policy *policy, const struct lx_err *err)
{
    bool late = err->code == LX_E_TIMEOUT;
    policy->failed_starts++;
    if (!policy->loaded && (late || policy->failed_starts >= STARTS_MAX))
        break_down(policy, err);
    else if (policy->failed_starts >= STARTS_MAX)
        finish_all(policy, err);
}

static void call_ended(struct lx_policy *policy, const struct lx_err *err)
{
    if (!policy->sent)
        return;
    struct lx_policy_call *call = first_call(policy);
    if (err->code != LX_E_TIMEOUT && ++call->deaths < DEATHS_MAX)
        return; /* once more */
    call->err = *err;
    if (err->code != LX_E_TIMEOUT)
        call->err.code = LX_E_IO;
    finish(call);
}

static void respawn(struct lx_policy *policy, bool at_once)
{
    policy->state = ST_DOWN;
    uint64_t delay = at_once ? 0 : lx_backoff_next(&policy->backoff, &policy->rand);
    lx_timer_start(policy->respawn, delay, 0);
}

static void on_gone(void *arg, bool ours, const struct lx_err *why)
{
    struct lx_policy *policy = arg;
    enum state was = policy->state;
    struct lx_err err = *why;
    lx_runner_free(lx_take(policy->runner));
    lx_timer_stop(policy->deadline);
    if (was != ST_ENDING && was != ST_BROKEN)
        lx_log(policy->log, LX_LOG_WARN, "policy child ended", LX_ERR(&err));
    if (was == ST_LOADING)
        load_ended(policy, &err);
    else if (was == ST_BUSY)
        call_ended(policy, &err);
    policy->sent = false;
    /* The end of a call that we cut is answered at once, and so is the first by itself; what
     * repeats itself unasked, with patience. */
    bool cut = ours && was != ST_IDLE;
    if (policy->state != ST_BROKEN)
        respawn(policy, was != ST_LOADING && (cut || policy->backoff.attempt++ == 0));
}

static void on_deadline(void *arg)
{
    struct lx_policy *policy = arg;
    struct lx_err err;
    if (lx_runner_pump(policy->runner))
        return; /* it was in time; we were late */
    if (policy->state == ST_LOADING)
        lx_fail(&err, LX_E_TIMEOUT, "loading the policy took longer than %u ms",
                policy->opts.load_timeout_ms);
    else if (policy->sent)
        lx_fail(&err, LX_E_TIMEOUT, "policy function %s took longer than %u ms and was stopped",
                first_call(policy)->function, policy->opts.call_timeout_ms);
    else
        lx_fail(&err, LX_E_TIMEOUT, "a cancelled policy call took too long");
    kill_child(policy, &err);
}

/* ---- Answers ---- */

static void first_line(struct lx_err *err, enum lx_code code, const char *text)
{
    lx_fail(err, code, "%.*s", (int)strcspn(text, "\n"), text);
}

static void on_loaded(struct lx_policy *policy, struct lx_answer *answer)
{
    lx_timer_stop(policy->deadline);
    if (answer->kind != LX_ANSWER_OK) {
        struct lx_err err;
        first_line(&err, LX_E_REFUSED, answer->text ? answer->text : "no answer");
        free(policy->text);
        policy->text = lx_take(answer->text);
        break_down(policy, &err);
        kill_child(policy, &err);
        return;
    }
    json_decref(policy->functions);
    policy->functions = lx_take(answer->values);
    policy->failed_starts = 0;
    policy->state = ST_IDLE;
    if (!policy->loaded) {
        policy->loaded = true;
        lx_task_post(policy->loop, &policy->ready_task);
    }
    next_call(policy);
}

static void on_answer(struct lx_policy *policy, struct lx_answer *answer)
{
    bool limit = answer->kind == LX_ANSWER_LIMIT;
    lx_timer_stop(policy->deadline);
    lx_backoff_reset(&policy->backoff);
    if (policy->sent) {
        struct lx_policy_call *call = first_call(policy);
        if (answer->text)
            first_line(&call->err, LX_E_REFUSED, answer->text);
        call->answer = *answer;
        *answer = (struct lx_answer){.kind = LX_ANSWER_OK};
        finish(call);
    }
    policy->sent = false;
    policy->state = ST_IDLE;
    if (limit) { /* stopped at an arbitrary point: not to be trusted with another call */
        struct lx_err err;
        lx_fail(&err, LX_E_LIMIT, "a limit was reached");
        policy->state = ST_ENDING;
        kill_child(policy, &err);
    } else {
        next_call(policy);
    }
}

static void on_frame(void *arg, const char *data, size_t len)
{
    struct lx_policy *policy = arg;
    struct lx_answer answer;
    struct lx_err err;
    if (policy->state != ST_LOADING && policy->state != ST_BUSY) {
        lx_fail(&err, LX_E_PEER, "the policy child spoke out of turn");
        kill_child(policy, &err);
        return;
    }
    if (lx_answer_read(data, len, &answer, &err)) {
        kill_child(policy, &err);
        return;
    }
    if (policy->state == ST_LOADING)
        on_loaded(policy, &answer);
    else
        on_answer(policy, &answer);
    lx_answer_done(&answer);
}

/* ---- Towards the child ---- */

static void arm(struct lx_policy *policy, unsigned timeout_ms)
{
    lx_timer_start(policy->deadline, timeout_ms, 0);
}

/* Sends the first waiting call to an idle child. */
static void next_call(struct lx_policy *policy)
{
    struct lx_err err;
    while (policy->state == ST_IDLE && !lx_list_empty(&policy->calls)) {
        struct lx_policy_call *call = first_call(policy);
        if (!is_defined(policy, call->function)) {
            call->answer.kind = LX_ANSWER_UNDEFINED;
            finish(call);
        } else if (lx_runner_send(policy->runner, call->request.data, call->request.len, &err)) {
            call->err = err;
            finish(call);
        } else {
            policy->state = ST_BUSY;
            policy->sent = true;
            arm(policy, policy->opts.call_timeout_ms);
        }
    }
}

static int send_bundle(struct lx_policy *policy, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf frame = LX_FRAME_BUF_INIT;
    if (lx_frame_begin(&frame, err) || lx_value_put_head(&frame, LX_VALUE_ARRAY, 4, err) ||
        lx_value_put_string(&frame, "load", 4, err) ||
        lx_value_put_int(&frame, (int64_t)policy->opts.memory_max, err) ||
        lx_value_put_int(&frame, policy->opts.call_cpu_ms, err) ||
        lx_bundle_put(policy->bundle, &frame, err))
        return -1;
    lx_frame_seal(&frame);
    return lx_runner_send(policy->runner, frame.data, frame.len, err);
}

static void start_child(struct lx_policy *policy)
{
    const struct lx_runner_opts opts = {
        .exe = policy->exe, .on_frame = on_frame, .on_gone = on_gone, .arg = policy};
    struct lx_err err;
    policy->state = ST_LOADING;
    if (lx_runner_start(policy->loop, &opts, &policy->runner, &err)) {
        lx_log(policy->log, LX_LOG_WARN, "policy child", LX_ERR(&err));
        load_ended(policy, &err);
        if (policy->state != ST_BROKEN)
            respawn(policy, false);
        return;
    }
    arm(policy, policy->opts.load_timeout_ms);
    if (send_bundle(policy, &err))
        kill_child(policy, &err);
}

static void on_respawn(void *arg)
{
    start_child(arg);
}

/* ---- The interface ---- */

static void run_ready(void *arg)
{
    struct lx_policy *policy = arg;
    policy->ready(policy->ready_arg, policy->loaded ? NULL : &policy->failure);
}

int lx_policy_new(struct lx_loop *loop, struct lx_bundle *bundle, const struct lx_policy_opts *opts,
                  struct lx_log *log, void (*ready)(void *arg, const struct lx_err *err), void *arg,
                  struct lx_policy **ret_policy, struct lx_err *err)
{
    (void)err; /* what can fail is reported by `ready` */
    struct lx_policy *policy = lx_alloc(sizeof *policy);
    policy->refs = 1;
    policy->loop = loop;
    policy->log = log;
    policy->bundle = bundle;
    policy->opts = opts ? *opts : (struct lx_policy_opts){0};
    if (!policy->opts.call_timeout_ms)
        policy->opts.call_timeout_ms = CALL_TIMEOUT_MS;
    if (!policy->opts.call_cpu_ms)
        policy->opts.call_cpu_ms = policy->opts.call_timeout_ms / 2;
    if (!policy->opts.load_timeout_ms)
        policy->opts.load_timeout_ms = LOAD_TIMEOUT_MS;
    if (!policy->opts.memory_max)
        policy->opts.memory_max = MEMORY_MAX;
    policy->exe = lx_strdup(policy->opts.exe);
    policy->ready = ready;
    policy->ready_arg = arg;
    lx_task_init(&policy->ready_task, run_ready, policy);
    lx_list_init(&policy->calls);
    lx_list_init(&policy->done);
    policy->deadline = lx_timer_new(loop, on_deadline, policy);
    policy->respawn = lx_timer_new(loop, on_respawn, policy);
    policy->backoff = (struct lx_backoff){.base_ms = BACKOFF_BASE_MS, .max_ms = BACKOFF_MAX_MS};
    lx_rand_init(&policy->rand, 0);
    *ret_policy = policy;
    start_child(policy);
    return 0;
}

static void free_calls(struct lx_list *calls)
{
    lx_list_each (link, calls)
        lx_call_free(lx_container_of(link, struct lx_policy_call, link));
}

struct lx_policy *lx_policy_ref(struct lx_policy *policy)
{
    policy->refs++;
    return policy;
}

void lx_policy_free(struct lx_policy *policy)
{
    if (!policy || --policy->refs > 0)
        return;
    free_calls(&policy->calls);
    free_calls(&policy->done);
    lx_task_cancel(&policy->ready_task);
    lx_timer_free(policy->deadline);
    lx_timer_free(policy->respawn);
    lx_runner_free(policy->runner);
    json_decref(policy->functions);
    lx_bundle_free(policy->bundle);
    free(policy->exe);
    free(policy->text);
    lx_buf_done(&policy->spare);
    free(policy);
}

const char *lx_policy_hash(const struct lx_policy *policy)
{
    return lx_bundle_hash(policy->bundle);
}

pid_t lx_policy_child_pid(const struct lx_policy *policy)
{
    return policy->runner ? lx_runner_pid(policy->runner) : 0;
}

uint64_t lx_policy_call_ns(const struct lx_policy *policy)
{
    return policy->call_ns;
}

const char *lx_policy_error_text(const struct lx_policy *policy)
{
    return policy->text ? policy->text : "";
}

struct lx_policy_call *
lx_policy_call(struct lx_policy *policy, const char *function, const json_t *args,
               void (*cb)(void *arg, bool defined, json_t *results, const struct lx_err *err),
               void *arg)
{
    struct lx_policy_call *call = lx_call_new(policy, function, cb, arg);
    if (policy->spare.data) {
        call->request = policy->spare;
        lx_buf_init(&policy->spare, 0);
        lx_buf_reset(&call->request);
    }
    lx_task_init(&call->task, run_done, call);
    lx_list_push(&policy->calls, &call->link);
    policy->n_calls++;
    if (policy->state == ST_BROKEN) {
        call->err = policy->failure;
        finish(call);
    } else if (policy->n_calls > CALLS_MAX) {
        lx_fail(&call->err, LX_E_LIMIT, "more than %d policy calls wait", CALLS_MAX);
        finish(call);
    } else if (lx_call_encode(call, args, &call->err)) {
        finish(call);
    } else {
        next_call(policy);
    }
    return call;
}

void lx_policy_cancel(struct lx_policy_call *call)
{
    if (!call)
        return;
    struct lx_policy *policy = call->policy;
    if (!call->finished) {
        policy->n_calls--;
        if (policy->sent && call == first_call(policy))
            policy->sent = false; /* its answer will be dropped */
    }
    lx_call_free(call);
}
