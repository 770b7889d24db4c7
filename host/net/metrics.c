#include "lunexec/metrics.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include "net/metrics_priv.h"

#include <math.h>
#include <string.h>

#define MAX_COMBINATIONS 1000
#define MAX_KEY ((size_t)1024 * 1024)

static const double default_buckets[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 0};

struct collector {
    struct lx_list link;
    void (*fn)(void *arg);                                            /* before, */
    int (*expose)(void *arg, struct lx_buf *out, struct lx_err *err); /* or at the end */
    void *arg;
};

struct lx_metrics {
    struct lx_list families, collectors;
    double process_start;
};

static void sample_free(void *value)
{
    struct lx_sample *sample = value;
    free(sample->labels);
    free(sample->counts);
    free(sample);
}

struct lx_metrics *lx_metrics_new(void)
{
    struct lx_metrics *metrics = lx_alloc(sizeof(*metrics));
    lx_list_init(&metrics->families);
    lx_list_init(&metrics->collectors);
    metrics->process_start = lx_metrics_process_start();
    return metrics;
}

void lx_metrics_free(struct lx_metrics *metrics)
{
    if (!metrics)
        return;
    struct lx_list *link;
    while ((link = lx_list_shift(&metrics->families))) {
        struct lx_metric *metric = lx_container_of(link, struct lx_metric, link);
        lx_map_free(metric->samples);
        free(metric);
    }
    while ((link = lx_list_shift(&metrics->collectors)))
        free(lx_container_of(link, struct collector, link));
    free(metrics);
}

struct lx_metric *lx_metric_add(struct lx_metrics *metrics, const struct lx_metric_def *def)
{
    lx_list_each (it, &metrics->families)
        lx_assert(!lx_streq(lx_container_of(it, struct lx_metric, link)->def.name, def->name));
    struct lx_metric *metric = lx_alloc(sizeof(*metric));
    metric->def = *def;
    metric->buckets = def->buckets ? def->buckets : default_buckets;
    while (def->kind == LX_HISTOGRAM && metric->buckets[metric->n_buckets] != 0)
        metric->n_buckets++;
    while (def->labels && def->labels[metric->n_labels])
        metric->n_labels++;
    metric->samples = lx_map_new(MAX_COMBINATIONS + 1, sample_free);
    lx_list_push(&metrics->families, &metric->link);
    return metric;
}

static void add_escaped(struct lx_buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            (void)lx_buf_adds(out, "\\n", NULL);
        else if (*value == '\\' || *value == '"')
            (void)lx_buf_addf(out, NULL, "\\%c", *value);
        else
            (void)lx_buf_addc(out, *value, NULL);
    }
}

/* The combination as exposed, which is also its key: escaping makes it unambiguous. NULL values
 * mean "other" for each label. free(). */
static char *label_text(const struct lx_metric *metric, const char *const *values)
{
    struct lx_buf out = LX_BUF_INIT(MAX_KEY);
    for (size_t i = 0; i < metric->n_labels; i++) {
        lx_assert(!values || values[i]);
        (void)lx_buf_addf(&out, NULL, "%s%s=\"", i ? "," : "", metric->def.labels[i]);
        add_escaped(&out, values ? values[i] : "other");
        (void)lx_buf_addc(&out, '"', NULL);
    }
    return lx_buf_take(&out);
}

static struct lx_sample *sample_add(struct lx_metric *metric, char *labels)
{
    struct lx_sample *sample = lx_alloc(sizeof(*sample));
    sample->labels = labels;
    if (metric->def.kind == LX_HISTOGRAM)
        sample->counts = lx_alloc_array(metric->n_buckets + 1, sizeof(*sample->counts));
    bool stored = lx_map_put(metric->samples, labels, sample);
    lx_assert(stored);
    return sample;
}

static struct lx_sample *sample_of(struct lx_metric *metric, const char *const *values)
{
    lx_assert(metric->n_labels == 0 || values);
    lx_auto(str) char *labels = label_text(metric, values);
    struct lx_sample *sample = lx_map_get(metric->samples, labels);
    if (sample)
        return sample;
    if (lx_map_count(metric->samples) < MAX_COMBINATIONS)
        return sample_add(metric, lx_take(labels));
    lx_auto(str) char *other = label_text(metric, NULL);
    sample = lx_map_get(metric->samples, other);
    return sample ? sample : sample_add(metric, lx_take(other));
}

void lx_metric_inc(struct lx_metric *metric, double by, const char *const *values)
{
    lx_assert(metric->def.kind == LX_GAUGE || (metric->def.kind == LX_COUNTER && by >= 0));
    sample_of(metric, values)->value += by;
}

void lx_metric_set(struct lx_metric *metric, double value, const char *const *values)
{
    lx_assert(metric->def.kind == LX_GAUGE);
    sample_of(metric, values)->value = value;
}

void lx_metric_observe(struct lx_metric *metric, double value, const char *const *values)
{
    lx_assert(metric->def.kind == LX_HISTOGRAM);
    struct lx_sample *sample = sample_of(metric, values);
    size_t bucket = 0;
    while (bucket < metric->n_buckets && value > metric->buckets[bucket])
        bucket++;
    sample->counts[bucket]++;
    sample->count++;
    sample->value += value;
}

double lx_metric_value(const struct lx_metric *metric, const char *const *values)
{
    lx_auto(str) char *labels = label_text(metric, metric->n_labels ? values : NULL);
    const struct lx_sample *sample = lx_map_get(metric->samples, labels);
    if (!sample)
        return 0;
    return metric->def.kind == LX_HISTOGRAM ? (double)sample->count : sample->value;
}

void lx_metrics_on_collect(struct lx_metrics *metrics, void (*fn)(void *arg), void *arg)
{
    struct collector *collector = lx_alloc(sizeof(*collector));
    collector->fn = fn;
    collector->arg = arg;
    lx_list_push(&metrics->collectors, &collector->link);
}

void lx_metrics_on_expose(struct lx_metrics *metrics,
                          int (*fn)(void *arg, struct lx_buf *out, struct lx_err *err), void *arg)
{
    struct collector *collector = lx_alloc(sizeof(*collector));
    collector->expose = fn;
    collector->arg = arg;
    lx_list_push(&metrics->collectors, &collector->link);
}

/* ---- Exposition ---- */

static int add_number(struct lx_buf *out, double value, struct lx_err *err)
{
    if (isnan(value))
        return lx_buf_adds(out, "NaN", err);
    if (isinf(value))
        return lx_buf_adds(out, value > 0 ? "+Inf" : "-Inf", err);
    if (value == trunc(value) && fabs(value) < 9e15)
        return lx_buf_addf(out, err, "%.0f", value);
    return lx_buf_addf(out, err, "%.15g", value);
}

int lx_metrics_line(struct lx_buf *out, const char *name, const char *suffix, const char *labels,
                    const char *le, double value, struct lx_err *err)
{
    bool any = *labels || le;
    if (lx_buf_addf(out, err, "%s%s%s%s", name, suffix, any ? "{" : "", labels))
        return -1;
    if (le && lx_buf_addf(out, err, "%sle=\"%s\"", *labels ? "," : "", le))
        return -1;
    if (lx_buf_adds(out, any ? "} " : " ", err) || add_number(out, value, err))
        return -1;
    return lx_buf_addc(out, '\n', err);
}

int lx_metrics_head(struct lx_buf *out, const char *name, const char *help, const char *type,
                    struct lx_err *err)
{
    if (lx_buf_addf(out, err, "# HELP %s ", name))
        return -1;
    for (; *help; help++) {
        int rc = *help == '\n'   ? lx_buf_adds(out, "\\n", err)
                 : *help == '\\' ? lx_buf_adds(out, "\\\\", err)
                                 : lx_buf_addc(out, *help, err);
        if (rc)
            return -1;
    }
    return lx_buf_addf(out, err, "\n# TYPE %s %s\n", name, type);
}

static int expose_histogram(const struct lx_metric *metric, const struct lx_sample *sample,
                            struct lx_buf *out, struct lx_err *err)
{
    uint64_t cumulated = 0;
    for (size_t i = 0; i <= metric->n_buckets; i++) {
        struct lx_buf le = LX_BUF_INIT(64);
        cumulated += sample->counts[i];
        int rc =
            add_number(&le, i < metric->n_buckets ? metric->buckets[i] : (double)INFINITY, err);
        if (rc == 0)
            rc = lx_metrics_line(out, metric->def.name, "_bucket", sample->labels, lx_buf_str(&le),
                                 (double)cumulated, err);
        lx_buf_done(&le);
        if (rc)
            return -1;
    }
    if (lx_metrics_line(out, metric->def.name, "_sum", sample->labels, NULL, sample->value, err))
        return -1;
    return lx_metrics_line(out, metric->def.name, "_count", sample->labels, NULL,
                           (double)sample->count, err);
}

struct exposing {
    const struct lx_metric *metric;
    struct lx_buf *out;
    struct lx_err *err;
    int rc;
};

static void expose_sample(const char *key, void *value, void *arg)
{
    const struct lx_sample *sample = value;
    struct exposing *x = arg;
    (void)key;
    if (x->rc)
        return;
    if (x->metric->def.kind == LX_HISTOGRAM)
        x->rc = expose_histogram(x->metric, sample, x->out, x->err);
    else
        x->rc = lx_metrics_line(x->out, x->metric->def.name, "", sample->labels, NULL,
                                sample->value, x->err);
}

static int expose_family(struct lx_metric *metric, struct lx_buf *out, struct lx_err *err)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    if (metric->n_labels == 0)
        (void)sample_of(metric, NULL); /* one without labels is 0 from the start */
    if (lx_map_count(metric->samples) == 0)
        return 0;
    if (lx_metrics_head(out, metric->def.name, metric->def.help, types[metric->def.kind], err))
        return -1;
    struct exposing x = {.metric = metric, .out = out, .err = err};
    lx_map_each (metric->samples, expose_sample, &x)
        ;
    return x.rc;
}

int lx_metrics_expose(struct lx_metrics *metrics, struct lx_buf *out, struct lx_err *err)
{
    lx_list_each (it, &metrics->collectors) {
        struct collector *collector = lx_container_of(it, struct collector, link);
        if (collector->fn)
            collector->fn(collector->arg);
    }
    lx_list_each (it, &metrics->families) {
        if (expose_family(lx_container_of(it, struct lx_metric, link), out, err))
            return -1;
    }
    if (lx_metrics_process(out, metrics->process_start, err))
        return -1;
    lx_list_each (it, &metrics->collectors) {
        struct collector *collector = lx_container_of(it, struct collector, link);
        if (collector->expose && collector->expose(collector->arg, out, err))
            return -1;
    }
    return 0;
}
