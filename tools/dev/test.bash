# shellcheck shell=bash
# ./dev test. Sourced by ./dev.

ran=() skipped=() failed=()
skip() { skipped+=("SKIPPED: $1 because $2"); say "SKIPPED: $1 because $2"; }

summary() {
  headline "summary"
  local line
  for line in "${ran[@]}"; do say "PASSED: $line"; done
  if (( ${#skipped[@]} )); then printf '%s\n' "${skipped[@]}" | sort -u; fi
  for line in "${failed[@]}"; do say "FAILED: $line"; done
  (( ${#failed[@]} == 0 ))
}

run_ctest() {  # preset, then options for ctest
  local preset=$1
  shift
  [[ -n $filter ]] && set -- "$@" -R "$filter"
  local status=0 fixed=()
  # ThreadSanitizer of GCC 12 does not start where the kernel places programs too much at random.
  if [[ $preset == tsan ]] && setarch -R true 2>/dev/null; then fixed=(setarch -R); fi
  # One more than there are processors: some tests mostly wait.
  "${fixed[@]}" ctest --test-dir "$root/build/$preset" --parallel "$((jobs + 1))" --no-tests=error --output-on-failure "$@" || status=$?
  local log=$root/build/$preset/Testing/Temporary/LastTest.log line
  while IFS= read -r line; do skipped+=("$line"); done \
    < <(grep -ahs '^SKIPPED: ' "$log" | sort -u)
  return $status
}
run_part() {  # part, preset, targets separated by spaces, then options for ctest
  local part=$1 preset=$2 targets=$3 before=$SECONDS
  shift 3
  headline "$part"
  # shellcheck disable=SC2086
  if configure "$preset" && build "$preset" $targets && run_ctest "$preset" "$@"; then
    ran+=("$part in $((SECONDS - before)) s")
  else
    failed+=("$part")
  fi
}

clang_reason() {  # why clang++ cannot build under sanitizers, in `reason`; fails when it can
  if ! have clang++; then reason="clang++ is not installed (Debian: clang)"
  elif ! printf 'int main() {}' | clang++ -x c++ - -fsanitize=address,undefined -o /dev/null 2>/dev/null; then
    reason="this clang++ has no sanitizers (Debian: libclang-rt-14-dev)"
  else return 1; fi
}

command_test() {
  local parts=" gcc clang tsan nvcc consume format " only=""
  filter=""
  while (( $# )); do
    case $1 in
      --only) [[ -n ${2:-} ]] || fail "--only wants a part, of${parts% }."; only+=" ${2//,/ } "; shift 2 ;;
      --only=*) only+=" ${1#--only=} "; only=${only//,/ }; shift ;;
      --filter) [[ -n ${2:-} ]] || fail "--filter wants a regular expression."; filter=$2; shift 2 ;;
      --filter=*) filter=${1#--filter=}; shift ;;
      *) fail "./dev test does not know '$1'. ./dev help lists its options." ;;
    esac
  done
  local part
  for part in $only; do [[ $parts == *" $part "* ]] || fail "there is no part '$part'; the parts are${parts% }."; done
  require_regex --filter "$filter"
  local all=yes
  [[ -n $only ]] && all=no
  wanted() { [[ $all == yes || " $only " == *" $1 "* ]]; }

  if wanted gcc || wanted clang || wanted tsan || wanted nvcc || wanted consume; then
    need_toolchain
    need_catch
    [[ -n $carried ]] || { need_model; like_uring; like_zstd; like_zlib; like_redis; like_metis; }
  fi
  if wanted clang && ! have clang++; then
    optional+=("clang: builds the library's tests a second time, with clang++ under sanitizers")
  fi
  if wanted format && ! have clang-format-19; then optional+=("clang-format-19: checks the format"); fi
  if wanted gcc && ! have valgrind; then
    optional+=("valgrind: counts instructions, to show that an empty tracker costs nothing")
  fi
  if wanted nvcc && have nvcc && ! have cuobjdump; then
    optional+=("cuobjdump, of the CUDA toolkit: counts the instructions of kernels that encode and decode")
  fi
  if ! have ccache; then optional+=("ccache: keeps what was compiled, so that the next time takes a third"); fi
  if { wanted gcc || wanted clang; } && ! have doxygen; then optional+=("doxygen: shows that the API reference is made without a warning"); fi
  if wanted gcc && ! have shellcheck; then optional+=("shellcheck: checks ./dev itself"); fi
  if { wanted gcc || wanted clang || wanted consume; } && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    optional+=("python3-venv: runs Conan, which tests the Conan recipe, and prometheus_client, which reads our metrics")
  fi
  install_missing test
  if wanted clang && have clang++ && clang_reason; then
    optional=("libclang-rt-14-dev|libclang-rt-dev: clang's sanitizers")
    install_missing test
  fi
  if wanted gcc || wanted consume; then find_conan; fi
  if wanted gcc || wanted clang; then find_prometheus_client; find_numpy; fi

  local nvcc_reason="no nvcc is found in PATH or in /usr/local/cuda/bin"
  if wanted gcc; then
    run_part gcc debug ""
    if have nvcc; then [[ " ${failed[*]} " == *" gcc "* ]] || ran+=("nvcc and consume within gcc"); else skip nvcc "$nvcc_reason"; fi
  else
    if wanted nvcc; then
      if have nvcc; then run_part nvcc debug static_cuda -L nvcc; else skip nvcc "$nvcc_reason"; fi
    fi
    if wanted consume; then run_part consume debug "kvstrata_test_main" -L consume; fi
  fi
  if wanted clang; then
    if clang_reason; then skip clang "$reason"; else run_part clang clang ""; fi
  fi
  if wanted tsan; then run_part tsan tsan ""; fi
  if wanted format; then
    headline format
    if ! have clang-format-19; then skip format "clang-format-19 is not installed"
    elif command_format --check; then ran+=("format")
    else failed+=("format"); fi
  fi

  summary
}
