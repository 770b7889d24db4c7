/* Trust: custom CA from file and memory, wrong CA, wrong name, client certificates. */
#include "net_fixture.h"
#include "net_tls.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"

#include <signal.h>

struct tls {
    struct fixture fixture;
    char *folder;
    struct tls_server server;
};

static int setup(void **state)
{
    struct tls *tls = lx_alloc(sizeof(*tls));
    assert_int_equal(lx_loop_new(&tls->fixture.loop, NULL), 0);
    tls->folder = tls_folder_new(tls->fixture.loop);
    assert_non_null(tls->folder);
    *state = tls;
    return 0;
}

static int teardown(void **state)
{
    struct tls *tls = *state;
    tls_server_stop(&tls->server);
    tls_folder_free(tls->folder);
    lx_loop_free(tls->fixture.loop);
    free(tls);
    return 0;
}

static char *file_path(const struct tls *tls, const char *name)
{
    return lx_strf("%s/%s", tls->folder, name);
}

static char *file_text(const struct tls *tls, const char *name)
{
    struct lx_buf buf = LX_BUF_INIT(100000);
    lx_auto(str) char *path = file_path(tls, name);
    assert_int_equal(lx_file_read(path, &buf, NULL), 0);
    return lx_buf_take(&buf);
}

/* One GET with a client of these options; what came of it. */
static struct lx_http_result get(struct tls *tls, const struct lx_http_opts *opts)
{
    struct answer answer;
    lx_auto(str) char *url = lx_strf("%s/", tls->server.url);
    struct lx_http_req req = {.url = url, .timeout_ms = 15000};
    assert_int_equal(lx_http_new(tls->fixture.loop, opts, &tls->fixture.http, NULL), 0);
    answer_init(&answer);
    call_wait(&tls->fixture, &req, &answer);
    lx_http_free(tls->fixture.http);
    struct lx_http_result result = answer.result;
    result.body = NULL;
    answer_done(&answer);
    return result;
}

static void check_refused(struct tls *tls, const struct lx_http_opts *opts)
{
    struct lx_http_result result = get(tls, opts);
    assert_int_equal(result.reach, LX_HTTP_UNSENT);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.err.code, LX_E_IO);
    if (!strstr(result.err.text, "certificate") && !strstr(result.err.text, "SSL"))
        fail_msg("unhelpful: %s", result.err.text);
}

static void check_accepted(struct tls *tls, const struct lx_http_opts *opts)
{
    struct lx_http_result result = get(tls, opts);
    if (result.reach != LX_HTTP_ANSWERED)
        fail_msg("refused: %s", result.err.text);
    assert_int_equal(result.status, 200);
}

static void test_authorities(void **state)
{
    struct tls *tls = *state;
    lx_auto(str) char *ca = file_path(tls, "ca.pem");
    lx_auto(str) char *other = file_path(tls, "other.pem");
    lx_auto(str) char *ca_text = file_text(tls, "ca.pem");
    lx_auto(str) char *other_text = file_text(tls, "other.pem");
    tls_server_start(tls->fixture.loop, tls->folder, "server", false, &tls->server);
    check_accepted(tls, &(struct lx_http_opts){.ca_file = ca});
    check_accepted(tls, &(struct lx_http_opts){.ca_data = ca_text});
    check_accepted(tls, &(struct lx_http_opts){.ca_data = ca_text, .http1_only = true});
    check_refused(tls, &(struct lx_http_opts){.ca_file = other});
    check_refused(tls, &(struct lx_http_opts){.ca_data = other_text});
    check_refused(tls, &(struct lx_http_opts){0});
}

/* A bundle that is replaced, as when a cluster's authority rotates, is trusted soon after. */
static void test_authority_rotates(void **state)
{
    struct tls *tls = *state;
    lx_auto(str) char *path = file_path(tls, "trust.pem");
    lx_auto(str) char *old_text = file_text(tls, "other.pem");
    lx_auto(str) char *new_text = file_text(tls, "ca.pem");
    assert_int_equal(lx_file_write(path, old_text, strlen(old_text), 0600, NULL), 0);
    tls_server_start(tls->fixture.loop, tls->folder, "server", false, &tls->server);
    lx_auto(str) char *url = lx_strf("%s/", tls->server.url);
    struct lx_http_opts opts = {.ca_file = path, .ca_cache_s = 1};
    struct lx_http_req req = {.url = url, .timeout_ms = 15000};
    assert_int_equal(lx_http_new(tls->fixture.loop, &opts, &tls->fixture.http, NULL), 0);
    bool trusted = false, replaced = false;
    uint64_t end = lx_now_ms() + 10000;
    while (!trusted && lx_now_ms() < end) {
        struct answer answer;
        answer_init(&answer);
        call_wait(&tls->fixture, &req, &answer);
        trusted = answer.result.reach == LX_HTTP_ANSWERED;
        assert_true(replaced || !trusted);
        answer_done(&answer);
        if (!replaced)
            assert_int_equal(lx_file_write(path, new_text, strlen(new_text), 0600, NULL), 0);
        replaced = true;
    }
    lx_http_free(tls->fixture.http);
    assert_true(trusted);
}

static void test_wrong_name(void **state)
{
    struct tls *tls = *state;
    lx_auto(str) char *ca = file_path(tls, "ca.pem");
    tls_server_start(tls->fixture.loop, tls->folder, "wrong", false, &tls->server);
    check_refused(tls, &(struct lx_http_opts){.ca_file = ca});
}

static void test_client_certificate(void **state)
{
    struct tls *tls = *state;
    lx_auto(str) char *ca = file_path(tls, "ca.pem");
    lx_auto(str) char *cert = file_path(tls, "client.pem");
    lx_auto(str) char *key = file_path(tls, "client.key");
    lx_auto(str) char *cert_text = file_text(tls, "client.pem");
    lx_auto(str) char *key_text = file_text(tls, "client.key");
    tls_server_start(tls->fixture.loop, tls->folder, "server", true, &tls->server);
    check_accepted(tls, &(struct lx_http_opts){.ca_file = ca, .cert_file = cert, .key_file = key});
    check_accepted(
        tls, &(struct lx_http_opts){.ca_file = ca, .cert_data = cert_text, .key_data = key_text});
    /* TLS 1.3 lets the client send before it learns that it is not welcome. */
    struct lx_http_result result = get(tls, &(struct lx_http_opts){.ca_file = ca});
    assert_int_not_equal(result.reach, LX_HTTP_ANSWERED);
    assert_int_equal(result.err.code, LX_E_IO);
}

static void test_missing_files(void **state)
{
    struct tls *tls = *state;
    const struct lx_http_opts bad[] = {
        {.ca_file = "/nonexistent/ca.pem"},
        {.cert_file = "/nonexistent/cert.pem"},
        {.key_file = "/nonexistent/key.pem"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lx_err err = {0};
        assert_int_equal(lx_http_new(tls->fixture.loop, &bad[i], &tls->fixture.http, &err), -1);
        assert_non_null(strstr(err.text, "/nonexistent/"));
    }
}

/* ---- HTTP/2 ---- */

static int fixture_h2(struct tls *tls)
{
    static char text[5242881];
    lx_auto(str) char *ca = file_path(tls, "ca.pem");
    lx_auto(str) char *file = file_path(tls, "file");
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(lx_file_write(file, text, sizeof(text) - 1, 0600, NULL), 0);
    if (!h2_server_start(tls->fixture.loop, tls->folder, &tls->server))
        return -1;
    struct lx_http_opts opts = {.ca_file = ca};
    assert_int_equal(lx_http_new(tls->fixture.loop, &opts, &tls->fixture.http, NULL), 0);
    for (bool up = false; !up;) { /* until it listens */
        struct answer answer;
        lx_auto(str) char *url = lx_strf("%s/client.pem", tls->server.url);
        struct lx_http_req req = {.url = url};
        answer_init(&answer);
        call_wait(&tls->fixture, &req, &answer);
        up = answer.result.status == 200;
        assert_false(tls->server.gone);
        assert_true(up || answer.result.reach == LX_HTTP_UNSENT);
        answer_done(&answer);
        loop_turn(&tls->fixture);
    }
    return 0;
}

static void start_file(struct tls *tls, struct answer *answer)
{
    lx_auto(str) char *url = lx_strf("%s/file", tls->server.url);
    struct lx_http_req req = {.url = url};
    answer_init(answer);
    call_start(&tls->fixture, &req, true, answer);
}

static void check_file(struct tls *tls)
{
    struct answer answer;
    start_file(tls, &answer);
    wait_for(&tls->fixture, &answer.done);
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    assert_int_equal(answer.stream.len, 5242880);
    answer_done(&answer);
}

#define N_CALLS 60

static void test_h2_parallel(void **state)
{
    struct tls *tls = *state;
    static struct answer answers[N_CALLS];
    static char bodies[N_CALLS][32];
    if (fixture_h2(tls))
        skip();
    lx_auto(str) char *url = lx_strf("%s/echo", tls->server.url);
    for (size_t i = 0; i < N_CALLS; i++) {
        memset(bodies[i], (int)('A' + i % 26), i % 31 + 1);
        struct lx_http_req req = {
            .method = "POST", .url = url, .body = bodies[i], .body_len = i % 31 + 1};
        answer_init(&answers[i]);
        call_start(&tls->fixture, &req, false, &answers[i]);
    }
    for (size_t i = 0; i < N_CALLS; i++) {
        wait_for(&tls->fixture, &answers[i].done);
        assert_int_equal(answers[i].result.status, 200);
        assert_string_equal(answers[i].body, bodies[i]);
        answer_done(&answers[i]);
    }
    lx_http_free(tls->fixture.http);
}

/* Streams cancelled half-way must not use up the connection's window. */
static void test_h2_cancel_then_go_on(void **state)
{
    struct tls *tls = *state;
    static struct answer answers[N_CALLS];
    if (fixture_h2(tls))
        skip();
    for (size_t i = 0; i < N_CALLS; i++)
        start_file(tls, &answers[i]);
    for (size_t i = 0; i < N_CALLS; i++) {
        WAIT_UNTIL(&tls->fixture, answers[i].stream.len > 0);
        lx_http_cancel(answers[i].call);
        answer_done(&answers[i]);
    }
    check_file(tls);
    lx_http_free(tls->fixture.http);
}

static void test_h2_server_dies(void **state)
{
    struct tls *tls = *state;
    struct answer answers[10];
    if (fixture_h2(tls))
        skip();
    for (size_t i = 0; i < 10; i++)
        start_file(tls, &answers[i]);
    WAIT_UNTIL(&tls->fixture, answers[0].stream.len > 0);
    lx_child_kill(tls->server.child, SIGKILL);
    for (size_t i = 0; i < 10; i++) {
        wait_for(&tls->fixture, &answers[i].done);
        if (answers[i].result.reach != LX_HTTP_ANSWERED)
            assert_int_equal(answers[i].result.err.code, LX_E_IO);
        assert_true(answers[i].result.reach != LX_HTTP_ANSWERED ||
                    answers[i].stream.len == 5242880);
        answer_done(&answers[i]);
    }
    struct answer after;
    lx_auto(str) char *url = lx_strf("%s/file", tls->server.url);
    struct lx_http_req req = {.method = "POST", .url = url, .body = "x", .body_len = 1};
    answer_init(&after);
    call_wait(&tls->fixture, &req, &after);
    assert_int_equal(after.result.reach, LX_HTTP_UNSENT);
    answer_done(&after);
    lx_http_free(tls->fixture.http);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_authorities),          TEST(test_authority_rotates), TEST(test_wrong_name),
        TEST(test_client_certificate),   TEST(test_missing_files),     TEST(test_h2_parallel),
        TEST(test_h2_cancel_then_go_on), TEST(test_h2_server_dies),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
