/*
 * From a batch spec to the job that a Sourcegraph server makes of it (contract 2.2).
 */
#include "try.h"

#include "lunexec/text.h"

#include <string.h>

#define HELPER_IMAGE "sourcegraph/batcheshelper:local"

static json_t *execution_input(const json_t *spec, const char *repo_name, const char *commit)
{
    return json_pack("{s:{s:s,s:s},s:{s:s,s:s},s:{s:s,s:{s:s}},s:s,s:b,s:O,s:[],s:b,s:{}}",
                     "BatchChangeAttributes", "Name", lx_json_str(spec, "name", "try"),
                     "Description", lx_json_str(spec, "description", ""), "repository", "id",
                     "local", "name", repo_name, "branch", "name", "refs/heads/main", "target",
                     "oid", commit, "path", "", "onlyFetchWorkspace", 0, "steps",
                     lx_json_arr(spec, "steps"), "searchResultPaths", "cachedStepResultFound", 0,
                     "skippedSteps");
}

static json_t *docker_step(size_t index, const char *part, const char *image, const char *dir,
                           json_t *commands)
{
    return json_pack("{s:o,s:s,s:s,s:o,s:n}", "key", json_sprintf("step.%zu.%s", index, part),
                     "image", image, "dir", dir, "commands", commands, "env");
}

/* The three lines of a run step: quiet, strict, and both streams kept in files. */
static json_t *run_commands(size_t i)
{
    return json_pack("[s,s,o]", "{ set +x; } 2>/dev/null", "{ set -eo pipefail; } 2>/dev/null",
                     json_sprintf("(exec \"../step%zu.sh\" | tee ../stdout%zu.log) 3>&1 1>&2 2>&3 "
                                  "| tee ../stderr%zu.log",
                                  i, i, i));
}

static int add_steps(const json_t *steps, json_t *out, struct lx_err *err)
{
    size_t i;
    const json_t *step;
    json_array_foreach (steps, i, step) {
        const char *image = lx_json_str(step, "container", NULL);
        if (!image || !lx_json_str(step, "run", NULL))
            return lx_fail(err, LX_E_INVALID, "step %zu needs `run` and `container`", i + 1);
        json_array_append_new(
            out, docker_step(i, "pre", HELPER_IMAGE, ".",
                             json_pack("[o]", json_sprintf("batcheshelper pre %zu", i))));
        json_array_append_new(out, docker_step(i, "run", image, "repository", run_commands(i)));
        json_array_append_new(
            out, docker_step(i, "post", HELPER_IMAGE, ".",
                             json_pack("[o]", json_sprintf("batcheshelper post %zu", i))));
    }
    return 0;
}

int lx_try_payload(const json_t *spec, const char *repo_name, const char *commit,
                   json_t **ret_payload, struct lx_err *err)
{
    const json_t *steps = lx_json_arr(spec, "steps");
    lx_auto(json) json_t *docker = json_array();
    struct lx_buf input __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)16 << 20);
    if (json_array_size(steps) == 0)
        return lx_fail(err, LX_E_INVALID, "the batch spec has no steps");
    if (add_steps(steps, docker, err))
        return -1;
    lx_auto(json) json_t *execution = execution_input(spec, repo_name, commit);
    lx_auto(str) char *text = lx_json_text(execution);
    if (lx_base64_encode(&input, text, strlen(text), err))
        return -1;
    *ret_payload =
        json_pack("{s:i,s:i,s:s,s:s,s:s,s:b,s:b,s:n,s:{s:{s:s,s:s}},s:O,s:n,s:{},s:{}}", "version",
                  2, "id", 1, "repositoryName", repo_name, "repositoryDirectory", "repository",
                  "commit", commit, "fetchTags", 0, "shallowClone", 1, "sparseCheckout", "files",
                  "input.json", "content", lx_buf_str(&input), "modifiedAt", "0001-01-01T00:00:00Z",
                  "dockerSteps", docker, "cliSteps", "redactedValues", "dockerAuthConfig");
    return *ret_payload ? 0 : lx_fail(err, LX_E_INVALID, "the batch spec cannot be a job");
}
