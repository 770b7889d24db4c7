/*
 * How many files and connections may be open at once.
 */
#ifndef LX_APP_DESCRIPTORS_H
#define LX_APP_DESCRIPTORS_H

#include "lunexec/log.h"

#include <stdint.h>

/* Raises the limit to what so many jobs at once may need, as far as the system lets us; where that
 * is not enough the log says so. */
void lx_app_descriptors(struct lx_log *log, int64_t jobs);

#endif
