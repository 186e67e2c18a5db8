/* SPDX-License-Identifier: MPL-2.0 */
/* What cspctl itself has to say while a run is on: a line each, on its way to stderr through the run's log, so that it
 * stays whole between the lines of the processes and a reader that has stopped reading can't stop the supervisor. */
#ifndef CSPCTL_MESSAGE_H
#define CSPCTL_MESSAGE_H

#define MESSAGE_LIMIT 4096 /* bytes of a message; the rest is cut */

/* Messages go through this log from now on, dropped where it takes no more. Returns 0, or -1 with errno. */
struct log;
int message_open(struct log *log);

/* To stderr again, within a bounded wait. */
void message_close(void);

/* A copy of each message goes there too, until it is set back to -1: who started us in the background waits there. */
void message_copy(int fd);

/* Say "cspctl: ..." and a newline. Control characters become '?': names come from files. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
