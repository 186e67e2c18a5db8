/* SPDX-License-Identifier: MPL-2.0 */
/* Runs, processes and channels as JSON: what every command that shows them says of each. */
#ifndef CSPCTL_SNAPSHOT_JSON_H
#define CSPCTL_SNAPSHOT_JSON_H

#include "live.h"
#include "snapshot.h"

#include <jansson.h>

/* Callers own the results, and may add to them. now: as csp_now(). */
json_t *live_json(const struct live *run);
void snapshot_memory_json(json_t *run, const struct snapshot *s); /* added to what live_json() gave */
json_t *snapshot_process_json(const struct snapshot_process *p, csp_time now);
json_t *snapshot_channel_json(const struct snapshot *s, const struct snapshot_channel *c);

#endif
