// The table of layers: a tree of modules as deep as one likes, or a plain list once it is sorted. Of many rows only
// those in sight are there.

const ROW = 27; // pixels; as the style says
const MOST_ROWS = 600; // rows that are all there at once
const SPARE = 30; // rows drawn above and below those in sight

function tableView() {
  const holder = byId("rows");
  const shown = new Set(data.columns.filter((each) => each.shown).map((each) => each.key));
  const openRows = new Set();
  const sort = { key: "", down: true };
  let filter = "";
  let listed = [];
  const head = make("thead");
  const body = make("tbody");
  const foot = make("tfoot");
  holder.append(
    make(
      "table",
      { role: "treegrid" },
      make("caption", { class: "hidden" }, "Layers and what each costs"),
      head,
      body,
      foot,
    ),
  );

  const columns = () => data.columns.filter((each) => shown.has(each.key));
  const matches = (row) =>
    !filter || `${row.name} ${row.about} ${valueOf(row, "op") ?? ""}`.toLowerCase().includes(filter);

  /** The rows in their order: what is open of the tree, or its leaves by a number. */
  function list() {
    const asTree = [];
    const visit = (row) => {
      const at = asTree.push(row) - 1;
      if (openRows.has(row) || (filter && row.children.length)) row.children.forEach(visit);
      if (filter && asTree.length === at + 1 && !matches(row)) asTree.pop();
    };
    rows.filter((row) => !row.parent).forEach(visit);
    if (!sort.key) return asTree;
    const there = new Set(asTree);
    const leaves = asTree.filter((row) => matches(row) && !row.children.some((child) => there.has(child)));
    const rank = sort.key === "name" ? (row) => row.name : (row) => valueOf(row, sort.key);
    const sign = sort.down ? -1 : 1;
    return leaves.sort((a, b) => sign * ordered(rank(a), rank(b)) || a.at - b.at);
  }

  function ordered(a, b) {
    if (typeof a === "string" || typeof b === "string")
      return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
    return (a ?? -1) - (b ?? -1);
  }

  function refresh() {
    listed = list();
    head.replaceChildren(
      make(
        "tr",
        {},
        heading("name", "layer", false),
        ...columns().map((each) => heading(each.key, each.title, each.numeric)),
      ),
    );
    foot.replaceChildren(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, "total"),
        ...columns().map((each) => make("td", { class: each.numeric ? "n" : null }, each.total)),
      ),
    );
    rowsInSight();
    const what = listed.length === 1 ? "row" : "rows";
    const order = sort.key ? ", sorted; press the heading again to turn or to leave the order" : "";
    byId("counted").textContent = `${listed.length.toLocaleString("en-US")} ${what}${filter ? " match" : ""}${order}`;
  }

  function heading(key, title, numeric) {
    const order = sort.key === key ? (sort.down ? "descending" : "ascending") : "none";
    const button = make("button", { type: "button", "data-sort": key }, title);
    return make("th", { scope: "col", "aria-sort": order, class: numeric ? "n" : null }, button);
  }

  /** Draw the rows that can be seen, with empty space for the others. */
  function rowsInSight(all = false) {
    const windowed = !all && listed.length > MOST_ROWS;
    const top = Math.min(holder.scrollTop, listed.length * ROW - holder.clientHeight); // the list may have shrunk
    const first = windowed ? Math.max(Math.floor(top / ROW) - SPARE, 0) : 0;
    const last = windowed
      ? Math.min(first + Math.ceil(holder.clientHeight / ROW) + 2 * SPARE, listed.length)
      : listed.length;
    const space = (count) =>
      count > 0 ? [make("tr", { class: "space", "aria-hidden": "true" }, tall(count * ROW))] : [];
    body.replaceChildren(
      ...space(first),
      ...listed.slice(first, last).map((row, k) => line(row, first + k)),
      ...space(listed.length - last),
    );
    holder.firstChild.setAttribute("aria-rowcount", listed.length + 2);
  }

  function tall(height) {
    const gap = make("td", { colspan: shown.size + 1 });
    gap.style.height = `${height}px`;
    return gap;
  }

  function line(row, at) {
    const indent = sort.key ? 0 : row.level;
    const isOpen = openRows.has(row) || Boolean(filter);
    const twist =
      row.children.length && !sort.key
        ? make(
            "button",
            { type: "button", class: "twist", tabindex: "-1", "aria-label": isOpen ? "close" : "open" },
            isOpen ? "\u25be" : "\u25b8",
          )
        : make("span", { class: "twist" });
    const name = make(
      "th",
      { scope: "row", title: row.name },
      twist,
      make("span", { class: `dot ${kindClass(row.category)}` }),
      sort.key || filter ? row.name : row.label,
      row.about ? make("small", {}, ` ${row.about}`) : null,
    );
    name.style.paddingLeft = `${8 + 15 * indent}px`;
    return make(
      "tr",
      {
        "data-row": row.at,
        "aria-rowindex": at + 2,
        "aria-selected": String(row === selected),
        "aria-level": row.level + 1,
        "aria-expanded": row.children.length ? String(isOpen) : null,
      },
      name,
      ...columns().map((each) => cell(row, each)),
    );
  }

  function cell(row, { key, numeric }) {
    const text = told(row, key);
    const value = make("td", { class: numeric ? "n" : null, title: exact(row, key) }, text);
    if (key === "macs" && largest > 0 && valueOf(row, key)) {
      const bar = make("span", { class: "share", "aria-hidden": "true" });
      bar.style.width = `${(46 * valueOf(row, key)) / largest}px`;
      value.prepend(bar);
    }
    return value;
  }

  const largest = rows.reduce((most, row) => Math.max(most, row.parent ? 0 : (valueOf(row, "macs") ?? 0)), 0);

  function show(row) {
    for (let above = row.parent; above; above = above.parent) openRows.add(above);
    if (!listed.includes(row)) {
      if (!matches(row)) {
        filter = "";
        byId("filter").value = "";
      }
      refresh();
    }
    const at = listed.indexOf(row);
    if (at < 0) return;
    const top = at * ROW;
    if (top < holder.scrollTop + ROW || top > holder.scrollTop + holder.clientHeight - 4 * ROW) {
      holder.scrollTop = Math.max(top - holder.clientHeight / 2, 0);
    }
  }

  function flip(row) {
    if (!row.children.length) return;
    if (!openRows.delete(row)) openRows.add(row);
    refresh();
  }

  holder.addEventListener("click", (event) => {
    const key = event.target.closest("[data-sort]")?.dataset.sort;
    if (key) return sortBy(key);
    const row = rows[event.target.closest("[data-row]")?.dataset.row];
    if (!row) return undefined;
    if (event.target.closest("button.twist")) return flip(row);
    return select(row, "table");
  });
  holder.addEventListener("dblclick", (event) => {
    const row = rows[event.target.closest("[data-row]")?.dataset.row];
    if (row && !event.target.closest("button")) flip(row);
  });

  /** First the largest, then the smallest, then the order of execution again; names the other way round. */
  function sortBy(key) {
    const first = key !== "name";
    if (sort.key !== key) Object.assign(sort, { key, down: first });
    else if (sort.down === first) sort.down = !first;
    else sort.key = "";
    refresh();
    head.querySelector(`[data-sort="${key}"]`)?.focus();
  }

  holder.addEventListener("keydown", (event) => {
    if (event.target.closest("button")) return;
    const at = listed.indexOf(selected);
    const goes = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: listed.length - 1,
      PageDown: at + 15,
      PageUp: at - 15,
    };
    if (event.key in goes) select(listed[Math.min(Math.max(goes[event.key], 0), listed.length - 1)], "table");
    else if (event.key === "Enter" && selected) flip(selected);
    else if (event.key === "ArrowRight" && selected && !openRows.has(selected)) flip(selected);
    else if (event.key === "ArrowLeft" && selected && openRows.has(selected)) flip(selected);
    else return;
    event.preventDefault();
  });
  holder.addEventListener("scroll", () => {
    if (listed.length > MOST_ROWS) requestAnimationFrame(() => rowsInSight());
  });
  byId("filter").addEventListener("input", (event) => {
    filter = event.target.value.trim().toLowerCase();
    refresh();
  });
  addEventListener("beforeprint", () => rowsInSight(true));
  addEventListener("afterprint", () => rowsInSight());

  const depth = byId("depth");
  for (let k = 1; k < Math.min(deepest, 9); k += 1) depth.append(make("option", { value: k }, String(k)));
  depth.append(make("option", { value: "all" }, "all"));
  depth.addEventListener("change", () => {
    openRows.clear();
    const deep = depth.value === "all" ? Infinity : Number(depth.value);
    for (const row of rows) if (row.children.length && row.level + 1 < deep) openRows.add(row);
    refresh();
  });

  for (const each of data.columns) {
    const box = make("input", { type: "checkbox", value: each.key });
    box.checked = each.shown;
    box.addEventListener("change", () => {
      if (box.checked) shown.add(each.key);
      else shown.delete(each.key);
      refresh();
    });
    byId("columns").append(make("label", {}, box, each.title));
  }

  views.push((row) => {
    if (row) show(row);
    for (const each of body.querySelectorAll("[aria-selected]"))
      each.setAttribute("aria-selected", String(rows[each.dataset.row] === row));
  });
  refresh();
}
