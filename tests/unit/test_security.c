/* SPDX-License-Identifier: MPL-2.0 */
/* What SECURITY.md promises against other users, and against processes that are of another run or were once of this
 * one. Decision: another user is tried as one: a child gives up this uid and does what an attacker would, and the same
 * is done as the owner, who must succeed, so that a test of nothing fails. Only root can become another user: for
 * others these tests are not there, which is said, and nothing is counted as passed. */
#include "../speaker.h"
#include "e2e/harness.h"
#include "leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *security_suite(void);

enum { OWNER = 65534, OTHER = 65533 };

/* What is tried: 0, or the errno with which it fails. */
typedef int attempt(const char *dir);

static int become(uid_t uid)
{
    return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 ? 0 : -1;
}

static int tried_as(uid_t uid, attempt *what, const char *dir)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(become(uid) == 0 ? what(dir) : 255);
    int status = wait_child(pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The owner can, and another user can not; who could not even come to the directory would show nothing. */
static void closed_to_others(attempt *what, const char *dir)
{
    char above[256];
    struct stat st;
    snprintf(above, sizeof above, "%s/..", dir);
    for (const char *at = above; (at = strchr(at + 1, '/')) != NULL;) {
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)(at - above), above);
        ck_assert_int_eq(stat(part, &st), 0);
        ck_assert_msg(strcmp(part, dir) == 0 || (st.st_mode & S_IXOTH) != 0, "%s keeps others away by itself", part);
    }
    ck_assert_int_eq(what(dir), 0);
    ck_assert_int_eq(tried_as(OTHER, what, dir), EACCES);
}

static int try_list(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return errno;
    closedir(d);
    return 0;
}

static int try_open(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int try_token(const char *dir)
{
    return try_open(dir, "run");
}

static int try_page(const char *dir)
{
    return try_open(dir, "p77");
}

static int try_connect(const char *dir)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s/broker", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno;
    close(fd);
    return err;
}

static int try_make(const char *dir)
{
    char path[256];
    snprintf(path, sizeof path, "%s/broker2", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return unlink(path) == 0 ? 0 : errno;
}

/* A run below a directory that all may enter, by a user who takes nothing from others. */
static void open_run(void)
{
    char above[128];
    umask(0);
    ck_assert_int_eq(chmod(scratch(), 0755), 0);
    snprintf(above, sizeof above, "%s/run", scratch());
    ck_assert_int_eq(chmod(above, 0755), 0);
    run_start();
}

START_TEST(another_user_can_not_list_the_run_directory)
{
    closed_to_others(try_list, run.dir);
}
END_TEST

START_TEST(another_user_can_not_read_the_token)
{
    closed_to_others(try_token, run.dir);
}
END_TEST

START_TEST(another_user_can_not_connect_to_the_broker)
{
    closed_to_others(try_connect, run.dir);
}
END_TEST

START_TEST(another_user_can_not_open_a_page)
{
    char path[256];
    snprintf(path, sizeof path, "%s/p77", run.dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    ck_assert_int_ge(fd, 0);
    close(fd);
    closed_to_others(try_page, run.dir);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(another_user_can_not_put_anything_into_the_run_directory)
{
    closed_to_others(try_make, run.dir);
}
END_TEST

START_TEST(a_umask_of_0_opens_nothing)
{
    struct stat st;
    ck_assert_int_eq(stat(run.dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    DIR *d = opendir(run.dir);
    unsigned n = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        ck_assert_int_eq(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        ck_assert_msg((st.st_mode & 077) == 0, "%s: mode %o", e->d_name, st.st_mode & 07777);
        n++;
    }
    closedir(d);
    ck_assert_uint_ge(n, 3); /* lock, run, broker */
}
END_TEST

/* A run by cspctl of a user who is not root, in a directory of his, with a umask of 0; *dir is its run directory. */
static struct running start_as_owner(char *dir, size_t size)
{
    char copy[128], home[128];
    snprintf(copy, sizeof copy, "%s/tools", scratch());
    snprintf(home, sizeof home, "%s/home", scratch());
    struct outcome o = sh("mkdir %s && cp -r %s %s %s && chmod -R a+rX %s && mkdir -m 755 %s && chown %d %s", copy,
                          built("cspctl"), built("libexec"), copy, copy, home, OWNER, home);
    assert_status(&o, 0);
    outcome_free(&o);
    write_text(in_scratch("hold.yaml"),
               "processes: {hold: {command: 'echo \"$CSP_RUN\"; exec sleep 60', stdout: inherit}}\n");
    ck_assert_int_eq(chmod(in_scratch("hold.yaml"), 0644), 0);
    struct running r = start("umask 000; cd / && XDG_RUNTIME_DIR=%s exec setpriv --reuid %d --regid %d --clear-groups "
                             "%s/cspctl run %s",
                             home, OWNER, OWNER, copy, in_scratch("hold.yaml"));
    wait_for_output(&r, 0, "\n");
    snprintf(dir, size, "%.*s", (int)strcspn(r.text[0].data, "\n"), r.text[0].data);
    ck_assert_int_eq(strncmp(dir, home, strlen(home)), 0);
    return r;
}

START_TEST(a_run_of_another_user_with_umask_0_is_closed_to_third_ones)
{
    char dir[256];
    ck_assert_int_eq(chmod(scratch(), 0755), 0);
    struct running r = start_as_owner(dir, sizeof dir);
    attempt *const all[] = {try_list, try_token, try_connect, try_make};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ck_assert_int_eq(tried_as(OWNER, all[i], dir), 0);
        closed_to_others(all[i], dir);
    }
    static const int users[] = {OWNER, OTHER}, statuses[] = {0, 69};
    for (unsigned i = 0; i < 2; i++) {
        struct outcome ps = sh("cd / && XDG_RUNTIME_DIR=%s/home setpriv --reuid %d --regid %d --clear-groups "
                               "%s/tools/cspctl ps --run %s",
                               scratch(), users[i], users[i], scratch(), dir);
        assert_status(&ps, statuses[i]);
        outcome_free(&ps);
    }
    ck_assert_int_eq(kill(r.pid, SIGTERM), 0);
    struct outcome o = finish(&r);
    outcome_free(&o);
}
END_TEST

/* ---- foreign and stale processes --------------------------------------------------------------------------------- */

static int refused(struct heard h)
{
    ck_assert_int_eq(h.head.type, WIRE_REFUSED);
    return (int)h.head.count;
}

START_TEST(the_token_of_a_previous_run_is_refused)
{
    uint8_t token[WIRE_TOKEN_SIZE];
    memcpy(token, run.info.token, sizeof token);
    run_kill();
    run_start();
    ck_assert_mem_ne(token, run.info.token, sizeof token);
    uint8_t own[WIRE_TOKEN_SIZE];
    memcpy(own, run.info.token, sizeof own);
    memcpy(run.info.token, token, sizeof token);
    ck_assert_int_eq(refused(hello(speaker_new(), 0, 0, WIRE_GUEST)), EACCES);
    memcpy(run.info.token, own, sizeof own);
    (void)guest();
}
END_TEST

START_TEST(the_ticket_of_a_process_that_never_started_is_refused)
{
    uint64_t process, ticket = announce(run.root, &process, 0, 0, 0, 0);
    struct wire_started w = {.process = process};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, (struct wire_head){0}, &w, sizeof w), 0);
    ck_assert_int_eq(refused(hello(speaker_new(), ticket, 0, WIRE_PROCESS)), EACCES);
}
END_TEST

START_TEST(a_frame_before_the_hello_does_nothing)
{
    struct speaker *s = speaker_new();
    uint64_t c = declare("a", 1, WIRE_CLOSE_SENDERS);
    say(s, WIRE_CLOSE, (struct wire_head){.seq = 1, .channel = c}, NULL, 0);
    say(s, WIRE_BYE, (struct wire_head){.seq = 2}, &(struct wire_exit){0}, sizeof(struct wire_exit));
    ck_assert_int_eq(hello(s, 0, 0, WIRE_GUEST).head.type, WIRE_WELCOME);
    ck_assert_uint_eq(why(run.root, c).closed, 0);
}
END_TEST

/* It is treated as dead, and its other line is, too. */
START_TEST(who_broke_the_protocol_is_heard_no_more_on_any_line)
{
    struct speaker *s = colleague(0, 0, 0, 0), *other = another_line(s);
    uint64_t c = declare("a", 1, WIRE_CLOSE_SENDERS);
    say(s, WIRE_BYE, (struct wire_head){.seq = ++s->seq}, &(struct wire_exit){.how = 77}, sizeof(struct wire_exit));
    ck_assert(silent(s));
    say(other, WIRE_OPEN, (struct wire_head){.seq = ++other->seq, .count = SEND}, "a", 1);
    ck_assert(silent(other));
    ck_assert_uint_eq(why(run.root, c).closed, 0);
    uint64_t process = s->process;
    ck_assert_int_eq(refused(hello(speaker_new(), 0, process, WIRE_PROCESS)), EACCES);
}
END_TEST

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* Asks for so many channels at once; how many there were. *err: of the last answer. */
static unsigned make_many(unsigned n, int *err)
{
    static const struct wire_make w = {.capacity = 1, .max_bytes = 1};
    unsigned made = 0;
    for (unsigned i = 0; i < n; i++)
        say(run.root, WIRE_MAKE, (struct wire_head){.seq = ++run.root->seq}, &w, sizeof w);
    for (unsigned i = 0; i < n; i++) {
        *err = (int)hear(run.root, WIRE_ANSWER).head.count;
        made += *err == 0;
    }
    return made;
}

START_TEST(a_run_has_so_many_channels_and_no_more)
{
    enum { PART = 4096 };
    int err = 0;
    uint64_t first = make(run.root, 1, 1);
    for (unsigned n = 1; n < WIRE_MAX_CHANNELS; n += PART)
        ck_assert_uint_eq(make_many(n + PART <= WIRE_MAX_CHANNELS ? PART : WIRE_MAX_CHANNELS - n, &err),
                          n + PART <= WIRE_MAX_CHANNELS ? PART : WIRE_MAX_CHANNELS - n);
    ck_assert_uint_eq(make_many(1, &err), 0);
    ck_assert_int_eq(err, ENOBUFS);
    ck_assert_int_eq(drop(run.root, first, SEND | RECV), 0);
    ck_assert_uint_eq(make_many(2, &err), 1);
}
END_TEST

Suite *security_suite(void)
{
    Suite *s = suite_create("security");
    TCase *stale = tcase_create("foreign and stale processes");
    tcase_add_checked_fixture(stale, run_start, run_stop);
    tcase_add_test(stale, the_token_of_a_previous_run_is_refused);
    tcase_add_test(stale, the_ticket_of_a_process_that_never_started_is_refused);
    tcase_add_test(stale, a_frame_before_the_hello_does_nothing);
    tcase_add_test(stale, who_broke_the_protocol_is_heard_no_more_on_any_line);
    suite_add_tcase(s, stale);
    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, run_start, run_stop);
    tcase_add_test(limits, a_run_has_so_many_channels_and_no_more);
    suite_add_tcase(s, limits);
    if (geteuid() != 0) {
        fputs("test_security: another user was not tried: only root can become one\n", stderr);
        return s;
    }
    TCase *others = tcase_create("other users");
    tcase_add_checked_fixture(others, open_run, run_stop);
    tcase_add_test(others, another_user_can_not_list_the_run_directory);
    tcase_add_test(others, another_user_can_not_read_the_token);
    tcase_add_test(others, another_user_can_not_connect_to_the_broker);
    tcase_add_test(others, another_user_can_not_open_a_page);
    tcase_add_test(others, another_user_can_not_put_anything_into_the_run_directory);
    tcase_add_test(others, a_umask_of_0_opens_nothing);
    suite_add_tcase(s, others);
    TCase *third = tcase_create("third users");
    tcase_add_test(third, a_run_of_another_user_with_umask_0_is_closed_to_third_ones);
    suite_add_tcase(s, third);
    return s;
}
