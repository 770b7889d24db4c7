#include "kube/priv.h"

#include "lunexec/url.h"

#include <string.h>

/* Over HTTP/1.1 each log that is followed has a connection; over HTTP/2 they share a few. */
#define LOG_CONNECTIONS 512
#define CALL_CONNECTIONS 32
#define PATH_MAX_LEN 65536

static const struct {
    const char *group, *plural;
} kinds[] = {
    [LX_KUBE_JOB] = {"/apis/batch/v1", "jobs"},
    [LX_KUBE_POD] = {"/api/v1", "pods"},
    [LX_KUBE_SECRET] = {"/api/v1", "secrets"},
    [LX_KUBE_PVC] = {"/api/v1", "persistentvolumeclaims"},
    [LX_KUBE_EVENT] = {"/api/v1", "events"},
};

static struct lx_http_opts http_opts(const struct lx_kube_config *config, unsigned connections)
{
    return (struct lx_http_opts){
        .ca_file = config->ca_file,
        .ca_data = config->ca_data,
        .cert_file = config->cert_file,
        .cert_data = config->cert_data,
        .key_file = config->key_file,
        .key_data = config->key_data,
        .user_agent = "lunexec",
        .max_connections = connections,
        .max_connections_per_host = connections,
    };
}

static int open_clients(struct lx_kube *kube, const struct lx_kube_config *config,
                        struct lx_err *err)
{
    struct lx_http_opts calls = http_opts(config, CALL_CONNECTIONS);
    struct lx_http_opts logs =
        http_opts(config, config->max_logs > LOG_CONNECTIONS ? config->max_logs : LOG_CONNECTIONS);
    if (lx_http_new(kube->loop, &calls, &kube->http, err))
        return -1;
    if (lx_http_new(kube->loop, &logs, &kube->logs, err))
        return -1;
    if (!config->token && !config->token_file)
        return 0;
    return lx_token_new(config->token_file ? NULL : config->token, config->token_file, &kube->token,
                        err);
}

int lx_kube_new(struct lx_loop *loop, const struct lx_kube_config *config, struct lx_log *log,
                struct lx_kube **ret_kube, struct lx_err *err)
{
    struct lx_kube *kube = lx_alloc(sizeof(*kube));
    kube->loop = loop;
    kube->log = log;
    kube->server = lx_strdup(config->server);
    lx_rand_init(&kube->rand, 0);
    lx_list_init(&kube->calls);
    for (size_t i = 0; i < LX_LANE_COUNT; i++)
        lx_list_init(&kube->lanes[i].waiting);
    if (open_clients(kube, config, err)) {
        lx_kube_free(kube);
        return lx_wrap(err, "%s", config->source ? config->source : config->server);
    }
    *ret_kube = kube;
    return 0;
}

void lx_kube_free(struct lx_kube *kube)
{
    if (!kube)
        return;
    lx_kube_cancel_all(kube);
    lx_http_free(kube->http);
    lx_http_free(kube->logs);
    lx_token_free(kube->token);
    free(kube->server);
    free(kube);
}

char *lx_kube_path(enum lx_kube_kind kind, const char *ns, const char *name, const char *query)
{
    struct lx_buf path = LX_BUF_INIT(PATH_MAX_LEN);
    int failed = lx_buf_addf(&path, NULL, "%s/namespaces/", kinds[kind].group);
    failed |= lx_url_escape(&path, ns, strlen(ns), NULL);
    failed |= lx_buf_addf(&path, NULL, "/%s", kinds[kind].plural);
    if (name) {
        failed |= lx_buf_adds(&path, "/", NULL);
        failed |= lx_url_escape(&path, name, strlen(name), NULL);
    }
    if (query && *query)
        failed |= lx_buf_addf(&path, NULL, "?%s", query);
    lx_assert(!failed);
    return lx_buf_take(&path);
}

int lx_kube_send(struct lx_kube *kube, struct lx_http *http, const char *path, const char *accept,
                 struct lx_http_req *req, struct lx_http_call **ret_call, struct lx_err *err)
{
    lx_auto(str) char *url = lx_strf("%s%s", kube->server, path);
    lx_auto(secret) char *bearer = NULL;
    const char *headers[4] = {0};
    size_t n = 0;
    headers[n++] = accept ? accept : "Accept: application/json, */*";
    if (kube->token) {
        bearer = lx_strf("Authorization: Bearer %s", lx_token_get(kube->token));
        headers[n++] = bearer;
    }
    if (req->body)
        headers[n++] = "Content-Type: application/json";
    req->url = url;
    req->headers = headers;
    int rc = lx_http_start(http, req, ret_call, err);
    req->url = NULL;
    req->headers = NULL;
    return rc;
}
