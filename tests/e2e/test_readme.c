/* SPDX-License-Identifier: MPL-2.0 */
/* The README's own examples, cut out of it and run: what it says is printed must be printed. */
#include "harness.h"

#include "leftover.h"

#include <stdlib.h>
#include <string.h>

/* Writes the fenced block whose first line begins so to a file in the scratch directory. */
static void cut(const char *first, const char *name)
{
    struct outcome o = sh("awk -v first='%s' '/^```/ { if (inside) exit; open = 1; next } "
                          "open { inside = index($0, first) == 1; open = 0 } inside' README.md > %s && test -s %s",
                          first, in_scratch("%s", name), in_scratch("%s", name));
    assert_status(&o, 0);
    outcome_free(&o);
}

/* What the README shows behind `$ COMMAND...`, up to the next blank line, without its indentation. */
static struct outcome shown_after(const char *command)
{
    return sh("awk -v c='    $ %s' 'found && /^$/ { exit } found { print substr($0, 5) } index($0, c) == 1 { found = 1 "
              "}' README.md",
              command);
}

TEST(the_pipeline_of_the_first_screen_prints_what_the_readme_shows)
{
    cut("# top.yaml", "top.yaml");
    struct outcome want = shown_after("build/cspctl run top.yaml");
    struct outcome o = sh("cspctl run %s file=/usr/share/common-licenses/GPL-3", in_scratch("top.yaml"));
    assert_status(&o, 0);
    ck_assert_uint_gt(want.out.len, 0);
    assert_same(&o.out, &want.out);
    outcome_free(&o);
    outcome_free(&want);
}

TEST(the_checksums_of_the_first_screen_survive_a_kill_of_everything)
{
    cut("# sums.yaml", "sums.yaml");
    /* Killed when half of it is done, as `kill -9` of each process of the run would: the broker takes what is left. Two
     * files are not summed up before that. */
    write_text(in_scratch("sha256sum"),
               "#!/bin/sh\n"
               "case $2 in in/7 | in/8) until [ -e killed ]; do sleep 0.02; done ;; esac\n"
               "exec %s \"$@\"\n",
               "$(PATH=${PATH#*:} command -v sha256sum)");
    struct outcome o = sh("chmod +x %s && PATH=%s:$PATH && mkdir -p %s && cd %s && "
                          "for i in $(seq 400); do echo $i > in/$i; done && { cspctl run ../sums.yaml dir=in & run=$!; "
                          "until [ \"$(cat sums.txt 2>/dev/null | wc -l)\" -ge 100 ]; do kill -0 $run || exit 9; done; "
                          "kill -9 $run; touch killed; wait $run; [ $? = 137 ]; } 2>/dev/null && "
                          "until [ -z \"$(ls $XDG_RUNTIME_DIR)\" ]; do sleep 0.02; done && "
                          "cspctl run ../sums.yaml dir=in && ! test -e failed.txt && sort -u sums.txt > got && "
                          "sha256sum in/* | sort | diff - got",
                          in_scratch("sha256sum"), scratch(), in_scratch("sums/in"), in_scratch("sums"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, " values are resumed from state\n");
    outcome_free(&o);
}

/* The command that the README shows behind `$ make && `, run in a directory that looks like the repository's root. */
static struct outcome run_as_shown(const char *begin)
{
    return sh(
        "line=$(sed -n 's/^    [$] make && \\(%s.*\\)/\\1/p' README.md); test -n \"$line\" && ln -s $PWD/libipc %s &&"
        " ln -s $(realpath %s) %s && cd %s && cc() { command cc %s \"$@\"; } && eval \"$line\"",
        begin, in_scratch("libipc"), built("."), in_scratch("build"), scratch(), sanitizers());
}

TEST(fibonacci_of_the_first_screen_prints_what_the_readme_shows)
{
    cut("#include <csp.h>", "fib.c");
    struct outcome want = shown_after("make && cc fib.c");
    struct outcome o = run_as_shown("cc fib.c");
    ck_assert_str_eq(o.err.data, "");
    ck_assert_uint_gt(want.out.len, 0);
    assert_same(&o.out, &want.out);
    outcome_free(&o);
    outcome_free(&want);
}

TEST(the_first_program_of_the_manual_prints_what_it_says)
{
    struct outcome o = sh("awk '/^ \\*     / { sub(/^ \\*     /, \"\"); print; on = 1; next } on && !/^ \\*$/ { exit } "
                          "on { print \"\" }' libipc/csp.h > %s &&"
                          " cc -Wall -Wextra -Werror %s %s -Ilibipc -L%s -lipc -Wl,-rpath,$(realpath %s) -o %s && %s",
                          in_scratch("first.c"), sanitizers(), in_scratch("first.c"), built("."), built("."),
                          in_scratch("first"), in_scratch("first"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "0\n1\n4\n9\n16\n");
    outcome_free(&o);
}

TEST(every_path_that_the_readme_links_is_there)
{
    struct outcome o = sh(
        "grep -o '](\\([^)]*\\))' README.md | tr -d '()]' | while read -r p; do test -e \"$p\" || echo \"$p\"; done");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

SUITE_OF(readme)
