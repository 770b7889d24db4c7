/*
 * What the commands of `lunexec policy` share.
 */
#ifndef LX_POLICYTOOL_TOOL_H
#define LX_POLICYTOOL_TOOL_H

#include "lunexec/policytool.h"
#include "lunexec/preview.h"

enum { LX_TOOL_FINE = 0, LX_TOOL_REFUSED = 1, LX_TOOL_WRONG = 2 };

struct lx_tool {
    const struct lx_policytool *host;
    const char *policy_dir, *job_file, *jobs_dir, *module, *output; /* options */
    bool json, cluster;
    int64_t calls;
    char **args; /* what is not an option; NULL-terminated */
    struct lx_loop *loop;
    struct lx_log *log;
};

/* ---- session.c ---- */

/* A policy in its child, ready for calls, and the options that previews take. */
struct lx_session {
    struct lx_policy *policy;
    struct lx_executor_opts opts;
};

/* Loads the policy in `dir` and waits until it is ready. With `prefix`, text is put before
 * policy.lua. LX_E_REFUSED naming file and line; other codes as lx_bundle_load and lx_policy_new.
 */
int lx_session_open(struct lx_tool *tool, const char *dir, const char *prefix,
                    struct lx_session *ret_session, struct lx_err *err);
/* Ends the child. */
void lx_session_close(struct lx_session *session);

/* Prints the error to stderr, with a script's traceback below it, and gives the exit status. */
int lx_session_failed(const struct lx_session *session, const char *what, const struct lx_err *err);

/* Calls a function with the values of an array (NULL: with the settings alone); the results are the
 * caller's, NULL if the policy has no such function. */
int lx_session_call(struct lx_tool *tool, struct lx_session *session, const char *function,
                    const json_t *args, json_t **ret_results, struct lx_err *err);

/* ---- jobs.c ---- */

/* Reads a payload as the queue hands it out. */
int lx_tool_read_job(const struct lx_tool *tool, const char *path, struct lx_job **ret_job,
                     struct lx_err *err);

/* The bundled samples as the queue would hand them out; NULL beyond the last. *ret_name is static.
 */
json_t *lx_tool_sample_payload(size_t index, const char **ret_name);
/* The bundled samples; LX_E_NOT_FOUND beyond the last. *ret_name is static. */
int lx_tool_sample(size_t index, const char **ret_name, struct lx_job **ret_job,
                   struct lx_err *err);

/* ---- show.c ---- */

/* Appends objects as YAML documents, or as a JSON array, keys sorted. */
int lx_tool_write(const json_t *objects, bool json, struct lx_buf *out, struct lx_err *err);

/* Appends what a job's objects look like, masked. */
int lx_tool_render(struct lx_session *session, struct lx_job *job, bool json, struct lx_buf *out,
                   struct lx_err *err);

/* ---- globals.c ---- */

/* Whether the scripts of a policy, which have no errors of syntax, use only what a policy has; what
 * no trial reaches too. LX_E_REFUSED naming file and line. */
int lx_tool_check_globals(struct lx_tool *tool, const char *dir, struct lx_err *err);

/* ---- cluster.c ---- */

/* Sends each object as a dry run. LX_E_REFUSED naming the first that the API server refuses. */
int lx_tool_dry_run(struct lx_tool *tool, const json_t *objects, struct lx_err *err);

/* ---- udiff.c ---- */

/* Appends a unified diff of two texts; nothing when they are equal. */
int lx_tool_diff(const char *old_name, const char *old_text, const char *new_name,
                 const char *new_text, struct lx_buf *out, struct lx_err *err);

/* ---- The commands: each does what docs/policy-tool.md says and returns the exit status ---- */

int lx_policy_check_main(struct lx_tool *tool);
int lx_policy_render_main(struct lx_tool *tool);
int lx_policy_diff_main(struct lx_tool *tool);
int lx_policy_new_main(struct lx_tool *tool);
int lx_policy_bench_main(struct lx_tool *tool);
int lx_policy_test_main(struct lx_tool *tool);
int lx_policy_network_main(struct lx_tool *tool);
int lx_policy_call_main(struct lx_tool *tool);
int lx_policy_rules_main(struct lx_tool *tool);

#endif
