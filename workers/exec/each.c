/* SPDX-License-Identifier: MPL-2.0 */
/* The loop: receive, run, settle. Nothing waits for the broker but the next value, and room for what was put. */
#include "each.h"

#include "block.h"
#include "bridge.h"
#include "ending.h"
#include "failure.h"
#include "inlet.h"
#include "joblog.h"
#include "run.h"
#include "tell.h"
#include "sizes.h"
#include "task.h"
#include "wiring.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#define FILL_MS 100 /* that a batch waits for more values after its first */

struct each {
    const struct options *o;
    struct task task;
    struct batch batch;
    csp_case *cases;
    bool *closed; /* by input */
    size_t open;
    bool cut;      /* an input, or all receivers of an output, did not end well */
    char why[512]; /* of that */
    uint64_t runs, failures;
    char last[1024];         /* the last failure */
    int status;              /* not 0: the bridge can't go on */
    struct joblog *log;      /* NULL: none */
    struct joblog_task told; /* of the run that has ended, what its values have in common */
    uint64_t skipped;        /* values that are done by the log */
};

/* ---- receiving */

/* The input has ended. */
static void close_input(struct each *e, size_t i)
{
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    e->closed[i] = true;
    e->open--;
    if (csp_why(e->o->in[0].chans[i], &why) >= 0 && why.how != CSP_CLEAN && !e->cut) {
        e->cut = true;
        snprintf(e->why, sizeof e->why, "its input channel %s was cut short: %s", e->o->in[0].names[i],
                 inlet_reason(why, text, sizeof text));
    }
}

/* A call of the library failed: cancelled, the broker gone, or worse. */
static void fail(struct each *e, const char *what)
{
    if (errno == ENOTCONN)
        (void)failure_broker(e->o);
    e->task.stop = true;
    if (errno == ECANCELED) {
        e->task.cancelled = true;
        return;
    }
    e->status = EX_OSERR;
    snprintf(e->why, sizeof e->why, "cannot %s: %s", what, csp_errmsg());
}

/* A value that is done by the log is acknowledged, and not run. */
static bool is_done(struct each *e, csp_msg *m, size_t from)
{
    if (e->log == NULL || !joblog_done(e->log, m->data, m->len))
        return false;
    e->skipped++;
    if (csp__acknowledge(e->o->in[0].chans[from], m->id, 1) != 0)
        fail(e, "acknowledge a value");
    csp_msg_free(m);
    return true;
}

/* What this batch may give back is not of a channel that is closed for good: it is so far, and asked for again. */
static int end_of(struct each *e, size_t i)
{
    if (e->batch.n != 0 && e->batch.from == i)
        return 1;
    close_input(e, i);
    return 0;
}

static int add(struct each *e, csp_msg *m, size_t from)
{
    int complete = batch_add(&e->batch, m, from);
    if (complete >= 0)
        return complete;
    csp_msg_free(m);
    e->task.stop = true;
    e->status = EX_OSERR;
    snprintf(e->why, sizeof e->why, "no memory for a value of %s", e->o->in[0].names[from]);
    return 1;
}

/* One value, or what else comes first. 1: the batch is complete. */
static int receive(struct each *e, csp_time by)
{
    const struct port *p = &e->o->in[0];
    csp_msg m = {0};
    for (size_t i = 0; i < p->n; i++) {
        e->cases[i] = csp__on_value(e->closed[i] ? 0 : p->chans[i], &m);
        if (e->batch.n == 0)
            csp__idle(p->chans[i]);
    }
    e->cases[p->n] = csp_on_fd(e->task.signals, POLLIN);
    int which = csp_select(e->cases, p->n + 1, by);
    if (which < 0) {
        if (errno != ETIMEDOUT)
            fail(e, "receive");
        return 1;
    }
    if ((size_t)which == p->n)
        task_signals(&e->task);
    else if (e->cases[which].err == EPIPE)
        return end_of(e, (size_t)which);
    else
        return is_done(e, &m, (size_t)which) ? 0 : add(e, &m, (size_t)which);
    return 0;
}

/* Values for a run. False: there are none any more. */
static bool gather(struct each *e)
{
    csp_time by = CSP_FOREVER;
    int complete = batch_next(&e->batch);
    while (!complete && !e->task.stop && (e->open != 0 || e->batch.n != 0)) {
        if (e->batch.n != 0 && by == CSP_FOREVER)
            by = csp_in(FILL_MS);
        if (e->open == 0)
            break;
        complete = receive(e, by);
    }
    return e->batch.n != 0 && !e->task.killed && !e->task.cancelled && !e->task.failing && e->status == 0;
}

/* ---- settling */

static void note_failure(struct each *e)
{
    e->failures++;
    snprintf(e->last, sizeof e->last, "%s", e->task.why);
}

/* A batch that is rejected was rejected for one of its values, which nobody knows: each is run again, alone. */
static void give_back(struct each *e, bool rejected)
{
    struct batch *b = &e->batch;
    csp_time delay = !rejected ? CSP_BACK_OFF : b->n == 1 ? CSP_FOREVER : 0;
    for (size_t i = 0; i < b->n; i++)
        if (csp__give_back(e->o->in[0].chans[b->from], b->ids[i], delay, e->task.why, strlen(e->task.why)) != 0)
            fail(e, "give back a value");
}

/* A line for each value of the run. A log that can't be written ends the bridge: who asked for it relies on it. */
static void record(struct each *e, enum verdict v)
{
    static const char *const outcomes[] = {[TASK_DONE] = "done", [TASK_REJECTED] = "rejected", [TASK_AGAIN] = "retry"};
    const struct batch *b = &e->batch;
    for (size_t i = 0; e->log != NULL && v <= TASK_AGAIN && i < b->n; i++) {
        struct joblog_task told = e->told;
        told.value = b->values[i].data;
        told.length = b->values[i].len;
        told.id = b->ids[i];
        told.tries = b->values[i].tries;
        told.outcome = outcomes[v];
        if (joblog_write(e->log, &told) == 0)
            continue;
        e->task.stop = true;
        e->status = EX_IOERR;
        snprintf(e->why, sizeof e->why, "cannot write to %s: %s", e->o->joblog, strerror(errno));
        return;
    }
}

static enum verdict run(struct each *e)
{
    struct timespec now;
    csp_time began = csp_now();
    clock_gettime(CLOCK_REALTIME, &now);
    enum verdict v = task_run(&e->task, &e->batch);
    int status = e->task.program.status;
    e->told = (struct joblog_task){.start = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
                                   .took = csp_now() - began,
                                   .status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                                   .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                                   .output = task_output(&e->task)};
    return v;
}

static void settle(struct each *e, enum verdict v)
{
    struct batch *b = &e->batch;
    e->runs++;
    switch (v) {
    case TASK_DONE:
        if (csp__settle(e->o->in[0].chans[b->from], b->ids, b->n) != 0)
            fail(e, "acknowledge a value");
        break;
    case TASK_REJECTED:
    case TASK_AGAIN:
        note_failure(e);
        give_back(e, v == TASK_REJECTED);
        break;
    case TASK_BROKEN:
    case TASK_STOPPED:
        e->task.stop = true;
    }
}

/* What was put is bounded by the windows of its streams, though a run's output is put at once. Where the input is in
 * order, what was put may wait for values that are still to come here; then the broker bounds it. */
static void await_room(struct each *e)
{
    struct task *t = &e->task;
    for (size_t i = 0; i < t->nout; i++)
        for (size_t k = 0; k < t->out[i].fan.port->n && !t->stop; k++) {
            struct fan *f = &t->out[i].fan;
            if (f->gone[k])
                continue;
            csp_case cases[] = {csp__on_room(f->port->chans[k]), csp_on_fd(t->signals, POLLIN)};
            int which;
            while ((which = csp_select(cases, 2, CSP_FOREVER)) == 1 && !t->stop)
                task_signals(t);
            if (which < 0)
                fail(e, "send");
            else if (which == 0 && cases[0].err == EPIPE)
                fan_leave(f, k);
        }
}

/* Nobody wants what the runs write: there will be no more. */
static bool unheard(struct each *e)
{
    const struct capture *c = task_unheard(&e->task);
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    if (c == NULL)
        return false;
    (void)csp_why(c->fan.port->chans[0], &why);
    e->cut = e->cut || why.how != CSP_CLEAN;
    if (why.how == CSP_CLEAN)
        snprintf(e->why, sizeof e->why, "its receivers ended");
    else
        snprintf(e->why, sizeof e->why, "its output channel %s was cut: %s", c->fan.port->names[0],
                 inlet_reason(why, text, sizeof text));
    return true;
}

/* ---- the begin and the end */

static int open_all(struct each *e, struct options *o, const char **what)
{
    const struct port *p = &o->in[0];
    if (wiring_open_ports(o->in, o->nin, CSP_RECV, what) != 0 ||
        wiring_open_ports(o->out, o->nout, CSP_SEND, what) != 0)
        return -1;
    for (size_t i = 0; i < p->n; i++) {
        *what = p->names[i];
        if (csp_stream(p->chans[i], CSP_RECV, EXEC_HELD) != 0)
            return -1;
    }
    *what = NULL;
    e->open = p->n;
    e->cases = calloc(p->n + 1, sizeof *e->cases);
    e->closed = calloc(p->n + 1, sizeof *e->closed);
    if (e->cases == NULL || e->closed == NULL || batch_init(&e->batch, o) != 0)
        return -1;
    return task_open(&e->task, o, what);
}

static struct ending ending_now(const struct each *e)
{
    const struct task *t = &e->task;
    if (e->status != 0)
        return (struct ending){{CSP_CODE, e->status}, CSP_CODE, e->status, e->status, ""};
    if (t->killed)
        return (struct ending){{CSP_CANCELLED, 0}, CSP_CANCELLED, 0, 128 + SIGKILL, "killed"};
    if (t->cancelled || t->failing)
        return (struct ending){{CSP_CANCELLED, 0}, CSP_CANCELLED, 0, 128 + SIGTERM, "told to end"};
    if (e->cut)
        return (struct ending){{CSP_CANCELLED, 0}, CSP_CLEAN, 0, 0, ""};
    return (struct ending){{CSP_CLEAN, 0}, CSP_CLEAN, 0, 0, "its input has ended"};
}

static int finish(struct each *e)
{
    struct ending end = ending_now(e);
    const char *why = *e->why != '\0' ? e->why : end.why;
    if (e->failures != 0)
        fprintf(stderr, "exec: %s: %llu of %llu run%s failed, the last: %s\n", e->o->label,
                (unsigned long long)e->failures, (unsigned long long)e->runs, e->runs == 1 ? "" : "s", e->last);
    if (e->skipped != 0)
        fprintf(stderr, "exec: %s: %llu %s done by %s, and %s not run again\n", e->o->label,
                (unsigned long long)e->skipped, e->skipped == 1 ? "value is" : "values are", e->o->joblog,
                e->skipped == 1 ? "was" : "were");
    if (e->o->report >= 0)
        (void)csp__tell(e->o->report, "ended %s %d 0 %s\n", ending_how(end.how), end.code, why);
    else if (end.how != CSP_CLEAN)
        fprintf(stderr, "exec: %s: %s\n", e->o->label, why);
    (void)csp__bye(end.bye);
    (void)csp_term();
    return end.exit_status;
}

static void free_all(struct each *e)
{
    batch_free(&e->batch);
    joblog_close(e->log);
    task_free(&e->task);
    free(e->cases);
    free(e->closed);
}

static int loop(struct each *e)
{
    while (gather(e)) {
        enum verdict v = run(e);
        if (v == TASK_BROKEN)
            return failure_exec(e->o, e->task.error);
        settle(e, v);
        record(e, v);
        if (!e->o->ordered)
            await_room(e);
        if (e->task.stop || unheard(e))
            break;
    }
    return finish(e);
}

int each_run(struct options *o)
{
    struct each e = {.o = o};
    const char *what = NULL;
    if (bridge_join(o) != 0)
        return failure_join(o);
    if (o->joblog != NULL &&
        (e.log = joblog_open(o->joblog, o->joblog_name, o->joblog_replica, o->joblog_resume)) == NULL)
        return failure_joblog(o);
    int error = open_all(&e, o, &what) != 0 ? errno : 0;
    if (error == 0 && o->report >= 0)
        (void)csp__tell(o->report, "started 0\n");
    int status = error == 0 ? loop(&e) : what != NULL ? failure_channel(o, what) : failure_pipes(o, error);
    free_all(&e);
    return status;
}
