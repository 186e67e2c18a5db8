/* SPDX-License-Identifier: MPL-2.0 */
/* Losing selects leave nothing: not in the process, not in the broker, not in the channel. Decision: what is left is
 * measured from outside: the broker's waiting offers and channels by STAT, memory and descriptors of it and of the
 * process by /proc; and two others wait on the same channels from before the first loss, whose waits must not have been
 * touched, and who are met at the end.
 *
 *     losers [ROUNDS=100000] */
#include "ends.h"
#include "number.h"
#include "run.h"
#include "verdict.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory may grow by this in all rounds, 10 bytes a round: less than any trace of one. A sanitizer keeps what was freed
 * for a while, and looks for what is left itself. */
#ifdef __SANITIZE_ADDRESS__
enum { MOST_GROWTH = 512 * 1024 };
#else
enum { MOST_GROWTH = 1024 };
#endif

static csp_chan unsent, unread, busy, more, tired; /* nobody sends; nobody reads; something happens; rounds to do */
enum { LOSERS = 4, RECEIVER = 0, SENDER, FEEDER, LOSER = FEEDER + LOSERS, PROCESSES = LOSER + LOSERS };
static csp_proc processes[PROCESSES];

static int receive_one(void *arg)
{
    int64_t n;
    (void)arg;
    KEEP({unsent, CSP_RECV});
    if (number_receive(unsent, &n, CSP_FOREVER) != 0)
        return failure("receive");
    return n == 1 ? RIGHT : wrong("%ld came on the channel where only 1 was sent", (long)n);
}

static int send_one(void *arg)
{
    (void)arg;
    KEEP({unread, CSP_SEND});
    return number_send(unread, 2, CSP_FOREVER) == 0 ? RIGHT : failure("send");
}

static int feed(void *arg)
{
    (void)arg;
    KEEP({busy, CSP_SEND});
    while (number_send(busy, 0, CSP_FOREVER) == 0)
        ;
    return errno == EPIPE ? RIGHT : failure("feed");
}

/* One select whose cases on the quiet channels lose: to the busy one; to a deadline; to "now". */
static int lose_once(long i)
{
    struct number got;
    struct number lost = number(-1);
    csp_case cases[] = {on_number(unsent, &got), csp_on_send(unread, &lost, sizeof lost), on_number(busy, &got)};
    csp_time by = i % 16 == 1 ? csp_now() + 20000 : i % 16 == 2 ? CSP_NOW : CSP_FOREVER;
    size_t n = by == CSP_FOREVER ? 3 : 2;
    int chosen = csp_select(cases, n, by);
    if (chosen < 0)
        return n == 2 && (errno == ETIMEDOUT || errno == EAGAIN) ? RIGHT : failure("select");
    if (cases[chosen].err != 0)
        return CUT_OFF;
    if (chosen != 2)
        return wrong("a case on a channel happened that nobody uses");
    number_got(&cases[2]);
    return RIGHT;
}

static int lose(void *arg)
{
    int64_t rounds;
    (void)arg;
    KEEP({unsent, CSP_RECV}, {unread, CSP_SEND}, {busy, CSP_RECV}, {more, CSP_RECV}, {tired, CSP_SEND});
    while (number_receive(more, &rounds, CSP_FOREVER) == 0) {
        int status = RIGHT;
        for (long i = 0; i < rounds && status == RIGHT; i++)
            status = lose_once(i);
        if (status != RIGHT)
            return status;
        if (number_send(tired, rounds, CSP_FOREVER) != 0)
            return failure("report");
    }
    return errno == EPIPE ? RIGHT : failure("receive how often");
}

/* ---- what is there */

struct trace {
    struct waiting waits[PROCESSES];
    long kib[1 + LOSERS], descriptors[1 + LOSERS]; /* of the broker, of the losers */
    long channels;
};

static long resident(long pid)
{
    char path[64];
    char line[128];
    long kib = -1;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && kib < 0 && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "VmRSS: %ld", &kib);
    if (f != NULL)
        (void)fclose(f);
    return kib;
}

static long descriptors(long pid)
{
    char path[64];
    long n = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

/* Once all wait. CUT_OFF: one has died. */
static int look(struct trace *t)
{
    long pids[1 + LOSERS];
    if (until_waiting(processes, PROCESSES) < PROCESSES)
        return CUT_OFF;
    for (int i = 0; i < PROCESSES; i++)
        if (waiting_of(processes[i], &t->waits[i]) != 0)
            return CUT_OFF;
    char *text = csp__stat();
    if (text == NULL)
        return failure("STAT");
    if (sscanf(text, "run\t%*[^\t]\t%*[^\t]\t%*[^\t]\t%ld", &pids[0]) != 1)
        exit(wrong("STAT says: %.100s", text));
    t->channels = 0;
    for (const char *p = text; (p = strstr(p, "\nchannel\t")) != NULL; p++)
        t->channels++;
    free(text);
    for (int i = 0; i <= LOSERS; i++) {
        if (i > 0)
            pids[i] = t->waits[LOSER + i - 1].pid;
        t->kib[i] = resident(pids[i]);
        t->descriptors[i] = descriptors(pids[i]);
        if (t->kib[i] < 0)
            return CUT_OFF;
    }
    return RIGHT;
}

static int compare(const struct trace *before, const struct trace *after)
{
    int status = RIGHT;
    if (before->channels != after->channels)
        status = wrong("%ld channels are left of %ld", after->channels, before->channels);
    for (int i = 0; i < PROCESSES; i++)
        if (strcmp(before->waits[i].waits, after->waits[i].waits) != 0)
            status = wrong("process %ld waits now for: %s; before for: %s", (long)processes[i], after->waits[i].waits,
                           before->waits[i].waits);
    for (int i = RECEIVER; i <= SENDER; i++)
        if (before->waits[i].since != after->waits[i].since)
            status = wrong("the %s has waited anew", i == SENDER ? "sender" : "receiver");
    for (int i = 0; i <= LOSERS; i++) {
        const char *whose = i == 0 ? "broker" : "loser";
        if (after->descriptors[i] != before->descriptors[i])
            status =
                wrong("the %s has %ld descriptors, and had %ld", whose, after->descriptors[i], before->descriptors[i]);
        if (after->kib[i] > before->kib[i] + MOST_GROWTH)
            status = wrong("the %s has grown from %ld to %ld KiB", whose, before->kib[i], after->kib[i]);
    }
    return status;
}

/* ---- the course of it */

/* All losers together lose so often. None ends before it is told to, unless it is killed. */
static int lose_for(long rounds)
{
    struct number done;
    for (int i = 0; i < 2 * LOSERS; i++) {
        struct number share = number(rounds / LOSERS);
        csp_case next = i < LOSERS ? csp_on_send(more, &share, sizeof share) : on_number(tired, &done);
        int status = verdict_next(&next);
        if (status != NO_CHILD)
            return worse(status, CUT_OFF);
        if (i >= LOSERS)
            number_got(&next);
    }
    return RIGHT;
}

/* The quiet channels, when the losers have left: who waits there is met, and nobody else was left behind. */
static int meet_the_waiters(void)
{
    int64_t n = 0;
    if (number_send(unsent, 1, CSP_NOW) != 0)
        return until_waiting(&processes[RECEIVER], 1) == 0 ? CUT_OFF : wrong("nobody receives where one waits");
    if (number_send(unsent, 3, CSP_NOW) == 0)
        return wrong("a receive that lost was left behind");
    if (number_receive(unread, &n, CSP_NOW) != 0)
        return until_waiting(&processes[SENDER], 1) == 0 ? CUT_OFF : wrong("nobody sends where one waits");
    if (n != 2)
        return wrong("%ld came, not 2, from who waited longest", (long)n);
    return number_receive(unread, &n, CSP_NOW) != 0 ? RIGHT : wrong("a send that lost was left behind: %ld", (long)n);
}

static int run(long rounds)
{
    struct trace before;
    struct trace after;
    int status = lose_for(rounds / 10 + 100); /* what is allocated once is allocated then */
    if (status == RIGHT)
        status = look(&before);
    if (status == RIGHT)
        status = lose_for(rounds);
    if (status == RIGHT)
        status = look(&after);
    if (status == RIGHT)
        status = compare(&before, &after);
    return status == RIGHT ? meet_the_waiters() : status;
}

int main(int argc, char **argv)
{
    long rounds = argument(argc, argv, 1, 100000, 1, 100000000);
    csp_chan *const channels[] = {&unsent, &unread, &busy, &more, &tired};
    for (int i = 0; i < 5; i++)
        *channels[i] = ends_make(0);
    processes[RECEIVER] = go(receive_one, NULL);
    processes[SENDER] = go(send_one, NULL);
    if (until_waiting(processes, 2) < 2) /* before anybody loses there */
        return verdict(CUT_OFF, "one died");
    for (int i = FEEDER; i < PROCESSES; i++)
        processes[i] = go(i < LOSER ? feed : lose, NULL);
    KEEP({unsent, CSP_SEND}, {unread, CSP_RECV}, {more, CSP_SEND}, {tired, CSP_RECV});
    return verdict(run(rounds), "%ld selects lost, and left nothing", rounds);
}
