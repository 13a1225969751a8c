#!/usr/bin/env bash
# Version: pytrec_eval-terrier 0.5.11, which brings trec_eval, with numpy 2.4.6 and scipy 1.17.1.
#
# pytrec_eval takes a ranking as scores of items, Python floats, and gives metrics such as the reciprocal rank and nDCG.
# The baseline "newest first" is ranked by the time at which an item appeared.
#
# One would guess: scores that differ are ranked by what they are, as 64-bit floats; items of equal scores are in the
# order in which they were given, or all orders are averaged.
#
# What happens: scores are kept as 32-bit floats. Of Unix times in seconds that leaves multiples of 128, so that what is
# a minute apart is one score in every other case; of an order of arrival written as a large number less its rank,
# likewise. Equal scores are ordered by name, the later name in bytes first, so i9 before i10 and before i1, whatever
# the order they were given in. Of 1000 items a minute apart the first comes as second, the third as fourth, and with
# the names reversed all are right. Counted from the oldest item's time, all are right.
#
# Why it matters: the number of a baseline depends on how items are called, and ids given by time (or by popularity) are
# the usual ones: then the ties are solved all wrong, or all right. Nothing is said. Give ranks (the number of items
# less the position) for scores, not times or ids.
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

install_pinned pytrec_eval-terrier==0.5.11 numpy==2.4.6 scipy==1.17.1

expected='ten items of one score, i1 to i10: i9 i8 i7 i6 i5 i4 i3 i2 i10 i1
1000 items, one a minute, newest first, names in that order
    times in seconds since 1970: the first six come as 2 1 4 3 6 5
    seconds since the oldest: the first six come as 1 2 3 4 5 6
1000 items, one a minute, newest first, names in the other order
    times in seconds since 1970: the first six come as 1 2 3 4 5 6
    seconds since the oldest: the first six come as 1 2 3 4 5 6'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
import pytrec_eval


def comes_as(scores, item):
    evaluator = pytrec_eval.RelevanceEvaluator({"user": {item: 1}}, {"recip_rank"})
    return round(1 / evaluator.evaluate({"user": scores})["user"]["recip_rank"])


equal = {f"i{number}": 1.0 for number in range(1, 11)}
print(f"ten items of one score, i1 to i10: {' '.join(sorted(equal, key=lambda item: comes_as(equal, item)))}")
for order, name in (
    ("that", lambda position: f"item{position:04d}"),
    ("the other", lambda position: f"item{9999 - position:04d}"),
):
    print(f"1000 items, one a minute, newest first, names in {order} order")
    for text, newest in (("times in seconds since 1970", 1_700_000_000.0), ("seconds since the oldest", 59_940.0)):
        scores = {name(position): newest - 60 * position for position in range(1000)}
        ranks = " ".join(str(comes_as(scores, name(position))) for position in range(6))
        print(f"    {text}: the first six come as {ranks}")
END
)"
