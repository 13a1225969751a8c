#!/usr/bin/env bash
# cluster.sh DEV EXAMPLE REPLAY: ends with 1 and says why unless processes share users over a real cluster: those of the example,
# and those of a replay, whose answers are what recomputation gives. REPLAY may be empty, where none is built. Says SKIPPED where there is no server.
set -u
dev=$1
example=$2
replay=${3:-}
if ! command -v redis-server > /dev/null || ! command -v redis-cli > /dev/null; then
  echo "SKIPPED: there is no redis-server"
  exit 0
fi
folder=$(mktemp -d)
export KVSTRATA_CLUSTER_DIR=$folder/cluster
trap 'bash "$dev" --no-install cluster down --dir "$KVSTRATA_CLUSTER_DIR" > /dev/null 2>&1; rm -rf "$folder"' EXIT
fault() {
  echo "$1"
  cat "$folder/said"
  exit 1
}

"$example" > "$folder/said" 2>&1 || fault "without a cluster the example ends with $?"
grep -q '^SKIPPED' "$folder/said" || fault "without a cluster the example does not say so"

mkdir "$folder/data"
echo mine > "$folder/data/file"
bash "$dev" --no-install cluster up --dir "$folder/data" > "$folder/said" 2>&1 && fault "it comes up in a folder that down would remove with what is in it"
grep -q "holds something else" "$folder/said" || fault "it does not say why a folder is refused"
[[ -e $folder/data/file ]] || fault "it removes what is not its own"
up=no
for _ in 1 2 3 4; do
  port=$((20000 + RANDOM % 1000 * 10))
  bash "$dev" --no-install cluster up --dir "$KVSTRATA_CLUSTER_DIR" --port "0$port" > "$folder/said" 2>&1 && { up=yes; break; }
done
[[ $up == yes ]] || fault "no cluster comes up"
seq -f '127.0.0.1:%.0f' "$port" $((port + 5)) | cmp -s - "$folder/said" || fault "it does not print one address a line"
password=$(cat "$KVSTRATA_CLUSTER_DIR/password")
[[ $(stat -c %a "$KVSTRATA_CLUSTER_DIR/password") == 600 ]] || fault "others may read the password"
ps axww -o args > "$folder/processes"
grep -qF "$password" "$folder/processes" && fault "the password is in the list of processes"
grep -rlF "$password" "$KVSTRATA_CLUSTER_DIR" | while read -r file; do
  [[ $(stat -c %a "$file") == 600 ]] || echo "$file"
done > "$folder/open"
[[ ! -s $folder/open ]] || fault "files that others may read have the password"
bash "$dev" --no-install cluster status --dir "$KVSTRATA_CLUSTER_DIR" > "$folder/said" 2>&1 || fault "status ends with $?"
bash "$dev" --no-install cluster up --dir "$KVSTRATA_CLUSTER_DIR" --port "$port" > "$folder/said" 2>&1 && fault "a second one comes up"

"$example" > "$folder/said" 2>&1 || fault "the example ends with $?"
grep -q '7360 tokens of another process, 0 rows wrong; of the erased user: 0' "$folder/said" || fault "the example shares nothing"
grep -qF "$password" "$folder/said" && fault "the example says the password"

if [[ -n $replay ]]; then
  small=(--users 12 --requests 60 --batch 3 --layers 2 --hidden 32 --heads 2 --head-dim 16 --history-scale 0.02 --candidates 2
         --page-tokens 8 --rounds 2 --cases none,default --verify 1)
  "$replay" "${small[@]}" --cluster "127.0.0.1:$port" --processes 2 --routers round_robin,affinity,soonest,user --json "$folder/json" > "$folder/said" 2>&1 ||
    fault "the replay ends with $?"
  tr '\n' ' ' < "$folder/said" | tr -s ' ' > "$folder/line"
  grep -Eq 'requests by turns: of [0-9,]+ tokens .* came from the cluster' "$folder/line" || fault "it does not say where hits came from"
  for router in affinity soonest; do
    grep -Eq "routed by $router: of [0-9,]+ tokens .* came from the cluster" "$folder/line" || fault "it does not route by $router"
  done
  grep -Eq 'one killed in the middle and replaced: .* compared with recomputation, 0 differ' "$folder/line" ||
    fault "it does not say how a process was replaced"
  grep -qF "$password" "$folder/said" "$folder/json" && fault "the replay says the password"
  KVSTRATA_CLUSTER_PASSWORD=swordfish "$replay" "${small[@]}" --cluster "127.0.0.1:$port" > "$folder/said" 2>&1
  [[ $? == 1 ]] || fault "a wrong password is taken"
  grep -q 'password is refused' "$folder/said" || fault "it does not say what is wrong"
  grep -q swordfish "$folder/said" && fault "it says the password"
  "$replay" "${small[@]}" --processes 2 > "$folder/said" 2>&1
  [[ $? == 2 ]] || fault "processes share nothing, and it goes on"
fi
bash "$dev" --no-install cluster down --dir "$KVSTRATA_CLUSTER_DIR" > "$folder/said" 2>&1 || fault "down ends with $?"
[[ ! -e $KVSTRATA_CLUSTER_DIR ]] || fault "down leaves something"
exit 0
