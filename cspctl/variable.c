/* SPDX-License-Identifier: MPL-2.0 */
/* One function cuts a template into pieces; checking and expanding are loops over it, so that what was checked is what
 * is expanded. */
#include "variable.h"
#include "pool.h"
#include "suggestion.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum piece_kind { PIECE_TEXT, PIECE_NAME, PIECE_LONE, PIECE_UNCLOSED, PIECE_NO_NAME };

struct piece {
    enum piece_kind kind;
    const char *start; /* of it in the template */
    const char *text;  /* literal text, or the name */
    size_t length;
};

static size_t name_length(const char *text)
{
    size_t n = 0;

    if (isalpha((unsigned char)*text) || *text == '_')
        while (isalnum((unsigned char)text[n]) || text[n] == '_')
            n++;
    return n;
}

bool variable_is_name(const char *text, size_t length)
{
    return length > 0 && name_length(text) == length;
}

static struct piece braced(const char *dollar)
{
    const char *name = dollar + 2, *end = strchr(name, '}');
    struct piece piece = {PIECE_UNCLOSED, dollar, name, 0};

    if (!end)
        return piece;
    piece.length = (size_t)(end - name);
    piece.kind = variable_is_name(name, piece.length) ? PIECE_NAME : PIECE_NO_NAME;
    return piece;
}

/* The next piece, and the rest of the template moved behind it. False at the end. Nothing follows a piece that is
 * wrong. */
static bool next_piece(const char **rest, struct piece *piece)
{
    const char *t = *rest;

    if (!*t)
        return false;
    if (*t != '$') {
        *piece = (struct piece){PIECE_TEXT, t, t, strcspn(t, "$")};
        *rest = t + piece->length;
    } else if (t[1] == '$') {
        *piece = (struct piece){PIECE_TEXT, t, t, 1};
        *rest = t + 2;
    } else if (t[1] == '{') {
        *piece = braced(t);
        *rest = piece->kind == PIECE_NAME ? piece->text + piece->length + 1 : "";
    } else {
        size_t n = name_length(t + 1);
        *piece = (struct piece){n ? PIECE_NAME : PIECE_LONE, t, t + 1, n};
        *rest = n ? t + 1 + n : "";
    }
    return true;
}

const struct variable *variable_find(const struct pipeline *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->nvars; i++)
        if (strlen(p->vars[i].name) == length && memcmp(p->vars[i].name, name, length) == 0)
            return &p->vars[i];
    return NULL;
}

static bool is_replica(const struct piece *piece)
{
    return piece->length == strlen("replica") && memcmp(piece->text, "replica", piece->length) == 0;
}

static void unset(struct diagnostics *d, const struct pipeline *p, struct place at, const struct piece *piece)
{
    char *name = pool_copy(d->pool, piece->text, piece->length);
    struct suggestion s = {.word = name};

    if (strcmp(name, "replica") == 0) {
        diagnose(d, at, "use it in the elements of a program, in env, cwd and file", "$replica has no value here");
        return;
    }
    for (size_t i = 0; i < p->nvars; i++)
        suggestion_offer(&s, p->vars[i].name);
    suggestion_offer(&s, "replica");
    const char *hint =
        getenv(name) ? diagnostics_text(d,
                                        "the environment is not used here: write \"%s:\" under vars, and %s=VALUE "
                                        "after the file on the command line",
                                        name, name)
                     : diagnostics_text(d, "define %s under vars, or write $$%s for a dollar sign", name, name);
    diagnose(d, at, s.best ? diagnostics_text(d, "did you mean $%s?", s.best) : hint, "there is no variable %s",
             diagnostics_quote(d, name));
}

static void say_piece(const struct document *doc, const struct pipeline *p, struct place at, const struct piece *piece)
{
    static const char dollar[] = "write $$ for a dollar sign";

    if (piece->kind == PIECE_NAME)
        unset(doc->d, p, at, piece);
    else if (piece->kind == PIECE_LONE)
        diagnose(doc->d, at,
                 isdigit((unsigned char)piece->start[1]) || piece->start[1] == '@'
                     ? "under each, $1 and $@ are elements of their own; else write $$ for a dollar sign"
                     : dollar,
                 "no variable's name follows \"$\"");
    else if (piece->kind == PIECE_UNCLOSED)
        diagnose(doc->d, at, "close it with }, or write $$ for a dollar sign", "\"${\" is not closed");
    else
        diagnose(doc->d, at, dollar, "there is no variable's name between \"${\" and \"}\"");
}

static size_t dollars_before(const char *text, const char *end)
{
    size_t n = 0;

    for (; text < end; text++)
        n += *text == '$';
    return n;
}

bool template_check(const struct document *doc, const struct pipeline *p, int node, const char *text,
                    bool without_replica)
{
    const char *rest = text;
    struct piece piece;
    bool good = true;

    while (next_piece(&rest, &piece)) {
        bool known = piece.kind == PIECE_NAME &&
                     (variable_find(p, piece.text, piece.length) || (!without_replica && is_replica(&piece)));
        if (piece.kind == PIECE_TEXT || known)
            continue;
        good = false;
        if (diagnostics_full(doc->d))
            break;
        say_piece(doc, p, document_dollar(doc, node, dollars_before(text, piece.start)), &piece);
    }
    return good;
}

size_t template_expand(const struct pipeline *p, const char *text, unsigned replica, char *out)
{
    const char *rest = text;
    struct piece piece;
    size_t used = 0;
    char number[16];

    while (next_piece(&rest, &piece)) {
        const char *from = piece.text;
        size_t n = piece.length;
        if (piece.kind == PIECE_NAME) {
            const struct variable *v = variable_find(p, piece.text, piece.length);
            snprintf(number, sizeof number, "%u", replica);
            from = v && v->value ? v->value : is_replica(&piece) ? number : "";
            n = strlen(from);
        }
        if (out)
            memcpy(out + used, from, n);
        used += n;
    }
    if (out)
        out[used] = '\0';
    return used;
}
