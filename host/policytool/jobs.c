#include "tool.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <string.h>

#define JOB_MAX ((size_t)64 * 1024 * 1024)
#define HELPER "sourcegraph/batcheshelper:insiders"

int lx_tool_read_job(const struct lx_tool *tool, const char *path, struct lx_job **ret_job,
                     struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(JOB_MAX);
    lx_auto(json) json_t *payload = NULL;
    if (lx_file_read(path, &text, err) < 0)
        return -1;
    if (lx_json_parse(lx_buf_str(&text), text.len, &payload, err) < 0 ||
        lx_job_parse(payload, tool->host->queue, ret_job, err) < 0)
        return lx_wrap(err, "%s", path);
    return 0;
}

static void add_batch_step(json_t *steps, int index)
{
    static const char *const parts[] = {"pre", "run", "post"};
    for (size_t i = 0; i < 3; i++) {
        bool run = i == 1;
        json_t *env =
            run ? json_pack("[s]", "LANG=C.UTF-8") : json_pack("[s]", "TOKEN=sample-secret");
        json_array_append_new(
            steps, json_pack("{s:o, s:s, s:[o], s:s, s:o}", "key",
                             json_sprintf("step.%d.%s", index, parts[i]), "image",
                             run ? "alpine:3" : HELPER, "commands",
                             json_sprintf("%s %d", run ? "../step.sh" : "batcheshelper", index),
                             "dir", run ? "repository" : ".", "env", env));
    }
}

static json_t *sample(int id, const char *queue, json_t *steps)
{
    return json_pack("{s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:{s:{s:s}}, s:{s:s}, s:{}}",
                     "version", 2, "id", id, "queue", queue, "token", "sample-job-token",
                     "repositoryName", "github.com/acme/widgets", "repositoryDirectory",
                     "repository", "commit", "0123456789abcdef0123456789abcdef01234567",
                     "shallowClone", 1, "dockerSteps", steps, "files", "input.json", "content",
                     "e30=", "redactedValues", "sample-secret", "${{ secrets.TOKEN }}",
                     "dockerAuthConfig");
}

static json_t *batches(int id, int steps)
{
    json_t *list = json_array();
    for (int i = 0; i < steps; i++)
        add_batch_step(list, i);
    return sample(id, "batches", list);
}

static json_t *batches_one(void)
{
    return batches(990000001, 1);
}

static json_t *batches_three(void)
{
    return batches(990000003, 3);
}

static json_t *codeintel(void)
{
    return sample(990000002, "codeintel",
                  json_pack("[{s:s, s:s, s:[s], s:s, s:[s]}, {s:s, s:s, s:[s], s:s, s:n}]", "key",
                            "pre-index.0", "image", "sourcegraph/scip-go:latest", "commands",
                            "go mod download", "dir", ".", "env", "GOFLAGS=-mod=mod", "key",
                            "indexer", "image", "sourcegraph/scip-go:latest", "commands", "scip-go",
                            "dir", "cmd", "env"));
}

json_t *lx_tool_sample_payload(size_t index, const char **ret_name)
{
    static const struct {
        const char *name;
        json_t *(*make)(void);
    } samples[] = {
        {"batches, 1 step", batches_one},
        {"batches, 3 steps", batches_three},
        {"codeintel", codeintel},
    };
    if (index >= sizeof samples / sizeof *samples)
        return NULL;
    json_t *payload = samples[index].make();
    lx_assert(payload);
    *ret_name = samples[index].name;
    return payload;
}

int lx_tool_sample(size_t index, const char **ret_name, struct lx_job **ret_job, struct lx_err *err)
{
    lx_auto(json) json_t *payload = lx_tool_sample_payload(index, ret_name);
    if (!payload)
        return lx_fail(err, LX_E_NOT_FOUND, "no further sample");
    return lx_job_parse(payload, NULL, ret_job, err);
}

int lx_policytool_sample(size_t index, const char **ret_name, struct lx_job **ret_job,
                         struct lx_err *err)
{
    const char *name = NULL;
    if (lx_tool_sample(index, &name, ret_job, err) < 0)
        return -1;
    if (ret_name)
        *ret_name = name;
    return 0;
}
