/* SPDX-License-Identifier: MPL-2.0 */
/* Where in the source an address is: of this very program, and of programs built, stripped, moved and removed in every
 * way that a user's may be. */
#include "../../cspctl/place.h"
#include "../../cspctl/pool.h"
#include "../e2e/harness.h"
#include "../leftover.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *place_suite(void);

static __attribute__((noinline)) uint64_t return_address(void)
{
    return (uint64_t)(uintptr_t)__builtin_return_address(0);
}

START_TEST(of_a_call_in_this_program_line_and_function_are_known)
{
    struct pool *pool = pool_new();
    struct places *places = places_new();

    uint64_t address = return_address();
    const int line = __LINE__ - 1;
    struct place p = places_find(places, getpid(), address, true);
    ck_assert_uint_eq(p.address, address);
    ck_assert_int_eq(p.line, line);
    ck_assert_str_eq(p.file, "tests/unit/test_place.c");
    ck_assert_str_eq(p.function, "of_a_call_in_this_program_line_and_function_are_known_fn");
    ck_assert_str_eq(place_print(&p, pool), pool_format(pool, "%s() in tests/unit/test_place.c:%d", p.function, line));
    places_free(places);
    pool_free(pool);
}
END_TEST

START_TEST(a_function_is_found_by_its_own_address)
{
    struct places *places = places_new();
    struct place p = places_find(places, getpid(), (uint64_t)(uintptr_t)return_address, false);

    ck_assert_str_eq(p.function, "return_address");
    ck_assert_str_eq(p.symbol, "return_address");
    ck_assert_uint_eq(p.past, 0);
    places_free(places);
}
END_TEST

START_TEST(an_address_that_is_nowhere_stays_bare)
{
    struct pool *pool = pool_new();
    struct places *places = places_new();
    struct place p = places_find(places, getpid(), 0x10, false);

    ck_assert_ptr_null(p.module);
    ck_assert_str_eq(place_print(&p, pool), "0x10");
    p = places_find(places, getpid(), (uint64_t)(uintptr_t)&pool, false); /* no code */
    ck_assert_ptr_null(p.module);
    places_free(places);
    pool_free(pool);
}
END_TEST

/* ---- programs */

static const char source[] = "#include <stdio.h>\n"
                             "#include <unistd.h>\n"
                             "void *here(void) __attribute__((noinline));\n"
                             "int waits(void) __attribute__((noinline));\n"
                             "void *here(void) { __asm__ volatile(\"\"); return __builtin_return_address(0); }\n"
                             "static inline __attribute__((always_inline)) void *within(void)\n"
                             "{\n"
                             "    return here();\n" /* line 8 */
                             "}\n"
                             "int waits(void)\n"
                             "{\n"
                             "    void *place = here();\n" /* line 12 */
                             "    printf(\"%d %p %p.\\n\", getpid(), place, within());\n"
                             "    fflush(stdout);\n"
                             "    return pause();\n"
                             "}\n";
static const char caller[] = "int waits(void);\nint main(void) { return waits(); }\n";

static const struct {
    const char *what, *build, *begins, *inlined; /* begins: what is said of the call in waits() and in within() */
    const char *then;                            /* done to the files when it runs */
} programs[] = {
    {"position-independent", "cc -g -fPIE -pie -o prog place.c main.c", "waits() in place.c:12",
     "within() in place.c:8", NULL},
    {"at a fixed address", "cc -g -fno-pie -no-pie -o prog place.c main.c", "waits() in place.c:12",
     "within() in place.c:8", NULL},
    {"optimised", "cc -g -O2 -o prog place.c main.c", "waits() in place.c:12", "within() in place.c:8", NULL},
    {"static", "cc -g -static -o prog place.c main.c", "waits() in place.c:12", "within() in place.c:8", NULL},
    {"a shared library", "cc -g -fPIC -shared -o libplace.so place.c && cc -o prog main.c ./libplace.so",
     "waits() in place.c:12", "within() in place.c:8", NULL},
    {"built elsewhere", "mkdir -p sub && cc -g -o prog sub/../place.c main.c", "waits() in sub/../place.c:12",
     "within() in sub/../place.c:8", NULL},
    {"without a table of addresses", "cc -g -o prog place.c main.c && objcopy -R .debug_aranges prog",
     "waits() in place.c:12", "within() in place.c:8", NULL},
    {"debug information in a file beside it",
     "cc -g -o prog place.c main.c && objcopy --only-keep-debug prog prog.debug && strip prog &&"
     " objcopy --add-gnu-debuglink=prog.debug prog",
     "waits() in place.c:12", "within() in place.c:8", NULL},
    {"without debug information", "cc -o prog place.c main.c", "waits+0x", "waits+0x", NULL},
    {"stripped", "cc -s -o prog place.c main.c", "prog+0x", "prog+0x", NULL},
    {"removed", "cc -g -o prog place.c main.c", "waits() in place.c:12", "within() in place.c:8", "rm prog"},
    {"a stripped one removed", "cc -s -o prog place.c main.c", "prog+0x", "prog+0x", "rm prog"},
    {"replaced", "cc -g -o prog place.c main.c", "waits() in place.c:12", "within() in place.c:8",
     "cp prog new; echo >> new; mv new prog"},
    {"a name with a space and a newline", "cc -g -o 'prog\n x' place.c main.c && ln -s 'prog\n x' prog",
     "waits() in place.c:12", "within() in place.c:8", NULL},
};

static void assert_begins(const char *what, const char *got, const char *want)
{
    ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "%s: \"%s\" does not begin as \"%s\"", what, got, want);
}

START_TEST(a_program)
{
    struct pool *pool = pool_new();
    struct places *places = places_new();
    uint64_t call, inlined;
    int pid;

    write_file(in_scratch("place.c"), source, strlen(source));
    write_file(in_scratch("main.c"), caller, strlen(caller));
    struct outcome o = sh("cd %s && %s", scratch(), programs[_i].build);
    assert_status(&o, 0);
    outcome_free(&o);
    struct running r = start("cd %s && exec ./prog", scratch());
    wait_for_output(&r, 0, ".\n");
    ck_assert_int_eq(sscanf(r.text[0].data, "%d %" SCNx64 " %" SCNx64, &pid, &call, &inlined), 3);
    if (programs[_i].then != NULL) {
        o = sh("cd %s && %s", scratch(), programs[_i].then);
        assert_status(&o, 0);
        outcome_free(&o);
    }
    struct place p = places_find(places, pid, call, true);
    assert_begins(programs[_i].what, place_print(&p, pool), programs[_i].begins);
    p = places_find(places, pid, inlined, true);
    assert_begins(programs[_i].what, place_print(&p, pool), programs[_i].inlined);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    o = finish(&r);
    outcome_free(&o);
    places_free(places);

    places = places_new(); /* it has gone */
    p = places_find(places, pid, call, true);
    ck_assert_str_eq(place_print(&p, pool), pool_format(pool, "0x%" PRIx64, call));
    places_free(places);
    pool_free(pool);
}
END_TEST

Suite *place_suite(void)
{
    Suite *s = suite_create("place");
    TCase *t = tcase_create("place");

    tcase_add_test(t, of_a_call_in_this_program_line_and_function_are_known);
    tcase_add_test(t, a_function_is_found_by_its_own_address);
    tcase_add_test(t, an_address_that_is_nowhere_stays_bare);
    tcase_add_loop_test(t, a_program, 0, sizeof programs / sizeof *programs);
    suite_add_tcase(s, t);
    return s;
}
