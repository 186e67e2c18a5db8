/* SPDX-License-Identifier: MPL-2.0 */
/* The world of a fuzzed broker: its clock, processes, connections and pages. Decision: the broker's own loop runs, and
 * what it asks of the kernel and of libzmq is answered here (the linker's --wrap): so every handler is the real one, a
 * death comes by a pidfd and the end of a connection by the monitor, and yet an input costs no system call. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "broker/broker.h"

#include <stdbool.h>
#include <stdint.h>

enum { WORLD_ROUTES = 8, WORLD_PIDS = 8, WORLD_PAGES = 24 };

/* Begins an empty one for this broker, which calls `step` when it has nothing to read: it makes something happen, or
 * ends the run. */
void world_begin(struct broker *b, void (*step)(void));

/* Every descriptor and page was given back. */
void world_end(void);

/* Lets time pass. */
void world_pass(int64_t ns);

/* The process with this index, 0 to WORLD_PIDS - 1; it is born again where it was dead. */
pid_t world_pid(unsigned index);
bool world_lives(pid_t pid);
void world_kill(pid_t pid);

/* A connection by a process, and its end. A route is 1 to WORLD_ROUTES. */
void world_connect(uint32_t route, pid_t pid);
bool world_connected(uint32_t route);
void world_disconnect(uint32_t route);

/* A frame comes: it is read next, after those before it. */
void world_send(uint32_t route, const void *frame, size_t size);

/* The page of a line, as its process writes it; NULL: it has none. */
uint64_t *world_page(const struct line *l);

/* disk.c: calls of the store of which every third fails; stores that are open. */
extern unsigned disk_failures, disk_stores;

/* Called with each frame that the broker says: frames.c. */
void world_said(uint32_t route, const struct wire_head *head, const unsigned char *payload);

#endif
