#include "job/progress.h"

#include "lunexec/map.h"
#include "lunexec/text.h"

/* Enough for every reason of every container of a pod; beyond it nothing further is told. */
#define TOLD_MAX 256

static const char key[] = "setup.workspace";

struct lx_progress {
    struct lx_entries *entries;
    struct lx_map *told; /* texts that were told */
};

struct lx_progress *lx_progress_new(struct lx_entries *entries)
{
    struct lx_progress *progress = lx_alloc(sizeof *progress);
    progress->entries = entries;
    progress->told = lx_map_new(TOLD_MAX, NULL);
    return progress;
}

void lx_progress_free(struct lx_progress *progress)
{
    if (!progress)
        return;
    lx_map_free(progress->told);
    free(progress);
}

static struct lx_entry *entry_of(struct lx_progress *progress)
{
    struct lx_entry *entry = lx_entry_find(progress->entries, key);
    return entry ? entry : lx_entry_open(progress->entries, key, NULL);
}

/* `text` decides whether it was told before. */
static void tell(struct lx_progress *progress, const char *text)
{
    if (lx_map_get(progress->told, text) || !lx_map_put(progress->told, text, progress))
        return;
    lx_entry_line(entry_of(progress), text);
}

/* The reasons of an ordinary start are no news. */
static bool is_news(const struct lx_container *c)
{
    return c->state == LX_CONTAINER_WAITING && *c->reason &&
           !lx_streq(c->reason, "PodInitializing") && !lx_streq(c->reason, "ContainerCreating");
}

void lx_progress_pod(struct lx_progress *progress, const struct lx_pod *pod)
{
    const struct lx_entry *entry = lx_entry_find(progress->entries, key);
    if (entry && lx_entry_finished(entry))
        return;
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
}

void lx_progress_failure(struct lx_progress *progress, const char *message)
{
    struct lx_entry *entry = entry_of(progress);
    if (lx_entry_finished(entry))
        return;
    lx_auto(strv) char **lines = lx_split(message, '\n');
    for (char **line = lines; *line; line++) {
        lx_auto(str) char *text = lx_strf("[lunexec] %s", *line);
        lx_entry_line(entry, text);
    }
    lx_entry_finish(entry, 1);
}
