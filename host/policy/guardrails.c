#include "guardrails.h"

#include "lunexec/mem.h"
#include "lunexec/quantity.h"
#include "lunexec/text.h"
#include "plan_rules.h"

#include <string.h>

#define DEFAULT_REGISTRY "docker.io/"
#define DEFAULT_FOLDER "library/"

struct lx_guardrails {
    json_t *root; /* as it was given, checked */
};

LX_DEFINE_AUTO(guardrails, struct lx_guardrails *, lx_guardrails_free)

static int invalid(struct lx_err *err, const char *what, const char *detail)
{
    return lx_fail(err, LX_E_INVALID, "%s: %s", what, detail);
}

static int check_members(json_t *root, struct lx_err *err)
{
    static const char *const known[] = {"allow", "images", "max"};
    for (void *it = json_object_iter(root); it; it = json_object_iter_next(root, it)) {
        const char *key = json_object_iter_key(it);
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found = found || lx_streq(key, known[i]);
        if (!found)
            return invalid(err, key, "no such member; there are allow, images and max");
    }
    return 0;
}

/* Absent, or a list of strings. */
static int check_texts(const json_t *root, const char *key, struct lx_err *err)
{
    const json_t *list = json_object_get(root, key);
    if (list && !json_is_array(list))
        return invalid(err, key, "expected a list of strings");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return invalid(err, key, "expected a list of strings");
    return 0;
}

static int check_allow(const json_t *root, struct lx_err *err)
{
    const json_t *list = json_object_get(root, "allow");
    if (check_texts(root, "allow", err))
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        const struct lx_plan_rule *rule = lx_plan_find_rule(name);
        if (!rule)
            return invalid(err, name, "there is no such rule");
        if (!rule->optional)
            return invalid(err, name, "the executor cannot work without this rule");
    }
    return 0;
}

static int check_max(const json_t *root, struct lx_err *err)
{
    json_t *max = json_object_get(root, "max");
    if (max && !json_is_object(max))
        return invalid(err, "max", "expected an object of quantities");
    for (void *it = json_object_iter(max); it; it = json_object_iter_next(max, it)) {
        struct lx_quantity quantity;
        if (lx_quantity_of(json_object_iter_value(it), &quantity))
            return invalid(err, json_object_iter_key(it), "not a quantity such as \"16Gi\"");
    }
    return 0;
}

int lx_guardrails_parse(const char *text, struct lx_guardrails **ret_guardrails, struct lx_err *err)
{
    lx_auto(guardrails) struct lx_guardrails *guardrails = lx_alloc(sizeof *guardrails);
    if (text && *text) {
        if (lx_json_parse(text, strlen(text), &guardrails->root, err))
            return -1;
        if (!json_is_object(guardrails->root))
            return lx_fail(err, LX_E_INVALID, "expected a JSON object");
        if (check_members(guardrails->root, err) || check_allow(guardrails->root, err) ||
            check_texts(guardrails->root, "images", err) || check_max(guardrails->root, err))
            return -1;
    }
    *ret_guardrails = lx_take(guardrails);
    return 0;
}

void lx_guardrails_free(struct lx_guardrails *guardrails)
{
    if (!guardrails)
        return;
    json_decref(guardrails->root);
    free(guardrails);
}

bool lx_guardrails_allow(const struct lx_guardrails *guardrails, const char *rule)
{
    const json_t *list = guardrails ? json_object_get(guardrails->root, "allow") : NULL;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (lx_streq(json_string_value(json_array_get(list, i)), rule))
            return true;
    return false;
}

/* The reference with its registry and folder: what the container runtime will pull. free(). */
static char *full_reference(const char *image)
{
    const char *slash = strchr(image, '/');
    size_t first = slash ? (size_t)(slash - image) : 0;
    if (image[0] == '*')
        return lx_strdup(image); /* a pattern for any registry */
    if (!slash)
        return lx_strf(DEFAULT_REGISTRY DEFAULT_FOLDER "%s", image);
    /* What could be no folder of docker.io is a registry. */
    bool registry = memchr(image, '.', first) || memchr(image, ':', first) ||
                    strcspn(image, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < first ||
                    (first == strlen("localhost") && lx_starts_with(image, "localhost"));
    if (!registry)
        return lx_strf(DEFAULT_REGISTRY "%s", image);
    if (lx_starts_with(image, DEFAULT_REGISTRY) && !strchr(slash + 1, '/') && slash[1] != '*')
        return lx_strf(DEFAULT_REGISTRY DEFAULT_FOLDER "%s", slash + 1);
    return lx_strdup(image);
}

/* `*` stands for any text. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool lx_guardrails_image(const struct lx_guardrails *guardrails, const char *image)
{
    const json_t *list = guardrails ? json_object_get(guardrails->root, "images") : NULL;
    if (!list)
        return true;
    lx_auto(str) char *full = full_reference(image);
    for (size_t i = 0; i < json_array_size(list); i++) {
        lx_auto(str) char *pattern = full_reference(json_string_value(json_array_get(list, i)));
        if (matches(pattern, full))
            return true;
    }
    return false;
}

const json_t *lx_guardrails_max(const struct lx_guardrails *guardrails)
{
    return guardrails ? json_object_get(guardrails->root, "max") : NULL;
}
