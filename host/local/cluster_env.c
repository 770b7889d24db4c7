/*
 * A container's environment and the kubelet's expansion of $(NAME).
 */
#include "cluster.h"

#include "lunexec/text.h"

#include <string.h>

#define IMAGE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/lunexec/bin"

static const char *lookup(const json_t *env, const char *name, size_t len)
{
    for (size_t i = json_array_size(env); i-- > 0;) {
        const char *pair = json_string_value(json_array_get(env, i));
        if (strncmp(pair, name, len) == 0 && pair[len] == '=')
            return pair + len + 1;
    }
    return NULL;
}

json_t *lx_ctr_expand(const char *text, const json_t *env)
{
    struct lx_buf out __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)16 << 20);
    while (*text) {
        const char *dollar = strchr(text, '$');
        size_t plain = dollar ? (size_t)(dollar - text) : strlen(text);
        (void)lx_buf_add(&out, text, plain, NULL);
        text += plain;
        if (!dollar)
            break;
        const char *close = text[1] == '(' ? strchr(text, ')') : NULL;
        const char *value = close ? lookup(env, text + 2, (size_t)(close - text - 2)) : NULL;
        if (value) {
            (void)lx_buf_adds(&out, value, NULL);
            text = close + 1;
        } else { /* "$$" is an escaped dollar; a reference to an unknown name stays as it is */
            (void)lx_buf_addc(&out, '$', NULL);
            text += text[1] == '$' ? 2 : 1;
        }
    }
    return json_stringn(lx_buf_str(&out), out.len);
}

static void put(json_t *env, const char *name, const char *value)
{
    size_t len = strlen(name);
    for (size_t i = json_array_size(env); i-- > 0;) {
        const char *pair = json_string_value(json_array_get(env, i));
        if (strncmp(pair, name, len) == 0 && pair[len] == '=')
            json_array_remove(env, i);
    }
    json_array_append_new(env, json_sprintf("%s=%s", name, value));
}

/* One key of a Secret, decoded into `out`. */
static int secret_value(const struct lx_ctr *ctr, const char *name, const char *key, bool optional,
                        struct lx_buf *out, struct lx_err *err)
{
    const struct lx_obj *secret =
        lx_store_find(ctr->run->c, LX_KIND_SECRET, ctr->run->pod->ns, name);
    if (!secret)
        return optional ? 1 : lx_fail(err, LX_E_NOT_FOUND, "secret \"%s\" not found", name);
    const json_t *value = json_object_get(lx_json_obj(secret->json, "data"), key);
    if (!json_is_string(value))
        return optional ? 1
                        : lx_fail(err, LX_E_NOT_FOUND, "couldn't find key %s in Secret %s/%s", key,
                                  ctr->run->pod->ns, name);
    return lx_base64_decode(out, json_string_value(value), json_string_length(value), err);
}

static int from_source(const struct lx_ctr *ctr, json_t *env, const char *name, const json_t *from,
                       struct lx_err *err)
{
    const json_t *secret = lx_json_obj(from, "secretKeyRef");
    const char *field = lx_json_str(lx_json_obj(from, "fieldRef"), "fieldPath", NULL);
    struct lx_buf value __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)4 << 20);
    if (secret) {
        int rc = secret_value(ctr, lx_json_str(secret, "name", ""), lx_json_str(secret, "key", ""),
                              lx_json_bool(secret, "optional", false), &value, err);
        if (rc == 0)
            put(env, name, lx_buf_str(&value));
        return rc < 0 ? -1 : 0;
    }
    if (field) {
        const json_t *found = lx_json_path(ctr->run->pod->json, field);
        if (json_is_string(found)) {
            put(env, name, json_string_value(found));
            return 0;
        }
    }
    return lx_fail(err, LX_E_NOT_FOUND,
                   "environment variable %s: this source is not served by "
                   "local mode",
                   name);
}

static int from_whole_secret(const struct lx_ctr *ctr, json_t *env, const json_t *ref,
                             struct lx_err *err)
{
    const char *name = lx_json_str(ref, "name", "");
    const struct lx_obj *secret =
        lx_store_find(ctr->run->c, LX_KIND_SECRET, ctr->run->pod->ns, name);
    const char *key;
    json_t *unused;
    if (!secret)
        return lx_json_bool(ref, "optional", false)
                   ? 0
                   : lx_fail(err, LX_E_NOT_FOUND, "secret \"%s\" not found", name);
    json_object_foreach (lx_json_obj(secret->json, "data"), key, unused) {
        struct lx_buf value __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)4 << 20);
        if (secret_value(ctr, name, key, false, &value, err))
            return -1;
        put(env, key, lx_buf_str(&value));
    }
    return 0;
}

int lx_ctr_env(const struct lx_ctr *ctr, json_t **ret_env, struct lx_err *err)
{
    lx_auto(json) json_t *env = json_array();
    size_t i;
    const json_t *item;
    put(env, "PATH", IMAGE_PATH);
    put(env, "HOSTNAME", ctr->run->pod->name);
    put(env, "HOME", "/root");
    json_array_foreach (lx_json_arr(ctr->spec, "envFrom"), i, item) {
        const json_t *ref = lx_json_obj(item, "secretRef");
        if (ref && from_whole_secret(ctr, env, ref, err))
            return -1;
    }
    json_array_foreach (lx_json_arr(ctr->spec, "env"), i, item) {
        const char *name = lx_json_str(item, "name", "");
        const json_t *from = lx_json_obj(item, "valueFrom");
        if (from) {
            if (from_source(ctr, env, name, from, err))
                return -1;
            continue;
        }
        lx_auto(json) json_t *value = lx_ctr_expand(lx_json_str(item, "value", ""), env);
        put(env, name, json_string_value(value));
    }
    *ret_env = lx_take(env);
    return 0;
}
