/*
 * Relays the metrics of exporters beside the executor in its own exposition (contract 10).
 */
#ifndef LX_APP_RELAY_H
#define LX_APP_RELAY_H

#include "lunexec/http.h"
#include "lunexec/log.h"
#include "lunexec/metrics.h"

struct lx_relay_opts {
    struct lx_loop *loop;
    struct lx_http *http;
    struct lx_log *log;
    struct lx_metrics *metrics;
    const char *node_url;     /* NODE_EXPORTER_URL; NULL: none */
    const char *registry_url; /* DOCKER_REGISTRY_NODE_EXPORTER_URL; NULL: none */
};

struct lx_relay;

/* Scrapes at once, and again after each exposition, so that none waits for a scrape: what an
 * exposition shows was read after the one before it. A scrape has 2 s; one that fails shows nothing
 * and is logged once. The registry's samples get the label sg_instance="docker-registry". The
 * registry keeps a pointer to it: no exposition after it is freed. */
struct lx_relay *lx_relay_new(const struct lx_relay_opts *opts);
void lx_relay_free(struct lx_relay *relay);

#endif
