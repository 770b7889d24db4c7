#include "job/admission.h"

#include "lunexec/text.h"

#include <inttypes.h>

static struct lx_ticket *ticket_of(struct lx_list *link)
{
    return lx_container_of(link, struct lx_ticket, link);
}

static size_t count(const struct lx_list *list, const char *key)
{
    size_t n = 0;
    lx_list_each (it, list)
        n += !key || lx_streq(ticket_of(it)->claim.key, key);
    return n;
}

static bool within(__int128 nanos, struct lx_quantity max)
{
    return max.nanos == 0 || nanos <= max.nanos;
}

static bool fits(const struct lx_admission *admission, const struct lx_claim *claim)
{
    __int128 cpu = claim->cpu.nanos, memory = claim->memory.nanos;
    lx_list_each (it, &admission->running) {
        cpu += ticket_of(it)->claim.cpu.nanos;
        memory += ticket_of(it)->claim.memory.nanos;
    }
    return within(cpu, admission->max_cpu) && within(memory, admission->max_memory);
}

static bool key_is_full(const struct lx_admission *admission, const struct lx_claim *claim)
{
    return claim->limit > 0 && count(&admission->running, claim->key) >= (size_t)claim->limit;
}

/* Whether a's key has fewer running for its weight than b's. */
static bool has_turn_before(const struct lx_admission *admission, const struct lx_claim *a,
                            const struct lx_claim *b)
{
    __int128 a_runs = (__int128)count(&admission->running, a->key);
    __int128 b_runs = (__int128)count(&admission->running, b->key);
    return a_runs * b->weight < b_runs * a->weight;
}

/* Whose turn it is, whether there is room or not; NULL: nobody's. */
static struct lx_ticket *find_next(const struct lx_admission *admission)
{
    struct lx_ticket *next = NULL;
    lx_list_each (it, &admission->waiting) {
        struct lx_ticket *ticket = ticket_of(it);
        if (!key_is_full(admission, &ticket->claim) &&
            (!next || has_turn_before(admission, &ticket->claim, &next->claim)))
            next = ticket;
    }
    return next;
}

static void run(struct lx_admission *admission, struct lx_ticket *ticket)
{
    lx_list_remove(&ticket->link);
    lx_list_push(&admission->running, &ticket->link);
    ticket->state = LX_TICKET_RUNNING;
}

static void grant(void *arg)
{
    struct lx_admission *admission = arg;
    struct lx_ticket *next;
    while ((next = find_next(admission)) && fits(admission, &next->claim)) {
        run(admission, next);
        next->granted(next->arg);
    }
}

/* What runs has changed, and with it whose turn it is. */
static void wake(struct lx_admission *admission)
{
    if (!lx_list_empty(&admission->waiting))
        lx_task_post(admission->loop, &admission->task);
}

static int read_limit(const char *text, const char **ret_text, struct lx_quantity *ret_limit,
                      struct lx_err *err)
{
    if (!text)
        return 0;
    if (lx_quantity_parse(text, ret_limit) < 0 || ret_limit->nanos < 0)
        return lx_fail(err, LX_E_INVALID, "%s is no Kubernetes quantity", text);
    *ret_text = text;
    return 0;
}

int lx_admission_init(struct lx_admission *admission, struct lx_loop *loop, const char *max_cpu,
                      const char *max_memory, struct lx_err *err)
{
    *admission = (struct lx_admission){.loop = loop};
    lx_list_init(&admission->running);
    lx_list_init(&admission->waiting);
    lx_task_init(&admission->task, grant, admission);
    if (read_limit(max_cpu, &admission->max_cpu_text, &admission->max_cpu, err) < 0)
        return lx_wrap(err, "LUNEXEC_MAXIMUM_CPU");
    if (read_limit(max_memory, &admission->max_memory_text, &admission->max_memory, err) < 0)
        return lx_wrap(err, "LUNEXEC_MAXIMUM_MEMORY");
    return 0;
}

void lx_admission_done(struct lx_admission *admission)
{
    lx_assert(lx_list_empty(&admission->running) && lx_list_empty(&admission->waiting));
    lx_task_cancel(&admission->task);
}

static int check_size(const struct lx_admission *admission, const struct lx_claim *claim,
                      struct lx_err *err)
{
    if (!within(claim->cpu.nanos, admission->max_cpu))
        return lx_fail(err, LX_E_LIMIT,
                       "the job counts for more CPU than LUNEXEC_MAXIMUM_CPU, which is %s",
                       admission->max_cpu_text);
    if (!within(claim->memory.nanos, admission->max_memory))
        return lx_fail(err, LX_E_LIMIT,
                       "the job counts for more memory than LUNEXEC_MAXIMUM_MEMORY, which is %s",
                       admission->max_memory_text);
    return 0;
}

static void hold(struct lx_ticket *ticket, struct lx_claim *claim)
{
    lx_assert(ticket->state == LX_TICKET_OUT);
    ticket->claim = *claim;
    *claim = (struct lx_claim){0};
    lx_list_init(&ticket->link);
}

int lx_admission_enter(struct lx_admission *admission, struct lx_ticket *ticket,
                       struct lx_claim *claim, struct lx_err *err)
{
    if (check_size(admission, claim, err) < 0) {
        lx_claim_done(claim);
        return -1;
    }
    hold(ticket, claim);
    lx_list_push(&admission->waiting, &ticket->link);
    ticket->state = LX_TICKET_WAITING;
    if (find_next(admission) == ticket && fits(admission, &ticket->claim)) {
        run(admission, ticket);
        wake(admission);
    }
    return 0;
}

void lx_admission_force(struct lx_admission *admission, struct lx_ticket *ticket,
                        struct lx_claim *claim)
{
    hold(ticket, claim);
    run(admission, ticket);
}

void lx_admission_leave(struct lx_admission *admission, struct lx_ticket *ticket)
{
    if (ticket->state == LX_TICKET_OUT)
        return;
    lx_list_remove(&ticket->link);
    lx_claim_done(&ticket->claim);
    ticket->state = LX_TICKET_OUT;
    wake(admission);
}

char *lx_admission_why(const struct lx_admission *admission, const struct lx_ticket *ticket)
{
    const struct lx_claim *claim = &ticket->claim;
    if (key_is_full(admission, claim))
        return lx_strf("waiting: %zu of %" PRId64 " jobs%s%s run, the policy's limit",
                       count(&admission->running, claim->key), claim->limit,
                       *claim->key ? " of " : "", claim->key);
    const char *cpu = admission->max_cpu_text, *memory = admission->max_memory_text;
    return lx_strf("waiting for its turn: %zu jobs run, which together may count for %s%s%s%s%s",
                   count(&admission->running, NULL), cpu ? cpu : "", cpu ? " CPU" : "",
                   cpu && memory ? " and " : "", memory ? memory : "", memory ? " of memory" : "");
}

bool lx_admission_limited(const struct lx_admission *admission)
{
    return admission->max_cpu.nanos > 0 || admission->max_memory.nanos > 0;
}

bool lx_admission_full(const struct lx_admission *admission)
{
    return find_next(admission) != NULL;
}

size_t lx_admission_waiting(const struct lx_admission *admission)
{
    return count(&admission->waiting, NULL);
}
