#include "app/settings_check.h"

#include "app/health.h"
#include "app/settings_value.h"
#include "lunexec/parse.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"
#include "lunexec/tokens.h"
#include "lunexec/url.h"

#include <stdlib.h>
#include <string.h>

static int problem(struct lx_buf *problems, const char *text)
{
    lx_buf_addf(problems, NULL, "%s\n", text);
    return -1;
}

static int bad_value(struct lx_buf *problems, const char *name, const char *value,
                     const char *reason)
{
    static const struct lx_setting plain = {.type = LX_SET_STRING};
    struct lx_err err;
    (void)lx_setting_bad(&plain, name, value, reason, &err);
    return problem(problems, err.text);
}

static int check_frontend(const struct lx_settings *s, struct lx_buf *problems)
{
    struct lx_url url;
    if (!s->frontend_url || lx_url_parse(s->frontend_url, &url, NULL) < 0)
        return 0;
    int result = 0;
    if (lx_streq(url.host, "host.docker.internal") && !s->add_host_gateway)
        result = problem(problems, "EXECUTOR_DOCKER_ADD_HOST_GATEWAY must be true when the host of "
                                   "EXECUTOR_FRONTEND_URL is host.docker.internal");
    lx_url_done(&url);
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once (contract 3.2). */
static void tidy_queues(char **names)
{
    size_t n = lx_strv_len(names), kept = 0;
    if (n > 0)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && lx_streq(names[i], names[kept - 1]))
            free(names[i]);
        else
            names[kept++] = names[i];
    }
    if (names)
        names[kept] = NULL;
}

static int check_queues(const struct lx_settings *s, const struct lx_env *env,
                        struct lx_buf *problems)
{
    bool name = lx_env_find(env, "EXECUTOR_QUEUE_NAME", NULL);
    bool names = lx_env_find(env, "EXECUTOR_QUEUE_NAMES", NULL);
    tidy_queues(s->queue_names);
    if (!name && !names)
        return problem(problems, "neither EXECUTOR_QUEUE_NAME nor EXECUTOR_QUEUE_NAMES is set");
    if (name && names)
        return problem(problems, "both EXECUTOR_QUEUE_NAME and EXECUTOR_QUEUE_NAMES are set");
    return 0;
}

static int check_guardrails(const struct lx_settings *s, struct lx_buf *problems)
{
    struct lx_guardrails *guardrails = NULL;
    struct lx_err err;
    if (lx_guardrails_parse(s->guardrails, &guardrails, &err) < 0)
        return bad_value(problems, "LUNEXEC_GUARDRAILS", s->guardrails, err.text);
    lx_guardrails_free(guardrails);
    return 0;
}

static int check_mask_patterns(const struct lx_settings *s, struct lx_buf *problems)
{
    struct lx_tokens *tokens = NULL;
    struct lx_err err;
    if (lx_tokens_new(s->mask_patterns, &tokens, &err) < 0)
        return bad_value(problems, "LUNEXEC_MASK_PATTERNS", s->mask_patterns, err.text);
    lx_tokens_free(tokens);
    return 0;
}

/* Not the original's setting, whose values nothing depended on. */
static int check_listen(const struct lx_settings *s, const struct lx_env *env,
                        struct lx_buf *problems)
{
    lx_auto(str) char *host = NULL;
    unsigned port;
    struct lx_err err;
    if (!lx_env_find(env, "LUNEXEC_LISTEN", NULL) || lx_streq(s->listen, "off") ||
        lx_health_address(s->listen, &host, &port, &err) == 0)
        return 0;
    return bad_value(problems, "LUNEXEC_LISTEN", s->listen, err.text);
}

int lx_settings_check(struct lx_settings *s, const struct lx_env *env, struct lx_buf *problems)
{
    int result = check_frontend(s, problems);
    if (!lx_env_find(env, "EXECUTOR_FRONTEND_URL", NULL))
        result =
            problem(problems, "EXECUTOR_FRONTEND_URL is not set: the base URL of Sourcegraph is "
                              "required, for example http://sourcegraph-frontend:30080");
    if (!s->password)
        result = problem(problems, "EXECUTOR_FRONTEND_PASSWORD is not set: the value of "
                                   "executors.accessToken of the site configuration is required");
    result |= check_queues(s, env, problems);
    result |= check_guardrails(s, problems);
    result |= check_mask_patterns(s, problems);
    result |= check_listen(s, env, problems);
    if (s->use_firecracker)
        result = problem(problems, "invalid EXECUTOR_USE_FIRECRACKER \"true\": jobs run as "
                                   "Kubernetes Jobs, without Firecracker");
    if (s->use_kubernetes == LX_NO)
        result = problem(problems, "invalid EXECUTOR_USE_KUBERNETES \"false\": jobs run as "
                                   "Kubernetes Jobs, not in Docker");
    s->shared_volume = s->single_pod == LX_UNSET ? s->claim_name != NULL : s->single_pod == LX_NO;
    if (!s->claim_name)
        s->claim_name = lx_strdup("sg-executor-pvc");
    return result < 0 ? -1 : 0;
}

int lx_parse_bytes(const char *text, int64_t *ret_bytes)
{
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {
        {"", 1},           {"k", 1000},          {"M", 1000000},
        {"G", 1000000000}, {"T", 1000000000000}, {"Ki", 1 << 10},
        {"Mi", 1 << 20},   {"Gi", 1 << 30},      {"Ti", INT64_C(1) << 40},
    };
    size_t digits = strspn(text, "0123456789");
    lx_auto(str) char *number = lx_strndup(text, digits);
    int64_t value;
    if (lx_parse_i64(number, &value) < 0)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (lx_streq(text + digits, units[i].suffix))
            return __builtin_mul_overflow(value, units[i].factor, ret_bytes) ? -1 : 0;
    }
    return -1;
}
