# Doxygen's filter. Of a header: what stands in // at its head, tables and all, becomes the page of the file. Of a page: links become
# their text, for what they lead to is not in the reference. No line moves.
function put(text) {
  gsub(/\*\//, "* /", text)
  return substr(text, 4)
}
FILENAME ~ /\.md$/ {
  while (match($0, /\[[^]]*\]\([^)]*\)/)) {
    link = substr($0, RSTART + 1, RLENGTH)
    sub(/\]\(.*/, "", link)
    $0 = substr($0, 1, RSTART - 1) link substr($0, RSTART + RLENGTH)
  }
}
NR == 1 && /^\/\// { head = 1; held = "/*! \\verbatim " put($0); next }
head && /^\/\// { print held; held = put($0); next }
head { print held " \\endverbatim \\file */"; head = 0 }
{ print }
