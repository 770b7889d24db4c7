/*
 * What admit() may answer, and who begins when there is not room for all.
 */
#include "job/admission.h"
#include "lunexec/text.h"
#include "unit.h"

#include <string.h>

/* ---- claims ---- */

static int read_claim(const char *text, struct lx_claim *claim, struct lx_err *err)
{
    lx_auto(json) json_t *admission = NULL;
    if (text)
        assert_int_equal(lx_json_parse(text, strlen(text), &admission, err), 0);
    return lx_claim_read(admission, NULL, claim, err);
}

static void what_admit_answers(void **state)
{
    (void)state;
    static const char *const plain[] = {NULL, "null", "true", "{}", "{\"cost\": {}}"};
    struct lx_err err = {0};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct lx_claim claim;
        assert_int_equal(read_claim(plain[i], &claim, &err), 0);
        assert_true(claim.cpu.nanos == 0 && claim.memory.nanos == 0);
        assert_string_equal(claim.key, "");
        assert_int_equal(claim.limit, 0);
        assert_int_equal(claim.weight, 1);
        lx_claim_done(&claim);
    }
    struct lx_claim claim;
    assert_int_equal(read_claim("{\"cost\": {\"cpu\": \"500m\", \"memory\": \"4Gi\"}, "
                                "\"key\": \"team-a\", \"limit\": 2, \"weight\": 3}",
                                &claim, &err),
                     0);
    assert_true(claim.cpu.nanos == 500000000);
    assert_true(claim.memory.nanos == (__int128)4 * 1024 * 1024 * 1024 * 1000000000);
    assert_string_equal(claim.key, "team-a");
    assert_int_equal(claim.limit, 2);
    assert_int_equal(claim.weight, 3);
    lx_claim_done(&claim);
}

static void what_it_may_not_answer(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"\"4Gi\"", "the first result is \"4Gi\""},
        {"{\"cost\": \"4Gi\"}", "cost is \"4Gi\""},
        {"{\"cost\": {\"cpu\": \"two\"}}", "cost.cpu is \"two\""},
        {"{\"cost\": {\"memory\": \"-1Gi\"}}", "cost.memory is \"-1Gi\""},
        {"{\"key\": 7}", "key is 7"},
        {"{\"limit\": 0}", "limit is 0"},
        {"{\"limit\": 1.5}", "limit is 1.5"},
        {"{\"weight\": \"high\"}", "weight is \"high\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_claim claim;
        struct lx_err err = {0};
        assert_int_equal(read_claim(cases[i].text, &claim, &err), -1);
        assert_int_equal(err.code, LX_E_INVALID);
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
    lx_auto(json) json_t *reason = json_string("not on Fridays");
    lx_auto(json) json_t *no = json_false();
    struct lx_claim claim;
    struct lx_err err = {0};
    assert_int_equal(lx_claim_read(no, reason, &claim, &err), -1);
    assert_int_equal(err.code, LX_E_REFUSED);
    assert_non_null(strstr(err.text, "not on Fridays"));
}

/* ---- tickets ---- */

struct scene {
    struct lx_loop *loop;
    struct lx_admission admission;
    struct {
        struct lx_ticket ticket;
        bool granted;
    } jobs[8];
};

static struct scene scene;

static void granted(void *arg)
{
    *(bool *)arg = true;
}

static int begin(void **state)
{
    *state = &scene;
    memset(&scene, 0, sizeof scene);
    return lx_loop_new(&scene.loop, NULL);
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        lx_admission_leave(&scene.admission, &scene.jobs[i].ticket);
    lx_admission_done(&scene.admission);
    lx_loop_free(scene.loop);
    return 0;
}

static void limits(const char *cpu, const char *memory)
{
    struct lx_err err;
    assert_int_equal(lx_admission_init(&scene.admission, scene.loop, cpu, memory, &err), 0);
}

static int try_enter(size_t i, const char *text, struct lx_err *err)
{
    struct lx_claim claim;
    scene.jobs[i].granted = false;
    scene.jobs[i].ticket.granted = granted;
    scene.jobs[i].ticket.arg = &scene.jobs[i].granted;
    assert_int_equal(read_claim(text, &claim, err), 0);
    return lx_admission_enter(&scene.admission, &scene.jobs[i].ticket, &claim, err);
}

/* Whether it runs at once. */
static bool enter(size_t i, const char *text)
{
    struct lx_err err;
    assert_int_equal(try_enter(i, text, &err), 0);
    return scene.jobs[i].ticket.state == LX_TICKET_RUNNING;
}

/* Returns when whoever may begin after it has. */
static void leave(size_t i)
{
    bool over = false;
    struct lx_task after;
    struct lx_err err;
    lx_task_init(&after, granted, &over);
    lx_admission_leave(&scene.admission, &scene.jobs[i].ticket);
    lx_task_post(scene.loop, &after);
    assert_int_equal(lx_loop_run_until(scene.loop, &over, 5000, &err), 0);
}

static void what_fits_runs_and_the_rest_waits(void **state)
{
    (void)state;
    limits("4", "10Gi");
    assert_true(enter(0, "{\"cost\": {\"cpu\": \"1\", \"memory\": \"6Gi\"}}"));
    assert_true(enter(1, "{\"cost\": {\"cpu\": \"1\", \"memory\": \"4Gi\"}}"));
    assert_false(enter(2, "{\"cost\": {\"cpu\": \"1\", \"memory\": \"1Mi\"}}"));
    assert_true(lx_admission_full(&scene.admission));
    assert_int_equal(lx_admission_waiting(&scene.admission), 1);
    lx_auto(str) char *why = lx_admission_why(&scene.admission, &scene.jobs[2].ticket);
    assert_string_equal(why, "waiting for its turn: 2 jobs run, which together may count for 4 CPU "
                             "and 10Gi of memory");
    leave(1);
    assert_true(scene.jobs[2].granted);
    assert_false(lx_admission_full(&scene.admission));
    assert_false(enter(3, "{\"cost\": {\"cpu\": \"2500m\"}}"));
    leave(3); /* cancelled while it waited */
    leave(0);
    assert_false(scene.jobs[3].granted);
    assert_true(enter(4, "{\"cost\": {\"cpu\": \"3\"}}"));
}

static void nobody_overtakes_a_large_one(void **state)
{
    (void)state;
    limits(NULL, "10Gi");
    assert_true(enter(0, "{\"cost\": {\"memory\": \"6Gi\"}}"));
    assert_false(enter(1, "{\"cost\": {\"memory\": \"10Gi\"}}"));
    assert_false(enter(2, "{\"cost\": {\"memory\": \"1Gi\"}}"));
    leave(0);
    assert_true(scene.jobs[1].granted);
    assert_false(scene.jobs[2].granted);
    leave(1);
    assert_true(scene.jobs[2].granted);
}

static void what_never_fits_is_refused(void **state)
{
    (void)state;
    limits("4", "10Gi");
    struct lx_err err;
    assert_int_equal(try_enter(0, "{\"cost\": {\"memory\": \"10241Mi\"}}", &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_non_null(strstr(err.text, "LUNEXEC_MAXIMUM_MEMORY, which is 10Gi"));
    assert_int_equal(try_enter(0, "{\"cost\": {\"cpu\": \"4001m\"}}", &err), -1);
    assert_non_null(strstr(err.text, "LUNEXEC_MAXIMUM_CPU, which is 4"));
    assert_true(enter(0, "{\"cost\": {\"cpu\": \"4\", \"memory\": \"10Gi\"}}"));
}

static void jobs_of_a_key_share_its_limit(void **state)
{
    (void)state;
    limits(NULL, NULL);
    assert_true(enter(0, "{\"key\": \"a\", \"limit\": 1}"));
    assert_false(enter(1, "{\"key\": \"a\", \"limit\": 1}"));
    assert_false(lx_admission_full(&scene.admission)); /* other keys have room */
    assert_true(enter(2, "{\"key\": \"b\", \"limit\": 1}"));
    lx_auto(str) char *why = lx_admission_why(&scene.admission, &scene.jobs[1].ticket);
    assert_string_equal(why, "waiting: 1 of 1 jobs of a run, the policy's limit");
    leave(2);
    assert_false(scene.jobs[1].granted);
    leave(0);
    assert_true(scene.jobs[1].granted);
}

static void turns_go_by_weight(void **state)
{
    (void)state;
    limits("4", NULL);
    assert_true(enter(0, "{\"cost\": {\"cpu\": 1}, \"key\": \"a\"}"));
    assert_true(enter(1, "{\"cost\": {\"cpu\": 1}, \"key\": \"a\"}"));
    assert_true(enter(2, "{\"cost\": {\"cpu\": 1}, \"key\": \"b\", \"weight\": 3}"));
    assert_true(enter(3, "{\"cost\": {\"cpu\": 1}, \"key\": \"b\", \"weight\": 3}"));
    assert_false(enter(4, "{\"cost\": {\"cpu\": 1}, \"key\": \"a\"}"));
    assert_false(enter(5, "{\"cost\": {\"cpu\": 1}, \"key\": \"b\", \"weight\": 3}"));
    assert_false(enter(6, "{\"cost\": {\"cpu\": 1}, \"key\": \"c\"}"));
    leave(0);
    assert_true(scene.jobs[6].granted); /* none of c runs */
    leave(6);
    assert_true(scene.jobs[5].granted); /* 2 of b for a weight of 3, 1 of a for 1 */
    assert_false(scene.jobs[4].granted);
}

static void who_begins_changes_the_turns(void **state)
{
    (void)state;
    limits(NULL, "10Gi");
    assert_true(enter(0, "{\"cost\": {\"memory\": \"1Gi\"}, \"key\": \"a\"}"));
    assert_true(enter(1, "{\"cost\": {\"memory\": \"2Gi\"}, \"key\": \"b\"}"));
    assert_false(enter(2, "{\"cost\": {\"memory\": \"9Gi\"}, \"key\": \"a\"}"));
    assert_false(enter(3, "{\"cost\": {\"memory\": \"1Gi\"}, \"key\": \"b\"}"));
    assert_true(enter(4, "{\"cost\": {\"memory\": \"1Gi\"}, \"key\": \"a\", \"weight\": 2}"));
    leave(7);
    assert_true(scene.jobs[3].granted); /* 2 of a run now, 1 of b */
}

static void what_ran_before_counts(void **state)
{
    (void)state;
    limits(NULL, "10Gi");
    struct lx_claim claim;
    struct lx_err err;
    assert_int_equal(read_claim("{\"cost\": {\"memory\": \"12Gi\"}}", &claim, &err), 0);
    lx_admission_force(&scene.admission, &scene.jobs[0].ticket, &claim);
    assert_false(enter(1, "{\"cost\": {\"memory\": \"1Gi\"}}"));
    leave(0);
    assert_true(scene.jobs[1].granted);
}

static void a_limit_is_a_quantity(void **state)
{
    (void)state;
    struct lx_err err;
    limits("0", NULL);
    assert_true(enter(0, "{\"cost\": {\"cpu\": \"1000\"}}"));
    struct lx_admission bad;
    assert_int_equal(lx_admission_init(&bad, scene.loop, NULL, "lots", &err), -1);
    assert_non_null(strstr(err.text, "LUNEXEC_MAXIMUM_MEMORY: lots"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_admit_answers),
        cmocka_unit_test(what_it_may_not_answer),
        cmocka_unit_test_setup_teardown(what_fits_runs_and_the_rest_waits, begin, end),
        cmocka_unit_test_setup_teardown(nobody_overtakes_a_large_one, begin, end),
        cmocka_unit_test_setup_teardown(what_never_fits_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(jobs_of_a_key_share_its_limit, begin, end),
        cmocka_unit_test_setup_teardown(turns_go_by_weight, begin, end),
        cmocka_unit_test_setup_teardown(who_begins_changes_the_turns, begin, end),
        cmocka_unit_test_setup_teardown(what_ran_before_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_limit_is_a_quantity, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
