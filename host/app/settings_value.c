#include "app/settings_value.h"

#include "app/settings_check.h"
#include "lunexec/escape.h"
#include "lunexec/parse.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

#define SHOWN_MAX ((size_t)512)

struct input {
    const struct lx_setting *s;
    const char *name, *text;
};

char *lx_setting_shown(const struct lx_setting *setting, const char *text)
{
    const char *start = strstr(text, "//"), *at = strrchr(text, '@');
    if (setting->secret)
        return lx_strdup("***");
    if (setting->type == LX_SET_URL && start && at > start)
        return lx_strf("%.*s***%s", (int)(start + 2 - text), text, at);
    return lx_strdup(text);
}

/* A long value leaves room for what is wrong with it. */
static void cut(char *shown)
{
    static const char more[] = "...";
    if (strlen(shown) <= SHOWN_MAX)
        return;
    size_t len = SHOWN_MAX - strlen(more);
    while (len > 0 && ((unsigned char)shown[len] & 0xC0u) == 0x80u)
        len--;
    memcpy(shown + len, more, sizeof more);
}

int lx_setting_bad(const struct lx_setting *setting, const char *name, const char *text,
                   const char *expected, struct lx_err *err)
{
    lx_auto(str) char *shown = lx_setting_shown(setting, text);
    cut(shown);
    return lx_fail(err, LX_E_INVALID, "invalid %s \"%s\": %s", name, shown, expected);
}

static int bad(const struct input *in, struct lx_err *err, const char *expected)
{
    return lx_setting_bad(in->s, in->name, in->text, expected, err);
}

bool lx_setting_choice(const char *choices, const char *text)
{
    lx_auto(strv) char **list = lx_split(choices, '|');
    for (char **it = list; *it; it++) {
        if (lx_streq(*it, text))
            return true;
    }
    return false;
}

static int set_string(const struct input *in, void *out, struct lx_err *err)
{
    if (in->s->choices && !lx_setting_choice(in->s->choices, in->text)) {
        lx_auto(str) char *text = lx_strf("must be one of %s", in->s->choices);
        return bad(in, err, text);
    }
    *(char **)out = lx_strdup(in->text);
    return 0;
}

static int set_number(const struct input *in, void *out, struct lx_err *err)
{
    int64_t number = 0;
    if (in->s->type == LX_SET_INT && lx_parse_i64(in->text, &number) < 0)
        return bad(in, err, "must be a whole number");
    if (in->s->type == LX_SET_DURATION && lx_parse_duration_ms(in->text, &number) < 0)
        return bad(in, err, "must be a duration such as 30s, 5m or 1h30m");
    if ((in->s->min != 0 || in->s->max != 0) && (number < in->s->min || number > in->s->max)) {
        char low[LX_DURATION_SIZE], high[LX_DURATION_SIZE];
        lx_format_duration(in->s->min, low);
        lx_format_duration(in->s->max, high);
        lx_auto(str) char *text = in->s->type == LX_SET_DURATION
                                      ? lx_strf("must be from %s to %s", low, high)
                                      : lx_strf("must be from %lld to %lld", (long long)in->s->min,
                                                (long long)in->s->max);
        return bad(in, err, text);
    }
    *(int64_t *)out = number;
    return 0;
}

static int set_bool(const struct input *in, void *out, struct lx_err *err)
{
    if (lx_parse_bool(in->text, out) < 0)
        return bad(in, err, "must be true or false");
    return 0;
}

static int set_maybe(const struct input *in, void *out, struct lx_err *err)
{
    bool flag;
    if (set_bool(in, &flag, err) < 0)
        return -1;
    *(enum lx_maybe *)out = flag ? LX_YES : LX_NO;
    return 0;
}

static int set_url(const struct input *in, void *out, struct lx_err *err)
{
    struct lx_url url;
    struct lx_err reason;
    if (lx_url_parse(in->text, &url, &reason) < 0) {
        lx_auto(str) char *text =
            lx_strf("must be in the format scheme://host (and optionally :port): %s", reason.text);
        return bad(in, err, text);
    }
    lx_url_done(&url);
    *(char **)out = lx_strdup(in->text);
    return 0;
}

/* What is wrong with one mount of Docker's --mount, NULL for nothing. */
static const char *mount_problem(const char *mount)
{
    static const char keys[] =
        "type|source|src|target|dst|destination|readonly|ro|consistency|bind-propagation|"
        "bind-nonrecursive|bind-recursive|volume-nocopy|volume-label|volume-driver|volume-opt|"
        "volume-subpath|tmpfs-size|tmpfs-mode";
    bool type = false, target = false;
    lx_auto(strv) char **fields = lx_split(mount, ',');
    for (char **field = fields; *field; field++) {
        if (strstr(*field, ":type="))
            return "failed to parse due to incorrect separator";
        char *eq = strchr(*field, '=');
        if (!eq && !lx_setting_choice("readonly|ro|bind-nonrecursive|volume-nocopy", *field))
            return "failed to parse mount spec: a field must be a key=value pair";
        if (eq)
            *eq = '\0';
        if (!lx_setting_choice(keys, *field))
            return "failed to parse mount spec: unknown key";
        type = type || lx_streq(*field, "type");
        target = target || lx_setting_choice("target|dst|destination", *field);
    }
    if (!type)
        return "failed to parse mount spec: type is required";
    return target ? NULL : "failed to parse mount spec: target is required";
}

static int set_mounts(const struct input *in, void *out, struct lx_err *err)
{
    lx_auto(strv) char **mounts = lx_split(in->text, ';');
    for (char **mount = mounts; *mount; mount++) {
        const char *problem = mount_problem(*mount);
        if (problem)
            return bad(in, err, problem);
    }
    *(char **)out = lx_strdup(in->text);
    return 0;
}

static int set_quantity(const struct input *in, void *out, struct lx_err *err)
{
    if (*in->text == '-')
        return bad(in, err, "must not be negative");
    if (!lx_is_quantity(in->text))
        return bad(in, err, "must be a Kubernetes quantity such as 500m, 2 or 12Gi");
    *(char **)out = lx_strdup(in->text);
    return 0;
}

static int set_list(const struct input *in, void *out, struct lx_err *err)
{
    lx_auto(strv) char **list = lx_split(in->text, ',');
    for (char **it = list; *it; it++) {
        if (**it == '\0')
            return bad(in, err, "has an empty item");
        if (in->s->choices && !lx_setting_choice(in->s->choices, *it)) {
            lx_auto(str) char *text =
                lx_strf("item \"%s\" must be one of %s, separated by commas", *it, in->s->choices);
            return bad(in, err, text);
        }
    }
    if (in->s->policy_key) {
        json_t *array = json_array();
        for (char **it = list; *it; it++)
            json_array_append_new(array, json_string(*it));
        *(json_t **)out = array;
    } else {
        *(char ***)out = lx_take(list);
    }
    return 0;
}

static int set_pairs(const struct input *in, void *out, struct lx_err *err)
{
    lx_auto(strv) char **list = lx_split(in->text, ',');
    lx_auto(json) json_t *object = json_object();
    for (char **it = list; *it; it++) {
        char *eq = strchr(*it, '=');
        if (!eq || eq == *it || strchr(eq + 1, '='))
            return bad(in, err, "must be a comma separated list of key=value pairs");
        *eq = '\0';
        json_object_set_new(object, *it, json_string(eq + 1));
    }
    *(json_t **)out = lx_take(object);
    return 0;
}

static int set_bytes(const struct input *in, void *out, struct lx_err *err)
{
    if (lx_parse_bytes(in->text, out) < 0)
        return bad(in, err, "must be a number of bytes such as 1000000 or 64Mi");
    return 0;
}

static int set_level(const struct input *in, void *out, struct lx_err *err)
{
    if (lx_level_parse(in->text, out) < 0)
        return bad(in, err, "must be one of dbug, info, warn, error, crit");
    return 0;
}

static int set_format(const struct input *in, void *out, struct lx_err *err)
{
    if (lx_log_format_parse(in->text, out) < 0)
        return bad(in, err, "must be one of logfmt, condensed, json");
    return 0;
}

static bool is_utf8(const char *text)
{
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = lx_utf8_sequence(text, left);
        if (n == 0)
            return false;
    }
    return true;
}

int lx_setting_parse(const struct lx_setting *setting, const char *name, const char *text,
                     void *out, struct lx_err *err)
{
    const struct input in = {setting, name, text};
    /* JSON has no other texts, and the parts of lists would be missing from it. */
    if (setting->policy_key && !is_utf8(text))
        return bad(&in, err, "must be UTF-8");
    switch (setting->type) {
    case LX_SET_STRING:
        return set_string(&in, out, err);
    case LX_SET_INT:
    case LX_SET_DURATION:
        return set_number(&in, out, err);
    case LX_SET_BOOL:
        return set_bool(&in, out, err);
    case LX_SET_MAYBE:
        return set_maybe(&in, out, err);
    case LX_SET_QUANTITY:
        return set_quantity(&in, out, err);
    case LX_SET_URL:
        return set_url(&in, out, err);
    case LX_SET_LIST:
        return set_list(&in, out, err);
    case LX_SET_PAIRS:
        return set_pairs(&in, out, err);
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        return lx_setting_parse_json(setting, name, text, out, err);
    case LX_SET_MOUNTS:
        return set_mounts(&in, out, err);
    case LX_SET_LEVEL:
        return set_level(&in, out, err);
    case LX_SET_FORMAT:
        return set_format(&in, out, err);
    case LX_SET_BYTES:
        return set_bytes(&in, out, err);
    }
    return 0;
}

void lx_setting_free(const struct lx_setting *setting, void *value)
{
    switch (setting->type) {
    case LX_SET_STRING:
    case LX_SET_QUANTITY:
    case LX_SET_URL:
    case LX_SET_MOUNTS:
        lx_secret_free(*(char **)value);
        break;
    case LX_SET_LIST:
        if (setting->policy_key)
            json_decref(*(json_t **)value);
        else
            lx_strv_free(*(char ***)value);
        break;
    case LX_SET_PAIRS:
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        json_decref(*(json_t **)value);
        break;
    case LX_SET_INT:
    case LX_SET_BOOL:
    case LX_SET_MAYBE:
    case LX_SET_DURATION:
    case LX_SET_LEVEL:
    case LX_SET_FORMAT:
    case LX_SET_BYTES:
        break;
    }
}
