#include "app/descriptors.h"

#include <sys/resource.h>

/* The log that a job's pod writes, and its calls of the frontend, all over HTTP/1.1; and a log that
 * has outgrown memory. */
#define DESCRIPTORS_PER_JOB ((rlim_t)6)
/* Everything else: other connections, the policy's, children's. */
#define DESCRIPTORS_BASE ((rlim_t)256)

void lx_app_descriptors(struct lx_log *log, int64_t jobs)
{
    rlim_t need = DESCRIPTORS_BASE + DESCRIPTORS_PER_JOB * (rlim_t)jobs;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < need)
        lx_log(log, LX_LOG_WARN,
               "the limit of open files may be too low for EXECUTOR_MAXIMUM_NUM_JOBS jobs",
               LX_INT("jobs", jobs), LX_INT("limit", limit.rlim_max), LX_INT("needed", need));
}
