// Where parameters, MACs and memory go: bars as wide as their share, each above its parts; pressing one looks inside.

const SLICE = 31; // pixels of a level
const MOST_LEVELS = 6;
const THINNEST = 0.0012; // of the width; what is thinner is not drawn
const LEGIBLE = 44; // pixels that a bar must have to carry its name
const SHARES = ["macs", "params", "activation_bytes"];

function icicleView() {
  const holder = byId("icicle");
  const choice = byId("share");
  for (const key of SHARES) choice.append(make("option", { value: key }, titleOf(key)));
  let root = null; // a row, or the whole network
  let key = SHARES[0];
  const top = rows.filter((row) => !row.parent);
  const whole = { name: document.title.replace(/ - Inception Lens$/, ""), children: top };
  const size = (row) => (row === whole ? sum(top) : (valueOf(row, key) ?? 0));
  const sum = (list) => list.reduce((total, row) => total + size(row), 0);

  function refresh() {
    const focus = holder.contains(document.activeElement);
    const slices = [];
    const total = size(root ?? whole) || 1;
    const levels = [0];
    const put = (row, from, level) => {
      const share = size(row) / total;
      if (share < THINNEST || level >= MOST_LEVELS) return;
      levels.push(level);
      slices.push(slice(row, from, share, level));
      let at = from;
      for (const part of row.children) {
        put(part, at, level + 1);
        at += size(part) / total;
      }
    };
    put(root ?? whole, 0, 0);
    if (!slices.length) slices.push(make("p", { class: "muted" }, "there are none"));
    holder.replaceChildren(...slices);
    holder.style.height = `${(Math.max(...levels) + 1) * SLICE}px`;
    if (focus) holder.querySelector("button")?.focus({ preventScroll: true });
    crumbs();
    mark();
  }

  function slice(row, from, share, level) {
    const words = `${row.label ?? row.name} ${((100 * size(row)) / (size(whole) || 1)).toFixed(1)} %`;
    const least = row.least?.includes(key) ? "at least " : "";
    const element = make(
      "button",
      {
        type: "button",
        class: `slice ${row.category ? kindClass(row.category) : ""} ${share < 0.012 ? "thin" : ""}`,
        title: `${row.name}: ${least}${formOf(key)(size(row))}, ${words.split(" ").slice(-2).join(" ")} of the network`,
        "data-slice": row.at ?? "whole",
        tabindex: share < 0.02 ? "-1" : null,
      },
      share * holder.clientWidth < LEGIBLE ? "" : words,
    );
    element.setAttribute("aria-label", element.title);
    element.style.left = `${100 * from}%`;
    element.style.width = `${100 * share}%`;
    element.style.top = `${level * SLICE}px`;
    return element;
  }

  function crumbs() {
    const path = [];
    for (let row = root; row; row = row.parent) path.unshift(row);
    const step = (row) => make("button", { type: "button", "data-slice": row.at ?? "whole" }, row.label ?? row.name);
    byId("crumbs").replaceChildren(
      ...(root ? [whole, ...path] : []).flatMap((row, k) => (k ? ["/", step(row)] : [step(row)])),
    );
  }

  function mark() {
    for (const each of holder.querySelectorAll("[data-slice]"))
      each.classList.toggle("selected", selected !== null && each.dataset.slice === String(selected.at));
  }

  function press(event) {
    const which = event.target.closest("[data-slice]")?.dataset.slice;
    if (which === undefined) return;
    const row = which === "whole" ? null : rows[which];
    if (row) select(row, "icicle");
    if (row === root) root = root?.parent ?? null;
    else if (!row || row.children.length) root = row;
    refresh();
  }

  holder.addEventListener("click", press);
  byId("crumbs").addEventListener("click", (event) => {
    const which = event.target.closest("[data-slice]")?.dataset.slice;
    if (which === undefined) return;
    root = which === "whole" ? null : rows[which];
    refresh();
  });
  choice.addEventListener("change", () => {
    key = choice.value;
    refresh();
  });
  views.push(mark);
  refresh();
}
