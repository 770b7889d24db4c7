/*
 * What no single setting can tell: requirements, and rules across settings.
 */
#ifndef LX_APP_SETTINGS_CHECK_H
#define LX_APP_SETTINGS_CHECK_H

#include "app/settings.h"

/* Appends one line a problem; -1 if there was one. Also settles what follows from several settings:
 * the queues' order, the layout, the shared claim's name. */
int lx_settings_check(struct lx_settings *settings, const struct lx_env *env,
                      struct lx_buf *problems);

/* A whole number of bytes with an optional suffix k M G T Ki Mi Gi Ti; 0 or -1. */
int lx_parse_bytes(const char *text, int64_t *ret_bytes);

#endif
