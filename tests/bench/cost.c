/* SPDX-License-Identifier: MPL-2.0 */
/* What another benchmark costs in all its processes: context switches and processor time. Decision: the kernel's own
 * count (getrusage) of all that were waited for, which disturbs nothing: a broker and children are waited for by their
 * parents.
 *
 *     cost PROGRAM ARGUMENT ...      prints what the program does, then `switches`, `user-s` and `system-s` */
#include "bench.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

static void run(void *argv)
{
    execvp(((char **)argv)[0], argv);
    must(false, ((char **)argv)[0]);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 2, "cost PROGRAM ARGUMENT ...");
    pid_t child = child_of(run, argv + 1);
    reap(&child, 1);
    struct rusage used;
    must(getrusage(RUSAGE_CHILDREN, &used) == 0, "getrusage");
    print_figure("switches", (double)(used.ru_nvcsw + used.ru_nivcsw));
    print_figure("user-s", seconds_of(used.ru_utime));
    print_figure("system-s", seconds_of(used.ru_stime));
    return 0;
}
