#include "lunexec/yaml.h"

#include "lunexec/parse.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64
#define NODES_MAX 100000

struct reader {
    yaml_document_t *document;
    size_t nodes;
    struct lx_err *err;
};

static json_t *read_node(struct reader *reader, const yaml_node_t *node, unsigned depth);

static json_t *fail_at(struct reader *reader, const yaml_node_t *node, const char *what)
{
    lx_fail(reader->err, LX_E_INVALID, "invalid YAML at line %zu column %zu: %s",
            node->start_mark.line + 1, node->start_mark.column + 1, what);
    return NULL;
}

static bool one_of(const char *text, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(text, *list) == 0)
            return true;
    }
    return false;
}

/* A decimal number in the core schema: [-+]? digits [. digits] [e [-+]? digits]. */
static bool is_float(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = strspn(p, "0123456789"), fraction = 0;
    p += whole;
    if (*p == '.') {
        fraction = strspn(p + 1, "0123456789");
        p += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t digits = strspn(p, "0123456789");
        if (digits == 0)
            return false;
        p += digits;
    }
    return *p == '\0';
}

/* 0x1f (shift 4) or 0o17 (shift 3), checked before. NULL beyond 63 bits. */
static json_t *based_integer(const char *text, unsigned shift)
{
    uint64_t value = 0;
    for (text += 2; *text; text++) {
        unsigned digit = isdigit((unsigned char)*text) ? (unsigned)(*text - '0')
                                                       : ((unsigned)*text | 0x20u) - 'a' + 10u;
        if (value > (uint64_t)INT64_MAX >> shift)
            return NULL;
        value = value << shift | digit;
    }
    return json_integer((json_int_t)value);
}

/* A decimal number, checked before, through the form that JSON knows: no '+', no zeros before other
 * digits, digits on both sides of the point. NULL when it is too large. */
static json_t *real_of(const char *text)
{
    const char *sign = *text == '-' ? "-" : "";
    text += *text == '-' || *text == '+';
    text += strspn(text, "0");
    size_t whole = strcspn(text, ".eE");
    const char *fraction = text + whole + (text[whole] == '.');
    size_t digits = strcspn(fraction, "eE");
    lx_auto(str) char *json = lx_strf("%s%s%.*s.%.*s0%s", sign, whole ? "" : "0", (int)whole, text,
                                      (int)digits, fraction, fraction + digits);
    return json_loads(json, JSON_DECODE_ANY, NULL);
}

static bool all_of(const char *text, const char *set)
{
    return *text && !text[strspn(text, set)];
}

/* The text as a number: true if it is one by the core schema. *ret_value stays NULL for one that
 * JSON does not hold. */
static bool number_of(const char *text, json_t **ret_value)
{
    static const char *const not_json[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    const char *digits = text + (*text == '-' || *text == '+');
    if (strncmp(text, "0x", 2) == 0 && all_of(text + 2, "0123456789abcdefABCDEF"))
        *ret_value = based_integer(text, 4);
    else if (strncmp(text, "0o", 2) == 0 && all_of(text + 2, "01234567"))
        *ret_value = based_integer(text, 3);
    else if (all_of(digits, "0123456789")) {
        int64_t integer;
        if (lx_parse_i64(text, &integer) == 0)
            *ret_value = json_integer((json_int_t)integer);
    } else if (is_float(text))
        *ret_value = real_of(text);
    else
        return one_of(digits, not_json);
    return true;
}

/* NULL for a number that JSON does not hold, and for text that is no UTF-8. */
static json_t *plain_scalar(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    if (one_of(text, nulls))
        return json_null();
    if (one_of(text, trues))
        return json_true();
    if (one_of(text, falses))
        return json_false();
    json_t *number = NULL;
    return number_of(text, &number) ? number : json_string(text);
}

static json_t *read_scalar(struct reader *reader, const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    json_t *value;
    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        strlen(text) == node->data.scalar.length)
        value = plain_scalar(text);
    else
        value = json_stringn(text, node->data.scalar.length);
    return value ? value : fail_at(reader, node, "a number out of range, or not valid UTF-8");
}

static json_t *read_sequence(struct reader *reader, const yaml_node_t *node, unsigned depth)
{
    lx_auto(json) json_t *array = json_array();
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        json_t *value =
            read_node(reader, yaml_document_get_node(reader->document, *item), depth + 1);
        if (!value)
            return NULL;
        json_array_append_new(array, value);
    }
    return lx_take(array);
}

static json_t *read_mapping(struct reader *reader, const yaml_node_t *node, unsigned depth)
{
    lx_auto(json) json_t *object = json_object();
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
        if (!key || key->type != YAML_SCALAR_NODE)
            return fail_at(reader, node, "a key is not a scalar");
        const char *name = (const char *)key->data.scalar.value;
        if (strlen(name) != key->data.scalar.length)
            return fail_at(reader, key, "a key contains a NUL character");
        if (json_object_get(object, name))
            return fail_at(reader, key, "the key stands twice");
        json_t *value =
            read_node(reader, yaml_document_get_node(reader->document, pair->value), depth + 1);
        if (!value)
            return NULL;
        if (json_object_set_new(object, name, value) < 0)
            return fail_at(reader, key, "the key is not valid UTF-8");
    }
    return lx_take(object);
}

static json_t *read_node(struct reader *reader, const yaml_node_t *node, unsigned depth)
{
    if (!node) {
        lx_fail(reader->err, LX_E_INVALID, "invalid YAML: a node is missing");
        return NULL;
    }
    if (depth > DEPTH_MAX)
        return fail_at(reader, node, "nested too deeply");
    if (++reader->nodes > NODES_MAX)
        return fail_at(reader, node, "too many nodes");
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return read_scalar(reader, node);
    case YAML_SEQUENCE_NODE:
        return read_sequence(reader, node, depth);
    case YAML_MAPPING_NODE:
        return read_mapping(reader, node, depth);
    case YAML_NO_NODE:
        break;
    }
    return fail_at(reader, node, "an unknown node");
}

static int read_document(yaml_parser_t *parser, json_t **ret_value, struct lx_err *err)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return lx_fail(err, LX_E_INVALID, "invalid YAML at line %zu column %zu: %s",
                       parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                       parser->problem ? parser->problem : "cannot be read");
    struct reader reader = {.document = &document, .err = err};
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    json_t *value = root ? read_node(&reader, root, 0) : json_null();
    yaml_document_delete(&document);
    if (!value)
        return -1;
    *ret_value = value;
    return 0;
}

int lx_yaml_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return lx_fail(err, LX_E_IO, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int result = read_document(&parser, ret_value, err);
    yaml_parser_delete(&parser);
    return result;
}
