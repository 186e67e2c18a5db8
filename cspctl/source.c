/* SPDX-License-Identifier: MPL-2.0 */
/* Places are lines and characters while text is bytes. Two tables join them, of lines and of characters in each block
 * of bytes, so that a place costs the same in a file of one long line (JSON is YAML) as anywhere else. */
#include "source.h"
#include "diagnostic.h"
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct place nowhere = {0, 0};

size_t source_character(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *t = (const unsigned char *)text;
    size_t n = size == 0 ? 0 : t[0] < 0x80 ? 1 : t[0] >> 5 == 6 ? 2 : t[0] >> 4 == 14 ? 3 : t[0] >> 3 == 30 ? 4 : 0;

    if (n == 0 || n > size)
        return 0;
    *code = n == 1 ? t[0] : t[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (t[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (t[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[n] || *code > 0x10ffff || surrogate ? 0 : n;
}

bool source_is_shown(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && !(code >= 0x200e && code <= 0x200f) &&
           !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

/* What YAML calls a break: CR LF, CR, LF, NEL, LS and PS. Returns its length or 0. */
static size_t line_break(const char *text, size_t size)
{
    if (size >= 2 && memcmp(text, "\r\n", 2) == 0)
        return 2;
    if (size >= 1 && (*text == '\r' || *text == '\n'))
        return 1;
    if (size >= 2 && memcmp(text, "\xc2\x85", 2) == 0)
        return 2;
    return size >= 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0) ? 3 : 0;
}

static void add_line(struct source *s, size_t *room, struct line line)
{
    if (s->nlines == *room)
        s->lines = memory_resize(s->lines, (*room *= 2) * sizeof *s->lines);
    s->lines[s->nlines++] = line;
}

static void find_lines(struct source *s)
{
    size_t room = 64, start = 0;

    s->lines = memory_alloc(room * sizeof *s->lines);
    s->nlines = 0;
    for (size_t i = 0; i < s->size;) {
        size_t n = line_break(s->text + i, s->size - i);
        if (n) {
            add_line(s, &room, (struct line){start, i});
            start = i + n;
        }
        i += n ? n : 1;
    }
    add_line(s, &room, (struct line){start, s->size});
}

/* Each byte begins a character but those that continue one. */
static bool begins_character(const struct source *s, size_t offset)
{
    return ((unsigned char)s->text[offset] & 0xc0) != 0x80;
}

static void count_characters(struct source *s)
{
    uint32_t n = 0;

    s->characters = memory_alloc((s->size / SOURCE_BLOCK + 1) * sizeof *s->characters);
    for (size_t i = 0; i <= s->size; i++) {
        if (i % SOURCE_BLOCK == 0)
            s->characters[i / SOURCE_BLOCK] = n;
        if (i < s->size)
            n += begins_character(s, i);
    }
}

static uint32_t characters_before(const struct source *s, size_t offset)
{
    size_t i = offset - offset % SOURCE_BLOCK;
    uint32_t n = s->characters[i / SOURCE_BLOCK];

    for (; i < offset; i++)
        n += begins_character(s, i);
    return n;
}

/* Where the character begins that so many are before. */
static size_t character_offset(const struct source *s, uint32_t nth)
{
    size_t low = 0, high = s->size / SOURCE_BLOCK + 1;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->characters[middle] <= nth)
            low = middle;
        else
            high = middle;
    }
    uint32_t n = s->characters[low];
    size_t i = low * SOURCE_BLOCK;
    for (; i < s->size && (n < nth || !begins_character(s, i)); i++)
        n += begins_character(s, i);
    return i;
}

const char *source_line(const struct source *s, unsigned line, size_t *length)
{
    *length = 0;
    if (line == 0 || line > s->nlines)
        return "";
    *length = s->lines[line - 1].end - s->lines[line - 1].start;
    return s->text + s->lines[line - 1].start;
}

size_t source_offset(const struct source *s, struct place at)
{
    if (at.line == 0 || at.line > s->nlines)
        return s->size; /* where libyaml sees the end of a file without a final newline */
    const struct line *line = &s->lines[at.line - 1];
    size_t offset = character_offset(s, characters_before(s, line->start) + at.column - 1);
    return offset < line->end ? offset : line->end;
}

struct place source_place(const struct source *s, size_t offset)
{
    size_t low = 0, high = s->nlines;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->lines[middle].start <= offset)
            low = middle;
        else
            high = middle;
    }
    uint32_t column = characters_before(s, offset) - characters_before(s, s->lines[low].start);
    return (struct place){(unsigned)low + 1, column + 1};
}

static bool is_text(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0x7f) || c == 0x85 ||
           (c >= 0xa0 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

static bool check_text(struct diagnostics *d, const struct source *s)
{
    for (size_t i = 0, n; i < s->size; i += n) {
        uint32_t code = 0;
        n = source_character(s->text + i, s->size - i, &code);
        if (n && is_text(code))
            continue;
        struct place at = source_place(s, i);
        if (i == 0 && s->size >= 2 && (memcmp(s->text, "\xff\xfe", 2) == 0 || memcmp(s->text, "\xfe\xff", 2) == 0))
            diagnose(d, nowhere, "save the file as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8", "this is UTF-16");
        else if (memchr(s->text, 0, s->size))
            diagnose(d, nowhere, "give the pipeline file, which is text (YAML)",
                     "this is binary data, not a pipeline file");
        else if (n)
            diagnose(d, at, "remove it, or write it inside double quotes as an escape such as \"\\e\"",
                     "the control character U+%04X can't stand in a YAML file", code);
        else
            diagnose(d, at, "save the file as UTF-8, or convert it: iconv -f ISO-8859-1 -t UTF-8",
                     "the byte 0x%02X is not UTF-8 here", (unsigned char)s->text[i]);
        return false;
    }
    return true;
}

/* All of it, up to one byte more than the limit; it may be a pipe. */
static ssize_t read_all(int fd, char *text, size_t room)
{
    size_t size = 0;

    while (size < room) {
        ssize_t n = read(fd, text + size, room - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    return (ssize_t)size;
}

static bool open_source(struct diagnostics *d, const char *path, int *fd)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd < 0)
        diagnose(d, nowhere, errno == ENOENT ? "give the path of a pipeline file" : NULL, "can't be opened: %s",
                 strerror(errno));
    else if (fstat(*fd, &st) == 0 && S_ISDIR(st.st_mode))
        diagnose(d, nowhere, "give a file in it", "this is a directory, not a pipeline file");
    else
        return true;
    return false;
}

bool source_load(struct diagnostics *d, const char *path)
{
    struct source *s = &d->source;
    int fd;
    bool good = false;

    s->path = path;
    if (open_source(d, path, &fd)) {
        s->text = memory_alloc(SOURCE_LIMIT + 1);
        ssize_t n = read_all(fd, s->text, SOURCE_LIMIT + 1);
        if (n < 0)
            diagnose(d, nowhere, NULL, "can't be read: %s", strerror(errno));
        else if (n > SOURCE_LIMIT)
            diagnose(d, nowhere, "give the pipeline file; what its programs read belongs in files of its own",
                     "this is larger than 1 MiB, the limit of a pipeline file");
        else
            good = true;
        s->size = good ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (s->size >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0)
        memmove(s->text, s->text + 3, s->size -= 3);
    find_lines(s);
    count_characters(s);
    return good && check_text(d, s);
}

void source_free(struct source *s)
{
    free(s->text);
    free(s->lines);
    free(s->characters);
}
