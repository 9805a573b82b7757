// Two charts over the layers in order of execution: live memory, and receptive field. A click selects the layer.

const CHART_HEIGHT = 230;
const CHART_MARGIN = { left: 62, right: 14, top: 20, bottom: 26 };
const HEADROOM = 1.06; // the vertical axis ends above the largest value

/** An empty chart: scales and grid lines with their numbers. */
function chart(id, label, steps, max, format) {
  const width = Math.max(byId(id).clientWidth - 24, 300);
  const { left, right, top, bottom } = CHART_MARGIN;
  const x = (step) => left + (step / Math.max(steps, 1)) * (width - left - right);
  const y = (value) => CHART_HEIGHT - bottom - (value / max) * (CHART_HEIGHT - top - bottom);
  const root = svg("svg", { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, role: "img", "aria-label": label });
  for (const tick of ticks(max)) {
    root.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    root.append(svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)));
  }
  byId(id).append(root);
  return { id, root, steps, width, x, y };
}

/** About four round numbers from 0 to the largest value. */
function ticks(max) {
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((each) => each >= rough);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, k) => k * step);
}

/** The path of a line that is constant over each layer. */
const stepPath = ({ x, y }, values) =>
  values.map((value, k) => `L${x(k)} ${y(value)} L${x(k + 1)} ${y(value)}`).join(" ");

/** Show the layer under the pointer, or the selected layer, and select a layer by a click. */
function connectPointer({ id, root, steps, width, x }, describe) {
  const { left, right, top, bottom } = CHART_MARGIN;
  const cursor = svg("line", { class: "cursor", y1: top, y2: CHART_HEIGHT - bottom, visibility: "hidden" });
  const caption = svg("text", { class: "chart-label", x: left, y: CHART_HEIGHT - 7 });
  root.append(cursor, caption);
  const layerAt = (event) => {
    const frame = root.getBoundingClientRect();
    const position = ((event.clientX - frame.left) * width) / frame.width;
    const step = Math.floor(((position - left) / (width - left - right)) * steps);
    return Math.min(Math.max(step, 0), steps - 1);
  };
  const show = (node) => {
    cursor.setAttribute("visibility", node === null ? "hidden" : "visible");
    caption.textContent = node === null ? "" : `${layerRows.get(node).name}: ${describe(node)}`;
    if (node === null) return;
    cursor.setAttribute("x1", x(node + 0.5));
    cursor.setAttribute("x2", x(node + 0.5));
  };
  const showSelected = () => show(selected ? selected.nodes[0] : null);
  root.addEventListener("pointermove", (event) => show(layerAt(event)));
  root.addEventListener("pointerleave", showSelected);
  root.addEventListener("click", (event) => select(layerRows.get(layerAt(event)), id));
  views.push(showSelected);
}

function memoryView() {
  const bytes = data.live_bytes; // null where the size of a tensor is unknown
  const peak = bytes.reduce((a, b) => Math.max(a, b), 1);
  const node = bytes.indexOf(peak);
  const size = `${bytes.includes(null) ? "at least " : ""}${FORMATS.size(peak)}`;
  const label = `Live activation memory by layer; the peak is ${size} at ${layerRows.get(node)?.name}`;
  const memory = chart("memory", label, bytes.length, peak * HEADROOM, FORMATS.size);
  const { root, x, y } = memory;
  const area = `M${x(0)} ${y(0)} ${stepPath(memory, bytes)} L${x(bytes.length)} ${y(0)} Z`;
  root.append(svg("path", { class: "area", d: area }));
  root.append(svg("circle", { class: "peak", cx: x(node + 0.5), cy: y(peak), r: 4 }));
  // The label is on the side with more space.
  const isLeft = node > bytes.length / 2;
  const place = { x: x(node + 0.5) + (isLeft ? -9 : 9), y: y(peak) - 3, "text-anchor": isLeft ? "end" : "start" };
  root.append(svg("text", { class: "chart-label", ...place }, `peak ${size}`));
  connectPointer(memory, (layer) => (bytes[layer] === null ? "unknown" : FORMATS.size(bytes[layer])));
}

function receptiveFieldView() {
  const sizes = data.live_bytes.map((_, node) => valueOf(layerRows.get(node), "receptive_field"));
  const known = sizes.filter((size) => size);
  if (!known.length) {
    const note = "No layer has a receptive field: the outputs have no spatial positions.";
    byId("receptive-field").append(html("p", { class: "note" }, note));
    return;
  }
  const input = data.input_size;
  const max = known.reduce((a, b) => Math.max(a, b), input);
  const first = sizes.findIndex((size) => size >= input);
  const covers = input && first >= 0 ? `; ${layerRows.get(first).name} is the first to cover the whole input` : "";
  const label = `Receptive field by layer, up to ${max} pixels${covers}`;
  const fields = chart("receptive-field", label, sizes.length, max * HEADROOM, grouped);
  const { root, width, x, y } = fields;
  let widest = 0;
  const widestSoFar = sizes.map((size) => (widest = Math.max(widest, size ?? 0)));
  root.append(svg("path", { class: "widest", d: `M${x(0)} ${y(0)} ${stepPath(fields, widestSoFar)}` }));
  const radius = sizes.length > 1000 ? 1.4 : 2.6;
  for (const [node, size] of sizes.entries()) {
    const kind = kindClass(layerRows.get(node).category);
    if (size) root.append(svg("circle", { class: `dot ${kind}`, cx: x(node + 0.5), cy: y(size), r: radius }));
  }
  if (input) {
    const [left, right] = [CHART_MARGIN.left, width - CHART_MARGIN.right];
    root.append(svg("line", { class: "input-size", x1: left, x2: right, y1: y(input), y2: y(input) }));
    root.append(svg("text", { x: right, y: y(input) - 5, "text-anchor": "end" }, `input ${input}`));
  }
  connectPointer(fields, (node) => (sizes[node] ? `${grouped(sizes[node])} pixels` : "none"));
}
