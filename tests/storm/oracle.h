/* SPDX-License-Identifier: MPL-2.0 */
/* What became of the values of a run: the broker's record of what it committed to whom (section 14 of docs/protocol.md)
 * against the journals of the processes (tests/programs/journal.h). Decision: it judges by both files alone, after the
 * run, so that a doctored pair shows that it can fail. */
#ifndef STORM_ORACLE_H
#define STORM_ORACLE_H

#include <stddef.h>
#include <stdio.h>

struct findings {
    size_t values;  /* committed to somebody */
    size_t lost;    /* committed to a process that was not killed, and not in its journal; or skipped by its channel */
    size_t doubled; /* in a journal twice, or twice out of its channel */
    size_t strange; /* in a journal and not committed to its process, or not what was sent */
    size_t excused; /* the last that a process got before it was killed, which it did not live to write down */
    size_t killed;  /* processes that died of SIGKILL, by the record */
};

/* Reads both to their ends (no record: NULL; then only values received twice are found); each violation is a line on
 * `complaints`. 0, or -1: no memory, or a line that is none. */
int oracle_judge(FILE *record, FILE *journal, FILE *complaints, struct findings *f);

#endif
