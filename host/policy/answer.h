/*
 * What a child answers, read into values; see vm.h for the messages.
 */
#ifndef LX_POLICY_ANSWER_H
#define LX_POLICY_ANSWER_H

#include "lunexec/json.h"

enum lx_answer_kind { LX_ANSWER_OK, LX_ANSWER_UNDEFINED, LX_ANSWER_ERROR, LX_ANSWER_LIMIT };

struct lx_answer {
    enum lx_answer_kind kind;
    json_t *values; /* OK: the last item of the answer, an array; the caller owns it */
    uint64_t ns;    /* OK, of a call: how long the function ran in the child */
    char *text;     /* ERROR, LIMIT: what the script said; free() */
};

/* LX_E_PEER when it is none. */
int lx_answer_read(const char *data, size_t len, struct lx_answer *ret_answer, struct lx_err *err);
void lx_answer_done(struct lx_answer *answer);

#endif
