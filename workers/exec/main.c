/* SPDX-License-Identifier: MPL-2.0 */
/* The bridge: runs any program as a process of a run, values of channels on its descriptors.
 *
 *   exec [--in CHAN]... [--out CHAN]... [--in-fd FD:CHAN]... [--out-fd FD:CHAN]... [--err CHAN] [--serve CHAN]
 *        [--records line|nul|length|whole] [--records-in R] [--records-out R] [--success CODE,...]
 *        [--report FD] [--grace MS] [--ready REGEX] [--label NAME] -- PROGRAM ARG...
 *
 * CHAN is the name of a channel of the run, or a number: a handle. Several for one input are merged, and it ends with
 * the last; several for one output each get every value. What is not named is inherited. stderr is in lines always. It
 * joins the run of CSP_RUN with CSP_TICKET; the program has the first in its environment and not the second.
 *
 * --report: lines of text to that descriptor. First one of
 *     started PID
 *     error ERRNO TEXT              the program was not started
 *     ready                         with --ready: a line of its stdout or stderr, where channels lead there, matched
 *     silent COUNT                  it has read so many values, waits for more for 5 s, and has written nothing
 *     gone                          nobody is left in its process group, whose number is free
 * and, after "started", at the end
 *     ended HOW CODE LOST WHY       HOW: clean, code, signal, cancelled (killed by the bridge, or drained by TERM, see
 * term.h); CODE: exit status or signal; LOST: values that the program may not have read and, where it is a socket, for
 * each input of the program hold FD                       with a copy of the writing end of the pipe to FD, which
 * whoever gets it keeps open release FD                    until this, or until the program is dead: see keeper.h
 * Without --report what is worth saying is said on stderr.
 *
 * Exit status: the program's, 128 + signal for a death by signal, 0 for what counts as a clean end: a status in
 * --success, and SIGPIPE or any status after all receivers of an output had ended. 64 wrong usage; 65 the program wrote
 * what is no value (too large, cut short); 69 the broker is gone; 71 an error of the system; 78 no such channel; 126
 * and 127 the program can't be executed, or is not there.
 *
 * TERM is passed on to the program's group; --grace (10000) later, KILL follows. A second TERM, INT or HUP kill at
 * once. */
#include "bridge.h"
#include "each.h"
#include "partition.h"

#include "heap.h"

#include <sysexits.h>

static int run(struct options *o)
{
    if (o->partition != NULL)
        return partition_run(o);
    return o->each ? each_run(o) : bridge_run(o);
}

int main(int argc, char **argv)
{
    struct options o;
    csp__heap_keep();
    bridge_signals();
    int status = options_read(&o, argc, argv) != 0 ? EX_USAGE : run(&o);
    options_free(&o);
    return status;
}
