#include "lunexec/http.h"

#include "lunexec/mem.h"

#include "net/http_priv.h"

#include <string.h>

#define DEFAULT_CONNECTIONS 64
#define DEFAULT_PER_HOST 16
/* Idle connections kept for later calls; each TLS one holds some 50 KiB. */
#define MAX_IDLE_CONNECTIONS 16

int lx_http_global_init(struct lx_err *err)
{
    /* Headers with tokens and bodies with secrets pass through its buffers. */
    CURLcode rc = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, lx_wiping_free,
                                       lx_wiping_realloc, strdup, calloc);
    if (rc != CURLE_OK)
        return lx_fail(err, LX_E_IO, "libcurl: %s", curl_easy_strerror(rc));
    return 0;
}

void lx_http_global_done(void)
{
    curl_global_cleanup();
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static int multi_setup(struct lx_http *http, const struct lx_http_opts *opts, struct lx_err *err)
{
    unsigned total = or_default(opts->max_connections, DEFAULT_CONNECTIONS);
    unsigned per_host = or_default(opts->max_connections_per_host, DEFAULT_PER_HOST);
    unsigned idle = total < MAX_IDLE_CONNECTIONS ? total : MAX_IDLE_CONNECTIONS;
    http->multi = curl_multi_init();
    if (!http->multi)
        return lx_fail(err, LX_E_IO, "libcurl: out of memory");
    if (curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)total) ||
        curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)per_host) ||
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)idle) ||
        curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX))
        return lx_fail(err, LX_E_IO, "libcurl refuses an option of the client");
    return lx_http_socket_setup(http, err);
}

/* Calls that were started inside curl enter it from here. */
static void add_waiting(void *arg)
{
    struct lx_http *http = arg;
    lx_list_each (it, &http->calls) {
        struct lx_http_call *call = lx_container_of(it, struct lx_http_call, link);
        if (call->easy && !call->in_multi && !call->cancelled && lx_http_add(call, NULL))
            lx_http_finish(call, CURLE_FAILED_INIT);
    }
}

int lx_http_new(struct lx_loop *loop, const struct lx_http_opts *opts, struct lx_http **ret_http,
                struct lx_err *err)
{
    struct lx_http *http = lx_alloc(sizeof(*http));
    http->loop = loop;
    lx_list_init(&http->calls);
    lx_task_init(&http->add_task, add_waiting, http);
    http->timer = lx_timer_new(loop, lx_http_on_deadline, http);
    if (lx_http_conf_copy(opts, &http->conf, err) || multi_setup(http, opts, err)) {
        lx_http_free(http);
        return -1;
    }
    *ret_http = http;
    return 0;
}

void lx_http_free(struct lx_http *http)
{
    if (!http)
        return;
    lx_assert(http->inside == 0);
    lx_list_each (it, &http->calls)
        lx_http_destroy(lx_container_of(it, struct lx_http_call, link));
    http->inside++;
    if (http->multi)
        (void)curl_multi_cleanup(http->multi);
    http->inside--;
    lx_task_cancel(&http->add_task);
    lx_timer_free(http->timer);
    lx_http_conf_done(&http->conf);
    free(http);
}

size_t lx_http_active(const struct lx_http *http)
{
    return http->n_calls;
}

int lx_http_add(struct lx_http_call *call, struct lx_err *err)
{
    struct lx_http *http = call->http;
    if (http->inside) {
        lx_task_post(http->loop, &http->add_task);
        return 0;
    }
    http->inside++;
    CURLMcode rc = curl_multi_add_handle(http->multi, call->easy);
    http->inside--;
    if (rc != CURLM_OK)
        return lx_fail(err, LX_E_IO, "libcurl: %s", curl_multi_strerror(rc));
    call->in_multi = true;
    return 0;
}

void lx_http_remove(struct lx_http_call *call)
{
    struct lx_http *http = call->http;
    if (!call->in_multi)
        return;
    lx_assert(http->inside == 0);
    http->inside++;
    (void)curl_multi_remove_handle(http->multi, call->easy);
    http->inside--;
    call->in_multi = false;
}
