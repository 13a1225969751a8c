# shellcheck shell=bash disable=SC2034
# What ./dev gpu quick runs, the most valuable first.
#
#   quick_step NAME SECONDS HOW TARGET WHAT COMMAND...
#
# SECONDS bound it. TARGET builds its program, which COMMAND names by where it lies in a build folder, behind variables of
# its environment. No word of COMMAND has a space in it. HOW is one of
#
#   beside   it may run while others are built: nothing in it is a measurement
#   alone    the build stands still meanwhile
#   figures  alone, and it measures: --json FILE --markdown FILE are added
#
# No two steps depend on each other. What may crash or hang for a reason of its own is a step of its own: a GPU that was
# read or written where it must not be is lost to the whole process.
quick_steps=()
declare -A quick_seconds_of=() quick_how=() quick_target=() quick_what=() quick_command=()
declare -A quick_path=()   # the program, as the command names it
declare -A quick_shown=()  # the command as a shell reads it, the program without its folder
quick_step() {
  local step=$1 word line=""
  quick_steps+=("$step")
  quick_seconds_of[$step]=$2 quick_how[$step]=$3 quick_target[$step]=$4 quick_what[$step]=$5
  shift 5
  quick_command[$step]=$*
  for word in "$@"; do
    if [[ -z ${quick_path[$step]:-} && $word != *=* ]]; then
      quick_path[$step]=$word
      word=${word##*/}
    fi
    if [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then line+=" $word"; else line+=" '$word'"; fi
  done
  quick_shown[$step]=${line:1}
}

quick_first_target=cuda_test  # is built before all others

# Kernels are loaded before gates shut, and every stream has a queue of its own, as tests/cuda/CMakeLists.txt has it.
quick_tests="CUDA_MODULE_LOADING=EAGER CUDA_DEVICE_MAX_CONNECTIONS=32 tests/cuda/cuda_test --durations yes"
quick_step device    60 beside cuda_test "device and kernel tests" $quick_tests '~[cuda]'
quick_step caches   150 beside cuda_test "tests of tiers, engines and caches on the device" $quick_tests '[cuda]~[overlap]'
quick_step overlap   40 alone  cuda_test "tests that layers arrive while others compute" $quick_tests '[overlap]'

quick_tests="tests/hstu_gpu/cuda/hstu_cuda_test --durations yes"
quick_step attention 60 beside hstu_cuda_test "the HSTU pass against the reference: attention" $quick_tests 'attention*'
quick_step pass      90 beside hstu_cuda_test "the HSTU pass against the reference: all of it" $quick_tests '~attention*'

quick_step plain_copies     40 figures cuda_plain_copies_bench "plain copies" bench/cuda/plain_copies_bench
quick_step data_path       120 figures cuda_data_path_bench "the data path's main rows" \
  bench/cuda/data_path_bench --quick --rounds 3
quick_step attention_shapes 60 figures cuda_attention_bench "attention's main shapes" \
  bench/cuda/attention_bench --quick --rounds 3

# The paper's shape. Served with 60 of its 160 users and 4,800 of its 12,000 requests over as much less of memory, every
# tier serves within two per cent of the tokens that it serves there; --plan says so.
quick_replay="tools/gpu_replay/kvstrata-gpu-replay --quiet"
quick_step paper_steps      90 figures kvstrata-gpu-replay "the paper preset: single steps" \
  $quick_replay --preset paper --step-tokens 1024,10000,40000 --step-rounds 3 --cases none --users 8 --requests 8 \
  --no-cache-every 1
quick_step paper           150 figures kvstrata-gpu-replay "the paper preset, served, cut short" \
  $quick_replay --preset paper --step-tokens 0 --cases none,default --users 60 --requests 4800 --device-mib 7680 \
  --host-mib 21504 --no-cache-every 60 --verify 0.005
quick_step nvidia          150 figures kvstrata-gpu-replay "the nvidia preset" \
  $quick_replay --preset nvidia --step-rounds 3 --cases none,mtserve,default --verify 0.002
