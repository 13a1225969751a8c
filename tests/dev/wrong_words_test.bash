#!/usr/bin/env bash
# Command lines of ./dev that make no sense, SOURCE WORK: each is one sentence and the status 1, before anything is looked for,
# installed or built.
# shellcheck source=tests/dev/support.bash
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

refused() {  # sentence, then the words
  local sentence=$1 status=0
  shift
  "$work/tree/dev" "$@" >"$work/out/said" 2>"$work/out/why" || status=$?
  check_equal "the status of ./dev $*" "$status" 1
  check_equal "what ./dev $* says" "$(cat "$work/out/said" "$work/out/why")" "./dev: $sentence"
}

refused "there is no command 'nonsense'; ./dev help lists those there are." nonsense
refused "--jobs wants a positive number, not '0'." --jobs 0 help
refused "--jobs wants a positive number, not 'many'." sim --jobs=many
refused "--carried wants the folder that ./dev carry made." sim --carried
refused "there is no folder /nowhere/include, so /nowhere is none that ./dev carry made." --carried /nowhere sim --help
refused "there is no folder /nowhere/include, so /nowhere is none that ./dev carry made." --prefix=/nowhere sim --help
refused "./dev test does not know 'extra'. ./dev help lists its options." test extra
refused "--only wants a part, of gcc clang tsan nvcc consume format." test --only
refused "there is no part 'cc'; the parts are gcc clang tsan nvcc consume format." test --only gcc,cc
refused "--filter wants a regular expression." test --filter
refused "--filter wants a regular expression, not '('." test --filter '('
refused "./dev bench wants a regular expression, not '['." bench '['
refused "./dev gpu does quick, test, bench, check or report, not 'all'." gpu all
refused "./dev gpu bench wants a regular expression, not '('." gpu bench '('
refused "./dev gpu quick takes no 'all'. ./dev gpu lists its options." gpu quick all
refused "--seconds wants whole seconds from 1 to 99999, not 'ten'." gpu quick --seconds ten
refused "./dev reference takes nothing, not 'x'." reference x
refused "./dev format takes --check or nothing, not '--chek'." format --chek
refused "./dev carry takes --gpu and one folder." carry a b
refused "cluster: there is no 'sideways'; ./dev cluster lists what there is." cluster sideways
refused "cluster: there is no option 'down'; ./dev cluster lists those there are." cluster up down
[[ ! -e $work/tree/build ]] || fault "something was built"
done_with
