/* SPDX-License-Identifier: MPL-2.0 */
/* What the tests of libipc say often. Decision: a check that fails in a child of csp_go is an exit status, which its
 * parent asserts: Check's own pipe does not reach there. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include "csp.h"
#include "run.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* In a child: leaves with the line's number, or what is left of it in a byte, if the condition does not hold. */
#define CHILD_ASSERT(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return __LINE__ % 250 + 1;                                                                                 \
    } while (0)

#define ASSERT_OK(call) ck_assert_msg((call) >= 0, "%s: %s", #call, csp_errmsg())

#define ASSERT_ERRNO(call, err)                                                                                        \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long result_ = (long)(call);                                                                                   \
        int errno_ = errno;                                                                                            \
        ck_assert_msg(result_ == -1 && errno_ == (err), "%s: %ld, %s: %s", #call, result_, strerror(errno_),           \
                      csp_errmsg());                                                                                   \
    } while (0)

/* Where this test's runs are. */
static inline const char *runtime_dir(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    ck_assert_ptr_nonnull(dir);
    return dir != NULL ? dir : "";
}

/* Late enough for what must happen by then on a busy machine; nobody waits for it to come. */
static inline csp_time soon(void)
{
    return csp_in(30000);
}

static inline csp_proc go(int (*fn)(void *), void *arg)
{
    csp_proc p = csp_go(fn, arg);
    ck_assert_msg(p > 0, "csp_go: %s", csp_errmsg());
    return p;
}

static inline csp_chan make(size_t capacity)
{
    csp_chan c = csp_make(capacity);
    ck_assert_msg(c != 0, "csp_make: %s", csp_errmsg());
    return c;
}

static inline void ended(csp_proc p, int how, int code)
{
    csp_exit why = {-1, -1};
    ASSERT_OK(csp_wait(p, &why, soon()));
    ck_assert_msg(why.how == how && why.code == code, "ended with how %d, code %d", why.how, why.code);
}

static inline void ended_well(csp_proc p)
{
    ended(p, CSP_CLEAN, 0);
}

/* Memory that children share with their parent: what a process counted before it was killed is there. */
static inline void *shared_memory(size_t bytes)
{
    /* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS wants */
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(p != MAP_FAILED);
    return p;
}

/* The field-th (from 0) field of what STAT says of a process or channel; "" where it does not know it. */
static inline const char *stat_field(const char *kind, uint64_t number, int field)
{
    static char found[256];
    char start[48];
    char *text = csp__stat();
    ck_assert_msg(text != NULL, "csp__stat: %s", csp_errmsg());
    snprintf(start, sizeof start, "\n%s\t%lu\t", kind, (unsigned long)number);
    const char *at = strstr(text, start);
    for (at = at != NULL ? at + 1 : NULL; at != NULL && field > 0; field--) {
        at += strcspn(at, "\t\n");
        at = *at == '\t' ? at + 1 : NULL;
    }
    snprintf(found, sizeof found, "%.*s", at != NULL ? (int)strcspn(at, "\t\n") : 0, at != NULL ? at : "");
    free(text);
    return found;
}

static inline long stat_number(const char *kind, uint64_t number, int field)
{
    return strtol(stat_field(kind, number, field), NULL, 10);
}

static inline pid_t pid_of(csp_proc p)
{
    return (pid_t)stat_number("process", (uint64_t)p, 4);
}

/* Whether the broker says so of the process; "ended": or does not know it any more. */
static inline int is_in_state(csp_proc p, const char *state)
{
    const char *is = stat_field("process", (uint64_t)p, 6);
    return strcmp(is[0] != '\0' ? is : "ended", state) == 0;
}

static inline void until_state(csp_proc p, const char *state)
{
    csp_time by = soon();
    while (!is_in_state(p, state))
        ck_assert_msg(csp_now() < by, "process %ld does not become %s", (long)p, state);
}

/* Until it has an offer that waits. */
static inline void until_waiting(csp_proc p)
{
    until_state(p, "waiting");
}

static inline void send_number(csp_chan c, long n)
{
    ck_assert_msg(csp_send(c, &n, sizeof n, soon()) == 0, "csp_send: %s", csp_errmsg());
}

static inline long receive_number(csp_chan c)
{
    long n = -1;
    ck_assert_msg(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n, "csp_recv: %s", csp_errmsg());
    return n;
}

#endif
