/*
 * What the policy's retry() is told, and which answers of it are taken.
 */
#include "job/retry.h"
#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_it_is_told(void **state)
{
    (void)state;
    struct lx_failure failure = {0};
    lx_failure_set(&failure, LX_FAIL_OUT_OF_MEMORY, "killed");
    lx_auto(json) json_t *bare = lx_retry_failure(&failure, 2);
    assert_string_equal(lx_json_str(bare, "class", ""), "out-of-memory");
    assert_int_equal(lx_json_int(bare, "attempt", 0), 2);
    assert_non_null(strstr(lx_json_str(bare, "message", ""), "killed"));
    assert_null(json_object_get(bare, "step"));
    assert_null(json_object_get(bare, "limit"));
    assert_null(json_object_get(bare, "exit_code"));
    failure.step = lx_strdup("step.0.run");
    failure.limit = lx_strdup("12Gi");
    failure.reason = lx_strdup("OOMKilled");
    failure.exit_code = 137;
    lx_auto(json) json_t *whole = lx_retry_failure(&failure, 1);
    assert_string_equal(lx_json_str(whole, "step", ""), "step.0.run");
    assert_string_equal(lx_json_str(whole, "limit", ""), "12Gi");
    assert_string_equal(lx_json_str(whole, "reason", ""), "OOMKilled");
    assert_int_equal(lx_json_int(whole, "exit_code", 0), 137);
    lx_failure_done(&failure);
}

static void what_it_answers(void **state)
{
    (void)state;
    static const struct {
        const char *results, *says; /* NULL: taken */
        bool again;
        uint64_t delay_ms;
        const char *memory;
    } table[] = {
        {"[]", NULL, false, 0, NULL},
        {"[null]", NULL, false, 0, NULL},
        {"[false]", NULL, false, 0, NULL},
        {"[{}]", NULL, true, 0, NULL},
        {"[{\"delay\": 0}]", NULL, true, 0, NULL},
        {"[{\"delay\": 3600}]", NULL, true, 3600000, NULL},
        {"[{\"resources\": {\"memory\": \"24Gi\", \"cpu\": \"2\"}}]", NULL, true, 0, "24Gi"},
        {"[true]", "must return nil or a table", false, 0, NULL},
        {"[3]", "must return nil or a table", false, 0, NULL},
        {"[{\"delay\": -1}]", "delay: must be whole seconds from 0 to 3600", false, 0, NULL},
        {"[{\"delay\": 3601}]", "delay: must be", false, 0, NULL},
        {"[{\"delay\": 1.5}]", "delay: must be", false, 0, NULL},
        {"[{\"delay\": \"1\"}]", "delay: must be", false, 0, NULL},
        {"[{\"resources\": \"24Gi\"}]", "resources: must be a table", false, 0, NULL},
        {"[{\"resources\": {\"disk\": \"1Gi\"}}]", "there is no \"disk\"", false, 0, NULL},
        {"[{\"resources\": {\"memory\": 24}}]", "resources.memory: must be a quantity", false, 0,
         NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        lx_auto(json) json_t *results = NULL;
        struct lx_err err = {0};
        struct lx_retry retry = {.again = true};
        assert_int_equal(lx_json_parse(table[i].results, strlen(table[i].results), &results, NULL),
                         0);
        assert_int_equal(lx_retry_parse(results, &retry, &err), table[i].says ? -1 : 0);
        if (table[i].says && !strstr(err.text, table[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, table[i].says);
        assert_int_equal(retry.again, table[i].again);
        assert_int_equal(retry.delay_ms, table[i].delay_ms);
        if (table[i].memory)
            assert_string_equal(lx_json_str(retry.resources, "memory", ""), table[i].memory);
        json_decref(retry.resources);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_is_told),
        cmocka_unit_test(what_it_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
