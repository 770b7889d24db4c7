#include "job/task.h"

#include "job/shell.h"
#include "lunexec/text.h"

static json_t *task_container(const struct lx_workload_container *c)
{
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:s, s:O}", "name", c->name, "purpose", c->purpose, "image",
                  c->image, "working_dir", c->working_dir, "env_names", c->env_names);
    if (c->step_key)
        json_object_set_new(value, "key", json_string(c->step_key));
    return value;
}

static json_t *shared_workspace(const struct lx_executor_opts *opts, const struct lx_job *job)
{
    lx_auto(str) char *directory = lx_workload_directory(job);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "mount_path", LX_WORKSPACE, "volume",
                     "sg-executor-job-volume", "type", "claim", "claim", opts->claim_name,
                     "sub_path", directory);
}

static json_t *own_workspace(const struct lx_executor_opts *opts,
                             const struct lx_workload *workload)
{
    json_t *value = json_pack("{s:s, s:s, s:s, s:s}", "mount_path", LX_WORKSPACE, "volume",
                              "job-data", "type", opts->volume_type, "size", opts->volume_size);
    if (lx_streq(opts->volume_type, "pvc"))
        json_object_set_new(value, "claim", json_string(workload->volume_name));
    return value;
}

json_t *lx_task_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    const struct lx_workload *workload, const struct lx_task_attempt *attempt,
                    json_t *facts)
{
    json_t *containers = json_array();
    json_t *workspace =
        opts->shared_volume ? shared_workspace(opts, job) : own_workspace(opts, workload);
    for (size_t i = 0; i < workload->n_containers; i++)
        json_array_append_new(containers, task_container(&workload->containers[i]));
    json_t *task = json_pack(
        "{s:i, s:s, s:I, s:I, s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:I, s:o}", "api", 1,
        "queue", job->queue, "id", (json_int_t)job->id, "attempt",
        (json_int_t)(attempt ? attempt->number : 1), "layout",
        opts->shared_volume ? "shared-volume" : "single-pod", "repository", job->repository,
        "commit", job->commit, "names", "job", workload->job_name, "secret", workload->secret_name,
        "volume", workload->volume_name, "containers", containers, "workspace", workspace,
        "deadline_seconds", (json_int_t)opts->job_deadline_s, "facts", facts);
    if (attempt && attempt->resources)
        json_object_set_new(task, "resources", json_deep_copy(attempt->resources));
    return task;
}

json_t *lx_task_job(const struct lx_job *job, int64_t attempt, json_t *facts)
{
    json_t *steps = json_array(), *files = json_array();
    for (size_t i = 0; i < job->n_steps; i++)
        json_array_append_new(steps, json_pack("{s:s, s:s, s:s}", "key", job->steps[i].key, "image",
                                               job->steps[i].image, "dir", job->steps[i].dir));
    for (size_t i = 0; i < job->n_files; i++) {
        json_t *file = json_pack("{s:s}", "path", job->files[i].path);
        if (job->files[i].content)
            json_object_set_new(file, "size", json_integer((json_int_t)job->files[i].content_len));
        json_array_append_new(files, file);
    }
    return json_pack("{s:i, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:o}", "api", 1, "id",
                     (json_int_t)job->id, "attempt", (json_int_t)attempt, "queue", job->queue,
                     "repository", job->repository, "commit", job->commit, "steps", steps, "files",
                     files, "facts", facts);
}
