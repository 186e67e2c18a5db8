/* SPDX-License-Identifier: MPL-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_fail(const char *file, int line, const char *what)
{
    dprintf(2, "%s:%d: this does not hold: %s\n", file, line, what);
    abort();
}
