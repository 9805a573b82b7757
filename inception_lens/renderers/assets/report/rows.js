// The rows of the layer table as a tree, and the selection that all views of the page share.

const { rows } = data;

// Rows are in depth-first order with their level: the parent is the last row of a lower level. Leaves are layers.
const ancestors = [];
for (const [index, row] of rows.entries()) {
  Object.assign(row, { index, children: [], parent: null, nodeSet: new Set(row.nodes) });
  ancestors.length = Math.min(ancestors.length, row.level);
  row.parent = ancestors.at(-1) ?? null;
  row.parent?.children.push(row);
  ancestors.push(row);
}

const treeDepth = Math.max(...rows.map((row) => row.level)) + 1;
const topRows = rows.filter((row) => !row.parent);

/** The row of a layer, by the layer's position in the network. */
const layerRows = new Map();
for (const row of rows) if (row.children.length === 0) for (const node of row.nodes) layerRows.set(node, row);

const rowsByNodes = new Map();
const nodesKey = (nodes) => `${nodes.reduce((a, b) => Math.min(a, b))} ${nodes.length}`;
for (const row of rows) {
  const key = nodesKey(row.nodes);
  rowsByNodes.set(key, [...(rowsByNodes.get(key) ?? []), row]);
}

/** The row with exactly the layers of a box; if there is none, the row of the box's main layer. */
function rowOf({ nodes, main }) {
  const candidates = rowsByNodes.get(nodesKey(nodes)) ?? [];
  return candidates.find((row) => nodes.every((node) => row.nodeSet.has(node))) ?? layerRows.get(main);
}

const isSubset = (nodes, nodeSet) => nodes.every((node) => nodeSet.has(node));

// One selection for the whole page. Each view is a function (row, source): the selected row or null, and the name of
// the view in which it was selected.
const views = [];
let selected = null;

function select(row, source = null) {
  selected = row;
  for (const view of views) view(row, source);
}
