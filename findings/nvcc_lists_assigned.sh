#!/usr/bin/env bash
# Version: nvcc 13.0.88, from NVIDIA's packages on PyPI; with g++ 12.2 as its host compiler, which is looked at beside it.
#
# nvcc hands the host code of a .cu file on to the host compiler, after it has taken it apart and written it down again.
# C++20 has designated initialisers: point{.a = 5, .c = 7} leaves b what it is by itself.
#
# One would guess: what is accepted without a warning means on the host what the host compiler alone makes of it.
#
# What happens: where a list with designators is *assigned* in a template, and something in the assignment depends on a
# template parameter, it is written down without the designators. So the values go to the members in their order: c's to
# b. Nothing is said where the types allow it. Declarations, arguments, what is returned, lists within lists and lists
# behind the name of a type keep their designators, and so do assignments in which nothing depends.
#
# Why it matters: header-only libraries are templates, and plans and configurations are assigned like this. The same
# header is right in a .cpp and wrong in a .cu of one program, and tests on the host compiler see nothing. Write
# p = point{.a = 5, .c = 7}.
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

command -v g++ >"$work/log" || missing "g++ is not installed"
install_pinned nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-runtime==13.0.96 \
  nvidia-cuda-cccl==13.0.85
toolkit=$(dirname "$(dirname "$(find "$work/venv" -name nvcc -path '*/bin/*' | head -n 1)")")

cat >"$work/lists.cu" <<'END'
#include <cstdio>

struct point
{
  int a = 1, b = 2, c = 3;
};
struct source
{
  int five() const { return 5; }
};

void say(const char* what, const point& p) { std::printf("    %s: %d %d %d\n", what, p.a, p.b, p.c); }

template <class Source>
struct forms
{
  Source from;
  point returned() const { return {.a = from.five(), .c = 7}; }
  void run() const
  {
    point p;
    p = {.a = from.five(), .c = 7};
    say("assigned", p);
    p = {.a = 5, .c = 7};
    say("assigned, nothing depends", p);
    p = point{.a = from.five(), .c = 7};
    say("assigned, with its type", p);
    const point q = {.a = from.five(), .c = 7};
    say("declared", q);
    say("returned", returned());
  }
};

int main() { forms<source>{}.run(); }
END

expected='g++
    assigned: 5 2 7
    assigned, nothing depends: 5 2 7
    assigned, with its type: 5 2 7
    declared: 5 2 7
    returned: 5 2 7
nvcc
    assigned: 5 7 3
    assigned, nothing depends: 5 2 7
    assigned, with its type: 5 2 7
    declared: 5 2 7
    returned: 5 2 7'

g++ -std=c++20 -Wall -Wextra -x c++ "$work/lists.cu" -o "$work/by_gcc" 2>"$work/log" || missing "g++: $(head -n 1 "$work/log")"
# g++ links, as the packages lay their libraries out in another way than nvcc looks for them.
"$toolkit/bin/nvcc" -std=c++20 -arch=sm_80 --cudart=none -Xcompiler -Wall -c "$work/lists.cu" -o "$work/by_nvcc.o" \
  >"$work/said" 2>&1 || missing "nvcc: $(head -n 1 "$work/said")"
if [[ -s $work/said ]]; then cat "$work/said"; fi
g++ "$work/by_nvcc.o" -o "$work/by_nvcc" -L"$toolkit/lib" -L"$toolkit/lib64" -lcudart_static -ldl -lrt -lpthread \
  2>"$work/log" || missing "the program cannot be linked: $(head -n 1 "$work/log")"

compare "$expected" "$(echo g++; "$work/by_gcc"; echo nvcc; "$work/by_nvcc")"
