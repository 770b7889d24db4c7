#include "cluster.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <sys/stat.h>

static const json_t *find_volume(const struct lx_pod_run *run, const char *name)
{
    size_t i;
    const json_t *volume;
    json_array_foreach (lx_json_path(run->pod->json, "spec.volumes"), i, volume) {
        if (lx_streq(lx_json_str(volume, "name", ""), name))
            return volume;
    }
    return NULL;
}

static const char *claim_of(const json_t *volume)
{
    return lx_json_str(lx_json_obj(volume, "persistentVolumeClaim"), "claimName", NULL);
}

const char *lx_kubelet_volume_missing_claim(const struct lx_pod_run *run)
{
    size_t i;
    const json_t *volume;
    json_array_foreach (lx_json_path(run->pod->json, "spec.volumes"), i, volume) {
        const char *claim = claim_of(volume);
        if (claim && !lx_store_find(run->c, LX_KIND_PVC, run->pod->ns, claim))
            return claim;
    }
    return NULL;
}

static int write_secret(struct lx_pod_run *run, const char *name, const char *dir,
                        struct lx_err *err)
{
    const struct lx_obj *secret = lx_store_find(run->c, LX_KIND_SECRET, run->pod->ns, name);
    const char *key;
    json_t *value;
    if (!secret)
        return lx_fail(err, LX_E_NOT_FOUND, "secret \"%s\" not found", name);
    json_object_foreach (lx_json_obj(secret->json, "data"), key, value) {
        struct lx_buf data __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)4 << 20);
        lx_auto(str) char *path = lx_path_join(dir, key);
        if (lx_base64_decode(&data, json_string_value(value), json_string_length(value), err) ||
            lx_file_write(path, lx_buf_str(&data), data.len, 0644, err))
            return -1;
    }
    return 0;
}

int lx_kubelet_volume_dir(struct lx_pod_run *run, const char *volume, char **ret_dir,
                          struct lx_err *err)
{
    const json_t *spec = find_volume(run, volume);
    const char *claim = claim_of(spec);
    const char *secret = lx_json_str(lx_json_obj(spec, "secret"), "secretName", NULL);
    if (!claim && !secret && !json_object_get(spec, "emptyDir"))
        return lx_fail(err, LX_E_NOT_FOUND,
                       "volume %s: local mode serves emptyDir, secret and "
                       "persistentVolumeClaim only",
                       volume);
    lx_auto(str) char *dir = claim ? lx_strf("%s/claims/%s-%s", run->c->root, run->pod->ns, claim)
                                   : lx_strf("%s/volumes/%s", run->dir, volume);
    if (lx_mkdirs(dir, 0777, err))
        return -1;
    if (!secret)
        (void)chmod(dir, 0777);
    if (secret && write_secret(run, secret, dir, err))
        return -1;
    *ret_dir = lx_take(dir);
    return 0;
}
