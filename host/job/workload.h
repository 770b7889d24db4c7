/*
 * What the host decides of a job's objects before the policy is asked: names, containers with
 * their commands and environment, and what goes into the Secret (contract 6.2).
 */
#ifndef LX_JOB_WORKLOAD_H
#define LX_JOB_WORKLOAD_H

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
    bool init;
};

struct lx_workload {
    char *job_name, *secret_name, *volume_name;
    struct lx_workload_container *containers;
    size_t n_containers;
    json_t *secret_data; /* stringData of the Secret */
};

/* Builds the single-pod workload of a job whose files have all been fetched. LX_E_INVALID for what
 * cannot be carried, naming the file or the size and the limit. */
int lx_workload_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    struct lx_workload **ret_workload, struct lx_err *err);
void lx_workload_free(struct lx_workload *workload);
LX_DEFINE_AUTO(workload, struct lx_workload *, lx_workload_free)

/* The Secret's manifest, without labels. The caller owns it. */
json_t *lx_workload_secret(const struct lx_workload *workload, const char *ns);

/* The PersistentVolumeClaim's manifest (KUBERNETES_JOB_VOLUME_TYPE=pvc), without labels. */
json_t *lx_workload_claim(const struct lx_workload *workload, const char *ns, const char *size);

#endif
