#include "frontend.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/text.h"

#include <string.h>

/* The record that the body names, if this executor may write to it; answers otherwise. */
static struct lx_record *target(struct lx_frontend *fe, struct lx_httpd_req *req,
                                const struct lx_record *owner, const json_t *body)
{
    const char *name = lx_json_str(body, "executorName", "");
    int64_t id = lx_json_int(body, "jobId", -1);
    struct lx_record *record = lx_record_find(fe, id);
    if (owner && owner->id != id)
        lx_frontend_violation(fe, "%s: jobId %lld is not that of the header", lx_httpd_path(req),
                              (long long)id);
    if (record && record->state == LX_RECORD_PROCESSING && lx_streq(record->executor, name))
        return record;
    if (record && record->was_marked)
        lx_frontend_violation(fe, "%s after the job was marked", lx_httpd_path(req));
    return NULL;
}

static void check_entry(struct lx_frontend *fe, const json_t *body)
{
    const char *key = lx_json_str(body, "key", "");
    const char *start = lx_json_str(body, "startTime", "");
    const json_t *command = json_object_get(body, "command");
    const json_t *code = json_object_get(body, "exitCode");
    const json_t *duration = json_object_get(body, "durationMs");
    const json_t *out = json_object_get(body, "out");
    struct timespec when;
    if (!*key)
        lx_frontend_violation(fe, "log entry without a key");
    if (!command || !(json_is_array(command) || json_is_null(command)))
        lx_frontend_violation(fe, "log entry %s: command is neither an array nor null", key);
    if (lx_rfc3339_parse(start, strlen(start), &when))
        lx_frontend_violation(fe, "log entry %s: startTime \"%s\" is no RFC 3339 time", key, start);
    if ((code && !json_is_integer(code)) || (duration && !json_is_integer(duration)))
        lx_frontend_violation(fe, "log entry %s: exitCode or durationMs is not an integer", key);
    if (out && !json_is_string(out))
        lx_frontend_violation(fe, "log entry %s: out is not a string", key);
}

static json_t *entry_of(const json_t *body)
{
    static const char *const keys[] = {"key", "command",  "startTime",
                                       "out", "exitCode", "durationMs"};
    json_t *entry = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(body, keys[i]);
        if (value)
            json_object_set(entry, keys[i], value);
    }
    return entry;
}

void lx_frontend_add_entry(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue)
{
    bool ok;
    struct lx_record *owner = lx_frontend_job_of(fe, req, queue, &ok);
    if (!ok)
        return;
    lx_auto(json) json_t *body = lx_frontend_body(fe, req);
    if (!body)
        return;
    check_entry(fe, body);
    struct lx_record *record = target(fe, req, owner, body);
    if (!record) {
        lx_frontend_fail(fe, req, "unknown job");
        return;
    }
    json_array_append_new(record->entries, entry_of(body));
    lx_serve_reply_json(fe->serve, req, 200,
                        json_integer((json_int_t)json_array_size(record->entries)));
}

/* What was shown to people may grow, not change: each update carries all the output so far. */
static void check_growth(struct lx_frontend *fe, const json_t *old, const json_t *body)
{
    const char *key = lx_json_str(body, "key", "");
    const json_t *was = json_object_get(old, "out"), *is = json_object_get(body, "out");
    size_t was_len = was ? json_string_length(was) : 0, is_len = is ? json_string_length(is) : 0;
    if (is_len < was_len ||
        (was_len && memcmp(json_string_value(was), json_string_value(is), was_len) != 0))
        lx_frontend_violation(fe, "log entry %s: an update took back output", key);
    if (!lx_streq(lx_json_str(old, "key", ""), key))
        lx_frontend_violation(fe, "log entry %s: an update changed the key", key);
    const json_t *code = json_object_get(old, "exitCode");
    if (code && !json_equal(code, json_object_get(body, "exitCode")))
        lx_frontend_violation(fe, "log entry %s: an update changed the exit code", key);
}

void lx_frontend_update_entry(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue)
{
    bool ok;
    struct lx_record *owner = lx_frontend_job_of(fe, req, queue, &ok);
    if (!ok)
        return;
    lx_auto(json) json_t *body = lx_frontend_body(fe, req);
    if (!body)
        return;
    check_entry(fe, body);
    struct lx_record *record = target(fe, req, owner, body);
    int64_t entry_id = lx_json_int(body, "entryId", 0);
    if (!record || entry_id < 1 || (size_t)entry_id > json_array_size(record->entries)) {
        lx_frontend_fail(fe, req, "unknown job");
        return;
    }
    size_t index = (size_t)entry_id - 1;
    check_growth(fe, json_array_get(record->entries, index), body);
    json_array_set_new(record->entries, index, entry_of(body));
    lx_serve_reply(fe->serve, req, 204, "text/plain", "", 0);
}

/* What became of the job, for `try` and the tests: nothing of it is sent to the executor. */
static void tell_end(struct lx_frontend *fe, const struct lx_record *record, const char *mark,
                     const char *message)
{
    const char *diff = "";
    lx_auto(json) json_t *keep = NULL;
    size_t results = lx_record_results(record, &diff, &keep);
    lx_serve_event(fe->serve, "marked",
                   json_pack("{s:I,s:s,s:s,s:s,s:I,s:s,s:O}", "id", (json_int_t)record->id, "mark",
                             mark, "state", lx_record_state_name(record->state), "message", message,
                             "results", (json_int_t)results, "diff", diff, "entries",
                             record->entries));
}

void lx_frontend_mark(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue,
                      const char *mark)
{
    bool ok;
    struct lx_record *owner = lx_frontend_job_of(fe, req, queue, &ok);
    if (!ok)
        return;
    lx_auto(json) json_t *body = lx_frontend_body(fe, req);
    if (!body)
        return;
    const char *message = lx_json_str(body, "errorMessage", "");
    bool complete = lx_streq(mark, "complete");
    struct lx_record *record = target(fe, req, owner, body);
    if (!record) {
        lx_serve_reply_json(fe->serve, req, 404, json_null());
        return;
    }
    if (!complete && !*message)
        lx_frontend_violation(fe, "mark %s without an errorMessage", mark);
    const char *diff;
    lx_auto(json) json_t *keep = NULL;
    if (!complete && record->cancel)
        record->state = LX_RECORD_CANCELED;
    else if (complete && (!lx_streq(queue, "batches") || lx_record_results(record, &diff, &keep)))
        record->state = LX_RECORD_COMPLETED;
    else
        record->state = LX_RECORD_FAILED;
    record->was_marked = true;
    record->token[0] = '\0';
    lx_serve_reply(fe->serve, req, 204, "text/plain", "", 0);
    tell_end(fe, record, mark,
             complete && record->state == LX_RECORD_FAILED ? "found no step results" : message);
}

/* GET /.executors/files/batch-changes/{spec}/{file} (contract 1.9); `path` begins at {bucket}. */
void lx_frontend_file(struct lx_frontend *fe, struct lx_httpd_req *req, const char *path)
{
    bool ok;
    (void)lx_frontend_job_of(fe, req, "batches", &ok);
    if (!ok)
        return;
    char **parts = lx_split(path, '/');
    bool shaped = lx_strv_len(parts) == 3 && lx_streq(parts[0], "batch-changes") && *parts[1] &&
                  *parts[2] && !lx_starts_with(parts[1], ".") && !lx_starts_with(parts[2], ".");
    lx_auto(str) char *name =
        shaped ? lx_strf("%s/%s/%s", fe->files_dir ? fe->files_dir : "", parts[1], parts[2]) : NULL;
    lx_strv_free(parts);
    struct lx_buf data __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)64 << 20);
    if (!shaped)
        lx_serve_reply_text(fe->serve, req, 400, "invalid path");
    else if (!fe->files_dir || lx_file_read(name, &data, NULL))
        lx_serve_reply_text(fe->serve, req, 404, "workspace file does not exist");
    else
        lx_serve_reply(fe->serve, req, 200, "application/octet-stream", lx_buf_str(&data),
                       data.len);
}
