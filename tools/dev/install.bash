# shellcheck shell=bash
# What is missing on this machine, and how apt gets it. Sourced by ./dev.

have() { command -v "$1" >/dev/null 2>&1; }
header_root() {  # prints the include folder that holds any of the names given, where a compiler or CMake would look
  local place name
  local IFS=:
  for place in "${carried:+$carried/include}" $(printf '%s' "${CMAKE_PREFIX_PATH:-}" | sed 's/[:;]/\/include:/g; s/$/\/include/') \
               ${CPATH:-} ${CPLUS_INCLUDE_PATH:-} /usr/local/include /usr/include; do
    for name in "$@"; do
      if [[ -n $place && -e $place/$name ]]; then printf '%s' "$place"; return 0; fi
    done
  done
  return 1
}
have_header() { header_root "$@" >/dev/null; }
cmake_is_new() {
  have cmake || return 1
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  (( ${version%.*} > 3 || (${version%.*} == 3 && ${version#*.} >= 25) ))
}

need_toolchain() {
  cmake_is_new || PATH=$original_path:$system_path
  cmake_is_new || { PATH=$system_path; missing+=("cmake: CMake 3.25 or newer, which configures the build"); }
  have g++ || missing+=("g++: the compiler")
  have ninja || have make || missing+=("ninja-build: carries the build out")
  have_header boost/unordered/unordered_flat_map.hpp || missing+=("libboost1.81-dev|libboost-dev: Boost's headers, 1.81 or newer")
}
need_tools() {
  have_header CLI/CLI.hpp || missing+=("libcli11-dev: CLI11, the options of the tools")
  have_header nlohmann/json.hpp || missing+=("nlohmann-json3-dev: writes their JSON")
}
need_model() {
  have_header oneapi/dnnl/dnnl.hpp || missing+=("libdnnl-dev: oneDNN, the matrix products of the HSTU model")
  need_tools
}
need_catch() {
  have_header catch2/catch.hpp catch2/catch_all.hpp || missing+=("catch2: Catch2, the test framework")
}

like_uring() {  # tests are skipped without it
  have_header liburing.h || optional+=("liburing-dev: tests of I/O by io_uring")
}

like_zstd() {  # tests are skipped without it
  have_header zstd.h || optional+=("libzstd-dev: exp_zstd, a codec for stores, and traces in .zst")
}

like_zlib() {  # tests are skipped without it
  have_header zlib.h || optional+=("zlib1g-dev: traces in .gz")
}

like_redis() {  # tests are skipped without them
  have_header hiredis/hiredis.h || optional+=("libhiredis-dev: redis_cluster, a store in a Redis or Valkey cluster")
  have redis-server || optional+=("redis-server: tests of redis_cluster start one")
}

like_metis() {  # without it one placement of kvstrata-sim cluster is refused
  have_header metis.h || optional+=("libmetis-dev: METIS, as a placement of kvstrata-sim cluster")
}

like_nvme_bench() {  # it goes without them, with less beside its figures
  have fio || optional+=("fio: what nvme_bench takes as its ceiling")
  have_header rocksdb/db.h || optional+=("librocksdb-dev: RocksDB, which nvme_bench opens beside a store")
  have_header liburing.h || optional+=("liburing-dev: I/O by io_uring in nvme_bench")
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}
candidate() {  # prints the first of a|b|c that apt can install
  local name
  local IFS='|'
  for name in $1; do
    if [[ $(LC_ALL=C apt-cache policy "$name" 2>/dev/null) =~ Candidate:\ [^\(] ]]; then printf '%s' "$name"; return 0; fi
  done
  return 1
}
apt_updated=no
apt_update() {
  [[ $apt_updated == yes ]] && return 0
  say "Fetching apt's package lists (apt-get update)."
  apt_updated=yes
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying with the lists that are here."
}
apt_install() {  # entries "package|alternative: what for"
  local entry names=() name
  for entry in "$@"; do
    name=$(candidate "${entry%%:*}") || { apt_update; name=$(candidate "${entry%%:*}"); } || {
      say "apt knows no package ${entry%%:*} (${entry#*: })."; return 1; }
    names+=("$name")
  done
  say "Running: apt-get install -y --no-install-recommends ${names[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null && return 0
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null
}
apt_line() {
  local entry line="apt-get install -y --no-install-recommends"
  for entry in "$@"; do
    line+=" $(candidate "${entry%%:*}" || printf '%s' "${entry%%[:|]*}")"
  done
  [[ $(id -u) == 0 ]] && printf 'apt-get update && %s' "$line" || printf 'sudo apt-get update && sudo %s' "$line"
}
can_install() {  # or says why not, in `reason`
  if [[ $no_install == yes ]]; then reason="--no-install was given"
  elif ! have apt-get; then reason="this machine has no apt-get"
  elif [[ $(id -u) != 0 ]] && ! have sudo; then reason="you are not root and there is no sudo"
  else return 0; fi
  return 1
}
install_missing() {  # $1: the command, for the messages
  local entry
  if (( ${#missing[@]} )); then
    say "./dev $1 needs what this machine lacks:"
    for entry in "${missing[@]}"; do printf '  %-20s %s\n' "${entry%%[:|]*}" "${entry#*: }"; done
    if ! can_install; then
      for entry in "${optional[@]}"; do printf '  %-20s %s (optional)\n' "${entry%%[:|]*}" "${entry#*: }"; done
      say "Nothing was installed, because $reason. On Debian or Ubuntu this installs them:"
      say "  $(apt_line "${missing[@]}" "${optional[@]}")"
      exit 3
    fi
    apt_install "${missing[@]}" || fail "apt-get could not install these packages; its message is above. Try: $(apt_line "${missing[@]}")"
  fi
  for entry in "${optional[@]}"; do  # one by one: each may fail without harm to the others
    can_install || break
    say "./dev $1 can do more with ${entry%%:*} (${entry#*: })."
    apt_install "$entry" || say "It could not be installed; what needs it is skipped."
  done
  missing=() optional=()
  hash -r
}
