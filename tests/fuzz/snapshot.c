/* SPDX-License-Identifier: MPL-2.0 */
/* What cspctl makes of the text that a broker answers to STAT and DUMP: the reader and all that is printed of it. */
#include "fuzz.h"

#include "dump.h"
#include "place.h"
#include "snapshot.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *nowhere;

/* A text may name any process: none is looked into. */
struct place __wrap_places_find(struct places *places, pid_t pid, uint64_t address, bool returns);
struct place __wrap_places_find(struct places *places, pid_t pid, uint64_t address, bool returns)
{
    (void)places;
    (void)returns;
    return (struct place){.address = address, .symbol = pid % 2 != 0 ? "a symbol" : NULL};
}

static void show(struct snapshot *s)
{
    static const struct live run;
    struct dump *d = dump_of(s, &run, INT64_C(1000000000000));
    HOLD(d != NULL);
    dump_text(d, nowhere);
    dump_report(d, nowhere);
    json_t *all = dump_json(d, false);
    HOLD(all != NULL);
    json_decref(all);
    dump_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "we");
    char *text = malloc(size + 1);
    HOLD(text != NULL && nowhere != NULL);
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    struct snapshot *s = snapshot_parse(text);
    if (s != NULL)
        show(s);
    return 0;
}
