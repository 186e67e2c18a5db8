/* SPDX-License-Identifier: MPL-2.0 */
/* The rule of section 12 of docs/protocol.md: who can never move again.
 *
 * Decision: what processes do is not scripted: each makes any OFFER of one or two cases, DROPs, CLOSEs, cancels, ends or
 * fails, as often as its budget allows, and the broker may look at any moment. A call and its handling are one step,
 * for by the rule a process with a frame on its way is alive: it has no waiting offer. What is outside of the run, a
 * death, takes every verdict back: it was about the run as it was.
 *
 * Modelled: channel 0 of capacity 1, channel 1 of capacity 0; attached ends in buffers and in offers; deadlines.
 * By options: -DEXITS waits for a process's end, -DLINES two lines of a process, -DSCOPED two members of a scope, one
 * under a SHIELD, and who entered it, -DSTREAM a stream that takes, -DGUEST a guest, -DLATE one that attaches late,
 * -DDEATHS=1 a death, noticed at once and buried later, -DATTACH, and the mutants, -DBUG_...
 * Not modelled: the patience of the looks, PUT and FLUSH (as SEND), FD (as TIME), WAIT (as a receive), policy `never`.
 *
 *     spin -a -DSCOPED -DEXITS -DDEATHS=1 tests/model/deadlock.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000 */

#ifndef BUDGET
#define BUDGET 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#define NP 3 /* callers */
#ifdef LINES
#define PROC(p) ((p) == 2 -> 0 : (p)) /* the third is a line of the first's process */
#define NPROC 2
#else
#define PROC(p) (p)
#define NPROC 3
#endif
#define S_(ch) (1 << (2 * (ch)))
#define R_(ch) (2 << (2 * (ch)))
#define ALL 15

/* A case in a byte: op, channel or process, whether channel 1 is attached */
#define NONE 0
#define SEND(ch) (1 + 4 * (ch))
#define RECV(ch) (2 + 4 * (ch))
#define EXIT(q) (3 + 4 * (q))
#define SCOPE_CASE 15
#define TAKE_CASE 31 /* of the stream on channel 0 */
#define WITH(ch) (SEND(ch) + 32)
#define OP(cs) ((cs) & 3)
#define ON(cs) (((cs) >> 2) & 3)
#define IS_EXIT(cs) (OP(cs) == 3 && (cs) < 15)
#define ATTACHES(cs) ((cs) & 32)

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte no_false_alarm, deadlock_found;

byte st[NP]; /* of a caller */
#define FREE 0
#define WAITING 1
#define LATELY 2 /* announced, it has not attached */
byte end_[NPROC]; /* of a process */
#define LIVE 0
#define DEAD 1 /* killed, and not buried */
#define ENDED 2
byte budget[NP], c0[NP], c1[NP]; /* the waiting offer */
bool timed[NP];                  /* with a deadline */
byte with[NP];                   /* ends that its value holds */
byte hold[NPROC];
bool filled, shut[2], broken[2], out; /* channel 0 has a value; closed; broken; a value is delivered and not taken */
byte bufwith, outwith;              /* ends that it holds */
bool cancelled;                     /* the scope */
bool stuck[NPROC];                  /* the broker's verdict */
bool looked;
byte deaths;

/* Within one step only */
hidden byte x, y, z, k, cs, ch, al, reach, ends, back, pick;
hidden byte again, can, ok, hit;
bool draw;
byte a0, a1;
bool at;

#ifdef GUEST
#define IS_GUEST(pr) ((pr) == 2)
#else
#define IS_GUEST(pr) false
#endif
#ifdef SCOPED
#define MEMBER(pr) ((pr) > 0)
#else
#define MEMBER(pr) false
#endif
#define SHIELDS(p) ((p) == 2 && MEMBER(2)) /* in each of its offers */
#ifdef STREAM
#define TAKER 1 /* who has the stream */
#else
#define TAKER 9
#endif

#define GOES(p) (end_[PROC(p)] == LIVE && st[p] != LATELY)
#define CASE(p, i) ((i) == 0 -> c0[p] : c1[p])

/* ---- the broker: offers ------------------------------------------------------------------------------------------ */

inline wakes(p)
{
    assert(no_false_alarm || !stuck[PROC(p)]);
    st[p] = FREE;
    c0[p] = NONE;
    c1[p] = NONE;
    timed[p] = false;
    with[p] = 0;
    again = true
}

#define WAITS_FOR(p, cs_) (st[p] == WAITING && (((c0[p]) & 15) == (cs_) || ((c1[p]) & 15) == (cs_)) && c0[p] != TAKE_CASE)

/* mate := who waits on the other side of channel 1, but p */
inline find_mate(p, want)
{
    pick = NP;
    for (y : 0 .. NP - 1) {
        if
        :: y != p && end_[PROC(y)] != ENDED && WAITS_FOR(y, want) && (pick == NP || draw) -> pick = y
        :: else
        fi
    }
}

/* Case i of p's offer happens, if it can */
inline attempt(p, i)
{
    cs = CASE(p, i);
    ch = ON(cs);
    if
    :: st[p] != WAITING || cs == NONE || cs == TAKE_CASE || IS_EXIT(cs) || end_[PROC(p)] == ENDED
    :: st[p] == WAITING && cs == SCOPE_CASE ->
        if
        :: end_[1] == ENDED && end_[NPROC - 1] == ENDED -> wakes(p)
        :: else
        fi
    :: st[p] == WAITING && OP(cs) == 1 && (ch < 2) ->
        if
        :: !(hold[PROC(p)] & S_(ch)) && !IS_GUEST(PROC(p)) || shut[ch] || broken[ch] -> wakes(p)
        :: (hold[PROC(p)] & S_(ch) || IS_GUEST(PROC(p))) && !shut[ch] && !broken[ch] && ch == 0 && !filled ->
            filled = true;
            bufwith = with[p];
            wakes(p)
        :: (hold[PROC(p)] & S_(ch) || IS_GUEST(PROC(p))) && !shut[ch] && !broken[ch] && ch == 1 ->
            find_mate(p, RECV(1));
            if
            :: pick < NP -> wakes(p); wakes(pick)
            :: else
            fi
        :: else
        fi
    :: st[p] == WAITING && OP(cs) == 2 && (ch < 2) ->
        if
        :: !(hold[PROC(p)] & R_(ch)) && !IS_GUEST(PROC(p)) || broken[ch] -> wakes(p)
        :: (hold[PROC(p)] & R_(ch) || IS_GUEST(PROC(p))) && !broken[ch] && ch == 0 && filled ->
            hold[PROC(p)] = hold[PROC(p)] | bufwith;
            filled = false;
            bufwith = 0;
            wakes(p)
        :: (hold[PROC(p)] & R_(ch) || IS_GUEST(PROC(p))) && !broken[ch] && !(ch == 0 && filled) && shut[ch] && !(ch == 0 && out) -> wakes(p)
        :: else
        fi
    :: else
    fi
}

/* What is held: by processes, by the value in the buffer, in offers, delivered */
inline settle()
{
    do
    :: again = false;
        ends = (filled -> bufwith : 0) | (out -> outwith : 0);
        for (x : 0 .. NP - 1) {
            ends = ends | hold[PROC(x)] | (st[x] == WAITING -> with[x] : 0)
        }
        for (k : 0 .. 1) {
            if
            :: !shut[k] && !(ends & S_(k)) -> shut[k] = true; again = true
            :: else
            fi;
            if
            :: !broken[k] && !(ends & R_(k)) ->
                broken[k] = true;
                again = true;
                if
                :: k == 0 -> filled = false; bufwith = 0
                :: else
                fi
            :: else
            fi
        }
        for (z : 0 .. NP - 1) {
            x = (draw -> NP - 1 - z : z);
            attempt(x, 0);
            attempt(x, 1)
        }
#ifdef STREAM
        if /* delivered ahead, as far as the window goes */
        :: filled && !out && end_[TAKER] == LIVE && (hold[TAKER] & R_(0)) ->
            filled = false;
            out = true;
            outwith = bufwith;
            bufwith = 0;
            again = true
        :: else
        fi;
#endif
        if
        :: again
        :: else -> break
        fi
    od;
    looked = false
}

/* The scope is cancelled: unless it waits for its members its owner's offer ends, and theirs */
inline cancel()
{
    cancelled = true;
    for (x : 0 .. NP - 1) {
        if
        :: st[x] == WAITING && c0[x] != SCOPE_CASE && end_[PROC(x)] != ENDED && !SHIELDS(x) -> wakes(x)
        :: else
        fi
    }
}

/* Its offers, its stream, its ends; failure, or the owner's end, cancels the scope */
inline end_process(pr, failed)
{
    end_[pr] = ENDED;
    hold[pr] = 0;
    for (x : 0 .. NP - 1) {
        if
        :: PROC(x) == pr -> st[x] = FREE; c0[x] = NONE; c1[x] = NONE; with[x] = 0; timed[x] = false; budget[x] = 0
        :: else
        fi
    }
#ifdef STREAM
    if
    :: pr == TAKER && out -> out = false; filled = true; bufwith = outwith; outwith = 0 /* returned; over the capacity is not modelled */
    :: else
    fi;
#endif
#ifdef SCOPED
    if
    :: (pr == 0 || failed) && !cancelled -> cancel()
    :: else
    fi
#endif
}

/* ---- the broker: looking ----------------------------------------------------------------------------------------- */

#define IS_ALIVE(pr) (al & (1 << (pr)))

/* p is alive by itself */
inline alone(p)
{
    ok = st[p] == FREE && end_[PROC(p)] == LIVE || end_[PROC(p)] == LIVE && timed[p];
#ifndef BUG_LATE_GONE
    ok = ok || st[p] == LATELY;
#endif
#ifndef BUG_DEAD_GONE
    ok = ok || end_[PROC(p)] == DEAD;
#endif
#ifndef BUG_TAKE_TOLD
    ok = ok || st[p] == WAITING && (c0[p] == TAKE_CASE || c1[p] == TAKE_CASE) && (out || shut[0] && !filled || broken[0]);
#endif
    for (k : 0 .. 1) {
        cs = CASE(p, k);
        ok = ok || st[p] == WAITING && IS_EXIT(cs) && end_[ON(cs)] != LIVE
    }
#ifndef BUG_CANCELLED_STUCK
    ok = ok || cancelled && MEMBER(p) && end_[PROC(p)] == LIVE; /* a signal comes */
#endif
    ok = ok && end_[PROC(p)] != ENDED
}

/* reach := the ends that those may use who are alive; back := one has a value that may return */
inline reachable()
{
    reach = 0;
    back = false;
    for (x : 0 .. NP - 1) {
        if
#ifdef BUG_ANY_HOLDER
        :: end_[PROC(x)] != ENDED ->
#else
        :: IS_ALIVE(PROC(x)) ->
#endif
            reach = reach | hold[PROC(x)];
#ifndef BUG_OWN_VALUES
            reach = reach | (st[x] == WAITING -> with[x] : 0);
#endif
#ifndef BUG_GUEST_FORGOTTEN
            reach = reach | (IS_GUEST(PROC(x)) -> ALL : 0);
#endif
#ifndef BUG_PREFETCH_FORGOTTEN
            back = back || x == TAKER && out;
            reach = reach | (x == TAKER && out -> outwith : 0)
#endif
        :: else
        fi
    }
#ifndef BUG_BUFFER_ENDS
    if
    :: reach & R_(0) ->
        reach = reach | (filled -> bufwith : 0);
        for (x : 0 .. NP - 1) {
            reach = reach | (WAITS_FOR(x, SEND(0)) -> with[x] : 0)
        }
    :: else
    fi
#endif
}

inline look()
{
    al = 0;
    for (z : 0 .. NP - 1) {
        alone(z);
        al = (ok -> al | (1 << PROC(z)) : al)
    }
    do
    :: hit = al;
        reachable();
        for (z : 0 .. NP - 1) {
            ok = false;
            for (k : 0 .. 1) {
                cs = CASE(z, k);
                ch = ON(cs);
                can = IS_EXIT(cs) && IS_ALIVE(ch);
                ok = ok || can;
#ifdef BUG_DROP_WAKES_NOBODY
                can = OP(cs) == 1 && (reach & S_(ch));
#elif defined(BUG_CLOSE_WAKES_NOBODY)
                can = OP(cs) == 1 && (reach & R_(ch));
#else
                can = OP(cs) == 1 && (reach & (S_(ch) | R_(ch)));
#endif
                ok = ok || can;
                can = OP(cs) == 2 && ((reach & S_(ch)) || IS_GUEST(PROC(z)) && (reach & R_(ch)) || ch == 0 && back);
                ok = ok || can;
                can = cs == TAKE_CASE && (reach & S_(0));
                ok = ok || can
            }
#ifdef SCOPED
#ifdef BUG_SHIELD_LASTS
            ok = ok || !SHIELDS(z) && (IS_ALIVE(0) || IS_ALIVE(1) || IS_ALIVE(2))
#else
#ifndef BUG_FAILURE_WAKES_NOBODY
            ok = ok || IS_ALIVE(1) || IS_ALIVE(2); /* it may fail; or all members may end */
#else
            ok = ok || c0[z] == SCOPE_CASE && (IS_ALIVE(1) && IS_ALIVE(2) || end_[1] == ENDED && IS_ALIVE(2) || end_[2] == ENDED && IS_ALIVE(1));
#endif
#ifndef BUG_OWNER_WAKES_NOBODY
            ok = ok || IS_ALIVE(0)
#endif
#endif
#endif
            ;
            al = (ok && st[z] == WAITING && end_[PROC(z)] == LIVE -> al | (1 << PROC(z)) : al)
        }
        if
        :: hit == al -> break
        :: else
        fi
    od;
    for (x : 0 .. NPROC - 1) {
        stuck[x] = stuck[x] || end_[x] == LIVE && !IS_ALIVE(x) && !IS_GUEST(x)
    }
    looked = true
}

/* ---- the callers ------------------------------------------------------------------------------------------------- */

inline forget()
{
    for (x : 0 .. NPROC - 1) {
        stuck[x] = false
    }
}

#define HOLDS(p, e) ((hold[PROC(p)] & (e)) || IS_GUEST(PROC(p)))
#define MAY(p) (GOES(p) && st[p] == FREE && budget[p] > 0)

#define EXITED(p) (IS_EXIT(c0[p]) && end_[ON(c0[p])] != LIVE || IS_EXIT(c1[p]) && end_[ON(c1[p])] != LIVE)

proctype caller(byte id)
{
end:
    do
    :: atomic { MAY(id) ->
            if
            :: HOLDS(id, S_(0)) -> a0 = SEND(0)
            :: HOLDS(id, R_(0)) && id != TAKER -> a0 = RECV(0)
            :: HOLDS(id, S_(1)) -> a0 = SEND(1)
            :: HOLDS(id, R_(1)) -> a0 = RECV(1)
#ifdef ATTACH
            :: HOLDS(id, S_(0)) && (hold[PROC(id)] & (S_(1) | R_(1))) -> a0 = WITH(0)
#endif
#ifdef STREAM
            :: id == TAKER && HOLDS(id, R_(0)) -> a0 = TAKE_CASE
#endif
#ifdef EXITS
            :: id == 0 -> a0 = EXIT(1)
            :: id == 1 && NPROC == 3 -> a0 = EXIT(2)
#endif
#ifdef SCOPED
            :: id == 0 -> a0 = SCOPE_CASE
#endif
            :: a0 = NONE
            fi;
            if
            :: a1 = NONE
            :: a0 != SCOPE_CASE && HOLDS(id, R_(1)) -> a1 = RECV(1)
            :: a0 != SCOPE_CASE && HOLDS(id, S_(1)) -> a1 = SEND(1)
            fi;
            if
            :: at = false
            :: a0 != SCOPE_CASE -> at = true
            fi;
            if
            :: draw = false
            :: draw = true
            fi;
            d_step {
                if
                :: a0 == NONE && a1 == NONE || cancelled && a0 != SCOPE_CASE && !SHIELDS(id) -> budget[id] = budget[id] - 1; looked = false
                :: else ->
                    budget[id] = budget[id] - 1;
                    st[id] = WAITING;
                    c0[id] = a0;
                    c1[id] = a1;
                    timed[id] = at;
                    with[id] = (ATTACHES(a0) && a0 != TAKE_CASE -> hold[PROC(id)] & (S_(1) | R_(1)) : 0);
                    settle()
                fi;
                draw = false;
                a0 = 0;
                a1 = 0;
                at = false
            }
        }
    :: atomic { MAY(id) ->
            if
            :: hold[PROC(id)] & S_(0) -> a0 = S_(0)
            :: hold[PROC(id)] & R_(0) && id != TAKER -> a0 = R_(0)
            :: hold[PROC(id)] & S_(1) -> a0 = S_(1)
            :: hold[PROC(id)] & R_(1) -> a0 = R_(1)
            :: a0 = 0
            fi;
            d_step { budget[id] = budget[id] - 1; hold[PROC(id)] = hold[PROC(id)] & ~a0; settle(); a0 = 0 } /* DROP */
        }
    :: d_step { MAY(id) && HOLDS(id, S_(1)) -> budget[id] = budget[id] - 1; shut[1] = true; settle() } /* CLOSE */
    :: d_step { GOES(id) && st[id] == FREE -> end_process(PROC(id), false); settle() } /* BYE */
#ifdef SCOPED
    :: d_step { GOES(id) && st[id] == FREE && id > 0 -> end_process(PROC(id), true); settle() }
    :: d_step { MAY(id) && id == 0 && !cancelled -> budget[id] = budget[id] - 1; cancel(); settle() } /* CANCEL */
#endif
#ifdef SCOPED
    :: d_step { GOES(id) && cancelled && MEMBER(id) -> /* its grace is over */
            assert(no_false_alarm || !stuck[id]);
            end_[id] = DEAD;
            looked = false
        }
#endif
    :: d_step { GOES(id) && st[id] == WAITING && timed[id] -> wakes(id); settle() }
    :: d_step { GOES(id) && st[id] == WAITING && EXITED(id) -> wakes(id); settle() }
#ifdef STREAM
    :: d_step { GOES(id) && id == TAKER && st[id] == WAITING && c0[id] == TAKE_CASE && out ->
            hold[id] = hold[id] | outwith;
            out = false;
            outwith = 0;
            wakes(id);
            settle()
        }
    :: d_step { GOES(id) && id == TAKER && st[id] == WAITING && c0[id] == TAKE_CASE && !out && !filled && (shut[0] || broken[0]) ->
            wakes(id);
            settle()
        }
#endif
#ifdef LATE
    :: d_step { st[id] == LATELY && end_[PROC(id)] == LIVE -> st[id] = FREE; looked = false }
#endif
#if DEATHS > 0
    :: d_step { GOES(id) && deaths < DEATHS -> end_[PROC(id)] = DEAD; deaths++; forget(); looked = false }
#endif
#if DEATHS > 0 || defined(SCOPED)
    :: d_step { end_[PROC(id)] == DEAD -> end_process(PROC(id), true); settle() } /* buried */
#endif
    od
}


bool begun;

/* When nothing moves any more, who waits is stuck, and the broker has said so */
active proctype broker()
{
end:
    do
    :: d_step { begun && !looked -> look() }
    :: timeout ->
        for (x : 0 .. NP - 1) {
            assert(deadlock_found || st[x] != WAITING || end_[PROC(x)] == ENDED || stuck[PROC(x)] || IS_GUEST(PROC(x)))
        };
        break
    od
}

/* Ends at the start: few, so that the others' matter */
#ifdef ALL_HOLD
#define INIT(pr) ALL
#elif defined(SCOPED)
#define INIT(pr) ((pr) == 0 -> 0 : ALL)
#elif defined(STREAM)
#define INIT(pr) ((pr) == 0 -> S_(0) | R_(1) : ((pr) == 1 -> R_(0) : R_(0) | S_(1)))
#elif defined(ATTACH) && !defined(LINES)
#define INIT(pr) ((pr) == 0 -> S_(0) | S_(1) : ((pr) == 1 -> R_(1) : R_(0) | R_(1)))
#else
#define INIT(pr) ((pr) == 0 -> S_(0) | R_(1) : ((pr) == 1 -> R_(0) | S_(1) : S_(0) | S_(1)))
#endif

init {
    d_step {
        for (x : 0 .. NPROC - 1) {
            hold[x] = (IS_GUEST(x) -> 0 : INIT(x))
        }
        for (x : 0 .. NP - 1) {
            budget[x] = BUDGET
        }
#ifdef LATE
        st[2] = LATELY;
#endif
        begun = true
    }
    atomic { run caller(0); run caller(1); run caller(2) }
}
