/* SPDX-License-Identifier: MPL-2.0 */
/* A fuzz target as a test: all of its corpus, each input once. */
#include "fuzz.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef TARGET
#define TARGET "broker" /* the Makefile says which */
#endif

Suite *fuzz_suite(void);

/* Runs one file's input. */
static void replay(const char *path)
{
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    static uint8_t data[1 << 20];
    size_t n = fread(data, 1, sizeof data, f);
    ck_assert_int_eq(fclose(f), 0);
    uint8_t *exact = malloc(n != 0 ? n : 1); /* so that a read beyond its end is found */
    ck_assert_ptr_nonnull(exact);
    for (size_t i = 0; i < n; i++)
        exact[i] = data[i];
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

START_TEST(the_corpus_holds)
{
    const char *directory = "tests/fuzz/corpus/" TARGET;
    unsigned count = 0;
    DIR *d = opendir(directory);
    ck_assert_msg(d != NULL, "%s: it can not be read", directory);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        replay(path);
        count++;
    }
    closedir(d);
    ck_assert_msg(count > 0, "%s: no input is there", directory);
    printf("%u inputs of %s\n", count, directory);
}
END_TEST

Suite *fuzz_suite(void)
{
    Suite *s = suite_create("fuzz " TARGET);
    TCase *t = tcase_create("corpus");
    tcase_add_test(t, the_corpus_holds);
    suite_add_tcase(s, t);
    return s;
}
