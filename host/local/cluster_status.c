#include "cluster.h"

#include "lunexec/text.h"

const struct lx_kind lx_local_kinds[LX_KINDS] = {
    [LX_KIND_SECRET] = {"secrets", "Secret", "v1", ""},
    [LX_KIND_PVC] = {"persistentvolumeclaims", "PersistentVolumeClaim", "v1", ""},
    [LX_KIND_POD] = {"pods", "Pod", "v1", ""},
    [LX_KIND_EVENT] = {"events", "Event", "v1", ""},
    [LX_KIND_JOB] = {"jobs", "Job", "batch/v1", "batch"},
};

char *lx_status_subject(enum lx_kind_id kind, const char *name)
{
    const struct lx_kind *k = &lx_local_kinds[kind];
    return lx_strf("%s%s%s \"%s\"", k->plural, *k->group ? "." : "", k->group, name);
}

void lx_status_reply(struct lx_cluster *c, struct lx_httpd_req *req, unsigned code,
                     const char *reason, const char *message, enum lx_kind_id kind,
                     const char *name)
{
    json_t *status = json_pack("{s:s,s:s,s:{},s:s,s:s,s:s}", "kind", "Status", "apiVersion", "v1",
                               "metadata", "status", code < 300 ? "Success" : "Failure", "message",
                               message, "reason", reason);
    if (name) {
        json_t *details = json_pack("{s:s,s:s}", "name", name, "kind", lx_local_kinds[kind].plural);
        if (*lx_local_kinds[kind].group)
            json_object_set_new(details, "group", json_string(lx_local_kinds[kind].group));
        json_object_set_new(status, "details", details);
    }
    json_object_set_new(status, "code", json_integer((json_int_t)code));
    lx_serve_reply_json(c->serve, req, code, status);
}

json_t *lx_status_gone(uint64_t rv, uint64_t oldest)
{
    return json_pack("{s:s,s:s,s:{},s:s,s:o,s:s,s:i}", "kind", "Status", "apiVersion", "v1",
                     "metadata", "status", "Failure", "message",
                     json_sprintf("too old resource version: %llu (%llu)", (unsigned long long)rv,
                                  (unsigned long long)oldest),
                     "reason", "Expired", "code", 410);
}
