#include "job/retry.h"

#include "lunexec/text.h"

#define DELAY_MAX_S 3600

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

json_t *lx_retry_failure(const struct lx_failure *failure, int64_t attempt)
{
    json_t *value = json_pack("{s:s, s:I}", "class", lx_failure_name(failure->kind), "attempt",
                              (json_int_t)attempt);
    set_text(value, "message", failure->message);
    set_text(value, "reason", failure->reason);
    set_text(value, "step", failure->step);
    set_text(value, "limit", failure->limit);
    if (failure->exit_code >= 0)
        json_object_set_new(value, "exit_code", json_integer(failure->exit_code));
    return value;
}

static int check_resources(const json_t *resources, struct lx_err *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(resources))
        return lx_fail(err, LX_E_REFUSED, "resources: must be a table");
    json_object_foreach ((json_t *)(uintptr_t)resources, name, value) {
        if (!lx_streq(name, "memory") && !lx_streq(name, "cpu"))
            return lx_fail(err, LX_E_REFUSED, "resources: there is no \"%s\", only memory and cpu",
                           name);
        if (!json_is_string(value))
            return lx_fail(err, LX_E_REFUSED,
                           "resources.%s: must be a quantity as text, such as \"24Gi\"", name);
    }
    return 0;
}

int lx_retry_parse(const json_t *results, struct lx_retry *ret_retry, struct lx_err *err)
{
    const json_t *answer = json_array_get(results, 0);
    *ret_retry = (struct lx_retry){0};
    if (!answer || json_is_null(answer) || json_is_false(answer))
        return 0;
    if (!json_is_object(answer))
        return lx_fail(err, LX_E_REFUSED, "must return nil or a table");
    const json_t *delay = json_object_get(answer, "delay");
    json_int_t seconds = json_integer_value(delay);
    if (delay && (!json_is_integer(delay) || seconds < 0 || seconds > DELAY_MAX_S))
        return lx_fail(err, LX_E_REFUSED, "delay: must be whole seconds from 0 to %d", DELAY_MAX_S);
    json_t *resources = json_object_get(answer, "resources");
    if (resources && check_resources(resources, err) < 0)
        return -1;
    ret_retry->again = true;
    ret_retry->delay_ms = (uint64_t)seconds * 1000;
    ret_retry->resources = json_incref(resources);
    return 0;
}
