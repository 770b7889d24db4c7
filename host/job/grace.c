#include "job/grace.h"

#define SECONDS_MAX 86400

int lx_grace_parse(const json_t *results, struct lx_grace *ret_grace, struct lx_err *err)
{
    const json_t *options = json_array_get(results, 1);
    struct lx_grace grace = {0};
    const char *name;
    json_t *value;
    if (options && !json_is_null(options) && !json_is_object(options))
        return lx_fail(err, LX_E_REFUSED, "job() must return a table, or nothing, beside the Job");
    json_t *table = json_object_get(options, "grace");
    if (table && !json_is_object(table))
        return lx_fail(err, LX_E_REFUSED, "grace: must be a table of seconds by class of failure");
    json_object_foreach (table, name, value) {
        enum lx_failure_kind kind = lx_failure_named(name);
        json_int_t seconds = json_integer_value(value);
        if (kind == LX_FAIL_COUNT || kind == LX_FAIL_NONE)
            return lx_fail(err, LX_E_REFUSED, "grace: there is no class of failure \"%s\"", name);
        if (!json_is_integer(value) || seconds < 0 || seconds > SECONDS_MAX)
            return lx_fail(err, LX_E_REFUSED, "grace[\"%s\"]: must be whole seconds from 0 to %d",
                           name, SECONDS_MAX);
        grace.given[kind] = true;
        grace.ms[kind] = (uint64_t)seconds * 1000;
    }
    *ret_grace = grace;
    return 0;
}

json_t *lx_grace_json(const struct lx_grace *grace)
{
    json_t *table = json_object();
    for (int kind = LX_FAIL_NONE + 1; kind < LX_FAIL_COUNT; kind++) {
        if (grace->given[kind])
            json_object_set_new(table, lx_failure_name((enum lx_failure_kind)kind),
                                json_integer((json_int_t)(grace->ms[kind] / 1000)));
    }
    return json_pack("[n, {s:o}]", "grace", table);
}

uint64_t lx_grace_of(const struct lx_grace *grace, const struct lx_stuck *stuck)
{
    return grace->given[stuck->kind] ? grace->ms[stuck->kind] : lx_stuck_grace_ms(stuck);
}
