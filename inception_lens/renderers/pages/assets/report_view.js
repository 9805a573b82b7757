// Zoom and pan of one SVG: wheel and fingers move, ctrl and wheel or two fingers zoom, as do buttons and keys.

const CLOSEST = 4;
const FARTHEST = 0.04;

/** Make `group` inside `svg` movable; `extent()` is the size of what it shows. */
function movable(svg, group, extent) {
  const view = { x: 0, y: 0, k: 1 };
  const fingers = new Map();
  let moved = false;

  const frame = () => svg.getBoundingClientRect();
  const apply = () => group.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`);

  /** Keep a part of the picture in sight; whether that changed nothing. */
  function bounded() {
    const { width, height } = frame();
    const [w, h] = extent().map((size) => size * view.k);
    const before = [view.x, view.y];
    view.x = Math.min(Math.max(view.x, Math.min(width - w - 40, 40)), Math.max(width - w - 40, 40));
    view.y = Math.min(Math.max(view.y, Math.min(height - h - 40, 40)), Math.max(height - h - 40, 40));
    return before[0] === view.x && before[1] === view.y;
  }

  function zoom(factor, x = frame().width / 2, y = frame().height / 2) {
    const k = Math.min(Math.max(view.k * factor, FARTHEST), CLOSEST);
    view.x = x - ((x - view.x) * k) / view.k;
    view.y = y - ((y - view.y) * k) / view.k;
    view.k = k;
    bounded();
    apply();
  }

  /** Show all; of what is too tall to read at that size, the beginning. */
  function fit(whole = true) {
    const { width, height } = frame();
    const [w, h] = extent();
    const across = Math.min((width - 24) / w, 1.3);
    const all = Math.min(across, (height - 24) / h);
    view.k = whole || all > 0.75 ? Math.max(all, FARTHEST) : Math.max(Math.min(across, 1), FARTHEST);
    view.x = (width - w * view.k) / 2;
    view.y = Math.max((height - h * view.k) / 2, 12);
    apply();
  }

  /** Bring a place into sight, in the middle unless it is there already. */
  function reveal({ x, y, w, h }) {
    const { width, height } = frame();
    const left = (x - w / 2) * view.k + view.x;
    const top = (y - h / 2) * view.k + view.y;
    const sees = left > 10 && top > 10 && left + w * view.k < width - 10 && top + h * view.k < height - 10;
    if (sees && view.k > 0.35) return;
    view.k = Math.max(view.k, 0.7);
    view.x = width / 2 - x * view.k;
    view.y = h * view.k < height - 40 ? height / 2 - y * view.k : 30 - (y - h / 2) * view.k;
    apply();
  }

  svg.addEventListener(
    "wheel",
    (event) => {
      const { left, top } = frame();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), event.clientX - left, event.clientY - top);
        return;
      }
      const step = event.deltaMode ? 18 : 1;
      view.x -= (event.shiftKey ? event.deltaY : event.deltaX) * step;
      view.y -= (event.shiftKey ? 0 : event.deltaY) * step;
      if (bounded() || Math.abs(event.deltaX) > Math.abs(event.deltaY)) event.preventDefault();
      apply();
    },
    { passive: false },
  );

  svg.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = false;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 4) return;
    if (!moved) svg.setPointerCapture(event.pointerId);
    moved = true;
    svg.classList.add("dragging");
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      const { left, top } = frame();
      zoom(apart(now) / apart(before), (now[0] + other[0]) / 2 - left, (now[1] + other[1]) / 2 - top);
    } else {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      bounded();
      apply();
    }
    fingers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    svg.addEventListener(name, (event) => {
      fingers.delete(event.pointerId);
      svg.classList.remove("dragging");
    });
  }
  // The click at the end of a drag is no click.
  svg.addEventListener(
    "click",
    (event) => {
      if (moved) event.stopPropagation();
      moved = false;
    },
    true,
  );

  return { zoom, fit, reveal, view, apply };
}
