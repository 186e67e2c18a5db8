/* SPDX-License-Identifier: MPL-2.0 */
/* The last error of a thread in words. Decision: a failing call notes three plain values and the sentence is made when
 * somebody asks, because a try that finds nothing (EAGAIN) is an error too, and is made a million times a second. */
#include "error.h"
#include "name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread struct {
    int err;
    const char *what; /* NULL: the text stands already */
    csp_chan chan;
    char text[512];
} last;

static const struct {
    int err;
    const char *sentence;
} sentences[] = {
    {EPIPE, "the channel is closed, or nobody can receive from it any more"},
    {EAGAIN, "nothing could happen at this moment"},
    {ETIMEDOUT, "the deadline passed"},
    {ECANCELED, "the scope that this call, or this process, is in was cancelled, or its deadline passed"},
    {EDEADLK, "this process, and all who could wake it, wait for ever"},
    {EBADF, "there is no such channel or group, or this process does not hold that end of it"},
    {EBUSY, "another thread or process has that end of it in use"},
    {EMSGSIZE, "the value is larger than the channel, or the buffer, takes"},
    {ENOTCONN, "the broker is gone: the run has ended, or has failed"},
    {EOWNERDEAD, "this process came from a plain fork(); only those that csp_go starts may use the run"},
    {ENOBUFS, "the channel is full, and its overflow policy is reject"},
    {ENOMEM, "no memory"},
    {ENOENT, "no channel has that name"},
    {EPERM, "this process was not granted those ends by the pipeline file"},
    {ECHILD, "no child of this process, or it was reaped already"},
    {EEXIST, "there is one with that name already"},
    {EPROTO, "the broker's answer is not of this protocol"},
};

/* A broker that refuses without an errno, or with one that there is not, speaks another protocol. */
static int known(int err)
{
    return err > 0 ? err : EPROTO;
}

int csp__fail(int err, const char *what, csp_chan c)
{
    last.err = err = known(err);
    last.what = what;
    last.chan = c;
    errno = err;
    return -1;
}

int csp__failf(int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): seen only when clang-tidy is given several files */
    (void)vsnprintf(last.text, sizeof last.text, format, args);
    va_end(args);
    last.err = err = known(err);
    last.what = NULL;
    errno = err;
    return -1;
}

/* ENOBUFS has another meaning where no value is sent. */
static const char *sentence_of(int err)
{
    if (err == ENOBUFS && (last.chan == 0 || strcmp(last.what, "stream") == 0))
        return "a limit of the broker, or of this library";
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (sentences[i].err == err)
            return sentences[i].sentence;
    return strerrordesc_np(err) != NULL ? strerrordesc_np(err) : "an unknown error";
}

const char *csp_errmsg(void)
{
    if (last.err == 0)
        return "no error";
    if (last.what == NULL)
        return last.text;
    char name[WIRE_MAX_NAME + 1];
    if (last.chan == 0)
        (void)snprintf(last.text, sizeof last.text, "%s: %s", last.what, sentence_of(last.err));
    else if (csp__name_of(last.chan, name))
        (void)snprintf(last.text, sizeof last.text, "%s, channel %s: %s", last.what, name, sentence_of(last.err));
    else
        (void)snprintf(last.text, sizeof last.text, "%s, channel %" PRIu64 ": %s", last.what, last.chan,
                       sentence_of(last.err));
    last.what = NULL;
    return last.text;
}
