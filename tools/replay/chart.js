"use strict";
// What the pages of the replay and of kvstrata-sim draw with. No library: SVG, scales, ticks, a hair line that reads values.
function svg(name, attributes, parent, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}
function html(name, attributes, parent, text) {
  const element = document.createElement(name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const digits = value => value.toFixed(Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0);
function seconds(value) {
  if (value === 0) return "0 s";
  if (value < 0.9995e-3) return digits(value * 1e6) + " µs";
  return value < 0.9995 ? digits(value * 1e3) + " ms" : digits(value) + " s";
}
const tickSeconds = value => seconds(value).replace(/\.0+(?= )/, "").replace(/(\.\d*?)0+(?= )/, "$1");
const percent = share => (share * 100).toFixed(1) + " %";
const count = value => Math.round(value).toLocaleString("en");

function linear(from, to, left, right) {
  const scale = value => left + (value - from) / (to - from || 1) * (right - left);
  scale.back = x => from + (x - left) / (right - left) * (to - from);
  return scale;
}
function logarithmic(from, to, left, right) {
  const inner = linear(Math.log10(from), Math.log10(to), left, right);
  const scale = value => inner(Math.log10(value));
  scale.back = x => 10 ** inner.back(x);
  return scale;
}
function niceTicks(most, wanted) {
  const rough = most / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough);
  const out = [];
  for (let v = 0; v <= most * 1.0001; v += step) out.push(v);
  return out;
}
// 1, 2, 5 times powers of ten, thinned until they fit.
function logTicks(from, to, wanted) {
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const out = [];
    for (let e = Math.floor(Math.log10(from)); e <= Math.ceil(Math.log10(to)); e++)
      for (const s of steps) { const v = s * 10 ** e; if (v >= from * 0.999 && v <= to * 1.001) out.push(v); }
    if (out.length <= wanted || steps.length === 1) return out;
  }
}
const path = points => points.map((p, i) => (i ? "L" : "M") + p[0].toFixed(1) + " " + p[1].toFixed(1)).join("");

function canvas(holder, width, height, label) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, holder);
}
function nothing(holder) { html("p", { class: "empty" }, holder, "This run did not record it."); }

// A vertical hair line that follows the pointer, and a line of text below that says what is there.
function follow(picture, box, readout, idle, say) {
  const hair = svg("line", { class: "hair", y1: box.top, y2: box.bottom }, picture);
  const area = svg("rect", { x: box.left, y: box.top, width: Math.max(0, box.right - box.left), height: box.bottom - box.top,
    fill: "transparent" }, picture);
  area.style.touchAction = "pan-y";
  const show = event => {
    const frame = picture.getBoundingClientRect();
    const x = clamp((event.clientX - frame.left) * (picture.viewBox.baseVal.width / frame.width), box.left, box.right);
    hair.setAttribute("x1", x); hair.setAttribute("x2", x); hair.style.visibility = "visible";
    readout.replaceChildren(...say(x).map(piece => {
      const node = document.createElement(piece[1] ? "b" : "span");
      node.textContent = piece[0];
      return node;
    }));
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", () => { hair.style.visibility = "hidden"; readout.textContent = idle; });
}
// Labels beside line ends, pushed apart so that they don't cover each other.
function spread(labels, gap, top, bottom) {
  labels.sort((a, b) => a.y - b.y);
  for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
  const over = labels.length ? labels[labels.length - 1].y - bottom : 0;
  if (over > 0) {
    labels[labels.length - 1].y -= over;
    for (let i = labels.length - 2; i >= 0; i--) labels[i].y = Math.min(labels[i].y, labels[i + 1].y - gap);
  }
  return labels;
}
