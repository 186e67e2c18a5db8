# Sorts the files of packages into what three searches look through: fd 3 web, fd 4 image, fd 5 media.
# in:   usr/share/icons/gnome/48x48/apps/gnome-calculator.png    gnome/gnome-icon-theme,other/package
# out:  gnome calculator <TAB> gnome-icon-theme: usr/share/icons/gnome/48x48/apps/gnome-calculator.png
#
# The rule: a picture, by its suffix, is an image. What a browser shows or runs, by its suffix, and every other file of the
# documentation is web. All the rest is media: programs, libraries, sources, sound, fonts, data. For Debian's lists that
# makes shards of 2.8, 1.5 and 3.0 million files.
BEGIN {
    OFS = "\t"
    set("image", "png svg svgz xpm jpg jpeg gif ico icon icns bmp tif tiff webp xcf pnm ppm pgm pbm eps cur psd kra ora xbm jp2")
    set("web", "html htm xhtml shtml htf css scss less js mjs map ts json php xml xsl xslt rss page docbook md rst txt pdf")
}

# The path may have blanks in it, the packages may not.
match($0, /[ \t]+[^ \t]+$/) {
    path = substr($0, 1, RSTART - 1)
    package = substr($0, RSTART)
    sub(/^[ \t]+/, "", package)
    sub(/,.*/, "", package)
    sub(/^.*\//, "", package)

    name = path
    sub(/^.*\//, "", name)
    suffix = match(name, /.\.[A-Za-z0-9]+$/) ? tolower(substr(name, RSTART + 2)) : ""
    if (suffix in shard)
        to = shard[suffix]
    else
        to = path ~ /^usr\/share\/(doc|man|help|info|gtk-doc)\// ? 3 : 5

    title = name
    sub(/\.gz$/, "", title)
    sub(/\.[A-Za-z0-9]+$/, "", title)
    gsub(/[-_.,~@()\[\]{}\t ]+/, " ", title)
    gsub(/^ | $/, "", title)
    if (title == "")
        title = name
    gsub(/\t/, " ", path)
    print title, package ": " path > ("/dev/fd/" to)
}

function set(which, suffixes,    list, i, n) {
    n = split(suffixes, list, " ")
    for (i = 1; i <= n; i++)
        shard[list[i]] = which == "web" ? 3 : 4
}
