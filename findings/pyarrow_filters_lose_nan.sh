#!/usr/bin/env bash
# Version: pyarrow 26.0.1; with polars 2.1.0 beside it.
#
# Parquet keeps the least and the largest number of each row group, and leaves NaN out of both, as its specification
# says. A reader with a filter skips the groups in which no row can fit.
#
# One would guess: read_table(filters=...) returns what Table.filter returns of the whole table, and count_rows counts
# that; skipping only saves time, and the layout of the file does not matter. NaN is what one asks for by is_nan.
#
# What happens: a group is judged by its least and largest number as if nothing else were in it, in both directions. Of
# a column 5, 5, NaN, is_nan(x) finds nothing, and so do x != 5 and ~(x < 10), while Table.filter finds the NaN;
# count_rows(x > 3) counts 3 where two rows fit, and so does ~is_nan(x). Written in groups of one row, is_nan finds it,
# as no bounds are kept of a group of NaN alone. Without statistics in the file all is right. Polars is right on the
# same file.
#
# Why it matters: NaN is a latency that was not taken, a ratio 0/0 of a cache without requests, a score of a model that
# diverged. The check for them says that there are none, in just the files in which a column is otherwise constant, and
# says otherwise after the file was written with other groups. Read the column, and filter in memory.
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

install_pinned pyarrow==26.0.1 polars==2.1.0 polars-runtime-32==2.1.0

expected='x is 5, 5, nan; one group
    x != 5: in memory rows [2], read with the filter [], counted 0
    is_nan(x): in memory rows [2], read with the filter [], counted 0
    not is_nan(x): in memory rows [0, 1], read with the filter [0, 1], counted 3
    x > 3: in memory rows [0, 1], read with the filter [0, 1], counted 3
    not x < 10: in memory rows [2], read with the filter [], counted 0
    polars, is_nan(x): [2], not x < 10: [2]
x is 1, 2, nan; one group
    x != 5: in memory rows [0, 1, 2], read with the filter [0, 1, 2], counted 3
    is_nan(x): in memory rows [2], read with the filter [2], counted 1
    not is_nan(x): in memory rows [0, 1], read with the filter [0, 1], counted 2
    x > 3: in memory rows [], read with the filter [], counted 0
    not x < 10: in memory rows [2], read with the filter [], counted 0
    polars, is_nan(x): [2], not x < 10: [2]
x is 5, 5, nan; groups of one row
    x != 5: in memory rows [2], read with the filter [2], counted 1
    is_nan(x): in memory rows [2], read with the filter [2], counted 1
    not is_nan(x): in memory rows [0, 1], read with the filter [0, 1], counted 2
    x > 3: in memory rows [0, 1], read with the filter [0, 1], counted 2
    not x < 10: in memory rows [2], read with the filter [2], counted 1
    polars, is_nan(x): [2], not x < 10: [2]
x is 5, 5, nan; one group, without statistics
    x != 5: in memory rows [2], read with the filter [2], counted 1
    is_nan(x): in memory rows [2], read with the filter [2], counted 1
    not is_nan(x): in memory rows [0, 1], read with the filter [0, 1], counted 2
    x > 3: in memory rows [0, 1], read with the filter [0, 1], counted 2
    not x < 10: in memory rows [2], read with the filter [2], counted 1
    polars, is_nan(x): [2], not x < 10: [2]'

compare "$expected" "$("$work/venv/bin/python" - "$work/x.parquet" <<'END'
import sys

import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

file = sys.argv[1]
x = pyarrow.dataset.field("x")
filters = {
    "x != 5": x != 5,
    "is_nan(x)": pyarrow.compute.is_nan(x),
    "not is_nan(x)": ~pyarrow.compute.is_nan(x),
    "x > 3": x > 3,
    "not x < 10": ~(x < 10),
}
nan = float("nan")
for name, values, options in (
    ("one group", (5.0, 5.0, nan), {}),
    ("one group", (1.0, 2.0, nan), {}),
    ("groups of one row", (5.0, 5.0, nan), {"row_group_size": 1}),
    ("one group, without statistics", (5.0, 5.0, nan), {"write_statistics": False}),
):
    table = pyarrow.table({"x": pyarrow.array(values, pyarrow.float64()), "row": range(len(values))})
    pyarrow.parquet.write_table(table, file, **options)
    print(f"x is {', '.join(f'{value:g}' for value in values)}; {name}")
    for text, asked in filters.items():
        memory = table.filter(asked)["row"].to_pylist()
        read = pyarrow.parquet.read_table(file, filters=asked)["row"].to_pylist()
        counted = pyarrow.dataset.dataset(file).count_rows(filter=asked)
        print(f"    {text}: in memory rows {memory}, read with the filter {read}, counted {counted}")
    told = [
        polars.scan_parquet(file).filter(asked).collect()["row"].to_list()
        for asked in (polars.col("x").is_nan(), ~(polars.col("x") < 10))
    ]
    print(f"    polars, is_nan(x): {told[0]}, not x < 10: {told[1]}")
END
)"
