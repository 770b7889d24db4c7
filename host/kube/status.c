#include "kube/priv.h"

#include <string.h>

#define EXCERPT 200

#define RETRY_AFTER_MAX_MS ((uint64_t)30000)

uint64_t lx_kube_retry_after_ms(const struct lx_http_result *answer)
{
    uint64_t ms = answer->retry_after_ms;
    return ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
}

static enum lx_code code_of(long status)
{
    switch (status) {
    case 400:
    case 413:
    case 422:
        return LX_E_INVALID;
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

static void one_line(char *text)
{
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

void lx_kube_status_code_err(long status, const char *text, struct lx_err *err)
{
    (void)lx_fail(err, code_of(status), "%s", text);
    one_line(err->text);
}

void lx_kube_status_err(const json_t *status, struct lx_err *err)
{
    const char *message = lx_json_str(status, "message", "");
    long code = (long)lx_json_int(status, "code", 0);
    if (!*message)
        message = lx_json_str(status, "reason", "a failure without a message");
    lx_kube_status_code_err(code, message, err);
}

static void plain_err(const struct lx_http_result *result, struct lx_err *err)
{
    lx_auto(str) char *text =
        result->body_len
            ? lx_strf("HTTP status %ld: %.*s", result->status,
                      (int)(result->body_len < EXCERPT ? result->body_len : EXCERPT), result->body)
            : lx_strf("HTTP status %ld without a message", result->status);
    lx_kube_status_code_err(result->status, text, err);
}

void lx_kube_answer_err(const struct lx_http_result *result, struct lx_err *err, char **ret_reason)
{
    lx_auto(json) json_t *status = NULL;
    if (ret_reason)
        *ret_reason = lx_strdup("");
    if (result->reach != LX_HTTP_ANSWERED) {
        *err = result->err;
        return;
    }
    if (lx_json_parse(result->body, result->body_len, &status, NULL) ||
        strcmp(lx_json_str(status, "kind", ""), "Status") != 0) {
        plain_err(result, err);
        return;
    }
    const char *message = lx_json_str(status, "message", "");
    if (*message)
        lx_kube_status_code_err(result->status, message, err);
    else
        plain_err(result, err);
    if (ret_reason) {
        free(*ret_reason);
        *ret_reason = lx_strdup(lx_json_str(status, "reason", ""));
    }
}
