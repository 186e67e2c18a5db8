/* SPDX-License-Identifier: MPL-2.0 */
/* What a pipeline that stands still takes is within what `cspctl explain` computes from its file. Decision: the memory
 * is asked of the kernel, process by process, when nothing moves any more; the same processes before there was a value
 * are the zero from which it is measured. */
#include "harness.h"

#include "leftover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long number(const char *command)
{
    struct outcome o = sh("cd %s && { %s; }", scratch(), command);
    assert_status(&o, 0);
    char *end;
    long n = strtol(o.out.data, &end, 10);
    ck_assert_msg(end != o.out.data, "no number: %s", o.out.data);
    outcome_free(&o);
    return n;
}

/* KiB that the broker and the bridges have, now or (peak) ever. */
static long resident(const char *what)
{
    char command[512];
    (void)snprintf(
        command, sizeof command,
        "{ sed -n 's/^broker //p' \"$XDG_RUNTIME_DIR\"/csp-*/run; cspctl ps -o json | jq '.runs[0].processes[] |"
        " select(.program != 0).pid'; } | while read p; do cat /proc/$p/status; done |"
        " awk '/^%s:/ { n += $2 } END { print n }'",
        what);
    return number(command);
}

/* A run of `source`, which begins when there is a file `go`, and whose lines nobody takes: the readers never read. */
static struct running start_stuck(const char *settings, const char *source, int readers)
{
    write_text(in_scratch("stuck.yaml"),
               "channels: {c: {%s}}\n"
               "processes:\n"
               "  from: {command: 'echo; until [ -e go ]; do sleep 0.02; done; %s', cwd: %s, stdout: c}\n"
               "  to: {command: [tail, -f, /dev/null], stdin: c, replicas: %d}\n",
               settings, source, scratch(), readers);
    struct running r = start("exec cspctl run %s", in_scratch("stuck.yaml"));
    for (pid_t pids[8]; processes_named("tail", pids, 8) < (size_t)readers;)
        wait_for_process("tail");
    return r;
}

static void stop(struct running *r)
{
    struct outcome o = sh("cspctl stop --kill");
    outcome_free(&o);
    o = finish(r);
    outcome_free(&o);
}

/* The source has written something, and then nothing for half a second, eight times looked at, when every thread of the
 * broker, the bridges and the programs slept: who only waits for a busy processor does not. */
static void wait_for_standstill(const char *source)
{
    pid_t pid = wait_for_process(source);
    struct outcome o = sh("all=$(sed -n 's/^broker //p' \"$XDG_RUNTIME_DIR\"/csp-*/run; cspctl ps -o json |"
                          " jq '.runs[0].processes[] | select(.program != 0) | .pid, .program');"
                          " n=0 last=0; while [ $n -lt 8 ]; do sleep 0.06; now=$(sed -n 's/^wchar: //p' /proc/%d/io);"
                          " if [ \"$now\" -gt 0 ] && [ \"$now\" = \"$last\" ] &&"
                          " ! for p in $all; do cat /proc/$p/task/*/stat; done | sed 's/.*) //' | grep -qv '^S';"
                          " then n=$((n + 1)); else n=0; fi; last=$now; done",
                          (int)pid);
    assert_status(&o, 0);
    outcome_free(&o);
}

static void stays_within(const char *settings, const char *source, const char *name, int readers, bool direct,
                         long least_kib)
{
    struct running r = start_stuck(settings, source, readers);
    if (direct)
        number(
            "until cspctl ps -o json | jq -e '.runs[0].channels[0].kind == \"pair\"' > /dev/null; do sleep 0.02; done;"
            " echo 1");
    long zero = resident("VmRSS");
    write_text(in_scratch("go"), "%s", "");
    wait_for_standstill(name);
    long now = resident("VmRSS") - zero, peak = resident("VmHWM") - zero;
    stop(&r);
    unlink(in_scratch("go"));
    long bound = number("cspctl explain -o json stuck.yaml | jq '.memory / 1024 | floor'");
    printf("%s, %s, %d: %ld KiB now, %ld at most, bound %ld\n", settings, source, readers, now, peak, bound);
    ck_assert_msg(peak <= bound, "%ld KiB, and explain says at most %ld", peak, bound);
    ck_assert_msg(now >= least_kib, "%ld KiB: it is not full", now);
}

/* Under a sanitizer memory is not given back, and each byte has another. */
#define UNLESS_SANITIZED                                                                                               \
    if (*sanitizers() != '\0')                                                                                         \
    return

TEST(a_stuck_pair_stays_within_its_bound)
{
    UNLESS_SANITIZED;
    stays_within("capacity: 1024", "exec yes", "yes", 1, true, 0);
    stays_within("capacity: 100000, max_bytes: 8MiB", "exec yes $(printf %01000d 0)", "yes", 1, true, 8 << 10);
    stays_within("max_bytes: 64KiB", "exec yes $(printf %01000d 0)", "yes", 1, true, 64);
}

TEST(a_stuck_stream_stays_within_its_bound)
{
    UNLESS_SANITIZED;
    stays_within("capacity: 1024", "exec yes", "yes", 3, false, 0);
    stays_within("capacity: 100000, max_bytes: 8MiB", "exec yes $(printf %01000d 0)", "yes", 3, false, 8 << 10);
}

TEST(a_stuck_rendezvous_stays_within_its_bound)
{
    UNLESS_SANITIZED;
    stays_within("capacity: 0", "exec yes $(printf %0100000d 0)", "yes", 2, false, 0);
}

SUITE_OF(bounds)
