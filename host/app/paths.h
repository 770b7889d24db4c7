/*
 * Where the bundled scripts and the policy library are.
 */
#ifndef LX_APP_PATHS_H
#define LX_APP_PATHS_H

#include "lunexec/err.h"

/* The folder that holds scripts/ and lua/: <prefix>/share/lunexec of the installed binary
 * (<prefix>/bin/lunexec), or the source tree of a build in build/<preset>. free(). LX_E_NOT_FOUND
 * naming where it was looked for. */
int lx_app_data_dir(char **ret_path, struct lx_err *err);

#endif
