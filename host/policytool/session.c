#include "tool.h"

#include "lunexec/text.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 20000

struct waiting {
    bool done, failed;
    json_t *results;
    struct lx_err err;
};

static void on_ready(void *arg, const struct lx_err *err)
{
    struct waiting *w = arg;
    w->done = true;
    w->failed = err != NULL;
    if (err)
        w->err = *err;
}

int lx_session_open(struct lx_tool *tool, const char *dir, const char *prefix,
                    struct lx_session *ret, struct lx_err *err)
{
    struct lx_bundle *bundle = NULL;
    struct waiting w = {0};
    *ret = (struct lx_session){.opts = tool->host->executor};
    if (lx_bundle_load(dir, tool->host->scripts_dir, tool->host->library_dir, &bundle, err) < 0)
        return -1;
    if (prefix && lx_bundle_prefix(bundle, "policy", prefix, err) < 0) {
        lx_bundle_free(bundle);
        return -1;
    }
    if (lx_policy_new(tool->loop, bundle, NULL, tool->log, on_ready, &w, &ret->policy, err) < 0)
        return -1;
    int result = lx_loop_run_until(tool->loop, &w.done, WAIT_MS, err);
    if (result == 0 && w.failed) {
        *err = w.err;
        result = -1;
    }
    if (result < 0) {
        lx_session_close(ret);
        return -1;
    }
    ret->opts.loop = tool->loop;
    ret->opts.policy = ret->policy;
    return 0;
}

void lx_session_close(struct lx_session *session)
{
    lx_policy_free(session->policy);
    session->policy = NULL;
}

int lx_session_failed(const struct lx_session *session, const char *what, const struct lx_err *err)
{
    const char *text = session->policy ? lx_policy_error_text(session->policy) : "";
    const char *rest = strchr(text, '\n');
    fprintf(stderr, "lunexec: %s%s%s\n", what, *what ? ": " : "", err->text);
    if (err->code == LX_E_REFUSED && rest) {
        lx_auto(str) char *first = lx_strndup(text, (size_t)(rest - text));
        if (strstr(err->text, first))
            fprintf(stderr, "%s\n", rest + 1);
    }
    bool refused = err->code == LX_E_REFUSED || err->code == LX_E_TIMEOUT;
    return refused ? LX_TOOL_REFUSED : LX_TOOL_WRONG;
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct waiting *w = arg;
    on_ready(arg, err);
    if (!err && defined)
        w->results = json_incref(results);
}

int lx_session_call(struct lx_tool *tool, struct lx_session *session, const char *function,
                    const json_t *args, json_t **ret_results, struct lx_err *err)
{
    struct waiting w = {0};
    lx_auto(json) json_t *settings = json_pack("[O]", session->opts.policy_settings);
    struct lx_policy_call *call =
        lx_policy_call(session->policy, function, args ? args : settings, on_result, &w);
    if (lx_loop_run_until(tool->loop, &w.done, WAIT_MS, err) < 0) {
        lx_policy_cancel(call);
        return -1;
    }
    if (w.failed) {
        *err = w.err;
        return lx_wrap(err, "policy %s()", function);
    }
    *ret_results = w.results;
    return 0;
}
