#include "app/validate_cluster.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#define LIMIT_MS 10000
#define NO_SUCH_NAME "lunexec-validate-no-such-object"

enum verb { VERB_LIST, VERB_GET, VERB_CREATE, VERB_DELETE };

struct permission {
    enum verb verb;
    enum lx_kube_kind kind;
    const char *resource, *api_version, *object_kind;
};

/* In this order; the list goes first, since it also tells whether the API can be reached at all. */
static const struct permission permissions[] = {
    {VERB_LIST, LX_KUBE_POD, "pods", NULL, NULL},
    {VERB_GET, LX_KUBE_POD, "pods", NULL, NULL},
    {VERB_CREATE, LX_KUBE_JOB, "jobs", "batch/v1", "Job"},
    {VERB_DELETE, LX_KUBE_JOB, "jobs", NULL, NULL},
    {VERB_CREATE, LX_KUBE_SECRET, "secrets", "v1", "Secret"},
    {VERB_DELETE, LX_KUBE_SECRET, "secrets", NULL, NULL},
    {VERB_CREATE, LX_KUBE_PVC, "persistentvolumeclaims", "v1", "PersistentVolumeClaim"},
    {VERB_DELETE, LX_KUBE_PVC, "persistentvolumeclaims", NULL, NULL},
};

struct lx_validate_cluster {
    struct lx_validate_cluster_opts opts;
    struct lx_kube_call *call;
    size_t at; /* in permissions */
    uint64_t deadline_ms;
};

static void ask(struct lx_validate_cluster *check);

static bool needed(const struct lx_validate_cluster *check, const struct permission *permission)
{
    if (permission->kind == LX_KUBE_SECRET)
        return check->opts.secrets;
    return permission->kind != LX_KUBE_PVC || check->opts.claims;
}

/* Whether the API server let us ask: an absent object and a nameless one are what we meant. */
static bool granted(const struct permission *permission, const struct lx_kube_result *result)
{
    if (result->ok)
        return true;
    if (permission->verb == VERB_CREATE)
        return result->err.code == LX_E_INVALID;
    return permission->verb != VERB_LIST && result->err.code == LX_E_NOT_FOUND;
}

/* false when asking further makes no sense. */
static bool tell(struct lx_validate_cluster *check, const struct permission *permission,
                 const struct lx_kube_result *result)
{
    static const char *const verbs[] = {"list", "get", "create", "delete"};
    lx_auto(str) char *text = NULL;
    bool forbidden = result->status == 403;
    if (granted(permission, result))
        return true;
    if (forbidden)
        text = lx_strf("the Kubernetes account may not %s %s in namespace \"%s\": add the verb to "
                       "its Role (%s)",
                       verbs[permission->verb], permission->resource, check->opts.ns,
                       result->err.text);
    else
        text =
            lx_strf("Kubernetes API at %s (%s), %s %s in namespace \"%s\": %s",
                    check->opts.config->server, check->opts.config->source, verbs[permission->verb],
                    permission->resource, check->opts.ns, result->err.text);
    check->opts.on_problem(check->opts.arg, text);
    return forbidden;
}

static void on_answer(void *arg, const struct lx_kube_result *result)
{
    struct lx_validate_cluster *check = arg;
    check->call = NULL;
    if (tell(check, &permissions[check->at], result))
        check->at++;
    else
        check->at = sizeof permissions / sizeof *permissions;
    ask(check);
}

static void ask(struct lx_validate_cluster *check)
{
    const size_t n = sizeof permissions / sizeof *permissions;
    while (check->at < n && !needed(check, &permissions[check->at]))
        check->at++;
    if (check->at >= n) {
        check->opts.on_done(check->opts.arg);
        return;
    }
    const struct permission *p = &permissions[check->at];
    struct lx_kube *kube = check->opts.kube;
    const char *ns = check->opts.ns;
    struct lx_kube_delete_opts delete = {.grace_seconds = -1};
    lx_auto(json) json_t *nameless = NULL;
    switch (p->verb) {
    case VERB_LIST:
        // rbac none: asks for rights of calls elsewhere
        check->call =
            lx_kube_list(kube, p->kind, ns, "limit=1", check->deadline_ms, on_answer, check);
        break;
    case VERB_GET:
        // rbac: pods get: `validate` asks whether it may, as installed roles grant it
        check->call =
            lx_kube_get(kube, p->kind, ns, NO_SUCH_NAME, check->deadline_ms, on_answer, check);
        break;
    case VERB_CREATE:
        nameless = json_pack("{s:s, s:s, s:{}}", "apiVersion", p->api_version, "kind",
                             p->object_kind, "metadata");
        // rbac none: asks for rights of calls elsewhere
        check->call =
            lx_kube_create(kube, p->kind, ns, nameless, check->deadline_ms, on_answer, check);
        break;
    case VERB_DELETE:
        // rbac none: asks for rights of calls elsewhere
        check->call = lx_kube_delete(kube, p->kind, ns, NO_SUCH_NAME, &delete, check->deadline_ms,
                                     on_answer, check);
        break;
    }
}

struct lx_validate_cluster *lx_validate_cluster(const struct lx_validate_cluster_opts *opts)
{
    struct lx_validate_cluster *check = lx_alloc(sizeof *check);
    check->opts = *opts;
    check->deadline_ms = lx_now_ms() + LIMIT_MS;
    ask(check);
    return check;
}

void lx_validate_cluster_free(struct lx_validate_cluster *check)
{
    if (!check)
        return;
    lx_kube_cancel(check->call);
    free(check);
}
