# Draws bench.jsonl as SVG: throughput against the size of values, both axes logarithmic, of the figures KIND@SIZE and what
# stands beside them. Prints nothing where there are fewer than two sizes. Ours are solid, the others dashed; colours are
# those of Okabe and Ito, darker on white and lighter on black.
function field(name, at, s) {
    at = index($0, "\"" name "\":")
    if (!at)
        return ""
    s = substr($0, at + length(name) + 3)
    return substr(s, 1, 1) == "\"" ? substr(s, 2, index(substr(s, 2), "\"") - 1) : s + 0
}
function add(kind, size, rate, i) {
    for (i = 1; i <= kinds; i++)
        if (label[i] == kind && rate > 0) {
            speed[i, size] = rate * size / 1e6
            if (!(size in sizes))
                n_sizes++
            sizes[size]
            least = !least || speed[i, size] < least ? speed[i, size] : least
            most = speed[i, size] > most ? speed[i, size] : most
        }
}
function log10(x) {
    return log(x) / log(10)
}
function x_of(size) {
    return left + (log(size) - log(8)) / (log(1048576) - log(8)) * width
}
function y_of(mb) {
    return top + height - (log10(mb) - low) / (high - low) * height
}
function bytes(size) {
    return size >= 1048576 ? size / 1048576 " MiB" : size >= 1024 ? size / 1024 " KiB" : size " B"
}
function number(mb) {
    return mb >= 1 ? sprintf("%d", mb + 0.5) : sprintf("%g", mb)
}
function series(i, dark) {
    return sprintf(".s%d{stroke:%s;fill:%s}", i, dark ? on_black[i] : on_white[i], dark ? on_black[i] : on_white[i])
}
function style(i, all, night) {
    for (i = 1; i <= kinds; i++) {
        all = all series(i, 0)
        night = night series(i, 1)
    }
    print "<style>text{font:13px sans-serif;fill:#222}.title{font-size:16px}.paper{fill:#fff}.grid{stroke:#ddd}.frame{stroke:#888;fill:none}"
    print ".line{fill:none;stroke-width:2}.ours{stroke-width:3}.theirs{stroke-dasharray:7 4}" all
    print "@media(prefers-color-scheme:dark){text{fill:#ddd}.paper{fill:#161616}.grid{stroke:#3a3a3a}" night "}</style>"
}
function text(x, y, anchor, what, more) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, more, what
}
function axes(size, e) {
    for (size = 8; size <= 1048576; size *= 8) {
        printf "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x_of(size), top, x_of(size), top + height
        text(x_of(size), top + height + 18, "middle", bytes(size))
    }
    text(x_of(1048576), top + height + 18, "middle", "1 MiB")
    for (e = low; e <= high; e++) {
        printf "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", left, y_of(10 ^ e), left + width, y_of(10 ^ e)
        text(left - 8, y_of(10 ^ e) + 4, "end", number(10 ^ e))
    }
    printf "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", left, top, width, height
    text(left + width / 2, top + height + 42, "middle", "size of a value")
    text(0, 0, "middle", "throughput, MB/s", sprintf(" transform=\"translate(18 %d) rotate(-90)\"", top + height / 2))
    text(left, 26, "start", "One way between two processes", " class=\"title\"")
}
function draw(i, size, points, marks, n) {
    for (size = 8; size <= 1048576; size *= 2)
        if ((i, size) in speed) {
            points = points sprintf("%.1f,%.1f ", x_of(size), y_of(speed[i, size]))
            marks = marks sprintf("<circle class=\"s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>%s, %s: %.3g MB/s</title></circle>\n", i,
                x_of(size), y_of(speed[i, size]), label[i], bytes(size), speed[i, size])
            n++
        }
    if (!n)
        return
    style_of = "s" i " line " (i <= n_ours ? "ours" : "theirs")
    printf "<polyline class=\"%s\" style=\"fill:none\" points=\"%s\"/>\n%s", style_of, points, marks
    shown++
    printf "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", style_of, left + width + 20, top + 22 * shown - 4, left + width + 56,
        top + 22 * shown - 4
    text(left + width + 64, top + 22 * shown, "start", label[i])
}
BEGIN {
    kinds = split("pair|stream|channel|libzmq PAIR|pipe|Python Queue", label, "|")
    split("#0072b2 #d55e00 #007a5a #8a4f7d #666666 #9a7b00", on_white, " ")
    split("#56b4e9 #ff8c42 #2fc79a #e39ac9 #aaaaaa #f0e442", on_black, " ")
    n_ours = 3
    left = 76
    top = 44
    width = 520
    height = 340
}
field("failed") == "" && field("figure") ~ /^[a-z]+@[0-9]+$/ {
    split(field("figure"), part, "@")
    add(part[1], part[2], field("value"))
    add(field("baseline"), part[2], field("baseline_value"))
}
END {
    if (n_sizes < 2)
        exit
    low = int(log10(least) + 100) - 100
    high = -int(100 - log10(most)) + 100
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 446\" role=\"img\" aria-label=\"Throughput against the size of a value\">"
    style()
    print "<rect class=\"paper\" width=\"780\" height=\"446\"/>"
    axes()
    for (i = 1; i <= kinds; i++)
        draw(i)
    print "</svg>"
}
