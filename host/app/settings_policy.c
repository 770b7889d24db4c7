/*
 * The settings as the policy sees them: no secrets, durations in seconds, what is unset left out.
 */
#include "app/settings.h"

#include "lunexec/text.h"

static json_t *value_of(const struct lx_setting *s, const void *member)
{
    switch (s->type) {
    case LX_SET_STRING:
    case LX_SET_QUANTITY:
    case LX_SET_URL: {
        const char *text = *(char *const *)member;
        return text ? json_string(text) : NULL;
    }
    case LX_SET_INT: {
        int64_t number = *(const int64_t *)member;
        return number < 0 ? NULL : json_integer((json_int_t)number);
    }
    case LX_SET_BOOL:
        return json_boolean(*(const bool *)member);
    case LX_SET_LIST:
    case LX_SET_PAIRS:
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        return json_incref(*(json_t *const *)member);
    case LX_SET_DURATION: {
        int64_t ms = *(const int64_t *)member;
        return ms > 0 ? json_integer((json_int_t)(ms / 1000)) : NULL;
    }
    case LX_SET_MAYBE:
    case LX_SET_MOUNTS:
    case LX_SET_LEVEL:
    case LX_SET_FORMAT:
    case LX_SET_BYTES:
        return NULL;
    }
    return NULL;
}

struct policy_settings {
    const struct lx_settings *settings;
    json_t *object;
};

static void add_one(const struct lx_setting *setting, void *arg)
{
    struct policy_settings *p = arg;
    if (!setting->policy_key)
        return;
    json_t *value = value_of(setting, (const char *)p->settings + setting->at);
    if (value)
        json_object_set_new(p->object, setting->policy_key, value);
}

json_t *lx_settings_for_policy(const struct lx_settings *settings)
{
    struct policy_settings p = {.settings = settings, .object = json_object()};
    lx_settings_each(add_one, &p);
    return p.object;
}
