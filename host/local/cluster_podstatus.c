#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

static void condition(json_t *list, const char *type, bool yes, const char *reason,
                      const char *message)
{
    json_t *item = json_pack("{s:s,s:s,s:n,s:o}", "type", type, "status", yes ? "True" : "False",
                             "lastProbeTime", "lastTransitionTime", lx_time_json(lx_wall()));
    if (reason)
        json_object_set_new(item, "reason", json_string(reason));
    if (message)
        json_object_set_new(item, "message", json_string(message));
    json_array_append_new(list, item);
}

static json_t *conditions(const struct lx_pod_run *run)
{
    json_t *list = json_array();
    bool done = run->phase == LX_PHASE_SUCCEEDED;
    bool ready = run->phase == LX_PHASE_RUNNING;
    const char *why = done ? "PodCompleted" : "ContainersNotReady";
    if (!run->scheduled) {
        if (run->unscheduled)
            condition(list, "PodScheduled", false, "Unschedulable", run->unscheduled);
        return list;
    }
    condition(list, "Initialized", run->initialized,
              run->initialized ? (done ? "PodCompleted" : NULL) : "ContainersNotInitialized", NULL);
    condition(list, "Ready", ready, ready ? NULL : why, NULL);
    condition(list, "ContainersReady", ready, ready ? NULL : why, NULL);
    condition(list, "PodScheduled", true, NULL, NULL);
    return list;
}

static json_t *state_of(const struct lx_ctr *ctr)
{
    json_t *fields = json_object();
    const char *name = "waiting";
    if (ctr->state == LX_CTR_RUNNING) {
        name = "running";
        json_object_set_new(fields, "startedAt", lx_time_json(ctr->started));
    } else if (ctr->state == LX_CTR_TERMINATED) {
        name = "terminated";
        json_object_set_new(fields, "exitCode", json_integer(ctr->exit_code));
        json_object_set_new(fields, "startedAt", lx_time_json(ctr->started));
        json_object_set_new(fields, "finishedAt", lx_time_json(ctr->finished));
        json_object_set_new(fields, "containerID", json_string(ctr->id));
    }
    if (ctr->reason)
        json_object_set_new(fields, "reason", json_string(ctr->reason));
    if (ctr->message)
        json_object_set_new(fields, "message", json_string(ctr->message));
    return json_pack("{s:o}", name, fields);
}

static json_t *statuses(const struct lx_pod_run *run, size_t from, size_t to)
{
    json_t *list = json_array();
    for (size_t i = from; i < to; i++) {
        const struct lx_ctr *ctr = &run->ctrs[i];
        bool ended = ctr->state == LX_CTR_TERMINATED;
        bool ready = ctr->init ? ended && ctr->exit_code == 0 : ctr->state == LX_CTR_RUNNING;
        const char *image = lx_json_str(ctr->spec, "image", "");
        json_t *item = json_pack(
            "{s:s,s:o,s:{},s:b,s:i,s:s,s:s,s:b}", "name", ctr->name, "state", state_of(ctr),
            "lastState", "ready", ready, "restartCount", 0, "image", image, "imageID",
            ctr->state == LX_CTR_WAITING ? "" : image, "started", ctr->state == LX_CTR_RUNNING);
        if (*ctr->id)
            json_object_set_new(item, "containerID", json_string(ctr->id));
        json_array_append_new(list, item);
    }
    return list;
}

json_t *lx_kubelet_status(const struct lx_pod_run *run)
{
    static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed"};
    json_t *status = json_pack("{s:s,s:s,s:o}", "phase", phases[run->phase], "qosClass",
                               "Burstable", "conditions", conditions(run));
    if (run->reason)
        json_object_set_new(status, "reason", json_string(run->reason));
    if (run->message)
        json_object_set_new(status, "message", json_string(run->message));
    if (!run->scheduled)
        return status;
    json_object_set_new(status, "hostIP", json_string("127.0.0.1"));
    json_object_set_new(status, "podIP", json_string("127.0.0.1"));
    json_object_set_new(status, "startTime", lx_time_json(run->started));
    if (run->n_init)
        json_object_set_new(status, "initContainerStatuses", statuses(run, 0, run->n_init));
    json_object_set_new(status, "containerStatuses", statuses(run, run->n_init, run->n_ctrs));
    return status;
}
