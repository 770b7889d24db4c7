#include "serve.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

struct lx_serve {
    struct lx_loop *loop;
    struct lx_httpd *httpd;
    struct lx_serve_opts opts;
    int record_fd;
    struct lx_list faults;
    struct lx_list held; /* delayed requests */
    struct lx_signal *term, *intr;
    uv_poll_t input;
    bool input_open;
};

/* A request that a fault holds back. */
struct held {
    struct lx_list link;
    struct lx_serve *serve;
    struct lx_httpd_req *req;
    struct lx_timer *timer;
    unsigned status;
    char *retry_after;
};

/* ---- the record ---- */

static void record_line(struct lx_serve *serve, json_t *line)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)256 << 20);
    if (serve->record_fd >= 0 && lx_json_dump(line, &text, NULL) == 0 &&
        lx_buf_addc(&text, '\n', NULL) == 0) {
        size_t done = 0;
        while (done < text.len) {
            ssize_t n = write(serve->record_fd, text.data + done, text.len - done);
            if (n < 0 && errno != EINTR)
                break;
            if (n > 0)
                done += (size_t)n;
        }
    }
    json_decref(line);
}

static json_t *stamped(void)
{
    struct timespec now = lx_wall();
    return json_pack("{s:I}", "t_ms",
                     (json_int_t)now.tv_sec * 1000 + (json_int_t)(now.tv_nsec / 1000000));
}

/* "Bearer <redacted>": the scheme is worth seeing, the token is not. */
static json_t *redacted(const char *value)
{
    const char *space = strchr(value, ' ');
    lx_auto(str) char *scheme = lx_strndup(value, space ? (size_t)(space - value) : strlen(value));
    return json_sprintf("%s <redacted>", scheme);
}

static json_t *headers_of(const struct lx_httpd_req *req)
{
    static const char *const names[] = {"Authorization",           "Content-Type",
                                        "X-Sourcegraph-Job-ID",    "X-Sourcegraph-Executor-Name",
                                        "X-Sourcegraph-Actor-UID", "User-Agent",
                                        "Accept-Encoding"};
    json_t *headers = json_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = lx_httpd_header(req, names[i]);
        if (value)
            json_object_set_new(headers, names[i], i == 0 ? redacted(value) : json_string(value));
    }
    return headers;
}

void lx_serve_note(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status)
{
    if (serve->record_fd < 0)
        return;
    json_t *line = stamped();
    const char *query = lx_httpd_query_string(req);
    json_object_set_new(line, "method", json_string(lx_httpd_method(req)));
    json_object_set_new(line, "path", json_string(lx_httpd_path(req)));
    if (*query)
        json_object_set_new(line, "query", json_string(query));
    json_object_set_new(line, "status", json_integer((json_int_t)status));
    json_object_set_new(line, "headers", headers_of(req));
    size_t len = 0;
    const char *body = lx_httpd_body(req, &len);
    json_t *value = NULL;
    if (len && lx_json_parse(body, len, &value, NULL) == 0)
        json_object_set_new(line, "body", value);
    else if (len)
        json_object_set_new(line, "body_bytes", json_integer((json_int_t)len));
    record_line(serve, line);
}

void lx_serve_event(struct lx_serve *serve, const char *name, json_t *fields)
{
    json_t *line = stamped();
    json_object_set_new(line, "event", json_string(name));
    if (fields)
        json_object_update_missing(line, fields);
    json_decref(fields);
    record_line(serve, line);
}

/* ---- answers ---- */

void lx_serve_reply(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                    const char *type, const void *data, size_t len)
{
    lx_serve_note(serve, req, status);
    lx_httpd_reply(req, status, type, data, len);
}

void lx_serve_reply_json(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                         json_t *body)
{
    lx_auto(str) char *text = lx_json_text(body);
    lx_serve_reply(serve, req, status, "application/json", text, strlen(text));
    json_decref(body);
}

void lx_serve_reply_text(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                         const char *text)
{
    lx_serve_reply(serve, req, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* ---- requests: control, faults, then the stand-in's own ---- */

static void control(struct lx_serve *serve, struct lx_httpd_req *req)
{
    const char *verb = lx_httpd_path(req) + strlen("/_control/");
    size_t len = 0;
    const char *text = lx_httpd_body(req, &len);
    lx_auto(json) json_t *body = NULL;
    struct lx_err err = {0};
    int rc = len ? lx_json_parse(text, len, &body, &err) : 0;
    if (rc == 0 && lx_streq(verb, "faults"))
        rc = lx_faults_control(&serve->faults, body, &err);
    else if (rc == 0)
        rc = serve->opts.on_control(serve->opts.arg, verb, body, &err);
    const char *answer = rc ? err.text : "ok";
    lx_httpd_reply(req, rc ? 400 : 200, "text/plain", answer, strlen(answer));
}

static void fail_with(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                      const char *retry_after)
{
    static const char text[] = "{\"error\":\"fault switched on by a test\"}";
    lx_auto(str) char *retry = retry_after ? lx_strf("Retry-After: %s", retry_after) : NULL;
    const char *extra[] = {"Content-Type: application/json", retry, NULL};
    lx_serve_note(serve, req, status);
    lx_httpd_reply_with(req, status, extra, text, sizeof text - 1);
}

static void held_free(struct held *held)
{
    lx_list_remove(&held->link);
    lx_timer_free(held->timer);
    free(held->retry_after);
    free(held);
}

static void release_held(void *arg)
{
    struct held *held = arg;
    struct lx_serve *serve = held->serve;
    if (held->status)
        fail_with(serve, held->req, held->status, held->retry_after);
    else
        serve->opts.on_request(serve->opts.arg, held->req);
    held_free(held);
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    struct lx_serve *serve = arg;
    if (lx_starts_with(lx_httpd_path(req), "/_control/")) {
        control(serve, req);
        return;
    }
    const struct lx_fault *fault =
        lx_faults_take(&serve->faults, lx_httpd_method(req), lx_httpd_path(req));
    if (fault && fault->delay_ms) {
        struct held *held = lx_alloc(sizeof *held);
        held->serve = serve;
        held->req = req;
        held->status = fault->status;
        held->retry_after = lx_strdup(fault->retry_after);
        held->timer = lx_timer_new(serve->loop, release_held, held);
        lx_list_init(&held->link);
        lx_list_push(&serve->held, &held->link);
        lx_timer_start(held->timer, fault->delay_ms, 0);
    } else if (fault && fault->status) {
        fail_with(serve, req, fault->status, fault->retry_after);
    } else {
        serve->opts.on_request(serve->opts.arg, req);
    }
}

/* ---- life ---- */

int lx_serve_new(struct lx_loop *loop, const struct lx_serve_opts *opts,
                 struct lx_serve **ret_serve, struct lx_err *err)
{
    struct lx_serve *serve = lx_alloc(sizeof *serve);
    serve->loop = loop;
    serve->opts = *opts;
    serve->record_fd = -1;
    lx_list_init(&serve->faults);
    lx_list_init(&serve->held);
    if (opts->record) {
        serve->record_fd = open(opts->record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (serve->record_fd < 0) {
            lx_fail_errno(err, errno, "cannot open the record %s", opts->record);
            lx_serve_free(serve);
            return -1;
        }
    }
    struct lx_httpd_opts http = {.address = "127.0.0.1",
                                 .port = opts->port,
                                 .max_connections = 900,
                                 .max_body = (size_t)256 << 20,
                                 .on_request = on_request,
                                 .arg = serve};
    if (lx_httpd_new(loop, &http, &serve->httpd, err)) {
        lx_serve_free(serve);
        return lx_wrap(err, "%s", opts->name);
    }
    *ret_serve = serve;
    return 0;
}

void lx_serve_free(struct lx_serve *serve)
{
    if (!serve)
        return;
    lx_list_each (it, &serve->held)
        held_free(lx_container_of(it, struct held, link));
    lx_httpd_free(serve->httpd);
    lx_faults_clear(&serve->faults);
    lx_signal_free(serve->term);
    lx_signal_free(serve->intr);
    if (serve->record_fd >= 0)
        close(serve->record_fd);
    free(serve);
}

unsigned lx_serve_port(const struct lx_serve *serve)
{
    return lx_httpd_port(serve->httpd);
}

static void on_signal(void *arg, int signum)
{
    struct lx_serve *serve = arg;
    (void)signum;
    lx_loop_stop(serve->loop);
}

/* Whoever started us holds the other end: its end, however it came, is ours. */
static void on_input(uv_poll_t *handle, int status, int events)
{
    struct lx_serve *serve = handle->data;
    char scratch[256];
    (void)events;
    if (status < 0 || read(STDIN_FILENO, scratch, sizeof scratch) <= 0) {
        uv_poll_stop(handle);
        lx_loop_stop(serve->loop);
    }
}

static void watch_input(struct lx_serve *serve)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return;
    if (uv_poll_init(lx_loop_uv(serve->loop), &serve->input, STDIN_FILENO))
        return;
    serve->input.data = serve;
    serve->input_open = true;
    uv_poll_start(&serve->input, UV_READABLE | UV_DISCONNECT, on_input);
}

static void input_closed(uv_handle_t *handle)
{
    bool *closed = handle->data;
    *closed = true;
}

static void unwatch_input(struct lx_serve *serve)
{
    bool closed = false;
    if (!serve->input_open)
        return;
    serve->input_open = false;
    serve->input.data = &closed;
    uv_close((uv_handle_t *)&serve->input, input_closed);
    (void)lx_loop_run_until(serve->loop, &closed, 1000, NULL);
}

int lx_serve_run(struct lx_serve *serve, struct lx_err *err)
{
    if (lx_signal_new(serve->loop, SIGTERM, on_signal, serve, &serve->term, err) ||
        lx_signal_new(serve->loop, SIGINT, on_signal, serve, &serve->intr, err))
        return -1;
    watch_input(serve);
    lx_auto(str) char *line = lx_strf("listening on %u\n", lx_serve_port(serve));
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        return lx_fail_errno(err, errno, "%s: cannot write to standard output", serve->opts.name);
    lx_loop_run(serve->loop);
    unwatch_input(serve);
    return 0;
}
