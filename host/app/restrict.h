/*
 * What the executor gives up once its settings are read: system calls it has no use for, writing
 * elsewhere than in its own directories, and running what it could have written. For good, and for
 * its children too. docs/security.md has what is left.
 */
#ifndef LX_APP_RESTRICT_H
#define LX_APP_RESTRICT_H

#include "app/settings.h"
#include "lunexec/err.h"
#include "lunexec/log.h"

/* No core dumps of this process and its children, and no reading of its memory and environment by
 * other processes of its user. To be called first. */
int lx_restrict_dumps(struct lx_err *err);

/* What became of it. */
struct lx_restriction {
    bool wanted;
    struct lx_err files, calls; /* code LX_OK: done */
};

/* Both of the below, as the settings say (LUNEXEC_SELF_RESTRICTION), before there are threads. */
void lx_restrict_self(const struct lx_settings *settings, const struct lx_env *env,
                      struct lx_restriction *ret_restriction);

/* What the kernel does not have is done without: said at level debug for Landlock, which older
 * kernels lack, and as a warning for the rest. */
void lx_restrict_report(const struct lx_restriction *restriction, struct lx_log *log);

/* ---- inside of lx_restrict_self ---- */

/* Denies system calls, with EPERM. LX_E_IO. */
int lx_restrict_calls(struct lx_err *err);

/* Allows changes below the directories `writable` only, and running programs below `programs` only
 * (NULL-terminated lists; what is no directory is left out). LX_E_NOT_FOUND when the kernel has no
 * Landlock, or one that is too old; else LX_E_IO. */
int lx_restrict_files(const char *const *writable, const char *const *programs, struct lx_err *err);

#endif
