/*
 * Deleting, and looking at what a delete would remove. A dry run of a delete in the foreground is
 * answered with the object, so the right to delete is enough to see whose it is.
 */
#include "kube/priv.h"

#define META(kind) "Accept: application/json;as=" kind ";g=meta.k8s.io;v=v1, application/json"

static char *delete_body(const struct lx_kube_delete_opts *opts, const char *uid, bool dry_run)
{
    const char *propagation = opts->propagation ? opts->propagation : "Background";
    lx_auto(json) json_t *body =
        json_pack("{s:s, s:s, s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
                  "propagationPolicy", dry_run ? "Foreground" : propagation);
    if (opts->grace_seconds >= 0 && !dry_run)
        (void)json_object_set_new(body, "gracePeriodSeconds", json_integer(opts->grace_seconds));
    if (uid)
        (void)json_object_set_new(body, "preconditions", json_pack("{s:s}", "uid", uid));
    if (dry_run)
        (void)json_object_set_new(body, "dryRun", json_pack("[s]", "All"));
    return lx_json_text(body);
}

static int delete_found(struct lx_kube_call_opts *opts, const json_t *answer, struct lx_err *err)
{
    const json_t *metadata = lx_json_obj(answer, "metadata");
    const char *uid = lx_json_str(metadata, "uid", NULL);
    if (!uid)
        return lx_fail(err, LX_E_CONFLICT, "what has this name is being deleted");
    if (!opts->removal.is_meant(opts->removal.arg, metadata))
        return lx_fail(err, LX_E_CONFLICT, "what has this name is another's");
    free(opts->body);
    opts->body = delete_body(&opts->removal, uid, false);
    opts->next = NULL;
    return 0;
}

struct lx_kube_call *lx_kube_look(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                  const char *name, uint64_t deadline_ms, lx_kube_cb cb, void *arg)
{
    return lx_kube_call_start(kube,
                              &(struct lx_kube_call_opts){
                                  .method = "DELETE",
                                  .path = lx_kube_path(kind, ns, name, NULL),
                                  .body = delete_body(&(struct lx_kube_delete_opts){0}, NULL, true),
                                  .accept = META("PartialObjectMetadata"),
                                  .deadline_ms = deadline_ms,
                                  .cb = cb,
                                  .arg = arg,
                              });
}

struct lx_kube_call *lx_kube_delete(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const char *name, const struct lx_kube_delete_opts *opts,
                                    uint64_t deadline_ms, lx_kube_cb cb, void *arg)
{
    static const struct lx_kube_delete_opts usual = {.grace_seconds = -1};
    const struct lx_kube_delete_opts *removal = opts ? opts : &usual;
    bool look = !removal->uid && removal->is_meant;
    struct lx_kube_call_opts call = {
        .method = "DELETE",
        .path = lx_kube_path(kind, ns, name, NULL),
        .body = delete_body(removal, removal->uid, look),
        .accept = look ? META("PartialObjectMetadata") : NULL,
        .background = removal->background,
        .next = look ? delete_found : NULL,
        .removal = *removal,
        .deadline_ms = deadline_ms,
        .cb = cb,
        .arg = arg,
    };
    call.removal.uid = NULL;
    return lx_kube_call_start(kube, &call);
}

struct lx_kube_call *lx_kube_survey(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const char *query, uint64_t deadline_ms, lx_kube_cb cb,
                                    void *arg)
{
    return lx_kube_call_start(kube, &(struct lx_kube_call_opts){
                                        .method = "GET",
                                        .path = lx_kube_path(kind, ns, NULL, query),
                                        .accept = META("PartialObjectMetadataList"),
                                        .background = true,
                                        .deadline_ms = deadline_ms,
                                        .cb = cb,
                                        .arg = arg,
                                    });
}
