#include "guardrails.h"
#include "lunexec/mem.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"
#include "plan_rules.h"

#include <stdio.h>
#include <string.h>

/* As much of a value as an error shows. */
#define SHOWN_MAX 80

int lx_plan_refuse_value(struct lx_err *err, const char *path, const json_t *value,
                         const char *expected)
{
    if (!value)
        return lx_plan_refuse(err, "%s is absent, %s", path, expected);
    if (json_is_object(value) || json_is_array(value))
        return lx_plan_refuse(err, "%s is %s, %s", path,
                              json_is_object(value) ? "an object" : "a list", expected);
    lx_auto(str) char *text = lx_json_text(value);
    bool whole = strlen(text) <= SHOWN_MAX;
    return lx_plan_refuse(err, "%s is %.*s%s, %s", path, SHOWN_MAX, text, whole ? "" : "...",
                          expected);
}

static int each_in(struct lx_plan_view *view, bool init,
                   int (*fn)(struct lx_plan_view *view, const struct lx_plan_at *at,
                             struct lx_err *err),
                   struct lx_err *err)
{
    const char *which = init ? "initContainers" : "containers";
    const json_t *list = lx_json_arr(view->pod, which);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct lx_plan_at at = {.container = json_array_get(list, i), .init = init, .index = i};
        snprintf(at.path, sizeof at.path, LX_PLAN_POD ".%s[%zu]", which, i);
        if (fn(view, &at, err))
            return -1;
    }
    return 0;
}

int lx_plan_each_container(struct lx_plan_view *view,
                           int (*fn)(struct lx_plan_view *view, const struct lx_plan_at *at,
                                     struct lx_err *err),
                           struct lx_err *err)
{
    if (each_in(view, true, fn, err))
        return -1;
    return each_in(view, false, fn, err);
}

bool lx_plan_volume_allowed(const struct lx_plan_view *view, const json_t *volume)
{
    const json_t *allowed = view->spec->allowed_volumes;
    for (size_t i = 0; i < json_array_size(allowed); i++)
        if (json_equal(json_array_get(allowed, i), volume))
            return true;
    return false;
}

static const struct lx_plan_rule *rule_at(size_t index)
{
    const struct {
        const struct lx_plan_rule *rules;
        size_t n;
    } tables[] = {
        {lx_plan_job_rules, lx_plan_n_job_rules},
        {lx_plan_pod_rules, lx_plan_n_pod_rules},
        {lx_plan_field_rules, lx_plan_n_field_rules},
        {lx_plan_limit_rules, lx_plan_n_limit_rules},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (index < tables[i].n)
            return &tables[i].rules[index];
        index -= tables[i].n;
    }
    return NULL;
}

const struct lx_plan_rule *lx_plan_find_rule(const char *name)
{
    const struct lx_plan_rule *rule;
    for (size_t i = 0; (rule = rule_at(i)); i++)
        if (lx_streq(rule->name, name))
            return rule;
    return NULL;
}

const char *lx_plan_rule_name(size_t index)
{
    const struct lx_plan_rule *rule = rule_at(index);
    return rule ? rule->name : NULL;
}

const char *lx_plan_rule_reason(size_t index)
{
    const struct lx_plan_rule *rule = rule_at(index);
    return rule ? rule->reason : NULL;
}

bool lx_plan_rule_optional(size_t index)
{
    const struct lx_plan_rule *rule = rule_at(index);
    return rule && rule->optional;
}

int lx_plan_check(const json_t *job, const struct lx_plan_spec *spec, struct lx_err *err)
{
    struct lx_plan_view view = {.spec = spec, .job = job};
    const struct lx_plan_rule *rule;
    for (size_t i = 0; (rule = rule_at(i)); i++)
        if (!lx_guardrails_allow(spec->guardrails, rule->name) && rule->check(&view, err))
            return lx_wrap(err, "%s", rule->name);
    return 0;
}
