/* SPDX-License-Identifier: MPL-2.0 */
/* What a live run is asked by other commands: scale, restart, reload. Decision: a socket of the supervisor's own in the
 * run's directory (SOCK_SEQPACKET, a JSON object a packet), and no channel: the supervisor is not a caller that waits,
 * it is asked also while its broker is stopped, and what is asked of it is no value of the pipeline. Who connects must
 * be of the same user. The answer comes when what was asked for has been done, so a script may rely on it. */
#ifndef CSPCTL_CONTROL_H
#define CSPCTL_CONTROL_H

#include "command.h"
#include "live.h"

#include <csp.h>
#include <jansson.h>
#include <stdbool.h>

struct supervisor;
struct control;

/* ---- the supervisor's side */

/* Listens in the directory. Caller owns the result; NULL with errno. */
struct control *control_open(const char *dir, int epoll);

/* Whether an event of the epoll is one of its own, which it then takes. */
bool control_take(struct supervisor *s, void *source);

/* Answers who asked for what has come to its end meanwhile. */
void control_step(struct supervisor *s);
/* Somebody waits for a change of this process. NULL: nobody can. */
bool control_names(const struct control *c, size_t process);

/* The run is over: who still waits is told so. NULL is allowed. */
void control_close(struct control *c);

/* ---- the other side */

/* What its commands have in common: `[--run NAME] [--timeout DURATION] WORD ...`. */
struct control_options {
    const char *run; /* NULL: not said */
    int64_t timeout; /* ns */
};

/* Reads them; optind is then that of the first word. False: they are wrong, and it was said. */
bool control_options(const struct command *c, int argc, char **argv, struct control_options *o);

/* Asks the supervisor of the run, and prints what is wrong or what it says. `request` is taken over. Returns the exit
 * status: 0; EX_UNAVAILABLE: the run has no supervisor, or it ended; 1: it can't be done; 124: not within timeout. */
int control_ask(const struct live *run, json_t *request, int64_t timeout);

/* The whole of a command whose words are asked for one after another, as `request` makes them (NULL: it has said what
 * is wrong with a word). Where there are several the supervisor has looked first whether each of them can be: else none
 * is begun. Returns the exit status. */
int control_command(const struct command *c, int argc, char **argv, json_t *(*request)(const char *word));

#endif
