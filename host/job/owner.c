#include "job/owner.h"

#include "job/priv.h"
#include "lunexec/plan.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *label(const json_t *metadata, const char *key)
{
    return lx_json_str(lx_json_obj(metadata, "labels"), key, "");
}

static const char *annotation(const json_t *metadata, const char *key)
{
    return lx_json_str(lx_json_obj(metadata, "annotations"), key, "");
}

bool lx_owner_is_executor(const struct lx_executor *ex, const json_t *metadata)
{
    char name[LX_EXECUTOR_LABEL_SIZE];
    lx_executor_label(ex->opts.executor_name, name);
    return lx_streq(label(metadata, LX_LABEL_MANAGED_BY), LX_LABEL_MANAGED_BY_VALUE) &&
           lx_streq(label(metadata, LX_LABEL_EXECUTOR), name);
}

enum lx_owner lx_owner_of(const struct lx_run *run, const json_t *metadata)
{
    /* Sourcegraph's own executor labels nothing (contract 6.2). */
    if (!*label(metadata, LX_LABEL_MANAGED_BY))
        return LX_OWNER_EARLIER;
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, run->job->id);
    if (!lx_streq(label(metadata, LX_LABEL_MANAGED_BY), LX_LABEL_MANAGED_BY_VALUE) ||
        !lx_streq(label(metadata, LX_LABEL_QUEUE), run->job->queue) ||
        !lx_streq(label(metadata, LX_LABEL_JOB_ID), id))
        return LX_OWNER_OTHER;
    bool ours = lx_owner_is_executor(run->ex, metadata);
    if (ours && lx_streq(annotation(metadata, LX_ANNOTATION_RUN), run->tag))
        return LX_OWNER_RUN;
    if (ours || lx_streq(annotation(metadata, LX_ANNOTATION_FRONTEND), run->ex->frontend))
        return LX_OWNER_EARLIER;
    return LX_OWNER_OTHER;
}

bool lx_owner_is_run(void *arg, const json_t *metadata)
{
    return lx_owner_of(arg, metadata) == LX_OWNER_RUN;
}

char *lx_owner_text(const json_t *metadata)
{
    if (!lx_streq(label(metadata, LX_LABEL_MANAGED_BY), LX_LABEL_MANAGED_BY_VALUE))
        return lx_strdup("it was not made by Lunexec");
    const char *frontend = annotation(metadata, LX_ANNOTATION_FRONTEND);
    return lx_strf("it is executor %s's, for job %s of queue %s%s%s",
                   annotation(metadata, LX_ANNOTATION_EXECUTOR), label(metadata, LX_LABEL_JOB_ID),
                   label(metadata, LX_LABEL_QUEUE), *frontend ? " at " : "", frontend);
}

void lx_owner_new_tag(char out[LX_RUN_TAG_SIZE])
{
    uint64_t value = 0;
    lx_assert(lx_rand_bytes(&value, sizeof value, NULL) == 0);
    snprintf(out, LX_RUN_TAG_SIZE, "%016" PRIx64, value);
}

char *lx_owner_frontend(const char *url)
{
    struct lx_url parts = {0};
    if (!url || lx_url_parse(url, &parts, NULL) < 0)
        return lx_strdup("");
    bool v6 = strchr(parts.host, ':') != NULL;
    lx_auto(str) char *port = parts.port ? lx_strf(":%d", parts.port) : lx_strdup("");
    char *text =
        lx_strf("%s://%s%s%s%s", parts.scheme, v6 ? "[" : "", parts.host, v6 ? "]" : "", port);
    lx_url_done(&parts);
    return text;
}
