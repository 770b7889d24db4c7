/*
 * YAML in and out as JSON values (libyaml): kubeconfigs in, `render` out.
 */
#ifndef LUNEXEC_YAML_H
#define LUNEXEC_YAML_H

#include "lunexec/json.h"

/* Parses the first document. Plain scalars follow the YAML 1.2 core schema (null, true, 42, 1.5);
 * quoted ones are strings. Anchors and aliases are resolved within limits (depth 64, 100,000
 * nodes). The caller owns *ret_value. LX_E_INVALID with line and column. */
int lx_yaml_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err);

/* Appends the value as block-style YAML; strings that would read as another type are quoted. */
int lx_yaml_dump(const json_t *value, struct lx_buf *out, struct lx_err *err);

#endif
