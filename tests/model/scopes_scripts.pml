/* SPDX-License-Identifier: MPL-2.0 */
/* The configurations of scopes.pml: what each process does. Included by scopes.pml.
 *
 * Decision: the next step of a process, `todo` with `what`, is a function of how many it has behind it and of how the
 * last ended; what is open is said by the steps that choose (to cancel or not, to fail or not) and by who is faster. */

#define SIBLINGS 1 /* the root starts two in a scope: one sends, one receives; it may cancel */
#define NESTED   2 /* the root starts one in a scope; that starts another in a scope of its own */
#define INSIDE   3 /* the root enters a scope in a scope, with one member each */
#define GROUP    4 /* as SIBLINGS; the root waits for a group that both count down */
#define REAPING  5 /* as SIBLINGS; the root waits for the end of the first, and reaps it, before it leaves */
#define HANDOVER 6 /* the root starts one, which starts another in the same scope, and gives it its end */

#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef DEADLINES
#define DEADLINES 0 /* scopes that have one, as bits */
#endif

#define NP 3
#define NS 3 /* scopes: 0 is the run */
#define S 1
#define R 2

#define STEP(T, A) todo[p] = T; what[p] = A

/* ends that process q is granted */
#if CONFIG == NESTED
#define GRANT(q) ((q) == 1 -> S | R : R)
#elif CONFIG == HANDOVER
#define GRANT(q) S
#elif CONFIG == INSIDE
#define GRANT(q) ((q) == 1 -> R : S)
#else
#define GRANT(q) ((q) == 1 -> S : R)
#endif
#if CONFIG == INSIDE
#define ROOT_HOLDS (S | R)
#elif CONFIG == HANDOVER
#define ROOT_HOLDS R
#else
#define ROOT_HOLDS 0
#endif

/* A start takes three steps of which the second and the third are left out when the first was refused */
#define STARTS(q, n)                                                                                                   \
    :: pc[p] == n -> STEP(ANNOUNCE, q)                                                                                 \
    :: pc[p] == n + 1 -> if                                                                                            \
                         :: res[p] == ECANCELED || res[p] == EBADF -> pc[p] = n + 3; again = true                      \
                         :: else -> STEP(forking, q)                                                                   \
                         fi                                                                                            \
    :: pc[p] == n + 2 -> STEP(STARTED, q)

/* The step of process p that follows pc[p] others */
inline script(p)
{
    do
    :: again = false;
        todo[p] = stop;
        what[p] = 0;
        if
        :: p == 0 ->
            if
            :: pc[p] == 0 -> STEP(SCOPE, 0)
            STARTS(1, 1)
#if CONFIG == INSIDE
            :: pc[p] == 4 -> STEP(SCOPE, 0)
            STARTS(2, 5)
            :: pc[p] == 8 -> STEP(choosing, 0)
            :: pc[p] == 9 -> STEP(OFFER, receiving)
            :: pc[p] == 10 || pc[p] == 11 -> STEP(OFFER, leaving)
#elif CONFIG == NESTED
            :: pc[p] == 4 -> STEP(choosing, 1)
            :: pc[p] == 5 -> STEP(OFFER, leaving)
            :: pc[p] == 6 -> STEP(REAPED, 1)
#elif CONFIG == HANDOVER
            :: pc[p] == 4 || pc[p] == 5 -> STEP(OFFER, receiving)
            :: pc[p] == 6 -> STEP(OFFER, leaving)
#else
            STARTS(2, 4)
#if CONFIG == GROUP
            :: pc[p] == 7 -> STEP(OFFER, waiting)
            :: pc[p] == 8 -> STEP(OFFER, leaving)
#elif CONFIG == REAPING
            :: pc[p] == 7 -> STEP(reaping, 1)
            :: pc[p] == 8 && res[p] != ECANCELED -> STEP(REAPED, 1)
            :: pc[p] == 8 && res[p] == ECANCELED || pc[p] == 9 -> pc[p] = 10; STEP(OFFER, leaving)
            :: pc[p] == 11 -> STEP(REAPED, 1)
            :: pc[p] == 12 -> STEP(REAPED, 2)
#else
            :: pc[p] == 7 -> STEP(choosing, 0)
            :: pc[p] == 8 -> STEP(OFFER, leaving)
            :: pc[p] == 9 -> STEP(REAPED, 1)
            :: pc[p] == 10 -> STEP(REAPED, 2)
#endif
#endif
            :: else
            fi
        :: p > 0 && pc[p] == 0 -> STEP(HELLO, 0)
        :: p == 1 && pc[p] > 0 ->
            if
#if CONFIG == NESTED
            :: pc[p] == 1 -> STEP(SCOPE, 0)
            STARTS(2, 2)
#ifdef DESERTS
            :: pc[p] == 5 -> STEP(BYE, 0) /* it ends, and does not wait for its own */
#else
            :: pc[p] == 5 -> STEP(OFFER, sending)
#endif
            :: pc[p] == 6 -> STEP(DROP, S)
            :: pc[p] == 7 -> STEP(OFFER, leaving)
            :: pc[p] == 8 -> STEP(REAPED, 2)
            :: pc[p] == 9 -> STEP(ending, 0)
#elif CONFIG == HANDOVER
            STARTS(2, 1)
            :: pc[p] == 4 -> STEP(BYE, 0)
#elif CONFIG == GROUP
            :: pc[p] == 1 -> STEP(OFFER, sending)
            :: pc[p] == 2 -> STEP(ADD, 1)
            :: pc[p] == 3 -> STEP(BYE, 0)
#else
            :: pc[p] == 1 -> STEP(OFFER, (CONFIG == INSIDE -> receiving : sending))
            :: pc[p] == 2 && res[p] == ECANCELED -> STEP(OFFER, cleaning) /* under a shield */
            :: pc[p] == 2 && res[p] != ECANCELED || pc[p] == 3 -> pc[p] = 3; STEP(ending, 0)
#endif
            :: else
            fi
        :: else ->
            if
#if CONFIG == GROUP
            :: pc[p] == 1 -> STEP(OFFER, receiving)
            :: pc[p] == 2 -> STEP(ADD, 1)
            :: pc[p] == 3 -> STEP(ADD, 1) /* once too often, if nobody died */
            :: pc[p] == 4 -> STEP(BYE, 0)
#elif CONFIG == INSIDE || CONFIG == HANDOVER
            :: pc[p] == 1 -> STEP(OFFER, sending)
            :: pc[p] == 2 -> STEP(BYE, (res[p] == ECANCELED -> 1 : 0))
#else
            :: pc[p] == 1 -> STEP(OFFER, receiving)
            :: pc[p] == 2 -> STEP(BYE, (res[p] == ECANCELED -> 1 : 0))
#endif
            :: else
            fi
        fi;
        if
        :: again
        :: else -> break
        fi
    od;
    skip /* a step must not end with a loop */
}

#if CONFIG == GROUP
#define COUNT 2 /* of the group at the start */
#define CHOOSES false
#else
#define COUNT 0
#define CHOOSES true
#endif
#if CONFIG == SIBLINGS
#define HASTY(p) ((p) == 2) /* its offers have a deadline */
#else
#define HASTY(p) false
#endif
