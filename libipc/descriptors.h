/* SPDX-License-Identifier: MPL-2.0 */
/* Descriptors: those that a child of csp_go got from its parent, and how many more there can be. */
#ifndef CSP_DESCRIPTORS_H
#define CSP_DESCRIPTORS_H

#include <stddef.h>

struct csp__inherited { /* all 0: none */
    int *fds;
    size_t n, size;
};

/* Finds them, but for 0 to 2 and the broker's: before anything else is opened. */
void csp__inherited_find(struct csp__inherited *list);

/* Replaces them, and empties the list. */
void csp__inherited_replace(struct csp__inherited *list);

/* Whether there are as many as libzmq may need for a context and a socket: where it gets none it aborts. */
int csp__descriptors_left(void);

#endif
