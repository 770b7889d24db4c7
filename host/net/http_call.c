/* The life of one call: start, result, end. */
#include "net/http_priv.h"

#include "lunexec/clock.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

#define DEFAULT_MAX_BODY ((size_t)16 * 1024 * 1024)

static void leave_client(struct lx_http_call *call)
{
    if (!call->http)
        return;
    lx_list_remove(&call->link);
    call->http->n_calls--;
    call->http = NULL;
}

/* Gives back what only a running call needs. */
static void release_transfer(struct lx_http_call *call)
{
    if (call->http)
        lx_http_remove(call);
    if (call->easy)
        curl_easy_cleanup(lx_take(call->easy));
    curl_slist_free_all(lx_take(call->headers));
    lx_timer_free(lx_take(call->idle));
}

void lx_http_destroy(struct lx_http_call *call)
{
    release_transfer(call);
    leave_client(call);
    lx_task_cancel(&call->done_task);
    lx_buf_done(&call->body);
    free(call->peer);
    free(call);
}

static void deliver(void *arg)
{
    struct lx_http_call *call = arg;
    leave_client(call);
    call->delivering = true;
    if (call->req.on_done)
        call->req.on_done(call->req.arg, &call->result);
    lx_http_destroy(call);
}

static enum lx_code code_of(CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return LX_E_TIMEOUT;
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_BAD_CONTENT_ENCODING)
        return LX_E_PEER;
    return LX_E_IO;
}

static enum lx_http_reach reach_of(const struct lx_http_call *call, CURLcode code)
{
    long sent = 0;
    if (code == CURLE_OK)
        return LX_HTTP_ANSWERED;
    if (call->status)
        return LX_HTTP_CUT;
    if (curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0)
        return LX_HTTP_UNSENT;
    return LX_HTTP_SENT;
}

static void fill_result(struct lx_http_call *call, CURLcode code)
{
    struct lx_http_result *result = &call->result;
    curl_off_t retry_after = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
    result->reach = reach_of(call, code);
    result->status = call->status;
    result->body = lx_buf_str(&call->body);
    result->body_len = call->body.len;
    result->retry_after_ms = retry_after > 0 ? (uint64_t)retry_after * 1000 : 0;
    result->duration_ms = lx_now_ms() - call->started_ms;
    if (code == CURLE_OK)
        return;
    if (call->stop_code)
        (void)lx_fail(&result->err, call->stop_code, "%s: %s", call->peer, call->stop_text);
    else
        (void)lx_fail(&result->err, code_of(code), "%s: %s", call->peer,
                      *call->error ? call->error : curl_easy_strerror(code));
}

void lx_http_finish(struct lx_http_call *call, CURLcode code)
{
    if (call->cancelled) {
        lx_http_destroy(call);
        return;
    }
    fill_result(call, code);
    release_transfer(call);
    lx_task_post(call->http->loop, &call->done_task);
}

static void on_idle(void *arg)
{
    struct lx_http_call *call = arg;
    uint64_t quiet = lx_now_ms() - call->active_ms;
    bool was_overdue = call->overdue;
    call->overdue = quiet >= call->req.idle_timeout_ms;
    if (!call->overdue) {
        lx_timer_start(call->idle, call->req.idle_timeout_ms - quiet, 0);
        return;
    }
    if (!was_overdue) { /* what came while the loop was held up is read first */
        lx_timer_start(call->idle, 1, 0);
        return;
    }
    call->stop_code = LX_E_TIMEOUT;
    call->stop_text = "nothing was received for too long";
    lx_http_finish(call, CURLE_OPERATION_TIMEDOUT);
}

static void cancel_task(void *arg)
{
    lx_http_destroy(arg);
}

void lx_http_cancel(struct lx_http_call *call)
{
    if (!call || call->delivering || call->cancelled)
        return;
    if (!call->http->inside) {
        lx_http_destroy(call);
        return;
    }
    /* curl is on the stack: silence it now, take it away from the loop. */
    call->cancelled = true;
    lx_task_cancel(&call->done_task);
    lx_task_init(&call->done_task, cancel_task, call);
    lx_task_post(call->http->loop, &call->done_task);
}

void lx_http_resume(struct lx_http_call *call)
{
    struct lx_http *http = call->http;
    if (!call->easy || call->cancelled)
        return;
    lx_assert(http && http->inside == 0);
    http->inside++;
    (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
    http->inside--;
    lx_http_drain(http);
}

static char *peer_of(const struct lx_url *url)
{
    bool v6 = strchr(url->host, ':') != NULL;
    int port = url->port ? url->port : lx_streq(url->scheme, "https") ? 443 : 80;
    return lx_strf("%s%s%s:%d", v6 ? "[" : "", url->host, v6 ? "]" : "", port);
}

int lx_http_start(struct lx_http *http, const struct lx_http_req *req,
                  struct lx_http_call **ret_call, struct lx_err *err)
{
    struct lx_url url;
    if (lx_url_parse(req->url, &url, err))
        return -1;
    struct lx_http_call *call = lx_alloc(sizeof(*call));
    call->http = http;
    call->req = *req;
    call->req.method = call->req.url = NULL;
    call->req.headers = NULL;
    call->peer = peer_of(&url);
    lx_url_done(&url);
    call->started_ms = call->active_ms = lx_now_ms();
    lx_buf_init(&call->body, req->max_body ? req->max_body : DEFAULT_MAX_BODY);
    call->body.secret = true; /* a job's payload, a Secret that was made, ... */
    lx_task_init(&call->done_task, deliver, call);
    lx_list_push(&http->calls, &call->link);
    http->n_calls++;
    if (lx_http_easy_setup(call, req, err) || lx_http_add(call, err)) {
        lx_http_destroy(call);
        return -1;
    }
    if (req->idle_timeout_ms) {
        call->idle = lx_timer_new(http->loop, on_idle, call);
        lx_timer_start(call->idle, req->idle_timeout_ms, 0);
    }
    if (ret_call)
        *ret_call = call;
    return 0;
}
