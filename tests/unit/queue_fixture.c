#include "queue_fixture.h"

#include "lunexec/clock.h"

#define PATIENCE_MS 20000

static char batches[] = "batches", codeintel[] = "codeintel", token[] = "abc123", none[] = "";
static char uid[] = "42", old_uid[] = "42-codeintel";
const struct lx_job test_job = {.id = 42, .queue = batches, .uid = uid, .token = token};
const struct lx_job old_job = {.id = 42, .queue = codeintel, .uid = old_uid, .token = none};

int queue_group_setup(void **state)
{
    (void)state;
    return lx_http_global_init(NULL);
}

int queue_group_teardown(void **state)
{
    (void)state;
    lx_http_global_done();
    return 0;
}

static char *copy_header(const struct lx_httpd_req *req, const char *name)
{
    return lx_strdup(lx_httpd_header(req, name));
}

static void answer(struct lx_httpd_req *req, const struct reply *reply)
{
    const char *const extra[] = {"Content-Type: application/json", reply->header, NULL};
    const char *body = reply->body ? reply->body : "";
    if (reply->status == DROP)
        lx_httpd_drop(req);
    else if (reply->status != HANG)
        lx_httpd_reply_with(req, reply->status, extra, body, strlen(body));
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    struct fixture *fixture = arg;
    size_t n = fixture->n_requests++;
    if (n < MAX_REQUESTS) {
        struct request *kept = &fixture->requests[n];
        const char *body = lx_httpd_body(req, &kept->body_len);
        *kept = (struct request){
            .method = lx_strdup(lx_httpd_method(req)),
            .path = lx_strdup(lx_httpd_raw_path(req)),
            .body = lx_strndup(body, kept->body_len),
            .body_len = kept->body_len,
            .authorization = copy_header(req, "Authorization"),
            .content_type = copy_header(req, "Content-Type"),
            .actor = copy_header(req, "X-Sourcegraph-Actor-UID"),
            .job_id = copy_header(req, "X-Sourcegraph-Job-ID"),
            .executor = copy_header(req, "X-Sourcegraph-Executor-Name"),
            .user_agent = copy_header(req, "User-Agent"),
            .content_length = copy_header(req, "Content-Length"),
        };
    }
    answer(req, &fixture->replies[n < fixture->n_replies ? n : fixture->n_replies - 1]);
}

static void forget_requests(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->n_requests && i < MAX_REQUESTS; i++) {
        struct request *kept = &fixture->requests[i];
        free(kept->method);
        free(kept->path);
        free(kept->body);
        free(kept->authorization);
        free(kept->content_type);
        free(kept->actor);
        free(kept->job_id);
        free(kept->executor);
        free(kept->user_agent);
        free(kept->content_length);
    }
    fixture->n_requests = 0;
}

void queue_script(struct fixture *fixture, const struct reply *replies, size_t n)
{
    forget_requests(fixture);
    fixture->replies = replies;
    fixture->n_replies = n;
}

void queue_remake(struct fixture *fixture)
{
    const struct lx_queue_tuning quick = {
        .attempts = 21,
        .base_ms = 1,
        .max_ms = 2,
        .late_max_ms = 3,
        .retry_after_ms = 40,
        .call_timeout_ms = 5000,
        .beat_timeout_ms = 5000,
    };
    struct lx_err err = {0};
    lx_queue_free(fixture->queue);
    fixture->queue = NULL;
    lx_metrics_free(fixture->metrics);
    fixture->metrics = lx_metrics_new();
    if (fixture->opts.metrics)
        fixture->opts.metrics = fixture->metrics;
    if (lx_queue_new(fixture->loop, fixture->http, &fixture->opts, NULL, &fixture->queue, &err) < 0)
        fail_msg("%s", err.text);
    lx_queue_tune(fixture->queue, &quick);
}

int queue_setup(void **state)
{
    static const struct reply silent = {500, "no script", NULL};
    struct fixture *fixture = lx_alloc(sizeof(*fixture));
    const struct lx_http_opts http_opts = {0};
    const struct lx_httpd_opts httpd_opts = {
        .address = "127.0.0.1",
        .max_body = (size_t)64 * 1024 * 1024,
        .on_request = on_request,
        .arg = fixture,
    };
    queue_script(fixture, &silent, 1);
    assert_int_equal(lx_loop_new(&fixture->loop, NULL), 0);
    assert_int_equal(lx_http_new(fixture->loop, &http_opts, &fixture->http, NULL), 0);
    assert_int_equal(lx_httpd_new(fixture->loop, &httpd_opts, &fixture->httpd, NULL), 0);
    fixture->url = lx_strf("http://127.0.0.1:%u/sg/", lx_httpd_port(fixture->httpd));
    fixture->queues[0] = "batches";
    fixture->opts = (struct lx_queue_opts){
        .frontend_url = fixture->url,
        .password = "hunter2",
        .queues = fixture->queues,
        .executor_name = "ex-1",
        .version = "5.6.185",
        .git_version = "2.45.2",
        .memory = "",
        .disk_space = "",
    };
    queue_remake(fixture);
    *state = fixture;
    return 0;
}

int queue_teardown(void **state)
{
    struct fixture *fixture = *state;
    lx_queue_free(fixture->queue);
    lx_http_free(fixture->http);
    lx_httpd_free(fixture->httpd);
    lx_loop_free(fixture->loop);
    lx_metrics_free(fixture->metrics);
    forget_requests(fixture);
    free(fixture->url);
    free(fixture);
    return 0;
}

void outcome_done(struct outcome *outcome)
{
    lx_job_free(outcome->job);
    lx_strv_free(outcome->known);
    lx_strv_free(outcome->cancel);
    free(outcome->data);
    *outcome = (struct outcome){0};
}

static void note(struct outcome *outcome, const struct lx_err *err)
{
    outcome->done = true;
    outcome->times++;
    outcome->failed = err != NULL;
    if (err)
        outcome->err = *err;
}

void on_plain(void *arg, const struct lx_err *err)
{
    note(arg, err);
}

void on_job(void *arg, struct lx_job *job, const struct lx_err *err)
{
    struct outcome *outcome = arg;
    note(outcome, err);
    outcome->job = job;
}

static char **copy_ids(char *const *ids)
{
    size_t n = lx_strv_len(ids);
    char **copy = lx_alloc_array(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = lx_strdup(ids[i]);
    return copy;
}

void on_beat(void *arg, char *const *known, char *const *cancel, const struct lx_err *err)
{
    struct outcome *outcome = arg;
    note(outcome, err);
    outcome->known = copy_ids(known);
    outcome->cancel = copy_ids(cancel);
}

void on_entry(void *arg, int64_t entry_id, const struct lx_err *err)
{
    struct outcome *outcome = arg;
    note(outcome, err);
    outcome->entry_id = entry_id;
}

void on_file(void *arg, const char *data, size_t len, const struct lx_err *err)
{
    struct outcome *outcome = arg;
    note(outcome, err);
    outcome->data = lx_strndup(data ? data : "", len);
    outcome->len = len;
}

void await(struct fixture *fixture, struct outcome *outcome)
{
    struct lx_err err = {0};
    if (lx_loop_run_until(fixture->loop, &outcome->done, PATIENCE_MS, &err) < 0)
        fail_msg("waited in vain: %s", err.text);
}

static void turn(struct fixture *fixture)
{
    static const bool never;
    (void)lx_loop_run_until(fixture->loop, &never, 2, NULL);
}

void await_requests(struct fixture *fixture, size_t n)
{
    uint64_t end = lx_now_ms() + PATIENCE_MS;
    while (fixture->n_requests < n) {
        assert_true(lx_now_ms() < end);
        turn(fixture);
    }
}

void settle(struct fixture *fixture)
{
    for (int i = 0; i < 25; i++)
        turn(fixture);
}
