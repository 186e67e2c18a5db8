/* SPDX-License-Identifier: MPL-2.0 */
/* Memory for answers. Decision: a request that finds no memory is answered with ENOMEM, and the answer needs memory
 * too: so some is kept for that, and set aside anew when there is time. Only an answer that finds none even then costs
 * its process its life. */
#include "reserve.h"

#include <stdlib.h>

#define RESERVE 65536 /* bytes: some hundred answers */

static void *reserve;

void reserve_keep(void)
{
    if (reserve == NULL)
        reserve = malloc(RESERVE);
}

bool reserve_spend(void)
{
    bool was_kept = reserve != NULL;
    free(reserve);
    reserve = NULL;
    return was_kept;
}
