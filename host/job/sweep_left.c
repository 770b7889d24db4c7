#include "job/priv.h"
#include "lunexec/text.h"

#include <string.h>

#define VALUE_MAX ((size_t)1024 * 1024)

static struct lx_left *add(struct lx_executor *ex, const char *job_uid, enum lx_object_role role,
                           const char *name)
{
    struct lx_left *left = lx_alloc(sizeof *left);
    left->job_uid = lx_strdup(job_uid);
    left->role = role;
    left->kind = lx_object_kind(role);
    left->name = lx_strdup(name);
    lx_list_push(&ex->left, &left->link);
    return left;
}

static void left_free(struct lx_left *left)
{
    lx_list_remove(&left->link);
    free(left->job_uid);
    free(left->name);
    free(left->uid);
    free(left->tag);
    free(left);
}

/* Keeps those of a job; with none left, nothing. */
static void keep(struct lx_executor *ex, const char *job_uid)
{
    lx_auto(str) char *key = lx_strf(LX_LEFT_PREFIX "%s/", job_uid);
    lx_auto(json) json_t *list = json_array();
    lx_list_each (it, &ex->left) {
        const struct lx_left *left = lx_container_of(it, struct lx_left, link);
        if (lx_streq(left->job_uid, job_uid))
            json_array_append_new(list, json_pack("{s:i, s:s, s:s?, s:s?}", "role", (int)left->role,
                                                  "name", left->name, "uid", left->uid, "tag",
                                                  left->tag));
    }
    if (json_array_size(list) > 0)
        lx_journal_writer_put(ex->journal, key, list);
    else
        lx_journal_writer_remove(ex->journal, key);
}

void lx_left_add(struct lx_executor *ex, const struct lx_run *run, const struct lx_object *object)
{
    struct lx_left *left = add(ex, run->job->uid, object->role, object->name);
    left->uid = lx_strdup(object->uid);
    left->tag = lx_strdup(run->tag);
    keep(ex, run->job->uid);
}

struct lx_left *lx_left_found(struct lx_executor *ex, const char *base, enum lx_object_role role,
                              const char *name, const char *tag)
{
    lx_list_each (it, &ex->left) {
        const struct lx_left *left = lx_container_of(it, struct lx_left, link);
        if (lx_streq(left->name, name) && lx_streq(left->tag, tag))
            return NULL;
    }
    struct lx_left *left = add(ex, base, role, name);
    left->tag = lx_strdup(tag);
    keep(ex, base);
    return left;
}

void lx_left_drop(struct lx_executor *ex, struct lx_left *left)
{
    lx_auto(str) char *job_uid = lx_take(left->job_uid);
    left_free(left);
    keep(ex, job_uid);
}

void lx_left_free(struct lx_list *list)
{
    lx_list_each (it, list)
        left_free(lx_container_of(it, struct lx_left, link));
}

static void read_key(void *arg, const char *key)
{
    struct lx_executor *ex = arg;
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(VALUE_MAX);
    lx_auto(json) json_t *value = NULL;
    lx_auto(str) char *job_uid = lx_strdup(key + strlen(LX_LEFT_PREFIX));
    job_uid[strcspn(job_uid, "/")] = '\0';
    if (lx_journal_get(ex->opts.journal, key, &text, NULL) < 0 ||
        lx_json_parse(lx_buf_str(&text), text.len, &value, NULL) < 0)
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *object = json_array_get(value, i);
        int64_t role = lx_json_int(object, "role", -1);
        if (role < LX_OBJECT_SECRET || role > LX_OBJECT_FILES)
            continue;
        struct lx_left *left =
            add(ex, job_uid, (enum lx_object_role)role, lx_json_str(object, "name", ""));
        left->uid = lx_strdup(lx_json_str(object, "uid", NULL));
        left->tag = lx_strdup(lx_json_str(object, "tag", NULL));
    }
}

void lx_left_restore(struct lx_executor *ex)
{
    lx_journal_each(ex->opts.journal, LX_LEFT_PREFIX, read_key, ex);
}

void lx_left_rewrite(struct lx_executor *ex)
{
    lx_list_each (it, &ex->left)
        keep(ex, lx_container_of(it, struct lx_left, link)->job_uid);
}
