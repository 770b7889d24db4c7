/* Any JSON is either refused with a reason or becomes a job whose parts are all there. */
#include "lunexec/queue.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const struct lx_job_file *file)
{
    lx_assert(file->path && (file->content != NULL) == (file->bucket == NULL));
    lx_assert((file->bucket == NULL) == (file->key == NULL));
    lx_assert(!file->content || file->content[file->content_len] == '\0');
    lx_auto(str) char *clean = lx_path_clean(file->path);
    lx_assert(!lx_starts_with(clean, "../") && !lx_streq(clean, ".."));
    lx_assert(file->mtime_zone_minutes > -24 * 60 && file->mtime_zone_minutes < 24 * 60);
}

static void check_step(const struct lx_job_step *step)
{
    lx_assert(step->key && step->image && step->dir && step->commands && step->env);
    for (size_t i = 0; step->env[i]; i++)
        lx_assert(strchr(step->env[i], '=') > step->env[i]);
}

static void check_job(const struct lx_job *job)
{
    lx_assert(job->id > 0 && job->queue && *job->queue && job->uid && job->token);
    lx_assert(job->repository && job->repository_dir && job->commit && job->sparse_checkout);
    lx_assert(job->version == 1 || job->version == 2);
    for (size_t i = 0; i < job->n_files; i++)
        check_file(&job->files[i]);
    for (size_t i = 0; i < job->n_steps; i++)
        check_step(&job->steps[i]);
    for (size_t i = 0; i < job->n_secrets; i++)
        lx_assert(job->secrets[i].value && job->secrets[i].replacement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const queues[] = {"batches", NULL};
    json_t *payload = NULL;
    if (lx_json_parse((const char *)data, size, &payload, NULL) < 0)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        struct lx_job *job = NULL;
        struct lx_err err = {0};
        if (lx_job_parse(payload, queues[i], &job, &err) == 0)
            check_job(job);
        else
            lx_assert(!job && err.code == LX_E_INVALID && *err.text);
        lx_job_free(job);
    }
    json_decref(payload);
    return 0;
}
