// The diagram: boxes that open and close, a heat map, and the selection.

const MOST_DRAWN = 1500; // boxes that "open all" draws; more would be slow, and too much to read
const LINE = 12;

function diagramView() {
  const opened = new Set();
  const svg = draw("svg", { role: "group", "aria-label": "Diagram of the network; arrow keys go from box to box" });
  const marker = draw(
    "marker",
    { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
    draw("path", { class: "tip", d: "M0 1 L8 4 L0 7 z" }),
  );
  const group = draw("g");
  svg.append(draw("defs", {}, marker), group);
  byId("stage").append(svg);
  let laid = layOut(data.picture, opened);
  let places = flattened(laid);
  let elements = new Map();
  let focused = [...places.values()].find(({ box }) => box.nodes.length)?.path;
  let marked = new Set();
  const move = movable(svg, group, () => [laid.width, laid.height]);

  /** Draw anew what is there; each box is a group with its path. */
  function redraw() {
    laid = layOut(data.picture, opened);
    places = flattened(laid);
    elements = new Map();
    measureHeat();
    legend(places);
    const hadFocus = group.contains(document.activeElement);
    group.replaceChildren(...pieces(laid));
    if (!elements.has(focused)) focused = elements.keys().next().value;
    elements.get(focused)?.setAttribute("tabindex", "0");
    if (hadFocus) elements.get(focused)?.focus({ preventScroll: true });
    mark();
    const about = data.picture.about ? `${data.picture.about}. ` : "";
    byId("drawn").textContent = `${about}${elements.size.toLocaleString("en-US")} boxes drawn`;
  }

  function pieces(part) {
    const panels = part.panels.flatMap(({ text, x, y, w, h }) => [
      draw("rect", { class: "panel", x, y, width: w, height: h, rx: 7 }),
      draw("text", { class: "panel-title", x: x + w - 8, y: y + 13 }, text),
    ]);
    const arrows = part.arrows.flatMap(({ points, text, at }) => [
      draw("path", { class: "arrow", d: curve(points), "marker-end": "url(#tip)" }),
      ...(at ? lines(text, at[0], at[1], 9, "shape") : []),
    ]);
    return [...panels, ...arrows, ...part.boxes.map(drawnBox)];
  }

  function drawnBox(place) {
    const { box, path, x, y, w, h, inner } = place;
    const isEnd = box.nodes.length === 0;
    const name = box.text[0];
    const element = draw(
      "g",
      {
        class: ["box", isEnd ? "end" : kindClass(box.kind), inner ? "opened" : ""].join(" "),
        "data-path": path,
      },
      draw("rect", { x: x - w / 2, y: y - h / 2, width: w, height: h }),
    );
    if (inner) {
      element.append(draw("text", { class: "opened-title", x: x - w / 2 + 24, y: y - h / 2 + 15 }, name));
      element.append(
        draw("g", { transform: `translate(${x - w / 2 + FRAME} ${y - h / 2 + TITLE})` }, ...pieces(inner)),
      );
    } else {
      element.append(...colored(element, place));
    }
    if (isEnd) return element;
    const row = rowOf(box);
    const about = `${box.text.join(", ")}; ${told(row, "params")} parameters, ${told(row, "macs")} MACs`;
    filled(
      element,
      {
        tabindex: "-1",
        role: "button",
        "aria-label": about,
        "aria-expanded": box.inside ? String(Boolean(inner)) : null,
      },
      [draw("title", {}, about)],
    );
    if (box.inside) element.append(toggle(x - w / 2 + (inner ? 13 : 0), y - h / 2 + (inner ? 11 : 0), inner));
    elements.set(path, element);
    return element;
  }

  /** The lines of a closed box, filled by its number where there is a heat map. */
  function colored(element, { box, x, y }) {
    const value = heatOf.key && box.nodes.length ? together(box.nodes, heatOf.key) : null;
    const text = [...box.text];
    const shown = () => (text.length > 1 && box.h < 26 ? lines(text, x, y, 9, "small") : lines(text, x, y, LINE, ""));
    if (heatOf.key && box.nodes.length) {
      text[Math.min(text.length, 1)] = value === null ? "unknown" : value ? formOf(heatOf.key)(value) : "-";
      const color = value === null ? null : heatColor(value / heatOf.most);
      element.firstChild.style.fill = color ? `rgb(${color.join(" ")})` : "var(--edge)";
      element.dataset.heat = value === null ? "unknown" : value;
      const texts = shown();
      for (const each of texts) if (color) each.style.fill = inkOn(color);
      return texts;
    }
    return shown();
  }

  function lines(text, x, y, step, name) {
    return text.map((line, k) =>
      draw("text", { class: name, x, y: y + 3.4 + (k - (text.length - 1) / 2) * step }, line),
    );
  }

  function toggle(x, y, isOpen) {
    return draw(
      "g",
      { class: "toggle", "aria-hidden": "true" },
      draw("circle", { cx: x, cy: y, r: 6.5 }),
      draw("path", { d: `M${x - 3} ${y} h6${isOpen ? "" : ` M${x} ${y - 3} v6`}` }),
    );
  }

  const curve = (points) => `M${points[0]} ${points[1]} C${points.slice(2).join(" ")}`;

  function measureHeat() {
    if (!heatOf.key) return;
    const values = [...places.values()]
      .filter(({ box, inner }) => box.nodes.length && !inner)
      .map(({ box }) => together(box.nodes, heatOf.key));
    heatOf.most = values.reduce((most, value) => Math.max(most, value ?? 0), 0) || 1;
  }

  /** Show the selection and what a search found. */
  function mark() {
    for (const [path, element] of elements) {
      const { box, inner } = places.get(path);
      const above = places.get(path.slice(0, path.lastIndexOf("/")));
      const covered = selected && (within(box.nodes, selected.set) || rowOf(box) === selected);
      const same = covered && !(above && within(above.box.nodes, selected.set));
      const holds = selected && !inner && !same && within(selected.nodes, new Set(box.nodes));
      element.classList.toggle("selected", Boolean(same));
      element.classList.toggle("near", Boolean(holds));
      element.classList.toggle("hit-by-search", !inner && box.nodes.some((node) => marked.has(node)));
    }
  }

  function flip(path) {
    const before = places.get(path);
    if (!before?.box.inside) return;
    if (!opened.delete(path)) opened.add(path);
    redraw();
    const now = places.get(path); // the middle of its upper edge stays where it was
    move.view.x += (before.x - now.x) * move.view.k;
    move.view.y += (before.y - before.h / 2 - (now.y - now.h / 2)) * move.view.k;
    move.apply();
  }

  /** Open what hides the row, and bring it into sight. */
  function reveal(row) {
    const smaller = ({ box, inner }) =>
      box.inside && !inner && row.nodes.length < box.nodes.length && within(row.nodes, new Set(box.nodes));
    const hiding = [...places.values()].find(smaller);
    if (hiding) {
      opened.add(hiding.path);
      redraw();
    }
    const shown = [...places.values()].filter(({ box }) => box.nodes.length && within(box.nodes, row.set));
    const holding = [...places.values()].filter(({ box, inner }) => !inner && within(row.nodes, new Set(box.nodes)));
    const all = shown.length ? shown : holding;
    if (all.length === 0) return;
    const [left, right] = [Math.min(...all.map((p) => p.x - p.w / 2)), Math.max(...all.map((p) => p.x + p.w / 2))];
    const [top, bottom] = [Math.min(...all.map((p) => p.y - p.h / 2)), Math.max(...all.map((p) => p.y + p.h / 2))];
    move.reveal({ x: (left + right) / 2, y: (top + bottom) / 2, w: right - left, h: bottom - top });
  }

  function openAll() {
    let total = places.size;
    for (const [path, { box }] of flattened(layOut(data.picture, new Set()))) {
      if (!box.inside) continue;
      total += box.inside.boxes.length;
      if (total > MOST_DRAWN) break;
      opened.add(path);
    }
    redraw();
    move.fit(false);
    if (total > MOST_DRAWN)
      byId("drawn").textContent +=
        `, the first ${opened.size.toLocaleString("en-US")} modules: the rest open one by one`;
  }

  /** One box at a time can be reached by Tab. */
  function rove(path) {
    elements.get(focused)?.setAttribute("tabindex", "-1");
    focused = path;
    elements.get(path)?.setAttribute("tabindex", "0");
  }

  function focus(path) {
    rove(path);
    elements.get(path).focus({ preventScroll: true });
    move.reveal(places.get(path));
  }

  /** On paper the picture is shown whole, however large the paper is. */
  function print(printing) {
    if (printing) {
      svg.setAttribute("viewBox", `0 0 ${laid.width} ${laid.height}`);
      group.removeAttribute("transform");
    } else {
      svg.removeAttribute("viewBox");
      move.apply();
    }
  }

  const pathOf = (target) => target.closest?.(".box:not(.end)")?.dataset.path;

  svg.addEventListener("click", (event) => {
    const path = pathOf(event.target);
    if (!path) return event.target.closest(".box") ? undefined : select(null, "diagram");
    rove(path);
    if (event.target.closest(".toggle")) return flip(path);
    return select(rowOf(places.get(path).box), "diagram");
  });
  svg.addEventListener("dblclick", (event) => {
    const path = pathOf(event.target);
    if (path) flip(path);
  });
  svg.addEventListener("focusin", (event) => {
    const path = pathOf(event.target);
    if (path) rove(path);
  });
  svg.addEventListener("keydown", (event) => {
    const order = [...elements.keys()];
    const at = order.indexOf(focused);
    const goes = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: order.length - 1,
    };
    if (event.key in goes) {
      const next = order[Math.min(Math.max(goes[event.key], 0), order.length - 1)];
      focus(next);
      select(rowOf(places.get(next).box), "diagram");
    } else if (event.key === "Enter" || event.key === " ") {
      select(rowOf(places.get(focused).box), "diagram");
      flip(focused);
    } else if (event.key === "+" || event.key === "=") move.zoom(1.25);
    else if (event.key === "-") move.zoom(0.8);
    else if (event.key === "0") move.fit();
    else return;
    event.preventDefault();
  });

  byId("zoom-in").addEventListener("click", () => move.zoom(1.25));
  byId("zoom-out").addEventListener("click", () => move.zoom(0.8));
  byId("zoom-fit").addEventListener("click", () => move.fit());
  byId("open-all").addEventListener("click", openAll);
  byId("close-all").addEventListener("click", () => {
    opened.clear();
    redraw();
    move.fit(false);
  });
  let width = svg.clientWidth; // of the height alone no notice is taken: phones change it as one scrolls
  addEventListener("resize", () => {
    if (svg.clientWidth !== width) move.fit(false);
    width = svg.clientWidth;
  });
  heatControl(redraw);
  views.push((row, from) => {
    if (row && from !== "diagram") reveal(row);
    mark();
  });
  move.fit(false);
  return {
    found: (nodes) => {
      marked = new Set(nodes);
      mark();
    },
    print,
  };
}
