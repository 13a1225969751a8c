# shellcheck shell=bash
# ./dev replay, sim, store, bench, reference: programs built optimised, and run; what is made of the headers. Sourced by ./dev.

run_tool() {  # target, then its arguments
  local name=$1 program
  shift
  configure release
  build release "$name"
  program=$(find "$root/build/release/tools" -name "$name" -type f -perm -u+x -print -quit)
  [[ -n $program ]] || fail "the build made no program called $name below build/release/tools."
  cd "$here"
  exec "$program" "$@"
}
command_replay() {
  need_toolchain
  need_model
  install_missing replay
  run_tool replay "$@"
}
command_sim() {
  need_toolchain
  need_tools
  install_missing sim
  run_tool kvstrata-sim "$@"
}
command_store() {
  need_toolchain
  need_tools
  install_missing store
  run_tool kvstrata-store "$@"
}

command_reference() {
  (( $# == 0 )) || fail "./dev reference takes nothing, not '$1'."
  cmake_is_new || missing+=("cmake: CMake 3.25 or newer, which calls doxygen")
  have doxygen || missing+=("doxygen: makes the API reference of the headers")
  install_missing reference
  cmake -D "ROOT=$root" -D "OUTPUT=$root/build/reference" -D DOXYGEN=doxygen -P "$root/tests/static/reference.cmake"
}

command_bench() {
  require_regex "./dev bench" "${1:-}"
  need_toolchain
  need_model
  if grep -qE -- "${1:-.}" <<<nvme_bench; then like_nvme_bench; fi
  if grep -qE -- "${1:-.}" <<<codec_bench; then like_zstd; fi
  if grep -qE -- "${1:-.}" <<<$'cluster_bench\ncluster_faults_bench'; then like_redis; fi
  if [[ -n ${1:-} ]] && grep -qE -- "$1" <<<cluster_bench; then find_mooncake; fi
  if grep -qE -- "${1:-.}" <<<routing_bench; then like_metis; fi
  if [[ -n ${1:-} ]] && grep -qE -- "$1" <<<model_bench; then find_torch; fi  # large: only where it is asked for
  if [[ -n ${1:-} ]] && grep -qE -- "$1" <<<policies_bench; then find_libcachesim; fi
  install_missing bench
  find "$root/bench" -name '*_bench.cpp' | sed 's|.*/||; s|\.cpp$||' | grep -E -- "${1:-.}" >/dev/null || fail "no benchmark matches '${1:-.}'."
  configure release
  build release
  local program count=0
  for program in "$root"/build/release/bench/*_bench; do
    [[ -x $program && $(basename "$program") =~ ${1:-.} ]] || continue
    headline "$(basename "$program")"
    "$program" "${@:2}"
    count=$((count + 1))
  done
  (( count )) || fail "no benchmark matches '${1:-.}'."
}
