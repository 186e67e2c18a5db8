/* SPDX-License-Identifier: MPL-2.0 */
#include "timer.h"

static void point(struct timer **link, struct timer *t)
{
    *link = t;
    if (t != NULL)
        t->link = link;
}

/* Makes one heap of two; its first. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (b->at < a->at) {
        struct timer *later = a;
        a = b;
        b = later;
    }
    point(&b->next, a->child);
    point(&a->child, b);
    return a;
}

/* Makes one heap of a list of them: pairs from the left, then all from the right. */
static struct timer *meld_all(struct timer *list)
{
    struct timer *pairs = NULL, *whole = NULL;
    while (list != NULL) {
        struct timer *a = list, *b = a->next;
        list = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct timer *a = pairs;
        pairs = a->next;
        a->next = NULL;
        whole = meld(whole, a);
    }
    return whole;
}

void timer_set(struct timers *all, struct timer *t, int64_t at, void (*due)(struct broker *b, struct timer *t))
{
    timer_stop(all, t);
    t->at = at;
    t->due = due;
    point(&all->first, meld(all->first, t));
}

void timer_stop(struct timers *all, struct timer *t)
{
    if (!timer_is_set(t))
        return;
    point(t->link, t->next);
    struct timer *rest = meld_all(t->child);
    t->child = t->next = NULL;
    t->link = NULL;
    point(&all->first, meld(all->first, rest));
}

void timer_expire(struct timers *all, struct broker *b, int64_t now)
{
    for (struct timer *t; (t = all->first) != NULL && t->at <= now;) {
        timer_stop(all, t);
        t->due(b, t);
    }
}
