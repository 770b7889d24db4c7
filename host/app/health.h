/*
 * /metrics, /healthz, /ready and /policy. /healthz says that the loop turns, whatever the frontend
 * does: a liveness probe on it must not restart an executor that waits for its frontend.
 */
#ifndef LX_APP_HEALTH_H
#define LX_APP_HEALTH_H

#include "lunexec/httpd.h"
#include "lunexec/json.h"
#include "lunexec/metrics.h"

struct lx_health;

/* The parts of "host:port", "[IPv6 address]:port" or ":port", whose host is "", which free()
 * releases; else LX_E_INVALID, whose text says what is expected. */
int lx_health_address(const char *address, char **ret_host, unsigned *ret_port, struct lx_err *err);

/* Listens on `address`, as above. `metrics` is borrowed. LX_E_INVALID, or as lx_httpd_new. */
int lx_health_new(struct lx_loop *loop, const char *address, struct lx_metrics *metrics,
                  struct lx_health **ret_health, struct lx_err *err);
void lx_health_free(struct lx_health *health);

/* What /policy says: `status` is called with `arg` for each request and returns an object, which is
 * freed. NULL, as before the first call: 404. */
void lx_health_set_policy(struct lx_health *health, json_t *(*status)(void *arg), void *arg);

/* What /ready says: 200 while jobs are taken, 503 before and when draining. NULL is accepted. */
void lx_health_set_ready(struct lx_health *health, bool ready);

#endif
