/*
 * What the policy's admit() says of a job: whether it may run, and what it counts for while it
 * does.
 */
#ifndef LX_JOB_CLAIM_H
#define LX_JOB_CLAIM_H

#include "lunexec/err.h"
#include "lunexec/json.h"
#include "lunexec/mem.h"
#include "lunexec/quantity.h"

struct lx_claim {
    struct lx_quantity cpu, memory; /* 0: it needs none of it */
    char *key;                      /* jobs of one key share what follows; "": none was given */
    int64_t limit;                  /* jobs of that key at once; 0: no limit */
    int64_t weight;                 /* share of turns beside other keys, from 1 */
};

/* Reads `admission`, the first result of admit(), or NULL for a policy without that function, and
 * `reason`, the second (NULL: none). LX_E_REFUSED: the policy says no, with its reason.
 * LX_E_INVALID: the answer is malformed, and *err names the member and its value. The caller calls
 * lx_claim_done after success. */
int lx_claim_read(const json_t *admission, const json_t *reason, struct lx_claim *ret_claim,
                  struct lx_err *err);
/* Frees what it holds; may be called on a zeroed claim. */
void lx_claim_done(struct lx_claim *claim);

#endif
