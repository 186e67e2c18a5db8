/* SPDX-License-Identifier: MPL-2.0 */
/* Gathering and rendering. Memory is kept from run to run, and grows to what the largest needs. */
#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_VALUES  16
#define OWN_VARIABLES 3           /* CSP_ID, CSP_TRIES, CSP_REASON */
#define ROOM_MOST     (6U << 20)  /* of arguments and environment, whatever the limit of the stack: execve(2) */
#define ROOM_KEPT     (16U << 10) /* of that, for our variables, the path, and what a "#!" adds */
#define LONGEST_PAGES 32          /* of one argument: MAX_ARG_STRLEN */

static size_t taken(char *const *words)
{
    size_t bytes = 0;
    for (; *words != NULL; words++)
        bytes += strlen(*words) + 1 + sizeof *words;
    return bytes;
}

static size_t room_for_values(const struct options *o)
{
    long limit = sysconf(_SC_ARG_MAX);
    size_t room = limit > 0 && (size_t)limit < ROOM_MOST ? (size_t)limit : ROOM_MOST;
    size_t used = ROOM_KEPT + taken(o->argv) + taken(environ);
    return room > used ? room - used : 0;
}

int batch_init(struct batch *b, const struct options *o)
{
    size_t variables = 0;
    *b = (struct batch){.o = o, .input = memfd_create("stdin", MFD_CLOEXEC)};
    while (o->argv[b->argc] != NULL)
        b->argc++;
    while (environ[variables] != NULL)
        variables++;
    b->environment = calloc(variables + OWN_VARIABLES + 1, sizeof *b->environment);
    if (b->input < 0 || b->environment == NULL)
        return -1;
    memcpy(b->environment + OWN_VARIABLES, environ, variables * sizeof *environ);
    b->room = room_for_values(o);
    return 0;
}

static int reserve(struct batch *b)
{
    size_t cap = b->cap != 0 ? b->cap * 2 : FIRST_VALUES;
    if (b->n < b->cap)
        return 0;
    csp_msg *values = reallocarray(b->values, cap, sizeof *values);
    if (values == NULL)
        return -1;
    b->values = values;
    uint64_t *ids = reallocarray(b->ids, cap, sizeof *ids);
    if (ids == NULL)
        return -1;
    b->ids = ids;
    b->cap = cap;
    return 0;
}

static bool alone(const struct batch *b, const csp_msg *value)
{
    size_t longest = LONGEST_PAGES * (size_t)sysconf(_SC_PAGESIZE);
    if (value->tries > 1)
        return true;
    return b->o->nslots != 0 && (value->len >= longest || memchr(value->data, '\0', value->len) != NULL);
}

/* Bytes that it takes as an argument, in each place that gets all values. */
static size_t cost(const struct batch *b, const csp_msg *value)
{
    size_t bytes = 0;
    for (size_t i = 0; i < b->o->nslots; i++)
        bytes += b->o->slots[i].all ? value->len + 1 + sizeof(char *) : 0;
    return bytes;
}

static bool full(const struct batch *b)
{
    const struct options *o = b->o;
    if (b->alone || o->batch + o->batch_bytes == 0)
        return true;
    return (o->batch != 0 && b->n >= (size_t)o->batch) || (o->batch_bytes != 0 && b->bytes >= (size_t)o->batch_bytes);
}

/* Whether it goes with those that are there. Output is sent on whole: in order that is right only of values that follow
 * one another, as what is between two others may be with another replica. */
static bool joins(const struct batch *b, const csp_msg *value, size_t from)
{
    size_t bound = (size_t)b->o->batch_bytes;
    if (b->n == 0)
        return true;
    if (from != b->from || alone(b, value) || (b->o->ordered && value->id != b->ids[b->n - 1] + 1) ||
        b->spent + cost(b, value) > b->room)
        return false;
    return bound == 0 || b->bytes + value->len <= bound;
}

int batch_add(struct batch *b, csp_msg *value, size_t from)
{
    if (!joins(b, value, from)) {
        b->ahead = *value;
        b->ahead_from = from;
        return 1;
    }
    if (reserve(b) != 0)
        return -1;
    b->from = from;
    b->alone = b->n == 0 && alone(b, value);
    b->spent += cost(b, value);
    b->ids[b->n] = value->id;
    b->values[b->n++] = *value;
    b->bytes += value->len;
    return full(b);
}

int batch_next(struct batch *b)
{
    csp_msg ahead = b->ahead;
    for (size_t i = 0; i < b->n; i++)
        csp_msg_free(&b->values[i]);
    b->n = b->bytes = b->spent = 0;
    b->ahead = (csp_msg){0};
    return ahead.data != NULL ? batch_add(b, &ahead, b->ahead_from) : 0;
}

/* ---- arguments */

static int reserve_words(struct batch *b, size_t words)
{
    if (words <= b->words)
        return 0;
    char **argv = reallocarray(b->argv, words, sizeof *argv);
    if (argv == NULL)
        return -1;
    b->argv = argv;
    b->words = words;
    return 0;
}

static const struct slot *slot_at(const struct options *o, size_t at)
{
    for (size_t i = 0; i < o->nslots; i++)
        if (o->slots[i].at == at)
            return &o->slots[i];
    return NULL;
}

static int render_argv(struct batch *b, char *why, size_t size)
{
    const struct options *o = b->o;
    size_t n = 0;
    for (size_t i = 0; o->nslots != 0 && i < b->n; i++)
        if (memchr(b->values[i].data, '\0', b->values[i].len) != NULL) {
            snprintf(why, size, "it has a NUL byte, so it can't be an argument");
            errno = EINVAL;
            return -1;
        }
    if (reserve_words(b, b->argc + o->nslots * b->n + 1) != 0)
        return -1;
    for (size_t i = 0; i < b->argc; i++) {
        const struct slot *slot = slot_at(o, i);
        for (size_t v = 0; slot != NULL && v < (slot->all ? b->n : 1); v++)
            b->argv[n++] = b->values[v].data;
        if (slot == NULL)
            b->argv[n++] = o->argv[i];
    }
    b->argv[n] = NULL;
    return 0;
}

/* Of several values the first is named. */
static void render_environment(struct batch *b)
{
    const csp_msg *first = &b->values[0];
    snprintf(b->id, sizeof b->id, "CSP_ID=%" PRIu64, first->id);
    snprintf(b->tries, sizeof b->tries, "CSP_TRIES=%u", first->tries);
    snprintf(b->reason, sizeof b->reason, "CSP_REASON=%s", first->reason != NULL ? first->reason : "");
    b->environment[0] = b->id;
    b->environment[1] = b->tries;
    b->environment[2] = b->reason;
}

/* ---- stdin */

static int render_text(struct batch *b, size_t *len)
{
    enum framing framing = b->o->in[0].framing;
    int terminator = framing_terminator(framing);
    size_t need = b->bytes + b->n * FRAMING_PREFIX, at = 0;
    if (need > b->text_size) {
        char *text = realloc(b->text, need);
        if (text == NULL)
            return -1;
        b->text = text;
        b->text_size = need;
    }
    for (size_t i = 0; i < b->n; i++) {
        size_t n = b->values[i].len;
        const char head[FRAMING_PREFIX] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
        if (framing == FRAMING_LENGTH) {
            memcpy(b->text + at, head, sizeof head);
            at += sizeof head;
        }
        if (n != 0)
            memcpy(b->text + at, b->values[i].data, n);
        at += n;
        if (terminator >= 0)
            b->text[at++] = (char)terminator;
    }
    *len = at;
    return 0;
}

static int render_input(struct batch *b)
{
    size_t len;
    if (render_text(b, &len) != 0 || (b->written > len && ftruncate(b->input, (off_t)len) != 0))
        return -1;
    for (size_t at = 0; at < len;) {
        ssize_t n = pwrite(b->input, b->text + at, len - at, (off_t)at);
        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? (size_t)n : 0;
    }
    b->written = len;
    return lseek(b->input, 0, SEEK_SET) != 0 ? -1 : 0;
}

int batch_render(struct batch *b, char *why, size_t size)
{
    render_environment(b);
    if (render_argv(b, why, size) == 0 && render_input(b) == 0)
        return 0;
    int error = errno;
    if (error != EINVAL)
        snprintf(why, size, "cannot be given to the program: %s", strerror(error));
    errno = error;
    return -1;
}

void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        csp_msg_free(&b->values[i]);
    csp_msg_free(&b->ahead);
    free(b->values);
    free(b->ids);
    free(b->argv);
    free(b->environment);
    free(b->text);
    if (b->input >= 0)
        close(b->input);
}
