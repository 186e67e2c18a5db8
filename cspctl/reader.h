/* SPDX-License-Identifier: MPL-2.0 */
/* From the nodes of a document to the fields of a pipeline, as schema.h says. A type is what it makes of a text, a list
 * and a mapping; whatever it has no function for is a wrong type, said in one place. */
#ifndef CSPCTL_READER_H
#define CSPCTL_READER_H

#include "document.h"
#include "pipeline.h"
#include "schema.h"

#include <czmq.h>

struct reader {
    struct pipeline *p;
    struct document doc;
    struct diagnostics *d;
    char *const *arguments; /* name=value words of the command line */
    size_t narguments;
    bool valueless;      /* a variable has no value, which is said */
    bool surplus;        /* there are too many channels, which is said */
    size_t process;      /* the one that is being read */
    zhashx_t *mentioned; /* texts where a process has a mistake: channels that are meant to have an end there */
};

/* A value that is being read. */
struct value {
    const struct key *key;
    int node;         /* 0: the default */
    const char *text; /* of a text, its variables expanded where the type wants that */
    struct place place;
    void *base, *field; /* the structure that the section fills, and the key's field of it */
};

/* What to do with each form of a value; NULL: it must not have that form. They say
 * what is wrong and go on. */
struct reading {
    const char *what; /* "a whole number" */
    void (*text)(struct reader *r, const struct value *v);
    void (*list)(struct reader *r, const struct value *v);
    void (*map)(struct reader *r, const struct value *v);
    bool expands; /* variables in a text */
};

/* value.c */
void read_count(struct reader *r, const struct value *v);
void read_duration(struct reader *r, const struct value *v);
void read_size(struct reader *r, const struct value *v);
void read_choice(struct reader *r, const struct value *v);
void read_name(struct reader *r, const struct value *v);
void read_field(struct reader *r, const struct value *v);
void read_template(struct reader *r, const struct value *v);
void read_require(struct reader *r, const struct value *v);
void read_batch(struct reader *r, const struct value *v);
void read_code(struct reader *r, const struct value *v);
void read_codes(struct reader *r, const struct value *v);
void read_settings(struct reader *r, const struct value *v);
void read_delay(struct reader *r, const struct value *v);
void read_delays(struct reader *r, const struct value *v);
void read_restart_word(struct reader *r, const struct value *v);
/* program.c */
void read_shell(struct reader *r, const struct value *v);
void read_arguments(struct reader *r, const struct value *v);
/* connection.c */
void read_input_channel(struct reader *r, const struct value *v);
void read_input_channels(struct reader *r, const struct value *v);
void read_input_file(struct reader *r, const struct value *v);
void read_output_word(struct reader *r, const struct value *v);
void read_output_channels(struct reader *r, const struct value *v);
void read_port_names(struct reader *r, const struct value *v);
void read_port_numbers(struct reader *r, const struct value *v);
void read_serve(struct reader *r, const struct value *v);
void read_dead(struct reader *r, const struct value *v);
/* entries.c */
void read_variables(struct reader *r, const struct value *v);
void read_channels(struct reader *r, const struct value *v);
void read_processes(struct reader *r, const struct value *v);
void read_services(struct reader *r, const struct value *v);

/* Read a mapping as a section into base, with defaults for what is absent. Returns the members by place of their key in
 * the schema, NULL for those absent; the array lives as long as the document. */
const struct member **read_section(struct reader *r, enum section section, int node, struct place place, void *base);
void read_defaults(struct reader *r, enum section section, void *base);

/* Of what read_section returned: the member of a key, or NULL. */
const struct member *given(const struct member **members, enum section section, const char *name);

/* An error at the value, "KEY: " before it and "write KEY: EXAMPLE" as the hint. */
void wrong(struct reader *r, const struct value *v, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* An element of a list as text; false (said) where it is none. */
bool read_element(struct reader *r, const struct value *v, int node, struct value *element);

/* A name of something in the file: a letter or _, then letters, digits, _ - and, with dots, points. False (said) if
 * not. */
bool check_name(struct reader *r, struct place at, const char *what, const char *name, bool dots);

/* The same of a channel, whose names with dots are not for the file to give. */
bool check_channel_name(struct reader *r, struct place at, const char *name);

/* Note that a value, which is wrong, names channels. */
void mention(struct reader *r, int node);

/* The channel of a name, made if it is not there yet. PIPELINE_NONE (said) where there are too many. */
size_t intern_channel(struct reader *r, const char *name, struct place place);

/* dependency.c */
void read_regex(struct reader *r, const struct value *v);
void read_ready(struct reader *r, const struct value *v);
void read_dependency(struct reader *r, const struct value *v);
void read_dependencies(struct reader *r, const struct value *v);
void check_dependencies(struct reader *r);

/* Whether the programs can be found: a worker's must, a command's is a warning. Sets the paths of workers. */
void check_program(struct reader *r, struct process *process);

/* guarantee.c: which values are leased, and whether all keep what the file promises; before the topology. */
void settle_leases(struct reader *r);
void check_guarantees(struct reader *r);

/* partition.c: puts a process and its lanes before each that has a partition; after all checks. */
void expand_partitions(struct reader *r);

/* topology.c: what only the whole file shows. */
void check_topology(struct reader *r);

#endif
