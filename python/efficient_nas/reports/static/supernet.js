// The supernet: curves by epoch, and accuracy with shared weights against training alone.

const EPOCHS = { label: "Epoch", unit: "", factor: 1, decimals: 0 };
const ACCURACY = { unit: "%", factor: 100, decimals: 2 };

function epochChart(chart, epochs, mark) {
  const host = document.getElementById(chart.id);
  const numbers = chart.curves.flatMap((c) => c.values.filter((v) => v !== null));
  const x = { range: [0, Math.max(epochs.at(-1) * 1.02, 4)], scale: EPOCHS };
  const y = { range: padded(Math.min(...numbers), Math.max(...numbers), 0.08), scale: chart.scale };
  const { root, box, sx, sy } = frame(host, x, y, 260, `${chart.scale.label} by epoch; the values are in the table below`);
  if (mark !== null) {
    const at = sx(mark);
    svg("line", { class: "stage", x1: at, x2: at, y1: box.top, y2: box.bottom }, root);
    svg("text", { x: at + 4, y: box.bottom - 6 }, root, `epoch ${mark}`);
  }
  chart.curves.forEach((curve, k) => {
    const points = epochs.flatMap((epoch, i) => (curve.values[i] === null ? [] : [[epoch, curve.values[i]]]));
    const path = points.map(([e, v], i) => `${i ? "L" : "M"}${sx(e).toFixed(1)} ${sy(v).toFixed(1)}`).join("");
    svg("path", { class: `curve s${k % 8}`, d: path, "data-curve": curve.name }, root);
    for (const [epoch, value] of points) {
      const point = marker(MARKERS[k % 4], sx(epoch), sy(value), points.length > 60 ? 2 : 3.5, { class: `f${k % 8}` }, root);
      svg("title", {}, point, `Epoch ${epoch}, ${curve.name}: ${format(chart.scale, value)}`);
    }
  });
  swatches(document.getElementById(`${chart.id}-legend`), chart.curves.map((c) => c.name), MARKERS);
}

function rankChart(ranks) {
  const host = document.getElementById("supernet-ranks");
  if (!host) return;
  const axis = (label, values) => ({ range: padded(Math.min(...values), Math.max(...values), 0.08), scale: { ...ACCURACY, label } });
  const x = axis("Accuracy trained alone", ranks.map((r) => r[1]));
  const y = axis("Accuracy with shared weights", ranks.map((r) => r[0]));
  const { root, sx, sy } = frame(host, x, y, 320, "Accuracy with shared weights against training alone; the values are in the table below");
  for (const [shared, alone] of ranks) {
    const point = marker("circle", sx(alone), sy(shared), 5, { class: "front-point f0" }, root);
    svg("title", {}, point, `Alone ${format(ACCURACY, alone)}, shared weights ${format(ACCURACY, shared)}`);
  }
}

function supernetCharts(supernet) {
  if (!supernet) return;
  for (const chart of supernet.charts) epochChart(chart, supernet.epochs, supernet.mark);
  rankChart(supernet.ranks);
}
