/* The pod watch: list, events, bookmarks, and every way a watch can end. */
#include "kube_fake.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/watch.h"

#include <unistd.h>

struct seen {
    struct lx_buf text; /* "CHANGED uid phase;DELETED uid phase;" */
    struct lx_buf health;
    struct lx_watch *watch;
    bool pause_on_pod, resume_too;
    unsigned pods, reports;
};

static void on_pod(void *arg, enum lx_pod_event event, const struct lx_pod *pod)
{
    struct seen *seen = arg;
    seen->pods++;
    assert_int_equal(lx_buf_addf(&seen->text, NULL, "%s %s %s;",
                                 event == LX_POD_CHANGED ? "CHANGED" : "DELETED", pod->uid,
                                 pod->phase),
                     0);
    if (seen->pause_on_pod)
        lx_watch_pause(seen->watch);
    if (seen->resume_too)
        lx_watch_resume(seen->watch);
    seen->pause_on_pod = seen->resume_too = false;
    assert_string_equal(pod->name, pod->uid); /* still readable */
}

static void on_health(void *arg, bool healthy, const struct lx_err *err)
{
    struct seen *seen = arg;
    seen->reports++;
    assert_int_equal(healthy, err == NULL);
    assert_int_equal(lx_buf_addf(&seen->health, NULL, "%s;", err ? err->text : "good"), 0);
}

#define META(uid, version, job, created)                                                           \
    "\"metadata\":{\"name\":\"" uid "\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version        \
    "\",\"creationTimestamp\":\"" created "\",\"labels\":{\"job-name\":\"" job "\"}}"
#define POD(uid, version, phase)                                                                   \
    "{" META(uid, version, "j", "2026-01-01T00:00:00Z") ",\"status\":{\"phase\":\"" phase "\"}}"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version)                                                                          \
    EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define GONE                                                                                       \
    EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":"         \
                   "\"old\"}")

#define LIST_URL "GET /api/v1/namespaces/ns/pods?labelSelector=app%3Dx&limit=200"
#define WATCH_URL(version)                                                                         \
    "GET /api/v1/namespaces/ns/"                                                                   \
    "pods?labelSelector=app%3Dx&watch=true&allowWatchBookmarks=true&resourceVersion=" version      \
    "&timeoutSeconds=2"

static uint64_t idle_ms; /* of the next watch; 0: its default */

static struct fake *begin_with(const struct fake_step *steps, size_t n, struct seen *seen,
                               const char *token_file)
{
    struct fake *fake = fake_new(steps, n, token_file);
    struct lx_watch_opts opts = {.ns = "ns",
                                 .selector = "app=x",
                                 .on_pod = on_pod,
                                 .on_health = on_health,
                                 .arg = seen,
                                 .min_watch_s = 20,
                                 .max_watch_s = 29,
                                 .idle_ms = idle_ms};
    lx_buf_init(&seen->text, 65536);
    lx_buf_init(&seen->health, 65536);
    assert_int_equal(lx_watch_new(fake_kube(fake), &opts, NULL, &seen->watch, NULL), 0);
    assert_int_equal(fake_count(fake), 0); /* new ones are paused */
    lx_watch_resume(seen->watch);
    return fake;
}

static struct fake *begin(const struct fake_step *steps, size_t n, struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    return begin_with(steps, n, seen, NULL);
}

static void end(struct fake *fake, struct seen *seen)
{
    lx_watch_free(seen->watch);
    assert_true(fake_finished(fake));
    fake_free(fake);
    lx_buf_done(&seen->text);
    lx_buf_done(&seen->health);
}

static void test_list_and_watch(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL " ",
         .body = "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"a/b=\"},\"items\":[" POD(
             "p1", "1", "Pending") "]}"},
        {.want = LIST_URL "&continue=a%2Fb%3D ", .body = LIST("10", POD("p2", "2", "Running"))},
        {.want = WATCH_URL("10"),
         .action = FAKE_HOLD,
         .body = EVENT("MODIFIED", POD("p1", "11", "Running"))
             EVENT("ADDED", POD("p2", "2", "Running")) /* known already */
         EVENT("ADDED", POD("p3", "12", "Pending"))},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 3, &seen);
    WAIT_UNTIL(fake, seen.pods == 4);
    assert_string_equal(lx_buf_str(&seen.text),
                        "CHANGED p1 Pending;CHANGED p2 Running;CHANGED p1 Running;"
                        "CHANGED p3 Pending;");
    assert_string_equal(lx_buf_str(&seen.health), "good;");
    fake_more(fake, "{\"type\":\"DELETED\",\"object\":");
    fake_more(fake, POD("p1", "13", "Succeeded") "}\n" BOOKMARK("20"));
    WAIT_UNTIL(fake, seen.pods == 5);
    assert_non_null(strstr(lx_buf_str(&seen.text), "DELETED p1 Succeeded;"));
    end(fake, &seen);
}

/* However the stream ends, it goes on from the last version heard of, a bookmark's too. */
static void test_resume(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL, .body = LIST("10", POD("p1", "1", "Pending"))},
        {.want = WATCH_URL("10"), .action = FAKE_END, .body = BOOKMARK("15")},
        {.want = WATCH_URL("15"),
         .action = FAKE_CUT,
         .body = EVENT("MODIFIED", POD("p1", "16", "Running")) "{\"type\":\"MODIF"},
        {.want = WATCH_URL("16"), .action = FAKE_END, .body = ""},
        {.want = WATCH_URL("16"), .action = FAKE_REPLY, .status = 503, .body = "restarting"},
        {.want = WATCH_URL("16"),
         .action = FAKE_HOLD,
         .body = EVENT("MODIFIED", POD("p1", "17", "Succeeded"))},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 6, &seen);
    WAIT_UNTIL(fake, seen.pods == 3);
    assert_string_equal(lx_buf_str(&seen.text),
                        "CHANGED p1 Pending;CHANGED p1 Running;CHANGED p1 Succeeded;");
    assert_string_equal(lx_buf_str(&seen.health), "good;"); /* too short to be told */
    end(fake, &seen);
}

/* 410 in each of its forms: list anew and tell only the differences. */
static void test_gone(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL,
         .body = LIST("10", POD("p1", "1", "Running") "," POD("p2", "2", "Running") "," POD(
                                "p3", "3", "Running"))},
        {.want = WATCH_URL("10"), .action = FAKE_HOLD, .body = BOOKMARK("11") GONE},
        {.want = LIST_URL,
         .body = LIST("30", POD("p1", "1", "Running") "," POD("p2", "22", "Succeeded"))},
        {.want = WATCH_URL("30"), .status = 410, .body = "{}"},
        {.want = LIST_URL,
         .body = LIST("40", POD("p2", "22", "Succeeded") "," POD("p1x", "31", "Pending"))},
        {.want = WATCH_URL("40"),
         .action = FAKE_HOLD,
         .body = EVENT("ERROR", "{\"kind\":\"Status\",\"code\":500,\"message\":\"etcd\"}")},
        {.want = WATCH_URL("40"), .action = FAKE_HOLD, .body = "no JSON\n"},
        {.want = LIST_URL, .body = LIST("50", POD("p2", "22", "Succeeded"))},
        {.want = WATCH_URL("50"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 9, &seen);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_string_equal(lx_buf_str(&seen.text),
                        "CHANGED p1 Running;CHANGED p2 Running;CHANGED p3 Running;"
                        "CHANGED p2 Succeeded;DELETED p3 Running;"
                        "CHANGED p1x Pending;DELETED p1 Running;"
                        "DELETED p1x Pending;");
    end(fake, &seen);
}

/* A continue token that expired half way through the list. */
static void test_list_expires(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL " ",
         .body = "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"c\"},\"items\":[" POD(
             "p1", "1", "Pending") "]}"},
        {.want = LIST_URL "&continue=c ", .status = 410, .body = "{}"},
        {.want = LIST_URL " ", .body = LIST("12", POD("p2", "2", "Pending"))},
        {.want = WATCH_URL("12"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 4, &seen);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_string_equal(lx_buf_str(&seen.text),
                        "CHANGED p1 Pending;CHANGED p2 Pending;DELETED p1 Pending;");
    end(fake, &seen);
}

static void test_forbidden(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL,
         .status = 403,
         .body = "{\"kind\":\"Status\",\"message\":\"pods is forbidden\"}"},
        {.want = LIST_URL, .body = LIST("12", "")},
        {.want = WATCH_URL("12"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 3, &seen);
    WAIT_UNTIL(fake, seen.reports == 1);
    assert_false(lx_watch_current(seen.watch));
    WAIT_UNTIL(fake, seen.reports == 2);
    assert_true(lx_watch_current(seen.watch));
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_string_equal(lx_buf_str(&seen.health),
                        "cannot watch pods; needed: pods: list, watch in namespace ns: pods is "
                        "forbidden;good;");
    end(fake, &seen);
}

/* A server that accepts and says nothing is reported after 5 s, and only once. */
static void test_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{.want = LIST_URL, .action = FAKE_HOLD}};
    struct seen seen;
    uint64_t start = lx_now_ms();
    struct fake *fake = begin(steps, 1, &seen);
    WAIT_UNTIL(fake, seen.reports == 1);
    assert_in_range(lx_now_ms() - start, 4900, 18000);
    assert_non_null(strstr(lx_buf_str(&seen.health), "has not answered for 5 s"));
    end(fake, &seen);
}

/* A stream that is open and says nothing, not even a bookmark, is begun anew where it was. */
static void test_silent_stream(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL, .body = LIST("12", POD("p", "1", "Running"))},
        {.want = WATCH_URL("12"), .action = FAKE_HOLD, .body = BOOKMARK("13")},
        {.want = WATCH_URL("13"),
         .action = FAKE_HOLD,
         .body = EVENT("MODIFIED", POD("p", "14", "Succeeded"))},
    };
    struct seen seen;
    idle_ms = 2000;
    struct fake *fake = begin(steps, 3, &seen);
    idle_ms = 0;
    WAIT_UNTIL(fake, seen.pods == 2);
    assert_in_range(fake_at(fake, 2) - fake_at(fake, 1), 1900, 15000);
    assert_string_equal(lx_buf_str(&seen.health), "good;"); /* an ordinary thing */
    end(fake, &seen);
}

/* A list that is told to wait does. */
static void test_list_told_to_wait(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL, .status = 429, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.want = LIST_URL, .body = LIST("12", "")},
        {.want = WATCH_URL("12"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 3, &seen);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_true(fake_at(fake, 1) - fake_at(fake, 0) >= 1000);
    end(fake, &seen);
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
        {.want = LIST_URL, .has = "Bearer old", .body = LIST("12", POD("p", "1", "Pending"))},
        {.want = WATCH_URL("12"), .has = "Bearer old", .action = FAKE_END, .body = BOOKMARK("13")},
        {.want = WATCH_URL("13"), .has = "Bearer old", .status = 401, .body = "{}"},
        {.want = WATCH_URL("13"), .has = "Bearer new", .action = FAKE_HOLD, .body = BOOKMARK("14")},
    };
    struct seen seen = {0};
    struct fake *fake = begin_with(steps, 4, &seen, path);
    /* The token was read; the file is looked at again after 10 s or a 401. */
    assert_int_equal(lx_file_write(path, "new", 3, 0600, NULL), 0);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_true(fake_at(fake, 3) - fake_at(fake, 2) < 9000);
    end(fake, &seen);
    (void)unlink(path);
}

/* A server that closes each watch at once is not asked in a tight loop. */
static void test_closes_at_once(void **state)
{
    (void)state;
    enum { CLOSED = 6 };
    struct fake_step steps[CLOSED + 2] = {{.want = LIST_URL, .body = LIST("12", "")}};
    for (int i = 1; i <= CLOSED; i++)
        steps[i] = (struct fake_step){.want = WATCH_URL("12"), .action = FAKE_END};
    steps[CLOSED + 1] = (struct fake_step){.want = WATCH_URL("12"), .action = FAKE_HOLD};
    struct seen seen;
    struct fake *fake = begin(steps, CLOSED + 2, &seen);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_true(fake_at(fake, CLOSED + 1) - fake_at(fake, 1) >= CLOSED * 100);
    end(fake, &seen);
}

static void test_pause(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL, .body = LIST("10", POD("p1", "1", "Pending"))},
        {.want = WATCH_URL("10"),
         .action = FAKE_HOLD,
         .body = EVENT("MODIFIED", POD("p1", "11", "Running"))},
        {.want = LIST_URL, .body = LIST("20", POD("p1", "11", "Running"))},
        {.want = WATCH_URL("20"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 4, &seen);
    WAIT_UNTIL(fake, seen.pods == 2);
    assert_non_null(lx_watch_find(seen.watch, "j"));
    lx_watch_pause(seen.watch);
    lx_watch_pause(seen.watch);
    assert_null(lx_watch_find(seen.watch, "j"));
    WAIT_UNTIL(fake, fake_abandoned(fake));
    lx_watch_resume(seen.watch);
    lx_watch_resume(seen.watch);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_int_equal(seen.pods, 3); /* the cache was dropped: told again */
    end(fake, &seen);
}

/* Paused, and once resumed too, from inside the callback, with more events waiting. */
static void test_pause_inside(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL, .body = LIST("10", "")},
        {.want = WATCH_URL("10"),
         .action = FAKE_HOLD,
         .body =
             EVENT("ADDED", POD("p1", "11", "Pending")) EVENT("ADDED", POD("p2", "12", "Pending"))},
        {.want = LIST_URL,
         .body = LIST("20", POD("p1", "11", "Pending") "," POD("p2", "12", "Pending"))},
        {.want = LIST_URL, .body = LIST("30", POD("p1", "11", "Pending"))},
        {.want = WATCH_URL("30"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 5, &seen);
    seen.pause_on_pod = true;
    WAIT_UNTIL(fake, seen.pods == 1);
    WAIT_UNTIL(fake, fake_abandoned(fake));
    assert_int_equal(seen.pods, 1);
    assert_null(lx_watch_find(seen.watch, "j"));
    seen.pause_on_pod = seen.resume_too = true;
    lx_watch_resume(seen.watch);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_string_equal(lx_buf_str(&seen.text),
                        "CHANGED p1 Pending;CHANGED p1 Pending;CHANGED p1 Pending;");
    end(fake, &seen);
}

#define NAMED(uid, version, job, created) "{" META(uid, version, job, created) "}"

static void test_find(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = LIST_URL,
         .body = LIST(
             "10", NAMED("b", "1", "j", "2026-01-01T00:00:02Z") "," NAMED(
                       "a", "2", "j", "2026-01-01T00:00:01Z") "," NAMED("c", "3", "k",
                                                                        "2026-01-01T00:00:09Z"))},
        {.want = WATCH_URL("10"), .action = FAKE_HOLD},
    };
    struct seen seen;
    struct fake *fake = begin(steps, 2, &seen);
    WAIT_UNTIL(fake, fake_finished(fake));
    assert_string_equal(lx_watch_find(seen.watch, "j")->uid, "b");
    assert_string_equal(lx_watch_find(seen.watch, "k")->uid, "c");
    assert_null(lx_watch_find(seen.watch, "none"));
    assert_string_equal(lx_watch_find_uid(seen.watch, "a")->uid, "a");
    assert_null(lx_watch_find_uid(seen.watch, "j"));
    end(fake, &seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_and_watch), cmocka_unit_test(test_resume),
        cmocka_unit_test(test_gone),           cmocka_unit_test(test_list_expires),
        cmocka_unit_test(test_forbidden),      cmocka_unit_test(test_silent),
        cmocka_unit_test(test_silent_stream),  cmocka_unit_test(test_list_told_to_wait),
        cmocka_unit_test(test_token),          cmocka_unit_test(test_closes_at_once),
        cmocka_unit_test(test_pause),          cmocka_unit_test(test_pause_inside),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown);
}
