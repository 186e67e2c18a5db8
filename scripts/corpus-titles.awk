# Takes the title out of each HTML page and SVG picture, and sorts them: fd 3 web, fd 4 image, fd 5 media.
# in:   linux-doc-6.1/usr/share/doc/linux-doc-6.1/html/mm/page_owner.html      (package, then the path in it; unpacked here)
# out:  page owner: Tracking about who allocated each page <TAB> linux-doc-6.1: usr/share/doc/linux-doc-6.1/html/mm/page_owner.html
#
# The rule: a page is web, but one about audio and video (the kernel's .../media/...) is media; a picture is image.
BEGIN { OFS = "\t" }

{
    file = $0
    path = file
    sub(/^[^\/]*\//, "", path)
    to = file ~ /\.svg$/ ? 4 : file ~ /\/media\// ? 5 : 3
    print title_of(file), substr(file, 1, length(file) - length(path) - 1) ": " path > ("/dev/fd/" to)
}

# The first that is not empty of <title> and <dc:title>, else the words of the file's name.
function title_of(file,    tag, title) {
    RS = "<"
    while (title == "" && (getline tag < file) > 0)
        if (tag ~ /^(dc:)?(title|TITLE)[^>]*>/) {
            title = tag
            sub(/^[^>]*>/, "", title)
            title = plain(title)
        }
    close(file)
    RS = "\n"
    if (title == "") {
        title = file
        sub(/^.*\//, "", title)
        sub(/\.[a-z]+$/, "", title)
        gsub(/[-_.]+/, " ", title)
    }
    return title
}

function plain(text) {
    gsub(/&mdash;/, "-", text)
    gsub(/&nbsp;/, " ", text)
    gsub(/&quot;/, "\"", text)
    gsub(/&#39;|&apos;/, "'", text)
    gsub(/&lt;/, "<", text)
    gsub(/&gt;/, ">", text)
    gsub(/&amp;/, "\\&", text)
    gsub(/[ \t\r\n]+/, " ", text)
    sub(/ - The Linux Kernel documentation *$/, "", text)
    gsub(/^ | $/, "", text)
    return text
}
