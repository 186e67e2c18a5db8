/* SPDX-License-Identifier: MPL-2.0 */
/* `run -d`: the run goes on in a session of its own, and who asked for it gets the shell back when the run is up, or
 * the reason why it is not. */
#ifndef CSPCTL_DETACH_H
#define CSPCTL_DETACH_H

/* Forks. In the background: returns -1, *up is where to write one 0 byte when the run is up; messages before that are
 * written there too (message_copy). Descriptors 0 to 2 are /dev/null; 1 and 2 are log, appended to, where it is given.
 * In the foreground: returns the exit status, after printing "NAME PID" if the run is up. */
int detach(const char *name, const char *log, int *up);

#endif
