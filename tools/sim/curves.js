// Draws the curves from the JSON that the page carries, with the helpers of chart.js.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const measures = [
  { key: "miss_ratio", name: "requests", there: () => true },
  { key: "usable_miss_ratio", name: "usable blocks", there: t => t.in_parts && t.usable },
  { key: "byte_miss_ratio", name: "bytes", there: t => t.sized },
  { key: "time_miss_ratio", name: "waiting", there: t => t.counted_seconds > 0 },
].filter(m => data.traces.some(m.there));
const views = ["miss ratios", "hit ratios", "gain over lru"];
let measure = measures[0], view = 0;
const picked = new Map();  // name of a policy -> its colour
const colours = ["--case1", "--case5", "--case6", "--case2", "--case7", "--case0"];

// What is drawn for a curve at a place, whose miss ratio `value` tells.
function viewOf(curves, value) {
  const lru = curves.find(c => c.name === "lru");
  return (c, k) => view === 1 ? 1 - value(c, k) : view === 2 && lru ? value(lru, k) - value(c, k) : value(c, k);
}
const inView = curves => view === 2 ? curves.filter(c => !c.knows_future) : curves;  // Belady would dwarf the others' gains
const exact = share => (share * 100).toFixed(2) + " %";
const kind = c => c.name === "lru" ? "lru" : c.knows_future ? "optimum" : "";
const title = c => c.knows_future ? c.name + " (knows the future)" : c.name;
const noun = () => ["miss ratio", "hit ratio", "gain over lru"][view] + (measure.key === "miss_ratio" ? "" : " by " + measure.name);

// Indices of the best of those that do not know the future, at each size.
function bestOf(curves, value, steps) {
  return steps.map((_, k) => curves.reduce((best, c, i) =>
    c.knows_future || (best >= 0 && value(curves[best], k) <= value(c, k)) ? best : i, -1));
}

// One set of lines over the same places: the curves over sizes, or a series over intervals.
function drawLines(holder, t, spec) {
  const { curves, value, places, x, box, picture } = spec;
  const seen = viewOf(t.curves, value);
  const all = curves.flatMap(c => places.map((_, k) => seen(c, k)));
  const least = Math.min(...all), most = Math.max(...all), grid = niceTicks(Math.max(most - least, 0.005), 5)[1];
  const from = Math.floor(least / grid + 1e-9), to = Math.max(from + 1, Math.ceil(most / grid - 1e-9));
  const y = linear(from * grid, to * grid, box.bottom, box.top);
  for (let v = from; v <= to; v++) {
    const at = y(v * grid);
    svg("line", { class: "rule", x1: box.left, x2: box.right, y1: at, y2: at }, picture);
    svg("text", { x: box.left - 7, y: at + 4, "text-anchor": "end" }, picture, +(v * grid * 100).toPrecision(4) + " %");
  }
  const points = c => places.map((_, k) => [x(k), y(seen(c, k))]);
  const order = curves.map((c, i) => i).sort((a, b) => !!kind(curves[a]) - !!kind(curves[b]) || picked.has(curves[a].name) - picked.has(curves[b].name));
  const best = bestOf(curves, value, places);
  if (spec.envelope && curves.length > 1 && best.every(b => b >= 0))
    svg("path", { class: "curve best", d: path(places.map((_, k) => [x(k), y(seen(curves[best[k]], k))])) }, picture);
  const lines = [], dots = [];
  for (const i of order) {
    const c = curves[i], colour = picked.get(c.name);
    lines[i] = svg("path", { class: `curve ${kind(c)}${colour ? " picked" : ""}`, d: path(points(c)), style: colour ? `stroke:var(${colour})` : "" }, picture);
    if (spec.dots) dots[i] = points(c).map(p => svg("circle", { class: `dot ${kind(c)}`, cx: p[0], cy: p[1], r: kind(c) || colour ? 2.8 : 1.6, style: colour ? `fill:var(${colour})` : "" }, picture));
  }
  // Names at the right end for what stands apart.
  const names = curves.filter(c => kind(c) || picked.has(c.name)).map(c => ({ c, y: y(seen(c, places.length - 1)) + 4 }));
  for (const one of spread(names, 14, box.top, box.bottom))
    svg("text", { class: `halo ${kind(one.c)}`, x: box.right + 8, y: one.y, style: picked.has(one.c.name) ? `fill:var(${picked.get(one.c.name)});font-weight:600` : "" }, picture, one.c.name);
  // Who is best, where that changes.
  if (spec.envelope && curves.length > 1) {
    let last = -1, edge = -1e9;
    best.forEach((b, k) => {
      if (b < 0 || b === last) return;
      const at = x(k), word = curves[b].name;
      last = b;
      const end = k > 0 && k === places.length - 1, left = end ? at - word.length * 6.5 : at;
      if (left < edge) return;
      edge = left + word.length * 7 + 6;
      svg("text", { class: "best halo", x: at, y: y(seen(curves[b], k)) + (view === 0 ? 19 : -10), "text-anchor": end ? "end" : k === 0 ? "start" : "middle" }, picture, word);
    });
  }
  // What is under the pointer.
  const hair = svg("line", { class: "hair", y1: box.top, y2: box.bottom }, picture);
  const word = svg("text", { class: "name halo", style: "visibility:hidden" }, picture);
  const area = svg("rect", { x: box.left - 12, y: box.top - 6, width: Math.max(0, box.right - box.left + 24), height: box.bottom - box.top + 12, fill: "transparent" }, picture);
  area.style.touchAction = "pan-y";
  const clear = () => { for (const one of [...lines, ...dots.flat()]) if (one) one.classList.remove("near"); };
  const leave = () => { clear(); hair.style.visibility = word.style.visibility = "hidden"; spec.tell(spec.values, best, -1, -1); };
  const show = event => {
    const frame = picture.getBoundingClientRect(), zoom = picture.viewBox.baseVal.width / frame.width;
    const px = (event.clientX - frame.left) * zoom, py = (event.clientY - frame.top) * zoom;
    const k = places.reduce((a, _, i) => Math.abs(x(i) - px) < Math.abs(x(a) - px) ? i : a, 0);
    const i = curves.reduce((a, c, j) => Math.abs(y(seen(c, k)) - py) < Math.abs(y(seen(curves[a], k)) - py) ? j : a, 0);
    clear();
    lines[i].classList.add("near");
    if (dots[i]) dots[i].forEach(d => d.classList.add("near"));
    hair.setAttribute("x1", x(k)); hair.setAttribute("x2", x(k)); hair.style.visibility = "visible";
    const right = x(k) > (box.left + box.right) / 2;
    for (const [name, v] of [["x", x(k) + (right ? -9 : 9)], ["y", y(seen(curves[i], k)) - 8], ["text-anchor", right ? "end" : "start"]]) word.setAttribute(name, v);
    word.textContent = `${curves[i].name} ${exact(seen(curves[i], k))}`;
    word.style.visibility = "visible";
    spec.tell(spec.values, best, k, i);
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", leave);
  leave();
}

// All values at one place, the best first.
function teller(t, curves, value, headOf, idle) {
  const seen = viewOf(t.curves, value);
  return (holder, best, k, near) => {
    holder.replaceChildren();
    if (k < 0) { html("span", { class: "head", style: "color:var(--soft);font-weight:400" }, holder, idle); return; }
    html("span", { class: "head" }, holder, headOf(k));
    const ranked = curves.map((c, i) => i).sort((a, b) => value(curves[a], k) - value(curves[b], k));
    for (const i of ranked) {
      const row = html("span", i === near ? { class: "near" } : {}, holder);
      html("span", {}, row, curves[i].name);
      const error = curves[i].points[k] && curves[i].points[k].error;
      html("b", {}, row, exact(seen(curves[i], k)) + (error && measure.key === "miss_ratio" && value.bySize ? ` ± ${(error * 100).toFixed(2)}` : ""));
    }
  };
}

function chips(holder, curves) {
  const box = html("p", { class: "chips", role: "group", "aria-label": "Draw a policy in a colour of its own" }, holder);
  for (const c of curves) {
    if (kind(c)) continue;
    const button = html("button", { type: "button", "aria-pressed": picked.has(c.name), style: `--chip:var(${picked.get(c.name) || "--soft"})` }, box, c.name);
    button.addEventListener("click", () => {
      if (picked.has(c.name)) picked.delete(c.name);
      else picked.set(c.name, colours.find(v => ![...picked.values()].includes(v)) || colours[0]);
      draw();
    });
  }
}
function legend(holder, curves, envelope) {
  const box = html("p", { class: "legend" }, holder);
  const entry = (name, text) => { const item = html("span", {}, box); html("i", { class: "line " + name }, item); item.append(text); };
  if (envelope && curves.length > 1) entry("best", "the best at each size");
  if (curves.some(c => kind(c) === "lru")) entry("lru", "lru");
  for (const c of curves.filter(c => c.knows_future)) entry("optimum", title(c));
  if (curves.some(c => !kind(c))) entry("other", "the others");
}
function frameOf(holder, label, curves) {
  const width = holder.clientWidth, height = width < 560 ? 330 : 430;
  const longest = Math.max(4, ...curves.filter(c => kind(c) || picked.has(c.name)).map(c => c.name.length));
  const box = { left: 50, right: width - Math.min(width / 4, longest * 7.2 + 12), top: 12, bottom: height - 56 };
  return { width, height, box, picture: canvas(holder, width, height, label) };
}

// --- the curves of a trace -----------------------------------------------------------------------------------
function drawCurves(holder, t) {
  const ratio = measure.there(t) ? measure.key : "miss_ratio";
  const value = (c, k) => c.points[k][ratio], curves = inView(t.curves);
  value.bySize = true;
  legend(holder, curves, true);
  const { width, box, picture } = frameOf(holder, `${noun()} against size, ${t.name}`, curves);
  const amounts = t.capacities.map(s => s.amount);
  const scale = amounts.length > 1 ? logarithmic(amounts[0], amounts[amounts.length - 1], box.left + 6, box.right - 6)
                                   : () => (box.left + box.right) / 2;
  const x = k => scale(amounts[k]);
  let edge = -1e9;
  t.capacities.forEach((s, k) => {
    svg("line", { class: "rule", x1: x(k), x2: x(k), y1: box.bottom, y2: box.bottom + 5 }, picture);
    const half = Math.max(s.label.length, 5) * 3.6;
    if (x(k) - half < edge || (k < amounts.length - 1 && amounts.length > 2 && x(k) + half > x(amounts.length - 1) - half * 1.3)) return;
    edge = x(k) + half + 6;
    svg("text", { x: x(k), y: box.bottom + 19, "text-anchor": "middle" }, picture, s.label);
    svg("text", { x: x(k), y: box.bottom + 34, "text-anchor": "middle", style: "opacity:.75" }, picture, +(s.share * 100).toPrecision(2) + " %");
  });
  const what = data.sizes === "unit" ? "objects in the cache, and as a share of all" : "bytes in the cache, and as a share of all";
  svg("text", { x: box.right, y: box.bottom + 51, "text-anchor": "end" }, picture, what);
  chips(holder, curves);
  const values = html("p", { class: "values", "aria-live": "polite" }, holder);
  drawLines(holder, t, { curves, value, places: amounts, x, box, picture, values, dots: true, envelope: true,
    tell: teller(t, curves, value, k => `${noun()} with ${t.capacities[k].label}${data.sizes === "unit" ? " objects" : ""}, ${exact(t.capacities[k].share)} of all`,
      "Point at the curves, or touch them, to read their values. Choose a policy above to give it a colour.") });
}

// --- over time -----------------------------------------------------------------------------------------------
const chosenSize = new Map();
function drawSeries(holder, t) {
  if (t.intervals.length < 2) return;
  const size = chosenSize.has(t) ? chosenSize.get(t) : Math.floor(t.capacities.length / 2);
  const value = (c, k) => c.points[size].series[k], curves = inView(t.curves);
  const control = html("p", { class: "control" }, holder), label = html("label", {}, control, "with a cache of ");
  const select = html("select", {}, label);
  t.capacities.forEach((s, k) => { const o = html("option", { value: k }, select, `${s.label} (${+(s.share * 100).toPrecision(2)} %)`); o.selected = k === size; });
  select.addEventListener("change", () => { chosenSize.set(t, Number(select.value)); draw(); });
  const { width, box, picture } = frameOf(holder, `${noun()} over time, ${t.name}`, curves);
  const first = t.intervals[0].first_request, last = t.intervals[t.intervals.length - 1].first_request;
  const timed = t.timed && t.intervals[t.intervals.length - 1].begin_ms > t.intervals[0].begin_ms;
  const begin = t.intervals[0].begin_ms, span = timed ? t.intervals[t.intervals.length - 1].begin_ms - begin : last - first;
  const scale = linear(0, span, box.left + 6, box.right - 6);
  const x = k => scale(timed ? t.intervals[k].begin_ms - begin : t.intervals[k].first_request - first);
  const [unit, name] = !timed ? [1, "requests"] : span > 1.7e8 ? [8.64e7, "days"] : span > 7.2e6 ? [3.6e6, "hours"] : span > 1.2e5 ? [6e4, "minutes"] : [1e3, "seconds"];
  for (const v of niceTicks(span / unit, width < 560 ? 4 : 8))
    svg("text", { x: scale(v * unit), y: box.bottom + 19, "text-anchor": "middle" }, picture, count(v));
  svg("text", { x: box.right, y: box.bottom + 36, "text-anchor": "end" }, picture, `${name} since counting began`);
  const values = html("p", { class: "values", "aria-live": "polite" }, holder);
  drawLines(holder, t, { curves, value, places: t.intervals, x, box, picture, values, dots: false, envelope: false,
    tell: teller(t, curves, value, k => `${["miss ratio", "hit ratio", "gain over lru"][view]} of the ${count(t.intervals[k].requests)} requests from request ${count(t.intervals[k].first_request)} on`,
      "Point at the lines, or touch them, to read their values.") });
}

// --- draw, and draw again when something changes -----------------------------------------------------------------
function draw() {
  for (const holder of document.querySelectorAll("[data-curves]")) { holder.replaceChildren(); drawCurves(holder, data.traces[holder.dataset.curves]); }
  for (const holder of document.querySelectorAll("[data-series]")) { holder.replaceChildren(); drawSeries(holder, data.traces[holder.dataset.series]); }
}
const chooser = document.getElementById("chooser");
chooser.hidden = false;
if (measures.length > 1) {
  const select = html("select", {}, html("label", {}, chooser, "Counted by "));
  measures.forEach((m, i) => html("option", { value: i }, select, m.name));
  select.addEventListener("change", () => { measure = measures[select.value]; draw(); });
}
const toggle = html("select", {}, html("label", {}, chooser, "Show "));
for (const name of data.traces.every(t => t.curves.some(c => c.name === "lru")) ? views : views.slice(0, 2)) html("option", {}, toggle, name);
toggle.addEventListener("change", () => { view = toggle.selectedIndex; draw(); });
let drawn = 0;
function redraw() {
  const width = document.querySelector("main").clientWidth;
  if (width !== drawn) { drawn = width; draw(); }
}
redraw();
window.addEventListener("resize", redraw);
})();
