/* SPDX-License-Identifier: MPL-2.0 */
/* The baseline of many: as many processes with a context and two sockets each, one to the parent and one of its own.
 * Decision: a child waits at its own socket for something that never comes, and is killed with its parent's end.
 *
 *     zmq-many PROCESSES */
#include "private.h"
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void child(void *arg)
{
    char name[32], value[8];
    pid_t pid = getpid();
    (void)arg;
    zmq_forget_all();
    snprintf(name, sizeof name, "child-%d", (int)pid);
    struct zmq_end end = {.in = zmq_bound(ZMQ_PULL, name, 8), .out = zmq_connected(ZMQ_PUSH, "hello", 8)};
    zmq_send_one(&end, &pid, sizeof pid);
    zmq_receive_one(&end, value, sizeof value);
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 2, "zmq-many PROCESSES");
    size_t n = number_argument(argv, 1, 1);
    pid_t *children = calloc(n, sizeof *children), *pids = calloc(n, sizeof *pids);
    must(children != NULL && pids != NULL, "memory");
    struct rlimit files; /* a connection a child */
    must(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    struct zmq_end end = {.in = zmq_bound(ZMQ_PULL, "hello", 8)};
    double begin = seconds();
    for (size_t i = 0; i < n; i++)
        children[i] = child_of(child, NULL);
    for (size_t i = 0; i < n; i++)
        zmq_receive_one(&end, &pids[i], sizeof *pids);
    print_figure("s", seconds() - begin);
    print_figure("KiB", private_memory(pids, n));
    dismiss(children, n);
    zmq_end_all();
    free(pids);
    free(children);
    return 0;
}
