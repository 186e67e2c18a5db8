/* SPDX-License-Identifier: MPL-2.0 */
/* The broker of pairs.pml, which includes it: section 15 of docs/protocol.md, and the mutants, -DBUG_...
 *
 * Decision: one variable, `mode`, says how far the channel's pair is; what each event makes of it is written with that event.
 * An introduction begins at any time at which section 15 allows one. All variables but `who` are scratch within one step. */

#define JOINT (mode == joined || mode == orphaned || mode == recalling)

inline say_to_receiver(what, a)
{
    if
    :: !ended[whose + 1] && streams_[whose] -> down[whose + 1] ! what(a, 0)
    :: else
    fi
}

/* The pair is taken back. `by`: the line that asked for it with UNPAIR, or NOBODY */
inline recall(by)
{
    if
    :: mode == binding ->
        revoked[gen] = true;
        say_to_receiver(RECALL, gen);
        mode = hosted
    :: mode == connecting || mode == joined ->
#ifndef BUG_NOT_REVOKED
        revoked[gen] = true;
#endif
#ifndef BUG_RECEIVER_UNTOLD
        say_to_receiver(RECALL, gen);
#endif
        if
        :: by == NOBODY -> down[0] ! RECALL(gen, taken[gen])
        :: else
        fi;
#ifdef BUG_RECALLED_AT_ONCE
        mode = hosted
#else
        mode = recalling
#endif
    :: else
    fi
}

inline refuse()
{
    do
    :: len(pend[0]) > 0 -> pend[0] ? vx, num; lost = lost | (num && broken -> 1 << vx : 0)
    :: else -> break
    od;
    if
    :: !ended[0] && !epipe -> epipe = true; down[0] ! ROOM(committed + EPIPE, 0)
    :: else
    fi;
    if
    :: offered -> offered = false; down[OTHER] ! COMMIT(EPIPE, 0)
    :: else
    fi
}

inline taken_by(r, c)
{
    do
    :: known[r] < c -> out[r] ? vx; known[r]++
    :: else -> break
    od
}

/* Values in the channel that are not known to be taken; of an orphan's by its page */
inline count_inside()
{
    num = len(buf[0]) + len(out[0]);
#if RECEIVERS > 1
    num = num + len(out[1]);
#endif
#ifndef BUG_LEFT_FORGOTTEN
    num = num + (mode == leftover -> drained_ - taken[gen] : 0)
#endif
}

inline deliver(r)
{
    if
    :: streams_[r] && !ended[r + 1] && !told[r] && len(buf[0]) > 0 && (wait_[r] || recs == 1 && len(out[r]) < PREFETCH) ->
        buf[0] ? vx;
        assert(nothing_after_closed || !told[r]);
        out[r] ! vx;
        given[r]++;
        wait_[r] = false;
        again = true;
        down[r + 1] ! DELIVER(vx, 0)
    :: else
    fi
}

inline tell_closed(r)
{
    found = len(buf[0]) + len(pend[0]);
#if RECEIVERS > 1
    found = found + len(out[1 - r]);
#endif
    if
    :: (closed || broken) && !found && !told[r] && streams_[r] && !ended[r + 1] ->
        told[r] = true;
        down[r + 1] ! DELIVER_CLOSED(0, 0)
    :: else
    fi
}

#ifdef BUG_ADMITS
#define OTHERS_ADMITTED true
#else
#define OTHERS_ADMITTED (!JOINT && mode != connecting)
#endif
#ifdef BUG_CLOSE_EARLY
#define MAY_CLOSE true
#else
#define MAY_CLOSE (!JOINT && mode != connecting)
#endif

inline settle()
{
    mode = (mode == leftover && (drained_ == taken[gen] || ended[whose + 1]) -> hosted : mode);
    do
    :: again = false;
        recs = !ended[1] + (RECEIVERS > 1 && !ended[2]);
        live = !ended[0] + (OTHERS && !ended[OTHER]) + len(pend[0]) + (mode == orphaned);
        if
        :: recs == 0 && !broken ->
            broken = true;
            again = true;
            recall(NOBODY);
            refuse();
            do
            :: len(buf[0]) > 0 -> buf[0] ? vx; lost = lost | (1 << vx)
            :: else -> break
            od
        :: else
        fi;
        if
        :: (shut || live == 0) && !closed && MAY_CLOSE -> closed = true; again = true; refuse()
        :: else
        fi;
        deliver(0);
#if RECEIVERS > 1
        deliver(1);
#endif
        do
        :: len(pend[0]) > 0 && !closed && !broken ->
            count_inside();
            if
            :: num < CAPACITY ->
                pend[0] ? vx, cx;
                buf[0] ! vx;
                committed++;
                inside = inside + !cx;
                again = true
            :: else -> break
            fi
        :: else -> break
        od;
        count_inside();
        if
        :: offered && len(pend[0]) == 0 && num < CAPACITY && OTHERS_ADMITTED && !closed && !broken ->
            offered = false;
            buf[0] ! THE_OTHERS;
            inside++;
            again = true;
            down[OTHER] ! COMMIT(0, 0)
        :: else
        fi;
        assert(capacity_exact || dead[0] && (!buried[0] || mode == orphaned) || inside <= CAPACITY);
        if
        :: again
        :: else -> break
        fi
    od;
    if
    :: roomed != committed && !ended[0] && !epipe -> roomed = committed; down[0] ! ROOM(committed, 0)
    :: else
    fi;
    if
    :: (mode == joined || mode == orphaned || mode == leftover) && !direct_told && !ended[whose + 1] &&
#ifndef BUG_DIRECT_EARLY
        len(buf[0]) == 0 && len(pend[0]) == 0 &&
#endif
        true ->
        direct_told = true;
        wait_[whose] = false;
        down[whose + 1] ! DELIVER_DIRECT(0, 0)
    :: else
    fi;
    tell_closed(0);
#if RECEIVERS > 1
    tell_closed(1)
#endif
}

/* What was out goes back to the front, in its order */
inline end_receiver(r)
{
    num = slot[r];
    taken_by(r, num);
    num = len(buf[0]);
    do
    :: len(out[r]) > 0 -> out[r] ? vx; buf[0] ! vx; num = num + 128
    :: else -> break
    od;
    cx = num & 127;
    do
    :: cx > 0 -> buf[0] ? vx; buf[0] ! vx; cx--
    :: else -> break
    od;
    ended[r + 1] = true;
    given[r] = slot[r];
    wait_[r] = false;
    if
    :: whose == r && (mode == binding || mode == connecting || mode == joined) -> recall(NOBODY)
    :: whose == r && (mode == orphaned || mode == leftover) -> mode = hosted; recount()
    :: else
    fi
}

#ifdef BUG_STALE
#define OF_NOW true
#else
#define OF_NOW (arg == gen)
#endif

inline on_sender()
{
    up[0] ? type, arg, num;
    if
    :: type == PUT || type == PUT_BACK ->
        assert(puts_go_on || arg == seen);
        seen++;
#ifndef BUG_BACK_UNLOOKED
        if
        :: type == PUT_BACK && !ended[whose + 1] -> cx = slot[whose]; taken_by(whose, cx)
        :: else
        fi;
#endif
        if
        :: closed || broken -> lost = lost | (type == PUT_BACK && broken -> 1 << num : 0)
        :: else -> pend[0] ! num, type == PUT_BACK
        fi
    :: type == JOINED && OF_NOW && mode == connecting ->
        assert(puts_go_on || num == seen);
        mode = joined
    :: type == UNPAIR ->
        if
        :: mode == joined ->
            recall(0);
            down[0] ! ANSWER(0, taken[gen])
        :: mode == recalling -> down[0] ! ANSWER(0, taken[gen])
        :: else -> down[0] ! ENOENT(0, 0)
        fi
    :: type == RECALLED && OF_NOW && mode == recalling -> mode = hosted
    :: type == BYE ->
        ended[0] = true;
        end_sender()
    :: else
    fi
}

/* What is in the channel, after a death that may have lost some */
inline recount()
{
    inside = len(buf[0]) + given[0] - slot[0];
#if RECEIVERS > 1
    inside = inside + given[1] - slot[1];
#endif
    inside = inside + (mode == leftover -> drained_ - taken[gen] : 0);
    for (ax : 1 .. len(pend[0])) {
        pend[0] ? vx, cx; pend[0] ! vx, cx;
        inside = inside + cx
    }
}

/* Its stream has ended, and whatever it had sent was read */
inline end_sender()
{
    if
    :: mode == binding -> recall(NOBODY)
#ifndef BUG_ORPHAN_UNJOINED
    :: mode == connecting -> revoked[gen] = true; say_to_receiver(RECALL, gen); mode = hosted
#endif
#ifndef BUG_RECALLED_NEVER
    :: mode == recalling -> mode = hosted
#endif
    :: (mode == joined || mode == connecting) && ended[whose + 1] -> mode = hosted
    :: mode == joined || mode == connecting ->
        for (ax : 1 .. len(came)) {
            came ? vx; came ! vx;
            came_for_good = came_for_good | (vx == GREET -> 0 : 1 << vx)
        }
#ifdef BUG_ORPHAN_DROPPED
        revoked[gen] = true;
        say_to_receiver(RECALL, gen);
        mode = hosted
#else
        mode = orphaned;
        down[whose + 1] ! ORPHAN(gen, 0)
#endif
    :: else
    fi
}

inline on_receiver(r)
{
    up[r + 1] ? type, arg, num;
    if
    :: type == TOOK -> taken_by(r, arg)
    :: type == TOOK_WAIT -> taken_by(r, arg); wait_[r] = wait_[r] || arg == given[r] && !(direct_told && whose == r && mode == joined)
    :: type == STREAM -> streams_[r] = true; recall(NOBODY)
    :: type == DROP -> end_receiver(r)
    :: type == BOUND && OF_NOW && mode == binding ->
        num = slot[r];
        taken_by(r, num);
        c_taken = num;
        c_read = seen;
        c_values = len(buf[0]) + len(pend[0]) + len(out[r]);
        mode = connecting;
        down[0] ! CONNECT(gen, 0)
    :: type == DRAINED && OF_NOW && mode == orphaned -> drained_ = num; mode = leftover; recount()
    :: else
    fi
}

inline on_other()
{
    up[OTHER] ? type, arg, num;
    if
    :: type == OFFER && (closed || broken) -> down[OTHER] ! COMMIT(EPIPE, 0)
    :: type == OFFER -> offered = true; recall(NOBODY)
    :: type == CLOSE -> shut = true; recall(NOBODY)
    :: type == BYE -> ended[OTHER] = true
    fi
}

inline bury(p)
{
    if
    :: p == 0 -> ended[0] = true; end_sender(); recount()
    :: else ->
        if
        :: !ended[p] -> rx = p - 1; end_receiver(rx)
        :: else
        fi;
        do
        :: len(down[p]) > 0 -> down[p] ? type, arg, num
        :: else -> break
        od;
        if
        :: hand[p - 1] -> lost = lost | (1 << (hand[p - 1] - 1)); hand[p - 1] = 0
        :: else
        fi
    fi;
    buried[p] = true
}

#define GONE(p) (dead[p] && !buried[p] && len(up[p]) == 0)
#if RECEIVERS > 1
#define ONE_RECEIVER ((streams_[0] && !ended[1]) + (streams_[1] && !ended[2]) == 1)
#else
#define ONE_RECEIVER (streams_[0] && !ended[1])
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
#if RECEIVERS > 1
            :: len(up[2]) > 0 -> who = 2
#endif
#if OTHERS > 0
            :: len(up[3]) > 0 -> who = 3
#endif
#if DEATHS > 0
            :: GONE(0) -> who = LINES
            :: GONE(1) -> who = LINES + 1
#if RECEIVERS > 1
            :: GONE(2) -> who = LINES + 2
#endif
#endif
            :: mode == hosted && gen < GENERATIONS && !calm && ONE_RECEIVER && !ended[0] && !closed && !broken && !shut &&
               !offered -> who = 9
            fi;
            d_step {
                if
                :: who == 0 -> on_sender()
                :: who == OTHER -> on_other()
                :: who == 9 ->
                    gen++;
                    whose = (streams_[0] && !ended[1] -> 0 : 1);
                    direct_told = false;
                    mode = binding;
                    down[whose + 1] ! BIND(gen, 0)
                :: who >= LINES && who != 9 -> bury((who - LINES))
                :: else -> on_receiver((who - 1))
                fi;
                settle();
                who = 0
            }
        }
    od
}
