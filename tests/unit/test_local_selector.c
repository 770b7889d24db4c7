#include "local/cluster.h"
#include "unit.h"

static bool matches(const char *text, const char *labels_json)
{
    struct lx_selector *selector = NULL;
    lx_auto(json) json_t *labels = json_loads(labels_json, 0, NULL);
    assert_int_equal(lx_selector_parse(text, &selector, NULL), 0);
    bool yes = lx_selector_match(selector, labels);
    lx_selector_free(selector);
    return yes;
}

static void an_empty_selector_takes_all(void **state)
{
    (void)state;
    assert_true(matches(NULL, "{}"));
    assert_true(matches("", "{\"a\":\"b\"}"));
}

static void terms_are_all_needed(void **state)
{
    (void)state;
    assert_true(matches("a=b,c==d", "{\"a\":\"b\",\"c\":\"d\"}"));
    assert_false(matches("a=b,c=d", "{\"a\":\"b\"}"));
    assert_false(matches("a=b", "{\"a\":\"bb\"}"));
    assert_true(matches("a=", "{\"a\":\"\"}"));
}

static void presence_and_negation(void **state)
{
    (void)state;
    assert_true(matches("a", "{\"a\":\"x\"}"));
    assert_false(matches("a", "{}"));
    assert_true(matches("!a", "{}"));
    assert_false(matches("!a", "{\"a\":\"x\"}"));
    assert_true(matches("a!=x", "{}"));
    assert_false(matches("a!=x", "{\"a\":\"x\"}"));
    assert_true(matches("app.kubernetes.io/managed-by = lunexec",
                        "{\"app.kubernetes.io/managed-by\":\"lunexec\"}"));
}

static void what_is_not_served_is_refused(void **state)
{
    (void)state;
    struct lx_selector *selector = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_selector_parse("a in (b,c)", &selector, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
    assert_int_equal(lx_selector_parse("a=b,,c=d", &selector, &err), -1);
    assert_null(selector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_selector_takes_all),
        cmocka_unit_test(terms_are_all_needed),
        cmocka_unit_test(presence_and_negation),
        cmocka_unit_test(what_is_not_served_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
