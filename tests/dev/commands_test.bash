#!/usr/bin/env bash
# The command lines of ./dev gpu quick as they are, SOURCE WORK BUILD: every program of a build folder takes them, and
# writes what is asked of it. BUILD is one with tests, in which the CUDA device runs on the fake runtime; no GPU is used.
# shellcheck source=tests/dev/support.bash
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"
build=$3
export CUDA_VISIBLE_DEVICES="" BUILD=$build

# --- the programs themselves read their command line, and have no GPU to go on -----------------------------------------------
quick "$work/real" --programs "$build" --seconds 200
check_equal "the status without a GPU" "$status" 0
for step in $all_steps; do
  check_equal "the result of $step without a GPU" "$(result "$step")" skipped
done
[[ -z $(ls "$work/out") ]] || fault "a report was written though nothing was measured"

# --- no test is left out, none comes twice -------------------------------------------------------------------------------------
tests_of() {  # a program of Catch2, and its filter; Catch2 2 ends with the number of tests
  { "$build/$1" --list-tests ${2:+"$2"} || true; } | sed -n 's/^  \([^ ].*\)/\1/p' | sort
}
for program in tests/cuda/cuda_test tests/hstu_gpu/cuda/hstu_cuda_test; do
  filters=$("$work/tree/dev" gpu quick --dry-run | sed -nE "s/^(.* )?${program##*/} --durations yes '(.*)'$/\2/p")
  while IFS= read -r filter; do
    [[ -n $(tests_of "$program" "$filter") ]] || fault "$program has no test for $filter"
    tests_of "$program" "$filter"
  done <<<"$filters" | sort >"$work/chosen"
  tests_of "$program" "" >"$work/all"
  cmp -s "$work/all" "$work/chosen" || fault "the steps of $program do not run each test once: $(diff "$work/all" "$work/chosen")"
  (( $(wc -l <"$work/all") > 10 )) || fault "$program lists too few tests"
done

# --- and write what they measure: tiny, on the fake runtime or an emulated device --------------------------------------------
mkdir -p "$work/fakes/bench/cuda" "$work/fakes/tools/gpu_replay" "$work/fakes/tests/cuda" "$work/fakes/tests/hstu_gpu/cuda"
fake() {  # place, script
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$work/fakes/$1"
  chmod +x "$work/fakes/$1"
}
# shellcheck disable=SC2016
{
  fake tests/cuda/cuda_test '"$BUILD/tests/cuda/cuda_host_test" --list-tests "${@: -1}" || true'
  fake tests/hstu_gpu/cuda/hstu_cuda_test '"$BUILD/tests/hstu_gpu/cuda/hstu_cuda_test" --list-tests "${@: -1}" || true'
  fake bench/cuda/plain_copies_bench 'exec "$BUILD/bench/cuda/cuda_plain_copies_bench_on_fake" "$@" --tiny --cell-seconds 0'
  fake bench/cuda/data_path_bench 'exec "$BUILD/bench/cuda/cuda_data_path_bench_on_fake" "$@" --tiny --cell-seconds 0'
  fake bench/cuda/attention_bench 'exec "$BUILD/bench/cuda/attention_bench" "$@" --dry-run --cell-seconds 0'
  # Its presets are too large for an emulated machine: --plan makes all of their requests and caches, a tiny run the files.
  fake tools/gpu_replay/kvstrata-gpu-replay '"$BUILD/tools/gpu_replay/kvstrata-gpu-replay" "$@" --plan || exit
exec "$BUILD/tools/gpu_replay/kvstrata-gpu-replay" --preset tiny --machine emulated --quiet "${@: -4}"'
}
quick "$work/fake" --programs "$work/fakes" --seconds 200
check_equal "the status on the fake runtime" "$status" 0
for step in $all_steps; do
  check_equal "the result of $step on the fake runtime" "$(result "$step")" passed
done
report=$(echo "$work/out"/*-quick.md)
for words in "# plain_copies_bench" "# data_path_bench" "# attention_bench" "command: data_path_bench --quick --rounds 3" \
             "command: attention_bench --quick --rounds 3" "| paged, page first | 32 | scattered |" \
             "command: \`kvstrata-gpu-replay"; do
  check_has "the report" "$report" "$words"
done
check_lacks "the report" "$report" "| 64 | scattered |"  # only the main rows
check_lacks "the report" "$report" "unfinished"
# What the replay is cut to serves from every level what the whole preset does, within two per cent of the tokens.
shares() { "$build/tools/gpu_replay/kvstrata-gpu-replay" "$@" --plan | sed -n 's/^  default_cache: slab \([0-9.]*\) %, arena \([0-9.]*\) %.*/\1 \2/p'; }
read -ra cut < <("$work/tree/dev" gpu quick --dry-run | sed -n 's/^ *kvstrata-gpu-replay \(.* --step-tokens 0 .*\) --json FILE --markdown FILE$/\1/p')
read -r slab arena < <(shares "${cut[@]}")
read -r all_slab all_arena < <(shares --preset paper)
near() { (( ${1/./} - ${2/./} < 20 && ${2/./} - ${1/./} < 20 )); }  # tenths of a per cent
near "$slab" "$all_slab" || fault "the cut serves $slab % from the slab, the whole $all_slab %"
near "$arena" "$all_arena" || fault "the cut serves $arena % from the arena, the whole $all_arena %"
done_with
