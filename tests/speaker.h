/* SPDX-License-Identifier: MPL-2.0 */
/* Speaking the protocol to a real broker, frame by frame. Decision: the tests of the broker use neither the library nor
 * a substitute of it, so that what they show is docs/protocol.md; one test process plays many processes, since a ticket
 * admits whoever has it, and forks where one of them must die. Every wait has an end. */
#ifndef TESTS_SPEAKER_H
#define TESTS_SPEAKER_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "../libipc/rundir.h"
#include "../libipc/wire.h"

#define SEND    1
#define RECV    2
#define WAIT_MS 60000

/* A line, seen from the caller's side. */
struct speaker {
    void *context, *socket;
    uint64_t process, line, seq;
    uint64_t *page;
    bool offering;        /* an offer was said and not committed */
    uint64_t place;       /* of its offers */
    int64_t deadline;     /* of its offers */
    struct kept *kept;    /* what streams said while an answer was waited for */
    struct speaker *next; /* of all there are: run_stop() frees them */
};

/* A frame heard; `data` is its payload, and good until the line hears the next. */
struct heard {
    struct wire_head head;
    const unsigned char *data;
    size_t size;
};

/* The run of the test: a fixture for checked use. After it the broker must have ended well, with nothing left. */
extern struct test_run {
    pid_t broker;
    char dir[108];
    struct csp__runinfo info;
    struct speaker *root;       /* attached */
    const char *const *options; /* of the broker, beside those that it must have; NULL or up to a NULL */
    int notices;                /* with the option --notices: what it says there */
} run;
void run_start(void);
void run_stop(void);
/* The broker is killed; what it leaves is removed. run_start() starts another one. */
void run_kill(void);

/* Reads the next line that the broker notices, without its end. */
void hear_notice(char *line, size_t size);

/* Starts a broker in a new directory for a root; *line gets what it says on its ready pipe. Its pid. */
pid_t broker_start(pid_t root, unsigned long descriptors, char *line, size_t size);

/* Waits for a child of this test; its status as waitpid gives it. */
int wait_child(pid_t pid);

/* A connection of its own that has said nothing yet. */
struct speaker *speaker_new(void);
void speaker_free(struct speaker *s);

/* HELLO, and what the broker says to it. */
struct heard hello(struct speaker *s, uint64_t ticket, uint64_t process, uint32_t role);
struct speaker *attach(uint64_t ticket); /* as an announced process */
struct speaker *guest(void);
struct speaker *another_line(const struct speaker *of);

/* Says a frame; `head` has flags, channel, seq and count. */
void say(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size);

/* Hears the next frame, which must be of this type. */
struct heard hear(struct speaker *s, enum wire_type type);

/* Hears a frame if one is there. */
bool hear_now(struct speaker *s, struct heard *h);

/* Nothing is said to this line, although the broker has handled what was said to it before. */
bool silent(struct speaker *s);

/* The broker has read all that this line said before. */
void sync_line(struct speaker *s);

/* Says a request and hears its answer; what streams say meanwhile is heard later. */
struct heard ask(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size);
int ask_err(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size);

uint64_t make(struct speaker *s, uint64_t capacity, uint64_t max_bytes);
uint64_t declare(const char *name, uint64_t capacity, uint32_t policy); /* by the root */
uint64_t make_group(struct speaker *s);
int drop(struct speaker *s, uint64_t channel, uint32_t ends);
int close_channel(struct speaker *s, uint64_t channel);
struct wire_why why(struct speaker *s, uint64_t channel);
int add(struct speaker *s, uint64_t group, int64_t n);

/* Announces a process with ends of up to two channels (0: none); its ticket, and its number in *process. */
uint64_t announce(struct speaker *s, uint64_t *process, uint64_t c1, uint32_t ends1, uint64_t c2, uint32_t ends2);
/* Announces a successor of that process with ends of a channel: 0, or the errno of the answer. */
int announce_after(struct speaker *s, uint64_t after, uint64_t channel, uint32_t ends, struct wire_announced *a);
/* Announces a process "slow" that may hold a lease for so long, with ends of a channel. */
struct wire_announced announce_slow(int64_t timeout, uint64_t channel, uint32_t ends);
struct speaker *colleague(uint64_t c1, uint32_t ends1, uint64_t c2,
                          uint32_t ends2); /* announced by the root, attached */
int bye(struct speaker *s, int how, int code);

/* Scopes. A grace must be long where the test plays the members itself: it would get the signals. */
#define HOUR INT64_C(3600000000000)
uint64_t enter(struct speaker *s, int64_t deadline, int64_t grace);
int cancel(struct speaker *s, enum wire_whom whom, uint64_t number);
void hear_cancelled(struct speaker *s, uint64_t scope, uint32_t how);
/* Hears the commit of a SCOPE case; its value. */
struct wire_exit left(struct speaker *s);
int leave(struct speaker *s);

/* Cases of an offer. */
struct tcase {
    uint32_t op;
    uint64_t channel;
    const void *value;
    uint32_t length;
    uint64_t attached;
};
#define ON_SEND(c, text) ((struct tcase){WIRE_OP_SEND, (c), (text), (uint32_t)strlen(text), 0})
#define ON_RECV(c)       ((struct tcase){WIRE_OP_RECV, (c), NULL, 0, 0})
#define ON_WAIT(c)       ((struct tcase){WIRE_OP_WAIT, (c), NULL, 0, 0})
#define ON_PUT(c, n)     ((struct tcase){WIRE_OP_PUT, (c), NULL, (n), 0})
#define ON_LEAVE(scope)  ((struct tcase){WIRE_OP_SCOPE, (scope), NULL, 0, 0})
#define ON(op, object)   ((struct tcase){(op), (object), NULL, 0, 0}) /* any other */
#define OFFER(s, flags, ...)                                                                                           \
    offer((s), (flags), (struct tcase[]){__VA_ARGS__}, sizeof((struct tcase[]){__VA_ARGS__}) / sizeof(struct tcase))
void offer(struct speaker *s, unsigned flags, const struct tcase *cases, size_t n);
void withdraw(struct speaker *s);

/* A COMMIT heard, which must be for the current seq. */
struct committed {
    uint32_t which;
    int err;
    uint64_t channel, attached;
    const char *value;
    size_t length;
    struct wire_lease lease; /* all 0: none */
    const char *reason;      /* lease.reason bytes */
};
struct committed committed(struct speaker *s);

/* Offers of one case and their commits: 0 or err; what was received must be `text`. */
int send_text(struct speaker *s, uint64_t channel, const char *text);
void recv_text(struct speaker *s, uint64_t channel, const char *text);
bool is_text(const struct committed *c, const char *text);

/* Leases. */
struct wire_set retry(uint32_t attempts, uint64_t dead); /* settings without a delay */
int set(struct speaker *s, uint64_t channel, struct wire_set w);
struct committed recv_lease(struct speaker *s, uint64_t channel, const char *text, uint32_t tries);
void ack(struct speaker *s, uint64_t channel, uint64_t id);
/* With what the line has staged, in one step. */
void ack_staged(struct speaker *s, uint64_t channel, const uint64_t *ids, uint32_t n);
/* How many values of the channel are leased, as STAT says it. */
const char *leased(uint64_t channel);
void nack(struct speaker *s, uint64_t channel, uint64_t id, int64_t delay, const char *reason);
/* Its errno; *n gets the number of values. */
int settle(struct speaker *s, uint64_t channel, uint64_t *n, int64_t delay, const char *reason);
struct speaker *guest_inside(uint64_t process);
/* The process ends with exit code 3. */
void crash(struct speaker *s);
/* The answer of NOW: nothing is ready there. */
bool nothing(struct speaker *s, uint64_t channel);

/* Streams. put() puts values of the given lengths, consecutive letters from `first`, with these flags. */
int stream(struct speaker *s, uint64_t channel, uint32_t ends, uint64_t window, uint32_t slot);
void page_make(struct speaker *s);
void put(struct speaker *s, uint64_t channel, uint64_t seq, unsigned flags, char first, uint32_t count,
         uint32_t length);
void took(struct speaker *s, uint64_t channel, uint32_t slot, uint64_t n, unsigned flags);

/* The field-th (from 0) field of the line of STAT that begins with kind and number. */
const char *stat_field(const char *kind, uint64_t number, unsigned field);
const char *dump_field(const char *kind, uint64_t number, unsigned field); /* of DUMP */
/* The line of DUMP that begins so; NULL: there is none. Valid until the next is asked for. */
const char *dumped(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The broker has read its offer, and that waits. */
void until_waiting(uint64_t process);

/* The broker has seen the end of the process, and done what follows. */
void until_buried(uint64_t process);
/* The same of one that lives: it is this test that plays it. */
void until_taken_for_dead(uint64_t process);

/* Forks a process that attaches with the ticket, does this, and ends; it ends with the test at the latest. */
pid_t fork_attached(uint64_t ticket, void (*act)(struct speaker *s, void *arg), void *arg);
/* For act: tells the test that a point is reached, and stays there until it is killed. */
_Noreturn void reached(void);
void until_reached(void);

#endif
