#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <string.h>

#define MAX_OBJECTS 100000

static char *key_of(enum lx_kind_id kind, const char *ns, const char *name)
{
    return lx_strf("%s/%s/%s", lx_local_kinds[kind].plural, ns, name);
}

json_t *lx_meta(const struct lx_obj *obj)
{
    return json_object_get(obj->json, "metadata");
}

json_t *lx_time_json(struct timespec when)
{
    char text[LX_RFC3339_SIZE];
    when.tv_nsec = 0;
    lx_rfc3339(when, text);
    return json_string(text);
}

void lx_store_init(struct lx_cluster *c)
{
    c->by_key = lx_map_new(MAX_OBJECTS, NULL);
    c->history = lx_alloc_array(LX_HISTORY, sizeof *c->history);
    c->rv = 1000;
    lx_list_init(&c->objects);
    lx_list_init(&c->watchers);
    lx_list_init(&c->timers);
}

static void change_done(struct lx_change *change)
{
    free(change->ns);
    free(change->name);
    free(change->text);
    json_decref(change->labels);
}

static void obj_free(struct lx_obj *obj)
{
    lx_kubelet_free(obj->run);
    json_decref(obj->json);
    free(obj->ns);
    free(obj->name);
    free(obj->uid);
    free(obj);
}

void lx_store_done(struct lx_cluster *c)
{
    if (!c->by_key)
        return;
    lx_list_each (it, &c->objects) {
        lx_list_remove(it);
        obj_free(lx_container_of(it, struct lx_obj, link));
    }
    lx_map_free(c->by_key);
    for (size_t i = 0; i < LX_HISTORY; i++)
        change_done(&c->history[i]);
    free(c->history);
}

struct lx_obj *lx_store_find(struct lx_cluster *c, enum lx_kind_id kind, const char *ns,
                             const char *name)
{
    lx_auto(str) char *key = key_of(kind, ns, name);
    return lx_map_get(c->by_key, key);
}

/* Gives the object the next resourceVersion, keeps the event and tells the watches. */
static void publish(struct lx_cluster *c, struct lx_obj *obj, const char *type)
{
    c->rv++;
    json_object_set_new(lx_meta(obj), "resourceVersion",
                        json_sprintf("%llu", (unsigned long long)c->rv));
    size_t slot = (c->oldest + c->n_history) % LX_HISTORY;
    if (c->n_history == LX_HISTORY)
        c->oldest = (c->oldest + 1) % LX_HISTORY;
    else
        c->n_history++;
    struct lx_change *change = &c->history[slot];
    change_done(change);
    lx_auto(str) char *object = lx_json_text(obj->json);
    *change = (struct lx_change){
        .rv = c->rv,
        .kind = obj->kind,
        .type = type,
        .ns = lx_strdup(obj->ns),
        .name = lx_strdup(obj->name),
        .labels = json_incref(lx_json_obj(lx_meta(obj), "labels")),
        .text = lx_strf("{\"type\":\"%s\",\"object\":%s}\n", type, object),
    };
    lx_feed_tell(c, change);
}

void lx_store_stamp(json_t *json, const char *ns)
{
    char uid[LX_UUID_SIZE] = "00000000-0000-4000-8000-000000000000";
    json_t *meta = json_object_get(json, "metadata");
    (void)lx_uuid4(uid, NULL);
    json_object_set_new(meta, "namespace", json_string(ns));
    json_object_set_new(meta, "uid", json_string(uid));
    json_object_set_new(meta, "creationTimestamp", lx_time_json(lx_wall()));
}

struct lx_obj *lx_store_add(struct lx_cluster *c, enum lx_kind_id kind, const char *ns,
                            json_t *json)
{
    lx_store_stamp(json, ns);
    const json_t *meta = json_object_get(json, "metadata");
    struct lx_obj *obj = lx_alloc(sizeof *obj);
    lx_list_init(&obj->link);
    obj->kind = kind;
    obj->json = json;
    obj->ns = lx_strdup(ns);
    obj->name = lx_strdup(lx_json_str(meta, "name", ""));
    obj->uid = lx_strdup(lx_json_str(meta, "uid", ""));
    lx_auto(str) char *key = key_of(kind, ns, obj->name);
    if (!lx_map_put(c->by_key, key, obj)) {
        obj_free(obj);
        return NULL;
    }
    lx_list_push(&c->objects, &obj->link);
    publish(c, obj, "ADDED");
    return obj;
}

void lx_store_changed(struct lx_cluster *c, struct lx_obj *obj)
{
    publish(c, obj, "MODIFIED");
}

void lx_store_remove(struct lx_cluster *c, struct lx_obj *obj)
{
    lx_auto(str) char *key = key_of(obj->kind, obj->ns, obj->name);
    lx_auto(str) char *uid = lx_strdup(obj->uid);
    (void)lx_map_remove(c->by_key, key);
    lx_list_remove(&obj->link);
    publish(c, obj, "DELETED");
    obj_free(obj);
    lx_jobctl_collect(c, uid);
}
