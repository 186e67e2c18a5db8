/* SPDX-License-Identifier: MPL-2.0 */
/* The baseline below all: a pipe(2), a value a write, a read for as much as is there. Decision: a pipe has no values,
 * so the receiver cuts them by their size from what a read of up to 64 KiB gave, as a reader of records does.
 *
 *     pipe-oneway SIZE [PIPE: its size, by F_SETPIPE_SZ] */
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static size_t size;
static int fds[2];

static void send_one(void *end, const void *p, size_t len)
{
    (void)end;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fds[1], (const char *)p + done, len - done);
        must(n > 0, "write");
        done += (size_t)n;
    }
}

static size_t receive_one(void *end, void *p, size_t cap)
{
    static char block[65536];
    static size_t at, filled;
    (void)end;
    for (size_t done = 0; done < cap;) {
        if (at == filled) {
            /* A value that is larger than the block goes where it belongs. */
            bool direct = cap - done >= sizeof block;
            ssize_t n = read(fds[0], direct ? (char *)p + done : block, direct ? cap - done : sizeof block);
            must(n > 0, "read");
            done += direct ? (size_t)n : 0;
            at = 0, filled = direct ? 0 : (size_t)n;
            continue;
        }
        size_t n = filled - at < cap - done ? filled - at : cap - done;
        memcpy((char *)p + done, block + at, n);
        at += n, done += n;
    }
    return cap;
}

static void sender(void *arg)
{
    (void)arg;
    flow_send(send_one, NULL, size);
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 2, "pipe-oneway SIZE [PIPE]");
    size = number_argument(argv, 1, 0);
    size_t room = number_argument(argv, 2, 65536);
    must(pipe2(fds, O_CLOEXEC) == 0, "pipe");
    must(fcntl(fds[1], F_SETPIPE_SZ, (int)room) >= 0, "F_SETPIPE_SZ");
    pid_t child = child_of(sender, NULL);
    flow_receive(receive_one, NULL, size);
    reap(&child, 1);
    return 0;
}
