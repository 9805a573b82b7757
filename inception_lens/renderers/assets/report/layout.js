// The layout of the diagram when some boxes are open. The picture arrives laid out with all boxes closed. Opening a box
// stretches both axes over its extent, so boxes never overlap, keep their order, and need no new layout.

const BOX_PADDING = 12;
const BOX_TITLE_HEIGHT = 22;
const PANEL_PADDING = 9;
const PANEL_TITLE_HEIGHT = 20;

/** A monotonic map of one axis in which each span [from, to, needed] becomes at least `needed` long. */
function stretched(spans) {
  // Overlapping spans are merged and stretched at the highest rate of any of them.
  const merged = [];
  for (const [from, to, needed] of spans.toSorted((a, b) => a[0] - b[0])) {
    const rate = Math.max(1, needed / (to - from));
    const last = merged.at(-1);
    if (last && from < last.to) {
      last.to = Math.max(last.to, to);
      last.rate = Math.max(last.rate, rate);
    } else {
      merged.push({ from, to, rate });
    }
  }
  return (position) => {
    let moved = position;
    for (const { from, to, rate } of merged) {
      if (position <= from) break;
      moved += (Math.min(position, to) - from) * (rate - 1);
    }
    return moved;
  };
}

/** Lay out a picture with the boxes open whose path is in `opened`. A path is the indices of nested boxes: "/3/0". */
function layOut(picture, opened, path = "") {
  const contents = picture.boxes.map((box, k) => {
    return box.inside && opened.has(`${path}/${k}`) ? layOut(box.inside, opened, `${path}/${k}`) : null;
  });
  const sizes = picture.boxes.map((box, k) => {
    const content = contents[k];
    if (!content) return [box.width, box.height];
    return [content.width + 2 * BOX_PADDING, content.height + BOX_TITLE_HEIGHT + BOX_PADDING];
  });
  const spans = (axis, center, extent) => {
    return picture.boxes.flatMap((box, k) => {
      return contents[k] ? [[box[center] - box[extent] / 2, box[center] + box[extent] / 2, sizes[k][axis]]] : [];
    });
  };
  const [toX, toY] = [stretched(spans(0, "x", "width")), stretched(spans(1, "y", "height"))];
  const boxes = picture.boxes.map((box, k) => {
    const [width, height] = sizes[k];
    return { box, path: `${path}/${k}`, x: toX(box.x), y: toY(box.y), width, height, content: contents[k] };
  });
  const arrows = (picture.arrows ?? []).map((arrow) => {
    const points = arrow.points.map((position, k) => (k % 2 ? toY(position) : toX(position)));
    attach(points, boxes[arrow.tail], boxes[arrow.head]);
    return { points, text: arrow.text ?? [], textAt: arrow.text_at ? movedText(arrow, points) : null };
  });
  return {
    width: toX(picture.width),
    height: toY(picture.height),
    panels: panelsOf(picture, boxes),
    boxes,
    arrows,
  };
}

/** The new position of an arrow's text: at the same offset from the end of the arrow as before. */
function movedText(arrow, points) {
  const end = (positions, axis) => (positions.at(axis) + positions.at(axis - 2)) / 2;
  return [0, 1].map((axis) => end(points, axis) + arrow.text_at[axis] - end(arrow.points, axis));
}

/** Move the ends of an arrow to the borders of its boxes: a closed box keeps its size where the axes stretch. */
function attach(points, tail, head) {
  const down = head.y >= tail.y ? 1 : -1;
  const last = points.length - 2;
  points[0] = clampedX(points[0], tail);
  points[1] = tail.y + (down * tail.height) / 2;
  points[last] = clampedX(points[last], head);
  points[last + 1] = head.y - (down * head.height) / 2;
}

function clampedX(x, box) {
  const reach = box.width / 2 - 6;
  return box.content ? box.x : Math.min(Math.max(x, box.x - reach), box.x + reach);
}

function panelsOf(picture, boxes) {
  return (picture.panels ?? []).flatMap((text, k) => {
    const members = boxes.filter(({ box }) => box.panel === k);
    if (members.length === 0) return [];
    const { left, right, top, bottom } = boundsOf(members);
    return [
      {
        text,
        x: left - PANEL_PADDING,
        y: top - PANEL_TITLE_HEIGHT,
        width: right - left + 2 * PANEL_PADDING,
        height: bottom - top + PANEL_TITLE_HEIGHT + PANEL_PADDING,
      },
    ];
  });
}

/** The smallest rectangle around all boxes. */
function boundsOf(boxes) {
  return {
    left: Math.min(...boxes.map(({ x, width }) => x - width / 2)),
    right: Math.max(...boxes.map(({ x, width }) => x + width / 2)),
    top: Math.min(...boxes.map(({ y, height }) => y - height / 2)),
    bottom: Math.max(...boxes.map(({ y, height }) => y + height / 2)),
  };
}

/** All visible boxes by path, with absolute positions; nested boxes are laid out relative to their parent. */
function flattened(laidOut, dx = 0, dy = 0, found = new Map()) {
  for (const each of laidOut.boxes) {
    const { content, path, x, y, width, height } = each;
    found.set(path, { ...each, x: x + dx, y: y + dy });
    if (content) flattened(content, dx + x - width / 2 + BOX_PADDING, dy + y - height / 2 + BOX_TITLE_HEIGHT, found);
  }
  return found;
}
