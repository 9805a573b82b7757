// The colours of the diagram and their legend: by kind of operation, or by a number of each layer.

const LEGEND_STEPS = 24;

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** The column that colours the boxes, or "" for colours by kind; and its largest value among the visible boxes. */
const heat = { key: "", max: 1 };

/** The colour, as three channels, at `part` of the theme's heat ramp; `part` is between 0 and 1. */
function heatColor(part) {
  const steps = darkScheme.matches ? data.heat_ramps.dark : data.heat_ramps.light;
  const position = Math.min(Math.max(part, 0), 1) * (steps.length - 1);
  const low = Math.min(Math.floor(position), steps.length - 2);
  const channels = (color) => [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  const [a, b] = [channels(steps[low]), channels(steps[low + 1])];
  return a.map((from, k) => Math.round(from + (b[k] - from) * (position - low)));
}

const cssColor = (channels) => `rgb(${channels.join(" ")})`;

/** Black or white, whichever has more contrast with the colour (relative luminance as in WCAG 2.2). */
function inkOn(color) {
  const linear = color.map((channel) =>
    channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4,
  );
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}

/** The value of several layers: their sum, or their maximum for a column that has no sum; null if it is unknown. */
function combined(nodes, key) {
  const values = nodes
    .map((node) => layerRows.get(node))
    .map((row) => (isLowerBound(row, key) ? undefined : valueOf(row, key)));
  const { sums } = columnOf(key);
  if (sums && values.includes(undefined)) return null;
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length === 0) return null;
  return known.reduce((a, b) => (sums ? a + b : Math.max(a, b)));
}

/** Connect the choice of the column that colours the boxes. */
function heatControl(redraw) {
  const choice = byId("heat");
  for (const key of data.heat_columns) choice.append(html("option", { value: key }, titleOf(key)));
  const update = () => {
    heat.key = choice.value;
    redraw();
  };
  choice.addEventListener("change", update);
  darkScheme.addEventListener("change", update);
  update();
}

/** Show what the colours of the closed boxes mean. */
function showLegend(closedBoxes) {
  const kinds = new Set(closedBoxes.map((box) => box.kind));
  byId("legend").replaceChildren(...(heat.key ? [heatLegend()] : kindLegend(kinds)));
}

function heatLegend() {
  const ramp = svg("svg", {
    class: "ramp",
    viewBox: `0 0 ${LEGEND_STEPS} 1`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  for (let k = 0; k < LEGEND_STEPS; k += 1) {
    const fill = cssColor(heatColor(k / (LEGEND_STEPS - 1)));
    ramp.append(svg("rect", { x: k, width: 1.05, height: 1, fill }));
  }
  return html("span", {}, `${titleOf(heat.key)}: 0`, ramp, formatOf(heat.key)(heat.max));
}

function kindLegend(kinds) {
  return Object.entries(data.kind_names)
    .filter(([kind]) => kinds.has(kind))
    .map(([kind, name]) => {
      const swatch = svg(
        "svg",
        { class: `box ${kindClass(kind)}`, viewBox: "0 0 12 12", "aria-hidden": "true" },
        svg("rect", { x: 1, y: 1, width: 10, height: 10 }),
      );
      return html("span", {}, swatch, name);
    });
}
