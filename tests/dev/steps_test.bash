#!/usr/bin/env bash
# ./dev gpu quick with stand-ins for its programs, SOURCE WORK: one hangs, one crashes, one is missing, one has nothing to
# say, ...; none costs another anything. Then a second call, one that is killed, and what makes results stale.
# shellcheck source=tests/dev/support.bash
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"
mkdir "$work/behaviour"

# What a stand-in does is said by behaviour/STEP, so that it can change while the programs stay the same.
cat >"$work/stand_in" <<'END'
#!/usr/bin/env bash
name=${0##*/} json="" markdown=""
case "$name $*" in
  "cuda_test "*" ~[cuda]") step=device ;;
  "cuda_test "*" [cuda]~[overlap]") step=caches ;;
  "cuda_test "*" [overlap]") step=overlap ;;
  "hstu_cuda_test "*" attention*") step=attention ;;
  "hstu_cuda_test "*" ~attention*") step=pass ;;
  *"--preset nvidia"*) step=nvidia ;;
  *"--step-tokens 0"*) step=paper ;;
  *"--preset paper"*) step=paper_steps ;;
  "attention_bench "*) step=attention_shapes ;;
  *) step=${name%_bench} ;;
esac
while (( $# )); do
  case $1 in --json) json=$2 ;; --markdown) markdown=$2 ;; esac
  shift
done
echo "$step" >>"$WORK/calls"
echo "$step begins"
figures() { echo '{"figure": 1}' >"$json"; printf '# %s\n\nfigures of %s\n' "$name" "$step" >"$markdown"; }
case $(cat "$WORK/behaviour/$step" 2>/dev/null) in
  hang) trap '' TERM; (trap '' TERM; setsid -f true; exec sleep 300) & echo "$! $$" >"$WORK/pids"; sleep 300; sleep 300 ;;
  measure_and_hang) figures; sleep 300 ;;
  crash) kill -SEGV $$ ;;
  fail) echo "it went wrong: \"quoted\" \\ and | more"; exit 1 ;;
  no_gpu) echo "SKIPPED: $name because there is no GPU here" ;;
  nothing) ;;
  nap) [[ -e $WORK/napped ]] || { touch "$WORK/napped"; sleep 60; }; [[ -z $json ]] || figures ;;
  *) if [[ -n $json ]]; then figures; else echo "All tests passed (3 assertions in 2 test cases)"; fi ;;
esac
END
chmod +x "$work/stand_in"
export WORK=$work
for program in cuda_test hstu_cuda_test attention_bench kvstrata-gpu-replay; do cp "$work/stand_in" "$work/programs/$program"; done
mkdir -p "$work/programs/bench/cuda"  # as a build folder has it
cp "$work/stand_in" "$work/programs/bench/cuda/data_path_bench"
behave() { printf '%s' "$2" >"$work/behaviour/$1"; }
calls() { tr '\n' ' ' <"$work/calls" 2>/dev/null | sed 's/ $//'; rm -f "$work/calls"; }
both_gone() { gone "$child" && gone "$parent"; }
gone() { ! kill -0 "$1" 2>/dev/null || [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == Z* ]]; }
report() { find "$work/out" -name "*-quick.$1"; }

# --- everything goes wrong in its own way ---------------------------------------------------------------------------------
behave device hang
behave caches crash
behave overlap no_gpu
behave pass fail
behave attention_shapes nothing
behave paper measure_and_hang
quick "$work/first" --programs "$work/programs" --step-seconds 3
check_equal "the status of the first call" "$status" 1
check_equal "the order of the first call" "$(begun "$work/first")" "$all_steps"
expect() { check_equal "the result of $1" "$(result "$1")" "$2"; }
expect device stopped
expect caches failed
expect overlap skipped
expect attention passed
expect pass failed
expect plain_copies failed
expect data_path passed
expect attention_shapes failed
expect paper_steps passed
expect paper stopped
expect nvidia passed
read -r child parent <"$work/pids"
gone "$child" || fault "the child of what hung still runs"
gone "$parent" || fault "what hung still runs"
check_has "the first call" "$work/first" "FAILED: device: stopped after"
check_has "the first call" "$work/first" "it was ended by SIGSEGV"
check_has "the first call" "$work/first" "plain_copies: failed after 0 s: there is no program bench/cuda/plain_copies_bench"
check_has "the first call" "$work/first" 's: it ended with 1: it went wrong: "quoted" \ and | more'
check_has "the first call" "$work/first" "s: it ended with 0, but wrote no figures"
check_has "the first call" "$work/first" "SKIPPED: overlap because there is no GPU here"
check_equal "the number of reports" "$(report md | wc -l)" 1
for words in "| device | device and kernel tests | stopped: it was not done after 3 s |" "figures of data_path" \
             "figures of paper" "figures of nvidia" "All tests passed (3 assertions in 2 test cases)" "device begins" \
             "./dev gpu quick\`, driver"; do
  check_has "the report" "$(report md)" "$words"
done
check_lacks "the report" "$(report md)" "$work"
cat >"$work/read.cmake" <<'END'
file(READ "${FILE}" text)
string(JSON steps LENGTH "${text}" steps)
string(JSON reason GET "${text}" steps 4 reason)
string(JSON figure GET "${text}" results data_path figure)
string(JSON results LENGTH "${text}" results)
message("${steps} steps, ${results} results, figure ${figure}: ${reason}")
END
cmake -D "FILE=$(report json)" -P "$work/read.cmake" >"$work/json" 2>&1 || fault "the report is no JSON"
check_has "the report's JSON" "$work/json" '11 steps, 4 results, figure 1: it ended with 1: it went wrong: "quoted" \ and | more'

# --- a second call goes on, and finds all mended but what is missing --------------------------------------------------------
rm -rf "$work/behaviour"/* "$work/calls"
quick "$work/second" --programs "$work/programs"
check_equal "the order of the second call" "$(begun "$work/second")" \
  "overlap device caches pass plain_copies attention_shapes paper"
check_equal "what the second call ran" "$(calls)" "overlap device caches pass attention_shapes paper"
check_has "the second call" "$work/second" "Finished in an earlier call: attention data_path paper_steps nvidia."
expect device passed
expect plain_copies failed
check_equal "the status of the second call" "$status" 1
check_lacks "the report" "$(report md)" "device begins"
cp "$work/stand_in" "$work/programs/plain_copies_bench"  # other programs: results of the ones before are not theirs
quick "$work/third" --programs "$work/programs"
check_equal "the status with all programs" "$status" 0
check_equal "the order with other programs" "$(begun "$work/third")" "$all_steps"
calls >/dev/null
quick "$work/fourth" --programs "$work/programs"
check_equal "the order when all is finished" "$(begun "$work/fourth")" ""
check_equal "the status when all is finished" "$status" 0

# --- the time of a call is kept, and what it cut off comes first in the next one --------------------------------------------
behave caches nap
quick "$work/cut" --programs "$work/programs" --again --seconds 8
check_equal "the status of a call that was too short" "$status" 0
expect caches cut
check_equal "what a call that was too short began" "$(begun "$work/cut")" "device caches"
check_has "the short call" "$work/cut" "Left for the next ./dev gpu quick, which goes on from here: caches overlap attention pass plain_copies"
calls >/dev/null
quick "$work/rest" --programs "$work/programs"
check_equal "what the next one began" "$(begun "$work/rest")" \
  "${all_steps#device }"
check_equal "the status of the next one" "$status" 0
calls >/dev/null

# --- a call that is killed leaves something behind, which the next one ends; two at once are refused --------------------------
killed() {  # signal
  rm -f "$work/pids"
  "$work/tree/dev" gpu quick --no-install --anyway --to "$work/out" --programs "$work/programs" --again >"$work/killed" 2>&1 &
  local call=$! i
  for ((i = 0; i < 100; i++)); do [[ -s $work/pids ]] && break; sleep 0.1; done
  if [[ $1 == KILL ]]; then
    quick "$work/two" --programs "$work/programs"
    check_has "a second call at the same time" "$work/two" "another ./dev gpu quick is at work here"
    check_equal "its status" "$status" 1
  fi
  kill "-$1" "$call"
  wait "$call" 2>/dev/null && fault "a call that was ended by $1 ends with 0"
  read -r child parent <"$work/pids"
}
behave caches hang
killed TERM
both_gone || fault "a step outlives a call that was ended"
killed KILL
gone "$child" && fault "the step of a killed call is gone: this test shows nothing"
check_equal "what was finished is kept" "$(result device)" passed
rm -f "$work/behaviour/caches"
calls >/dev/null
quick "$work/after" --programs "$work/programs"
check_equal "the status after a killed call" "$status" 0
both_gone || fault "what a killed call left running still runs"
check_equal "what was begun after a killed call" "$(begun "$work/after")" "${all_steps#device }"
done_with
