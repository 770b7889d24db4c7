/*
 * How long a pod may wait for what may never come, where the policy says so: the second value that
 * job() returns, `{ grace = { ["image-pull"] = 600 } }`, in seconds by class of failure.
 */
#ifndef LX_JOB_GRACE_H
#define LX_JOB_GRACE_H

#include "job/verdict.h"

struct lx_grace {
    bool given[LX_FAIL_COUNT];
    uint64_t ms[LX_FAIL_COUNT];
};

/* Reads it out of what job() returned. LX_E_REFUSED for what is no such table, names a class that
 * is none, or a time that is not from 0 to 86,400 whole seconds. */
int lx_grace_parse(const json_t *results, struct lx_grace *ret_grace, struct lx_err *err);

/* The same as an array for lx_grace_parse, to be kept. The caller's. */
json_t *lx_grace_json(const struct lx_grace *grace);

/* The policy's, else lx_stuck_grace_ms. */
uint64_t lx_grace_of(const struct lx_grace *grace, const struct lx_stuck *stuck);

#endif
