/* SPDX-License-Identifier: MPL-2.0 */
/* A pipeline in the storm: a source that counts, a filter, and a file at its end, joined by direct edges, while guests
 * come to take some of it. Decision: a direct edge is in no record, so what became of the numbers is judged by those
 * that arrived, in the file and with the guests. */
#ifndef STORM_PIPELINE_H
#define STORM_PIPELINE_H

#include "oracle.h"

#include <stdbool.h>
#include <sys/types.h>

/* Writes the pipeline file DIR/pipeline.yaml. 0, or -1 with errno. */
int pipeline_write(const char *dir);

/* Starts the guests, one after the other until the run ends; dir/run is where it has its directory. The shell that
 * starts them, or -1. */
pid_t pipeline_visit(const char *dir, const char *cspctl);

/* Of the run that is over: all numbers up to the last in the file must be there or with the guests, each once and in
 * order; but one for each guest that was killed, and the guests may go back once for each other that was. complete: the
 * run says that it ended well. */
void pipeline_judge(const char *dir, unsigned guests_killed, unsigned others_killed, bool complete, struct findings *f);

/* Removes its files. */
void pipeline_remove(const char *dir);

#endif
