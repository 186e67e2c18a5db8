/* SPDX-License-Identifier: MPL-2.0 */
/* A terminal as the input of a process of the run.
 * A process is in a process group of its own, which is never the terminal's foreground: the kernel would stop it at its
 * first read, without a word. cspctl is in the foreground, so it reads, by a thread of its own, and the process gets a
 * pipe; so Ctrl-C stays cspctl's, and Ctrl-D is the end of the process's input. */
#ifndef CSPCTL_TERMINAL_H
#define CSPCTL_TERMINAL_H

/* Takes over the terminal open at tty. Returns the descriptor to read from instead (close-on-exec), which caller owns,
 * or -1 with errno. Signals that cspctl waits for must be blocked already, and SIGPIPE ignored. */
int terminal_pipe(int tty);

#endif
