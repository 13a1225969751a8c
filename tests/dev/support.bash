# shellcheck shell=bash disable=SC2034
# What the tests of ./dev gpu quick share: a tree of their own with ./dev in it, and checks that name what is wrong.
set -euo pipefail

source_tree=$1  # of kvstrata
work=$2         # the test's own, made anew
rm -rf "$work"
mkdir -p "$work/tree/include" "$work/tree/tools" "$work/programs" "$work/out"
cp "$source_tree/dev" "$work/tree/"
cp -r "$source_tree/tools/dev" "$work/tree/tools/"
printf '// a source\n' >"$work/tree/include/a.hpp"

faults=0
fault() { printf 'FAULT: %s\n' "$*"; faults=$((faults + 1)); }
check_equal() { [[ $2 == "$3" ]] || fault "$1 is '$2', but it should be '$3'"; }  # what, value, right value
check_has() { grep -qF -- "$3" "$2" || { fault "$1 lacks: $3"; sed 's/^/  | /' "$2"; }; }  # what, file, words
check_lacks() { ! grep -qF -- "$3" "$2" || { fault "$1 should not have: $3"; sed 's/^/  | /' "$2"; }; }
done_with() {
  (( faults == 0 )) || { printf '%d faults\n' "$faults"; exit 1; }
  printf 'All is as it should be.\n'
}

quick() {  # log, options...: one call in the tree; sets `status`
  local log=$1
  shift
  status=0
  "$work/tree/dev" gpu quick --no-install --anyway --to "$work/out" "$@" >"$log" 2>&1 || status=$?
}
result() {  # step: what the last call left of it; "none" when nothing
  local state=none folder
  folder=$(find "$work/tree/build/gpu/results" -path '*/quick' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
  { read -r state _ <"$folder/$1.result" || true; } 2>/dev/null
  printf '%s' "$state"
}
begun() { sed -n 's/^==== \([a-z_]*\): .*/\1/p' "$1" | tr '\n' ' ' | sed 's/ $//'; }  # log: the steps, in their order
all_steps="device caches overlap attention pass plain_copies data_path attention_shapes paper_steps paper nvidia"
