#include "net_fixture.h"

#include "lunexec/mem.h"

int fixture_group_setup(void **state)
{
    (void)state;
    return lx_http_global_init(NULL);
}

int fixture_group_teardown(void **state)
{
    (void)state;
    lx_http_global_done();
    return 0;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = lx_alloc(sizeof(*fixture));
    struct lx_http_opts opts = {0};
    assert_int_equal(lx_loop_new(&fixture->loop, NULL), 0);
    assert_int_equal(lx_http_new(fixture->loop, &opts, &fixture->http, NULL), 0);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    lx_http_free(fixture->http);
    lx_loop_free(fixture->loop);
    free(fixture);
    return 0;
}

void answer_init(struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    lx_buf_init(&answer->stream, (size_t)64 * 1024 * 1024);
}

void answer_done(struct answer *answer)
{
    free(answer->body);
    lx_buf_done(&answer->stream);
}

static void on_head(void *arg, long status)
{
    struct answer *answer = arg;
    assert_int_equal(answer->head, 0);
    answer->head = status;
}

static int on_data(void *arg, const char *data, size_t len)
{
    struct answer *answer = arg;
    assert_int_equal(lx_buf_add(&answer->stream, data, len, NULL), 0);
    return answer->on_data ? answer->on_data(answer, data, len) : 0;
}

static void on_done(void *arg, const struct lx_http_result *result)
{
    struct answer *answer = arg;
    answer->done = true;
    answer->times++;
    answer->result = *result;
    answer->body = lx_strndup(result->body, result->body_len);
    answer->call = NULL;
}

void call_start(struct fixture *fixture, struct lx_http_req *req, bool stream,
                struct answer *answer)
{
    struct lx_err err = {0};
    req->on_done = on_done;
    req->on_head = on_head;
    req->on_data = stream ? on_data : NULL;
    req->arg = answer;
    if (lx_http_start(fixture->http, req, &answer->call, &err))
        fail_msg("cannot start: %s", err.text);
}

void wait_for(struct fixture *fixture, const bool *flag)
{
    struct lx_err err = {0};
    if (lx_loop_run_until(fixture->loop, flag, TEST_TIMEOUT_MS, &err))
        fail_msg("waited in vain: %s", err.text);
}

void call_wait(struct fixture *fixture, struct lx_http_req *req, struct answer *answer)
{
    call_start(fixture, req, false, answer);
    wait_for(fixture, &answer->done);
}

void loop_turn(struct fixture *fixture)
{
    static const bool never;
    (void)lx_loop_run_until(fixture->loop, &never, 2, NULL);
}
