/* SPDX-License-Identifier: MPL-2.0 */
#ifndef BROKER_ACCEPT_H
#define BROKER_ACCEPT_H

/* Connections whose descriptor would have this number or a higher one are refused from now on. */
void accept_limit(int descriptors);

#endif
