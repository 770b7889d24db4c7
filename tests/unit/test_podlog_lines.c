/* Timestamps stripped, and after a cut nothing twice and nothing lost, wherever the cut is. */
#include "kube/podlog_lines.h"

#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct taker {
    struct lx_loglines lines;
    struct lx_buf got;
};

static void on_emit(void *arg, const char *data, size_t len)
{
    struct taker *taker = arg;
    assert_true(len > 0);
    assert_int_equal(lx_buf_add(&taker->got, data, len, NULL), 0);
}

static void taker_init(struct taker *taker)
{
    lx_loglines_init(&taker->lines, on_emit, taker);
    lx_buf_init(&taker->got, (size_t)64 << 20);
}

static void taker_done(struct taker *taker)
{
    lx_loglines_done(&taker->lines);
    lx_buf_done(&taker->got);
}

/* One entry of a container runtime's log file. */
struct record {
    const char *stamp;
    const char *text;
    bool partial; /* no line end yet */
};

/* What the kubelet answers for the file: entries before `since` are left out, a timestamp stands
 * only before the first entry of a line. */
static char *answer(const struct record *records, size_t n, const char *since)
{
    struct lx_buf out = LX_BUF_INIT((size_t)64 << 20);
    bool fresh = true;
    for (size_t i = 0; i < n; i++) {
        bool old = since && strncmp(records[i].stamp, since, 19) < 0;
        if (!old)
            assert_int_equal(lx_buf_addf(&out, NULL, "%s%s%s%s", fresh ? records[i].stamp : "",
                                         fresh ? " " : "", records[i].text,
                                         records[i].partial ? "" : "\n"),
                             0);
        fresh = !records[i].partial;
    }
    return lx_buf_take(&out);
}

static char *plain(const struct record *records, size_t n)
{
    struct lx_buf out = LX_BUF_INIT((size_t)64 << 20);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            lx_buf_addf(&out, NULL, "%s%s", records[i].text, records[i].partial ? "" : "\n"), 0);
    return lx_buf_take(&out);
}

/* Starts an answer and feeds its first `len` bytes in chunks of `step`. */
static void feed(struct taker *taker, const struct record *records, size_t n, size_t len,
                 size_t step)
{
    char since[LX_RFC3339_SIZE];
    bool has = lx_loglines_start(&taker->lines, since);
    lx_auto(str) char *text = answer(records, n, has ? since : NULL);
    size_t total = strlen(text) < len ? strlen(text) : len;
    for (size_t at = 0; at < total; at += step)
        lx_loglines_feed(&taker->lines, text + at, total - at < step ? total - at : step);
}

#define LONG                                                                                       \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

static const struct record sample[] = {
    {"2026-11-23T10:00:00.000000001Z", "first", false},
    {"2026-11-23T10:00:00.5Z", "", false},
    {"2026-11-23T10:00:00.5Z", "same stamp", false},
    {"2026-11-23T10:00:00.5Z", "same stamp", false},
    {"2026-11-23T10:00:00.5Z", "same stamp, another text", false},
    {"2026-11-23T10:00:00.999999999Z", "2026-11-23T10:00:00Z looks like one", false},
    {"2026-11-23T10:00:00.999999998Z", "a little earlier (standard error)", false},
    {"2026-11-23T10:00:01.2Z", LONG, true},
    {"2026-11-23T10:00:01.9Z", LONG "|", true},
    {"2026-11-23T10:00:03.1Z", " end of a long line", false},
    {"2026-11-23T10:00:03.2Z", LONG, false},
    {"2026-11-23T10:00:03.2Z", LONG "x", false},
    {"2026-11-23T10:00:04.1Z", "10%\r20%\r30%", false},
    {"2026-11-23T10:00:07Z", "no fraction", false},
    {"2026-11-23T10:00:07.123Z", "last", false},
};
#define N (sizeof(sample) / sizeof(sample[0]))

static void check(struct taker *taker, const char *what, size_t i)
{
    lx_auto(str) char *want = plain(sample, N);
    if (strcmp(lx_buf_str(&taker->got), want) != 0)
        fail_msg("%s %zu: got %s", what, i, lx_buf_str(&taker->got));
    assert_int_equal(taker->lines.gaps, 0);
}

static void test_chunks(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step++) {
        struct taker taker;
        taker_init(&taker);
        feed(&taker, sample, N, SIZE_MAX, step);
        check(&taker, "chunks of", step);
        taker_done(&taker);
    }
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    lx_auto(str) char *text = answer(sample, N, NULL);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct taker taker;
        taker_init(&taker);
        feed(&taker, sample, N, cut, 7);
        feed(&taker, sample, N, SIZE_MAX, 11);
        check(&taker, "cut at", cut);
        feed(&taker, sample, N, SIZE_MAX, 13); /* the last read confirms */
        check(&taker, "confirmed after a cut at", cut);
        taker_done(&taker);
    }
}

/* Cut twice, the second answer at every byte, too: also while the place is being looked up. */
static void test_cut_twice(void **state)
{
    (void)state;
    lx_auto(str) char *text = answer(sample, N, NULL);
    for (size_t first = 0; first <= strlen(text); first += 13) {
        for (size_t second = 0; second <= strlen(text); second++) {
            struct taker taker;
            taker_init(&taker);
            feed(&taker, sample, N, first, 64);
            feed(&taker, sample, N, second, 64);
            feed(&taker, sample, N, SIZE_MAX, 64);
            check(&taker, "cut twice, second at", second);
            taker_done(&taker);
        }
    }
}

/* The log grows by one entry between cuts: what tail -f over a bad line sees. */
static void test_growing(void **state)
{
    (void)state;
    for (size_t back = 0; back < 40; back++) {
        struct taker taker;
        taker_init(&taker);
        for (size_t n = 1; n <= N; n++) {
            char since[LX_RFC3339_SIZE];
            struct taker probe = taker; /* the answer's length, without disturbing the state */
            bool has = lx_loglines_start(&probe.lines, since);
            lx_auto(str) char *text = answer(sample, n, has ? since : NULL);
            size_t len = strlen(text);
            feed(&taker, sample, n, len > back ? len - back : 0, 5);
        }
        feed(&taker, sample, N, SIZE_MAX, 5);
        check(&taker, "growing, short by", back);
        taker_done(&taker);
    }
}

/* A long line whose beginning is filtered out comes without a timestamp, after others that have
 * one: it is no line of its own. */
static void test_headless_between_others(void **state)
{
    (void)state;
    static const struct record records[] = {
        {"2026-11-23T10:00:10.1Z", "standard error", false},
        {"2026-11-23T10:00:09.95Z", LONG, true},
        {"2026-11-23T10:00:10.2Z", "end of it", false},
        {"2026-11-23T10:00:10.3Z", "more", false},
        {"2026-11-23T10:00:10.4Z", "and more", false},
    };
    lx_auto(str) char *text = answer(records, 5, NULL);
    lx_auto(str) char *want = plain(records, 5);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct taker taker;
        taker_init(&taker);
        feed(&taker, records, 5, cut, 9);
        feed(&taker, records, 5, SIZE_MAX, 9);
        assert_string_equal(lx_buf_str(&taker.got), want);
        taker_done(&taker);
    }
}

/* How a long log is taken up again: from its end. With `ignored` the server knows no tailLines. */
static void take_up(struct taker *taker, const struct record *records, size_t n, size_t len,
                    bool ignored, size_t *ret_bytes)
{
    bool missed = true;
    while (missed) {
        char since[LX_RFC3339_SIZE];
        bool has = lx_loglines_start(&taker->lines, since);
        size_t tail = (size_t)lx_loglines_tail(&taker->lines);
        size_t from = tail && tail < n && !ignored ? n - tail : 0;
        lx_auto(str) char *text = answer(records + from, n - from, has ? since : NULL);
        bool ended = len >= strlen(text);
        *ret_bytes += ended ? strlen(text) : len;
        lx_loglines_feed(&taker->lines, text, ended ? strlen(text) : len);
        missed = lx_loglines_missed(&taker->lines, ended);
    }
}

/* A hundred lines a second for 50 s, taken up again after each 30,000 bytes. */
static void check_from_the_end(bool ignored)
{
    enum { LINES = 5000, A_SECOND = 100 };
    static struct record records[LINES];
    static char stamps[LINES][32];
    struct taker taker;
    size_t bytes = 0, reads = 0;
    for (size_t i = 0; i < LINES; i++) {
        (void)snprintf(stamps[i], sizeof(stamps[i]), "2026-11-23T10:%02zu:%02zu.%09zuZ",
                       i / A_SECOND / 60, i / A_SECOND % 60, i % A_SECOND * 5000000);
        records[i] = (struct record){stamps[i], i % 3 ? "same text" : stamps[i], i % 50 == 7};
    }
    taker_init(&taker);
    taker.lines.tail_from = 1000;
    feed(&taker, records, LINES, 80000, 4096);
    for (size_t got = 0; got != taker.got.len; reads++) {
        got = taker.got.len;
        take_up(&taker, records, LINES, 30000, ignored, &bytes);
    }
    lx_auto(str) char *want = plain(records, LINES);
    assert_string_equal(lx_buf_str(&taker.got), want);
    assert_int_equal(taker.lines.gaps, 0);
    assert_true(reads > 5);
    taker_done(&taker);
}

static void test_from_the_end(void **state)
{
    (void)state;
    check_from_the_end(false);
    check_from_the_end(true);
}

/* Lines so rare that none shows how far back an answer reaches: all are asked for. */
static void test_from_the_end_of_rare_lines(void **state)
{
    static struct record records[600];
    static char stamps[600][32];
    struct taker taker;
    size_t bytes = 0;
    (void)state;
    for (size_t i = 0; i < 600; i++) {
        (void)snprintf(stamps[i], sizeof(stamps[i]), "2026-11-23T%02zu:%02zu:00Z", i / 60, i % 60);
        records[i] = (struct record){stamps[i], "rare", false};
    }
    taker_init(&taker);
    taker.lines.tail_from = 100;
    feed(&taker, records, 300, SIZE_MAX, 64);
    take_up(&taker, records, 600, SIZE_MAX, false, &bytes);
    lx_auto(str) char *want = plain(records, 600);
    assert_string_equal(lx_buf_str(&taker.got), want);
    taker_done(&taker);
}

/* The second piece of a line looks like another line, and an answer from the end may begin there.
 */
static void test_from_within_a_line(void **state)
{
    enum { OLD = 60, NEW = 40 };
    static struct record records[OLD + 3 + NEW];
    static char stamps[OLD + NEW][32];
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < OLD; i++) {
        (void)snprintf(stamps[i], sizeof(stamps[i]), "2026-11-23T10:00:%02zuZ", i / 15);
        records[n++] = (struct record){stamps[i], "old", false};
    }
    records[n++] = (struct record){"2026-11-23T10:00:05.1Z", "the same", false};
    records[n++] = (struct record){"2026-11-23T10:00:05.1Z", LONG, true};
    records[n++] = (struct record){"2026-11-23T10:00:05.1Z", "the same", false};
    for (size_t i = 0; i < NEW; i++) {
        (void)snprintf(stamps[OLD + i], sizeof(stamps[OLD + i]), "2026-11-23T10:00:05.%03zuZ",
                       400 + i);
        records[n++] = (struct record){stamps[OLD + i], "new", false};
    }
    for (size_t had = OLD + 3; had <= n; had++) {
        for (size_t more = had; more <= n; more++) {
            struct taker taker;
            size_t bytes = 0;
            taker_init(&taker);
            taker.lines.tail_from = 1;
            taker.lines.piece_min = strlen(LONG);
            feed(&taker, records, had, SIZE_MAX, 64);
            take_up(&taker, records, more, SIZE_MAX, false, &bytes);
            lx_auto(str) char *want = plain(records, more);
            assert_string_equal(lx_buf_str(&taker.got), want);
            taker_done(&taker);
        }
    }
}

static void test_clock_goes_back(void **state)
{
    (void)state;
    static const struct record records[] = {
        {"2026-11-23T10:00:10.1Z", "before", false},
        {"2026-11-23T10:00:02.1Z", "the clock was set back", false},
        {"2026-11-23T10:00:02.2Z", "and goes on", false},
        {"2026-11-23T10:00:02.3Z", "for a while", false},
    };
    lx_auto(str) char *text = answer(records, 4, NULL);
    lx_auto(str) char *want = plain(records, 4);
    for (size_t cut = 80; cut <= strlen(text); cut++) {
        struct taker taker;
        taker_init(&taker);
        feed(&taker, records, 4, cut, 9);
        feed(&taker, records, 4, SIZE_MAX, 9);
        assert_string_equal(lx_buf_str(&taker.got), want);
        taker_done(&taker);
    }
}

static const struct record rotated[] = {
    {"2026-11-23T10:00:05.1Z", "kept 1", false},
    {"2026-11-23T10:00:05.2Z", "kept 2", false},
    {"2026-11-23T10:00:05.3Z", "kept 3", false},
};

static void test_rotated_away(void **state)
{
    (void)state;
    struct taker taker;
    taker_init(&taker);
    feed(&taker, sample, 7, SIZE_MAX, 64);
    lx_auto(str) char *before = plain(sample, 7);
    feed(&taker, rotated, 3, SIZE_MAX, 64);
    lx_auto(str) char *after = plain(rotated, 3);
    lx_auto(str) char *want = lx_strf(
        "%s[lunexec: log lines between 2026-11-23T10:00:00.999999999Z and 2026-11-23T10:00:05.1Z "
        "are missing: rotated away by the kubelet]\n%s",
        before, after);
    assert_string_equal(lx_buf_str(&taker.got), want);
    assert_int_equal(taker.lines.gaps, 1);
    feed(&taker, rotated, 3, SIZE_MAX, 64);
    assert_string_equal(lx_buf_str(&taker.got), want);
    taker_done(&taker);
}

/* Rotated, but the follower had gone on into the new file: nothing is missing. */
static void test_rotated_overlap(void **state)
{
    (void)state;
    struct record both[N + 3];
    memcpy(both, sample, sizeof(sample));
    memcpy(both + N, rotated, sizeof(rotated));
    both[N].stamp = "2026-11-23T10:00:07.4Z";
    both[N + 1].stamp = "2026-11-23T10:00:07.5Z";
    both[N + 2].stamp = "2026-11-23T10:00:07.6Z";
    lx_auto(str) char *want = plain(both, N + 3);
    for (size_t had = N + 1; had <= N + 3; had++) {
        struct taker taker;
        taker_init(&taker);
        feed(&taker, both, had, SIZE_MAX, 64);
        feed(&taker, both + N, 3, SIZE_MAX, 64);
        assert_string_equal(lx_buf_str(&taker.got), want);
        taker_done(&taker);
    }
}

/* Far more lines in one second than are remembered, some of them in a file that is gone. */
static void test_rotated_flood(void **state)
{
    (void)state;
    enum { LINES = 3000, KEPT = 2000 };
    static char texts[LINES][16];
    static char stamps[LINES][40];
    static struct record records[LINES];
    for (int i = 0; i < LINES; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "line %d", i);
        (void)snprintf(stamps[i], sizeof(stamps[i]), "2026-11-23T10:00:05.%09dZ", 1000 + i / 3);
        records[i] = (struct record){stamps[i], texts[i], false};
    }
    lx_auto(str) char *want = plain(records, LINES);
    struct taker taker;
    taker_init(&taker);
    feed(&taker, records, LINES - 10, SIZE_MAX, 4096);
    feed(&taker, records + LINES - KEPT, KEPT, SIZE_MAX, 4096);
    assert_string_equal(lx_buf_str(&taker.got), want);
    taker_done(&taker);
}

static void test_open_line_rotated_away(void **state)
{
    (void)state;
    struct taker taker;
    taker_init(&taker);
    char since[LX_RFC3339_SIZE];
    assert_false(lx_loglines_start(&taker.lines, since));
    lx_loglines_feed(&taker.lines, "2026-11-23T10:00:00.1Z half a li", 32);
    feed(&taker, rotated, 1, SIZE_MAX, 64);
    assert_string_equal(
        lx_buf_str(&taker.got),
        "half a li\n[lunexec: log lines between 2026-11-23T10:00:00.1Z and "
        "2026-11-23T10:00:05.1Z are missing: rotated away by the kubelet]\nkept 1\n");
    taker_done(&taker);
}

static void test_end_not_confirmed(void **state)
{
    (void)state;
    struct taker taker;
    char since[LX_RFC3339_SIZE];
    taker_init(&taker);
    feed(&taker, sample, 1, SIZE_MAX, 64);
    assert_true(lx_loglines_start(&taker.lines, since));
    assert_string_equal(since, "2026-11-23T09:59:59Z");
    lx_loglines_finish(&taker.lines, true); /* the follow had ended by itself: all was there */
    assert_string_equal(lx_buf_str(&taker.got), "first\n");
    assert_true(lx_loglines_start(&taker.lines, since));
    lx_loglines_finish(&taker.lines, false);
    assert_string_equal(lx_buf_str(&taker.got),
                        "first\n[lunexec: log lines after 2026-11-23T10:00:00.000000001Z may be "
                        "missing: rotated away by the kubelet]\n");
    taker_done(&taker);
}

/* A container's last bytes without a line end, seconds after the line before. */
static void test_no_line_end(void **state)
{
    (void)state;
    static const char *const ends[] = {"$ ", LONG};
    for (size_t i = 0; i < 2; i++) {
        const struct record records[] = {
            {"2026-11-23T10:00:01.1Z", "one", false},
            {"2026-11-23T10:00:01.2Z", "two", false},
            {"2026-11-23T10:00:09.9Z", ends[i], true},
        };
        lx_auto(str) char *text = answer(records, 3, NULL);
        lx_auto(str) char *want = plain(records, 3);
        for (size_t cut = 0; cut <= strlen(text); cut++) {
            struct taker taker;
            taker_init(&taker);
            feed(&taker, records, 3, cut, 9);
            feed(&taker, records, 3, SIZE_MAX, 9);
            feed(&taker, records, 3, SIZE_MAX, 9);
            lx_loglines_finish(&taker.lines, false);
            assert_string_equal(lx_buf_str(&taker.got), want);
            taker_done(&taker);
        }
    }
}

/* After a rotation the new file holds nothing but a few bytes. */
static void test_rotated_short_end(void **state)
{
    (void)state;
    static const struct record end = {"2026-11-23T10:00:05.1Z", "$ ", true};
    struct taker taker;
    taker_init(&taker);
    feed(&taker, sample, 1, SIZE_MAX, 64);
    feed(&taker, &end, 1, SIZE_MAX, 64);
    lx_loglines_finish(&taker.lines, false);
    assert_string_equal(lx_buf_str(&taker.got),
                        "first\n[lunexec: log lines between 2026-11-23T10:00:00.000000001Z and "
                        "2026-11-23T10:00:05.1Z are missing: rotated away by the kubelet]\n$ ");
    taker_done(&taker);
}

static void test_refusal(void **state)
{
    (void)state;
    struct taker taker;
    char since[LX_RFC3339_SIZE];
    static const char *const texts[] = {"unable to retrieve container logs for containerd://ab",
                                        "2026 is no timestamp\n", "\n", "12345"};
    for (size_t i = 0; i < 4; i++) {
        taker_init(&taker);
        assert_false(lx_loglines_start(&taker.lines, since));
        lx_loglines_feed(&taker.lines, texts[i], strlen(texts[i]));
        assert_string_equal(lx_buf_str(&taker.got), "");
        if (i < 3)
            assert_string_equal(lx_loglines_refusal(&taker.lines), texts[i]);
        feed(&taker, sample, N, SIZE_MAX, 64);
        assert_string_equal(lx_loglines_refusal(&taker.lines), "");
        check(&taker, "after refusal", i);
        taker_done(&taker);
    }
}

/* A long line is delivered as it comes, and memory stays flat. */
static void test_endless_line(void **state)
{
    (void)state;
    struct taker taker;
    char since[LX_RFC3339_SIZE];
    static char block[65536];
    memset(block, 'x', sizeof(block));
    taker_init(&taker);
    assert_false(lx_loglines_start(&taker.lines, since));
    lx_loglines_feed(&taker.lines, "2026-11-23T10:00:00.1Z ", 23);
    for (int i = 0; i < 256; i++) {
        lx_loglines_feed(&taker.lines, block, sizeof(block));
        assert_int_equal(taker.got.len, (size_t)(i + 1) * sizeof(block));
    }
    assert_true(taker.lines.out.cap <= sizeof(block) * 2);
    taker_done(&taker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_twice),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_headless_between_others),
        cmocka_unit_test(test_clock_goes_back),
        cmocka_unit_test(test_from_the_end),
        cmocka_unit_test(test_from_the_end_of_rare_lines),
        cmocka_unit_test(test_from_within_a_line),
        cmocka_unit_test(test_rotated_away),
        cmocka_unit_test(test_rotated_overlap),
        cmocka_unit_test(test_rotated_flood),
        cmocka_unit_test(test_open_line_rotated_away),
        cmocka_unit_test(test_end_not_confirmed),
        cmocka_unit_test(test_no_line_end),
        cmocka_unit_test(test_rotated_short_end),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_endless_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
