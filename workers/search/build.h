/* SPDX-License-Identifier: MPL-2.0 */
/* Builds an index from lines `title TAB source`. The file appears under its name whole or not at all. */
#ifndef SEARCH_BUILD_H
#define SEARCH_BUILD_H

#include <stdint.h>
#include <stdio.h>

/* Reads all of `in` and puts the index at `path`, in the place of one that was there. The new file is path.part until
 * it is complete; a second build of the same path at the same time is an error. Returns 0, with the number of rows in
 * *rows, or an exit status: 65 a line without a tab, 74 reading or writing failed, 75 another build is under way; then
 * *why is a sentence, to be freed by the caller (NULL: no memory). */
int build_index(const char *path, FILE *in, int64_t *rows, char **why);

#endif
