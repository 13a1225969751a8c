#!/usr/bin/env bash
# Traces in Chrome's JSON have marks (instants, "ph":"i", and spans whose duration is 0).
#
# One would guess: marks of one thread and one moment lie beside or upon each other in one line of its row, as a mark
# has no extent in which another could lie; and where a viewer has a limit, it counts what is beyond it.
#
# What happens: in Perfetto each is the child of the one before, a level deeper, until 512 lie in each other. The
# 513th and all after it are roots at depth 0 again, where the first is, and no count of errors or losses in its
# statistics says so.
#
# Why it matters: a batch that evicts 900 users is 900 events at one moment of a cache's clock. The row is 512 levels
# deep, queries of parents and depths find a call tree that never was, and from the 513th on a wrong one again. A
# writer has to join the marks of a moment into one with a count.
set -euo pipefail
# shellcheck source=findings/pinned.bash
source "$(dirname "${BASH_SOURCE[0]}")/pinned.bash"
install_perfetto

marks() {  # COUNT FIELDS
  local separator='{"traceEvents":['
  for ((i = 0; i < $1; ++i)); do
    printf '%s\n{"name":"evicted","pid":1,"tid":1,"ts":5,%s}' "$separator" "$2"
    separator=,
  done
  echo ']}'
}
picture() {  # COUNT FIELDS
  marks "$1" "$2" >"$work/trace.json"
  perfetto "$work/trace.json" "select count(*) || ' shown, depth up to ' || max(depth) || ', without parent ' ||
    sum(parent_id is null) || ', problems in statistics ' ||
    (select count(*) from stats where value > 0 and severity != 'info') from slice"
}

expected='3 instants at one moment: 3 shown, depth up to 2, without parent 1, problems in statistics 0
3 spans of length 0 at one moment: 3 shown, depth up to 2, without parent 1, problems in statistics 0
600 instants at one moment: 600 shown, depth up to 511, without parent 89, problems in statistics 0'

seen=$(
  instant='"ph":"i","s":"t"' empty='"ph":"X","dur":0'
  echo "3 instants at one moment: $(picture 3 "$instant")"
  echo "3 spans of length 0 at one moment: $(picture 3 "$empty")"
  echo "600 instants at one moment: $(picture 600 "$instant")"
)
compare "$expected" "$seen"
