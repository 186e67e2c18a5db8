/* SPDX-License-Identifier: MPL-2.0 */
/* The offers of docs/protocol.md: OFFER, COMMIT, WITHDRAW, DROP, CLOSE, BYE, counted ends, attached ends, death.
 *
 * Decision: the broker is one process that handles an event (a frame, a burial) and what follows from it as one step,
 * as a program of one thread does; everything else interleaves: a caller's steps, its line (a FIFO each way), its death
 * between any two steps. Whenever all lines are empty and the dead are buried, `monitor` judges what must hold at rest,
 * from what the callers were told and hold, not from the broker's queues.
 *
 * Modelled: capacities 0 to 2; one or two cases; NOW; ORDERED; LEAVE; the fair draw (both outcomes); time-outs that race with COMMIT;
 * CLOSE; ENDS falling to 0 by DROP, BYE or death, closing or breaking; ends held by values in offers and in buffers;
 * EBADF; guests; two lines of one process; frames sent and not read at death.
 * Not modelled: max_bytes, named channels of policy `never`, the end of the run; streams, scopes, starts and wait groups
 * are in the other models.
 *
 *     spin -a -DCONFIG=CROSSED -DC0=0 -DC1=1 -DDEATHS=1 tests/model/offers.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000
 *     spin -t -p ... tests/model/offers.pml       the trail of an error
 * `make model` does it for each configuration and, with -DBUG_..., for each mutant, which must fail. */

#define CAP(ch) ((ch) == 0 -> C0 : ((ch) == 1 -> C1 : C2))
#define S_(ch) (1 << (2 * (ch)))
#define R_(ch) (2 << (2 * (ch)))

/* A case in a byte: op, channel, attached channel + 1 */
#define NONE 0
#define SEND(ch) (1 + 4 * (ch))
#define RECV(ch) (2 + 4 * (ch))
#define WITH(ch, x) (1 + 4 * (ch) + 16 * ((x) + 1))
#define OP(cs) ((cs) & 3)
#define CHAN(cs) (((cs) >> 2) & 3)
#define ATTACHED(cs) ((cs) >> 4)
#define NO_CASE 2
#define NOW 1 /* flags */
#define ORDERED 2
#define NOBODY 255
#define VALUE(p, k, ci) (1 << (((p) * NV + (k)) * 2 + (ci)))

#include "offers_scripts.pml"

mtype = { OFFER, WITHDRAW, DROP, CLOSE, LEAVE, BYE, COMMIT, ANSWER, stop };
mtype = { fine, EPIPE, EBADF };

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte one_commit_per_offer, received_at_most_once, told_unsent_never_received, sent_is_not_lost;
hidden byte both_sides_agree, capacity_exact, served_in_order, values_in_order, never_with_itself, now_means_now;
hidden byte nobody_waits_beside_a_partner, closed_iff_no_senders, broken_iff_no_receivers, ends_go_with_the_process;
hidden byte only_own_ends, answered, dead_get_nothing, not_closed_before_drained, ordered_takes_first;

chan up[NP] = [3] of { mtype, byte, byte, byte, byte };        /* type, seq, flags or channel or ends, two cases */
chan down[NP] = [2] of { mtype, byte, byte, mtype, int, byte }; /* type, seq, case, err, value, ends it brings */

/* What callers are and know */
byte st[NP]; /* FREE, WAITING, LEAVING (WITHDRAW sent), ASKING, DONE */
#define FREE 0
#define WAITING 1
#define LEAVING 2
#define ASKING 3
#define DONE 4
byte seq[NP];
byte mine[NPROC]; /* the ends that a process was granted and has not given up, by what it was told */
bool dead[NPROC];
byte deaths;
bool begun;
#if CONFIG == PIPE
int gotby[NP]; /* values by receiver */
#endif
int got, sent, unsent; /* values: received by a caller; sent, not sent as their senders were told */

/* The broker */
byte hold[NPROC];
bool buried[NPROC], left[NPROC], closed[NC], broken[NC], shut[NC];
chan buf[NC] = [3] of { int, byte };
chan ws[NC] = [2 * NP] of { byte };
chan wr[NC] = [2 * NP] of { byte };
chan order = [NP] of { byte }; /* ghost: callers in order of waiting */
bool w[NP];
byte wseq[NP], wc[2 * NP], wm[2 * NP]; /* the waiting offer: seq, cases, ends that its values hold */
int lost;                              /* values committed to the dead, or discarded by a break */
bool draw;

/* Within one step only */
hidden byte ci, cj, it, entry, mate, bag, cs, qc, cx, cy, ch, arg, c0, c1, sq, rc, ends, pick;
hidden int val;
hidden byte again, can, ok, seen, ready0;
hidden mtype type, err, kind;

#include "offers_broker.pml"

/* ---- the callers ------------------------------------------------------------------------------------------------- */

/* The sender learns what became of the value of case i */
inline told(p, ci, cs)
{
    if
    :: OP(cs) == 1 && sq == ci && err == fine -> sent = sent | VALUE(p, seq[p] - 1, ci)
    :: OP(cs) == 1 && !(sq == ci && err == fine) ->
        unsent = unsent | VALUE(p, seq[p] - 1, ci);
        assert(told_unsent_never_received || !(got & unsent))
    :: else
    fi
}

#define OF(p) (((1 << 2 * NV) - 1) << (2 * NV * (p))) /* all values of a sender */

/* The receiver has the value val */
inline receive(p)
{
    assert(received_at_most_once || val && !((got | lost) & val));
    assert(told_unsent_never_received || !(unsent & val));
    assert(never_with_itself || val != VALUE(p, seq[p] - 1, 0) && val != VALUE(p, seq[p] - 1, 1));
#if CONFIG == PIPE
    for (it : 0 .. NP - 1) { /* of one sender nothing later was received before */
        assert(values_in_order || !(val & OF(it)) || !(gotby[p] & OF(it) & ~(val | (val - 1))))
    }
    gotby[p] = gotby[p] | val;
#endif
    got = got | val;
    mine[PROC(p)] = mine[PROC(p)] | BRINGS(val)
}

#define ALIVE(p) (!dead[PROC(p)] && !left[PROC(p)])

proctype caller(byte id)
{
end:
    do
    :: d_step {
            ALIVE(id) && st[id] == FREE ->
            script(id);
            if
            :: kind == stop -> st[id] = DONE
            :: else ->
                seq[id] = seq[id] + 1;
                st[id] = (kind == OFFER -> WAITING : ASKING);
                up[id] ! kind(seq[id], arg, c0, c1);
                mine[PROC(id)] = (kind == BYE -> 0 : (kind == DROP -> mine[PROC(id)] & ~arg : mine[PROC(id)]))
            fi
        }
    :: d_step { ALIVE(id) && st[id] == WAITING && HASTY(id) -> st[id] = LEAVING; up[id] ! WITHDRAW(seq[id], 0, 0, 0) }
#if DEATHS > 0
    :: d_step { ALIVE(id) && deaths < DEATHS -> dead[PROC(id)] = true; deaths++ }
#endif
    :: d_step {
            !dead[PROC(id)] && st[id] != FREE && len(down[id]) > 0 ->
            down[id] ? type, entry, sq, err, val, bag; /* of an answer only that it came */
            assert(one_commit_per_offer || entry == seq[id]);
            assert(one_commit_per_offer || (type == COMMIT && (st[id] == WAITING || st[id] == LEAVING)) ||
                   (type == ANSWER && st[id] == ASKING));
            seq[id] = seq[id] - 1;
            script(id);
            seq[id] = seq[id] + 1;
            st[id] = FREE;
            if
            :: type == COMMIT ->
                told(id, 0, c0);
                told(id, 1, c1);
                cs = (sq == 0 -> c0 : (sq == 1 -> c1 : NONE));
                if
                :: OP(cs) == 2 && err == fine -> receive(id)
                :: OP(cs) == 2 && err == EPIPE -> assert(not_closed_before_drained || len(buf[CHAN(cs)]) == 0)
                :: else
                fi;
                assert(only_own_ends || err != EBADF || !(mine[PROC(id)] & (OP(cs) << (2 * CHAN(cs)))))
            :: type == ANSWER && (kind == BYE || kind == LEAVE) -> st[id] = DONE
            :: else
            fi
        }
    od
}

/* ---- what must hold at rest -------------------------------------------------------------------------------------- */

inline judge_process(p)
{
    if
    :: ALIVE(p) ->
        assert(answered || st[p] != ASKING && st[p] != LEAVING);
        if
        :: st[p] == WAITING ->
            assert(answered || w[p] && wseq[p] == seq[p]);
            seq[p] = seq[p] - 1;
            script(p);
            seq[p] = seq[p] + 1;
            assert(now_means_now || !(arg & NOW));
            judge(p);
            assert(nobody_waits_beside_a_partner || !can)
        :: else
        fi;
        assert(only_own_ends || mine[PROC(p)] == hold[PROC(p)]);
        ends = ends | mine[PROC(p)] | (w[p] -> wm[2 * p] | wm[2 * p + 1] : 0)
    :: else ->
        assert(ends_go_with_the_process || hold[PROC(p)] == 0);
        seen = true;
        for (it : 0 .. 2 * NV - 1) {
            pick = it; /* values of the dead count as sent where somebody has them */
            ghosts = ghosts | (1 << (2 * NV * p + it))
        }
    fi
}
hidden int ghosts, held_values;

#define NOTHING_SENT(p) (len(up[p]) == 0 && len(down[p]) == 0)
#define UNBURIED(p) (dead[PROC(p)] && !buried[PROC(p)])
#define AT_REST(p) (begun && NOTHING_SENT(p) && !UNBURIED(p))
#if NP == 3
#define REST (AT_REST(0) && AT_REST(1) && AT_REST(2))
#else
#define REST (AT_REST(0) && AT_REST(1) && AT_REST(2) && AT_REST(3))
#endif

active proctype monitor()
{
end:
    do
    :: timeout -> assert(answered || REST); break
    :: d_step {
        REST ->
        ends = 0;
        seen = false; /* somebody died or left, or a channel broke */
        ghosts = 0;
        held_values = 0;
        for (cy : 0 .. NP - 1) {
            judge_process(cy)
        }
        for (cy : 0 .. NPROC - 1) {
            assert(ends_go_with_the_process || !dead[cy] || buried[cy])
        }
        for (cy : 0 .. NC - 1) {
            for (it : 1 .. len(buf[cy])) {
                buf[cy] ? val, bag; buf[cy] ! val, bag;
                held_values = held_values | val;
                ends = ends | BRINGS(val)
            }
        }
        for (cy : 0 .. NC - 1) {
            assert(closed_iff_no_senders || closed[cy] == (shut[cy] || !(ends & S_(cy))));
            assert(broken_iff_no_receivers || broken[cy] == !(ends & R_(cy)));
            seen = seen || broken[cy]
        }
        assert(received_at_most_once || !(got & held_values) && !(got & lost));
        assert(sent_is_not_lost || !(sent & ~(got | held_values | lost)) && (!lost || seen));
        assert(both_sides_agree || !((got | held_values | lost) & ~(sent | ghosts)));
        assert(told_unsent_never_received || !((got | held_values) & unsent))
    }
    od
}

init {
    atomic {
        d_step {
            for (ci : 0 .. NPROC - 1) {
                hold[ci] = INIT(ci);
                mine[ci] = INIT(ci)
            }
        }
        run caller(0); run caller(1);
#if NP > 2
        run caller(2);
#endif
#if NP > 3
        run caller(3);
#endif
        begun = true
    }
}
