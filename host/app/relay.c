#include "app/relay.h"

#include "app/families.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

#define SCRAPE_TIMEOUT_MS 2000
#define ANSWER_MAX ((size_t)2 * 1024 * 1024)
/* More frequent expositions than heartbeats, as by a Prometheus server, scrape no more often. */
#define SCRAPE_PAUSE_MS 4000
#define TARGETS 3

struct target {
    struct lx_relay *relay;
    char *url; /* NULL: none */
    const char *label;
    struct lx_http_call *call;
    struct lx_buf text;
    bool failing;
};

struct lx_relay {
    struct lx_relay_opts opts;
    struct target targets[TARGETS];
    uint64_t next_ms;
};

static void on_answer(void *arg, const struct lx_http_result *result)
{
    struct target *target = arg;
    bool ok = result->reach == LX_HTTP_ANSWERED && result->status == 200;
    target->call = NULL;
    lx_buf_reset(&target->text);
    if (ok)
        ok = lx_buf_add(&target->text, result->body, result->body_len, NULL) == 0;
    if (!ok && !target->failing)
        lx_log(target->relay->opts.log, LX_LOG_WARN, "metrics of an exporter cannot be relayed",
               LX_STR("url", target->url), LX_INT("status", result->status),
               LX_STR("error", result->reach == LX_HTTP_ANSWERED ? NULL : result->err.text));
    target->failing = !ok;
}

static void scrape(struct lx_relay *relay)
{
    for (size_t i = 0; i < TARGETS; i++) {
        struct target *target = &relay->targets[i];
        struct lx_http_req req = {
            .url = target->url,
            .timeout_ms = SCRAPE_TIMEOUT_MS,
            .max_body = ANSWER_MAX,
            .on_done = on_answer,
            .arg = target,
        };
        struct lx_err err;
        if (!target->url || target->call)
            continue;
        if (lx_http_start(relay->opts.http, &req, &target->call, &err) < 0) {
            target->call = NULL;
            lx_log(relay->opts.log, LX_LOG_WARN, "metrics of an exporter cannot be relayed",
                   LX_STR("url", target->url), LX_ERR(&err));
        }
    }
    relay->next_ms = lx_now_ms() + SCRAPE_PAUSE_MS;
}

static int on_expose(void *arg, struct lx_buf *out, struct lx_err *err)
{
    struct lx_relay *relay = arg;
    struct lx_families *families = lx_families_new();
    for (size_t i = 0; i < TARGETS; i++) {
        const struct target *target = &relay->targets[i];
        lx_families_add(families, target->text.data, target->text.len, target->label);
    }
    int rc = lx_families_write(families, out, err);
    lx_families_free(families);
    if (lx_now_ms() >= relay->next_ms)
        scrape(relay);
    return rc;
}

/* The base without what is often left in it by mistake (operations 8), and the path. */
static char *target_url(const char *base, const char *mistake, const char *path)
{
    if (!base)
        return NULL;
    lx_auto(str) char *trimmed = lx_strdup(base);
    size_t len = strlen(trimmed);
    while (len > 0 && trimmed[len - 1] == '/')
        trimmed[--len] = '\0';
    if (lx_ends_with(trimmed, mistake))
        trimmed[len - strlen(mistake)] = '\0';
    return lx_strf("%s%s", trimmed, path);
}

struct lx_relay *lx_relay_new(const struct lx_relay_opts *opts)
{
    static const char registry[] = "sg_instance=\"docker-registry\"";
    struct lx_relay *relay = lx_alloc(sizeof *relay);
    relay->opts = *opts;
    const struct target targets[TARGETS] = {
        {.url = target_url(opts->node_url, "/metrics", "/metrics")},
        {.url = target_url(opts->registry_url, "/proxy", "/proxy?module=registry"),
         .label = registry},
        {.url = target_url(opts->registry_url, "/proxy", "/proxy?module=node"), .label = registry},
    };
    for (size_t i = 0; i < TARGETS; i++) {
        relay->targets[i] = targets[i];
        relay->targets[i].relay = relay;
        lx_buf_init(&relay->targets[i].text, ANSWER_MAX);
    }
    lx_metrics_on_expose(opts->metrics, on_expose, relay);
    scrape(relay);
    return relay;
}

void lx_relay_free(struct lx_relay *relay)
{
    if (!relay)
        return;
    for (size_t i = 0; i < TARGETS; i++) {
        lx_http_cancel(relay->targets[i].call);
        free(relay->targets[i].url);
        lx_buf_done(&relay->targets[i].text);
    }
    free(relay);
}
