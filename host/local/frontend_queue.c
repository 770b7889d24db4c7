#include "frontend.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

json_t *lx_frontend_body(struct lx_frontend *fe, struct lx_httpd_req *req)
{
    size_t len = 0;
    const char *text = lx_httpd_body(req, &len);
    json_t *body = NULL;
    struct lx_err err = {0};
    if (lx_json_parse(text, len, &body, &err) == 0 && json_is_object(body))
        return body;
    json_decref(body);
    lx_auto(str) char *answer =
        lx_strf("Failed to unmarshal payload: %s", *err.text ? err.text : "not an object");
    lx_frontend_violation(fe, "%s: %s", lx_httpd_path(req), answer);
    lx_serve_reply_text(fe->serve, req, 400, answer);
    return NULL;
}

void lx_frontend_fail(struct lx_frontend *fe, struct lx_httpd_req *req, const char *text)
{
    lx_serve_reply_json(fe->serve, req, 500, json_pack("{s:s}", "error", text));
}

/* X.Y.Z with optional -pre and +build, or a development build (contract 1.5). */
static bool version_ok(const char *version)
{
    if (lx_streq(version, "dev") || lx_streq(version, "0.0.0+dev"))
        return true;
    size_t core = strspn(version, "0123456789.");
    if (version[core] && version[core] != '-' && version[core] != '+')
        return false;
    lx_auto(str) char *numbers = lx_strndup(version, core);
    char **parts = lx_split(numbers, '.');
    bool ok = lx_strv_len(parts) == 3;
    for (size_t i = 0; ok && i < 3; i++) {
        uint64_t value;
        ok = lx_parse_u64(parts[i], &value) == 0;
    }
    lx_strv_free(parts);
    return ok;
}

void lx_frontend_dequeue(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue)
{
    if (!lx_frontend_executor_ok(fe, req))
        return;
    lx_auto(json) json_t *body = lx_frontend_body(fe, req);
    if (!body)
        return;
    const char *name = lx_json_str(body, "executorName", "");
    const char *version = lx_json_str(body, "version", "");
    if (!*name) {
        lx_frontend_violation(fe, "dequeue without executorName");
        lx_frontend_fail(fe, req, "worker hostname cannot be empty");
        return;
    }
    if (!version_ok(version)) {
        lx_frontend_violation(fe, "dequeue with version \"%s\", which is no semantic version",
                              version);
        lx_frontend_fail(fe, req, "Invalid Semantic Version");
        return;
    }
    struct lx_record *record = lx_record_take(fe, queue, name);
    if (!record) {
        lx_serve_reply(fe->serve, req, 204, "text/plain", "", 0);
        return;
    }
    lx_serve_reply_json(fe->serve, req, 200, json_incref(record->payload));
    lx_serve_event(fe->serve, "dequeued",
                   json_pack("{s:I,s:s}", "id", (json_int_t)record->id, "executor", name));
}

/* Checks the shape of a beat; `jobIds` absent makes it a ping (contract 1.6). */
static void check_beat(struct lx_frontend *fe, const json_t *body)
{
    static const char *const texts[] = {"version",          "os",
                                        "architecture",     "dockerVersion",
                                        "gitVersion",       "executorVersion",
                                        "igniteVersion",    "srcCliVersion",
                                        "prometheusMetrics"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json_t *value = json_object_get(body, texts[i]);
        if (!json_is_string(value))
            lx_frontend_violation(fe, "heartbeat: %s is %s", texts[i],
                                  value ? "not a string" : "missing");
    }
    const json_t *ids = json_object_get(body, "jobIds");
    if (!ids)
        return;
    if (!lx_streq(lx_json_str(body, "version", ""), "V2"))
        lx_frontend_violation(fe, "heartbeat: version is not \"V2\"");
    if (!json_is_array(ids) && !json_is_null(ids))
        lx_frontend_violation(fe, "heartbeat: jobIds is neither an array nor null");
    size_t i;
    const json_t *id;
    json_array_foreach (ids, i, id) {
        if (!json_is_integer(id))
            lx_frontend_violation(fe, "heartbeat: a job id is not an integer");
    }
}

void lx_frontend_heartbeat(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue)
{
    if (!lx_frontend_executor_ok(fe, req))
        return;
    lx_auto(json) json_t *body = lx_frontend_body(fe, req);
    if (!body)
        return;
    const char *name = lx_json_str(body, "executorName", "");
    if (!*name) {
        lx_frontend_violation(fe, "heartbeat without executorName");
        lx_frontend_fail(fe, req, "worker hostname cannot be empty");
        return;
    }
    check_beat(fe, body);
    lx_map_put(fe->executors, name, fe);
    json_t *known = json_array(), *cancel = json_array();
    size_t i;
    json_t *id;
    json_array_foreach (lx_json_arr(body, "jobIds"), i, id) {
        struct lx_record *record = lx_record_find(fe, json_integer_value(id));
        if (!record || record->state != LX_RECORD_PROCESSING || !lx_streq(record->executor, name) ||
            !lx_streq(record->queue, queue))
            continue;
        record->beat_ms = lx_now_ms();
        json_array_append_new(known, json_sprintf("%lld", (long long)record->id));
        if (record->cancel)
            json_array_append_new(cancel, json_sprintf("%lld", (long long)record->id));
    }
    json_t *answer = json_object();
    json_object_set_new(answer, "knownIds",
                        json_array_size(known) ? json_incref(known) : json_null());
    json_object_set_new(answer, "cancelIds",
                        json_array_size(cancel) ? json_incref(cancel) : json_null());
    json_decref(known);
    json_decref(cancel);
    lx_serve_reply_json(fe->serve, req, 200, answer);
}
