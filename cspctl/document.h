/* SPDX-License-Identifier: MPL-2.0 */
/* The YAML document under a pipeline file: nodes with exact places, and mappings with their merges ("<<") done.
 * libyaml's document API gives a mark for every node; what it does not do is done here, once, before anybody walks the
 * nodes: limits on size and depth, and a refusal of aliases that contain themselves. A walk over a loaded document
 * ends. */
#ifndef CSPCTL_DOCUMENT_H
#define CSPCTL_DOCUMENT_H

#include "diagnostic.h"

#include <yaml.h>

#define DOCUMENT_DEPTH   32                   /* nesting */
#define DOCUMENT_NODES   100000               /* values, each alias counted as what it stands for */
#define DOCUMENT_ANCHORS 1000                 /* libyaml compares each with all */
#define DOCUMENT_MEMBERS PIPELINE_MAX_ENTRIES /* keys of one mapping */

struct document {
    yaml_document_t yaml;
    struct diagnostics *d;
    struct pool *pool; /* for what is made while reading */
};

/* A node is its number in the document, from 1. */
struct member {
    const char *key;
    struct place place; /* of the key */
    int value;          /* node */
    bool merged;        /* came by "<<" */
};

/* Load the source of d. False if it is not one YAML mapping, which is then among d's errors; document_free() only after
 * true. */
bool document_load(struct document *doc, struct diagnostics *d);
void document_free(struct document *doc);

int document_root(const struct document *doc);
yaml_node_type_t document_type(const struct document *doc, int node);
/* Where the node's value begins (after an anchor). */
struct place document_place(const struct document *doc, int node);
/* Where the nth '$' (from 0) of a scalar stands. */
struct place document_dollar(const struct document *doc, int node, size_t nth);
/* "a list", "a mapping", "text", "nothing". */
const char *document_kind(const struct document *doc, int node);
/* Nothing is written there: `key:`, ~ or null. */
bool document_is_null(const struct document *doc, int node);

/* The text of a scalar, or NULL (said) where it holds a NUL byte, which no argument and no name can. */
const char *document_text(const struct document *doc, int node);

/* Elements of a list: n nodes. */
const int *document_items(const struct document *doc, int node, size_t *n);

/* Members of a mapping in the order of the file, then those merged; duplicates and keys that are no text are said, and
 * left out. The result lives as long as the document. */
struct member *document_members(const struct document *doc, int node, size_t *n);

/* Say what stopped libyaml's parser. */
void syntax_error(struct diagnostics *d, const yaml_parser_t *parser);

#endif
