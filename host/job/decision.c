#include "job/decision.h"

#include "job/changes.h"
#include "job/priv.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <inttypes.h>
#include <string.h>

#define FUNCTIONS_MAX 4
/* Decisions that wait for comparisons; beyond, a line goes out without. */
#define COMPARING_MAX 32
#define CHANGES_MAX 20
#define CHANGES_TEXT_MAX ((size_t)2500)

struct asked {
    char *function;
    json_t *args, *results; /* results NULL: it failed */
    uint64_t began_ns, took_us;
};

/* The same questions to another policy. */
struct comparison {
    struct lx_decision *decision;
    enum lx_policy_role role;
    struct lx_policy *policy; /* NULL: there is none */
    struct lx_policy_call *call;
    size_t at; /* the question underway */
    size_t n;  /* differences so far */
    struct lx_buf text;
};

struct lx_decision {
    struct lx_list link; /* in executor->decisions while it compares */
    struct lx_executor *ex;
    struct lx_policy *policy;
    char *job, *queue, *repository, *refused;
    struct asked asked[FUNCTIONS_MAX];
    size_t n;
    struct comparison comparisons[LX_POLICY_ROLES];
    unsigned open; /* comparisons that are not done */
};

struct lx_decision *lx_decision_new(struct lx_executor *ex, struct lx_policy *policy,
                                    const struct lx_job *job)
{
    struct lx_decision *decision = lx_alloc(sizeof *decision);
    decision->ex = ex;
    decision->policy = lx_policy_ref(policy);
    decision->job = lx_strdup(job->uid);
    decision->queue = lx_strdup(job->queue);
    decision->repository = lx_strdup(job->repository);
    lx_list_init(&decision->link);
    return decision;
}

void lx_decision_free(struct lx_decision *decision)
{
    if (!decision)
        return;
    if (!lx_list_empty(&decision->link))
        decision->ex->n_decisions--;
    lx_list_remove(&decision->link);
    for (size_t i = 0; i < LX_POLICY_ROLES; i++) {
        struct comparison *c = &decision->comparisons[i];
        lx_policy_cancel(c->call);
        lx_policy_free(c->policy);
        lx_buf_done(&c->text);
    }
    for (size_t i = 0; i < decision->n; i++) {
        free(decision->asked[i].function);
        json_decref(decision->asked[i].args);
        json_decref(decision->asked[i].results);
    }
    lx_policy_free(decision->policy);
    free(decision->job);
    free(decision->queue);
    free(decision->repository);
    free(decision->refused);
    free(decision);
}

struct lx_decision *lx_decision_of(struct lx_list *link)
{
    return lx_container_of(link, struct lx_decision, link);
}

void lx_decision_asked(struct lx_decision *decision, const char *function, json_t *args)
{
    lx_assert(decision->n < FUNCTIONS_MAX);
    struct asked *asked = &decision->asked[decision->n++];
    asked->function = lx_strdup(function);
    asked->args = json_incref(args);
    asked->began_ns = lx_now_ns();
}

void lx_decision_answered(struct lx_decision *decision, const json_t *results,
                          const struct lx_err *err)
{
    struct asked *asked = &decision->asked[decision->n - 1];
    asked->took_us = (lx_now_ns() - asked->began_ns) / 1000;
    if (!err)
        asked->results = json_incref((json_t *)(uintptr_t)results);
    lx_job_metrics_policy(decision->ex->metrics, asked->function, err ? err->code : LX_OK,
                          asked->took_us);
}

/* ---- The lines ---- */

static void put_functions(const struct lx_decision *decision, struct lx_buf *out)
{
    for (size_t i = 0; i < decision->n; i++)
        lx_buf_addf(out, NULL, "%s%s %" PRIu64 " us", i ? ", " : "", decision->asked[i].function,
                    decision->asked[i].took_us);
}

static void log_decision(const struct lx_decision *decision)
{
    const struct comparison *c = &decision->comparisons[LX_POLICY_DEFAULT];
    lx_auto(buf) struct lx_buf functions = LX_BUF_INIT(256);
    put_functions(decision, &functions);
    lx_log(decision->ex->opts.log, LX_LOG_INFO,
           decision->refused ? "policy refused" : "policy decided", LX_STR("job", decision->job),
           LX_STR("queue", decision->queue), LX_STR("repository", decision->repository),
           LX_STR("policy", lx_policy_hash(decision->policy)),
           LX_STR("functions", lx_buf_str(&functions)), LX_STR("reason", decision->refused),
           LX_INT("changes", c->n), LX_STR("changed", c->n ? lx_buf_str(&c->text) : NULL));
}

static void log_shadow(const struct lx_decision *decision)
{
    const struct comparison *c = &decision->comparisons[LX_POLICY_SHADOW];
    if (!c->policy)
        return;
    lx_job_metrics_shadow(decision->ex->metrics, c->n > 0 ? "different" : "same");
    lx_log(decision->ex->opts.log, c->n > 0 ? LX_LOG_INFO : LX_LOG_DEBUG, "shadow policy",
           LX_STR("job", decision->job), LX_STR("queue", decision->queue),
           LX_STR("repository", decision->repository),
           LX_STR("policy", lx_policy_hash(decision->policy)),
           LX_STR("shadow", lx_policy_hash(c->policy)), LX_INT("changes", c->n),
           LX_STR("changed", c->n ? lx_buf_str(&c->text) : NULL));
}

/* ---- Comparing ---- */

static void ask_next(struct comparison *c);

static void comparison_done(struct comparison *c)
{
    struct lx_decision *decision = c->decision;
    if (c->role == LX_POLICY_DEFAULT)
        log_decision(decision);
    else
        log_shadow(decision);
    if (--decision->open == 0)
        lx_decision_free(decision);
}

/* What the default policy gives is changed by ours, what ours gives by the shadow's. */
static void add_changes(struct comparison *c, const json_t *theirs)
{
    const struct asked *asked = &c->decision->asked[c->at];
    bool forwards = c->role == LX_POLICY_SHADOW;
    const json_t *ours = json_array_get(asked->results, 0);
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(CHANGES_TEXT_MAX);
    size_t n = lx_changes(forwards ? ours : theirs, forwards ? theirs : ours, CHANGES_MAX, &text);
    if (n > 0)
        lx_buf_addf(&c->text, NULL, "%s%s: %s", c->n ? "; " : "", asked->function,
                    lx_buf_str(&text));
    c->n += n;
}

static void on_answer(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct comparison *c = arg;
    const struct asked *asked = &c->decision->asked[c->at];
    (void)defined;
    c->call = NULL;
    if (err) {
        lx_buf_addf(&c->text, NULL, "%s%s fails: %s", c->n ? "; " : "", asked->function, err->text);
        c->n++;
    } else if (asked->results) {
        add_changes(c, json_array_get(results, 0));
    }
    c->at++;
    ask_next(c);
}

static void ask_next(struct comparison *c)
{
    struct lx_decision *decision = c->decision;
    if (c->at == decision->n || !c->policy) {
        comparison_done(c);
        return;
    }
    const struct asked *asked = &decision->asked[c->at];
    c->call = lx_policy_call(c->policy, asked->function, asked->args, on_answer, c);
}

static struct lx_policy *compare_with(const struct lx_decision *decision, enum lx_policy_role role)
{
    struct lx_policy *other = decision->ex->policies[role];
    if (!other || lx_streq(lx_policy_hash(other), lx_policy_hash(decision->policy)))
        return NULL;
    if (decision->ex->n_decisions < COMPARING_MAX)
        return lx_policy_ref(other);
    if (role == LX_POLICY_SHADOW)
        lx_job_metrics_shadow(decision->ex->metrics, "skipped");
    return NULL;
}

void lx_decision_close(struct lx_decision *decision, const char *refused)
{
    if (!decision)
        return;
    static const enum lx_policy_role roles[] = {LX_POLICY_DEFAULT, LX_POLICY_SHADOW};
    decision->refused = lx_strdup(refused);
    decision->open = 2;
    for (size_t i = 0; i < 2; i++) {
        struct comparison *c = &decision->comparisons[roles[i]];
        *c = (struct comparison){.decision = decision,
                                 .role = roles[i],
                                 .policy = compare_with(decision, roles[i]),
                                 .text = LX_BUF_INIT(CHANGES_TEXT_MAX)};
    }
    lx_list_push(&decision->ex->decisions, &decision->link);
    decision->ex->n_decisions++;
    decision->open++; /* stays until both have begun */
    for (size_t i = 0; i < 2; i++)
        ask_next(&decision->comparisons[roles[i]]);
    if (--decision->open == 0)
        lx_decision_free(decision);
}
