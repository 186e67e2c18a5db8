/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: malloc is told what these programs do all day. Frames of 256 KiB come and go by the thousand, allocated by
 * one thread and freed by another; by its defaults malloc gives such memory back to the kernel each time, and each next
 * frame is 64 page faults (500 MB through three cats: 80,000 faults, a quarter of all processor time; so: 6,000). */
#include "heap.h"

#include <malloc.h>

void csp__heap_keep(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the greatest that malloc accepts */
    (void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
}
