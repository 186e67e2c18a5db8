/* SPDX-License-Identifier: MPL-2.0 */
/* `cspctl reload`: another file for a live run. Decision: all that can be refused is refused before anything is
 * touched, and all that can fail (channels, announcements) is done before the first replica is told: so a reload is
 * done whole or not at all. What follows from it are events of replicas like any other (lifecycle.c). */
#ifndef CSPCTL_RELOAD_H
#define CSPCTL_RELOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct change;
struct pipeline;
struct revision;
struct snapshot;
struct supervisor;

/* Of a run. A file that was loaded lives for as long as the run is what it says, or a replica is of a definition that
 * it had: vacancy.h. */
struct reloads {
    struct pipeline **loaded; /* the last one is that of the run */
    size_t nloaded;
    unsigned last; /* number of the last one, from 1 */
};

/* As change_begin and change_done. */
bool reload_begin(struct supervisor *s, const json_t *request, struct change *c);
bool reload_done(const struct supervisor *s, const struct change *c);

/* It reads channels that nobody will receive from any more, and that end by themselves: it reads them to their end. */
bool reload_drains(const struct revision *r, size_t process, const struct snapshot *now);

/* Whether the run may become that; channels that have ended, and begin anew, are marked in it. */
bool reload_may(const struct supervisor *s, struct revision *r, const struct snapshot *now, struct change *c);

/* Those who drain what nobody reads after them: whose senders have ended. */
void reload_step(struct supervisor *s);

void reload_close(struct supervisor *s);

#endif
