/*
 * Metric families of several exporters in one exposition.
 */
#include "app/families.h"

#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What comes out of two expositions, the second labelled. free(). */
static char *merged(const char *first, const char *second)
{
    struct lx_families *families = lx_families_new();
    struct lx_buf out = LX_BUF_INIT(1 << 20);
    lx_families_add(families, first, strlen(first), NULL);
    lx_families_add(families, second, strlen(second), "sg_instance=\"docker-registry\"");
    assert_int_equal(lx_families_write(families, &out, NULL), 0);
    lx_families_free(families);
    return lx_buf_take(&out);
}

static void a_family_stands_once(void **state)
{
    (void)state;
    lx_auto(str) char *text = merged("# HELP node_load1 1m load.\n# TYPE node_load1 gauge\n"
                                     "node_load1 0.5\n",
                                     "# HELP node_load1 other words\n# TYPE node_load1 gauge\n"
                                     "node_load1 0.7 1700000000000\n");
    assert_string_equal(text, "# HELP node_load1 1m load.\n# TYPE node_load1 gauge\n"
                              "node_load1 0.5\n"
                              "node_load1{sg_instance=\"docker-registry\"} 0.7 1700000000000\n");
}

static void labels_are_added_before_others(void **state)
{
    (void)state;
    static const char label[] = "sg_instance=\"docker-registry\"";
    static const struct {
        const char *sample, *wanted;
    } rows[] = {
        {"a 1", "a{%s} 1\n"},
        {"a{} 1", "a{%s} 1\n"},
        {"a{b=\"c\"} +Inf", "a{%s,b=\"c\"} +Inf\n"},
        {"a{b=\"}\\\"x\"} NaN", "a{%s,b=\"}\\\"x\"} NaN\n"},
        {"a{sg_instance=\"own\"} 1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lx_auto(str) char *text = merged("", rows[i].sample);
        const char *wanted = rows[i].wanted;
        const char *gap = wanted ? strstr(wanted, "%s") : NULL;
        lx_auto(str) char *whole =
            gap ? lx_strf("%.*s%s%s", (int)(gap - wanted), wanted, label, gap + 2)
                : lx_strf("%s\n", rows[i].sample);
        assert_string_equal(text, whole);
    }
}

static void what_is_about_the_exporter_is_left_out(void **state)
{
    (void)state;
    lx_auto(str) char *text =
        merged("# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds{quantile=\"0\"} 1\n"
               "go_gc_duration_seconds_sum 1\n# TYPE process_open_fds gauge\nprocess_open_fds 3\n"
               "promhttp_metric_handler_requests_total{code=\"200\"} 9\n"
               "src_executor_processor_total 1\nup 1\n",
               "");
    assert_string_equal(text, "up 1\n");
}

static void another_type_is_left_out(void **state)
{
    (void)state;
    lx_auto(str) char *text =
        merged("# TYPE a counter\na 1\n", "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\n"
                                          "a_count 1\n# TYPE b gauge\nb 2\n");
    assert_string_equal(text, "# TYPE a counter\na 1\n# TYPE b gauge\n"
                              "b{sg_instance=\"docker-registry\"} 2\n");
}

static void nonsense_is_left_out(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "a",     "a{b=\"c\" 1", "a{b=\"c\"}1x", "1a 1",       "<html>",     "a 1 2 3 x",
        "a one", "# HELP",      "{b=\"c\"} 1",  "a{b=\"c\"}", "# comment ", "a\001 1",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lx_auto(str) char *text = merged(rows[i], "");
        assert_string_equal(text, "");
    }
}

static void too_much_is_left_out(void **state)
{
    (void)state;
    struct lx_families *families = lx_families_new();
    struct lx_buf in = LX_BUF_INIT(8 << 20), out = LX_BUF_INIT(8 << 20);
    for (int i = 0; i < 100000; i++)
        lx_buf_addf(&in, NULL, "a_metric_with_a_name{number=\"%d\"} 1\n", i);
    for (int i = 0; i < 3; i++)
        lx_families_add(families, in.data, in.len, NULL);
    assert_int_equal(lx_families_write(families, &out, NULL), 0);
    assert_in_range(out.len, 1 << 20, 2 << 20);
    assert_int_equal(out.data[out.len - 1], '\n');
    lx_families_free(families);
    lx_buf_done(&in);
    lx_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_stands_once),
        cmocka_unit_test(labels_are_added_before_others),
        cmocka_unit_test(what_is_about_the_exporter_is_left_out),
        cmocka_unit_test(another_type_is_left_out),
        cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(too_much_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
