/*
 * Metrics registry: counters, gauges and histograms with label values; Prometheus text exposition
 * format 0.0.4.
 */
#ifndef LUNEXEC_METRICS_H
#define LUNEXEC_METRICS_H

#include "lunexec/buf.h"

struct lx_metrics;
struct lx_metric;

enum lx_metric_kind { LX_COUNTER, LX_GAUGE, LX_HISTOGRAM };

/* Describes a family. Strings are borrowed for the registry's life (static tables). */
struct lx_metric_def {
    const char *name;
    const char *help;
    enum lx_metric_kind kind;
    const char *const *labels; /* NULL-terminated label names; NULL for none */
    const double *buckets;     /* histogram: upper bounds, ended by 0; NULL: Prometheus' defaults */
};

/* An empty registry. Freeing it ends its families and handles. */
struct lx_metrics *lx_metrics_new(void);
void lx_metrics_free(struct lx_metrics *metrics);

/* Adds a family; the handle lives as long as the registry. The name must be new (lx_assert). */
struct lx_metric *lx_metric_add(struct lx_metrics *metrics, const struct lx_metric_def *def);

/* `values`: NULL-terminated, as many as the family has labels; NULL for none. At most 1,000
 * combinations a family; further ones are counted in one with the values "other". */
void lx_metric_inc(struct lx_metric *metric, double by, const char *const *values);
void lx_metric_set(struct lx_metric *metric, double value, const char *const *values);
void lx_metric_observe(struct lx_metric *metric, double value, const char *const *values);

/* Called before each exposition, to set gauges. */
void lx_metrics_on_collect(struct lx_metrics *metrics, void (*fn)(void *arg), void *arg);

/* Called at the end of each exposition, to append families that the registry does not have. A
 * return other than 0 makes the exposition fail. */
void lx_metrics_on_expose(struct lx_metrics *metrics,
                          int (*fn)(void *arg, struct lx_buf *out, struct lx_err *err), void *arg);

/* Appends the exposition. Also adds the standard process_* families (resident memory, CPU seconds,
 * open descriptors, start time). */
int lx_metrics_expose(struct lx_metrics *metrics, struct lx_buf *out, struct lx_err *err);

/* The value of one combination, 0 if it was never touched (for tests). */
double lx_metric_value(const struct lx_metric *metric, const char *const *values);

#endif
