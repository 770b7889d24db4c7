/* The sink: what comes out for which bytes, whatever the chunks; limits, files, full disks. */
#include "lunexec/json.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/rand.h"
#include "lunexec/sink.h"
#include "lunexec/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

LX_DEFINE_AUTO(mask, struct lx_mask *, lx_mask_free)
LX_DEFINE_AUTO(sink, struct lx_sink *, lx_sink_free)

#define MAX_OUTPUT ((size_t)64 * 1024 * 1024)

static struct lx_sink *open_sink(const struct lx_sink_opts *opts)
{
    struct lx_sink *sink = NULL;
    struct lx_err err = {0};
    if (lx_sink_new(opts, &sink, &err) < 0)
        fail_msg("%s", err.text);
    return sink;
}

/* Reads a source in pieces of `step` bytes. */
static char *read_source(const struct lx_out_source *source, size_t step)
{
    struct lx_buf text = LX_BUF_INIT(MAX_OUTPUT);
    lx_auto(str) char *piece = lx_alloc(step);
    for (uint64_t at = 0; at < source->len;) {
        ssize_t n = source->read(source->arg, at, piece, step);
        assert_true(n > 0);
        /* Short only at the end. */
        assert_true((size_t)n == step || at + (uint64_t)n == source->len);
        assert_int_equal(lx_buf_add(&text, piece, (size_t)n, NULL), 0);
        at += (uint64_t)n;
    }
    return lx_buf_take(&text);
}

static char *kept(struct lx_sink *sink)
{
    struct lx_out_source source = lx_sink_source(sink);
    assert_int_equal(source.len, lx_sink_size(sink));
    return read_source(&source, 4096);
}

/* The kept text as the server will see it. */
static char *unescaped(const char *text)
{
    lx_auto(str) char *json = lx_strf("\"%s\"", text);
    lx_auto(json) json_t *value = NULL;
    struct lx_err err = {0};
    if (lx_json_parse(json, strlen(json), &value, &err) < 0)
        fail_msg("%s", err.text);
    return lx_strdup(json_string_value(value));
}

static char *relay(const struct lx_mask *mask, const char *data, size_t len, size_t chunk,
                   struct lx_rand *rand)
{
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.mask = mask});
    for (size_t at = 0; at < len;) {
        size_t n = rand ? 1 + (size_t)lx_rand_below(rand, chunk) : chunk;
        n = n < len - at ? n : len - at;
        assert_int_equal(lx_sink_write(sink, data + at, n, NULL), 0);
        at += n;
    }
    assert_int_equal(lx_sink_close(sink, NULL), 0);
    return kept(sink);
}

static const struct {
    const char *data;
    size_t len;
    const char *expected;
} inputs[] = {
#define INPUT(text, out) {text, sizeof(text) - 1, out}
    INPUT("", ""),
    INPUT("hello\n", "stdout: hello\\n"),
    INPUT("hello", "stdout: hello\\n"),
    INPUT("a\nb\nc", "stdout: a\\nstdout: b\\nstdout: c\\n"),
    INPUT("\n", "stdout: \\n"),
    INPUT("\n\n", "stdout: \\nstdout: \\n"),
    INPUT("a\r\nb\r\n", "stdout: a\\nstdout: b\\n"),
    INPUT("a\r\r\nb", "stdout: a\\r\\nstdout: b\\n"),
    INPUT("10%\r20%\r30%\n", "stdout: 10%\\r20%\\r30%\\n"),
    INPUT("no end\r", "stdout: no end\\n"),
    INPUT("\r", "stdout: \\n"),
    INPUT("\r\n\r", "stdout: \\nstdout: \\n"),
    INPUT("nul \0 here\n", "stdout: nul \\u0000 here\\n"),
    INPUT("q\"b\\s\tt\n", "stdout: q\\\"b\\\\s\\tt\\n"),
    INPUT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\n",
          "stdout: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\\n"),
    INPUT("bad \xff\xfe.\n", "stdout: bad \xef\xbf\xbd\xef\xbf\xbd.\\n"),
    INPUT("cut \xe2\x82\nx", "stdout: cut \xef\xbf\xbd\xef\xbf\xbd\\nstdout: x\\n"),
    INPUT("cut \xf0\x9f\x98", "stdout: cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\n"),
    INPUT("\xc3\r\n\xe2\x82\r", "stdout: \xef\xbf\xbd\\nstdout: \xef\xbf\xbd\xef\xbf\xbd\\n"),
    INPUT("\x80\x80\x80\x80\x80\n",
          "stdout: \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\n"),
    INPUT("pw hunter2\n", "stdout: pw ***\\n"),
    INPUT("hunter2\rhunter2\r\nhunter", "stdout: ***\\r***\\nstdout: hunter\\n"),
    INPUT("first line\nsecond", "stdout: TWO\\n"),
    INPUT("first line\n", "stdout: TWO\\n"),
    INPUT("first lin", "stdout: first lin\\n"),
    INPUT("multi\nx", "stdout: A\\nstdout: B\\n"),
#undef INPUT
};

static struct lx_mask *input_mask(void)
{
    const struct lx_secret secrets[] = {
        {"hunter2", "***"}, {"first line\nsecond", "TWO"}, {"multi\nx", "A\nB"}};
    struct lx_mask *mask = NULL;
    assert_int_equal(lx_mask_new(secrets, 3, &mask, NULL, NULL), 0);
    return mask;
}

static void each_input_gives_its_output(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = input_mask();
    for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
        for (size_t chunk = 1; chunk <= inputs[i].len + 1; chunk++) {
            lx_auto(str) char *out = relay(mask, inputs[i].data, inputs[i].len, chunk, NULL);
            assert_string_equal(out, inputs[i].expected);
        }
    }
}

static void chunks_make_no_difference(void **state)
{
    struct lx_rand rand;
    (void)state;
    lx_rand_init(&rand, 42);
    lx_auto(mask) struct lx_mask *mask = input_mask();
    for (int round = 0; round < 300; round++) {
        lx_auto(buf) struct lx_buf data = LX_BUF_INIT(100000);
        while (data.len < 2000 && lx_rand_below(&rand, 100) > 0) {
            size_t i = (size_t)lx_rand_below(&rand, sizeof(inputs) / sizeof(*inputs));
            assert_int_equal(lx_buf_add(&data, inputs[i].data, inputs[i].len, NULL), 0);
        }
        lx_auto(str) char *whole = relay(mask, data.data, data.len, data.len + 1, NULL);
        for (size_t chunk = 1; chunk <= 64; chunk *= 2) {
            lx_auto(str) char *out = relay(mask, data.data, data.len, chunk, &rand);
            assert_string_equal(out, whole);
        }
    }
}

static void long_lines_are_one_line(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };
    (void)state;
    lx_auto(str) char *data = lx_alloc(SIZE + 2);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)('a' + i % 26);
    memcpy(data + SIZE - 3, "\xe2\x82\xac", 3);
    memcpy(data + 65530, "\xe2\x82\xac", 3);
    data[SIZE] = '\n';
    lx_auto(str) char *out = relay(NULL, data, SIZE + 1, 10000, NULL);
    assert_true(lx_starts_with(out, "stdout: abc"));
    assert_true(lx_ends_with(out, "\xe2\x82\xac\\n"));
    assert_int_equal(strlen(out), SIZE + 10);
    assert_null(strstr(out + 1, "stdout"));
    assert_null(strstr(out, "\xef\xbf\xbd"));
}

static void own_lines_stand_alone(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = input_mask();
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.mask = mask});
    assert_int_equal(lx_sink_line(sink, "pulling image", NULL), 0);
    assert_int_equal(lx_sink_write(sink, "half", 4, NULL), 0);
    assert_int_equal(lx_sink_line(sink, "a gap of hunter2", NULL), 0);
    assert_int_equal(lx_sink_write(sink, "rest\nhunt", 9, NULL), 0);
    assert_int_equal(lx_sink_line(sink, "two\nlines\n", NULL), 0);
    assert_int_equal(lx_sink_line(sink, "", NULL), 0);
    assert_int_equal(lx_sink_close(sink, NULL), 0);
    lx_auto(str) char *out = kept(sink);
    assert_string_equal(out, "stdout: pulling image\\nstdout: half\\nstdout: a gap of ***\\n"
                             "stdout: rest\\nstdout: hunt\\nstdout: two\\nstdout: lines\\n"
                             "stdout: \\n");
}

static void raw_text_has_no_prefix(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = input_mask();
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.mask = mask});
    assert_int_equal(lx_sink_raw(sink, "Failed to delete job x", NULL), 0);
    assert_int_equal(lx_sink_raw(sink, "Failed hunter2\n", NULL), 0);
    assert_int_equal(lx_sink_raw(sink, "open", NULL), 0);
    assert_int_equal(lx_sink_line(sink, "line", NULL), 0);
    assert_int_equal(lx_sink_write(sink, "half", 4, NULL), 0);
    assert_int_equal(lx_sink_raw(sink, "raw", NULL), 0);
    assert_int_equal(lx_sink_close(sink, NULL), 0);
    lx_auto(str) char *out = kept(sink);
    assert_string_equal(out, "Failed to delete job xFailed ***\\nopen\\nstdout: line\\n"
                             "stdout: half\\nraw");
}

static void output_is_readable_while_it_grows(void **state)
{
    (void)state;
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.memory_max = 64});
    assert_int_equal(lx_sink_size(sink), 0);
    assert_int_equal(lx_sink_write(sink, "one\ntw", 6, NULL), 0);
    struct lx_out_source source = lx_sink_source(sink);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lx_sink_write(sink, "o\nthree more to fill it", 23, NULL), 0);
    /* The view is as it was when it was taken, though the text has moved to a file since. */
    lx_auto(str) char *before = read_source(&source, 5);
    assert_string_equal(before, "stdout: one\\nstdout: tw");
    lx_auto(str) char *after = kept(sink);
    assert_true(lx_starts_with(after, "stdout: one\\nstdout: two\\nstdout: three more"));
    assert_int_equal(lx_sink_close(sink, NULL), 0);
    assert_int_equal(lx_sink_write(sink, "x", 1, NULL), -1);
}

/* ---- Limits ---- */

/* The number in a line "stdout: line N ..."; -1 for another line. */
static int64_t line_number(const char *line)
{
    int64_t number;
    if (!lx_starts_with(line, "stdout: line "))
        return -1;
    lx_auto(str) char *digits = lx_strndup(line + 13, strspn(line + 13, "0123456789"));
    return lx_parse_i64(digits, &number) < 0 ? -1 : number;
}

/* Checks that head and tail are whole and that the notice counts what lies between. */
static void check_limited(struct lx_sink *sink, uint64_t limit, int64_t written, size_t line_len)
{
    lx_auto(str) char *escaped = kept(sink);
    assert_true(strlen(escaped) <= limit + 200);
    lx_auto(str) char *text = unescaped(escaped);
    char **lines = lx_split(text, '\n');
    int64_t next = 0;
    bool noticed = false;
    for (size_t i = 0; lines[i] && lines[i + 1]; i++) {
        int64_t number = line_number(lines[i]);
        if (number == next) {
            next++;
            continue;
        }
        assert_false(noticed);
        noticed = true;
        int64_t resumed = line_number(lines[i + 1]), missing = resumed - next;
        assert_true(missing > 0);
        lx_auto(str) char *notice =
            lx_strf("stdout: [%zu bytes (%lld lines) of output are left out here: the log limit is "
                    "%llu bytes]",
                    (size_t)missing * line_len, (long long)missing, (unsigned long long)limit);
        assert_string_equal(lines[i], notice);
        next = resumed;
    }
    lx_strv_free(lines);
    assert_int_equal(next, written);
    if (noticed)
        assert_true(strlen(escaped) > limit * 3 / 4 - 2 * line_len);
    else
        assert_true((uint64_t)written * (line_len + 9) <= limit);
}

static void the_middle_is_left_out(void **state)
{
    static const uint64_t limits[] = {1024, 4096, 100000};
    enum { LINE = 20 };
    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        lx_auto(sink) struct lx_sink *sink =
            open_sink(&(struct lx_sink_opts){.limit = limits[i], .memory_max = 512});
        for (int64_t n = 0; n < 8000; n++) {
            char line[LINE + 1];
            assert_int_equal(snprintf(line, sizeof(line), "line %06lld abcdefg\n", (long long)n),
                             LINE);
            assert_int_equal(lx_sink_write(sink, line, LINE, NULL), 0);
            if (n % 500 == 499)
                check_limited(sink, limits[i], n + 1, LINE);
        }
    }
}

/* A view goes on being readable while what it shows is dropped. */
static void a_view_outlives_what_is_dropped(void **state)
{
    (void)state;
    lx_auto(sink) struct lx_sink *sink =
        open_sink(&(struct lx_sink_opts){.limit = 2048, .memory_max = 100});
    for (int i = 0; i < 100; i++)
        assert_int_equal(lx_sink_write(sink, "some line of text\n", 18, NULL), 0);
    struct lx_out_source source = lx_sink_source(sink);
    lx_auto(str) char *before = read_source(&source, 100);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lx_sink_write(sink, "another line of text\n", 21, NULL), 0);
    lx_auto(str) char *later = read_source(&source, 7);
    assert_string_equal(before, later);
    lx_auto(buf) struct lx_buf copy = LX_BUF_INIT(1 << 20);
    assert_int_equal(lx_sink_copy(sink, &copy, NULL), 0);
    lx_auto(str) char *after = read_source(&source, 100);
    assert_string_equal(before, after);
    lx_auto(str) char *now = kept(sink);
    assert_non_null(strstr(now, "another"));
    assert_string_equal(lx_buf_str(&copy), now);
    struct lx_buf small = LX_BUF_INIT(100);
    struct lx_err err;
    assert_int_equal(lx_sink_copy(sink, &small, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    lx_buf_done(&small);
}

static void one_endless_line_keeps_the_limit(void **state)
{
    (void)state;
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.limit = 4096});
    for (int i = 0; i < 3000; i++)
        assert_int_equal(lx_sink_write(sink, "\xe2\x82\xac \"quoted\" \x01 ", 15, NULL), 0);
    assert_int_equal(lx_sink_write(sink, "END", 3, NULL), 0);
    assert_int_equal(lx_sink_close(sink, NULL), 0);
    lx_auto(str) char *escaped = kept(sink);
    assert_true(strlen(escaped) <= 4096 + 200);
    lx_auto(str) char *text = unescaped(escaped);
    assert_null(strstr(text, "\xef\xbf\xbd"));
    assert_true(lx_starts_with(text, "stdout: \xe2\x82\xac \"quoted\""));
    assert_non_null(strstr(text, "\nstdout: ["));
    assert_non_null(strstr(text, " bytes (0 lines) of output are left out here"));
    assert_non_null(strstr(text, "bytes]\nstdout: "));
    assert_true(lx_ends_with(text, "END\n"));
}

/* ---- Memory and disk ---- */

static long resident_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void memory_stays_flat(void **state)
{
    enum { MEGABYTES = 100 };
    static char chunk[16384];
    (void)state;
    for (size_t i = 0; i < sizeof(chunk); i++)
        chunk[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 23);
    lx_auto(sink) struct lx_sink *sink = open_sink(&(struct lx_sink_opts){.mask = NULL});
    assert_int_equal(lx_sink_write(sink, chunk, sizeof(chunk), NULL), 0);
    long before = resident_kib();
    for (size_t n = 0; n < (size_t)MEGABYTES * 64; n++)
        assert_int_equal(lx_sink_write(sink, chunk, sizeof(chunk), NULL), 0);
    struct lx_out_source source = lx_sink_source(sink);
    assert_true(source.len > (uint64_t)MEGABYTES * 1024 * 1024);
    char piece[4096];
    for (uint64_t at = 0; at < source.len; at += sizeof(piece))
        assert_true(source.read(source.arg, at, piece, sizeof(piece)) > 0);
    assert_true(resident_kib() - before < 8 * 1024);
}

static void a_missing_directory_is_an_error(void **state)
{
    struct lx_err err = {0};
    (void)state;
    lx_auto(sink) struct lx_sink *sink =
        open_sink(&(struct lx_sink_opts){.spool_dir = "/nonexistent/dir", .memory_max = 32});
    assert_int_equal(lx_sink_write(sink, "fits\n", 5, &err), 0);
    assert_int_equal(lx_sink_write(sink, "does not fit any more\n", 22, &err), -1);
    assert_int_equal(err.code, LX_E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/dir"));
    memset(&err, 0, sizeof(err));
    assert_int_equal(lx_sink_line(sink, "x", &err), -1);
    assert_int_equal(err.code, LX_E_IO);
    assert_int_equal(lx_sink_close(sink, &err), -1);
    lx_auto(str) char *out = kept(sink);
    assert_true(
        lx_starts_with(out, "stdout: fits\\nstdout: [lunexec] the rest of this log is missing: "));
    assert_non_null(strstr(out, "/nonexistent/dir"));
    assert_true(lx_ends_with(out, "\\n"));
    assert_null(strstr(out, "does not fit"));
}

/* Two sinks share what their files may hold; what is freed can be used again. */
static void a_budget_is_shared(void **state)
{
    (void)state;
    struct lx_spool_budget budget = {.limit = 100000};
    struct lx_sink_opts opts = {.memory_max = 1024, .budget = &budget};
    struct lx_err err = {0};
    static char chunk[60001];
    memset(chunk, 'x', sizeof(chunk) - 1);
    chunk[sizeof(chunk) - 1] = '\n';
    struct lx_sink *first = open_sink(&opts);
    assert_int_equal(lx_sink_write(first, chunk, sizeof(chunk), &err), 0);
    assert_true(budget.used > 10000 && budget.used <= budget.limit);
    lx_auto(sink) struct lx_sink *second = open_sink(&opts);
    assert_int_equal(lx_sink_write(second, "open", 4, &err), 0);
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = lx_sink_write(second, chunk, sizeof(chunk), &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_true(budget.used <= budget.limit);
    lx_auto(str) char *out = kept(second);
    assert_true(lx_starts_with(out, "stdout: open"));
    assert_non_null(strstr(out, "\\nstdout: [lunexec] the rest of this log is missing: "));
    assert_non_null(strstr(out, "LUNEXEC_SPOOL_LIMIT is 100000\\n"));

    lx_sink_free(first);
    lx_auto(sink) struct lx_sink *third = open_sink(&opts);
    assert_int_equal(lx_sink_write(third, chunk, sizeof(chunk), &err), 0);
    lx_sink_free(lx_take(third));
    lx_sink_free(lx_take(second));
    assert_int_equal(budget.used, 0);
}

/* Many sinks, none of them large: together they stay near the memory they may have, and each still
 * has all that was written to it. */
static void memory_is_shared(void **state)
{
    (void)state;
    enum { SINKS = 50, LINES = 2000 };
    struct lx_spool_budget budget = {.memory_limit = (size_t)1024 * 1024};
    struct lx_sink_opts opts = {.budget = &budget};
    struct lx_sink *sinks[SINKS];
    for (size_t i = 0; i < SINKS; i++)
        sinks[i] = open_sink(&opts);
    size_t peak = 0;
    for (int line = 0; line < LINES; line++) {
        for (size_t i = 0; i < SINKS; i++) {
            struct lx_err err = {0};
            lx_auto(str) char *text = lx_strf("line %d of sink %zu, and some more\n", line, i);
            assert_int_equal(lx_sink_write(sinks[i], text, strlen(text), &err), 0);
        }
        if (budget.memory_used > peak)
            peak = budget.memory_used;
    }
    assert_true(peak > budget.memory_limit / 2);
    assert_true(peak < budget.memory_limit + (size_t)SINKS * 40 * 1024);
    for (size_t i = 0; i < SINKS; i++) {
        struct lx_err err = {0};
        assert_int_equal(lx_sink_close(sinks[i], &err), 0);
        lx_auto(str) char *out = kept(sinks[i]);
        lx_auto(str) char *last =
            lx_strf("stdout: line %d of sink %zu, and some more\\n", LINES - 1, i);
        assert_true(lx_starts_with(out, "stdout: line 0 of sink "));
        assert_true(lx_ends_with(out, last));
        lx_sink_free(sinks[i]);
    }
    assert_int_equal(budget.memory_used, 0);
    assert_int_equal(budget.used, 0);
}

/* In a process of its own: files may not grow beyond a size there, as on a full disk. */
static int write_until_full(void)
{
    const struct rlimit limit = {100000, 100000};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct lx_err err = {0};
    struct lx_sink *sink = NULL;
    char first[64];
    if (sigaction(SIGXFSZ, &ignore, NULL) < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0 ||
        lx_sink_new(&(struct lx_sink_opts){.memory_max = 4096}, &sink, &err) < 0)
        return 10;
    int lines = 0;
    while (lines < 100000 && lx_sink_write(sink, "a line to fill the disk\n", 24, &err) == 0)
        lines++;
    if (lines == 100000 || err.code != LX_E_IO)
        return 11;
    struct lx_out_source source = lx_sink_source(sink);
    uint64_t whole = (uint64_t)lines * 33;
    for (uint64_t at = 0; at < whole; at += 33) {
        if (source.read(source.arg, at, first, 33) != 33 ||
            memcmp(first, "stdout: a line to fill the disk\\n", 33) != 0)
            return 12;
    }
    char last[256] = "";
    if (source.read(source.arg, whole, last, sizeof(last) - 1) <= 0 ||
        !lx_starts_with(last, "stdout: [lunexec] the rest of this log is missing: "))
        return 13;
    int rc = lx_sink_close(sink, &err) == -1 && lx_sink_size(sink) == source.len ? 0 : 14;
    lx_sink_free(sink);
    return rc;
}

static void a_full_disk_keeps_what_was_written(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(write_until_full());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_input_gives_its_output),
        cmocka_unit_test(chunks_make_no_difference),
        cmocka_unit_test(long_lines_are_one_line),
        cmocka_unit_test(own_lines_stand_alone),
        cmocka_unit_test(raw_text_has_no_prefix),
        cmocka_unit_test(output_is_readable_while_it_grows),
        cmocka_unit_test(the_middle_is_left_out),
        cmocka_unit_test(a_view_outlives_what_is_dropped),
        cmocka_unit_test(one_endless_line_keeps_the_limit),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(a_missing_directory_is_an_error),
        cmocka_unit_test(a_full_disk_keeps_what_was_written),
        cmocka_unit_test(a_budget_is_shared),
        cmocka_unit_test(memory_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
