/* One call's easy handle: its options, and the callbacks through which curl moves bytes. */
#include "net/http_priv.h"

#include "lunexec/clock.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Buffers of every running transfer: 10,000 log streams have one each. */
#define RECEIVE_BUFFER 16384L
#define SEND_BUFFER 32768L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 15L
/* A connection whose bytes nobody acknowledges for so long is dead; without this a black hole under
 * a shared HTTP/2 connection would hold up every call until the kernel gives up. */
#define UNACKNOWLEDGED_MS 30000u

/* Notes why a callback ends the call; what curl reports then is only the consequence. */
static void stop(struct lx_http_call *call, enum lx_code code, const char *text)
{
    call->stop_code = code;
    call->stop_text = text;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct lx_http_call *call = arg;
    size_t len = size * count;
    if (call->cancelled)
        return 0;
    call->active_ms = lx_now_ms();
    bool end = len > 0 && (data[0] == '\r' || data[0] == '\n');
    long status = 0;
    if (!end || call->status || curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status) ||
        status < 200)
        return len;
    call->status = status;
    if (call->req.on_head)
        call->req.on_head(call->req.arg, status);
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct lx_http_call *call = arg;
    size_t len = size * count;
    if (call->cancelled)
        return 0;
    call->active_ms = lx_now_ms();
    if (call->req.on_data && call->status / 100 == 2) {
        int result = call->req.on_data(call->req.arg, data, len);
        if (result == 0)
            return len;
        if (result == LX_HTTP_LATER)
            return CURL_WRITEFUNC_PAUSE;
        stop(call, LX_E_CANCELLED, "the receiver of the answer stopped it");
        return 0;
    }
    struct lx_err err;
    if (lx_buf_add(&call->body, data, len, &err) == 0)
        return len;
    stop(call, err.code, "the answer is larger than allowed");
    return 0;
}

static size_t read_body(struct lx_http_call *call, char *out, size_t room)
{
    ssize_t got = call->req.read_body(call->req.arg, out, room);
    if (got < 0)
        stop(call, LX_E_CANCELLED, "the sender of the request body stopped it");
    else if (got == 0)
        stop(call, LX_E_INVALID, "the request body ended before its stated length");
    else if ((size_t)got > room)
        stop(call, LX_E_INVALID, "the request body is longer than stated");
    else
        return (size_t)got;
    return CURL_READFUNC_ABORT;
}

static size_t on_send(char *out, size_t size, size_t count, void *arg)
{
    struct lx_http_call *call = arg;
    size_t room = size * count;
    size_t left = call->req.body_len - call->body_sent;
    if (call->cancelled)
        return CURL_READFUNC_ABORT;
    call->active_ms = lx_now_ms();
    room = left < room ? left : room;
    if (room == 0)
        return 0;
    if (call->req.read_body)
        room = read_body(call, out, room);
    else
        memcpy(out, call->req.body + call->body_sent, room);
    if (room != CURL_READFUNC_ABORT)
        call->body_sent += room;
    return room;
}

/* curl wants to send the body again because a kept connection turned out dead. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct lx_http_call *call = arg;
    if (call->cancelled || call->req.once || offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_FAIL;
    if (call->req.rewind_body && call->req.rewind_body(call->req.arg))
        return CURL_SEEKFUNC_FAIL;
    call->body_sent = 0;
    return CURL_SEEKFUNC_OK;
}

static bool is_token(const char *text)
{
    return *text && text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789!#$%&'*+-.^_`|~")] == '\0';
}

static int add_header(struct curl_slist **list, const char *header, struct lx_err *err)
{
    const char *colon = strchr(header, ':');
    lx_auto(str) char *name = colon ? lx_strndup(header, (size_t)(colon - header)) : NULL;
    if (!name || !is_token(name))
        return lx_fail(err, LX_E_INVALID, "a header is not \"Name: value\"");
    if (strpbrk(header, "\r\n"))
        return lx_fail(err, LX_E_INVALID, "the value of header %s has a line break", name);
    /* curl takes "Name:" as an order to leave the header out, and "Name;" as an empty one. */
    lx_auto(str) char *empty = lx_strf("%s;", name);
    bool has_value = colon[1 + strspn(colon + 1, " \t")] != '\0';
    struct curl_slist *longer = curl_slist_append(*list, has_value ? header : empty);
    if (!longer)
        return lx_fail(err, LX_E_IO, "out of memory");
    *list = longer;
    return 0;
}

static int setup_headers(struct lx_http_call *call, const struct lx_http_req *req,
                         struct lx_err *err)
{
    for (size_t i = 0; req->headers && req->headers[i]; i++) {
        if (add_header(&call->headers, req->headers[i], err))
            return -1;
    }
    /* No round trip to ask whether a body is welcome. */
    struct curl_slist *longer = curl_slist_append(call->headers, "Expect:");
    if (!longer)
        return lx_fail(err, LX_E_IO, "out of memory");
    call->headers = longer;
    return 0;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl_easy_setopt(easy, option, value);                                            \
    } while (0)

static CURLcode setup_method(struct lx_http_call *call, const char *method)
{
    CURL *easy = call->easy;
    CURLcode rc = CURLE_OK;
    bool body = call->req.body || call->req.read_body || lx_streq(method, "POST") ||
                lx_streq(method, "PUT") || lx_streq(method, "PATCH");
    if (lx_streq(method, "HEAD") && !body)
        SET(CURLOPT_NOBODY, 1L);
    else
        SET(CURLOPT_CUSTOMREQUEST, method);
    if (!body)
        return rc;
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->req.body_len);
    SET(CURLOPT_READFUNCTION, on_send);
    SET(CURLOPT_READDATA, call);
    SET(CURLOPT_SEEKFUNCTION, on_rewind);
    SET(CURLOPT_SEEKDATA, call);
    return rc;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    unsigned limit = UNACKNOWLEDGED_MS;
    (void)arg;
    (void)purpose;
    /* Without the option the connection works all the same. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
    return CURL_SOCKOPT_OK;
}

static CURLcode setup_connection(const struct lx_http_conf *conf, CURL *easy,
                                 const struct lx_http_req *req)
{
    CURLcode rc = CURLE_OK;
    uint64_t timeout_ms = req->timeout_ms;
    /* Without TLS there is no HTTP/2 to wait for, but curl would wait for the first answer. */
    bool may_share = !conf->http1_only && strncasecmp(req->url, "https:", 6) == 0;
    long http = conf->http1_only ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, http);
    SET(CURLOPT_PIPEWAIT, may_share ? 1L : 0L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    SET(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms < INT_MAX ? (long)timeout_ms : (long)INT_MAX);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (conf->user_agent)
        SET(CURLOPT_USERAGENT, conf->user_agent);
    return rc ? rc : lx_http_tls_setup(conf, easy);
}

static CURLcode setup_transfer(struct lx_http_call *call, const struct lx_http_req *req)
{
    CURL *easy = call->easy;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->error);
    SET(CURLOPT_URL, req->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    return rc;
}

int lx_http_easy_setup(struct lx_http_call *call, const struct lx_http_req *req, struct lx_err *err)
{
    const char *method = req->method ? req->method : "GET";
    if (!is_token(method))
        return lx_fail(err, LX_E_INVALID, "not an HTTP method");
    if (req->read_body && !req->rewind_body && !req->once)
        return lx_fail(err, LX_E_INVALID, "a streamed request body needs a rewind");
    if (setup_headers(call, req, err))
        return -1;
    call->easy = curl_easy_init();
    if (!call->easy)
        return lx_fail(err, LX_E_IO, "libcurl: out of memory");
    CURLcode rc = setup_transfer(call, req);
    if (rc == CURLE_OK)
        rc = setup_method(call, method);
    if (rc == CURLE_OK)
        rc = setup_connection(&call->http->conf, call->easy, req);
    return rc ? lx_fail(err, LX_E_INVALID, "libcurl: %s", curl_easy_strerror(rc)) : 0;
}
