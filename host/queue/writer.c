#include "queue/writer.h"

#include "lunexec/json.h"

#include <inttypes.h>
#include <string.h>

void lx_writer_init(struct lx_writer *writer, struct lx_buf *out)
{
    *writer = (struct lx_writer){.out = out};
}

int lx_writer_end(const struct lx_writer *writer, struct lx_err *err)
{
    if (!writer->failed)
        return 0;
    if (err)
        *err = writer->err;
    return -1;
}

static void put(struct lx_writer *writer, const char *text)
{
    if (!writer->failed && lx_buf_adds(writer->out, text, &writer->err) < 0)
        writer->failed = true;
}

static void put_key(struct lx_writer *writer, const char *key)
{
    if (writer->comma)
        put(writer, ",");
    writer->comma = true;
    if (!key)
        return;
    put(writer, "\"");
    put(writer, key);
    put(writer, "\":");
}

void lx_write_open(struct lx_writer *writer, const char *key, char bracket)
{
    put_key(writer, key);
    put(writer, (const char[]){bracket, '\0'});
    writer->comma = false;
}

void lx_write_close(struct lx_writer *writer, char bracket)
{
    put(writer, (const char[]){bracket, '\0'});
    writer->comma = true;
}

void lx_write_null(struct lx_writer *writer, const char *key)
{
    put_key(writer, key);
    put(writer, "null");
}

void lx_write_int(struct lx_writer *writer, const char *key, int64_t value)
{
    put_key(writer, key);
    if (!writer->failed && lx_buf_addf(writer->out, &writer->err, "%" PRId64, value) < 0)
        writer->failed = true;
}

void lx_write_str_start(struct lx_writer *writer, const char *key)
{
    put_key(writer, key);
    put(writer, "\"");
}

void lx_write_str_end(struct lx_writer *writer)
{
    put(writer, "\"");
    writer->comma = true;
}

void lx_write_str(struct lx_writer *writer, const char *key, const char *text)
{
    lx_write_str_start(writer, key);
    if (!writer->failed && lx_json_escape(writer->out, text, strlen(text), &writer->err) < 0)
        writer->failed = true;
    lx_write_str_end(writer);
}

void lx_write_strv(struct lx_writer *writer, const char *key, const char *const *strv)
{
    lx_write_open(writer, key, '[');
    for (; *strv; strv++)
        lx_write_str(writer, NULL, *strv);
    lx_write_close(writer, ']');
}
