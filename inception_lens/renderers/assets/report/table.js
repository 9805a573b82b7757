// The layer table: a tree of modules, or a flat list when sorted. Of a long list only the rows in view exist.

const ROW_HEIGHT = 27; // pixels; the same in style.css
const MAX_ROWS = 600; // rows of a list that is drawn completely
const EXTRA_ROWS = 30; // rows drawn above and below those in view
const MAX_DEPTH_CHOICES = 9;
const BAR_WIDTH = 46; // pixels of the bar of the largest share of MACs

function tableView() {
  const holder = byId("rows");
  const shownColumns = new Set(data.columns.filter((column) => column.shown).map((column) => column.key));
  const openRows = new Set();
  const sort = { key: "", descending: true };
  let filter = "";
  let listed = [];
  const head = html("thead");
  const body = html("tbody");
  const foot = html("tfoot");
  const caption = html("caption", { class: "visually-hidden" }, "Layers and their cost");
  const table = html("table", { role: "treegrid" }, caption, head, body, foot);
  holder.append(table);

  const columns = () => data.columns.filter((column) => shownColumns.has(column.key));
  const matches = (row) =>
    !filter || `${row.name} ${row.description} ${valueOf(row, "op") ?? ""}`.toLowerCase().includes(filter);

  /** The rows to show, in order: the open part of the tree or, when sorted, its leaves. */
  function list() {
    const tree = [];
    const visit = (row) => {
      const position = tree.push(row) - 1;
      if (openRows.has(row) || (filter && row.children.length)) row.children.forEach(visit);
      if (filter && tree.length === position + 1 && !matches(row)) tree.pop();
    };
    topRows.forEach(visit);
    if (!sort.key) return tree;
    const inTree = new Set(tree);
    const leaves = tree.filter((row) => matches(row) && !row.children.some((child) => inTree.has(child)));
    const rank = sort.key === "name" ? (row) => row.name : (row) => valueOf(row, sort.key);
    const sign = sort.descending ? -1 : 1;
    return leaves.sort((a, b) => sign * compared(rank(a), rank(b)) || a.index - b.index);
  }

  function compared(a, b) {
    if (typeof a === "string" || typeof b === "string")
      return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
    return (a ?? -1) - (b ?? -1);
  }

  function refresh() {
    listed = list();
    const headings = columns().map((column) => heading(column.key, column.title, column.numeric));
    const totals = columns().map((column) => html("td", { class: column.numeric ? "number" : null }, column.total));
    head.replaceChildren(html("tr", {}, heading("name", "layer", false), ...headings));
    foot.replaceChildren(html("tr", {}, html("th", { scope: "row" }, "total"), ...totals));
    drawRows();
    const noun = listed.length === 1 ? "row" : "rows";
    const order = sort.key ? ", sorted; click the heading again to reverse the order, or to restore it" : "";
    byId("counted").textContent = `${grouped(listed.length)} ${noun}${filter ? " match" : ""}${order}`;
  }

  function heading(key, title, numeric) {
    const order = sort.key === key ? (sort.descending ? "descending" : "ascending") : "none";
    const button = html("button", { type: "button", "data-sort": key }, title);
    return html("th", { scope: "col", "aria-sort": order, class: numeric ? "number" : null }, button);
  }

  /** Draw the rows in view, with empty space in place of the others; `all` draws every row, for print. */
  function drawRows(all = false) {
    const windowed = !all && listed.length > MAX_ROWS;
    // After a filter the list can be shorter than the old scroll position.
    const top = Math.min(holder.scrollTop, listed.length * ROW_HEIGHT - holder.clientHeight);
    const first = windowed ? Math.max(Math.floor(top / ROW_HEIGHT) - EXTRA_ROWS, 0) : 0;
    const last = windowed
      ? Math.min(Math.ceil((top + holder.clientHeight) / ROW_HEIGHT) + EXTRA_ROWS, listed.length)
      : listed.length;
    body.replaceChildren(
      ...emptyRows(first),
      ...listed.slice(first, last).map((row, k) => rowElement(row, first + k)),
      ...emptyRows(listed.length - last),
    );
    table.setAttribute("aria-rowcount", listed.length + 2);
  }

  function emptyRows(count) {
    if (count <= 0) return [];
    const cell = html("td", { colspan: shownColumns.size + 1 });
    cell.style.height = `${count * ROW_HEIGHT}px`;
    return [html("tr", { "aria-hidden": "true" }, cell)];
  }

  function rowElement(row, position) {
    const isFlat = Boolean(sort.key);
    const isOpen = openRows.has(row) || Boolean(filter);
    const attributes = { type: "button", class: "expander", tabindex: "-1", "aria-label": isOpen ? "close" : "open" };
    const expander =
      row.children.length && !isFlat
        ? html("button", attributes, isOpen ? "\u25be" : "\u25b8")
        : html("span", { class: "expander" });
    const name = html(
      "th",
      { scope: "row", title: row.name },
      expander,
      html("span", { class: `dot ${kindClass(row.category)}` }),
      isFlat || filter ? row.name : row.label,
      row.description ? html("small", {}, ` ${row.description}`) : null,
    );
    name.style.paddingLeft = `${8 + 15 * (isFlat ? 0 : row.level)}px`;
    return html(
      "tr",
      {
        "data-row": row.index,
        "aria-rowindex": position + 2,
        "aria-selected": String(row === selected),
        "aria-level": row.level + 1,
        "aria-expanded": row.children.length ? String(isOpen) : null,
      },
      name,
      ...columns().map((column) => cell(row, column)),
    );
  }

  function cell(row, { key, numeric }) {
    const value = html("td", { class: numeric ? "number" : null, title: exactText(row, key) }, cellText(row, key));
    if (key === "macs" && largestMacs > 0 && valueOf(row, key)) {
      const bar = html("span", { class: "share", "aria-hidden": "true" });
      bar.style.width = `${(BAR_WIDTH * valueOf(row, key)) / largestMacs}px`;
      value.prepend(bar);
    }
    return value;
  }

  const largestMacs = topRows.reduce((max, row) => Math.max(max, valueOf(row, "macs") ?? 0), 0);

  /** Open the modules around a row, and scroll it into view. */
  function reveal(row) {
    for (let parent = row.parent; parent; parent = parent.parent) openRows.add(parent);
    if (!listed.includes(row)) {
      if (!matches(row)) {
        filter = "";
        byId("filter").value = "";
      }
      refresh();
    }
    const position = listed.indexOf(row);
    if (position < 0) return;
    const top = position * ROW_HEIGHT;
    if (top < holder.scrollTop + ROW_HEIGHT || top > holder.scrollTop + holder.clientHeight - 4 * ROW_HEIGHT) {
      holder.scrollTop = Math.max(top - holder.clientHeight / 2, 0);
    }
  }

  function toggleRow(row) {
    if (!row.children.length) return;
    if (!openRows.delete(row)) openRows.add(row);
    refresh();
  }

  const rowAt = (event) => rows[event.target.closest("[data-row]")?.dataset.row];

  holder.addEventListener("click", (event) => {
    const key = event.target.closest("[data-sort]")?.dataset.sort;
    if (key) return sortBy(key);
    const row = rowAt(event);
    if (!row) return undefined;
    if (event.target.closest("button.expander")) return toggleRow(row);
    return select(row, "table");
  });
  holder.addEventListener("dblclick", (event) => {
    const row = rowAt(event);
    if (row && !event.target.closest("button")) toggleRow(row);
  });

  /** The first click sorts the largest number, or the first name, to the top; the next reverses, the third restores. */
  function sortBy(key) {
    const descendingFirst = key !== "name";
    if (sort.key !== key) Object.assign(sort, { key, descending: descendingFirst });
    else if (sort.descending === descendingFirst) sort.descending = !descendingFirst;
    else sort.key = "";
    refresh();
    head.querySelector(`[data-sort="${key}"]`)?.focus();
  }

  holder.addEventListener("keydown", (event) => {
    if (event.target.closest("button")) return;
    const position = listed.indexOf(selected);
    const targets = {
      ArrowDown: position + 1,
      ArrowUp: position - 1,
      Home: 0,
      End: listed.length - 1,
      PageDown: position + 15,
      PageUp: position - 15,
    };
    if (event.key in targets) select(listed[Math.min(Math.max(targets[event.key], 0), listed.length - 1)], "table");
    else if (event.key === "Enter" && selected) toggleRow(selected);
    else if (event.key === "ArrowRight" && selected && !openRows.has(selected)) toggleRow(selected);
    else if (event.key === "ArrowLeft" && selected && openRows.has(selected)) toggleRow(selected);
    else return;
    event.preventDefault();
  });
  holder.addEventListener("scroll", () => {
    if (listed.length > MAX_ROWS) requestAnimationFrame(() => drawRows());
  });
  byId("filter").addEventListener("input", (event) => {
    filter = event.target.value.trim().toLowerCase();
    refresh();
  });
  addEventListener("beforeprint", () => drawRows(true));
  addEventListener("afterprint", () => drawRows());

  const depthChoice = byId("depth");
  for (let k = 1; k < Math.min(treeDepth, MAX_DEPTH_CHOICES); k += 1)
    depthChoice.append(html("option", { value: k }, String(k)));
  depthChoice.append(html("option", { value: "all" }, "all"));
  depthChoice.addEventListener("change", () => {
    openRows.clear();
    const depth = depthChoice.value === "all" ? Infinity : Number(depthChoice.value);
    for (const row of rows) if (row.children.length && row.level + 1 < depth) openRows.add(row);
    refresh();
  });

  for (const column of data.columns) {
    const checkbox = html("input", { type: "checkbox", value: column.key });
    checkbox.checked = column.shown;
    checkbox.addEventListener("change", () => {
      if (checkbox.checked) shownColumns.add(column.key);
      else shownColumns.delete(column.key);
      refresh();
    });
    byId("columns").append(html("label", {}, checkbox, column.title));
  }

  views.push((row) => {
    if (row) reveal(row);
    for (const element of body.querySelectorAll("[aria-selected]"))
      element.setAttribute("aria-selected", String(rows[element.dataset.row] === row));
  });
  refresh();
}
