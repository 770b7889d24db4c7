#include "job/entries_priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

/* The whole output is sent again with each update, so a large entry is updated more rarely: on
 * average no more than this many bytes a millisecond and entry. */
#define UPDATE_BYTES_PER_MS 4096
#define UPDATE_INTERVAL_MAX_MS 60000
/* An update that is not the last is given up after this long; the next one carries more. */
#define UPDATE_PATIENCE_MS 60000
/* Once a job's limit is used up, each further entry may still keep this much. */
#define ENTRY_LIMIT_MIN ((uint64_t)64 * 1024)

static void pump(void *arg);

static void remember(struct lx_entry *entry, const struct lx_err *err, const char *doing)
{
    struct lx_entries *entries = entry->entries;
    lx_log(entries->opts->log, LX_LOG_WARN, "log entry failed", LX_STR("job", entries->job->uid),
           LX_STR("key", entry->key), LX_STR("doing", doing), LX_ERR(err));
    entry->wrong = true;
    if (entries->has_error)
        return;
    entries->error = *err;
    lx_wrap(&entries->error, "log entry %s: %s", entry->key, doing);
    entries->has_error = true;
}

static void changed(struct lx_entries *entries)
{
    lx_task_post(entries->opts->loop, &entries->pump_task);
}

struct lx_entries *lx_entries_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                                  const struct lx_mask *mask, struct lx_spool_budget *spool,
                                  uint64_t deadline_ms, struct lx_journal_writer *journal)
{
    struct lx_entries *entries = lx_alloc(sizeof *entries);
    entries->opts = opts;
    entries->job = job;
    entries->mask = mask;
    entries->spool = spool;
    entries->deadline_ms = deadline_ms;
    entries->journal = journal;
    lx_list_init(&entries->list);
    entries->timer = lx_timer_new(opts->loop, pump, entries);
    lx_task_init(&entries->pump_task, pump, entries);
    return entries;
}

static void entry_free(struct lx_entry *entry)
{
    lx_queue_cancel(entry->call);
    lx_sink_free(entry->sink);
    lx_entry_free_lines(&entry->replay);
    lx_entry_free_lines(&entry->notes);
    lx_entry_free_lines(&entry->lines);
    free(entry->kept);
    lx_strv_free(entry->command);
    free(entry->key);
    free(entry);
}

void lx_entries_free(struct lx_entries *entries)
{
    if (!entries)
        return;
    lx_list_each (it, &entries->list)
        entry_free(lx_container_of(it, struct lx_entry, link));
    lx_task_cancel(&entries->pump_task);
    if (entries->done)
        lx_task_cancel(&entries->done_task);
    lx_timer_free(entries->timer);
    free(entries);
}

static uint64_t output_size(const struct lx_entry *entry)
{
    if (entry->kept)
        return entry->kept_len;
    return entry->sink ? lx_sink_size(entry->sink) : 0;
}

/* What an entry that is opened now may keep: a step's limit, or what the steps before it have left
 * of the job's; 0: no limit. */
static uint64_t limit_left(const struct lx_entries *entries)
{
    uint64_t step = (uint64_t)entries->opts->log_limit_step, used = 0;
    uint64_t job = (uint64_t)entries->opts->log_limit_job;
    if (job == 0)
        return step;
    lx_list_each (it, &entries->list) {
        const struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        uint64_t size = output_size(entry);
        if (size < entry->shown_size) /* delivered before a restart */
            size = entry->shown_size;
        if (!entry->result)
            used += size;
    }
    uint64_t left = used < job ? job - used : 0;
    if (left < ENTRY_LIMIT_MIN)
        left = ENTRY_LIMIT_MIN;
    return step > 0 && step < left ? step : left;
}

struct lx_entry *lx_entry_new(struct lx_entries *entries, const char *key, char **command,
                              uint64_t limit)
{
    struct lx_entry *entry = lx_alloc(sizeof *entry);
    entry->entries = entries;
    entry->key = lx_strdup(key);
    entry->command = command;
    entry->start = lx_wall();
    entry->start_ms = lx_now_ms();
    entry->index = entries->n++;
    lx_list_init(&entry->replay);
    lx_list_init(&entry->notes);
    lx_list_init(&entry->lines);
    /* The server reads results from .post entries: those are kept whole, and as they are but for
     * the job's secrets (contract 8.4). */
    entry->result = lx_ends_with(key, ".post");
    if (limit == LX_LIMIT_LEFT)
        limit = entry->result ? 0 : limit_left(entries);
    entry->limit = limit;
    struct lx_sink_opts opts = {
        .mask = entries->mask,
        .spool_dir = entries->opts->spool_dir,
        .budget = entries->spool,
        .keep_tokens = entry->result,
        .limit = limit,
    };
    struct lx_err err;
    lx_list_push(&entries->list, &entry->link);
    if (lx_sink_new(&opts, &entry->sink, &err) < 0)
        remember(entry, &err, "opening the log");
    changed(entries);
    return entry;
}

struct lx_entry *lx_entry_open(struct lx_entries *entries, const char *key, char *const *command)
{
    char **masked = NULL;
    if (command) {
        size_t n = lx_strv_len(command);
        masked = lx_alloc_array(n + 1, sizeof *masked);
        for (size_t i = 0; i < n; i++)
            masked[i] = lx_mask_strdup(entries->mask, command[i]);
    }
    struct lx_entry *entry = lx_entry_new(entries, key, masked, LX_LIMIT_LEFT);
    lx_entry_record(entry);
    return entry;
}

struct lx_entry *lx_entry_find(struct lx_entries *entries, const char *key)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (!entry->past && lx_streq(entry->key, key))
            return entry;
    }
    return NULL;
}

static void note_write(struct lx_entry *entry, int result, const struct lx_err *err)
{
    if (result < 0) {
        remember(entry, err, "keeping the log");
        entry->broken = true;
        lx_entry_record(entry);
    }
    changed(entry->entries);
}

static bool is_open(const struct lx_entry *entry)
{
    return entry->sink && !entry->finished && !entry->broken;
}

/* A line of our own, into the sink. */
static void put_line(struct lx_entry *entry, bool raw, const char *text)
{
    struct lx_err err;
    int result = raw ? lx_sink_raw(entry->sink, text, &err) : lx_sink_line(entry->sink, text, &err);
    note_write(entry, result, &err);
}

/* Lines that an earlier process put where the output is now. */
void lx_entry_replay(struct lx_entry *entry, bool all)
{
    struct lx_entry_line *line;
    while ((line = lx_entry_next_line(entry, all))) {
        if (is_open(entry))
            put_line(entry, line->raw, line->text);
        lx_entry_line_free(line);
    }
}

static void own_line(struct lx_entry *entry, bool raw, const char *text)
{
    if (!is_open(entry))
        return;
    lx_entry_record_line(entry, raw, text);
    put_line(entry, raw, text);
}

/* A note here follows everything that was shown: after a restart that is read again first, and what
 * we wrote ourselves is put where it was. */
static bool takes_notes(const struct lx_entry *entry)
{
    return entry->fed >= entry->shown_fed && lx_list_empty(&entry->replay) &&
           lx_sink_between_lines(entry->sink);
}

/* Writes the notes that wait, if they may stand here; `all`: wherever it is. */
static void put_notes(struct lx_entry *entry, bool all)
{
    while (is_open(entry) && !lx_list_empty(&entry->notes) && (all || takes_notes(entry))) {
        struct lx_entry_line *note =
            lx_container_of(lx_list_shift(&entry->notes), struct lx_entry_line, link);
        own_line(entry, false, note->text);
        lx_entry_line_free(note);
    }
}

/* How much of the output may be written before notes and lines of ours are looked at again. */
static size_t next_part(const struct lx_entry *entry, const char *data, size_t len)
{
    size_t n = lx_entry_before_line(entry, len);
    const char *end = lx_list_empty(&entry->notes) ? NULL : memchr(data, '\n', n);
    return end ? (size_t)(end - data) + 1 : n;
}

void lx_entry_write(struct lx_entry *entry, const char *data, size_t len)
{
    struct lx_err err;
    if (is_open(entry) && !entry->stream) {
        entry->stream = true;
        lx_entry_record(entry);
    }
    while (is_open(entry) && len > 0) {
        size_t n = next_part(entry, data, len);
        int result = lx_sink_write(entry->sink, data, n, &err);
        note_write(entry, result, &err);
        entry->fed += result < 0 ? 0 : n;
        data += n;
        len -= n;
        lx_entry_replay(entry, false);
        put_notes(entry, false);
    }
}

void lx_entry_line(struct lx_entry *entry, const char *text)
{
    own_line(entry, false, text);
}

void lx_entry_raw(struct lx_entry *entry, const char *text)
{
    own_line(entry, true, text);
}

void lx_entry_note(struct lx_entry *entry, const char *text)
{
    if (!is_open(entry))
        return;
    struct lx_entry_line *note = lx_alloc(sizeof *note);
    note->text = lx_strdup(text);
    lx_list_push(&entry->notes, &note->link);
    put_notes(entry, false);
}

void lx_entry_set_broken_log(struct lx_entry *entry, bool broken)
{
    if (entry->broken_log == broken)
        return;
    entry->broken_log = broken;
    lx_entry_record(entry);
}

bool lx_entry_has_broken_log(const struct lx_entry *entry)
{
    return entry->broken_log;
}

void lx_entry_ended(struct lx_entry *entry)
{
    if (entry->ended_ms == 0)
        entry->ended_ms = lx_now_ms();
}

/* Brought back, and not all that was shown has been read again. Beyond that, output may get
 * shorter: its middle is left out. */
static bool shows_less(const struct lx_entry *entry)
{
    bool there = entry->fed == entry->shown_fed;
    return entry->hold > 0 && (entry->fed < entry->shown_fed ||
                               (there && lx_sink_size(entry->sink) < entry->shown_size));
}

void lx_entry_finish(struct lx_entry *entry, int64_t exit_code)
{
    struct lx_err err;
    if (entry->finished)
        return;
    lx_entry_replay(entry, true);
    put_notes(entry, true);
    if (is_open(entry) && lx_sink_close(entry->sink, &err) < 0)
        remember(entry, &err, "keeping the log");
    if (entry->sink && shows_less(entry))
        entry->left = entry->final_sent = true;
    entry->finished = true;
    entry->exit_code = exit_code;
    lx_entry_ended(entry);
    entry->duration_ms = (int64_t)(entry->ended_ms - entry->start_ms);
    lx_entry_record(entry);
    changed(entry->entries);
}

void lx_entries_tell_open(struct lx_entries *entries, const char *text)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (!entry->finished)
            lx_entry_note(entry, text);
    }
}

void lx_entries_renew(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        lx_entry_finish(entry, -1);
        if (entry->past)
            continue;
        entry->past = true;
        lx_entry_record(entry);
    }
}

bool lx_entry_has_results(const struct lx_entry *entry)
{
    return entry->result;
}

bool lx_entry_finished(const struct lx_entry *entry)
{
    return entry->finished;
}

static ssize_t read_kept(void *arg, uint64_t offset, char *out, size_t size)
{
    const struct lx_entry *entry = arg;
    size_t rest = offset < entry->kept_len ? entry->kept_len - (size_t)offset : 0;
    size_t n = rest < size ? rest : size;
    memcpy(out, entry->kept + offset, n);
    return (ssize_t)n;
}

static struct lx_out_source output_of(struct lx_entry *entry)
{
    if (entry->kept)
        return (struct lx_out_source){.len = entry->kept_len, .read = read_kept, .arg = entry};
    return entry->sink ? lx_sink_source(entry->sink) : (struct lx_out_source){0};
}

static struct lx_log_entry wire_entry(struct lx_entry *entry, bool with_output)
{
    entry->out = with_output ? output_of(entry) : (struct lx_out_source){0};
    return (struct lx_log_entry){
        .key = entry->key,
        .command = (const char *const *)entry->command,
        .start = entry->start,
        .finished = with_output && entry->finished,
        .exit_code = entry->exit_code,
        .duration_ms = entry->duration_ms,
        .out = &entry->out,
    };
}

static void on_added(void *arg, int64_t id, const struct lx_err *err)
{
    struct lx_entry *entry = arg;
    entry->call = NULL;
    if (err) {
        entry->failed = true;
        remember(entry, err, "adding it");
        lx_entry_record(entry);
        if (err->code == LX_E_NOT_FOUND)
            entry->entries->abandoned = true;
    } else {
        entry->id = entry->entries->last_id = id;
        lx_entry_record(entry);
    }
    pump(entry->entries);
}

static void on_updated(void *arg, const struct lx_err *err)
{
    struct lx_entry *entry = arg;
    entry->call = NULL;
    entry->sent_ms = lx_now_ms();
    if (!err) {
        entry->sent_size = entry->out.len;
        entry->final_sent = entry->sending_final;
        if (entry->final_sent)
            lx_entry_record_delivered(entry);
    } else if (entry->sending_final || err->code == LX_E_NOT_FOUND) {
        entry->failed = true;
        remember(entry, err, "updating it");
        lx_entry_record(entry);
        if (err->code == LX_E_NOT_FOUND)
            entry->entries->abandoned = true;
    } else {
        lx_log(entry->entries->opts->log, LX_LOG_WARN, "log update failed, will be repeated",
               LX_STR("job", entry->entries->job->uid), LX_STR("key", entry->key), LX_ERR(err));
    }
    pump(entry->entries);
}

static void send_update(struct lx_entry *entry, uint64_t now)
{
    struct lx_entries *entries = entry->entries;
    struct lx_log_entry wire = wire_entry(entry, true);
    uint64_t deadline = entries->deadline_ms;
    entry->sending_final = entry->finished;
    if (!entry->kept && (entry->out.len != entry->shown_size || entry->fed != entry->shown_fed)) {
        entry->shown_size = entry->out.len;
        entry->shown_fed = entry->fed;
        lx_entry_record(entry);
    }
    if (!entry->finished && deadline > now + UPDATE_PATIENCE_MS)
        deadline = now + UPDATE_PATIENCE_MS;
    entry->call = lx_queue_update_entry(entries->opts->queue, entries->job, entry->id, &wire,
                                        deadline, on_updated, entry);
}

/* When the entry may be updated next; UINT64_MAX while there is nothing to say. */
static uint64_t update_due(const struct lx_entry *entry)
{
    if (entry->id == 0 || entry->call || entry->failed || entry->final_sent)
        return UINT64_MAX;
    uint64_t size = output_size(entry);
    if (entry->finished)
        return 0;
    bool same = entry->fed == entry->shown_fed && size <= entry->hold;
    if (size == entry->sent_size || same || entry->hold == UINT64_MAX ||
        entry->fed < entry->shown_fed)
        return UINT64_MAX;
    if (entry->sent_ms == 0)
        return 0;
    uint64_t interval = (uint64_t)entry->entries->opts->log_update_interval_ms;
    uint64_t by_size = size / UPDATE_BYTES_PER_MS;
    if (by_size > interval)
        interval = by_size > UPDATE_INTERVAL_MAX_MS ? UPDATE_INTERVAL_MAX_MS : by_size;
    return entry->sent_ms + interval;
}

/* Adds the first entry that is not added yet, one at a time, so that they keep their order. */
static void pump_add(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry->id != 0 || entry->failed)
            continue;
        if (!entry->call) {
            struct lx_log_entry wire = wire_entry(entry, false);
            wire.expect_id = entries->last_id + 1;
            wire.maybe_added = entries->restarted;
            entries->restarted = false;
            entry->call = lx_queue_add_entry(entries->opts->queue, entries->job, &wire,
                                             entries->deadline_ms, on_added, entry);
        }
        return;
    }
}

static bool delivered(const struct lx_entries *entries)
{
    if (entries->abandoned)
        return true;
    lx_list_each (it, &entries->list) {
        const struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (!entry->failed && !entry->final_sent)
            return false;
    }
    return true;
}

static void pump(void *arg)
{
    struct lx_entries *entries = arg;
    uint64_t now = lx_now_ms(), next = UINT64_MAX;
    if (!entries->abandoned && !entries->paused) {
        pump_add(entries);
        lx_list_each (it, &entries->list) {
            struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
            uint64_t due = update_due(entry);
            if (due <= now)
                send_update(entry, now);
            else if (due < next)
                next = due;
        }
    }
    lx_timer_stop(entries->timer);
    if (next != UINT64_MAX)
        lx_timer_start(entries->timer, next - now, 0);
    if (entries->flushing && delivered(entries)) {
        entries->flushing = false;
        lx_task_post(entries->opts->loop, &entries->done_task);
    }
}

void lx_entries_flush(struct lx_entries *entries, void (*done)(void *arg), void *arg)
{
    entries->flushing = true;
    entries->done = done;
    lx_task_init(&entries->done_task, done, arg);
    changed(entries);
}

const struct lx_err *lx_entries_error(const struct lx_entries *entries)
{
    return entries->has_error ? &entries->error : NULL;
}

void lx_entries_abandon(struct lx_entries *entries)
{
    entries->abandoned = true;
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        lx_queue_cancel(entry->call);
        entry->call = NULL;
    }
    changed(entries);
}

void lx_entries_pause(struct lx_entries *entries)
{
    entries->paused = true;
}

void lx_entries_resume(struct lx_entries *entries)
{
    entries->paused = false;
    changed(entries);
}

bool lx_entries_busy(const struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        if (lx_container_of(it, struct lx_entry, link)->call)
            return true;
    }
    return false;
}
