// Starts the views of the page, and connects those that belong together.

/** All values of the selected row, below the table. */
function detailsView() {
  const holder = byId("details");
  const close = html("button", { type: "button", class: "close", "aria-label": "Clear the selection" }, "\u00d7");
  close.addEventListener("click", () => select(null));
  views.push((row) => {
    holder.hidden = !row;
    if (!row) return;
    const facts = data.columns
      .filter(({ key }) => cellText(row, key) !== "-")
      .map(({ key, title }) => {
        const [text, exact] = [cellText(row, key), exactText(row, key)];
        const detail = exact && exact !== text ? html("small", {}, exact) : null;
        return html("div", {}, html("dt", {}, title), html("dd", {}, text, detail));
      });
    const heading = html("h3", {}, row.name, html("small", {}, row.description));
    holder.replaceChildren(close, heading, html("dl", {}, ...facts));
  });
}

/** A click on a module in the savings table selects it in the diagram. */
function savingsLinks() {
  byId("savings").addEventListener("click", (event) => {
    const name = event.target.closest("[data-module]")?.dataset.module;
    const row = name && rows.find((each) => each.name === name);
    if (!row) return;
    select(row, "savings");
    byId("network").scrollIntoView({ block: "start" });
  });
}

function keyboardShortcuts() {
  addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName ?? "");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      byId("query").focus();
    } else if (event.key === "Escape" && !isTyping) select(null);
  });
}

if (rows.length) {
  detailsView();
  tableView();
  const diagram = diagramView();
  icicleView();
  memoryView();
  receptiveFieldView();
  searchView(diagram);
  savingsLinks();
  keyboardShortcuts();
  addEventListener("beforeprint", () => diagram.print(true));
  addEventListener("afterprint", () => diagram.print(false));
}
