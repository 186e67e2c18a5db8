/* SPDX-License-Identifier: MPL-2.0 */
/* What a bridge has under way, in bytes. Decision: these stand alone, for cspctl computes from them what a run can cost
 * (`cspctl explain`), and links nothing of the bridge. */
#ifndef EXEC_SIZES_H
#define EXEC_SIZES_H

#define EXEC_WINDOW (1u << 20) /* of a stream; a single value may be larger */
#define EXEC_HELD                                                                                                      \
    (4u << 10)         /* of one whose values are acknowledged: what is delivered ahead nobody else can do meanwhile;  \
                          and of one, and its pipe, that sends tasks: so the channel's capacity bounds how many wait */
#define EXEC_DONE  64u /* of one to which goes what was settled: it is in the channel before more is settled */
#define EXEC_BLOCK (256u << 10) /* of what is read from or written to the program at a time, likewise */
#define EXEC_PIPE  (256u << 10) /* of a pipe; where the system refuses, what it gives by itself will do */

#endif
