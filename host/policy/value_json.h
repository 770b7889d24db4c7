/*
 * Between jansson's values and the bytes of value.h: the executor's side of the bridge.
 */
#ifndef LX_POLICY_VALUE_JSON_H
#define LX_POLICY_VALUE_JSON_H

#include "lunexec/json.h"
#include "value.h"

/* Appends a value. LX_E_LIMIT beyond the depth, the nodes or the buffer's maximum. */
int lx_value_put_json(struct lx_buf *out, const json_t *value, struct lx_err *err);

/* Reads one value, which the caller owns. LX_E_PEER when malformed, invalid UTF-8, or with a key
 * twice; LX_E_LIMIT beyond depth or nodes. */
int lx_value_get_json(struct lx_value_reader *reader, json_t **ret_value, struct lx_err *err);

#endif
