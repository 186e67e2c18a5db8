/* SPDX-License-Identifier: MPL-2.0 */
#include "speaker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { UNHEARD_MS = 300 }; /* so long something may be on its way to the broker */

struct test_run run;
static int point[2]; /* the pipe of reached() */
static struct speaker *all;

/* ---- the broker ------------------------------------------------------------------------------------------------- */

static void exec_broker(pid_t root, unsigned long descriptors, int ready)
{
    char path[4096], root_text[16], ready_text[16];
    const char *dir = getenv("CSP_LIBEXEC"), *build = getenv("CSP_TEST_BUILD");
    snprintf(path, sizeof path, "%s%s/broker",
             dir != NULL     ? dir
             : build != NULL ? build
                             : "build",
             dir != NULL ? "" : "/libexec/csp");
    snprintf(root_text, sizeof root_text, "%d", (int)root);
    snprintf(ready_text, sizeof ready_text, "%d", ready);
    fcntl(ready, F_SETFD, 0);
    if (descriptors != 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors, descriptors});
    setsid();
    const char *argv[32] = {"broker",    "--dir",  run.dir,   "--name",  "test",    "--file",
                            "test.yaml", "--root", root_text, "--ready", ready_text};
    for (size_t n = 11, i = 0; run.options != NULL && run.options[i] != NULL && n < 31; i++)
        argv[n++] = run.options[i];
    execv(path, (char *const *)argv);
    _exit(127);
}

/* Reads up to the end of the line or of the file; its bytes. */
static size_t read_line(int fd, char *line, size_t size, const char *silence)
{
    size_t have = 0;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (have < size - 1 && (have == 0 || line[have - 1] != '\n')) {
        ck_assert_msg(poll(&item, 1, WAIT_MS) == 1, "%s", silence);
        ssize_t n = read(fd, line + have, 1);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    line[have] = '\0';
    return have;
}

void hear_notice(char *line, size_t size)
{
    size_t n = read_line(run.notices, line, size, "the broker notices nothing");
    ck_assert_msg(n != 0 && line[n - 1] == '\n', "no whole line is noticed: \"%s\"", line);
    line[n - 1] = '\0';
}

pid_t broker_start(pid_t root, unsigned long descriptors, char *line, size_t size)
{
    int ready[2];
    ck_assert_int_eq(csp__rundir_name(run.dir, sizeof run.dir), 0);
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exec_broker(root, descriptors, ready[1]);
    close(ready[1]);
    read_line(ready[0], line, size, "the broker says nothing on its ready pipe");
    run.notices = ready[0]; /* closed with the test */
    return pid;
}

int wait_child(pid_t pid)
{
    int status = -1, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd item = {.fd = pidfd, .events = POLLIN};
    ck_assert_int_ge(pidfd, 0);
    ck_assert_msg(poll(&item, 1, WAIT_MS) == 1, "process %d does not end", (int)pid);
    close(pidfd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

void run_start(void)
{
    char line[256];
    ck_assert_int_eq(pipe2(point, O_CLOEXEC), 0);
    run.broker = broker_start(getpid(), 0, line, sizeof line);
    ck_assert_str_eq(line, "ready\n");
    ck_assert_int_eq(csp__rundir_read(run.dir, &run.info), 0);
    run.root = speaker_new();
    struct heard h = hello(run.root, 0, 0, WIRE_PROCESS);
    ck_assert_int_eq(h.head.type, WIRE_WELCOME);
}

void run_stop(void)
{
    struct stat st;
    if (run.root != NULL)
        ck_assert_int_eq(bye(run.root, 0, 0), 0);
    ck_assert_int_eq(wait_child(run.broker), 0);
    ck_assert_int_eq(stat(run.dir, &st), -1);
    while (all != NULL)
        speaker_free(all);
}

void run_kill(void)
{
    ck_assert_int_eq(kill(run.broker, SIGKILL), 0);
    ck_assert_int_eq(wait_child(run.broker), SIGKILL);
    while (all != NULL)
        speaker_free(all);
    run.root = NULL;
    ck_assert_int_eq(csp__rundir_remove(run.dir), 0);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

struct kept {
    zmq_msg_t msg;
    struct kept *next;
};

struct speaker *speaker_new(void)
{
    struct speaker *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    char at[128];
    snprintf(at, sizeof at, "ipc://%s/broker", run.dir);
    int none = 0;
    s->context = zmq_ctx_new();
    s->socket = zmq_socket(s->context, ZMQ_DEALER);
    ck_assert_ptr_nonnull(s->socket);
    zmq_setsockopt(s->socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(s->socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(s->socket, ZMQ_LINGER, &none, sizeof none);
    ck_assert_int_eq(zmq_connect(s->socket, at), 0);
    s->deadline = -1;
    s->next = all;
    all = s;
    return s;
}

void speaker_free(struct speaker *s)
{
    struct speaker **at = &all;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    while (s->kept != NULL) {
        struct kept *next = s->kept->next;
        zmq_msg_close(&s->kept->msg);
        free(s->kept);
        s->kept = next;
    }
    zmq_close(s->socket);
    zmq_ctx_term(s->context);
    if (s->page != NULL)
        munmap(s->page, WIRE_PAGE_SIZE);
    free(s);
}

void say(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size)
{
    struct wire_head full = wire_head(type, head.flags, size);
    full.channel = head.channel;
    full.seq = head.seq;
    full.count = head.count;
    zmq_msg_t msg;
    ck_assert_int_eq(zmq_msg_init_size(&msg, sizeof full + size), 0);
    memcpy(zmq_msg_data(&msg), &full, sizeof full);
    if (size != 0)
        memcpy((char *)zmq_msg_data(&msg) + sizeof full, payload, size);
    ck_assert_int_ge(zmq_msg_send(&msg, s->socket, 0), 0);
}

/* Hears what was kept, else what comes within the time; the message is valid until the next one is heard. */
static bool hear_within(struct speaker *s, int ms, struct heard *h)
{
    static zmq_msg_t msg;
    static bool used;
    if (used)
        zmq_msg_close(&msg);
    used = true;
    zmq_msg_init(&msg);
    struct kept *kept = s->kept;
    if (kept != NULL) {
        s->kept = kept->next;
        zmq_msg_move(&msg, &kept->msg);
        free(kept);
    } else {
        zmq_pollitem_t item = {.socket = s->socket, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, ms) != 1)
            return false;
        ck_assert_int_ge(zmq_msg_recv(&msg, s->socket, ZMQ_DONTWAIT), 0);
    }
    ck_assert_int_eq(wire_check(zmq_msg_data(&msg), zmq_msg_size(&msg), &h->head), 0);
    h->data = (unsigned char *)zmq_msg_data(&msg) + sizeof h->head;
    h->size = h->head.length;
    return true;
}

/* Hears an answer; what comes before it is kept. */
static struct heard hear_answer(struct speaker *s)
{
    struct kept *before = s->kept, **end = &before;
    while (*end != NULL)
        end = &(*end)->next;
    s->kept = NULL;
    struct heard h;
    for (;;) {
        ck_assert_msg(hear_within(s, WAIT_MS, &h), "no answer");
        if (h.head.type == WIRE_ANSWER)
            break;
        ck_assert_msg(h.head.type >= WIRE_ROOM && h.head.type < WIRE_TO_CALLER_END, "%s before the answer",
                      wire_name(h.head.type));
        *end = calloc(1, sizeof **end);
        ck_assert_ptr_nonnull(*end);
        zmq_msg_init_size(&(*end)->msg, sizeof h.head + h.size);
        memcpy(zmq_msg_data(&(*end)->msg), h.data - sizeof h.head, sizeof h.head + h.size);
        end = &(*end)->next;
    }
    s->kept = before;
    return h;
}

bool hear_now(struct speaker *s, struct heard *h)
{
    return hear_within(s, 0, h);
}

struct heard hear(struct speaker *s, enum wire_type type)
{
    struct heard h;
    ck_assert_msg(hear_within(s, WAIT_MS, &h), "no %s within %d ms", wire_name(type), WAIT_MS);
    ck_assert_msg(h.head.type == type, "%s, not %s", wire_name(h.head.type), wire_name(type));
    return h;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the broker has read its offer, and that waits; not for ever, since there are offers of which STAT says nothing.
 */
static void await_offer(struct speaker *s)
{
    const char *state = "";
    int64_t until = now_ms() + UNHEARD_MS;
    do {
        zmq_pollitem_t item = {.socket = s->socket, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, 0) != 0)
            return;
        state = stat_field("process", s->process, 6);
    } while (state != NULL && strcmp(state, "waiting") != 0 && strcmp(state, "ended") != 0 && now_ms() < until);
}

/* Until the broker has read what the line said; not for ever, since one that left is not answered. Whether that was
 * all it heard. */
static bool hears_its_answer_alone(struct speaker *s)
{
    struct heard h;
    say(s, WIRE_STAT, (struct wire_head){.seq = ++s->seq}, NULL, 0);
    return !hear_within(s, UNHEARD_MS, &h) || (h.head.type == WIRE_ANSWER && h.head.seq == s->seq);
}

bool silent(struct speaker *s)
{
    struct heard h;
    if (s->offering)
        await_offer(s);
    ask(run.root, WIRE_STAT, (struct wire_head){0}, NULL, 0);
    return (s->offering || hears_its_answer_alone(s)) && !hear_within(s, 20, &h);
}

void sync_line(struct speaker *s)
{
    ask(s, WIRE_STAT, (struct wire_head){0}, NULL, 0);
}

struct heard ask(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size)
{
    head.seq = ++s->seq;
    say(s, type, head, payload, size);
    struct heard h = hear_answer(s);
    ck_assert_uint_eq(h.head.seq, s->seq);
    return h;
}

int ask_err(struct speaker *s, enum wire_type type, struct wire_head head, const void *payload, size_t size)
{
    return (int)ask(s, type, head, payload, size).head.count;
}

/* ---- attaching -------------------------------------------------------------------------------------------------- */

struct heard hello(struct speaker *s, uint64_t ticket, uint64_t process, uint32_t role)
{
    struct wire_hello w = {.ticket = ticket, .process = process, .pid = (uint32_t)getpid(), .role = role};
    memcpy(w.token, run.info.token, sizeof w.token);
    say(s, WIRE_HELLO, (struct wire_head){.seq = ++s->seq}, &w, sizeof w);
    struct heard h;
    ck_assert_msg(hear_within(s, WAIT_MS, &h), "no answer to HELLO");
    if (h.head.type == WIRE_WELCOME) {
        struct wire_welcome welcome;
        memcpy(&welcome, h.data, sizeof welcome);
        s->process = welcome.process;
        s->line = welcome.line;
    }
    return h;
}

static struct speaker *welcomed(uint64_t ticket, uint64_t process, uint32_t role)
{
    struct speaker *s = speaker_new();
    ck_assert_int_eq(hello(s, ticket, process, role).head.type, WIRE_WELCOME);
    return s;
}

struct speaker *attach(uint64_t ticket)
{
    return welcomed(ticket, 0, WIRE_PROCESS);
}

struct speaker *guest(void)
{
    return welcomed(0, 0, WIRE_GUEST);
}

struct speaker *another_line(const struct speaker *of)
{
    return welcomed(0, of->process, WIRE_PROCESS);
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static uint64_t channel_of(struct heard h)
{
    struct wire_channel c;
    ck_assert_int_eq(h.head.count, 0);
    ck_assert_uint_eq(h.size, sizeof c);
    memcpy(&c, h.data, sizeof c);
    return c.channel;
}

uint64_t make(struct speaker *s, uint64_t capacity, uint64_t max_bytes)
{
    struct wire_make w = {.capacity = capacity, .max_bytes = max_bytes};
    return channel_of(ask(s, WIRE_MAKE, (struct wire_head){0}, &w, sizeof w));
}

uint64_t declare(const char *name, uint64_t capacity, uint32_t policy)
{
    unsigned char frame[sizeof(struct wire_make) + WIRE_MAX_NAME];
    struct wire_make w = {.capacity = capacity, .max_bytes = 1 << 20, .policy = policy};
    memcpy(frame, &w, sizeof w);
    size_t length = strnlen(name, WIRE_MAX_NAME);
    memcpy(frame + sizeof w, name, length);
    return channel_of(ask(run.root, WIRE_MAKE, (struct wire_head){0}, frame, sizeof w + length));
}

uint64_t make_group(struct speaker *s)
{
    struct wire_make w = {.kind = WIRE_GROUP};
    return channel_of(ask(s, WIRE_MAKE, (struct wire_head){0}, &w, sizeof w));
}

int drop(struct speaker *s, uint64_t channel, uint32_t ends)
{
    return ask_err(s, WIRE_DROP, (struct wire_head){.channel = channel, .count = ends}, NULL, 0);
}

int close_channel(struct speaker *s, uint64_t channel)
{
    return ask_err(s, WIRE_CLOSE, (struct wire_head){.channel = channel}, NULL, 0);
}

struct wire_why why(struct speaker *s, uint64_t channel)
{
    struct wire_why w;
    struct heard h = ask(s, WIRE_WHY, (struct wire_head){.channel = channel}, NULL, 0);
    ck_assert_int_eq(h.head.count, 0);
    memcpy(&w, h.data, sizeof w);
    return w;
}

int add(struct speaker *s, uint64_t group, int64_t n)
{
    struct wire_add w = {n};
    return ask_err(s, WIRE_ADD, (struct wire_head){.channel = group}, &w, sizeof w);
}

uint64_t announce(struct speaker *s, uint64_t *process, uint64_t c1, uint32_t ends1, uint64_t c2, uint32_t ends2)
{
    struct {
        struct wire_announce fixed;
        struct wire_ends ends[2];
    } w = {.ends = {{c1, ends1, 0}, {c2, ends2, 0}}};
    static const char name[4] = {'n', 'a', 'm', 'e'};
    unsigned char payload[sizeof w + sizeof name];
    uint32_t count = (c1 != 0) + (c2 != 0);
    size_t size = sizeof w.fixed + count * sizeof w.ends[0];
    memcpy(payload, &w, size);
    memcpy(payload + size, name, sizeof name);
    struct heard h = ask(s, WIRE_ANNOUNCE, (struct wire_head){.count = count}, payload, size + sizeof name);
    ck_assert_int_eq(h.head.count, 0);
    struct wire_announced a;
    memcpy(&a, h.data, sizeof a);
    if (process != NULL)
        *process = a.process;
    return a.ticket;
}

int announce_after(struct speaker *s, uint64_t after, uint64_t channel, uint32_t ends, struct wire_announced *a)
{
    struct {
        struct wire_announce fixed;
        struct wire_ends ends;
    } w = {.fixed = {.after = after}, .ends = {channel, ends, 0}};
    struct heard h = ask(s, WIRE_ANNOUNCE, (struct wire_head){.count = 1}, &w, sizeof w);
    if (h.head.count == 0)
        memcpy(a, h.data, sizeof *a);
    return (int)h.head.count;
}

uint64_t enter(struct speaker *s, int64_t deadline, int64_t grace)
{
    struct wire_scope w = {deadline, grace};
    struct heard h = ask(s, WIRE_SCOPE, (struct wire_head){0}, &w, sizeof w);
    ck_assert_int_eq(h.head.count, 0);
    return h.head.channel;
}

int cancel(struct speaker *s, enum wire_whom whom, uint64_t number)
{
    return ask_err(s, WIRE_CANCEL, (struct wire_head){.channel = number, .count = whom}, NULL, 0);
}

void hear_cancelled(struct speaker *s, uint64_t scope, uint32_t how)
{
    struct heard h = hear(s, WIRE_CANCELLED);
    ck_assert_uint_eq(h.head.channel, scope);
    ck_assert_uint_eq(h.head.count, how);
}

struct wire_exit left(struct speaker *s)
{
    struct committed c = committed(s);
    struct wire_exit why;
    ck_assert_int_eq(c.err, 0);
    ck_assert_uint_eq(c.length, sizeof why);
    memcpy(&why, c.value, sizeof why);
    return why;
}

struct wire_announced announce_slow(int64_t timeout, uint64_t channel, uint32_t ends)
{
    struct {
        struct wire_announce fixed;
        struct wire_ends ends;
        char name[4];
    } w = {.fixed = {.timeout = timeout}, .ends = {channel, ends, 0}, .name = {'s', 'l', 'o', 'w'}};
    struct heard h = ask(run.root, WIRE_ANNOUNCE, (struct wire_head){.count = 1}, &w,
                         sizeof w.fixed + sizeof w.ends + sizeof w.name);
    ck_assert_int_eq((int)h.head.count, 0);
    struct wire_announced a;
    memcpy(&a, h.data, sizeof a);
    return a;
}

struct speaker *colleague(uint64_t c1, uint32_t ends1, uint64_t c2, uint32_t ends2)
{
    return attach(announce(run.root, NULL, c1, ends1, c2, ends2));
}

int bye(struct speaker *s, int how, int code)
{
    struct wire_exit w = {.how = how, .code = code};
    return ask_err(s, WIRE_BYE, (struct wire_head){0}, &w, sizeof w);
}

int leave(struct speaker *s)
{
    return ask_err(s, WIRE_LEAVE, (struct wire_head){0}, NULL, 0);
}

/* ---- offers ----------------------------------------------------------------------------------------------------- */

void offer(struct speaker *s, unsigned flags, const struct tcase *cases, size_t n)
{
    size_t size = sizeof(struct wire_offer) + n * sizeof(struct wire_case);
    for (size_t i = 0; i < n; i++)
        size += cases[i].value != NULL ? cases[i].length : 0;
    unsigned char *payload = malloc(size + 1), *table = payload + sizeof(struct wire_offer);
    unsigned char *at = table + n * sizeof(struct wire_case);
    ck_assert_ptr_nonnull(payload);
    memcpy(payload, &(struct wire_offer){s->place, s->deadline}, sizeof(struct wire_offer));
    for (size_t i = 0; i < n; i++) {
        struct wire_case w = {cases[i].op, cases[i].length, cases[i].channel, cases[i].attached};
        memcpy(table + i * sizeof w, &w, sizeof w);
        if (cases[i].value == NULL)
            continue;
        memcpy(at, cases[i].value, w.length);
        at += w.length;
    }
    struct wire_head head = {.flags = (uint16_t)flags, .seq = ++s->seq, .count = (uint32_t)n};
    say(s, WIRE_OFFER, head, payload, size);
    s->offering = true;
    free(payload);
}

void withdraw(struct speaker *s)
{
    say(s, WIRE_WITHDRAW, (struct wire_head){.seq = s->seq}, NULL, 0);
}

struct committed committed(struct speaker *s)
{
    struct heard h = hear(s, WIRE_COMMIT);
    struct wire_commit w;
    ck_assert_uint_eq(h.head.seq, s->seq);
    s->offering = false;
    memcpy(&w, h.data, sizeof w);
    struct committed c = {.which = h.head.count,
                          .err = w.err,
                          .channel = h.head.channel,
                          .attached = w.attached,
                          .value = (const char *)h.data + sizeof w,
                          .length = h.size - sizeof w};
    ck_assert_int_eq(wire_lease(&h.head, h.data, &c.lease), 0);
    if (c.lease.id != 0)
        c.length -= c.lease.reason + sizeof c.lease;
    c.reason = c.value + c.length;
    return c;
}

int send_text(struct speaker *s, uint64_t channel, const char *text)
{
    OFFER(s, 0, ON_SEND(channel, text));
    struct committed c = committed(s);
    ck_assert_uint_eq(c.which, 0);
    return c.err;
}

bool is_text(const struct committed *c, const char *text)
{
    return c->err == 0 && c->length == strlen(text) && memcmp(c->value, text, c->length) == 0;
}

void recv_text(struct speaker *s, uint64_t channel, const char *text)
{
    OFFER(s, 0, ON_RECV(channel));
    struct committed c = committed(s);
    ck_assert_msg(is_text(&c, text), "received \"%.*s\" (%d), not \"%s\"", (int)c.length, c.value, c.err, text);
}

/* ---- leases ------------------------------------------------------------------------------------------------------ */

struct wire_set retry(uint32_t attempts, uint64_t dead)
{
    return (struct wire_set){.attempts = attempts, .dead = dead};
}

int set(struct speaker *s, uint64_t channel, struct wire_set w)
{
    return ask_err(s, WIRE_SET, (struct wire_head){.channel = channel}, &w, sizeof w);
}

struct committed recv_lease(struct speaker *s, uint64_t channel, const char *text, uint32_t tries)
{
    OFFER(s, 0, ON_RECV(channel));
    struct committed c = committed(s);
    ck_assert_msg(is_text(&c, text), "received \"%.*s\" (%d), not \"%s\"", (int)c.length, c.value, c.err, text);
    ck_assert_uint_ne(c.lease.id, 0);
    ck_assert_uint_eq(c.lease.tries, tries);
    return c;
}

void ack(struct speaker *s, uint64_t channel, uint64_t id)
{
    say(s, WIRE_ACK, (struct wire_head){.channel = channel, .count = 1}, &id, sizeof id);
    sync_line(s);
}

void ack_staged(struct speaker *s, uint64_t channel, const uint64_t *ids, uint32_t n)
{
    say(s, WIRE_ACK, (struct wire_head){.flags = WIRE_STAGED, .channel = channel, .count = n}, ids, n * sizeof *ids);
    sync_line(s);
}

const char *leased(uint64_t channel)
{
    return stat_field("channel", channel, 15);
}

void nack(struct speaker *s, uint64_t channel, uint64_t id, int64_t delay, const char *reason)
{
    struct wire_nack w = {id, delay};
    char payload[sizeof w + 257];
    size_t length = strlen(reason);
    ck_assert_uint_le(length, 256);
    memcpy(payload, &w, sizeof w);
    memcpy(payload + sizeof w, reason, length + 1);
    say(s, WIRE_NACK, (struct wire_head){.channel = channel}, payload, sizeof w + length);
    sync_line(s);
}

int settle(struct speaker *s, uint64_t channel, uint64_t *n, int64_t delay, const char *reason)
{
    struct wire_settle w = {*n, delay};
    char payload[sizeof w + 257];
    size_t length = strlen(reason);
    ck_assert_uint_le(length, 256);
    memcpy(payload, &w, sizeof w);
    memcpy(payload + sizeof w, reason, length + 1);
    struct heard h = ask(s, WIRE_SETTLE, (struct wire_head){.channel = channel}, payload, sizeof w + length);
    ck_assert_uint_eq(h.size, sizeof w);
    memcpy(&w, h.data, sizeof w);
    *n = w.count;
    return (int)h.head.count;
}

struct speaker *guest_inside(uint64_t process)
{
    return welcomed(0, process, WIRE_GUEST);
}

void crash(struct speaker *s)
{
    ck_assert_int_eq(bye(s, 1, 3), 0);
}

bool nothing(struct speaker *s, uint64_t channel)
{
    OFFER(s, WIRE_NOW, ON_RECV(channel));
    return committed(s).which == WIRE_NO_CASE;
}

/* ---- streams ---------------------------------------------------------------------------------------------------- */

void page_make(struct speaker *s)
{
    char path[160];
    snprintf(path, sizeof path, "%s/p%llu", run.dir, (unsigned long long)s->line);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, WIRE_PAGE_SIZE), 0);
    s->page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(s->page, MAP_FAILED);
    close(fd);
}

int stream(struct speaker *s, uint64_t channel, uint32_t ends, uint64_t window, uint32_t slot)
{
    if ((ends & RECV) != 0 && s->page == NULL)
        page_make(s);
    struct wire_stream w = {.window = window, .slot = slot};
    return ask_err(s, WIRE_STREAM, (struct wire_head){.channel = channel, .count = ends}, &w, sizeof w);
}

void put(struct speaker *s, uint64_t channel, uint64_t seq, unsigned flags, char first, uint32_t count, uint32_t length)
{
    size_t gap = (flags & WIRE_GAP) != 0, data = count * (length + gap), size = data + count * sizeof length;
    char *payload = malloc(size), *at = payload;
    ck_assert_ptr_nonnull(payload);
    for (uint32_t i = 0; i < count; i++) {
        memset(at, first + (char)(i % 26), length);
        at += length;
        if (gap != 0)
            *at++ = '\n';
        memcpy(payload + data + i * sizeof length, &length, sizeof length);
    }
    struct wire_head head = {.flags = (uint16_t)flags, .channel = channel, .seq = seq, .count = count};
    say(s, WIRE_PUT, head, payload, size);
    free(payload);
}

void took(struct speaker *s, uint64_t channel, uint32_t slot, uint64_t n, unsigned flags)
{
    __atomic_store_n(&s->page[slot], n, __ATOMIC_RELEASE);
    say(s, WIRE_TOOK, (struct wire_head){.flags = (uint16_t)flags, .channel = channel, .seq = n}, NULL, 0);
}

/* What the broker says of its state, as text. */
static char *state_text(enum wire_type type)
{
    static char text[1 << 18];
    struct heard h = ask(run.root, type, (struct wire_head){0}, NULL, 0);
    ck_assert_int_eq(h.head.count, 0);
    ck_assert_uint_lt(h.size, sizeof text);
    memcpy(text, h.data, h.size);
    text[h.size] = '\0';
    return text;
}

/* The line of it that begins so. */
static char *line_of(char *text, const char *start)
{
    size_t length = strlen(start);
    char *line = text;
    while (line != NULL && strncmp(line, start, length) != 0) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line != NULL)
        line[strcspn(line, "\n")] = '\0';
    return line;
}

static const char *field_of(enum wire_type type, const char *kind, uint64_t number, unsigned field)
{
    static char value[256];
    char start[64];
    snprintf(start, sizeof start, "%s\t%llu\t", kind, (unsigned long long)number);
    const char *line = line_of(state_text(type), start);
    if (line == NULL)
        return NULL;
    for (unsigned i = 0; i < field && line != NULL; i++) {
        line = strchr(line, '\t');
        line = line != NULL ? line + 1 : NULL;
    }
    ck_assert_ptr_nonnull(line);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\t"), line);
    return value;
}

const char *stat_field(const char *kind, uint64_t number, unsigned field)
{
    return field_of(WIRE_STAT, kind, number, field);
}

const char *dump_field(const char *kind, uint64_t number, unsigned field)
{
    return field_of(WIRE_DUMP, kind, number, field);
}

const char *dumped(const char *format, ...)
{
    char start[256];
    va_list args;
    va_start(args, format);
    vsnprintf(start, sizeof start, format, args);
    va_end(args);
    return line_of(state_text(WIRE_DUMP), start);
}

void until_waiting(uint64_t process)
{
    const char *state = "";
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        state = stat_field("process", process, 6);
        clock_gettime(CLOCK_MONOTONIC, &now);
        ck_assert_msg(now.tv_sec - start.tv_sec < 10, "process %llu does not wait", (unsigned long long)process);
    } while (state == NULL || strcmp(state, "waiting") != 0);
}

void until_buried(uint64_t process)
{
    for (int i = 0; i < 1000 && stat_field("process", process, 6) != NULL; i++)
        usleep(10000);
    ck_assert_ptr_null(stat_field("process", process, 6));
}

void until_taken_for_dead(uint64_t process)
{
    for (int i = 0; i < 1000 && strcmp(stat_field("process", process, 6), "ended") != 0; i++)
        usleep(10000);
    ck_assert_str_eq(stat_field("process", process, 6), "ended");
}

/* ---- processes that die ------------------------------------------------------------------------------------------ */

pid_t fork_attached(uint64_t ticket, void (*act)(struct speaker *s, void *arg), void *arg)
{
    pid_t parent = getpid(), pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    signal(SIGTERM, SIG_DFL); /* Check's own would end the test, */
    signal(SIGALRM, SIG_DFL); /* or nobody */
    struct speaker *s = ticket != 0 ? attach(ticket) : NULL;
    act(s, arg);
    _exit(0);
}

_Noreturn void reached(void)
{
    if (write(point[1], "x", 1) == 1)
        for (;;)
            pause();
    _exit(1);
}

void until_reached(void)
{
    char c;
    struct pollfd item = {.fd = point[0], .events = POLLIN};
    ck_assert_int_eq(poll(&item, 1, WAIT_MS), 1);
    ck_assert_int_eq(read(point[0], &c, 1), 1);
}
