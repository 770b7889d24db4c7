#include "lunexec/clock.h"
#include "lunexec/json.h"
#include "lunexec/log.h"

#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pipe {
    int fds[2];
    struct lx_log *log;
    char line[65536];
};

static int setup(void **state)
{
    struct pipe *p = lx_alloc(sizeof(*p));
    assert_int_equal(pipe2(p->fds, O_CLOEXEC), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pipe *p = *state;
    lx_log_free(p->log);
    close(p->fds[0]);
    close(p->fds[1]);
    free(p);
    return 0;
}

static void start(struct pipe *p, enum lx_level level, enum lx_log_format format)
{
    lx_log_free(p->log);
    p->log = lx_log_new(p->fds[1], level, format);
}

/* What one write left in the pipe. */
static const char *take(struct pipe *p)
{
    ssize_t got = read(p->fds[0], p->line, sizeof(p->line) - 1);
    assert_true(got > 0);
    p->line[got] = '\0';
    return p->line;
}

/* The line without its time, which must be there and be now. */
static const char *after_time(const char *line, const char *before)
{
    struct timespec when;
    size_t lead = strlen(before);
    assert_memory_equal(line, before, lead);
    assert_int_equal(lx_rfc3339_parse(line + lead, 24, &when), 0);
    assert_in_range(lx_wall().tv_sec - when.tv_sec, 0, 100);
    return line + lead + 24;
}

static void logfmt_quotes_what_needs_it(void **state)
{
    struct pipe *p = *state;
    start(p, LX_LOG_INFO, LX_LOGFMT);
    lx_log(p->log, LX_LOG_WARN, "job dequeued", LX_STR("queue", "batches"), LX_INT("id", -42),
           LX_STR("none", NULL), LX_STR("empty", ""), LX_STR("eq", "a=b"), LX_STR("q", "say \"x\""),
           LX_STR("nl", "a\nlvl=error"), LX_STR("bad", "\xff"), LX_STR("path", "/a/b-c_d.e"));
    assert_string_equal(after_time(take(p), "t="),
                        " lvl=warn msg=\"job dequeued\" queue=batches id=-42 empty=\"\" eq=\"a=b\""
                        " q=\"say \\\"x\\\"\" nl=\"a\\nlvl=error\" bad=\"\xef\xbf\xbd\""
                        " path=/a/b-c_d.e\n");
    lx_log(p->log, LX_LOG_ERROR, "done");
    assert_string_equal(after_time(take(p), "t="), " lvl=error msg=done\n");
}

static void condensed_has_the_fields_in_braces(void **state)
{
    struct pipe *p = *state;
    start(p, LX_LOG_DEBUG, LX_LOG_CONDENSED);
    lx_log(p->log, LX_LOG_INFO, "job dequeued", LX_STR("queue", "batches"), LX_INT("id", 42));
    assert_string_equal(after_time(take(p), ""),
                        " INFO  job dequeued {\"queue\":\"batches\",\"id\":42}\n");
    lx_log(p->log, LX_LOG_DEBUG, "two\nlines", LX_STR("none", NULL));
    assert_string_equal(after_time(take(p), ""), " DEBUG two\\nlines\n");
}

static void json_is_one_object_a_line(void **state)
{
    struct pipe *p = *state;
    struct lx_err err = {.text = "a \"quoted\"\xff"};
    start(p, LX_LOG_INFO, LX_LOG_JSON);
    lx_log(p->log, LX_LOG_ERROR, "it \"failed\"", LX_INT("n", INT64_MIN), LX_ERR(&err));
    lx_auto(json) json_t *value = NULL;
    const char *line = take(p);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_int_equal(lx_json_parse(line, strlen(line), &value, NULL), 0);
    assert_string_equal(lx_json_str(value, "level", ""), "error");
    assert_string_equal(lx_json_str(value, "message", ""), "it \"failed\"");
    assert_string_equal(lx_json_str(value, "error", ""), "a \"quoted\"\xef\xbf\xbd");
    assert_true(lx_json_int(value, "n", 0) == INT64_MIN);
    assert_int_equal(strlen(lx_json_str(value, "time", "")), 24);
}

static void what_is_below_the_level_is_not_written(void **state)
{
    struct pipe *p = *state;
    start(p, LX_LOG_WARN, LX_LOGFMT);
    lx_log(p->log, LX_LOG_DEBUG, "no");
    lx_log(p->log, LX_LOG_INFO, "no");
    lx_log(p->log, LX_LOG_WARN, "yes");
    assert_non_null(strstr(take(p), "msg=yes\n"));
    lx_log(NULL, LX_LOG_ERROR, "nobody listens");
    assert_int_equal(lx_log_dropped(p->log), 0);
    assert_int_equal(lx_log_dropped(NULL), 0);
}

static void long_values_are_cut_and_the_line_stays_whole(void **state)
{
    struct pipe *p = *state;
    char huge[20000], quotes[3000];
    memset(huge, 'x', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    memset(quotes, '"', sizeof(quotes));
    quotes[sizeof(quotes) - 1] = '\0';
    for (enum lx_log_format format = LX_LOGFMT; format <= LX_LOG_JSON; format++) {
        start(p, LX_LOG_INFO, format);
        lx_log(p->log, LX_LOG_INFO, quotes, LX_STR("a", huge), LX_STR("b", quotes),
               LX_STR("c", huge), LX_INT("n", 7), LX_STR(huge, "key"));
        const char *line = take(p);
        size_t len = strlen(line);
        assert_in_range(len, 1000, 4096);
        assert_int_equal(line[len - 1], '\n');
        assert_ptr_equal(strchr(line, '\n'), line + len - 1);
        if (format == LX_LOG_JSON) {
            lx_auto(json) json_t *value = NULL;
            struct lx_err err = {0};
            if (lx_json_parse(line, len, &value, &err) < 0)
                fail_msg("%s", err.text);
            assert_true(strlen(lx_json_str(value, "message", "")) > 100);
        }
    }
}

static void a_value_is_cut_between_characters(void **state)
{
    struct pipe *p = *state;
    char text[3 * 1500 + 1];
    for (size_t i = 0; i < 1500; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
    text[sizeof(text) - 1] = '\0';
    for (enum lx_log_format format = LX_LOGFMT; format <= LX_LOG_JSON; format++) {
        start(p, LX_LOG_INFO, format);
        lx_log(p->log, LX_LOG_INFO, text, LX_STR("a", text));
        assert_null(strstr(take(p), "\xef\xbf\xbd"));
    }
}

static void a_full_pipe_drops_lines_and_counts_them(void **state)
{
    struct pipe *p = *state;
    start(p, LX_LOG_INFO, LX_LOGFMT);
    unsigned tries = 0;
    while (lx_log_dropped(p->log) < 3 && tries < 100000) {
        lx_log(p->log, LX_LOG_INFO, "filling", LX_INT("n", tries));
        tries++;
    }
    assert_int_equal(lx_log_dropped(p->log), 3);
    /* Ours alone became non-blocking, not what others share with us. */
    assert_int_equal(fcntl(p->fds[1], F_GETFL) & O_NONBLOCK, 0);
    const char *text = take(p);
    assert_int_equal(text[strlen(text) - 1], '\n');
    lx_log(p->log, LX_LOG_INFO, "room again");
    assert_int_equal(lx_log_dropped(p->log), 3);
}

static void a_socket_that_is_full_or_gone_is_no_trouble(void **state)
{
    struct pipe *p = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct lx_log *log = lx_log_new(pair[0], LX_LOG_INFO, LX_LOGFMT);
    for (unsigned i = 0; i < 100000 && lx_log_dropped(log) == 0; i++)
        lx_log(log, LX_LOG_INFO, "filling");
    assert_int_equal(lx_log_dropped(log), 1);
    close(pair[1]);
    lx_log(log, LX_LOG_INFO, "nobody");
    assert_int_equal(lx_log_dropped(log), 2);
    lx_log_free(log);
    close(pair[0]);
    (void)p;
}

static void a_file_is_appended_to(void **state)
{
    struct pipe *p = *state;
    char path[] = "/tmp/test_log.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    struct lx_log *log = lx_log_new(fd, LX_LOG_INFO, LX_LOGFMT);
    lx_log(log, LX_LOG_INFO, "one");
    lx_log(log, LX_LOG_INFO, "two");
    lx_log_free(log);
    ssize_t got = pread(fd, p->line, sizeof(p->line) - 1, 0);
    assert_true(got > 0);
    p->line[got] = '\0';
    assert_non_null(strstr(p->line, "msg=one\n"));
    assert_non_null(strstr(p->line, "msg=two\n"));
    close(fd);
}

static void levels_and_formats_have_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum lx_level level;
    } names[] = {
        {"dbug", LX_LOG_DEBUG}, {"debug", LX_LOG_DEBUG}, {"info", LX_LOG_INFO},
        {"warn", LX_LOG_WARN},  {"error", LX_LOG_ERROR}, {"eror", LX_LOG_ERROR},
        {"crit", LX_LOG_ERROR},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum lx_level level = names[i].level == LX_LOG_WARN ? LX_LOG_INFO : LX_LOG_WARN;
        assert_int_equal(lx_level_parse(names[i].name, &level), 0);
        assert_int_equal(level, names[i].level);
    }
    enum lx_level level = LX_LOG_WARN;
    enum lx_log_format format = LX_LOGFMT;
    assert_int_equal(lx_level_parse("INFO", &level), -1);
    assert_int_equal(lx_level_parse("", &level), -1);
    assert_int_equal(level, LX_LOG_WARN);
    assert_int_equal(lx_log_format_parse("json", &format), 0);
    assert_int_equal(format, LX_LOG_JSON);
    assert_int_equal(lx_log_format_parse("condensed", &format), 0);
    assert_int_equal(format, LX_LOG_CONDENSED);
    assert_int_equal(lx_log_format_parse("logfmt", &format), 0);
    assert_int_equal(format, LX_LOGFMT);
    assert_int_equal(lx_log_format_parse("xml", &format), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(logfmt_quotes_what_needs_it),
        TEST(condensed_has_the_fields_in_braces),
        TEST(json_is_one_object_a_line),
        TEST(what_is_below_the_level_is_not_written),
        TEST(long_values_are_cut_and_the_line_stays_whole),
        TEST(a_value_is_cut_between_characters),
        TEST(a_full_pipe_drops_lines_and_counts_them),
        TEST(a_socket_that_is_full_or_gone_is_no_trouble),
        TEST(a_file_is_appended_to),
        TEST(levels_and_formats_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
