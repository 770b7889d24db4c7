/*
 * Local mode: stand-ins for the Sourcegraph frontend and the Kubernetes API, in processes of
 * their own, and the front that a person sees.
 */
#ifndef LUNEXEC_LOCAL_H
#define LUNEXEC_LOCAL_H

/* `lunexec try [--job FILE --repo DIR] [--policy DIR] [--keep]`; argv[0] is "try". Returns the
 * exit status: 0 only if the frontend saw the job completed with a step result; 1 otherwise;
 * 2 for wrong usage. */
int lx_try_main(int argc, char **argv);

/* Hidden subcommands that `try` and the tests start: serve until standard input closes, after
 * printing "listening on PORT" on standard output. Return the exit status. */
int lx_frontend_main(int argc, char **argv);
int lx_cluster_main(int argc, char **argv);

#endif
