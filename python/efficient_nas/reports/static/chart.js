// What every chart shares: elements, numbers, ticks, axes. Text reaches the page as text only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const MARKERS = ["circle", "square", "triangle", "diamond"];

function svg(name, attributes, parent, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function html(name, className, parent, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function grouped(number, decimals) {
  return number.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function format(scale, value) {
  if (value === null || value === undefined) return "–";
  return `${grouped(value * scale.factor, scale.decimals)} ${scale.unit}`.trim();
}

function heading(scale) {
  return scale.unit ? `${scale.label} (${scale.unit})` : scale.label;
}

// Round numbers that cover [low, high], about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return { value, text: grouped(value, Math.min(decimals, 10)) };
  });
}

// A range with a margin, so that no mark touches an axis; one value alone gets room on both sides.
function padded(low, high, share) {
  const span = high - low || Math.abs(high) * 0.2 || 1;
  const margin = high > low ? span * share : span / 2;
  return [low - margin, high + margin];
}

// An empty chart in `host`: axes, grid and titles. x and y hold {range, scale}; the result maps values to pixels and back.
function frame(host, x, y, height, label) {
  host.replaceChildren();
  const width = Math.max(280, host.clientWidth || 720);
  const box = { left: 62, right: width - 14, top: 12, bottom: height - 46 };
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label }, host);
  const place = (range, from, to) => (v) => from + ((v - range[0]) / (range[1] - range[0])) * (to - from);
  const invert = (range, from, to) => (p) => range[0] + ((p - from) / (to - from)) * (range[1] - range[0]);
  const sx = place(x.range, box.left, box.right);
  const sy = place(y.range, box.bottom, box.top);
  const axes = svg("g", { "aria-hidden": "true" }, root);
  for (const tick of ticks(...x.range.map((v) => v * x.scale.factor), Math.max(3, (box.right - box.left) / 95))) {
    const at = sx(tick.value / x.scale.factor);
    svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }, axes);
    svg("text", { x: at, y: box.bottom + 17, "text-anchor": "middle" }, axes, tick.text);
  }
  for (const tick of ticks(...y.range.map((v) => v * y.scale.factor), Math.max(3, (box.bottom - box.top) / 55))) {
    const at = sy(tick.value / y.scale.factor);
    svg("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }, axes);
    svg("text", { x: box.left - 7, y: at + 4, "text-anchor": "end" }, axes, tick.text);
  }
  svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }, axes);
  svg("line", { class: "axis", x1: box.left, x2: box.left, y1: box.top, y2: box.bottom }, axes);
  const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  svg("text", { class: "axis-title", x: middle.x, y: height - 8, "text-anchor": "middle" }, axes, heading(x.scale));
  const turn = `translate(14 ${middle.y}) rotate(-90)`;
  svg("text", { class: "axis-title", transform: turn, "text-anchor": "middle" }, axes, heading(y.scale));
  const value = { x: invert(x.range, box.left, box.right), y: invert(y.range, box.bottom, box.top) };
  return { root, box, sx, sy, value };
}

function marker(shape, x, y, size, attributes, parent) {
  const s = size;
  const shapes = {
    square: `M${-s} ${-s}H${s}V${s}H${-s}Z`,
    triangle: `M0 ${-1.25 * s}L${1.15 * s} ${0.85 * s}H${-1.15 * s}Z`,
    diamond: `M0 ${-1.35 * s}L${1.35 * s} 0L0 ${1.35 * s}L${-1.35 * s} 0Z`,
  };
  const at = { x: x.toFixed(1), y: y.toFixed(1) };
  if (shape === "circle") return svg("circle", { cx: at.x, cy: at.y, r: s, ...attributes }, parent);
  return svg("path", { d: shapes[shape], transform: `translate(${at.x} ${at.y})`, ...attributes }, parent);
}

// Pointer position in the chart's own coordinates.
function pointer(event, root) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
}

// Moves a tooltip beside (x, y) and keeps it inside its chart.
function placeTooltip(tooltip, host, x, y) {
  tooltip.hidden = false;
  const room = host.clientWidth - tooltip.offsetWidth;
  const left = x + 16 > room ? x - 16 - tooltip.offsetWidth : x + 16;
  tooltip.style.left = `${Math.max(0, Math.min(left, room))}px`;
  tooltip.style.top = `${Math.max(0, y - tooltip.offsetHeight / 2)}px`;
}

function list(parent, rows) {
  const dl = html("dl", "", parent);
  for (const [term, text] of rows) {
    html("dt", "", dl, term);
    html("dd", "", dl, text);
  }
}

// Names beside the marks that stand for them.
function swatches(host, names, shapes) {
  host.replaceChildren();
  names.forEach((name, k) => {
    const entry = html("span", "", host);
    const swatch = svg("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" }, entry);
    marker(shapes[k % shapes.length], 0, 0, 4.5, { class: `f${k % 8}` }, swatch);
    entry.append(name);
  });
}

// Buttons that show and hide an arm everywhere on the page.
function legend(host, arms, hidden, changed) {
  host.replaceChildren();
  arms.forEach((arm, index) => {
    const button = html("button", "", host);
    button.type = "button";
    button.setAttribute("aria-pressed", String(!hidden.has(index)));
    const swatch = svg("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" }, button);
    marker(MARKERS[index % 4], 0, 0, 4, { class: `f${index % 8}` }, swatch);
    html("span", "", button, `${arm.name}${arm.main ? "" : " (control)"}`);
    button.addEventListener("click", () => {
      if (!hidden.delete(index)) hidden.add(index);
      changed();
      host.children[index].focus();
    });
  });
}
