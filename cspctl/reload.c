/* SPDX-License-Identifier: MPL-2.0 */
/* A replica of a process that has changed goes on as another definition: its next incarnation is announced with the
 * ends of that at once, and started when the present one has ended (struct child.becomes). One that does not run gives
 * way to a new one. */
#include "reload.h"
#include "change.h"
#include "diagnostic.h"
#include "message.h"
#include "pool.h"
#include "revision.h"
#include "services.h"
#include "snapshot.h"
#include "supervisor.h"
#include "vacancy.h"

#include <rundir.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

/* ---- the file */

/* Says what is wrong, as far as there is room for it. */
static void refuse_file(struct diagnostics *d, struct change *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (to != NULL) {
        diagnostics_print(d, to, false);
        (void)fclose(to);
    }
    c->status = EX_CONFIG;
    (void)change_refuse(c, "its supervisor reads the file otherwise:\n%s", text != NULL ? text : "");
    free(text);
}

/* What a request is for: NULL after saying what is wrong. */
static struct pipeline *load(const char *path, const json_t *words, struct change *c)
{
    struct stat file;
    char **vars = memory_alloc((json_array_size(words) + 1) * sizeof *vars);
    struct pipeline *next = NULL;

    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        vars[i] = (char *)(word != NULL ? word : "");
    }
    if (stat(path, &file) != 0)
        (void)change_refuse(c, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(file.st_mode)) /* the supervisor must not wait for it */
        (void)change_refuse(c, "%s: it is no regular file", path);
    else {
        struct diagnostics *d = diagnostics_new();
        next = pipeline_load(path, vars, json_array_size(words), d);
        if (next == NULL)
            refuse_file(d, c);
        diagnostics_free(d);
    }
    free(vars);
    return next;
}

/* ---- all that can fail */

/* What the run had, to be had again. */
struct before {
    struct pipeline *p;
    csp_chan *chans;
    size_t *alive_of, n;
};

static struct before take_over(struct supervisor *s, const struct revision *r)
{
    const struct before was = {s->stage.p, s->chans, s->alive_of, s->n};

    s->stage.p = r->p;
    s->chans = pool_zalloc(r->next->pool, r->p->nchannels * sizeof *s->chans);
    s->alive_of = pool_zalloc(r->next->pool, r->p->nprocesses * sizeof *s->alive_of);
    for (size_t i = 0; i < r->now->nchannels; i++)
        s->chans[i] = was.chans[i];
    for (size_t i = 0; i < r->now->nprocesses; i++)
        s->alive_of[i] = was.alive_of[i];
    return was;
}

static bool is_live(const struct child *c)
{
    bool told = c->phase >= CHILD_TOLD && c->phase <= CHILD_KILLED;

    return c->phase == CHILD_RUNNING || (told && c->replacing);
}

/* The replica of that definition that runs, or whose next incarnation comes. */
static struct child *find_live(const struct supervisor *s, size_t process, unsigned replica)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->process == process && s->children[i]->replica == replica && is_live(s->children[i]))
            return s->children[i];
    return NULL;
}

/* It has not ended, and nobody has told it to. */
static bool is_there(const struct supervisor *s, size_t process, unsigned replica)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct child *c = s->children[i];
        bool waits = c->phase == CHILD_NEW || c->phase == CHILD_BURIED || c->phase == CHILD_PAUSED;
        if (c->process == process && c->replica == replica && (waits || is_live(c)))
            return true;
    }
    return false;
}

/* Replicas of a definition of the file that the run lacks: new ones, and successors of those of the old one. */
static bool announce(struct supervisor *s, const struct revision *r, size_t process)
{
    size_t old = r->older[process];

    for (unsigned replica = 1; replica <= s->stage.p->processes[process].replicas; replica++) {
        struct child *c = old != PIPELINE_NONE ? find_live(s, old, replica) : NULL;
        if (is_there(s, process, replica))
            continue;
        if (c == NULL) {
            if (supervisor_add(s, process, replica) == NULL)
                return false;
            continue;
        }
        if (child_prepare_as(c, &s->stage, s->chans, process) != 0)
            return false;
        c->becomes = process;
        s->alive_of[process]++;
    }
    return true;
}

static bool announce_all(struct supervisor *s, const struct revision *r)
{
    for (size_t i = 0; i < r->p->nprocesses; i++) {
        bool grows = r->fate[i] == FATE_KEPT && r->p->processes[i].replicas > r->now->processes[i].replicas;
        if ((grows || r->fate[i] == FATE_ADDED) && !announce(s, r, i))
            return false;
    }
    return true;
}

static void give_back(struct supervisor *s, const struct revision *r, const struct before *was)
{
    for (size_t i = 0; i < was->n; i++) {
        struct child *c = s->children[i];
        if (c->becomes == PIPELINE_NONE)
            continue;
        c->becomes = PIPELINE_NONE;
        if (s->stage.p->processes[c->process].restart.when == RESTART_NEVER && !c->replacing)
            child_forgo_next(c);
        else if (child_prepare_as(c, &s->stage, s->chans, c->process) != 0)
            message("%s: cannot be restarted: %s", c->label, csp_errmsg());
    }
    for (size_t i = was->n; i < s->n; i++) {
        supervisor_child(s, s->children[i], CHILD_TELL);
        child_free(s->children[i]);
    }
    readiness_forget(s, r->added);
    s->n = was->n;
    s->stage.p = was->p;
    s->chans = was->chans;
    s->alive_of = was->alive_of;
}

static bool prepare(struct supervisor *s, const struct revision *r, struct change *c)
{
    const struct before was = take_over(s, r);

    if (readiness_compile(s, r->added) == 0 && supervisor_declare(s, r->fresh) && announce_all(s, r))
        return true;
    (void)change_refuse(c, "what is new cannot be announced: %s",
                        errno == ENOTCONN ? "its broker has died" : csp_errmsg());
    give_back(s, r, &was);
    return false;
}

/* ---- and all that cannot */

/* It takes nothing more; or it reads up to the end what nobody reads after it. */
static void send_off(struct supervisor *s, struct child *c, bool drains)
{
    c->drains = drains && c->phase == CHILD_RUNNING;
    if (!c->drains)
        supervisor_child(s, c, CHILD_RETIRE);
}

static void touch(struct supervisor *s, const struct revision *r, struct child *c, const bool *drains)
{
    size_t process = c->process;

    if (c->becomes != PIPELINE_NONE) {
        c->replacing = true;
        send_off(s, c, drains[process]);
    } else if (r->fate[process] == FATE_CHANGED || r->fate[process] == FATE_REMOVED) {
        if (c->phase != CHILD_BURIED && c->phase != CHILD_PAUSED) /* these are the next, and go as a whole */
            child_forgo_next(c);
        c->replacing = false;
        send_off(s, c, drains[process]);
    } else if (r->fate[process] == FATE_KEPT && c->replica > s->stage.p->processes[process].replicas)
        supervisor_child(s, c, CHILD_RETIRE);
    else if (c->phase != CHILD_NEW)
        return;
    c->reload = s->reloads.last;
}

static void say(const struct revision *r, struct change *c)
{
    unsigned n[FATE_ADDED + 1] = {0}, scaled = 0;
    char more[64] = "";

    for (size_t i = 0; i < r->p->nprocesses; i++) {
        const struct process *process = &r->p->processes[i];
        if (process->kind == PROCESS_PARTITION || r->older[i] != PIPELINE_NONE)
            continue;
        if (r->fate[i] == FATE_KEPT && process->replicas != r->now->processes[i].replicas)
            scaled++;
        else
            n[r->fate[i]]++;
    }
    if (scaled > 0)
        (void)snprintf(more, sizeof more, ", %u scaled", scaled);
    (void)snprintf(c->text, sizeof c->text, "reload: %u added, %u changed, %u removed, %u unchanged%s", n[FATE_ADDED],
                   n[FATE_CHANGED], n[FATE_REMOVED], n[FATE_KEPT], more);
}

/* Those who look at the run see which file it is. */
static void show_file(const struct supervisor *s)
{
    const char *path = supervisor_shown_path(s->stage.p->pool, s->stage.p->path);
    struct csp__runinfo info;

    if (strlen(path) >= sizeof info.file)
        errno = ENAMETOOLONG;
    else if (csp__rundir_read(s->stage.dir, &info) == 0) {
        memcpy(info.file, path, strlen(path) + 1);
        if (csp__rundir_write(s->stage.dir, &info) == 0)
            return;
    }
    message("%s: that %s is its file now cannot be noted: %s", s->order->name, s->stage.p->path, strerror(errno));
}

static void carry_out(struct supervisor *s, struct revision *r, const struct snapshot *now, struct change *c)
{
    struct reloads *all = &s->reloads;
    bool *drains = pool_zalloc(r->next->pool, r->p->nprocesses * sizeof *drains);

    all->loaded = memory_resize(all->loaded, (all->nloaded + 1) * sizeof(struct pipeline *));
    all->loaded[all->nloaded++] = r->next;
    c->reload = ++all->last;
    for (size_t i = 0; i < r->now->nprocesses; i++)
        drains[i] = reload_drains(r, i, now);
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->process != PIPELINE_NONE && s->children[i]->phase != CHILD_ENDED)
            touch(s, r, s->children[i], drains);
    if (services_write(s->stage.dir, s->stage.p) != 0)
        message("%s: the definitions of its services cannot be written: %s", s->order->name, strerror(errno));
    show_file(s);
    say(r, c);
}

static bool goes_on(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->phase != CHILD_ENDED &&
            (s->children[i]->becomes != PIPELINE_NONE || s->children[i]->drains))
            return true;
    return false;
}

bool reload_begin(struct supervisor *s, const json_t *request, struct change *c)
{
    const char *path;
    const json_t *words;

    c->kind = CHANGE_RELOAD;
    if (json_unpack((json_t *)request, "{s:s, s:o}", "file", &path, "vars", &words) != 0)
        return change_refuse(c, "it is asked for what this version of cspctl does not know");
    if (goes_on(s))
        return change_refuse(c, "the last reload is not done yet: try again");
    struct pipeline *next = load(path, words, c);
    if (next == NULL)
        return false;
    next->path = pool_copy(next->pool, path, strlen(path));
    struct vacancy vacancy = vacancy_find(s);
    struct revision *r = revision_new(s->stage.p, next, vacancy.gone, vacancy.vacant);
    struct snapshot *now = snapshot_ask();
    bool good = now != NULL ? reload_may(s, r, now, c) && prepare(s, r, c)
                            : change_refuse(c, "its broker cannot be asked: %s", csp_errmsg());
    if (good) {
        carry_out(s, r, now, c);
        vacancy_close_files(&s->reloads, s->stage.p);
    } else
        pipeline_free(next);
    snapshot_free(now);
    vacancy_free(&vacancy);
    return good;
}

bool reload_done(const struct supervisor *s, const struct change *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct child *child = s->children[i];
        bool comes = child->phase == CHILD_RUNNING && child->ready;
        bool goes = child->process != PIPELINE_NONE && s->stage.p->processes[child->process].past;
        if (child->reload == c->reload && child->phase != CHILD_ENDED && (goes || !comes))
            return false;
    }
    return true;
}

/* ---- while it goes on */

void reload_step(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = s->children[i];
        if (c->drains && c->phase == CHILD_RUNNING && !drain_inputs(s, c).fed)
            supervisor_child(s, c, CHILD_LEAVE);
    }
}

void reload_close(struct supervisor *s)
{
    for (size_t i = 0; i < s->reloads.nloaded; i++)
        pipeline_free(s->reloads.loaded[i]);
    free(s->reloads.loaded);
}
