/*
 * A container as a bubblewrap sandbox over the machine's own file system, read-only, with the pod's
 * volumes bound in. The network is the machine's: steps talk to the frontend stand-in over
 * loopback.
 */
#include "cluster.h"

#include "lunexec/file.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add(json_t *argv, const char *word)
{
    json_array_append_new(argv, json_string(word));
}

static void add3(json_t *argv, const char *flag, const char *from, const char *to)
{
    add(argv, flag);
    add(argv, from);
    add(argv, to);
}

static void add_root(const struct lx_cluster *c, json_t *argv)
{
    static const char *const shared[] = {"/usr",
                                         "/bin",
                                         "/sbin",
                                         "/lib",
                                         "/lib32",
                                         "/lib64",
                                         "/libx32",
                                         "/etc",
                                         "/opt",
                                         "/nix",
                                         "/run/systemd/resolve"};
    static const char *const flags[] = {"--unshare-pid", "--unshare-ipc", "--unshare-uts",
                                        "--new-session", "--die-with-parent"};
    add(argv, c->bwrap);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        add(argv, flags[i]);
    if (geteuid() == 0) {
        add(argv, "--cap-drop");
        add(argv, "ALL");
    }
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        add3(argv, "--ro-bind-try", shared[i], shared[i]);
    static const char *const made[][2] = {{"--proc", "/proc"},
                                          {"--dev", "/dev"},
                                          {"--tmpfs", "/tmp"},
                                          {"--dir", "/root"},
                                          {"--dir", "/var/tmp"}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        add(argv, made[i][0]);
        add(argv, made[i][1]);
    }
    /* The helper image's sh understands `echo -E`, which Debian's does not (contract 6.2). */
    if (access("/bin/bash", X_OK) == 0) {
        add3(argv, "--ro-bind", "/bin/bash", "/bin/sh");
        add3(argv, "--ro-bind", "/bin/bash", "/usr/bin/sh");
    }
    if (c->tools)
        add3(argv, "--ro-bind", c->tools, "/lunexec/bin");
}

static void add_user(const struct lx_ctr *ctr, json_t *argv)
{
    const json_t *pod = lx_json_path(ctr->run->pod->json, "spec.securityContext");
    const json_t *own = lx_json_obj(ctr->spec, "securityContext");
    int64_t uid = lx_json_int(own, "runAsUser", lx_json_int(pod, "runAsUser", -1));
    int64_t gid = lx_json_int(own, "runAsGroup", lx_json_int(pod, "runAsGroup", -1));
    char number[24];
    if (uid < 0 && gid < 0)
        return;
    add(argv, "--unshare-user");
    if (uid >= 0) {
        (void)snprintf(number, sizeof number, "%lld", (long long)uid);
        add(argv, "--uid");
        add(argv, number);
    }
    if (gid >= 0) {
        (void)snprintf(number, sizeof number, "%lld", (long long)gid);
        add(argv, "--gid");
        add(argv, number);
    }
}

static int add_mounts(struct lx_ctr *ctr, json_t *argv, struct lx_err *err)
{
    size_t i;
    const json_t *mount;
    json_array_foreach (lx_json_arr(ctr->spec, "volumeMounts"), i, mount) {
        lx_auto(str) char *dir = NULL;
        const char *sub = lx_json_str(mount, "subPath", "");
        if (lx_kubelet_volume_dir(ctr->run, lx_json_str(mount, "name", ""), &dir, err))
            return -1;
        if (strstr(sub, ".."))
            return lx_fail(err, LX_E_INVALID, "subPath %s must not contain '..'", sub);
        lx_auto(str) char *from = *sub ? lx_path_join(dir, sub) : lx_strdup(dir);
        if (*sub && lx_mkdirs(from, 0777, err))
            return -1;
        add3(argv, lx_json_bool(mount, "readOnly", false) ? "--ro-bind" : "--bind", from,
             lx_json_str(mount, "mountPath", ""));
    }
    return 0;
}

static int add_command(const struct lx_ctr *ctr, json_t *argv, const json_t *env,
                       struct lx_err *err)
{
    static const char *const keys[] = {"command", "args"};
    const char *cwd = lx_json_str(ctr->spec, "workingDir", "/");
    size_t words = 0;
    if (*cwd && !lx_streq(cwd, "/")) { /* a runtime makes the working directory when it is absent */
        add(argv, "--dir");
        add(argv, cwd);
    }
    add(argv, "--chdir");
    add(argv, *cwd ? cwd : "/");
    add(argv, "--");
    for (size_t k = 0; k < 2; k++) {
        size_t i;
        const json_t *word;
        json_array_foreach (lx_json_arr(ctr->spec, keys[k]), i, word) {
            json_array_append_new(argv, lx_ctr_expand(json_string_value(word), env));
            words++;
        }
    }
    if (words == 0)
        return lx_fail(err, LX_E_INVALID,
                       "no command specified: local mode has no images, so a "
                       "container needs its command");
    return 0;
}

/* NULL-terminated array of borrowed strings. */
static const char **borrow(const json_t *strings)
{
    const char **out = lx_alloc_array(json_array_size(strings) + 1, sizeof *out);
    size_t i;
    const json_t *text;
    json_array_foreach (strings, i, text)
        out[i] = json_string_value(text);
    return out;
}

static void on_out(void *arg, const char *data, size_t len)
{
    struct lx_ctr *ctr = arg;
    lx_ctr_log_write(ctr->log, 0, data, len);
}

static void on_err(void *arg, const char *data, size_t len)
{
    struct lx_ctr *ctr = arg;
    lx_ctr_log_write(ctr->log, 1, data, len);
}

static void on_exit_status(void *arg, int64_t status, int signum)
{
    lx_kubelet_exited(arg, status, signum);
}

int lx_ctr_start(struct lx_ctr *ctr, struct lx_err *err)
{
    lx_auto(json) json_t *argv = json_array();
    lx_auto(json) json_t *env = NULL;
    if (lx_ctr_env(ctr, &env, err))
        return -1;
    add_root(ctr->run->c, argv);
    add_user(ctr, argv);
    if (add_mounts(ctr, argv, err) || add_command(ctr, argv, env, err))
        return -1;
    const char **words = borrow(argv), **pairs = borrow(env);
    struct lx_child_opts opts = {.argv = words,
                                 .env = pairs,
                                 .fd3 = -1,
                                 .new_group = true,
                                 .on_out = on_out,
                                 .on_err = on_err,
                                 .on_exit = on_exit_status,
                                 .arg = ctr};
    int rc = lx_child_spawn(ctr->run->c->loop, &opts, &ctr->child, err);
    free(words);
    free(pairs);
    return rc ? lx_wrap(err, "bubblewrap") : 0;
}

const char *lx_ctr_id(struct lx_ctr *ctr)
{
    unsigned char raw[32] = {0};
    (void)lx_rand_bytes(raw, sizeof raw, NULL);
    (void)snprintf(ctr->id, sizeof ctr->id, "bwrap://");
    for (size_t i = 0; i < sizeof raw; i++)
        (void)snprintf(ctr->id + 8 + 2 * i, 3, "%02x", raw[i]);
    return ctr->id;
}

/* ---- does it work here at all? ---- */

struct probe {
    struct lx_buf said;
    int64_t status;
    int signum;
    bool done;
};

static void probe_said(void *arg, const char *data, size_t len)
{
    (void)lx_buf_add(&((struct probe *)arg)->said, data, len, NULL);
}

static void probe_done(void *arg, int64_t status, int signum)
{
    struct probe *probe = arg;
    probe->status = status;
    probe->signum = signum;
    probe->done = true;
}

int lx_ctr_probe(struct lx_cluster *c, struct lx_err *err)
{
    struct probe probe = {.said = LX_BUF_INIT(4096)};
    lx_auto(json) json_t *argv = json_array();
    struct lx_child *child = NULL;
    if (access(c->bwrap, X_OK))
        return lx_fail(err, LX_E_NOT_FOUND,
                       "%s is missing: install bubblewrap (apt-get install "
                       "bubblewrap)",
                       c->bwrap);
    add_root(c, argv);
    add(argv, "/bin/true");
    const char **words = borrow(argv);
    struct lx_child_opts opts = {.argv = words,
                                 .fd3 = -1,
                                 .on_out = probe_said,
                                 .on_err = probe_said,
                                 .on_exit = probe_done,
                                 .arg = &probe};
    int rc = lx_child_spawn(c->loop, &opts, &child, err);
    if (rc == 0)
        rc = lx_loop_run_until(c->loop, &probe.done, 10000, err);
    lx_child_free(child);
    free(words);
    if (rc == 0 && (probe.status != 0 || probe.signum)) {
        char *text = lx_buf_take(&probe.said);
        text[strcspn(text, "\n")] = '\0';
        rc = lx_fail(err, LX_E_IO,
                     "bubblewrap cannot make a sandbox here (%s): allow unprivileged "
                     "user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
                     "kernel.apparmor_restrict_unprivileged_userns=0) or run as root; in Docker, "
                     "with --privileged",
                     text);
        free(text);
    }
    lx_buf_done(&probe.said);
    return rc;
}
