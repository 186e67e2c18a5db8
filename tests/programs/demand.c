/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: asking is two cases of a select, one after the other, so that a process can ask several series at once, and
 * be asked meanwhile. */
#include "demand.h"

#include "ends.h"
#include "journal.h"
#include "verdict.h"

struct question question(csp_chan series)
{
    return (struct question){.series = series, .reply = ends_make(0), .id = journal_id()};
}

csp_case question_case(struct question *q, csp_msg *m)
{
    *m = (csp_msg){.data = &q->id, .len = sizeof q->id, .chan = q->reply};
    switch (q->state) {
    case TO_ASK:
        return csp_on_send_msg(q->series, m);
    case ASKED:
        return csp_on_recv(q->reply, &q->answer, sizeof q->answer);
    default:
        return csp_on_recv(0, &q->answer, sizeof q->answer);
    }
}

void question_step(struct question *q, const csp_case *happened)
{
    if (q->state == TO_ASK) {
        q->state = ASKED;
        ends_drop(q->reply, CSP_SEND); /* now the asked has it */
        return;
    }
    if (happened->len != sizeof q->answer)
        wrong("an answer of %zu bytes", happened->len);
    journal_received(q->reply, &q->answer, sizeof q->answer);
    q->state = ANSWERED;
    ends_drop(q->reply, CSP_RECV);
}

int ask(const csp_chan *series, size_t n, struct rational *answers)
{
    struct question q[2] = {question(series[0])};
    size_t missing = n;
    if (n == 2)
        q[1] = question(series[1]);
    while (missing != 0) {
        csp_msg m[2];
        csp_case cases[2];
        for (size_t i = 0; i < n; i++)
            cases[i] = question_case(&q[i], &m[i]);
        int chosen = csp_select(cases, n, CSP_FOREVER);
        if (chosen < 0)
            return failure("ask");
        if (cases[chosen].err != 0)
            return CUT_OFF; /* this process ends, and the replies' ends with it */
        question_step(&q[chosen], &cases[chosen]);
        missing -= q[chosen].state == ANSWERED;
    }
    for (size_t i = 0; i < n; i++)
        answers[i] = q[i].answer.r;
    return RIGHT;
}

void demanded(csp_chan series, csp_msg *m, csp_chan *reply)
{
    journal_received(series, m->data, m->len);
    *reply = m->chan;
    if (m->chan == 0)
        wrong("a demand without a channel for the answer");
    ends_got(m->chan, CSP_SEND | CSP_RECV);
    ends_drop(m->chan, CSP_RECV);
    csp_msg_free(m);
}

struct term term(struct rational r)
{
    return (struct term){.id = journal_id(), .r = r};
}

void answered(csp_chan reply)
{
    ends_drop(reply, CSP_SEND);
}
