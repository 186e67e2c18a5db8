# A figure's lines of the table, and of the JSON that is appended to `json`: from its file (see bench-figures.awk) and the
# runs. Medians; the spread is the distance of the quartiles by the median, of the ratio where there is one; busy is
# the share of the processors that others had, the hypervisor included.
function sort(a, n, i, j, t) {
    for (i = 2; i <= n; i++) {
        t = a[i]
        for (j = i - 1; j >= 1 && a[j] > t; j--)
            a[j + 1] = a[j]
        a[j + 1] = t
    }
}
# Of n sorted numbers, between neighbours in proportion.
function quantile(a, n, q, at, low) {
    at = 1 + (n - 1) * q
    low = int(at)
    return low >= n ? a[n] : a[low] + (at - low) * (a[low + 1] - a[low])
}
# Sets median and spread.
function sum_up(a, n) {
    sort(a, n)
    median = quantile(a, n, 0.5)
    spread = median > 0 ? (quantile(a, n, 0.75) - quantile(a, n, 0.25)) / median : 0
}
function short(x) {
    return x >= 1e6 ? sprintf("%.3g M", x / 1e6) : x >= 1e4 ? sprintf("%.3g k", x / 1e3) : sprintf("%.4g", x)
}
function meets(x, goal, g) {
    split(goal, g, " ")
    return g[1] == ">=" ? x >= g[2] : x <= g[2]
}
function row(figure, value, unit, baseline, theirs, ratio, spread, goal, met, busy) {
    printf "%-20s %9s %-9s %-22s %9s %7s %7s %-8s %-3s %5s\n", figure, value, unit, baseline, theirs, ratio, spread, goal, met, busy
}
# The numbers of command c, by round, into `a`; those of rounds that have both into x and, where c is not the first, into
# their ratio. Returns why there is none, or "".
function why_not(c) {
    return (c, "FAILED") in reason ? reason[c, "FAILED"] : (c, 1) in number ? "" : "it printed no line `" unit[1] " NUMBER'"
}
function line(i, r, n, why, ratios, values, bases, ours, theirs, ratio, met, text) {
    why = why_not(command[1])
    if (why == "" && i > 1)
        why = why_not(command[i])
    if (why != "") {
        printf("%-20s %9s %-9s %-22s %s\n", name[1], why == "not installed" ? "-" : "FAILED", unit[1], i > 1 ? name[i] : "-", why)
        text = i > 1 ? "\"" name[i] "\"" : "null"
        printf("{\"figure\":\"%s\",\"unit\":\"%s\",\"baseline\":%s,\"failed\":\"%s\"%s}\n", name[1], unit[1], text, why,
            goal[i] == "" ? "" : ",\"goal\":\"" goal[i] "\",\"met\":false") >>json
        return
    }
    for (r = 1; r <= rounds; r++) {
        values[r] = number[command[1], r]
        if (i > 1) {
            bases[r] = number[command[i], r]
            ratios[r] = bases[r] > 0 ? values[r] / bases[r] : 0
        }
    }
    sum_up(values, rounds)
    ours = median
    if (i > 1) {
        sum_up(bases, rounds)
        theirs = median
        sum_up(ratios, rounds)
        ratio = median
    }
    if (goal[i] != "")
        met = meets(i > 1 ? ratio : ours, goal[i])
    row(name[1], short(ours), unit[1], i > 1 ? name[i] : "-", i > 1 ? short(theirs) : "", i > 1 ? sprintf("%.3g", ratio) : "",
        sprintf("%.0f %%", spread * 100), goal[i], goal[i] == "" ? "" : met ? "yes" : "NO", sprintf("%.0f %%", busy * 100))
    text = sprintf("{\"figure\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"baseline\":", name[1], ours, unit[1])
    if (i > 1)
        text = text sprintf("\"%s\",\"baseline_value\":%.6g,\"ratio\":%.4g,", name[i], theirs, ratio)
    else
        text = text "null,\"baseline_value\":null,\"ratio\":null,"
    text = text sprintf("\"spread\":%.3g,\"rounds\":%d,\"busy\":%.2g", spread, rounds, busy)
    if (goal[i] != "")
        text = text sprintf(",\"goal\":\"%s\",\"met\":%s", goal[i], met ? "true" : "false")
    print text "}" >>json
}
BEGIN {
    FS = "\t"
    if (head) {
        row("figure", "value", "unit", "beside", "value", "ratio", "spread", "goal", "met", "busy")
        exit
    }
    split(before, b, " ")
    split(after, a, " ")
    if (a[3] > b[3])
        busy = (a[1] - b[1] - (a[2] - b[2])) / (a[3] - b[3]) / processors
    busy = busy < 0 ? 0 : busy
}
FILENAME == ARGV[1] {
    n++
    name[n] = $1
    unit[n] = $2
    goal[n] = $3
    command[n] = $4
}
FILENAME == ARGV[2] && $1 == command[1] {
    if ($4 == "FAILED")
        reason[$2, "FAILED"] = $5
    else if ($4 == unit[1])
        number[$2, $3] = $5
}
END {
    if (head)
        exit
    if (n == 1 || goal[1] != "")
        line(1)
    for (i = 2; i <= n; i++)
        line(i)
}
