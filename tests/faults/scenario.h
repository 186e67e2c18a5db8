/* SPDX-License-Identifier: MPL-2.0 */
/* What scenarios say: programs in which any call may fail with an errno that csp.h allows it, and which check that
 * whatever did not fail is right. Decision: who meets a failure gives up at once, as a program would that has no use
 * for a half of its work; its process then ends with FAILED, so that whoever depends on it can tell. */
#ifndef TESTS_FAULTS_SCENARIO_H
#define TESTS_FAULTS_SCENARIO_H

#include "csp.h"

#include <stdbool.h>

enum { FAILED = 3 };

struct scenario {
    const char *name;
    void (*run)(void);
    const char *environment[2]; /* NAME=value */
    bool several;               /* it makes its runs by itself, with in_a_run() */
    int every;                  /* only each of so many of its calls fails: the others are like those; 0: 1 */
    int needs;                  /* sorts of calls that must not fail for ever in the broker: it would wait for ever */
};
extern const struct scenario scenarios[];

/* A run from csp_init to csp_term, in which the first function is called; the other one (or NULL) where csp_init
 * failed. What the process is to end with. */
int in_a_run(void (*run)(void), void (*otherwise)(void));

/* Those of durable.c */
void stored(void);
void stored_large(void);
void settled(void);
void moved(void);
void resumed(void);

/* Says that something is not as it must be: the run is a violation. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a call succeeded; where it did not, that its errno is one that it may give. */
bool did(long result, const char *call);
#define DID(call) did((call), #call)

/* The same for a call that starts something (csp_init, csp_go, csp_spawn), which has the errors of those below it. */
bool started(long result, const char *call);
#define STARTED(call) started((call), #call)

/* Another process failed, which this one depends on. */
void gave_up(void);

/* Whether nothing failed in this process so far. */
bool all_well(void);

/* For a child's end: 0 or FAILED. */
int outcome(void);

/* Waits for a child, where nothing failed here: true where it ended well. How else it ended must not be a crash. */
bool ended_well(csp_proc p);

csp_chan make(size_t capacity); /* 0: it failed */
csp_time soon(void);

/* Sends the numbers from 0 on, `count` of them. */
bool send_numbers(csp_chan c, long count);
/* Receives until the channel is closed: `count` numbers from 0 on, each once and in order; fewer only where a sender
 * did not end well, or a call failed. */
void receive_numbers(csp_chan c, long count);

#endif
