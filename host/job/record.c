#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

int64_t lx_wall_ms(void)
{
    struct timespec now = lx_wall();
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *key_of(const struct lx_run *run, const char *what)
{
    return lx_strf("%s/%s", run->job->uid, what);
}

void lx_record_job(struct lx_run *run)
{
    struct lx_journal_writer *journal = run->ex->journal;
    if (journal && run->job->payload) {
        lx_auto(str) char *key = key_of(run, "job");
        lx_auto(json) json_t *value =
            json_pack("{s:s, s:O}", "queue", run->job->queue, "payload", run->job->payload);
        lx_journal_writer_put(journal, key, value);
    }
    /* What could not be written is needed for the next try. */
    if (lx_journal_writer_healthy(journal))
        json_decref(lx_take(run->job->payload));
}

static json_t *record_objects(const struct lx_run *run)
{
    json_t *list = json_array();
    lx_list_each (it, &run->objects) {
        const struct lx_object *object = lx_container_of(it, struct lx_object, link);
        if (object->gone)
            continue;
        json_t *value =
            json_pack("{s:i, s:s, s:I, s:b}", "role", (int)object->role, "name", object->name,
                      "index", (json_int_t)object->index, "made", object->made);
        if (object->uid)
            json_object_set_new(value, "uid", json_string(object->uid));
        json_array_append_new(list, value);
    }
    return list;
}

static void put_failure(json_t *value, const char *key, const struct lx_failure *failure)
{
    if (failure->kind != LX_FAIL_NONE)
        json_object_set_new(value, key,
                            json_pack("{s:s, s:s}", "kind", lx_failure_name(failure->kind),
                                      "message", failure->message));
}

static void read_failure(struct lx_failure *failure, const json_t *value)
{
    if (!value)
        return;
    enum lx_failure_kind kind = lx_failure_named(lx_json_str(value, "kind", ""));
    lx_failure_restore(failure, kind == LX_FAIL_COUNT ? LX_FAIL_INTERNAL : kind,
                       lx_json_str(value, "message", ""));
}

/* What was decided about another attempt. */
static void put_retry(json_t *value, const struct lx_run *run)
{
    if (run->resources)
        json_object_set(value, "resources", run->resources);
    put_failure(value, "ended", &run->ended);
    uint64_t now = lx_now_ms();
    if (run->not_before_ms > now)
        json_object_set_new(value, "not_before",
                            json_integer(lx_wall_ms() + (int64_t)(run->not_before_ms - now)));
}

static void read_retry(struct lx_run *run, const json_t *value)
{
    int64_t left = lx_json_int(value, "not_before", 0) - lx_wall_ms();
    run->resources = json_incref(json_object_get(value, "resources"));
    read_failure(&run->ended, json_object_get(value, "ended"));
    run->not_before_ms = lx_now_ms() + (left > 0 ? (uint64_t)left : 0);
}

/* Of the Job that runs, or is planned. */
static void put_plan(json_t *value, const struct lx_run *run)
{
    if (run->workload) {
        json_object_set_new(value, "job_name", json_string(run->workload->job_name));
        json_object_set_new(value, "learnt", lx_workload_learnt(run->workload));
    } else if (run->planned) {
        json_object_set_new(value, "job_name", json_string(run->planned));
        json_object_set(value, "learnt", run->learnt);
    }
}

void lx_record_run(const struct lx_run *run)
{
    if (!run->ex->journal)
        return;
    lx_auto(str) char *key = key_of(run, "run");
    lx_auto(json) json_t *value =
        json_pack("{s:I, s:b, s:I, s:i, s:b, s:b, s:b, s:b, s:b, s:o}", "started",
                  (json_int_t)run->started_wall, "shared", run->shared, "step",
                  (json_int_t)run->step, "attempt", (int)run->attempt, "prepared", run->prepared,
                  "admitted", run->admitted, "complete", run->complete, "seen", run->seen, "ending",
                  run->ending, "objects", record_objects(run));
    json_object_set_new(value, "tag", json_string(run->tag));
    json_object_set_new(value, "ns", json_string(lx_run_ns(run)));
    put_plan(value, run);
    if (run->admission)
        json_object_set(value, "admission", run->admission);
    if (run->job_uid)
        json_object_set_new(value, "job_uid", json_string(run->job_uid));
    if (run->pod_uid)
        json_object_set_new(value, "pod_uid", json_string(run->pod_uid));
    if (run->ending)
        put_failure(value, "failure", &run->failure);
    put_retry(value, run);
    json_object_set_new(value, "grace", lx_grace_json(&run->grace));
    lx_journal_writer_put(run->ex->journal, key, value);
}

void lx_record_forget(struct lx_run *run)
{
    lx_auto(str) char *prefix = key_of(run, "");
    lx_journal_writer_remove(run->ex->journal, prefix);
}

static void read_objects(struct lx_run *run, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        int64_t role = lx_json_int(value, "role", -1);
        if (role < LX_OBJECT_SECRET || role > LX_OBJECT_FILES)
            continue;
        struct lx_object *object = lx_objects_restore(&run->objects, (enum lx_object_role)role,
                                                      lx_json_str(value, "name", ""),
                                                      (size_t)lx_json_int(value, "index", 0));
        object->uid = lx_strdup(lx_json_str(value, "uid", NULL));
        object->made = lx_json_bool(value, "made", true);
        object->unsure = !object->made;
    }
}

void lx_record_read(struct lx_run *run, const json_t *value)
{
    if (!value)
        return;
    int64_t step = lx_json_int(value, "step", 0);
    run->step = step > 0 && (size_t)step < run->job->n_steps ? (size_t)step : 0;
    const char *tag = lx_json_str(value, "tag", "");
    if (strlen(tag) == sizeof run->tag - 1)
        memcpy(run->tag, tag, sizeof run->tag);
    int64_t attempt = lx_json_int(value, "attempt", 1);
    run->attempt = attempt > 0 ? (unsigned)attempt : 1;
    run->shared = lx_json_bool(value, "shared", run->shared);
    run->prepared = lx_json_bool(value, "prepared", false);
    run->admitted = lx_json_bool(value, "admitted", false);
    run->complete = lx_json_bool(value, "complete", false);
    run->seen = lx_json_bool(value, "seen", false);
    run->ending = lx_json_bool(value, "ending", false);
    run->planned = lx_strdup(lx_json_str(value, "job_name", NULL));
    run->learnt = json_incref(lx_json_arr(value, "learnt"));
    run->job_uid = lx_strdup(lx_json_str(value, "job_uid", NULL));
    run->pod_uid = lx_strdup(lx_json_str(value, "pod_uid", NULL));
    run->admission = json_incref(json_object_get(value, "admission"));
    read_objects(run, lx_json_arr(value, "objects"));
    const char *ns = lx_json_str(value, "ns", run->ex->opts.ns);
    if (!lx_streq(ns, run->ex->opts.ns) && !lx_list_empty(&run->objects))
        run->ns = lx_strdup(ns);
    read_failure(&run->failure, json_object_get(value, "failure"));
    read_retry(run, value);
    (void)lx_grace_parse(lx_json_arr(value, "grace"), &run->grace, NULL);
}
