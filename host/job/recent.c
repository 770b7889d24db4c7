#include "job/recent.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#define TASKS_MAX 16
#define CONTAINERS_MAX 256

struct lx_recent {
    json_t *tasks; /* newest first */
};

struct lx_recent *lx_recent_new(void)
{
    struct lx_recent *recent = lx_alloc(sizeof *recent);
    recent->tasks = json_array();
    return recent;
}

void lx_recent_free(struct lx_recent *recent)
{
    if (!recent)
        return;
    json_decref(recent->tasks);
    free(recent);
}

static bool is_same(const json_t *a, const json_t *b, const char *member)
{
    return lx_streq(lx_json_str(a, member, ""), lx_json_str(b, member, ""));
}

void lx_recent_add(struct lx_recent *recent, const json_t *task, const json_t *job)
{
    if (json_array_size(lx_json_arr(task, "containers")) > CONTAINERS_MAX)
        return;
    for (size_t i = 0; i < json_array_size(recent->tasks); i++) {
        const json_t *old = lx_json_obj(json_array_get(recent->tasks, i), "task");
        if (is_same(old, task, "queue") && is_same(old, task, "repository")) {
            json_array_remove(recent->tasks, i);
            break;
        }
    }
    json_array_remove(recent->tasks, TASKS_MAX - 1);
    json_array_insert_new(
        recent->tasks, 0,
        json_pack("{s:o, s:o}", "task", json_deep_copy(task), "job", json_deep_copy(job)));
}

json_t *lx_recent_all(const struct lx_recent *recent)
{
    return json_copy(recent->tasks);
}
