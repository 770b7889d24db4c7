/*
 * Log entries in the journal. Output of containers is not kept there: a restarted executor reads
 * the containers' logs again from their beginnings and makes the same text of them, with the lines
 * of our own in the same places.
 */
#include "job/entries_priv.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <inttypes.h>
#include <string.h>

/* Of one value that is read back. */
#define VALUE_MAX ((size_t)256 * 1024 * 1024)
/* A longer text is not kept when its containers go before it was delivered. */
#define TEXT_MAX ((uint64_t)64 * 1024 * 1024)

#define NS INT64_C(1000000000)

/* ---- Keeping ---- */

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
        (json_int_t)entry->id, "stream", entry->stream, "sent", (json_int_t)entry->sent_max,
        "sent_fed", (json_int_t)entry->sent_fed, "left", entry->left, "failed", entry->failed,
        "wrong", entry->wrong, "past", entry->past, "delivered", entry->final_sent, "finished",
        entry->finished, "exit_code", (json_int_t)entry->exit_code, "duration",
        (json_int_t)entry->duration_ms, "begins", (json_int_t)entry->begins_ns, "goes_on",
        entry->goes_on, "broken_log", entry->broken_log, "limit", (json_int_t)entry->limit);
    lx_journal_writer_put(entry->entries->journal, key, value);
}

static void keep_line(struct lx_list *list, uint64_t at, bool raw, const char *text)
{
    struct lx_entry_line *line = lx_alloc(sizeof *line);
    line->at = at;
    line->raw = raw;
    line->text = lx_strdup(text);
    lx_list_push(list, &line->link);
}

/* What is no UTF-8 is written as the sink will show it. */
static void record_line(const struct lx_entry *entry, size_t n, const struct lx_entry_line *line)
{
    lx_auto(str) char *base = key_of(entry, "line");
    lx_auto(str) char *key = lx_strf("%s/%06zu", base, n);
    lx_auto(buf) struct lx_buf value = LX_BUF_INIT(TEXT_MAX);
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
    keep_line(&entry->lines, at, raw, text);
    record_line(entry, entry->n_lines++,
                lx_container_of(entry->lines.prev, struct lx_entry_line, link));
}

void lx_entry_record_delivered(struct lx_entry *entry)
{
    lx_entry_record(entry);
    if (!entry->text_kept)
        return;
    lx_auto(str) char *key = key_of(entry, "text");
    lx_journal_writer_remove(entry->entries->journal, key);
    entry->text_kept = false;
}

static void keep_text(struct lx_entry *entry)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(TEXT_MAX + 1);
    if (lx_sink_size(entry->sink) > TEXT_MAX || lx_sink_copy(entry->sink, &text, NULL) < 0)
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

/* ---- Bringing back ---- */

void lx_entry_line_free(struct lx_entry_line *line)
{
    free(line->text);
    free(line);
}

struct lx_entry_line *lx_entry_next_line(struct lx_entry *entry, bool all)
{
    if (lx_list_empty(&entry->replay))
        return NULL;
    struct lx_entry_line *line = lx_container_of(entry->replay.next, struct lx_entry_line, link);
    if (!all && line->at > entry->fed)
        return NULL;
    lx_list_remove(&line->link);
    return line;
}

size_t lx_entry_before_line(const struct lx_entry *entry, size_t len)
{
    if (lx_list_empty(&entry->replay))
        return len;
    const struct lx_entry_line *line =
        lx_container_of(entry->replay.next, struct lx_entry_line, link);
    uint64_t rest = line->at > entry->fed ? line->at - entry->fed : 0;
    return rest < len ? (size_t)rest : len;
}

static char **command_from(const json_t *list)
{
    if (!json_is_array(list))
        return NULL;
    char **command = lx_alloc_array(json_array_size(list) + 1, sizeof *command);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        command[i] = lx_strdup(word ? word : "");
    }
    return command;
}

static json_t *value_of(const struct lx_journal *journal, const char *key)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(VALUE_MAX);
    json_t *value = NULL;
    if (lx_journal_get(journal, key, &text, NULL) < 0 ||
        lx_json_parse(lx_buf_str(&text), text.len, &value, NULL) < 0)
        return NULL;
    return value;
}

static void restore_entry(struct lx_entries *entries, const json_t *value)
{
    int64_t limit = lx_json_int(value, "limit", -1);
    struct lx_entry *entry = lx_entry_new(entries, lx_json_str(value, "key", ""),
                                          command_from(json_object_get(value, "command")),
                                          limit < 0 ? LX_LIMIT_LEFT : (uint64_t)limit);
    int64_t start = lx_json_int(value, "start", 0);
    start = start > 0 ? start : 0;
    struct timespec now = lx_wall();
    int64_t age_ms = (now.tv_sec * NS + now.tv_nsec - start) / 1000000;
    entry->start = (struct timespec){.tv_sec = start / NS, .tv_nsec = start % NS};
    entry->start_ms -= (uint64_t)(age_ms > 0 ? age_ms : 0);
    entry->id = lx_json_int(value, "id", 0);
    if (entry->id > entries->last_id)
        entries->last_id = entry->id;
    entry->stream = lx_json_bool(value, "stream", false);
    entry->sent_max = entry->hold = (uint64_t)lx_json_int(value, "sent", 0);
    entry->sent_fed = (uint64_t)lx_json_int(value, "sent_fed", 0);
    entry->begins_ns = lx_json_int(value, "begins", 0);
    entry->goes_on = lx_json_bool(value, "goes_on", false);
    entry->broken_log = lx_json_bool(value, "broken_log", false);
    entry->left = lx_json_bool(value, "left", false);
    entry->past = lx_json_bool(value, "past", false);
    entry->failed = lx_json_bool(value, "failed", false);
    entry->wrong = lx_json_bool(value, "wrong", entry->failed);
    entry->final_sent = lx_json_bool(value, "delivered", false);
    entry->finished = lx_json_bool(value, "finished", false);
    entry->exit_code = entry->finished ? lx_json_int(value, "exit_code", -1) : -1;
    entry->duration_ms = lx_json_int(value, "duration", 0);
}

/* "<uid>/<what>/<index>..." */
static struct lx_entry *entry_at(struct lx_entries *entries, const char *index)
{
    lx_auto(str) char *digits = lx_strndup(index, strcspn(index, "/"));
    uint64_t wanted;
    if (lx_parse_u64(digits, &wanted) < 0)
        return NULL;
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->index == wanted)
            return entry;
    }
    return NULL;
}

/* Sorted by place, and in order of writing in one place. */
static void restore_line(struct lx_entry *entry, const json_t *value)
{
    struct lx_entry_line *line = lx_alloc(sizeof *line);
    line->at = (uint64_t)lx_json_int(value, "at", 0);
    line->raw = lx_json_bool(value, "raw", false);
    line->text = lx_strdup(lx_json_str(value, "text", ""));
    lx_list_init(&line->link);
    struct lx_list *before = &entry->replay;
    while (before->prev != &entry->replay &&
           lx_container_of(before->prev, struct lx_entry_line, link)->at > line->at)
        before = before->prev;
    lx_list_push(before, &line->link);
    keep_line(&entry->lines, line->at, line->raw, line->text);
    entry->n_lines++;
}

static void restore_text(struct lx_entry *entry, const struct lx_journal *journal, const char *key)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(TEXT_MAX + 1);
    if (lx_journal_get(journal, key, &text, NULL) < 0)
        return;
    free(entry->kept);
    entry->kept_len = text.len;
    entry->kept = lx_buf_take(&text);
    entry->text_kept = true;
}

static void restore_key(struct lx_entries *entries, const struct lx_journal *journal,
                        const char *key)
{
    const char *rest = key + strlen(entries->job->uid) + 1;
    bool line = lx_starts_with(rest, "line/"), text = lx_starts_with(rest, "text/");
    if (lx_starts_with(rest, "entry/")) {
        lx_auto(json) json_t *value = value_of(journal, key);
        restore_entry(entries, value);
        return;
    }
    struct lx_entry *entry = line || text ? entry_at(entries, strchr(rest, '/') + 1) : NULL;
    if (!entry)
        return;
    if (text) {
        restore_text(entry, journal, key);
    } else {
        lx_auto(json) json_t *value = value_of(journal, key);
        restore_line(entry, value);
    }
}

static void wrong_before(struct lx_entry *entry)
{
    struct lx_entries *entries = entry->entries;
    if (!entry->wrong || entries->has_error)
        return;
    lx_fail(&entries->error, LX_E_IO,
            "log entry %s: it could not be kept or delivered before the executor was restarted",
            entry->key);
    entries->has_error = true;
}

/* What was delivered, or is here whole, stays as it is; what we wrote ourselves is written again;
 * output of containers is to come. */
static void settle_restored(struct lx_entry *entry)
{
    bool ended = entry->finished && !entry->stream;
    if (entry->final_sent || entry->failed || entry->kept) {
        entry->finished = true;
        wrong_before(entry);
        return;
    }
    entry->wrong = false; /* it gets another try */
    int64_t duration = entry->duration_ms;
    if (entry->finished && entry->stream)
        entry->hold = UINT64_MAX; /* its exit code may have been shown */
    entry->finished = false;
    lx_entry_replay(entry, ended);
    if (!ended)
        return;
    lx_entry_finish(entry, entry->exit_code);
    entry->duration_ms = duration;
}

static char **command_copy(char *const *command)
{
    size_t n = command ? lx_strv_len(command) : 0;
    char **copy = command ? lx_alloc_array(n + 1, sizeof *copy) : NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = lx_strdup(command[i]);
    return copy;
}

/* What was shown stays as it is, without an exit code. Of an entry of which nothing was shown there
 * are lines of ours at most, and they are all of it from now on. */
static void end_here(struct lx_entry *entry)
{
    bool shown = entry->sent_max > 0;
    entry->past = entry->finished = true;
    entry->final_sent = shown;
    entry->stream = entry->stream && shown;
    entry->exit_code = -1;
}

/* The new entry is recorded first: a process that finds only that knows the other has ended
 * (end_gone_on). */
static struct lx_entry *go_on_in_another(struct lx_entry *entry)
{
    struct lx_entry *next = lx_entry_new(entry->entries, entry->key,
                                         command_copy(entry->command), LX_LIMIT_LEFT);
    next->goes_on = true;
    lx_entry_record(next);
    if (entry->sent_max == 0)
        lx_entry_finish(entry, -1);
    end_here(entry);
    lx_entry_record(entry);
    return next;
}

static void end_gone_on(struct lx_entries *entries, const struct lx_entry *next)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry == next)
            return;
        if (!entry->past && lx_streq(entry->key, next->key))
            end_here(entry);
    }
}

void lx_entries_restore(struct lx_entries *entries, const struct lx_journal *journal,
                        char *const *keys,
                        void (*on_line)(void *arg, const char *key, const char *text), void *arg)
{
    for (char *const *key = keys; *key; key++)
        restore_key(entries, journal, *key);
    entries->restarted = entries->paused = true;
    lx_list_each (it, &entries->list) {
        const struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->goes_on)
            end_gone_on(entries, entry);
    }
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        lx_list_each (line, &entry->replay)
            on_line(arg, entry->key, lx_container_of(line, struct lx_entry_line, link)->text);
        settle_restored(entry);
    }
}

static void tell_rotated(struct lx_entry *entry, int64_t begins_ns)
{
    char begins[LX_RFC3339_SIZE];
    struct timespec when = {.tv_sec = begins_ns / NS, .tv_nsec = begins_ns % NS};
    lx_rfc3339(when, begins);
    lx_auto(str) char *text =
        lx_strf("[lunexec] this log goes on from the entry before: the executor was restarted; "
                "lines before %s have been rotated away by the kubelet since, and some may be in "
                "neither",
                begins);
    lx_entry_line(entry, text);
}

static void move_notes(struct lx_list *lines, uint64_t after, struct lx_entry *to)
{
    for (struct lx_list *it; (it = lx_list_shift(lines));) {
        struct lx_entry_line *note = lx_container_of(it, struct lx_entry_line, link);
        if (note->at >= after)
            lx_entry_note(to, note->text);
        lx_entry_line_free(note);
    }
}

struct lx_entry *lx_entry_begin_output(struct lx_entry *entry, int64_t begins_ns)
{
    if (entry->begins_ns == begins_ns || begins_ns == 0 || entry->finished)
        return entry;
    struct lx_entry *before = entry;
    bool untold = entry->goes_on && entry->n_lines == 0; /* killed when it had just been opened */
    if (entry->begins_ns != 0)
        entry = go_on_in_another(entry);
    if (entry != before || untold)
        tell_rotated(entry, begins_ns);
    if (entry != before) {
        move_notes(&before->replay, before->sent_fed + 1, entry); /* what was not shown */
        move_notes(&before->notes, 0, entry);
    }
    entry->begins_ns = begins_ns;
    lx_entry_record(entry);
    return entry;
}

struct lx_entry *lx_entry_gap(struct lx_entry *entry)
{
    if (entry->finished || entry->fed >= entry->sent_fed)
        return entry;
    struct lx_entry *next = go_on_in_another(entry);
    lx_entry_line(next, "[lunexec] this log goes on from the entry before: the executor was "
                        "restarted, and lines were rotated away by the kubelet while it was read "
                        "again; some may be in neither");
    move_notes(&entry->replay, entry->sent_fed + 1, next);
    move_notes(&entry->notes, 0, next);
    return next;
}

bool lx_entry_has_line(const struct lx_entry *entry, const char *text)
{
    lx_list_each (it, &entry->lines) {
        if (lx_streq(lx_container_of(it, struct lx_entry_line, link)->text, text))
            return true;
    }
    return false;
}

bool lx_entry_output_gone(const struct lx_entry *entry)
{
    return entry->begins_ns != 0 && entry->fed == 0 && !entry->finished;
}

bool lx_entry_goes_on(const struct lx_entry *entry)
{
    return entry->goes_on;
}

void lx_entries_interrupted(struct lx_entries *entries, const char *except, const char *text)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->finished || (except && lx_streq(entry->key, except)) ||
            lx_starts_with(entry->key, "teardown."))
            continue;
        lx_entry_line(entry, text);
        lx_entry_finish(entry, -1);
    }
}

void lx_entries_lost(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->finished || !entry->stream)
            continue;
        lx_fail(&entries->error, LX_E_IO,
                "log entry %s: the executor was restarted before it was delivered", entry->key);
        entries->has_error = entry->wrong = true;
        lx_entry_line(entry, "[lunexec] this log is incomplete: the executor was restarted before it "
                             "was delivered");
        lx_entry_finish(entry, entry->exit_code);
    }
}

void lx_entries_tell_left(struct lx_entries *entries, struct lx_entry *where)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (!entry->left)
            continue;
        lx_auto(str) char *text =
            lx_strf("[lunexec] log entry %s is incomplete: what followed when the executor was "
                    "restarted can no longer be read",
                    entry->key);
        lx_entry_line(where, text);
    }
}

const char *lx_entries_left_results(const struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        const struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->left && entry->result && !entry->past)
            return entry->key;
    }
    return NULL;
}
