/* SPDX-License-Identifier: MPL-2.0 */
/* The bridge as a program, in a real run with a real broker. Decision: the test is the root and does what cspctl does
 * (declares, announces, forks, reports deaths), so each behaviour is seen from outside: by what programs print to
 * files, by the bridge's report, and by its status. Every wait has a deadline. */
#include "block.h"
#include "csp.h"
#include "e2e/harness.h"
#include "run.h"
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ARGS = 64, MOST_CHANNELS = 16 };

/* ---- a run and its bridges -------------------------------------------------------------------------------------- */

static struct {
    const char *name;
    csp_chan chan;
} named[MOST_CHANNELS];
static size_t nnamed;

static void begin(void)
{
    nnamed = 0;
    setenv("CSP_LIBEXEC", built("libexec/csp"), 1);
    ck_assert_msg(csp__start(&(struct csp__options){.name = "bridge"}) == 0, "%s", csp_errmsg());
}

static void end(void)
{
    ck_assert_int_eq(csp_term(), 0);
}

static csp_chan channel(const char *name, size_t capacity, size_t max_bytes)
{
    csp_chan c = csp__declare(name, capacity, max_bytes, 0);
    ck_assert_msg(c != 0, "%s: %s", name, csp_errmsg());
    named[nnamed].name = name;
    named[nnamed++].chan = c;
    return c;
}

static csp_chan by_name(const char *name)
{
    for (size_t i = 0; i < nnamed; i++)
        if (strcmp(named[i].name, name) == 0)
            return named[i].chan;
    return strtoull(name, NULL, 10);
}

struct job {
    csp_proc proc;
    pid_t pid;
    int pidfd, report;
    int status; /* exit status, or 128 + signal */
    char how[16], why[512], started[600];
    int code;
    unsigned long long lost;
};

/* The ends that the bridge's own options name. */
static size_t grants_of(char *const args[], struct csp__grant *grants)
{
    static const struct {
        const char *option;
        int ends;
    } options[] = {{"--in", CSP_RECV},  {"--in-fd", CSP_RECV}, {"--serve", CSP_RECV},
                   {"--out", CSP_SEND}, {"--err", CSP_SEND},   {"--out-fd", CSP_SEND}};
    size_t n = 0;
    for (size_t i = 0; args[i] != NULL && strcmp(args[i], "--") != 0; i++)
        for (size_t k = 0; k < sizeof options / sizeof *options; k++)
            if (strcmp(args[i], options[k].option) == 0) {
                const char *colon = strchr(args[i + 1], ':');
                csp_chan c = by_name(colon != NULL ? colon + 1 : args[i + 1]);
                if (c != 0)
                    grants[n++] = (struct csp__grant){c, options[k].ends};
            }
    return n;
}

static _Noreturn void become(char **args, uint64_t ticket, const char *in, const char *out, int report)
{
    char number[32];
    int i = open(in != NULL ? in : "/dev/null", O_RDONLY);
    int o = out != NULL ? open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600) : dup(STDOUT_FILENO);
    if (i < 0 || o < 0 || dup2(i, 0) < 0 || dup2(o, 1) < 0 || dup2(report, 3) < 0)
        _exit(99);
    close_range(4, ~0U, 0);
    snprintf(number, sizeof number, "%llu", (unsigned long long)ticket);
    setenv("CSP_RUN", csp__dir(), 1);
    setenv("CSP_TICKET", number, 1);
    execv(args[0], args);
    _exit(99);
}

/* Starts a bridge: its options as words, what is stdin and stdout of its own (NULL: /dev/null, ours), and the program.
 * A script is given to sh -c. */
static struct job job(const char *options, const char *in, const char *out, const char *program, const char *script)
{
    static char words[2048];
    char *args[MOST_ARGS] = {(char *)built("libexec/csp/exec"), "--report", "3"}, *save = NULL;
    size_t n = 3;
    struct csp__grant grants[MOST_CHANNELS];
    struct job j = {.status = -1};
    int report[2];
    uint64_t ticket = 0;
    snprintf(words, sizeof words, "%s -- %s", options, program);
    for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        args[n++] = w;
    if (script != NULL) {
        args[n++] = "-c";
        args[n++] = (char *)script;
    }
    size_t ngrants = grants_of(args, grants);
    const struct csp__announcement a = {.grants = grants, .n = ngrants, .name = program, .replica = 1};
    j.proc = csp__announce(&a, &ticket);
    ck_assert_msg(j.proc > 0, "%s", csp_errmsg());
    ck_assert_int_eq(pipe2(report, O_CLOEXEC), 0);
    fflush(NULL);
    j.pid = fork();
    ck_assert_int_ge(j.pid, 0);
    if (j.pid == 0)
        become(args, ticket, in, out, report[1]);
    close(report[1]);
    j.report = report[0];
    j.pidfd = pidfd_open(j.pid, 0);
    ck_assert_int_ge(j.pidfd, 0);
    ck_assert_int_eq(csp__started(j.proc, j.pid), 0);
    return j;
}

static int wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, PATIENCE);
}

/* The first line of the report. */
static const char *read_started(struct job *j)
{
    size_t n = 0;
    while (strchr(j->started, '\n') == NULL && n + 1 < sizeof j->started) {
        ck_assert_int_eq(wait_readable(j->report), 1);
        ssize_t got = read(j->report, j->started + n, 1);
        if (got <= 0)
            break;
        n++;
    }
    return j->started;
}

/* Waits for the end of a bridge, does with it as its parent should, and reads the rest of the report. */
static void await(struct job *j)
{
    char text[1024] = "";
    size_t n = 0;
    siginfo_t info;
    ck_assert_msg(wait_readable(j->pidfd) == 1, "the bridge does not end");
    ck_assert_int_eq(waitid(P_PID, (id_t)j->pid, &info, WEXITED | WNOWAIT), 0);
    csp_exit why = {info.si_code == CLD_EXITED ? (info.si_status == 0 ? CSP_CLEAN : CSP_CODE) : CSP_SIGNAL,
                    info.si_status};
    (void)csp__reaped(j->proc, why, NULL);
    ck_assert_int_eq(waitpid(j->pid, NULL, 0), j->pid);
    j->status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    if (*j->started == '\0')
        read_started(j);
    for (ssize_t got; n < sizeof text - 1 && (got = read(j->report, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    const char *end = strstr(text, "ended ");
    (void)sscanf(end != NULL ? end : "", "ended %15s %d %llu %511[^\n]", j->how, &j->code, &j->lost, j->why);
    close(j->report);
    close(j->pidfd);
}

static void await_how(struct job *j, const char *how, int status)
{
    await(j);
    ck_assert_msg(strcmp(j->how, how) == 0 && j->status == status, "%s %d, not %s %d: %s%s", j->how, j->status, how,
                  status, j->started, j->why);
}

static void assert_file(const char *path, const char *want)
{
    struct text got = read_file(path);
    ck_assert_str_eq(got.data, want);
    free(got.data);
}

static const char *fifo(const char *name)
{
    const char *path = in_scratch("%s", name);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    return path;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

/* cat, cat, cat: what comes out is what went in. */
static void three_cats(const char *records, const char *data, size_t len, size_t capacity)
{
    char options[3][80];
    const char *in = in_scratch("in"), *out = in_scratch("out");
    write_file(in, data, len);
    begin();
    channel("a", capacity, 16 << 20);
    channel("b", capacity, 16 << 20);
    snprintf(options[0], sizeof options[0], "--records %s --out a", records);
    snprintf(options[1], sizeof options[1], "--records %s --in a --out b", records);
    snprintf(options[2], sizeof options[2], "--records %s --in b", records);
    struct job j[] = {job(options[0], in, NULL, "cat", NULL), job(options[1], NULL, NULL, "cat", NULL),
                      job(options[2], NULL, out, "cat", NULL)};
    for (size_t i = 0; i < 3; i++)
        await_how(&j[i], "clean", 0);
    struct text got = read_file(out), want = {.data = (char *)data, .len = len};
    assert_same(&got, &want);
    free(got.data);
    end();
}

TEST(an_empty_file_passes)
{
    three_cats("line", "", 0, 100);
}

TEST(a_single_newline_passes)
{
    three_cats("line", "\n", 1, 100);
}

TEST(a_final_newline_is_kept)
{
    three_cats("line", "one\ntwo\n", 8, 100);
}

TEST(a_lacking_newline_stays_lacking)
{
    three_cats("line", "one\ntwo", 7, 100);
}

TEST(any_bytes_pass)
{
    three_cats("line", "\0\n\xff\xfe\0\r\n\n\n\0", 10, 100);
}

TEST(lines_of_a_megabyte_pass)
{
    size_t n = 5 << 20;
    char *data = malloc(n);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < n; i++)
        data[i] = i % (1 << 20) == 77 ? '\n' : (char)('a' + i % 26);
    three_cats("line", data, n, 3);
    free(data);
}

TEST(many_lines_pass)
{
    size_t n = 4 << 20;
    char *data = malloc(n);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (i * 2654435761u >> 16) % 40 == 0 ? '\n' : (char)(i * 40503u >> 8);
    three_cats("line", data, n, 1024);
    three_cats("nul", data, n, 1024);
    free(data);
}

TEST(lengths_pass)
{
    three_cats("length", "\0\0\0\3a\nb\0\0\0\0\0\0\0\1\0", 16, 100);
}

TEST(a_rendezvous_passes)
{
    three_cats("line", "one\ntwo\nthree\n", 14, 0);
}

TEST(whole_output_is_one_value)
{
    char value[16], options[80];
    begin();
    csp_chan c = csp_make(4);
    snprintf(options, sizeof options, "--records whole --out %llu", (unsigned long long)c);
    struct job j = job(options, NULL, NULL, "sh", "echo a; echo b");
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), 4);
    ck_assert_mem_eq(value, "a\nb\n", 4);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), -1);
    ck_assert_int_eq(errno, EPIPE);
    await_how(&j, "clean", 0);
    end();
}

TEST(framings_may_differ)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 100, 1 << 20);
    channel("b", 100, 1 << 20);
    struct job j[] = {
        job("--out a", NULL, NULL, "sh", "printf 'x y\\nz\\n'"),
        job("--records-in nul --records-out line --in a --out b", NULL, NULL, "xargs -0 -n1 echo +", NULL),
        job("--in b", NULL, out, "cat", NULL)};
    for (size_t i = 0; i < 3; i++)
        await_how(&j[i], "clean", 0);
    assert_file(out, "+ x y\n+ z\n");
    end();
}

/* ---- wiring ----------------------------------------------------------------------------------------------------- */

TEST(inputs_are_merged)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10, 1 << 20);
    channel("b", 10, 1 << 20);
    struct job j[] = {job("--out a", NULL, NULL, "seq 1 500", NULL), job("--out b", NULL, NULL, "seq 501 1000", NULL),
                      job("--in a --in b", NULL, out, "sh", "sort -n | cksum; seq 1000 | cksum")};
    for (size_t i = 0; i < 3; i++)
        await_how(&j[i], "clean", 0);
    struct text got = read_file(out);
    char *half = strchr(got.data, '\n');
    ck_assert_ptr_nonnull(half);
    ck_assert_uint_eq(got.len, (size_t)(half + 1 - got.data) * 2);
    ck_assert_mem_eq(got.data, half + 1, got.len / 2);
    free(got.data);
    end();
}

TEST(outputs_are_copied)
{
    const char *outs[] = {in_scratch("a"), in_scratch("b")};
    begin();
    channel("a", 10, 1 << 20);
    channel("b", 1000, 1 << 20);
    struct job j[] = {job("--out a --out b", NULL, NULL, "printf 1\\n2\\n3", NULL),
                      job("--in a", NULL, outs[0], "cat", NULL), job("--in b", NULL, outs[1], "cat", NULL)};
    for (size_t i = 0; i < 3; i++)
        await_how(&j[i], "clean", 0);
    assert_file(outs[0], "1\n2\n3");
    assert_file(outs[1], "1\n2\n3");
    end();
}

TEST(more_descriptors_are_wired)
{
    const char *outs[] = {in_scratch("5"), in_scratch("7"), in_scratch("err")};
    begin();
    channel("a", 10, 1 << 20);
    channel("b", 10, 1 << 20);
    channel("c", 10, 1 << 20);
    channel("d", 10, 1 << 20);
    channel("e", 10, 1 << 20);
    struct job j[] = {job("--out a", NULL, NULL, "echo from a", NULL),
                      job("--out b", NULL, NULL, "echo from b", NULL),
                      job("--in-fd 4:a --in-fd 3:b --out-fd 5:c --out-fd 7:d --err e", NULL, NULL, "sh",
                          "cat <&3 >&5; cat <&4 >&7; echo err >&2"),
                      job("--in c", NULL, outs[0], "cat", NULL),
                      job("--in d", NULL, outs[1], "cat", NULL),
                      job("--in e", NULL, outs[2], "cat", NULL)};
    for (size_t i = 0; i < 6; i++)
        await_how(&j[i], "clean", 0);
    assert_file(outs[0], "from b\n");
    assert_file(outs[1], "from a\n");
    assert_file(outs[2], "err\n");
    end();
}

TEST(the_program_has_nothing_of_the_bridge)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10, 1 << 20);
    struct job j = job("--out a", NULL, NULL, "sh",
                       "for i in $(seq 0 40); do [ -e /proc/$$/fd/$i ] && echo $i; done; "
                       "echo \"${CSP_RUN:+run}${CSP_TICKET-none}\"");
    struct job k = job("--in a", NULL, out, "cat", NULL);
    await_how(&j, "clean", 0);
    await_how(&k, "clean", 0);
    assert_file(out, "0\n1\n2\nrunnone\n");
    end();
}

/* ---- ends ------------------------------------------------------------------------------------------------------- */

TEST(a_program_that_stops_reading_ends_its_sender_well)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10, 1 << 20);
    struct job j = job("--out a", NULL, NULL, "yes", NULL), k = job("--in a", NULL, out, "head -n 3", NULL);
    await_how(&k, "clean", 0);
    await_how(&j, "clean", 0);
    ck_assert_str_eq(j.why, "its receivers ended");
    assert_file(out, "y\ny\ny\n");
    end();
}

TEST(one_receiver_of_several_may_go)
{
    const char *outs[] = {in_scratch("a"), in_scratch("b")};
    begin();
    channel("a", 10, 1 << 20);
    channel("b", 10, 1 << 20);
    struct job j[] = {job("--out a --out b", NULL, NULL, "seq 200000", NULL),
                      job("--in a", NULL, outs[0], "head -n 1", NULL), job("--in b", NULL, outs[1], "wc -l", NULL)};
    for (size_t i = 0; i < 3; i++)
        await_how(&j[i], "clean", 0);
    assert_file(outs[0], "1\n");
    assert_file(outs[1], "200000\n");
    end();
}

/* The source ends as `script` does; neither sort behind it may print. */
static void crash(const char *script, const char *how, int status)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10000, 1 << 20);
    channel("b", 10000, 1 << 20);
    struct job j[] = {job("--out a", NULL, NULL, "sh", script), job("--in a --out b", NULL, NULL, "sort", NULL),
                      job("--in b", NULL, out, "sort", NULL)};
    await_how(&j[0], how, status);
    await_how(&j[1], "cancelled", 128 + SIGKILL);
    await_how(&j[2], "cancelled", 128 + SIGKILL);
    ck_assert_ptr_nonnull(strstr(j[1].why, "channel a was cut short"));
    ck_assert_ptr_nonnull(strstr(j[2].why, "channel b was cut short"));
    assert_file(out, "");
    end();
}

TEST(a_crash_is_never_an_end_of_file)
{
    crash("seq 1000; kill -9 $$", "signal", 128 + SIGKILL);
}

TEST(a_failure_is_never_an_end_of_file)
{
    crash("seq 1000; exit 3", "code", 3);
}

TEST(a_killed_bridge_is_never_an_end_of_file)
{
    const char *out = in_scratch("out");
    int program = 0;
    begin();
    channel("a", 10000, 1 << 20);
    struct job j = job("--out a", NULL, NULL, "sh", "seq 1000; exec sleep 1000");
    struct job k = job("--in a", NULL, out, "sort", NULL);
    ck_assert_int_eq(sscanf(read_started(&j), "started %d", &program), 1);
    int fd = pidfd_open(program, 0);
    ck_assert_int_ge(fd, 0);
    kill(j.pid, SIGKILL);
    await(&j);
    ck_assert_int_eq(j.status, 128 + SIGKILL);
    await_how(&k, "cancelled", 128 + SIGKILL);
    ck_assert_msg(wait_readable(fd) == 1, "the program of the killed bridge lives on");
    close(fd);
    assert_file(out, "");
    end();
}

TEST(codes_may_be_declared_a_success)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10, 1 << 20);
    struct job j = job("--out a --success 0,1", NULL, NULL, "sh", "echo x; exit 1");
    struct job k = job("--in a", NULL, out, "cat", NULL);
    await_how(&j, "clean", 0);
    await_how(&k, "clean", 0);
    assert_file(out, "x\n");
    end();
}

TEST(a_half_written_line_of_a_killed_program_is_no_value)
{
    char value[16], options[80];
    begin();
    csp_chan c = csp_make(4);
    snprintf(options, sizeof options, "--out %llu", (unsigned long long)c);
    struct job j = job(options, NULL, NULL, "sh", "printf 'one\\ntw'; kill -9 $$");
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), 3);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), -1);
    ck_assert_int_eq(errno, EPIPE);
    await_how(&j, "signal", 128 + SIGKILL);
    csp_exit why;
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert_int_eq(why.how, CSP_SIGNAL);
    ck_assert_int_eq(why.code, SIGKILL);
    end();
}

TEST(exec_errors_are_the_true_ones)
{
    const char *plain = in_scratch("plain");
    write_text(plain, "no program\n");
    begin();
    struct job j = job("--label missing", NULL, NULL, "/no/such/program", NULL), k = job("", NULL, NULL, plain, NULL);
    await(&j);
    ck_assert_int_eq(j.status, 127);
    ck_assert_ptr_eq(strstr(j.started, "error 2 /no/such/program: No such file or directory"), j.started);
    await(&k);
    ck_assert_int_eq(k.status, 126);
    ck_assert_ptr_eq(strstr(k.started, "error 13 "), k.started);
    end();
}

TEST(a_missing_channel_is_named)
{
    begin();
    struct job j = job("--in nowhere", NULL, NULL, "cat", NULL);
    await(&j);
    ck_assert_int_eq(j.status, 78);
    ck_assert_ptr_eq(strstr(j.started, "error 2 nowhere: "), j.started);
    end();
}

/* ---- limits and losses ------------------------------------------------------------------------------------------ */

TEST(a_value_over_max_bytes_ends_the_run_with_its_place)
{
    const char *out = in_scratch("out");
    begin();
    channel("a", 10, 100);
    struct job j = job("--out a", NULL, NULL, "sh", "echo 1; echo 22; seq -s, 1000; exec sleep 1000");
    struct job k = job("--in a", NULL, out, "sort", NULL);
    await_how(&j, "code", 65);
    ck_assert_str_eq(j.why, "record 3 at byte 5 is larger than max_bytes 100 of channel a");
    await_how(&k, "cancelled", 128 + SIGKILL);
    assert_file(out, "");
    end();
}

TEST(a_cut_length_ends_the_run)
{
    begin();
    channel("a", 10, 100);
    struct job j = job("--out a --records length", NULL, NULL, "printf \\0\\0\\0\\2a", NULL);
    struct job k = job("--in a", NULL, NULL, "sort", NULL);
    await_how(&j, "code", 65);
    ck_assert_str_eq(j.why, "record 1 at byte 0 for channel a is cut short");
    await_how(&k, "cancelled", 128 + SIGKILL);
    end();
}

/* 100 values in one block are one write to the pipe; the shell reads a line byte by byte. */
TEST(what_a_dead_program_had_not_read_is_counted)
{
    char data[200], options[80];
    uint32_t lengths[100];
    for (size_t i = 0; i < 100; i++) {
        data[i * 2] = 'x';
        data[i * 2 + 1] = '\n';
        lengths[i] = 1;
    }
    begin();
    csp_chan c = csp_make(1000);
    csp__block b = {.data = data, .len = sizeof data, .lengths = lengths, .count = 100, .gap = 1};
    snprintf(options, sizeof options, "--in %llu", (unsigned long long)c);
    struct job j = job(options, NULL, NULL, "sh", "read x; read x; kill -9 $$");
    ck_assert_int_eq(csp_drop(c, CSP_RECV), 0); /* a block is given whole to an only receiver */
    ck_assert_int_eq(csp_stream(c, CSP_SEND, 1 << 20), 0);
    ck_assert_int_eq(csp__put_block(c, &b, csp_in(PATIENCE)), 0);
    await_how(&j, "signal", 128 + SIGKILL);
    ck_assert_uint_eq(j.lost, 98);
    end();
}

/* ---- signals and what is left ----------------------------------------------------------------------------------- */

/* A source that has said "ready" gets TERM; whether what it had said is a complete result for the sort behind it. */
static struct job drain(const char *options, const char *script, int signals, const char *result, const char *how)
{
    char line[80];
    const char *out = in_scratch("out");
    char text[256];
    begin();
    csp_chan ready = csp_make(1);
    channel("a", 10, 1 << 20);
    snprintf(line, sizeof line, "%s --out a --out-fd 9:%llu", options, (unsigned long long)ready);
    struct job j = job(line, NULL, NULL, "sh", script), k = job("--in a", NULL, out, "sort", NULL);
    ck_assert_int_eq(csp_recv(ready, text, sizeof text, csp_in(PATIENCE)), 5);
    for (int i = 0; i < signals; i++)
        kill(j.pid, i == 0 ? SIGTERM : SIGINT);
    await(&j);
    ck_assert_msg(strcmp(j.how, how) == 0, "%s, not %s: %s", j.how, how, j.why);
    await(&k);
    assert_file(out, result);
    end();
    return j;
}

TEST(a_program_may_end_well_on_term)
{
    drain("", "trap 'echo bye; exit 0' TERM; echo one; echo ready >&9; while :; do sleep 0.1; done", 1, "bye\none\n",
          "clean");
}

TEST(an_end_by_term_is_a_complete_one)
{
    struct job j = drain("", "echo one; echo ready >&9; exec sleep 1000", 1, "one\n", "cancelled");
    ck_assert_int_eq(j.status, 128 + SIGTERM);
}

TEST(after_the_grace_period_comes_kill)
{
    struct job j = drain("--grace 50", "trap '' TERM; echo one; echo ready >&9; exec sleep 1000", 1, "", "cancelled");
    ck_assert_int_eq(j.status, 128 + SIGKILL);
    ck_assert_ptr_nonnull(strstr(j.why, "50 ms"));
}

TEST(a_second_signal_kills_at_once)
{
    struct job j = drain("", "trap '' TERM; echo one; echo ready >&9; exec sleep 1000", 2, "", "cancelled");
    ck_assert_int_eq(j.status, 128 + SIGKILL);
}

TEST(nothing_of_a_program_is_left)
{
    char value[32] = "", options[80];
    begin();
    csp_chan c = csp_make(1);
    snprintf(options, sizeof options, "--out %llu", (unsigned long long)c);
    struct job j = job(options, NULL, NULL, "sh", "setsid sh -c 'sleep 1000 & wait' >/dev/null & echo $!");
    ck_assert_int_gt(csp_recv(c, value, sizeof value - 1, csp_in(PATIENCE)), 0);
    await_how(&j, "clean", 0);
    ck_assert_int_eq(kill((pid_t)strtol(value, NULL, 10), 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    pid_t pids[16];
    ck_assert_uint_eq(processes_named("sleep", pids, 16), 0);
    end();
}

/* As a shell does: a pipe ends when the last who can write to it has gone. */
TEST(output_of_grandchildren_counts)
{
    char value[32], options[80], script[256];
    const char *path = fifo("fifo");
    begin();
    csp_chan c = csp_make(1);
    snprintf(options, sizeof options, "--out %llu", (unsigned long long)c);
    snprintf(script, sizeof script, "{ read x <%s; echo late; } & echo early", path);
    struct job j = job(options, NULL, NULL, "sh", script);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), 5);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "go\n", 3), 3);
    close(fd);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, csp_in(PATIENCE)), 4);
    ck_assert_mem_eq(value, "late", 4);
    await_how(&j, "clean", 0);
    end();
}

TEST(without_a_broker_nothing_goes_on)
{
    struct csp__runinfo info;
    int program = 0;
    begin();
    channel("a", 10, 1 << 20);
    struct job j = job("--out a", NULL, NULL, "sh", "trap '' TERM; sleep 1000 & wait");
    ck_assert_int_eq(sscanf(read_started(&j), "started %d", &program), 1);
    ck_assert_int_eq(csp__rundir_read(csp__dir(), &info), 0);
    kill(info.broker, SIGKILL);
    await(&j);
    ck_assert_int_eq(j.status, 69);
    ck_assert_int_eq(kill(program, 0), -1);
    (void)csp_term();
}

/* ---- services --------------------------------------------------------------------------------------------------- */

/* Asks, and gives the length of the answer or -1 with errno. */
static ssize_t ask(csp_chan requests, csp_time by, const char *words, char *answer, size_t size, csp_time wait)
{
    char text[256];
    csp_chan reply = csp_make(1);
    int n = snprintf(text, sizeof text, "%lld %s", (long long)by, words);
    csp_msg m = {.data = text, .len = (size_t)n, .chan = reply};
    ck_assert_msg(csp_send_msg(requests, &m, csp_in(PATIENCE)) == 0, "%s", csp_errmsg());
    ck_assert_int_eq(csp_drop(reply, CSP_SEND), 0);
    ssize_t got = csp_recv(reply, answer, size, wait);
    int error = errno;
    ck_assert_int_eq(csp_drop(reply, CSP_RECV), 0);
    errno = error;
    return got;
}

TEST(a_line_server_answers_in_step)
{
    char answer[64], options[80], script[256];
    const char *path = fifo("fifo");
    begin();
    csp_chan requests = csp_make(8);
    snprintf(options, sizeof options, "--serve %llu", (unsigned long long)requests);
    snprintf(script, sizeof script,
             "while read -r w; do if [ \"$w\" = slow ]; then read x <%s; fi; echo \"[\\\"$w\\\"]\"; done", path);
    struct job j = job(options, NULL, NULL, "sh", script);
    ck_assert_int_eq(ask(requests, csp_in(PATIENCE), "a b", answer, sizeof answer, csp_in(PATIENCE)), 7);
    ck_assert_mem_eq(answer, "[\"a b\"]", 7);
    /* late when it comes: its channel goes */
    ck_assert_int_eq(ask(requests, 1, "late", answer, sizeof answer, csp_in(PATIENCE)), -1);
    ck_assert_int_eq(errno, EPIPE);
    /* late when it is answered: nobody gets that, least of all the next */
    ck_assert_int_eq(ask(requests, csp_in(300), "slow", answer, sizeof answer, csp_in(300)), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ask(requests, csp_in(PATIENCE), "no\nrequest", answer, sizeof answer, csp_in(1)), -1);
    ck_assert_int_eq(write(fd, "go\n", 3), 3);
    close(fd);
    ck_assert_int_eq(ask(requests, csp_in(PATIENCE), "next", answer, sizeof answer, csp_in(PATIENCE)), 8);
    ck_assert_mem_eq(answer, "[\"next\"]", 8);
    ck_assert_int_eq(csp_close(requests), 0);
    await_how(&j, "clean", 0);
    end();
}

SUITE_OF(bridge)
