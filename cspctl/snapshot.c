/* SPDX-License-Identifier: MPL-2.0 */
/* A line is described by a table of its fields, text or number, and where each belongs in its structure. */
#include "snapshot.h"
#include "pool.h"

#include <run.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct field {
    size_t offset;
    bool text;
};

#define TEXT(type, member)                                                                                             \
    {                                                                                                                  \
        offsetof(struct type, member), true                                                                            \
    }
#define NUMBER(type, member)                                                                                           \
    {                                                                                                                  \
        offsetof(struct type, member), false                                                                           \
    }

static const struct field run_fields[] = {
    TEXT(snapshot, name),     TEXT(snapshot, file),      NUMBER(snapshot, root),
    NUMBER(snapshot, broker), NUMBER(snapshot, started),
};
static const struct field process_fields[] = {
    NUMBER(snapshot_process, id),  TEXT(snapshot_process, name),      NUMBER(snapshot_process, replica),
    NUMBER(snapshot_process, pid), NUMBER(snapshot_process, program), TEXT(snapshot_process, state),
    TEXT(snapshot_process, waits), NUMBER(snapshot_process, since),
};
static const struct field channel_fields[] = {
    NUMBER(snapshot_channel, id),       TEXT(snapshot_channel, name),        NUMBER(snapshot_channel, capacity),
    NUMBER(snapshot_channel, values),   NUMBER(snapshot_channel, bytes),     NUMBER(snapshot_channel, max_bytes),
    NUMBER(snapshot_channel, senders),  NUMBER(snapshot_channel, receivers), NUMBER(snapshot_channel, sent),
    NUMBER(snapshot_channel, received), TEXT(snapshot_channel, state),       NUMBER(snapshot_channel, how),
    NUMBER(snapshot_channel, code),     NUMBER(snapshot_channel, lost),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Cut the next field off *rest; NULL where there is none. */
static char *next_field(char **rest)
{
    return *rest != NULL ? strsep(rest, "\t") : NULL;
}

/* A number, or "-" for one that there is not. */
static bool parse_number(const char *text, int64_t *number)
{
    char *end;

    *number = 0;
    if (strcmp(text, "-") == 0)
        return true;
    errno = 0;
    *number = (int64_t)strtoll(text, &end, 10);
    if (errno == ERANGE)
        *number = INT64_MAX; /* an unsigned one that is beyond counting */
    return *text != '\0' && *end == '\0';
}

static bool parse_fields(char *rest, const struct field *fields, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++) {
        char *text = next_field(&rest);
        if (text == NULL)
            return false;
        char *at = (char *)to + fields[i].offset;
        if (fields[i].text)
            memcpy(at, &text, sizeof text);
        else if (!parse_number(text, (int64_t *)(void *)at))
            return false;
    }
    return true;
}

static bool parse_line(struct snapshot *s, char *line)
{
    const char *kind = next_field(&line);

    if (strcmp(kind, "run") == 0)
        return parse_fields(line, run_fields, COUNT(run_fields), s);
    if (strcmp(kind, "process") == 0) {
        s->processes = pool_more(s->pool, s->processes, s->nprocesses, sizeof *s->processes);
        return parse_fields(line, process_fields, COUNT(process_fields), &s->processes[s->nprocesses++]);
    }
    if (strcmp(kind, "channel") == 0) {
        s->channels = pool_more(s->pool, s->channels, s->nchannels, sizeof *s->channels);
        return parse_fields(line, channel_fields, COUNT(channel_fields), &s->channels[s->nchannels++]);
    }
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
