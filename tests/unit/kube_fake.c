#include "kube_fake.h"

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"

#include <stdio.h>
#include <uv.h>

#define STEPS_MAX 4096

struct conn {
    uv_tcp_t tcp;
    struct fake *fake;
    struct lx_buf in;
    bool answered, closing;
};

struct fake {
    struct lx_loop *loop;
    struct lx_kube *kube;
    uv_tcp_t server;
    bool server_closed;
    size_t open; /* connections */
    const struct fake_step *steps;
    size_t n, count;
    uint64_t at[STEPS_MAX];
    struct conn *held;
    bool abandoned;
    char buffer[65536];
};

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    conn->fake->open--;
    lx_buf_done(&conn->in);
    free(conn);
}

static void conn_close(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    if (conn->fake->held == conn)
        conn->fake->held = NULL;
    uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
    free(write);
}

static void conn_write(struct conn *conn, const char *data, size_t len)
{
    uv_write_t *write = lx_alloc(sizeof(*write));
    write->data = lx_alloc(len + 1);
    memcpy(write->data, data, len);
    uv_buf_t buf = uv_buf_init(write->data, (unsigned)len);
    assert_int_equal(uv_write(write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written), 0);
}

static void on_shut(uv_shutdown_t *shut, int status)
{
    (void)status;
    conn_close(shut->data);
    free(shut);
}

/* Closes after what was written has gone. */
static void conn_finish(struct conn *conn)
{
    uv_shutdown_t *shut = lx_alloc(sizeof(*shut));
    shut->data = conn;
    if (uv_shutdown(shut, (uv_stream_t *)&conn->tcp, on_shut)) {
        free(shut);
        conn_close(conn);
    }
}

static void conn_chunk(struct conn *conn, const char *data, size_t len)
{
    char head[32];
    if (!len)
        return;
    conn_write(conn, head, (size_t)snprintf(head, sizeof(head), "%zx\r\n", len));
    conn_write(conn, data, len);
    conn_write(conn, "\r\n", 2);
}

static void conn_answer(struct conn *conn, const struct fake_step *step)
{
    size_t len = step->len || !step->body ? step->len : strlen(step->body);
    bool whole = step->action == FAKE_REPLY;
    lx_auto(str) char *framing = whole ? lx_strf("Content-Length: %zu\r\n", len)
                                       : lx_strdup("Transfer-Encoding: chunked\r\n");
    lx_auto(str) char *head =
        lx_strf("HTTP/1.1 %d x\r\n%s%sConnection: close\r\n\r\n", step->status ? step->status : 200,
                framing, step->headers ? step->headers : "");
    conn_write(conn, head, strlen(head));
    if (whole)
        conn_write(conn, step->body ? step->body : "", len);
    else
        conn_chunk(conn, step->body, len);
    if (step->action == FAKE_HOLD) {
        conn->fake->held = conn;
        conn->fake->abandoned = false;
        return;
    }
    if (step->action == FAKE_END)
        conn_write(conn, "0\r\n\r\n", 5);
    conn_finish(conn);
}

static size_t body_len(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length: ");
    unsigned len = 0;
    return at && sscanf(at + 18, "%u", &len) == 1 ? len : 0;
}

static void conn_request(struct conn *conn)
{
    struct fake *fake = conn->fake;
    const char *text = lx_buf_str(&conn->in);
    const char *end = strstr(text, "\r\n\r\n");
    if (conn->answered || !end || conn->in.len < (size_t)(end - text) + 4 + body_len(text))
        return;
    conn->answered = true;
    if (fake->count >= fake->n)
        fail_msg("an unexpected request: %s", text);
    const struct fake_step *step = &fake->steps[fake->count];
    fake->at[fake->count++] = lx_now_ms();
    if (strncmp(text, step->want, strlen(step->want)) != 0 ||
        (step->has && !strstr(text, step->has)) || (step->lacks && strstr(text, step->lacks)))
        fail_msg("request %zu: want \"%s\" with \"%s\" without \"%s\", got: %s", fake->count,
                 step->want, step->has ? step->has : "", step->lacks ? step->lacks : "", text);
    conn_answer(conn, step);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct conn *conn = handle->data;
    (void)size;
    *buf = uv_buf_init(conn->fake->buffer, sizeof(conn->fake->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    if (n < 0) {
        if (conn->fake->held == conn)
            conn->fake->abandoned = true;
        conn_close(conn);
        return;
    }
    assert_int_equal(lx_buf_add(&conn->in, buf->base, (size_t)n, NULL), 0);
    conn_request(conn);
}

static void on_connect(uv_stream_t *server, int status)
{
    struct fake *fake = server->data;
    struct conn *conn = lx_alloc(sizeof(*conn));
    assert_int_equal(status, 0);
    conn->fake = fake;
    lx_buf_init(&conn->in, (size_t)1 << 20);
    fake->open++;
    assert_int_equal(uv_tcp_init(lx_loop_uv(fake->loop), &conn->tcp), 0);
    conn->tcp.data = conn;
    assert_int_equal(uv_accept(server, (uv_stream_t *)&conn->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read), 0);
}

struct fake *fake_new(const struct fake_step *steps, size_t n, const char *token_file)
{
    struct fake *fake = lx_alloc(sizeof(*fake));
    struct sockaddr_storage name;
    struct sockaddr_in address;
    struct lx_err err;
    int len = sizeof(name);
    fake->steps = steps;
    fake->n = n;
    assert_true(n <= STEPS_MAX);
    assert_int_equal(lx_loop_new(&fake->loop, NULL), 0);
    assert_int_equal(uv_tcp_init(lx_loop_uv(fake->loop), &fake->server), 0);
    fake->server.data = fake;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_bind(&fake->server, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->server, 64, on_connect), 0);
    assert_int_equal(uv_tcp_getsockname(&fake->server, (struct sockaddr *)&name, &len), 0);
    memcpy(&address, &name, sizeof(address));
    struct lx_kube_config config = {
        .server = lx_strf("http://127.0.0.1:%u", ntohs(address.sin_port)),
        .token_file = lx_strdup(token_file),
    };
    if (lx_kube_new(fake->loop, &config, NULL, &fake->kube, &err))
        fail_msg("%s", err.text);
    lx_kube_config_done(&config);
    return fake;
}

static void on_server_closed(uv_handle_t *handle)
{
    struct fake *fake = handle->data;
    fake->server_closed = true;
}

void fake_free(struct fake *fake)
{
    lx_kube_free(fake->kube);
    if (fake->held)
        conn_close(fake->held);
    WAIT_UNTIL(fake, fake->open == 0);
    uv_close((uv_handle_t *)&fake->server, on_server_closed);
    WAIT_UNTIL(fake, fake->server_closed);
    lx_loop_free(fake->loop);
    free(fake);
}

struct lx_loop *fake_loop(struct fake *fake)
{
    return fake->loop;
}

struct lx_kube *fake_kube(struct fake *fake)
{
    return fake->kube;
}

size_t fake_count(const struct fake *fake)
{
    return fake->count;
}

bool fake_finished(const struct fake *fake)
{
    return fake->count == fake->n;
}

uint64_t fake_at(const struct fake *fake, size_t i)
{
    assert_true(i < fake->count);
    return fake->at[i];
}

void fake_more(struct fake *fake, const char *text)
{
    assert_non_null(fake->held);
    conn_chunk(fake->held, text, strlen(text));
}

void fake_close(struct fake *fake, bool cut)
{
    struct conn *conn = fake->held;
    assert_non_null(conn);
    fake->held = NULL;
    if (!cut)
        conn_write(conn, "0\r\n\r\n", 5);
    conn_finish(conn);
}

bool fake_abandoned(const struct fake *fake)
{
    return fake->abandoned;
}

static void on_tick(void *arg)
{
    *(bool *)arg = true;
}

void fake_turn(struct lx_loop *loop)
{
    bool ticked = false;
    struct lx_timer *timer = lx_timer_new(loop, on_tick, &ticked);
    lx_timer_start(timer, 1, 0);
    assert_int_equal(lx_loop_run_until(loop, &ticked, TEST_TIMEOUT_MS, NULL), 0);
    lx_timer_free(timer);
}

int fake_group_setup(void **state)
{
    (void)state;
    return lx_http_global_init(NULL);
}

int fake_group_teardown(void **state)
{
    (void)state;
    lx_http_global_done();
    return 0;
}
