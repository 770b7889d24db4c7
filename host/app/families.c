#include "app/families.h"

#include "lunexec/list.h"
#include "lunexec/map.h"
#include "lunexec/text.h"

#include <ctype.h>
#include <string.h>

#define TOTAL_MAX ((size_t)2 * 1024 * 1024)
#define FAMILY_COUNT_MAX 5000

struct family {
    struct lx_list link;
    char *name, *help, *type; /* help and type NULL: not said */
    struct lx_buf samples;
};

struct lx_families {
    struct lx_list all;
    struct lx_map *by_name;
    size_t total;
};

struct source {
    struct lx_families *families;
    const char *label;
    struct family *current; /* of the last # line; NULL: none, or one that is left out */
    char *skipped;          /* name of a family that is left out */
};

struct lx_families *lx_families_new(void)
{
    struct lx_families *families = lx_alloc(sizeof *families);
    lx_list_init(&families->all);
    families->by_name = lx_map_new(FAMILY_COUNT_MAX, NULL);
    return families;
}

void lx_families_free(struct lx_families *families)
{
    struct lx_list *link;
    if (!families)
        return;
    while ((link = lx_list_shift(&families->all))) {
        struct family *family = lx_container_of(link, struct family, link);
        free(family->name);
        free(family->help);
        free(family->type);
        lx_buf_done(&family->samples);
        free(family);
    }
    lx_map_free(families->by_name);
    free(families);
}

static bool left_out(const char *name)
{
    static const char *const prefixes[] = {"go_", "promhttp_", "process_", "src_", "lunexec_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (lx_starts_with(name, prefixes[i]))
            return true;
    }
    return false;
}

static struct family *family_of(struct lx_families *families, const char *name)
{
    struct family *family = lx_map_get(families->by_name, name);
    if (family)
        return family;
    family = lx_alloc(sizeof *family);
    if (!lx_map_put(families->by_name, name, family)) {
        free(family);
        return NULL;
    }
    family->name = lx_strdup(name);
    lx_buf_init(&family->samples, TOTAL_MAX);
    lx_list_push(&families->all, &family->link);
    return family;
}

static size_t name_len(const char *text)
{
    size_t n = 0;
    while (isalpha((unsigned char)text[n]) || text[n] == '_' || text[n] == ':' ||
           (n > 0 && isdigit((unsigned char)text[n])))
        n++;
    return n;
}

/* "# HELP name text" and "# TYPE name type"; other comments mean nothing. */
static void read_comment(struct source *source, const char *line)
{
    bool help = lx_starts_with(line, "# HELP "), type = lx_starts_with(line, "# TYPE ");
    if (!help && !type)
        return;
    const char *start = line + strlen("# HELP ");
    size_t len = name_len(start);
    if (len == 0)
        return;
    lx_auto(str) char *name = lx_strndup(start, len);
    const char *rest = start[len] == ' ' ? start + len + 1 : start + len;
    source->current = left_out(name) ? NULL : family_of(source->families, name);
    struct family *family = source->current;
    if (family && type && family->type && !lx_streq(family->type, rest))
        source->current = family = NULL;
    free(source->skipped);
    source->skipped = family ? NULL : lx_strdup(name);
    if (!family)
        return;
    char **text = help ? &family->help : &family->type;
    if (!*text)
        *text = lx_strdup(rest);
}

/* The end of a label block that begins at `text` ("{"), or NULL when it does not end. */
static const char *labels_end(const char *text)
{
    bool quoted = false;
    for (; *text; text++) {
        if (quoted && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (*text == '}' && !quoted)
            return text + 1;
    }
    return NULL;
}

/* A number, and perhaps a timestamp. */
static bool is_value(const char *text)
{
    if (*text != ' ' && *text != '\t')
        return false;
    text += strspn(text, " \t");
    size_t len = strspn(text, "0123456789+-.eEinfINFaA");
    if (len == 0)
        return false;
    text += len;
    text += strspn(text, " \t");
    return text[strspn(text, "-0123456789")] == '\0';
}

/* Whether a sample's name is the family's, with one of the endings of histograms and summaries. */
static bool belongs(const char *family, const char *name)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count", "_total", "_created"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (lx_starts_with(name, family) && lx_streq(name + strlen(family), endings[i]))
            return true;
    }
    return false;
}

static void add_sample(struct source *source, struct family *family, const char *name,
                       const char *rest)
{
    struct lx_families *all = source->families;
    bool labelled = *rest == '{';
    bool known = labelled && source->label && strstr(rest, "sg_instance=\"");
    const char *label = source->label && !known ? source->label : NULL;
    size_t before = family->samples.len;
    int rc = lx_buf_adds(&family->samples, name, NULL);
    if (label) {
        const char *inside = rest + labelled;
        bool more = labelled && *inside != '}';
        rc |= lx_buf_addf(&family->samples, NULL, "{%s%s", label, more ? "," : "");
        rc |= lx_buf_addf(&family->samples, NULL, "%s%s", labelled ? "" : "}", inside);
    } else {
        rc |= lx_buf_adds(&family->samples, rest, NULL);
    }
    rc |= lx_buf_adds(&family->samples, "\n", NULL);
    size_t grown = family->samples.len - before;
    if (rc != 0 || all->total + grown > TOTAL_MAX)
        family->samples.len = before;
    else
        all->total += grown;
}

static void read_sample(struct source *source, const char *line)
{
    size_t len = name_len(line);
    const char *rest = line + len;
    const char *value = *rest == '{' ? labels_end(rest) : rest;
    if (len == 0 || !value || !is_value(value))
        return;
    lx_auto(str) char *name = lx_strndup(line, len);
    if (left_out(name) || (source->skipped && belongs(source->skipped, name)))
        return;
    struct family *family = source->current;
    if (!family || !belongs(family->name, name))
        family = family_of(source->families, name);
    if (family)
        add_sample(source, family, name, rest);
}

void lx_families_add(struct lx_families *families, const char *text, size_t len, const char *label)
{
    struct source source = {.families = families, .label = label};
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        lx_auto(str) char *line = lx_strndup(text, n);
        line[strcspn(line, "\r")] = '\0';
        if (*line == '#')
            read_comment(&source, line);
        else if (*line)
            read_sample(&source, line);
        text += n + 1;
    }
    free(source.skipped);
}

int lx_families_write(const struct lx_families *families, struct lx_buf *out, struct lx_err *err)
{
    lx_list_each (it, &families->all) {
        const struct family *family = lx_container_of(it, struct family, link);
        if (family->samples.len == 0)
            continue;
        if (family->help && lx_buf_addf(out, err, "# HELP %s %s\n", family->name, family->help) < 0)
            return -1;
        if (family->type && lx_buf_addf(out, err, "# TYPE %s %s\n", family->name, family->type) < 0)
            return -1;
        if (lx_buf_add(out, family->samples.data, family->samples.len, err) < 0)
            return -1;
    }
    return 0;
}
