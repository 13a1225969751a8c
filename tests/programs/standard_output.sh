#!/usr/bin/env bash
# standard_output.sh PROGRAM [ARGS...]: ends with 1 and says why unless the program, where its standard output is full or
# closed, says so on standard error, does not end with 0, and leaves nothing in the folder that it runs in.
set -u
if [[ ! -c /dev/full ]]; then
  echo "SKIPPED: standard output of $1 because this system has no /dev/full"
  exit 0
fi
program=$(realpath "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

faults=0
check() {  # what status; what was said is in the file `said`
  if [[ $2 == 0 ]] || ! grep -q '^error: standard output \(could not\|cannot\) be written' said; then
    echo "$1: it ends with $2 and says: $(cat said)"
    faults=1
  fi
  rm said
  [[ -z $(ls -A) ]] || { echo "$1: it leaves $(ls -A)"; faults=1; }
}
"$program" "$@" > /dev/full 2> said
check "standard output is full" $?
"$program" "$@" >&- 2> said
check "standard output is closed" $?
exit "$faults"
