/*
 * Watches: replay from a resourceVersion, then live changes, bookmarks, 410 for what is too old.
 * Errors after the head are ERROR events in a 200 answer, as the API server's watch cache does.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

#define BOOKMARK_MS 10000

struct watcher {
    struct lx_list link;
    struct lx_cluster *c;
    struct lx_httpd_req *req;
    enum lx_kind_id kind;
    char *ns;
    struct lx_selector *selector;
    struct lx_timer *end, *bookmark;
};

static void watcher_free(struct watcher *w)
{
    lx_list_remove(&w->link);
    lx_timer_free(w->end);
    lx_timer_free(w->bookmark);
    lx_selector_free(w->selector);
    free(w->ns);
    free(w);
}

static void end_watch(void *arg)
{
    struct watcher *w = arg;
    lx_httpd_stream_end(w->req);
    watcher_free(w);
}

static void on_close(void *arg)
{
    watcher_free(arg);
}

static bool send_text(struct watcher *w, const char *text)
{
    if (lx_httpd_stream_write(w->req, text, strlen(text), NULL) == 0)
        return true;
    end_watch(w);
    return false;
}

static bool wants(const struct watcher *w, enum lx_kind_id kind, const char *ns,
                  const json_t *labels)
{
    return w->kind == kind && lx_streq(w->ns, ns) && lx_selector_match(w->selector, labels);
}

void lx_feed_tell(struct lx_cluster *c, const struct lx_change *change)
{
    lx_list_each (it, &c->watchers) {
        struct watcher *w = lx_container_of(it, struct watcher, link);
        if (wants(w, change->kind, change->ns, change->labels))
            (void)send_text(w, change->text);
    }
}

void lx_feed_stop(struct lx_cluster *c)
{
    lx_list_each (it, &c->watchers)
        end_watch(lx_container_of(it, struct watcher, link));
}

static void send_bookmark(void *arg)
{
    struct watcher *w = arg;
    const struct lx_kind *kind = &lx_local_kinds[w->kind];
    lx_auto(str) char *text =
        lx_strf("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
                "\"metadata\":{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null}}}\n",
                kind->kind, kind->api_version, (unsigned long long)w->c->rv);
    (void)send_text(w, text);
}

static bool send_existing(struct watcher *w)
{
    lx_list_each (it, &w->c->objects) {
        const struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (!wants(w, obj->kind, obj->ns, lx_json_obj(lx_meta(obj), "labels")))
            continue;
        lx_auto(str) char *object = lx_json_text(obj->json);
        lx_auto(str) char *text = lx_strf("{\"type\":\"ADDED\",\"object\":%s}\n", object);
        if (!send_text(w, text))
            return false;
    }
    return true;
}

static bool send_since(struct watcher *w, uint64_t rv)
{
    struct lx_cluster *c = w->c;
    uint64_t oldest = c->n_history ? c->history[c->oldest].rv : c->rv + 1;
    if (c->knobs.watch_gone || rv + 1 < oldest || rv > c->rv) {
        c->knobs.watch_gone = false;
        lx_auto(json) json_t *status = lx_status_gone(rv, oldest);
        lx_auto(str) char *object = lx_json_text(status);
        lx_auto(str) char *text = lx_strf("{\"type\":\"ERROR\",\"object\":%s}\n", object);
        if (send_text(w, text))
            end_watch(w);
        return false;
    }
    for (size_t i = 0; i < c->n_history; i++) {
        const struct lx_change *change = &c->history[(c->oldest + i) % LX_HISTORY];
        if (change->rv > rv && wants(w, change->kind, change->ns, change->labels) &&
            !send_text(w, change->text))
            return false;
    }
    return true;
}

/* The server's own timeout and the test's cut: whichever comes first. */
static void arm(struct watcher *w)
{
    const char *timeout = lx_httpd_query(w->req, "timeoutSeconds");
    uint64_t seconds = 0, after = w->c->knobs.watch_cut_ms;
    if (timeout && lx_parse_u64(timeout, &seconds) == 0 && seconds &&
        (!after || seconds * 1000 < after))
        after = seconds * 1000;
    if (after) {
        w->end = lx_timer_new(w->c->loop, end_watch, w);
        lx_timer_start(w->end, after, 0);
    }
    if (lx_streq(lx_httpd_query(w->req, "allowWatchBookmarks"), "true")) {
        uint64_t every = w->c->knobs.bookmark_ms ? w->c->knobs.bookmark_ms : BOOKMARK_MS;
        w->bookmark = lx_timer_new(w->c->loop, send_bookmark, w);
        lx_timer_start(w->bookmark, every, every);
    }
}

void lx_feed_serve(struct lx_cluster *c, struct lx_httpd_req *req, enum lx_kind_id kind,
                   const char *ns)
{
    static const char *const head[] = {"Content-Type: application/json", NULL};
    struct lx_err err = {0};
    uint64_t rv = 0;
    const char *from = lx_httpd_query(req, "resourceVersion");
    struct lx_selector *selector = NULL;
    if (lx_selector_parse(lx_httpd_query(req, "labelSelector"), &selector, &err)) {
        lx_status_reply(c, req, 400, "BadRequest", err.text, kind, NULL);
        return;
    }
    if (from && *from && lx_parse_u64(from, &rv)) {
        lx_selector_free(selector);
        lx_status_reply(c, req, 400, "BadRequest", "invalid resource version", kind, NULL);
        return;
    }
    struct watcher *w = lx_alloc(sizeof *w);
    w->c = c;
    w->req = req;
    w->kind = kind;
    w->ns = lx_strdup(ns);
    w->selector = selector;
    lx_list_init(&w->link);
    lx_list_push(&c->watchers, &w->link);
    lx_serve_note(c->serve, req, 200);
    lx_httpd_stream_begin(req, 200, head, on_close, w);
    if (rv ? send_since(w, rv) : send_existing(w))
        arm(w);
}
