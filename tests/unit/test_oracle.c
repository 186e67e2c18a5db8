/* SPDX-License-Identifier: MPL-2.0 */
/* The kill storm's oracle can fail: each violation that there is, in a pair of files that has just that one. */
#include "../storm/oracle.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *oracle_suite(void);

/* Process 2 sends 1, 2, 3 on channel 5, of which 3 gets the first two and 4 the third. Their hashes are a, b, c. */
#define HEAD            "csp-record 1 7\n"
#define SEND(n, h)      "commit 2 2 0 send 0 5 " #n " 000000000000000" h "\n"
#define RECV(p, n, h)   "commit " #p " " #p " 0 recv 0 5 " #n " 000000000000000" h "\n"
#define END(p)          "buried " #p " 0 0\n"
#define KILLED(p)       "death 99 " #p " 2 9\nburied " #p " 2 9\n"
#define WROTE(p, id, h) "100" #p " " #p " 5 000000020000000" #id " 000000000000000" h "\n"

#define ALL_SENT     SEND(0, "a") SEND(1, "b") SEND(2, "c")
#define ALL_RECEIVED RECV(3, 0, "a") RECV(3, 1, "b") RECV(4, 2, "c")
#define ALL_WRITTEN  WROTE(3, 1, "a") WROTE(3, 2, "b") WROTE(4, 3, "c")
#define ALL_ENDED    END(2) END(3) END(4)

static char complaints[4096];

static struct findings judged(const char *record, const char *journal)
{
    struct findings f;
    FILE *a = fmemopen((void *)record, strlen(record), "r");
    FILE *b = *journal != '\0' ? fmemopen((void *)journal, strlen(journal), "r") : fopen("/dev/null", "re");
    FILE *c = fmemopen(complaints, sizeof complaints, "w");
    ck_assert(a != NULL && b != NULL && c != NULL);
    ck_assert_int_eq(oracle_judge(a, b, c, &f), 0);
    fclose(a);
    fclose(b);
    fclose(c);
    return f;
}

static void finds(const char *record, const char *journal, size_t lost, size_t doubled, size_t strange, size_t excused)
{
    struct findings f = judged(record, journal);
    ck_assert_msg(f.lost == lost && f.doubled == doubled && f.strange == strange && f.excused == excused,
                  "%zu lost, %zu doubled, %zu strange, %zu excused\n%s", f.lost, f.doubled, f.strange, f.excused,
                  complaints);
}

START_TEST(a_right_run_is_right)
{
    finds(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, ALL_WRITTEN, 0, 0, 0, 0);
    ck_assert_uint_eq(judged(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, ALL_WRITTEN).values, 3);
}
END_TEST

START_TEST(what_a_living_process_was_committed_and_has_not_is_lost)
{
    finds(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, WROTE(3, 1, "a") WROTE(3, 2, "b"), 1, 0, 0, 0);
    finds(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, WROTE(3, 2, "b") WROTE(4, 3, "c"), 1, 0, 0, 0);
    finds(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, "", 3, 0, 0, 0);
}
END_TEST

START_TEST(the_last_value_of_a_killed_process_is_excused)
{
    finds(HEAD ALL_SENT ALL_RECEIVED END(2) KILLED(3) END(4), WROTE(3, 1, "a") WROTE(4, 3, "c"), 0, 0, 0, 1);
    ck_assert_uint_eq(judged(HEAD KILLED(3), "").killed, 1);
}
END_TEST

START_TEST(an_earlier_value_of_a_killed_process_is_lost)
{
    finds(HEAD ALL_SENT ALL_RECEIVED END(2) KILLED(3) END(4), WROTE(3, 2, "b") WROTE(4, 3, "c"), 1, 0, 0, 0);
    finds(HEAD ALL_SENT ALL_RECEIVED END(2) KILLED(3) END(4), WROTE(4, 3, "c"), 1, 0, 0, 1);
}
END_TEST

START_TEST(who_was_there_when_the_run_ended_was_killed)
{
    finds(HEAD ALL_SENT ALL_RECEIVED END(2) END(4), WROTE(3, 1, "a") WROTE(4, 3, "c"), 0, 0, 0, 1);
}
END_TEST

START_TEST(what_is_in_a_journal_twice_is_doubled)
{
    finds(HEAD ALL_SENT ALL_RECEIVED RECV(4, 3, "a") ALL_ENDED, ALL_WRITTEN WROTE(4, 1, "a"), 0, 1, 0, 0);
}
END_TEST

START_TEST(what_was_committed_twice_is_doubled)
{
    finds(HEAD ALL_SENT ALL_RECEIVED RECV(3, 2, "c") KILLED(3) END(2) END(4), ALL_WRITTEN, 0, 1, 0, 1);
}
END_TEST

START_TEST(what_was_committed_to_nobody_is_strange)
{
    finds(HEAD ALL_SENT RECV(3, 0, "a") RECV(3, 1, "b") ALL_ENDED, ALL_WRITTEN, 0, 0, 1, 0);
}
END_TEST

START_TEST(what_another_process_was_committed_is_strange)
{
    finds(HEAD ALL_SENT ALL_RECEIVED ALL_ENDED, WROTE(3, 1, "a") WROTE(3, 2, "b") WROTE(3, 3, "c"), 1, 0, 1, 0);
}
END_TEST

START_TEST(what_is_not_what_was_sent_is_strange)
{
    finds(HEAD SEND(0, "a") RECV(3, 0, "d") ALL_ENDED, WROTE(3, 1, "d"), 0, 0, 1, 0);
}
END_TEST

START_TEST(what_a_channel_skipped_is_lost)
{
    finds(HEAD ALL_SENT RECV(3, 0, "a") RECV(3, 2, "c") ALL_ENDED, WROTE(3, 1, "a") WROTE(3, 3, "c"), 1, 0, 0, 0);
}
END_TEST

START_TEST(what_is_left_in_a_channel_is_not_lost)
{
    finds(HEAD ALL_SENT RECV(3, 0, "a") ALL_ENDED, WROTE(3, 1, "a"), 0, 0, 0, 0);
}
END_TEST

/* ---- streams: 3 is delivered a, b and c, whose hashes are 10, 11 and 12 */

#define DELIVERED "deliver 3 3 5 0 2 0000000000000015\ndeliver 3 3 5 2 1 000000000000000c\ndeliver 3 3 5 - 0 -\n"
#define RETURNED  "return 3 3 5 2 1 000000000000000c\n"

START_TEST(a_right_stream_is_right)
{
    finds(HEAD DELIVERED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b") WROTE(3, 3, "c"), 0, 0, 0, 0);
    finds(HEAD DELIVERED RETURNED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b"), 0, 0, 0, 0);
    ck_assert_uint_eq(judged(HEAD DELIVERED RETURNED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b")).values, 2);
}
END_TEST

START_TEST(what_was_taken_from_a_stream_and_is_missing_is_lost)
{
    finds(HEAD DELIVERED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b"), 1, 0, 0, 0);
    finds(HEAD DELIVERED END(3), "", 1, 0, 0, 0);
}
END_TEST

START_TEST(what_returned_from_a_stream_and_was_received_is_strange)
{
    finds(HEAD DELIVERED RETURNED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b") WROTE(3, 3, "c"), 0, 0, 1, 0);
}
END_TEST

START_TEST(what_returned_leaves_its_channel_again_and_first)
{
    finds(HEAD DELIVERED RETURNED "deliver 4 4 5 2 1 000000000000000c\n" END(3) END(4), ALL_WRITTEN, 0, 0, 0, 0);
    finds(HEAD DELIVERED RETURNED "deliver 4 4 5 3 1 000000000000000c\n" END(3) END(4), ALL_WRITTEN, 1, 0, 0, 0);
    finds(HEAD DELIVERED "deliver 4 4 5 2 1 000000000000000c\n" KILLED(3) END(4), ALL_WRITTEN, 0, 1, 0, 1);
}
END_TEST

START_TEST(another_value_than_those_of_the_stream_is_strange)
{
    finds(HEAD DELIVERED END(3), WROTE(3, 1, "a") WROTE(3, 2, "b") WROTE(3, 3, "d"), 0, 0, 1, 0);
}
END_TEST

START_TEST(who_was_killed_may_have_taken_one_value_more)
{
    finds(HEAD DELIVERED KILLED(3), WROTE(3, 1, "a") WROTE(3, 2, "b"), 0, 0, 0, 1);
    finds(HEAD DELIVERED KILLED(3), WROTE(3, 1, "a"), 1, 0, 0, 0);
    finds(HEAD DELIVERED, WROTE(3, 1, "a"), 0, 0, 0, 1); /* what it had not taken did not return: the run was over */
}
END_TEST

START_TEST(what_is_no_record_or_no_journal_is_refused)
{
    struct findings f;
    static char text[] = "commit 1 1 0 recv 0 1 0 0\n", head[] = HEAD, words[] = "1 2 three\n";
    FILE *none = fmemopen(complaints, sizeof complaints, "w"), *a = fmemopen(text, strlen(text), "r"),
         *b = fmemopen(head, strlen(head), "r"), *c = fmemopen(words, strlen(words), "r"),
         *empty = fopen("/dev/null", "re");
    ck_assert_int_eq(oracle_judge(a, empty, none, &f), -1);
    ck_assert_int_eq(oracle_judge(b, c, none, &f), -1);
    ck_assert_int_eq(oracle_judge(empty, empty, none, &f), -1);
    fclose(none);
    fclose(a);
    fclose(b);
    fclose(c);
    fclose(empty);
}
END_TEST

Suite *oracle_suite(void)
{
    Suite *s = suite_create("oracle");
    TCase *t = tcase_create("oracle");
    tcase_add_test(t, a_right_run_is_right);
    tcase_add_test(t, what_a_living_process_was_committed_and_has_not_is_lost);
    tcase_add_test(t, the_last_value_of_a_killed_process_is_excused);
    tcase_add_test(t, an_earlier_value_of_a_killed_process_is_lost);
    tcase_add_test(t, who_was_there_when_the_run_ended_was_killed);
    tcase_add_test(t, what_is_in_a_journal_twice_is_doubled);
    tcase_add_test(t, what_was_committed_twice_is_doubled);
    tcase_add_test(t, what_was_committed_to_nobody_is_strange);
    tcase_add_test(t, what_another_process_was_committed_is_strange);
    tcase_add_test(t, what_is_not_what_was_sent_is_strange);
    tcase_add_test(t, what_a_channel_skipped_is_lost);
    tcase_add_test(t, what_is_left_in_a_channel_is_not_lost);
    tcase_add_test(t, a_right_stream_is_right);
    tcase_add_test(t, what_was_taken_from_a_stream_and_is_missing_is_lost);
    tcase_add_test(t, what_returned_from_a_stream_and_was_received_is_strange);
    tcase_add_test(t, what_returned_leaves_its_channel_again_and_first);
    tcase_add_test(t, another_value_than_those_of_the_stream_is_strange);
    tcase_add_test(t, who_was_killed_may_have_taken_one_value_more);
    tcase_add_test(t, what_is_no_record_or_no_journal_is_refused);
    suite_add_tcase(s, t);
    return s;
}
