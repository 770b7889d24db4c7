/*
 * Local mode: stand-ins for the Sourcegraph frontend and the Kubernetes API, in processes of
 * their own, and the front that a person sees (docs/local-mode.md).
 */
#ifndef LUNEXEC_LOCAL_H
#define LUNEXEC_LOCAL_H

/* `lunexec try [--spec FILE | --job FILE] [--repo DIR] [--files DIR] [--policy DIR] [--keep]
 * [--verbose]`; argv[0] is "try". Starts this same program three times: both stand-ins, and `run`.
 * Returns the exit status: 0 only if the frontend saw the job completed with a step result and no
 * breach of the contract; 1 otherwise; 2 for wrong usage. */
int lx_try_main(int argc, char **argv);

/* Hidden subcommands that `try` and the tests start: serve on loopback after printing
 * "listening on PORT" on standard output, until SIGTERM, SIGINT, or the end of standard input if
 * that is a pipe or a socket. Return the exit status, 1 when they cannot serve. */

/* [--port N] [--password P] [--queue Q] [--job FILE|DIR]... [--repo NAME=DIR]... [--files DIR]
 * [--record FILE] [--stall-ms N] */
int lx_frontend_main(int argc, char **argv);
/* --root DIR [--port N] [--token T] [--tools DIR] [--rbac] [--keep] [--bwrap PATH] [--record FILE]
 */
int lx_cluster_main(int argc, char **argv);

#endif
