/* SPDX-License-Identifier: MPL-2.0 */
/* The journal: what the processes of these programs say that they received, to be compared with the broker's record of
 * what it committed to whom. Decision: a line is one write(2) to a file opened with O_APPEND, right after the receive
 * returned, so that a SIGKILL at any instant leaves whole lines; what was committed and is not in the journal was
 * committed to a process that was killed before it could say so.
 *
 * The file that CSP_JOURNAL names gets, where the variable is set, a line for each value received:
 *
 *     PID PROCESS CHANNEL ID HASH
 *
 * PID, PROCESS (csp_self) and CHANNEL (csp_chan) are decimal. ID and HASH are hexadecimal: the first 8 bytes of the
 * value, little-endian, which are unique in a run (32 bits of the number of the process that sent it, 32 bits of its
 * count), and the FNV-1a hash, 64 bits, of all its bytes. Every value that these programs send begins with such an ID.
 *
 * The exit statuses of these programs, whose processes may be killed at any moment, are in verdict.h:
 *     0  right
 *     1  wrong: a value that is wrong, came twice or out of order, or is missing although nobody died
 *     2  usage
 *     3  incomplete: processes of it were killed; what came was right
 *     4  unable: the broker is gone, or a limit of the machine was met; it says which on stderr */
#ifndef PROGRAMS_JOURNAL_H
#define PROGRAMS_JOURNAL_H

#include "csp.h"

#include <stddef.h>
#include <stdint.h>

/* The id of the next value that this process sends. */
uint64_t journal_id(void);

/* Writes down that this process has received these len >= 8 bytes from c. Keeps errno. */
void journal_received(csp_chan c, const void *value, size_t len);

#endif
