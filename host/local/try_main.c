#include "try.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/local.h"
#include "lunexec/text.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TICK_MS 40
#define EXIT_MS 15000 /* for the executor to end after its one job */

static const char usage[] =
    "usage: lunexec try [--spec FILE | --job FILE] [--repo DIR] [--policy DIR] [--keep] "
    "[--verbose]\n"
    "\n"
    "Runs one job end to end on this machine, without Sourcegraph and without Kubernetes: the "
    "real\n"
    "executor between a stand-in frontend and a stand-in cluster. With no options it runs a "
    "bundled\n"
    "batch change of two steps.\n"
    "\n"
    "  --spec FILE    a batch spec; its steps are run in --repo\n"
    "  --job FILE     a job payload as the server sends it (JSON, version 1 or 2)\n"
    "  --repo DIR     the git repository that the job clones (its HEAD, unless the job says which\n"
    "                 commit); it is only read\n"
    "  --files DIR    workspace files of the job, as DIR/<spec>/<file>\n"
    "  --policy DIR   use this policy instead of the default one\n"
    "  --keep         keep the workspace and the records, and say where they are\n"
    "  --verbose      show all output, and the executor's own log\n"
    "\n"
    "Containers are sandboxes (bubblewrap) on this machine's own programs, read-only; images are\n"
    "not pulled, so a step finds what is installed here, whatever its image.\n";

/* 0: go on; 1: help was shown; 2: wrong usage. */
static int options(struct lx_try *t, int argc, char **argv)
{
    enum { SPEC = 1, JOB, REPO, FILES, POLICY, KEEP, VERBOSE, HELP };
    static const struct option table[] = {{"spec", required_argument, NULL, SPEC},
                                          {"job", required_argument, NULL, JOB},
                                          {"repo", required_argument, NULL, REPO},
                                          {"files", required_argument, NULL, FILES},
                                          {"policy", required_argument, NULL, POLICY},
                                          {"keep", no_argument, NULL, KEEP},
                                          {"verbose", no_argument, NULL, VERBOSE},
                                          {"help", no_argument, NULL, HELP},
                                          {0}};
    const char **texts[] = {[SPEC] = &t->spec_file,
                            [JOB] = &t->job_file,
                            [REPO] = &t->repo_dir,
                            [FILES] = &t->files_dir,
                            [POLICY] = &t->policy_dir};
    const char *wrong = NULL;
    int o;
    optind = 0;
    while ((o = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        if (o == KEEP)
            t->keep = true;
        else if (o == VERBOSE)
            t->verbose = true;
        else if (o == HELP || o == 'h') {
            fputs(usage, stdout);
            return 1;
        } else if (o == '?')
            return 2;
        else
            *texts[o] = optarg;
    }
    if (optind < argc)
        wrong = "it takes no arguments, only options";
    else if (t->job_file && t->spec_file)
        wrong = "--job and --spec exclude each other";
    else if (t->job_file && !t->repo_dir)
        wrong = "--job needs --repo DIR, the repository that the job clones";
    if (wrong)
        fprintf(stderr, "lunexec: try: %s; see lunexec try --help\n", wrong);
    return wrong ? 2 : 0;
}

static bool no_colour(void)
{
    for (char *const *pair = environ; *pair; pair++) {
        if ((lx_starts_with(*pair, "NO_COLOR=") && (*pair)[9]) || lx_streq(*pair, "TERM=dumb"))
            return true;
    }
    return false;
}

static void on_signal(void *arg, int signum)
{
    struct lx_try *t = arg;
    (void)signum;
    t->interrupted = true;
    lx_loop_stop(t->loop);
}

static bool over(const struct lx_try *t)
{
    return t->interrupted || t->executor.ended || t->frontend.ended || t->cluster.ended;
}

static void on_tick(void *arg)
{
    struct lx_try *t = arg;
    lx_try_follow(t);
}

/* Until the executor has ended by itself, which it does after one job. */
static void watch(struct lx_try *t)
{
    uint64_t marked_ms = 0;
    while (!over(t)) {
        const bool never = false;
        (void)lx_loop_run_until(t->loop, &never, 200, NULL);
        if (t->marked && !marked_ms)
            marked_ms = lx_now_ms();
        if (marked_ms && lx_now_ms() - marked_ms > EXIT_MS)
            break;
    }
    lx_try_follow(t);
}

static int run(struct lx_try *t, struct lx_err *err)
{
    size_t steps;
    if (lx_loop_new(&t->loop, err) || lx_signal_new(t->loop, SIGINT, on_signal, t, &t->intr, err) ||
        lx_signal_new(t->loop, SIGTERM, on_signal, t, &t->term, err) || lx_try_setup(t, err))
        return -1;
    steps = json_array_size(lx_json_arr(t->payload, "dockerSteps"));
    printf("lunexec try: %s, %zu containers after the setup\n"
           "Containers are sandboxes on this machine's own programs; images are not pulled.\n\n",
           t->job_file    ? t->job_file
           : t->spec_file ? t->spec_file
                          : "the bundled batch change of two steps",
           steps);
    (void)fflush(stdout);
    if (lx_try_start_standins(t, err) || lx_try_follow_start(t, err))
        return -1;
    lx_try_say(t, "stand-ins listen: frontend on port %u, Kubernetes API on port %u",
               t->frontend.port, t->cluster.port);
    t->tick = lx_timer_new(t->loop, on_tick, t);
    lx_timer_start(t->tick, TICK_MS, TICK_MS);
    if (lx_try_start_executor(t, err))
        return -1;
    lx_try_say(t, "executor started");
    watch(t);
    return 0;
}

static void done(struct lx_try *t)
{
    lx_timer_free(t->tick);
    lx_try_stop(t);
    lx_try_follow_done(t);
    lx_signal_free(t->intr);
    lx_signal_free(t->term);
    if (t->dir && t->keep)
        printf("kept: %s\n", t->dir);
    else if (t->dir)
        (void)lx_remove_tree(t->dir, NULL);
    lx_loop_free(t->loop);
    struct lx_try_part *parts[] = {&t->executor, &t->cluster, &t->frontend};
    for (size_t i = 0; i < 3; i++) {
        lx_buf_done(&parts[i]->said);
        lx_buf_done(&parts[i]->out);
    }
    json_decref(t->payload);
    json_decref(t->marked);
    json_decref(t->violations);
    json_decref(t->pending);
    free(t->self);
    free(t->dir);
    free(t->repo);
    free(t->repo_name);
    free(t->commit);
}

int lx_try_main(int argc, char **argv)
{
    struct lx_err err = {0};
    struct lx_try t = {.record_fd = -1, .cluster_fd = -1};
    int rc = options(&t, argc, argv);
    if (rc)
        return rc == 1 ? 0 : 2;
    t.started_ms = lx_now_ms();
    t.colour = isatty(STDOUT_FILENO) && !no_colour();
    t.violations = json_array();
    t.pending = json_array();
    lx_list_init(&t.entries);
    if (run(&t, &err)) {
        if (!t.interrupted)
            fprintf(stderr, "lunexec: try: %s\n", err.text);
        rc = 1;
    } else {
        rc = lx_try_report(&t);
    }
    done(&t);
    return rc;
}
