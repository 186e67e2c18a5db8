/* SPDX-License-Identifier: MPL-2.0 */
/* All that `cspctl check` does with a file, and what `run` and `explain` do with a good one before they start anything.
 * The text goes through a file in memory: the path from the bytes on is the real one. */
#include "fuzz.h"

#include "diagnostic.h"
#include "explain.h"
#include "pipeline.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static FILE *nowhere;
static int file = -1;
static char path[64];

static void prepare(void)
{
    nowhere = fopen("/dev/null", "we");
    file = memfd_create("pipeline.yaml", MFD_CLOEXEC);
    HOLD(nowhere != NULL && file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
}

/* What is expanded is words: none of them is NULL before the end, and each variable stands in just one. */
static void expand(const struct pipeline *p, size_t i, unsigned replica)
{
    const struct program *program = &p->processes[i].program;
    char **argv = pipeline_argv(p, i, replica), **env = pipeline_environment(p, i, replica, NULL);
    size_t n = 0;
    HOLD(argv != NULL && env != NULL);
    while (argv[n] != NULL)
        n++;
    if (program->argv != NULL)
        HOLD(n == program->argc);
    else
        HOLD((n == 3 || n == 5) && strcmp(argv[0], "/bin/sh") == 0 && strcmp(argv[1], "-c") == 0 &&
             strcmp(argv[2], program->shell) == 0);
    for (n = 0; env[n] != NULL; n++)
        HOLD(strchr(env[n], '=') != NULL);
    free(argv);
    free(env);
    free(pipeline_cwd(p, i, replica));
    free(pipeline_input_file(p, i, replica));
}

static void use(const struct pipeline *p)
{
    for (size_t i = 0; i < p->nprocesses; i++) {
        expand(p, i, 1);
        if (p->processes[i].replicas > 1)
            expand(p, i, (unsigned)p->processes[i].replicas);
        HOLD(pipeline_process(p, p->processes[i].name) == i);
    }
    for (size_t i = 0; i < p->nchannels; i++)
        HOLD(pipeline_channel(p, p->channels[i].name) == i);
    explain_text(p, nowhere);
    json_t *report = explain_json(p);
    HOLD(report != NULL);
    json_decref(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char word[] = "v=a b";
    char *vars[] = {word};
    if (file < 0)
        prepare();
    HOLD(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(path, vars, size % 2, d);
    HOLD((p == NULL) == (diagnostics_errors(d) != 0));
    diagnostics_print(d, nowhere, size % 3 == 0);
    json_t *report = diagnostics_json(d);
    HOLD(report != NULL);
    json_decref(report);
    if (p != NULL)
        use(p);
    pipeline_free(p);
    diagnostics_free(d);
    return 0;
}
