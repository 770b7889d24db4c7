#include "cluster.h"

#include "lunexec/file.h"
#include "lunexec/local.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

static void on_request(void *arg, struct lx_httpd_req *req)
{
    lx_cluster_request(arg, req);
}

static void set_number(const json_t *body, const char *key, uint64_t *value)
{
    const json_t *given = json_object_get(body, key);
    if (json_is_integer(given))
        *value = (uint64_t)json_integer_value(given);
}

static int on_control(void *arg, const char *verb, const json_t *body, struct lx_err *err)
{
    struct lx_cluster *c = arg;
    struct lx_knobs *knobs = &c->knobs;
    if (lx_streq(verb, "cut-watches")) {
        lx_feed_stop(c);
        return 0;
    }
    if (!lx_streq(verb, "set"))
        return lx_fail(err, LX_E_INVALID, "unknown control verb %s", verb);
    set_number(body, "watch_cut_ms", &knobs->watch_cut_ms);
    set_number(body, "bookmark_ms", &knobs->bookmark_ms);
    set_number(body, "log_cut_ms", &knobs->log_cut_ms);
    set_number(body, "log_cut_bytes", &knobs->log_cut_bytes);
    set_number(body, "schedule_delay_ms", &knobs->schedule_delay_ms);
    set_number(body, "pull_delay_ms", &knobs->pull_delay_ms);
    knobs->watch_gone = lx_json_bool(body, "watch_gone", knobs->watch_gone);
    if (json_object_get(body, "pull_fail")) {
        free(knobs->pull_fail);
        knobs->pull_fail = lx_strdup(lx_json_str(body, "pull_fail", NULL));
    }
    return 0;
}

static int options(struct lx_cluster *c, int argc, char **argv, struct lx_serve_opts *opts,
                   struct lx_err *err)
{
    enum { PORT = 1, TOKEN, ROOT, TOOLS, RECORD, RBAC, BWRAP, KEEP };
    static const struct option table[] = {{"port", required_argument, NULL, PORT},
                                          {"token", required_argument, NULL, TOKEN},
                                          {"root", required_argument, NULL, ROOT},
                                          {"tools", required_argument, NULL, TOOLS},
                                          {"record", required_argument, NULL, RECORD},
                                          {"bwrap", required_argument, NULL, BWRAP},
                                          {"rbac", no_argument, NULL, RBAC},
                                          {"keep", no_argument, NULL, KEEP},
                                          {0}};
    char **texts[] = {
        [TOKEN] = &c->token, [ROOT] = &c->root, [TOOLS] = &c->tools, [BWRAP] = &c->bwrap};
    uint64_t port = 0;
    int o;
    optind = 0;
    while ((o = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (o == RBAC) {
            c->rbac = true;
        } else if (o == KEEP) {
            c->keep = true;
        } else if (o == RECORD) {
            opts->record = optarg;
        } else if (o == PORT) {
            if (lx_parse_u64(optarg, &port) || port > 65535)
                return lx_fail(err, LX_E_INVALID, "--port takes a number up to 65535");
        } else if (o == '?') {
            return lx_fail(err, LX_E_INVALID, "unknown option");
        } else {
            free(*texts[o]);
            *texts[o] = lx_strdup(optarg);
        }
    }
    opts->port = (unsigned)port;
    if (!c->root)
        return lx_fail(err, LX_E_INVALID, "--root DIR is required");
    return lx_mkdirs(c->root, 0700, err);
}

static void done(struct lx_cluster *c)
{
    if (c->by_key) {
        lx_feed_stop(c);
        lx_later_stop(c);
        lx_store_done(c);
        lx_later_stop(c);
    }
    lx_serve_free(c->serve);
    lx_loop_free(c->loop);
    lx_orphans_kill();
    free(c->token);
    free(c->root);
    free(c->tools);
    free(c->bwrap);
    free(c->knobs.pull_fail);
}

int lx_cluster_main(int argc, char **argv)
{
    struct lx_err err = {0};
    struct lx_cluster c = {0};
    struct lx_serve_opts opts = {
        .name = "cluster stand-in", .on_request = on_request, .on_control = on_control, .arg = &c};
    c.bwrap = lx_strdup("/usr/bin/bwrap");
    int rc = options(&c, argc, argv, &opts, &err);
    if (rc == 0)
        rc = lx_orphans_adopt(&err);
    if (rc == 0)
        rc = lx_loop_new(&c.loop, &err);
    if (rc == 0) {
        lx_store_init(&c);
        rc = lx_ctr_probe(&c, &err);
    }
    if (rc == 0)
        rc = lx_serve_new(c.loop, &opts, &c.serve, &err);
    if (rc == 0)
        rc = lx_serve_run(c.serve, &err);
    if (rc)
        fprintf(stderr, "lunexec: cluster stand-in: %s\n", err.text);
    done(&c);
    return rc ? 1 : 0;
}
