/* SPDX-License-Identifier: MPL-2.0 */
/* Where the programs of this house stand. Decision: what stands beside the running program or library comes before
 * what was installed, so that a build tree, a copy under another prefix and a package all use their own broker. */
#include "programs.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int found(char *path, size_t size, const char *dir, const char *below, const char *name)
{
    int n = snprintf(path, size, "%s%s/%s", dir, below, name);
    if (n < 0 || (size_t)n >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return access(path, X_OK);
}

/* Beside a file of ours: its directory itself (a worker starting a worker), or the libexec of its tree. */
static int beside(char *path, size_t size, char *file, const char *name)
{
    static const char *const below[] = {"/libexec/csp", "/../libexec/csp", "/../../libexec/csp"};
    char *slash = strrchr(file, '/');
    if (slash == NULL) {
        errno = ENOENT;
        return -1;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (found(path, size, file, below[i], name) == 0)
            return 0;
    return -1;
}

int csp__program_path(const char *name, char *path, size_t size)
{
    const char *dir = getenv("CSP_LIBEXEC");
    if (dir != NULL && *dir != '\0')
        return found(path, size, dir, "", name);

    char file[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
    if (n > 0) {
        file[n] = '\0';
        if (beside(path, size, file, name) == 0)
            return 0;
    }
    Dl_info info;
    static const char anchor; /* any object of this library */
    if (dladdr(&anchor, &info) != 0 && info.dli_fname != NULL && realpath(info.dli_fname, file) != NULL &&
        beside(path, size, file, name) == 0)
        return 0;
    if (found(path, size, CSP_LIBEXECDIR, "", name) == 0)
        return 0;
    errno = ENOENT;
    return -1;
}

int csp__cspctl_path(char *path, size_t size)
{
    static const char *const above[] = {"/../..", "/../../bin"}; /* of libexec/csp: a build tree, an installed one */
    char dir[PATH_MAX];
    if (csp__program_path("broker", dir, sizeof dir) != 0)
        return -1;
    *strrchr(dir, '/') = '\0';
    for (size_t i = 0; i < sizeof above / sizeof *above; i++)
        if (found(path, size, dir, above[i], "cspctl") == 0)
            return 0;
    errno = ENOENT;
    return -1;
}
