#include "tool.h"

#include "lunexec/text.h"

#include <stdio.h>

/* Every file of a policy shares one environment, so this holds for all of them. On one line, so
 * that line numbers stay. */
static const char strict[] =
    "setmetatable(_ENV, {"
    "__index = function(_, name) error('undefined global ' .. tostring(name), 2) end, "
    "__newindex = function(_, name) error('assignment to undefined global ' .. "
    "tostring(name), 2) end}) ";

static bool is_known(const char *function)
{
    static const char *const known[] = {"job", "admit", "retry", "network", NULL};
    for (const char *const *name = known; *name; name++) {
        if (lx_streq(*name, function))
            return true;
    }
    return false;
}

static int check_functions(const struct lx_session *session, struct lx_err *err)
{
    size_t i;
    bool job = false;
    const json_t *name;
    json_array_foreach (lx_policy_functions(session->policy), i, name) {
        const char *text = json_string_value(name);
        job = job || lx_streq(text, "job");
        if (!is_known(text))
            return lx_fail(err, LX_E_REFUSED,
                           "policy.lua: unknown function %s in the table it returns; known are "
                           "job, admit, retry, network",
                           text);
    }
    if (!job)
        return lx_fail(err, LX_E_REFUSED, "policy.lua: the table it returns has no function job");
    return 0;
}

static int try_samples(struct lx_tool *tool, struct lx_session *session, struct lx_err *err)
{
    for (size_t i = 0;; i++) {
        const char *name = NULL;
        lx_auto(job) struct lx_job *job = NULL;
        lx_auto(json) json_t *objects = NULL;
        if (lx_tool_sample(i, &name, &job, err) < 0)
            return err->code == LX_E_NOT_FOUND ? 0 : -1;
        if (lx_preview(&session->opts, job, &objects, err) < 0 ||
            (tool->cluster && lx_tool_dry_run(tool, objects, err) < 0))
            return lx_wrap(err, "sample job (%s)", name);
        printf("ok %s: %zu objects%s\n", name, json_array_size(objects),
               tool->cluster ? ", accepted by the cluster" : "");
    }
}

/* retry() about a failure of each kind that a policy may want to treat in its own way. */
static int try_retry(struct lx_tool *tool, struct lx_session *session, struct lx_err *err)
{
    static const char *const classes[][2] = {{"out-of-memory", "OOMKilled"},
                                             {"evicted", "Evicted"}};
    const char *name = NULL;
    lx_auto(job) struct lx_job *job = NULL;
    lx_auto(json) json_t *task = NULL;
    if (lx_tool_sample(1, &name, &job, err) < 0 ||
        lx_preview_task(&session->opts, job, &task, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        lx_auto(json) json_t *results = NULL;
        lx_auto(json) json_t *args =
            json_pack("[{s:s, s:s, s:s, s:s, s:i}, O, O]", "class", classes[i][0], "reason",
                      classes[i][1], "message", "a sample", "limit", "12Gi", "attempt", 1, task,
                      session->opts.policy_settings);
        if (lx_session_call(tool, session, "retry", args, &results, err) < 0)
            return -1;
        const json_t *answer = json_array_get(results, 0);
        if (answer && !json_is_object(answer) && !json_is_null(answer) && !json_is_false(answer))
            return lx_fail(err, LX_E_REFUSED, "retry() must return nil or a table");
    }
    return 0;
}

static int try_network(struct lx_tool *tool, struct lx_session *session, struct lx_err *err)
{
    lx_auto(json) json_t *results = NULL;
    if (lx_session_call(tool, session, "network", NULL, &results, err) < 0)
        return -1;
    if (results && !json_is_array(json_array_get(results, 0)))
        return lx_fail(err, LX_E_REFUSED, "network() must return a list of NetworkPolicies");
    return 0;
}

/* Once as it is, so that a syntax error reads as in production; then again, strictly. */
int lx_policy_check_main(struct lx_tool *tool)
{
    const char *dir = tool->args[0] ? tool->args[0] : tool->policy_dir;
    struct lx_session session = {0};
    struct lx_err err;
    int result = lx_session_open(tool, dir, NULL, &session, &err);
    if (result == 0)
        result = check_functions(&session, &err);
    if (result == 0)
        result = lx_tool_check_globals(tool, dir, &err);
    if (result == 0) {
        lx_session_close(&session);
        result = lx_session_open(tool, dir, strict, &session, &err);
    }
    if (result == 0)
        result = try_samples(tool, &session, &err);
    if (result == 0)
        result = try_retry(tool, &session, &err);
    if (result == 0)
        result = try_network(tool, &session, &err);
    int status = result < 0 ? lx_session_failed(&session, dir, &err) : LX_TOOL_FINE;
    lx_session_close(&session);
    if (status == LX_TOOL_FINE)
        printf("%s: fine\n", dir);
    return status;
}
