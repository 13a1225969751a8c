#!/usr/bin/env bash
# ./dev gpu quick as it builds and runs, SOURCE WORK, in a tree whose targets copy stand-ins instead of compiling: what one
# step needs is all that it waits for, what cannot be built costs its own steps alone, and no measurement runs beside a
# build.
# shellcheck source=tests/dev/support.bash
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

cat >"$work/tree/CMakePresets.json" <<'END'
{"version": 6, "configurePresets": [{"name": "gpu", "binaryDir": "${sourceDir}/build/gpu"}]}
END
cat >"$work/tree/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(stand_ins LANGUAGES NONE)
function(stand_in target place)
  add_custom_command(OUTPUT "${target}.made" VERBATIM  # CMake takes an output for a target that has its name
                     COMMAND sh "${PROJECT_SOURCE_DIR}/compile" ${target} "${PROJECT_BINARY_DIR}/${place}"
                     COMMAND "${CMAKE_COMMAND}" -E touch "${target}.made")
  add_custom_target(${target} DEPENDS "${target}.made")
endfunction()
stand_in(cuda_test tests/cuda/cuda_test)
stand_in(hstu_cuda_test tests/hstu_gpu/cuda/hstu_cuda_test)
stand_in(cuda_plain_copies_bench bench/cuda/plain_copies_bench)
stand_in(cuda_data_path_bench bench/cuda/data_path_bench)
stand_in(kvstrata-gpu-replay tools/gpu_replay/kvstrata-gpu-replay)
include(tools/dev/ready.cmake)
END
# Compiles for a second, the replay for eight, and writes down when it was at work: so a gap shows that it stood still.
cat >"$work/tree/compile" <<'END'
[ "$1" != cuda_data_path_bench ] || { sleep 0.2; echo "data_path.hpp:1: error: expected a semicolon"; exit 1; }
[ "$1" != hstu_cuda_test ] || { echo "pass_test.cpp:1: error: no such file"; exit 1; }
i=0 times=20
[ "$1" != kvstrata-gpu-replay ] || times=160
while [ $i -lt $times ]; do echo "$1 $(date +%s%N)" >>"$WORK/built"; sleep 0.05; i=$((i + 1)); done
mkdir -p "$(dirname "$2")"
cp "$WORK/stand_in" "$2"
END
cat >"$work/stand_in" <<'END'
#!/bin/sh
echo "$(basename "$0") $* begins $(date +%s%N)" >>"$WORK/ran"
json="" markdown=""
while [ $# -gt 0 ]; do
  case $1 in --json) json=$2 ;; --markdown) markdown=$2 ;; esac
  shift
done
sleep 0.6
if [ -n "$json" ]; then echo '{}' >"$json"; echo "# figures" >"$markdown"; fi
echo "$(basename "$0") ends $(date +%s%N)" >>"$WORK/ran"
END
chmod +x "$work/stand_in"
printf '#!/bin/sh\n' >"$work/programs/nvcc"  # where there is none, ./dev shall believe there is
chmod +x "$work/programs/nvcc"
export WORK=$work PATH=$PATH:$work/programs

quick "$work/log" --arch 90 --jobs 4 --seconds 120
if [[ $status == 3 ]]; then  # what ./dev needs to build anything is named
  printf 'SKIPPED: dev_quick_build because %s\n' "$(sed -n 's/^  \([a-z]\)/\1/p' "$work/log" | sed -n 1p)"
  exit 0
fi
check_equal "the status" "$status" 1
for step in device caches overlap plain_copies paper_steps paper nvidia; do
  check_equal "the result of $step" "$(result "$step")" passed
done
check_equal "the result of what cannot be built" "$(result data_path) $(result attention) $(result pass)" "failed failed failed"
check_has "the call" "$work/log" "cuda_data_path_bench could not be built: data_path.hpp:1: error: expected a semicolon"
check_has "the call" "$work/log" "hstu_cuda_test could not be built: pass_test.cpp:1: error: no such file"
check_equal "the result of what the configuration left out" "$(result attention_shapes)" failed
check_has "the call" "$work/log" "attention_shapes: failed after 0 s: it is not built on this machine"

# The first step began before the second target was there, and the tests ran beside the build.
began=$(sed -n 's/^cuda_test .* begins \([0-9]*\)$/\1/p' "$work/ran" | sed -n 1p)
last() { sed -n "s/^$1 //p" "$work/built" | tail -1; }
(( began > $(last cuda_test) )) || fault "a step began before its program was built"
(( began < $(last kvstrata-gpu-replay) )) || fault "the first step waited for what it does not need"

# While something measures, nothing is at work on the build.
grep -E -- '--json| \[overlap\]' "$work/ran" >"$work/alone"
(( $(wc -l <"$work/alone") == 5 )) || fault "these ran by themselves: $(cat "$work/alone")"
while read -r line; do
  begin=${line##* }
  while read -r _ at; do
    if (( at > begin && at < begin + 500000000 )); then fault "a build was at work beside: $line"; break; fi
  done <"$work/built"
done <"$work/alone"
# And this shows something: the build was not over when the first of them began.
(( $(sed -n '1s/.* //p' "$work/alone") < $(sed -n '$s/.* //p' "$work/built") )) || fault "no measurement began during the build"
[[ -z $(sed -n 's/^FAILED: the configuration.*/&/p' "$work/log") ]] || fault "the configuration failed"
done_with
