/* SPDX-License-Identifier: MPL-2.0 */
/* A mapping as its reader wants it: text keys, no duplicates, merges done. A key that stands in the mapping itself wins
 * over one that "<<" brings, and of several merged mappings the first wins, as YAML 1.1 has it. */
#include "document.h"
#include "pool.h"

#include <czmq.h>

#include <string.h>

struct members {
    const struct document *doc;
    struct member *item;
    size_t n;
    bool full;       /* said already */
    zhashx_t *index; /* key -> its struct member, in a copy of the array that the pool keeps */
};

static const struct member *find(const struct members *m, const char *key)
{
    return zhashx_lookup(m->index, key);
}

static void add(struct members *m, struct member new)
{
    if (m->n >= DOCUMENT_MEMBERS) {
        if (!m->full)
            diagnose(m->doc->d, new.place, NULL, "this mapping has more than %d keys", DOCUMENT_MEMBERS);
        m->full = true;
        return;
    }
    m->item = pool_more(m->doc->pool, m->item, m->n, sizeof *m->item);
    m->item[m->n] = new;
    zhashx_insert(m->index, new.key, &m->item[m->n]);
    m->n++;
}

static bool is_merge(const struct document *doc, int key)
{
    const yaml_node_t *n = doc->yaml.nodes.start + (key - 1);

    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp((const char *)n->data.scalar.value, "<<") == 0;
}

static void own_member(struct members *m, int key, int value, const char *text)
{
    struct diagnostics *d = m->doc->d;
    struct place at = document_place(m->doc, key);
    const struct member *first = find(m, text);

    if (first)
        diagnose(d, at,
                 diagnostics_text(d, "the first one is at line %u, column %u", first->place.line, first->place.column),
                 "the key %s stands here a second time", diagnostics_quote(d, text));
    else
        add(m, (struct member){.key = text, .place = at, .value = value});
}

static void merge_mapping(struct members *m, int from)
{
    size_t n;
    const struct member *other = document_members(m->doc, from, &n);

    for (size_t i = 0; i < n; i++)
        if (!find(m, other[i].key))
            add(m, (struct member){other[i].key, other[i].place, other[i].value, true});
}

static void merge(struct members *m, int from)
{
    size_t n;

    if (document_type(m->doc, from) == YAML_MAPPING_NODE) {
        merge_mapping(m, from);
        return;
    }
    if (document_type(m->doc, from) == YAML_SEQUENCE_NODE) {
        const int *item = document_items(m->doc, from, &n);
        for (size_t i = 0; i < n; i++)
            if (document_type(m->doc, item[i]) == YAML_MAPPING_NODE)
                merge_mapping(m, item[i]);
            else
                diagnose(m->doc->d, document_place(m->doc, item[i]), "write <<: *NAME or <<: [*NAME, *NAME]",
                         "\"<<\" merges mappings, found %s", document_kind(m->doc, item[i]));
        return;
    }
    diagnose(m->doc->d, document_place(m->doc, from), "write <<: *NAME, where &NAME marks a mapping",
             "\"<<\" merges mappings, found %s", document_kind(m->doc, from));
}

struct member *document_members(const struct document *doc, int node, size_t *n)
{
    const yaml_node_t *map = doc->yaml.nodes.start + (node - 1);
    struct members m = {.doc = doc, .index = zhashx_new()};
    int merged = 0;

    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const char *text;
        if (document_type(doc, p->key) != YAML_SCALAR_NODE)
            diagnose(doc->d, document_place(doc, p->key), "write a word; put a text that begins with { or [ in quotes",
                     "a key is text, found %s", document_kind(doc, p->key));
        else if (is_merge(doc, p->key) && merged)
            diagnose(doc->d, document_place(doc, p->key), "write one with a list: <<: [*NAME, *NAME]",
                     "the key \"<<\" stands here a second time");
        else if (is_merge(doc, p->key))
            merged = p->value;
        else if ((text = document_text(doc, p->key)))
            own_member(&m, p->key, p->value, text);
    }
    if (merged)
        merge(&m, merged);
    zhashx_destroy(&m.index);
    *n = m.n;
    return m.item;
}
