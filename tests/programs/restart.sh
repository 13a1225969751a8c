#!/usr/bin/env bash
# restart.sh REPLAY KVSTRATA_STORE: ends with 1 and says why unless the replay goes on from the store of a process that
# SIGKILL ended, answers as recomputation does, and leaves a store that is whole.
set -u
replay=$1
store=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fault() {
  echo "$1"
  cat "$folder/said"
  exit 1
}

small=(--users 12 --requests 60 --batch 3 --layers 2 --hidden 32 --heads 2 --head-dim 16 --history-scale 0.02 --candidates 2
       --page-tokens 8 --rounds 2 --cases none,default --verify 1)
"$replay" "${small[@]}" --nvme "$folder/kv" --nvme-bytes 16777216 --restart-at 30 > "$folder/said" 2>&1 ||
  fault "the replay ends with $?"
tr '\n' ' ' < "$folder/said" | tr -s ' ' > "$folder/line"
grep -q 'After 30 requests the process was ended by SIGKILL' "$folder/line" || fault "it does not say that it was restarted"
grep -Eq 'it left [1-9][0-9,]* tokens came from the store' "$folder/line" || fault "nothing came from the store"
"$store" --verify "$folder/kv" > "$folder/said" 2>&1 || fault "kvstrata-store ends with $?"
grep -q '^faults: none$' "$folder/said" || fault "the store has faults"

"$replay" "${small[@]}" --nvme "$folder/kv" --nvme-bytes 16777216 > "$folder/said" 2>&1
[[ $? == 2 ]] || fault "a file that is there is taken for a new store"
grep -q 'name a file that is not' "$folder/said" || fault "it does not say what is wrong"
"$replay" "${small[@]}" --nvme "$folder/none/kv" --nvme-bytes 16777216 --restart-at 30 > "$folder/said" 2>&1
[[ $? == 1 ]] || fault "a store that cannot be made is made"
exit 0
