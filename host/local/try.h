/*
 * `lunexec try`: the stand-ins and the unchanged executor as child processes, followed through the
 * frontend's record of calls. Private to host/local.
 */
#ifndef LUNEXEC_LOCAL_TRY_H
#define LUNEXEC_LOCAL_TRY_H

#include "lunexec/json.h"
#include "lunexec/lines.h"
#include "lunexec/loop.h"

struct lx_try_part {
    struct lx_try *t;
    const char *name;
    struct lx_child *child;
    struct lx_buf said; /* the end of what it wrote on standard error */
    struct lx_buf out;
    unsigned port; /* stand-ins, once they listen */
    bool started, ended;
    int64_t status;
    int signum;
};

struct lx_try {
    /* what was asked for */
    const char *job_file, *spec_file, *repo_dir, *policy_dir, *files_dir;
    bool keep, verbose;

    struct lx_loop *loop;
    char *self; /* this program */
    char *dir;  /* everything of this run */
    char *repo, *repo_name, *commit;
    json_t *payload;
    struct lx_try_part frontend, cluster, executor;

    /* what was seen */
    int record_fd, cluster_fd;
    struct lx_lines record_lines, cluster_lines;
    json_t *pending;        /* their lines, to be shown in the order of time */
    struct lx_list entries; /* struct entry of try_progress.c */
    json_t *marked;         /* the frontend's "marked" event */
    json_t *violations;     /* array of texts */
    uint64_t started_ms;
    bool colour, stop, interrupted;
    struct lx_signal *intr, *term;
    struct lx_timer *tick;
};

/* ---- try_setup.c: the folder, the repository, the job ---- */

/* Makes the folder of this run and everything in it that the children need. *err says which part of
 * it failed. */
int lx_try_setup(struct lx_try *t, struct lx_err *err);
/* Runs a program to its end; appends its standard output to `out` (may be NULL). LX_E_IO with what
 * it said when it fails. */
int lx_try_command(struct lx_try *t, const char *const *argv, struct lx_buf *out,
                   struct lx_err *err);

/* ---- try_payload.c ---- */

/* The payload a server makes of a batch spec (contract 2.2); one container after another. */
int lx_try_payload(const json_t *spec, const char *repo_name, const char *commit,
                   json_t **ret_payload, struct lx_err *err);

/* ---- try_parts.c: the children ---- */

/* Starts both stand-ins and waits until they listen; writes the kubeconfig. Runs the loop. */
int lx_try_start_standins(struct lx_try *t, struct lx_err *err);
/* Starts `lunexec run` with the settings for them. */
int lx_try_start_executor(struct lx_try *t, struct lx_err *err);
/* Ends all three, by force if need be. Runs the loop. */
void lx_try_stop(struct lx_try *t);

/* ---- try_progress.c: what a person sees while it runs ---- */

/* Prints a line with the time since the start. */
void lx_try_say(struct lx_try *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Colours, "" when there are none: 'r' red, 'g' green, 'd' dim, 'b' bold, '0' back to normal. */
const char *lx_try_colour(const struct lx_try *t, char which);
/* Opens the records of both stand-ins. LX_E_IO. */
int lx_try_follow_start(struct lx_try *t, struct lx_err *err);
/* Shows what has been added to them, and notes in `t` what the end is judged by. */
void lx_try_follow(struct lx_try *t);
/* Closes them. Also after a start that failed. */
void lx_try_follow_done(struct lx_try *t);

/* ---- try_report.c ---- */

/* The end: the diff, or the reason. Returns the exit status. */
int lx_try_report(struct lx_try *t);

#endif
