#!/usr/bin/env bash
# Version: moka-py 0.5.0, the Python package of the Rust cache moka.
#
# Moka(capacity, policy="lru") is a cache of that many entries; a loop over twice as many keys is the case in which LRU
# never hits, and by which one tells whether a cache is LRU.
#
# One would guess: a cache of 10 entries has 10 at most, or a few more for a moment, and get finds 10 of 20 keys that
# were set.
#
# What happens: entries are evicted by maintenance that runs once in a while (some 64 operations here), and until then
# all that was set is there, of any size: 20 keys set, 20 found, with capacity 10, and count() says 0. LRU of 10 has 85
# % of hits in the loop of 20 keys, and so has TinyLFU. From 100 entries on it is what LRU is, 0 %. With
# run_pending_tasks() after each operation it is that at any size.
#
# Why it matters: entries are users' histories of megabytes, and a cache has few of them: memory is exceeded by all that
# comes between two maintenances, also with a weigher. And a table of policies made at small sizes has ratios of hits
# that are those of a larger cache. Call run_pending_tasks() after each set, where the sizes are small.
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

install_pinned moka-py==0.5.0 typing_extensions==4.16.0

expected='capacity 10, 20 keys set: count() 0, found 20; after run_pending_tasks(): count() 10, found 10
weight 10, 20 keys of weight 5 set: weighted_size() 0, found 20; after run_pending_tasks(): weighted_size() 10, found 2
50 loops over twice the capacity
    10 entries, lru: above 60 % hits
    10 entries, lru, run_pending_tasks() after each: no hits
    10 entries, tiny_lfu: above 60 % hits
    20 entries, lru: above 60 % hits
    20 entries, lru, run_pending_tasks() after each: no hits
    100 entries, lru: no hits
    100 entries, lru, run_pending_tasks() after each: no hits'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
from moka_py import Moka


def found(cache):
    return sum(cache.get(key) is not None for key in range(20))


cache = Moka(10, policy="lru")
for key in range(20):
    cache.set(key, "value")
told = f"capacity 10, 20 keys set: count() {cache.count()}, found {found(cache)}"
cache.run_pending_tasks()
print(f"{told}; after run_pending_tasks(): count() {cache.count()}, found {found(cache)}")

cache = Moka(10, policy="lru", weigher=lambda key, value: 5)
for key in range(20):
    cache.set(key, "value")
told = f"weight 10, 20 keys of weight 5 set: weighted_size() {cache.weighted_size()}, found {found(cache)}"
cache.run_pending_tasks()
print(f"{told}; after run_pending_tasks(): weighted_size() {cache.weighted_size()}, found {found(cache)}")


def say(capacity, policy, maintained):
    cache, hits, loops = Moka(capacity, policy=policy), 0, 50
    for _ in range(loops):
        for key in range(2 * capacity):
            if cache.get(key) is None:
                cache.set(key, "value")
            else:
                hits += 1
            if maintained:
                cache.run_pending_tasks()
    share = 100 * hits / ((loops - 1) * 2 * capacity)
    ratio = "above 60 %" if share > 60 else "no" if hits == 0 else f"{share:.1f} %"
    after = ", run_pending_tasks() after each" if maintained else ""
    print(f"    {capacity} entries, {policy}{after}: {ratio} hits")


print("50 loops over twice the capacity")
say(10, "lru", False)
say(10, "lru", True)
say(10, "tiny_lfu", False)
say(20, "lru", False)
say(20, "lru", True)
say(100, "lru", False)
say(100, "lru", True)
END
)"
