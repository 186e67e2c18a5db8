/* SPDX-License-Identifier: MPL-2.0 */
/* What a bridge has under way, in bytes. Decision: these stand alone, for cspctl computes from them what a run can cost
 * (`cspctl explain`), and links nothing of the bridge. */
#ifndef EXEC_SIZES_H
#define EXEC_SIZES_H

/* The window of a stream; a single value may be larger. */
#define EXEC_WINDOW (1u << 20)

/* That of one whose values are acknowledged: what is delivered ahead nobody else can do meanwhile. And that of one
 * which sends tasks, and its pipe: so the channel's capacity bounds how many wait. */
#define EXEC_HELD (4u << 10)

/* That of one to which goes what was settled: it is in the channel before more is settled. */
#define EXEC_DONE 64u

/* What is read from or written to the program at a time; a single value may be larger. */
#define EXEC_BLOCK (256u << 10)

/* A pipe; where the system refuses, what it gives by itself will do. */
#define EXEC_PIPE (256u << 10)

#endif
