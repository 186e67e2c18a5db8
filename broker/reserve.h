/* SPDX-License-Identifier: MPL-2.0 */
#ifndef BROKER_RESERVE_H
#define BROKER_RESERVE_H

#include <stdbool.h>

/* Sets memory aside, where none is. */
void reserve_keep(void);

/* Gives it back, for an allocation that failed to be tried again. False: there was none. */
bool reserve_spend(void);

#endif
