#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lunexec/quantity.h"

#include <string.h>

static struct lx_quantity parse(const char *text)
{
    struct lx_quantity quantity = {0};
    if (lx_quantity_parse(text, &quantity))
        fail_msg("%s is refused", text);
    return quantity;
}

static void test_order(void **state)
{
    (void)state;
    /* Each is smaller than the next. */
    static const char *const rising[] = {
        "-1Gi",  "-1", "-1n", "0",   "1n",  "999n", "1u",  "1m",      "0.5",
        "501m",  "1",  "1.5", "2",   "1k",  "1Ki",  "1e6", "1048577", "1Gi",
        "1.1Gi", "2G", "1T",  "1Ti", "1Pi", "9E",   "8Ei", "1e30",
    };
    for (size_t i = 1; i < sizeof rising / sizeof rising[0]; i++) {
        if (lx_quantity_compare(parse(rising[i - 1]), parse(rising[i])) >= 0)
            fail_msg("%s is not less than %s", rising[i - 1], rising[i]);
        assert_true(lx_quantity_compare(parse(rising[i]), parse(rising[i - 1])) > 0);
    }
}

static void test_equal(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"1", "1000m"},
        {"0.1", "100m"},
        {"1Gi", "1073741824"},
        {"1e3", "1k"},
        {"1E3", "1000"},
        {"1.5Gi", "1536Mi"},
        {"+1", "1"},
        {"1.", "1"},
        {".5", "500m"},
        {"1e-3", "1m"},
        {"1e+3", "1000"},
        {"0", "-0"},
        {"0.1n", "1n"},
        {"1e99", "1e50"},
        {"1e-99", "1n"},
        {"001", "1"},
        {"0.0000000001", "1n"},
        {"1.00000000000000000000000000000000000000000000", "1"},
        {"1.000000000000000000000000000000000000000Ei", "1Ei"},
        {"50000000000000000000000000000000000000000e-39", "50"},
        {"0.00000000000000000000000000000000000000017e41", "17"},
        {"0e1000000", "0"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (lx_quantity_compare(parse(pairs[i][0]), parse(pairs[i][1])) != 0)
            fail_msg("%s is not %s", pairs[i][0], pairs[i][1]);
}

/* As long as a text may be: the digits before the point and the exponent after them. */
static void test_long(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '0', sizeof text);
    text[0] = '3';
    memcpy(text + 2000, "e-1999", 7);
    assert_int_equal(lx_quantity_compare(parse(text), parse("3")), 0);
    memset(text, '0', sizeof text);
    text[1] = '.';
    memcpy(text + 2002, "3e+2001", 8);
    assert_int_equal(lx_quantity_compare(parse(text), parse("3")), 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      " 1",  "1 ",  "Gi",    "1gi",   "1GB",  "1K",
                                      "1.2.3", "--1", "0x1", "1e",    "1e1e",  "1ee",  ".",
                                      "-",     "1mi", "inf", "1e1.5", "1e++2", "1e+-2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lx_quantity quantity;
        if (lx_quantity_parse(bad[i], &quantity) == 0)
            fail_msg("%s is accepted", bad[i]);
    }
}

static void test_json_values(void **state)
{
    (void)state;
    struct lx_quantity quantity;
    json_t *values = json_pack("[s,i,f,b,n,[]]", "1500m", 2, 0.5, 1);
    assert_int_equal(lx_quantity_of(json_array_get(values, 0), &quantity), 0);
    assert_int_equal(lx_quantity_compare(quantity, parse("1.5")), 0);
    assert_int_equal(lx_quantity_of(json_array_get(values, 1), &quantity), 0);
    assert_int_equal(lx_quantity_compare(quantity, parse("2")), 0);
    assert_int_equal(lx_quantity_of(json_array_get(values, 2), &quantity), 0);
    assert_int_equal(lx_quantity_compare(quantity, parse("500m")), 0);
    for (size_t i = 3; i < 6; i++)
        assert_int_equal(lx_quantity_of(json_array_get(values, i), &quantity), -1);
    assert_int_equal(lx_quantity_of(NULL, &quantity), -1);
    json_decref(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_equal),
        cmocka_unit_test(test_long),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_json_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
