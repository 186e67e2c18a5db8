/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl reload: a live run becomes what a file says. The file is checked here first, so that what is wrong with it is
 * said as `check` says it, and then by the supervisor, which is who runs it. */
#include "command.h"
#include "control.h"
#include "diagnostic.h"
#include "message.h"
#include "pipeline.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_reload = {
    .name = "reload",
    .args = "[--run NAME] [--timeout DURATION] FILE [name=value ...]",
    .help = "make a live run what a file says: start, replace and end what differs",
    .run = run,
    .details = "  -r, --run NAME|DIR       which run, where there are several\n"
               "  -t, --timeout DURATION   how long to wait until it is done (60s)\n"
               "\nProcesses are matched by their names. One that is unchanged is left alone; where only `replicas` "
               "differs it\n"
               "is scaled; one that has changed is replaced as by `cspctl restart`; new ones are started; the others "
               "end when\n"
               "they have done what they have. Values that are in channels stay there.\n"
               "\nstatus: 0 done; 1 it can't be, and nothing was changed, or the run ends meanwhile; 64 usage; 69 no "
               "such run;\n"
               "78 the file has mistakes; 124 not done in time: it goes on\n",
};

static bool is_right(const char *file, char *const vars[], size_t n)
{
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(file, vars, n, d);
    bool right = p != NULL;

    diagnostics_print(d, stderr, diagnostics_colour(stderr));
    pipeline_free(p);
    diagnostics_free(d);
    return right;
}

/* NULL: something of it is no UTF-8. */
static json_t *request(const char *path, char *const vars[], size_t n)
{
    json_t *words = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(words, json_string(vars[i])) != 0) {
            json_decref(words);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:o}", "do", "reload", "file", path, "vars", words);
}

static int reload(const char *which, char *const words[], size_t n, int64_t timeout)
{
    struct live live;
    int status = live_find(which, &live);

    if (status != 0)
        return status;
    if (!is_right(words[0], words + 1, n - 1))
        return EX_CONFIG;
    char *path = realpath(words[0], NULL);
    int err = errno;
    json_t *o = path != NULL ? request(path, words + 1, n - 1) : NULL;
    if (o != NULL)
        status = control_ask(&live, o, timeout);
    else {
        message("%s: it cannot be asked for: %s", words[0],
                path == NULL ? strerror(err) : "its path or a variable is no UTF-8");
        status = EX_CONFIG;
    }
    free(path);
    return status;
}

static int run(int argc, char **argv)
{
    struct control_options o;

    if (!control_options(&command_reload, argc, argv, &o))
        return command_usage(&command_reload);
    return reload(o.run, argv + optind, (size_t)(argc - optind), o.timeout);
}
