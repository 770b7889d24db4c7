/*
 * A reverse proxy on 127.0.0.1 through which git reaches the frontend. It adds the job's
 * credentials, so that git itself never has them: not in its arguments, not in its environment,
 * not in the repository's configuration (contract 5.1).
 */
#ifndef LX_JOB_GITPROXY_H
#define LX_JOB_GITPROXY_H

#include "lunexec/executor.h"
#include "lunexec/queue.h"

struct lx_gitproxy;

/* Listens on a free port. `opts` and `job` are borrowed. */
int lx_gitproxy_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    struct lx_gitproxy **ret_proxy, struct lx_err *err);
/* Ends what is underway. Not from one of its own callbacks. */
void lx_gitproxy_free(struct lx_gitproxy *proxy);

/* "http://127.0.0.1:PORT/<repositoryName>". free(). */
char *lx_gitproxy_url(const struct lx_gitproxy *proxy);

#endif
