/* SPDX-License-Identifier: MPL-2.0 */
/* Frames that must be refused before any handler sees them. */
#include "../../libipc/wire.h"

#include <check.h>
#include <errno.h>
#include <string.h>

Suite *wire_suite(void);

static unsigned char frame[4096];

/* A frame with a payload of zeros. */
static size_t build(enum wire_type type, unsigned flags, uint32_t count, size_t length)
{
    struct wire_head h = wire_head(type, flags, length);
    h.count = count;
    memset(frame, 0, sizeof frame);
    memcpy(frame, &h, sizeof h);
    return sizeof h + length;
}

static void refused(size_t size)
{
    struct wire_head h;
    errno = 0;
    ck_assert_int_eq(wire_check(frame, size, &h), -1);
    ck_assert_int_eq(errno, EPROTO);
}

static void accepted(size_t size)
{
    struct wire_head h;
    ck_assert_int_eq(wire_check(frame, size, &h), 0);
}

START_TEST(every_type_has_a_name_and_accepts_its_least_frame)
{
    for (unsigned t = 1; t < WIRE_TO_CALLER_END; t++) {
        if (strcmp(wire_name(t), "?") == 0) {
            refused(build(t, 0, 0, 0));
            continue;
        }
        int accepts = 0;
        for (size_t n = 0; n <= 64; n++) {
            struct wire_head h;
            accepts += wire_check(frame, build(t, 0, 0, n), &h) == 0;
        }
        ck_assert_msg(accepts > 0, "%s accepts no frame", wire_name(t));
    }
}

START_TEST(a_frame_shorter_than_the_header_is_refused)
{
    build(WIRE_STAT, 0, 0, 0);
    for (size_t n = 0; n < sizeof(struct wire_head); n++)
        refused(n);
    accepted(sizeof(struct wire_head));
}

START_TEST(a_length_that_is_not_the_payloads_is_refused)
{
    size_t n = build(WIRE_HELLO, 0, 0, sizeof(struct wire_hello));
    accepted(n);
    refused(n - 1);
    refused(n + 1);
}

START_TEST(every_wrong_byte_of_magic_version_and_type_is_refused)
{
    for (size_t at = 0; at < 6; at++) {
        size_t n = build(WIRE_STAT, 0, 0, 0);
        frame[at] ^= 0x80;
        refused(n);
    }
}

START_TEST(a_flag_that_the_type_does_not_have_is_refused)
{
    accepted(build(WIRE_OFFER, WIRE_NOW | WIRE_ORDERED | WIRE_SHIELD, 0, sizeof(struct wire_offer)));
    refused(build(WIRE_OFFER, WIRE_GAP, 0, sizeof(struct wire_offer)));
    refused(build(WIRE_STAT, WIRE_NOW, 0, 0));
    refused(build(WIRE_PUT, 0x8000, 0, 0));
}

START_TEST(a_count_that_the_payload_cannot_hold_is_refused)
{
    const size_t two = sizeof(struct wire_offer) + 2 * sizeof(struct wire_case);
    accepted(build(WIRE_OFFER, 0, 2, two));
    refused(build(WIRE_OFFER, 0, 3, two));
    refused(build(WIRE_OFFER, 0, WIRE_MAX_CASES + 1, two));
    refused(build(WIRE_PUT, 0, UINT32_MAX, 16));
}

START_TEST(a_block_whose_lengths_do_not_add_up_is_refused)
{
    /* Two values, "abc" and "d", each with a gap, then their lengths. */
    static const unsigned char good[] = {'a', 'b', 'c', '\n', 'd', '\n', 3, 0, 0, 0, 1, 0, 0, 0};
    struct wire_head h = wire_head(WIRE_PUT, WIRE_GAP, sizeof good);
    h.count = 2;
    ck_assert_int_eq(wire_block_data(&h, good), 6);
    ck_assert_uint_eq(wire_block_length(good, 6, 0), 3);
    ck_assert_uint_eq(wire_block_length(good, 6, 1), 1);

    unsigned char bad[sizeof good];
    for (size_t at = 6; at < sizeof good; at++) {
        memcpy(bad, good, sizeof good);
        bad[at] ^= 0x41;
        ck_assert_int_eq(wire_block_data(&h, bad), -1);
    }
    h.flags = 0;
    ck_assert_int_eq(wire_block_data(&h, good), -1);
}

START_TEST(a_block_with_more_lengths_than_bytes_is_refused)
{
    struct wire_head h = wire_head(WIRE_PUT, 0, 8);
    h.count = 3;
    ck_assert_int_eq(wire_block_data(&h, "12345678"), -1);
    h.count = UINT32_MAX;
    ck_assert_int_eq(wire_block_data(&h, "12345678"), -1);
}

START_TEST(every_length_of_a_block_counts)
{
    for (uint32_t n = 1; n < 8; n++) {
        unsigned char block[8 + sizeof(uint32_t) * 8] = {0};
        struct wire_head h = wire_head(WIRE_PUT, 0, n + n * sizeof(uint32_t));
        h.count = n;
        for (uint32_t i = 0; i < n; i++)
            block[n + i * sizeof(uint32_t)] = 1;
        ck_assert_int_eq(wire_block_data(&h, block), n);
        for (size_t at = n; at < h.length; at++) { /* also where the sum is right in 32 bits, or one length too high */
            block[at] ^= 0x80;
            ck_assert_int_eq(wire_block_data(&h, block), -1);
            block[at] ^= 0x80;
        }
    }
}

Suite *wire_suite(void)
{
    Suite *s = suite_create("wire");
    TCase *t = tcase_create("frames");
    tcase_add_test(t, every_type_has_a_name_and_accepts_its_least_frame);
    tcase_add_test(t, a_frame_shorter_than_the_header_is_refused);
    tcase_add_test(t, a_length_that_is_not_the_payloads_is_refused);
    tcase_add_test(t, every_wrong_byte_of_magic_version_and_type_is_refused);
    tcase_add_test(t, a_flag_that_the_type_does_not_have_is_refused);
    tcase_add_test(t, a_count_that_the_payload_cannot_hold_is_refused);
    tcase_add_test(t, a_block_whose_lengths_do_not_add_up_is_refused);
    tcase_add_test(t, a_block_with_more_lengths_than_bytes_is_refused);
    tcase_add_test(t, every_length_of_a_block_counts);
    suite_add_tcase(s, t);
    return s;
}
