#include "cluster.h"

#include "lunexec/text.h"

#include <string.h>

struct term {
    char *key, *value; /* value NULL: the key's presence decides */
    bool negated;
};

struct lx_selector {
    size_t n;
    struct term terms[];
};

static char *trimmed(const char *text, size_t len)
{
    while (len && *text == ' ')
        text++, len--;
    while (len && text[len - 1] == ' ')
        len--;
    return lx_strndup(text, len);
}

static void parse_term(const char *text, struct term *term)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        term->negated = *text == '!';
        term->key = trimmed(text + term->negated, strlen(text) - term->negated);
        return;
    }
    const char *end = equals;
    const char *value = equals + 1;
    if (end > text && end[-1] == '!') {
        term->negated = true;
        end--;
    } else if (*value == '=') {
        value++;
    }
    term->key = trimmed(text, (size_t)(end - text));
    term->value = trimmed(value, strlen(value));
}

int lx_selector_parse(const char *text, struct lx_selector **ret_selector, struct lx_err *err)
{
    *ret_selector = NULL;
    if (!text || !*text)
        return 0;
    if (strchr(text, '('))
        return lx_fail(err, LX_E_INVALID, "set-based selectors are not served: %s", text);
    char **parts = lx_split(text, ',');
    size_t n = lx_strv_len(parts);
    struct lx_selector *selector = lx_alloc(sizeof *selector + n * sizeof selector->terms[0]);
    selector->n = n;
    bool empty = false;
    for (size_t i = 0; i < n; i++) {
        parse_term(parts[i], &selector->terms[i]);
        empty = empty || !*selector->terms[i].key;
    }
    lx_strv_free(parts);
    if (empty) {
        lx_selector_free(selector);
        return lx_fail(err, LX_E_INVALID, "unable to parse requirement: %s", text);
    }
    *ret_selector = selector;
    return 0;
}

bool lx_selector_match(const struct lx_selector *selector, const json_t *labels)
{
    for (size_t i = 0; selector && i < selector->n; i++) {
        const struct term *term = &selector->terms[i];
        const char *value = lx_json_str(labels, term->key, NULL);
        bool holds = value && (!term->value || lx_streq(value, term->value));
        if (holds == term->negated)
            return false;
    }
    return true;
}

void lx_selector_free(struct lx_selector *selector)
{
    for (size_t i = 0; selector && i < selector->n; i++) {
        free(selector->terms[i].key);
        free(selector->terms[i].value);
    }
    free(selector);
}
