// The page: each view is made once, and told of every selection.

/** What is known of the selected row, below the table. */
function detailsView() {
  const holder = byId("details");
  const close = make("button", { type: "button", class: "close", "aria-label": "Let go of the selection" }, "\u00d7");
  close.addEventListener("click", () => select(null));
  views.push((row) => {
    holder.hidden = !row;
    if (!row) return;
    const facts = data.columns
      .filter(({ key }) => told(row, key) !== "-")
      .map(({ key, title }) => {
        const [short, number] = [told(row, key), exact(row, key)];
        const more = number && number !== short ? make("small", {}, number) : null;
        return make("div", {}, make("dt", {}, title), make("dd", {}, short, more));
      });
    holder.replaceChildren(close, make("h3", {}, row.name, make("small", {}, row.about)), make("dl", {}, ...facts));
  });
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
  addEventListener("beforeprint", () => diagram.print(true));
  addEventListener("afterprint", () => diagram.print(false));
}
