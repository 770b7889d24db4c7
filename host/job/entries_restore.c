/*
 * Log entries brought back from the journal by the next process.
 */
#include "job/entries_priv.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

/* Of one value that is read back. */
#define VALUE_MAX ((size_t)256 * 1024 * 1024)

#define NS INT64_C(1000000000)

void lx_entry_line_free(struct lx_entry_line *line)
{
    free(line->text);
    free(line);
}

void lx_entry_free_lines(struct lx_list *lines)
{
    for (struct lx_list *it; (it = lx_list_shift(lines));)
        lx_entry_line_free(lx_container_of(it, struct lx_entry_line, link));
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
    entry->shown_size = entry->hold = (uint64_t)lx_json_int(value, "sent", 0);
    entry->shown_fed = (uint64_t)lx_json_int(value, "sent_fed", 0);
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
    lx_entry_keep_line(entry, line->at, line->raw, line->text);
    entry->n_lines++;
}

static void restore_text(struct lx_entry *entry, const struct lx_journal *journal, const char *key)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(LX_ENTRY_TEXT_MAX + 1);
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
            lx_entries_end_before(entries, entry);
    }
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        lx_list_each (line, &entry->replay)
            on_line(arg, entry->key, lx_container_of(line, struct lx_entry_line, link)->text);
        settle_restored(entry);
    }
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
        lx_entry_line(entry,
                      "[lunexec] this log is incomplete: the executor was restarted before it "
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
