// The icicle chart of cost by module: each bar is as wide as its share, with its parts below. Clicking a bar zooms in.

const LEVEL_HEIGHT = 31; // pixels
const MAX_LEVELS = 6;
const MIN_SHARE = 0.0012; // of the width; narrower bars are not drawn
const MIN_LABEL_WIDTH = 44; // pixels
const SHARE_COLUMNS = ["macs", "params", "activation_bytes"];

function icicleView() {
  const holder = byId("icicle");
  const choice = byId("share");
  for (const key of SHARE_COLUMNS) choice.append(html("option", { value: key }, titleOf(key)));
  let zoomedTo = null; // a row, or null for the whole network
  let key = SHARE_COLUMNS[0];
  const network = { name: document.title.replace(/ - Inception Lens$/, ""), children: topRows };
  const size = (row) => (row === network ? sum(topRows) : (valueOf(row, key) ?? 0));
  const sum = (list) => list.reduce((total, row) => total + size(row), 0);
  const idOf = (row) => row.index ?? "network";

  function refresh() {
    const hadFocus = holder.contains(document.activeElement);
    const bars = [];
    const root = zoomedTo ?? network;
    const total = size(root) || 1;
    let levels = 0;
    const put = (row, from, level) => {
      const share = size(row) / total;
      if (share < MIN_SHARE || level >= MAX_LEVELS) return;
      levels = Math.max(levels, level);
      bars.push(bar(row, from, share, level));
      let position = from;
      for (const part of row.children) {
        put(part, position, level + 1);
        position += size(part) / total;
      }
    };
    put(root, 0, 0);
    if (!bars.length) bars.push(html("p", { class: "muted" }, "none"));
    holder.replaceChildren(...bars);
    holder.style.height = `${(levels + 1) * LEVEL_HEIGHT}px`;
    if (hadFocus) holder.querySelector("button")?.focus({ preventScroll: true });
    showPath();
    mark();
  }

  function bar(row, from, share, level) {
    const percent = `${((100 * size(row)) / (size(network) || 1)).toFixed(1)} %`;
    const value = `${isLowerBound(row, key) ? "at least " : ""}${formatOf(key)(size(row))}`;
    const element = html(
      "button",
      {
        type: "button",
        class: `slice ${row.category ? kindClass(row.category) : ""} ${share < 0.012 ? "thin" : ""}`,
        title: `${row.name}: ${value}, ${percent} of the network`,
        "data-slice": idOf(row),
        tabindex: share < 0.02 ? "-1" : null,
      },
      share * holder.clientWidth < MIN_LABEL_WIDTH ? "" : `${row.label ?? row.name} ${percent}`,
    );
    element.setAttribute("aria-label", element.title);
    element.style.left = `${100 * from}%`;
    element.style.width = `${100 * share}%`;
    element.style.top = `${level * LEVEL_HEIGHT}px`;
    return element;
  }

  /** The modules around the part that is zoomed to, as links. */
  function showPath() {
    const path = [];
    for (let row = zoomedTo; row; row = row.parent) path.unshift(row);
    const link = (row) => html("button", { type: "button", "data-slice": idOf(row) }, row.label ?? row.name);
    byId("crumbs").replaceChildren(
      ...(zoomedTo ? [network, ...path] : []).flatMap((row, k) => (k ? ["/", link(row)] : [link(row)])),
    );
  }

  function mark() {
    for (const element of holder.querySelectorAll("[data-slice]"))
      element.classList.toggle("selected", selected !== null && element.dataset.slice === String(selected.index));
  }

  /** The row of the bar or link that was clicked, null for the network, undefined for a click elsewhere. */
  function rowAt(event) {
    const id = event.target.closest("[data-slice]")?.dataset.slice;
    return id === "network" ? null : rows[id];
  }

  holder.addEventListener("click", (event) => {
    const row = rowAt(event);
    if (row === undefined) return;
    if (row) select(row, "icicle");
    if (row === zoomedTo) zoomedTo = zoomedTo?.parent ?? null;
    else if (!row || row.children.length) zoomedTo = row;
    refresh();
  });
  byId("crumbs").addEventListener("click", (event) => {
    const row = rowAt(event);
    if (row === undefined) return;
    zoomedTo = row;
    refresh();
  });
  choice.addEventListener("change", () => {
    key = choice.value;
    refresh();
  });
  views.push(mark);
  refresh();
}
