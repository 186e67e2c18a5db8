/* SPDX-License-Identifier: MPL-2.0 */
/* What make install gives to somebody else: a program outside the repository, in three files, built by pkg-config. */
#include "harness.h"

#include "leftover.h"

#include <stdlib.h>
#include <string.h>

/* In a copy of the build: what a prefix is compiled into is built anew, and others are using the programs meanwhile. */
static struct outcome make(const char *target)
{
    return sh("test -d %s || { mkdir %s && (cd %s && cp -a obj libexec libipc.* cspctl prefix %s); };"
              " make --no-print-directory -s %s BUILD=%s PREFIX=%s",
              in_scratch("build"), in_scratch("build"), built("."), in_scratch("build"), target, in_scratch("build"),
              in_scratch("prefix"));
}

static void install(void)
{
    struct outcome o = make("install");
    assert_status(&o, 0);
    outcome_free(&o);
}

static void write_program(void)
{
    write_text(in_scratch("double.h"), "#include <csp.h>\nint doubler(void *channels);\n");
    write_text(in_scratch("double.c"), "#include \"double.h\"\n"
                                       "int doubler(void *arg)\n{\n    csp_chan *c = arg;\n    int n;\n"
                                       "    csp_drop(c[0], CSP_SEND);\n"
                                       "    while (csp_recv(c[0], &n, sizeof n, CSP_FOREVER) == sizeof n) {\n"
                                       "        n *= 2;\n        if (csp_send(c[1], &n, sizeof n, CSP_FOREVER) != 0) "
                                       "return 1;\n    }\n    return 0;\n}\n");
    write_text(in_scratch("main.c"),
               "#include \"double.h\"\n#include <stdio.h>\n"
               "int main(void)\n{\n    csp_chan c[2] = {csp_make(0), csp_make(3)};\n    int n;\n"
               "    if (csp_go(doubler, c) < 0) { fprintf(stderr, \"%%s\\n\", csp_errmsg()); return 1; }\n"
               "    csp_drop(c[1], CSP_SEND);\n"
               "    for (int i = 1; i <= 3; i++) csp_send(c[0], &i, sizeof i, CSP_FOREVER);\n"
               "    csp_drop(c[0], CSP_SEND | CSP_RECV);\n"
               "    while (csp_recv(c[1], &n, sizeof n, csp_in(100000)) == sizeof n) printf(\"%%d\\n\", n);\n"
               "    return csp_term();\n}\n");
}

static void builds_and_runs(const char *compiler, const char *flags, const char *libs)
{
    struct outcome o = sh(
        "cd %s && export PKG_CONFIG_PATH=%s/lib/pkgconfig LD_LIBRARY_PATH=%s/lib &&"
        " %s -Wall -Wextra -Werror %s main.c double.c -o program $(pkg-config --cflags --libs %s libipc) && ./program",
        scratch(), in_scratch("prefix"), in_scratch("prefix"), compiler, flags, libs);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "2\n4\n6\n");
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(a_program_of_three_files_builds_against_an_installed_prefix)
{
    install();
    write_program();
    builds_and_runs("cc", sanitizers(), "");
}

TEST(it_builds_against_the_static_library_too)
{
    install();
    write_program();
    struct outcome o = sh("rm %s/lib/libipc.so*", in_scratch("prefix"));
    outcome_free(&o);
    builds_and_runs("cc", sanitizers(), "--static");
}

TEST(a_program_in_cxx_builds_against_it)
{
    install();
    write_text(in_scratch("main.cc"),
               "#include <csp.h>\n#include <cstdio>\n"
               "static int child(void *arg)\n{\n    int n = 7;\n"
               "    return csp_send(*static_cast<csp_chan *>(arg), &n, sizeof n, csp_in(100000));\n}\n"
               "int main()\n{\n    csp_chan c = csp_make(0);\n    csp_exit why;\n    int n = 0;\n"
               "    csp_proc p = csp_go(child, &c);\n"
               "    csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_time(csp_in(100000))};\n"
               "    if (csp_select(cases, 2, CSP_FOREVER) != 0 || csp_wait(p, &why, CSP_FOREVER) != 0) return 1;\n"
               "    std::printf(\"%%d %%d\\n\", n, why.how == CSP_CLEAN);\n    return csp_term();\n}\n");
    struct outcome o =
        sh("cd %s && export PKG_CONFIG_PATH=%s/lib/pkgconfig LD_LIBRARY_PATH=%s/lib && g++ -std=c++11 -Wall -Wextra"
           " -Wpedantic -Werror %s main.cc -o program $(pkg-config --cflags --libs libipc) && ./program",
           scratch(), in_scratch("prefix"), in_scratch("prefix"), sanitizers());
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "7 1\n");
    outcome_free(&o);
}

TEST(the_installed_tool_runs_a_pipeline_from_any_directory)
{
    install();
    struct outcome o =
        sh("here=$PWD; cd / && %s/bin/cspctl run $here/config/fibonacci.yaml | tail -n 1", in_scratch("prefix"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "quit\n");
    outcome_free(&o);
}

TEST(uninstall_leaves_no_file)
{
    install();
    struct outcome o = make("uninstall");
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("find %s -type f -o -type l", in_scratch("prefix"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(the_shared_library_exports_nothing_beyond_csp_)
{
    struct outcome o = sh("nm -D --defined-only %s | awk '$2 != \"A\" && $3 !~ /^csp_[a-z]/'", built("libipc.so"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
    o = sh("readelf -d %s | grep -c 'SONAME.*libipc.so.0'", built("libipc.so"));
    ck_assert_str_eq(o.out.data, "1\n");
    outcome_free(&o);
}

SUITE_OF(install)
