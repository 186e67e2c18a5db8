/* SPDX-License-Identifier: MPL-2.0 */
/* The heap of programs that pass large frames on: the broker and the bridge. */
#ifndef CSP_HEAP_H
#define CSP_HEAP_H

/* Keeps freed memory for the next frame, up to some 32 MiB an arena; for main, before anything is allocated. */
void csp__heap_keep(void);

#endif
