/* The log follower against a server that delays, breaks off, refuses and goes away. */
#include "kube_fake.h"

#include "kube/podlog_priv.h"
#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/podlog.h"

#include <unistd.h>

#define URL "GET /api/v1/namespaces/ns/pods/p/log?container=c"
#define FOLLOW URL "&follow=true&timestamps=true "
#define FOLLOW_SINCE(t) URL "&follow=true&timestamps=true&sinceTime=2026-11-23T10%3A00%3A" t "Z "
#define LAST URL "&timestamps=true "
#define LAST_SINCE(t) URL "&timestamps=true&sinceTime=2026-11-23T10%3A00%3A" t "Z "
#define S(t) "2026-11-23T10:00:" t "Z "
#define WAITING                                                                                    \
    "{\"kind\":\"Status\",\"message\":\"container \\\"c\\\" in pod \\\"p\\\" is waiting to "       \
    "start: "                                                                                      \
    "PodInitializing\",\"code\":400}"

struct taken {
    struct lx_buf text;
    bool ended;
    unsigned times;
    struct lx_err err;
    struct lx_podlog *podlog;
};

static void on_data(void *arg, const char *data, size_t len)
{
    struct taken *taken = arg;
    assert_false(taken->ended);
    assert_int_equal(lx_buf_add(&taken->text, data, len, NULL), 0);
}

static void on_end(void *arg, const struct lx_err *err)
{
    struct taken *taken = arg;
    taken->ended = true;
    taken->times++;
    if (err)
        taken->err = *err;
}

static struct fake *begin(const struct fake_step *steps, size_t n, struct taken *taken,
                          const char *token_file, uint64_t give_up_ms)
{
    struct fake *fake = fake_new(steps, n, token_file);
    struct lx_podlog_opts opts = {.ns = "ns",
                                  .pod = "p",
                                  .container = "c",
                                  .on_data = on_data,
                                  .on_end = on_end,
                                  .arg = taken,
                                  .give_up_ms = give_up_ms};
    memset(taken, 0, sizeof(*taken));
    lx_buf_init(&taken->text, (size_t)64 << 20);
    assert_int_equal(lx_podlog_start(fake_kube(fake), &opts, NULL, &taken->podlog, NULL), 0);
    return fake;
}

static void end(struct fake *fake, struct taken *taken)
{
    lx_podlog_free(taken->podlog);
    assert_true(fake_finished(fake));
    assert_int_equal(taken->times, taken->ended ? 1 : 0);
    fake_free(fake);
    lx_buf_done(&taken->text);
}

#define TEXT(taken) lx_buf_str(&(taken)->text)

static void test_live(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = URL "&follow=true", .status = 400, .body = WAITING},
        {.want = FOLLOW, .status = 400, .body = WAITING},
        {.want = FOLLOW, .action = FAKE_HOLD, .body = S("01.1") "one\n" S("01.2") "tw"},
        {.want = LAST_SINCE("02"), .body = S("02.1") "three\r\n" S("02.4") "four\n"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 4, &taken, NULL, 0);
    WAIT_UNTIL(fake, taken.text.len == 6);
    assert_string_equal(TEXT(&taken), "one\ntw"); /* a line need not be complete */
    fake_more(fake, "o\n" S("02.1") "three\r\n2026-11-");
    WAIT_UNTIL(fake, taken.text.len == 15);
    fake_more(fake, "23T10:00:02.4Z four\n");
    WAIT_UNTIL(fake, strstr(TEXT(&taken), "four"));
    fake_close(fake, false);
    lx_podlog_terminated(taken.podlog);
    lx_podlog_terminated(taken.podlog);
    WAIT_UNTIL(fake, taken.ended);
    assert_int_equal(taken.err.code, LX_OK);
    assert_string_equal(TEXT(&taken), "one\ntwo\nthree\r\nfour\n");
    end(fake, &taken);
}

/* Ends the held answer, after which nothing is open until the owner says something. */
static void end_held(struct fake *fake, struct taken *taken)
{
    taken->podlog->backoff.base_ms = taken->podlog->backoff.max_ms = 600000;
    fake_close(fake, false);
    WAIT_UNTIL(fake, !taken->podlog->call);
}

/* Cut at every byte; the owner says that the container has ended while nothing is open. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char whole[] = S("01.1") "a\n" S("01.1") "a\n" S("01.1") "b\n" S("01.3") "\n" //
        S("01.4") "a longer line, longer than what identifies it, much longer\n" S("02.9") "e\n";
    static const char want[] =
        "a\na\nb\n\na longer line, longer than what identifies it, much longer\ne\n";
    for (size_t cut = 0; cut < sizeof(whole); cut += 3) {
        struct fake_step steps[] = {
            {.want = FOLLOW, .action = FAKE_CUT, .body = whole, .len = cut},
            {.want = URL "&follow=true", .action = FAKE_HOLD, .body = whole},
            {.want = LAST_SINCE("02"), .body = S("02.9") "e\n"},
        };
        struct taken taken;
        if (!cut)
            steps[0].body = NULL;
        struct fake *fake = begin(steps, 3, &taken, NULL, 0);
        WAIT_UNTIL(fake, fake_count(fake) == 2 && strstr(TEXT(&taken), "e\n"));
        end_held(fake, &taken);
        assert_int_equal(fake_count(fake), 2);
        lx_podlog_terminated(taken.podlog);
        WAIT_UNTIL(fake, taken.ended);
        assert_int_equal(taken.err.code, LX_OK);
        assert_string_equal(TEXT(&taken), want);
        end(fake, &taken);
    }
}

/* The last read brings what the stream did not. */
static void test_last_read_completes(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = FOLLOW, .action = FAKE_HOLD, .body = S("05.5") "one\n" S("05.6") "two\n"},
        {.want = LAST_SINCE("05"),
         .action = FAKE_CUT,
         .body = S("05.5") "one\n" S("05.6") "two\n" S("05.7") "thr"},
        {.want = LAST_SINCE("05"), .status = 503, .body = ""},
        {.want = LAST_SINCE("05"),
         .body = S("05.5") "one\n" S("05.6") "two\n" S("05.7") "three\n" S("09") "four"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 4, &taken, NULL, 0);
    WAIT_UNTIL(fake, taken.text.len == 8);
    lx_podlog_terminated(taken.podlog);
    fake_close(fake, false);
    WAIT_UNTIL(fake, taken.ended);
    assert_int_equal(taken.err.code, LX_OK);
    assert_string_equal(TEXT(&taken), "one\ntwo\nthree\nfour");
    end(fake, &taken);
}

/* A stream that outlives its container is given up after 5 s of silence. */
static void test_stream_hangs(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = FOLLOW, .action = FAKE_HOLD, .body = S("05.5") "one\n"},
        {.want = LAST_SINCE("05"), .body = S("05.5") "one\n"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 2, &taken, NULL, 0);
    WAIT_UNTIL(fake, taken.text.len == 4);
    uint64_t told = lx_now_ms();
    lx_podlog_terminated(taken.podlog);
    WAIT_UNTIL(fake, taken.ended);
    assert_in_range(lx_now_ms() - told, 4900, 18000);
    assert_string_equal(TEXT(&taken), "one\n");
    end(fake, &taken);
}

/* The kubelet ends the stream before the pod's status says why. */
static void test_ends_early(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = FOLLOW, .action = FAKE_END, .body = S("05.5") "one\n"},
        {.want = FOLLOW_SINCE("05"), .action = FAKE_END, .body = S("05.5") "one\n"},
        {.want = FOLLOW_SINCE("05"), .action = FAKE_HOLD, .body = S("05.5") "one\n"},
        {.want = LAST_SINCE("05"), .body = S("05.5") "one\n"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 4, &taken, NULL, 0);
    WAIT_UNTIL(fake, fake_count(fake) == 3);
    assert_true(fake_at(fake, 2) - fake_at(fake, 1) >= 150);
    end_held(fake, &taken);
    lx_podlog_terminated(taken.podlog);
    WAIT_UNTIL(fake, taken.ended);
    assert_string_equal(TEXT(&taken), "one\n");
    end(fake, &taken);
}

/* Whether an end after trouble was one is looked at soon. */
static void test_ends_after_trouble(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = FOLLOW, .status = 503, .body = ""}, {.want = FOLLOW, .status = 503, .body = ""},
        {.want = FOLLOW, .status = 503, .body = ""}, {.want = FOLLOW, .status = 503, .body = ""},
        {.want = FOLLOW, .action = FAKE_END},        {.want = FOLLOW, .action = FAKE_HOLD},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 6, &taken, NULL, 0);
    WAIT_UNTIL(fake, fake_count(fake) == 6);
    assert_true(fake_at(fake, 5) - fake_at(fake, 4) >= 150);
    assert_int_equal(taken.podlog->backoff.attempt, 1); /* the shortest wait there is */
    end(fake, &taken);
}

static void test_pod_gone(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = FOLLOW,
         .action = FAKE_HOLD,
         .status = 404,
         .body = "{\"kind\":\"Status\",\"message\":\"not found\"}"},
        {.want = LAST,
         .status = 404,
         .body = "{\"kind\":\"Status\",\"message\":\"pods \\\"p\\\" not found\"}"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 2, &taken, NULL, 0);
    WAIT_UNTIL(fake, fake_count(fake) == 1);
    end_held(fake, &taken);
    assert_false(taken.ended); /* not our decision */
    lx_podlog_terminated(taken.podlog);
    WAIT_UNTIL(fake, taken.ended);
    assert_int_equal(taken.err.code, LX_E_NOT_FOUND);
    assert_string_equal(taken.err.text, "log of container c of pod p: pods \"p\" not found");
    end(fake, &taken);
}

/* Nothing but refusals after the end: it is said at the latest after give_up_ms. */
static void test_gives_up(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static struct fake_step steps[MANY];
    struct taken taken;
    for (int i = 0; i < MANY; i++)
        steps[i] =
            (struct fake_step){.want = URL,
                               .action = FAKE_END,
                               .body = "unable to retrieve container logs for containerd://0123"};
    struct fake *fake = begin(steps, MANY, &taken, NULL, 700);
    WAIT_UNTIL(fake, fake_count(fake) == 1);
    uint64_t told = lx_now_ms();
    lx_podlog_terminated(taken.podlog);
    WAIT_UNTIL(fake, taken.ended);
    assert_in_range(lx_now_ms() - told, 600, 18000);
    assert_non_null(strstr(taken.err.text, "unable to retrieve container logs"));
    assert_string_equal(TEXT(&taken), "");
    lx_podlog_free(taken.podlog);
    fake_free(fake);
    lx_buf_done(&taken.text);
}

static void test_token(void **state)
{
    (void)state;
    char path[] = "/tmp/lunexec-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(lx_file_write(path, "old", 3, 0600, NULL), 0);
    static const struct fake_step steps[] = {
        {.want = FOLLOW, .has = "Bearer old", .action = FAKE_HOLD, .body = S("01.5") "one\n"},
        {.want = FOLLOW_SINCE("01"), .has = "Bearer old", .status = 401, .body = "{}"},
        {.want = FOLLOW_SINCE("01"),
         .has = "Bearer new",
         .action = FAKE_HOLD,
         .body = S("01.5") "one\n" S("01.6") "two\n"},
    };
    struct taken taken;
    struct fake *fake = begin(steps, 3, &taken, path, 0);
    WAIT_UNTIL(fake, taken.text.len == 4);
    assert_int_equal(lx_file_write(path, "new", 3, 0600, NULL), 0);
    fake_close(fake, true);
    WAIT_UNTIL(fake, taken.text.len == 8);
    end(fake, &taken); /* freed while it streams: on_end is not called */
    (void)unlink(path);
}

/* Freed in each of its states. */
static void test_freed(void **state)
{
    (void)state;
    static const struct fake_step waiting = {.want = FOLLOW, .status = 400, .body = WAITING};
    struct taken taken;
    struct fake *fake = begin(&waiting, 1, &taken, NULL, 0);
    WAIT_UNTIL(fake, fake_count(fake) == 1);
    lx_podlog_terminated(taken.podlog);
    end(fake, &taken);
    fake = begin(NULL, 0, &taken, NULL, 0);
    end(fake, &taken);
    lx_podlog_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_last_read_completes),
        cmocka_unit_test(test_stream_hangs),
        cmocka_unit_test(test_ends_early),
        cmocka_unit_test(test_ends_after_trouble),
        cmocka_unit_test(test_pod_gone),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_freed),
    };
    return cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown);
}
