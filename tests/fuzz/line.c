/* SPDX-License-Identifier: MPL-2.0 */
/* A process that calls libipc in any order, and whose broker says anything (caller.h). Whatever comes of a call, it
 * ends, says an errno where it fails, and gives out only memory that can be read. */
#include "caller.h"

#include "block.h"
#include "error.h"
#include "lease.h"
#include "run.h"
#include "select.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bytes in;

static csp_chan channel(void)
{
    return bytes_below(&in, 6);
}

static csp_time by(void)
{
    switch (bytes_below(&in, 4)) {
    case 0:
        return CSP_NOW;
    case 1:
        return CSP_FOREVER;
    default:
        return csp_in(bytes_next(&in));
    }
}

static void look(const void *p, size_t n)
{
    static volatile unsigned char sum;
    for (size_t i = 0; i < n; i++)
        sum = (unsigned char)(sum ^ ((const unsigned char *)p)[i]);
}

static void look_at(csp_msg *m)
{
    look(m->data, m->len + 1);
    HOLD(((const char *)m->data)[m->len] == '\0');
    if (m->reason != NULL)
        look(m->reason, strlen(m->reason));
    HOLD((m->id == 0) == (m->tries == 0));
    if (bytes_below(&in, 3) == 2)
        (void)(m->id % 2 != 0 ? csp_ack(m->id) : csp_nack(m->id, CSP_BACK_OFF, "no"));
    csp_msg_free(m);
}

static int receive(csp_chan c)
{
    char value[8];
    csp_msg m = {0};
    if (bytes_below(&in, 2) != 0) {
        ssize_t n = csp_recv(c, value, sizeof value, by());
        if (n > 0)
            look(value, (size_t)n < sizeof value ? (size_t)n : sizeof value);
        return n < 0 ? -1 : 0;
    }
    int rc = csp_recv_msg(c, &m, by());
    if (rc == 0)
        look_at(&m);
    return rc;
}

static int choose(void)
{
    csp_case cases[6];
    static char text[] = "sent";
    csp_msg got[6] = {{0}}, sent = {.data = text, .len = 4, .chan = channel()};
    csp_exit why;
    csp_tick tick = {.next = csp_in(3), .every = 1000000};
    char value[6][8];
    csp__block b;
    unsigned n = bytes_below(&in, 6), blocks = 0;
    for (unsigned i = 0; i < n; i++) {
        csp_chan c = channel();
        unsigned kind = bytes_below(&in, 10);
        if (kind == 9 && blocks++ == 0)
            cases[i] = csp__on_block(c, &b);
        else if (kind < 3)
            cases[i] = csp_on_recv(c, value[i], sizeof value[i]);
        else if (kind < 5)
            cases[i] = csp_on_msg(c, &got[i]);
        else if (kind < 7)
            cases[i] = kind == 5 ? csp_on_send(c, "value", 5) : csp_on_send_msg(c, &sent);
        else
            cases[i] = kind == 7 ? csp_on_group(c) : c % 2 != 0 ? csp_on_exit((csp_proc)c, &why) : csp_on_tick(&tick);
    }
    int rc = bytes_below(&in, 2) != 0 ? csp_select(cases, n, by()) : csp_select_first(cases, n, by());
    HOLD(rc < (int)n);
    for (unsigned i = 0; i < n; i++)
        if (got[i].data != NULL)
            look_at(&got[i]);
    if (rc >= 0 && cases[rc].op == csp__on_block(1, &b).op && cases[rc].err == 0) {
        look(b.data, b.len);
        csp__block_free(&b);
    }
    return rc < 0 ? -1 : 0;
}

static int take_block(csp_chan c)
{
    csp__block b;
    if (csp__take_block(c, &b, by()) != 0)
        return -1;
    size_t sum = 0;
    for (size_t i = 0; i < b.count; i++)
        sum += csp__block_length(&b, i) + (size_t)b.gap;
    HOLD(sum == b.len);
    look(b.data, b.len);
    csp__block_free(&b);
    return 0;
}

static int put_block(csp_chan c)
{
    static const uint32_t lengths[] = {3, 0, 5};
    csp__block b = {.data = "abc\ndefgh\n\n", .len = 11, .lengths = lengths, .count = 3, .gap = 1};
    return bytes_below(&in, 3) == 2 ? csp__stage_block(c, &b) : csp__put_block(c, &b, by());
}

static int settle(csp_chan c)
{
    uint64_t ids[] = {1 + bytes_below(&in, 8), 2, 3};
    switch (bytes_below(&in, 4)) {
    case 0:
        return csp_ack(ids[0]);
    case 1:
        return csp_nack(ids[0], csp_in(5), "for a reason");
    case 2:
        return csp__settle(c, ids, 1 + ids[0] % 3);
    default:
        return csp__acknowledge(c, ids[0], ids[0] % 3);
    }
}

static int of_scope(void)
{
    csp_exit first;
    switch (bytes_below(&in, 7)) {
    case 0:
        return csp_scope(by());
    case 1:
        return csp_scope_leave(&first);
    case 2:
        return csp_scope_cancel();
    case 3:
        return csp_scope_grace(5);
    case 4:
        (void)csp_shield((int)bytes_below(&in, 2));
        return 0;
    case 5:
        return csp_cancel((csp_proc)channel());
    default:
        return csp_wait((csp_proc)channel(), &first, by());
    }
}

static int ask(void)
{
    char *text = bytes_below(&in, 2) != 0 ? csp__stat() : csp__dump();
    if (text == NULL)
        return -1;
    look(text, strlen(text));
    free(text);
    return 0;
}

static int call(unsigned what, csp_chan c)
{
    static char text[] = "a value";
    csp_msg m = {.data = text, .len = bytes_below(&in, 8), .chan = bytes_below(&in, 16)};
    csp_exit why;
    switch (what) {
    case 0:
        return csp_make(bytes_below(&in, 4)) != 0 ? 0 : -1;
    case 1:
        return csp_pair(1 + bytes_below(&in, 4)) != 0 ? 0 : -1;
    case 2:
        return csp_open("a", 1 + (int)bytes_below(&in, 3)) != 0 ? 0 : -1;
    case 3:
        return csp_stream(c, 1 + (int)bytes_below(&in, 3), 1u << bytes_below(&in, 12));
    case 4:
        return csp_drop(c, 1 + (int)bytes_below(&in, 3));
    case 5:
        return bytes_below(&in, 3) == 2 ? csp_close_when_idle(c) : csp_close(c);
    case 6:
        return csp_why(c, &why) < 0 ? -1 : 0;
    case 7:
        return csp_flush(c, by());
    case 8:
        return of_scope();
    case 9:
        return take_block(c);
    case 10:
        return put_block(c);
    case 11:
        return csp_send_msg(c, &m, by());
    case 12:
        return settle(c);
    case 13:
        return bytes_below(&in, 2) != 0 ? csp_group_wait(c, by()) : csp_group_add(c, 1);
    case 14:
        return ask();
    case 15:
    case 16:
        return choose();
    case 17:
    case 18:
        return csp_send(c, "value", bytes_below(&in, 6), by());
    default:
        return receive(c);
    }
}

static void clear(void)
{
    csp_shield(0);
    pthread_mutex_lock(&csp__state.lock);
    csp__line_close();
    csp__leases_clear();
    csp__context_release(csp__state.context);
    csp__state.context = NULL;
    csp__state.phase = CSP__IDLE;
    pthread_mutex_unlock(&csp__state.lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in = (struct bytes){data, data + size};
    caller_begin(&in, "/nowhere");
    while (in.at < in.end) {
        unsigned what = bytes_below(&in, 22);
        csp_chan c = channel();
        errno = 0;
        if (call(what, c) < 0) {
            HOLD(errno != 0); /* a broker may say any */
            HOLD(csp_errmsg() != NULL);
        }
    }
    clear();
    caller_end();
    return 0;
}
