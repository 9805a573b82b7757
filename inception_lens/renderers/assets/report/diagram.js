// The diagram: boxes that open and close, a heat map, search results and the selection.

const MAX_DRAWN = 1500; // boxes that "open all" draws; more are slow and illegible
const LINE_HEIGHT = 12;
const SMALL_LINE_HEIGHT = 9;

function diagramView() {
  const opened = new Set();
  const root = svg("svg", { role: "group", "aria-label": "Diagram of the network; arrow keys move between boxes" });
  const marker = svg(
    "marker",
    { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
    svg("path", { class: "tip", d: "M0 1 L8 4 L0 7 z" }),
  );
  const group = svg("g");
  root.append(svg("defs", {}, marker), group);
  byId("stage").append(root);
  let laidOut = layOut(data.diagram, opened);
  let boxes = flattened(laidOut);
  let elements = new Map(); // by path, without inputs and outputs
  let focused = [...boxes.values()].find(({ box }) => box.nodes.length)?.path;
  let matches = new Set(); // layers that the search found
  const viewport = zoomable(root, group, () => [laidOut.width, laidOut.height]);

  function redraw() {
    laidOut = layOut(data.diagram, opened);
    boxes = flattened(laidOut);
    elements = new Map();
    const closed = [...boxes.values()].filter(({ box, content }) => box.nodes.length && !content);
    measureHeat(closed);
    showLegend(closed.map(({ box }) => box));
    const hadFocus = group.contains(document.activeElement);
    group.replaceChildren(...picture(laidOut));
    if (!elements.has(focused)) focused = elements.keys().next().value;
    elements.get(focused)?.setAttribute("tabindex", "0");
    if (hadFocus) elements.get(focused)?.focus({ preventScroll: true });
    mark();
    const note = data.diagram.note ? `${data.diagram.note}. ` : "";
    byId("drawn").textContent = `${note}${grouped(elements.size)} boxes`;
  }

  function picture(part) {
    const panels = part.panels.flatMap(({ text, x, y, width, height }) => [
      svg("rect", { class: "panel", x, y, width, height, rx: 7 }),
      svg("text", { class: "panel-title", x: x + width - 8, y: y + 13 }, text),
    ]);
    const arrows = part.arrows.flatMap(({ points, text, textAt }) => [
      svg("path", { class: "arrow", d: curve(points), "marker-end": "url(#tip)" }),
      ...(textAt ? textLines(text, textAt[0], textAt[1], SMALL_LINE_HEIGHT, "shape") : []),
    ]);
    return [...panels, ...arrows, ...part.boxes.map(boxElement)];
  }

  function boxElement(laidOutBox) {
    const { box, path, x, y, width, height, content } = laidOutBox;
    const isEnd = box.nodes.length === 0;
    const [left, top] = [x - width / 2, y - height / 2];
    const element = svg(
      "g",
      {
        class: ["box", isEnd ? "end" : kindClass(box.kind), content ? "opened" : ""].join(" "),
        "data-path": path,
      },
      svg("rect", { x: left, y: top, width, height }),
    );
    if (content) {
      element.append(svg("text", { class: "opened-title", x: left + 24, y: top + 15 }, box.text[0]));
      const offset = `translate(${left + BOX_PADDING} ${top + BOX_TITLE_HEIGHT})`;
      element.append(svg("g", { transform: offset }, ...picture(content)));
    } else {
      element.append(...closedBoxText(element, laidOutBox));
    }
    if (isEnd) return element;
    const row = rowOf(box);
    const label = `${box.text.join(", ")}; ${cellText(row, "params")} parameters, ${cellText(row, "macs")} MACs`;
    const expanded = box.inside ? String(Boolean(content)) : null;
    filled(element, { tabindex: "-1", role: "button", "aria-label": label, "aria-expanded": expanded }, [
      svg("title", {}, label),
    ]);
    if (box.inside) element.append(toggle(left + (content ? 13 : 0), top + (content ? 11 : 0), content));
    elements.set(path, element);
    return element;
  }

  /** The lines of a closed box. A heat map fills the box and replaces its second line by the value. */
  function closedBoxText(element, { box, x, y, height }) {
    const lines = [...box.text];
    let ink = null;
    if (heat.key && box.nodes.length) {
      const value = combined(box.nodes, heat.key);
      const isKnown = value !== null;
      lines[Math.min(lines.length, 1)] = isKnown ? (value ? formatOf(heat.key)(value) : "-") : "unknown";
      const color = isKnown ? heatColor(value / heat.max) : null;
      element.firstChild.style.fill = color ? cssColor(color) : "var(--edge)";
      element.dataset.heat = isKnown ? value : "unknown";
      if (color) ink = inkOn(color);
    }
    const isSmall = lines.length > 1 && height < 26;
    const texts = isSmall
      ? textLines(lines, x, y, SMALL_LINE_HEIGHT, "small")
      : textLines(lines, x, y, LINE_HEIGHT, "");
    for (const text of texts) if (ink) text.style.fill = ink;
    return texts;
  }

  function textLines(lines, x, y, lineHeight, className) {
    const first = y + 3.4 - ((lines.length - 1) / 2) * lineHeight;
    return lines.map((line, k) => svg("text", { class: className, x, y: first + k * lineHeight }, line));
  }

  function toggle(x, y, isOpen) {
    return svg(
      "g",
      { class: "toggle", "aria-hidden": "true" },
      svg("circle", { cx: x, cy: y, r: 6.5 }),
      svg("path", { d: `M${x - 3} ${y} h6${isOpen ? "" : ` M${x} ${y - 3} v6`}` }),
    );
  }

  const curve = (points) => `M${points[0]} ${points[1]} C${points.slice(2).join(" ")}`;

  function measureHeat(closed) {
    if (!heat.key) return;
    const values = closed.map(({ box }) => combined(box.nodes, heat.key));
    heat.max = values.reduce((max, value) => Math.max(max, value ?? 0), 0) || 1;
  }

  /** Mark the selection, the closed box that contains it, and the matches of the search. */
  function mark() {
    for (const [path, element] of elements) {
      const { box, content } = boxes.get(path);
      const parent = boxes.get(path.slice(0, path.lastIndexOf("/")));
      const covered = selected && (isSubset(box.nodes, selected.nodeSet) || rowOf(box) === selected);
      // Of nested boxes that the selection covers, only the outermost is marked.
      const isSelected = covered && !(parent && isSubset(parent.box.nodes, selected.nodeSet));
      const contains = selected && !content && !isSelected && isSubset(selected.nodes, new Set(box.nodes));
      element.classList.toggle("selected", Boolean(isSelected));
      element.classList.toggle("contains-selected", Boolean(contains));
      element.classList.toggle("match", !content && box.nodes.some((node) => matches.has(node)));
    }
  }

  /** Open or close a box; the middle of its upper edge stays at its place on the screen. */
  function toggleBox(path) {
    const before = boxes.get(path);
    if (!before?.box.inside) return;
    if (!opened.delete(path)) opened.add(path);
    redraw();
    const after = boxes.get(path);
    viewport.view.x += (before.x - after.x) * viewport.view.scale;
    viewport.view.y += (before.y - before.height / 2 - (after.y - after.height / 2)) * viewport.view.scale;
    viewport.apply();
  }

  /** Open the box that hides a row's layers, and scroll them into view. */
  function reveal(row) {
    const hides = ({ box, content }) =>
      box.inside && !content && row.nodes.length < box.nodes.length && isSubset(row.nodes, new Set(box.nodes));
    const hiding = [...boxes.values()].find(hides);
    if (hiding) {
      opened.add(hiding.path);
      redraw();
    }
    const all = [...boxes.values()];
    const inside = all.filter(({ box }) => box.nodes.length && isSubset(box.nodes, row.nodeSet));
    const around = all.filter(({ box, content }) => !content && isSubset(row.nodes, new Set(box.nodes)));
    const shown = inside.length ? inside : around;
    if (shown.length) viewport.reveal(boundsOf(shown));
  }

  function openAll() {
    let total = boxes.size;
    for (const [path, { box }] of flattened(layOut(data.diagram, new Set()))) {
      if (!box.inside) continue;
      total += box.inside.boxes.length;
      if (total > MAX_DRAWN) break;
      opened.add(path);
    }
    redraw();
    viewport.fit({ legible: true });
    if (total > MAX_DRAWN)
      byId("drawn").textContent += `; only the first ${grouped(opened.size)} modules are open, open the others singly`;
  }

  /** Make one box reachable by Tab, and no other (roving tabindex). */
  function setTabStop(path) {
    elements.get(focused)?.setAttribute("tabindex", "-1");
    focused = path;
    elements.get(path)?.setAttribute("tabindex", "0");
  }

  function focusBox(path) {
    setTabStop(path);
    elements.get(path).focus({ preventScroll: true });
    viewport.reveal(boundsOf([boxes.get(path)]));
  }

  /** In print, scale the whole picture to the paper. */
  function print(printing) {
    if (printing) {
      root.setAttribute("viewBox", `0 0 ${laidOut.width} ${laidOut.height}`);
      group.removeAttribute("transform");
    } else {
      root.removeAttribute("viewBox");
      viewport.apply();
    }
  }

  const pathOf = (target) => target.closest?.(".box:not(.end)")?.dataset.path;

  root.addEventListener("click", (event) => {
    const path = pathOf(event.target);
    if (!path) return event.target.closest(".box") ? undefined : select(null, "diagram");
    setTabStop(path);
    if (event.target.closest(".toggle")) return toggleBox(path);
    return select(rowOf(boxes.get(path).box), "diagram");
  });
  root.addEventListener("dblclick", (event) => {
    const path = pathOf(event.target);
    if (path) toggleBox(path);
  });
  root.addEventListener("focusin", (event) => {
    const path = pathOf(event.target);
    if (path) setTabStop(path);
  });
  root.addEventListener("keydown", (event) => {
    const order = [...elements.keys()];
    const position = order.indexOf(focused);
    const targets = {
      ArrowDown: position + 1,
      ArrowRight: position + 1,
      ArrowUp: position - 1,
      ArrowLeft: position - 1,
      Home: 0,
      End: order.length - 1,
    };
    if (event.key in targets) {
      const next = order[Math.min(Math.max(targets[event.key], 0), order.length - 1)];
      focusBox(next);
      select(rowOf(boxes.get(next).box), "diagram");
    } else if (event.key === "Enter" || event.key === " ") {
      select(rowOf(boxes.get(focused).box), "diagram");
      toggleBox(focused);
    } else if (event.key === "+" || event.key === "=") viewport.zoom(1.25);
    else if (event.key === "-") viewport.zoom(0.8);
    else if (event.key === "0") viewport.fit();
    else return;
    event.preventDefault();
  });

  byId("zoom-in").addEventListener("click", () => viewport.zoom(1.25));
  byId("zoom-out").addEventListener("click", () => viewport.zoom(0.8));
  byId("zoom-fit").addEventListener("click", () => viewport.fit());
  byId("open-all").addEventListener("click", openAll);
  byId("close-all").addEventListener("click", () => {
    opened.clear();
    redraw();
    viewport.fit({ legible: true });
  });
  let width = root.clientWidth; // a change of the height alone is ignored: phones change it while scrolling
  addEventListener("resize", () => {
    if (root.clientWidth !== width) viewport.fit({ legible: true });
    width = root.clientWidth;
  });
  heatControl(redraw);
  views.push((row, source) => {
    if (row && source !== "diagram") reveal(row);
    mark();
  });
  viewport.fit({ legible: true });
  return {
    showMatches: (nodes) => {
      matches = new Set(nodes);
      mark();
    },
    print,
  };
}
