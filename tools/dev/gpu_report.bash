# shellcheck shell=bash
# What was measured on a GPU, as it lies in docs/benchmarks: Markdown for people, JSON for programs.

gpu_slug() { tr -cs 'A-Za-z0-9.\n' '-' <<<"${1#NVIDIA }" | tr '[:upper:]' '[:lower:]' | sed 's/^-//; s/-$//'; }
json_string() {
  local text=${1//[[:cntrl:]]/ }
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

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

write_gpu_report() {  # path without ending, title, what stands below it, more members of the JSON, results without ending...
  local to=$1 title=$2 words=$3 members=$4 result comma=""
  shift 4
  mkdir -p "$(dirname "$to")"
  { printf '# %s\n\n%s\n' "$title" "$words"
    for result in "$@"; do printf '\n'; cat "$result.md"; done; } >"$to.md.part"
  { printf '{"gpu": %s, "date": "%s", "driver": %s,%s "results": {' "$(json_string "$gpu_name")" "$(date -u +%Y-%m-%d)" \
      "$(json_string "$gpu_driver")" "$members"
    for result in "$@"; do
      printf '%s\n%s: ' "$comma" "$(json_string "$(basename "$result")")"
      cat "$result.json"
      comma=","
    done
    printf '}}\n'; } >"$to.json.part"
  mv "$to.md.part" "$to.md"
  mv "$to.json.part" "$to.json"
}
