/* SPDX-License-Identifier: MPL-2.0 */
#include "station.h"

#include <csp.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WINDOW = 4096, NOTE_EVERY = 50 };

static int complain(const char *doing)
{
    fprintf(stderr, "soak: %s: %s\n", doing, csp_errmsg());
    return 1;
}

/* Where a run is told to end in a hard way, or this replica is one too many, that is no failure of the loop. */
static int over(const char *doing)
{
    return errno == ECANCELED || errno == ENOTCONN ? 0 : complain(doing);
}

static uint64_t read_number(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtoull(text, NULL, 10) : 0;
}

/* One write of a fixed width: it is there whole, or as it was. */
static int write_number(int fd, uint64_t number)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%020" PRIu64 "\n", number);
    return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -1;
}

static int watch_term(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int station_source(const char *out, const char *file)
{
    char hold[PATH_MAX];
    (void)snprintf(hold, sizeof hold, "%s.hold", file);
    int term = watch_term(), fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    csp_chan c = csp_open(out, CSP_SEND);
    if (term < 0 || fd < 0 || c == 0 || csp_stream(c, CSP_SEND, WINDOW) != 0)
        return complain("source");
    uint64_t next = read_number(fd) + 1;
    struct pollfd told = {.fd = term, .events = POLLIN};
    for (bool ends = false; !ends;) {
        for (int i = 0; i < NOTE_EVERY; i++, next++) {
            char text[32];
            int n = snprintf(text, sizeof text, "%" PRIu64, next);
            if (csp_send(c, text, (size_t)n, CSP_FOREVER) != 0)
                return over("source: send");
        }
        if (csp_flush(c, CSP_FOREVER) != 0)
            return over("source: flush");
        if (write_number(fd, next - 1) != 0)
            return complain("source: note");
        while (!(ends = poll(&told, 1, 0) == 1) && access(hold, F_OK) == 0)
            poll(&told, 1, 20);
    }
    close(fd);
    return csp_term() == 0 ? 0 : complain("source: term");
}

int station_pass(const char *in, const char *out)
{
    csp_chan from = csp_open(in, CSP_RECV), to = csp_open(out, CSP_SEND);
    csp_msg m;
    if (from == 0 || to == 0)
        return complain("station");
    while (csp_recv_msg(from, &m, CSP_FOREVER) == 0) {
        int sent = csp_send(to, m.data, m.len, CSP_FOREVER);
        uint64_t id = m.id;
        csp_msg_free(&m);
        if (sent != 0 || csp_ack(id) != 0)
            return over("station: send");
    }
    if (errno != EPIPE)
        return over("station: receive");
    return csp_term() == 0 ? 0 : complain("station: term");
}

int station_sink(const char *in, const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    csp_chan from = csp_open(in, CSP_RECV);
    csp_msg m;
    if (fd < 0 || from == 0)
        return complain("sink");
    while (csp_recv_msg(from, &m, CSP_FOREVER) == 0) {
        char line[64];
        int n = snprintf(line, sizeof line, "%.*s %u\n", (int)m.len, (const char *)m.data, m.tries);
        uint64_t id = m.id;
        csp_msg_free(&m);
        if (write(fd, line, (size_t)n) != n || csp_ack(id) != 0)
            return over("sink: write");
    }
    if (errno != EPIPE)
        return over("sink: receive");
    return csp_term() == 0 ? 0 : complain("sink: term");
}
