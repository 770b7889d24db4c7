/*
 * What a real API server refuses when an object is created: enough of it that a manifest which
 * passes here has its names, required fields and references in order.
 */
#include "cluster.h"

#include "lunexec/text.h"

#include <ctype.h>
#include <string.h>

#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "                      \
    "characters, '-' or '.', and must start and end with an alphanumeric character"
#define LABEL                                                                                      \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "            \
    "'-', and must start and end with an alphanumeric character"

static bool name_ok(const char *name, size_t max, bool dots)
{
    size_t len = strlen(name);
    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)name[i];
        bool inner = i > 0 && i + 1 < len;
        if (!(islower(ch) || isdigit(ch) || (inner && (ch == '-' || (dots && ch == '.')))))
            return false;
    }
    return true;
}

static int string_map(const json_t *object, const char *path, struct lx_err *err)
{
    const char *key;
    const json_t *value;
    if (object && !json_is_object(object))
        return lx_fail(err, LX_E_INVALID, "%s: must be an object", path);
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        if (!json_is_string(value))
            return lx_fail(err, LX_E_INVALID, "%s.%s: must be a string", path, key);
    }
    return 0;
}

static int labels_ok(const json_t *meta, const char *path, struct lx_err *err)
{
    const char *key;
    json_t *value;
    lx_auto(str) char *at = lx_strf("%s.labels", path);
    if (string_map(json_object_get(meta, "labels"), at, err) ||
        string_map(json_object_get(meta, "annotations"), path, err))
        return -1;
    json_object_foreach (lx_json_obj(meta, "labels"), key, value) {
        const char *text = json_string_value(value);
        size_t len = strlen(text);
        if (len > 63 ||
            strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                         "-_.") != len ||
            (len && (!isalnum((unsigned char)text[0]) || !isalnum((unsigned char)text[len - 1]))))
            return lx_fail(err, LX_E_INVALID,
                           "%s: Invalid value: \"%s\": a valid label must be an "
                           "empty string or consist of alphanumeric characters, "
                           "'-', '_' or '.'",
                           at, text);
    }
    return 0;
}

static bool named_in(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (lx_streq(lx_json_str(item, "name", ""), name))
            return true;
    }
    return false;
}

static int strings_ok(const json_t *object, const char *key, const char *path, struct lx_err *err)
{
    const json_t *value = json_object_get(object, key), *item;
    size_t i;
    if (value && !json_is_array(value) && !json_is_null(value))
        return lx_fail(err, LX_E_INVALID, "%s.%s: must be an array", path, key);
    json_array_foreach (value, i, item) {
        if (!json_is_string(item))
            return lx_fail(err, LX_E_INVALID, "%s.%s[%zu]: must be a string", path, key, i);
    }
    return 0;
}

static int env_ok(const json_t *env, const char *path, struct lx_err *err)
{
    size_t i;
    const json_t *item;
    json_array_foreach (env, i, item) {
        const char *name = lx_json_str(item, "name", "");
        const json_t *value = json_object_get(item, "value");
        if (!*name)
            return lx_fail(err, LX_E_INVALID, "%s.env[%zu].name: Required value", path, i);
        if (value && !json_is_string(value))
            return lx_fail(err, LX_E_INVALID, "%s.env[%zu].value: must be a string", path, i);
        if (value && *json_string_value(value) && lx_json_obj(item, "valueFrom"))
            return lx_fail(err, LX_E_INVALID,
                           "%s.env[%zu].valueFrom: Invalid value: \"\": may not "
                           "be specified when `value` is not empty",
                           path, i);
    }
    return 0;
}

static int mounts_ok(const json_t *mounts, const json_t *volumes, const char *path,
                     struct lx_err *err)
{
    size_t i;
    const json_t *item;
    json_array_foreach (mounts, i, item) {
        const char *name = lx_json_str(item, "name", "");
        if (!named_in(volumes, name))
            return lx_fail(err, LX_E_INVALID, "%s.volumeMounts[%zu].name: Not found: \"%s\"", path,
                           i, name);
        if (!*lx_json_str(item, "mountPath", ""))
            return lx_fail(err, LX_E_INVALID, "%s.volumeMounts[%zu].mountPath: Required value",
                           path, i);
    }
    return 0;
}

static int containers_ok(const json_t *spec, const char *field, const char *root,
                         struct lx_err *err)
{
    const json_t *list = json_object_get(spec, field), *ctr,
                 *volumes = lx_json_arr(spec, "volumes");
    size_t i;
    if (list && !json_is_array(list))
        return lx_fail(err, LX_E_INVALID, "%s.%s: must be an array", root, field);
    json_array_foreach (list, i, ctr) {
        lx_auto(str) char *path = lx_strf("%s.%s[%zu]", root, field, i);
        const char *name = lx_json_str(ctr, "name", "");
        if (!name_ok(name, 63, false))
            return lx_fail(err, LX_E_INVALID, "%s.name: Invalid value: \"%s\": " LABEL, path, name);
        for (size_t k = 0; k < i; k++) {
            if (lx_streq(lx_json_str(json_array_get(list, k), "name", ""), name))
                return lx_fail(err, LX_E_INVALID, "%s.name: Duplicate value: \"%s\"", path, name);
        }
        if (!*lx_json_str(ctr, "image", ""))
            return lx_fail(err, LX_E_INVALID, "%s.image: Required value", path);
        if (strings_ok(ctr, "command", path, err) || strings_ok(ctr, "args", path, err) ||
            env_ok(lx_json_arr(ctr, "env"), path, err) ||
            mounts_ok(lx_json_arr(ctr, "volumeMounts"), volumes, path, err))
            return -1;
    }
    return 0;
}

/* Terms without a topology key are what the original's empty affinity terms fail with. */
static int affinity_ok(const json_t *spec, const char *root, struct lx_err *err)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
    for (size_t k = 0; k < 2; k++) {
        const json_t *pods = lx_json_obj(lx_json_obj(spec, "affinity"), kinds[k]), *term;
        size_t i;
        json_array_foreach (lx_json_arr(pods, "requiredDuringSchedulingIgnoredDuringExecution"), i,
                            term) {
            if (!*lx_json_str(term, "topologyKey", ""))
                return lx_fail(err, LX_E_INVALID,
                               "%s.affinity.%s.requiredDuringSchedulingIgnoredDuringExecution[%zu]"
                               ".topologyKey: Required value: can not be empty",
                               root, kinds[k], i);
        }
    }
    return 0;
}

static int pod_spec_ok(const json_t *spec, const char *root, bool of_job, struct lx_err *err)
{
    const char *restart = lx_json_str(spec, "restartPolicy", "");
    const json_t *deadline = json_object_get(spec, "activeDeadlineSeconds");
    if (!json_is_object(spec))
        return lx_fail(err, LX_E_INVALID, "%s: Required value", root);
    if (json_array_size(json_object_get(spec, "containers")) == 0)
        return lx_fail(err, LX_E_INVALID, "%s.containers: Required value", root);
    if (of_job && !lx_streq(restart, "Never") && !lx_streq(restart, "OnFailure"))
        return lx_fail(err, LX_E_INVALID,
                       "%s.restartPolicy: Required value: valid values: "
                       "\"OnFailure\", \"Never\"",
                       root);
    if (deadline && (!json_is_integer(deadline) || json_integer_value(deadline) < 1))
        return lx_fail(err, LX_E_INVALID,
                       "%s.activeDeadlineSeconds: Invalid value: must be between "
                       "1 and 2147483647, inclusive",
                       root);
    size_t i;
    const json_t *volume;
    json_array_foreach (lx_json_arr(spec, "volumes"), i, volume) {
        const char *name = lx_json_str(volume, "name", "");
        if (!name_ok(name, 63, false))
            return lx_fail(err, LX_E_INVALID, "%s.volumes[%zu].name: Invalid value: \"%s\": " LABEL,
                           root, i, name);
    }
    if (containers_ok(spec, "initContainers", root, err) ||
        containers_ok(spec, "containers", root, err) || affinity_ok(spec, root, err))
        return -1;
    const json_t *ctr;
    json_array_foreach (json_object_get(spec, "initContainers"), i, ctr) {
        const char *name = lx_json_str(ctr, "name", "");
        if (named_in(json_object_get(spec, "containers"), name))
            return lx_fail(err, LX_E_INVALID,
                           "%s.initContainers[%zu].name: Duplicate value: \"%s\"", root, i, name);
    }
    return 0;
}

int lx_cluster_check(enum lx_kind_id kind, const json_t *json, struct lx_err *err)
{
    const json_t *meta = json_object_get(json, "metadata");
    const json_t *spec = lx_json_obj(json, "spec");
    const char *name = lx_json_str(meta, "name", "");
    if (!name_ok(name, kind == LX_KIND_JOB ? 63 : 253, true))
        return lx_fail(err, LX_E_INVALID, "metadata.name: Invalid value: \"%s\": %s", name,
                       strlen(name) > 63 ? "must be no more than 63 characters" : SUBDOMAIN);
    if (labels_ok(meta, "metadata", err))
        return -1;
    if (kind == LX_KIND_JOB) {
        const json_t *tmpl = lx_json_obj(spec, "template");
        return labels_ok(lx_json_obj(tmpl, "metadata"), "spec.template.metadata", err)
                   ? -1
                   : pod_spec_ok(lx_json_obj(tmpl, "spec"), "spec.template.spec", true, err);
    }
    if (kind == LX_KIND_POD)
        return pod_spec_ok(spec, "spec", false, err);
    if (kind == LX_KIND_SECRET)
        return string_map(json_object_get(json, "stringData"), "stringData", err) ||
                       string_map(json_object_get(json, "data"), "data", err)
                   ? -1
                   : 0;
    if (kind == LX_KIND_PVC && !json_array_size(json_object_get(spec, "accessModes")))
        return lx_fail(err, LX_E_INVALID,
                       "spec.accessModes: Required value: at least 1 access mode "
                       "is required");
    return 0;
}
