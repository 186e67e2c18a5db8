/* SPDX-License-Identifier: MPL-2.0 */
/* The pairs of docs/protocol.md, section 15, on one channel: introduction, room, recall, the ends and deaths of both.
 *
 * Decision: what two sides do to the page of a pair is one step each, a load, a store or a compare-and-swap, and so is
 * each frame said; the broker handles an event and all that follows in one step. A death cuts any number of frames that
 * were said last off the sender's line, and all that had not left its pair. Introductions, third parties and deaths may
 * stop for good at any time (`calm`), so that whoever waits then may count on none of them.
 *
 * Modelled: a sender; a receiver, which may drop; another one, which makes a stream at any time (THIRD) or when the
 * first has ended (NEXT); a third party that sends one value by an OFFER (OFFERER) or says CLOSE (CLOSER); receivers that wait
 * elsewhere until the sender has gone on (ECHO). The capacity counts what is out on prefetch, as that of kind PAIR does; the
 * sender puts a value at a time while it is hosted, as a plain csp_send does there. Not modelled: bytes, windows and held
 * values, DELIVER of several values, an errno in BOUND and JOINED.
 *
 *     spin -a -DVALUES=3 -DCAPACITY=2 -DDEATHS=1 tests/model/pairs.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c && ./pan -m100000 */

#ifndef VALUES
#define VALUES 3
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef GENERATIONS
#define GENERATIONS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#if defined(THIRD) || defined(NEXT)
#define RECEIVERS 2
#else
#define RECEIVERS 1
#endif
#if defined(OFFERER) || defined(CLOSER)
#define OTHERS 1
#else
#define OTHERS 0
#endif
#ifndef PREFETCH
#define PREFETCH 2
#endif
#define LINES 4 /* 0: the sender, 1 and 2: receivers, 3: a third party that sends or closes */
#define OTHER 3
#define NOBODY 9
#define MARK 16 /* of a receiver's list: here the pair begins, and its generation */
#define EPIPE 64

mtype = { GREET, PUT, PUT_BACK, ROOM, TOOK, TOOK_WAIT, STREAM, DELIVER, DELIVER_DIRECT, DELIVER_CLOSED, OFFER, COMMIT, CLOSE,
          DROP, BYE, BIND, BOUND, CONNECT, JOINED, RECALL, UNPAIR, ANSWER, ENOENT, RECALLED, ORPHAN, DRAINED };

/* The properties, by the names that an assertion's failure shows; all are 0. */
hidden byte received_at_most_once, sent_is_not_lost, told_unsent_never_received, capacity_exact, values_in_order, no_gap;
hidden byte nothing_after_closed, puts_go_on, nobody_waits_for_ever, answered, completely_sent_counts;

chan up[LINES] = [8] of { mtype, byte, byte };
chan down[LINES] = [10] of { mtype, byte, byte };
chan leaving = [VALUES + 1] of { byte }; /* what has not left the sender's side of the pair */
chan came = [VALUES + 1] of { byte };    /* what has */
chan back_[1] = [4] of { byte };         /* ROOM on the pair */

bool dead[LINES], buried[LINES], calm;
byte deaths;

/* The page of each generation, of which 0 is not used */
byte taken[GENERATIONS + 1], wanted[GENERATIONS + 1], before[GENERATIONS + 1];
bool revoked[GENERATIONS + 1];

/* The sender */
#define READY 0
#define RELOOK 1  /* it has stored what is wanted */
#define SLEEPS 2  /* until ROOM, or a frame of the broker */
#define ASKS 3    /* UNPAIR */
#define DONE 4
byte ss, next, put, room, base, joint;
byte s_gen; /* direct in this generation, 0: hosted */
bool failed;
int unsent, complete; /* what it was told did not go; what its sends were told did */

/* The receivers */
#define BUSY 0
#define STORED 1   /* the count in its slot is stored, before is not */
#define LOOKS 2    /* at wanted, after it took */
#define SAYS 3     /* ROOM */
#define USES 4
#define MUST 5     /* say TOOK */
#define WAITS 6
#define ENDED 7    /* told, or it gave up its end */
#define ELSEWHERE 8
#define ABSENT 9
#define SAYS_WAITS 10 /* ROOM, because it waits */
#define IDLES 11      /* it has a stream, and does not ask */
byte rs[RECEIVERS], hand[RECEIVERS], slot[RECEIVERS], r_gen[RECEIVERS], drained[RECEIVERS], used[RECEIVERS], high[RECEIVERS], took[RECEIVERS];
bool said[RECEIVERS], due[RECEIVERS], greeted[RECEIVERS];
chan have[RECEIVERS] = [VALUES + 4] of { byte };
int got, lost;
byte inside; /* in the channel: admitted or sent directly, and not taken */
int came_for_good; /* over the pair, from a sender that died: what it had completely sent */

/* The broker */
mtype = { hosted, binding, connecting, joined, recalling, orphaned, leftover };
mtype mode = hosted;
byte gen, whose; /* generation, and the receiver that is introduced */
bool direct_told, ended[LINES], streams_[RECEIVERS], wait_[RECEIVERS], told[RECEIVERS], closed, broken, shut, epipe, offered;
byte seen, committed, roomed, given[RECEIVERS], known[RECEIVERS], drained_;
byte c_read, c_values, c_taken; /* of CONNECT */
chan pend[1] = [VALUES + 1] of { byte, byte }; /* value, whether it came BACK */
chan buf[1] = [VALUES + 1] of { byte };
chan out[RECEIVERS] = [VALUES + 1] of { byte };
byte other_state;

/* Within one step only */
hidden byte ax, bx, cx, sx, rx, vx, arg, num, recs, live;
hidden byte again, found;
hidden int mx;
hidden mtype type;

#define FULL(n) ((1 << (n)) - 1)
#define THE_OTHERS VALUES /* the value of the third party */

inline clear(q) { do :: len(q) > 0 -> q ? vx :: else -> break od }

#include "pairs_broker.pml"

/* ---- the sender -------------------------------------------------------------------------------------------------- */

/* What was put before the join and is not taken, and what was sent since */
#define BEFORE_JOIN (c_values + joint - c_read - (before[s_gen] - c_taken))
#define UNTAKEN (BEFORE_JOIN + (next - base) - taken[s_gen])
#ifdef BUG_BEFORE_FORGOTTEN
#define HAS_ROOM ((next - base) - taken[s_gen] < CAPACITY)
#elif defined(BUG_CAPACITY)
#define HAS_ROOM (UNTAKEN <= CAPACITY)
#else
#define HAS_ROOM (UNTAKEN < CAPACITY)
#endif

/* Hosted again: the broker gets what was not taken by count c */
inline send_back(c)
{
    clear(leaving);
    clear(back_[0]);
#ifdef BUG_BACK_ALL
    vx = base;
#else
    vx = base + c;
#endif
    do
    :: vx < next ->
#ifndef BUG_BACK_NOTHING
        up[0] ! PUT_BACK(put, vx);
        put++;
#endif
        vx++
    :: else -> break
    od;
    up[0] ! RECALLED(s_gen, 0);
    s_gen = 0
}

inline sender_reads()
{
    down[0] ? type, arg, num;
    if
    :: type == ROOM ->
        room = arg & 63;
        complete = complete | (arg < EPIPE && room == put -> FULL((s_gen -> base : next)) : 0);
        if
        :: arg >= EPIPE ->
            failed = true;
            unsent = FULL(next) & ~FULL(next - (put - room) - (s_gen -> next - base : 0));
            /* what it sent directly is with the broker or was discarded: it was sent */
            unsent = (s_gen -> unsent & FULL(base) : unsent);
            assert(told_unsent_never_received || !(got & unsent))
        :: else
        fi
    :: type == CONNECT && ss != DONE ->
        s_gen = arg;
        base = next;
        joint = put;
        up[0] ! JOINED(arg, put);
        leaving ! GREET
    :: type == RECALL && arg == s_gen && s_gen -> send_back(num)
    :: type == ANSWER ->
        if
        :: s_gen -> send_back(num)
        :: else
        fi;
        ss = READY
    :: type == ENOENT -> ss = READY
    :: else
    fi;
    ss = (ss == SLEEPS || ss == RELOOK -> READY : ss)
}

#define ALIVE (!dead[0])
#define MORE (next < VALUES && !failed)

active proctype sender()
{
end:
    do
    :: d_step { ALIVE && len(down[0]) > 0 && len(up[0]) < 8 - VALUES -> sender_reads() }
    :: d_step { ALIVE && ss == READY && !s_gen && MORE && put == room && len(up[0]) < 4 ->
            up[0] ! PUT(put, next);
            put++;
            next++
        }
    :: d_step { ALIVE && ss == READY && s_gen && MORE && HAS_ROOM ->
            leaving ! next;
            complete = complete | (1 << next);
            next++;
            inside++;
            assert(capacity_exact || inside <= CAPACITY)
        }
#ifdef BUG_LOOK_FIRST
    :: d_step { ALIVE && ss == READY && s_gen && MORE && !HAS_ROOM -> ss = RELOOK }
    :: d_step { ALIVE && ss == RELOOK && s_gen -> wanted[s_gen] = before[s_gen] + taken[s_gen] + 1; ss = SLEEPS }
#else
    :: d_step { ALIVE && ss == READY && s_gen && MORE && !HAS_ROOM ->
            wanted[s_gen] = before[s_gen] + taken[s_gen] + 1;
            ss = RELOOK
        }
#if CAPACITY > 1
    :: d_step { ALIVE && ss == READY && s_gen && MORE && !HAS_ROOM ->
            wanted[s_gen] = before[s_gen] + taken[s_gen] + 2;
            ss = RELOOK
        }
#endif
    :: d_step { ALIVE && ss == RELOOK -> ss = (HAS_ROOM -> READY : SLEEPS) }
#endif
    :: d_step { ALIVE && ss == SLEEPS && len(back_[0]) > 0 -> back_[0] ? vx; ss = READY }
    :: d_step { ALIVE && ss == READY && !MORE && (put == room || failed) && s_gen && len(up[0]) < 4 ->
#ifdef BUG_NO_UNPAIR
            up[0] ! BYE(0, 0);
            s_gen = 0;
            clear(leaving);
            ss = DONE
#else
            up[0] ! UNPAIR(0, 0);
            ss = ASKS
#endif
        }
    :: d_step { ALIVE && ss == READY && !MORE && (put == room || failed) && !s_gen && len(up[0]) < 4 -> up[0] ! BYE(0, 0); ss = DONE }
    :: d_step { ALIVE && len(leaving) > 0 -> leaving ? vx; came ! vx }
#if DEATHS > 0
    :: atomic { ALIVE && !calm && deaths < DEATHS ->
            d_step { dead[0] = true; deaths++; clear(leaving); s_gen = 0 }
            do /* of its line, too, what it said last may be lost */
            :: len(up[0]) > 0 ->
                d_step {
                    for (ax : 2 .. len(up[0])) { up[0] ? type, arg, num; up[0] ! type, arg, num }
                    up[0] ? type, arg, num
                }
            :: break
            od
        }
#endif
    od
}

/* ---- the receivers ----------------------------------------------------------------------------------------------- */

inline receiver_reads(r)
{
    down[r + 1] ? type, arg, num;
    if
    :: type == DELIVER -> have[r] ! arg; said[r] = false
    :: type == DELIVER_DIRECT -> have[r] ! MARK + r_gen[r]; said[r] = false
    :: type == DELIVER_CLOSED -> have[r] ! EPIPE
    :: type == BIND ->
        clear(came);
        clear(back_[0]);
        r_gen[r] = arg;
        greeted[r] = false;
        due[r] = false;
        drained[r] = 0;
        before[arg] = slot[r];
        up[r + 1] ! BOUND(arg, 0)
    :: type == RECALL -> skip /* it wakes, and looks at its page */
    :: type == ORPHAN && arg == r_gen[r] ->
        num = len(came) + taken[arg];
        num = num - (!greeted[r] && len(came) > 0); /* GREET */
        drained[r] = num + 1;
        up[r + 1] ! DRAINED(arg, num)
    :: else
    fi;
    rs[r] = (rs[r] == WAITS -> BUSY : rs[r])
}

/* At its mark it is direct, until the page is revoked, or all of a dead sender's values are taken */
#define OVER(r) (revoked[r_gen[r]] || drained[r] && taken[r_gen[r]] + 1 == drained[r])

inline use(r)
{
    vx = hand[r] - 1;
    mx = 1 << vx;
    assert(received_at_most_once || !((got | lost) & mx));
    assert(told_unsent_never_received || !(unsent & mx));
    assert(values_in_order || vx == THE_OTHERS || vx + 1 > high[r]);
    high[r] = (vx == THE_OTHERS -> high[r] : vx + 1);
    got = got | mx;
    used[r]++;
    hand[r] = 0;
#ifdef BUG_LAST_TOOK
    rs[r] = BUSY
#else
    rs[r] = (slot[r] != took[r] || OVER(r) -> MUST : BUSY)
#endif
}

#define SENT (next - (put != room)) /* sends that have returned */
#define LIVES (!dead[id + 1])
#define HEAD_IS_VALUE (have[id] ? [_] && !(have[id] ? [EPIPE]) && !(have[id] ? [17]) && !(have[id] ? [18]))
#define AT_MARK (have[id] ? [eval(MARK + r_gen[id])])
#define AT_OLD_MARK (have[id] ? [17] && r_gen[id] > 1)
#ifdef BUG_GREET_UNWATCHED
#define GREET_READ_IN (rs[id] == BUSY && AT_MARK)
#else
#define GREET_READ_IN (rs[id] == BUSY || rs[id] == WAITS || rs[id] == ELSEWHERE)
#endif
#ifdef BUG_USE_FIRST
#define CAN_TAKE true
#else
#define CAN_TAKE (!revoked[r_gen[id]])
#endif

/* The count that wanted is compared with has come to it, or this receiver waits */
inline look(r, then, waits)
{
    rs[r] = then;
    if
    :: greeted[r] && wanted[r_gen[r]] && (before[r_gen[r]] + taken[r_gen[r]] >= wanted[r_gen[r]] || waits && due[r]) ->
#ifndef BUG_ROOM_FIRST
        wanted[r_gen[r]] = 0;
#endif
        due[r] = false;
        rs[r] = (waits -> SAYS_WAITS : SAYS)
    :: else -> due[r] = due[r] || wanted[r_gen[r]] && !waits
    fi
}

proctype receiver(byte id)
{
end:
    do
    :: d_step { LIVES && rs[id] != ENDED && rs[id] != ABSENT && len(down[id + 1]) > 0 && nfull(up[id + 1]) -> receiver_reads(id) }
    :: d_step { LIVES && rs[id] == ENDED && len(down[id + 1]) > 0 -> down[id + 1] ? type, arg, num }
    :: d_step { LIVES && rs[id] == BUSY && HEAD_IS_VALUE -> /* hosted */
            have[id] ? vx;
            hand[id] = vx + 1;
            slot[id]++;
            inside--;
#ifdef FINE
            rs[id] = STORED
        }
    :: d_step { LIVES && rs[id] == STORED ->
#endif
            before[r_gen[id]] = (r_gen[id] -> slot[id] : 0);
            rs[id] = LOOKS
        }
    :: d_step { LIVES && GREET_READ_IN && !revoked[r_gen[id]] && came ? [GREET] ->
            came ? vx;
            greeted[id] = true;
            due[id] = true;
            look(id, rs[id], rs[id] != BUSY)
        }
    :: d_step { LIVES && rs[id] == BUSY && AT_MARK && CAN_TAKE && greeted[id] && len(came) > 0 && !(came ? [GREET]) ->
            came ? vx; /* the compare-and-swap succeeds */
            hand[id] = vx + 1;
#ifdef BUG_USE_FIRST
            use(id);
            rs[id] = STORED + 20
#else
            taken[r_gen[id]]++;
            inside--;
            rs[id] = LOOKS
#endif
        }
#ifdef BUG_USE_FIRST
    :: d_step { LIVES && rs[id] == STORED + 20 -> taken[r_gen[id]]++; inside--; rs[id] = BUSY }
#endif
    :: d_step { LIVES && rs[id] == LOOKS ->
            look(id, USES, false);
            if
            :: rs[id] == USES -> use(id)
            :: else
            fi
        }
#ifdef BUG_ROOM_FIRST
    :: d_step { LIVES && rs[id] == SAYS && nfull(back_[0]) -> back_[0] ! 0; rs[id] = SAYS + 20 }
    :: d_step { LIVES && rs[id] == SAYS + 20 -> wanted[r_gen[id]] = 0; rs[id] = (hand[id] -> USES : BUSY) }
    :: d_step { LIVES && rs[id] == SAYS_WAITS && nfull(back_[0]) -> back_[0] ! 0; wanted[r_gen[id]] = 0; rs[id] = BUSY }
#else
    :: d_step { LIVES && rs[id] == SAYS && nfull(back_[0]) -> back_[0] ! 0; rs[id] = (hand[id] -> USES : BUSY) }
    :: d_step { LIVES && rs[id] == SAYS_WAITS && nfull(back_[0]) -> back_[0] ! 0; rs[id] = BUSY }
#endif
    :: d_step { LIVES && rs[id] == USES -> use(id) } /* ROOM is said */
    :: d_step { LIVES && rs[id] == MUST && nfull(up[id + 1]) -> up[id + 1] ! TOOK(slot[id], 0); took[id] = slot[id]; rs[id] = BUSY }
    :: d_step { LIVES && rs[id] == BUSY && AT_OLD_MARK -> have[id] ? vx }
    :: d_step { LIVES && rs[id] == BUSY && AT_MARK && OVER(id) -> have[id] ? vx; greeted[id] = false }
    :: d_step { LIVES && rs[id] == BUSY && len(have[id]) == 0 && len(down[id + 1]) == 0 && nfull(up[id + 1]) -> /* hosted */
            if
            :: !said[id] -> said[id] = true; up[id + 1] ! TOOK_WAIT(slot[id], 0)
            :: else
            fi;
            rs[id] = WAITS
        }
    :: d_step { LIVES && rs[id] == BUSY && AT_MARK && !OVER(id) && len(came) == 0 && len(down[id + 1]) == 0 ->
            look(id, WAITS, true)
        }
    :: d_step { LIVES && rs[id] == WAITS && AT_MARK && len(came) > 0 -> rs[id] = BUSY }
#ifdef ECHO
    :: d_step { LIVES && rs[id] == BUSY && used[id] && !hand[id] && SENT < VALUES && SENT < used[0] + CAPACITY && !failed && !dead[0] ->
#ifdef BUG_ELSEWHERE
            rs[id] = ELSEWHERE
#else
            look(id, ELSEWHERE, true)
#endif
        }
    :: d_step { LIVES && rs[id] == ELSEWHERE && (SENT >= VALUES || SENT >= used[0] + CAPACITY || failed || dead[0]) -> rs[id] = BUSY }
#endif
    :: d_step { LIVES && rs[id] == BUSY && have[id] ? [EPIPE] -> have[id] ? vx; rs[id] = ENDED }
#ifdef DROPS
    :: d_step { LIVES && id == 0 && !calm && rs[id] == BUSY && nfull(up[id + 1]) -> up[id + 1] ! DROP(0, 0); rs[id] = ENDED }
#endif
#ifdef THIRD
    :: d_step { LIVES && rs[id] == ABSENT && !calm -> up[id + 1] ! STREAM(0, 0); rs[id] = BUSY }
    :: d_step { LIVES && rs[id] == ABSENT && !calm -> up[id + 1] ! STREAM(0, 0); rs[id] = IDLES }
    :: d_step { LIVES && rs[id] == IDLES && len(have[id]) > 0 -> rs[id] = BUSY }
    :: d_step { LIVES && rs[id] == ABSENT -> up[id + 1] ! DROP(0, 0); rs[id] = ENDED }
    :: d_step { LIVES && id == 1 && used[id] && rs[id] == BUSY && nfull(up[id + 1]) -> up[id + 1] ! DROP(0, 0); rs[id] = ENDED }
#endif
#ifdef NEXT
    :: d_step { LIVES && rs[id] == ABSENT && ended[1] -> up[id + 1] ! STREAM(0, 0); rs[id] = BUSY }
    :: d_step { LIVES && rs[id] == ABSENT && calm -> up[id + 1] ! DROP(0, 0); rs[id] = ENDED }
#endif
#if DEATHS > 0
    :: d_step { LIVES && !calm && deaths < DEATHS -> dead[id + 1] = true; deaths++ }
#endif
    od
}

#if OTHERS > 0
active proctype other() /* a third party that may send a value, or say CLOSE, and goes */
{
end:
    do
#ifdef CLOSER
    :: d_step { other_state == 0 && !calm -> up[OTHER] ! CLOSE(0, 0); other_state = 2 }
#else
    :: d_step { other_state == 0 && !calm -> up[OTHER] ! OFFER(0, 0); other_state = 1 }
#endif
    :: d_step { other_state == 0 -> other_state = 2 }
    :: d_step { other_state == 1 && len(down[OTHER]) > 0 ->
            down[OTHER] ? type, arg, num;
            unsent = unsent | (arg -> 1 << THE_OTHERS : 0);
            assert(told_unsent_never_received || !(got & unsent));
            other_state = 2
        }
    :: d_step { other_state == 2 -> up[OTHER] ! BYE(0, 0); other_state = 3 }
    od
}
#endif

/* ---- what must hold when nothing can move any more --------------------------------------------------------------- */

active proctype monitor()
{
    do
    :: d_step { !calm -> calm = true }
    :: timeout ->
        d_step {
            for (ax : 0 .. LINES - 1) {
                assert(answered || len(up[ax]) == 0 && (!dead[ax] || buried[ax]))
            }
            assert(nobody_waits_for_ever || dead[0] || ss == DONE);
            for (rx : 0 .. RECEIVERS - 1) {
                assert(nobody_waits_for_ever || dead[rx + 1] || rs[rx] == ENDED)
            }
            assert(nobody_waits_for_ever || !OTHERS || other_state == 3);
            mx = complete & ~(got | lost);
            assert(sent_is_not_lost || dead[0] || broken || !mx);
            assert(sent_is_not_lost || !(lost & ~FULL(VALUES)) || broken);
            assert(completely_sent_counts || ended[1] && rs[0] != ENDED || broken || !(came_for_good & ~(got | lost)));
            mx = (got | lost) & FULL(VALUES);
            assert(no_gap || !(mx & (mx + 1)))
        }
        break
    od
}

init {
    atomic {
        run receiver(0);
#if RECEIVERS > 1
        rs[1] = ABSENT;
        run receiver(1);
#endif
        streams_[0] = true
    }
}
