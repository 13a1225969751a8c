// Draws the charts of the page from the JSON it carries, with the helpers of chart.js: one function a chart.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const places = 8;  // colours and dashes that lines are told apart by
const colour = i => `var(--case${i % places})`;
const dashes = ["2 3", "7 3", "1 0", "9 3 2 3", "1 0", "5 2", "12 3", "3 2 1 2"];
const plain = ["none", "device", "synchronous", "mtserve", "default"];
const levels = [];  // names, from the slab down
for (const c of data.cases) c.levels.slice(levels.length).forEach(level => levels.push(level.name));

const from = (tokens, level) => tokens.levels[level] || 0;
const hit = tokens => tokens.levels.reduce((sum, count) => sum + count, 0);
const total = tokens => hit(tokens) + tokens.computed || 1;
const hits = tokens => hit(tokens) / total(tokens);
// Where tokens can come from: colour, name, how many did.
const parts = levels.map((name, i) => [`level${Math.min(i, 3)}`, name, tokens => from(tokens, i)]).concat(
  [["computed", "computed again", tokens => tokens.computed]]);
function lineLegend(holder, cases) {
  const box = html("p", { class: "legend" }, holder);
  for (const c of cases) {
    const item = html("span", {}, box);
    const key = svg("svg", { width: 26, height: 10, viewBox: "0 0 26 10", style: "display:inline-block;width:26px;margin-right:.45rem" }, item);
    svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": 2.5, style: `stroke:${colour(c.place)}`, "stroke-dasharray": dashes[c.place % places] }, key);
    item.append(c.name);
  }
}
const all = data.cases.map((c, index) => Object.assign({ index, place: index }, c));
let cases = all;  // those in the charts

// Where there are more cases than lines can be told apart, the reader chooses.
function offerChoice() {
  if (all.length <= places) return;
  const holder = document.getElementById("chooser");
  holder.hidden = false;
  html("b", {}, holder, "Cases in the next three charts");
  const first = all.filter(c => plain.includes(c.key));
  cases = first.length > 1 ? first : all.slice(0, places);
  cases.forEach((c, i) => { c.place = i; });
  for (const c of all) {
    const label = html("label", {}, holder), box = html("input", { type: "checkbox" }, label);
    box.checked = cases.includes(c);
    label.append(c.name);
    box.addEventListener("change", () => {
      const taken = cases.map(other => other.place);
      const free = [...Array(places).keys()].find(p => !taken.includes(p));
      if (box.checked) c.place = free === undefined ? c.index : free;
      cases = box.checked ? all.filter(other => other === c || cases.includes(other)) : cases.filter(other => other !== c);
      draw();
    });
  }
}

// --- where the tokens came from, over time -----------------------------------------------------------------------
function drawOverTime(holder) {
  const shown = cases.filter(c => c.over_time.length > 1 && hit(c.tokens) > 0);
  if (!shown.length) return nothing(holder);
  const legend = html("p", { class: "legend" }, holder);
  for (const [key, name] of parts) { const item = html("span", {}, legend); html("i", { class: key }, item); item.append(name); }
  const width = holder.clientWidth, across = width >= 700 ? 2 : 1, gapX = 36;
  const panel = (width - gapX * (across - 1)) / across, plot = 120, row = plot + 62;
  const picture = canvas(holder, width, Math.ceil(shown.length / across) * row, "Share of tokens from each level and computed, per case, over the run");
  const idle = "Point at a chart, or touch it, to read its values.";
  const readout = html("p", { class: "readout", "aria-live": "polite" }, holder, idle);
  shown.forEach((c, i) => {
    const left = (i % across) * (panel + gapX), top = Math.floor(i / across) * row + 26;
    const box = { left: left + 38, right: left + panel, top, bottom: top + plot };
    const last = c.over_time[c.over_time.length - 1];
    const x = linear(0, last.first_request + last.requests, box.left, box.right), y = linear(0, 1, box.bottom, box.top);
    svg("text", { class: "name", x: left, y: top - 10 }, picture, c.name);
    svg("text", { x: box.right, y: top - 10, "text-anchor": "end" }, picture, percent(hits(c.tokens)) + " hit overall");
    let below = c.over_time.map(() => 0);
    for (const [key, , of] of parts) {
      const upper = c.over_time.map((b, k) => below[k] + of(b.tokens) / total(b.tokens));
      const edge = values => c.over_time.flatMap((b, k) => [[x(b.first_request), y(values[k])], [x(b.first_request + b.requests), y(values[k])]]);
      svg("path", { d: path(edge(upper).concat(edge(below).reverse())) + "Z", style: `fill:var(--${key})` }, picture);
      below = upper;
    }
    for (const v of [0, 0.5, 1]) svg("text", { x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, picture, v * 100 + " %");
    for (const v of niceTicks(last.first_request + last.requests, panel < 420 ? 3 : 5))
      svg("text", { x: x(v), y: box.bottom + 16, "text-anchor": x(v) > box.right - 12 ? "end" : "middle" }, picture, count(v));
    if (i >= shown.length - across) svg("text", { x: box.right, y: box.bottom + 31, "text-anchor": "end" }, picture, "requests served");
    follow(picture, box, readout, idle, at => {
      const r = x.back(at), b = c.over_time.find(q => r < q.first_request + q.requests) || last;
      return [[`${c.name}, from request ${count(b.first_request)}: `]].concat(
        parts.flatMap(([, name, of], k) => [[k ? ", " : ""], [percent(of(b.tokens) / total(b.tokens)), 1], [" " + name]]));
    });
  });
}

// --- latency -------------------------------------------------------------------------------------------------
function drawLatency(holder) {
  const shown = cases.filter(c => c.latency.cdf.length > 1);
  if (!shown.length) return nothing(holder);
  lineLegend(holder, shown);
  const width = holder.clientWidth, height = width < 500 ? 290 : 340;
  const box = { left: 44, right: width - 12, top: 14, bottom: height - 44 };
  const picture = canvas(holder, width, height, "Cumulative distribution of request latency per case");
  const least = Math.min(...shown.map(c => c.latency.cdf[0][0])), most = Math.max(...shown.map(c => c.latency.max));
  const low = Math.max(least, 1e-9) * 0.9, high = Math.max(most, low * 1.5) * 1.05;
  const x = logarithmic(low, high, box.left, box.right), y = linear(0, 1, box.bottom, box.top);
  for (const [v, name] of [[0, "0 %"], [0.25, "25 %"], [0.5, "p50"], [0.75, "75 %"], [0.95, "p95"], [1, ""]]) {
    svg("line", { class: "rule", x1: box.left, x2: box.right, y1: y(v), y2: y(v) }, picture);
    svg("text", { x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, picture, name);
  }
  for (const v of logTicks(low, high, width / 75)) {
    svg("line", { class: "rule", x1: x(v), x2: x(v), y1: box.bottom, y2: box.bottom + 5 }, picture);
    svg("text", { x: x(v), y: box.bottom + 19, "text-anchor": "middle" }, picture, tickSeconds(v));
  }
  svg("text", { x: box.right, y: box.bottom + 37, "text-anchor": "end" }, picture, "latency of a request");
  for (const c of shown) {
    svg("path", { d: path(c.latency.cdf.map(p => [x(Math.max(p[0], low)), y(p[1])])), fill: "none", "stroke-width": c.name === "default_cache" ? 3 : 2,
      "stroke-dasharray": dashes[c.place % places], "stroke-linejoin": "round", style: `stroke:${colour(c.place)}` }, picture);
    svg("circle", { cx: x(c.latency.p50), cy: y(0.5), r: 3.5, style: `fill:${colour(c.place)}` }, picture);
  }
  const idle = "Dots mark the medians: " + shown.map(c => `${c.name} ${seconds(c.latency.p50)}`).join(", ") + ".";
  const readout = html("p", { class: "readout", "aria-live": "polite" }, holder, idle);
  follow(picture, box, readout, idle, at => {
    const t = x.back(at);
    return [["Within "], [seconds(t), 1], [": "]].concat(shown.flatMap((c, i) => {
      const below = c.latency.cdf.filter(p => p[0] <= t);
      return [[(i ? ", " : "") + c.name + " "], [Math.round((below.length ? below[below.length - 1][1] : 0) * 100) + " %", 1]];
    }));
  });
}

// --- hit ratio against capacity ------------------------------------------------------------------------------
function drawCapacity(holder) {
  const shown = cases.filter(c => c.capacity.length > 1);
  if (!shown.length) return nothing(holder);
  lineLegend(holder, shown);
  const width = holder.clientWidth, across = width >= 700 ? 2 : 1, gapX = 40;
  const panel = (width - gapX * (across - 1)) / across, plot = 210, row = plot + 72;
  const picture = canvas(holder, width, row * (2 / across), "Share of tokens served from the cache against the size of the slab, per case");
  const shares = shown.flatMap(c => c.capacity.map(p => p.share_of_working_set)).filter(s => s > 0);
  const low = Math.min(...shares), high = Math.max(...shares);
  const idle = "Point at a chart, or touch it, to read its values.";
  const readout = html("p", { class: "readout", "aria-live": "polite" }, holder, idle);
  [["served from the slab", t => from(t, 0) / total(t)], ["served from any level", hits]].forEach(([title, value], i) => {
    const left = (i % across) * (panel + gapX), top = Math.floor(i / across) * row + 28;
    const box = { left: left + 40, right: left + panel - 6, top, bottom: top + plot };
    const x = logarithmic(low, Math.max(high, low * 1.01), box.left, box.right), y = linear(0, 1, box.bottom, box.top);
    svg("text", { class: "name", x: left, y: top - 12 }, picture, title);
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
      svg("line", { class: "rule", x1: box.left, x2: box.right, y1: y(v), y2: y(v) }, picture);
      svg("text", { x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, picture, v * 100 + " %");
    }
    for (const v of logTicks(low, high, panel / 55))
      svg("text", { x: x(v), y: box.bottom + 18, "text-anchor": x(v) > box.right - 10 ? "end" : "middle" }, picture, +(v * 100).toPrecision(2) + " %");
    svg("text", { x: box.right, y: box.bottom + 35, "text-anchor": "end" }, picture, "slab, share of all tokens");
    for (const c of shown) {
      const points = c.capacity.map(p => [x(p.share_of_working_set), y(value(p.tokens))]);
      svg("path", { d: path(points), fill: "none", "stroke-width": c.name === "default_cache" ? 3 : 2, "stroke-linejoin": "round",
        "stroke-dasharray": dashes[c.place % places], style: `stroke:${colour(c.place)}` }, picture);
      for (const p of points) svg("circle", { cx: p[0], cy: p[1], r: 2.6, style: `fill:${colour(c.place)}` }, picture);
    }
    follow(picture, box, readout, idle, at => {
      const want = Math.log(x.back(at)), near = c => c.capacity.reduce((a, b) =>
        Math.abs(Math.log(a.share_of_working_set) - want) <= Math.abs(Math.log(b.share_of_working_set) - want) ? a : b);
      return [[`${title}, slab for `], [percent(near(shown[0]).share_of_working_set), 1], [": "]].concat(
        shown.flatMap((c, k) => [[(k ? ", " : "") + c.name + " "], [percent(value(near(c).tokens)), 1]]));
    });
  });
}

// --- one batch on its streams --------------------------------------------------------------------------------
// Kernels that move bytes within the device have streams of their own, beside the direction's.
const laneName = lane => lane.replace(/^(onload|offload) (?=scatter|gather)/, "");
function laneColour(lane) {
  if (/scatter|gather|relocate/i.test(lane)) return ["var(--across)", "var(--paper)"];
  if (/on-?load/i.test(lane)) return ["var(--level1)", "var(--paper)"];
  if (/off-?load/i.test(lane)) return ["var(--case2)", "var(--paper)"];
  if (/compute/i.test(lane)) return ["var(--level0)", "var(--paper)"];
  return ["var(--soft)", "var(--paper)"];
}
const laneOrder = lane => {
  const order = [/host/i, /^on-?load$/i, /scatter/i, /relocate/i, /compute/i, /gather/i, /off-?load/i].findIndex(r => r.test(lane));
  return order < 0 ? 99 : order;
};
function hatch(picture, id, ink) {
  const pattern = svg("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, picture);
  svg("line", { x1: 0, x2: 0, y1: 0, y2: 5, "stroke-width": 3, style: `stroke:${ink}` }, pattern);
  return `url(#${id})`;
}
function drawTimeline(holder) {
  const c = all[Number(holder.dataset.case)];
  const same = document.getElementById("same_scale").checked;
  const endOf = one => one.batch ? Math.max(0, ...one.batch.spans.map(s => s.end)) : 0;
  const longest = same ? Math.max(...all.map(endOf)) : endOf(c);
  const width = holder.clientWidth, side = 58, bar = 20, gap = 5;
  const lanes = [...new Set(c.batch.spans.map(s => s.lane))].sort((a, b) => laneOrder(a) - laneOrder(b));
  const bottom = lanes.length * (bar + gap);
  const picture = canvas(holder, width, bottom + 24, `Transfers and compute of one batch, ${c.name}`);
  const lost = hatch(picture, `lost_${c.index}`, "var(--accent)"), idle = hatch(picture, `idle_${c.index}`, "var(--rule)");
  const hint = c === all.find(one => endOf(one) > 0) ? "Point at a block, or touch it, to read what it is." : "";
  const readout = html("p", { class: "readout", "aria-live": "polite" }, holder, hint);
  const x = linear(0, longest, side, width - 2), seen = {};
  lanes.forEach((lane, k) => {
    svg("rect", { x: side, y: k * (bar + gap), width: width - 2 - side, height: bar, style: "fill:var(--wash)" }, picture);
    svg("text", { x: 0, y: k * (bar + gap) + bar / 2 + 4 }, picture, laneName(lane));
  });
  for (const s of c.batch.spans) {
    const y = lanes.indexOf(s.lane) * (bar + gap), from = x(s.begin), wide = Math.max(0.6, x(s.end) - from);
    const stall = s.kind === "stall";
    if (!stall) seen[s.lane] = (seen[s.lane] || 0) + 1;
    const [fill, ink] = laneColour(s.lane), costly = /compute/i.test(s.lane);
    const block = svg("rect", { x: from, y, width: wide > 3 ? wide - 0.8 : wide, height: bar, rx: !stall && wide > 6 ? 1.5 : 0,
      style: `fill:${stall ? (costly ? lost : idle) : fill};opacity:${stall || seen[s.lane] % 2 ? 1 : 0.78}` }, picture);
    const words = `${s.label}: ${seconds(s.begin)} to ${seconds(s.end)}, ${seconds(s.end - s.begin)}`;
    svg("title", {}, block, words);
    const show = () => { readout.textContent = `${laneName(s.lane)}, ${words}`; };
    block.addEventListener("pointerenter", show);
    block.addEventListener("pointerdown", show);
    if (!stall && wide > s.label.length * 6.2 + 8)
      svg("text", { class: "inside", x: from + wide / 2, y: y + bar / 2 + 4, "text-anchor": "middle", style: `fill:${ink}` }, picture, s.label);
  }
  for (const v of niceTicks(longest, width < 500 ? 3 : 6)) {
    if (x(v) > width - 22) continue;
    svg("line", { class: "rule", x1: x(v), x2: x(v), y1: bottom, y2: bottom + 4 }, picture);
    svg("text", { x: x(v), y: bottom + 17, "text-anchor": "middle" }, picture, v === 0 ? "0" : tickSeconds(v));
  }
}

// --- draw, and draw again when the width changes -----------------------------------------------------------------
const charts = { over_time: drawOverTime, latency: drawLatency, capacity: drawCapacity };
function draw() {
  for (const id in charts) {
    const holder = document.getElementById(id);
    holder.replaceChildren();
    charts[id](holder);
  }
  drawTimelines();
}
function drawTimelines() {
  for (const holder of document.querySelectorAll("[data-case]")) {
    holder.replaceChildren();
    drawTimeline(holder);
  }
}
let drawn = 0;
function redraw() {
  const width = document.querySelector("main").clientWidth;
  if (width !== drawn) { drawn = width; draw(); }
}
offerChoice();
redraw();
window.addEventListener("resize", redraw);
document.getElementById("same_scale").addEventListener("change", drawTimelines);
})();
