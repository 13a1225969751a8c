# shellcheck shell=bash
# ./dev gpu: what needs a GPU, or nvcc.

gpu_usage() {
  cat <<'END'
./dev gpu quick          the most out of ten minutes: tests, the model against its reference, plain copies, the data path,
                         attention, served presets cut short; each bounded and written down at once to
                         docs/benchmarks/GPU-DATE-quick.md and .json. A second call goes on where the first was stopped
./dev gpu test           build and run what needs a GPU: the device, its kernels and caches, the HSTU model, a served trace
./dev gpu bench [REGEX]  run the GPU benchmarks and served presets whose names match, and write what they measured to
                         docs/benchmarks/GPU-DATE.md and .json
./dev gpu check [REGEX]  the GPU tests under compute-sanitizer's memcheck, racecheck, initcheck and synccheck; REGEX chooses
                         among "memcheck cuda_test", "memcheck hstu_cuda_test" and so on
./dev gpu report         registers, shared memory and spills of every kernel; needs nvcc, but no GPU
    --arch LIST          compile for these (default: the GPU's own; 80;90;100 where there is none)
    --to DIR             where quick and bench write (default: docs/benchmarks)
    --anyway             go on where there is no GPU: what was built runs, and says SKIPPED

./dev gpu quick takes besides
    --seconds N          end within so many seconds, whatever has not been done (default 480)
    --step-seconds N     no step may take longer; each has a bound of its own, this lowers them
    --again              all anew, also what was finished
    --programs DIR       build nothing: run the programs of DIR, a build folder or programs in one folder; needs no nvcc
    --dry-run            say what would be built and run, and for how long at most; needs neither a GPU nor nvcc

A machine without a network builds from what ./dev carry gathered elsewhere: ./dev gpu quick --prefix DIR.
END
}
why_no_gpu() {  # or fails, where there is one
  if ! have nvidia-smi && [[ ! -e /dev/nvidia0 ]]; then printf 'there is neither an nvidia-smi nor a /dev/nvidia0'
  elif have nvidia-smi && [[ $(timeout 30 nvidia-smi -L 2>/dev/null) != "GPU "* ]]; then printf 'nvidia-smi lists no GPU'
  else return 1; fi
}
gpu_find() {  # sets gpu_name, gpu_driver and gpu_capability, once; the driver tells the name where there is no nvidia-smi
  local facts
  facts=$({ timeout 30 nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>/dev/null || true; } | sed -n 1p)
  IFS=, read -r gpu_name gpu_driver gpu_capability <<<"${facts//, /,}"
  if [[ -z $gpu_name ]]; then
    gpu_name=$({ cat /proc/driver/nvidia/gpus/*/information 2>/dev/null || true; } | sed -n '/^Model:/{s/^Model:[[:space:]]*//p;q}')
    gpu_driver=$({ cat /sys/module/nvidia/version 2>/dev/null || true; } | sed -n 1p)
  fi
  gpu_name=${gpu_name:-none} gpu_driver=${gpu_driver:-unknown}
}
gpu_find_arch() {  # sets arch, unless it was named; nvcc's own query tells it where there is no nvidia-smi
  [[ -n $arch ]] && return
  arch=${gpu_capability//./}
  [[ $arch =~ ^[0-9]+$ ]] || arch=$({ timeout 30 "$(dirname "$(command -v nvcc)")/__nvcc_device_query" 2>/dev/null || true; } | sed 's/,.*//' | sed -n 1p)
  [[ $arch =~ ^[0-9]+$ ]] || arch="80;90;100"
}

gpu_configure() { configure gpu "-DCMAKE_CUDA_ARCHITECTURES=$arch" "$@"; }
gpu_known() {  # those of the targets that the configuration did not leave out
  local known target
  known=$(cmake --build "$root/build/gpu" --target help)
  for target in "$@"; do
    if grep -qE "(^|\.\.\. )$target(:| |$)" <<<"$known"; then printf '%s\n' "$target"; fi
  done
}
gpu_build() {  # targets; those that the configuration left out, because something is missing, were named by it
  local target there=()
  gpu_configure || return 1
  mapfile -t there < <(gpu_known "$@")
  for target in "$@"; do
    [[ " ${there[*]} " == *" $target "* ]] || skip "$target" "it is not built on this machine (see above)"
  done
  (( ${#there[@]} )) && build gpu "${there[@]}"
}
gpu_program() { find "$root/build/gpu" -name "$1" -type f -perm -u+x -print -quit; }

gpu_test() {
  headline "test"
  local before=$SECONDS
  if gpu_build cuda_test hstu_cuda_test mtgr_cuda_test decoder_cuda_test static_cuda kvstrata-gpu-replay example_10_cuda_device &&
     run_ctest gpu -R '^(cuda|hstu_cuda|mtgr_cuda|decoder_cuda|nvcc_.*|gpu_replay_on_gpu|example_10_cuda_device)$'; then
    ran+=("test in $((SECONDS - before)) s")
  else failed+=("test"); fi
}

gpu_bench() {  # $1: which, $2: where to. Each result is kept, so that several calls of one day fill one report
  headline "build"
  gpu_build cuda_benches kvstrata-gpu-replay || { failed+=("the build of the benchmarks"); return; }
  local name program results before log to
  results=$(gpu_results_folder bench "$(gpu_sources_id)")
  mkdir -p "$results"
  local -A commands=()
  for program in "$root"/build/gpu/bench/cuda/*_bench; do
    [[ -x $program ]] && commands[$(basename "$program")]=$program
  done
  program=$(gpu_program kvstrata-gpu-replay)
  [[ -n $program ]] && for name in paper nvidia; do commands[replay_$name]="$program --preset $name --verify 0.002"; done
  while IFS= read -r name; do
    [[ -n $name && $name =~ $1 ]] || continue
    headline "$name"
    before=$SECONDS log=$results/$name.log
    # shellcheck disable=SC2086
    if ! ${commands[$name]} --json "$results/$name.json" --markdown "$results/$name.md" 2>&1 | tee "$log"; then
      rm -f "$results/$name".{json,md}
      failed+=("$name")
    elif [[ ! -s $results/$name.json ]]; then skip "$name" "$(sed -n 's/^SKIPPED: .* because //p' "$log" | sed -n 1p)"
    else ran+=("$name in $((SECONDS - before)) s"); fi
  done < <(printf '%s\n' "${!commands[@]}" | sort)

  local measured=()
  for name in "$results"/*.md; do
    [[ -s $name && -s ${name%.md}.json ]] && measured+=("${name%.md}")
  done
  (( ${#measured[@]} )) || { say "Nothing was measured, so nothing is written."; return 0; }
  to=$2/$(gpu_slug "$gpu_name")-$(date -u +%Y-%m-%d)
  write_gpu_report "$to" "$gpu_name, $(date -u +%Y-%m-%d)" "\`./dev gpu bench\`, $(gpu_versions)." "${measured[@]}" ||
    { failed+=("the report $to"); return 0; }
  say "Written: $to.md and .json"
}

gpu_check() {  # $1: which
  headline "check"
  if ! have compute-sanitizer; then skip "./dev gpu check" "compute-sanitizer is not in PATH"; return; fi
  gpu_build cuda_test hstu_cuda_test mtgr_cuda_test decoder_cuda_test || { failed+=("the build of the GPU tests"); return; }
  local tool name program log before status
  for tool in memcheck racecheck initcheck synccheck; do
    for name in cuda_test hstu_cuda_test mtgr_cuda_test decoder_cuda_test; do
      program=$(gpu_program "$name")
      [[ -n $program && "$tool $name" =~ $1 ]] || continue
      headline "$tool $name"
      before=$SECONDS log=$root/build/gpu/$tool-$name.log status=0
      # Kernels one at a time: tests in which one waits for another are left out.
      CUDA_MODULE_LOADING=EAGER CUDA_DEVICE_MAX_CONNECTIONS=32 \
        compute-sanitizer --tool "$tool" --error-exitcode 99 "$program" '~[overlap]' >"$log" 2>&1 || status=$?
      if grep -q 'Device not supported' "$log"; then skip "$tool $name" "compute-sanitizer does not support this device"
      elif (( status )); then
        grep -m 40 -aE '^=========|FAILED' "$log" || tail -40 "$log"
        failed+=("$tool $name ($log)")
      elif grep -q "^SKIPPED: $name because" "$log"; then skip "$tool $name" "$(sed -n "s/^SKIPPED: $name because //p" "$log")"
      else
        tail -3 "$log"
        ran+=("$tool $name in $((SECONDS - before)) s")
      fi
    done
  done
}

gpu_report() {
  headline "report"
  if gpu_build static_cuda &&
     ctest --test-dir "$root/build/gpu" --no-tests=error -R '^nvcc_resources$' -V | sed -n 's/^[0-9]*: //p'; then
    ran+=("report")
  else failed+=("report"); fi
}

command_gpu() {
  local what=${1:-} anyway=no which=. to=$root/docs/benchmarks arch="" gpu_name="" gpu_driver="" gpu_capability="" reason
  local call_seconds=480 step_seconds=86400 again=no programs="" dry_run=no
  case $what in
    quick | test | bench | check | report) shift ;;
    "") gpu_usage; return 0 ;;
    *) fail "./dev gpu does quick, test, bench, check or report, not '$what'." ;;
  esac
  while (( $# )); do
    case $what:$1 in
      *:--anyway) anyway=yes ;;
      *:--arch) [[ ${2:-} =~ ^[0-9a-z\;]+$ ]] || fail "--arch wants architectures, as 90 or 80;90, not '${2:-}'."; arch=$2; shift ;;
      *:--to) [[ -n ${2:-} ]] || fail "--to wants a folder."; to=$2; [[ $to == /* ]] || to=$here/$to; shift ;;
      quick:--seconds) call_seconds=$(whole_seconds "$1" "${2:-}") || exit 1; shift ;;
      quick:--step-seconds) step_seconds=$(whole_seconds "$1" "${2:-}") || exit 1; shift ;;
      quick:--again) again=yes ;;
      quick:--dry-run) dry_run=yes ;;
      quick:--programs)
        programs=$(cd "$here" && cd "${2:-/nowhere}" 2>/dev/null && pwd) || fail "--programs wants a folder, not '${2:-}'."
        shift ;;
      *:-*) fail "./dev gpu $what does not know '$1'. ./dev gpu lists its options." ;;
      quick:*) fail "./dev gpu quick takes no '$1'. ./dev gpu lists its options." ;;
      *) which=$1; require_regex "./dev gpu $what" "$which" ;;
    esac
    shift
  done
  filter=""
  if [[ $dry_run == yes ]]; then gpu_find; quick_dry_run; return; fi
  if [[ -z $programs ]] && ! have nvcc; then
    skip "./dev gpu $what" "no nvcc is found in PATH or in /usr/local/cuda/bin"
    return 0
  elif [[ $what != report && $anyway == no ]] && reason=$(why_no_gpu); then
    skip "./dev gpu $what" "$reason"
    case $what in
      quick) say "./dev gpu quick --dry-run says what it would build and run." ;;
      test) say "It would run cuda_test, hstu_cuda_test, mtgr_cuda_test, decoder_cuda_test, a served trace and the checks of what nvcc makes." ;;
      bench) say "It would run the programs of bench/cuda and kvstrata-gpu-replay with the presets paper and nvidia." ;;
      check) say "It would run cuda_test, hstu_cuda_test, mtgr_cuda_test and decoder_cuda_test under memcheck, racecheck, initcheck and synccheck." ;;
    esac
    return 0
  fi
  gpu_find
  if [[ $what =~ ^(quick|bench)$ ]] && ! have python3; then optional+=("python3: writes the report"); fi
  if [[ -z $programs ]]; then
    need_toolchain
    need_catch
    need_tools
    install_missing "gpu $what"
    gpu_find_arch
    say "Compiling for the architectures $arch."
  fi
  case $what in
    quick) gpu_quick ;;
    test) gpu_test ;;
    bench) gpu_bench "$which" "$to" ;;
    check) gpu_check "$which" ;;
    report) gpu_report ;;
  esac
  summary
}
whole_seconds() {  # option, value
  [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || fail "$1 wants whole seconds from 1 to 99999, not '$2'."
  printf '%s' "$2"
}
