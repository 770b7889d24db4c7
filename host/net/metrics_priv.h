/* Inside the metrics registry only. */
#ifndef LX_NET_METRICS_PRIV_H
#define LX_NET_METRICS_PRIV_H

#include "lunexec/list.h"
#include "lunexec/map.h"
#include "lunexec/metrics.h"

#include <stdint.h>

/* One combination of label values. */
struct lx_sample {
    char *labels;     /* `a="x",b="y"` as exposed; "" for none */
    double value;     /* counter, gauge; the sum of a histogram */
    uint64_t count;   /* histogram */
    uint64_t *counts; /* histogram: observations per bucket, not cumulated */
};

struct lx_metric {
    struct lx_list link;
    struct lx_metric_def def;
    const double *buckets;
    size_t n_buckets, n_labels;
    struct lx_map *samples;
};

/* One line of a sample: name + suffix, labels, an optional further label, value. */
int lx_metrics_line(struct lx_buf *out, const char *name, const char *suffix, const char *labels,
                    const char *le, double value, struct lx_err *err);

/* The # HELP and # TYPE lines. */
int lx_metrics_head(struct lx_buf *out, const char *name, const char *help, const char *type,
                    struct lx_err *err);

/* The process_* families. `start` is the process's start in seconds since 1970. */
int lx_metrics_process(struct lx_buf *out, double start, struct lx_err *err);
/* This process's start, in seconds since 1970. */
double lx_metrics_process_start(void);

#endif
