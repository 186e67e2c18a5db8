/* SPDX-License-Identifier: MPL-2.0 */
/* The one table of the pipeline file: every key, where it may stand, its type, default, bounds and meaning.
 * Parsing, validation and defaults are driven by it, so that what is documented, accepted and done can't drift apart.
 */
#ifndef CSPCTL_SCHEMA_H
#define CSPCTL_SCHEMA_H

#include "pipeline.h"

/* Where a key may stand: a kind of mapping. */
enum section {
    SECTION_FILE,
    SECTION_CHANNEL,
    SECTION_PROCESS,
    SECTION_SERVICE,
    SECTION_STDIN,
    SECTION_RECORDS,
    SECTION_MERGE,
    SECTION_RETRY,
    SECTION_RESTART,
    SECTION_READY,
    SECTION_COUNT
};

/* What a value may be; value.c and connection.c have a reader for each. */
enum type {
    TYPE_COUNT,    /* a whole number: int64_t */
    TYPE_DURATION, /* nanoseconds: int64_t */
    TYPE_SIZE,     /* bytes: int64_t */
    TYPE_CHOICE,   /* one of some words: int, its place among them */
    TYPE_NAME,     /* of the run: text */
    TYPE_FIELD,    /* text that is not empty */
    TYPE_TEMPLATE, /* text in which $name is replaced, for each replica */
    TYPE_REQUIRE,  /* a count or `all`: int64_t */
    TYPE_PROGRAM,
    TYPE_INPUT,
    TYPE_OUTPUT,
    TYPE_PORTS,
    TYPE_SERVE,
    TYPE_CODES,
    TYPE_SETTINGS,
    TYPE_DELAY,     /* a duration, or the least and the most: struct span */
    TYPE_DEAD,      /* the name of a channel: struct mention */
    TYPE_BATCH,     /* a count or a size: struct batch */
    TYPE_REGEX,     /* text */
    TYPE_READY,     /* a mapping of one key: struct ready */
    TYPE_NAMES,     /* of processes: struct mentions */
    TYPE_RESTART,   /* one of the words of `when`, or a mapping: struct restart */
    TYPE_SECTION,   /* a mapping of the section .section, or, where .choices are given, one of these words for all its
                       keys */
    TYPE_VARIABLES, /* the following: entries by name, each of the section .section */
    TYPE_CHANNELS,
    TYPE_PROCESSES,
    TYPE_SERVICES,
};

struct key {
    enum section in;
    enum type type;
    const char *name;
    size_t offset; /* of the field in the structure that the section fills */
    const char
        *fallback;    /* the default, read as if the file had it; NULL: none, the field stays as its reader set it */
    int64_t min, max; /* of a number */
    const char *choices[5]; /* of TYPE_CHOICE; of TYPE_SECTION, the words of its short form */
    const char *example;    /* a value to write */
    const char *help;
    enum section section; /* of what is inside */
    bool required;
};

extern const struct key schema[];
extern const size_t schema_size;

/* "a process". */
extern const char *const section_titles[SECTION_COUNT];

/* The key of a section, or NULL. */
const struct key *schema_find(enum section in, const char *name);
/* The name of the key nearest to a word, or NULL. */
const char *schema_nearest(enum section in, const char *name);

#endif
