#include "job/history.h"

#include "lunexec/list.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#define REPOSITORIES_MAX 256
#define JOBS_MAX 5

struct repository {
    struct lx_list link;
    char *queue, *name;
    json_t *jobs; /* newest first */
};

struct lx_history {
    struct lx_list repositories; /* the one that was used last is at the end */
    size_t n;
};

struct lx_history *lx_history_new(void)
{
    struct lx_history *history = lx_alloc(sizeof *history);
    lx_list_init(&history->repositories);
    return history;
}

static void free_repository(struct repository *repository)
{
    lx_list_remove(&repository->link);
    json_decref(repository->jobs);
    free(repository->queue);
    free(repository->name);
    free(repository);
}

void lx_history_free(struct lx_history *history)
{
    if (!history)
        return;
    while (!lx_list_empty(&history->repositories))
        free_repository(lx_container_of(history->repositories.next, struct repository, link));
    free(history);
}

static struct repository *find(const struct lx_history *history, const char *queue,
                               const char *name)
{
    lx_list_each (it, &history->repositories) {
        struct repository *repository = lx_container_of(it, struct repository, link);
        if (lx_streq(repository->name, name) && lx_streq(repository->queue, queue))
            return repository;
    }
    return NULL;
}

static struct repository *add(struct lx_history *history, const char *queue, const char *name)
{
    if (history->n == REPOSITORIES_MAX)
        free_repository(lx_container_of(history->repositories.next, struct repository, link));
    else
        history->n++;
    struct repository *repository = lx_alloc(sizeof *repository);
    repository->queue = lx_strdup(queue);
    repository->name = lx_strdup(name);
    repository->jobs = json_array();
    lx_list_init(&repository->link);
    return repository;
}

void lx_history_add(struct lx_history *history, const char *queue, const char *repository,
                    const struct lx_past_job *job)
{
    struct repository *past = find(history, queue, repository);
    if (past)
        lx_list_remove(&past->link);
    else
        past = add(history, queue, repository);
    lx_list_push(&history->repositories, &past->link);
    json_t *value =
        json_pack("{s:I, s:I, s:s}", "finished_at", (json_int_t)job->finished_at, "seconds",
                  (json_int_t)job->seconds, "outcome", job->failure ? job->failure : "succeeded");
    if (job->cost)
        json_object_set(value, "cost", job->cost);
    json_array_insert_new(past->jobs, 0, value);
    json_array_remove(past->jobs, JOBS_MAX);
}

json_t *lx_history_of(const struct lx_history *history, const char *queue, const char *repository)
{
    const struct repository *past = find(history, queue, repository);
    return past ? json_deep_copy(past->jobs) : json_array();
}
