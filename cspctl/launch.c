/* SPDX-License-Identifier: MPL-2.0 */
/* What a replica is started with: arguments, environment, directory and input file, its templates expanded.
 * A vector is one block of memory, pointers first and then the texts, so that the caller frees it in one call. */
#include "pipeline.h"
#include "pool.h"
#include "variable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pipeline whose variables a process has. */
static const struct pipeline *origin_of(const struct pipeline *p, size_t process)
{
    return p->processes[process].origin != NULL ? p->processes[process].origin : p;
}

static char *expanded(const struct pipeline *p, const char *text, unsigned replica)
{
    if (!text)
        return NULL;
    char *out = memory_alloc(template_expand(p, text, replica, NULL) + 1);
    template_expand(p, text, replica, out);
    return out;
}

char *pipeline_cwd(const struct pipeline *p, size_t process, unsigned replica)
{
    return expanded(origin_of(p, process), p->processes[process].cwd, replica);
}

char *pipeline_input_file(const struct pipeline *p, size_t process, unsigned replica)
{
    const struct input *input = &p->processes[process].input;

    return input->kind == INPUT_FILE ? expanded(origin_of(p, process), input->file, replica) : NULL;
}

/* A copy of n texts as one block. */
static char **pack(const char *const *text, size_t n)
{
    size_t size = (n + 1) * sizeof(char *);

    for (size_t i = 0; i < n; i++)
        size += strlen(text[i]) + 1;
    char **vector = memory_alloc(size), *to = (char *)(vector + n + 1);
    for (size_t i = 0; i < n; i++) {
        vector[i] = to;
        to = stpcpy(to, text[i]) + 1;
    }
    vector[n] = NULL;
    return vector;
}

enum program_value program_value(const char *text)
{
    if (strcmp(text, "$1") == 0 || strcmp(text, "${1}") == 0)
        return VALUE_ONE;
    return strcmp(text, "$@") == 0 ? VALUE_ALL : VALUE_NONE;
}

static size_t argument(const struct pipeline *p, const char *text, bool each, unsigned replica, char *to)
{
    if (!each || program_value(text) == VALUE_NONE)
        return template_expand(p, text, replica, to);
    size_t length = strlen(text);
    if (to)
        memcpy(to, text, length + 1);
    return length;
}

static char **program_argv(const struct pipeline *p, const struct program *program, bool each, unsigned replica)
{
    const char *const shell[] = {"/bin/sh", "-c", program->shell, "sh", "$@"};

    if (program->shell)
        return pack(shell, each ? 5 : 3);
    size_t size = (program->argc + 1) * sizeof(char *);
    for (size_t i = 0; i < program->argc; i++)
        size += argument(p, program->argv[i], each, replica, NULL) + 1;
    char **vector = memory_alloc(size), *to = (char *)(vector + program->argc + 1);
    for (size_t i = 0; i < program->argc; i++) {
        vector[i] = to;
        to += argument(p, program->argv[i], each, replica, to) + 1;
    }
    vector[program->argc] = NULL;
    return vector;
}

char **pipeline_argv(const struct pipeline *p, size_t process, unsigned replica)
{
    const struct process *c = &p->processes[process];

    return program_argv(origin_of(p, process), &c->program, c->kind == PROCESS_EACH, replica);
}

char **pipeline_ready_argv(const struct pipeline *p, size_t process, unsigned replica)
{
    return program_argv(origin_of(p, process), &p->processes[process].ready.exec, false, replica);
}

struct environment {
    struct pool *pool;
    const char **word; /* NAME=value */
    size_t n;
};

static void set(struct environment *e, const char *word)
{
    size_t name = strcspn(word, "=");

    for (size_t i = 0; i < e->n; i++)
        if (strncmp(e->word[i], word, name) == 0 && e->word[i][name] == '=') {
            e->word[i] = word;
            return;
        }
    e->word = pool_more(e->pool, e->word, e->n, sizeof *e->word);
    e->word[e->n++] = word;
}

static void set_words(struct environment *e, char *const words[])
{
    for (; words && *words; words++)
        set(e, *words);
}

char **pipeline_environment(const struct pipeline *p, size_t process, unsigned replica, char *const extra[])
{
    struct environment e = {.pool = pool_new()};
    const struct settings *env = &p->processes[process].env;
    const struct pipeline *origin = origin_of(p, process);

    set_words(&e, environ);
    for (size_t i = 0; i < origin->nvars; i++)
        set(&e, pool_format(e.pool, "%s=%s", origin->vars[i].name, origin->vars[i].value));
    set(&e, pool_format(e.pool, "replica=%u", replica));
    set(&e, pool_format(e.pool, "CSP_REPLICA=%u", replica));
    for (size_t i = 0; i < env->n; i++) {
        char *value = expanded(origin, env->item[i].value, replica);
        set(&e, pool_format(e.pool, "%s=%s", env->item[i].name, value));
        free(value);
    }
    set_words(&e, extra);
    char **result = pack(e.word, e.n);
    pool_free(e.pool);
    return result;
}
