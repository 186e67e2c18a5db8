/* SPDX-License-Identifier: MPL-2.0 */
/* A line is described by a table of its fields, and where each belongs in its structure. */
#include "snapshot.h"
#include "pool.h"

#include <run.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, NUMBER, HEXADECIMAL };

struct field {
    size_t offset;
    enum type type;
};

#define FIELD(type, structure, member)                                                                                 \
    {                                                                                                                  \
        offsetof(struct structure, member), type                                                                       \
    }

static const struct field run_fields[] = {
    FIELD(TEXT, snapshot, name),     FIELD(TEXT, snapshot, file),      FIELD(NUMBER, snapshot, root),
    FIELD(NUMBER, snapshot, broker), FIELD(NUMBER, snapshot, started),
};
static const struct field memory_fields[] = {
    FIELD(NUMBER, snapshot, memory),
    FIELD(NUMBER, snapshot, heap),
};
static const struct field process_fields[] = {
    FIELD(NUMBER, snapshot_process, id),
    FIELD(TEXT, snapshot_process, name),
    FIELD(NUMBER, snapshot_process, replica),
    FIELD(NUMBER, snapshot_process, pid),
    FIELD(NUMBER, snapshot_process, program),
    FIELD(TEXT, snapshot_process, state),
    FIELD(TEXT, snapshot_process, waits),
    FIELD(NUMBER, snapshot_process, since),
#define PROCESS_FIELDS_OF_STAT 8
    FIELD(HEXADECIMAL, snapshot_process, function),
    FIELD(NUMBER, snapshot_process, scope),
    FIELD(NUMBER, snapshot_process, cancelled),
    FIELD(NUMBER, snapshot_process, stuck),
    FIELD(NUMBER, snapshot_process, parent),
};
static const struct field channel_fields[] = {
    FIELD(NUMBER, snapshot_channel, id),       FIELD(TEXT, snapshot_channel, name),
    FIELD(NUMBER, snapshot_channel, capacity), FIELD(NUMBER, snapshot_channel, values),
    FIELD(NUMBER, snapshot_channel, bytes),    FIELD(NUMBER, snapshot_channel, max_bytes),
    FIELD(NUMBER, snapshot_channel, senders),  FIELD(NUMBER, snapshot_channel, receivers),
    FIELD(NUMBER, snapshot_channel, sent),     FIELD(NUMBER, snapshot_channel, received),
    FIELD(TEXT, snapshot_channel, state),      FIELD(NUMBER, snapshot_channel, how),
    FIELD(NUMBER, snapshot_channel, code),     FIELD(NUMBER, snapshot_channel, lost),
#define CHANNEL_FIELDS_BEFORE_LEASES 14
    FIELD(NUMBER, snapshot_channel, leased),   FIELD(NUMBER, snapshot_channel, back_off),
    FIELD(NUMBER, snapshot_channel, given_up), FIELD(NUMBER, snapshot_channel, dropped),
};
static const struct field wait_fields[] = {
    FIELD(NUMBER, snapshot_wait, process),  FIELD(NUMBER, snapshot_wait, line),
    FIELD(NUMBER, snapshot_wait, since),    FIELD(HEXADECIMAL, snapshot_wait, place),
    FIELD(NUMBER, snapshot_wait, deadline), FIELD(TEXT, snapshot_wait, op),
    FIELD(NUMBER, snapshot_wait, number),   FIELD(TEXT, snapshot_wait, name),
};
static const struct field end_fields[] = {
    FIELD(NUMBER, snapshot_end, process),
    FIELD(NUMBER, snapshot_end, channel),
    FIELD(TEXT, snapshot_end, ends),
};
static const struct field stream_fields[] = {
    FIELD(NUMBER, snapshot_stream, process), FIELD(NUMBER, snapshot_stream, line),
    FIELD(NUMBER, snapshot_stream, channel), FIELD(TEXT, snapshot_stream, direction),
    FIELD(NUMBER, snapshot_stream, window),  FIELD(NUMBER, snapshot_stream, values),
    FIELD(NUMBER, snapshot_stream, since),   FIELD(TEXT, snapshot_stream, how),
};
static const struct field value_fields[] = {
    FIELD(NUMBER, snapshot_value, channel), FIELD(TEXT, snapshot_value, where),
    FIELD(NUMBER, snapshot_value, process), FIELD(NUMBER, snapshot_value, count),
    FIELD(NUMBER, snapshot_value, bytes),   FIELD(TEXT, snapshot_value, preview),
};
static const struct field scope_fields[] = {
    FIELD(NUMBER, snapshot_scope, number),   FIELD(NUMBER, snapshot_scope, process),
    FIELD(NUMBER, snapshot_scope, line),     FIELD(NUMBER, snapshot_scope, parent),
    FIELD(NUMBER, snapshot_scope, deadline), FIELD(NUMBER, snapshot_scope, cancelled),
    FIELD(NUMBER, snapshot_scope, members),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct kind {
    const char *word;
    const struct field *fields;
    size_t n, least;    /* of the fields; those behind the least may be missing: 0 */
    size_t size;        /* of an item; 0: the line is about the snapshot itself */
    size_t list, count; /* where they are in the snapshot */
} kinds[] = {
#define LIST(word, member)                                                                                             \
    {                                                                                                                  \
#word, word##_fields, COUNT(word##_fields), COUNT(word##_fields), sizeof(struct snapshot_##word),              \
            offsetof(struct snapshot, member), offsetof(struct snapshot, n##member)                                    \
    }
    {"run", run_fields, COUNT(run_fields), COUNT(run_fields), 0, 0, 0},
    {"memory", memory_fields, COUNT(memory_fields), COUNT(memory_fields), 0, 0, 0},
    {"process", process_fields, COUNT(process_fields), PROCESS_FIELDS_OF_STAT, sizeof(struct snapshot_process),
     offsetof(struct snapshot, processes), offsetof(struct snapshot, nprocesses)},
    {"channel", channel_fields, COUNT(channel_fields), CHANNEL_FIELDS_BEFORE_LEASES, sizeof(struct snapshot_channel),
     offsetof(struct snapshot, channels), offsetof(struct snapshot, nchannels)},
    LIST(wait, waits),
    LIST(end, ends),
    LIST(stream, streams),
    LIST(value, values),
    LIST(scope, scopes),
};

/* Cut the next field off *rest; NULL where there is none. */
static char *next_field(char **rest)
{
    return *rest != NULL ? strsep(rest, "\t") : NULL;
}

/* A number, or "-" for one that there is not. */
static bool parse_number(const char *text, enum type type, uint64_t *number)
{
    char *end;

    *number = 0;
    if (strcmp(text, "-") == 0)
        return true;
    errno = 0;
    *number = type == HEXADECIMAL ? strtoull(text, &end, 16) : (uint64_t)strtoll(text, &end, 10);
    if (errno == ERANGE)
        *number = INT64_MAX; /* an unsigned one that is beyond counting */
    return *text != '\0' && *end == '\0';
}

static bool parse_fields(char *rest, const struct kind *kind, void *to)
{
    for (size_t i = 0; i < kind->n; i++) {
        char *text = next_field(&rest), *at = (char *)to + kind->fields[i].offset;
        uint64_t number;
        if (text == NULL)
            return i >= kind->least;
        if (kind->fields[i].type == TEXT)
            memcpy(at, &text, sizeof text);
        else if (parse_number(text, kind->fields[i].type, &number))
            memcpy(at, &number, sizeof number);
        else
            return false;
    }
    return true;
}

/* Where the next item of this kind belongs: at the end of its list. */
static void *next_item(struct snapshot *s, const struct kind *kind)
{
    void *list;
    size_t n;

    if (kind->size == 0)
        return s;
    memcpy(&list, (char *)s + kind->list, sizeof list);
    memcpy(&n, (char *)s + kind->count, sizeof n);
    list = pool_more(s->pool, list, n, kind->size);
    void *item = memset((char *)list + n * kind->size, 0, kind->size);
    n++;
    memcpy((char *)s + kind->list, &list, sizeof list);
    memcpy((char *)s + kind->count, &n, sizeof n);
    return item;
}

static bool parse_line(struct snapshot *s, char *line)
{
    const char *word = next_field(&line);

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            return parse_fields(line, &kinds[i], next_item(s, &kinds[i]));
    return true;
}

struct snapshot *snapshot_parse(char *text)
{
    struct pool *pool = pool_new();
    struct snapshot *s = pool_zalloc(pool, sizeof *s);
    char *rest = text, *line;
    bool right = true;

    *s = (struct snapshot){.text = text, .pool = pool};
    while (right && (line = strsep(&rest, "\n")) != NULL)
        right = *line == '\0' || parse_line(s, line);
    if (right && s->name != NULL)
        return s;
    snapshot_free(s);
    errno = EPROTO;
    return NULL;
}

void snapshot_free(struct snapshot *s)
{
    if (s == NULL)
        return;
    free(s->text);
    pool_free(s->pool);
}

struct snapshot *snapshot_ask(void)
{
    char *text = csp__stat();

    return text != NULL ? snapshot_parse(text) : NULL;
}

struct snapshot *snapshot_ask_dump(void)
{
    char *text = csp__dump();

    return text != NULL ? snapshot_parse(text) : NULL;
}

const struct snapshot_channel *snapshot_channel(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->nchannels; i++)
        if (strcmp(s->channels[i].name, name) == 0)
            return &s->channels[i];
    return NULL;
}

int snapshot_waits(const struct snapshot_process *p, const char *operation)
{
    size_t n = strlen(operation);

    for (const char *at = p->waits; (at = strstr(at, operation)) != NULL; at++)
        if ((at == p->waits || at[-1] == ',') && (at[n] == '\0' || at[n] == ','))
            return 1;
    return 0;
}

const char *snapshot_kind(const struct snapshot *s, const struct snapshot_channel *c)
{
    size_t streams = 0, direct = 0;

    for (size_t i = 0; i < s->nstreams; i++) {
        streams += s->streams[i].channel == c->id;
        direct += s->streams[i].channel == c->id && strcmp(s->streams[i].how, "pair") == 0;
    }
    return streams == 0 ? "-" : direct == streams ? "pair" : "stream";
}
