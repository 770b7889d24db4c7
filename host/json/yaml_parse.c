#include "lunexec/yaml.h"

#include "lunexec/map.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

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

static json_t *number_of(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int64_t integer;
    if (lx_parse_i64(text, &integer) == 0 && isdigit((unsigned char)*digits))
        return json_integer((json_int_t)integer);
    if (!is_float(text))
        return NULL;
    /* JSON knows the same numbers, but no leading '+' or '.' and no trailing '.'. */
    lx_auto(str) char *json = lx_strf("%s%s%s", *text == '-' ? "-" : "", *digits == '.' ? "0" : "",
                                      digits);
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    return json_is_number(value) ? value : (json_decref(value), NULL);
}

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
    json_t *number = number_of(text);
    return number ? number : json_string(text);
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
    return value ? value : fail_at(reader, node, "the text is not valid UTF-8");
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
