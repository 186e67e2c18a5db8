/* SPDX-License-Identifier: MPL-2.0 */
/* Walks a section: what is in the mapping and not in the table is an error with the nearest key; what is in the table
 * is read in the table's order, by its type, or has its default. */
#include "reader.h"
#include "pool.h"
#include "variable.h"

#include <string.h>

static void read_keyword(struct reader *r, const struct value *v);
static void read_subsection(struct reader *r, const struct value *v);

static const struct reading readings[] = {
    [TYPE_COUNT] = {"a whole number", .text = read_count, .expands = true},
    [TYPE_DURATION] = {"a duration", .text = read_duration, .expands = true},
    [TYPE_SIZE] = {"a size", .text = read_size, .expands = true},
    [TYPE_CHOICE] = {"a word", .text = read_choice, .expands = true},
    [TYPE_NAME] = {"a name", .text = read_name},
    [TYPE_FIELD] = {"a word", .text = read_field, .expands = true},
    [TYPE_TEMPLATE] = {"a text", .text = read_template},
    [TYPE_REQUIRE] = {"a whole number or all", .text = read_require, .expands = true},
    [TYPE_PROGRAM] = {"a list of arguments or a text for sh", .text = read_shell, .list = read_arguments},
    [TYPE_INPUT] = {"a channel, a list of channels or {file: F}", .text = read_input_channel,
                    .list = read_input_channels, .map = read_input_file},
    [TYPE_OUTPUT] = {"a channel, a list of channels, inherit, log or none", .text = read_output_word,
                     .list = read_output_channels},
    [TYPE_PORTS] = {"a mapping of descriptors to channels, or a worker's list of channels", .list = read_port_names,
                    .map = read_port_numbers},
    [TYPE_SERVE] = {"the name of a service", .text = read_serve},
    [TYPE_CODES] = {"an exit code or a list of them", .text = read_code, .list = read_codes},
    [TYPE_SETTINGS] = {"a mapping of names to texts", .map = read_settings},
    [TYPE_DELAY] = {"a duration or a list of two", .text = read_delay, .list = read_delays, .expands = true},
    [TYPE_DEAD] = {"the name of a channel", .text = read_dead},
    [TYPE_BATCH] = {"a count or a size", .text = read_batch, .expands = true},
    [TYPE_REGEX] = {"a regular expression", .text = read_regex},
    [TYPE_READY] = {"a mapping with line or exec", .map = read_ready},
    [TYPE_NAMES] = {"the name of a process or a list of them", .text = read_dependency, .list = read_dependencies},
    [TYPE_RESTART] = {"a word or a mapping", .text = read_restart_word, .map = read_subsection, .expands = true},
    [TYPE_SECTION] = {"a mapping", .text = read_keyword, .map = read_subsection},
    [TYPE_VARIABLES] = {"a mapping of names to texts", .map = read_variables},
    [TYPE_CHANNELS] = {"a mapping of names to channels", .map = read_channels},
    [TYPE_PROCESSES] = {"a mapping of names to processes", .map = read_processes},
    [TYPE_SERVICES] = {"a mapping of names to services", .map = read_services},
};

void wrong(struct reader *r, const struct value *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *what = pool_vformat(r->d->pool, format, args);
    va_end(args);
    diagnose(r->d, v->place, diagnostics_text(r->d, "write %s: %s", v->key->name, v->key->example), "%s: %s",
             v->key->name, what);
}

/* The text with its variables. False where one is wrong (said), or while one has no value (said where it is declared).
 */
static bool expand(struct reader *r, struct value *v)
{
    if (!strchr(v->text, '$'))
        return true;
    if (!template_check(&r->doc, r->p, v->node, v->text, true))
        return false;
    char *out = pool_zalloc(r->doc.pool, template_expand(r->p, v->text, 0, NULL) + 1);
    template_expand(r->p, v->text, 0, out);
    v->text = out;
    return !r->valueless;
}

static void read_value(struct reader *r, struct value v)
{
    const struct reading *how = &readings[v.key->type];
    yaml_node_type_t type = document_type(&r->doc, v.node);
    bool text = type == YAML_SCALAR_NODE && !document_is_null(&r->doc, v.node);

    v.place = document_place(&r->doc, v.node);
    if (text && how->text) {
        v.text = document_text(&r->doc, v.node);
        if (v.text && (!how->expands || expand(r, &v)))
            how->text(r, &v);
    } else if (type == YAML_SEQUENCE_NODE && how->list) {
        how->list(r, &v);
    } else if (type == YAML_MAPPING_NODE && how->map) {
        how->map(r, &v);
    } else {
        wrong(r, &v, "expected %s, found %s", how->what, document_kind(&r->doc, v.node));
    }
}

static void read_default(struct reader *r, const struct key *key, void *base)
{
    struct value v = {.key = key, .text = key->fallback, .base = base, .field = (char *)base + key->offset};

    if (key->fallback)
        readings[key->type].text(r, &v);
    else if (key->type == TYPE_SECTION)
        read_defaults(r, key->section, base);
}

void read_defaults(struct reader *r, enum section section, void *base)
{
    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == section)
            read_default(r, &schema[i], base);
}

/* A section's short form: one word for all of its keys. */
static void read_keyword(struct reader *r, const struct value *v)
{
    if (!v->key->choices[0]) {
        wrong(r, v, "expected a mapping, found text");
        return;
    }
    for (size_t i = 0; i < schema_size; i++) {
        if (schema[i].in != v->key->section)
            continue;
        struct value each = *v;
        each.field = (char *)v->base + schema[i].offset;
        read_choice(r, &each);
    }
}

static void read_subsection(struct reader *r, const struct value *v)
{
    read_section(r, v->key->section, v->node, v->place, v->base);
}

/* Where else the key would be right: "capacity" in a process belongs to a channel. */
static const char *elsewhere(enum section here, const char *name)
{
    static const enum section places[] = {SECTION_PROCESS, SECTION_CHANNEL, SECTION_SERVICE, SECTION_FILE};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] != here && schema_find(places[i], name))
            return section_titles[places[i]];
    return NULL;
}

static const char *all_keys(struct reader *r, enum section section)
{
    const char *list = NULL;

    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == section)
            list = list ? diagnostics_text(r->d, "%s, %s", list, schema[i].name) : schema[i].name;
    return list;
}

static void mention_one(struct reader *r, int node)
{
    const char *text = document_type(&r->doc, node) == YAML_SCALAR_NODE ? document_text(&r->doc, node) : NULL;

    if (text)
        zhashx_update(r->mentioned, text, r);
}

/* `output: lines` is one mistake: nobody needs to be told that nothing writes to lines, too. */
void mention(struct reader *r, int node)
{
    size_t n = 0;
    const int *item = NULL;

    if (document_type(&r->doc, node) == YAML_SEQUENCE_NODE)
        item = document_items(&r->doc, node, &n);
    else
        mention_one(r, node);
    for (size_t i = 0; i < n; i++)
        mention_one(r, item[i]);
}

/* Says it. Returns the key that was probably meant, so that its value can be read as if it were that one, or NULL. */
static const struct key *unknown_key(struct reader *r, enum section section, const struct member *m)
{
    const char *title = section_titles[section], *nearest = schema_nearest(section, m->key), *hint;
    const char *place = elsewhere(section, m->key), *name = diagnostics_quote(r->d, m->key);

    if (nearest)
        hint = diagnostics_did_you_mean(r->d, nearest, NULL);
    else if (place)
        hint = diagnostics_text(r->d, "%s is a key of %s", name, place);
    else
        hint = diagnostics_text(r->d, "the keys of %s are: %s", title, all_keys(r, section));
    if (!nearest && section == SECTION_PROCESS)
        mention(r, m->value);
    diagnose(r->d, m->place, hint, "%s has no key %s", title, name);
    return nearest ? schema_find(section, nearest) : NULL;
}

/* The members by place of their key in the schema. */
static const struct member **sort_members(struct reader *r, enum section section, const struct member *member, size_t n)
{
    const struct member **known = pool_zalloc(r->doc.pool, schema_size * sizeof(struct member *));

    for (size_t i = 0; i < n; i++) {
        const struct key *key = schema_find(section, member[i].key);
        if (key)
            known[key - schema] = &member[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (schema_find(section, member[i].key) || strncmp(member[i].key, "x-", 2) == 0)
            continue;
        const struct key *meant = unknown_key(r, section, &member[i]);
        if (meant && !known[meant - schema])
            known[meant - schema] = &member[i];
    }
    return known;
}

const struct member *given(const struct member **members, enum section section, const char *name)
{
    return members[schema_find(section, name) - schema];
}

const struct member **read_section(struct reader *r, enum section section, int node, struct place place, void *base)
{
    size_t n;
    const struct member *member = document_members(&r->doc, node, &n);
    const struct member **known = sort_members(r, section, member, n);

    for (size_t i = 0; i < schema_size; i++) {
        const struct key *key = &schema[i];
        if (known[i])
            read_value(r, (struct value){
                              .key = key, .node = known[i]->value, .base = base, .field = (char *)base + key->offset});
        else if (key->in == section && key->required)
            diagnose(r->d, place, diagnostics_text(r->d, "write %s: %s", key->name, key->example),
                     "%s needs the key \"%s\"", section_titles[section], key->name);
        else if (key->in == section)
            read_default(r, key, base);
    }
    return known;
}

bool read_element(struct reader *r, const struct value *v, int node, struct value *element)
{
    *element = *v;
    element->node = node;
    element->place = document_place(&r->doc, node);
    if (document_type(&r->doc, node) != YAML_SCALAR_NODE) {
        diagnose(r->d, element->place, "put a text that contains : [ ] { } or , in quotes",
                 "%s: an element of this list is a text, found %s", v->key->name, document_kind(&r->doc, node));
        return false;
    }
    element->text = document_text(&r->doc, node);
    return element->text != NULL;
}
