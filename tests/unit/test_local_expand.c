#include "local/cluster.h"
#include "unit.h"

static void check(const char *text, const char *expected)
{
    lx_auto(json) json_t *env = json_pack("[s,s,s]", "A=one", "EMPTY=", "B=$(A)");
    lx_auto(json) json_t *value = lx_ctr_expand(text, env);
    assert_string_equal(json_string_value(value), expected);
}

static void known_names_are_replaced(void **state)
{
    (void)state;
    check("x $(A) y", "x one y");
    check("$(EMPTY)|$(A)$(A)", "|oneone");
}

static void a_value_is_not_expanded_again(void **state)
{
    (void)state;
    check("$(B)", "$(A)");
}

static void unknown_names_stay(void **state)
{
    (void)state;
    check("$(UNKNOWN) $A $(A", "$(UNKNOWN) $A $(A");
    check("$(nextIndex.sh /job/skip.json key)", "$(nextIndex.sh /job/skip.json key)");
}

static void two_dollars_are_one(void **state)
{
    (void)state;
    check("$$(A) $$ $$$(A)", "$(A) $ $one");
    check("costs 5$", "costs 5$");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names_are_replaced),
        cmocka_unit_test(a_value_is_not_expanded_again),
        cmocka_unit_test(unknown_names_stay),
        cmocka_unit_test(two_dollars_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
