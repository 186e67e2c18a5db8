/* SPDX-License-Identifier: MPL-2.0 */
/* The tokens are scanned once before the document is loaded: libyaml takes time that is quadratic in nesting and in
 * anchors (a megabyte of "[" takes it minutes), and a scan can stop where a limit is passed. */
#include "document.h"
#include "pool.h"

#include <string.h>

static struct place place_of(const yaml_mark_t *mark)
{
    return (struct place){(unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

static yaml_node_t *get(const struct document *doc, int node)
{
    return doc->yaml.nodes.start + (node - 1);
}

int document_root(const struct document *doc)
{
    return doc->yaml.nodes.start < doc->yaml.nodes.top;
}

yaml_node_type_t document_type(const struct document *doc, int node)
{
    return get(doc, node)->type;
}

/* The change in nesting that a token makes. */
static int step(yaml_token_type_t type)
{
    switch (type) {
    case YAML_BLOCK_SEQUENCE_START_TOKEN:
    case YAML_BLOCK_MAPPING_START_TOKEN:
    case YAML_FLOW_SEQUENCE_START_TOKEN:
    case YAML_FLOW_MAPPING_START_TOKEN:
        return 1;
    case YAML_BLOCK_END_TOKEN:
    case YAML_FLOW_SEQUENCE_END_TOKEN:
    case YAML_FLOW_MAPPING_END_TOKEN:
        return -1;
    default:
        return 0;
    }
}

/* False (said) where a limit is passed. What is not even tokens is left for the parser to say. */
static bool within_limits(struct diagnostics *d)
{
    yaml_parser_t parser;
    yaml_token_t token;
    int depth = 0, anchors = 0;
    bool more = true, good = true;

    if (!yaml_parser_initialize(&parser))
        return true;
    yaml_parser_set_input_string(&parser, (const unsigned char *)d->source.text, d->source.size);
    while (more && good && yaml_parser_scan(&parser, &token)) {
        depth += step(token.type);
        anchors += token.type == YAML_ANCHOR_TOKEN;
        good = depth <= DOCUMENT_DEPTH && anchors <= DOCUMENT_ANCHORS;
        if (depth > DOCUMENT_DEPTH)
            diagnose(d, place_of(&token.start_mark), NULL, "this is nested more than %d deep", DOCUMENT_DEPTH);
        else if (!good)
            diagnose(d, place_of(&token.start_mark), NULL, "there are more than %d anchors", DOCUMENT_ANCHORS);
        more = token.type != YAML_STREAM_END_TOKEN;
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
    return good;
}

/* What is known of a node while the graph is measured. */
struct measure {
    enum { UNSEEN, OPEN, DONE } state;
    int height;
    int64_t nodes; /* as if every alias were written out */
};

struct measuring {
    const struct document *doc;
    struct measure *of; /* by node */
};

static bool measure(struct measuring *m, int node, int depth);

static bool measure_child(struct measuring *m, struct measure *parent, int child, int depth)
{
    if (!measure(m, child, depth + 1))
        return false;
    const struct measure *c = &m->of[child];
    if (c->height + 1 > parent->height)
        parent->height = c->height + 1;
    parent->nodes += c->nodes;
    if (depth + c->height <= DOCUMENT_DEPTH)
        return true;
    diagnose(m->doc->d, document_place(m->doc, child), NULL,
             "with its aliases written out, this is nested more than %d deep", DOCUMENT_DEPTH);
    return false;
}

static bool check_tag(struct measuring *m, int node)
{
    const char *tag = (const char *)get(m->doc, node)->tag;

    if (!tag || strncmp(tag, "tag:yaml.org,2002:", 18) == 0)
        return true;
    diagnose(m->doc->d, place_of(&get(m->doc, node)->start_mark), "put a text that begins with ! in quotes",
             "\"!\" begins a tag, and tags have no meaning in a pipeline file");
    return false;
}

/* Ends early, at an open node or at the depth limit, and so never recurses deeper than that. */
static bool measure(struct measuring *m, int node, int depth)
{
    struct measure *me = &m->of[node];
    yaml_node_t *n = get(m->doc, node);

    if (me->state == OPEN)
        diagnose(m->doc->d, document_place(m->doc, node), "take out the alias that leads back here",
                 "this contains itself, through an alias");
    if (me->state != UNSEEN)
        return me->state == DONE;
    *me = (struct measure){OPEN, 1, 1};
    bool good = check_tag(m, node);
    if (n->type == YAML_SEQUENCE_NODE)
        for (yaml_node_item_t *i = n->data.sequence.items.start; good && i < n->data.sequence.items.top; i++)
            good = measure_child(m, me, *i, depth);
    if (n->type == YAML_MAPPING_NODE)
        for (yaml_node_pair_t *p = n->data.mapping.pairs.start; good && p < n->data.mapping.pairs.top; p++)
            good = measure_child(m, me, p->key, depth) && measure_child(m, me, p->value, depth);
    if (good && me->nodes > DOCUMENT_NODES) {
        diagnose(m->doc->d, document_place(m->doc, node), "write less of it by aliases",
                 "with its aliases written out, this has more than %d values", DOCUMENT_NODES);
        good = false;
    }
    me->state = good ? DONE : OPEN;
    return good;
}

static bool check_root(struct document *doc)
{
    static const char example[] = "write at least:  processes: {hello: {command: [echo, hello]}}";
    int root = document_root(doc);

    if (!root || document_is_null(doc, root))
        diagnose(doc->d, (struct place){0, 0}, example, "this is empty: there is no pipeline in it");
    else if (document_type(doc, root) != YAML_MAPPING_NODE)
        diagnose(doc->d, document_place(doc, root), example, "expected a mapping (key: value), found %s",
                 document_kind(doc, root));
    else
        return true;
    return false;
}

/* A second document would be ignored without a word. */
static bool check_end(struct document *doc, yaml_parser_t *parser)
{
    yaml_document_t next;
    bool good = true;

    if (!yaml_parser_load(parser, &next)) {
        syntax_error(doc->d, parser);
        return false;
    }
    if (yaml_document_get_root_node(&next)) {
        diagnose(doc->d, place_of(&next.start_mark), "put it into a file of its own", "a file holds one pipeline");
        good = false;
    }
    yaml_document_delete(&next);
    return good;
}

static bool load(struct document *doc, yaml_parser_t *parser)
{
    struct source *s = &doc->d->source;

    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)s->text, s->size);
    if (!yaml_parser_load(parser, &doc->yaml)) {
        syntax_error(doc->d, parser);
        return false;
    }
    bool good = check_root(doc) && check_end(doc, parser);
    if (good) {
        size_t n = (size_t)(doc->yaml.nodes.top - doc->yaml.nodes.start);
        struct measuring m = {doc, pool_zalloc(doc->pool, (n + 1) * sizeof *m.of)};
        good = measure(&m, document_root(doc), 1);
    }
    if (!good)
        yaml_document_delete(&doc->yaml);
    return good;
}

bool document_load(struct document *doc, struct diagnostics *d)
{
    yaml_parser_t parser;
    bool good = false;

    *doc = (struct document){.d = d, .pool = pool_new()};
    if (within_limits(d)) {
        if (yaml_parser_initialize(&parser)) {
            good = load(doc, &parser);
            yaml_parser_delete(&parser);
        } else {
            diagnose(d, (struct place){0, 0}, NULL, "out of memory");
        }
    }
    if (!good)
        pool_free(doc->pool);
    return good;
}

void document_free(struct document *doc)
{
    yaml_document_delete(&doc->yaml);
    pool_free(doc->pool);
}

/* libyaml marks an anchored node at its anchor. */
static size_t value_offset(const struct document *doc, int node)
{
    const struct source *s = &doc->d->source;
    size_t start = source_offset(s, place_of(&get(doc, node)->start_mark)), i = start;

    while (i < s->size && (s->text[i] == '&' || s->text[i] == '!')) {
        while (i < s->size && !strchr(" \t\r\n", s->text[i]))
            i++;
        while (i < s->size && s->text[i] == ' ')
            i++;
    }
    return i < s->size && strchr("\r\n#", s->text[i]) ? start : i;
}

struct place document_place(const struct document *doc, int node)
{
    return source_place(&doc->d->source, value_offset(doc, node));
}

struct place document_dollar(const struct document *doc, int node, size_t nth)
{
    const struct source *s = &doc->d->source;
    size_t i = value_offset(doc, node), end = source_offset(s, place_of(&get(doc, node)->end_mark));

    for (size_t j = i; j < end; j++)
        if (s->text[j] == '$' && nth-- == 0)
            return source_place(s, j);
    return source_place(s, i); /* written as an escape */
}

bool document_is_null(const struct document *doc, int node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const yaml_node_t *n = get(doc, node);

    if (n->type != YAML_SCALAR_NODE || n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp((const char *)n->data.scalar.value, nulls[i]) == 0)
            return true;
    return false;
}

const char *document_kind(const struct document *doc, int node)
{
    switch (document_type(doc, node)) {
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a mapping";
    default:
        return document_is_null(doc, node) ? "nothing" : "text";
    }
}

const char *document_text(const struct document *doc, int node)
{
    const yaml_node_t *n = get(doc, node);
    const char *text = (const char *)n->data.scalar.value;

    if (strlen(text) == n->data.scalar.length)
        return text;
    diagnose(doc->d, document_place(doc, node), "leave the \\0 out", "a NUL byte can't be part of this");
    return NULL;
}

const int *document_items(const struct document *doc, int node, size_t *n)
{
    const yaml_node_t *list = get(doc, node);

    *n = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    return list->data.sequence.items.start;
}
