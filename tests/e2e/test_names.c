/* SPDX-License-Identifier: MPL-2.0 */
/* One name for one thing in docs/protocol.md, the code and the models: scripts/names finds no difference in this tree.
 * Decision: what it can find is shown on a copy of the files that it reads, doctored by one sed a test, because a
 * check that only ever passes shows nothing. */
#include "harness.h"

#include "leftover.h"

TEST(document_code_and_models_use_the_same_names)
{
    struct outcome o = sh("scripts/names");
    ck_assert_str_eq(o.out.data, "");
    assert_status(&o, 0);
    outcome_free(&o);
}

/* In a copy of the tree, `file` is changed by the sed script `change`: then `difference` is printed. */
static void finds(const char *file, const char *change, const char *difference)
{
    struct outcome o = sh("cp --parents -r docs libipc/*.[ch] broker tests/model scripts %s && cd %s && cp %s before &&"
                          " sed -i '%s' %s && ! cmp -s before %s && scripts/names .",
                          scratch(), scratch(), file, change, file, file);
    assert_contains(&o.out, difference);
    ck_assert_str_eq(o.err.data, "");
    assert_status(&o, 1);
    outcome_free(&o);
}

TEST(a_frame_that_only_the_document_has_is_found)
{
    finds("libipc/wire.h", "s/^    WIRE_WITHDRAW,/    WIRE_RETRACT,/", ": frame C:WITHDRAW is not in libipc/wire.h\n");
}

TEST(a_frame_that_only_the_code_has_is_found)
{
    finds("libipc/wire.h", "s/^    WIRE_WITHDRAW,/    WIRE_WITHDRAW,\\n    WIRE_RETRACT,/",
          ": frame C:RETRACT is not in docs/protocol.md\n");
}

TEST(a_frame_of_the_other_direction_is_found)
{
    finds("docs/protocol.md", "s/B:ROOM/C:ROOM/", ": frame C:ROOM is not in libipc/wire.h\n");
}

TEST(a_flag_that_a_frame_may_not_have_is_found)
{
    finds("libipc/wire.c", "s/WIRE_WAIT | WIRE_IDLE}/WIRE_IDLE}/",
          ": frame's flag TOOK WAIT is not in libipc/wire.c\n");
}

TEST(an_op_of_another_number_is_found)
{
    finds("docs/protocol.md", "s/1 SEND, 2 RECV/1 RECV, 2 SEND/", ": op 1 RECV is not in libipc/wire.h\n");
}

TEST(fields_in_another_order_are_found)
{
    finds("docs/protocol.md", "s/wire_offer = place deadline/wire_offer = deadline place/",
          ": layout wire_offer.place behind deadline is not in libipc/wire.h\n");
}

TEST(a_state_of_another_name_is_found)
{
    finds("docs/protocol.md", "s/closed, broken[.]/closed, torn./", ": state torn is not in broker/\n");
}

TEST(an_error_that_the_document_does_not_have_is_found)
{
    finds("broker/request.c", "s/return EEXIST;/return EALREADY;/", ": error EALREADY is not in docs/protocol.md\n");
}

TEST(a_name_of_a_model_that_is_no_frame_is_found)
{
    finds("tests/model/offers.pml", "s/^mtype = { OFFER,/mtype = { OFFER, RETRACT,/",
          ": mtype RETRACT is no frame, no FRAME_FLAG, no error and no how of docs/protocol.md\n");
}

TEST(a_property_that_is_never_asserted_is_found)
{
    finds("tests/model/offers.pml", "s/assert(values_in_order ||/assert(answered ||/",
          ": property of offers values_in_order is not in an assertion\n");
}

TEST(a_mutant_that_is_never_checked_is_found)
{
    finds("scripts/model", "/^mutant BUG_LIFO /d", ": mutant of offers BUG_LIFO is not in scripts/model\n");
}

TEST(a_property_that_the_document_does_not_have_is_found)
{
    finds("docs/model.md", "s/^| never_with_itself /| not_with_itself /",
          ": property never_with_itself is not in docs/model.md\n");
}

TEST(a_configuration_whose_result_is_not_shown_is_found)
{
    finds("docs/model.md", "/^| offers | pipe-0 /d", ": config offers pipe-0 is not in docs/model.md\n");
}

SUITE_OF(names)
