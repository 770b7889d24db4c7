/*
 * An environment: one NAME=value a line; in a value 0x1e stands for a line feed. What is refused is
 * refused with one line a problem; the password is in none of them, nor in what the policy gets.
 */
#include "app/settings.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSWORD "EXECUTOR_FRONTEND_PASSWORD=hunter2hunter2"
#define VARIABLES_MAX 200
#define TEXT_MAX ((size_t)1 << 20)

static void check_problems(const struct lx_buf *problems)
{
    const char *text = lx_buf_str(problems);
    lx_assert(text[problems->len - 1] == '\n' && !strstr(text, "\n\n") && text[0] != '\n');
    for (const char *c = text; *c; c++)
        lx_assert((unsigned char)*c >= 0x20 || *c == '\n');
    lx_assert(!strstr(text, "hunter2hunter2"));
}

static void check_policy(const struct lx_settings *settings)
{
    lx_auto(json) json_t *policy = lx_settings_for_policy(settings);
    lx_auto(str) char *text = lx_json_text(policy);
    lx_assert(json_is_object(policy) && text);
    lx_assert(!strstr(text, "hunter2hunter2"));
}

/* A list or pairs are never shorter than what was written. */
static void check_lists(const struct lx_settings *settings, const struct lx_env *env)
{
    const char *text = lx_env_find(env, "KUBERNETES_IMAGE_PULL_SECRETS", NULL);
    if (!text)
        return;
    lx_auto(strv) char **items = lx_split(text, ',');
    lx_assert(json_array_size(settings->pull_secrets) == lx_strv_len(items));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    for (char *c = text; (c = strchr(c, 0x1e));)
        *c = 0x01; /* stays in its line until the lines are told apart */
    lx_auto(strv) char **lines = lx_split(text, '\n');
    char *vars[VARIABLES_MAX + 2] = {(char *)(uintptr_t)PASSWORD};
    for (size_t i = 0; i < VARIABLES_MAX && lines[i]; i++) {
        for (char *c = lines[i]; (c = strchr(c, 0x01));)
            *c = '\n';
        vars[i + 1] = lines[i];
    }
    struct lx_env env = {vars, "lunexec"};
    struct lx_settings settings;
    lx_auto(buf) struct lx_buf problems = LX_BUF_INIT(TEXT_MAX);
    lx_auto(buf) struct lx_buf warnings = LX_BUF_INIT(TEXT_MAX);
    bool planted = strstr(text, "hunter2hunter2");
    int rc = lx_settings_read(&settings, &env, &problems);
    lx_assert(rc == (problems.len > 0 ? -1 : 0));
    if (rc < 0 && !planted)
        check_problems(&problems);
    if (rc == 0 && !planted) {
        check_policy(&settings);
        check_lists(&settings, &env);
    }
    lx_settings_done(&settings);
    lx_settings_warnings(&env, &warnings);
    return 0;
}
