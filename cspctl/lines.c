/* SPDX-License-Identifier: MPL-2.0 */
/* Each line leaves by one call of the writer where it is short, prefix, text and newline together, so that a line is
 * one write(2) and stays whole beside other programs that write to the same terminal. */
#include "lines.h"

#include <string.h>

#define PREFIX_LIMIT 512

static void log_line(const struct lines *l, const char *text, size_t size, const char *end, lines_write *out, void *arg)
{
    char whole[PREFIX_LIMIT + LINES_LIMIT + sizeof LINES_MORE + 1];
    char *to = mempcpy(whole, l->prefix, strnlen(l->prefix, PREFIX_LIMIT));

    to = mempcpy(to, text, size);
    to = mempcpy(to, end, strlen(end));
    out(arg, whole, (size_t)(to - whole));
}

/* Add to what is held; log lines that are full go as pieces. */
static void log_hold(struct lines *l, const char *text, size_t size, lines_write *out, void *arg)
{
    while (l->held + size > LINES_LIMIT) {
        size_t part = LINES_LIMIT - l->held;
        memcpy(l->line + l->held, text, part);
        log_line(l, l->line, LINES_LIMIT, LINES_MORE "\n", out, arg);
        l->held = 0;
        text += part;
        size -= part;
    }
    memcpy(l->line + l->held, text, size);
    l->held += size;
}

static void log_feed(struct lines *l, const char *text, size_t size, lines_write *out, void *arg)
{
    const char *end;

    while (size > 0 && (end = memchr(text, '\n', size)) != NULL) {
        size_t n = (size_t)(end - text);
        log_hold(l, text, n, out, arg);
        log_line(l, l->line, l->held, "\n", out, arg);
        l->held = 0;
        text += n + 1;
        size -= n + 1;
    }
    log_hold(l, text, size, out, arg);
}

static void release(struct lines *l, lines_write *out, void *arg)
{
    if (l->held > 0)
        out(arg, l->line, l->held);
    l->held = 0;
}

static void data_feed(struct lines *l, const char *text, size_t size, lines_write *out, void *arg)
{
    const char *last = memrchr(text, '\n', size);

    if (last != NULL) {
        size_t n = (size_t)(last - text) + 1;
        release(l, out, arg);
        out(arg, text, n);
        l->open = false;
        text += n;
        size -= n;
    }
    if (!l->open && l->held + size <= LINES_LIMIT) {
        memcpy(l->line + l->held, text, size);
        l->held += size;
        return;
    }
    release(l, out, arg);
    out(arg, text, size);
    l->open = true;
}

void lines_feed(struct lines *l, const char *text, size_t size, lines_write *out, void *arg)
{
    if (size == 0)
        return;
    if (l->data)
        data_feed(l, text, size, out, arg);
    else
        log_feed(l, text, size, out, arg);
}

void lines_end(struct lines *l, lines_write *out, void *arg)
{
    if (l->held > 0)
        log_line(&(struct lines){.prefix = l->data ? "" : l->prefix}, l->line, l->held, "\n", out, arg);
    else if (l->open)
        out(arg, "\n", 1);
    l->held = 0;
    l->open = false;
}
