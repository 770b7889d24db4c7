#include "lunexec/metrics.h"

#include "lunexec/clock.h"
#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const no_labels[] = {NULL};
static const char *const op_labels[] = {"op", "queue", NULL};
static const double buckets[] = {0.5, 1, 10, 0};

static const struct lx_metric_def plain = {"lx_total", "A counter.", LX_COUNTER, no_labels, NULL};
static const struct lx_metric_def gauge = {"lx_jobs", "Back\\slash\nline.", LX_GAUGE, NULL, NULL};
static const struct lx_metric_def labelled = {"lx_ops_total", "Ops.", LX_COUNTER, op_labels, NULL};
static const struct lx_metric_def hist = {"lx_seconds", "Time.", LX_HISTOGRAM, NULL, buckets};
static const struct lx_metric_def hist_labelled = {"lx_op_seconds", "Time.", LX_HISTOGRAM,
                                                   op_labels, NULL};

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The exposition up to the process_* families; free(). */
static char *expose(struct lx_metrics *metrics)
{
    struct lx_buf out = LX_BUF_INIT(4 * 1024 * 1024);
    assert_int_equal(lx_metrics_expose(metrics, &out, NULL), 0);
    char *text = lx_buf_take(&out);
    char *process = strstr(text, "# HELP process_");
    assert_non_null(process);
    *process = '\0';
    return text;
}

static void test_text(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_metric *total = lx_metric_add(metrics, &plain);
    struct lx_metric *jobs = lx_metric_add(metrics, &gauge);
    struct lx_metric *ops = lx_metric_add(metrics, &labelled);
    (void)state;
    lx_auto(str) char *fresh = expose(metrics);
    assert_string_equal(fresh, "# HELP lx_total A counter.\n# TYPE lx_total counter\nlx_total 0\n"
                               "# HELP lx_jobs Back\\\\slash\\nline.\n# TYPE lx_jobs gauge\n"
                               "lx_jobs 0\n");
    lx_metric_inc(total, 2, NULL);
    lx_metric_inc(total, 0.5, NULL);
    lx_metric_set(jobs, -3, NULL);
    lx_metric_inc(jobs, 1, NULL);
    lx_metric_inc(ops, 1, VALUES("Deq\"ue\\ue\n", "batches"));
    lx_metric_inc(ops, 1e15, VALUES("b", ""));
    lx_auto(str) char *text = expose(metrics);
    assert_string_equal(text,
                        "# HELP lx_total A counter.\n# TYPE lx_total counter\nlx_total 2.5\n"
                        "# HELP lx_jobs Back\\\\slash\\nline.\n# TYPE lx_jobs gauge\nlx_jobs -2\n"
                        "# HELP lx_ops_total Ops.\n# TYPE lx_ops_total counter\n"
                        "lx_ops_total{op=\"Deq\\\"ue\\\\ue\\n\",queue=\"batches\"} 1\n"
                        "lx_ops_total{op=\"b\",queue=\"\"} 1000000000000000\n");
    assert_true(lx_metric_value(total, NULL) == 2.5);
    assert_true(lx_metric_value(ops, VALUES("b", "")) == 1e15);
    assert_true(lx_metric_value(ops, VALUES("never", "")) == 0);
    lx_metrics_free(metrics);
}

static void test_histogram(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_metric *seconds = lx_metric_add(metrics, &hist);
    (void)state;
    lx_metric_observe(seconds, 0.5, NULL); /* a bound belongs to its bucket */
    lx_metric_observe(seconds, 0.75, NULL);
    lx_metric_observe(seconds, 2, NULL);
    lx_metric_observe(seconds, 11, NULL);
    lx_auto(str) char *text = expose(metrics);
    assert_string_equal(text, "# HELP lx_seconds Time.\n# TYPE lx_seconds histogram\n"
                              "lx_seconds_bucket{le=\"0.5\"} 1\nlx_seconds_bucket{le=\"1\"} 2\n"
                              "lx_seconds_bucket{le=\"10\"} 3\n"
                              "lx_seconds_bucket{le=\"+Inf\"} 4\n"
                              "lx_seconds_sum 14.25\nlx_seconds_count 4\n");
    assert_true(lx_metric_value(seconds, NULL) == 4);
    lx_metrics_free(metrics);
}

static void test_histogram_defaults(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_metric *seconds = lx_metric_add(metrics, &hist_labelled);
    (void)state;
    lx_metric_observe(seconds, 0.003, VALUES("a", "b"));
    lx_auto(str) char *text = expose(metrics);
    assert_non_null(strstr(text, "lx_op_seconds_bucket{op=\"a\",queue=\"b\",le=\"0.005\"} 1\n"));
    assert_non_null(strstr(text, "{op=\"a\",queue=\"b\",le=\"10\"} 1\n"));
    assert_non_null(strstr(text, "lx_op_seconds_sum{op=\"a\",queue=\"b\"} 0.003\n"));
    assert_non_null(strstr(text, "lx_op_seconds_count{op=\"a\",queue=\"b\"} 1\n"));
    lx_metrics_free(metrics);
}

/* Whatever peers name, a family stays at 1,000 combinations and "other". */
static void test_combinations_are_limited(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_metric *ops = lx_metric_add(metrics, &labelled);
    (void)state;
    for (int i = 0; i < 1500; i++) {
        lx_auto(str) char *name = lx_strf("op%d", i);
        lx_metric_inc(ops, 1, VALUES(name, "q"));
    }
    assert_true(lx_metric_value(ops, VALUES("op999", "q")) == 1);
    assert_true(lx_metric_value(ops, VALUES("op1000", "q")) == 0);
    assert_true(lx_metric_value(ops, VALUES("other", "other")) == 500);
    lx_metric_inc(ops, 1, VALUES("op0", "q"));
    assert_true(lx_metric_value(ops, VALUES("op0", "q")) == 2);
    lx_metrics_free(metrics);
}

static void set_gauge(void *arg)
{
    lx_metric_inc(arg, 1, NULL);
}

static void test_collect(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_metric *jobs = lx_metric_add(metrics, &gauge);
    (void)state;
    lx_metrics_on_collect(metrics, set_gauge, jobs);
    free(expose(metrics));
    lx_auto(str) char *text = expose(metrics);
    assert_non_null(strstr(text, "\nlx_jobs 2\n"));
    lx_metrics_free(metrics);
}

static double process_value(const char *text, const char *name)
{
    lx_auto(str) char *start = lx_strf("\n%s ", name);
    const char *at = strstr(text, start);
    assert_non_null(at);
    return strtod(at + strlen(start), NULL);
}

static void test_process(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_buf out = LX_BUF_INIT(65536);
    (void)state;
    assert_int_equal(lx_metrics_expose(metrics, &out, NULL), 0);
    const char *text = lx_buf_str(&out);
    double resident = process_value(text, "process_resident_memory_bytes");
    double age = (double)lx_wall().tv_sec - process_value(text, "process_start_time_seconds");
    assert_true(resident > 1e5 && resident < process_value(text, "process_virtual_memory_bytes"));
    assert_true(process_value(text, "process_open_fds") >= 3);
    assert_true(process_value(text, "process_max_fds") > 3);
    assert_true(process_value(text, "process_cpu_seconds_total") > 0);
    assert_true(age > -2 && age < 120);
    lx_buf_done(&out);
    lx_metrics_free(metrics);
}

static void test_output_limit(void **state)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_buf out = LX_BUF_INIT(200);
    struct lx_err err = {0};
    (void)state;
    lx_metric_add(metrics, &plain);
    assert_int_equal(lx_metrics_expose(metrics, &out, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    lx_buf_done(&out);
    lx_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_histogram_defaults),
        cmocka_unit_test(test_combinations_are_limited),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_output_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
