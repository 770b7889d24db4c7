#include "app/generation.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

struct lx_generation {
    struct lx_generation_opts opts;
    char *policy_dir, *scripts_dir, *library_dir;
    struct lx_bundle_watch *watch;
    struct lx_policy *policy; /* in use */
    struct timespec loaded_at;
    unsigned number; /* how many have been in use */

    struct lx_policy *candidate;
    struct lx_trial *trial;
    uint64_t seen_ms;

    char *refused_hash, *refused_reason; /* what the directory holds and is not used */
    struct timespec refused_at;
};

struct lx_generation *lx_generation_new(const struct lx_generation_opts *opts)
{
    struct lx_generation *generation = lx_alloc(sizeof *generation);
    generation->opts = *opts;
    generation->policy_dir = lx_strdup(opts->policy_dir);
    generation->scripts_dir = lx_strdup(opts->scripts_dir);
    generation->library_dir = lx_strdup(opts->library_dir);
    return generation;
}

static void drop_candidate(struct lx_generation *generation)
{
    lx_trial_free(lx_take(generation->trial));
    lx_policy_free(lx_take(generation->candidate));
}

static void forget_refusal(struct lx_generation *generation)
{
    free(lx_take(generation->refused_hash));
    free(lx_take(generation->refused_reason));
    lx_metric_set(generation->opts.refused, 0, (const char *const[]){generation->opts.name, NULL});
}

void lx_generation_free(struct lx_generation *generation)
{
    if (!generation)
        return;
    lx_bundle_watch_free(generation->watch);
    drop_candidate(generation);
    lx_policy_free(generation->policy);
    free(generation->refused_hash);
    free(generation->refused_reason);
    free(generation->policy_dir);
    free(generation->scripts_dir);
    free(generation->library_dir);
    free(generation);
}

struct lx_policy *lx_generation_policy(const struct lx_generation *generation)
{
    return generation->policy;
}

static void count(struct lx_generation *generation, const char *result)
{
    lx_metric_inc(generation->opts.reloads, 1,
                  (const char *const[]){generation->opts.name, result, NULL});
}

/* ---- What becomes of a candidate ---- */

static void use(struct lx_generation *generation, struct lx_policy *policy)
{
    lx_policy_free(generation->policy);
    generation->policy = lx_policy_ref(policy);
    generation->loaded_at = lx_wall();
    generation->number++;
    forget_refusal(generation);
    lx_metric_set(generation->opts.loaded_at, (double)generation->loaded_at.tv_sec,
                  (const char *const[]){generation->opts.name, NULL});
}

static void accept(struct lx_generation *generation)
{
    lx_auto(str) char *before =
        lx_strdup(generation->policy ? lx_policy_hash(generation->policy) : NULL);
    use(generation, generation->candidate);
    drop_candidate(generation);
    count(generation, "loaded");
    lx_log(generation->opts.log, LX_LOG_INFO, "policy loaded", LX_STR("use", generation->opts.name),
           LX_STR("policy", lx_policy_hash(generation->policy)), LX_STR("before", before),
           LX_INT("ms", lx_now_ms() - generation->seen_ms));
    generation->opts.on_loaded(generation->opts.arg);
}

static void refuse(struct lx_generation *generation, const char *hash, const struct lx_err *err)
{
    forget_refusal(generation);
    generation->refused_hash = lx_strdup(hash);
    generation->refused_reason = lx_strdup(err->text);
    generation->refused_at = lx_wall();
    lx_metric_set(generation->opts.refused, 1, (const char *const[]){generation->opts.name, NULL});
    count(generation, "refused");
    lx_log(generation->opts.log, LX_LOG_ERROR, "policy refused, the one before stays",
           LX_STR("use", generation->opts.name), LX_STR("directory", generation->policy_dir),
           LX_STR("refused", hash),
           LX_STR("policy", generation->policy ? lx_policy_hash(generation->policy) : NULL),
           LX_ERR(err));
    drop_candidate(generation);
}

static void on_tried(void *arg, const struct lx_err *err)
{
    struct lx_generation *generation = arg;
    if (err)
        refuse(generation, lx_policy_hash(generation->candidate), err);
    else
        accept(generation);
}

static void on_ready(void *arg, const struct lx_err *err)
{
    struct lx_generation *generation = arg;
    if (err) {
        refuse(generation, lx_policy_hash(generation->candidate), err);
        return;
    }
    if (!generation->opts.tried) {
        accept(generation);
        return;
    }
    lx_auto(json) json_t *tasks = generation->opts.tasks(generation->opts.arg);
    const struct lx_trial_opts trial = {
        .executor = generation->opts.executor,
        .policy = generation->candidate,
        .tasks = tasks,
        .dry_run = generation->opts.dry_run,
        .done = on_tried,
        .arg = generation,
    };
    generation->trial = lx_trial_start(&trial);
}

/* ---- The directory ---- */

static void on_change(void *arg, struct lx_bundle *bundle, const struct lx_err *reason)
{
    struct lx_generation *generation = arg;
    const struct lx_policy_opts opts = {0};
    struct lx_err err;
    drop_candidate(generation);
    generation->seen_ms = lx_now_ms();
    if (!bundle) {
        refuse(generation, NULL, reason);
    } else if (generation->policy &&
               lx_streq(lx_bundle_hash(bundle), lx_policy_hash(generation->policy))) {
        lx_log(generation->opts.log, LX_LOG_INFO, "policy is again the one in use",
               LX_STR("use", generation->opts.name), LX_STR("policy", lx_bundle_hash(bundle)));
        forget_refusal(generation);
        lx_bundle_free(bundle);
    } else if (lx_policy_new(generation->opts.loop, bundle, &opts, generation->opts.log, on_ready,
                             generation, &generation->candidate, &err) < 0) {
        refuse(generation, NULL, &err);
    }
}

void lx_generation_start(struct lx_generation *generation, struct lx_policy *policy)
{
    if (policy)
        use(generation, policy);
    const struct lx_bundle_watch_opts watch = {
        .loop = generation->opts.loop,
        .policy_dir = generation->policy_dir,
        .scripts_dir = generation->scripts_dir,
        .library_dir = generation->library_dir,
        .hash = policy ? lx_policy_hash(policy) : NULL,
        .on_change = on_change,
        .arg = generation,
    };
    generation->watch = lx_bundle_watch_new(&watch);
}

/* ---- Status ---- */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *refusal(const struct lx_generation *generation)
{
    char at[LX_RFC3339_SIZE];
    if (!generation->refused_reason)
        return json_null();
    lx_rfc3339((struct timespec){.tv_sec = generation->refused_at.tv_sec}, at);
    return json_pack("{s:o, s:s, s:s}", "hash", text_or_null(generation->refused_hash), "reason",
                     generation->refused_reason, "at", at);
}

json_t *lx_generation_status(const struct lx_generation *generation)
{
    char at[LX_RFC3339_SIZE] = "";
    const struct lx_policy *policy = generation->policy;
    if (policy)
        lx_rfc3339((struct timespec){.tv_sec = generation->loaded_at.tv_sec}, at);
    json_t *functions = policy ? json_deep_copy(lx_policy_functions(policy)) : json_array();
    return json_pack("{s:s, s:o, s:o, s:i, s:o, s:b, s:o}", "directory", generation->policy_dir,
                     "hash", text_or_null(policy ? lx_policy_hash(policy) : NULL), "loaded_at",
                     text_or_null(policy ? at : NULL), "generation", (int)generation->number,
                     "functions", functions, "trying", generation->candidate != NULL, "refused",
                     refusal(generation));
}
