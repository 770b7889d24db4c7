#include "tool.h"

#include "lunexec/text.h"
#include "lunexec/yaml.h"

#include <stdio.h>

#define OUTPUT_MAX ((size_t)256 * 1024 * 1024)

static int write_yaml(const json_t *objects, struct lx_buf *out, struct lx_err *err)
{
    size_t i;
    json_t *object;
    json_array_foreach (objects, i, object) {
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(OUTPUT_MAX);
        lx_auto(json) json_t *sorted = NULL;
        /* What is written with sorted keys is read back with them. */
        if (lx_json_dump_pretty(object, &text, err) < 0 ||
            lx_json_parse(lx_buf_str(&text), text.len, &sorted, err) < 0 ||
            lx_buf_adds(out, "---\n", err) < 0 || lx_yaml_dump(sorted, out, err) < 0)
            return -1;
    }
    return 0;
}

int lx_tool_write(const json_t *objects, bool json, struct lx_buf *out, struct lx_err *err)
{
    return json ? lx_json_dump_pretty(objects, out, err) : write_yaml(objects, out, err);
}

int lx_tool_render(struct lx_session *session, struct lx_job *job, bool json, struct lx_buf *out,
                   struct lx_err *err)
{
    lx_auto(json) json_t *objects = NULL;
    if (lx_preview(&session->opts, job, &objects, err) < 0)
        return -1;
    lx_auto(json) json_t *masked = lx_preview_masked(&session->opts, job, objects, err);
    return masked ? lx_tool_write(masked, json, out, err) : -1;
}

static int render(struct lx_tool *tool, struct lx_session *session, struct lx_job *job,
                  struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(OUTPUT_MAX);
    lx_auto(json) json_t *objects = NULL;
    if (lx_preview(&session->opts, job, &objects, err) < 0)
        return -1;
    lx_auto(json) json_t *masked = lx_preview_masked(&session->opts, job, objects, err);
    if (!masked || lx_tool_write(masked, tool->json, &out, err) < 0)
        return -1;
    fputs(lx_buf_str(&out), stdout);
    return tool->cluster ? lx_tool_dry_run(tool, objects, err) : 0;
}

int lx_policy_render_main(struct lx_tool *tool)
{
    struct lx_session session = {0};
    lx_auto(job) struct lx_job *job = NULL;
    struct lx_err err;
    if (!tool->job_file) {
        fputs("lunexec: policy render: --job FILE is missing\n", stderr);
        return LX_TOOL_WRONG;
    }
    int status = LX_TOOL_FINE;
    if (lx_tool_read_job(tool, tool->job_file, &job, &err) < 0 ||
        lx_session_open(tool, tool->policy_dir, NULL, &session, &err) < 0 ||
        render(tool, &session, job, &err) < 0)
        status = lx_session_failed(&session, "", &err);
    lx_session_close(&session);
    return status;
}

static int network(struct lx_tool *tool, struct lx_session *session, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(OUTPUT_MAX);
    lx_auto(json) json_t *results = NULL;
    if (lx_session_call(tool, session, "network", NULL, &results, err) < 0)
        return -1;
    const json_t *policies = json_array_get(results, 0);
    if (!results)
        return lx_fail(err, LX_E_REFUSED, "the policy has no function network()");
    if (!json_is_array(policies))
        return lx_fail(err, LX_E_REFUSED, "network() must return a list of NetworkPolicies");
    if (lx_tool_write(policies, tool->json, &out, err) < 0)
        return -1;
    fputs(lx_buf_str(&out), stdout);
    return 0;
}

int lx_policy_network_main(struct lx_tool *tool)
{
    struct lx_session session = {0};
    struct lx_err err;
    int status = LX_TOOL_FINE;
    if (lx_session_open(tool, tool->policy_dir, NULL, &session, &err) < 0 ||
        network(tool, &session, &err) < 0)
        status = lx_session_failed(&session, "", &err);
    lx_session_close(&session);
    return status;
}
