#include "tool.h"

#include "lunexec/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Ours with LUA_PATH, since busted's own option goes through a shell. Freed by the caller, with the
 * first entry. */
static const char **environment(const struct lx_tool *tool, const char *library)
{
    char *const *vars = tool->host->environment;
    size_t n = 0;
    const char **env = lx_alloc_array(lx_strv_len(vars) + 2, sizeof *env);
    env[n++] = lx_strf("LUA_PATH=%s/?.lua;./?.lua;;", library);
    for (; *vars; vars++) {
        if (!lx_starts_with(*vars, "LUA_PATH=") && !lx_starts_with(*vars, "LUA_PATH_5_4="))
            env[n++] = *vars;
    }
    return env;
}

static int run_busted(struct lx_tool *tool, const char *const *env, struct running *running,
                      struct lx_err *err)
{
    static const char *const argv[] = {
        "busted", "--lua=lua5.4", "--output=TAP", "--pattern=_spec", ".", NULL};
    struct lx_child *child = NULL;
    struct lx_child_opts opts = {
        .argv = argv,
        .env = env,
        .cwd = tool->args[0],
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

/* Specs run outside of the sandbox; lunexec.testing gives the policy what the sandbox would. */
int lx_policy_test_main(struct lx_tool *tool)
{
    struct running running = {0};
    struct lx_err err;
    lx_auto(str) char *library = realpath(tool->host->library_dir, NULL);
    const char **env = environment(tool, library ? library : tool->host->library_dir);
    int status = LX_TOOL_WRONG;
    if (run_busted(tool, env, &running, &err) < 0)
        fprintf(stderr, "lunexec: policy test: busted and Lua 5.4 are needed: %s\n", err.text);
    else
        status = running.status == 0 && running.signum == 0 ? LX_TOOL_FINE : LX_TOOL_REFUSED;
    free((char *)(uintptr_t)env[0]);
    free(env);
    return status;
}
