# shellcheck shell=bash
# Steps that cost each other nothing: each runs in a session of its own, is ended with all its children at its bound, and
# what came of it lies on disk before the next one begins. Knows nothing of GPUs. Needs Linux: sessions are read in /proc.
#
# The folder $kept notes what runs. In the folder $results a step NAME leaves NAME.log, what it printed, and NAME.result, one line "STATE SECONDS REASON":
#
#   passed    it ended with 0
#   failed    it ended otherwise, or could not be started
#   stopped   it was ended at its own bound
#   cut       it was ended because the time of the whole call was used up
#   skipped   it ended with 0 after a line "SKIPPED: ... because REASON"
#
# A step that has no NAME.result has not ended.

session=0  # the last one that was started

look_at_clock() {  # sets now, in milliseconds; an older bash knows whole seconds only
  now=${EPOCHREALTIME:-}
  if [[ -n $now ]]; then now=$((10#${now//[!0-9]/} / 1000)); else now=$((SECONDS * 1000)); fi
}
process_line() {  # process; prints its line in /proc from the state on, nothing when it is gone
  local line=""
  { IFS= read -r -d '' line <"/proc/$1/stat" || true; } 2>/dev/null
  printf '%s' "${line##*) }"
}
process_start() {  # process; prints when it began, which tells it from a later one of the same number
  local fields
  read -ra fields <<<"$(process_line "$1")"
  printf '%s' "${fields[19]:-}"
}
session_members() {  # session; prints its processes and their states, in whatever process groups; none that is dead
  local folder line
  for folder in /proc/[0-9]*; do
    line=""
    { IFS= read -r -d '' line <"$folder/stat" || true; } 2>/dev/null
    if [[ ${line##*) } =~ ^([^ZX])\ [0-9]+\ [0-9]+\ "$1"\  ]]; then printf '%s %s\n' "${folder#/proc/}" "${BASH_REMATCH[1]}"; fi
  done
}
signal_session() {  # signal, session; false when it has no members left
  local process any=1
  while read -r process _; do
    any=0
    kill "-$1" "$process" 2>/dev/null || true
  done < <(session_members "$2")
  return $any
}
end_session() {  # session: all of it, gently for three seconds, then at once; false when some of it cannot be ended
  local i
  for ((i = 0; i < 30; i++)); do
    if ! signal_session TERM "$1"; then return 0; fi
    signal_session CONT "$1" || return 0
    sleep 0.1
  done
  for ((i = 0; i < 50; i++)); do
    signal_session KILL "$1" || return 0
    sleep 0.1
  done
  return 1
}
pause_session() {  # session: until all of it stands still, or for a second
  local i
  for ((i = 0; i < 20; i++)); do
    [[ $(session_members "$1") == *\ [!Tt]* ]] || return 0
    signal_session STOP "$1" || return 0
    sleep 0.05
  done
}
resume_session() { signal_session CONT "$1" || true; }

start_session() {  # note, bound, log, command...: in the background. Sets `session`, and notes it for end_noted.
  # Should this shell be killed, the session ends by itself a little after its bound.
  local note=$1 bound=$2 log=$3 i
  shift 3
  rm -f "$log.status"
  (
    ulimit -c 0  # a core with a pinned tier in it takes minutes
    # shellcheck disable=SC2016
    exec setsid timeout --kill-after=5 $((bound + 10)) \
      bash -c 'to=$1; shift; "$@"; printf "%s\n" "$?" >"$to"' "the step" "$log.status" "$@"
  ) >"$log" 2>&1 </dev/null 9>&- &
  session=$!
  disown
  printf '%s %s\n' "$session" "$(process_start "$session")" >"$note"
  for ((i = 0; i < 100; i++)); do  # until it is one
    [[ $(process_line "$session") =~ ^[^ZX]\ [0-9]+\ [0-9]+\ "$session"\  ]] && return 0
    [[ -d /proc/$session ]] || return 0
    sleep 0.01
  done
}
session_is_over() {  # session, its log
  [[ -s $2.status ]] && return 0
  [[ $(process_line "$1") =~ ^[^ZX] ]] && return 1
  sleep 0.1
  return 0
}
end_noted() {  # note: ends what a call that was killed has left running, and nothing else
  local old began now
  [[ -s $1 ]] || return 0
  read -r old began <"$1" || true
  now=$(process_start "$old")
  # The number of a session that still has members is given to no other process.
  if [[ $old =~ ^[1-9][0-9]*$ && (-z $now || $now == "$began") ]]; then
    end_session "$old" || say "Process $old cannot be ended; going on beside it."
  fi
  rm -f "$1"
}

read_result() {  # step; sets state, took and reason, empty when it has none
  state="" took="" reason=""
  { read -r state took reason <"$results/$1.result" || true; } 2>/dev/null
}
set_result() {  # step, state, seconds, reason; on disk at once, whole or not at all
  local words=${4//[[:space:][:cntrl:]]/ }
  printf '%s %s %s\n' "$2" "$3" "${words:0:300}" >"$results/$1.result.part"
  mv "$results/$1.result.part" "$results/$1.result"
}

why_it_ended() {  # exit status, log
  local last
  last=$(grep -av '^[[:space:]]*$' "$2" | tail -1) || true
  if [[ $1 == 126 || $1 == 127 ]]; then printf 'it could not be started: %s' "$last"
  elif (( $1 > 128 && $1 < 165 )); then printf 'it was ended by SIG%s' "$(kill -l $(($1 - 128)))"
  else printf 'it ended with %s: %s' "$1" "$last"; fi
}
run_step() {  # step, its bound, seconds that the call has left, command...
  local step=$1 bound=$2 left=$3 log=$results/$1.log limit status="" begin now took
  shift 3
  limit=$((left < bound ? left : bound))
  rm -f "$results/$step".{result,json,md,log}
  look_at_clock
  begin=$now
  start_session "$kept/running.step" "$limit" "$log" "$@"
  while ! session_is_over "$session" "$log" && (( now - begin < limit * 1000 )); do
    sleep 0.1
    look_at_clock
  done
  { read -r status <"$log.status" || true; } 2>/dev/null
  end_session "$session" || say "Some of $step cannot be ended; going on beside it."
  rm -f "$kept/running.step" "$log.status"
  printf -v took '%d.%d' $(((now - begin) / 1000)) $(((now - begin) % 1000 / 100))
  if [[ $status == 0 ]]; then
    if grep -aqs '^SKIPPED: ' "$log"; then set_result "$step" skipped "$took" "$(sed -n 's/^SKIPPED: .* because //p' "$log" | sed -n 1p)"
    else set_result "$step" passed "$took" "$(grep -a -m 1 '^All tests passed' "$log" || true)"; fi
  elif [[ -n $status ]]; then set_result "$step" failed "$took" "$(why_it_ended "$status" "$log")"
  elif (( now - begin < limit * 1000 )); then set_result "$step" failed "$took" "it disappeared"
  elif (( limit < bound )); then set_result "$step" cut "$took" "the time of the call was used up"
  else set_result "$step" stopped "$took" "it was not done after $bound s"; fi
}
