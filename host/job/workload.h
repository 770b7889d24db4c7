/*
 * What the host decides of a job's objects before the policy is asked: names, containers with
 * their commands and environment, and what goes into the Secret (contract 6.2).
 */
#ifndef LX_JOB_WORKLOAD_H
#define LX_JOB_WORKLOAD_H

#include "job/cargo.h"
#include "lunexec/executor.h"
#include "lunexec/json.h"
#include "lunexec/plan.h"

struct lx_workload_container {
    char *name;          /* the log key with '-' for '.' */
    char *key;           /* log key: "setup.workspace", "step.kubernetes.step.0.pre", "main" */
    const char *purpose; /* "setup", "step", "main" */
    char *step_key;      /* as the payload has it; NULL unless a step */
    char *image;
    char *working_dir;
    char **argv;       /* command of the log entry, NULL-terminated; NULL for none */
    json_t *env_names; /* array of strings, job-supplied */
    json_t *command, *args, *env;
    char *planned_image; /* NULL: not planned yet; `image` is what the job says */
    char *memory_limit;  /* as planned; NULL: none, or not planned yet */
    bool init;
};

struct lx_workload {
    const char *password; /* the shared one; borrowed */
    unsigned attempt;     /* from 1 */
    char *job_name, *secret_name, *volume_name;
    char *pull_secret_name; /* NULL: the job brings no registry credentials */
    struct lx_workload_container *containers;
    size_t n_containers;
    json_t *secret_data;    /* stringData of the Secret; NULL: there is none */
    struct lx_cargo *cargo; /* single pod: what its first container writes; else NULL */
};

/* The key of the container's step; of one that is no step, its own. Borrowed. */
const char *lx_workload_step(const struct lx_workload_container *container);

/* What follows lx_workload_base in the names of what is made before a Job. */
#define LX_SECRET_SUFFIX "-secrets"
#define LX_PULL_SECRET_SUFFIX "-pull"
#define LX_CLAIM_SUFFIX "-pvc"

/* "sg-executor-job-<queue>-<id>", from the second attempt on with "-attempt-<n>". free(). */
char *lx_workload_base(const struct lx_job *job, unsigned attempt);

/* Directory of a job below the shared volume: "job-<id>", in multi-queue mode with the queue, since
 * ids are unique within a queue only. free(). */
char *lx_workload_directory(const struct lx_job *job);

/* Builds the single-pod workload of a job whose files have all been fetched. LX_E_INVALID for what
 * cannot be carried, naming the file or the size and the limit. */
int lx_workload_new(const struct lx_executor_opts *opts, const struct lx_job *job, unsigned attempt,
                    struct lx_workload **ret_workload, struct lx_err *err);
/* Builds the workload of one step over a shared volume: a Job with one container. */
int lx_workload_new_step(const struct lx_job *job, size_t step, unsigned attempt,
                         struct lx_workload **ret_workload, struct lx_err *err);
void lx_workload_free(struct lx_workload *workload);
LX_DEFINE_AUTO(workload, struct lx_workload *, lx_workload_free)

/* The Secret's manifest, without labels. The caller owns it. */
json_t *lx_workload_secret(const struct lx_workload *workload, const char *ns);

/* The PersistentVolumeClaim's manifest (KUBERNETES_JOB_VOLUME_TYPE=pvc), without labels. */
json_t *lx_workload_claim(const struct lx_workload *workload, const char *ns, const char *size,
                          const char *storage_class);

/* The image pull Secret's manifest, without labels. */
json_t *lx_workload_pull_secret(const struct lx_workload *workload, const char *ns,
                                const json_t *docker_auth);

/* Learns from a completed Job manifest what messages tell of its containers: images and limits. */
void lx_workload_learn(struct lx_workload *workload, const json_t *manifest);
/* What was learnt, for the journal: an array in the order of the containers. The caller owns it. */
json_t *lx_workload_learnt(const struct lx_workload *workload);
/* Learns that again, after a restart. NULL: nothing. */
void lx_workload_recall(struct lx_workload *workload, const json_t *learnt);

/* Adds to a completed Job manifest what only the host knows: the Secrets with files, and the image
 * pull Secret. */
int lx_workload_attach(const struct lx_workload *workload, json_t *manifest, struct lx_err *err);

#endif
