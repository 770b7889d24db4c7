#include "job/facts.h"

#include "job/priv.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

/* 2024-01-01T00:00:00Z: previews of the same job are the same on every day. */
#define PREVIEW_TIME 1704067200

json_t *lx_facts_new(const struct lx_executor *ex, const struct lx_job *job)
{
    json_int_t total = 0, queue = 0, repository = 0;
    if (!ex)
        return json_pack("{s:I, s:{s:i, s:i, s:i}, s:i, s:[]}", "time", (json_int_t)PREVIEW_TIME,
                         "running", "total", 0, "queue", 0, "repository", 0, "max_jobs", 1,
                         "history");
    lx_list_each (it, &ex->runs) {
        const struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (run->job == job)
            continue;
        total++;
        queue += lx_streq(run->job->queue, job->queue);
        repository += lx_streq(run->job->repository, job->repository);
    }
    return json_pack("{s:I, s:{s:I, s:I, s:I}, s:I, s:o}", "time", (json_int_t)lx_wall().tv_sec,
                     "running", "total", total, "queue", queue, "repository", repository,
                     "max_jobs", (json_int_t)ex->opts.max_jobs, "history",
                     lx_history_of(ex->history, job->queue, job->repository));
}
