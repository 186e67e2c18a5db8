/* SPDX-License-Identifier: MPL-2.0 */
/* The loop that asks all backends at once, and how it is known that they are ready. */
#include "gather.h"
#include "ask.h"
#include "message.h"
#include "pool.h"
#include "snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_EVERY                                                                                                    \
    5 /* ms between two looks: the broker does not announce a change of state, and this ends with it                   \
       */

/* One event. False when nothing more will come before the deadline. */
static bool gather_step(struct ask *asks, csp_case *cases, size_t n, csp_time by)
{
    size_t open = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        ask_cases(&asks[i], cases + size);
        size += ask_size(&asks[i]);
        open += !asks[i].done;
    }
    if (open == 0)
        return false;
    int happened = csp_select(cases, size, by), err = happened < 0 ? errno : 0;
    bool more = false;
    size = 0;
    for (size_t i = 0; i < n; i++) {
        size_t mine = ask_size(&asks[i]);
        if (happened >= (int)size && happened < (int)(size + mine)) {
            ask_step(&asks[i], (size_t)happened - size, cases[happened].err);
            more = true;
        } else if (err != 0 && err != ETIMEDOUT)
            more |= ask_failed(&asks[i], cases + size, err);
        size += mine;
    }
    return more;
}

void gather(const struct service_info *s, const char *words, struct answer *answers, double *took_ms)
{
    size_t n = s->nbackends, length = strlen(words) + 32, size = 0;
    struct ask *asks = memory_alloc(n * sizeof *asks);
    char *request = memory_alloc(length);

    for (size_t i = 0; i < n; i++) {
        ask_open(&asks[i], s, i, &answers[i]);
        size += ask_size(&asks[i]);
    }
    csp_case *cases = memory_alloc(size * sizeof *cases);
    csp_time began = csp_now(), by = began + s->deadline;
    int written = snprintf(request, length, "%" PRId64 " %s", by, words);
    for (size_t i = 0; i < n; i++)
        ask_begin(&asks[i], request, (size_t)written, by);
    while (gather_step(asks, cases, n, by)) {
    }
    *took_ms = (double)(csp_now() - began) / 1e6;
    for (size_t i = 0; i < n; i++)
        ask_close(&asks[i]);
    free(request);
    free(cases);
    free(asks);
}

char *gather_words(char *const words[], size_t n)
{
    size_t size = 1;

    for (size_t i = 0; i < n; i++) {
        if (strchr(words[i], '\n') != NULL) {
            message("a request is one line: word %zu has a newline in it", i + 1);
            return NULL;
        }
        size += strlen(words[i]) + 1;
    }
    char *text = memory_alloc(size), *to = text;
    *to = '\0';
    for (size_t i = 0; i < n; i++)
        to = stpcpy(stpcpy(to, i > 0 ? " " : ""), words[i]);
    return text;
}

/* ---- waiting for the backends */

static bool backend_ready(const struct snapshot *state, const char *service, const char *backend)
{
    char receive[512];
    bool coming = false;

    (void)snprintf(receive, sizeof receive, "recv %s.%s", service, backend);
    for (size_t i = 0; i < state->nprocesses; i++) {
        const struct snapshot_process *p = &state->processes[i];
        if (strcmp(p->name, backend) != 0 || strcmp(p->state, "ended") == 0)
            continue;
        if (snapshot_waits(p, receive))
            return true;
        coming = true;
    }
    return !coming;
}

static bool all_ready(const struct snapshot *state, const struct service_info *s)
{
    for (size_t i = 0; i < s->nbackends; i++)
        if (!backend_ready(state, s->name, s->backends[i].name))
            return false;
    return true;
}

int gather_ready(const struct service_info *s, csp_time by)
{
    for (;;) {
        struct snapshot *state = snapshot_ask();
        if (state == NULL)
            return -1;
        bool ready = all_ready(state, s);
        snapshot_free(state);
        if (ready)
            return 0;
        csp_time next = csp_in(READY_EVERY);
        csp_case look = csp_on_time(next);
        if (csp_select(&look, 1, by) < 0)
            return -1;
    }
}
