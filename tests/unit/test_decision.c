/*
 * What the decision line is made of, and what earlier jobs leave behind.
 */
#include "unit.h"

#include "job/changes.h"
#include "job/history.h"
#include "job/recent.h"

#include <stdio.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct lx_err err;
    if (lx_json_parse(text, strlen(text), &value, &err))
        fail_msg("%s", err.text);
    return value;
}

static void check(const char *from_text, const char *to_text, size_t n, const char *wanted)
{
    json_t *from = from_text ? parse(from_text) : NULL, *to = to_text ? parse(to_text) : NULL;
    struct lx_buf out = LX_BUF_INIT(2000);
    assert_int_equal(lx_changes(from, to, 3, &out), n);
    assert_string_equal(lx_buf_str(&out), wanted);
    lx_buf_done(&out);
    json_decref(from);
    json_decref(to);
}

static void test_changes(void **state)
{
    (void)state;
    check("{\"a\":1}", "{\"a\":1}", 0, "");
    check("{\"a\":1,\"b\":[1]}", "{\"a\":2,\"b\":[1,null]}", 2, "a: 1 -> 2; b[1]: added null");
    check("{\"z\":1,\"y\":2}", "{}", 2, "y: removed; z: removed");
    check("[]", "{}", 1, ": [] -> {}");
    check(NULL, "1", 1, ": added 1");
    check("{\"c\":[{\"name\":\"x\",\"v\":1},{\"name\":\"y\"}]}",
          "{\"c\":[{\"name\":\"y\"},{\"name\":\"x\",\"v\":2},{\"name\":\"z\"}]}", 2,
          "c[x].v: 1 -> 2; c[z]: added {\"name\":\"z\"}");
    check("{}", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}", 5,
          "a: added 1; b: added 2; c: added 3; and 2 more");
}

static void test_long_values_are_cut_between_characters(void **state)
{
    (void)state;
    struct lx_buf out = LX_BUF_INIT(2000);
    char text[300] = "";
    for (size_t i = 0; i < 100; i++)
        memcpy(text + 2 * i, "\xc3\xa4", 2);
    json_t *from = json_object(), *to = json_pack("{s:s}", "a", text);
    assert_int_equal(lx_changes(from, to, 5, &out), 1);
    assert_true(out.len < 120);
    assert_non_null(strstr(lx_buf_str(&out), "\xc3\xa4..."));
    json_decref(from);
    json_decref(to);
    lx_buf_done(&out);
}

static void test_history_is_short_and_newest_first(void **state)
{
    (void)state;
    struct lx_history *history = lx_history_new();
    for (int i = 0; i < 9; i++)
        lx_history_add(history, "batches", "a",
                       &(struct lx_past_job){.finished_at = i, .failure = i % 2 ? "step" : NULL});
    json_t *jobs = lx_history_of(history, "batches", "a");
    assert_int_equal(json_array_size(jobs), 5);
    assert_int_equal(lx_json_int(json_array_get(jobs, 0), "finished_at", 0), 8);
    assert_string_equal(lx_json_str(json_array_get(jobs, 0), "outcome", ""), "succeeded");
    assert_string_equal(lx_json_str(json_array_get(jobs, 1), "outcome", ""), "step");
    json_decref(jobs);
    jobs = lx_history_of(history, "codeintel", "a");
    assert_int_equal(json_array_size(jobs), 0);
    json_decref(jobs);
    lx_history_free(history);
}

static void test_history_forgets_who_was_away_longest(void **state)
{
    (void)state;
    struct lx_history *history = lx_history_new();
    struct lx_past_job job = {.finished_at = 1};
    for (int i = 0; i < 400; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        lx_history_add(history, "batches", name, &job);
        lx_history_add(history, "batches", "always", &job);
    }
    static const struct {
        const char *name;
        size_t n;
    } wanted[] = {{"always", 5}, {"r399", 1}, {"r145", 1}, {"r144", 0}, {"r0", 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        json_t *jobs = lx_history_of(history, "batches", wanted[i].name);
        assert_int_equal(json_array_size(jobs), wanted[i].n);
        json_decref(jobs);
    }
    lx_history_free(history);
}

static void test_recent_tasks_are_of_different_repositories(void **state)
{
    (void)state;
    struct lx_recent *recent = lx_recent_new();
    json_t *job = json_object();
    for (int i = 0; i < 60; i++) {
        json_t *task = json_pack("{s:s, s:o, s:i}", "queue", "batches", "repository",
                                 json_sprintf("r%d", i % 20), "id", i);
        lx_recent_add(recent, task, job);
        json_decref(task);
    }
    json_t *all = lx_recent_all(recent);
    assert_int_equal(json_array_size(all), 16);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(lx_json_int(lx_json_obj(json_array_get(all, i), "task"), "id", -1),
                         59 - (int)i);
    json_decref(all);
    json_decref(job);
    lx_recent_free(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_long_values_are_cut_between_characters),
        cmocka_unit_test(test_history_is_short_and_newest_first),
        cmocka_unit_test(test_history_forgets_who_was_away_longest),
        cmocka_unit_test(test_recent_tasks_are_of_different_repositories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
