// Where everything stands once some boxes are open. A picture comes laid out with all boxes closed; opening one makes
// room by stretching both axes over its extent, so that nothing ever overlaps or changes sides.

const FRAME = 12;
const TITLE = 22;

/** A mapping of one axis in which every span, [from, to, needed], has the length that it needs. */
function stretched(spans) {
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
  return (place) => {
    let moved = place;
    for (const { from, to, rate } of merged) {
      if (place <= from) break;
      moved += (Math.min(place, to) - from) * (rate - 1);
    }
    return moved;
  };
}

/** The picture with the boxes whose path is in `opened` open: flat lists in the order of drawing. */
function layOut(picture, opened, path = "") {
  const inner = picture.boxes.map((box, k) => {
    return box.inside && opened.has(`${path}/${k}`) ? layOut(box.inside, opened, `${path}/${k}`) : null;
  });
  const size = picture.boxes.map((box, k) => {
    return inner[k] ? [inner[k].width + 2 * FRAME, inner[k].height + TITLE + FRAME] : [box.w, box.h];
  });
  const spans = (axis, middle, extent) => {
    return picture.boxes.flatMap((box, k) => {
      return inner[k] ? [[box[middle] - box[extent] / 2, box[middle] + box[extent] / 2, size[k][axis]]] : [];
    });
  };
  const [toX, toY] = [stretched(spans(0, "x", "w")), stretched(spans(1, "y", "h"))];
  const boxes = picture.boxes.map((box, k) => {
    const [w, h] = size[k];
    return { box, path: `${path}/${k}`, x: toX(box.x), y: toY(box.y), w, h, inner: inner[k] };
  });
  const arrows = (picture.arrows ?? []).map((arrow) => {
    const points = arrow.points.map((place, k) => (k % 2 ? toY(place) : toX(place)));
    attach(points, boxes[arrow.tail], boxes[arrow.head]);
    return { points, text: arrow.text ?? [], at: arrow.at ? beside(arrow, points) : null };
  });
  return {
    width: toX(picture.width),
    height: toY(picture.height),
    panels: panelsOf(picture, boxes),
    boxes,
    arrows,
  };
}

/** Where the text of an arrow stands: as far from the arrow's middle as it stood before. */
function beside(arrow, points) {
  const middle = (places, axis) => (places.at(axis) + places.at(axis - 2)) / 2;
  return [0, 1].map((axis) => middle(points, axis) + arrow.at[axis] - middle(arrow.points, axis));
}

/** Put the ends of an arrow on the borders of its boxes, which need not have grown as the axes have. */
function attach(points, tail, head) {
  const down = head.y >= tail.y ? 1 : -1;
  const last = points.length - 2;
  points[0] = kept(points[0], tail);
  points[1] = tail.y + (down * tail.h) / 2;
  points[last] = kept(points[last], head);
  points[last + 1] = head.y - (down * head.h) / 2;
}

function kept(x, box) {
  const reach = box.w / 2 - 6;
  return box.inner ? box.x : Math.min(Math.max(x, box.x - reach), box.x + reach);
}

function panelsOf(picture, boxes) {
  return (picture.panels ?? []).flatMap((text, k) => {
    const members = boxes.filter(({ box }) => box.panel === k);
    if (members.length === 0) return [];
    const left = Math.min(...members.map((each) => each.x - each.w / 2)) - 9;
    const right = Math.max(...members.map((each) => each.x + each.w / 2)) + 9;
    const top = Math.min(...members.map((each) => each.y - each.h / 2)) - 20;
    const bottom = Math.max(...members.map((each) => each.y + each.h / 2)) + 9;
    return [{ text, x: left, y: top, w: right - left, h: bottom - top }];
  });
}

/** Every box that is drawn, by its path, with its place on the page. */
function flattened(laid, dx = 0, dy = 0, found = new Map()) {
  for (const each of laid.boxes) {
    found.set(each.path, { ...each, x: each.x + dx, y: each.y + dy });
    if (each.inner) flattened(each.inner, dx + each.x - each.w / 2 + FRAME, dy + each.y - each.h / 2 + TITLE, found);
  }
  return found;
}
