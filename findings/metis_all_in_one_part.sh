#!/usr/bin/env bash
# Version: pymetis 2025.2.2, which brings METIS 5, with typing_extensions 4.16.0.
#
# METIS divides a graph into parts of about equal weight such that few edges are cut. Users who share items, or requests
# that come together, are divided so into shards. pymetis calls its recursive bisection for up to 8 parts and its k-way
# method for more.
#
# One would guess: the balance (within 3 %, by default, as far as whole vertices allow) is a condition, and the cut is
# made small under it; where that cannot be kept, there is an error, or a bad cut.
#
# What happens: by the k-way method a graph of which all vertices are connected falls into one part: everything in one
# shard, all others empty, the cut 0, and no error. That happens with up to two vertices a part, from 9 parts to 64
# here: 32 into 16, 65 into 32, 131 into 64; and where the groups are several (4 of 16 into 32 parts: each group is one
# part, 28 are empty). ufactor and ncuts do not change it. Recursive bisection of the same graphs fills every part.
#
# Why it matters: a test of sharding is made with a handful of hot users, and they are just the ones that all share
# items. The answer is accepted by whoever looks at the cut, which is the best there is. It appears with the 9th part,
# as pymetis changes its method there. Count the parts that are in use; for few vertices a part pass recursive=True.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION...; then $work/venv/bin/python has them
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$@" \
    >"$work/log" 2>&1 || missing "pip does not install $*: $(tail -n 1 "$work/log")"
  echo "$*"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}

install_pinned pymetis==2025.2.2 typing_extensions==4.16.0

expected='16 vertices, each connected to each
    8 parts: cut 112, 0 empty, 2 in the largest
    9 parts: cut 0, 8 empty, 16 in the largest
    9 parts, recursive: cut 113, 0 empty, 2 in the largest
32 vertices, each connected to each
    16 parts: cut 0, 15 empty, 32 in the largest
    16 parts, ufactor 1 and ncuts 4: cut 0, 15 empty, 32 in the largest
    16 parts, recursive: no part empty
48 vertices, each connected to each
    16 parts: no part empty
4 groups of 16, each connected within
    32 parts: cut 0, 28 empty, 16 in the largest
    32 parts, recursive: cut 448, 0 empty, 2 in the largest
most vertices of such a graph that are put in one part
    9 parts: 18
    16 parts: 32
    32 parts: 65
    64 parts: 131'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
from collections import Counter

import pymetis


def connected(groups, size):
    return pymetis.CSRAdjacency(
        [i * (size - 1) for i in range(groups * size + 1)],
        [g * size + j for g in range(groups) for i in range(size) for j in range(size) if j != i],
    )


def say(graph, parts, numbers=True, **options):
    cut, part_of = pymetis.part_graph(parts, adjacency=graph, **options)
    sizes = Counter(part_of)
    text = f"    {parts} parts"
    if "options" in options:
        text += ", ufactor 1 and ncuts 4"
    if options.get("recursive"):
        text += ", recursive"
    told = f"cut {cut}, {parts - len(sizes)} empty, {max(sizes.values())} in the largest"
    print(f"{text}: {told if numbers or len(sizes) < parts else 'no part empty'}")


print("16 vertices, each connected to each")
say(connected(1, 16), 8)
say(connected(1, 16), 9)
say(connected(1, 16), 9, recursive=True)
print("32 vertices, each connected to each")
say(connected(1, 32), 16)
say(connected(1, 32), 16, options=pymetis.Options(ufactor=1, ncuts=4))
say(connected(1, 32), 16, False, recursive=True)
print("48 vertices, each connected to each")
say(connected(1, 48), 16, False)
print("4 groups of 16, each connected within")
say(connected(4, 16), 32)
say(connected(4, 16), 32, recursive=True)
print("most vertices of such a graph that are put in one part")
for parts in (9, 16, 32, 64):
    ends = [n for n in range(parts, 3 * parts) if pymetis.part_graph(parts, adjacency=connected(1, n))[0] == 0]
    print(f"    {parts} parts: {max(ends)}")
END
)"
