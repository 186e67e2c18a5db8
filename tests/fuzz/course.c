/* SPDX-License-Identifier: MPL-2.0 */
#include "course.h"

#include "broker/durable.h"
#include "broker/pair.h"
#include "frames.h"
#include "sane.h"
#include "world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { ROOT_ENDS = 7, MOST_FRAMES = 200 };

static struct broker *broker;
static const struct course *course;
static struct bytes input;
static unsigned begun, which, ended, happened;

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void pass(void)
{
    static const int64_t times[] = {1, 1000, 20000, 110000, 260000, 600000, 2000000, 6000000}; /* microseconds */
    world_pass(BYTES_OF(&input, times) * 1000);
}

/* A process writes what it likes into a page of its own. */
static void poke(void)
{
    static const uint64_t numbers[] = {0, 1, 2, 3, 5, 100, UINT64_MAX, WIRE_REVOKED};
    const struct line *l = line_find(broker, 1 + bytes_below(&input, WORLD_ROUTES));
    unsigned where = bytes_next(&input);
    uint64_t n = BYTES_OF(&input, numbers);
    if (where < 32 && l != NULL && l->page != NULL)
        world_page(l)[where % 4] = n;
    const struct channel *c = channel_find(broker, where / 8 % 8);
    if (where < 32 || c == NULL || c->pair == NULL || c->pair->page == NULL)
        return;
    struct wire_page *page = c->pair->page;
    _Atomic uint64_t *const counts[] = {&page->sent, &page->taken, &page->wanted, &page->bytes, &page->before};
    unsigned i = where % 8;
    atomic_store(counts[i < 5 ? i : i < 6 ? 1 : 0], n);
    if (i >= 6) { /* as a good one would: all is taken that was sent */
        uint64_t taken = atomic_load(counts[1]);
        atomic_store(counts[1], (taken & WIRE_REVOKED) != 0 ? taken : n);
    }
}

static void happen(void)
{
    enum { PASS = 200, KILL = 216, LOSE = 224, POKE = 232, HELLO = 244, FILL = 254 };
    unsigned what = bytes_next(&input);
    if (what < PASS) {
        uint32_t route = 1 + what % 5; /* mostly those who are there */
        if (line_find(broker, route) == NULL && world_connected(route))
            frames_hello(broker, route, &input);
        else if (line_find(broker, route) != NULL)
            frames_send(broker, route, &input);
    } else if (what < KILL)
        pass();
    else if (what < LOSE)
        world_kill(bytes_below(&input, 5) == 4 ? broker->info.root : world_pid(1 + bytes_below(&input, 7)));
    else if (what < POKE)
        world_disconnect(1 + bytes_below(&input, WORLD_ROUTES));
    else if (what < HELLO)
        poke();
    else if (what < FILL)
        frames_hello(broker, 1 + bytes_below(&input, WORLD_ROUTES), &input);
    else
        disk_failures = bytes_below(&input, 64);
}

/* The end: everybody dies, and what that needs time for gets it. */
static void finish(void)
{
    for (unsigned i = 1; i < WORLD_PIDS; i++)
        world_kill(world_pid(i));
    for (uint32_t route = 1; route <= WORLD_ROUTES; route++)
        world_disconnect(route);
    world_pass(course->last_pass);
    disk_failures = 0;
    if (++ended >= ROOT_ENDS)
        world_kill(broker->info.root);
    HOLD(ended <= ROOT_ENDS + course->patience);
}

static void step(void)
{
    if (course->look != NULL)
        course->look(broker);
    if (input.at == input.end || happened > MOST_FRAMES) {
        finish();
        return;
    }
    if (frames_begin(broker, which, begun)) {
        begun++;
        return;
    }
    happened++;
    happen();
    if (bytes_next(&input) % 8 == 7) /* in one turn of the loop */
        happen();
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static void begin(struct broker *b)
{
    static int nowhere = -1;
    if (nowhere < 0)
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    *b = (struct broker){.dir = "/nowhere", .epoll = 1 << 19, .notices = nowhere, .limit = 12};
    world_begin(b, step);
    memset(talks, 0, (WORLD_ROUTES + 1) * sizeof *talks);
    begun = ended = happened = disk_failures = 0;
    b->now = csp_now();
    memset(b->info.token, 42, sizeof b->info.token);
    b->info.root = world_pid(0);
    random_seed(&b->random, 1);
    if (course->open != NULL)
        course->open(b);
    HOLD(broker_begin(b) == 0);
}

/* What is still there when the run is over goes, and then nothing of it is left. */
static void clear(struct broker *b)
{
    LIST_EACH(node, next, &b->all)
    process_end(b, LIST_OWNER(node, struct process, all), (struct reason){HOW_SIGNAL, 9});
    loop_conclude(b);
    sane(b);
    disk_failures = 0;
    durable_close(b);
    HOLD(disk_stores == 0);
    LIST_EACH(node, next, &b->all)
    process_free(b, LIST_OWNER(node, struct process, all));
    for (uint64_t id = 1; id < b->next_channel; id++) { /* the ends of some may be in values of their own */
        struct channel *c = channel_find(b, id);
        if (c == NULL)
            continue;
        c->state = CHANNEL_BROKEN;
        channel_touch(b, c);
    }
    loop_conclude(b);
    for (uint64_t id = 1; id < b->next_channel; id++) {
        struct channel *c = channel_find(b, id);
        if (c == NULL)
            continue;
        HOLD(c->name != NULL);
        table_remove(&b->names, &c->by_name);
        free(c->name);
        c->name = NULL;
        HOLD(channel_reap(b, c));
    }
    timer_stop(&b->timers, &b->idle_again); /* nobody's: it goes off once, and finds nothing */
    HOLD(b->channels.count == 0 && b->names.count == 0 && b->processes.count == 0 && b->tickets.count == 0);
    HOLD(b->lines.count == 0 && b->scopes.count == 0 && b->live == 0 && timer_next(&b->timers) == INT64_MAX);
    struct table *const tables[] = {&b->channels, &b->names, &b->processes, &b->tickets, &b->lines, &b->scopes, NULL};
    for (size_t i = 0; tables[i] != NULL; i++)
        table_free(tables[i]);
    free(b->connections);
}

void course_run(const struct course *c, struct bytes in)
{
    static struct broker b;
    static bool silent;
    if (!silent)
        stderr = fopen("/dev/null", "we"); /* who is treated as dead */
    silent = true;
    broker = &b;
    course = c;
    input = in;
    which = bytes_next(&input);
    begin(&b);
    HOLD(loop_run(&b) == 0);
    if (c->close != NULL)
        c->close(&b);
    clear(&b);
    world_end();
}
