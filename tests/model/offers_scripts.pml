/* SPDX-License-Identifier: MPL-2.0 */
/* The configurations of offers.pml: what each caller does, which ends it has at the start, and who may withdraw.
 *
 * Decision: a caller follows a short script, so that each configuration is small enough to be checked in full and is
 * about one thing; what is left open is only who is faster, who withdraws, what the broker draws and who dies. It is
 * included by offers.pml, which says what is modelled and by which commands it is checked. */

/* Scripts. A step of a caller: OFFER of one or two cases, DROP, CLOSE, BYE, or stop: it lives on and does nothing. */
#define CROSSED  1 /* two senders, two receivers, each selecting over the same two channels */
#define MIXED    2 /* each sends on one of two channels or receives on the other */
#define RING     3 /* three callers, each {send to the next, receive from the last} */
#define SELF     4 /* {send c, receive c} against the same, and a plain sender */
#define TRY      5 /* tries against callers that wait or come and go */
#define PIPE     6 /* FIFO, BYE closes, DROP of the receiving end breaks */
#define CLOSING  7 /* CLOSE races with senders, receivers and a select of both */
#define REPLY    8 /* a channel attached to a request, answered on it; a losing case offers it too */
#define THREADS  9 /* two lines of one process: one drops the end on which the other waits */
#define GUESTS  10 /* guests send and receive without ends */

#ifndef C0
#define C0 0
#endif
#ifndef C1
#define C1 0
#endif
#ifndef C2
#define C2 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#if CONFIG == RING || CONFIG == REPLY || CONFIG == THREADS || CONFIG == GUESTS
#define NP 3
#elif CONFIG == MIXED
#define NP 3
#else
#define NP 4
#endif
#if CONFIG == RING || CONFIG == REPLY
#define NC 3
#else
#define NC 2
#endif
#if CONFIG == THREADS
#define PROC(p) ((p) == 2 -> 0 : (p))
#define NPROC 2
#else
#define PROC(p) (p)
#define NPROC NP
#endif
#if NP == 3
#define NV 5 /* steps of a caller that may send: values are bits, numbered (caller, step, case) */
#else
#define NV 3
#endif

#define STEP(T, A, A0, A1) kind = T; arg = A; c0 = A0; c1 = A1

/* What caller p does next, seq[p] steps having gone before */
inline script(p)
{
    STEP(stop, 0, NONE, NONE);
    if
#if CONFIG == CROSSED
    :: seq[p] < 2 && p < 2 -> STEP(OFFER, 0, SEND(0), SEND(1))
    :: seq[p] < 2 && p >= 2 -> STEP(OFFER, 0, RECV(0), RECV(1))
#elif CONFIG == MIXED
    :: seq[p] < 3 && p != 1 -> STEP(OFFER, 0, SEND(0), RECV(1))
    :: seq[p] < 4 && p == 1 -> STEP(OFFER, 0, RECV(0), SEND(1))
#elif CONFIG == RING
    :: seq[p] < 3 -> STEP(OFFER, 0, SEND(p), RECV((p + 2) % 3))
#elif CONFIG == SELF
    :: seq[p] < 2 && p < 2 -> STEP(OFFER, 0, SEND(0), RECV(0))
    :: seq[p] < 2 && p == 2 -> STEP(OFFER, 0, SEND(0), NONE)
    :: seq[p] < 1 && p == 3 -> STEP(OFFER, 0, RECV(0), NONE)
#elif CONFIG == TRY
    :: seq[p] < 2 && p == 0 -> STEP(OFFER, NOW, SEND(0), SEND(1))
    :: seq[p] < 2 && p == 1 -> STEP(OFFER, NOW | ORDERED, RECV(1), RECV(0))
    :: seq[p] < 1 && p == 2 -> STEP(OFFER, 0, SEND(0), SEND(1))
    :: seq[p] < 1 && p == 3 -> STEP(OFFER, 0, RECV(0), NONE)
#elif CONFIG == PIPE
    :: seq[p] < 3 && p == 0 || seq[p] < 1 && p == 1 -> STEP(OFFER, 0, SEND(0), NONE)
    :: seq[p] == 3 && p == 0 -> STEP(BYE, 0, NONE, NONE)
    :: seq[p] == 1 && p == 1 -> STEP(DROP, S_(0), NONE, NONE)
    :: seq[p] < 4 && p == 2 || seq[p] < 1 && p == 3 -> STEP(OFFER, 0, RECV(0), NONE)
    :: seq[p] == 4 && p == 2 -> STEP(BYE, 0, NONE, NONE)
    :: seq[p] == 1 && p == 3 -> STEP(DROP, R_(0), NONE, NONE)
#elif CONFIG == CLOSING
    :: seq[p] < 3 && p == 0 -> STEP(OFFER, 0, SEND(0), NONE)
    :: seq[p] == 0 && p == 1 -> STEP(OFFER, 0, SEND(0), RECV(1))
    :: seq[p] == 1 && p == 1 -> STEP(CLOSE, 0, NONE, NONE)
    :: seq[p] < 3 && p == 2 -> STEP(OFFER, 0, RECV(0), NONE)
    :: seq[p] < 2 && p == 3 -> STEP(OFFER, 0, RECV(0), SEND(1))
#elif CONFIG == REPLY
    :: seq[p] == 0 && p == 0 -> STEP(OFFER, 0, WITH(0, 2), SEND(1))
    :: seq[p] == 1 && p == 0 -> STEP(DROP, S_(2), NONE, NONE)
    :: seq[p] < 4 && seq[p] > 1 && p == 0 -> STEP(OFFER, 0, RECV(2), NONE)
    :: seq[p] == 4 && p == 0 -> STEP(DROP, R_(2), NONE, NONE)
    :: seq[p] == 0 && p == 1 -> STEP(OFFER, 0, RECV(0), NONE)
    :: seq[p] == 0 && p == 2 -> STEP(OFFER, 0, RECV(0), RECV(1))
    :: p > 0 && seq[p] > 0 && (mine[p] & R_(2)) -> STEP(DROP, R_(2), NONE, NONE)
    :: p > 0 && seq[p] == 2 && !(mine[p] & R_(2)) && (mine[p] & S_(2)) -> STEP(OFFER, 0, SEND(2), NONE)
    :: p > 0 && seq[p] == 3 -> STEP(BYE, 0, NONE, NONE)
#elif CONFIG == THREADS
    :: seq[p] < 2 && p == 0 -> STEP(OFFER, 0, RECV(0), SEND(1))
    :: seq[p] == 0 && p == 1 -> STEP(OFFER, 0, RECV(0), NONE)
    :: seq[p] > 0 && seq[p] < 4 && p == 1 -> STEP(OFFER, 0, SEND(0), NONE)
    :: seq[p] == 0 && p == 2 -> STEP(DROP, R_(0), NONE, NONE)
#ifdef LEAVES
    :: seq[p] == 1 && p == 2 -> STEP(LEAVE, 0, NONE, NONE)
#else
    :: seq[p] == 1 && p == 2 -> STEP(BYE, 0, NONE, NONE)
#endif
#elif CONFIG == GUESTS
    :: seq[p] == 0 && p == 0 -> STEP(OFFER, 0, SEND(0), NONE)
    :: seq[p] == 1 && p == 0 -> STEP(DROP, R_(0), NONE, NONE)
    :: seq[p] < 3 && p == 1 -> STEP(OFFER, 0, RECV(0), NONE)
    :: seq[p] < 3 && p == 2 -> STEP(OFFER, 0, SEND(0), NONE)
#endif
    :: else
    fi
}

/* Ends at the start; what a value brings its receiver; who may withdraw */
#if CONFIG == REPLY
#define INIT(pr) (pr == 0 -> S_(0) | S_(1) | S_(2) | R_(2) : R_(0) | R_(1))
#define BRINGS(val) (val == VALUE(0, 0, 0) -> S_(2) | R_(2) : 0)
#define HASTY(p) (p == 0 && seq[0] != 2)
#else
#define BRINGS(val) 0
#if CONFIG == CROSSED
#define INIT(pr) (pr < 2 -> S_(0) | S_(1) : R_(0) | R_(1))
#define HASTY(p) (p == 1 || p == 3)
#elif CONFIG == MIXED
#define INIT(pr) (pr != 1 -> S_(0) | R_(1) : R_(0) | S_(1))
#define HASTY(p) (p != 2)
#elif CONFIG == RING
#define INIT(pr) (S_(pr) | R_((pr + 2) % 3))
#define HASTY(p) (p != 2)
#elif CONFIG == PIPE
#define INIT(pr) (pr < 2 -> S_(0) | S_(1) : R_(0) | R_(1))
#define HASTY(p) (p == 1 || p == 3)
#elif CONFIG == CLOSING
#define INIT(pr) (pr < 2 -> S_(0) | R_(1) : R_(0) | S_(1))
#define HASTY(p) (p == 0 || p == 3)
#elif CONFIG == GUESTS
#define INIT(pr) (pr == 0 -> S_(0) | R_(0) | S_(1) | R_(1) : 0)
#define HASTY(p) (p == 2)
#else
#define INIT(pr) (S_(0) | R_(0) | S_(1) | R_(1))
#define HASTY(p) (p != 2)
#endif
#endif
