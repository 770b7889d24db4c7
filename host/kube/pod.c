#include "kube/pod.h"

#include <string.h>

#define TEXT_MAX_LEN 4096
#define CONTAINERS_MAX 1000

/* A copy, cut between UTF-8 characters. */
static char *copy(const char *text)
{
    size_t len = strlen(text);
    if (len > TEXT_MAX_LEN) {
        len = TEXT_MAX_LEN;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    return lx_strndup(text, len);
}

static char *copy_str(const json_t *object, const char *key)
{
    return copy(lx_json_str(object, key, ""));
}

static void container_done(struct lx_container *container)
{
    free(container->name);
    free(container->reason);
    free(container->message);
    free(container->container_id);
    free(container->started_at);
    free(container->finished_at);
}

void lx_pod_free(struct lx_pod *pod)
{
    if (!pod)
        return;
    for (size_t i = 0; i < pod->n_containers; i++)
        container_done(&pod->containers[i]);
    free(pod->containers);
    free(pod->name);
    free(pod->uid);
    free(pod->node);
    free(pod->job_name);
    free(pod->owner_uid);
    free(pod->phase);
    free(pod->reason);
    free(pod->message);
    free(pod->unscheduled);
    free(pod->disruption);
    free(pod);
}

static void container_parse(const json_t *status, bool init, struct lx_container *container)
{
    const json_t *state = lx_json_obj(status, "state");
    const json_t *detail = lx_json_obj(state, "terminated");
    container->state = LX_CONTAINER_WAITING;
    if (detail) {
        container->state = LX_CONTAINER_TERMINATED;
        /* An exit code that is not there must never read as success. */
        container->exit_code = lx_json_int(detail, "exitCode", -1);
    } else if ((detail = lx_json_obj(state, "running"))) {
        container->state = LX_CONTAINER_RUNNING;
    } else {
        detail = lx_json_obj(state, "waiting");
    }
    container->init = init;
    container->name = copy_str(status, "name");
    container->reason = copy_str(detail, "reason");
    container->message = copy_str(detail, "message");
    container->started_at = copy_str(detail, "startedAt");
    container->finished_at = copy_str(detail, "finishedAt");
    container->container_id = copy_str(status, "containerID");
    if (!*container->container_id) {
        free(container->container_id);
        container->container_id = copy_str(detail, "containerID");
    }
    container->restart_count = lx_json_int(status, "restartCount", 0);
}

static void containers_parse(const json_t *status, struct lx_pod *pod)
{
    const json_t *lists[] = {lx_json_arr(status, "initContainerStatuses"),
                             lx_json_arr(status, "containerStatuses")};
    size_t total = json_array_size(lists[0]) + json_array_size(lists[1]);
    if (total > CONTAINERS_MAX)
        total = CONTAINERS_MAX;
    pod->containers = total ? lx_alloc_array(total, sizeof(*pod->containers)) : NULL;
    for (size_t list = 0; list < 2; list++) {
        size_t i;
        json_t *item;
        json_array_foreach (lists[list], i, item) {
            if (pod->n_containers < total)
                container_parse(item, list == 0, &pod->containers[pod->n_containers++]);
        }
    }
}

/* NULL if it is in another state. */
static const json_t *find_condition(const json_t *status, const char *type, const char *state)
{
    size_t i;
    json_t *item;
    json_array_foreach (lx_json_arr(status, "conditions"), i, item) {
        if (strcmp(lx_json_str(item, "type", ""), type) == 0 &&
            strcmp(lx_json_str(item, "status", ""), state) == 0)
            return item;
    }
    return NULL;
}

/* The text of a condition in the given state, "" if it is in another. */
static char *condition(const json_t *status, const char *type, const char *state, bool reason_first)
{
    const json_t *item = find_condition(status, type, state);
    const char *reason = lx_json_str(item, "reason", "");
    const char *message = lx_json_str(item, "message", "");
    if (!item || !reason_first)
        return copy(*message ? message : reason);
    lx_auto(str) char *both = lx_strf("%.*s: %.*s", TEXT_MAX_LEN, reason, TEXT_MAX_LEN, message);
    return copy(both);
}

static char *owner_uid(const json_t *meta)
{
    size_t i;
    json_t *item;
    json_array_foreach (lx_json_arr(meta, "ownerReferences"), i, item) {
        if (lx_json_bool(item, "controller", false))
            return copy_str(item, "uid");
    }
    return copy("");
}

int lx_pod_parse(const json_t *object, struct lx_pod **ret_pod, struct lx_err *err)
{
    const json_t *meta = lx_json_obj(object, "metadata");
    const json_t *labels = lx_json_obj(meta, "labels");
    const json_t *status = lx_json_obj(object, "status");
    const char *name = lx_json_str(meta, "name", ""), *uid = lx_json_str(meta, "uid", "");
    if (!*name || !*uid)
        return lx_fail(err, LX_E_PEER, "a pod without %s", *name ? "a UID" : "a name");
    struct lx_pod *pod = lx_alloc(sizeof(*pod));
    pod->name = copy(name);
    pod->uid = copy(uid);
    pod->node = copy_str(lx_json_obj(object, "spec"), "nodeName");
    pod->job_name = copy(
        lx_json_str(labels, "batch.kubernetes.io/job-name", lx_json_str(labels, "job-name", "")));
    pod->owner_uid = owner_uid(meta);
    pod->phase = copy_str(status, "phase");
    pod->reason = copy_str(status, "reason");
    pod->message = copy_str(status, "message");
    pod->deleting = *lx_json_str(meta, "deletionTimestamp", "") != '\0';
    pod->unscheduled = condition(status, "PodScheduled", "False", false);
    pod->unready = find_condition(status, "PodReadyToStartContainers", "False") != NULL;
    pod->disruption = condition(status, "DisruptionTarget", "True", true);
    containers_parse(status, pod);
    *ret_pod = pod;
    return 0;
}
