/* SPDX-License-Identifier: MPL-2.0 */
/* A durable directory by itself: what is there again, what is refused, and a disk that is full. */
#include "../../broker/store.h"
#include "leftover.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *store_suite(void);

static char dir[96], why[512];
static struct store *store;
static struct stored *jobs;

static void setup(void)
{
    snprintf(dir, sizeof dir, "%s/d", scratch());
    store = NULL;
}

static void teardown(void)
{
    if (store != NULL)
        store_close(store);
}

static void open_store(void)
{
    ck_assert_msg(store_open(dir, &store, why, sizeof why) == 0, "%s", why);
    jobs = store_channel(store, "jobs");
    ck_assert_msg(jobs != NULL, "%s", store_why(store));
}

static void reopen(void)
{
    store_close(store);
    open_store();
}

static void refused(int err, const char *sentence)
{
    struct store *s = NULL;
    ck_assert_int_eq(store_open(dir, &s, why, sizeof why), err);
    ck_assert_msg(strstr(why, sentence) != NULL && strstr(why, dir) != NULL, "%s", why);
}

static int append(struct stored *c, uint64_t key, const char *text)
{
    struct stored_value v = {.key = key, .id = key, .data = text, .length = strlen(text)};
    if (key >= c->next)
        c->next = key + 1;
    return store_append(c, &v);
}

/* Commits values first to last of `jobs`, each its number as text. */
static void put(uint64_t first, uint64_t last)
{
    char text[32];
    ck_assert_int_eq(store_begin(store), 0);
    for (uint64_t k = first; k <= last; k++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)k);
        ck_assert_int_eq(append(jobs, k, text), 0);
    }
    ck_assert_int_eq(store_mark(jobs, jobs->next, jobs->delivered), 0);
    ck_assert_msg(store_commit(store) == 0, "%s", store_why(store));
}

/* Writes what a channel has as `KEY=TEXT/TRIES `. */
static int write_value(void *arg, const struct stored_value *v)
{
    fprintf(arg, "%llu=%.*s/%u ", (unsigned long long)v->key, (int)v->length, (const char *)v->data, v->tries);
    return 0;
}

static void has(struct stored *c, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    int err = store_load(c, write_value, out);
    fclose(out);
    ck_assert_msg(err == 0, "%s", store_why(store));
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(what_was_committed_is_there_in_order)
{
    open_store();
    put(1, 3);
    reopen();
    has(jobs, "1=1/0 2=2/0 3=3/0 ");
    ck_assert_uint_eq(jobs->next, 4);
}
END_TEST

START_TEST(a_key_is_not_used_again_when_its_value_has_gone)
{
    open_store();
    put(1, 3);
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_remove(jobs, 1, 3), 0);
    ck_assert_int_eq(store_commit(store), 0);
    reopen();
    has(jobs, "");
    ck_assert_uint_eq(jobs->next, 4);
}
END_TEST

START_TEST(a_removal_and_an_append_elsewhere_are_one_step)
{
    open_store();
    struct stored *done = store_channel(store, "done");
    ck_assert_ptr_nonnull(done);
    put(1, 2);
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_remove(jobs, 1, 1), 0);
    ck_assert_int_eq(append(done, 1, "one"), 0);
    ck_assert_int_eq(append(done, 1, "the same key"), EIO); /* which fails the whole */
    ck_assert_int_eq(store_commit(store), EIO);
    has(jobs, "1=1/0 2=2/0 ");
    has(done, "");
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_remove(jobs, 1, 1), 0);
    ck_assert_int_eq(append(done, 1, "one"), 0);
    ck_assert_int_eq(store_commit(store), 0);
    has(jobs, "2=2/0 ");
    has(done, "1=one/0 ");
}
END_TEST

START_TEST(what_may_have_been_delivered_has_a_try)
{
    open_store();
    put(1, 3);
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_mark(jobs, jobs->next, 3), 0);
    ck_assert_int_eq(store_tries(jobs, 1, 4), 0);
    ck_assert_int_eq(store_commit(store), 0);
    reopen();
    has(jobs, "1=1/4 2=2/1 3=3/0 ");
}
END_TEST

START_TEST(nothing_that_was_said_is_lost_by_a_kill)
{
    int ends[2];
    uint64_t said = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        open_store();
        for (uint64_t k = 1;; k++) {
            put(k, k);
            if (write(ends[1], &k, sizeof k) != sizeof k)
                _exit(1);
        }
    }
    close(ends[1]);
    while (said < 200)
        ck_assert_int_eq(read(ends[0], &said, sizeof said), sizeof said);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    while (read(ends[0], &said, sizeof said) == sizeof said)
        continue;
    close(ends[0]);
    open_store();
    ck_assert_uint_ge(jobs->next, said + 1);
    ck_assert_uint_le(jobs->next, said + 2);
}
END_TEST

START_TEST(a_second_run_is_refused)
{
    open_store();
    refused(EBUSY, "another run has it: broker ");
}
END_TEST

START_TEST(files_are_closed_to_others)
{
    struct stat st;
    char path[128];
    umask(0);
    open_store();
    put(1, 1);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    const char *const files[] = {"lock", "store.db", "store.db-wal"};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
    }
}
END_TEST

static void overwrite(const char *file, off_t at, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    int fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static void close_store(void)
{
    store_close(store);
    store = NULL;
}

START_TEST(a_newer_version_is_refused)
{
    open_store();
    close_store();
    overwrite("store.db", 60, "\0\0\0\x02", 4); /* SQLite's user_version */
    refused(EPROTO, "newer version (2, this one knows 1)");
}
END_TEST

START_TEST(another_programs_database_is_refused)
{
    open_store();
    close_store();
    overwrite("store.db", 68, "else", 4); /* application_id */
    refused(EPROTO, "another program's");
}
END_TEST

START_TEST(a_damaged_head_is_said)
{
    open_store();
    close_store();
    overwrite("store.db", 0, "not a data base", 15);
    refused(EBADMSG, "is damaged");
}
END_TEST

START_TEST(a_damaged_value_is_said)
{
    open_store();
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(append(jobs, 1, "MARKED-VALUE"), 0);
    ck_assert_int_eq(store_mark(jobs, jobs->next, 1), 0);
    ck_assert_int_eq(store_commit(store), 0);
    close_store();
    char path[128], bytes[1 << 16];
    snprintf(path, sizeof path, "%s/store.db", dir);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    const char *at = memmem(bytes, (size_t)n, "MARKED", 6);
    ck_assert_ptr_nonnull(at);
    overwrite("store.db", at - bytes, "m", 1);
    open_store();
    ck_assert_int_eq(store_load(jobs, write_value, stderr), EBADMSG);
    ck_assert_ptr_nonnull(strstr(store_why(store), "value 1 of channel jobs is not what was sent"));
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_said)
{
    snprintf(dir, sizeof dir, "/proc/no/such");
    refused(ENOENT, "it can not be made");
    snprintf(dir, sizeof dir, "%s/file", scratch());
    close(open(dir, O_CREAT | O_WRONLY, 0600));
    refused(ENOTDIR, "Not a directory");
}
END_TEST

static int write_sender(void *arg, const struct stored_sender *s)
{
    fprintf(arg, "%s[%u] %s %llu;", s->name, s->replica, s->channel != NULL ? s->channel : "-",
            (unsigned long long)s->values);
    return 0;
}

START_TEST(senders_and_who_is_finished_are_remembered_until_forgotten)
{
    open_store();
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_sent(jobs, "find", 0, 3), 0);
    ck_assert_int_eq(store_sent(jobs, "find", 0, 4), 0);
    ck_assert_int_eq(store_finished(store, "find", 0), 0);
    ck_assert_int_eq(store_commit(store), 0);
    reopen();
    char *text = NULL;
    size_t size = 0;
    for (int i = 0; i < 2; i++) {
        FILE *out = open_memstream(&text, &size);
        ck_assert_int_eq(store_senders(store, write_sender, out), 0);
        fclose(out);
        ck_assert_str_eq(text, i == 0 ? "find[0] - 0;find[0] jobs 7;" : "");
        free(text);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_forget(store), 0);
        ck_assert_int_eq(store_commit(store), 0);
    }
}
END_TEST

/* Files may not grow beyond 8 MiB: what a disk of that size does, without one. It is filled, others take so much of it,
 * and then all is removed. */
static void fill_and_empty(rlim_t taken)
{
    static char text[4096 + 1];
    struct rlimit limit = {8 << 20, 8 << 20};
    memset(text, 'x', sizeof text - 1);
    signal(SIGXFSZ, SIG_IGN);
    open_store();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint64_t n = 0;
    while (store_room(store, sizeof text, 1)) {
        ck_assert_int_lt(n, 3000);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(append(jobs, ++n, text), 0);
        ck_assert_int_eq(store_mark(jobs, n + 1, 1), 0);
        ck_assert_msg(store_commit(store) == 0, "%s", store_why(store));
    }
    ck_assert_uint_gt(n, 100);
    limit.rlim_cur -= taken;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (uint64_t k = 1; k <= n; k++) {
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_remove(jobs, k, k), 0);
        ck_assert_msg(store_commit(store) == 0, "%llu of %llu: %s", (unsigned long long)k, (unsigned long long)n,
                      store_why(store));
    }
    ck_assert(store_room(store, sizeof text, 1)); /* what was removed has left room */
}

START_TEST(a_full_disk_admits_no_value_and_removes_all_the_same)
{
    fill_and_empty(0);
}
END_TEST

/* So does its own log, and values that need more than was thought. */
START_TEST(a_full_disk_of_which_more_is_taken_has_room_when_all_is_removed)
{
    fill_and_empty(1 << 20);
}
END_TEST

/* ---- what SQLite refuses */

static bool has_memory = true;

/* The store's calls come here first. */
int sqlite3_bind_blob64(sqlite3_stmt *s, int i, const void *p, sqlite3_uint64 n, void (*fn)(void *))
{
    static int (*real)(sqlite3_stmt *, int, const void *, sqlite3_uint64, void (*)(void *));
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_bind_blob64");
    return has_memory ? real(s, i, p, n, fn) : SQLITE_NOMEM;
}

int sqlite3_bind_text(sqlite3_stmt *s, int i, const char *p, int n, void (*fn)(void *))
{
    static int (*real)(sqlite3_stmt *, int, const char *, int, void (*)(void *));
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_bind_text");
    return has_memory ? real(s, i, p, n, fn) : SQLITE_NOMEM;
}

START_TEST(a_value_that_could_not_be_given_to_the_database_is_no_other)
{
    open_store();
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(append(jobs, 1, "one"), 0);
    has_memory = false;
    ck_assert_int_eq(append(jobs, 2, "two"), ENOMEM);
    has_memory = true;
    ck_assert_int_eq(store_commit(store), ENOMEM);
    has(jobs, "");
    put(1, 2);
    has(jobs, "1=1/0 2=2/0 ");
}
END_TEST

START_TEST(a_name_that_could_not_be_given_to_the_database_is_no_damage)
{
    open_store();
    has_memory = false;
    ck_assert_ptr_null(store_channel(store, "others"));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_sent(jobs, "somebody", 0, 1), ENOMEM);
    ck_assert_int_eq(store_commit(store), ENOMEM);
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_finished(store, "somebody", 0), ENOMEM);
    ck_assert_int_eq(store_commit(store), ENOMEM);
    has_memory = true;
    ck_assert_ptr_nonnull(store_channel(store, "others"));
}
END_TEST

static int reads, bad_read; /* how many there were, and which one fails */

static ssize_t read_at(int fd, void *p, size_t n, off_t at)
{
    if (++reads != bad_read)
        return pread(fd, p, n, at);
    errno = EIO;
    return -1;
}

/* SQLite itself says "malformed database schema" for some of them. */
START_TEST(a_disk_that_cannot_be_read_is_not_said_to_hold_damage)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    open_store();
    put(1, 3);
    store_close(store);
    store = NULL;
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)read_at), SQLITE_OK);
    int read = 0;
    do {
        reads = 0;
        bad_read = ++read;
        int err = store_open(dir, &store, why, sizeof why);
        jobs = err == 0 ? store_channel(store, "jobs") : NULL;
        if (err == 0 && jobs == NULL) {
            err = errno;
            snprintf(why, sizeof why, "%s", store_why(store));
        }
        ck_assert_msg(err == 0 || (err == EIO && strstr(why, "Input/output error") != NULL), "read %d: %s", read, why);
        bad_read = 0;
        if (store != NULL)
            store_close(store);
        store = NULL;
    } while (reads >= read);
    vfs->xSetSystemCall(vfs, "pread64", NULL);
    ck_assert_int_gt(read, 5);
    open_store();
    has(jobs, "1=1/0 2=2/0 3=3/0 ");
}
END_TEST

Suite *store_suite(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, what_was_committed_is_there_in_order);
    tcase_add_test(t, a_key_is_not_used_again_when_its_value_has_gone);
    tcase_add_test(t, a_removal_and_an_append_elsewhere_are_one_step);
    tcase_add_test(t, what_may_have_been_delivered_has_a_try);
    tcase_add_test(t, nothing_that_was_said_is_lost_by_a_kill);
    tcase_add_test(t, a_second_run_is_refused);
    tcase_add_test(t, files_are_closed_to_others);
    tcase_add_test(t, a_newer_version_is_refused);
    tcase_add_test(t, another_programs_database_is_refused);
    tcase_add_test(t, a_damaged_head_is_said);
    tcase_add_test(t, a_damaged_value_is_said);
    tcase_add_test(t, a_directory_that_cannot_be_made_is_said);
    tcase_add_test(t, senders_and_who_is_finished_are_remembered_until_forgotten);
    tcase_add_test(t, a_value_that_could_not_be_given_to_the_database_is_no_other);
    tcase_add_test(t, a_name_that_could_not_be_given_to_the_database_is_no_damage);
    tcase_add_test(t, a_disk_that_cannot_be_read_is_not_said_to_hold_damage);
    tcase_add_test(t, a_full_disk_admits_no_value_and_removes_all_the_same);
    tcase_add_test(t, a_full_disk_of_which_more_is_taken_has_room_when_all_is_removed);
    suite_add_tcase(s, t);
    return s;
}
