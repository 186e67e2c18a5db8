/* SPDX-License-Identifier: MPL-2.0 */
/* The report of a deadlock: sentences, for it stands among the output of a program whose user may never have heard of
 * processes and ends. It begins with the name of the program whose stderr it is: cspctl where that supervises, else the
 * run's name, which is that of the program that started it. */
#include "dump.h"
#include "pool.h"
#include "unit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_CASES    16
#define SHOWN_PARTNERS 3

/* "process 3 (pid 4711, pong)" */
static const char *who(const struct dump *d, int64_t id, struct pool *pool)
{
    const struct dump_process *p = dump_process(d, id);

    return p != NULL ? pool_format(pool, "process %" PRId64 " (pid %" PRId64 ", %s)", id, p->p->pid, p->name)
                     : pool_format(pool, "process %" PRId64, id);
}

/* Who could have helped, and why they can't. */
static const char *partners(const struct dump *d, const struct snapshot_wait *w, struct pool *pool)
{
    const char *text = "";
    int64_t *ids;
    size_t n = dump_partners(d, w, &ids), waiting = 0;

    for (size_t i = 0; i < n; i++) {
        const struct dump_process *p = dump_process(d, ids[i]);
        waiting += p != NULL && p->p->stuck;
        if (i < SHOWN_PARTNERS)
            text = pool_format(pool, "%s%s%s", text, i == 0 ? "" : i + 1 == n ? " and " : ", ", who(d, ids[i], pool));
    }
    free(ids);
    if (n > SHOWN_PARTNERS)
        text = pool_format(pool, "%s and %zu more", text, n - SHOWN_PARTNERS);
    if (n > 0 && waiting == n)
        text = pool_format(pool, "%s, %s", text, n == 1 ? "which waits too" : "which all wait too");
    if (strcmp(w->op, "exit") == 0)
        return n > 0 && waiting == n ? "it waits too" : "it has ended, or can't";
    if (strcmp(w->op, "scope") == 0)
        return n > 0 ? pool_format(pool, "its members are %s", text) : "it has none that could end";
    if (w->number == 0)
        return "nothing can make it ready";
    if (strcmp(w->op, "wait") == 0)
        return n > 0 ? pool_format(pool, "it is also held by %s", text) : "no other process holds it";
    return n > 0 ? pool_format(pool, "the other end is held by %s", text) : "no other process holds the other end";
}

static void print_offer(const struct dump *d, const struct dump_process *p, size_t first, FILE *to)
{
    struct pool *pool = pool_new();
    const struct snapshot_wait *w = &p->waits[first];
    const struct place *at = &p->places[first];
    size_t n = dump_offer(p, first);
    char age[UNIT_TEXT];
    const char *place = at->address != 0 ? pool_format(pool, " at %s", place_print(at, pool)) : "";
    const char *since = unit_print_age(w->since > 0 ? d->now - w->since : 0, age);

    dump_line(to, "  %s waits %s (for %s)%s", who(d, p->p->id, pool),
              n == 1 ? dump_wait_phrase(d, w, "channel ") : pool_format(pool, "for one of %zu", n), since, place);
    for (size_t i = 0; i < n && i < SHOWN_CASES; i++)
        if (n == 1)
            dump_line(to, "      %s", partners(d, w, pool));
        else
            dump_line(to, "      %s: %s", dump_wait_phrase(d, w + i, "channel "), partners(d, w + i, pool));
    if (n > SHOWN_CASES)
        dump_line(to, "      and %zu more", n - SHOWN_CASES);
    pool_free(pool);
}

static void print_stuck(const struct dump *d, enum stuck how, const char *what, FILE *to)
{
    size_t n = dump_stuck(d, how);
    char number[UNIT_TEXT];

    if (n == 0)
        return;
    dump_line(to, "%s: deadlock: %s %s:", *d->run->info.file != '\0' ? "cspctl" : d->run->info.name,
              unit_print_number(n, "process", number), what);
    for (size_t i = 0; i < d->n; i++)
        if (d->processes[i].p->stuck == (int64_t)how)
            for (size_t k = 0; k < d->processes[i].nwaits; k += dump_offer(&d->processes[i], k))
                print_offer(d, &d->processes[i], k, to);
}

void dump_report(const struct dump *d, FILE *to)
{
    print_stuck(d, STUCK_FOR_EVER, "can never move again", to);
    print_stuck(d, STUCK_UNTIL_A_GUEST, "can move again only when a guest comes to a channel that never closes", to);
}
