/*
 * The job payload, V1 and V2, into struct lx_job (contract 2.1).
 */
#include "queue/fields.h"

#include "lunexec/clock.h"
#include "lunexec/queue.h"
#include "lunexec/text.h"

#include <inttypes.h>
#include <string.h>

static void file_done(struct lx_job_file *file)
{
    free(file->path);
    if (file->content)
        explicit_bzero(file->content, file->content_len);
    free(file->content);
    free(file->bucket);
    free(file->key);
}

static void step_done(struct lx_job_step *step)
{
    free(step->key);
    free(step->image);
    lx_strv_free(step->commands);
    free(step->dir);
    lx_strv_wipe(step->env);
}

void lx_job_free(struct lx_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->n_files; i++)
        file_done(&job->files[i]);
    for (size_t i = 0; i < job->n_steps; i++)
        step_done(&job->steps[i]);
    for (size_t i = 0; i < job->n_secrets; i++) {
        lx_secret_free(job->secrets[i].value);
        free(job->secrets[i].replacement);
    }
    free(job->files);
    free(job->steps);
    free(job->secrets);
    free(job->queue);
    free(job->uid);
    lx_secret_free(job->token);
    free(job->repository);
    free(job->repository_dir);
    free(job->commit);
    lx_strv_free(job->sparse_checkout);
    json_decref(job->docker_auth);
    json_decref(job->payload);
    free(job);
}

/* Minutes east of UTC in a text that is known to be RFC 3339. */
static int zone_minutes(const char *text, size_t len)
{
    if (len < 6 || (text[len - 6] != '+' && text[len - 6] != '-'))
        return 0;
    const char *zone = text + len - 6;
    int hours = (zone[1] - '0') * 10 + (zone[2] - '0');
    int minutes = (zone[4] - '0') * 10 + (zone[5] - '0');
    int total = hours * 60 + minutes;
    return zone[0] == '-' ? -total : total;
}

/* Go's zero time stands for "not set". */
static int read_mtime(const json_t *value, struct lx_job_file *file, struct lx_err *err)
{
    lx_auto(str) char *text = NULL;
    if (lx_field_str(value, "modifiedAt", &text, err) < 0)
        return -1;
    size_t len = strlen(text);
    if (len == 0 || lx_streq(text, "0001-01-01T00:00:00Z"))
        return 0;
    if (lx_rfc3339_parse(text, len, &file->mtime) < 0)
        return lx_fail(err, LX_E_INVALID, "modifiedAt: not an RFC 3339 time");
    file->has_mtime = true;
    file->mtime_zone_minutes = zone_minutes(text, len);
    return 0;
}

static int read_content(const json_t *value, int version, struct lx_job_file *file,
                        struct lx_err *err)
{
    const json_t *content = lx_field(value, "content");
    if (content && !json_is_string(content))
        return lx_fail(err, LX_E_INVALID, "content: not a string");
    if (*file->bucket && *file->key)
        return 0;

    size_t len = json_string_length(content);
    lx_auto(buf) struct lx_buf bytes = LX_BUF_SECRET(len + 1);
    if (content && len > 0) {
        const char *text = json_string_value(content);
        int rc = version == 2 ? lx_base64_decode(&bytes, text, len, err)
                              : lx_buf_add(&bytes, text, len, err);
        if (rc < 0)
            return lx_wrap(err, "content");
    }
    file->content_len = bytes.len;
    file->content = lx_buf_take(&bytes);
    return 0;
}

/* A path that climbs out would be written over something that is not the job's. */
static int check_path(const char *path, struct lx_err *err)
{
    lx_auto(str) char *clean = lx_path_clean(path);
    if (lx_streq(clean, "..") || lx_starts_with(clean, "../"))
        return lx_fail(err, LX_E_INVALID, "outside the workspace");
    return 0;
}

static int read_file(const char *path, const json_t *value, int version, struct lx_job_file *file,
                     struct lx_err *err)
{
    if (check_path(path, err) < 0)
        return -1;
    if (!json_is_object(value))
        return lx_fail(err, LX_E_INVALID, "not an object");
    file->path = lx_strdup(path);
    if (lx_field_str(value, "bucket", &file->bucket, err) < 0 ||
        lx_field_str(value, "key", &file->key, err) < 0 ||
        read_content(value, version, file, err) < 0 || read_mtime(value, file, err) < 0)
        return -1;
    if (*file->bucket && *file->key)
        return 0;
    free(lx_take(file->bucket));
    free(lx_take(file->key));
    return 0;
}

static int read_files(const json_t *payload, struct lx_job *job, struct lx_err *err)
{
    json_t *files = NULL;
    if (lx_field_object(payload, "files", &files, err) < 0)
        return -1;
    job->files = lx_alloc_array(json_object_size(files) + 1, sizeof(*job->files));
    const char *path;
    json_t *value;
    json_object_foreach (files, path, value) {
        struct lx_job_file *file = &job->files[job->n_files++];
        if (read_file(path, value, job->version, file, err) < 0)
            return lx_wrap(err, "files[\"%.200s\"]", path);
    }
    return 0;
}

static int read_step(const json_t *value, struct lx_job_step *step, struct lx_err *err)
{
    if (!json_is_object(value))
        return lx_fail(err, LX_E_INVALID, "not an object");
    if (lx_field_str(value, "key", &step->key, err) < 0 ||
        lx_field_str(value, "image", &step->image, err) < 0 ||
        lx_field_strv(value, "commands", &step->commands, err) < 0 ||
        lx_field_str(value, "dir", &step->dir, err) < 0 ||
        lx_field_strv(value, "env", &step->env, err) < 0)
        return -1;
    for (size_t i = 0; step->env[i]; i++) {
        const char *sep = strchr(step->env[i], '=');
        if (!sep || sep == step->env[i])
            return lx_fail(err, LX_E_INVALID, "env[%zu]: not NAME=value", i);
    }
    return 0;
}

static int read_steps(const json_t *payload, struct lx_job *job, struct lx_err *err)
{
    json_t *steps = NULL, *cli_steps = NULL;
    if (lx_field_array(payload, "dockerSteps", &steps, err) < 0 ||
        lx_field_array(payload, "cliSteps", &cli_steps, err) < 0)
        return -1;
    job->n_cli_steps = json_array_size(cli_steps);
    job->steps = lx_alloc_array(json_array_size(steps) + 1, sizeof(*job->steps));
    for (size_t i = 0; i < json_array_size(steps); i++) {
        job->n_steps++;
        if (read_step(json_array_get(steps, i), &job->steps[i], err) < 0)
            return lx_wrap(err, "dockerSteps[%zu]", i);
    }
    return 0;
}

/* The values are secrets: an error names their position only. */
static int read_secrets(const json_t *payload, struct lx_job *job, struct lx_err *err)
{
    json_t *values = NULL;
    if (lx_field_object(payload, "redactedValues", &values, err) < 0)
        return -1;
    job->secrets = lx_alloc_array(json_object_size(values) + 1, sizeof(*job->secrets));
    const char *secret;
    json_t *replacement;
    json_object_foreach (values, secret, replacement) {
        struct lx_job_secret *item = &job->secrets[job->n_secrets++];
        item->value = lx_strdup(secret);
        if (lx_string_copy(replacement, "replacement", &item->replacement, err) < 0)
            return lx_wrap(err, "redactedValues: entry %zu", job->n_secrets);
    }
    return 0;
}

static int read_identity(const json_t *payload, const char *queue, struct lx_job *job,
                         struct lx_err *err)
{
    int64_t version;
    if (lx_field_int(payload, "version", &version, err) < 0 ||
        lx_field_int(payload, "id", &job->id, err) < 0 ||
        lx_field_str(payload, "token", &job->token, err) < 0 ||
        lx_field_str(payload, "queue", &job->queue, err) < 0)
        return -1;
    if (job->id < 1)
        return lx_fail(err, LX_E_INVALID, "id: absent or not positive");
    if (strpbrk(job->token, "\r\n"))
        return lx_fail(err, LX_E_INVALID, "token: contains a line break");
    job->version = version == 2 ? 2 : 1;
    job->queue_in_payload = *job->queue != '\0';
    if (job->queue_in_payload) {
        job->uid = lx_strf("%" PRId64 "-%s", job->id, job->queue);
        return 0;
    }
    if (!queue)
        return lx_fail(err, LX_E_INVALID, "queue: absent, though several queues are served");
    free(job->queue);
    job->queue = lx_strdup(queue);
    job->uid = lx_strf("%" PRId64, job->id);
    return 0;
}

static int read_job(const json_t *payload, const char *queue, struct lx_job *job,
                    struct lx_err *err)
{
    json_t *auth = NULL;
    if (read_identity(payload, queue, job, err) < 0 ||
        lx_field_str(payload, "repositoryName", &job->repository, err) < 0 ||
        lx_field_str(payload, "repositoryDirectory", &job->repository_dir, err) < 0 ||
        lx_field_str(payload, "commit", &job->commit, err) < 0 ||
        lx_field_bool(payload, "fetchTags", &job->fetch_tags, err) < 0 ||
        lx_field_bool(payload, "shallowClone", &job->shallow_clone, err) < 0 ||
        lx_field_strv(payload, "sparseCheckout", &job->sparse_checkout, err) < 0 ||
        read_files(payload, job, err) < 0 || read_steps(payload, job, err) < 0 ||
        read_secrets(payload, job, err) < 0 ||
        lx_field_object(payload, "dockerAuthConfig", &auth, err) < 0)
        return -1;
    job->docker_auth = json_incref(auth);
    return 0;
}

int lx_job_parse(const json_t *payload, const char *queue, struct lx_job **ret_job,
                 struct lx_err *err)
{
    if (!json_is_object(payload))
        return lx_fail(err, LX_E_INVALID, "job payload: not an object");
    lx_auto(job) struct lx_job *job = lx_alloc(sizeof(*job));
    if (read_job(payload, queue, job, err) < 0)
        return lx_wrap(err, "job payload");
    job->payload = json_incref((json_t *)(uintptr_t)payload);
    *ret_job = lx_take(job);
    return 0;
}
