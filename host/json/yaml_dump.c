#include "lunexec/yaml.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct writer {
    yaml_emitter_t emitter;
    struct lx_buf *out;
    struct lx_err *err;
    bool full;
};

static int write_piece(void *arg, unsigned char *data, size_t len)
{
    struct writer *writer = arg;
    writer->full = lx_buf_add(writer->out, data, len, writer->err) < 0;
    return !writer->full;
}

/* Emits the event; libyaml owns it from here on, also on failure. */
static int emit(struct writer *writer, yaml_event_t *event, int made)
{
    if (made && yaml_emitter_emit(&writer->emitter, event))
        return 0;
    if (writer->full)
        return -1;
    return lx_fail(writer->err, LX_E_INVALID, "cannot write YAML: %s",
                   writer->emitter.problem ? writer->emitter.problem : "out of memory");
}

/* Words that readers of YAML 1.1, Kubernetes' among them, take for something else than a string. */
static bool reserved(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "=", "<<", NULL};
    for (const char *const *word = words; *word; word++) {
        if (strcasecmp(text, *word) == 0)
            return true;
    }
    /* 1_000, 0b1, 2020-01-01 and other numbers and dates of old. */
    text += *text == '-' || *text == '+';
    text += *text == '.';
    return *text >= '0' && *text <= '9';
}

/* Whether a plain scalar of this text would be read back as this very string. */
static bool reads_as_string(const char *text, size_t len)
{
    lx_auto(json) json_t *value = NULL;
    if (reserved(text) || strcspn(text, ":#{}[],&*!|>'\"%@`\n\t") != len || strlen(text) != len)
        return false;
    if (lx_yaml_parse(text, len, &value, NULL) < 0 || !json_is_string(value))
        return false;
    return strcmp(json_string_value(value), text) == 0;
}

static int emit_text(struct writer *writer, const char *text, size_t len, yaml_scalar_style_t style)
{
    yaml_event_t event;
    union {
        const char *in;
        unsigned char *out;
    } value = {.in = text};
    if (len > INT_MAX)
        return lx_fail(writer->err, LX_E_LIMIT, "cannot write YAML: a string of %zu bytes", len);
    int made = yaml_scalar_event_initialize(&event, NULL, NULL, value.out, (int)len, 1, 1, style);
    return emit(writer, &event, made);
}

static int emit_string(struct writer *writer, const char *text, size_t len)
{
    yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (reads_as_string(text, len))
        style = YAML_PLAIN_SCALAR_STYLE;
    else if (len > 0 && memchr(text, '\n', len) && text[0] != ' ' && !memchr(text, '\r', len))
        style = YAML_LITERAL_SCALAR_STYLE;
    return emit_text(writer, text, len, style);
}

static int emit_value(struct writer *writer, const json_t *value);

static int emit_array(struct writer *writer, const json_t *value)
{
    yaml_event_t event;
    int made = yaml_sequence_start_event_initialize(
        &event, NULL, NULL, 1,
        json_array_size(value) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE);
    if (emit(writer, &event, made) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (emit_value(writer, json_array_get(value, i)) < 0)
            return -1;
    }
    return emit(writer, &event, yaml_sequence_end_event_initialize(&event));
}

static int emit_object(struct writer *writer, const json_t *value)
{
    yaml_event_t event;
    int made = yaml_mapping_start_event_initialize(
        &event, NULL, NULL, 1,
        json_object_size(value) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE);
    if (emit(writer, &event, made) < 0)
        return -1;
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = value};
    const char *key;
    json_t *item;
    json_object_foreach (object.out, key, item) {
        if (emit_string(writer, key, strlen(key)) < 0 || emit_value(writer, item) < 0)
            return -1;
    }
    return emit(writer, &event, yaml_mapping_end_event_initialize(&event));
}

static int emit_value(struct writer *writer, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return emit_object(writer, value);
    case JSON_ARRAY:
        return emit_array(writer, value);
    case JSON_STRING:
        return emit_string(writer, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    lx_auto(str) char *text = lx_json_text(value);
    return emit_text(writer, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

static int emit_document(struct writer *writer, const json_t *value)
{
    yaml_event_t event;
    if (emit(writer, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) < 0 ||
        emit(writer, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) <
            0 ||
        emit_value(writer, value) < 0 ||
        emit(writer, &event, yaml_document_end_event_initialize(&event, 1)) < 0 ||
        emit(writer, &event, yaml_stream_end_event_initialize(&event)) < 0)
        return -1;
    return 0;
}

int lx_yaml_dump(const json_t *value, struct lx_buf *out, struct lx_err *err)
{
    struct writer writer = {.out = out, .err = err};
    size_t before = out->len;
    if (!yaml_emitter_initialize(&writer.emitter))
        return lx_fail(err, LX_E_IO, "out of memory");
    yaml_emitter_set_output(&writer.emitter, write_piece, &writer);
    yaml_emitter_set_unicode(&writer.emitter, 1);
    yaml_emitter_set_width(&writer.emitter, -1);
    int result = emit_document(&writer, value);
    yaml_emitter_delete(&writer.emitter);
    if (result < 0) {
        out->len = before;
        if (out->data)
            out->data[before] = '\0';
    }
    return result;
}
