# shellcheck shell=bash
# What was measured on a GPU, as it lies in docs/benchmarks: which results belong together. gpu_report.py writes the report.

gpu_slug() { tr -cs 'A-Za-z0-9.\n' '-' <<<"${1#NVIDIA }" | tr '[:upper:]' '[:lower:]' | sed 's/^-//; s/-$//'; }
# Results belong together that were measured with the same sources (or programs), on the same GPU with the same driver,
# on the same day (UTC): each such set has a folder of its own.
gpu_sources_id() {
  # The id changes with what is built, not with the pages beside it: a report that is committed changes nothing.
  (cd "$root" && find include examples models tools tests bench dev CMakeLists.txt CMakePresets.json -type f -print0 2>/dev/null |
    LC_ALL=C sort -z | xargs -0 cat -- | sha256sum | cut -c1-12) || true
}
gpu_results_folder() {  # which command's, sources
  printf '%s/build/gpu/results/%s-%s-%s/%s' "$root" "$(date -u +%Y-%m-%d)" \
    "$(gpu_slug "$gpu_name $gpu_driver")" "$2" "$1"
}
gpu_commit() {  # as a reader wants it; "without git" where there is none
  local commit changed
  commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || { printf 'without git'; return; }
  changed=$(git -C "$root" status --porcelain -- include examples models tools tests bench dev CMakeLists.txt CMakePresets.json) || true
  printf 'commit %s%s' "$commit" "${changed:+ with changes}"
}
gpu_versions() {
  printf 'driver %s, nvcc %s, %s' "$gpu_driver" "$({ nvcc --version 2>/dev/null || true; } | sed -n 's/.*release \([0-9.]*\).*/\1/p')" "$(gpu_commit)"
}

write_gpu_report() {  # path without ending, title, what stands below it, then as tools/dev/gpu_report.py; false when it cannot
  local to=$1 title=$2 words=$3
  shift 3
  have python3 || { say "There is no python3 to write a report; the figures are in ${results:-build/gpu/results}."; return 1; }
  python3 "$root/tools/dev/gpu_report.py" "$to" --title "$title" --words "$words" --gpu "$gpu_name" --driver "$gpu_driver" "$@"
}
