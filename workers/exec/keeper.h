/* SPDX-License-Identifier: MPL-2.0 */
/* A second hand on the program's input. Decision: whoever started the bridge gets a copy of the writing end of each
 * input pipe, over the report descriptor where that is a socket: so a bridge that dies by SIGKILL is no end of file for
 * its program, which would take a part for the whole. The keeper kills the program, and only then closes the copy. */
#ifndef EXEC_KEEPER_H
#define EXEC_KEEPER_H

/* Gives a copy of `end`, the pipe to descriptor `fd` of the program, with the line "hold FD". Where the report is no
 * socket (csp_spawn's), or there is none, nobody keeps it. */
void keeper_hold(int report, int fd, int end);

/* The end of file has come: the line "release FD". */
void keeper_release(int report, int fd);

#endif
