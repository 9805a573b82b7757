// Zoom and pan of an SVG. The wheel and dragging move it; ctrl+wheel, a pinch, buttons and keys zoom.

const MAX_ZOOM = 4;
const MIN_ZOOM = 0.04;
const DRAG_THRESHOLD = 4; // pixels of movement that make a click a drag
const VISIBLE_EDGE = 40; // pixels of the picture that always stay in view

/** Make `group` inside `root` movable; `extent()` returns the width and height of its content. */
function zoomable(root, group, extent) {
  const view = { x: 0, y: 0, scale: 1 };
  const pointers = new Map();
  let dragged = false;

  const frame = () => root.getBoundingClientRect();
  const apply = () => group.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);

  /** Keep a part of the picture in view; returns whether it was in view already. */
  function bounded() {
    const { width, height } = frame();
    const [w, h] = extent().map((size) => size * view.scale);
    const before = [view.x, view.y];
    const clamp = (offset, range) =>
      Math.min(Math.max(offset, Math.min(range, VISIBLE_EDGE)), Math.max(range, VISIBLE_EDGE));
    view.x = clamp(view.x, width - w - VISIBLE_EDGE);
    view.y = clamp(view.y, height - h - VISIBLE_EDGE);
    return before[0] === view.x && before[1] === view.y;
  }

  /** Zoom around a fixed point, by default the centre. */
  function zoom(factor, x = frame().width / 2, y = frame().height / 2) {
    const scale = Math.min(Math.max(view.scale * factor, MIN_ZOOM), MAX_ZOOM);
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    bounded();
    apply();
  }

  /** Show the whole picture or, with `legible` and a tall picture, its beginning at a legible size. */
  function fit({ legible = false } = {}) {
    const { width, height } = frame();
    const [w, h] = extent();
    const byWidth = Math.min((width - 24) / w, 1.3);
    const complete = Math.min(byWidth, (height - 24) / h);
    view.scale = Math.max(legible && complete <= 0.75 ? Math.min(byWidth, 1) : complete, MIN_ZOOM);
    view.x = (width - w * view.scale) / 2;
    view.y = Math.max((height - h * view.scale) / 2, 12);
    apply();
  }

  /** Center a rectangle, unless it is visible and legible already. */
  function reveal({ left, right, top, bottom }) {
    const { width, height } = frame();
    const [x0, x1] = [left, right].map((x) => x * view.scale + view.x);
    const [y0, y1] = [top, bottom].map((y) => y * view.scale + view.y);
    const visible = x0 > 10 && y0 > 10 && x1 < width - 10 && y1 < height - 10;
    if (visible && view.scale > 0.35) return;
    view.scale = Math.max(view.scale, 0.7);
    view.x = width / 2 - ((left + right) / 2) * view.scale;
    const fits = (bottom - top) * view.scale < height - 40;
    view.y = fits ? height / 2 - ((top + bottom) / 2) * view.scale : 30 - top * view.scale;
    apply();
  }

  root.addEventListener(
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
      // At its bounds the picture lets the page scroll.
      if (bounded() || Math.abs(event.deltaX) > Math.abs(event.deltaY)) event.preventDefault();
      apply();
    },
    { passive: false },
  );

  root.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    dragged = false;
  });
  root.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (!dragged && Math.hypot(now[0] - before[0], now[1] - before[1]) < DRAG_THRESHOLD) return;
    if (!dragged) root.setPointerCapture(event.pointerId);
    dragged = true;
    root.classList.add("dragging");
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      const { left, top } = frame();
      zoom(distance(now) / distance(before), (now[0] + other[0]) / 2 - left, (now[1] + other[1]) / 2 - top);
    } else {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      bounded();
      apply();
    }
    pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    root.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      root.classList.remove("dragging");
    });
  }
  // The browser sends a click at the end of a drag; it must not select anything.
  root.addEventListener(
    "click",
    (event) => {
      if (dragged) event.stopPropagation();
      dragged = false;
    },
    true,
  );

  return { zoom, fit, reveal, view, apply };
}
