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
