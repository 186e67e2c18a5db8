/* SPDX-License-Identifier: MPL-2.0 */
/* Lines: attaching and ending. Decision: a line is known by the routing number that libzmq gave its connection, so that
 * nobody can speak for another; who it is the kernel says, by the credentials of the peer. */
#include "lease.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct line *line_find(const struct broker *b, uint32_t route)
{
    struct item *i = table_find(&b->lines, route);
    return i != NULL ? LIST_OWNER(i, struct line, item) : NULL;
}

static void refuse(struct broker *b, const struct message *m, int err, const char *why)
{
    struct wire_head head = wire_head(WIRE_REFUSED, 0, strlen(why));
    head.seq = m->head.seq;
    head.count = (uint32_t)err;
    reply_frame(b, m->route, head, why, NULL, 0);
}

/* The peer's pid by its credentials: "host:uid:gid:pid". 0: not known. */
static uint32_t peer_pid(zmq_msg_t *msg)
{
    const char *address = zmq_msg_gets(msg, "Peer-Address");
    const char *colon = address != NULL ? strrchr(address, ':') : NULL;
    return colon != NULL ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
}

uint64_t line_claim(const struct broker *b, const struct wire_hello *w)
{
    if (w->ticket != 0) {
        struct item *i = w->process == 0 ? table_find(&b->tickets, w->ticket) : NULL;
        return i != NULL ? LIST_OWNER(i, struct process, by_ticket)->item.key : 0;
    }
    if (w->role == WIRE_GUEST)
        return 0;
    return w->process != 0 ? w->process : b->root->item.key;
}

/* That of a process which may attach, or has, by its number alone; 0: it needs its ticket. */
static pid_t pid_of(const struct process *p)
{
    return p->state == PROCESS_ATTACHED ? p->attached : p->state == PROCESS_STARTED ? p->pid : 0;
}

/* A new guest, inside of another process or of none. */
static struct process *receive_guest(struct broker *b, uint64_t inside, const char **why)
{
    struct process *host = inside != 0 ? process_find(b, inside) : NULL;
    *why = "the process that it is inside of does not live";
    if (inside != 0 && (host == NULL || host->state == PROCESS_ENDED || host->dead))
        return NULL;
    *why = "no memory";
    struct process *p = process_new(b, NULL, 0);
    if (p == NULL)
        return NULL;
    p->guest = true;
    if (host == NULL)
        return p;
    p->host = lease_holder(host);
    list_push(&p->host->inside, &p->guest_of);
    return p;
}

/* The process that a HELLO speaks for; NULL and *why it is refused. A guest's is made here. */
static struct process *who(struct broker *b, const struct wire_hello *w, const char **why)
{
    struct process *p = NULL;
    if (w->ticket != 0) {
        struct item *i = w->process == 0 ? table_find(&b->tickets, w->ticket) : NULL;
        *why = "the ticket is not good, or was used";
        return i != NULL ? LIST_OWNER(i, struct process, by_ticket) : NULL;
    }
    if (w->role == WIRE_GUEST)
        return receive_guest(b, w->process, why);
    if (w->process != 0) {
        *why = "the process is another one, or has ended";
        p = process_find(b, w->process);
        return p != NULL && pid_of(p) == (pid_t)w->pid ? p : NULL;
    }
    *why = "the run has its root";
    return b->root->state == PROCESS_STARTED && b->root->pid == (pid_t)w->pid ? b->root : NULL;
}

static struct line *line_new(struct broker *b, struct process *p, const struct message *m)
{
    struct line *l = calloc(1, sizeof *l);
    if (l == NULL || table_add(&b->lines, &l->item, m->route) != 0) {
        free(l);
        return NULL;
    }
    l->id = b->next_line++;
    l->route = m->route;
    l->seq = m->head.seq;
    l->process = p;
    list_init(&l->gone);
    list_init(&l->held);
    list_init(&l->puts);
    list_init(&l->takes);
    list_init(&l->staged);
    list_push(&p->lines, &l->node);
    return l;
}

static void attach(struct broker *b, struct process *p, struct line *l, const struct wire_hello *w)
{
    if (p->state == PROCESS_ATTACHED)
        return;
    if (p->ticket != 0)
        table_remove(&b->tickets, &p->by_ticket);
    p->ticket = 0;
    successor_rise(p);
    p->state = PROCESS_ATTACHED;
    p->since = b->now;
    p->attached = (pid_t)w->pid;
    if (p->pid == 0)
        p->pid = p->attached;
    list_remove(&p->sibling);
    if (!p->dead)
        list_remove(&p->pending); /* the grace of one whose announcer ended */
    l->process = p;
}

/* What is wrong with what a HELLO says of itself: 0, or an errno and *why. */
static int untrue(const struct broker *b, const struct wire_hello *w, zmq_msg_t *msg, const char **why)
{
    *why = "the token is not this run's";
    if (memcmp(w->token, b->info.token, sizeof w->token) != 0)
        return EACCES;
    *why = "no such role";
    if (w->role > WIRE_GUEST)
        return EPROTO;
    *why = "the pid is not the connection's";
    return w->pid == 0 || w->pid != peer_pid(msg) ? EACCES : 0;
}

static bool is_reporters(const struct broker *b, const struct wire_hello *w)
{
    return b->deadlock.reporter != 0 && w->pid == (uint32_t)b->deadlock.reporter && w->role == WIRE_GUEST;
}

bool line_is_held(const struct broker *b, zmq_msg_t *hello)
{
    struct wire_hello w;
    const char *why;
    memcpy(&w, (unsigned char *)zmq_msg_data(hello) + sizeof(struct wire_head), sizeof w);
    return untrue(b, &w, hello, &why) == 0 && !is_reporters(b, &w);
}

/* Attaches, or says why not. */
static struct line *try(struct broker *b, const struct message *m, const struct wire_hello *w)
{
    bool guest = w->ticket == 0 && w->role == WIRE_GUEST;
    if (b->lines.count >= b->limit || (guest && b->live >= b->limit)) {
        refuse(b, m, ENOBUFS, "the broker has as many attachments as it can");
        return NULL;
    }
    const char *why;
    struct process *p = who(b, w, &why);
    if (p == NULL || p->dead) {
        refuse(b, m, guest && w->process == 0 ? ENOMEM : EACCES, why);
        return NULL;
    }
    int err = p->pidfd < 0 ? watch_process(b, p, (pid_t)w->pid) : 0;
    struct line *l = err == 0 ? line_new(b, p, m) : NULL;
    if (l == NULL) {
        refuse(b, m, err != 0 ? err : ENOMEM, "the process can not be watched");
        if (guest)
            process_free(b, p);
        return NULL;
    }
    attach(b, p, l, w);
    return l;
}

/* Of the reporter: whether it comes depends on time, so it must not use up a number that the record gives others. */
static struct line *set_aside(struct broker *b, const struct message *m, const struct wire_hello *w)
{
    uint64_t process = b->next_process, line = b->next_line;
    b->next_process = b->next_line = (UINT64_C(1) << 62) + b->deadlock.next++;
    struct line *l = try(b, m, w);
    b->next_process = process;
    b->next_line = line;
    if (l != NULL)
        l->process->aside = true;
    return l;
}

void line_hello(struct broker *b, const struct message *m)
{
    struct wire_hello w;
    const char *why;
    memcpy(&w, m->payload, sizeof w);
    int err = untrue(b, &w, m->msg, &why);
    if (err != 0) {
        refuse(b, m, err, why);
        return;
    }
    uint64_t claim = line_claim(b, &w);
    struct line *l = is_reporters(b, &w) ? set_aside(b, m, &w) : try(b, m, &w);
    if (!is_reporters(b, &w))
        record_hello(b, l != NULL ? l->id : 0, l != NULL ? l->process->item.key : claim, w.role);
    if (l == NULL)
        return;
    watch_line(b, l, m->msg);

    struct wire_welcome welcome = {l->process->item.key, l->id, scope_deadline(l->process->scope)};
    struct wire_head head = wire_head(WIRE_WELCOME, RECORDED(b) ? WIRE_NOW : 0, sizeof welcome);
    head.seq = m->head.seq;
    if (reply_frame(b, l->route, head, &welcome, NULL, 0) != 0)
        process_starve(b, l->process, "no memory to answer it");
    scope_welcome(b, l);
}

void line_end(struct broker *b, struct line *l, struct reason why)
{
    if (l->offer != NULL)
        offer_end(b, l->offer);
    scope_abandon(b, l);
    stream_end_line(b, l, why);
    table_free(&l->put_streams);
    table_free(&l->take_streams);
    page_close(l);
    watch_forget(b, l);
    replay_forget(&l->held);
    list_remove(&l->gone);
    list_remove(&l->node);
    table_remove(&b->lines, &l->item);
    free(l);
    deadlock_possible(b);
}
