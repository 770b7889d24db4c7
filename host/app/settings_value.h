/*
 * One setting's value: parsing, checking, releasing.
 */
#ifndef LX_APP_SETTINGS_VALUE_H
#define LX_APP_SETTINGS_VALUE_H

#include "app/settings.h"

/* Room for the value of a setting of any type. */
union lx_setting_value {
    char *text;
    char **list;
    json_t *json;
    int64_t number;
    bool flag;
    enum lx_maybe maybe;
    enum lx_level level;
    enum lx_log_format format;
};

/* Parses `text` into *out, which is of the setting's type. LX_E_INVALID naming `name` (the variable
 * it came from) and the text, or *** for a secret. */
int lx_setting_parse(const struct lx_setting *setting, const char *name, const char *text,
                     void *out, struct lx_err *err);
void lx_setting_free(const struct lx_setting *setting, void *value);

/* The value as messages show it: *** for a secret and for the user and password of a URL. free().
 */
char *lx_setting_shown(const struct lx_setting *setting, const char *text);

/* "invalid NAME "TEXT": EXPECTED" with the rules above, the text cut when it is long; always -1. */
int lx_setting_bad(const struct lx_setting *setting, const char *name, const char *text,
                   const char *expected, struct lx_err *err);

/* The JSON types, in settings_json.c. */
int lx_setting_parse_json(const struct lx_setting *setting, const char *name, const char *text,
                          json_t **out, struct lx_err *err);

/* Whether the text is one of "a|b|c". */
bool lx_setting_choice(const char *choices, const char *text);

#endif
