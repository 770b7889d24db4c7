#include "job/objects.h"

#include "lunexec/text.h"

static const struct {
    enum lx_kube_kind kind;
    const char *what;
} roles[] = {
    [LX_OBJECT_SECRET] = {LX_KUBE_SECRET, "job secret"},
    [LX_OBJECT_PULL_SECRET] = {LX_KUBE_SECRET, "image pull secret"},
    [LX_OBJECT_CLAIM] = {LX_KUBE_PVC, "job volume"},
    [LX_OBJECT_JOB] = {LX_KUBE_JOB, "job"},
    [LX_OBJECT_FILES] = {LX_KUBE_SECRET, "job files"},
};

enum lx_kube_kind lx_object_kind(enum lx_object_role role)
{
    return roles[role].kind;
}

const char *lx_object_what(enum lx_object_role role)
{
    return roles[role].what;
}

struct lx_object *lx_objects_restore(struct lx_list *objects, enum lx_object_role role,
                                     const char *name, size_t index)
{
    struct lx_object *object = lx_alloc(sizeof *object);
    object->role = role;
    object->kind = roles[role].kind;
    object->what = roles[role].what;
    object->name = lx_strdup(name);
    object->index = index;
    lx_list_push(objects, &object->link);
    return object;
}

static bool is_listed(const struct lx_list *objects, enum lx_object_role role, const char *name)
{
    lx_list_each (it, objects) {
        const struct lx_object *object = lx_container_of(it, struct lx_object, link);
        if (object->role == role && lx_streq(object->name, name))
            return true;
    }
    return false;
}

static void add(struct lx_list *objects, enum lx_object_role role, const char *name, size_t index)
{
    if (!is_listed(objects, role, name))
        (void)lx_objects_restore(objects, role, name, index);
}

void lx_objects_add(struct lx_list *objects, const struct lx_workload *workload, bool claim)
{
    if (workload->secret_data)
        add(objects, LX_OBJECT_SECRET, workload->secret_name, 0);
    if (workload->pull_secret_name)
        add(objects, LX_OBJECT_PULL_SECRET, workload->pull_secret_name, 0);
    if (claim)
        add(objects, LX_OBJECT_CLAIM, workload->volume_name, 0);
    add(objects, LX_OBJECT_JOB, workload->job_name, 0);
    for (size_t i = 0; workload->cargo && i < lx_cargo_n_secrets(workload->cargo); i++) {
        lx_auto(str) char *name = lx_cargo_secret_name(workload->job_name, i);
        add(objects, LX_OBJECT_FILES, name, i);
    }
}

void lx_objects_free(struct lx_list *objects)
{
    lx_list_each (it, objects) {
        struct lx_object *object = lx_container_of(it, struct lx_object, link);
        lx_list_remove(&object->link);
        free(object->name);
        free(object->uid);
        free(object);
    }
}

struct lx_object *lx_objects_next(const struct lx_list *objects)
{
    lx_list_each (it, objects) {
        struct lx_object *object = lx_container_of(it, struct lx_object, link);
        if (!object->made)
            return object;
    }
    return NULL;
}

struct lx_object *lx_objects_leftover(const struct lx_list *objects)
{
    struct lx_object *other = NULL;
    lx_list_each (it, objects) {
        struct lx_object *object = lx_container_of(it, struct lx_object, link);
        if ((!object->made && !object->unsure) || object->gone)
            continue;
        if (object->kind == LX_KUBE_JOB)
            return object;
        if (!other)
            other = object;
    }
    return other;
}
