/*
 * What the server's answers say (contract 1.4, 1.6).
 */
#include "queue/fields.h"
#include "queue/priv.h"

#include "lunexec/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define EXCERPT 300

int lx_answer_json(const struct lx_http_result *result, json_t **ret_value, struct lx_err *err)
{
    if (result->status == 200 &&
        lx_json_parse(result->body, result->body_len, ret_value, NULL) == 0)
        return 0;
    return lx_fail(err, LX_E_PEER, "the answer (status %ld, %zu bytes) is not JSON", result->status,
                   result->body_len);
}

/* Whether an id of the answer means this running id: the same, or its number where the running id
 * carries the queue. */
static bool same_id(const char *uid, const char *id)
{
    size_t len = strlen(id);
    return strncmp(uid, id, len) == 0 && (uid[len] == '\0' || uid[len] == '-');
}

static char *id_text(const json_t *value)
{
    if (json_is_integer(value))
        return lx_strf("%" PRId64, (int64_t)json_integer_value(value));
    return json_is_string(value) ? lx_strdup(json_string_value(value)) : NULL;
}

int lx_answer_ids(const json_t *answer, const char *key, char *const *uids, char ***ret_ids,
                  struct lx_err *err)
{
    json_t *array = NULL;
    if (lx_field_array(answer, key, &array, err) < 0)
        return -1;
    size_t n_uids = lx_strv_len(uids), n = 0;
    char **ids = lx_alloc_array(json_array_size(array) + n_uids + 1, sizeof(*ids));
    bool *taken = lx_alloc_array(n_uids + 1, sizeof(*taken));
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(array); i++) {
        lx_auto(str) char *id = id_text(json_array_get(array, i));
        bool ours = false;
        if (!id) {
            ok = false;
            break;
        }
        for (size_t u = 0; u < n_uids; u++) {
            if (!same_id(uids[u], id))
                continue;
            ours = true;
            if (!taken[u])
                ids[n++] = lx_strdup(uids[u]);
            taken[u] = true;
        }
        if (!ours)
            ids[n++] = lx_take(id);
    }
    free(taken);
    if (!ok) {
        lx_strv_free(ids);
        return lx_fail(err, LX_E_PEER, "%s: neither strings nor integers", key);
    }
    *ret_ids = ids;
    return 0;
}

static const char *op_text(enum lx_queue_op op)
{
    static const char *const texts[] = {
        [LX_OP_PING] = "ping",
        [LX_OP_DEQUEUE] = "dequeue",
        [LX_OP_HEARTBEAT] = "heartbeat",
        [LX_OP_ADD] = "adding a log entry",
        [LX_OP_UPDATE] = "updating a log entry",
        [LX_OP_MARK_COMPLETE] = "marking complete",
        [LX_OP_MARK_ERRORED] = "marking errored",
        [LX_OP_MARK_FAILED] = "marking failed",
        [LX_OP_FILE] = "fetching a workspace file",
    };
    return texts[op];
}

/* Log-entry calls answer 500 for records that are no longer ours (contract 1.7). */
static bool unknown_job(enum lx_queue_op op, const struct lx_http_result *result)
{
    if ((op != LX_OP_ADD && op != LX_OP_UPDATE) || result->status != 500)
        return false;
    json_t *answer = NULL;
    if (lx_json_parse(result->body, result->body_len, &answer, NULL) < 0)
        return false;
    bool unknown =
        json_is_object(answer) && strstr(lx_json_str(answer, "error", ""), "unknown job");
    json_decref(answer);
    return unknown;
}

static enum lx_code status_code(long status)
{
    switch (status) {
    case 401:
    case 403:
        return LX_E_AUTH;
    case 404:
        return LX_E_NOT_FOUND;
    case 409:
        return LX_E_CONFLICT;
    case 410:
        return LX_E_GONE;
    default:
        return LX_E_PEER;
    }
}

/* The start of a body on one line. */
static void excerpt(const struct lx_http_result *result, char out[EXCERPT])
{
    size_t n = 0;
    for (size_t i = 0; i < result->body_len && n + 1 < EXCERPT; i++) {
        char c = result->body[i];
        if (c == '\n' || c == '\r' || c == '\t')
            c = ' ';
        if ((unsigned char)c >= 0x20 && c != 0x7f)
            out[n++] = c;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

void lx_answer_error(enum lx_queue_op op, const struct lx_http_result *result,
                     struct lx_err *ret_err)
{
    if (result->reach != LX_HTTP_ANSWERED) {
        *ret_err = result->err;
    } else if (unknown_job(op, result)) {
        (void)lx_fail(ret_err, LX_E_NOT_FOUND, "the server no longer counts this job as ours");
    } else {
        /* What a dequeue brings holds secrets, whatever its status. */
        char body[EXCERPT] = "";
        if (result->status >= 300)
            excerpt(result, body);
        (void)lx_fail(ret_err, status_code(result->status), "unexpected status code %ld%s%s",
                      result->status, *body ? ": " : "", body);
    }
    (void)lx_wrap(ret_err, "%s", op_text(op));
}
