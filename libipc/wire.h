/* SPDX-License-Identifier: MPL-2.0 */
/* The frames between a caller and the broker: the layout that docs/protocol.md defines, as C.
 *
 * Decision: a frame is one ZeroMQ part with a fixed header of 32 bytes and a payload, because libzmq drops a multipart
 * message that a death cuts in two while the sender was told that it went. Everything is little-endian and copied in
 * and out with memcpy: the data of a received zmq_msg_t is not aligned. */
#ifndef CSP_WIRE_H
#define CSP_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the frames of this protocol are little-endian, and so far is this code"
#endif

#define WIRE_MAGIC        0x31505343u /* "CSP1" */
#define WIRE_VERSION      1
#define WIRE_TOKEN_SIZE   16
#define WIRE_MAX_VALUE    (256u << 20) /* bytes of one value; a channel's max_bytes is at most this */
#define WIRE_MAX_CASES    4096
#define WIRE_MAX_CHANNELS (1u << 18)                     /* of a run, at a time */
#define WIRE_MAX_NAME     255                            /* bytes of a name, without the end */
#define WIRE_MAX_FRAME    (WIRE_MAX_VALUE + (16u << 20)) /* ZMQ_MAXMSGSIZE of both sides */
#define WIRE_MAX_REASON   1024                           /* bytes of text why a value was refused */
#define WIRE_MAX_PATH     4096                           /* bytes of a directory */
#define WIRE_MAX_SLOTS    512                            /* receiving streams of one line: 64-bit counts in a page */
#define WIRE_PAGE_SIZE    4096                           /* bytes of the file DIR/pN */
#define WIRE_NO_CASE      UINT32_MAX                     /* COMMIT.count: nothing happened */

enum wire_type {
    /* caller -> broker: attaching */
    WIRE_HELLO = 1,
    WIRE_LEAVE,
    WIRE_BYE,
    /* caller -> broker: the one offer of a caller */
    WIRE_OFFER,
    WIRE_WITHDRAW,
    /* caller -> broker: streams */
    WIRE_PUT,
    WIRE_TOOK,
    /* caller -> broker: requests, each answered by one ANSWER with the same seq (LEAVE and BYE too) */
    WIRE_MAKE,
    WIRE_OPEN,
    WIRE_DROP,
    WIRE_CLOSE,
    WIRE_WHY,
    WIRE_STREAM,
    WIRE_ADD,
    WIRE_ANNOUNCE,
    WIRE_STARTED,
    WIRE_REAPED,
    WIRE_PROGRAM,
    WIRE_STAT,
    WIRE_SCOPE,
    WIRE_CANCEL,
    WIRE_DUMP,
    WIRE_UNPAIR,
    /* caller -> broker: pairs, not answered */
    WIRE_BOUND,
    WIRE_JOINED,
    WIRE_RECALLED,
    WIRE_DRAINED,
    /* caller -> broker: leases; SET and SETTLE are requests, the others not answered */
    WIRE_SET,
    WIRE_SETTLE,
    WIRE_ACK,
    WIRE_NACK,
    WIRE_MARK, /* a request, of durable channels */
    WIRE_TO_BROKER_END,
    /* broker -> caller */
    WIRE_WELCOME = 64,
    WIRE_REFUSED,
    WIRE_COMMIT,
    WIRE_ANSWER,
    WIRE_ROOM,
    WIRE_DELIVER,
    WIRE_CANCELLED,
    WIRE_BIND,
    WIRE_CONNECT,
    WIRE_RECALL,
    WIRE_ORPHAN,
    WIRE_TO_CALLER_END,
    /* caller -> caller, on a pair, beside PUT and ROOM */
    WIRE_GREET = WIRE_TO_CALLER_END,
    WIRE_TO_PAIR_END
};

enum wire_flag {
    WIRE_NOW = 1 << 0,     /* OFFER: commit at this instant or answer COMMIT(none); WELCOME: hold no values */
    WIRE_ORDERED = 1 << 1, /* OFFER: the first ready case in order, not a fair draw */
    WIRE_GAP = 1 << 2,     /* PUT, DELIVER: one byte that belongs to no value follows each value in the data */
    WIRE_NOEOL = 1 << 3,   /* PUT, DELIVER: the last value of the frame ended without its terminator */
    WIRE_CHAN = 1 << 4,    /* DELIVER: one value, and the channel attached to it follows the lengths */
    WIRE_CLOSED = 1 << 5,  /* DELIVER with count 0: closed, and nothing will come any more */
    WIRE_WAIT = 1 << 6,    /* TOOK: the receiver has nothing left and waits */
    WIRE_INHERIT = 1 << 7, /* ANNOUNCE: every end that the announcing process holds, as fork does with descriptors */
    WIRE_SHIELD = 1 << 8,  /* OFFER: cancellation does not end it */
    WIRE_DIRECT = 1 << 9,  /* MAKE: the channel may be joined directly; DELIVER with count 0: it is, from here on */
    WIRE_BACK = 1 << 10,   /* PUT: values of a pair that was recalled; no window bounds them */
    WIRE_LEASE = 1 << 11,  /* DELIVER, COMMIT: the payload ends with wire_lease */
    WIRE_STAGED = 1 << 12, /* PUT: kept by the broker until the line's ACK with it; ACK: what was so kept is put, in one
                              step with the acknowledgement */
    WIRE_IDLE = 1 << 13,   /* TOOK, with WAIT: its process sends nothing before it is told something on a stream */
};

/* What a case waits for. Those from PUT on the caller decides alone: they only tell the broker what it waits for. */
enum wire_op {
    WIRE_OP_NONE,
    WIRE_OP_SEND,
    WIRE_OP_RECV,
    WIRE_OP_WAIT,  /* channel: a wait group, whose count is 0 */
    WIRE_OP_SCOPE, /* channel: the line's innermost scope, whose last member has ended */
    WIRE_OP_PUT,   /* a sending stream has room in its window for `length` bytes, which are not in the payload */
    WIRE_OP_FLUSH, /* all that a sending stream put is committed */
    WIRE_OP_TAKE,  /* a receiving stream has a value, or is closed */
    WIRE_OP_EXIT,  /* channel: a process, which has ended */
    WIRE_OP_TIME,  /* channel: a time of CLOCK_MONOTONIC in ns, which has come */
    WIRE_OP_FD,    /* channel: a descriptor of the caller's, which is ready */
    WIRE_OP_END
};
enum wire_kind { WIRE_CHANNEL, WIRE_GROUP, WIRE_PAIR };                             /* MAKE.kind */
enum wire_policy { WIRE_CLOSE_SENDERS, WIRE_CLOSE_NEVER, WIRE_CLOSE_IDLE };         /* MAKE.policy */
enum wire_when { WIRE_CLOSE_AT_ONCE, WIRE_CLOSE_WHEN_IDLE };                        /* CLOSE.count */
enum wire_overflow { WIRE_BLOCK, WIRE_DROP_OLDEST, WIRE_DROP_NEWEST, WIRE_REJECT }; /* SET.overflow */
enum wire_role { WIRE_PROCESS, WIRE_GUEST };                                        /* HELLO.role */
enum wire_whom { WIRE_ONE_PROCESS, WIRE_ONE_SCOPE };                                /* CANCEL.count */

struct wire_head {
    uint32_t magic;
    uint8_t version, type;
    uint16_t flags;
    uint64_t channel, seq;
    uint32_t count, length; /* length: bytes of payload; the frame is exactly this long and the header */
};

struct wire_hello {
    uint8_t token[WIRE_TOKEN_SIZE];
    uint64_t ticket;  /* of an announced process; 0: the root's first line, a further line of `process`, or a guest */
    uint64_t process; /* 0 on a process's first line; a guest's: inside of which it is, 0: none */
    uint32_t pid, role;
};
struct wire_welcome {
    uint64_t process, line;
    int64_t deadline; /* of the scopes that the process is in, the nearest; -1: none */
};
struct wire_offer {   /* then count wire_case, then the values of the SEND cases */
    uint64_t place;   /* where the call returns to, in the caller's memory; 0: not known */
    int64_t deadline; /* of the call, ns of CLOCK_MONOTONIC; -1: none */
};
struct wire_case {
    uint32_t op, length; /* length: bytes of this case's value, 0 for a receive */
    uint64_t channel, attached;
};
struct wire_commit { /* then the value received */
    int32_t err;
    uint32_t reserved;
    uint64_t attached;
};
struct wire_make { /* then the name, if it has one: declaring named channels is the root's */
    uint64_t capacity, max_bytes;
    uint32_t kind, policy;
};
struct wire_channel { /* ANSWER to MAKE, OPEN and STREAM */
    uint64_t channel, capacity, max_bytes;
};
struct wire_why { /* ANSWER to WHY */
    uint32_t closed;
    int32_t how, code;
};
struct wire_stream {
    uint64_t window;         /* bytes */
    uint32_t slot, reserved; /* receiving: index of the taken count in the caller's page */
};
struct wire_add {
    int64_t n;
};
struct wire_announce { /* then count wire_ends, then the name */
    uint64_t function; /* that it runs, in the memory of who announces it; 0: a program */
    uint32_t replica;
    uint32_t pid;        /* it is there, and waits for its ticket; 0: it is yet to be started */
    uint8_t success[32]; /* bit c: exit code c is a clean end */
    uint64_t after;      /* the process whose successor it is, 0: none */
    int64_t timeout;     /* ns that it may hold a lease, 0: no bound */
};
struct wire_ends {
    uint64_t channel;
    uint32_t ends, reserved;
};
struct wire_announced { /* ANSWER to ANNOUNCE */
    uint64_t process, ticket;
};
struct wire_started {
    uint64_t process;
    uint32_t pid, reserved; /* 0: it never started */
};
struct wire_exit { /* BYE (process 0: the caller's own), REAPED and its ANSWER, COMMIT of a SCOPE case */
    uint64_t process;
    int32_t how, code;
};

struct wire_scope {   /* SCOPE; its ANSWER has the scope's number in `channel` of the header */
    int64_t deadline; /* ns of CLOCK_MONOTONIC, -1: none */
    int64_t grace;    /* ns from the cancellation to SIGTERM, and from there to SIGKILL */
};

struct wire_pair { /* BIND, CONNECT; GREET has the token alone */
    uint8_t token[WIRE_TOKEN_SIZE];
    uint64_t read;          /* CONNECT: values of the sending stream that the broker has read */
    uint64_t values, bytes; /* CONNECT: in the channel, on prefetch, or waiting in the stream; not taken */
    uint64_t taken;         /* CONNECT: the count of the receiving stream at that moment */
};
struct wire_joined {
    uint64_t put; /* values put on the stream before */
};
struct wire_recall { /* RECALL, ANSWER to UNPAIR, DRAINED */
    uint64_t taken;  /* values of this generation; DRAINED: that came */
};

struct wire_set {        /* then the durable directory, if it has one */
    uint64_t dead;       /* the channel of dead letters, 0: none */
    int64_t least, most; /* ns of back-off after the first failure, and at most */
    uint32_t attempts;   /* deliveries of a value before it is a dead letter; 0: it is not leased */
    uint32_t ordered;    /* 1: what its receivers put with STAGED goes on in the order of its values */
    uint32_t overflow, reserved;
};
struct wire_lease { /* at the end of the payload, behind `reason` bytes of text */
    uint64_t id;    /* of the first value; the others' follow */
    uint32_t tries; /* deliveries, this one included */
    uint16_t reason;
    uint16_t letter; /* 1: it is not leased: a dead letter, on a channel whose values are not */
};
struct wire_nack { /* then the reason, text */
    uint64_t id;
    int64_t delay; /* ns until it is redelivered; WIRE_DEAD_LETTER, WIRE_BACK_OFF */
};
struct wire_settle { /* then the reason, text; the ANSWER too, without it */
    uint64_t count;  /* the oldest so many leases of the process on the channel, 0: all; ANSWER: so many were settled */
    int64_t delay;   /* WIRE_DONE, or as in wire_nack */
};
struct wire_resumed { /* ANSWER to SET with a directory; then a line for each process of which something is stored */
    uint64_t values;  /* that the channel had */
};
struct wire_mark { /* then the name of a process */
    uint32_t what, replica;
};
enum wire_marked { WIRE_FINISHED, WIRE_RUN_DONE }; /* MARK.what */
#define WIRE_DEAD_LETTER (-1)
#define WIRE_BACK_OFF    (-2) /* as the channel's settings say */
#define WIRE_DONE        (-3)
#define WIRE_UNREAD      (-4) /* NACK: whom it was taken for has not begun it, so that this delivery does not count */

#define WIRE_REVOKED (UINT64_C(1) << 63) /* in wire_page.taken: the receiver must take nothing more */

/* The page of a pair, section 15 of docs/protocol.md. Each count has a cache line of its own: it is written by one side
 * and read by the other. */
struct wire_page {
    _Alignas(64) _Atomic uint64_t taken;
    _Alignas(64) _Atomic uint64_t sent;
    _Alignas(64) _Atomic uint64_t wanted;
    _Alignas(64) _Atomic uint64_t bytes;
    _Alignas(64) _Atomic uint64_t before; /* values that the receiving stream took hosted */
};

_Static_assert(sizeof(struct wire_page) <= WIRE_PAGE_SIZE, "a page of a pair is one page");
_Static_assert(sizeof(struct wire_head) == 32, "the header is 32 bytes");
_Static_assert(sizeof(struct wire_case) == 24, "a case is 24 bytes");

/* Fills in a header for a payload of `length` bytes; the caller sets channel, seq and count. */
struct wire_head wire_head(enum wire_type type, unsigned flags, size_t length);

/* Reads and checks the header of a frame of `size` bytes: magic, version, a known type, the exact length, and the least
 * and greatest payload and count that the type allows. Returns 0, or -1 with EPROTO. */
int wire_check(const void *frame, size_t size, struct wire_head *head);

/* For a DELIVER or COMMIT whose header was checked: its lease, whose text is the lease->reason bytes before it; all 0
 * where it has none. Returns 0, or -1 with EPROTO. */
int wire_lease(const struct wire_head *head, const void *payload, struct wire_lease *lease);

/* For a PUT or DELIVER whose header was checked: bytes of data before the lengths, or -1 with EPROTO where the lengths,
 * the gaps and the payload do not add up. `payload` points behind the header. */
int64_t wire_block_data(const struct wire_head *head, const void *payload);

/* The i-th length of such a frame, whose data is `data` bytes long. */
static inline uint32_t wire_block_length(const void *payload, size_t data, uint32_t i)
{
    uint32_t n;
    memcpy(&n, (const char *)payload + data + (size_t)i * sizeof n, sizeof n);
    return n;
}

/* "OFFER", "COMMIT", ...: the names of docs/protocol.md; "?" for no type. */
const char *wire_name(unsigned type);

#endif
