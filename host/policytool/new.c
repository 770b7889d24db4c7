#include "tool.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#define SCRIPT_MAX ((size_t)1024 * 1024)

static const char spec[] =
    "-- What this policy promises; `lunexec policy test DIR` runs it.\n"
    "local testing = require \"lunexec.testing\"\n"
    "\n"
    "describe(\"the policy\", function()\n"
    "  local policy = testing.load(testing.here())\n"
    "\n"
    "  it(\"makes a Job of the task's name\", function()\n"
    "    local task = testing.task()\n"
    "    local job = testing.call(policy, \"job\", task, testing.settings())\n"
    "    assert.equal(task.names.job, job.metadata.name)\n"
    "  end)\n"
    "end)\n";

static const char readme[] =
    "-- A policy for Lunexec, started as a copy of the default one.\n"
    "--\n"
    "-- policy.lua lists the functions that the executor calls; the other files have one topic\n"
    "-- each. Those that you do not change can be deleted: the executor brings its own. Change "
    "one,\n"
    "-- then:\n"
    "--\n"
    "--   lunexec policy check DIR                      does it load, does it work on samples?\n"
    "--   lunexec policy test DIR                       policy_spec.lua\n"
    "--   lunexec policy diff DIR --jobs DIR/jobs       what changes for the jobs in jobs/?\n"
    "--\n"
    "-- LUNEXEC_POLICY_DIR=DIR makes the executor use it.\n";

static int need_empty(const char *dir, struct lx_err *err)
{
    DIR *handle = opendir(dir);
    bool empty = true;
    if (!handle)
        return errno == ENOENT ? 0 : lx_fail_errno(err, errno, "%s", dir);
    for (struct dirent *entry = readdir(handle); entry; entry = readdir(handle))
        empty = empty && (lx_streq(entry->d_name, ".") || lx_streq(entry->d_name, ".."));
    closedir(handle);
    return empty ? 0 : lx_fail(err, LX_E_INVALID, "%s is not empty", dir);
}

static int copy_script(const char *from, const char *to, const char *name, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(SCRIPT_MAX);
    lx_auto(str) char *source = lx_path_join(from, name);
    lx_auto(str) char *target = lx_path_join(to, name);
    if (lx_streq(name, "policy.lua") &&
        (lx_buf_adds(&text, readme, err) < 0 || lx_buf_addc(&text, '\n', err) < 0))
        return -1;
    if (lx_file_read(source, &text, err) < 0)
        return -1;
    return lx_file_write(target, lx_buf_str(&text), text.len, 0644, err);
}

static int copy_scripts(const char *from, const char *to, struct lx_err *err)
{
    DIR *handle = opendir(from);
    int result = 0;
    if (!handle)
        return lx_fail_errno(err, errno, "%s", from);
    for (struct dirent *entry = readdir(handle); entry && result == 0; entry = readdir(handle)) {
        if (entry->d_name[0] != '.' && lx_ends_with(entry->d_name, ".lua") &&
            !lx_ends_with(entry->d_name, "_spec.lua"))
            result = copy_script(from, to, entry->d_name, err);
    }
    closedir(handle);
    return result;
}

/* The sample jobs, for `render` and `diff`. */
static int write_jobs(const char *dir, struct lx_err *err)
{
    static const char *const files[] = {"batches-1.json", "batches-3.json", "codeintel.json"};
    lx_auto(str) char *jobs = lx_path_join(dir, "jobs");
    if (lx_mkdirs(jobs, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(SCRIPT_MAX);
        const char *name;
        lx_auto(json) json_t *payload = lx_tool_sample_payload(i, &name);
        lx_auto(str) char *path = lx_path_join(jobs, files[i]);
        lx_assert(payload);
        if (lx_json_dump_pretty(payload, &text, err) < 0 ||
            lx_file_write(path, lx_buf_str(&text), text.len, 0644, err) < 0)
            return -1;
    }
    return 0;
}

static int make(struct lx_tool *tool, const char *dir, struct lx_err *err)
{
    bool given = tool->policy_dir != tool->host->policy_dir;
    const char *from = given ? tool->policy_dir : tool->host->scripts_dir;
    lx_auto(str) char *spec_file = lx_path_join(dir, "policy_spec.lua");
    if (!from)
        return lx_fail(err, LX_E_NOT_FOUND, "the bundled scripts are not where they should be");
    if (need_empty(dir, err) < 0 || lx_mkdirs(dir, 0755, err) < 0 ||
        copy_scripts(from, dir, err) < 0 || write_jobs(dir, err) < 0)
        return -1;
    return lx_file_write(spec_file, spec, sizeof spec - 1, 0644, err);
}

int lx_policy_new_main(struct lx_tool *tool)
{
    const char *dir = tool->args[0];
    struct lx_err err;
    if (make(tool, dir, &err) < 0) {
        fprintf(stderr, "lunexec: policy new: %s\n", err.text);
        return LX_TOOL_WRONG;
    }
    printf("%s: a copy of the default policy; next: lunexec policy check %s\n", dir, dir);
    return LX_TOOL_FINE;
}
