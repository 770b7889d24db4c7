/*
 * Kubernetes API client: credentials, verbs, Status objects. Within the RBAC of existing installs
 * (operations 2a): jobs create, delete; pods and pods/log get, list, watch; secrets create, delete.
 * Everything, callbacks too, on the loop's thread.
 */
#ifndef LUNEXEC_KUBE_H
#define LUNEXEC_KUBE_H

#include "lunexec/err.h"
#include "lunexec/http.h"
#include "lunexec/json.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"

/* Where the API server is and who we are to it. All strings owned; lx_kube_config_done frees. */
struct lx_kube_config {
    char *server;                                      /* "https://host:port", no trailing slash */
    char *namespace;                                   /* of the context or the pod; may be NULL */
    char *ca_file, *ca_data;                           /* at most one; data is PEM */
    char *cert_file, *cert_data, *key_file, *key_data; /* client certificate */
    char *token, *token_file;                          /* at most one */
    char *source;      /* where it came from, for messages: "kubeconfig /path", "service account" */
    unsigned max_logs; /* that are followed at once, at least; 0: 512 */
};

/* Reads the current context of a kubeconfig; relative paths are relative to its folder.
 * exec and auth-provider plugins are refused by name. LX_E_INVALID, LX_E_NOT_FOUND, LX_E_IO or
 * LX_E_LIMIT, naming the path and what is wrong. The caller releases *ret_config. */
int lx_kube_config_file(const char *path, struct lx_kube_config *ret_config, struct lx_err *err);

/* The pod's own service account, given KUBERNETES_SERVICE_HOST and _PORT and the folder
 * /var/run/secrets/kubernetes.io/serviceaccount (another one in tests). LX_E_NOT_FOUND: not in a
 * pod (an argument NULL or ""), or no token or ca.crt in the folder; LX_E_INVALID: no port. The
 * caller releases *ret_config. */
int lx_kube_config_pod(const char *host, const char *port, const char *folder,
                       struct lx_kube_config *ret_config, struct lx_err *err);
/* Frees the strings, the secret ones overwritten; the struct is empty afterwards. NULL is accepted.
 */
void lx_kube_config_done(struct lx_kube_config *config);

struct lx_kube;

/* Opens two HTTP clients, one for calls and watches, one for logs, so that a flood of logs cannot
 * hold up a call. Sends nothing yet. `config` is copied from; `loop` and `log` (may be NULL)
 * outlive the client. Fails for a file or token that cannot be used, as lx_http_new and
 * lx_token_new do. */
int lx_kube_new(struct lx_loop *loop, const struct lx_kube_config *config, struct lx_log *log,
                struct lx_kube **ret_kube, struct lx_err *err);
/* Cancels the calls that run, without their callbacks. Watches and log followers are freed before.
 */
void lx_kube_free(struct lx_kube *kube);

enum lx_kube_kind { LX_KUBE_JOB, LX_KUBE_POD, LX_KUBE_SECRET, LX_KUBE_PVC, LX_KUBE_EVENT };

/* Result of a call, valid in the callback only. On failure err.code says what kind: LX_E_AUTH,
 * LX_E_NOT_FOUND, LX_E_CONFLICT (AlreadyExists or failed precondition), LX_E_GONE, LX_E_INVALID
 * (400, 413, 422), LX_E_TIMEOUT and LX_E_IO (no answer in time), LX_E_LIMIT (one above 32 MiB),
 * LX_E_PEER (any other, 429 and 5xx too); err.text carries the Status message. */
struct lx_kube_result {
    bool ok;
    long status;             /* HTTP status, 0 without an answer */
    json_t *object;          /* the answer; borrowed; NULL if none */
    const char *reason;      /* Status.reason, "" if none */
    uint64_t retry_after_ms; /* what the server asked for, 30 s at most; 0 if nothing */
    struct lx_err err;
};

/* Told how a call ended: once, deferred, unless it was cancelled. The call is gone when it returns;
 * it may start others. */
typedef void (*lx_kube_cb)(void *arg, const struct lx_kube_result *result);

struct lx_kube_call;

/*
 * Each of the following starts a call and returns its handle, never NULL, for lx_kube_cancel.
 * Strings and values are borrowed until it returns. Retried inside with backoff until `deadline_ms`
 * (monotonic; 0: 60 s from now): 429 (Retry-After obeyed), 5xx but 501, transport errors and,
 * unless it only reads, an answer of success that is no JSON object. After a 401 the token is read
 * again, once.
 */

/* Creates an object; the result has it as it is stored. A retried create whose first try had
 * arrived sees AlreadyExists: it is then reported as LX_E_CONFLICT; names are deterministic and the
 * caller decides. */
struct lx_kube_call *lx_kube_create(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const json_t *body, uint64_t deadline_ms, lx_kube_cb cb,
                                    void *arg);
/* The same as create, but the server only validates, strictly, and keeps nothing. */
struct lx_kube_call *lx_kube_dry_run(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                     const json_t *body, uint64_t deadline_ms, lx_kube_cb cb,
                                     void *arg);
/* Reads one object. */
struct lx_kube_call *lx_kube_get(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                 const char *name, uint64_t deadline_ms, lx_kube_cb cb, void *arg);
/* Reads a list: one page of it, as the server and `query` have it. `query` is appended as it is
 * ("labelSelector=..."), NULL for none. */
struct lx_kube_call *lx_kube_list(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                  const char *query, uint64_t deadline_ms, lx_kube_cb cb,
                                  void *arg);

/* Tells of an object what deleting it would, and deletes nothing: a dry run, so that the right to
 * delete is enough. Of the object only metadata is asked for. One that is being deleted may be
 * answered without metadata. */
struct lx_kube_call *lx_kube_look(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                  const char *name, uint64_t deadline_ms, lx_kube_cb cb, void *arg);

/* A list for what can wait: in the class of calls of which one is underway at a time, and of the
 * items only metadata is asked for. */
struct lx_kube_call *lx_kube_survey(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const char *query, uint64_t deadline_ms, lx_kube_cb cb,
                                    void *arg);

struct lx_kube_delete_opts {
    const char *uid; /* precondition; NULL: none, or what is found by looking first, if: */
    /* Asked whether the object that has the name is the one meant; it is then deleted by its UID.
     * LX_E_CONFLICT without a further request when it is not. Called from the loop. */
    bool (*is_meant)(void *arg, const json_t *metadata);
    void *arg;               /* of is_meant */
    const char *propagation; /* "Background" when NULL; static */
    int64_t grace_seconds;   /* -1: the object's own; 0: at once */
    bool background;         /* in the class of what can wait */
};
/* Deletes an object. `opts` may be NULL: no precondition, the object's own grace. With is_meant,
 * LX_E_CONFLICT also when what has the name is being deleted already and its UID is not told. */
struct lx_kube_call *lx_kube_delete(struct lx_kube *kube, enum lx_kube_kind kind, const char *ns,
                                    const char *name, const struct lx_kube_delete_opts *opts,
                                    uint64_t deadline_ms, lx_kube_cb cb, void *arg);
/* Ends the call; its callback is not called any more. A request that was sent may take effect all
 * the same. Not from within its own callback. NULL is accepted. */
void lx_kube_cancel(struct lx_kube_call *call);

#endif
