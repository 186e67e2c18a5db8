/* SPDX-License-Identifier: MPL-2.0 */
/* The scopes, the starts and the wait groups of docs/protocol.md, sections 5, 7 and 11: SCOPE, CANCEL, CANCELLED,
 * ANNOUNCE, STARTED, REAPED, HELLO, ADD, and offers that all of these end, on one channel of capacity 0.
 *
 * Decision: as in offers.pml the broker handles an event and all that follows in one step, and what must hold is judged
 * at rest. Who is cancelled and why is derived anew from what happened to processes (`real`) and from what was asked for,
 * not from what the broker noted. The root is process 0 and lives: its death is the run's end.
 *
 * Modelled: scopes inside scopes; deadlines, at any moment; failure; the end of who entered a scope; grace, at any
 * moment after a cancellation; a process that is announced and not started, or started and not attached, when its
 * announcer dies; fork that fails; the second that an orphan has to attach; time-outs; SHIELD; exit reasons.
 * Not modelled: several lines of a process, PROGRAM, exit codes that are a success, signals but SIGKILL.
 *
 *     spin -a -DCONFIG=NESTED -DDEATHS=1 -DDEADLINES=2 tests/model/scopes.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000 */

mtype = { HELLO, BYE, OFFER, WITHDRAW, DROP, ADD, ANNOUNCE, STARTED, REAPED, SCOPE, CANCEL };
mtype = { WELCOME, REFUSED, COMMIT, ANSWER, CANCELLED };
mtype = { EPIPE, EBADF, EINVAL, ESRCH, ECANCELED };
mtype = { CLEAN, CODE, SIGNAL, DEADLINE }; /* and CANCELLED: how */
mtype = { fine, none, stop, forking, choosing, ending, reaping, sending, receiving, waiting, leaving, cleaning };

#include "scopes_scripts.pml"

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte one_commit_per_offer, answered, received_at_most_once, told_unsent_never_received, sent_is_not_lost;
hidden byte nobody_waits_beside_a_partner, closed_iff_no_senders, broken_iff_no_receivers, ends_go_with_the_process;
hidden byte ends_are_not_lost, cancelled_never_waits, cancelled_for_cause, cancelled_is_told, shield_holds, dead_get_nothing;
hidden byte nothing_after_cancelled, scope_waits_for_all, scope_is_left, first_is_true, reason_agrees, grace_is_armed;
hidden byte group_is_zero, nobody_waits_at_zero, count_is_exact, cancelled_comes_first;

chan up[NP] = [3] of { mtype, byte, mtype, byte };          /* type, seq, op or how, number */
chan down[NP] = [5] of { mtype, byte, mtype, byte, mtype }; /* type, seq, err, number or value, how */

/* What the processes are and know */
mtype todo[NP];
byte what[NP], pc[NP], seq[NP];
mtype res[NP];  /* how the last step ended */
byte st[NP];    /* ABSENT, FREE, ASKING, WAITING, LEAVING (WITHDRAW sent), DONE */
#define ABSENT 0
#define FREE 1
#define ASKING 2
#define WAITING 3
#define LEAVING 4
#define DONE 5
byte heard[NP];          /* bit 0: the process, else the scope: CANCELLED was read */
bool heard_before[NP];   /* when the offer was made, its line had heard it */
byte mine[NP];           /* ends, by what the process was told and gave up */
byte in[NP];             /* the innermost scope, by what the process was told */
mtype real[NP];          /* how it ended in truth: CLEAN, CODE, SIGNAL; 0: it lives */
byte deaths;
byte got, sent, unsent, lost; /* values */
byte asked;                   /* who was cancelled by CANCEL: bits of scopes, and 8 << process */
mtype told_how[NP];           /* how it ended, as its announcer was told */
byte added;                   /* counts taken from the group, as who took them was told */
byte expired;                 /* scopes whose deadline came before anything else cancelled them */
bool begun;

/* The broker */
byte bs[NP];    /* NOT_YET, ANNOUNCED, STARTED_, ATTACHED, ENDED */
#define NOT_YET 0
#define ANNOUNCED 1
#define ALIVE 2 /* its pid is known */
#define ENDED 3
byte hold[NP], by[NP], belongs[NP], inner[NP]; /* announced by; the scope it belongs to; its line's innermost */
mtype phow[NP], reason[NP];                    /* cancelled: how; ended: how, once that is fixed */
bool armed[NP], line[NP], fired[NP];           /* grace runs; it has attached; its pidfd has fired */
byte outer[NS], owner[NS], first[NS];
mtype why[NS]; /* why a scope is cancelled, 0: it is not */
bool on[NS];    /* entered, and not left */
byte scopes;    /* their number */
mtype w[NP];    /* the waiting offer: its case, 0: none */
byte wseq[NP];
bool closed, broken;
byte count;

/* Within one step only */
hidden byte x, y, z, sq, num, ends, val;
hidden byte again, can, ok;
hidden mtype type, err, op, how, kind;

#define VALUE(p) ((w[p] == cleaning -> 16 : 1) << (p))
#define MINE_(p, o) (((o) == cleaning -> 16 : 1) << (p))
#define IS_SEND(o) ((o) == sending || (o) == cleaning)

#define LIVES(p) (st[p] != ABSENT && real[p] == 0)
#define IN_SCOPE(q, s) (belongs[q] == (s) || belongs[q] && outer[belongs[q]] == (s))

/* The second of a process that nobody starts any more runs; it may pass before or after it attaches */
#define NOBODY_STARTS(p) (bs[p] == ANNOUNCED && bs[by[p]] == ENDED)

/* Somebody was granted the end */
#define EVER(e) ((ROOT_HOLDS | (bs[1] -> GRANT(1) : 0) | (bs[2] -> GRANT(2) : 0)) & (e))

/* Its second passed before it said HELLO: it is refused, and ends */
#define GAVE_UP(p) (bs[p] == ENDED && !line[p])

/* Scope s, process q is to be cancelled, by what happened: no scope here is inside more than one other */
#define FAILED(q, s) (belongs[q] == (s) && bs[q] == ENDED && reason[q] != CLEAN && phow[q] == 0)
#define OWNER_GONE(s) (bs[owner[s]] == ENDED)
#define CAUSE(s) ((asked & (1 << (s))) || (expired & (1 << (s))) || FAILED(1, s) || FAILED(2, s) || OWNER_GONE(s))
#define CALLED_OFF(q) ((asked & (8 << (q))) || belongs[q] && SCOPE_OFF(belongs[q]))
#define SCOPE_OFF(s) (CAUSE(s) || outer[s] && CAUSE(outer[s]) || MEMBER_OFF(owner[s]))
#define MEMBER_OFF(q) ((asked & (8 << (q))) || belongs[q] && CAUSE(belongs[q]))

#include "scopes_broker.pml"

/* ---- the processes ----------------------------------------------------------------------------------------------- */

#define NEXT(p) pc[p] = pc[p] + 1; script(p)
#define FRAME(p) (todo[p] == HELLO || todo[p] == BYE || todo[p] == OFFER || todo[p] == DROP || todo[p] == ADD ||         \
                  todo[p] == ANNOUNCE || todo[p] == STARTED || todo[p] == REAPED || todo[p] == SCOPE || todo[p] == CANCEL)
#define ENDED_(q) (real[q] != 0)

/* What process p does about scopes it has heard to be cancelled: its innermost, those around it, itself */
#define HEARD(p) (heard[p] & (1 | (1 << in[p])))

inline told_offer(p)
{
    op = what[p];
    assert(one_commit_per_offer || st[p] == WAITING || st[p] == LEAVING);
    assert(shield_holds || err != ECANCELED || op != cleaning && op != leaving);
    assert(nothing_after_cancelled || !heard_before[p] || err == ECANCELED || op == cleaning || op == leaving);
    if
    :: IS_SEND(op) && err == fine -> sent = sent | MINE_(p, op)
    :: IS_SEND(op) && err != fine ->
        unsent = unsent | MINE_(p, op);
        assert(told_unsent_never_received || !(got & unsent))
    :: op == receiving && err == fine ->
        assert(received_at_most_once || num && !((got | lost) & num));
        assert(told_unsent_never_received || !(unsent & num));
        got = got | num
    :: op == waiting && err == fine -> assert(group_is_zero || count == 0)
    :: op == leaving && err == fine ->
        judge_leave(p);
        in[p] = (outer[in[p]] && owner[outer[in[p]]] == p -> outer[in[p]] : 0)
    :: else
    fi
}

/* It said BYE, and was killed before it heard the answer: both are true */
#define KILLED_LATE(q) (todo[q] == BYE && real[q] == SIGNAL)

/* It has left its scope: is there really nobody, and is what it is told what happened? */
inline judge_leave(p)
{
    for (x : 1 .. NP - 1) {
        assert(scope_waits_for_all || !IN_SCOPE(x, in[p]) || bs[x] == ENDED && (!LIVES(x) || GAVE_UP(x) || todo[x] == BYE))
    }
    if
    :: num ->
        assert(first_is_true || belongs[num] == in[p] && how != CLEAN && how == reason[num] && (how == real[num] || !real[num] || KILLED_LATE(num)))
    :: !num && how == CLEAN ->
        assert(first_is_true || !(asked & (1 << in[p])) && !(expired & (1 << in[p])));
        for (x : 1 .. NP - 1) {
            assert(first_is_true || belongs[x] != in[p] || reason[x] == CLEAN || phow[x])
        }
    :: else ->
        assert(first_is_true || how == CANCELLED || how == DEADLINE && (expired & (1 << in[p] | 1 << outer[in[p]])));
        assert(first_is_true || SCOPE_OFF(in[p]))
    fi
}

inline answer(p)
{
    assert(one_commit_per_offer || st[p] == ASKING);
    if
    :: todo[p] == SCOPE -> in[p] = num
    :: todo[p] == REAPED && err == fine -> told_how[what[p]] = how
    :: todo[p] == ADD && err == fine -> added++
    :: todo[p] == ADD && err != fine -> assert(count_is_exact || count == 0)
    :: else
    fi
}

proctype process(byte id)
{
end:
    do
    :: d_step { LIVES(id) && st[id] == FREE && FRAME(id) && (todo[id] != REAPED || !LIVES(what[id])) ->
            seq[id] = seq[id] + 1;
            kind = todo[id];
            heard_before[id] = (kind == OFFER && HEARD(id));
            if
            :: kind == OFFER -> st[id] = WAITING; up[id] ! OFFER(seq[id], what[id], 0)
            :: kind == REAPED -> st[id] = ASKING; up[id] ! REAPED(seq[id], real[what[id]], what[id])
            :: kind == STARTED ->
                st[id] = ASKING;
                up[id] ! STARTED(seq[id], fine, what[id] + (res[id] == none -> 8 : 0)) /* pid 0 */
            :: else ->
                st[id] = ASKING;
                if
                :: kind == DROP -> mine[id] = mine[id] & ~what[id]
                :: kind == BYE -> mine[id] = 0
                :: else
                fi;
                up[id] ! kind(seq[id], fine, what[id])
            fi
        }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == forking ->
            x = what[id];
            st[x] = FREE;
            mine[x] = GRANT(x);
            res[id] = fine;
            NEXT(id);
            script(x)
        }
#ifdef FORK_FAILS
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == forking -> res[id] = none; NEXT(id) }
#endif
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == choosing -> res[id] = fine; NEXT(id) }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == choosing && CHOOSES ->
            todo[id] = CANCEL
        }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == ending -> todo[id] = BYE; what[id] = 0 }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == ending -> todo[id] = BYE; what[id] = 1 }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == reaping && ENDED_(what[id]) -> res[id] = fine; NEXT(id) }
    :: d_step { LIVES(id) && st[id] == FREE && todo[id] == reaping && HEARD(id) -> res[id] = ECANCELED; NEXT(id) }
    :: d_step { LIVES(id) && st[id] == WAITING && HASTY(id) -> st[id] = LEAVING; up[id] ! WITHDRAW(seq[id], fine, 0) }
#if DEATHS > 0
    :: d_step { id > 0 && LIVES(id) && !(todo[id] == BYE && bs[id] == ENDED) && deaths < DEATHS -> real[id] = SIGNAL; deaths++ }
#endif
    :: d_step { LIVES(id) && len(down[id]) > 0 ->
            down[id] ? type, sq, err, num, how;
            if
            :: type == CANCELLED -> heard[id] = heard[id] | (1 << num)
            :: else ->
                assert(one_commit_per_offer || sq == seq[id]);
                if
                :: type == COMMIT -> told_offer(id)
                :: else -> answer(id)
                fi;
                res[id] = err;
                st[id] = FREE;
                if
                :: type == REFUSED -> real[id] = CODE; mine[id] = 0; st[id] = DONE
                :: type == ANSWER && todo[id] == BYE -> real[id] = (what[id] -> CODE : CLEAN); st[id] = DONE
                :: else -> NEXT(id)
                fi
            fi
        }
    od
}

/* ---- what must hold at rest -------------------------------------------------------------------------------------- */

#define AT_REST(p) (len(up[p]) == 0 && (len(down[p]) == 0 || !LIVES(p)) && !(real[p] != 0 && bs[p] == ALIVE) && !EXPIRES(p))
#define REST (begun && AT_REST(0) && AT_REST(1) && AT_REST(2))

inline judge_cancelled()
{
    for (x : 1 .. NS - 1) {
        if
        :: on[x] ->
            assert(cancelled_for_cause || (why[x] != 0) == (SCOPE_OFF(x)));
            assert(cancelled_is_told || why[x] == 0 || !LIVES(owner[x]) || st[owner[x]] == DONE || OWNER_GONE(x) ||
                   (heard[owner[x]] & (1 << x)))
        :: else
        fi
    }
    for (x : 1 .. NP - 1) {
        if
        :: bs[x] == ANNOUNCED || bs[x] == ALIVE ->
            assert(cancelled_for_cause || (phow[x] != 0) == (CALLED_OFF(x)));
            assert(cancelled_is_told || phow[x] == 0 || !line[x] || (heard[x] & 1));
            assert(grace_is_armed || phow[x] == 0 || bs[x] != ALIVE || armed[x])
        :: else
        fi
    }
}

inline judge_process(p)
{
    assert(ends_go_with_the_process || !ENDED_(p) || bs[p] != ALIVE);
    if
    :: LIVES(p) && !GAVE_UP(p) && st[p] != DONE ->
        assert(answered || st[p] != ASKING && st[p] != LEAVING || todo[p] == HELLO && bs[p] == ENDED);
        assert(ends_are_not_lost || hold[p] == mine[p]);
        ends = ends | mine[p];
        if
        :: st[p] == WAITING ->
            op = what[p];
            assert(answered || w[p] == op && wseq[p] == seq[p]);
            assert(cancelled_never_waits || op == leaving || op == cleaning ||
                   !(phow[p] || in[p] && why[in[p]]));
            assert(nobody_waits_beside_a_partner || !(IS_SEND(op) && (closed || broken || !(mine[p] & S))));
            assert(nobody_waits_beside_a_partner || !(op == receiving && (closed || broken || !(mine[p] & R))));
            assert(nobody_waits_at_zero || op != waiting || count);
            for (y : 0 .. NP - 1) {
                assert(nobody_waits_beside_a_partner || y == p || !LIVES(y) || st[y] != WAITING ||
                       !(IS_SEND(op) && what[y] == receiving))
            }
            if
            :: op == leaving ->
                can = false;
                for (y : 1 .. NP - 1) {
                    can = can || IN_SCOPE(y, in[p]) && bs[y] != ENDED
                }
                assert(scope_is_left || can)
            :: else
            fi
        :: else
        fi
    :: else ->
        if
        :: bs[p] == ANNOUNCED && !NOBODY_STARTS(p) && !ENDED_(p) -> ends = ends | hold[p]; assert(ends_are_not_lost || hold[p] == GRANT(p))
        :: bs[p] == ANNOUNCED && !NOBODY_STARTS(p) && ENDED_(p) -> ends = ends | hold[p]
        :: else -> assert(ends_go_with_the_process || hold[p] == 0)
        fi
    fi
}

#define KILLED (real[1] == SIGNAL || real[2] == SIGNAL)

active proctype monitor()
{
end:
    do
    :: timeout -> assert(answered || REST); break
    :: d_step {
            REST ->
            ends = 0;
            judge_cancelled();
            for (z : 0 .. NP - 1) {
                judge_process(z)
            }
            assert(closed_iff_no_senders || closed == (EVER(S) && !(ends & S)));
            assert(broken_iff_no_receivers || broken == (EVER(R) && !(ends & R)));
            for (z : 1 .. NP - 1) {
                assert(reason_agrees || !told_how[z] || told_how[z] == reason[z]);
                assert(reason_agrees || bs[z] != ENDED || !line[z] || reason[z] == (real[z] == CLEAN || !phow[z] -> real[z] : phow[z]) || told_how[z] || KILLED_LATE(z))
            }
            assert(count_is_exact || count + added <= COUNT && (KILLED || count + added == COUNT));
            assert(sent_is_not_lost || !(sent & ~(got | lost)) && (!lost || KILLED));
            assert(told_unsent_never_received || !(got & unsent))
        }
    od
}

init {
    d_step {
        hold[0] = ROOT_HOLDS;
        mine[0] = ROOT_HOLDS;
        bs[0] = ALIVE;
        line[0] = true;
        st[0] = FREE;
        count = COUNT;
        x = 0;
        script(x);
        begun = true
    }
    atomic {
        run process(0); run process(1); run process(2)
    }
}
