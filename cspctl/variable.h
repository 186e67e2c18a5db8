/* SPDX-License-Identifier: MPL-2.0 */
/* Templates: text of the file in which $name and ${name} stand for the value of a variable and $$ for a dollar sign.
 * What is put in is never looked at again, neither for dollars nor for spaces: one element of a list is one argument,
 * whatever a value holds. */
#ifndef CSPCTL_VARIABLE_H
#define CSPCTL_VARIABLE_H

#include "document.h"
#include "pipeline.h"

/* Say what is wrong with a template in a scalar; without_replica: `$replica` has no meaning there. True if nothing. */
bool template_check(const struct document *doc, const struct pipeline *p, int node, const char *text,
                    bool without_replica);

/* The text for a replica, into out unless that is NULL, with a NUL at its end. Returns its length without that. */
size_t template_expand(const struct pipeline *p, const char *text, unsigned replica, char *out);

/* Whether a name can be a variable's: a letter or _, then letters, digits and _. */
bool variable_is_name(const char *text, size_t length);

/* The variable of a name, or NULL. */
const struct variable *variable_find(const struct pipeline *p, const char *name, size_t length);

#endif
