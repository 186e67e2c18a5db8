/* SPDX-License-Identifier: MPL-2.0 */
/* A text as JSON, which is UTF-8: a value from the command line, a path or a name may be any bytes, and what is none is
 * replaced, not left out. */
#ifndef CSPCTL_TEXT_JSON_H
#define CSPCTL_TEXT_JSON_H

#include <jansson.h>

/* null for NULL. Caller owns the result. */
json_t *text_json(const char *text);

/* Of a value, which may have NULs in it. */
json_t *bytes_json(const char *bytes, size_t size);

#endif
