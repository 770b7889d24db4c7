/*
 * Log entries in the journal. Output of containers is not kept there: a restarted executor reads
 * the containers' logs again from their beginnings and makes the same text of them, with the lines
 * of our own in the same places.
 */
#include "job/entries_priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <inttypes.h>
#include <string.h>

#define NS INT64_C(1000000000)

static char *key_of(const struct lx_entry *entry, const char *what)
{
    return lx_strf("%s/%s/%06zu", entry->entries->job->uid, what, entry->index);
}

static json_t *command_of(const struct lx_entry *entry)
{
    if (!entry->command)
        return json_null();
    json_t *list = json_array();
    for (char **word = entry->command; *word; word++)
        json_array_append_new(list, json_stringn_nocheck(*word, strlen(*word)));
    return list;
}

void lx_entry_record(const struct lx_entry *entry)
{
    if (!entry->entries->journal)
        return;
    int64_t start = entry->start.tv_sec * NS + entry->start.tv_nsec;
    lx_auto(str) char *key = key_of(entry, "entry");
    lx_auto(json) json_t *value = json_pack(
        "{s:s, s:o, s:I, s:I, s:b, s:I, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:b, "
        "s:b, s:I}",
        "key", entry->key, "command", command_of(entry), "start", (json_int_t)start, "id",
        (json_int_t)entry->id, "stream", entry->stream, "sent", (json_int_t)entry->shown_size,
        "sent_fed", (json_int_t)entry->shown_fed, "left", entry->left, "failed", entry->failed,
        "wrong", entry->wrong, "past", entry->past, "delivered", entry->final_sent, "finished",
        entry->finished, "exit_code", (json_int_t)entry->exit_code, "duration",
        (json_int_t)entry->duration_ms, "begins", (json_int_t)entry->begins_ns, "goes_on",
        entry->goes_on, "broken_log", entry->broken_log, "limit", (json_int_t)entry->limit);
    lx_journal_writer_put(entry->entries->journal, key, value);
}

void lx_entry_keep_line(struct lx_entry *entry, uint64_t at, bool raw, const char *text)
{
    struct lx_entry_line *line = lx_alloc(sizeof *line);
    line->at = at;
    line->raw = raw;
    line->text = lx_strdup(text);
    lx_list_push(&entry->lines, &line->link);
}

/* What is no UTF-8 is written as the sink will show it. */
static void record_line(const struct lx_entry *entry, size_t n, const struct lx_entry_line *line)
{
    lx_auto(str) char *base = key_of(entry, "line");
    lx_auto(str) char *key = lx_strf("%s/%06zu", base, n);
    lx_auto(buf) struct lx_buf value = LX_BUF_INIT(LX_ENTRY_TEXT_MAX);
    if (lx_buf_addf(&value, NULL, "{\"at\":%" PRIu64 ",\"raw\":%s,\"text\":\"", line->at,
                    line->raw ? "true" : "false") < 0 ||
        lx_json_escape(&value, line->text, strlen(line->text), NULL) < 0 ||
        lx_buf_adds(&value, "\"}", NULL) < 0)
        return;
    lx_journal_writer_put_bytes(entry->entries->journal, key, value.data, value.len);
}

void lx_entry_record_line(struct lx_entry *entry, bool raw, const char *text)
{
    if (!entry->entries->journal)
        return;
    /* After a line that stood further on, in output that could not be read again. */
    uint64_t at = entry->fed;
    if (!lx_list_empty(&entry->lines)) {
        const struct lx_entry_line *last =
            lx_container_of(entry->lines.prev, struct lx_entry_line, link);
        at = last->at > at ? last->at : at;
    }
    lx_entry_keep_line(entry, at, raw, text);
    record_line(entry, entry->n_lines++,
                lx_container_of(entry->lines.prev, struct lx_entry_line, link));
}

void lx_entry_record_delivered(struct lx_entry *entry)
{
    lx_entry_record(entry);
    lx_entry_free_lines(&entry->lines);
    if (!entry->text_kept)
        return;
    lx_auto(str) char *key = key_of(entry, "text");
    lx_journal_writer_remove(entry->entries->journal, key);
    entry->text_kept = false;
}

static void keep_text(struct lx_entry *entry)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(LX_ENTRY_TEXT_MAX + 1);
    if (lx_sink_size(entry->sink) > LX_ENTRY_TEXT_MAX || lx_sink_copy(entry->sink, &text, NULL) < 0)
        return;
    lx_auto(str) char *key = key_of(entry, "text");
    lx_journal_writer_put_bytes(entry->entries->journal, key, text.data, text.len);
    entry->text_kept = true;
}

void lx_entries_keep(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entries->journal && !entries->abandoned && entry->finished && entry->stream &&
            !entry->final_sent && !entry->failed && !entry->text_kept && !entry->kept &&
            entry->sink)
            keep_text(entry);
    }
}

static void rewrite(struct lx_entry *entry)
{
    size_t n = 0;
    lx_entry_record(entry);
    if (entry->final_sent || entry->failed)
        return;
    lx_list_each (it, &entry->lines)
        record_line(entry, n++, lx_container_of(it, struct lx_entry_line, link));
    if (entry->text_kept && !entry->kept)
        keep_text(entry);
}

void lx_entries_rewrite(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list)
        rewrite(lx_container_of(it, struct lx_entry, link));
}

bool lx_entry_has_line(const struct lx_entry *entry, const char *text)
{
    lx_list_each (it, &entry->lines) {
        if (lx_streq(lx_container_of(it, struct lx_entry_line, link)->text, text))
            return true;
    }
    return false;
}
