/*
 * The settings as documentation.
 */
#include "app/settings.h"

#include "lunexec/parse.h"
#include "lunexec/text.h"

static const char *type_name(const struct lx_setting *s)
{
    static const char *const names[] = {
        [LX_SET_STRING] = "text",
        [LX_SET_INT] = "number",
        [LX_SET_BOOL] = "true or false",
        [LX_SET_MAYBE] = "true or false",
        [LX_SET_DURATION] = "duration",
        [LX_SET_QUANTITY] = "quantity",
        [LX_SET_URL] = "URL",
        [LX_SET_LIST] = "list",
        [LX_SET_PAIRS] = "key=value list",
        [LX_SET_JSON_ARRAY] = "JSON array",
        [LX_SET_JSON_OBJECT] = "JSON object",
        [LX_SET_JSON_STRINGS] = "JSON object of strings",
        [LX_SET_MOUNTS] = "Docker mounts",
        [LX_SET_LEVEL] = "level",
        [LX_SET_FORMAT] = "format",
        [LX_SET_BYTES] = "bytes",
    };
    return s->secret ? "secret" : names[s->type];
}

/* "one of a, b; from 1 to 10; also read as NAME", "" when there is nothing to say. free(). */
static char *remarks(const struct lx_setting *s)
{
    struct lx_buf out = LX_BUF_INIT(4096);
    if (s->choices) {
        lx_buf_adds(&out, "One of ", NULL);
        for (const char *c = s->choices; *c; c++)
            lx_buf_adds(&out, *c == '|' ? ", " : (const char[]){*c, '\0'}, NULL);
        lx_buf_adds(&out, ". ", NULL);
    }
    if (s->type == LX_SET_INT && (s->min != 0 || s->max != 0))
        lx_buf_addf(&out, NULL, "From %lld to %lld. ", (long long)s->min, (long long)s->max);
    if (s->type == LX_SET_DURATION && (s->min != 0 || s->max != 0)) {
        char low[LX_DURATION_SIZE], high[LX_DURATION_SIZE];
        lx_format_duration(s->min, low);
        lx_format_duration(s->max, high);
        lx_buf_addf(&out, NULL, "From %s to %s. ", low, high);
    }
    if (s->also)
        lx_buf_addf(&out, NULL, "When unset, %s is read. ", s->also);
    return lx_buf_take(&out);
}

struct help {
    struct lx_buf *out;
    struct lx_err *err;
    int result;
};

static void row_text(const struct lx_setting *s, void *arg)
{
    struct help *help = arg;
    lx_auto(str) char *more = remarks(s);
    help->result |=
        lx_buf_addf(help->out, help->err, "  %s (%s; default %s)\n      %s %s\n", s->name,
                    type_name(s), s->fallback ? s->fallback : "unset", s->help, more);
}

static void row_markdown(const struct lx_setting *s, void *arg)
{
    struct help *help = arg;
    lx_auto(str) char *more = remarks(s);
    const char *quote = s->fallback ? "`" : "";
    help->result |=
        lx_buf_addf(help->out, help->err, "| `%s` | %s | %s%s%s | %s %s|\n", s->name, type_name(s),
                    quote, s->fallback ? s->fallback : "unset", quote, s->help, more);
}

static const char markdown_head[] =
    "# Settings\n\n"
    "Made by `lunexec settings --markdown` from the tables in `host/app/settings_*.c`.\n\n"
    "Every setting is an environment variable; an empty one counts as unset. "
    "`<NAME>_<program>`, for example `EXECUTOR_QUEUE_NAME_executor` when the program is started "
    "under the name `executor`, goes before `<NAME>`. Durations are written as `30s`, `5m`, "
    "`1h30m`; quantities as Kubernetes writes them, `500m`, `12Gi`; true also as `1` or `t`, false "
    "as `0` or `f`. Of the usual variables, `http_proxy`, `https_proxy` and `no_proxy` are obeyed "
    "as curl does. `lunexec validate` checks all of them and tells every problem at once.\n";

int lx_settings_help(struct lx_buf *out, bool markdown, struct lx_err *err)
{
    struct help help = {.out = out, .err = err};
    if (markdown)
        help.result |= lx_buf_adds(out, markdown_head, err);
    for (const struct lx_setting_group *const *it = lx_setting_groups; *it; it++) {
        help.result |= lx_buf_addf(out, err,
                                   markdown ? "\n## %s\n\n| name | type | default | meaning |\n"
                                              "| --- | --- | --- | --- |\n"
                                            : "%s\n\n",
                                   (*it)->title);
        for (size_t i = 0; i < (*it)->n; i++)
            (markdown ? row_markdown : row_text)(&(*it)->settings[i], &help);
        if (!markdown)
            help.result |= lx_buf_adds(out, "\n", err);
    }
    return help.result < 0 ? -1 : 0;
}
