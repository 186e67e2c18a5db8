/* SPDX-License-Identifier: MPL-2.0 */
/* Checking frames. Decision: one table says for each type what its payload and count may be, and both sides ask it, so
 * that no handler is ever reached with a frame that is too short for what it reads. What a type's payload says about
 * itself (case tables, names, blocks) its handler checks, with the bounds it has from here. */
#include "wire.h"

#include <errno.h>
#include <string.h>

struct shape {
    const char *name;
    size_t least;       /* bytes of payload */
    size_t most;        /* 0: as `least`, nothing more */
    size_t each;        /* bytes of payload at least for each of `count`, beside `least` */
    uint32_t count_max; /* 0: count means something else, or nothing */
    unsigned flags;     /* those that may be set */
};

#define ANY WIRE_MAX_FRAME

static const struct shape shapes[WIRE_TO_PAIR_END] = {
    [WIRE_HELLO] = {"HELLO", sizeof(struct wire_hello), 0, 0, 0, 0},
    [WIRE_LEAVE] = {"LEAVE", 0, 0, 0, 0, 0},
    [WIRE_BYE] = {"BYE", sizeof(struct wire_exit), 0, 0, 0, 0},
    [WIRE_OFFER] = {"OFFER", sizeof(struct wire_offer), ANY, sizeof(struct wire_case), WIRE_MAX_CASES,
                    WIRE_NOW | WIRE_ORDERED | WIRE_SHIELD},
    [WIRE_WITHDRAW] = {"WITHDRAW", 0, 0, 0, 0, 0},
    [WIRE_PUT] = {"PUT", 0, ANY, sizeof(uint32_t), UINT32_MAX, WIRE_GAP | WIRE_NOEOL | WIRE_BACK | WIRE_STAGED},
    [WIRE_TOOK] = {"TOOK", 0, 0, 0, 0, WIRE_WAIT | WIRE_IDLE},
    [WIRE_MAKE] = {"MAKE", sizeof(struct wire_make), sizeof(struct wire_make) + WIRE_MAX_NAME, 0, 0, WIRE_DIRECT},
    [WIRE_OPEN] = {"OPEN", 1, WIRE_MAX_NAME, 0, 0, 0},
    [WIRE_DROP] = {"DROP", 0, 0, 0, 0, 0},
    [WIRE_CLOSE] = {"CLOSE", 0, 0, 0, 0, 0},
    [WIRE_WHY] = {"WHY", 0, 0, 0, 0, 0},
    [WIRE_STREAM] = {"STREAM", sizeof(struct wire_stream), 0, 0, 0, 0},
    [WIRE_ADD] = {"ADD", sizeof(struct wire_add), 0, 0, 0, 0},
    [WIRE_ANNOUNCE] = {"ANNOUNCE", sizeof(struct wire_announce), ANY, sizeof(struct wire_ends), 1u << 20, WIRE_INHERIT},
    [WIRE_STARTED] = {"STARTED", sizeof(struct wire_started), 0, 0, 0, 0},
    [WIRE_REAPED] = {"REAPED", sizeof(struct wire_exit), 0, 0, 0, 0},
    [WIRE_PROGRAM] = {"PROGRAM", 0, 0, 0, 0, 0},
    [WIRE_STAT] = {"STAT", 0, 0, 0, 0, 0},
    [WIRE_SCOPE] = {"SCOPE", sizeof(struct wire_scope), 0, 0, 0, 0},
    [WIRE_CANCEL] = {"CANCEL", 0, 0, 0, 0, 0},
    [WIRE_DUMP] = {"DUMP", 0, 0, 0, 0, 0},
    [WIRE_UNPAIR] = {"UNPAIR", 0, 0, 0, 0, 0},
    [WIRE_BOUND] = {"BOUND", 0, 0, 0, 0, 0},
    [WIRE_JOINED] = {"JOINED", sizeof(struct wire_joined), 0, 0, 0, 0},
    [WIRE_RECALLED] = {"RECALLED", 0, 0, 0, 0, 0},
    [WIRE_DRAINED] = {"DRAINED", sizeof(struct wire_recall), 0, 0, 0, 0},
    [WIRE_SET] = {"SET", sizeof(struct wire_set), sizeof(struct wire_set) + WIRE_MAX_PATH, 0, 0, 0},
    [WIRE_SETTLE] = {"SETTLE", sizeof(struct wire_settle), sizeof(struct wire_settle) + WIRE_MAX_REASON, 0, 0, 0},
    [WIRE_ACK] = {"ACK", 0, ANY, sizeof(uint64_t), UINT32_MAX, WIRE_STAGED},
    [WIRE_NACK] = {"NACK", sizeof(struct wire_nack), sizeof(struct wire_nack) + WIRE_MAX_REASON, 0, 0, 0},
    [WIRE_MARK] = {"MARK", sizeof(struct wire_mark), sizeof(struct wire_mark) + WIRE_MAX_NAME, 0, 0, 0},
    [WIRE_WELCOME] = {"WELCOME", sizeof(struct wire_welcome), 0, 0, 0, WIRE_NOW},
    [WIRE_REFUSED] = {"REFUSED", 0, 1024, 0, 0, 0},
    [WIRE_COMMIT] = {"COMMIT", sizeof(struct wire_commit), ANY, 0, 0, WIRE_LEASE},
    [WIRE_ANSWER] = {"ANSWER", 0, ANY, 0, 0, 0},
    [WIRE_ROOM] = {"ROOM", 0, 0, 0, 0, 0},
    [WIRE_DELIVER] = {"DELIVER", 0, ANY, sizeof(uint32_t), UINT32_MAX,
                      WIRE_GAP | WIRE_NOEOL | WIRE_CHAN | WIRE_CLOSED | WIRE_DIRECT | WIRE_LEASE},
    [WIRE_CANCELLED] = {"CANCELLED", 0, 0, 0, 0, 0},
    [WIRE_BIND] = {"BIND", sizeof(struct wire_pair), 0, 0, 0, 0},
    [WIRE_CONNECT] = {"CONNECT", sizeof(struct wire_pair), 0, 0, 0, 0},
    [WIRE_RECALL] = {"RECALL", sizeof(struct wire_recall), 0, 0, 0, 0},
    [WIRE_ORPHAN] = {"ORPHAN", 0, 0, 0, 0, 0},
    [WIRE_GREET] = {"GREET", WIRE_TOKEN_SIZE, 0, 0, 0, 0},
};

struct wire_head wire_head(enum wire_type type, unsigned flags, size_t length)
{
    return (struct wire_head){.magic = WIRE_MAGIC,
                              .version = WIRE_VERSION,
                              .type = (uint8_t)type,
                              .flags = (uint16_t)flags,
                              .length = (uint32_t)length};
}

static int refuse(void)
{
    errno = EPROTO;
    return -1;
}

int wire_check(const void *frame, size_t size, struct wire_head *head)
{
    if (size < sizeof *head || size > WIRE_MAX_FRAME)
        return refuse();
    memcpy(head, frame, sizeof *head);
    if (head->magic != WIRE_MAGIC || head->version != WIRE_VERSION || head->length != size - sizeof *head)
        return refuse();
    if (head->type >= WIRE_TO_PAIR_END || shapes[head->type].name == NULL)
        return refuse();

    const struct shape *s = &shapes[head->type];
    if ((head->flags & ~s->flags) != 0)
        return refuse();
    size_t most = s->most != 0 ? s->most : s->least;
    size_t least = s->least;
    if (s->count_max != 0) {
        if (head->count > s->count_max)
            return refuse();
        least += s->each * head->count;
    }
    return head->length >= least && head->length <= most ? 0 : refuse();
}

/* Two at a time, for every hop of a frame does this: no sum of 32-bit lengths in one frame overflows 64 bits. */
static uint64_t sum_lengths(const char *lengths, uint32_t count)
{
    uint64_t low = 0, high = 0, two;
    uint32_t one = 0;
    for (uint32_t i = 0; i < count / 2; i++, lengths += sizeof two) {
        memcpy(&two, lengths, sizeof two);
        low += (uint32_t)two;
        high += two >> 32;
    }
    if (count % 2 != 0)
        memcpy(&one, lengths, sizeof one);
    return low + high + one;
}

int wire_lease(const struct wire_head *head, const void *payload, struct wire_lease *lease)
{
    memset(lease, 0, sizeof *lease);
    if ((head->flags & WIRE_LEASE) == 0)
        return 0;
    size_t fixed = head->type == WIRE_COMMIT ? sizeof(struct wire_commit) : 0;
    if (head->length < fixed + sizeof *lease)
        return refuse();
    memcpy(lease, (const char *)payload + head->length - sizeof *lease, sizeof *lease);
    size_t rest = head->length - fixed - sizeof *lease;
    return lease->id != 0 && lease->tries != 0 && lease->reason <= WIRE_MAX_REASON && lease->reason <= rest ? 0
                                                                                                            : refuse();
}

int64_t wire_block_data(const struct wire_head *head, const void *payload)
{
    size_t tail = (size_t)head->count * sizeof(uint32_t) + ((head->flags & WIRE_CHAN) != 0 ? sizeof(uint64_t) : 0);
    struct wire_lease lease;
    if (wire_lease(head, payload, &lease) != 0)
        return refuse();
    if ((head->flags & WIRE_LEASE) != 0)
        tail += sizeof lease + lease.reason;
    if (tail > head->length || ((head->flags & WIRE_CHAN) != 0 && head->count != 1))
        return refuse();
    size_t data = head->length - tail;
    uint64_t gaps = (head->flags & WIRE_GAP) != 0 ? head->count : 0;
    return sum_lengths((const char *)payload + data, head->count) + gaps == data ? (int64_t)data : refuse();
}

const char *wire_name(unsigned type)
{
    return type < WIRE_TO_PAIR_END && shapes[type].name != NULL ? shapes[type].name : "?";
}
