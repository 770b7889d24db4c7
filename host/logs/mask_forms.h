/*
 * The forms in which a value turns up in output. Each writes at most `max` bytes and fails with
 * LX_E_LIMIT beyond.
 */
#ifndef LX_LOGS_MASK_FORMS_H
#define LX_LOGS_MASK_FORMS_H

#include "logs/mask_priv.h"

/* Appends base64, URL, JSON and shell forms of one value. */
int lx_forms_add(struct lx_patterns *patterns, size_t secret, const char *value, size_t len,
                 size_t max_bytes, struct lx_err *err);

#endif
