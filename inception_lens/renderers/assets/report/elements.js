"use strict";
// Creates elements. Names from the data become text nodes or values of harmless attributes only: no script of this
// page parses markup, so a layer called "<script>" stays text.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

/** An HTML element with attributes and children; strings become text nodes. */
function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element with attributes and children; strings become text nodes. */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

/** Set attributes and append children; null, undefined and false leave an attribute or a child out. */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The class that sets the colour of a kind of box; the style sheet has one for each category of operation. */
const kindClass = (kind) => `kind-${String(kind).replace(/[^a-z]/g, "")}`;
