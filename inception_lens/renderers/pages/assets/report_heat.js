// The colours of the diagram: by the kind of operation, or by a number, and what they mean.

const RAMP_STEPS = 24;

const heatOf = { key: "", most: 1, value: null };

/** The colour of a value that is `part` of the largest, between the steps of the theme's ramp. */
function heatColor(part) {
  const steps = dark.matches ? data.ramps.dark : data.ramps.light;
  const place = Math.min(Math.max(part, 0), 1) * (steps.length - 1);
  const low = Math.min(Math.floor(place), steps.length - 2);
  const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const [a, b] = [channels(steps[low]), channels(steps[low + 1])];
  return a.map((from, k) => Math.round(from + (b[k] - from) * (place - low)));
}

/** Black or white, whichever reads better (relative luminance as in WCAG 2.2). */
function inkOn(color) {
  const linear = color.map((each) =>
    each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4,
  );
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}

/** The number of several layers: the largest where it does not add up; null where nobody knows. */
function together(nodes, key) {
  const found = nodes
    .map((node) => leafOf.get(node))
    .map((row) => (row.least?.includes(key) ? undefined : valueOf(row, key)));
  const sums = data.columns[column.get(key)].sums;
  if (sums && found.includes(undefined)) return null;
  const known = found.filter((value) => value !== null && value !== undefined);
  if (known.length === 0) return null;
  return sums ? known.reduce((a, b) => a + b, 0) : known.reduce((a, b) => Math.max(a, b));
}

/** The choice of a number to colour by, and the legend. */
function heatControl(redraw) {
  const choice = byId("heat");
  for (const key of data.heat) choice.append(make("option", { value: key }, titleOf(key)));
  const update = () => {
    heatOf.key = choice.value;
    redraw();
  };
  choice.addEventListener("change", update);
  dark.addEventListener("change", update);
  update();
}

/** What the colours in the picture mean. */
function legend(places) {
  const closed = [...places.values()].filter(({ box, inner }) => box.nodes.length && !inner);
  byId("legend").replaceChildren(
    ...(heatOf.key ? [heatLegend()] : kindLegend(new Set(closed.map(({ box }) => box.kind)))),
  );
}

function heatLegend() {
  const ramp = draw("svg", {
    class: "ramp",
    viewBox: `0 0 ${RAMP_STEPS} 1`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  for (let k = 0; k < RAMP_STEPS; k += 1) {
    ramp.append(
      draw("rect", { x: k, width: 1.05, height: 1, fill: `rgb(${heatColor(k / (RAMP_STEPS - 1)).join(" ")})` }),
    );
  }
  return make("span", {}, `${titleOf(heatOf.key)}: 0`, ramp, formOf(heatOf.key)(heatOf.most));
}

function kindLegend(kinds) {
  return Object.keys(data.words)
    .filter((kind) => kinds.has(kind))
    .map((kind) => {
      const swatch = draw(
        "svg",
        { class: `box ${kindClass(kind)}`, viewBox: "0 0 12 12", "aria-hidden": "true" },
        draw("rect", { x: 1, y: 1, width: 10, height: 10 }),
      );
      return make("span", {}, swatch, data.words[kind]);
    });
}
