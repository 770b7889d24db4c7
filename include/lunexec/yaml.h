/*
 * YAML in and out as JSON values (libyaml): kubeconfigs in, `render` out.
 */
#ifndef LUNEXEC_YAML_H
#define LUNEXEC_YAML_H

#include "lunexec/json.h"

/* Parses the first document. Plain scalars follow the YAML 1.2 core schema (null, true, 42, 1.5);
 * quoted ones are strings; explicit tags are not looked at. Keys are taken as written, each once.
 * Numbers that JSON does not hold (beyond 64 bits, infinite) are refused. Anchors and aliases are
 * resolved within limits (depth 64, 100,000 nodes). No document gives null. The caller owns
 * *ret_value. LX_E_INVALID with line and column. */
int lx_yaml_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err);

/* Appends the value as block-style YAML; strings that would read as another type, also
 * by YAML 1.1, are quoted. LX_E_LIMIT, LX_E_INVALID, LX_E_IO; on failure `out` is as it was. */
int lx_yaml_dump(const json_t *value, struct lx_buf *out, struct lx_err *err);

#endif
