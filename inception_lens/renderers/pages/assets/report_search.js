// Search of all layers by name and operation: found boxes are marked in the diagram, and a list offers the first.

const MOST_FOUND = 50;

function searchView(diagram) {
  const query = byId("query");
  const list = byId("found");
  let hits = [];
  let at = -1;

  function find() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const every = words.length
      ? rows.filter((row) => row.haystack && words.every((word) => row.haystack.includes(word)))
      : [];
    hits = every.slice(0, MOST_FOUND);
    at = hits.length ? 0 : -1;
    diagram.found(every.flatMap((row) => (row.children.length && !row.op ? [] : row.nodes)));
    const more =
      every.length > MOST_FOUND
        ? [make("div", { class: "note" }, `and ${(every.length - MOST_FOUND).toLocaleString("en-US")} more`)]
        : [];
    const none =
      words.length && !every.length ? [make("div", { class: "note", role: "status" }, "no layer is called that")] : [];
    list.replaceChildren(...hits.map(hit), ...more, ...none);
    showList(words.length > 0);
    mark();
  }

  // A layer and what finishes it stand in a row of the layer's name: it is found once.
  for (const row of rows) {
    if (row.parent?.name === row.name) continue;
    row.op = valueOf(row.children.find((child) => child.name === row.name) ?? row, "op");
    row.haystack = `${row.name} ${row.about} ${row.op ?? ""}`.toLowerCase();
  }

  const hit = (row, k) =>
    make(
      "div",
      { class: "hit", role: "option", id: `hit-${k}`, "data-hit": k },
      make("span", {}, row.name),
      make("span", { class: "muted" }, row.op ?? "module"),
      make("span", { class: "muted" }, told(row, "macs")),
    );

  function showList(visible) {
    list.hidden = !visible;
    query.setAttribute("aria-expanded", String(visible));
  }

  function mark() {
    for (const each of list.querySelectorAll("[data-hit]"))
      each.setAttribute("aria-selected", String(Number(each.dataset.hit) === at));
    if (at >= 0) query.setAttribute("aria-activedescendant", `hit-${at}`);
    else query.removeAttribute("aria-activedescendant");
    list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  function take(k) {
    if (!hits[k]) return;
    at = k;
    select(hits[k], "search");
    showList(false);
  }

  query.addEventListener("input", find);
  query.addEventListener("focus", () => {
    if (query.value) find();
  });
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) find();
      at = hits.length ? (at + (event.key === "ArrowDown" ? 1 : -1) + hits.length) % hits.length : -1;
      mark();
    } else if (event.key === "Enter") take(at);
    else if (event.key === "Escape") {
      query.value = "";
      find();
      query.blur();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    const k = event.target.closest("[data-hit]")?.dataset.hit;
    event.preventDefault();
    if (k !== undefined) take(Number(k));
  });
  query.addEventListener("blur", () => showList(false));
}
