/* SPDX-License-Identifier: MPL-2.0 */
/* The writing ends of the pipes into a program, kept beside its bridge's. As long as one is held here the program sees
 * no end of file, so the death of a bridge can't make it print a part as the whole: it is killed first. */
#ifndef CSPCTL_HOLD_H
#define CSPCTL_HOLD_H

#include <czmq.h>

/* Takes over `end`, the pipe to descriptor fd of the program. -1 is nothing to hold. *holds is made when it is NULL. */
void hold_add(zlistx_t **holds, int fd, int end);

/* The bridge has closed its own: the end of file is meant. */
void hold_release(zlistx_t *holds, int fd);
void hold_release_all(zlistx_t **holds);

#endif
