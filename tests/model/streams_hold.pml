/* SPDX-License-Identifier: MPL-2.0 */
/* A sender of streams.pml that holds values, with -DHOLD: section 6 of docs/protocol.md, and libipc/hold.c.
 *
 * Decision: what is modelled is the agreement of two threads: the owner of the line takes its lock only where something is
 * held, and the holder, which sleeps while nothing is, sends what its owner leaves. Between its steps the owner is at
 * work on its line, and the holder must not be. That a look comes every 0.7 ms is left open: it may come at any time. */

#define MOST 2 /* values in a frame */

byte held;          /* values in the pack */
bool is_held;       /* the line's: there are some */
bool locked, owner_has_it;
byte opened, looked; /* packs that were opened, modulo 4; by the last look */
bool asleep, woken;

mtype = { idle, entered, begins, asks, leaves, sends, controls };
mtype owner = idle;
mtype = { looking, trying, shipping, drowsy, again_, sleeping };
mtype holds = looking;

#ifdef BUG_HOLD_UNLOCKED
#define TAKES_LOCK false
#else
#define TAKES_LOCK is_held
#endif

inline enter()
{
    owner_has_it = TAKES_LOCK;
    locked = locked || owner_has_it
}

inline leave()
{
    locked = locked && !owner_has_it;
    owner_has_it = false;
    owner = idle
}

inline ship()
{
    if
    :: held ->
        assert(window_kept || put[0] - room[0] <= WINDOW);
        up[0] ! PUT(put[0] - held, held)
    :: else
    fi;
    held = 0;
    is_held = false
}

#ifdef BUG_HOLD_WINDOW
#define ROOM_FOR_ONE (put[0] - held - room[0] < WINDOW)
#else
#define ROOM_FOR_ONE (put[0] - room[0] < WINDOW)
#endif
#define MAY_ENTER (!TAKES_LOCK || !locked)

proctype holding_sender()
{
end:
    do
    :: d_step { !dead[0] && owner == idle && !done[0] && !failed[0] && put[0] < VALUES && ROOM_FOR_ONE && MAY_ENTER ->
            enter();
            owner = entered
        }
    :: d_step { !dead[0] && owner == entered ->
            put[0]++;
            held++;
            if
            :: put[0] - held > room[0] && held < MOST -> owner = (is_held -> leaves : begins)
            :: else -> owner = sends
            fi
        }
    :: d_step { !dead[0] && owner == begins ->
            opened = (opened + 1) % 4;
            is_held = true;
            owner = asks
        }
    :: d_step { !dead[0] && owner == asks -> woken = woken || asleep; leave() }
    :: d_step { !dead[0] && owner == sends && nfull(up[0]) -> ship(); leave() }
    :: d_step { !dead[0] && owner == leaves -> leave() }
    :: d_step { !dead[0] && owner == idle && len(down[0]) > 0 -> learn_room(0) }
    :: d_step { !dead[0] && owner == idle && !done[0] && (failed[0] || put[0] == VALUES) && MAY_ENTER -> enter(); owner = controls }
    :: d_step { !dead[0] && owner == controls && len(up[0]) < 3 -> /* what is held goes before any other frame of the line */
#ifndef BUG_HOLD_CONTROL
            ship();
#endif
            up[0] ! LAST(0), 0, 0;
            done[0] = true;
            leave()
        }
#if DEATHS > 0
    :: d_step { !dead[0] && deaths < DEATHS -> dead[0] = true; deaths++ }
#endif
    od
}

proctype holder()
{
end:
    do
    :: d_step { !dead[0] && (holds == looking || holds == again_) ->
            found = true;
            if
            :: looked != opened -> looked = opened
            :: looked == opened && !is_held -> found = false
            :: else -> holds = trying
            fi;
            /* nothing is held, and nothing was since the last look: at the second time it sleeps */
            if
            :: holds == trying
#ifdef BUG_HOLD_ASLEEP
            :: holds == looking && !found -> holds = sleeping
#else
            :: holds == looking && !found -> asleep = true; holds = again_
#endif
            :: holds == again_ && !found -> holds = sleeping
            :: else -> asleep = false; holds = looking
            fi
        }
#ifdef BUG_HOLD_ASLEEP
    :: d_step { !dead[0] && holds == sleeping && !asleep -> asleep = true }
#endif
    :: d_step { !dead[0] && holds == trying ->
            asleep = false;
            if
            :: locked -> holds = looking
            :: else ->
                locked = true;
                holds = shipping
            fi
        }
    :: d_step { !dead[0] && holds == shipping && nfull(up[0]) -> /* with the lock: is it still so? */
            if
#ifdef BUG_HOLD_UNCHECKED
            :: opened == looked ->
#else
            :: opened == looked && is_held ->
#endif
                assert(one_at_a_time || owner == idle || owner == asks);
                ship()
            :: else
            fi;
            locked = false;
            holds = looking
        }
    :: d_step { !dead[0] && holds == sleeping && woken -> woken = false; asleep = false; holds = looking }
    od
}
