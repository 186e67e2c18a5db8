/* SPDX-License-Identifier: MPL-2.0 */
/* Attaching to a broker, and its requests: sections 3, 4, 7 and 8 of docs/protocol.md. */
#include "../speaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *broker_suite(void);

static const struct wire_head none;

/* The errno with which a HELLO is refused. */
static int refused(struct heard h)
{
    ck_assert_int_eq(h.head.type, WIRE_REFUSED);
    ck_assert_uint_gt(h.size, 0);
    return (int)h.head.count;
}

START_TEST(a_wrong_token_is_refused)
{
    run.info.token[3] ^= 1;
    ck_assert_int_eq(refused(hello(speaker_new(), 0, 0, WIRE_GUEST)), EACCES);
}
END_TEST

START_TEST(a_pid_that_is_not_the_connections_is_refused)
{
    struct speaker *s = speaker_new();
    struct wire_hello w = {.pid = 1, .role = WIRE_GUEST};
    memcpy(w.token, run.info.token, sizeof w.token);
    say(s, WIRE_HELLO, (struct wire_head){.seq = 1}, &w, sizeof w);
    ck_assert_int_eq(refused(hear(s, WIRE_REFUSED)), EACCES);
}
END_TEST

START_TEST(there_is_one_root)
{
    ck_assert_int_eq(refused(hello(speaker_new(), 0, 0, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(a_role_that_there_is_not_is_refused)
{
    ck_assert_int_eq(refused(hello(speaker_new(), 0, 0, 7)), EPROTO);
}
END_TEST

START_TEST(a_ticket_admits_once)
{
    uint64_t process, ticket = announce(run.root, &process, 0, 0, 0, 0);
    ck_assert_uint_eq(attach(ticket)->process, process);
    ck_assert_int_eq(refused(hello(speaker_new(), ticket, 0, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(a_ticket_that_nobody_got_is_refused)
{
    ck_assert_int_eq(refused(hello(speaker_new(), 12345, 0, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(a_further_line_shares_its_process_ends)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *line = another_line(run.root);
    ck_assert_uint_eq(line->process, run.root->process);
    ck_assert_uint_ne(line->line, run.root->line);
    ck_assert_int_eq(send_text(line, c, "v"), 0);
    recv_text(run.root, c, "v");
}
END_TEST

static void say_hello_as(struct speaker *unused, void *process)
{
    (void)unused;
    int err = refused(hello(speaker_new(), 0, *(uint64_t *)process, WIRE_PROCESS));
    _exit(err == EACCES ? 0 : 1);
}

START_TEST(a_further_line_from_another_pid_is_refused)
{
    pid_t pid = fork_attached(0, say_hello_as, &run.root->process);
    ck_assert_int_eq(wait_child(pid), 0);
}
END_TEST

START_TEST(a_line_of_a_process_that_ended_is_refused)
{
    struct speaker *s = colleague(0, 0, 0, 0);
    uint64_t process = s->process;
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_int_eq(refused(hello(speaker_new(), 0, process, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(a_line_that_left_is_heard_no_more)
{
    struct speaker *line = another_line(run.root);
    ck_assert_int_eq(leave(line), 0);
    say(line, WIRE_STAT, (struct wire_head){.seq = ++line->seq}, NULL, 0);
    ck_assert(silent(line));
}
END_TEST

START_TEST(names_are_declared_by_the_root_alone)
{
    struct {
        struct wire_make fixed;
        char name[4];
    } w = {{.capacity = 1, .max_bytes = 10}, "name"};
    size_t size = sizeof w.fixed + 4;
    struct speaker *s = colleague(0, 0, 0, 0);
    ck_assert_int_eq(ask_err(s, WIRE_MAKE, none, &w, size), EPERM);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), 0);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), EEXIST);
    w.name[1] = '\t';
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), EINVAL);
}
END_TEST

/* A run that is reloaded takes a channel out, and may want it again. */
START_TEST(the_name_of_a_channel_that_is_over_may_be_given_again)
{
    struct {
        struct wire_make fixed;
        char name[4];
    } w = {{.capacity = 1, .max_bytes = 10}, "name"};
    size_t size = sizeof w.fixed + 4;
    uint64_t first = declare("name", 1, WIRE_CLOSE_SENDERS);
    struct wire_head of_first = {.channel = first};
    struct speaker *reader = colleague(first, RECV, 0, 0);
    struct speaker *visitor = guest();
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), EEXIST);
    ck_assert_int_eq(ask_err(visitor, WIRE_CLOSE, of_first, NULL, 0), 0);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), EEXIST); /* somebody holds an end */
    bye(reader, 0, 0);
    uint64_t second = declare("name", 1, WIRE_CLOSE_SENDERS);
    ck_assert_uint_ne(second, first);
    ck_assert_int_eq(ask_err(visitor, WIRE_CLOSE, of_first, NULL, 0), EBADF);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &w, size), EEXIST);
}
END_TEST

START_TEST(a_channel_with_what_there_is_not_is_refused)
{
    struct wire_make kind = {.kind = 2}, policy = {.policy = 3}, bytes = {.max_bytes = WIRE_MAX_VALUE + 1ull};
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &kind, sizeof kind), EINVAL);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &policy, sizeof policy), EINVAL);
    ck_assert_int_eq(ask_err(run.root, WIRE_MAKE, none, &bytes, sizeof bytes), EINVAL);
}
END_TEST

START_TEST(a_name_is_opened_with_the_ends_that_are_held)
{
    uint64_t c = declare("lines", 1, WIRE_CLOSE_SENDERS);
    struct speaker *s = colleague(c, SEND, 0, 0), *g = guest();
    ck_assert_int_eq(ask_err(s, WIRE_OPEN, (struct wire_head){.count = SEND}, "lines", 5), 0);
    ck_assert_int_eq(ask_err(s, WIRE_OPEN, (struct wire_head){.count = RECV}, "lines", 5), EPERM);
    ck_assert_int_eq(ask_err(s, WIRE_OPEN, (struct wire_head){.count = SEND}, "lixes", 5), ENOENT);
    ck_assert_int_eq(ask_err(s, WIRE_OPEN, (struct wire_head){.count = 4}, "lines", 5), EINVAL);
    ck_assert_int_eq(ask_err(g, WIRE_OPEN, (struct wire_head){.count = SEND | RECV}, "lines", 5), 0);
}
END_TEST

START_TEST(nobody_holds_a_name_before_it_is_granted)
{
    uint64_t c = declare("lines", 1, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(drop(run.root, c, SEND), EBADF);
    ck_assert_str_eq(stat_field("channel", c, 7), "0");
    ck_assert_str_eq(stat_field("channel", c, 11), "open");
}
END_TEST

START_TEST(dropping_what_is_not_held_fails)
{
    uint64_t c = make(run.root, 1, 100);
    ck_assert_int_eq(drop(run.root, c, 0), EINVAL);
    ck_assert_int_eq(drop(run.root, c, SEND), 0);
    ck_assert_int_eq(drop(run.root, c, SEND), EBADF);
    ck_assert_int_eq(drop(run.root, 999, SEND), EBADF);
}
END_TEST

START_TEST(the_last_sending_end_closes)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(drop(run.root, c, SEND), 0);
    ck_assert_uint_eq(why(run.root, c).closed, 0);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_uint_eq(why(run.root, c).closed, 1);
}
END_TEST

START_TEST(a_channel_that_never_closes_stays_open_without_senders)
{
    uint64_t c = declare("lines", 1, WIRE_CLOSE_NEVER);
    ck_assert_int_eq(bye(colleague(c, SEND, 0, 0), 0, 0), 0);
    ck_assert_uint_eq(why(run.root, c).closed, 0);
}
END_TEST

START_TEST(a_channel_is_closed_once)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *s = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(close_channel(s, c), EBADF);
    ck_assert_int_eq(close_channel(run.root, c), 0);
    ck_assert_int_eq(close_channel(run.root, c), EPIPE);
    ck_assert_int_eq(close_channel(run.root, 999), EBADF);
}
END_TEST

START_TEST(why_tells_the_first_reason_that_is_not_clean)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *s1 = colleague(c, SEND, 0, 0), *s2 = colleague(c, SEND, 0, 0), *s3 = colleague(c, SEND, 0, 0);
    drop(run.root, c, SEND);
    bye(s1, 0, 0);
    ck_assert_int_eq(why(run.root, c).how, 0);
    bye(s2, 1, 3);
    bye(s3, 2, 9);
    struct wire_why w = why(run.root, c);
    ck_assert_int_eq(w.closed, 1);
    ck_assert_int_eq(w.how, 1);
    ck_assert_int_eq(w.code, 3);
}
END_TEST

START_TEST(exit_code_0_is_clean)
{
    uint64_t c = make(run.root, 1, 100);
    bye(colleague(c, SEND, 0, 0), 1, 0);
    ck_assert_int_eq(why(run.root, c).how, 0);
}
END_TEST

START_TEST(an_unnamed_channel_without_ends_is_freed)
{
    uint64_t c = make(run.root, 1, 100);
    ck_assert_int_eq(send_text(run.root, c, "v"), 0);
    ck_assert_ptr_nonnull(stat_field("channel", c, 0));
    ck_assert_int_eq(drop(run.root, c, SEND | RECV), 0);
    ck_assert_ptr_null(stat_field("channel", c, 0));
}
END_TEST

START_TEST(only_ends_that_are_held_are_granted)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    struct {
        struct wire_announce fixed;
        struct wire_ends ends;
    } w = {.ends = {c, RECV, 0}};
    ck_assert_int_eq(ask_err(s, WIRE_ANNOUNCE, (struct wire_head){.count = 1}, &w, sizeof w), EBADF);
    ck_assert_str_eq(stat_field("channel", c, 8), "1");
    w.ends.ends = 4;
    ck_assert_int_eq(ask_err(s, WIRE_ANNOUNCE, (struct wire_head){.count = 1}, &w, sizeof w), EINVAL);
}
END_TEST

START_TEST(a_child_that_inherits_holds_all_of_it)
{
    uint64_t c = make(run.root, 1, 100), d = make(run.root, 1, 100);
    drop(run.root, d, SEND);
    struct wire_announce w = {0};
    struct heard h = ask(run.root, WIRE_ANNOUNCE, (struct wire_head){.flags = WIRE_INHERIT}, &w, sizeof w);
    struct wire_announced a;
    memcpy(&a, h.data, sizeof a);
    struct speaker *s = attach(a.ticket);
    ck_assert_int_eq(drop(s, c, SEND | RECV), 0);
    ck_assert_int_eq(drop(s, d, SEND), EBADF);
    ck_assert_int_eq(drop(s, d, RECV), 0);
}
END_TEST

START_TEST(a_process_that_never_started_gives_its_ends_up)
{
    uint64_t process, c = make(run.root, 1, 100);
    announce(run.root, &process, c, SEND, 0, 0);
    drop(run.root, c, SEND);
    ck_assert_uint_eq(why(run.root, c).closed, 0);
    struct wire_started w = {.process = process};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &w, sizeof w), 0);
    ck_assert_uint_eq(why(run.root, c).closed, 1);
    ck_assert_int_eq(why(run.root, c).how, 0);
}
END_TEST

START_TEST(only_the_announcer_says_started)
{
    uint64_t process;
    announce(run.root, &process, 0, 0, 0, 0);
    struct wire_started w = {.process = process, .pid = (uint32_t)getpid()};
    ck_assert_int_eq(ask_err(guest(), WIRE_STARTED, none, &w, sizeof w), EPERM);
    w.process = 4711;
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &w, sizeof w), ESRCH);
}
END_TEST

static struct heard announce_pid(uint32_t pid)
{
    struct wire_announce w = {.pid = pid};
    return ask(run.root, WIRE_ANNOUNCE, none, &w, sizeof w);
}

START_TEST(a_process_that_was_there_when_it_was_announced_attaches_by_its_number)
{
    struct wire_announced a;
    struct heard h = announce_pid((uint32_t)getpid());
    ck_assert_int_eq(h.head.count, 0);
    memcpy(&a, h.data, sizeof a);
    h = hello(speaker_new(), 0, a.process, WIRE_PROCESS);
    ck_assert_int_eq(h.head.type, WIRE_WELCOME);
    struct wire_welcome w;
    memcpy(&w, h.data, sizeof w);
    ck_assert_uint_eq(w.process, a.process);
    ck_assert_int_eq(hello(speaker_new(), 0, a.process, WIRE_PROCESS).head.type, WIRE_WELCOME); /* a further line */
}
END_TEST

START_TEST(one_that_was_not_there_needs_its_ticket)
{
    uint64_t process;
    announce(run.root, &process, 0, 0, 0, 0);
    ck_assert_int_eq(refused(hello(speaker_new(), 0, process, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(what_is_gone_is_not_announced)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_eq(announce_pid((uint32_t)pid).head.count, ESRCH);
    ck_assert_uint_eq(announce_pid(UINT32_MAX).head.count, EINVAL);
}
END_TEST

START_TEST(a_group_counts_and_is_never_negative)
{
    uint64_t g = make_group(run.root);
    ck_assert_int_eq(add(run.root, g, 2), 0);
    ck_assert_int_eq(add(run.root, g, -3), EINVAL);
    ck_assert_int_eq(add(run.root, g, INT64_MAX), EINVAL);
    ck_assert_int_eq(add(run.root, g, -2), 0);
    ck_assert_int_eq(add(guest(), g, 1), EBADF);
    ck_assert_int_eq(add(run.root, make(run.root, 1, 1), 1), EINVAL);
}
END_TEST

START_TEST(a_wait_ends_when_the_count_is_0)
{
    uint64_t g = make_group(run.root);
    struct speaker *s = colleague(g, RECV, 0, 0);
    OFFER(s, 0, ON_WAIT(g));
    ck_assert_uint_eq(committed(s).which, 0);
    add(run.root, g, 2);
    OFFER(s, 0, ON_WAIT(g));
    add(run.root, g, -1);
    ck_assert(silent(s));
    add(run.root, g, -1);
    struct committed c = committed(s);
    ck_assert_int_eq(c.err, 0);
    ck_assert_uint_eq(c.channel, g);
}
END_TEST

START_TEST(a_program_group_that_would_be_everybody_is_refused)
{
    ck_assert_int_eq(ask_err(run.root, WIRE_PROGRAM, (struct wire_head){.count = 1}, NULL, 0), EINVAL);
    ck_assert_int_eq(ask_err(run.root, WIRE_PROGRAM, (struct wire_head){.count = UINT32_MAX}, NULL, 0), EINVAL);
    ck_assert_int_eq(ask_err(run.root, WIRE_PROGRAM, (struct wire_head){.count = 0}, NULL, 0), 0);
}
END_TEST

START_TEST(stat_tells_the_run)
{
    char line[512];
    struct heard h = ask(run.root, WIRE_STAT, none, NULL, 0);
    int n = snprintf(line, sizeof line, "run\ttest\ttest.yaml\t%d\t%d\t%lld\n", (int)getpid(), (int)run.broker,
                     (long long)run.info.started);
    ck_assert_uint_ge(h.size, (size_t)n);
    ck_assert_mem_eq(h.data, line, (size_t)n);
}
END_TEST

START_TEST(stat_tells_who_waits_for_what)
{
    uint64_t c = declare("lines", 0, WIRE_CLOSE_SENDERS), d = declare("more", 0, WIRE_CLOSE_SENDERS);
    struct speaker *s = colleague(c, SEND, d, RECV);
    ck_assert_str_eq(stat_field("process", s->process, 6), "attached");
    ck_assert_str_eq(stat_field("process", s->process, 7), "-");
    OFFER(s, 0, ON_SEND(c, "v"), ON_RECV(d));
    ck_assert(silent(s));
    ck_assert_str_eq(stat_field("process", s->process, 2), "name");
    ck_assert_str_eq(stat_field("process", s->process, 6), "waiting");
    ck_assert_str_eq(stat_field("process", s->process, 7), "send lines,recv more");
}
END_TEST

START_TEST(stat_tells_what_a_channel_holds)
{
    uint64_t c = declare("lines", 3, WIRE_CLOSE_SENDERS);
    struct speaker *s = colleague(c, SEND | RECV, 0, 0);
    static const char *const fields[] = {"lines", "3", "2", "5", "1048576", "1", "1", "3", "1", "open", "0", "0", "0"};
    send_text(s, c, "a");
    send_text(s, c, "bb");
    send_text(s, c, "ccc");
    recv_text(s, c, "a");
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        ck_assert_str_eq(stat_field("channel", c, i + 2), fields[i]);
}
END_TEST

START_TEST(beyond_the_limit_attachments_are_refused)
{
    char line[256];
    struct speaker *all[40];
    unsigned n = 0;
    run.broker = broker_start(getpid(), 60, line, sizeof line); /* 24 are its own: 18 lines, 18 processes */
    ck_assert_str_eq(line, "ready\n");
    ck_assert_int_eq(csp__rundir_read(run.dir, &run.info), 0);
    run.root = speaker_new();
    ck_assert_int_eq(hello(run.root, 0, 0, WIRE_PROCESS).head.type, WIRE_WELCOME);
    struct heard h;
    do {
        all[n] = speaker_new();
        h = hello(all[n], 0, run.root->process, WIRE_PROCESS);
    } while (h.head.type == WIRE_WELCOME && ++n < 40);
    ck_assert_uint_eq(n, 17);
    ck_assert_int_eq(refused(h), ENOBUFS);
    speaker_free(all[n]);
    leave(all[0]);
    speaker_free(all[0]);
    ck_assert_int_eq(hello(speaker_new(), 0, run.root->process, WIRE_PROCESS).head.type, WIRE_WELCOME);
}
END_TEST

START_TEST(more_connections_than_descriptors_do_not_end_the_broker)
{
    char line[256];
    run.broker = broker_start(getpid(), 60, line, sizeof line);
    ck_assert_int_eq(csp__rundir_read(run.dir, &run.info), 0);
    run.root = speaker_new();
    ck_assert_int_eq(hello(run.root, 0, 0, WIRE_PROCESS).head.type, WIRE_WELCOME);
    struct speaker *crowd[100];
    for (unsigned i = 0; i < 100; i++)
        crowd[i] = speaker_new();
    for (unsigned i = 0; i < 200; i++)
        ask(run.root, WIRE_STAT, none, NULL, 0);
    for (unsigned i = 0; i < 100; i++)
        speaker_free(crowd[i]);
    ck_assert_int_eq(hello(speaker_new(), 0, run.root->process, WIRE_PROCESS).head.type, WIRE_WELCOME);
}
END_TEST

START_TEST(wrong_arguments_are_status_64)
{
    char command[4096];
    const char *build = getenv("CSP_TEST_BUILD"), *dir = getenv("CSP_LIBEXEC");
    snprintf(command, sizeof command, "%s%s/broker --dir / --root 1x --lock 0 --ready 1 2>/dev/null",
             dir != NULL     ? dir
             : build != NULL ? build
                             : "build",
             dir != NULL ? "" : "/libexec/csp");
    int status = system(command);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 64);
}
END_TEST

START_TEST(a_root_that_is_not_there_is_told_on_the_ready_pipe)
{
    char line[256], expected[64];
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    pid_t pid = broker_start(gone, 0, line, sizeof line);
    snprintf(expected, sizeof expected, "error %d ", ESRCH);
    ck_assert_msg(strncmp(line, expected, strlen(expected)) == 0, "%s", line);
    ck_assert_int_ne(wait_child(pid), 0);
    csp__rundir_remove(run.dir);
}
END_TEST

Suite *broker_suite(void)
{
    Suite *s = suite_create("broker");
    TCase *with_run = tcase_create("attaching and requests");
    tcase_add_checked_fixture(with_run, run_start, run_stop);
    tcase_add_test(with_run, a_wrong_token_is_refused);
    tcase_add_test(with_run, a_pid_that_is_not_the_connections_is_refused);
    tcase_add_test(with_run, there_is_one_root);
    tcase_add_test(with_run, a_role_that_there_is_not_is_refused);
    tcase_add_test(with_run, a_ticket_admits_once);
    tcase_add_test(with_run, a_ticket_that_nobody_got_is_refused);
    tcase_add_test(with_run, a_further_line_shares_its_process_ends);
    tcase_add_test(with_run, a_further_line_from_another_pid_is_refused);
    tcase_add_test(with_run, a_line_of_a_process_that_ended_is_refused);
    tcase_add_test(with_run, a_line_that_left_is_heard_no_more);
    tcase_add_test(with_run, names_are_declared_by_the_root_alone);
    tcase_add_test(with_run, the_name_of_a_channel_that_is_over_may_be_given_again);
    tcase_add_test(with_run, a_channel_with_what_there_is_not_is_refused);
    tcase_add_test(with_run, a_name_is_opened_with_the_ends_that_are_held);
    tcase_add_test(with_run, nobody_holds_a_name_before_it_is_granted);
    tcase_add_test(with_run, dropping_what_is_not_held_fails);
    tcase_add_test(with_run, the_last_sending_end_closes);
    tcase_add_test(with_run, a_channel_that_never_closes_stays_open_without_senders);
    tcase_add_test(with_run, a_channel_is_closed_once);
    tcase_add_test(with_run, why_tells_the_first_reason_that_is_not_clean);
    tcase_add_test(with_run, exit_code_0_is_clean);
    tcase_add_test(with_run, an_unnamed_channel_without_ends_is_freed);
    tcase_add_test(with_run, only_ends_that_are_held_are_granted);
    tcase_add_test(with_run, a_child_that_inherits_holds_all_of_it);
    tcase_add_test(with_run, a_process_that_never_started_gives_its_ends_up);
    tcase_add_test(with_run, only_the_announcer_says_started);
    tcase_add_test(with_run, a_process_that_was_there_when_it_was_announced_attaches_by_its_number);
    tcase_add_test(with_run, one_that_was_not_there_needs_its_ticket);
    tcase_add_test(with_run, what_is_gone_is_not_announced);
    tcase_add_test(with_run, a_group_counts_and_is_never_negative);
    tcase_add_test(with_run, a_wait_ends_when_the_count_is_0);
    tcase_add_test(with_run, a_program_group_that_would_be_everybody_is_refused);
    tcase_add_test(with_run, stat_tells_the_run);
    tcase_add_test(with_run, stat_tells_who_waits_for_what);
    tcase_add_test(with_run, stat_tells_what_a_channel_holds);
    suite_add_tcase(s, with_run);

    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, NULL, run_stop);
    tcase_add_test(limits, beyond_the_limit_attachments_are_refused);
    tcase_add_test(limits, more_connections_than_descriptors_do_not_end_the_broker);
    suite_add_tcase(s, limits);

    TCase *start = tcase_create("starting");
    tcase_add_test(start, wrong_arguments_are_status_64);
    tcase_add_test(start, a_root_that_is_not_there_is_told_on_the_ready_pipe);
    suite_add_tcase(s, start);
    return s;
}
