#include "tool.h"

#include "lunexec/http.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

static const char usage[] =
    "usage: lunexec policy COMMAND [OPTIONS]\n"
    "\n"
    "  check [DIR]                 load the policy and try it on sample jobs\n"
    "  render --job FILE           print the objects that a job would get\n"
    "  diff [OLD] NEW --jobs DIR   compare what two policies make of jobs\n"
    "  new DIR                     start a policy of your own\n"
    "  test [DIR]                  run DIR's specs with busted, the policy in its sandbox\n"
    "  network                     print the NetworkPolicies\n"
    "  call [FUNCTION]             call a function with the JSON array on standard input;\n"
    "                              without FUNCTION: list what there is\n"
    "  rules                       list what is checked of every Job, as a table in Markdown\n"
    "  bench                       measure job(), process boundary included\n"
    "\n"
    "  --policy DIR   the policy, where a command is not given one [LUNEXEC_POLICY_DIR, or the\n"
    "                 bundled scripts]\n"
    "  --job FILE     a job as the queue hands it out (JSON)\n"
    "  --jobs DIR     a directory of such files, *.json\n"
    "  --json         JSON instead of YAML\n"
    "  --cluster      check, render: send each object to the cluster as a dry run\n"
    "  --output NAME  test: TAP [unless .busted says otherwise], junit, or another of busted's\n"
    "  --module NAME  call: a file of the policy other than policy.lua\n"
    "  --calls N      bench: how many calls [10000]\n"
    "\n"
    "Exit status: 0 fine, 1 refused by policy or guardrail, 2 wrong usage; of diff: 0 same,\n"
    "1 different, 2 trouble. Settings are environment variables, see lunexec settings.\n";

static const struct command {
    const char *name;
    int (*fn)(struct lx_tool *tool);
    size_t min_args, max_args;
} commands[] = {
    {"check", lx_policy_check_main, 0, 1}, {"render", lx_policy_render_main, 0, 0},
    {"diff", lx_policy_diff_main, 1, 2},   {"new", lx_policy_new_main, 1, 1},
    {"test", lx_policy_test_main, 0, 1},   {"network", lx_policy_network_main, 0, 0},
    {"bench", lx_policy_bench_main, 0, 0}, {"call", lx_policy_call_main, 0, 1},
    {"rules", lx_policy_rules_main, 0, 0},
};

static int wrong(const char *what, const char *detail)
{
    fprintf(stderr, "lunexec: policy: %s%s; see lunexec policy --help\n", what, detail);
    return LX_TOOL_WRONG;
}

/* 0: go on; 1: help was shown; 2: wrong usage. */
static int read_options(struct lx_tool *tool, int argc, char **argv)
{
    enum { POLICY = 1, JOB, JOBS, MODULE, OUTPUT, JSON, CLUSTER, CALLS, HELP };
    static const struct option table[] = {
        {"policy", required_argument, NULL, POLICY}, {"job", required_argument, NULL, JOB},
        {"jobs", required_argument, NULL, JOBS},     {"module", required_argument, NULL, MODULE},
        {"output", required_argument, NULL, OUTPUT}, {"json", no_argument, NULL, JSON},
        {"cluster", no_argument, NULL, CLUSTER},     {"calls", required_argument, NULL, CALLS},
        {"help", no_argument, NULL, HELP},           {0}};
    const char **texts[] = {[POLICY] = &tool->policy_dir,
                            [JOB] = &tool->job_file,
                            [JOBS] = &tool->jobs_dir,
                            [MODULE] = &tool->module,
                            [OUTPUT] = &tool->output};
    int o;
    optind = 0;
    while ((o = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        if (o == JSON)
            tool->json = true;
        else if (o == CLUSTER)
            tool->cluster = true;
        else if (o == CALLS) {
            if (lx_parse_i64(optarg, &tool->calls) < 0 || tool->calls < 1 || tool->calls > 10000000)
                return wrong("--calls takes a number from 1 to 10000000, not ", optarg);
        } else if (o == HELP || o == 'h') {
            fputs(usage, stdout);
            return 1;
        } else if (o == '?')
            return LX_TOOL_WRONG;
        else
            *texts[o] = optarg;
    }
    tool->args = argv + optind;
    return 0;
}

static int run(struct lx_tool *tool, const struct command *command)
{
    struct lx_err err;
    if (lx_http_global_init(&err) < 0 || lx_loop_new(&tool->loop, &err) < 0) {
        fprintf(stderr, "lunexec: %s\n", err.text);
        return LX_TOOL_WRONG;
    }
    tool->log = lx_log_new(STDERR_FILENO, LX_LOG_ERROR, LX_LOG_CONDENSED);
    int status = command->fn(tool);
    lx_log_free(tool->log);
    lx_loop_free(tool->loop);
    lx_http_global_done();
    return status;
}

int lx_policytool_main(const struct lx_policytool *host, int argc, char **argv)
{
    struct lx_tool tool = {.host = host, .policy_dir = host->policy_dir, .calls = 10000};
    int status = read_options(&tool, argc, argv);
    if (status)
        return status == 1 ? LX_TOOL_FINE : status;
    if (!*tool.args)
        return wrong("a command is missing", "");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!lx_streq(*tool.args, commands[i].name))
            continue;
        size_t n = lx_strv_len(++tool.args);
        if (n < commands[i].min_args || n > commands[i].max_args)
            return wrong(n < commands[i].min_args ? "an argument is missing after "
                                                  : "too many arguments after ",
                         commands[i].name);
        return run(&tool, &commands[i]);
    }
    return wrong("unknown command ", *tool.args);
}
