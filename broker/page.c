/* SPDX-License-Identifier: MPL-2.0 */
/* Pages: that of a line, with the counts of taken values, written by the caller and read here; and that of a pair,
 * which all three write. Decision: the file is removed as soon as it is mapped, so that nothing of it outlives them;
 * and a caller that cuts it short afterwards gets counts of zero put in its place, which can be written too, instead of
 * ending the broker with SIGBUS. */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A page that cannot be had is ENOBUFS or ENOMEM, whatever else the system calls it: csp_stream has no other for it. */
static int map(struct line *l, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ENOBUFS;
    if (!S_ISREG(st.st_mode) || st.st_size != WIRE_PAGE_SIZE)
        return EINVAL;
    void *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return errno == ENOMEM ? ENOMEM : ENOBUFS;
    l->page = page;
    return 0;
}

int page_open(struct broker *b, struct line *l)
{
    if (l->page != NULL)
        return 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/p%llu", b->dir, (unsigned long long)l->id);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? ENOBUFS : EINVAL;
    int err = map(l, fd);
    close(fd);
    unlink(path);
    return err;
}

void page_close(struct line *l)
{
    if (l->page != NULL)
        munmap(l->page, WIRE_PAGE_SIZE);
    l->page = NULL;
}

uint64_t page_count(const struct line *l, uint32_t slot)
{
    return __atomic_load_n(&l->page[slot], __ATOMIC_ACQUIRE);
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    (void)context;
    char *page = info->si_addr;
    page -= (uintptr_t)page % WIRE_PAGE_SIZE;
    /* Only the pages are mapped files that others may write; anything else is a fault of ours. */
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    void *zeros = MAP_FAILED;
    if (info->si_code == BUS_ADRERR)
        /* cppcheck-suppress invalidFunctionArg ; it is -1 where no file is mapped */
        zeros = mmap(page, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (zeros == MAP_FAILED)
        signal(sig, SIG_DFL);
}

void page_guard(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}

struct wire_page *page_make(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    int err;
    do
        err = posix_fallocate(fd, 0, WIRE_PAGE_SIZE); /* not a hole that the file system may have no room for */
    while (err == EINTR);
    void *page = MAP_FAILED;
    if (err == 0) {
        page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        err = page == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (page != MAP_FAILED)
        return page;
    unlink(path);
    errno = err;
    return NULL;
}

void page_free(struct wire_page *page)
{
    if (page != NULL)
        munmap(page, WIRE_PAGE_SIZE);
}
