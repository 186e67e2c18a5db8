/* SPDX-License-Identifier: MPL-2.0 */
/* The workers of the soak's pipeline: a source of numbers, a station that passes values on, and a sink. Decision: each
 * is the plain loop that a user would write, for what is tested is that the plain loop loses nothing: the source notes
 * what is in the channel, the station acknowledges behind its send, the sink behind its write. */
#ifndef SOAK_STATION_H
#define SOAK_STATION_H

/* Sends 1, 2, 3, ... to the channel `out`, from what the file says was sent, until SIGTERM. The file says then how many
 * there were. While there is a file of that name with .hold behind it, it holds on. Each returns an exit status. */
int station_source(const char *out, const char *file);

/* Receives from `in`, sends to `out`, acknowledges. */
int station_pass(const char *in, const char *out);

/* Writes a line `NUMBER TRIES` for each value of `in` to the end of the file, and acknowledges. */
int station_sink(const char *in, const char *file);

#endif
