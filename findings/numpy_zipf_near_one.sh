#!/usr/bin/env bash
# Version: numpy 2.4.6 with scipy 1.17.1.
#
# Generator.zipf(a) of numpy draws ranks k with a chance of k^-a / zeta(a), as its documentation says. Requests for a
# cache are made so, with a near 1; a above 1 is asked for.
#
# One would guess: the share of rank 1 is 1/zeta(a), which is what scipy.stats.zipf(a).pmf(1) says.
#
# What happens: what does not fit into 64 bits is drawn again. At a = 1.01 two thirds of all chance lie beyond 2^63 (the
# sum converges slowly), so every rank below comes two to three times as often: the ten first are 7.4 % of the requests
# in place of 2.9 %. At 1.02 it is 1.6 times as often, at 1.05 still 1.08 times, and from 1.1 on it can hardly be seen.
# RandomState does the same, and so does scipy.stats.zipf(a).rvs, which so contradicts its own pmf. Neither says so.
#
# Why it matters: exponents just above 1 are written where 1 or 0.99 is meant and not allowed. The ratio of hits
# computed from the formula and the one simulated differ by more than policies do, and still half of the requests at
# 1.01 are of keys above a thousand million. Draw from k^-a over the keys there are.
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

install_pinned numpy==2.4.6 scipy==1.17.1

expected='a = 1.01: 64 % of the chance beyond 2^63
    ranks 1 to 10: 2.9 % by the formula
    drawn by Generator: 7.4 %
    drawn by RandomState: 7.4 %
    drawn by rvs of scipy: 7.3 %
a = 1.02: 41 % of the chance beyond 2^63
    ranks 1 to 10: 5.7 % by the formula
    drawn by Generator: 9.0 %
    drawn by RandomState: 9.0 %
    drawn by rvs of scipy: 9.0 %
a = 1.05: 11 % of the chance beyond 2^63
    ranks 1 to 10: 13.6 % by the formula
    drawn by Generator: 14.7 %
    drawn by RandomState: 14.8 %
    drawn by rvs of scipy: 14.8 %
a = 1.5: 0 % of the chance beyond 2^63
    ranks 1 to 10: 76.4 % by the formula
    drawn by Generator: 76.4 %
    drawn by RandomState: 76.4 %
    drawn by rvs of scipy: 76.4 %'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
import numpy
import scipy.special
import scipy.stats

count, ten = 1_000_000, range(1, 11)
for a in (1.01, 1.02, 1.05, 1.5):
    beyond = scipy.special.zeta(a, 2.0**63) / scipy.special.zeta(a, 1)
    print(f"a = {a}: {100 * beyond:.0f} % of the chance beyond 2^63")
    print(f"    ranks 1 to 10: {100 * scipy.stats.zipf(a).pmf(ten).sum():.1f} % by the formula")
    for name, ranks in (
        ("Generator", numpy.random.default_rng(1).zipf(a, count)),
        ("RandomState", numpy.random.RandomState(1).zipf(a, count)),
        ("rvs of scipy", scipy.stats.zipf(a).rvs(count, random_state=2)),
    ):
        print(f"    drawn by {name}: {100 * (ranks <= 10).mean():.1f} %")
END
)"
