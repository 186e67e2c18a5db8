/* SPDX-License-Identifier: MPL-2.0 */
/* fork(2) in programs that are built with AddressSanitizer, in place of it by the linker (--wrap). The allocator of
 * that does not survive a fork while another thread is in it, as glibc's does: a child of csp_go then stands still for
 * ever at its first allocation. Decision: the other threads, which are libzmq's, must sleep all the while, as they do
 * but for moments; else the child, which waits for the word, goes, and another is made. So the product's fork is as it
 * is, and what it does in other builds is not touched. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How often a thread of ours gave up the processor, the lines of its `status`; -1: it does not sleep. */
static long switches(const char *thread)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *state = strstr(text, "\nState:\t"), *own = strstr(text, "\nvoluntary_ctxt_switches:\t"),
               *other = strstr(text, "\nnonvoluntary_ctxt_switches:\t");
    if (state == NULL || own == NULL || other == NULL || state[8] != 'S')
        return -1;
    return atol(strchr(own, '\t')) + atol(strchr(other, '\t'));
}

/* The same of all other threads; -1: one does not sleep. */
static long all_switches(void)
{
    DIR *d = opendir("/proc/self/task");
    long sum = 0, n = 0;
    if (d == NULL)
        return -1;
    for (struct dirent *e; n >= 0 && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.' && atoi(e->d_name) != (int)gettid()) {
            n = switches(e->d_name);
            sum += n;
        }
    closedir(d);
    return n < 0 ? -1 : sum;
}

static void pause_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
    int word[2];
    char go;
    for (int tries = 0; tries < 1000; tries++) {
        long before = all_switches();
        if (before < 0) {
            pause_a_moment();
            continue;
        }
        if (pipe2(word, O_CLOEXEC) != 0)
            break;
        pid_t pid = __real_fork();
        if (pid == 0) {
            close(word[1]);
            if (TEMP_FAILURE_RETRY(read(word[0], &go, 1)) != 1)
                _exit(0);
            close(word[0]);
            return 0;
        }
        close(word[0]);
        bool is_good = pid < 0 || (all_switches() == before && write(word[1], "", 1) == 1);
        close(word[1]);
        if (is_good)
            return pid;
        (void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
    }
    return __real_fork();
}
