/*
 * The rules of lx_plan_check: each a row {name, reason, check} of one of four tables, the Job's,
 * the pod's, that of the fields there are, and the operator's.
 */
#ifndef LX_POLICY_PLAN_RULES_H
#define LX_POLICY_PLAN_RULES_H

#include "lunexec/plan.h"

/* A manifest and its parts. All but `job` are NULL until the first rule has found them sound. */
struct lx_plan_view {
    const struct lx_plan_spec *spec;
    const json_t *job;
    const json_t *metadata, *job_spec;
    const json_t *pod_metadata; /* may be NULL */
    const json_t *pod;          /* spec.template.spec */
};

struct lx_plan_rule {
    const char *name;
    const char *reason;
    /* Refuses with lx_plan_refuse; the text begins with the JSON path. */
    int (*check)(struct lx_plan_view *view, struct lx_err *err);
    bool optional; /* the operator may switch it off: the executor works without */
};

extern const struct lx_plan_rule lx_plan_job_rules[];
extern const size_t lx_plan_n_job_rules;
extern const struct lx_plan_rule lx_plan_pod_rules[];
extern const size_t lx_plan_n_pod_rules;
extern const struct lx_plan_rule lx_plan_field_rules[];
extern const size_t lx_plan_n_field_rules;
extern const struct lx_plan_rule lx_plan_limit_rules[];
extern const size_t lx_plan_n_limit_rules;

/* By name; NULL if there is none. */
const struct lx_plan_rule *lx_plan_find_rule(const char *name);

#define LX_PLAN_POD "spec.template.spec"

/* Refuses with LX_E_REFUSED: returns -1. */
#define lx_plan_refuse(err, ...) lx_fail(err, LX_E_REFUSED, __VA_ARGS__)

/* "<path> is <value>, <expected>", the value as JSON, shortened, or "absent". */
int lx_plan_refuse_value(struct lx_err *err, const char *path, const json_t *value,
                         const char *expected);

/* A container of the manifest while walking through all of them. */
struct lx_plan_at {
    const json_t *container;
    bool init;
    size_t index;  /* in its list */
    char path[64]; /* "spec.template.spec.initContainers[1]" */
};

/* Calls fn for each init container, then for each container; stops at the first refusal. */
int lx_plan_each_container(struct lx_plan_view *view,
                           int (*fn)(struct lx_plan_view *view, const struct lx_plan_at *at,
                                     struct lx_err *err),
                           struct lx_err *err);

/* Whether the settings list this very volume. */
bool lx_plan_volume_allowed(const struct lx_plan_view *view, const json_t *volume);

#endif
