# Cuts tests/bench/figures into files, one a figure: a line for it and one for each of its baselines, NAME UNIT GOAL
# COMMAND with tabs between. Those whose names begin with one of `names`; all where there is none, and for quick those
# above the line of dashes.
function trim(s) {
    gsub(/^ +| +$/, "", s)
    return s
}
function wanted(name, i) {
    for (i = 1; i <= n; i++)
        if (index(name, prefix[i]) == 1)
            return 1
    return n == 0 && !(below && quick)
}
BEGIN {
    FS = "|"
    OFS = "\t"
    n = split(names, prefix, " ")
}
/^#/ || NF == 0 { next }
/^---/ { below = 1; next }
{ indented = $0 ~ /^ / }
!indented {
    if (NF != 4) {
        print FILENAME ":" FNR ": NAME | UNIT | GOAL | COMMAND is wanted" >"/dev/stderr"
        exit bad = 70
    }
    take = wanted(trim($1))
    unit = trim($2)
    file = sprintf("%s/%03d", into, FNR)
    if (take)
        found++
}
take { print trim($1), unit, trim($(NF - 1)), trim($NF) >file }
END {
    if (!bad && !found) {
        print "bench: " names ": no such figure: tests/bench/figures has them all" >"/dev/stderr"
        exit 64
    }
    exit bad
}
