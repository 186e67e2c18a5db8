/* SPDX-License-Identifier: MPL-2.0 */
/* libyaml's errors in words for people who do not know its states: a table from its sentence to ours. What it complains
 * about is often where it noticed, not where the mistake is, so that an entry may prefer the place where the construct
 * began. */
#include "document.h"

#include <string.h>

struct complaint {
    const char *problem, *context; /* parts of libyaml's words; NULL context: any */
    const char *message, *hint;    /* each may hold one %s: where the construct began */
    bool at_context;
};

static const char quote_it[] =
    "close what is open, separate items by commas, and put texts that contain , [ ] { } in quotes";
static const char colon[] = "is the line indented like its neighbours, and has the one before its \":\"? "
                            "A text that contains \": \" needs quotes";
static const char no_tags[] = "\"!\" begins a tag, and tags have no meaning in a pipeline file";
static const char quote_exclamation[] = "put a text that begins with ! in quotes";

static const struct complaint complaints[] = {
    {"mapping values are not allowed", NULL, "a \":\" is not expected here", colon, false},
    {"block sequence entries are not allowed", NULL, "a list can't begin here",
     "put each \"- item\" on a line of its own, or write [item, item]", false},
    {"could not find expected ':'", NULL, "this is not a key: there is no \":\" after it", "write key: value", true},
    {"did not find expected '-' indicator", NULL, "this does not belong to the list before it",
     "the list began %s: indent its items alike, and other keys like the list's own key", false},
    {"did not find expected ',' or ']'", NULL, "expected \",\" or \"]\" in the list that began %s", quote_it, false},
    {"did not find expected ',' or '}'", NULL, "expected \",\" or \"}\" in the mapping that began %s", quote_it, false},
    {"found unexpected end of stream", "quoted scalar", "this quote is never closed", "close it at the end of the text",
     true},
    {"found unexpected document indicator", "quoted scalar", "this quote is never closed",
     "close it at the end of the text", true},
    {"unknown escape character", NULL, "this is not an escape that YAML knows",
     "write \\\\ for a backslash, or use single quotes", false},
    {"escape code", NULL, "this escape is not a character", "write \\u and 4 hexadecimal digits", false},
    {"did not find expected hexdecimal number", NULL, "this escape lacks hexadecimal digits",
     "\\x needs 2 of them, \\u 4, \\U 8", false},
    {"alphabetic or numeric character", "alias", "\"*\" begins an alias, and no name follows",
     "put a text that begins with * in quotes", true},
    {"alphabetic or numeric character", "anchor", "\"&\" begins an anchor, and no name follows",
     "put a text that begins with & in quotes", true},
    {"found undefined alias", NULL, "there is no anchor of this name above",
     "define it before with &NAME; put a text that begins with * in quotes", false},
    {"second occurrence", NULL, "an anchor of this name exists already",
     "the first one is %s: give this one another name", false},
    {"found a tab character", NULL, "a tab can't indent", "use spaces", false},
    {"did not find expected comment or line break", "block scalar", "after | or > the text begins on the next line",
     "put a text that begins with | or > in quotes", true},
    {"found undefined tag handle", NULL, no_tags, quote_exclamation, false},
    {"", "while scanning a tag", no_tags, quote_exclamation, true},
    {"", "while parsing a tag", no_tags, quote_exclamation, true},
    {"did not find expected node content", NULL, "a value was expected here",
     "put a text that begins with , ] or } in quotes, or write the value that is missing", false},
    {"did not find expected <document start>", NULL, "the pipeline has ended before this",
     "is the line indented less than the first one?", false},
    {"incompatible YAML document", NULL, "this version of YAML is not known", "leave the %YAML line out", false},
};

/* The character at a place, or a newline at the end of the file. */
static char character_at(const struct diagnostics *d, struct place at)
{
    size_t offset = source_offset(&d->source, at);

    return offset < d->source.size ? d->source.text[offset] : '\n';
}

/* A character that begins no token: mostly a tab, or one that YAML reserves. */
static void unexpected_character(struct diagnostics *d, struct place at)
{
    char c = character_at(d, at);

    if (c == '\t')
        diagnose(d, at, "use spaces", "a tab can't indent");
    else
        diagnose(d, at, diagnostics_text(d, "put a text that begins with %c in quotes", c),
                 "nothing can begin with \"%c\"", c);
}

/* Whether a place is the first on its line that is not blank. */
static bool begins_line(const struct diagnostics *d, struct place at)
{
    size_t length;
    const char *line = source_line(&d->source, at.line, &length);

    return strspn(line, " ") + 1 >= at.column;
}

/* Something stands where the next key of a block mapping was expected. */
static void unexpected_in_mapping(struct diagnostics *d, struct place at, struct place began)
{
    if (!begins_line(d, at))
        diagnose(d, at, "is a quote or a bracket closed too early? Put the whole text in quotes",
                 "nothing can follow here on the same line");
    else if (character_at(d, at) == '-')
        diagnose(d, at, "write it as key: value, or indent it under the key that it is a list of",
                 "a list item can't stand among the keys of a mapping");
    else
        diagnose(d, at,
                 diagnostics_text(
                     d, "give all keys of one mapping the same indentation; the mapping began at line %u, column %u",
                     began.line, began.column),
                 "this does not line up with the keys before it");
}

/* [ls, ${n}]: the braces are YAML's here. */
static bool is_braced_variable(const struct diagnostics *d, struct place at)
{
    struct place before = {at.line, at.column - 1};

    return at.column > 1 && character_at(d, at) == '{' && character_at(d, before) == '$';
}

/* What is missing at the end of the file is missing behind its last word, not on the empty line (or one beyond the
 * last) where the parser noticed. */
static struct place place_of(const struct source *s, const yaml_mark_t *mark)
{
    struct place at = {(unsigned)mark->line + 1, (unsigned)mark->column + 1};
    size_t end = source_offset(s, at);

    if (end < s->size)
        return at;
    while (end > 0 && strchr(" \t\r\n", s->text[end - 1]))
        end--;
    return source_place(s, end);
}

static bool has(const char *text, const char *part)
{
    return !part || (text && strstr(text, part));
}

static const struct complaint *complaint_about(const yaml_parser_t *p)
{
    for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
        if (has(p->problem, complaints[i].problem) && has(p->context, complaints[i].context))
            return &complaints[i];
    return NULL;
}

/* A sentence with the place where the construct began put in. */
static const char *complete(struct diagnostics *d, const char *text, struct place began)
{
    const char *gap = strstr(text, "%s");

    if (!gap)
        return text;
    return diagnostics_text(d, "%.*sat line %u, column %u%s", (int)(gap - text), text, began.line, began.column,
                            gap + 2);
}

void syntax_error(struct diagnostics *d, const yaml_parser_t *p)
{
    struct place at = place_of(&d->source, &p->problem_mark), began = place_of(&d->source, &p->context_mark);
    const struct complaint *c = complaint_about(p);

    if (p->error == YAML_MEMORY_ERROR)
        diagnose(d, (struct place){0, 0}, NULL, "out of memory");
    else if (has(p->problem, "cannot start any token"))
        unexpected_character(d, at);
    else if (has(p->problem, "did not find expected key"))
        unexpected_in_mapping(d, at, began);
    else if (is_braced_variable(d, at))
        diagnose(d, at, "inside [ ] and { } write \"${name}\" with quotes, or $name", "\"${\" needs quotes here");
    else if (c)
        diagnose(d, c->at_context ? began : at, complete(d, c->hint, began), "%s", complete(d, c->message, began));
    else
        diagnose(d, at, NULL, "not YAML: %s%s%s", p->problem ? p->problem : "it can't be read", p->context ? " " : "",
                 p->context ? p->context : "");
}
