/*
 * Files and directories. Everything here blocks until the file system has answered.
 */
#ifndef LUNEXEC_FILE_H
#define LUNEXEC_FILE_H

#include "lunexec/buf.h"

/* Appends the file's bytes to `out`; LX_E_NOT_FOUND, LX_E_IO, or LX_E_LIMIT beyond out's maximum.
 * The message names the path. On failure `out` is as it was. */
int lx_file_read(const char *path, struct lx_buf *out, struct lx_err *err);

/* Replaces the file's contents (created with `mode`); not atomic and not synced: after a failure
 * the file may be empty or hold a part. LX_E_NOT_FOUND when its directory is missing, LX_E_IO; the
 * message names the path. */
int lx_file_write(const char *path, const void *data, size_t len, unsigned mode,
                  struct lx_err *err);

/* Removes a directory and all in it, never following symbolic links; absent is fine. What is
 * not a directory is unlinked. Any depth; a mount point inside is an error. LX_E_IO; a part may
 * then be gone, and what is left may have moved up to `path` itself, so that a second call goes on.
 */
int lx_remove_tree(const char *path, struct lx_err *err);

/* Creates the directory and its missing parents, all with `mode`; one that is there is fine.
 * LX_E_NOT_FOUND where something that is no directory is in the way, LX_E_IO. */
int lx_mkdirs(const char *path, unsigned mode, struct lx_err *err);

#endif
