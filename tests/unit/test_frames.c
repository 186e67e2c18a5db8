/* SPDX-License-Identifier: MPL-2.0 */
/* Frames that must not be: whatever is said on whatever connection, the run goes on for everybody else. */
#include "../speaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

Suite *frames_suite(void);

/* A frame with everything in it that a mutation may touch. */
struct odd {
    struct wire_head head;
    unsigned char payload[256];
    size_t size; /* of payload */
};

static void say_odd(struct speaker *s, const struct odd *o)
{
    unsigned char bytes[sizeof o->head + sizeof o->payload];
    memcpy(bytes, &o->head, sizeof o->head);
    memcpy(bytes + sizeof o->head, o->payload, o->size);
    ck_assert_int_ge(zmq_send(s->socket, bytes, sizeof o->head + o->size, 0), 0);
}

static struct odd odd(enum wire_type type, size_t size)
{
    struct odd o = {.head = wire_head(type, 0, size), .size = size};
    o.head.seq = 1000;
    return o;
}

/* The run goes on: another process sends and receives. */
static void goes_on(void)
{
    struct speaker *s = another_line(run.root);
    uint64_t c = make(s, 1, 100);
    ck_assert_int_eq(send_text(s, c, "v"), 0);
    recv_text(s, c, "v");
    ck_assert_int_eq(drop(s, c, SEND | RECV), 0);
    ck_assert_int_eq(leave(s), 0);
}

/* ---- dropped: the line goes on ---------------------------------------------------------------------------------- */

static void bad_magic(struct odd *o)
{
    o->head.magic ^= 1;
}
static void bad_version(struct odd *o)
{
    o->head.version = 2;
}
static void bad_type(struct odd *o)
{
    o->head.type = 200;
}
static void no_type(struct odd *o)
{
    o->head.type = 0;
}
static void broker_type(struct odd *o)
{
    *o = odd(WIRE_ANSWER, 0);
}
static void bad_flags(struct odd *o)
{
    o->head.flags = 0x8000;
}
static void other_types_flag(struct odd *o)
{
    o->head.flags = WIRE_GAP;
}
static void length_too_long(struct odd *o)
{
    o->head.length++;
}
static void length_too_short(struct odd *o)
{
    *o = odd(WIRE_MAKE, sizeof(struct wire_make));
    o->head.length--;
}
static void payload_missing(struct odd *o)
{
    *o = odd(WIRE_MAKE, sizeof(struct wire_make) - 1);
}
static void payload_too_much(struct odd *o)
{
    *o = odd(WIRE_STAT, 1);
}
static void too_many_cases(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 24);
    o->head.count = WIRE_MAX_CASES + 1;
}
static void cases_missing(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 24);
    o->head.count = 2;
}
static void name_too_long(struct odd *o)
{
    *o = odd(WIRE_OPEN, 256);
    memset(o->payload, 'n', 256);
}
static void put_without_lengths(struct odd *o)
{
    *o = odd(WIRE_PUT, 10);
    o->head.count = UINT32_MAX;
}

static void (*const dropped[])(struct odd *) = {bad_magic,        bad_version,     bad_type,           no_type,
                                                broker_type,      bad_flags,       other_types_flag,   length_too_long,
                                                length_too_short, payload_missing, payload_too_much,   too_many_cases,
                                                cases_missing,    name_too_long,   put_without_lengths};

START_TEST(a_bad_frame_is_dropped)
{
    struct odd o = odd(WIRE_STAT, 0);
    struct speaker *s = colleague(0, 0, 0, 0);
    dropped[_i](&o);
    say_odd(s, &o);
    ck_assert_uint_gt(ask(s, WIRE_STAT, (struct wire_head){0}, NULL, 0).size, 0); /* the next is answered */
}
END_TEST

/* ---- violations: the process ends -------------------------------------------------------------------------------- */

static void second_hello(struct odd *o)
{
    *o = odd(WIRE_HELLO, sizeof(struct wire_hello));
}
static void old_seq(struct odd *o)
{
    o->head.seq = 1;
}
static void unknown_op(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 24);
    o->head.count = 1;
    o->payload[sizeof(struct wire_offer)] = WIRE_OP_END;
}
static void value_beyond_the_end(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 24);
    o->head.count = 1;
    memcpy(o->payload + sizeof(struct wire_offer), &(struct wire_case){WIRE_OP_SEND, 100, 1, 0}, 24);
}
static void value_of_four_gigabytes(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 48);
    o->head.count = 2;
    memcpy(o->payload + sizeof(struct wire_offer), &(struct wire_case){WIRE_OP_SEND, UINT32_MAX, 1, 0}, 24);
    memcpy(o->payload + sizeof(struct wire_offer) + 24, &(struct wire_case){WIRE_OP_SEND, 1, 1, 0}, 24);
}
static void bytes_after_the_values(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 30);
    o->head.count = 1;
    memcpy(o->payload + sizeof(struct wire_offer), &(struct wire_case){WIRE_OP_SEND, 5, 1, 0}, 24);
}
static void value_to_receive(struct odd *o)
{
    *o = odd(WIRE_OFFER, sizeof(struct wire_offer) + 29);
    o->head.count = 1;
    memcpy(o->payload + sizeof(struct wire_offer), &(struct wire_case){WIRE_OP_RECV, 5, 1, 0}, 24);
}
static void bye_with_no_reason(struct odd *o)
{
    *o = odd(WIRE_BYE, sizeof(struct wire_exit));
    memcpy(o->payload, &(struct wire_exit){0, 17, 0}, sizeof(struct wire_exit));
}
static void bye_for_another(struct odd *o)
{
    *o = odd(WIRE_BYE, sizeof(struct wire_exit));
    memcpy(o->payload, &(struct wire_exit){1, 0, 0}, sizeof(struct wire_exit));
}

static void (*const violations[])(struct odd *) = {
    second_hello,           old_seq,          unknown_op,         value_beyond_the_end, value_of_four_gigabytes,
    bytes_after_the_values, value_to_receive, bye_with_no_reason, bye_for_another};

START_TEST(a_violation_ends_its_process_alone)
{
    uint64_t c = make(run.root, 1, 100);
    struct odd o = odd(WIRE_STAT, 0);
    struct speaker *s = colleague(c, SEND, 0, 0);
    drop(run.root, c, SEND);
    violations[_i](&o);
    say_odd(s, &o);
    ck_assert(silent(s));
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPIPE);
    ck_assert_int_eq(why(run.root, c).how, 2);
    say(s, WIRE_STAT, (struct wire_head){.seq = 2000}, NULL, 0); /* nothing more is answered */
    ck_assert(silent(s));
    goes_on();
}
END_TEST

START_TEST(a_second_offer_is_a_violation)
{
    uint64_t c = make(run.root, 0, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    OFFER(s, 0, ON_SEND(c, "v"));
    OFFER(s, 0, ON_SEND(c, "v"));
    ck_assert(silent(s));
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
    goes_on();
}
END_TEST

START_TEST(a_request_while_an_offer_waits_is_a_violation)
{
    uint64_t c = make(run.root, 0, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    OFFER(s, 0, ON_SEND(c, "v"));
    say(s, WIRE_STAT, (struct wire_head){.seq = ++s->seq}, NULL, 0);
    ck_assert(silent(s));
    goes_on();
}
END_TEST

START_TEST(a_put_on_no_stream_is_ignored)
{
    uint64_t c = make(run.root, 1, 100);
    put(run.root, c, 0, 0, 'a', 1, 1);
    put(run.root, 4711, 0, 0, 'a', 1, 1);
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
}
END_TEST

START_TEST(nothing_is_answered_before_hello)
{
    struct speaker *s = speaker_new();
    say(s, WIRE_STAT, (struct wire_head){.seq = 1}, NULL, 0);
    OFFER(s, 0, ON_RECV(1));
    ck_assert(silent(s));
    goes_on();
}
END_TEST

START_TEST(a_frame_in_parts_is_dropped)
{
    struct speaker *s = another_line(run.root);
    struct odd o = odd(WIRE_STAT, 0);
    zmq_send(s->socket, &o.head, sizeof o.head, ZMQ_SNDMORE);
    zmq_send(s->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(s->socket, &o.head, sizeof o.head, 0);
    ck_assert(silent(s));
    ck_assert_uint_gt(ask(s, WIRE_STAT, (struct wire_head){0}, NULL, 0).size, 0);
}
END_TEST

START_TEST(an_empty_frame_is_dropped)
{
    struct speaker *s = another_line(run.root);
    zmq_send(s->socket, "", 0, 0);
    ck_assert_uint_gt(ask(s, WIRE_STAT, (struct wire_head){0}, NULL, 0).size, 0);
}
END_TEST

START_TEST(a_peer_with_an_identity_of_its_own_choice_is_not_heard)
{
    char at[128];
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_ROUTING_ID, "\1abcd", 5);
    snprintf(at, sizeof at, "ipc://%s/broker", run.dir);
    zmq_connect(socket, at);
    struct speaker chosen = {.context = context, .socket = socket};
    struct odd o = odd(WIRE_HELLO, sizeof(struct wire_hello));
    say_odd(&chosen, &o);
    ck_assert(silent(&chosen));
    goes_on();
}
END_TEST

/* Bytes on the socket that are no ZeroMQ at all, or only begin to be. */
static void raw(const void *bytes, size_t size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    ck_assert_int_lt(snprintf(at.sun_path, sizeof at.sun_path, "%s/broker", run.dir), (int)sizeof at.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_ge(send(fd, bytes, size, MSG_NOSIGNAL), 0);
    close(fd);
}

START_TEST(bytes_that_are_no_zeromq_do_no_harm)
{
    static const unsigned char old[] = {1, 0, 6, 0, 'h', 'e', 'l', 'l', 'o'}; /* what libzmq takes for ZMTP 1.0 */
    unsigned char noise[512];
    raw(old, sizeof old);
    raw("GET / HTTP/1.0\r\n\r\n", 18);
    raw("\xff\0\0\0\0\0\0\0\1\x7f\3", 11);
    raw("", 0);
    srand(7);
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (unsigned char)rand();
        raw(noise, (size_t)rand() % sizeof noise);
    }
    goes_on();
}
END_TEST

/* Random payloads under good headers: all that a process may say in one, half of it nonsense. */
START_TEST(random_frames_do_no_harm)
{
    srand((unsigned)_i + 1);
    struct speaker *s = NULL;
    uint64_t c = declare("lines", 2, WIRE_CLOSE_NEVER), seq = 0;
    for (int i = 0; i < 4000; i++) {
        if (i % 20 == 0) { /* a violation ends it sooner or later */
            if (s != NULL)
                speaker_free(s);
            s = colleague(c, SEND | RECV, 0, 0);
            seq = s->seq;
        }
        struct odd o = odd((enum wire_type)(2 + rand() % (WIRE_TO_BROKER_END - 2)), (size_t)rand() % 128);
        if (o.head.type == WIRE_PROGRAM) /* which would have groups killed that are not ours */
            continue;
        o.head.seq = ++seq;
        o.head.count = (uint32_t)(rand() % 4);
        if (o.head.type == WIRE_CANCEL)
            o.head.count |= WIRE_ONE_SCOPE; /* the root is this process, and would be killed */
        o.head.channel = (uint64_t)(rand() % 3);
        o.head.flags = (uint16_t)(rand() % 4 == 0 ? 1u << rand() % 8 : 0);
        for (size_t k = 0; k < o.size; k++)
            o.payload[k] = (unsigned char)(rand() % 3 == 0 ? rand() : rand() % 3);
        if (o.head.type == WIRE_STARTED && o.size >= 12)
            memset(o.payload + 8, 0, 4); /* nor processes */
        if (o.head.type == WIRE_ANNOUNCE && o.size >= 16)
            memset(o.payload + offsetof(struct wire_announce, pid), 0, 4);
        say_odd(s, &o);
    }
    goes_on();
}
END_TEST

Suite *frames_suite(void)
{
    Suite *s = suite_create("frames");
    TCase *t = tcase_create("frames");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_loop_test(t, a_bad_frame_is_dropped, 0, sizeof dropped / sizeof dropped[0]);
    tcase_add_loop_test(t, a_violation_ends_its_process_alone, 0, sizeof violations / sizeof violations[0]);
    tcase_add_test(t, a_second_offer_is_a_violation);
    tcase_add_test(t, a_request_while_an_offer_waits_is_a_violation);
    tcase_add_test(t, a_put_on_no_stream_is_ignored);
    tcase_add_test(t, nothing_is_answered_before_hello);
    tcase_add_test(t, a_frame_in_parts_is_dropped);
    tcase_add_test(t, an_empty_frame_is_dropped);
    tcase_add_test(t, a_peer_with_an_identity_of_its_own_choice_is_not_heard);
    tcase_add_test(t, bytes_that_are_no_zeromq_do_no_harm);
    tcase_add_loop_test(t, random_frames_do_no_harm, 0, 5);
    suite_add_tcase(s, t);
    return s;
}
