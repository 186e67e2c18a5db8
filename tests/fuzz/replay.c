/* SPDX-License-Identifier: MPL-2.0 */
/* The replay of a record that somebody has been at. Decision: the record is that of the very run which is then replayed
 * (course.h), with some edits: so it fits up to any place, and each check is met where it matters;
 * one that was made up would be departed from in its second line. The input is the number
 * of bytes that say what is edited, those, and the course. */
#include "broker/record.h"
#include "course.h"
#include "sane.h"
#include "world.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_TEXT = 1 << 17, MOST_EDITS = 8 };

static const char record_path[] = "/record", replay_path[] = "/replay";
static char text[MOST_TEXT];
static size_t size;
static int out = -1; /* the record that is written */
static bool departed;

/* ---- files ------------------------------------------------------------------------------------------------------- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(list, unsigned) : 0;
    va_end(list);
    if (strcmp(path, record_path) != 0)
        return __real_open(path, flags, mode);
    return out = __real_open("/dev/null", O_WRONLY | O_CLOEXEC);
}

ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n)
{
    if (fd != out)
        return __real_write(fd, from, n);
    n = n < MOST_TEXT - size ? n : MOST_TEXT - size;
    memcpy(text + size, from, n);
    size += n;
    return (ssize_t)n;
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
    return strcmp(path, replay_path) == 0 ? fmemopen(text, size, mode) : __real_fopen(path, mode);
}

/* The broker waits for a page that shows less than was recorded. */
int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    world_pass(INT64_C(1000000000));
    return 0;
}

/* ---- edits ------------------------------------------------------------------------------------------------------- */

struct piece {
    size_t at, length;
};

static void replace(struct piece old, const void *by, size_t n)
{
    if (size - old.length + n > MOST_TEXT)
        return;
    char copy[512];
    n = n < sizeof copy ? n : sizeof copy;
    memcpy(copy, by, n); /* it may be in the text */
    memmove(text + old.at + n, text + old.at + old.length, size - old.at - old.length);
    memcpy(text + old.at, copy, n);
    size = size - old.length + n;
}

/* The n-th line, with its end; it is counted from the first again behind the last. */
static struct piece line(unsigned n)
{
    unsigned lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    if (lines == 0)
        return (struct piece){0, size};
    n %= lines;
    struct piece p = {0, 0};
    for (; n > 0; n--)
        p.at = (size_t)((char *)memchr(text + p.at, '\n', size - p.at) - text) + 1;
    p.length = (size_t)((char *)memchr(text + p.at, '\n', size - p.at) - text) + 1 - p.at;
    return p;
}

/* The n-th field of a line, at most the last one. */
static struct piece field(struct piece of, unsigned n)
{
    struct piece p = {of.at, 0};
    size_t end = of.at + of.length;
    for (;; n--) {
        p.length = 0;
        while (p.at + p.length < end && text[p.at + p.length] != ' ' && text[p.at + p.length] != '\n')
            p.length++;
        if (n == 0 || p.at + p.length >= end || text[p.at + p.length] == '\n')
            return p;
        p.at += p.length + 1;
    }
}

static void edit_field(struct bytes *in, struct piece of)
{
    static const char *const words[] = {"0",
                                        "1",
                                        "2",
                                        "3",
                                        "4",
                                        "5",
                                        "9",
                                        "-",
                                        "-1",
                                        "",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "18446744073709551615",
                                        "4294967296",
                                        "2147483648",
                                        "999999999999999999999999",
                                        "0000000000000000",
                                        "x",
                                        "frame",
                                        "hello",
                                        "death",
                                        "gone",
                                        "expire",
                                        "deadlock",
                                        "draw",
                                        "commit",
                                        "deliver",
                                        "took",
                                        "return",
                                        "settled",
                                        "buried",
                                        "csp-record",
                                        "TOOK",
                                        "PUT",
                                        "OFFER",
                                        "ACK",
                                        "HELLO",
                                        "1152921504606846976",
                                        "1000000000000",
                                        "1000000001000",
                                        "1003600000000000",
                                        "OFFER-OFFER-OFFER-OFFER",
                                        " 1",
                                        "%s%n"};
    struct piece p = field(of, bytes_below(in, 12));
    const char *word = BYTES_OF(in, words);
    replace(p, word, strlen(word));
}

static void edit(struct bytes *in)
{
    enum { FIELD = 8, REMOVE = 10, DOUBLE, SWAP, BYTE, BYTES, CUT, EDITS };
    unsigned what = bytes_below(in, EDITS), first = bytes_next(in);
    struct piece p = line(first + 256u * bytes_below(in, 4)), next;
    if (what < FIELD)
        edit_field(in, p);
    else if (what < REMOVE)
        replace(p, "", 0);
    else if (what == DOUBLE)
        replace((struct piece){p.at, 0}, text + p.at, p.length);
    else if (what == SWAP && (next = line(first + 1)).at > p.at) {
        char copy[512];
        size_t n = next.length < sizeof copy ? next.length : sizeof copy;
        memcpy(copy, text + next.at, n);
        replace(next, "", 0);
        replace((struct piece){p.at, 0}, copy, n);
    } else if (what == BYTE) {
        p.at += bytes_next(in) % (p.length != 0 ? p.length : 1);
        uint8_t byte = bytes_next(in);
        replace((struct piece){p.at, p.at < size}, &byte, 1);
    } else if (what == BYTES) {
        size_t n = bytes_next(in);
        n = n < (size_t)(in->end - in->at) ? n : (size_t)(in->end - in->at);
        replace((struct piece){p.at, 0}, in->at, n);
        in->at += n;
    } else if (what == CUT)
        size = p.at + bytes_next(in) % (p.length != 0 ? p.length : 1);
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static void open_record(struct broker *b)
{
    char why[256];
    size = 0;
    HOLD(record_open(b, "1", record_path, NULL, why, sizeof why) == 0);
}

static void open_replay(struct broker *b)
{
    char why[256] = "";
    departed = false;
    if (record_open(b, NULL, NULL, replay_path, why, sizeof why) == 0)
        return;
    HOLD(why[0] != '\0');
    record_close(b); /* it would not be begun */
}

/* What was held is handled when the run has departed. */
static void look(struct broker *b)
{
    sane(b);
    bool held = !list_empty(&b->strangers);
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        for (const struct list *at = p->lines.next; at != &p->lines; at = at->next)
            held |= !list_empty(&LIST_OWNER(at, const struct line, node)->held);
    }
    HOLD(!held || !departed);
    departed = !record_replays(b);
}

static void close_(struct broker *b)
{
    record_close(b);
    out = -1;
    replay_forget(&b->strangers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct course recorded = {
        .last_pass = INT64_C(20000000000), .patience = 0, .open = open_record, .close = close_};
    static const struct course replayed = {
        .last_pass = INT64_C(20000000000), .patience = 6, .open = open_replay, .look = look, .close = close_};
    struct bytes in = {data, data + length};
    size_t n = bytes_next(&in), left = (size_t)(in.end - in.at);
    n = n < left ? n : left;
    struct bytes edits = {in.at, in.at + n};
    in.at = edits.end;
    course_run(&recorded, in);
    for (unsigned i = 0; i < MOST_EDITS && edits.at < edits.end; i++)
        edit(&edits);
    course_run(&replayed, in);
    return 0;
}
