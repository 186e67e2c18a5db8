/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker says of a run, read, joined and shown: from text as docs/protocol.md has it. */
#include "../../cspctl/dump.h"
#include "../../cspctl/pool.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *snapshot_suite(void);

/* ping and pong receive from each other, picker selects, boss waits for ping's end. No process has these pids. */
#define NOW 5000000000
static const char text[] = "run\tgame\t/some/game.yaml\t4000001\t4000002\t1700000000000000000\n"
                           "memory\t1970000\t8600000\n"
                           "process\t1\tgame\t0\t4000001\t0\tattached\t-\t1000000000\t0\t0\t0\t0\t0\n"
                           "process\t2\tping\t1\t4000003\t0\twaiting\trecv #9\t2000000000\t0\t0\t0\t1\t1\n"
                           "wait\t2\t5\t3500000000\tc0ffee\t-1\trecv\t9\t-\n"
                           "end\t2\t9\tr\n"
                           "end\t2\t10\ts\n"
                           "process\t3\tpong\t2\t4000004\t0\twaiting\trecv balls\t2500000000\t0\t0\t0\t1\t1\n"
                           "wait\t3\t6\t4000000000\t0\t-1\trecv\t10\tballs\n"
                           "wait\t3\t6\t4000000000\t0\t-1\tnone\t0\t-\n"
                           "end\t3\t9\ts\n"
                           "end\t3\t10\tsr\n"
                           "process\t4\tpong\t1\t4000005\t77\twaiting\t-\t3000000000\t0\t12\t3\t0\t1\n"
                           "wait\t4\t7\t4900000000\tff\t6500000000\tsend\t10\tballs\n"
                           "wait\t4\t7\t4900000000\tff\t6500000000\ttime\t5500000000\t-\n"
                           "wait\t4\t7\t4900000000\tff\t6500000000\tfd\t0\t-\n"
                           "wait\t4\t8\t4800000000\tff\t-1\texit\t2\t-\n"
                           "stream\t4\t7\t10\ts\t65536\t7\t4000000000\tpair\n"
                           "process\t5\t-\t0\t4000006\t0\tended\t-\t3000000000\tdead\t0\t0\t0\t2\n"
                           "process\t6\t-\t0\t4000007\t0\tattached\t-\t3000000000\t0\t0\t0\t0\t0\n"
                           "channel\t9\t-\t0\t0\t0\t100\t1\t1\t0\t0\topen\t0\t0\t0\n"
                           "channel\t10\tballs\t8\t2\t4\t100\t2\t1\t5\t3\topen\t0\t0\t0\n"
                           "value\t10\tbuffer\t0\t2\t4\ta\\x00\n"
                           "value\t10\tsend\t4\t1\t2\thi\n"
                           "scope\t12\t2\t5\t0\t9000000000\t0\t1\n"
                           "moon\t1\t2\n";

static struct snapshot *read_text(const char *from)
{
    return snapshot_parse(strdup(from));
}

START_TEST(every_field_of_a_dump_is_read)
{
    struct snapshot *s = read_text(text);

    ck_assert_ptr_nonnull(s);
    ck_assert_str_eq(s->name, "game");
    ck_assert_int_eq(s->memory, 1970000);
    ck_assert_int_eq(s->heap, 8600000);
    ck_assert_uint_eq(s->nprocesses, 6);
    ck_assert_uint_eq(s->nwaits, 7);
    ck_assert_uint_eq(s->nends, 4);
    ck_assert_uint_eq(s->nstreams, 1);
    ck_assert_uint_eq(s->nchannels, 2);
    ck_assert_uint_eq(s->nvalues, 2);
    ck_assert_uint_eq(s->nscopes, 1);
    ck_assert_uint_eq(s->processes[4].function, 0xdead);
    ck_assert_int_eq(s->processes[3].scope, 12);
    ck_assert_int_eq(s->processes[3].cancelled, 3);
    ck_assert_int_eq(s->processes[1].stuck, 1);
    ck_assert_int_eq(s->processes[4].parent, 2);
    ck_assert_uint_eq(s->waits[0].place, 0xc0ffee);
    ck_assert_int_eq(s->waits[0].deadline, -1);
    ck_assert_int_eq(s->waits[3].deadline, 6500000000);
    ck_assert_str_eq(s->waits[3].op, "send");
    ck_assert_str_eq(s->ends[3].ends, "sr");
    ck_assert_int_eq(s->streams[0].window, 65536);
    ck_assert_str_eq(s->streams[0].how, "pair");
    ck_assert_str_eq(snapshot_kind(s, &s->channels[0]), "-");
    ck_assert_str_eq(snapshot_kind(s, &s->channels[1]), "pair");
    ck_assert_str_eq(s->values[0].preview, "a\\x00");
    ck_assert_str_eq(s->values[1].where, "send");
    ck_assert_int_eq(s->scopes[0].deadline, 9000000000);
    snapshot_free(s);
}
END_TEST

START_TEST(the_shorter_lines_of_stat_are_read_too)
{
    struct snapshot *s = read_text("run\tr\t-\t1\t2\t3\nprocess\t1\tr\t0\t1\t0\tattached\t-\t5\n");

    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(s->processes[0].since, 5);
    ck_assert_int_eq(s->processes[0].stuck, 0);
    snapshot_free(s);
}
END_TEST

static const char *const broken[] = {
    "",
    "process\t1\tr\t0\t1\t0\tattached\t-\t5\n",               /* no run */
    "run\tr\t-\t1\t2\n",                                      /* a field is missing */
    "run\tr\t-\t1\t2\tx\n",                                   /* no number */
    "run\tr\t-\t1\t2\t3\nprocess\t1\tr\t0\t1\t0\tattached\n", /* fewer than STAT has */
    "run\tr\t-\t1\t2\t3\nwait\t1\t2\t3\t4\t5\trecv\t6\n",
    "run\tr\t-\t1\t2\t3\nwait\t1\t2\t3\txyz\t5\trecv\t6\t-\n", /* no hexadecimal number */
    "run\tr\t-\t1\t2\t3\nend\t1\t2\n",
    "run\tr\t-\t1\t2\t3\nmemory\t1\n",
};

START_TEST(what_is_none_is_refused)
{
    ck_assert_ptr_null(read_text(broken[_i]));
}
END_TEST

/* ---- shown */

static struct live the_run(void)
{
    struct live run = {.dir = "/run/csp-x"};

    strcpy(run.info.name, "game");
    strcpy(run.info.file, "/some/game.yaml");
    run.info.root = 4000001;
    return run;
}

static char *shown(void (*show)(const struct dump *d, FILE *to), const struct live *run)
{
    struct dump *d = dump_of(read_text(text), run, NOW);
    char *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);

    show(d, to);
    ck_assert_int_eq(fclose(to), 0);
    dump_free(d);
    return out;
}

START_TEST(the_text_begins_with_who_can_never_move_again)
{
    struct live run = the_run();
    char *out = shown(dump_text, &run);
    const char *want =
        "5 processes: 2 can never move again, 1 waits, 2 do not; 1 has ended\n\n"
        "process 2 ping: stuck 1.5s, pid 4000003\n"
        "    to receive from #9, held by 3 pong[2], at 0xc0ffee\n"
        "    receives from #9; sends to balls\n"
        "process 3 pong[2]: stuck 1.0s, pid 4000004\n"
        "    for one of 2\n"
        "        to receive from balls, held by 2 ping\n"
        "        for nothing, in a case without a channel\n"
        "    receives from balls; sends to #9, balls\n"
        "process 4 pong[1]: waits 0.2s, pid 4000005, program 77, in scope 12, cancelled, at most 1.5s more\n"
        "    for one of 3, at 0xff\n"
        "        to send to balls, held by 3 pong[2]\n"
        "        for a time, in 0.5s\n"
        "        for descriptor 0\n"
        "    for the end of process 2 (ping), at 0xff\n"
        "process 1 game: runs 4.0s, pid 4000001, the root\n"
        "process 6 (guest): runs 2.0s, pid 4000007\n";

    const char *processes = strchr(out, '\n') + 2;
    ck_assert_msg(strncmp(processes, want, strlen(want)) == 0, "%s", out);
    free(out);
}
END_TEST

START_TEST(channels_values_streams_and_scopes_are_tables)
{
    struct live run = the_run();
    char *out = shown(dump_text, &run);

    ck_assert_ptr_nonnull(strstr(out, "balls           8       2      4     5         3  open   pair  2,3      3\n"));
    ck_assert_ptr_nonnull(strstr(out, "#9              0       0      0     0         0  open   -     3        2\n"));
    ck_assert_ptr_nonnull(strstr(out, "     2      4  balls    buffer               -          a\\x00\n"));
    ck_assert_ptr_nonnull(strstr(out, "     1      2  balls    waits to be sent by  4 pong[1]  hi\n"));
    ck_assert_ptr_nonnull(strstr(out, "to balls  4 pong[1]   64KiB          7  pair  1.0s\n"));
    ck_assert_ptr_nonnull(strstr(out, "   12       -  2 ping      in 4.0s   open   4\n"));
    free(out);
}
END_TEST

START_TEST(a_report_says_who_waits_where_and_who_could_have_helped)
{
    struct live run = the_run();
    char *out = shown(dump_report, &run);

    ck_assert_str_eq(
        out,
        "cspctl: deadlock: 2 processes can never move again:\n"
        "  process 2 (pid 4000003, ping) waits to receive from channel #9 (for 1.5s) at 0xc0ffee\n"
        "      the other end is held by process 3 (pid 4000004, pong[2]), which waits too\n"
        "  process 3 (pid 4000004, pong[2]) waits for one of 2 (for 1.0s)\n"
        "      to receive from channel balls: the other end is held by process 2 (pid 4000003, ping), which waits too\n"
        "      for nothing, in a case without a channel: nothing can make it ready\n");
    free(out);
}
END_TEST

START_TEST(a_report_of_a_program_of_its_own_begins_with_its_name)
{
    struct live run = the_run();

    run.info.file[0] = '\0';
    char *out = shown(dump_report, &run);
    ck_assert_ptr_nonnull(strstr(out, "game: deadlock: 2 processes"));
    ck_assert_ptr_eq(strstr(out, "game: deadlock: 2 processes"), out);
    free(out);
}
END_TEST

START_TEST(json_has_all_and_says_partners_by_number)
{
    struct live run = the_run();
    struct dump *d = dump_of(read_text(text), &run, NOW);
    json_t *o = dump_json(d, false);
    const char *op, *file, *preview;
    int partner, line, stuck, memory, had;

    strcpy(run.info.name, "odd\xff name"); /* no UTF-8 */
    ck_assert_uint_eq(json_array_size(json_object_get(o, "processes")), 6);
    ck_assert_int_eq(json_unpack(json_array_get(json_object_get(o, "processes"), 1),
                                 "{s:b, s:[{s:i, s:n, s:{s:s}, s:[{s:s, s:[i]}]}]}", "stuck", &stuck, "waits", "line",
                                 &line, "deadline_s", "place", "address", &file, "cases", "op", &op, "partners",
                                 &partner),
                     0);
    ck_assert_int_eq(stuck, 1);
    ck_assert_int_eq(line, 5);
    ck_assert_str_eq(file, "0xc0ffee");
    ck_assert_str_eq(op, "recv");
    ck_assert_int_eq(partner, 3);
    ck_assert_int_eq(json_unpack(o, "{s:[{s:s}]}", "values", "preview", &preview), 0);
    ck_assert_str_eq(preview, "a\\x00");
    ck_assert_int_eq(json_unpack(o, "{s:{s:i, s:i}}", "memory", "in_use", &memory, "had", &had), 0);
    ck_assert_int_eq(memory, 1970000);
    ck_assert_int_eq(had, 8600000);
    json_decref(o);

    o = dump_json(d, true);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "processes")), 2);
    ck_assert(json_is_string(json_object_get(o, "name")));
    json_decref(o);
    dump_free(d);
}
END_TEST

Suite *snapshot_suite(void)
{
    Suite *s = suite_create("snapshot");
    TCase *t = tcase_create("snapshot");

    tcase_add_test(t, every_field_of_a_dump_is_read);
    tcase_add_test(t, the_shorter_lines_of_stat_are_read_too);
    tcase_add_loop_test(t, what_is_none_is_refused, 0, sizeof broken / sizeof *broken);
    tcase_add_test(t, the_text_begins_with_who_can_never_move_again);
    tcase_add_test(t, channels_values_streams_and_scopes_are_tables);
    tcase_add_test(t, a_report_says_who_waits_where_and_who_could_have_helped);
    tcase_add_test(t, a_report_of_a_program_of_its_own_begins_with_its_name);
    tcase_add_test(t, json_has_all_and_says_partners_by_number);
    suite_add_tcase(s, t);
    return s;
}
