#include "app/health.h"

#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

#define EXPOSITION_MAX ((size_t)4 * 1024 * 1024)

struct lx_health {
    struct lx_httpd *httpd;
    struct lx_metrics *metrics;
    bool ready;
    json_t *(*policy)(void *arg);
    void *policy_arg;
};

static void reply_text(struct lx_httpd_req *req, unsigned status, const char *text)
{
    lx_httpd_reply(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void reply_metrics(struct lx_health *health, struct lx_httpd_req *req)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(EXPOSITION_MAX);
    struct lx_err err;
    if (lx_metrics_expose(health->metrics, &out, &err) < 0)
        reply_text(req, 500, err.text);
    else
        lx_httpd_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", lx_buf_str(&out),
                       out.len);
}

static void reply_policy(struct lx_health *health, struct lx_httpd_req *req)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(EXPOSITION_MAX);
    lx_auto(json) json_t *status = health->policy(health->policy_arg);
    struct lx_err err;
    if (lx_json_dump_pretty(status, &out, &err) < 0 || lx_buf_addc(&out, '\n', &err) < 0)
        reply_text(req, 500, err.text);
    else
        lx_httpd_reply(req, 200, "application/json", lx_buf_str(&out), out.len);
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    struct lx_health *health = arg;
    const char *path = lx_httpd_path(req), *method = lx_httpd_method(req);
    if (!lx_streq(method, "GET") && !lx_streq(method, "HEAD"))
        reply_text(req, 405, "method not allowed\n");
    else if (lx_streq(path, "/metrics"))
        reply_metrics(health, req);
    else if (lx_streq(path, "/healthz"))
        reply_text(req, 200, "ok\n");
    else if (lx_streq(path, "/ready"))
        reply_text(req, health->ready ? 200 : 503, health->ready ? "ok\n" : "not ready\n");
    else if (lx_streq(path, "/policy") && health->policy)
        reply_policy(health, req);
    else
        reply_text(req, 404, "not found\n");
}

int lx_health_address(const char *address, char **ret_host, unsigned *ret_port, struct lx_err *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (!colon || lx_parse_u64(colon + 1, &port) < 0 || port > 65535)
        return lx_fail(err, LX_E_INVALID, "must be host:port, :port or off");
    size_t len = (size_t)(colon - address);
    bool bracketed = len > 1 && address[0] == '[' && address[len - 1] == ']';
    *ret_host = lx_strndup(address + bracketed, bracketed ? len - 2 : len);
    *ret_port = (unsigned)port;
    return 0;
}

int lx_health_new(struct lx_loop *loop, const char *address, struct lx_metrics *metrics,
                  struct lx_health **ret_health, struct lx_err *err)
{
    lx_auto(str) char *host = NULL;
    unsigned port;
    if (lx_health_address(address, &host, &port, err) < 0)
        return lx_wrap(err, "LUNEXEC_LISTEN \"%s\"", address);
    struct lx_health *health = lx_alloc(sizeof *health);
    health->metrics = metrics;
    struct lx_httpd_opts opts = {
        .address = host && *host ? host : NULL,
        .port = port,
        .max_connections = 32,
        .max_body = 4096,
        .idle_timeout_s = 15,
        .on_request = on_request,
        .arg = health,
    };
    if (lx_httpd_new(loop, &opts, &health->httpd, err) < 0) {
        free(health);
        return lx_wrap(err, "LUNEXEC_LISTEN \"%s\"", address);
    }
    *ret_health = health;
    return 0;
}

void lx_health_free(struct lx_health *health)
{
    if (!health)
        return;
    lx_httpd_free(health->httpd);
    free(health);
}

void lx_health_set_ready(struct lx_health *health, bool ready)
{
    if (health)
        health->ready = ready;
}

void lx_health_set_policy(struct lx_health *health, json_t *(*status)(void *arg), void *arg)
{
    if (!health)
        return;
    health->policy = status;
    health->policy_arg = arg;
}
