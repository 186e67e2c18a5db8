/* SPDX-License-Identifier: MPL-2.0 */
/* The broker of streams.pml, which includes it: section 6 of docs/protocol.md, and the mutants, -DBUG_...
 *
 * Decision: values that wait for room stand in one queue for all sending streams, in order of their arrival, and each
 * value admitted gets a number: by it what returns from a receiver finds its place again. All variables but `who` and
 * `draw` are scratch within one step. */

/* ---- the broker's step ------------------------------------------------------------------------------------------- */

/* found := values of sender s wait for room */
inline pending(s)
{
    found = false;
    for (ax : 1 .. len(pend[0])) {
        pend[0] ? vx; pend[0] ! vx;
        found = found || SENDER_OF(vx) == s
    }
}

inline say_room(s)
{
    if
    :: ended[s] || left[s] || epipe[s] || roomed[s] == committed[s]
    :: else ->
        roomed[s] = committed[s];
        down[s] ! ROOM(committed[s])
    fi
}

/* Values that wait are never sent: each sending stream is told, also one that has none */
inline refuse()
{
    do
    :: len(pend[0]) > 0 -> pend[0] ? vx
    :: else -> break
    od;
    for (sx : 0 .. SENDERS - 1) {
        if
#ifdef BUG_EPIPE_UNTOLD
        :: committed[sx] == seen_put[sx]
#endif
        :: ended[sx] || left[sx] || epipe[sx]
        :: else -> epipe[sx] = true; down[sx] ! ROOM(committed[sx] + EPIPE)
        fi
    }
}

/* The front of the buffer to receiver r, on its stream or, where it makes OFFERs, with a COMMIT */
inline give(r)
{
    buf[0] ? ox, vx;
    assert(nothing_after_closed || !told[r]);
    assert(values_in_order || ox > last[r]);
    last[r] = ox;
    wait_[r] = false;
    again = true;
    for (ax : 1 .. len(buf[0])) {
        buf[0] ? bx, cx;
        assert(values_in_order || ox < bx);
        buf[0] ! bx, cx
    }
    if
    :: IS_OFFERER(r) ->
        down[NP - RECEIVERS + r] ! COMMIT(vx);
        hx[r] = hx[r] || vx == 0
    :: else ->
        given[r] = given[r] + 1;
        out[r] ! ox, vx;
#ifdef BUG_CHAN_AT_DELIVER
        hx[r] = hx[r] || vx == 0;
#endif
        down[NP - RECEIVERS + r] ! DELIVER(vx)
    fi
}

/* What receiver r took by count c is known: it leaves the list; an attached end is the receiver's now */
inline taken(r, c)
{
    do
    :: known[r] < c -> out[r] ? ox, vx; known[r] = known[r] + 1; hx[r] = hx[r] || vx == 0
    :: else -> break
    od
}

inline deliver(r)
{
    /* may := it is to get a value: it waits; or it is the only one; or it took some lately */
    may = wait_[r] || !IS_OFFERER(r) && (recs == 1 || draw == 1) && len(out[r]) < WINDOW;
    if
    :: may && !ended[SENDERS + r] && !left[SENDERS + r] && !told[r] && len(buf[0]) > 0 ->
        assert(work_goes_to_who_waits || recs == 1 || draw == 1 || dead[SENDERS + r] ||
               rs[r] == WAITS || rs[r] == ENDED);
        give(r)
    :: else
    fi
}

inline tell_closed(r)
{
    found = len(buf[0]) + len(pend[0]);
    for (ax : 0 .. RECEIVERS - 1) {
#ifdef BUG_CLOSED_PREFETCH
        skip
#else
        found = found + (ax != r -> len(out[ax]) : 0)
#endif
    }
    if
    :: (closed || broken) && found == 0 && !told[r] && !ended[SENDERS + r] && !left[SENDERS + r] && (!IS_OFFERER(r) || wait_[r]) ->
        told[r] = true;
        wait_[r] = false;
        down[SENDERS + r] ! DELIVER_CLOSED(0)
    :: else
    fi
}

/* Sending ends: processes, and values that wait whose sender has gone */
inline count_ends()
{
    live = 0;
    recs = 0;
    for (ax : 0 .. SENDERS - 1) {
        live = live + !ended[ax]
    }
    for (ax : 0 .. RECEIVERS - 1) {
        recs = recs + !ended[SENDERS + ax]
    }
#ifndef BUG_ORPHANS
    live = live + len(pend[0])
#endif
}

inline settle()
{
    do
    :: again = false;
        count_ends();
        if
        :: live == 0 && !closed -> closed = true; again = true; refuse()
        :: else
        fi;
        if
        :: recs == 0 && !broken ->
            broken = true;
            again = true;
            refuse();
            do
            :: len(buf[0]) > 0 -> buf[0] ? ox, vx; lost = lost | (1 << vx)
            :: else -> break
            od
        :: else
        fi;
        for (rx : 0 .. RECEIVERS - 1) {
            deliver((draw == 2 -> RECEIVERS - 1 - rx : rx))
        }
        do
#ifdef BUG_CAPACITY
        :: len(buf[0]) <= CAPACITY && len(pend[0]) > 0 && !closed && !broken ->
#else
        :: len(buf[0]) < CAPACITY && len(pend[0]) > 0 && !closed && !broken ->
#endif
            pend[0] ? vx;
            seq_ = seq_ + 1;
            buf[0] ! seq_, vx;
            committed[SENDER_OF(vx)] = committed[SENDER_OF(vx)] + 1;
            again = true
        :: else -> break
        od;
        assert(capacity_exact || len(buf[0]) <= CAPACITY + returned);
        if
        :: again
        :: else -> break
        fi
    od;
    for (rx : 0 .. RECEIVERS - 1) {
        tell_closed(rx)
    }
    for (sx : 0 .. SENDERS - 1) { /* at the latest when all of them are in, or earlier */
        pending(sx);
        if
#ifdef BUG_ROOM
        :: !ended[sx] && !epipe[sx] && roomed[sx] != seen_put[sx] ->
            roomed[sx] = seen_put[sx];
            down[sx] ! ROOM(seen_put[sx])
#else
        :: !found || draw == 1 -> say_room(sx)
#endif
        :: else
        fi
    }
}

/* A receiving stream ends: what was not taken, by the page, goes back to its place */
inline end_receiver(r)
{
#ifdef BUG_PAGE
    num = known[r];
#else
    num = page[r];
#endif
    taken(r, num);
    hx[r] = hx[r] && !dead[SENDERS + r];
    do
    :: len(out[r]) > 0 ->
        out[r] ? ox, vx;
        returned = returned + 1;
        last[0] = 0;
#if RECEIVERS > 1
        last[1] = 0;
#endif
#ifdef BUG_RETURN_ORDER
        buf[0] ! ox, vx
#else
        buf[0] !! ox, vx
#endif
    :: else -> break
    od
}

/* A sender goes: its values that wait stay and hold its end */
inline end_values(s)
{
    skip;
#ifdef BUG_ORPHANS_DROPPED
    for (ax : 1 .. len(pend[0])) {
        pend[0] ? vx;
        if
        :: SENDER_OF(vx) != s -> pend[0] ! vx
        :: else
        fi
    }
#endif
}

inline on_sender(s)
{
    up[s] ? type, arg, num;
    if
    :: type == PUT && !closed && !broken ->
        assert(puts_go_on || arg == seen_put[s]);
        assert(window_kept || arg + num - roomed[s] <= WINDOW);
        for (ax : 0 .. num - 1) {
            vx = s * VALUES + arg + ax;
            pend[0] ! vx
        }
        seen_put[s] = arg + num
    :: type == BYE -> ended[s] = true; end_values(s)
    :: type == LEAVE -> left[s] = true; end_values(s) /* its end stays */
    :: type == CLOSE -> shut = true; closed = true; refuse()
    :: else
    fi
}

inline on_receiver(r)
{
#ifndef BUG_CHAN_AT_TOOK
    if
    :: !IS_OFFERER(r) && out[r] ?? [_, 0] -> taken(r, page[r]) /* an attached channel is out: look at the page first */
    :: else
    fi;
#endif
    up[SENDERS + r] ? type, arg, num;
    if
    :: type == TOOK || type == TOOK_WAIT ->
        taken(r, arg);
#ifdef BUG_WAIT_STALE
        wait_[r] = type == TOOK_WAIT || wait_[r]
#elif defined(BUG_WAIT_LOST)
        wait_[r] = type == TOOK_WAIT && len(buf[0]) > 0 && arg == given[r]
#else
        wait_[r] = type == TOOK_WAIT && arg == given[r] || wait_[r]
#endif
    :: type == OFFER -> wait_[r] = true
    :: type == DROP -> ended[SENDERS + r] = true; end_receiver(r)
    :: type == LEAVE -> /* its end stays */
        left[SENDERS + r] = true;
        wait_[r] = false;
#ifndef BUG_LEAVE_KEEPS
        end_receiver(r)
#endif
    :: type == using -> assert(attached_may_be_used || hx[r])
    fi
}

inline bury(p)
{
    if
    :: p < SENDERS -> end_values(p)
    :: else ->
        rx = p - SENDERS;
        if
        :: !ended[p] && !left[p] -> end_receiver(rx)
        :: else
        fi;
        wait_[rx] = false;
        hx[rx] = false;
        /* a value taken and not used, or committed and not read, went with it */
        do
        :: len(down[p]) > 0 ->
            down[p] ? type, vx;
            lost = lost | (type == COMMIT -> 1 << vx : 0)
        :: else -> break
        od;
        if
        :: hand[rx] -> lost = lost | (1 << (hand[rx] - 1)); hand[rx] = 0
        :: else
        fi
    fi;
    ended[p] = true;
    buried[p] = true
}

#ifdef BUG_UNDRAINED
#define GONE(p) (dead[p] && !buried[p])
#else
#define GONE(p) (dead[p] && !buried[p] && len(up[p]) == 0)
#endif

active proctype broker()
{
    byte who;
end:
    do
    :: atomic {
            if
            :: len(up[0]) > 0
            :: len(up[1]) > 0 -> who = 1
#if NP > 2
            :: len(up[2]) > 0 -> who = 2
#endif
#if NP > 3
            :: len(up[3]) > 0 -> who = 3
#endif
#if DEATHS > 0
            :: GONE(0) -> who = NP
            :: GONE(1) -> who = NP + 1
#if NP > 2
            :: GONE(2) -> who = NP + 2
#endif
#if NP > 3
            :: GONE(3) -> who = NP + 3
#endif
#endif
            fi;
            if
            :: draw = 0 /* nothing beyond what must be */
            :: draw = 1 /* deliver ahead, ROOM early */
#if RECEIVERS > 1
            :: draw = 2 /* the other receiver first */
#endif
            fi;
            d_step {
                if
                :: who >= NP -> bury((who - NP))
                :: who < SENDERS -> on_sender(who)
                :: else -> on_receiver((who - SENDERS))
                fi;
                settle();
                draw = 0;
                who = 0
            }
        }
    od
}
