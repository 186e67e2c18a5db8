/* SPDX-License-Identifier: MPL-2.0 */
/* Finding where values end. Decision: 64 bytes are compared at a time and each end found costs a few instructions; a
 * memchr(3) for each value costs ten times that where lines are short, and that was most of what a bridge did in user
 * space. Pure. */
#ifndef EXEC_ENDS_H
#define EXEC_ENDS_H

#include <stddef.h>
#include <stdint.h>

struct ends {
    const char *buf;
    size_t rest, scan, fill; /* [rest, fill) was not cut into values yet, [rest, scan) has no end in it */
    uint32_t *lengths;       /* of the values found: `count`, and places for `room` */
    size_t count, room;
};

#define ENDS_AHEAD 64 /* places for lengths that a step may need */

/* Goes on behind `scan` until all is searched (1), or fewer than ENDS_AHEAD places are left (0). */
int ends_find(struct ends *e, char terminator);

#endif
