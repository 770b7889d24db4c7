#include "lunexec/preview.h"

#include "job/claim.h"
#include "job/facts.h"
#include "job/grace.h"
#include "job/manifests.h"
#include "job/task.h"
#include "lunexec/mask.h"
#include "lunexec/text.h"

#include <string.h>

/* A call's own deadlines are far below this. */
#define WAIT_MS 60000
#define JOB_UID "00000000-0000-0000-0000-000000000000"
#define TEXT_MAX ((size_t)64 * 1024 * 1024)
#define MASKED "***"

/* ---- Asking the policy ---- */

struct answer {
    bool done, defined, failed;
    json_t *results;
    struct lx_err err;
};

static void on_answer(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct answer *answer = arg;
    answer->done = true;
    answer->defined = defined;
    answer->failed = err != NULL;
    if (err)
        answer->err = *err;
    else
        answer->results = json_incref(results);
}

/* `first` is taken over. */
static int ask(const struct lx_executor_opts *opts, const char *function, json_t *first,
               struct answer *ret, struct lx_err *err)
{
    lx_auto(json) json_t *args = json_pack("[o, O]", first, opts->policy_settings);
    *ret = (struct answer){0};
    struct lx_policy_call *call = lx_policy_call(opts->policy, function, args, on_answer, ret);
    if (lx_loop_run_until(opts->loop, &ret->done, WAIT_MS, err) < 0) {
        lx_policy_cancel(call);
        return lx_wrap(err, "policy %s()", function);
    }
    if (ret->failed) {
        if (err)
            *err = ret->err;
        return lx_wrap(err, "policy %s()", function);
    }
    return 0;
}

static int admit(const struct lx_executor_opts *opts, const struct lx_job *job, struct lx_err *err)
{
    struct answer answer;
    if (ask(opts, "admit", lx_task_job(job, 1, lx_facts_new(NULL, job)), &answer, err) < 0)
        return -1;
    struct lx_claim claim = {0};
    int result = lx_claim_read(answer.defined ? json_array_get(answer.results, 0) : NULL,
                               json_array_get(answer.results, 1), &claim, err);
    lx_claim_done(&claim);
    json_decref(answer.results);
    return result;
}

static int plan(const struct lx_manifests *m, json_t **ret_plan, struct lx_err *err)
{
    struct answer answer;
    if (ask(m->opts, "job",
            lx_task_new(m->opts, m->job, m->workload, NULL, lx_facts_new(NULL, m->job)), &answer,
            err) < 0)
        return -1;
    int result = -1;
    struct lx_grace grace;
    if (!answer.defined)
        lx_fail(err, LX_E_REFUSED, "the policy has no function job()");
    else if (lx_grace_parse(answer.results, &grace, err) < 0 ||
             lx_manifests_plan(m, answer.results, ret_plan, err) < 0)
        lx_wrap(err, "policy job()");
    else
        result = 0;
    json_decref(answer.results);
    return result;
}

/* ---- The objects ---- */

static int add_objects(const struct lx_manifests *m, struct lx_list *objects, json_t *out,
                       struct lx_err *err)
{
    lx_auto(json) json_t *manifest = NULL;
    if (plan(m, &manifest, err) < 0)
        return -1;
    lx_objects_add(objects, m->workload,
                   !m->opts->shared_volume && lx_streq(m->opts->volume_type, "pvc"));
    for (struct lx_object *o = lx_objects_next(objects); o; o = lx_objects_next(objects)) {
        json_t *object = lx_manifests_object(m, o, manifest, JOB_UID, err);
        if (!object)
            return -1;
        json_array_append_new(out, object);
        o->made = true;
    }
    return 0;
}

static void fill_files(struct lx_job *job)
{
    for (size_t i = 0; i < job->n_files; i++) {
        if (!job->files[i].content)
            job->files[i].content = lx_strdup("");
    }
}

static int make_workload(const struct lx_executor_opts *opts, const struct lx_job *job, size_t step,
                         struct lx_workload **ret_workload, struct lx_err *err)
{
    return opts->shared_volume ? lx_workload_new_step(job, step, 1, ret_workload, err)
                               : lx_workload_new(opts, job, 1, ret_workload, err);
}

int lx_preview(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_objects,
               struct lx_err *err)
{
    lx_auto(json) json_t *out = json_array();
    struct lx_list objects;
    size_t n = opts->shared_volume ? job->n_steps : job->n_steps > 0;
    int result = 0;
    fill_files(job);
    lx_list_init(&objects);
    if (admit(opts, job, err) < 0)
        return -1;
    for (size_t i = 0; i < n && result == 0; i++) {
        lx_auto(workload) struct lx_workload *workload = NULL;
        result = make_workload(opts, job, i, &workload, err);
        struct lx_manifests m = {
            .opts = opts, .job = job, .workload = workload, .policy = opts->policy};
        if (result == 0)
            result = add_objects(&m, &objects, out, err);
    }
    lx_objects_free(&objects);
    if (result == 0)
        *ret_objects = lx_take(out);
    return result;
}

int lx_preview_task(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_task,
                    struct lx_err *err)
{
    lx_auto(workload) struct lx_workload *workload = NULL;
    fill_files(job);
    if (job->n_steps == 0)
        return lx_fail(err, LX_E_INVALID, "the job has no steps");
    if (make_workload(opts, job, 0, &workload, err) < 0)
        return -1;
    *ret_task = lx_task_new(opts, job, workload, NULL, lx_facts_new(NULL, job));
    return 0;
}

int lx_preview_arguments(const struct lx_executor_opts *opts, struct lx_job *job,
                         json_t **ret_arguments, struct lx_err *err)
{
    json_t *task = NULL;
    if (lx_preview_task(opts, job, &task, err) < 0)
        return -1;
    *ret_arguments =
        json_pack("{s:o, s:o}", "task", task, "job", lx_task_job(job, 1, lx_facts_new(NULL, job)));
    return 0;
}

/* ---- Masking ---- */

static void hide_values(json_t *object, const char *member)
{
    const char *key;
    json_t *value;
    json_object_foreach (lx_json_obj(object, member), key, value)
        json_object_set_new(lx_json_obj(object, member), key, json_string(MASKED));
}

static int mask_value(const struct lx_mask *mask, const json_t *value, json_t **ret,
                      struct lx_err *err)
{
    if (json_is_string(value)) {
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(TEXT_MAX);
        if (lx_mask_text(mask, json_string_value(value), json_string_length(value), &text, err) < 0)
            return -1;
        *ret = json_stringn_nocheck(lx_buf_str(&text), text.len);
        return 0;
    }
    if (!json_is_array(value) && !json_is_object(value)) {
        *ret = json_copy((json_t *)(uintptr_t)value);
        return 0;
    }
    lx_auto(json) json_t *copy = json_is_array(value) ? json_array() : json_object();
    const char *key;
    json_t *item, *masked;
    size_t i;
    json_array_foreach (value, i, item) {
        if (mask_value(mask, item, &masked, err) < 0)
            return -1;
        json_array_append_new(copy, masked);
    }
    json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
        if (mask_value(mask, item, &masked, err) < 0)
            return -1;
        json_object_set_new(copy, key, masked);
    }
    *ret = lx_take(copy);
    return 0;
}

json_t *lx_preview_masked(const struct lx_executor_opts *opts, const struct lx_job *job,
                          const json_t *objects, struct lx_err *err)
{
    struct lx_mask *mask = NULL;
    json_t *copy = NULL;
    size_t n = 0, i;
    json_t *object;
    struct lx_secret *secrets = lx_alloc_array(job->n_secrets + 2, sizeof *secrets);
    for (; n < job->n_secrets; n++)
        secrets[n] = (struct lx_secret){job->secrets[n].value, MASKED};
    if (opts->password)
        secrets[n++] = (struct lx_secret){opts->password, MASKED};
    secrets[n++] = (struct lx_secret){job->token, MASKED};
    int result = lx_mask_new(secrets, n, &mask, NULL, err);
    free(secrets);
    if (result == 0)
        result = mask_value(mask, objects, &copy, err);
    lx_mask_free(mask);
    if (result < 0)
        return NULL;
    json_array_foreach (copy, i, object) {
        if (lx_streq(lx_json_str(object, "kind", ""), "Secret")) {
            hide_values(object, "stringData");
            hide_values(object, "data");
        }
    }
    return copy;
}
