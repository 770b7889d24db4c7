/* Answers: whole ones, and streams that grow. */
#include "net/httpd_priv.h"

#include "lunexec/mem.h"

#include <string.h>

#define MAX_PENDING ((size_t)64 * 1024 * 1024)
#define READ_BLOCK 16384

void lx_httpd_req_wake(struct lx_httpd_req *req)
{
    if (!req->suspended || !req->conn)
        return;
    req->suspended = false;
    MHD_resume_connection(req->conn);
    if (!req->httpd->closing)
        lx_task_post(req->httpd->loop, &req->httpd->run_task);
}

static void add_header(struct MHD_Response *response, const char *header)
{
    const char *colon = strchr(header, ':');
    lx_assert(colon);
    lx_auto(str) char *name = lx_strndup(header, (size_t)(colon - header));
    (void)MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " \t"));
}

static void answer(struct lx_httpd_req *req, unsigned status, struct MHD_Response *response,
                   const char *const *extra)
{
    for (size_t i = 0; extra && extra[i]; i++)
        add_header(response, extra[i]);
    req->status = status;
    req->response = response;
    lx_httpd_req_wake(req);
}

void lx_httpd_reply_with(struct lx_httpd_req *req, unsigned status, const char *const *extra,
                         const void *data, size_t len)
{
    static char nothing[1];
    lx_assert(req->state == LX_HTTPD_WAITING);
    req->state = LX_HTTPD_ANSWERED;
    if (!req->conn) {
        lx_httpd_req_free(req);
        return;
    }
    struct lx_buf copy = LX_BUF_INIT(len);
    if (len > 0 && lx_buf_add(&copy, data, len, NULL)) {
        lx_httpd_reply_with(req, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, NULL, 0);
        return;
    }
    struct MHD_Response *response =
        len > 0 ? MHD_create_response_from_buffer(len, lx_buf_take(&copy), MHD_RESPMEM_MUST_FREE)
                : MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    lx_assert(response);
    answer(req, status, response, extra);
}

void lx_httpd_reply(struct lx_httpd_req *req, unsigned status, const char *content_type,
                    const void *data, size_t len)
{
    lx_auto(str) char *header = content_type ? lx_strf("Content-Type: %s", content_type) : NULL;
    const char *const extra[] = {header, NULL};
    lx_httpd_reply_with(req, status, extra, data, len);
}

void lx_httpd_drop(struct lx_httpd_req *req)
{
    lx_assert(req->state == LX_HTTPD_WAITING || req->state == LX_HTTPD_STREAMING);
    if (req->closing)
        return;
    req->state = LX_HTTPD_ANSWERED;
    req->dead = true;
    lx_task_cancel(&req->task);
    if (req->conn)
        lx_httpd_req_wake(req);
    else
        lx_httpd_req_free(req);
}

/* ---- Streams ---- */

static ssize_t on_read(void *arg, uint64_t pos, char *out, size_t room)
{
    struct lx_httpd_req *req = arg;
    size_t left = req->out.len - req->out_start;
    (void)pos;
    if (req->dead)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (left == 0) {
        if (req->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        req->suspended = true;
        MHD_suspend_connection(req->conn);
        return 0;
    }
    size_t len = left < room ? left : room;
    memcpy(out, req->out.data + req->out_start, len);
    req->out_start += len;
    if (req->out_start == req->out.len) {
        lx_buf_done(&req->out);
        req->out_start = 0;
    }
    return (ssize_t)len;
}

/* libmicrohttpd does not look at a suspended connection, so we do. */
static void on_hangup(uv_poll_t *poll, int status, int events)
{
    struct lx_httpd_req *req = poll->data;
    if (status == 0 && !(events & UV_DISCONNECT))
        return;
    lx_httpd_poll_close(lx_take(req->hangup));
    req->dead = true;
    lx_httpd_req_wake(req);
}

static void watch_hangup(struct lx_httpd_req *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    uv_poll_t *poll = lx_alloc(sizeof(*poll));
    poll->data = req;
    if (!info || uv_poll_init_socket(lx_loop_uv(req->httpd->loop), poll, info->connect_fd)) {
        free(poll);
        return;
    }
    req->hangup = poll;
    (void)uv_poll_start(poll, UV_DISCONNECT, on_hangup);
}

static void report_close(void *arg)
{
    struct lx_httpd_req *req = arg;
    lx_httpd_req_close_now(req);
}

void lx_httpd_req_gone(struct lx_httpd_req *req)
{
    req->conn = NULL;
    req->suspended = false;
    lx_httpd_poll_close(lx_take(req->hangup));
    if (req->state == LX_HTTPD_WAITING)
        return; /* the handler still holds it and will answer */
    if (req->state != LX_HTTPD_STREAMING) {
        lx_httpd_req_free(req);
        return;
    }
    lx_task_init(&req->task, report_close, req);
    if (!req->httpd->closing)
        lx_task_post(req->httpd->loop, &req->task);
}

void lx_httpd_req_close_now(struct lx_httpd_req *req)
{
    req->closing = true;
    if (req->state == LX_HTTPD_STREAMING && req->on_close)
        req->on_close(req->close_arg);
    lx_httpd_req_free(req);
}

void lx_httpd_stream_begin(struct lx_httpd_req *req, unsigned status, const char *const *extra,
                           void (*on_close)(void *arg), void *arg)
{
    lx_assert(req->state == LX_HTTPD_WAITING);
    req->state = LX_HTTPD_STREAMING;
    req->on_close = on_close;
    req->close_arg = arg;
    lx_buf_init(&req->out, 2 * MAX_PENDING); /* up to half of it has been taken already */
    if (!req->conn) {
        lx_httpd_req_gone(req);
        return;
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READ_BLOCK, on_read, req, NULL);
    lx_assert(response);
    watch_hangup(req);
    answer(req, status, response, extra);
}

int lx_httpd_stream_write(struct lx_httpd_req *req, const void *data, size_t len,
                          struct lx_err *err)
{
    lx_assert(req->state == LX_HTTPD_STREAMING);
    if (!req->conn)
        return 0;
    if (req->out_start > req->out.len / 2) {
        lx_buf_consume(&req->out, req->out_start);
        req->out_start = 0;
    }
    if (len > MAX_PENDING - (req->out.len - req->out_start))
        return lx_fail(err, LX_E_LIMIT, "the client does not read: %zu bytes wait",
                       lx_httpd_stream_pending(req));
    if (lx_buf_add(&req->out, data, len, err))
        return -1;
    lx_httpd_req_wake(req);
    return 0;
}

size_t lx_httpd_stream_pending(const struct lx_httpd_req *req)
{
    return req->out.len - req->out_start;
}

void lx_httpd_stream_end(struct lx_httpd_req *req)
{
    lx_assert(req->state == LX_HTTPD_STREAMING);
    if (req->closing)
        return;
    req->state = LX_HTTPD_ANSWERED;
    req->ended = true;
    if (req->conn)
        lx_httpd_req_wake(req);
    else
        lx_httpd_req_free(req);
}
