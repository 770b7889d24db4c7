#include "frontend.h"

#include "lunexec/clock.h"
#include "lunexec/local.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STALL_MS 25000

void lx_frontend_violation(struct lx_frontend *fe, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    lx_serve_event(fe->serve, "violation", json_pack("{s:s}", "text", text));
}

/* ---- routes ---- */

/* "<queue>/<verb>" under /.executors/queue/. */
static void route_queue(struct lx_frontend *fe, struct lx_httpd_req *req, const char *rest)
{
    const char *slash = strchr(rest, '/');
    lx_auto(str) char *queue = lx_strndup(rest, slash ? (size_t)(slash - rest) : strlen(rest));
    const char *verb = slash ? slash + 1 : "";
    if (!lx_streq(queue, "batches") && !lx_streq(queue, "codeintel"))
        verb = "";
    if (!lx_streq(lx_httpd_method(req), "POST"))
        lx_serve_reply_text(fe->serve, req, 405, "");
    else if (lx_streq(verb, "dequeue"))
        lx_frontend_dequeue(fe, req, queue);
    else if (lx_streq(verb, "heartbeat"))
        lx_frontend_heartbeat(fe, req, queue);
    else if (lx_streq(verb, "addExecutionLogEntry"))
        lx_frontend_add_entry(fe, req, queue);
    else if (lx_streq(verb, "updateExecutionLogEntry"))
        lx_frontend_update_entry(fe, req, queue);
    else if (lx_streq(verb, "markComplete"))
        lx_frontend_mark(fe, req, queue, "complete");
    else if (lx_streq(verb, "markErrored"))
        lx_frontend_mark(fe, req, queue, "errored");
    else if (lx_streq(verb, "markFailed"))
        lx_frontend_mark(fe, req, queue, "failed");
    else
        lx_serve_reply_text(fe->serve, req, 404, "404 page not found");
}

static const char *after(const char *path, const char *prefix)
{
    return lx_starts_with(path, prefix) ? path + strlen(prefix) : NULL;
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    struct lx_frontend *fe = arg;
    const char *path = lx_httpd_path(req), *rest;
    if ((rest = after(path, "/.executors/git/"))) {
        lx_frontend_git(fe, req, rest);
        return;
    }
    if (lx_starts_with(path, "/.executors/"))
        lx_frontend_check_headers(fe, req);
    if ((rest = after(path, "/.executors/queue/"))) {
        route_queue(fe, req, rest);
    } else if ((rest = after(path, "/.executors/files/"))) {
        lx_frontend_file(fe, req, rest);
    } else if (lx_streq(path, "/.executors/test/auth")) {
        if (lx_frontend_executor_ok(fe, req))
            lx_serve_reply_text(fe->serve, req, 200, "ok");
    } else {
        lx_frontend_violation(fe, "%s %s: no such endpoint", lx_httpd_method(req), path);
        lx_serve_reply_text(fe->serve, req, 404, "404 page not found");
    }
}

/* ---- control (tests) ---- */

static int on_control(void *arg, const char *verb, const json_t *body, struct lx_err *err)
{
    struct lx_frontend *fe = arg;
    if (lx_streq(verb, "job"))
        return lx_record_add(fe, lx_json_str(body, "queue", "batches"),
                             lx_json_obj(body, "payload"), err);
    if (lx_streq(verb, "stall")) {
        fe->stall_ms = (uint64_t)lx_json_int(body, "ms", STALL_MS);
        return 0;
    }
    struct lx_record *record = lx_record_find(fe, lx_json_int(body, "id", -1));
    if (!record)
        return lx_fail(err, LX_E_NOT_FOUND, "no such job");
    if (lx_streq(verb, "cancel")) {
        record->cancel = true;
        return 0;
    }
    if (lx_streq(verb, "forget")) { /* as if somebody else had finished it */
        record->state = LX_RECORD_FAILED;
        return 0;
    }
    return lx_fail(err, LX_E_INVALID, "unknown control verb %s", verb);
}

/* A record whose executor went silent goes back to the queue (contract 1.1). */
static void reset_stalled(void *arg)
{
    struct lx_frontend *fe = arg;
    lx_list_each (it, &fe->records) {
        struct lx_record *record = lx_container_of(it, struct lx_record, link);
        if (record->state != LX_RECORD_PROCESSING || lx_now_ms() - record->beat_ms < fe->stall_ms)
            continue;
        record->state = LX_RECORD_QUEUED;
        if (!record->fixed_token)
            record->token[0] = '\0';
        lx_serve_event(fe->serve, "stalled", json_pack("{s:I}", "id", (json_int_t)record->id));
    }
}

/* ---- life ---- */

static int add_repo(struct lx_frontend *fe, const char *spec, struct lx_err *err)
{
    const char *equals = strchr(spec, '=');
    if (!equals)
        return lx_fail(err, LX_E_INVALID, "--repo takes NAME=DIR");
    struct lx_repo *repo = lx_alloc(sizeof *repo);
    lx_list_init(&repo->link);
    repo->name = lx_strndup(spec, (size_t)(equals - spec));
    repo->dir = lx_strdup(equals + 1);
    lx_list_push(&fe->repos, &repo->link);
    return 0;
}

static int options(struct lx_frontend *fe, int argc, char **argv, struct lx_serve_opts *opts,
                   struct lx_err *err)
{
    enum { PORT = 1, PASSWORD, JOB, REPO, RECORD, FILES, QUEUE, STALL };
    static const struct option table[] = {{"port", required_argument, NULL, PORT},
                                          {"password", required_argument, NULL, PASSWORD},
                                          {"job", required_argument, NULL, JOB},
                                          {"repo", required_argument, NULL, REPO},
                                          {"record", required_argument, NULL, RECORD},
                                          {"files", required_argument, NULL, FILES},
                                          {"queue", required_argument, NULL, QUEUE},
                                          {"stall-ms", required_argument, NULL, STALL},
                                          {0}};
    const char *queue = "batches";
    uint64_t port = 0;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == PORT)
            rc = lx_parse_u64(optarg, &port);
        else if (c == PASSWORD)
            (free(fe->password), fe->password = lx_strdup(optarg));
        else if (c == JOB)
            rc = lx_record_load(fe, queue, optarg, err);
        else if (c == REPO)
            rc = add_repo(fe, optarg, err);
        else if (c == RECORD)
            opts->record = optarg;
        else if (c == FILES)
            (free(fe->files_dir), fe->files_dir = lx_strdup(optarg));
        else if (c == QUEUE)
            queue = optarg;
        else if (c == STALL)
            rc = lx_parse_u64(optarg, &fe->stall_ms);
        else
            return lx_fail(err, LX_E_INVALID, "unknown option");
    }
    opts->port = (unsigned)port;
    if (rc && !*err->text)
        return lx_fail(err, LX_E_INVALID, "an option's value is not a number");
    return rc;
}

static void done(struct lx_frontend *fe)
{
    lx_frontend_git_stop(fe);
    lx_serve_free(fe->serve);
    lx_timer_free(fe->stall_timer);
    lx_list_each (it, &fe->records)
        lx_record_free(lx_container_of(it, struct lx_record, link));
    lx_list_each (rt, &fe->repos) {
        struct lx_repo *repo = lx_container_of(rt, struct lx_repo, link);
        lx_list_remove(&repo->link);
        free(repo->name);
        free(repo->dir);
        free(repo);
    }
    lx_map_free(fe->executors);
    lx_loop_free(fe->loop);
    free(fe->password);
    free(fe->files_dir);
}

int lx_frontend_main(int argc, char **argv)
{
    struct lx_err err = {0};
    struct lx_frontend fe = {.stall_ms = STALL_MS, .next_id = 1};
    struct lx_serve_opts opts = {.name = "frontend stand-in",
                                 .on_request = on_request,
                                 .on_control = on_control,
                                 .arg = &fe};
    lx_list_init(&fe.records);
    lx_list_init(&fe.repos);
    lx_list_init(&fe.git_runs);
    fe.password = lx_strdup("password");
    fe.executors = lx_map_new(10000, NULL);
    int rc = options(&fe, argc, argv, &opts, &err);
    if (rc == 0)
        rc = lx_loop_new(&fe.loop, &err);
    if (rc == 0)
        rc = lx_serve_new(fe.loop, &opts, &fe.serve, &err);
    if (rc == 0) {
        fe.stall_timer = lx_timer_new(fe.loop, reset_stalled, &fe);
        lx_timer_start(fe.stall_timer, 500, 500);
        rc = lx_serve_run(fe.serve, &err);
    }
    if (rc)
        fprintf(stderr, "lunexec: frontend stand-in: %s\n", err.text);
    done(&fe);
    return rc ? 1 : 0;
}
