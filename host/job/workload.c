#include "job/workload.h"

#include "job/shell.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

/* Linux takes at most 128 KiB in one argument (contract 5.3). */
#define ARG_LIMIT ((size_t)128 * 1024 - 1)
/* Room to build the string in, so that the message can say how large it would have been. */
#define ARG_BUILD_LIMIT ((size_t)64 * 1024 * 1024)
/* A Job's name becomes a label of its pod. */
#define LABEL_MAX 63

/* A workspace that is empty is not the one that the executor has prepared. The words reach the
 * failure's message as the container's termination message. */
static const char shared_step[] =
    "[ -e \"$0\" ] || { echo \"the workspace is not on this node: the volume claim named by "
    "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME has to be the one mounted at the executor's "
    "/data; a claim that only one node can mount needs the jobs on the executor's node "
    "(EXECUTOR_KUBERNETES_NODE_NAME)\" | tee /dev/termination-log; exit 113; }; "
    "exec /bin/sh \"$0\"";

static struct lx_workload_container *add_container(struct lx_workload *workload, char *key,
                                                   const char *purpose, const char *image)
{
    struct lx_workload_container *c = &workload->containers[workload->n_containers++];
    c->key = key;
    c->name = lx_strdup(key);
    for (char *p = c->name; *p; p++) {
        if (*p == '.')
            *p = '-';
    }
    c->purpose = purpose;
    c->image = lx_strdup(image);
    c->env_names = json_array();
    c->env = json_array();
    return c;
}

/* command ["sh", "-c"] and the one argument, safe from the kubelet's expansion. */
static int set_script(struct lx_workload_container *c, const struct lx_buf *text,
                      struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf arg = LX_BUF_INIT(ARG_BUILD_LIMIT);
    if (lx_kubelet_escape(&arg, lx_buf_str(text), text->len, err) < 0)
        return -1;
    if (arg.len > ARG_LIMIT)
        return lx_fail(err, LX_E_LIMIT,
                       "files and scripts of the job take %zu bytes in container %s, the limit "
                       "is %zu",
                       arg.len, c->name, ARG_LIMIT);
    json_t *value = json_stringn(lx_buf_str(&arg), arg.len);
    if (!value)
        return lx_fail(err, LX_E_INVALID, "the files or commands of the job are not valid UTF-8");
    c->command = json_pack("[s, s]", "sh", "-c");
    c->args = json_pack("[o]", value);
    return 0;
}

static json_t *secret_env(const char *name, const char *secret, const char *key)
{
    return json_pack("{s:s, s:{s:{s:s, s:s}}}", "name", name, "valueFrom", "secretKeyRef", "name",
                     secret, "key", key);
}

/* What the server says is one, and what is one whoever forgets to say so. */
static bool is_secret(const struct lx_workload *workload, const struct lx_job *job,
                      const char *value)
{
    if (strstr(value, workload->password) || (*job->token && strstr(value, job->token)))
        return true;
    for (size_t i = 0; i < job->n_secrets; i++) {
        if (*job->secrets[i].value && strstr(value, job->secrets[i].value))
            return true;
    }
    return false;
}

/* Values that hold a secret travel in the Secret, if there is one, the others as they are. */
static int add_step_env(struct lx_workload *workload, struct lx_workload_container *c,
                        const struct lx_job *job, size_t step, struct lx_err *err)
{
    char *const *env = job->steps[step].env;
    for (size_t i = 0; env && env[i]; i++) {
        const char *value = strchr(env[i], '=');
        if (!value)
            return lx_fail(err, LX_E_INVALID, "env entry %zu of step %s has no '='", i,
                           c->step_key);
        lx_auto(str) char *name = lx_strndup(env[i], (size_t)(value - env[i]));
        value++;
        json_t *entry;
        if (workload->secret_data && is_secret(workload, job, value)) {
            lx_auto(str) char *key = lx_strf("env-%zu-%zu", step, i);
            json_object_set_new(workload->secret_data, key, json_string(value));
            entry = secret_env(name, workload->secret_name, key);
        } else {
            lx_auto(buf) struct lx_buf literal = LX_BUF_INIT(ARG_BUILD_LIMIT);
            if (lx_kubelet_escape(&literal, value, strlen(value), err) < 0)
                return -1;
            entry = json_pack("{s:s, s:s}", "name", name, "value", lx_buf_str(&literal));
        }
        if (!entry)
            return lx_fail(err, LX_E_INVALID, "env %s of step %s is not valid UTF-8", name,
                           c->step_key);
        json_array_append_new(c->env, entry);
        json_array_append_new(c->env_names, json_string(name));
    }
    return 0;
}

static void add_env(struct lx_workload_container *c, const char *name, const char *value)
{
    json_array_append_new(c->env, json_pack("{s:s, s:s}", "name", name, "value", value));
    json_array_append_new(c->env_names, json_string(name));
}

static int add_setup(struct lx_workload *workload, const struct lx_executor_opts *opts,
                     const struct lx_job *job, struct lx_err *err)
{
    struct lx_workload_container *c =
        add_container(workload, lx_strdup("setup.workspace"), "setup", opts->step_image);
    c->init = true;
    c->working_dir = lx_strdup(LX_WORKSPACE);
    json_array_append_new(c->env, secret_env("TOKEN", workload->secret_name, "TOKEN"));
    json_array_append_new(c->env_names, json_string("TOKEN"));
    add_env(c, "GIT_TERMINAL_PROMPT", "0");
    add_env(c, "GIT_LFS_SKIP_SMUDGE", "1");
    if (lx_cargo_new(job, &workload->cargo, err) < 0)
        return -1;

    lx_auto(str) char *path = lx_strf("/.executors/git/%s", job->repository);
    lx_auto(str) char *clone_url = lx_url_resolve(opts->frontend_url, path);
    struct lx_setup setup = {
        .job = job,
        .clone_url = clone_url,
        .executor_name = opts->executor_name,
        .git_ca_cert = opts->git_ca_cert,
        .cargo = workload->cargo,
    };
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(ARG_BUILD_LIMIT);
    if (lx_setup_command(&setup, &text, err) < 0)
        return -1;
    return set_script(c, &text, err);
}

/* A container for a step, without its command. */
static struct lx_workload_container *step_container(struct lx_workload *workload,
                                                    const struct lx_job *job, size_t step)
{
    const struct lx_job_step *s = &job->steps[step];
    char *key =
        *s->key ? lx_strf("step.kubernetes.%s", s->key) : lx_strf("step.kubernetes.%zu", step);
    struct lx_workload_container *c = add_container(workload, key, "step", s->image);
    c->step_key = lx_strdup(s->key);
    c->working_dir = lx_path_join(LX_WORKSPACE, s->dir);

    lx_auto(str) char *name = lx_script_name(job, step);
    c->argv = lx_alloc_array(3, sizeof *c->argv);
    c->argv[0] = lx_strdup("/bin/sh");
    c->argv[1] = lx_strf(LX_WORKSPACE "/" LX_SCRIPT_DIR "/%s", name);
    return c;
}

static int add_step(struct lx_workload *workload, const struct lx_job *job, size_t step,
                    struct lx_err *err)
{
    struct lx_workload_container *c = step_container(workload, job, step);
    c->init = true;
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(ARG_BUILD_LIMIT);
    if (lx_step_command(job, step, c->key, &text, err) < 0 || set_script(c, &text, err) < 0 ||
        add_step_env(workload, c, job, step, err) < 0)
        return -1;
    add_env(c, "EXECUTOR_ADD_SAFE", "false");
    return 0;
}

static int add_main(struct lx_workload *workload, const struct lx_executor_opts *opts,
                    struct lx_err *err)
{
    struct lx_workload_container *c =
        add_container(workload, lx_strdup("main"), "main", opts->step_image);
    c->working_dir = lx_strdup(LX_WORKSPACE);
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(256);
    if (lx_buf_adds(&text, "echo 'complete'", err) < 0)
        return -1;
    return set_script(c, &text, err);
}

char *lx_workload_base(const struct lx_job *job, unsigned attempt)
{
    char *base = lx_strf("sg-executor-job-%s-%lld", job->queue, (long long)job->id);
    if (attempt <= 1)
        return base;
    char *name = lx_strf("%s-attempt-%u", base, attempt);
    free(base);
    return name;
}

char *lx_workload_directory(const struct lx_job *job)
{
    return lx_strf("job-%s", job->uid);
}

static struct lx_workload *workload_new(const struct lx_job *job, unsigned attempt, char *job_name,
                                        size_t n)
{
    struct lx_workload *workload = lx_alloc(sizeof *workload);
    lx_auto(str) char *base = lx_workload_base(job, attempt);
    workload->attempt = attempt;
    workload->job_name = job_name;
    workload->secret_name = lx_strf("%s" LX_SECRET_SUFFIX, base);
    workload->volume_name = lx_strf("%s" LX_CLAIM_SUFFIX, base);
    if (json_object_size(lx_json_obj(job->docker_auth, "auths")) > 0)
        workload->pull_secret_name = lx_strf("%s" LX_PULL_SECRET_SUFFIX, base);
    workload->containers = lx_alloc_array(n, sizeof *workload->containers);
    return workload;
}

/* Names that are too long end in a hash of themselves. */
static char *step_job_name(const struct lx_job *job, unsigned attempt, const char *key)
{
    char hash[LX_EXECUTOR_LABEL_SIZE];
    lx_auto(str) char *base = lx_workload_base(job, attempt);
    char *name = lx_strf("%s-%s", base, key);
    if (strlen(name) > LABEL_MAX) {
        lx_executor_label(name, hash);
        memcpy(name + LABEL_MAX - strlen(hash) - 1, "-", 1);
        memcpy(name + LABEL_MAX - strlen(hash), hash, sizeof hash);
    }
    return name;
}

int lx_workload_new_step(const struct lx_job *job, size_t step, unsigned attempt,
                         struct lx_workload **ret_workload, struct lx_err *err)
{
    lx_auto(workload) struct lx_workload *workload = workload_new(job, attempt, NULL, 1);
    struct lx_workload_container *c = step_container(workload, job, step);
    workload->job_name = step_job_name(job, attempt, c->key);
    c->command = json_pack("[s, s]", "/bin/sh", "-c");
    c->args = json_pack("[s, s]", shared_step, c->argv[1]);
    if (!c->args)
        return lx_fail(err, LX_E_INVALID, "the name of script %s is not valid UTF-8", c->argv[1]);
    if (add_step_env(workload, c, job, step, err) < 0)
        return -1;
    *ret_workload = lx_take(workload);
    return 0;
}

/* Kubernetes takes labels as of DNS (RFC 1123), each once. */
static int check_names(const struct lx_workload *workload, struct lx_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_workload_container *c = &workload->containers[i];
        size_t len = strlen(c->name);
        if (len > LABEL_MAX || strspn(c->name, letters) != len || c->name[len - 1] == '-')
            return lx_fail(err, LX_E_INVALID,
                           "the step key \"%s\" makes no container name: \"%s\" must have lower "
                           "case letters, digits and '-', and at most %d characters",
                           c->key, c->name, LABEL_MAX);
        for (size_t k = 0; k < i; k++) {
            if (lx_streq(workload->containers[k].name, c->name))
                return lx_fail(err, LX_E_INVALID, "two steps make the container name \"%s\"",
                               c->name);
        }
    }
    return 0;
}

int lx_workload_new(const struct lx_executor_opts *opts, const struct lx_job *job, unsigned attempt,
                    struct lx_workload **ret_workload, struct lx_err *err)
{
    lx_auto(workload) struct lx_workload *workload =
        workload_new(job, attempt, lx_workload_base(job, attempt), job->n_steps + 2);
    workload->password = opts->password;
    workload->secret_data = json_pack("{s:s}", "TOKEN", job->token);
    if (!workload->secret_data)
        return lx_fail(err, LX_E_INVALID, "the token of the job is not valid UTF-8");
    if (add_setup(workload, opts, job, err) < 0)
        return -1;
    for (size_t i = 0; i < job->n_steps; i++) {
        if (add_step(workload, job, i, err) < 0)
            return -1;
    }
    if (add_main(workload, opts, err) < 0 || check_names(workload, err) < 0)
        return -1;
    *ret_workload = lx_take(workload);
    return 0;
}

const char *lx_workload_step(const struct lx_workload_container *container)
{
    return container->step_key && *container->step_key ? container->step_key : container->key;
}

void lx_workload_free(struct lx_workload *workload)
{
    if (!workload)
        return;
    for (size_t i = 0; i < workload->n_containers; i++) {
        struct lx_workload_container *c = &workload->containers[i];
        free(c->name);
        free(c->key);
        free(c->step_key);
        free(c->image);
        free(c->working_dir);
        free(c->planned_image);
        free(c->memory_limit);
        lx_strv_free(c->argv);
        json_decref(c->env_names);
        json_decref(c->command);
        json_decref(c->args);
        json_decref(c->env);
    }
    free(workload->containers);
    free(workload->job_name);
    free(workload->secret_name);
    free(workload->volume_name);
    free(workload->pull_secret_name);
    lx_cargo_free(workload->cargo);
    json_decref(workload->secret_data);
    free(workload);
}

json_t *lx_workload_secret(const struct lx_workload *workload, const char *ns)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion", "v1", "kind", "Secret",
                     "metadata", "name", workload->secret_name, "namespace", ns, "stringData",
                     workload->secret_data);
}

json_t *lx_workload_claim(const struct lx_workload *workload, const char *ns, const char *size,
                          const char *storage_class)
{
    json_t *claim = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:[s], s:{s:{s:s}}}}", "apiVersion",
                              "v1", "kind", "PersistentVolumeClaim", "metadata", "name",
                              workload->volume_name, "namespace", ns, "spec", "accessModes",
                              "ReadWriteOnce", "resources", "requests", "storage", size);
    if (storage_class)
        json_object_set_new(lx_json_obj(claim, "spec"), "storageClassName",
                            json_string(storage_class));
    return claim;
}

json_t *lx_workload_pull_secret(const struct lx_workload *workload, const char *ns,
                                const json_t *docker_auth)
{
    lx_auto(json) json_t *auths = json_pack("{s:O}", "auths", lx_json_obj(docker_auth, "auths"));
    lx_auto(str) char *text = lx_json_text(auths);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Secret",
                     "metadata", "name", workload->pull_secret_name, "namespace", ns, "type",
                     "kubernetes.io/dockerconfigjson", "stringData", ".dockerconfigjson", text);
}

static void learn(struct lx_workload_container *c, const char *image, const char *memory)
{
    free(c->planned_image);
    free(c->memory_limit);
    c->planned_image = lx_strdup(image);
    c->memory_limit = lx_strdup(memory);
}

void lx_workload_learn(struct lx_workload *workload, const json_t *manifest)
{
    static const char *const lists[] = {"spec.template.spec.initContainers",
                                        "spec.template.spec.containers"};
    size_t at = 0;
    for (size_t list = 0; list < 2; list++) {
        size_t i;
        json_t *planned;
        json_array_foreach (lx_json_path(manifest, lists[list]), i, planned) {
            if (at >= workload->n_containers ||
                !lx_streq(lx_json_str(planned, "name", ""), workload->containers[at].name))
                continue;
            learn(&workload->containers[at++], lx_json_str(planned, "image", NULL),
                  lx_json_str(lx_json_path(planned, "resources.limits"), "memory", NULL));
        }
    }
}

json_t *lx_workload_learnt(const struct lx_workload *workload)
{
    json_t *list = json_array();
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_workload_container *c = &workload->containers[i];
        json_array_append_new(
            list, json_pack("{s:s*, s:s*}", "image", c->planned_image, "memory", c->memory_limit));
    }
    return list;
}

void lx_workload_recall(struct lx_workload *workload, const json_t *learnt)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        const json_t *planned = json_array_get(learnt, i);
        learn(&workload->containers[i], lx_json_str(planned, "image", NULL),
              lx_json_str(planned, "memory", NULL));
    }
}

static int attach_pull_secret(const struct lx_workload *workload, json_t *manifest,
                              struct lx_err *err)
{
    json_t *pod = lx_json_path(manifest, "spec.template.spec");
    json_t *list = lx_json_arr(pod, "imagePullSecrets");
    if (!list) {
        list = json_array();
        json_object_set_new(pod, "imagePullSecrets", list);
    }
    if (json_array_append_new(list, json_pack("{s:s}", "name", workload->pull_secret_name)) < 0)
        return lx_fail(err, LX_E_REFUSED, "the manifest has no pod");
    return 0;
}

int lx_workload_attach(const struct lx_workload *workload, json_t *manifest, struct lx_err *err)
{
    if (workload->pull_secret_name && attach_pull_secret(workload, manifest, err) < 0)
        return -1;
    if (!workload->cargo || lx_cargo_n_secrets(workload->cargo) == 0)
        return 0;
    return lx_cargo_attach(workload->cargo, workload->job_name, workload->containers[0].name,
                           manifest, err);
}
