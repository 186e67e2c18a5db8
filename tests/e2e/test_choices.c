/* SPDX-License-Identifier: MPL-2.0 */
/* The programs about the choice: that a select is atomic on both sides, fair, and leaves nothing where it lost.
 * Decision: sizes as in test_programs.c; `sends` runs 50,000 rounds of each of its producers here, 100,000 in all, and
 * twice as many by `build/tests/programs/sends`. */
#include "proof.h"

#include <stdio.h>

TEST(selects_of_several_sends_send_nothing_twice_and_lose_nothing)
{
    proves("sends 50000");
    proves("sends 5000 2");
}

TEST(a_try_succeeds_exactly_when_a_partner_waits)
{
    proves("try 200");
}

TEST(all_nine_ways_of_sending_and_receiving_meet)
{
    proves("nine 100");
}

TEST(a_ring_of_selects_between_a_send_and_a_receive_agrees_on_both_sides)
{
    proves("ring 1000 4");
    proves("ring 1000 2");
    proves("ring 200 50");
}

/* Each of the four at each point of its 12 steps: before it, and somewhere within it. */
static void all_deaths_of(int who)
{
    enum { STEPS = 12 };
    for (int point = 0; point < 2 * STEPS; point++) {
        char program[64];
        (void)snprintf(program, sizeof program, "ring %d 4 %d %d", STEPS, who, point);
        ends_with(3, program);
    }
}

TEST(a_ring_whose_first_process_dies_anywhere_comes_to_its_end)
{
    all_deaths_of(0);
}

TEST(a_ring_whose_second_process_dies_anywhere_comes_to_its_end)
{
    all_deaths_of(1);
}

TEST(a_ring_whose_third_process_dies_anywhere_comes_to_its_end)
{
    all_deaths_of(2);
}

TEST(a_ring_whose_last_process_dies_anywhere_comes_to_its_end)
{
    all_deaths_of(3);
}

TEST(a_choice_between_two_ready_cases_is_fair_within_10_sigma)
{
    proves("fair 10000");
}

TEST(losing_selects_leave_nothing_in_the_process_the_broker_and_the_channel)
{
    proves("losers 100000");
}

TEST(a_channel_of_capacity_3_as_a_semaphore_admits_exactly_3)
{
    proves("semaphore 3 8 50");
}

TEST(a_channel_of_capacity_1_is_a_mutex)
{
    proves("semaphore 1 8 50");
}

SUITE_OF(choices)
