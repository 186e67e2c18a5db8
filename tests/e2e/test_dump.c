/* SPDX-License-Identifier: MPL-2.0 */
/* What a run is doing, asked from outside while it goes on: cspctl dump, and SIGQUIT to cspctl run. */
#include "harness.h"

#include "standing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first n primes, a line each. */
static struct text primes(int n)
{
    struct text t = {.data = malloc((size_t)n * 8)};
    for (int found = 0, c = 2; found < n; c++) {
        int d = 2;
        while (d * d <= c && c % d != 0)
            d++;
        if (d * d > c) {
            t.len += (size_t)sprintf(t.data + t.len, "%d\n", c);
            found++;
        }
    }
    return t;
}

#define PRIMES 160

static pid_t source;

/* The sieve, when it has found a hundred primes, and so is a hundred processes and one. Its source, the first child of
 * the one process of its file, stands, so that it does not come to its end. */
static struct running start_sieve(void)
{
    struct running r = start("exec cspctl run config/sieve.yaml count=%d", PRIMES);
    wait_for_output(&r, 0, "\n541\n");
    struct outcome o = sh("for p in $(cat /proc/%d/task/%d/children); do [ \"$(cat /proc/$p/comm)\" != sieve ] ||"
                          " sed 's/ .*//' /proc/$p/task/$p/children; done",
                          (int)r.pid, (int)r.pid);
    source = (pid_t)strtol(o.out.data, NULL, 10);
    outcome_free(&o);
    halt(source);
    return r;
}

static void finish_sieve(struct running *r)
{
    struct text want = primes(PRIMES);
    ck_assert_int_eq(kill(source, SIGCONT), 0);
    struct outcome o = finish(r);
    assert_status(&o, 0);
    assert_same(&o.out, &want);
    free(want.data);
    outcome_free(&o);
}

TEST(the_dump_of_the_running_sieve_names_all_processes_and_their_waits_and_leaves_it_alone)
{
    struct running r = start_sieve();
    double began = now();
    struct outcome o = sh("cspctl dump -o json");
    double took = now() - began;
    finish_sieve(&r);
    assert_status(&o, 0);
    write_file(in_scratch("dump.json"), o.out.data, o.out.len);
    outcome_free(&o);
    printf("# the dump took %.0f ms\n", took * 1000);
    ck_assert_double_lt(took, 10);

    /* Of csp_go's children all have a function; of the calls that wait all have a place, and their channel a holder. */
    o = sh(
        "jq -r '[.processes[] | select(.function != null)] as $go | [$go[].waits[]] as $waits |"
        " ($go | length >= 100), ($go | all(.function.file == \"workers/sieve.c\" and .title == .function.function)),"
        " ([$go[] | select(.title == \"filter\")] | length >= 99), ($go | all(.pid > 1 and (.ends | length) > 0)),"
        " ($waits | length > 0), ($waits | all(.place.file == \"workers/sieve.c\" and .place.line > 20)),"
        " ([$waits[].cases[]] | all((.op == \"send\" or .op == \"recv\") and (.partners | length) > 0))' %s",
        in_scratch("dump.json"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "true\ntrue\ntrue\ntrue\ntrue\ntrue\ntrue\n");
    outcome_free(&o);
}

TEST(the_text_has_every_process_with_its_place)
{
    struct running r = start_sieve();
    struct outcome o = sh("cspctl dump > %s; grep -c '^process [0-9]* filter: ' %s; grep -c ' in workers/sieve.c:' %s;"
                          " grep -c '^#[0-9]* .* open ' %s",
                          in_scratch("d"), in_scratch("d"), in_scratch("d"), in_scratch("d"));
    finish_sieve(&r);
    int filters, places, channels;
    ck_assert_int_eq(sscanf(o.out.data, "%d %d %d", &filters, &places, &channels), 3);
    ck_assert_int_ge(filters, 99);
    ck_assert_int_ge(places, 1);
    ck_assert_int_ge(channels, 100);
    outcome_free(&o);
}

TEST(sigquit_shows_what_all_are_doing_and_the_run_goes_on)
{
    struct running r = start_sieve();
    ck_assert_int_eq(kill(r.pid, SIGQUIT), 0);
    wait_for_output(&r, 1, "sieve: pid ");
    wait_for_output(&r, 1, " filter: ");
    wait_for_output(&r, 1, "CHANNEL");
    finish_sieve(&r);
}

TEST(sigquit_reaches_no_process_of_the_run)
{
    write_text(in_scratch("t.yaml"), "processes: {t: {command: [tail, -f, /dev/null]}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("t.yaml"));
    pid_t tail = wait_for_process("tail");
    for (int i = 0; i < 2; i++) {                   /* nor does a second one end anything */
        ck_assert_int_eq(kill(-r.pid, SIGQUIT), 0); /* as Ctrl-\\ does: to all of the foreground */
        wait_for_output(&r, 1, " t: ");
    }
    ck_assert_int_eq(kill(tail, 0), 0);
    struct outcome o = sh("cspctl stop");
    assert_status(&o, 0);
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(sigquit_does_not_end_a_run_that_is_over_and_whose_output_is_still_read)
{
    write_text(in_scratch("t.yaml"), "processes: {t: {command: [seq, '8000'], replicas: 2}}\n");
    struct outcome o = sh("mkfifo %s", in_scratch("out"));
    assert_status(&o, 0);
    outcome_free(&o);
    struct running r = start("exec cspctl run %s > %s", in_scratch("t.yaml"), in_scratch("out"));
    o = sh("exec 3< %s; dd bs=1 count=1 <&3 2> /dev/null; while cspctl ps -o json | jq -e '.runs[0]' > /dev/null; do"
           " sleep 0.1; done; kill -QUIT %d; cat <&3",
           in_scratch("out"), (int)r.pid);
    assert_status(&o, 0);
    ck_assert_uint_eq(o.out.len, 77786); /* twice 38893: more than a pipe holds */
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 0);
    outcome_free(&o);
}

/* ---- a program that waits */

static const char waiter[] = "#include <csp.h>\n"
                             "#include <stdio.h>\n"
                             "static csp_chan full, empty;\n"
                             "static int sender(void *arg)\n"
                             "{\n"
                             "    (void)arg;\n"
                             "    return csp_send(full, \"third\", 5, csp_in(60000)) != 0;\n" /* line 7 */
                             "}\n"
                             "int main(void)\n"
                             "{\n"
                             "    char c[8];\n"
                             "    full = csp_make(2);\n"
                             "    empty = csp_make(0);\n"
                             "    csp_send(full, \"one\\033[2J\", 7, CSP_FOREVER);\n"
                             "    csp_send(full, \"-\", 1, CSP_FOREVER);\n"
                             "    if (csp_go(sender, NULL) < 0)\n"
                             "        return 1;\n"
                             "    printf(\"up\\n\");\n"
                             "    fflush(stdout);\n"
                             "    csp_case cases[] = {\n"
                             "        csp_on_recv(empty, c, sizeof c),\n"
                             "        csp_on_fd(0, 1),\n"
                             "    };\n"
                             "    csp_select(cases, 2, csp_in(60000));\n" /* line 24 */
                             "    return csp_term();\n"
                             "}\n";

/* Its stdin is a pipe that says nothing until it is closed. */
static struct running start_waiter(void)
{
    build_program("waiter", waiter);
    struct outcome o = sh("mkfifo %s", in_scratch("in"));
    outcome_free(&o);
    struct running r = start("export CSP_LIBEXEC=$(realpath %s); exec %s < %s", built("libexec/csp"),
                             in_scratch("waiter"), in_scratch("in"));
    return r;
}

TEST(a_dump_has_values_places_and_the_cases_of_a_select)
{
    struct running r = start_waiter();
    int in = open(in_scratch("in"), O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(in, 0);
    wait_for_output(&r, 0, "up\n"); /* sender is process 2: who dumps comes after it */
    struct outcome o = sh("until cspctl dump > %s && grep -q 'waiter.c:7' %s && grep -q 'waiter.c:24' %s &&"
                          " grep -q third %s; do sleep 0.05; done; cat %s",
                          in_scratch("d"), in_scratch("d"), in_scratch("d"), in_scratch("d"), in_scratch("d"));
    assert_status(&o, 0);
    assert_contains(&o.out, "for one of 2, at main() in waiter.c:24\n");
    assert_contains(&o.out, "        to receive from #2, held by 2 sender\n        for descriptor 0\n");
    assert_contains(&o.out, "    to send to #1, held by 1 waiter, at sender() in waiter.c:7\n");
    assert_contains(&o.out, "more\n"); /* its deadline */
    assert_contains(&o.out, "one\\x1b[2J\n");
    assert_contains(&o.out, "waits to be sent by  2 sender  third\n");
    outcome_free(&o);
    close(in);
    o = finish(&r);
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_run_with_an_odd_name_is_dumped_and_is_json)
{
    write_text(in_scratch("t.yaml"), "processes: {t: {command: [tail, -f, /dev/null]}}\n");
    const char *name = "$(printf '\\033[31m\"x\\\\y\\351 \\303\\274')"; /* a byte that is no UTF-8 among them */
    struct running r = start("n=\"%s\"; exec cspctl run --name \"$n\" %s", name, in_scratch("t.yaml"));
    wait_for_process("tail");
    struct outcome o = sh("n=\"%s\"; cspctl dump --run \"$n\" && cspctl dump --run \"$n\" -o json | jq -e .name &&"
                          " cspctl ps -o json | jq -e '.runs[0].name'",
                          name);
    assert_status(&o, 0);
    ck_assert_ptr_null(strchr(o.out.data, '\033'));
    assert_contains(&o.out, "\"x\\y");
    outcome_free(&o);
    o = sh("cspctl stop");
    outcome_free(&o);
    o = finish(&r);
    outcome_free(&o);
}

TEST(a_run_that_is_not_there_is_69_and_a_word_too_many_64)
{
    struct outcome o = sh("cspctl dump --run nobody");
    assert_status(&o, 69);
    assert_contains(&o.err, "no such live run");
    outcome_free(&o);
    o = sh("cspctl dump nobody");
    assert_status(&o, 64);
    assert_contains(&o.err, "--run");
    outcome_free(&o);
}

SUITE_OF(dump)
