/* SPDX-License-Identifier: MPL-2.0 */
/* Whether two pipelines mean the same by a name. Decision: processes are compared as they would be started, with their
 * templates expanded, so that a file which only says it in another way changes nothing; and each field of the structure
 * is compared, which a test holds against the table of keys. */
#ifndef CSPCTL_DEFINITION_H
#define CSPCTL_DEFINITION_H

#include "pipeline.h"

/* All but the number of replicas, and places. */
bool definition_same(const struct pipeline *a, size_t process, const struct pipeline *b, size_t other);

/* The first key by which two channels differ, as the file has it; NULL: there is none. */
const char *definition_channel_key(const struct pipeline *a, size_t channel, const struct pipeline *b, size_t other);

#endif
