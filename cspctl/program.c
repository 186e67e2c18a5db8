/* SPDX-License-Identifier: MPL-2.0 */
/* Programs: how they are written, and whether they are there. A worker that is missing is an error, since it comes with
 * cspctl or with the user's project; a command that is missing is only a warning, for the PATH that counts is the one
 * of the moment it starts. */
#include "reader.h"
#include "pool.h"
#include "programs.h"
#include "suggestion.h"
#include "variable.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One word in which the shell would see nothing but a word. */
static bool is_plain_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";

    return *text && text[strspn(text, plain)] == '\0';
}

static void set_kind(struct reader *r, const struct value *v)
{
    if (v->key->in != SECTION_PROCESS)
        return;
    r->p->processes[r->process].kind = strcmp(v->key->name, "worker") == 0 ? PROCESS_WORKER
                                       : strcmp(v->key->name, "each") == 0 ? PROCESS_EACH
                                                                           : PROCESS_COMMAND;
}

static void set_arguments(struct reader *r, const struct value *v, size_t n)
{
    struct program *program = v->field;

    set_kind(r, v);
    *program = (struct program){.place = v->place,
                                .argv = pool_zalloc(r->p->pool, (n + 1) * sizeof *program->argv),
                                .places = pool_zalloc(r->p->pool, (n + 1) * sizeof *program->places)};
}

static void add_argument(struct reader *r, struct program *program, const char *text, struct place at)
{
    program->argv[program->argc] = pool_copy(r->p->pool, text, strlen(text));
    program->places[program->argc++] = at;
}

/* `worker: fibonacci` means the same to a shell and to exec; taken as a list it is looked up like one. */
void read_shell(struct reader *r, const struct value *v)
{
    struct program *program = v->field;

    if (!v->text[strspn(v->text, " \t\r\n")]) {
        wrong(r, v, "there is no program in it");
    } else if (strcmp(v->key->name, "worker") == 0 && is_plain_word(v->text)) {
        set_arguments(r, v, 1);
        add_argument(r, program, v->text, v->place);
    } else {
        set_kind(r, v);
        *program = (struct program){.shell = pool_copy(r->p->pool, v->text, strlen(v->text)), .place = v->place};
    }
}

/* False (said) if the ith element can't be an argument. */
static bool check_argument(struct reader *r, const struct value *element, size_t i)
{
    if (!*element->text && document_is_null(&r->doc, element->node))
        diagnose(r->d, element->place, "write \"\" for an empty argument, or take the item out",
                 "%s: nothing is written here", element->key->name);
    else if (i == 0 && !*element->text)
        diagnose(r->d, element->place, "write the program first, then its arguments", "%s: the program has no name",
                 element->key->name);
    else if (strcmp(element->key->name, "each") == 0 && program_value(element->text) != VALUE_NONE)
        return true;
    else
        return template_check(&r->doc, r->p, element->node, element->text, false);
    return false;
}

void read_arguments(struct reader *r, const struct value *v)
{
    size_t n;
    const int *item = document_items(&r->doc, v->node, &n);
    struct value element;

    if (n == 0) {
        wrong(r, v, "this list is empty");
        return;
    }
    set_arguments(r, v, n);
    for (size_t i = 0; i < n; i++) {
        bool good = read_element(r, v, item[i], &element) && check_argument(r, &element, i);
        add_argument(r, v->field, good ? element.text : "", element.place);
    }
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* As execvp looks: the directories of PATH in order. */
static bool find_in_path(const char *name, char *path, size_t size)
{
    const char *dirs = getenv("PATH");

    for (const char *dir = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; dir;
         dir = strchr(dir, ':'), dir = dir ? dir + 1 : NULL) {
        int n = (int)strcspn(dir, ":");
        int length = snprintf(path, size, "%.*s%s%s", n, dir, n ? "/" : "./", name);
        if (length > 0 && (size_t)length < size && is_program(path))
            return true;
    }
    return false;
}

static const char *nearest_worker(struct reader *r, const char *name)
{
    char path[PATH_MAX];
    struct suggestion s = {.word = name};

    if (csp__program_path("exec", path, sizeof path) != 0)
        return NULL;
    *strrchr(path, '/') = '\0';
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "exec") != 0 && strcmp(e->d_name, "broker") != 0 &&
            suggestion_offer(&s, e->d_name))
            s.best = pool_copy(r->d->pool, e->d_name, strlen(e->d_name));
    if (dir)
        closedir(dir);
    return s.best;
}

/* A relative path below a cwd can't be judged before that directory is entered. */
static bool can_judge(const struct process *process, const char *name)
{
    return !strchr(name, '/') || *name == '/' || !process->cwd;
}

static void check_worker(struct reader *r, struct process *process, const char *name)
{
    char path[PATH_MAX];
    bool found = strchr(name, '/')
                     ? snprintf(path, sizeof path, "%s", name) < PATH_MAX && is_program(path)
                     : csp__program_path(name, path, sizeof path) == 0 || find_in_path(name, path, sizeof path);

    if (!found && can_judge(process, name))
        diagnose(r->d, process->program.places[0],
                 diagnostics_did_you_mean(r->d, nearest_worker(r, name),
                                          strchr(name, '/')
                                              ? "the path is looked up from the directory cspctl is started in"
                                              : "workers are looked up beside cspctl's own, then in PATH"),
                 "worker: there is no program %s", diagnostics_quote(r->d, name));
    process->program.path = pool_copy(r->p->pool, found ? path : name, strlen(found ? path : name));
}

static bool sets_path(const struct process *process)
{
    for (size_t i = 0; i < process->env.n; i++)
        if (strcmp(process->env.item[i].name, "PATH") == 0)
            return true;
    return false;
}

void check_program(struct reader *r, struct process *process)
{
    char path[PATH_MAX];

    if (process->program.argc == 0 || r->valueless)
        return;
    char *name = pool_zalloc(r->doc.pool, template_expand(r->p, process->program.argv[0], 1, NULL) + 1);
    template_expand(r->p, process->program.argv[0], 1, name);
    if (!*name)
        return; /* what is wrong with it is said */
    if (process->kind == PROCESS_WORKER)
        check_worker(r, process, name);
    else if (can_judge(process, name) && !sets_path(process) &&
             !(strchr(name, '/') ? is_program(name) : find_in_path(name, path, sizeof path)))
        diagnose_warning(r->d, process->program.places[0], "it has to be there when the pipeline starts",
                         "%s: there is no program %s", process->kind == PROCESS_EACH ? "each" : "command",
                         diagnostics_quote(r->d, name));
}
