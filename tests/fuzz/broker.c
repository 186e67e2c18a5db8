/* SPDX-License-Identifier: MPL-2.0 */
/* The broker under any sequence of frames, deaths, lost connections and lies in pages. Decision: the input is a list of
 * what happens (frames.h makes frames that fit), and between any two of them the whole state is looked through
 * (sane.h): a broker that goes on with a broken list is found there and not by luck. */
#include "course.h"
#include "sane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct course course = {.last_pass = INT64_C(2000000000), .look = sane};
    course_run(&course, (struct bytes){data, data + size});
    return 0;
}
