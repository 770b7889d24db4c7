/*
 * The command line.
 */
#include "app/policy.h"
#include "app/restrict.h"
#include "app/run.h"
#include "app/settings.h"
#include "app/validate.h"
#include "lunexec/local.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_MAX ((size_t)1024 * 1024)

static const char usage[] =
    "usage: lunexec [COMMAND]\n"
    "\n"
    "  run        take jobs from Sourcegraph and run them as Kubernetes Jobs (the default)\n"
    "  validate   check settings, git, frontend, Kubernetes permissions and policy\n"
    "  policy     check, render, compare and test policies; see lunexec policy --help\n"
    "  settings   list the settings; --markdown: as in docs/settings.md\n"
    "  try        run an example job end to end on this machine; see lunexec try --help\n"
    "  version    print the version\n"
    "  help       print this\n";

static int print_settings(bool markdown)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(HELP_MAX);
    struct lx_err err;
    if (!markdown)
        lx_buf_adds(&out,
                    "usage: lunexec run\n\nSettings are environment variables; an empty one counts "
                    "as unset.\n\n",
                    NULL);
    if (lx_settings_help(&out, markdown, &err) < 0) {
        fprintf(stderr, "lunexec: %s\n", err.text);
        return 1;
    }
    fputs(lx_buf_str(&out), stdout);
    return 0;
}

static struct lx_env environment(void)
{
    return (struct lx_env){.vars = environ, .program = program_invocation_short_name};
}

static int wrong_use(const char *command, const char *argument)
{
    fprintf(stderr,
            "lunexec: %s takes no argument \"%s\"; settings are environment variables, see "
            "lunexec settings\n",
            command, argument);
    return 2;
}

static bool asks_for_help(int argc, char **argv)
{
    return argc > 1 && (lx_streq(argv[1], "--help") || lx_streq(argv[1], "-h"));
}

static int run_command(int argc, char **argv)
{
    struct lx_env env = environment();
    if (asks_for_help(argc, argv))
        return print_settings(false);
    return argc > 1 ? wrong_use("run", argv[1]) : lx_run_main(&env);
}

static int validate_command(int argc, char **argv)
{
    struct lx_env env = environment();
    if (asks_for_help(argc, argv))
        return print_settings(false);
    return argc > 1 ? wrong_use("validate", argv[1]) : lx_validate_main(&env);
}

static int settings_command(int argc, char **argv)
{
    bool markdown = argc > 1 && lx_streq(argv[1], "--markdown");
    if (argc > (markdown ? 2 : 1) && !asks_for_help(argc, argv))
        return wrong_use("settings", argv[markdown ? 2 : 1]);
    return print_settings(markdown);
}

static int policy_command(int argc, char **argv)
{
    struct lx_env env = environment();
    return lx_policy_main(&env, argc, argv);
}

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("lunexec " LX_VERSION);
    return 0;
}

static int help_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs(usage, stdout);
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {
    {"run", run_command},
    {"validate", validate_command},
    {"settings", settings_command},
    {"policy", policy_command},
    {"try", lx_try_main},
    {"version", version_command},
    {"--version", version_command},
    {"help", help_command},
    {"--help", help_command},
    {"-h", help_command},
    {"frontend-stand-in", lx_frontend_main},
    {"cluster-stand-in", lx_cluster_main},
};

/* A missing standard descriptor would be given to the next socket, and what is written for people
 * would go there. */
static bool complete_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct lx_err err;
    if (!complete_descriptors())
        return 1;
    if (lx_restrict_dumps(&err) < 0)
        fprintf(stderr, "lunexec: warning: a core dump may hold secrets: %s\n", err.text);
    lx_json_wipe_freed();
    char run_name[] = "run", *run_argv[] = {run_name, NULL};
    for (char *const *env = environ; *env; env++) {
        if (lx_streq(*env, "SANITY_CHECK=true"))
            return 0;
    }
    if (argc < 2)
        return run_command(1, run_argv);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (lx_streq(argv[1], commands[i].name))
            return commands[i].fn(argc - 1, argv + 1);
    }
    fprintf(stderr, "lunexec: unknown command \"%s\"\n\n%s", argv[1], usage);
    return 1;
}
