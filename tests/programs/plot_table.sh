#!/usr/bin/env bash
# plot_table.sh PLOTTER: ends with 1 and says why unless tables become pictures, and what is no such table is refused with a
# sentence, whatever is in it.
set -u
plotter=$1
if ! command -v python3 > /dev/null; then
  echo "SKIPPED: the test of plot_table.py because there is no python3"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
fault() {
  echo "$1"
  cat said
  exit 1
}
plot() { python3 "$plotter" "$@" > said 2>&1; }
refused() {  # sentence, content of the table
  printf '%b' "$2" > table.csv
  plot table.csv --x a --y b && fault "'$2' is drawn"
  [[ $(wc -l < said) == 1 ]] || fault "'$2' is not refused in a sentence"
  grep -qF "plot_table.py: $1" said || fault "'$2' is not refused with '$1'"
}

printf 'a,b,b_95,c\n1,10,1,x\n100,20,,x\n1,5,0.5,y\n102,7,0.5,y\n' > table.csv
plot table.csv --x a --y b --by c --out picture.svg || fault "a table is not drawn"
[[ $(grep -c '<polyline' picture.svg) == 2 && $(grep -c '<circle' picture.svg) == 4 ]] || fault "it draws something else"
grep -q '>100</text>' picture.svg || fault "a value has no label"
grep -q '>102</text>' picture.svg && fault "labels meet"
cp table.csv before
plot table.csv --x a --y b --out ./table.csv && fault "the table is overwritten"
grep -q "that is the table" said || fault "it does not say why"
cmp -s table.csv before || fault "the table is lost"

refused "line 3 ends before b" 'a,b\n1,2\n2\n'
refused "line 2: b_95 is 'x', which is no number" 'a,b,b_95\n1,2,x\n'
refused "line 2: b is nan, which cannot be drawn" 'a,b\n1,nan\n'
refused "line 2: b is 1e+308, which cannot be drawn" 'a,b\n1,1e308\n'
refused "'utf-8' codec can't decode" 'a,b\n1,\xff\n'
refused "table.csv has no column 'a'" ''
refused "table.csv has no row to draw" 'a,b\n'
exit 0
