/* SPDX-License-Identifier: MPL-2.0 */
/* Search across processes, on small indexes of its own: who answered, who was late, who failed. */
#include "harness.h"

#include "leftover.h"
#include "standing.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *const shards[] = {"web", "image", "media"};

static void build_indexes(void)
{
    for (size_t i = 0; i < 3; i++) {
        struct outcome o =
            sh("for n in $(seq 50); do printf 'penguin %%d of %s\\t%s/%%d\\n' $n $n; done | '%s' --build '%s'",
               shards[i], shards[i], built("libexec/csp/search"), in_scratch("%s.db", shards[i]));
        assert_status(&o, 0);
        outcome_free(&o);
    }
}

/* The sample, but for its deadline: all are to answer, on a machine that is busy, too. */
static void write_patient_sample(void)
{
    struct outcome o =
        sh("sed 's/deadline: 80ms/deadline: 60s/' config/search.yaml > %s && ! cmp -s config/search.yaml %s",
           in_scratch("search.yaml"), in_scratch("search.yaml"));
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_run_with_a_call_asks_prints_and_ends)
{
    build_indexes();
    write_patient_sample();
    struct outcome o = sh("cspctl run %s corpus=%s --call search penguin 7", in_scratch("search.yaml"), scratch());
    assert_status(&o, 0);
    assert_contains(&o.out, "penguin 7 of web");
    assert_contains(&o.out, "penguin 7 of image");
    assert_contains(&o.out, "penguin 7 of media");
    outcome_free(&o);
}

/* Three backends with a replica each, so that a death or a stop is seen. */
static struct running start_search(void)
{
    build_indexes();
    write_text(in_scratch("s.yaml"),
               "on_failure: continue\n"
               "services: {search: {deadline: 5s, require: 1}}\n"
               "processes:\n"
               "  web: {worker: [search, %s/web.db], serve: search}\n"
               "  image: {worker: [search, %s/image.db], serve: search}\n"
               "  media: {worker: [search, %s/media.db], serve: search}\n",
               scratch(), scratch(), scratch());
    struct running r = start("exec cspctl run %s", in_scratch("s.yaml"));
    /* All three answer once they are up. */
    for (bool up = false; !up;) {
        struct outcome o = sh("cspctl call search penguin --timeout 5s -o json 2>/dev/null | jq .backends.ok");
        up = strcmp(o.out.data, "3\n") == 0;
        outcome_free(&o);
    }
    return r;
}

static void stop(struct running *r)
{
    struct outcome o = sh("cspctl stop");
    outcome_free(&o);
    o = finish(r);
    outcome_free(&o);
}

/* A call says this of itself. Its deadline has room for those who can answer: more and more of it, for the machine may
 * be busy. */
static void assert_call(const char *filter, const char *said)
{
    struct outcome o =
        sh("for ms in 300 1500 7500 37500; do got=$(cspctl call search penguin 7 --timeout ${ms}ms -o json |"
           " jq -c --argjson ms $ms '%s'); [ \"$got\" != '%s' ] || break; done; echo \"$got\"",
           filter, said);
    ck_assert_msg(strncmp(o.out.data, said, strlen(said)) == 0, "%s instead of %s: %s", o.out.data, said, o.err.data);
    outcome_free(&o);
}

TEST(all_backends_answer)
{
    struct running r = start_search();
    assert_call("[.timed_out, .backends.total, .backends.ok, .backends.missing, (.hits | length)]", "[false,3,3,[],3]");
    stop(&r);
}

TEST(a_stopped_worker_is_missing_at_the_deadline_and_named)
{
    struct running r = start_search();
    struct outcome pid =
        sh("cspctl ps -o json | jq '.. | objects | select(.name? == \"image\" and .pid? != null) | .pid' | head -n 1");
    pid_t image = (pid_t)strtol(pid.out.data, NULL, 10);
    ck_assert_int_gt(image, 1);
    halt(image);
    assert_call("[.timed_out, .backends.ok, .backends.missing, .took_ms >= $ms]", "[true,2,[\"image\"],true]");
    kill(image, SIGCONT);
    outcome_free(&pid);
    /* It is told that the asker has gone, and answers the next. */
    struct outcome o = sh("cspctl call search penguin 7 --timeout 60s -o json | jq -c '.backends.ok'");
    ck_assert_str_eq(o.out.data, "3\n");
    outcome_free(&o);
    stop(&r);
}

TEST(a_killed_worker_is_missing_and_named)
{
    struct running r = start_search();
    struct outcome pid =
        sh("cspctl ps -o json | jq '.. | objects | select(.name? == \"media\" and .pid? != null) | .pid' | head -n 1");
    pid_t media = (pid_t)strtol(pid.out.data, NULL, 10);
    ck_assert_int_gt(media, 1);
    kill(media, SIGKILL);
    assert_call("[.backends.ok, .backends.missing]", "[2,[\"media\"]]");
    outcome_free(&pid);
    stop(&r);
}

TEST(fewer_answers_than_required_is_124)
{
    build_indexes();
    write_text(in_scratch("s.yaml"),
               "services: {search: {deadline: 100ms, require: all}}\n"
               "processes:\n"
               "  web: {worker: [search, %s/web.db], serve: search}\n"
               "  never: {command: 'while read -r q; do :; done', serve: search}\n",
               scratch());
    struct outcome o = sh("cspctl run %s --call search penguin", in_scratch("s.yaml"));
    assert_status(&o, 124);
    assert_contains(&o.err, "never");
    outcome_free(&o);
}

TEST(an_ordinary_program_can_serve)
{
    write_text(in_scratch("s.yaml"), "services: {echo: {deadline: 60s}}\n"
                                     "processes:\n"
                                     "  e: {command: 'while read -r q; do echo \"[{\\\"title\\\": \\\"$q\\\", "
                                     "\\\"source\\\": \\\"sh\\\", \\\"score\\\": 1}]\"; done', serve: echo}\n");
    struct outcome o = sh("cspctl run %s --call echo hello there", in_scratch("s.yaml"));
    assert_status(&o, 0);
    assert_contains(&o.out, "hello there");
    outcome_free(&o);
}

TEST(words_that_are_syntax_to_the_index_are_words)
{
    build_indexes();
    write_patient_sample();
    struct outcome o = sh("cspctl run %s corpus=%s --call search 'c++' AND foo-bar '\"' -o json | jq "
                          "-c '[.timed_out, .backends.ok]'",
                          in_scratch("search.yaml"), scratch());
    ck_assert_str_eq(o.out.data, "[false,3]\n");
    outcome_free(&o);
}

SUITE_OF(search)
