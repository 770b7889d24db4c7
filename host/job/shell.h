/*
 * The shell texts of a job: step scripts, the setup string, the skip check (contract 5.2, 6.2).
 */
#ifndef LX_JOB_SHELL_H
#define LX_JOB_SHELL_H

#include "job/cargo.h"
#include "lunexec/buf.h"
#include "lunexec/queue.h"

#define LX_WORKSPACE "/job"
#define LX_SCRIPT_DIR ".sourcegraph-executor"

/* "<id>.<index>_<repository with / as _>@<commit>.sh" (contract 5.2). free(). */
char *lx_script_name(const struct lx_job *job, size_t step);

/* The script of a step: bash where there is one, errexit off, xtrace on, then its commands. */
int lx_script_text(const struct lx_job *job, size_t step, struct lx_buf *out, struct lx_err *err);

/* What a step's container runs: its script, unless skip.json names a later step. `key` is the
 * entry's key, "step.kubernetes.step.0.pre". */
int lx_step_command(const struct lx_job *job, size_t step, const char *key, struct lx_buf *out,
                    struct lx_err *err);

struct lx_setup {
    const struct lx_job *job;
    const char *clone_url;
    const char *executor_name;
    const char *git_ca_cert; /* NULL for none */
    const struct lx_cargo *cargo;
};

/* What the setup container runs: clone, files, scripts. Each command ends with "; ". */
int lx_setup_command(const struct lx_setup *setup, struct lx_buf *out, struct lx_err *err);

/* Appends `text` as a word of a shell, quoted only where the shell would read it as something else.
 */
int lx_shell_word(struct lx_buf *out, const char *text, struct lx_err *err);

/* nextIndex.sh: prints "skip" when a skip file names another step than the given one. Static. */
const char *lx_skip_check(void);

/* A file's path, cleaned, relative to the workspace; NULL for one that leads outside. free(). */
char *lx_workspace_path(const char *path, struct lx_err *err);

/* Appends `text` so that the kubelet's $(NAME) and $$ expansion in args gives it back as it is. */
int lx_kubelet_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

#endif
