# shellcheck shell=bash
# ./dev gpu quick: the most out of ten minutes on a GPU. gpu_quick_steps.bash lists what it runs.

kept=$root/build/gpu/quick  # notes of what runs

quick_bound() { printf '%s' $((quick_seconds_of[$1] < step_seconds ? quick_seconds_of[$1] : step_seconds)); }
quick_program() {  # step: where its program lies; false when it is not there
  local path=${quick_path[$1]} place
  for place in "${programs:-$root/build/gpu}/$path" ${programs:+"$programs/${path##*/}"}; do
    if [[ -f $place && -x $place ]]; then printf '%s\n' "$place"; return 0; fi
  done
  return 1
}
quick_targets() {  # each once, in the order of the list
  local step seen=" "
  for step in "${quick_steps[@]}"; do
    [[ $seen == *" ${quick_target[$step]} "* ]] || printf '%s\n' "${quick_target[$step]}"
    seen+="${quick_target[$step]} "
  done
}

quick_find_results() {  # sets `results` and `report`
  local id step
  if [[ -z $programs ]]; then id=$(gpu_sources_id)
  else
    id=$(for step in "${quick_steps[@]}"; do quick_program "$step" || true; done | sort -u |
      xargs -r -d '\n' cat -- | sha256sum | cut -c1-12)
  fi
  results=$(gpu_results_folder quick "$id")
  report=$to/$(gpu_slug "$gpu_name")-$(date -u +%Y-%m-%d)-quick
}
# First what no call has come to, or had the time for; then what failed or was stopped at its bound: tried again behind
# the others, it costs them nothing.
quick_find_order() {  # sets `todo` and `finished`
  local step behind=() state took reason
  todo=() finished=()
  for step in "${quick_steps[@]}"; do
    read_result "$step"
    case $again:$state in
      no:passed) finished+=("$step") ;;
      no:failed | no:stopped) behind+=("$step") ;;
      *) todo+=("$step") ;;
    esac
  done
  todo+=("${behind[@]}")
}

quick_dry_run() {
  local results report todo finished step state took reason number=0 others
  quick_find_results
  quick_find_order
  say "./dev gpu quick, $call_seconds s for all of it (--seconds), building and installing included:"
  for step in "${quick_steps[@]}"; do
    read_result "$step"
    number=$((number + 1))
    printf '%2d. %s: %s%s\n' "$number" "$step" "${quick_what[$step]}" "${state:+ [$state in an earlier call]}"
    printf '    at most %d s, %s\n' "$(quick_bound "$step")" \
      "$([[ ${quick_how[$step]} == beside ]] && printf 'perhaps while others are built' || printf 'by itself')"
    printf '    %s%s\n' "${quick_shown[$step]}" "$([[ ${quick_how[$step]} == figures ]] && printf ' --json FILE --markdown FILE')"
  done
  if [[ -n $programs ]]; then say "Builds nothing: the programs are those of $programs."
  else
    others=$(quick_targets | grep -vx "$quick_first_target" | tr '\n' ' ')
    say "Builds $quick_first_target; then ${others% }, while steps run that may run beside it. A step begins"
    say "when its own program is there; where that cannot be built, its own steps fail and the others run."
  fi
  say "Order in this call: ${todo[*]:-nothing, all is finished; --again runs it anew}."
  say "Results: $results"
  say "Report, anew after each step: $report.md and .json"
}

# --- building, in the background ---------------------------------------------------------------------------------------
quick_start_build() {  # false when the configuration fails
  local targets go_on=-k configure_seconds=150
  mapfile -t targets < <(quick_targets)
  gpu_configure "-DKVSTRATA_READY=$(IFS=';'; printf '%s' "${targets[*]}")" || return 1
  mapfile -t buildable < <(gpu_known "${targets[@]/#/ready_}")
  rm -rf "$root/build/gpu/ready"  # tools/dev/ready.cmake leaves a mark there for what is built and up to date
  [[ -e $root/build/gpu/build.ninja ]] && go_on=-k0
  # shellcheck disable=SC2016
  start_session "$kept/running.build" $((call_seconds - SECONDS)) "$kept/build.log" nice bash -c '
    folder=$1 jobs=$2 go_on=$3 first=$4
    shift 4
    timeout --kill-after=5 240 cmake --build "$folder" --parallel "$jobs" --target "$first" -- "$go_on"
    cmake --build "$folder" --parallel "$jobs" --target "$@" -- "$go_on"' \
    quick "$root/build/gpu" "$jobs" "$go_on" "ready_$quick_first_target" "${buildable[@]}"
  build_session=$session build_began=$SECONDS
}
quick_built() {  # step, patience in seconds. 0: its program is there; 1: it will not be, and why_not says why; 2: not yet
  local target=${quick_target[$1]} until=$((SECONDS + $2)) over
  if [[ -n $programs ]]; then
    why_not="there is no program ${quick_path[$1]}"
    quick_program "$1" >/dev/null
    return
  fi
  if [[ " ${buildable[*]} " != *" ready_$target "* ]]; then
    why_not="it is not built on this machine (build/gpu.configure.log)"
    return 1
  fi
  if [[ $target == "$quick_first_target" ]] && (( until < build_began + 250 )); then until=$((build_began + 250)); fi
  while true; do
    over=no
    session_is_over "$build_session" "$kept/build.log" && over=yes
    [[ ! -e $root/build/gpu/ready/$target ]] || return 0
    if [[ $over == yes ]]; then
      why_not="$target could not be built: $(quick_error "$target")"
      return 1
    fi
    (( SECONDS < until && SECONDS < call_seconds )) || return 2
    sleep 0.1
  done
}
quick_error() {  # target: the first error of its own in the log of the build, else the first
  local own
  own=$(sed -n "/^FAILED: .*$1/,\$p" "$kept/build.log" | grep -aiE -m 1 'error[: ]') || true
  printf '%s' "${own:-$(grep -aiE -m 1 'error[: ]' "$kept/build.log" || true)}"
}

# --- running -----------------------------------------------------------------------------------------------------------
quick_run() {  # step: its program is there
  local step=$1 how=${quick_how[$1]} words i state took reason
  read -ra words <<<"env ${quick_command[$step]}"
  for i in "${!words[@]}"; do
    if [[ ${words[i]} == "${quick_path[$step]}" ]]; then words[i]=$(quick_program "$step"); fi
  done
  if have stdbuf; then words=(stdbuf -oL "${words[@]}"); fi  # what a program has said is in its log when it hangs
  if [[ $how == figures ]]; then words+=(--json "$results/$step.json" --markdown "$results/$step.md"); fi
  if [[ $how != beside && -n $build_session ]]; then pause_session "$build_session"; fi
  run_step "$step" "$(quick_bound "$step")" $((call_seconds - SECONDS)) "${words[@]}"
  if [[ $how != beside && -n $build_session ]]; then resume_session "$build_session"; fi
  read_result "$step"
  if [[ $how == figures && $state == passed && ! -s $results/$step.json ]]; then
    set_result "$step" failed "$took" "it ended with 0, but wrote no figures"
  fi
}
quick_try() {  # step, patience; puts it off when its program is not there in time
  local step=$1 why_not="" built=0 state sentence
  (( call_seconds - SECONDS >= 2 )) || return 0
  quick_built "$step" "$2" || built=$?
  if (( built == 2 )); then late+=("$step"); return 0; fi
  (( call_seconds - SECONDS >= 2 )) || return 0
  headline "$step: ${quick_what[$step]}, at most $(quick_bound "$step") s"
  if (( built == 1 )); then set_result "$step" failed 0 "$why_not"
  elif ! quick_program "$step" >/dev/null; then set_result "$step" failed 0 "there is no program ${quick_path[$step]}"
  else
    quick_run "$step"
    tail -n 3 "$results/$step.log"
  fi
  quick_read_sentence "$step"
  say "$sentence"
  quick_write_report
}
quick_read_sentence() {  # step; sets state and sentence
  local took reason
  read_result "$1"
  sentence="$1: $state after $took s${reason:+: $reason}"
}

# --- the report --------------------------------------------------------------------------------------------------------
quick_list() {  # three texts a step, as gpu_report.py reads them
  local step
  for step in "${quick_steps[@]}"; do printf '%s\0%s\0%s\0' "$step" "${quick_what[$step]}" "${quick_shown[$step]}"; done
}
quick_write_report() {  # of all that is known until now; nothing when no step ran on a GPU
  local step measured=() ran_any=no words state took reason
  for step in "${quick_steps[@]}"; do
    read_result "$step"
    [[ -z $state || $state == skipped ]] || ran_any=yes
    if [[ -s $results/$step.md && -s $results/$step.json ]]; then measured+=("$results/$step"); fi
  done
  [[ $ran_any == yes ]] || return 0
  words="\`./dev gpu quick\`, $versions. Main rows and shapes only: \`./dev gpu bench\` measures all."
  quick_list | write_gpu_report "$report" "$gpu_name, $(date -u +%Y-%m-%d), quick" "$words" --versions "$versions" \
    --steps "$results" --hide "${programs:-$root}" --hide "$root" "${measured[@]}" && report_failed=no ||
    report_failed=yes  # the figures stay in $results
}

# --- the command -------------------------------------------------------------------------------------------------------
quick_end_all() {  # what still runs, in whatever way this call or an earlier one ends
  end_noted "$kept/running.step"
  end_noted "$kept/running.build"
}
gpu_quick() {
  local results report versions todo finished late=() step buildable=() build_session="" build_began=0
  have setsid || fail "./dev gpu quick needs setsid, which util-linux has."
  quick_find_results
  mkdir -p "$results" "$kept"
  if have flock; then
    exec 9>"$kept/lock"
    # A call that was killed may have left a child, such as a sleep, that holds the lock a moment longer.
    flock -w 3 9 || fail "another ./dev gpu quick is at work here, and two would disturb each other."
  fi
  quick_end_all
  trap quick_end_all EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  quick_find_order
  [[ $again == no ]] || rm -f "$results"/*.{result,json,md,log}
  versions=$(gpu_versions)
  (( ${#finished[@]} == 0 )) || say "Finished in an earlier call: ${finished[*]}. --again runs all anew."
  if (( ${#todo[@]} )); then
    if [[ -z $programs ]] && ! quick_start_build; then
      failed+=("the configuration (build/gpu.configure.log)")
      return 0
    fi
    # Whatever goes wrong here, even a full disk, costs one step.
    for step in "${todo[@]}"; do quick_try "$step" 30 || say "$step could not be dealt with."; done
    todo=("${late[@]}")
    for step in "${todo[@]}"; do quick_try "$step" "$call_seconds" || say "$step could not be dealt with."; done
  fi
  quick_end_all
  quick_write_report
  quick_summary
}
quick_summary() {
  local step left=() state took reason sentence
  for step in "${quick_steps[@]}"; do
    read_result "$step"
    case $state in
      passed) ran+=("$step in $took s") ;;
      skipped) skipped+=("SKIPPED: $step because $reason") ;;
      failed | stopped)
        quick_read_sentence "$step"
        failed+=("$sentence ($results/$step.log)") ;;
      *) left+=("$step") ;;
    esac
  done
  if [[ ${report_failed:-no} == yes ]]; then failed+=("the report $report")
  elif [[ -s $report.md ]]; then say "Written: $report.md and .json"; else say "Nothing ran on a GPU, so nothing is written."; fi
  (( ${#left[@]} == 0 )) || say "Left for the next ./dev gpu quick, which goes on from here: ${left[*]}."
}
