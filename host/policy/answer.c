#include "answer.h"

#include "lunexec/text.h"
#include "value_json.h"

static int malformed(struct lx_err *err)
{
    return lx_fail(err, LX_E_PEER, "policy child: malformed answer");
}

static int read_error(const json_t *answer, struct lx_answer *ret_answer, struct lx_err *err)
{
    const char *kind = json_string_value(json_array_get(answer, 1));
    const char *text = json_string_value(json_array_get(answer, 2));
    if (!kind || !text)
        return malformed(err);
    ret_answer->kind = lx_streq(kind, "limit") ? LX_ANSWER_LIMIT : LX_ANSWER_ERROR;
    ret_answer->text = lx_strdup(text);
    return 0;
}

int lx_answer_read(const char *data, size_t len, struct lx_answer *ret_answer, struct lx_err *err)
{
    struct lx_value_reader reader = {.at = data, .end = data + len};
    lx_auto(json) json_t *answer = NULL;
    *ret_answer = (struct lx_answer){.kind = LX_ANSWER_OK};
    if (lx_value_get_json(&reader, &answer, err))
        return lx_wrap(err, "policy child");
    size_t n = json_array_size(answer);
    const char *what = json_string_value(json_array_get(answer, 0));
    if (!what || reader.at != reader.end)
        return malformed(err);
    if (lx_streq(what, "error"))
        return read_error(answer, ret_answer, err);
    if (lx_streq(what, "undefined")) {
        ret_answer->kind = LX_ANSWER_UNDEFINED;
        return 0;
    }
    json_t *values = json_array_get(answer, n - 1);
    if (!lx_streq(what, "ok") || !json_is_array(values))
        return malformed(err);
    ret_answer->ns = (uint64_t)json_integer_value(json_array_get(answer, 1));
    ret_answer->values = json_incref(values);
    return 0;
}

void lx_answer_done(struct lx_answer *answer)
{
    json_decref(answer->values);
    free(answer->text);
    *answer = (struct lx_answer){.kind = LX_ANSWER_OK};
}
