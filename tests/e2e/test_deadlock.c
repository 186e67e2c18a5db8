/* SPDX-License-Identifier: MPL-2.0 */
/* Deadlocks as a user meets them: a program of its own, and the workers of a pipeline file. Who can never move again is
 * told so, with the lines of its source; who waits for a timer, a descriptor or the world outside is left alone. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two processes that each receive first. Their parent holds no end, and waits for them and for its stdin; with an
 * argument it waits for them alone. */
static const char each[] =
    "#include <csp.h>\n"
    "#include <errno.h>\n"
    "#include <stdio.h>\n"
    "static csp_chan a, b;\n"
    "static int ends(const char *who, ssize_t n)\n"
    "{\n"
    "    printf(\"%s: %s\\n\", who, n >= 0 ? \"ok\" : errno == EDEADLK ? \"EDEADLK\" : csp_errmsg());\n"
    "    return n < 0;\n"
    "}\n"
    "static int ping(void *arg)\n"
    "{\n"
    "    char *c = arg;\n"
    "    ssize_t n = csp_recv(a, c, 1, CSP_FOREVER);\n" /* line 13 */
    "    return ends(\"ping\", n) || csp_send(b, \"x\", 1, CSP_FOREVER) != 0;\n"
    "}\n"
    "static int pong(void *arg)\n"
    "{\n"
    "    char *c = arg;\n"
    "    ssize_t n = csp_recv(b, c, 1, CSP_FOREVER);\n" /* line 19 */
    "    return ends(\"pong\", n) || csp_send(a, \"x\", 1, CSP_FOREVER) != 0;\n"
    "}\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    static char c;\n"
    "    (void)argv;\n"
    "    a = csp_make(0);\n"
    "    b = csp_make(0);\n"
    "    csp_proc p[] = {csp_go(ping, &c), csp_go(pong, &c)};\n"
    "    if (p[0] < 0 || p[1] < 0)\n"
    "        return 1;\n"
    "    if (argc > 1)\n"
    "        ends(\"main\", csp_wait(p[0], NULL, CSP_FOREVER));\n" /* line 32 */
    "    csp_drop(a, CSP_SEND | CSP_RECV);\n"
    "    csp_drop(b, CSP_SEND | CSP_RECV);\n"
    "    csp_case cases[] = {csp_on_exit(p[0], NULL), csp_on_exit(p[1], NULL), csp_on_fd(0, 1)};\n"
    "    int first = argc > 1 ? 2 : csp_select(cases, 3, CSP_FOREVER);\n"
    "    if (first < 2)\n"
    "        csp_wait(p[1 - first], NULL, CSP_FOREVER);\n"
    "    return csp_term();\n"
    "}\n";

/* A program of the scratch directory; its stdin says nothing until poke(). */
static struct running start_program(const char *name, const char *settings, const char *arguments)
{
    struct outcome o = sh("mkfifo %s", in_scratch("in"));
    assert_status(&o, 0);
    outcome_free(&o);
    return start("export CSP_LIBEXEC=$(realpath %s) %s; exec 9<> %s; exec %s %s < %s", built("libexec/csp"), settings,
                 in_scratch("in"), in_scratch("%s", name), arguments, in_scratch("in"));
}

/* Its stdin has something to be read. */
static void poke(void)
{
    struct outcome o = sh("echo > %s", in_scratch("in"));
    assert_status(&o, 0);
    outcome_free(&o);
}

/* Waits until that many processes have been in the call that they are in for longer than any look for deadlocks needs:
 * nothing announces that nothing happens. */
static void wait_until_they_wait(int processes)
{
    struct outcome o =
        sh("until test \"$(cspctl dump -o json 2> /dev/null | jq '[.processes[] | select(.waits[0].seconds > 1.5)] |"
           " length')\" -ge %d; do sleep 0.1; done",
           processes);
    assert_status(&o, 0);
    outcome_free(&o);
}

/* The report is there; says how long the processes had waited. */
static void assert_report(const struct text *err)
{
    assert_contains(err, "deadlock: 2 processes can never move again:\n");
    assert_contains(err, ", ping) waits to receive from channel #1 (for ");
    assert_contains(err, ") at ping() in each.c:13\n");
    assert_contains(err, ", pong) waits to receive from channel #2 (for ");
    assert_contains(err, ") at pong() in each.c:19\n");
    assert_contains(err, "the other end is held by process ");
    assert_contains(err, ", pong), which waits too\n");
    assert_contains(err, ", ping), which waits too\n");
}

/* The longest wait that the report tells of, in seconds. */
static double waited(const char *report)
{
    double most = 0, s;
    for (const char *at = report; (at = strstr(at, " (for ")) != NULL; at++)
        if (sscanf(at, " (for %lfs)", &s) == 1 && s > most)
            most = s;
    return most;
}

TEST(two_processes_that_each_receive_first_are_reported_and_their_calls_end)
{
    build_program("each", each);
    struct running r = start_program("each", "", "");
    struct outcome o = finish(&r);
    assert_status(&o, 0);
    assert_report(&o.err);
    ck_assert_msg(strncmp(o.err.data, "each: deadlock: ", 16) == 0, "%s", o.err.data);
    assert_contains(&o.out, "ping: EDEADLK\n");
    assert_contains(&o.out, "pong: EDEADLK\n");
    printf("# reported after %.1f s\n", waited(o.err.data));
    ck_assert_double_lt(waited(o.err.data), 60); /* a second, and what a busy machine takes */
    outcome_free(&o);
}

TEST(with_report_they_wait_on)
{
    build_program("each", each);
    struct running r = start_program("each", "CSP_ON_DEADLOCK=report", "");
    wait_for_output(&r, 1, "ping), which waits too\n");
    wait_until_they_wait(2);
    struct outcome o = sh("cspctl dump --deadlock -o json | jq -r '.processes[] | .title, .waits[0].place.line' &&"
                          " cspctl dump --deadlock && cspctl dump");
    assert_status(&o, 0);
    ck_assert_msg(strncmp(o.out.data, "ping\n13\npong\n19\neach: deadlock: 2 ", 32) == 0, "%s", o.out.data);
    assert_contains(&o.out, "2 can never move again");
    assert_contains(&o.out, " ping: stuck ");
    outcome_free(&o);
    poke();
    o = finish(&r);
    assert_status(&o, 0);
    assert_report(&o.err);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(with_ignore_nothing_is_said)
{
    build_program("each", each);
    struct running r = start_program("each", "CSP_ON_DEADLOCK=ignore", "");
    wait_until_they_wait(2);
    poke();
    struct outcome o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(who_waits_for_the_end_of_one_is_part_of_it)
{
    build_program("each", each);
    struct running r = start_program("each", "", "alone");
    struct outcome o = finish(&r);
    assert_status(&o, 0);
    assert_contains(&o.err, "deadlock: 3 processes can never move again:\n");
    assert_contains(&o.err, "waits for the end of process 2 (ping) (for ");
    assert_contains(&o.err, ") at main() in each.c:32\n      it waits too\n");
    assert_contains(&o.out, "main: EDEADLK\n");
    outcome_free(&o);
}

TEST(a_select_of_nothing_is_a_deadlock_of_one)
{
    build_program("nil", "#include <csp.h>\n#include <errno.h>\n"
                         "int main(void)\n{\n    char c;\n    csp_case nil = csp_on_recv(0, &c, 1);\n"
                         "    int n = csp_select(&nil, 1, CSP_FOREVER);\n" /* line 7 */
                         "    return n == -1 && errno == EDEADLK ? 3 : 4;\n}\n");
    struct running r = start_program("nil", "", "");
    struct outcome o = finish(&r);
    assert_status(&o, 3);
    assert_contains(&o.err, "nil: deadlock: 1 process can never move again:\n");
    assert_contains(&o.err, ") at main() in nil.c:7\n");
    outcome_free(&o);
}

/* ---- who is not dead */

/* The child waits for a value without a deadline, for longer than any look for deadlocks needs; the parent holds the
 * other end and comes back when what it waits for has. */
static const char lives[] = "#include <csp.h>\n"
                            "#include <poll.h>\n"
                            "#include <stdio.h>\n"
                            "#include <string.h>\n"
                            "#include <unistd.h>\n"
                            "static csp_chan c;\n"
                            "static int child(void *arg)\n"
                            "{\n"
                            "    char text[8] = \"\";\n"
                            "    (void)arg;\n"
                            "    csp_drop(c, CSP_SEND);\n"
                            "    if (csp_recv(c, text, sizeof text, CSP_FOREVER) != 3)\n"
                            "        perror(csp_errmsg());\n"
                            "    printf(\"got %s\\n\", text);\n"
                            "    return 0;\n"
                            "}\n"
                            "int main(int argc, char **argv)\n"
                            "{\n"
                            "    char byte;\n"
                            "    const char *what = argc > 1 ? argv[1] : \"\";\n"
                            "    c = csp_make(0);\n"
                            "    csp_proc p = csp_go(child, NULL);\n"
                            "    csp_drop(c, CSP_RECV);\n"
                            "    csp_case cases[] = {csp_on_recv(0, &byte, 1), csp_on_fd(0, POLLIN)};\n"
                            "    if (strcmp(what, \"timer\") == 0) {\n"
                            "        csp_tick t = {csp_in(100), 100000000};\n"
                            "        cases[1] = csp_on_tick(&t);\n"
                            "        for (int i = 0; i < 25; i++)\n"
                            "            csp_select(cases, 2, CSP_FOREVER);\n"
                            "    } else if (strcmp(what, \"deadline\") == 0)\n"
                            "        csp_select(cases, 1, csp_in(2500));\n"
                            "    else if (strcmp(what, \"descriptor\") == 0)\n"
                            "        csp_select(cases, 2, CSP_FOREVER);\n"
                            "    else if (strcmp(what, \"read\") == 0)\n"
                            "        (void)!read(0, &byte, 1);\n"
                            "    if (csp_send(c, \"hi\", 3, CSP_FOREVER) != 0)\n"
                            "        perror(csp_errmsg());\n"
                            "    csp_wait(p, NULL, CSP_FOREVER);\n"
                            "    return csp_term();\n"
                            "}\n";

static const struct {
    const char *what;
    bool pokes; /* it waits for its stdin */
} living[] = {{"timer", false}, {"deadline", false}, {"descriptor", true}, {"read", true}};

TEST(who_waits_for_a_timer_a_deadline_a_descriptor_or_the_world_is_no_deadlock)
{
    build_program("lives", lives);
    for (size_t i = 0; i < sizeof living / sizeof *living; i++) {
        struct running r = start_program("lives", "", living[i].what);
        if (living[i].pokes) {
            wait_until_they_wait(1);
            poke();
        }
        struct outcome o = finish(&r);
        ck_assert_msg(o.status == 0, "%s: %d", living[i].what, o.status);
        ck_assert_msg(strcmp(o.err.data, "") == 0, "%s: %s", living[i].what, o.err.data);
        ck_assert_msg(strcmp(o.out.data, "got hi\n") == 0, "%s: %s", living[i].what, o.out.data);
        outcome_free(&o);
        o = sh("rm %s", in_scratch("in"));
        outcome_free(&o);
    }
}

/* ---- workers of a pipeline file */

/* One sends x, then y; the other wants y first. */
static void write_crossed(const char *more)
{
    build_program("crossed", "#include <csp.h>\n#include <string.h>\n"
                             "int main(int argc, char **argv)\n{\n    char c;\n"
                             "    if (argc == 2 && strcmp(argv[1], \"sends\") == 0)\n    {\n"
                             "        csp_chan x = csp_open(\"x\", CSP_SEND), y = csp_open(\"y\", CSP_SEND);\n"
                             "        int first = csp_send(x, \"x\", 1, CSP_FOREVER);\n" /* line 9 */
                             "        return first != 0 || csp_send(y, \"y\", 1, CSP_FOREVER) != 0;\n    }\n"
                             "    csp_chan x = csp_open(\"x\", CSP_RECV), y = csp_open(\"y\", CSP_RECV);\n"
                             "    ssize_t first = csp_recv(y, &c, 1, CSP_FOREVER);\n" /* line 13 */
                             "    return first != 1 || csp_recv(x, &c, 1, CSP_FOREVER) != 1;\n}\n");
    write_text(in_scratch("crossed.yaml"),
               "channels: {x: {capacity: 0}, y: {capacity: 0}}\n"
               "processes:\n"
               "  sends: {worker: [%s, sends], out: [x, y]}\n"
               "  receives: {worker: [%s, receives], in: [x, y]}\n"
               "%s",
               in_scratch("crossed"), in_scratch("crossed"), more);
}

static void assert_crossed(const struct text *err)
{
    assert_contains(err, "cspctl: deadlock: 2 processes can never move again:\n");
    assert_contains(err, ", sends) waits to send to channel x (for ");
    assert_contains(err, ") at main() in crossed.c:9\n");
    assert_contains(err, ", receives) waits to receive from channel y (for ");
    assert_contains(err, ") at main() in crossed.c:13\n");
    assert_contains(err, ", receives), which waits too\n");
}

TEST(workers_in_a_deadlock_end_the_run_with_70)
{
    write_crossed("");
    struct outcome o = sh("cspctl run %s", in_scratch("crossed.yaml"));
    assert_status(&o, 70);
    assert_crossed(&o.err);
    assert_contains(&o.err, "cspctl: crossed: cancelled: 2 of its processes can never move again: status 70\n");
    ck_assert_ptr_null(strstr(o.err.data, "exit status")); /* what the cancellation ended is no failure */
    ck_assert_ptr_null(strstr(o.err.data, "killed"));
    outcome_free(&o);
}

TEST(a_cycle_that_waits_for_a_guest_is_reported_and_goes_on_when_one_comes)
{
    build_program("each", "#include <csp.h>\nint main(int argc, char **argv)\n{\n    char c;\n"
                          "    csp_chan in = csp_open(argv[1], CSP_RECV), out = csp_open(argv[2], CSP_SEND);\n"
                          "    if (argc != 3 || csp_recv(in, &c, 1, CSP_FOREVER) != 1)\n" /* line 6 */
                          "        return 1;\n    csp_send(out, &c, 1, CSP_FOREVER); /* the first may be gone */\n"
                          "    return 0;\n}\n");
    write_text(in_scratch("each.yaml"),
               "channels: {x: {close: never}, y: {close: never}}\n"
               "processes:\n"
               "  ping: {worker: [%s, x, y], in: [x], out: [y]}\n"
               "  pong: {worker: [%s, y, x], in: [y], out: [x]}\n",
               in_scratch("each"), in_scratch("each"));
    struct running r = start("exec cspctl run %s", in_scratch("each.yaml"));
    wait_for_output(&r, 1, "pong), which waits too\n");
    struct outcome o = sh("cspctl send x v");
    assert_status(&o, 0);
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 0);
    assert_contains(&o.err, "cspctl: deadlock: 2 processes can move again only when a guest comes");
    assert_contains(&o.err, ", ping) waits to receive from channel x (for ");
    assert_contains(&o.err, ", pong) waits to receive from channel y (for ");
    assert_contains(&o.err, ") at main() in each.c:6\n");
    outcome_free(&o);
}

TEST(a_deadlock_of_some_ends_a_run_whose_others_could_go_on)
{
    write_crossed("  other: {command: [tail, -f, /dev/null]}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("crossed.yaml"));
    assert_status(&o, 70);
    assert_crossed(&o.err);
    outcome_free(&o);
}

TEST(with_on_deadlock_report_the_run_goes_on_and_is_its_users_to_end)
{
    write_crossed("");
    struct running r = start("exec cspctl run --on-deadlock=report %s", in_scratch("crossed.yaml"));
    wait_for_output(&r, 1, "(for ");
    wait_until_they_wait(2);
    struct outcome o = sh("cspctl dump | grep -c ': stuck '; cspctl stop");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "2\n");
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 130);
    assert_crossed(&o.err);
    outcome_free(&o);
}

TEST(with_on_deadlock_ignore_nobody_looks)
{
    write_crossed("");
    struct running r = start("exec cspctl run --on-deadlock=ignore %s", in_scratch("crossed.yaml"));
    wait_until_they_wait(2);
    struct outcome o = sh("cspctl dump --deadlock && cspctl stop");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 130);
    ck_assert_ptr_null(strstr(o.err.data, "deadlock"));
    outcome_free(&o);
}

TEST(a_deadlock_of_a_run_in_the_background_is_in_its_log)
{
    write_crossed("");
    struct outcome o = sh("cspctl run -d --log %s %s && until grep -q 'status 70' %s; do sleep 0.1; done",
                          in_scratch("log"), in_scratch("crossed.yaml"), in_scratch("log"));
    assert_status(&o, 0);
    struct text log = read_file(in_scratch("log"));
    assert_crossed(&log);
    free(log.data);
    outcome_free(&o);
    o = sh("while cspctl ps -o json | jq -e '.runs[0]' > /dev/null; do sleep 0.1; done");
    outcome_free(&o);
}

SUITE_OF(deadlock)
