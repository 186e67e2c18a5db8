/* SPDX-License-Identifier: MPL-2.0 */
/* Another baseline of oneway, built where nng is installed: push and pull over its ipc. Decision: the receiver takes
 * the library's own buffer, which is its fastest way; the sender's is copied.
 *
 *     nng-oneway SIZE */
#include "flow.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static size_t size;
static char address[64];
static nng_socket end;

static void well(int error, const char *what)
{
    errno = EIO;
    must(error == 0, error == 0 ? what : nng_strerror(error));
}

static void send_one(void *unused, const void *p, size_t len)
{
    (void)unused;
    well(nng_send(end, (void *)p, len, 0), "nng_send");
}

static size_t receive_one(void *unused, void *p, size_t cap)
{
    void *data;
    size_t len;
    (void)unused;
    well(nng_recv(end, &data, &len, NNG_FLAG_ALLOC), "nng_recv");
    memcpy(p, data, len < cap ? len : cap);
    nng_free(data, len);
    return len;
}

static void sender(void *arg)
{
    (void)arg;
    well(nng_push0_open(&end), "nng_push0_open");
    well(nng_setopt_ms(end, NNG_OPT_RECONNMINT, 1), "NNG_OPT_RECONNMINT");
    well(nng_dial(end, address, NULL, NNG_FLAG_NONBLOCK), "nng_dial");
    flow_send(send_one, NULL, size);
    /* It has no linger: the parent kills this process when it has got the last value. */
    pause();
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 2, "nng-oneway SIZE");
    size = number_argument(argv, 1, 1);
    snprintf(address, sizeof address, "abstract://csp-bench-%d", (int)getpid());
    pid_t child = child_of(sender, NULL);
    well(nng_pull0_open(&end), "nng_pull0_open");
    well(nng_listen(end, address, NULL, 0), "nng_listen");
    flow_receive(receive_one, NULL, size);
    nng_close(end);
    dismiss(&child, 1);
    return 0;
}
