# Collects names by kind from each file that has them, and compares. Called by scripts/names, in the order given there.
#
# Decision: a name is read where it is defined (an enum, a table, the grammar), by the form of that
# text, so that a new frame, flag, property or mutant is compared with nothing to register here; a kind that no longer
# finds a name on one of its sides is itself a difference.
#
#   frame, flag, op, role, kind, policy, how, layout, struct    protocol.md and wire.h, csp.h
#   frame's flag      the flags of each frame: protocol.md and the table in wire.c
#   state, error      protocol.md and the broker, libipc
#   mtype             of a model: a frame, FRAME_FLAG, an error, a how; what is the model's own begins with a small letter
#   property          declared in a model, asserted there, and in docs/model.md
#   mutant, config    in a model, in the table of scripts/model, in those of docs/model.md

function put(kind, side, name) {
    if ((kind, side, name) in place || name ~ /^(ENDS|EXIT|ERRNO)$/ && kind == "error")
        return
    place[kind, side, name] = FILENAME ":" FNR
    amount[kind, side]++
    all[++last] = kind SUBSEP side SUBSEP name
}

# Each match of re in text, without `before` characters at its beginning and `after` at its end
function put_all(kind, side, text, re, before, after) {
    while (match(text, re)) {
        put(kind, side, substr(text, RSTART + before, RLENGTH - before - after))
        text = substr(text, RSTART + RLENGTH)
    }
}

function say(where, what) { print where ": " what }

# Every name of `side` must be one of `other`
function within(kind, side, other, where,    i, p) {
    if (!amount[kind, side])
        say(side, "has no " kind " where scripts/names.awk looks for one")
    for (i = 1; i <= last; i++) {
        split(all[i], p, SUBSEP)
        if (p[1] == kind && p[2] == side && !((kind, other, p[3]) in place))
            say(place[all[i]], kind " " p[3] " is not in " where)
    }
}

function same(kind, a, b) {
    within(kind, a, b, b)
    within(kind, b, a, a)
}

# frame = fields: the words of a layout, one name each: "head: type", in their order
function layout(side, name, text,    n, i, word) {
    gsub(/[,;\[\]]/, " ", text)
    n = split(text, word, /[ \t]+/)
    for (i = 1; i <= n; i++)
        if (word[i] ~ /^[a-z]+$/)
            put("layout", side, name "." word[i] " behind " (i > 1 && word[i - 1] ~ /^[a-z]+$/ ? word[i - 1] : "nothing"))
}

BEGIN {
    doc = "docs/protocol.md"
    wire = "libipc/wire.h"
    md = "docs/model.md"
    list = "scripts/model"
}

{ tail = $0 }
FNR == 1 { in_block = in_ops = 0; enum = struct = ""; declaring = 0; shape = "" }

# ---- docs/protocol.md --------------------------------------------------------------------------------------------
FILENAME == doc && /^#/ { in_block = /^### Conversations/ }
FILENAME == doc && in_block && /^    / {
    sub(/;.*/, "", tail)
    while (match(tail, /[CBP]:|[A-Z][A-Z]+/)) {
        word = substr(tail, RSTART, RLENGTH)
        if (word ~ /:/)
            from = word
        else {
            put("frame", doc, from word)
            put("frame name", doc, word)
        }
        tail = substr(tail, RSTART + RLENGTH)
    }
}
# The flags of a frame stand in its row of a table, or in the indented line that begins with it
FILENAME == doc && !in_block && (/^\| [A-Z]+ \|/ || /^    [A-Z]+  /) {
    name = $1 == "|" ? $2 : $1
    if (match($0, /flags( \[[A-Z]+\])+/)) {
        flags = substr($0, RSTART, RLENGTH)
        put_all("flag", doc, flags, "[A-Z]+", 0, 0)
        while (match(flags, /[A-Z]+/)) {
            put("frame's flag", doc, name " " substr(flags, RSTART, RLENGTH))
            flags = substr(flags, RSTART + RLENGTH)
        }
    }
}
FILENAME == doc && /; op:/ { in_ops = 1 }
FILENAME == doc && in_ops && !/;/ { in_ops = 0 }
FILENAME == doc && in_ops { put_all("op", doc, substr($0, index($0, ";")), "[0-9]+ [A-Z]+", 0, 0) }
FILENAME == doc {
    put_all("role", doc, $0, "role [A-Z]+", 5, 0)
    put_all("kind", doc, $0, "kind [A-Z]+", 5, 0)
    put_all("policy", doc, $0, "policy is `[a-z]+`", 11, 1)
    put_all("policy", doc, $0, "policy `[a-z]+`", 8, 1)
    put_all("struct", doc, $0, "wire_[a-z]+", 0, 0)
    put_all("constant", doc, $0, "WIRE_[A-Z_]+", 0, 0)
    put_all("error", doc, $0, "[^A-Z_]E[A-Z0-9][A-Z0-9][A-Z0-9]+", 1, 0)
    if (match($0, /^- `how` is [A-Z0-9, ]+/))
        put_all("how", doc, substr($0, RSTART, RLENGTH), "[A-Z]+ [0-9]+", 0, 0)
    if (/^- `how` is /) {
        gsub(/[^A-Z ]/, "", tail)
        count = split(tail, part, / +/)
        for (i = 1; i <= count; i++)
            hows[part[i]]
    }
    if (match($0, /^state of a process: [a-z, ]+/))
        put_all("state", doc, substr($0, RSTART + 20, RLENGTH - 20), "[a-z]+", 0, 0)
    if (match($0, /state of a channel: [a-z, ]+/))
        put_all("state", doc, substr($0, RSTART + 20, RLENGTH - 20), "[a-z]+", 0, 0)
    if (/^    wire_[a-z]+ = /) {
        sub(/;.*/, "", tail)
        split(tail, part, / = /)
        sub(/^ +/, "", part[1])
        gsub(/\[[0-9]+\]/, "", part[2])
        layouts[part[1]]
        layout(doc, part[1], part[2])
    }
    if (/^    frame +=/) {
        sub(/.*= +/, "", tail)
        sub(/ payload/, "", tail)
        layouts["wire_head"]
        layout(doc, "wire_head", tail)
    }
}

# ---- libipc/wire.h, wire.c, csp.h --------------------------------------------------------------------------------
FILENAME == wire && match($0, /^enum wire_[a-z]+/) { enum = substr($0, 11, RLENGTH - 10); number = 0; from = "C:" }
FILENAME == wire && enum != "" {
    sub(/\/\*.*/, "", tail)
    while (match(tail, /WIRE_[A-Z_]+/)) {
        name = substr(tail, RSTART + 5, RLENGTH - 5)
        tail = substr(tail, RSTART + RLENGTH)
        if (name == "TO_BROKER_END")
            from = "B:"
        if (name == "TO_CALLER_END")
            from = "P:"
        if (name ~ /^(OP|TO_BROKER|TO_CALLER|TO_PAIR)_END$/)
            continue
        sub(/^(OP|CLOSE)_/, "", name)
        if (enum == "type")
            put("frame", wire, from name)
        else if (enum == "op")
            put("op", wire, number++ " " name)
        else
            put(enum, wire, enum == "policy" ? tolower(name) : name)
    }
}
FILENAME == wire && /^#define WIRE_/ { put("constant", wire, $2) }
FILENAME == wire && match($0, /^struct wire_[a-z]+ \{/) {
    struct = substr($0, 8, RLENGTH - 9)
    fields = ""
    put("struct", wire, struct)
}
FILENAME == wire && struct != "" && /^    [a-z]/ {
    sub(/;.*/, "", tail)
    gsub(/(uint|int)[0-9]+_t/, "", tail)
    gsub(/\[[A-Z_0-9]*\]/, "", tail)
    fields = fields " " tail
}
FILENAME == wire && /^}/ {
    if (struct in layouts)
        layout(wire, struct, substr(fields, match(fields, /[a-z]/)))
    enum = struct = ""
}
FILENAME == "libipc/wire.c" && match($0, /^    \[WIRE_[A-Z]+\] = /) { shape = substr($0, 11, RLENGTH - 14) }
FILENAME == "libipc/wire.c" && shape != "" {
    sub(/.*= \{"[A-Z]+"/, "", tail)
    gsub(/WIRE_MAX_[A-Z]+|WIRE_TOKEN_SIZE/, "", tail)
    while (match(tail, /WIRE_[A-Z]+/)) {
        put("frame's flag", "libipc/wire.c", shape " " substr(tail, RSTART + 5, RLENGTH - 5))
        tail = substr(tail, RSTART + RLENGTH)
    }
    if (/},$/)
        shape = ""
}
FILENAME == "libipc/csp.h" && /^enum \{ CSP_CLEAN/ {
    number = 0
    while (match(tail, /CSP_[A-Z]+/)) {
        put("how", "libipc/csp.h", substr(tail, RSTART + 4, RLENGTH - 4) " " number++)
        tail = substr(tail, RSTART + RLENGTH)
    }
}

# ---- the code ----------------------------------------------------------------------------------------------------
FILENAME ~ /^(broker|libipc)\/.*\.[ch]$/ { put_all("error", "broker/, libipc/", $0, "[^A-Z_]E[A-Z0-9][A-Z0-9][A-Z0-9]+", 1, 0) }
# What the broker answers, without what a call of the system told it
FILENAME ~ /^broker\// && /return|err =|reply_|offer_done|refuse/ {
    gsub(/(errno|err) [=!]= E[A-Z]+/, "", tail)
    gsub(/"[^"]*"/, "", tail)
    put_all("error", "answers", tail, "[ (]E[A-Z0-9][A-Z0-9][A-Z0-9]+[;,) ]", 1, 1)
}
FILENAME ~ /^broker\// {
    while (match(tail, /\[(PROCESS|CHANNEL)_[A-Z]+\] = "[a-z]+"/)) {
        part[0] = substr(tail, RSTART, RLENGTH)
        tail = substr(tail, RSTART + RLENGTH)
        gsub(/.*= "|"/, "", part[0])
        put("state", "broker/", part[0])
    }
    if (FILENAME ~ /stat\.c$/)
        put_all("state", "broker/", $0, " \\? \"(waiting|standing)\"", 4, 1)
}

# ---- the models --------------------------------------------------------------------------------------------------
FILENAME ~ /\.pml$/ {
    model = FILENAME
    sub(/.*\//, "", model)
    sub(/[_.].*/, "", model)
    text = $0
    while (match(text, /BUG_[A-Z_]+/)) {
        if (substr(text, RSTART + RLENGTH, 3) != "...")
            put("mutant of", "tests/model/", model " " substr(text, RSTART, RLENGTH))
        text = substr(text, RSTART + RLENGTH)
    }
    if (/^mtype = /)
        in_mtype = 1
    if (in_mtype) {
        sub(/.*=/, "", tail)
        put_all("mtype", "tests/model/", tail, "[A-Za-z_]+", 0, 0)
        in_mtype = !/}/
    }
    if (/The properties, by the names that an assertion/)
        declaring = 1
    else if (declaring && /^hidden byte /) {
        sub(/^hidden byte /, "", tail)
        put_all("property", "tests/model/", tail, "[a-z_]+", 0, 0)
        while (match(tail, /[a-z_]+/)) {
            put("property of", "declared", model " " substr(tail, RSTART, RLENGTH))
            tail = substr(tail, RSTART + RLENGTH)
        }
        tail = ""
    } else
        declaring = 0
    while (match(tail, /assert\([^ ]* ?/)) {
        name = substr(tail, RSTART + 7, RLENGTH - 7)
        sub(/ $/, "", name)
        put("property of", "an assertion", model " " name)
        tail = substr(tail, RSTART + RLENGTH)
    }
}
FILENAME == list && $1 == "mutant" && NF >= 3 { put("mutant of", list, $3 " " $2) }
FILENAME == list && $1 == "config" && NF >= 3 { put("config", list, $3 " " $2) }
FILENAME == md && /^#/ { section = $0 }
FILENAME == md && section ~ /^## Properties/ && /^\| [a-z]/ && !/^\| property/ {
    split($0, cell, / *\| */)
    put_all("property", md, cell[2], "[a-z_]+", 0, 0)
}
FILENAME == md && /^\| BUG_/ {
    split($0, cell, / *\| */)
    put("mutant of", md, cell[3] " " cell[2])
    put_all("property", "caught by", cell[5], "[a-z_]+", 0, 0)
}
FILENAME == md && /^\| [a-z]+ \| [a-z0-9-]+ \|/ && section ~ /^## Results/ && !/^\| (model|mutant) / { put("config", md, $2 " " $4) }
FILENAME == md && section ~ /^## What is not modelled/ { put_all("unmodelled", md, $0, "[A-Z][A-Z]+", 0, 0) }

# ---- comparing ---------------------------------------------------------------------------------------------------
# A model's name must be one of the document's, and a frame of the document is in a model or said not to be
function check_mtypes(    i, p, name, base) {
    for (i = 1; i <= last; i++) {
        split(all[i], p, SUBSEP)
        name = p[3]
        if (p[1] == "mtype" && name ~ /^[A-Z]/) {
            base = name
            if (!(("frame name", doc, name) in place) && sub(/_[A-Z]+$/, "", base) &&
                !(("frame's flag", doc, base " " substr(name, length(base) + 2)) in place) ||
                base == name && !(("frame name", doc, name) in place) && !(("error", doc, name) in place) && !(name in hows))
                say(place[all[i]], "mtype " name " is no frame, no FRAME_FLAG, no error and no how of " doc)
        }
        if (p[1] == "frame name" && p[2] == doc && !(("mtype", "tests/model/", name) in place) &&
            !(("unmodelled", md, name) in place))
            say(place[all[i]], "frame " name " is in no model, and " md " does not say that it is not modelled")
    }
}

END {
    same("frame", doc, wire)
    same("flag", doc, wire)
    same("frame's flag", doc, "libipc/wire.c")
    same("op", doc, wire)
    same("role", doc, wire)
    same("kind", doc, wire)
    same("policy", doc, wire)
    same("how", doc, "libipc/csp.h")
    same("layout", doc, wire)
    within("struct", doc, wire, wire)
    within("constant", doc, wire, wire)
    same("state", doc, "broker/")
    within("error", doc, "broker/, libipc/", "the code")
    within("error", "answers", doc, doc)
    check_mtypes()
    same("property", "tests/model/", md)
    within("property of", "declared", "an assertion", "an assertion")
    within("property of", "an assertion", "declared", "the properties that its model declares")
    same("mutant of", "tests/model/", list)
    same("mutant of", list, md)
    same("config", list, md)
    within("property", "caught by", "tests/model/", "tests/model/")
}
