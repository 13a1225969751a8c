#!/usr/bin/env bash
# Traces in Chrome's JSON give times as decimal microseconds; with three decimals they are exact to the nanosecond.
# Perfetto keeps times as 64-bit integers of nanoseconds.
#
# One would guess: 1700000000000000.001 in the file is that nanosecond in Perfetto, and spans of one row, each of
# which begins where the one before ended, are all shown wherever in time they lie.
#
# What happens: on its way the time is a double of microseconds. From 2^53 ns (104 days) on, neighbouring nanoseconds
# are one moment; at Unix times (1.7e15 us) begins are multiples of 250 ns. A duration is short and is not rounded so,
# whence a span seems to end after the next has begun; the next is then dropped, as one that overlaps without lying
# within. Here that is almost every fifth of 9000. Only the count slice_drop_overlapping_complete_event tells.
#
# Why it matters: the system clock, with which the spans of a cache can be laid beside a service's log, counts from
# 1970, and a steady clock passes 104 days where a machine stays up that long. Copies and kernels of a stream stand
# back to back, and these are what goes missing: the picture shows gaps where there are none. A writer has to subtract
# a base, and say which.
set -euo pipefail
# shellcheck source=findings/pinned.bash
source "$(dirname "${BASH_SOURCE[0]}")/pinned.bash"
install_perfetto

spans() {  # FIRST_NS COUNT LENGTH_NS: spans of one row, back to back
  local separator='{"traceEvents":[' at
  for ((i = 0; i < $2; ++i)); do
    at=$(($1 + i * $3))
    printf '%s\n{"name":"copy","ph":"X","pid":1,"tid":1,"ts":%d.%03d,"dur":%d.%03d}' \
      "$separator" $((at / 1000)) $((at % 1000)) $(($3 / 1000)) $(($3 % 1000))
    separator=,
  done
  echo ']}'
}
shown() { perfetto "$1" "select count(*) || ' shown, ' || (select sum(value) from stats
  where name = 'slice_drop_overlapping_complete_event') || ' dropped as overlapping' from slice"; }
begins() {
  spans "$1" 6 1 |  # each in a row of its own, so that none is dropped
    awk '{ gsub(/"tid":1/, "\"tid\":" NR); print }' >"$work/trace.json"
  perfetto "$work/trace.json" "select group_concat(ts - $1, ' ') from (select ts from slice order by ts)"
}

expected='six successive nanoseconds from 2^52 ns: 0 1 2 3 4 5
six successive nanoseconds from 2^53 ns: 0 0 2 2 4 4
six successive nanoseconds from 2^54 ns: 0 0 0 4 4 4
9000 spans of 1013 ns back to back, from 0: 9000 shown, 0 dropped as overlapping
9000 spans of 1013 ns back to back, from 1.7e18 ns: 7311 shown, 1689 dropped as overlapping'

seen=$(
  for power in 52 53 54; do echo "six successive nanoseconds from 2^$power ns: $(begins $((2 ** power)))"; done
  spans 0 9000 1013 >"$work/trace.json"
  echo "9000 spans of 1013 ns back to back, from 0: $(shown "$work/trace.json")"
  spans $((17 * 10 ** 17)) 9000 1013 >"$work/trace.json"
  echo "9000 spans of 1013 ns back to back, from 1.7e18 ns: $(shown "$work/trace.json")"
)
compare "$expected" "$seen"
