/* SPDX-License-Identifier: MPL-2.0 */
/* The leases of docs/protocol.md, sections 16 and 17: who has a value, and when a channel closes that is not done.
 *
 * Decision: a value is its id, sets of values are masks, so that the one who has the lowest bit has the oldest. Workers
 * receive by streams, from a channel that a seed sends on; what they send goes to a log (no further channel), back to
 * the same channel (CYCLE=1), or to another worker and from there back (CYCLE=2). The broker handles an event, and all
 * that follows from it, in one step; time passes at any moment. What must hold is asserted where it happens, and once
 * nothing moves any more: then everybody has been told, and every value is accounted for.
 *
 * Modelled: delivering ahead, the page, WAIT, IDLE, offers that wait to take; ACK, NACK, UNREAD, batches, staged output; death
 * between any two steps; attempts, back-off, dead letters to a channel of one place; ordered channels; closing with
 * leases, closing when idle; successors. Not modelled: capacities but that one, blocks, RECV, guests of their own, durability.
 *
 *     spin -a -DVALUES=2 -DDEATHS=1 tests/model/leases.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000
 * Options: -DBATCH=2 (values acknowledged together), -DORDERED, -DROOMS (a worker waits for ROOM when it has put),
 * -DLETTERS (a channel of dead letters and its keeper), with -DRESENDS (who sends on the first channel, too), -DBRIDGE (IDLE instead of offers), -DUNLEASED, -DTIMED (waits
 * with a deadline), -DLATE (a worker attaches late), -DSUCCESSOR (the second worker is the first one's successor),
 * -DUNREAD (a worker gives back what it has taken and not begun, the last of it first, as a bridge does of what its program has not read),
 * -DTHREAD (the first worker has a second line, which acknowledges), with -DGUEST (that is a guest inside of it, which
 * says SETTLE), and the mutants, -DBUG_... */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef VALUES
#define VALUES 2 /* of the seed */
#endif
#ifndef MORE
#define MORE 0 /* values that workers send into channels */
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CYCLE
#define CYCLE 0
#endif
#ifndef NACKS
#define NACKS 1 /* in all */
#endif
#ifndef SPREAD
#define SPREAD 2 /* of an ordered channel: for 1,024 */
#endif
#define TOTAL (VALUES + MORE)
#define SEED WORKERS
#define KEEPER (WORKERS + 1)
#ifdef LETTERS
#define NP (WORKERS + 2)
#else
#define NP (WORKERS + 1)
#endif
#ifdef THREAD
#define LINES (NP + 1) /* the last is worker 0's second */
#else
#define LINES NP
#endif
#define THREAD_LINE NP
#if CYCLE == 2
#define CHANNELS 2
#define IN(w) (w)
#define OUT(w) (1 - (w))
#else
#define CHANNELS 1
#define IN(w) 0
#define OUT(w) 0 /* without a cycle: the log */
#endif
#ifdef UNLEASED
#define LEASED false
#else
#define LEASED true
#endif
#define BIT(v) (1 << (v))

mtype = { PUT, PUT_STAGED, ACK, ACK_STAGED, NACK, SETTLE, TOOK, TOOK_WAIT, TOOK_IDLE, OFFER, WITHDRAW, BYE, HELLO, REAPED,
          ROOM, DELIVER, DELIVER_CLOSED };

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte value_is_not_lost, acknowledged_is_gone, tries_are_told, attempts_are_bounded, one_step, order_is_kept;
hidden byte idle_is_true, nobody_waits_for_ever, nothing_after_closed, output_end_is_held, letter_stops_its_source;
hidden byte given_up_for_cause, answered, attempts_are_given;

chan up[LINES] = [5] of { mtype, byte };      /* what it names: a mask; NACK: + 128, it is a dead letter, + 64, it is unread */
chan down[WORKERS] = [4] of { mtype, byte, byte }; /* DELIVER value tries; DELIVER_CLOSED 0, or 1: with LEASE */

bool dead[NP], buried[NP];
byte deaths;

/* What the workers are and know */
byte page[WORKERS], held[WORKERS]; /* values taken; those that it holds by its own account */
byte rs[WORKERS];
#define ABSENT 0  /* it has not attached */
#define BUSY 1    /* in no call */
#define STAGES 2  /* it has staged */
#define FLUSHES 3 /* it waits for ROOM */
#define WAITS 4   /* it said WAIT */
#define OFFERS 5  /* and made an offer that waits to take */
#define TIMED_OFFER 6
#define TAKEN 7   /* it has taken a value, and not withdrawn its offer yet */
#define WAKES 8   /* its time is up, the same */
#define SPEAKS 9  /* it may send by itself */
#define ENDED 10
bool finish[WORKERS]; /* it was told CLOSED with LEASE */
byte seeded, budget = MORE, nacks = NACKS;
byte to_ack; /* with THREAD: handed to the other thread */

/* What happened */
byte took, acked, staged_ack, visible, gave, kept; /* masks: taken ever (unread does not count); in an ACK; in one with STAGED; output put */
bool idle_closed[CHANNELS];
#ifdef UNREAD
byte begun[TOTAL]; /* how often it was taken, and not given back unread */
#define was_begun(v, n) (begun[v] >= n)
#else
#define was_begun(v, n) true
#endif

/* The broker */
byte next_; /* ids given */
byte buf[CHANNELS], boff[CHANNELS], leased[WORKERS], staged[WORKERS], settled;
chan out[WORKERS] = [3] of { byte };
byte tries[TOTAL];
bool wait_[WORKERS], idle_[WORKERS], told[WORKERS], ended[NP], attached[WORKERS], closed[CHANNELS], broken[CHANNELS];
byte off[WORKERS]; /* an offer that waits to take; 2: with a deadline */
byte known[WORKERS];
#ifdef ORDERED
byte parked[TOTAL], parker[TOTAL], lastout; /* by the first value that it names; lastout: + 1 */
#endif
bool log_closed;
#ifdef LETTERS
chan letters = [TOTAL] of { byte }; /* those that wait */
chan deadbuf = [1] of { byte };
bool dead_closed, dead_broken;
#ifdef RESENDS
bool kbusy = true, kwait; /* the keeper has something in hand, at first itself; it said IDLE */
byte ktook, kgiven;
#else
#define kbusy false
#endif
#define letter_waits (len(letters) > 0)
#else
#define letter_waits false
#endif

/* Within one step only */
hidden byte ax, bx, cx, wx, vx, ux, mx, lo, first, arg, tr, recs, live, again, may, found, quiet, waits;
hidden mtype type;
byte draw;

/* lo := the oldest of the values m, TOTAL: there is none */
inline lowest(m)
{
    lo = 0;
    do
    :: lo < TOTAL && !((m) & BIT(lo)) -> lo++
    :: else -> break
    od
}

/* lo := the latest of the values m, of which there is one */
inline highest(m)
{
    lo = TOTAL - 1;
    do
    :: !((m) & BIT(lo)) -> lo--
    :: else -> break
    od
}

#include "leases_broker.pml"

/* ---- the callers ------------------------------------------------------------------------------------------------- */

#define LIVES (!dead[id] && rs[id] != ABSENT && rs[id] != ENDED)
#define FREE nfull(up[id])

#if BATCH > 1
#define FULL(w) (finish[w] || held[w] == 3 || held[w] == 5 || held[w] == 6)
#else
#define FULL(w) true
#endif

proctype worker(byte id)
{
end:
    do
    /* takes a value: the page first, then it is used */
    :: d_step { LIVES && (rs[id] == BUSY && (held[id] == 0 || !FULL(id)) || rs[id] >= WAITS && rs[id] <= TIMED_OFFER) &&
            down[id] ? [DELIVER, _, _] ->
            down[id] ? type, vx, tr;
            page[id]++;
            assert(tries_are_told || !LEASED || (tr > 1) == ((took & BIT(vx)) != 0));
            assert(attempts_are_bounded || tr <= ATTEMPTS);
            took = took | BIT(vx);
#ifdef UNREAD
            begun[vx]++;
#endif
            held[id] = held[id] | BIT(vx);
            finish[id] = false;
            rs[id] = (rs[id] >= OFFERS -> TAKEN : BUSY)
        }
    :: d_step { LIVES && (rs[id] == TAKEN || rs[id] == WAKES) && FREE ->
            up[id] ! WITHDRAW(0);
            rs[id] = (rs[id] == TAKEN -> BUSY : SPEAKS)
        }
    /* is done with what it has */
#ifdef UNLEASED
    :: d_step { LIVES && rs[id] == BUSY && held[id] -> held[id] = 0; rs[id] = SPEAKS }
#else
    :: d_step { LIVES && rs[id] == BUSY && held[id] && FULL(id) && FREE ->
            acked = acked | held[id];
            up[id] ! ACK(held[id]);
            held[id] = 0;
            finish[id] = false
        }
    :: d_step { LIVES && rs[id] == BUSY && held[id] && FULL(id) && FREE && (CYCLE == 0 || budget) ->
            assert(idle_is_true || !idle_closed[OUT(id)]);
            budget = (CYCLE -> budget - 1 : 0);
            up[id] ! PUT_STAGED(held[id]);
            rs[id] = STAGES
        }
    :: d_step { LIVES && rs[id] == STAGES && FREE ->
            acked = acked | held[id];
            staged_ack = staged_ack | held[id];
            up[id] ! ACK_STAGED(held[id]);
            held[id] = 0;
            finish[id] = false;
#ifdef ROOMS
            rs[id] = FLUSHES
#else
            rs[id] = BUSY
#endif
        }
    :: d_step { LIVES && (rs[id] == STAGES || rs[id] == BUSY && held[id] && FULL(id)) && FREE && nacks ->
            nacks--;
            lowest(held[id]);
            up[id] ! NACK(BIT(lo));
            held[id] = held[id] & ~BIT(lo);
            rs[id] = BUSY
        }
#ifdef UNREAD
    /* its program has ended, at any time: full or not, and while it waits for more */
    :: d_step { LIVES && (rs[id] == STAGES || rs[id] == BUSY || rs[id] == WAITS) && held[id] && FREE && nacks ->
            nacks--;
            highest(held[id]);
            up[id] ! NACK(64 + BIT(lo));
            held[id] = held[id] & ~BIT(lo);
            begun[lo]--;
            took = (begun[lo] == 0 -> took & ~BIT(lo) : took);
            rs[id] = (rs[id] == WAITS -> WAITS : BUSY)
        }
#endif
#ifdef LETTERS
    :: d_step { LIVES && rs[id] == BUSY && held[id] && FULL(id) && FREE && nacks ->
            nacks--;
            lowest(held[id]);
            up[id] ! NACK(128 + BIT(lo));
            held[id] = held[id] & ~BIT(lo)
        }
#endif
#ifdef THREAD
#ifndef GUEST
    :: d_step { LIVES && id == 0 && rs[id] == BUSY && held[id] && !to_ack -> to_ack = held[id]; held[id] = 0 }
#endif
#endif
#endif
#ifdef ROOMS
    :: d_step { LIVES && rs[id] == FLUSHES && down[id] ?? [ROOM, _, _] -> down[id] ?? ROOM, _, _; rs[id] = BUSY }
#endif
    :: d_step { LIVES && rs[id] == SPEAKS && FREE && budget ->
            assert(idle_is_true || !idle_closed[OUT(id)]);
            budget--;
            up[id] ! PUT(0);
            rs[id] = BUSY
        }
    :: d_step { LIVES && rs[id] == SPEAKS -> rs[id] = BUSY }
    /* has nothing left, and waits */
    :: d_step { LIVES && rs[id] == BUSY && (held[id] == 0 || !FULL(id)) && len(down[id]) == 0 && FREE ->
#ifdef BRIDGE
            up[id] ! TOOK_IDLE(page[id]);
#else
            up[id] ! TOOK_WAIT(page[id]);
#endif
            rs[id] = WAITS
        }
#if CYCLE > 0 && !defined(BRIDGE)
    :: d_step { LIVES && rs[id] == WAITS && FREE -> up[id] ! OFFER(1); rs[id] = OFFERS }
#ifdef TIMED
    :: d_step { LIVES && rs[id] == WAITS && FREE && budget -> up[id] ! OFFER(2); rs[id] = TIMED_OFFER }
    :: d_step { LIVES && rs[id] == TIMED_OFFER -> rs[id] = WAKES }
#endif
#endif
    :: d_step { LIVES && (rs[id] == BUSY && (held[id] == 0 || !FULL(id)) || rs[id] >= WAITS && rs[id] <= TIMED_OFFER) &&
            down[id] ? [DELIVER_CLOSED, _, _] && FREE ->
            down[id] ? type, vx, tr;
            if
            :: vx == 0 -> up[id] ! BYE(0); rs[id] = ENDED
            :: else -> finish[id] = held[id] != 0; rs[id] = BUSY
            fi
        }
#if DEATHS > 0
    :: d_step { !dead[id] && rs[id] != ABSENT && deaths < DEATHS -> dead[id] = true; deaths++ }
#endif
#if defined(LATE) || defined(SUCCESSOR)
    :: d_step { rs[id] == ABSENT && !ended[id] && (id == 1 && !FOLLOWS || ended[0]) ->
            up[id] ! HELLO(0);
            rs[id] = (idle_closed[OUT(id)] -> BUSY : SPEAKS)
        }
#ifdef SUCCESSOR
    :: d_step { rs[id] == ABSENT && !ended[id] && ended[0] && FREE -> up[id] ! REAPED(0); rs[id] = ENDED }
#endif
#endif
    od
}

proctype seed()
{
end:
    do
    :: d_step { !dead[SEED] && seeded < VALUES && nfull(up[SEED]) ->
            assert(idle_is_true || !idle_closed[0]);
            up[SEED] ! PUT(0);
            seeded++
        }
    :: d_step { !dead[SEED] && seeded == VALUES -> up[SEED] ! BYE(0); seeded++ }
#if DEATHS > 0 && defined(SEED_DIES)
    :: d_step { !dead[SEED] && seeded <= VALUES && deaths < DEATHS -> dead[SEED] = true; deaths++ }
#endif
    od
}

#ifdef LETTERS
bool kept_all;

proctype keeper()
{
end:
    do
    :: d_step { !dead[KEEPER] && !kbusy && len(deadbuf) > 0 && nfull(up[KEEPER]) ->
            deadbuf ? vx;
            kept = kept | BIT(vx);
#ifdef RESENDS
            ktook++;
            kbusy = true
        }
    :: d_step { !dead[KEEPER] && kbusy && budget && nfull(up[KEEPER]) ->
            assert(idle_is_true || !idle_closed[0]);
            budget--;
            up[KEEPER] ! PUT(0)
        }
    :: d_step { !dead[KEEPER] && kbusy && nfull(up[KEEPER]) ->
            kbusy = false;
            up[KEEPER] ! TOOK_IDLE(ktook)
#else
            up[KEEPER] ! TOOK(0)
#endif
        }
    :: d_step { !dead[KEEPER] && !kept_all && dead_closed && !kbusy && len(deadbuf) == 0 -> kept_all = true; up[KEEPER] ! BYE(0) }
#if DEATHS > 0
    :: d_step { !dead[KEEPER] && !kept_all && deaths < DEATHS -> dead[KEEPER] = true; deaths++ }
#endif
    od
}
#endif

#ifdef THREAD
bool guest_settled;

proctype thread()
{
end:
    do
#ifdef GUEST
    :: d_step { !guest_settled && len(up[THREAD_LINE]) == 0 -> up[THREAD_LINE] ! SETTLE(0); guest_settled = true }
#endif
    :: d_step { !dead[0] && to_ack && nfull(up[THREAD_LINE]) ->
            acked = acked | to_ack;
            up[THREAD_LINE] ! ACK(to_ack);
            to_ack = 0
        }
    od
}
#endif

/* ---- when nothing moves any more --------------------------------------------------------------------------------- */

active proctype monitor()
{
end:
    do
    :: timeout ->
        d_step {
            for (ax : 0 .. NP - 1) {
                assert(answered || len(up[ax]) == 0 && (!dead[ax] || buried[ax]))
            }
            for (wx : 0 .. WORKERS - 1) {
                assert(nobody_waits_for_ever || dead[wx] || rs[wx] == ENDED)
            }
#ifdef LETTERS
            assert(nobody_waits_for_ever || dead[KEEPER] || kept_all);
#endif
            assert(value_is_not_lost || !(all_ids() & ~(settled | gave | kept)));
            assert(one_step || !(staged_ack & ~visible) || CYCLE);
            assert(output_end_is_held || log_closed)
        }
        break
    od
}

init {
    atomic {
        for (wx : 0 .. WORKERS - 1) {
            rs[wx] = BUSY;
            attached[wx] = true
        }
#if defined(LATE) || defined(SUCCESSOR)
        rs[1] = ABSENT;
        attached[1] = false;
#endif
        wx = 0;
        run seed();
        run worker(0);
#if WORKERS > 1
        run worker(1);
#endif
#ifdef LETTERS
        run keeper();
#endif
#ifdef THREAD
        run thread();
#endif
    }
}
