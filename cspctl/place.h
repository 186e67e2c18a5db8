/* SPDX-License-Identifier: MPL-2.0 */
/* Where in the source an address of another process is: its memory map gives the file, the file's symbols and debug
 * information the rest. As far as each is known: a process that has gone leaves the bare address. */
#ifndef CSPCTL_PLACE_H
#define CSPCTL_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;

struct place {
    uint64_t address;
    const char *module;   /* path of the file that is mapped there, or NULL */
    uint64_t offset;      /* in the module, as addr2line(1) and nm(1) count */
    const char *symbol;   /* or NULL */
    uint64_t past;        /* bytes from the symbol to the address */
    const char *function; /* in the source, one that was inlined into the symbol too; NULL without debug information */
    const char *file;     /* as the compiler was given it, or NULL */
    const char *dir;      /* where the compiler was started, or NULL */
    int line, column;     /* from 1; 0: not known */
};

/* Caller owns the result and must give it to places_free(), with which every place of it goes. */
struct places *places_new(void);
void places_free(struct places *places);

/* The place of an address in the memory of pid. `returns`: it is where a call returns to, and the call is meant. Ask
 * all of one process before the next: its map is read once then. */
struct place places_find(struct places *places, pid_t pid, uint64_t address, bool returns);

/* "ping() in ping.c:14", "ping+0x2c in a.out", "a.out+0x112c", "0x55d0c0de112c": what is known, for people. */
const char *place_print(const struct place *place, struct pool *pool);

#endif
