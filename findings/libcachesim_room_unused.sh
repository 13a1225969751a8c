#!/usr/bin/env bash
# Version: libcachesim 0.3.5, the Python package of libCacheSim.
#
# libCacheSim compares replacement policies: each is constructed with a size and fed with requests.
#
# One would guess: a policy that is given room for all objects of a trace keeps them all, and misses each just once; and
# no policy leaves room unused while it turns away or evicts what would fit. So policies of one size are compared at
# equal memory.
#
# What happens: here 40 objects of 20 kB (800 kB) come three times to caches of 1 MB. WTinyLFU as it is constructed keeps
# nothing and never hits: its window is a hundredth of the size, and what is larger than the window comes in nowhere, though
# the main part has room. In objects: below 100 objects of size 1 it keeps none. ClockPro keeps half of its size at most,
# whatever the trace: its share of cold pages (0.5) does not adapt. Neither says a word. With window_size=0.02, and with
# init_ratio_cold=1, both keep everything, as LRU, ARC, SIEVE and S3-FIFO do.
#
# Why it matters: users' keys and values are large objects, and a slab of GPU memory has room for some dozens to hundreds
# of them. A table of policies at that size has a W-TinyLFU of 0 % and a CLOCK-Pro at half the memory of its neighbours.
# Look at get_occupied_byte() and get_n_obj() beside each ratio.
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

install_pinned libcachesim==0.3.5 numpy==2.4.6 typing_extensions==4.16.0

expected='40 objects of 20000 bytes, three times, size 1000000
    LRU: 80 hits, keeps 40 objects, 800000 bytes
    ARC: 80 hits, keeps 40 objects, 800000 bytes
    Sieve: 80 hits, keeps 40 objects, 800000 bytes
    S3FIFO: 80 hits, keeps 40 objects, 800000 bytes
    WTinyLFU: 0 hits, keeps 0 objects, 0 bytes
    WTinyLFU, window_size 0.02: 80 hits, keeps 40 objects, 800000 bytes
    ClockPro: 50 hits, keeps 25 objects, 500000 bytes
    ClockPro, init_ratio_cold 1.0: 80 hits, keeps 40 objects, 800000 bytes
50 objects of size 1, three times, size 99
    LRU: 100 hits, keeps 50 objects, 50 bytes
    WTinyLFU: 0 hits, keeps 0 objects, 0 bytes
50 objects of size 1, three times, size 100
    WTinyLFU: 100 hits, keeps 50 objects, 50 bytes'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
import libcachesim as lcs


def say(policy, size, objects, bytes_each, **options):
    cache = getattr(lcs, policy)(size, **options)
    hits = 0
    for when in range(3 * objects):
        request = lcs.Request()
        request.obj_id, request.obj_size, request.clock_time = when % objects, bytes_each, when
        hits += cache.get(request)
    told = "".join(f", {name} {value}" for name, value in options.items())
    print(f"    {policy}{told}: {hits} hits, keeps {cache.get_n_obj()} objects, {cache.get_occupied_byte()} bytes")


print("40 objects of 20000 bytes, three times, size 1000000")
for policy, options in (
    ("LRU", {}), ("ARC", {}), ("Sieve", {}), ("S3FIFO", {}),
    ("WTinyLFU", {}), ("WTinyLFU", {"window_size": 0.02}),
    ("ClockPro", {}), ("ClockPro", {"init_ratio_cold": 1.0}),
):
    say(policy, 1_000_000, 40, 20_000, **options)
print("50 objects of size 1, three times, size 99")
say("LRU", 99, 50, 1)
say("WTinyLFU", 99, 50, 1)
print("50 objects of size 1, three times, size 100")
say("WTinyLFU", 100, 50, 1)
END
)"
