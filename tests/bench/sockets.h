/* SPDX-License-Identifier: MPL-2.0 */
/* Sockets of libzmq for the benchmarks that use it bare. Decision: a socket's high-water mark is libzmq's own 1,000, or
 * what 64 MiB hold, so that large values measure a transport rather than an allocator. */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include "bench.h"

#include <zmq.h>

struct zmq_end {
    void *in, *out; /* sockets to receive from and to send to; may be one and the same */
};

/* A socket of this process, with a context that all its sockets share, bound to address_of(name) or connected. */
void *zmq_bound(int type, const char *name, size_t size);
void *zmq_connected(int type, const char *name, size_t size);

/* Closes and ends all, once everything that was sent has gone. */
void zmq_end_all(void);

/* In a forked child: what its parent has cannot be used there, and is left alone. */
void zmq_forget_all(void);

bench_send zmq_send_one;
bench_recv zmq_receive_one;

#endif
