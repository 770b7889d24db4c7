/*
 * Inside of the policy room: what the pool needs of a bundle.
 */
#ifndef LX_POLICY_BUNDLE_H
#define LX_POLICY_BUNDLE_H

#include "lunexec/policy.h"

/* The modules in all, at most. */
#define LX_BUNDLE_MAX ((size_t)1 << 20)

/* Appends the object {module: source, ...} as a value (value.h). */
int lx_bundle_put(const struct lx_bundle *bundle, struct lx_buf *out, struct lx_err *err);

#endif
