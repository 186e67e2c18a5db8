/* SPDX-License-Identifier: MPL-2.0 */
/* The streams of docs/protocol.md on one channel: PUT, ROOM, DELIVER, TOOK, the page, BYE, DROP, CLOSE, death.
 *
 * Decision: as in offers.pml the broker handles an event and all that follows in one step, and what must hold is judged
 * whenever nothing is on its way to the broker or to a sender: also while a receiver computes and takes nothing. The
 * window counts values, frames to a receiver carry one; when a receiver says TOOK is left open but where the protocol
 * demands it, and so is how much the broker delivers ahead where there are several receivers, within the allowance.
 *
 * Modelled: 1 or 2 sending streams, 2 receivers, of which one may use OFFERs instead; window 2, capacity 1 or 2; orphan
 * values; values returned by the page's count; CLOSED; CLOSE with values waiting; a value with a channel attached.
 * Not modelled: bytes, blocks and flags of blocks, the clock of the allowance (any amount is tried).
 *
 *     spin -a -DSENDERS=2 -DCAPACITY=1 -DDEATHS=1 tests/model/streams.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000
 * Options: -DOFFERER (the second receiver makes OFFERs), -DDROPS (the first drops its end at any time), -DCLOSER (the
 * last sender says CLOSE), -DATTACH (the first value has a channel attached), -DLEAVER (the first receiver says LEAVE
 * at any time, the last sender at its end), -DHOLD (the sender holds values), and the mutants, -DBUG_... */

#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef VALUES
#define VALUES 3 /* of a sender */
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifdef OFFERER
#define IS_OFFERER(r) ((r) == 1)
#else
#define IS_OFFERER(r) false
#endif
#ifndef WINDOW
#define WINDOW 2
#endif
#define TOTAL (SENDERS * VALUES)
#define ALL ((1 << TOTAL) - 1)
#define OF(s) (((1 << VALUES) - 1) << (VALUES * (s)))
#define NP (SENDERS + RECEIVERS) /* processes: senders, then receivers */

mtype = { PUT, LEAVE, BYE, CLOSE, ROOM, TOOK, TOOK_WAIT, DROP, using, OFFER, DELIVER, COMMIT, DELIVER_CLOSED };

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte received_at_most_once, sent_is_not_lost, told_unsent_never_received, capacity_exact, values_in_order;
hidden byte work_goes_to_who_waits, nobody_waits_beside_a_value, nothing_after_closed, closed_is_told, flush_returns;
hidden byte closed_iff_no_senders, broken_iff_no_receivers, ends_go_with_the_process, completely_sent_counts;
hidden byte attached_may_be_used, attached_follows_its_value, answered;
hidden byte puts_go_on, window_kept, held_values_go, one_at_a_time;

chan up[NP] = [4] of { mtype, byte, byte };            /* PUT seq count; TOOK seq */
chan down[NP] = [TOTAL + 2] of { mtype, byte };        /* ROOM count or EPIPE; DELIVER or COMMIT value; CLOSED */
#define EPIPE 64

bool dead[NP], buried[NP], ended[NP], left[NP]; /* ended: BYE or burial was handled; left: LEAVE */
byte deaths;

/* What the callers are and know */
byte put[SENDERS], room[SENDERS]; /* values put; counted by ROOM */
bool failed[SENDERS], done[SENDERS];
byte page[RECEIVERS]; /* the count in the page */
byte hand[RECEIVERS]; /* the value taken and not used yet, + 1 */
byte rs[RECEIVERS];
#define BUSY 0    /* it has values, or computes */
#define MUST 1    /* it has to say TOOK */
#define WAITS 2   /* it said TOOK(WAIT) or OFFER */
#define ENDED 3   /* it was told CLOSED, or gave up its end */
#define UNPAGED 4 /* only in a mutant: used, the page not yet written */
#define SHALL_USE 5
int got, lost, unsent;
byte took_attached; /* ghost: who took the value with the channel, + 1 */

/* The broker */
chan pend[1] = [SENDERS * WINDOW] of { byte };          /* values of PUTs that wait for room */
chan buf[1] = [TOTAL] of { byte, byte };                /* order, value */
chan out[RECEIVERS] = [TOTAL] of { byte, byte };        /* delivered, not known to be taken */
byte seq_, known[RECEIVERS], given[RECEIVERS], returned, last[RECEIVERS];
byte committed[SENDERS], roomed[SENDERS], seen_put[SENDERS];
bool wait_[RECEIVERS], told[RECEIVERS], epipe[SENDERS], closed, broken, shut;
bool hx[RECEIVERS]; /* the receiver's process holds the attached end */
byte draw;

/* Within one step only */
hidden byte ax, bx, cx, sx, rx, ox, vx, arg, num, live, recs;
hidden byte again, may, found;
hidden int mx, waiting, buffered, delivered;
hidden mtype type;

#define SENDER_OF(v) ((v) / VALUES)
#define HAS(q, v) (q ?? [eval(v)])

#include "streams_broker.pml"

/* ---- the callers ------------------------------------------------------------------------------------------------- */

inline learn_room(s)
{
    down[s] ? type, arg;
    room[s] = arg & 63;
    if
    :: arg >= EPIPE ->
        failed[s] = true;
        unsent = unsent | (OF(s) & ~((1 << (s * VALUES + room[s])) - 1));
        assert(told_unsent_never_received || !(got & unsent))
    :: else
    fi
}

#ifdef LEAVER
#define LAST(s) ((s) == SENDERS - 1 -> LEAVE : BYE)
#elif defined(CLOSER)
#define LAST(s) ((s) == SENDERS - 1 -> CLOSE : BYE)
#else
#define LAST(s) BYE
#endif

#ifdef HOLD
#include "streams_hold.pml"
#else
#define held 0
#endif

proctype sender(byte id)
{
end:
    do
    :: d_step { !dead[id] && !done[id] && !failed[id] && put[id] < VALUES && put[id] - room[id] < WINDOW ->
            up[id] ! PUT(put[id], 1);
            put[id]++
        }
    :: d_step { !dead[id] && !done[id] && !failed[id] && put[id] + 1 < VALUES && put[id] == room[id] ->
            up[id] ! PUT(put[id], 2);
            put[id] = put[id] + 2
        }
    :: d_step { !dead[id] && len(down[id]) > 0 -> learn_room(id) }
    :: d_step { !dead[id] && !done[id] && (failed[id] || put[id] == VALUES) -> done[id] = true; up[id] ! LAST(id), 0, 0 }
#if DEATHS > 0
    :: d_step { !dead[id] && deaths < DEATHS -> dead[id] = true; deaths++ }
#endif
    od
}

inline use(r)
{
    mx = 1 << (hand[r] - 1);
    assert(received_at_most_once || !((got | lost) & mx));
    assert(told_unsent_never_received || !(unsent & mx));
    got = got | mx
}

#define LIVES (!dead[SENDERS + id])
#define MINE (SENDERS + id)

#ifdef BUG_LAST_TOOK
#define AFTER_LAST false
#else
#define AFTER_LAST (!(down[MINE] ? [DELIVER, _])) /* CLOSED may stand behind the last value */
#endif

proctype receiver(byte id) /* on a stream */
{
end:
    do
    :: d_step { LIVES && hand[id] == 0 && (rs[id] == BUSY || rs[id] == WAITS) && down[MINE] ? [DELIVER, _] ->
            down[MINE] ? type, vx;
            hand[id] = vx + 1;
#ifdef BUG_USE_FIRST
            use(id);
            rs[id] = UNPAGED
#else
            page[id]++;
            rs[id] = BUSY;
            took_attached = (vx == 0 -> id + 1 : took_attached)
#endif
        }
#ifdef BUG_USE_FIRST
    :: d_step { LIVES && rs[id] == UNPAGED ->
            page[id]++;
            took_attached = (hand[id] == 1 -> id + 1 : took_attached);
            hand[id] = 0;
            rs[id] = (AFTER_LAST -> MUST : BUSY)
        }
#else
    :: d_step { LIVES && hand[id] && rs[id] == BUSY ->
            use(id);
            rs[id] = (AFTER_LAST -> MUST : BUSY);
#ifdef ATTACH
            rs[id] = (hand[id] == 1 -> SHALL_USE : rs[id]);
#endif
            hand[id] = 0
        }
#endif
#ifdef ATTACH
    :: d_step { LIVES && rs[id] == SHALL_USE -> up[MINE] ! using(0, 0); rs[id] = (AFTER_LAST -> MUST : BUSY) }
#endif
    :: d_step { LIVES && rs[id] == MUST && nfull(up[MINE]) -> up[MINE] ! TOOK(page[id], 0); rs[id] = BUSY }
    :: d_step { LIVES && rs[id] == BUSY && hand[id] == 0 && page[id] && len(up[MINE]) == 0 && len(down[MINE]) > 0 ->
            up[MINE] ! TOOK(page[id], 0) /* earlier than it must */
        }
    :: d_step { LIVES && (rs[id] == BUSY || rs[id] == MUST) && hand[id] == 0 && len(down[MINE]) == 0 && nfull(up[MINE]) ->
            up[MINE] ! TOOK_WAIT(page[id], 0);
            rs[id] = WAITS
        }
    :: d_step { LIVES && hand[id] == 0 && (rs[id] == BUSY || rs[id] == WAITS) && down[MINE] ? [DELIVER_CLOSED, _] ->
            down[MINE] ? type, vx;
            rs[id] = ENDED
        }
#ifdef DROPS
    :: d_step { LIVES && id == 0 && hand[id] == 0 && rs[id] != ENDED && rs[id] != SHALL_USE && nfull(up[MINE]) ->
            up[MINE] ! DROP(0, 0);
            rs[id] = ENDED
        }
#endif
#ifdef LEAVER
    :: d_step { LIVES && id == 0 && hand[id] == 0 && rs[id] != ENDED && rs[id] != SHALL_USE && nfull(up[MINE]) ->
            up[MINE] ! LEAVE(0, 0);
            rs[id] = ENDED
        }
#endif
    :: d_step { LIVES && rs[id] == ENDED && len(down[MINE]) > 0 -> down[MINE] ? type, vx } /* ignored */
#if DEATHS > 0
    :: d_step { LIVES && deaths < DEATHS -> dead[MINE] = true; deaths++ }
#endif
    od
}

proctype offerer(byte id) /* by OFFERs of one receive */
{
end:
    do
    :: d_step { LIVES && rs[id] == BUSY && !hand[id] -> up[MINE] ! OFFER(0, 0); rs[id] = WAITS }
    :: d_step { LIVES && rs[id] == WAITS && len(down[MINE]) > 0 ->
            down[MINE] ? type, vx;
            if
            :: type == COMMIT -> hand[id] = vx + 1; rs[id] = BUSY
            :: else -> rs[id] = ENDED
            fi
        }
    :: d_step { LIVES && hand[id] -> use(id); hand[id] = 0 }
#if DEATHS > 0
    :: d_step { LIVES && deaths < DEATHS -> dead[MINE] = true; deaths++ }
#endif
    od
}

/* ---- what must hold at rest -------------------------------------------------------------------------------------- */

#define AT_REST(p) (len(up[p]) == 0 && ((p) >= SENDERS || dead[p] || len(down[p]) == 0) && (!dead[p] || buried[p]))
#if NP == 2
#define REST (AT_REST(0) && AT_REST(1))
#elif NP == 3
#define REST (AT_REST(0) && AT_REST(1) && AT_REST(2))
#else
#define REST (AT_REST(0) && AT_REST(1) && AT_REST(2) && AT_REST(3))
#endif

inline judge_sender(s)
{
    mx = (1 << (s * VALUES + put[s] - held)) - 1;
    mx = mx & OF(s); /* all that it put */
    /* what ROOM counted is in the buffer or beyond; what was completely sent counts unless its sender was told */
    cx = s * VALUES + room[s];
    assert(sent_is_not_lost || !(OF(s) & ((1 << cx) - 1) & ~(buffered | delivered | got | lost)));
    assert(completely_sent_counts || shut || broken || !(mx & ~(waiting | buffered | delivered | got | lost)));
    assert(told_unsent_never_received || !(unsent & (waiting | buffered | delivered | got)));
    if
    :: !dead[s] && !ended[s] && !left[s] -> assert(flush_returns || failed[s] || (waiting & OF(s)) || held || room[s] == put[s])
    :: else
    fi;
    live = live + (!dead[s] && !(done[s] && LAST(s) == BYE))
}

#define TOLD(r) (!hand[r] && rs[r] != MUST && rs[r] != SHALL_USE) /* it is not in a call */

inline judge_receiver(r)
{
    ax = SENDERS + r;
    if
    :: !dead[ax] && rs[r] == WAITS && len(down[ax]) == 0 ->
        assert(nobody_waits_beside_a_value || !buffered);
        num = (closed || broken) && !waiting && !buffered;
        for (bx : 0 .. RECEIVERS - 1) { /* and no other has a value that it has not taken */
            num = num && (bx == r || ended[SENDERS + bx] || left[SENDERS + bx] || given[bx] == page[bx] && TOLD(bx))
        }
        assert(closed_is_told || !num)
    :: else
    fi;
    assert(attached_follows_its_value || !hx[r] || took_attached == r + 1 || IS_OFFERER(r));
    assert(ends_go_with_the_process || !dead[ax] || ended[ax] && !hx[r] && len(out[r]) == 0);
    assert(nothing_after_closed || !told[r] || ended[ax] || left[ax] || !buffered && !waiting);
    recs = recs + (!dead[ax] && !ended[ax])
}

bool begun;

active proctype monitor()
{
end:
    do
    :: timeout -> assert(answered || REST); break
    :: d_step {
            begun && REST ->
            waiting = 0;
            buffered = 0;
            delivered = 0;
            live = 0;
            recs = 0;
            for (ax : 1 .. len(pend[0])) {
                pend[0] ? vx; pend[0] ! vx;
                waiting = waiting | (1 << vx)
            }
            for (ax : 1 .. len(buf[0])) {
                buf[0] ? ox, vx; buf[0] ! ox, vx;
                buffered = buffered | (1 << vx)
            }
            for (rx : 0 .. RECEIVERS - 1) {
                for (ax : 1 .. len(out[rx])) {
                    out[rx] ? ox, vx; out[rx] ! ox, vx;
                    delivered = delivered | (left[SENDERS + rx] -> 0 : 1 << vx)
                }
                for (ax : 1 .. len(down[SENDERS + rx])) {
                    down[SENDERS + rx] ? type, vx; down[SENDERS + rx] ! type, vx;
                    delivered = delivered | (type == COMMIT -> 1 << vx : 0)
                }
                delivered = delivered | (hand[rx] -> 1 << (hand[rx] - 1) : 0)
            }
            for (sx : 0 .. SENDERS - 1) {
                judge_sender(sx)
            }
#ifdef HOLD
            assert(held_values_go || dead[0] || !held || owner != idle || holds != sleeping || woken);
#endif
            assert(closed_iff_no_senders || closed == (shut || !live && !waiting));
            for (rx : 0 .. RECEIVERS - 1) {
                judge_receiver(rx)
            }
            assert(broken_iff_no_receivers || broken == !recs);
            assert(nobody_waits_beside_a_value || !waiting || len(buf[0]) >= CAPACITY);
            assert(sent_is_not_lost || !lost || broken || deaths)
        }
    od
}

init {
    atomic {
#ifdef HOLD
        run holding_sender();
        run holder();
#else
        run sender(0);
#endif
#if SENDERS > 1
        run sender(1);
#endif
        run receiver(0);
#if RECEIVERS > 1
#ifdef OFFERER
        run offerer(1);
#else
        run receiver(1);
#endif
#endif
        begun = true
    }
}
