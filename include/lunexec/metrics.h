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

/* An empty registry; the caller frees it, which ends its families and handles. Its parts are for
 * one thread. */
struct lx_metrics *lx_metrics_new(void);
void lx_metrics_free(struct lx_metrics *metrics);

/* Adds a family; the handle lives as long as the registry. The name must be new (lx_assert). */
struct lx_metric *lx_metric_add(struct lx_metrics *metrics, const struct lx_metric_def *def);

/* In each of the following `values` are the label values: NULL-terminated, as many as the family
 * has labels; NULL for none; borrowed during the call. At most 1,000 combinations a family; further
 * ones are counted in one with the values "other". */

/* Adds to a counter (at least 0) or a gauge (also less). Another kind is a mistake (lx_assert). */
void lx_metric_inc(struct lx_metric *metric, double by, const char *const *values);
/* Sets a gauge, and nothing else (lx_assert). */
void lx_metric_set(struct lx_metric *metric, double value, const char *const *values);
/* Counts one observation of a histogram, and of nothing else (lx_assert). */
void lx_metric_observe(struct lx_metric *metric, double value, const char *const *values);

/* `fn` is called before each exposition, to set gauges, as long as the registry lives. */
void lx_metrics_on_collect(struct lx_metrics *metrics, void (*fn)(void *arg), void *arg);

/* `fn` is called at the end of each exposition, to append families that the registry does not have,
 * as long as the registry lives. A return other than 0 makes the exposition fail. */
void lx_metrics_on_expose(struct lx_metrics *metrics,
                          int (*fn)(void *arg, struct lx_buf *out, struct lx_err *err), void *arg);

/* Appends the exposition, with the standard process_* families (resident memory, CPU seconds,
 * open descriptors, start time). LX_E_LIMIT, LX_E_IO, or what an on_expose says; `out` may then
 * hold a part. */
int lx_metrics_expose(struct lx_metrics *metrics, struct lx_buf *out, struct lx_err *err);

/* The value of one combination, of a histogram how many observations; 0 if it was never touched.
 * For tests. */
double lx_metric_value(const struct lx_metric *metric, const char *const *values);

#endif
