/* SPDX-License-Identifier: MPL-2.0 */
/* The state of a run, and who may change it. Decision: one thread owns all of it, and every event is handled to its end
 * before the next is looked at, so that a choice is made in one place. What an event makes possible on a channel is
 * done by settle() after it, from a list of touched channels: no handler calls another one's matching, however ends,
 * values and offers hang together. Whatever ends a process is likewise only noted (process_fail) and done between
 * events. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <zmq.h>

#include "csp.h"
#include "frame.h"
#include "list.h"
#include "random.h"
#include "rundir.h"
#include "socket.h"
#include "table.h"
#include "timer.h"
#include "wire.h"

enum { END_SEND = 1, END_RECV = 2 };                                       /* masks of ends */
enum how { HOW_CLEAN, HOW_CODE, HOW_SIGNAL, HOW_CANCELLED, HOW_DEADLINE }; /* section 4 */

struct reason {
    int32_t how, code;
};

enum channel_state { CHANNEL_OPEN, CHANNEL_CLOSED, CHANNEL_BROKEN };

struct channel {
    struct item item; /* in broker.channels by id */
    struct item by_name;
    struct list touched; /* in broker.touched while something may be possible */
    uint64_t capacity, max_bytes;
    enum wire_kind kind;
    enum wire_policy policy;
    enum channel_state state;
    struct reason why; /* the first reason other than clean with which a sending end ended */
    char *name;        /* NULL: none */

    uint64_t senders, receivers;    /* ENDS: holders in each direction, */
    uint64_t standing[2];           /* and how many of those to send and to receive are successors that stand by */
    struct list sending, receiving; /* queues of waiters */
    struct list buffer;             /* blocks by order */
    uint64_t values, bytes;         /* in the buffer */
    uint64_t order;                 /* of the next value that leaves its sender */
    struct list put_streams, take_streams;
    unsigned guests; /* receiving streams of guests, who hold no end */
    bool refused;    /* closed or broken, and those who send have been told */
    uint64_t received, lost;
    int64_t group;             /* the count of a wait group */
    struct pair *pair;         /* pair.h; NULL: it is never joined directly */
    bool hosted;               /* nor is it from now on */
    struct settings *settings; /* lease.h; NULL: none */
    struct durable *durable;   /* durable.h; NULL: it is not; else it has settings */
    uint64_t staged;           /* values */
    struct list sources;       /* settings of those whose dead letters come here */

    struct list idle; /* in broker.idles, while it closes when it is idle */
    bool quiet;       /* idle.c: it is, as far as was found; */
    uint64_t known;   /* sending ends of processes and settings */

    struct list woken;          /* as in a process */
    unsigned reached, followed; /* what who is alive may do with it */
    uint64_t both;              /* processes that hold both ends */
};

/* A scope, from SCOPE until its line has left it, or, where the line has ended, until it is empty. Section 11. */
struct scope {
    struct item item;        /* in broker.scopes by number */
    struct list all;         /* in broker.all_scopes, in order of numbers */
    struct list cancelling;  /* in broker.cancelling while those inside do not know of its cancellation */
    struct list emptied;     /* in broker.emptied while it may have lost its last member */
    struct list inside;      /* scopes directly inside it, */
    struct list sibling;     /* by these links */
    struct list members;     /* processes that belong to it */
    struct scope *around;    /* that it is directly inside of; NULL: the run */
    struct line *line;       /* that entered it; NULL: it has ended */
    int64_t since;           /* it was entered */
    int64_t deadline, grace; /* deadline: -1: none */
    struct timer timer;      /* of the deadline */
    enum how cancelled;      /* HOW_CLEAN: it is not */
    int64_t reach;           /* the grace for whom its cancellation reaches: that of where it began */
    uint64_t failed;         /* the member that failed first, 0: none, */
    struct reason first;     /* and how it ended */
    struct list woken;       /* as in a process */
    bool reached;            /* who is alive may cancel it */
};

enum process_state { PROCESS_ANNOUNCED, PROCESS_STARTED, PROCESS_ATTACHED, PROCESS_ENDED };

enum sentence { SENTENCE_TERM, SENTENCE_KILL, SENTENCE_NONE };

struct process {
    struct item item;      /* in broker.processes by id */
    struct item by_ticket; /* until it attaches */
    struct list all;       /* in broker.all, in order of ids */
    struct list pending;   /* in broker.dying, .settled, .graced or .failing; one at a time */
    struct list sibling;   /* in children of who announced it */
    struct list children;
    uint64_t ticket, parent;
    uint64_t function; /* that it runs, in its announcer's memory and its own; 0: a program */
    char *name;
    enum process_state state;
    uint32_t replica;
    pid_t pid;      /* of STARTED, else of its first HELLO */
    pid_t attached; /* of its first HELLO */
    pid_t watched;  /* whom pidfd means */
    pid_t program;  /* process group */
    int pidfd;
    bool guest, dead, reaped;
    bool standing;          /* a successor that waits for the end of who is `before`, and was not started */
    bool uses;              /* a guest that has done more than look: it may wake others */
    bool aside;             /* the reporter's: nothing of it is an event */
    bool starved;           /* it is in broker.failing for want of memory */
    bool expired;           /* it held a lease for too long: it is killed for that */
    unsigned connected;     /* lines whose connection is there */
    const char *fault;      /* why it is in broker.failing */
    struct process *before; /* whose successor it is, until one of both has ended; section 17 */
    struct process *successor;
    uint8_t success[32];
    struct reason reason;
    int64_t since, deadline;
    struct table ends; /* struct end by channel */
    struct list held;
    struct list lines;
    uint64_t carried;      /* values with a channel attached that its streams have out */
    uint64_t drained_from; /* broker.messages when the last connection went */

    struct scope *scope;    /* that it belongs to; NULL: the run */
    struct list member;     /* in its members */
    struct list cancelling; /* in broker.condemned while its lines do not know of it */
    enum how cancelled;     /* HOW_CLEAN: it is not */
    enum sentence sentence; /* the signal that comes next, */
    struct timer timer;     /* when, */
    int64_t grace;          /* and how long after that the next one */
    struct list zombie;     /* in zombies of who announced it, until that has reaped it */
    struct list zombies;

    struct table holdings; /* struct holding by channel: lease.h */
    struct list leases;    /* the same */
    int64_t timeout;       /* ns that it may hold one, 0: no bound */
    struct timer overdue;  /* one of them may be */
    struct process *host;  /* a guest's: inside of which it is; NULL: none, or that has ended */
    struct list inside;    /* guests, */
    struct list guest_of;  /* by these links */

    struct list awaited;   /* waiting cases EXIT of it */
    struct list woken;     /* while the fixpoint of deadlock.c has not followed it */
    bool alive;            /* by the last such fixpoint */
    bool stuck, said;      /* it belongs to a deadlock that was reported; has not moved since it was */
    bool hope;             /* when it is stuck: a guest that comes to a channel that never closes could wake it */
    int64_t stuck_since;   /* it has been found stuck; 0: it is not */
    int64_t threads_until; /* it counts as alive for its other threads */
    int64_t threads_wait;
};

struct end {
    struct item item;
    struct list node; /* in process.held */
    struct channel *channel;
    unsigned mask, reserved; /* reserved: grants to come that must not fail */
};

struct line {
    struct item item; /* in broker.lines by routing number */
    struct list node; /* in process.lines */
    struct list gone; /* in broker.gone when its connection went */
    uint64_t id, seq;
    uint32_t route;
    int fd; /* of the connection, -1 where it went */
    bool connected;
    struct process *process;
    struct scope *scope; /* the innermost that it has entered; NULL: none, it is in that of its process */
    struct offer *offer;
    struct table put_streams, take_streams; /* by channel */
    struct list puts, takes;
    struct list staged; /* blocks, invisible until its ACK */
    unsigned counted;   /* receiving streams of channels whose capacity counts what is out */
    uint64_t *page;     /* written by the caller, only read here */
    uint8_t slots[WIRE_MAX_SLOTS / 8];
    uint64_t last_message; /* broker.messages when it was last heard */
    struct list held;      /* replay: frames whose turn has not come */
};

struct offer_case {
    struct waiter wait;
    struct offer *offer;
    struct channel *channel;
    uint64_t object; /* what the frame names: of a channel its number, of EXIT a process, ... */
    const unsigned char *value;
    uint32_t length;
    uint8_t op;
    int ready; /* NOT_READY, else the err to commit with */
    struct attached attached;
};

struct offer {
    struct line *line;
    uint64_t seq;
    int64_t since;
    uint64_t place;      /* in the caller's memory */
    int64_t deadline;    /* of the call, -1: none */
    struct frame *frame; /* of the values, once it waits or one is in a buffer */
    uint32_t count;
    bool holds; /* the attached ends are counted */
    bool shielded;
    bool leaves; /* has a SCOPE case */
    struct offer_case cases[];
};

/* As whom one sends on a durable channel: the same as who was before it, counted from its own start. */
struct durable_from {
    struct durable_sender *as; /* NULL: it is not counted */
    uint64_t process;
};

/* A sending stream. */
struct sending {
    struct item item;       /* in line.put_streams */
    struct list on_line;    /* in line.puts; alone when the stream outlives its line or its end */
    struct list on_channel; /* in channel.put_streams */
    struct list to_say;     /* in broker.rooms */
    struct line *line;      /* NULL: nobody to say ROOM to */
    struct channel *channel;
    uint64_t window, put, committed;
    uint64_t waiting, parked;     /* values put and not committed; those of them that are parked */
    uint64_t outstanding, unsaid; /* cost: put and not said in a ROOM; committed and not said */
    uint64_t message;             /* the number of that which put last */
    struct durable_from from;     /* as whom it counts in a durable channel */
    bool at_once;                 /* some of what is unsaid was committed when it came */
    bool dropped, refused, holds; /* dropped: its end went; refused: EPIPE was said; holds: a sending end on its own */
    struct reason reason;         /* with which the end it holds goes */
    int64_t since;
    struct channel *source; /* whose dead letters these are; NULL: a stream's */
};

/* A receiving stream. */
struct receiving {
    struct waiter wait; /* in channel.receiving while it can take more */
    struct item item;
    struct list on_line, on_channel;
    struct line *line;
    struct channel *channel;
    uint64_t window, delivered, taken;
    uint32_t slot;
    bool hungry, closed; /* hungry: said WAIT and got nothing since; closed: was told */
    bool idle;           /* where it is hungry: its process sends nothing before it is told something */
    struct list out;     /* blocks delivered and not taken */
    uint64_t out_cost, out_bytes;
    struct {
        int64_t at;
        uint64_t taken;
    } before, last; /* two looks at the count, 10 ms apart or more */
    int64_t since;
};

enum on_deadlock { DEADLOCK_FAIL, DEADLOCK_REPORT, DEADLOCK_IGNORE };

struct connection {
    struct line *line;
    bool there;
};

struct broker {
    const char *dir;
    struct csp__runinfo info;
    int lock, epoll;
    void *context;
    struct csp__socket router, monitor;
    struct random random;

    struct table channels, names, processes, tickets, lines;
    struct list all; /* processes */
    struct table scopes;
    struct list all_scopes;
    struct list cancelling, condemned, emptied; /* scopes, processes, scopes: what scope_settle() has to do */
    struct timers timers;
    uint64_t next_channel, next_process, next_line, next_scope;
    struct process *root;
    unsigned live; /* processes that have not ended */
    size_t limit;  /* of lines, and of processes */

    struct list touched, rooms;
    struct list idles;  /* channels */
    bool idle_possible; /* something happened that may have made one idle */
    struct timer idle_again;
    int64_t idle_next; /* before that it is not looked for them again */
    struct list failing, dying, settled, graced, gone;
    struct connection *connections; /* by descriptor */
    size_t connection_count;
    bool missed; /* for want of memory it is not known of some that they were accepted */
    uint64_t messages, bad;
    int64_t now; /* CLOCK_MONOTONIC at the event, ns */

    struct record *record; /* written or replayed; NULL: neither */
    struct list strangers; /* replay: frames from whom no HELLO was handled */
    int64_t looked;        /* replay: when it was last looked for who must be killed */

    enum on_deadlock on_deadlock;
    int notices; /* descriptor where the root reads what is noticed; -1: nobody does */
    struct {
        struct timers timers; /* what is done about deadlocks depends on time alone: in replay, too, on the real one */
        bool changed, due;    /* there may be one now; it is time to look */
        int64_t looked, took; /* when the last look was, and what it cost in processor time */
        struct timer timer;
        pid_t reporter; /* 0: none runs */
        int pidfd;      /* of it */
        bool ended;     /* it has */
        bool told;      /* it was reported, and those processes are to be let go */
        struct timer patience;
        uint64_t next; /* number of the reporter's process and line: none that a replay would need again */
    } deadlock;

    struct {
        struct list directories, held, finishing;
        bool changed;          /* something is to be committed, and what is said waits for that */
        int64_t failed, retry; /* when a commit that failed, and those for whom the disk was full, try again */
    } durable;

    bool over, bye;     /* the root has ended; it said so */
    uint32_t bye_route; /* whom to answer when all is over */
    uint64_t bye_seq;
};

/* A frame to be handled; its payload is inside msg. */
struct message {
    struct wire_head head;
    const unsigned char *payload;
    zmq_msg_t *msg;
    uint32_t route;
};

/* begin.c: a run without channels, whose root is watched before it attaches; b->info and b->epoll are there. 0, or -1
 * with errno. */
int broker_begin(struct broker *b);

/* loop.c: handles events until the run is over. 0, or -1 with errno. */
int loop_run(struct broker *b);
/* For replay.c: one frame, what is due, and all that an event made possible or inevitable. */
void loop_handle(struct broker *b, uint32_t route, zmq_msg_t *msg);
void loop_expire(struct broker *b);
void loop_conclude(struct broker *b);

/* reply.c: frames to callers. Nothing is said to a line that is gone; -1: no memory, and nothing was sent. */
int reply_frame(struct broker *b, uint32_t route, struct wire_head head, const void *payload, const void *more,
                size_t more_size);
int reply_answer(struct broker *b, struct line *l, const struct message *m, int err, const void *payload, size_t size);
int reply_commit(struct broker *b, const struct offer *o, uint32_t which, struct channel *c, int err,
                 const struct attached *attached, const void *value, size_t length);
/* The same, of the only or first value of a block, `length` bytes. */
int reply_take(struct broker *b, const struct offer *o, uint32_t which, struct channel *c, const struct block *block,
               size_t length);
int reply_room(struct broker *b, const struct sending *s, int err);
/* Sends a frame that waited; msg is empty then. */
void reply_send(struct broker *b, uint32_t route, zmq_msg_t *msg);
/* A close that is told so far, to who holds leases of which this is the first. */
int reply_so_far(struct broker *b, const struct receiving *r, const struct block *first);
int reply_commit_so_far(struct broker *b, const struct offer *o, uint32_t which, const struct block *first);
int reply_deliver(struct broker *b, const struct receiving *r, const struct block *block, unsigned flags);

/* channel.c */
/* direct: it may be joined directly. */
struct channel *channel_new(struct broker *b, const struct wire_make *make, const char *name, size_t length,
                            bool direct);
/* Of a channel or a process: it can stand in a field of STAT. */
bool name_is_good(const char *name, size_t length);
struct channel *channel_find(const struct broker *b, uint64_t id);
struct channel *channel_named(const struct broker *b, const char *name, size_t length);
/* A channel that is over, and of which nothing is left, gives its name away, and goes as one without a name does.
 * False: it is not so. */
bool channel_unname(struct broker *b, struct channel *c);
void channel_touch(struct broker *b, struct channel *c);
void channel_close(struct broker *b, struct channel *c);
/* Empties the buffer of a channel that is broken or goes. What is attached to its values goes, which may touch others.
 */
void channel_discard(struct broker *b, struct channel *c);
/* n values that were put leave their sender for nowhere, since it is closed or broken. */
void channel_lose(struct channel *c, uint32_t n);
/* Frees an unnamed channel with no ends. True if it did. */
bool channel_reap(struct broker *b, struct channel *c);
/* Buffer: at its end; back in its place by order; the n values with these sums off its first block. */
void channel_push(struct broker *b, struct channel *c, struct block *block);
void channel_return(struct broker *b, struct channel *c, struct block *block);
void channel_pop(struct channel *c, uint32_t n, uint64_t bytes, uint64_t cost);
bool channel_room(const struct channel *c, uint64_t length);
/* What its capacity counts: what is in the buffer; of a channel of kind PAIR also what is out on prefetch. */
struct used {
    uint64_t values, bytes;
};
struct used channel_used(const struct channel *c);

/* ends.c */
unsigned ends_of(const struct process *p, const struct channel *c);
bool ends_allow(const struct process *p, const struct channel *c, unsigned ends); /* held, or a guest's by name */
int ends_reserve(struct process *p, struct channel *c);                           /* -1: no memory */
void ends_unreserve(struct process *p, struct channel *c);
void ends_grant(struct process *p, struct channel *c, unsigned ends); /* to a reservation, which it uses up */
int ends_give(struct process *p, struct channel *c, unsigned ends);   /* reserve and grant */
void ends_release(struct broker *b, struct process *p, struct channel *c, unsigned ends, struct reason why);
void ends_release_all(struct broker *b, struct process *p, struct reason why);
/* Ends that no process holds: of an attached channel, of a stream that outlives its end. */
void hold_take(struct channel *c, unsigned ends);
void hold_release(struct broker *b, struct channel *c, unsigned ends, struct reason why);
void attached_release(struct broker *b, struct attached *a);
/* A value with something attached goes to a process that reserved it; where it stays, on lease, it may go to another.
 */
void attached_grant(struct broker *b, struct attached *a, struct process *p, bool stays);

/* offer.c */
#define NOT_READY (-1)
/* Reads an OFFER. NULL: it was answered (no memory), or is a violation. Its values are still in m. */
struct offer *offer_new(struct broker *b, struct line *l, const struct message *m);
/* Links it to all its channels; its values and what is attached to them stay in it. -1: no memory. */
int offer_wait(struct broker *b, struct offer *o, const struct message *m);
/* A block of a send case's value, which takes over what is attached. NULL: no memory. */
struct block *offer_block(struct offer *o, uint32_t which, const struct message *m);
/* Removes it whole and frees it. */
void offer_end(struct broker *b, struct offer *o);
/* Answers it without a value, and ends it. */
void offer_done(struct broker *b, struct offer *o, uint32_t which, int err);
/* The offer of a waiting case, and the index of the case. */
struct offer *offer_of(struct waiter *w, uint32_t *which);

/* match.c */
void match_offer(struct broker *b, struct line *l, const struct message *m);
void match_withdraw(struct broker *b, struct line *l, const struct message *m);
/* The process lost ends of the channel: its offers that need them are answered EBADF. */
void match_dropped(struct broker *b, struct process *p, const struct channel *c);

/* settle.c: does what is possible on the touched channels, until nothing is */
void settle(struct broker *b);

/* stream.c: both ways; sending.c, receiving.c */
void stream_open(struct broker *b, struct line *l, const struct message *m);
void stream_end_line(struct broker *b, struct line *l, struct reason why);
/* Before a process gives up ends by a DROP on one of its lines. */
void stream_drop(struct broker *b, struct line *by, struct channel *c, unsigned ends);

/* sending.c */
struct sending *sending_find(const struct line *l, const struct channel *c);
int sending_open(struct broker *b, struct line *l, struct channel *c, uint64_t window);
void sending_put(struct broker *b, struct line *l, const struct message *m);
/* The line or its process's end goes: what waits goes on without it. */
void sending_detach(struct broker *b, struct sending *s, struct reason why);
/* The end goes by another line of the process: the line is told when what waits is in the buffer. */
void sending_drop(struct broker *b, struct sending *s);
/* A block is put, and waits in its place of the queue. */
void sending_enqueue(struct broker *b, struct sending *s, struct block *block, struct list *place);
/* One on the same channel that nobody speaks for, and which holds its end. NULL: no memory. */
struct sending *sending_heir(const struct sending *s);
/* n values from the front of a waiting block were committed. */
void sending_committed(struct broker *b, struct sending *s, uint32_t n, uint64_t cost);
/* Moves n values from the front of a waiting block into the buffer, whose last block, `tail`, it continues. It is not
 * always the first that waits: while a pair is made or recalled the others stand aside. */
void sending_admit_more(struct broker *b, struct channel *c, struct block *tail, struct block *block, uint32_t n,
                        uint64_t bytes, uint64_t cost);
/* Moves what has room from the first waiting block into the buffer. False: nothing has. */
bool sending_admit(struct broker *b, struct channel *c, struct block *block);
/* The channel is closed or broken: everybody who sends on it is told, once. */
void sending_refuse(struct broker *b, struct channel *c);
void sending_say(struct broker *b);
/* Of the values that wait. */
uint64_t sending_waiting_bytes(const struct sending *s);
/* A pair of it is over: it goes where nobody is there and nothing waits; it is dropped, where that was put off. */
void sending_resume(struct broker *b, struct sending *s, bool dropped);

/* receiving.c */
struct receiving *receiving_find(const struct line *l, const struct channel *c);
int receiving_open(struct broker *b, struct line *l, struct channel *c, uint64_t window, uint32_t slot);
void receiving_took(struct broker *b, struct line *l, const struct message *m);
/* What it had not taken returns. */
void receiving_end(struct broker *b, struct receiving *r);
/* Applies the count in the page. -1: it cannot be, and the process fails. */
int receiving_sync(struct broker *b, struct receiving *r);
void receiving_sync_process(struct broker *b, struct process *p);
/* A line that waits: what it has taken makes room where the capacity counts what is out. */
void receiving_pause(struct broker *b, struct line *l);
/* Those who could not take more may be able to. */
void receiving_rearm(struct broker *b, struct channel *c);
/* Delivers to the stream that waits first, or takes it out of the queue. False: there is nothing to deliver. */
bool receiving_serve(struct broker *b, struct channel *c, struct receiving *r);
/* Closed, and nothing will come to this line any more. */
bool receiving_finished(struct broker *b, struct channel *c, const struct line *l);
void receiving_tell_closed(struct broker *b, struct channel *c);

/* page.c */
int page_open(struct broker *b, struct line *l);
void page_close(struct line *l);
uint64_t page_count(const struct line *l, uint32_t slot);
void page_guard(void);
/* Makes a file with the page of a pair, and maps it. NULL with errno: there is no file. */
struct wire_page *page_make(const char *path);
void page_free(struct wire_page *page);

/* successor.c: section 17 */
/* Whether it may announce a successor of the process with this number, 0: of none; 0 or an errno. */
int successor_check(const struct broker *b, const struct process *from, uint64_t after);
/* It has, and granted its ends. */
void successor_stand(const struct broker *b, struct process *p, uint64_t after);
/* It stands by no more: it was started, or has its predecessor's place, or has ended. */
void successor_rise(struct process *p);
/* A process has ended: its successor takes its place, and a predecessor has none any more. */
void successor_part(struct process *p);
/* The reason with which the sending end of a process goes that ends with this one. */
struct reason successor_reason(const struct process *p, const struct channel *c, struct reason why);

/* process.c */
struct process *process_new(struct broker *b, const char *name, size_t length);
struct process *process_find(const struct broker *b, uint64_t id);
void process_announce(struct broker *b, struct line *l, const struct message *m);
void process_started(struct broker *b, struct line *l, const struct message *m);
void process_reaped(struct broker *b, struct line *l, const struct message *m);
void process_end(struct broker *b, struct process *p, struct reason why);
/* Notes that a process must end because of what it did; process_fail_all does it. */
void process_fail(struct broker *b, struct process *p, const char *fault);
/* The same for one that there is no memory for: it waits for what never comes, so it is killed, too. */
void process_starve(struct broker *b, struct process *p, const char *fault);
void process_fail_all(struct broker *b);
struct reason process_reason(const struct process *p, struct reason why);
void process_free(struct broker *b, struct process *p);
/* It has ended and does not live: frees it, or keeps how it ended for who announced it. */
void process_forget(struct broker *b, struct process *p);

/* scope.c: section 11. What is cancelled, or may be empty, is only noted; scope_settle() does what follows from it. */
void scope_enter(struct broker *b, struct line *l, const struct message *m);
void scope_cancel(struct broker *b, struct line *l, const struct message *m);
/* Where what a line starts belongs; NULL: the run. */
struct scope *scope_of(const struct line *l);
void scope_join(struct scope *s, struct process *p);
/* A process has ended with this reason. */
void scope_part(struct broker *b, struct process *p, struct reason why);
/* A line ends that may have entered scopes. */
void scope_abandon(struct broker *b, struct line *l);
/* The nearest deadline of a scope and those around it; -1: none. */
int64_t scope_deadline(const struct scope *s);
/* Cancellation ends such an offer. */
bool scope_ends(const struct offer *o);
/* Of a SCOPE case: NOT_READY, or the err to commit with. */
int scope_ready(const struct offer_case *oc);
/* Commits a SCOPE case that is ready: the line has left. */
void scope_leave(struct broker *b, struct offer *o, uint32_t which);
/* Tells a line that has attached whether its process is cancelled. */
void scope_welcome(struct broker *b, struct line *l);
void scope_settle(struct broker *b);

/* sentence.c: signals to a cancelled process that does not end */
void sentence_pass(struct broker *b, struct process *p, int64_t grace);
/* It can be signalled from now on: what was due is done. */
void sentence_resume(struct broker *b, struct process *p);
/* Sends a signal to a process whose pidfd is open, and to its group where it leads one. */
void sentence_signal(const struct broker *b, const struct process *p, int number);

/* line.c */
void line_hello(struct broker *b, const struct message *m);
void line_end(struct broker *b, struct line *l, struct reason why);
struct line *line_find(const struct broker *b, uint32_t route);
/* The number of the process that a HELLO speaks for; 0: none yet, or none that there is. */
uint64_t line_claim(const struct broker *b, const struct wire_hello *w);
/* In replay this HELLO has its turn: what it says of itself is true, and it is not the reporter's. */
bool line_is_held(const struct broker *b, zmq_msg_t *hello);

/* watch.c: deaths of processes and ends of connections */
int watch_open(struct broker *b);
int watch_process(struct broker *b, struct process *p, pid_t pid);
void watch_close(struct broker *b, struct process *p);
void watch_line(struct broker *b, struct line *l, zmq_msg_t *hello);
void watch_forget(struct broker *b, struct line *l);
void watch_connections(struct broker *b);
void watch_pidfds(struct broker *b);
/* Of the connections of the dead, which are waited for so long; and of what is due. */
int64_t watch_settle_deadline(const struct broker *b);
int64_t watch_deadline(const struct broker *b);
void watch_settle(struct broker *b);
void watch_expire(struct broker *b);
void watch_bury(struct broker *b, bool drained);
void watch_bury_aside(struct broker *b, bool drained); /* those only that no event comes of */
/* One process, one line: everything that it sent was handled. */
void watch_end(struct broker *b, struct process *p);
void watch_end_line(struct broker *b, struct line *l);

/* request.c: any frame from an attached line */
typedef void request_handler(struct broker *b, struct line *l, const struct message *m);
void request_handle(struct broker *b, struct line *l, const struct message *m);

/* stat.c */
/* What DUMP adds: the rest of a line, its end, and the lines after it. */
struct stat_more {
    void (*run)(FILE *out);
    void (*process)(FILE *out, const struct broker *b, const struct process *p);
    void (*channel)(FILE *out, const struct broker *b, const struct channel *c);
    void (*last)(FILE *out, const struct broker *b);
};
void stat_reply(struct broker *b, struct line *l, const struct message *m, const struct stat_more *more);
void stat_answer(struct broker *b, struct line *l, const struct message *m);
const char *stat_or_dash(const char *text);

/* dump.c */
void dump_answer(struct broker *b, struct line *l, const struct message *m);

/* deadlock.c */
/* Something happened that can leave others waiting for ever: an offer waits, somebody gave up ends or has ended. */
void deadlock_possible(struct broker *b);
/* A line of the process waits no more. */
void deadlock_moved(struct process *p);
/* Looks for deadlocks when it is time; between events. */
void deadlock_look(struct broker *b);
/* Answers the offers of all that were said to be stuck, and are, EDEADLK. */
void deadlock_fail(struct broker *b);

/* threads.c: the process has threads that could use the library, and have no line yet */
bool threads_are_more(const struct process *p);

/* reporter.c */
/* So many processes are stuck, so many of them without hope of a guest: says so, or has it said; -1: try again. */
int reporter_tell(struct broker *b, unsigned stuck, unsigned hopeless);
bool reporter_is_busy(const struct broker *b);
void reporter_reap(struct broker *b);
/* Lets those go whose deadlock was told. */
void reporter_act(struct broker *b);
/* The run has ended. */
void reporter_stop(struct broker *b);

/* ending.c */
void ending_kill(struct broker *b);

#endif
