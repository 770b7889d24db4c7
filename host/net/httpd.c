/* libmicrohttpd without threads: its epoll descriptor is polled by the loop. */
#include "lunexec/httpd.h"

#include "lunexec/mem.h"

#include "net/httpd_priv.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_CONNECTIONS 64
#define DEFAULT_MAX_BODY ((size_t)16 * 1024 * 1024)

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void lx_httpd_poll_close(uv_poll_t *poll)
{
    if (!poll)
        return;
    (void)uv_poll_stop(poll);
    uv_close((uv_handle_t *)poll, on_poll_closed);
}

static void run(void *arg)
{
    struct lx_httpd *httpd = arg;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    (void)MHD_run(httpd->daemon);
    if (MHD_get_timeout(httpd->daemon, &wait_ms) == MHD_YES)
        lx_timer_start(httpd->timer, wait_ms, 0);
    else
        lx_timer_stop(httpd->timer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

/* ---- libmicrohttpd's callbacks, all from within run() or lx_httpd_free ---- */

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
    return lx_httpd_req_new(arg, conn, uri);
}

static void deliver(void *arg)
{
    struct lx_httpd_req *req = arg;
    req->state = LX_HTTPD_WAITING;
    req->httpd->on_request(req->httpd->arg, req);
}

static void take_body(struct lx_httpd_req *req, const char *data, size_t len)
{
    if (req->too_large || lx_buf_add(&req->body, data, len, NULL) == 0)
        return;
    /* Read to its end all the same: a client that still sends would not see the answer. */
    req->too_large = true;
    lx_buf_done(&req->body);
}

static enum MHD_Result refuse(struct lx_httpd_req *req)
{
    static char text[] = "the request body is too large\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result rc = MHD_queue_response(req->conn, MHD_HTTP_CONTENT_TOO_LARGE, response);
    MHD_destroy_response(response);
    req->state = LX_HTTPD_ANSWERED;
    return rc;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *conn, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_len, void **req_arg)
{
    struct lx_httpd_req *req = *req_arg;
    (void)arg;
    (void)url;
    (void)version;
    if (!req->started) {
        req->started = true;
        return MHD_YES;
    }
    if (*data_len > 0) {
        take_body(req, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    if (req->dead)
        return MHD_NO;
    if (req->response) {
        enum MHD_Result rc = MHD_queue_response(conn, req->status, req->response);
        MHD_destroy_response(lx_take(req->response));
        return rc;
    }
    if (req->state != LX_HTTPD_RECEIVING)
        return MHD_YES;
    if (req->too_large)
        return refuse(req);
    lx_httpd_req_capture(req, method);
    req->state = LX_HTTPD_COMPLETE;
    req->suspended = true;
    MHD_suspend_connection(conn);
    lx_task_init(&req->task, deliver, req);
    lx_task_post(req->httpd->loop, &req->task);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **req_arg,
                         enum MHD_RequestTerminationCode why)
{
    struct lx_httpd_req *req = *req_arg;
    (void)arg;
    (void)conn;
    (void)why;
    *req_arg = NULL;
    if (req)
        lx_httpd_req_gone(req);
}

/* ---- Start and end ---- */

static int start_daemon(struct lx_httpd *httpd, const struct lx_httpd_opts *opts, int fd,
                        struct lx_err *err)
{
    unsigned limit = opts->max_connections ? opts->max_connections : DEFAULT_CONNECTIONS;
    httpd->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, httpd,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_TIMEOUT, opts->idle_timeout_s, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_uri, httpd,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!httpd->daemon) {
        (void)close(fd);
        return lx_fail(err, LX_E_IO, "cannot start the HTTP server");
    }
    return 0;
}

static int start_poll(struct lx_httpd *httpd, struct lx_err *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_t *poll = lx_alloc(sizeof(*poll));
    poll->data = httpd;
    if (!info || uv_poll_init(lx_loop_uv(httpd->loop), poll, info->epoll_fd)) {
        free(poll);
        return lx_fail(err, LX_E_IO, "cannot poll the HTTP server");
    }
    httpd->poll = poll;
    (void)uv_poll_start(poll, UV_READABLE, on_poll);
    run(httpd);
    return 0;
}

static int listen_at(const struct lx_httpd_opts *opts, int *ret_fd, unsigned *ret_port,
                     struct lx_err *err)
{
    if (opts->address)
        return lx_httpd_listen(opts->address, opts->port, ret_fd, ret_port, err);
    if (lx_httpd_listen("::", opts->port, ret_fd, ret_port, NULL) == 0)
        return 0;
    return lx_httpd_listen("0.0.0.0", opts->port, ret_fd, ret_port, err);
}

int lx_httpd_new(struct lx_loop *loop, const struct lx_httpd_opts *opts,
                 struct lx_httpd **ret_httpd, struct lx_err *err)
{
    int fd;
    unsigned port;
    if (listen_at(opts, &fd, &port, err))
        return -1;
    struct lx_httpd *httpd = lx_alloc(sizeof(*httpd));
    httpd->loop = loop;
    httpd->port = port;
    httpd->max_body = opts->max_body ? opts->max_body : DEFAULT_MAX_BODY;
    httpd->on_request = opts->on_request;
    httpd->arg = opts->arg;
    lx_list_init(&httpd->reqs);
    lx_task_init(&httpd->run_task, run, httpd);
    httpd->timer = lx_timer_new(loop, run, httpd);
    if (start_daemon(httpd, opts, fd, err) || start_poll(httpd, err)) {
        lx_httpd_free(httpd);
        return -1;
    }
    *ret_httpd = httpd;
    return 0;
}

void lx_httpd_free(struct lx_httpd *httpd)
{
    if (!httpd)
        return;
    httpd->closing = true;
    lx_httpd_poll_close(lx_take(httpd->poll));
    /* libmicrohttpd must not be stopped with a suspended connection. */
    lx_list_each (it, &httpd->reqs)
        lx_httpd_req_wake(lx_container_of(it, struct lx_httpd_req, link));
    if (httpd->daemon)
        MHD_stop_daemon(httpd->daemon);
    lx_task_cancel(&httpd->run_task);
    lx_timer_free(httpd->timer);
    struct lx_list *link;
    while ((link = lx_list_shift(&httpd->reqs)))
        lx_httpd_req_close_now(lx_container_of(link, struct lx_httpd_req, link));
    free(httpd);
}

unsigned lx_httpd_port(const struct lx_httpd *httpd)
{
    return httpd->port;
}
