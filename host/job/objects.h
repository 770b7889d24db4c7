/*
 * The objects that a job makes in the cluster, in the order of their making, and which of them are
 * there to be removed.
 */
#ifndef LX_JOB_OBJECTS_H
#define LX_JOB_OBJECTS_H

#include "job/workload.h"
#include "lunexec/kube.h"
#include "lunexec/list.h"

enum lx_object_role {
    LX_OBJECT_SECRET,
    LX_OBJECT_PULL_SECRET,
    LX_OBJECT_CLAIM,
    LX_OBJECT_JOB,
    LX_OBJECT_FILES,
};

/* What is made for a role, in the API. */
enum lx_kube_kind lx_object_kind(enum lx_object_role role);
/* The same in messages. Static. */
const char *lx_object_what(enum lx_object_role role);

struct lx_object {
    struct lx_list link;
    enum lx_object_role role;
    enum lx_kube_kind kind;
    const char *what; /* in messages */
    char *name;
    char *uid;    /* of the one we made; NULL while unknown */
    size_t index; /* of LX_OBJECT_FILES */
    bool made;    /* its create was answered */
    bool unsure;  /* may exist: nobody knows the answer to its create */
    bool gone;    /* was deleted, or could not be made */
};

/* Adds what `workload` needs. Secrets with files come after the Job, since it owns them: a pod
 * waits for them. The others come before it, so that no container waits. What is in the list
 * already and known to be made stays: a pull Secret serves further Jobs, too. What may exist there,
 * after a restart, is to be made all the same. */
void lx_objects_add(struct lx_list *objects, const struct lx_workload *workload, bool claim);
/* Adds one by what is known of it; not made, not unsure, not gone. Borrowed. */
struct lx_object *lx_objects_restore(struct lx_list *objects, enum lx_object_role role,
                                     const char *name, size_t index);
void lx_objects_free(struct lx_list *objects);

/* The first that is still to be made; NULL when all are there. */
struct lx_object *lx_objects_next(const struct lx_list *objects);

/* The next to delete of what is or may be there, a Job before the rest so that its pod stops; NULL
 * when none is left. */
struct lx_object *lx_objects_leftover(const struct lx_list *objects);

#endif
