/* SPDX-License-Identifier: MPL-2.0 */
/* What a shell may read is what the file itself says: values, variables, names and arguments are never code. Each of
 * them is tried with what a shell would act on; an act would leave a file, and the output would differ. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Lines; each is code for a shell, an option for a program, or a pattern. */
static const char evil[] = "$(touch done)\n"
                           "`touch done`\n"
                           "; touch done; #\n"
                           "\"; touch done; \"\n"
                           "'; touch done; '\n"
                           "| touch done\n"
                           "&& touch done\n"
                           "${IFS}touch${IFS}done\n"
                           "$PATH\n"
                           "--version\n"
                           "-n\n"
                           "*\n"
                           "a  b\tc\n"
                           "\\\n";

/* All the lines, each as it comes out of printf '<%s>\n'. */
static void quoted(char *to)
{
    for (const char *at = evil, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        to += sprintf(to, "<%.*s>\n", (int)(end - at), at);
}

static void assert_nothing_was_done(void)
{
    ck_assert_int_ne(access(in_scratch("done"), F_OK), 0);
}

/* Runs the file with this command behind `cspctl run p.yaml`; its output must be `want`. */
static void assert_output(const char *arguments, const char *want)
{
    struct outcome o = sh("cd %s && cspctl run p.yaml %s", in_scratch("."), arguments);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, want);
    outcome_free(&o);
    assert_nothing_was_done();
}

TEST(a_value_is_no_code_as_the_argument_of_a_task)
{
    char want[1024];
    quoted(want);
    write_text(in_scratch("values"), "%s", evil);
    write_text(in_scratch("p.yaml"), "processes:\n"
                                     "  read: {command: [cat, values], stdout: jobs}\n"
                                     "  show: {each: [printf, '<%%s>\\n', $1], stdin: jobs, stdout: inherit}\n");
    assert_output("", want);
}

TEST(a_value_is_no_code_in_the_command_string_of_a_task)
{
    char want[1024];
    quoted(want);
    write_text(in_scratch("values"), "%s", evil);
    write_text(in_scratch("p.yaml"), "processes:\n"
                                     "  read: {command: [cat, values], stdout: jobs}\n"
                                     "  show: {each: 'printf \"<%%s>\\n\" \"$1\"', stdin: jobs, stdout: inherit}\n");
    assert_output("", want);
}

TEST(a_value_with_newlines_is_one_argument)
{
    write_text(in_scratch("p.yaml"),
               "processes:\n"
               "  read: {command: [printf, 'a\\n; touch done\\0$$(touch done)\\n\\0'], stdout: jobs, records: nul}\n"
               "  show: {each: [printf, '<%%s>', $1], stdin: jobs, stdout: inherit}\n");
    assert_output("", "<a\n; touch done><$(touch done)\n>");
}

TEST(a_variable_is_no_code_in_an_argument)
{
    write_text(in_scratch("p.yaml"), "vars: {v: }\n"
                                     "processes: {show: {command: [printf, '<%%s>', $v], stdout: inherit}}\n");
    assert_output("'v=$(touch done)`touch done`; touch done \"; touch done'",
                  "<$(touch done)`touch done`; touch done \"; touch done>");
}

TEST(a_variable_is_one_argument_with_blanks_newlines_and_dashes)
{
    write_text(in_scratch("p.yaml"),
               "vars: {v: }\n"
               "processes: {show: {command: [printf, '<%%s>', $v, \"x${v}y\"], stdout: inherit}}\n");
    assert_output("\"v=--a  b\nc *\"", "<--a  b\nc *><x--a  b\nc *y>");
}

TEST(a_variable_is_no_code_in_a_command_string)
{
    write_text(in_scratch("p.yaml"), "vars: {v: }\n"
                                     "processes: {show: {command: 'printf \"<%%s>\" \"$v\"', stdout: inherit}}\n");
    assert_output("'v=$(touch done)`touch done`\"; touch done; \"'", "<$(touch done)`touch done`\"; touch done; \">");
}

TEST(a_variable_is_no_code_in_the_environment)
{
    write_text(in_scratch("p.yaml"),
               "vars: {v: }\n"
               "processes: {show: {command: [printenv, COPY], env: {COPY: $v}, stdout: inherit}}\n");
    assert_output("'v=$(touch done); touch done'", "$(touch done); touch done\n");
}

TEST(a_variable_is_no_code_in_a_working_directory)
{
    struct outcome o = sh("cd %s && mkdir '$(touch done)' && touch '$(touch done)/inside'", in_scratch("."));
    assert_status(&o, 0);
    outcome_free(&o);
    write_text(in_scratch("p.yaml"), "vars: {v: }\n"
                                     "processes: {show: {command: [ls], cwd: $v, stdout: inherit}}\n");
    assert_output("'v=$(touch done)'", "inside\n");
}

TEST(a_variable_is_no_code_in_the_name_of_an_input_file)
{
    write_text(in_scratch("$(touch done)"), "text\n");
    write_text(in_scratch("p.yaml"), "vars: {v: }\n"
                                     "processes: {show: {command: [cat], stdin: {file: $v}, stdout: inherit}}\n");
    assert_output("'v=$(touch done)'", "text\n");
}

TEST(a_name_that_a_shell_would_act_on_is_refused)
{
    write_text(in_scratch("p.yaml"), "processes:\n"
                                     "  '$(touch done)': {command: [echo, value], stdout: '; touch done #'}\n"
                                     "  '`touch done`': {command: [cat], stdin: '; touch done #', stdout: inherit}\n");
    struct outcome o = sh("cd %s && cspctl run p.yaml", in_scratch("."));
    assert_status(&o, 78);
    outcome_free(&o);
    assert_nothing_was_done();
}

/* The only one is for the command string that the file gives: cspctl/launch.c. */
TEST(no_source_starts_a_shell_but_for_a_command_string)
{
    struct outcome o = sh("grep -rlE '(^|[^a-z_])(system|popen|wordexp) *\\(|\"(/bin/)?sh\"|\"bash\"' "
                          "--include='*.c' libipc broker cspctl workers");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "cspctl/launch.c\n");
    outcome_free(&o);
}

SUITE_OF(shell)
