/*
 * What stands between a policy's answer and the cluster: the checks on a Job manifest, and the
 * fields that the host owns. Nothing here waits or keeps what it is given.
 */
#ifndef LUNEXEC_PLAN_H
#define LUNEXEC_PLAN_H

#include "lunexec/json.h"

/* What the host knows of one container and the policy may not decide. */
struct lx_plan_container {
    const char *name;
    bool init;
    const json_t *command, *args; /* arrays; args may be NULL */
    const char *working_dir;      /* NULL: any */
    const json_t *env; /* array of {name, value|valueFrom}; put before the policy's own */
};

/* What the operator, not the policy, says about manifests (LUNEXEC_GUARDRAILS): a JSON object,
 *   {"allow": ["host-path"],                       rules that do not apply
 *    "images": ["registry.example.com/a-*"],        what images must match; * is any text
 *    "max": {"memory": "16Gi", "cpu": "8"}}        the most that a container may get of a resource
 * each member optional. Images are compared in full: "alpine:3" is "docker.io/library/alpine:3",
 * in a pattern too. A container must have a limit for each resource in `max`. */
struct lx_guardrails;

/* Whether the text is a Kubernetes quantity: a decimal number with an optional suffix. */
bool lx_is_quantity(const char *text);

/* Reads such a JSON text; NULL or "" gives guardrails that add nothing. LX_E_INVALID names what is
 * wrong: an unknown member, a rule that there is not or that must not be switched off, a quantity.
 * The caller frees *ret_guardrails. */
int lx_guardrails_parse(const char *text, struct lx_guardrails **ret_guardrails,
                        struct lx_err *err);
void lx_guardrails_free(struct lx_guardrails *guardrails);

/* Of whose Job a manifest is, and what may be in it. All borrowed. */
struct lx_plan_spec {
    const char *name, *ns; /* of the Job */
    const char *queue;
    int64_t job_id;
    unsigned attempt;     /* from 1; 0 is 1 */
    const char *executor; /* executor name */
    const char *policy_hash;
    const char *frontend; /* its URL, without credentials; NULL: not noted */
    const char *run;      /* NULL: not noted */
    int64_t deadline_s;   /* the pod's activeDeadlineSeconds may not be larger; 0: no check */
    const struct lx_plan_container *containers;
    size_t n_containers;
    /* What the operator's settings allow beyond the rules. Each may be left 0. */
    bool host_network_allowed;
    bool service_account_token_allowed;
    const json_t *allowed_volumes; /* array: volumes that pass as they are (additional volumes) */
    const json_t
        *allowed_security_context; /* object: a container's field equal to one here passes */
    const struct lx_guardrails *guardrails; /* NULL: nothing beyond the rules */
};

/* Labels on every Job, pod and Secret of ours; the first is what the watch selects. */
#define LX_LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define LX_LABEL_MANAGED_BY_VALUE "lunexec"
#define LX_LABEL_QUEUE "lunexec.dev/queue"
#define LX_LABEL_JOB_ID "lunexec.dev/job-id"
#define LX_LABEL_ATTEMPT "lunexec.dev/attempt"   /* from the second attempt on */
#define LX_LABEL_EXECUTOR "lunexec.dev/executor" /* hash of the executor name, 16 hex digits */
#define LX_ANNOTATION_EXECUTOR "lunexec.dev/executor-name"
#define LX_ANNOTATION_POLICY "lunexec.dev/policy"
#define LX_ANNOTATION_FRONTEND "lunexec.dev/frontend" /* whose queue the job came from */
#define LX_ANNOTATION_RUN "lunexec.dev/run" /* random; anew each time that a job is begun */

#define LX_EXECUTOR_LABEL_SIZE 17
/* The label value for an executor name, 16 hex digits and a NUL; the same for the same name. */
void lx_executor_label(const char *executor, char out[LX_EXECUTOR_LABEL_SIZE]);

/* Adds the labels and annotations of ours to an object's metadata, in place of those that have the
 * same names. LX_E_IO when memory is out or a text is not UTF-8; some may then be there. */
int lx_plan_label(json_t *metadata, const struct lx_plan_spec *spec, struct lx_err *err);

/* The policy may set this label of ours: by it NetworkPolicies choose their pods. */
#define LX_LABEL_NETWORK "lunexec.dev/network"

/* Checks a Job manifest that a policy returned. LX_E_REFUSED at the first rule that is broken; the
 * text names the rule and the JSON path (lists count from 0, as in JSON paths elsewhere):
 * "container-order: spec.template.spec.initContainers[1].name is ..., expected ...". */
int lx_plan_check(const json_t *job, const struct lx_plan_spec *spec, struct lx_err *err);

/* The name of a rule that lx_plan_check applies, `index` in their order; NULL beyond the last.
 * Static. */
const char *lx_plan_rule_name(size_t index);
/* One line why there is that rule; NULL beyond the last. Static. */
const char *lx_plan_rule_reason(size_t index);
/* Whether the operator may switch it off by its name; false beyond the last. */
bool lx_plan_rule_optional(size_t index);

/* Puts command, args, env, labels, annotations and the namespace into a checked manifest, in
 * place, as copies. LX_E_REFUSED for one that lx_plan_check would not have passed, LX_E_IO as for
 * lx_plan_label; the manifest is of no use then. */
int lx_plan_complete(json_t *job, const struct lx_plan_spec *spec, struct lx_err *err);

#endif
