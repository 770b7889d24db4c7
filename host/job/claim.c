#include "job/claim.h"

#include "lunexec/text.h"

#include <limits.h>

static int invalid(struct lx_err *err, const char *member, const json_t *value, const char *wanted)
{
    lx_auto(str) char *text = lx_json_text(value);
    return lx_fail(err, LX_E_INVALID, "policy admit(): %s is %.200s, and must be %s", member, text,
                   wanted);
}

static int read_quantity(const json_t *cost, const char *name, const char *member,
                         struct lx_quantity *ret_quantity, struct lx_err *err)
{
    const json_t *value = json_object_get(cost, name);
    if (!value || json_is_null(value))
        return 0;
    if (lx_quantity_of(value, ret_quantity) < 0 || ret_quantity->nanos < 0)
        return invalid(err, member, value, "a Kubernetes quantity such as 500m or 4Gi");
    return 0;
}

static int read_count(const json_t *admission, const char *name, int64_t *ret_count,
                      struct lx_err *err)
{
    const json_t *value = json_object_get(admission, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > INT_MAX)
        return invalid(err, name, value, "a whole number of at least 1");
    *ret_count = json_integer_value(value);
    return 0;
}

static int read_cost(const json_t *admission, struct lx_claim *claim, struct lx_err *err)
{
    const json_t *cost = json_object_get(admission, "cost");
    if (!cost || json_is_null(cost))
        return 0;
    if (!json_is_object(cost))
        return invalid(err, "cost", cost, "a table such as {cpu = \"2\", memory = \"4Gi\"}");
    if (read_quantity(cost, "cpu", "cost.cpu", &claim->cpu, err) < 0)
        return -1;
    return read_quantity(cost, "memory", "cost.memory", &claim->memory, err);
}

static int read_shares(const json_t *admission, struct lx_claim *claim, struct lx_err *err)
{
    const json_t *key = json_object_get(admission, "key");
    if (key && !json_is_null(key)) {
        if (!json_is_string(key))
            return invalid(err, "key", key, "a string");
        free(claim->key);
        claim->key = lx_strdup(json_string_value(key));
    }
    if (read_count(admission, "limit", &claim->limit, err) < 0)
        return -1;
    return read_count(admission, "weight", &claim->weight, err);
}

int lx_claim_read(const json_t *admission, const json_t *reason, struct lx_claim *ret_claim,
                  struct lx_err *err)
{
    if (json_is_false(admission)) {
        const char *text = json_string_value(reason);
        return lx_fail(err, LX_E_REFUSED, "the policy does not admit this job: %s",
                       text ? text : "no reason given");
    }
    struct lx_claim claim = {.key = lx_strdup(""), .weight = 1};
    int result = 0;
    if (json_is_object(admission))
        result = read_cost(admission, &claim, err) < 0 ? -1 : read_shares(admission, &claim, err);
    else if (admission && !json_is_null(admission) && !json_is_true(admission))
        result = invalid(err, "the first result", admission, "a table, or false and a reason");
    if (result < 0)
        lx_claim_done(&claim);
    else
        *ret_claim = claim;
    return result;
}

void lx_claim_done(struct lx_claim *claim)
{
    free(lx_take(claim->key));
}
