#include "tool.h"

#include "lunexec/text.h"

#define WAIT_MS 65000

struct sending {
    bool done, accepted;
    struct lx_err err;
};

/* An object of that name is there: the server compares names after everything else. */
static void on_answer(void *arg, const struct lx_kube_result *result)
{
    struct sending *s = arg;
    s->done = true;
    s->accepted = result->ok || lx_streq(result->reason, "AlreadyExists");
    s->err = result->err;
}

static enum lx_kube_kind kind_of(const json_t *object)
{
    const char *kind = lx_json_str(object, "kind", "");
    if (lx_streq(kind, "Secret"))
        return LX_KUBE_SECRET;
    return lx_streq(kind, "PersistentVolumeClaim") ? LX_KUBE_PVC : LX_KUBE_JOB;
}

static int send_one(struct lx_tool *tool, struct lx_kube *kube, const json_t *object,
                    struct lx_err *err)
{
    struct sending s = {0};
    // rbac none: `lunexec policy check --cluster` has the rights of whoever calls it
    struct lx_kube_call *call =
        lx_kube_dry_run(kube, kind_of(object), tool->host->executor.ns, object, 0, on_answer, &s);
    if (lx_loop_run_until(tool->loop, &s.done, WAIT_MS, err) < 0) {
        lx_kube_cancel(call);
        return -1;
    }
    if (s.accepted)
        return 0;
    if (s.err.code == LX_E_INVALID || s.err.code == LX_E_AUTH)
        s.err.code = LX_E_REFUSED;
    *err = s.err;
    return lx_wrap(err, "dry run of %s %s", lx_json_str(object, "kind", "object"),
                   lx_json_str(lx_json_obj(object, "metadata"), "name", ""));
}

int lx_tool_dry_run(struct lx_tool *tool, const json_t *objects, struct lx_err *err)
{
    struct lx_kube_config config = {0};
    struct lx_kube *kube = NULL;
    size_t i;
    const json_t *object;
    int result = tool->host->find_cluster(tool->host->arg, &config, err);
    if (result == 0)
        result = lx_kube_new(tool->loop, &config, tool->log, &kube, err);
    json_array_foreach (objects, i, object) {
        if (result == 0)
            result = send_one(tool, kube, object, err);
    }
    lx_kube_free(kube);
    lx_kube_config_done(&config);
    return result;
}
