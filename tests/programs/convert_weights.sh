#!/usr/bin/env bash
# convert_weights.sh CONVERTER SERVE: ends with 1 and says why unless state dicts of the public models, made here by their
# names and shapes, become files that the example SERVE serves from a cache; and what is no such state dict is refused with
# its reason. $KVSTRATA_NUMPY_PYTHON, or python3, runs them; prints SKIPPED where it has no numpy.
set -u
python=${KVSTRATA_NUMPY_PYTHON:-python3}
converter=$1
serve=$2
here=$(cd "$(dirname "$0")" && pwd)
if ! "$python" -c 'import numpy' 2>/dev/null; then
  echo "SKIPPED: the test of convert_weights.py because $python has no numpy (Debian: python3-numpy)"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fault() {
  echo "$1"
  cat "$folder/said"
  exit 1
}

"$python" "$here/make_state_dict.py" "$folder" > "$folder/said" 2>&1 || fault "no state dicts could be made"
convert() { "$python" "$converter" "$@" > "$folder/said" 2>&1; }
serves() {  # FILE HISTORY
  "$serve" "$folder/$1" "$2" > "$folder/said" 2>&1 || fault "$1 is not served"
  grep -q 'the largest difference from recomputation is' "$folder/said" || fault "$1: nothing was compared"
}
convert nvidia "$folder/nvidia.pth" "$folder/nvidia.safetensors" --heads 4 --normaliser 512 || fault "nvidia.pth is refused"
grep -q '2 layers, hidden 24, 4 heads of 6, ' "$folder/said" || fault "other sizes"
serves nvidia.safetensors 200
convert nvidia "$folder/inference.npz" "$folder/inference.safetensors" --heads 4 --normaliser 512 --dtype bf16 \
  --activation gelu || fault "inference.npz is refused"
serves inference.safetensors 200
convert meta "$folder/meta.pth" "$folder/meta.safetensors" --heads 2 || fault "meta.pth is refused"
serves meta.safetensors 100
convert meta "$folder/meta.safetensors" "$folder/again.safetensors" --heads 2 && fault "a converted file is converted again"

"$python" "$here/make_state_dict.py" --check "$folder" > "$folder/said" 2>&1 || fault "the files hold other values"

refused() {  # WHAT IT SAYS, ARGUMENTS
  local wanted=$1
  shift
  convert "$@" "$folder/none" --heads "${heads:-4}" --normaliser 9 && fault "it converts what it should refuse: $wanted"
  grep -q "^error: .*$wanted" "$folder/said" || fault "it does not say '$wanted'"
  [[ -e $folder/none ]] && fault "a refused conversion leaves a file"
  return 0
}
refused 'that the table does not know .*_surprise' nvidia "$folder/unknown.npz"
refused 'no finite number' nvidia "$folder/nan.npz"
heads=5 refused 'not that many times four' nvidia "$folder/inference.npz"
refused 'the layers 0, 1, ... with a projection each are not in it' nvidia "$folder/hole.npz"
refused 'concat_ua' meta "$folder/concat.npz"
refused 'reaches beyond its storage' nvidia "$folder/beyond.pth"
echo nothing > "$folder/text"
refused 'neither a file of PyTorch' nvidia "$folder/text"
convert nvidia "$folder/inference.npz" "$folder/none" --heads 4 && fault "no normaliser is needed"
grep -q 'normaliser is needed' "$folder/said" || fault "it does not ask for a normaliser"
# What a pickle would run is not run.
convert nvidia "$folder/evil.pth" "$folder/none" --heads 4 --normaliser 9
[[ -e $folder/ran ]] && fault "the converter ran code out of a state dict"
exit 0
