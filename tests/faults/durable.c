/* SPDX-License-Identifier: MPL-2.0 */
/* Scenarios with durable channels: some runs of one directory after another, of which each resumes what the one before
 * left, however that ended. Decision: in the last of them nothing fails, so whatever had failed before, what was said
 * is counted: what was sent and not done is there once, what was done is not. Each run has a root, which opens the
 * channels, and a worker, which holds their ends. Where a disk fails for ever the run waits, as docs/durable.md says it
 * does: then its root is killed. */
#include "block.h"
#include "run.h"
#include "scenario.h"
#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MOST = 64,       /* values of a scenario */
    WAITS_MS = 7000, /* after so long, and the word of it, a run waits for a disk that does not come back */
    LARGE = 200000,  /* bytes of a large value */
    WINDOW = 2000000,
};

/* How far something came: it may have happened where it was begun. */
enum stage { NOT, BEGUN, SAID };

/* What the processes of all runs know. */
static struct {
    _Atomic enum stage sent[MOST], done[MOST], finished, forgotten;
    atomic_uint_fast64_t id[MOST]; /* 0: it was not received yet */
    atomic_int seen[MOST];         /* in the last run */
    atomic_uint_fast64_t ticket;   /* of the worker of this run; NO_TICKET: it is not to begin */
    char dir[256];                 /* of this run */
    csp_chan chans[3];
    uint64_t there; /* values that the channels of this run have again */
} * told;

#define NO_TICKET UINT64_MAX
#define jobs      (told->chans[0])
#define results   (told->chans[1])
#define letters   (told->chans[2])

static void state(const char *name, char *path, size_t size)
{
    char here[256];
    if (getcwd(here, sizeof here) == NULL)
        here[0] = '\0';
    snprintf(path, size, "%s/%s", here, name);
}

/* A durable channel of a directory, leased or not; `senders`, where not NULL: what is said of who sent, to be freed. */
static bool open_channel(csp_chan *c, const char *name, const char *dir, const csp_retry *retry, char **senders)
{
    char path[300];
    struct csp__resumed found;
    struct csp__settings settings = {.durable = path};
    state(dir, path, sizeof path);
    if (retry != NULL)
        settings.retry = *retry;
    *c = csp__declare(name, 32, 64 << 20, 0);
    if (!STARTED(*c != 0 ? 0 : -1))
        return false;
    int rc = csp__set_durable(*c, &settings, &found);
    if (rc != 0 && errno == EBUSY && strstr(csp_errmsg(), "locked") != NULL) /* ENOLCK, as SQLite says it */
        gave_up();
    else
        (void)STARTED(rc);
    if (rc != 0)
        return false;
    told->there += found.values;
    if (senders != NULL)
        *senders = found.senders;
    else
        free(found.senders);
    return true;
}

/* ---- several runs */

static bool says_why(void)
{
    static char text[65536];
    int fd = open("stderr", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "the run waits until it can be written") != NULL ||
           strstr(text, "senders wait until there is room") != NULL;
}

/* Waits for the end of a run, or for one that waits for its disk. */
static int await_run(pid_t pid)
{
    int status;
    csp_time by = csp_in(WAITS_MS);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (csp_now() > by && says_why()) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return FAILED;
        }
        usleep(2000);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    wrong("a run was ended by signal %d", WTERMSIG(status));
    return FAILED;
}

struct part {
    bool (*open)(void);  /* the root opens the channels */
    void (*work)(void);  /* the worker has their ends */
    void (*after)(void); /* the root, when that has ended; or NULL */
};

static const struct part *part; /* of the run whose root this is */
static pid_t worker;

/* In the worker, which was there before the run was. */
static int be_worker(void)
{
    uint64_t ticket;
    char text[24];
    while ((ticket = atomic_load(&told->ticket)) == 0)
        usleep(1000);
    if (ticket == NO_TICKET)
        return FAILED;
    snprintf(text, sizeof text, "%lu", (unsigned long)ticket);
    if (setenv("CSP_RUN", told->dir, 1) != 0 || setenv("CSP_TICKET", text, 1) != 0)
        return FAILED;
    return in_a_run(part->work, NULL);
}

/* Lets the worker begin, with both ends of each channel. */
static csp_proc employ(void)
{
    struct csp__grant grants[3];
    size_t n = 0;
    uint64_t ticket;
    for (int i = 0; i < 3; i++)
        if (told->chans[i] != 0)
            grants[n++] = (struct csp__grant){told->chans[i], CSP_SEND | CSP_RECV};
    struct csp__announcement a = {.grants = grants, .n = n, .name = "worker"};
    csp_proc p = csp__announce(&a, &ticket);
    if (!STARTED(p) || !STARTED(csp__started(p, worker)))
        return -1;
    snprintf(told->dir, sizeof told->dir, "%s", csp__dir());
    atomic_store(&told->ticket, ticket);
    return p;
}

static void dismiss(void)
{
    if (atomic_load(&told->ticket) == 0)
        atomic_store(&told->ticket, NO_TICKET);
    while (waitpid(worker, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* Waits for its end, and says it. */
static void await_worker(csp_proc p)
{
    siginfo_t ended;
    csp_exit why, as_told;
    if (waitid(P_PID, (id_t)worker, &ended, WEXITED | WNOWAIT) != 0) {
        wrong("waitid: %s", strerror(errno));
        return;
    }
    why = (csp_exit){.how = ended.si_code != CLD_EXITED ? CSP_SIGNAL
                            : ended.si_status != 0      ? CSP_CODE
                                                        : CSP_CLEAN,
                     .code = ended.si_status};
    (void)DID(csp__reaped(p, why, &as_told));
    bool is_killed = why.how == CSP_SIGNAL && why.code == SIGKILL; /* the broker had no memory for it */
    if (why.how == CSP_CODE || is_killed)
        gave_up();
    else if (why.how == CSP_SIGNAL)
        wrong("a worker was ended by signal %d", why.code);
}

static void lead(void)
{
    csp_proc p = part->open() ? employ() : -1;
    if (p > 0)
        await_worker(p);
    dismiss();
    if (part->after != NULL && all_well())
        part->after();
}

static int be_root(void)
{
    seam_be_caller();
    told->there = 0;
    told->dir[0] = 0;
    memset(told->chans, 0, sizeof told->chans);
    atomic_store(&told->ticket, 0);
    worker = fork();
    if (worker == 0)
        exit(be_worker());
    return in_a_run(lead, dismiss);
}

/* A run in processes of its own. */
static void have_run(const struct part *of)
{
    part = of;
    pid_t pid = fork();
    if (pid == 0)
        exit(be_root());
    int status = pid > 0 ? await_run(pid) : 70;
    if (status == FAILED)
        gave_up();
    else if (status != 0)
        wrong("a run ended with status %d", status);
}

/* Twice so, and a last time where nothing fails. */
static void have_runs(const struct part *parts)
{
    /* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS wants */
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED) {
        wrong("no memory for what is told");
        return;
    }
    have_run(&parts[0]);
    have_run(&parts[1]);
    seam_rest();
    bool was_well = all_well();
    have_run(&parts[2]);
    if (was_well && !all_well())
        wrong("the last run failed, and the others did not");
}

/* ---- values */

struct value {
    long n;
    char rest[LARGE];
};

static bool send_value(csp_chan c, long n, size_t size)
{
    static struct value v;
    v.n = n;
    memset(v.rest, 'a' + (int)n % 26, sizeof v.rest);
    atomic_store(&told->sent[n], BEGUN);
    return DID(csp_send(c, &v, size, soon()));
}

/* Values that were sent and not done: at least, at most. */
static void count_left(long *least, long *most)
{
    *least = *most = 0;
    for (int n = 0; n < MOST; n++) {
        *least += atomic_load(&told->sent[n]) == SAID && atomic_load(&told->done[n]) == NOT;
        *most += atomic_load(&told->sent[n]) != NOT && atomic_load(&told->done[n]) != SAID;
    }
}

static bool check_resumed(void)
{
    long least, most, there = (long)told->there;
    count_left(&least, &most);
    if (there < least || there > most)
        wrong("%ld values are there again, of %ld to %ld", there, least, most);
    return true;
}

/* Looks at a value that was received; its number, or -1. */
static long look_at(const csp_msg *m, size_t size)
{
    static char rest[LARGE];
    long n = -1;
    if (m->len >= sizeof n)
        memcpy(&n, m->data, sizeof n);
    if (n < 0 || n >= MOST || m->len != size || atomic_load(&told->sent[n]) == NOT) {
        wrong("a value of %zu bytes, %ld, which was not sent", m->len, n);
        return -1;
    }
    memset(rest, 'a' + (int)n % 26, size - sizeof n);
    if (memcmp((const char *)m->data + sizeof n, rest, size - sizeof n) != 0)
        wrong("value %ld is not what was sent", n);
    uint64_t id = atomic_load(&told->id[n]);
    if (m->id != 0 && id != 0 && m->id != id)
        wrong("value %ld came with id %lx, and then with %lx", n, (unsigned long)id, (unsigned long)m->id);
    if (m->id != 0 && id != 0 && m->reason == NULL && m->tries < 2)
        wrong("value %ld comes again, and says that it does so for the first time", n);
    if (atomic_load(&told->done[n]) == SAID)
        wrong("value %ld comes again after it was done", n);
    atomic_store(&told->id[n], m->id);
    return n;
}

/* Receives all that the channel has, in order. */
static void receive_left(csp_chan c, size_t size)
{
    csp_msg m;
    long last = -1;
    if (!DID(csp_drop(c, CSP_SEND)))
        return;
    while (csp_recv_msg(c, &m, soon()) == 0) {
        long n = look_at(&m, size);
        if (n >= 0 && n <= last)
            wrong("value %ld comes after %ld", n, last);
        if (n >= 0)
            atomic_fetch_add(&told->seen[n], 1);
        last = n >= 0 ? n : last;
        if (m.id != 0 && m.reason == NULL)
            (void)DID(csp_ack(m.id));
        csp_msg_free(&m);
    }
    if (errno != EPIPE)
        (void)did(-1, "csp_recv_msg");
}

/* What was said holds: each value is there once, or it was done. */
static void check_seen(bool may_be_twice)
{
    for (int n = 0; n < MOST; n++) {
        int seen = atomic_load(&told->seen[n]);
        enum stage sent = atomic_load(&told->sent[n]), done = atomic_load(&told->done[n]);
        if (sent == SAID && done == NOT && seen == 0)
            wrong("value %d was sent and not done, and is not there", n);
        if (sent == NOT && seen != 0)
            wrong("value %d was not sent, and is there", n);
        if (done == SAID && seen != 0)
            wrong("value %d was done, and is there", n);
        if (seen > (may_be_twice ? 2 : 1))
            wrong("value %d is there %d times", n, seen);
    }
}

/* ---- stored: sent one by one, leased and acknowledged */

static const csp_retry often = {.attempts = 50, .least = 0, .most = 0};

static bool open_leased(void)
{
    return open_channel(&jobs, "jobs", "state", &often, NULL) && check_resumed();
}

static bool send_from(long first, long count)
{
    for (long n = first; n < first + count; n++) {
        if (!send_value(jobs, n, 100))
            return false;
        atomic_store(&told->sent[n], SAID);
    }
    return true;
}

/* Receives one; its number, or -1. What comes of it is the caller's to say, by its id. */
static long receive_one(uint64_t *id)
{
    csp_msg m;
    if (!DID(csp_recv_msg(jobs, &m, soon())))
        return -1;
    long n = look_at(&m, 100);
    *id = m.id;
    csp_msg_free(&m);
    return n;
}

/* One is done, one given back, and one still held when this process ends. */
static void send_and_receive(long first)
{
    uint64_t id;
    long done = -1;
    if (!send_from(first, 5) || (done = receive_one(&id)) < 0)
        return;
    atomic_store(&told->done[done], BEGUN);
    if (!DID(csp_ack(id)) || receive_one(&id) < 0 || !DID(csp_nack(id, CSP_NOW, "not yet")) || receive_one(&id) < 0)
        return;
    if (DID(csp_why(jobs, NULL))) /* an answer, and so the acknowledgement was there */
        atomic_store(&told->done[done], SAID);
}

static void send_first(void)
{
    send_and_receive(0);
}

static void send_more(void)
{
    send_and_receive(5);
}

static void receive_jobs(void)
{
    receive_left(jobs, 100);
}

static void check_once(void)
{
    check_seen(false);
}

void stored(void)
{
    static const struct part parts[] = {
        {open_leased, send_first, NULL}, {open_leased, send_more, NULL}, {open_leased, receive_jobs, check_once}};
    have_runs(parts);
}

/* ---- stored-large: by streams, over a checkpoint, and so much that the file is made shorter at the end */

static bool open_plain(void)
{
    return open_channel(&jobs, "jobs", "state", NULL, NULL) && check_resumed();
}

static void stream_large(void)
{
    if (!DID(csp_stream(jobs, CSP_SEND, WINDOW)))
        return;
    for (long n = 0; n < 24; n++)
        if (!send_value(jobs, n, LARGE))
            return;
    if (DID(csp_flush(jobs, soon())))
        for (long n = 0; n < 24; n++)
            atomic_store(&told->sent[n], SAID);
}

/* Ahead, as a stream does: what was not taken is there again. */
static void take_some(void)
{
    csp_msg m;
    if (!DID(csp_drop(jobs, CSP_SEND)) || !DID(csp_stream(jobs, CSP_RECV, WINDOW)))
        return;
    for (uint64_t i = 0; i < told->there && i < 16; i++) {
        if (!DID(csp_recv_msg(jobs, &m, soon())))
            return;
        long n = look_at(&m, LARGE);
        csp_msg_free(&m);
        if (n >= 0)
            atomic_store(&told->done[n], BEGUN);
    }
}

static void receive_large(void)
{
    receive_left(jobs, LARGE);
}

void stored_large(void)
{
    static const struct part parts[] = {
        {open_plain, stream_large, NULL}, {open_plain, take_some, NULL}, {open_plain, receive_large, check_once}};
    have_runs(parts);
}

/* ---- settled: a job goes, and its result comes, in one step; or it is a dead letter */

static bool open_three(void)
{
    csp_retry retry = often;
    if (!open_channel(&letters, "letters", "state", NULL, NULL) ||
        !open_channel(&results, "results", "state", NULL, NULL))
        return false;
    retry.dead = letters;
    return open_channel(&jobs, "jobs", "state", &retry, NULL) && check_resumed();
}

/* Job n: its result is the same bytes. Each third is refused. */
static bool work_at(const csp_msg *m, long n)
{
    uint32_t length = (uint32_t)m->len;
    csp__block b = {.data = m->data, .len = m->len, .lengths = &length, .count = 1};
    if (n % 3 == 2)
        return DID(csp_nack(m->id, CSP_FOREVER, "refused"));
    return DID(csp__stage_block(results, &b)) && DID(csp__settle(jobs, &m->id, 1));
}

static void work_some(int count)
{
    csp_msg m;
    if (!DID(csp_stream(results, CSP_SEND, WINDOW)))
        return;
    for (int i = 0; i < count; i++) {
        if (!DID(csp_recv_msg(jobs, &m, soon())))
            return;
        long n = look_at(&m, 100);
        bool is_done = n >= 0 && work_at(&m, n);
        csp_msg_free(&m);
        if (!is_done)
            return;
    }
    (void)DID(csp_flush(results, soon()));
}

static void settle_first(void)
{
    if (send_from(0, 6))
        work_some(4);
}

static void settle_more(void)
{
    if (send_from(6, 2))
        work_some(1);
}

static void receive_all_three(void)
{
    receive_left(jobs, 100);
    receive_left(results, 100);
    receive_left(letters, 100);
}

void settled(void)
{
    static const struct part parts[] = {
        {open_three, settle_first, NULL}, {open_three, settle_more, NULL}, {open_three, receive_all_three, check_once}};
    have_runs(parts);
}

/* ---- moved: dead letters from one directory to another */

/* Between the two directories a value may be in both: what is added comes first. */
static bool open_two(void)
{
    csp_retry retry = often;
    if (!open_channel(&letters, "letters", "other", NULL, NULL))
        return false;
    retry.dead = letters;
    return open_channel(&jobs, "jobs", "state", &retry, NULL);
}

static void refuse(int count)
{
    uint64_t id;
    for (int i = 0; i < count; i++)
        if (receive_one(&id) < 0 || !DID(csp_nack(id, CSP_FOREVER, "refused")))
            return;
    (void)DID(csp_why(jobs, NULL));
}

static void move_first(void)
{
    if (send_from(0, 4))
        refuse(2);
}

static void move_more(void)
{
    if (send_from(4, 1))
        refuse(1);
}

static void receive_both(void)
{
    receive_left(jobs, 100);
    receive_left(letters, 100);
}

static void check_at_least_once(void)
{
    check_seen(true);
}

void moved(void)
{
    static const struct part parts[] = {
        {open_two, move_first, NULL}, {open_two, move_more, NULL}, {open_two, receive_both, check_at_least_once}};
    have_runs(parts);
}

/* ---- resumed: what is known of a process that sent */

static bool open_known(void)
{
    char *senders = NULL;
    if (!open_channel(&jobs, "jobs", "state", NULL, &senders) || !check_resumed())
        return false;
    if (senders == NULL)
        return true; /* no memory for it */
    enum stage sent = atomic_load(&told->sent[2]), finished = atomic_load(&told->finished),
               forgotten = atomic_load(&told->forgotten);
    bool is_counted = strstr(senders, "worker\t0\t3\n") != NULL, is_over = strstr(senders, "worker\t0\t-\n") != NULL;
    if (forgotten == NOT && sent == SAID && !is_counted)
        wrong("what the worker sent is not known: %s", senders);
    if (forgotten == NOT && finished == SAID && !is_over)
        wrong("that the worker had finished is not known: %s", senders);
    if (is_over && finished == NOT)
        wrong("the worker is said to have finished");
    if (forgotten == SAID && *senders != '\0')
        wrong("what is known was to be forgotten: %s", senders);
    free(senders);
    return true;
}

static void send_three(void)
{
    (void)send_from(0, 3);
}

static void finish_worker(void)
{
    atomic_store(&told->finished, BEGUN);
    if (DID(csp__mark(CSP__FINISHED, "worker", 0)))
        atomic_store(&told->finished, SAID);
}

static void send_nothing(void)
{
    (void)DID(csp_drop(jobs, CSP_SEND));
}

/* The values go, too: their channel is broken, for nobody has its receiving end. */
static void forget(void)
{
    for (int n = 0; n < 3; n++)
        atomic_store(&told->done[n], BEGUN);
    atomic_store(&told->forgotten, BEGUN);
    if (DID(csp__mark(CSP__RUN_DONE, "", 0)))
        atomic_store(&told->forgotten, SAID);
}

void resumed(void)
{
    static const struct part parts[] = {{open_known, send_three, finish_worker},
                                        {open_known, send_nothing, forget},
                                        {open_known, receive_jobs, check_once}};
    have_runs(parts);
}
