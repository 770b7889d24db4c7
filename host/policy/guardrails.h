/*
 * Inside of the policy room: what the rules ask of LUNEXEC_GUARDRAILS.
 */
#ifndef LX_POLICY_GUARDRAILS_H
#define LX_POLICY_GUARDRAILS_H

#include "lunexec/plan.h"

/* Whether the operator has switched the rule off. All accept NULL guardrails. */
bool lx_guardrails_allow(const struct lx_guardrails *guardrails, const char *rule);

/* Whether the image may be used. */
bool lx_guardrails_image(const struct lx_guardrails *guardrails, const char *image);

/* The object {resource: quantity} of ceilings; NULL: none. */
const json_t *lx_guardrails_max(const struct lx_guardrails *guardrails);

#endif
