#!/usr/bin/env bash
# Version: clang 20.1.2, as the package ziglang 0.15.2 on PyPI brings it (clang 14 of Debian 12 does the same); with g++ 12.2, where
# it is, beside it.
#
# A softmax begins with the largest of its scores. OpenMP's simd reduction is the portable way to have that loop in vectors
# where floating point is strict: each lane begins with what the reduction is neutral to, and the lanes are put together
# with what the variable was before.
#
# One would guess: the largest of nothing but -infinity is -infinity, as it is without the pragma. For that a lane of max begins
# with -infinity: OpenMP asks for the minimal representable number, and -infinity is one.
#
# What happens: clang's lanes begin with the least finite number, so the maximum is -3.40282e+38 where all is -infinity, and the
# minimum 3.40282e+38 where all is infinity, at any level of optimisation, with strict floating point. g++'s begin with the
# infinities.
#
# Why it matters: a row of attention in which everything is masked has the scores -infinity. Code that looks for a maximum of
# -infinity, to leave such rows alone, does not find one: it computes exp(-infinity - -3.4e38) = 0 for all and divides 0 by 0,
# or gives log(0) plus a number that looks like a score. Tests with g++ see nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION...; then $work/venv/bin/python has them
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$@" \
    >"$work/log" 2>&1 || missing "pip does not install $*: $(tail -n 1 "$work/log")"
  echo "$*"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}

install_pinned ziglang==0.15.2
export ZIG_GLOBAL_CACHE_DIR="$work/zig" ZIG_LOCAL_CACHE_DIR="$work/zig"
clang=("$work/venv/bin/python" -m ziglang c++)

cat >"$work/largest.cpp" <<'END'
#include <cmath>
#include <cstdio>

float largest(const float* values, int count)
{
  float most = -INFINITY;
#pragma omp simd reduction(max : most)
  for (int i = 0; i < count; ++i) most = values[i] > most ? values[i] : most;
  return most;
}

float least(const float* values, int count)
{
  float found = INFINITY;
#pragma omp simd reduction(min : found)
  for (int i = 0; i < count; ++i) found = values[i] < found ? values[i] : found;
  return found;
}

int main()
{
  float masked[40], rest[40];
  for (int i = 0; i < 40; ++i) {
    masked[i] = -INFINITY;
    rest[i] = INFINITY;
  }
  std::printf("    largest %g, least %g\n", largest(masked, 40), least(rest, 40));
  masked[7] = -5;
  rest[7] = 5;
  std::printf("    with a number among them %g, %g\n", largest(masked, 40), least(rest, 40));
}
END

run() {  # NAME COMPILER...
  echo "$1"
  "${@:2}" "$work/largest.cpp" -o "$work/largest" 2>"$work/log" || missing "$1: $(head -n 1 "$work/log")"
  "$work/largest"
}

right='    largest -inf, least inf
    with a number among them -5, 5'
wrong='    largest -3.40282e+38, least 3.40282e+38
    with a number among them -5, 5'
expected="clang, without the pragma
$right
clang, -O0
$wrong
clang, -O2
$wrong"
seen=$(
  run "clang, without the pragma" "${clang[@]}" -O2 -Wno-unknown-pragmas
  run "clang, -O0" "${clang[@]}" -O0 -fopenmp-simd
  run "clang, -O2" "${clang[@]}" -O2 -fopenmp-simd
)
if command -v g++ >"$work/log"; then
  expected+="
g++, -O2
$right"
  seen+="
$(run "g++, -O2" g++ -O2 -fopenmp-simd)"
fi
compare "$expected" "$seen"
