/*
 * The concurrency limiter by cost: a job begins while there is room for what it counts for
 * (job/claim.h) beside those that run, and else waits for its turn. Of the jobs that wait, the next
 * is one of the key that has the fewest running for its weight, the oldest first; nobody overtakes
 * a job that is next and too large for the room that is left, so that it does not wait for ever.
 */
#ifndef LX_JOB_ADMISSION_H
#define LX_JOB_ADMISSION_H

#include "job/claim.h"
#include "lunexec/list.h"
#include "lunexec/loop.h"

struct lx_admission {
    struct lx_loop *loop;
    const char *max_cpu_text, *max_memory_text; /* NULL: no limit */
    struct lx_quantity max_cpu, max_memory;
    struct lx_list running, waiting; /* of struct lx_ticket */
    struct lx_task task;             /* somebody may begin now */
};

/* A job in an admission; in its memory, zeroed before the first use. */
struct lx_ticket {
    struct lx_list link;
    struct lx_claim claim;
    enum { LX_TICKET_OUT, LX_TICKET_WAITING, LX_TICKET_RUNNING } state;
    void (*granted)(void *arg); /* it had to wait and may begin; called from the loop */
    void *arg;
};

/* The limits are quantities of the settings (borrowed); NULL or zero: none. LX_E_INVALID when one
 * is no quantity. */
int lx_admission_init(struct lx_admission *admission, struct lx_loop *loop, const char *max_cpu,
                      const char *max_memory, struct lx_err *err);
/* To be called when no ticket is in it. */
void lx_admission_done(struct lx_admission *admission);

/* Enters with a claim, which is taken over whatever the outcome. The ticket runs afterwards, or
 * waits, and `granted` is called later. LX_E_LIMIT: it counts for more than there ever is, and
 * stays out. */
int lx_admission_enter(struct lx_admission *admission, struct lx_ticket *ticket,
                       struct lx_claim *claim, struct lx_err *err);
/* The same for a job that runs already, whether there is room or not. */
void lx_admission_force(struct lx_admission *admission, struct lx_ticket *ticket,
                        struct lx_claim *claim);
/* Leaves; others may begin. Harmless for a ticket that is out. */
void lx_admission_leave(struct lx_admission *admission, struct lx_ticket *ticket);

/* What a waiting ticket waits for, for people: "waiting: ...". The caller frees it. */
char *lx_admission_why(const struct lx_admission *admission, const struct lx_ticket *ticket);

/* There is a limit to what jobs may count for. */
bool lx_admission_limited(const struct lx_admission *admission);
/* Some job waits for room, so that there is none for one more, whatever its key. */
bool lx_admission_full(const struct lx_admission *admission);
/* How many wait. */
size_t lx_admission_waiting(const struct lx_admission *admission);

#endif
