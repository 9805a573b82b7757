// Search of all layers by name and operation. The diagram marks every match, and a list shows the first ones.

const MAX_LISTED = 50;

function searchView(diagram) {
  const query = byId("query");
  const list = byId("found");
  let listed = [];
  let active = -1; // the position in the list

  // A layer and the operations that finish it are in a module row of the layer's name, which is found instead of both.
  for (const row of rows) {
    if (row.parent?.name === row.name) continue;
    row.op = valueOf(row.children.find((child) => child.name === row.name) ?? row, "op");
    row.searchText = `${row.name} ${row.description} ${row.op ?? ""}`.toLowerCase();
  }

  function find() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length
      ? rows.filter((row) => row.searchText && words.every((word) => row.searchText.includes(word)))
      : [];
    listed = found.slice(0, MAX_LISTED);
    active = listed.length ? 0 : -1;
    diagram.showMatches(found.flatMap((row) => (row.children.length && !row.op ? [] : row.nodes)));
    const items = listed.map(option);
    if (found.length > listed.length)
      items.push(html("div", { class: "note" }, `and ${grouped(found.length - listed.length)} more`));
    if (words.length && !found.length)
      items.push(html("div", { class: "note", role: "status" }, "no layer matches"));
    list.replaceChildren(...items);
    showList(words.length > 0);
    markActive();
  }

  const option = (row, k) =>
    html(
      "div",
      { class: "option", role: "option", id: `option-${k}`, "data-option": k },
      html("span", {}, row.name),
      html("span", { class: "muted" }, row.op ?? "module"),
      html("span", { class: "muted" }, cellText(row, "macs")),
    );

  function showList(visible) {
    list.hidden = !visible;
    query.setAttribute("aria-expanded", String(visible));
  }

  function markActive() {
    for (const element of list.querySelectorAll("[data-option]"))
      element.setAttribute("aria-selected", String(Number(element.dataset.option) === active));
    if (active >= 0) query.setAttribute("aria-activedescendant", `option-${active}`);
    else query.removeAttribute("aria-activedescendant");
    list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  function choose(k) {
    if (!listed[k]) return;
    active = k;
    select(listed[k], "search");
    showList(false);
  }

  query.addEventListener("input", find);
  query.addEventListener("focus", () => {
    if (query.value) find();
  });
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) find();
      const step = event.key === "ArrowDown" ? 1 : -1;
      active = listed.length ? (active + step + listed.length) % listed.length : -1;
      markActive();
    } else if (event.key === "Enter") choose(active);
    else if (event.key === "Escape") {
      query.value = "";
      find();
      query.blur();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    const k = event.target.closest("[data-option]")?.dataset.option;
    event.preventDefault(); // the query keeps the focus
    if (k !== undefined) choose(Number(k));
  });
  query.addEventListener("blur", () => showList(false));
}
