// Progress curves, proposals by origin, predicted against measured; and the start of the page.

const COUNT = { label: "Trials", unit: "", factor: 1, decimals: 0 };

function valueAt(curve, field, x) {
  let found = null;
  for (let k = 0; k < curve[field].length && curve[field][k] <= x; k += 1) found = curve.values[k];
  return found;
}

function progressChart(host, data, hidden, field, scale) {
  const { progress, arms, stages } = data;
  const curves = progress.curves.filter((c) => !hidden.has(c.arm));
  if (!curves.length) {
    host.replaceChildren(html("p", "muted", null, "No arm is shown."));
    return;
  }
  const ends = curves.map((c) => c[field].at(-1));
  const numbers = curves.flatMap((c) => c.values);
  const x = { range: [0, Math.max(...ends) * 1.02 || 1], scale };
  const y = { range: padded(Math.min(...numbers), Math.max(...numbers), 0.06), scale: progress };
  const chart = frame(host, x, y, 330, `${progress.label} against ${heading(scale)}`);
  for (const [i, stage] of (hidden.has(0) ? [] : stages).entries()) {
    const at = chart.sx(stage[field]);
    const row = 14 * (i % 2); // short stages lie side by side
    svg("line", { class: "stage", x1: at, x2: at, y1: chart.box.top, y2: chart.box.bottom }, chart.root);
    svg("text", { x: at + 4, y: chart.box.bottom - 6 - row }, chart.root, `stage ${stage.stage}`);
  }
  for (const curve of [...curves].reverse()) {
    const points = curve[field].map((v, k) => [chart.sx(v).toFixed(1), chart.sy(curve.values[k]).toFixed(1)]);
    const path = points.map(([px, py], k) => (k ? `H${px}V${py}` : `M${px} ${py}`)).join("");
    const style = `curve s${curve.arm % 8}${arms[curve.arm].main ? "" : " control"}`;
    svg("path", { class: style, d: path, "data-arm": arms[curve.arm].name }, chart.root);
    const [px, py] = points.at(-1).map(Number);
    marker(MARKERS[curve.arm % 4], px, py, 4, { class: `f${curve.arm % 8}` }, chart.root);
  }
  const cursor = svg("line", { class: "cursor", y1: chart.box.top, y2: chart.box.bottom, visibility: "hidden" }, chart.root);
  const tooltip = html("div", "tooltip", host);
  tooltip.hidden = true;
  chart.root.addEventListener("pointermove", (event) => {
    const at = pointer(event, chart.root);
    const px = Math.min(Math.max(at.x, chart.box.left), chart.box.right);
    const share = (px - chart.box.left) / (chart.box.right - chart.box.left);
    const where = share * x.range[1];
    for (const [key, v] of [["x1", px], ["x2", px], ["visibility", "visible"]]) cursor.setAttribute(key, v);
    tooltip.replaceChildren();
    html("strong", "", tooltip, field === "trials" ? `${Math.floor(where)} trials` : format(scale, where));
    list(tooltip, curves.map((c) => [arms[c.arm].name, format(progress, valueAt(c, field, where))]));
    placeTooltip(tooltip, host, px, at.y);
  });
  chart.root.addEventListener("pointerleave", () => {
    tooltip.hidden = true;
    cursor.setAttribute("visibility", "hidden");
  });
}

function originChart(data) {
  const host = document.getElementById("origin-chart");
  if (!host) return;
  const { width, trials, origins, counts } = data.history;
  const share = { label: "Share of proposals", unit: "%", factor: 100, decimals: 0 };
  const chart = frame(host, { range: [0, trials], scale: COUNT }, { range: [0, 1], scale: share }, 260, "Share of proposals by origin over the trials of the main arm");
  for (let bin = 0; bin * width < trials; bin += 1) {
    const size = Math.min(width, trials - bin * width);
    let base = 0;
    const [from, to] = [chart.sx(bin * width), chart.sx(bin * width + size)];
    origins.forEach((origin, k) => {
      const count = counts[k][bin];
      if (!count) return;
      const [low, high] = [chart.sy(base / size), chart.sy((base + count) / size)];
      const box = { x: from.toFixed(1), width: (to - from).toFixed(1), y: high.toFixed(1), height: (low - high).toFixed(1) };
      const bar = svg("rect", { class: `bar f${k % 8}`, ...box }, chart.root);
      svg("title", {}, bar, `${origin}: ${count} of trials ${bin * width} to ${bin * width + size - 1}`);
      base += count;
    });
  }
  for (const stage of data.stages) {
    const at = chart.sx(stage.trials);
    svg("line", { class: "axis", x1: at, x2: at, y1: chart.box.top - 8, y2: chart.box.bottom }, chart.root);
    svg("text", { x: at + 4, y: chart.box.top - 2 }, chart.root, `stage ${stage.stage}`);
  }
  swatches(document.getElementById("origin-legend"), origins, ["square"]);
}

function pairChart(host, pair) {
  const ends = pair.points.flatMap((p) => [p.predicted, p.measured - (p.spread || 0), p.measured + (p.spread || 0)]);
  const range = padded(Math.min(...ends), Math.max(...ends), 0.12);
  const axis = (kind) => ({ range, scale: { ...pair, label: `${kind} ${pair.label.toLowerCase()}` } });
  const chart = frame(host, axis("Predicted"), axis("Measured"), 320, `Measured against predicted ${pair.label}`);
  const { left, right, top, bottom } = chart.box;
  svg("line", { class: "diagonal", x1: left, y1: bottom, x2: right, y2: top }, chart.root);
  for (const p of pair.points) {
    const [px, py] = [chart.sx(p.predicted), chart.sy(p.measured)];
    if (p.spread) {
      const [y1, y2] = [chart.sy(p.measured - p.spread), chart.sy(p.measured + p.spread)];
      svg("line", { class: "s0", x1: px, x2: px, y1, y2 }, chart.root);
    }
    const point = marker("circle", px, py, 6, { class: "front-point f0" }, chart.root);
    svg("title", {}, point, `Rank ${p.rank}: predicted ${format(pair, p.predicted)}, measured ${format(pair, p.measured)}`);
    svg("text", { x: px + 9, y: py - 6 }, chart.root, `rank ${p.rank}`);
  }
}

function start() {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const hidden = new Set();
  const drawTrials = paretoPlot(data, hidden, () => drawAll());
  function drawAll() {
    drawTrials();
    for (const [id, field, scale] of [["progress-trials", "trials", COUNT], ["progress-seconds", "seconds", data.progress?.time]]) {
      const host = document.getElementById(id);
      if (host && data.progress) progressChart(host, data, hidden, field, scale);
    }
    const names = document.getElementById("progress-legend");
    if (names) legend(names, data.arms, hidden, drawAll);
    originChart(data);
    supernetCharts(data.supernet);
    data.pairs.forEach((pair, k) => pairChart(document.getElementById(`pair-${k}`), pair));
  }
  let width = document.body.clientWidth;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    requestAnimationFrame(drawAll);
  }).observe(document.body);
  drawAll();
}

start();
