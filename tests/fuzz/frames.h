/* SPDX-License-Identifier: MPL-2.0 */
/* Frames to a fuzzed broker. Decision: a frame is made so that it fits the state that the broker is in (the next seq,
 * a channel that is there, what its stream has put), but for one field now and then: only so is a state reached that
 * it takes many good frames to come to, and each check is met in it. */
#ifndef TESTS_FUZZ_FRAMES_H
#define TESTS_FUZZ_FRAMES_H

#include "broker/broker.h"
#include "fuzz.h"

/* What each connection was told, and asked. */
struct talk {
    uint64_t seq;                /* of the last frame made */
    uint64_t offered, committed; /* the last OFFER, the last COMMIT; 0: none */
    uint64_t asked, answered;
    bool odd; /* a seq was not the next one: it may stand for two frames */
};

extern struct talk talks[];

/* Makes a frame by the choices of the input, and lets it come by this route. */
void frames_send(struct broker *b, uint32_t route, struct bytes *in);

/* HELLO by the root, by whom an announced process's ticket is known, a further line or a guest: the connection is
 * made, too, where the route is free. */
void frames_hello(struct broker *b, uint32_t route, struct bytes *in);

/* The i-th frame that a good program begins with, of those whose end is some channels, processes and streams. False:
 * there are no more. */
bool frames_begin(struct broker *b, unsigned which, unsigned i);

#endif
