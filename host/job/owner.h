/*
 * Whose an object in the cluster is, by the labels and annotations on it.
 */
#ifndef LX_JOB_OWNER_H
#define LX_JOB_OWNER_H

#include "lunexec/json.h"

struct lx_executor;
struct lx_run;

enum lx_owner {
    LX_OWNER_RUN,     /* this run made it, since the job was begun last */
    LX_OWNER_EARLIER, /* an earlier run of the same job: ours, one that the same frontend gave to
                         another executor before it gave the job to us, or one of Sourcegraph's own
                         executor before this one took its place */
    LX_OWNER_OTHER,
};

/* Whose the object with this metadata is, which has one of the names that the run uses. */
enum lx_owner lx_owner_of(const struct lx_run *run, const json_t *metadata);

/* Whether this run made it; for lx_kube_delete_opts, with the run as `arg`. */
bool lx_owner_is_run(void *arg, const json_t *metadata);

/* Whether an executor of our name made it. */
bool lx_owner_is_executor(const struct lx_executor *ex, const json_t *metadata);

/* Who made it, in words, for messages. free(). */
char *lx_owner_text(const json_t *metadata);

#define LX_RUN_TAG_SIZE 17
/* A random tag, 16 hex digits and a NUL, for a run whose job is begun anew. */
void lx_owner_new_tag(char out[LX_RUN_TAG_SIZE]);

/* scheme://host[:port] of a URL; free(). */
char *lx_owner_frontend(const char *url);

#endif
