/* SPDX-License-Identifier: MPL-2.0 */
/* The broker of offers.pml, which includes it: sections 4, 5 and 7 of docs/protocol.md, and the mutants, -DBUG_...
 *
 * Decision: a waiting offer is linked into a queue of each of its channels, as the broker's record is, not searched
 * for: so what can go wrong with links, removal and order can go wrong here. All variables but `who` and `draw`
 * are scratch within one step. */

/* ---- the broker's step ------------------------------------------------------------------------------------------- */

/* mate := the first entry of a queue (caller * 2 + case) that is not of caller p, or NOBODY */
inline first_other(Q, p)
{
    mate = NOBODY;
    for (it : 1 .. len(Q)) {
        Q ? entry; Q ! entry;
        if
#ifdef BUG_SELF
        :: mate == NOBODY -> mate = entry
#elif defined(BUG_LIFO)
        :: entry / 2 != p -> mate = entry
#else
        :: mate == NOBODY && entry / 2 != p -> mate = entry
#endif
        :: else
        fi
    }
}

/* ghost: nobody waits longer on this channel in this direction than the caller taken */
inline check_order(p, op, chn)
{
    seen = false;
    for (it : 1 .. len(order)) {
        order ? entry; order ! entry;
        if
        :: entry == p -> seen = true
        :: entry != p && !seen ->
            bag = op + 4 * chn;
            assert(served_in_order || (wc[2 * entry] & 15) != bag && (wc[2 * entry + 1] & 15) != bag)
        :: else
        fi
    }
}

#ifdef BUG_LINK
#define LEFT(ci) (cj == (ci) || (ci) == NO_CASE)
#else
#define LEFT(ci) true
#endif

inline unlink(p, ci)
{
    w[p] = false;
    for (cj : 0 .. 1) {
        qc = CHAN(wc[2 * p + cj]);
        if
        :: OP(wc[2 * p + cj]) == 1 && LEFT(ci) && ws[qc] ?? [eval(2 * p + cj)] -> ws[qc] ?? eval(2 * p + cj)
        :: OP(wc[2 * p + cj]) == 2 && LEFT(ci) && wr[qc] ?? [eval(2 * p + cj)] -> wr[qc] ?? eval(2 * p + cj)
        :: else
        fi;
        wm[2 * p + cj] = 0
    }
    if
    :: order ?? [eval(p)] -> order ?? eval(p)
    :: else
    fi
}

/* The one answer to an offer: COMMIT with the case, its error, a value and the ends that come with it */
inline commit(p, ci, error, val, bag)
{
    assert(one_commit_per_offer || w[p] && nfull(down[p]));
    assert(dead_get_nothing || !buried[PROC(p)]);
    hold[PROC(p)] = hold[PROC(p)] | bag;
    unlink(p, ci);
    down[p] ! COMMIT(wseq[p], ci, error, val, bag)
}

#if CONFIG == GUESTS
#define GUEST(p) (p > 0)
#else
#define GUEST(p) false
#endif

inline holds(p, end)
{
    ok = (hold[PROC(p)] & end) != 0 || GUEST(p)
}

/* can := case ci of p's offer is ready; mate := its partner where it needs one; err := how it ends */
inline ready(p, ci)
{
    cs = wc[2 * p + ci];
    ch = CHAN(cs);
    mate = NOBODY;
    err = fine;
    can = false;
    if
    :: OP(cs) == 0
    :: OP(cs) == 1 ->
        holds(p, S_(ch));
        if
        :: !ok || ATTACHED(cs) && wm[2 * p + ci] == 0 -> can = true; err = EBADF
        :: else ->
            if
            :: closed[ch] || broken[ch] -> can = true; err = EPIPE
            :: else ->
                if
                :: CAP(ch) == 0 -> first_other(wr[ch], p); can = mate != NOBODY
#ifdef BUG_CAPACITY
                :: else -> can = len(buf[ch]) <= CAP(ch)
#else
                :: else -> can = len(buf[ch]) < CAP(ch) && (len(ws[ch]) == 0 || ws[ch] ? [eval(2 * p + ci)])
#endif
                fi
            fi
        fi
    :: OP(cs) == 2 ->
        holds(p, R_(ch));
        if
        :: !ok -> can = true; err = EBADF
        :: else ->
            if
#ifdef BUG_CLOSE_EARLY
            :: closed[ch] -> can = true; err = EPIPE
#endif
            :: len(buf[ch]) > 0 -> can = true
            :: else ->
                first_other(ws[ch], p);
                if
                :: CAP(ch) == 0 && mate != NOBODY && !closed[ch] && !broken[ch] -> can = true
#ifdef BUG_BROKEN_RECV
                :: else -> can = closed[ch]; err = EPIPE
#else
                :: else -> can = closed[ch] || broken[ch]; err = EPIPE
#endif
                fi
            fi
        fi
    fi
}

/* The ready case ci of p happens, on both sides */
inline happen(p, ci)
{
    ready(p, ci);
    if
    :: err != fine -> commit(p, ci, err, 0, 0)
    :: err == fine && OP(cs) == 1 && CAP(ch) > 0 ->
        check_order(p, 1, ch);
        buf[ch] ! VALUE(p, wseq[p] - 1, ci), wm[2 * p + ci];
        wm[2 * p + ci] = 0;
        commit(p, ci, fine, 0, 0)
    :: err == fine && OP(cs) == 2 && len(buf[ch]) > 0 ->
        check_order(p, 2, ch);
        buf[ch] ? val, bag;
        commit(p, ci, fine, val, bag)
    :: else -> /* a rendezvous of p and its mate */
        if
        :: OP(cs) == 1 -> rc = mate; mate = 2 * p + ci; check_order((rc / 2), 2, ch)
        :: else -> rc = 2 * p + ci; check_order((mate / 2), 1, ch)
        fi;
        assert(never_with_itself || rc / 2 != mate / 2);
        val = VALUE(mate / 2, wseq[mate / 2] - 1, mate % 2);
        bag = wm[mate];
#ifdef BUG_LOSING
        bag = wm[mate] | wm[mate ^ 1];
#endif
#ifdef BUG_HALF
        unlink((mate / 2), (mate % 2));
#else
        commit((mate / 2), (mate % 2), fine, 0, 0);
#endif
        commit((rc / 2), (rc % 2), fine, val, bag)
    fi
}

/* u := all ends that are held: by processes, by values in offers, by values in buffers */
inline held()
{
    ends = 0;
    for (it : 0 .. NPROC - 1) {
        ends = ends | hold[it]
    }
#ifndef BUG_INFLIGHT
    for (it : 0 .. 2 * NP - 1) {
        ends = ends | wm[it]
    }
    for (ci : 0 .. NC - 1) {
        for (it : 1 .. len(buf[ci])) {
            buf[ci] ? val, bag; buf[ci] ! val, bag;
            ends = ends | bag
        }
    }
#endif
}

/* What waits on an end that its process has no more */
inline refuse()
{
    for (rc : 0 .. 2 * NP - 1) {
        cs = wc[rc];
        bag = OP(cs) << (2 * CHAN(cs));
        holds((rc / 2), bag);
        if
        :: w[rc / 2] && OP(cs) && !ok -> commit((rc / 2), (rc % 2), EBADF, 0, 0)
        :: else
        fi
    }
}

/* Rule 3: repeats until nothing applies; the heads of the queues are asked */
inline settle()
{
#ifndef BUG_UNREFUSED
    refuse();
#endif
    do
    :: again = false;
        held();
        for (ci : 0 .. NC - 1) {
            if
            :: !closed[ci] && !(ends & S_(ci)) -> closed[ci] = true; again = true
            :: else
            fi
            if
            :: !broken[ci] && !(ends & R_(ci)) ->
                broken[ci] = true;
                again = true;
                do
                :: len(buf[ci]) > 0 -> buf[ci] ? val, bag; lost = lost | val
                :: else -> break
                od
            :: else
            fi
        }
        for (cx : 0 .. NC - 1) {
            for (cy : 0 .. 1) { /* the heads: of the receivers, then of the senders */
                ch = (draw -> NC - 1 - cx : cx);
                mate = NOBODY;
                if
                :: cy == 0 && len(wr[ch]) > 0 -> first_other(wr[ch], NOBODY)
#ifndef BUG_ADMIT
                :: cy == 1 && len(ws[ch]) > 0 -> first_other(ws[ch], NOBODY)
#endif
                :: else
                fi
                if
                :: mate != NOBODY && !again ->
                    pick = mate;
                    ready((pick / 2), (pick % 2));
                    if
                    :: can -> arg = pick; happen((arg / 2), (arg % 2)); again = true
                    :: else
                    fi
                :: else
                fi
            }
        }
        if
        :: again
        :: else -> break
        fi
    od;
    for (cx : 0 .. NC - 1) {
        assert(capacity_exact || len(buf[cx]) <= CAP(cx))
    }
}

/* judged := some case of p's offer could happen; not from the queues, but from who waits for what */
inline judge(p)
{
    can = false;
    for (ci : 0 .. 1) {
        cs = wc[2 * p + ci];
        ch = CHAN(cs);
        if
        :: OP(cs) == 0
        :: else ->
            bag = OP(cs) << (2 * ch);
            holds(p, bag);
            can = can || !ok || broken[ch] || OP(cs) == 1 && (closed[ch] || len(buf[ch]) < CAP(ch)) ||
                  OP(cs) == 2 && (len(buf[ch]) > 0 || closed[ch]);
            for (it : 0 .. NP - 1) {
                bag = (cs & 15) ^ 3; /* the same channel, the other way */
                ok = (wc[2 * it] & 15) == bag || (wc[2 * it + 1] & 15) == bag;
                can = can || CAP(ch) == 0 && it != p && w[it] && ok
            }
        fi
    }
}

inline link(p)
{
    for (cj : 0 .. 1) {
        cs = wc[2 * p + cj];
        if
        :: OP(cs) == 1 -> ws[CHAN(cs)] ! 2 * p + cj
        :: OP(cs) == 2 -> wr[CHAN(cs)] ! 2 * p + cj
        :: else
        fi
    }
    order ! p
}

inline on_offer(p)
{
    assert(one_commit_per_offer || !w[p]);
    w[p] = true;
    wseq[p] = sq;
    wc[2 * p] = c0;
    wc[2 * p + 1] = c1;
    for (cj : 0 .. 1) {
        cs = wc[2 * p + cj];
        wm[2 * p + cj] = (ATTACHED(cs) -> hold[PROC(p)] & (3 << (2 * (ATTACHED(cs) - 1))) : 0)
    }
    if
    :: arg & NOW -> judge(p); seen = can
    :: else -> seen = false
    fi;
    for (qc : 0 .. 1) {
        ready(p, qc);
        ready0 = (qc -> ready0 : can)
    }
#ifdef BUG_ORDERED
    qc = (ready0 && (!can || !draw) -> 0 : 1);
#else
    qc = (ready0 && (!can || !draw || (arg & ORDERED)) -> 0 : 1);
#endif
    assert(ordered_takes_first || !(arg & ORDERED) || !ready0 || qc == 0);
    if
#ifdef BUG_NOW_BLIND
    :: (arg & NOW) && len(order) > 0 -> assert(now_means_now || !seen); commit(p, NO_CASE, fine, 0, 0)
#endif
    :: ready0 || can -> pick = qc; happen(p, pick)
#ifdef BUG_NOW
    :: else -> link(p)
#else
    :: else ->
        if
        :: arg & NOW -> assert(now_means_now || !seen); commit(p, NO_CASE, fine, 0, 0)
        :: else -> link(p)
        fi
#endif
    fi
}

inline on_withdraw(p)
{
#ifdef BUG_WITHDRAW_LIES
    if
    :: !w[p] || wseq[p] != sq -> down[p] ! COMMIT(sq, NO_CASE, fine, 0, 0)
    :: else -> commit(p, NO_CASE, fine, 0, 0)
    fi
#else
    if
    :: w[p] && wseq[p] == sq ->
#ifdef BUG_KEPT
        down[p] ! COMMIT(sq, NO_CASE, fine, 0, 0)
#else
        commit(p, NO_CASE, fine, 0, 0)
#endif
#ifdef BUG_WITHDRAW_TWICE
        ; down[p] ! COMMIT(sq, NO_CASE, fine, 0, 0)
#endif
    :: else
    fi
#endif
}

/* A process has ended: first its offers, then its ends */
inline end_process(pr)
{
    for (rc : 0 .. NP - 1) {
        if
        :: PROC(rc) == pr && w[rc] ->
#ifndef BUG_DEAD_OFFER
            unlink(rc, NO_CASE)
#endif
        :: else
        fi
    }
#ifndef BUG_DEAD_ENDS
    hold[pr] = 0
#endif
}

inline on_frame(p)
{
    up[p] ? type, sq, arg, c0, c1;
    if
    :: left[PROC(p)] /* the process has said BYE on another line */
    :: else ->
        if
        :: type == OFFER -> on_offer(p)
        :: type == WITHDRAW -> on_withdraw(p)
        :: type == DROP ->
            hold[PROC(p)] = hold[PROC(p)] & ~arg;
            down[p] ! ANSWER(sq, 0, fine, 0, 0)
        :: type == CLOSE ->
            holds(p, S_(arg));
            if
            :: ok -> shut[arg] = true; closed[arg] = true
            :: else
            fi;
            down[p] ! ANSWER(sq, 0, fine, 0, 0)
        :: type == LEAVE -> /* the line's end; those of the process stay */
#ifdef BUG_LEAVE_DROPS
            hold[PROC(p)] = 0;
#endif
            down[p] ! ANSWER(sq, 0, fine, 0, 0)
        :: type == BYE ->
            end_process(PROC(p));
            left[PROC(p)] = true;
            down[p] ! ANSWER(sq, 0, fine, 0, 0)
        fi
    fi
}

/* The pidfd has fired and the connections are gone: what was sent has been read, the process is buried. What it was
 * sent and has not read dies with it. */
inline bury(pr)
{
    buried[pr] = true;
    end_process(pr);
    for (rc : 0 .. NP - 1) {
        do
        :: PROC(rc) == pr && len(down[rc]) > 0 -> down[rc] ? type, sq, arg, err, val, bag; lost = lost | val
        :: else -> break
        od
    }
}

#ifdef BUG_UNDRAINED
#define DRAINED(pr) true
#elif NPROC == NP
#define DRAINED(pr) (len(up[pr]) == 0)
#else
#define DRAINED(pr) ((pr) == 0 -> len(up[0]) == 0 && len(up[2]) == 0 : len(up[1]) == 0)
#endif
#define GONE(pr) (dead[pr] && !buried[pr] && DRAINED(pr))

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
#if NP > 3
            :: len(up[3]) > 0 -> who = 3
#endif
#if DEATHS > 0
            :: GONE(0) -> who = NP
            :: GONE(1) -> who = NP + 1
#if NPROC > 2
            :: GONE(2) -> who = NP + 2
#endif
#if NPROC > 3
            :: GONE(3) -> who = NP + 3
#endif
#endif
            fi;
            if
            :: draw = false
            :: draw = true
            fi;
            d_step {
                if
                :: who < NP -> on_frame(who)
                :: else -> bury((who - NP))
                fi;
                settle();
                draw = false;
                who = 0
            }
        }
    od
}
