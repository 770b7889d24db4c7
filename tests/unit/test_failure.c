/*
 * The classification of failures: names, marks, what is asked of the policy, and that
 * docs/failures.md tells of every class what the program does.
 */
#include "job/grace.h"
#include "lunexec/file.h"
#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_first_reason_stands(void **state)
{
    (void)state;
    struct lx_failure failure = {0};
    assert_true(lx_failure_set(&failure, LX_FAIL_EXIT_CODE, "first"));
    assert_false(lx_failure_set(&failure, LX_FAIL_CANCELLED, "second"));
    assert_int_equal(failure.kind, LX_FAIL_EXIT_CODE);
    assert_string_equal(failure.message, "first");
    lx_failure_done(&failure);
    assert_int_equal(failure.kind, LX_FAIL_NONE);
}

static void advice_ends_the_first_line(void **state)
{
    (void)state;
    struct lx_failure failure = {0};
    lx_failure_set(&failure, LX_FAIL_NODE_LOST, "gone\nmore");
    assert_string_equal(failure.message, "gone; look at the node\nmore");
    lx_failure_done(&failure);
    lx_failure_set(&failure, LX_FAIL_NODE_LOST, "It is gone. ");
    assert_string_equal(failure.message, "It is gone. look at the node");
    lx_failure_done(&failure);
}

static void advice_on_a_namespace_that_goes(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "secrets \"a\" is forbidden: unable to create new content in namespace ci because it is "
        "being terminated",
        "namespaces \"ci\" not found",
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct lx_failure failure = {0};
        lx_failure_set(&failure, LX_FAIL_ADMISSION, "creating job secret a: %s", messages[i]);
        assert_true(lx_ends_with(failure.message, "; make the namespace again, or set "
                                                  "EXECUTOR_KUBERNETES_NAMESPACE to another"));
        lx_failure_done(&failure);
    }
}

static void marks(void **state)
{
    (void)state;
    for (enum lx_failure_kind kind = LX_FAIL_NONE; kind < LX_FAIL_COUNT; kind++) {
        bool failed = kind == LX_FAIL_CANCELLED || kind == LX_FAIL_POLICY || kind == LX_FAIL_INPUT;
        assert_int_equal(lx_failure_mark(kind), kind == LX_FAIL_NONE ? LX_MARK_COMPLETE
                                                : failed             ? LX_MARK_FAILED
                                                                     : LX_MARK_ERRORED);
    }
}

static void names_are_unique(void **state)
{
    (void)state;
    for (enum lx_failure_kind kind = LX_FAIL_NONE; kind < LX_FAIL_COUNT; kind++)
        assert_int_equal(lx_failure_named(lx_failure_name(kind)), kind);
    assert_int_equal(lx_failure_named("no-such-class"), LX_FAIL_COUNT);
}

static void what_a_job_did_itself_is_not_tried_again(void **state)
{
    (void)state;
    static const enum lx_failure_kind never[] = {
        LX_FAIL_NONE,  LX_FAIL_EXIT_CODE, LX_FAIL_DEADLINE, LX_FAIL_POLICY,  LX_FAIL_INPUT,
        LX_FAIL_FILES, LX_FAIL_CANCELLED, LX_FAIL_LOST,     LX_FAIL_STOPPED, LX_FAIL_INTERNAL,
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_false(lx_failure_retryable(never[i]));
    assert_true(lx_failure_retryable(LX_FAIL_EVICTED));
    assert_true(lx_failure_retryable(LX_FAIL_OUT_OF_MEMORY));
}

static void answers_of_the_api(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *text;
        enum lx_failure_kind kind;
    } table[] = {
        {403, "pods \"x\" is forbidden: exceeded quota: a, requested: pods=1", LX_FAIL_QUOTA},
        {403, "jobs.batch is forbidden: User \"x\" cannot create resource", LX_FAIL_FORBIDDEN},
        {403, "pods \"x\" is forbidden: violates PodSecurity \"restricted\"", LX_FAIL_ADMISSION},
        {400, "admission webhook \"x\" denied the request", LX_FAIL_ADMISSION},
        {422, "Job.batch \"x\" is invalid", LX_FAIL_ADMISSION},
        {401, "Unauthorized", LX_FAIL_FORBIDDEN},
        {429, "too many requests", LX_FAIL_API},
        {500, "etcdserver: leader changed", LX_FAIL_API},
        {0, "connection refused", LX_FAIL_API},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(lx_failure_of_answer(table[i].status, table[i].text), table[i].kind);
}

static void grace_of_the_policy(void **state)
{
    (void)state;
    static const struct {
        const char *results, *says; /* NULL: accepted */
    } table[] = {
        {"[{}]", NULL},
        {"[{}, null]", NULL},
        {"[{}, {}]", NULL},
        {"[{}, {\"grace\": {\"image-pull\": 0, \"unschedulable\": 600}}]", NULL},
        {"[{}, 3]", "must return a table"},
        {"[{}, {\"grace\": 3}]", "grace: must be a table"},
        {"[{}, {\"grace\": {\"nonsense\": 3}}]", "no class of failure \"nonsense\""},
        {"[{}, {\"grace\": {\"image-pull\": -1}}]", "grace[\"image-pull\"]: must be whole seconds"},
        {"[{}, {\"grace\": {\"image-pull\": \"1\"}}]", "must be whole seconds"},
        {"[{}, {\"grace\": {\"image-pull\": 1.5}}]", "must be whole seconds"},
        {"[{}, {\"grace\": {\"image-pull\": 86401}}]", "from 0 to 86400"},
    };
    struct lx_grace grace = {0};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        lx_auto(json) json_t *results = NULL;
        struct lx_err err = {0};
        assert_int_equal(lx_json_parse(table[i].results, strlen(table[i].results), &results, &err),
                         0);
        assert_int_equal(lx_grace_parse(results, &grace, &err), table[i].says ? -1 : 0);
        if (table[i].says && !strstr(err.text, table[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, table[i].says);
    }
    struct lx_stuck stuck = {.kind = LX_FAIL_UNSCHEDULABLE};
    assert_int_equal(lx_grace_of(&grace, &stuck), 600000);
    stuck.kind = LX_FAIL_IMAGE_PULL;
    assert_int_equal(lx_grace_of(&grace, &stuck), 0);
    stuck.kind = LX_FAIL_NO_POD;
    assert_int_equal(lx_grace_of(&grace, &stuck), lx_stuck_grace_ms(&stuck));
}

/* A row for each class, in order, with whether retry() is asked and the advice. */
static void the_page_tells_of_each(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_auto(buf) struct lx_buf page = LX_BUF_INIT((size_t)1 << 20);
    if (lx_file_read(LX_SOURCE_DIR "/docs/failures.md", &page, &err) < 0)
        fail_msg("%s", err.text);
    const char *at = lx_buf_str(&page);
    for (enum lx_failure_kind kind = LX_FAIL_NONE + 1; kind < LX_FAIL_COUNT; kind++) {
        lx_auto(str) char *begin = lx_strf("\n| `%s` |", lx_failure_name(kind));
        at = strstr(at, begin);
        if (!at) {
            fail_msg("docs/failures.md has no row for %s, or not in order", begin + 1);
            return;
        }
        at++;
        lx_auto(str) char *line = lx_strndup(at, strcspn(at, "\n"));
        lx_auto(str) char *end = lx_strf("| %s | %s |", lx_failure_retryable(kind) ? "yes" : "no",
                                         lx_failure_advice(kind));
        if (*lx_failure_advice(kind) && !lx_ends_with(line, end))
            fail_msg("the row of %s does not end in \"%s\"", lx_failure_name(kind), end);
    }
}

/* What a script can be asked about has its name in the types. */
static void scripts_know_the_classes(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf types = LX_BUF_INIT((size_t)1 << 20);
    assert_int_equal(lx_file_read(LX_SOURCE_DIR "/lua/lunexec/types.lua", &types, NULL), 0);
    for (enum lx_failure_kind kind = LX_FAIL_NONE + 1; kind < LX_FAIL_COUNT; kind++) {
        lx_auto(str) char *name = lx_strf("\"%s\"", lx_failure_name(kind));
        if (lx_failure_retryable(kind) && !strstr(lx_buf_str(&types), name))
            fail_msg("lua/lunexec/types.lua does not know %s", name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reason_stands),
        cmocka_unit_test(advice_ends_the_first_line),
        cmocka_unit_test(advice_on_a_namespace_that_goes),
        cmocka_unit_test(marks),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(what_a_job_did_itself_is_not_tried_again),
        cmocka_unit_test(answers_of_the_api),
        cmocka_unit_test(grace_of_the_policy),
        cmocka_unit_test(the_page_tells_of_each),
        cmocka_unit_test(scripts_know_the_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
