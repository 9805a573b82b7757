// Two charts along the order of execution: the memory alive, and the receptive field. Pressing one selects the layer.

const TALL = 230;
const EDGE = { left: 62, right: 14, top: 20, bottom: 26 };

/** A chart's frame: scales, grid lines with their numbers, and the layer under the pointer. */
function chart(id, label, steps, most, form) {
  const wide = Math.max(byId(id).clientWidth - 24, 300);
  const x = (step) => EDGE.left + (step / Math.max(steps, 1)) * (wide - EDGE.left - EDGE.right);
  const y = (value) => TALL - EDGE.bottom - (value / most) * (TALL - EDGE.top - EDGE.bottom);
  const svg = draw("svg", { viewBox: `0 0 ${wide} ${TALL}`, role: "img", "aria-label": label });
  for (const tick of ticks(most)) {
    svg.append(draw("line", { class: "grid", x1: EDGE.left, x2: wide - EDGE.right, y1: y(tick), y2: y(tick) }));
    svg.append(draw("text", { x: EDGE.left - 6, y: y(tick) + 4, "text-anchor": "end" }, form(tick)));
  }
  const cursor = draw("line", { class: "cursor", y1: EDGE.top, y2: TALL - EDGE.bottom, visibility: "hidden" });
  const caption = draw("text", { class: "told", x: EDGE.left, y: TALL - 7 });
  byId(id).append(svg);
  return { svg, wide, x, y, cursor, caption };
}

/** About four round numbers up to the largest. */
function ticks(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, k) => k * step);
}

/** Select by pressing, tell by pointing, and show what is selected. */
function pointed(id, { svg, wide, x, cursor, caption }, steps, words) {
  svg.append(cursor, caption);
  const layers = Array.from({ length: steps }, (_, node) => leafOf.get(node));
  const at = (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const place = ((event.clientX - left) * wide) / width;
    const step = Math.floor(((place - EDGE.left) / (wide - EDGE.left - EDGE.right)) * steps);
    return Math.min(Math.max(step, 0), steps - 1);
  };
  const show = (node) => {
    cursor.setAttribute("visibility", node === null ? "hidden" : "visible");
    caption.textContent = node === null ? "" : `${layers[node].name}: ${words(node)}`;
    if (node === null) return;
    cursor.setAttribute("x1", x(node + 0.5));
    cursor.setAttribute("x2", x(node + 0.5));
  };
  const chosen = () => show(selected ? selected.nodes[0] : null);
  svg.addEventListener("pointermove", (event) => show(at(event)));
  svg.addEventListener("pointerleave", chosen);
  svg.addEventListener("click", (event) => select(layers[at(event)], id));
  views.push(chosen);
}

function memoryView() {
  const { live } = data;
  const most = live.reduce((a, b) => Math.max(a, b), 1);
  const peak = live.indexOf(most);
  const frame = chart(
    "memory",
    `Activations alive during each layer; the peak is ${FORMS.size(most)} at ${leafOf.get(peak)?.name}`,
    live.length,
    most * 1.06,
    FORMS.size,
  );
  const { svg, x, y } = frame;
  const outline = live.map((bytes, k) => `L${x(k)} ${y(bytes)} L${x(k + 1)} ${y(bytes)}`).join(" ");
  svg.append(draw("path", { class: "area", d: `M${x(0)} ${y(0)} ${outline} L${x(live.length)} ${y(0)} Z` }));
  const left = peak > live.length / 2;
  svg.append(draw("circle", { class: "peak", cx: x(peak + 0.5), cy: y(most), r: 4 }));
  svg.append(
    draw(
      "text",
      { class: "told", x: x(peak + 0.5) + (left ? -9 : 9), y: y(most) - 3, "text-anchor": left ? "end" : "start" },
      `peak ${FORMS.size(most)}`,
    ),
  );
  pointed("memory", frame, live.length, (node) => FORMS.size(live[node]));
}

function fieldView() {
  const fields = data.live.map((_, node) => valueOf(leafOf.get(node), "receptive_field"));
  const known = fields.filter((field) => field);
  if (!known.length) {
    byId("field").append(
      make("p", { class: "note" }, "No layer of this network has one: its positions cannot be told apart."),
    );
    return;
  }
  const most = Math.max(
    known.reduce((a, b) => Math.max(a, b)),
    data.image,
  );
  const first = fields.findIndex((field) => field >= data.image);
  const sees = data.image && first >= 0 ? `; ${leafOf.get(first).name} is the first to see the whole input` : "";
  const frame = chart(
    "field",
    `Receptive field of each layer, up to ${most} pixels${sees}`,
    fields.length,
    most * 1.06,
    (pixels) => pixels.toLocaleString("en-US"),
  );
  const { svg, wide, x, y } = frame;
  let widest = 0;
  const steps = fields.map((field, k) => {
    widest = Math.max(widest, field ?? 0);
    return `L${x(k)} ${y(widest)} L${x(k + 1)} ${y(widest)}`;
  });
  svg.append(draw("path", { class: "widest", d: `M${x(0)} ${y(0)} ${steps.join(" ")}` }));
  for (const [node, field] of fields.entries()) {
    if (field)
      svg.append(
        draw("circle", {
          class: `dot ${kindClass(leafOf.get(node).category)}`,
          cx: x(node + 0.5),
          cy: y(field),
          r: fields.length > 1000 ? 1.4 : 2.6,
        }),
      );
  }
  if (data.image) {
    svg.append(
      draw("line", { class: "image", x1: EDGE.left, x2: wide - EDGE.right, y1: y(data.image), y2: y(data.image) }),
    );
    svg.append(
      draw("text", { x: wide - EDGE.right, y: y(data.image) - 5, "text-anchor": "end" }, `input ${data.image}`),
    );
  }
  pointed("field", frame, fields.length, (node) =>
    fields[node] ? `${fields[node].toLocaleString("en-US")} pixels` : "none",
  );
}
