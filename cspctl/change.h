/* SPDX-License-Identifier: MPL-2.0 */
/* Changes of a live run, as they are asked for: another number of replicas, new incarnations, another file. Decision: a
 * change is begun at once or refused whole, what follows from it are events of replicas like any other (lifecycle.c),
 * and whether it is done is read off the replicas: so nothing here has a state that a death could leave behind. */
#ifndef CSPCTL_CHANGE_H
#define CSPCTL_CHANGE_H

#include <csp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct supervisor;

#define CHANGE_TEXT 1024

struct change {
    enum change_kind { CHANGE_NONE, CHANGE_SCALE, CHANGE_RESTART, CHANGE_RELOAD } kind;
    size_t process;
    unsigned replicas;      /* SCALE: so many there are to be */
    csp_time since;         /* RESTART: incarnations that began later are new */
    unsigned reload;        /* RELOAD: its number */
    int status;             /* where it is refused: 1, if nothing else is said */
    char text[CHANGE_TEXT]; /* what there is to say: why not, or what was done */
};

/* Notes why not. False. */
bool change_refuse(struct change *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Begins what a request asks for. False: it can't be, and nothing was changed; c->text says why. Or the request is only
 * to look (`look`), and it could be: c->status is 0. */
bool change_begin(struct supervisor *s, const json_t *request, struct change *c);

/* Whether it has come to its end; c->text then says what it was, and c->status is 0, or not where it can't be done any
 * more. */
bool change_done(const struct supervisor *s, struct change *c);

#endif
