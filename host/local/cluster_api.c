/*
 * Paths and verbs of the API.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

struct target {
    enum lx_kind_id kind;
    char *ns, *name, *sub; /* name and sub NULL when absent */
};

static void target_done(struct target *t)
{
    free(t->ns);
    free(t->name);
    free(t->sub);
}

/* /api/v1/namespaces/NS/KIND[/NAME[/SUB]] or /apis/batch/v1/namespaces/NS/jobs[/NAME]. */
static bool parse_path(const char *path, struct target *ret)
{
    bool batch = lx_starts_with(path, "/apis/batch/v1/namespaces/");
    const char *prefix = batch ? "/apis/batch/v1/namespaces/" : "/api/v1/namespaces/";
    if (!lx_starts_with(path, prefix))
        return false;
    char **parts = lx_split(path + strlen(prefix), '/');
    size_t n = lx_strv_len(parts);
    bool found = false;
    for (size_t k = 0; n >= 2 && n <= 4 && k < LX_KINDS; k++) {
        if (lx_streq(lx_local_kinds[k].plural, parts[1]) &&
            (*lx_local_kinds[k].group != '\0') == batch) {
            ret->kind = (enum lx_kind_id)k;
            found = true;
        }
    }
    if (found) {
        ret->ns = lx_strdup(parts[0]);
        ret->name = n > 2 ? lx_strdup(parts[2]) : NULL;
        ret->sub = n > 3 ? lx_strdup(parts[3]) : NULL;
    }
    lx_strv_free(parts);
    return found;
}

static void not_found(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    lx_auto(str) char *subject = lx_status_subject(t->kind, t->name);
    lx_auto(str) char *text = lx_strf("%s not found", subject);
    lx_status_reply(c, req, 404, "NotFound", text, t->kind, t->name);
}

/* ---- create ---- */

/* stringData is write-only: it becomes base64 data (contract 6.2). */
static void fold_string_data(json_t *secret)
{
    json_t *plain = lx_json_obj(secret, "stringData"), *value;
    const char *key;
    if (!plain)
        return;
    if (!lx_json_obj(secret, "data"))
        json_object_set_new(secret, "data", json_object());
    json_object_foreach (plain, key, value) {
        struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)4 << 20);
        const char *bytes = json_string_value(value);
        if (bytes && lx_base64_encode(&text, bytes, json_string_length(value), NULL) == 0)
            json_object_set_new(lx_json_obj(secret, "data"), key, json_string(lx_buf_str(&text)));
    }
    json_object_del(secret, "stringData");
}

static int read_object(const struct lx_httpd_req *req, const struct target *t, json_t **ret,
                       struct lx_err *err)
{
    const struct lx_kind *kind = &lx_local_kinds[t->kind];
    size_t len = 0;
    const char *body = lx_httpd_body(req, &len);
    const char *type = lx_httpd_header(req, "Content-Type");
    if (type && !lx_starts_with(type, "application/json"))
        return lx_fail(err, LX_E_INVALID, "the body's media type is %s, not application/json",
                       type);
    lx_auto(json) json_t *json = NULL;
    if (lx_json_parse(body, len, &json, err))
        return -1;
    if (!lx_streq(lx_json_str(json, "kind", kind->kind), kind->kind) ||
        !lx_streq(lx_json_str(json, "apiVersion", kind->api_version), kind->api_version))
        return lx_fail(err, LX_E_INVALID, "the object is not a %s of %s", kind->kind,
                       kind->api_version);
    if (!lx_json_obj(json, "metadata"))
        return lx_fail(err, LX_E_INVALID, "metadata: Required value");
    const char *ns = lx_json_str(lx_json_obj(json, "metadata"), "namespace", t->ns);
    if (!lx_streq(ns, t->ns))
        return lx_fail(err, LX_E_INVALID,
                       "the namespace of the provided object does not match "
                       "the namespace sent on the request");
    json_object_set_new(json, "kind", json_string(kind->kind));
    json_object_set_new(json, "apiVersion", json_string(kind->api_version));
    *ret = lx_take(json);
    return 0;
}

static void create(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    struct lx_err err = {0};
    lx_auto(json) json_t *json = NULL;
    if (read_object(req, t, &json, &err)) {
        lx_status_reply(c, req, 400, "BadRequest", err.text, t->kind, NULL);
        return;
    }
    const char *name = lx_json_str(lx_json_obj(json, "metadata"), "name", "");
    lx_auto(str) char *subject = lx_status_subject(t->kind, name);
    if (lx_cluster_check(t->kind, json, &err)) {
        lx_auto(str) char *text = lx_strf("%s is invalid: %s", subject, err.text);
        lx_status_reply(c, req, 422, "Invalid", text, t->kind, name);
        return;
    }
    if (lx_store_find(c, t->kind, t->ns, name)) {
        lx_auto(str) char *text = lx_strf("%s already exists", subject);
        lx_status_reply(c, req, 409, "AlreadyExists", text, t->kind, name);
        return;
    }
    if (t->kind == LX_KIND_SECRET)
        fold_string_data(json);
    if (lx_streq(lx_httpd_query(req, "dryRun"), "All")) {
        lx_store_stamp(json, t->ns);
        lx_serve_reply_json(c->serve, req, 201, lx_take(json));
        return;
    }
    struct lx_obj *obj = lx_store_add(c, t->kind, t->ns, lx_take(json));
    if (!obj) {
        lx_status_reply(c, req, 507, "InternalError", "too many objects", t->kind, NULL);
        return;
    }
    lx_serve_reply_json(c->serve, req, 201, json_incref(obj->json));
    if (obj->kind == LX_KIND_JOB)
        lx_jobctl_added(c, obj);
    else if (obj->kind == LX_KIND_POD)
        lx_kubelet_start(c, obj);
}

/* ---- list ---- */

static void list(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    struct lx_err err = {0};
    struct lx_selector *selector = NULL;
    uint64_t limit = 0, skip = 0, seen = 0;
    const char *limit_text = lx_httpd_query(req, "limit");
    const char *from = lx_httpd_query(req, "continue");
    if (lx_selector_parse(lx_httpd_query(req, "labelSelector"), &selector, &err) ||
        (limit_text && lx_parse_u64(limit_text, &limit)) ||
        (from && *from && lx_parse_u64(from, &skip))) {
        lx_selector_free(selector);
        lx_status_reply(c, req, 400, "BadRequest", *err.text ? err.text : "bad limit or continue",
                        t->kind, NULL);
        return;
    }
    const struct lx_kind *kind = &lx_local_kinds[t->kind];
    json_t *items = json_array();
    bool more = false;
    lx_list_each (it, &c->objects) {
        const struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (obj->kind != t->kind || !lx_streq(obj->ns, t->ns) ||
            !lx_selector_match(selector, lx_json_obj(lx_meta(obj), "labels")) || seen++ < skip)
            continue;
        if (limit && json_array_size(items) == limit) {
            more = true;
            break;
        }
        json_t *item = json_copy(obj->json);
        json_object_del(item, "kind");
        json_object_del(item, "apiVersion");
        json_array_append_new(items, item);
    }
    lx_selector_free(selector);
    json_t *meta =
        json_pack("{s:o}", "resourceVersion", json_sprintf("%llu", (unsigned long long)c->rv));
    if (more)
        json_object_set_new(meta, "continue",
                            json_sprintf("%llu", (unsigned long long)skip + limit));
    lx_serve_reply_json(c->serve, req, 200,
                        json_pack("{s:o,s:s,s:o,s:o}", "kind", json_sprintf("%sList", kind->kind),
                                  "apiVersion", kind->api_version, "metadata", meta, "items",
                                  items));
}

/* ---- delete ---- */

static void remove_object(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    struct lx_obj *obj = lx_store_find(c, t->kind, t->ns, t->name);
    if (!obj) {
        not_found(c, req, t);
        return;
    }
    size_t len = 0;
    const char *body = lx_httpd_body(req, &len);
    lx_auto(json) json_t *opts = NULL;
    struct lx_err err = {0};
    if (len && lx_json_parse(body, len, &opts, &err)) {
        lx_status_reply(c, req, 400, "BadRequest", err.text, t->kind, t->name);
        return;
    }
    lx_auto(str) char *uid =
        lx_strdup(lx_json_str(lx_json_obj(opts, "preconditions"), "uid", obj->uid));
    if (!lx_streq(uid, obj->uid)) {
        lx_auto(str) char *subject = lx_status_subject(t->kind, t->name);
        lx_auto(str) char *text = lx_strf("Operation cannot be fulfilled on %s: the UID in the "
                                          "precondition (%s) does not match the UID in record (%s)",
                                          subject, uid, obj->uid);
        lx_status_reply(c, req, 409, "Conflict", text, t->kind, t->name);
        return;
    }
    if (json_array_size(lx_json_arr(opts, "dryRun")) > 0) {
        lx_serve_reply_json(c->serve, req, 200, json_incref(obj->json));
        return;
    }
    const char *policy = lx_json_str(opts, "propagationPolicy", "Background");
    const char *asked = lx_httpd_query(req, "propagationPolicy");
    policy = asked ? asked : policy;
    if (t->kind == LX_KIND_POD || (t->kind == LX_KIND_JOB && lx_streq(policy, "Foreground"))) {
        lx_jobctl_delete(c, obj, policy); /* the object stays a while, with a deletionTimestamp */
        obj = lx_store_find(c, t->kind, t->ns, t->name);
        if (obj) {
            lx_serve_reply_json(c->serve, req, 200, json_incref(obj->json));
            return;
        }
    } else {
        lx_jobctl_delete(c, obj, policy);
    }
    lx_serve_reply_json(c->serve, req, 200,
                        json_pack("{s:s,s:s,s:{},s:s,s:{s:s,s:s,s:s}}", "kind", "Status",
                                  "apiVersion", "v1", "metadata", "status", "Success", "details",
                                  "name", t->name, "kind", lx_local_kinds[t->kind].plural, "uid",
                                  uid));
}

/* ---- log ---- */

static void pod_log(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    const struct lx_obj *pod = lx_store_find(c, LX_KIND_POD, t->ns, t->name);
    const char *name = lx_httpd_query(req, "container");
    const struct lx_ctr *ctr = NULL;
    if (!pod) {
        not_found(c, req, t);
        return;
    }
    for (size_t i = 0; pod->run && i < pod->run->n_ctrs; i++) {
        const struct lx_ctr *it = &pod->run->ctrs[i];
        if (name ? lx_streq(it->name, name) : pod->run->n_ctrs == 1)
            ctr = it;
    }
    if (ctr && ctr->log) {
        lx_ctr_log_serve(ctr->log, req);
        return;
    }
    lx_auto(str) char *text =
        ctr ? lx_strf("container \"%s\" in pod \"%s\" is waiting to start: %s", ctr->name, t->name,
                      ctr->reason ? ctr->reason : "PodInitializing")
            : lx_strf("container %s is not valid for pod %s", name ? name : "(none)", t->name);
    lx_status_reply(c, req, 400, "BadRequest", text, LX_KIND_POD, NULL);
}

/* ---- who may do what ---- */

static bool authorized(struct lx_cluster *c, struct lx_httpd_req *req)
{
    const char *header = lx_httpd_header(req, "Authorization");
    if (!c->token || (header && lx_starts_with(header, "Bearer ") &&
                      lx_streq(header + strlen("Bearer "), c->token)))
        return true;
    lx_status_reply(c, req, 401, "Unauthorized", "Unauthorized", LX_KIND_POD, NULL);
    return false;
}

/* The verbs of the Role that existing installs have, secrets included (operations 2a). */
static bool permitted(const struct lx_cluster *c, const struct target *t, const char *method)
{
    if (!c->rbac)
        return true;
    if (t->kind == LX_KIND_POD)
        return lx_streq(method, "GET");
    return (t->kind == LX_KIND_JOB || t->kind == LX_KIND_SECRET || t->kind == LX_KIND_PVC) &&
           (lx_streq(method, "POST") || (lx_streq(method, "DELETE") && t->name));
}

static void forbid(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    const struct lx_kind *kind = &lx_local_kinds[t->kind];
    lx_auto(str) char *text = lx_strf(
        "%s%s%s is forbidden: User \"system:serviceaccount:%s:executor\" cannot %s resource "
        "\"%s\" in API group \"%s\" in the namespace \"%s\"",
        kind->plural, *kind->group ? "." : "", kind->group, t->ns, lx_httpd_method(req),
        kind->plural, kind->group, t->ns);
    lx_status_reply(c, req, 403, "Forbidden", text, t->kind, t->name);
}

static void dispatch(struct lx_cluster *c, struct lx_httpd_req *req, const struct target *t)
{
    const char *method = lx_httpd_method(req);
    const char *watch = lx_httpd_query(req, "watch");
    bool get = lx_streq(method, "GET");
    if (!permitted(c, t, method))
        forbid(c, req, t);
    else if (t->sub && get && t->kind == LX_KIND_POD && lx_streq(t->sub, "log"))
        pod_log(c, req, t);
    else if (t->sub)
        lx_status_reply(c, req, 404, "NotFound", "the server could not find the requested resource",
                        t->kind, NULL);
    else if (get && !t->name && (lx_streq(watch, "true") || lx_streq(watch, "1")))
        lx_feed_serve(c, req, t->kind, t->ns);
    else if (get && !t->name)
        list(c, req, t);
    else if (get) {
        const struct lx_obj *obj = lx_store_find(c, t->kind, t->ns, t->name);
        if (obj)
            lx_serve_reply_json(c->serve, req, 200, json_incref(obj->json));
        else
            not_found(c, req, t);
    } else if (lx_streq(method, "POST") && !t->name)
        create(c, req, t);
    else if (lx_streq(method, "DELETE") && t->name)
        remove_object(c, req, t);
    else
        lx_status_reply(c, req, 405, "MethodNotAllowed",
                        "the server does not allow this method on the requested resource", t->kind,
                        NULL);
}

void lx_cluster_request(struct lx_cluster *c, struct lx_httpd_req *req)
{
    const char *path = lx_httpd_path(req);
    struct target t = {0};
    if (lx_streq(path, "/healthz") || lx_streq(path, "/readyz") || lx_streq(path, "/livez"))
        lx_serve_reply_text(c->serve, req, 200, "ok");
    else if (!authorized(c, req))
        return;
    else if (lx_streq(path, "/version"))
        lx_serve_reply_json(c->serve, req, 200,
                            json_pack("{s:s,s:s,s:s}", "major", "1", "minor", "30", "gitVersion",
                                      "v1.30.0-lunexec-local"));
    else if (parse_path(path, &t))
        dispatch(c, req, &t);
    else
        lx_status_reply(c, req, 404, "NotFound", "the server could not find the requested resource",
                        LX_KIND_POD, NULL);
    target_done(&t);
}
