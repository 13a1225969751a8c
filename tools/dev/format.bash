# shellcheck shell=bash
# ./dev format. Sourced by ./dev.

formatted_files() {
  find "$root"/{include,examples,models,tools,tests,bench,test_package} -name build -prune -o \
    \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -print0 2>/dev/null
}
command_format() {
  have clang-format-19 || missing+=("clang-format-19: formats the sources; other versions place concepts elsewhere")
  install_missing format
  if [[ ${1:-} == --check ]]; then
    local source bad=0
    while IFS= read -r -d '' source; do
      if ! clang-format-19 --dry-run -Werror "$source" 2>/dev/null; then
        say "not formatted: ${source#"$root"/}"
        bad=$((bad + 1))
      fi
    done < <(formatted_files)
    (( bad == 0 )) || { say "./dev format puts these $bad files right."; return 1; }
    say "All sources are formatted."
  elif (( $# )); then fail "./dev format takes --check or nothing, not '$1'."
  else
    formatted_files | xargs -0 -r clang-format-19 -i
  fi
}
