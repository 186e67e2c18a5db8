/* SPDX-License-Identifier: MPL-2.0 */
/* Scopes and cancellation: section 11 of docs/protocol.md, frame by frame. The members are played by the test, so their
 * graces are long; what those do is in test_sentences.c. */
#include "../speaker.h"

#include "csp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <zmq.h>

Suite *scopes_suite(void);

#define SOON INT64_C(1000000000) /* time enough to do before it what must be done before */

enum { CLEAN, CODE, SIGNAL, CANCELLED, DEADLINE };

static const struct wire_head none;
static uint64_t scope; /* entered by the root, in most tests */

static struct wire_announced announced(struct speaker *s)
{
    struct wire_announced a;
    a.ticket = announce(s, &a.process, 0, 0, 0, 0);
    return a;
}

/* A process that this one starts, with the ends of a channel where there is one. */
static struct speaker *member(struct speaker *of, uint64_t channel, uint32_t ends)
{
    return attach(announce(of, NULL, channel, ends, 0, 0));
}

static int change(struct speaker *s, uint64_t number, int64_t deadline, int64_t grace)
{
    struct wire_scope w = {deadline, grace};
    return ask_err(s, WIRE_SCOPE, (struct wire_head){.channel = number}, &w, sizeof w);
}

static int announce_err(struct speaker *s)
{
    struct wire_announce w = {0};
    return ask_err(s, WIRE_ANNOUNCE, none, &w, sizeof w);
}

static void ends_so(struct speaker *s, int err)
{
    struct committed c = committed(s);
    ck_assert_uint_eq(c.which, WIRE_NO_CASE);
    ck_assert_int_eq(c.err, err);
    ck_assert_uint_eq(c.length, 0);
}

/* The commit of an offer that raced with a cancellation: it happened, or ECANCELED, of which the line
 * may have been told before. */
static bool happened_or_cancelled(struct speaker *s, uint64_t number, uint32_t how)
{
    bool told = false;
    struct heard h;
    for (;;) {
        zmq_pollitem_t item = {.socket = s->socket, .events = ZMQ_POLLIN};
        ck_assert_int_eq(zmq_poll(&item, 1, WAIT_MS), 1);
        ck_assert(hear_now(s, &h));
        if (h.head.type == WIRE_COMMIT)
            break;
        ck_assert_int_eq(h.head.type, WIRE_CANCELLED);
        ck_assert_uint_eq(h.head.channel, number);
        ck_assert_uint_eq(h.head.count, how);
        told = true;
    }
    struct wire_commit w;
    memcpy(&w, h.data, sizeof w);
    ck_assert_int_eq(w.err, h.head.count == 0 ? 0 : ECANCELED);
    ck_assert(!told || h.head.count != 0);
    s->offering = false;
    if (!told)
        hear_cancelled(s, number, how);
    return h.head.count == 0;
}

/* Leaves, and checks what the scope came to. */
static void leaves(struct speaker *s, uint64_t number, uint64_t process, int how, int code)
{
    OFFER(s, 0, ON_LEAVE(number));
    struct wire_exit why = left(s);
    ck_assert_uint_eq(why.process, process);
    ck_assert_int_eq(why.how, how);
    ck_assert_int_eq(why.code, code);
}

static int64_t deadline_of(uint64_t ticket)
{
    struct wire_welcome w;
    struct heard h = hello(speaker_new(), ticket, 0, WIRE_PROCESS);
    ck_assert_int_eq(h.head.type, WIRE_WELCOME);
    memcpy(&w, h.data, sizeof w);
    return w.deadline;
}

/* ---- entering ---------------------------------------------------------------------------------------------------- */

START_TEST(a_number_is_never_used_again)
{
    uint64_t first = enter(run.root, -1, HOUR);
    leaves(run.root, first, 0, CLEAN, 0);
    uint64_t second = enter(run.root, -1, HOUR);
    ck_assert_uint_gt(second, first);
    ck_assert_uint_gt(enter(run.root, -1, HOUR), second);
}
END_TEST

START_TEST(a_scope_is_inside_the_innermost_of_its_line)
{
    scope = enter(run.root, -1, HOUR);
    uint64_t inner = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0);
    ck_assert_int_eq(change(run.root, scope, -1, HOUR), EBADF);
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);
    leaves(run.root, inner, 0, CLEAN, 0);
    ck_assert_int_eq(change(run.root, inner, -1, HOUR), EBADF);
    ck_assert_int_eq(change(run.root, scope, -1, HOUR), 0); /* the innermost now */
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    leaves(run.root, scope, 0, CANCELLED, 0);
}
END_TEST

START_TEST(a_scope_of_a_member_is_inside_the_one_it_belongs_to)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0);
    uint64_t inner = enter(m, -1, HOUR);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    hear_cancelled(m, 0, CANCELLED);
    hear_cancelled(m, inner, CANCELLED);
    leaves(m, inner, 0, CANCELLED, 0);
}
END_TEST

START_TEST(a_scope_is_of_one_line)
{
    struct speaker *other = another_line(run.root);
    scope = enter(run.root, -1, HOUR);
    ck_assert_int_eq(cancel(other, WIRE_ONE_SCOPE, scope), EBADF);
    ck_assert_int_eq(change(other, scope, -1, HOUR), EBADF);
    OFFER(other, 0, ON_LEAVE(scope));
    ck_assert_int_eq(committed(other).err, EBADF);
    struct speaker *outside = member(other, 0, 0);
    leaves(run.root, scope, 0, CLEAN, 0); /* what another line started is no member */
    ck_assert_int_eq(bye(outside, CLEAN, 0), 0);
}
END_TEST

START_TEST(only_the_innermost_can_be_left)
{
    scope = enter(run.root, -1, HOUR);
    uint64_t inner = enter(run.root, -1, HOUR);
    OFFER(run.root, 0, ON_LEAVE(scope));
    struct committed c = committed(run.root);
    ck_assert_uint_eq(c.which, 0);
    ck_assert_int_eq(c.err, EBADF);
    leaves(run.root, inner, 0, CLEAN, 0);
    OFFER(run.root, 0, ON_LEAVE(inner));
    ck_assert_int_eq(committed(run.root).err, EBADF); /* it is gone */
    leaves(run.root, scope, 0, CLEAN, 0);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(committed(run.root).err, EBADF);
    OFFER(run.root, WIRE_NOW, ON_LEAVE(0));
    ends_so(run.root, 0); /* nil is never ready */
}
END_TEST

START_TEST(times_that_there_are_not_are_refused)
{
    struct wire_scope w = {-2, HOUR};
    ck_assert_int_eq(ask_err(run.root, WIRE_SCOPE, none, &w, sizeof w), EINVAL);
    w = (struct wire_scope){-1, -1};
    ck_assert_int_eq(ask_err(run.root, WIRE_SCOPE, none, &w, sizeof w), EINVAL);
    scope = enter(run.root, -1, INT64_MAX); /* there is no time after the end */
    struct speaker *m = member(run.root, 0, 0);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(m, 0, CANCELLED);
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);
}
END_TEST

START_TEST(welcome_says_the_nearest_deadline)
{
    int64_t now = csp_now();
    ck_assert_int_eq(deadline_of(announced(run.root).ticket), -1);
    scope = enter(run.root, now + 3 * HOUR, HOUR);
    ck_assert_int_eq(deadline_of(announced(run.root).ticket), now + 3 * HOUR);
    enter(run.root, -1, HOUR);
    ck_assert_int_eq(deadline_of(announced(run.root).ticket), now + 3 * HOUR);
    uint64_t inner = enter(run.root, now + 2 * HOUR, HOUR);
    ck_assert_int_eq(deadline_of(announced(run.root).ticket), now + 2 * HOUR);
    ck_assert_int_eq(change(run.root, inner, now + 4 * HOUR, HOUR), 0);
    ck_assert_int_eq(deadline_of(announced(run.root).ticket), now + 3 * HOUR);
    ck_assert_int_eq(change(run.root, inner, now + HOUR, HOUR), 0);
    struct speaker *m = member(run.root, 0, 0);
    ck_assert_int_eq(deadline_of(announced(m).ticket), now + HOUR); /* of what a member starts too */
}
END_TEST

/* ---- who belongs to a scope -------------------------------------------------------------------------------------- */

START_TEST(leaving_waits_for_the_last_member)
{
    struct speaker *owner = another_line(run.root);
    scope = enter(owner, -1, HOUR);
    struct speaker *a = member(owner, 0, 0), *b = member(owner, 0, 0);
    OFFER(owner, 0, ON_LEAVE(scope));
    ck_assert(silent(owner));
    ck_assert_int_eq(bye(a, CLEAN, 0), 0);
    ck_assert(silent(owner));
    ck_assert_int_eq(bye(b, CLEAN, 0), 0);
    ck_assert_int_eq(left(owner).how, CLEAN);
}
END_TEST

START_TEST(one_that_was_announced_is_a_member)
{
    scope = enter(run.root, -1, HOUR);
    struct wire_announced a = announced(run.root);
    OFFER(run.root, WIRE_NOW, ON_LEAVE(scope));
    ends_so(run.root, 0);
    struct wire_started never = {.process = a.process};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &never, sizeof never), 0);
    leaves(run.root, scope, 0, CLEAN, 0);
}
END_TEST

START_TEST(what_a_member_starts_is_a_member)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0), *child = member(m, 0, 0);
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);
    OFFER(run.root, WIRE_NOW, ON_LEAVE(scope));
    ends_so(run.root, 0);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(bye(child, CODE, 3), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    struct wire_exit why = left(run.root);
    ck_assert_uint_eq(why.process, child->process);
    ck_assert_int_eq(why.how, CODE);
    ck_assert_int_eq(why.code, 3);
}
END_TEST

START_TEST(leaving_waits_for_what_is_in_scopes_inside)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0);
    uint64_t inner = enter(m, -1, HOUR);
    struct speaker *child = member(m, 0, 0);
    ck_assert_uint_gt(enter(m, -1, HOUR), inner); /* with nobody in it */
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);        /* without leaving them */
    hear_cancelled(child, 0, CANCELLED);
    OFFER(run.root, WIRE_NOW, ON_LEAVE(scope));
    ends_so(run.root, 0);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(bye(child, CODE, 1), 0);
    ck_assert_int_eq(left(run.root).how, CLEAN); /* it was cancelled, and no member of this one */
}
END_TEST

START_TEST(guests_belong_to_no_scope)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *g = guest();
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    ck_assert(silent(g));
    leaves(run.root, scope, 0, CANCELLED, 0);
    uint64_t own = enter(g, -1, HOUR);
    struct speaker *m = member(g, 0, 0);
    ck_assert_int_eq(cancel(g, WIRE_ONE_SCOPE, own), 0);
    hear_cancelled(g, own, CANCELLED);
    hear_cancelled(m, 0, CANCELLED);
}
END_TEST

/* ---- what cancels a scope ---------------------------------------------------------------------------------------- */

START_TEST(cancel_of_a_scope_cancels_its_members)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0), *second = another_line(m);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    hear_cancelled(m, 0, CANCELLED);
    hear_cancelled(second, 0, CANCELLED); /* each line */
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    ck_assert(silent(run.root)); /* once */
    ck_assert(silent(m));
    ck_assert_int_eq(bye(m, CODE, 1), 0);
    leaves(run.root, scope, 0, CANCELLED, 0);
}
END_TEST

START_TEST(a_deadline_cancels)
{
    struct speaker *owner = another_line(run.root);
    uint64_t c = make(run.root, 0, 100);
    int64_t by = csp_now() + SOON;
    scope = enter(owner, by, HOUR);
    struct speaker *m = attach(announce(owner, NULL, c, RECV, 0, 0));
    OFFER(owner, 0, ON_RECV(c));
    OFFER(m, 0, ON_RECV(c));
    ck_assert(!happened_or_cancelled(owner, scope, DEADLINE));
    ck_assert_int_ge(csp_now(), by);
    ck_assert(!happened_or_cancelled(m, 0, DEADLINE));
    ck_assert_int_eq(cancel(owner, WIRE_ONE_SCOPE, scope), 0);
    ck_assert_int_eq(bye(m, CODE, 1), 0);
    leaves(owner, scope, 0, DEADLINE, 0); /* the first reason */
}
END_TEST

START_TEST(a_deadline_that_has_passed_cancels_at_once)
{
    scope = enter(run.root, csp_now(), HOUR);
    hear_cancelled(run.root, scope, DEADLINE);
    ck_assert_int_eq(announce_err(run.root), ECANCELED);
    leaves(run.root, scope, 0, DEADLINE, 0);
    scope = enter(run.root, -1, HOUR);
    ck_assert_int_eq(change(run.root, scope, 0, HOUR), 0);
    hear_cancelled(run.root, scope, DEADLINE);
}
END_TEST

START_TEST(a_deadline_can_be_put_off)
{
    struct speaker *owner = another_line(run.root);
    scope = enter(owner, csp_now() + SOON, HOUR);
    ck_assert_int_eq(change(owner, scope, -1, HOUR), 0);
    uint64_t after = enter(run.root, csp_now() + SOON + SOON / 5, HOUR);
    hear_cancelled(run.root, after, DEADLINE);
    ck_assert(silent(owner));
    leaves(owner, scope, 0, CLEAN, 0);
}
END_TEST

START_TEST(what_was_left_in_time_is_not_cancelled)
{
    struct speaker *owner = another_line(run.root);
    scope = enter(owner, csp_now() + SOON, HOUR);
    leaves(owner, scope, 0, CLEAN, 0);
    uint64_t after = enter(run.root, csp_now() + SOON + SOON / 5, HOUR);
    hear_cancelled(run.root, after, DEADLINE);
    ck_assert(silent(owner));
}
END_TEST

START_TEST(the_nearer_deadline_of_two_is_first)
{
    int64_t now = csp_now();
    struct speaker *owner = another_line(run.root);
    scope = enter(owner, now + SOON, HOUR);
    uint64_t later = enter(owner, now + HOUR, HOUR);
    struct speaker *m = member(owner, 0, 0);
    hear_cancelled(owner, scope, DEADLINE); /* the one around takes the other with it */
    hear_cancelled(owner, later, DEADLINE);
    hear_cancelled(m, 0, DEADLINE);
}
END_TEST

START_TEST(the_first_failure_cancels_the_others)
{
    scope = enter(run.root, -1, HOUR);
    uint64_t c = make(run.root, 0, 100);
    struct speaker *a = member(run.root, 0, 0), *b = member(run.root, c, RECV);
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
    ck_assert_int_eq(bye(a, CODE, 7), 0);
    ends_so(b, ECANCELED);
    hear_cancelled(b, 0, CANCELLED);
    hear_cancelled(run.root, scope, CANCELLED);
    ck_assert_int_eq(bye(b, CODE, 8), 0);
    leaves(run.root, scope, a->process, CODE, 7);
}
END_TEST

START_TEST(a_clean_end_cancels_nobody)
{
    struct wire_announce w = {.success[0] = 1 << 7};
    struct wire_announced a;
    scope = enter(run.root, -1, HOUR);
    struct speaker *b = member(run.root, 0, 0), *c = member(run.root, 0, 0);
    struct heard h = ask(run.root, WIRE_ANNOUNCE, none, &w, sizeof w);
    memcpy(&a, h.data, sizeof a);
    ck_assert_int_eq(bye(attach(a.ticket), CODE, 7), 0); /* a success */
    ck_assert_int_eq(bye(c, CODE, 0), 0);
    ck_assert(silent(b));
    ck_assert_int_eq(bye(b, CLEAN, 0), 0);
    leaves(run.root, scope, 0, CLEAN, 0);
}
END_TEST

START_TEST(a_violation_is_a_failure)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *a = member(run.root, 0, 0), *b = member(run.root, 0, 0);
    say(a, WIRE_STAT, (struct wire_head){.seq = 0}, NULL, 0); /* a seq that is not new */
    hear_cancelled(b, 0, CANCELLED);
    hear_cancelled(run.root, scope, CANCELLED);
    ck_assert_int_eq(bye(b, CLEAN, 0), 0);
    leaves(run.root, scope, a->process, SIGNAL, 0);
}
END_TEST

START_TEST(the_failure_of_one_that_was_cancelled_is_none)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *a = member(run.root, 0, 0), *b = member(run.root, 0, 0);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, a->process), 0);
    hear_cancelled(a, 0, CANCELLED);
    ck_assert_int_eq(bye(a, CODE, 1), 0);
    ck_assert(silent(b));
    ck_assert(silent(run.root));
    ck_assert_int_eq(bye(b, CLEAN, 0), 0);
    leaves(run.root, scope, 0, CLEAN, 0);
}
END_TEST

START_TEST(a_line_that_leaves_cancels_its_scopes)
{
    struct speaker *owner = another_line(run.root);
    enter(owner, -1, HOUR);
    struct speaker *a = member(owner, 0, 0);
    enter(owner, -1, HOUR);
    struct speaker *b = member(owner, 0, 0);
    ck_assert_int_eq(leave(owner), 0);
    hear_cancelled(a, 0, CANCELLED);
    hear_cancelled(b, 0, CANCELLED);
}
END_TEST

START_TEST(a_process_that_ends_cancels_its_scopes)
{
    struct speaker *owner = member(run.root, 0, 0);
    enter(owner, -1, HOUR);
    struct speaker *a = member(owner, 0, 0);
    uint64_t own = enter(a, -1, HOUR);
    struct speaker *b = member(a, 0, 0);
    ck_assert_int_eq(bye(owner, CLEAN, 0), 0);
    hear_cancelled(a, 0, CANCELLED);
    hear_cancelled(a, own, CANCELLED); /* inwards */
    hear_cancelled(b, 0, CANCELLED);
}
END_TEST

START_TEST(cancellation_goes_inwards_only)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *a = member(run.root, 0, 0);
    uint64_t inner = enter(run.root, -1, HOUR);
    struct speaker *b = member(run.root, 0, 0);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, inner), 0);
    hear_cancelled(run.root, inner, CANCELLED);
    hear_cancelled(b, 0, CANCELLED);
    ck_assert(silent(a));
    ck_assert_int_eq(bye(b, CODE, 1), 0);
    leaves(run.root, inner, 0, CANCELLED, 0);
    ck_assert_int_eq(announce_err(run.root), 0); /* the one around goes on */
    ck_assert(silent(run.root));
}
END_TEST

START_TEST(what_is_entered_in_a_cancelled_scope_is_cancelled)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *m = member(run.root, 0, 0);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    hear_cancelled(m, 0, CANCELLED);
    uint64_t inner = enter(run.root, -1, HOUR), of_member = enter(m, -1, HOUR);
    hear_cancelled(run.root, inner, CANCELLED);
    hear_cancelled(m, of_member, CANCELLED);
    ck_assert_int_eq(announce_err(run.root), ECANCELED);
    ck_assert_int_eq(announce_err(m), ECANCELED);
    leaves(run.root, inner, 0, CANCELLED, 0);
}
END_TEST

/* Far more than a recursion could take. */
START_TEST(scopes_nest_as_deep_as_one_likes)
{
    enum { DEEP = 20000 };
    struct speaker *owner = another_line(run.root);
    uint64_t first = enter(owner, csp_now() + HOUR, HOUR), innermost = first;
    for (unsigned i = 1; i < DEEP; i++)
        innermost = enter(owner, -1, HOUR);
    struct speaker *m = member(owner, 0, 0);
    ck_assert_uint_eq(innermost, first + DEEP - 1);
    ck_assert_int_eq(leave(owner), 0);
    hear_cancelled(m, 0, CANCELLED);
}
END_TEST

START_TEST(the_outer_of_two_is_told_first)
{
    struct speaker *m = member(run.root, 0, 0);
    uint64_t outer = enter(m, csp_now() + SOON, HOUR), inner = enter(m, -1, HOUR);
    hear_cancelled(m, outer, DEADLINE);
    hear_cancelled(m, inner, DEADLINE);
    enter(run.root, -1, HOUR); /* for a long grace */
    struct speaker *p = member(run.root, 0, 0);
    outer = enter(p, -1, HOUR);
    inner = enter(p, -1, HOUR);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, p->process), 0);
    hear_cancelled(p, 0, CANCELLED);
    hear_cancelled(p, outer, CANCELLED);
    hear_cancelled(p, inner, CANCELLED);
}
END_TEST

/* ---- what cancels a process -------------------------------------------------------------------------------------- */

START_TEST(cancel_of_a_process_cancels_the_scopes_that_it_entered)
{
    scope = enter(run.root, -1, HOUR); /* for a long grace */
    struct speaker *p = member(run.root, 0, 0), *line = another_line(p);
    struct speaker *outside = member(p, 0, 0);
    uint64_t own = enter(line, -1, HOUR);
    struct speaker *inside = member(line, 0, 0);
    ck_assert_int_eq(cancel(outside, WIRE_ONE_PROCESS, p->process), 0);
    hear_cancelled(p, 0, CANCELLED);
    hear_cancelled(line, 0, CANCELLED);
    hear_cancelled(line, own, CANCELLED);
    hear_cancelled(inside, 0, CANCELLED);
    ck_assert(silent(outside)); /* it was started outside of them */
    ck_assert(silent(run.root));
}
END_TEST

START_TEST(a_process_cancels_itself)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *p = member(run.root, 0, 0);
    ck_assert_int_eq(cancel(p, WIRE_ONE_PROCESS, p->process), 0);
    hear_cancelled(p, 0, CANCELLED);
    ck_assert_int_eq(announce_err(p), 0); /* its scope is not cancelled */
    uint64_t own = enter(p, -1, HOUR);    /* but what it enters is */
    hear_cancelled(p, own, CANCELLED);
    ck_assert_int_eq(announce_err(p), ECANCELED);
}
END_TEST

START_TEST(cancel_says_whom_there_is_not)
{
    struct speaker *g = guest(), *p = member(run.root, 0, 0);
    uint64_t number = p->process;
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, 0), ESRCH);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, number + 1), ESRCH);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, g->process), EPERM);
    ck_assert_int_eq(cancel(g, WIRE_ONE_PROCESS, number), EPERM);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, 1), EBADF);
    ck_assert_int_eq(cancel(run.root, 2, number), EINVAL);
    ck_assert(silent(p));
    ck_assert_int_eq(bye(p, CLEAN, 0), 0);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, number), 0); /* it has ended */
}
END_TEST

START_TEST(one_that_was_not_there_yet_is_told_after_its_welcome)
{
    scope = enter(run.root, -1, HOUR);
    struct wire_announced a = announced(run.root);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
    struct speaker *m = attach(a.ticket);
    hear_cancelled(m, 0, CANCELLED);
    hear_cancelled(another_line(m), 0, CANCELLED); /* a further line too */
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);
    leaves(run.root, scope, 0, CANCELLED, 0);
}
END_TEST

/* ---- offers ------------------------------------------------------------------------------------------------------ */

static uint64_t c, d;
static struct speaker *m;

/* A member of the root's scope with all ends of c and d. */
static void setup(uint64_t capacity)
{
    c = make(run.root, capacity, 100);
    d = make(run.root, capacity, 100);
    scope = enter(run.root, -1, HOUR);
    m = attach(announce(run.root, NULL, c, SEND | RECV, d, SEND | RECV));
}

static void cancel_all(void)
{
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
}

START_TEST(an_offer_that_waits_is_removed_whole)
{
    struct speaker *other = another_line(run.root);
    setup(0);
    OFFER(m, 0, ON_SEND(c, "lost"), ON_RECV(d), ON_WAIT(0), ON(WIRE_OP_TIME, 1));
    ck_assert(silent(m));
    cancel_all();
    ends_so(m, ECANCELED);
    hear_cancelled(m, 0, CANCELLED); /* in this order */
    OFFER(other, WIRE_NOW, ON_RECV(c));
    ends_so(other, 0);
    OFFER(other, WIRE_NOW, ON_SEND(d, "v"));
    ends_so(other, 0);
}
END_TEST

START_TEST(a_cancelled_offer_makes_room_for_those_behind_it)
{
    struct speaker *other = another_line(run.root);
    setup(2);
    ck_assert_int_eq(send_text(other, c, "1"), 0);
    ck_assert_int_eq(send_text(other, c, "2"), 0);
    OFFER(m, 0, ON_SEND(c, "3"));
    ck_assert(silent(m));
    OFFER(other, 0, ON_SEND(c, "4"));
    ck_assert(silent(other));
    cancel_all();
    ends_so(m, ECANCELED);
    struct speaker *reader = another_line(run.root);
    recv_text(reader, c, "1");
    ck_assert_int_eq(committed(other).err, 0);
    recv_text(reader, c, "2");
    recv_text(reader, c, "4");
}
END_TEST

START_TEST(an_attached_end_of_a_cancelled_offer_is_let_go)
{
    setup(0);
    uint64_t gift = make(m, 0, 100);
    OFFER(m, 0, ((struct tcase){WIRE_OP_SEND, c, "v", 1, gift}));
    ck_assert(silent(m));
    cancel_all();
    ends_so(m, ECANCELED);
    hear_cancelled(m, 0, CANCELLED);
    ck_assert_int_eq(drop(m, gift, SEND), 0);
    OFFER(m, WIRE_SHIELD, ON_RECV(gift));
    ck_assert_int_eq(committed(m).err, EPIPE); /* nothing holds the other end */
}
END_TEST

START_TEST(an_offer_that_arrives_is_cancelled_ready_or_not)
{
    struct speaker *other = another_line(run.root);
    setup(1);
    ck_assert_int_eq(send_text(other, c, "v"), 0);
    cancel_all();
    hear_cancelled(m, 0, CANCELLED);
    OFFER(m, 0, ON_RECV(c)); /* ready */
    ends_so(m, ECANCELED);
    OFFER(m, WIRE_NOW, ON_SEND(d, "v")); /* ready too */
    ends_so(m, ECANCELED);
    OFFER(m, WIRE_NOW | WIRE_ORDERED, ON_RECV(d));
    ends_so(m, ECANCELED);
    OFFER(m, 0, ON(WIRE_OP_EXIT, 1), ON(WIRE_OP_TAKE, c)); /* what it decides alone */
    ends_so(m, ECANCELED);
    recv_text(other, c, "v"); /* nobody took it */
}
END_TEST

START_TEST(the_owners_offers_are_cancelled_with_its_scope)
{
    struct speaker *owner = another_line(run.root), *other = another_line(run.root);
    setup(1);
    uint64_t own = enter(owner, csp_now() + SOON, HOUR);
    OFFER(other, 0, ON_RECV(c)); /* of the same process, and in no scope */
    OFFER(owner, 0, ON_RECV(d));
    ck_assert(!happened_or_cancelled(owner, own, DEADLINE));
    OFFER(owner, 0, ON_SEND(d, "v"));
    ends_so(owner, ECANCELED);
    leaves(owner, own, 0, DEADLINE, 0);
    ck_assert_int_eq(send_text(owner, c, "v"), 0); /* outside again */
    ck_assert_int_eq(committed(other).err, 0);
}
END_TEST

START_TEST(a_shield_holds_cancellation_off)
{
    struct speaker *other = another_line(run.root);
    setup(0);
    OFFER(m, WIRE_SHIELD, ON_SEND(c, "clean-up"));
    ck_assert(silent(m));
    cancel_all();
    hear_cancelled(m, 0, CANCELLED); /* told, and it waits on */
    recv_text(other, c, "clean-up");
    ck_assert_int_eq(committed(m).err, 0);
    OFFER(m, WIRE_SHIELD, ON_RECV(d));
    ck_assert_int_eq(send_text(other, d, "v"), 0);
    struct committed got = committed(m);
    ck_assert(is_text(&got, "v"));
    OFFER(m, WIRE_SHIELD | WIRE_NOW, ON_RECV(d));
    ends_so(m, 0);
}
END_TEST

START_TEST(the_wait_for_members_is_not_cancelled)
{
    struct speaker *owner = another_line(run.root);
    scope = enter(owner, -1, HOUR);
    struct speaker *a = member(owner, 0, 0), *b = member(owner, 0, 0);
    OFFER(owner, 0, ON_LEAVE(scope));
    ck_assert(silent(owner));
    ck_assert_int_eq(bye(a, CODE, 2), 0);
    hear_cancelled(owner, scope, CANCELLED);
    hear_cancelled(b, 0, CANCELLED);
    ck_assert(silent(owner));
    ck_assert_int_eq(bye(b, CLEAN, 0), 0);
    struct wire_exit why = left(owner);
    ck_assert_uint_eq(why.process, a->process);
    ck_assert_int_eq(why.code, 2);
}
END_TEST

START_TEST(a_commit_before_the_cancellation_stands)
{
    struct speaker *other = another_line(run.root);
    setup(0);
    OFFER(m, 0, ON_RECV(c));
    ck_assert(silent(m));
    ck_assert_int_eq(send_text(other, c, "v"), 0);
    cancel_all();
    struct committed got = committed(m);
    ck_assert(is_text(&got, "v"));
    hear_cancelled(m, 0, CANCELLED);
}
END_TEST

/* Three lines, and nobody says which of them is read first. */
START_TEST(of_a_commit_and_a_cancellation_one_wins_for_both_sides)
{
    struct speaker *other = another_line(run.root);
    unsigned sent = 0;
    for (unsigned i = 0; i < 300; i++) {
        setup(0);
        OFFER(m, 0, ON_RECV(c));
        if (i % 3 == 0)
            sync_line(other);
        OFFER(other, 0, ON_SEND(c, "v"));
        cancel_all();
        withdraw(other);
        struct committed by_other = committed(other);
        bool went = by_other.which == 0;
        ck_assert(happened_or_cancelled(m, 0, CANCELLED) == went);
        ck_assert_int_eq(bye(m, CLEAN, 0), 0);
        leaves(run.root, scope, 0, CANCELLED, 0);
        ck_assert_int_eq(drop(run.root, c, SEND | RECV) + drop(run.root, d, SEND | RECV), 0);
        speaker_free(m);
        sent += went;
    }
    ck_assert_uint_gt(sent, 0);
}
END_TEST

START_TEST(of_two_members_that_meet_neither_is_cancelled_alone)
{
    setup(0);
    struct speaker *n = member(run.root, c, SEND);
    OFFER(m, 0, ON_RECV(c));
    ck_assert(silent(m));
    OFFER(n, 0, ON_SEND(c, "v"));
    cancel_all();
    bool sent = happened_or_cancelled(n, 0, CANCELLED);
    ck_assert(happened_or_cancelled(m, 0, CANCELLED) == sent);
}
END_TEST

START_TEST(the_end_of_a_member_cancels_before_it_closes)
{
    setup(0);
    struct speaker *n = member(run.root, c, SEND);
    ck_assert_int_eq(drop(m, c, SEND) + drop(run.root, c, SEND), 0);
    OFFER(m, 0, ON_RECV(c));
    ck_assert(silent(m));
    ck_assert_int_eq(bye(n, CODE, 1), 0); /* the last sender, and a failure */
    ends_so(m, ECANCELED);
}
END_TEST

/* ---- leaving ----------------------------------------------------------------------------------------------------- */

START_TEST(a_wait_for_members_can_be_given_up)
{
    setup(0);
    OFFER(run.root, 0, ON_LEAVE(scope));
    withdraw(run.root);
    ends_so(run.root, 0);
    ck_assert_int_eq(announce_err(run.root), 0); /* it is in the scope still */
    cancel_all();
    hear_cancelled(m, 0, CANCELLED);
}
END_TEST

START_TEST(leaving_may_be_one_case_of_several)
{
    struct speaker *other = another_line(run.root);
    setup(0);
    OFFER(run.root, 0, ON_RECV(c), ON_LEAVE(scope));
    ck_assert_int_eq(send_text(other, c, "v"), 0);
    ck_assert_uint_eq(committed(run.root).which, 0);
    OFFER(run.root, 0, ON_RECV(c), ON_LEAVE(scope), ON_LEAVE(scope));
    ck_assert_int_eq(bye(m, CLEAN, 0), 0);
    struct committed got = committed(run.root);
    ck_assert_uint_ge(got.which, 1);
    ck_assert_uint_eq(got.channel, scope);
    ck_assert_uint_eq(got.length, sizeof(struct wire_exit));
    OFFER(other, WIRE_NOW, ON_SEND(c, "v"));
    ends_so(other, 0); /* the losing case went with it */
}
END_TEST

START_TEST(a_request_while_leaving_is_a_violation)
{
    struct speaker *owner = member(run.root, 0, 0);
    uint64_t own = enter(owner, -1, HOUR);
    struct speaker *child = member(owner, 0, 0);
    OFFER(owner, 0, ON_LEAVE(own));
    say(owner, WIRE_CANCEL, (struct wire_head){.seq = ++owner->seq, .channel = own, .count = 1}, NULL, 0);
    hear_cancelled(child, 0, CANCELLED); /* for its owner's end */
}
END_TEST

START_TEST(a_leave_with_a_value_is_a_violation)
{
    scope = enter(run.root, -1, HOUR);
    struct speaker *a = member(run.root, 0, 0);
    uint64_t own = enter(a, -1, HOUR);
    OFFER(a, 0, ((struct tcase){WIRE_OP_SCOPE, own, "v", 1, 0}));
    hear_cancelled(run.root, scope, CANCELLED);
    leaves(run.root, scope, a->process, SIGNAL, 0);
}
END_TEST

START_TEST(channels_say_that_their_sender_was_cancelled)
{
    setup(0);
    ck_assert_int_eq(drop(run.root, c, SEND), 0);
    cancel_all();
    hear_cancelled(m, 0, CANCELLED);
    ck_assert_int_eq(bye(m, CODE, 1), 0);
    leaves(run.root, scope, 0, CANCELLED, 0);
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPIPE);
    ck_assert_int_eq(why(run.root, c).how, CANCELLED);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------------------------- */

#if !defined(__SANITIZE_ADDRESS__)
START_TEST(a_scope_for_which_there_is_no_memory_is_not_entered)
{
    struct speaker *owner = another_line(run.root);
    struct rlimit before, none_left = {0, 0};
    uint64_t first = enter(owner, -1, HOUR), last = first;
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, NULL, &before), 0);
    none_left.rlim_max = before.rlim_max;
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, &none_left, NULL), 0);
    struct wire_scope w = {-1, HOUR};
    int err = 0;
    for (unsigned i = 0; i < 1000000 && err == 0; i++) {
        struct heard h = ask(owner, WIRE_SCOPE, none, &w, sizeof w);
        err = (int)h.head.count;
        last = err == 0 ? h.head.channel : last;
    }
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, &before, NULL), 0);
    ck_assert_int_eq(err, ENOMEM);
    leaves(owner, last, 0, CLEAN, 0); /* it is in the one before */
    ck_assert_int_eq(leave(owner), 0);
    leaves(run.root, enter(run.root, -1, HOUR), 0, CLEAN, 0);
}
END_TEST
#endif

Suite *scopes_suite(void)
{
    Suite *s = suite_create("scopes");
    TCase *t = tcase_create("scopes");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_number_is_never_used_again);
    tcase_add_test(t, a_scope_is_inside_the_innermost_of_its_line);
    tcase_add_test(t, a_scope_of_a_member_is_inside_the_one_it_belongs_to);
    tcase_add_test(t, a_scope_is_of_one_line);
    tcase_add_test(t, only_the_innermost_can_be_left);
    tcase_add_test(t, times_that_there_are_not_are_refused);
    tcase_add_test(t, welcome_says_the_nearest_deadline);
    tcase_add_test(t, leaving_waits_for_the_last_member);
    tcase_add_test(t, one_that_was_announced_is_a_member);
    tcase_add_test(t, what_a_member_starts_is_a_member);
    tcase_add_test(t, leaving_waits_for_what_is_in_scopes_inside);
    tcase_add_test(t, guests_belong_to_no_scope);
    tcase_add_test(t, cancel_of_a_scope_cancels_its_members);
    tcase_add_test(t, a_deadline_cancels);
    tcase_add_test(t, a_deadline_that_has_passed_cancels_at_once);
    tcase_add_test(t, a_deadline_can_be_put_off);
    tcase_add_test(t, what_was_left_in_time_is_not_cancelled);
    tcase_add_test(t, the_nearer_deadline_of_two_is_first);
    tcase_add_test(t, the_first_failure_cancels_the_others);
    tcase_add_test(t, a_clean_end_cancels_nobody);
    tcase_add_test(t, a_violation_is_a_failure);
    tcase_add_test(t, the_failure_of_one_that_was_cancelled_is_none);
    tcase_add_test(t, a_line_that_leaves_cancels_its_scopes);
    tcase_add_test(t, a_process_that_ends_cancels_its_scopes);
    tcase_add_test(t, cancellation_goes_inwards_only);
    tcase_add_test(t, what_is_entered_in_a_cancelled_scope_is_cancelled);
    tcase_add_test(t, scopes_nest_as_deep_as_one_likes);
    tcase_add_test(t, the_outer_of_two_is_told_first);
    tcase_add_test(t, cancel_of_a_process_cancels_the_scopes_that_it_entered);
    tcase_add_test(t, a_process_cancels_itself);
    tcase_add_test(t, cancel_says_whom_there_is_not);
    tcase_add_test(t, one_that_was_not_there_yet_is_told_after_its_welcome);
    tcase_add_test(t, an_offer_that_waits_is_removed_whole);
    tcase_add_test(t, a_cancelled_offer_makes_room_for_those_behind_it);
    tcase_add_test(t, an_attached_end_of_a_cancelled_offer_is_let_go);
    tcase_add_test(t, an_offer_that_arrives_is_cancelled_ready_or_not);
    tcase_add_test(t, the_owners_offers_are_cancelled_with_its_scope);
    tcase_add_test(t, a_shield_holds_cancellation_off);
    tcase_add_test(t, the_wait_for_members_is_not_cancelled);
    tcase_add_test(t, a_commit_before_the_cancellation_stands);
    tcase_add_test(t, of_a_commit_and_a_cancellation_one_wins_for_both_sides);
    tcase_add_test(t, of_two_members_that_meet_neither_is_cancelled_alone);
    tcase_add_test(t, the_end_of_a_member_cancels_before_it_closes);
    tcase_add_test(t, a_wait_for_members_can_be_given_up);
    tcase_add_test(t, leaving_may_be_one_case_of_several);
    tcase_add_test(t, a_request_while_leaving_is_a_violation);
    tcase_add_test(t, a_leave_with_a_value_is_a_violation);
    tcase_add_test(t, channels_say_that_their_sender_was_cancelled);
#if !defined(__SANITIZE_ADDRESS__)
    tcase_add_test(t, a_scope_for_which_there_is_no_memory_is_not_entered);
#endif
    suite_add_tcase(s, t);
    return s;
}
