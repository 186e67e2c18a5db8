/* SPDX-License-Identifier: MPL-2.0 */
/* Deaths and the end of a run: section 7 of docs/protocol.md. Real processes, killed where it hurts. */
#include "../leftover.h"
#include "../speaker.h"
#include "../standing.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

Suite *endings_suite(void);

static uint64_t c;
static const struct wire_head none;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads the reason when the channel has closed. */
static struct wire_why closed_why(void)
{
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPIPE);
    return why(run.root, c);
}

/* The root receives; the process with the ticket is the only one that sends. */
static uint64_t only_sender(uint64_t *process, uint64_t capacity)
{
    c = make(run.root, capacity, 1 << 20);
    uint64_t ticket = announce(run.root, process, c, SEND, 0, 0);
    drop(run.root, c, SEND);
    return ticket;
}

static void exit_with(struct speaker *by, void *code)
{
    (void)by;
    _exit(*(int *)code);
}

static void be_killed(struct speaker *by, void *signal)
{
    (void)by;
    kill(getpid(), *(int *)signal);
}

START_TEST(a_killed_process_gives_its_ends_up)
{
    int signal = SIGKILL;
    pid_t pid = fork_attached(only_sender(NULL, 0), be_killed, &signal);
    struct wire_why w = closed_why(); /* before it is reaped: by its entry in /proc */
    ck_assert_int_eq(w.how, 2);
    ck_assert_int_eq(w.code, SIGKILL);
    wait_child(pid);
}
END_TEST

START_TEST(an_exit_code_is_told)
{
    int code = 7;
    pid_t pid = fork_attached(only_sender(NULL, 0), exit_with, &code);
    struct wire_why w = closed_why();
    ck_assert_int_eq(w.how, 1);
    ck_assert_int_eq(w.code, 7);
    wait_child(pid);
}
END_TEST

START_TEST(an_exit_code_that_is_a_success_is_clean)
{
    int code = 7;
    struct wire_announce w = {.success[0] = 1 << 7};
    c = make(run.root, 0, 100);
    struct heard h = ask(run.root, WIRE_ANNOUNCE, (struct wire_head){.flags = WIRE_INHERIT}, &w, sizeof w);
    struct wire_announced a;
    memcpy(&a, h.data, sizeof a);
    drop(run.root, c, SEND);
    pid_t pid = fork_attached(a.ticket, exit_with, &code);
    ck_assert_int_eq(closed_why().how, 0);
    wait_child(pid);
}
END_TEST

START_TEST(a_process_that_never_attached_ends_with_reaped)
{
    uint64_t process;
    only_sender(&process, 0);
    struct wire_exit w = {.process = process, .how = 4};
    ck_assert_int_eq(ask_err(run.root, WIRE_REAPED, none, &w, sizeof w), 0);
    ck_assert_int_eq(closed_why().how, 4); /* it never attached: it has ended with that */
}
END_TEST

START_TEST(a_reason_of_reaped_outlives_the_zombie)
{
    uint64_t process;
    uint64_t ticket = only_sender(&process, 0);
    pid_t pid = fork();
    if (pid == 0) {
        attach(ticket);
        reached();
    }
    until_reached();
    struct wire_exit w = {.process = process, .how = 1, .code = 9};
    ck_assert_int_eq(ask_err(run.root, WIRE_REAPED, none, &w, sizeof w), 0);
    kill(pid, SIGKILL);
    wait_child(pid);
    struct wire_why told = closed_why();
    ck_assert_int_eq(told.how, 1);
    ck_assert_int_eq(told.code, 9);
}
END_TEST

START_TEST(reaped_is_the_announcers_to_say)
{
    uint64_t process;
    announce(run.root, &process, 0, 0, 0, 0);
    struct wire_exit w = {.process = process, .how = 4};
    ck_assert_int_eq(ask_err(guest(), WIRE_REAPED, none, &w, sizeof w), EPERM);
    w.how = 9;
    ck_assert_int_eq(ask_err(run.root, WIRE_REAPED, none, &w, sizeof w), EINVAL);
}
END_TEST

static void offer_only(struct speaker *by, void *arg)
{
    (void)arg;
    OFFER(by, 0, ON_SEND(c, "from the dead"));
    reached();
}

START_TEST(a_waiting_offer_goes_with_its_process)
{
    c = make(run.root, 0, 100);
    pid_t pid = fork_attached(announce(run.root, NULL, c, SEND, 0, 0), offer_only, NULL);
    until_reached();
    while (strcmp(stat_field("process", 2, 6), "waiting") != 0)
        continue;
    kill(pid, SIGKILL);
    wait_child(pid);
    while (stat_field("process", 2, 6) != NULL)
        continue;
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
}
END_TEST

START_TEST(another_waiter_is_not_disturbed_by_a_death)
{
    c = make(run.root, 0, 100);
    struct speaker *other = colleague(c, SEND, 0, 0);
    pid_t pid = fork_attached(announce(run.root, NULL, c, SEND, 0, 0), offer_only, NULL);
    until_reached();
    while (strcmp(stat_field("process", 3, 6), "waiting") != 0)
        continue;
    OFFER(other, 0, ON_SEND(c, "living"));
    ck_assert(silent(other));
    kill(pid, SIGKILL);
    wait_child(pid);
    while (stat_field("process", 3, 6) != NULL)
        continue;
    recv_text(run.root, c, "living");
    ck_assert_int_eq(committed(other).err, 0);
}
END_TEST

static void send_and_die(struct speaker *by, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        OFFER(by, 0, ON_SEND(c, "counted"));
        ck_assert_int_eq(committed(by).err, 0);
    }
    kill(getpid(), SIGKILL);
}

START_TEST(what_a_dead_process_had_sent_counts)
{
    pid_t pid = fork_attached(only_sender(NULL, 100), send_and_die, NULL);
    wait_child(pid);
    for (int i = 0; i < 100; i++)
        recv_text(run.root, c, "counted");
    ck_assert_int_eq(closed_why().how, 2);
}
END_TEST

/* Dies with frames that the broker has not read yet: it is stopped meanwhile. */
static void send_unread_and_die(struct speaker *by, void *arg)
{
    (void)arg;
    stream(by, c, SEND, 1 << 20, 0);
    halt(run.broker);
    for (uint64_t i = 0; i < 100; i++)
        put(by, c, i, 0, (char)('a' + i % 26), 1, 100);
    int for_ever = -1; /* until libzmq's thread has handed all of it to the system */
    zmq_setsockopt(by->socket, ZMQ_LINGER, &for_ever, sizeof for_ever);
    zmq_close(by->socket);
    zmq_ctx_term(by->context);
    reached();
}

START_TEST(what_was_unread_at_the_death_counts)
{
    pid_t pid = fork_attached(only_sender(NULL, 10), send_unread_and_die, NULL);
    until_reached();
    kill(pid, SIGKILL);
    wait_child(pid);
    kill(run.broker, SIGCONT);
    for (int i = 0; i < 100; i++) {
        OFFER(run.root, 0, ON_RECV(c));
        struct committed m = committed(run.root);
        ck_assert_int_eq(m.err, 0);
        ck_assert_uint_eq(m.length, 100);
        ck_assert_int_eq(m.value[0], 'a' + i % 26);
    }
    closed_why();
}
END_TEST

START_TEST(a_process_that_was_started_and_never_attached_is_seen_to_die)
{
    uint64_t process;
    only_sender(&process, 0);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    struct wire_started w = {.process = process, .pid = (uint32_t)pid};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &w, sizeof w), 0);
    ck_assert_str_eq(stat_field("process", process, 6), "started");
    kill(pid, SIGUSR1);
    struct wire_why told = closed_why();
    ck_assert_int_eq(told.how, 2);
    ck_assert_int_eq(told.code, SIGUSR1);
    wait_child(pid);
}
END_TEST

static void announce_another(struct speaker *by, void *pipe_end)
{
    uint64_t ticket = announce(by, NULL, c, SEND, 0, 0);
    if (write(*(int *)pipe_end, &ticket, sizeof ticket) != sizeof ticket)
        _exit(1);
    reached();
}

START_TEST(who_was_announced_by_the_dead_has_a_second)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork_attached(only_sender(NULL, 0), announce_another, &ends[1]);
    until_reached();
    double start = seconds();
    kill(pid, SIGKILL);
    wait_child(pid);
    struct wire_why told = closed_why();
    ck_assert_int_eq(told.how, 2);
    ck_assert(seconds() - start > 0.9);
    ck_assert(seconds() - start < 10);
}
END_TEST

START_TEST(who_attaches_within_the_second_lives)
{
    int ends[2];
    uint64_t ticket;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork_attached(only_sender(NULL, 1), announce_another, &ends[1]);
    ck_assert_int_eq(read(ends[0], &ticket, sizeof ticket), sizeof ticket);
    struct speaker *s = guest(); /* so that it is connected already: of the second goes only what HELLO takes */
    ck_assert_int_eq(bye(s, 0, 0), 0);
    kill(pid, SIGKILL);
    wait_child(pid);
    ck_assert_int_eq(hello(s, ticket, 0, WIRE_PROCESS).head.type, WIRE_WELCOME);
    struct timespec longer = {.tv_sec = 1, .tv_nsec = 300000000}; /* than the second that is tested */
    nanosleep(&longer, NULL);
    ck_assert_int_eq(send_text(s, c, "v"), 0);
    recv_text(run.root, c, "v");
}
END_TEST

START_TEST(a_line_whose_connection_goes_ends)
{
    c = make(run.root, 0, 100);
    struct speaker *s = another_line(run.root);
    OFFER(s, 0, ON_SEND(c, "v"));
    while (strstr(stat_field("process", run.root->process, 7), "send -") == NULL)
        continue;
    speaker_free(s);
    while (strstr(stat_field("process", run.root->process, 7), "send -") != NULL)
        continue;
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
}
END_TEST

static unsigned descriptors(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

START_TEST(connections_that_come_and_go_leave_nothing)
{
    unsigned before = descriptors(run.broker);
    for (int i = 0; i < 300; i++) {
        struct speaker *s = i % 3 == 0 ? guest() : another_line(run.root);
        if (i % 2 == 0)
            ck_assert_int_eq(i % 3 == 0 ? bye(s, 0, 0) : leave(s), 0);
        speaker_free(s);
    }
    struct speaker *g = guest();
    for (int i = 0; i < 50; i++) { /* one connection, many attachments */
        ck_assert_int_eq(bye(g, 0, 0), 0);
        ck_assert_int_eq(hello(g, 0, 0, WIRE_GUEST).head.type, WIRE_WELCOME);
    }
    speaker_free(g);
    unsigned guests_left = 51; /* those that went without BYE live, and are watched: they are this process */
    while (descriptors(run.broker) > before + guests_left)
        sync_line(run.root);
}
END_TEST

static void do_nothing(struct speaker *by, void *arg)
{
    (void)by;
    (void)arg;
    reached();
}

START_TEST(many_deaths_at_once_are_all_seen)
{
    enum { MANY = 40 };
    pid_t pids[MANY];
    uint64_t tickets[MANY];
    c = make(run.root, 0, 100);
    for (int i = 0; i < MANY; i++)
        tickets[i] = announce(run.root, NULL, c, SEND, 0, 0);
    drop(run.root, c, SEND);
    for (int i = 0; i < MANY; i++)
        pids[i] = fork_attached(tickets[i], do_nothing, NULL);
    for (int i = 0; i < MANY; i++)
        until_reached();
    for (int i = 0; i < MANY; i++)
        kill(pids[i], SIGKILL);
    closed_why();
    for (int i = 0; i < MANY; i++)
        wait_child(pids[i]);
}
END_TEST

/* ---- the end of the run ----------------------------------------------------------------------------------------- */

/* How a file of /proc of that process begins. */
static const char *first_of(pid_t pid, const char *file)
{
    static char text[32];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    fclose(f);
    return text;
}

/* A program in a session of its own, with CSP_RUN in its environment or without. */
static pid_t escaped(bool marked)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setsid();
        if (marked)
            setenv("CSP_RUN", run.dir, 1);
        execl("/bin/sleep", "sleep", "30", (char *)NULL);
        _exit(1);
    }
    while (strcmp(first_of(pid, "comm"), "sleep\n") != 0 || first_of(pid, "environ")[0] == '\0')
        continue; /* exec gives it its name first, and then its environment */
    return pid;
}

static void bridge(struct speaker *by, void *group)
{
    ck_assert_int_eq(ask_err(by, WIRE_PROGRAM, (struct wire_head){.count = (uint32_t) * (pid_t *)group}, NULL, 0), 0);
    reached();
}

static void nothing_is_left(const pid_t *pids, size_t n, double start)
{
    struct stat st;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(is_dead(pids[i]), "process %zu lives", i);
    ck_assert_int_eq(stat(run.dir, &st), -1);
    ck_assert_msg(seconds() - start < 2, "it took %.1f s", seconds() - start); /* after 2 s they are given up */
}

START_TEST(the_roots_bye_ends_everybody)
{
    pid_t pids[3];
    pids[0] = escaped(true);
    pids[1] = escaped(false);
    uint64_t t1 = announce(run.root, NULL, 0, 0, 0, 0), t2 = announce(run.root, NULL, 0, 0, 0, 0);
    pids[2] = fork_attached(t1, do_nothing, NULL);
    until_reached();
    pid_t by = fork_attached(t2, bridge, &pids[1]);
    until_reached();
    double start = seconds();
    ck_assert_int_eq(bye(run.root, 0, 0), 0);
    nothing_is_left(pids, 3, start); /* when it is answered */
    ck_assert(is_dead(by));
    run.root = NULL;
}
END_TEST

static void wait_as_guest(struct speaker *unused, void *arg)
{
    (void)unused;
    (void)arg;
    guest();
    reached();
}

START_TEST(a_guest_outlives_the_run)
{
    pid_t pid = fork_attached(0, wait_as_guest, NULL);
    until_reached();
    ck_assert_int_eq(bye(run.root, 0, 0), 0);
    run.root = NULL;
    ck_assert_int_eq(wait_child(run.broker), 0);
    ck_assert(!is_dead(pid));
    kill(pid, SIGKILL);
    wait_child(pid);
    run_start();
}
END_TEST

START_TEST(a_root_that_is_killed_ends_the_run)
{
    char line[256];
    struct stat st;
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t root = fork();
    if (root == 0)
        for (;;)
            pause();
    run.broker = broker_start(root, 0, line, sizeof line);
    ck_assert_str_eq(line, "ready\n");
    pid_t pids[2] = {root, escaped(true)};
    double start = seconds();
    kill(root, SIGKILL);
    ck_assert_int_eq(wait_child(run.broker), 0);
    nothing_is_left(pids, 2, start);
    ck_assert_int_eq(stat(run.dir, &st), -1);
    wait_child(root);
}
END_TEST

static void break_a_rule(void)
{
    ck_assert_int_eq(csp__rundir_read(run.dir, &run.info), 0);
    struct speaker *s = speaker_new();
    ck_assert_int_eq(hello(s, 0, 0, WIRE_PROCESS).head.type, WIRE_WELCOME);
    say(s, WIRE_STAT, (struct wire_head){.seq = s->seq}, NULL, 0); /* a seq that is not new */
}

START_TEST(a_root_that_breaks_a_rule_ends_the_run)
{
    char line[256];
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t root = fork();
    if (root == 0) {
        if (read(ends[0], run.dir, sizeof run.dir) > 0)
            break_a_rule();
        for (;;)
            pause();
    }
    run.broker = broker_start(root, 0, line, sizeof line);
    ck_assert_str_eq(line, "ready\n");
    ck_assert_int_eq(write(ends[1], run.dir, sizeof run.dir), sizeof run.dir);
    ck_assert_int_eq(wait_child(run.broker), 0);
    int status = wait_child(root);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

Suite *endings_suite(void)
{
    Suite *s = suite_create("endings");
    TCase *t = tcase_create("deaths");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, a_killed_process_gives_its_ends_up);
    tcase_add_test(t, an_exit_code_is_told);
    tcase_add_test(t, an_exit_code_that_is_a_success_is_clean);
    tcase_add_test(t, a_process_that_never_attached_ends_with_reaped);
    tcase_add_test(t, a_reason_of_reaped_outlives_the_zombie);
    tcase_add_test(t, reaped_is_the_announcers_to_say);
    tcase_add_test(t, a_waiting_offer_goes_with_its_process);
    tcase_add_test(t, another_waiter_is_not_disturbed_by_a_death);
    tcase_add_test(t, what_a_dead_process_had_sent_counts);
    tcase_add_test(t, what_was_unread_at_the_death_counts);
    tcase_add_test(t, a_process_that_was_started_and_never_attached_is_seen_to_die);
    tcase_add_test(t, who_was_announced_by_the_dead_has_a_second);
    tcase_add_test(t, who_attaches_within_the_second_lives);
    tcase_add_test(t, a_line_whose_connection_goes_ends);
    tcase_add_test(t, connections_that_come_and_go_leave_nothing);
    tcase_add_test(t, many_deaths_at_once_are_all_seen);
    tcase_add_test(t, the_roots_bye_ends_everybody);
    tcase_add_test(t, a_guest_outlives_the_run);
    suite_add_tcase(s, t);

    t = tcase_create("without a word");
    tcase_add_test(t, a_root_that_is_killed_ends_the_run);
    tcase_add_test(t, a_root_that_breaks_a_rule_ends_the_run);
    suite_add_tcase(s, t);
    return s;
}
