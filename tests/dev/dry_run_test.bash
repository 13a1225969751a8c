#!/usr/bin/env bash
# ./dev gpu quick --dry-run SOURCE WORK [CMAKE BUILD]: order, bounds and commands, without a GPU, without nvcc, without
# anything being made. With a build folder besides: what it names is what is built there.
# shellcheck source=tests/dev/support.bash
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

log=$work/log
"$work/tree/dev" gpu quick --dry-run >"$log" || fault "--dry-run ends with $?"
[[ ! -e $work/tree/build && ! -e $work/tree/docs ]] || fault "a dry run leaves something in the tree"

check_equal "the order" "$(sed -n 's/^ *[0-9]*\. \([a-z_]*\): .*/\1/p' "$log" | tr '\n' ' ')" "$all_steps "
check_equal "the order of the call" "$(sed -n 's/^Order in this call: \(.*\)\.$/\1/p' "$log")" "$all_steps"
bounds=$(sed -n 's/^ *at most \([0-9]*\) s, .*/\1/p' "$log")
check_equal "the number of bounds" "$(wc -w <<<"$bounds")" 11
for bound in $bounds; do (( bound >= 30 && bound <= 150 )) || fault "a step may take $bound s"; done
check_has "the dry run" "$log" "./dev gpu quick, 480 s for all of it"
check_equal "steps that stop the build" "$(grep -c ', by itself$' "$log")" 7
check_equal "steps with figures" "$(grep -c -- ' --json FILE --markdown FILE$' "$log")" 6
# Every measurement stands by itself.
grep -A1 ', by itself$' "$log" | grep -c -- '--json FILE' | grep -qx 6 || fault "a measurement may run beside the build"
check_has "the dry run" "$log" "Builds cuda_test; then hstu_cuda_test cuda_plain_copies_bench cuda_data_path_bench"

"$work/tree/dev" gpu quick --dry-run --step-seconds 7 --seconds 99 >"$log"
check_equal "the bounds that were lowered" "$(sed -n 's/^ *at most \([0-9]*\) s, .*/\1/p' "$log" | sort -u)" 7
check_has "the dry run" "$log" "./dev gpu quick, 99 s for all of it"

for wrong in "--seconds 0" "--seconds x" "--step-seconds 1.5" "--programs /nowhere/at/all" "--fast" "paper"; do
  # shellcheck disable=SC2086
  if "$work/tree/dev" gpu quick --dry-run $wrong >"$log" 2>&1; then fault "'$wrong' is taken"; fi
  check_has "the sentence about '$wrong'" "$log" "./dev: "
done
if "$work/tree/dev" gpu test --seconds 5 >"$log" 2>&1; then fault "gpu test takes --seconds"; fi
done_with
