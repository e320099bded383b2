// The plot of all trials: choose axes, hover, pin, walk along the front with the arrow keys.

function paretoPlot(data, hidden, changed) {
  const host = document.getElementById("pareto-chart");
  if (!host) return () => {};
  const { trials, arms, origins } = data;
  const metrics = new Map(data.metrics.map((m) => [m.name, m]));
  const tooltip = html("div", "tooltip");
  tooltip.hidden = true;
  tooltip.setAttribute("role", "status");
  const pins = document.getElementById("pareto-pins");
  const selects = { x: document.getElementById("pareto-x"), y: document.getElementById("pareto-y") };
  const outside = document.getElementById("pareto-outside");
  const pinned = [];
  let view = "full"; // or "close", or the range of each axis
  let chart = null;
  let visible = [];
  let current = null;

  for (const [axis, select] of Object.entries(selects)) {
    for (const m of data.metrics) {
      const option = html("option", "", select, heading(m));
      option.value = m.name;
    }
    select.value = data.axes[axis];
    select.addEventListener("change", () => zoomTo("full"));
  }
  document.getElementById("pareto-front").addEventListener("click", () => zoomTo("close"));
  document.getElementById("pareto-all").addEventListener("click", () => zoomTo("full"));

  const value = (axis, i) => trials.values[selects[axis].value][i];
  const name = (i) => `${arms[trials.arm[i]].name}, trial ${trials.values.trial[i]}`;

  function facts(i) {
    const rows = data.metrics
      .filter((m) => m.name !== "trial" && trials.values[m.name][i] !== null)
      .map((m) => [m.label, format(m, trials.values[m.name][i])]);
    rows.push(["Origin", origins[trials.origin[i]]], ["Stage", String(trials.stage[i])]);
    if (!trials.feasible[i]) rows.push(["Limits", "broken"]);
    if (trials.front[i]) rows.push(["Front", "yes"]);
    return rows;
  }

  function span(axis, indices) {
    const numbers = indices.map((i) => value(axis, i));
    return [Math.min(...numbers), Math.max(...numbers)];
  }

  function ranges(all) {
    const front = all.filter((i) => trials.front[i]);
    const full = { x: span("x", all), y: span("y", all) };
    const close = {};
    for (const axis of ["x", "y"]) {
      const [low, high] = front.length ? span(axis, front) : full[axis];
      const margin = (high - low) * 0.25 || (full[axis][1] - full[axis][0]) * 0.1;
      close[axis] = [Math.max(low - margin, full[axis][0]), Math.min(high + margin, full[axis][1])];
    }
    return { full, close };
  }

  // The staircase that bounds what an arm's front dominates in this plane.
  function staircase(members) {
    const sign = (axis) => ({ minimize: 1, maximize: -1 })[metrics.get(selects[axis].value).direction];
    const [a, b] = [sign("x"), sign("y")];
    if (!a || !b) return null;
    const sorted = [...members].sort((i, j) => a * (value("x", i) - value("x", j)) || b * (value("y", i) - value("y", j)));
    let best = Infinity;
    let path = "";
    for (const i of sorted) {
      if (b * value("y", i) >= best) continue;
      best = b * value("y", i);
      const [px, py] = [chart.sx(value("x", i)).toFixed(1), chart.sy(value("y", i)).toFixed(1)];
      path += path ? `H${px}V${py}` : `M${px} ${py}`;
    }
    return path;
  }

  function limits() {
    for (const [axis, select] of Object.entries(selects)) {
      const m = metrics.get(select.value);
      if (m.limit === null) continue;
      const at = axis === "x" ? chart.sx(m.limit) : chart.sy(m.limit);
      const { left, right, top, bottom } = chart.box;
      if (axis === "x" ? at < left || at > right : at < top || at > bottom) continue;
      const ends = axis === "x" ? { x1: at, x2: at, y1: top, y2: bottom } : { x1: left, x2: right, y1: at, y2: at };
      svg("line", { class: "limit", ...ends }, chart.root);
      const where = axis === "x" ? { x: at + 5, y: top + 11 } : { x: left + 5, y: at - 5 };
      svg("text", { class: "limit-label", ...where }, chart.root, `limit ${format(m, m.limit)}`);
    }
  }

  function draw() {
    const all = trials.arm
      .map((_, i) => i)
      .filter((i) => !hidden.has(trials.arm[i]) && value("x", i) !== null && value("y", i) !== null);
    current = null;
    tooltip.hidden = true;
    if (!all.length) {
      visible = [];
      host.replaceChildren(html("p", "muted", null, "No trial to show with these axes and arms."));
      outside.textContent = "";
      return;
    }
    const range = typeof view === "string" ? ranges(all)[view] : view;
    const margin = range === view ? 0 : 0.05;
    const axis = (a) => ({ range: padded(...range[a], margin), scale: metrics.get(selects[a].value) });
    const [x, y] = [axis("x"), axis("y")];
    const inside = (i) => [[x, "x"], [y, "y"]].every(([s, a]) => value(a, i) >= s.range[0] && value(a, i) <= s.range[1]);
    const label = `${all.length} trials: ${heading(y.scale)} against ${heading(x.scale)}`;
    chart = frame(host, x, y, Math.min(520, Math.max(340, host.clientWidth * 0.5)), label);
    visible = all.filter(inside);
    const left = all.length - visible.length;
    outside.textContent = left ? `${left.toLocaleString("en-US")} of ${all.length.toLocaleString("en-US")} trials lie outside the view` : "";
    chart.root.setAttribute("tabindex", "0");
    chart.root.setAttribute("aria-describedby", "pareto-keys");
    limits();
    const order = (i) => trials.front[i] * 2 * arms.length + (arms.length - trials.arm[i]);
    const layers = { points: svg("g", {}, chart.root), lines: svg("g", {}, chart.root), front: svg("g", {}, chart.root) };
    arms.forEach((arm, a) => {
      const path = staircase(visible.filter((i) => trials.front[i] && trials.arm[i] === a));
      const style = `front-line s${a % 8}${arm.main ? "" : " control"}`;
      if (path) layers.lines.prepend(svg("path", { class: style, d: path }));
    });
    for (const i of [...visible].sort((p, q) => order(p) - order(q))) {
      const a = trials.arm[i];
      const front = trials.front[i];
      const style = front ? `front-point f${a % 8}` : trials.feasible[i] ? `point f${a % 8}` : `point infeasible s${a % 8}`;
      const size = front ? (arms[a].main ? 6 : 4.5) : 3.2;
      const layer = front ? layers.front : layers.points;
      const attributes = { class: style, "data-arm": arms[a].name };
      marker(MARKERS[a % 4], chart.sx(value("x", i)), chart.sy(value("y", i)), size, attributes, layer);
    }
    chart.pins = svg("g", {}, chart.root);
    chart.ring = svg("circle", { class: "ring", r: 9, visibility: "hidden" }, chart.root);
    host.append(tooltip);
    drawPins();
    listen();
  }

  function show(i) {
    current = i;
    if (i === null) {
      tooltip.hidden = true;
      chart.ring.setAttribute("visibility", "hidden");
      return;
    }
    const [px, py] = [chart.sx(value("x", i)), chart.sy(value("y", i))];
    for (const [key, v] of [["cx", px], ["cy", py], ["visibility", "visible"]]) chart.ring.setAttribute(key, v);
    tooltip.replaceChildren();
    html("strong", "", tooltip, name(i));
    list(tooltip, facts(i));
    html("span", "architecture", tooltip, trials.text[i]);
    placeTooltip(tooltip, host, px, py);
  }

  function togglePin(i) {
    const at = pinned.indexOf(i);
    if (at >= 0) pinned.splice(at, 1);
    else pinned.push(i);
    drawPins();
  }

  function drawPins() {
    pins.replaceChildren();
    chart.pins.replaceChildren();
    for (const i of pinned) {
      const card = html("li", "pin", pins);
      const head = html("div", "head", card);
      html("strong", "", head, name(i));
      const button = html("button", "", head, "Unpin");
      button.type = "button";
      button.setAttribute("aria-label", `Unpin ${name(i)}`);
      button.addEventListener("click", () => togglePin(i));
      list(card, facts(i));
      html("div", "architecture", card, trials.text[i]);
      if (!visible.includes(i)) continue;
      svg("circle", { class: "pinned-ring", r: 10, cx: chart.sx(value("x", i)), cy: chart.sy(value("y", i)) }, chart.pins);
    }
  }

  function nearest(event) {
    const at = pointer(event, chart.root);
    let found = null;
    let best = 18 ** 2;
    for (const i of visible) {
      const d = (chart.sx(value("x", i)) - at.x) ** 2 + (chart.sy(value("y", i)) - at.y) ** 2;
      const distance = trials.front[i] ? d * 0.5 : d;
      if (distance < best) [best, found] = [distance, i];
    }
    return found;
  }

  function walk(key) {
    const path = visible.filter((i) => trials.front[i]).sort((i, j) => value("x", i) - value("x", j));
    if (!path.length) return;
    const at = path.indexOf(current);
    const steps = { ArrowRight: at + 1, ArrowLeft: at < 0 ? path.length - 1 : at - 1, Home: 0, End: path.length - 1 };
    show(path[Math.min(Math.max(steps[key], 0), path.length - 1)]);
  }

  function zoomTo(range) {
    view = range;
    draw();
  }

  // Dragging spans a box; a click that hardly moves pins instead.
  function drag(down) {
    if (down.button !== 0) return;
    const { root, box } = chart;
    const ended = new AbortController();
    const from = pointer(down, root);
    const selection = svg("rect", { class: "selection" }, root);
    let corners = null;
    const move = (event) => {
      const to = pointer(event, root);
      const span = (a, b, low, high) => [Math.min(a, b), Math.max(a, b)].map((v) => Math.min(Math.max(v, low), high));
      corners = { x: span(from.x, to.x, box.left, box.right), y: span(from.y, to.y, box.top, box.bottom) };
      const [width, height] = [corners.x[1] - corners.x[0], corners.y[1] - corners.y[0]];
      for (const [key, v] of Object.entries({ x: corners.x[0], y: corners.y[0], width, height })) selection.setAttribute(key, v);
      if (width < 8 || height < 8) corners = null;
    };
    const end = (event) => {
      ended.abort();
      selection.remove();
      if (corners) zoomTo({ x: corners.x.map(chart.value.x), y: corners.y.map(chart.value.y).reverse() });
      else if (event.type === "pointerup" && nearest(event) !== null) togglePin(nearest(event));
    };
    root.addEventListener("pointermove", move, { signal: ended.signal });
    for (const type of ["pointerup", "pointerleave"]) root.addEventListener(type, end, { signal: ended.signal });
  }

  function listen() {
    chart.root.addEventListener("pointermove", (event) => show(nearest(event)));
    chart.root.addEventListener("pointerdown", drag);
    chart.root.addEventListener("pointerleave", () => show(null));
    chart.root.addEventListener("blur", () => show(null));
    chart.root.addEventListener("keydown", (event) => {
      if (["ArrowRight", "ArrowLeft", "Home", "End"].includes(event.key)) walk(event.key);
      else if (["Enter", " "].includes(event.key) && current !== null) togglePin(current);
      else if (event.key === "Escape") show(null);
      else return;
      event.preventDefault();
    });
  }

  // Start close when a few bad trials would squeeze the front into a corner, but most trials stay in view.
  const drawn = trials.arm.map((_, i) => i).filter((i) => value("x", i) !== null && value("y", i) !== null);
  if (drawn.length) {
    const { full, close } = ranges(drawn);
    const share = (a) => (close[a][1] - close[a][0]) / (full[a][1] - full[a][0] || 1);
    const within = (a, i) => value(a, i) >= close[a][0] && value(a, i) <= close[a][1];
    const kept = drawn.filter((i) => within("x", i) && within("y", i)).length;
    if (Math.min(share("x"), share("y")) < 0.3 && kept > drawn.length / 2) view = "close";
  }
  return () => {
    legend(document.getElementById("pareto-legend"), arms, hidden, changed);
    draw();
  };
}
