/* SPDX-License-Identifier: MPL-2.0 */
/* What a run keeps of the files that it was. Decision: an index means one definition for as long as anything knows it
 * by that, and only a reload looks what that still is; so a run that is reloaded again and again stays as large as it
 * was, and nobody who keeps an index has to be told. */
#ifndef CSPCTL_VACANCY_H
#define CSPCTL_VACANCY_H

#include "supervisor.h"

struct vacancy {  /* by process */
    bool *gone;   /* it is past, and no replica is of it: all is free but its index */
    bool *vacant; /* and that, too: the next definition may have it */
};

/* Forgets replicas of what is past, which have ended. Not while events are taken: one may be of such a replica. */
void vacancy_step(struct supervisor *s);

/* Caller owns the result and gives it to vacancy_free(). */
struct vacancy vacancy_find(const struct supervisor *s);
void vacancy_free(struct vacancy *v);

/* Frees the files of which nothing is in the run any more; the last is the run's. */
void vacancy_close_files(struct reloads *all, const struct pipeline *p);

#endif
