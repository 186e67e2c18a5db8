/* SPDX-License-Identifier: MPL-2.0 */
/* libipc: CSP for Unix processes. Goroutines are processes, channels join them, select waits for several at once.
 * Link with `pkg-config --cflags --libs libipc`. This header is the manual.
 *
 * A first program; it prints 0 1 4 9 16:
 *
 *     #include <csp.h>
 *     #include <stdio.h>
 *
 *     static csp_chan squares;
 *
 *     static int producer(void *arg)
 *     {
 *         (void)arg;
 *         for (long i = 0; i < 5; i++) {
 *             long n = i * i;
 *             if (csp_send(squares, &n, sizeof n, CSP_FOREVER) != 0)
 *                 return 1;
 *         }
 *         return 0;                                 // its sending end goes: the last one closes the channel
 *     }
 *
 *     int main(void)
 *     {
 *         long n;
 *         squares = csp_make(0);                    // capacity 0: a rendezvous
 *         csp_go(producer, NULL);                   // a process of its own
 *         csp_drop(squares, CSP_SEND);              // we only receive
 *         while (csp_recv(squares, &n, sizeof n, CSP_FOREVER) > 0)
 *             printf("%ld\n", n);
 *         return csp_term();
 *     }
 *
 * RESULTS. A function that returns int gives a value >= 0, or -1 with errno. csp_errmsg() says the last error of the
 * thread in words. No function prints, aborts or exits. EINTR is never returned. Any function that talks to the broker
 * may fail, besides what its own paragraph says, with
 *     ENOTCONN  the broker is gone: the run has ended, or has failed; nothing will work any more. Or there was no
 *               memory for values that this process had sent, or was to receive: the same, and it does not end clean.
 *               Or the broker has not served a child of csp_go within 20 s of its first call
 *     ENOMEM    no memory
 *     ENOBUFS   a limit of the broker (attachments, channels) or of this library (cases, receiving streams)
 *     ECANCELED the scope that this process or call is in was cancelled, or its deadline has passed: see SCOPES
 *     EDEADLK   only from a call that could block: this process, and all who could wake it, wait for ever: the broker
 *               has said who waits where on the root's stderr (see csp_init). A signal to come, as from alarm(2),
 *               is not foreseen
 *     EOWNERDEAD this process came from a plain fork() of one that uses the library; only csp_go's children may call
 * and a first call, a process's, which joins or starts the run as csp_init does, or a thread's, which gets a connection
 * of its own: with each error of csp_init.
 *
 * DEADLINES. The last argument `by` of a call that can block: an absolute time as csp_in() gives it, CSP_NOW (try, do
 * not block) or CSP_FOREVER. A deadline that passed before the call is a try that fails with ETIMEDOUT. A deadline
 * either expires or the operation happened: never both, never neither.
 *
 * ENDS. A process holds ends of channels, sending, receiving or both, as it holds descriptors: csp_make grants both to
 * its caller, csp_go grants the child all that its parent holds, a channel attached to a value grants its receiver what
 * the sender held, csp_drop gives up, and the end of a process gives up all. When the last sending end goes the
 * channel closes; when the last receiving end goes every send fails with EPIPE. An operation without its end
 * fails with EBADF.
 *
 * SCOPES. A process belongs to a scope, and so does what it starts: the one that it was started in, or the innermost
 * that the starting thread has entered with csp_scope. A scope ends with csp_scope_leave, which waits for all its
 * members. It is cancelled by csp_scope_cancel, by its deadline, by the first member that fails, and by the end of the
 * process that entered it; scopes inside it are cancelled with it. In a cancelled scope, for its members and for the
 * thread that entered it, every call that sends, receives, selects, waits or starts a process ends with ECANCELED at
 * once, also when it could happen; a call that waits is woken; a value that was committed before was sent, and is
 * received. csp_shield holds that off for clean-up. A member that has not ended `grace` after the cancellation gets
 * SIGTERM, with its process group, and SIGKILL another `grace` later; the program that csp_spawn started, which can't
 * see an ECANCELED, gets its SIGTERM at once. Source: N. J. Smith's nurseries and cancel scopes (Trio); Go, errgroup
 * and context.
 *
 * LEASES. A value that was received from a channel with csp_set_retry (or `retry:` in the pipeline file) is leased to
 * the process: it is done when that acknowledges it, and goes to another receiver, in its old place, when that gives it
 * back, or ends with it, killed or not. So each value is done at least once; its `tries`, and its `id`, which stays the
 * same, tell a receiver that it may have been done before. Who wants to say itself when a value is done receives it
 * with csp_recv_msg or csp_on_msg, and says csp_ack or csp_nack, from any thread. Who uses csp_recv or csp_on_recv need
 * not: such a value counts as done when its thread next receives from that channel (also by a case of a select, and
 * before that waits, whatever comes of it), drops its receiving end, or ends: returns, where others go on; csp_term,
 * exit(0) or a return of 0 in the thread that calls it. So the plain loop
 *
 *     while ((n = csp_recv(jobs, job, sizeof job, CSP_FOREVER)) >= 0)
 *         do_it(job, n);
 *     return 0;
 *
 * does each job at least once, whenever it is killed: a crash, and an exit status other than 0, give back the value
 * that it was at. What another thread of a process that ends was at is given back. A child of csp_go holds none of its
 * parent's leases. Source: Amazon SQS, the visibility timeout; AMQP 0-9-1, basic.ack.
 *
 * THREADS. Any thread may call; each has a line of its own to the broker. Handles (csp_chan, csp_proc) are plain
 * values, good in every thread and process of the run; the ends belong to the process. */
#ifndef CSP_H
#define CSP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CSP_API __attribute__((visibility("default")))
#else
#define CSP_API
#endif

/* A channel of the run, or 0, the nil channel: a case with it is never chosen; an operation on it alone is EBADF, where
 * Go would block for ever. Never used again in a run. */
typedef uint64_t csp_chan;

/* A process of the run, > 0, or -1. Never used again in a run. */
typedef int64_t csp_proc;

/* A point in time in nanoseconds of CLOCK_MONOTONIC, the same in all processes of a machine. */
typedef int64_t csp_time;
#define CSP_NOW      ((csp_time)0)
#define CSP_FOREVER  ((csp_time)-1)
#define CSP_BACK_OFF ((csp_time)-2) /* of csp_nack alone */

/* The ends of a channel, as a mask. */
enum { CSP_SEND = 1, CSP_RECV = 2 };

/* A value in full. Received: `data` (which has a 0 byte after its end, not counted in len) is the caller's, who frees
 * it with csp_msg_free. Sent: it is copied. `chan` is a channel that goes with the value, or nil. */
typedef struct csp_msg {
    void *data;
    size_t len; /* bytes */
    csp_chan chan;
    uint64_t id;    /* received from a channel with retry: for csp_ack; stable, and unique in the run; else 0 */
    unsigned tries; /* deliveries of it, this one included: more than 1 says that it was delivered before. Of a dead
                     * letter from a channel without retry: those that it had. Else 0 */
    char *reason;   /* of a dead letter: why it is one; in `data`'s memory. Else NULL */
} csp_msg;

/* How a process ended: how is one of the following; code is the exit status (CSP_CODE) or the signal (CSP_SIGNAL, 0
 * where it is not known), else 0. CSP_CLEAN is exit status 0, or one that was declared a success. CSP_CANCELLED,
 * CSP_DEADLINE: it was cancelled, by the deadline of a scope or otherwise, and after that ended with another status, or
 * by the signal that it got for it. */
typedef struct csp_exit {
    int how, code;
} csp_exit;
enum { CSP_CLEAN, CSP_CODE, CSP_SIGNAL, CSP_CANCELLED, CSP_DEADLINE };

/* A periodic timer: fires at `next`, then every `every` ns. Set both; csp_on_tick moves `next` on. */
typedef struct csp_tick {
    csp_time next, every;
} csp_tick;

/* One case of a select. Make it with csp_on_*; only `len` and `err` are for the caller to read. After the call, in the
 * case that happened: err is 0, EPIPE (closed), EMSGSIZE or, of a send, ENOBUFS (no room, where the overflow policy is
 * reject: that never waits); len is the length received. */
typedef struct csp_case {
    int op, err;
    csp_chan chan;
    void *buf;
    size_t len;
    int64_t arg;
} csp_case;

/* ---- the run ---------------------------------------------------------------------------------------------------- */

/* Joins the run that CSP_RUN in the environment names: as the process that was announced with CSP_TICKET, else as a
 * guest; where CSP_PROCESS is the number of a process, as one inside of that: what it receives is leased to that
 * process, and stays so when it ends (programs that a process of a pipeline file starts find it set). Without CSP_RUN:
 * starts a run of its own, with a broker process and a run directory, whose root this process is. Every other function
 * does this by itself; call it to learn of errors early. A second call does nothing. A run of its own heeds, in the
 * environment:
 *
 *     CSP_ON_DEADLOCK  what happens when a set of processes can never move again. fail (as when it is not set): the
 *                      broker prints who waits where on stderr, and their calls end with EDEADLK; report: it only
 *                      prints; ignore: neither
 *     CSP_SEED         a number: every choice that the broker draws can be repeated
 *     CSP_RECORD       a file: the broker writes there what happened, in which order, and what it chose
 *     CSP_REPLAY       such a file: what happens is put into that order again, with the same choices; where that
 *                      cannot be, the broker says so on stderr, and the run goes on freely
 *
 * Returns 0, or -1: EINVAL (one of those is not as it must be), EEXIST (the record would be written over the one that
 * is replayed), EACCES (token or ticket refused, or as from open(2) of those files), ENOENT (no such run or file, or
 * the broker program is not found), ENAMETOOLONG (the path of the run directory), ETIMEDOUT (the broker did not answer
 * within 10 s), or those of mkdir(2), open(2), fork(2) and execve(2). */
CSP_API int csp_init(void);

/* Leaves the run. The ends of this process go with the reason "clean". The root's leaving ends the run: every process
 * of it is killed, the broker ends, the run directory is removed, and children started here are reaped. Programs that
 * were executed in it are killed, too (by CSP_RUN in their environment), and what a child of csp_go forked without
 * execve(2), where that child is there still and the fork in its process group. A process that
 * returns from main or calls exit does the same by itself, with its exit status as the reason. Calls in other threads
 * end with ENOTCONN, as do all later ones until csp_init begins anew.
 * Returns 0 (also when nothing was begun), or -1: ETIMEDOUT (the broker did not end within 5 s and was killed),
 * ENOTCONN (it had gone before); then, too, the run directory of a run whose root this is and the children started here
 * are gone; who was started by those ends by its next call. */
CSP_API int csp_term(void);

/* The last error of this thread in words: what was asked, of which channel, and what went wrong. Valid until the
 * thread's next call of a csp_ function. Never NULL. */
CSP_API const char *csp_errmsg(void);

/* ---- channels --------------------------------------------------------------------------------------------------- */

/* Makes a channel that holds up to `capacity` values; 0 is a rendezvous: a send completes only when a receiver has that
 * value. The bytes waiting in it, and a value, are at most 64 MiB. This process holds both ends.
 * Returns the channel, or 0 with errno. Source: Go, make(chan T, capacity). */
CSP_API csp_chan csp_make(size_t capacity);

/* Makes a pair: a channel of `capacity` values, at least 1, between one sender and one receiver, whose values go from
 * the one to the other without the broker between them: a send then costs no more than its part of a frame. Who first
 * sends on it is its sender, who first receives its receiver, a thread each; another one gets EBUSY from its send,
 * receive or select until that has dropped its end, or ended: then the next may take its place, and gets what was not
 * received. In all else (order, capacity, close, ends, select, deadlines) it is a channel as csp_make makes it, but
 * for these: a value may be up to about 1 ms under way while its sender computes. Of what a sender that is killed had
 * sent the last may be lost: what had not left it yet, and, where its receiver has just ended or another process has
 * just asked for the pair, what was not received. A value with a channel attached is slow. A receive with CSP_NOW
 * waits for a value that was sent and is under way, 5 ms at most. A sender that waits for room in a capacity of 64 and
 * more may be woken when an eighth of it is free, or its receiver waits. This process holds both ends. Returns the
 * channel, or 0: EINVAL (capacity 0). */
CSP_API csp_chan csp_pair(size_t capacity);

/* A channel of the pipeline file by its name. `ends` is what the caller means to use, which its process must have been
 * granted by the file; a guest may open any.
 * Returns the channel, or 0: ENOENT (no such name), EPERM (not granted), EINVAL (ends, or a name over 255 bytes). */
CSP_API csp_chan csp_open(const char *name, int ends);

/* Gives up ends of a channel. The drop of the last sending end closes it; of the last receiving end breaks it: what it
 * holds is discarded, senders get EPIPE. Values put on a stream before are still sent. A value that a receiving stream
 * has ready and that was not received goes back to the channel.
 * Returns 0, or -1, and none is given up: EBADF (one of `ends` is not held), EINVAL (ends), EBUSY (another thread
 * receives it as a stream: that must drop). */
CSP_API int csp_drop(csp_chan c, int ends);

/* Closes a channel for all: no more sends. Receivers get what it holds, then EPIPE; blocked senders get EPIPE. Flushes
 * this thread's own sending stream first, and so waits until its values are in the channel or were received.
 * Returns 0, or -1: EPIPE (closed already), EBADF (no sending end is held), ECANCELED and EDEADLK (only where
 * it had to wait for the flush; then it is open still, and csp_drop gives up what was not flushed). Source: Go,
 * close(c), which panics where this returns an error. */
CSP_API int csp_close(csp_chan c);

/* Gives up this process's sending end, and has the channel close by itself when nothing is left to be done: no value of
 * it is buffered, under way, leased or to be delivered again, and all who hold its sending end wait to receive, in each
 * of their threads (one in pthread_join does not), with csp_recv or a select of nothing but receives and without a
 * deadline, from this channel or from others that are as idle. So a channel whose receivers send on it (a crawler, a
 * ring) ends when the work does. It also closes as others do, when its sending ends have gone.
 * Returns 0, or -1: EPIPE (closed already), EBADF (no sending end is held). */
CSP_API int csp_close_when_idle(csp_chan c);

/* Why a channel closed. 1 and *why for a closed or broken channel: CSP_CLEAN, or else how the first of its senders that
 * did not end well ended; 0 while it is open. `why` may be NULL.
 * Returns 0 or 1, or -1: EBADF (no such channel). */
CSP_API int csp_why(csp_chan c, csp_exit *why);

/* What is done about a value that was received and not acknowledged. */
typedef struct csp_retry {
    unsigned attempts;    /* deliveries of a value, at least 1; one that comes back after so many is a dead letter */
    csp_time least, most; /* ns that it waits after its first failure, and at most: twice as long after each further */
    csp_chan dead;        /* dead letters are sent there, and wait for room; nil: they are given up */
} csp_retry;

/* Makes c a channel whose values are leased: see LEASES. Before anything else is done with it, by a process that holds
 * both its ends. It may send on r->dead, which is a channel of its own; c holds a sending end of that until c is closed
 * and all of its values are done. While a dead letter waits for room c delivers nothing. What is leased is not counted
 * for the capacity. A stream receives the same way; what is delivered ahead is no lease. A receive ends with EPIPE only
 * when the channel is closed and all its values are done, so that no receiver ends while another may still give one
 * back; but to a process that holds leases of it itself, EPIPE says only that nothing more is there: it settles what it
 * holds, and may receive again.
 * Returns 0, or -1: EINVAL (attempts 0, a negative time, most < least; capacity 0, a group or a pair, c or dead; dead
 * is c, or its own dead letters lead to c), EBUSY (a value was sent on it, or it is a stream), EPERM (this process does
 * not hold both ends, or c is named: the pipeline file says it there), EBADF (no such channel, or dead is none that
 * this process may send on). */
CSP_API int csp_set_retry(csp_chan c, const csp_retry *r);

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Sends len bytes at p as one value; 0 bytes are a value too. Returns 0 when a receiver (capacity 0) or the buffer has
 * it; on a stream, when it is on its way. With -1 the value was not sent:
 *   EPIPE      the channel is closed, or nobody can receive from it any more
 *   EAGAIN     CSP_NOW, and neither a receiver nor room was there
 *   ETIMEDOUT  the deadline passed
 *   EMSGSIZE   the value is larger than the channel's limit (csp_make: 64 MiB; pipeline file: max_bytes)
 *   EBADF      no such channel, or its sending end is not held
 *   EBUSY      it is a pair (csp_pair), and has a sender
 *   ENOBUFS    there is no room, and its overflow policy is reject (pipeline file)
 *   EINVAL     p is NULL, and len is not 0
 * Source: Go, c <- v. */
CSP_API int csp_send(csp_chan c, const void *p, size_t len, csp_time by);

/* Receives one value into the cap bytes at p. Returns its length, or -1:
 *   EPIPE      the channel is closed, and what it held was received
 *   EAGAIN     CSP_NOW, and there was no value
 *   ETIMEDOUT  the deadline passed
 *   EMSGSIZE   the value is longer than cap: it stays with this thread, whose next receive from c returns it
 *   EBADF      no such channel, or its receiving end is not held
 *   EBUSY      it is a pair (csp_pair), and has a receiver
 *   EINVAL     p is NULL, and cap is not 0
 * A channel attached to the value is granted to this process, but its handle is lost: use csp_recv_msg.
 * Source: Go, v, ok := <-c. */
CSP_API ssize_t csp_recv(csp_chan c, void *p, size_t cap, csp_time by);

/* As csp_send, with a channel attached (or nil): its receiver is granted the ends that this process holds of m->chan.
 * EBADF also where it holds none. On a stream: flushes, then sends as on a channel without one. */
CSP_API int csp_send_msg(csp_chan c, const csp_msg *m, csp_time by);

/* As csp_recv, for a value of any size with what is attached to it; *m is overwritten, and the caller's to free with
 * csp_msg_free. Returns 0, or -1 with the errors of csp_recv but EMSGSIZE, where EINVAL says that m is NULL; then *m is
 * empty. */
CSP_API int csp_recv_msg(csp_chan c, csp_msg *m, csp_time by);

/* The value with this id, which this process received from a channel with retry (csp_recv_msg, csp_on_msg), is done: it
 * is gone for good. Does not wait for the broker; a process that is killed within about 1 ms may have said nothing.
 * Returns 0, or -1: ENOENT (this process holds no such lease: it was acknowledged or given back before). */
CSP_API int csp_ack(uint64_t id);

/* The value with this id is not done: it is to be delivered again, to anybody, at the time `again` (CSP_NOW: at once;
 * CSP_BACK_OFF: when the channel's settings say), and lets others pass meanwhile; or, with CSP_FOREVER, never: it is a
 * dead letter. After as many deliveries as the channel's settings allow it is a dead letter whatever is said. The
 * reason, at most 1,024 bytes of it, goes with a dead letter; NULL or empty: it says who gave it back, and after how
 * many deliveries. Does not wait for the broker.
 * Returns 0, or -1: ENOENT (this process holds no such lease), EINVAL (another negative time). */
CSP_API int csp_nack(uint64_t id, csp_time again, const char *reason);

/* Frees what csp_recv_msg or csp_on_msg gave, and empties *m. Does nothing to an empty one; keeps errno. */
CSP_API void csp_msg_free(csp_msg *m);

/* ---- select ----------------------------------------------------------------------------------------------------- */

/* Waits until one of the n cases can happen, and makes just that one happen. Where several can, one is drawn, each with
 * the same chance. What the process can decide alone (a timer, a descriptor, an exit, a value ready on a stream) is
 * taken before the broker is asked; but a channel of the broker's is passed over in at most 7 calls of a thread that
 * name it, in a row, whatever is called between: then the broker is asked first, and draws among those that are ready.
 * So in a loop that calls one select a ready case of the broker's waits 7 calls at most for its sort's turn, and one
 * that the process decides alone 1 call; within its sort each has the same chance in each turn.
 * Values in send cases are those at the call; a value in a losing case was never sent; a losing receive takes nothing.
 * Returns the index of the case that happened: look at its err. Or -1, and nothing happened: EAGAIN (CSP_NOW),
 * ETIMEDOUT, EINVAL (a case not made by csp_on_*, NULL buffer), EBADF (a channel or its end is not held; an fd that is
 * not open; that case has err = EBADF), ENOBUFS (more than 4,096 cases, or values of over 256 MiB together), ECHILD
 * (csp_on_exit: no child of this process), EBUSY (a pair that has another sender, or receiver; that case has err =
 * EBUSY). With no case but nil ones it waits for the deadline. Source: Go, select. */
CSP_API int csp_select(csp_case *cases, size_t n, csp_time by);

/* As csp_select, but where several can happen the first in order does. */
CSP_API int csp_select_first(csp_case *cases, size_t n, csp_time by);

/* Send the len bytes at p on c; p is read during the select only. */
CSP_API csp_case csp_on_send(csp_chan c, const void *p, size_t len);

/* Send *m, with a channel attached. */
CSP_API csp_case csp_on_send_msg(csp_chan c, const csp_msg *m);

/* Receive from c into the cap bytes at p; the length comes back in .len. A value longer than cap: err = EMSGSIZE, its
 * length in .len, and the thread's next receive from c returns it. */
CSP_API csp_case csp_on_recv(csp_chan c, void *p, size_t cap);

/* Receive from c into *m as csp_recv_msg does; *m is left alone unless the case happens with err 0. */
CSP_API csp_case csp_on_msg(csp_chan c, csp_msg *m);

/* The time `when` has come: csp_on_time(csp_in(80)) is Go's time.After. CSP_FOREVER never does. */
CSP_API csp_case csp_on_time(csp_time when);

/* The tick is due. When the case happens t->next moves on to the first multiple of t->every still to come, so a slow
 * receiver gets no heap of ticks; set t->next anew to reset it, to CSP_FOREVER to stop it. t->every must be positive
 * (EINVAL). Source: Go, time.Ticker. */
CSP_API csp_case csp_on_tick(csp_tick *t);

/* A descriptor has one of the poll(2) events (POLLIN, POLLOUT, POLLPRI; EINVAL for others; 0: none), or an error, or is
 * hung up; .len has the revents. Edges are not missed: it is asked of poll(2) at each select. */
CSP_API csp_case csp_on_fd(int fd, short events);

/* The process p, a child started by csp_go or csp_spawn here, has ended; its reason is in *why, which may be NULL. The
 * process is reaped with that, as by csp_wait. */
CSP_API csp_case csp_on_exit(csp_proc p, csp_exit *why);

/* The wait group's count is 0. */
CSP_API csp_case csp_on_group(csp_chan group);

/* ---- streams: bulk ---------------------------------------------------------------------------------------------- */

/* Makes this thread's use of c a stream: CSP_SEND: up to `window` bytes of values are under way at once, and csp_send
 * returns when the value is within the window, and values that are sent in a row travel in one frame: one that follows
 * others is under way within about 1 ms even if the thread calls nothing more, and at once when it waits; CSP_RECV:
 * values are delivered ahead, up to `window` bytes. Order, capacity, close and ends are as without; a value that was
 * delivered ahead and not received goes back when this process dies. A send that fails with EPIPE may follow others
 * that had returned 0 and were not sent: csp_flush tells. Not for capacity 0. Returns 0, or -1: EINVAL (ends, window 0,
 * capacity 0, a group, to send where the overflow policy is reject, or a stream already), EBADF (the end is not held),
 * ENOBUFS (512 receiving streams in this thread; or neither a descriptor nor room in the run directory for their
 * counts). */
CSP_API int csp_stream(csp_chan c, int ends, size_t window);

/* Waits until every value that this thread put on the stream is in the channel's buffer or was received.
 * Returns 0, or -1: EPIPE (some were not and never will be), EAGAIN, ETIMEDOUT, EINVAL (no sending stream; a pair is
 * one from its first send). */
CSP_API int csp_flush(csp_chan c, csp_time by);

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Now, in ns of CLOCK_MONOTONIC. */
CSP_API csp_time csp_now(void);

/* The time ms milliseconds from now; a negative ms gives now. Saturates before CSP_FOREVER. */
CSP_API csp_time csp_in(int64_t ms);

/* ---- processes -------------------------------------------------------------------------------------------------- */

/* Starts fn(arg) as a process of its own: forks, with every end of a channel that this process holds, its memory as it
 * is, and descriptors 0 to 2; every other descriptor is /dev/null there, signals are at their defaults. The child is in
 * a process group of its own unless it shares the terminal with its parent. Its exit status is fn's result & 255; stdio
 * is flushed before the fork and before its end. Returns the process, which csp_wait must reap, or -1: EBUSY (other
 * threads use the library), EAGAIN (fork's limit). Source: Go, go fn(arg). */
CSP_API csp_proc csp_go(int (*fn)(void *), void *arg);

/* Starts a program, argv[0] found as execvp(3) does, with a bridge to channels: values of `in`, each with a newline, go
 * to its stdin (on a channel with csp_set_retry they are done then); lines of its stdout are values to `out`. nil: it
 * inherits ours. The program's exit is the process's; that it died of SIGPIPE, or failed, after the receivers of `out`
 * had ended well is CSP_CLEAN. Cancelled, it gets SIGTERM at once, and no end of file; its output is given up from
 * there, so that a program which wrote some did not end well. Returns the process, which csp_wait must reap, or -1:
 * execve(2)'s own errno for the program, EBADF (an end that is not held), EIO (the bridge died), ENOENT also where the
 * bridge is not found: csp_errmsg tells. */
CSP_API csp_proc csp_spawn(char *const argv[], csp_chan in, csp_chan out);

/* Waits for the end of a process that csp_go or csp_spawn started here, and reaps it: a second wait is ECHILD. `why`
 * may be NULL. In the scope of a member that failed it may end with ECANCELED instead, and the member is reaped by
 * csp_scope_leave, which tells its reason. Returns 0, or -1: ECHILD (no child of this process, or reaped), EAGAIN,
 * ETIMEDOUT. */
CSP_API int csp_wait(csp_proc p, csp_exit *why, csp_time by);

/* Cancels a process of the run, and the scopes that it has entered: see SCOPES. Does not wait for it. What it started
 * outside of a scope of its own is not cancelled.
 * Returns 0, also where it was cancelled before or has ended; or -1: ESRCH (there never was such a process), EPERM (it
 * is a guest, or this process is one). */
CSP_API int csp_cancel(csp_proc p);

/* This process, > 0, or -1 with the errors of csp_init. */
CSP_API csp_proc csp_self(void);

/* ---- scopes ----------------------------------------------------------------------------------------------------- */

/* Enters a scope inside the one that this thread is in: what the thread starts from here on belongs to it. `by` is its
 * deadline, at which it is cancelled; CSP_FOREVER: none but those around it. Its grace is 5 s: csp_scope_grace.
 * Returns 0, or -1: EINVAL (CSP_NOW). In a scope that is cancelled it succeeds, and is cancelled itself. */
CSP_API int csp_scope(csp_time by);

/* Sets the grace of the innermost scope of this thread: ms milliseconds from its cancellation to SIGTERM, and again as
 * long to SIGKILL. 0: both at once. What was cancelled before keeps its times. A cancellation that comes
 * from a scope around it has the times of that one; from csp_cancel of the process that entered it, those of the scope
 * that this process belongs to.
 * Returns 0, or -1: EINVAL (this thread is in no scope, or ms < 0). */
CSP_API int csp_scope_grace(int64_t ms);

/* Cancels the innermost scope of this thread, and returns without waiting.
 * Returns 0, also where it was cancelled before, or -1: EINVAL (this thread is in no scope). */
CSP_API int csp_scope_cancel(void);

/* Leaves the innermost scope of this thread: waits until all its members have ended, reaps those that are children of
 * this process, and forgets it. No cancellation ends that wait. *first, which may be NULL, gets CSP_CLEAN when the
 * scope was not cancelled; else why it was, also where every member ended well: how the first member that failed
 * ended, CSP_CANCELLED, or CSP_DEADLINE.
 * Returns 0, or -1: EINVAL (this thread is in no scope); with EDEADLK and ENOTCONN the thread is still in it. */
CSP_API int csp_scope_leave(csp_exit *first);

/* on = 1: calls of this thread do not end with ECANCELED, until it says 0; but nothing can be started in a cancelled
 * scope all the same. Signals and the grace are as without: clean up within that time. Calls nest. Returns how many are
 * on, or -1: EINVAL (0 without a 1; neither). */
CSP_API int csp_shield(int on);

/* The nearest deadline of the scopes that this thread is in, those of its process included. A program that csp_spawn
 * starts finds it in CSP_DEADLINE, in ns, and here. CSP_FOREVER: none. */
CSP_API csp_time csp_deadline(void);

/* ---- wait groups ------------------------------------------------------------------------------------------------ */

/* Makes a wait group with count 0; a handle as a channel's, inherited by csp_go, given up by csp_drop(g, CSP_RECV).
 * Returns it, or 0 with errno. Source: Go, sync.WaitGroup. */
CSP_API csp_chan csp_group_make(void);

/* Adds n, which may be negative. Returns 0, or -1: EINVAL (the count would be below 0, or over 2^62; it is unchanged,
 * or `g` is no group), EBADF. A process that dies without its csp_group_add(g, -1) leaves the count as it is. */
CSP_API int csp_group_add(csp_chan g, int64_t n);

/* Waits until the count is 0. Returns 0, or -1: EAGAIN, ETIMEDOUT, EBADF. */
CSP_API int csp_group_wait(csp_chan g, csp_time by);

#ifdef __cplusplus
}
#endif
#endif
