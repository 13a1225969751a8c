# shellcheck shell=bash
# Configuring and building through CMakePresets.json. Sourced by ./dev.

# ccache, where it is: what it made in one clone serves in every other, and with the tests' precompiled header.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
export CCACHE_DEPEND=${CCACHE_DEPEND:-1}  # no run of the preprocessor beside the compiler's own: a tenth of the time
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}

have_ninja_or_make() { if have ninja; then export CMAKE_GENERATOR=Ninja; fi; }

configure() {  # preset; the log is shown only when it fails, or what was skipped
  local preset=$1 log=$root/build/$1.configure.log
  shift
  have_ninja_or_make
  mkdir -p "$root/build"
  local extra=("$@")
  [[ -n $carried ]] && extra+=("-DKVSTRATA_CARRIED=$carried")
  say "Configuring build/$preset."
  # A generator of an earlier configure stays: CMake refuses to change it.
  if [[ -e $root/build/$preset/CMakeCache.txt ]]; then
    CMAKE_GENERATOR=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$root/build/$preset/CMakeCache.txt"); export CMAKE_GENERATOR
  fi
  local bounded=()
  if [[ -n ${configure_seconds:-} ]]; then bounded=(timeout --foreground --kill-after=5 "$configure_seconds"); fi
  if ! (cd "$root" && "${bounded[@]}" cmake --preset "$preset" "${extra[@]}") >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  sed -n 's/^-- \(SKIPPED: .*\)/\1/p' "$log"
}
build() {  # preset, then targets. Goes on after an error, so that all are seen at once
  local preset=$1 target options=() go_on=-k
  shift
  for target in "$@"; do options+=(--target "$target"); done
  [[ -e $root/build/$preset/build.ninja ]] && go_on=-k0
  cmake --build "$root/build/$preset" --parallel "$jobs" "${options[@]}" -- "$go_on"
}
