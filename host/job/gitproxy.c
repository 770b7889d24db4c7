#include "job/gitproxy.h"

#include "lunexec/http.h"
#include "lunexec/httpd.h"
#include "lunexec/list.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

/* What git sends is a list of the commits it has and wants. */
#define REQUEST_MAX ((size_t)64 * 1024 * 1024)

/* An answer may come faster than git takes it: beyond this much, the frontend has to wait. */
#define PENDING_MAX ((size_t)4 * 1024 * 1024)
#define LOOK_MS 5

struct lx_gitproxy {
    const struct lx_executor_opts *opts;
    const struct lx_job *job;
    struct lx_httpd *httpd;
    struct lx_list exchanges;
};

struct exchange {
    struct lx_list link;
    struct lx_gitproxy *proxy;
    struct lx_httpd_req *req;
    struct lx_http_call *call;
    struct lx_timer *look; /* runs while the frontend waits */
    bool streaming;
};

static void exchange_free(struct exchange *exchange)
{
    lx_list_remove(&exchange->link);
    lx_http_cancel(exchange->call);
    lx_timer_free(exchange->look);
    free(exchange);
}

/* ---- Answers ---- */

static void on_close(void *arg)
{
    exchange_free(arg);
}

/* Which of the two answers of git's protocol it is, the path tells: gitserver knows no others. */
static const char *content_type(const struct lx_httpd_req *req)
{
    return lx_ends_with(lx_httpd_path(req), "/info/refs")
               ? "Content-Type: application/x-git-upload-pack-advertisement"
               : "Content-Type: application/x-git-upload-pack-result";
}

static void on_head(void *arg, long status)
{
    struct exchange *exchange = arg;
    if (status / 100 != 2)
        return;
    const char *headers[] = {content_type(exchange->req), "Cache-Control: no-cache", NULL};
    exchange->streaming = true;
    lx_httpd_stream_begin(exchange->req, (unsigned)status, headers, on_close, exchange);
}

static void on_look(void *arg)
{
    struct exchange *exchange = arg;
    if (!exchange->call || lx_httpd_stream_pending(exchange->req) > PENDING_MAX / 2)
        return;
    lx_timer_stop(exchange->look);
    lx_http_resume(exchange->call);
}

static int on_data(void *arg, const char *data, size_t len)
{
    const struct exchange *exchange = arg;
    if (lx_httpd_stream_pending(exchange->req) > PENDING_MAX) {
        lx_timer_start(exchange->look, LOOK_MS, LOOK_MS);
        return LX_HTTP_LATER;
    }
    return lx_httpd_stream_write(exchange->req, data, len, NULL);
}

static void on_done(void *arg, const struct lx_http_result *result)
{
    struct exchange *exchange = arg;
    exchange->call = NULL;
    if (result->reach != LX_HTTP_ANSWERED)
        lx_log(exchange->proxy->opts->log, LX_LOG_WARN, "git through the frontend fails",
               LX_STR("job", exchange->proxy->job->uid), LX_ERR(&result->err));
    if (exchange->streaming && result->reach == LX_HTTP_ANSWERED)
        lx_httpd_stream_end(exchange->req);
    else if (exchange->streaming)
        lx_httpd_drop(exchange->req);
    else if (result->reach == LX_HTTP_ANSWERED)
        lx_httpd_reply(exchange->req, (unsigned)result->status, "text/plain", result->body,
                       result->body_len);
    else
        lx_httpd_reply(exchange->req, 502, "text/plain", result->err.text,
                       strlen(result->err.text));
    exchange_free(exchange);
}

/* ---- Requests ---- */

/* Only the job's repository, whatever dots and escapes a path is written with. */
static bool is_allowed(const struct lx_gitproxy *proxy, const struct lx_httpd_req *req)
{
    lx_auto(str) char *prefix = lx_strf("/%s/", proxy->job->repository);
    lx_auto(str) char *path = lx_path_clean(lx_httpd_path(req));
    return lx_starts_with(path, prefix) && lx_streq(path, lx_httpd_path(req));
}

static void add_header(char **headers, size_t *n, const struct lx_httpd_req *req, const char *name)
{
    const char *value = lx_httpd_header(req, name);
    if (value)
        headers[(*n)++] = lx_strf("%s: %s", name, value);
}

/* git's own headers and those with which the frontend knows the job (contract 1.2). */
static char **make_headers(const struct lx_gitproxy *proxy, const struct lx_httpd_req *req)
{
    static const char *const passed[] = {"Content-Type", "Content-Encoding", "Git-Protocol"};
    const struct lx_job *job = proxy->job;
    char **headers = lx_alloc_array(8, sizeof *headers);
    size_t n = 0;
    if (*job->token)
        headers[n++] = lx_strf("Authorization: Bearer %s", job->token);
    else
        headers[n++] = lx_strf("Authorization: token-executor %s", proxy->opts->password);
    headers[n++] = lx_strdup("X-Sourcegraph-Actor-UID: internal");
    headers[n++] = lx_strf("X-Sourcegraph-Job-ID: %lld", (long long)job->id);
    headers[n++] = lx_strf("X-Sourcegraph-Executor-Name: %s", proxy->opts->executor_name);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        add_header(headers, &n, req, passed[i]);
    return headers;
}

static char *make_url(const struct lx_gitproxy *proxy, const struct lx_httpd_req *req)
{
    const char *query = lx_httpd_query_string(req);
    lx_auto(str) char *base = lx_url_join(proxy->opts->frontend_url, "/.executors/git");
    return lx_strf("%s%s%s%s", base, lx_httpd_raw_path(req), *query ? "?" : "", query);
}

static void forward(struct lx_gitproxy *proxy, struct lx_httpd_req *req)
{
    struct exchange *exchange = lx_alloc(sizeof *exchange);
    exchange->proxy = proxy;
    exchange->req = req;
    exchange->look = lx_timer_new(proxy->opts->loop, on_look, exchange);
    lx_list_push(&proxy->exchanges, &exchange->link);
    lx_auto(str) char *url = make_url(proxy, req);
    lx_auto(secret_strv) char **headers = make_headers(proxy, req);
    bool post = lx_streq(lx_httpd_method(req), "POST");
    struct lx_http_req call = {
        .method = lx_httpd_method(req),
        .url = url,
        .headers = (const char *const *)headers,
        .on_head = on_head,
        .on_data = on_data,
        .on_done = on_done,
        .arg = exchange,
    };
    if (post)
        call.body = lx_httpd_body(req, &call.body_len);
    struct lx_err err;
    if (lx_http_start(proxy->opts->http, &call, &exchange->call, &err) < 0) {
        lx_httpd_reply(req, 502, "text/plain", err.text, strlen(err.text));
        exchange_free(exchange);
    }
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    static const char refused[] = "not the repository of this job\n";
    struct lx_gitproxy *proxy = arg;
    const char *method = lx_httpd_method(req);
    if (!is_allowed(proxy, req))
        lx_httpd_reply(req, 403, "text/plain", refused, sizeof refused - 1);
    else if (!lx_streq(method, "GET") && !lx_streq(method, "POST"))
        lx_httpd_reply(req, 405, "text/plain", "", 0);
    else
        forward(proxy, req);
}

int lx_gitproxy_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    struct lx_gitproxy **ret_proxy, struct lx_err *err)
{
    struct lx_gitproxy *proxy = lx_alloc(sizeof *proxy);
    proxy->opts = opts;
    proxy->job = job;
    lx_list_init(&proxy->exchanges);
    struct lx_httpd_opts httpd = {
        .address = "127.0.0.1",
        .max_body = REQUEST_MAX,
        .on_request = on_request,
        .arg = proxy,
    };
    if (lx_httpd_new(opts->loop, &httpd, &proxy->httpd, err) < 0) {
        free(proxy);
        return -1;
    }
    *ret_proxy = proxy;
    return 0;
}

void lx_gitproxy_free(struct lx_gitproxy *proxy)
{
    if (!proxy)
        return;
    /* Calls first: they use what the requests hold. */
    lx_list_each (it, &proxy->exchanges) {
        struct exchange *exchange = lx_container_of(it, struct exchange, link);
        lx_http_cancel(lx_take(exchange->call));
    }
    lx_httpd_free(proxy->httpd); /* streams end by on_close */
    lx_list_each (it, &proxy->exchanges)
        exchange_free(lx_container_of(it, struct exchange, link));
    free(proxy);
}

char *lx_gitproxy_url(const struct lx_gitproxy *proxy)
{
    return lx_strf("http://127.0.0.1:%u/%s", lx_httpd_port(proxy->httpd), proxy->job->repository);
}
