/* SPDX-License-Identifier: MPL-2.0 */
/* stdin and stdout of a program whose k-th line of output answers its k-th line of input (ack: line). Decision: one
 * thread, and so one line to the broker, for both: an answer and the acknowledgement of its value are one step, and
 * whatever kills the program or the bridge, both have happened or neither. Few values are with the program at a time,
 * for those are what another receiver has to do again, each a try older, when it is killed. */
#ifndef EXEC_FILTER_H
#define EXEC_FILTER_H

#include "inlet.h"
#include "outlet.h"

struct filter {
    struct inlet *in;
    struct outlet *out;
    const struct joint *joint;
    int64_t timeout; /* ms that a value may be with the program, 0: no bound */
    bool ordered;    /* the inputs are */
};

/* The thread; arg is the filter. */
void *filter_run(void *arg);

#endif
