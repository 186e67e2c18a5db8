/* SPDX-License-Identifier: MPL-2.0 */
/* The pure parts of the bridge: cutting bytes into values, writing values as bytes, counting what was not read. Each
 * stream of bytes is fed in pieces of several sizes, so that every cut falls at every place once. */
#include "../../workers/exec/ending.h"
#include "../../workers/exec/renderer.h"
#include "../../workers/exec/request.h"
#include "../../workers/exec/splitter.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

Suite *records_suite(void);

/* ---- helpers ---------------------------------------------------------------------------------------------------- */

struct bytes {
    char *p;
    size_t n, cap;
    unsigned writes;
};

static int append(void *arg, const char *p, size_t n)
{
    struct bytes *b = arg;
    if (b->n + n > b->cap) {
        b->cap = (b->n + n) * 2;
        b->p = realloc(b->p, b->cap);
        ck_assert_ptr_nonnull(b->p);
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->writes++;
    return 0;
}

/* The block goes, with its memory or without. */
static void pass(struct splitter *s, struct renderer *r, bool with_memory)
{
    csp__block b;
    size_t size = 0;
    splitter_block(s, &b);
    char *memory = with_memory ? splitter_give(s, &size) : NULL;
    ck_assert(with_memory == (memory != NULL));
    if (memory != NULL) {
        ck_assert_ptr_eq(b.data, memory + CSP__HEAD_ROOM);
        ck_assert_uint_le(CSP__HEAD_ROOM + b.len, size);
        memset(memory + CSP__HEAD_ROOM + b.len, 0xee, size - CSP__HEAD_ROOM - b.len); /* where the lengths may go */
    }
    ck_assert_int_eq(renderer_block(r, &b), 0);
    if (memory == NULL)
        splitter_sent(s);
    free(memory);
}

/* Splits `in`, read in pieces, renders each block at once, and gives what comes out. Every other block goes with its
 * memory. */
static struct bytes through(const char *in, size_t n, size_t piece, enum framing from, enum framing to)
{
    struct bytes out = {0};
    bool with_memory = false;
    struct splitter s;
    struct renderer r;
    csp__block b;
    ck_assert_int_eq(splitter_init(&s, from, 64u << 20), 0);
    renderer_init(&r, to, append, &out);
    for (size_t at = 0; at < n;) {
        size_t room;
        char *to_read = splitter_space(&s, &room);
        ck_assert_ptr_nonnull(to_read);
        if (room > piece)
            room = piece;
        if (room > n - at)
            room = n - at;
        if (room != 0)
            memcpy(to_read, in + at, room);
        at += room;
        ck_assert_int_eq(splitter_added(&s, room), 0);
        pass(&s, &r, with_memory);
        with_memory = !with_memory;
    }
    int left = splitter_end(&s, &b);
    ck_assert_int_ge(left, 0);
    if (left == 1)
        ck_assert_int_eq(renderer_block(&r, &b), 0);
    renderer_free(&r);
    splitter_free(&s);
    return out;
}

static void expect(const char *in, size_t n, enum framing from, enum framing to, const char *want, size_t len)
{
    static const size_t pieces[] = {1, 2, 3, 5, 7, 4096, EXEC_BLOCK, 1u << 30};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        if (n > 100000 && pieces[i] < 4096)
            continue;
        struct bytes out = through(in, n, pieces[i], from, to);
        ck_assert_uint_eq(out.n, len);
        if (len != 0)
            ck_assert_mem_eq(out.p, want, len);
        free(out.p);
    }
}
#define EXPECT(in, from, to, want) expect(in, sizeof(in) - 1, from, to, want, sizeof(want) - 1)

/* Reads `in` whole; the number of values, their lengths, what is left. */
static size_t split(struct splitter *s, const char *in, size_t n)
{
    csp__block b;
    for (size_t at = 0; at < n;) {
        size_t room;
        char *p = splitter_space(s, &room);
        ck_assert_uint_gt(room, 0);
        if (room > n - at)
            room = n - at;
        memcpy(p, in + at, room);
        at += room;
        ck_assert_int_eq(splitter_added(s, room), 0);
    }
    return splitter_block(s, &b);
}

static csp__block block_of(const char *data, size_t len, const uint32_t *lengths, size_t count, int gap)
{
    return (csp__block){.data = data, .len = len, .lengths = lengths, .count = count, .gap = gap};
}

/* ---- splitting and writing back --------------------------------------------------------------------------------- */

START_TEST(lines_are_byte_exact)
{
    EXPECT("", FRAMING_LINE, FRAMING_LINE, "");
    EXPECT("\n", FRAMING_LINE, FRAMING_LINE, "\n");
    EXPECT("\n\n\n", FRAMING_LINE, FRAMING_LINE, "\n\n\n");
    EXPECT("one\ntwo\nthree\n", FRAMING_LINE, FRAMING_LINE, "one\ntwo\nthree\n");
    EXPECT("one\ntwo\nthree", FRAMING_LINE, FRAMING_LINE, "one\ntwo\nthree");
    EXPECT("\0a\0\n\xff\xfe\r\n\0", FRAMING_LINE, FRAMING_LINE, "\0a\0\n\xff\xfe\r\n\0");
}
END_TEST

START_TEST(nul_is_byte_exact)
{
    EXPECT("", FRAMING_NUL, FRAMING_NUL, "");
    EXPECT("\0", FRAMING_NUL, FRAMING_NUL, "\0");
    EXPECT("a\nb\0\0c\0", FRAMING_NUL, FRAMING_NUL, "a\nb\0\0c\0");
    EXPECT("a\nb\0\0c", FRAMING_NUL, FRAMING_NUL, "a\nb\0\0c");
}
END_TEST

START_TEST(length_is_byte_exact)
{
    EXPECT("", FRAMING_LENGTH, FRAMING_LENGTH, "");
    EXPECT("\0\0\0\0", FRAMING_LENGTH, FRAMING_LENGTH, "\0\0\0\0");
    EXPECT("\0\0\0\3a\nb\0\0\0\0\0\0\0\1\0", FRAMING_LENGTH, FRAMING_LENGTH, "\0\0\0\3a\nb\0\0\0\0\0\0\0\1\0");
}
END_TEST

START_TEST(whole_is_one_value)
{
    struct splitter s;
    csp__block b;
    ck_assert_int_eq(splitter_init(&s, FRAMING_WHOLE, 100), 0);
    ck_assert_uint_eq(split(&s, "a\nb\n", 4), 0);
    ck_assert_int_eq(splitter_end(&s, &b), 1);
    ck_assert_uint_eq(b.count, 1);
    ck_assert_uint_eq(b.len, 4);
    ck_assert_int_eq(b.gap, 0);
    ck_assert_mem_eq(b.data, "a\nb\n", 4);
    splitter_free(&s);
    ck_assert_int_eq(splitter_init(&s, FRAMING_WHOLE, 100), 0);
    ck_assert_int_eq(splitter_end(&s, &b), 1); /* nothing at all is a value too */
    ck_assert_uint_eq(b.len, 0);
    splitter_free(&s);
    EXPECT("a\nb", FRAMING_WHOLE, FRAMING_WHOLE, "a\nb");
}
END_TEST

START_TEST(framings_are_converted)
{
    EXPECT("a\nbc\n\n", FRAMING_LINE, FRAMING_NUL, "a\0bc\0\0");
    EXPECT("a\nbc", FRAMING_LINE, FRAMING_NUL, "a\0bc\0"); /* what lacked a newline does not lack a \0 */
    EXPECT("a\0bc\0", FRAMING_NUL, FRAMING_LINE, "a\nbc\n");
    EXPECT("a\nbc\n", FRAMING_LINE, FRAMING_LENGTH, "\0\0\0\1a\0\0\0\2bc");
    EXPECT("\0\0\0\1a\0\0\0\2bc", FRAMING_LENGTH, FRAMING_LINE, "a\nbc\n");
    EXPECT("a\nbc\n", FRAMING_LINE, FRAMING_WHOLE, "abc");
    EXPECT("a\nbc\n", FRAMING_WHOLE, FRAMING_LINE, "a\nbc\n\n");
    EXPECT("", FRAMING_WHOLE, FRAMING_LENGTH, "\0\0\0\0");
}
END_TEST

START_TEST(large_values_pass)
{
    size_t n = (3u << 20) + 17;
    char *in = malloc(n);
    ck_assert_ptr_nonnull(in);
    for (size_t i = 0; i < n; i++)
        in[i] = (char)('a' + i % 23);
    in[1000] = in[1u << 20] = in[(2u << 20) - 1] = in[2u << 20] = '\n';
    expect(in, n, FRAMING_LINE, FRAMING_LINE, in, n);
    expect(in, n, FRAMING_WHOLE, FRAMING_WHOLE, in, n);
    free(in);
}
END_TEST

/* Many more values in one block than the array of lengths has at first, and blocks that fill the buffer to its end. */
START_TEST(small_values_fill_blocks)
{
    size_t n = EXEC_BLOCK * 3 + 5;
    char *in = calloc(n, 1);
    ck_assert_ptr_nonnull(in);
    expect(in, n, FRAMING_NUL, FRAMING_NUL, in, n);
    memset(in, '\n', n);
    expect(in, n, FRAMING_LINE, FRAMING_LINE, in, n);
    free(in);
}
END_TEST

/* Ends of every density, found in pieces of every size, with few places for lengths. */
START_TEST(ends_are_found_where_memchr_finds_them)
{
    enum { BYTES = 5000 };
    static char in[BYTES];
    uint32_t random = 12345;
    const uint32_t density = 1u << (2 * _i); /* one of so many bytes is an end */
    for (size_t i = 0; i < BYTES; i++) {
        random = random * 1664525 + 1013904223;
        in[i] = (random >> 8) % density == 0 ? '\n' : (char)(random >> 16 | 0x80);
    }
    for (size_t piece = 1; piece < 700; piece += 1 + piece / 3) {
        struct ends e = {.buf = in, .room = 0};
        while (e.fill < BYTES) {
            e.fill = e.fill + piece < BYTES ? e.fill + piece : BYTES;
            while (ends_find(&e, '\n') == 0) {
                e.room += ENDS_AHEAD / 3;
                e.lengths = realloc(e.lengths, e.room * sizeof *e.lengths);
                ck_assert_ptr_nonnull(e.lengths);
            }
            ck_assert_uint_eq(e.scan, e.fill);
            if (e.lengths == NULL) /* no place was needed */
                ck_assert_ptr_null(memchr(in, '\n', e.fill));
        }
        const char *at = in;
        size_t n = 0;
        for (const char *end; (end = memchr(at, '\n', (size_t)(in + BYTES - at))) != NULL; at = end + 1) {
            ck_assert_uint_lt(n, e.count);
            ck_assert_uint_eq(e.lengths[n++], end - at);
        }
        ck_assert_uint_eq(n, e.count);
        ck_assert_uint_eq(e.rest, at - in);
        free(e.lengths);
    }
}
END_TEST

START_TEST(a_block_of_lines_is_one_write)
{
    struct bytes out = {0};
    struct renderer r;
    const uint32_t lengths[] = {1, 0, 2};
    csp__block b = block_of("a\n\nbc\n", 6, lengths, 3, 1);
    renderer_init(&r, FRAMING_LINE, append, &out);
    ck_assert_int_eq(renderer_block(&r, &b), 0);
    ck_assert_uint_eq(out.writes, 1);
    ck_assert_uint_eq(out.n, 6);
    renderer_free(&r);
    free(out.p);
}
END_TEST

/* Two senders into one channel: the newline that the first one's last value lacks comes before the second one's. */
START_TEST(an_owed_newline_comes_before_the_next_value)
{
    struct bytes out = {0};
    struct renderer r;
    const uint32_t one[] = {1}, two[] = {1, 1};
    csp__block first = block_of("a\n", 2, one, 1, 1), second = block_of("b\nc\n", 4, two, 2, 1);
    csp__block plain = block_of("d", 1, one, 1, 0);
    first.noeol = 1;
    renderer_init(&r, FRAMING_LINE, append, &out);
    ck_assert_int_eq(renderer_block(&r, &first), 0);
    ck_assert_uint_eq(out.n, 1);
    ck_assert_int_eq(renderer_block(&r, &second), 0);
    ck_assert_int_eq(renderer_block(&r, &first), 0);
    ck_assert_int_eq(renderer_block(&r, &plain), 0);
    ck_assert_int_eq(renderer_block(&r, &first), 0);
    ck_assert_uint_eq(out.n, 11);
    ck_assert_mem_eq(out.p, "a\nb\nc\na\nd\na", 11);
    ck_assert_uint_eq(trail_count(&r.trail, 0), 6);
    ck_assert_uint_eq(trail_count(&r.trail, 11), 0); /* its newline was never written */
    ck_assert_uint_eq(trail_count(&r.trail, 10), 1);
    ck_assert_uint_eq(trail_count(&r.trail, 9), 2);
    renderer_free(&r);
    free(out.p);
}
END_TEST

/* ---- limits ----------------------------------------------------------------------------------------------------- */

static void refuse(enum framing f, const char *in, size_t n, uint64_t record, uint64_t offset, size_t before)
{
    struct splitter s;
    csp__block b;
    size_t room;
    uint64_t at_record, at;
    ck_assert_int_eq(splitter_init(&s, f, 3), 0);
    memcpy(splitter_space(&s, &room), in, n);
    ck_assert_int_eq(splitter_added(&s, n), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_uint_eq(splitter_block(&s, &b), before);
    splitter_place(&s, &at_record, &at);
    ck_assert_uint_eq(at_record, record);
    ck_assert_uint_eq(at, offset);
    splitter_free(&s);
}

START_TEST(too_large_values_have_a_place)
{
    refuse(FRAMING_LINE, "abc\nde\nabcd\n", 12, 3, 7, 2);
    refuse(FRAMING_LINE, "abc\nde\nabcd", 11, 3, 7, 2); /* before its end is seen */
    refuse(FRAMING_NUL, "abcd", 4, 1, 0, 0);
    refuse(FRAMING_LENGTH, "\0\0\0\1a\0\0\0\4", 9, 2, 5, 1); /* by its prefix alone */
    refuse(FRAMING_WHOLE, "abcd", 4, 1, 0, 0);
}
END_TEST

START_TEST(places_count_over_blocks)
{
    struct splitter s;
    size_t room;
    uint64_t record, at;
    ck_assert_int_eq(splitter_init(&s, FRAMING_LINE, 3), 0);
    ck_assert_uint_eq(split(&s, "a\nb\nc", 5), 2);
    splitter_sent(&s);
    memcpy(splitter_space(&s, &room), "\nabcd", 5);
    ck_assert_int_eq(splitter_added(&s, 5), -1);
    splitter_place(&s, &record, &at);
    ck_assert_uint_eq(record, 4);
    ck_assert_uint_eq(at, 6);
    splitter_free(&s);
}
END_TEST

START_TEST(a_value_of_the_limit_passes)
{
    struct splitter s;
    csp__block b;
    ck_assert_int_eq(splitter_init(&s, FRAMING_LINE, 3), 0);
    ck_assert_uint_eq(split(&s, "abc\nabc", 7), 1);
    splitter_sent(&s);
    ck_assert_int_eq(splitter_end(&s, &b), 1);
    ck_assert_uint_eq(csp__block_length(&b, 0), 3);
    ck_assert_int_eq(b.noeol, 1);
    splitter_free(&s);
}
END_TEST

START_TEST(a_cut_length_is_an_error)
{
    static const char cut[][8] = {"\0\0\0", "\0\0\0\2a"};
    static const size_t n[] = {3, 5};
    for (size_t i = 0; i < 2; i++) {
        struct splitter s;
        csp__block b;
        ck_assert_int_eq(splitter_init(&s, FRAMING_LENGTH, 10), 0);
        ck_assert_uint_eq(split(&s, cut[i], n[i]), 0);
        ck_assert_int_eq(splitter_end(&s, &b), -1);
        ck_assert_int_eq(errno, EBADMSG);
        splitter_free(&s);
    }
}
END_TEST

/* ---- the trail -------------------------------------------------------------------------------------------------- */

START_TEST(the_trail_counts_what_is_unread)
{
    struct trail t = {0};
    const uint32_t ten = 10;
    for (uint32_t i = 0; i < 5000; i++) {
        ck_assert_int_eq(trail_add(&t, &ten, 1, 0, 0, 0), 0);
        trail_forget(&t, (uint64_t)i * 10 >= 20000 ? (uint64_t)i * 10 - 20000 : 0);
    }
    ck_assert_uint_eq(trail_count(&t, 50000), 0);
    ck_assert_uint_eq(trail_count(&t, 49999), 1);
    ck_assert_uint_eq(trail_count(&t, 49990), 1);
    ck_assert_uint_eq(trail_count(&t, 49989), 2);
    ck_assert_uint_eq(trail_count(&t, 40000), 1000);
    ck_assert_uint_eq(trail_untouched(&t, 40000), 1000);
    ck_assert_uint_eq(trail_untouched(&t, 40001), 999);
    ck_assert_uint_eq(trail_untouched(&t, 49990), 1);
    ck_assert_uint_eq(trail_untouched(&t, 49991), 0);
    ck_assert_uint_le(t.cap, 4096); /* what was forgotten takes no room */
    trail_free(&t);
    ck_assert_uint_eq(trail_count(&t, 0), 0);
}
END_TEST

/* Blocks go whole, around the end of the ring too, and what is left is counted to the value. */
START_TEST(the_trail_goes_by_blocks)
{
    struct trail t = {0};
    uint32_t lengths[700];
    uint64_t end = 0;
    for (size_t i = 0; i < 700; i++)
        lengths[i] = 1 + (uint32_t)i % 7;
    for (unsigned round = 0; round < 50; round++) {
        uint64_t before = end;
        size_t n = 300 + round * 8;
        ck_assert_int_eq(trail_add(&t, lengths, n, 1, round % 2, round % 3 == 0), 0);
        for (size_t i = 0; i < n; i++)
            end += lengths[i] + 1;
        end += round % 2;
        end -= round % 3 == 0;
        ck_assert_uint_eq(trail_count(&t, before), n);
        ck_assert_uint_eq(trail_count(&t, before + 2 + round % 2), n - 1);
        ck_assert_uint_eq(trail_count(&t, end - 1), 1);
        ck_assert_uint_eq(trail_count(&t, end), 0);
        trail_forget(&t, before);
        ck_assert_uint_eq(t.n, n);
    }
    ck_assert_uint_le(t.cap, 2048);
    trail_free(&t);
}
END_TEST

/* ---- requests and endings --------------------------------------------------------------------------------------- */

static int request(const char *text, csp_time *by, const char **words, size_t *len)
{
    const csp_msg m = {.data = (void *)text, .len = strlen(text)};
    return request_read(&m, by, words, len);
}

START_TEST(requests_are_read)
{
    csp_time by = 0;
    const char *words = NULL;
    size_t len = 0;
    ck_assert_int_eq(request("1234 two words", &by, &words, &len), 0);
    ck_assert_int_eq(by, 1234);
    ck_assert_uint_eq(len, 9);
    ck_assert_mem_eq(words, "two words", 9);
    ck_assert_int_eq(request("5 ", &by, &words, &len), 0);
    ck_assert_uint_eq(len, 0);
    static const char *const no[] = {"", "5", "words", " 5 a", "-1 a", "5 a\nb", "99999999999999999999 a"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        ck_assert_int_eq(request(no[i], &by, &words, &len), -1);
}
END_TEST

#define EXITED(code) ((code) << 8)
static const struct {
    struct facts f;
    int bye, how, code, exit_status;
} endings[] = {
    {{.status = EXITED(0), .success = {1}}, CSP_CLEAN, CSP_CLEAN, 0, 0},
    {{.status = EXITED(1), .success = {1}}, CSP_CODE, CSP_CODE, 1, 1},
    {{.status = EXITED(1), .success = {1, 1}}, CSP_CLEAN, CSP_CLEAN, 0, 0},
    {{.status = SIGSEGV, .success = {1}}, CSP_SIGNAL, CSP_SIGNAL, SIGSEGV, 128 + SIGSEGV},
    {{.status = SIGPIPE, .success = {1}}, CSP_SIGNAL, CSP_SIGNAL, SIGPIPE, 128 + SIGPIPE},
    {{.status = SIGPIPE, .unheard = true}, CSP_CLEAN, CSP_CLEAN, 0, 0},
    {{.status = EXITED(4), .unheard = true}, CSP_CLEAN, CSP_CLEAN, 0, 0},
    {{.status = SIGSEGV, .unheard = true}, CSP_SIGNAL, CSP_SIGNAL, SIGSEGV, 128 + SIGSEGV},
    {{.status = SIGTERM, .drained = true}, CSP_CLEAN, CSP_CANCELLED, 0, 128 + SIGTERM},
    {{.status = SIGKILL, .drained = true, .cause = CAUSE_GRACE}, CSP_CANCELLED, CSP_CANCELLED, 0, 128 + SIGKILL},
    {{.status = SIGKILL, .cause = CAUSE_CUT}, CSP_CANCELLED, CSP_CANCELLED, 0, 128 + SIGKILL},
    {{.status = EXITED(0), .success = {1}, .cause = CAUSE_CUT}, CSP_CLEAN, CSP_CLEAN, 0, 0},
    {{.status = EXITED(0), .success = {1}, .cause = CAUSE_CUT, .late = true}, CSP_CANCELLED, CSP_CANCELLED, 0, 137},
    {{.status = EXITED(0), .success = {1}, .cause = CAUSE_BAD}, CSP_CODE, CSP_CODE, 65, 65},
    {{.status = SIGKILL, .cause = CAUSE_FAULT}, CSP_CODE, CSP_CODE, 71, 71},
    {{.status = EXITED(0), .success = {1}, .abandoned = true}, CSP_CANCELLED, CSP_CANCELLED, 0, 137},
    {{.status = EXITED(0), .success = {1}, .lost = true}, CSP_CANCELLED, CSP_CANCELLED, 0, 143},
    {{.status = EXITED(3), .success = {1}, .lost = true}, CSP_CODE, CSP_CODE, 3, 3},
};

START_TEST(endings_are_judged)
{
    struct ending e = ending_of(&endings[_i].f);
    ck_assert_int_eq(e.bye.how, endings[_i].bye);
    ck_assert_int_eq(e.how, endings[_i].how);
    ck_assert_int_eq(e.code, endings[_i].code);
    ck_assert_int_eq(e.exit_status, endings[_i].exit_status);
}
END_TEST

Suite *records_suite(void)
{
    Suite *s = suite_create("records");
    TCase *t = tcase_create("records");
    tcase_add_test(t, lines_are_byte_exact);
    tcase_add_test(t, nul_is_byte_exact);
    tcase_add_test(t, length_is_byte_exact);
    tcase_add_test(t, whole_is_one_value);
    tcase_add_test(t, framings_are_converted);
    tcase_add_test(t, large_values_pass);
    tcase_add_test(t, small_values_fill_blocks);
    tcase_add_loop_test(t, ends_are_found_where_memchr_finds_them, 0, 6);
    tcase_add_test(t, a_block_of_lines_is_one_write);
    tcase_add_test(t, an_owed_newline_comes_before_the_next_value);
    tcase_add_test(t, too_large_values_have_a_place);
    tcase_add_test(t, places_count_over_blocks);
    tcase_add_test(t, a_value_of_the_limit_passes);
    tcase_add_test(t, a_cut_length_is_an_error);
    tcase_add_test(t, the_trail_counts_what_is_unread);
    tcase_add_test(t, the_trail_goes_by_blocks);
    tcase_add_test(t, requests_are_read);
    tcase_add_loop_test(t, endings_are_judged, 0, sizeof endings / sizeof *endings);
    suite_add_tcase(s, t);
    return s;
}
