/* SPDX-License-Identifier: MPL-2.0 */
/* The broker of scopes.pml, which includes it: sections 5, 7 and 11 of docs/protocol.md, and the mutants, -DBUG_...
 *
 * Decision: who is cancelled is a closure (a scope by its owner and by the scope around it, a process by its scope), which
 * settle() extends until nothing changes, whatever began it: so no path to a cancellation can forget a part of it. All
 * variables but `who` are scratch within one step. */

/* ---- offers ------------------------------------------------------------------------------------------------------ */

/* The one answer to an offer */
inline commit(p, error, number, h)
{
    assert(one_commit_per_offer || w[p] && nfull(down[p]));
    assert(dead_get_nothing || bs[p] != ENDED);
    assert(cancelled_comes_first || error != EPIPE || w[p] == cleaning || !LIVES(p) ||
           !(CALLED_OFF(p)) && !(inner[p] && SCOPE_OFF(inner[p])));
    w[p] = 0;
    down[p] ! COMMIT(wseq[p], error, number, h)
}

#define CANCELLED_LINE(p) (phow[p] || inner[p] && why[inner[p]])
#ifdef BUG_SHIELD
#define SHIELDED(p) (w[p] == leaving)
#elif defined(BUG_LEAVE_CANCELLED)
#define SHIELDED(p) (w[p] == cleaning)
#else
#define SHIELDED(p) (w[p] == cleaning || w[p] == leaving)
#endif

/* can := nobody is in scope s or in one inside it */
inline nobody_in(s)
{
    can = true;
    for (y : 1 .. NP - 1) {
#ifdef BUG_LEAVE_ANNOUNCED
        can = can && !(IN_SCOPE(y, s) && bs[y] == ALIVE)
#elif defined(BUG_LEAVE_ORPHANS)
        can = can && !(belongs[y] == s && bs[y] != ENDED)
#else
        can = can && !(IN_SCOPE(y, s) && bs[y] != ENDED)
#endif
    }
}

/* The other side of the channel waits */
#define TAKES(p, q) ((q) != (p) && (w[q] == receiving && IS_SEND(w[p]) || w[p] == receiving && IS_SEND(w[q])))
#define PARTNER(p) (TAKES(p, 0) || TAKES(p, 1) || TAKES(p, 2))

#define BARRED(p) (w[p] && CANCELLED_LINE(p) && !SHIELDED(p))

/* The offer of a cancelled line is answered so, also one that has just come and could happen */
inline bar(p)
{
    op = w[p];
    if
#ifdef BUG_READY_FIRST
    :: BARRED(p) && PARTNER(p) && !closed && !broken -> meet(p)
    :: BARRED(p) && !(PARTNER(p) && !closed && !broken) ->
#elif defined(BUG_CANCEL_WAITING)
    :: BARRED(p) && type == OFFER && p == who ->
#elif defined(BUG_CANCEL_ARRIVING)
    :: BARRED(p) && !(type == OFFER && p == who) ->
#else
    :: BARRED(p) ->
#endif
        commit(p, ECANCELED, 0, 0);
#ifdef BUG_CANCEL_KEPT
        w[p] = op
#endif
    :: else
    fi
}
#define ENDLESS(p) (IS_SEND(op) && !(hold[p] & S) || op == receiving && !(hold[p] & R))

/* What can happen of p's offer, alone or with the other side that waits */
inline try(p)
{
    op = w[p];
    if
    :: ENDLESS(p) -> commit(p, EBADF, 0, 0)
    :: !ENDLESS(p) && (IS_SEND(op) || op == receiving) && (closed || broken) -> commit(p, EPIPE, 0, 0)
    :: !ENDLESS(p) && !closed && !broken && PARTNER(p) -> meet(p)
#ifdef BUG_GROUP_WAKES_NOBODY
    :: op == waiting && type == OFFER && count == 0 -> commit(p, fine, 0, 0)
#elif defined(BUG_GROUP_EARLY)
    :: op == waiting && count <= 1 -> commit(p, fine, 0, 0)
#else
    :: op == waiting && count == 0 -> commit(p, fine, 0, 0)
#endif
#ifdef BUG_LEAVE_UNNOTICED
    :: op == leaving && type == OFFER ->
#else
    :: op == leaving ->
#endif
        nobody_in(inner[p]);
        if
        :: can -> leave(p)
        :: else
        fi
    :: else
    fi
}

inline meet(p)
{
    x = (TAKES(p, 0) -> 0 : (TAKES(p, 1) -> 1 : 2));
    if
    :: IS_SEND(op) -> val = VALUE(p); commit(p, fine, 0, 0); commit(x, fine, val, 0)
    :: else -> val = VALUE(x); commit(x, fine, 0, 0); commit(p, fine, val, 0)
    fi
}

inline leave(p)
{
    x = inner[p];
    on[x] = false;
    inner[p] = (outer[x] && owner[outer[x]] == p -> outer[x] : 0);
    num = first[x];
    how = (num -> reason[num] : (why[x] -> why[x] : CLEAN));
    commit(p, fine, num, how)
}

/* ---- cancellation ------------------------------------------------------------------------------------------------ */

#define PASSES_ON(h) ((h) == DEADLINE -> DEADLINE : CANCELLED)

inline cancel_scope(s, h)
{
    if
    :: on[s] && !why[s] ->
        why[s] = h;
        again = true;
        if
        :: bs[owner[s]] != ENDED -> down[owner[s]] ! CANCELLED(0, fine, s, PASSES_ON(h))
        :: else
        fi
    :: else
    fi
}

/* Its status is known, or that there is one: what ends it has happened */
#ifdef BUG_REASON_ANEW
#define OVER(p) false
#else
#define OVER(p) (fired[p] || reason[p])
#endif

inline cancel_process(p, h)
{
    if
    :: (bs[p] == ANNOUNCED || bs[p] == ALIVE) && !phow[p] && !OVER(p) ->
        phow[p] = h;
        again = true;
#ifdef BUG_GRACE_AT_ONCE
        armed[p] = bs[p] == ALIVE;
#else
        armed[p] = true;
#endif
        if
        :: line[p] -> down[p] ! CANCELLED(0, fine, 0, h)
        :: else
        fi
    :: else
    fi
}

#ifdef BUG_OWNER_ENDED
#define OWNERLESS(s) false
#else
#define OWNERLESS(s) (bs[owner[s]] == ENDED)
#endif

inline spread()
{
    do
    :: again = false;
        for (x : 1 .. NS - 1) {
            if
            :: on[x] && OWNERLESS(x) -> cancel_scope(x, CANCELLED)
            :: else
            fi;
#ifndef BUG_INNER_FORGOTTEN
            if
            :: on[x] && outer[x] && why[outer[x]] -> cancel_scope(x, PASSES_ON(why[outer[x]]))
            :: else
            fi;
            if
            :: on[x] && phow[owner[x]] -> cancel_scope(x, phow[owner[x]])
            :: else
            fi
#endif
        }
        for (x : 1 .. NP - 1) {
            if
            :: belongs[x] && why[belongs[x]] -> cancel_process(x, PASSES_ON(why[belongs[x]]))
            :: else
            fi
        }
        if
        :: again
        :: else -> break
        fi
    od
}

inline settle()
{
#ifdef BUG_ENTERED_LATE
    if
    :: type == SCOPE || type == ANNOUNCE
    :: else -> spread()
    fi;
#elif !defined(BUG_CLOSE_FIRST)
    spread();
#endif
    ends = 0;
    for (x : 0 .. NP - 1) {
        ends = ends | hold[x]
    }
    closed = closed || (EVER(S) && !(ends & S));
    broken = broken || (EVER(R) && !(ends & R));
    for (z : 0 .. NP - 1) {
        bar(z)
    }
    for (z : 0 .. NP - 1) {
        try(z)
    }
#ifdef BUG_CLOSE_FIRST
    spread();
    for (z : 0 .. NP - 1) {
        bar(z)
    }
#endif
}

/* ---- frames and ends --------------------------------------------------------------------------------------------- */

#define REASON(p, raw) ((raw) == CLEAN || !phow[p] -> (raw) : phow[p])

/* A process has ended: its offer, its ends, its scope */
inline end_process(p, raw)
{
    bs[p] = ENDED;
    hold[p] = 0;
    w[p] = 0;
    armed[p] = false;
#ifdef BUG_REASON_ANEW
    reason[p] = REASON(p, raw);
#else
    reason[p] = (reason[p] -> reason[p] : REASON(p, raw));
#endif
    if
#ifdef BUG_CANCELLED_FAILS
    :: reason[p] != CLEAN && belongs[p] ->
        first[belongs[p]] = p;
        cancel_scope(belongs[p], reason[p])
#elif defined(BUG_NO_FIRST)
#elif defined(BUG_OUTER_TOO)
    :: reason[p] != CLEAN && !phow[p] && belongs[p] && !why[belongs[p]] ->
        first[belongs[p]] = p;
        cancel_scope(belongs[p], reason[p]);
        cancel_scope(outer[belongs[p]], reason[p])
#else
    :: reason[p] != CLEAN && !phow[p] && belongs[p] && !why[belongs[p]] ->
        first[belongs[p]] = p;
        cancel_scope(belongs[p], reason[p])
#endif
    :: else
    fi
}

#ifdef BUG_GRANT_AT_STARTED
#define GRANT_NOW(q) 0
#else
#define GRANT_NOW(q) GRANT(q)
#endif

inline on_announce(p)
{
    x = (inner[p] -> inner[p] : belongs[p]);
    if
    :: (hold[p] & GRANT(num)) != GRANT(num) && p != 0 -> err = EBADF
#ifndef BUG_ANNOUNCED_LATE
    :: (hold[p] & GRANT(num)) == GRANT(num) && x && why[x] || p == 0 && x && why[x] -> err = ECANCELED
#endif
    :: else ->
        bs[num] = ANNOUNCED;
        by[num] = p;
        belongs[num] = x;
#ifdef BUG_ANNOUNCED_LATE
        phow[num] = (x && why[x] -> fine : 0); /* never said, never acted on */
#endif
        hold[num] = GRANT_NOW(num)
    fi;
    down[p] ! ANSWER(sq, err, 0, 0)
}

inline on_started(p)
{
    ok = num >= 8;
    num = num & 7;
    if
    :: ok && bs[num] == ANNOUNCED ->
#ifdef BUG_NEVER_STARTED
        bs[num] = ENDED; reason[num] = CLEAN
#else
        end_process(num, CLEAN)
#endif
    :: !ok && bs[num] == ANNOUNCED ->
        bs[num] = ALIVE;
        hold[num] = GRANT(num)
    :: else
    fi;
    down[p] ! ANSWER(sq, fine, 0, 0)
}

inline on_hello(p)
{
    if
    :: bs[p] == ENDED -> down[p] ! REFUSED(sq, fine, 0, 0)
    :: else ->
        bs[p] = ALIVE;
        hold[p] = GRANT(p);
        line[p] = true;
        down[p] ! WELCOME(sq, fine, 0, 0);
#ifndef BUG_WELCOME_UNTOLD
        if
        :: phow[p] -> down[p] ! CANCELLED(0, fine, 0, phow[p])
        :: else
        fi
#endif
    fi
}

inline on_reaped(p)
{
    if
    :: bs[num] == NOT_YET -> err = ESRCH
    :: bs[num] == ENDED
    :: else -> reason[num] = REASON(num, op)
    fi;
    down[p] ! ANSWER(sq, err, 0, reason[num])
}

inline on_scope(p)
{
    scopes++;
    x = scopes;
    on[x] = true;
    owner[x] = p;
    outer[x] = (inner[p] -> inner[p] : belongs[p]);
    inner[p] = x;
    down[p] ! ANSWER(sq, fine, x, 0)
}

inline on_frame(p)
{
    up[p] ? type, sq, op, num;
    err = fine;
    if
    :: type == HELLO -> on_hello(p)
    :: type == OFFER -> assert(one_commit_per_offer || !w[p]); w[p] = op; wseq[p] = sq
    :: type == WITHDRAW ->
        if
        :: w[p] && wseq[p] == sq -> commit(p, none, 0, 0)
        :: else
        fi
    :: type == DROP -> hold[p] = hold[p] & ~num; down[p] ! ANSWER(sq, fine, 0, 0)
    :: type == ADD ->
        if
        :: count -> count--
#ifdef BUG_GROUP_NEGATIVE
        :: else -> count = 255
#else
        :: else -> err = EINVAL
#endif
        fi;
        down[p] ! ANSWER(sq, err, 0, 0)
    :: type == SCOPE -> on_scope(p)
    :: type == CANCEL ->
        if
        :: num == 0 -> asked = asked | (1 << inner[p]); cancel_scope(inner[p], CANCELLED)
        :: else -> asked = asked | (8 << num); cancel_process(num, CANCELLED)
        fi;
        down[p] ! ANSWER(sq, fine, 0, 0)
    :: type == ANNOUNCE -> on_announce(p)
    :: type == STARTED -> on_started(p)
    :: type == REAPED -> on_reaped(p)
    :: type == BYE ->
        how = (num -> CODE : CLEAN);
        end_process(p, how);
        down[p] ! ANSWER(sq, fine, 0, 0)
    fi
}

/* Dead, and what it sent was read; or its second is over. What it was sent and has not read dies with it. */
inline bury(p)
{
    fired[p] = false;
    how = (bs[p] == ALIVE -> real[p] : SIGNAL);
    end_process(p, how);
    do
    :: !LIVES(p) && len(down[p]) > 0 ->
        down[p] ? type, sq, err, num, how;
        lost = lost | (type == COMMIT && err == fine -> num : 0)
    :: else -> break
    od;
    type = 0
}

#ifdef BUG_UNDRAINED
#define GONE(p) fired[p]
#else
#define GONE(p) (fired[p] && len(up[p]) == 0)
#endif
#ifdef BUG_NEVER_COMES
#define EXPIRES(p) false
#elif defined(BUG_ORPHAN_BURIED)
#define EXPIRES(p) (bs[p] != ENDED && bs[p] && !line[p] && bs[by[p]] == ENDED)
#else
#define EXPIRES(p) NOBODY_STARTS(p)
#endif
#define TIMED(s) ((DEADLINES & (1 << (s))) && on[s] && !why[s])
#define FIRES(p) (real[p] != 0 && bs[p] == ALIVE && !fired[p])
#define KILLABLE(p) (armed[p] && bs[p] == ALIVE && real[p] == 0)

active proctype broker()
{
    byte who;
end:
    do
    :: atomic {
            if
            :: len(up[0]) > 0
            :: len(up[1]) > 0 -> who = 1
            :: len(up[2]) > 0 -> who = 2
            :: GONE(1) || EXPIRES(1) -> who = 4
            :: GONE(2) || EXPIRES(2) -> who = 5
            :: TIMED(1) -> who = 6
            :: TIMED(2) -> who = 7
            fi;
            d_step {
                if
                :: who < NP -> on_frame(who)
                :: who == 4 || who == 5 -> bury((who - 3))
                :: else ->
                    type = 0;
                    expired = expired | (1 << (who - 5));
                    cancel_scope((who - 5), DEADLINE)
                fi;
                settle();
                who = 0
            }
        }
    :: d_step { KILLABLE(1) -> real[1] = SIGNAL }
    :: d_step { KILLABLE(2) -> real[2] = SIGNAL }
    :: d_step { FIRES(1) -> fired[1] = true }
    :: d_step { FIRES(2) -> fired[2] = true }
    od
}
