#include "frontend.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/lines.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *lx_record_state_name(enum lx_record_state state)
{
    static const char *const names[] = {"queued", "processing", "completed", "failed", "canceled"};
    return names[state];
}

struct lx_record *lx_record_find(struct lx_frontend *fe, int64_t id)
{
    lx_list_each (it, &fe->records) {
        struct lx_record *record = lx_container_of(it, struct lx_record, link);
        if (record->id == id)
            return record;
    }
    return NULL;
}

void lx_record_free(struct lx_record *record)
{
    if (!record)
        return;
    lx_list_remove(&record->link);
    json_decref(record->payload);
    json_decref(record->entries);
    free(record->queue);
    free(record->repo);
    free(record->executor);
    free(record);
}

static int new_token(char out[41], struct lx_err *err)
{
    unsigned char raw[20];
    if (lx_rand_bytes(raw, sizeof raw, err))
        return -1;
    for (size_t i = 0; i < sizeof raw; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return 0;
}

int lx_record_add(struct lx_frontend *fe, const char *queue, const json_t *payload,
                  struct lx_err *err)
{
    if (!json_is_object(payload))
        return lx_fail(err, LX_E_INVALID, "a job payload must be a JSON object");
    int64_t id = lx_json_int(payload, "id", 0);
    if (id <= 0)
        id = fe->next_id;
    if (lx_record_find(fe, id))
        return lx_fail(err, LX_E_INVALID, "two jobs with id %lld", (long long)id);
    const char *token = lx_json_str(payload, "token", "");
    if (strlen(token) > 40)
        return lx_fail(err, LX_E_INVALID, "job %lld: a token has 40 characters", (long long)id);
    struct lx_record *record = lx_alloc(sizeof *record);
    lx_list_init(&record->link);
    record->id = id;
    record->queue = lx_strdup(queue);
    record->payload = json_deep_copy(payload);
    record->repo = lx_strdup(lx_json_str(payload, "repositoryName", ""));
    record->entries = json_array();
    record->fixed_token = *token;
    memcpy(record->token, token, strlen(token));
    json_object_set_new(record->payload, "id", json_integer(id));
    if (fe->next_id <= id)
        fe->next_id = id + 1;
    lx_list_push(&fe->records, &record->link);
    return 0;
}

static int load_file(struct lx_frontend *fe, const char *queue, const char *path,
                     struct lx_err *err)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)64 << 20);
    lx_auto(json) json_t *payload = NULL;
    if (lx_file_read(path, &text, err))
        return -1;
    if (lx_json_parse(lx_buf_str(&text), text.len, &payload, err) ||
        lx_record_add(fe, queue, payload, err))
        return lx_wrap(err, "%s", path);
    return 0;
}

static int only_json(const struct dirent *entry)
{
    return lx_ends_with(entry->d_name, ".json");
}

int lx_record_load(struct lx_frontend *fe, const char *queue, const char *path, struct lx_err *err)
{
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return load_file(fe, queue, path, err);
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, only_json, versionsort);
    if (n < 0)
        return lx_fail_errno(err, errno, "cannot list %s", path);
    int rc = 0;
    for (int i = 0; i < n; i++) {
        lx_auto(str) char *file = lx_path_join(path, entries[i]->d_name);
        if (rc == 0)
            rc = load_file(fe, queue, file, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

struct lx_record *lx_record_take(struct lx_frontend *fe, const char *queue, const char *executor)
{
    lx_list_each (it, &fe->records) {
        struct lx_record *record = lx_container_of(it, struct lx_record, link);
        if (record->state != LX_RECORD_QUEUED || !lx_streq(record->queue, queue))
            continue;
        if (!record->fixed_token && new_token(record->token, NULL))
            return NULL;
        record->state = LX_RECORD_PROCESSING;
        free(record->executor);
        record->executor = lx_strdup(executor);
        record->beat_ms = lx_now_ms();
        json_array_clear(record->entries);
        json_object_set_new(record->payload, "token", json_string(record->token));
        return record;
    }
    return NULL;
}

/* ---- results in the logs ---- */

struct results {
    size_t count;
    json_t *last;
};

static int result_line(void *arg, const char *line, size_t len)
{
    static const char prefix[] = "stdout: ";
    struct results *results = arg;
    const size_t skip = sizeof prefix - 1;
    json_t *event = NULL;
    if (len <= skip || memcmp(line, prefix, skip) != 0 ||
        lx_json_parse(line + skip, len - skip, &event, NULL))
        return 0;
    json_t *value = lx_json_path(event, "metadata.value");
    if (lx_streq(lx_json_str(event, "operation", ""), "CACHE_AFTER_STEP_RESULT") && value) {
        results->count++;
        json_decref(results->last);
        results->last = json_incref(value);
    }
    json_decref(event);
    return 0;
}

size_t lx_record_results(const struct lx_record *record, const char **ret_diff, json_t **ret_keep)
{
    struct results results = {0};
    size_t i;
    json_t *entry;
    json_array_foreach (record->entries, i, entry) {
        if (!lx_ends_with(lx_json_str(entry, "key", ""), ".post"))
            continue;
        struct lx_lines lines;
        json_t *out = json_object_get(entry, "out");
        lx_lines_init(&lines, (size_t)128 << 20, result_line, &results);
        if (out &&
            lx_lines_feed(&lines, json_string_value(out), json_string_length(out), NULL) == 0)
            (void)lx_lines_end(&lines, NULL);
        lx_lines_done(&lines);
    }
    *ret_diff = results.last ? lx_json_str(results.last, "diff", "") : "";
    *ret_keep = results.last;
    return results.count;
}
