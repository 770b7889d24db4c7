/*
 * Logs whose lines the kubelet rotated away over a restart: what is read again is not what was
 * shown. That stays as it is, and a second entry with the same key goes on.
 */
#include "job/entries_priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#define NS INT64_C(1000000000)

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
    bool shown = entry->shown_size > 0;
    entry->past = entry->finished = true;
    entry->final_sent = shown;
    entry->stream = entry->stream && shown;
    entry->exit_code = -1;
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

/* The new entry is recorded first: a process that finds only that knows the other has ended
 * (lx_entries_end_before). It begins with the line `why`, and gets what was not shown of our own
 * lines. */
static struct lx_entry *go_on_in_another(struct lx_entry *entry, const char *why)
{
    struct lx_entry *next =
        lx_entry_new(entry->entries, entry->key, command_copy(entry->command), LX_LIMIT_LEFT);
    next->goes_on = true;
    lx_entry_record(next);
    if (entry->shown_size == 0)
        lx_entry_finish(entry, -1);
    end_here(entry);
    lx_entry_record(entry);
    lx_entry_line(next, why);
    move_notes(&entry->replay, entry->shown_fed + 1, next);
    move_notes(&entry->notes, 0, next);
    return next;
}

void lx_entries_end_before(struct lx_entries *entries, const struct lx_entry *next)
{
    lx_list_each (it, &entries->list) {
        struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        if (entry == next)
            return;
        if (!entry->past && lx_streq(entry->key, next->key))
            end_here(entry);
    }
}

static char *why_rotated(int64_t begins_ns)
{
    char begins[LX_RFC3339_SIZE];
    struct timespec when = {.tv_sec = begins_ns / NS, .tv_nsec = begins_ns % NS};
    lx_rfc3339(when, begins);
    return lx_strf("[lunexec] this log goes on from the entry before: the executor was restarted; "
                   "lines before %s have been rotated away by the kubelet since, and some may be "
                   "in neither",
                   begins);
}

struct lx_entry *lx_entry_begin_output(struct lx_entry *entry, int64_t begins_ns)
{
    if (entry->begins_ns == begins_ns || begins_ns == 0 || entry->finished)
        return entry;
    bool untold = entry->goes_on && entry->n_lines == 0; /* killed when it had just been opened */
    lx_auto(str) char *why = why_rotated(begins_ns);
    if (entry->begins_ns != 0)
        entry = go_on_in_another(entry, why);
    else if (untold)
        lx_entry_line(entry, why);
    entry->begins_ns = begins_ns;
    lx_entry_record(entry);
    return entry;
}

struct lx_entry *lx_entry_gap(struct lx_entry *entry)
{
    if (entry->finished || entry->fed >= entry->shown_fed)
        return entry;
    return go_on_in_another(entry,
                            "[lunexec] this log goes on from the entry before: the executor was "
                            "restarted, and lines were rotated away by the kubelet while it was "
                            "read again; some may be in neither");
}

bool lx_entry_output_gone(const struct lx_entry *entry)
{
    return entry->begins_ns != 0 && entry->fed == 0 && !entry->finished;
}

bool lx_entry_goes_on(const struct lx_entry *entry)
{
    return entry->goes_on;
}

static bool is_last(const struct lx_entries *entries, const struct lx_entry *entry)
{
    bool after = false;
    lx_list_each (it, &entries->list) {
        const struct lx_entry *other = lx_container_of(it, struct lx_entry, link);
        if (after && lx_streq(other->key, entry->key))
            return false;
        after = after || other == entry;
    }
    return true;
}

void lx_entries_end_left(struct lx_entries *entries)
{
    lx_list_each (it, &entries->list) {
        const struct lx_entry *entry = lx_container_of(it, struct lx_entry, link);
        bool ended = entry->hold == UINT64_MAX; /* its exit code has probably been shown */
        if (!entry->left || ended || !is_last(entries, entry))
            continue;
        struct lx_entry *next =
            lx_entry_new(entries, entry->key, command_copy(entry->command), LX_LIMIT_LEFT);
        lx_entry_record(next);
        lx_entry_line(next, "[lunexec] this log goes on from the entry before: the executor was "
                            "restarted, and what followed can no longer be read");
        lx_entry_finish(next, entry->exit_code);
    }
}
