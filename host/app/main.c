/*
 * The command line.
 */
#include "app/run.h"
#include "app/settings.h"
#include "lunexec/local.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_MAX ((size_t)1024 * 1024)

static const char usage[] =
    "usage: lunexec [COMMAND]\n"
    "\n"
    "  run        take jobs from Sourcegraph and run them as Kubernetes Jobs (the default)\n"
    "  try        run an example job end to end on this machine; see lunexec try --help\n"
    "  version    print the version\n"
    "  help       print this; `lunexec run --help` lists the settings\n";

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

static int run_command(int argc, char **argv)
{
    if (argc > 1 && (lx_streq(argv[1], "--help") || lx_streq(argv[1], "-h")))
        return print_settings(argc > 2 && lx_streq(argv[2], "--markdown"));
    if (argc > 1) {
        fprintf(stderr,
                "lunexec: run takes no argument \"%s\"; settings are environment variables, "
                "see lunexec run --help\n",
                argv[1]);
        return 2;
    }
    return lx_run_main(environ);
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
    {"try", lx_try_main},
    {"version", version_command},
    {"--version", version_command},
    {"help", help_command},
    {"--help", help_command},
    {"-h", help_command},
    {"frontend-stand-in", lx_frontend_main},
    {"cluster-stand-in", lx_cluster_main},
};

int main(int argc, char **argv)
{
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
