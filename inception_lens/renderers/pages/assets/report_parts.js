"use strict";
// What every part of the page uses: the data, numbers as people read them, and elements. A name from the data only ever
// becomes text or the value of a harmless attribute: nothing here parses markup.

const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows;
const column = new Map(data.columns.map((each, k) => [each.key, k]));
const dark = matchMedia("(prefers-color-scheme: dark)");
const SVG = "http://www.w3.org/2000/svg";
const PREFIXES = [
  [1e24, "Y"],
  [1e21, "Z"],
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** An element with attributes and children; texts become text nodes. */
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);

/** A count to so many digits with its unit: 118.0 M. As `units.short` of the package writes it. */
function scaled(number, digits) {
  for (const [factor, prefix] of PREFIXES) {
    if (Math.abs(number) >= factor * (1 - 0.5 * 10 ** -digits)) {
      const value = number / factor;
      const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
      return `${value.toFixed(Math.max(digits - 1 - Math.max(exponent, 0), 0))} ${prefix}`;
    }
  }
  return String(number);
}

const FORMS = {
  count: (number) => number.toLocaleString("en-US"),
  short: (number) => scaled(number, 4),
  size: (number) => {
    const text = scaled(number, 3);
    return /[A-Za-z]$/.test(text) ? `${text}B` : `${text} B`;
  },
  text: (value) => String(value),
};

const titleOf = (key) => data.columns[column.get(key)].title;
const formOf = (key) => FORMS[data.columns[column.get(key)].form];
const valueOf = (row, key) => row.values[column.get(key)];

/** A cell as people read it: "-" for nothing, "?" for the unknown, ">=" where the sum leaves something out. */
function told(row, key) {
  const value = valueOf(row, key);
  const least = row.least?.includes(key);
  if (least) return value ? `>= ${formOf(key)(value)}` : "?";
  return value === null || value === 0 || value === "" ? "-" : formOf(key)(value);
}

/** The exact number behind a cell, where there is one. */
function exact(row, key) {
  const value = valueOf(row, key);
  return Number.isSafeInteger(value) && value >= 1000 ? value.toLocaleString("en-US") : null;
}

// Rows know their parent and children by the levels that they stand on; leaves are layers.
const open = [];
for (const [at, row] of rows.entries()) {
  Object.assign(row, { at, children: [], parent: null, set: new Set(row.nodes) });
  open.length = Math.min(open.length, row.level);
  row.parent = open.at(-1) ?? null;
  row.parent?.children.push(row);
  open.push(row);
}

const leafOf = new Map();
for (const row of rows) if (row.children.length === 0) for (const node of row.nodes) leafOf.set(node, row);
const rowsBySize = new Map();
for (const row of rows) {
  const key = `${row.nodes[0]} ${row.nodes.length}`;
  rowsBySize.set(key, [...(rowsBySize.get(key) ?? []), row]);
}

/** The row of just the calls of a box, or that of the call that it is about. */
function rowOf({ nodes, main }) {
  const same = rowsBySize.get(`${Math.min(...nodes)} ${nodes.length}`) ?? [];
  return same.find((row) => nodes.every((node) => row.set.has(node))) ?? leafOf.get(main);
}

const within = (few, many) => few.every((node) => many.has(node));

/** How deep the tree of rows is. */
const deepest = Math.max(...rows.map((row) => row.level)) + 1;

// One selection for the whole page: each view is told of it, and by which view.
const views = [];
let selected = null;

function select(row, from = null) {
  selected = row;
  for (const view of views) view(row, from);
}

const kindClass = (kind) => `kind-${String(kind).replace(/[^a-z]/g, "")}`;
