/*
 * The job room's metrics, under the original's names (contract 10).
 */
#ifndef LX_JOB_METRICS_H
#define LX_JOB_METRICS_H

#include "job/failure.h"
#include "lunexec/err.h"
#include "lunexec/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct lx_job_metrics;

/* Adds the families to the registry. `queue` is the label value; both borrowed. */
struct lx_job_metrics *lx_job_metrics_new(struct lx_metrics *metrics, const char *queue);
void lx_job_metrics_free(struct lx_job_metrics *metrics);

/* A job ended after `ms`: duration and count on success, the error count otherwise. */
void lx_job_metrics_handled(struct lx_job_metrics *metrics, bool ok, uint64_t ms);
/* A job failed, and why. */
void lx_job_metrics_failed(struct lx_job_metrics *metrics, enum lx_failure_kind kind);
/* An attempt is made anew, and why the last one ended. */
void lx_job_metrics_retried(struct lx_job_metrics *metrics, enum lx_failure_kind kind);
/* Jobs underway now. */
void lx_job_metrics_running(struct lx_job_metrics *metrics, size_t n);
/* Of those, the ones that wait for their turn. */
void lx_job_metrics_waiting(struct lx_job_metrics *metrics, size_t n);
/* An operation on the cluster: "kubernetes.job.create", "kubernetes.pod.wait", ... */
void lx_job_metrics_command(struct lx_job_metrics *metrics, const char *op, bool ok, uint64_t ms);
/* An object that an earlier job or process had left was removed: "job", "job secret", ... */
void lx_job_metrics_leftover(struct lx_job_metrics *metrics, const char *what);
/* Places in logs where lines are missing, each told in the log as well. */
void lx_job_metrics_log_gaps(struct lx_job_metrics *metrics, uint64_t n);

/* A function of the policy has answered; `code` LX_OK: well. */
void lx_job_metrics_policy(struct lx_job_metrics *metrics, const char *function, enum lx_code code,
                           uint64_t us);

/* "same", "different", "skipped": what the shadow policy would have changed for a job. */
void lx_job_metrics_shadow(struct lx_job_metrics *metrics, const char *result);

#endif
