// The page: each view is made once, and told of every selection.

/** What is known of the selected row, above the diagram's corner. */
function detailsView() {
  const holder = byId("details");
  const close = make("button", { type: "button", class: "close", "aria-label": "Let go of the selection" }, "\u00d7");
  close.addEventListener("click", () => select(null));
  views.push((row) => {
    holder.hidden = !row;
    if (!row) return;
    const facts = data.columns.filter(({ key }) => !["-"].includes(told(row, key)))
      .flatMap(({ key, title }) => [make("dt", {}, title), make("dd", {}, full(row, key))]);
    holder.replaceChildren(close, make("h3", {}, row.name), row.about ? make("p", { class: "muted" }, row.about) : "",
      make("dl", {}, ...facts));
  });
}

/** A value with the exact number behind it. */
function full(row, key) {
  const [short, number] = [told(row, key), exact(row, key)];
  return number && number !== short && !short.startsWith(">=") ? `${short} (${number})` : short;
}

/** Rows of the savings lead to their module. */
function savingsLinks() {
  byId("savings").addEventListener("click", (event) => {
    const name = event.target.closest("[data-module]")?.dataset.module;
    const row = name && rows.find((each) => each.name === name);
    if (!row) return;
    select(row, "savings");
    byId("network").scrollIntoView({ block: "start" });
  });
}

function keys() {
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName ?? "");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      byId("query").focus();
    } else if (event.key === "Escape" && !typing) select(null);
  });
}

if (rows.length) {
  detailsView();
  tableView();
  const diagram = diagramView();
  icicleView();
  memoryView();
  fieldView();
  searchView(diagram);
  savingsLinks();
  keys();
  addEventListener("beforeprint", () => diagram.fit());
}
