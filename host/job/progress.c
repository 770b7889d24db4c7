#include "job/progress.h"

#include "lunexec/clock.h"
#include "lunexec/map.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

/* Enough for every reason of every container of a pod; beyond it nothing further is told. */
#define TOLD_MAX 256

/* An ordinary start takes less; then Events are listed, and again as long as nothing starts. */
#define PATIENCE_MS 5000
#define REPEAT_MS 30000
#define EVENTS_MAX 100
#define LIST_PATIENCE_MS 10000

static const char key[] = "setup.workspace";

struct lx_progress {
    struct lx_entries *entries;
    struct lx_map *told; /* texts that were told */

    struct lx_timer *timer; /* NULL before lx_progress_wait and after lx_progress_stop */
    struct lx_kube *kube;
    struct lx_kube_call *call;
    char *ns, *job_name;
    char *pod_name; /* NULL: there is none yet */
    char *node;     /* "": none yet */
    char *refusal;  /* why there is no pod; NULL: not known */
    char *trouble;  /* why its node does not get it ready; NULL: not known */
    bool *events_denied;
    bool waiting;      /* for a container to start */
    size_t started;    /* containers that had, when the wait began */
    uint64_t since_ms; /* while it waits */
    bool late;         /* the wait is longer than an ordinary one */
};

struct lx_progress *lx_progress_new(struct lx_entries *entries)
{
    struct lx_progress *progress = lx_alloc(sizeof *progress);
    progress->entries = entries;
    progress->told = lx_map_new(TOLD_MAX, NULL);
    return progress;
}

void lx_progress_stop(struct lx_progress *progress)
{
    lx_kube_cancel(lx_take(progress->call));
    lx_timer_free(lx_take(progress->timer));
    progress->waiting = false;
}

void lx_progress_free(struct lx_progress *progress)
{
    if (!progress)
        return;
    lx_progress_stop(progress);
    lx_map_free(progress->told);
    free(progress->ns);
    free(progress->job_name);
    free(progress->pod_name);
    free(progress->node);
    free(progress->refusal);
    free(progress->trouble);
    free(progress);
}

static struct lx_entry *entry_of(struct lx_progress *progress)
{
    struct lx_entry *entry = lx_entry_find(progress->entries, key);
    return entry ? entry : lx_entry_open(progress->entries, key, NULL);
}

static bool entry_ended(const struct lx_progress *progress)
{
    const struct lx_entry *entry = lx_entry_find(progress->entries, key);
    return entry && lx_entry_finished(entry);
}

void lx_progress_told(struct lx_progress *progress, const char *text)
{
    (void)lx_map_put(progress->told, text, progress);
}

/* `text` decides whether it was told before. Between two steps of a pod the entry of the first is
 * still open. */
static void tell(struct lx_progress *progress, const char *text)
{
    if (lx_map_get(progress->told, text) || !lx_map_put(progress->told, text, progress))
        return;
    if (entry_ended(progress))
        lx_entries_tell_open(progress->entries, text);
    else
        lx_entry_note(entry_of(progress), text);
}

void lx_progress_tell(struct lx_progress *progress, const char *text)
{
    lx_auto(str) char *line = lx_strf("[lunexec] %s", text);
    tell(progress, line);
}

/* ---- Events ---- */

/* What statuses and conditions of the pod tell already, in words of their own. */
static bool is_told_elsewhere(const char *reason)
{
    static const char *const reasons[] = {"FailedScheduling", "Failed",  "BackOff",
                                          "Scheduled",        "Created", "Started"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (lx_streq(reason, reasons[i]))
            return true;
    }
    return false;
}

static bool is_trouble(const char *reason)
{
    static const char *const reasons[] = {"FailedMount", "FailedAttachVolume", "FailedMapVolume",
                                          "FailedCreatePodSandBox", "NetworkNotReady"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (lx_streq(reason, reasons[i]))
            return true;
    }
    return false;
}

/* Warnings, and of the rest what takes its time: images. */
static void tell_event(struct lx_progress *progress, const json_t *event)
{
    const char *reason = lx_json_str(event, "reason", "");
    const char *message = lx_json_str(event, "message", "");
    if (lx_streq(reason, "FailedCreate") && *message) {
        free(progress->refusal);
        progress->refusal = lx_strdup(message);
    }
    if (is_trouble(reason) && *message) {
        free(progress->trouble);
        progress->trouble = lx_strf("%s: %s", reason, message);
    }
    bool image = lx_streq(reason, "Pulling") || lx_streq(reason, "Pulled");
    if (is_told_elsewhere(reason) ||
        (!image && !lx_streq(lx_json_str(event, "type", ""), "Warning")))
        return;
    lx_auto(str) char *text =
        image ? lx_strf("[lunexec] %s", message) : lx_strf("[lunexec] %s: %s", reason, message);
    tell(progress, text);
}

/* What can be said without Events. */
static void tell_plainly(struct lx_progress *progress)
{
    if (!progress->pod_name) {
        tell(progress, "[lunexec] waiting for the cluster to create a pod");
    } else if (*progress->node) {
        lx_auto(str) char *text = lx_strf("[lunexec] the pod is on node %s: waiting for its images "
                                          "and volumes",
                                          progress->node);
        tell(progress, text);
    }
}

static void on_events(void *arg, const struct lx_kube_result *result)
{
    struct lx_progress *progress = arg;
    progress->call = NULL;
    if (result->status == 403)
        *progress->events_denied = true;
    if (result->ok) {
        const json_t *items = json_object_get(result->object, "items");
        for (size_t i = 0; i < json_array_size(items); i++)
            tell_event(progress, json_array_get(items, i));
    }
}

static void list_events(struct lx_progress *progress)
{
    const char *name = progress->pod_name ? progress->pod_name : progress->job_name;
    lx_auto(buf) struct lx_buf query = LX_BUF_INIT(1024);
    if (lx_buf_addf(&query, NULL, "limit=%d&fieldSelector=involvedObject.name%%3D", EVENTS_MAX) <
            0 ||
        lx_url_escape(&query, name, strlen(name), NULL) < 0)
        return;
    // rbac optional: events list: why a job waits (quota, admission, volumes, image pulls)
    progress->call = lx_kube_list(progress->kube, LX_KUBE_EVENT, progress->ns, lx_buf_str(&query),
                                  lx_now_ms() + LIST_PATIENCE_MS, on_events, progress);
}

static void on_late(void *arg)
{
    struct lx_progress *progress = arg;
    progress->late = true;
    tell_plainly(progress);
    if (!*progress->events_denied && !progress->call)
        list_events(progress);
}

static void begin_wait(struct lx_progress *progress, size_t started)
{
    progress->waiting = true;
    progress->started = started;
    progress->late = false;
    progress->since_ms = lx_now_ms();
    lx_timer_start(progress->timer, PATIENCE_MS, REPEAT_MS);
}

static void end_wait(struct lx_progress *progress, size_t started)
{
    if (progress->late && started > progress->started) {
        char took[LX_DURATION_SIZE];
        lx_format_duration((int64_t)(lx_now_ms() - progress->since_ms) / 1000 * 1000, took);
        lx_auto(str) char *text = lx_strf("[lunexec] started after %s", took);
        tell(progress, text);
    }
    progress->waiting = false;
    lx_kube_cancel(lx_take(progress->call));
    lx_timer_stop(progress->timer);
}

void lx_progress_wait(struct lx_progress *progress, const struct lx_progress_wait *wait)
{
    lx_progress_stop(progress); /* a job over a shared volume waits once a step */
    free(progress->ns);
    free(progress->job_name);
    free(lx_take(progress->pod_name));
    free(progress->node);
    free(lx_take(progress->refusal));
    free(lx_take(progress->trouble));
    progress->kube = wait->kube;
    progress->ns = lx_strdup(wait->ns);
    progress->job_name = lx_strdup(wait->job_name);
    progress->node = lx_strdup("");
    progress->events_denied = wait->events_denied;
    progress->timer = lx_timer_new(wait->loop, on_late, progress);
    begin_wait(progress, 0);
}

/* ---- The pod ---- */

/* The reasons of an ordinary start are no news. */
static bool is_news(const struct lx_container *c)
{
    return c->state == LX_CONTAINER_WAITING && *c->reason &&
           !lx_streq(c->reason, "PodInitializing") && !lx_streq(c->reason, "ContainerCreating");
}

static size_t count_in(const struct lx_pod *pod, enum lx_container_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < pod->n_containers; i++)
        n += pod->containers[i].state == state;
    return n;
}

/* Keeps what a late start is explained with. */
static void follow_start(struct lx_progress *progress, const struct lx_pod *pod)
{
    if (!progress->timer)
        return;
    free(progress->pod_name);
    free(progress->node);
    progress->pod_name = lx_strdup(pod->name);
    progress->node = lx_strdup(pod->node);
    size_t waiting = count_in(pod, LX_CONTAINER_WAITING), started = pod->n_containers - waiting;
    bool waits = count_in(pod, LX_CONTAINER_RUNNING) == 0 && (waiting > 0 || started == 0);
    if (progress->waiting && (!waits || started > progress->started))
        end_wait(progress, started);
    if (waits && !progress->waiting)
        begin_wait(progress, started);
}

void lx_progress_pod(struct lx_progress *progress, const struct lx_pod *pod)
{
    if (*pod->unscheduled) {
        lx_auto(str) char *text = lx_strf("[lunexec] waiting for a node: %s", pod->unscheduled);
        tell(progress, text);
    }
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct lx_container *c = &pod->containers[i];
        if (!is_news(c))
            continue;
        lx_auto(str) char *text = lx_strf("[lunexec] container %s waits: %s%s%s", c->name,
                                          c->reason, *c->message ? ": " : "", c->message);
        tell(progress, text);
    }
    follow_start(progress, pod);
}

const char *lx_progress_refusal(const struct lx_progress *progress)
{
    return progress->refusal;
}

const char *lx_progress_trouble(const struct lx_progress *progress)
{
    return progress->trouble;
}

void lx_progress_failure(struct lx_progress *progress, const char *message, int64_t exit_code)
{
    lx_progress_stop(progress);
    struct lx_entry *entry = entry_of(progress);
    if (lx_entry_finished(entry))
        return;
    lx_auto(strv) char **lines = lx_split(message, '\n');
    for (char **line = lines; *line; line++) {
        lx_auto(str) char *text = lx_strf("[lunexec] %s", *line);
        lx_entry_line(entry, text);
    }
    lx_entry_finish(entry, exit_code);
}
