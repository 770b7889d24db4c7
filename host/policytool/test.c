#include "tool.h"

#include "lunexec/text.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How deep specs may lie. */
#define FOLDERS_MAX 8

struct running {
    bool done;
    int64_t status;
    int signum;
};

static void on_output(void *arg, const char *data, size_t len)
{
    (void)arg;
    fwrite(data, 1, len, stdout);
}

static void on_errors(void *arg, const char *data, size_t len)
{
    (void)arg;
    fwrite(data, 1, len, stderr);
}

static void on_exit_of_busted(void *arg, int64_t status, int signum)
{
    struct running *running = arg;
    running->done = true;
    running->status = status;
    running->signum = signum;
}

static bool is_ours(const char *var)
{
    static const char *const ours[] = {"LUA_PATH=", "LUA_PATH_5_4=", "LUNEXEC_SANDBOX=", NULL};
    for (const char *const *name = ours; *name; name++) {
        if (lx_starts_with(var, *name))
            return true;
    }
    return false;
}

/* Ours with LUA_PATH, since busted's own option goes through a shell, and with this program, by
 * which lunexec.testing calls the policy in its sandbox. Freed by free_environment. */
static char **environment(const struct lx_tool *tool)
{
    char *const *vars = tool->host->environment;
    size_t n = 0;
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    lx_auto(str) char *found = realpath(tool->host->library_dir, NULL);
    char **env = lx_alloc_array(lx_strv_len(vars) + 3, sizeof *env);
    env[n++] = lx_strf("LUA_PATH=%s/?.lua;./?.lua;;", found ? found : tool->host->library_dir);
    if (len > 0)
        env[n++] = lx_strf("LUNEXEC_SANDBOX=%.*s", (int)len, program);
    for (; *vars; vars++) {
        if (!is_ours(*vars))
            env[n++] = lx_strdup(*vars);
    }
    return env;
}

/* A .busted in the directory says where the specs are and how to report; without one both are said
 * here. Returns whether there is one. */
static bool make_argv(const struct lx_tool *tool, const char *dir, const char *argv[6],
                      char **ret_output)
{
    lx_auto(str) char *config = lx_path_join(dir, ".busted");
    bool configured = access(config, R_OK) == 0;
    size_t n = 0;
    *ret_output = tool->output || !configured
                      ? lx_strf("--output=%s", tool->output ? tool->output : "TAP")
                      : NULL;
    argv[n++] = "busted";
    argv[n++] = "--lua=lua5.4";
    if (*ret_output)
        argv[n++] = *ret_output;
    if (!configured) {
        argv[n++] = "--pattern=_spec";
        argv[n++] = ".";
    }
    argv[n] = NULL;
    return configured;
}

static int run_busted(struct lx_tool *tool, const char *dir, const char *const *argv,
                      struct running *running, struct lx_err *err)
{
    lx_auto(strv) char **env = environment(tool);
    struct lx_child *child = NULL;
    struct lx_child_opts opts = {
        .argv = argv,
        .env = (const char *const *)env,
        .cwd = dir,
        .on_out = on_output,
        .on_err = on_errors,
        .on_exit = on_exit_of_busted,
        .arg = running,
    };
    if (lx_child_spawn(tool->loop, &opts, &child, err) < 0)
        return -1;
    while (!running->done)
        (void)lx_loop_run_until(tool->loop, &running->done, UINT32_MAX, NULL);
    lx_child_free(child);
    return 0;
}

/* Whether a directory has a file that busted would take for specs; it fails without a good reason
 * when there is none. */
static bool has_spec(const char *dir, int depth)
{
    bool found = false;
    DIR *handle = opendir(dir);
    if (!handle)
        return false;
    for (struct dirent *entry = readdir(handle); entry && !found; entry = readdir(handle)) {
        if (entry->d_name[0] == '.')
            continue;
        lx_auto(str) char *path = lx_path_join(dir, entry->d_name);
        found = lx_ends_with(entry->d_name, "_spec.lua") ||
                (depth < FOLDERS_MAX && has_spec(path, depth + 1));
    }
    closedir(handle);
    return found;
}

int lx_policy_test_main(struct lx_tool *tool)
{
    const char *dir = tool->args[0] ? tool->args[0] : tool->policy_dir;
    struct running running = {0};
    struct lx_err err;
    const char *argv[6];
    lx_auto(str) char *output = NULL;
    bool configured = make_argv(tool, dir, argv, &output);
    if (!configured && !has_spec(dir, 0)) {
        fprintf(stderr, "lunexec: policy test: %s has no specs, files named *_spec.lua\n", dir);
        return LX_TOOL_WRONG;
    }
    if (run_busted(tool, dir, argv, &running, &err) < 0) {
        fprintf(stderr, "lunexec: policy test: busted and Lua 5.4 are needed: %s\n", err.text);
        return LX_TOOL_WRONG;
    }
    if (running.status == 0 && running.signum == 0)
        return LX_TOOL_FINE;
    fprintf(stderr, "lunexec: policy test: specs of %s failed\n", dir);
    return LX_TOOL_REFUSED;
}
