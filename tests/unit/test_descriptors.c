/* The limit of open files follows EXECUTOR_MAXIMUM_NUM_JOBS. */
#include "app/descriptors.h"

#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The limit after a start with this one, and what was logged. */
static rlim_t after(rlim_t soft, rlim_t hard, int64_t jobs, char *line, size_t size)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    struct lx_log *log = lx_log_new(fds[1], LX_LOG_WARN, LX_LOGFMT);
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    lx_app_descriptors(log, jobs);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ssize_t got = read(fds[0], line, size - 1);
    line[got > 0 ? got : 0] = '\0';
    lx_log_free(log);
    close(fds[0]);
    close(fds[1]);
    return limit.rlim_cur;
}

static void test_limit(void **state)
{
    (void)state;
    char line[4096];
    struct rlimit had;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
    assert_true(had.rlim_max >= 800);
    rlim_t hard = had.rlim_max;
    /* Enough already: left as it is. */
    assert_int_equal(after(700, hard, 1, line, sizeof line), 700);
    assert_string_equal(line, "");
    /* Raised, no further than needed. */
    assert_in_range(after(64, hard, 50, line, sizeof line), 500, 799);
    assert_string_equal(line, "");
    /* Raised as far as it goes, which is told. */
    assert_int_equal(after(64, 800, 10000, line, sizeof line), 800);
    assert_non_null(strstr(line, "jobs=10000 limit=800"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
