/* SPDX-License-Identifier: MPL-2.0 */
/* Want of descriptors and of disk, stopped processes, storms of signals, a clock that jumps; and a sample of the faults
 * that `make faults` injects, each call in turn. Decision: what can be had from the system is had from it (limits, a
 * full file system of its own, signals); only the rest is injected. */
#include "harness.h"

#include "faults/seam.h"
#include "leftover.h"
#include "standing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

TEST(a_sample_of_the_injected_faults_has_no_violation)
{
    struct outcome o = sh("%s --every 193 --jobs 4 2>&1", built("faults/faults"));
    if (o.status != 0)
        ck_abort_msg("%.*s", (int)o.out.len, o.out.data);
    assert_contains(&o.out, "violations: 0");
    ck_assert_msg(strstr(o.out.data, "\n0 faults") == NULL, "nothing was injected: %s", o.out.data);
    outcome_free(&o);
}

TEST(every_call_that_can_fail_is_led_through_the_seam)
{
    const char *build = built(".");
    struct outcome o = sh("scripts/seam %s", build);
    if (o.status != 0)
        ck_abort_msg("%.*s", (int)o.err.len, o.err.data);
    outcome_free(&o);
}

/* Streams, tasks one by one and in batches, in order, by line, by key, durable: each kind of bridge. */
static const char bridges[] =
    "channels:\n"
    "  jobs: {retry: {}}\n"
    "  outs: {durable: state, retry: {}}\n"
    "processes:\n"
    "  gen: {command: 'for i in $(seq 300); do printf \"%d %0900d\\n\" $i 0; done; head -c 300000 /dev/zero | tr "
    "\"\\0\" y', stdout: plain}\n"
    "  copy: {command: [cat], stdin: plain, stdout: jobs}\n"
    "  work: {each: [cat], stdin: jobs, batch: 50, stdout: mid, replicas: 2, order: input}\n"
    "  line: {command: [cut, -c-40], stdin: mid, stdout: two}\n"
    "  sort: {command: [sed, -u, 's/ 0*/ a/'], stdin: two, stdout: outs, partition: 1, ack: line, replicas: 2}\n"
    "  save: {each: 'cat >> out', stdin: outs, batch: 100}\n";

/* A program under the broker and the bridges is not interrupted: it is none of ours. */
TEST(broker_and_bridges_lose_nothing_where_each_call_is_interrupted_or_done_in_part)
{
    write_text(in_scratch("bridges.yaml"), "%s", bridges);
    for (unsigned times = 1; times <= 3; times += 2) {
        static struct seam seam;
        seam = (struct seam){
            .roles = (1 << ROLES) - 1, .first = UINT64_MAX, .last = UINT64_MAX, .interruptions = times, .partial = 1};
        write_file(in_scratch("seam"), &seam, sizeof seam);
        struct outcome o = sh(
            "export CSP_LIBEXEC=$(realpath %s) && cd %s && rm -rf out log state && ASAN_OPTIONS=detect_leaks=0 %s=%s "
            "cspctl run --joblog "
            "log bridges.yaml && { seq -f '%%.0f a' 300; printf '%%040d\\n' 0 | tr 0 y; } | sort >want && sort out | "
            "diff - want && grep -c '\"outcome\":\"done\"' log",
            built("faults"), scratch(), SEAM_VARIABLE, in_scratch("seam"));
        ck_assert_str_eq(o.err.data, "");
        ck_assert_str_eq(o.out.data, "602\n");
        outcome_free(&o);
        struct text after = read_file(in_scratch("seam"));
        memcpy(&seam, after.data, sizeof seam);
        ck_assert_uint_gt(atomic_load(&seam.faults), 1000);
        free(after.data);
    }
}

/* ---- descriptors */

static const char *pipeline(void)
{
    write_text(in_scratch("p.yaml"), "processes:\n  a: {command: seq 1000, stdout: numbers}\n"
                                     "  b: {command: cat, stdin: numbers, stdout: copies}\n"
                                     "  c: {command: wc -l, stdin: copies}\n");
    return in_scratch("p.yaml");
}

/* Whatever the limit: the result, or an error that says what was wanting; never a signal. */
TEST(with_any_small_number_of_descriptors_a_run_works_or_says_so)
{
    int worked = 0, failed = 0;
    for (int limit = 10; limit <= 130; limit += 8) {
        struct outcome o = sh("ulimit -n %d; ASAN_OPTIONS=detect_leaks=0 cspctl run %s", limit, pipeline());
        ck_assert_msg(o.status < 128, "%d descriptors: status %d: %s", limit, o.status, o.err.data);
        if (o.status == 0) {
            ck_assert_msg(strcmp(o.out.data, "1000\n") == 0, "%d descriptors: %s", limit, o.out.data);
            worked++;
        } else {
            ck_assert_msg(o.err.len > 0, "%d descriptors: status %d, and not a word", limit, o.status);
            failed++;
        }
        outcome_free(&o);
    }
    ck_assert_msg(worked > 0 && failed > 0, "%d worked, %d failed: no limit between", worked, failed);
}

static const char many[] =
    "#include <csp.h>\n#include <errno.h>\n#include <stdio.h>\n#include <unistd.h>\n"
    "static csp_chan c;\n"
    "static int child(void *arg) { (void)arg; return csp_recv(c, 0, 0, CSP_FOREVER) == -1 ? 0 : 1; }\n"
    "int main(void) {\n"
    "    int n = 0, err = 0;\n"
    "    if (csp_init() != 0) { printf(\"init: %s\\n\", csp_errmsg()); return 2; }\n"
    "    c = csp_make(0);\n"
    "    while (n < 200 && csp_go(child, NULL) > 0) n++;\n"
    "    err = errno;\n"
    "    printf(\"%d %s\\n\", n, n == 200 ? \"all\" : csp_errmsg());\n"
    "    if (n < 200 && err != EMFILE && err != ENOBUFS && err != EAGAIN) return 3;\n"
    "    long one = 1;\n"
    "    csp_chan d = csp_make(1);\n"
    "    if (d == 0 || csp_send(d, &one, sizeof one, CSP_FOREVER) != 0) return 4;\n"
    "    return csp_term() == 0 ? 0 : 5;\n"
    "}\n";

/* The broker's limit is its hard one, which it inherits. */
TEST(a_caller_and_a_broker_at_their_limit_refuse_and_go_on)
{
    build_program("many", many);
    for (int limit = 64; limit <= 128; limit += 32) {
        struct outcome o = sh("ulimit -n %d; ASAN_OPTIONS=detect_leaks=0 CSP_LIBEXEC=%s %s", limit,
                              built("libexec/csp"), in_scratch("many"));
        assert_status(&o, 0);
        ck_assert_ptr_null(strstr(o.out.data, "all"));
        outcome_free(&o);
    }
}

/* ---- disk */

TEST(a_full_run_directory_is_an_error_that_names_it)
{
    const char *unshare = unsharing_mounts();
    if (unshare == NULL)
        return;
    struct outcome o =
        sh("mkdir -p %s; %s sh -c 'mount -t tmpfs -o size=8k,mode=700 none %s && "
           "head -c 8192 /dev/zero >%s/full; XDG_RUNTIME_DIR=%s cspctl run %s; status=$?; ls -A %s; exit $status'",
           in_scratch("disk"), unshare, in_scratch("disk"), in_scratch("disk"), in_scratch("disk"), pipeline(),
           in_scratch("disk"));
    assert_status(&o, 71);
    assert_contains(&o.err, "No space left on device");
    ck_assert_str_eq(o.out.data, "full\n"); /* nothing of the run */
    outcome_free(&o);
}

TEST(a_record_that_finds_no_room_ends_and_the_run_goes_on)
{
    const char *unshare = unsharing_mounts();
    if (unshare == NULL)
        return;
    write_text(in_scratch("record.sh"),
               "mount -t tmpfs -o size=8k none %s && cd %s && : >r && head -c 8192 /dev/zero >full\n"
               "exec cspctl run --record r %s\n",
               in_scratch("disk"), in_scratch("disk"), pipeline());
    struct outcome o = sh("mkdir -p %s; %s sh %s", in_scratch("disk"), unshare, in_scratch("record.sh"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1000\n");
    assert_contains(&o.err, "record: it can not be written: No space left on device: the run goes on without");
    outcome_free(&o);
}

/* ---- stopped processes */

static void stop_for_a_while(pid_t pid)
{
    halt(pid);
    nanosleep(&(struct timespec){.tv_nsec = 700000000}, NULL);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
}

static pid_t broker_pid(void)
{
    struct outcome o = sh("sed -n 's/^broker //p' $XDG_RUNTIME_DIR/csp-*/run");
    pid_t pid = (pid_t)strtol(o.out.data, NULL, 10);
    ck_assert_int_gt(pid, 1);
    outcome_free(&o);
    return pid;
}

/* Each in turn: the tool, the broker, a bridge. They see numbers that come slowly enough to be under way meanwhile,
 * until all have been stopped. */
TEST(a_process_that_is_stopped_for_a_while_loses_nothing)
{
    write_text(in_scratch("slow.yaml"),
               "processes:\n"
               "  a: {command: 'i=0; until [ -e go ]; do echo $((i += 1)); sleep 0.01; done; echo $i > last', cwd: %s,"
               " stdout: n}\n"
               "  b: {command: cat, stdin: n, stdout: m}\n"
               "  c: {command: cksum, stdin: m}\n",
               scratch());
    struct running r = start("exec cspctl run %s", in_scratch("slow.yaml"));
    pid_t bridge = wait_for_process("exec"), program = wait_for_process("cat"), broker = broker_pid();
    stop_for_a_while(broker);
    stop_for_a_while(bridge);
    stop_for_a_while(r.pid);
    stop_for_a_while(program);
    write_text(in_scratch("go"), "%s", "");
    struct outcome o = finish(&r), plain = sh("seq $(cat %s) | cksum", in_scratch("last"));
    assert_status(&o, 0);
    assert_same(&o.out, &plain.out);
    outcome_free(&o);
    outcome_free(&plain);
}

/* ---- signals and clocks */

static const char stormed[] =
    "#include <csp.h>\n#include <errno.h>\n#include <signal.h>\n#include <stdio.h>\n#include <sys/time.h>\n"
    "static csp_chan c, p;\n"
    "static void on_alarm(int sig) { (void)sig; }\n"
    "static void storm(void) {\n"
    "    struct sigaction a = {.sa_handler = on_alarm};\n"
    "    struct itimerval often = {{0, 200}, {0, 200}};\n"
    "    sigaction(SIGALRM, &a, NULL);\n"
    "    setitimer(ITIMER_REAL, &often, NULL);\n"
    "}\n"
    "static int producer(void *arg) {\n"
    "    (void)arg;\n"
    "    storm();\n"
    "    for (long i = 0; i < 3000; i++)\n"
    "        if (csp_send(c, &i, sizeof i, CSP_FOREVER) != 0 || csp_send(p, &i, sizeof i, CSP_FOREVER) != 0)\n"
    "            return fprintf(stderr, \"send: %s\\n\", csp_errmsg()), 1;\n"
    "    return 0;\n"
    "}\n"
    "int main(void) {\n"
    "    long n, m;\n"
    "    storm();\n"
    "    c = csp_make(4);\n"
    "    p = csp_pair(64);\n"
    "    csp_proc child = csp_go(producer, NULL);\n"
    "    if (c == 0 || p == 0 || child < 0) return fprintf(stderr, \"start: %s\\n\", csp_errmsg()), 1;\n"
    "    csp_drop(c, CSP_SEND);\n"
    "    csp_drop(p, CSP_SEND);\n"
    "    for (long i = 0; i < 3000; i++)\n"
    "        if (csp_recv(c, &n, sizeof n, CSP_FOREVER) < 0 || csp_recv(p, &m, sizeof m, CSP_FOREVER) < 0 || n != i || "
    "m != i)\n"
    "            return fprintf(stderr, \"%ld: %ld %ld: %s\\n\", i, n, m, csp_errmsg()), 1;\n"
    "    if (csp_recv(c, &n, sizeof n, CSP_FOREVER) != -1 || errno != EPIPE) return 2;\n"
    "    return csp_wait(child, NULL, CSP_FOREVER) == 0 && csp_term() == 0 ? 0 : 3;\n"
    "}\n";

TEST(a_storm_of_signals_changes_no_value_and_ends_no_call)
{
    build_program("stormed", stormed);
    struct outcome o = sh("CSP_LIBEXEC=%s %s", built("libexec/csp"), in_scratch("stormed"));
    assert_status(&o, 0);
    ck_assert_uint_eq(o.err.len, 0);
    outcome_free(&o);
}

/* Every process, the broker too, gets a CLOCK_REALTIME that jumps a day to and fro at each look. */
static const char jumping[] =
    "#define _GNU_SOURCE\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n#include <sys/time.h>\n"
    "static long jump(void) { static long turn; return ++turn % 2 != 0 ? 86400 : -86400; }\n"
    "int clock_gettime(clockid_t clock, struct timespec *t) {\n"
    "    int result = (int)syscall(SYS_clock_gettime, clock, t);\n"
    "    if (clock == CLOCK_REALTIME) t->tv_sec += jump();\n"
    "    return result;\n"
    "}\n"
    "time_t time(time_t *t) { struct timespec now; clock_gettime(CLOCK_REALTIME, &now); if (t) *t = now.tv_sec; return "
    "now.tv_sec; }\n"
    "int gettimeofday(struct timeval *t, void *z) { struct timespec now; (void)z; clock_gettime(CLOCK_REALTIME, "
    "&now);\n"
    "    t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000; return 0; }\n";

static const char timed[] = "#include <csp.h>\n#include <errno.h>\n#include <stdio.h>\n"
                            "static int idle(void *arg) { long n; return csp_recv(*(csp_chan *)arg, &n, sizeof n, "
                            "CSP_FOREVER) < 0 && errno == ECANCELED ? 0 : 1; }\n"
                            "int main(void) {\n"
                            "    long n;\n"
                            "    csp_chan c = csp_make(0);\n"
                            "    csp_time begun = csp_now();\n"
                            "    if (csp_recv(c, &n, sizeof n, csp_in(300)) != -1 || errno != ETIMEDOUT) return 1;\n"
                            "    csp_time took = csp_now() - begun;\n"
                            "    if (took < 300000000 || took > 20000000000) return 2;\n"
                            "    if (csp_scope(csp_in(300)) != 0) return 3;\n"
                            "    if (csp_go(idle, &c) < 0 && errno != ECANCELED) return 3; /* it may be over */\n"
                            "    csp_exit first;\n"
                            "    if (csp_scope_leave(&first) != 0 || first.how != CSP_DEADLINE) return 4;\n"
                            "    took = csp_now() - begun;\n"
                            "    if (took < 600000000 || took > 40000000000) return 5;\n"
                            "    return csp_term() == 0 ? 0 : 6;\n"
                            "}\n";

TEST(a_clock_that_jumps_a_day_moves_no_deadline)
{
    if (*sanitizers() != '\0')
        return; /* they must be the first library */
    build_program("timed", timed);
    write_text(in_scratch("jump.c"), "%s", jumping);
    struct outcome o = sh("cc -shared -fPIC -o %s %s && CSP_LIBEXEC=%s LD_PRELOAD=%s %s", in_scratch("jump.so"),
                          in_scratch("jump.c"), built("libexec/csp"), in_scratch("jump.so"), in_scratch("timed"));
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("LD_PRELOAD=%s cspctl run %s", in_scratch("jump.so"), pipeline());
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1000\n");
    outcome_free(&o);
}

SUITE_OF(faults)
