/* SPDX-License-Identifier: MPL-2.0 */
/* A file is opened and parsed once, known by its inode, whatever it is called and however many processes run it; an
 * address of it is looked up once. A file is opened through /proc, which finds it also where it was removed or where
 * the process has another root. A thousand processes of one program so cost one parse, and a read of each map. */
#include "place.h"
#include "pool.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct file *next;
    dev_t dev;
    ino_t ino;
    Dwfl *dwfl;
    Dwfl_Module *module; /* NULL: it is nothing that libdw can read */
    Elf *elf;
    GElf_Addr bias; /* from the file's addresses to libdw's */
    struct found *found;
};

struct found {
    struct found *next;
    uint64_t offset; /* in the file */
    bool returns;
    struct place place;
};

struct mapping {
    uint64_t from, to, offset;
    const char *path;
};

struct places {
    struct pool *pool;
    struct file *files;
    pid_t pid; /* whose map it is */
    struct pool *map_pool;
    struct mapping *maps;
    size_t nmaps;
};

struct places *places_new(void)
{
    struct pool *pool = pool_new();
    struct places *p = pool_zalloc(pool, sizeof *p);

    *p = (struct places){.pool = pool};
    (void)unsetenv("DEBUGINFOD_URLS"); /* who asks what waits does not wait for the network */
    return p;
}

void places_free(struct places *p)
{
    if (p == NULL)
        return;
    for (struct file *f = p->files; f != NULL; f = f->next)
        dwfl_end(f->dwfl);
    if (p->map_pool != NULL)
        pool_free(p->map_pool);
    pool_free(p->pool);
}

/* ---- the map of a process */

/* One line of /proc/PID/maps; only code is of interest. */
static void take_mapping(struct places *p, char *line)
{
    struct mapping m;
    char mode[5];
    int at = 0;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &m.from, &m.to, mode, &m.offset, &at) != 4)
        return;
    if (mode[2] != 'x' || at == 0 || line[at] != '/')
        return;
    m.path = pool_copy(p->map_pool, line + at, strlen(line + at));
    p->maps = pool_more(p->map_pool, p->maps, p->nmaps, sizeof *p->maps);
    p->maps[p->nmaps++] = m;
}

static void read_map(struct places *p, pid_t pid)
{
    char path[64], *line = NULL;
    size_t size = 0;

    if (p->map_pool != NULL)
        pool_free(p->map_pool);
    p->map_pool = pool_new();
    p->maps = NULL;
    p->nmaps = 0;
    p->pid = pid;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *map = fopen(path, "re");
    while (map != NULL && getline(&line, &size, map) > 0)
        take_mapping(p, line);
    free(line);
    if (map != NULL)
        (void)fclose(map);
}

static const struct mapping *find_mapping(struct places *p, pid_t pid, uint64_t address)
{
    if (pid != p->pid)
        read_map(p, pid);
    for (size_t i = 0; i < p->nmaps; i++)
        if (address >= p->maps[i].from && address < p->maps[i].to)
            return &p->maps[i];
    return NULL;
}

/* ---- files */

/* The file behind a mapping: the executable, which can be removed; else as only the privileged may; else by its name in
 * the process's own root. -1: it is gone. */
static int open_mapping(pid_t pid, const struct mapping *m)
{
    char target[PATH_MAX], *path;
    int fd = -1;
    struct pool *pool = pool_new();

    path = pool_format(pool, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, target, sizeof target);
    if (n > 0 && (size_t)n == strlen(m->path) && memcmp(target, m->path, (size_t)n) == 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        path = pool_format(pool, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, m->from, m->to);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        fd = open(pool_format(pool, "/proc/%d/root%s", (int)pid, m->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    pool_free(pool);
    return fd;
}

static void load(struct file *f, const char *path, int fd)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo,
                                             .section_address = dwfl_offline_section_address};

    f->dwfl = dwfl_begin(&callbacks);
    if (f->dwfl != NULL)
        f->module = dwfl_report_offline(f->dwfl, path, path, fd);
    if (f->module == NULL) {
        close(fd);
        return;
    }
    (void)dwfl_report_end(f->dwfl, NULL, NULL);
    f->elf = dwfl_module_getelf(f->module, &f->bias);
    if (f->elf == NULL)
        f->module = NULL;
}

/* NULL: there is no such file any more. */
static struct file *file_of(struct places *p, pid_t pid, const struct mapping *m)
{
    struct stat s;
    int fd = open_mapping(pid, m);

    if (fd < 0)
        return NULL;
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return NULL;
    }
    for (struct file *f = p->files; f != NULL; f = f->next)
        if (f->dev == s.st_dev && f->ino == s.st_ino) {
            close(fd);
            return f;
        }
    struct file *f = pool_zalloc(p->pool, sizeof *f);
    *f = (struct file){.next = p->files, .dev = s.st_dev, .ino = s.st_ino};
    p->files = f;
    load(f, m->path, fd);
    return f;
}

/* ---- addresses */

/* The address that a place in the file has by its program headers. */
static bool file_address(const struct file *f, uint64_t offset, uint64_t *address)
{
    size_t n;

    if (f->module == NULL || elf_getphdrnum(f->elf, &n) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr h;
        if (gelf_getphdr(f->elf, (int)i, &h) == NULL || h.p_type != PT_LOAD)
            continue;
        if (offset >= h.p_offset && offset - h.p_offset < h.p_filesz) {
            *address = offset - h.p_offset + h.p_vaddr;
            return true;
        }
    }
    return false;
}

/* The compilation unit of an address, *pc: the address in its terms. A compiler that writes no table of addresses
 * (clang) makes us look at each unit. */
static Dwarf_Die *find_unit(Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *pc)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);

    if (unit == NULL)
        while ((unit = dwfl_module_nextcu(module, unit, &bias)) != NULL)
            if (dwarf_haspc(unit, address - bias) > 0)
                break;
    *pc = address - bias;
    return unit;
}

/* The innermost function around, inlined or not. */
static const char *function_name(Dwarf_Die *unit, Dwarf_Addr pc)
{
    Dwarf_Die *scopes = NULL;
    const char *name = NULL;
    int n = dwarf_getscopes(unit, pc, &scopes);

    for (int i = 0; i < n && name == NULL; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
            name = dwarf_diename(&scopes[i]);
    }
    free(scopes);
    return name;
}

/* The name that the compiler was given: without the directory that it was started in. */
static const char *short_file(const char *file, const char *dir)
{
    size_t n = dir != NULL ? strlen(dir) : 0;

    if (n > 0 && strncmp(file, dir, n) == 0 && file[n] == '/')
        file += n + 1;
    while (file[0] == '.' && file[1] == '/' && file[2] != '\0')
        file += 2;
    return file;
}

static void find_source(const struct file *f, Dwarf_Addr address, struct place *place)
{
    Dwarf_Addr pc;
    Dwarf_Attribute attribute;
    Dwarf_Die *unit = find_unit(f->module, address, &pc);
    Dwarf_Line *line = unit != NULL ? dwarf_getsrc_die(unit, pc) : NULL;
    const char *file = line != NULL ? dwarf_linesrc(line, NULL, NULL) : NULL;

    if (unit == NULL)
        return;
    place->function = function_name(unit, pc);
    if (file == NULL)
        return;
    place->dir = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    place->file = short_file(file, place->dir);
    (void)dwarf_lineno(line, &place->line);
    (void)dwarf_linecol(line, &place->column);
}

static void resolve(const struct file *f, uint64_t offset, bool returns, struct place *place)
{
    uint64_t address;
    GElf_Off past = 0;
    GElf_Sym symbol;

    if (!file_address(f, offset, &address))
        return;
    place->offset = address;
    /* A call can be the last instruction of its function: what is meant is the call, and that ends one byte before. */
    address = address + f->bias - returns;
    place->symbol = dwfl_module_addrinfo(f->module, address, &past, &symbol, NULL, NULL, NULL);
    place->past = place->symbol != NULL ? past + returns : 0;
    find_source(f, address, place);
}

/* The path without what the kernel says of a file that was removed. */
static const char *module_path(struct places *p, const char *path)
{
    static const char deleted[] = " (deleted)";
    size_t n = strlen(path), end = sizeof deleted - 1;

    return pool_copy(p->pool, path, n > end && strcmp(path + n - end, deleted) == 0 ? n - end : n);
}

struct place places_find(struct places *p, pid_t pid, uint64_t address, bool returns)
{
    const struct mapping *m = find_mapping(p, pid, address - returns);
    struct file *f = m != NULL ? file_of(p, pid, m) : NULL;
    struct place place = {.address = address};

    if (m == NULL)
        return place;
    uint64_t offset = address - m->from + m->offset;
    for (const struct found *old = f != NULL ? f->found : NULL; old != NULL; old = old->next)
        if (old->offset == offset && old->returns == returns) {
            place = old->place;
            place.address = address;
            return place;
        }
    place.module = module_path(p, m->path);
    place.offset = offset;
    if (f == NULL)
        return place;
    resolve(f, offset, returns, &place);
    struct found *new = pool_zalloc(p->pool, sizeof *new);
    *new = (struct found){.next = f->found, .offset = offset, .returns = returns, .place = place};
    f->found = new;
    return place;
}

const char *place_print(const struct place *place, struct pool *pool)
{
    const char *slash = place->module != NULL ? strrchr(place->module, '/') : NULL;
    const char *module = slash != NULL ? slash + 1 : place->module;
    const char *function = place->function != NULL ? place->function : place->symbol;

    if (place->file != NULL && place->line > 0 && function != NULL)
        return pool_format(pool, "%s() in %s:%d", function, place->file, place->line);
    if (place->file != NULL && place->line > 0)
        return pool_format(pool, "%s:%d", place->file, place->line);
    if (place->symbol != NULL)
        return pool_format(pool, "%s+0x%" PRIx64 " in %s", place->symbol, place->past, module);
    if (module != NULL)
        return pool_format(pool, "%s+0x%" PRIx64, module, place->offset);
    return pool_format(pool, "0x%" PRIx64, place->address);
}
