/* SPDX-License-Identifier: MPL-2.0 */
/* The broker of leases.pml, which includes it: sections 16 and 17 of docs/protocol.md, and the mutants, -DBUG_...
 *
 * Decision: what is delivered and not taken stands in a queue for each stream, all else in masks; so where a value is,
 * and that it is in one place only, can be asserted after every event. */

#define all_ids() (BIT(next_) - 1)

#ifdef SUCCESSOR
#define FOLLOWS true
#ifdef BUG_STANDING_COUNTS
#define STANDS(w) false
#else
#define STANDS(w) ((w) == 1 && !ended[0])
#endif
#else
#define FOLLOWS false
#define STANDS(w) false
#endif

/* ---- where values are -------------------------------------------------------------------------------------------- */

/* mx := what is delivered to worker w and not known to be taken */
inline prefetched(w)
{
    mx = 0;
    for (ax : 1 .. len(out[w])) {
        out[w] ? vx;
        out[w] ! vx;
        mx = mx | BIT(vx)
    }
}

/* What the page of worker w says is taken: leased to it, or done where the channel has no leases */
inline look(w)
{
    do
    :: known[w] < page[w] ->
        out[w] ? vx;
        known[w] = known[w] + 1;
        if
        :: LEASED -> leased[w] = leased[w] | BIT(vx)
        :: else -> settled = settled | BIT(vx)
        fi
    :: else -> break
    od
}

/* A value that can go to nobody any more */
inline give_up(v)
{
    gave = gave | BIT(v)
}

inline dead_letter(v, refused)
{
    assert(attempts_are_given || refused || was_begun(v, ATTEMPTS));
#ifdef LETTERS
#ifdef BUG_LETTER_DROPPED
    if
    :: nfull(deadbuf) -> deadbuf ! v
    :: else
    fi
#else
    letters ! v
#endif
#else
    give_up(v)
#endif
}

/* Who was told CLOSED without LEASE was told that nothing comes any more */
inline comes_back(c)
{
    for (cx : 0 .. WORKERS - 1) {
        assert(nothing_after_closed || IN(cx) != c || !told[cx] || broken[c])
    }
}

/* A lease ends without the value being done: back in its place, after a while, or a dead letter */
inline give_back(c, v, later)
{
    if
#ifdef BUG_ATTEMPTS
    :: tries[v] > ATTEMPTS - 1 -> dead_letter(v, false)
#else
    :: tries[v] + 1 >= ATTEMPTS -> dead_letter(v, false)
#endif
    :: else ->
        comes_back(c);
#ifndef BUG_UNTRIED
        tries[v] = tries[v] + 1;
#endif
        if
        :: later -> boff[c] = boff[c] | BIT(v)
        :: else -> buf[c] = buf[c] | BIT(v)
        fi
    fi
}

/* A new value, on the channel that worker w sends on, or the seed */
inline enter(c)
{
    if
    :: closed[c] || broken[c] -> skip /* never sent */
    :: else ->
        buf[c] = buf[c] | BIT(next_);
        next_++
    fi
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* What was staged for the values m goes on */
inline put_out(w, m)
{
    assert(one_step || !(m & ~staged_ack) && !(m & visible));
    visible = visible | m;
#if CYCLE > 0
    enter(OUT(w));
#else
    assert(output_end_is_held || !log_closed)
#ifdef ORDERED
    ;
    lowest(m);
    assert(order_is_kept || lo >= lastout);
    lastout = lo + 1
#endif
#endif
}

inline say_room(w)
{
#ifdef ROOMS
    down[w] ! ROOM(0, 0)
#else
    skip
#endif
}

#ifdef ORDERED
/* ux := what is not settled, or only parked: which the output of later ones waits for */
inline unsettled()
{
    ux = buf[0] | boff[0];
#ifdef BUG_RETURNED_IS_DONE
    ux = 0;
#endif
    for (cx : 0 .. WORKERS - 1) {
        prefetched(cx);
#ifdef BUG_FRONTIER
        if
        :: mx -> out[cx] ? <vx>; mx = BIT(vx)
        :: else
        fi;
#endif
        ux = ux | mx | leased[cx]
    }
    for (cx : 0 .. TOTAL - 1) {
        ux = ux | (parked[cx] -> BIT(cx) : 0)
    }
}

inline unpark()
{
    unsettled();
    lowest(ux);
    if
    :: lo < TOTAL && parked[lo] ->
        mx = parked[lo];
        wx = parker[lo];
        parked[lo] = 0;
        parker[lo] = 0;
#ifdef BUG_ROOM_WHEN_UNPARKED
        if
        :: !ended[wx] -> say_room(wx)
        :: else
        fi;
#endif
        put_out(wx, mx);
        wx = 0;
        again = true
    :: else
    fi
}
#endif

/* ---- delivering -------------------------------------------------------------------------------------------------- */

#ifdef BUG_IDLE_STALE
#define idle_stays(w) idle_[w]
#else
#define idle_stays(w) false
#endif

inline deliver(w)
{
    look(w);
    lowest(buf[IN(w)]);
    may = buf[IN(w)] && attached[w] && !ended[w] && !told[w] &&
          (wait_[w] || len(out[w]) < 2 && (draw == 1 || recs == 1) && len(out[w]) + len(down[w]) < 3);
#ifndef BUG_LETTER_PASSES
    may = may && !letter_waits;
#endif
#ifdef ORDERED
    unsettled();
    lowest(ux);
    first = lo;
    lowest(buf[0]);
#ifndef BUG_ORDERED_PASSES
    may = may && !boff[0];
#endif
    found = lo < first + SPREAD;
    for (cx : 0 .. TOTAL - 1) {
        found = found && !parked[cx] /* for 64 MiB: one value */
    }
#ifndef BUG_SPREAD_FIRST
    found = found || lo == first;
#endif
#ifndef BUG_SPREAD_BATCH
    found = found || wait_[w] && (leased[w] & BIT(first));
#endif
    may = may && found;
#endif
    if
    :: may ->
        vx = lo;
        buf[IN(w)] = buf[IN(w)] & ~BIT(vx);
        assert(acknowledged_is_gone || !(acked & BIT(vx)) || !LEASED);
        assert(letter_stops_its_source || !letter_waits);
#ifdef ORDERED
        assert(order_is_kept || !boff[0]);
#endif
        wait_[w] = false;
        idle_[w] = idle_stays(w);
        again = true;
        out[w] ! vx;
        down[w] ! DELIVER(vx, tries[vx] + 1)
    :: else
    fi
}
/* found := something of channel c is with somebody, or comes again */
inline outstanding(c)
{
    found = boff[c] != 0;
#ifdef BUG_CLOSE_BACKOFF
    found = false;
#endif
    for (cx : 0 .. WORKERS - 1) {
        found = found || IN(cx) == c && len(out[cx]) > 0;
#ifndef BUG_CLOSE_LEASED
        found = found || IN(cx) == c && leased[cx] != 0
#endif
    }
#ifdef ORDERED
    for (cx : 0 .. TOTAL - 1) {
        found = found || parked[cx] != 0
    }
#endif
    found = found || letter_waits
}

inline tell_closed(w)
{
    look(w);
    outstanding(IN(w));
    if
    :: !attached[w] || ended[w] || told[w] || !closed[IN(w)] && !broken[IN(w)] || buf[IN(w)]
    :: else ->
        if
        :: !found || broken[IN(w)] ->
            told[w] = true;
            wait_[w] = false;
            idle_[w] = false;
            down[w] ! DELIVER_CLOSED(0, 0)
#ifndef BUG_CLOSE_HOLDER
        :: found && wait_[w] && leased[w] ->
            wait_[w] = false;
            idle_[w] = false;
#ifdef BUG_CLOSE_LAST
            told[w] = true;
#endif
            down[w] ! DELIVER_CLOSED(1, 0)
#endif
        :: else
        fi
    fi
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

inline discard(c)
{
    for (ax : 0 .. TOTAL - 1) {
        if
        :: (buf[c] | boff[c]) & BIT(ax) -> give_up(ax)
        :: else
        fi
    }
    buf[c] = 0;
    boff[c] = 0
}

inline ends(c)
{
    live = 0;
    recs = 0;
    live = live + (c == 0 && !ended[SEED]);
#ifdef RESENDS
    live = live + (c == 0 && !ended[KEEPER]);
#endif
    for (ax : 0 .. WORKERS - 1) {
#ifdef BUG_SUCCESSOR_ENDS
        live = live + (CYCLE && OUT(ax) == c && !ended[ax] && attached[ax]);
        recs = recs + (IN(ax) == c && !ended[ax] && attached[ax])
#else
        live = live + (CYCLE && OUT(ax) == c && !ended[ax]);
        recs = recs + (IN(ax) == c && !ended[ax])
#endif
    }
    if
    :: live == 0 && !closed[c] -> closed[c] = true; again = true
    :: else
    fi;
    if
    :: recs == 0 && !broken[c] -> broken[c] = true; again = true
    :: else
    fi;
    if
    :: broken[c] ->
        assert(given_up_for_cause || !FOLLOWS || ended[0] && ended[1]);
        discard(c)
    :: else
    fi
}

/* The ends of the log, and of the channel of dead letters */
inline other_ends()
{
    found = false;
    for (ax : 0 .. WORKERS - 1) {
        found = found || !ended[ax]
    }
#if defined(ORDERED) && !defined(BUG_PARKED_END)
    for (ax : 0 .. TOTAL - 1) {
        found = found || parked[ax] != 0
    }
#endif
    log_closed = log_closed || !found;
#ifdef LETTERS
    outstanding(0);
#ifdef BUG_LETTER_END
    found = letter_waits;
#endif
    found = found || !closed[0] && !broken[0] || buf[0] || letter_waits;
    dead_closed = dead_closed || !found;
    if
    :: letter_waits && (dead_broken || dead_closed) ->
        assert(given_up_for_cause || dead_broken);
        letters ? vx;
        give_up(vx);
        again = true
    :: letter_waits && !dead_broken && !dead_closed && nfull(deadbuf) ->
        letters ? vx;
        deadbuf ! vx;
#ifdef RESENDS
        kwait = false;
        kgiven = kgiven + 1;
#endif
        again = true
    :: else
    fi
#endif
}

/* ---- idle -------------------------------------------------------------------------------------------------------- */

/* found := channel c has nothing that could lead to more */
inline is_quiet(c)
{
    found = !buf[c];
#ifndef BUG_IDLE_BACKOFF
    found = found && !boff[c];
#endif
    for (ax : 0 .. WORKERS - 1) {
        found = found && (IN(ax) != c || len(out[ax]) == 0 && !leased[ax]) && (OUT(ax) != c || !staged[ax])
    }
}

#ifdef BUG_IDLE_DEADLINE
#define offer_waits(w) (off[w] > 0)
#else
#define offer_waits(w) (off[w] == 1)
#endif
#ifdef BUG_IDLE_TAKE
#define hungry(w) true
#else
#define hungry(w) wait_[w]
#endif
#ifdef BUG_IDLE_LATE
#define arrives(w) false
#else
#define arrives(w) (!attached[w] && !STANDS(w))
#endif
#define empty_handed(w) (!leased[w] && !staged[w])

/* Who waits to receive, as a mask: the most that can hold together */
inline idle()
{
    quiet = 0;
    waits = 0;
    for (cx : 0 .. CHANNELS - 1) {
        is_quiet(cx);
        quiet = quiet | (found -> BIT(cx) : 0)
    }
    for (cx : 0 .. WORKERS - 1) {
        may = ended[cx] || !arrives(cx) && !attached[cx] ||
              attached[cx] && (offer_waits(cx) && hungry(cx) || idle_[cx] && empty_handed(cx));
#ifndef BUG_IDLE_ALONE
        may = may && (ended[cx] || !attached[cx] || (quiet & BIT(IN(cx))));
#endif
        waits = waits | (may -> BIT(cx) : 0)
    }
#ifdef BUG_IDLE_BLIND
    waits = 0;
#endif
#if CYCLE == 2 && !defined(BUG_IDLE_ALONE)
    /* worker 1 receives what worker 0 sends, and that what worker 1 sends and the seed */
    waits = (ended[SEED] || ended[0] || !attached[0] -> waits : waits & ~1);
    waits = ((waits & 1) || ended[1] || !attached[1] -> waits : 0);
    waits = ((waits & 2) || ended[0] || !attached[0] -> waits : 0);
#endif
    may = ended[SEED] && (quiet & 1);
#ifdef BUG_IDLE_SETTINGS
    may = may && ended[KEEPER]; /* somebody could send it dead letters: the settings of this very channel */
#elif defined(RESENDS) && !defined(BUG_IDLE_LETTERS)
    may = may && (ended[KEEPER] || kwait && !letter_waits);
#endif
    for (cx : 0 .. WORKERS - 1) {
        may = may && (OUT(cx) != 0 || (waits & BIT(cx)))
    }
    if
    :: may && !closed[0] && !broken[0] ->
        closed[0] = true;
        idle_closed[0] = true;
        again = true
    :: else
    fi
}

/* ---- the broker's step ------------------------------------------------------------------------------------------- */

inline accounted()
{
    ux = settled | gave | kept;
    for (cx : 0 .. WORKERS - 1) {
        prefetched(cx);
        assert(value_is_not_lost || !(ux & mx));
        ux = ux | mx;
        assert(value_is_not_lost || !(ux & leased[cx]));
        ux = ux | leased[cx]
    }
    for (cx : 0 .. CHANNELS - 1) {
        assert(value_is_not_lost || !(ux & buf[cx]));
        ux = ux | buf[cx];
        assert(value_is_not_lost || !(ux & boff[cx]));
        ux = ux | boff[cx]
    }
#ifdef LETTERS
    for (cx : 1 .. len(letters)) {
        letters ? vx;
        letters ! vx;
        ux = ux | BIT(vx)
    }
    for (cx : 1 .. len(deadbuf)) {
        deadbuf ? vx;
        deadbuf ! vx;
        ux = ux | BIT(vx)
    }
#endif
    assert(value_is_not_lost || ux == all_ids())
}

inline settle()
{
    do
    :: again = false;
        other_ends();
        for (bx : 0 .. CHANNELS - 1) {
            ends(bx);
            for (wx : 0 .. WORKERS - 1) {
                if
                :: IN((draw == 2 -> WORKERS - 1 - wx : wx)) == bx -> deliver((draw == 2 -> WORKERS - 1 - wx : wx))
                :: else
                fi
            }
        }
#ifdef ORDERED
        unpark();
#endif
        if
        :: again -> skip
        :: else ->
            for (wx : 0 .. WORKERS - 1) {
                tell_closed(wx)
            }
#if CYCLE > 0
            idle();
#endif
            if
            :: again
            :: else -> break
            fi
        fi
    od;
    accounted()
}

/* A lease of worker w is settled for good */
inline done(w, m)
{
    settled = settled | (leased[w] & m);
    leased[w] = leased[w] & ~m
}

inline on_worker(w, l)
{
    up[l] ? type, arg;
    if
    :: type == HELLO -> attached[w] = true
    :: type == PUT -> enter(OUT(w))
    :: type == PUT_STAGED ->
#ifdef BUG_STAGED_VISIBLE
        put_out(w, arg)
#else
        staged[w] = staged[w] | arg
#endif
    :: type == ACK ->
#ifndef BUG_UNLOOKED
        look(w);
#endif
        done(w, arg);
#ifdef BUG_STAGED_OTHER
        staged[w] = 0
#else
        staged[w] = (l == w -> 0 : staged[w]) /* what another line staged is that line's */
#endif
    :: type == ACK_STAGED ->
#ifndef BUG_UNLOOKED
        look(w);
#endif
        mx = leased[w] & arg;
        if
#ifndef BUG_LATE_ACK
        :: mx != arg -> /* one has gone: none of it */
            staged[w] = 0;
            acked = acked & ~mx;
            staged_ack = staged_ack & ~(arg & ~visible);
            for (bx : 0 .. TOTAL - 1) {
                if
                :: mx & BIT(bx) -> leased[w] = leased[w] & ~BIT(bx); give_back(IN(w), bx, false)
                :: else
                fi
            }
            say_room(w)
#endif
        :: else ->
            assert(one_step || mx == arg);
            done(w, arg);
            mx = staged[w];
            staged[w] = 0;
#if defined(ORDERED) && !defined(BUG_UNPARKED)
            lowest(mx);
            parked[lo] = mx;
            parker[lo] = w;
#ifndef BUG_ROOM_WHEN_UNPARKED
            say_room(w)
#endif
#else
            put_out(w, mx);
            say_room(w)
#endif
        fi
    :: type == SETTLE ->
        look(w);
        acked = acked | leased[w];
        done(w, leased[w])
    :: type == NACK ->
        look(w);
        lowest(arg);
        if
        :: leased[w] & BIT(lo) ->
            leased[w] = leased[w] & ~BIT(lo);
            if
            :: arg >= 128 -> dead_letter(lo, true)
#ifdef BUG_UNREAD_TRIED
            :: arg >= 64 && arg < 128 -> give_back(IN(w), lo, false)
#else
#ifdef BUG_UNREAD_LETTER
            :: arg >= 64 && arg < 128 && tries[lo] + 1 >= ATTEMPTS -> dead_letter(lo, false)
            :: arg >= 64 && arg < 128 && tries[lo] + 1 < ATTEMPTS ->
#else
            :: arg >= 64 && arg < 128 ->
#endif
#ifdef BUG_UNREAD_ANEW
                tries[lo] = 0;
#endif
                comes_back(IN(w));
                buf[IN(w)] = buf[IN(w)] | BIT(lo)
#endif
            :: else -> give_back(IN(w), lo, true)
            fi
#ifdef BUG_UNREAD_LATE
        :: !(leased[w] & BIT(lo)) && arg >= 64 && arg < 128 -> buf[IN(w)] = buf[IN(w)] | BIT(lo)
#endif
        :: else
        fi;
#ifndef BUG_STAGED_KEPT
        staged[w] = 0
#endif
    :: type == TOOK_WAIT || type == TOOK_IDLE ->
        look(w);
#ifdef BUG_WAIT_STALE
        mx = 1;
#else
        mx = arg == known[w] + len(out[w]);
#endif
        idle_[w] = mx && type == TOOK_IDLE;
        wait_[w] = mx || wait_[w]
    :: type == OFFER -> off[w] = arg
    :: type == WITHDRAW -> off[w] = 0
    :: type == BYE || type == REAPED -> end_worker(w)
    fi
}

/* The end of a worker: what is leased to it, and what it had not taken, is the channel's again */
inline end_worker(w)
{
    ended[w] = true;
    wait_[w] = false;
    idle_[w] = false;
    off[w] = 0;
    look(w);
    do
    :: len(out[w]) > 0 ->
        out[w] ? vx;
#ifdef BUG_TRY_UNTAKEN
        tries[vx] = tries[vx] + 1;
#endif
        buf[IN(w)] = buf[IN(w)] | BIT(vx)
    :: else -> break
    od;
#ifdef BUG_STAGED_AT_DEATH
    if
    :: staged[w] -> put_out(w, staged[w])
    :: else
    fi;
#endif
    staged[w] = 0;
#ifdef BUG_PARKED_DIES
    for (ax : 0 .. TOTAL - 1) {
        parked[ax] = (parker[ax] == w -> 0 : parked[ax])
    }
#endif
#ifndef BUG_DEATH_KEEPS
    for (ax : 0 .. TOTAL - 1) {
        if
        :: leased[w] & BIT(ax) -> give_back(IN(w), ax, false)
        :: else
        fi
    }
    leased[w] = 0;
#endif
    known[w] = page[w]
}

inline bury(p)
{
    buried[p] = true;
    if
    :: p < WORKERS && !ended[p] -> end_worker(p)
    :: else -> ended[p] = true
    fi;
#ifdef LETTERS
    if
    :: p == KEEPER ->
        dead_broken = true;
        do
        :: len(deadbuf) > 0 -> deadbuf ? vx; give_up(vx)
        :: else -> break
        od
    :: else
    fi;
#endif
    do
    :: p < WORKERS && len(down[p]) > 0 -> down[p] ? type, vx, tr
    :: else -> break
    od
}

#ifdef BUG_UNDRAINED
#define GONE(p) (dead[p] && !buried[p])
#else
#ifdef THREAD
#define GONE(p) (dead[p] && !buried[p] && len(up[p]) == 0 && (p != 0 || len(up[THREAD_LINE]) == 0))
#else
#define GONE(p) (dead[p] && !buried[p] && len(up[p]) == 0)
#endif
#endif
#define TIME 32 /* + a channel, of which the back-off of a value is over */
#define BURY 16

active proctype broker()
{
    byte who;
end:
    do
    :: atomic {
            if
            :: len(up[0]) > 0
            :: len(up[1]) > 0 -> who = 1
#if LINES > 2
            :: len(up[2]) > 0 -> who = 2
#endif
#if LINES > 3
            :: len(up[3]) > 0 -> who = 3
#endif
#if DEATHS > 0
            :: GONE(0) -> who = BURY
            :: GONE(1) -> who = BURY + 1
#if NP > 2
            :: GONE(2) -> who = BURY + 2
#endif
#if NP > 3
            :: GONE(3) -> who = BURY + 3
#endif
#endif
            :: boff[0] -> who = TIME
#if CHANNELS > 1
            :: boff[1] -> who = TIME + 1
#endif
            fi;
            if
            :: draw = 0 /* nothing beyond what must be */
            :: draw = 1 /* deliver ahead */
            :: WORKERS > 1 && CYCLE < 2 -> draw = 2 /* the other worker first */
            fi;
            d_step {
                if
                :: who >= TIME ->
                    lowest(boff[who - TIME]);
                    comes_back((who - TIME));
                    boff[who - TIME] = boff[who - TIME] & ~BIT(lo);
                    buf[who - TIME] = buf[who - TIME] | BIT(lo)
                :: who >= BURY && who < TIME -> bury((who - BURY))
#ifdef THREAD
                :: who == THREAD_LINE -> on_worker(0, THREAD_LINE)
#endif
                :: who < WORKERS -> on_worker(who, who)
                :: who == SEED ->
                    up[SEED] ? type, arg;
                    if
                    :: type == PUT -> enter(0)
                    :: else -> ended[SEED] = true
                    fi
#ifdef LETTERS
                :: who == KEEPER ->
                    up[KEEPER] ? type, arg;
                    ended[KEEPER] = ended[KEEPER] || type == BYE;
#ifdef RESENDS
                    kwait = type == TOOK_IDLE && arg == kgiven;
                    if
                    :: type == PUT -> enter(0)
                    :: else
                    fi
#endif
#endif
                fi;
                settle();
                who = 0
            }
        }
    od
}
