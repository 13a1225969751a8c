#!/usr/bin/env bash
# Version: safetensors 0.8.0 with numpy 2.4.6 and ml_dtypes 0.6.0.
#
# safetensors.numpy writes a dictionary of numpy arrays to a file of weights and reads it back. ml_dtypes gives numpy the
# types in which models' keys, values and weights are kept: bfloat16 and the 8-bit ones.
#
# One would guess: what save() takes without an error, load() of the same package gives back as it was; save() copies
# an array that is not contiguous, as numpy's own writers do, or refuses it, as it does for types that it does not know.
#
# What happens: save() writes the bytes that lie at the array's address, under the shape of the view. A transposed matrix
# comes back with the right shape and type, and with its elements elsewhere; so does one in Fortran's order. bfloat16
# and float8_e4m3fn are written, and load() of what save() has just made ends in KeyError: 'BF16', 'F8_E4M3'. The file is a
# good one: the sizes are right, and other readers take it.
#
# Why it matters: linear layers are stored as [out, in] by some frameworks and as [in, out] by others, so that whoever
# converts weights has a transposed view in hand. All checks of names, shapes and sizes pass, and the model answers
# nonsense. Write numpy.ascontiguousarray(x), and compare values, not shapes, after a conversion.
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

install_pinned safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0

expected='as it is: F32 [2, 3] in the file; the same
transposed: F32 [3, 2] in the file; shape and type the same, [[0, 1], [2, 3], [4, 5]] for [[0, 3], [1, 4], [2, 5]]
in the order of Fortran: F32 [2, 3] in the file; shape and type the same, [[0, 3, 1], [4, 2, 5]] for [[0, 1, 2], [3, 4, 5]]
transposed, made contiguous: F32 [3, 2] in the file; the same
big-endian: F32 [2, 3] in the file; the same
float16: F16 [2, 3] in the file; the same
bfloat16: BF16 [2, 3] in the file; load ends in KeyError BF16
float8_e4m3fn: F8_E4M3 [2, 3] in the file; load ends in KeyError F8_E4M3'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
import json

import ml_dtypes
import numpy
from safetensors.numpy import load, save

matrix = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
for name, array in (
    ("as it is", matrix),
    ("transposed", matrix.T),
    ("in the order of Fortran", numpy.asfortranarray(matrix)),
    ("transposed, made contiguous", numpy.ascontiguousarray(matrix.T)),
    ("big-endian", matrix.astype(">f4")),
    ("float16", matrix.astype(numpy.float16)),
    ("bfloat16", matrix.astype(ml_dtypes.bfloat16)),
    ("float8_e4m3fn", matrix.astype(ml_dtypes.float8_e4m3fn)),
):
    file = save({"w": array})
    told = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])["w"]
    text = f"{name}: {told['dtype']} {told['shape']} in the file; "
    try:
        back = load(file)["w"]
    except KeyError as error:
        print(f"{text}load ends in KeyError {error.args[0]}")
        continue
    if numpy.array_equal(back, array):
        print(f"{text}the same")
    elif back.shape == array.shape and back.dtype == array.dtype:
        print(f"{text}shape and type the same, {back.astype(int).tolist()} for {array.astype(int).tolist()}")
    else:
        print(f"{text}another shape or type")
END
)"
