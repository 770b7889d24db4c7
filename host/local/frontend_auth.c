#include "frontend.h"

#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

/* Splits "scheme value" at single spaces; exactly two parts or NULL. */
static char **credentials(const struct lx_httpd_req *req)
{
    const char *header = lx_httpd_header(req, "Authorization");
    char **parts = header ? lx_split(header, ' ') : NULL;
    if (lx_strv_len(parts) == 2)
        return parts;
    lx_strv_free(parts);
    return NULL;
}

static void refuse(struct lx_frontend *fe, struct lx_httpd_req *req, unsigned status,
                   const char *text)
{
    lx_frontend_violation(fe, "%s %s was refused with %u: %s", lx_httpd_method(req),
                          lx_httpd_path(req), status, *text ? text : "wrong password");
    lx_serve_reply_text(fe->serve, req, status, text);
}

void lx_frontend_check_headers(struct lx_frontend *fe, struct lx_httpd_req *req)
{
    const char *type = lx_httpd_header(req, "Content-Type");
    if (!lx_streq(type, "application/json"))
        lx_frontend_violation(fe, "%s %s: Content-Type is %s, not application/json",
                              lx_httpd_method(req), lx_httpd_path(req), type ? type : "missing");
    const char *actor = lx_httpd_header(req, "X-Sourcegraph-Actor-UID");
    if (!lx_streq(actor, "none"))
        lx_frontend_violation(fe, "%s %s: X-Sourcegraph-Actor-UID is %s, not none",
                              lx_httpd_method(req), lx_httpd_path(req), actor ? actor : "missing");
}

bool lx_frontend_executor_ok(struct lx_frontend *fe, struct lx_httpd_req *req)
{
    char **parts = credentials(req);
    bool scheme = parts && lx_streq(parts[0], "token-executor");
    bool ok = scheme && lx_streq(parts[1], fe->password);
    lx_strv_free(parts);
    if (!ok)
        refuse(fe, req, 401, scheme ? "" : "missing or malformed Authorization header");
    return ok;
}

static struct lx_record *by_token(struct lx_frontend *fe, const char *token)
{
    lx_list_each (it, &fe->records) {
        struct lx_record *record = lx_container_of(it, struct lx_record, link);
        if (*token && lx_streq(record->token, token))
            return record;
    }
    return NULL;
}

/* A mark whose answer was lost comes again with a token that is gone: the contract's own doing. */
static bool is_repeated_mark(struct lx_frontend *fe, const struct lx_httpd_req *req, int64_t id)
{
    const struct lx_record *record = lx_record_find(fe, id);
    return record && record->was_marked && strstr(lx_httpd_path(req), "/mark");
}

static struct lx_record *bearer(struct lx_frontend *fe, struct lx_httpd_req *req, const char *token,
                                const char *queue)
{
    const char *id_text = lx_httpd_header(req, "X-Sourcegraph-Job-ID");
    const char *name = lx_httpd_header(req, "X-Sourcegraph-Executor-Name");
    int64_t id;
    if (!id_text || lx_parse_i64(id_text, &id)) {
        refuse(fe, req, 400, "failed to parse X-Sourcegraph-Job-ID");
        return NULL;
    }
    if (!name || !*name) {
        refuse(fe, req, 400, "worker hostname cannot be empty");
        return NULL;
    }
    struct lx_record *record = by_token(fe, token);
    if (!record && is_repeated_mark(fe, req, id))
        lx_serve_reply_text(fe->serve, req, 401, "invalid token");
    else if (!record)
        refuse(fe, req, 401, "invalid token");
    else if (record->id != id)
        refuse(fe, req, 403, "token belongs to another job");
    else if (queue && !lx_streq(queue, record->queue))
        refuse(fe, req, 403, "token belongs to another queue");
    else if (!lx_map_get(fe->executors, name))
        refuse(fe, req, 401, "executor is not known: it has not sent a heartbeat yet");
    else
        return record;
    return NULL;
}

struct lx_record *lx_frontend_job_of(struct lx_frontend *fe, struct lx_httpd_req *req,
                                     const char *queue, bool *ret_ok)
{
    struct lx_record *record = NULL;
    char **parts = credentials(req);
    *ret_ok = false;
    if (parts && lx_streq(parts[0], "Bearer")) {
        record = bearer(fe, req, parts[1], queue);
        *ret_ok = record != NULL;
    } else if (parts && lx_streq(parts[0], "token-executor")) {
        *ret_ok = lx_streq(parts[1], fe->password);
        if (!*ret_ok)
            refuse(fe, req, 403, "");
        else
            lx_frontend_violation(fe, "%s: the shared password was used instead of the job token",
                                  lx_httpd_path(req));
    } else {
        refuse(fe, req, 401, "missing or malformed Authorization header");
    }
    lx_strv_free(parts);
    return record;
}
