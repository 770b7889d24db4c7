/*
 * Rules that only the operator's guardrails give contents: which images, how much of a resource.
 */
#include "guardrails.h"
#include "lunexec/quantity.h"
#include "lunexec/text.h"
#include "plan_rules.h"

#include <stdio.h>

static int check_image_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                          struct lx_err *err)
{
    const char *image = lx_json_str(at->container, "image", "");
    if (lx_guardrails_image(view->spec->guardrails, image))
        return 0;
    return lx_plan_refuse(err, "%s.image is \"%s\", which no pattern in the guardrails matches",
                          at->path, image);
}

static int check_images(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *volumes = lx_json_arr(view->pod, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        const char *image = lx_json_str(lx_json_obj(volume, "image"), "reference", NULL);
        if (image && !lx_plan_volume_allowed(view, volume) &&
            !lx_guardrails_image(view->spec->guardrails, image))
            return lx_plan_refuse(err,
                                  LX_PLAN_POD ".volumes[%zu].image.reference is \"%s\", which no "
                                              "pattern in the guardrails matches",
                                  i, image);
    }
    return lx_plan_each_container(view, check_image_of, err);
}

/* The amount of one resource, in limits or requests, may not be larger than `max`. */
static int check_amount(const struct lx_plan_at *at, const char *kind, const char *resource,
                        const json_t *max, bool needed, struct lx_err *err)
{
    char path[320], expected[128];
    const json_t *amounts = lx_json_obj(lx_json_obj(at->container, "resources"), kind);
    const json_t *value = json_object_get(amounts, resource);
    struct lx_quantity amount, most;
    if (lx_quantity_of(max, &most))
        return lx_plan_refuse(err, "the guardrails' %s is not a quantity", resource);
    if (!value && !needed)
        return 0;
    if (value && lx_quantity_of(value, &amount) == 0 && lx_quantity_compare(amount, most) <= 0)
        return 0;
    snprintf(path, sizeof path, "%s.resources.%s.%s", at->path, kind, resource);
    snprintf(expected, sizeof expected, "expected %.64s at most", json_string_value(max));
    return lx_plan_refuse_value(err, path, value, json_is_string(max) ? expected : "expected less");
}

/* `at` is a container, or the pod, which may have resources of its own. */
static int check_amounts(struct lx_plan_view *view, const struct lx_plan_at *at, bool needed,
                         struct lx_err *err)
{
    json_t *max = (json_t *)(uintptr_t)lx_guardrails_max(view->spec->guardrails);
    for (void *it = json_object_iter(max); it; it = json_object_iter_next(max, it)) {
        const char *resource = json_object_iter_key(it);
        const json_t *most = json_object_iter_value(it);
        if (check_amount(at, "limits", resource, most, needed, err) ||
            check_amount(at, "requests", resource, most, false, err))
            return -1;
    }
    return 0;
}

static int check_ceiling_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                            struct lx_err *err)
{
    return check_amounts(view, at, true, err);
}

static int check_ceilings(struct lx_plan_view *view, struct lx_err *err)
{
    const struct lx_plan_at pod = {.container = view->pod, .path = LX_PLAN_POD};
    if (check_amounts(view, &pod, false, err))
        return -1;
    return lx_plan_each_container(view, check_ceiling_of, err);
}

const struct lx_plan_rule lx_plan_limit_rules[] = {
    {"image-allowed", "only images that the operator's patterns match", check_images, false},
    {"resource-ceiling", "no container gets more than the operator's most", check_ceilings, false},
};
const size_t lx_plan_n_limit_rules = sizeof lx_plan_limit_rules / sizeof lx_plan_limit_rules[0];
